/* The kernel density estimate, against sums written out naively: without logarithms of sums and sweeps. */
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "../examples/support/kde.h"
#include "test.h"

#if defined(_OPENMP)
#include <omp.h>
#endif

#define PI 3.14159265358979323846

enum { MANY = 10050 };

static double points[2 * MANY], others[2 * MANY], found[MANY], wanted[MANY];

static void normal(uint64_t seed, size_t n, double *x)
{
    itd_rng rng = itd_rng_make(seed, 0);
    for (size_t i = 0; i < n; i++) x[i] = itd_rng_normal(&rng);
}

/* Round spots at the corners of a square of side 2: of deviation `size`, drawn one after the other. */
static void spots(uint64_t seed, double size, size_t n, double *x /* (n,2) */)
{
    normal(seed, 2 * n, x);
    for (size_t i = 0; i < n; i++) {
        x[2 * i] = size * x[2 * i] + (i & 1 ? 1 : -1);
        x[2 * i + 1] = size * x[2 * i + 1] + (i & 2 ? 1 : -1);
    }
}

/* N(x; y, h^2 I) */
static double kernel(const double *x, const double *y, size_t dim, double h)
{
    double p = 1;
    for (size_t c = 0; c < dim; c++) p *= exp(-pow((x[c] - y[c]) / h, 2) / 2) / (h * sqrt(2 * PI));
    return p;
}

static double naive_nll(const double *at, const double *x, size_t n, size_t dim, double h)
{
    double p = 0;
    for (size_t j = 0; j < n; j++) p += kernel(at, x + j * dim, dim, h) / (double)n;
    return -log(p);
}

/* The mean, over all rows, of -log p under the rows that are not the same. */
static double naive_loo(const double *x, size_t n, size_t dim, double h)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double p = 0, count = 0;
        for (size_t j = 0; j < n; j++)
            if (memcmp(x + i * dim, x + j * dim, dim * sizeof *x)) {
                p += kernel(x + i * dim, x + j * dim, dim, h);
                count++;
            }
        sum -= log(p / count);
    }
    return sum / (double)n;
}

static kde fitted(const double *x, size_t n, size_t dim, uint64_t seed)
{
    kde k;
    if (!CHECK(kde_fit(&k, x, n, dim, 0, seed) == 0)) exit(1);
    return k;
}

/* Terms that were left out are e^-40 of the largest; the rest is rounding. */
static void test_sum(void)
{
    for (size_t dim = 1; dim <= 5; dim++) {
        const size_t n = 200, m = 100;
        kde k;
        normal(dim, n * dim, points);
        normal(dim + 10, m * dim, others);
        CHECK(kde_fit(&k, points, n, dim, 0.75, 1) == 0);
        CHECK(k.rows == n && k.of == n && k.dim == dim);
        CHECK(kde_nll(&k, others, m, found) == 0);
        for (size_t i = 0; i < m; i++)
            CHECK_CLOSE(found[i], naive_nll(others + i * dim, points, n, dim, k.bandwidth) + 0.75, 1e-11);
        kde_free(&k);
        CHECK(k.x == NULL);
    }
}

/* loo_nll is what the rows give at the bandwidth. One percent beside it -log p is larger, and so it is at any
 * other bandwidth down to `least`. */
static void check_best(const kde *k, const double *x, size_t n, size_t dim, double least)
{
    double best = naive_loo(x, n, dim, k->bandwidth);
    CHECK_CLOSE(k->loo_nll, best, 1e-10);
    CHECK(naive_loo(x, n, dim, 0.99 * k->bandwidth) > best);
    CHECK(naive_loo(x, n, dim, 1.01 * k->bandwidth) > best);
    for (double h = 1.5; h > least; h *= 0.87) CHECK(!(naive_loo(x, n, dim, h) < best));
}

static void test_bandwidth(void)
{
    for (size_t dim = 1; dim <= 4; dim++) {
        normal(dim, 300 * dim, points);
        kde k = fitted(points, 300, dim, 2);
        check_best(&k, points, 300, dim, 0.05);
        kde_free(&k);
    }
    for (double size = 0.3; size > 0.009; size /= 3) { /* down to a hundredth of the spread */
        spots(3, size, 300, points);
        kde k = fitted(points, 300, 2, 2);
        check_best(&k, points, 300, 2, size / 5);
        CHECK(k.bandwidth < size);
        kde_free(&k);
    }
}

