/* eigen.h: the eigenvalues and eigenvectors of a large symmetric matrix, as the covariance of images is one.
 * Of a few dozen rows itd_eigen_symmetric is faster, and more exact for small eigenvalues.
 *
 *     if (!eigen_large(n, a, lambda, vectors)) ...            no memory; a is destroyed
 *
 * Three steps, in which products of large matrices (products.h) do most of the work:
 *   - reflections make A tridiagonal, A = Q T Q^T, some columns at a time (Dongarra, Sorensen & Hammarling,
 *     1989);
 *   - T is divided into two halves and a correction of rank one, whose eigenproblem, given those of the
 *     halves, is an equation for each eigenvalue (Cuppen 1981; Gu & Eisenstat, "A Divide-and-Conquer
 *     Algorithm for the Symmetric Tridiagonal Eigenproblem", 1995);
 *   - Q is applied to the eigenvectors of T, many reflections at once.
 * Errors are some 1e-15 n of the largest eigenvalue.
 *
 * Include the implementation of itdiff.h before this file. */
#ifndef EIGEN_H
#define EIGEN_H

#include "products.h"

#include <float.h>
#include <math.h>

enum {
    EIGEN_PANEL = 32,
    EIGEN_BLOCK = 64,
    EIGEN_LEAF = 32
}; /* reflections in a panel, in a block; rows of a leaf */

/* ---- A -> T ---- */

/* The reflection I - v v^T that turns x (n) into (out, 0, ..., 0); v takes the place of x. */
static inline double eigen_reflector(double *x, size_t n)
{
    double squares = 0;
    for (size_t i = 0; i < n; i++) squares += x[i] * x[i];
    if (!(squares > 0)) return 0;
    double out = x[0] > 0 ? -sqrt(squares) : sqrt(squares);
    double scale = 1 / sqrt(squares - x[0] * out); /* v^T v = 2 */
    x[0] -= out;
    for (size_t i = 0; i < n; i++) x[i] *= scale;
    return out;
}

