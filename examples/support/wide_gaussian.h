/* wide_gaussian.h: a Gaussian of many images, which need not be in memory as floats. */
#ifndef WIDE_GAUSSIAN_H
#define WIDE_GAUSSIAN_H

static inline itd_result wide_gaussian_fit(void (*get)(const void *ctx, size_t i, float *x), const void *ctx,
                                           size_t n, size_t dim, itd_gaussian **out)
{
    float *x = (float *)must_alloc(n, dim * sizeof *x);
    itd_result result;
    for (size_t i = 0; i < n; i++) get(ctx, i, x + i * dim);
    result = itd_gaussian_fit(x, n, dim, out);
    free(x);
    return result;
}

/* Whether it is that of these rows: by mean and variances. */
static inline int wide_gaussian_is_of(const itd_gaussian *g, void (*get)(const void *ctx, size_t i, float *x),
                                      const void *ctx, size_t n, size_t dim)
{
    double *mean = (double *)must_alloc(dim, sizeof *mean), off = 0;
    float *x = (float *)must_alloc(dim, sizeof *x);
    for (size_t i = 0; i < n && g->dim == dim; i++) {
        get(ctx, i, x);
        for (size_t j = 0; j < dim; j++) mean[j] += (double)x[j] / (double)n;
    }
    for (size_t j = 0; j < dim && g->dim == dim; j++) off = fmax(off, fabs(mean[j] - g->mean[j]));
    free(mean), free(x);
    return g->dim == dim && off < 1e-6;
}

#endif
