/* progress.h: tells how a long job is getting on, on stderr:
 *
 *     epoch 12/160  loss 1.234  nats 1.301  4512 steps/s  0:07 left
 *
 * On a terminal the line is rewritten in place, at most ten times a second. Elsewhere (a log, a pipe) it
 * is printed as a line of its own, about once per tenth of the job, sooner if five seconds have passed.
 *
 *     progress bar;
 *     progress_begin(&bar, "epoch", epochs, "steps", steps, quiet);
 *     ... progress_update(&bar, epoch, steps_done, "loss 1.234  nats 1.301");
 *     progress_end(&bar);
 *
 * Two counts, since they may differ: what the reader counts (epochs) and what the rate counts (steps). For
 * a job with one count, give it twice. Include system.h, hence this file, before any other header. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include "system.h"

#include <math.h>

enum { progress_width = 79 };

typedef struct progress {
    FILE *file;              /* stderr; may be set after progress_begin, with `terminal` */
    double (*seconds)(void); /* the clock; tests set their own */
    int terminal, quiet;
    const char *label, *unit;       /* "epoch", "steps" */
    size_t count, work;             /* how many of each the job has */
    size_t first, latest, shown;    /* work done before the start, at the last update, at the last line */
    double started, last, shown_at; /* when the job, the last rate and the last line began */
    size_t last_done;               /* work done at the last rate */
    double rate;                    /* smoothed, in units of work per second; 0 if not known yet */
    int lines, length;              /* lines printed; characters in the one that stands on the terminal */
    size_t index;                   /* the round of the last update */
    char fields[160];               /* those of the last update, for the final line */
} progress;

/* Seconds as m:ss, or h:mm:ss from an hour on; "-:--" for a time nobody knows. */
static inline void progress_format_time(double seconds, char *buffer, size_t size)
{
    unsigned long whole;
    if (!(seconds >= 0 && seconds < 3.6e8)) {
        snprintf(buffer, size, "-:--");
        return;
    }
    whole = (unsigned long)(seconds + 0.5);
    if (whole < 3600) snprintf(buffer, size, "%lu:%02lu", whole / 60, whole % 60);
    else snprintf(buffer, size, "%lu:%02lu:%02lu", whole / 3600, whole / 60 % 60, whole % 60);
}

/* Starts the clock of a job of `count` labelled rounds and `work` units in all. */
static inline void progress_begin(progress *bar, const char *label, size_t count, const char *unit,
                                  size_t work, int quiet)
{
    memset(bar, 0, sizeof *bar);
    bar->file = stderr;
    bar->seconds = system_seconds;
    bar->terminal = system_is_terminal(stderr);
    bar->quiet = quiet;
    bar->label = label;
    bar->unit = unit;
    bar->count = count;
    bar->work = work;
    bar->started = bar->last = bar->shown_at = bar->seconds();
}

/* For a job that goes on from an earlier one: this much was done before, and says nothing about today's
 * speed. */
static inline void progress_skip(progress *bar, size_t done)
{
    bar->first = bar->latest = bar->shown = bar->last_done = done;
}

/* Whether an update would show now, for a caller whose fields are costly to compute. */
static inline int progress_is_due(const progress *bar, size_t done)
{
    double elapsed = bar->seconds() - bar->shown_at;
    if (bar->quiet) return 0;
    if (bar->terminal) return bar->lines == 0 || elapsed >= 0.1;
    if (done >= bar->work) return 0; /* the last line is progress_end's */
    return elapsed >= 5 || (done > bar->shown && done - bar->shown >= (bar->work - bar->first) / 10);
}

/* Follows the speed with a memory of about three seconds: each measurement weighs as much as the time it
 * covers takes out of that memory. The first one is taken as it is. */
static inline void progress_measure(progress *bar, size_t done)
{
    double now = bar->seconds(), span = now - bar->last, measured;
    if (span <= 0 || done <= bar->last_done) return;
    measured = (double)(done - bar->last_done) / span;
    bar->rate = bar->rate > 0 ? measured + (bar->rate - measured) * exp(-span / 3) : measured;
    bar->last = now;
    bar->last_done = done;
}

/* Writes the line. On a terminal it is cut to the width, as only a line that fits can be rewritten, and
 * blanks cover the rest of a longer predecessor. */
static inline void progress_print(progress *bar, double rate, double seconds, const char *what)
{
    char line[400], time_text[32];
    const char *gap = *bar->fields ? "  " : "";
    int decimals = rate < 10 ? 2 : 0, length;
    progress_format_time(seconds, time_text, sizeof time_text);
    length = snprintf(line, sizeof line, "%s %zu/%zu  %s%s%.*f %s/s  %s %s", bar->label, bar->index,
                      bar->count, bar->fields, gap, decimals, rate, bar->unit, time_text, what);
    if (bar->terminal) {
        if (length > progress_width) length = progress_width;
        fprintf(bar->file, "\r%.*s%*s", length, line, bar->length > length ? bar->length - length : 0, "");
        bar->length = length;
    } else {
        fprintf(bar->file, "%s\n", line);
    }
    fflush(bar->file);
    bar->lines++;
    bar->shown = bar->latest;
    bar->shown_at = bar->seconds();
}

/* Reports that `done` of the work is done, in round `index`; shows it if a line is due. The fields are any
 * text the caller has formatted ("" for none). Cheap enough to call at every step. */
static inline void progress_update(progress *bar, size_t index, size_t done, const char *fields)
{
    size_t length = strlen(fields), kept = length < sizeof bar->fields ? length : sizeof bar->fields - 1;
    double left;
    bar->index = index;
    bar->latest = done;
    memcpy(bar->fields, fields, kept);
    bar->fields[kept] = '\0';
    if (!progress_is_due(bar, done)) return;
    progress_measure(bar, done);
    left = bar->rate > 0 ? ((double)bar->work - (double)done) / bar->rate : -1;
    progress_print(bar, bar->rate, left, "left");
}

/* Clears the way for other output: wipes the line from the terminal. The next update brings it back. */
static inline void progress_clear(progress *bar)
{
    if (bar->length == 0) return;
    fprintf(bar->file, "\r%*s\r", bar->length, "");
    fflush(bar->file);
    bar->length = 0;
}

/* Ends the job with a last line, which tells the mean rate and the time it took. */
static inline void progress_end(progress *bar)
{
    double elapsed = bar->seconds() - bar->started, done = (double)(bar->latest - bar->first);
    if (bar->quiet) return;
    progress_print(bar, elapsed > 0 ? done / elapsed : 0, elapsed, "in all");
    if (bar->terminal) fprintf(bar->file, "\n");
    fflush(bar->file);
    bar->length = 0;
}

#endif
