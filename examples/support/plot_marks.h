/* plot_marks.h: what is drawn inside axes, clipped to their box: lines, points, areas, bars, notes, a legend.
 * See plot.h. */
#ifndef PLOT_MARKS_H
#define PLOT_MARKS_H

#include "plot_axes.h"

static inline void plot_line(const plot_axes *a, const double *x, const double *y, size_t n, plot_color color,
                             double width, double dash)
{
    double phase = 0.0;
    plot_clip(a->canvas, a->box);
    for (size_t i = 1; i < n; i++) {
        phase = plot_dashes(a->canvas, plot_x(a, x[i - 1]), plot_y(a, y[i - 1]), plot_x(a, x[i]),
                            plot_y(a, y[i]), width, dash, phase);
    }
    plot_paint(a->canvas, color);
    plot_clip(a->canvas, plot_canvas_box(a->canvas));
}

/* The points (x[i * stride], y[i * stride]): two columns of a table with `stride` columns. */
static inline void plot_scatter(const plot_axes *a, const float *x, const float *y, size_t n, size_t stride,
                                double radius, plot_color color)
{
    plot_clip(a->canvas, a->box);
    for (size_t i = 0; i < n; i++) {
        plot_disc(a->canvas, plot_x(a, (double)x[i * stride]), plot_y(a, (double)y[i * stride]), radius,
                  color);
    }
    plot_clip(a->canvas, plot_canvas_box(a->canvas));
}

/* Between two curves over the same x, as one quadrilateral for each step. */
static inline void plot_fill_between(const plot_axes *a, const double *x, const double *low,
                                     const double *high, size_t n, plot_color color)
{
    plot_clip(a->canvas, a->box);
    for (size_t i = 1; i < n; i++) {
        double l = plot_x(a, x[i - 1]), r = plot_x(a, x[i]), p = plot_y(a, low[i - 1]), q = plot_y(a, low[i]);
        double s = plot_y(a, high[i]), t = plot_y(a, high[i - 1]);
        if (!isfinite(l + r) || !isfinite(p + q + s + t)) continue;
        plot_area_edge(a->canvas, l, p, r, q);
        plot_area_edge(a->canvas, r, q, r, s);
        plot_area_edge(a->canvas, r, s, l, t);
        plot_area_edge(a->canvas, l, t, l, p);
    }
    plot_area_paint(a->canvas, color);
    plot_clip(a->canvas, plot_canvas_box(a->canvas));
}

/* Counts in equal bins over the x range; the highest bar reaches 0.9 of the box, whatever its y range. */
static inline void plot_histogram(const plot_axes *a, const float *x, size_t n, size_t stride, int bins,
                                  plot_color color)
{
    double count[128] = {0}, max_count = 1.0, height = a->box.bottom - a->box.top;
    bins = bins < 1 ? 1 : bins > 128 ? 128 : bins;
    for (size_t i = 0; i < n; i++) {
        double bin = ((double)x[i * stride] - a->x0) / (a->x1 - a->x0) * bins;
        if (bin >= 0.0 && bin < bins) max_count = fmax(max_count, ++count[(int)bin]);
    }
    plot_clip(a->canvas, a->box);
    for (int k = 0; k < bins; k++) {
        double left = floor(plot_x(a, a->x0 + (a->x1 - a->x0) * k / bins));
        double right = floor(plot_x(a, a->x0 + (a->x1 - a->x0) * (k + 1) / bins));
        plot_rect(a->canvas, left, a->box.bottom - 0.9 * height * count[k] / max_count, right, a->box.bottom,
                  color);
    }
    plot_clip(a->canvas, plot_canvas_box(a->canvas));
}

/* A vertical line over the whole box; its label (or NULL) reads upwards along its top end. */
static inline void plot_mark_x(const plot_axes *a, double x, const char *label, plot_color color,
                               double width, double dash)
{
    double px = plot_x(a, x), size = 0.85 * a->text_size, ends[4] = {px, a->box.bottom, px, a->box.top};
    plot_clip(a->canvas, a->box);
    plot_polyline(a->canvas, ends, 2, width, dash, color);
    if (label) {
        int side = px - a->box.left > 1.5 * size ? PLOT_BASELINE : PLOT_TOP;
        px += side == PLOT_TOP ? 0.5 * size : -0.35 * size;
        plot_text(a->canvas, px, a->box.top + 0.5 * size, label, size, PLOT_RIGHT | PLOT_UPWARDS | side,
                  color);
    }
    plot_clip(a->canvas, plot_canvas_box(a->canvas));
}

