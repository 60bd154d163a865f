/* The estimator against densities known in closed form: the best denoiser of a Gaussian or of a mixture
 * goes in, -log p(x) has to come out, for single points and for means, within error bars that are as wide
 * as they say. */
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "../examples/support/blur.h"
#include "../examples/support/fields.h"
#include "../examples/support/mixture.h"
#include "ref.h"
#include "test.h"

enum { MOST = 16, POINTS = 60, MOST_POINTS = 100, REPEATS = 200, MANY = 4000 };

/* ---- the laws: for each dimension a Gaussian along the axes, a correlated one, a mixture of three ---- */

enum { LAWS = 9, PARTS = 3 };
enum { ALONG_AXES, CORRELATED, MIXTURE };

typedef struct law {
    mixture m;
    itd_gaussian part[PARTS];
    itd_gaussian *owned[PARTS];
    float x[MOST_POINTS * MOST];
} law;

/* Those whose error bars are counted: a Gaussian and a mixture in 1, 2 and 8 dimensions. */
enum { COVERED = 6 };

static law laws[LAWS], covered[COVERED];
static double wide_mean[MOST], wide_variance[MOST]; /* of a reference for them */
static const size_t law_dim[3] = {2, 3, 16};
static const double alone[1] = {1}, shares[PARTS] = {0.5, 0.3, 0.2};
static float x_many[MANY * MOST];
static double nll_x[MANY], error_x[MANY], other_x[MANY];

static const mixture *plane_mixture(void) { return &laws[MIXTURE].m; }

/* Covariance: variances between floor and floor + 1 along the axes, or floor I + A A'/d with a random A. */
static void law_part(law *l, size_t k, size_t d, double offset, double floor, bool correlated, itd_rng *rng)
{
    double mean[MOST], a[MOST * MOST], covariance[MOST * MOST];
    for (size_t i = 0; i < d; i++) mean[i] = offset + itd_rng_normal(rng);
    for (size_t i = 0; i < d * d; i++) a[i] = correlated ? itd_rng_normal(rng) / sqrt((double)d) : 0;
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++) {
            covariance[i * d + j] = i == j ? floor + (correlated ? 0 : itd_rng_uniform(rng)) : 0;
            for (size_t m = 0; m < d; m++) covariance[i * d + j] += a[i * d + m] * a[j * d + m];
        }
    if (!CHECK_OK(itd_gaussian_create(mean, covariance, d, &l->owned[k]))) exit(1);
    l->part[k] = *l->owned[k];
}

static void make_laws(void)
{
    itd_rng rng = itd_rng_make(11, 0);
    for (size_t i = 0; i < LAWS; i++) {
        law *l = &laws[i];
        size_t kind = i % 3, d = law_dim[i / 3];
        l->m.components = kind == MIXTURE ? PARTS : 1;
        l->m.weight = kind == MIXTURE ? shares : alone;
        l->m.part = l->part;
        for (size_t k = 0; k < l->m.components; k++)
            law_part(l, k, d, kind == ALONG_AXES ? 1.5 : 0, kind == MIXTURE ? 0.1 : 0.2,
                     kind == CORRELATED || (kind == MIXTURE && k == 0), &rng);
        mixture_sample(&l->m, &rng, POINTS, l->x);
    }
}

static void make_covered(void)
{
    static const size_t dim[3] = {1, 2, 8};
    itd_rng rng = itd_rng_make(12, 0);
    for (size_t j = 0; j < MOST; j++) wide_mean[j] = 0.5, wide_variance[j] = 3;
    for (size_t i = 0; i < COVERED; i++) {
        law *l = &covered[i];
        l->m.components = i % 2 ? PARTS : 1;
        l->m.weight = i % 2 ? shares : alone;
        l->m.part = l->part;
        for (size_t k = 0; k < l->m.components; k++) law_part(l, k, dim[i / 2], 0, 0.2, true, &rng);
        mixture_sample(&l->m, &rng, MOST_POINTS, l->x);
    }
}

static void free_laws(void)
{
    for (size_t i = 0; i < LAWS; i++)
        for (size_t k = 0; k < PARTS; k++) itd_gaussian_free(laws[i].owned[k]);
    for (size_t i = 0; i < COVERED; i++)
        for (size_t k = 0; k < PARTS; k++) itd_gaussian_free(covered[i].owned[k]);
}

/* Log SNR from -14 to 16. What lies outside is below 1e-4 nats for these laws: see cut_tails_are_small. */
static itd_nll_desc wide(void)
{
    itd_nll_desc desc = itd_nll_desc_default();
    desc.schedule.loc = 1, desc.schedule.scale = 2.5, desc.schedule.clip = 6;
    return desc;
}

/* The estimator as the sources have it: independent log SNRs, and the mean of what N(0, I) would err by. */
static itd_nll_desc original(void)
{
    itd_nll_desc desc = wide();
    desc.stratified = desc.allocate = desc.cancel = false;
    return desc;
}

static double true_mean(const mixture *m, const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += mixture_nll(m, x + i * m->part[0].dim);
    return sum / (double)n;
}

/* ---- the range ---- */

static double softplus(double a) { return fmax(a, 0) + log1p(exp(-fabs(a))); }

/* 1/2 Integral of mse_G(x, a) - d s(a), from the antiderivatives  Int s^2 = softplus - s,  Int s (1-s) = s.
 * left: over a < a0. right: over a > a1. */
static void gaussian_tails(const itd_gaussian *g, const float *x, double a0, double a1, double *left,
                           double *right)
{
    *left = *right = 0;
    for (size_t i = 0; i < g->dim; i++) {
        double lambda = g->lambda[i], y = 0, low = itd_sigmoid(a0 + log(lambda)), high = a1 + log(lambda);
        for (size_t j = 0; j < g->dim; j++) y += g->vectors[i * g->dim + j] * (x[j] - g->mean[j]);
        *left += 0.5 * (softplus(a0 + log(lambda)) - low + low * y * y / lambda - softplus(a0));
        *right += 0.5 * (softplus(-a1) - softplus(-high) - itd_sigmoid(-high) +
                         itd_sigmoid(-high) * y * y / lambda);
    }
}

/* Simpson's rule. */
static double gaussian_middle(const itd_gaussian *g, const float *x, double a0, double a1)
{
    enum { STEPS = 2000 };
    double sum = 0, h = (a1 - a0) / STEPS;
    for (int k = 0; k <= STEPS; k++) {
        double a = a0 + h * k, weight = k == 0 || k == STEPS ? 1 : k % 2 ? 4 : 2;
        sum += weight * (itd_gaussian_mse(g, x, a) - (double)g->dim * itd_sigmoid(a));
    }
    return 0.5 * sum * h / 3;
}

static void cut_tails_are_small(void)
{
    itd_schedule s = wide().schedule;
    double a0 = itd_schedule_quantile(&s, 0), a1 = itd_schedule_quantile(&s, 1);
    CHECK_CLOSE(a0, -14, 1e-6);
    CHECK_CLOSE(a1, 16, 1e-6);
    for (size_t i = 0; i < LAWS; i++)
        for (size_t p = 0; p < POINTS; p++) {
            const itd_gaussian *g = &laws[i].part[0]; /* of the mixtures: one component, on points of all */
            const float *x = laws[i].x + p * g->dim;
            double left, right;
            if (laws[i].m.components > 1 && p >= 20) break;
            gaussian_tails(g, x, a0, a1, &left, &right);
            if (laws[i].m.components == 1) CHECK(fabs(left) + fabs(right) < 1e-4);
            CHECK_CLOSE(0.5 * (double)g->dim * log(2 * 3.14159265358979323846 * exp(1)) + left + right +
                            gaussian_middle(g, x, a0, a1),
                        itd_gaussian_nll(g, x), 1e-8 * (1 + itd_gaussian_nll(g, x)));
        }
}

/* ---- every point ---- */

/* An error bar from 16 repetitions is itself uncertain: the ratio is Student's t with 15 degrees of
 * freedom, beyond 4 with probability 0.0012 and beyond 6 with 0.00002. So of 60 points one may lie beyond
 * 4, none beyond 6. */
static void every_point_is_right(void)
{
    for (size_t i = 0; i < LAWS; i++) {
        law *l = &laws[i];
        itd_denoiser den = mixture_denoiser(&l->m);
        itd_nll_desc desc = wide();
        itd_nll_result result;
        size_t within = 0;
        desc.draws = 1000;
        CHECK_OK(itd_nll(&den, l->x, POINTS, &desc, &result, nll_x, error_x));
        for (size_t p = 0; p < POINTS; p++) {
            double truth = mixture_nll(&l->m, l->x + p * den.dim), slack = 1e-4 * (1 + fabs(truth));
            if (fabs(nll_x[p] - truth) <= 4 * error_x[p] + slack) within++;
            CHECK_CLOSE(nll_x[p], truth, 6 * error_x[p] + slack);
            CHECK(error_x[p] >= 0 && error_x[p] < 0.5);
        }
        CHECK(within >= POINTS - 1);
        CHECK_CLOSE(result.nll, true_mean(&l->m, l->x, POINTS),
                    4 * result.std_error + 1e-4 * (1 + fabs(result.nll)));
    }
}

/* With the same draws for all, points that are the same have the same estimate to the bit, whatever batch
 * they fall into, and it is right; without, they have not. */
static void common_draws_are_common(void)
{
    enum { SAME = 7 };
    const mixture *m = plane_mixture();
    itd_denoiser den = mixture_denoiser(m);
    float x[SAME * 2];
    for (size_t i = 0; i < SAME * 2; i++) x[i] = laws[MIXTURE].x[i % 2];
    for (int common = 0; common < 2; common++)
        for (int stratified = 0; stratified < 2; stratified++) {
            itd_nll_desc desc = wide();
            itd_nll_result result;
            size_t same = 0;
            desc.draws = 500, desc.batch = 4, desc.shared_noise = common != 0,
            desc.stratified = stratified != 0;
            CHECK_OK(itd_nll(&den, x, SAME, &desc, &result, nll_x, error_x));
            for (size_t i = 0; i < SAME; i++) {
                CHECK_CLOSE(nll_x[i], mixture_nll(m, x), 6 * error_x[i] + 1e-3);
                same += nll_x[i] == nll_x[0];
            }
            CHECK(same == (common ? SAME : 1));
        }
}

