/* grid.h: data whose values lie on a grid, as the bytes of an image do, with nothing but itdiff.h.
 *
 *     grid g = {-1, 1, 256};                                 256 values from -1 to 1
 *     grid_variants_create(&denoiser, &g, &v);
 *     itd_denoiser den[] = {grid_unrounded(v), grid_rounded(v)};
 *     itd_measure(den, 2, x, n, &desc, &draws);              the network is asked once for both
 *     grid_tails_create(&g, den, draws, x, &tails);
 *     size_t both[] = {0, 1};
 *     grid_nll(draws, &tails, 32, both, 2, &result, NULL, NULL);     -log P(x), by the better of the two
 *
 * DENOISERS MADE OF DENOISERS. From eps_hat follows x_hat = (z - sqrt(r) eps_hat) / sqrt(s), with s = s(a)
 * and r = s(-a). It may be moved into the grid's range or rounded to the grid before its error is taken, as
 * any function of z and a is a denoiser:
 *     grid_clamped         into the range
 *     grid_rounded         to the nearest value
 *     grid_softly_rounded  to the mean of the values b with weights exp(-(x_hat - b)^2 (1 + e^a) / 2)
 *     grid_observed        of z / sqrt(s) itself, without a network: the nearest value
 *
 * THE PROBABILITY OF A VALUE needs no reference density,
 *     -log P(x) = 1/2 Integral mse(x, a) da       over all log SNRs,
 * and is bounded from above, on average, by the error of any denoiser. Up to a log SNR b, where z begins to
 * tell the values apart, the error of the reference q is added and subtracted:
 *     1/2 Int_{-inf}^b mse_q + 1/2 Int_{a0}^b (mse - mse_q) + 1/2 Int_b^{a1} mse + what is above a1.
 * The first has a closed form: with lambda_i the eigenvalues of q, p_i the coordinates of x - mu along its
 * eigenvectors and g_i = s(b + log lambda_i), it is 1/2 Sum_i log(1 + lambda_i e^b) + g_i (p_i^2 / lambda_i
 * - 1). So below the schedule, from a0 down, the estimate is that of q; above it, the probability that the
 * nearest value is wrong is bounded.
 *
 * CHOICES. In each of some equally probable parts of the schedule, an ensemble uses the denoiser with the
 * smallest error there, which may be the reference. Errors of the points that a choice was made by would be
 * biased downwards, so half of the points choose for the other half.
 *
 * DEQUANTIZED rows have noise, uniform within half a step to each side, and with it a density: the mean of
 * its -log is an upper bound of that of -log P(x) + d log(step). */
#ifndef GRID_H
#define GRID_H

#ifndef ITDIFF_H
#include "itdiff.h" /* stands beside this file where it is installed */
#endif

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct grid { /* in the units of x, the same for every coordinate */
    double low, high;
    size_t count; /* >= 2 evenly spaced values from low to high */
} grid;

enum { GRID_MAX_WHITENED = 64 }; /* coordinates of a denoiser with `whiten` */

static inline bool grid_valid(const grid *g) { return g->count >= 2 && g->high > g->low; }

static inline double grid_step(const grid *g) { return (g->high - g->low) / (double)(g->count - 1); }

/* ---- values ---- */

static inline double grid_clamp(const grid *g, double x) { return fmin(fmax(x, g->low), g->high); }

/* The nearest value. */
static inline double grid_round(const grid *g, double x)
{
    double step = grid_step(g);
    return g->low + step * fmin(fmax(floor((x - g->low) / step + 0.5), 0), (double)(g->count - 1));
}

/* The mean of the values low + k step, for all whole k, with weights exp(-(x - value)^2 precision / 2),
 * moved into the range; or, as in the paper, of those on the grid alone. That pulls x_hat inwards wherever
 * its error is wider than the range, which at low log SNR is worse than not to round at all. The ratio of
 * one weight to the one before falls by the same factor at each step away from the nearest value. */
