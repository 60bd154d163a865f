/* Tests that results do not depend on the number of threads: training, likelihood and sampling give the same
 * bits for each. */
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"
#include "ref.h"
#include "work.h"
#include "each_simd.h"
#include "test.h"

#ifdef _OPENMP
#include <omp.h>

static const int threads[] = {1, 2, 3, 4, 7, 8, 16};
enum { THREADS = sizeof threads / sizeof *threads, BATCH = 200, POINTS = 20, SAMPLES = 150 };

typedef struct outcome { /* all that one run leaves */
    size_t parameters;
    float *weights, *average, *gradient;
    double loss;
    itd_nll_result nll;
    double nll_x[POINTS], error_x[POINTS];
    float deterministic[2 * SAMPLES], ancestral[2 * SAMPLES];
} outcome;

typedef struct run {
    size_t layers, hidden, embedding, steps;
    itd_activation activation;
} run;

static void outcome_free(outcome *o) { free(o->weights), free(o->average), free(o->gradient); }

/* A bent cloud, which no Gaussian fits. */
static float *make_data(size_t n)
{
    float *x = ref_floats(2 * n);
    size_t i;
    ref_seed(1);
    for (i = 0; i < n; i++) {
        double t = ref_normal();
        x[2 * i] = (float)t, x[2 * i + 1] = (float)(t * t + 0.1 * ref_normal());
    }
    return x;
}

static void train(const run *r, itd_model *model, const float *x, outcome *o)
{
    itd_trainer_desc desc = itd_trainer_desc_default();
    itd_trainer *trainer = NULL;
    size_t step;
    desc.batch = BATCH, desc.clip_norm = 1, desc.weight_decay = 0.01;
    CHECK_OK(itd_trainer_create(model, &desc, &trainer));
    o->loss = 0;
    for (step = 0; step < r->steps; step++) {
        double loss = 0;
        CHECK_OK(itd_train_step(trainer, x, &loss));
        o->loss += loss;
    }
    o->parameters = itd_net_parameters(model->net);
    o->weights = ref_copy(model->net->w, o->parameters);
    o->average = ref_copy(model->net->ema, o->parameters);
    o->gradient = ref_copy(model->net->g, o->parameters);
    itd_trainer_free(trainer); /* takes the gradient with it */
}

static void evaluate(itd_model *model, const float *x, outcome *o)
{
    itd_denoiser den = itd_model_denoiser(model);
    itd_nll_desc nll = itd_model_nll_desc(model);
    itd_sample_desc sample = itd_sample_desc_default();
    nll.draws = 6, nll.batch = 130;
    CHECK_OK(itd_nll(&den, x, POINTS, &nll, &o->nll, o->nll_x, o->error_x));
    sample.steps = 3, sample.batch = 140;
    CHECK_OK(itd_sample(&den, &sample, SAMPLES, o->deterministic));
    sample.sampler = ITD_ANCESTRAL;
    CHECK_OK(itd_sample(&den, &sample, SAMPLES, o->ancestral));
}

static outcome outcome_with(const run *r, int count, const float *x)
{
    outcome o;
    itd_model_desc desc = itd_model_desc_default(2);
    itd_model *model = NULL;
    memset(&o, 0, sizeof o);
    omp_set_num_threads(count);
    desc.mlp.layers = r->layers, desc.mlp.hidden = r->hidden, desc.mlp.embedding = r->embedding;
    desc.mlp.activation = r->activation;
    CHECK_OK(itd_model_create(&desc, 1, &model));
    CHECK_OK(itd_model_fit(model, x, BATCH));
    train(r, model, x, &o);
    evaluate(model, x, &o);
    itd_model_free(model);
    return o;
}

static bool same(const void *a, const void *b, size_t size) { return memcmp(a, b, size) == 0; }