static void original_estimator_is_right(void)
{
    for (size_t i = 0; i < LAWS; i++) {
        law *l = &laws[i];
        itd_denoiser den = mixture_denoiser(&l->m);
        itd_nll_desc desc = original();
        itd_nll_result result;
        desc.draws = 1000;
        CHECK_OK(itd_nll(&den, l->x, POINTS, &desc, &result, NULL, NULL));
        CHECK_CLOSE(result.nll, true_mean(&l->m, l->x, POINTS),
                    4 * result.std_error + 1e-4 * (1 + fabs(result.nll)));
        CHECK(result.std_error < 0.25 * sqrt((double)den.dim));
    }
}

/* ---- error bars ---- */

typedef struct tally { /* of repeated estimates of one number */
    size_t n, within;  /* the error bars of 95 % */
    double sum, square, variance;
} tally;

static void tally_add(tally *t, double estimate, double error, double degrees, double truth)
{
    double off = estimate - truth;
    t->n++;
    if (ref_covers(off, error, degrees)) t->within++;
    t->sum += off, t->square += off * off, t->variance += error * error;
}

static double tally_coverage(const tally *t) { return (double)t->within / (double)t->n; }

static void student_quantiles_are_those_of_tables(void)
{
    static const double degrees[] = {1, 2, 5, 15, 30, 120, 1e6};
    static const double quantile[] = {12.706, 4.303, 2.571, 2.131, 2.042, 1.980, 1.960};
    for (size_t i = 0; i < sizeof degrees / sizeof *degrees; i++)
        CHECK_CLOSE(ref_student(degrees[i]), quantile[i], 6e-4);
}

/* 19 of 20 are within their error bars, but for 3.5 standard deviations of the binomial distribution; there
 * is no bias; the squared standard error is the variance. */
static void check_tally(const tally *t)
{
    double n = (double)t->n, mean = t->sum / n, variance = t->square / n - mean * mean;
    CHECK_CLOSE(tally_coverage(t), 0.95, 3.5 * sqrt(0.95 * 0.05 / n));
    CHECK_CLOSE(mean, 0, 4 * sqrt(variance / n) + 1e-4);
    CHECK(t->variance / n >= 0.65 * variance && t->variance / n <= 1.5 * variance);
}

static void repeat(const itd_denoiser *den, const float *x, const double *truth, size_t n, itd_nll_desc desc,
                   tally *points, tally *mean)
{
    double expected = 0;
    for (size_t i = 0; i < n; i++) expected += truth[i] / (double)n;
    for (size_t r = 0; r < REPEATS; r++) {
        itd_nll_result result;
        desc.seed = 1000 + r;
        if (!CHECK_OK(itd_nll(den, x, n, &desc, &result, nll_x, points ? error_x : NULL))) return;
        tally_add(mean, result.nll, result.std_error, result.degrees, expected);
        for (size_t i = 0; points && i < n; i++) tally_add(points, nll_x[i], error_x[i], 15, truth[i]);
    }
}

/* In 1, 2 and 8 dimensions, a Gaussian and a mixture with another Gaussian as the reference; means over 1, 5
 * and 25 points, with and without a pilot. All of them together have to cover 95 % more exactly. */
static void error_bars_of_means_cover(void)
{
    static const size_t counts[] = {1, 5, 25}, draws[] = {240, 80, 20};
    size_t within = 0, n = 0;
    for (size_t i = 0; i < COVERED; i++)
        for (size_t k = 0; k < 3; k++)
            for (int allocate = 0; allocate < 2; allocate++) {
                const law *l = &covered[i];
                itd_denoiser den = mixture_denoiser(&l->m);
                const itd_gaussian reference = {den.dim, wide_mean, wide_variance, NULL, NULL};
                itd_nll_desc desc = wide();
                double truth[MOST_POINTS];
                tally mean = {0};
                for (size_t p = 0; p < counts[k]; p++) truth[p] = mixture_nll(&l->m, l->x + p * den.dim);
                desc.reference = &reference, desc.draws = draws[k], desc.allocate = allocate != 0;
                repeat(&den, l->x, truth, counts[k], desc, NULL, &mean);
                check_tally(&mean);
                within += mean.within, n += mean.n;
            }
    CHECK_CLOSE((double)within / (double)n, 0.95, 4 * sqrt(0.95 * 0.05 / (double)n));
}

static void error_bars_of_points_cover(void)
{
    tally points = {0};
    for (size_t i = 0; i < COVERED; i++) {
        const law *l = &covered[i];
        itd_denoiser den = mixture_denoiser(&l->m);
        const itd_gaussian reference = {den.dim, wide_mean, wide_variance, NULL, NULL};
        itd_nll_desc desc = wide();
        double truth[12];
        tally own = {0}, mean = {0};
        for (size_t p = 0; p < 12; p++) truth[p] = mixture_nll(&l->m, l->x + p * den.dim);
        desc.reference = &reference, desc.draws = 160, desc.allocate = false; /* 16 repetitions of 10 */
        repeat(&den, l->x, truth, 12, desc, &own, &mean);
        check_tally(&mean);
        check_tally(&own);
        points.within += own.within, points.n += own.n;
    }
    CHECK_CLOSE(tally_coverage(&points), 0.95, 4 * sqrt(0.95 * 0.05 / (double)points.n));
}

/* Images of a law that is known, and a reference that knows their variance but not what they look like. */
static void error_bars_of_images_cover(void)
{
    enum { SIDE = 8, IMAGES = 6, D = SIDE * SIDE * 3 };
    static float x[IMAGES * D];
    static double mean[D], variance[D];
    fields_desc fd = fields_desc_default(SIDE, 3);
    fields *f;
    if (!CHECK_OK(fields_create(&fd, &f))) return;
    const itd_gaussian reference = {D, mean, variance, NULL, NULL};
    itd_denoiser den = fields_denoiser(f);
    itd_nll_desc desc = itd_nll_desc_default();
    double truth[IMAGES], least = 1;
    for (size_t j = 0; j < D; j++) mean[j] = 0, variance[j] = 0.25, least = fmin(least, f->lambda[j]);
    for (size_t i = 0; i < IMAGES; i++) {
        fields_sample(f, i, x + i * D);
        truth[i] = fields_nll(f, x + i * D);
    }
    desc.reference = &reference, desc.draws = 30;
    desc.schedule.scale = 3, desc.schedule.clip = 5;
    desc.schedule.loc = log(1e4 / least) -
                        15; /* up to where the narrowest wave is 100 deviations of the noise */
    for (int allocate = 0; allocate < 2; allocate++) {
        tally means = {0};
        desc.allocate = allocate != 0;
        repeat(&den, x, truth, IMAGES, desc, NULL, &means);
        check_tally(&means);
    }
    fields_free(f);
}

/* With the same draws for all points, only the repetitions are independent. */
static void error_bars_of_common_draws_cover(void)
{
    const law *l = &covered[3];
    itd_denoiser den = mixture_denoiser(&l->m);
    const itd_gaussian reference = {den.dim, wide_mean, wide_variance, NULL, NULL};
    itd_nll_desc desc = wide();
    double truth[20];
    tally mean = {0};
    for (size_t p = 0; p < 20; p++) truth[p] = mixture_nll(&l->m, l->x + p * den.dim);
    desc.reference = &reference, desc.shared_noise = true, desc.draws = 200;
    repeat(&den, l->x, truth, 20, desc, NULL, &mean);
    check_tally(&mean);
}

static void error_bars_of_the_original_cover(void)
{
    static const size_t which[] = {MIXTURE, ALONG_AXES + 3, CORRELATED + 3};
    for (size_t i = 0; i < 3; i++) {
        const law *l = &laws[which[i]];
        itd_denoiser den = mixture_denoiser(&l->m);
        itd_nll_desc desc = original();
        double truth[30];
        tally mean = {0};
        for (size_t p = 0; p < 30; p++) truth[p] = mixture_nll(&l->m, l->x + p * den.dim);
        desc.draws = 100;
        repeat(&den, l->x, truth, i ? 12 : 30, desc, NULL, &mean);
        check_tally(&mean);
    }
}

/* Fresh points each time: the error bar that counts their choice covers the entropy of the law. */
static void data_error_bars_cover(void)
{
    enum { N = 200, LONG_RUN = 100 };
    const mixture *m = plane_mixture();
    itd_denoiser den = mixture_denoiser(m);
    itd_nll_desc desc = wide();
    itd_rng rng = itd_rng_make(5, 0);
    double entropy = 0;
    tally t = {0};
    for (size_t r = 0; r < LONG_RUN; r++) {
        mixture_sample(m, &rng, MANY, x_many);
        entropy += true_mean(m, x_many, MANY) / LONG_RUN;
    }
    desc.draws = 20;
    for (size_t r = 0; r < REPEATS; r++) {
        itd_nll_result result;
        desc.seed = r;
        mixture_sample(m, &rng, N, x_many);
        CHECK_OK(itd_nll(&den, x_many, N, &desc, &result, NULL, NULL));
        tally_add(&t, result.nll, result.std_error_data, N - 1, entropy);
        CHECK(result.std_error_data > result.std_error);
    }
    CHECK(tally_coverage(&t) >= 0.88 && tally_coverage(&t) <= 0.99);
    CHECK_CLOSE(t.sum / REPEATS, 0, 4 * sqrt(t.variance) / REPEATS);
}

/* ---- options ---- */

/* Root mean square of the standard error over a few seeds. */
static double typical_error(const law *l, itd_nll_desc desc)
{
    enum { SEEDS = 16 };
    itd_denoiser den = mixture_denoiser(&l->m);
    double square = 0;
    for (size_t s = 0; s < SEEDS; s++) {
        itd_nll_result result;
        desc.seed = s;
        CHECK_OK(itd_nll(&den, l->x, POINTS, &desc, &result, NULL, NULL));
        square += result.std_error * result.std_error / SEEDS;
    }
    return sqrt(square);
}