static inline double grid_round_softly(const grid *g, double x, double precision, bool grid_only)
{
    double step = grid_step(g), reach = 9 / sqrt(precision), most = (double)(g->count - 1);
    bool inside = x - reach > g->low && x + reach < g->high;
    if (reach > 13 * step && (inside || !grid_only)) return grid_clamp(g, x); /* the mean is x to 16 digits */
    double at = floor((x - g->low) / step + 0.5), sum = 1, first = 0;
    if (grid_only) at = fmin(fmax(at, 0), most);
    for (int side = -1; side <= 1; side += 2) {
        double away = (double)side * (x - g->low - at * step), weight = 1;
        double ratio = exp(precision * step * (away - 0.5 * step)), fall = exp(-precision * step * step);
        double last = !grid_only ? HUGE_VAL : side < 0 ? at : most - at;
        for (double k = 1; k <= last && weight * ratio > 1e-17; k++, ratio *= fall) {
            weight *= ratio;
            sum += weight, first += (double)side * k * weight;
        }
    }
    return grid_clamp(g, g->low + step * (at + first / sum));
}

/* n rows of dim numbers with noise uniform within half a step. The stream is named "grid", see datasets.h. */
static inline void grid_dequantize(const grid *g, uint64_t seed, const float *x, size_t n, size_t dim,
                                   float *out /* (n,dim) */)
{
    itd_rng rng = itd_rng_make(seed, (uint64_t)0x67726964 << 32);
    double step = grid_step(g);
    for (size_t i = 0; i < n * dim; i++) out[i] = (float)(x[i] + step * (itd_rng_uniform(&rng) - 0.5));
}

/* ---- denoisers made of denoisers ---- */

typedef enum grid_way {
    GRID_UNROUNDED,
    GRID_CLAMPED,
    GRID_ROUNDED,
    GRID_ROUNDED_SOFTLY,
    GRID_ROUNDED_ON_GRID, /* softly, by the values on the grid alone */
    GRID_OBSERVED,
    GRID_WAYS
} grid_way;

typedef struct grid_variants grid_variants;

typedef struct grid_variant { /* what a denoiser has as its ctx */
    grid_variants *all;
    grid_way way;
} grid_variant;

/* The variants of one denoiser are asked about the same rows one after the other; its last answer is kept. */
struct grid_variants {
    grid g;
    itd_denoiser base; /* borrowed */
    grid_variant variant[GRID_WAYS];
    float *z, *eps_hat, *logsnr; /* (capacity,dim), (capacity,dim), (capacity): the last call, of n rows */
    size_t n, capacity;
};

static inline void grid_variants_free(grid_variants *v)
{
    if (!v) return;
    free(v->z), free(v->eps_hat), free(v->logsnr), free(v);
}

static inline itd_result grid_variants_create(const itd_denoiser *base, const grid *g, grid_variants **out)
{
    if (!grid_valid(g) || (base->whiten && base->dim > GRID_MAX_WHITENED)) return ITD_ERROR_ARGUMENT;
    grid_variants *v = (grid_variants *)calloc(1, sizeof *v);
    if (!v) return ITD_ERROR_MEMORY;
    v->g = *g, v->base = *base;
    for (int way = 0; way < GRID_WAYS; way++) v->variant[way].all = v, v->variant[way].way = (grid_way)way;
    *out = v;
    return ITD_OK;
}

/* Asks the denoiser, unless these are the rows that it was asked about last. */
static inline itd_result grid_base_predict(grid_variants *v, const float *z, const float *logsnr, size_t n)
{
    size_t d = v->base.dim;
    if (n == v->n && !memcmp(z, v->z, n * d * sizeof *z) && !memcmp(logsnr, v->logsnr, n * sizeof *logsnr))
        return ITD_OK;
    v->n = 0;
    if (n > v->capacity) {
        free(v->z), free(v->eps_hat), free(v->logsnr), v->capacity = 0;
        v->z = (float *)calloc(n, d * sizeof *v->z), v->eps_hat = (float *)calloc(n, d * sizeof *v->z);
        v->logsnr = (float *)calloc(n, sizeof *v->logsnr);
        if (!v->z || !v->eps_hat || !v->logsnr) return ITD_ERROR_MEMORY;
        v->capacity = n;
    }
    itd_result result = v->base.predict(v->base.ctx, z, logsnr, n, v->eps_hat);
    if (result != ITD_OK) return result;
    memcpy(v->z, z, n * d * sizeof *z), memcpy(v->logsnr, logsnr, n * sizeof *logsnr);
    v->n = n;
    return ITD_OK;
}

