/* Tests of likelihoods on a grid and of ensembles. The truths: laws on small grids, whose -log P is known and
 * whose posterior mean is a sum; the same laws spread evenly over their cells; Gaussians. */
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "../examples/support/grid.h"
#include "ref.h"
#include "test.h"

/* ---- a law on a grid ---- */

enum { MOST = 36 };

typedef struct law {
    size_t dim, count; /* values per coordinate; the law gives a probability to each of count^dim cells */
    double p[MOST];
    bool spread; /* evenly over the cell, not in its middle */
    double wrong_below,
        wrong_above; /* log SNRs outside of which the denoiser knows nothing: 0 is its guess */
} law;

static double law_value(const law *l, size_t k) { return -1 + 2.0 * (double)k / (double)(l->count - 1); }

static size_t law_cells(const law *l) { return l->dim == 1 ? l->count : l->count * l->count; }

static law law_make(size_t dim, size_t count)
{
    law l = {dim, count, {0}, false, -1e9, 1e9};
    double sum = 0;
    size_t k;
    for (k = 0; k < law_cells(&l); k++) sum += l.p[k] = exp(1.5 * ref_normal());
    for (k = 0; k < law_cells(&l); k++) l.p[k] /= sum;
    return l;
}

/* Of N(y, t^2) within +- half of middle: its mass there, and its mean. Symmetric in y - middle, so that the
 * difference of distribution functions is taken in the tail where they are small. */
static double cell_mass(double y, double t, double middle, double half, double *mean)
{
    double side = y < middle ? 1 : -1, away = side * (middle - y);
    double low = (away - half) / t, high = (away + half) / t, root = sqrt(2.0);
    double mass = 0.5 * (erfc(low / root) - erfc(high / root));
    double density = (exp(-0.5 * low * low) - exp(-0.5 * high * high)) / sqrt(2 * REF_PI);
    *mean = mass > 1e-300 ? y + side * t * density / mass : middle - side * half;
    return mass;
}

/* The posterior mean of x by summation over the cells, in units where nothing overflows. */
static itd_result law_predict(void *ctx, const float *z, const float *logsnr, size_t n, float *eps_hat)
{
    const law *l = (const law *)ctx;
    size_t i, j, k;
    for (i = 0; i < n; i++) {
        double s = itd_sigmoid(logsnr[i]), r = itd_sigmoid(-logsnr[i]), t = sqrt(r / s), weight[2][MOST];
        double mean[2][MOST], sum = 0, x_hat[2] = {0, 0}, half = 1 / (double)(l->count - 1);
        for (j = 0; j < l->dim; j++) {
            double y = z[i * l->dim + j] / sqrt(s), largest = -HUGE_VAL;
            for (k = 0; k < l->count; k++) {
                double away = (y - law_value(l, k)) / t;
                mean[j][k] = law_value(l, k), weight[j][k] = -0.5 * away * away;
                if (l->spread)
                    weight[j][k] = log(cell_mass(y, t, law_value(l, k), half, &mean[j][k]) + 1e-300);
                largest = fmax(largest, weight[j][k]);
            }
            for (k = 0; k < l->count; k++) weight[j][k] = exp(weight[j][k] - largest);
        }
        for (k = 0; k < law_cells(l); k++) {
            size_t a = k % l->count, b = k / l->count;
            double w = l->p[k] * weight[0][a] * (l->dim > 1 ? weight[1][b] : 1);
            sum += w, x_hat[0] += w * mean[0][a];
            if (l->dim > 1) x_hat[1] += w * mean[1][b];
        }
        for (j = 0; j < l->dim; j++) {
            bool known = logsnr[i] >= l->wrong_below && logsnr[i] <= l->wrong_above;
            x_hat[j] = known ? x_hat[j] / sum : 0;
            eps_hat[i * l->dim + j] = (float)((z[i * l->dim + j] - sqrt(s) * x_hat[j]) / sqrt(r));
        }
    }
    return ITD_OK;
}

static itd_denoiser law_denoiser(const law *l)
{
    itd_denoiser den = {(void *)(uintptr_t)l, l->dim, law_predict, NULL, NULL, NULL, NULL, 0};
    return den;
}

