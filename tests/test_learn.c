/* How the programs train a density of vectors (examples/support/learn.h): what rows that teach nothing
 * choose. */
#define ITDIFF_IMPLEMENTATION
#include "../examples/support/learn.h"
#include "ref.h"
#include "test.h"

enum { DIM = 2, ROWS = 320, HELD = 24, FRESH = 1000 };

static learn_desc small_desc(uint64_t steps)
{
    learn_desc d;
    memset(&d, 0, sizeof d);
    d.model = itd_model_desc_default(DIM), d.trainer = itd_trainer_desc_default();
    d.model.mlp.hidden = 16, d.model.mlp.directions = 16, d.model.mlp.embedding = 8;
    d.trainer.batch = 64, d.trainer.steps = d.steps = steps, d.trainer.ema = 0.98;
    d.trainer.learning_rate = 3e-3;
    d.seed = d.trainer.seed = 5;
    return d;
}

static float *gaussian_rows(size_t n)
{
    float *x = ref_normals(n * DIM, 1);
    for (size_t i = 0; i < n; i++) x[2 * i + 1] = 30 * (x[2 * i + 1] + x[2 * i]) + 100;
    return x;
}

/* Two spots of width 0.1 at a distance of 10. */
static float *spots(size_t n)
{
    float *x = ref_normals(n * DIM, 0.1);
    for (size_t i = 0; i < n; i++) x[2 * i] += ref_below(2) ? 5.0f : -5.0f;
    return x;
}

static size_t weights_of(const learner *l) { return itd_net_parameters(l->model->net); }

/* By how many nats a row the model is ahead of its Gaussian on rows that nobody has seen. */
static double ahead(const learner *l, const float *x, size_t n, double *error)
{
    itd_denoiser den = itd_model_denoiser(l->model);
    itd_nll_desc d = itd_model_nll_desc(l->model);
    itd_nll_result result;
    double *nll = ref_doubles(n), mean = 0, square = 0;
    d.schedule = learn_wide_schedule(), d.draws = 50, d.seed = 77;
    CHECK_OK(itd_nll(&den, x, n, &d, &result, nll, NULL));
    for (size_t i = 0; i < n; i++) {
        double gain = itd_gaussian_nll(l->model->gaussian, x + DIM * i) - nll[i];
        mean += gain / (double)n, square += gain * gain / (double)n;
    }
    *error = sqrt((square - mean * mean) / (double)n);
    free(nll);
    return mean;
}

static void whole_training(learner *l, const learn_desc *d, const float *x)
{
    learn_begin(l, d, x, ROWS, HELD);
    while (learn_goes_on(l)) learn_round(l);
    learn_end(l);
}

/* ---- what is kept ---- */

/* The truth is the Gaussian; what is kept instead of it is no worse than chance makes it look. */
static void data_of_a_gaussian_leave_next_to_the_gaussian(void)
{
    learn_desc d = small_desc(480);
    float *x, *fresh;
    learner l;
    double error, gain;
    ref_seed(1);
    x = gaussian_rows(ROWS), fresh = gaussian_rows(FRESH);
    whole_training(&l, &d, x);
    gain = ahead(&l, fresh, FRESH, &error);
    CHECK(gain > -3 * hypot(error, l.gain_error) - 1e-4);
    CHECK(!l.kept || l.gain > l.gain_error);
    learn_free(&l), free(x), free(fresh);
}

/* The rows that choose lie where the rows that teach have none: no state but the Gaussian is any good for
 * them, it is kept, and the training ends before its time. */
static void the_gaussian_is_kept_where_nothing_beats_it(void)
{
    learn_desc d = small_desc(1440);
    float *x, *fresh;
    learner l;
    double error;
    ref_seed(6);
    x = spots(ROWS), fresh = spots(FRESH);
    for (size_t i = ROWS - HELD; i < ROWS; i++) x[DIM * i] = (float)(0.1 * ref_normal());
    whole_training(&l, &d, x);
    CHECK(!l.kept && l.kept_step == 0 && l.gain_last < l.gain_last_error);
    CHECK(l.round < LEARN_ROUNDS && 3 * l.round > LEARN_ROUNDS);
    for (size_t i = 0; i < weights_of(&l); i++) CHECK_CLOSE(learn_weights(&l)[i], 0, 0);
    CHECK_CLOSE(ahead(&l, fresh, FRESH, &error), 0, 1e-4);
    learn_free(&l), free(x), free(fresh);
}

/* -log p is log 2 below that of one spot, log(2 pi e 0.01) = -1.77 + log 2; the Gaussian's is
 * log(2 pi e) + log 5 + log 0.1 = 2.14: 3.2 nats in between, of which so small a network finds more than
 * a third. */
