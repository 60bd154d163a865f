/* Tests of the U-Net: the size of the published network, gradients against directional differences, that
 * neither threads nor the other images of a batch change a bit, the steps of DDPM, and weights from files. */
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"
#include "ref.h"
#include "each_simd.h"
#include "test.h"

#ifdef _OPENMP
#include <omp.h>
#endif

/* Small, with everything in it: three levels, two blocks, attention with heads, an image wider than high. */
static itd_unet_desc small_desc(void)
{
    itd_unet_desc d = itd_unet_desc_default();
    d.height = 4, d.width = 8, d.channels = 3;
    d.levels = 3, d.blocks = 2;
    d.features[0] = 8, d.features[1] = 12, d.features[2] = 16, d.features[3] = 0;
    d.groups = 4, d.head = 4, d.attention = 2 | 8;
    d.embedding = 8, d.hidden = 20;
    d.zero_output = false;
    return d;
}

static itd_net *make(const itd_unet_desc *d)
{
    itd_net *net = NULL;
    CHECK_OK(itd_unet_create(d, 7, &net));
    return net;
}

static itd_model *make_model(uint64_t seed)
{
    itd_model_desc md = itd_model_desc_default(2);
    itd_model *model = NULL;
    md.unet = small_desc();
    md.normalize = false;
    CHECK_OK(itd_model_create(&md, seed, &model));
    return model;
}

/* ---- size ---- */

static void the_published_network_has_its_parameters(void)
{
    itd_unet_desc d = itd_unet_desc_ddpm_cifar10();
    itd_net net;
    size_t i, tensors = 0;
    memset(&net, 0, sizeof net);
    CHECK_OK(itd__plan(&net, NULL, &d));
    for (i = 0; i < net.layers; i++) tensors += net.layer[i].weights ? 2 : 0;
    CHECK(net.parameters == 35746307);
    CHECK(tensors == 328);
    CHECK(net.dim == 3072);
    ITD_FREE(net.layer), ITD_FREE(net.frequency);
}

static void defaults_are_the_documented_ones(void)
{
    itd_unet_desc d = itd_unet_desc_default();
    itd_net net;
    memset(&net, 0, sizeof net);
    CHECK(d.height == 32 && d.width == 32 && d.channels == 3 && d.levels == 3 && d.blocks == 1);
    CHECK(d.features[0] == 64 && d.features[1] == 96 && d.features[2] == 96 && d.features[3] == 0);
    CHECK(d.attention == 0 && d.head == 0 && d.groups == 8 && d.embedding == 64 && d.hidden == 256);
    CHECK(d.time == ITD_TIME_LOGSNR && !d.pad_after && d.zero_output);
    CHECK_CLOSE(d.epsilon, 1e-5, 0);
    CHECK_CLOSE(d.logsnr_scale, 3, 0);
    CHECK_OK(itd__plan(&net, NULL, &d));
    CHECK(net.parameters == 2638339);
    ITD_FREE(net.layer), ITD_FREE(net.frequency);
    d = itd_unet_desc_ddpm_cifar10();
    CHECK_CLOSE(d.epsilon, 1e-6, 0);
    CHECK(d.time == ITD_TIME_TABLE && d.pad_after && !d.zero_output);
}

/* The table as text: kind, what comes in and out, name and parameters, which add up. */
static void table_check(const itd_mlp_desc *md, const char *const *expected, size_t rows)
{
    itd_net *net = NULL;
    size_t k;
    char text[120];
    CHECK_OK(itd_mlp_create(md, 1, &net));
    for (k = 0; itd_net_summary(net, k, text, sizeof text); k++)
        if (!CHECK(k < rows && strcmp(text, expected[k]) == 0)) printf("    %s\n", text);
    CHECK(k == rows && itd_net_summary(net, 0, text, 0) == NULL);
    CHECK(itd_net_summary(net, rows - 1, text, 9) == text && strcmp(text, "linear  ") == 0);
    itd_net_free(net);
}

static void the_table_can_be_read(void)
{
    static const char *const original[] = {"input  2",
                                           "input  1",
                                           "sinusoids  2 -> 256",
                                           "sinusoids  1 -> 128",
                                           "linear  256 + 128 -> 128  layers.0, 49280 parameters",
                                           "silu  128 -> 128",
                                           "linear  128 -> 128  layers.1, 16512 parameters",
                                           "silu  128 -> 128",
                                           "linear  128 -> 2  layers.2, 258 parameters"};
    static const char *const directions[] = {"input  5",
                                             "input  1",
                                             "directions  5 + 1 -> 80",
                                             "sinusoids  1 -> 128",
                                             "linear  80 + 128 -> 128  layers.0, 26752 parameters",
                                             "silu  128 -> 128",
                                             "linear  128 -> 5  layers.1, 645 parameters"};
    itd_mlp_desc md = itd_mlp_desc_default(2);
    itd_unet_desc d = small_desc();
    itd_net *net = NULL;
    size_t k, parameters = 0;
    char text[120];
    md.directions = 0;
    table_check(&md, original, sizeof original / sizeof *original);
    md.dim = 5, md.layers = 2, md.directions = 40;
    table_check(&md, directions, sizeof directions / sizeof *directions);
    net = make(&d);
    for (k = 0; itd_net_summary(net, k, text, sizeof text); k++) {
        const char *comma = strrchr(text, ',');
        if (strstr(text, "conv_in")) CHECK(!strcmp(text, "conv  3 -> 8 of 4x8  conv_in, 224 parameters"));
        if (comma) parameters += strtoul(comma + 1, NULL, 10);
    }
    CHECK(k == net->layers && parameters == itd_net_parameters(net));
    itd_net_free(net);
}

