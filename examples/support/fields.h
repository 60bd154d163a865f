/* fields.h: Gaussian random fields, images (side,side,3) of a distribution that is known exactly: what a
 * learner of photographs can be tested on where the truth of photographs is unknown.
 *
 *     fields *f;
 *     fields_desc desc = fields_desc_default(32, 1);
 *     fields_create(&desc, &f);
 *     fields_sample(f, i, x);                 image i of the seed, always the same
 *     fields_nll(f, x);                       -log p(x), nats
 *     itd_denoiser best = fields_denoiser(f); the posterior mean of the noise
 *
 * The field lives on a torus. Its eigenvectors are waves: products of a cosine or sine of frequency k_y down
 * the image, one of frequency k_x along it, and one of three colours. With Q the orthonormal real Fourier
 * basis (rows) and B the colours (rows), the coefficients of an image X are
 *
 *     C_c = Q (Sum_b B_cb X_b) Q^T,      independent N(0, lambda_c(k)),
 *     lambda_c(k) = a channel_c (1 + |k|^2 / corner^2)^(-exponent),      |k|^2 = k_y^2 + k_x^2
 *
 * with a such that the mean of all eigenvalues, which is the variance of a value averaged over the channels,
 * is `variance`. Cosine and sine of a frequency have the same eigenvalue, so the distribution does not change
 * when the image is moved around the torus. The colours are luminance (1,1,1), (1,0,-1) and (1,-2,1),
 * normalized. Defaults are near to what CIFAR-10 measures: channel variances 1 : 0.08 : 0.02, powers that
 * fall as |k|^-2.4 to |k|^-3, a variance of 0.25 on the scale of -1 to 1. */
#ifndef FIELDS_H
#define FIELDS_H

#include "../../itdiff.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#define FIELDS_PI 3.14159265358979323846

/* Streams of random numbers are named, see datasets.h: the letters "flds" above the number of the image. */
#define FIELDS_STREAM ((uint64_t)0x666c6473 << 32)

enum {
    FIELDS_CHANNELS = 3,
    FIELDS_MOST_SIDE = 64,
    FIELDS_MOST_PLANE = FIELDS_MOST_SIDE * FIELDS_MOST_SIDE,
    FIELDS_MOST_DIM = FIELDS_MOST_PLANE * FIELDS_CHANNELS
};

typedef struct fields_desc {
    size_t side; /* 1 .. FIELDS_MOST_SIDE */
    uint64_t seed;
    double exponent;                 /* >= 0; 1.5 */
    double corner;                   /* frequency, in waves per image, where the fall begins; > 0; 1 */
    double variance;                 /* > 0; 0.25 */
    double channel[FIELDS_CHANNELS]; /* relative variances of the colours, > 0; 1, 0.08, 0.02 */
} fields_desc;

typedef struct fields { /* to read */
    fields_desc desc;
    size_t dim;      /* side * side * 3 */
    double entropy;  /* nats */
    double *basis;   /* (side,side) Q: row k is a wave of frequency (k + 1) / 2 */
    double *inverse; /* (side,side) Q^T */
    double *lambda;  /* (3,side,side) eigenvalues, in the order of the coefficients */
} fields;

static inline fields_desc fields_desc_default(size_t side, uint64_t seed)
{
    fields_desc desc = {side, seed, 1.5, 1, 0.25, {1, 0.08, 0.02}};
    return desc;
}

/* ---- the eigenbasis ---- */

/* Row c is colour c. */
static inline void fields_colours(double colours[FIELDS_CHANNELS][FIELDS_CHANNELS])
{
    static const double rows[FIELDS_CHANNELS][FIELDS_CHANNELS] = {{1, 1, 1}, {1, 0, -1}, {1, -2, 1}};
    static const double squares[FIELDS_CHANNELS] = {3, 2, 6};
    for (size_t c = 0; c < FIELDS_CHANNELS; c++)
        for (size_t b = 0; b < FIELDS_CHANNELS; b++) colours[c][b] = rows[c][b] / sqrt(squares[c]);
}

/* Waves per image of row k of the basis: 0, 1, 1, 2, 2, ... */
static inline size_t fields_frequency(size_t k) { return (k + 1) / 2; }