/* Rows that occur once, twice, ... five times. Copies do not see each other, so h stays about what it was. */
static void test_repeated_rows(void)
{
    size_t n = 0;
    normal(6, 2 * 100, others);
    for (size_t i = 0; i < 100; i++)
        for (size_t copy = 0; copy <= i % 5; copy++)
            memcpy(points + 2 * n++, others + 2 * i, 2 * sizeof *points);
    kde once = fitted(others, 100, 2, 0), often = fitted(points, n, 2, 0);
    CHECK(often.bandwidth > once.bandwidth / 1.5 && often.bandwidth < once.bandwidth * 1.5);
    check_best(&often, points, n, 2, 0.05);
    kde_free(&once), kde_free(&often);
}

/* Copies of rounded rows are moved apart by noise over the rounding step; their kind still tells. */
static void test_rows_repeated_with_noise(void)
{
    size_t kind[200];
    itd_rng rng = itd_rng_make(12, 0);
    normal(6, 2 * 100, others);
    for (size_t i = 0; i < 200; i++) {
        kind[i] = i % 100;
        for (size_t j = 0; j < 2; j++)
            points[2 * i + j] = others[2 * (i % 100) + j] + 1e-4 * (itd_rng_uniform(&rng) - 0.5);
    }
    kde once, told, untold;
    CHECK(kde_fit_standardized(&once, others, NULL, 100, 2, 0) == 0);
    CHECK(kde_fit_standardized(&told, points, kind, 200, 2, 0) == 0);
    CHECK(kde_fit_standardized(&untold, points, NULL, 200, 2, 0) == 0);
    CHECK_CLOSE(told.bandwidth, once.bandwidth, 0.02 * once.bandwidth);
    CHECK_CLOSE(told.loo_nll, once.loo_nll, 0.01);
    CHECK(untold.bandwidth < 0.1 * once.bandwidth);
    kde_free(&once), kde_free(&told), kde_free(&untold);
}

static void test_all_alike(void)
{
    double nll;
    kde k;
    for (size_t i = 0; i < 40; i++) points[i] = 7;
    CHECK(kde_fit_standardized(&k, points, NULL, 20, 2, 0) == 0);
    CHECK(k.bandwidth > 0 && k.bandwidth < 10 && fabs(k.loo_nll) < 1e3);
    CHECK(kde_nll(&k, points, 1, &nll) == 0 && fabs(nll) < 1e3);
    kde_free(&k);
    CHECK(kde_fit_standardized(&k, points, NULL, 1, 2, 0) == 0);
    CHECK(kde_nll(&k, points, 1, &nll) == 0 && fabs(nll) < 1e3);
    kde_free(&k);
    CHECK(kde_fit(&k, points, 0, 2, 0, 0) == -1);
    CHECK(k.x == NULL && k.mean == NULL && k.map == NULL);
}

/* Far away the nearest row is the whole sum, and where its distance has no square, it is as far as can be. */
static void test_far_away(void)
{
    const double far[] = {40, 1e4, 1e30, 1e140};
    double x[2] = {1e200, 0}, nll;
    normal(7, 2 * 500, points);
    kde k = fitted(points, 500, 2, 0);
    for (int f = 0; f < 4; f++) {
        double nearest = HUGE_VAL, normalizer = log(500 * 2 * PI * k.bandwidth * k.bandwidth);
        x[0] = far[f], x[1] = -far[f];
        for (size_t i = 0; i < 500; i++)
            nearest = fmin(nearest, hypot(x[0] - points[2 * i], x[1] - points[2 * i + 1]));
        CHECK(kde_nll(&k, x, 1, &nll) == 0);
        nearest /= k.bandwidth;
        CHECK_CLOSE(nll / (nearest * nearest / 2 + normalizer), 1, f == 0 ? 1e-3 : 1e-12);
    }
    x[0] = 1e200;
    CHECK(kde_nll(&k, x, 1, &nll) == 0 && nll > 1e290 && nll <= DBL_MAX);
    kde_free(&k);
}

/* A stand-in for the caller's whitening of two columns: standardize, then undo the correlation r by
 * y = (x_0, (x_1 - r x_0) / sqrt(1 - r^2)). */
static double mean[2], scale[2], whiten[4];