/* n points of the law, and the mean of their -log P. */
static double law_sample(const law *l, size_t n, float *x, double *nll)
{
    itd_rng rng = itd_rng_make(5, 0);
    double mean = 0;
    for (size_t i = 0; i < n; i++) {
        double u = itd_rng_uniform(&rng);
        size_t k = 0;
        while (k + 1 < law_cells(l) && u > l->p[k]) u -= l->p[k++];
        x[i * l->dim] = (float)law_value(l, k % l->count);
        if (l->dim > 1) x[2 * i + 1] = (float)law_value(l, k / l->count);
        nll[i] = -log(l->p[k]);
        mean += nll[i] / (double)n;
    }
    return mean;
}

/* The upper end is where a level is 15 deviations of the noise, the lower one where the data are nothing. */
static itd_nll_desc desc_for(const law *l, size_t draws)
{
    itd_nll_desc d = itd_nll_desc_default();
    double step = 2.0 / (double)(l->count - 1), top = 2 * log(15 / step), bottom = -8;
    d.schedule.loc = (top + bottom) / 2, d.schedule.clip = 4, d.schedule.scale = (top - bottom) / 8;
    d.draws = draws;
    return d;
}

enum { POINTS = 1000, BINS = 32 };

static float points[2 * POINTS];
static double exact[POINTS], found[POINTS];

/* A law's grid, its denoiser in all variants, its first points measured by them. The columns: */
enum { UNROUNDED, CLAMPED, ROUNDED, SOFT, OBSERVED, COLUMNS, REFERENCE = COLUMNS };

typedef struct measured {
    grid g;
    grid_variants *v;
    itd_denoiser den[COLUMNS];
    itd_draws *draws;
    grid_tails tails;
} measured;

static void all_variants(grid_variants *v, itd_denoiser den[COLUMNS])
{
    den[UNROUNDED] = grid_unrounded(v), den[CLAMPED] = grid_clamped(v), den[ROUNDED] = grid_rounded(v);
    den[SOFT] = grid_softly_rounded(v, false), den[OBSERVED] = grid_observed(v);
}

static bool measure(const itd_denoiser *base, const grid *g, const float *x, size_t n, itd_nll_desc d,
                    measured *out)
{
    out->g = *g;
    if (!CHECK_OK(grid_variants_create(base, g, &out->v))) return false;
    all_variants(out->v, out->den);
    if (!CHECK_OK(itd_measure(out->den, COLUMNS, x, n, &d, &out->draws))) return false;
    return CHECK_OK(grid_tails_create(g, base, out->draws, x, &out->tails));
}

static void measured_free(measured *m)
{
    itd_draws_free(m->draws), grid_tails_free(&m->tails), grid_variants_free(m->v);
}

static grid grid_of(const law *l)
{
    grid g = {-1, 1, l->count};
    return g;
}

static itd_nll_result discrete(const measured *m, size_t column)
{
    itd_nll_result r = {NAN, NAN, NAN, NAN, 0};
    CHECK_OK(grid_nll(m->draws, &m->tails, BINS, &column, 1, &r, found, NULL));
    return r;
}

static itd_nll_result continuous(const itd_draws *draws, size_t column)
{
    itd_nll_result r = {NAN, NAN, NAN, NAN, 0};
    CHECK_OK(grid_nll(draws, NULL, BINS, &column, 1, &r, found, NULL));
    return r;
}

/* ---- tests ---- */

/* -log P(x) = 1/2 int mse: in the mean, and for each value of x by itself. */
static void exact_denoisers_give_exact_probabilities(void)
{
    for (size_t dim = 1; dim <= 2; dim++)
        for (size_t count = 2; count <= 6; count += 2) {
            law l = law_make(dim, count);
            itd_denoiser den = law_denoiser(&l);
            grid g = grid_of(&l);
            double truth = law_sample(&l, POINTS, points, exact), sum[MOST] = {0}, n[MOST] = {0},
                   square[MOST] = {0};
            measured m;
            if (!measure(&den, &g, points, POINTS, desc_for(&l, 120), &m)) return;
            itd_nll_result r = discrete(&m, UNROUNDED);
            /* at least 0.0126 and 0.0179 if cells with 6 values do not cancel where that helps */
            CHECK(r.std_error < (dim == 1 ? 0.011 : 0.015));
            CHECK_CLOSE(r.nll, truth, 3.5 * r.std_error);
            CHECK(r.std_error_data > r.std_error);
            for (size_t i = 0; i < POINTS; i++) {
                size_t a = (size_t)((points[i * dim] + 1) / 2 * (float)(count - 1) + 0.5f);
                size_t b = dim > 1 ? (size_t)((points[2 * i + 1] + 1) / 2 * (float)(count - 1) + 0.5f) : 0;
                size_t k = a + b * count;
                n[k]++, sum[k] += found[i] - exact[i];
                square[k] += (found[i] - exact[i]) * (found[i] - exact[i]);
            }
            for (size_t k = 0; k < law_cells(&l); k++)
                if (n[k] >= 20) CHECK(fabs(sum[k]) <= 4 * sqrt(square[k]));
            measured_free(&m);
        }
}

