/* The affine map that makes the data's own Gaussian N(0, I), against what its description says, written
 * again: rows one after the other, Cholesky and Denman & Beavers' iteration where the library has sums and
 * eigenvectors. */
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"
#include "ref.h"
#include "test.h"

/* ---- dense matrices ---- */

/* The lower L with L L^T = a; false if a is not positive definite. */
static bool cholesky(const double *a, size_t d, double *l)
{
    memset(l, 0, d * d * sizeof *l);
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = a[i * d + j];
            for (size_t k = 0; k < j; k++) sum -= l[i * d + k] * l[j * d + k];
            if (i == j && !(sum > 0)) return false;
            l[i * d + j] = i == j ? sqrt(sum) : sum / l[j * d + j];
        }
    return true;
}

/* 1/2 log det a + 1/2 y^T a^-1 y, given its L */
static double half_quadratic(const double *l, const double *y, size_t d)
{
    double *u = ref_doubles(d), sum = 0;
    for (size_t i = 0; i < d; i++) {
        u[i] = y[i];
        for (size_t k = 0; k < i; k++) u[i] -= l[i * d + k] * u[k];
        u[i] /= l[i * d + i];
        sum += log(l[i * d + i]) + 0.5 * u[i] * u[i];
    }
    free(u);
    return sum;
}

/* Gauss & Jordan without exchange of rows, as for positive definite matrices; a becomes its inverse. */
static void invert(long double *a, size_t d)
{
    for (size_t k = 0; k < d; k++) {
        long double pivot = 1 / a[k * d + k];
        a[k * d + k] = 1;
        for (size_t j = 0; j < d; j++) a[k * d + j] *= pivot;
        for (size_t i = 0; i < d; i++) {
            long double f = a[i * d + k];
            if (i == k) continue;
            a[i * d + k] = 0;
            for (size_t j = 0; j < d; j++) a[i * d + j] -= f * a[k * d + j];
        }
    }
}

/* a^1/2 and a^-1/2: Y <- (Y + Z^-1) / 2, Z <- (Z + Y^-1) / 2 from Y = a and Z = I. */
static void square_roots(const double *a, size_t d, double *root, double *inverse_root)
{
    size_t bytes = d * d * sizeof(long double);
    long double *y = (long double *)ref_alloc(bytes), *z = (long double *)ref_alloc(bytes);
    long double *y_inverse = (long double *)ref_alloc(bytes), *z_inverse = (long double *)ref_alloc(bytes);
    for (size_t i = 0; i < d * d; i++) y[i] = a[i], z[i] = i / d == i % d;
    for (size_t step = 0; step < 40; step++) {
        memcpy(y_inverse, y, bytes), memcpy(z_inverse, z, bytes);
        invert(y_inverse, d), invert(z_inverse, d);
        for (size_t i = 0; i < d * d; i++) y[i] = (y[i] + z_inverse[i]) / 2, z[i] = (z[i] + y_inverse[i]) / 2;
    }
    for (size_t i = 0; i < d * d; i++) root[i] = (double)y[i], inverse_root[i] = (double)z[i];
    free(y), free(z), free(y_inverse), free(z_inverse);
}

/* ---- the map as described ---- */

typedef struct described {
    size_t d;
    double rho, log_det;
    double *mean, *sd, *p, *l; /* (d), (d), (d,d) shrunk correlations, (d,d) their Cholesky factor */
    double *root, *inverse_root;
} described;

/* Mean, standard deviations of at least `least` (or NULL) and correlations of the rows that are not in the
 * part `except` of five; 5: of all. */
