/* plot_contours.h: a field, values on a grid, as filled contours or contour lines, with a colour bar. See
 * plot.h. */
#ifndef PLOT_CONTOURS_H
#define PLOT_CONTOURS_H

#include "plot_axes.h"

typedef struct {
    const double *values; /* (ny, nx), rows of growing y; the outer values lie on the edges x0, x1, y0, y1 */
    int nx, ny;
    double x0, x1, y0, y1;
} plot_field;

/* What lies below the lowest level: the canvas as it is, or the darkest colour. */
enum { PLOT_BELOW_PAPER = 0, PLOT_BELOW_DARK = 1, PLOT_MAX_LEVELS = 64 };

/* Band k lies above level k; band -1 is what lies below them all. */
static inline plot_color plot_band_color(int k, int count, int below)
{
    return plot_viridis(below == PLOT_BELOW_DARK ? (k + 1.0) / count : count > 1 ? k / (count - 1.0) : 0.5);
}

static inline double plot_field_value(const plot_field *f, int i, int j, double floor_value)
{
    double v = f->values[(size_t)j * (size_t)f->nx + (size_t)i];
    return v > floor_value ? v : floor_value;
}

/* Bilinear value at the centre of a pixel and its slope per pixel; 0 when the pixel is outside the field.
 * Values below floor_value (-inf, NaN) count as that. */
static inline int plot_field_at(const plot_axes *a, const plot_field *f, int px, int py, double floor_value,
                                double *value, double *slope)
{
    double sx = (a->x1 - a->x0) / (a->box.right - a->box.left) * (f->nx - 1) / (f->x1 - f->x0);
    double sy = (a->y1 - a->y0) / (a->box.bottom - a->box.top) * (f->ny - 1) / (f->y1 - f->y0);
    double u = (a->x0 - f->x0) / (f->x1 - f->x0) * (f->nx - 1) + (px + 0.5 - a->box.left) * sx;
    double v = (a->y0 - f->y0) / (f->y1 - f->y0) * (f->ny - 1) + (a->box.bottom - py - 0.5) * sy;
    if (!(u >= 0.0 && u <= f->nx - 1 && v >= 0.0 && v <= f->ny - 1)) return 0;
    int i = plot_floor(u, 0, f->nx - 2), j = plot_floor(v, 0, f->ny - 2);
    double p = plot_field_value(f, i, j, floor_value), q = plot_field_value(f, i + 1, j, floor_value);
    double r = plot_field_value(f, i, j + 1, floor_value), s = plot_field_value(f, i + 1, j + 1, floor_value);
    double fu = u - i, fv = v - j, across = (1.0 - fv) * (q - p) + fv * (s - r),
           along = (1.0 - fu) * (r - p) + fu * (s - q);
    *value = (1.0 - fv) * (p + fu * (q - p)) + fv * (r + fu * (s - r));
    *slope = sqrt(across * sx * across * sx + along * sy * along * sy) + 1e-12;
    return 1;
}

/* The distance to a level is (value - level) / slope pixels: it says how much of a pixel its band or line
 * covers. Of bands, those are left out that a higher one covers altogether, and those that do not reach the
 * pixel. */
static inline void plot_field_paint(const plot_axes *a, const plot_field *f, const double *levels, int count,
                                    const plot_color *colors, double line_width)
{
    if (count < 1 || f->nx < 2 || f->ny < 2) return;
    double value, slope, floor_value = levels[0] - 4.0 * (levels[count - 1] - levels[0] + 1.0);
    plot_box b = plot_clip(a->canvas, a->box);
    for (int y = b.top; y < b.bottom; y++) {
        for (int x = b.left; x < b.right; x++) {
            int k = 0, bands = !(line_width > 0.0);
            if (!plot_field_at(a, f, x, y, floor_value, &value, &slope)) continue;
            while (bands && k + 1 < count && value - levels[k + 1] >= 0.5 * slope) k++;
            for (; k < count && !(bands && value - levels[k] <= -0.5 * slope); k++) {
                double away = (value - levels[k]) / slope, cover = plot_unit(away + 0.5);
                if (!bands) cover = plot_unit(0.5 * line_width + 0.5 - fabs(away));
                if (cover > 0.0) plot_blend(a->canvas, x, y, colors[k], cover);
            }
        }
    }
    plot_clip(a->canvas, plot_canvas_box(a->canvas));
}