/* Three small spots: their denoiser and a Gaussian's differ in a part of the range. */
static void allocation_helps(void)
{
    static double mean[PARTS][2] = {{-1.5, 0}, {1, 1}, {1, -1}}, variance[2] = {0.001, 0.001};
    static law spots;
    itd_rng rng = itd_rng_make(6, 0);
    itd_nll_desc desc = wide();
    spots.m.components = PARTS, spots.m.weight = shares, spots.m.part = spots.part;
    for (size_t k = 0; k < PARTS; k++) spots.part[k] = (itd_gaussian){2, mean[k], variance, NULL, NULL};
    mixture_sample(&spots.m, &rng, POINTS, spots.x);
    desc.draws = 200;
    double allocated = typical_error(&spots, desc);
    desc.allocate = false;
    double even = typical_error(&spots, desc);
    if (!CHECK(even > 1.15 * allocated)) printf("    %g and %g\n", even, allocated);
}

/* The error on the same noise against that of eps, and both against what the original does. */
static void cancelling_helps(void)
{
    itd_nll_desc desc = wide();
    double best, other;
    desc.draws = 200;
    best = typical_error(&laws[MIXTURE], desc);
    desc.cancel = false, other = typical_error(&laws[MIXTURE], desc);
    CHECK(other > 5 * best);
    desc = original(), desc.draws = 200;
    CHECK(typical_error(&laws[MIXTURE], desc) > 15 * best);
}

/* Strata help where the integrand's mean varies more than its noise: many dimensions, a poor reference. */
static void strata_help(void)
{
    double mean[MOST], variance[MOST], even;
    const itd_gaussian reference = {MOST, mean, variance, NULL, NULL};
    itd_nll_desc desc = wide();
    for (size_t j = 0; j < MOST; j++) mean[j] = 0, variance[j] = 9;
    desc.reference = &reference, desc.allocate = false;
    even = typical_error(&laws[MIXTURE + 6], desc);
    desc.stratified = false;
    CHECK(typical_error(&laws[MIXTURE + 6], desc) > 1.25 * even);
}

static void results_do_not_depend_on_the_batch(void)
{
    static const size_t batches[] = {0, 1, 4, 7, 64, 1024, 100000};
    enum { N = 37, BATCHES = sizeof batches / sizeof *batches };
    for (size_t d = 0; d < 2; d++) {
        const law *l = &laws[MIXTURE + 3 * d]; /* the odd dimension is where blocks of four could go wrong */
        itd_denoiser den = mixture_denoiser(&l->m);
        itd_nll_desc desc = wide();
        itd_nll_result first, result;
        desc.draws = 50;
        CHECK_OK(itd_nll(&den, l->x, N, &desc, &first, nll_x, error_x));
        for (size_t b = 0; b < BATCHES; b++) {
            double errors[N];
            desc.batch = batches[b];
            CHECK_OK(itd_nll(&den, l->x, N, &desc, &result, other_x, errors));
            CHECK(result.nll == first.nll && result.std_error == first.std_error);
            CHECK(result.std_error_data == first.std_error_data && result.evaluations == first.evaluations);
            CHECK(memcmp(other_x, nll_x, N * sizeof *nll_x) == 0);
            CHECK(memcmp(errors, error_x, N * sizeof *nll_x) == 0);
        }
    }
}

static void seeds_decide(void)
{
    const law *l = &laws[MIXTURE];
    itd_denoiser den = mixture_denoiser(&l->m);
    itd_nll_desc desc = wide();
    itd_nll_result first, same, other;
    CHECK_OK(itd_nll(&den, l->x, POINTS, &desc, &first, nll_x, NULL));
    CHECK_OK(itd_nll(&den, l->x, POINTS, &desc, &same, other_x, NULL));
    CHECK(first.nll == same.nll && memcmp(nll_x, other_x, POINTS * sizeof *nll_x) == 0);
    desc.seed = 2;
    CHECK_OK(itd_nll(&den, l->x, POINTS, &desc, &other, other_x, NULL));
    CHECK(other.nll != first.nll);
    for (size_t i = 0; i < POINTS; i++) CHECK(nll_x[i] != other_x[i]);
}

static void mean_is_the_mean(void)
{
    for (size_t i = 0; i < LAWS; i++) {
        itd_denoiser den = mixture_denoiser(&laws[i].m);
        itd_nll_desc desc = wide();
        itd_nll_result result;
        double sum = 0, square = 0;
        CHECK_OK(itd_nll(&den, laws[i].x, POINTS, &desc, &result, nll_x, NULL));
        for (size_t p = 0; p < POINTS; p++) sum += nll_x[p] / POINTS;
        for (size_t p = 0; p < POINTS; p++) square += (nll_x[p] - sum) * (nll_x[p] - sum);
        CHECK_CLOSE(result.nll, sum, 1e-12 * (1 + fabs(sum)));
        CHECK_CLOSE(result.std_error_data, sqrt(square / (POINTS - 1) / POINTS), 1e-10);
    }
}

/* x = mean + scale * u with powers of two: the denoiser sees the same u, so only the units may change. */
static void units_are_the_callers(void)
{
    static const double scale[3] = {4, 0.5, 32}, no_mean[3] = {0, 0, 0}, mean[3] = {1000, -2, 0.125};
    const law *l = &laws[MIXTURE + 3];
    itd_denoiser plain = mixture_denoiser(&l->m), scaled = plain;
    itd_nll_desc desc = wide();
    itd_nll_result before, after;
    double shift = log(4) + log(0.5) + log(32);
    CHECK_OK(itd_nll(&plain, l->x, POINTS, &desc, &before, nll_x, NULL));
    scaled.mean = no_mean, scaled.scale = scale, scaled.log_det = shift;
    for (size_t i = 0; i < 3 * POINTS; i++) x_many[i] = (float)(scale[i % 3] * l->x[i]);
    CHECK_OK(itd_nll(&scaled, x_many, POINTS, &desc, &after, other_x, NULL));
    CHECK_CLOSE(after.nll, before.nll + shift, 1e-12);
    CHECK_CLOSE(after.std_error, before.std_error, 1e-12);
    for (size_t i = 0; i < POINTS; i++) CHECK_CLOSE(other_x[i], nll_x[i] + shift, 1e-12);

    scaled.mean = mean; /* now the sum is rounded to float: the points move by 1e-5 of their scale */
    for (size_t i = 0; i < 3 * POINTS; i++) x_many[i] = (float)(mean[i % 3] + scale[i % 3] * l->x[i]);
    CHECK_OK(itd_nll(&scaled, x_many, POINTS, &desc, &after, other_x, NULL));
    CHECK_CLOSE(after.nll, before.nll + shift, 1e-3);

    scaled.scale = NULL, scaled.log_det = 0; /* either may be NULL alone */
    for (size_t i = 0; i < 3 * POINTS; i++) x_many[i] = (float)(mean[i % 3] + l->x[i]);
    CHECK_OK(itd_nll(&scaled, x_many, POINTS, &desc, &after, NULL, NULL));
    CHECK_CLOSE(after.nll, before.nll, 1e-3);
}

/* Any Gaussian is a reference: the fitted one, the true moments, one that is far off. */
static void references_agree(void)
{
    static const double mean[2] = {0.5, -1}, covariance[4] = {3, 0.5, 0.5, 0.4};
    const law *l = &laws[MIXTURE];
    itd_denoiser den = mixture_denoiser(&l->m);
    itd_nll_desc desc = wide();
    itd_nll_result fitted, same, given;
    itd_gaussian *own, *other;
    desc.draws = 400;
    CHECK_OK(itd_gaussian_create(mean, covariance, 2, &other));
    CHECK_OK(itd_gaussian_fit(l->x, POINTS, 2, &own));
    CHECK_OK(itd_nll(&den, l->x, POINTS, &desc, &fitted, NULL, NULL));
    desc.reference = own;
    CHECK_OK(itd_nll(&den, l->x, POINTS, &desc, &same, NULL, NULL));
    desc.reference = other;
    CHECK_OK(itd_nll(&den, l->x, POINTS, &desc, &given, nll_x, error_x));
    CHECK(same.nll == fitted.nll && same.std_error == fitted.std_error);
    CHECK(given.nll != fitted.nll);
    CHECK_CLOSE(given.nll, fitted.nll, 4 * hypot(given.std_error, fitted.std_error));
    CHECK_CLOSE(given.nll, true_mean(&l->m, l->x, POINTS), 4 * given.std_error);
    itd_gaussian_free(own);
    itd_gaussian_free(other);
}

/* ---- points that are special ---- */

static void one_draw_and_one_point(void)
{
    const law *l = &laws[MIXTURE];
    itd_denoiser den = mixture_denoiser(&l->m);
    itd_nll_desc desc = wide();
    itd_nll_result result;
    desc.draws = 1, desc.allocate = false;
    CHECK_OK(itd_nll(&den, l->x, POINTS, &desc, &result, nll_x, error_x));
    CHECK(isfinite(result.nll) && isnan(result.std_error) && result.std_error_data > 0);
    CHECK(result.evaluations == POINTS && result.degrees == 0);
    for (size_t i = 0; i < POINTS; i++) CHECK(isfinite(nll_x[i]) && isnan(error_x[i]));
    desc.draws = 100, desc.allocate = true, desc.repetitions = 1;
    CHECK_OK(itd_nll(&den, l->x, POINTS, &desc, &result, nll_x, error_x));
    CHECK(isfinite(result.nll) && isnan(result.std_error) && isnan(error_x[0]));
    CHECK_CLOSE(result.nll, true_mean(&l->m, l->x, POINTS), 0.2);
    desc.repetitions = 0;
    CHECK_OK(itd_nll(&den, l->x, 1, &desc, &result, nll_x, error_x));
    CHECK(isnan(result.std_error_data) && result.std_error > 0);
    CHECK(result.nll == nll_x[0] && fabs(result.std_error - error_x[0]) <= 1e-12);
}

