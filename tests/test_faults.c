/* Faults. Every public function, at every allocation it makes: out of memory once and from then on. Every
 * function that reads or writes files, at every call of the system: errors, short transfers, a full disk. A
 * training that saves itself, killed at random: what is on the disk is always one complete state, and the end
 * is the same to the bit.
 *
 *     build/test_faults                 all of it, a few kills
 *     build/test_faults --kills 1000    only kills */
#include "fault_shim.h"

#if defined(FAULT_FILES)
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#endif

#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "../examples/support/cifar10.h"
#include "../examples/support/table.h"
#include "ref.h"
#include "test.h"

enum { N = 12, BATCH = 4, OUT = 512 };

static const char path[] = "build/faults.safetensors", temporary[] = "build/faults.safetensors.tmp";
static const char model_path[] = "build/faults_model.safetensors";

/* ---- what the functions work on ---- */

typedef struct world {
    float x[2 * N], logsnr[N];
    itd_model *model;
    itd_trainer *trainer;
    itd_gaussian *gaussian;
    itd_draws *draws;
    itd_net *net, *unet;
    itd_denoiser den;
    double out[OUT]; /* every number that comes out goes here */
    struct {         /* every object; all NULL unless the function succeeded */
        itd_model *model;
        itd_trainer *trainer;
        itd_gaussian *gaussian;
        itd_draws *draws;
        itd_net *net;
    } made;
    itd_error error;
} world;

static itd_model_desc small_model(void)
{
    itd_model_desc desc = itd_model_desc_default(2);
    desc.mlp.layers = 2, desc.mlp.hidden = 60, desc.mlp.embedding = 4, desc.mlp.directions = 3;
    desc.mlp.zero_output = false;
    return desc;
}

static itd_trainer_desc small_trainer(void)
{
    itd_trainer_desc desc = itd_trainer_desc_default();
    desc.batch = BATCH, desc.ema = 0.9;
    return desc;
}

static itd_unet_desc small_unet(void)
{
    itd_unet_desc d = itd_unet_desc_default();
    d.height = d.width = 4, d.channels = 1, d.levels = 2, d.features[0] = d.features[1] = 4,
    d.features[2] = 0;
    d.groups = 2, d.attention = 2 | 4, d.embedding = 4, d.hidden = 4, d.time = ITD_TIME_EXACT;
    d.zero_output = false;
    return d;
}

static world *world_make(void)
{
    static world w;
    itd_model_desc md = small_model();
    itd_trainer_desc td = small_trainer();
    itd_unet_desc ud = small_unet();
    itd_nll_desc nd = itd_nll_desc_default();
    itd_rng rng = itd_rng_make(3, 0);
    memset(&w, 0, sizeof w);
    itd_rng_normal_fill(&rng, 2 * N, w.x);
    itd_rng_normal_fill(&rng, N, w.logsnr);
    CHECK_OK(itd_model_create(&md, 1, &w.model));
    CHECK_OK(itd_model_fit(w.model, w.x, N));
    CHECK_OK(itd_model_set_note(w.model, "columns", "a,b"));
    CHECK_OK(itd_trainer_create(w.model, &td, &w.trainer));
    CHECK_OK(itd_gaussian_fit(w.x, N, 2, &w.gaussian));
    CHECK_OK(itd_mlp_create(&md.mlp, 1, &w.net));
    CHECK_OK(itd_unet_create(&ud, 1, &w.unet));
    CHECK_OK(itd_net_forward(w.net, w.x, w.logsnr, 2, (float *)w.out));
    CHECK_OK(itd_net_forward(w.unet, w.x, w.logsnr, 1, (float *)w.out));
    w.den = itd_gaussian_denoiser(w.gaussian);
    nd.draws = 4, nd.batch = 4;
    CHECK_OK(itd_measure(&w.den, 1, w.x, N, &nd, &w.draws));
    w.den = itd_model_denoiser(w.model);
    memset(w.out, 0xA5, sizeof w.out);
    return &w;
}

static void world_free(world *w)
{
    itd_trainer_free(w->made.trainer), itd_model_free(w->made.model), itd_gaussian_free(w->made.gaussian);
    itd_draws_free(w->made.draws), itd_net_free(w->made.net);
    itd_trainer_free(w->trainer), itd_model_free(w->model), itd_gaussian_free(w->gaussian);
    itd_draws_free(w->draws), itd_net_free(w->net), itd_net_free(w->unet);
}

/* ---- each public function once ---- */

#define CALL(name) static itd_result call_##name(world *w)
#define VALUE(expression) return w->out[0] = (double)(expression), ITD_OK

