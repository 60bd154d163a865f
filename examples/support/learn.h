/* learn.h: how the programs train a density of vectors, whatever the vectors are.
 *
 *     learn_desc desc = learn_desc_default(dim, n, seed);
 *     learner l;
 *     learn_begin(&l, &desc, x, n, learn_held(n));     the last rows choose, the others teach
 *     while (learn_goes_on(&l)) learn_round(&l);       or learn_save, and another day learn_resume
 *     learn_end(&l);                                   l.model has the weights that were kept
 *
 * Nothing is assumed of the data but that the model has whitened them. Three things are selected while
 * training, by held-out rows, so that later measurements on other rows are unbiased:
 *
 *   range      the lengths of the directions in which vectors enter the network (learn_rungs). A network of
 *              each range begins; the best three, the best two and the best one go on (learn_heats).
 *   schedule   it begins wide, and narrows to the log SNRs at which the network beats the Gaussian. In the
 *              end only these are integrated over: elsewhere the model is the Gaussian.
 *   weights    of all states, the Gaussian of step 0 included, the best is kept. It replaces the Gaussian
 *              only if its advantage is more than two standard errors over the rows, because the best of
 *              many estimates is biased upwards; both are measured on the same noise, which then mostly
 *              cancels. The state at the end of the training, where the learning rate is low, is kept unless
 *              an earlier state is better by more than one standard error. */
#ifndef LEARN_H
#define LEARN_H

#include "../../itdiff.h"
#include "copies.h"
#include "must.h"

#include <math.h>
#include <string.h>

enum { LEARN_ROUNDS = 48, LEARN_PATIENCE = LEARN_ROUNDS / 4, LEARN_RUNGS = 5, LEARN_HEATS = 3 };
enum { LEARN_HELD_MIN = 30, LEARN_HELD_MAX = 1000 }; /* held rows, if there are enough */
enum { LEARN_HELD_NEEDED = 10 }; /* with fewer the Gaussian is kept: so few rows would choose by chance */
enum { LEARN_POINTS = 27, LEARN_DRAWS = 16000 }; /* log SNRs they are measured at; evaluations */

static const double learn_rungs[LEARN_RUNGS][2] = {{0.05, 1}, {0.2, 2}, {0.5, 10}, {1, 50}, {1, 100}};

/* After so many rounds of each network that is still in the race, so many of them go on. */
static const size_t learn_heats[LEARN_HEATS][2] = {{3, 3}, {6, 2}, {12, 1}};

typedef struct learn_desc {
    itd_model_desc model;     /* its range of directions and schedule hold where they are not searched for */
    itd_trainer_desc trainer; /* its steps are those of the whole training; 0: constant learning rate */
    uint64_t steps;
    uint64_t seed;
    int find_range, find_schedule;
    const size_t *kind; /* (n + n_held) copies of rows, which are neighbours, see copies.h; NULL: none */
} learn_desc;

typedef struct learner { /* to read, but for x */
    learn_desc desc;
    const float *x, *held; /* (n,dim), (n_held,dim); x may be exchanged between rounds */
    size_t dim, n, n_held;
    itd_model *model;
    itd_trainer *trainer;
    size_t round;            /* rounds done, of LEARN_ROUNDS */
    size_t rung;             /* of learn_rungs, the one that won */
    double loss;             /* mean over the last round, nats */
    float *kept;             /* (parameters) the best weights; NULL: the Gaussian */
    itd_schedule kept_range; /* the log SNRs at which they beat the Gaussian */
    uint64_t kept_step;      /* after so many steps; 0: the Gaussian */
    double gain, gain_last;  /* advantage over the Gaussian in nats, of the best state and of the last one */
    double gain_error;       /* one paired standard error of `gain`, over the held rows */
    double gain_last_error;  /* and of `gain_last` */
    double *gains, *gains_last; /* (n_held) of each row */
    double *gap;           /* (LEARN_POINTS,n_held) Gaussian's error less the model's, after the last round */
    struct learner *rival; /* (rivals) while the range is searched for; the leader's state is above */
    size_t rivals, turns;  /* turns: rounds done by all of them together */
    int (*stop)(const void *ctx); /* asked before each step whether to leave the round, or NULL */
    const void *stop_ctx;
} learner;

/* How many of n rows choose: a tenth, but a larger part of few rows, since a dozen would choose by chance. */
static inline size_t learn_held(size_t n)
{
    size_t held = n / 10, few = n / 4 < LEARN_HELD_MIN ? n / 4 : LEARN_HELD_MIN;
    if (held < few) held = few;
    if (held > LEARN_HELD_MAX) held = LEARN_HELD_MAX;
    return held || n < 2 ? held : 1;
}

