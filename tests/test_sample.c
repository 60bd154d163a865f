/* The sampler against laws known in closed form: with the best denoiser of a mixture, what comes out has
 * to have the mixture's weights, means and covariances; with the best denoiser of a Gaussian it has to be
 * the linear map of the starting noise that the steps' formulas multiply up to. */
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "../examples/support/mixture.h"
#include "test.h"

enum { N = 8000, MOST = 3, PARTS = 3 };

static float x[N * MOST], y[N * MOST];

/* ---- a mixture in the plane with components far enough apart to tell which one a point is from ---- */

static double part_mean[PARTS][2] = {{-2, 0}, {1.5, 1.5}, {1.5, -1.5}};
static double round_spot[2] = {0.1, 0.1}, oblong_spot[2] = {0.2, 0.05};
static double turned[4] = {0.8, 0.6, -0.6, 0.8};
static const double weight[PARTS] = {0.5, 0.3, 0.2};
static const itd_gaussian part[PARTS] = {{2, part_mean[0], oblong_spot, turned, NULL},
                                         {2, part_mean[1], round_spot, NULL, NULL},
                                         {2, part_mean[2], oblong_spot, NULL, NULL}};
static const mixture spots = {PARTS, weight, part};

static itd_sample_desc wide(size_t steps, itd_sampler sampler, itd_spacing grid)
{
    itd_sample_desc desc = itd_sample_desc_default();
    desc.schedule.loc = 1, desc.schedule.scale = 2, desc.schedule.clip = 5;
    desc.steps = steps, desc.sampler = sampler, desc.spacing = grid;
    return desc;
}

static void defaults_are_the_documented_ones(void)
{
    itd_sample_desc d = itd_sample_desc_default();
    CHECK(d.steps == 100 && d.sampler == ITD_DETERMINISTIC && d.spacing == ITD_SPACING_UNIFORM);
    CHECK(d.seed == 1 && d.batch == 1024);
    CHECK_CLOSE(d.schedule.loc, 0, 0);
    CHECK_CLOSE(d.schedule.scale, 3, 0);
    CHECK_CLOSE(d.schedule.clip, 4, 0);
}

static double part_covariance(const itd_gaussian *g, size_t i, size_t j)
{
    double sum = 0;
    if (!g->vectors) return i == j ? g->lambda[i] : 0;
    for (size_t k = 0; k < 2; k++) sum += g->lambda[k] * g->vectors[k * 2 + i] * g->vectors[k * 2 + j];
    return sum;
}

static size_t nearest_part(const float *point)
{
    size_t best = 0;
    double least = INFINITY;
    for (size_t k = 0; k < PARTS; k++) {
        double distance = hypot(point[0] - part_mean[k][0], point[1] - part_mean[k][1]);
        if (distance < least) least = distance, best = k;
    }
    return best;
}

/* How far a number is off, in units of what it is allowed; not a number counts as infinitely far. */
static double off(double value, double expected, double allowed)
{
    double ratio = fabs(value - expected) / allowed;
    return ratio >= 0 ? ratio : INFINITY;
}

/* Weights, means and covariances of what is nearest to each component: the largest deviation, where 1 is
 * 4.5 sampling errors plus what the finite number of steps may cost: `bias`, relative to the spread. The
 * samplers are of first order, so it is a constant divided by the steps. */
static double deviation(const float *points, double bias)
{
    double count[PARTS] = {0}, mean[PARTS][2] = {{0}}, covariance[PARTS][4] = {{0}}, worst = 0;
    for (size_t i = 0; i < N; i++) {
        size_t k = nearest_part(points + 2 * i);
        count[k]++;
        for (size_t j = 0; j < 2; j++) mean[k][j] += points[2 * i + j];
    }
    for (size_t k = 0; k < PARTS; k++)
        for (size_t j = 0; j < 2; j++) mean[k][j] /= count[k];
    for (size_t i = 0; i < N; i++) {
        size_t k = nearest_part(points + 2 * i);
        for (size_t j = 0; j < 4; j++)
            covariance[k][j] += (points[2 * i + j / 2] - mean[k][j / 2]) *
                                (points[2 * i + j % 2] - mean[k][j % 2]) / count[k];
    }
    for (size_t k = 0; k < PARTS; k++) {
        const itd_gaussian *g = &part[k];
        double w = weight[k];
        worst = fmax(worst, off(count[k] / N, w, 4.5 * sqrt(w * (1 - w) / N) + 0.1 * bias));
        for (size_t j = 0; j < 2; j++)
            worst = fmax(worst, off(mean[k][j], part_mean[k][j],
                                    (4.5 / sqrt(count[k]) + bias) * sqrt(part_covariance(g, j, j))));
        for (size_t j = 0; j < 4; j++) { /* the variance of a sample covariance is (c_ii c_jj + c_ij^2) / n */
            double expected = part_covariance(g, j / 2, j % 2);
            double product = part_covariance(g, j / 2, j / 2) * part_covariance(g, j % 2, j % 2);
            worst = fmax(worst,
                         off(covariance[k][j], expected,
                             4.5 * sqrt((product + expected * expected) / count[k]) + bias * sqrt(product)));
        }
    }
    return worst;
}

