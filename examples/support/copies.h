/* copies.h: rows that occur several times in a table, from a join or a log, say no more than once would.
 *
 * kind[i] is the number of the first row that row i is a copy of, its own if it is that one. NULL: all rows
 * are drawn independently of each other, although some may be equal.
 *
 *     double error, mean = copies_mean(of_model, of_rival, n, kind, &error, &kinds);
 */
#ifndef COPIES_H
#define COPIES_H

#include "must.h"

#include <math.h>

/* The mean of a - b, or of a if b is NULL, over n rows, and its standard error, for which all copies of a row
 * are one cluster (infinite for a single kind); how many kinds there are. */
static inline double copies_mean(const double *a, const double *b, size_t n, const size_t *kind,
                                 double *error, size_t *kinds)
{
    double mean = 0, square = 0, rows = (double)n, groups;
    double *sum = kind ? (double *)must_alloc(n, sizeof *sum) : NULL;
    *kinds = 0;
    for (size_t i = 0; i < n; i++) mean += (a[i] - (b ? b[i] : 0)) / rows;
    for (size_t i = 0; i < n; i++) {
        double off = a[i] - (b ? b[i] : 0) - mean;
        if (sum) sum[kind[i]] += off;
        else square += off * off;
        *kinds += !kind || kind[i] == i;
    }
    for (size_t i = 0; sum && i < n; i++) square += sum[i] * sum[i];
    free(sum);
    groups = (double)*kinds;
    *error = groups > 1 ? sqrt(square / (groups - 1) / rows * (groups / rows)) : HUGE_VAL;
    return mean;
}

/* Which of n rows is the i-th of an order in which every fifth row is from the same fifth of the rows. Every
 * fifth row is a fold of itd_model_fit, so that copies, which are neighbours, are in one fold, but for those
 * at the four cuts. */
static inline size_t copies_apart(size_t i, size_t n)
{
    size_t part = i % 5, longer = n % 5;
    return part * (n / 5) + (part < longer ? part : longer) + i / 5;
}

#endif
