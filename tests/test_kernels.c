/* Tests of the kernels of each instruction set: how far they are from libm in double precision, and that a
 * number's result depends neither on its neighbours nor on how many of them there are. */
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"
#include "ref.h"
#include "work.h"
#include "each_simd.h"
#include "test.h"

static const itd__kernels *kernels; /* under test */

/* Of the last run, for the line printed for each instruction set. */
static struct {
    double exp, log, sine, cosine, silu, slope, polar;
} worst_seen;

/* ---- floats by their bits ---- */

static const uint32_t infinite = 0x7f800000u, negative = 0x80000000u;

static float of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static bool same_bits(const float *a, const float *b, size_t n) { return memcmp(a, b, n * sizeof *a) == 0; }

/* |y - expected| in units of the float spacing at expected, which below the normal range is 2^-149. Infinity
 * counts as 2^128, the float that would follow the largest. A NaN is infinitely far from everything. */
static double ulps(float y, double expected)
{
    const double beyond = ldexp(1, 128);
    double value = isinf(y) ? copysign(beyond, y) : (double)y, error;
    double nearest = fmin(fmax(expected, -beyond), beyond);
    int exponent;
    frexp(fmin(fabs(nearest), FLT_MAX), &exponent);
    if (exponent < -125 || !(fabs(nearest) > 0)) exponent = -125;
    error = ldexp(fabs(value - nearest), 24 - exponent);
    return error >= 0 && !isnan(expected) ? error : (double)INFINITY;
}

/* ---- lists of arguments ---- */

typedef struct list {
    float *x;
    size_t n, capacity;
} list;

static void list_add(list *l, float x)
{
    if (l->n == l->capacity) {
        l->capacity = 2 * l->capacity + 1024;
        l->x = (float *)realloc(l->x, l->capacity * sizeof *l->x);
        if (!l->x) printf("out of memory\n"), exit(2);
    }
    l->x[l->n++] = x;
}

/* Every step-th float from `low` to `high`, both >= 0. */
static void list_add_range(list *l, float low, float high, uint32_t step)
{
    uint32_t bits, end = bits_of(high);
    for (bits = bits_of(low); bits <= end; bits += step) list_add(l, of_bits(bits));
}

/* x, `reach` floats above it and as many below, of its sign and finite. */
static void list_add_around(list *l, double x, uint32_t reach)
{
    uint32_t centre = bits_of((float)x), sign = centre & negative, bits;
    uint32_t size = centre & ~negative, low = size > reach ? size - reach : 0;
    for (bits = low; bits <= size + reach && bits < infinite; bits++) list_add(l, of_bits(sign | bits));
}

static void list_add_powers_of_two(list *l, uint32_t reach)
{
    int exponent;
    for (exponent = -149; exponent <= 127; exponent++) list_add_around(l, ldexp(1, exponent), reach);
    list_add_around(l, FLT_MAX, reach);
}

static void list_add_negatives(list *l)
{
    size_t i, n = l->n;
    for (i = 0; i < n; i++) list_add(l, -l->x[i]);
}

/* ---- the largest error over a list ---- */

typedef void (*kernel)(const float *x, size_t n, float *y);
typedef struct peak {
    double ulp;
    float at;
} peak;

static void worst_update(peak *w, float x, float y, double expected)
{
    double error = ulps(y, expected);
    if (error > w->ulp) w->ulp = error, w->at = x;
}

static peak worst_of(kernel f, double (*expected)(double), const list *l)
{
    peak w = {0, 0};
    float *y = ref_floats(l->n);
    size_t i;
    f(l->x, l->n, y);
    for (i = 0; i < l->n; i++) worst_update(&w, l->x[i], y[i], expected(l->x[i]));
    free(y);
    return w;
}

static void worst_check(const char *what, peak w, double limit)
{
    if (!CHECK(w.ulp <= limit))
        printf("  %s (%s) is off by %.4f ulp at %.9g\n", what, kernels->name, w.ulp, (double)w.at);
}

/* One number in every lane in turn, between others that are harmless. */
static bool kernel_gives(kernel f, float x, float expected)
{
    size_t lane, i;
    bool ok = true;
    for (lane = 0; lane < 35; lane++) {
        float in[35], out[35];
        for (i = 0; i < 35; i++) in[i] = 0.5f;
        in[lane] = x;
        f(in, 35, out);
        ok = ok &&
             (isnan(expected) ? isnan(out[lane])
                              : fabsf(out[lane] - expected) <= 0 || bits_of(out[lane]) == bits_of(expected));
        for (i = 0; i < 35; i++) ok = ok && (i == lane || itd__finite(out[i]));
    }
    return ok;
}

/* ---- exp and log ---- */

/* The limits: where the result overflows, leaves the normal range, reaches the least float, and zero; and
 * where the vectors cut their argument off. The rest are the worst of all floats. */
static void exp_within_two_ulp(void)
{
    static const double special[] = {
        88.7228391116729996, -87.3365447505531, -103.278929903431851, -103.972077083991796, 89, -104,
        70.4030991,          -5.87788439,       -59.9368477};
    list l = {NULL, 0, 0};
    peak w;
    size_t i;
    int k;
    list_add_range(&l, 0, FLT_MAX, 9973);
    list_add_range(&l, 0.015625f, 105, 997);
    list_add_range(&l, 87, 105, 199);
    list_add_powers_of_two(&l, 8);
    for (k = 0; k <= 2 * 152; k++) list_add_around(&l, k * 0.5 * log(2), 8);
    list_add_negatives(&l);
    for (i = 0; i < sizeof special / sizeof *special; i++) list_add_around(&l, special[i], 64);
    w = worst_of(kernels->exp, exp, &l);
    worst_check("exp", w, 2);
    worst_seen.exp = w.ulp;
    free(l.x);
}

static void exp_of_special_values(void)
{
    CHECK(kernel_gives(kernels->exp, 0.0f, 1.0f));
    CHECK(kernel_gives(kernels->exp, -0.0f, 1.0f));
    CHECK(kernel_gives(kernels->exp, of_bits(1), 1.0f));
    CHECK(kernel_gives(kernels->exp, INFINITY, INFINITY));
    CHECK(kernel_gives(kernels->exp, -INFINITY, 0.0f));
    CHECK(kernel_gives(kernels->exp, FLT_MAX, INFINITY));
    CHECK(kernel_gives(kernels->exp, -FLT_MAX, 0.0f));
    CHECK(kernel_gives(kernels->exp, NAN, NAN));
    CHECK(kernel_gives(kernels->exp, -NAN, NAN));
}

/* All positive floats, those below the normal range included; 1, where the result vanishes; and where m
 * goes over to the next power of two. */