/* Six levels of eight blocks with attention everywhere: the longest table there can be. */
static void the_largest_description_has_room(void)
{
    itd_unet_desc d = small_desc();
    itd_net net;
    memset(&net, 0, sizeof net);
    d.height = d.width = 32, d.levels = ITD_MAX_LEVELS, d.blocks = 8, d.attention = 127;
    d.features[2] = d.features[3] = d.features[4] = d.features[5] = 12;
    CHECK_OK(itd__plan(&net, NULL, &d));
    CHECK(net.layers <= net.max_layers && net.layers > 1500);
    ITD_FREE(net.layer), ITD_FREE(net.frequency);
}

/* Refused, and told by its name. */
static void check_refused(itd_unet_desc d, const char *field)
{
    itd_model_desc model = itd_model_desc_default(1);
    itd_net *net = NULL;
    model.unet = d;
    CHECK(itd_unet_create(&d, 1, &net) == ITD_ERROR_ARGUMENT && net == NULL);
    CHECK(strstr(itd_model_problem(&model, NULL), field) != NULL);
}

static void descriptions_are_checked(void)
{
    itd_unet_desc d = small_desc();
    d.height = 6; /* not divisible by 4 */
    check_refused(d, "unet.height");
    d = small_desc(), d.features[1] = 13; /* not divisible by the groups */
    check_refused(d, "unet.features: multiples of groups");
    d = small_desc(), d.features[0] = 0;
    check_refused(d, "unet.features: 1 to 4096");
    d.features[0] = 4096, CHECK(itd__unet_problem(&d) == NULL);
    d.features[0] = 4096 + d.groups, CHECK(itd__unet_problem(&d) != NULL);
    d = small_desc(), d.head = 5;
    check_refused(d, "unet.features: multiples of head");
    d = small_desc(), d.levels = ITD_MAX_LEVELS + 1;
    check_refused(d, "unet.levels: 1 to ITD_MAX_LEVELS expected");
    d = small_desc(), d.attention = 16;
    check_refused(d, "unet.attention: below 2^(levels+1)");
    d = small_desc(), d.embedding = 7;
    check_refused(d, "unet.embedding");
    d.embedding = 2; /* frequencies from 1 to 1/10,000 are two at least */
    check_refused(d, "unet.embedding");
    d.embedding = 0;
    check_refused(d, "unet.embedding");
    d = small_desc(), d.epsilon = 0;
    check_refused(d, "unet.epsilon: FLT_MIN to 1 expected");
}

/* ---- gradients ---- */

enum { IMAGES = 6 };

typedef struct batch {
    size_t n, d;
    float *z, *logsnr, *dout, *out;
} batch;

static batch batch_make(const itd_net *net, size_t n)
{
    batch b;
    size_t i;
    b.n = n, b.d = net->dim;
    b.z = ref_normals(n * b.d, 1), b.dout = ref_normals(n * b.d, 1), b.out = ref_floats(n * b.d);
    b.logsnr = ref_floats(n);
    for (i = 0; i < n; i++) b.logsnr[i] = (float)(3 - 2.3 * (double)i);
    return b;
}

static void batch_free(batch *b) { free(b->z), free(b->logsnr), free(b->dout), free(b->out); }

static double loss(itd_net *net, batch *b)
{
    double sum = 0;
    size_t i;
    CHECK_OK(itd_net_forward(net, b->z, b->logsnr, b->n, b->out));
    for (i = 0; i < b->n * b->d; i++) sum += (double)b->out[i] * b->dout[i];
    return sum;
}