static void correlate(const float *x, size_t n, size_t d, size_t except, const double *least, double *mean,
                      double *sd, double *s)
{
    double rows = 0;
    memset(mean, 0, d * sizeof *mean), memset(sd, 0, d * sizeof *sd), memset(s, 0, d * d * sizeof *s);
    for (size_t i = 0; i < n; i++) rows += i % 5 != except;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; i % 5 != except && j < d; j++) mean[j] += x[i * d + j] / rows;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; i % 5 != except && j < d; j++) {
            double v = x[i * d + j] - mean[j];
            sd[j] += v * v / rows;
            for (size_t k = 0; k < d; k++) s[j * d + k] += v * (x[i * d + k] - mean[k]) / rows;
        }
    for (size_t j = 0; j < d; j++) sd[j] = fmax(sqrt(sd[j]), least ? 1e-3 * least[j] : 0);
    for (size_t j = 0; j < d; j++)
        for (size_t k = 0; k < d; k++) s[j * d + k] = j == k ? 1 : s[j * d + k] / (sd[j] * sd[k]);
}

/* (1 - rho) s + rho I. Where the columns are dependent, Sum_j c_j x_j constant, u_j = c_j sd_j is flat and
 * gets a variance of 1e-8. */
static void shrink(const double *s, const double *sd, const double *c, size_t d, double rho, double *p)
{
    double square = 0;
    for (size_t j = 0; c && j < d; j++) square += c[j] * sd[j] * c[j] * sd[j];
    for (size_t i = 0; i < d * d; i++) {
        size_t j = i / d, k = i % d;
        p[i] = (1 - rho) * s[i] + (j == k ? rho : 0);
        if (c && !(rho > 0)) p[i] += 1e-8 * c[j] * sd[j] * c[k] * sd[k] / square;
    }
}

/* How unlikely each part is by what the other four say. What is not positive definite will not win: its floor
 * of 1e-8 makes rows of other parts some 1e8 too unlikely. */
static double foretold(const float *x, size_t n, size_t d, const double *least, const double *c, double rho)
{
    double *mean = ref_doubles(d), *sd = ref_doubles(d), *s = ref_doubles(d * d), *p = ref_doubles(d * d);
    double *l = ref_doubles(d * d), *y = ref_doubles(d), sum = 0;
    for (size_t part = 0; part < 5; part++) {
        bool flat = !(rho > 0) && n - (n + 4 - part) / 5 <= d;
        correlate(x, n, d, part, least, mean, sd, s);
        shrink(s, sd, c, d, rho, p);
        if (flat || !cholesky(p, d, l)) sum = HUGE_VAL;
        for (size_t i = part; i < n && sum < HUGE_VAL; i += 5) {
            for (size_t j = 0; j < d; j++) y[j] = (x[i * d + j] - mean[j]) / sd[j];
            sum += half_quadratic(l, y, d);
        }
    }
    free(mean), free(sd), free(s), free(p), free(l), free(y);
    return sum;
}

static described describe(const float *x, size_t n, size_t d, const double *c)
{
    described m;
    double *s = ref_doubles(d * d), best = HUGE_VAL;
    m.d = d, m.rho = 1;
    m.mean = ref_doubles(d), m.sd = ref_doubles(d), m.p = ref_doubles(d * d), m.l = ref_doubles(d * d);
    m.root = ref_doubles(d * d), m.inverse_root = ref_doubles(d * d);
    correlate(x, n, d, 5, NULL, m.mean, m.sd, s);
    for (int k = -1; k <= 20 && n >= 10; k++) { /* none, or 1e-5 to 1 in quarters of a decade */
        double rho = k < 0 ? 0 : k == 20 ? 1 : pow(10, -5 + k / 4.0), sum = foretold(x, n, d, m.sd, c, rho);
        if (sum < best) best = sum, m.rho = rho;
    }
    shrink(s, m.sd, c, d, m.rho, m.p);
    CHECK(cholesky(m.p, d, m.l));
    square_roots(m.p, d, m.root, m.inverse_root);
    m.log_det = 0;
    for (size_t j = 0; j < d; j++) m.log_det += log(m.l[j * d + j]) + log(m.sd[j]);
    free(s);
    return m;
}

static void described_free(described *m)
{
    free(m->mean), free(m->sd), free(m->p), free(m->l), free(m->root), free(m->inverse_root);
}

