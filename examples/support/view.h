/* view.h: a density in the terminal: in colours, two rows of cells to a line of half blocks, or in plain
 * characters, one row to a line, so that cells are about square or twice as high as wide. */
#ifndef VIEW_H
#define VIEW_H

#include "plot.h"

enum { VIEW_COLUMNS = 44, VIEW_LINES = 22 };

/* How many of the levels the densest point of a cell reaches. Rows of cells grow downwards. */
static inline int view_band(const plot_field *f, const double *levels, int count, int column, int row,
                            int rows)
{
    int left = column * f->nx / VIEW_COLUMNS, right = (column + 1) * f->nx / VIEW_COLUMNS, i, j, band = 0;
    int low = (rows - 1 - row) * f->ny / rows, high = (rows - row) * f->ny / rows;
    for (j = low; j < high || j == low; j++) /* at least one */
        for (i = left; i < right || i == left; i++)
            while (band < count && f->values[(size_t)j * (size_t)f->nx + (size_t)i] >= levels[band]) band++;
    return band;
}

/* Of the 6 x 6 x 6 colours from number 16 on, with the values 0, 95, 135, 175, 215, 255, the nearest one. */
static inline int view_color(int band, int count)
{
    plot_color c = plot_band_color(band - 1, count, PLOT_BELOW_DARK);
    double part[3] = {c.r, c.g, c.b};
    int k, number = 0;
    for (k = 0; k < 3; k++) {
        double value = 255 * part[k];
        number = 6 * number + (value < 47.5 ? 0 : value < 115 ? 1 : (int)((value - 55) / 40 + 0.5));
    }
    return 16 + number;
}

/* VIEW_LINES lines of VIEW_COLUMNS characters. */
static inline void view_draw(FILE *file, const plot_field *f, const double *levels, int count, int colors)
{
    static const char ramp[] = " .:-=+*#%@";
    int line, column;
    for (line = 0; line < VIEW_LINES; line++) {
        for (column = 0; column < VIEW_COLUMNS; column++)
            if (colors)
                fprintf(file, "\033[38;5;%d;48;5;%dm\xe2\x96\x80",
                        view_color(view_band(f, levels, count, column, 2 * line, 2 * VIEW_LINES), count),
                        view_color(view_band(f, levels, count, column, 2 * line + 1, 2 * VIEW_LINES), count));
            else fputc(ramp[view_band(f, levels, count, column, line, VIEW_LINES) * 9 / count], file);
        fputs(colors ? "\033[0m\n" : "\n", file);
    }
}

#endif