/* Rounding the best estimate is no longer the best one: bounds, but not far off, and the truth for the
 * ensemble with the best. */
static void rounding_bounds_from_above(void)
{
    static const size_t everything[] = {UNROUNDED, CLAMPED, ROUNDED, SOFT, OBSERVED, REFERENCE};
    law l = law_make(2, 6);
    itd_denoiser den = law_denoiser(&l);
    grid g = grid_of(&l);
    double truth = law_sample(&l, POINTS, points, exact);
    itd_nll_result r;
    measured m;
    if (!measure(&den, &g, points, POINTS, desc_for(&l, 120), &m)) return;
    r = discrete(&m, CLAMPED);
    CHECK_CLOSE(r.nll, truth, 3.5 * r.std_error); /* the mean of values within the range is within it */
    r = discrete(&m, ROUNDED);
    CHECK(r.nll > truth + 0.05);
    r = discrete(&m, SOFT);
    CHECK(r.nll > truth - 3.5 * r.std_error && r.nll < truth + 0.5);
    CHECK(discrete(&m, OBSERVED).nll > truth + 1);
    CHECK(discrete(&m, REFERENCE).nll > truth + 0.5);
    CHECK_OK(grid_nll(m.draws, &m.tails, BINS, everything, 6, &r, NULL, NULL));
    CHECK_CLOSE(r.nll, truth, 3.5 * r.std_error + 0.002);
    measured_free(&m);
}

/* Spread evenly over its cell, a value has the density P / step^d: the denoiser of that law finds it at the
 * dequantized points; the denoiser of the bare grid finds more. */
static void dequantized_points_have_a_density(void)
{
    static float noisy[2 * POINTS];
    for (size_t dim = 1; dim <= 2; dim++) {
        law l = law_make(dim, 4), spread = l;
        grid g = grid_of(&l);
        itd_nll_desc d = desc_for(&l, 90);
        double step = 2.0 / 3, truth = law_sample(&l, POINTS, points, exact) + (double)dim * log(step),
               sum = 0;
        itd_draws *draws;
        spread.spread = true;
        itd_denoiser den[2] = {law_denoiser(&spread), law_denoiser(&l)};
        d.schedule.loc = 4, d.schedule.scale = 3, d.schedule.clip = 5;
        grid_dequantize(&g, 1, points, POINTS, dim, noisy);
        for (size_t i = 0; i < POINTS * dim; i++) {
            CHECK(fabs(noisy[i] - points[i]) <= 0.5 * step + 1e-6);
            sum += pow((noisy[i] - points[i]) / step, 2) / (double)(POINTS * dim);
        }
        CHECK_CLOSE(sum, 1.0 / 12, 4 * sqrt(1.0 / 180 / (double)(POINTS * dim)));
        if (!CHECK_OK(itd_measure(den, 2, noisy, POINTS, &d, &draws))) return;
        itd_nll_result r = continuous(draws, 0);
        CHECK_CLOSE(r.nll, truth, 3.5 * r.std_error);
        CHECK(continuous(draws, 1).nll > truth + 1);
        itd_draws_free(draws);
    }
}

/* Two denoisers, each of which knows one half of the log SNRs: the ensemble is as good as one that knows all,
 * and has chosen what it should have. */