/* Slope along the gradient itself, where it is largest and rounding matters least. */
static void gradient_is_the_slope(const itd_unet_desc *d)
{
    itd_net *net = make(d);
    batch b = batch_make(net, 3);
    size_t n = itd_net_parameters(net), i;
    float *weights = itd_net_weights(net), *w = ref_copy(weights, n);
    float *dz = ref_floats(b.n * b.d), *z = ref_copy(b.z, b.n * b.d);
    double norm = 0, h, up, down;
    loss(net, &b);
    CHECK_OK(itd_net_backward(net, b.dout, b.n, dz));
    for (i = 0; i < n; i++) norm += (double)net->g[i] * net->g[i];
    CHECK(norm > 0);
    h = 3e-3 / sqrt(norm);
    for (i = 0; i < n; i++) weights[i] = (float)(w[i] + h * net->g[i]);
    up = loss(net, &b);
    for (i = 0; i < n; i++) weights[i] = (float)(w[i] - h * net->g[i]);
    down = loss(net, &b);
    CHECK_CLOSE((up - down) / (2 * h) / norm, 1, 3e-3);
    memcpy(weights, w, n * sizeof *w);
    for (norm = 0, i = 0; i < b.n * b.d; i++) norm += (double)dz[i] * dz[i];
    h = 1e-2 / sqrt(norm);
    for (i = 0; i < b.n * b.d; i++) b.z[i] = (float)(z[i] + h * dz[i]);
    up = loss(net, &b);
    for (i = 0; i < b.n * b.d; i++) b.z[i] = (float)(z[i] - h * dz[i]);
    down = loss(net, &b);
    CHECK_CLOSE((up - down) / (2 * h) / norm, 1, 3e-3);
    free(w), free(dz), free(z);
    batch_free(&b);
    itd_net_free(net);
}

static void gradients_are_slopes(void)
{
    itd_unet_desc d = small_desc();
    ref_seed(1);
    gradient_is_the_slope(&d);
    d.pad_after = true, d.time = ITD_TIME_EXACT, d.head = 0;
    gradient_is_the_slope(&d);
    d = small_desc();
    d.levels = 1, d.blocks = 1, d.attention = 0, d.height = d.width = 3, d.groups = 1;
    gradient_is_the_slope(&d);
}

static void gradients_add_up(void)
{
    itd_unet_desc d = small_desc();
    itd_net *net;
    batch b;
    size_t n, i;
    float *whole;
    double error = 0, norm = 0;
    ref_seed(2);
    net = make(&d);
    b = batch_make(net, IMAGES), n = itd_net_parameters(net);
    loss(net, &b);
    CHECK_OK(itd_net_backward(net, b.dout, b.n, NULL));
    whole = ref_copy(net->g, n);
    memset(net->g, 0, n * sizeof *net->g);
    for (i = 0; i < 2; i++) {
        size_t half = IMAGES / 2, at = i * half;
        CHECK_OK(itd_net_forward(net, b.z + at * b.d, b.logsnr + at, half, b.out));
        CHECK_OK(itd_net_backward(net, b.dout + at * b.d, half, NULL));
    }
    for (i = 0; i < n; i++) {
        error += ((double)whole[i] - net->g[i]) * ((double)whole[i] - net->g[i]);
        norm += (double)whole[i] * whole[i];
    }
    CHECK(norm > 0 && error <= 1e-11 * norm);
    free(whole);
    batch_free(&b);
    itd_net_free(net);
}

/* In training every batch begins anew: nothing of the one before is left. */
static void gradients_of_a_batch_are_its_own(void)
{
    itd_unet_desc d = small_desc();
    itd_net *net;
    batch b;
    float *first = NULL;
    size_t n;
    ref_seed(3);
    net = make(&d);
    b = batch_make(net, IMAGES), n = itd_net_parameters(net);
    CHECK(net->taps_size > 0); /* some convolutions gather theirs in another form */
    loss(net, &b);
    CHECK_OK(itd__net_backward(net, b.dout, b.n, NULL));
    for (int time = 0; time < 2; time++) {
        itd__clear_gradients(net);
        loss(net, &b);
        CHECK_OK(itd__net_backward(net, b.dout, b.n, NULL));
        itd__finish_gradients(net);
        if (time == 0) first = ref_copy(net->g, n);
    }
    CHECK(memcmp(first, net->g, n * sizeof *first) == 0);
    free(first);
    batch_free(&b);
    itd_net_free(net);
}

/* Three steps on ten images, so many of them in memory at a time. */
static float *weights_after_training(size_t rows, size_t *n, double *loss_sum)
{
    itd_model_desc md = itd_model_desc_default(2);
    itd_trainer_desc td = itd_trainer_desc_default();
    itd_model *model = NULL;
    itd_trainer *trainer = NULL;
    float *x, *weights;
    size_t step;
    ref_seed(8);
    md.unet = small_desc(), md.normalize = false;
    td.batch = 10, td.micro_batch = rows;
    CHECK_OK(itd_model_create(&md, 4, &model));
    CHECK_OK(itd_trainer_create(model, &td, &trainer));
    x = ref_normals(td.batch * model->dim, 0.5);
    *loss_sum = 0;
    for (step = 0; step < 3; step++) {
        double one = 0;
        CHECK_OK(itd_train_step(trainer, x, &one));
        *loss_sum += one;
    }
    *n = model->net->parameters;
    weights = ref_copy(model->net->w, *n);
    free(x);
    itd_trainer_free(trainer);
    itd_model_free(model);
    return weights;
}

static void memory_changes_nothing(void)
{
    static const size_t rows[] = {1, 3, 4, 7, 64};
    size_t n, m, k;
    double expected, sum;
    float *whole = weights_after_training(0, &n, &expected);
    for (k = 0; k < sizeof rows / sizeof *rows; k++) {
        float *split = weights_after_training(rows[k], &m, &sum);
        CHECK(m == n && !memcmp(whole, split, n * sizeof *whole));
        CHECK(!memcmp(&sum, &expected, sizeof sum));
        free(split);
    }
    free(whole);
}