/* Value j of row k: a constant, cosines in the odd rows, sines in the even ones; where side is even, the last
 * cosine is the alternating wave, which has no sine and twice the square. */
static inline double fields_wave(size_t side, size_t k, size_t j)
{
    size_t frequency = fields_frequency(k);
    double angle = 2 * FIELDS_PI * (double)(frequency * j % side) / (double)side;
    int alone = k == 0 || 2 * frequency == side;
    return sqrt((alone ? 1 : 2) / (double)side) * (k == 0 || k % 2 ? cos(angle) : sin(angle));
}

/* out = a b, all (n,n) */
static inline void fields_multiply(size_t n, const double *a, const double *b, double *out)
{
    for (size_t i = 0; i < n; i++, out += n) {
        for (size_t j = 0; j < n; j++) out[j] = 0;
        for (size_t k = 0; k < n; k++)
            for (size_t j = 0; j < n; j++) out[j] += a[i * n + k] * b[k * n + j];
    }
}

/* Image -> coefficients. */
static inline void fields_forward(const fields *f, const float *x /* (side,side,3) */,
                                  double *coefficient /* (3,side,side) */)
{
    size_t side = f->desc.side, plane = side * side;
    double colours[FIELDS_CHANNELS][FIELDS_CHANNELS], mixed[FIELDS_MOST_PLANE], half[FIELDS_MOST_PLANE];
    fields_colours(colours);
    for (size_t c = 0; c < FIELDS_CHANNELS; c++) {
        for (size_t p = 0; p < plane; p++)
            mixed[p] = colours[c][0] * (double)x[3 * p] + colours[c][1] * (double)x[3 * p + 1] +
                       colours[c][2] * (double)x[3 * p + 2];
        fields_multiply(side, f->basis, mixed, half);
        fields_multiply(side, half, f->inverse, coefficient + c * plane);
    }
}

/* Coefficients -> image. */
static inline void fields_backward(const fields *f, const double *coefficient /* (3,side,side) */,
                                   float *x /* (side,side,3) */)
{
    size_t side = f->desc.side, plane = side * side;
    double colours[FIELDS_CHANNELS][FIELDS_CHANNELS], half[FIELDS_MOST_PLANE], sum[FIELDS_MOST_DIM];
    fields_colours(colours);
    for (size_t c = 0; c < FIELDS_CHANNELS; c++) {
        fields_multiply(side, f->inverse, coefficient + c * plane, half);
        fields_multiply(side, half, f->basis, sum + c * plane);
    }
    for (size_t p = 0; p < plane; p++)
        for (size_t b = 0; b < FIELDS_CHANNELS; b++)
            x[3 * p + b] = (float)(colours[0][b] * sum[p] + colours[1][b] * sum[plane + p] +
                                   colours[2][b] * sum[2 * plane + p]);
}

/* ---- the distribution ---- */

static inline void fields_free(fields *f) { free(f); }

/* Eigenvalues, scaled to the mean that is asked for. */
static inline void fields_set_spectrum(fields *f)
{
    const fields_desc *d = &f->desc;
    double total = 0, scale;
    for (size_t i = 0; i < f->dim; i++) {
        size_t c = i / (d->side * d->side);
        double ky = (double)fields_frequency(i / d->side % d->side) / d->corner;
        double kx = (double)fields_frequency(i % d->side) / d->corner;
        f->lambda[i] = d->channel[c] * pow(1 + ky * ky + kx * kx, -d->exponent);
        total += f->lambda[i];
    }
    scale = d->variance * (double)f->dim / total;
    for (size_t i = 0; i < f->dim; i++) f->lambda[i] *= scale;
}

/* Written so that NaN is refused. */
static inline int fields_valid(const fields_desc *d)
{
    int valid = d->side >= 1 && d->side <= FIELDS_MOST_SIDE && d->exponent >= 0 && d->corner > 0;
    for (size_t c = 0; c < FIELDS_CHANNELS; c++) valid = valid && d->channel[c] > 0;
    return valid && d->variance > 0;
}