static kde_whitening whitening_of(const double *x, size_t n)
{
    kde_whitening w = {mean, scale, whiten, 0};
    double r = 0;
    memset(mean, 0, sizeof mean), memset(scale, 0, sizeof scale);
    for (size_t i = 0; i < 2 * n; i++) mean[i % 2] += x[i] / (double)n;
    for (size_t i = 0; i < 2 * n; i++) scale[i % 2] += pow(x[i] - mean[i % 2], 2) / (double)n;
    for (size_t c = 0; c < 2; c++) scale[c] = sqrt(scale[c]);
    for (size_t i = 0; i < n; i++)
        r += (x[2 * i] - mean[0]) / scale[0] * (x[2 * i + 1] - mean[1]) / scale[1] / (double)n;
    whiten[0] = 1, whiten[1] = 0, whiten[2] = -r / sqrt(1 - r * r), whiten[3] = 1 / sqrt(1 - r * r);
    w.log_volume = log(scale[0] * scale[1] * sqrt(1 - r * r));
    return w;
}

/* In other units, and from another origin, all stays as it was but for the volume; within rounding, which the
 * distance of the origin magnifies by 1e4. */
static void test_units(void)
{
    const size_t n = 1000, m = 200;
    for (int kind = 0; kind < 2; kind++) {
        kde a, b;
        spots(8, 0.2, n + m, points);
        for (size_t i = 0; i < n + m && kind; i++) points[2 * i + 1] += 3 * points[2 * i];
        for (size_t i = 0; i < n + m; i++)
            others[2 * i] = 50 * points[2 * i] - 1e4, others[2 * i + 1] = 1e-3 * points[2 * i + 1] + 5;
        kde_whitening w = whitening_of(points, n);
        CHECK((kind ? kde_fit_whitened(&a, points, NULL, n, 2, &w, 1)
                    : kde_fit_standardized(&a, points, NULL, n, 2, 1)) == 0);
        w = whitening_of(others, n);
        CHECK((kind ? kde_fit_whitened(&b, others, NULL, n, 2, &w, 1)
                    : kde_fit_standardized(&b, others, NULL, n, 2, 1)) == 0);
        CHECK(a.whitened == kind && b.whitened == kind);
        CHECK_CLOSE(b.bandwidth, a.bandwidth, 1e-8);
        CHECK_CLOSE(b.loo_nll, a.loo_nll + log(50 * 1e-3), 1e-8);
        CHECK(kde_nll(&a, points + 2 * n, m, wanted) == 0 && kde_nll(&b, others + 2 * n, m, found) == 0);
        for (size_t i = 0; i < m; i++)
            CHECK_CLOSE(found[i], wanted[i] + log(50 * 1e-3), 1e-7 * (1 + fabs(wanted[i])));
        kde_free(&a), kde_free(&b);
    }
}

/* A Gaussian of correlation 0.98, with columns in different units, is round when whitened. On fresh points
 * 1,500 kernels then cost about 0.017 nats over its true -log p. */
static void test_gaussian(void)
{
    const size_t n = 1500, m = 3000;
    const double r = 0.98, root = sqrt(1 - r * r);
    double excess = 0;
    normal(9, 2 * (n + m), points);
    for (size_t i = 0; i < n + m; i++) {
        double a = points[2 * i], b = points[2 * i + 1];
        wanted[i] = (a * a + b * b) / 2 + log(2 * PI * 100 * 0.01 * root);
        points[2 * i] = 100 * a + 3, points[2 * i + 1] = 0.01 * (r * a + root * b);
    }
    kde_whitening w = whitening_of(points, n);
    kde k;
    CHECK(kde_fit_better(&k, points, NULL, n, 2, &w, 0) == 0);
    CHECK(k.whitened);
    CHECK(kde_nll(&k, points + 2 * n, m, found) == 0);
    for (size_t i = 0; i < m; i++) excess += (found[i] - wanted[n + i]) / (double)m;
    CHECK(excess > 0.002 && excess < 0.03);
    CHECK_CLOSE(k.loo_nll, log(2 * PI * root) + 1, 0.1);
    kde_free(&k);
}