/* ---- sameness ---- */

static void images_do_not_depend_on_each_other(void)
{
    itd_unet_desc d = small_desc();
    itd_net *net;
    batch b;
    size_t i;
    float *whole, *alone;
    bool same = true;
    ref_seed(3);
    net = make(&d);
    b = batch_make(net, IMAGES);
    loss(net, &b);
    whole = ref_copy(b.out, b.n * b.d), alone = ref_floats(b.d);
    for (i = 0; i < b.n; i++) {
        CHECK_OK(itd_net_forward(net, b.z + i * b.d, b.logsnr + i, 1, alone));
        same = same && !memcmp(alone, whole + i * b.d, b.d * sizeof *alone);
    }
    CHECK(same);
    free(whole), free(alone);
    batch_free(&b);
    itd_net_free(net);
}

static void threads_change_nothing(void)
{
#ifdef _OPENMP
    static const int threads[] = {1, 2, 3, 7};
    itd_unet_desc d = small_desc();
    float *out = NULL, *g = NULL;
    size_t k;
    for (k = 0; k < sizeof threads / sizeof *threads; k++) {
        itd_net *net;
        batch b;
        ref_seed(4);
        omp_set_num_threads(threads[k]);
        net = make(&d);
        b = batch_make(net, 11);
        loss(net, &b);
        CHECK_OK(itd_net_backward(net, b.dout, b.n, NULL));
        if (k == 0) out = ref_copy(b.out, b.n * b.d), g = ref_copy(net->g, net->parameters);
        CHECK(!memcmp(out, b.out, b.n * b.d * sizeof *out));
        CHECK(!memcmp(g, net->g, net->parameters * sizeof *g));
        batch_free(&b);
        itd_net_free(net);
    }
    omp_set_num_threads(1);
    free(out), free(g);
#else
    SKIP("compiled without OpenMP, so there is one thread only");
#endif
}

/* ---- weights that change: what was made of them before must not be used again ---- */

/* What networks of these weights give that have done nothing else before. */
static bool computes_with(itd_net *net, const float *w, batch *b)
{
    itd_net *fresh = make(&net->unet);
    size_t cells = b->n * b->d, size = net->parameters * sizeof *w;
    float *expected = ref_floats(cells), *dz = ref_floats(cells), *dz_fresh = ref_floats(cells), *g;
    bool same;
    memcpy(itd_net_weights(fresh), w, size);
    CHECK_OK(itd_net_forward(fresh, b->z, b->logsnr, b->n, expected));
    CHECK_OK(itd_net_forward(net, b->z, b->logsnr, b->n, b->out));
    same = !memcmp(b->out, expected, cells * sizeof *expected);
    CHECK_OK(itd_net_backward(fresh, b->dout, b->n, dz_fresh));
    if (net->g) memset(net->g, 0, size);
    CHECK_OK(itd_net_backward(net, b->dout, b->n, dz));
    g = itd_net_gradients(net);
    same = !memcmp(g, fresh->g, size) && !memcmp(dz, dz_fresh, cells * sizeof *dz) && same;
    itd_net_free(fresh);
    free(expected), free(dz), free(dz_fresh);
    return same;
}

/* The pointer is asked for once, before the first forward pass or after it. */
static void weights_changed_through_their_pointer_count(void)
{
    itd_unet_desc d = small_desc();
    size_t late, k, i;
    ref_seed(9);
    for (late = 0; late < 2; late++) {
        itd_net *net = make(&d);
        float *w = late ? NULL : itd_net_weights(net);
        batch b = batch_make(net, 3);
        CHECK(computes_with(net, net->w, &b));
        if (late) w = itd_net_weights(net);
        for (k = 0; k < 3; k++) {
            for (i = 0; i < net->parameters; i++) w[i] += (float)(0.1 * ref_normal());
            CHECK(computes_with(net, w, &b));
        }
        batch_free(&b);
        itd_net_free(net);
    }
}

enum { DENOISER, NETWORK };

/* The denoiser has the average's weights, if there is one, and the network by itself its own. Five
 * predictions of both, in turns, of which the first and the last are of one kind: the next call may begin
 * with that, too. No pointer is asked for, so nothing else tells the network that its weights may change. */
static bool predicts_with_its_weights(itd_model *model, batch *b, size_t first)
{
    const itd_net *net = model->net;
    size_t cells = b->n * b->d, k;
    float *expected = ref_floats(cells);
    bool same = true;
    for (k = first; k < first + 5; k++) {
        itd_model *fresh = make_model(1);
        itd_denoiser theirs = itd_model_denoiser(fresh), ours = itd_model_denoiser(model);
        bool average = k % 2 == DENOISER && net->ema;
        memcpy(itd_net_weights(fresh->net), average ? net->ema : net->w, net->parameters * sizeof(float));
        if (k % 2 == DENOISER) {
            CHECK_OK(theirs.predict(theirs.ctx, b->z, b->logsnr, b->n, expected));
            CHECK_OK(ours.predict(ours.ctx, b->z, b->logsnr, b->n, b->out));
        } else {
            CHECK_OK(itd_net_forward(fresh->net, b->z, b->logsnr, b->n, expected));
            CHECK_OK(itd_net_forward(model->net, b->z, b->logsnr, b->n, b->out));
        }
        same = same && !memcmp(b->out, expected, cells * sizeof *expected);
        itd_model_free(fresh);
    }
    free(expected);
    return same;
}