static void log_within_two_ulp(void)
{
    static const double special[] = {0.699976802, 1.41364205, 1.02345312, 2.68631077};
    list l = {NULL, 0, 0};
    peak w;
    size_t i;
    int k;
    list_add_range(&l, of_bits(1), FLT_MAX, 997);
    list_add_range(&l, of_bits(1), of_bits(4000), 1);
    list_add_powers_of_two(&l, 16);
    list_add_around(&l, 1, 5000);
    for (k = -149; k <= 127; k++) list_add_around(&l, ldexp(sqrt(0.5), k), 16);
    for (i = 0; i < sizeof special / sizeof *special; i++) list_add_around(&l, special[i], 64);
    w = worst_of(kernels->log, log, &l);
    worst_check("log", w, 2);
    worst_seen.log = w.ulp;
    free(l.x);
}

static void log_of_special_values(void)
{
    CHECK(kernel_gives(kernels->log, 1.0f, 0.0f));
    CHECK(kernel_gives(kernels->log, 0.0f, -INFINITY));
    CHECK(kernel_gives(kernels->log, -0.0f, -INFINITY));
    CHECK(kernel_gives(kernels->log, INFINITY, INFINITY));
    CHECK(kernel_gives(kernels->log, -INFINITY, NAN));
    CHECK(kernel_gives(kernels->log, -1.0f, NAN));
    CHECK(kernel_gives(kernels->log, -FLT_MAX, NAN));
    CHECK(kernel_gives(kernels->log, -of_bits(1), NAN));
    CHECK(kernel_gives(kernels->log, NAN, NAN));
}

/* ---- sine and cosine ---- */

/* What the embedding of the number 1 is made of. */
static void sin_cos(const float *x, size_t n, float *sine, float *cosine)
{
    float *both = ref_floats(2 * n);
    kernels->embed(1, x, n, both);
    memcpy(sine, both, n * sizeof *sine), memcpy(cosine, both + n, n * sizeof *cosine);
    free(both);
}

typedef struct sin_cos_peaks {
    peak sine, cosine;
} sin_cos_peaks;

/* An error of no more than `absolute` counts as none. */
static sin_cos_peaks sin_cos_errors(const list *l, double absolute)
{
    sin_cos_peaks w = {{0, 0}, {0, 0}};
    float *s = ref_floats(l->n), *c = ref_floats(l->n);
    size_t i;
    sin_cos(l->x, l->n, s, c);
    for (i = 0; i < l->n; i++) {
        double x = l->x[i], sine = sin(x), cosine = cos(x);
        if (!(fabs(s[i] - sine) <= absolute)) worst_update(&w.sine, l->x[i], s[i], sine);
        if (!(fabs(c[i] - cosine) <= absolute)) worst_update(&w.cosine, l->x[i], c[i], cosine);
    }
    free(s), free(c);
    return w;
}

/* Multiples of pi/2, where one of the two vanishes; odd multiples of pi/4, where the quadrant changes; and
 * the worst of all floats in the range. */
static void sin_cos_within_two_ulp(void)
{
    static const double special[] = {9201.47461, 8656.91113, 8986.77637, 8087.77832,
                                     5811.4248,  4020.72876, 2265.60815, 7195.29883};
    list l = {NULL, 0, 0};
    sin_cos_peaks w;
    size_t i;
    int k;
    list_add_range(&l, 0, 1e4f, 997);
    list_add_range(&l, 256, 1e4f, 199);
    for (k = 0; k <= 12732; k++) list_add_around(&l, k * (REF_PI / 4), 3);
    for (k = -149; k <= 13; k++) list_add_around(&l, ldexp(1, k), 4);
    list_add_range(&l, of_bits(1), of_bits(100), 1);
    list_add_range(&l, 9999.5f, 1e4f, 1);
    for (i = 0; i < sizeof special / sizeof *special; i++) list_add_around(&l, special[i], 64);
    list_add_negatives(&l);
    w = sin_cos_errors(&l, -1);
    worst_check("sine", w.sine, 2);
    worst_check("cosine", w.cosine, 2);
    worst_seen.sine = w.sine.ulp, worst_seen.cosine = w.cosine.ulp;
    free(l.x);
}

/* Here the vectors hand over to libm; where they do, too. */
static void sin_cos_of_large_numbers(void)
{
    list l = {NULL, 0, 0};
    sin_cos_peaks w;
    int k;
    list_add_around(&l, 1e4, 1000);
    list_add_range(&l, 1e4f, 1e30f, 19937);
    for (k = 14; k <= 99; k++) list_add_around(&l, ldexp(1, k), 4);
    list_add_negatives(&l);
    w = sin_cos_errors(&l, 1e-6);
    worst_check("sine", w.sine, 2);
    worst_check("cosine", w.cosine, 2);
    free(l.x);
}

static void sine_alone(const float *x, size_t n, float *y)
{
    float *other = ref_floats(n);
    sin_cos(x, n, y, other);
    free(other);
}

static void cosine_alone(const float *x, size_t n, float *y)
{
    float *other = ref_floats(n);
    sin_cos(x, n, other, y);
    free(other);
}

static void sin_cos_of_special_values(void)
{
    const float not_numbers[] = {NAN, -NAN, INFINITY, -INFINITY};
    size_t i;
    for (i = 0; i < 4; i++) {
        CHECK(kernel_gives(sine_alone, not_numbers[i], NAN));
        CHECK(kernel_gives(cosine_alone, not_numbers[i], NAN));
    }
    CHECK(kernel_gives(sine_alone, 0.0f, 0.0f));
    CHECK(kernel_gives(sine_alone, -0.0f, 0.0f));
    CHECK(kernel_gives(sine_alone, of_bits(1), of_bits(1)));
    CHECK(kernel_gives(sine_alone, -of_bits(1), -of_bits(1)));
    CHECK(kernel_gives(cosine_alone, 0.0f, 1.0f));
    CHECK(kernel_gives(cosine_alone, -0.0f, 1.0f));
    CHECK(kernel_gives(cosine_alone, of_bits(1), 1.0f));
}

/* A large number or a NaN must not spoil the lanes beside it, whatever path they take for its sake. */
static void sin_cos_beside_large_numbers(void)
{
    static const float rude[] = {20000.0f, -1e30f, NAN, INFINITY};
    float x[64], s[64], c[64];
    size_t i, k;
    peak w = {0, 0};
    ref_seed(1);
    for (k = 0; k < 256; k++) {
        for (i = 0; i < 64; i++) x[i] = (float)ref_uniform(-1e4, 1e4);
        x[k % 64] = rude[k / 64];
        sin_cos(x, 64, s, c);
        for (i = 0; i < 64; i++) {
            if (i == k % 64) continue;
            worst_update(&w, x[i], s[i], sin(x[i]));
            worst_update(&w, x[i], c[i], cos(x[i]));
        }
    }
    worst_check("sine or cosine", w, 2);
}