static void two_spots_are_far_from_a_gaussian(void)
{
    learn_desc d = small_desc(1440);
    float *x, *fresh;
    learner l;
    double error, gain;
    ref_seed(2);
    x = spots(ROWS), fresh = spots(FRESH);
    d.find_schedule = 1;
    whole_training(&l, &d, x);
    gain = ahead(&l, fresh, FRESH, &error);
    CHECK(gain > 1 && gain < 3.3);
    CHECK(l.kept && l.kept_step > 0 && l.kept_step <= l.trainer->step);
    CHECK(memcmp(learn_weights(&l), l.kept, weights_of(&l) * sizeof *l.kept) == 0);
    CHECK(l.model->desc.schedule.scale * l.model->desc.schedule.clip < 13); /* no longer all log SNRs */
    CHECK(l.model->desc.schedule.loc > 0 && l.model->desc.schedule.loc < 10);
    CHECK_CLOSE(l.gain, gain, 5 * (l.gain_error + error) + 0.1); /* what held rows say is not flattered */
    learn_free(&l), free(x), free(fresh);
}

/* A learning rate beyond all reason is an error of the training; the Gaussian that is kept is the model. */
static void what_diverges_leaves_the_gaussian(void)
{
    learn_desc d = small_desc(480);
    itd_result result = ITD_OK;
    learner l;
    float *x;
    ref_seed(5);
    x = spots(ROWS);
    d.trainer.learning_rate = 1e30;
    learn_begin(&l, &d, x, ROWS, HELD);
    while (result == ITD_OK && learn_goes_on(&l)) result = learn_round(&l);
    CHECK(result == ITD_ERROR_NUMERIC && !l.kept);
    learn_end(&l);
    for (size_t i = 0; i < weights_of(&l); i++) CHECK_CLOSE(learn_weights(&l)[i], 0, 0);
    learn_free(&l), free(x);
}

/* ---- rows that teach nothing ---- */

static float *weights_after_rounds(const float *x, size_t rounds, size_t *n)
{
    learn_desc d = small_desc(96);
    learner l;
    float *w;
    d.model.normalize = false; /* or the map would know the rows */
    learn_begin(&l, &d, x, ROWS, HELD);
    for (size_t k = 0; k < rounds; k++) learn_round(&l);
    CHECK(l.trainer->step == 2 * rounds && l.round == rounds);
    *n = weights_of(&l);
    w = ref_copy(itd_net_weights(l.model->net), *n);
    learn_free(&l);
    return w;
}

/* Absurd numbers in the rows that are held change no weight; one in a row that teaches does. */
static void held_rows_teach_nothing(void)
{
    enum { ROUNDS = 12 };
    float *x, *before, *after;
    size_t n, i;
    ref_seed(3);
    x = spots(ROWS);
    before = weights_after_rounds(x, ROUNDS, &n);
    for (i = (ROWS - HELD) * DIM; i < ROWS * DIM; i++) x[i] = i % 3 ? 1000 : -50;
    after = weights_after_rounds(x, ROUNDS, &n);
    CHECK(memcmp(before, after, n * sizeof *before) == 0);
    free(after);
    x[(ROWS - HELD) * DIM - 1] += 1; /* the last one before them */
    after = weights_after_rounds(x, ROUNDS, &n);
    CHECK(memcmp(before, after, n * sizeof *before) != 0);
    free(before), free(after), free(x);
}

/* ---- the whole search, twice ---- */

static void search(learner *l, const float *x, uint64_t seed, int all)
{
    learn_desc d = small_desc(192);
    d.seed = d.trainer.seed = seed;
    d.find_range = d.find_schedule = all;
    learn_begin(l, &d, x, ROWS, HELD);
    while (l->rivals || l->round < learn_heats[LEARN_HEATS - 1][0] + 2) learn_round(l);
    learn_end(l);
}

static void same_seed_same_result(void)
{
    float *x;
    learner a, b, c;
    ref_seed(4);
    x = spots(ROWS);
    search(&a, x, 5, 1), search(&b, x, 5, 1), search(&c, x, 6, 0);
    CHECK(a.rung == b.rung && a.kept_step == b.kept_step && a.round == b.round);
    CHECK(memcmp(&a.gain, &b.gain, sizeof a.gain) == 0 && memcmp(&a.loss, &b.loss, sizeof a.loss) == 0);
    CHECK(memcmp(&a.model->desc.schedule, &b.model->desc.schedule, sizeof a.model->desc.schedule) == 0);
    CHECK(memcmp(learn_weights(&a), learn_weights(&b), weights_of(&a) * sizeof(float)) == 0);
    CHECK(memcmp(&a.loss, &c.loss, sizeof a.loss) != 0);
    CHECK(a.rung < LEARN_RUNGS && a.trainer->step == learn_steps(&a, a.round));
    CHECK(a.turns + LEARN_ROUNDS == learn_turns(&a) + a.round); /* what is left is the winner's alone */
    CHECK_CLOSE(a.model->desc.mlp.frequency_min, learn_rungs[a.rung][0], 0);
    CHECK_CLOSE(a.model->desc.mlp.frequency_max, learn_rungs[a.rung][1], 0);
    learn_free(&a), learn_free(&b), learn_free(&c), free(x);
}

