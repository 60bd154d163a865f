/* The eigenproblem of large matrices, and the Gaussian of many images that is made of it: products against
 * loops, eigenvectors against their definition and against Jacobi's, Gaussians against itd_gaussian_fit. */
#include "../examples/support/system.h"

#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "../examples/support/must.h"
#include "ref.h"
#include "test.h"

/* Memory that runs out at the allocation of this number; -1: never. */
static long scarce = -1;

static void *scarce_calloc(size_t n, size_t size)
{
    if (scarce == 0) return NULL;
    if (scarce > 0) scarce--;
    return calloc(n, size);
}

#define malloc(size) scarce_calloc(size, 1)
#define calloc(n, size) scarce_calloc(n, size)
#include "../examples/support/wide_gaussian.h"
#undef malloc
#undef calloc

/* ---- products ---- */

static double *random_matrix(size_t n)
{
    double *a = ref_doubles(n);
    for (size_t i = 0; i < n; i++) a[i] = ref_normal();
    return a;
}

/* C + factor A^T B by its definition; what is above the diagonal is not looked at if `lower`. */
static void product_check(size_t m, size_t n, size_t k, size_t more, int lower)
{
    double *a = random_matrix(k * (m + more)), *b = random_matrix(k * (n + more)),
           *c = random_matrix(m * (n + more));
    double *before = ref_doubles(m * (n + more)), worst = 0;
    memcpy(before, c, m * (n + more) * sizeof *c);
    CHECK(product_add(m, n, k, -0.5, a, m + more, b, n + more, lower, c, n + more));
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n + more; j++) {
            double expected = before[i * (n + more) + j];
            if (lower && j > i) continue;
            for (size_t l = 0; l < k && j < n; l++)
                expected -= 0.5 * a[l * (m + more) + i] * b[l * (n + more) + j];
            worst = fmax(worst, fabs(c[i * (n + more) + j] - expected));
        }
    CHECK(worst <= 1e-13 * (double)(k + 10));
    free(a), free(b), free(c), free(before);
}

static void products_of_all_sizes(void)
{
    static const size_t sizes[][3] = {{1, 1, 1},   {5, 7, 3},     {6, 8, 256},   {7, 9, 257},
                                      {13, 40, 2}, {200, 30, 20}, {30, 200, 20}, {193, 17, 260}};
    ref_seed(1);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t more = 0; more < 4; more += 3) {
            product_check(sizes[i][0], sizes[i][1], sizes[i][2], more, 0);
            if (sizes[i][0] == sizes[i][1]) product_check(sizes[i][0], sizes[i][1], sizes[i][2], more, 1);
        }
    product_check(61, 61, 10, 0, 1);
}

/* ---- eigenvectors ---- */

/* A v_i = lambda_i v_i and orthonormal rows, both within 4 n epsilon, lambda descending. */
static void eigen_check(const double *a, size_t n)
{
    double *copy = ref_doubles(n * n), *lambda = ref_doubles(n), *v = ref_doubles(n * n);
    double residual = 0, skew = 0, largest = 0, tolerance = 4 * DBL_EPSILON * (double)n;
    size_t rising = 0;
    memcpy(copy, a, n * n * sizeof *a);
    CHECK(eigen_large(n, copy, lambda, v));
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(lambda[i])), rising += i && lambda[i] > lambda[i - 1];
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double av = 0, dot = 0;
            for (size_t k = 0; k < n; k++)
                av += a[j * n + k] * v[i * n + k], dot += v[i * n + k] * v[j * n + k];
            residual = fmax(residual, fabs(av - lambda[i] * v[i * n + j])),
            skew = fmax(skew, fabs(dot - (i == j)));
        }
    CHECK(residual <= tolerance * largest);
    CHECK(skew <= tolerance);
    CHECK(rising == 0);
    free(copy), free(lambda), free(v);
}

enum { KINDS = 9 };

