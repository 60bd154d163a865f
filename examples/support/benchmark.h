/* benchmark.h: what the examples compare their estimates with. A benchmark is a denoiser, points from the
 * distribution that it belongs to, and the mean of -log p over these points where the distribution is known.
 *
 *     benchmark b;
 *     benchmark_exact(BENCHMARK_SPOTS, 100, 1, &b);       the best denoiser of a known distribution
 *     itd_nll(&b.den, b.x, b.n, ...);                     to be compared with b.exact
 *     benchmark_free(&b);
 *
 *     benchmark_source s = {.load = "runs/moons/model.safetensors", .dataset = "moons", .n = 100};
 *     benchmark_checkpoint(&s, &b);                       a trained network, on new points
 *
 * Include args.h, if the program takes the options of benchmark_source, and the implementation of itdiff.h
 * before this file. */
#ifndef BENCHMARK_H
#define BENCHMARK_H

#include "../../itdiff.h"
#include "cifar10.h"
#include "datasets.h"
#include "rows.h"
#include "mixture.h"
#include "must.h"
#include "weights.h"

enum { BENCHMARK_PARTS = dino_count, BENCHMARK_WIDE = 16 };

typedef enum benchmark_kind {
    BENCHMARK_GAUSSIAN,
    BENCHMARK_SPOTS,
    BENCHMARK_CLOUDS,
    BENCHMARK_DOTS,
    BENCHMARK_COUNT
} benchmark_kind;

/* Borrows from itself: leave it where it was made. */
typedef struct benchmark {
    const char *name;
    itd_denoiser den;
    itd_schedule schedule;         /* whose ends bound the log SNRs to integrate over */
    const itd_gaussian *reference; /* of the points, in their units; NULL: N(0, I) will do */
    itd_gaussian *mapped;          /* the reference in the denoiser's coordinates, or NULL */
    size_t n;
    float *x;     /* (n, den.dim) */
    double exact; /* mean of -log p over the points, nats; NaN where it is not known */
    mixture distribution;
    itd_gaussian part[BENCHMARK_PARTS], *gaussian;
    double weight[BENCHMARK_PARTS], mean[BENCHMARK_PARTS][BENCHMARK_WIDE],
        variance[BENCHMARK_PARTS][BENCHMARK_WIDE];
    itd_model *model;
} benchmark;

/* ---- known distributions ---- */

static inline void benchmark_add_part(benchmark *c, size_t dim, double weight)
{
    size_t k = c->distribution.components++;
    c->weight[k] = weight;
    c->part[k] = (itd_gaussian){dim, c->mean[k], c->variance[k], NULL, NULL};
}

/* One Gaussian whose coordinates have variances 2 and 0.5 and correlation 0.8. */
static inline void benchmark_gaussian(benchmark *c)
{
    static const double mean[] = {1, -1}, covariance[] = {2, 0.8, 0.8, 0.5};
    c->name = "Gaussian, 2 dimensions";
    must(itd_gaussian_create(mean, covariance, 2, &c->gaussian), "making a Gaussian");
    c->weight[0] = 1, c->part[0] = *c->gaussian, c->distribution.components = 1;
}

/* Three separate spots, one of them oblong. */
static inline void benchmark_spots(benchmark *c)
{
    static const double mean[3][2] = {{-1.5, 0}, {1, 1}, {1, -1}}, weight[] = {0.5, 0.3, 0.2};
    c->name = "3 spots, 2 dimensions";
    for (size_t k = 0; k < 3; k++) {
        benchmark_add_part(c, 2, weight[k]);
        c->mean[k][0] = mean[k][0], c->mean[k][1] = mean[k][1];
        c->variance[k][0] = 0.05, c->variance[k][1] = k ? 0.05 : 0.5;
    }
}

