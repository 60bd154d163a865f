/* Tests of likelihoods on a grid and of ensembles. The truths: laws on small grids, whose -log P is known and
 * whose posterior mean is a sum; the same laws spread evenly over their cells; Gaussians. */
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"
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
static itd_errors_desc desc_for(const law *l, size_t draws)
{
    itd_errors_desc d = itd_errors_desc_default();
    double step = 2.0 / (double)(l->count - 1), top = 2 * log(15 / step), bottom = -8;
    d.schedule.loc = (top + bottom) / 2, d.schedule.clip = 4, d.schedule.scale = (top - bottom) / 8;
    d.levels.low = -1, d.levels.high = 1, d.levels.count = l->count;
    d.draws = draws;
    return d;
}

enum { POINTS = 1000 };

static float points[2 * POINTS];
static double exact[POINTS], found[POINTS];

static itd_nll_result nll_of(const itd_errors *e, itd_likelihood kind, size_t entry)
{
    itd_nll_result r = {NAN, NAN, NAN, 0};
    CHECK_OK(itd_errors_nll(e, kind, &entry, 1, &r, found, NULL));
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
            itd_errors_desc d = desc_for(&l, 100);
            double truth = law_sample(&l, POINTS, points, exact), sum[MOST] = {0}, n[MOST] = {0},
                   square[MOST] = {0};
            itd_errors *e;
            itd_nll_result r;
            if (!CHECK_OK(itd_errors_measure(&den, 1, points, POINTS, &d, &e))) return;
            r = nll_of(e, ITD_DISCRETE, ITD_UNROUNDED);
            CHECK(r.std_error < 0.04);
            CHECK_CLOSE(r.nll, truth, 3.5 * r.std_error);
            CHECK(r.std_error_data > r.std_error);
            for (size_t i = 0; i < POINTS; i++) {
                size_t a = (size_t)((points[i * dim] + 1) / 2 * (float)(count - 1) + 0.5f);
                size_t b = dim > 1 ? (size_t)((points[2 * i + 1] + 1) / 2 * (float)(count - 1) + 0.5f) : 0;
                size_t k = a + b * count;
                n[k]++, sum[k] += found[i] - exact[i],
                    square[k] += (found[i] - exact[i]) * (found[i] - exact[i]);
            }
            for (size_t k = 0; k < law_cells(&l); k++)
                if (n[k] >= 20) CHECK(fabs(sum[k]) <= 4 * sqrt(square[k]));
            itd_errors_free(e);
        }
}

/* Rounding the best estimate is no longer the best one: bounds, but not far off, and the truth for the
 * ensemble with the best. */
static void rounding_bounds_from_above(void)
{
    static const size_t everything[] = {0, 1, 2, 3, 4, 5};
    law l = law_make(2, 6);
    itd_denoiser den = law_denoiser(&l);
    itd_errors_desc d = desc_for(&l, 100);
    double truth = law_sample(&l, POINTS, points, exact);
    itd_nll_result r;
    itd_errors *e;
    if (!CHECK_OK(itd_errors_measure(&den, 1, points, POINTS, &d, &e))) return;
    r = nll_of(e, ITD_DISCRETE, ITD_CLAMPED);
    CHECK_CLOSE(r.nll, truth, 3.5 * r.std_error); /* the mean of values within the range is within it */
    r = nll_of(e, ITD_DISCRETE, ITD_ROUNDED);
    CHECK(r.nll > truth + 0.05);
    r = nll_of(e, ITD_DISCRETE, ITD_ROUNDED_SOFTLY);
    CHECK(r.nll > truth - 3.5 * r.std_error && r.nll < truth + 0.5);
    r = nll_of(e, ITD_DISCRETE, e->entries - 1);
    CHECK(r.nll > truth + 1); /* z alone, rounded */
    r = nll_of(e, ITD_DISCRETE, e->entries - 2);
    CHECK(r.nll > truth + 0.5); /* the Gaussian alone */
    CHECK_OK(itd_errors_nll(e, ITD_DISCRETE, everything, 6, &r, NULL, NULL));
    CHECK_CLOSE(r.nll, truth, 3.5 * r.std_error + 0.002);
    itd_errors_free(e);
}

/* Spread evenly over its cell, a value has the density P / step^d: the denoiser of that law finds it at the
 * dequantized points; the denoiser of the bare grid finds more. */