static void check_points(const mixture *m, const float *x, size_t n)
{
    itd_denoiser den = mixture_denoiser(m);
    itd_nll_desc desc = wide();
    itd_nll_result result;
    desc.draws = 1000;
    CHECK_OK(itd_nll(&den, x, n, &desc, &result, nll_x, error_x));
    CHECK_CLOSE(result.nll, true_mean(m, x, n), 4 * result.std_error + 1e-4 * (1 + fabs(result.nll)));
    CHECK(result.std_error < 0.1);
}

/* Points without any spread of their own, all alike, on a line, or fewer than dimensions: the Gaussian
 * fitted to them is no good as a reference, but the answer has to be right all the same. */
static void points_without_spread(void)
{
    const law *plane = &laws[MIXTURE], *space = &laws[MIXTURE + 6];
    itd_gaussian *none = NULL;
    for (size_t i = 0; i < 2 * POINTS; i++) x_many[i] = plane->x[i % 2];
    CHECK(itd_gaussian_fit(x_many, POINTS, 2, &none) == ITD_ERROR_DATA && !none);
    itd_gaussian_free(none);
    check_points(&plane->m, x_many, POINTS);
    check_points(&plane->m, x_many, 4);
    for (size_t i = 0; i < POINTS; i++) x_many[2 * i] = plane->x[2 * i], x_many[2 * i + 1] = 0.25f;
    check_points(&plane->m, x_many, POINTS);
    check_points(&space->m, space->x, 12);
}

static void flat_coordinate_of_few_points(void)
{
    const law *space = &laws[MIXTURE + 6];
    for (size_t i = 0; i < 20 * MOST; i++) x_many[i] = i % MOST == 3 ? 0.25f : space->x[i];
    check_points(&space->m, x_many, 20);
}

/* ---- denoisers that are special ---- */

typedef struct wrapper { /* around the best denoiser */
    itd_denoiser inner;
    size_t rows, calls, limit; /* calls after which it fails; 0: never */
    itd_result failure;
    double factor;   /* on eps_hat */
    size_t poisoned; /* the row, counted from 1, that comes out as `poison` */
    float poison;
} wrapper;

static itd_result wrapper_predict(void *ctx, const float *z, const float *logsnr, size_t n, float *eps_hat)
{
    wrapper *w = (wrapper *)ctx;
    size_t d = w->inner.dim;
    itd_result result;
    if (w->limit && w->calls == w->limit) return w->failure;
    result = w->inner.predict(w->inner.ctx, z, logsnr, n, eps_hat);
    for (size_t i = 0; i < n * d; i++) eps_hat[i] = (float)(w->factor * eps_hat[i]);
    if (w->poisoned > w->rows && w->poisoned <= w->rows + n)
        eps_hat[(w->poisoned - w->rows) * d - 1] = w->poison;
    w->calls++, w->rows += n;
    return result;
}

static itd_denoiser wrapped(wrapper *w, const mixture *m)
{
    itd_denoiser den;
    memset(w, 0, sizeof *w);
    w->inner = den = mixture_denoiser(m);
    w->factor = 1;
    w->failure = ITD_ERROR_CALLBACK;
    den.ctx = w, den.predict = wrapper_predict;
    return den;
}

static void evaluations_are_counted(void)
{
    static const size_t draws[] = {1, 2, 3, 4, 7, 19, 20, 21, 22, 23, 25, 39, 40, 57, 100, 150},
                        points[] = {1, 3, 13, 60, 450};
    for (size_t i = 0; i < sizeof draws / sizeof *draws; i++)
        for (size_t k = 0; k < sizeof points / sizeof *points; k++)
            for (int option = 0; option < 8; option++) {
                wrapper w;
                itd_denoiser den = wrapped(&w, &laws[CORRELATED].m);
                itd_nll_desc desc = wide();
                itd_nll_result result;
                desc.draws = draws[i], desc.allocate = option % 2 != 0;
                desc.repetitions = option % 4 >= 2 ? 2 : 0;
                if (desc.draws < (desc.allocate ? 3 : desc.repetitions)) continue; /* refused */
                CHECK_OK(
                    itd_nll(&den, x_many, points[k], &desc, &result, NULL, option >= 4 ? error_x : NULL));
                CHECK(result.evaluations == w.rows);
                CHECK(result.evaluations >= points[k]);
                if (!CHECK(result.evaluations <= points[k] * draws[i]))
                    printf("    %lu evaluations for %lu points, %lu draws\n",
                           (unsigned long)result.evaluations, (unsigned long)points[k],
                           (unsigned long)draws[i]);
            }
}

static void defaults_are_the_documented_ones(void)
{
    itd_nll_desc d = itd_nll_desc_default();
    CHECK(d.draws == 100 && d.repetitions == 0 && d.seed == 1 && d.cancel && d.batch == 1024);
    CHECK(d.stratified && d.allocate && !d.shared_noise && d.reference == NULL);
    CHECK_CLOSE(d.schedule.loc, 0, 0);
    CHECK_CLOSE(d.schedule.scale, 3, 0);
    CHECK_CLOSE(d.schedule.clip, 4, 0);
}

/* By hand. An eighth of all draws is for the pilot, but at most 8192, and none if that is below 64; it takes
 * as many as divide evenly among its bins, one for 24, at most 32. The others are divided into so many
 * repetitions that n points have 30 degrees of freedom, or more if they cost no length. */
static void evaluations_are_divided_as_described(void)
{
    static const struct {
        size_t points, draws, pilot, repetitions, length;
        bool single;
    } cases[] = {
        {1, 19, 0, 19, 1, false}, /* 31 would be right */
        {1, 45, 0, 45, 1, false},      {1, 150, 0, 37, 4, false},
        {1, 1000, 125, 31, 28, false},                                  /* 5 bins of 25; 875 are left */
        {13, 57, 90, 4, 12, false},                                     /* 92: 3 bins of 30; 49 are left */
        {60, 3, 0, 3, 1, false},       {60, 22, 162, 2, 9, false},      /* 165: 6 bins of 27; 19 are left */
        {60, 100, 744, 2, 43, false},                                   /* 750: 31 bins of 24; 87 are left */
        {60, 100, 744, 17, 5, true},   {60, 2000, 8192, 2, 931, false}, /* 32 bins of 256; 1863 are left */
        {600, 3, 225, 2, 1, false},                                     /* 9 bins of 25 */
        {600, 4, 300, 3, 1, false}};                                    /* 12 bins of 25 */
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        wrapper w;
        itd_denoiser den = wrapped(&w, plane_mixture());
        itd_nll_desc desc = wide();
        itd_nll_result result;
        size_t n = cases[k].points, expected = cases[k].pilot + n * cases[k].repetitions * cases[k].length;
        desc.draws = cases[k].draws;
        CHECK_OK(itd_nll(&den, x_many, n, &desc, &result, NULL, cases[k].single ? error_x : NULL));
        if (!CHECK(result.evaluations == expected))
            printf("    %lu evaluations for %lu points, %lu draws; %lu expected\n",
                   (unsigned long)result.evaluations, (unsigned long)n, (unsigned long)cases[k].draws,
                   (unsigned long)expected);
        CHECK(result.degrees <= (double)(n * (cases[k].repetitions - 1)));
        if (n == 1) CHECK_CLOSE(result.degrees, (double)cases[k].repetitions - 1, 0);
    }
}

/* E |eps_hat*|^2 at one log SNR, by drawing from the mixture. */
static double prediction_energy(const mixture *m, const float *x, size_t n, double logsnr, itd_rng *rng)
{
    itd_denoiser den = mixture_denoiser(m);
    double sum = 0, s = sqrt(itd_sigmoid(logsnr)), r = sqrt(itd_sigmoid(-logsnr));
    float a = (float)logsnr, z[MOST], eps_hat[MOST];
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < den.dim; j++) z[j] = (float)(s * x[i * den.dim + j] + r * itd_rng_normal(rng));
        CHECK_OK(den.predict(den.ctx, z, &a, 1, eps_hat));
        for (size_t j = 0; j < den.dim; j++) sum += (double)eps_hat[j] * eps_hat[j];
    }
    return sum / (double)n;
}

/* eps_hat = 0.95 eps_hat*: the excess over the truth is 1/2 Integral of 0.05^2 E|eps_hat*|^2, here by the
 * midpoint rule. The estimate of the excess on the same noise as the optimum's has its own error, over
 * points. */
static void bad_denoisers_pay_the_predicted_price(void)
{
    enum { STEPS = 60 };
    const mixture *m = plane_mixture();
    itd_denoiser best = mixture_denoiser(m), bad;
    itd_nll_desc desc = wide();
    itd_nll_result good, worse;
    wrapper w;
    itd_rng rng = itd_rng_make(3, 0);
    double predicted = 0, mean = 0, square = 0, error, h = 30.0 / STEPS;
    mixture_sample(m, &rng, MANY, x_many);
    for (size_t k = 0; k < STEPS; k++)
        predicted += 0.5 * h * 0.0025 * prediction_energy(m, x_many, MANY, -14 + h * ((double)k + 0.5), &rng);
    bad = wrapped(&w, m);
    w.factor = 0.95;
    desc.draws = 40;
    desc.allocate = false; /* no pilot: both runs draw alike */
    CHECK_OK(itd_nll(&best, x_many, MANY, &desc, &good, nll_x, NULL));
    CHECK_OK(itd_nll(&bad, x_many, MANY, &desc, &worse, other_x, NULL));
    for (size_t i = 0; i < MANY; i++) mean += (other_x[i] - nll_x[i]) / MANY;
    for (size_t i = 0; i < MANY; i++)
        square += (other_x[i] - nll_x[i] - mean) * (other_x[i] - nll_x[i] - mean);
    error = sqrt(square) / MANY;
    CHECK_CLOSE(mean, worse.nll - good.nll, 1e-10);
    CHECK_CLOSE(mean, predicted, 4 * error);
    CHECK(mean > 10 * error);
}

