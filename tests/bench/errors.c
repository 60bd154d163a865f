/* bench/errors.c: how noisy the likelihood of images is, from the original's estimator to the library's, at
 * the same number of denoiser evaluations; and whether the standard error that the library reports is the
 * spread that repetitions show.
 *   sh data/get_cifar10.sh && make build/train_cifar10 build/bench_errors
 *   build/train_cifar10 --eval --experiment_name shipped && build/bench_errors
 * The first command leaves the Gaussian of the training images in runs/shipped/. */
#define ITDIFF_IMPLEMENTATION
#include "../../itdiff.h"

#include "../../examples/support/args.h"
#include "../../examples/support/cifar10.h"
#include "../../examples/support/grid.h"
#include "../../examples/support/must.h"
#include "../../examples/support/wide_gaussian.h"

enum { UNIT = 10000 }; /* evaluations: what the original spends, one log SNR for each test image */

typedef struct options {
    const char *data, *load, *gaussian;
    size_t images, draws, repetitions, batch;
    int markdown;
} options;

/* Each adds one measure to the one before it. */
static const char *const names[] = {"original",     "+ each image's own Gaussian error",
                                    "+ stratified", "+ same noise",
                                    "+ allocation", "+ common curve"};
enum { ORIGINAL, OWN, STRATIFIED, SAME_NOISE, ALLOCATED, COMMON_CURVE, ESTIMATORS };

static options read_options(int argc, char **argv)
{
    static options o; /* the option table keeps pointers into it */
    o.data = "data/cifar-10-batches-bin", o.load = "data/cifar10-small.safetensors";
    o.gaussian = "runs/shipped/gaussian.npy";
    o.images = 1000, o.draws = 8, o.repetitions = 3, o.batch = 64;
    args_option list[] = {
        args_string("data", &o.data, "Folder of the binary version of CIFAR-10."),
        args_string("load", &o.load, "The model, a checkpoint of train_cifar10."),
        args_string("gaussian", &o.gaussian, "Of the training images, as train_cifar10 --eval leaves it."),
        args_size("images", &o.images, 2, 10000, "Test images, the first so many."),
        args_size("draws", &o.draws, 3, 100000, "Denoiser evaluations per image."),
        args_size("repetitions", &o.repetitions, 2, 100000, "Estimates whose spread is taken."),
        args_size("batch", &o.batch, 1, 65536, "Images per call: memory, not results."),
        args_flag("markdown", &o.markdown, "Print a Markdown table."),
    };
    args_table table = {"bench_errors", "Measures the noise of the likelihood of images.", list,
                        ARGS_COUNT(list)};
    args_parse(&table, argc, argv);
    return o;
}

/* ---- the same draws, reduced in several ways ---- */

static itd_nll_result estimate_by(int kind, const itd_draws *draws, const itd_gaussian *g, double *f)
{
    static const size_t only = 0;
    itd_nll_result r;
    if (kind == COMMON_CURVE) {
        must(grid_nll(draws, NULL, 32, &only, 1, &r, NULL, NULL), "the estimate by a common curve");
        return r;
    }
    for (size_t i = 0; i < draws->count; i++) {
        double less = kind == ORIGINAL     ? itd_gaussian_mmse(g, draws->logsnr[i])
                      : kind <= STRATIFIED ? draws->expected[i]
                                           : draws->reference[i];
        f[i] = draws->weight[i] * (draws->error[i] - less);
    }
    must(itd_draws_integral(draws, draws->nll_reference, f, &r, NULL, NULL), "adding up");
    return r;
}

/* ---- repetitions ---- */

typedef struct noise { /* standard deviations for UNIT evaluations, bits/dim */
    double seen, reported;
} noise;

static noise summarize(const itd_nll_result *e /* (n) */, size_t n)
{
    double unit = sqrt((double)e->evaluations / UNIT) / (cifar10_dim * log(2.0)), mean = 0;
    noise v = {0, 0};
    size_t i;
    for (i = 0; i < n; i++) mean += e[i].nll / (double)n;
    for (i = 0; i < n; i++) {
        v.seen += (e[i].nll - mean) * (e[i].nll - mean) / (double)(n - 1);
        v.reported += e[i].std_error * e[i].std_error / (double)n;
    }
    v.seen = unit * sqrt(v.seen), v.reported = unit * sqrt(v.reported);
    return v;
}

