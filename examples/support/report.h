/* report.h: what a training program leaves in its folder while it works: metrics.tsv with a row per round,
 * the same numbers and the pictures for TensorBoard.
 *
 *     report r;
 *     report_begin(&r, "runs", "dino", &bar);
 *     report_open(&r, 0);                       or the step of the checkpoint that the run goes on from
 *     report_add(&r, &row);
 *     report_picture(&r, &canvas, "loss.png");
 *     report_close(&r);
 *
 * Include system.h first of all, and the implementation of itdiff.h before this file. */
#ifndef REPORT_H
#define REPORT_H

#include "folder.h"
#include "plot.h"
#include "progress.h"
#include "tfevents.h"

#include <float.h>

typedef struct report_row {
    double epoch, step, loss, nll, error, learning_rate, seconds; /* nll, error: NaN where not measured */
} report_row;

typedef struct report {
    char folder[1024];
    FILE *metrics;
    tfevents events;
    progress *bar;
    report_row *row; /* (rows) also those before a checkpoint */
    size_t rows, capacity;
} report;

static inline const char *report_path(const report *r, const char *file)
{
    return folder_path(r->folder, file);
}

static inline void report_begin(report *r, const char *out, const char *name, progress *bar)
{
    memset(r, 0, sizeof *r);
    r->bar = bar;
    folder_make(out, name, r->folder, sizeof r->folder);
}

/* Watching must not end what is watched. */
static inline void report_check(report *r)
{
    if (!tfevents_lost(&r->events)) return;
    progress_clear(r->bar);
    warn("%s: cannot be written; the run goes on without it", r->events.path);
}

static inline void report_keep(report *r, const report_row *row)
{
    if (r->rows == r->capacity) {
        report_row *grown = (report_row *)must_alloc(r->capacity = 2 * r->capacity + 64, sizeof *grown);
        if (r->rows) memcpy(grown, r->row, r->rows * sizeof *grown);
        free(r->row);
        r->row = grown;
    }
    r->row[r->rows++] = *row;
}

static inline void report_print(const report *r, const report_row *row)
{
    fprintf(r->metrics, "%.6g\t%.0f\t%.6f\t%.6f\t%.6f\t%.6g\t%.3f\n", row->epoch, row->step, row->loss,
            row->nll, row->error, row->learning_rate, row->seconds);
}

/* Takes over the rows up to a step. */
static inline void report_recall(report *r, double step)
{
    FILE *file = folder_rows(r->folder, "metrics.tsv");
    char line[256];
    while (file && fgets(line, sizeof line, file)) {
        report_row m;
        if (sscanf(line, "%lf %lf %lf %lf %lf %lf %lf", &m.epoch, &m.step, &m.loss, &m.nll, &m.error,
                   &m.learning_rate, &m.seconds) == 7 &&
            m.step <= step)
            report_keep(r, &m);
    }
    folder_rows_end(file, r->folder, "metrics.tsv");
}

/* step: those that were done before, 0 for a new run. */
static inline void report_open(report *r, uint64_t step)
{
    if (step) report_recall(r, (double)step);
    folder_lock(r->folder);
    r->metrics = folder_rows_begin(r->folder, "metrics.tsv");
    fprintf(r->metrics, "epoch\tstep\ttrain_loss\tval_nll\tval_stderr\tlearning_rate\tseconds\n");
    for (size_t k = 0; k < r->rows; k++) report_print(r, &r->row[k]);
    r->metrics = folder_rows_go_on(r->metrics, r->folder, "metrics.tsv");
    tfevents_open(&r->events, r->folder, step ? step + 1 : 0);
    report_check(r);
}

/* row->seconds are those of this row alone; the sum of all is written. rate: points per second, or 0. */
static inline void report_add(report *r, const report_row *row, double rate)
{
    report_row m = *row;
    uint64_t step = (uint64_t)m.step;
    if (r->rows) m.seconds += r->row[r->rows - 1].seconds;
    report_keep(r, &m);
    report_print(r, &m);
    fflush(r->metrics);
    tfevents_scalar(&r->events, step, "train_loss", m.loss);
    if (fabs(m.nll) <= DBL_MAX) tfevents_scalar(&r->events, step, "val_loss", m.nll);
    tfevents_scalar(&r->events, step, "learning_rate", m.learning_rate);
    if (rate > 0) tfevents_scalar(&r->events, step, "points_per_second", rate);
    report_check(r);
}

/* Into the folder under the name of a file and into the events under a tag, unless that is NULL; then the
   canvas is freed. */
static inline void report_image(report *r, plot_canvas *c, const char *file, const char *tag, uint64_t step)
{
    unsigned char *png;
    size_t n;
    if (plot_canvas_encode(c, &png, &n)) fail("out of memory for a picture");
    if (file && plot_save(report_path(r, file), png, n)) lose(report_path(r, file));
    if (tag) tfevents_png(&r->events, step, tag, png, n, (size_t)c->width, (size_t)c->height);
    report_check(r);
    free(png);
    plot_canvas_free(c);
}

/* The same, at the step of the last row; the tag is the name of the file without ".png". */
static inline void report_picture(report *r, plot_canvas *c, const char *file)
{
    char tag[100];
    snprintf(tag, sizeof tag, "%.*s", (int)strcspn(file, "."), file);
    report_image(r, c, file, tag, r->rows ? (uint64_t)r->row[r->rows - 1].step : 0);
}

static inline void report_close(report *r)
{
    folder_rows_close(r->metrics, r->folder, "metrics.tsv");
    tfevents_close(&r->events);
    report_check(r);
    free(r->row);
    r->metrics = NULL, r->row = NULL, r->rows = r->capacity = 0;
}

#endif
