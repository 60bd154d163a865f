/* kde.h: a kernel density estimate, the rival of a learned density. It puts a Gaussian on every training row,
 *
 *   p(x) = 1/n Sum_j N(x; x_j, h^2 I),
 *
 * and learns nothing but the bandwidth h, the same in all directions. So the coordinates matter:
 * kde_fit_better tries standardized columns and whitened rows, and keeps what predicts its own rows better.
 *
 *   kde k;
 *   if (kde_fit_better(&k, x, kind, n, dim, &whitening, seed)) fail("out of memory");
 *   if (kde_nll(&k, fresh, m, nll)) fail("out of memory");
 *   kde_free(&k);
 *
 * The bandwidth is the one with the smallest leave-one-out -log p,
 *
 *   loo_nll(h) = mean over i of -log( 1/n_i Sum_{j: x_j != x_i} N(x_i; x_j, h^2 I) ).
 *
 * A row leaves out its copies too, as `kind` (copies.h) or a distance of zero tells, and n_i counts the rows
 * that are not among them: a copy makes a row as likely as one wants, the more so the smaller h. With more
 * than KDE_QUERIES rows the mean is over so many of them, drawn at random, each against all the others.
 *
 * Sums are exact up to terms below e^-40 of the largest, and the same for any number of threads. Rows are
 * finite and within the range of a float. */
#ifndef KDE_H
#define KDE_H

#include "../../itdiff.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { KDE_MOST_ROWS = 10000, KDE_QUERIES = 2000, KDE_LEVELS = 25, KDE_LANES = 16 };

#define KDE_NEGLIGIBLE 40.0 /* terms below e^-40 of the largest are left out */
#define KDE_WIDEST 3.0      /* the largest bandwidth tried, the smallest being this times 2^-12 */
#define KDE_FARTHEST 1e300  /* a squared distance above this is as good as infinite */
#define KDE_LOG_2PI 1.8378770664093454836
#define KDE_STREAM ((uint64_t)0x6b65726e << 32) /* "kern": no other part of a program draws from it */

/* y = map (x - mean) are the coordinates in which the kernel is round. log_volume = log |det map^-1| comes on
 * top of every -log p, which is then in the units of x. */
typedef struct kde {
    size_t rows, dim;
    size_t of;    /* how many rows there were to fit; kde_max_rows of them, drawn at random, stay */
    double *x;    /* (rows,dim) in the kernel's coordinates, in random order */
    size_t *kind; /* (rows) equal for copies, which noise over a rounding step may have moved; or NULL */
    double *mean; /* (dim) NULL: coordinates are taken as they are */
    double *map;  /* (dim,dim), or (dim), its diagonal, if it is diagonal */
    int diagonal;
    double bandwidth;  /* h */
    double log_volume; /* nats */
    double loo_nll;    /* mean leave-one-out -log p, nats; includes log_volume */
    int whitened;      /* kde_fit_better kept the whitened rows */
} kde;

/* A caller's whitening, y = whiten ((x - mean) / scale), with log_volume = log |det| of the way back. */
typedef struct kde_whitening {
    const double *mean, *scale; /* (dim) */
    const double *whiten;       /* (dim,dim) */
    double log_volume;
} kde_whitening;

static inline void kde_free(kde *k)
{
    free(k->x), free(k->kind), free(k->mean), free(k->map);
    memset(k, 0, sizeof *k);
}

static inline double *kde_doubles(size_t rows, size_t columns)
{
    if (columns && rows > SIZE_MAX / sizeof(double) / columns) return NULL;
    return (double *)calloc(rows * columns + 1, sizeof(double));
}

static inline size_t kde_at_most(size_t n, size_t limit) { return n < limit ? n : limit; }

/* Distances in many dimensions take their time, so that there are fewer of them. */
static inline size_t kde_max_rows(size_t dim)
{
    enum { COLUMNS = 64, MIN_ROWS = 500 };
    size_t rows = dim > COLUMNS ? KDE_MOST_ROWS * COLUMNS / dim : KDE_MOST_ROWS;
    return rows > MIN_ROWS ? rows : MIN_ROWS;
}

/* ---- the sum over kernels ---- */

