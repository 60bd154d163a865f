/* Tests of the model's and trainer's bookkeeping: descriptions, learning rate, Adam, the order of the data,
 * reproducibility, failures that change nothing, and memory. */
#include <stddef.h>
#include <stdlib.h>

static size_t allocations; /* calls that ask for memory */

static void *count_malloc(size_t size)
{
    allocations++;
    return malloc(size);
}

#define ITD_MALLOC(size) count_malloc(size)
#define ITD_FREE(p) free(p)
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"
#include "ref.h"
#include "directions.h"
#include "each_simd.h"
#include "test.h"

enum { POINTS = 512 };

/* Four Gaussians of width 0.1 on the corners of a square, coordinates of unlike size. */
static float *mixture(size_t n)
{
    float *x = ref_floats(2 * n);
    size_t i;
    for (i = 0; i < n; i++) {
        x[2 * i] = (float)(3 + 2 * ((i & 1 ? 1 : -1) + 0.1 * ref_normal()));
        x[2 * i + 1] = (float)(0.5 * ((i & 2 ? 1 : -1) + 0.1 * ref_normal()));
    }
    return x;
}

typedef struct pair { /* what is trained, and what trains it */
    itd_model *model;
    itd_trainer *trainer;
} pair;

static itd_model_desc small_model(void)
{
    itd_model_desc desc = itd_model_desc_default(2);
    desc.mlp.hidden = 16, desc.mlp.embedding = 8;
    desc.mlp.coordinate_scale = 3, desc.mlp.logsnr_scale = 1;
    return desc;
}

static itd_trainer_desc small_trainer(size_t batch)
{
    itd_trainer_desc desc = itd_trainer_desc_default();
    desc.batch = batch;
    return desc;
}

static pair pair_make(const itd_model_desc *md, uint64_t seed, const itd_trainer_desc *td)
{
    pair p = {NULL, NULL};
    CHECK_OK(itd_model_create(md, seed, &p.model));
    CHECK_OK(itd_trainer_create(p.model, td, &p.trainer));
    return p;
}

static void pair_free(pair *p) { itd_trainer_free(p->trainer), itd_model_free(p->model); }

/* ---- descriptions ---- */

/* Does a problem begin with this field? */
static bool names(const char *problem, const char *field)
{
    return problem && strncmp(problem, field, strlen(field)) == 0;
}

