/* plot.h: pictures for the example programs, from the first anti-aliased pixel to the PNG file, with libc and
 * libm only.
 *
 *     plot_canvas c;
 *     if (plot_canvas_init(&c, 800, 600, plot_rgb(0xffffff))) return 1;
 *     plot_axes a = plot_axes_make(&c, plot_canvas_box(&c), 0, 10, -1, 1);
 *     a.title = "a curve", a.x_label = "x", a.y_label = "sin x";
 *     plot_axes_fit(&a);                                          room for ticks, labels and title
 *     plot_line(&a, x, y, n, plot_palette(0), 2, 0);
 *     plot_axes_draw(&a);                                         frame, ticks and labels, over the data
 *     if (plot_canvas_write(&c, "curve.png")) return 1;
 *     plot_canvas_free(&c);
 *
 * Chapters: colour, canvas, shapes, text, axes, marks, fields, and PNG (bytes, deflate, file).
 * Lengths are pixels, y grows downwards on the canvas and upwards in the data. A function that can fail
 * returns 0 when it is done and 1 when it failed; nothing here exits or prints. Text is UTF-8, with x^{2} and
 * x_{i} for scripts. */
#ifndef PLOT_H
#define PLOT_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- colour ------------------------------------------------------------------------------------------ */

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

/* ---- canvas ------------------------------------------------------------------------------------------ */

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

/* ---- shapes ------------------------------------------------------------------------------------------ */

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
 * only looks at the columns near the part of the segment that passes it. */
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

/* ---- text -------------------------------------------------------------------------------------------- */

/* The letters are strokes on a grid where capitals are 14 and small letters 10 units high. A glyph is its
 * advance
 * ('a' = 0) and its strokes, separated by spaces. A point is a letter for x ('a' = 0) and one for y ('a' =
 * -4). With a capital x it is not on the stroke but pulls it: the control point of a quadratic curve; between
 * two such points the stroke passes their midpoint. */
static inline const char *plot_glyph(unsigned code)
{
    static const char *const ascii[95] = {
        "f",
        "ecsci ce",
        "hcsco fsfo",
        "ndefs ieks cnmn bjlj",
        "mkpKsgsCsCmglKkKegeCech gugc",
        "rcpCsHsHmCmcp khKkPkPeKekh eens",
        "omefnDqEsgsJsJofmCkCegeKemk",
        "ecsco",
        "gfuCpCffa",
        "gbuEpEfba",
        "iesel bqhn bnhq",
        "mckkk gggo",
        "ecebb",
        "icjgj",
        "ece",
        "ibcht",
        "mclCsKsKeCecl",
        "mdphshe",
        "mcpCsKsKmgiceke",
        "mcpCsJsJmfmKmKeCech",
        "mieisbili",
        "mjsdsclEngnKnKeCech",
        "mjqIsgsCscjCeKeKnCncj",
        "mcsksfe",
        "mgmDmDsJsJmgmCmCeKeKmgm",
        "mdgEegeKeknKsCsCjKjkn",
        "ece cn",
        "ecn cebb",
        "mkpckkf",
        "mcmkm ciki",
        "mcpkkcf",
        "lcpCsJsJnFlfi fe",
        "todMbjbCbCrjrRrRgogMgmimn mjMnGnGgMgmj",
        "obehsne djlj",
        "nclhlLlLehececsgsKsKlgl",
        "omoLshsCsCeheLemi",
        "ocecsgsMsMegece",
        "mkscsceke cljl",
        "lkscsce cljl",
        "pmpLshsCsCeheNenkik",
        "ocecs mems clml",
        "ececs",
        "ljsjiJeCeci",
        "ncecs lscj fmme",
        "kcsceje",
        "qcecsigosoe",
        "ocecsmems",
        "pclCsNsNeCecl",
        "mcecshsLsLkhkck",
        "pclCsNsNeCecl jind",
        "ncecshsLsLlhlcl hlle",
        "mkpKsgsCsCmglKkKegeCech",
        "mbsls gsge",
        "ocscjCeMemjms",
        "mbsgels",
        "sbsfejsners",
        "mbels bsle",
        "mbsglls glge",
        "mcsksceke",
        "gfucucafa",
        "ibthc",
        "gbueueaba",
        "kcnfsin",
        "kabkb",
        "gcsep",
        "lcmCoJojkje jkfkBkBefeIejh",
        "mcsce cjCoKoKeCecj",
        "lkmJogoCoCegeJekg",
        "mkske kjKoCoCeKekj",
        "mcjkjKoCoCegeJekg",
        "hhsgsDsdpde bogo",
        "mkjKoCoCeKekj kokeKagaDacc",
        "lcsce ckCoJojkje",
        "ecoce cs",
        "fdoddDaaa ds",
        "kcsce joch ejje",
        "ecsce",
        "qcoce ckCoIoikie ikIoOookoe",
        "lcoce ckCoJojkje",
        "mcjCoKoKeCecj",
        "mcoca cjCoKoKeCecj",
        "mkoka kjKoCoCeKekj",
        "hcoce ckCogo",
        "kimIofoCoCkfjIiIefeCecg",
        "hdrdhDege bogo",
        "lcociCeJeji joje",
        "kbofejo",
        "oboeehokeno",
        "kbejo boje",
        "kbofe jofeecDaba",
        "kcoioceie",
        "hguEuerenEkckEkehedEaga",
        "ecuca",
        "hbuDudrdnDkfkDkdhddDaba",
        "mcjCmgkKikl",
    };
    static const struct {
        unsigned code;
        const char *strokes;
    } more[] = {
        {0xb0, "hbqBsFsFoBobq"},
        {0xb1, "mcmkm gigq ceke"},
        {0xb7, "eck"},
        {0xd7, "mdhjn dnjh"},
        {0x394, "obehsnebe"},
        {0x3a3, "mkscshlceke"},
        {0x3b1, "mkoIefeCeCofoIoke"},
        {0x3b2, "mcacoCsJsJmfmKmKeCeci"},
        {0x3b3, "kboDofefa jofe"},
        {0x3b5, "kimIofoCoCjgjCjCefeIeig"},
        {0x3b7, "lcoce ckCoJojkja"},
        {0x3b8, "lclCsJsJeCecl cljl"},
        {0x3bb, "kbsDsepje fmbe"},
        {0x3bc, "lcoca ciCeJeji joje"},
        {0x3c0, "mbolo eode ioigIeke"},
        {0x3c1, "mcacjCoKoKeCecj"},
        {0x3c3, "mlogoCoCegeKeKogo"},
        {0x3c6, "mcjCoKoKeCecj gsga"},
        {0x2013, "mcjkj"},
        {0x2192, "qckok kookkg"},
        {0x2202, "mdqEsgsKskjKeCeCmKmkj"},
        {0x2207, "obshensbs"},
        {0x2212, "mckkk"},
        {0x221a, "mbldlgelu"},
        {0x221e, "qikGnCnChGhikKnOnOhKhik"},
        {0x222b, "kjtGvgqeeEabb"},
        {0x2248, "mclCogmKkkn cgCjghKfki"},
        {0x2264, "mkqcmki ceke"},
        {0x2265, "mcqkmci ceke"},
    };
    if (code >= 32 && code < 127) return ascii[code - 32];
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        if (more[i].code == code) return more[i].strokes;
    }
    return ascii['?' - 32];
}