/* The same bits as sine and cosine of the product in single precision, and nothing beyond the row. */
static void embed_is_sin_cos_of_the_product(void)
{
    static const float numbers[] = {0.0f, 1.0f, -0.37f, 3.14159265f, 33.3f, -98.7f, 1e4f};
    size_t half, i, k;
    ref_seed(3);
    for (half = 1; half <= 70; half++)
        for (k = 0; k < sizeof numbers / sizeof *numbers; k++) {
            float *f = ref_floats(half), *x = ref_floats(half), *y = ref_floats(2 * half + 3);
            float *s = ref_floats(half), *c = ref_floats(half);
            for (i = 0; i < half; i++) f[i] = (float)ref_uniform(0, 100), x[i] = numbers[k] * f[i];
            memset(y, 0xff, (2 * half + 3) * sizeof *y);
            sin_cos(x, half, s, c);
            kernels->embed(numbers[k], f, half, y + 1);
            CHECK(same_bits(y + 1, s, half));
            CHECK(same_bits(y + 1 + half, c, half));
            CHECK(bits_of(y[0]) == UINT32_MAX && bits_of(y[2 * half + 1]) == UINT32_MAX &&
                  bits_of(y[2 * half + 2]) == UINT32_MAX);
            free(f), free(x), free(y), free(s), free(c);
        }
}

/* ---- SiLU ---- */

/* Below it exp(-x) overflows and the result is zero, off by less than the 3e-37 that x s(x) amounts to. */
static const double silu_lowest = -88.7, silu_vanished = 3e-37;

/* Below -87 the float s(x) leaves the normal range and is off by 2^-150 and not in proportion; times what
 * multiplies it. */
static double denormal_error(double x, double factor) { return x < -87 ? factor * 0x1p-150 : 0; }

/* In ulp as long as s(x) is a normal float. */
static double silu_error(float x, float y)
{
    double expected = ref_silu(x), error, unit = 0x1p-23 * fabs(expected) + denormal_error(x, fabs(x));
    if (x >= -87) return ulps(y, expected);
    error = fabs(y - expected) / unit;
    return error >= 0 ? error : (double)INFINITY;
}

static list silu_arguments(void)
{
    list l = {NULL, 0, 0};
    list_add_range(&l, of_bits(1), 200, 4999);
    list_add_range(&l, 0.0078125f, 200, 997);
    list_add_around(&l, 88.7228391, 100);
    list_add_negatives(&l);
    return l;
}

/* The largest error of f where its result is more than zero; where it is not, no result may be further off
 * than that. */
static peak silu_errors(kernel f, double (*expected)(double), double (*error)(float x, float y))
{
    list l = silu_arguments();
    float *y = ref_floats(l.n);
    peak w = {0, 0};
    size_t i, vanished = 0;
    f(l.x, l.n, y);
    for (i = 0; i < l.n; i++) {
        if (l.x[i] < silu_lowest) vanished += !(fabs(y[i] - expected(l.x[i])) <= silu_vanished);
        else if (error(l.x[i], y[i]) > w.ulp) w.ulp = error(l.x[i], y[i]), w.at = l.x[i];
    }
    CHECK(vanished == 0);
    free(l.x), free(y);
    return w;
}

static void silu_within_three_ulp(void)
{
    peak w = silu_errors(kernels->activation[ITD_SILU].forward, ref_silu, silu_error);
    worst_check("silu", w, 3);
    worst_seen.silu = w.ulp;
}

/* s (1 + x (1 - s)): the rounding of 1 - s counts x times, so that the error is measured against
 * 2^-24 s (1 + |x|). */
static double slope_error(float x, float y)
{
    double factor = 1 + fabs(x), unit = 0x1p-24 * ref_sigmoid(x) * factor + denormal_error(x, factor);
    double error = fabs(y - ref_silu_slope(x)) / unit;
    return error >= 0 ? error : (double)INFINITY;
}

static void slope_alone(const float *x, size_t n, float *y)
{
    float *one = ref_floats(n);
    size_t i;
    for (i = 0; i < n; i++) one[i] = 1, y[i] = 0;
    kernels->activation[ITD_SILU].backward(one, x, n, y);
    free(one);
}

static void silu_backward_within_four_roundings(void)
{
    peak w = silu_errors(slope_alone, ref_silu_slope, slope_error);
    worst_check("slope of silu", w, 4);
    worst_seen.slope = w.ulp;
}

/* dx += dy * slope, from the slopes that the kernel gives for dy = 1. */
static void silu_backward_adds(void)
{
    enum { N = 1000 };
    float x[N], one[N], slope[N] = {0}, dy[N], dx[N], before[N];
    size_t i, wrong = 0;
    ref_seed(4);
    for (i = 0; i < N; i++) {
        x[i] = (float)(5 * ref_normal()), dy[i] = (float)ref_normal(), one[i] = 1;
        dx[i] = before[i] = (float)ref_normal();
    }
    kernels->activation[ITD_SILU].backward(one, x, N, slope);
    kernels->activation[ITD_SILU].backward(dy, x, N, dx);
    for (i = 0; i < N; i++) {
        double added = (double)dy[i] * slope[i], size = fabs(before[i]) + fabs(added);
        wrong += !(fabs(dx[i] - (before[i] + added)) <= 3 * 0x1p-24 * size);
    }
    CHECK(wrong == 0);
}

/* An activation that is not a number, or minus infinity, for which the formula has none, stays visible. */
static void silu_of_special_values(void)
{
    CHECK(kernel_gives(kernels->activation[ITD_SILU].forward, 0.0f, 0.0f));
    CHECK(kernel_gives(kernels->activation[ITD_SILU].forward, 1000.0f, 1000.0f));
    CHECK(kernel_gives(kernels->activation[ITD_SILU].forward, FLT_MAX, FLT_MAX));
    CHECK(kernel_gives(kernels->activation[ITD_SILU].forward, -1000.0f, 0.0f));
    CHECK(kernel_gives(kernels->activation[ITD_SILU].forward, -FLT_MAX, 0.0f));
    CHECK(kernel_gives(kernels->activation[ITD_SILU].forward, INFINITY, INFINITY));
    CHECK(kernel_gives(kernels->activation[ITD_SILU].forward, -INFINITY, NAN));
    CHECK(kernel_gives(kernels->activation[ITD_SILU].forward, NAN, NAN));
    CHECK(kernel_gives(slope_alone, 0.0f, 0.5f));
    CHECK(kernel_gives(slope_alone, 1000.0f, 1.0f));
    CHECK(kernel_gives(slope_alone, FLT_MAX, 1.0f));
    CHECK(kernel_gives(slope_alone, -1000.0f, 0.0f));
    CHECK(kernel_gives(slope_alone, -FLT_MAX, 0.0f));
    CHECK(kernel_gives(slope_alone, INFINITY, NAN));
    CHECK(kernel_gives(slope_alone, -INFINITY, NAN));
    CHECK(kernel_gives(slope_alone, NAN, NAN));
}

/* ---- Box-Muller ---- */