static double described_nll(const described *m, const float *x)
{
    double *y = ref_doubles(m->d), sum = 0.5 * (double)m->d * log(2 * REF_PI);
    for (size_t j = 0; j < m->d; j++) y[j] = (x[j] - m->mean[j]) / m->sd[j], sum += log(m->sd[j]);
    sum += half_quadratic(m->l, y, m->d);
    free(y);
    return sum;
}

/* ---- the library's beside it ---- */

static itd_model *fit(const float *x, size_t n, size_t d, bool normalize, bool whiten)
{
    itd_model_desc md = itd_model_desc_default(d);
    itd_model *m = NULL;
    md.mlp.layers = 1, md.mlp.directions = 1, md.mlp.embedding = 0;
    md.normalize = normalize, md.whiten = whiten;
    if (!CHECK_OK(itd_model_create(&md, 1, &m)) || !CHECK_OK(itd_model_fit(m, x, n))) exit(1);
    return m;
}

/* W D = P^-1/2, D^-1 W^-1 = P^1/2, the Gaussian's covariance D^-1 Sigma D^-1 = P. */
static void compare(const itd_model *m, const described *e, double tolerance)
{
    size_t d = e->d;
    double *w = ref_doubles(d * d), *c = ref_doubles(d * d), *p = ref_doubles(d * d);
    if (!CHECK(m->whiten && m->color && m->gaussian && m->gaussian->vectors)) return;
    for (size_t i = 0; i < d * d; i++) {
        w[i] = m->whiten[i] * e->sd[i % d], c[i] = m->color[i] / e->sd[i / d];
        for (size_t k = 0; k < d; k++)
            p[i] += m->gaussian->lambda[k] * m->gaussian->vectors[k * d + i / d] *
                    m->gaussian->vectors[k * d + i % d] / (e->sd[i / d] * e->sd[i % d]);
    }
    CHECK(ref_distance(w, e->inverse_root, d * d) <= tolerance);
    CHECK(ref_distance(c, e->root, d * d) <= tolerance);
    CHECK(ref_distance(p, e->p, d * d) <= tolerance);
    for (size_t j = 0; j < d; j++) {
        CHECK_CLOSE((m->mean[j] - e->mean[j]) / e->sd[j], 0, 1e-9);
        CHECK_CLOSE((m->gaussian->mean[j] - e->mean[j]) / e->sd[j], 0, 1e-9);
        CHECK_CLOSE(m->scale[j] / e->sd[j], 1, 1e-9);
    }
    CHECK_CLOSE(m->log_det, e->log_det, tolerance * (double)d);
    free(w), free(c), free(p);
}

/* Rows of the data, and rows far from them. */
static void compare_nll(const itd_model *m, const described *e, const float *x, size_t n)
{
    float *far_off = ref_floats(e->d);
    for (size_t i = 0; i < n; i++) {
        double expected = described_nll(e, x + i * e->d), beyond;
        CHECK_CLOSE(itd_gaussian_nll(m->gaussian, x + i * e->d), expected, 1e-6 * (1 + fabs(expected)));
        if (i >= 10) continue;
        for (size_t j = 0; j < e->d; j++) far_off[j] = (float)(e->mean[j] + 3 * e->sd[j] * ref_normal());
        beyond = described_nll(e, far_off);
        CHECK_CLOSE(itd_gaussian_nll(m->gaussian, far_off) / beyond, 1, 1e-6);
    }
    free(far_off);
}

static double map_check(const float *x, size_t n, size_t d, const double *c, double tolerance)
{
    itd_model *m = fit(x, n, d, true, true);
    described e = describe(x, n, d, c);
    double rho = e.rho;
    int faults = test_faults;
    compare(m, &e, tolerance);
    compare_nll(m, &e, x, n);
    if (test_faults > faults)
        printf("    %lu rows of %lu columns, rho = %g\n", (unsigned long)n, (unsigned long)d, rho);
    described_free(&e), itd_model_free(m);
    return rho;
}