/* Eight sums, so that an addition need not wait for the one before. */
static inline double eigen_dot(const double *x, const double *y, size_t n)
{
    double sum[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    size_t i;
    for (i = 0; i + 8 <= n; i += 8)
        for (size_t k = 0; k < 8; k++) sum[k] += x[i + k] * y[i + k];
    for (; i < n; i++) sum[0] += x[i] * y[i];
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

static inline void eigen_subtract(double *x, double factor, const double *y, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] -= factor * y[i];
}

/* Column `at` of T, which is column j of its panel. The reflections before it in the panel, v w^T + w v^T
 * each, are not yet in A but in the rows v[i], w[i]. With p = A v, the next A is A - v w^T - w v^T, w = p -
 * (p^T v) v / 2. */
static inline void eigen_reflect_column(size_t n, size_t at, size_t j, double *a, double *v, double *w,
                                        double *diagonal, double *off)
{
    double *row = a + at * n, *own_v = v + j * n, *own_w = w + j * n;
    ptrdiff_t r, first = (ptrdiff_t)at + 1, end = (ptrdiff_t)n;
    size_t rows = n - at - 1;
    for (size_t i = 0; i < j; i++) {
        eigen_subtract(row + at, v[i * n + at], w + i * n + at, n - at);
        eigen_subtract(row + at, w[i * n + at], v + i * n + at, n - at);
    }
    diagonal[at] = row[at];
    for (size_t i = 0; i < n; i++) own_v[i] = own_w[i] = 0;
    if (!rows) return;
    off[at] = eigen_reflector(row + first, rows);
    memcpy(own_v + first, row + first, rows * sizeof *row);
#if defined(_OPENMP)
#pragma omp parallel for schedule(static) if (rows > 128)
#endif
    for (r = first; r < end; r++) own_w[r] = eigen_dot(a + (size_t)r * n + first, own_v + first, rows);
    for (size_t i = 0; i < j; i++) {
        double along_w = eigen_dot(w + i * n + first, own_v + first, rows);
        double along_v = eigen_dot(v + i * n + first, own_v + first, rows);
        eigen_subtract(own_w + first, along_w, v + i * n + first, rows);
        eigen_subtract(own_w + first, along_v, w + i * n + first, rows);
    }
    eigen_subtract(own_w + first, 0.5 * eigen_dot(own_w + first, own_v + first, rows), own_v + first, rows);
}

/* A = Q T Q^T: T has `diagonal` and, beside it, `off`; row k of a keeps the k-th reflector of Q behind the
 * diagonal. */
static inline int eigen_tridiagonalize(size_t n, double *a, double *diagonal, double *off)
{
    double *v = (double *)calloc(2 * EIGEN_PANEL, n * sizeof *v), *w = v ? v + EIGEN_PANEL * n : NULL;
    int enough = v != NULL;
    for (size_t start = 0; enough && start < n; start += EIGEN_PANEL) {
        size_t width = n - start < EIGEN_PANEL ? n - start : EIGEN_PANEL, next = start + width,
               rest = n - next;
        for (size_t j = 0; j < width; j++) eigen_reflect_column(n, start + j, j, a, v, w, diagonal, off);
        enough = !rest ||
                 (product_add(rest, rest, width, -1, v + next, n, w + next, n, 0, a + next * n + next, n) &&
                  product_add(rest, rest, width, -1, w + next, n, v + next, n, 0, a + next * n + next, n));
    }
    free(v);
    return enough;
}

/* ---- T -> eigenvalues and eigenvectors ---- */

/* D + rho z z^T with ascending d, no two of them equal, and no z of zero. Root j of f(x) = 1 + rho Sum_i
 * z_i^2 / (d_i - x) lies above d_j; it is told by its distance from the nearest d, `pole`, since it may be
 * much closer to that than a double can say. Between two poles f is replaced by a function with the same
 * value and slopes, c + p / (d_j - x) + q / (d_j+1 - x) (Li, "Solving Secular Equations Stably and
 * Efficiently", 1993); where that leads out of the bracket it is halved instead. */
static inline double eigen_root(size_t k, size_t j, const double *d, const double *z, double rho,
                                size_t *pole)
{
    size_t split = j + 1 < k ? j : k > 1 ? k - 2 : 0; /* the left one of the two poles of the step */
    double low = 0, high = 0, x, norm = 0, f = 1;
    for (size_t i = 0; i < k; i++) norm += z[i] * z[i];
    *pole = j, high = rho * norm;
    if (j + 1 < k) {
        double half = 0.5 * (d[j + 1] - d[j]);
        for (size_t i = 0; i < k; i++) f += rho * z[i] * (z[i] / ((d[i] - d[j]) - half));
        if (f < 0) *pole = j + 1, low = -half, high = 0;
        else high = half;
    }
    x = 0.5 * (low + high);
    for (int step = 0; step < 200; step++) {
        double psi = 0, phi = 0, slope_psi = 0, slope_phi = 0, base = d[*pole];
        for (size_t i = 0; i <= split; i++) {
            double t = z[i] / ((d[i] - base) - x);
            psi += rho * z[i] * t, slope_psi += rho * t * t;
        }
        for (size_t i = split + 1; i < k; i++) {
            double t = z[i] / ((d[i] - base) - x);
            phi += rho * z[i] * t, slope_phi += rho * t * t;
        }
        f = 1 + psi + phi;
        if (fabs(f) <= DBL_EPSILON * (double)k * (1 + fabs(psi) + fabs(phi))) break;
        if (f < 0) low = x;
        else high = x;
        if (high - low <= 2 * DBL_EPSILON * fmax(fabs(low), fabs(high))) break;
        double left = (d[split] - base) - x, right = k > 1 ? (d[split + 1] - base) - x : 0;
        double a = (left + right) * f - left * right * (slope_psi + slope_phi), b = left * right * f;
        double c = f - left * slope_psi - right * slope_phi, root = sqrt(fabs(a * a - 4 * b * c)), move;
        if (j + 1 < k) move = a <= 0 ? (a - root) / (2 * c) : 2 * b / (a + root);
        else move = a >= 0 ? (a + root) / (2 * fabs(c)) : 2 * b / (a - root);
        x = x + move > low && x + move < high ? x + move : 0.5 * (low + high);
    }
    return x;
}

/* What a merge works on, of n rows in all. */
typedef struct eigen_work {
    double *d, *z, *root; /* (n) poles and vector of the kept rows; distance of a root from its pole, */
    size_t *pole;         /* (n) and that */
    size_t *order, *kept, *slot; /* (n) rows by d; rows that are kept, by d; where in `u` a kept row is */
    unsigned char *side;         /* (n) columns in which a row is not zero: 1 left, 2 right, 3 both */
    double *u, *rows, *merged;   /* (n,n) each */
    const double *key;           /* what `order` is sorted by */
} eigen_work;

/* Sorts by merging runs, ascending. */
static inline void eigen_sort(const double *key, size_t *order, size_t n, size_t *spare)
{
    if (n < 2) return;
    size_t half = n / 2, i = 0, j = half, k = 0;
    eigen_sort(key, order, half, spare), eigen_sort(key, order + half, n - half, spare);
    while (i < half || j < n)
        spare[k++] = j == n || (i < half && key[order[i]] <= key[order[j]]) ? order[i++] : order[j++];
    memcpy(order, spare, n * sizeof *order);
}

/* Rows x and y turned so that y has all of z, and x none. */
static inline void eigen_turn(size_t n, double c, double s, double *x, double *y)
{
    for (size_t i = 0; i < n; i++) {
        double t = c * x[i] + s * y[i];
        y[i] = c * y[i] - s * x[i];
        x[i] = t;
    }
}

/* Sets rows aside that stay what they are: those with no part in z, and one of two with nearly the same d.
 * Returns how many are kept, in order of d; the others follow them in `kept`. */
static inline size_t eigen_deflate(size_t n, double rho, double *d, double *z, double *vectors, size_t stride,
                                   eigen_work *w)
{
    double largest = 0, tolerance;
    size_t kept = 0, aside = n, last = n; /* last: a row that may yet be set aside by the next */
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fmax(fabs(d[i]), fabs(z[i])));
    tolerance = 8 * DBL_EPSILON * largest;
    for (size_t k = 0; k < n; k++) {
        size_t i = w->order[k];
        if (rho * fabs(z[i]) <= tolerance) {
            w->slot[--aside] = i;
            continue;
        }
        if (last < n) {
            double length = sqrt(z[i] * z[i] + z[last] * z[last]), c = z[i] / length, s = -z[last] / length;
            if (fabs((d[i] - d[last]) * c * s) <= tolerance) {
                double t = d[last] * c * c + d[i] * s * s;
                eigen_turn(n, c, s, vectors + last * stride, vectors + i * stride);
                d[i] = d[last] * s * s + d[i] * c * c, d[last] = t, z[i] = length, z[last] = 0;
                w->side[i] = w->side[last] = w->side[i] | w->side[last];
                w->slot[--aside] = last;
            } else {
                w->kept[kept++] = last;
            }
        }
        last = i;
    }
    if (last < n) w->kept[kept++] = last;
    memcpy(w->kept + kept, w->slot + aside, (n - kept) * sizeof *w->kept);
    return kept;
}

