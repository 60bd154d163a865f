/* bench/kernels.c: how fast the kernels are, beside what the processor can do at most, beside OpenBLAS where
 * it was linked (-DBENCH_OPENBLAS -lopenblas), and beside the library's own plain C on top of libm.
 *   make build/bench_kernels && build/bench_kernels
 * --help explains the options; docs/performance.md explains the output. */
#include "../../examples/support/system.h" /* first: it asks the system headers for POSIX */

#define ITDIFF_IMPLEMENTATION
#include "../../itdiff.h"

#include "bench.h"

/* ---- the functions under test: only this section knows the names of private ones ---- */

enum { IMAGES = 4, STEP = 64 }; /* that a convolution takes at a time, as a thread does; of a whole step */

/* C (m,n) = A B; layout says whether A and B lie as they are (n) or transposed (t). */
typedef struct shape {
    const char *layout;
    size_t m, n, k;
} shape;

/* 3x3, from `channels` of side x side pixels to as many. */
typedef struct extent {
    size_t side, channels, stride;
} extent;

typedef struct convolution {
    extent e;
    itd__layer row;
    float *x, *y, *w, *b;       /* w: weights, or a place for their gradients */
    float *taps, *back, *dtaps; /* w as forward and the gradient of x need it, and the gradient by taps */
    itd__scratch work;
} convolution;

/* Memory for the threads to work in, of so many floats for each. */
static itd__scratch scratch(size_t each)
{
    static itd__scratch work;
    if (work.each < each) {
        ITD_FREE(work.floats);
        work.each = each, work.floats = itd__floats((size_t)bench_threads(), each);
        if (!work.floats) puts("out of memory"), exit(2);
    }
    return work;
}

static void product_run(const shape *s, const float *a, const float *b, float *c)
{
    bool a_transposed = s->layout[0] == 't', b_transposed = s->layout[1] == 't';
    size_t ra = a_transposed ? 1 : s->k, ca = a_transposed ? s->m : 1;
    size_t rb = b_transposed ? 1 : s->n, cb = b_transposed ? s->k : 1;
    itd__matmul(s->m, s->n, s->k, false, a, ra, ca, b, rb, cb, c, s->n, scratch(ITD__WORK));
}

static void convolution_prepare(convolution *v)
{
    const extent *e = &v->e;
    const itd__image in = {e->side, e->side, e->channels},
                     out = {e->side / e->stride, e->side / e->stride, e->channels};
    const itd__convolution c = {in, out, e->stride, 1};
    size_t weights = (itd__is_winograd(&c) ? 16 : 9) * e->channels * e->channels;
    memset(&v->row, 0, sizeof v->row);
    v->row.conv = c, v->row.h = out.height, v->row.w = out.width, v->row.c = v->row.in[0] = e->channels;
    v->work = scratch(ITD__WORK + itd__conv_work(&c));
    v->taps = itd__floats(weights, 1), v->back = itd__floats(weights, 1), v->dtaps = itd__floats(weights, 1);
}

static itd__operands convolution_operands(const convolution *v)
{
    itd__operands o = ITD__ZERO;
    o.row = &v->row, o.n = IMAGES, o.pixels = v->row.h * v->row.w, o.work = v->work;
    o.x[0] = v->x, o.y = v->y, o.w = v->w, o.b = v->b, o.taps = v->taps, o.back = v->back;
    o.dy = v->y, o.dx[0] = v->x, o.dw = v->w, o.db = v->b, o.dtaps = v->dtaps;
    return o;
}

/* Once a step, for all its images: the weights that lead forward, and those that lead back. */
static void convolution_turn_forward(const convolution *v)
{
    if (itd__is_winograd(&v->row.conv)) itd__taps_forward(&v->row.conv, v->w, v->taps);
}

static void convolution_turn_back(const convolution *v)
{
    const itd__convolution *c = &v->row.conv;
    if (itd__is_winograd(c)) itd__taps_backward(c, v->taps, v->back);
    else itd__transpose(v->w, 9 * c->in.channels, c->out.channels, v->back);
}