#define REFUSED_TRAINER(field, value)                                                                        \
    do {                                                                                                     \
        itd_trainer_desc bad = itd_trainer_desc_default();                                                   \
        itd_trainer *trainer = NULL;                                                                         \
        bad.field = (value);                                                                                 \
        CHECK(itd_trainer_create(model, &bad, &trainer) == ITD_ERROR_ARGUMENT && #field " = " #value);       \
        CHECK(trainer == NULL && names(itd_model_problem(&desc, &bad), "trainer." #field));                  \
    } while (0)

static void trainer_descriptions_out_of_range_are_refused(void)
{
    itd_model_desc desc = small_model();
    itd_model *model = NULL;
    CHECK_OK(itd_model_create(&desc, 1, &model));
    REFUSED_TRAINER(batch, 0);
    REFUSED_TRAINER(learning_rate, -1e-3);
    REFUSED_TRAINER(learning_rate, NAN);
    REFUSED_TRAINER(learning_rate, INFINITY);
    REFUSED_TRAINER(final_fraction, -0.1);
    REFUSED_TRAINER(final_fraction, 1.1);
    REFUSED_TRAINER(final_fraction, NAN);
    REFUSED_TRAINER(beta1, 1);
    REFUSED_TRAINER(beta1, -0.1);
    REFUSED_TRAINER(beta1, NAN);
    REFUSED_TRAINER(beta2, 1);
    REFUSED_TRAINER(beta2, -0.1);
    REFUSED_TRAINER(beta2, NAN);
    REFUSED_TRAINER(epsilon, 0);
    REFUSED_TRAINER(epsilon, -1);
    REFUSED_TRAINER(epsilon, 2.0 * FLT_MAX);
    REFUSED_TRAINER(epsilon, NAN);
    REFUSED_TRAINER(weight_decay, -1);
    REFUSED_TRAINER(weight_decay, NAN);
    REFUSED_TRAINER(weight_decay, INFINITY);
    REFUSED_TRAINER(clip_norm, -1);
    REFUSED_TRAINER(clip_norm, NAN);
    REFUSED_TRAINER(clip_norm, INFINITY);
    REFUSED_TRAINER(ema, 1);
    REFUSED_TRAINER(ema, -0.5);
    REFUSED_TRAINER(ema, NAN);
    itd_model_free(model);
}

/* A field that is refused for itself is named with its range, as the table of the fields has it. */
static void a_problem_says_the_range(void)
{
    itd_model_desc desc = itd_model_desc_default(2);
    itd_trainer_desc training = itd_trainer_desc_default();
    training.batch = 0;
    CHECK(!strcmp(itd_model_problem(&desc, &training), "trainer.batch: 1 to SIZE_MAX expected"));
    training.batch = 1, training.final_fraction = 2;
    CHECK(!strcmp(itd_model_problem(&desc, &training), "trainer.final_fraction: 0 to 1 expected"));
    desc.mlp.layers = 101; /* the model comes before its training */
    CHECK(!strcmp(itd_model_problem(&desc, &training), "mlp.layers: 1 to 100 expected"));
    desc.mlp.layers = 1, desc.mlp.coordinate_scale = NAN;
    CHECK(!strcmp(itd_model_problem(&desc, NULL), "mlp.coordinate_scale: -FLT_MAX to FLT_MAX expected"));
    desc.mlp.coordinate_scale = 1, desc.mlp.activation = (itd_activation)2;
    CHECK(!strcmp(itd_model_problem(&desc, NULL), "mlp.activation: 0 to ITD_ACTIVATION_COUNT - 1 expected"));
    for (size_t i = 0; i < ITD__FIELDS; i++) {
        const itd__field *field = &itd__fields[i];
        CHECK(field->type != ITD__REAL || field->size == sizeof(double));
        CHECK(field->size == 1 || field->size == 4 || field->size == 8);
        CHECK(names(field->problem, field->name) && itd__in_range(field, field->initial));
        CHECK(field->absent == -1 || itd__in_range(field, field->absent));
    }
}

#define REFUSED_MODEL(field, value)                                                                          \
    do {                                                                                                     \
        itd_model_desc bad = itd_model_desc_default(2);                                                      \
        itd_model *model = NULL;                                                                             \
        bad.field = (value);                                                                                 \
        CHECK(itd_model_create(&bad, 1, &model) == ITD_ERROR_ARGUMENT && #field " = " #value);               \
        CHECK(model == NULL && names(itd_model_problem(&bad, NULL), #field));                                \
    } while (0)

/* The last numbers inside. */
static void descriptions_at_their_limits_are_taken(void)
{
    itd_model_desc desc = small_model();
    itd_trainer_desc training = itd_trainer_desc_default();
    itd_model *model = NULL;
    itd_trainer *trainer = NULL;
    CHECK_OK(itd_model_create(&desc, 1, &model));
    training.beta1 = training.beta2 = training.ema = 1 - DBL_EPSILON / 2;
    training.final_fraction = 1;
    CHECK(itd_model_problem(&desc, &training) == NULL);
    CHECK_OK(itd_trainer_create(model, &training, &trainer));
    itd_trainer_free(trainer), itd_model_free(model);
    desc.mlp.dim = 128, desc.mlp.embedding = 8192, desc.mlp.hidden = 1; /* 2^20 sinusoids */
    desc.mlp.directions = 0;
    CHECK_OK(itd_model_create(&desc, 1, &model));
    itd_model_free(model);
    desc.mlp.dim++;
    CHECK(itd_model_create(&desc, 1, &model) == ITD_ERROR_ARGUMENT);
    desc.mlp.directions = 1; /* instead of sinusoids of the coordinates */
    CHECK_OK(itd_model_create(&desc, 1, &model));
    itd_model_free(model);
}

#if SIZE_MAX == UINT32_MAX
/* Where 4 GB are the end of all sizes, sums and products of sizes beyond it are noticed. */
static void networks_beyond_all_memory(void)
{
    itd_model_desc desc = itd_model_desc_default(9457);
    itd_unet_desc unet = itd_unet_desc_default();
    itd_model *model = NULL;
    itd_net *net = NULL;
    desc.mlp.hidden = 56757, desc.mlp.embedding = desc.mlp.directions = 0;
    CHECK(itd_model_create(&desc, 1, &model) == ITD_ERROR_MEMORY);
    unet.height = unet.width = 256, unet.attention = 1;
    CHECK(itd_unet_create(&unet, 1, &net) == ITD_ERROR_MEMORY);
    unet.height = unet.width = 4096, unet.channels = 256, unet.attention = 0;
    CHECK(itd_unet_create(&unet, 1, &net) == ITD_ERROR_MEMORY);
}
#endif

/* A batch that no memory holds is refused, also where epochs have to be counted. */
static void batches_beyond_all_memory(void)
{
    itd_model_desc desc = small_model();
    itd_trainer_desc training = itd_trainer_desc_default();
    itd_model *model = NULL;
    itd_trainer *trainer = NULL;
    float x[4] = {1, 2, 3, 4};
    training.batch = SIZE_MAX;
    CHECK_OK(itd_model_create(&desc, 1, &model));
    CHECK_OK(itd_trainer_create(model, &training, &trainer));
    CHECK(itd_train_epoch(trainer, x, 2, NULL) == ITD_ERROR_MEMORY);
    itd_trainer_free(trainer), itd_model_free(model);
}

static void products_that_do_not_fit_are_noticed(void)
{
    size_t product = 7;
    CHECK(itd__multiply(SIZE_MAX / 2, 2, &product) && product == SIZE_MAX - 1);
    CHECK(itd__multiply(SIZE_MAX, 0, &product) && product == 0);
    CHECK(!itd__multiply(SIZE_MAX / 2 + 1, 2, &product) && !itd__multiply(2, SIZE_MAX / 2 + 1, &product));
    CHECK(itd__alloc(SIZE_MAX / 4 + 1, 4, 1) == NULL && itd__alloc(1, SIZE_MAX / 4 + 1, 4) == NULL);
}

static void model_descriptions_out_of_range_are_refused(void)
{
    REFUSED_MODEL(mlp.dim, 0);
    REFUSED_MODEL(mlp.layers, 0);
    REFUSED_MODEL(mlp.hidden, 0);
    REFUSED_MODEL(mlp.embedding, 3);
    REFUSED_MODEL(variance, 0);
    REFUSED_MODEL(variance, -1);
    REFUSED_MODEL(variance, NAN);
    REFUSED_MODEL(variance, INFINITY);
    REFUSED_MODEL(schedule.scale, 0);
    REFUSED_MODEL(schedule.clip, -4);
    REFUSED_MODEL(schedule.loc, NAN);
    REFUSED_MODEL(parameterization, (itd_parameterization)7);
}

static void defaults_are_the_documented_ones(void)
{
    itd_trainer_desc t = itd_trainer_desc_default();
    itd_model_desc m = itd_model_desc_default(5);
    CHECK(t.batch == 128 && t.seed == 1 && t.warmup == 0 && t.steps == 0 && t.stratified &&
          !t.drop_incomplete);
    CHECK_CLOSE(t.learning_rate, 1e-3, 0);
    CHECK_CLOSE(t.beta1, 0.9, 0);
    CHECK_CLOSE(t.beta2, 0.999, 0);
    CHECK_CLOSE(t.epsilon, 1e-8, 0);
    CHECK_CLOSE(t.ema, 0.999, 0);
    CHECK_CLOSE(t.final_fraction + t.weight_decay + t.clip_norm + t.weight_limit, 0, 0);
    CHECK(t.micro_batch == 0 && m.unet.levels == 0);
    CHECK(m.mlp.dim == 5 && m.mlp.layers == 3 && m.mlp.hidden == 128 && m.mlp.embedding == 128);
    CHECK(m.mlp.activation == ITD_SILU && m.mlp.zero_output && m.normalize && m.whiten);
    CHECK(m.mlp.directions == 128);
    CHECK_CLOSE(m.mlp.frequency_min, 0.5, 0);
    CHECK_CLOSE(m.mlp.frequency_max, 10, 0);
    CHECK(m.parameterization == ITD_GAUSSIAN);
    CHECK_CLOSE(m.variance, 1, 0);
    CHECK_CLOSE(m.mlp.coordinate_scale, 100, 0);
    CHECK_CLOSE(m.mlp.logsnr_scale, 50, 0);
    CHECK_CLOSE(m.schedule.loc, 0, 0);
    CHECK_CLOSE(m.schedule.scale, 3, 0);
    CHECK_CLOSE(m.schedule.clip, 4, 0);
}

/* ---- normalization ---- */

static void model_fit_takes_mean_and_deviation(void)
{
    enum { N = 300 };
    itd_model_desc desc = small_model();
    itd_model *model = NULL;
    float *x;
    double mean, square, variances = 0;
    size_t i, j;
    ref_seed(1);
    x = mixture(N);
    CHECK_OK(itd_model_create(&desc, 1, &model));
    CHECK(model->gaussian == NULL);
    CHECK_OK(itd_model_fit(model, x, N));
    for (j = 0; j < 2; j++) {
        for (i = 0, mean = 0; i < N; i++) mean += (double)x[2 * i + j] / N;
        for (i = 0, square = 0; i < N; i++) square += pow(x[2 * i + j] - mean, 2) / N;
        CHECK_CLOSE(model->mean[j], mean, 1e-12 * (1 + fabs(mean)));
        CHECK_CLOSE(model->scale[j] / sqrt(square), 1, 1e-12);
        variances += square;
    }
    CHECK(model->gaussian != NULL && model->gaussian->dim == 2);
    CHECK_CLOSE((model->gaussian->lambda[0] + model->gaussian->lambda[1]) / variances, 1, 1e-12);
    itd_model_free(model), free(x);
}

static void model_fit_can_leave_the_data_alone(void)
{
    itd_model_desc desc = small_model();
    itd_model *model = NULL;
    float x[6] = {1, 10, 2, 30, 3, 20};
    desc.normalize = false;
    CHECK_OK(itd_model_create(&desc, 1, &model));
    CHECK_OK(itd_model_fit(model, x, 3));
    CHECK_CLOSE(model->mean[0], 0, 0);
    CHECK_CLOSE(model->scale[1], 1, 0);
    CHECK_CLOSE(model->gaussian->mean[1], 20, 1e-12);
    itd_model_free(model);
}

static void model_fit_refuses_what_it_cannot_fit(void)
{
    itd_model_desc desc = small_model();
    itd_model *model = NULL;
    float good[6] = {1, 10, 2, 30, 3, 20}, constant[6] = {1, 0.1f, 2, 0.1f, 3, 0.1f}, bad[4] = {1, 2, NAN, 3};
    CHECK_OK(itd_model_create(&desc, 1, &model));
    CHECK(itd_model_fit(model, good, 1) == ITD_ERROR_ARGUMENT);
    CHECK(itd_model_fit(model, constant, 3) == ITD_ERROR_DATA);
    CHECK(itd_model_fit(model, bad, 2) == ITD_ERROR_DATA);
    CHECK(model->gaussian == NULL);
    CHECK_CLOSE(model->mean[0], 0, 0);
    CHECK_CLOSE(model->scale[0], 1, 0);
    itd_model_free(model);
}

/* A spread of the last digit of floats, and none at all; where the data are left alone, that is no harm. */
static void model_fit_refuses_to_divide_by_next_to_nothing(void)
{
    itd_model_desc desc = small_model();
    itd_model *model = NULL;
    float ulp[6] = {1, 1, 2, 1 + FLT_EPSILON, 3, 1}, distant[6] = {1, 1000, 2, 1000.0006f, 3, 1000},
          constant[6] = {1, 4, 2, 4, 3, 4};
    for (int normalize = 0; normalize < 2; normalize++) {
        desc.normalize = normalize;
        CHECK_OK(itd_model_create(&desc, 1, &model));
        CHECK(itd_model_fit(model, ulp, 3) == (normalize ? ITD_ERROR_DATA : ITD_OK));
        CHECK(itd_model_fit(model, distant, 3) == (normalize ? ITD_ERROR_DATA : ITD_OK));
        CHECK(itd_model_fit(model, constant, 3) == (normalize ? ITD_ERROR_DATA : ITD_OK));
        CHECK((model->gaussian == NULL) == (normalize == 1));
        if (!normalize) {
            CHECK_CLOSE(model->gaussian->lambda[0], 2.0 / 3, 1e-12);
            CHECK(model->gaussian->lambda[1] > 0 && isfinite(itd_gaussian_nll(model->gaussian, constant)));
        }
        itd_model_free(model);
    }
    desc.whiten = false, desc.normalize = true;
    CHECK_OK(itd_model_create(&desc, 1, &model));
    CHECK(itd_model_fit(model, constant, 3) == ITD_ERROR_DATA && model->gaussian == NULL);
    itd_model_free(model);
}

/* No variance at all, with the full Gaussian and with the one of independent columns. */
static void model_fit_refuses_a_single_value(void)
{
    for (size_t dim = 64; dim <= 65; dim++) {
        itd_model_desc desc = itd_model_desc_default(dim);
        itd_model *model = NULL;
        float same[3 * 65];
        for (size_t i = 0; i < 3 * 65; i++) same[i] = 0.1f;
        desc.normalize = false, desc.mlp.hidden = 8;
        CHECK_OK(itd_model_create(&desc, 1, &model));
        CHECK(itd_model_fit(model, same, 3) == ITD_ERROR_DATA && model->gaussian == NULL);
        same[7] = 0.2f;
        CHECK_OK(itd_model_fit(model, same, 3));
        itd_model_free(model);
    }
}

/* ---- learning rate ---- */

/* Warm-up: (step + 1) / warmup; then the cosine from 1 at its first step to final_fraction at `steps`. */
static void learning_rate_follows_the_schedule(void)
{
    itd_trainer_desc d = itd_trainer_desc_default();
    uint64_t step;
    d.learning_rate = 0.02;
    for (step = 0; step < 3; step++) CHECK_CLOSE(itd__learning_rate(&d, step * 100000), 0.02, 0);
    d.warmup = 4;
    CHECK_CLOSE(itd__learning_rate(&d, 0), 0.005, 1e-17);
    CHECK_CLOSE(itd__learning_rate(&d, 2), 0.015, 1e-17);
    CHECK_CLOSE(itd__learning_rate(&d, 3), 0.02, 1e-17);
    CHECK_CLOSE(itd__learning_rate(&d, 999), 0.02, 0);
    d.steps = 104, d.final_fraction = 0.1;
    CHECK_CLOSE(itd__learning_rate(&d, 1), 0.01, 1e-17);
    CHECK_CLOSE(itd__learning_rate(&d, 4), 0.02, 1e-17);
    CHECK_CLOSE(itd__learning_rate(&d, 29), 0.02 * (0.1 + 0.45 * (1 + sqrt(0.5))), 1e-16);
    CHECK_CLOSE(itd__learning_rate(&d, 54), 0.011, 1e-16);
    CHECK_CLOSE(itd__learning_rate(&d, 104), 0.002, 1e-16);
    CHECK_CLOSE(itd__learning_rate(&d, 5000), 0.002, 1e-16);
    for (step = 5; step <= 104; step++)
        CHECK(itd__learning_rate(&d, step) < itd__learning_rate(&d, step - 1));
    d.steps = 4; /* none is left for a cosine */
    CHECK_CLOSE(itd__learning_rate(&d, 4), 0.02, 0);
    CHECK_CLOSE(itd__learning_rate(&d, 5), 0.02, 0);
}

static void trainer_reports_the_learning_rate_it_used(void)
{
    itd_model_desc md = small_model();
    itd_trainer_desc td = small_trainer(8);
    pair p;
    float *x;
    size_t k;
    ref_seed(2);
    x = mixture(8);
    td.warmup = 2, td.steps = 6;
    p = pair_make(&md, 1, &td);
    for (k = 0; k < 8; k++) {
        CHECK_OK(itd_train_step(p.trainer, x, NULL));
        CHECK(p.trainer->step == k + 1);
        CHECK_CLOSE(p.trainer->learning_rate, itd__learning_rate(&td, k), 0);
    }
    pair_free(&p), free(x);
}

/* ---- one step: the loss, its gradient, Adam ---- */

typedef struct loss_case { /* a batch with the noise and log SNRs the library draws for it */
    ref_mlp net;
    size_t n;
    double *direction, *w, *y, *eps, *logsnr, *weight, variance;
    bool gaussian;
} loss_case;

/* (d/2) log(2 pi e) + 1/2 mean_b w_b (|eps - eps_hat|^2 - d s(alpha)), and dF, its derivative by the
 * network's output, at the network's inputs `in`. */
static double reference_loss(const loss_case *c, double *in, double *dF)
{
    size_t i, j, d = c->net.dim;
    double *F = ref_doubles(c->n * d), loss = 0.5 * (double)d * (log(2 * REF_PI) + 1), v = c->variance;
    double *z = ref_doubles(c->n * d);
    for (i = 0; i < c->n; i++) {
        double s = ref_sigmoid(c->logsnr[i]), r = ref_sigmoid(-c->logsnr[i]);
        for (j = 0; j < d; j++) {
            z[i * d + j] = sqrt(s) * c->y[i * d + j] + sqrt(r) * c->eps[i * d + j];
            in[i * d + j] = z[i * d + j] / (c->gaussian ? sqrt(s * v + r) : 1);
        }
    }
    ref_mlp_forward(&c->net, c->w, in, c->logsnr, c->n, F);
    for (i = 0; i < c->n; i++) {
        double s = ref_sigmoid(c->logsnr[i]), r = ref_sigmoid(-c->logsnr[i]), error = 0;
        double skip = c->gaussian ? sqrt(r) / (s * v + r) : 0;
        double gain = c->gaussian ? sqrt(s * v / (s * v + r)) : 1;
        for (j = 0; j < d; j++) {
            double left = skip * z[i * d + j] + gain * F[i * d + j] - c->eps[i * d + j];
            error += left * left;
            dF[i * d + j] = c->weight[i] * gain * left / (double)c->n;
        }
        loss += 0.5 * c->weight[i] * (error - (double)d * s) / (double)c->n;
    }
    free(F), free(z);
    return loss;
}

static loss_case loss_make(const pair *p, const float *x, const itd_mlp_desc *mlp)
{
    loss_case c;
    size_t n = p->trainer->desc.batch, d = p->model->dim, i, j;
    uint64_t seed = p->trainer->desc.seed, step = p->trainer->step;
    itd_rng noise = itd__rng_for(seed, ITD__FOR_NOISE, step),
            alphas = itd__rng_for(seed, ITD__FOR_LOGSNR, step);
    float *eps = ref_floats(n * d), *logsnr = ref_floats(n), *weight = ref_floats(n);
    itd_rng_normal_fill(&noise, n * d, eps);
    CHECK_OK(itd_schedule_sample(&p->model->desc.schedule, &alphas, p->trainer->desc.stratified, n, logsnr,
                                 weight));
    c.net.dim = d, c.net.layers = mlp->layers, c.net.hidden = mlp->hidden, c.net.embedding = mlp->embedding;
    c.net.directions = mlp->directions, c.net.direction = c.direction = directions_of(mlp);
    c.net.coordinate_scale = mlp->coordinate_scale, c.net.logsnr_scale = mlp->logsnr_scale;
    c.net.silu = mlp->activation == ITD_SILU, c.net.single = false;
    c.n = n, c.variance = p->model->desc.variance,
    c.gaussian = p->model->desc.parameterization == ITD_GAUSSIAN;
    c.w = ref_widened(itd_net_weights(p->model->net), itd_net_parameters(p->model->net));
    c.y = ref_doubles(n * d);
    for (i = 0; i < n * d; i++)
        for (j = 0; j < d; j++) {
            double to_i = i % d == j ? 1 / p->model->scale[j] : 0;
            if (p->model->whiten) to_i = p->model->whiten[i % d * d + j];
            c.y[i] += to_i * (x[i / d * d + j] - p->model->mean[j]);
        }
    c.eps = ref_widened(eps, n * d), c.logsnr = ref_widened(logsnr, n), c.weight = ref_widened(weight, n);
    free(eps), free(logsnr), free(weight);
    return c;
}

static void loss_free(loss_case *c)
{
    free(c->direction), free(c->w), free(c->y), free(c->eps), free(c->logsnr), free(c->weight);
}

/* What -log p(x) is above -log p(y): log |det W^-1|, of two columns. */
static double two_columns_log_det(const itd_model *m)
{
    if (m->whiten) return -log(fabs(m->whiten[0] * m->whiten[3] - m->whiten[1] * m->whiten[2]));
    return log(m->scale[0]) + log(m->scale[1]);
}

/* Loss and gradient of one training step against double precision, and that against differences of the loss
 * whose weights are limited to `limit` times the one at the schedule's centre; 0: no limit. */
static void loss_check(itd_model_desc md, double limit)
{
    itd_trainer_desc td = small_trainer(24);
    pair p;
    loss_case c;
    float *x;
    double *in, *dF, *dw, *dz, *fw, loss = 0, expected, *scratch;
    size_t i, n;
    md.mlp.zero_output = false, md.mlp.embedding = 4, md.mlp.hidden = 7;
    md.mlp.coordinate_scale = 1, md.mlp.logsnr_scale = 0.2;
    td.weight_limit = limit;
    x = mixture(24);
    p = pair_make(&md, 3, &td);
    CHECK_OK(itd_model_fit(p.model, x, 24));
    c = loss_make(&p, x, &md.mlp);
    n = ref_mlp_parameters(&c.net);
    in = ref_doubles(48), dF = ref_doubles(48), dw = ref_doubles(n), dz = ref_doubles(48),
    fw = ref_doubles(n);
    scratch = ref_doubles(48);
    CHECK(itd_net_parameters(p.model->net) == n);
    expected = reference_loss(&c, in, dF) + two_columns_log_det(p.model);
    if (limit > 0) {
        double least = 4 * md.schedule.scale * tanh(md.schedule.clip / 2); /* one over the density there */
        size_t limited = 0;
        for (i = 0; i < c.n; i++) limited += c.weight[i] > limit * least;
        CHECK(limited > 3 && limited < c.n - 3);
        for (i = 0; i < c.n; i++) c.weight[i] = fmin(c.weight[i], limit * least);
        (void)reference_loss(&c, in, dF);
    }
    ref_mlp_backward(&c.net, c.w, in, c.logsnr, dF, c.n, dw, dz);
    for (i = 0; i < n; i++) {
        double saved = c.w[i], up, down;
        c.w[i] = saved + 1e-5, up = reference_loss(&c, in, scratch);
        c.w[i] = saved - 1e-5, down = reference_loss(&c, in, scratch);
        c.w[i] = saved, fw[i] = (up - down) / 2e-5;
    }
    CHECK(ref_norm(dw, n) > 0);
    CHECK(ref_distance(dw, fw, n) <= 1e-6);
    CHECK_OK(itd_train_step(p.trainer, x, &loss));
    CHECK_CLOSE(loss / expected, 1, 1e-5);
    CHECK(ref_error(itd_net_gradients(p.model->net), dw, n) <= 1e-5);
    CHECK_CLOSE(p.trainer->gradient_norm / ref_norm(dw, n), 1, 1e-5);
    free(in), free(dF), free(dw), free(dz), free(fw), free(scratch), free(x);
    loss_free(&c), pair_free(&p);
}

static void loss_and_gradient_are_those_of_the_formula(void)
{
    itd_model_desc original = small_model(), md;
    original.mlp.directions = 0, original.whiten = false;
    ref_seed(3);
    loss_check(original, 0);
    loss_check(original, 2);
    md = original, md.variance = 0.25, md.normalize = false;
    loss_check(md, 0);
    md = original, md.parameterization = ITD_PLAIN;
    loss_check(md, 0);
    md = original, md.whiten = true;
    loss_check(md, 0);
    md.mlp.directions = 5, md.mlp.frequency_max = 3;
    loss_check(md, 0);
}

/* From the gradients the library computed, the way of the weights in double precision. What is compared is
 * the distance travelled, not the weights, which would hide an error in the step behind their size. */
static void adam_check(double beta1, double beta2, double clip, double decay, double average)
{
    enum { STEPS = 12 };
    itd_model_desc md = small_model();
    itd_trainer_desc td = small_trainer(16);
    ref_adam a;
    pair p;
    float *x;
    double *start, *moved, *expected;
    size_t i, k;
    x = mixture(16 * STEPS);
    md.mlp.zero_output = false;
    td.beta1 = beta1, td.beta2 = beta2;
    td.learning_rate = 0.02, td.clip_norm = clip, td.weight_decay = decay, td.ema = average, td.warmup = 3;
    p = pair_make(&md, 4, &td);
    a.n = itd_net_parameters(p.model->net);
    a.w = ref_widened(itd_net_weights(p.model->net), a.n),
    a.ema = ref_widened(itd_net_weights(p.model->net), a.n);
    start = ref_widened(itd_net_weights(p.model->net), a.n);
    a.m = ref_doubles(a.n), a.v = ref_doubles(a.n), moved = ref_doubles(a.n), expected = ref_doubles(a.n);
    a.beta1 = td.beta1, a.beta2 = td.beta2, a.epsilon = td.epsilon;
    a.decay = decay, a.clip = clip, a.average = average;
    for (k = 1; k <= STEPS; k++) {
        const float *w = itd_net_weights(p.model->net);
        CHECK_OK(itd_train_step(p.trainer, x + 32 * (k - 1), NULL));
        if (clip > 0) CHECK(p.trainer->gradient_norm > clip);
        ref_adam_step(&a, itd_net_gradients(p.model->net), (unsigned)k, p.trainer->learning_rate);
        for (i = 0; i < a.n; i++) moved[i] = w[i] - start[i], expected[i] = a.w[i] - start[i];
        CHECK(ref_norm(expected, a.n) > 0);
        if (!CHECK(ref_distance(moved, expected, a.n) <= 1e-5)) break;
        for (i = 0; i < a.n && average > 0; i++)
            moved[i] = p.model->net->ema[i] - start[i], expected[i] = a.ema[i] - start[i];
        CHECK(average > 0 ? ref_distance(moved, expected, a.n) <= 1e-5 : p.model->net->ema == NULL);
    }
    free(a.w), free(a.m), free(a.v), free(a.ema), free(start), free(moved), free(expected), free(x);
    pair_free(&p);
}

static void adam_takes_the_steps_of_the_formula(void)
{
    ref_seed(4);
    adam_check(0.9, 0.999, 0, 0, 0);
}

static void adam_with_clipping_decay_and_average(void)
{
    ref_seed(5);
    adam_check(0.9, 0.999, 0.5, 0, 0.999);
    adam_check(0.9, 0.999, 0, 0.5, 0.15);
    adam_check(0.9, 0.999, 0.3, 0.3, 0.9);
}

/* Other memories than the default. 1 - 0.9999 is off by 2e-4 if 0.9999 is rounded to single precision first.
 * */
static void adam_with_other_memories(void)
{
    ref_seed(19);
    adam_check(0.5, 0.9, 0, 0, 0.9);
    adam_check(0, 0.99, 0, 0, 0);
    adam_check(0.95, 0.9999, 0, 0, 0);
}

/* The denoiser uses the average where there is one, the trainer never does. */
static void denoiser_uses_the_average(void)
{
    itd_model_desc md = small_model();
    itd_trainer_desc td = small_trainer(16);
    const float z[2] = {0.5f, -1}, logsnr = 1;
    float *x, with[2], without[2], *saved;
    pair p;
    itd_denoiser den;
    size_t n, k;
    ref_seed(6);
    x = mixture(16);
    td.learning_rate = 0.05;
    p = pair_make(&md, 1, &td);
    for (k = 0; k < 5; k++) CHECK_OK(itd_train_step(p.trainer, x, NULL));
    den = itd_model_denoiser(p.model);
    n = itd_net_parameters(p.model->net);
    CHECK_OK(den.predict(den.ctx, z, &logsnr, 1, with));
    saved = ref_copy(itd_net_weights(p.model->net), n);
    memcpy(itd_net_weights(p.model->net), p.model->net->ema, n * sizeof(float));
    memset(p.model->net->ema, 0, n * sizeof(float)); /* now the average alone would give F = 0 */
    CHECK_OK(den.predict(den.ctx, z, &logsnr, 1, without));
    CHECK(fabsf(with[0] - without[0]) > 1e-4f);
    memcpy(p.model->net->ema, itd_net_weights(p.model->net), n * sizeof(float));
    memcpy(itd_net_weights(p.model->net), saved, n * sizeof(float));
    CHECK_OK(den.predict(den.ctx, z, &logsnr, 1, without));
    CHECK(memcmp(with, without, sizeof with) == 0);
    free(saved), free(x), pair_free(&p);
}

/* ---- learning ---- */

static double model_nll(itd_model *model, const float *x, size_t n, double *error)
{
    itd_denoiser den = itd_model_denoiser(model);
    itd_nll_desc desc = itd_model_nll_desc(model);
    itd_nll_result result = {0, 0, 0, 0, 0};
    desc.draws = 25;
    CHECK_OK(itd_nll(&den, x, n, &desc, &result, NULL, NULL));
    *error = result.std_error;
    return result.nll;
}

/* The mixture's entropy is 0.6 nats below its Gaussian's for each coordinate; a short training must find a
 * good part of it, beyond any doubt from the error bars. */
static void training_lowers_the_loss(void)
{
    itd_model_desc md = small_model();
    itd_trainer_desc td = small_trainer(128);
    pair p;
    float *x;
    double before, after, error[2], first = 0, last = 0;
    size_t k;
    ref_seed(7);
    x = mixture(POINTS);
    md.mlp.hidden = 32, td.learning_rate = 5e-3, td.ema = 0.98;
    p = pair_make(&md, 1, &td);
    CHECK_OK(itd_model_fit(p.model, x, POINTS));
    before = model_nll(p.model, x, POINTS, &error[0]);
    for (k = 0; k < 100; k++) {
        double loss = NAN;
        CHECK_OK(itd_train_epoch(p.trainer, x, POINTS, &loss));
        if (k < 20) first += loss / 20;
        if (k >= 80) last += loss / 20;
    }
    after = model_nll(p.model, x, POINTS, &error[1]);
    CHECK(p.trainer->step == 400);
    CHECK(error[0] < 0.1 && error[1] < 0.1);
    CHECK(after < before - 0.3);
    CHECK(last < first - 0.2);
    pair_free(&p), free(x);
}

/* ---- order of the data ---- */

/* Indices of so many steps of a fresh trainer, taking real steps in between. */
static size_t *collect_indices(itd_trainer *trainer, size_t n, size_t steps)
{
    size_t batch = trainer->desc.batch, k, *all = (size_t *)ref_alloc(steps * batch * sizeof *all);
    float *x = ref_normals(batch * trainer->model->dim, 1);
    for (k = 0; k < steps; k++) {
        CHECK_OK(itd_train_indices(trainer, n, all + k * batch));
        CHECK_OK(itd_train_step(trainer, x, NULL));
    }
    free(x);
    return all;
}

/* True if the `count` indices are distinct and below n. */
static bool distinct(const size_t *index, size_t count, size_t n)
{
    unsigned char *seen = (unsigned char *)ref_alloc(n);
    size_t i;
    bool ok = true;
    for (i = 0; i < count; i++) ok = ok && index[i] < n && !seen[index[i]]++;
    free(seen);
    return ok;
}

static void every_pass_visits_every_row_once(void)
{
    static const size_t rows[4] = {20, 21, 3,
                                   7}; /* batches of 7: across a seam, exact, several passes each */
    itd_model_desc md = small_model();
    itd_trainer_desc td = small_trainer(7);
    size_t c, pass;
    ref_seed(8);
    for (c = 0; c < 4; c++) {
        size_t n = rows[c], steps = n, passes = 7, *all; /* n batches of 7 are 7 passes over n */
        pair p = pair_make(&md, 1, &td);
        all = collect_indices(p.trainer, n, steps);
        for (pass = 0; pass < passes; pass++) CHECK(distinct(all + pass * n, n, n));
        if (n > 3) CHECK(memcmp(all, all + n, n * sizeof *all) != 0);
        free(all), pair_free(&p);
    }
}

static void incomplete_batches_can_be_dropped(void)
{
    itd_model_desc md = small_model();
    itd_trainer_desc td = small_trainer(7);
    pair p;
    size_t pass, *all, index[7], missing = 0, i;
    float *x;
    ref_seed(9);
    td.drop_incomplete = true;
    p = pair_make(&md, 1, &td);
    all = collect_indices(p.trainer, 20, 20); /* ten passes of two batches, six rows left out of each */
    for (pass = 0; pass < 10; pass++) CHECK(distinct(all + 14 * pass, 14, 20));
    for (i = 0; i < 14; i++) missing += all[i] >= 14;
    CHECK(missing > 0); /* not always the same six */
    CHECK(itd_train_indices(p.trainer, 6, index) == ITD_ERROR_ARGUMENT);
    CHECK(itd_train_indices(p.trainer, 0, index) == ITD_ERROR_ARGUMENT);
    CHECK_OK(itd_train_indices(p.trainer, 7, index)); /* a batch is enough */
    CHECK(distinct(index, 7, 7));
    x = mixture(7), i = (size_t)p.trainer->step;
    CHECK_OK(itd_train_epoch(p.trainer, x, 7, NULL));
    CHECK(p.trainer->step == i + 1 && itd_train_epoch(p.trainer, x, 6, NULL) == ITD_ERROR_ARGUMENT);
    free(x);
    CHECK(itd_train_steps(&td, 20, 10) == 20);
    td.drop_incomplete = false;
    CHECK(itd_train_steps(&td, 20, 10) == 28); /* 200 / 7 */
    CHECK(itd_train_steps(&td, 21, 10) == 30);
    td.batch = 0;
    CHECK(itd_train_steps(&td, 21, 10) == 0);
    free(all), pair_free(&p);
}

/* The order is a function of seed and step alone: a trainer that starts at step 5 continues the same
 * sequence, and one that looked at other numbers of rows in between is not disturbed. */
static void order_depends_only_on_seed_and_step(void)
{
    itd_model_desc md = small_model();
    itd_trainer_desc td = small_trainer(7), other = td;
    pair a, b, c;
    size_t *first, index[7], elsewhere[7];
    ref_seed(10);
    other.seed = 2;
    a = pair_make(&md, 1, &td), b = pair_make(&md, 9, &td), c = pair_make(&md, 1, &other);
    first = collect_indices(a.trainer, 20, 6);
    b.trainer->step = 5;
    CHECK_OK(itd_train_indices(b.trainer, 31, elsewhere));
    CHECK_OK(itd_train_indices(b.trainer, 20, index));
    CHECK(memcmp(index, first + 35, sizeof index) == 0);
    CHECK_OK(itd_train_indices(c.trainer, 20, index));
    CHECK(memcmp(index, first, sizeof index) != 0);
    free(first), pair_free(&a), pair_free(&b), pair_free(&c);
}

/* An epoch is the steps up to the next multiple of a pass; its loss is their mean. Twins, one stepping by
 * hand. */
static void epoch_is_its_steps(void)
{
    static const uint64_t ends[4] = {2, 5, 8, 11}; /* floor(20 k / 7) */
    itd_model_desc md = small_model();
    itd_trainer_desc td = small_trainer(7);
    pair a, b;
    float *x, batch[14];
    size_t k, i, index[7];
    ref_seed(11);
    x = mixture(20);
    a = pair_make(&md, 1, &td), b = pair_make(&md, 1, &td);
    for (k = 0; k < 4; k++) {
        double loss = NAN, one = NAN, sum = 0, steps = 0;
        CHECK_OK(itd_train_epoch(a.trainer, x, 20, &loss));
        CHECK(a.trainer->step == ends[k]);
        for (; b.trainer->step < ends[k]; steps++) {
            CHECK_OK(itd_train_indices(b.trainer, 20, index));
            for (i = 0; i < 7; i++) memcpy(batch + 2 * i, x + 2 * index[i], 2 * sizeof *x);
            CHECK_OK(itd_train_step(b.trainer, batch, &one));
            sum += one;
        }
        CHECK_CLOSE(loss, sum / steps, 1e-12 * fabs(loss));
    }
    i = itd_net_parameters(a.model->net);
    CHECK(memcmp(itd_net_weights(a.model->net), itd_net_weights(b.model->net), i * sizeof(float)) == 0);
    CHECK(itd_train_epoch(a.trainer, x, 0, NULL) == ITD_ERROR_ARGUMENT);
    pair_free(&a), pair_free(&b), free(x);
}

/* Fewer rows than a batch: an epoch still takes a step, and rows repeat. */
static void epoch_of_few_rows(void)
{
    itd_model_desc md = small_model();
    itd_trainer_desc td = small_trainer(64);
    pair p;
    float *x;
    double loss = NAN;
    ref_seed(12);
    x = mixture(10);
    p = pair_make(&md, 1, &td);
    CHECK_OK(itd_train_epoch(p.trainer, x, 10, &loss));
    CHECK(p.trainer->step == 1 && isfinite(loss));
    pair_free(&p);
    td.drop_incomplete = true;
    p = pair_make(&md, 1, &td);
    CHECK(itd_train_epoch(p.trainer, x, 10, &loss) == ITD_ERROR_ARGUMENT);
    pair_free(&p), free(x);
}

/* ---- reproducibility ---- */

/* Weights after two epochs, for seeds of model and trainer. */
static float *weights_after(uint64_t model_seed, uint64_t trainer_seed, bool stratified, size_t *n)
{
    itd_model_desc md = small_model();
    itd_trainer_desc td = small_trainer(32);
    pair p;
    float *x, *w;
    ref_seed(13);
    x = mixture(100);
    td.seed = trainer_seed, td.stratified = stratified;
    p = pair_make(&md, model_seed, &td);
    CHECK_OK(itd_model_fit(p.model, x, 100));
    CHECK_OK(itd_train_epoch(p.trainer, x, 100, NULL));
    CHECK_OK(itd_train_epoch(p.trainer, x, 100, NULL));
    *n = itd_net_parameters(p.model->net);
    w = ref_copy(itd_net_weights(p.model->net), *n);
    pair_free(&p), free(x);
    return w;
}

static void same_seed_same_weights(void)
{
    size_t n;
    float *a = weights_after(1, 1, true, &n), *again = weights_after(1, 1, true, &n);
    float *model = weights_after(2, 1, true, &n), *trainer = weights_after(1, 2, true, &n);
    float *independent = weights_after(1, 1, false, &n);
    CHECK(memcmp(a, again, n * sizeof *a) == 0);
    CHECK(memcmp(a, model, n * sizeof *a) != 0);
    CHECK(memcmp(a, trainer, n * sizeof *a) != 0);
    CHECK(memcmp(a, independent, n * sizeof *a) != 0);
    free(a), free(again), free(model), free(trainer), free(independent);
}

/* ---- failures ---- */

typedef struct snapshot {
    size_t n;
    uint64_t step;
    float *w, *m, *v, *ema;
} snapshot;

static snapshot snapshot_take(const pair *p)
{
    const itd_net *net = p->model->net;
    snapshot s;
    s.n = net->parameters, s.step = p->trainer->step;
    s.w = ref_copy(net->w, s.n), s.m = ref_copy(net->m, s.n), s.v = ref_copy(net->v, s.n);
    s.ema = ref_copy(net->ema, s.n);
    return s;
}

/* Frees; true if nothing has changed since. */
static bool snapshot_release(snapshot *s, const pair *p)
{
    const itd_net *net = p->model->net;
    size_t bytes = s->n * sizeof(float);
    bool same = s->step == p->trainer->step && !memcmp(s->w, net->w, bytes) && !memcmp(s->m, net->m, bytes) &&
                !memcmp(s->v, net->v, bytes) && !memcmp(s->ema, net->ema, bytes);
    free(s->w), free(s->m), free(s->v), free(s->ema);
    return same;
}

/* One bad number among good ones, for every parameterization and activation: ReLU turns NaN into zero, so it
 * has to be noticed elsewhere. */
static void bad_data_end_the_step(void)
{
    const float bad[3] = {NAN, INFINITY, -INFINITY};
    size_t c, k;
    ref_seed(14);
    for (c = 0; c < 8; c++)
        for (k = 0; k < 3; k++) {
            itd_model_desc md = small_model();
            itd_trainer_desc td = small_trainer(16);
            float *x = mixture(16);
            double loss = 77;
            snapshot s;
            pair p;
            md.parameterization = c & 1 ? ITD_PLAIN : ITD_GAUSSIAN;
            md.mlp.activation = c & 2 ? ITD_RELU : ITD_SILU;
            if (c & 4) md.mlp.embedding = 0;
            p = pair_make(&md, 1, &td);
            CHECK_OK(itd_train_step(p.trainer, x, NULL));
            s = snapshot_take(&p);
            x[7] = bad[k];
            CHECK(itd_train_step(p.trainer, x, &loss) == ITD_ERROR_NUMERIC);
            CHECK_CLOSE(loss, 77, 0);
            CHECK(snapshot_release(&s, &p));
            CHECK(itd_train_epoch(p.trainer, x, 16, &loss) == ITD_ERROR_NUMERIC);
            CHECK_CLOSE(loss, 77, 0);
            x[7] = 0;
            CHECK_OK(itd_train_step(p.trainer, x, &loss)); /* and the trainer goes on */
            CHECK(isfinite(loss));
            pair_free(&p), free(x);
        }
}

/* Steps until the loss is no longer finite; the failing step changes nothing, and no step that succeeded left
 * anything behind that is not finite. */
static void diverge(double learning_rate, double clip_norm)
{
    itd_model_desc md = small_model();
    itd_trainer_desc td = small_trainer(16);
    itd_result result = ITD_OK;
    size_t k;
    float *x = mixture(16);
    double loss = NAN;
    bool finite = true;
    pair p;
    td.learning_rate = learning_rate, td.clip_norm = clip_norm;
    md.mlp.activation = ITD_RELU, md.mlp.zero_output = false;
    p = pair_make(&md, 1, &td);
    for (k = 0; k < 300 && result == ITD_OK; k++) {
        const itd_net *net = p.model->net;
        snapshot s = snapshot_take(&p);
        result = itd_train_step(p.trainer, x, &loss);
        if (result == ITD_OK) {
            CHECK(isfinite(loss) && isfinite(p.trainer->gradient_norm));
            if (finite)
                finite = itd__all_finite(net->w, net->parameters) &&
                         itd__all_finite(net->m, net->parameters) &&
                         itd__all_finite(net->v, net->parameters) &&
                         itd__all_finite(net->ema, net->parameters);
            snapshot_release(&s, &p);
        } else {
            CHECK(snapshot_release(&s, &p));
        }
    }
    if (!CHECK(result == ITD_ERROR_NUMERIC) || !CHECK(finite))
        printf("  learning rate %g, clip %g: after %lu steps %s\n", learning_rate, clip_norm,
               (unsigned long)k, itd_result_string(result));
    pair_free(&p), free(x);
}

static void huge_learning_rates_end_the_training(void)
{
    ref_seed(15);
    diverge(1e20, 0);
    diverge(1e20, 1);
    diverge(1e30, 0);
}

/* A gradient that is finite but whose square is not must not stop the training for good: v would stay
 * infinite and the step zero for ever. Either the step is refused or v stays finite. */
static void large_gradients_do_not_break_the_second_moment(void)
{
    itd_model_desc md = small_model();
    itd_trainer_desc td = small_trainer(16);
    itd_result result;
    float *x;
    pair p;
    size_t i;
    ref_seed(16);
    x = mixture(16);
    for (i = 0; i < 32; i++) x[i] *= 1e12f;
    md.mlp.embedding = 0, md.mlp.activation = ITD_RELU, md.mlp.zero_output = false;
    p = pair_make(&md, 1, &td);
    result = itd_train_step(p.trainer, x, NULL);
    CHECK(result == ITD_ERROR_NUMERIC || itd__all_finite(p.model->net->v, p.model->net->parameters));
    pair_free(&p), free(x);
}

/* ---- memory ---- */

static void steps_and_predictions_allocate_nothing_after_the_first(void)
{
    enum { N = 40 };
    itd_model_desc md = small_model();
    itd_trainer_desc td = small_trainer(16);
    float *x, *eps_hat = ref_floats(4000), *z, *logsnr;
    size_t before, k;
    itd_denoiser den;
    pair p;
    ref_seed(17);
    x = mixture(N), z = ref_normals(4000, 1), logsnr = ref_normals(2000, 2);
    allocations = 0;
    p = pair_make(&md, 1, &td);
    CHECK(allocations > 0); /* it does count */
    CHECK_OK(itd_train_step(p.trainer, x, NULL));
    before = allocations;
    for (k = 0; k < 5; k++) CHECK_OK(itd_train_step(p.trainer, x, NULL));
    CHECK(allocations == before);
    CHECK_OK(itd_train_epoch(p.trainer, x, N, NULL));
    before = allocations;
    for (k = 0; k < 5; k++) CHECK_OK(itd_train_epoch(p.trainer, x, N, NULL));
    CHECK(allocations == before);
    den = itd_model_denoiser(p.model);
    CHECK_OK(den.predict(den.ctx, z, logsnr, 2000, eps_hat));
    before = allocations;
    for (k = 1; k <= 2000; k += 333) CHECK_OK(den.predict(den.ctx, z, logsnr, k, eps_hat));
    CHECK_OK(den.predict(den.ctx, z, logsnr, 2000, eps_hat));
    CHECK_OK(itd_score(&den, z, logsnr, 2000, eps_hat));
    CHECK(allocations == before);
    CHECK_OK(itd_train_step(p.trainer, x, NULL)); /* the larger batch has not cost the trainer its memory */
    before = allocations;
    for (k = 0; k < 5; k++) CHECK_OK(itd_train_step(p.trainer, x, NULL));
    CHECK(allocations == before);
    pair_free(&p), free(x), free(z), free(logsnr), free(eps_hat);
}

/* How many rows are asked for at once does not change any of them. */
static void predictions_do_not_depend_on_the_batch(void)
{
    enum { N = 1500 };
    itd_model_desc md = small_model();
    itd_model *model = NULL;
    itd_denoiser den;
    float *z, *logsnr, *together = ref_floats(2 * N), *alone = ref_floats(2 * N);
    size_t i;
    ref_seed(18);
    z = ref_normals(2 * N, 1), logsnr = ref_normals(N, 3);
    md.mlp.zero_output = false;
    CHECK_OK(itd_model_create(&md, 1, &model));
    den = itd_model_denoiser(model);
    CHECK_OK(den.predict(den.ctx, z, logsnr, N, together));
    for (i = 0; i < N; i += 5) CHECK_OK(den.predict(den.ctx, z + 2 * i, logsnr + i, 5, alone + 2 * i));
    for (i = 0; i < 2 * N; i++) CHECK_CLOSE(alone[i], together[i], 1e-5);
    itd_model_free(model);
    free(z), free(logsnr), free(together), free(alone);
}

/* ---- several workers, played one after the other ---- */

enum { MOST_WORKERS = 9 };

typedef struct joint { /* what the workers have found so far in this step, and how they are asked */
    float *gradient, loss[2];
    bool listening;
} joint;

/* First every worker's share is heard, its step breaking off at the last sum; then each gets the whole. */
static itd_result joint_sum(void *ctx, float *x, size_t n)
{
    joint *j = (joint *)ctx;
    float *sum = n == 2 ? j->loss : j->gradient;
    size_t i;
    if (!j->listening) memcpy(x, sum, n * sizeof *x);
    for (i = 0; j->listening && i < n; i++) sum[i] += x[i];
    return j->listening && n == 2 ? ITD_ERROR_MEMORY : ITD_OK;
}

/* Shares of all sizes, none at all included: one process with the joint batch does the same to rounding, and
 * all workers do the same to the bit. */
static void workers_share_the_batch(void)
{
    enum { STEPS = 6, BATCH = 7 };
    size_t count, w, k, i, n;
    for (count = 1; count <= MOST_WORKERS; count += 2) {
        itd_model_desc md = small_model();
        itd_trainer_desc td = itd_trainer_desc_default();
        pair alone, p[MOST_WORKERS];
        joint j;
        float *x;
        ref_seed(19);
        x = ref_normals(2 * BATCH, 1);
        td.batch = BATCH, td.micro_batch = 2, td.learning_rate = 0.01;
        alone = pair_make(&md, 3, &td);
        n = alone.model->net->parameters;
        j.gradient = ref_floats(n);
        for (w = 0; w < count; w++) {
            p[w] = pair_make(&md, 3, &td);
            p[w].trainer->workers.rank = w, p[w].trainer->workers.world_size = count;
            p[w].trainer->workers.all_reduce = joint_sum, p[w].trainer->workers.ctx = &j;
        }
        for (k = 0; k < STEPS; k++) {
            double expected = 0, loss = 0;
            CHECK_OK(itd_train_step(alone.trainer, x, &expected));
            memset(j.gradient, 0, n * sizeof *j.gradient), memset(j.loss, 0, sizeof j.loss);
            j.listening = true;
            for (w = 0; count > 1 && w < count; w++)
                CHECK(itd_train_step(p[w].trainer, x, NULL) == ITD_ERROR_MEMORY && p[w].trainer->step == k);
            j.listening = false;
            for (w = 0; w < count; w++) {
                CHECK_OK(itd_train_step(p[w].trainer, x, &loss));
                CHECK_CLOSE(loss, expected, 1e-6);
                CHECK_CLOSE(p[w].trainer->gradient_norm, alone.trainer->gradient_norm, 1e-5);
                CHECK(!memcmp(p[w].model->net->w, p[0].model->net->w, n * sizeof(float)));
            }
        }
        for (i = 0; i < n; i++) CHECK_CLOSE(p[0].model->net->w[i], alone.model->net->w[i], 1e-4);
        for (w = 0; w < count; w++) pair_free(&p[w]);
        pair_free(&alone);
        free(j.gradient), free(x);
    }
}

static void all_tests(void)
{
#if SIZE_MAX == UINT32_MAX
    RUN(networks_beyond_all_memory);
#endif
    RUN(loss_and_gradient_are_those_of_the_formula);
    RUN(adam_takes_the_steps_of_the_formula);
    RUN(adam_with_clipping_decay_and_average);
    RUN(adam_with_other_memories);
    RUN(denoiser_uses_the_average);
    RUN(training_lowers_the_loss);
    RUN(epoch_is_its_steps);
    RUN(same_seed_same_weights);
    RUN(bad_data_end_the_step);
    RUN(huge_learning_rates_end_the_training);
    RUN(large_gradients_do_not_break_the_second_moment);
    RUN(steps_and_predictions_allocate_nothing_after_the_first);
    RUN(predictions_do_not_depend_on_the_batch);
    RUN(workers_share_the_batch);
}

int main(void)
{
    RUN(trainer_descriptions_out_of_range_are_refused);
    RUN(a_problem_says_the_range);
    RUN(model_descriptions_out_of_range_are_refused);
    RUN(descriptions_at_their_limits_are_taken);
    RUN(batches_beyond_all_memory);
    RUN(products_that_do_not_fit_are_noticed);
    RUN(defaults_are_the_documented_ones);
    RUN(model_fit_takes_mean_and_deviation);
    RUN(model_fit_can_leave_the_data_alone);
    RUN(model_fit_refuses_what_it_cannot_fit);
    RUN(model_fit_refuses_to_divide_by_next_to_nothing);
    RUN(model_fit_refuses_a_single_value);
    RUN(learning_rate_follows_the_schedule);
    RUN(trainer_reports_the_learning_rate_it_used);
    RUN(every_pass_visits_every_row_once);
    RUN(incomplete_batches_can_be_dropped);
    RUN(order_depends_only_on_seed_and_step);
    RUN(epoch_of_few_rows);
    each_simd(all_tests);
    return test_report();
}