/* ---- the table ---- */

/* What itd_nll returns is the sum over the table by hand: each point's repetitions, their mean and spread. */
static void tables_add_up_to_the_result(void)
{
    const law *l = &laws[MIXTURE + 3];
    itd_denoiser den = mixture_denoiser(&l->m);
    itd_nll_desc desc = wide();
    itd_nll_result direct, reduced;
    itd_draws *t;
    double mean = 0, variance = 0;
    desc.repetitions = 4, desc.draws = 60;
    CHECK_OK(itd_nll(&den, l->x, POINTS, &desc, &direct, nll_x, error_x));
    if (!CHECK_OK(itd_measure(&den, 1, l->x, POINTS, &desc, &t))) return;
    CHECK(t->n == POINTS && t->denoisers == 1 && t->repetitions == 4 && t->length == 13);
    CHECK(t->count == POINTS * 52 && t->evaluations == direct.evaluations);
    for (size_t i = 0, k = 0; i < POINTS; i++) {
        double value[4] = {0}, own = 0, square = 0;
        for (size_t r = 0; r < 4; r++)
            for (size_t j = 0; j < 13; j++, k++) {
                value[r] += 0.5 * t->weight[k] * (t->error[k] - t->reference[k]) / 13;
                CHECK(t->point[k] == i && t->repetition[k] == r);
                CHECK_CLOSE(t->logsnr[k], itd_schedule_quantile(&desc.schedule, t->quantile[k]), 1e-5);
                CHECK_CLOSE(t->expected[k], itd_gaussian_mse(&t->gaussian, l->x + 3 * i, t->logsnr[k]), 1e-9);
            }
        for (size_t r = 0; r < 4; r++) own += value[r] / 4;
        for (size_t r = 0; r < 4; r++) square += (value[r] - own) * (value[r] - own) / 3;
        CHECK_CLOSE(nll_x[i], t->nll_reference[i] + own, 1e-10);
        CHECK_CLOSE(error_x[i], sqrt(square / 4), 1e-10);
        CHECK_CLOSE(t->nll_reference[i], itd_gaussian_nll(&t->gaussian, l->x + 3 * i), 1e-9);
        mean += nll_x[i] / POINTS, variance += square / 4 / POINTS / POINTS;
    }
    CHECK_CLOSE(direct.nll, mean, 1e-10);
    CHECK_CLOSE(direct.std_error, sqrt(variance), 1e-10);
    CHECK(direct.degrees > 20 && direct.degrees <= 3 * POINTS);
    CHECK_OK(itd_draws_nll(t, 0, &reduced, other_x, NULL));
    CHECK(memcmp(&reduced, &direct, sizeof direct) == 0);
    CHECK(memcmp(other_x, nll_x, POINTS * sizeof *nll_x) == 0);
    CHECK(itd_draws_nll(t, 1, &reduced, NULL, NULL) == ITD_ERROR_ARGUMENT);
    itd_draws_free(t);
    itd_draws_free(NULL);
}

/* However many points are in a table at a time. */
static void results_do_not_depend_on_the_table(void)
{
    static const size_t sizes[] = {1, 7, 59, 60};
    for (int shared = 0; shared < 2; shared++)
        for (size_t k = 0; k < 4; k++) {
            const law *l = &laws[MIXTURE + 3];
            itd_denoiser den = mixture_denoiser(&l->m);
            itd__measurement m;
            itd_draws description;
            itd_nll_result whole, parts;
            itd_nll_desc desc = wide();
            memset(&m, 0, sizeof m), memset(&description, 0, sizeof description);
            desc.shared_noise = shared != 0;
            CHECK_OK(itd_nll(&den, l->x, POINTS, &desc, &whole, nll_x, NULL));
            CHECK_OK(itd__measurement_begin(&den, 1, l->x, POINTS, &desc, false, &m));
            double *value = ref_doubles(2 * POINTS + m.repetitions);
            CHECK_OK(itd__integrate_points(&m, sizes[k], value));
            description.desc = m.desc, description.n = POINTS, description.repetitions = m.repetitions;
            description.evaluations = whole.evaluations;
            CHECK_OK(itd__summarize(&description, value, &parts, other_x, NULL));
            CHECK(memcmp(&whole, &parts, sizeof whole) == 0);
            CHECK(memcmp(nll_x, other_x, POINTS * sizeof *nll_x) == 0);
            free(value), itd__measurement_end(&m);
        }
}

/* As the chapter on the estimator says: start is -log q(x), f compares the two columns of the table. */
static void any_density_can_be_the_reference(void)
{
    enum { N = 20 };
    const law *p = &laws[CORRELATED];
    const mixture *q = plane_mixture();
    const itd_denoiser den[2] = {mixture_denoiser(&p->m), mixture_denoiser(q)};
    itd_nll_desc desc = wide();
    itd_nll_result result;
    itd_draws *draws;
    double start[N];
    desc.draws = 400, desc.repetitions = 16;
    if (!CHECK_OK(itd_measure(den, 2, p->x, N, &desc, &draws))) return;
    double *f = ref_doubles(draws->count);
    for (size_t i = 0; i < N; i++) start[i] = mixture_nll(q, p->x + 2 * i);
    for (size_t i = 0; i < draws->count; i++)
        f[i] = draws->weight[i] * (draws->error[2 * i] - draws->error[2 * i + 1]);
    CHECK_OK(itd_draws_integral(draws, start, f, &result, nll_x, error_x));
    for (size_t i = 0; i < N; i++)
        CHECK_CLOSE(nll_x[i], mixture_nll(&p->m, p->x + 2 * i), 6 * error_x[i] + 1e-3);
    CHECK_CLOSE(result.nll, true_mean(&p->m, p->x, N), 5 * result.std_error + 1e-3);
    CHECK(fabs(result.nll - true_mean(q, p->x, N)) > 0.1);
    itd_draws_free(draws), free(f);
}

/* Also where the reference's eigenvectors are applied to many rows at once. */
static void results_of_many_dimensions_do_not_depend_on_the_batch(void)
{
    enum { D = 80, ROWS = 23 };
    static const size_t batches[] = {1, 5, 16, 1000};
    float *x = ref_normals(ROWS * D, 1), *many = ref_normals(200 * D, 1);
    itd_gaussian *g, *other;
    itd_nll_result first, result;
    CHECK_OK(itd_gaussian_fit(many, 200, D, &g));
    CHECK_OK(itd_gaussian_fit(many + 40 * D, 100, D, &other));
    itd_denoiser den = itd_gaussian_denoiser(other);
    itd_nll_desc desc = wide();
    desc.reference = g, desc.draws = 20;
    CHECK_OK(itd_nll(&den, x, ROWS, &desc, &first, nll_x, NULL));
    for (size_t i = 0; i < 4; i++) {
        desc.batch = batches[i];
        CHECK_OK(itd_nll(&den, x, ROWS, &desc, &result, other_x, NULL));
        CHECK(memcmp(&result, &first, sizeof first) == 0);
        CHECK(memcmp(nll_x, other_x, ROWS * sizeof *nll_x) == 0);
    }
    itd_gaussian_free(g), itd_gaussian_free(other), free(x), free(many);
}

/* Each denoiser's column is what it has alone, if it is the first one's pilot that both use. */
static void denoisers_share_their_draws(void)
{
    const law *l = &laws[MIXTURE];
    wrapper w;
    itd_denoiser den[2] = {mixture_denoiser(&l->m), wrapped(&w, &l->m)};
    itd_nll_desc desc = wide();
    itd_nll_result single, both;
    itd_draws *t;
    w.factor = 0.9, desc.allocate = false;
    if (!CHECK_OK(itd_measure(den, 2, l->x, POINTS, &desc, &t))) return;
    CHECK(t->evaluations == t->count && w.rows == t->count);
    for (size_t k = 0; k < 2; k++) {
        CHECK_OK(itd_draws_nll(t, k, &both, nll_x, error_x));
        CHECK_OK(itd_nll(&den[k], l->x, POINTS, &desc, &single, other_x, NULL));
        CHECK(memcmp(&single, &both, sizeof both) == 0);
        CHECK(memcmp(nll_x, other_x, POINTS * sizeof *nll_x) == 0);
    }
    itd_draws_free(t);
}

static void curves_of_tables_are_the_errors(void)
{
    enum { BINS = 12 };
    const mixture *m = &laws[CORRELATED].m;
    itd_denoiser den = mixture_denoiser(m);
    itd_rng rng = itd_rng_make(41, 0);
    itd_nll_desc desc = wide();
    double logsnr[BINS], mse[BINS], error[BINS], reference[BINS], again[BINS];
    itd_draws *t;
    mixture_sample(m, &rng, MANY, x_many);
    desc.draws = 12;
    if (!CHECK_OK(itd_measure(&den, 1, x_many, MANY, &desc, &t))) return;
    CHECK_OK(itd_draws_curve(t, 0, BINS, logsnr, mse, error, reference));
    CHECK_OK(itd_draws_curve(t, 0, BINS, NULL, again, NULL, NULL));
    CHECK(memcmp(mse, again, sizeof mse) == 0);
    for (size_t b = 0; b < BINS; b++) { /* the mean over log SNRs of the bin, by the midpoint rule */
        double low = itd_schedule_quantile(&desc.schedule, (double)b / BINS), truth = 0;
        double high = itd_schedule_quantile(&desc.schedule, (double)(b + 1) / BINS);
        for (int k = 0; k < 100; k++)
            truth += itd_gaussian_mmse(&m->part[0], low + (high - low) * (k + 0.5) / 100) / 100;
        CHECK_CLOSE(mse[b], truth, 4 * error[b]);
        CHECK_CLOSE(reference[b], truth, 4 * error[b]);
        CHECK(error[b] > 0 && error[b] < 0.1);
        CHECK_CLOSE(logsnr[b], itd_schedule_quantile(&desc.schedule, ((double)b + 0.5) / BINS), 1e-12);
    }
    CHECK(itd_draws_curve(t, 1, BINS, logsnr, mse, error, reference) == ITD_ERROR_ARGUMENT);
    CHECK(itd_draws_curve(t, 0, 0, logsnr, mse, error, reference) == ITD_ERROR_ARGUMENT);
    itd_draws_free(t);
    desc.draws = 1, desc.allocate = false;
    if (!CHECK_OK(itd_measure(&den, 1, x_many, 1, &desc, &t))) return;
    CHECK_OK(itd_draws_curve(t, 0, 2, NULL, mse, error, NULL));
    CHECK(isnan(mse[0]) != isnan(mse[1]) && isnan(error[0]) && isnan(error[1]));
    itd_draws_free(t);
}