/* One set of values for all data, found by trial on known distributions in the plane and on small tables.
   Fewer rows are learned in fewer steps. */
static inline learn_desc learn_desc_default(size_t dim, size_t n, uint64_t seed)
{
    learn_desc d;
    d.model = itd_model_desc_default(dim), d.trainer = itd_trainer_desc_default();
    d.model.mlp.layers = 4, d.model.mlp.directions = 256, d.model.mlp.logsnr_scale = 3;
    d.trainer.batch = 512, d.trainer.learning_rate = 3e-3, d.trainer.seed = seed;
    d.trainer.weight_limit = 3;
    d.steps = n < 2000 ? (uint64_t)(5000 * sqrt((double)n / 2000)) : 5000;
    d.trainer.steps = d.steps, d.seed = seed;
    d.find_range = d.find_schedule = 1;
    d.kind = NULL;
    return d;
}

/* The steps of so many passes over n rows, the last batch filled up with rows of the next pass. */
static inline uint64_t learn_steps_of_epochs(const learn_desc *d, size_t n, size_t epochs)
{
    return ((uint64_t)epochs * n + d->trainer.batch - 1) / d->trainer.batch;
}

/* The length of the training. cosine: the learning rate falls to zero on the way, else it is constant. */
static inline void learn_set_steps(learn_desc *d, uint64_t steps, int cosine)
{
    d->steps = steps, d->trainer.steps = cosine ? steps : 0;
    if (steps < LEARN_ROUNDS) d->find_range = 0; /* a race needs rounds of at least one step */
}

/* ---- measuring ---- */

/* Almost uniform over all log SNRs that matter for data of unit variance: from hardly any signal to where
   structure of an eight-thousandth of the spread is resolved. */
static inline itd_schedule learn_wide_schedule(void)
{
    const itd_schedule s = {5, 6.5, 2};
    return s;
}

/* Points of that range, one unit apart. */
static inline double learn_logsnr(size_t k) { return (double)k - 8; }

/* Adds to gap the difference |eps - eps_hat_G|^2 - |eps - eps_hat|^2 at one log SNR for each held row; the
   Gaussian's denoiser is eps_hat_G = sqrt(s(-a)) z in the model's coordinates. */
static inline void learn_add_gap(const learner *l, const float *y, const float *eps, double logsnr, float *z,
                                 float *eps_hat, float *a, double *gap)
{
    itd_denoiser den = itd_model_denoiser(l->model);
    double root = sqrt(itd_sigmoid(-logsnr));
    for (size_t i = 0; i < l->n_held; i++) a[i] = (float)logsnr;
    itd_channel(y, eps, a, l->n_held, l->dim, z);
    must(den.predict(den.ctx, z, a, l->n_held, eps_hat), "measuring the error");
    for (size_t i = 0; i < l->n_held * l->dim; i++) {
        double gaussian = eps[i] - root * z[i], model = (double)eps[i] - eps_hat[i];
        gap[i / l->dim] += gaussian * gaussian - model * model;
    }
}

/* The gap of each held row at each log SNR, by the same noise every time. Few rows are measured often. Of two
   neighbouring log SNRs the second has the noise of the first with the other sign. The difference of the
   errors is first of all linear in the noise, which so cancels in the integral. */
static inline void learn_measure(learner *l)
{
    itd_denoiser den = itd_model_denoiser(l->model);
    size_t n = l->n_held, size = n * l->dim, times = 1 + LEARN_DRAWS / (2 * LEARN_POINTS * n);
    float *y = (float *)must_alloc(size + n, 4 * sizeof *y), *eps = y + size, *z = eps + size;
    float *eps_hat = z + size, *a = eps_hat + size;
    itd_rng rng = itd_rng_make(l->desc.seed, 0x68656c64); /* "held" */
    if (!l->gap) l->gap = (double *)must_alloc(LEARN_POINTS * n, sizeof *l->gap);
    memset(l->gap, 0, LEARN_POINTS * n * sizeof *l->gap);
    itd_to_coordinates(&den, l->held, n, y);
    for (size_t t = 0; t < times; t++) {
        for (size_t k = 0; k < LEARN_POINTS; k++) {
            if (k % 2 == 0) itd_rng_normal_fill(&rng, size, eps);
            for (size_t i = 0; k % 2 == 1 && i < size; i++) eps[i] = -eps[i];
            learn_add_gap(l, y, eps, learn_logsnr(k), z, eps_hat, a, l->gap + k * n);
        }
    }
    for (size_t i = 0; i < LEARN_POINTS * n; i++) l->gap[i] /= (double)times;
    free(y);
}

