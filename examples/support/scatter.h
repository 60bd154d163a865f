/* scatter.h: pictures of rows and of their density: a curve over a histogram in one dimension, contours
 * below points in two, pairs of columns in more.
 *
 *     scatter_view v = {0};
 *     v.frame = &frame, v.dim = dim, v.x = x, v.n = n, v.samples = samples, v.m = m, v.what = "rows";
 *     scatter_find_axes(&v);
 *     scatter_draw_samples(&canvas, &v, model);
 *
 * Rows are the floats that the model knows; axes show them in the units of the table, its offset added,
 * or, if that is so large that a float could not tell rows apart, behind a minus in the name of the
 * column. Include the implementation of itdiff.h before this file. */
#ifndef SCATTER_H
#define SCATTER_H

#include "blur.h"
#include "charts.h"
#include "frame.h"

enum {
    SCATTER_MOST = 6,
    SCATTER_SHOWN = 1500,
    SCATTER_LINE = 240,
    SCATTER_SIDE = 90,
    SCATTER_DRAWS = 400000
};
enum { SCATTER_LEVELS = 9, SCATTER_NAME = 60 };

typedef struct scatter_axis {
    double low, high; /* what is shown, in the units of the axis */
    double shift;     /* axis = float + shift */
    char name[SCATTER_NAME];
} scatter_axis;

/* What the pictures are of. */
typedef struct scatter_view {
    const data_frame *frame;
    size_t dim, n, m;
    const float *x, *samples; /* (n,dim), (m,dim) */
    const char *what;         /* "training rows" */
    scatter_axis axis[SCATTER_MOST];
    uint64_t seed;
} scatter_view;

/* ---- axes ---- */

static inline int scatter_by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* All rows, but those that are more than five times the width of the middle half outside of it. */
static inline void scatter_find_range(const scatter_view *v, size_t j, double *low, double *high)
{
    float *sorted = (float *)must_alloc(v->n, sizeof *sorted);
    double width, margin;
    for (size_t i = 0; i < v->n; i++) sorted[i] = v->x[i * v->dim + j];
    qsort(sorted, v->n, sizeof *sorted, scatter_by_size);
    width = (double)sorted[v->n * 3 / 4] - (double)sorted[v->n / 4];
    *low = (double)sorted[0], *high = (double)sorted[v->n - 1];
    if (width > 0) *low = fmax(*low, (double)sorted[v->n / 4] - 5 * width);
    if (width > 0) *high = fmin(*high, (double)sorted[v->n * 3 / 4] + 5 * width);
    margin = *high > *low ? 0.08 * (*high - *low) : fmax(1, fabs(*low));
    *low -= margin, *high += margin;
    free(sorted);
}

static inline void scatter_find_axis(scatter_view *v, size_t j)
{
    scatter_axis *a = &v->axis[j];
    double offset = v->frame->offset[j];
    char quote[TEXT_QUOTE];
    const char *name = v->frame->names ? v->frame->names[j] : NULL;
    if (name && *name) text_quote(name, strlen(name), quote);
    else snprintf(quote, sizeof quote, "column %lu", (unsigned long)v->frame->source[j]);
    scatter_find_range(v, j, &a->low, &a->high);
    a->shift = fabs(offset) > 1e3 * (a->high - a->low) ? 0 : offset;
    a->low += a->shift, a->high += a->shift;
    if (offset > a->shift || offset < a->shift)
        snprintf(a->name, sizeof a->name, "%.35s %s %.12g", quote, offset > 0 ? "\xe2\x88\x92" : "+",
                 fabs(offset));
    else snprintf(a->name, sizeof a->name, "%s", quote);
}

/* After the other fields of the view are set. */
static inline void scatter_find_axes(scatter_view *v)
{
    for (size_t j = 0; j < v->dim && j < SCATTER_MOST; j++) scatter_find_axis(v, j);
}

/* Column j of the first rows in the units of its axis, which the caller frees. */
static inline float *scatter_column(const scatter_view *v, const float *x, size_t n, size_t j)
{
    float *column = (float *)must_alloc(n, sizeof *column);
    for (size_t i = 0; i < n; i++) column[i] = (float)((double)x[i * v->dim + j] + v->axis[j].shift);
    return column;
}