CALL(result_string) { VALUE(*itd_result_string(ITD_ERROR_MEMORY)); }
CALL(rng_make) { VALUE(itd_rng_make(1, 2).seed); }
CALL(rng_uniform)
{
    itd_rng rng = itd_rng_make(1, 2);
    VALUE(itd_rng_uniform(&rng));
}
CALL(rng_normal)
{
    itd_rng rng = itd_rng_make(1, 2);
    VALUE(itd_rng_normal(&rng));
}
CALL(rng_below)
{
    itd_rng rng = itd_rng_make(1, 2);
    VALUE(itd_rng_below(&rng, 6));
}
CALL(rng_shuffle)
{
    itd_rng rng = itd_rng_make(1, 2);
    size_t index[3] = {0, 1, 2};
    itd_rng_shuffle(&rng, 3, index);
    VALUE(index[0]);
}
CALL(rng_normal_fill)
{
    itd_rng rng = itd_rng_make(1, 2);
    itd_rng_normal_fill(&rng, 9, (float *)w->out);
    return ITD_OK;
}
CALL(philox)
{
    const uint32_t counter[4] = {1, 2, 3, 4}, key[2] = {5, 6};
    uint32_t out[4];
    itd_philox(counter, key, out);
    VALUE(out[0]);
}
CALL(simd_use) { VALUE(itd_simd_use(ITD_SIMD_PLAIN)); }
CALL(simd_name) { VALUE(*itd_simd_name()); }
CALL(sigmoid) { VALUE(itd_sigmoid(0.5)); }
CALL(channel)
{
    itd_channel(w->x, w->x + 4, w->logsnr, 2, 2, (float *)w->out);
    return ITD_OK;
}
CALL(schedule_default) { VALUE(itd_schedule_default().scale); }
CALL(schedule_quantile)
{
    itd_schedule s = itd_schedule_default();
    VALUE(itd_schedule_quantile(&s, 0.3));
}
CALL(schedule_weight)
{
    itd_schedule s = itd_schedule_default();
    VALUE(itd_schedule_weight(&s, 0.3));
}
CALL(schedule_sample)
{
    itd_schedule s = itd_schedule_default();
    itd_rng rng = itd_rng_make(1, 2);
    return itd_schedule_sample(&s, &rng, true, 8, (float *)w->out, (float *)w->out + 8);
}
CALL(schedule_from_spectrum)
{
    const double lambda[2] = {2, 1};
    return itd_schedule_from_spectrum(lambda, 2, (itd_schedule *)(void *)w->out);
}
CALL(schedule_from_mse)
{
    double logsnr[41], mse[41], mmse[41];
    for (int i = 0; i < 41; i++) {
        logsnr[i] = 0.5 * i - 10;
        mse[i] = itd_sigmoid(logsnr[i] - 1), mmse[i] = itd_sigmoid(logsnr[i]);
    }
    return itd_schedule_from_mse(logsnr, mse, mmse, 41, 1, (itd_schedule *)(void *)w->out);
}
CALL(score) { return itd_score(&w->den, w->x, w->logsnr, N, (float *)w->out); }
CALL(gaussian_fit) { return itd_gaussian_fit(w->x, N, 2, &w->made.gaussian); }
CALL(gaussian_fit_wide)
{
    enum { WIDE = 66, ROWS = 70 }; /* rows summed as floats, by blocks */
    static float x[WIDE * ROWS];
    itd_rng rng = itd_rng_make(1, 2);
    itd_rng_normal_fill(&rng, WIDE * ROWS, x);
    return itd_gaussian_fit(x, ROWS, WIDE, &w->made.gaussian);
}
CALL(gaussian_create)
{
    const double mean[2] = {1, 2}, covariance[4] = {2, 1, 1, 3};
    return itd_gaussian_create(mean, covariance, 2, &w->made.gaussian);
}
CALL(gaussian_from_eigen)
{
    const double mean[2] = {1, 2}, lambda[2] = {3, 1}, vectors[4] = {0, 1, 1, 0};
    return itd_gaussian_from_eigen(mean, lambda, vectors, 2, &w->made.gaussian);
}
CALL(gaussian_free)
{
    itd_gaussian_free(w->gaussian), w->gaussian = NULL;
    itd_gaussian_free(NULL);
    return ITD_OK;
}
CALL(gaussian_to_coordinates) { return itd_gaussian_to_coordinates(&w->den, w->gaussian, &w->made.gaussian); }
CALL(to_coordinates)
{
    itd_to_coordinates(&w->den, w->x, N, (float *)w->out);
    return ITD_OK;
}
CALL(from_coordinates)
{
    itd_from_coordinates(&w->den, w->x, N, (float *)w->out);
    return ITD_OK;
}
CALL(gaussian_entropy) { VALUE(itd_gaussian_entropy(w->gaussian)); }
CALL(gaussian_nll) { VALUE(itd_gaussian_nll(w->gaussian, w->x)); }
CALL(gaussian_mse) { VALUE(itd_gaussian_mse(w->gaussian, w->x, 1)); }
CALL(gaussian_mmse) { VALUE(itd_gaussian_mmse(w->gaussian, 1)); }
CALL(gaussian_denoiser)
{
    itd_denoiser den = itd_gaussian_denoiser(w->gaussian);
    return den.predict(den.ctx, w->x, w->logsnr, 3, (float *)w->out);
}
CALL(eigen_symmetric)
{
    double a[9] = {2, 1, 0, 1, 2, 1, 0, 1, 2};
    return itd_eigen_symmetric(3, a, w->out, w->out + 3);
}
CALL(nll_desc_default) { VALUE(itd_nll_desc_default().draws); }
static itd_nll_desc small_nll(const world *w, const itd_gaussian *reference)
{
    itd_nll_desc d = itd_model_nll_desc(w->model);
    d.draws = 40, d.batch = 8, d.reference = reference; /* enough for a pilot */
    return d;
}
static itd_result nll(world *w, bool cancel, const itd_gaussian *reference)
{
    itd_nll_desc d = small_nll(w, reference);
    d.cancel = cancel;
    return itd_nll(&w->den, w->x, N, &d, (itd_nll_result *)(void *)(w->out + 2 * N), w->out, w->out + N);
}
CALL(nll) { return nll(w, true, w->model->gaussian); }
CALL(nll_plain) { return nll(w, false, NULL); }
CALL(nll_own_reference) { return nll(w, true, NULL); }
CALL(model_problem)
{
    itd_model_desc d = itd_model_desc_default(2);
    (void)w;
    d.mlp.layers = 0;
    VALUE(itd_model_problem(&d, NULL) != NULL);
}

