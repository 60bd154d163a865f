/* bench_kernels.c: how fast the kernels are, beside what the processor can do at most, beside OpenBLAS where
 * it was linked (-DBENCH_OPENBLAS -lopenblas), and beside the library's own plain C on top of libm.
 *   make build/bench_kernels && build/bench_kernels
 * --help explains the options; docs/performance.md explains the output. */
#include "../examples/support/system.h" /* first: it asks the system headers for POSIX */

#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "../examples/support/args.h"
#include "bench.h"

#ifndef BENCH_BUILD
#define BENCH_BUILD "cc"
#endif

typedef struct options {
    const char *simd, *only;
    size_t threads, rounds;
    double piece; /* ms */
} options;

static options o;

static options read_options(int argc, char **argv)
{
    static options read; /* the option table keeps pointers into it */
    read.rounds = 7, read.piece = 20;
    args_option list[] = {
        args_choice("simd", &read.simd, "plain|base|avx2|avx512",
                    "Kernels to measure instead of the best; names of lines end in it."),
        args_size("threads", &read.threads, 0, 1024, "At most so many; 0: one per processor."),
        args_string("only", &read.only, "Only lines with this text in their name."),
        args_size("rounds", &read.rounds, 1, BENCH_MOST_ROUNDS, "Pieces timed of each contestant."),
        args_double("piece", &read.piece, 0.01, 10000, "Milliseconds that one piece takes at least."),
    };
    args_table table = {"bench_kernels", "Measures matrix products, convolutions and elementwise functions.",
                        list, ARGS_COUNT(list)};
    args_parse(&table, argc, argv);
    return read;
}

static itd_simd simd_of(const char *name)
{
    if (!name) return ITD_SIMD_BEST;
    if (strcmp(name, "plain") == 0) return ITD_SIMD_PLAIN;
    if (strcmp(name, "base") == 0) return ITD_SIMD_BASE;
    return strcmp(name, "avx2") == 0 ? ITD_SIMD_AVX2 : ITD_SIMD_AVX512;
}

/* The name of a line, "STEM", "STEM_t2" or "STEM_t2_avx2" (threads 0: not told); NULL if not asked for. */
static const char *name_of(const char *stem, int threads)
{
    static char name[120];
    char count[16] = "";
    if (threads) snprintf(count, sizeof count, "_t%d", threads);
    snprintf(name, sizeof name, "%s%s%s%s", stem, count, o.simd ? "_" : "", o.simd ? o.simd : "");
    return o.only && !strstr(name, o.only) ? NULL : name;
}

static bench_contestant contestant(void (*run)(void *context, size_t repeats), void *context)
{
    bench_contestant c = {NULL, NULL, 0, NULL, 0, 0};
    c.run = run, c.context = context, c.piece = 1e-3 * o.piece;
    return c;
}

/* Uniform in (low, high). */
static void fill(float *x, size_t n, double low, double high)
{
    static itd_rng rng;
    for (size_t i = 0; i < n; i++) x[i] = (float)(low + (high - low) * itd_rng_uniform(&rng));
}

/* ---- the limit ---- */

static void measure_peak(int threads)
{
    const char *name = name_of("fma_peak", threads);
    bench_peak peak = bench_peak_of(itd_simd_name(), threads);
    bench_contestant c = contestant(bench_peak_run, &peak);
    bench_line line = {name, "GFLOP/s", 0, 0, NULL, 0};
    if (!name || !peak.fma) return;
    bench_alternate(&c, 1, o.rounds);
    line.value = 1e-9 * peak.flops / c.seconds;
    bench_print(&line);
}

/* ---- the rival in matrix products ---- */

#ifdef BENCH_OPENBLAS
enum { BLAS_ROW_MAJOR = 101, BLAS_AS_IS = 111, BLAS_TRANSPOSED = 112 };

void cblas_sgemm(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha,
                 const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);
void openblas_set_num_threads(int threads);
char *openblas_get_config(void);
char *openblas_get_corename(void);