static void recovers_the_mixture(void)
{
    static const size_t steps[] = {50, 200};
    for (size_t i = 0; i < 2; i++)
        for (int sampler = ITD_DETERMINISTIC; sampler <= ITD_ANCESTRAL; sampler++)
            for (int grid = ITD_SPACING_QUANTILE; grid <= ITD_SPACING_UNIFORM; grid++) {
                itd_denoiser den = mixture_denoiser(&spots);
                itd_sample_desc desc = wide(steps[i], (itd_sampler)sampler, (itd_spacing)grid);
                desc.seed = 10 * i + 1;
                CHECK_OK(itd_sample(&den, &desc, N, x));
                CHECK_CLOSE(deviation(x, 6.0 / (double)steps[i]), 0, 1);
            }
}

/* The measure above lets true samples pass and notices a scale that is off by 5 %, or a missing component. */
static void the_measure_measures(void)
{
    itd_rng rng = itd_rng_make(1, 1);
    mixture_sample(&spots, &rng, N, x);
    CHECK(deviation(x, 0) <= 1);
    for (size_t i = 0; i < 2 * N; i++) y[i] = 1.05f * x[i];
    CHECK(deviation(y, 0.04) > 1);
    for (size_t i = 0; i < 2 * N; i++) y[i] = x[i] < 0 || i % 2 ? x[i] : -2;
    CHECK(deviation(y, 0.04) > 1);
}

/* ---- the linear map of a Gaussian ---- */

static double grid_logsnr(const itd_sample_desc *desc, size_t k)
{
    double u = (double)k / (double)(desc->steps - 1), c = desc->schedule.clip, p, low = 1 / (1 + exp(c));
    if (desc->spacing == ITD_SPACING_UNIFORM)
        return desc->schedule.loc + desc->schedule.scale * c * (2 * u - 1);
    p = low + (1 - 2 * low) * u;
    return desc->schedule.loc + desc->schedule.scale * log(p / (1 - p));
}

/* Along an eigenvector with variance lambda, z - sqrt(s) mu is multiplied in a step from a to b by
 * (sqrt(s_a s_b) lambda + sqrt(r_a r_b)) / (s_a lambda + r_a), with r = 1 - s; at last by sqrt(s) lambda /
 * (..). */
static double linear_factor(const itd_sample_desc *desc, double lambda)
{
    double product = 1;
    for (size_t k = 0; k < desc->steps; k++) {
        double a = grid_logsnr(desc, k), s = 1 / (1 + exp(-a)), r = 1 / (1 + exp(a));
        if (k + 1 == desc->steps) {
            product *= sqrt(s) * lambda / (s * lambda + r);
        } else {
            double b = grid_logsnr(desc, k + 1), sb = 1 / (1 + exp(-b)), rb = 1 / (1 + exp(b));
            product *= (sqrt(s * sb) * lambda + sqrt(r * rb)) / (s * lambda + r);
        }
    }
    return product;
}

/* The starting noise itself is not to be seen, but deterministic sampling of N(0, I) with its best
 * denoiser from the same seed is a known multiple of it. */