static inline void scatter_points(const scatter_view *v, const plot_axes *a, const float *x, size_t n,
                                  size_t column, size_t row, double radius, plot_color color)
{
    float *across, *up;
    if (n > SCATTER_SHOWN) n = SCATTER_SHOWN;
    across = scatter_column(v, x, n, column), up = scatter_column(v, x, n, row);
    plot_scatter(a, across, up, n, 1, radius, color);
    free(across), free(up);
}

/* ---- the density of the model ---- */

/* log p at points, for a picture. sigma: of its blur, in the model's own coordinates. */
static inline void scatter_log_density(const scatter_view *v, itd_model *m, const float *x, size_t n,
                                       double sigma, double *log_density)
{
    itd_nll_desc d = itd_model_nll_desc(m);
    d.draws = SCATTER_DRAWS / n + 1, d.seed = v->seed;
    blurred_nll(m, sigma, &d, x, n, log_density);
    for (size_t i = 0; i < n; i++) log_density[i] = -log_density[i];
}

/* 0.4 of the width of a cell, where `cells` of them show the column. */
static inline double scatter_blur(const scatter_view *v, const itd_model *m, size_t j, size_t cells)
{
    return 0.4 * (v->axis[j].high - v->axis[j].low) / (double)cells / m->scale[j];
}

/* ---- one column ---- */

/* A histogram as a density: heights[k] of equal bins over the axis. Returns the largest. */
static inline double scatter_heights(const scatter_view *v, const float *x, size_t n, size_t bins,
                                     double *heights)
{
    double width = (v->axis[0].high - v->axis[0].low) / (double)bins, highest = 0;
    for (size_t k = 0; k < bins; k++) heights[k] = 0;
    for (size_t i = 0; i < n; i++) {
        double bin = ((double)x[i] + v->axis[0].shift - v->axis[0].low) / width;
        if (bin >= 0 && bin < (double)bins) heights[(size_t)bin] += 1 / ((double)n * width);
    }
    for (size_t k = 0; k < bins; k++) highest = fmax(highest, heights[k]);
    return highest;
}

static inline void scatter_bars(const plot_axes *a, const double *heights, size_t bins, plot_color color)
{
    for (size_t k = 0; k < bins; k++)
        plot_rect(a->canvas, floor(plot_x(a, a->x0 + (a->x1 - a->x0) * (double)k / (double)bins)),
                  plot_y(a, heights[k]),
                  floor(plot_x(a, a->x0 + (a->x1 - a->x0) * (double)(k + 1) / (double)bins)), a->box.bottom,
                  color);
}

static inline void scatter_steps(const plot_axes *a, const double *heights, size_t bins, plot_color color)
{
    double x[130], y[130];
    size_t n = 0;
    for (size_t k = 0; k < bins && n + 2 <= 130; k++) {
        x[n] = a->x0 + (a->x1 - a->x0) * (double)k / (double)bins, y[n++] = heights[k];
        x[n] = a->x0 + (a->x1 - a->x0) * (double)(k + 1) / (double)bins, y[n++] = heights[k];
    }
    plot_line(a, x, y, n, color, 1.8, 0);
}

static inline double scatter_curve(const scatter_view *v, itd_model *m, double *x, double *density)
{
    float points[SCATTER_LINE];
    double highest = 0;
    for (size_t k = 0; k < SCATTER_LINE; k++) {
        x[k] = v->axis[0].low + (v->axis[0].high - v->axis[0].low) * (double)k / (SCATTER_LINE - 1);
        points[k] = (float)(x[k] - v->axis[0].shift);
    }
    scatter_log_density(v, m, points, SCATTER_LINE, scatter_blur(v, m, 0, SCATTER_LINE), density);
    for (size_t k = 0; k < SCATTER_LINE; k++) highest = fmax(highest, density[k] = exp(density[k]));
    return highest;
}