static inline double kde_squared_distance(const double *a, const double *b, size_t dim)
{
    double sum = 0;
    for (size_t c = 0; c < dim; c++) sum += (a[c] - b[c]) * (a[c] - b[c]);
    return sum;
}

/* The user's units to those of the kernel. */
static inline void kde_coordinates(const kde *k, const double *x /* (dim) */, double *y /* (dim) */)
{
    if (!k->map) memcpy(y, x, k->dim * sizeof *y);
    for (size_t c = 0; k->map && c < k->dim; c++) {
        y[c] = k->diagonal ? k->map[c] * (x[c] - k->mean[c]) : 0;
        if (k->diagonal) continue;
        for (size_t j = 0; j < k->dim; j++) y[c] += k->map[c * k->dim + j] * (x[j] - k->mean[j]);
    }
}

/* -log( 1/count Sum_j N(y; y_j, I/precision) ). sum is Sum_j exp(-precision/2 (|y - y_j|^2 - nearest)), where
 * nearest is the smallest of the squared distances. */
static inline double kde_minus_log(double sum, double nearest, double precision, size_t count, size_t dim)
{
    double normalizer = (double)dim / 2 * (KDE_LOG_2PI - log(precision));
    return precision * nearest / 2 - log(sum) + log((double)count) + normalizer;
}

/* -log p of a point in the kernel's coordinates. The sum is kept relative to the nearest row so far. */
static inline double kde_point_nll(const kde *k, const double *y /* (dim) */)
{
    double precision = 1 / (k->bandwidth * k->bandwidth), nearest = KDE_FARTHEST, sum = 0;
    double reach = 2 * KDE_NEGLIGIBLE / precision;
    for (size_t j = 0; j < k->rows; j++) {
        double distance = kde_squared_distance(y, k->x + j * k->dim, k->dim);
        if (distance < nearest) {
            sum = sum * exp(precision * (distance - nearest) / 2) + 1;
            nearest = distance;
        } else if (distance < nearest + reach) {
            sum += exp(precision * (nearest - distance) / 2);
        }
    }
    if (sum == 0) return DBL_MAX;
    return kde_minus_log(sum, nearest, precision, k->rows, k->dim) + k->log_volume;
}

/* -log p of n points in the units the rows were given in. Returns -1 without memory. */
static inline int kde_nll(const kde *k, const double *x /* (n,dim) */, size_t n, double *nll /* (n) */)
{
    double *y = kde_doubles(KDE_LANES, k->dim);
    int lane;
    if (!y) return -1;
#if defined(_OPENMP)
#pragma omp parallel for schedule(dynamic, 1) if (n > 1)
#endif
    for (lane = 0; lane < KDE_LANES; lane++) {
        double *own = y + (size_t)lane * k->dim;
        for (size_t i = (size_t)lane; i < n; i += KDE_LANES) {
            kde_coordinates(k, x + i * k->dim, own);
            nll[i] = kde_point_nll(k, own);
        }
    }
    free(y);
    return 0;
}

/* ---- the bandwidth ---- */

/* Many bandwidths for the price of one or two exponentials. Where the precisions u = 1/h^2 go in steps of s,
 * the term exp(-u/2 gap) of a sum becomes its successor when multiplied by exp(-s/2 gap); where each
 * precision is twice the one before, when multiplied by itself. */
typedef struct kde_sweep {
    double precision, step; /* u_0 and s; s = 0: doubling */
} kde_sweep;

static inline double kde_precision(const kde_sweep *s, size_t level)
{
    return s->step > 0 ? s->precision + s->step * (double)level : ldexp(s->precision, (int)level);
}

/* Squared distances from row i to the rows that are not its copies, less the smallest. Returns how many. */
static inline size_t kde_gaps(const kde *k, size_t i, double *gap /* (rows) */, double *nearest)
{
    size_t others = 0;
    *nearest = KDE_FARTHEST;
    for (size_t j = 0; j < k->rows; j++) {
        double distance = kde_squared_distance(k->x + i * k->dim, k->x + j * k->dim, k->dim);
        bool other = distance > 0 && !(k->kind && k->kind[j] == k->kind[i]);
        if (other) gap[others++] = distance;
        if (other && distance < *nearest) *nearest = distance;
    }
    for (size_t j = 0; j < others; j++) gap[j] -= *nearest;
    return others;
}

