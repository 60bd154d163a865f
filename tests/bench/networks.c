/* bench/networks.c: how fast networks are trained and evaluated, through the interface a program has, and how
 * much of the processor's arithmetic they use; how fast a training is saved and loaded.
 *   make build/bench_networks && build/bench_networks --only original
 *   build/bench_networks --job COMMAND...  runs it: "job seconds=... mebibytes=...", its peak memory
 * --help explains the options; docs/performance.md explains the output. */
#ifdef __APPLE__
#define _DARWIN_C_SOURCE /* shows ru_maxrss */
#endif
#include "../../examples/support/system.h" /* first: it asks the system headers for POSIX */

#define ITD_FSYNC(file) bench_timed_sync(file)
static double bench_synced; /* seconds */
static inline int bench_timed_sync(FILE *file)
{
    double started = system_seconds();
    int status = system_sync(file);
    bench_synced = system_seconds() - started;
    return status;
}

#define ITDIFF_IMPLEMENTATION
#include "../../itdiff.h"

#include "../../examples/support/learn.h"
#include "bench.h"

#ifdef SYSTEM_POSIX
#include <sys/resource.h>
#include <sys/wait.h>
#endif

/* ---- arithmetic: only this section knows the layers of a network ---- */

/* Multiplications, each with its addition, of one row of the table for one sample, on the way forward. A
 * weight takes part once for every pixel; of attention, each pair of tokens has a product of queries and keys
 * and one of scores and values, over all channels together. What a normalization does is not counted. */
static double multiplications(const itd_net *net, const itd__layer *row)
{
    const itd__layer *in = &net->layer[row->input[0]];
    double pixels = (double)(row->h * row->w), tokens = (double)(in->h * in->w);
    switch (row->kind) {
    case ITD__CONV:
    case ITD__LINEAR: return pixels * (double)row->weights;
    case ITD__SCORES: return tokens * tokens * (double)in->c;
    case ITD__ATTEND: return pixels * pixels * (double)row->c;
    default: return 0;
    }
}

/* Operations for one sample. In training a row does as many again for the gradient of each of its two
 * factors, but for an input that nothing trained comes before: the data, the sinusoids. */
static double flops_of(const itd_net *net, bool training)
{
    double sum = 0;
    for (size_t i = 0; i < net->layers; i++) {
        const itd__layer *row = &net->layer[i];
        bool input_trains = net->layer[row->input[0]].trains;
        sum += 2 * multiplications(net, row) * (!training ? 1 : input_trains ? 3 : 2);
    }
    return sum;
}

/* ---- networks ---- */

enum { DIM = 2, POINTS = 8000, PANEL = 1600, DRAWS = 200 }; /* a panel: 40 by 40 points */

/* original and dino are older recipes of train_2d; default is what programs use now. Of the U-Nets, ddpm is
 * that of google/ddpm-cifar10-32. */
typedef struct network {
    const char *name;
    size_t batch;
    bool image;
    size_t levels, features[ITD_MAX_LEVELS], blocks, attention; /* of an image, but for ddpm */
} network;

static const network networks[] = {{"original", 128, false, 0, {0}, 0, 0},
                                   {"dino", 256, false, 0, {0}, 0, 0},
                                   {"default", 512, false, 0, {0}, 0, 0},
                                   {"small", 64, true, 4, {32, 64, 64, 64}, 1, 0},
                                   {"wide", 64, true, 3, {64, 128, 128}, 1, 0},
                                   {"attentive", 64, true, 3, {48, 96, 96}, 2, 4},
                                   {"ddpm", 8, true, 0, {0}, 0, 0}};
enum { NETWORKS = sizeof networks / sizeof *networks };

static bool is(const network *n, const char *name) { return strcmp(n->name, name) == 0; }

static itd_unet_desc unet_desc_of(const network *n)
{
    itd_unet_desc d = itd_unet_desc_default();
    if (!n->levels) return itd_unet_desc_ddpm_cifar10();
    d.levels = n->levels;
    memcpy(d.features, n->features, sizeof d.features);
    d.blocks = n->blocks;
    d.attention = n->attention;
    d.hidden = 4 * d.features[0];
    return d;
}

static void describe(const network *n, itd_model_desc *m, itd_trainer_desc *t)
{
    learn_desc programs = learn_desc_default(DIM, POINTS, 1);
    *m = programs.model, *t = programs.trainer;
    if (n->image) {
        *m = itd_model_desc_default(1), *t = itd_trainer_desc_default();
        m->unet = unet_desc_of(n);
        if (!n->levels) m->parameterization = ITD_PLAIN;
    } else if (!is(n, "default")) {
        m->mlp.directions = 0, m->whiten = false;
    }
    if (is(n, "original")) {
        m->mlp.layers = 3, m->mlp.activation = ITD_RELU, m->mlp.zero_output = false;
        m->parameterization = ITD_PLAIN, m->normalize = false;
        t->weight_limit = t->ema = 0, t->stratified = false;
    }
    t->batch = n->batch;
}