/* Round spots far apart on a diagonal: whitening stretches them, so that standardized columns do better. */
static void test_better(void)
{
    const size_t n = 1000;
    kde k, standardized, whitened;
    normal(10, 2 * n, points);
    for (size_t i = 0; i < 2 * n; i++) points[i] = 0.1 * points[i] + (i & 2 ? 1 : -1);
    kde_whitening w = whitening_of(points, n);
    CHECK(kde_fit_better(&k, points, NULL, n, 2, &w, 0) == 0);
    CHECK(kde_fit_standardized(&standardized, points, NULL, n, 2, 0) == 0);
    CHECK(kde_fit_whitened(&whitened, points, NULL, n, 2, &w, 0) == 0);
    CHECK(!k.whitened && standardized.loo_nll < whitened.loo_nll - 0.01);
    CHECK(k.loo_nll == standardized.loo_nll && k.bandwidth == standardized.bandwidth);
    kde_free(&k), kde_free(&standardized), kde_free(&whitened);
}

/* Of sorted rows, 2,000 are asked for their neighbours. Were they the first 2,000, loo_nll would be off by
 * log(1 / 0.3) / 2 = 0.6; as a sample of all, it is off by less than four of its standard errors. -log p has
 * variance 1/2 in each half, as x^2/2 of a Gaussian, and 0.6^2 between them: together less than 1. */
static void test_queries(void)
{
    const size_t n = 4000;
    normal(11, n, points);
    for (size_t i = 0; i < n; i++) points[i] = points[i] > 0 ? 0.3 * points[i] + 5 : points[i];
    for (size_t i = 0, first = 0; i < n; i++)
        if (points[i] < 1) {
            double t = points[first];
            points[first++] = points[i], points[i] = t;
        }
    kde k = fitted(points, n, 1, 0);
    CHECK_CLOSE(k.loo_nll, naive_loo(points, n, 1, k.bandwidth), 4 / sqrt(2000));
    kde_free(&k);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Above 10,000 rows, so many of them are drawn: distinct ones, the same ones for the same seed. They lie far
 * apart, so that few are in reach of each other, which is quick. */
static void test_subset(void)
{
    for (size_t i = 0; i < MANY; i++) points[i] = sin((double)i) + (double)i;
    kde a = fitted(points, MANY, 1, 1), b = fitted(points, MANY, 1, 1), c = fitted(points, MANY, 1, 2);
    size_t missing = 0, at = 0;
    CHECK(a.rows == 10000 && a.of == MANY);
    CHECK(a.bandwidth == b.bandwidth && a.loo_nll == b.loo_nll && memcmp(a.x, b.x, 10000 * sizeof *a.x) == 0);
    qsort(a.x, a.rows, sizeof *a.x, ascending);
    qsort(c.x, c.rows, sizeof *c.x, ascending);
    CHECK(memcmp(a.x, c.x, 10000 * sizeof *a.x) != 0);
    qsort(points, MANY, sizeof *points, ascending);
    for (size_t i = 0; i < MANY; i++) {
        if (at < a.rows && a.x[at] == points[i]) at++;
        else missing++;
    }
    CHECK(at == 10000 && missing == MANY - 10000);
    kde_free(&a), kde_free(&b), kde_free(&c);
}

static void test_threads(void)
{
#if defined(_OPENMP)
    int most = omp_get_max_threads();
    kde a, b;
    normal(12, 3 * 1000, points);
    omp_set_num_threads(1);
    a = fitted(points, 1000, 3, 0);
    CHECK(kde_nll(&a, points, 500, wanted) == 0);
    omp_set_num_threads(5);
    b = fitted(points, 1000, 3, 0);
    CHECK(kde_nll(&b, points, 500, found) == 0);
    omp_set_num_threads(most);
    CHECK(a.bandwidth == b.bandwidth && a.loo_nll == b.loo_nll);
    CHECK(memcmp(wanted, found, 500 * sizeof *found) == 0);
    kde_free(&a), kde_free(&b);
#else
    SKIP("test_threads: built without OpenMP");
#endif
}

int main(void)
{
    RUN(test_sum);
    RUN(test_bandwidth);
    RUN(test_repeated_rows);
    RUN(test_rows_repeated_with_noise);
    RUN(test_all_alike);
    RUN(test_far_away);
    RUN(test_units);
    RUN(test_gaussian);
    RUN(test_better);
    RUN(test_queries);
    RUN(test_subset);
    RUN(test_threads);
    return test_report();
}