/* Alignment of a text, or a corner of the axes: one of each line. PLOT_UPWARDS: the text reads upwards. */
enum {
    PLOT_LEFT = 0,
    PLOT_CENTER = 1,
    PLOT_RIGHT = 2,
    PLOT_BASELINE = 0,
    PLOT_BOTTOM = 4,
    PLOT_MIDDLE = 8,
    PLOT_TOP = 16,
    PLOT_UPWARDS = 32
};

typedef struct {
    double x, y;    /* origin on the baseline, on the canvas */
    double unit;    /* pixels per unit of the grid */
    double forward; /* how far the text has come from the origin */
    double lift;    /* of the baseline, for scripts */
    int upwards;
} plot_pen;

/* Small letters and capitals are rounded to whole pixels of height, so that horizontal strokes stay crisp. */
static inline double plot_pen_height(const plot_pen *pen, double y)
{
    double small = floor(10.0 * pen->unit + 0.5), capital = floor(14.0 * pen->unit + 0.5);
    return y <= 10.0 ? y * small / 10.0 : small + (y - 10.0) * (capital - small) / 4.0;
}

static inline double plot_pen_width(const plot_pen *pen) { return fmax(1.9 * pen->unit, 1.0); }

static inline void plot_pen_stroke(plot_canvas *c, const plot_pen *pen, const double *p, const double *q,
                                   double width)
{
    double u0 = pen->forward + p[0] * pen->unit, v0 = pen->lift + plot_pen_height(pen, p[1]);
    double u1 = pen->forward + q[0] * pen->unit, v1 = pen->lift + plot_pen_height(pen, q[1]);
    if (pen->upwards) plot_stroke(c, pen->x - v0, pen->y - u0, pen->x - v1, pen->y - u1, width);
    else plot_stroke(c, pen->x + u0, pen->y - v0, pen->x + u1, pen->y - v1, width);
}

static inline void plot_pen_curve(plot_canvas *c, const plot_pen *pen, double *p, const double *pull,
                                  const double *q)
{
    double from[2] = {p[0], p[1]}, last[2] = {p[0], p[1]};
    for (int k = 1; k <= 8; k++) {
        double t = k / 8.0, s = 1.0 - t, next[2];
        for (int i = 0; i < 2; i++) next[i] = s * s * from[i] + 2.0 * s * t * pull[i] + t * t * q[i];
        plot_pen_stroke(c, pen, last, next, plot_pen_width(pen));
        memcpy(last, next, sizeof last);
    }
    memcpy(p, q, sizeof last);
}

static inline void plot_pen_glyph(plot_canvas *c, const plot_pen *pen, const char *code)
{
    for (code++; *code; code += *code == ' ') {
        double here[2] = {0, 0}, pull[2] = {0, 0};
        int points = 0, pulled = 0;
        for (; *code && *code != ' '; code += 2, points++) {
            int off = code[0] < 'a';
            double point[2] = {code[0] - (off ? 'A' : 'a') + 0.5, code[1] - 'a' - 4};
            double middle[2] = {0.5 * (pull[0] + point[0]), 0.5 * (pull[1] + point[1])};
            if (pulled) plot_pen_curve(c, pen, here, pull, off ? middle : point);
            else if (points && !off) plot_pen_stroke(c, pen, here, point, plot_pen_width(pen));
            memcpy(off ? pull : here, point, sizeof point);
            if (pulled && off) memcpy(here, middle, sizeof middle);
            pulled = off;
        }
        if (points == 1) plot_pen_stroke(c, pen, here, here, 1.3 * plot_pen_width(pen)); /* a dot */
    }
}