typedef struct subject {
    const network *network;
    itd_model *model;
    itd_trainer *trainer;
    size_t batch, steps, rows; /* of a step; steps of an epoch; rows of a forward pass */
    float *x, *out;            /* (points,dim) */
    float *logsnr;             /* (points) */
    int threads;
    double units; /* of work that one repeat of the last run did */
} subject;

static void subject_fill(subject *s, size_t points)
{
    size_t dim = s->model->dim;
    itd_rng rng = itd_rng_make(1, 0);
    s->x = (float *)must_alloc(points * dim, sizeof *s->x);
    s->out = (float *)must_alloc(points * dim, sizeof *s->out);
    s->logsnr = (float *)must_alloc(points, sizeof *s->logsnr);
    itd_rng_normal_fill(&rng, points * dim, s->x);
    itd_rng_normal_fill(&rng, points, s->logsnr);
}

static subject subject_make(const network *n, size_t batch)
{
    subject s = ITD__ZERO;
    itd_model_desc m;
    itd_trainer_desc t;
    describe(n, &m, &t);
    if (batch) t.batch = batch;
    must(itd_model_create(&m, 1, &s.model), "creating the network");
    must(itd_trainer_create(s.model, &t, &s.trainer), "preparing the training");
    s.network = n, s.batch = t.batch;
    s.steps = n->image ? 1 : POINTS / s.batch;
    s.rows = n->image ? s.batch : PANEL;
    subject_fill(&s, n->image ? s.batch : POINTS);
    if (!n->image) must(itd_model_fit(s.model, s.x, POINTS), "normalizing the data");
    return s;
}

static void subject_free(subject *s)
{
    itd_trainer_free(s->trainer);
    itd_model_free(s->model);
    free(s->x), free(s->out), free(s->logsnr);
}

/* ---- what is measured ---- */

static void run_train(void *context, size_t repeats)
{
    subject *s = (subject *)context;
    size_t rows = s->steps * s->batch;
    s->units = (double)(s->network->image ? rows : s->steps);
    for (; repeats > 0; repeats--) must(itd_train_epoch(s->trainer, s->x, rows, NULL), "training");
}

static void denoise(subject *s, size_t rows, size_t repeats)
{
    itd_denoiser den = itd_model_denoiser(s->model);
    s->units = (double)rows;
    for (; repeats > 0; repeats--) must(den.predict(den.ctx, s->x, s->logsnr, rows, s->out), "denoising");
}

static void run_forward(void *context, size_t repeats)
{
    subject *s = (subject *)context;
    denoise(s, s->rows, repeats);
}

static void run_one(void *context, size_t repeats) { denoise((subject *)context, 1, repeats); }

static void run_evaluate(void *context, size_t repeats)
{
    subject *s = (subject *)context;
    itd_denoiser den = itd_model_denoiser(s->model);
    itd_nll_desc d = itd_model_nll_desc(s->model);
    itd_nll_result result;
    d.draws = DRAWS;
    for (; repeats > 0; repeats--) {
        must(itd_nll(&den, s->x, PANEL, &d, &result, NULL, NULL), "evaluating");
        s->units = (double)result.evaluations;
    }
}

typedef struct way {
    const char *name, *unit, *image_unit; /* image_unit: NULL if images have no part in it */
    void (*run)(void *context, size_t repeats);
} way;

static const way ways[] = {{"train", "steps/s", "images/s", run_train},
                           {"forward", "rows/s", "images/s", run_forward},
                           {"evaluate", "rows/s", NULL, run_evaluate},
                           {"one", "rows/s", "images/s", run_one}};
enum { WAYS = sizeof ways / sizeof *ways };

/* ---- lines ---- */

typedef struct options {
    const char *kind, *state;
    size_t batch;
    int single, list;
} options;

static void measure(subject *s, const way *w, const char *name)
{
    bool image = s->network->image, trains = w->run == run_train;
    bench_contestant c[2] = {{NULL, NULL, NULL, 0, 0, 0}};
    bench_line line = {name, image ? w->image_unit : w->unit, 0, 0, 0, NULL, 0};
    c[0].run = w->run, c[0].context = s;
    bench_use_threads(s->threads);
    line.limit = bench_beside_limit(c, 1, s->threads);
    line.value = s->units / c[0].seconds;
    line.flops = flops_of(s->model->net, trains) * (trains && !image ? (double)s->batch : 1);
    bench_print(&line);
}

/* One thread and all of them; of large images, one alone only if asked for. */
static void measure_network(const options *o, const network *n)
{
    subject s = ITD__ZERO;
    int most = bench_threads();
    for (size_t k = 0; k < WAYS; k++) {
        bool brief = !n->image || (o->single && n->levels) || ways[k].run == run_one;
        for (int threads = brief ? 1 : most;; threads = most) {
            char name[80];
            snprintf(name, sizeof name, "%s_%s_t%d", ways[k].name, n->name, threads);
            if ((!n->image || ways[k].image_unit) && bench_wants(name)) {
                if (!s.model) s = subject_make(n, o->batch);
                s.threads = threads;
                measure(&s, &ways[k], name);
            }
            if (threads == most) break;
        }
    }
    subject_free(&s);
}

