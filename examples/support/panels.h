/* panels.h: the learned density of a set of the plane, over +-3 in both directions: on a grid, as contours,
 * and as a series of panels along a training, which go on in a file if that is interrupted.
 *
 *     panel_series p;
 *     panels_begin(&p, 50, steps, "runs/dino/panels.bin");
 *     if (resumed) panels_recall(&p, step);
 *     while (panels_due(&p, step)) panels_add(&p, model, &desc, step, settled), panels_keep(&p);
 *     panels_draw(&canvas, p.values[k], p.side, "density after 500 steps");
 *     panels_free(&p);
 *
 * Include the implementation of itdiff.h before this file. */
#ifndef PANELS_H
#define PANELS_H

#include "blur.h"
#include "picture.h"

static const double panels_levels[] = {-5, -4.5, -4, -3.5, -3, -2.5, -2, -1.5, -1}; /* of log p */
static const double panels_reach = 3;

enum { PANELS_LEVELS = sizeof panels_levels / sizeof *panels_levels, PANELS_FAR_BELOW = 8 };
enum { PANELS_MAX = 15, PANELS_DRAWS = 48, PANELS_WIDTH = 540, PANELS_HEIGHT = 470 };

/* ---- the density ---- */

/* The largest of the values around (u, v) in [0,1] x [0,1]. */
static inline double panels_largest_around(const double *values, size_t side, double u, double v)
{
    size_t i = (size_t)(u * (double)(side - 1)), j = (size_t)(v * (double)(side - 1));
    double largest = -HUGE_VAL;
    for (size_t k = 0; k < 4; k++) {
        size_t x = i + k % 2, y = j + k / 2;
        if (x < side && y < side) largest = fmax(largest, values[y * side + x]);
    }
    return largest;
}

/* log p on a square grid, blurred by 0.4 of its cells' width. Where an earlier one is far below all that is
   shown, its value does; earlier: may be NULL. */
static inline void panels_density(itd_model *m, const itd_nll_desc *desc, size_t side, const double *earlier,
                                  size_t earlier_side, double *log_density)
{
    size_t n = 0, *at = (size_t *)must_alloc(side * side, sizeof *at);
    float *x = (float *)must_alloc(side * side, 2 * sizeof *x);
    double *nll = (double *)must_alloc(side * side, sizeof *nll),
           cell = 2 * panels_reach / (double)(side - 1);
    for (size_t i = 0; i < side * side; i++) {
        double u = (double)(i % side) / (double)(side - 1), v = (double)(i / side) / (double)(side - 1);
        if (earlier) log_density[i] = panels_largest_around(earlier, earlier_side, u, v);
        if (earlier && log_density[i] < panels_levels[0] - PANELS_FAR_BELOW) continue;
        x[2 * n] = (float)(panels_reach * (2 * u - 1)), x[2 * n + 1] = (float)(panels_reach * (2 * v - 1));
        at[n++] = i;
    }
    if (n) blurred_nll(m, 0.4 * cell, desc, x, n, nll);
    for (size_t i = 0; i < n; i++) log_density[at[i]] = -nll[i];
    free(at), free(x), free(nll);
}

/* ---- pictures of it ---- */

static inline plot_field panels_field(const double *values, size_t side)
{
    plot_field f = {values, (int)side, (int)side, -panels_reach, panels_reach, -panels_reach, panels_reach};
    return f;
}

static inline plot_axes panels_axes(plot_canvas *c, plot_box box, const char *title)
{
    plot_axes a = plot_axes_make(c, box, -panels_reach, panels_reach, -panels_reach, panels_reach);
    a.title = title;
    return a;
}

static inline void panels_contours(plot_axes *a, const double *values, size_t side)
{
    plot_field f = panels_field(values, side);
    plot_contourf(a, &f, panels_levels, PANELS_LEVELS, PLOT_BELOW_PAPER);
}

/* The scale of colours, to the right of what ends at `area`. */
static inline void panels_bar(const plot_axes *a, plot_box area, int gap, int width)
{
    plot_box bar = {area.right + gap, area.top, area.right + gap + width, area.bottom};
    plot_colorbar(a, bar, panels_levels, PANELS_LEVELS, PLOT_BELOW_PAPER, "log density (blurred), nats");
}

static inline plot_box panels_box(const plot_canvas *c)
{
    return plot_inset(plot_canvas_box(c), 45, 40, 95, 30);
}

/* A picture of one: a frame of a film. */
static inline void panels_draw(plot_canvas *c, const double *values, size_t side, const char *title)
{
    plot_axes a;
    picture_begin(c, PANELS_WIDTH, PANELS_HEIGHT);
    a = panels_axes(c, panels_box(c), title);
    panels_contours(&a, values, side);
    panels_bar(&a, a.box, 16, 14);
    plot_axes_draw(&a);
}