static void outcomes_check(const outcome *o, const outcome *one, int count)
{
    size_t slab = one->parameters * sizeof(float);
    int faults = test_faults;
    CHECK(same(o->weights, one->weights, slab));
    CHECK(same(o->average, one->average, slab));
    CHECK(same(o->gradient, one->gradient, slab));
    CHECK(same(&o->loss, &one->loss, sizeof o->loss));
    CHECK(same(&o->nll.nll, &one->nll.nll, sizeof o->nll.nll));
    CHECK(same(&o->nll.std_error, &one->nll.std_error, sizeof o->nll.std_error));
    CHECK(same(&o->nll.std_error_data, &one->nll.std_error_data, sizeof o->nll.std_error_data));
    CHECK(o->nll.evaluations == one->nll.evaluations);
    CHECK(same(o->nll_x, one->nll_x, sizeof o->nll_x));
    CHECK(same(o->error_x, one->error_x, sizeof o->error_x));
    CHECK(same(o->deterministic, one->deterministic, sizeof o->deterministic));
    CHECK(same(o->ancestral, one->ancestral, sizeof o->ancestral));
    if (test_faults > faults) printf("  %d threads against one (%s)\n", count, itd_simd_name());
}

/* The first of the numbers is 1, which the others are held against. */
static void run_check(const run *r)
{
    float *x = make_data(BATCH);
    outcome one = outcome_with(r, threads[0], x);
    size_t i;
    CHECK(isfinite(one.loss) && isfinite(one.nll.nll));
    CHECK(ref_norm(one.nll_x, POINTS) > 0);
    for (i = 1; i < THREADS; i++) {
        outcome o = outcome_with(r, threads[i], x);
        outcomes_check(&o, &one, threads[i]);
        outcome_free(&o);
    }
    outcome_free(&one);
    free(x);
}

/* Four slices of the batch, the last of them short. */
static void narrow_networks_do_not_depend_on_threads(void)
{
    static const run smooth = {3, 40, 12, 10, ITD_SILU}, plain = {3, 40, 0, 5, ITD_RELU};
    run_check(&smooth);
    run_check(&plain);
}

/* Three chunks of parameters, which Adam's loop shares out as well. */
static void wide_networks_do_not_depend_on_threads(void)
{
    static const run wide = {4, 128, 16, 4, ITD_SILU};
    run_check(&wide);
}

static int threads_in_use(int count)
{
    int used = 0;
    omp_set_num_threads(count);
#pragma omp parallel
#pragma omp single
    used = omp_get_num_threads();
    return used;
}

/* Otherwise the other tests compare one thread with itself. */
static void so_many_threads_run(void)
{
    size_t i;
    for (i = 0; i < THREADS; i++) CHECK(threads_in_use(threads[i]) == threads[i]);
}

/* C of one large product, written over or added to ones. */
static float *product(const float *a, const float *b, size_t m, size_t n, size_t k, bool onto, int count)
{
    itd__product p = ITD__ZERO;
    float *c = ref_floats(m * n);
    size_t i;
    for (i = 0; i < m * n; i++) c[i] = 1;
    p.m = m, p.n = n, p.k = k;
    p.a = a, p.ra = k, p.ca = 1, p.b = b, p.rb = n, p.cb = 1;
    p.add = onto;
    p.c = c, p.rc = n;
    omp_set_num_threads(count);
    p.work = work_with(0);
    work_multiply(&p);
    CHECK(work_holds());
    omp_set_num_threads(1);
    return c;
}

/* Divided by columns or by rows, with B in place or packed. */
static void large_products_do_not_depend_on_threads(void)
{
    static const size_t shapes[][3] = {
        {810, 150, 100}, {70, 700, 300}, {130, 300, 600}, {2700, 65, 70}, {50, 1100, 290}};
    size_t s, t, onto;
    for (s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        size_t m = shapes[s][0], n = shapes[s][1], k = shapes[s][2];
        float *a = ref_normals(m * k, 1), *b = ref_normals(k * n, 1);
        omp_set_num_threads(2);
        CHECK(itd__useful_threads((double)m * (double)n * (double)k) == 2);
        for (onto = 0; onto < 2; onto++) {
            float *expected = product(a, b, m, n, k, onto, 1);
            bool same = true;
            for (t = 1; t < THREADS; t++) { /* the first is the one that is compared with */
                float *c = product(a, b, m, n, k, onto, threads[t]);
                same = same && memcmp(c, expected, m * n * sizeof *c) == 0;
                free(c);
            }
            CHECK(same);
            free(expected);
        }
        free(a), free(b);
    }
}

