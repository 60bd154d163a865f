/* playground.c: the C half of docs/playground/index.html, a page that shows how a density is learned.
 *   make playground        compiles it to WebAssembly and puts that into the page (clang, lld, wasi-libc)
 *   make build/playground  for this machine: prints numbers, which tests/playground.sh compares with those
 *                          of the WebAssembly
 * There is one training at a time: play_data, play_begin, then play_train any number of times, and between
 * these calls the functions that measure. Results of more than one number are in play_numbers. */
#define ITDIFF_NO_STDIO
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "support/blur.h"
#include "support/datasets.h"
#include "support/kde.h"
#include "support/watch.h"

#include <time.h>

#ifdef __wasm__
#define EXPORT(name) __attribute__((export_name(#name))) name
#else
#define EXPORT(name) name
#endif

enum { OWN = -1, SET_POINTS = 8000, HELD_MIN = 30, BATCH = 128, CURVE_BINS = 32, NUMBERS = 1 << 16 };
enum { FALLS_AFTER = 500, STREAM_PAGE = 0x70616765 }; /* steps; "page", a stream of random numbers */

static struct {
    dataset set; /* where the points come from; no distribution: they are the page's own */
    float *x;    /* (n,2) in random order: the first `taught` rows are for training, the others held out */
    size_t n, taught, used; /* used: of the rows for training, the first ones */
    bool fresh;             /* every step has new points of the set instead */
    double floor; /* mean -log p of the held rows: the true one, or that of a kernel density estimate */
    itd_model *model;
    itd_trainer *trainer;
    double learning_rate; /* of the first step */
    double numbers[NUMBERS];
} play;

const char *EXPORT(play_version)(void) { return ITDIFF_VERSION; }

double *EXPORT(play_numbers)(void) { return play.numbers; }

/* The present points; with n > 0, memory for so many of the page's own. */
float *EXPORT(play_points)(size_t n)
{
    if (n == 0) return play.x;
    free(play.x);
    play.x = (float *)must_alloc(n, 2 * sizeof *play.x), play.n = n;
    return play.x;
}

/* ---- data ---- */

static void draw_set(int set, uint32_t seed)
{
    static const char *const names[] = {"dino", "moons", "scg", "line", "circle"};
    char error[200];
    if (dataset_open(names[set], seed, &play.set, error, sizeof error)) fail("%s", error);
    dataset_sample(&play.set, 0, SET_POINTS, play_points(SET_POINTS));
}

/* In random order, so that the last rows are a fair sample of all: a tenth of them, but more of few. */
static void hold_some_out(uint32_t seed)
{
    size_t few = play.n / 4 < HELD_MIN ? play.n / 4 : HELD_MIN, held = play.n / 10 > few ? play.n / 10 : few;
    size_t *order = (size_t *)must_alloc(play.n, sizeof *order);
    float *x = (float *)must_alloc(play.n, 2 * sizeof *x);
    dataset_split(play.n, seed, order);
    dataset_gather(play.x, 2, play.n, order, x);
    free(order), free(play.x);
    play.x = x, play.taught = play.n - held;
}

/* Mean -log p of the held rows by a kernel density estimate of those that the network is trained on. */
static double kernel_estimate(uint32_t seed)
{
    size_t held = play.n - play.taught;
    double *x = (double *)must_alloc(play.n, 2 * sizeof *x), *nll = (double *)must_alloc(held, sizeof *nll);
    double mean = 0;
    kde k;
    for (size_t i = 0; i < 2 * play.n; i++) x[i] = (double)play.x[i];
    if (kde_fit_standardized(&k, x, NULL, play.used, 2, seed) ||
        kde_nll(&k, x + 2 * play.taught, held, nll))
        fail("out of memory for a kernel density estimate");
    for (size_t i = 0; i < held; i++) mean += nll[i] / (double)held;
    kde_free(&k), free(x), free(nll);
    return mean;
}

/* One of the five sets, or OWN: what the page has put into play_points. Returns how many rows are for
   training. */
size_t EXPORT(play_data)(int set, uint32_t seed)
{
    play.set.distribution = NULL;
    if (set != OWN) draw_set(set, seed);
    hold_some_out(seed);
    if (set != OWN)
        play.floor = dataset_mean_true_nll(&play.set, play.n - play.taught, play.x + 2 * play.taught, NULL);
    return play.taught;
}

/* ---- training ---- */

void EXPORT(play_end)(void)
{
    itd_trainer_free(play.trainer), itd_model_free(play.model);
    play.trainer = NULL, play.model = NULL;
}

/* What may change while it trains. The learning rate is that of the first step: it falls in play_train. */
void EXPORT(play_tune)(double learning_rate, double loc, double scale, double clip)
{
    const itd_schedule schedule = {loc, scale, clip};
    play.learning_rate = learning_rate;
    play.model->desc.schedule = schedule;
}

/* An untrained network. waves: points enter as waves in random directions, or else, as in the original, as
   sinusoids of each coordinate. finest: the highest frequency of the waves. limit: of the rows for training;
   0: all of them, and if they are of a set, new points in every step. */