/* Each column some of the one before it, and of a common one. */
static float *correlated(size_t n, size_t d, double before, double common)
{
    float *x = ref_floats(n * d);
    for (size_t i = 0; i < n; i++) {
        double all = ref_normal(), last = 0;
        for (size_t j = 0; j < d; j++) {
            last = before * last + common * all + ref_normal();
            x[i * d + j] = (float)last;
        }
    }
    return x;
}

static void maps_of_correlated_columns(void)
{
    static const size_t columns[] = {1, 2, 3, 7, 20, 50, 64};
    ref_seed(1);
    for (size_t k = 0; k < sizeof columns / sizeof *columns; k++) {
        float *x = correlated(40 + 8 * columns[k], columns[k], 0.6, 0.5);
        double rho = map_check(x, 40 + 8 * columns[k], columns[k], NULL, 1e-9);
        CHECK(columns[k] < 2 || rho < 1);
        free(x);
    }
}

/* Two columns that are nearly one: the small eigenvalue 1 - r of the correlations is what matters. */
static void maps_of_columns_nearly_the_same(void)
{
    enum { N = 500 };
    float x[2 * N];
    ref_seed(2);
    for (size_t i = 0; i < N; i++) {
        double a = ref_normal();
        x[2 * i] = (float)a, x[2 * i + 1] = (float)(0.999 * a + sqrt(1 - 0.999 * 0.999) * ref_normal());
    }
    CHECK(map_check(x, N, 2, NULL, 1e-9) < 1e-3);
}

/* Of few rows, correlations are mostly chance: they have to be shrunk, or there would be no inverse. */
static void maps_of_more_columns_than_rows(void)
{
    float *x;
    double rho;
    ref_seed(3);
    x = correlated(30, 50, 0.6, 0.5);
    rho = map_check(x, 30, 50, NULL, 1e-9);
    CHECK(rho > 0.01 && rho < 1);
    free(x);
    x = correlated(30, 50, 0, 0); /* nothing but chance */
    CHECK(map_check(x, 30, 50, NULL, 1e-9) > rho);
    free(x);
    x = correlated(12, 11, 0.9, 0);
    map_check(x, 12, 11, NULL, 1e-9);
    free(x);
}

/* Many small tables, from independent columns to nearly dependent ones: every choice of rho is the one of the
 * rows that took no part, and most of the candidates are somebody's. */
static void every_table_gets_its_own_shrinkage(void)
{
    enum { TABLES = 240 };
    double chosen[TABLES];
    size_t distinct = 0, none = 0, least = 0, all = 0;
    ref_seed(13);
    for (size_t k = 0; k < TABLES; k++) {
        size_t n = 10 + (k * k) % 200, d = 2 + k % 4, before = 0;
        double narrow = pow(10, -(double)(k % 7) / 2);
        float *x = correlated(n, d, 0, 0);
        for (size_t i = 0; i < n; i++) x[i * d] = (float)(x[i * d + 1] + narrow * x[i * d]);
        chosen[k] = map_check(x, n, d, NULL, 1e-8);
        for (size_t i = 0; i < k; i++) before += fabs(chosen[i] - chosen[k]) <= 1e-9 * chosen[k];
        distinct += before == 0;
        none += !(chosen[k] > 0), least += chosen[k] > 0 && chosen[k]<1.1e-5, all += chosen[k]> 0.99;
        free(x);
    }
    CHECK(distinct > 15 && none > 0 && least > 0 && all > 0);
}

static void maps_of_few_rows_are_diagonal(void)
{
    ref_seed(4);
    for (size_t n = 2; n < 10; n++) {
        float *x = correlated(n, 3, 0.9, 1);
        itd_model *m = fit(x, n, 3, true, true);
        CHECK(map_check(x, n, 3, NULL, 1e-12) == 1);
        for (size_t i = 0; i < 9; i++) CHECK_CLOSE(m->whiten[i] * m->scale[i % 3], i % 4 == 0, 1e-12);
        itd_model_free(m), free(x);
    }
}

static void maps_of_columns_of_unlike_size(void)
{
    enum { N = 300, D = 7 };
    float *x;
    ref_seed(5);
    x = correlated(N, D, 0.9, 0.3);
    for (size_t i = 0; i < N * D; i++) x[i] = (float)(x[i] * pow(10, 2 * (double)(i % D) - 6));
    map_check(x, N, D, NULL, 1e-9);
    free(x);
}