static void gaussian_is_mapped_linearly(void)
{
    static const double covariance[9] = {2, 0.6, -0.3, 0.6, 0.5, 0.1, -0.3, 0.1, 0.3}, mean[3] = {1, -2, 0.5};
    static double origin[3] = {0, 0, 0}, ones[3] = {1, 1, 1};
    const itd_gaussian standard = {3, origin, ones, NULL, NULL};
    itd_gaussian *g;
    CHECK_OK(itd_gaussian_create(mean, covariance, 3, &g));
    for (int grid = ITD_SPACING_QUANTILE; grid <= ITD_SPACING_UNIFORM; grid++) {
        itd_denoiser den = itd_gaussian_denoiser(g), plain = itd_gaussian_denoiser(&standard);
        itd_sample_desc desc = wide(100, ITD_DETERMINISTIC, (itd_spacing)grid);
        double factor[3], unit = linear_factor(&desc, 1), worst = 0, start;
        CHECK_OK(itd_sample(&plain, &desc, N, y));
        CHECK_OK(itd_sample(&den, &desc, N, x));
        for (size_t k = 0; k < 3; k++) factor[k] = linear_factor(&desc, g->lambda[k]);
        /* The first z is noise around 0, not around sqrt(s) mu: that offset is mapped like all else. */
        start = sqrt(itd_sigmoid(grid_logsnr(&desc, 0)));
        for (size_t i = 0; i < N; i++)
            for (size_t k = 0; k < 3; k++) {
                double out = 0, noise = 0, offset = 0;
                for (size_t j = 0; j < 3; j++) {
                    out += g->vectors[k * 3 + j] * (x[3 * i + j] - mean[j]);
                    noise += g->vectors[k * 3 + j] * y[3 * i + j] / unit;
                    offset += g->vectors[k * 3 + j] * start * mean[j];
                }
                worst = fmax(worst, fabs(out - factor[k] * (noise - offset)));
            }
        CHECK(worst < 1e-3);
        for (size_t k = 0; k < 3; k++) CHECK_CLOSE(factor[k] * factor[k] / g->lambda[k], 1, 0.1);
    }
    itd_gaussian_free(g);
}

static void gaussian_has_the_right_covariance(void)
{
    static const double covariance[4] = {1.5, 0.7, 0.7, 0.6}, mean[2] = {3, -1};
    itd_gaussian *g, *fitted;
    CHECK_OK(itd_gaussian_create(mean, covariance, 2, &g));
    for (int sampler = ITD_DETERMINISTIC; sampler <= ITD_ANCESTRAL; sampler++) {
        itd_denoiser den = itd_gaussian_denoiser(g);
        itd_sample_desc desc = wide(200, (itd_sampler)sampler, ITD_SPACING_UNIFORM);
        CHECK_OK(itd_sample(&den, &desc, N, x));
        CHECK_OK(itd_gaussian_fit(x, N, 2, &fitted));
        for (size_t i = 0; i < 2; i++) {
            CHECK_CLOSE(fitted->mean[i], mean[i], 0.06);
            CHECK_CLOSE(fitted->lambda[i] / g->lambda[i], 1, 0.08);
        }
        CHECK_CLOSE(fabs(fitted->vectors[0] * g->vectors[0] + fitted->vectors[1] * g->vectors[1]), 1, 1e-3);
        itd_gaussian_free(fitted);
    }
    itd_gaussian_free(g);
}

/* ---- units, batches, seeds ---- */

static void units_are_the_callers(void)
{
    static const double mean[2] = {100, -3}, scale[2] = {4, 0.25};
    for (int sampler = ITD_DETERMINISTIC; sampler <= ITD_ANCESTRAL; sampler++) {
        itd_denoiser den = mixture_denoiser(&spots);
        itd_sample_desc desc = wide(20, (itd_sampler)sampler, ITD_SPACING_UNIFORM);
        CHECK_OK(itd_sample(&den, &desc, 500, x));
        den.mean = mean, den.scale = scale;
        CHECK_OK(itd_sample(&den, &desc, 500, y));
        for (size_t i = 0; i < 1000; i++) CHECK(y[i] == (float)(mean[i % 2] + scale[i % 2] * x[i]));
        den.scale = NULL;
        CHECK_OK(itd_sample(&den, &desc, 500, y));
        for (size_t i = 0; i < 1000; i++) CHECK(y[i] == (float)(mean[i % 2] + x[i]));
        den.mean = NULL, den.scale = scale;
        CHECK_OK(itd_sample(&den, &desc, 500, y));
        for (size_t i = 0; i < 1000; i++) CHECK(y[i] == (float)(scale[i % 2] * x[i]));
    }
}

/* Also in an odd dimension, where the noise of a row does not fill whole blocks of four; and the first
 * samples of a long run are those of a short one. */