/* The eigenvectors of D + rho z z^T, as columns of u whose rows are in the order of `slot`. z is replaced by
 * the vector for which the roots as found are exact; that keeps the eigenvectors orthogonal. */
static inline void eigen_solve(size_t k, double rho, eigen_work *w)
{
    ptrdiff_t row, rows = (ptrdiff_t)k;
#if defined(_OPENMP)
#pragma omp parallel for schedule(static) if (k > 64)
#endif
    for (row = 0; row < rows; row++) {
        size_t j = (size_t)row;
        w->root[j] = eigen_root(k, j, w->d, w->z, rho, &w->pole[j]);
    }
#if defined(_OPENMP)
#pragma omp parallel for schedule(static) if (k > 64)
#endif
    for (row = 0; row < rows; row++) {
        size_t i = (size_t)row;
        double *u = w->u + w->slot[i] * k, product = 1;
        for (size_t j = 0; j < k; j++) {
            u[j] = (w->d[i] - w->d[w->pole[j]]) - w->root[j];
            product *= j == i ? u[j] : u[j] / (w->d[i] - w->d[j]);
        }
        double z = w->z[i] < 0 ? -sqrt(fabs(product)) : sqrt(fabs(product));
        for (size_t j = 0; j < k; j++) u[j] = z / u[j];
    }
    for (size_t j = 0; j < k; j++) w->merged[j] = 0; /* for a moment the squares of the columns */
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < k; j++) w->merged[j] += w->u[i * k + j] * w->u[i * k + j];
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < k; j++) w->u[i * k + j] /= sqrt(w->merged[j]);
}