CALL(nll_problem)
{
    itd_nll_desc d = small_nll(w, NULL);
    d.draws = 0;
    VALUE(itd_nll_problem(&w->den, 1, N, &d) != NULL);
}
CALL(measure)
{
    itd_nll_desc d = small_nll(w, w->model->gaussian);
    return itd_measure(&w->den, 1, w->x, N, &d, &w->made.draws);
}
CALL(draws_free)
{
    itd_draws_free(w->draws), w->draws = NULL;
    itd_draws_free(NULL);
    return ITD_OK;
}
CALL(draws_nll)
{
    return itd_draws_nll(w->draws, 0, (itd_nll_result *)(void *)(w->out + 2 * N), w->out, w->out + N);
}
CALL(draws_integral)
{
    return itd_draws_integral(w->draws, w->draws->nll_reference, w->draws->weight,
                              (itd_nll_result *)(void *)(w->out + 2 * N), w->out, w->out + N);
}
CALL(draws_curve) { return itd_draws_curve(w->draws, 0, 4, w->out, w->out + 4, w->out + 8, w->out + 12); }
CALL(mse_curve)
{
    const double logsnr[3] = {-1, 0, 1};
    return itd_mse_curve(&w->den, w->x, N, logsnr, 3, 1, w->out, w->out + 3, w->out + 6);
}
CALL(unet_desc_default) { VALUE(itd_unet_desc_default().levels); }
CALL(unet_desc_ddpm_cifar10) { VALUE(itd_unet_desc_ddpm_cifar10().levels); }
CALL(unet_create)
{
    itd_unet_desc d = small_unet();
    return itd_unet_create(&d, 1, &w->made.net);
}
CALL(mlp_desc_default) { VALUE(itd_mlp_desc_default(2).layers); }
CALL(mlp_create)
{
    itd_model_desc d = small_model();
    return itd_mlp_create(&d.mlp, 1, &w->made.net);
}
CALL(net_free)
{
    itd_net_free(w->net), w->net = NULL;
    itd_net_free(NULL);
    return ITD_OK;
}
CALL(net_parameters) { VALUE(itd_net_parameters(w->net)); }
CALL(net_memory) { VALUE(itd_net_memory(w->net, 3, true)); }
CALL(net_weights) { VALUE(*itd_net_weights(w->net)); }
CALL(net_gradients) { VALUE(itd_net_gradients(w->net) == NULL); }
CALL(net_average) { VALUE(itd_net_average(w->net) == NULL); }
CALL(net_forward) { return itd_net_forward(w->net, w->x, w->logsnr, 3, (float *)w->out); }
CALL(net_forward_unet)
{
    const float z[3 * 16] = {0};
    return itd_net_forward(w->unet, z, w->logsnr, 3, (float *)w->out);
}
CALL(net_backward) { return itd_net_backward(w->net, w->x, 2, (float *)w->out); }
CALL(net_backward_unet) { return itd_net_backward(w->unet, w->x, 1, (float *)w->out); }
CALL(net_summary)
{
    char text[100];
    VALUE(itd_net_summary(w->net, 0, text, sizeof text) != NULL);
}
CALL(model_desc_default) { VALUE(itd_model_desc_default(2).variance); }
CALL(model_create)
{
    itd_model_desc d = small_model();
    return itd_model_create(&d, 1, &w->made.model);
}
CALL(model_free)
{
    itd_trainer_free(w->trainer), w->trainer = NULL;
    itd_model_free(w->model), w->model = NULL;
    itd_model_free(NULL);
    return ITD_OK;
}
CALL(model_fit) { return itd_model_fit(w->model, w->x, N); }
CALL(model_set_note) { return itd_model_set_note(w->model, "columns", "b,a"); }
CALL(model_set_note_anew) { return itd_model_set_note(w->model, "units", "cm"); }
CALL(model_set_note_away) { return itd_model_set_note(w->model, "columns", NULL); }
CALL(model_note) { VALUE(*itd_model_note(w->model, "columns")); }
CALL(model_denoiser) { return w->den.predict(w->den.ctx, w->x, w->logsnr, N, (float *)w->out); }
CALL(model_nll_desc) { VALUE(itd_model_nll_desc(w->model).draws); }
CALL(trainer_desc_default) { VALUE(itd_trainer_desc_default().batch); }
CALL(trainer_create)
{
    itd_trainer_desc d = small_trainer();
    itd_model_desc md = small_model();
    itd_model *model = NULL;
    itd_result result = itd_model_create(&md, 1, &model);
    if (result == ITD_OK) result = itd_trainer_create(model, &d, &w->made.trainer);
    if (result == ITD_OK) w->made.model = model;
    else itd_model_free(model);
    return result;
}
CALL(trainer_free)
{
    itd_trainer_free(w->trainer), w->trainer = NULL;
    itd_trainer_free(NULL);
    return ITD_OK;
}
CALL(train_step) { return itd_train_step(w->trainer, w->x, w->out); }
CALL(train_indices) { return itd_train_indices(w->trainer, N, (size_t *)(void *)w->out); }
CALL(train_epoch) { return itd_train_epoch(w->trainer, w->x, N, w->out); }
CALL(train_steps)
{
    itd_trainer_desc d = small_trainer();
    VALUE(itd_train_steps(&d, N, 3));
}
CALL(sample_desc_default) { VALUE(itd_sample_desc_default().steps); }
CALL(model_sample_desc) { VALUE(itd_model_sample_desc(w->model).steps); }
CALL(sample)
{
    itd_sample_desc d = itd_model_sample_desc(w->model);
    d.steps = 3, d.batch = 4;
    return itd_sample(&w->den, &d, 10, (float *)w->out);
}
CALL(save) { return itd_save(w->model, w->trainer, path, &w->error); }
CALL(save_half) { return itd_save_half(w->model, path, &w->error); }
CALL(load) { return itd_load(model_path, &w->made.model, &w->made.trainer, &w->error); }
CALL(load_weights) { return itd_load_weights(w->model, model_path, "raw.", &w->error); }