/* The third column is the sum of the others, and all are whole numbers: exactly flat. */
static void maps_of_dependent_columns(void)
{
    enum { N = 200 };
    const double dependency[3] = {1, 1, -1}, same[2] = {4, -1};
    float x[3 * N], y[2 * N];
    ref_seed(6);
    for (size_t i = 0; i < N; i++) {
        x[3 * i] = (float)ref_below(1000), x[3 * i + 1] = (float)ref_below(50);
        x[3 * i + 2] = x[3 * i] + x[3 * i + 1];
        y[2 * i] = (float)ref_normal(), y[2 * i + 1] = 4 * y[2 * i];
    }
    CHECK(!(map_check(x, N, 3, dependency, 1e-6) > 0));
    CHECK(!(map_check(y, N, 2, same, 1e-6) > 0));
}

/* ---- what a map is for ---- */

/* Where nothing had to be shrunk, rows come out with mean 0 and covariance I. */
static void whitened_rows_are_white(void)
{
    enum { N = 4000, D = 4 };
    float *x, *y = ref_floats(N * D);
    double mean[D] = {0}, covariance[D * D] = {0};
    itd_model *m;
    itd_denoiser den;
    described e;
    ref_seed(7);
    x = correlated(N, D, 0.95, 1);
    for (size_t i = 0; i < N; i++) { /* a narrow direction, which to widen would cost likelihood */
        x[D * i + 1] = x[D * i] + 0.02f * x[D * i + 1];
        x[D * i + 2] = 1000 * x[D * i + 2] + 1e4f;
    }
    e = describe(x, N, D, NULL);
    CHECK(!(e.rho > 0));
    m = fit(x, N, D, true, true), den = itd_model_denoiser(m);
    itd_to_coordinates(&den, x, N, y);
    for (size_t i = 0; i < N * D; i++) mean[i % D] += (double)y[i] / N;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < D * D; j++)
            covariance[j] += (y[D * i + j / D] - mean[j / D]) * (y[D * i + j % D] - mean[j % D]) / N;
    for (size_t j = 0; j < D; j++) CHECK_CLOSE(mean[j], 0, 1e-6);
    for (size_t j = 0; j < D * D; j++) CHECK_CLOSE(covariance[j], j % (D + 1) == 0, 1e-5);
    described_free(&e), itd_model_free(m), free(x), free(y);
}

/* Columns in other units, by powers of two, and in another order: the coordinates are the same numbers. */
static void units_and_order_do_not_matter(void)
{
    enum { N = 100, D = 5 };
    static const size_t order[D] = {3, 0, 4, 2, 1};
    static const int power[D] = {20, -20, 0, 7, -3};
    float *x, *other = ref_floats(N * D), *y = ref_floats(N * D), *other_y = ref_floats(N * D);
    double unit_det = 0;
    itd_model *m, *o;
    itd_denoiser den, other_den;
    ref_seed(8);
    x = correlated(N, D, 0.9, 1);
    for (size_t i = 0; i < N * D; i++)
        other[i] = (float)ldexp(x[i / D * D + order[i % D]], power[i % D]) + (float)ldexp(1, power[i % D]);
    for (size_t j = 0; j < D; j++) unit_det += power[j] * log(2.0);
    m = fit(x, N, D, true, true), o = fit(other, N, D, true, true);
    den = itd_model_denoiser(m), other_den = itd_model_denoiser(o);
    itd_to_coordinates(&den, x, N, y), itd_to_coordinates(&other_den, other, N, other_y);
    for (size_t i = 0; i < N * D; i++) CHECK_CLOSE(other_y[i], y[i / D * D + order[i % D]], 2e-6);
    for (size_t i = 0; i < D * D; i++) {
        double w = m->whiten[order[i / D] * D + order[i % D]], c = m->color[order[i / D] * D + order[i % D]];
        CHECK_CLOSE(ldexp(o->whiten[i], power[i % D]), w, 1e-6);
        CHECK_CLOSE(ldexp(o->color[i], -power[i / D]), c, 1e-6);
    }
    CHECK_CLOSE(o->log_det, m->log_det + unit_det, 1e-6);
    CHECK_CLOSE(itd_gaussian_nll(o->gaussian, other), itd_gaussian_nll(m->gaussian, x) + unit_det, 1e-5);
    itd_model_free(m), itd_model_free(o), free(x), free(other), free(y), free(other_y);
}