/* ---- convolutions ---- */

typedef struct conv_outcome { /* all that the passes of a convolution leave */
    float *y, *dx, *dw, *db;
    size_t ny, nx, nw;
} conv_outcome;

static void conv_outcome_free(conv_outcome *o) { free(o->y), free(o->dx), free(o->dw), free(o->db); }

static bool conv_outcomes_equal(const conv_outcome *a, const conv_outcome *b, size_t out)
{
    return same(a->y, b->y, a->ny * sizeof *a->y) && same(a->dx, b->dx, a->nx * sizeof *a->dx) &&
           same(a->dw, b->dw, a->nw * sizeof *a->dw) && same(a->db, b->db, out * sizeof *a->db);
}

/* Of one slice of images, which the threads divide among them. */
static conv_outcome conv_outcome_with(const itd__convolution *c, size_t images, int count)
{
    conv_outcome o;
    size_t in = c->in.channels, out = c->out.channels, first, more = itd__conv_work(c);
    float *x, *dy, *w, *b, *u = ref_floats(16 * in * out), *back = ref_floats(16 * in * out);
    float *du = ref_floats(16 * in * out);
    itd__layer row = ITD__ZERO;
    itd__operands all;
    ref_seed(5);
    o.nx = images * c->in.height * c->in.width * in, o.ny = images * c->out.height * c->out.width * out;
    o.nw = 9 * in * out;
    x = ref_normals(o.nx, 1), dy = ref_normals(o.ny, 1), w = ref_normals(o.nw, 1), b = ref_normals(out, 1);
    o.y = ref_floats(o.ny), o.dx = ref_normals(o.nx, 1), o.dw = ref_floats(o.nw), o.db = ref_floats(out);
    if (itd__is_winograd(c)) itd__taps_forward(c, w, u), itd__taps_backward(c, u, back);
    else itd__transpose(w, 9 * in, out, back);
    row.conv = *c, row.h = c->out.height, row.w = c->out.width, row.c = out;
    omp_set_num_threads(count);
    all = work_operands(&row, images, more);
    all.x[0] = x, all.y = o.y, all.w = w, all.b = b, all.taps = u, all.back = back;
    all.dy = dy, all.dx[0] = o.dx, all.dw = o.dw, all.db = o.db, all.dtaps = du;
    itd__conv_forward(&all);
    CHECK(work_holds());
    itd__conv_backward(&all);
    CHECK(work_holds());
    for (first = 0; first < in; first += ITD__PIECE)
        itd__conv_gradient(&all, first, itd__min(in - first, ITD__PIECE));
    CHECK(work_holds());
    if (itd__is_winograd(c)) itd__taps_gradient(c, du, o.dw);
    omp_set_num_threads(1);
    free(x), free(dy), free(w), free(b), free(u), free(back), free(du);
    return o;
}

/* So large that they are worth dividing: all at once, or what is gathered at a time. */
static bool conv_is_divided(const itd__convolution *c, size_t images)
{
    size_t tiles = images * itd__count_tiles(&c->out);
    double pairs = (double)c->in.channels * (double)c->out.channels;
    return itd__useful_threads(itd__is_winograd(c) ? 16 * (double)tiles * pairs : 9 * ITD__PIXELS * pairs) >
           1;
}

/* By Winograd's algorithm, in blocks of tiles whose number is that of the threads; and by gathering, where
 * the product is divided. Pixels are odd in number, and so are the tiles that are left over. */