typedef struct function {
    const char *name; /* as in the header, and perhaps another case of it after a blank */
    itd_result (*call)(world *w);
    bool allocates;
    bool leaves; /* numbers in its output when it fails, as its documentation says */
} function;

#define QUIET(name)                                                                                          \
    {                                                                                                        \
        "itd_" #name, call_##name, false, false                                                              \
    }
#define ASKS(name)                                                                                           \
    {                                                                                                        \
        "itd_" #name, call_##name, true, false                                                               \
    }

static const function functions[] = {
    QUIET(result_string),
    QUIET(rng_make),
    QUIET(rng_uniform),
    QUIET(rng_normal),
    QUIET(rng_below),
    QUIET(rng_shuffle),
    QUIET(rng_normal_fill),
    QUIET(philox),
    QUIET(simd_use),
    QUIET(simd_name),
    QUIET(sigmoid),
    QUIET(channel),
    QUIET(schedule_default),
    QUIET(schedule_quantile),
    QUIET(schedule_weight),
    QUIET(schedule_sample),
    QUIET(schedule_from_spectrum),
    QUIET(schedule_from_mse),
    QUIET(to_coordinates),
    QUIET(from_coordinates),
    {"itd_score", call_score, true, true},
    ASKS(gaussian_fit),
    {"itd_gaussian_fit of many columns", call_gaussian_fit_wide, true, false},
    ASKS(gaussian_create),
    ASKS(gaussian_from_eigen),
    QUIET(gaussian_free),
    ASKS(gaussian_to_coordinates),
    QUIET(gaussian_entropy),
    QUIET(gaussian_nll),
    QUIET(gaussian_mse),
    QUIET(gaussian_mmse),
    QUIET(gaussian_denoiser),
    QUIET(eigen_symmetric),
    QUIET(nll_desc_default),
    ASKS(nll),
    {"itd_nll without cancelling", call_nll_plain, true, false},
    {"itd_nll without reference", call_nll_own_reference, true, false},
    ASKS(mse_curve),
    QUIET(nll_problem),
    QUIET(model_problem),
    ASKS(measure),
    QUIET(draws_free),
    ASKS(draws_nll),
    ASKS(draws_integral),
    ASKS(draws_curve),
    QUIET(unet_desc_default),
    QUIET(unet_desc_ddpm_cifar10),
    ASKS(unet_create),
    QUIET(mlp_desc_default),
    ASKS(mlp_create),
    QUIET(net_free),
    QUIET(net_parameters),
    QUIET(net_memory),
    QUIET(net_weights),
    QUIET(net_gradients),
    QUIET(net_average),
    ASKS(net_forward),
    {"itd_net_forward of images", call_net_forward_unet, true, false},
    ASKS(net_backward),
    {"itd_net_backward of images", call_net_backward_unet, true, false},
    QUIET(net_summary),
    QUIET(model_desc_default),
    ASKS(model_create),
    QUIET(model_free),
    ASKS(model_fit),
    ASKS(model_set_note),
    {"itd_model_set_note of a new key", call_model_set_note_anew, true, false},
    {"itd_model_set_note of nothing", call_model_set_note_away, false, false},
    QUIET(model_note),
    ASKS(model_denoiser),
    QUIET(model_nll_desc),
    QUIET(trainer_desc_default),
    ASKS(trainer_create),
    QUIET(trainer_free),
    ASKS(train_step),
    ASKS(train_indices),
    ASKS(train_epoch),
    QUIET(train_steps),
    QUIET(sample_desc_default),
    QUIET(model_sample_desc),
    ASKS(sample),
    ASKS(save),
    ASKS(save_half),
    ASKS(load),
    ASKS(load_weights),
};

enum { FUNCTIONS = sizeof functions / sizeof *functions };

/* ---- the list is that of the header ---- */

static bool listed(const char *name, size_t length)
{
    for (size_t k = 0; k < FUNCTIONS; k++)
        if (!strncmp(functions[k].name, name, length) &&
            (functions[k].name[length] == 0 || functions[k].name[length] == ' '))
            return true;
    return false;
}