void EXPORT(play_begin)(uint32_t seed, size_t width, int plain, int waves, double finest, size_t limit)
{
    itd_model_desc m = itd_model_desc_default(2);
    itd_trainer_desc t = itd_trainer_desc_default();
    play_end();
    play.used = limit && limit < play.taught ? limit : play.taught;
    play.fresh = limit == 0 && play.set.distribution;
    if (!play.set.distribution) play.floor = kernel_estimate(seed);
    m.mlp.hidden = width, m.mlp.layers = 4;
    m.parameterization = plain ? ITD_PLAIN : ITD_GAUSSIAN, m.mlp.zero_output = !plain;
    if (!waves) m.mlp.directions = 0;
    else m.mlp.directions = 64, m.mlp.embedding = 32, m.mlp.logsnr_scale = 3, m.mlp.frequency_max = finest;
    t.batch = BATCH, t.seed = seed, t.weight_limit = 3;
    play.model = must_create(&m, &t, seed);
    must(itd_model_fit(play.model, play.x, play.used), "normalizing the data");
    must(itd_trainer_create(play.model, &t, &play.trainer), "preparing the training");
}

static void next_batch(float *rows)
{
    size_t index[BATCH];
    if (play.fresh) dataset_sample(&play.set, 1 + play.trainer->step, BATCH, rows);
    else {
        must(itd_train_indices(play.trainer, play.used, index), "choosing rows");
        dataset_gather(play.x, 2, BATCH, index, rows);
    }
}

/* The mean loss of so many steps; NaN: the training has diverged. The learning rate falls with the root of
   the step, since the length of the training is not known beforehand. */
double EXPORT(play_train)(size_t steps)
{
    float rows[2 * BATCH];
    double sum = 0, loss;
    for (size_t k = 0; k < steps; k++) {
        play.trainer->desc.learning_rate = play.learning_rate /
                                           sqrt(1 + (double)play.trainer->step / FALLS_AFTER);
        next_batch(rows);
        if (itd_train_step(play.trainer, rows, &loss) != ITD_OK) return NAN;
        sum += loss;
    }
    return sum / (double)steps;
}

/* ---- what the page shows ---- */

/* Of the held rows: -log p, its two standard errors, the floor, the Gaussian's -log p; in CURVE_BINS parts of
   the schedule, the log SNRs, the model's errors, and the mean errors of the Gaussian's best denoiser. */
void EXPORT(play_held)(size_t draws, uint32_t seed)
{
    itd_denoiser den = itd_model_denoiser(play.model);
    itd_nll_desc d = itd_model_nll_desc(play.model);
    size_t n = play.n - play.taught;
    const float *x = play.x + 2 * play.taught;
    double *out = play.numbers, *curve = out + 5;
    itd_draws *all;
    itd_nll_result result;
    d.draws = draws, d.seed = seed;
    must(itd_measure(&den, 1, x, n, &d, &all), "measuring the error");
    must(itd_draws_nll(all, 0, &result, NULL, NULL), "estimating the likelihood");
    must(itd_draws_curve(all, 0, CURVE_BINS, curve, curve + CURVE_BINS, NULL, curve + 2 * CURVE_BINS),
         "averaging errors");
    out[0] = result.nll, out[1] = result.std_error, out[2] = result.std_error_data, out[3] = play.floor;
    out[4] = 0;
    for (size_t i = 0; i < n; i++) out[4] += itd_gaussian_nll(play.model->gaussian, x + 2 * i) / (double)n;
    itd_draws_free(all);
}

/* Replaces `count` places in play_numbers, which are pairs, by log p there. They are cells of a grid, of the
   given area: the density is blurred by 0.4 of their width, as spots smaller than a cell would be shown or
   missed by chance. All places get the same draws. */
void EXPORT(play_density)(size_t count, double area, size_t draws, uint32_t seed)
{
    itd_nll_desc d = itd_model_nll_desc(play.model);
    float *x = (float *)must_alloc(count, 2 * sizeof *x);
    for (size_t i = 0; i < 2 * count; i++) x[i] = (float)play.numbers[i];
    d.draws = draws, d.seed = seed, d.allocate = false; /* the pilot would differ from piece to piece */
    blurred_nll(play.model, 0.4 * sqrt(area * exp(-play.model->log_det)), &d, x, count, play.numbers);
    for (size_t i = 0; i < count; i++) play.numbers[i] = -play.numbers[i];
    free(x);
}

/* -log p of one point and its standard error. */
void EXPORT(play_point)(double x, double y, size_t draws, uint32_t seed)
{
    const float point[2] = {(float)x, (float)y};
    itd_denoiser den = itd_model_denoiser(play.model);
    itd_nll_desc d = itd_model_nll_desc(play.model);
    itd_nll_result result;
    d.draws = draws, d.seed = seed;
    must(itd_nll(&den, point, 1, &d, &result, play.numbers, play.numbers + 1), "estimating the likelihood");
}

