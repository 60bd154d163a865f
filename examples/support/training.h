/* training.h: learn.h as a program runs it: with a line of progress, rows for the report, checkpoints, a
 * clock, and an end when the user asks for it.
 *
 *     training_loop t;
 *     training_begin(&t, &l, &report, notes);           l has begun, or was resumed
 *     t.deadline = system_seconds() + 32;
 *     switch (training_run(&t)) { ... }
 *     if (stop_asked()) ...                             by Ctrl-C or kill; everything is saved
 *
 * Include system.h first of all, and the implementation of itdiff.h before this file. */
#ifndef TRAINING_H
#define TRAINING_H

#include "learn.h"
#include "report.h"
#include "stop.h"

enum { TRAINING_SAVE_SECONDS = 20 };

typedef enum training_end {
    TRAINING_COMPLETE,
    TRAINING_STOPPED,
    TRAINING_CUT,
    TRAINING_DIVERGED
} training_end;

/* What goes into the files with the model. */
typedef struct training_note {
    const char *key, *value; /* key NULL: the end of the list */
} training_note;

typedef struct training_loop {
    learner *l;
    report *report;
    const training_note *notes;
    double deadline;           /* of system_seconds; HUGE_VAL: none */
    void (*before)(void *ctx); /* before each round, or NULL: may exchange l->x */
    double (*measure)(void *ctx,
                      double *error); /* mean -log p for the report; NULL: that of the rows that choose */
    void *ctx;
    size_t epoch;    /* rows in one: as many as teach, unless set otherwise */
    size_t asked;    /* epochs that were asked for, or 0 */
    int quiet, anew; /* anew: nothing has been saved of a training that began at step 0 */
    progress *bar;
    double gaussian; /* mean -log p of the rows that choose, by the Gaussian */
    double nll;      /* last measured */
    double saved;    /* when */
    double seconds;  /* of training since the last row of the report */
    uint64_t step;   /* at the last row of the report */
} training_loop;

static inline void training_begin(training_loop *t, learner *l, report *r, const training_note *notes)
{
    const itd_gaussian *g = l->model->gaussian;
    memset(t, 0, sizeof *t);
    t->l = l, t->report = r, t->bar = r->bar, t->notes = notes;
    t->deadline = HUGE_VAL, t->epoch = l->n, t->nll = (double)NAN;
    for (size_t i = 0; i < l->n_held; i++)
        t->gaussian += itd_gaussian_nll(g, l->held + i * l->dim) / (double)l->n_held;
}

/* Passes over as many rows. */
static inline double training_passes(const learner *l, uint64_t step, size_t rows)
{
    return (double)step * (double)l->trainer->desc.batch / (double)rows;
}

/* Whole passes so far over as many rows; at most `asked` unless that is 0, as a batch larger than the rows is
   filled up with rows of further passes. */
static inline unsigned long training_epochs(const learner *l, size_t rows, size_t asked)
{
    size_t passes = (size_t)training_passes(l, l->trainer->step, rows);
    return (unsigned long)(asked && passes > asked ? asked : passes);
}

/* Only the last time a failure ends the program: a disk may have room again. */
static inline void training_save(training_loop *t, bool last)
{
    char path[1300];
    itd_error error;
    if (t->anew) progress_clear(t->bar), folder_keep_earlier(t->report->folder, t->quiet);
    t->anew = 0;
    for (const training_note *note = t->notes; note->key; note++)
        must(itd_model_set_note(t->l->model, note->key, note->value), "keeping notes with the model");
    snprintf(path, sizeof path, "%s", report_path(t->report, "training.safetensors"));
    if (!learn_save(t->l, path, report_path(t->report, "model.safetensors"), &error)) {
        if (last) fail("%s", error.text);
        progress_clear(t->bar), warn("%s; the training goes on", error.text);
    }
    t->saved = system_seconds();
}

/* A row for the steps since the last one, of the network that leads. */
static inline void training_record(training_loop *t)
{
    const learner *l = t->l;
    double points = (double)((l->trainer->step - t->step) * l->trainer->desc.batch);
    report_row row;
    if (l->trainer->step <= t->step) return;
    row.error = l->n_held ? l->gain_last_error : (double)NAN;
    if (t->measure) t->nll = t->measure(t->ctx, &row.error);
    else t->nll = l->n_held ? t->gaussian - l->gain_last : (double)NAN;
    row.epoch = training_passes(l, l->trainer->step, t->epoch), row.step = (double)l->trainer->step;
    row.loss = l->loss, row.nll = t->nll;
    row.learning_rate = l->trainer->learning_rate, row.seconds = t->seconds;
    report_add(t->report, &row, row.seconds > 0 ? points / row.seconds : 0);
    t->step = l->trainer->step, t->seconds = 0;
}