/* The next code point; a malformed byte reads as '?'. */
static inline unsigned plot_utf8(const char **text)
{
    const unsigned char *s = (const unsigned char *)*text;
    unsigned code = s[0], more = code < 0x80   ? 0u
                                 : code < 0xc0 ? 9u
                                 : code < 0xe0 ? 1u
                                 : code < 0xf0 ? 2u
                                               : 9u;
    *text += 1;
    if (more == 9) return '?';
    if (more) code &= 0x3fu >> more;
    for (unsigned i = 1; i <= more; i++, *text += 1) {
        if ((s[i] & 0xc0) != 0x80) return '?';
        code = code << 6 | (s[i] & 0x3fu);
    }
    return code;
}

/* Draws on c, or only measures when c is NULL; returns the width. */
static inline double plot_text_run(plot_canvas *c, plot_pen pen, const char *text)
{
    double unit = pen.unit;
    while (*text) {
        if ((text[0] == '^' || text[0] == '_') && text[1] == '{') {
            pen.unit = 0.72 * unit;
            pen.lift = floor((text[0] == '^' ? 7.0 : -3.5) * unit + 0.5);
            text += 2;
        } else if (*text == '}' && pen.unit < unit) {
            pen.unit = unit, pen.lift = 0.0;
            text++;
        } else {
            const char *glyph = plot_glyph(plot_utf8(&text));
            if (c) plot_pen_glyph(c, &pen, glyph);
            pen.forward += (glyph[0] - 'a' + 1) * pen.unit;
        }
    }
    return pen.forward;
}

/* The size is that of the type: capitals are 0.72 of it high. */
static inline double plot_text_width(const char *text, double size)
{
    plot_pen pen = {0, 0, size / 22.0, 0, 0, 0};
    return plot_text_run(NULL, pen, text);
}

/* The baseline is put where a horizontal stroke along it fills whole pixels. */
static inline void plot_text(plot_canvas *c, double x, double y, const char *text, double size, int align,
                             plot_color color)
{
    plot_pen pen = {x, y, size / 22.0, 0, 0, align & PLOT_UPWARDS};
    double drop = align & PLOT_TOP ? 14.0 : align & PLOT_MIDDLE ? 7.0 : align & PLOT_BOTTOM ? -5.0 : 0.0;
    double back = plot_text_width(text, size) * (align & PLOT_RIGHT ? 1.0 : align & PLOT_CENTER ? 0.5 : 0.0);
    double half = (int)(plot_pen_width(&pen) + 0.5) % 2 ? 0.5 : 0.0;
    pen.x += pen.upwards ? drop * pen.unit : -back;
    pen.y += pen.upwards ? back : drop * pen.unit;
    if (pen.upwards) pen.x = floor(pen.x - half + 0.5) + half;
    else pen.y = floor(pen.y - half + 0.5) + half;
    plot_text_run(c, pen, text);
    plot_paint(c, color);
}

/* ---- axes -------------------------------------------------------------------------------------------- */

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

/* At most `most` multiples of 1, 2 or 5 times a power of ten inside [lo, hi]; returns their number. */
static inline int plot_ticks(double lo, double hi, int most, double *at)
{
    static const double steps[4] = {1, 2, 5, 10};
    if (!(hi > lo) || !isfinite(hi - lo)) return 0;
    if (most > PLOT_MAX_TICKS) most = PLOT_MAX_TICKS;
    if (most < 1) most = 1;
    double power = pow(10.0, floor(log10((hi - lo) / most)));
    for (int k = 0;; k++) {
        double step = steps[k % 3] * power * pow(10.0, k / 3), first = ceil(lo / step - 1e-9);
        double count = floor(hi / step + 1e-9) - first + 1.0;
        if (count > most) continue;
        for (int i = 0; i < (int)count; i++) at[i] = fmin(fmax((first + i) * step, lo), hi) + 0.0;
        return (int)count;
    }
}

/* A number with the decimals that a step asks for and a true minus sign; 10^6 and more as a power of ten. */
static inline void plot_number(char *text, size_t room, double value, double step)
{
    char digits[32];
    double size = fabs(value), power = 0.0, decimals;
    if (size >= 1e6 || (size > 0.0 && step < 1e-4)) power = floor(log10(size) + 1e-9);
    decimals = size > 0.0 || step >= 1e-4 ? fmin(fmax(power - floor(log10(step) + 1e-9), 0.0), 12.0) : 0.0;
    snprintf(digits, sizeof digits, "%.*f", (int)decimals, size / pow(10.0, power));
    const char *sign = value < 0.0 && strspn(digits, "0.") < strlen(digits) ? "\xe2\x88\x92" : "";
    if (power != 0.0)
        snprintf(text, room,
                 "%s%s\xc3\x97"
                 "10^{%.0f}",
                 sign, digits, power);
    else snprintf(text, room, "%s%s", sign, digits);
}

typedef struct {
    int count;
    double at[PLOT_MAX_TICKS];
    char label[PLOT_MAX_TICKS][48];
} plot_scale;