/* What a rival has to build, in JSON. */
static void list_network(const options *o, const network *n)
{
    subject s = subject_make(n, o->batch);
    const itd_mlp_desc *m = &s.model->desc.mlp;
    const itd_unet_desc *u = &s.model->desc.unet;
    printf("{\"name\": \"%s\", \"batch\": %lu, \"rows\": %lu, \"parameters\": %lu, ", n->name,
           (unsigned long)s.batch, (unsigned long)s.rows, (unsigned long)itd_net_parameters(s.model->net));
    if (n->image) {
        printf("\"blocks\": %lu, \"attention\": %lu, \"groups\": %lu, ", (unsigned long)u->blocks,
               (unsigned long)u->attention, (unsigned long)u->groups);
        printf("\"embedding\": %lu, \"hidden\": %lu, \"features\": [%lu", (unsigned long)u->embedding,
               (unsigned long)u->hidden, (unsigned long)u->features[0]);
        for (size_t k = 1; k < u->levels; k++) printf(", %lu", (unsigned long)u->features[k]);
        printf("]}\n");
    } else {
        printf("\"layers\": %lu, \"hidden\": %lu, \"embedding\": %lu, \"directions\": %lu, ",
               (unsigned long)m->layers, (unsigned long)m->hidden, (unsigned long)m->embedding,
               (unsigned long)m->directions);
        printf("\"activation\": \"%s\"}\n", m->activation == ITD_RELU ? "relu" : "silu");
    }
    subject_free(&s);
}

/* ---- files ---- */

static void say_seconds(const char *name, double seconds)
{
    const bench_line line = {name, "s", seconds, 0, 0, NULL, 0};
    bench_print(&line);
}

/* The training of ddpm: weights, their average and two moments. */
static void measure_state(const char *path)
{
    subject s = subject_make(&networks[NETWORKS - 1], 1);
    itd_model *model;
    itd_trainer *trainer;
    itd_error error;
    double started, seconds;
    must(itd_train_epoch(s.trainer, s.x, 1, NULL), "training");
    started = system_seconds();
    if (itd_save(s.model, s.trainer, path, &error) != ITD_OK) fail("%s", error.text);
    seconds = system_seconds() - started;
    say_seconds("file_save", seconds - bench_synced), say_seconds("file_sync", bench_synced);
    started = system_seconds();
    if (itd_load(path, &model, &trainer, &error) != ITD_OK) fail("%s", error.text);
    say_seconds("file_load", system_seconds() - started);
    itd_trainer_free(trainer), itd_model_free(model);
    subject_free(&s);
}

/* ---- jobs ---- */

/* The memory of the command includes what this process had when it made the child: call this before anything
 * is allocated. */
static void run_job(char **command)
{
#ifdef SYSTEM_POSIX
    double started = system_seconds(), seconds, unit = 1024; /* of ru_maxrss: KiB */
    struct rusage usage;
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        execvp(command[0], command);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) fail("%s: %s", command[0], strerror(errno));
    seconds = system_seconds() - started;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail("%s: %s", command[0],
             WIFEXITED(status) && WEXITSTATUS(status) == 127 ? "cannot be run" : "failed");
    if (getrusage(RUSAGE_CHILDREN, &usage)) fail("getrusage: %s", strerror(errno));
#ifdef __APPLE__
    unit = 1024 * 1024; /* bytes */
#endif
    printf("job seconds=%.2f mebibytes=%.1f\n", seconds, (double)usage.ru_maxrss / unit);
#else
    fail("%s: --job needs POSIX", command[0]);
#endif
}

int main(int argc, char **argv)
{
    static options o; /* the option table keeps pointers into it */
    must_program = "bench_networks";
    if (argc > 1 && strcmp(argv[1], "--job") == 0) {
        if (argc < 3) fail("--job: a command expected, found nothing");
        run_job(argv + 2);
        return 0;
    }
    system_patient_threads(argv);
    o.kind = "all", o.single = 1;
    args_option list[] = {
        BENCH_OPTIONS,
        args_choice("kind", &o.kind, "all|vectors|images", "What the networks see."),
        args_size("batch", &o.batch, 0, 4096, "Rows of a step; 0: what the network is listed with."),
        args_flag("single", &o.single, "Images also with one thread, but for ddpm."),
        args_string("state", &o.state, "Only save and load the training of ddpm, as the file named here."),
        args_flag("list", &o.list, "Only list the networks, in JSON."),
    };
    args_table table = {
        "bench_networks",
        "Measures training and evaluation. \"bench_networks --job COMMAND...\" runs a program "
        "and tells its time and peak memory.",
        list, ARGS_COUNT(list)};
    args_parse(&table, argc, argv);
    bench_use_simd(bench.simd);
    if (!o.list) bench_say_plan(bench_threads());
    if (o.state) measure_state(o.state);
    for (size_t k = 0; k < NETWORKS && !o.state; k++) {
        if (strcmp(o.kind, networks[k].image ? "vectors" : "images") == 0) continue;
        if (o.list) list_network(&o, &networks[k]);
        else measure_network(&o, &networks[k]);
    }
    return 0;
}