/* One point sent through the channel n times, at most BATCH: n noisy points z and n estimates of the point,
   in the units of the data, and n squared errors of the noise. The noise depends on the seed alone. */
void EXPORT(play_channel)(double x, double y, double logsnr, size_t n, uint32_t seed)
{
    float point[2 * BATCH] = {0}, eps[2 * BATCH], z[2 * BATCH] = {0}, eps_hat[2 * BATCH], a[BATCH];
    double root = sqrt(itd_sigmoid(logsnr)), sigma = sqrt(itd_sigmoid(-logsnr)), *out = play.numbers;
    itd_denoiser den = itd_model_denoiser(play.model);
    itd_rng rng = itd_rng_make(seed, STREAM_PAGE);
    for (size_t i = 0; i < n; i++) z[2 * i] = (float)x, z[2 * i + 1] = (float)y, a[i] = (float)logsnr;
    itd_to_coordinates(&den, z, n, point);
    itd_rng_normal_fill(&rng, 2 * n, eps);
    itd_channel(point, eps, a, n, 2, z);
    must(den.predict(den.ctx, z, a, n, eps_hat), "denoising");
    for (size_t i = 0; i < n; i++) {
        double first = eps[2 * i] - eps_hat[2 * i], second = eps[2 * i + 1] - eps_hat[2 * i + 1];
        out[4 * n + i] = first * first + second * second;
    }
    for (size_t i = 0; i < 2 * n; i++) point[i] = (float)((z[i] - sigma * eps_hat[i]) / root);
    itd_from_coordinates(&den, z, n, eps), itd_from_coordinates(&den, point, n, eps_hat);
    for (size_t i = 0; i < 2 * n; i++) out[i] = eps[i], out[2 * n + i] = eps_hat[i];
}

/* The path of the deterministic sampler: for `frames` of its steps the log SNR and n points, in the units of
   the data; then the last log SNR and the n samples. */
void EXPORT(play_flow)(size_t n, size_t steps, size_t frames, uint32_t seed)
{
    itd_sample_desc d = itd_model_sample_desc(play.model);
    float *samples = (float *)must_alloc(n, 2 * sizeof *samples);
    double *out = play.numbers;
    itd_denoiser den;
    watched w;
    d.steps = steps, d.seed = seed;
    den = watched_denoiser(&w, itd_model_denoiser(play.model), n, d.batch, steps, frames);
    must(itd_sample(&den, &d, n, samples), "sampling");
    for (size_t k = 0; k <= w.frames; k++) {
        const float *z = k < w.frames ? w.z + 2 * n * k : samples;
        *out++ = k < w.frames ? (double)w.logsnr[k] : itd_schedule_quantile(&d.schedule, 1);
        for (size_t i = 0; i < 2 * n; i++) *out++ = z[i];
    }
    watched_free(&w), free(samples);
}

/* ---- for comparison ---- */

#ifndef __wasm__
static void print_numbers(const char *name, size_t count)
{
    for (size_t i = 0; i < count; i++) printf("%s %.9g\n", name, play.numbers[i]);
}

/* A hundred steps, and one of everything that the page shows. */
static void print_all(void)
{
    printf("taught %lu\n", (unsigned long)play_data(1, 7));
    play_begin(7, 64, 0, 1, 10, 200), play_tune(3e-3, 2, 3, 3);
    printf("loss %.9g\n", play_train(10));
    play_begin(7, 64, 0, 1, 10, 0), play_tune(3e-3, 2, 3, 3);
    for (int k = 0; k < 10; k++) printf("loss %.9g\n", play_train(10));
    play_held(20, 1), print_numbers("held", 5 + 3 * CURVE_BINS);
    play_point(0.5, 0.5, 256, 1), print_numbers("point", 2);
    for (int i = 0; i < 64; i++) play.numbers[2 * i] = i % 8 - 3.5, play.numbers[2 * i + 1] = i / 8 - 3.5;
    play_density(64, 1, 8, 1), print_numbers("density", 64);
    play_channel(0.5, 0.5, 1, 8, 1), print_numbers("channel", 40);
    play_flow(8, 20, 4, 1), print_numbers("flow", 85);
}

/* Steps per second of processor time, of the network with which the page starts. */
static void print_speed(void)
{
    clock_t begin;
    play_data(1, 7), play_begin(7, 64, 0, 1, 10, 0), play_tune(3e-3, 2, 3, 3);
    play_train(100);
    begin = clock();
    play_train(1000);
    printf("%.0f\n", 1000 * (double)CLOCKS_PER_SEC / (double)(clock() - begin));
}

int main(int argc, char **argv)
{
    must_program = "playground";
    if (!itd_simd_use(ITD_SIMD_BASE)) itd_simd_use(ITD_SIMD_PLAIN);
    if (argc == 2 && !strcmp(argv[1], "speed")) print_speed();
    else print_all();
    play_end(), free(play.x);
    return 0;
}
#endif
