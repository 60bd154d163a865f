/* A thread of the operating system with a stack of 64 KB fits, trains, measures, samples, saves and loads, an
 * MLP and a U-Net, with the kernels of each instruction set; tests/header.sh runs it. Link an implementation.
 *   small_stack FILE [KB]     FILE is written; exits 77 where no thread of such a stack can be made */
#define _POSIX_C_SOURCE 200112L

#include "../itdiff.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 8, SAMPLES = 4, MOST = 1024 };

static const char *file;
static bool good;

/* Everything that a program does with a model, on `BATCH` rows of noise. */
static bool use(const itd_model_desc *desc)
{
    itd_trainer_desc td = itd_trainer_desc_default();
    itd_rng rng = itd_rng_make(1, 0);
    itd_model *model = NULL, *back = NULL;
    itd_trainer *trainer = NULL, *again = NULL;
    static float x[BATCH * MOST], samples[SAMPLES * MOST];
    itd_error error;
    bool ok = itd_model_create(desc, 1, &model) == ITD_OK;
    td.batch = BATCH;
    if (ok && model->dim > MOST) ok = false;
    if (ok) itd_rng_normal_fill(&rng, BATCH * model->dim, x);
    ok = ok && itd_model_fit(model, x, BATCH) == ITD_OK;
    ok = ok && itd_trainer_create(model, &td, &trainer) == ITD_OK;
    ok = ok && itd_train_epoch(trainer, x, BATCH, NULL) == ITD_OK;
    ok = ok && itd_train_step(trainer, x, NULL) == ITD_OK;
    ok = ok && itd_save(model, trainer, file, &error) == ITD_OK;
    ok = ok && itd_load(file, &back, &again, &error) == ITD_OK;
    if (ok) {
        itd_denoiser den = itd_model_denoiser(back);
        itd_sample_desc sd = itd_model_sample_desc(back);
        itd_nll_desc nd = itd_model_nll_desc(back);
        itd_nll_result nll;
        sd.steps = 3, nd.draws = 4;
        ok = itd_sample(&den, &sd, SAMPLES, samples) == ITD_OK &&
             itd_nll(&den, x, BATCH, &nd, &nll, NULL, NULL) == ITD_OK;
    }
    itd_trainer_free(trainer), itd_trainer_free(again);
    itd_model_free(model), itd_model_free(back);
    return ok;
}

/* Of several depths of products: the hidden layers are deeper than a block, the convolutions are those of
 * Winograd and others. */
static void *work(void *unused)
{
    itd_model_desc plane = itd_model_desc_default(2), images = itd_model_desc_default(2);
    int simd;
    plane.mlp.hidden = 300;
    images.unet = itd_unet_desc_default();
    images.unet.height = images.unet.width = 8, images.unet.levels = 2, images.unet.attention = 4;
    images.unet.features[0] = 16, images.unet.features[1] = 24, images.unet.features[2] = 0;
    good = true;
    for (simd = ITD_SIMD_PLAIN; simd <= ITD_SIMD_AVX512; simd++)
        if (itd_simd_use((itd_simd)simd)) good = use(&plane) && use(&images) && good;
    return unused;
}

int main(int argc, char **argv)
{
    pthread_attr_t attributes;
    pthread_t thread;
    size_t size = (size_t)(argc > 2 ? atoi(argv[2]) : 64) * 1024;
    if (argc < 2) return 2;
    file = argv[1];
    if (pthread_attr_init(&attributes) || pthread_attr_setstacksize(&attributes, size) ||
        pthread_create(&thread, &attributes, work, NULL))
        return 77;
    pthread_join(thread, NULL);
    remove(file);
    return !good;
}
