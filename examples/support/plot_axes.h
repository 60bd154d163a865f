/* plot_axes.h: axes, which turn the numbers of data into pixels, with ticks, numbers and labels around them.
 * See plot.h. */
#ifndef PLOT_AXES_H
#define PLOT_AXES_H

#include "plot_text.h"

/* The box holds the data; frame, ticks and labels are drawn around it. Set what you need between
 * plot_axes_make and the first drawing: labels may stay NULL, x_numbers and y_numbers are 0 for no ticks, 1
 * for ticks, 2 with numbers. */
typedef struct {
    plot_canvas *canvas;
    plot_box box;
    double x0, x1, y0, y1;
    int log_y, x_numbers, y_numbers;
    double text_size; /* all other measures of the decoration follow from it */
    const char *title, *x_label, *y_label;
    plot_color ink;
} plot_axes;

enum { PLOT_MAX_TICKS = 24 };

static inline plot_box plot_inset(plot_box box, int left, int top, int right, int bottom)
{
    plot_box inner = {box.left + left, box.top + top, box.right - right, box.bottom - bottom};
    return inner;
}

/* Cell `index` (row by row) of a table with equal cells and the given gaps in between. */
static inline plot_box plot_cell(plot_box area, int rows, int columns, int index, int gap_x, int gap_y)
{
    int w = area.right - area.left + gap_x, h = area.bottom - area.top + gap_y, i = index % columns,
        j = index / columns;
    plot_box cell = {area.left + w * i / columns, area.top + h * j / rows,
                     area.left + w * (i + 1) / columns - gap_x, area.top + h * (j + 1) / rows - gap_y};
    return cell;
}

static inline plot_axes plot_axes_make(plot_canvas *c, plot_box box, double x0, double x1, double y0,
                                       double y1)
{
    plot_axes a = {c, box, x0, x1, y0, y1, 0, 2, 2, 14.0, NULL, NULL, NULL, plot_rgb(0x262626)};
    return a;
}

/* Far-off data stay finite: no picture is wider than this. */
static inline double plot_bound(double pixel) { return pixel > 1e6 ? 1e6 : pixel < -1e6 ? -1e6 : pixel; }

static inline double plot_x(const plot_axes *a, double x)
{
    return a->box.left + plot_bound((x - a->x0) / (a->x1 - a->x0) * (a->box.right - a->box.left));
}

static inline double plot_y(const plot_axes *a, double y)
{
    double part = (y - a->y0) / (a->y1 - a->y0);
    if (a->log_y) part = log(y < 1e-300 ? 1e-300 : y / a->y0) / log(a->y1 / a->y0);
    return a->box.bottom - plot_bound(part * (a->box.bottom - a->box.top));
}

/* At most max_count multiples of 1, 2 or 5 times a power of ten inside [lo, hi]; returns their number. */
static inline int plot_ticks(double lo, double hi, int max_count, double *at)
{
    static const double steps[4] = {1, 2, 5, 10};
    if (!(hi > lo) || !isfinite(hi - lo)) return 0;
    if (max_count > PLOT_MAX_TICKS) max_count = PLOT_MAX_TICKS;
    if (max_count < 1) max_count = 1;
    double power = pow(10.0, floor(log10((hi - lo) / max_count)));
    for (int k = 0;; k++) {
        double step = steps[k % 3] * power * pow(10.0, k / 3), first = ceil(lo / step - 1e-9);
        double count = floor(hi / step + 1e-9) - first + 1.0;
        if (count > max_count) continue;
        for (int i = 0; i < (int)count; i++) at[i] = fmin(fmax((first + i) * step, lo), hi) + 0.0;
        return (int)count;
    }
}