static void every_public_function_is_in_the_list(void)
{
    FILE *header = (fopen)("itdiff.h", "r");
    char line[200];
    size_t found = 0, cases = 0;
    if (!CHECK(header != NULL)) return;
    while (fgets(line, sizeof line, header) && !strstr(line, "#endif /* ITDIFF_H */")) {
        const char *end = strchr(line, '('), *name = end;
        if (strncmp(line, "ITD_DEF ", 8)) continue;
        if (!CHECK(end != NULL)) break;
        while (name > line && name[-1] != ' ' && name[-1] != '*') name--;
        found++;
        if (!CHECK(listed(name, (size_t)(end - name))))
            printf("    no test for %.*s\n", (int)(end - name), name);
    }
    fclose(header);
    for (size_t k = 0; k < FUNCTIONS; k++) cases += strchr(functions[k].name, ' ') == NULL;
    CHECK(found == cases); /* and nothing in the list that is not in the header */
}

/* ---- what a failure leaves as it was ---- */

/* All that a model and its trainer are, as a CRC of what they save. */
static uint32_t state_of(const world *w)
{
    static const char state_path[] = "build/faults_state.safetensors";
    static unsigned char bytes[1 << 20];
    size_t n;
    FILE *file;
    if (!CHECK_OK(itd_save(w->model, w->trainer, state_path, NULL))) return 0;
    file = (fopen)(state_path, "rb");
    if (!CHECK(file != NULL)) return 0;
    n = fread(bytes, 1, sizeof bytes, file);
    CHECK(n > 0 && n < sizeof bytes);
    fclose(file), remove(state_path);
    return ref_crc32c(bytes, n);
}

static uint32_t fresh; /* the state of every new world */

static bool untouched(const world *w)
{
    const unsigned char *p = (const unsigned char *)w->out;
    for (size_t i = 0; i < sizeof w->out; i++)
        if (p[i] != 0xA5) return false;
    return !w->made.model && !w->made.trainer && !w->made.gaussian && !w->made.draws && !w->made.net &&
           state_of(w) == fresh;
}

/* ---- memory ---- */

/* One call with allocation k failing. Whether there was no such allocation. */
static bool call_failing(const function *f, long k, int for_good)
{
    world *w = world_make();
    long failed;
    itd_result result;
    remove(path);
    memory_begin(k, for_good);
    result = f->call(w);
    failed = memory.failed;
    memory_begin(-1, 0);
    if (failed) {
        CHECK(result == ITD_ERROR_MEMORY);
        CHECK(f->leaves || untouched(w));
        CHECK(strstr(f->name, "save") == NULL || remove(path) != 0); /* there is no file */
        memset(w->out, 0xA5, sizeof w->out);
        CHECK_OK(f->call(w)); /* and all is well again */
    } else {
        CHECK(result == ITD_OK);
    }
    world_free(w);
    CHECK(memory.blocks == 0);
    return failed == 0;
}

static void memory_runs_out_everywhere(void)
{
    world *w = world_make();
    CHECK_OK(itd_save(w->model, w->trainer, model_path, NULL));
    fresh = state_of(w);
    world_free(w);
    for (size_t i = 0; i < FUNCTIONS; i++)
        for (int for_good = 0; for_good < 2; for_good++) {
            const function *f = &functions[i];
            int faults = test_faults;
            long k = 0;
            while (k < 1000 && !call_failing(f, k, for_good)) k++;
            CHECK(k < 1000 && (k > 0) == f->allocates);
            if (test_faults > faults) printf("    %s: %ld allocations\n", f->name, k);
        }
}

#if defined(FAULT_FILES)

/* ---- files ---- */

enum { MOST = 1 << 16 };

typedef struct content {
    unsigned char bytes[MOST];
    size_t size; /* 0: no file */
} content;

static void content_read(const char *from, content *c)
{
    FILE *file = (fopen)(from, "rb");
    c->size = file ? fread(c->bytes, 1, MOST, file) : 0;
    if (file) fclose(file);
}