/* ---- a series of them ---- */

typedef struct panel_series {
    size_t side, count;
    uint64_t steps; /* of the whole training */
    uint64_t step[PANELS_MAX + 1];
    double *values[PANELS_MAX + 1]; /* (side,side); the one above PANELS_MAX is for the state that is kept */
    int has_kept;    /* the last one is of the weights that are kept, which are not the last ones */
    char path[1300]; /* "": of a model that is not trained here */
} panel_series;

static inline void panels_begin(panel_series *p, size_t side, uint64_t steps, const char *path)
{
    memset(p, 0, sizeof *p);
    p->side = side, p->steps = steps;
    snprintf(p->path, sizeof p->path, "%s", path);
}

/* Panels 0, 1, ... are dense at first, where most happens. */
static inline int panels_due(const panel_series *p, uint64_t step)
{
    double t = (double)p->count / (PANELS_MAX - 1);
    return p->count < PANELS_MAX && (uint64_t)((double)p->steps * t * t + 0.5) <= step;
}

static inline const double *panels_last(const panel_series *p)
{
    return p->count ? p->values[p->count - 1] : NULL;
}

/* Whether it is of the same step as the one before it. */
static inline int panels_is_repeated(const panel_series *p, size_t k)
{
    return k > 0 && p->step[k - 1] == p->step[k];
}

static inline int panels_is_kept(const panel_series *p, size_t k) { return p->has_kept && k + 1 == p->count; }

static inline void panels_title(const panel_series *p, size_t k, char *title, size_t size)
{
    unsigned long step = (unsigned long)p->step[k];
    if (!*p->path) snprintf(title, size, "density");
    else if (panels_is_kept(p, k)) snprintf(title, size, "kept: density after %lu steps", step);
    else snprintf(title, size, "density after %lu of %lu steps", step, (unsigned long)p->steps);
}

/* Panel k under its title. */
static inline void panels_draw_one(const panel_series *p, size_t k, plot_canvas *c)
{
    char title[80];
    panels_title(p, k, title, sizeof title);
    panels_draw(c, p->values[k], p->side, title);
}

/* Appends the newest to the file, or begins it anew with the first. */
static inline void panels_keep(const panel_series *p)
{
    size_t k = p->count - 1, cells = p->side * p->side;
    FILE *file = fopen(p->path, k ? "ab" : "wb");
    int good = file && fwrite(&p->side, sizeof p->side, 1, file) == 1 &&
               fwrite(&p->step[k], sizeof *p->step, 1, file) == 1 &&
               fwrite(p->values[k], sizeof(double), cells, file) == cells;
    if (file && fclose(file)) good = 0;
    if (!good) fail("%s: cannot be written", p->path);
}

/* settled: what the last one has far below all that is shown stays there. One of the same step is copied. */
static inline void panels_add(panel_series *p, itd_model *m, const itd_nll_desc *desc, uint64_t step,
                              int settled)
{
    size_t k = p->count++, cells = p->side * p->side;
    itd_nll_desc d = *desc;
    d.draws = PANELS_DRAWS;
    p->values[k] = (double *)must_alloc(cells, sizeof(double));
    p->step[k] = step;
    if (k && p->step[k - 1] == step) memcpy(p->values[k], p->values[k - 1], cells * sizeof(double));
    else panels_density(m, &d, p->side, k && settled ? p->values[k - 1] : NULL, p->side, p->values[k]);
}

/* Those up to a step, as far as the training, which may have become longer, has them due by then. Panels of
   another grid are of no use. */
static inline void panels_recall(panel_series *p, uint64_t step)
{
    size_t cells = p->side * p->side, side;
    FILE *file = fopen(p->path, "rb");
    while (file && panels_due(p, step)) {
        size_t k = p->count;
        if (fread(&side, sizeof side, 1, file) != 1 || side != p->side ||
            fread(&p->step[k], sizeof *p->step, 1, file) != 1 || p->step[k] > step)
            break;
        p->values[k] = (double *)must_alloc(cells, sizeof(double));
        if (fread(p->values[k], sizeof(double), cells, file) != cells) {
            free(p->values[k]);
            break;
        }
        p->count++;
    }
    if (file) fclose(file);
    for (size_t k = p->count, n = 1; n <= k; n++)
        p->count = n, panels_keep(p); /* without those after the step */
}

static inline void panels_free(panel_series *p)
{
    for (size_t k = 0; k < p->count; k++) free(p->values[k]);
    p->count = 0;
}

#endif