/* A number with the decimals that a step asks for and a true minus sign; 10^6 and more as a power of ten. */
static inline void plot_number(char *text, size_t size, double value, double step)
{
    char digits[32];
    double magnitude = fabs(value), power = 0.0, decimals;
    if (magnitude >= 1e6 || (magnitude > 0.0 && step < 1e-4)) power = floor(log10(magnitude) + 1e-9);
    decimals = magnitude > 0.0 || step >= 1e-4 ? fmin(fmax(power - floor(log10(step) + 1e-9), 0.0), 12.0)
                                               : 0.0;
    snprintf(digits, sizeof digits, "%.*f", (int)decimals, magnitude / pow(10.0, power));
    const char *sign = value < 0.0 && strspn(digits, "0.") < strlen(digits) ? "\xe2\x88\x92" : "";
    if (power != 0.0)
        snprintf(text, size,
                 "%s%s\xc3\x97"
                 "10^{%.0f}",
                 sign, digits, power);
    else snprintf(text, size, "%s%s", sign, digits);
}

typedef struct {
    int count;
    double at[PLOT_MAX_TICKS];
    char label[PLOT_MAX_TICKS][48];
} plot_scale;

/* 1, 2 and 5 times the powers of ten where they fit, else powers as far apart as needed. */
static inline void plot_scale_log(plot_scale *s, double lo, double hi, int max_count)
{
    static const int steps[3] = {1, 2, 5};
    int first = (int)floor(log10(lo)), last = (int)floor(log10(hi)), apart = 1;
    int fine = 3 * (last - first + 1) <= max_count;
    while ((last - first) / apart + 1 > max_count) apart++;
    for (int i = 0; i <= (last - first) * 3 + 2; i += fine ? 1 : 3 * apart) {
        int power = first + i / 3;
        double value = steps[i % 3] * pow(10.0, power);
        if (value < lo * (1.0 - 1e-9) || value > hi * (1.0 + 1e-9)) continue;
        s->at[s->count] = value;
        char *label = s->label[s->count++];
        if (fine) snprintf(label, sizeof *s->label, "%g", value);
        else snprintf(label, sizeof *s->label, "10^{%s%d}", power < 0 ? "\xe2\x88\x92" : "", abs(power));
    }
}

static inline void plot_scale_linear(plot_scale *s, double lo, double hi, int max_count)
{
    s->count = plot_ticks(lo, hi, max_count, s->at);
    for (int i = 0; i < s->count; i++) {
        double step = s->count > 1 ? s->at[1] - s->at[0] : s->at[0] != 0.0 ? fabs(s->at[0]) : 1.0;
        plot_number(s->label[i], sizeof *s->label, s->at[i], step);
    }
}

static inline plot_scale plot_scale_x(const plot_axes *a)
{
    plot_scale s = {0, {0}, {{0}}};
    int max_count = (int)fmin((a->box.right - a->box.left) / (1.8 * a->text_size), 10.0);
    for (int crowded = 1; crowded && max_count >= 1; max_count--) {
        plot_scale_linear(&s, a->x0, a->x1, max_count);
        crowded = 0;
        for (int i = 1; i < s.count; i++) {
            double need = 0.5 * (plot_text_width(s.label[i - 1], a->text_size) +
                                 plot_text_width(s.label[i], a->text_size));
            if (plot_x(a, s.at[i]) - plot_x(a, s.at[i - 1]) < need + 1.4 * a->text_size) crowded = 1;
        }
    }
    return s;
}

static inline plot_scale plot_scale_y(const plot_axes *a)
{
    plot_scale s = {0, {0}, {{0}}};
    int max_count = (int)fmax(fmin((a->box.bottom - a->box.top) / (2.4 * a->text_size), 10.0), 2.0);
    if (a->log_y && a->y0 > 0.0 && a->y1 > 0.0) plot_scale_log(&s, a->y0, a->y1, max_count);
    if (s.count < 2) plot_scale_linear(&s, a->y0, a->y1, max_count);
    return s;
}

static inline double plot_scale_width(const plot_scale *s, double size)
{
    double widest = 0.0;
    for (int i = 0; i < s->count; i++) widest = fmax(widest, plot_text_width(s->label[i], size));
    return widest;
}

/* Shrinks the box until its decoration fits into what was the box. */
static inline void plot_axes_fit(plot_axes *a)
{
    double size = a->text_size, left = 0.6, bottom = 0.6;
    if (a->y_label) left += 1.6;
    if (a->y_numbers) left += 0.5;
    if (a->x_label) bottom += 1.75;
    if (a->x_numbers) bottom += a->x_numbers > 1 ? 1.6 : 0.5;
    a->box = plot_inset(a->box, 0, (int)(size * (a->title ? 2.4 : 1.0)), (int)(1.4 * size),
                        (int)(bottom * size));
    plot_scale y = plot_scale_y(a);
    if (a->y_numbers > 1) left += 0.3 + plot_scale_width(&y, size) / size;
    a->box.left += (int)(left * size);
}