static bool content_same(const content *a, const content *b)
{
    return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

static void content_write(const char *to, const content *c)
{
    FILE *file = (fopen)(to, "wb");
    if (!CHECK(file != NULL)) return;
    CHECK(fwrite(c->bytes, 1, c->size, file) == c->size);
    CHECK(fclose(file) == 0);
}

static const int faults_of_files[] = {EIO, ENOSPC, EINTR, 0 /* half of the bytes */};
enum { KINDS = sizeof faults_of_files / sizeof *faults_of_files };
static size_t seen[FAULT_RENAME + 1], refused[FAULT_RENAME + 1]; /* events */
static content old, new, now;

/* Error and old file, or success and new file; never anything else, and nothing beside it. */
static bool save_failing(const function *f, long k, int fault, int for_good)
{
    world *w = world_make();
    itd_result result;
    int failed, last; /* and whether there is no event k */
    remove(temporary);
    content_write(path, &old);
    disk_begin(k, fault, for_good);
    result = f->call(w);
    failed = disk.failed, last = disk.calls <= k;
    disk_begin(-1, 0, 0);
    content_read(path, &now);
    if (failed) seen[disk.event]++;
    if (result == ITD_OK) {
        CHECK(content_same(&now, &new));
        CHECK(!failed || fault == 0 || disk.event == FAULT_SEEK);
    } else {
        CHECK(content_same(&now, &old));
        CHECK(result == (disk.event == FAULT_OPEN ? ITD_ERROR_OPEN : ITD_ERROR_WRITE));
        CHECK(strstr(w->error.text, path) == w->error.text);
    }
    content_read(temporary, &now);
    CHECK(now.size == 0);
    world_free(w);
    CHECK(memory.blocks == 0);
    return last;
}

static void writing_fails_everywhere(void)
{
    static const char *const names[] = {"itd_save", "itd_save_half"};
    memset(seen, 0, sizeof seen);
    for (size_t i = 0; i < FUNCTIONS; i++) {
        const function *f = &functions[i];
        world *w = world_make();
        size_t n = 0;
        while (n < 2 && strcmp(f->name, names[n])) n++;
        if (n < 2) {
            CHECK_OK(itd_save(w->model, NULL, path, NULL));
            content_read(path, &old);
            CHECK_OK(f->call(w));
            content_read(path, &new);
            CHECK(!content_same(&old, &new));
        }
        world_free(w);
        for (size_t kind = 0; n < 2 && kind < 2 * KINDS; kind++) {
            int fault = faults_of_files[kind / 2], faults = test_faults;
            long k = 0;
            while (k < 1000 && !save_failing(f, k, fault, (int)kind % 2)) k++;
            CHECK(k > 5 && k < 1000);
            if (test_faults > faults) printf("    %s: fault %d, %ld calls\n", f->name, fault, k);
        }
    }
    CHECK(seen[FAULT_OPEN] && seen[FAULT_WRITE] && seen[FAULT_CLOSE] && seen[FAULT_SYNC] &&
          seen[FAULT_RENAME]);
}

/* Where reading fails the error says so; what succeeds has read all. (It may read ahead in vain.) */
static bool load_failing(const function *f, long k, int fault, int for_good)
{
    world *w = world_make();
    itd_result result;
    int failed, last; /* and whether there is no event k */
    disk_begin(k, fault, for_good);
    result = f->call(w);
    failed = disk.failed, last = disk.calls <= k;
    disk_begin(-1, 0, 0);
    if (failed) seen[disk.event]++;
    if (result == ITD_OK) {
        if (w->made.model) CHECK_OK(itd_save(w->made.model, w->made.trainer, path, NULL));
        else CHECK_OK(itd_save(w->model, w->trainer, path, NULL));
        content_read(path, &now);
        CHECK(content_same(&now, &old));
    } else {
        refused[disk.event]++;
        CHECK(untouched(w));
        CHECK(result == (disk.event == FAULT_OPEN ? ITD_ERROR_OPEN : ITD_ERROR_READ));
        CHECK(strstr(w->error.text, "build/faults") == w->error.text);
    }
    world_free(w);
    CHECK(memory.blocks == 0);
    return last;
}

static void reading_fails_everywhere(void)
{
    static const char *const names[] = {"itd_load", "itd_load_weights"};
    memset(seen, 0, sizeof seen);
    for (size_t i = 0; i < FUNCTIONS; i++) {
        const function *f = &functions[i];
        size_t n = 0;
        while (n < 2 && strcmp(f->name, names[n])) n++;
        if (n < 2) content_read(model_path, &old);
        for (size_t kind = 0; n < 2 && kind < 2 * KINDS; kind++) {
            int fault = faults_of_files[kind / 2], faults = test_faults;
            long k = 0;
            while (k < 1000 && !load_failing(f, k, fault, (int)kind % 2)) k++;
            CHECK(k > 5 && k < 1000);
            if (test_faults > faults) printf("    %s: fault %d, %ld calls\n", f->name, fault, k);
        }
    }
    CHECK(refused[FAULT_OPEN] && refused[FAULT_READ] >= 24 && refused[FAULT_SEEK] && seen[FAULT_CLOSE]);
}

/* The examples' readers: all of the data or an error. */
static void data_are_read_whole_or_not_at_all(void)
{
    static const char csv_path[] = "build/faults.csv", cifar_path[] = "build/test_batch.bin";
    char error[300];
    FILE *file = (fopen)(csv_path, "wb");
    if (!CHECK(file != NULL)) return;
    for (int i = 0; i < 3000; i++) fprintf(file, "%d,%d.5\n", i, -i);
    CHECK(fclose(file) == 0);
    file = (fopen)(cifar_path, "wb");
    if (!CHECK(file != NULL)) return;
    for (int i = 0; i < 3 * cifar10_record; i++)
        putc(i % cifar10_record ? i & 255 : i / cifar10_record, file);
    CHECK(fclose(file) == 0);
    for (size_t kind = 0; kind < 2 * KINDS; kind++) {
        int fault = faults_of_files[kind / 2], more = 1;
        for (long k = 0; more && k < 1000; k++) {
            data_table t = {0};
            int status, failed;
            disk_begin(k, fault, (int)kind % 2);
            status = table_read(csv_path, NULL, &t, error, sizeof error);
            failed = disk.failed, more = disk.calls > k;
            if (status == 0) CHECK(t.rows == 3000 && t.columns == 2 && t.values[5999] < -2999.4);
            else CHECK(strstr(error, csv_path) == error && !t.values);
            CHECK(status == 0 || failed);
            CHECK(status != 0 || !failed || fault == 0 || disk.event >= FAULT_SEEK);
            table_free(&t);
        }
        more = 1;
        for (long k = 0; more && k < 1000; k++) {
            cifar10 set = {0, NULL, NULL};
            int status, failed;
            disk_begin(k, fault, (int)kind % 2);
            status = cifar10_read("build", "test", &set, error, sizeof error);
            failed = disk.failed, more = disk.calls > k;
            if (status == 0) CHECK(set.n == 3 && set.labels[2] == 2);
            else CHECK(strstr(error, cifar_path) == error && !set.pixels);
            CHECK(status == 0 || failed);
            CHECK(status != 0 || !failed || fault == 0 || disk.event >= FAULT_SEEK);
            cifar10_free(&set);
        }
    }
    disk_begin(-1, 0, 0);
    remove(csv_path), remove(cifar_path);
}

/* A disk that is full after n bytes, as the system itself plays it. */
static void files_stay_whole_on_a_full_disk(void)
{
    struct rlimit limit, unlimited;
    world *w = world_make();
    size_t full = 0;
    CHECK_OK(itd_save(w->model, NULL, path, NULL));
    content_read(path, &old);
    CHECK_OK(itd_save(w->model, w->trainer, path, NULL));
    content_read(path, &new);
    signal(SIGXFSZ, SIG_IGN);
    CHECK(getrlimit(RLIMIT_FSIZE, &unlimited) == 0);
    for (size_t n = 0; n <= new.size + 97; n += 97) {
        itd_result result;
        content_write(path, &old);
        fflush(stdout);
        limit = unlimited, limit.rlim_cur = n;
        if (setrlimit(RLIMIT_FSIZE, &limit)) break;
        result = itd_save(w->model, w->trainer, path, NULL);
        setrlimit(RLIMIT_FSIZE, &unlimited);
        content_read(path, &now);
        CHECK(result == (n < new.size ? ITD_ERROR_WRITE : ITD_OK));
        CHECK(content_same(&now, result == ITD_OK ? &new : &old));
        full += result != ITD_OK;
    }
    CHECK(full > 10);
    signal(SIGXFSZ, SIG_DFL);
    world_free(w);
}

/* ---- kills ---- */

enum { STEPS = 300 };

static uint32_t state_at[STEPS + 1]; /* CRC of the undisturbed run's file after each step */

/* Goes on from the file if there is one, to the last step, saving after each. */
static int train_to_the_end(int record)
{
    static float x[2 * N];
    itd_model_desc md = small_model();
    itd_trainer_desc td = small_trainer();
    itd_rng rng = itd_rng_make(3, 0);
    itd_model *model = NULL;
    itd_trainer *trainer = NULL;
    itd_result result;
    itd_rng_normal_fill(&rng, 2 * N, x);
    result = itd_load(path, &model, &trainer, NULL);
    if (result == ITD_ERROR_OPEN) {
        result = itd_model_create(&md, 1, &model);
        if (result == ITD_OK) result = itd_model_fit(model, x, N);
        if (result == ITD_OK) result = itd_trainer_create(model, &td, &trainer);
    }
    while (result == ITD_OK && trainer->step < STEPS) {
        size_t index[BATCH];
        float batch[2 * BATCH];
        result = itd_train_indices(trainer, N, index);
        for (size_t i = 0; i < 2 * BATCH; i++) batch[i] = x[2 * index[i / 2] + i % 2];
        if (result == ITD_OK) result = itd_train_step(trainer, batch, NULL);
        if (result == ITD_OK) result = itd_save(model, trainer, path, NULL);
        if (record) {
            content_read(path, &now);
            state_at[trainer->step] = ref_crc32c(now.bytes, now.size);
        }
    }
    itd_trainer_free(trainer), itd_model_free(model);
    return result != ITD_OK;
}

/* A save that dies at each of its calls to the system: the file is the old one or the new one. */
static void kills_at_every_call(void)
{
    world *w = world_make();
    long k, dead = 1;
    size_t olds = 0, news = 0;
    CHECK_OK(itd_save(w->model, NULL, path, NULL));
    content_read(path, &old);
    CHECK_OK(itd_save(w->model, w->trainer, path, NULL));
    content_read(path, &new);
    for (k = 0; dead && k < 1000; k++) {
        pid_t child;
        int status = 0;
        content_write(path, &old);
        fflush(stdout);
        child = fork();
        if (child == 0) {
            disk_begin(k, FAULT_KILL, 0);
            _exit(itd_save(w->model, w->trainer, path, NULL) != ITD_OK);
        }
        if (!CHECK(child > 0 && waitpid(child, &status, 0) == child)) return;
        content_read(path, &now);
        dead = WIFSIGNALED(status);
        CHECK(dead || (WEXITSTATUS(status) == 0 && content_same(&now, &new)));
        CHECK(content_same(&now, &old) || content_same(&now, &new));
        olds += content_same(&now, &old), news += content_same(&now, &new);
    }
    CHECK(olds > 5 && news == 1 && k < 1000);
    CHECK_OK(itd_save(w->model, w->trainer, path, NULL)); /* what the dead have left is not in the way */
    remove(temporary);
    world_free(w);
}

/* The file is what the undisturbed run had at some step not before `least`; that step. */
static uint64_t check_state(uint64_t least)
{
    itd_model *model = NULL;
    itd_trainer *trainer = NULL;
    itd_error error = {""};
    uint64_t step = least;
    content_read(path, &now);
    if (!CHECK(now.size > 0 || least == 0) || now.size == 0) return 0;
    if (CHECK_OK(itd_load(path, &model, &trainer, &error))) {
        step = trainer->step;
        CHECK(step >= least && step <= STEPS);
        CHECK(state_at[step] == ref_crc32c(now.bytes, now.size));
    } else {
        printf("    %s\n", error.text);
    }
    itd_trainer_free(trainer), itd_model_free(model);
    return step;
}

static long kills = 10;

static void kills_at_random(void)
{
    itd_rng rng = itd_rng_make((uint64_t)kills, 9);
    uint64_t step = 0;
    static content end;
    long done = 0, while_writing = 0, finished = 0;
    double longest; /* nanoseconds */
    struct timespec begun, ended;
    remove(path), remove(temporary);
    clock_gettime(CLOCK_MONOTONIC, &begun);
    CHECK(train_to_the_end(1) == 0);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    longest = fmin(1e9 * (double)(ended.tv_sec - begun.tv_sec) + (double)(ended.tv_nsec - begun.tv_nsec),
                   3e9);
    content_read(path, &end);
    remove(path);
    while (done < kills && test_faults == 0) {
        struct timespec pause;
        FILE *half;
        pid_t child;
        int status = 0;
        remove(temporary);
        fflush(stdout);
        child = fork();
        if (child == 0) _exit(train_to_the_end(0));
        if (!CHECK(child > 0)) return;
        pause.tv_sec = 0, pause.tv_nsec = (long)(0.3 * longest * itd_rng_uniform(&rng));
        nanosleep(&pause, NULL);
        kill(child, SIGKILL);
        CHECK(waitpid(child, &status, 0) == child);
        step = check_state(step);
        if (WIFSIGNALED(status)) {
            done++;
            half = (fopen)(temporary, "rb");
            while_writing += half != NULL;
            if (half) fclose(half);
        } else { /* it came to its end first */
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0 && step == STEPS);
            content_read(path, &now);
            CHECK(content_same(&now, &end));
            remove(path), remove(temporary);
            step = 0, finished++;
        }
    }
    CHECK(step > 0 || finished > 0); /* something had been saved before a kill */
    CHECK(train_to_the_end(0) == 0);
    content_read(path, &now);
    CHECK(content_same(&now, &end));
    CHECK(kills < 100 || while_writing > 0);
    if (kills >= 100)
        printf(
            "  %ld kills, %ld of them with a file half written; %ld runs came to their end, each the same\n",
            done, while_writing, finished + 1);
}