static const char *rival_name(void)
{
    static char name[80];
    snprintf(name, sizeof name, "OpenBLAS-%s", openblas_get_corename());
    return name;
}

static void say_rival(void)
{
    printf("# rival in matrix products: %s\n", openblas_get_config());
    openblas_set_num_threads(1);
}

/* Its threads look out for more work in a busy loop for some 25 ms, at the cost of whoever runs next. */
static void rival_settle(void)
{
    double started = system_seconds();
    while (system_seconds() - started < 0.05) continue;
}
#else
static void say_rival(void) { printf("# rival in matrix products: skipped, OpenBLAS not found\n"); }
#endif

/* ---- matrix products ---- */

/* C (m,n) = A B; layout says whether A and B lie as they are (n) or transposed (t). */
typedef struct shape {
    const char *layout;
    size_t m, n, k;
} shape;

static const shape shapes[] = {
    {"nn", 1024, 1024, 1024}, {"nn", 128, 128, 384}, {"nn", 256, 1024, 2304}, {"nn", 64, 4096, 576},
    {"nn", 1000, 1000, 1000}, {"nn", 127, 129, 385}, {"nn", 7, 300, 77},
};

/* What the backward pass does: weight gradients are x^T dy, input gradients dy W^T. */
static const shape transposed_shapes[] = {
    {"tn", 1024, 1024, 1024}, {"nt", 1024, 1024, 1024}, {"tn", 128, 128, 384}, {"nt", 128, 128, 384}};

typedef struct product {
    shape s;
    int threads;
    float *a, *b, *ours, *theirs;
} product;

static product product_make(const shape *s, int threads)
{
    product p;
    p.s = *s, p.threads = threads;
    p.a = (float *)bench_alloc(s->m * s->k, sizeof *p.a);
    p.b = (float *)bench_alloc(s->k * s->n, sizeof *p.b);
    p.ours = (float *)bench_alloc(s->m * s->n, sizeof *p.ours);
    p.theirs = (float *)bench_alloc(s->m * s->n, sizeof *p.theirs);
    fill(p.a, s->m * s->k, -1, 1);
    fill(p.b, s->k * s->n, -1, 1);
    return p;
}

static void product_free(product *p) { free(p->a), free(p->b), free(p->ours), free(p->theirs); }

static void run_ours(void *context, size_t repeats)
{
    const product *p = (const product *)context;
    itd__product q = ITD__ZERO;
    bool a_transposed = p->s.layout[0] == 't', b_transposed = p->s.layout[1] == 't';
    q.m = p->s.m, q.n = p->s.n, q.k = p->s.k;
    q.a = p->a, q.ra = a_transposed ? 1 : q.k, q.ca = a_transposed ? q.m : 1;
    q.b = p->b, q.rb = b_transposed ? 1 : q.n, q.cb = b_transposed ? q.k : 1;
    q.c = p->ours, q.rc = q.n;
    bench_use_threads(p->threads);
    for (; repeats > 0; repeats--) itd__gemm(&q);
}

#ifdef BENCH_OPENBLAS
static void run_theirs(void *context, size_t repeats)
{
    const product *p = (const product *)context;
    int m = (int)p->s.m, n = (int)p->s.n, k = (int)p->s.k;
    bool a_transposed = p->s.layout[0] == 't', b_transposed = p->s.layout[1] == 't';
    openblas_set_num_threads(p->threads);
    for (; repeats > 0; repeats--)
        cblas_sgemm(BLAS_ROW_MAJOR, a_transposed ? BLAS_TRANSPOSED : BLAS_AS_IS,
                    b_transposed ? BLAS_TRANSPOSED : BLAS_AS_IS, m, n, k, 1, p->a, a_transposed ? m : k, p->b,
                    b_transposed ? k : n, 0, p->theirs, n);
    openblas_set_num_threads(1);
}

