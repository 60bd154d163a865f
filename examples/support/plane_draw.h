/* plane_draw.h: the pictures of a model of points in the plane, and of its training: contours.png,
 * density.png, samples.png, the frames of anim.png, and a panel in the terminal. Points are (n,2).
 *
 * Include the implementation of itdiff.h before this file. */
#ifndef PLANE_DRAW_H
#define PLANE_DRAW_H

#include "panels.h"
#include "view.h"
#include "watch.h"

enum { PLANE_CONTOURS = 8 }; /* panels in contours.png */

/* ---- densities ---- */

/* Eight of the panels, evenly spread, the first and the last among them; each one once. */
static inline void plane_draw_contours(plot_canvas *c, const panel_series *p, const float *x, size_t n)
{
    enum { COLUMNS = PLANE_CONTOURS / 2 };
    size_t last = p->count - 1, before = SIZE_MAX;
    plot_box area;
    picture_begin(c, 1400, 730);
    area = plot_inset(plot_canvas_box(c), 45, 40, 100, 40);
    for (size_t j = 0, cell = 0; j < PLANE_CONTOURS; j++) {
        size_t k = (2 * j * last + PLANE_CONTOURS - 1) / (2 * (PLANE_CONTOURS - 1));
        char title[60];
        plot_axes a;
        if (k == before) continue;
        snprintf(title, sizeof title, panels_is_kept(p, k) ? "kept: step %lu" : "step %lu",
                 (unsigned long)p->step[k]);
        a = panels_axes(c, plot_cell(area, 2, COLUMNS, (int)cell, 18, 42), title);
        a.x_numbers = cell < COLUMNS ? 1 : 2, a.y_numbers = cell % COLUMNS ? 1 : 2;
        panels_contours(&a, p->values[k], p->side);
        plot_scatter(&a, x, x + 1, n, 2, 1.2, plot_alpha(plot_rgb(0), 0.35));
        plot_axes_draw(&a);
        if (k == last) panels_bar(&a, area, 16, 14);
        before = k, cell++;
    }
}

static inline void plane_draw_density(plot_canvas *c, const double *values, size_t side, const char *title,
                                      const float *x, size_t n)
{
    plot_axes a;
    picture_begin(c, 900, 820);
    a = panels_axes(c, plot_inset(plot_canvas_box(c), 55, 45, 125, 50), title);
    a.text_size = 16;
    panels_contours(&a, values, side);
    plot_scatter(&a, x, x + 1, n, 2, 1.4, plot_alpha(plot_rgb(0), 0.3));
    plot_axes_draw(&a);
    panels_bar(&a, a.box, 20, 18);
}

/* The last panel in the terminal, under a line of text. */
static inline void plane_print(const panel_series *p, int colors)
{
    plot_field f = panels_field(panels_last(p), p->side);
    char title[80];
    panels_title(p, p->count - 1, title, sizeof title);
    printf("%s, its logarithm from below %g (%s) to above %g (%s)\n", title, panels_levels[0],
           colors ? "dark" : "blank", panels_levels[PANELS_LEVELS - 1], colors ? "bright" : "@");
    view_draw(stdout, &f, panels_levels, PANELS_LEVELS, colors);
    fflush(stdout);
}

/* ---- samples ---- */

/* n points of the data beside m samples. */
static inline void plane_draw_samples(plot_canvas *c, const float *x, size_t n, const float *samples,
                                      size_t m)
{
    picture_begin(c, 1240, 640);
    for (int k = 0; k < 2; k++) {
        plot_box box = plot_cell(plot_inset(plot_canvas_box(c), 50, 40, 20, 45), 1, 2, k, 50, 0);
        plot_axes a = panels_axes(c, box, k ? "samples of the model" : "training data");
        const float *points = k ? samples : x;
        plot_scatter(&a, points, points + 1, k ? m : n, 2, 1.2, plot_alpha(plot_palette(k), 0.5));
        plot_axes_draw(&a);
    }
}

/* ---- the animation ---- */

/* The density over the steps of the training. */
static inline void plane_film_panels(plot_animation *film, const panel_series *p)
{
    for (size_t k = 0; k < p->count; k++) {
        plot_canvas c;
        if (panels_is_repeated(p, k)) continue;
        panels_draw_one(p, k, &c);
        plot_animation_add_canvas(film, &c, k + 1 < p->count ? 150 : 1500);
        plot_canvas_free(&c);
    }
}

/* The way of the samples from noise, over the density that they end in. */
static inline void plane_film_sampling(plot_animation *film, const panel_series *p, const watched *w,
                                       const float *samples)
{
    plot_canvas behind, c;
    if (p->count) panels_draw(&behind, panels_last(p), p->side, NULL);
    else picture_begin(&behind, PANELS_WIDTH, PANELS_HEIGHT);
    picture_begin(&c, PANELS_WIDTH, PANELS_HEIGHT);
    for (size_t k = 0; k <= w->frames; k++) {
        int last = k == w->frames;
        const float *points = last ? samples : w->z + 2 * k * w->rows;
        char title[60] = "samples";
        plot_axes a = panels_axes(&c, panels_box(&c), title);
        if (!last) snprintf(title, sizeof title, "sampling, log SNR %.1f", (double)w->logsnr[k]);
        plot_canvas_copy(&c, &behind);
        plot_scatter(&a, points, points + 1, w->rows, 2, 1.3, plot_alpha(plot_rgb(0), 0.6));
        plot_axes_draw(&a);
        plot_animation_add_canvas(film, &c, last ? 2500 : k ? 140 : 700);
    }
    plot_canvas_free(&behind), plot_canvas_free(&c);
}

#endif