/* u from 2^-33, the least the generator makes, to 1, dense at both ends; angles all around. */
static void polar_within_three_ulp(void)
{
    list u = {NULL, 0, 0};
    float *angle, *a, *b;
    peak w = {0, 0};
    size_t i;
    list_add_around(&u, 0x1p-33, 100);
    list_add_around(&u, 1, 5000);
    list_add_range(&u, 0x1p-33f, 1, 997);
    while (u.x[u.n - 1] > 1) u.n--;
    angle = ref_floats(u.n), a = ref_floats(u.n), b = ref_floats(u.n);
    ref_seed(5);
    for (i = 0; i < u.n; i++) {
        int quarter = (int)(ref_bits() % 5) - 2;
        angle[i] = (float)(i % 4 ? ref_uniform(-REF_PI, REF_PI) : quarter * (REF_PI / 2));
        if (u.x[i] > 1) u.x[i] = 1;
    }
    kernels->polar(u.x, angle, u.n, a, b);
    for (i = 0; i < u.n; i++) {
        double radius = sqrt(-2 * log(u.x[i]));
        worst_update(&w, u.x[i], a[i], radius * cos(angle[i]));
        worst_update(&w, u.x[i], b[i], radius * sin(angle[i]));
    }
    worst_check("polar", w, 3);
    worst_seen.polar = w.ulp;
    free(u.x), free(angle), free(a), free(b);
}

/* ---- sums ---- */

/* Small whole numbers add without rounding: the sum is exact or wrong. */
static void sums_of_whole_numbers_are_exact(void)
{
    size_t n, i;
    ref_seed(6);
    for (n = 0; n <= 2500; n += n < 140 ? 1 : 97) {
        float *x = ref_floats(n + 1) + 1; /* off the alignment of malloc */
        double expected = 0;
        for (i = 0; i < n; i++) {
            x[i] = (float)(ref_bits() % 65) - 32;
            expected += (double)x[i] * x[i];
        }
        CHECK_CLOSE(kernels->sum_squares(x, n), expected, 0);
        free(x - 1);
    }
}

/* At most 64 roundings of a lane's sum and one of each square. */
static void sum_squares_of_many(void)
{
    enum { N = 100003 };
    float *x;
    double expected = 0;
    size_t i;
    ref_seed(7);
    x = ref_normals(N, 1);
    for (i = 0; i < N; i++) expected += (double)x[i] * x[i];
    CHECK_CLOSE(kernels->sum_squares(x, N), expected, 65 * 0x1p-24 * expected);
    free(x);
}

static void sum_squares_does_not_swallow_nan(void)
{
    float x[70];
    size_t n, i;
    for (n = 1; n <= 70; n++) {
        for (i = 0; i < n; i++) x[i] = 1;
        x[n - 1] = NAN;
        CHECK(isnan(kernels->sum_squares(x, n)));
        x[n - 1] = 1, x[n / 2] = -INFINITY;
        CHECK(isinf(kernels->sum_squares(x, n)));
    }
}

static void column_sums_of_whole_numbers_are_exact(void)
{
    enum { ROWS = 37 };
    size_t columns, i, j;
    ref_seed(8);
    for (columns = 1; columns <= 70; columns++) {
        float *x = ref_floats(ROWS * columns), *sum = ref_floats(columns + 2);
        double *expected = ref_doubles(columns);
        for (j = 0; j < columns; j++) expected[j] = sum[1 + j] = (float)j - 30;
        for (i = 0; i < ROWS * columns; i++) {
            x[i] = (float)(ref_bits() % 2001) - 1000;
            expected[i % columns] += x[i];
        }
        sum[0] = sum[columns + 1] = 12345;
        kernels->column_sums(x, columns, NULL, ROWS, columns, sum + 1);
        for (j = 0; j < columns; j++) CHECK_CLOSE(sum[1 + j], expected[j], 0);
        CHECK_CLOSE(sum[0] + sum[columns + 1], 24690, 0);
        free(x), free(sum), free(expected);
    }
}

/* A column's sum has the same bits whatever stands beside it; each of n additions rounds what is there. */
static void column_sums_do_not_depend_on_other_columns(void)
{
    enum { ROWS = 129, WIDE = 70 };
    float *x, *part = ref_floats(ROWS * WIDE), all[WIDE] = {0}, some[WIDE];
    size_t columns, i, j;
    ref_seed(14);
    x = ref_normals(ROWS * WIDE, 1);
    kernels->column_sums(x, WIDE, NULL, ROWS, WIDE, all);
    for (columns = 1; columns < WIDE; columns++) {
        for (i = 0; i < ROWS; i++)
            for (j = 0; j < columns; j++) part[i * columns + j] = x[i * WIDE + j];
        memset(some, 0, sizeof some);
        kernels->column_sums(part, columns, NULL, ROWS, columns, some);
        CHECK(same_bits(some, all, columns));
        memset(some, 0, sizeof some);
        kernels->column_sums(x, WIDE, NULL, ROWS, columns, some);
        CHECK(same_bits(some, all, columns));
    }
    for (j = 0; j < WIDE; j++) {
        double expected = 0, size = 0;
        for (i = 0; i < ROWS; i++) expected += x[i * WIDE + j], size += fabs(x[i * WIDE + j]);
        CHECK_CLOSE(all[j], expected, ROWS * 0x1p-24 * size);
    }
    free(x), free(part);
}

/* ---- Adam ---- */

enum { ADAM_N = 77 };

typedef struct adam_state {
    float m[ADAM_N], v[ADAM_N], w[ADAM_N], ema[ADAM_N];
} adam_state;

static itd__adam_constants adam_constants(unsigned t)
{
    itd__adam_constants c;
    c.beta1 = 0.9f, c.beta2 = 0.999f, c.epsilon = 1e-8f;
    c.rest1 = (float)(1 - 0.9), c.rest2 = (float)(1 - 0.999);
    c.clip = 0.75f;
    c.rate = (float)(1e-2 / (1 - pow(0.9, t))), c.correction = (float)(1 / (1 - pow(0.999, t)));
    c.decay = 1e-3f, c.keep = 0.95f, c.keep_rest = (float)(1 - 0.95);
    return c;
}

/* The error of `value`, in roundings of the largest number it was made from. */
static double roundings(float value, double expected, double size)
{
    return fabs(value - expected) / (0x1p-24 * size);
}

/* One step on from `s` in double precision, with the constants as the kernel gets them; the worst of all
 * numbers that `after` holds. */
static double adam_error(const itd__adam_constants *c, const float *g, const adam_state *s,
                         const adam_state *after)
{
    double largest = 0;
    size_t i;
    for (i = 0; i < ADAM_N; i++) {
        double d = (double)g[i] * c->clip, error;
        double m1 = (double)c->beta1 * s->m[i], m2 = (double)c->rest1 * d, m = m1 + m2;
        double v = (double)c->beta2 * s->v[i] + (double)c->rest2 * d * d;
        double move = (double)c->rate * m / (sqrt((double)c->correction * v) + (double)c->epsilon);
        double blur = fabs(move) / fmax(fabs(m), 1e-30) * (fabs(m1) + fabs(m2)); /* of the sum m1 + m2 */
        double w = s->w[i] - ((double)c->decay * s->w[i] + move);
        double ema = (double)c->keep * s->ema[i] + (double)c->keep_rest * w;
        error = roundings(after->m[i], m, fabs(m1) + fabs(m2));
        error = fmax(error, roundings(after->v[i], v, v));
        error = fmax(error, roundings(after->w[i], w, fabs(s->w[i]) + fabs(move) + blur));
        error = fmax(error, roundings(after->ema[i], ema, fabs(s->ema[i]) + fabs(w) + fabs(move) + blur));
        if (!(error <= largest)) largest = error;
    }
    return largest;
}