/* How far a unit of noise in the denoiser's coordinates moves coordinate j of x. */
static inline double grid_spread(const itd_denoiser *den, size_t j)
{
    double square = 0;
    if (!den->color) return den->scale ? den->scale[j] : 1;
    for (size_t k = 0; k < den->dim; k++)
        square += den->color[j * den->dim + k] * den->color[j * den->dim + k];
    return sqrt(square);
}

static inline double grid_move(const grid *g, grid_way way, double x, double precision)
{
    if (way == GRID_CLAMPED) return grid_clamp(g, x);
    if (way == GRID_ROUNDED || way == GRID_OBSERVED) return grid_round(g, x);
    return grid_round_softly(g, x, precision, way == GRID_ROUNDED_ON_GRID);
}

/* One row: eps_hat is that of the denoiser, zero for GRID_OBSERVED, and becomes that of the variant. */
static inline void grid_move_row(const grid_variants *v, grid_way way, const float *z, double a,
                                 float *eps_hat)
{
    const itd_denoiser *den = &v->base;
    size_t d = den->dim, few = den->whiten ? d : 0;
    double root = sqrt(itd_sigmoid(a)), noise = sqrt(itd_sigmoid(-a)), y[GRID_MAX_WHITENED],
           x[GRID_MAX_WHITENED];
    for (size_t j = 0; j < few; j++) y[j] = (z[j] - noise * eps_hat[j]) / root;
    for (size_t j = 0; j < d; j++) {
        double spread = grid_spread(den, j), mean = den->mean ? den->mean[j] : 0, x_hat = mean;
        if (!few) x_hat += spread * (z[j] - noise * eps_hat[j]) / root;
        for (size_t k = 0; k < few; k++) x_hat += den->color[j * d + k] * y[k];
        x_hat = grid_move(&v->g, way, x_hat, (1 + exp(a)) / (spread * spread)) - mean;
        if (few) x[j] = x_hat;
        else eps_hat[j] = (float)((z[j] - root * x_hat / spread) / noise);
    }
    for (size_t j = 0; j < few; j++) {
        double moved = 0;
        for (size_t k = 0; k < d; k++) moved += den->whiten[j * d + k] * x[k];
        eps_hat[j] = (float)((z[j] - root * moved) / noise);
    }
}

static inline itd_result grid_predict(void *ctx, const float *z, const float *logsnr, size_t n,
                                      float *eps_hat)
{
    const grid_variant *variant = (const grid_variant *)ctx;
    grid_variants *v = variant->all;
    grid_way way = variant->way;
    size_t d = v->base.dim;
    ptrdiff_t row, rows = (ptrdiff_t)n;
    if (way != GRID_OBSERVED) {
        itd_result result = grid_base_predict(v, z, logsnr, n);
        if (result != ITD_OK) return result;
        memcpy(eps_hat, v->eps_hat, n * d * sizeof *eps_hat);
    } else {
        memset(eps_hat, 0, n * d * sizeof *eps_hat);
    }
    if (way == GRID_UNROUNDED) return ITD_OK;
#if defined(_OPENMP)
#pragma omp parallel for schedule(static) if (n * d > 4096)
#endif
    for (row = 0; row < rows; row++) {
        size_t at = (size_t)row * d;
        grid_move_row(v, way, z + at, logsnr[row], eps_hat + at);
    }
    return ITD_OK;
}

static inline itd_denoiser grid_denoiser(grid_variants *v, grid_way way)
{
    itd_denoiser den = v->base;
    den.ctx = &v->variant[way], den.predict = grid_predict;
    return den;
}

/* These borrow v. */
static inline itd_denoiser grid_unrounded(grid_variants *v) { return grid_denoiser(v, GRID_UNROUNDED); }
static inline itd_denoiser grid_clamped(grid_variants *v) { return grid_denoiser(v, GRID_CLAMPED); }
static inline itd_denoiser grid_rounded(grid_variants *v) { return grid_denoiser(v, GRID_ROUNDED); }
static inline itd_denoiser grid_observed(grid_variants *v) { return grid_denoiser(v, GRID_OBSERVED); }
/* grid_only: as the paper has it, by the values of the grid alone. */
static inline itd_denoiser grid_softly_rounded(grid_variants *v, bool grid_only)
{
    return grid_denoiser(v, grid_only ? GRID_ROUNDED_ON_GRID : GRID_ROUNDED_SOFTLY);
}

