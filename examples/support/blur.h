/* blur.h: the density of blurred data from the denoiser of the data.
 *
 * Data x with noise of its own, y = x + sqrt(v) n, at log SNR a with s = s(a), r = s(-a):
 *
 *     z = sqrt(s) y + sqrt(r) eps = sqrt(s) x + (noise of variance s v + r)
 *
 * which, divided by sqrt(s + s v + r), is x at log SNR log(s / (s v + r)), and the denoiser of x knows the
 * noise in it. The channel's part of that noise is sqrt(r / (s v + r)) of it. So the best denoiser of x gives
 * the best denoiser of y, and with it the density of x convolved with N(0, v I), exactly.
 *
 * Include the implementation of itdiff.h before this file. */
#ifndef BLUR_H
#define BLUR_H

#include "../../itdiff.h"
#include "must.h"

#include <math.h>

typedef struct blurred {
    itd_denoiser sharp;
    double v;          /* in the coordinates of the denoiser */
    float *z, *logsnr; /* (rows,dim), (rows) memory for the largest call */
} blurred;

static inline itd_result blurred_predict(void *ctx, const float *z, const float *logsnr, size_t n,
                                         float *eps_hat)
{
    const blurred *b = (const blurred *)ctx;
    size_t i, j, d = b->sharp.dim;
    itd_result result;
    for (i = 0; i < n; i++) {
        double s = itd_sigmoid(logsnr[i]), noise = s * b->v + itd_sigmoid(-logsnr[i]);
        b->logsnr[i] = (float)log(s / noise);
        for (j = 0; j < d; j++) b->z[i * d + j] = (float)(z[i * d + j] / sqrt(s + noise));
    }
    result = b->sharp.predict(b->sharp.ctx, b->z, b->logsnr, n, eps_hat);
    for (i = 0; i < n; i++) {
        double r = itd_sigmoid(-logsnr[i]), noise = itd_sigmoid(logsnr[i]) * b->v + r;
        for (j = 0; j < d; j++) eps_hat[i * d + j] *= (float)sqrt(r / noise);
    }
    return result;
}

static inline itd_denoiser blurred_denoiser(blurred *b)
{
    itd_denoiser denoiser = b->sharp;
    denoiser.ctx = b;
    denoiser.predict = blurred_predict;
    return denoiser;
}

/* -log p of the data of a model, blurred with standard deviation sigma in its denoiser's coordinates, with
   the same draws for every point: for pictures, which are smooth, and where spots smaller than a cell are not
   a matter of luck. */
static inline void blurred_nll(itd_model *m, double sigma, const itd_nll_desc *desc,
                               const float *x /* (n,dim) */, size_t n, double *nll /* (n) */)
{
    itd_nll_desc d = *desc;
    itd_nll_result result;
    itd_denoiser den;
    blurred b;
    d.shared_noise = true;
    b.sharp = itd_model_denoiser(m), b.v = sigma * sigma;
    b.z = (float *)must_alloc(d.batch + 3, m->dim * sizeof *b.z); /* batches are rounded up to fours */
    b.logsnr = (float *)must_alloc(d.batch + 3, sizeof *b.logsnr);
    den = blurred_denoiser(&b);
    must(itd_nll(&den, x, n, &d, &result, nll, NULL), "estimating the density");
    free(b.z), free(b.logsnr);
}

#endif