static itd_trainer *make_trainer(itd_model *model, double average)
{
    itd_trainer_desc td = itd_trainer_desc_default();
    itd_trainer *trainer = NULL;
    td.batch = 5, td.learning_rate = 0.01, td.ema = average;
    CHECK_OK(itd_trainer_create(model, &td, &trainer));
    return trainer;
}

/* Predictions between the steps see each step, and the steps do not see the predictions. */
static void training_and_predictions_keep_apart(void)
{
    static const double averages[] = {0.9, 0, 0.5}; /* one training after the other */
    itd_model *model = make_model(3), *twin = make_model(3);
    batch b = batch_make(model->net, 3);
    float *x;
    size_t k, step;
    ref_seed(10);
    x = ref_normals(5 * model->dim, 0.5);
    for (k = 0; k < 3; k++) {
        itd_trainer *trainer = make_trainer(model, averages[k]), *alone = make_trainer(twin, averages[k]);
        CHECK(predicts_with_its_weights(model, &b, DENOISER));
        for (step = 0; step < 3; step++) {
            CHECK_OK(itd_train_step(trainer, x, NULL));
            CHECK_OK(itd_train_step(alone, x, NULL));
            CHECK(predicts_with_its_weights(model, &b, step ? NETWORK : DENOISER));
        }
        itd_trainer_free(trainer), itd_trainer_free(alone);
        CHECK(predicts_with_its_weights(model, &b, k % 2 ? NETWORK : DENOISER));
        CHECK((model->net->ema != NULL) == (averages[k] > 0));
        CHECK(!memcmp(model->net->w, twin->net->w, model->net->parameters * sizeof(float)));
    }
    batch_free(&b);
    free(x);
    itd_model_free(model), itd_model_free(twin);
}

/* The memory of an average that was given up is likely to be that of the next one: here nothing else of the
 * size is asked for in between. */
static void an_average_is_not_taken_for_an_older_one(void)
{
    itd_model *model = make_model(3);
    itd_trainer *trainer = make_trainer(model, 0.9), *without, *next;
    batch b = batch_make(model->net, 3);
    float *x;
    size_t step;
    ref_seed(11);
    x = ref_normals(5 * model->dim, 0.5);
    for (step = 0; step < 2; step++) CHECK_OK(itd_train_step(trainer, x, NULL));
    CHECK(predicts_with_its_weights(model, &b, DENOISER));
    without = make_trainer(model, 0), next = make_trainer(model, 0.9);
    CHECK(predicts_with_its_weights(model, &b, DENOISER));
    batch_free(&b);
    free(x);
    itd_trainer_free(next), itd_trainer_free(without), itd_trainer_free(trainer);
    itd_model_free(model);
}

static void averages_changed_through_their_pointer_count(void)
{
    itd_model *model = make_model(3);
    itd_trainer *trainer = make_trainer(model, 0.9);
    batch b = batch_make(model->net, 2);
    float *average = itd_net_average(model->net);
    size_t k, i;
    for (k = 0; k < 2; k++) {
        CHECK(predicts_with_its_weights(model, &b, DENOISER));
        for (i = 0; i < model->net->parameters; i++) average[i] *= 1.1f;
    }
    CHECK(predicts_with_its_weights(model, &b, DENOISER));
    batch_free(&b);
    itd_trainer_free(trainer);
    itd_model_free(model);
}

/* ---- the steps of DDPM ---- */

static itd_net *with_steps(itd_time time)
{
    itd_unet_desc d = small_desc();
    itd_net *net;
    d.time = time;
    net = make(&d);
    return net;
}

static void the_table_is_the_paper_s(void)
{
    itd_net *net = with_steps(ITD_TIME_TABLE);
    double abar = 1;
    size_t i;
    CHECK_CLOSE(itd__timestep(net, 11.52), 0, 0);
    CHECK_CLOSE(itd__timestep(net, 30), 0, 0);
    CHECK_CLOSE(itd__timestep(net, -10.1), 999.9f, 1e-4);
    CHECK_CLOSE(itd__timestep(net, -40), 999.9f, 1e-4);
    for (i = 0; i < 10000; i++) { /* its own entries, from the product itself */
        abar *= 1 - (1e-5 + (2e-3 - 1e-5) * (double)i / 9999);
        if (i % 997 == 0) CHECK_CLOSE(itd__timestep(net, log(abar / (1 - abar))), 0.1 * (double)i, 1e-4);
    }
    itd_net_free(net);
}

