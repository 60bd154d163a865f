/* collinear.h: columns of a table that follow from the columns before them, as a copy, a sum or another unit
 * does. Where one does, all rows lie in a plane, and there is no density.
 *
 *     size_t j = collinear_next(&t, 0);          the first one, or t.columns; SIZE_MAX without memory
 *
 * The correlation matrix R = L L^T is factored column by column (Cholesky). The square of L's diagonal
 * element is what the columns before leave unexplained of the variance of column j. */
#ifndef COLLINEAR_H
#define COLLINEAR_H

#include "table.h"

/* Unexplained parts below this are those of rounding, not of a measurement. */
#define COLLINEAR_MIN 1e-6

enum { COLLINEAR_ROWS = 20000, COLLINEAR_COLUMNS = 500 };

/* Column j minus its mean, of length 1; all zeros if it is constant. */
static inline void collinear_unit(const data_table *t, size_t j, size_t rows, double *x /* (rows) */)
{
    double mean = 0, square = 0;
    for (size_t i = 0; i < rows; i++) mean += t->values[i * t->columns + j] / (double)rows;
    for (size_t i = 0; i < rows; i++) {
        x[i] = t->values[i * t->columns + j] - mean;
        square += x[i] * x[i];
    }
    for (size_t i = 0; i < rows && square > 0; i++) x[i] /= sqrt(square);
}

static inline double collinear_dot(const double *x, const double *y, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i] * y[i];
    return sum;
}

/* Marks the columns that follow from those before; the number of them, or -1 without memory. By the first
 * rows, if there are very many; of none, where there are too few rows or too many columns to tell. */
static inline int collinear_find(const data_table *t, unsigned char *follows /* (columns) */)
{
    size_t d = t->columns, rows = t->rows < COLLINEAR_ROWS ? t->rows : COLLINEAR_ROWS;
    double *x, *l;
    int found = 0;
    memset(follows, 0, d);
    if (d < 2 || d > COLLINEAR_COLUMNS || rows < 2 * d) return 0;
    x = (double *)malloc(d * rows * sizeof *x), l = (double *)calloc(d * d, sizeof *l);
    for (size_t j = 0; x && l && j < d; j++) {
        double left = 1;
        collinear_unit(t, j, rows, x + j * rows);
        for (size_t k = 0; k < j; k++) {
            double sum = collinear_dot(x + j * rows, x + k * rows, rows) -
                         collinear_dot(l + j * d, l + k * d, k);
            l[j * d + k] = l[k * d + k] > 0 ? sum / l[k * d + k] : 0;
            left -= l[j * d + k] * l[j * d + k];
        }
        if (left < COLLINEAR_MIN) follows[j] = 1, found++;
        else l[j * d + j] = sqrt(left);
    }
    if (!x || !l) found = -1;
    free(x), free(l);
    return found;
}

#endif
