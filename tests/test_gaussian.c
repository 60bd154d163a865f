/* Tests of the Gaussian reference: eigenvectors, fit, density, denoiser and its error. */
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"
#include "ref.h"
#include "work.h"
#include "test.h"

/* ---- eigenvectors ---- */

/* A v_i = lambda_i v_i within 1e-15 n of the largest eigenvalue, as is promised; rows as orthonormal, lambda
 * descending, trace kept. */
static void eigen_check(const double *a, size_t n)
{
    double *copy = ref_doubles(n * n), *lambda = ref_doubles(n), *v = ref_doubles(n * n);
    double residual = 0, skew = 0, trace = 0, largest = 0, tolerance = 1e-15 * (double)n;
    size_t i, j, k, rising = 0;
    memcpy(copy, a, n * n * sizeof *a);
    for (i = 0; i < n * n; i++) v[i] = NAN;
    CHECK_OK(itd_eigen_symmetric(n, copy, lambda, v));
    for (i = 0; i < n; i++) {
        for (j = 0; j < n; j++) {
            double av = 0, dot = 0;
            for (k = 0; k < n; k++) av += a[j * n + k] * v[i * n + k], dot += v[i * n + k] * v[j * n + k];
            residual = fmax(residual, fabs(av - lambda[i] * v[i * n + j]));
            skew = fmax(skew, fabs(dot - (i == j)));
        }
        trace += lambda[i] - a[i * n + i];
        largest = fmax(largest, fabs(lambda[i]));
        rising += i > 0 && !(lambda[i] <= lambda[i - 1]);
    }
    CHECK(largest > 0);
    CHECK(residual <= tolerance * largest);
    CHECK(skew <= tolerance);
    CHECK(fabs(trace) <= tolerance * largest * (double)n);
    CHECK(rising == 0);
    free(copy), free(lambda), free(v);
}

static double *symmetric(size_t n)
{
    double *a = ref_doubles(n * n);
    size_t i, j;
    for (i = 0; i < n; i++)
        for (j = 0; j <= i; j++) a[i * n + j] = a[j * n + i] = ref_normal();
    return a;
}

