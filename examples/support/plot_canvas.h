/* plot_canvas.h: colours, a canvas of float pixels, and anti-aliased shapes on it.
 *
 * A shape is drawn in two steps: its parts leave their coverage in `cover`, where the largest value wins, so
 * that overlapping parts count once; plot_paint then blends one colour through it. The pixels stay float:
 * faint dots may add up. See plot.h. */
#ifndef PLOT_CANVAS_H
#define PLOT_CANVAS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- colour ---- */

typedef struct {
    double r, g, b, a; /* 0..1, a = opacity */
} plot_color;

static inline plot_color plot_rgb(unsigned hex)
{
    plot_color color = {(hex >> 16 & 255) / 255.0, (hex >> 8 & 255) / 255.0, (hex & 255) / 255.0, 1.0};
    return color;
}

static inline plot_color plot_alpha(plot_color color, double alpha)
{
    color.a *= alpha;
    return color;
}

static inline plot_color plot_mix(plot_color p, plot_color q, double t)
{
    plot_color color = {p.r + t * (q.r - p.r), p.g + t * (q.g - p.g), p.b + t * (q.b - p.b),
                        p.a + t * (q.a - p.a)};
    return color;
}

/* The line colours: blue, vermilion, green, violet, ochre, grey. */
static inline plot_color plot_palette(int k)
{
    static const unsigned colors[6] = {0x2166ac, 0xd6542b, 0x2c8c5a, 0x7b4ea3, 0xb8860b, 0x6b6b6b};
    return plot_rgb(colors[((k % 6) + 6) % 6]);
}

/* Viridis, by nine equidistant values of the published map and lines between them. */
static inline plot_color plot_viridis(double t)
{
    static const unsigned knots[9] = {0x440154, 0x472d7b, 0x3b528b, 0x2c728e, 0x21918c,
                                      0x28ae80, 0x5ec962, 0xaddc30, 0xfde725};
    double place = (t > 0.0 ? (t < 1.0 ? t : 1.0) : 0.0) * 8.0;
    int k = place < 7.0 ? (int)place : 7;
    return plot_mix(plot_rgb(knots[k]), plot_rgb(knots[k + 1]), place - k);
}

/* ---- canvas ---- */

typedef struct {
    int left, top, right, bottom; /* pixels; right and bottom lie just outside */
} plot_box;

/* A shape is drawn in two steps: its parts leave their coverage in `cover`, the largest wins, so that
 * overlapping parts count once; plot_paint then blends one colour through it. Colours stay float: faint dots
 * may add up. */
typedef struct {
    int width, height;
    float *rgb;     /* (height, width, 3) */
    float *cover;   /* (height, width), 0 between shapes */
    plot_box clip;  /* nothing is drawn outside */
    plot_box dirty; /* where cover may be non-zero */
} plot_canvas;

enum { PLOT_LARGEST_SIDE = 30000 };

/* Fails above SIZE_MAX / 2: no object is that large. */
static inline int plot_product(size_t a, size_t b, size_t *product)
{
    if (b && a > SIZE_MAX / 2 / b) return 1;
    *product = a * b;
    return 0;
}

static inline void *plot_alloc(size_t count, size_t size)
{
    size_t bytes;
    return plot_product(count, size, &bytes) || !bytes ? NULL : malloc(bytes);
}

static inline plot_box plot_canvas_box(const plot_canvas *c)
{
    plot_box box = {0, 0, c->width, c->height};
    return box;
}

/* Returns the part of the box on the canvas. */
static inline plot_box plot_clip(plot_canvas *c, plot_box box)
{
    c->clip.left = box.left > 0 ? box.left : 0;
    c->clip.top = box.top > 0 ? box.top : 0;
    c->clip.right = box.right < c->width ? box.right : c->width;
    c->clip.bottom = box.bottom < c->height ? box.bottom : c->height;
    return c->clip;
}