/* ---- maps of all kinds ---- */

enum { KINDS = 4 };

/* A whitening one, a scale for each column, one without normalization, none at all. */
static itd_model *of_kind(size_t kind, const float *x, size_t n, size_t d)
{
    return fit(x, n, d, kind < 2, kind == 0);
}

static itd_denoiser denoiser_of_kind(size_t kind, itd_model *m)
{
    itd_denoiser den = itd_model_denoiser(m);
    CHECK((den.whiten != NULL) == (kind == 0) && (den.color != NULL) == (kind == 0));
    CHECK((den.scale != NULL) == (kind == 1) && (den.mean != NULL) == (kind < 2));
    if (kind == 3) den.mean = m->gaussian->mean; /* a mean and no scale */
    return den;
}

/* Each way by the formula, and there and back. */
static void coordinates_there_and_back(void)
{
    enum { N = 50, D = 3 };
    float *x, y[N * D], back[N * D];
    ref_seed(9);
    x = correlated(N, D, 0.9, 1);
    for (size_t i = 0; i < N; i++) x[D * i] = 100 * x[D * i] - 700;
    for (size_t kind = 0; kind < KINDS; kind++) {
        itd_model *m = of_kind(kind, x, N, D);
        itd_denoiser den = denoiser_of_kind(kind, m);
        itd_to_coordinates(&den, x, N, y);
        itd_from_coordinates(&den, y, N, back);
        for (size_t i = 0; i < N * D; i++) {
            double sum = 0, spread = m->scale[i % D] + fabs(m->gaussian->mean[i % D]);
            for (size_t j = 0; j < D; j++) {
                double w = i % D == j ? 1 : 0, off = x[i / D * D + j] - (den.mean ? den.mean[j] : 0);
                if (den.scale) w /= den.scale[j];
                sum += (den.whiten ? den.whiten[i % D * D + j] : w) * off;
            }
            CHECK_CLOSE(y[i], sum, 1e-6 * (1 + fabs(sum)));
            CHECK_CLOSE(back[i], x[i], 2e-6 * spread);
        }
        itd_model_free(m);
    }
    free(x);
}

/* -log N(x) = -log N(y) + log |det W^-1| for any Gaussian; the model's own becomes N(0, I). */
static void gaussians_change_coordinates(void)
{
    enum { N = 60, D = 3 };
    const double mean[D] = {3, -1, 0.5}, covariance[D * D] = {4, 1, 0.5, 1, 2, -0.3, 0.5, -0.3, 1};
    double axes_mean[D] = {1, 2, -3}, axes_lambda[D] = {2, 0.25, 9};
    itd_gaussian axes = {D, axes_mean, axes_lambda, NULL, NULL}, *full = NULL;
    float *x, y[N * D];
    ref_seed(10);
    x = correlated(N, D, 0.9, 1);
    CHECK_OK(itd_gaussian_create(mean, covariance, D, &full));
    for (size_t kind = 0; kind < KINDS; kind++) {
        itd_model *m = of_kind(kind, x, N, D);
        itd_denoiser den = denoiser_of_kind(kind, m);
        const itd_gaussian *list[3];
        list[0] = full, list[1] = &axes, list[2] = m->gaussian;
        itd_to_coordinates(&den, x, N, y);
        for (size_t k = 0; k < 3; k++) {
            itd_gaussian *mapped = NULL;
            if (!CHECK_OK(itd_gaussian_to_coordinates(&den, list[k], &mapped))) continue;
            for (size_t i = 0; i < N; i++) {
                double nll = itd_gaussian_nll(list[k], x + D * i);
                CHECK_CLOSE(itd_gaussian_nll(mapped, y + D * i) + den.log_det, nll, 2e-6 * (1 + fabs(nll)));
            }
            for (size_t j = 0; k == 2 && kind == 0 && j < D; j++) {
                CHECK(mapped->vectors == NULL); /* the axes */
                CHECK_CLOSE(mapped->mean[j], 0, 1e-9);
                CHECK_CLOSE(mapped->lambda[j], 1, 1e-9);
            }
            itd_gaussian_free(mapped);
        }
        itd_model_free(m);
    }
    itd_gaussian_free(full), free(x);
}