/* The mean over the rows. */
static inline void learn_curve(const learner *l, double *gap /* (LEARN_POINTS) */)
{
    for (size_t k = 0; k < LEARN_POINTS; k++) {
        gap[k] = 0;
        for (size_t i = 0; i < l->n_held; i++) gap[k] += l->gap[k * l->n_held + i] / (double)l->n_held;
    }
}

/* The model's advantage over the Gaussian in nats on each held row, half the integral of the gap: over the
   range where it is largest, which is returned as an almost even schedule, and, unless NULL, over all. */
static inline itd_schedule learn_gains(const learner *l, double *gain /* (n_held) */,
                                       double *all /* (n_held) */)
{
    double curve[LEARN_POINTS], best = 0, middle, half;
    size_t first = 0, last = 0;
    learn_curve(l, curve);
    for (size_t i = 0; i < LEARN_POINTS; i++) {
        double sum = 0;
        for (size_t k = i; k < LEARN_POINTS; k++)
            if ((sum += curve[k]) > best) best = sum, first = i, last = k;
    }
    for (size_t i = 0; i < l->n_held; i++) {
        gain[i] = 0;
        if (all) all[i] = 0;
        for (size_t k = 0; k < LEARN_POINTS; k++) {
            double part = 0.5 * l->gap[k * l->n_held + i];
            if (all) all[i] += part;
            if (best > 0 && k >= first && k <= last) gain[i] += part;
        }
    }
    middle = 0.5 * (learn_logsnr(first) + learn_logsnr(last)), half = 0.5 * ((double)(last - first) + 1);
    const itd_schedule range = {middle, half / 2, 2};
    return range;
}

/* The mean of a - b over the held rows, or of a if b is NULL, and its standard error; how many of these rows
   are not copies of others. */
static inline size_t learn_mean(const learner *l, const double *a, const double *b, double *mean,
                                double *error)
{
    size_t n = l->n_held, kinds, *kind = l->desc.kind ? (size_t *)must_alloc(n, sizeof *kind) : NULL;
    for (size_t i = 0; kind && i < n; i++) kind[i] = l->desc.kind[l->n + i] - l->n;
    *mean = copies_mean(a, b, n, kind, error, &kinds);
    free(kind);
    return kinds;
}

/* ---- the schedule ---- */

/* The rule needs only the difference of two error curves, so the model's may be given as zero. The schedule
   stays as it is if the difference is too small. */
static inline void learn_schedule(learner *l)
{
    double logsnr[LEARN_POINTS], gap[LEARN_POINTS], none[LEARN_POINTS] = {0};
    for (size_t k = 0; k < LEARN_POINTS; k++) logsnr[k] = learn_logsnr(k);
    learn_curve(l, gap);
    itd_schedule_from_mse(logsnr, none, gap, LEARN_POINTS, l->dim, &l->model->desc.schedule);
}

/* ---- the weights ---- */

/* Those that the denoiser uses. */
static inline float *learn_weights(const learner *l)
{
    float *average = itd_net_average(l->model->net);
    return average ? average : itd_net_weights(l->model->net);
}

/* Keeps the present weights if they are the best so far, or the last ones and hardly worse. */
static inline void learn_keep(learner *l)
{
    size_t bytes = itd_net_parameters(l->model->net) * sizeof *l->kept, n = l->n_held;
    double error, ahead, ahead_error, whole, *all;
    itd_schedule range;
    size_t kinds;
    int better;
    if (!l->gains) l->gains = (double *)must_alloc(n, sizeof *l->gains);
    if (!l->gains_last) l->gains_last = (double *)must_alloc(n, sizeof *l->gains_last);
    all = (double *)must_alloc(n, sizeof *all);
    range = learn_gains(l, l->gains_last, all);
    learn_mean(l, l->gains_last, NULL, &l->gain_last, &error);
    kinds = learn_mean(l, all, NULL, &whole, &error); /* which the choice of a range has not made small */
    l->gain_last_error = error;
    free(all);
    learn_mean(l, l->gains, l->gains_last, &ahead, &ahead_error);
    better = ahead < (l->trainer->step >= l->desc.steps ? ahead_error : 0);
    if (!(l->gain_last > 2 * error) || !better || kinds < LEARN_HELD_NEEDED) return;
    if (!l->kept) l->kept = (float *)must_alloc(1, bytes);
    memcpy(l->kept, learn_weights(l), bytes);
    memcpy(l->gains, l->gains_last, n * sizeof *l->gains);
    l->kept_step = l->trainer->step, l->kept_range = range;
    l->gain = l->gain_last, l->gain_error = error;
}

