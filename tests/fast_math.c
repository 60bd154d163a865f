/* A program whose implementation may be compiled with -ffast-math, but not this file: trains, and prints what
 * it measures; data, weights and spectra that are not finite have to be refused. tests/header.sh runs it. */
#include "../itdiff.h"

#include <math.h>
#include <stdio.h>

enum { ROWS = 64, DIM = 2 };

static float x[ROWS * DIM];

static void draw_rows(void)
{
    itd_rng rng = itd_rng_make(5, 0);
    for (size_t k = 0; k < ROWS * DIM; k++) x[k] = (float)(k % DIM ? 3 : 0) + (float)itd_rng_normal(&rng);
}

static int refuses_rows(itd_model *m, itd_trainer *t, float bad)
{
    double loss, lambda[DIM] = {1, 0};
    float kept = x[5];
    itd_schedule s = itd_schedule_default();
    int wrong;
    x[5] = bad, lambda[1] = (double)bad;
    wrong = itd_train_step(t, x, &loss) != ITD_ERROR_NUMERIC;
    wrong += itd_model_fit(m, x, ROWS) != ITD_ERROR_DATA;
    wrong += itd_schedule_from_spectrum(lambda, DIM, &s) != ITD_ERROR_DATA;
    x[5] = kept;
    return wrong;
}

static int learn(void)
{
    itd_model_desc md = itd_model_desc_default(DIM);
    itd_trainer_desc td = itd_trainer_desc_default();
    itd_model *m;
    itd_trainer *t;
    itd_nll_desc nd;
    itd_nll_result r;
    double loss = 0;
    int wrong;
    md.mlp.hidden = 16, td.batch = ROWS;
    draw_rows();
    if (itd_model_create(&md, 1, &m) || itd_model_fit(m, x, ROWS) || itd_trainer_create(m, &td, &t)) return 1;
    for (int step = 0; step < 20; step++)
        if (itd_train_step(t, x, &loss)) return 1;
    nd = itd_model_nll_desc(m), nd.draws = 16;
    itd_denoiser den = itd_model_denoiser(m);
    if (itd_nll(&den, x, ROWS, &nd, &r, NULL, NULL)) return 1;
    printf("%.9g %.9g %.9g\n", loss, r.nll, r.std_error);
    wrong = refuses_rows(m, t, (float)NAN) + refuses_rows(m, t, (float)INFINITY);
    itd_net_weights(m->net)[3] = (float)NAN;
    wrong += itd_train_step(t, x, &loss) != ITD_ERROR_NUMERIC;
    itd_trainer_free(t), itd_model_free(m);
    return wrong;
}

int main(void) { return learn(); }