/* ---- maps ---- */

enum { MOST_COLUMNS = 50, MOST_ROWS = 400 };

/* Columns of correlation rho with each other, of scales from 1e-6 to 1e6, ten scales off zero. */
static void make_table(size_t n, size_t d, double rho, float *x)
{
    for (size_t i = 0; i < n; i++) {
        double common = ref_normal();
        for (size_t j = 0; j < d; j++) {
            double scale = pow(10, d > 1 ? 12.0 * (double)j / (double)(d - 1) - 6 : 0);
            x[i * d + j] = (float)(scale * (10 + sqrt(rho) * common + sqrt(1 - rho) * ref_normal()));
        }
    }
}

/* -log N(x; m, (W'W)^-1) by the model's W and m, in double: |W (x - m)|^2, and the determinant by
 * elimination. */
static void map_nll(const itd_model *model, const float *x, size_t n, double *nll)
{
    size_t d = model->dim;
    double *a = ref_doubles(d * d), log_det = 0;
    memcpy(a, model->whiten, d * d * sizeof *a);
    for (size_t k = 0; k < d;
         k++) { /* W is nearly diagonal but for the columns' scales: no pivots are needed */
        log_det += log(fabs(a[k * d + k]));
        for (size_t i = k + 1; i < d; i++) {
            double factor = a[i * d + k] / a[k * d + k];
            for (size_t j = k; j < d; j++) a[i * d + j] -= factor * a[k * d + j];
        }
    }
    for (size_t i = 0; i < n; i++) {
        nll[i] = 0.5 * (double)d * log(2 * REF_PI) - log_det;
        for (size_t j = 0; j < d; j++) {
            double y = 0;
            for (size_t k = 0; k < d; k++) y += model->whiten[j * d + k] * (x[i * d + k] - model->mean[k]);
            nll[i] += 0.5 * y * y;
        }
    }
    free(a);
}

static itd_model *untrained(const float *x, size_t n, size_t d)
{
    itd_model_desc md = itd_model_desc_default(d);
    itd_model *model = NULL;
    md.mlp.hidden = 8, md.mlp.embedding = 4, md.mlp.directions = 4;
    CHECK_OK(itd_model_create(&md, 1, &model));
    CHECK_OK(itd_model_fit(model, x, n));
    return model;
}

/* Tables of 1 to 50 columns, also with fewer rows than columns: a model that has learned nothing is the
 * Gaussian of its map to 1e-4 nats, draw by draw; and with N(m, 2 Sigma) as the reference, within the error
 * bars. */
static void untrained_models_are_their_gaussians(void)
{
    static const struct {
        size_t n, d;
        double rho;
    } tables[] = {{400, 1, 0}, {400, 2, 0.9}, {400, 7, 0.999}, {400, 50, 0.999}, {30, 50, 0.5}};
    static float x[MOST_ROWS * MOST_COLUMNS];
    static double truth[MOST_ROWS];
    ref_seed(77);
    for (size_t k = 0; k < sizeof tables / sizeof *tables; k++) {
        size_t n = tables[k].n, d = tables[k].d, few = 30;
        make_table(n, d, tables[k].rho, x);
        itd_model *model = untrained(x, n, d);
        itd_denoiser den = itd_model_denoiser(model);
        itd_nll_desc desc = itd_model_nll_desc(model);
        itd_nll_result result;
        double mean = 0;
        map_nll(model, x, few, truth);
        for (size_t i = 0; i < few; i++) mean += truth[i] / (double)few;
        CHECK_OK(itd_nll(&den, x, few, &desc, &result, nll_x, error_x));
        for (size_t i = 0; i < few; i++) CHECK_CLOSE(nll_x[i], truth[i], 1e-4);
        CHECK_CLOSE(result.nll, mean, 1e-4);
        CHECK(result.std_error < 1e-4);

        itd_gaussian twice = *model->gaussian;
        twice.lambda = ref_doubles(d);
        for (size_t j = 0; j < d; j++) twice.lambda[j] = 2 * model->gaussian->lambda[j];
        desc.reference = &twice, desc.draws = 200, desc.schedule.clip = 6;
        CHECK_OK(itd_nll(&den, x, few, &desc, &result, nll_x, error_x));
        CHECK_CLOSE(result.nll, mean, 4 * result.std_error);
        CHECK(result.std_error > 1e-4 && result.std_error < 0.05 * (double)d);
        free(twice.lambda), itd_model_free(model);
    }
}

/* ---- numbers that must not come out ---- */

/* A direction of the reference that is narrower than the least noise is widened: no 1e12 nats, but the
 * truth. */
static void narrow_references_are_widened(void)
{
    static const double narrow[] = {1e-4, 1e-12, 1e-300};
    const law *l = &laws[MIXTURE];
    itd_denoiser den = mixture_denoiser(&l->m);
    for (size_t k = 0; k < 3; k++) {
        double mean[2] = {0.3, -0.3}, variance[2] = {1, narrow[k]};
        const itd_gaussian reference = {2, mean, variance, NULL, NULL};
        itd_nll_desc desc = wide(); /* up to 16, where the noise has a deviation of 3.4e-4 */
        itd_nll_result result;
        itd_draws *t;
        desc.reference = &reference, desc.draws = 2000;
        CHECK_OK(itd_nll(&den, l->x, 20, &desc, &result, nll_x, NULL));
        CHECK_CLOSE(result.nll, true_mean(&l->m, l->x, 20), 4 * result.std_error + 0.01);
        CHECK(result.std_error < 20);
        if (!CHECK_OK(itd_measure(&den, 1, l->x, 20, &desc, &t))) return;
        CHECK_CLOSE(t->gaussian.lambda[0], 1, 0);
        CHECK_CLOSE(t->gaussian.lambda[1], 1e4 * exp(-16), 1e-9);
        CHECK(variance[1] == narrow[k]); /* the caller's is left alone */
        itd_draws_free(t);
    }
}

/* Far out a Gaussian's likelihood is still a number, to the precision of floats; where it cannot be, none
 * comes out. */
static void far_points_have_a_likelihood_or_none(void)
{
    static const double far[] = {1e2, 1e4, 1e8, 1e15, 1e30, 3e38};
    double mean[2] = {1, 2}, variance[2] = {1, 4};
    const itd_gaussian g = {2, mean, variance, NULL, NULL};
    itd_denoiser den = itd_gaussian_denoiser(&g);
    for (size_t k = 0; k < sizeof far / sizeof *far; k++) {
        float x[2] = {(float)far[k], 0};
        itd_nll_desc desc = wide();
        itd_nll_result result = {-7, -7, -7, -7, 0};
        desc.reference = &g;
        itd_result code = itd_nll(&den, x, 1, &desc, &result, NULL, NULL);
        if (code == ITD_OK) CHECK_CLOSE(result.nll / itd_gaussian_nll(&g, x), 1, 1e-4);
        else CHECK((code == ITD_ERROR_NUMERIC || code == ITD_ERROR_DATA) && result.nll == -7);
        if (far[k] <= 1e15) CHECK(code == ITD_OK);
    }
}

/* Every refusal says which field is to blame, and what it says nothing about is accepted. */
static void check_problem(const itd_denoiser *den, size_t k, size_t n, const itd_nll_desc *desc,
                          const char *field)
{
    const char *problem = itd_nll_problem(den, k, n, desc);
    itd_draws *t = NULL;
    itd_result code = itd_measure(den, k, laws[MIXTURE].x, n, desc, &t);
    CHECK((code == ITD_OK) == (field == NULL));
    CHECK(code == ITD_OK || (code == ITD_ERROR_ARGUMENT && t == NULL));
    if (!field) CHECK(problem == NULL);
    else if (!CHECK(problem && strncmp(problem, field, strlen(field)) == 0 && problem[strlen(field)] == ':'))
        printf("    %s expected, found %s\n", field, problem ? problem : "none");
    itd_draws_free(t);
}