/* ---- stopped and resumed ---- */

static const char training_path[] = "build/learn_training.safetensors",
                  model_path[] = "build/learn_model.safetensors";

/* Goes on to the end from what is saved after some rounds; with `torn`, of a later round the model alone. */
static void resumed(learner *l, const learn_desc *d, const float *x, size_t rounds, bool torn)
{
    static const char torn_path[] = "build/learn_torn.safetensors";
    itd_error error;
    double last;
    learn_begin(l, d, x, ROWS, HELD);
    while (l->round < rounds && learn_goes_on(l)) learn_round(l);
    CHECK(learn_save(l, training_path, model_path, &error));
    last = l->gain_last;
    if (torn && learn_goes_on(l)) {
        learn_round(l);
        CHECK(learn_save(l, torn_path, model_path, &error));
    }
    learn_free(l);
    learn_resume(l, d, training_path, model_path, x, ROWS, HELD);
    CHECK(l->round == rounds && memcmp(&l->gain_last, &last, sizeof last) == 0);
    while (learn_goes_on(l)) learn_round(l);
    learn_end(l);
    remove(training_path), remove(model_path), remove(torn_path);
}

static void check_resumed(const learn_desc *d, const float *x, const learner *whole, size_t rounds, bool torn)
{
    learner l;
    resumed(&l, d, x, rounds, torn);
    CHECK(l.round == whole->round && l.kept_step == whole->kept_step &&
          l.trainer->step == whole->trainer->step);
    CHECK(memcmp(&l.gain, &whole->gain, sizeof l.gain) == 0);
    CHECK(memcmp(&l.model->desc.schedule, &whole->model->desc.schedule, sizeof l.model->desc.schedule) == 0);
    CHECK(memcmp(learn_weights(&l), learn_weights(whole), weights_of(whole) * sizeof(float)) == 0);
    learn_free(&l);
}

static void a_resumed_training_ends_the_same(void)
{
    static const size_t rounds[] = {1, 3, 20, LEARN_ROUNDS};
    learn_desc d = small_desc(960);
    learner whole;
    float *x;
    ref_seed(2);
    x = spots(ROWS);
    d.find_schedule = 1;
    whole_training(&whole, &d, x);
    CHECK(whole.kept != NULL);
    for (size_t k = 0; k < 4; k++) check_resumed(&d, x, &whole, rounds[k], k % 2 == 0);
    learn_free(&whole), free(x);
}

/* ---- rounds ---- */

static void rounds_share_the_steps(void)
{
    static const uint64_t steps[] = {48, 96, 100, 47, 1, 1000003};
    for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
        learner l;
        memset(&l, 0, sizeof l);
        l.desc.steps = steps[k];
        CHECK(learn_steps(&l, 0) == 0 && learn_steps(&l, LEARN_ROUNDS) == steps[k]);
        for (size_t r = 1; r <= LEARN_ROUNDS; r++) {
            uint64_t more = learn_steps(&l, r) - learn_steps(&l, r - 1);
            CHECK(more >= steps[k] / LEARN_ROUNDS && more <= steps[k] / LEARN_ROUNDS + 1);
        }
    }
}

static void epochs_fill_their_last_batch(void)
{
    learn_desc d;
    memset(&d, 0, sizeof d);
    d.trainer.batch = 100;
    CHECK(learn_steps_of_epochs(&d, 1000, 3) == 30 && learn_steps_of_epochs(&d, 1001, 3) == 31);
    CHECK(learn_desc_default(2, 500, 1).steps == 2500 && learn_desc_default(2, 2000, 1).steps == 5000);
    CHECK(learn_steps_of_epochs(&d, 99, 1) == 1 && learn_steps_of_epochs(&d, 101, 1) == 2);
}

int main(void)
{
    RUN(data_of_a_gaussian_leave_next_to_the_gaussian);
    RUN(the_gaussian_is_kept_where_nothing_beats_it);
    RUN(two_spots_are_far_from_a_gaussian);
    RUN(what_diverges_leaves_the_gaussian);
    RUN(held_rows_teach_nothing);
    RUN(same_seed_same_result);
    RUN(a_resumed_training_ends_the_same);
    RUN(rounds_share_the_steps);
    RUN(epochs_fill_their_last_batch);
    return test_report();
}