/* Above 64 columns: no more than a scale for each. */
static void many_columns_get_a_scale_each(void)
{
    enum { N = 80, D = 65 };
    float *x;
    itd_model *m;
    itd_denoiser den;
    double log_det = 0;
    ref_seed(11);
    x = correlated(N, D, 0.5, 1);
    m = fit(x, N, D, true, true), den = itd_model_denoiser(m);
    CHECK(!den.whiten && !den.color && den.scale && den.mean && !m->gaussian->vectors);
    for (size_t j = 0; j < D; j++) {
        double mean = 0, square = 0;
        for (size_t i = 0; i < N; i++) mean += (double)x[i * D + j] / N;
        for (size_t i = 0; i < N; i++) square += pow(x[i * D + j] - mean, 2) / N;
        CHECK_CLOSE(m->scale[j], sqrt(square), 1e-9);
        CHECK_CLOSE(m->gaussian->mean[j], mean, 1e-9);
        CHECK_CLOSE(m->gaussian->lambda[j], square, 1e-9);
        log_det += 0.5 * log(square);
    }
    CHECK_CLOSE(den.log_det, log_det, 1e-8);
    itd_model_free(m), free(x);
}

/* Pixels that never change are fine where nothing is divided by their spread, and refused where it would be,
 * also in many dimensions. */
static void constant_columns(void)
{
    static const size_t columns[2] = {5, 70};
    enum { N = 100 };
    ref_seed(12);
    for (size_t k = 0; k < 2; k++) {
        size_t d = columns[k];
        float *x = correlated(N, d, 0.5, 1);
        itd_model_desc md = itd_model_desc_default(d);
        for (size_t i = 0; i < N; i++) x[i * d + 3] = 0.75f;
        for (int whiten = 0; whiten < 2; whiten++) {
            itd_model *m = NULL;
            md.whiten = whiten == 1, md.mlp.directions = 1, md.mlp.hidden = 2;
            CHECK_OK(itd_model_create(&md, 1, &m));
            CHECK(itd_model_fit(m, x, N) == ITD_ERROR_DATA);
            CHECK(!m->gaussian && !m->whiten && !m->color);
            CHECK_CLOSE(m->mean[3], 0, 0);
            itd_model_free(m);
            m = fit(x, N, d, false, whiten == 1);
            CHECK(!m->whiten && m->gaussian && isfinite(itd_gaussian_nll(m->gaussian, x)));
            CHECK_CLOSE(m->gaussian->mean[3], 0.75, 1e-7);
            CHECK_CLOSE(m->log_det, 0, 0);
            itd_model_free(m);
        }
        free(x);
    }
}

int main(void)
{
    RUN(maps_of_correlated_columns);
    RUN(maps_of_columns_nearly_the_same);
    RUN(maps_of_more_columns_than_rows);
    RUN(every_table_gets_its_own_shrinkage);
    RUN(maps_of_few_rows_are_diagonal);
    RUN(maps_of_columns_of_unlike_size);
    RUN(maps_of_dependent_columns);
    RUN(whitened_rows_are_white);
    RUN(units_and_order_do_not_matter);
    RUN(coordinates_there_and_back);
    RUN(gaussians_change_coordinates);
    RUN(many_columns_get_a_scale_each);
    RUN(constant_columns);
    return test_report();
}