static void eigenvectors_of_random_matrices(void)
{
    static const size_t sizes[] = {1, 2, 3, 5, 16, 64, 150};
    size_t i, repeat;
    ref_seed(1);
    for (i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (repeat = 0; repeat < (sizes[i] < 16 ? 20u : 2u); repeat++) {
            double *a = symmetric(sizes[i]);
            eigen_check(a, sizes[i]);
            free(a);
        }
}

/* The eigenvalues of [[2, 1], [1, 2]] are 3 and 1, with vectors along the diagonals. */
static void eigenvectors_by_hand(void)
{
    double a[4] = {2, 1, 1, 2}, lambda[2], v[4];
    CHECK_OK(itd_eigen_symmetric(2, a, lambda, v));
    CHECK_CLOSE(lambda[0], 3, 1e-14);
    CHECK_CLOSE(lambda[1], 1, 1e-14);
    CHECK_CLOSE(fabs(v[0] + v[1]), sqrt(2.0), 1e-14);
    CHECK_CLOSE(fabs(v[2] - v[3]), sqrt(2.0), 1e-14);
    a[0] = -2, a[3] = -3, a[1] = a[2] = 0;
    CHECK_OK(itd_eigen_symmetric(2, a, lambda, v));
    CHECK_CLOSE(lambda[0], -2, 0);
    CHECK_CLOSE(lambda[1], -3, 0);
}

/* H D H with the reflection H = I - 2 u u^T: any spectrum wanted. */
static double *with_spectrum(const double *lambda, size_t n)
{
    double *u = ref_doubles(n), *a = ref_doubles(n * n), length;
    size_t i, j, k;
    for (i = 0; i < n; i++) u[i] = ref_normal();
    length = ref_norm(u, n);
    for (i = 0; i < n; i++)
        for (j = 0; j < n; j++)
            for (k = 0; k < n; k++) {
                double left = (i == k) - 2 * u[i] * u[k] / (length * length);
                double right = (k == j) - 2 * u[k] * u[j] / (length * length);
                a[i * n + j] += left * lambda[k] * right;
            }
    for (i = 0; i < n; i++)
        for (j = 0; j < i; j++) a[i * n + j] = a[j * n + i]; /* exactly symmetric */
    free(u);
    return a;
}

static void spectrum_check(const double *lambda, size_t n)
{
    double *a = with_spectrum(lambda, n), *found = ref_doubles(n), *v = ref_doubles(n * n);
    size_t i;
    eigen_check(a, n);
    CHECK_OK(itd_eigen_symmetric(n, a, found, v));
    for (i = 0; i < n; i++) CHECK_CLOSE(found[i], lambda[i], 1e-12 * fabs(lambda[0]));
    free(a), free(found), free(v);
}

static void eigenvalues_of_special_spectra(void)
{
    const double repeated[6] = {5, 2, 2, 2, 1, 1}, rank_one[5] = {3, 0, 0, 0, 0};
    const double graded[5] = {1e6, 1e3, 1, 1e-3, 1e-6}, signs[4] = {7, 1, -1, -7};
    double wide[64];
    size_t i;
    for (i = 0; i < 64; i++) wide[i] = exp(-0.3 * (double)i);
    ref_seed(2);
    spectrum_check(repeated, 6);
    spectrum_check(rank_one, 5);
    spectrum_check(graded, 5);
    spectrum_check(signs, 4);
    spectrum_check(wide, 64);
}

/* A factor of the matrix is one of its eigenvalues, and changes nothing else. */
static void eigenvalues_scale(void)
{
    static const double factors[] = {1e-150, 1e-40, 1e40, 1e150};
    double a[9] = {4, 2, 1, 2, 3, -1, 1, -1, 2}, scaled[9], lambda[3], other[3], v[9];
    memcpy(scaled, a, sizeof a);
    CHECK_OK(itd_eigen_symmetric(3, scaled, lambda, v));
    for (size_t k = 0; k < sizeof factors / sizeof *factors; k++) {
        for (size_t i = 0; i < 9; i++) scaled[i] = a[i] * factors[k];
        CHECK_OK(itd_eigen_symmetric(3, scaled, other, v));
        for (size_t i = 0; i < 3; i++) CHECK_CLOSE(other[i] / factors[k], lambda[i], 1e-13);
    }
}

static void eigenvectors_of_diagonal_matrices(void)
{
    double a[16] = {0}, lambda[4], v[16];
    size_t i, j;
    a[0] = 1, a[5] = 4, a[10] = -2, a[15] = 3;
    eigen_check(a, 4);
    CHECK_OK(itd_eigen_symmetric(4, a, lambda, v));
    CHECK_CLOSE(lambda[0], 4, 0);
    CHECK_CLOSE(lambda[1], 3, 0);
    CHECK_CLOSE(lambda[2], 1, 0);
    CHECK_CLOSE(lambda[3], -2, 0);
    memset(a, 0, sizeof a);
    CHECK_OK(itd_eigen_symmetric(4, a, lambda, v)); /* all zero: any orthonormal basis will do */
    for (i = 0; i < 4; i++) {
        double length = 0;
        for (j = 0; j < 4; j++) length += v[4 * i + j] * v[4 * i + j];
        CHECK_CLOSE(lambda[i], 0, 0);
        CHECK_CLOSE(length, 1, 1e-14);
    }
}

/* Scaling a matrix scales its eigenvalues, however large or small the unit. */
static void eigenvectors_do_not_depend_on_the_unit(void)
{
    static const double units[5] = {1e-200, 1e-100, 1e-30, 1e100, 1e200};
    size_t k, i;
    for (k = 0; k < 5; k++) {
        double a[4] = {2, 1, 1, 2}, lambda[2], v[4];
        for (i = 0; i < 4; i++) a[i] *= units[k];
        CHECK_OK(itd_eigen_symmetric(2, a, lambda, v));
        CHECK_CLOSE(lambda[0] / units[k], 3, 1e-13);
        CHECK_CLOSE(lambda[1] / units[k], 1, 1e-13);
    }
}

/* ---- eigenvalues that are small beside others, but not beside their columns ---- */

/* Eigenvalues, descending, of a positive definite matrix, each to high relative accuracy: squared lengths of
 * the rows of G, where a = G^T G with the Cholesky factor G at first and rows are rotated until they are
 * orthogonal (Hestenes 1958). */
static void scaled_eigenvalues(const double *a, size_t n, double *lambda)
{
    long double *g = (long double *)ref_alloc(n * n * sizeof *g);
    size_t i, j, k, sweep;
    for (i = 0; i < n; i++)
        for (j = i; j < n; j++) { /* G^T is lower: g[k][j] for j >= k */
            long double sum = a[i * n + j];
            for (k = 0; k < i; k++) sum -= g[k * n + i] * g[k * n + j];
            g[i * n + j] = i == j ? sqrtl(sum) : sum / g[i * n + i];
        }
    for (sweep = 0; sweep < 60; sweep++)
        for (i = 0; i < n; i++)
            for (j = i + 1; j < n; j++) {
                long double x = 0, y = 0, dot = 0, half, t, c;
                for (k = 0; k < n; k++) {
                    x += g[i * n + k] * g[i * n + k], y += g[j * n + k] * g[j * n + k];
                    dot += g[i * n + k] * g[j * n + k];
                }
                if (fabsl(dot) <= 1e-22L * sqrtl(x) * sqrtl(y)) continue;
                half = (y - x) / (2 * dot);
                t = (half < 0 ? -1 : 1) / (fabsl(half) + sqrtl(1 + half * half)), c = 1 / sqrtl(1 + t * t);
                for (k = 0; k < n; k++) {
                    long double u = g[i * n + k], v = g[j * n + k];
                    g[i * n + k] = c * (u - t * v), g[j * n + k] = c * (t * u + v);
                }
            }
    for (i = 0; i < n; i++) {
        long double square = 0;
        for (k = 0; k < n; k++) square += g[i * n + k] * g[i * n + k];
        for (j = i; j > 0 && lambda[j - 1] < (double)square; j--) lambda[j] = lambda[j - 1];
        lambda[j] = (double)square;
    }
    free(g);
}

/* D P D, with P = n I + B B^T of random B, and D from 1e-6 to 1e6 in any order: all of the eigenvalues, some
 * 1e-24 of the largest, keep twelve digits. */
static void graded_matrices_keep_their_small_eigenvalues(void)
{
    static const size_t sizes[] = {2, 3, 5, 13, 40, 64};
    size_t s, i, j, k;
    ref_seed(21);
    for (s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t n = sizes[s];
        double *a = ref_doubles(n * n), *b = ref_doubles(n * n), *d = ref_doubles(n);
        double *expected = ref_doubles(n), *lambda = ref_doubles(n), *v = ref_doubles(n * n);
        for (i = 0; i < n * n; i++) b[i] = ref_normal();
        for (i = 0; i < n; i++) d[i] = ldexp(1, (int)ref_below(41) - 20);
        d[0] = ldexp(1, 20), d[n - 1] = ldexp(1, -20);
        for (i = 0; i < n; i++)
            for (j = 0; j <= i; j++) {
                double sum = i == j ? (double)n : 0;
                for (k = 0; k < n; k++) sum += b[i * n + k] * b[j * n + k];
                a[i * n + j] = a[j * n + i] = d[i] * sum * d[j]; /* powers of two: no rounding */
            }
        scaled_eigenvalues(a, n, expected);
        CHECK_OK(itd_eigen_symmetric(n, a, lambda, v));
        CHECK(expected[n - 1] < 1e-20 * expected[0]);
        for (i = 0; i < n; i++) CHECK_CLOSE(lambda[i] / expected[i], 1, 1e-12);
        for (i = 0; i < n; i++)
            for (j = 0; j <= i; j++) {
                double dot = 0;
                for (k = 0; k < n; k++) dot += v[i * n + k] * v[j * n + k];
                CHECK_CLOSE(dot, i == j, 1e-13);
            }
        free(a), free(b), free(d), free(expected), free(lambda), free(v);
    }
}

/* [[a, b], [b, c]]: the larger eigenvalue is (a + c)/2 + sqrt((a - c)^2/4 + b^2), the other det over it. The
 * determinants here are exact: of a positive definite, a singular and an indefinite matrix. */
static void graded_pairs_by_hand(void)
{
    const double large = ldexp(1, 40), small = ldexp(1, -40);
    const double list[4][4] = {{large, 0.5, small, 0.75},
                               {large, 1, small, 0},
                               {large, 1, -small, -2},
                               {ldexp(1, 20), 0, ldexp(1, -60), 0}};
    size_t k;
    for (k = 0; k < 4; k++)
        for (int turned = 0; turned < 2; turned++) {
            double first = list[k][0], b = list[k][1], last = list[k][2], det = list[k][3];
            double top = (first + last) / 2 + sqrt((first - last) * (first - last) / 4 + b * b);
            double a[4], lambda[2], v[4];
            a[0] = turned ? last : first, a[3] = turned ? first : last, a[1] = a[2] = b;
            if (k == 3) det = first * last;
            CHECK_OK(itd_eigen_symmetric(2, a, lambda, v));
            CHECK_CLOSE(lambda[0] / top, 1, 1e-15);
            CHECK_CLOSE(lambda[1], det / top, 4e-16 * fabs(last));
            CHECK_CLOSE(v[0] * v[2] + v[1] * v[3], 0, 1e-16);
        }
}

static void small_matrices_with_zeros(void)
{
    double one = -3.5, lambda[3], v[9], flip[4] = {0, 1, 1, 0};
    double ring[9] = {0, 1, 1, 1, 0, 1, 1, 1, 0}, wide[9] = {0, 1e9, 0, 1e9, 0, 1e-9, 0, 1e-9, 0};
    CHECK_OK(itd_eigen_symmetric(1, &one, lambda, v));
    CHECK_CLOSE(lambda[0], -3.5, 0);
    CHECK_CLOSE(fabs(v[0]), 1, 0);
    CHECK_OK(itd_eigen_symmetric(2, flip, lambda, v));
    CHECK_CLOSE(lambda[0], 1, 1e-15);
    CHECK_CLOSE(lambda[1], -1, 1e-15);
    eigen_check(ring, 3);
    CHECK_OK(itd_eigen_symmetric(3, ring, lambda, v));
    CHECK_CLOSE(lambda[0], 2, 1e-14);
    CHECK_CLOSE(lambda[1], -1, 1e-14);
    CHECK_CLOSE(lambda[2], -1, 1e-14);
    eigen_check(wide, 3); /* +-1e9 and 0 */
    CHECK_OK(itd_eigen_symmetric(0, NULL, NULL, NULL));
}

/* Two algorithms, up to 64 dimensions and above: the same matrix beside one more row and column. */
static void both_algorithms_agree(void)
{
    enum { D = 64 };
    double *a, *b = ref_doubles((D + 1) * (D + 1)), *lambda = ref_doubles(D), *more = ref_doubles(D + 1);
    double *v = ref_doubles((D + 1) * (D + 1)), size;
    size_t i, k = 0;
    ref_seed(22);
    a = symmetric(D), size = ref_norm(a, D * D);
    for (i = 0; i < D * D; i++) b[i / D * (D + 1) + i % D] = a[i];
    b[(D + 1) * (D + 1) - 1] = 2 * size;
    CHECK_OK(itd_eigen_symmetric(D, a, lambda, v));
    CHECK_OK(itd_eigen_symmetric(D + 1, b, more, v));
    CHECK_CLOSE(more[0], 2 * size, 1e-13 * size);
    for (; k < D; k++) CHECK_CLOSE(more[k + 1], lambda[k], 1e-13 * size);
    free(a), free(b), free(lambda), free(more), free(v);
}

/* ---- a Gaussian in three dimensions with everything in it ---- */

static const double mean3[3] = {1, -2, 0.5};
static const double cov3[9] = {2.0, 0.6, -0.3, 0.6, 1.0, 0.2, -0.3, 0.2, 0.5};

static itd_gaussian *gaussian3(void)
{
    itd_gaussian *g = NULL;
    CHECK_OK(itd_gaussian_create(mean3, cov3, 3, &g));
    return g;
}

static void create_keeps_what_it_was_given(void)
{
    itd_gaussian *g = gaussian3();
    double back[9] = {0};
    size_t i, j, k;
    CHECK(g->dim == 3);
    for (i = 0; i < 3; i++) CHECK_CLOSE(g->mean[i], mean3[i], 0);
    for (i = 0; i < 3; i++)
        for (j = 0; j < 3; j++)
            for (k = 0; k < 3; k++)
                back[3 * i + j] += g->lambda[k] * g->vectors[3 * k + i] * g->vectors[3 * k + j];
    CHECK(ref_distance(back, cov3, 9) <= 1e-13);
    itd_gaussian_free(g);
    itd_gaussian_free(NULL);
}

/* Mean and biased covariance of the rows, by two passes in double. */
static void moments(const float *x, size_t n, size_t d, double *mean, double *covariance)
{
    size_t i, j, k;
    memset(mean, 0, d * sizeof *mean), memset(covariance, 0, d * d * sizeof *covariance);
    for (i = 0; i < n; i++)
        for (j = 0; j < d; j++) mean[j] += x[i * d + j] / (double)n;
    for (i = 0; i < n; i++)
        for (j = 0; j < d; j++)
            for (k = 0; k < d; k++)
                covariance[j * d + k] += (x[i * d + j] - mean[j]) * (x[i * d + k] - mean[k]) / (double)n;
}

static void fit_recovers_mean_and_covariance(void)
{
    enum { N = 500, D = 5 };
    float *x;
    double mean[D], covariance[D * D], back[D * D] = {0};
    itd_gaussian *g = NULL;
    size_t i, j, k;
    ref_seed(3);
    x = ref_normals(N * D, 1);
    for (i = 0; i < N; i++) {
        x[D * i] = 100 + 3 * x[D * i];
        x[D * i + 1] += 0.5f * x[D * i + 2];
        x[D * i + 4] *= 0.01f;
    }
    moments(x, N, D, mean, covariance);
    CHECK_OK(itd_gaussian_fit(x, N, D, &g));
    for (i = 0; i < D; i++)
        for (j = 0; j < D; j++)
            for (k = 0; k < D; k++)
                back[D * i + j] += g->lambda[k] * g->vectors[D * k + i] * g->vectors[D * k + j];
    CHECK(ref_distance(g->mean, mean, D) <= 1e-12);
    CHECK(ref_distance(back, covariance, D * D) <= 1e-12);
    for (i = 1; i < D; i++) CHECK(g->lambda[i] <= g->lambda[i - 1]);
    itd_gaussian_free(g), free(x);
}

/* ---- density ---- */

/* Inverse by cofactors, and the determinant. */
static double inverse3(const double *a, double *inverse)
{
    double det = 0;
    size_t i, j;
    for (i = 0; i < 3; i++)
        for (j = 0; j < 3; j++) {
            size_t r = (i + 1) % 3, s = (i + 2) % 3, c = (j + 1) % 3, e = (j + 2) % 3;
            inverse[3 * j + i] = a[3 * r + c] * a[3 * s + e] - a[3 * r + e] * a[3 * s + c];
        }
    for (j = 0; j < 3; j++) det += a[j] * inverse[3 * j];
    for (i = 0; i < 9; i++) inverse[i] /= det;
    return det;
}

/* (d/2) log 2 pi + 1/2 log det Sigma + 1/2 (x - mu)^T Sigma^-1 (x - mu) */
static void nll_in_three_dimensions(void)
{
    itd_gaussian *g = gaussian3();
    double inverse[9], det = inverse3(cov3, inverse);
    size_t c, i, j;
    ref_seed(4);
    for (c = 0; c < 50; c++) {
        float x[3];
        double q = 0;
        for (i = 0; i < 3; i++) x[i] = (float)(mean3[i] + 3 * ref_normal());
        for (i = 0; i < 3; i++)
            for (j = 0; j < 3; j++) q += (x[i] - mean3[i]) * inverse[3 * i + j] * (x[j] - mean3[j]);
        CHECK_CLOSE(itd_gaussian_nll(g, x), 1.5 * log(2 * REF_PI) + 0.5 * log(det) + 0.5 * q,
                    1e-11 * (1 + q));
    }
    CHECK_CLOSE(itd_gaussian_entropy(g), 1.5 * (log(2 * REF_PI) + 1) + 0.5 * log(det), 1e-12);
    itd_gaussian_free(g);
}

static void nll_in_two_dimensions(void)
{
    const double mean[2] = {0.3, -0.7}, a = 1.5, b = -0.9, c = 0.8, det = a * c - b * b;
    double covariance[4];
    float x[2];
    itd_gaussian *g = NULL;
    size_t i;
    covariance[0] = a, covariance[1] = covariance[2] = b, covariance[3] = c;
    CHECK_OK(itd_gaussian_create(mean, covariance, 2, &g));
    ref_seed(5);
    for (i = 0; i < 50; i++) {
        double u, v, q;
        x[0] = (float)ref_normal(), x[1] = (float)ref_normal();
        u = x[0] - mean[0], v = x[1] - mean[1];
        q = (c * u * u - 2 * b * u * v + a * v * v) / det;
        CHECK_CLOSE(itd_gaussian_nll(g, x), log(2 * REF_PI) + 0.5 * log(det) + 0.5 * q, 1e-11 * (1 + q));
    }
    itd_gaussian_free(g);
}

static void nll_in_one_dimension(void)
{
    const double mean = 2, variance = 9;
    const float x = 8;
    itd_gaussian *g = NULL;
    CHECK_OK(itd_gaussian_create(&mean, &variance, 1, &g));
    CHECK_CLOSE(itd_gaussian_nll(g, &x), 0.5 * log(2 * REF_PI * 9) + 2, 1e-13);
    itd_gaussian_free(g);
}

/* ---- denoiser ---- */

/* From the posterior mean E[x|z] = mu + sqrt(s) Sigma (s Sigma + r I)^-1 (z - sqrt(s) mu), r = s(-a):
 * eps_hat = (z - sqrt(s) E[x|z]) / sqrt(r). All dense, no eigenvectors. */
static void posterior_eps(const double *mean, const double *covariance, size_t d, const float *z,
                          double logsnr, double *eps_hat)
{
    double s = ref_sigmoid(logsnr), r = ref_sigmoid(-logsnr);
    double *a = ref_doubles(d * d), *y = ref_doubles(d);
    size_t i, j;
    for (i = 0; i < d * d; i++) a[i] = s * covariance[i] + (i % (d + 1) == 0 ? r : 0);
    for (i = 0; i < d; i++) y[i] = z[i] - sqrt(s) * mean[i];
    ref_solve(a, y, d);
    for (i = 0; i < d; i++) {
        double x_hat = mean[i];
        for (j = 0; j < d; j++) x_hat += sqrt(s) * covariance[i * d + j] * y[j];
        eps_hat[i] = (z[i] - sqrt(s) * x_hat) / sqrt(r);
    }
    free(a), free(y);
}

static const float few_logsnr[7] = {-15, -4, -1, 0, 1, 4, 12};

static void denoiser_is_the_posterior_mean(void)
{
    itd_gaussian *g = gaussian3();
    itd_denoiser den = itd_gaussian_denoiser(g);
    float *z, eps_hat[21];
    double expected[21];
    size_t i;
    ref_seed(6);
    z = ref_normals(21, 2);
    CHECK(den.dim == 3 && den.mean == NULL && den.scale == NULL);
    for (i = 0; i < 7; i++) posterior_eps(mean3, cov3, 3, z + 3 * i, few_logsnr[i], expected + 3 * i);
    CHECK_OK(den.predict(den.ctx, z, few_logsnr, 7, eps_hat));
    CHECK(ref_error(eps_hat, expected, 21) <= 1e-6);
    CHECK(ref_each(eps_hat, expected, 21, 1e-6, 1e-6, NULL));
    free(z), itd_gaussian_free(g);
}

/* grad_z log N(z; sqrt(s) mu, s Sigma + r I) = -(s Sigma + r I)^-1 (z - sqrt(s) mu) */
static void score_is_the_gradient_of_the_noisy_density(void)
{
    itd_gaussian *g = gaussian3();
    itd_denoiser den = itd_gaussian_denoiser(g);
    float *z, score[21];
    double expected[21];
    size_t i, j;
    ref_seed(7);
    z = ref_normals(21, 2);
    for (i = 0; i < 7; i++) {
        double s = ref_sigmoid(few_logsnr[i]), r = ref_sigmoid(-few_logsnr[i]), a[9];
        for (j = 0; j < 9; j++) a[j] = s * cov3[j] + (j % 4 == 0 ? r : 0);
        for (j = 0; j < 3; j++) expected[3 * i + j] = sqrt(s) * mean3[j] - z[3 * i + j];
        ref_solve(a, expected + 3 * i, 3);
    }
    CHECK_OK(itd_score(&den, z, few_logsnr, 7, score));
    CHECK(ref_error(score, expected, 21) <= 1e-6);
    CHECK(ref_each(score, expected, 21, 1e-6, 1e-6, NULL));
    free(z), itd_gaussian_free(g);
}

/* Without eigenvectors the coordinate axes are meant: the same numbers as with the identity. */
static void axes_are_the_identity(void)
{
    double mean[2] = {1, -1}, lambda[2] = {4, 0.25}, identity[4] = {1, 0, 0, 1};
    float x[2] = {0.3f, -2}, z[2] = {1.5f, 0.2f}, a = 0.7f, first[2], second[2];
    itd_gaussian axes, full;
    itd_denoiser one, two;
    axes.dim = 2, axes.mean = mean, axes.lambda = lambda, axes.vectors = NULL, axes.basis = NULL;
    full = axes, full.vectors = identity;
    one = itd_gaussian_denoiser(&axes), two = itd_gaussian_denoiser(&full);
    CHECK_CLOSE(itd_gaussian_nll(&axes, x), itd_gaussian_nll(&full, x), 1e-14);
    CHECK_CLOSE(itd_gaussian_mse(&axes, x, a), itd_gaussian_mse(&full, x, a), 1e-14);
    CHECK_OK(one.predict(one.ctx, z, &a, 1, first));
    CHECK_OK(two.predict(two.ctx, z, &a, 1, second));
    CHECK_CLOSE(first[0], second[0], 1e-7);
    CHECK_CLOSE(first[1], second[1], 1e-7);
    CHECK_CLOSE(itd_gaussian_nll(&axes, x), log(2 * REF_PI) + 0.5 * (0.49 / 4 + 1 / 0.25), 1e-6);
}

/* ---- error of the denoiser ---- */

/* mse_G(x, a) is the mean over eps of the squared error the denoiser makes at this very x. */
static void mse_is_the_error_of_the_denoiser(void)
{
    enum { N = 40000 };
    static const float at[4] = {-3, 0, 2, 7};
    const float x[3] = {2.5f, -1, -0.5f};
    itd_gaussian *g = gaussian3();
    itd_denoiser den = itd_gaussian_denoiser(g);
    float *eps, *z = ref_floats(3 * N), *a = ref_floats(N), *eps_hat = ref_floats(3 * N);
    size_t i, j, k;
    ref_seed(8);
    eps = ref_normals(3 * N, 1);
    for (k = 0; k < 4; k++) {
        double sum = 0, square = 0, s = ref_sigmoid(at[k]), r = ref_sigmoid(-at[k]), spread;
        for (i = 0; i < 3 * N; i++) z[i] = (float)(sqrt(s) * x[i % 3] + sqrt(r) * eps[i]);
        for (i = 0; i < N; i++) a[i] = at[k];
        CHECK_OK(den.predict(den.ctx, z, a, N, eps_hat));
        for (i = 0; i < N; i++) {
            double e = 0;
            for (j = 0; j < 3; j++) e += pow(eps[3 * i + j] - eps_hat[3 * i + j], 2);
            sum += e / N, square += e * e / N;
        }
        spread = sqrt((square - sum * sum) / N);
        CHECK(spread > 0 && spread < 0.02 * sum);
        CHECK_CLOSE(itd_gaussian_mse(g, x, at[k]), sum, 4.5 * spread);
    }
    free(eps), free(z), free(a), free(eps_hat), itd_gaussian_free(g);
}

/* The average of mse_G over points with exactly this mean and covariance is mmse_G = Sum s(a + log lambda).
 * Six points, two on each axis at sqrt(3 lambda), have those moments. */
static void mmse_is_the_mean_of_mse(void)
{
    itd_gaussian *g = gaussian3();
    double a;
    for (a = -12; a <= 18; a += 1.7) {
        double sum = 0, spectrum = 0;
        size_t i, j, side;
        for (i = 0; i < 3; i++)
            for (side = 0; side < 2; side++) {
                float x[3];
                double reach = (side ? 1 : -1) * sqrt(3 * g->lambda[i]);
                for (j = 0; j < 3; j++) x[j] = (float)(mean3[j] + reach * g->vectors[3 * i + j]);
                sum += itd_gaussian_mse(g, x, a) / 6;
            }
        for (i = 0; i < 3; i++) spectrum += ref_sigmoid(a + log(g->lambda[i]));
        CHECK(spectrum > 0);
        CHECK_CLOSE(itd_gaussian_mmse(g, a) / spectrum, 1, 1e-13);
        CHECK_CLOSE(sum / spectrum, 1, 1e-6);
    }
    itd_gaussian_free(g);
}

/* Over points drawn from the Gaussian, the same within the error of the mean. */
static void mmse_is_the_mean_of_mse_over_the_gaussian(void)
{
    enum { N = 20000 };
    itd_gaussian *g = gaussian3();
    double sum = 0, square = 0;
    size_t i, j, k;
    ref_seed(9);
    for (i = 0; i < N; i++) {
        double y[3], mse;
        float x[3];
        for (k = 0; k < 3; k++) y[k] = sqrt(g->lambda[k]) * ref_normal();
        for (j = 0; j < 3; j++) {
            double sum_j = mean3[j];
            for (k = 0; k < 3; k++) sum_j += y[k] * g->vectors[3 * k + j];
            x[j] = (float)sum_j;
        }
        mse = itd_gaussian_mse(g, x, 0.5);
        sum += mse / N, square += mse * mse / N;
    }
    CHECK(square > sum * sum);
    CHECK_CLOSE(itd_gaussian_mmse(g, 0.5), sum, 4.5 * sqrt((square - sum * sum) / N));
    itd_gaussian_free(g);
}

/* I-MMSE: h_G = (d/2) log(2 pi e) + 1/2 Integral [mmse_G - d s(a)] da, by Simpson's rule. */
static void entropy_is_the_integral_of_the_error(void)
{
    enum { STEPS = 8000 };
    itd_gaussian *g = gaussian3();
    double sum = 0, h = 80.0 / STEPS;
    size_t k;
    for (k = 0; k <= STEPS; k++) {
        double a = -40 + h * (double)k, factor = k == 0 || k == STEPS ? 1 : k % 2 ? 4 : 2;
        sum += factor * (itd_gaussian_mmse(g, a) - 3 * ref_sigmoid(a));
    }
    CHECK_CLOSE(itd_gaussian_entropy(g), 1.5 * (log(2 * REF_PI) + 1) + 0.5 * sum * h / 3, 1e-9);
    itd_gaussian_free(g);
}

/* ---- what is refused, and what is not ---- */

static void bad_data_are_refused(void)
{
    float x[8] = {0, 1, 2, 3, 5, 8, 13, 21};
    itd_gaussian *const untouched = (itd_gaussian *)(void *)&ref_state, *g = untouched;
    CHECK(itd_gaussian_fit(x, 0, 2, &g) == ITD_ERROR_ARGUMENT);
    CHECK(itd_gaussian_fit(x, 1, 2, &g) == ITD_ERROR_ARGUMENT);
    CHECK(itd_gaussian_fit(x, 4, 0, &g) == ITD_ERROR_ARGUMENT);
    x[3] = NAN;
    CHECK(itd_gaussian_fit(x, 4, 2, &g) == ITD_ERROR_DATA);
    x[3] = INFINITY;
    CHECK(itd_gaussian_fit(x, 4, 2, &g) == ITD_ERROR_DATA);
    CHECK(g == untouched);
}

static void bad_covariances_are_refused(void)
{
    const double mean[2] = {0, 0};
    const double bad[5][4] = {
        {0, 0, 0, 0}, {-1, 0, 0, -2}, {1, NAN, NAN, 1}, {INFINITY, 0, 0, 1}, {1, 0, 0, -2e-8}};
    const double nearly[4] = {1, 0, 0, -0.5e-8}, nowhere[2] = {0, NAN}; /* rounding, which is forgiven */
    itd_gaussian *const untouched = (itd_gaussian *)(void *)&ref_state, *g = untouched;
    size_t i;
    for (i = 0; i < 5; i++) CHECK(itd_gaussian_create(mean, bad[i], 2, &g) == ITD_ERROR_DATA);
    CHECK(itd_gaussian_create(nowhere, nearly, 2, &g) == ITD_ERROR_DATA);
    CHECK(itd_gaussian_create(mean, bad[0], 0, &g) == ITD_ERROR_ARGUMENT);
    CHECK(g == untouched);
    if (CHECK_OK(itd_gaussian_create(mean, nearly, 2, &g))) {
        CHECK_CLOSE(g->lambda[1], 1e-12, 1e-27);
        itd_gaussian_free(g);
    }
}

/* All rows the same has no variance at all, whatever the number and however many of them. */
static void constant_data_are_refused(void)
{
    static const float values[4] = {0, 1, 0.1f, 1234.567f};
    size_t v, n, i;
    for (v = 0; v < 4; v++) {
        size_t accepted = 0;
        for (n = 2; n <= 50; n++) {
            float x[100];
            itd_gaussian *g = NULL;
            for (i = 0; i < 2 * n; i++) x[i] = values[v];
            accepted += itd_gaussian_fit(x, n, 2, &g) != ITD_ERROR_DATA;
            itd_gaussian_free(g);
        }
        CHECK(accepted == 0);
    }
}

/* A direction without variance gets 1e-12 of its columns': everything stays finite, the rest is untouched. */
static void a_flat_direction_stays_finite(void)
{
    enum { N = 200 };
    float x[2 * N], off[2] = {0, 1};
    itd_gaussian *g = NULL;
    size_t i;
    ref_seed(10);
    for (i = 0; i < N; i++) x[2 * i] = x[2 * i + 1] = (float)ref_normal();
    CHECK_OK(itd_gaussian_fit(x, N, 2, &g));
    CHECK(g->lambda[0] > 1);
    CHECK_CLOSE(g->lambda[1] / (1e-12 * g->lambda[0] / 2), 1, 1e-9); /* two columns share the variance */
    CHECK_CLOSE(fabs(g->vectors[0] + g->vectors[1]), sqrt(2.0), 1e-9);
    CHECK(isfinite(itd_gaussian_entropy(g)));
    CHECK(isfinite(itd_gaussian_nll(g, x)));
    CHECK(itd_gaussian_nll(g, off) > 1e9);
    CHECK(isfinite(itd_gaussian_mse(g, off, 0)));
    CHECK_CLOSE(itd_gaussian_mmse(g, 0), ref_sigmoid(log(g->lambda[0])), 1e-9);
    itd_gaussian_free(g);
}

/* Points far from the origin compared with their spread must not lose it. */
static void a_distant_cloud_keeps_its_variance(void)
{
    enum { N = 1000 };
    float *x = ref_floats(2 * N);
    double mean[2], covariance[4];
    itd_gaussian *g = NULL;
    size_t i;
    ref_seed(11);
    for (i = 0; i < 2 * N; i++) x[i] = (float)(1e4 + ref_normal());
    moments(x, N, 2, mean, covariance);
    CHECK_OK(itd_gaussian_fit(x, N, 2, &g));
    CHECK_CLOSE(g->lambda[0] + g->lambda[1], covariance[0] + covariance[3], 1e-9);
    CHECK_CLOSE(g->lambda[0] * g->lambda[1], covariance[0] * covariance[3] - covariance[1] * covariance[2],
                1e-9);
    itd_gaussian_free(g), free(x);
}

/* ---- many dimensions ---- */

/* Rows in MANY dimensions, far from the origin, with a factor in common. */
enum { MANY = 100, MANY_ROWS = 300 };

static float *many_rows(void)
{
    float *x = ref_floats(MANY_ROWS * MANY);
    for (size_t i = 0; i < MANY_ROWS; i++) {
        double common = ref_normal();
        for (size_t j = 0; j < MANY; j++)
            x[i * MANY + j] = (float)(5 + 0.1 * (double)j + common + 0.01 * (double)(j + 1) * ref_normal());
    }
    return x;
}

/* Sum_i lambda_i u_i u_i^T is the covariance of the rows; u rotates them with and without haste. */
static void many_dimensions(void)
{
    float *x, *fast = ref_floats(MANY_ROWS * MANY);
    double *expected = ref_doubles(MANY * MANY), *found = ref_doubles(MANY * MANY), mean[MANY] = {0};
    itd_gaussian *g;
    size_t i, j, k;
    ref_seed(20);
    x = many_rows();
    for (i = 0; i < MANY_ROWS; i++)
        for (j = 0; j < MANY; j++) mean[j] += (double)x[i * MANY + j] / MANY_ROWS;
    for (i = 0; i < MANY_ROWS; i++)
        for (j = 0; j < MANY; j++)
            for (k = 0; k < MANY; k++)
                expected[j * MANY + k] += (x[i * MANY + j] - mean[j]) * (x[i * MANY + k] - mean[k]) /
                                          MANY_ROWS;
    if (!CHECK_OK(itd_gaussian_fit(x, MANY_ROWS, MANY, &g))) return;
    for (i = 0; i < MANY; i++) {
        CHECK_CLOSE(g->mean[i], mean[i], 1e-12 * mean[i]);
        for (j = 0; j < MANY; j++)
            for (k = 0; k < MANY; k++)
                found[j * MANY + k] += g->lambda[i] * g->vectors[i * MANY + j] * g->vectors[i * MANY + k];
    }
    for (i = 0; i < MANY * MANY; i++) CHECK_CLOSE(found[i], expected[i], 1e-6);
    itd__matmul(MANY_ROWS, MANY, MANY, false, x, MANY, 1, g->basis, 1, MANY, fast, MANY, work_with(0));
    CHECK(work_holds());
    for (i = 0; i < MANY_ROWS; i += 37)
        for (j = 0; j < MANY; j++) {
            double slow = 0;
            for (k = 0; k < MANY; k++) slow += g->vectors[j * MANY + k] * x[i * MANY + k];
            CHECK_CLOSE(fast[i * MANY + j], slow, 1e-4);
        }
    itd_gaussian_free(g);
    free(x), free(fast), free(expected), free(found);
}

/* The theorem for the Gaussian itself: its denoiser's errors cancel against its own, draw by draw. */
static void many_dimensions_estimate(void)
{
    double nll_x[20];
    float *x;
    itd_gaussian *g;
    itd_denoiser den;
    itd_nll_desc d = itd_nll_desc_default();
    itd_nll_result result = {0, 0, 0, 0, 0};
    ref_seed(21);
    x = many_rows();
    if (!CHECK_OK(itd_gaussian_fit(x, MANY_ROWS, MANY, &g))) return;
    den = itd_gaussian_denoiser(g);
    d.reference = g, d.draws = 5, d.batch = 12;
    d.schedule.loc = 4, d.schedule.scale = 4.5; /* up to 22: the narrowest direction is resolved */
    CHECK_OK(itd_nll(&den, x, 20, &d, &result, nll_x, NULL));
    CHECK(result.std_error < 1e-3);
    for (size_t i = 0; i < 20; i++) CHECK_CLOSE(nll_x[i], itd_gaussian_nll(g, x + i * MANY), 2e-3);
    itd_gaussian_free(g);
    free(x);
}

int main(void)
{
    RUN(eigenvectors_of_random_matrices);
    RUN(eigenvectors_by_hand);
    RUN(eigenvalues_of_special_spectra);
    RUN(eigenvalues_scale);
    RUN(eigenvectors_of_diagonal_matrices);
    RUN(eigenvectors_do_not_depend_on_the_unit);
    RUN(graded_matrices_keep_their_small_eigenvalues);
    RUN(graded_pairs_by_hand);
    RUN(small_matrices_with_zeros);
    RUN(both_algorithms_agree);
    RUN(create_keeps_what_it_was_given);
    RUN(fit_recovers_mean_and_covariance);
    RUN(nll_in_three_dimensions);
    RUN(nll_in_two_dimensions);
    RUN(nll_in_one_dimension);
    RUN(denoiser_is_the_posterior_mean);
    RUN(score_is_the_gradient_of_the_noisy_density);
    RUN(axes_are_the_identity);
    RUN(mse_is_the_error_of_the_denoiser);
    RUN(mmse_is_the_mean_of_mse);
    RUN(mmse_is_the_mean_of_mse_over_the_gaussian);
    RUN(entropy_is_the_integral_of_the_error);
    RUN(bad_data_are_refused);
    RUN(bad_covariances_are_refused);
    RUN(constant_data_are_refused);
    RUN(a_flat_direction_stays_finite);
    RUN(a_distant_cloud_keeps_its_variance);
    RUN(many_dimensions);
    RUN(many_dimensions_estimate);
    return test_report();
}