/* ---- training ---- */

/* Mean, scale and correlations of all rows. */
static inline void learn_fit(const learner *l)
{
    size_t n = l->n + l->n_held;
    float *x = l->desc.kind ? (float *)must_alloc(n, l->dim * sizeof *x) : NULL;
    for (size_t i = 0; x && i < n; i++)
        memcpy(x + i * l->dim, l->x + copies_apart(i, n) * l->dim, l->dim * sizeof *x);
    must(itd_model_fit(l->model, x ? x : l->x, n), "normalizing the data");
    free(x);
}

static inline void learn_create(learner *l, const learn_desc *desc)
{
    l->model = must_create(&desc->model, &desc->trainer, desc->seed);
    learn_fit(l);
    if (desc->find_schedule) l->model->desc.schedule = learn_wide_schedule();
    must(itd_trainer_create(l->model, &desc->trainer, &l->trainer), "preparing the training");
}

/* Steps after `round` rounds. */
static inline uint64_t learn_steps(const learner *l, size_t round)
{
    return l->desc.steps / LEARN_ROUNDS * round + l->desc.steps % LEARN_ROUNDS * round / LEARN_ROUNDS;
}

/* Steps up to `end`, or until it is asked to stop. */
static inline itd_result learn_train(learner *l, uint64_t end)
{
    size_t batch = l->trainer->desc.batch, *index = (size_t *)must_alloc(batch, sizeof *index);
    float *rows = (float *)must_alloc(batch, l->dim * sizeof *rows);
    uint64_t begin = l->trainer->step;
    itd_result result = ITD_OK;
    double loss, sum = 0;
    while (result == ITD_OK && l->trainer->step < end && !(l->stop && l->stop(l->stop_ctx))) {
        result = itd_train_indices(l->trainer, l->n, index);
        for (size_t i = 0; result == ITD_OK && i < batch; i++)
            memcpy(rows + i * l->dim, l->x + index[i] * l->dim, l->dim * sizeof *rows);
        if (result == ITD_OK) result = itd_train_step(l->trainer, rows, &loss);
        if (result == ITD_OK) sum += loss;
    }
    if (l->trainer->step > begin) l->loss = sum / (double)(l->trainer->step - begin);
    free(index), free(rows);
    return result;
}

/* How many turns the whole training takes, unless it ends before. */
static inline size_t learn_turns(const learner *l)
{
    size_t turns = LEARN_ROUNDS, alive = LEARN_RUNGS, round = 0;
    for (size_t k = 0; l->desc.find_range && k < LEARN_HEATS; k++) {
        turns += (alive - 1) * (learn_heats[k][0] - round);
        round = learn_heats[k][0], alive = learn_heats[k][1];
    }
    return turns;
}

/* False also where nothing has been gained for a quarter of the training, and a hundred steps at least, and
   something lost if there was anything to lose. */
static inline int learn_goes_on(const learner *l)
{
    uint64_t patience = learn_steps(l, LEARN_PATIENCE) < 100 ? 100 : learn_steps(l, LEARN_PATIENCE);
    int hopeless = l->n_held && 3 * l->round > LEARN_ROUNDS && l->trainer->step - l->kept_step > patience &&
                   (!l->kept || l->gain_last < l->gain - l->gain_error);
    return l->rivals || (l->trainer->step < l->desc.steps && !hopeless);
}

/* A LEARN_ROUNDS-th of the training of one network. */
static inline itd_result learn_lap(learner *l)
{
    static const size_t adapts[] = {1, 2, 4, 8, 12};
    uint64_t begin = learn_steps(l, l->round), end = learn_steps(l, l->round + 1);
    itd_result result = learn_train(l, end);
    if (result != ITD_OK || l->trainer->step < end) return result;
    l->round++, l->turns++;
    if (!l->n_held || end == begin) return ITD_OK;
    learn_measure(l);
    for (size_t k = 0; k < sizeof adapts / sizeof *adapts; k++)
        if (l->desc.find_schedule && l->round == adapts[k]) learn_schedule(l);
    learn_keep(l);
    return ITD_OK;
}