/* The first two with independent log SNRs, the next two at even quantiles, the last two with a pilot. */
static void measure(const options *o, const itd_denoiser *den, const itd_gaussian *g, const float *x,
                    noise result[ESTIMATORS])
{
    itd_nll_result *e = (itd_nll_result *)must_alloc(ESTIMATORS * o->repetitions, sizeof *e);
    double *f = (double *)must_alloc(o->images * o->draws, sizeof *f);
    itd_nll_desc d = itd_nll_desc_default();
    d.schedule.loc = 6, d.schedule.scale = 3, d.schedule.clip = 4; /* the original's */
    d.draws = o->draws, d.batch = o->batch, d.reference = g;
    for (size_t r = 0; r < o->repetitions; r++)
        for (int way = 0; way < 3; way++) {
            itd_draws *draws;
            d.seed = 1 + 3 * r + (size_t)way, d.stratified = way > 0, d.allocate = way > 1;
            must(itd_measure(den, 1, x, o->images, &d, &draws), "measuring errors");
            for (int k = 2 * way; k < 2 * way + 2; k++)
                e[(size_t)k * o->repetitions + r] = estimate_by(k, draws, g, f);
            itd_draws_free(draws);
        }
    for (int k = 0; k < ESTIMATORS; k++)
        result[k] = summarize(e + (size_t)k * o->repetitions, o->repetitions);
    free(e), free(f);
}

static void print_table(const options *o, const noise result[ESTIMATORS])
{
    int k;
    if (o->markdown)
        printf("| estimator | standard error, bits/dim | original / this | seen |\n|---|--:|--:|--:|\n");
    else printf("%-34s%24s%16s%9s\n", "estimator", "standard error, bits/dim", "original/this", "seen");
    for (k = 0; k < ESTIMATORS; k++) {
        char seen[32] = "";
        if (k >= STRATIFIED) sprintf(seen, "%.4f", result[k].seen);
        printf(o->markdown ? "| %s | %.4f | %.2f | %s |\n" : "%-34s%24.4f%16.2f%9s\n", names[k],
               result[k].reported, result[ORIGINAL].reported / result[k].reported, seen);
    }
    printf(
        "\nStandard error for %d evaluations, of %lu test images with %lu draws each, root mean square of "
        "%lu\nrepetitions. Seen: the standard deviation of their estimates, known to %.0f %%, scaled alike. "
        "The pilot's\nevaluations count.\n",
        (int)UNIT, (unsigned long)o->images, (unsigned long)o->draws, (unsigned long)o->repetitions,
        100 / sqrt(2 * (double)(o->repetitions - 1)));
}

int main(int argc, char **argv)
{
    options o = read_options(argc, argv);
    noise result[ESTIMATORS];
    itd_denoiser den;
    itd_gaussian *g;
    itd_model *model;
    itd_error error;
    cifar10 set;
    char text[512];
    float *x;
    size_t i;
    must_program = "bench_errors";
    if (itd_load(o.load, &model, NULL, &error) != ITD_OK) fail("%s", error.text);
    if (wide_gaussian_load(o.gaussian, &g, text, sizeof text)) fail("%s", text);
    if (cifar10_read(o.data, "test", &set, text, sizeof text)) fail("%s", text);
    if (model->dim != cifar10_dim || g->dim != cifar10_dim) fail("a model and a Gaussian of images expected");
    if (o.images > set.n) o.images = set.n;
    x = (float *)must_alloc(o.images, cifar10_dim * sizeof *x);
    for (i = 0; i < o.images; i++) cifar10_floats(set.pixels + i * cifar10_dim, 0, x + i * cifar10_dim);
    den = itd_model_denoiser(model);
    measure(&o, &den, g, x, result);
    print_table(&o, result);
    cifar10_free(&set), itd_gaussian_free(g), itd_model_free(model), free(x);
    return 0;
}
