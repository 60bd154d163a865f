/* wide_gaussian.h: the Gaussian of many images, of thousands of numbers each. They are asked for one after
 * the other, so that they need not all be in memory as floats, and their sums are made in double.
 *
 *     must(wide_gaussian_fit(get, ctx, n, dim, &g), "the Gaussian of the images");   get(ctx, i, x) for i < n
 *
 * Include the implementation of itdiff.h and must.h before this file. */
#ifndef WIDE_GAUSSIAN_H
#define WIDE_GAUSSIAN_H

#include "eigen.h"

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

#endif