/* ---- what lies outside of the schedule ---- */

typedef struct grid_tails { /* of a discrete likelihood */
    double border;          /* log SNR where z begins to tell the values apart */
    double *below;          /* (n) 1/2 Integral mse_q(x, a) da from -infinity to the border, nats */
    double above;           /* bound on what the rounded z misses above the schedule, nats */
} grid_tails;

static inline void grid_tails_free(grid_tails *t)
{
    free(t->below);
    t->below = NULL;
}

/* Where a step is three deviations of the noise, on average over the coordinates, if that is within the
 * schedule. */
static inline double grid_border(const grid *g, const itd_denoiser *den, const itd_schedule *s)
{
    double log_spread = 0, half = s->clip * s->scale;
    for (size_t j = 0; j < den->dim; j++) log_spread += log(grid_spread(den, j)) / (double)den->dim;
    return fmin(fmax(2 * (log(3 / grid_step(g)) + log_spread), s->loc - half), s->loc + half);
}

/* Above the schedule z rounds to a value j + 1/2 steps off with at most the probability of a normal variate
 * beyond j of them, j = 1/2, 3/2, ...; its square, times e^a, is integrated. Seen through a whitening map,
 * errors e of the coordinates are || W e ||^2 <= d Sum_i | column i of W |^2 e_i^2. */
static inline double grid_above(const grid *g, const itd_denoiser *den, const itd_schedule *s)
{
    double snr = exp(s->loc + s->clip * s->scale), sum = 0;
    for (size_t i = 0; i < den->dim; i++) {
        double spread = grid_spread(den, i), step = grid_step(g) / spread, factor = 0;
        for (size_t k = 0; den->whiten && k < den->dim; k++)
            factor += den->whiten[k * den->dim + i] * den->whiten[k * den->dim + i];
        factor = den->whiten ? (double)den->dim * factor * spread * spread : 1;
        for (double j = 0.5; j < (double)g->count; j++) {
            double term = 2 / j * exp(-0.5 * j * j * step * step * snr);
            sum += factor * term;
            if (term < 1e-20) break;
        }
    }
    return sum;
}

enum { GRID_TOGETHER = 16 }; /* rows that share a pass over the eigenvectors */

/* The closed form for some rows; centred (dim,GRID_TOGETHER): the rows less the mean, side by side. */
static inline void grid_below(const itd_gaussian *q, const double *centred, double border,
                              double *below /* (GRID_TOGETHER) */)
{
    size_t d = q->dim;
    for (size_t r = 0; r < GRID_TOGETHER; r++) below[r] = 0;
    for (size_t i = 0; i < d; i++) {
        double p[GRID_TOGETHER] = {0}, lambda = q->lambda[i], a = border + log(lambda), gain = itd_sigmoid(a);
        for (size_t j = q->vectors ? 0 : i; j < (q->vectors ? d : i + 1); j++) {
            double v = q->vectors ? q->vectors[i * d + j] : 1;
            for (size_t r = 0; r < GRID_TOGETHER; r++) p[r] += v * centred[j * GRID_TOGETHER + r];
        }
        for (size_t r = 0; r < GRID_TOGETHER; r++)
            below[r] += 0.5 * (fmax(a, 0) + log1p(exp(-fabs(a))) + gain * (p[r] * p[r] / lambda - 1));
    }
}

/* Of n rows, those of one block; false if there is no memory. */
static inline bool grid_below_block(const itd_denoiser *den, const itd_gaussian *q, const float *x, size_t n,
                                    double border, double *below /* (n) */)
{
    size_t d = q->dim;
    double *centred = (double *)calloc(d, GRID_TOGETHER * sizeof *centred), of_block[GRID_TOGETHER];
    float *y = (float *)calloc(n, d * sizeof *y);
    bool enough = centred && y;
    if (enough) {
        itd_to_coordinates(den, x, n, y);
        for (size_t r = 0; r < n; r++)
            for (size_t j = 0; j < d; j++) centred[j * GRID_TOGETHER + r] = y[r * d + j] - q->mean[j];
        grid_below(q, centred, border, of_block);
        memcpy(below, of_block, n * sizeof *below);
    }
    free(centred), free(y);
    return enough;
}

