/* ref.h: what the library must agree with, written again from the formulas: double precision, plain loops,
 * nothing shared with the header. Backward functions add to their outputs, as the library's do. */
#ifndef REF_H
#define REF_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REF_PI 3.14159265358979323846

/* ---- inputs: a generator that is not the one under test (splitmix64) ---- */

static uint64_t ref_state = 1;

static inline void ref_seed(uint64_t seed) { ref_state = seed * 0x9E3779B97F4A7C15u + 1; }

static inline uint64_t ref_bits(void)
{
    uint64_t x = ref_state += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/* 0 .. n-1, for n far below 2^64 */
static inline size_t ref_below(size_t n) { return (size_t)(ref_bits() % n); }

static inline double ref_uniform(double low, double high)
{
    return low + (high - low) * ((double)(ref_bits() >> 11) + 0.5) / 9007199254740992.0;
}

static inline double ref_normal(void)
{
    double radius = sqrt(-2 * log(ref_uniform(0, 1)));
    return radius * cos(2 * REF_PI * ref_uniform(0, 1));
}

/* ---- Student's distribution ---- */

/* P(|T| < t) with T's degrees of freedom: for t = sqrt(degrees) tan(a) the density is in proportion to
 * cos(a)^(degrees - 1). By Simpson's rule. */
static inline double ref_student_within(double t, double degrees)
{
    enum { STEPS = 200 };
    double end = atan(t / sqrt(degrees)), sum = 0;
    double norm = 2 / sqrt(REF_PI) * exp(lgamma((degrees + 1) / 2) - lgamma(degrees / 2));
    for (int k = 0; k <= STEPS; k++)
        sum += (k == 0 || k == STEPS ? 1 : k % 2 ? 4 : 2) * pow(cos(end * k / STEPS), degrees - 1);
    return norm * sum * end / (3 * STEPS);
}

/* The t within which 95 % of it are. */
static inline double ref_student(double degrees)
{
    double low = 1.9, high = 13;
    for (int k = 0; k < 40; k++) {
        double middle = 0.5 * (low + high);
        if (ref_student_within(middle, degrees) < 0.95) low = middle;
        else high = middle;
    }
    return high;
}

/* ---- CRC-32C (Castagnoli), bit by bit ---- */

static inline uint32_t ref_crc32c(const unsigned char *bytes, size_t n)
{
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < n; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ 0x82F63B78u : crc >> 1;
    }
    return ~crc;
}

/* Whether an estimate that is off by so much is within its error bar of 95 %. */
static inline int ref_covers(double off, double standard_error, double degrees)
{
    if (!(standard_error > 0)) return fabs(off) <= 0;
    return ref_student_within(fabs(off) / standard_error, degrees) <= 0.95;
}

/* ---- memory: exactly as much as asked for, so that a sanitizer sees one element too many ---- */

static inline void *ref_alloc(size_t bytes)
{
    void *p = calloc(bytes ? bytes : 1, 1);
    if (!p) printf("out of memory\n"), exit(2);
    return p;
}

static inline float *ref_floats(size_t n) { return (float *)ref_alloc(n * sizeof(float)); }
static inline double *ref_doubles(size_t n) { return (double *)ref_alloc(n * sizeof(double)); }

static inline float *ref_normals(size_t n, double scale)
{
    float *x = ref_floats(n);
    size_t i;
    for (i = 0; i < n; i++) x[i] = (float)(scale * ref_normal());
    return x;
}

static inline float *ref_copy(const float *x, size_t n)
{
    float *y = ref_floats(n);
    memcpy(y, x, n * sizeof *x);
    return y;
}

static inline double *ref_widened(const float *x, size_t n)
{
    double *y = ref_doubles(n);
    size_t i;
    for (i = 0; i < n; i++) y[i] = x[i];
    return y;
}

/* ---- comparison; a NaN on either side gives NaN or false, which no test accepts ---- */