static adam_state adam_start(void)
{
    adam_state s;
    size_t i;
    memset(&s, 0, sizeof s);
    for (i = 0; i < ADAM_N; i++) s.w[i] = s.ema[i] = (float)ref_normal();
    return s;
}

/* Gradients of all sizes, some of them zero. */
static void adam_gradients(float *g)
{
    size_t i;
    for (i = 0; i < ADAM_N; i++) g[i] = i % 7 ? (float)(ref_normal() * pow(10, (double)(i % 9) - 6)) : 0.0f;
}

/* The most is what v collects: two from squaring the rounded gradient, two products, one sum. */
static void adam_within_five_roundings(void)
{
    adam_state s, before;
    float g[ADAM_N];
    double largest = 0;
    unsigned t;
    ref_seed(9);
    s = adam_start();
    for (t = 1; t <= 100; t++) {
        itd__adam_constants c = adam_constants(t);
        double error;
        adam_gradients(g);
        before = s;
        kernels->adam(&c, ADAM_N, g, s.m, s.v, s.w, s.ema);
        error = adam_error(&c, g, &before, &s);
        if (!(error <= largest)) largest = error;
    }
    if (!CHECK(largest <= 5)) printf("  off by %.3f roundings\n", largest);
}

static void adam_without_average_takes_the_same_steps(void)
{
    adam_state with, without;
    float g[ADAM_N], ema[ADAM_N];
    unsigned t;
    ref_seed(10);
    with = without = adam_start();
    memcpy(ema, without.ema, sizeof ema);
    for (t = 1; t <= 10; t++) {
        itd__adam_constants c = adam_constants(t);
        adam_gradients(g);
        kernels->adam(&c, ADAM_N, g, with.m, with.v, with.w, with.ema);
        kernels->adam(&c, ADAM_N, g, without.m, without.v, without.w, NULL);
    }
    CHECK(same_bits(with.m, without.m, ADAM_N));
    CHECK(same_bits(with.v, without.v, ADAM_N));
    CHECK(same_bits(with.w, without.w, ADAM_N));
    CHECK(same_bits(ema, without.ema, ADAM_N));
    CHECK(!same_bits(ema, with.ema, ADAM_N));
}

/* Without gradients they shrink, as those of a weight that no longer matters do: until they leave the normal
 * range, where many processors take a hundred times as long, and are zero. */
static void moments_are_normal_or_zero(void)
{
    adam_state s;
    float g[ADAM_N] = {0};
    size_t i, strange = 0, left = 0;
    unsigned t;
    ref_seed(21);
    s = adam_start();
    for (i = 0; i < ADAM_N; i++) {
        s.m[i] = (i % 2 ? -1e-38f : 1e-38f) * (float)(2 + i), s.v[i] = FLT_MIN * (1 + 0.001f * (float)i);
        g[i] = i % 3 ? 0 : 1e-30f; /* its square vanishes */
    }
    for (t = 1; t <= 200; t++) {
        itd__adam_constants c = adam_constants(t);
        kernels->adam(&c, ADAM_N, g, s.m, s.v, s.w, s.ema);
        for (i = 0; i < ADAM_N; i++) {
            strange += fabsf(s.m[i]) > 0 && fabsf(s.m[i]) < FLT_MIN;
            strange += s.v[i] > 0 && s.v[i] < FLT_MIN;
        }
    }
    for (i = 0; i < ADAM_N; i++) left += s.v[i] > 0 || (i % 3 && fabsf(s.m[i]) > 0);
    CHECK(strange == 0);
    CHECK(left == 0);
}

/* ---- every length, at every alignment ---- */

enum { MOST_ARGUMENTS = 6, LONG = 203, GUARD = 20 };

typedef struct call { /* an elementwise kernel: the arrays it reads, then those it changes */
    const char *name;
    void (*apply)(float **argument, size_t n);
    size_t arguments, read;
    double scale; /* arguments are uniform from 0 to it */
} call;

static void apply_exp(float **x, size_t n) { kernels->exp(x[0], n, x[1]); }
static void apply_log(float **x, size_t n) { kernels->log(x[0], n, x[1]); }
static void apply_silu(float **x, size_t n) { kernels->activation[ITD_SILU].forward(x[0], n, x[1]); }
static void apply_silu_backward(float **x, size_t n)
{
    kernels->activation[ITD_SILU].backward(x[0], x[1], n, x[2]);
}
static void apply_polar(float **x, size_t n) { kernels->polar(x[0], x[1], n, x[2], x[3]); }

static void apply_add(float **x, size_t n) { kernels->add(x[0], x[1], n, x[2]); }
static void apply_sums(float **x, size_t n) { kernels->column_sums(x[0], n, NULL, 1, n, x[1]); }
static void apply_squares(float **x, size_t n) { kernels->column_sums(x[0], n, x[1], 1, n, x[2]); }
static void apply_affine(float **x, size_t n) { kernels->affine(x[0], x[1], x[2], 1, n, false, x[3], n); }
static void apply_affine_silu(float **x, size_t n) { kernels->affine(x[0], x[1], x[2], 1, n, true, x[3], n); }
static void apply_affine_backward(float **x, size_t n)
{
    kernels->affine_backward(x[3], n, x[0], x[1], x[2], 1, n, true, x[4], x[5]);
}

static void apply_combine(float **x, size_t n)
{
    const float *factor[3];
    factor[0] = x[2], factor[1] = x[3], factor[2] = x[4];
    kernels->combine(x[0], n, x[1], factor, 1, n, x[5]);
}

static void apply_adam(float **x, size_t n)
{
    itd__adam_constants c = adam_constants(3);
    kernels->adam(&c, n, x[0], x[1], x[2], x[3], x[4]);
}

static const call calls[] = {{"exp", apply_exp, 2, 1, 80},
                             {"log", apply_log, 2, 1, 80},
                             {"silu", apply_silu, 2, 1, 10},
                             {"silu_backward", apply_silu_backward, 3, 2, 10},
                             {"polar", apply_polar, 4, 2, 1},
                             {"add", apply_add, 3, 2, 10},
                             {"column_sums", apply_sums, 2, 1, 10},
                             {"column_sums of squares", apply_squares, 3, 2, 10},
                             {"affine", apply_affine, 4, 3, 3},
                             {"affine with SiLU", apply_affine_silu, 4, 3, 3},
                             {"affine_backward", apply_affine_backward, 6, 3, 2},
                             {"combine", apply_combine, 6, 5, 10},
                             {"adam", apply_adam, 5, 1, 1}};