static inline void learn_free(learner *l)
{
    for (size_t k = 0; k < l->rivals; k++) learn_free(&l->rival[k]);
    if (!l->rivals) {
        itd_trainer_free(l->trainer), itd_model_free(l->model);
        free(l->kept), free(l->gains), free(l->gains_last), free(l->gap);
    }
    free(l->rival);
    l->trainer = NULL, l->model = NULL, l->rival = NULL, l->rivals = 0;
    l->kept = NULL, l->gains = l->gains_last = l->gap = NULL;
}

/* The leader's state is l's own; what belongs to the learner as a whole stays. */
static inline void learn_follow(learner *l, const learner *leader)
{
    learner own = *l;
    *l = *leader;
    l->x = own.x, l->n = own.n, l->rival = own.rival, l->rivals = own.rivals, l->turns = own.turns;
    l->stop = own.stop, l->stop_ctx = own.stop_ctx;
}

/* Whether one is ahead: by what it has kept or, where neither has anything, by what it has now. */
static inline int learn_leads(const learner *a, const learner *b)
{
    return a->gain > b->gain || (!(b->gain > a->gain) && a->gain_last > b->gain_last);
}

/* The rival with the smallest advantage over the Gaussian leaves the race. */
static inline void learn_drop_last(learner *l)
{
    size_t last = 0;
    for (size_t k = 1; k < l->rivals; k++)
        if (learn_leads(&l->rival[last], &l->rival[k])) last = k;
    learn_free(&l->rival[last]);
    l->rival[last] = l->rival[--l->rivals];
}

/* The next rival makes a lap; at the end of a heat the slower ones go, and the last one left has won. */
static inline itd_result learn_race(learner *l)
{
    size_t next = 0, best = 0, heat = 0, round;
    itd_result result;
    for (size_t k = 1; k < l->rivals; k++)
        if (l->rival[k].round < l->rival[next].round) next = k;
    l->rival[next].x = l->x, l->rival[next].n = l->n, round = l->rival[next].round;
    l->rival[next].stop = l->stop, l->rival[next].stop_ctx = l->stop_ctx;
    result = learn_lap(&l->rival[next]);
    if (result != ITD_OK || l->rival[next].round == round) return result;
    l->turns++;
    while (heat < LEARN_HEATS && learn_heats[heat][0] < l->rival[next].round) heat++;
    if (next + 1 == l->rivals && l->rival[next].round == learn_heats[heat][0])
        while (l->rivals > learn_heats[heat][1]) learn_drop_last(l);
    for (size_t k = 1; k < l->rivals; k++)
        if (learn_leads(&l->rival[k], &l->rival[best])) best = k;
    learn_follow(l, &l->rival[best]);
    if (l->rivals == 1) free(l->rival), l->rival = NULL, l->rivals = 0;
    return ITD_OK;
}

/* A LEARN_ROUNDS-th of the training. ITD_ERROR_NUMERIC: it has diverged; what was kept is still there. */
static inline itd_result learn_round(learner *l) { return l->rivals ? learn_race(l) : learn_lap(l); }

static inline void learn_rows(learner *l, const learn_desc *desc, const float *x, size_t n, size_t held)
{
    size_t dim = desc->model.mlp.dim;
    memset(l, 0, sizeof *l);
    l->desc = *desc;
    l->x = x, l->held = x + (n - held) * dim;
    l->n = n - held, l->n_held = held, l->dim = dim;
}

/* Creates models and trainers. */
static inline void learn_begin(learner *l, const learn_desc *desc, const float *x /* (n,dim) */, size_t n,
                               size_t held)
{
    learn_rows(l, desc, x, n, held);
    if (!desc->find_range) {
        learn_create(l, desc);
        return;
    }
    l->rival = (learner *)must_alloc(LEARN_RUNGS, sizeof *l->rival), l->rivals = LEARN_RUNGS;
    for (size_t k = 0; k < LEARN_RUNGS; k++) {
        learner *rival = &l->rival[k];
        learn_rows(rival, desc, x, n, held);
        rival->rung = k;
        rival->desc.model.mlp.frequency_min = learn_rungs[k][0];
        rival->desc.model.mlp.frequency_max = learn_rungs[k][1];
        learn_create(rival, &rival->desc);
    }
    learn_follow(l, l->rival);
}