static inline double ref_norm(const double *x, size_t n)
{
    double sum = 0;
    size_t i;
    for (i = 0; i < n; i++) sum += x[i] * x[i];
    return sqrt(sum);
}

/* |a - b| / |b|; 0 / 0 is NaN, so a reference that vanishes fails instead of passing by default. */
static inline double ref_distance(const double *a, const double *b, size_t n)
{
    double sum = 0;
    size_t i;
    for (i = 0; i < n; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sqrt(sum) / ref_norm(b, n);
}

static inline double ref_error(const float *value, const double *expected, size_t n)
{
    double *wide = ref_widened(value, n), error = ref_distance(wide, expected, n);
    free(wide);
    return error;
}

/* |value - expected| <= relative |expected| + floor for every element; floor may differ by element. */
static inline bool ref_each(const float *value, const double *expected, size_t n, double relative,
                            double floor_all, const double *floor_each)
{
    size_t i;
    for (i = 0; i < n; i++) {
        double allowed = relative * fabs(expected[i]) + floor_all + (floor_each ? floor_each[i] : 0);
        if (fabs(value[i] - expected[i]) <= allowed) continue;
        printf("  element %lu of %lu: %.9g, expected %.9g within %.3g\n", (unsigned long)i, (unsigned long)n,
               (double)value[i], expected[i], allowed);
        return false;
    }
    return true;
}

/* ---- operations ---- */

static inline double ref_sigmoid(double x) { return 1 / (1 + exp(-x)); }

static inline void ref_linear_forward(const double *x, const double *w, const double *b, size_t n, size_t in,
                                      size_t out, double *y)
{
    size_t i, j, k;
    for (i = 0; i < n; i++)
        for (j = 0; j < out; j++) {
            double sum = b[j];
            for (k = 0; k < in; k++) sum += x[i * in + k] * w[k * out + j];
            y[i * out + j] = sum;
        }
}

static inline void ref_linear_backward(const double *dy, const double *x, const double *w, size_t n,
                                       size_t in, size_t out, double *dx, double *dw, double *db)
{
    size_t i, j, k;
    for (i = 0; i < n; i++)
        for (j = 0; j < out; j++) {
            double d = dy[i * out + j];
            db[j] += d;
            for (k = 0; k < in; k++) dw[k * out + j] += x[i * in + k] * d;
            for (k = 0; k < in; k++) dx[i * in + k] += w[k * out + j] * d;
        }
}

static inline double ref_relu(double x) { return x > 0 ? x : 0; }
static inline double ref_relu_slope(double x) { return x > 0 ? 1 : 0; }
static inline double ref_silu(double x) { return x * ref_sigmoid(x); }

/* d/dx x s(x) = s(x) + x s(x) s(-x) */
static inline double ref_silu_slope(double x)
{
    return ref_sigmoid(x) + x * ref_sigmoid(x) * ref_sigmoid(-x);
}

/* The phase x f. The library forms it in single precision, which at 3000 radians is a different phase by
 * 1e-4: `single` asks for that rounding, so that what comes after it can be compared to full precision. */
static inline double ref_phase(double x, double f, bool single)
{
    float rounded = (float)(x * f);
    return single ? (double)rounded : x * f;
}

static inline void ref_embed_forward(const double *x, const double *f, size_t n, size_t half, bool single,
                                     double *y)
{
    size_t i, k;
    for (i = 0; i < n; i++)
        for (k = 0; k < half; k++) {
            y[i * 2 * half + k] = sin(ref_phase(x[i], f[k], single));
            y[i * 2 * half + half + k] = cos(ref_phase(x[i], f[k], single));
        }
}

static inline void ref_embed_backward(const double *dy, const double *x, const double *f, size_t n,
                                      size_t half, bool single, double *dx)
{
    size_t i, k;
    for (i = 0; i < n; i++)
        for (k = 0; k < half; k++) {
            double phase = ref_phase(x[i], f[k], single);
            dx[i] += dy[i * 2 * half + k] * f[k] * cos(phase);
            dx[i] -= dy[i * 2 * half + half + k] * f[k] * sin(phase);
        }
}

/* Frequencies 10000^(-k / (half - 1)), times scale, as the single precision numbers they are stored as. */
static inline void ref_frequencies(size_t half, double scale, double *f)
{
    size_t k;
    for (k = 0; k < half; k++) f[k] = (float)(scale * pow(10000.0, -(double)k / (double)(half - 1)));
}

/* Direction k of m has the length min (max / min)^((k + 1/2) / m), and lies along row k of `normals`; w[k]
 * has the single precision numbers that it is stored as. */
static inline void ref_directions(const double *normals /* (m,dim) */, size_t m, size_t dim, double min,
                                  double max, double *w /* (m,dim) */)
{
    size_t k, j;
    for (k = 0; k < m; k++) {
        double length = exp(log(min) + log(max / min) * ((double)k + 0.5) / (double)m);
        double norm = ref_norm(normals + k * dim, dim);
        for (j = 0; j < dim; j++) w[k * dim + j] = (float)(length * normals[k * dim + j] / norm);
    }
}

/* Sines, then cosines, of w.z, each times exp(-|w|^2 r / 2) with the variance of the noise r = s(-logsnr). */
static inline void ref_waves_forward(const double *w, size_t m, size_t dim, const double *z, double logsnr,
                                     double *y /* (2*m) */)
{
    size_t k, j;
    for (k = 0; k < m; k++) {
        double phase = 0, length = ref_norm(w + k * dim, dim);
        double left = exp(-0.5 * length * length * ref_sigmoid(-logsnr));
        for (j = 0; j < dim; j++) phase += w[k * dim + j] * z[j];
        y[k] = left * sin(phase), y[m + k] = left * cos(phase);
    }
}

/* d sin(w.z)/dz = w cos(w.z), d cos(w.z)/dz = -w sin(w.z) */
static inline void ref_waves_backward(const double *dy, const double *w, size_t m, size_t dim,
                                      const double *z, double logsnr, double *dz)
{
    double *y = ref_doubles(2 * m);
    size_t k, j;
    ref_waves_forward(w, m, dim, z, logsnr, y);
    for (k = 0; k < m; k++)
        for (j = 0; j < dim; j++) dz[j] += w[k * dim + j] * (dy[k] * y[m + k] - dy[m + k] * y[k]);
    free(y);
}

/* ---- the MLP: embedding of z and of the log SNR, linear layers, activations between ---- */

typedef struct ref_mlp {
    size_t dim, layers, hidden, embedding;
    size_t directions;       /* 0: the coordinates one by one */
    const double *direction; /* (directions,dim) */
    double coordinate_scale, logsnr_scale;
    bool silu, single;
} ref_mlp;

/* Numbers that stand for z, and those for the log SNR after them. */
static inline size_t ref_mlp_of_z(const ref_mlp *m)
{
    return m->directions ? 2 * m->directions : m->dim * (m->embedding ? m->embedding : 1);
}

static inline size_t ref_mlp_inputs(const ref_mlp *m)
{
    return ref_mlp_of_z(m) + (m->embedding ? m->embedding : 1);
}

static inline size_t ref_mlp_in(const ref_mlp *m, size_t layer)
{
    return layer ? m->hidden : ref_mlp_inputs(m);
}

static inline size_t ref_mlp_out(const ref_mlp *m, size_t layer)
{
    return layer + 1 < m->layers ? m->hidden : m->dim;
}

static inline size_t ref_mlp_parameters(const ref_mlp *m)
{
    size_t layer, total = 0;
    for (layer = 0; layer < m->layers; layer++) total += (ref_mlp_in(m, layer) + 1) * ref_mlp_out(m, layer);
    return total;
}

static inline double ref_active(const ref_mlp *m, double x) { return m->silu ? ref_silu(x) : ref_relu(x); }
static inline double ref_slope(const ref_mlp *m, double x)
{
    return m->silu ? ref_silu_slope(x) : ref_relu_slope(x);
}

/* One row: what the first layer reads. */
static inline void ref_mlp_features(const ref_mlp *m, const double *z, double logsnr, double *h)
{
    size_t half = m->embedding / 2;
    double *f = ref_doubles(half), *side = h + ref_mlp_of_z(m);
    if (m->directions) {
        ref_waves_forward(m->direction, m->directions, m->dim, z, logsnr, h);
    } else if (half) {
        ref_frequencies(half, m->coordinate_scale, f);
        ref_embed_forward(z, f, m->dim, half, m->single, h);
    } else {
        memcpy(h, z, m->dim * sizeof *h);
    }
    *side = logsnr;
    if (half) {
        ref_frequencies(half, m->logsnr_scale, f);
        ref_embed_forward(&logsnr, f, 1, half, m->single, side);
    }
    free(f);
}

static inline void ref_mlp_features_backward(const ref_mlp *m, const double *dh, const double *z,
                                             double logsnr, double *dz)
{
    size_t half = m->embedding / 2, j;
    double *f = ref_doubles(half);
    if (m->directions) {
        ref_waves_backward(dh, m->direction, m->directions, m->dim, z, logsnr, dz);
    } else if (half) {
        ref_frequencies(half, m->coordinate_scale, f);
        ref_embed_backward(dh, z, f, m->dim, half, m->single, dz);
    } else {
        for (j = 0; j < m->dim; j++) dz[j] += dh[j];
    }
    free(f);
}

static inline size_t ref_mlp_widest(const ref_mlp *m)
{
    size_t widest = ref_mlp_inputs(m);
    if (m->hidden > widest) widest = m->hidden;
    return widest > m->dim ? widest : m->dim;
}

/* One row forward; before (layers, widest) receives the input of each layer's activation, after its result,
 * shifted by one: after[0] are the features. Parameters: per layer weights (in,out), then biases. */
static inline void ref_mlp_row(const ref_mlp *m, const double *w, const double *z, double logsnr,
                               double *before, double *after, double *out)
{
    size_t layer, j, widest = ref_mlp_widest(m);
    ref_mlp_features(m, z, logsnr, after);
    for (layer = 0; layer < m->layers; layer++) {
        size_t in = ref_mlp_in(m, layer), width = ref_mlp_out(m, layer);
        double *y = before + layer * widest;
        ref_linear_forward(after + layer * widest, w, w + in * width, 1, in, width, y);
        if (layer + 1 == m->layers) memcpy(out, y, width * sizeof *out);
        else
            for (j = 0; j < width; j++) after[(layer + 1) * widest + j] = ref_active(m, y[j]);
        w += (in + 1) * width;
    }
}

static inline void ref_mlp_forward(const ref_mlp *m, const double *w, const double *z, const double *logsnr,
                                   size_t n, double *out)
{
    size_t i, size = (m->layers + 1) * ref_mlp_widest(m);
    double *before = ref_doubles(size), *after = ref_doubles(size);
    for (i = 0; i < n; i++) ref_mlp_row(m, w, z + i * m->dim, logsnr[i], before, after, out + i * m->dim);
    free(before), free(after);
}

/* Gradient of Sum out * dout: adds to dw (parameters) and dz (n,dim). */
static inline void ref_mlp_backward(const ref_mlp *m, const double *w, const double *z, const double *logsnr,
                                    const double *dout, size_t n, double *dw, double *dz)
{
    size_t i, j, layer, widest = ref_mlp_widest(m), size = (m->layers + 1) * widest;
    double *before = ref_doubles(size), *after = ref_doubles(size), *out = ref_doubles(m->dim);
    double *dy = ref_doubles(widest), *dx = ref_doubles(widest);
    for (i = 0; i < n; i++) {
        size_t at = ref_mlp_parameters(m);
        ref_mlp_row(m, w, z + i * m->dim, logsnr[i], before, after, out);
        memcpy(dy, dout + i * m->dim, m->dim * sizeof *dy);
        for (layer = m->layers; layer-- > 0;) {
            size_t in = ref_mlp_in(m, layer), width = ref_mlp_out(m, layer);
            for (j = 0; layer + 1 < m->layers && j < width; j++)
                dy[j] *= ref_slope(m, before[layer * widest + j]);
            at -= (in + 1) * width;
            memset(dx, 0, widest * sizeof *dx);
            ref_linear_backward(dy, after + layer * widest, w + at, 1, in, width, dx, dw + at,
                                dw + at + in * width);
            memcpy(dy, dx, widest * sizeof *dy);
        }
        ref_mlp_features_backward(m, dy, z + i * m->dim, logsnr[i], dz + i * m->dim);
    }
    free(before), free(after), free(out), free(dy), free(dx);
}

/* ---- Adam with decoupled decay, clipping by the global norm, and the moving average ---- */

typedef struct ref_adam {
    size_t n;
    double *w, *m, *v, *ema;
    double beta1, beta2, epsilon, decay, clip, average;
} ref_adam;

/* t = 1, 2, ... */
static inline void ref_adam_step(ref_adam *a, const float *gradient, unsigned t, double lr)
{
    double norm = 0, factor, keep = fmin(a->average, (1.0 + t) / (10.0 + t));
    size_t i;
    for (i = 0; i < a->n; i++) norm += (double)gradient[i] * gradient[i];
    norm = sqrt(norm);
    factor = a->clip > 0 && norm > a->clip ? a->clip / norm : 1;
    for (i = 0; i < a->n; i++) {
        double g = gradient[i] * factor, mean, square;
        a->m[i] = a->beta1 * a->m[i] + (1 - a->beta1) * g;
        a->v[i] = a->beta2 * a->v[i] + (1 - a->beta2) * g * g;
        mean = a->m[i] / (1 - pow(a->beta1, t));
        square = a->v[i] / (1 - pow(a->beta2, t));
        a->w[i] -= lr * a->decay * a->w[i] + lr * mean / (sqrt(square) + a->epsilon);
        a->ema[i] = keep * a->ema[i] + (1 - keep) * a->w[i];
    }
}

/* ---- schedule: logistic(loc, scale) cut at +-clip scales ---- */

static inline double ref_schedule_cdf(double loc, double scale, double clip, double logsnr)
{
    double low = ref_sigmoid(-clip), t = (logsnr - loc) / scale;
    return (ref_sigmoid(t) - low) / (ref_sigmoid(clip) - low);
}

static inline double ref_schedule_density(double loc, double scale, double clip, double logsnr)
{
    double t = (logsnr - loc) / scale;
    return ref_sigmoid(t) * ref_sigmoid(-t) / scale / (ref_sigmoid(clip) - ref_sigmoid(-clip));
}

/* ---- dense linear algebra ---- */

/* Solves A x = b in place by Gaussian elimination with row exchange. */
static inline void ref_solve(double *a, double *b, size_t n)
{
    size_t i, j, k;
    for (k = 0; k < n; k++) {
        size_t best = k;
        for (i = k + 1; i < n; i++)
            if (fabs(a[i * n + k]) > fabs(a[best * n + k])) best = i;
        for (j = 0; best != k && j < n; j++) {
            double t = a[k * n + j];
            a[k * n + j] = a[best * n + j], a[best * n + j] = t;
        }
        if (best != k) {
            double t = b[k];
            b[k] = b[best], b[best] = t;
        }
        for (i = k + 1; i < n; i++) {
            double f = a[i * n + k] / a[k * n + k];
            for (j = k; j < n; j++) a[i * n + j] -= f * a[k * n + j];
            b[i] -= f * b[k];
        }
    }
    for (k = n; k-- > 0;) {
        for (j = k + 1; j < n; j++) b[k] -= a[k * n + j] * b[j];
        b[k] /= a[k * n + k];
    }
}

#endif
