/* exact.c: the theorem without training.
 *   cc -O2 -I. examples/exact.c -o build/exact -lm && build/exact
 *
 * A denoiser's squared error, integrated over the log signal-to-noise ratio a, is a likelihood, if the
 * denoiser is the best possible one:
 *
 *   -log p(x) = d/2 log(2 pi e) + 1/2 Integral [ E||eps - eps_hat(z, a)||^2 - d s(a) ] da      s: the sigmoid
 *
 * For a mixture of Gaussians the best one is known in closed form (support/mixture.h), and so is the density.
 * So nothing has to be learned, and every number can be checked: give the denoiser to itd_nll, which knows
 * nothing else about the distribution, and compare what it finds with -log p(x), point by point. If the
 * theorem holds, one difference in twenty is larger than two standard errors. Prints:
 *
 *   A correlated Gaussian in 2 dimensions
 *     point    -log p(x)    estimate +- std error    difference / std error
 *         1       2.1681      2.1716 +- 0.0164                       0.2
 *         2       2.1249      2.1423 +- 0.0157                       1.1
 *         3       2.5430      2.5538 +- 0.0168                       0.6
 *         4       1.6004      1.6086 +- 0.0123                       0.7
 *         5       4.9641      4.9946 +- 0.0245                       1.2
 *
 *   A mixture of 3 Gaussians in 2 dimensions
 *     point    -log p(x)    estimate +- std error    difference / std error
 *         1       1.2927      1.3127 +- 0.0202                       1.0
 *         2       1.4845      1.4800 +- 0.0135                      -0.3
 *         3       1.6675      1.6421 +- 0.0192                      -1.3
 *         4       0.3195      0.3304 +- 0.0185                       0.6
 *         5       4.3236      4.2868 +- 0.0294                      -1.3
 *
 *   A mixture of 4 Gaussians in 16 dimensions
 *     point    -log p(x)    estimate +- std error    difference / std error
 *         1      18.9887     19.0274 +- 0.0339                       1.1
 *         2      11.9027     11.9201 +- 0.0308                       0.6
 *         3      11.9052     11.9155 +- 0.0261                       0.4
 *         4      18.7789     18.7339 +- 0.0321                      -1.4
 *         5      12.7272     12.7823 +- 0.0269                       2.0
 *
 *   Largest deviation: 2.0 standard errors in 15 points.
 */
#define ITDIFF_IMPLEMENTATION
#include "itdiff.h"
#include "support/mixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { POINTS = 5, WIDE = 16 };

static void must(itd_result result)
{
    if (result == ITD_OK) return;
    fprintf(stderr, "exact: %s\n", itd_result_string(result));
    exit(1);
}

/* Draws a few points, estimates -log p at each from the denoiser alone, and prints both numbers side by side.
 * Returns the largest difference, in standard errors. */
static double compare(const char *title, const mixture *m)
{
    itd_rng rng = itd_rng_make(7, 0);
    float x[POINTS * WIDE];
    mixture_sample(m, &rng, POINTS, x);

    itd_denoiser best = mixture_denoiser(m); /* a function from (z, log SNR) to eps_hat */
    itd_nll_desc desc = itd_nll_desc_default();
    desc.schedule = (itd_schedule){.loc = 1, .scale = 2.5, .clip = 6}; /* log SNR from -14 to 16 */
    desc.draws = 50000;     /* per point: its own estimate is wanted, not only the mean over many */
    desc.repetitions = 100; /* so many independent ones, whose spread is the standard error */
    itd_nll_result mean;
    double estimate[POINTS], error[POINTS], largest = 0;
    must(itd_nll(&best, x, POINTS, &desc, &mean, estimate, error));

    printf("%s\n  point    -log p(x)    estimate +- std error    difference / std error\n", title);
    for (int i = 0; i < POINTS; i++) {
        double truth = mixture_nll(m, x + (size_t)i * best.dim), off = (estimate[i] - truth) / error[i];
        printf("  %5d %12.4f %11.4f +- %.4f %25.1f\n", i + 1, truth, estimate[i], error[i], off);
        largest = fmax(largest, fabs(off));
    }
    printf("\n");
    return largest;
}

/* One Gaussian whose coordinates have variances 2 and 0.5 and correlation 0.8. */
static double gaussian(void)
{
    static const double mean[] = {1, -1}, covariance[] = {2, 0.8, 0.8, 0.5}, weight[] = {1};
    itd_gaussian *g;
    must(itd_gaussian_create(mean, covariance, 2, &g));
    mixture m = {1, weight, g};
    double largest = compare("A correlated Gaussian in 2 dimensions", &m);
    itd_gaussian_free(g);
    return largest;
}

/* Three separate spots, one of them oblong. */
static double spots(void)
{
    static double mean[][2] = {{-1.5, 0}, {1, 1}, {1, -1}}, narrow[] = {0.05, 0.05}, oblong[] = {0.05, 0.5};
    static const double weight[] = {0.5, 0.3, 0.2};
    const itd_gaussian part[] = {
        {2, mean[0], oblong, NULL, NULL}, {2, mean[1], narrow, NULL, NULL}, {2, mean[2], narrow, NULL, NULL}};
    mixture m = {3, weight, part};
    return compare("A mixture of 3 Gaussians in 2 dimensions", &m);
}

/* Four round clouds at random places. */
static double clouds(void)
{
    static double mean[4][WIDE], variance[WIDE];
    static const double weight[] = {0.4, 0.3, 0.2, 0.1};
    itd_gaussian part[4];
    itd_rng rng = itd_rng_make(1, 0);
    for (int j = 0; j < WIDE; j++) variance[j] = 0.25;
    for (int k = 0; k < 4; k++) {
        for (int j = 0; j < WIDE; j++) mean[k][j] = 0.5 * itd_rng_normal(&rng);
        part[k] = (itd_gaussian){WIDE, mean[k], variance, NULL, NULL};
    }
    mixture m = {4, weight, part};
    return compare("A mixture of 4 Gaussians in 16 dimensions", &m);
}

int main(void)
{
    double largest = gaussian();
    largest = fmax(largest, spots());
    largest = fmax(largest, clouds());
    printf("Largest deviation: %.1f standard errors in %d points.\n", largest, 3 * POINTS);
    return 0;
}