/* Random numbers; those that deflate all the way: zero, the identity, rank one, two clusters; those that are
 * close to each other in pairs (Wilkinson's); smooth and rough covariances; tiny ones. */
static double element(int kind, size_t n, size_t i, size_t j)
{
    double apart = fabs((double)i - (double)j), middle = fabs((double)i - (double)n / 2);
    switch (kind) {
    case 0: return 0;
    case 1: return i == j;
    case 2: return 1;
    case 3: return i == j ? 1 + (i % 2 ? 1 : 0) : 0.0;
    case 4: return i == j ? middle : apart < 1.5;
    case 5: return exp(-0.01 * apart * apart);
    case 6: return exp(-0.1 * apart);
    case 7: return 1e-250 * (i == j ? 2 : apart < 1.5 ? -1 : 0);
    default: return 1 / (double)(i + j + 1);
    }
}

static void eigenvectors_of_many_kinds(void)
{
    static const size_t sizes[] = {1, 2, 32, 33, 65, 101};
    ref_seed(2);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t n = sizes[s];
        double *a = ref_doubles(n * n);
        for (int kind = 0; kind < KINDS; kind++) {
            for (size_t i = 0; i < n * n; i++) a[i] = element(kind, n, i / n, i % n);
            eigen_check(a, n);
        }
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j <= i; j++) a[i * n + j] = a[j * n + i] = ref_normal();
        eigen_check(a, n);
        free(a);
    }
}

/* The second difference has the eigenvalues 2 - 2 cos(pi k / (n + 1)). */
static void eigenvalues_in_closed_form(void)
{
    enum { N = 150 };
    double *a = ref_doubles(N * N), *lambda = ref_doubles(N), *v = ref_doubles(N * N), worst = 0;
    for (size_t i = 0; i < N; i++) {
        a[i * N + i] = 2;
        if (i) a[i * N + i - 1] = a[(i - 1) * N + i] = -1;
    }
    CHECK(eigen_large(N, a, lambda, v));
    for (size_t k = 0; k < N; k++)
        worst = fmax(worst,
                     fabs(lambda[k] - 2 + 2 * cos(3.14159265358979323846 * (double)(N - k) / (N + 1))));
    CHECK(worst <= 1e-14);
    free(a), free(lambda), free(v);
}

static void eigenvalues_agree_with_jacobi(void)
{
    enum { N = 70 };
    double *a = ref_doubles(N * N), *b = ref_doubles(N * N), *v = ref_doubles(N * N), one[N], other[N];
    ref_seed(3);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j <= i; j++) a[i * N + j] = a[j * N + i] = ref_normal();
    memcpy(b, a, N * N * sizeof *a);
    CHECK(eigen_large(N, a, one, v));
    CHECK_OK(itd_eigen_symmetric(N, b, other, v));
    for (size_t i = 0; i < N; i++) CHECK_CLOSE(one[i], other[i], 1e-13 * fabs(other[0]) * 10);
    free(a), free(b), free(v);
}

/* ---- the Gaussian of many images ---- */

typedef struct rows {
    const float *x;
    size_t dim;
} rows;

/* Each allocation fails once, and all after it. */
static void eigenvectors_without_memory(void)
{
    enum { N = 80 };
    double *a = ref_doubles(N * N), *lambda = ref_doubles(N), *v = ref_doubles(N * N);
    double trace = 0;
    long failures = 0;
    int found = 0;
    while (!found && failures < 100) {
        for (size_t i = 0; i < N * N; i++) a[i] = 1 / (double)(i / N + i % N + 1);
        scarce = failures;
        found = eigen_large(N, a, lambda, v);
        failures += !found;
    }
    scarce = -1;
    CHECK(found && failures >= 7);
    for (size_t i = 0; i < N; i++) trace += lambda[i] - 1 / (double)(2 * i + 1);
    CHECK_CLOSE(trace, 0, 1e-13);
    free(a), free(lambda), free(v);
}