/* A copy among NaNs, which would show in any result they went into; `shift` moves it off the alignment. */
static float *guard(const float *from, size_t n, size_t shift)
{
    float *block = ref_floats(n + 2 * GUARD);
    memset(block, 0xff, (n + 2 * GUARD) * sizeof *block);
    memcpy(block + shift, from, n * sizeof *from);
    return block;
}

/* Frees; true if nothing outside was written and the inside has the bits expected. */
static bool guard_holds(float *block, const float *expected, size_t n, size_t shift)
{
    bool ok = same_bits(block + shift, expected, n);
    size_t i;
    for (i = 0; i < n + 2 * GUARD; i++)
        ok = ok && ((i >= shift && i < shift + n) || bits_of(block[i]) == UINT32_MAX);
    free(block);
    return ok;
}

/* n numbers from place `from` on give what they gave among all LONG of them. */
static bool part_agrees(const call *c, float start[][LONG], float all[][LONG], size_t from, size_t n)
{
    float *block[MOST_ARGUMENTS], *argument[MOST_ARGUMENTS];
    size_t k;
    bool ok = true;
    for (k = 0; k < c->arguments; k++) {
        size_t shift = 1 + (n + from + 3 * k) % 16;
        block[k] = guard(start[k] + from, n, shift);
        argument[k] = block[k] + shift;
    }
    c->apply(argument, n);
    for (k = 0; k < c->arguments; k++)
        ok = guard_holds(block[k], all[k] + from, n, 1 + (n + from + 3 * k) % 16) && ok;
    return ok;
}

static void every_length_gives_the_same_numbers(void)
{
    static float start[MOST_ARGUMENTS][LONG], all[MOST_ARGUMENTS][LONG];
    size_t i, j, k, n;
    ref_seed(11);
    for (i = 0; i < sizeof calls / sizeof *calls; i++) {
        const call *c = &calls[i];
        float *argument[MOST_ARGUMENTS];
        bool ok = true;
        for (k = 0; k < c->arguments; k++) {
            for (j = 0; j < LONG; j++) start[k][j] = (float)(c->scale * ref_uniform(0, 1));
            memcpy(all[k], start[k], sizeof start[k]);
            argument[k] = all[k];
        }
        c->apply(argument, LONG);
        for (k = 0; k < c->arguments; k++) CHECK(same_bits(all[k], start[k], LONG) == (k < c->read));
        for (n = 0; n <= 70; n++)
            for (j = 0; j < 20; j++) ok = part_agrees(c, start, all, j, n) && ok;
        if (!CHECK(ok)) printf("  %s (%s)\n", c->name, kernels->name);
    }
}

/* ---- linear maps of squares ---- */

/* The matrices of F(2x2,3x3), by rows: each map multiplies with its own from the left, and from the right
 * with its transpose. */
static const double patch_matrix[] = {1, 0, -1, 0, 0, 1, 1, 0, 0, -1, 1, 0, 0, 1, 0, -1};
static const double taps_matrix[] = {1, 0, 0, 0.5, 0.5, 0.5, 0.5, -0.5, 0.5, 0, 0, 1};
static const double output_matrix[] = {1, 1, 1, 0, 0, 1, -1, -1};
static const double gradient_matrix[] = {1, 0, 1, 1, 1, -1, 0, -1};
static const double back_matrix[] = {1, 0.5, 0.5, 0, 0, 0.5, -0.5, 0, 0, 0.5, 0.5, 1};

static const struct {
    itd__transform t;
    const double *matrix; /* (n,m) */
    size_t m, n;
    bool adds; /* may be asked to */
} maps[] = {{ITD__FROM_PATCH, patch_matrix, 4, 4, false},
            {ITD__FROM_WEIGHTS, taps_matrix, 3, 4, false},
            {ITD__TO_OUTPUT, output_matrix, 4, 2, true},
            {ITD__FROM_GRADIENT, gradient_matrix, 2, 4, false},
            {ITD__TO_WEIGHTS, back_matrix, 4, 3, true}};
enum { MAPS = sizeof maps / sizeof *maps, MOST_CHANNELS = 70 };

/* The outcome and, without signs, the sum of its terms. */
static void map_square(size_t map, const double *x, double *y, double *terms)
{
    size_t m = maps[map].m, n = maps[map].n, i, j, k, l;
    for (i = 0; i < n; i++)
        for (j = 0; j < n; j++) {
            y[i * n + j] = terms[i * n + j] = 0;
            for (k = 0; k < m; k++)
                for (l = 0; l < m; l++) {
                    double term = maps[map].matrix[i * m + k] * x[k * m + l] * maps[map].matrix[j * m + l];
                    y[i * n + j] += term, terms[i * n + j] += fabs(term);
                }
        }
}

typedef struct squares { /* arrays as the map reads them, as it leaves them and as they were */
    float *x[16], *y[16], before[16][MOST_CHANNELS];
} squares;

static float map_number(bool whole) { return whole ? (float)ref_below(129) - 64 : (float)ref_normal(); }

static squares squares_make(size_t map, size_t channels, bool whole)
{
    squares s;
    float from[MOST_CHANNELS];
    size_t i, c;
    memset(&s, 0, sizeof s);
    for (i = 0; i < maps[map].m * maps[map].m; i++) {
        for (c = 0; c < channels; c++) from[c] = map_number(whole);
        s.x[i] = guard(from, channels, i);
    }
    for (i = 0; i < maps[map].n * maps[map].n; i++) {
        for (c = 0; c < channels; c++) s.before[i][c] = map_number(whole);
        s.y[i] = guard(s.before[i], channels, 15 - i);
    }
    return s;
}

/* Frees; true if what is beside the n numbers is what guard() put there. */
static bool nothing_beside(float *block, size_t n, size_t shift)
{
    float inside[MOST_CHANNELS];
    memcpy(inside, block + shift, n * sizeof *inside);
    return guard_holds(block, inside, n, shift);
}

/* Along each axis a number is the sum of three terms at most, so two roundings, and one more where it is
 * added to what was there; of small whole numbers, quarters at the least, there are none. */
static bool map_agrees(size_t map, size_t channels, bool whole, bool add)
{
    squares s = squares_make(map, channels, whole);
    size_t m = maps[map].m, n = maps[map].n, i, c, wrong = 0;
    const float *in[16] = {NULL};
    float *out[16] = {NULL};
    bool ok = true;
    for (i = 0; i < m * m; i++) in[i] = s.x[i] + i;
    for (i = 0; i < n * n; i++) out[i] = s.y[i] + 15 - i;
    kernels->transform(maps[map].t, in, out, 0, channels, add);
    for (c = 0; c < channels; c++) {
        double x[16], y[16], terms[16];
        for (i = 0; i < m * m; i++) x[i] = in[i][c];
        map_square(map, x, y, terms);
        for (i = 0; i < n * n; i++) {
            double start = add ? s.before[i][c] : 0;
            double most = whole ? 0 : 5 * 0x1p-24 * (terms[i] + fabs(start));
            wrong += !(fabs(out[i][c] - (y[i] + start)) <= most);
        }
    }
    for (i = 0; i < m * m; i++) ok = nothing_beside(s.x[i], channels, i) && ok;
    for (i = 0; i < n * n; i++) ok = nothing_beside(s.y[i], channels, 15 - i) && ok;
    if (wrong || !ok)
        printf("  map %d of %lu channels (%s)\n", (int)maps[map].t, (unsigned long)channels, kernels->name);
    return wrong == 0 && ok;
}

