/* Two threads of the operating system, each with a model of its own: "different objects are independent",
 * which the sanitizer for threads (tests/extra/sanitize.sh) can see. With -DPLANTED both train the same one, which it
 * has to see as well. */
#define _POSIX_C_SOURCE 200112L

#define ITDIFF_IMPLEMENTATION
#include "../../itdiff.h"

#include <pthread.h>
#include <stdio.h>

enum { N = 64 };

static itd_model *models[2];
static itd_trainer *trainers[2];
static double losses[2];

static void *work(void *which)
{
    size_t k = *(const size_t *)which;
    itd_denoiser den = itd_model_denoiser(models[k]);
    itd_nll_desc nd = itd_model_nll_desc(models[k]);
    itd_sample_desc sd = itd_model_sample_desc(models[k]);
    itd_nll_result nll;
    itd_rng rng = itd_rng_make(1, 0);
    float x[2 * N], samples[2 * N];
    int epoch;
    itd_rng_normal_fill(&rng, 2 * N, x);
    for (epoch = 0; epoch < 3; epoch++)
        if (itd_train_epoch(trainers[k], x, N, &losses[k]) != ITD_OK) losses[k] = (double)NAN;
    nd.draws = 8, sd.steps = 5;
    if (itd_nll(&den, x, N, &nd, &nll, NULL, NULL) != ITD_OK) losses[k] = (double)NAN;
    if (itd_sample(&den, &sd, N, samples) != ITD_OK) losses[k] = (double)NAN;
    return NULL;
}

int main(void)
{
    static const size_t which[2] = {0, 1};
    itd_model_desc md = itd_model_desc_default(2);
    itd_trainer_desc td = itd_trainer_desc_default();
    pthread_t threads[2];
    size_t k;
    md.mlp.hidden = 8, md.mlp.embedding = 4, td.batch = 16;
    for (k = 0; k < 2; k++)
        if (itd_model_create(&md, 1, &models[k]) != ITD_OK ||
            itd_trainer_create(models[k], &td, &trainers[k]) != ITD_OK)
            return 1;
    for (k = 0; k < 2; k++) {
#ifdef PLANTED
        static const size_t same = 0;
        if (pthread_create(&threads[k], NULL, work, (void *)(uintptr_t)&same)) return 1;
#else
        if (pthread_create(&threads[k], NULL, work, (void *)(uintptr_t)&which[k])) return 1;
#endif
    }
    for (k = 0; k < 2; k++) pthread_join(threads[k], NULL);
    (void)which;
    printf("%.6f %.6f\n", losses[0], losses[1]);
    return !(losses[0] <= losses[1] && losses[1] <= losses[0]); /* NaN: it failed */
}
