/* Tests that results do not depend on the number of threads: training, likelihood and sampling give the same
 * bits for each. */
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"
#include "ref.h"
#include "each_simd.h"
#include "test.h"

#ifdef _OPENMP
#include <omp.h>

static const int threads[] = {1, 2, 3, 7, 16};
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
    p.bias = onto ? NULL : b, p.accumulate = onto;
    p.c = c, p.rc = n;
    omp_set_num_threads(count);
    itd__gemm(&p);
    omp_set_num_threads(1);
    return c;
}

/* Divided by columns or by rows, with B in place or packed. */
static void large_products_do_not_depend_on_threads(void)
{
    static const size_t shapes[][3] = {{300, 150, 100}, {70, 700, 300}, {130, 300, 600}, {1000, 65, 70}};
    size_t s, t, onto;
    for (s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        size_t m = shapes[s][0], n = shapes[s][1], k = shapes[s][2];
        float *a = ref_normals(m * k, 1), *b = ref_normals(k * n, 1);
        for (onto = 0; onto < 2; onto++) {
            float *expected = product(a, b, m, n, k, onto, 1);
            bool same = true;
            for (t = 0; t < THREADS; t++) {
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

static void all_tests(void)
{
    RUN(narrow_networks_do_not_depend_on_threads);
    RUN(wide_networks_do_not_depend_on_threads);
    RUN(large_products_do_not_depend_on_threads);
}

int main(void)
{
    omp_set_dynamic(0);
    if (omp_get_thread_limit() < threads[THREADS - 1])
        SKIP("OpenMP is limited to fewer threads than are to be compared");
    else RUN(so_many_threads_run);
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