static inline void plot_clean(plot_canvas *c)
{
    plot_box none = {c->width, c->height, 0, 0};
    c->dirty = none;
}

static inline void plot_canvas_free(plot_canvas *c)
{
    free(c->rgb);
    free(c->cover);
    memset(c, 0, sizeof *c);
}

static inline int plot_canvas_init(plot_canvas *c, int width, int height, plot_color background)
{
    size_t pixels;
    memset(c, 0, sizeof *c);
    if (width < 1 || height < 1 || width > PLOT_LARGEST_SIDE || height > PLOT_LARGEST_SIDE) return 1;
    if (plot_product((size_t)width, (size_t)height, &pixels)) return 1;
    c->rgb = plot_alloc(pixels, 3 * sizeof *c->rgb);
    c->cover = plot_alloc(pixels, sizeof *c->cover);
    if (!c->rgb || !c->cover) {
        plot_canvas_free(c);
        return 1;
    }
    c->width = width, c->height = height;
    for (size_t i = 0; i < pixels; i++) {
        c->rgb[3 * i] = (float)background.r;
        c->rgb[3 * i + 1] = (float)background.g;
        c->rgb[3 * i + 2] = (float)background.b;
        c->cover[i] = 0.0f;
    }
    plot_clip(c, plot_canvas_box(c));
    plot_clean(c);
    return 0;
}

/* Makes it look like another canvas of its size. */
static inline void plot_canvas_copy(plot_canvas *c, const plot_canvas *from)
{
    memcpy(c->rgb, from->rgb, 3 * sizeof *c->rgb * (size_t)c->width * (size_t)c->height);
}

static inline size_t plot_at(const plot_canvas *c, int x, int y)
{
    return (size_t)y * (size_t)c->width + (size_t)x;
}

/* The pixel must lie on the canvas. */
static inline void plot_blend(plot_canvas *c, int x, int y, plot_color color, double cover)
{
    float *p = c->rgb + 3 * plot_at(c, x, y), t = (float)(color.a * cover);
    p[0] += t * ((float)color.r - p[0]);
    p[1] += t * ((float)color.g - p[1]);
    p[2] += t * ((float)color.b - p[2]);
}

static inline void plot_touch(plot_canvas *c, int left, int top, int right, int bottom)
{
    if (left < c->dirty.left) c->dirty.left = left;
    if (top < c->dirty.top) c->dirty.top = top;
    if (right > c->dirty.right) c->dirty.right = right;
    if (bottom > c->dirty.bottom) c->dirty.bottom = bottom;
}

static inline void plot_paint(plot_canvas *c, plot_color color)
{
    for (int y = c->dirty.top; y < c->dirty.bottom; y++) {
        for (int x = c->dirty.left; x < c->dirty.right; x++) {
            float *cover = c->cover + plot_at(c, x, y);
            if (*cover > 0.0f) plot_blend(c, x, y, color, (double)*cover);
            *cover = 0.0f;
        }
    }
    plot_clean(c);
}

/* ---- shapes ---- */

static inline double plot_unit(double v) { return v > 0.0 ? (v < 1.0 ? v : 1.0) : 0.0; }

/* floor(v) held in [lo, hi]: how a real coordinate becomes a pixel index without overflow. */
static inline int plot_floor(double v, int lo, int hi) { return v > lo ? (v < hi ? (int)floor(v) : hi) : lo; }

static inline double plot_overlap(double a0, double a1, int pixel)
{
    return plot_unit((a1 < pixel + 1 ? a1 : pixel + 1) - (a0 > pixel ? a0 : pixel));
}

static inline void plot_rect(plot_canvas *c, double x0, double y0, double x1, double y1, plot_color color)
{
    int left = plot_floor(x0, c->clip.left, c->clip.right), right = plot_floor(ceil(x1), left, c->clip.right);
    int top = plot_floor(y0, c->clip.top, c->clip.bottom), bottom = plot_floor(ceil(y1), top, c->clip.bottom);
    for (int y = top; y < bottom; y++) {
        for (int x = left; x < right; x++) {
            plot_blend(c, x, y, color, plot_overlap(x0, x1, x) * plot_overlap(y0, y1, y));
        }
    }
}

