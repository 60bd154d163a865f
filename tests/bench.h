/* bench.h: what the benchmarks share. A measurement has a few contestants, timed in turn over several rounds:
 * ours, the limit of the machine, the rival, ours, the limit, ... The clock rate of a processor moves and
 * neighbours take time from it: what runs in the same rounds runs under the same conditions, and a median
 * forgets a single disturbance.
 *
 * Include system.h and the implementation of itdiff.h before this file. */
#ifndef BENCH_H
#define BENCH_H

#ifdef _OPENMP
#include <omp.h>
#endif

enum { BENCH_MOST_ROUNDS = 1000 };

static const char *bench_program = "bench"; /* main sets it; errors begin with it */

/* Every failure ends here: one line, exit 1. */
static inline void bench_fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s: %s\n", bench_program, what, why);
    exit(1);
}

static inline void bench_must(itd_result result, const char *what)
{
    if (result != ITD_OK) bench_fail(what, itd_result_string(result));
}

static inline void *bench_alloc(size_t count, size_t size)
{
    void *p = calloc(count, size);
    if (!p) bench_fail("memory", "used up");
    return p;
}

/* ---- threads ---- */

static inline int bench_most_threads(void)
{
#ifdef _OPENMP
    return omp_get_num_procs();
#else
    return 1;
#endif
}

/* As many as an option says, 0 or too many being all there are. */
static inline int bench_threads(size_t asked)
{
    int most = bench_most_threads();
    return asked && asked < (size_t)most ? (int)asked : most;
}

static inline void bench_use_threads(int threads)
{
#ifdef _OPENMP
    omp_set_num_threads(threads);
#else
    (void)threads;
#endif
}

/* ---- rounds ---- */

typedef struct bench_contestant {
    void (*run)(void *context, size_t repeats);
    void *context;
    double piece;         /* seconds that one timed piece takes, about; 0: one repeat, not tried before */
    void (*settle)(void); /* after each piece, not timed; or NULL */
    size_t repeats;       /* that make one piece */
    double seconds;       /* for one repeat, the median over the rounds */
} bench_contestant;

static inline int bench_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts the values. */
static inline double bench_median(double *x, size_t n)
{
    qsort(x, n, sizeof *x, bench_compare);
    return 0.5 * (x[(n - 1) / 2] + x[n / 2]);
}

static inline double bench_time(const bench_contestant *c)
{
    double started = system_seconds(), seconds;
    c->run(c->context, c->repeats);
    seconds = system_seconds() - started;
    if (c->settle) c->settle();
    return seconds;
}

/* Finds the repeats. The doubling also warms up caches, threads and clock. */
static inline void bench_calibrate(bench_contestant *c)
{
    for (c->repeats = 1; c->piece > 0; c->repeats *= 2) {
        double seconds = bench_time(c);
        if (seconds < 0.5 * c->piece) continue;
        if (seconds < c->piece) c->repeats = (size_t)((double)c->repeats * c->piece / seconds) + 1;
        return;
    }
}

static inline void bench_alternate(bench_contestant *c, size_t count, size_t rounds)
{
    double *seconds = (double *)bench_alloc(count * rounds, sizeof *seconds);
    for (size_t k = 0; k < count; k++) bench_calibrate(&c[k]);
    for (size_t r = 0; r < rounds; r++)
        for (size_t k = 0; k < count; k++) seconds[k * rounds + r] = bench_time(&c[k]) / (double)c[k].repeats;
    for (size_t k = 0; k < count; k++) c[k].seconds = bench_median(seconds + k * rounds, rounds);
    free(seconds);
}

/* ---- the limit: fused multiply-adds in registers ---- */

/* One multiply-add takes some four cycles and two can begin in each, so that eight or more must be under way,
 * each in a register of its own: 12 of the 16 of AVX2, 24 of the 32 of AVX-512; 14 of the 16 of SSE2, which
 * has no fused one and takes two instructions. x -> a x + b is a form that no compiler can shorten, and a and
 * b are not known to it. Returns a number made of all results, lest they be left out. */
#define BENCH_FMA(name, width, registers, target)                                                            \
    target static float bench_fma_##name(size_t rounds, const float *ab)                                     \
    {                                                                                                        \
        typedef float vector __attribute__((vector_size(4 * (width))));                                      \
        vector x[registers], zero = {0}, a = ab[0] - zero, b = ab[1] - zero;                                 \
        float sum = 0;                                                                                       \
        size_t i;                                                                                            \
        BENCH_UNROLL for (i = 0; i < (registers); i++) x[i] = (float)i - zero;                               \
        for (; rounds > 0; rounds--) BENCH_UNROLL for (i = 0; i < (registers); i++) x[i] = x[i] * a + b;     \
        BENCH_UNROLL for (i = 1; i < (registers); i++) x[0] += x[i];                                         \
        for (i = 0; i < (width); i++) sum += x[0][i];                                                        \
        return sum;                                                                                          \
    }

