/* padding.h: images of a size that the levels of a U-Net do not divide. The network sees them with a border
 * of one value around; the density is that of the true pixels alone.
 *
 * What the border is, is known, so a denoiser of the true pixels may make up the noise on it: z of the border
 * is drawn here, by random numbers whose seed is z of the true pixels themselves. The result is a function of
 * z and the log SNR, which is all that a denoiser has to be, and likelihoods made of its errors count no
 * border pixel.
 *
 *     padded p;
 *     itd_denoiser den = padded_denoiser(&p, &shape, itd_model_denoiser(model)); of shape_dim numbers
 *     padded_free(&p);
 *
 * Include the implementation of itdiff.h before this file. */
#ifndef PADDING_H
#define PADDING_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct image_shape {
    size_t height, width, channels;            /* of the images */
    size_t full_height, full_width, top, left; /* of what the network sees, and where the image is in it */
    double border;                             /* the value around it */
} image_shape;

static inline size_t shape_dim(const image_shape *s) { return s->height * s->width * s->channels; }

static inline size_t shape_full_dim(const image_shape *s)
{
    return s->full_height * s->full_width * s->channels;
}

static inline int shape_is_padded(const image_shape *s) { return shape_full_dim(s) > shape_dim(s); }

/* An image into the middle of the full one, whose border is left as it is. */
static inline void shape_insert(const image_shape *s, const float *x /* (dim) */,
                                float *full /* (full_dim) */)
{
    size_t row = s->width * s->channels, full_row = s->full_width * s->channels;
    for (size_t y = 0; y < s->height; y++)
        memcpy(full + (s->top + y) * full_row + s->left * s->channels, x + y * row, row * sizeof *x);
}

static inline void shape_extract(const image_shape *s, const float *full, float *x)
{
    size_t row = s->width * s->channels, full_row = s->full_width * s->channels;
    for (size_t y = 0; y < s->height; y++)
        memcpy(x + y * row, full + (s->top + y) * full_row + s->left * s->channels, row * sizeof *x);
}

/* With the border around it. */
static inline void shape_pad(const image_shape *s, const float *x, float *full)
{
    for (size_t k = 0; k < shape_full_dim(s); k++) full[k] = (float)s->border;
    shape_insert(s, x, full);
}

/* ---- the denoiser ---- */

typedef struct padded {
    image_shape shape;
    itd_denoiser inner; /* of full images */
    float *z, *eps_hat; /* (capacity,full_dim) */
    size_t capacity;
} padded;

static inline void padded_free(padded *p)
{
    free(p->z), free(p->eps_hat);
    memset(p, 0, sizeof *p);
}

/* A number made of all bits of a row (Fowler, Noll and Vo's hash of its words). */
static inline uint64_t padded_seed(const float *z, size_t n)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t k = 0; k < n; k++) {
        uint32_t bits;
        memcpy(&bits, z + k, sizeof bits);
        hash = (hash ^ bits) * 1099511628211u;
    }
    return hash;
}

/* The border as the channel shows it, sqrt(s(a)) border + sqrt(s(-a)) eps, and z in its middle. */
static inline void padded_row(const image_shape *s, const float *z, double logsnr, float *full)
{
    itd_rng rng = itd_rng_make(padded_seed(z, shape_dim(s)), (uint64_t)0x70616464 << 32); /* "padd" */
    double signal = sqrt(itd_sigmoid(logsnr)) * s->border, noise = sqrt(itd_sigmoid(-logsnr));
    itd_rng_normal_fill(&rng, shape_full_dim(s), full);
    for (size_t k = 0; k < shape_full_dim(s); k++) full[k] = (float)(signal + noise * full[k]);
    shape_insert(s, z, full);
}

static inline itd_result padded_predict(void *ctx, const float *z /* (n,dim) */, const float *logsnr,
                                        size_t n, float *eps_hat /* (n,dim) */)
{
    padded *p = (padded *)ctx;
    size_t d = shape_dim(&p->shape), full = shape_full_dim(&p->shape);
    if (n > p->capacity) {
        free(p->z), free(p->eps_hat), p->capacity = 0;
        p->z = (float *)calloc(n, full * sizeof *p->z), p->eps_hat = (float *)calloc(n, full * sizeof *p->z);
        if (!p->z || !p->eps_hat) return ITD_ERROR_MEMORY;
        p->capacity = n;
    }
    for (size_t i = 0; i < n; i++) padded_row(&p->shape, z + i * d, (double)logsnr[i], p->z + i * full);
    itd_result result = p->inner.predict(p->inner.ctx, p->z, logsnr, n, p->eps_hat);
    for (size_t i = 0; result == ITD_OK && i < n; i++)
        shape_extract(&p->shape, p->eps_hat + i * full, eps_hat + i * d);
    return result;
}

/* Borrows p and what the inner denoiser, which may not normalize, borrows. Where nothing is padded it is that
 * denoiser itself. */
static inline itd_denoiser padded_denoiser(padded *p, const image_shape *shape, itd_denoiser inner)
{
    itd_denoiser den = inner;
    memset(p, 0, sizeof *p);
    p->shape = *shape, p->inner = inner;
    if (!shape_is_padded(shape)) return den;
    den.ctx = p, den.predict = padded_predict, den.dim = shape_dim(shape);
    return den;
}

#endif