/* The sum of all terms, each of which then goes on to the next precision, or out if it is negligible. */
static inline double kde_next_level(double *term, double *ratio, size_t *count)
{
    const double negligible = exp(-KDE_NEGLIGIBLE);
    double sum = 0;
    size_t kept = 0;
    for (size_t j = 0; j < *count; j++) {
        double factor = ratio[j], next = term[j] * factor;
        sum += term[j];
        ratio[kept] = factor, term[kept] = next; /* in this order: they are the same array when doubling */
        kept += next > negligible;
    }
    *count = kept;
    return sum;
}

/* Leave-one-out -log p of row i at each precision of a sweep; left alone if all rows are alike. */
static inline void kde_leave_out(const kde *k, size_t i, const kde_sweep *s, double *work /* (2,rows) */,
                                 double *nll /* (KDE_LEVELS) */)
{
    double nearest, *term = work, *ratio = s->step > 0 ? work + k->rows : work;
    size_t others = kde_gaps(k, i, work, &nearest), count = 0;
    for (size_t j = 0; j < others; j++) {
        double gap = work[j];
        if (s->precision * gap > 2 * KDE_NEGLIGIBLE) continue;
        if (s->step > 0) ratio[count] = exp(-s->step * gap / 2);
        term[count++] = exp(-s->precision * gap / 2);
    }
    for (size_t level = 0; others && level < KDE_LEVELS; level++) {
        double sum = kde_next_level(term, ratio, &count);
        nll[level] = kde_minus_log(sum, nearest, kde_precision(s, level), others, k->dim);
    }
}

/* Sets bandwidth and loo_nll to the best of a sweep. Returns -1 without memory. */
static inline int kde_try(kde *k, const kde_sweep *s)
{
    size_t queries = kde_at_most(k->rows, KDE_QUERIES), best = 0;
    double *work = kde_doubles(2 * KDE_LANES, k->rows), *nll = kde_doubles(queries, KDE_LEVELS);
    double mean[KDE_LEVELS] = {0};
    int lane, lanes = work && nll ? KDE_LANES : 0;
#if defined(_OPENMP)
#pragma omp parallel for schedule(dynamic, 1)
#endif
    for (lane = 0; lane < lanes; lane++)
        for (size_t i = (size_t)lane; i < queries; i += KDE_LANES)
            kde_leave_out(k, i, s, work + 2 * (size_t)lane * k->rows, nll + i * KDE_LEVELS);
    for (size_t i = 0; lanes && i < queries * KDE_LEVELS; i++) mean[i % KDE_LEVELS] += nll[i];
    for (size_t level = 1; level < KDE_LEVELS; level++)
        if (mean[level] < mean[best]) best = level;
    free(work), free(nll);
    k->bandwidth = 1 / sqrt(kde_precision(s, best));
    k->loo_nll = mean[best] / (double)queries + k->log_volume;
    return lanes ? 0 : -1;
}

/* First the best of 25 bandwidths that are a factor of sqrt(2) apart, then the best of 25 around it, and of
 * 25 around that one, 0.3 % apart. Unlike a descent, this does not stop in the first of several valleys. */
static inline int kde_find_bandwidth(kde *k)
{
    kde_sweep s = {1 / (KDE_WIDEST * KDE_WIDEST), 0};
    double precision;
    if (kde_try(k, &s)) return -1;
    precision = 1 / (k->bandwidth * k->bandwidth);
    s.precision = precision / 2, s.step = 1.5 * precision / (KDE_LEVELS - 1); /* to twice the precision */
    if (kde_try(k, &s)) return -1;
    precision = 1 / (k->bandwidth * k->bandwidth);
    s.precision = precision - s.step,
    s.step = 2 * s.step / (KDE_LEVELS - 1); /* from one neighbour to the other */
    return kde_try(k, &s);
}

/* ---- fits ---- */