static void maps_are_their_matrices(void)
{
    size_t map, channels;
    ref_seed(16);
    for (map = 0; map < MAPS; map++)
        for (channels = 0; channels <= MOST_CHANNELS; channels++) {
            CHECK(map_agrees(map, channels, true, false));
            CHECK(map_agrees(map, channels, false, false));
            if (maps[map].adds) CHECK(map_agrees(map, channels, channels % 2, true));
        }
}

/* A NaN shows wherever the matrices take it, and in no other channel. */
static void maps_do_not_swallow_nan(void)
{
    enum { CHANNELS = 37 };
    size_t map, at, i, c;
    ref_seed(17);
    for (map = 0; map < MAPS; map++)
        for (at = 0; at < maps[map].m * maps[map].m; at++) {
            size_t n = maps[map].n, channel = ref_below(CHANNELS), wrong = 0;
            float x[16][CHANNELS], y[16][CHANNELS], *out[16];
            const float *in[16];
            double one[16] = {0}, reached[16], terms[16];
            for (i = 0; i < 16; i++) in[i] = x[i], out[i] = y[i];
            for (i = 0; i < 16 * CHANNELS; i++) x[i / CHANNELS][i % CHANNELS] = (float)ref_normal();
            x[at][channel] = NAN, one[at] = 1;
            map_square(map, one, reached, terms);
            kernels->transform(maps[map].t, in, out, 0, CHANNELS, false);
            for (i = 0; i < n * n; i++)
                for (c = 0; c < CHANNELS; c++)
                    wrong += (isnan(y[i][c]) != 0) != (c == channel && terms[i] > 0);
            CHECK(wrong == 0);
        }
}

/* ---- matrix product ---- */

typedef struct product { /* with room for `rows` rows */
    size_t rows, n, k;
    bool a_transposed, b_transposed, add;
    float *a, *b, *before;
} product;

static product product_make(size_t rows, size_t n, size_t k, unsigned mode)
{
    product p;
    p.rows = rows, p.n = n, p.k = k;
    p.a_transposed = mode & 1, p.b_transposed = mode & 2, p.add = mode & 4;
    p.a = ref_normals(rows * k, 1), p.b = ref_normals(n * k, 1);
    p.before = ref_normals(rows * n, 1);
    return p;
}

static void product_free(product *p) { free(p->a), free(p->b), free(p->before); }

static float *product_a(const product *p, size_t i, size_t k)
{
    return p->a + (p->a_transposed ? k * p->rows + i : i * p->k + k);
}

static float *product_b(const product *p, size_t k, size_t j)
{
    return p->b + (p->b_transposed ? j * p->k + k : k * p->n + j);
}

/* m rows and n columns of the product from (row,column) on, into that part of c. */
static void product_part(const product *p, size_t row, size_t m, size_t column, size_t n, float *c)
{
    itd__product q = ITD__ZERO;
    size_t i;
    q.m = m, q.n = n, q.k = p->k;
    q.a = product_a(p, row, 0), q.ra = p->a_transposed ? 1 : p->k, q.ca = p->a_transposed ? p->rows : 1;
    q.b = product_b(p, 0, column), q.rb = p->b_transposed ? 1 : p->n, q.cb = p->b_transposed ? p->k : 1;
    q.add = p->add;
    q.c = c + row * p->n + column, q.rc = p->n;
    q.work = work_with(0);
    for (i = 0; i < m; i++) memcpy(q.c + i * p->n, p->before + (row + i) * p->n + column, n * sizeof *q.c);
    kernels->gemm(&q);
}

/* m rows of the product from row `from` on, into those rows of c. */
static void product_rows(const product *p, size_t from, size_t m, float *c)
{
    product_part(p, from, m, 0, p->n, c);
}

/* All rows in slices of m, the first of them shorter by `cut`. */
static void product_sliced(const product *p, size_t m, size_t cut, float *c)
{
    size_t from = 0;
    while (from < p->rows) {
        size_t now = from == 0 ? m - cut : m;
        now = itd__min(now, p->rows - from);
        product_rows(p, from, now, c);
        from += now;
    }
}

/* Slices of a batch go to different threads, so the bits of a row must not depend on the slice it is in. */
static void rows_do_not_depend_on_other_rows(void)
{
    static const size_t columns[] = {1, 2, 5, 15, 16, 17, 33, 48}, depths[] = {1, 9, 200, 33, 7, 3, 64, 128};
    enum { ROWS = 40 };
    unsigned shape, mode;
    size_t m;
    ref_seed(12);
    for (shape = 0; shape < 8; shape++)
        for (mode = 0; mode < 8; mode++) {
            product p = product_make(ROWS, columns[shape], depths[(shape + mode) % 8], mode);
            float *whole = ref_floats(ROWS * p.n), *sliced = ref_floats(ROWS * p.n);
            bool ok = true;
            product_rows(&p, 0, ROWS, whole);
            for (m = 1; m <= ROWS; m++) {
                product_sliced(&p, m, m / 3, sliced);
                ok = ok && same_bits(sliced, whole, ROWS * p.n);
            }
            if (!CHECK(ok)) printf("  n %lu mode %u (%s)\n", (unsigned long)p.n, mode, kernels->name);
            free(whole), free(sliced);
            product_free(&p);
        }
}

/* More rows than the product treats at a time, against the slices the network makes of them. */
static void rows_of_tall_products_do_not_depend_on_other_rows(void)
{
    static const size_t slices[] = {48, 64, 479, 480, 481, 700};
    product p;
    float *whole = ref_floats(1000 * 19), *sliced = ref_floats(1000 * 19);
    size_t i;
    unsigned mode;
    ref_seed(15);
    for (mode = 0; mode < 8; mode += 3) {
        p = product_make(1000, 19, 21, mode);
        product_rows(&p, 0, 1000, whole);
        for (i = 0; i < sizeof slices / sizeof *slices; i++) {
            product_sliced(&p, slices[i], 0, sliced);
            CHECK(same_bits(sliced, whole, 1000 * 19));
        }
        product_free(&p);
    }
    free(whole), free(sliced);
}