static void convolutions_do_not_depend_on_threads(void)
{
    static const itd__convolution list[] = {{{13, 11, 64}, {13, 11, 72}, 1, 1},
                                            {{16, 16, 40}, {16, 16, 100}, 1, 1},
                                            {{9, 9, 112}, {5, 5, 128}, 2, 1}};
    enum { IMAGES = 4 };
    size_t i, t;
    for (i = 0; i < 3; i++) {
        const itd__convolution *c = &list[i];
        conv_outcome one = conv_outcome_with(c, IMAGES, 1);
        omp_set_num_threads(2);
        CHECK(conv_is_divided(c, IMAGES) && IMAGES * c->out.height * c->out.width > ITD__PIXELS);
        for (t = 1; t < THREADS; t++) { /* the first is the one that is compared with */
            conv_outcome o = conv_outcome_with(c, IMAGES, threads[t]);
            CHECK(conv_outcomes_equal(&o, &one, c->out.channels));
            conv_outcome_free(&o);
        }
        conv_outcome_free(&one);
    }
}

/* Forward and backward for two images, one slice, so that threads meet within the operations. */
static float *unet_outcome_with(int count, size_t *size)
{
    itd_unet_desc d = itd_unet_desc_default();
    itd_net *net = NULL;
    size_t cells, n;
    float *z, *dout, *all;
    const float logsnr[2] = {2, -1};
    d.height = d.width = 16, d.levels = d.blocks = 1, d.zero_output = false;
    ref_seed(6);
    omp_set_num_threads(count);
    CHECK_OK(itd_unet_create(&d, 3, &net));
    cells = 2 * net->dim, n = net->parameters, *size = 2 * cells + n;
    z = ref_normals(cells, 1), dout = ref_normals(cells, 1), all = ref_floats(*size);
    CHECK_OK(itd_net_forward(net, z, logsnr, 2, all));
    CHECK_OK(itd_net_backward(net, dout, 2, all + cells));
    memcpy(all + 2 * cells, itd_net_gradients(net), n * sizeof *all);
    omp_set_num_threads(1);
    itd_net_free(net);
    free(z), free(dout);
    return all;
}

static void one_slice_does_not_depend_on_threads(void)
{
    static const int counts[] = {3, 16};
    size_t size, i;
    float *one = unet_outcome_with(1, &size);
    for (i = 0; i < 2; i++) {
        float *other = unet_outcome_with(counts[i], &size);
        CHECK(same(one, other, size * sizeof *one));
        free(other);
    }
    free(one);
}

/* ---- loops in threads of the caller's ---- */

/* A caller may call from threads of its own, and allow threads within threads: a call has memory for one. */
static void loops_of_busy_threads_are_not_divided(void)
{
    enum { OUTER = 2, PIECES = 64 };
    int levels = omp_get_max_active_levels(), outer, inside = 0, beyond = 0;
    omp_set_max_active_levels(2);
    omp_set_num_threads(4);
#pragma omp parallel for num_threads(OUTER) reduction(+ : inside, beyond)
    for (outer = 0; outer < OUTER; outer++) {
        ptrdiff_t i;
        size_t largest[PIECES] = {0};
        ITD__PARALLEL(true)
        for (i = 0; i < PIECES; i++) largest[i] = itd__thread();
        inside += omp_in_parallel();
        for (i = 0; i < PIECES; i++) beyond += largest[i] >= itd__threads();
    }
    CHECK(inside == OUTER);
    CHECK(beyond == 0);
    omp_set_max_active_levels(levels);
    omp_set_num_threads(1);
}

static void all_tests(void)
{
    RUN(narrow_networks_do_not_depend_on_threads);
    RUN(wide_networks_do_not_depend_on_threads);
    RUN(large_products_do_not_depend_on_threads);
    RUN(convolutions_do_not_depend_on_threads);
    RUN(one_slice_does_not_depend_on_threads);
}

int main(void)
{
    omp_set_dynamic(0);
    if (omp_get_thread_limit() < threads[THREADS - 1])
        SKIP("OpenMP is limited to fewer threads than are to be compared");
    else RUN(so_many_threads_run);
    RUN(loops_of_busy_threads_are_not_divided);
    each_simd(all_tests);
    return test_report();
}

#else

int main(void)
{
    SKIP("compiled without OpenMP, so there is one thread only");
    return test_report();
}

#endif
