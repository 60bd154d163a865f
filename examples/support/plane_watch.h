/* plane_watch.h: the density of points in the plane, shown while it is learned: kept as panels, in the
 * terminal, and in TensorBoard.
 *
 *     plane_watch w;
 *     plane_watch_begin(&w, &report, &bar);
 *     w.view = 1, w.pictures = 1;
 *     panels_begin(&w.panels, 50, steps, "runs/dino/panels.bin");
 *     plane_watch_due(&w, model, &desc, step);                        from time to time
 *     panels_free(&w.panels);
 *
 * Include system.h first of all, and the implementation of itdiff.h before this file. */
#ifndef PLANE_WATCH_H
#define PLANE_WATCH_H

#include "plane_draw.h"
#include "report.h"

typedef struct plane_watch {
    panel_series panels;
    report *report;
    progress *bar;      /* the line that a view is to stand above */
    int view, pictures; /* whether panels are wanted in the terminal, and in TensorBoard */
    int colors, viewed; /* of the terminal; whether a view stands above the line of progress */
} plane_watch;

static inline void plane_watch_begin(plane_watch *w, report *r, progress *bar)
{
    memset(w, 0, sizeof *w);
    w->report = r, w->bar = bar, w->colors = system_has_colors(stdout);
}

/* The last panel in the terminal, in the place of the one before. */
static inline void plane_watch_view(plane_watch *w)
{
    progress_clear(w->bar);
    if (w->viewed) printf("\033[%dA", VIEW_LINES + 1);
    plane_print(&w->panels, w->colors);
    w->viewed = w->colors;
}

/* Once the race is decided, a third of the way, all panels are of one network. What lies far below all that
 * is shown is then assumed to stay there: in no run did a point rise by 6 nats into view. */
static inline void plane_watch_add(plane_watch *w, itd_model *m, const itd_nll_desc *desc, uint64_t step)
{
    panel_series *p = &w->panels;
    size_t k = p->count;
    plot_canvas c;
    panels_add(p, m, desc, step, k > 0 && 3 * p->step[k - 1] > p->steps);
    if (panels_is_repeated(p, k)) return;
    if (w->view && w->colors) plane_watch_view(w);
    if (!w->report->events.file || !w->pictures || p->has_kept) return;
    panels_draw_one(p, k, &c);
    report_image(w->report, &c, NULL, "density", step);
}

/* Adds the panels that a training has due after so many steps, and keeps them in its folder. */
static inline void plane_watch_due(plane_watch *w, itd_model *m, const itd_nll_desc *desc, uint64_t step)
{
    while ((w->pictures || w->view) && panels_due(&w->panels, step))
        plane_watch_add(w, m, desc, step), panels_keep(&w->panels);
}

#endif