#endif

/* ---- memory that is announced ---- */

enum { TABLES = 1 << 17, ROWS = 24 }; /* bytes of tables of a fixed size; rows of a pass */

/* Bytes in use since `before`, but for the working memory of threads. */
static double bytes_of(const itd_net *net, size_t before)
{
    return (double)(memory.live - before) - 4.0 * (double)net->work.each * (double)net->work_threads;
}

static void check_memory(itd_model_desc d)
{
    static float x[ROWS * 16 * 16 * 4], out[ROWS * 16 * 16 * 4], logsnr[ROWS];
    itd_trainer_desc td = itd_trainer_desc_default();
    size_t before = memory.live, dim = d.unet.levels ? 16 * 16 * 4 : d.mlp.dim;
    itd_rng rng = itd_rng_make(1, 0);
    itd_model *model;
    itd_trainer *trainer;
    double more;
    td.batch = ROWS;
    itd_rng_normal_fill(&rng, ROWS * dim, x);
    if (!CHECK_OK(itd_model_create(&d, 1, &model))) return;
    double plain = bytes_of(model->net, before);
    CHECK_OK(itd_net_forward(model->net, x, logsnr, ROWS, out));
    more = bytes_of(model->net, before) - (double)itd_net_memory(model->net, ROWS, false);
    CHECK(more >= 0 && more < TABLES && plain < (double)itd_net_memory(model->net, 0, false) + TABLES);
    if (CHECK_OK(itd_trainer_create(model, &td, &trainer))) {
        CHECK_OK(itd_train_step(trainer, x, NULL));
        more = bytes_of(model->net, before) - (double)itd_net_memory(model->net, ROWS, true);
        CHECK(more >= 20.0 * (double)dim * ROWS && more < 20.0 * (double)dim * ROWS + TABLES);
        itd_trainer_free(trainer);
    }
    itd_model_free(model);
    CHECK(memory.live == before);
}