/* Filled contours: each band is painted over the ones below it. At most PLOT_MAX_LEVELS levels, in rising
 * order. */
static inline void plot_contourf(const plot_axes *a, const plot_field *f, const double *levels, int count,
                                 int below)
{
    plot_color colors[PLOT_MAX_LEVELS];
    if (count > PLOT_MAX_LEVELS) count = PLOT_MAX_LEVELS;
    for (int k = 0; k < count; k++) colors[k] = plot_band_color(k, count, below);
    if (below == PLOT_BELOW_DARK) {
        plot_rect(a->canvas, plot_x(a, f->x0), plot_y(a, f->y1), plot_x(a, f->x1), plot_y(a, f->y0),
                  plot_band_color(-1, count, below));
    }
    plot_field_paint(a, f, levels, count, colors, 0.0);
}

static inline void plot_contour(const plot_axes *a, const plot_field *f, const double *levels, int count,
                                double width, plot_color color)
{
    plot_color colors[PLOT_MAX_LEVELS];
    if (count > PLOT_MAX_LEVELS) count = PLOT_MAX_LEVELS;
    for (int k = 0; k < count; k++) colors[k] = color;
    plot_field_paint(a, f, levels, count, colors, width);
}

/* The bands from low to high, an arrow for what lies above, and as many labels as fit. */
static inline void plot_colorbar(const plot_axes *a, plot_box box, const double *levels, int count, int below,
                                 const char *label)
{
    plot_canvas *c = a->canvas;
    double size = a->text_size, line = plot_hairline(a), width = box.right - box.left, widest = 0.0;
    int bands = count - 1 + (below == PLOT_BELOW_DARK), first = count - 1 - bands, every = 1;
    if (count < 2) return;
    box.top += (int)(0.9 * width);
    double step = (double)(box.bottom - box.top) / bands;
    double tip[6] = {box.left - line,       box.top,          box.left + 0.5 * width,
                     box.top - 0.9 * width, box.right + line, box.top};
    plot_polygon(c, tip, 3, plot_band_color(count - 1, count, below));
    plot_rect(c, box.left - line, box.top, box.right + line, box.bottom + line, a->ink);
    for (int k = 0; k < bands; k++) {
        double low = floor(box.bottom - k * step + 0.5), high = floor(box.bottom - (k + 1) * step + 0.5);
        plot_rect(c, box.left, high, box.right, low, plot_band_color(first + k, count, below));
    }
    double rim[6] = {box.left - 0.5 * line, box.top, tip[2], tip[3], box.right + 0.5 * line, box.top};
    plot_polyline(c, rim, 3, line, 0, a->ink);
    while (every * step < 1.5 * size && every < count) every++;
    for (int k = 0; k < count; k += every) {
        char text[48];
        double y = floor(box.bottom - (k + bands - count + 1) * step + 0.5);
        plot_number(text, sizeof text, levels[k], every * (levels[1] - levels[0]));
        plot_rect(c, box.right + line, y, box.right + line + floor(0.35 * size), y + line, a->ink);
        plot_text(c, box.right + 0.75 * size, y + 0.5 * line, text, size, PLOT_MIDDLE, a->ink);
        widest = fmax(widest, plot_text_width(text, size));
    }
    if (!label) return;
    plot_text(c, box.right + 1.3 * size + widest, 0.5 * (box.top + box.bottom), label, 1.05 * size,
              PLOT_CENTER | PLOT_TOP | PLOT_UPWARDS, a->ink);
}

#endif
