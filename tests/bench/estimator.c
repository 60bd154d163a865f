/* bench/estimator.c: how noisy the likelihood estimate is, from the original's estimator to the library's
 * default, at the same number of denoiser evaluations; and whether the standard error that the library
 * reports is the spread that repetitions show.
 *   make build/bench_estimator && build/bench_estimator --runs runs
 * --help explains the options. Each of the five sets needs a trained model, RUNS/SET/model.safetensors. */
#define ITDIFF_IMPLEMENTATION
#include "../../itdiff.h"

#include "../../examples/support/args.h"
#include "../../examples/support/datasets.h"
#include "../../examples/support/must.h"

enum { POINTS = 8000, SEED = 0, UNIT = 800 }; /* the first two as train_2d has them by default */

typedef struct options {
    const char *runs, *suffix;
    size_t points, draws, repetitions;
    int markdown;
} options;

/* Each adds one measure to the one before it. */
typedef struct estimator {
    const char *name;
    bool original_schedule; /* loc 0, scale 3, clip 4 instead of the model's */
    bool stratified;
    bool cancel; /* the error of the model's Gaussian on the same noise, instead of N(0, I)'s mean error */
    bool allocate;
} estimator;

static const estimator estimators[] = {
    {"original", true, false, false, false},     {"+ model's schedule", false, false, false, false},
    {"+ stratified", false, true, false, false}, {"+ same noise", false, true, true, false},
    {"+ allocation", false, true, true, true}, /* the library's default */
};
enum { ESTIMATORS = sizeof estimators / sizeof *estimators };

static const char *const sets[] = {"scg", "line", "moons", "circle", "dino"};
enum { SETS = sizeof sets / sizeof *sets };

static options read_options(int argc, char **argv)
{
    static options o; /* the option table keeps pointers into it */
    o.runs = "runs", o.suffix = "";
    /* 80 repetitions know a standard deviation to 8 % and a ratio of two to 11 %; fewer points than the 800
       there are keep all of it under two minutes on one core. */
    o.points = 200, o.draws = 100, o.repetitions = 80;
    args_option list[] = {
        args_string("runs", &o.runs, "Folder with SET/model.safetensors for each of the five sets."),
        args_string("suffix", &o.suffix, "Follows SET in the names of the folders."),
        args_size("points", &o.points, 2, POINTS / 10, "Validation points, the first so many."),
        args_size("draws", &o.draws, 3, 1000000, "Denoiser evaluations per point."),
        args_size("repetitions", &o.repetitions, 2, 1000000, "Estimates whose spread is taken."),
        args_flag("markdown", &o.markdown, "Print a Markdown table."),
    };
    args_table table = {"bench_estimator", "Measures the noise of the likelihood estimate.", list,
                        ARGS_COUNT(list)};
    args_parse(&table, argc, argv);
    return o;
}

/* The validation points that train_2d holds back, as long as its --n and --seed are left alone. */
static void validation_points(const char *set_name, size_t n, float *x /* (n, 2) */)
{
    char error[256];
    dataset set;
    float *all = (float *)must_alloc(POINTS, 2 * sizeof *all);
    size_t *index = (size_t *)must_alloc(POINTS, sizeof *index);
    if (dataset_open(set_name, SEED, &set, error, sizeof error)) fail("%s: %s", set_name, error);
    dataset_sample(&set, 0, POINTS, all);
    dataset_gather(all, 2, n, index + dataset_split(POINTS, SEED, index), x);
    free(all), free(index);
}

static itd_model *load_model(const options *o, const char *set_name)
{
    char path[1200];
    itd_model *model;
    itd_error error;
    int length = snprintf(path, sizeof path, "%s/%s%s/model.safetensors", o->runs, set_name, o->suffix);
    if (length < 0 || (size_t)length >= sizeof path) fail("--runs: the name of the folder is too long");
    if (itd_load(path, &model, NULL, &error) != ITD_OK) fail("%s", error.text);
    if (model->dim != 2) fail("%s: a model of the plane expected", path);
    return model;
}

/* Standard deviation of the estimate over the repetitions, and the root mean square of the standard errors
   reported with it: where rare draws matter their plain mean would fall short, for it is the square that has
   no bias. Both times sqrt(evaluations / UNIT), what they would be for UNIT evaluations. */