/* Four round clouds at random places. */
static inline void benchmark_clouds(benchmark *c)
{
    static const double weight[] = {0.4, 0.3, 0.2, 0.1};
    itd_rng rng = itd_rng_make(1, 0);
    c->name = "4 clouds, 16 dimensions";
    for (size_t k = 0; k < 4; k++) {
        benchmark_add_part(c, BENCHMARK_WIDE, weight[k]);
        for (int j = 0; j < BENCHMARK_WIDE; j++) {
            c->mean[k][j] = 0.5 * itd_rng_normal(&rng);
            c->variance[k][j] = 0.25;
        }
    }
}

/* The dots of the dino, in the unit in which train_2d learns them: 142 of a width of a hundredth, so that all
 * happens at high log SNR. */
static inline void benchmark_dots(benchmark *c)
{
    static const double raw_unit[] = {54.0 / 4, 48.0 / 4};
    char error[256];
    dataset set;
    if (dataset_open("dino", 0, &set, error, sizeof error)) fail("%s", error);
    c->name = "142 dots of the dino";
    c->schedule = (itd_schedule){.loc = 6.5, .scale = 1.5, .clip = 6.8}; /* log SNR from -3.7 to 16.7 */
    for (size_t k = 0; k < dino_count; k++) {
        benchmark_add_part(c, 2, 1.0 / dino_count);
        for (int j = 0; j < 2; j++) {
            double unit = raw_unit[j] * set.std[j];
            c->mean[k][j] = (dino_point(k)[j] / raw_unit[j] - 4 - set.mean[j]) / set.std[j];
            c->variance[k][j] = dino_sigma * dino_sigma / (unit * unit);
        }
    }
}

/* The best denoiser of the distribution and n points drawn from it. */
static inline void benchmark_exact(benchmark_kind kind, size_t n, uint64_t seed, benchmark *c)
{
    static void (*const make[BENCHMARK_COUNT])(benchmark * c) = {benchmark_gaussian, benchmark_spots,
                                                                 benchmark_clouds, benchmark_dots};
    itd_rng rng = itd_rng_make(seed, 0x63617365); /* "case" */
    memset(c, 0, sizeof *c);
    c->schedule = (itd_schedule){.loc = 1, .scale = 2.5, .clip = 6}; /* log SNR from -14 to 16 */
    make[kind](c);
    c->distribution.weight = c->weight, c->distribution.part = c->part;
    c->den = mixture_denoiser(&c->distribution);
    c->n = n, c->x = (float *)must_alloc(n, c->den.dim * sizeof *c->x);
    mixture_sample(&c->distribution, &rng, n, c->x);
    for (size_t i = 0; i < n; i++)
        c->exact += mixture_nll(&c->distribution, c->x + i * c->den.dim) / (double)n;
}

/* ---- checkpoints ---- */

typedef struct benchmark_source {
    const char *load;    /* a checkpoint of train_2d or train_cifar10 */
    const char *data;    /* a CSV or .npy file, or the folder of CIFAR-10; NULL: the data set */
    const char *columns; /* of that file, see table_read; NULL: all */
    const char *dataset; /* new points of this distribution, for a model in 2 dimensions */
    size_t n;            /* at most so many points */
    uint64_t seed;       /* the one the model was trained with: it enters the unit of the points */
} benchmark_source;

/* The options that fill it, for a table of args.h; after them, still under "Estimates", the program's own. */
#define BENCHMARK_OPTIONS(source)                                                                            \
    args_group("A trained network instead of known distributions"),                                          \
        args_string("load", &(source).load,                                                                  \
                    "A checkpoint of train_2d, train_cifar10 or, with --data, fit."),                        \
        args_choice("dataset", &(source).dataset, DATASET_NAMES,                                             \
                    "New points from the distribution it learned."),                                         \
        args_default_text(                                                                                   \
            args_string("data", &(source).data,                                                              \
                        "Its points instead: a CSV or .npy file; for images, the folder of CIFAR-10."),      \
            "the data set; data/cifar-10-batches-bin"),                                                      \
        args_default_text(                                                                                   \
            args_string("columns", &(source).columns, "Which of its columns: 1-3,5 or names."), "all"),      \
        args_uint64("seed", &(source).seed, 0, UINT64_MAX, "The seed it was trained with."),                 \
        args_group("Estimates"),                                                                             \
        args_size("points", &(source).n, 1, 1000000,                                                         \
                  "Points of each benchmark, or the first images of the test set.")