#ifdef ITD__VECTORS
#ifdef __clang__
#define BENCH_UNROLL _Pragma("clang loop unroll(full)")
#pragma float_control(push)
#pragma clang fp contract(fast)
#else
#define BENCH_UNROLL _Pragma("GCC unroll 24")
#pragma GCC push_options
#pragma GCC optimize("fp-contract=fast") /* -std=c99 has it off */
#endif
BENCH_FMA(base, 4, 14, )
#ifdef ITD__X86
BENCH_FMA(avx2, 8, 12, __attribute__((target("avx2,fma"))))
BENCH_FMA(avx512, 16, 24, __attribute__((target("avx512f"))))
#endif
#ifdef __clang__
#pragma float_control(pop)
#else
#pragma GCC pop_options
#endif
#endif

typedef struct bench_peak { /* the context of bench_peak_run */
    float (*fma)(size_t rounds, const float *ab);
    double flops; /* in one repeat of all threads */
    int threads;
} bench_peak;

enum { BENCH_PEAK_ROUNDS = 10000 };

/* The loop for the kernels of this name; plain C is held against the vectors every processor has. fma is NULL
 * where the compiler has no vectors. */
static inline bench_peak bench_peak_of(const char *simd, int threads)
{
    bench_peak peak = {NULL, 0, threads};
    int width = 4, registers = 14;
#ifdef ITD__VECTORS
    peak.fma = bench_fma_base;
#endif
#ifdef ITD__X86
    if (strcmp(simd, "avx2") == 0) peak.fma = bench_fma_avx2, width = 8, registers = 12;
    if (strcmp(simd, "avx512") == 0) peak.fma = bench_fma_avx512, width = 16, registers = 24;
#endif
    (void)simd;
    peak.flops = 2.0 * width * registers * BENCH_PEAK_ROUNDS * threads;
    return peak;
}

static volatile float bench_sink;

static inline void bench_peak_run(void *context, size_t repeats)
{
    static volatile float source[2] = {0.999f, 0.001f};
    const bench_peak *peak = (const bench_peak *)context;
    float ab[2] = {source[0], source[1]}, sum = 0;
#ifdef _OPENMP
#pragma omp parallel num_threads(peak->threads) reduction(+ : sum)
#endif
    sum += peak->fma(repeats * BENCH_PEAK_ROUNDS, ab);
    bench_sink = sum;
}

#define BENCH_PEAK_PIECE 0.02 /* seconds: enough for a rate */

/* Times one contestant in turn with the limit for the kernels in use, whose pieces take so many seconds;
 * returns the limit in GFLOP/s, 0 where the compiler has no vectors. */
static inline double bench_beside_limit(bench_contestant *c, size_t rounds, int threads, double piece)
{
    bench_peak peak = bench_peak_of(itd_simd_name(), threads);
    bench_contestant both[2] = {*c, {bench_peak_run, NULL, 0, NULL, 0, 0}};
    both[1].context = &peak, both[1].piece = piece;
    bench_alternate(both, peak.fma ? 2 : 1, rounds);
    *c = both[0];
    return peak.fma ? 1e-9 * peak.flops / both[1].seconds : 0;
}

/* ---- results ---- */

/* Zeros and NULLs have no meaning for the line. ratio > 1: we are faster. */
typedef struct bench_line {
    const char *name, *unit;
    double value, limit;
    const char *rival;
    double rival_value;
} bench_line;

/* Four digits or more, never an exponent. */
static inline void bench_print_number(const char *key, double x)
{
    int decimals = 3;
    double scale = x;
    for (; scale > 0 && scale < 1 && decimals < 9; scale *= 10) decimals++;
    for (; scale >= 10 && decimals > 0; scale /= 10) decimals--;
    printf(" %s=%.*f", key, decimals, x);
}

static inline void bench_print(const bench_line *line)
{
    printf("bench name=%s", line->name);
    bench_print_number("value", line->value);
    printf(" unit=%s", line->unit);
    if (line->limit > 0) {
        bench_print_number("limit", line->limit);
        bench_print_number("fraction", line->value / line->limit);
    }
    if (line->rival) {
        printf(" rival=%s", line->rival);
        bench_print_number("rival_value", line->rival_value);
        bench_print_number("ratio", line->value / line->rival_value);
    }
    printf("\n");
    fflush(stdout); /* there are minutes to watch */
}

/* WHAT_NETWORK_t1 in units a second, and WHAT_NETWORK_flops_t1 beside the limit; flops: in one unit. */
static inline void bench_report(const char *what, const char *network, int threads, const char *unit,
                                double rate, double flops, double limit)
{
    char name[80];
    bench_line line = {name, unit, rate, 0, NULL, 0};
    snprintf(name, sizeof name, "%s_%s_t%d", what, network, threads);
    bench_print(&line);
    snprintf(name, sizeof name, "%s_%s_flops_t%d", what, network, threads);
    line.unit = "GFLOP/s", line.value = 1e-9 * rate * flops, line.limit = limit;
    bench_print(&line);
}

#endif