/* Coverage falls from 1 to 0 over the pixel that the rim crosses; a disc smaller than a pixel just fades. */
static inline void plot_disc(plot_canvas *c, double cx, double cy, double radius, plot_color color)
{
    double size = radius > 0.5 ? radius : 0.5, strength = radius / size * (radius / size), reach = size + 0.5;
    if (!(fabs(cx) < 1e9 && fabs(cy) < 1e9 && radius > 0.0)) return;
    int left = plot_floor(cx - reach, c->clip.left, c->clip.right);
    int right = plot_floor(cx + reach + 1.0, left, c->clip.right);
    int top = plot_floor(cy - reach, c->clip.top, c->clip.bottom);
    int bottom = plot_floor(cy + reach + 1.0, top, c->clip.bottom);
    for (int y = top; y < bottom; y++) {
        for (int x = left; x < right; x++) {
            double dx = x + 0.5 - cx, dy = y + 0.5 - cy;
            plot_blend(c, x, y, color, strength * plot_unit(reach - sqrt(dx * dx + dy * dy)));
        }
    }
}

/* A stroke is all points within width / 2 of a segment, so ends and joints come out round. Each row of pixels
 * needs only the columns near the part of the segment that crosses it. */
static inline void plot_stroke(plot_canvas *c, double x0, double y0, double x1, double y1, double width)
{
    double strength = width < 1.0 ? width : 1.0, reach = 0.5 * (width > 1.0 ? width : 1.0) + 0.5;
    double dx = x1 - x0, dy = y1 - y0, square = dx * dx + dy * dy;
    if (!isfinite(square) || !isfinite(x0 + y0)) return;
    int top = plot_floor(fmin(y0, y1) - reach, c->clip.top, c->clip.bottom);
    int bottom = plot_floor(fmax(y0, y1) + reach + 1.0, top, c->clip.bottom);
    for (int y = top; y < bottom; y++) {
        double from = 0.0, to = 1.0;
        if (fabs(dy) > 1e-9) {
            from = plot_unit((y + 0.5 - y0 - (dy > 0.0 ? reach : -reach)) / dy);
            to = plot_unit((y + 0.5 - y0 + (dy > 0.0 ? reach : -reach)) / dy);
        }
        double enter = x0 + from * dx, leave = x0 + to * dx;
        int left = plot_floor(fmin(enter, leave) - reach, c->clip.left, c->clip.right);
        int right = plot_floor(fmax(enter, leave) + reach + 1.0, left, c->clip.right);
        for (int x = left; x < right; x++) {
            double px = x + 0.5 - x0, py = y + 0.5 - y0;
            double t = square > 0.0 ? plot_unit((px * dx + py * dy) / square) : 0.0;
            double ex = px - t * dx, ey = py - t * dy;
            float cover = (float)(strength * plot_unit(reach - sqrt(ex * ex + ey * ey)));
            float *old = c->cover + plot_at(c, x, y);
            if (cover > *old) *old = cover;
        }
        if (left < right) plot_touch(c, left, y, right, y + 1);
    }
}

/* As plot_stroke, in dashes of the given length with equal gaps (0: solid). Returns the phase for the next
 * segment. */
static inline double plot_dashes(plot_canvas *c, double x0, double y0, double x1, double y1, double width,
                                 double dash, double phase)
{
    double length = hypot(x1 - x0, y1 - y0), period = 2.0 * dash, s = -phase;
    if (!(dash > 0.0)) plot_stroke(c, x0, y0, x1, y1, width);
    if (!(dash > 0.0) || !(length > 0.0) || !(length < 1e7)) return phase;
    for (; s < length; s += period) {
        double a = fmax(s, 0.0) / length, b = fmin(s + dash, length) / length;
        if (b > a)
            plot_stroke(c, x0 + a * (x1 - x0), y0 + a * (y1 - y0), x0 + b * (x1 - x0), y0 + b * (y1 - y0),
                        width);
    }
    return length - (s - period);
}