/* In u, kept rows with nothing on the right come first, then those with both sides, then those on the
   right. */
static inline void eigen_set_slots(size_t k, eigen_work *w, size_t count[4])
{
    static const unsigned char sides[] = {1, 3, 2};
    size_t slot = 0;
    memset(count, 0, 4 * sizeof *count);
    for (size_t s = 0; s < 3; s++)
        for (size_t i = 0; i < k; i++)
            if (w->side[w->kept[i]] == sides[s]) w->slot[i] = slot++, count[sides[s]]++;
}

/* The eigenvectors of both halves, rows of `vectors`, become those of the whole: rows of merged = u^T rows,
 * in which the left columns need not see rows that are zero there, nor the right ones. */
static inline int eigen_combine(size_t n, size_t left, size_t k, const size_t count[4], const double *vectors,
                                size_t stride, eigen_work *w)
{
    size_t both = count[1] + count[3], right = count[3] + count[2];
    for (size_t i = 0; i < k; i++)
        memcpy(w->rows + w->slot[i] * n, vectors + w->kept[i] * stride, n * sizeof *vectors);
    memset(w->merged, 0, k * n * sizeof *w->merged);
    for (size_t i = k; i < n; i++)
        memcpy(w->merged + i * n, vectors + w->kept[i] * stride, n * sizeof *vectors);
    return product_add(k, left, both, 1, w->u, k, w->rows, n, 0, w->merged, n) &&
           product_add(k, n - left, right, 1, w->u + count[1] * k, k, w->rows + count[1] * n + left, n, 0,
                       w->merged + left, n);
}

/* T without the element `beside` in row left - 1, whose halves are solved, and with it. */
static inline int eigen_merge(size_t n, size_t left, double beside, double *d, double *vectors, size_t stride,
                              eigen_work *w)
{
    double rho = 2 * fabs(beside), *z = w->rows; /* for a moment */
    size_t k, count[4];
    for (size_t i = 0; i < n; i++) {
        z[i] = vectors[i * stride + (i < left ? left - 1 : left)] * (i < left || beside > 0 ? 1 : -1) /
               sqrt(2.0);
        w->order[i] = i, w->side[i] = i < left ? 1 : 2;
    }
    eigen_sort(d, w->order, n, w->slot);
    k = eigen_deflate(n, rho, d, z, vectors, stride, w);
    for (size_t i = 0; i < k; i++) w->d[i] = d[w->kept[i]], w->z[i] = z[w->kept[i]];
    for (size_t i = k; i < n; i++) w->d[i] = d[w->kept[i]];
    eigen_set_slots(k, w, count);
    eigen_solve(k, rho, w);
    if (!eigen_combine(n, left, k, count, vectors, stride, w)) return 0;
    for (size_t j = 0; j < k; j++) w->z[j] = w->d[w->pole[j]] + w->root[j];
    for (size_t j = k; j < n; j++) w->z[j] = w->d[j];
    for (size_t i = 0; i < n; i++) w->order[i] = i;
    eigen_sort(w->z, w->order, n, w->slot);
    for (size_t i = 0; i < n; i++) {
        d[i] = w->z[w->order[i]];
        memcpy(vectors + i * stride, w->merged + w->order[i] * n, n * sizeof *vectors);
    }
    return 1;
}