/* A fast wrong product is worth nothing. */
static void compare_products(const product *p, const char *name)
{
    float most = 1e-5f * (float)p->s.k;
    for (size_t i = 0; i < p->s.m * p->s.n; i++)
        if (!(fabsf(p->ours[i] - p->theirs[i]) <= most)) bench_fail(name, "differs from OpenBLAS");
}
#endif

static void measure_product(const shape *s, int threads)
{
    char stem[60];
    const char *name;
    int length = snprintf(stem, sizeof stem, "gemm_%s_%lux%lux%lu", s->layout, (unsigned long)s->m,
                          (unsigned long)s->n, (unsigned long)s->k);
    double flops = 2e-9 * (double)s->m * (double)s->n * (double)s->k;
    bench_peak peak = bench_peak_of(itd_simd_name(), threads);
    product p;
    bench_contestant c[3];
    bench_line line = {NULL, "GFLOP/s", 0, 0, NULL, 0};
    size_t count = 0, at_peak = 0;
    if (length < 0 || !(name = name_of(stem, threads))) return;
    p = product_make(s, threads);
    c[count++] = contestant(run_ours, &p);
    if (peak.fma) c[at_peak = count++] = contestant(bench_peak_run, &peak);
#ifdef BENCH_OPENBLAS
    c[count] = contestant(run_theirs, &p);
    c[count++].settle = threads > 1 ? rival_settle : NULL;
    line.rival = rival_name();
#endif
    bench_alternate(c, count, o.rounds);
    line.name = name;
    line.value = flops / c[0].seconds;
    if (peak.fma) line.limit = 1e-9 * peak.flops / c[at_peak].seconds;
#ifdef BENCH_OPENBLAS
    compare_products(&p, name);
    line.rival_value = flops / c[count - 1].seconds;
#endif
    bench_print(&line);
    product_free(&p);
}

/* ---- convolutions ---- */

enum { IMAGES = 4 }; /* a slice of the network */

/* 3x3, from `channels` of side x side pixels to as many. */
typedef struct extent {
    size_t side, channels;
} extent;

static const extent extents[] = {{32, 32}, {32, 64},  {16, 64},  {8, 64}, {16, 128},
                                 {8, 128}, {32, 128}, {16, 256}, {8, 256}};

typedef struct convolution {
    itd__window window;
    size_t channels;
    float *x, *y, *w, *b; /* w: weights, or a place for their gradients */
} convolution;

static convolution convolution_make(const extent *e)
{
    size_t floats = IMAGES * e->side * e->side * e->channels, weights = 9 * e->channels * e->channels;
    convolution v = ITD__ZERO;
    v.window.height = v.window.width = v.window.rows = v.window.columns = e->side;
    v.window.channels = v.channels = e->channels;
    v.window.stride = v.window.before = 1;
    v.x = (float *)bench_alloc(floats, sizeof *v.x);
    v.y = (float *)bench_alloc(floats, sizeof *v.y);
    v.w = (float *)bench_alloc(weights, sizeof *v.w);
    v.b = (float *)bench_alloc(e->channels, sizeof *v.b);
    fill(v.x, floats, -1, 1);
    fill(v.y, floats, -1, 1);
    fill(v.w, weights, -1, 1);
    return v;
}

static void convolution_free(convolution *v) { free(v->x), free(v->y), free(v->w), free(v->b); }

static void run_conv_forward(void *context, size_t repeats)
{
    const convolution *v = (const convolution *)context;
    bench_use_threads(1);
    for (; repeats > 0; repeats--) itd__conv_forward(&v->window, v->x, v->w, v->b, IMAGES, v->channels, v->y);
}

static void run_conv_input(void *context, size_t repeats)
{
    const convolution *v = (const convolution *)context;
    bench_use_threads(1);
    for (; repeats > 0; repeats--)
        itd__conv_backward_input(&v->window, v->y, v->w, IMAGES, v->channels, false, v->x);
}