static inline void scatter_draw_line(plot_canvas *c, const scatter_view *v, itd_model *m)
{
    enum { MAX_BINS = 60 };
    double x[SCATTER_LINE], density[SCATTER_LINE], data[MAX_BINS], drawn[MAX_BINS], highest;
    size_t bins = (size_t)fmin(MAX_BINS, 8 + 2 * cbrt((double)v->n) + 0.5);
    plot_axes a;
    plot_entry entries[3] = {{v->what, plot_palette(5), 0, 0},
                             {"density of the model", plot_palette(0), 2.4, 0},
                             {"samples of the model", plot_palette(1), 1.8, 0}};
    entries[0].color = plot_alpha(plot_palette(5), 0.35);
    highest = fmax(scatter_curve(v, m, x, density), scatter_heights(v, v->x, v->n, bins, data));
    highest = fmax(highest, v->m ? scatter_heights(v, v->samples, v->m, bins, drawn) : 0);
    picture_begin(c, 900, 560);
    a = plot_axes_make(c, plot_canvas_box(c), v->axis[0].low, v->axis[0].high, 0, 1.08 * highest);
    a.text_size = 16, a.x_label = v->axis[0].name, a.y_label = "density", a.title = "density";
    plot_axes_fit(&a);
    plot_axes_grid(&a);
    scatter_bars(&a, data, bins, entries[0].color);
    if (v->m) scatter_steps(&a, drawn, bins, plot_palette(1));
    plot_line(&a, x, density, SCATTER_LINE, plot_palette(0), 2.4, 0);
    plot_axes_draw(&a);
    plot_legend(&a, PLOT_RIGHT | PLOT_TOP, entries, v->m ? 3 : 2);
}

/* ---- two columns ---- */

/* Levels of half a nat below the highest one that the density reaches. */
static inline void scatter_levels(const double *values, size_t n, double levels[SCATTER_LEVELS])
{
    double top = -HUGE_VAL;
    for (size_t i = 0; i < n; i++) top = fmax(top, values[i]);
    top = fabs(top) <= DBL_MAX ? floor(2 * top) / 2 : 0;
    for (size_t k = 0; k < SCATTER_LEVELS; k++) levels[k] = top - 0.5 * (double)(SCATTER_LEVELS - 1 - k);
}

static inline void scatter_grid(const scatter_view *v, itd_model *m, double *values)
{
    float *x = (float *)must_alloc(SCATTER_SIDE * SCATTER_SIDE, 2 * sizeof *x);
    double sigma = fmin(scatter_blur(v, m, 0, SCATTER_SIDE), scatter_blur(v, m, 1, SCATTER_SIDE));
    for (size_t i = 0; i < SCATTER_SIDE * SCATTER_SIDE; i++)
        for (size_t j = 0; j < 2; j++) {
            double u = (double)(j ? i / SCATTER_SIDE : i % SCATTER_SIDE) / (SCATTER_SIDE - 1);
            const scatter_axis *a = &v->axis[j];
            x[2 * i + j] = (float)(a->low + (a->high - a->low) * u - a->shift);
        }
    scatter_log_density(v, m, x, SCATTER_SIDE * SCATTER_SIDE, sigma, values);
    free(x);
}

static inline void scatter_draw_plane(plot_canvas *c, const scatter_view *v, itd_model *m)
{
    double *values = (double *)must_alloc(SCATTER_SIDE * SCATTER_SIDE, sizeof *values);
    double levels[SCATTER_LEVELS];
    const scatter_axis *across = &v->axis[0], *up = &v->axis[1];
    plot_field f = {values, SCATTER_SIDE, SCATTER_SIDE, across->low, across->high, up->low, up->high};
    plot_box bar;
    plot_axes a;
    char title[100];
    scatter_grid(v, m, values);
    scatter_levels(values, SCATTER_SIDE * SCATTER_SIDE, levels);
    picture_begin(c, 940, 820);
    a = plot_axes_make(c, plot_inset(plot_canvas_box(c), 0, 0, 110, 0), across->low, across->high, up->low,
                       up->high);
    snprintf(title, sizeof title, "density of the model, and %s", v->what);
    a.text_size = 16, a.title = title, a.x_label = across->name, a.y_label = up->name;
    plot_axes_fit(&a);
    bar.left = a.box.right + 20, bar.right = a.box.right + 38, bar.top = a.box.top, bar.bottom = a.box.bottom;
    plot_contourf(&a, &f, levels, SCATTER_LEVELS, PLOT_BELOW_PAPER);
    scatter_points(v, &a, v->x, v->n, 0, 1, 1.4, plot_alpha(plot_rgb(0), 0.35));
    plot_axes_draw(&a);
    plot_colorbar(&a, bar, levels, SCATTER_LEVELS, PLOT_BELOW_PAPER, "log density, nats");
    free(values);
}