static inline double plot_hairline(const plot_axes *a) { return fmax(1.0, floor(a->text_size / 13.0)); }

/* Faint lines at the ticks, to be drawn before the data. */
static inline void plot_axes_grid(const plot_axes *a)
{
    plot_scale sx = plot_scale_x(a), sy = plot_scale_y(a);
    double line = plot_hairline(a);
    plot_clip(a->canvas, a->box);
    for (int i = 0; i < sx.count; i++) {
        double x = floor(plot_x(a, sx.at[i]));
        plot_rect(a->canvas, x, a->box.top, x + line, a->box.bottom, plot_rgb(0xe9e9e9));
    }
    for (int i = 0; i < sy.count; i++) {
        double y = floor(plot_y(a, sy.at[i]));
        plot_rect(a->canvas, a->box.left, y, a->box.right, y + line, plot_rgb(0xe9e9e9));
    }
    plot_clip(a->canvas, plot_canvas_box(a->canvas));
}

static inline void plot_axes_ticks(const plot_axes *a)
{
    plot_scale sx = plot_scale_x(a), sy = plot_scale_y(a);
    double line = plot_hairline(a), size = a->text_size, length = floor(0.35 * size);
    for (int i = 0; i < sx.count && a->x_numbers; i++) {
        double x = floor(plot_x(a, sx.at[i]) - 0.5 * line + 0.5), y = a->box.bottom + line;
        plot_rect(a->canvas, x, y, x + line, y + length, a->ink);
        if (a->x_numbers < 2) continue;
        plot_text(a->canvas, x + 0.5 * line, y + 0.75 * size, sx.label[i], size, PLOT_CENTER | PLOT_TOP,
                  a->ink);
    }
    for (int i = 0; i < sy.count && a->y_numbers; i++) {
        double x = a->box.left - line, y = floor(plot_y(a, sy.at[i]) - 0.5 * line + 0.5);
        plot_rect(a->canvas, x - length, y, x, y + line, a->ink);
        if (a->y_numbers < 2) continue;
        plot_text(a->canvas, x - 0.65 * size, y + 0.5 * line, sy.label[i], size, PLOT_RIGHT | PLOT_MIDDLE,
                  a->ink);
    }
}

static inline void plot_axes_draw(const plot_axes *a)
{
    plot_canvas *c = a->canvas;
    plot_box b = a->box;
    double line = plot_hairline(a), size = a->text_size, middle = 0.5 * (b.left + b.right);
    plot_scale sy = plot_scale_y(a);
    double numbers = a->y_numbers > 1 ? plot_scale_width(&sy, size) + 0.3 * size : 0.0;
    plot_clip(c, plot_canvas_box(c));
    plot_rect(c, b.left - line, b.top - line, b.right + line, b.top, a->ink);
    plot_rect(c, b.left - line, b.bottom, b.right + line, b.bottom + line, a->ink);
    plot_rect(c, b.left - line, b.top, b.left, b.bottom, a->ink);
    plot_rect(c, b.right, b.top, b.right + line, b.bottom, a->ink);
    plot_axes_ticks(a);
    if (a->title) plot_text(c, middle, b.top - 0.75 * size, a->title, 1.15 * size, PLOT_CENTER, a->ink);
    if (a->x_label) {
        double y = b.bottom + (a->x_numbers > 1 ? 2.15 : 0.8) * size;
        plot_text(c, middle, y, a->x_label, 1.05 * size, PLOT_CENTER | PLOT_TOP, a->ink);
    }
    if (a->y_label) {
        double x = b.left - numbers - (a->y_numbers ? 1.0 : 0.5) * size;
        plot_text(c, x, 0.5 * (b.top + b.bottom), a->y_label, 1.05 * size, PLOT_CENTER | PLOT_UPWARDS,
                  a->ink);
    }
}

#endif