static void convolution_forward(const convolution *v)
{
    itd__operands o = convolution_operands(v);
    itd__conv_forward(&o);
}

static void convolution_input(const convolution *v)
{
    itd__operands o = convolution_operands(v);
    itd__conv_backward(&o);
}

/* In the pieces that the network gives to its threads. */
static void convolution_weight(const convolution *v)
{
    itd__operands o = convolution_operands(v);
    size_t c = v->e.channels, some = itd__ceil_div(c, itd__ceil_div(c, ITD__PIECE)), k;
    for (k = 0; k < c; k += some) itd__conv_gradient(&o, k, itd__min(some, c - k));
    if (itd__is_winograd(&v->row.conv)) itd__taps_gradient(&v->row.conv, v->dtaps, v->w);
}

static void convolution_free(convolution *v)
{
    free(v->x), free(v->y), free(v->b), free(v->w), ITD_FREE(v->taps), ITD_FREE(v->back);
    ITD_FREE(v->dtaps);
}

enum { ELEMENTS = 4096, COLUMNS = 128, HALF = 64 }; /* 16 KiB an array: in some cache */

static float x[ELEMENTS], y[ELEMENTS], z[ELEMENTS], positive[ELEMENTS], frequency[HALF];
static float gradient[ELEMENTS], first[ELEMENTS], second[ELEMENTS], weight[ELEMENTS], average[ELEMENTS];

static void run_exp(void) { itd__fast()->exp(x, ELEMENTS, y); }
static void run_log(void) { itd__fast()->log(positive, ELEMENTS, y); }
static void run_silu(void) { itd__fast()->activation[ITD_SILU].forward(x, ELEMENTS, y); }
static void run_silu_backward(void) { itd__fast()->activation[ITD_SILU].backward(gradient, x, ELEMENTS, z); }
static void run_sum_squares(void) { bench_sink = (float)itd__fast()->sum_squares(x, ELEMENTS); }
static void run_column_sums(void)
{
    itd__fast()->column_sums(x, COLUMNS, NULL, ELEMENTS / COLUMNS, COLUMNS, z);
}

static void run_sinusoids(void)
{
    for (size_t i = 0; i < ELEMENTS; i += 2 * HALF) itd__fast()->embed(x[i], frequency, HALF, y + i);
}

static void run_normal_fill(void)
{
    static itd_rng rng;
    itd_rng_normal_fill(&rng, ELEMENTS, y);
}

static void run_adam(void)
{
    itd__adam_constants c = ITD__ZERO;
    c.beta1 = 0.9f, c.beta2 = 0.999f, c.epsilon = 1e-8f;
    c.rest1 = 0.1f, c.rest2 = 0.001f;
    c.clip = 1, c.rate = 1e-3f, c.correction = 1;
    c.keep = 0.999f, c.keep_rest = 0.001f;
    itd__fast()->adam(&c, ELEMENTS, gradient, first, second, weight, average);
}

/* ---- the rival in matrix products ---- */

#ifdef BENCH_OPENBLAS
enum { BLAS_ROW_MAJOR = 101, BLAS_AS_IS = 111, BLAS_TRANSPOSED = 112 };

void cblas_sgemm(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha,
                 const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);
void openblas_set_num_threads(int threads);
char *openblas_get_config(void);
char *openblas_get_corename(void);

static void blas_product(const shape *s, const float *a, const float *b, float *c)
{
    int m = (int)s->m, n = (int)s->n, k = (int)s->k;
    bool a_transposed = s->layout[0] == 't', b_transposed = s->layout[1] == 't';
    cblas_sgemm(BLAS_ROW_MAJOR, a_transposed ? BLAS_TRANSPOSED : BLAS_AS_IS,
                b_transposed ? BLAS_TRANSPOSED : BLAS_AS_IS, m, n, k, 1, a, a_transposed ? m : k, b,
                b_transposed ? k : n, 0, c, n);
}
#else
static void openblas_set_num_threads(int threads) { (void)threads; }
static char *openblas_get_config(void) { return NULL; }
static const char *openblas_get_corename(void) { return "none"; }
static void blas_product(const shape *s, const float *a, const float *b, float *c)
{
    (void)s, (void)a, (void)b, (void)c;
}
#endif

