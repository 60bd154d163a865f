/* picture.h: how the programs begin a picture: on a white canvas, or they end for lack of memory. Include the
 * implementation of itdiff.h before this file. */
#ifndef PICTURE_H
#define PICTURE_H

#include "must.h"
#include "plot.h"

static inline void picture_begin(plot_canvas *c, int width, int height)
{
    if (plot_canvas_init(c, width, height, plot_rgb(0xffffff))) fail("out of memory for a picture");
}

#endif