/* For the points x of the table; den is any of its denoisers. */
static inline itd_result grid_tails_create(const grid *g, const itd_denoiser *den, const itd_draws *draws,
                                           const float *x /* (n,dim) */, grid_tails *out)
{
    size_t d = den->dim, n = draws->n;
    ptrdiff_t block, blocks = (ptrdiff_t)((n + GRID_TOGETHER - 1) / GRID_TOGETHER), done = 0;
    grid_tails t = {0, NULL, 0};
    if (!grid_valid(g) || d != draws->gaussian.dim) return ITD_ERROR_ARGUMENT;
    t.below = (double *)calloc(n, sizeof *t.below);
    if (!t.below) return ITD_ERROR_MEMORY;
    t.border = grid_border(g, den, &draws->desc.schedule),
    t.above = grid_above(g, den, &draws->desc.schedule);
#if defined(_OPENMP)
#pragma omp parallel for schedule(dynamic, 1) reduction(+ : done) if (n * d > 4096)
#endif
    for (block = 0; block < blocks; block++) {
        size_t at = (size_t)block * GRID_TOGETHER, rows = n - at < GRID_TOGETHER ? n - at : GRID_TOGETHER;
        done += grid_below_block(den, &draws->gaussian, x + at * d, rows, t.border, t.below + at);
    }
    if (done < blocks) {
        grid_tails_free(&t);
        return ITD_ERROR_MEMORY;
    }
    *out = t;
    return ITD_OK;
}

/* ---- likelihoods by choice ---- */

/* The error of a denoiser of the table, or of the reference, which follows them. */
static inline double grid_error(const itd_draws *draws, size_t i, size_t column)
{
    size_t k = draws->denoisers;
    return column < k ? draws->error[i * k + column] : draws->reference[i];
}

/* The integrand at one draw: below the border, or for a density, less the mean error of the reference; and,
 * of the same mean, less what its error on the same noise is above that. */
static inline double grid_integrand(const itd_draws *draws, const grid_tails *tails, size_t i, size_t column,
                                    bool cancel)
{
    double f = grid_error(draws, i, column);
    if (!tails || draws->logsnr[i] <= tails->border) f -= draws->expected[i];
    if (cancel) f -= draws->reference[i] - draws->expected[i];
    return f;
}

/* Half of the points and one bin: the number of its cell. Half 0 has the even points. */
static inline size_t grid_place(const itd_draws *draws, size_t i, size_t bins, size_t half)
{
    size_t bin = (size_t)(draws->quantile[i] * (double)bins);
    return half * bins + (bin < bins ? bin : bins - 1);
}

/* The column with the smallest error in each cell, as an index of `column`. */
static inline itd_result grid_choose(const itd_draws *draws, size_t bins, const size_t *column, size_t m,
                                     size_t *best /* (2,bins) */)
{
    double *sum = (double *)calloc(2 * bins, m * sizeof *sum);
    if (!sum) return ITD_ERROR_MEMORY;
    for (size_t i = 0; i < draws->count; i++)
        for (size_t k = 0; k < m; k++)
            sum[grid_place(draws, i, bins, draws->point[i] % 2) * m + k] += draws->weight[i] *
                                                                            grid_error(draws, i, column[k]);
    for (size_t c = 0; c < 2 * bins; c++)
        for (size_t k = best[c] = 0; k < m; k++)
            if (sum[c * m + k] < sum[c * m + best[c]]) best[c] = k;
    free(sum);
    return ITD_OK;
}

/* Sums over the draws of a cell, with weights, for the straight line through the integrand over the log SNR
 * a; and without and with cancelling, sum and sum of squares of the weighted integrand. */
typedef struct grid_cell {
    double n, w, a, aa, f[2], af[2], square[2];
} grid_cell;

static inline bool grid_cell_cancels(const grid_cell *c)
{
    return c->n < 8 || c->square[1] - c->f[1] * c->f[1] / c->n < c->square[0] - c->f[0] * c->f[0] / c->n;
}