/* Whether the kernels of OpenBLAS use the same instructions as ours do. On a processor that it does not know,
 * OpenBLAS falls back on "Prescott", vectors of four floats: to be faster than these proves nothing. */
static bool rival_is_fair(void)
{
    const char *core = openblas_get_corename(), *equals = "";
    if (!openblas_get_config()) return false;
    if (strcmp(itd_simd_name(), "avx512") == 0) equals = "SkylakeX Cooperlake SapphireRapids";
    if (strcmp(itd_simd_name(), "avx2") == 0) equals = "Haswell Zen";
#ifndef ITD__X86
    equals = core; /* all other processors have vectors of four floats and no more */
#endif
    return strstr(equals, core) != NULL;
}

/* Its threads look out for more work in a busy loop for some 25 ms, at the cost of whoever runs next. */
static void rival_settle(void)
{
    double started = system_seconds();
    openblas_set_num_threads(1);
    while (system_seconds() - started < 0.05) continue;
}

/* ---- matrix products ---- */

/* What backward passes do is transposed: weight gradients are x^T dy, input gradients dy W^T. */
static const shape shapes[] = {
    {"nn", 1024, 1024, 1024}, {"nn", 256, 1024, 2304}, {"nn", 64, 4096, 576},    {"nn", 1000, 1000, 1000},
    {"nn", 128, 128, 384},    {"nn", 127, 129, 385},   {"tn", 1024, 1024, 1024}, {"nt", 1024, 1024, 1024},
    {"tn", 128, 128, 384},    {"nt", 128, 128, 384},
};

typedef struct product {
    shape s;
    int threads; /* ours; the rival gets one, and as many as these */
    float *a, *b, *ours, *theirs;
} product;

/* Uniform in (low, high). */
static void fill(float *values, size_t n, double low, double high)
{
    static itd_rng rng;
    for (size_t i = 0; i < n; i++) values[i] = (float)(low + (high - low) * itd_rng_uniform(&rng));
}

static float *filled(size_t n)
{
    float *values = (float *)must_alloc(n, sizeof *values);
    fill(values, n, -1, 1);
    return values;
}

static void run_ours(void *context, size_t repeats)
{
    const product *p = (const product *)context;
    bench_use_threads(p->threads);
    for (; repeats > 0; repeats--) product_run(&p->s, p->a, p->b, p->ours);
}

static void run_theirs(const product *p, int threads, size_t repeats)
{
    openblas_set_num_threads(threads);
    for (; repeats > 0; repeats--) blas_product(&p->s, p->a, p->b, p->theirs);
}

static void run_theirs_alone(void *context, size_t repeats)
{
    run_theirs((const product *)context, 1, repeats);
}

static void run_theirs_together(void *context, size_t repeats)
{
    const product *p = (const product *)context;
    run_theirs(p, p->threads, repeats);
}

/* A fast wrong product is worth nothing. */
static void compare_products(const product *p, const char *name)
{
    float most = 1e-5f * (float)p->s.k;
    for (size_t i = 0; i < p->s.m * p->s.n; i++)
        if (!(fabsf(p->ours[i] - p->theirs[i]) <= most)) fail("%s: differs from OpenBLAS", name);
}