/* In the pieces that the network gives to its threads. */
static void run_conv_weight(void *context, size_t repeats)
{
    const convolution *v = (const convolution *)context;
    size_t c = v->channels, share = c < 48 ? c : 32, k;
    bench_use_threads(1);
    for (; repeats > 0; repeats--)
        for (k = 0; k < c; k += share)
            itd__conv_backward_weight(&v->window, v->y, v->x, IMAGES, k, itd__min(share, c - k), c, false,
                                      v->w, v->b);
}

/* Taps that fall outside the image count as others do. */
static double convolution_flops(const extent *e)
{
    return 2.0 * IMAGES * (double)(e->side * e->side) * (double)(9 * e->channels * e->channels);
}

static void measure_convolution(const extent *e, const char *pass, void (*run)(void *context, size_t repeats))
{
    char stem[60];
    unsigned long side = (unsigned long)e->side, channels = (unsigned long)e->channels;
    bench_line line = {NULL, "GFLOP/s", 0, 0, NULL, 0};
    bench_contestant c;
    convolution v;
    snprintf(stem, sizeof stem, "conv_%s_%lux%lux%lu", pass, side, side, channels);
    if (!(line.name = name_of(stem, 1))) return;
    v = convolution_make(e);
    c = contestant(run, &v);
    line.limit = bench_beside_limit(&c, o.rounds, 1, c.piece);
    line.value = 1e-9 * convolution_flops(e) / c.seconds;
    bench_print(&line);
    convolution_free(&v);
}

static void measure_convolutions(const extent *e)
{
    measure_convolution(e, "forward", run_conv_forward);
    measure_convolution(e, "input", run_conv_input);
    measure_convolution(e, "weight", run_conv_weight);
}

/* ---- elementwise functions ---- */

enum { ELEMENTS = 4096, COLUMNS = 128, HALF = 64 }; /* 16 KiB an array: in some cache */

static float x[ELEMENTS], y[ELEMENTS], z[ELEMENTS], positive[ELEMENTS], frequency[HALF];
static float gradient[ELEMENTS], first[ELEMENTS], second[ELEMENTS], weight[ELEMENTS], average[ELEMENTS];

static void fill_arrays(void)
{
    fill(x, ELEMENTS, -8, 8);
    fill(positive, ELEMENTS, 0.01, 100);
    fill(gradient, ELEMENTS, -1, 1);
    for (size_t k = 0; k < HALF; k++)
        frequency[k] = (float)(100 * exp(-(double)k * log(10000.0) / (HALF - 1)));
}

static void run_exp(const itd__kernels *k) { k->exp(x, ELEMENTS, y); }
static void run_log(const itd__kernels *k) { k->log(positive, ELEMENTS, y); }
static void run_silu(const itd__kernels *k) { k->silu(x, ELEMENTS, y); }
static void run_silu_backward(const itd__kernels *k) { k->silu_backward(gradient, x, ELEMENTS, z); }
static void run_sum_squares(const itd__kernels *k) { bench_sink = (float)k->sum_squares(x, ELEMENTS); }
static void run_column_sums(const itd__kernels *k)
{
    k->column_sums(x, COLUMNS, ELEMENTS / COLUMNS, COLUMNS, z);
}

static void run_embed(const itd__kernels *k)
{
    for (size_t i = 0; i < ELEMENTS; i += 2 * HALF) k->embed(x[i], frequency, HALF, y + i);
}

static void run_normal_fill(const itd__kernels *k)
{
    static itd_rng rng;
    (void)k; /* it asks for the kernels itself */
    itd_rng_normal_fill(&rng, ELEMENTS, y);
}

static void run_adam(const itd__kernels *k)
{
    itd__adam_constants c = ITD__ZERO;
    c.beta1 = 0.9f, c.beta2 = 0.999f, c.epsilon = 1e-8f;
    c.rest1 = 0.1f, c.rest2 = 0.001f;
    c.clip = 1, c.rate = 1e-3f, c.correction = 1;
    c.keep = 0.999f, c.keep_rest = 0.001f;
    k->adam(&c, ELEMENTS, gradient, first, second, weight, average);
}