static void get_row(const void *ctx, size_t i, float *x)
{
    const rows *r = (const rows *)ctx;
    memcpy(x, r->x + i * r->dim, r->dim * sizeof *x);
}

/* The same density as that of itd_gaussian_fit, to the rounding of its sums in floats. */
static void gaussians_agree(void)
{
    enum { N = 1100, D = 70 }; /* more rows than are summed at once */
    static float x[N * D];
    rows r = {x, D}, narrow = {x, D - 1};
    itd_gaussian *fit = NULL, *wide = NULL;
    ref_seed(4);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < D; j++)
            x[i * D + j] = (float)(0.3 * ref_normal() + (j ? 0.5 * x[i * D + j - 1] : 2));
    CHECK_OK(itd_gaussian_fit(x, N, D, &fit));
    CHECK_OK(wide_gaussian_fit(get_row, &r, N, D, &wide));
    if (!fit || !wide) return;
    CHECK_CLOSE(itd_gaussian_entropy(wide), itd_gaussian_entropy(fit), 1e-4);
    for (size_t i = 0; i < 5; i++) {
        CHECK_CLOSE(itd_gaussian_nll(wide, x + i * D), itd_gaussian_nll(fit, x + i * D), 1e-3);
        CHECK_CLOSE(itd_gaussian_mse(wide, x + i * D, 1), itd_gaussian_mse(fit, x + i * D, 1), 1e-3);
    }
    CHECK(wide_gaussian_is_of(wide, get_row, &r, N, D));
    CHECK(!wide_gaussian_is_of(wide, get_row, &r, N - 1, D));
    CHECK(!wide_gaussian_is_of(wide, get_row, &narrow, N, D - 1));
    itd_gaussian_free(fit), itd_gaussian_free(wide);
}

/* Files of Gaussians: they come back to the bit, and damaged ones are refused. */
static void gaussians_come_back(void)
{
    enum { N = 100, D = 67 };
    static const char path[] = "build/test_eigen.npy";
    static float x[N * D];
    static const struct {
        size_t byte; /* of the numbers */
        const char *words;
    } damage[] = {{8 * (D + 3) + 7, "positive eigenvalues"}, /* the sign of an eigenvalue */
                  {8 * 3 + 6, NULL},                         /* the mean: any number will do */
                  {8 * (2 * D + 5 * D + 9) + 4, "orthonormal"},
                  {8 * (2 * D + 66 * D + 66) + 7, "orthonormal"}};
    rows r = {x, D};
    itd_gaussian *g = NULL, *back = NULL;
    char error[300] = "", *bytes = NULL;
    size_t size = 0;
    text_error to = {path, error, sizeof error};
    ref_seed(6);
    for (size_t i = 0; i < N * D; i++) x[i] = (float)ref_normal();
    CHECK_OK(wide_gaussian_fit(get_row, &r, N, D, &g));
    if (!g) return;
    CHECK(wide_gaussian_save(g, path) == 0 && wide_gaussian_save(g, "build/no/such/folder.npy") == -1);
    if (!CHECK(wide_gaussian_load(path, &back, error, sizeof error) == 0)) return;
    CHECK(back->dim == D && !memcmp(back->mean, g->mean, D * sizeof *g->mean));
    CHECK(!memcmp(back->lambda, g->lambda, D * sizeof *g->lambda));
    CHECK(!memcmp(back->vectors, g->vectors, D * D * sizeof *g->vectors));
    CHECK(!memcmp(back->basis, g->basis, D * D * sizeof *g->basis));
    itd_gaussian_free(back), itd_gaussian_free(g);
    CHECK(text_load(&to, &bytes, &size) == 0 && size == 128 + 8 * (D + 2) * D);
    for (size_t k = 0; k < 7; k++) {
        const char *words = k < 4 ? damage[k].words : k < 6 ? "" : "a Gaussian expected";
        FILE *file = fopen(path, "wb");
        if (!CHECK(file != NULL)) return;
        if (k < 4) bytes[128 + damage[k].byte] ^= (char)0x80;
        if (k < 6) fwrite(bytes, 1, k == 4 ? size - 8 : k == 5 ? 100 : size, file);
        fclose(file);
        if (k < 4) bytes[128 + damage[k].byte] ^= (char)0x80;
        if (k == 6) CHECK(table_write(path, NULL, (const double *)(const void *)(bytes + 128), 3, 3) == 0);
        back = NULL;
        CHECK((wide_gaussian_load(path, &back, error, sizeof error) != 0) == (words != NULL));
        CHECK(!words == (back != NULL));
        if (words) CHECK(strstr(error, path) == error && strstr(error, words) != NULL);
        itd_gaussian_free(back);
    }
    free(bytes);
    remove(path);
    CHECK(wide_gaussian_load(path, &back, error, sizeof error) != 0);
}