/* The rival gets the number of threads with which it is faster. */
static void race_products(product *p, bench_line *line)
{
    double flops = 2e-9 * (double)p->s.m * (double)p->s.n * (double)p->s.k;
    static char rival[80];
    bool fair = rival_is_fair();
    size_t count = !fair ? 1 : p->threads > 1 ? 3 : 2, best = 1;
    bench_contestant c[4] = {{run_ours, NULL, NULL, 0, 0, 0},
                             {run_theirs_alone, NULL, NULL, 0, 0, 0},
                             {run_theirs_together, NULL, rival_settle, 0, 0, 0}};
    for (size_t k = 0; k < count; k++) c[k].context = p;
    line->limit = bench_beside_limit(c, count, p->threads);
    line->value = flops / c[0].seconds;
    line->rival = "none";
    if (!fair) return;
    compare_products(p, line->name);
    if (count > 2 && c[2].seconds < c[1].seconds) best = 2;
    snprintf(rival, sizeof rival, "OpenBLAS-%s-t%d", openblas_get_corename(), best == 2 ? p->threads : 1);
    line->rival = rival, line->rival_value = flops / c[best].seconds;
}

static void measure_product(const shape *s, int threads)
{
    char name[80];
    bench_line line = {name, "GFLOP/s", 0, 0, 0, NULL, 0};
    product p;
    snprintf(name, sizeof name, "gemm_%s_%lux%lux%lu_t%d", s->layout, (unsigned long)s->m,
             (unsigned long)s->n, (unsigned long)s->k, threads);
    if (!bench_wants(name)) return;
    p.s = *s, p.threads = threads;
    p.a = filled(s->m * s->k), p.b = filled(s->k * s->n);
    p.ours = filled(s->m * s->n), p.theirs = filled(s->m * s->n);
    race_products(&p, &line);
    bench_print(&line);
    free(p.a), free(p.b), free(p.ours), free(p.theirs);
}

/* ---- convolutions ---- */

static const extent extents[] = {{32, 32, 1},  {32, 64, 1},  {16, 96, 1}, {16, 128, 1}, {8, 128, 1},
                                 {32, 128, 1}, {16, 256, 1}, {8, 256, 1}, {32, 64, 2},  {16, 128, 2}};

typedef void convolution_function(const convolution *v);

typedef struct pass {
    const char *name;
    convolution_function *run, *once; /* once: a step, or NULL */
} pass;

static const pass passes[] = {{"forward", convolution_forward, convolution_turn_forward},
                              {"input", convolution_input, convolution_turn_back},
                              {"weight", convolution_weight, NULL}};

typedef struct convolution_run {
    convolution v;
    convolution_function *function;
} convolution_run;

static void run_convolution(void *context, size_t repeats)
{
    const convolution_run *r = (const convolution_run *)context;
    bench_use_threads(1);
    for (; repeats > 0; repeats--) r->function(&r->v);
}

static void convolution_fill(convolution *v, size_t in, size_t out, size_t weights)
{
    v->x = filled(in), v->y = filled(out), v->b = filled(v->e.channels);
    v->w = filled(weights);
    convolution_prepare(v);
}

/* Operations are those of nine taps a pixel, whatever way the convolution is computed; taps that fall outside
 * the image count as others do. What is done once a step counts with these images' share of it. */
static void measure_convolution(const extent *e, const pass *p)
{
    char name[80];
    size_t in = IMAGES * e->side * e->side * e->channels, out = in / (e->stride * e->stride);
    bench_line line = {name, "GFLOP/s", 0, 0, 0, NULL, 0};
    convolution_run r = ITD__ZERO, once;
    bench_contestant c[3] = {{run_convolution, &r, NULL, 0, 0, 0}, {run_convolution, &once, NULL, 0, 0, 0}};
    snprintf(name, sizeof name, "conv_%s_%lux%lux%lu%s_t1", p->name, (unsigned long)e->side,
             (unsigned long)e->side, (unsigned long)e->channels, e->stride == 2 ? "/2" : "");
    if (!bench_wants(name)) return;
    r.v.e = *e, r.function = p->run;
    convolution_fill(&r.v, in, out, 9 * e->channels * e->channels);
    once = r, once.function = p->once;
    line.limit = bench_beside_limit(c, p->once ? 2 : 1, 1);
    if (p->once) c[0].seconds += c[1].seconds * IMAGES / STEP;
    line.value = 1e-9 * 2 * (double)out * (double)(9 * e->channels) / c[0].seconds;
    bench_print(&line);
    convolution_free(&r.v);
}