static void problems_name_the_field(void)
{
    static const double two[4] = {2, 2, 0, 2}, half[4] = {0.5, 0.5, 0, 0.5}, zero[2] = {1, 0};
    double mean[2] = {0, 0}, lambda[2] = {1, 1};
    itd_gaussian g = {2, mean, lambda, NULL, NULL};
    itd_denoiser den[2] = {mixture_denoiser(plane_mixture()), mixture_denoiser(plane_mixture())},
                 good = den[0];
    itd_nll_desc desc = wide(), bad = desc;
    check_problem(den, 2, 5, &desc, NULL);
    check_problem(den, 0, 5, &desc, "k");
    check_problem(den, 1, 0, &desc, "n");
    den[0].dim = 0, check_problem(den, 1, 5, &desc, "dim"), den[0] = good;
    den[1].dim = 3, check_problem(den, 2, 5, &desc, "dim"), den[1] = good;
    den[0].predict = NULL, check_problem(den, 1, 5, &desc, "predict"), den[0] = good;
    den[1].mean = two, check_problem(den, 2, 5, &desc, "mean"), den[1] = good;
    den[1].scale = two, check_problem(den, 2, 5, &desc, "scale"), den[1] = good;
    den[0].scale = two, check_problem(den, 1, 5, &desc, "log_det"), den[0] = good;
    den[0].scale = zero, check_problem(den, 1, 5, &desc, "scale"), den[0] = good;
    den[0].log_det = NAN, check_problem(den, 1, 5, &desc, "log_det"), den[0] = good;
    den[0].whiten = half, check_problem(den, 1, 5, &desc, "color"), den[0] = good;
    den[1].whiten = half, den[1].color = two, check_problem(den, 2, 5, &desc, "whiten"), den[1] = good;
    bad.draws = 0, check_problem(den, 1, 5, &bad, "draws");
    bad.draws = 2, check_problem(den, 1, 5, &bad, "draws");
    bad.draws = 3, check_problem(den, 1, 5, &bad, NULL);
    bad.allocate = false, bad.draws = 1, check_problem(den, 1, 5, &bad, NULL);
    bad.repetitions = 2, check_problem(den, 1, 5, &bad, "draws");
    bad.draws = 2, check_problem(den, 1, 5, &bad, NULL);
    bad.allocate = true, check_problem(den, 1, 5, &bad, "draws");
    bad.repetitions = SIZE_MAX, check_problem(den, 1, 5, &bad, "draws"), bad = desc;
    bad.schedule.loc = INFINITY, check_problem(den, 1, 5, &bad, "schedule.loc"), bad = desc;
    bad.schedule.scale = 0, check_problem(den, 1, 5, &bad, "schedule.scale"), bad = desc;
    bad.schedule.clip = NAN, check_problem(den, 1, 5, &bad, "schedule.clip"), bad = desc;
    bad.reference = &g, check_problem(den, 1, 5, &bad, NULL);
    lambda[1] = 0, check_problem(den, 1, 5, &bad, "reference"), lambda[1] = 1;
    mean[0] = NAN, check_problem(den, 1, 5, &bad, "reference");
    mean[0] = -INFINITY, check_problem(den, 1, 5, &bad, "reference"), mean[0] = 0;
    g.dim = 1, check_problem(den, 1, 5, &bad, "reference");
}

/* ---- failures ---- */

/* The call fails with this code and leaves what it would have written alone. */
static void check_refused(const itd_denoiser *den, const float *x, size_t n, const itd_nll_desc *desc,
                          itd_result expected)
{
    itd_nll_result result;
    unsigned char before[sizeof result];
    double values[POINTS], errors[POINTS];
    memset(&result, 0x5a, sizeof result);
    memcpy(before, &result, sizeof result);
    for (size_t i = 0; i < POINTS; i++) values[i] = errors[i] = -7;
    CHECK(itd_nll(den, x, n, desc, &result, values, errors) == expected);
    CHECK(memcmp(before, &result, sizeof result) == 0);
    for (size_t i = 0; i < POINTS; i++) CHECK(values[i] == -7 && errors[i] == -7);
}

static void failures_of_the_denoiser(void)
{
    static const itd_result failures[] = {ITD_ERROR_CALLBACK, ITD_ERROR_MEMORY, ITD_ERROR_DATA};
    static const size_t limits[] = {1, 2, 20}; /* in the pilot, at its end, in the replicates */
    const float poisons[] = {NAN, INFINITY, -INFINITY};
    itd_nll_desc desc = wide();
    desc.batch = 64;
    for (size_t i = 0; i < 3; i++) {
        wrapper w;
        itd_denoiser den = wrapped(&w, plane_mixture());
        w.limit = limits[i], w.failure = failures[i];
        check_refused(&den, laws[MIXTURE].x, POINTS, &desc, failures[i]);
        CHECK(w.calls == limits[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        static const size_t rows[] = {1, 750, 4000};
        wrapper w;
        itd_denoiser den = wrapped(&w, plane_mixture());
        w.poisoned = rows[i], w.poison = poisons[i];
        check_refused(&den, laws[MIXTURE].x, POINTS, &desc, ITD_ERROR_NUMERIC);
    }
}

static void bad_arguments(void)
{
    const float *x = laws[MIXTURE].x;
    itd_denoiser den = mixture_denoiser(plane_mixture()), flat = den;
    itd_nll_desc desc = wide(), bad = desc;
    flat.dim = 0;
    check_refused(&den, x, 0, &desc, ITD_ERROR_ARGUMENT);
    check_refused(&flat, x, POINTS, &desc, ITD_ERROR_ARGUMENT);
    bad.draws = 0, check_refused(&den, x, POINTS, &bad, ITD_ERROR_ARGUMENT), bad = desc;
    bad.schedule.scale = 0, check_refused(&den, x, POINTS, &bad, ITD_ERROR_ARGUMENT), bad = desc;
    bad.schedule.scale = -1, check_refused(&den, x, POINTS, &bad, ITD_ERROR_ARGUMENT), bad = desc;
    bad.schedule.scale = NAN, check_refused(&den, x, POINTS, &bad, ITD_ERROR_ARGUMENT), bad = desc;
    bad.schedule.clip = 0, check_refused(&den, x, POINTS, &bad, ITD_ERROR_ARGUMENT), bad = desc;
    bad.schedule.clip = NAN, check_refused(&den, x, POINTS, &bad, ITD_ERROR_ARGUMENT), bad = desc;
    bad.schedule.loc = INFINITY, check_refused(&den, x, POINTS, &bad, ITD_ERROR_ARGUMENT), bad = desc;
    bad.schedule.loc = NAN, check_refused(&den, x, POINTS, &bad, ITD_ERROR_ARGUMENT), bad = desc;
    bad.reference = &laws[MIXTURE + 3].part[0]; /* of another dimension */
    check_refused(&den, x, POINTS, &bad, ITD_ERROR_ARGUMENT), bad = desc;
    bad.draws = SIZE_MAX, check_refused(&den, x, POINTS, &bad, ITD_ERROR_MEMORY);
    CHECK(itd_nll(&den, x, SIZE_MAX, &desc, NULL, NULL, NULL) == ITD_ERROR_MEMORY);
}

/* More rows per call than there are in all must change nothing, however many more. */
static void batch_larger_than_everything(void)
{
    static const size_t batches[] = {SIZE_MAX, SIZE_MAX - 2, SIZE_MAX / 2};
    for (size_t i = 0; i < 3; i++) {
        wrapper w;
        itd_denoiser den = wrapped(&w, plane_mixture());
        itd_nll_desc desc = wide();
        itd_nll_result small, large = {0};
        CHECK_OK(itd_nll(&den, laws[MIXTURE].x, POINTS, &desc, &small, NULL, NULL));
        w.limit = w.calls + 1000; /* or it might call forever */
        desc.batch = batches[i];
        CHECK_OK(itd_nll(&den, laws[MIXTURE].x, POINTS, &desc, &large, NULL, NULL));
        CHECK(large.nll == small.nll);
    }
}

static void bad_data(void)
{
    const float poisons[] = {NAN, INFINITY, -INFINITY};
    static const size_t places[] = {0, 7, 2 * POINTS - 1};
    static const double tiny[2] = {1e-300, 1};
    itd_denoiser den = mixture_denoiser(plane_mixture());
    itd_nll_desc desc = wide();
    for (size_t i = 0; i < 3; i++) {
        memcpy(x_many, laws[MIXTURE].x, 2 * POINTS * sizeof *x_many);
        x_many[places[i]] = poisons[i];
        check_refused(&den, x_many, POINTS, &desc, ITD_ERROR_DATA);
        desc = original(); /* also where no Gaussian is fitted */
        check_refused(&den, x_many, POINTS, &desc, ITD_ERROR_DATA);
    }
    desc = wide();
    den.scale = tiny, den.log_det = log(tiny[0]); /* finite, but no longer once normalized */
    check_refused(&den, laws[MIXTURE].x, POINTS, &desc, ITD_ERROR_DATA);
}

/* ---- the curve of the mean squared error ---- */

enum { CURVE = 15 };
static double curve_logsnr[CURVE];

static void make_curve(void)
{
    for (size_t k = 0; k < CURVE; k++) curve_logsnr[k] = -7 + (double)k;
}

static void curve_of_a_gaussian(void)
{
    for (size_t i = 0; i < LAWS; i += i % 3 == 0 ? 1 : 2) { /* the Gaussians, not the mixtures */
        const mixture *m = &laws[i].m;
        itd_denoiser den = mixture_denoiser(m);
        itd_rng rng = itd_rng_make(21, i);
        itd_gaussian *fitted;
        double mse[CURVE], error[CURVE], mmse[CURVE], plain[CURVE];
        mixture_sample(m, &rng, MANY, x_many);
        CHECK_OK(itd_gaussian_fit(x_many, MANY, den.dim, &fitted));
        CHECK_OK(itd_mse_curve(&den, x_many, MANY, curve_logsnr, CURVE, 1, mse, error, mmse));
        CHECK_OK(itd_mse_curve(&den, x_many, MANY, curve_logsnr, CURVE, 1, plain, NULL, NULL));
        CHECK(memcmp(mse, plain, sizeof mse) == 0);
        for (size_t k = 0; k < CURVE; k++) {
            double truth = itd_gaussian_mmse(&m->part[0], curve_logsnr[k]);
            CHECK_CLOSE(mse[k], truth, 4 * error[k]);
            CHECK(error[k] > 0 && error[k] < 0.05 * (double)den.dim);
            CHECK_CLOSE(mmse[k], itd_gaussian_mmse(fitted, curve_logsnr[k]), 1e-12 * (double)den.dim);
            CHECK_CLOSE(mmse[k], truth, 0.05 * (double)den.dim);
        }
        itd_gaussian_free(fitted);
    }
}

static void curve_error_bars_cover(void)
{
    enum { N = 200 };
    const mixture *m = &laws[CORRELATED + 3].m;
    itd_denoiser den = mixture_denoiser(m);
    itd_rng rng = itd_rng_make(22, 0);
    tally t[CURVE];
    memset(t, 0, sizeof t);
    for (size_t r = 0; r < REPEATS; r++) {
        double mse[CURVE], error[CURVE];
        mixture_sample(m, &rng, N, x_many);
        CHECK_OK(itd_mse_curve(&den, x_many, N, curve_logsnr, CURVE, r, mse, error, NULL));
        for (size_t k = 0; k < CURVE; k++)
            tally_add(&t[k], mse[k], error[k], N - 1, itd_gaussian_mmse(&m->part[0], curve_logsnr[k]));
    }
    for (size_t k = 0; k < CURVE; k++) CHECK(tally_coverage(&t[k]) >= 0.90 && tally_coverage(&t[k]) <= 0.99);
}

/* Of points at -10 and 10 and log SNR 0, it tells the noise from z, and is wrong by one. */
static itd_result off_by_one_predict(void *ctx, const float *z, const float *logsnr, size_t n, float *eps_hat)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++) {
        double signal = sqrt(itd_sigmoid(logsnr[i])), noise = sqrt(itd_sigmoid(-logsnr[i]));
        eps_hat[i] = (float)((z[i] - signal * (z[i] > 0 ? 10 : -10)) / noise + 1);
    }
    return ITD_OK;
}