/* Points are (x, y) pairs; a segment with a NaN is left out. */
static inline void plot_polyline(plot_canvas *c, const double *xy, size_t n, double width, double dash,
                                 plot_color color)
{
    double phase = 0.0;
    for (size_t i = 1; i < n; i++) {
        const double *p = xy + 2 * (i - 1);
        phase = plot_dashes(c, p[0], p[1], p[2], p[3], width, dash, phase);
    }
    plot_paint(c, color);
}

/* One edge of a filled area: on 8 lines per pixel row it adds its sign to everything on its right, with the
 * exact fraction of the pixel it crosses. Summed along the row over a closed outline it is the coverage. */
static inline void plot_area_edge(plot_canvas *c, double x0, double y0, double x1, double y1)
{
    double sign = y0 < y1 ? 0.125 : -0.125, high = fmin(y0, y1), low = fmax(y0, y1);
    int last = plot_floor(8.0 * low + 0.5, 8 * c->clip.top, 8 * c->clip.bottom);
    for (int line = plot_floor(8.0 * high + 0.5, 8 * c->clip.top, 8 * c->clip.bottom); line < last; line++) {
        double x = x0 + ((line + 0.5) / 8.0 - y0) / (y1 - y0) * (x1 - x0);
        int column = plot_floor(x, c->clip.left, c->clip.right);
        if (column == c->clip.right) continue;
        double part = plot_unit(x - column);
        float *cover = c->cover + plot_at(c, column, line / 8);
        cover[0] += (float)(sign * (1.0 - part));
        if (column + 1 < c->clip.right) cover[1] += (float)(sign * part);
        plot_touch(c, column, line / 8, c->clip.right, line / 8 + 1);
    }
}

static inline void plot_area_paint(plot_canvas *c, plot_color color)
{
    for (int y = c->dirty.top; y < c->dirty.bottom; y++) {
        float sum = 0.0f;
        for (int x = c->dirty.left; x < c->dirty.right; x++) {
            float *cover = c->cover + plot_at(c, x, y);
            sum += *cover;
            *cover = fabsf(sum) < 1e-4f ? 0.0f : fminf(fabsf(sum), 1.0f);
        }
    }
    plot_paint(c, color);
}

static inline void plot_polygon(plot_canvas *c, const double *xy, size_t n, plot_color color)
{
    for (size_t i = 0; i < n; i++) {
        const double *p = xy + 2 * i, *q = xy + 2 * ((i + 1) % n);
        plot_area_edge(c, p[0], p[1], q[0], q[1]);
    }
    plot_area_paint(c, color);
}

/* 8-bit pixels of 1, 3 or 4 channels, each drawn as a square of `scale` pixels. */
static inline void plot_image(plot_canvas *c, int left, int top, const unsigned char *pixels, int w, int h,
                              int channels, int scale)
{
    if (scale < 1) return;
    for (int y = top > c->clip.top ? top : c->clip.top; y < c->clip.bottom && (y - top) / scale < h; y++) {
        for (int x = left > c->clip.left ? left : c->clip.left; x < c->clip.right && (x - left) / scale < w;
             x++) {
            size_t i = (size_t)((y - top) / scale) * (size_t)w + (size_t)((x - left) / scale);
            const unsigned char *p = pixels + i * (size_t)channels;
            int g = channels < 3 ? 0 : 1, b = channels < 3 ? 0 : 2;
            plot_color color = {p[0] / 255.0, p[g] / 255.0, p[b] / 255.0, channels == 4 ? p[3] / 255.0 : 1.0};
            plot_blend(c, x, y, color, 1.0);
        }
    }
}

#endif