/* The line at a; 0 if there are too few draws to tell. */
static inline double grid_cell_line(const grid_cell *c, double a)
{
    int k = grid_cell_cancels(c);
    double width = c->aa - c->a * c->a / c->w;
    if (c->n < 8 || !(width > 0)) return 0;
    return c->f[k] / c->w + (c->af[k] - c->a * c->f[k] / c->w) / width * (a - c->a / c->w);
}

static inline void grid_fill_cells(const itd_draws *draws, const grid_tails *tails, size_t bins,
                                   const size_t *column, const size_t *best, grid_cell *cells)
{
    for (size_t i = 0; i < draws->count; i++) {
        size_t place = grid_place(draws, i, bins, draws->point[i] % 2);
        grid_cell *c = &cells[place];
        double w = draws->weight[i], a = draws->logsnr[i];
        c->n++, c->w += w, c->a += w * a, c->aa += w * a * a;
        for (int k = 0; k < 2; k++) {
            double f = w * grid_integrand(draws, tails, i, column[best[place]], k != 0);
            c->f[k] += f, c->af[k] += a * f, c->square[k] += f * f;
        }
    }
}

/* The integral over the schedule of a half's lines. */
static inline double grid_lines(const itd_schedule *s, const grid_cell *cells /* (bins) */, size_t bins)
{
    double sum = 0;
    for (size_t b = 0; b < bins; b++) {
        double low = itd_schedule_quantile(s, (double)b / (double)bins);
        double high = itd_schedule_quantile(s, (double)(b + 1) / (double)bins);
        sum += (high - low) * grid_cell_line(&cells[b], 0.5 * (low + high));
    }
    return sum;
}

/* -log of a density, or with tails of a probability, by the best of m columns of the table in each bin;
 * column `denoisers` is the reference. Each half of the points takes what the other has chosen. The other
 * also says what all points have in common at a log SNR, a line for each bin: this is integrated exactly,
 * and only what differs from it is left to chance. chosen: by the even points, then by the odd ones. nll_x
 * and chosen may be NULL. */
static inline itd_result grid_nll(const itd_draws *draws, const grid_tails *tails, size_t bins,
                                  const size_t *column /* (m) */, size_t m, itd_nll_result *out,
                                  double *nll_x /* (n) */, size_t *chosen /* (2,bins) */)
{
    itd_result result = ITD_ERROR_MEMORY;
    if (bins == 0 || m == 0) return ITD_ERROR_ARGUMENT;
    for (size_t k = 0; k < m; k++)
        if (column[k] > draws->denoisers) return ITD_ERROR_ARGUMENT;
    grid_cell *cells = (grid_cell *)calloc(2 * bins, sizeof *cells);
    size_t *best = (size_t *)calloc(2 * bins, sizeof *best);
    double *f = (double *)calloc(draws->count + draws->n, sizeof *f), *start = f ? f + draws->count : NULL;
    if (cells && best && f) result = grid_choose(draws, bins, column, m, best);
    if (result == ITD_OK) {
        double common[2];
        grid_fill_cells(draws, tails, bins, column, best, cells);
        for (size_t h = 0; h < 2; h++) common[h] = grid_lines(&draws->desc.schedule, cells + h * bins, bins);
        for (size_t i = 0; i < draws->count; i++) {
            size_t other = grid_place(draws, i, bins, 1 - draws->point[i] % 2);
            const grid_cell *c = &cells[other];
            f[i] = grid_integrand(draws, tails, i, column[best[other]], grid_cell_cancels(c));
            f[i] = draws->weight[i] * (f[i] - grid_cell_line(c, draws->logsnr[i]));
        }
        for (size_t i = 0; i < draws->n; i++)
            start[i] = (tails ? tails->below[i] + tails->above : draws->nll_reference[i]) +
                       0.5 * common[1 - i % 2];
        result = itd_draws_integral(draws, start, f, out, nll_x, NULL);
    }
    for (size_t c = 0; result == ITD_OK && chosen && c < 2 * bins; c++) chosen[c] = column[best[c]];
    free(cells), free(best), free(f);
    return result;
}

#endif