/* Pixels that never vary, as a border has them, and fewer rows than dimensions. */
static void gaussians_of_flat_data(void)
{
    enum { N = 20, D = 66 };
    static float x[N * D];
    rows r = {x, D};
    itd_gaussian *g = NULL;
    ref_seed(5);
    for (size_t i = 0; i < N * D; i++) x[i] = i % D < 10 ? -1 : (float)ref_normal();
    CHECK_OK(wide_gaussian_fit(get_row, &r, N, D, &g));
    if (!g) return;
    CHECK(g->lambda[D - 1] > 0 && itd_gaussian_entropy(g) < 0 && g->mean[0] == -1);
    itd_gaussian_free(g);
}

static void gaussians_from_eigenpairs_are_checked(void)
{
    double mean[2] = {1, 2}, lambda[2] = {4, 1}, vectors[4] = {0, 1, 1, 0}, zero[2] = {4, 0},
           bad[2] = {NAN, 0};
    const float x[2] = {1, 4};
    itd_gaussian *g = NULL;
    CHECK(itd_gaussian_from_eigen(mean, zero, vectors, 2, &g) == ITD_ERROR_DATA && !g);
    CHECK(itd_gaussian_from_eigen(bad, lambda, vectors, 2, &g) == ITD_ERROR_DATA && !g);
    CHECK(itd_gaussian_from_eigen(mean, lambda, bad, 1, &g) == ITD_ERROR_DATA && !g);
    CHECK(itd_gaussian_from_eigen(mean, lambda, vectors, 0, &g) == ITD_ERROR_ARGUMENT && !g);
    CHECK_OK(itd_gaussian_from_eigen(mean, lambda, vectors, 2, &g));
    if (!g) return;
    /* variance 4 along the second axis, where x is two off the mean */
    CHECK_CLOSE(itd_gaussian_nll(g, x), log(2 * 3.14159265358979323846) + 0.5 * log(4) + 0.5, 1e-12);
    itd_gaussian_free(g), g = NULL;
    /* without vectors the axes: variance 1 along the second one */
    CHECK_OK(itd_gaussian_from_eigen(mean, lambda, NULL, 2, &g));
    if (!g) return;
    CHECK(g->vectors == NULL && g->basis == NULL);
    CHECK_CLOSE(itd_gaussian_nll(g, x), log(2 * 3.14159265358979323846) + 0.5 * log(4) + 2, 1e-12);
    itd_gaussian_free(g);
}

int main(void)
{
    RUN(products_of_all_sizes);
    RUN(eigenvectors_of_many_kinds);
    RUN(eigenvalues_in_closed_form);
    RUN(eigenvalues_agree_with_jacobi);
    RUN(eigenvectors_without_memory);
    RUN(gaussians_agree);
    RUN(gaussians_come_back);
    RUN(gaussians_of_flat_data);
    RUN(gaussians_from_eigenpairs_are_checked);
    return test_report();
}