static inline void training_show(training_loop *t)
{
    char fields[100];
    if (t->l->trainer->step == 0) return; /* there is nothing to tell */
    snprintf(fields, sizeof fields, "epoch %lu  loss %.3f  nats %.3f",
             training_epochs(t->l, t->epoch, t->asked), t->l->loss, t->nll);
    progress_update(t->bar, t->l->turns, t->l->turns, fields);
}

/* Between two steps: has somebody asked, or is the time over? */
static inline int training_must_stop(const void *ctx)
{
    const training_loop *t = (const training_loop *)ctx;
    return stop_asked() || !(system_seconds() < t->deadline);
}

static inline itd_result training_rounds(training_loop *t)
{
    itd_result result = ITD_OK;
    while (result == ITD_OK && learn_goes_on(t->l) && !training_must_stop(t)) {
        double begun;
        if (t->before) t->before(t->ctx);
        begun = system_seconds();
        result = learn_round(t->l);
        t->seconds += system_seconds() - begun;
        if (result != ITD_OK) break;
        training_record(t), training_show(t);
        if (system_seconds() - t->saved > TRAINING_SAVE_SECONDS) training_save(t, false);
    }
    return result;
}

/* Trains to the end, or as long as it goes, and saves. */
static inline training_end training_run(training_loop *t)
{
    itd_result result;
    size_t turns = learn_turns(t->l);
    t->anew = !t->l->trainer->step;
    report_open(t->report, t->l->trainer->step);
    stop_listen();
    t->l->stop = training_must_stop, t->l->stop_ctx = t;
    t->step = t->l->trainer->step, t->saved = system_seconds();
    progress_begin(t->bar, "round", turns, "rounds", turns, t->quiet || !learn_goes_on(t->l));
    progress_skip(t->bar, t->l->turns);
    result = training_rounds(t);
    progress_end(t->bar);
    if (result != ITD_ERROR_NUMERIC) must(result, "training");
    if (result == ITD_OK || t->l->n_held) training_save(t, true); /* what has diverged is of no use */
    stop_end();
    if (result != ITD_OK) return TRAINING_DIVERGED;
    if (stop_asked()) return TRAINING_STOPPED;
    return learn_goes_on(t->l) ? TRAINING_CUT : TRAINING_COMPLETE;
}

/* Goes on from what training_save left in the folder; see learn_resume. */
static inline void training_resume(learner *l, const learn_desc *desc, const report *r, const float *x,
                                   size_t n, size_t held)
{
    char path[1300];
    snprintf(path, sizeof path, "%s", report_path(r, "training.safetensors"));
    learn_resume(l, desc, path, report_path(r, "model.safetensors"), x, n, held);
}

/* Says how the training ended, if it did not end as planned. Ends the program if nothing is left of it. */
static inline void training_say_end(const training_loop *t, training_end end)
{
    const learner *l = t->l;
    unsigned long step = (unsigned long)l->trainer->step, steps = (unsigned long)l->desc.steps;
    if (end == TRAINING_DIVERGED && !l->n_held)
        fail("training diverged after step %lu; a lower --learning_rate helps", step);
    if (end == TRAINING_DIVERGED)
        warn("training diverged after step %lu; what was kept before is used; a lower --learning_rate helps",
             step);
    if (end == TRAINING_CUT && l->n_held)
        warn(
            "cut by the clock at step %lu of %lu, and the state after step %lu is kept; --minutes N gives it "
            "more, also with --resume",
            step, steps, (unsigned long)l->kept_step);
    else if (end == TRAINING_CUT)
        warn("cut by the clock at step %lu of %lu; --minutes N gives it more, also with --resume", step,
             steps);
    if (t->quiet) return;
    if (end == TRAINING_STOPPED)
        printf("stopped; --resume goes on from %s/training.safetensors\n", t->report->folder);
    else if (l->n_held && !l->kept)
        printf("no trained state is significantly better than the Gaussian, so the Gaussian is the model\n");
}

#endif