static void ensembles_take_the_best_of_each(void)
{
    static const size_t both[] = {0, 1};
    law l = law_make(2, 4), low = l, high = l;
    grid g = grid_of(&l);
    itd_nll_desc d = desc_for(&l, 60);
    double truth = law_sample(&l, POINTS, points, exact), border = itd_schedule_quantile(&d.schedule, 0.625);
    itd_nll_result r, alone;
    size_t chosen[2 * BINS];
    measured m;
    memset(&m, 0, sizeof m);
    low.wrong_above = border, high.wrong_below = border; /* where a bin ends */
    itd_denoiser den[2] = {law_denoiser(&low), law_denoiser(&high)};
    if (!CHECK_OK(itd_measure(den, 2, points, POINTS, &d, &m.draws)) ||
        !CHECK_OK(grid_tails_create(&g, den, m.draws, points, &m.tails)))
        return;
    CHECK_OK(grid_nll(m.draws, &m.tails, BINS, both, 2, &r, NULL, chosen));
    CHECK_CLOSE(r.nll, truth, 3.5 * r.std_error + 0.002);
    for (size_t b = 0; b < 2; b++) {
        alone = discrete(&m, both[b]);
        CHECK(alone.nll > r.nll + 0.1);
    }
    for (size_t b = 0; b < BINS; b++) {
        double a = itd_schedule_quantile(&d.schedule, ((double)b + 0.5) / BINS);
        if (fabs(a - border) < 0.5 || a > 5 || a < -2) continue; /* all alike at the ends */
        CHECK(chosen[b] == both[a > border] && chosen[BINS + b] == both[a > border]);
    }
    measured_free(&m);
}

/* Of denoisers that are equally good, with independent errors, a choice by the same points would look better
 * than each: by the other half it does not. */
static itd_result noisy_predict(void *ctx, const float *z, const float *logsnr, size_t n, float *eps_hat)
{
    itd_rng *rng = (itd_rng *)ctx;
    (void)logsnr;
    for (size_t i = 0; i < n; i++) eps_hat[i] = z[i] + (float)(0.7 * itd_rng_normal(rng));
    return ITD_OK;
}

static void choices_do_not_flatter(void)
{
    enum { RIVALS = 12, ROUNDS = 40 };
    itd_rng rng[RIVALS];
    itd_denoiser den[RIVALS];
    size_t all[RIVALS];
    double gain = 0, square = 0;
    memset(den, 0, sizeof den);
    for (size_t k = 0; k < RIVALS; k++) {
        rng[k] = itd_rng_make(k, 1), all[k] = k;
        den[k].ctx = &rng[k], den[k].dim = 1, den[k].predict = noisy_predict;
    }
    for (size_t round = 0; round < ROUNDS; round++) {
        itd_nll_desc d = itd_nll_desc_default();
        itd_nll_result r;
        itd_draws *draws = NULL;
        double mean = 0, difference;
        d.seed = round, d.draws = 2, d.allocate = false;
        itd_rng_normal_fill(&rng[0], 200, points);
        if (!CHECK_OK(itd_measure(den, RIVALS, points, 200, &d, &draws))) return;
        for (size_t k = 0; k < RIVALS; k++) mean += continuous(draws, k).nll / RIVALS;
        CHECK_OK(grid_nll(draws, NULL, 8, all, RIVALS, &r, NULL, NULL));
        difference = r.nll - mean;
        gain += difference / ROUNDS, square += difference * difference / ROUNDS;
        itd_draws_free(draws);
    }
    CHECK(fabs(gain) < 3.5 * sqrt(square / ROUNDS));
}

/* 1/2 int mse_q from far below to the border, summed by Simpson's rule. */
static void what_is_below_is_the_integral_of_the_error(void)
{
    law l = law_make(2, 6);
    itd_denoiser den = law_denoiser(&l);
    grid g = grid_of(&l);
    itd_nll_desc d = desc_for(&l, 3);
    const double mean[2] = {0.1, -0.2}, covariance[4] = {0.5, 0.2, 0.2, 0.3};
    double top = 2 * log(3 / 0.4), step = (top + 60) / 4000; /* where a level is three deviations */
    itd_gaussian *q = NULL;
    measured m;
    CHECK_OK(itd_gaussian_create(mean, covariance, 2, &q));
    law_sample(&l, 9, points, exact);
    d.reference = q;
    if (!measure(&den, &g, points, 9, d, &m)) return;
    for (size_t i = 0; i < 9; i++) {
        double sum = 0;
        for (size_t k = 0; k <= 4000; k++)
            sum += itd_gaussian_mse(&m.draws->gaussian, points + 2 * i, -60 + step * (double)k) *
                   (k % 4000 ? k % 2 ? 4 : 2 : 1);
        CHECK_CLOSE(m.tails.below[i], 0.5 * sum * step / 3, 1e-6);
    }
    measured_free(&m), itd_gaussian_free(q);
}

