/* plot.h: pictures for the example programs, from the first anti-aliased pixel to the PNG file, with libc and
 * libm only.
 *
 *     plot_canvas c;
 *     if (plot_canvas_init(&c, 800, 600, plot_rgb(0xffffff))) return 1;
 *     plot_axes a = plot_axes_make(&c, plot_canvas_box(&c), 0, 10, -1, 1);
 *     a.title = "a curve", a.x_label = "x", a.y_label = "sin x";
 *     plot_axes_fit(&a);                                          leaves space for ticks, labels and title
 *     plot_line(&a, x, y, n, plot_palette(0), 2, 0);
 *     plot_axes_draw(&a);                                         frame, ticks and labels, over the data
 *     if (plot_canvas_write(&c, "curve.png")) return 1;
 *     plot_canvas_free(&c);
 *
 * Lengths are pixels, y grows downwards on the canvas and upwards in the data. A function that can fail
 * returns 0 on success and 1 on failure; nothing here exits or prints. */
#ifndef PLOT_H
#define PLOT_H

#include "plot_canvas.h"   /* colours, pixels, shapes */
#include "plot_text.h"     /* letters */
#include "plot_axes.h"     /* from numbers to pixels; ticks and labels */
#include "plot_marks.h"    /* lines, points, areas, bars, notes, a legend */
#include "plot_contours.h" /* values on a grid; a colour bar */
#include "plot_deflate.h"  /* compression */
#include "plot_png.h"      /* files */
#include "plot_animation.h"

#endif