/* The rows beside the samples. */
static inline void scatter_draw_two(plot_canvas *c, const scatter_view *v)
{
    picture_begin(c, 1240, 640);
    for (int k = 0; k < 2; k++) {
        plot_axes a = plot_axes_make(c, plot_cell(plot_canvas_box(c), 1, 2, k, 10, 0), v->axis[0].low,
                                     v->axis[0].high, v->axis[1].low, v->axis[1].high);
        a.title = k ? "samples of the model" : v->what;
        a.x_label = v->axis[0].name, a.y_label = v->axis[1].name;
        plot_axes_fit(&a);
        scatter_points(v, &a, k ? v->samples : v->x, k ? v->m : v->n, 0, 1, 1.4,
                       plot_alpha(plot_palette(k), 0.5));
        plot_axes_draw(&a);
    }
}

/* ---- more columns ---- */

/* One cell of the matrix: a histogram of both on the diagonal, rows below it, samples above. */
static inline void scatter_draw_pair(plot_canvas *c, const scatter_view *v, plot_box box, size_t d,
                                     size_t row, size_t column)
{
    int model = row < column;
    plot_axes a = plot_axes_make(c, box, v->axis[column].low, v->axis[column].high, v->axis[row].low,
                                 v->axis[row].high);
    a.x_numbers = row + 1 == d ? 2 : 0, a.y_numbers = column == 0 && row > 0 ? 2 : 0;
    if (row + 1 == d) a.x_label = v->axis[column].name;
    if (column == 0) a.y_label = v->axis[row].name;
    a.text_size = 13;
    if (row == column) {
        float *rows = scatter_column(v, v->x, v->n, row), *drawn = scatter_column(v, v->samples, v->m, row);
        plot_histogram(&a, rows, v->n, 1, 30, plot_alpha(plot_palette(0), 0.6));
        plot_histogram(&a, drawn, v->m, 1, 30, plot_alpha(plot_palette(1), 0.45));
        free(rows), free(drawn);
    } else {
        scatter_points(v, &a, model ? v->samples : v->x, model ? v->m : v->n, column, row, 1.2,
                       plot_alpha(plot_palette(model), 0.4));
    }
    plot_axes_draw(&a);
}

/* Data below the diagonal, samples above, of the first columns. */
static inline void scatter_draw_pairs(plot_canvas *c, const scatter_view *v)
{
    size_t d = v->dim < SCATTER_MOST ? v->dim : SCATTER_MOST;
    int cell = d < 4 ? 230 : 180;
    char title[160], which[60] = "";
    picture_begin(c, cell * (int)d + 110, cell * (int)d + 120);
    if (v->dim > d)
        snprintf(which, sizeof which, ", first %lu of %lu columns", (unsigned long)d, (unsigned long)v->dim);
    snprintf(title, sizeof title, "%s (blue, below) and samples of the model (red, above)%s", v->what, which);
    plot_text(c, 12, 20, title, 15, PLOT_LEFT | PLOT_MIDDLE, plot_rgb(0x262626));
    for (size_t k = 0; k < d * d; k++)
        scatter_draw_pair(
            c, v, plot_cell(plot_inset(plot_canvas_box(c), 84, 42, 20, 64), (int)d, (int)d, (int)k, 10, 10),
            d, k / d, k % d);
}

/* Rows and samples, whatever their number of columns. */
static inline void scatter_draw_samples(plot_canvas *c, const scatter_view *v, itd_model *m)
{
    if (v->dim == 1) scatter_draw_line(c, v, m);
    else if (v->dim == 2) scatter_draw_two(c, v);
    else scatter_draw_pairs(c, v);
}

#endif
