/* bench.h: what the benchmarks share. A measurement has a few contestants, timed in turn over several rounds:
 * ours, the limit of the machine, the rival, ours, the limit, ... The clock rate of a processor moves and
 * neighbours take time from it: what runs in the same rounds runs under the same conditions, and a median
 * forgets a single disturbance.
 *
 * Include system.h and the implementation of itdiff.h before this file. */
#ifndef BENCH_H
#define BENCH_H

#include "../../examples/support/args.h"
#include "../../examples/support/must.h"

#ifdef _OPENMP
#include <omp.h>
#endif

#ifndef BENCH_BUILD
#define BENCH_BUILD "cc"
#endif

/* ---- what both programs can be told ---- */

typedef struct bench_options {
    const char *simd, *only;
    size_t threads, rounds;
    double piece; /* ms */
} bench_options;

static bench_options bench = {"best", NULL, 0, 7, 20};

/* The first rows of an option table. */
#define BENCH_OPTIONS                                                                                        \
    args_choice("simd", &bench.simd, "best|plain|base|avx2|avx512", "Instruction set of the kernels."),      \
        args_size("threads", &bench.threads, 0, 1024, "At most so many; 0: one per processor."),             \
        args_string("only", &bench.only, "Only what has this text in its name."),                            \
        args_size("rounds", &bench.rounds, 1, 1000, "Pieces timed of each contestant."),                     \
        args_double("piece", &bench.piece, 0.01, 10000, "Milliseconds that one piece takes at least.")

static inline bool bench_wants(const char *name) { return !bench.only || strstr(name, bench.only); }

static inline void bench_use_simd(const char *name)
{
    static const char *const names[] = {"best", "plain", "base", "avx2", "avx512"}; /* as in itd_simd */
    int k = 0;
    while (strcmp(names[k], name) != 0) k++;
    if (!itd_simd_use((itd_simd)k)) fail("--simd %s: not of this compiler or processor", name);
}

/* ---- threads ---- */

/* As many as asked for, and no more than there are processors. */
static inline int bench_threads(void)
{
    int most = 1;
#ifdef _OPENMP
    most = omp_get_num_procs();
#endif
    return bench.threads && bench.threads < (size_t)most ? (int)bench.threads : most;
}

static inline void bench_use_threads(int threads)
{
#ifdef _OPENMP
    omp_set_num_threads(threads);
#else
    (void)threads;
#endif
}

/* What the lines after these were measured with. */
static inline void bench_say_plan(int threads)
{
    const char *policy = getenv("OMP_WAIT_POLICY");
#if defined(__clang__) || !defined(__GNUC__)
    const char *kind = "";
#else
    const char *kind = "gcc ";
#endif
#ifdef __VERSION__
    printf("# built by: %s (%s%s)\n", BENCH_BUILD, kind, __VERSION__);
#else
    printf("# built by: %s\n", BENCH_BUILD);
#endif
    printf("# kernels: %s\n# threads: %s%d", itd_simd_name(), threads > 1 ? "1 and " : "", threads);
    if (threads > 1) printf(", OMP_WAIT_POLICY=%s", policy ? policy : "unset");
    printf("\n");
    fflush(stdout);
}

/* ---- rounds ---- */

typedef struct bench_contestant {
    void (*run)(void *context, size_t repeats);
    void *context;
    void (*settle)(void); /* after each piece, not timed; or NULL */
    double piece;         /* seconds that one timed piece takes, about; 0: as bench.piece says */
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

/* Finds the repeats. What runs here is not measured: it warms up memory, caches, threads and clock. */
static inline void bench_calibrate(bench_contestant *c)
{
    double piece = c->piece > 0 ? c->piece : 1e-3 * bench.piece;
    for (c->repeats = 1;; c->repeats *= 2) {
        double seconds = bench_time(c);
        if (seconds < 0.5 * piece) continue;
        if (seconds < piece) c->repeats = (size_t)((double)c->repeats * piece / seconds) + 1;
        return;
    }
}

static inline void bench_alternate(bench_contestant *c, size_t count)
{
    double *seconds = (double *)must_alloc(count * bench.rounds, sizeof *seconds);
    for (size_t k = 0; k < count; k++) bench_calibrate(&c[k]);
    for (size_t r = 0; r < bench.rounds; r++)
        for (size_t k = 0; k < count; k++)
            seconds[k * bench.rounds + r] = bench_time(&c[k]) / (double)c[k].repeats;
    for (size_t k = 0; k < count; k++) c[k].seconds = bench_median(seconds + k * bench.rounds, bench.rounds);
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

/* Times contestants in turn with the limit for the kernels in use, whose place is the last, c[count]; returns
 * the limit in GFLOP/s, 0 where the compiler has no vectors. */
static inline double bench_beside_limit(bench_contestant *c, size_t count, int threads)
{
    bench_peak peak = bench_peak_of(itd_simd_name(), threads);
    const bench_contestant limit = {bench_peak_run, &peak, NULL, BENCH_PEAK_PIECE, 0, 0};
    c[count] = limit;
    bench_alternate(c, peak.fma ? count + 1 : count);
    return peak.fma ? 1e-9 * peak.flops / c[count].seconds : 0;
}

/* ---- results ---- */

/* Zeros and NULLs have no meaning for the line. ratio > 1: we are faster. */
typedef struct bench_line {
    const char *name, *unit;
    double value, flops; /* flops: in one unit, where the unit is not GFLOP/s itself */
    double limit;        /* GFLOP/s */
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
    double gflops = line->flops > 0 ? 1e-9 * line->flops * line->value : line->value;
    printf("bench name=%s", line->name);
    bench_print_number("value", line->value);
    printf(" unit=%s", line->unit);
    if (line->flops > 0) bench_print_number("gflops", gflops);
    if (line->limit > 0) {
        bench_print_number("limit", line->limit);
        bench_print_number("fraction", gflops / line->limit);
    }
    if (line->rival) printf(" rival=%s", line->rival);
    if (line->rival_value > 0) {
        bench_print_number("rival_value", line->rival_value);
        bench_print_number("ratio", line->value / line->rival_value);
    }
    printf("\n");
    fflush(stdout); /* there are minutes to watch */
}

#endif