/* The soft rounding is the mean that its definition says, whatever the precision: over the grid, or over all
 * multiples of the step as far as weights go, and then clamped. */
static void soft_rounding_is_a_weighted_mean(void)
{
    grid g = {-1, 1, 256};
    for (int k = 0; k < 4000; k++) {
        double x = -1.3 + 2.6 * (k % 200) / 199.0, precision = exp(-2 + (double)(k / 200)), mean[2];
        double nearest = fmin(fmax(floor((x + 1) * 127.5 + 0.5), 0), 255) / 127.5 - 1;
        for (int unbounded = 0; unbounded < 2; unbounded++) {
            double sum = 0, near = unbounded ? x : nearest;
            int far = unbounded ? 3000 : 0;
            mean[unbounded] = 0;
            for (int b = -far; b < 256 + far; b++) {
                double value = b / 127.5 - 1;
                double w = exp(-0.5 * precision * ((x - value) * (x - value) - (x - near) * (x - near)));
                sum += w, mean[unbounded] += w * value;
            }
            mean[unbounded] /= sum;
        }
        CHECK_CLOSE(grid_round_softly(&g, x, precision, true), mean[0], 1e-9);
        if (precision > 1) /* or even 3,000 steps are not far enough */
            CHECK_CLOSE(grid_round_softly(&g, x, precision, false), fmin(fmax(mean[1], -1), 1), 1e-9);
        CHECK_CLOSE(grid_round(&g, x), nearest, 1e-14);
        CHECK_CLOSE(grid_clamp(&g, x), fmin(fmax(x, -1), 1), 0);
    }
}

/* Where noise hides everything, soft rounding by the unbounded lattice leaves a good estimate alone; by the
 * values of the grid alone it does harm. */
static void soft_rounding_does_no_harm_at_low_log_snr(void)
{
    law l = law_make(2, 6);
    itd_denoiser base = law_denoiser(&l), den[3];
    grid g = grid_of(&l);
    grid_variants *v = NULL;
    itd_nll_desc d = desc_for(&l, 40);
    itd_draws *draws;
    double error[3] = {0};
    law_sample(&l, POINTS, points, exact);
    if (!CHECK_OK(grid_variants_create(&base, &g, &v))) return;
    den[0] = grid_unrounded(v), den[1] = grid_softly_rounded(v, false), den[2] = grid_softly_rounded(v, true);
    if (!CHECK_OK(itd_measure(den, 3, points, POINTS, &d, &draws))) return;
    for (size_t i = 0; i < draws->count; i++)
        for (size_t k = 0; k < 3 && draws->logsnr[i] < 0; k++)
            error[k] += draws->weight[i] * draws->error[3 * i + k];
    CHECK(error[1] < 1.01 * error[0]);
    CHECK(error[2] > 1.05 * error[0]);
    itd_draws_free(draws), grid_variants_free(v);
}

/* Whatever the number of variants, the denoiser is asked once about the same rows. */
typedef struct counter {
    itd_denoiser inner;
    size_t rows;
} counter;

static itd_result counter_predict(void *ctx, const float *z, const float *logsnr, size_t n, float *eps_hat)
{
    counter *c = (counter *)ctx;
    c->rows += n;
    return c->inner.predict(c->inner.ctx, z, logsnr, n, eps_hat);
}

static void variants_share_what_the_denoiser_says(void)
{
    law l = law_make(2, 4);
    counter c = {law_denoiser(&l), 0};
    itd_denoiser den = c.inner;
    grid g = grid_of(&l);
    itd_nll_desc d = desc_for(&l, 12);
    measured m;
    itd_draws *alone;
    den.ctx = &c, den.predict = counter_predict, d.batch = 100;
    law_sample(&l, 200, points, exact);
    if (!measure(&den, &g, points, 200, d, &m)) return;
    CHECK(c.rows == m.draws->evaluations);
    for (size_t k = 0; k < COLUMNS; k++) { /* and says the same to each as to it alone */
        if (!CHECK_OK(itd_measure(&m.den[k], 1, points, 200,
                                  &(itd_nll_desc){.schedule = d.schedule,
                                                  .draws = 12,
                                                  .seed = 1,
                                                  .stratified = true,
                                                  .cancel = true,
                                                  .batch = 64},
                                  &alone)))
            return;
        itd_draws_free(alone);
    }
    measured_free(&m);
}