static void the_exact_map_has_whole_steps(void)
{
    itd_net *net = with_steps(ITD_TIME_EXACT);
    double abar = 1;
    size_t i;
    for (i = 0; i < 1000; i++) {
        abar *= 1 - (1e-4 + (2e-2 - 1e-4) * (double)i / 999);
        if (i % 37 == 0)
            CHECK_CLOSE(itd__timestep(net, log(abar / (1 - abar))), (double)i, 1e-4 + 1e-6 * (double)i);
    }
    CHECK(itd__timestep(net, 0.5 * (net->timestep[4] + net->timestep[5])) > 4.49f);
    CHECK(itd__timestep(net, 0.5 * (net->timestep[4] + net->timestep[5])) < 4.51f);
    itd_net_free(net);
}

/* ---- files ---- */

#define FILE_NAME "build/test_unet.safetensors"

static void checkpoints_come_back(void)
{
    itd_model *model = make_model(3), *back = NULL;
    itd_error error;
    CHECK_OK(itd_save(model, NULL, FILE_NAME, &error));
    CHECK_OK(itd_load(FILE_NAME, &back, NULL, &error));
    CHECK(back && back->net->parameters == model->net->parameters);
    CHECK(back && !memcmp(back->net->w, model->net->w, model->net->parameters * sizeof(float)));
    CHECK(back && back->desc.unet.attention == model->desc.unet.attention);
    itd_model_free(model), itd_model_free(back);
    remove(FILE_NAME);
}

typedef struct spelling {
    const char *prefix, *dtype;
    bool old, wide;              /* query instead of to_q; 1x1 convolutions of rank 4 */
    const char *without, *extra; /* a tensor left out, one too many */
} spelling;

/* 1, 1/2 or 1/4 in each format: sign and exponent. */
static void put_number(FILE *file, const char *dtype, size_t k)
{
    static const unsigned f32[] = {0x3F800000, 0xBF000000, 0x3E800000}, f16[] = {0x3C00, 0xB800, 0x3400};
    unsigned bits = !strcmp(dtype, "F32")    ? f32[k % 3]
                    : !strcmp(dtype, "BF16") ? f32[k % 3] >> 16
                                             : f16[k % 3];
    size_t i, width = !strcmp(dtype, "F32") ? 4 : 2;
    for (i = 0; i < width; i++) fputc((int)(bits >> (8 * i) & 255), file);
}

static void spell(const char *name, const spelling *s, char *out, size_t size)
{
    static const char *const names[][2] = {
        {"to_q.", "query."}, {"to_k.", "key."}, {"to_v.", "value."}, {"to_out.0.", "proj_attn."}};
    size_t k;
    snprintf(out, size, "%s%s", s->prefix, name);
    for (k = 0; s->old && k < 4; k++) {
        const char *at = strstr(name, names[k][0]);
        if (at)
            snprintf(out, size, "%s%.*s%s%s", s->prefix, (int)(at - name), name, names[k][1],
                     at + strlen(names[k][0]));
    }
}