/* Puts weights in the place of those that the denoiser uses, which go to `aside` unless it is NULL. */
static inline void learn_exchange(const learner *l, const float *weights, float *aside)
{
    float *used = learn_weights(l);
    size_t bytes = itd_net_parameters(l->model->net) * sizeof *used;
    if (aside) memcpy(aside, used, bytes);
    if (weights) memcpy(used, weights, bytes);
    else memset(used, 0, bytes); /* the Gaussian */
}

/* The kept weights become the model's, with the range in which they count. */
static inline void learn_end(learner *l)
{
    while (l->rivals > 1) learn_drop_last(l);
    if (l->rivals) learn_follow(l, l->rival), free(l->rival), l->rival = NULL, l->rivals = 0;
    if (!l->n_held) return;
    learn_exchange(l, l->kept, NULL);
    if (l->kept) l->model->desc.schedule = l->kept_range;
}

/* ---- files ---- */

/* The model as it is kept, then all that is needed to go on: killed between the two, the training comes to
   the model's state once more. While the range is searched for, the leader is saved as if it had won. False:
   it cannot be written, as `error` says. */
static inline bool learn_save(learner *l, const char *training_path, const char *model_path, itd_error *error)
{
    float *aside = (float *)must_alloc(itd_net_parameters(l->model->net), sizeof *aside);
    itd_schedule present = l->model->desc.schedule;
    itd_result result;
    char note[200];
    snprintf(note, sizeof note, "rung %lu kept %llu gain %.17g error %.17g last %.17g",
             (unsigned long)l->rung, (unsigned long long)l->kept_step, l->gain, l->gain_error, l->gain_last);
    must(itd_model_set_note(l->model, "learn", note), "saving");
    if (l->n_held) learn_exchange(l, l->kept, aside);
    if (l->kept) l->model->desc.schedule = l->kept_range;
    result = itd_save(l->model, NULL, model_path, error);
    if (l->n_held) learn_exchange(l, aside, NULL);
    l->model->desc.schedule = present;
    if (result == ITD_OK) result = itd_save(l->model, l->trainer, training_path, error);
    free(aside);
    return result == ITD_OK;
}

/* Of the same rows and description, but for the number of steps; the caller has to compare. */
static inline void learn_resume(learner *l, const learn_desc *desc, const char *training_path,
                                const char *model_path, const float *x /* (n,dim) */, size_t n, size_t held)
{
    itd_error error;
    itd_model *kept;
    const char *note, *own;
    unsigned long rung = 0, trained = 0;
    unsigned long long step = 0;
    learn_rows(l, desc, x, n, held);
    if (itd_load(training_path, &l->model, &l->trainer, &error) != ITD_OK) fail("%s", error.text);
    if (itd_load(model_path, &kept, NULL, &error) != ITD_OK) fail("%s", error.text);
    if (l->model->dim != l->dim || itd_net_parameters(kept->net) != itd_net_parameters(l->model->net))
        fail("%s: another network than in %s", model_path, training_path);
    note = itd_model_note(kept, "learn");
    if (!note ||
        sscanf(note, "rung %lu kept %llu gain %lf error %lf", &rung, &step, &l->gain, &l->gain_error) != 4)
        fail("%s: does not say which state it keeps", model_path);
    own = itd_model_note(l->model, "learn");
    if (own && sscanf(own, "rung %lu", &trained) == 1 && trained != rung) /* killed between the two files */
        rung = trained, step = 0, l->gain = l->gain_error = 0;
    l->rung = rung, l->kept_step = step, l->gain_last = l->gain;
    if (own && strstr(own, " last ")) l->gain_last = strtod(strstr(own, " last ") + 6, NULL);
    l->desc.model = l->model->desc, l->desc.find_range = 0;
    if (l->kept_step) {
        size_t count = itd_net_parameters(kept->net);
        l->kept = (float *)must_alloc(count, sizeof *l->kept);
        memcpy(l->kept, itd_net_weights(kept->net), count * sizeof *l->kept);
        l->kept_range = kept->desc.schedule;
    }
    l->gains = (double *)must_alloc(l->n_held, sizeof *l->gains);
    if (l->kept) {
        itd_model *training = l->model;
        l->model = kept; /* its gains are the ones that it had */
        learn_measure(l), learn_gains(l, l->gains, NULL);
        l->model = training;
    }
    itd_model_free(kept);
    l->trainer->desc.steps = desc->trainer.steps;
    while (l->round < LEARN_ROUNDS && learn_steps(l, l->round + 1) <= l->trainer->step) l->round++;
    l->turns = l->round;
}

#endif