/* Columns go to different threads, too: in strips of another width, with B in place or packed. */
static void columns_do_not_depend_on_other_columns(void)
{
    static const size_t slices[] = {1, 4, 16, 31, 32, 64, 100, 128, 224, 512};
    enum { ROWS = 29, COLUMNS = ITD__ACROSS + 38, DEPTH = ITD__DEPTH + 14 };
    float *whole = ref_floats(ROWS * COLUMNS), *sliced = ref_floats(ROWS * COLUMNS);
    size_t i, at;
    unsigned mode;
    ref_seed(18);
    for (mode = 0; mode < 8; mode++) {
        product p = product_make(ROWS, COLUMNS, DEPTH, mode);
        product_rows(&p, 0, ROWS, whole);
        for (i = mode % 3; i < sizeof slices / sizeof *slices; i += 3) {
            for (at = 0; at < COLUMNS; at += slices[i])
                product_part(&p, 0, ROWS, at, itd__min(slices[i], COLUMNS - at), sliced);
            CHECK(same_bits(sliced, whole, ROWS * COLUMNS));
        }
        product_free(&p);
    }
    free(whole), free(sliced);
}

/* B too large for the second-level cache, so that parts of A are copied. */
static void rows_of_large_products_do_not_depend_on_other_rows(void)
{
    static const size_t slices[] = {1, 11, 12, ITD__DOWN - 1, ITD__DOWN, ITD__DOWN + 1};
    enum { ROWS = 2 * ITD__DOWN + 3, COLUMNS = 250, DEPTH = ITD__DEPTH + 7 };
    float *whole = ref_floats(ROWS * COLUMNS), *sliced = ref_floats(ROWS * COLUMNS);
    size_t i;
    unsigned mode;
    ref_seed(19);
    CHECK(COLUMNS * DEPTH > ITD__SMALL);
    for (mode = 0; mode < 8; mode += 5) {
        product p = product_make(ROWS, COLUMNS, DEPTH, mode);
        product_rows(&p, 0, ROWS, whole);
        for (i = 0; i < sizeof slices / sizeof *slices; i += 1 + mode % 2) {
            product_sliced(&p, slices[i], 0, sliced);
            CHECK(same_bits(sliced, whole, ROWS * COLUMNS));
        }
        product_free(&p);
    }
    free(whole), free(sliced);
}

/* Which numbers of c are finite: all but those of row i (if below m) and of column j (if below n). */
static bool spoiled_exactly(const float *c, size_t m, size_t n, size_t i, size_t j)
{
    size_t row, column;
    bool ok = true;
    for (row = 0; row < m; row++)
        for (column = 0; column < n; column++)
            ok = ok && itd__finite(c[row * n + column]) == !(row == i || column == j);
    return ok;
}

/* One number of A spoils its row, one of B its column, and neither anything else. */
static bool spoils(product *p, float what)
{
    size_t i = ref_below(p->rows), j = ref_below(p->n), k = ref_below(p->k);
    float *c = ref_floats(p->rows * p->n), *a = product_a(p, i, k), *b = product_b(p, k, j), saved = *a;
    bool ok;
    *a = what;
    product_rows(p, 0, p->rows, c);
    ok = spoiled_exactly(c, p->rows, p->n, i, p->n);
    *a = saved, saved = *b, *b = what;
    product_rows(p, 0, p->rows, c);
    ok = spoiled_exactly(c, p->rows, p->n, p->rows, j) && ok;
    *b = saved;
    free(c);
    return ok;
}

/* The same for what was there, if the product is added to it; it is overwritten otherwise. */
static bool spoils_from_the_start(product *p, float what)
{
    size_t i = ref_below(p->rows), j = ref_below(p->n), cells = p->rows * p->n, at;
    float *c = ref_floats(cells);
    bool ok = true;
    p->before[i * p->n + j] = what;
    product_rows(p, 0, p->rows, c);
    for (at = 0; at < cells; at++) ok = ok && itd__finite(c[at]) == !(p->add && at == i * p->n + j);
    free(c);
    return ok;
}

static void products_show_what_is_not_finite(void)
{
    const float what[] = {NAN, INFINITY, -INFINITY};
    unsigned mode, i;
    size_t trial;
    ref_seed(13);
    for (mode = 0; mode < 8; mode++)
        for (trial = 0; trial < 60; trial++) {
            product p = product_make(1 + ref_below(29), 1 + ref_below(50), 1 + ref_below(20), mode);
            for (i = 0; i < 3; i++) CHECK(spoils(&p, what[i]));
            CHECK(spoils_from_the_start(&p, what[trial % 3]));
            CHECK(work_holds());
            product_free(&p);
        }
}

/* Where B is packed, and more than one part of k. */
static void large_products_show_what_is_not_finite(void)
{
    unsigned mode;
    ref_seed(20);
    for (mode = 0; mode < 8; mode++) {
        product p = product_make(14, 270, 293, mode);
        CHECK(p.n * p.k > ITD__SMALL && p.k > ITD__DEPTH);
        CHECK(spoils(&p, NAN));
        CHECK(spoils(&p, INFINITY));
        CHECK(spoils_from_the_start(&p, NAN));
        CHECK(work_holds());
        product_free(&p);
    }
}

static void all_tests(void)
{
    kernels = itd__fast();
    RUN(exp_within_two_ulp);
    RUN(exp_of_special_values);
    RUN(log_within_two_ulp);
    RUN(log_of_special_values);
    RUN(sin_cos_within_two_ulp);
    RUN(sin_cos_of_large_numbers);
    RUN(sin_cos_of_special_values);
    RUN(sin_cos_beside_large_numbers);
    RUN(embed_is_sin_cos_of_the_product);
    RUN(silu_within_three_ulp);
    RUN(silu_backward_within_four_roundings);
    RUN(silu_backward_adds);
    RUN(silu_of_special_values);
    RUN(polar_within_three_ulp);
    RUN(sums_of_whole_numbers_are_exact);
    RUN(sum_squares_of_many);
    RUN(sum_squares_does_not_swallow_nan);
    RUN(column_sums_of_whole_numbers_are_exact);
    RUN(column_sums_do_not_depend_on_other_columns);
    RUN(adam_within_five_roundings);
    RUN(adam_without_average_takes_the_same_steps);
    RUN(moments_are_normal_or_zero);
    RUN(every_length_gives_the_same_numbers);
    RUN(maps_are_their_matrices);
    RUN(maps_do_not_swallow_nan);
    RUN(rows_do_not_depend_on_other_rows);
    RUN(rows_of_tall_products_do_not_depend_on_other_rows);
    RUN(rows_of_large_products_do_not_depend_on_other_rows);
    RUN(columns_do_not_depend_on_other_columns);
    RUN(products_show_what_is_not_finite);
    RUN(large_products_show_what_is_not_finite);
    printf("  %s: worst ulp of exp %.2f, log %.2f, sine %.2f, cosine %.2f, ", kernels->name, worst_seen.exp,
           worst_seen.log, worst_seen.sine, worst_seen.cosine);
    printf("silu %.2f (slope %.2f), polar %.2f\n", worst_seen.silu, worst_seen.slope, worst_seen.polar);
}

int main(void)
{
    each_simd(all_tests);
    return test_report();
}
