/* quickstart.c: a density model of points on a noisy ring, and how good it is.
 *   cc -O2 -I. examples/quickstart.c -o quickstart -lm && ./quickstart
 * Prints about 0.95 nats; the entropy of the ring, the least any model can reach on average, is 0.949. */
#define ITDIFF_IMPLEMENTATION
#include "itdiff.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { TRAIN = 4000, TEST = 1000, EPOCHS = 100 };

/* Radius N(1, 0.1^2), any angle: the entropy is log(2 pi) + (1/2) log(2 pi e 0.1^2) + E log r = 0.949. */
static void ring(itd_rng *rng, int n, float *x)
{
    for (int i = 0; i < n; i++) {
        double r = 1 + 0.1 * itd_rng_normal(rng), angle = 6.283185307 * itd_rng_uniform(rng);
        x[2 * i] = (float)(r * cos(angle));
        x[2 * i + 1] = (float)(r * sin(angle));
    }
}

static void must(itd_result result)
{
    if (result == ITD_OK) return;
    fprintf(stderr, "quickstart: %s\n", itd_result_string(result));
    exit(1);
}

int main(void)
{
    static float train[2 * TRAIN], test[2 * TEST];
    itd_rng rng = itd_rng_make(1, 0); /* seed 1, its stream 0 */
    ring(&rng, TRAIN, train);
    ring(&rng, TEST, test);

    itd_model *model;
    itd_model_desc md = itd_model_desc_default(2);
    must(itd_model_create(&md, 1, &model));   /* random weights of seed 1 */
    must(itd_model_fit(model, train, TRAIN)); /* mean and scale, by which it normalizes, and Gaussian */

    itd_trainer *trainer;
    itd_trainer_desc td = itd_trainer_desc_default();
    td.steps = itd_train_steps(&td, TRAIN, EPOCHS); /* the learning rate falls to zero by then */
    must(itd_trainer_create(model, &td, &trainer));
    for (int epoch = 0; epoch < EPOCHS; epoch++) must(itd_train_epoch(trainer, train, TRAIN, NULL));

    itd_nll_result nll;
    itd_denoiser denoiser = itd_model_denoiser(model); /* from noisy points to the noise in them */
    itd_nll_desc nd = itd_model_nll_desc(model);       /* the range of log SNRs, how many draws, ... */
    must(itd_nll(&denoiser, test, TEST, &nd, &nll, NULL, NULL));
    printf("-log p = %.3f nats per point (+-%.3f from the estimate, +-%.3f from the choice of points)\n",
           nll.nll, nll.std_error, nll.std_error_data);

    itd_trainer_free(trainer);
    itd_model_free(model);
    return 0;
}
