/* wide_gaussian.h: the Gaussian of many images, of thousands of numbers each. They are asked for one after
 * the other, so that they need not all be in memory as floats, and their sums are made in double. Its
 * eigenvectors take long to find; so it can be kept in a file, an array of NumPy with dim + 2 rows of dim
 * numbers: the mean, the eigenvalues, and the eigenvectors.
 *
 *     must(wide_gaussian_fit(get, ctx, n, dim, &g), "the Gaussian of the images");   get(ctx, i, x) for i < n
 *     if (wide_gaussian_save(g, "gaussian.npy")) fail("gaussian.npy: cannot be written");
 *     if (wide_gaussian_load("gaussian.npy", &g, error, sizeof error)) fail("%s", error);
 *
 * Include the implementation of itdiff.h before this file. */
#ifndef WIDE_GAUSSIAN_H
#define WIDE_GAUSSIAN_H

#include "eigen.h"
#include "npy.h"
#include "table_out.h"

typedef void wide_get(const void *ctx, size_t i, float *x /* (dim) */);

static inline void wide_mean(wide_get *get, const void *ctx, size_t n, size_t dim, double *mean /* (dim) */)
{
    float *x = (float *)must_alloc(dim, sizeof *x);
    for (size_t j = 0; j < dim; j++) mean[j] = 0;
    for (size_t i = 0; i < n; i++) {
        get(ctx, i, x);
        for (size_t j = 0; j < dim; j++) mean[j] += (double)x[j];
    }
    for (size_t j = 0; j < dim; j++) mean[j] /= (double)n;
    free(x);
}

/* The lower half is summed, and the upper one a copy of it. */
static inline int wide_covariance(wide_get *get, const void *ctx, size_t n, size_t dim, const double *mean,
                                  double *covariance /* (dim,dim) zeros */)
{
    enum { ROWS = 1024 };
    double *centred = (double *)must_alloc(ROWS, dim * sizeof *centred);
    float *x = (float *)must_alloc(dim, sizeof *x);
    int enough = 1;
    for (size_t at = 0; enough && at < n; at += ROWS) {
        size_t rows = n - at < ROWS ? n - at : ROWS;
        for (size_t i = 0; i < rows; i++) {
            get(ctx, at + i, x);
            for (size_t j = 0; j < dim; j++) centred[i * dim + j] = (double)x[j] - mean[j];
        }
        enough = product_add(dim, dim, rows, 1 / (double)n, centred, dim, centred, dim, 1, covariance, dim);
    }
    for (size_t i = 0; i < dim; i++)
        for (size_t j = 0; j < i; j++) covariance[j * dim + i] = covariance[i * dim + j];
    free(centred), free(x);
    return enough;
}

/* Mean and (biased) covariance of n >= 2 rows. Directions in which they do not vary get a sliver of the
 * widest. */
static inline itd_result wide_gaussian_fit(wide_get *get, const void *ctx, size_t n, size_t dim,
                                           itd_gaussian **out)
{
    double *mean = (double *)must_alloc(dim, sizeof *mean),
           *lambda = (double *)must_alloc(dim, sizeof *lambda);
    double *covariance = (double *)must_alloc(dim, dim * sizeof *covariance), *vectors = NULL;
    itd_result result = ITD_ERROR_MEMORY;
    wide_mean(get, ctx, n, dim, mean);
    if (wide_covariance(get, ctx, n, dim, mean, covariance)) {
        vectors = (double *)must_alloc(dim, dim * sizeof *vectors);
        if (eigen_large(dim, covariance, lambda, vectors)) result = ITD_OK;
    }
    free(covariance);
    for (size_t j = 0; result == ITD_OK && j < dim; j++) lambda[j] = fmax(lambda[j], 1e-12 * lambda[0]);
    if (result == ITD_OK) result = itd_gaussian_from_eigen(mean, lambda, vectors, dim, out);
    free(mean), free(lambda), free(vectors);
    return result;
}

/* Whether a Gaussian is that of these rows, by its mean. */
static inline int wide_gaussian_is_of(const itd_gaussian *g, wide_get *get, const void *ctx, size_t n,
                                      size_t dim)
{
    double *mean, off = 0;
    if (g->dim != dim) return 0;
    mean = (double *)must_alloc(dim, sizeof *mean);
    wide_mean(get, ctx, n, dim, mean);
    for (size_t j = 0; j < dim; j++) off = fmax(off, fabs(mean[j] - g->mean[j]));
    free(mean);
    return off < 1e-6;
}

/* ---- files ---- */

/* Returns 0, or -1 if it cannot be written. Its vectors are dim orthonormal rows. */
static inline int wide_gaussian_save(const itd_gaussian *g, const char *path)
{
    size_t d = g->dim;
    double *rows = (double *)must_alloc(d + 2, d * sizeof *rows);
    int failed;
    memcpy(rows, g->mean, d * sizeof *rows), memcpy(rows + d, g->lambda, d * sizeof *rows);
    memcpy(rows + 2 * d, g->vectors, d * d * sizeof *rows);
    failed = table_write(path, NULL, rows, d + 2, d);
    free(rows);
    return failed;
}

/* Whether the rows of V (d,d) are orthonormal, as far as one random vector can tell: V'V x = x. A damaged
 * number changes most of the result. */
static inline int wide_is_orthonormal(const double *vectors, size_t d)
{
    double *x = (double *)must_alloc(2 * d, sizeof *x), *back = x + d;
    int good = 1;
    itd_rng rng = itd_rng_make(1, 0);
    for (size_t j = 0; j < d; j++) x[j] = itd_rng_normal(&rng), back[j] = 0;
    for (size_t i = 0; i < d; i++) {
        double dot = eigen_dot(vectors + i * d, x, d);
        for (size_t j = 0; j < d; j++) back[j] += dot * vectors[i * d + j];
    }
    for (size_t j = 0; j < d; j++) good = good && fabs(back[j] - x[j]) < 1e-9; /* not if it is not a number */
    free(x);
    return good;
}

/* Returns 0, or -1 with one line in `error`: all that a damaged file could change is checked. */
static inline int wide_gaussian_load(const char *path, itd_gaussian **out, char *error, size_t error_size)
{
    text_error to = {path, error, error_size};
    char *bytes;
    double *rows = NULL;
    size_t size, d = 0;
    npy_array a;
    int failed = text_load(&to, &bytes, &size) || npy_open(bytes, size, &a, &to);
    if (!failed && (a.dimensions != 2 || a.rows != a.columns + 2 || a.kind != 'f' || a.width != 8))
        failed = text_refuse(&to, "a Gaussian expected, found an array of %lu rows, %lu columns",
                             (unsigned long)a.rows, (unsigned long)a.columns);
    if (!failed) {
        d = a.columns, rows = (double *)must_alloc(d + 2, d * sizeof *rows);
        for (size_t i = 0; i < (d + 2) * d; i++) rows[i] = npy_value(&a, i / d, i % d);
        if (!wide_is_orthonormal(rows + 2 * d, d))
            failed = text_refuse(&to, "orthonormal eigenvectors expected, found others");
        else if (itd_gaussian_from_eigen(rows, rows + d, rows + 2 * d, d, out) != ITD_OK)
            failed = text_refuse(&to, "a mean and positive eigenvalues expected, found other numbers");
    }
    free(bytes), free(rows);
    return failed;
}

#endif