typedef struct noise {
    double measured, reported;
} noise;

static noise measure(const options *o, const estimator *kind, itd_model *model, const float *x, uint64_t seed)
{
    itd_denoiser denoiser = itd_model_denoiser(model);
    itd_nll_desc desc = itd_model_nll_desc(model);
    double mean = 0, squares = 0, reported = 0, factor = 0;
    noise result;
    size_t r;
    desc.draws = o->draws;
    desc.cancel = kind->cancel;
    if (!kind->cancel) desc.reference = NULL;
    desc.stratified = kind->stratified;
    desc.allocate = kind->allocate;
    if (kind->original_schedule) desc.schedule = itd_schedule_default();
    for (r = 0; r < o->repetitions; r++) {
        itd_nll_result nll;
        double deviation;
        desc.seed = seed + r;
        must(itd_nll(&denoiser, x, o->points, &desc, &nll, NULL, NULL), kind->name);
        deviation = nll.nll - mean; /* Welford's recurrence: no cancelling of large squares */
        mean += deviation / (double)(r + 1);
        squares += deviation * (nll.nll - mean);
        reported += nll.std_error * nll.std_error / (double)o->repetitions;
        factor = sqrt((double)nll.evaluations / UNIT); /* the same in every repetition */
    }
    result.measured = factor * sqrt(squares / (double)(o->repetitions - 1));
    result.reported = factor * sqrt(reported);
    return result;
}

static void print_head(const options *o)
{
    if (o->markdown) {
        printf("| set | estimator | standard deviation | original / this | reported |\n"
               "|---|---|--:|--:|--:|\n");
        return;
    }
    printf("nats; %lu validation points, %lu draws each, %lu repetitions; scaled to %d evaluations\n\n"
           "%-8s%-20s%20s%16s%12s\n",
           (unsigned long)o->points, (unsigned long)o->draws, (unsigned long)o->repetitions, (int)UNIT, "set",
           "estimator", "standard deviation", "original/this", "reported");
}

static void print_row(const options *o, const char *set, const char *name, noise own, noise original)
{
    double ratio = original.measured / own.measured;
    const char *row = o->markdown ? "| %s | %s | %.*f | %.*f | %.*f |\n" : "%-8s%-20s%20.*f%16.*f%12.*f\n";
    int digits = own.measured < 0.01 ? 5 : 4;
    printf(row, set, name, digits, own.measured, ratio < 10 ? 2 : 1, ratio, digits, own.reported);
    fflush(stdout); /* there is more than a minute to watch */
}

static void print_foot(const options *o)
{
    if (!o->markdown) return;
    printf("\nIn nats, for the mean over the first %lu validation points. Standard deviation: over %lu "
           "repetitions with %lu draws\nper point, hence known to %.0f %%, scaled to %d evaluations. "
           "Reported: root mean square of the standard errors that\n`itd_nll` returned, scaled alike.\n",
           (unsigned long)o->points, (unsigned long)o->repetitions, (unsigned long)o->draws,
           100 / sqrt(2 * (double)(o->repetitions - 1)), (int)UNIT);
}

int main(int argc, char **argv)
{
    options o = read_options(argc, argv);
    float *x = (float *)must_alloc(o.points, 2 * sizeof *x);
    itd_model *models[SETS];
    size_t s, k;
    must_program = "bench_estimator";
    for (s = 0; s < SETS; s++) models[s] = load_model(&o, sets[s]); /* all, before the first long minute */
    print_head(&o);
    for (s = 0; s < SETS; s++) {
        noise original = {0, 0};
        validation_points(sets[s], o.points, x);
        for (k = 0; k < ESTIMATORS; k++) {
            /* Seeds of its own for each row of the table, lest all rows share one chance deviation. */
            uint64_t seed = 1 + (uint64_t)(s * ESTIMATORS + k) * o.repetitions;
            noise own = measure(&o, &estimators[k], models[s], x, seed);
            if (k == 0) original = own;
            print_row(&o, sets[s], estimators[k].name, own, original);
        }
        itd_model_free(models[s]);
    }
    print_foot(&o);
    free(x);
    return 0;
}