static void a_network_takes_the_memory_that_it_says(void)
{
    itd_model_desc vectors = itd_model_desc_default(2), images = itd_model_desc_default(0);
    itd_unet_desc *u = &images.unet;
    memory_begin(-1, 0);
    check_memory(vectors);
    *u = itd_unet_desc_default();
    u->height = u->width = 16, u->channels = 4, u->levels = 2, u->features[0] = 16, u->features[1] = 24;
    u->attention = 2, u->hidden = 32, u->embedding = 16, images.normalize = false;
    check_memory(images);
}

int main(int argc, char **argv)
{
#ifdef _OPENMP
    omp_set_num_threads(1); /* the threads of a parent do not live on in its children */
#endif
#if defined(FAULT_FILES)
    if (argc == 3 && !strcmp(argv[1], "--kills")) {
        kills = atol(argv[2]);
        RUN(kills_at_random);
        return test_report();
    }
#else
    (void)argc, (void)argv;
#endif
    RUN(every_public_function_is_in_the_list);
    RUN(memory_runs_out_everywhere);
    RUN(a_network_takes_the_memory_that_it_says);
#if defined(FAULT_FILES)
    RUN(writing_fails_everywhere);
    RUN(reading_fails_everywhere);
    RUN(data_are_read_whole_or_not_at_all);
    RUN(files_stay_whole_on_a_full_disk);
    RUN(kills_at_every_call);
    RUN(kills_at_random);
#else
    SKIP("no fopencookie here: files do not fail, and nobody is killed");
#endif
    remove(path), remove(temporary), remove(model_path);
    return test_report();
}