/* A horizontal line over the whole box; its label (or NULL) stands on its right end. */
static inline void plot_mark_y(const plot_axes *a, double y, const char *label, plot_color color,
                               double width, double dash)
{
    double py = plot_y(a, y), size = 0.85 * a->text_size, ends[4] = {a->box.left, py, a->box.right, py};
    plot_clip(a->canvas, a->box);
    plot_polyline(a->canvas, ends, 2, width, dash, color);
    if (label)
        plot_text(a->canvas, a->box.right - 0.5 * size, py - 0.4 * size, label, size, PLOT_RIGHT, color);
    plot_clip(a->canvas, plot_canvas_box(a->canvas));
}

/* The box of w by h pixels in a corner of the axes (PLOT_LEFT, PLOT_CENTER or PLOT_RIGHT, with PLOT_TOP,
 * ...). */
static inline plot_box plot_corner(const plot_axes *a, int corner, double w, double h)
{
    plot_box in = plot_inset(a->box, (int)(0.7 * a->text_size), (int)(0.7 * a->text_size),
                             (int)(0.7 * a->text_size), (int)(0.7 * a->text_size));
    double x = corner & PLOT_RIGHT    ? in.right - w
               : corner & PLOT_CENTER ? 0.5 * (in.left + in.right - w)
                                      : in.left;
    double y = corner & PLOT_TOP      ? in.top
               : corner & PLOT_MIDDLE ? 0.5 * (in.top + in.bottom - h)
                                      : in.bottom - h;
    plot_box box = {(int)x, (int)y, (int)(x + w), (int)(y + h)};
    return box;
}

/* A few lines of text, separated by '\n', on a veil of white. */
static inline void plot_note(const plot_axes *a, int corner, const char *text)
{
    double size = 0.95 * a->text_size, width = 0.0;
    char lines[8][128];
    int count = 0;
    for (const char *s = text; *s && count < 8; s += strcspn(s, "\n"), s += *s == '\n') {
        size_t length = strcspn(s, "\n"), kept = length < sizeof *lines ? length : sizeof *lines - 1;
        memcpy(lines[count], s, kept);
        lines[count][kept] = 0;
        width = fmax(width, plot_text_width(lines[count++], size));
    }
    plot_box box = plot_corner(a, corner, width + 0.8 * size, (1.45 * count + 0.35) * size);
    plot_rect(a->canvas, box.left, box.top, box.right, box.bottom, plot_alpha(plot_rgb(0xffffff), 0.8));
    for (int i = 0; i < count; i++) {
        plot_text(a->canvas, box.left + 0.4 * size, box.top + (1.45 * i + 1.25) * size, lines[i], size,
                  PLOT_LEFT, a->ink);
    }
}

typedef struct {
    const char *label;
    plot_color color;
    double width, dash; /* a line; with width 0 a filled patch */
} plot_entry;

static inline void plot_legend(const plot_axes *a, int corner, const plot_entry *entries, int count)
{
    double size = 0.95 * a->text_size, row = 1.5 * size, line = plot_hairline(a), width = 0.0;
    for (int i = 0; i < count; i++) width = fmax(width, plot_text_width(entries[i].label, size));
    plot_box b = plot_corner(a, corner, width + 3.7 * size, count * row + 0.5 * size);
    plot_rect(a->canvas, b.left - line, b.top - line, b.right + line, b.bottom + line, plot_rgb(0xcccccc));
    plot_rect(a->canvas, b.left, b.top, b.right, b.bottom, plot_rgb(0xffffff));
    for (int i = 0; i < count; i++) {
        double y = floor(b.top + 0.25 * size + (i + 0.5) * row) + 0.5, x = b.left + 0.6 * size;
        double ends[4] = {x, y, x + 2.0 * size, y};
        if (entries[i].width > 0.0) {
            plot_polyline(a->canvas, ends, 2, entries[i].width, entries[i].dash, entries[i].color);
        } else {
            plot_rect(a->canvas, x, y - 0.4 * size, x + 2.0 * size, y + 0.4 * size, entries[i].color);
        }
        plot_text(a->canvas, x + 2.6 * size, y, entries[i].label, size, PLOT_MIDDLE, a->ink);
    }
}

#endif