static void dequantized_points_have_a_density(void)
{
    for (size_t dim = 1; dim <= 2; dim++) {
        law l = law_make(dim, 4), spread = l;
        itd_denoiser den[2];
        itd_errors_desc d = desc_for(&l, 80);
        double step = 2.0 / 3, truth = law_sample(&l, POINTS, points, exact) + (double)dim * log(step);
        itd_nll_result r;
        itd_errors *e;
        spread.spread = true;
        den[0] = law_denoiser(&spread), den[1] = law_denoiser(&l);
        d.schedule.loc = 4, d.schedule.scale = 3, d.schedule.clip = 5, d.dequantize = true;
        if (!CHECK_OK(itd_errors_measure(den, 2, points, POINTS, &d, &e))) return;
        r = nll_of(e, ITD_CONTINUOUS, ITD_UNROUNDED);
        CHECK_CLOSE(r.nll, truth, 3.5 * r.std_error);
        r = nll_of(e, ITD_CONTINUOUS, ITD_ROUNDINGS);
        CHECK(r.nll > truth + 1);
        itd_errors_free(e);
    }
}

/* Two denoisers, each of which knows one half of the log SNRs: the ensemble is as good as one that knows all,
 * and has chosen what it should have. */
static void ensembles_take_the_best_of_each(void)
{
    static const size_t both[] = {0, ITD_ROUNDINGS};
    law l = law_make(2, 4), low = l, high = l;
    itd_denoiser den[2];
    itd_errors_desc d = desc_for(&l, 50);
    double truth = law_sample(&l, POINTS, points, exact), border = itd_schedule_quantile(&d.schedule, 0.625);
    itd_nll_result r, alone;
    size_t chosen[64], b;
    itd_errors *e;
    low.wrong_above = border, high.wrong_below = border; /* where a bin ends */
    den[0] = law_denoiser(&low), den[1] = law_denoiser(&high);
    if (!CHECK_OK(itd_errors_measure(den, 2, points, POINTS, &d, &e))) return;
    CHECK_OK(itd_errors_nll(e, ITD_DISCRETE, both, 2, &r, NULL, chosen));
    CHECK_CLOSE(r.nll, truth, 3.5 * r.std_error + 0.002);
    for (b = 0; b < 2; b++) {
        alone = nll_of(e, ITD_DISCRETE, both[b]);
        CHECK(alone.nll > r.nll + 0.1);
    }
    for (b = 0; b < 32; b++) {
        double a = itd_schedule_quantile(&d.schedule, ((double)b + 0.5) / 32);
        if (fabs(a - border) < 0.5 || a > 5 || a < -2) continue; /* all alike at the ends */
        CHECK(chosen[b] == both[a > border] && chosen[32 + b] == both[a > border]);
    }
    itd_errors_free(e);
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
    size_t entry[RIVALS], k, round;
    double gain = 0, square = 0;
    for (k = 0; k < RIVALS; k++) {
        rng[k] = itd_rng_make(k, 1), entry[k] = k * ITD_ROUNDINGS;
        den[k].ctx = &rng[k], den[k].dim = 1, den[k].predict = noisy_predict,
        den[k].mean = den[k].scale = NULL;
    }
    for (round = 0; round < ROUNDS; round++) {
        itd_errors_desc d = itd_errors_desc_default();
        itd_nll_result r;
        itd_errors *e;
        double mean = 0, difference;
        d.seed = round, d.draws = 2, d.bins = 8;
        itd_rng_normal_fill(&rng[0], 200, points);
        if (!CHECK_OK(itd_errors_measure(den, RIVALS, points, 200, &d, &e))) return;
        for (k = 0; k < RIVALS; k++) mean += nll_of(e, ITD_CONTINUOUS, entry[k]).nll / RIVALS;
        CHECK_OK(itd_errors_nll(e, ITD_CONTINUOUS, entry, RIVALS, &r, NULL, NULL));
        difference = r.nll - mean;
        gain += difference / ROUNDS, square += difference * difference / ROUNDS;
        itd_errors_free(e);
    }
    CHECK(fabs(gain) < 3.5 * sqrt(square / ROUNDS));
}