/* mean and map are freed with k, or at once on failure: -1, without memory or without rows. */
static inline int kde_fit_mapped(kde *k, const double *x, const size_t *kind, size_t n, size_t dim,
                                 double *mean, double *map, int diagonal, double log_volume, uint64_t seed)
{
    itd_rng rng = itd_rng_make(seed, KDE_STREAM);
    size_t *order = n <= SIZE_MAX / sizeof *order ? (size_t *)malloc(n * sizeof *order) : NULL;
    memset(k, 0, sizeof *k);
    k->dim = dim, k->of = n, k->rows = kde_at_most(n, kde_max_rows(dim));
    k->mean = mean, k->map = map, k->diagonal = diagonal, k->log_volume = log_volume;
    k->x = kde_doubles(k->rows, dim);
    k->kind = kind ? (size_t *)malloc(k->rows * sizeof *k->kind) : NULL;
    if (!order || !k->x || (kind && !k->kind) || n == 0 || dim == 0) {
        free(order);
        kde_free(k);
        return -1;
    }
    for (size_t i = 0; i < n; i++) order[i] = i;
    itd_rng_shuffle(&rng, n, order);
    for (size_t i = 0; i < k->rows; i++) kde_coordinates(k, x + order[i] * dim, k->x + i * dim);
    for (size_t i = 0; kind && i < k->rows; i++) k->kind[i] = kind[order[i]];
    free(order);
    if (kde_find_bandwidth(k) == 0) return 0;
    kde_free(k);
    return -1;
}

/* Rows in coordinates in which their spread is about 1. log_volume = log |det| of what maps them back to the
 * units of -log p. */
static inline int kde_fit(kde *k, const double *x /* (n,dim) */, size_t n, size_t dim, double log_volume,
                          uint64_t seed)
{
    return kde_fit_mapped(k, x, NULL, n, dim, NULL, NULL, 0, log_volume, seed);
}

/* Each column less its mean, divided by its (biased) standard deviation, if it has any. kind: or NULL. */
static inline int kde_fit_standardized(kde *k, const double *x /* (n,dim) */, const size_t *kind /* (n) */,
                                       size_t n, size_t dim, uint64_t seed)
{
    double *mean = kde_doubles(dim, 1), *map = kde_doubles(dim, 1), log_volume = 0;
    for (size_t c = 0; mean && map && c < dim; c++) {
        double square = 0, std;
        for (size_t i = 0; i < n; i++) mean[c] += (x[i * dim + c] - x[c]) / (double)n;
        mean[c] += n ? x[c] : 0; /* after differences, so that a constant column has exactly its mean */
        for (size_t i = 0; i < n; i++) square += (x[i * dim + c] - mean[c]) * (x[i * dim + c] - mean[c]);
        std = square > 0 ? sqrt(square / (double)n) : 1;
        map[c] = 1 / std;
        log_volume += log(std);
    }
    if (mean && map) return kde_fit_mapped(k, x, kind, n, dim, mean, map, 1, log_volume, seed);
    free(mean), free(map);
    memset(k, 0, sizeof *k);
    return -1;
}

static inline int kde_fit_whitened(kde *k, const double *x /* (n,dim) */, const size_t *kind /* (n) */,
                                   size_t n, size_t dim, const kde_whitening *w, uint64_t seed)
{
    double *mean = kde_doubles(dim, 1), *map = kde_doubles(dim, dim);
    int failed = -1;
    if (mean && map) {
        memcpy(mean, w->mean, dim * sizeof *mean);
        for (size_t i = 0; i < dim * dim; i++) map[i] = w->whiten[i] / w->scale[i % dim];
        failed = kde_fit_mapped(k, x, kind, n, dim, mean, map, 0, w->log_volume, seed);
    } else {
        free(mean), free(map);
        memset(k, 0, sizeof *k);
    }
    k->whitened = !failed;
    return failed;
}

/* The one of the two whose leave-one-out -log p is smaller. Rows are in the user's units, and so is -log p.
 * Returns -1 without memory or without rows. */
static inline int kde_fit_better(kde *k, const double *x /* (n,dim) */, const size_t *kind /* (n) */,
                                 size_t n, size_t dim, const kde_whitening *whitening, uint64_t seed)
{
    kde whitened;
    if (kde_fit_standardized(k, x, kind, n, dim, seed)) return -1;
    if (kde_fit_whitened(&whitened, x, kind, n, dim, whitening, seed)) {
        kde_free(k);
        return -1;
    }
    if (whitened.loo_nll < k->loo_nll) {
        kde t = *k;
        *k = whitened, whitened = t;
    }
    kde_free(&whitened);
    return 0;
}

#endif