static void batches_do_not_matter(void)
{
    static const size_t batches[] = {0, 1, 4, 5, 64, 1024, 1000000};
    static double origin[3] = {0.5, 0, -1}, ones[3] = {0.5, 1, 2};
    const itd_gaussian space = {3, origin, ones, NULL, NULL};
    for (int sampler = ITD_DETERMINISTIC; sampler <= ITD_ANCESTRAL; sampler++)
        for (size_t d = 2; d <= 3; d++) {
            itd_denoiser den = d == 2 ? mixture_denoiser(&spots) : itd_gaussian_denoiser(&space);
            itd_sample_desc desc = wide(12, (itd_sampler)sampler, ITD_SPACING_QUANTILE);
            CHECK_OK(itd_sample(&den, &desc, 333, x));
            for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
                desc.batch = batches[b];
                memset(y, 0, sizeof y);
                CHECK_OK(itd_sample(&den, &desc, 333, y));
                CHECK(memcmp(x, y, 333 * d * sizeof *x) == 0);
            }
            desc.batch = 8;
            CHECK_OK(itd_sample(&den, &desc, 101, y));
            CHECK(memcmp(x, y, 101 * d * sizeof *x) == 0);
        }
}

static size_t equal_numbers(const float *a, const float *b, size_t n)
{
    size_t equal = 0;
    for (size_t i = 0; i < n; i++) equal += a[i] == b[i];
    return equal;
}

static void seeds_and_samplers_differ(void)
{
    itd_denoiser den = mixture_denoiser(&spots);
    itd_sample_desc desc = wide(30, ITD_DETERMINISTIC, ITD_SPACING_UNIFORM);
    CHECK_OK(itd_sample(&den, &desc, 200, x));
    CHECK_OK(itd_sample(&den, &desc, 200, y));
    CHECK(equal_numbers(x, y, 400) == 400);
    desc.seed = 2;
    CHECK_OK(itd_sample(&den, &desc, 200, y));
    CHECK(equal_numbers(x, y, 400) < 4);
    desc.seed = 1, desc.sampler = ITD_ANCESTRAL;
    CHECK_OK(itd_sample(&den, &desc, 200, y));
    CHECK(equal_numbers(x, y, 400) < 4);
    desc.sampler = ITD_DETERMINISTIC, desc.spacing = ITD_SPACING_QUANTILE;
    CHECK_OK(itd_sample(&den, &desc, 200, y));
    CHECK(equal_numbers(x, y, 400) < 4);
}

/* One step stays at the lowest log SNR, where the best guess is the mean of everything. Of the noise only
 * the covariance times sqrt(s / (1-s)) = exp(-9/2) is left, five standard deviations of it. */
static void one_step_gives_the_mean(void)
{
    double mean[2] = {0, 0}, spread = 5 * 2.5 * exp(-4.5);
    for (size_t k = 0; k < PARTS; k++)
        for (size_t j = 0; j < 2; j++) mean[j] += weight[k] * part_mean[k][j];
    for (int sampler = ITD_DETERMINISTIC; sampler <= ITD_ANCESTRAL; sampler++)
        for (int grid = ITD_SPACING_QUANTILE; grid <= ITD_SPACING_UNIFORM; grid++) {
            itd_denoiser den = mixture_denoiser(&spots);
            itd_sample_desc desc = wide(1, (itd_sampler)sampler, (itd_spacing)grid);
            CHECK_OK(itd_sample(&den, &desc, 1000, x));
            for (size_t i = 0; i < 2000; i++) CHECK_CLOSE(x[i], mean[i % 2], spread);
            CHECK(x[0] != x[2]);
        }
}

/* ---- what goes wrong ---- */

typedef struct wrapper {
    size_t calls, rows, limit,
        poisoned; /* calls after which it fails, call that returns `poison`; 0: never */
    float poison;
} wrapper;

static itd_result wrapper_predict(void *ctx, const float *z, const float *logsnr, size_t n, float *eps_hat)
{
    wrapper *w = (wrapper *)ctx;
    itd_denoiser inner = mixture_denoiser(&spots);
    itd_result result;
    if (w->limit && w->calls == w->limit) return ITD_ERROR_CALLBACK;
    result = inner.predict(inner.ctx, z, logsnr, n, eps_hat);
    w->calls++, w->rows += n;
    if (w->calls == w->poisoned) eps_hat[2 * n - 1] = w->poison;
    return result;
}

static itd_denoiser wrapped(wrapper *w)
{
    itd_denoiser den = mixture_denoiser(&spots);
    memset(w, 0, sizeof *w);
    den.ctx = w, den.predict = wrapper_predict;
    return den;
}