/* A Gaussian's own denoiser: its errors cancel against the reference's. */
static void gaussians_are_exact(void)
{
    enum { DIM = 80, ROWS = 400 };
    float *x = ref_floats(ROWS * DIM);
    itd_gaussian *g;
    itd_errors *e;
    itd_errors_desc d = itd_errors_desc_default();
    itd_denoiser den;
    itd_nll_result r;
    double truth = 0;
    for (size_t i = 0; i < ROWS * DIM; i++) x[i] = (float)(ref_normal() * (1 + (double)(i % DIM) / 8));
    if (!CHECK_OK(itd_gaussian_fit(x, ROWS, DIM, &g))) return;
    den = itd_gaussian_denoiser(g), d.reference = g;
    if (!CHECK_OK(itd_errors_measure(&den, 1, x, ROWS, &d, &e))) return;
    r = nll_of(e, ITD_CONTINUOUS, ITD_UNROUNDED);
    for (size_t i = 0; i < ROWS; i++) {
        double nll = itd_gaussian_nll(g, x + i * DIM);
        truth += nll / ROWS;
        CHECK_CLOSE(found[i], nll, 0.02);
    }
    CHECK_CLOSE(r.nll, truth, 3.5 * r.std_error + 1e-4);
    CHECK(r.std_error < 1e-3);
    itd_errors_free(e), itd_gaussian_free(g), free(x);
}

/* 1/2 int mse_G from far below to the upper end, summed by Simpson's rule. */
static void information_is_the_integral_of_the_error(void)
{
    law l = law_make(2, 6);
    itd_denoiser den = law_denoiser(&l);
    itd_errors_desc d = desc_for(&l, 1);
    const double mean[2] = {0.1, -0.2}, covariance[4] = {0.5, 0.2, 0.2, 0.3};
    double top = 2 * log(3 / 0.4), step = (top + 60) / 4000; /* where a level is three deviations */
    itd_gaussian *g;
    itd_errors *e;
    CHECK_OK(itd_gaussian_create(mean, covariance, 2, &g));
    law_sample(&l, 9, points, exact);
    d.reference = g;
    if (!CHECK_OK(itd_errors_measure(&den, 1, points, 9, &d, &e))) return;
    for (size_t i = 0; i < 9; i++) {
        double sum = 0;
        for (size_t k = 0; k <= 4000; k++)
            sum += itd_gaussian_mse(g, points + 2 * i, -60 + step * (double)k) *
                   (k % 4000 ? k % 2 ? 4 : 2 : 1);
        CHECK_CLOSE(e->information[i], 0.5 * sum * step / 3, 1e-8);
    }
    itd_errors_free(e), itd_gaussian_free(g);
}

/* The soft rounding is the mean that its definition says, whatever the precision. */
static void soft_rounding_is_a_weighted_mean(void)
{
    itd_levels v = {-1, 1, 256};
    for (int k = 0; k < 4000; k++) {
        double x = -1.3 + 2.6 * (k % 200) / 199.0, precision = exp(-2 + (double)(k / 200)), sum = 0, mean = 0;
        double nearest = fmin(fmax(floor((x + 1) * 127.5 + 0.5), 0), 255) / 127.5 - 1;
        for (int b = 0; b < 256; b++) {
            double value = b / 127.5 - 1;
            double w = exp(-0.5 * precision * ((x - value) * (x - value) - (x - nearest) * (x - nearest)));
            sum += w, mean += w * value;
        }
        CHECK_CLOSE(itd__round_softly(&v, x, precision), mean / sum, 1e-9);
        CHECK_CLOSE(itd__round(&v, ITD_ROUNDED, x, 1), nearest, 1e-14);
        CHECK_CLOSE(itd__round(&v, ITD_CLAMPED, x, 1), fmin(fmax(x, -1), 1), 0);
    }
}

/* Another unit of the data moves a density by the log of the scale, and a probability not at all. */
static void units_do_not_matter(void)
{
    static const double mean[2] = {100, 100}, scale[2] = {3, 3};
    law l = law_make(2, 5);
    itd_denoiser den = law_denoiser(&l), raw = den;
    itd_errors_desc d = desc_for(&l, 4), wide = d;
    float *moved = ref_floats(2 * POINTS);
    itd_errors *e, *f;
    law_sample(&l, POINTS, points, exact);
    for (size_t i = 0; i < 2 * POINTS; i++) moved[i] = (float)(100 + 3 * points[i]);
    raw.mean = mean, raw.scale = scale, wide.levels.low = 97, wide.levels.high = 103;
    if (!CHECK_OK(itd_errors_measure(&den, 1, points, POINTS, &d, &e))) return;
    if (!CHECK_OK(itd_errors_measure(&raw, 1, moved, POINTS, &wide, &f))) return;
    for (size_t k = 0; k < e->entries; k++)
        CHECK_CLOSE(nll_of(f, ITD_DISCRETE, k).nll, nll_of(e, ITD_DISCRETE, k).nll, 1e-3);
    CHECK_CLOSE(nll_of(f, ITD_CONTINUOUS, 0).nll, nll_of(e, ITD_CONTINUOUS, 0).nll + 2 * log(3.0), 1e-3);
    CHECK_CLOSE(f->above, e->above, 1e-12);
    itd_errors_free(e), itd_errors_free(f), free(moved);
}