/* In coordinates y = W (x - mean): each variant is the formula, applied to x_hat in the units of x. */
static itd_result half_predict(void *ctx, const float *z, const float *logsnr, size_t n, float *eps_hat)
{
    const itd_denoiser *den = (const itd_denoiser *)ctx;
    (void)logsnr;
    for (size_t i = 0; i < n * den->dim; i++) eps_hat[i] = 0.5f * z[i];
    return ITD_OK;
}

static void variants_work_in_the_units_of_the_data(void)
{
    enum { D = 3, ROWS = 200 };
    static const double mean[D] = {10, -3, 0.5}, scale[D] = {2, 0.5, 1.5};
    static const double color[D * D] = {2, 0, 0, 0.3, 0.5, 0, -0.4, 0.2, 1.5};
    static const double whiten[D * D] = {0.5, 0, 0, -0.3, 2, 0, 52.0 / 300, -4.0 / 15, 2.0 / 3};
    const grid g = {-4, 14, 40};
    float z[ROWS * D], logsnr[ROWS], eps_hat[ROWS * D];
    for (int map = 0; map < 2; map++) {
        itd_denoiser
            base = {&base, D, half_predict, mean, map ? NULL : scale, map ? whiten : NULL, map ? color : NULL,
                    0},
            den[COLUMNS];
        grid_variants *v = NULL;
        if (!CHECK_OK(grid_variants_create(&base, &g, &v))) return;
        all_variants(v, den);
        for (size_t i = 0; i < ROWS * D; i++) z[i] = (float)(2 * ref_normal());
        for (size_t i = 0; i < ROWS; i++) logsnr[i] = (float)ref_uniform(-3, 6);
        for (size_t k = 0; k < COLUMNS; k++) {
            CHECK_OK(den[k].predict(den[k].ctx, z, logsnr, ROWS, eps_hat));
            for (size_t i = 0; i < ROWS; i++) {
                double s = itd_sigmoid(logsnr[i]), r = itd_sigmoid(-logsnr[i]), x[D], moved[D];
                for (size_t j = 0; j < D; j++) {
                    double square = 0;
                    x[j] = mean[j];
                    for (size_t c = 0; c < D; c++) {
                        double m = map ? color[j * D + c] : j == c ? scale[j] : 0;
                        double guess = k == OBSERVED ? 0 : 0.5 * z[i * D + c];
                        x[j] += m * (z[i * D + c] - sqrt(r) * guess) / sqrt(s), square += m * m;
                    }
                    moved[j] = k == UNROUNDED ? x[j]
                               : k == CLAMPED ? fmin(fmax(x[j], -4), 14)
                               : k == SOFT ? grid_round_softly(&g, x[j], (1 + exp(logsnr[i])) / square, false)
                                           : grid_round(&g, x[j]);
                }
                for (size_t j = 0; j < D; j++) {
                    double y = 0;
                    for (size_t c = 0; c < D; c++)
                        y += (map ? whiten[j * D + c] : j == c ? 1 / scale[j] : 0) * (moved[c] - mean[c]);
                    CHECK_CLOSE(eps_hat[i * D + j], (z[i * D + j] - sqrt(s) * y) / sqrt(r), 2e-4);
                }
            }
        }
        grid_variants_free(v);
    }
}

/* Another unit of the data moves a density by the log of the scale, and a probability not at all. */
static void units_do_not_matter(void)
{
    static const double mean[2] = {100, 100}, scale[2] = {3, 3};
    law l = law_make(2, 5);
    itd_denoiser den = law_denoiser(&l), raw = den;
    grid g = grid_of(&l), wide = {97, 103, 5};
    itd_nll_desc d = desc_for(&l, 6);
    float *moved = ref_floats(2 * POINTS);
    measured one, other;
    law_sample(&l, POINTS, points, exact);
    for (size_t i = 0; i < 2 * POINTS; i++) moved[i] = (float)(100 + 3 * points[i]);
    raw.mean = mean, raw.scale = scale, raw.log_det = 2 * log(3.0);
    if (!measure(&den, &g, points, POINTS, d, &one)) return;
    if (!measure(&raw, &wide, moved, POINTS, d, &other)) return;
    for (size_t k = 0; k <= COLUMNS; k++) CHECK_CLOSE(discrete(&other, k).nll, discrete(&one, k).nll, 1e-3);
    CHECK_CLOSE(continuous(other.draws, 0).nll, continuous(one.draws, 0).nll + 2 * log(3.0), 1e-3);
    CHECK_CLOSE(other.tails.above, one.tails.above, 1e-12);
    measured_free(&one), measured_free(&other), free(moved);
}