/* ITD_ERROR_ARGUMENT also where an eigenvalue leaves the range of doubles. */
static inline itd_result fields_create(const fields_desc *desc, fields **out)
{
    size_t side = desc->side, plane = side * side, dim = plane * FIELDS_CHANNELS;
    fields *f;
    if (!fields_valid(desc)) return ITD_ERROR_ARGUMENT;
    f = (fields *)malloc(sizeof *f + (2 * plane + dim) * sizeof(double));
    if (!f) return ITD_ERROR_MEMORY;
    f->desc = *desc;
    f->dim = dim;
    f->basis = (double *)(void *)(f + 1); /* of doubles and pointers: aligned for doubles */
    f->inverse = f->basis + plane;
    f->lambda = f->inverse + plane;
    for (size_t k = 0; k < side; k++)
        for (size_t j = 0; j < side; j++)
            f->basis[k * side + j] = f->inverse[j * side + k] = fields_wave(side, k, j);
    fields_set_spectrum(f);
    f->entropy = 0;
    for (size_t i = 0; i < dim; i++) f->entropy += 0.5 * (log(2 * FIELDS_PI * f->lambda[i]) + 1);
    if (!(fabs(f->entropy) <= DBL_MAX)) {
        fields_free(f);
        return ITD_ERROR_ARGUMENT;
    }
    *out = f;
    return ITD_OK;
}

/* Entropy in nats: Sum_i (1/2) log(2 pi e lambda_i). */
static inline double fields_entropy(const fields *f) { return f->entropy; }

/* -log p(x), nats: the entropy is its mean, with C_i^2 / lambda_i for 1. */
static inline double fields_nll(const fields *f, const float *x /* (side,side,3) */)
{
    double coefficient[FIELDS_MOST_DIM], nll = f->entropy;
    fields_forward(f, x, coefficient);
    for (size_t i = 0; i < f->dim; i++) nll += 0.5 * (coefficient[i] * coefficient[i] / f->lambda[i] - 1);
    return nll;
}

/* Image `index` < 2^32, a function of seed and index alone. */
static inline void fields_sample(const fields *f, uint64_t index, float *x /* (side,side,3) */)
{
    itd_rng rng = itd_rng_make(f->desc.seed, FIELDS_STREAM + index);
    double coefficient[FIELDS_MOST_DIM];
    float normal[FIELDS_MOST_DIM];
    itd_rng_normal_fill(&rng, f->dim, normal);
    for (size_t i = 0; i < f->dim; i++) coefficient[i] = sqrt(f->lambda[i]) * (double)normal[i];
    fields_backward(f, coefficient, x);
}

/* ---- its best denoiser ---- */

/* With s = s(a), r = s(-a), a coefficient of z = sqrt(s) x + sqrt(r) eps is N(0, s lambda + r), and the
 * noise in it is on average sqrt(r) / (s lambda + r) times its value. */
static inline void fields_denoise(const fields *f, const float *z, double logsnr, float *eps_hat)
{
    double s = itd_sigmoid(logsnr), r = itd_sigmoid(-logsnr), coefficient[FIELDS_MOST_DIM];
    fields_forward(f, z, coefficient);
    for (size_t i = 0; i < f->dim; i++) coefficient[i] *= sqrt(r) / (s * f->lambda[i] + r);
    fields_backward(f, coefficient, eps_hat);
}

static inline itd_result fields_predict(void *ctx, const float *z /* (n,dim) */,
                                        const float *logsnr /* (n) */, size_t n, float *eps_hat /* (n,dim) */)
{
    const fields *f = (const fields *)ctx;
    ptrdiff_t row, rows = (ptrdiff_t)n;
#if defined(_OPENMP)
#pragma omp parallel for schedule(static) if (n * f->dim > 4096)
#endif
    for (row = 0; row < rows; row++) {
        size_t at = (size_t)row * f->dim;
        fields_denoise(f, z + at, logsnr[row], eps_hat + at);
    }
    return ITD_OK;
}

/* Borrows f. */
static inline itd_denoiser fields_denoiser(const fields *f)
{
    itd_denoiser den = {(void *)(uintptr_t)f, f->dim, fields_predict, NULL, NULL, NULL, NULL, 0};
    return den;
}

#endif