/* A few rows, as a dense matrix. */
static inline int eigen_leaf(size_t n, double *d, const double *off, double *vectors, size_t stride)
{
    double a[EIGEN_LEAF * EIGEN_LEAF], own[EIGEN_LEAF * EIGEN_LEAF], lambda[EIGEN_LEAF];
    memset(a, 0, sizeof a);
    for (size_t i = 0; i < n; i++) {
        a[i * n + i] = d[i];
        if (i + 1 < n) a[i * n + i + 1] = a[(i + 1) * n + i] = off[i];
    }
    if (itd_eigen_symmetric(n, a, lambda, own) != ITD_OK) return 0;
    for (size_t i = 0; i < n; i++) {
        d[i] = lambda[n - 1 - i];
        memcpy(vectors + i * stride, own + (n - 1 - i) * n, n * sizeof *own);
    }
    return 1;
}

/* d: the diagonal, then the eigenvalues, ascending. vectors: zeros, then the eigenvectors as rows. */
static inline int eigen_divide(size_t n, double *d, const double *off, double *vectors, size_t stride,
                               eigen_work *w)
{
    size_t left = n / 2;
    if (n <= EIGEN_LEAF) return eigen_leaf(n, d, off, vectors, stride);
    double beside = off[left - 1];
    d[left - 1] -= fabs(beside), d[left] -= fabs(beside);
    return eigen_divide(left, d, off, vectors, stride, w) &&
           eigen_divide(n - left, d + left, off + left, vectors + left * stride + left, stride, w) &&
           eigen_merge(n, left, beside, d, vectors, stride, w);
}

/* ---- eigenvectors of T -> those of A ---- */

static inline void eigen_transpose(size_t n, double *x)
{
    enum { TILE = 32 };
    for (size_t y = 0; y < n; y += TILE)
        for (size_t z = y; z < n; z += TILE)
            for (size_t i = y; i < n && i < y + TILE; i++)
                for (size_t j = i < z ? z : i + 1; j < n && j < z + TILE; j++) {
                    double t = x[i * n + j];
                    x[i * n + j] = x[j * n + i], x[j * n + i] = t;
                }
}

/* (width,width) The product of the reflections v (width,n) is I - v^T t v. */
static inline void eigen_factor(size_t width, size_t n, const double *v, double *t)
{
    for (size_t i = 0; i < width; i++) {
        double along[EIGEN_BLOCK];
        for (size_t j = 0; j < width; j++) t[i * width + j] = i == j;
        for (size_t j = 0; j < i; j++) along[j] = eigen_dot(v + j * n, v + i * n, n);
        for (size_t j = 0; j < i; j++) {
            t[j * width + i] = 0;
            for (size_t k = j; k < i; k++) t[j * width + i] -= t[j * width + k] * along[k];
        }
    }
}