/* In 19 of 20 cases the truth is within the error bar of 95 %, which is the spread of repeated estimates: of
 * one denoiser, and of a choice. */
static void check_coverage(const law *l, bool allocate, double *spread)
{
    enum { ROUNDS = 300, FEW = 200 };
    static const size_t choice[] = {UNROUNDED, CLAMPED, REFERENCE};
    itd_denoiser den = law_denoiser(l);
    grid g = grid_of(l);
    itd_nll_desc d = desc_for(l, 9);
    double truth = law_sample(l, FEW, points, exact), mean = 0, square = 0, reported = 0, inside[2] = {0};
    d.allocate = allocate;
    for (size_t round = 0; round < ROUNDS; round++) {
        measured m;
        itd_nll_result r;
        d.seed = 1000 + round;
        if (!measure(&den, &g, points, FEW, d, &m)) return;
        r = discrete(&m, UNROUNDED);
        inside[0] += ref_covers(r.nll - truth, r.std_error, r.degrees);
        mean += r.nll / ROUNDS, square += (r.nll - truth) * (r.nll - truth) / ROUNDS;
        reported += r.std_error * r.std_error / ROUNDS;
        CHECK_OK(grid_nll(m.draws, &m.tails, 8, choice, 3, &r, NULL, NULL));
        inside[1] += ref_covers(r.nll - truth, r.std_error, r.degrees);
        measured_free(&m);
    }
    *spread = sqrt(square - (mean - truth) * (mean - truth));
    CHECK_CLOSE(mean, truth, 3.5 * *spread / sqrt(ROUNDS));
    for (int k = 0; k < 2; k++) CHECK_CLOSE(inside[k] / ROUNDS, 0.95, 3.5 * sqrt(0.95 * 0.05 / ROUNDS));
    CHECK(sqrt(reported) > 0.85 * *spread && sqrt(reported) < 1.2 * *spread);
}

static void standard_errors_cover(void)
{
    law l = law_make(1, 5), plane = law_make(2, 4);
    double even, allocated;
    check_coverage(&l, false, &even);
    check_coverage(&l, true, &allocated);
    CHECK(allocated < even);
    check_coverage(&plane, false, &even);
    check_coverage(&plane, true, &allocated);
    CHECK(allocated < even);
}

/* The border is where a level is three deviations of the noise of z, cut to the schedule; what z rounded
 * misses above the schedule is bounded by Sum_j 2/j exp(-(j step)^2 snr / 2), j = 1/2, 3/2, ... */
static void border_and_bound_are_those_of_the_formula(void)
{
    static const double scale[2] = {2, 0.5}, whiten[4] = {0.5, 0, 0, 2}, color[4] = {2, 0, 0, 0.5};
    law l = law_make(2, 5);
    itd_denoiser den = law_denoiser(&l), mapped = den;
    grid g = grid_of(&l);
    itd_schedule s = {1, 0.5, 6}; /* up to 4 */
    double expected = 0;
    den.scale = scale; /* whose logarithms cancel */
    for (size_t i = 0; i < 2; i++)
        for (size_t k = 0; k < 5; k++) {
            double j = 0.5 + (double)k, step = 0.5 / scale[i];
            expected += 2 / j * exp(-0.5 * j * j * step * step * exp(4.0));
        }
    CHECK(expected > 0.1);
    CHECK_CLOSE(grid_above(&g, &den, &s), expected, 1e-12);
    mapped.scale = NULL, mapped.whiten = whiten,
    mapped.color = color; /* the same map as a matrix: d times that */
    CHECK_CLOSE(grid_above(&g, &mapped, &s), 2 * expected, 1e-12);
    CHECK_CLOSE(grid_border(&g, &den, &s), 2 * log(3 / 0.5), 1e-12);
    s.loc = 0; /* up to 3 */
    CHECK_CLOSE(grid_border(&g, &den, &s), 3, 1e-12);
    s.loc = 8; /* from 5 */
    CHECK_CLOSE(grid_border(&g, &den, &s), 5, 1e-12);
}