/* In about 19 of 20 cases the truth is within two standard errors, which are the spread of repeated
 * estimates. */
static void check_coverage(const law *l, bool allocate, double *spread)
{
    enum { ROUNDS = 300, FEW = 200 };
    itd_denoiser den = law_denoiser(l);
    itd_errors_desc d = desc_for(l, 8);
    double truth = law_sample(l, FEW, points, exact), mean = 0, square = 0, reported = 0;
    size_t round, inside = 0;
    d.allocate = allocate;
    for (round = 0; round < ROUNDS; round++) {
        itd_errors *e;
        itd_nll_result r;
        d.seed = 1000 + round;
        if (!CHECK_OK(itd_errors_measure(&den, 1, points, FEW, &d, &e))) return;
        r = nll_of(e, ITD_DISCRETE, 0);
        inside += fabs(r.nll - truth) < 2 * r.std_error;
        mean += r.nll / ROUNDS, square += (r.nll - truth) * (r.nll - truth) / ROUNDS;
        reported += r.std_error * r.std_error / ROUNDS;
        itd_errors_free(e);
    }
    *spread = sqrt(square - (mean - truth) * (mean - truth));
    CHECK_CLOSE(mean, truth, 3.5 * *spread / sqrt(ROUNDS));
    CHECK((double)inside >= 0.90 * ROUNDS);
    CHECK(inside < ROUNDS);
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

static void batches_change_nothing(void)
{
    static const size_t batches[] = {1, 7, 64, 100000};
    law l = law_make(2, 4);
    itd_denoiser den = law_denoiser(&l);
    itd_errors_desc d = desc_for(&l, 3);
    itd_errors *whole, *e;
    law_sample(&l, 200, points, exact);
    if (!CHECK_OK(itd_errors_measure(&den, 1, points, 200, &d, &whole))) return;
    for (size_t k = 0; k < 4; k++) {
        d.batch = batches[k];
        if (!CHECK_OK(itd_errors_measure(&den, 1, points, 200, &d, &e))) return;
        CHECK(!memcmp(e->error, whole->error, e->count * e->entries * sizeof *e->error));
        CHECK(!memcmp(e->logsnr, whole->logsnr, e->count * sizeof *e->logsnr));
        itd_errors_free(e);
    }
    itd_errors_free(whole);
}

static void defaults_are_the_documented_ones(void)
{
    itd_errors_desc d = itd_errors_desc_default();
    CHECK(d.bins == 32 && d.draws == 4 && d.seed == 1 && d.batch == 1024 && d.levels.count == 0);
    CHECK(!d.dequantize && d.allocate && d.reference == NULL);
    CHECK_CLOSE(d.schedule.scale, 3, 0);
}

/* The border is where a level is three deviations of the noise of z, cut to the schedule; what z rounded
 * misses above the schedule is bounded by Sum_j 2/j exp(-(j step)^2 snr / 2), j = 1/2, 3/2, ... */
static void border_and_bound_are_those_of_the_formula(void)
{
    static const double scale[2] = {2, 0.5};
    law l = law_make(2, 5);
    itd_denoiser den = law_denoiser(&l);
    itd_errors_desc d = desc_for(&l, 1);
    itd_errors *e = NULL;
    double expected = 0;
    size_t i, k;
    den.scale = scale;
    law_sample(&l, 20, points, exact);
    d.schedule.loc = 1, d.schedule.scale = 0.5, d.schedule.clip = 6; /* up to 4 */
    if (!CHECK_OK(itd_errors_measure(&den, 1, points, 20, &d, &e))) return;
    for (i = 0; i < 2; i++)
        for (k = 0; k < 5; k++) {
            double j = 0.5 + (double)k, step = 0.5 / scale[i];
            expected += 2 / j * exp(-0.5 * j * j * step * step * exp(4.0));
        }
    CHECK(expected > 0.1);
    CHECK_CLOSE(e->above, expected, 1e-12);
    CHECK_CLOSE(e->border, 2 * log(3 / 0.5), 1e-12); /* the scales' logarithms cancel */
    itd_errors_free(e);
    d.schedule.loc = 0; /* up to 3 */
    if (!CHECK_OK(itd_errors_measure(&den, 1, points, 20, &d, &e))) return;
    CHECK_CLOSE(e->border, 3, 1e-12);
    itd_errors_free(e);
    d.schedule.loc = 8; /* from 5 */
    if (!CHECK_OK(itd_errors_measure(&den, 1, points, 20, &d, &e))) return;
    CHECK_CLOSE(e->border, 5, 1e-12);
    itd_errors_free(e);
}

static void arguments_are_checked(void)
{
    static const double other[1] = {2};
    law l = law_make(1, 4);
    itd_denoiser den[2];
    itd_errors_desc d = desc_for(&l, 2), bad;
    itd_errors *e = NULL;
    itd_nll_result r;
    size_t entry;
    den[0] = den[1] = law_denoiser(&l);
    law_sample(&l, 50, points, exact);
    bad = d, bad.draws = 0;
    CHECK(itd_errors_measure(den, 1, points, 50, &bad, &e) == ITD_ERROR_ARGUMENT);
    bad = d, bad.bins = 0;
    CHECK(itd_errors_measure(den, 1, points, 50, &bad, &e) == ITD_ERROR_ARGUMENT);
    bad = d, bad.levels.count = 1;
    CHECK(itd_errors_measure(den, 1, points, 50, &bad, &e) == ITD_ERROR_ARGUMENT);
    bad = d, bad.levels.high = -1;
    CHECK(itd_errors_measure(den, 1, points, 50, &bad, &e) == ITD_ERROR_ARGUMENT);
    bad = d, bad.levels.count = 0, bad.dequantize = true;
    CHECK(itd_errors_measure(den, 1, points, 50, &bad, &e) == ITD_ERROR_ARGUMENT);
    den[1].scale = other;
    CHECK(itd_errors_measure(den, 2, points, 50, &d, &e) == ITD_ERROR_ARGUMENT);
    CHECK(e == NULL);
    bad = d, bad.levels.count = 0;
    CHECK_OK(itd_errors_measure(den, 1, points, 50, &bad, &e));
    entry = ITD_ROUNDED;
    CHECK(itd_errors_nll(e, ITD_DISCRETE, &entry, 1, &r, NULL, NULL) == ITD_ERROR_ARGUMENT);
    entry = ITD_UNROUNDED;
    CHECK(itd_errors_nll(e, ITD_DISCRETE, &entry, 1, &r, NULL, NULL) == ITD_ERROR_ARGUMENT);
    CHECK_OK(itd_errors_nll(e, ITD_CONTINUOUS, &entry, 1, &r, NULL, NULL));
    CHECK(itd_errors_nll(e, ITD_CONTINUOUS, &entry, 0, &r, NULL, NULL) == ITD_ERROR_ARGUMENT);
    entry = 6;
    CHECK(itd_errors_nll(e, ITD_CONTINUOUS, &entry, 1, &r, NULL, NULL) == ITD_ERROR_ARGUMENT);
    itd_errors_free(e);
    CHECK_OK(itd_errors_measure(den, 1, points, 50, &d, &e));
    for (entry = 0; entry < 6; entry++)
        CHECK((itd_errors_nll(e, ITD_CONTINUOUS, &entry, 1, &r, NULL, NULL) == ITD_OK) ==
              (entry < ITD_ROUNDED || entry == 4));
    itd_errors_free(e);
    itd_errors_free(NULL);
}

int main(void)
{
    ref_seed(30);
    RUN(defaults_are_the_documented_ones);
    RUN(exact_denoisers_give_exact_probabilities);
    RUN(rounding_bounds_from_above);
    RUN(dequantized_points_have_a_density);
    RUN(ensembles_take_the_best_of_each);
    RUN(choices_do_not_flatter);
    RUN(gaussians_are_exact);
    RUN(information_is_the_integral_of_the_error);
    RUN(soft_rounding_is_a_weighted_mean);
    RUN(units_do_not_matter);
    RUN(standard_errors_cover);
    RUN(batches_change_nothing);
    RUN(border_and_bound_are_those_of_the_formula);
    RUN(arguments_are_checked);
    return test_report();
}