/* A file as another program would write it, number k of each tensor being 1, -1/2, 1/4, ... */
static void write_weights(itd_model *model, const spelling *s)
{
    static char json[1 << 17];
    itd__file all = ITD__ZERO;
    size_t i, k, used, bytes = 0, width = strcmp(s->dtype, "F32") ? 2 : 4;
    FILE *file = fopen(FILE_NAME, "wb");
    CHECK(file != NULL);
    if (!file) return;
    CHECK_OK(itd__list_tensors(model, false, &all));
    used = (size_t)snprintf(json, sizeof json, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (i = 0; i < all.count; i++) {
        const itd__tensor *t = &all.list[i];
        char name[160];
        if (!t->f32 || (s->without && !strcmp(t->name, s->without))) continue;
        spell(t->name, s, name, sizeof name);
        used += (size_t)snprintf(json + used, sizeof json - used, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[%lu",
                                 name, s->dtype, (unsigned long)t->shape[0]);
        if (t->rank > 1)
            used += (size_t)snprintf(json + used, sizeof json - used, ",%lu", (unsigned long)t->shape[1]);
        if (t->rank > 2) used += (size_t)snprintf(json + used, sizeof json - used, ",3,3");
        if (t->rank == 2 && s->wide) used += (size_t)snprintf(json + used, sizeof json - used, ",1,1");
        used += (size_t)snprintf(json + used, sizeof json - used, "],\"data_offsets\":[%lu,%lu]}",
                                 (unsigned long)bytes, (unsigned long)(bytes + width * itd__tensor_count(t)));
        bytes += width * itd__tensor_count(t);
    }
    if (s->extra)
        used += (size_t)snprintf(json + used, sizeof json - used,
                                 ",\"%s\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[%lu,%lu]}",
                                 s->extra, (unsigned long)bytes, (unsigned long)bytes);
    used += (size_t)snprintf(json + used, sizeof json - used, "}");
    for (i = 0; i < 8; i++) fputc((int)(used >> (8 * i) & 255), file);
    fwrite(json, 1, used, file);
    for (i = 0; i < all.count; i++)
        for (k = 0; all.list[i].f32 && k < itd__tensor_count(&all.list[i]); k++)
            if (!s->without || strcmp(all.list[i].name, s->without)) put_number(file, s->dtype, k);
    CHECK(fclose(file) == 0);
    ITD_FREE(all.list);
}

static bool holds_what_was_written(itd_model *model)
{
    static const float numbers[] = {1, -0.5f, 0.25f};
    itd__file all = ITD__ZERO;
    size_t i, k;
    bool same = true;
    CHECK_OK(itd__list_tensors(model, false, &all));
    for (i = 0; i < all.count; i++)
        for (k = 0; all.list[i].f32 && k < itd__tensor_count(&all.list[i]); k++)
            same = same && !memcmp(&all.list[i].f32[itd__element(&all.list[i], k)], &numbers[k % 3], 4);
    ITD_FREE(all.list);
    return same;
}

static void weights_of_other_programs_are_read(void)
{
    static const spelling spellings[] = {{"", "F32", false, false, NULL, NULL},
                                         {"unet.", "F16", true, false, NULL, NULL},
                                         {"model.", "BF16", false, true, NULL, NULL},
                                         {"", "F16", true, true, NULL, NULL},
                                         {"ema.", "F32", true, true, NULL, "other.weight"}};
    size_t i;
    for (i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        itd_model *model = make_model(5);
        itd_error error = {""};
        write_weights(model, &spellings[i]);
        CHECK_OK(itd_load_weights(model, FILE_NAME, spellings[i].prefix, &error));
        CHECK(holds_what_was_written(model));
        itd_model_free(model);
    }
    remove(FILE_NAME);
}

static void refused(const spelling *s, const char *prefix, const char *tensor)
{
    itd_model *model = make_model(6);
    float *before = ref_copy(model->net->w, model->net->parameters);
    itd_error error = {""};
    write_weights(model, s);
    CHECK(itd_load_weights(model, FILE_NAME, prefix, &error) == ITD_ERROR_MISMATCH);
    if (!CHECK(strstr(error.text, tensor) != NULL)) printf("  %s\n", error.text);
    CHECK(!memcmp(before, model->net->w, model->net->parameters * sizeof *before));
    free(before);
    itd_model_free(model);
    remove(FILE_NAME);
}

/* Also if the model has made predictions with those that it had, from its average or without one. */
static void weights_read_into_a_model_count(void)
{
    static const spelling usual = {"", "F32", false, false, NULL, NULL};
    size_t k;
    for (k = 0; k < 3; k++) {
        itd_model *model = make_model(3);
        itd_trainer *trainer = k ? make_trainer(model, 0.9) : NULL;
        itd_error error = {""};
        batch b = batch_make(model->net, 2);
        CHECK(predicts_with_its_weights(model, &b, k == 1 ? DENOISER : NETWORK));
        write_weights(model, &usual);
        CHECK_OK(itd_load_weights(model, FILE_NAME, "", &error));
        CHECK(holds_what_was_written(model));
        CHECK(predicts_with_its_weights(model, &b, k == 1 ? DENOISER : NETWORK));
        CHECK(itd__all_finite(b.out, b.n * b.d));
        batch_free(&b);
        itd_trainer_free(trainer);
        itd_model_free(model);
    }
    remove(FILE_NAME);
}

static void errors_name_the_tensor(void)
{
    spelling s = {"", "F32", false, false, "mid_block.resnets.0.conv1.weight", NULL};
    refused(&s, "", "mid_block.resnets.0.conv1.weight is missing");
    s.without = NULL, s.extra = "mid_block.resnets.7.conv1.weight";
    refused(&s, "", "mid_block.resnets.7.conv1.weight does not belong");
    s.extra = NULL, s.dtype = "I16";
    refused(&s, "", ".weight: F32, F16 or BF16 of shape [20,8] expected, I16 of [20,8] found");
    s.dtype = "F32";
    refused(&s, "unet.", "is missing");
}

/* ---- against an independent implementation in double precision: tests/golden/unet_ddpm.py ---- */

/* Number k of a stream, in [-1, 1): the formula the weights, images and signs there come from. */
static float golden(uint64_t stream, uint64_t k)
{
    uint64_t h = (k * 2654435761u + stream * 2246822519u) & 0xFFFFFFFFu;
    h = ((h ^ (h >> 15)) * 2246822519u) & 0xFFFFFFFFu;
    h = ((h ^ (h >> 15)) * 2246822519u) & 0xFFFFFFFFu;
    return (float)((double)(h >> 9) / 4194304 - 1);
}

static void fill_by_formula(const itd__file *all)
{
    size_t i, k, stream = 0;
    for (i = 0; i < all->count; i++) {
        const itd__tensor *t = &all->list[i];
        bool norm = strstr(t->name, "norm") != NULL, weight = strstr(t->name, ".weight") != NULL;
        float scale = norm ? 0.25f : !strncmp(t->name, "conv_in", 7) ? 1 / 2048.0f : 1 / 16.0f;
        if (!t->f32) continue;
        for (k = 0; k < itd__tensor_count(t); k++)
            t->f32[itd__element(t, k)] = scale * golden(stream, k) + (norm && weight ? 1.0f : 0.0f);
        stream++;
    }
}

/* The L2 norm of n numbers in the order of the file, and their sum with the formula's signs. */
static void norm_and_sum(const float *x, const itd__tensor *t, size_t n, double *norm, double *sum)
{
    size_t k;
    double squares = 0;
    *sum = 0;
    for (k = 0; k < n; k++) {
        double g = x[t ? itd__element(t, k) : k];
        squares += g * g, *sum += golden(2000, k) < 0 ? -g : g;
    }
    *norm = sqrt(squares);
}

/* Output to 2e-5 in relative L2, every gradient to 1e-4 of its norm. The bias of to_k has none in theory (it
 * shifts all scores alike): its rounding is measured by the gradient of to_q's, which stands next to it. */
static void the_published_network_computes_what_it_should(void)
{
    enum { N = 2, D = 3072 };
    itd_model_desc md = itd_model_desc_default(D);
    itd_model *model;
    itd__file all = ITD__ZERO;
    FILE *file = fopen("tests/golden/unet_ddpm.txt", "r");
    float *z = ref_floats(N * D), *dout = ref_floats(N * D), *out = ref_floats(N * D),
          *dz = ref_floats(N * D);
    float logsnr[N] = {3.0f, -1.5f};
    double error = 0, size = 0, key_norm = 0, expected, expected_sum, norm, sum;
    char line[200], name[100];
    unsigned long k;
    size_t i, gradients = 0;
    md.unet = itd_unet_desc_ddpm_cifar10(), md.unet.time = ITD_TIME_EXACT, md.normalize = false;
    CHECK_OK(itd_model_create(&md, 1, &model));
    CHECK_OK(itd__list_tensors(model, false, &all));
    fill_by_formula(&all);
    for (i = 0; i < N * D; i++) z[i] = 2 * golden(1000, i), dout[i] = golden(1001, i);
    CHECK_OK(itd_net_forward(model->net, z, logsnr, N, out));
    CHECK_OK(itd_net_backward(model->net, dout, N, dz));
    while (CHECK(file != NULL) && fgets(line, sizeof line, file)) {
        if (sscanf(line, "out %lu %lf", &k, &expected) == 2) {
            error += (out[k] - expected) * (out[k] - expected), size += expected * expected;
        } else if (CHECK(sscanf(line, "norm %99s %lf %lf", name, &expected, &expected_sum) == 3)) {
            double tolerance = 1e-4 * expected;
            norm = sum = -1;
            if (!strcmp(name, "dz")) norm_and_sum(dz, NULL, N * D, &norm, &sum);
            for (i = 0; i < all.count; i++)
                if (!strcmp(all.list[i].name, name))
                    norm_and_sum(model->net->g + (all.list[i].f32 - model->net->w), &all.list[i],
                                 itd__tensor_count(&all.list[i]), &norm, &sum);
            if (strstr(name, "to_k.bias")) {
                key_norm = norm;
                continue;
            }
            if (strstr(name, "to_q.bias")) CHECK(key_norm < 1e-4 * expected);
            if (!CHECK(fabs(norm - expected) <= tolerance) || !CHECK(fabs(sum - expected_sum) <= tolerance))
                printf("    %s: %g %g expected, %g %g found\n", name, expected, expected_sum, norm, sum);
            gradients++;
        }
    }
    if (!CHECK(sqrt(error / size) <= 2e-5)) printf("    output off by %g\n", sqrt(error / size));
    CHECK(gradients == 328 - 6 + 1); /* six biases of to_k, and the images */
    if (file) fclose(file);
    ITD_FREE(all.list);
    itd_model_free(model);
    free(z), free(dout), free(out), free(dz);
}

static void all_tests(void)
{
    RUN(gradients_are_slopes);
    RUN(gradients_add_up);
    RUN(gradients_of_a_batch_are_its_own);
    RUN(images_do_not_depend_on_each_other);
    RUN(threads_change_nothing);
    RUN(memory_changes_nothing);
}

int main(void)
{
    RUN(the_published_network_has_its_parameters);
    RUN(defaults_are_the_documented_ones);
    RUN(the_table_can_be_read);
    RUN(the_published_network_computes_what_it_should);
    RUN(the_largest_description_has_room);
    RUN(descriptions_are_checked);
    RUN(the_table_is_the_paper_s);
    RUN(the_exact_map_has_whole_steps);
    RUN(checkpoints_come_back);
    RUN(weights_read_into_a_model_count);
    RUN(weights_of_other_programs_are_read);
    RUN(errors_name_the_tensor);
    RUN(weights_changed_through_their_pointer_count);
    RUN(training_and_predictions_keep_apart);
    RUN(an_average_is_not_taken_for_an_older_one);
    RUN(averages_changed_through_their_pointer_count);
    each_simd(all_tests);
    return test_report();
}