/* An element is a number that goes in; for embed and normal_fill, which make many of few, one that comes
   out. */
typedef struct function {
    const char *name;
    void (*run)(const itd__kernels *k);
    const char *rival;
    double bytes; /* read and written for one element; 0: not told */
} function;

static const function functions[] = {
    {"exp", run_exp, "libm", 0},
    {"log", run_log, "libm", 0},
    {"silu", run_silu, "libm", 0},
    {"silu_backward", run_silu_backward, "libm", 0},
    {"normal_fill", run_normal_fill, "libm", 0},
    {"embed", run_embed, "libm", 0},
    {"sum_squares", run_sum_squares, "plain-C", 0},
    {"column_sums", run_column_sums, "plain-C", 0},
    {"adam_ema", run_adam, "plain-C", 36}, /* five arrays read, four of them written */
};

typedef struct math_run {
    const function *f;
    itd_simd simd;
} math_run;

static void run_function(void *context, size_t repeats)
{
    const math_run *r = (const math_run *)context;
    itd_simd_use(r->simd);
    for (; repeats > 0; repeats--) r->f->run(itd__fast());
}

static void measure_function(const function *f)
{
    char stem[60];
    const char *name;
    math_run ours = {f, simd_of(o.simd)}, theirs = {f, ITD_SIMD_PLAIN};
    bench_contestant c[2];
    bench_line line = {NULL, "Gelem/s", 0, 0, f->rival, 0};
    snprintf(stem, sizeof stem, "math_%s", f->name);
    if (!(name = name_of(stem, 0))) return;
    c[0] = contestant(run_function, &ours), c[1] = contestant(run_function, &theirs);
    bench_alternate(c, 2, o.rounds);
    line.name = name;
    line.value = 1e-9 * ELEMENTS / c[0].seconds;
    line.rival_value = 1e-9 * ELEMENTS / c[1].seconds;
    bench_print(&line);
    if (f->bytes > 0) {
        snprintf(stem, sizeof stem, "math_%s_bytes", f->name);
        line.name = name_of(stem, 0);
        line.unit = "GB/s";
        line.value *= f->bytes, line.rival_value *= f->bytes;
        if (line.name) bench_print(&line);
    }
    itd_simd_use(ours.simd);
}

/* ---- */

static void say_plan(int threads)
{
    const char *policy = getenv("OMP_WAIT_POLICY");
#if defined(__clang__) || !defined(__GNUC__)
    const char *kind = "";
#else
    const char *kind = "gcc ";
#endif
#ifdef __VERSION__
    printf("# built by %s (%s%s)\n", BENCH_BUILD, kind, __VERSION__);
#else
    printf("# built by %s\n", BENCH_BUILD);
#endif
    printf("# kernels: %s; threads: %s%d", itd_simd_name(), threads > 1 ? "1 and " : "", threads);
    if (threads > 1) printf(", OMP_WAIT_POLICY=%s", policy ? policy : "unset");
    printf("\n");
    say_rival();
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int threads;
    size_t k;
    bench_program = "bench_kernels";
    system_patient_threads(argv);
    o = read_options(argc, argv);
    if (!itd_simd_use(simd_of(o.simd))) bench_fail(o.simd, "not of this compiler or processor");
    threads = bench_threads(o.threads);
    say_plan(threads);
    measure_peak(1);
    if (threads > 1) measure_peak(threads);
    for (k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        measure_product(&shapes[k], 1);
        if (threads > 1) measure_product(&shapes[k], threads);
    }
    for (k = 0; k < sizeof transposed_shapes / sizeof *transposed_shapes; k++)
        measure_product(&transposed_shapes[k], 1);
    for (k = 0; k < sizeof extents / sizeof *extents; k++) measure_convolutions(&extents[k]);
    fill_arrays();
    for (k = 0; k < sizeof functions / sizeof *functions; k++) measure_function(&functions[k]);
    return 0;
}