/* More points than are taken at a time: every error is one, and so is their mean if each counts once. */
static void curve_counts_every_point_once(void)
{
    enum { TWICE = 1500 };
    static float two[TWICE];
    double logsnr = 0, mse, error;
    itd_denoiser den = {NULL, 1, off_by_one_predict, NULL, NULL, NULL, NULL, 0};
    for (size_t i = 0; i < TWICE; i++) two[i] = i % 3 ? 10 : -10;
    CHECK_OK(itd_mse_curve(&den, two, TWICE, &logsnr, 1, 1, &mse, &error, NULL));
    CHECK_CLOSE(mse, 1, 1e-5);
    CHECK(error < 1e-6);
}

static void curve_refuses(void)
{
    wrapper w;
    itd_denoiser den = wrapped(&w, plane_mixture());
    const float *x = laws[MIXTURE].x;
    double mse[CURVE], error[CURVE], mmse[CURVE];
    for (size_t k = 0; k < CURVE; k++) mse[k] = error[k] = mmse[k] = -7;
    CHECK(itd_mse_curve(&den, x, 0, curve_logsnr, CURVE, 1, mse, error, mmse) == ITD_ERROR_ARGUMENT);
    memcpy(x_many, x, 2 * POINTS * sizeof *x);
    x_many[5] = NAN;
    CHECK(itd_mse_curve(&den, x_many, POINTS, curve_logsnr, CURVE, 1, mse, error, mmse) == ITD_ERROR_DATA);
    w.limit = 3;
    CHECK(itd_mse_curve(&den, x, POINTS, curve_logsnr, CURVE, 1, mse, error, mmse) == ITD_ERROR_CALLBACK);
    den = wrapped(&w, plane_mixture());
    w.poisoned = 5 * POINTS, w.poison = NAN;
    CHECK(itd_mse_curve(&den, x, POINTS, curve_logsnr, CURVE, 1, mse, error, mmse) == ITD_ERROR_NUMERIC);
    for (size_t k = 0; k < CURVE; k++) CHECK(mse[k] == -7 && error[k] == -7 && mmse[k] == -7);
    den = wrapped(&w, plane_mixture());
    CHECK_OK(itd_mse_curve(&den, x, 1, curve_logsnr, 1, 1, mse, error, mmse));
    CHECK(mse[0] >= 0 && isnan(error[0]));
}

/* ---- the score ---- */

/* log p_a(z) of the mixture behind the channel, straight from its definition and in double. */
static double noisy_log_density(const mixture *m, const double *z, double logsnr)
{
    double s = itd_sigmoid(logsnr), r = itd_sigmoid(-logsnr), density = 0;
    for (size_t k = 0; k < m->components; k++) {
        const itd_gaussian *g = &m->part[k];
        double log_p = log(m->weight[k]);
        for (size_t i = 0; i < g->dim; i++) {
            double y = 0, v = s * g->lambda[i] + r;
            for (size_t j = 0; j < g->dim; j++)
                y += g->vectors[i * g->dim + j] * (z[j] - sqrt(s) * g->mean[j]);
            log_p -= 0.5 * (log(2 * 3.14159265358979323846 * v) + y * y / v);
        }
        density += exp(log_p);
    }
    return log(density);
}

static void score_is_the_gradient(void)
{
    static const float logsnr[] = {-6, -2, -0.5f, 0.5f, 2, 4, 7};
    enum { LEVELS = sizeof logsnr / sizeof *logsnr, N = 8 };
    for (size_t i = 0; i < LAWS; i++) {
        const mixture *m = &laws[i].m;
        itd_denoiser den = mixture_denoiser(m);
        size_t d = den.dim;
        itd_rng rng = itd_rng_make(31, i);
        for (size_t l = 0; l < LEVELS; l++) {
            float eps[N * MOST], z[N * MOST], score[N * MOST], level[N];
            for (size_t k = 0; k < N; k++) level[k] = logsnr[l];
            itd_rng_normal_fill(&rng, N * d, eps);
            itd_channel(laws[i].x, eps, level, N, d, z);
            CHECK_OK(itd_score(&den, z, level, N, score));
            for (size_t k = 0; k < N * d; k++) {
                double at[MOST], h = 1e-4, up, down, slope;
                for (size_t j = 0; j < d; j++) at[j] = z[k / d * d + j];
                at[k % d] += h, up = noisy_log_density(m, at, level[0]);
                at[k % d] -= 2 * h, down = noisy_log_density(m, at, level[0]);
                slope = (up - down) / (2 * h);
                CHECK_CLOSE(score[k], slope, 2e-6 * (1 + fabs(slope)));
            }
        }
    }
}

static void score_passes_errors_on(void)
{
    wrapper w;
    itd_denoiser den = wrapped(&w, plane_mixture());
    float z[2] = {0, 0}, logsnr[1] = {0}, score[2] = {-7, -7};
    w.calls = w.limit = 1;
    CHECK(itd_score(&den, z, logsnr, 1, score) == ITD_ERROR_CALLBACK);
    CHECK(score[0] == -7 && score[1] == -7);
}

/* ---- the denoiser of blurred data ---- */

/* A mixture with v added to every variance is the mixture convolved with N(0, v I); their denoisers agree. */
static void blurred_denoiser_is_that_of_the_wider_mixture(void)
{
    enum { ROWS = 200 };
    static float z[ROWS * MOST], logsnr[ROWS], room_z[ROWS * MOST], room[ROWS], found[ROWS * MOST],
        right[ROWS * MOST];
    for (size_t k = MIXTURE; k < LAWS; k += 3) {
        const mixture *m = &laws[k].m;
        double lambda[PARTS][MOST];
        itd_gaussian part[PARTS];
        mixture wide_one = *m;
        blurred b = {mixture_denoiser(m), 0.3, room_z, room};
        itd_denoiser blurry = blurred_denoiser(&b), exact;
        itd_rng rng = itd_rng_make(5, k);
        double norm = 0, difference = 0;
        size_t d = blurry.dim;
        for (size_t p = 0; p < m->components; p++) {
            part[p] = m->part[p];
            part[p].lambda = lambda[p];
            for (size_t j = 0; j < d; j++) lambda[p][j] = m->part[p].lambda[j] + 0.3;
        }
        wide_one.part = part;
        exact = mixture_denoiser(&wide_one);
        itd_rng_normal_fill(&rng, ROWS * d, z);
        for (size_t i = 0; i < ROWS; i++) logsnr[i] = (float)(20 * itd_rng_uniform(&rng) - 8);
        CHECK_OK(blurry.predict(blurry.ctx, z, logsnr, ROWS, found));
        CHECK_OK(exact.predict(exact.ctx, z, logsnr, ROWS, right));
        for (size_t i = 0; i < ROWS * d; i++) {
            norm += (double)right[i] * right[i];
            difference += ((double)right[i] - found[i]) * ((double)right[i] - found[i]);
        }
        CHECK(norm > 1);
        CHECK(sqrt(difference / norm) <= 1e-5);
    }
}

int main(void)
{
    make_laws(), make_covered();
    make_curve();
    RUN(cut_tails_are_small);
    RUN(every_point_is_right);
    RUN(common_draws_are_common);
    RUN(original_estimator_is_right);
    RUN(student_quantiles_are_those_of_tables);
    RUN(error_bars_of_means_cover);
    RUN(error_bars_of_points_cover);
    RUN(error_bars_of_images_cover);
    RUN(error_bars_of_common_draws_cover);
    RUN(error_bars_of_the_original_cover);
    RUN(data_error_bars_cover);
    RUN(cancelling_helps);
    RUN(allocation_helps);
    RUN(strata_help);
    RUN(results_do_not_depend_on_the_batch);
    RUN(seeds_decide);
    RUN(mean_is_the_mean);
    RUN(units_are_the_callers);
    RUN(references_agree);
    RUN(one_draw_and_one_point);
    RUN(points_without_spread);
    RUN(flat_coordinate_of_few_points);
    mixture_sample(plane_mixture(), &(itd_rng){8, 0, 0}, 700, x_many);
    RUN(evaluations_are_counted);
    RUN(evaluations_are_divided_as_described);
    RUN(defaults_are_the_documented_ones);
    RUN(bad_denoisers_pay_the_predicted_price);
    RUN(tables_add_up_to_the_result);
    RUN(results_do_not_depend_on_the_table);
    RUN(any_density_can_be_the_reference);
    RUN(results_of_many_dimensions_do_not_depend_on_the_batch);
    RUN(denoisers_share_their_draws);
    RUN(curves_of_tables_are_the_errors);
    RUN(untrained_models_are_their_gaussians);
    RUN(narrow_references_are_widened);
    RUN(far_points_have_a_likelihood_or_none);
    RUN(problems_name_the_field);
    RUN(failures_of_the_denoiser);
    RUN(bad_arguments);
    RUN(batch_larger_than_everything);
    RUN(bad_data);
    RUN(curve_of_a_gaussian);
    RUN(curve_error_bars_cover);
    RUN(curve_counts_every_point_once);
    RUN(curve_refuses);
    RUN(score_is_the_gradient);
    RUN(score_passes_errors_on);
    RUN(blurred_denoiser_is_that_of_the_wider_mixture);
    free_laws();
    return test_report();
}
