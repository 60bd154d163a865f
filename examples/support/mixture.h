/* mixture.h: a mixture of Gaussians, p(x) = Sum_k weight_k N(x; mu_k, Sigma_k), with everything about it in
 * closed form: its density, its samples, and the best possible denoiser.
 *
 *   static double means[2][2] = {{-1, 0}, {1, 0}}, variances[2] = {0.1, 0.2};
 *   static const itd_gaussian parts[2] = {{2, means[0], variances, NULL}, {2, means[1], variances, NULL}};
 *   static const double weights[2] = {0.3, 0.7};
 *   mixture m = {2, weights, parts};
 *   itd_denoiser best = mixture_denoiser(&m);
 *
 * A component is an itd_gaussian: its mean, the eigenvalues and the eigenvectors of its covariance (NULL: the
 * coordinate axes, so that the eigenvalues are the variances). itd_gaussian_create makes one from a
 * covariance.
 *
 * Why the denoiser is exact. Behind the channel z = sqrt(s(a)) x + sqrt(s(-a)) eps component k is the
 * Gaussian N(sqrt(s(a)) mu_k, s(a) Sigma_k + s(-a) I): same eigenvectors, eigenvalues V = s(a) lambda +
 * s(-a). Its own posterior mean of the noise is sqrt(s(-a)) / V (z - sqrt(s(a)) mu_k) along each of them. Not
 * knowing the component, the posterior mean averages over it:
 *
 *   eps_hat(z, a) = Sum_k P(k | z) eps_hat_k(z, a). */
#ifndef MIXTURE_H
#define MIXTURE_H

#include "../../itdiff.h"

#include <math.h>

typedef struct mixture {
    size_t components;
    const double *weight;     /* (components) sum 1 */
    const itd_gaussian *part; /* (components) all of one dimension, at most MIXTURE_MOST_DIM */
} mixture;

enum { MIXTURE_MOST_DIM = 64 };

/* A sum of exp(log_weight) times a vector, kept relative to the largest exp so far: nothing overflows, and
 * what underflows did not matter. */
typedef struct mixture_sum {
    double top, total, mean[MIXTURE_MOST_DIM]; /* mean is not yet divided by total */
} mixture_sum;

static inline void mixture_add(mixture_sum *sum, double log_weight, const double *vector, size_t d)
{
    double shrink = 1, share;
    if (log_weight > sum->top) {
        shrink = exp(sum->top - log_weight);
        sum->top = log_weight;
    }
    share = exp(log_weight - sum->top);
    sum->total = sum->total * shrink + share;
    for (size_t j = 0; j < d; j++) sum->mean[j] = sum->mean[j] * shrink + share * vector[j];
}

/* One component behind the channel with s = s(a), r = s(-a): log density at z without its (2 pi)^(-d/2), and
 * its eps_hat. */
static inline double mixture_part_denoise(const itd_gaussian *part, const float *z, double s, double r,
                                          double *eps_hat)
{
    double root_s = sqrt(s), root_r = sqrt(r), log_density = 0, away[MIXTURE_MOST_DIM];
    size_t d = part->dim;
    for (size_t j = 0; j < d; j++) away[j] = z[j] - root_s * part->mean[j], eps_hat[j] = 0;
    for (size_t i = 0; i < d; i++) {
        const double *u = part->vectors ? part->vectors + i * d : NULL;
        double variance = s * part->lambda[i] + r, y = u ? 0 : away[i], noise;
        for (size_t j = 0; u && j < d; j++) y += u[j] * away[j];
        noise = root_r / variance * y;
        log_density -= 0.5 * (log(variance) + y * y / variance);
        if (!u) eps_hat[i] = noise;
        for (size_t j = 0; u && j < d; j++) eps_hat[j] += u[j] * noise;
    }
    return log_density;
}

/* The posterior mean of the noise, Sum_k P(k | z) eps_hat_k. */
static inline itd_result mixture_predict(void *ctx, const float *z, const float *logsnr, size_t n,
                                         float *eps_hat)
{
    const mixture *m = (const mixture *)ctx;
    size_t d = m->part[0].dim;
    if (d > MIXTURE_MOST_DIM) return ITD_ERROR_ARGUMENT;
    for (size_t row = 0; row < n; row++) {
        mixture_sum sum = {-INFINITY, 0, {0}};
        double s = itd_sigmoid(logsnr[row]), r = itd_sigmoid(-logsnr[row]);
        for (size_t k = 0; k < m->components; k++) {
            double part[MIXTURE_MOST_DIM];
            double log_p = mixture_part_denoise(&m->part[k], z + row * d, s, r, part);
            mixture_add(&sum, log(m->weight[k]) + log_p, part, d);
        }
        for (size_t j = 0; j < d; j++) eps_hat[row * d + j] = (float)(sum.mean[j] / sum.total);
    }
    return ITD_OK;
}

static inline itd_denoiser mixture_denoiser(const mixture *m)
{
    itd_denoiser den = {(void *)(uintptr_t)m, m->part[0].dim, mixture_predict, NULL, NULL, NULL, NULL, 0};
    return den;
}

/* -log p(x), nats. */
static inline double mixture_nll(const mixture *m, const float *x)
{
    mixture_sum sum = {-INFINITY, 0, {0}};
    for (size_t k = 0; k < m->components; k++)
        mixture_add(&sum, log(m->weight[k]) - itd_gaussian_nll(&m->part[k], x), NULL, 0);
    return -(sum.top + log(sum.total));
}

/* n points: a component by its weight, then mu_k + Sum_i sqrt(lambda_i) N(0,1) u_i. */
static inline void mixture_sample(const mixture *m, itd_rng *rng, size_t n, float *x /* (n,dim) */)
{
    for (size_t row = 0; row < n; row++) {
        double u = itd_rng_uniform(rng), point[MIXTURE_MOST_DIM];
        size_t k = 0, d = m->part[0].dim;
        while (k + 1 < m->components && u > m->weight[k]) u -= m->weight[k++];
        for (size_t j = 0; j < d; j++) point[j] = m->part[k].mean[j];
        for (size_t i = 0; i < d; i++) {
            const double *v = m->part[k].vectors ? m->part[k].vectors + i * d : NULL;
            double step = sqrt(m->part[k].lambda[i]) * itd_rng_normal(rng);
            if (!v) point[i] += step;
            for (size_t j = 0; v && j < d; j++) point[j] += step * v[j];
        }
        for (size_t j = 0; j < d; j++) x[row * d + j] = (float)point[j];
    }
}

#endif