static inline void benchmark_dataset(const benchmark_source *s, benchmark *c)
{
    enum { NEW_POINTS = 0x6e6577 }; /* "new": no training draws the points of this number */
    char error[256];
    dataset set;
    if (c->den.dim != 2)
        fail("%s: expects points of %lu numbers; give --data", s->load, (unsigned long)c->den.dim);
    if (dataset_open(s->dataset, s->seed, &set, error, sizeof error)) fail("%s", error);
    c->name = s->dataset, c->n = s->n, c->x = (float *)must_alloc(s->n, 2 * sizeof *c->x);
    dataset_sample(&set, NEW_POINTS, s->n, c->x);
    c->exact = dataset_mean_true_nll(&set, s->n, c->x, NULL);
}

/* The first rows of the user's table, as the model learned it: its columns, less their offsets; columns that
 * were rounded have noise of one step. */
static inline void benchmark_table(const benchmark_source *s, benchmark *c)
{
    char error[TABLE_ERROR];
    data_table t;
    data_frame f = frame_of_model(c->model, s->load);
    const frame_noise noise = {s->seed, 1};
    if (frame_read(&f, s->data, s->columns, true, false, &t, error, sizeof error)) fail("%s", error);
    if (t.rows > s->n) t.rows = s->n;
    c->n = t.rows, c->x = (float *)must_alloc(c->n, c->den.dim * sizeof *c->x);
    if (frame_floats(&f, &t, &noise, c->x, error, sizeof error)) fail("%s", error);
    table_free(&t), frame_free(&f);
    c->name = s->data;
}

/* The first images of the test set. */
static inline void benchmark_images(const benchmark_source *s, benchmark *c)
{
    char error[512];
    cifar10 set;
    if (cifar10_read(s->data ? s->data : "data/cifar-10-batches-bin", "test", &set, error, sizeof error))
        fail("%s", error);
    c->n = s->n < set.n ? s->n : set.n, c->x = (float *)must_alloc(c->n, cifar10_dim * sizeof *c->x);
    for (size_t i = 0; i < c->n; i++) cifar10_floats(set.pixels + i * cifar10_dim, 0, c->x + i * cifar10_dim);
    cifar10_free(&set);
    c->name = "CIFAR-10, test images";
}

static inline void benchmark_checkpoint(const benchmark_source *s, benchmark *c)
{
    memset(c, 0, sizeof *c);
    must_load_model(s->load, &c->model, NULL);
    c->den = itd_model_denoiser(c->model);
    c->schedule = c->model->desc.schedule, c->reference = c->model->gaussian, c->exact = NAN;
    if (c->reference)
        must(itd_gaussian_to_coordinates(&c->den, c->reference, &c->mapped), "mapping the reference");
    if (c->den.dim == cifar10_dim) benchmark_images(s, c);
    else if (s->data) benchmark_table(s, c);
    else benchmark_dataset(s, c);
}

static inline void benchmark_free(benchmark *c)
{
    itd_gaussian_free(c->gaussian), itd_gaussian_free(c->mapped), itd_model_free(c->model), free(c->x);
    memset(c, 0, sizeof *c);
}

/* The lowest log SNR of a case and the highest. */
static inline double benchmark_lowest(const benchmark *c) { return itd_schedule_quantile(&c->schedule, 0); }
static inline double benchmark_highest(const benchmark *c) { return itd_schedule_quantile(&c->schedule, 1); }

/* The mean of -log p over the points by the integral, with its standard error. */
static inline itd_nll_result benchmark_integral(const benchmark *c, size_t draws)
{
    itd_nll_desc desc = itd_nll_desc_default();
    itd_nll_result result;
    desc.schedule = c->schedule, desc.reference = c->reference, desc.draws = draws;
    if (c->den.dim == cifar10_dim) desc.batch = 64; /* memory */
    must(itd_nll(&c->den, c->x, c->n, &desc, &result, NULL, NULL), "estimating the integral");
    return result;
}

#endif