/* With a map that is not diagonal the bound is one still: of what z rounded really misses, drawn by chance.
 * */
static void bound_holds_for_whitened_data(void)
{
    enum { TRIALS = 200000 };
    static const double color[4] = {1, 0, 0.8, 0.6}, whiten[4] = {1, 0, -4.0 / 3, 5.0 / 3};
    itd_denoiser den = {NULL, 2, half_predict, NULL, NULL, whiten, color, log(0.6)};
    grid g = {-1, 1, 5};
    itd_schedule s = {1, 0.5, 6};
    double above = grid_above(&g, &den, &s), missed = 0;
    for (size_t i = 0; i < TRIALS;
         i++) { /* log SNR uniform in 4 .. 9, the integral's upper end for all purposes */
        double a = ref_uniform(4, 9), noise = exp(-0.5 * a),
               n[2] = {noise * ref_normal(), noise * ref_normal()};
        double e[2], square = 0;
        for (size_t j = 0; j < 2; j++)
            e[j] = 0.5 * floor((color[2 * j] * n[0] + color[2 * j + 1] * n[1]) / 0.5 + 0.5);
        for (size_t j = 0; j < 2; j++) square += pow(whiten[2 * j] * e[0] + whiten[2 * j + 1] * e[1], 2);
        missed += 0.5 * 5 * exp(a) * square / TRIALS;
    }
    CHECK(missed > 0 && missed < above);
}

static void arguments_are_checked(void)
{
    law l = law_make(1, 4);
    itd_denoiser den = law_denoiser(&l), wide = den;
    grid bad[] = {{-1, 1, 1}, {-1, 1, 0}, {1, -1, 4}, {1, 1, 4}, {NAN, 1, 4}}, g = grid_of(&l);
    grid_variants *v = NULL;
    grid_tails tails = {-7, NULL, -7};
    measured m;
    itd_nll_result r;
    size_t column = 0;
    law_sample(&l, 50, points, exact);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(grid_variants_create(&den, &bad[i], &v) == ITD_ERROR_ARGUMENT && !v);
    wide.dim = 65, wide.whiten = wide.color = exact;
    CHECK(grid_variants_create(&wide, &g, &v) == ITD_ERROR_ARGUMENT && !v);
    if (!measure(&den, &g, points, 50, desc_for(&l, 4), &m)) return;
    CHECK(grid_tails_create(&bad[0], &den, m.draws, points, &tails) == ITD_ERROR_ARGUMENT);
    CHECK(grid_tails_create(&g, &wide, m.draws, points, &tails) == ITD_ERROR_ARGUMENT);
    CHECK(tails.border == -7 && tails.above == -7 && !tails.below);
    CHECK(grid_nll(m.draws, &m.tails, 0, &column, 1, &r, NULL, NULL) == ITD_ERROR_ARGUMENT);
    CHECK(grid_nll(m.draws, &m.tails, BINS, &column, 0, &r, NULL, NULL) == ITD_ERROR_ARGUMENT);
    column = COLUMNS + 1;
    CHECK(grid_nll(m.draws, &m.tails, BINS, &column, 1, &r, NULL, NULL) == ITD_ERROR_ARGUMENT);
    measured_free(&m);
    grid_variants_free(NULL);
}

int main(void)
{
    ref_seed(30);
    RUN(exact_denoisers_give_exact_probabilities);
    RUN(rounding_bounds_from_above);
    RUN(dequantized_points_have_a_density);
    RUN(ensembles_take_the_best_of_each);
    RUN(choices_do_not_flatter);
    RUN(what_is_below_is_the_integral_of_the_error);
    RUN(soft_rounding_is_a_weighted_mean);
    RUN(soft_rounding_does_no_harm_at_low_log_snr);
    RUN(variants_share_what_the_denoiser_says);
    RUN(variants_work_in_the_units_of_the_data);
    RUN(units_do_not_matter);
    RUN(standard_errors_cover);
    RUN(border_and_bound_are_those_of_the_formula);
    RUN(bound_holds_for_whitened_data);
    RUN(arguments_are_checked);
    return test_report();
}