/* 1, 2 and 5 times the powers of ten when there is room, else powers as far apart as needed. */
static inline void plot_scale_log(plot_scale *s, double lo, double hi, int most)
{
    static const int steps[3] = {1, 2, 5};
    int first = (int)floor(log10(lo)), last = (int)floor(log10(hi)), apart = 1;
    int fine = 3 * (last - first + 1) <= most;
    while ((last - first) / apart + 1 > most) apart++;
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

static inline void plot_scale_linear(plot_scale *s, double lo, double hi, int most)
{
    s->count = plot_ticks(lo, hi, most, s->at);
    for (int i = 0; i < s->count; i++) {
        double step = s->count > 1 ? s->at[1] - s->at[0] : s->at[0] != 0.0 ? fabs(s->at[0]) : 1.0;
        plot_number(s->label[i], sizeof *s->label, s->at[i], step);
    }
}

static inline plot_scale plot_scale_x(const plot_axes *a)
{
    plot_scale s = {0, {0}, {{0}}};
    int most = (int)fmin((a->box.right - a->box.left) / (1.8 * a->text_size), 10.0);
    for (int crowded = 1; crowded && most >= 1; most--) {
        plot_scale_linear(&s, a->x0, a->x1, most);
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
    int most = (int)fmax(fmin((a->box.bottom - a->box.top) / (2.4 * a->text_size), 10.0), 2.0);
    if (a->log_y && a->y0 > 0.0 && a->y1 > 0.0) plot_scale_log(&s, a->y0, a->y1, most);
    if (s.count < 2) plot_scale_linear(&s, a->y0, a->y1, most);
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

/* ---- marks: what is drawn inside axes, clipped to their box ------------------------------------------ */

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
    double count[128] = {0}, most = 1.0, height = a->box.bottom - a->box.top;
    bins = bins < 1 ? 1 : bins > 128 ? 128 : bins;
    for (size_t i = 0; i < n; i++) {
        double bin = ((double)x[i * stride] - a->x0) / (a->x1 - a->x0) * bins;
        if (bin >= 0.0 && bin < bins) most = fmax(most, ++count[(int)bin]);
    }
    plot_clip(a->canvas, a->box);
    for (int k = 0; k < bins; k++) {
        double left = floor(plot_x(a, a->x0 + (a->x1 - a->x0) * k / bins));
        double right = floor(plot_x(a, a->x0 + (a->x1 - a->x0) * (k + 1) / bins));
        plot_rect(a->canvas, left, a->box.bottom - 0.9 * height * count[k] / most, right, a->box.bottom,
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

/* ---- fields: filled contours, contour lines, colour bar ---------------------------------------------- */

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

/* Filled contours: each band is painted over the ones below it. At most PLOT_MAX_LEVELS levels, growing. */
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

/* The bands from low to high, an arrow for what lies above, and as many levels as there is room for. */
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

/* ---- PNG: bytes and checksums ------------------------------------------------------------------------ */

/* Growing output. The first failure sticks, so that only the end of a job has to look at it. Bits enter from
 * the low end of each byte, as deflate wants them. */
typedef struct {
    unsigned char *data;
    size_t size, room;
    int failed;
    unsigned long hold; /* bits that do not fill a byte yet */
    unsigned held;
} plot_bytes;

static inline void plot_put(plot_bytes *b, const void *data, size_t n)
{
    if (b->failed || n > SIZE_MAX / 2 - b->size) {
        b->failed = 1;
        return;
    }
    if (b->size + n > b->room) {
        size_t room = 2 * (b->size + n);
        unsigned char *grown = realloc(b->data, room);
        if (!grown) {
            b->failed = 1;
            return;
        }
        b->data = grown, b->room = room;
    }
    if (n) memcpy(b->data + b->size, data, n);
    b->size += n;
}

static inline void plot_put_u32(plot_bytes *b, uint32_t v)
{
    unsigned char big_endian[4] = {(unsigned char)(v >> 24), (unsigned char)(v >> 16),
                                   (unsigned char)(v >> 8), (unsigned char)v};
    plot_put(b, big_endian, 4);
}

static inline void plot_put_bits(plot_bytes *b, unsigned value, unsigned count)
{
    b->hold |= (unsigned long)value << b->held;
    for (b->held += count; b->held >= 8; b->held -= 8, b->hold >>= 8) {
        unsigned char byte = (unsigned char)(b->hold & 255);
        plot_put(b, &byte, 1);
    }
}

/* Continues from the CRC of what came before, 0 at the start; four bits at a time. */
static inline uint32_t plot_crc32(uint32_t crc, const unsigned char *data, size_t n)
{
    static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
                                       0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                       0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= data[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

static inline uint32_t plot_adler32(const unsigned char *data, size_t n)
{
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < n; i++) {
        a = (a + data[i]) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

/* ---- PNG: deflate ------------------------------------------------------------------------------------ */

typedef struct {
    unsigned count[288];
    unsigned char length[288]; /* of the code in bits, 0 = unused */
    unsigned short code[288];  /* first bit lowest */
} plot_huffman;

/* Lengths of the Huffman code for the counts: join the two rarest trees until one is left. */
static inline unsigned plot_huffman_lengths(plot_huffman *h, const unsigned *count, int n)
{
    unsigned weight[576], longest = 0;
    int parent[576], alive[288], trees = 0, nodes = n;
    for (int i = 0; i < n; i++) {
        weight[i] = count[i];
        if (count[i]) alive[trees++] = i;
    }
    while (trees > 1) {
        for (int k = 0; k < 2; k++) { /* the rarest goes to the end, the next one before it */
            for (int i = 0; i < trees - 1 - k; i++) {
                int *last = &alive[trees - 1 - k], swap = alive[i];
                if (weight[swap] < weight[*last]) alive[i] = *last, *last = swap;
            }
        }
        int p = alive[trees - 1], q = alive[trees - 2];
        weight[nodes] = weight[p] + weight[q];
        parent[p] = parent[q] = nodes;
        alive[--trees - 1] = nodes++;
    }
    for (int i = 0; i < n; i++) {
        unsigned depth = 0;
        for (int node = i; count[i] && node != nodes - 1; node = parent[node]) depth++;
        h->length[i] = (unsigned char)depth;
        if (depth > longest) longest = depth;
    }
    return longest;
}

/* A canonical code of at most `limit` bits: flatter counts make a flatter tree. At least two symbols get a
 * code, as a decoder expects it to be complete. */
static inline void plot_huffman_build(plot_huffman *h, int n, unsigned limit)
{
    unsigned count[288], used = 0, next = 0;
    for (int i = 0; i < n; i++) used += (count[i] = h->count[i]) > 0;
    for (int i = 0; used < 2; i++) {
        if (!count[i]) count[i] = 1, used++;
    }
    while (plot_huffman_lengths(h, count, n) > limit) {
        for (int i = 0; i < n; i++) count[i] = count[i] ? count[i] / 2 + 1 : 0;
    }
    for (unsigned bits = 1; bits <= limit; bits++, next <<= 1) {
        for (int i = 0; i < n; i++) {
            if (h->length[i] != bits) continue;
            unsigned reversed = 0;
            for (unsigned k = 0; k < bits; k++) reversed |= (next >> k & 1) << (bits - 1 - k);
            h->code[i] = (unsigned short)reversed;
            next++;
        }
    }
}

static inline void plot_put_symbol(plot_bytes *out, const plot_huffman *h, unsigned symbol)
{
    plot_put_bits(out, h->code[symbol], h->length[symbol]);
}

/* Deflate's classes for lengths (keep 2) and distances (keep 1): a class keeps the top bits of v under the
 * leading one, the other bits follow as they are. */
static inline unsigned plot_class(unsigned v, unsigned keep, unsigned *extra)
{
    for (*extra = 0; v >> *extra >> (keep + 1);) ++*extra;
    return (*extra << keep) + (v >> *extra);
}

static inline unsigned plot_length_class(unsigned length, unsigned *extra)
{
    unsigned symbol = plot_class(length - 3, 2, extra);
    if (length < 258) return 257 + symbol;
    *extra = 0;
    return 285;
}

enum { PLOT_WINDOW = 32768, PLOT_TOKENS = 32768, PLOT_CHAIN = 16 };

/* A token is a literal byte, or length << 16 | distance. */
typedef struct {
    uint32_t tokens[PLOT_TOKENS];
    size_t count;
    size_t head[PLOT_WINDOW], previous[PLOT_WINDOW]; /* positions + 1 with the same hash, newest first */
    plot_huffman letters, distances, lengths;
} plot_deflator;

/* The code lengths of both alphabets as one list in which a run is a symbol: 16 repeats the last length 3 to
 * 6 times, 18 stands for 11 to 138 zeros. Counts the symbols when out is NULL, else writes them. */
static inline void plot_put_lengths(plot_bytes *out, plot_huffman *code, const unsigned char *list,
                                    unsigned n)
{
    for (unsigned i = 0, run; i < n; i += run) {
        unsigned symbol = list[i], extra = 0, base = 1;
        for (run = 1; i + run < n && list[i + run] == list[i] && run < 138;) run++;
        if (symbol == 0 && run >= 11) symbol = 18, extra = 7, base = 11;
        else if (i && list[i - 1] == list[i] && run >= 3)
            symbol = 16, extra = 2, base = 3, run = run < 6 ? run : 6;
        else run = 1;
        if (!out) code->count[symbol]++;
        else {
            plot_put_symbol(out, code, symbol);
            plot_put_bits(out, run - base, extra);
        }
    }
}

static inline void plot_put_header(plot_bytes *out, plot_deflator *d, int last)
{
    static const unsigned char order[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    unsigned char list[286 + 30];
    memcpy(list, d->letters.length, 286);
    memcpy(list + 286, d->distances.length, 30);
    memset(&d->lengths, 0, sizeof d->lengths);
    plot_put_lengths(NULL, &d->lengths, list, sizeof list);
    plot_huffman_build(&d->lengths, 19, 7);
    plot_put_bits(out, last ? 5 : 4, 3); /* final or not, dynamic codes */
    plot_put_bits(out, 286 - 257, 5);
    plot_put_bits(out, 30 - 1, 5);
    plot_put_bits(out, 19 - 4, 4);
    for (int i = 0; i < 19; i++) plot_put_bits(out, d->lengths.length[order[i]], 3);
    plot_put_lengths(out, &d->lengths, list, sizeof list);
}

/* One block: the codes that suit its tokens best, then the tokens. */
static inline void plot_put_block(plot_bytes *out, plot_deflator *d, int last)
{
    unsigned extra;
    memset(&d->letters, 0, sizeof d->letters);
    memset(&d->distances, 0, sizeof d->distances);
    d->letters.count[256] = 1;
    for (size_t i = 0; i < d->count; i++) {
        unsigned length = d->tokens[i] >> 16, low = d->tokens[i] & 0xffff;
        d->letters.count[length ? plot_length_class(length, &extra) : low]++;
        if (length) d->distances.count[plot_class(low - 1, 1, &extra)]++;
    }
    plot_huffman_build(&d->letters, 286, 15);
    plot_huffman_build(&d->distances, 30, 15);
    plot_put_header(out, d, last);
    for (size_t i = 0; i < d->count; i++) {
        unsigned length = d->tokens[i] >> 16, low = d->tokens[i] & 0xffff;
        plot_put_symbol(out, &d->letters, length ? plot_length_class(length, &extra) : low);
        if (!length) continue;
        plot_put_bits(out, (length - 3) & ((1u << extra) - 1), length < 258 ? extra : 0);
        plot_put_symbol(out, &d->distances, plot_class(low - 1, 1, &extra));
        plot_put_bits(out, (low - 1) & ((1u << extra) - 1), extra);
    }
    plot_put_symbol(out, &d->letters, 256);
    d->count = 0;
}

static inline size_t plot_hash(const unsigned char *p)
{
    return ((uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2]) * UINT32_C(2654435761) >> 17 &
           (PLOT_WINDOW - 1);
}

static inline void plot_remember(plot_deflator *d, const unsigned char *data, size_t n, size_t i)
{
    if (n - i < 3) return;
    size_t *head = &d->head[plot_hash(data + i)];
    d->previous[i % PLOT_WINDOW] = *head;
    *head = i + 1;
}

/* The longest match for the bytes at i among the newest with the same hash; 0 when none has 3 bytes. */
static inline unsigned plot_match(const plot_deflator *d, const unsigned char *data, size_t n, size_t i,
                                  unsigned *distance)
{
    unsigned best = 2, most = n - i < 258 ? (unsigned)(n - i) : 258;
    if (most < 3) return 0;
    size_t at = d->head[plot_hash(data + i)];
    for (int tries = PLOT_CHAIN; at && i - (at - 1) <= PLOT_WINDOW && tries && best < most; tries--) {
        const unsigned char *p = data + at - 1, *q = data + i;
        unsigned length = 0;
        if (p[best] == q[best]) {
            while (length < most && p[length] == q[length]) length++;
        }
        if (length > best) best = length, *distance = (unsigned)(i - (at - 1));
        size_t older = d->previous[(at - 1) % PLOT_WINDOW];
        at = older < at ? older : 0;
    }
    return best > 2 ? best : 0;
}

/* A zlib stream. A match waits when a longer one starts at the next byte. */
static inline void plot_deflate(plot_bytes *out, const unsigned char *data, size_t n)
{
    static const unsigned char header[2] = {0x78, 0x9c};
    plot_deflator *d = calloc(1, sizeof *d);
    if (!d) {
        out->failed = 1;
        return;
    }
    plot_put(out, header, 2);
    for (size_t i = 0; i < n;) {
        unsigned distance = 0, later, length = plot_match(d, data, n, i, &distance);
        plot_remember(d, data, n, i);
        if (length && length < 32 && plot_match(d, data, n, i + 1, &later) > length) length = 0;
        d->tokens[d->count++] = length ? (uint32_t)length << 16 | distance : data[i];
        for (unsigned k = 1; k < length; k++) plot_remember(d, data, n, i + k);
        i += length ? length : 1;
        if (d->count == PLOT_TOKENS) plot_put_block(out, d, 0);
    }
    plot_put_block(out, d, 1);
    plot_put_bits(out, 0, (8 - out->held) % 8);
    plot_put_u32(out, plot_adler32(data, n));
    free(d);
}

/* ---- PNG: the file ----------------------------------------------------------------------------------- */

static inline void plot_put_chunk(plot_bytes *out, const char *type, const unsigned char *data, size_t n)
{
    uint32_t crc = plot_crc32(plot_crc32(0, (const unsigned char *)type, 4), data, n);
    if (n > 0x7fffffff) out->failed = 1;
    plot_put_u32(out, (uint32_t)n);
    plot_put(out, type, 4);
    plot_put(out, data, n);
    plot_put_u32(out, crc);
}

/* Byte i of a row under filter 0..4: none, left, above, mean of both, Paeth. `above` is NULL over the first
 * row. */
static inline unsigned char plot_filtered(const unsigned char *row, const unsigned char *above, size_t i,
                                          size_t channels, int filter)
{
    int left = i < channels ? 0 : row[i - channels], up = above ? above[i] : 0, guess = 0;
    int corner = i < channels || !above ? 0 : above[i - channels];
    if (filter == 1) guess = left;
    if (filter == 2) guess = up;
    if (filter == 3) guess = (left + up) / 2;
    if (filter == 4) {
        int p = abs(up - corner), q = abs(left - corner), r = abs(left + up - 2 * corner);
        guess = p <= q && p <= r ? left : q <= r ? up : corner;
    }
    return (unsigned char)(row[i] - guess);
}

/* The rows as the zlib stream of an IDAT or fdAT: each under the filter with the smallest sum of absolute
 * values. Filters that often have it come first: the others are given up the sooner. */
static inline void plot_put_rows(plot_bytes *out, const unsigned char *pixels, size_t h, size_t row_bytes,
                                 size_t channels)
{
    static const int order[5] = {2, 4, 1, 3, 0};
    size_t total;
    unsigned char *rows = plot_product(h, row_bytes + 1, &total) ? NULL : plot_alloc(total, 1);
    if (!rows) {
        out->failed = 1;
        return;
    }
    for (size_t y = 0; y < h; y++) {
        const unsigned char *row = pixels + y * row_bytes, *above = y ? row - row_bytes : NULL;
        unsigned char *to = rows + y * (row_bytes + 1);
        size_t least = SIZE_MAX;
        for (int k = 0; k < 5; k++) {
            int filter = above ? order[k] : k;
            size_t sum = 0;
            for (size_t i = 0; i < row_bytes && sum < least; i++) {
                sum += (size_t)abs((signed char)plot_filtered(row, above, i, channels, filter));
            }
            if (sum < least) least = sum, to[0] = (unsigned char)filter;
        }
        for (size_t i = 0; i < row_bytes; i++) to[i + 1] = plot_filtered(row, above, i, channels, to[0]);
    }
    plot_deflate(out, rows, total);
    free(rows);
}

/* Signature and IHDR. */
static inline void plot_put_png_start(plot_bytes *out, size_t w, size_t h, int channels)
{
    static const unsigned char signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    unsigned char rest[5] = {8, channels == 1 ? 0 : channels == 3 ? 2 : 6, 0, 0, 0};
    plot_bytes header = {NULL, 0, 0, 0, 0, 0};
    plot_put(out, signature, 8);
    plot_put_u32(&header, (uint32_t)w);
    plot_put_u32(&header, (uint32_t)h);
    plot_put(&header, rest, 5);
    if (header.failed) out->failed = 1;
    else plot_put_chunk(out, "IHDR", header.data, header.size);
    free(header.data);
}

static inline int plot_png_allows(size_t w, size_t h, int channels)
{
    size_t row_bytes;
    if (!w || !h || w > 0x7fffffff || h > 0x7fffffff) return 0;
    if (channels != 1 && channels != 3 && channels != 4) return 0;
    return !plot_product(w, (size_t)channels, &row_bytes) && row_bytes < SIZE_MAX;
}

/* Hands over the bytes of a file after its last chunk, or frees them if anything failed. */
static inline int plot_put_png_end(plot_bytes *file, unsigned char **out, size_t *n)
{
    plot_put_chunk(file, "IEND", NULL, 0);
    if (file->failed) free(file->data);
    else *out = file->data, *n = file->size;
    return file->failed;
}

/* Pixels (h, w, channels) of 8 bits: 1 = grey, 3 = RGB, 4 = RGBA. The caller frees *out. */
static inline int plot_png_encode(const unsigned char *pixels, size_t w, size_t h, int channels,
                                  unsigned char **out, size_t *n)
{
    plot_bytes file = {NULL, 0, 0, 0, 0, 0}, stream = file;
    *out = NULL, *n = 0;
    if (!pixels || !plot_png_allows(w, h, channels)) return 1;
    plot_put_rows(&stream, pixels, h, w * (size_t)channels, (size_t)channels);
    plot_put_png_start(&file, w, h, channels);
    if (stream.failed) file.failed = 1;
    else plot_put_chunk(&file, "IDAT", stream.data, stream.size);
    free(stream.data);
    return plot_put_png_end(&file, out, n);
}

/* An animation, which any viewer of PNG shows the first frame of:
 *
 *     signature IHDR acTL   fcTL IDAT   fcTL fdAT   fcTL fdAT ... IEND
 *
 * acTL counts the frames, fcTL says where one lies and how long it stays, fdAT is a number and an IDAT. fcTL
 * and fdAT are numbered in one sequence. */
typedef struct {
    size_t w, h;
    int channels;
    uint32_t frames, sequence; /* frames so far; the next number */
    plot_bytes body;           /* what lies between acTL and IEND */
    unsigned char *shown;      /* (h, w, channels) the last frame */
} plot_animation;

static inline void plot_animation_init(plot_animation *a, size_t w, size_t h, int channels)
{
    memset(a, 0, sizeof *a);
    a->w = w, a->h = h, a->channels = channels;
}

static inline void plot_animation_free(plot_animation *a)
{
    free(a->body.data);
    free(a->shown);
    memset(a, 0, sizeof *a);
}

/* The smallest box with all pixels in which the frame differs from the last one, and at least one pixel. */
static inline plot_box plot_animation_changed(const plot_animation *a, const unsigned char *pixels)
{
    plot_box box = {(int)a->w, (int)a->h, 0, 0}, all = {0, 0, (int)a->w, (int)a->h}, one = {0, 0, 1, 1};
    size_t channels = (size_t)a->channels, i = 0;
    if (!a->shown) return all;
    for (int y = 0; y < all.bottom; y++) {
        for (int x = 0; x < all.right; x++, i += channels) {
            if (!memcmp(pixels + i, a->shown + i, channels)) continue;
            if (x < box.left) box.left = x;
            if (x >= box.right) box.right = x + 1;
            if (y < box.top) box.top = y;
            box.bottom = y + 1;
        }
    }
    return box.right ? box : one;
}

static inline void plot_animation_control(plot_animation *a, plot_box box, unsigned milliseconds)
{
    const unsigned char over[2] = {0, 0}; /* leave the frame, replace what was there */
    plot_bytes control = {NULL, 0, 0, 0, 0, 0};
    plot_put_u32(&control, a->sequence++);
    plot_put_u32(&control, (uint32_t)(box.right - box.left));
    plot_put_u32(&control, (uint32_t)(box.bottom - box.top));
    plot_put_u32(&control, (uint32_t)box.left);
    plot_put_u32(&control, (uint32_t)box.top);
    plot_put_u32(&control, (milliseconds < 65535 ? milliseconds : 65535) << 16 | 1000); /* over 1000 */
    plot_put(&control, over, 2);
    if (control.failed) a->body.failed = 1;
    else plot_put_chunk(&a->body, "fcTL", control.data, control.size);
    free(control.data);
}

/* Adds a frame (h, w, channels) that stays for a while. A failure shows when the animation is encoded. */
static inline void plot_animation_add(plot_animation *a, const unsigned char *pixels, unsigned milliseconds)
{
    plot_bytes stream = {NULL, 0, 0, 0, 0, 0};
    size_t channels = (size_t)a->channels, row, total;
    if (!pixels || !plot_png_allows(a->w, a->h, a->channels) || plot_product(a->w * channels, a->h, &total)) {
        a->body.failed = 1;
        return;
    }
    plot_box box = plot_animation_changed(a, pixels);
    size_t w = (size_t)(box.right - box.left), h = (size_t)(box.bottom - box.top);
    unsigned char *part = plot_alloc(w * channels, h);
    if (!a->shown) a->shown = plot_alloc(total, 1);
    if (!part || !a->shown) {
        a->body.failed = 1;
        free(part);
        return;
    }
    memcpy(a->shown, pixels, total);
    for (row = 0; row < h; row++)
        memcpy(part + row * w * channels,
               pixels + (((size_t)box.top + row) * a->w + (size_t)box.left) * channels, w * channels);
    plot_animation_control(a, box, milliseconds);
    if (a->frames) plot_put_u32(&stream, a->sequence++);
    plot_put_rows(&stream, part, h, w * channels, channels);
    if (stream.failed) a->body.failed = 1;
    else plot_put_chunk(&a->body, a->frames ? "fdAT" : "IDAT", stream.data, stream.size);
    a->frames++;
    free(stream.data);
    free(part);
}

/* To be repeated for ever. The caller frees *out. */
static inline int plot_animation_encode(const plot_animation *a, unsigned char **out, size_t *n)
{
    plot_bytes file = {NULL, 0, 0, 0, 0, 0}, count = file;
    *out = NULL, *n = 0;
    if (!a->frames) return 1;
    plot_put_png_start(&file, a->w, a->h, a->channels);
    plot_put_u32(&count, a->frames);
    plot_put_u32(&count, 0);
    if (count.failed || a->body.failed) file.failed = 1;
    else plot_put_chunk(&file, "acTL", count.data, count.size);
    free(count.data);
    plot_put(&file, a->body.data, a->body.size);
    return plot_put_png_end(&file, out, n);
}

/* All or nothing: the bytes go to a neighbouring file, which takes the name when it is complete. */
static inline int plot_save(const char *path, const unsigned char *data, size_t n)
{
    size_t length = strlen(path);
    char *draft = plot_alloc(length + 5, 1);
    if (!draft) return 1;
    memcpy(draft, path, length);
    memcpy(draft + length, ".tmp", 5);
    FILE *file = fopen(draft, "wb");
    int failed = !file || fwrite(data, 1, n, file) != n;
    if (file && fclose(file)) failed = 1;
    if (!failed && rename(draft, path)) failed = 1;
    if (failed && file) remove(draft);
    free(draft);
    return failed;
}

static inline int plot_png_write(const char *path, const unsigned char *pixels, size_t w, size_t h,
                                 int channels)
{
    unsigned char *data;
    size_t n;
    int failed = plot_png_encode(pixels, w, h, channels, &data, &n) || plot_save(path, data, n);
    free(data);
    return failed;
}

/* The canvas in 8 bits, (height, width, 3), to be freed by the caller; NULL without memory. */
static inline unsigned char *plot_canvas_pixels(const plot_canvas *c)
{
    size_t count = 3 * (size_t)c->width * (size_t)c->height;
    unsigned char *pixels = plot_alloc(count, 1);
    for (size_t i = 0; pixels && i < count; i++)
        pixels[i] = (unsigned char)(255.0 * plot_unit((double)c->rgb[i]) + 0.5);
    return pixels;
}

/* The canvas as the bytes of a PNG file, which the caller frees. */
static inline int plot_canvas_encode(const plot_canvas *c, unsigned char **out, size_t *n)
{
    unsigned char *pixels = plot_canvas_pixels(c);
    int failed = plot_png_encode(pixels, (size_t)c->width, (size_t)c->height, 3, out, n);
    free(pixels);
    return failed;
}

/* Adds the canvas, of the size of the animation, as a frame. */
static inline void plot_animation_add_canvas(plot_animation *a, const plot_canvas *c, unsigned milliseconds)
{
    unsigned char *pixels = plot_canvas_pixels(c);
    plot_animation_add(a, pixels, milliseconds);
    free(pixels);
}

static inline int plot_animation_write(const plot_animation *a, const char *path)
{
    unsigned char *data;
    size_t n;
    int failed = plot_animation_encode(a, &data, &n) || plot_save(path, data, n);
    free(data);
    return failed;
}

static inline int plot_canvas_write(const plot_canvas *c, const char *path)
{
    unsigned char *png;
    size_t n;
    int failed = plot_canvas_encode(c, &png, &n) || plot_save(path, png, n);
    free(png);
    return failed;
}

#endif