/* ---- elementwise functions ---- */

static void fill_arrays(void)
{
    fill(x, ELEMENTS, -8, 8);
    fill(positive, ELEMENTS, 0.01, 100);
    fill(gradient, ELEMENTS, -1, 1);
    for (size_t k = 0; k < HALF; k++)
        frequency[k] = (float)(100 * exp(-(double)k * log(10000.0) / (HALF - 1)));
}

/* An element is a number that goes in; for sinusoids and normal_fill, which make many of few, one that comes
 * out. Adam reads five arrays and writes four of them: its elements are 36 bytes each. */
typedef struct function {
    const char *name;
    void (*run)(void);
    const char *rival;
} function;

static const function functions[] = {
    {"exp", run_exp, "libm"},
    {"log", run_log, "libm"},
    {"silu", run_silu, "libm"},
    {"silu_backward", run_silu_backward, "libm"},
    {"normal_fill", run_normal_fill, "libm"},
    {"sinusoids", run_sinusoids, "libm"},
    {"sum_squares", run_sum_squares, "plain-C"},
    {"column_sums", run_column_sums, "plain-C"},
    {"adam_ema", run_adam, "plain-C"},
};

static void run_function(void *context, size_t repeats)
{
    const function *f = (const function *)context;
    for (; repeats > 0; repeats--) f->run();
}

static void run_fast(void *context, size_t repeats)
{
    bench_use_simd(bench.simd);
    run_function(context, repeats);
}

static void run_plain(void *context, size_t repeats)
{
    bench_use_simd("plain");
    run_function(context, repeats);
}

static void measure_function(const function *f)
{
    char name[80];
    function copy = *f;
    bench_contestant c[2] = {{run_fast, &copy, NULL, 0, 0, 0}, {run_plain, &copy, NULL, 0, 0, 0}};
    bench_line line = {name, "Gelem/s", 0, 0, 0, f->rival, 0};
    snprintf(name, sizeof name, "math_%s_t1", f->name);
    if (!bench_wants(name)) return;
    bench_alternate(c, 2);
    line.value = 1e-9 * ELEMENTS / c[0].seconds, line.rival_value = 1e-9 * ELEMENTS / c[1].seconds;
    bench_print(&line);
    bench_use_simd(bench.simd);
}

/* ---- */

static void say_rival(void)
{
    const char *config = openblas_get_config();
    printf("# rival in matrix products: ");
    if (!config) printf("none, OpenBLAS was not found\n");
    else if (rival_is_fair()) printf("%s, kernels %s\n", config, openblas_get_corename());
    else printf("none, OpenBLAS has only %s kernels beside %s\n", openblas_get_corename(), itd_simd_name());
}

int main(int argc, char **argv)
{
    int rival = 0, threads;
    size_t k;
    must_program = "bench_kernels";
    system_patient_threads(argv);
    args_option list[] = {BENCH_OPTIONS,
                          args_flag("rival", &rival, "Only say whether OpenBLAS has kernels like these.")};
    args_table table = {"bench_kernels", "Measures matrix products, convolutions and elementwise functions.",
                        list, ARGS_COUNT(list)};
    args_parse(&table, argc, argv);
    bench_use_simd(bench.simd);
    if (rival) return !rival_is_fair();
    threads = bench_threads();
    bench_say_plan(threads);
    say_rival();
    for (k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        measure_product(&shapes[k], 1);
        if (threads > 1) measure_product(&shapes[k], threads);
    }
    for (k = 0; k < sizeof extents / sizeof *extents; k++)
        for (size_t i = 0; i < sizeof passes / sizeof *passes; i++)
            measure_convolution(&extents[k], &passes[i]);
    fill_arrays();
    for (k = 0; k < sizeof functions / sizeof *functions; k++) measure_function(&functions[k]);
    return 0;
}
