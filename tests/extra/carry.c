/* carry.c: takes a checkpoint from one machine or compiler to another (tests/extra/compilers.sh).
 *   carry make FILE       trains a little model in the plane and saves it with the state of its training
 *   carry pass FILE COPY  loads a checkpoint and saves it again: every byte has to be the same
 * or to another program that reads it (tests/extra/cross-read.sh).
 *   carry wide FILE COPY  saves weights in half precision as floats
 *   carry denoise FILE    prints rows of log SNR, z and eps_hat, in two dimensions
 * The first two print what the model predicts for noise that is the same everywhere; between machines these
 * numbers agree to rounding. */
#define ITDIFF_IMPLEMENTATION
#include "../../itdiff.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS = 200, EPOCHS = 3, ROWS = 3 };

static void must(itd_result result, const itd_error *error)
{
    if (result == ITD_OK) return;
    fprintf(stderr, "carry: %s\n", *error->text ? error->text : itd_result_string(result));
    exit(1);
}

/* For each row, the root mean square of eps_hat and its mean product with z. */
static void predict(itd_model *model)
{
    static const float logsnr[ROWS] = {-4, 0, 4};
    itd_denoiser den = itd_model_denoiser(model);
    float *z = (float *)malloc(2 * ROWS * den.dim * sizeof(float)), *eps_hat = z + ROWS * den.dim;
    itd_error none = {""};
    itd_rng rng = itd_rng_make(7, 0);
    if (!z) must(ITD_ERROR_MEMORY, &none);
    for (size_t i = 0; i < ROWS * den.dim; i++) z[i] = (float)itd_rng_normal(&rng);
    must(den.predict(den.ctx, z, logsnr, ROWS, eps_hat), &none);
    for (size_t row = 0; row < ROWS; row++) {
        double square = 0, product = 0;
        for (size_t i = row * den.dim; i < (row + 1) * den.dim; i++) {
            square += (double)eps_hat[i] * eps_hat[i];
            product += (double)eps_hat[i] * z[i];
        }
        printf("%.6f %.6f\n", sqrt(square / (double)den.dim), product / (double)den.dim);
    }
    free(z);
}

static void make(const char *path)
{
    static float x[2 * POINTS];
    itd_model_desc md = itd_model_desc_default(2);
    itd_trainer_desc td = itd_trainer_desc_default();
    itd_model *model;
    itd_trainer *trainer;
    itd_error error = {""};
    itd_rng rng = itd_rng_make(1, 0);
    for (size_t i = 0; i < POINTS; i++) {
        double side = i % 2 ? 1 : -1;
        x[2 * i] = (float)(side + 0.1 * itd_rng_normal(&rng));
        x[2 * i + 1] = (float)(3 * side * x[2 * i] + itd_rng_normal(&rng));
    }
    md.mlp.hidden = 24, md.mlp.embedding = 8, md.mlp.coordinate_scale = 10;
    td.batch = 32, td.ema = 0.9;
    must(itd_model_create(&md, 1, &model), &error);
    must(itd_model_fit(model, x, POINTS), &error);
    must(itd_trainer_create(model, &td, &trainer), &error);
    for (int epoch = 0; epoch < EPOCHS; epoch++) must(itd_train_epoch(trainer, x, POINTS, NULL), &error);
    must(itd_save(model, trainer, path, &error), &error);
    predict(model);
    itd_trainer_free(trainer);
    itd_model_free(model);
}

/* A file without the state of training is taken for one in half precision. */
static void pass(const char *path, const char *copy)
{
    itd_model *model;
    itd_trainer *trainer = NULL;
    itd_error error = {""};
    if (itd_load(path, &model, &trainer, &error) != ITD_OK)
        must(itd_load(path, &model, NULL, &error), &error);
    if (trainer) must(itd_save(model, trainer, copy, &error), &error);
    else must(itd_save_half(model, copy, &error), &error);
    predict(model);
    itd_trainer_free(trainer);
    itd_model_free(model);
}

static void wide(const char *path, const char *copy)
{
    itd_model *model;
    itd_error error = {""};
    must(itd_load(path, &model, NULL, &error), &error);
    must(itd_save(model, NULL, copy, &error), &error);
    itd_model_free(model);
}

static void denoise(const char *path)
{
    itd_model *model;
    itd_denoiser den;
    itd_error error = {""};
    itd_rng rng = itd_rng_make(8, 0);
    must(itd_load(path, &model, NULL, &error), &error);
    den = itd_model_denoiser(model);
    if (den.dim != 2) must(ITD_ERROR_ARGUMENT, &error);
    for (int i = 0; i < 20; i++) {
        float logsnr = (float)(i - 10), z[2], eps_hat[2];
        itd_rng_normal_fill(&rng, 2, z);
        must(den.predict(den.ctx, z, &logsnr, 1, eps_hat), &error);
        printf("%g %.9g %.9g %.9g %.9g\n", logsnr, z[0], z[1], eps_hat[0], eps_hat[1]);
    }
    itd_model_free(model);
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "make")) make(argv[2]);
    else if (argc == 4 && !strcmp(argv[1], "pass")) pass(argv[2], argv[3]);
    else if (argc == 4 && !strcmp(argv[1], "wide")) wide(argv[2], argv[3]);
    else if (argc == 3 && !strcmp(argv[1], "denoise")) denoise(argv[2]);
    else return fprintf(stderr, "usage: carry make|denoise FILE | carry pass|wide FILE COPY\n"), 2;
    return 0;
}