static void check_refused(const itd_denoiser *den, const itd_sample_desc *desc, itd_result expected)
{
    for (size_t i = 0; i < 200; i++) y[i] = -7;
    CHECK(itd_sample(den, desc, 100, y) == expected);
    for (size_t i = 0; i < 200; i++)
        if (!CHECK(y[i] == -7)) break;
}

static void denoiser_calls_are_counted(void)
{
    wrapper w;
    itd_denoiser den = wrapped(&w);
    itd_sample_desc desc = wide(17, ITD_DETERMINISTIC, ITD_SPACING_UNIFORM);
    desc.batch = 64;
    CHECK_OK(itd_sample(&den, &desc, 100, x));
    CHECK(w.rows == 1700 && w.calls == 34);
    CHECK_OK(itd_sample(&den, &desc, 0, x)); /* no samples are no error */
    CHECK(w.rows == 1700);
}

static void errors_are_passed_on(void)
{
    const float poisons[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        wrapper w;
        itd_denoiser den = wrapped(&w);
        itd_sample_desc desc = wide(10, (itd_sampler)(i % 2), ITD_SPACING_UNIFORM);
        desc.batch = 64;
        w.calls = 0, w.limit = 1 + 6 * i; /* in the first batch and in the second */
        check_refused(&den, &desc, ITD_ERROR_CALLBACK);
        den = wrapped(&w);
        w.poisoned = 1 + 6 * i, w.poison = poisons[i];
        check_refused(&den, &desc, ITD_ERROR_NUMERIC);
    }
}

/* At log SNR -900 no float tells z from noise: x_hat is 0 / 0, although eps_hat is finite. */
static void samples_have_to_be_finite(void)
{
    itd_denoiser den = mixture_denoiser(&spots);
    itd_sample_desc desc = itd_sample_desc_default();
    desc.schedule.clip = 300, desc.steps = 1;
    check_refused(&den, &desc, ITD_ERROR_NUMERIC);
}

static void bad_arguments(void)
{
    itd_denoiser den = mixture_denoiser(&spots), flat = den;
    const itd_sample_desc desc = wide(10, ITD_DETERMINISTIC, ITD_SPACING_UNIFORM);
    itd_sample_desc bad = desc;
    flat.dim = 0, check_refused(&flat, &desc, ITD_ERROR_ARGUMENT);
    bad.steps = 0, check_refused(&den, &bad, ITD_ERROR_ARGUMENT), bad = desc;
    bad.schedule.scale = 0, check_refused(&den, &bad, ITD_ERROR_ARGUMENT), bad = desc;
    bad.schedule.scale = NAN, check_refused(&den, &bad, ITD_ERROR_ARGUMENT), bad = desc;
    bad.schedule.clip = -1, check_refused(&den, &bad, ITD_ERROR_ARGUMENT), bad = desc;
    bad.schedule.loc = NAN, check_refused(&den, &bad, ITD_ERROR_ARGUMENT);
}

/* More rows per call than there are in all must change nothing, however many more. */
static void batch_larger_than_everything(void)
{
    static const size_t batches[] = {SIZE_MAX, SIZE_MAX - 2, SIZE_MAX / 2};
    itd_sample_desc desc = wide(10, ITD_DETERMINISTIC, ITD_SPACING_UNIFORM);
    wrapper w;
    itd_denoiser den = wrapped(&w);
    CHECK_OK(itd_sample(&den, &desc, 100, x));
    for (size_t i = 0; i < 3; i++) {
        den = wrapped(&w), w.limit = 1000; /* or it might call forever */
        memset(y, 0, sizeof y);
        desc.batch = batches[i];
        CHECK_OK(itd_sample(&den, &desc, 100, y));
        CHECK(memcmp(x, y, 200 * sizeof *x) == 0);
    }
}

int main(void)
{
    RUN(defaults_are_the_documented_ones);
    RUN(recovers_the_mixture);
    RUN(the_measure_measures);
    RUN(gaussian_is_mapped_linearly);
    RUN(gaussian_has_the_right_covariance);
    RUN(units_are_the_callers);
    RUN(batches_do_not_matter);
    RUN(seeds_and_samplers_differ);
    RUN(one_step_gives_the_mean);
    RUN(denoiser_calls_are_counted);
    RUN(errors_are_passed_on);
    RUN(samples_have_to_be_finite);
    RUN(bad_arguments);
    RUN(batch_larger_than_everything);
    return test_report();
}