/* x (n,n), whose columns are the eigenvectors of T, becomes Q x, a block of reflections at a time. */
static inline int eigen_apply(size_t n, const double *a, double *x)
{
    double *v = (double *)malloc(4 * EIGEN_BLOCK * n * sizeof *v), t[EIGEN_BLOCK * EIGEN_BLOCK];
    if (!v) return 0;
    double *v_columns = v + EIGEN_BLOCK * n, *along = v_columns + EIGEN_BLOCK * n,
           *turned = along + EIGEN_BLOCK * n;
    int enough = 1;
    for (size_t block = (n + EIGEN_BLOCK - 1) / EIGEN_BLOCK; enough && block-- > 0;) {
        size_t start = block * EIGEN_BLOCK, width = n - start < EIGEN_BLOCK ? n - start : EIGEN_BLOCK;
        for (size_t i = 0; i < width; i++)
            for (size_t j = 0; j < n; j++) {
                v[i * n + j] = j > start + i ? a[(start + i) * n + j] : 0;
                v_columns[j * width + i] = v[i * n + j];
            }
        eigen_factor(width, n, v, t);
        memset(along, 0, width * n * sizeof *along);
        enough = product_add(n, width, n - start, 1, x + start * n, n, v_columns + start * width, width, 0,
                             along, width);
        for (size_t i = 0; i < width; i++)
            for (size_t j = 0; j < n; j++) {
                turned[i * n + j] = 0;
                for (size_t k = i; k < width; k++)
                    turned[i * n + j] += t[i * width + k] * along[j * width + k];
            }
        enough = enough && product_add(n - start, n, width, -1, v + start, n, turned, n, 0, x + start * n, n);
    }
    free(v);
    return enough;
}

/* ---- all of it ---- */

static inline int eigen_alloc(size_t n, eigen_work *w)
{
    memset(w, 0, sizeof *w);
    w->d = (double *)malloc(3 * n * sizeof *w->d);
    w->pole = (size_t *)malloc(4 * n * sizeof *w->pole);
    w->side = (unsigned char *)malloc(n);
    w->u = (double *)malloc(n * n * sizeof *w->u), w->rows = (double *)malloc(n * n * sizeof *w->rows);
    w->merged = (double *)malloc(n * n * sizeof *w->merged);
    if (!w->d || !w->pole || !w->side || !w->u || !w->rows || !w->merged) return 0;
    w->z = w->d + n, w->root = w->z + n;
    w->order = w->pole + n, w->kept = w->order + n, w->slot = w->kept + n;
    return 1;
}

static inline void eigen_free(eigen_work *w)
{
    free(w->d), free(w->pole), free(w->side), free(w->u), free(w->rows), free(w->merged);
}

/* Eigenvalues, descending, and eigenvectors (rows) of a symmetric matrix of finite numbers, which is
 * destroyed. False if there is no memory. */
static inline int eigen_large(size_t n, double *a /* (n,n) */, double *lambda /* (n) */,
                              double *vectors /* (n,n) */)
{
    double largest = 0, *off = (double *)calloc(n, sizeof *off);
    eigen_work w;
    int enough = eigen_alloc(n, &w) && off;
    for (size_t i = 0; i < n * n; i++) largest = fmax(largest, fabs(a[i])), vectors[i] = 0;
    for (size_t i = 0; i < n * n && largest > 0; i++)
        a[i] /= largest; /* squares neither overflow nor vanish */
    enough = enough && eigen_tridiagonalize(n, a, lambda, off) &&
             eigen_divide(n, lambda, off, vectors, n, &w);
    eigen_free(&w), free(off);
    if (!enough) return 0;
    eigen_transpose(n, vectors);
    enough = eigen_apply(n, a, vectors);
    eigen_transpose(n, vectors);
    for (size_t i = 0; i < n; i++) lambda[i] *= largest;
    for (size_t i = 0; i < n / 2; i++) { /* descending */
        double t = lambda[i], *x = vectors + i * n, *y = vectors + (n - 1 - i) * n;
        lambda[i] = lambda[n - 1 - i], lambda[n - 1 - i] = t;
        for (size_t j = 0; j < n; j++) t = x[j], x[j] = y[j], y[j] = t;
    }
    return enough;
}

#endif
