/* fit.c: learns the density of a table of your own, CSV or .npy, and compares it with simpler densities.
 *   cc -O2 -fopenmp examples/fit.c -o build/fit -lm
 *   build/fit --data train.csv                                         90 % of the rows train, 10 % validate
 *   build/fit --load runs/data/model.safetensors --data new.csv --scores scores.csv
 *   build/fit --load runs/data/model.safetensors --samples 1000 --samples_out samples.csv
 * --help explains the options. Pictures, metrics (also for TensorBoard) and the model go to runs/data/. The
 * last line of output is
 *   result data=train.csv rows=... columns=... epochs=... params=... val_nll=... stderr=... stderr_data=...
 *   gaussian_nll=... kde_nll=... test_nll=... test_stderr=... best=model|gaussian|kde seconds=... */
#include "support/progress.h" /* first: it asks the system headers for POSIX */

#define ITD_FSYNC(file) system_sync(file)
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "support/args.h"
#include "support/charts.h"
#include "support/frame.h"
#include "support/must.h"
#include "support/outputs.h"
#include "support/odd.h"
#include "support/rows.h"
#include "support/same_run.h"
#include "support/scatter.h"
#include "support/scores.h"
#include "support/table_out.h"
#include "support/training.h"
#include "support/weights.h"

enum { MIN_ROWS = 20, MAX_COLUMNS = 16384 /* of the header's MLP */, MAX_VALIDATION = 10000 };
enum { NOISE_DRAWS = 8, DEFAULT_SECONDS = 40, FAR_AWAY = 10 };
enum { VALIDATION_NOISE = 100, TEST_NOISE = 200 }; /* training has 0, scores have 1, 2, ... */

/* ---- options ------------------------------------------------------------------------------------------- */

typedef struct options {
    const char *data, *columns, *validation, *test, *train, *load, *scores, *samples_out, *name, *out;
    const char *dequantize, *lr_schedule, *sampler;
    size_t epochs, batch, hidden_size, hidden_layers, draws, samples, steps, threads;
    double minutes, learning_rate;
    uint64_t seed;
    int drop_missing, resume, pictures, quiet;
    int has_epochs, has_minutes, has_draws; /* whether they were given */
} options;

static void refuse_idle_options(const options *o, const args_table *table)
{
    if (!o->load) args_refuse_idle(table, "train scores", "without --load");
    if (o->load)
        args_refuse_idle(table,
                         "validation test dequantize num_epochs minutes learning_rate lr_schedule "
                         "train_batch_size hidden_size hidden_layers resume",
                         "with --load, where nothing is trained");
    if (!o->data && !o->load) fail("--data: expected the table to learn from, found nothing (see --help)");
    if (!o->data && !o->samples_out)
        fail("--load: expected --data FILE to score or --samples_out FILE to sample into, found neither");
    if (!o->data) args_refuse_idle(table, "columns drop_missing train scores eval_draws", "without --data");
    if (!o->samples_out && !o->pictures)
        args_refuse_idle(table, "samples steps sampler", "without --samples_out or pictures");
}

static options read_options(int argc, char **argv)
{
    static options o; /* the option table keeps pointers into it */
    o.out = "runs", o.name = "data";
    o.dequantize = "auto", o.lr_schedule = "cosine", o.sampler = "ancestral";
    o.batch = 512, o.hidden_size = 128, o.hidden_layers = 4, o.learning_rate = 3e-3;
    o.samples = 1000, o.steps = 100, o.pictures = 1, o.minutes = DEFAULT_SECONDS / 60.0;
    args_option list[] = {
        args_group("Data"),
        args_string(
            "data", &o.data,
            "The table: a CSV file with one row per line, or a .npy file of NumPy. With --load, the rows to "
            "score."),
        args_string("columns", &o.columns, "Some of its columns, by number or name: 1-4,7 or height,weight."),
        args_flag("drop_missing", &o.drop_missing,
                  "Leave out the rows in which a value is missing; their scores are nan."),
        args_default_text(
            args_string("validation", &o.validation,
                        "Fraction of the rows that is held out for validation, or a file of such rows."),
            "0.1, of at most 10,000 rows"),
        args_string("test", &o.test,
                    "A file of rows that are used only at the end; they then decide what is best."),
        args_choice(
            "dequantize", &o.dequantize, "auto|off",
            "Rounded values have no density: a column gets uniform noise of one step if all its values are "
            "multiples of that step and at most half of them are distinct."),
        args_uint64("seed", &o.seed, 0, UINT64_MAX,
                    "Seed of the split, the weights, the noise and the samples."),
        args_group("Training"),
        args_default_text(args_size("num_epochs", &o.epochs, 0, 1000000, "Passes over the training rows."),
                          "by the number of rows"),
        args_default_text(args_double("minutes", &o.minutes, 0.01, 1e6,
                                      "Limit on the total time; reading millions of rows comes on top."),
                          "40 seconds; no limit with --num_epochs"),
        args_size("train_batch_size", &o.batch, 1, 1000000, "Rows per step."),
        args_double("learning_rate", &o.learning_rate, 0, 1, "Step size of Adam."),
        args_choice("lr_schedule", &o.lr_schedule, "constant|cosine",
                    "The learning rate is constant, or falls to zero as a half cosine."),
        args_size("hidden_size", &o.hidden_size, 1, 65536, "Width of the hidden layers."),
        args_size("hidden_layers", &o.hidden_layers, 1, 100, "Linear layers."),
        args_flag("resume", &o.resume,
                  "Continue from the checkpoint in the folder of the results; give the same options."),
        args_group("Evaluation"),
        args_default_text(args_size("eval_draws", &o.draws, 2, 1000000, "Denoiser evaluations per row."),
                          "200, fewer for many rows"),
        args_size("samples", &o.samples, 1, 10000000, "Points drawn from the model at the end."),
        args_size("steps", &o.steps, 1, 100000, "Denoiser calls per sample."),
        args_choice(
            "sampler", &o.sampler, "deterministic|ancestral",
            "Deterministic (DDIM), or ancestral: with new noise in every step (DDPM), which strays less."),
        args_string("samples_out", &o.samples_out,
                    "Write the samples here, in the units and under the names of the table; .npy or CSV."),
        args_group("Load"),
        args_string("load", &o.load, "Score or sample with this model instead of training one."),
        args_string("scores", &o.scores,
                    "Write -log p of every row of --data here, with its standard error; .npy or CSV. Rows "
                    "count from 1, without the names."),
        args_string("train", &o.train,
                    "The training rows of the model, for a kernel density estimate to compare with."),
        args_group("Run"),
        args_string("experiment_name", &o.name,
                    "Folder of the results. A model that is there from an earlier run is kept as "
                    "model.safetensors~."),
        args_string("out", &o.out, "Folder that the folder of the results is in."),
        args_flag("pictures", &o.pictures, "Write pictures beside the model and the metrics."),
        args_size("threads", &o.threads, 0, 1024, "Maximum number of threads; 0: one per processor."),
        args_flag("quiet", &o.quiet, "Print only the result line, and on stderr warnings about the table."),
    };
    args_table table = {"fit", "Learns the density of a table of your own.", list, ARGS_COUNT(list)};
    args_parse(&table, argc, argv);
    refuse_idle_options(&o, &table);
    const char *const files[] = {o.data, o.validation, o.test, o.train, o.load};
    outputs_must_spare("scores", o.scores, files, ARGS_COUNT(files));
    outputs_must_spare("samples_out", o.samples_out, files, ARGS_COUNT(files));
    o.has_epochs = args_given(&table, &o.epochs), o.has_minutes = args_given(&table, &o.minutes);
    o.has_draws = args_given(&table, &o.draws);
    return o;
}

/* Before anything takes its time, but where the folder of the results is, which may be theirs. */
static void check_outputs(const options *o)
{
    outputs_must_write(o->scores), outputs_must_write(o->samples_out);
    if (o->scores && o->samples_out && outputs_are_same(o->scores, o->samples_out))
        fail("--samples_out: another file than that of --scores expected, found %s", o->samples_out);
}

/* ---- the run ------------------------------------------------------------------------------------------- */

typedef struct run {
    options o;
    double started;
    data_frame frame;
    size_t dim, table_rows;
    double *mean, *scale;            /* (dim) of the training rows, as floats */
    row_set train, validation, test; /* with --load the rows to score are those of `validation` */
    size_t held;                     /* the last of the training rows: they choose, the others teach */
    learner l;
    itd_model *model;
    kde rival;
    scores on_validation, on_test;
    report report;
    progress bar;
    int scores_lost, samples_lost; /* they could not be written */
} run;

/* ---- data ---------------------------------------------------------------------------------------------- */

/* The frame's columns of another file. */
static data_table read_same_columns(const run *r, const char *path)
{
    data_table t = rows_read(&r->frame, path, r->o.columns, r->o.load && path == r->o.data,
                             r->o.drop_missing);
    if (path != r->o.train && table_checksum(&t) == r->frame.checksum)
        warn("%s: the rows that it was trained on, so -log p is too low", path);
    return t;
}

static row_set read_rows(const run *r, const char *path, uint64_t draw)
{
    data_table t = read_same_columns(r, path);
    row_set s = rows_of(&r->frame, &t, r->o.seed, draw);
    rows_must_reach(&s, &t, r->mean, r->scale);
    s.kind = rows_kinds(&r->frame, &t);
    if (path != r->o.train) rows_keep_unrounded(&s, &r->frame, &t);
    table_free(&t);
    return s;
}

/* The fraction that --validation tells; 0: it is the name of a file. Of many rows, some are enough. */
static double validation_part(const options *o, size_t n)
{
    double part;
    const char *end;
    if (!o->validation) return fmin(0.1, MAX_VALIDATION / (double)n);
    end = o->validation + strlen(o->validation);
    if (text_number(o->validation, end, &part) != end) return 0;
    if (!(part > 0 && part < 1))
        fail("--validation: expected a number between 0 and 1 or a file, found \"%.60s\"", o->validation);
    return part;
}

static void find_steps(run *r, const data_table *t)
{
    char text[TABLE_ERROR];
    if (strcmp(r->o.dequantize, "auto")) return;
    if (frame_find_steps(&r->frame, t, text, sizeof text)) fail("%s", text);
    if (!frame_is_rounded(&r->frame)) return;
    warn("rounded values get uniform noise of one step: %s (--dequantize off leaves it out)",
         rows_steps(&r->frame, text, sizeof text));
}

static void prepare_training_data(run *r)
{
    char error[TABLE_ERROR];
    data_table t = rows_read(NULL, r->o.data, r->o.columns, true, r->o.drop_missing);
    if (t.rows < MIN_ROWS)
        fail("%s: at least %d rows expected to learn from, %lu found", r->o.data, MIN_ROWS,
             (unsigned long)t.rows);
    if (t.columns > MAX_COLUMNS)
        fail("%s: at most %d columns expected, %lu found; --columns chooses", r->o.data, MAX_COLUMNS,
             (unsigned long)t.columns);
    if (table_refuse_constant(&t, error, sizeof error)) fail("%s", error);
    if (odd_tell(&t, warn_line, NULL) < 0) fail("out of memory for the columns of %s", r->o.data);
    if (frame_from_table(&t, &r->frame, error, sizeof error)) fail("%s", error);
    r->dim = t.columns, r->table_rows = t.rows;
    find_steps(r, &t);
    r->held = rows_split(&r->frame, &t, validation_part(&r->o, t.rows), r->o.seed, &r->train, &r->validation);
    rows_must_vary(&r->train, &t);
    r->mean = rows_spread(&r->train, r->dim), r->scale = r->mean + r->dim;
    rows_must_reach(&r->validation, &t, r->mean, r->scale);
    rows_keep_unrounded(&r->validation, &r->frame, &t);
    if (!r->validation.n) r->validation = read_rows(r, r->o.validation, VALIDATION_NOISE);
    if (r->o.test) r->test = read_rows(r, r->o.test, TEST_NOISE);
    table_free(&t);
}

/* ---- training ------------------------------------------------------------------------------------------ */

static learn_desc learn_desc_of(const run *r)
{
    const options *o = &r->o;
    size_t teaching = r->train.n - r->held;
    learn_desc d = learn_desc_default(r->dim, teaching, o->seed);
    d.model.mlp.hidden = o->hidden_size, d.model.mlp.layers = o->hidden_layers;
    d.trainer.batch = o->batch, d.trainer.learning_rate = o->learning_rate, d.kind = r->train.kind;
    learn_set_steps(&d, o->has_epochs ? learn_steps_of_epochs(&d, teaching, o->epochs) : d.steps,
                    !strcmp(o->lr_schedule, "cosine"));
    return d;
}

/* What a run has to have in common with the one it goes on from, each option a word of ASCII. */
static void options_text(const run *r, char *text, size_t size)
{
    const options *o = &r->o;
    char epochs[30] = "auto", validation[400] = "auto", *end = validation;
    for (const char *at = o->validation; at && *at && end + 4 < validation + sizeof validation; at++)
        end += sprintf(end, frame_is_plain(*at) ? "%c" : "%%%02X", (unsigned)(unsigned char)*at);
    if (o->has_epochs) snprintf(epochs, sizeof epochs, "%lu", (unsigned long)o->epochs);
    snprintf(
        text, size,
        "seed=%llu num_epochs=%s train_batch_size=%lu learning_rate=%.17g lr_schedule=%s hidden_size=%lu "
        "hidden_layers=%lu dequantize=%s validation=%s",
        (unsigned long long)o->seed, epochs, (unsigned long)o->batch, o->learning_rate, o->lr_schedule,
        (unsigned long)o->hidden_size, (unsigned long)o->hidden_layers, o->dequantize, validation);
}

static void resume(run *r, const learn_desc *d)
{
    char path[1300], words[800];
    itd_model *m;
    itd_error error;
    FILE *file = fopen(report_path(&r->report, "training.safetensors"), "rb");
    if (!file) fail("--resume: no checkpoint found in %s/", r->report.folder);
    fclose(file);
    snprintf(path, sizeof path, "%s", report_path(&r->report, "model.safetensors"));
    if (itd_load(path, &m, NULL, &error) != ITD_OK) fail("--resume: %s", error.text);
    options_text(r, words, sizeof words);
    same_run_require(&r->frame, r->o.data, words, m, path);
    itd_model_free(m);
    training_resume(&r->l, d, &r->report, r->train.x, r->train.n, r->held);
}

static void train(run *r)
{
    learn_desc d = learn_desc_of(r);
    char words[800], *frame = frame_to_text(&r->frame);
    training_note notes[3] = {{"frame", NULL}, {"options", NULL}, {NULL, NULL}};
    training_loop t;
    training_end end;
    uint64_t begun;
    if (r->o.resume) resume(r, &d);
    else learn_begin(&r->l, &d, r->train.x, r->train.n, r->held);
    if (!frame) fail("out of memory for %lu columns", (unsigned long)r->dim);
    options_text(r, words, sizeof words);
    notes[0].value = frame, notes[1].value = words;
    training_begin(&t, &r->l, &r->report, notes);
    t.quiet = r->o.quiet, t.asked = r->o.epochs;
    if (r->o.has_minutes || !r->o.has_epochs) /* the rest is for what follows, half after a long reading */
        t.deadline = fmax(r->started + 0.7 * 60 * r->o.minutes, system_seconds() + 0.5 * 60 * r->o.minutes);
    begun = r->l.trainer->step;
    end = training_run(&t);
    if (r->o.resume && !r->o.quiet && begun == r->l.trainer->step)
        printf("the training had ended; nothing is left to do\n");
    training_say_end(&t, end);
    free(frame);
}

/* ---- evaluation ---------------------------------------------------------------------------------------- */

/* Some seconds of evaluations in all, but 32 a row, so that each has a standard error, and 200 at most. */
static itd_nll_desc nll_desc_of(const run *r, size_t n)
{
    itd_nll_desc d = itd_model_nll_desc(r->model);
    size_t draws = (size_t)(5e10 / (double)itd_net_parameters(r->model->net) / (double)n);
    d.draws = r->o.has_draws ? r->o.draws : draws < 32 ? 32 : draws > 200 ? 200 : draws;
    d.seed = r->o.seed;
    return d;
}

/* Scores rows; where columns are rounded, with several draws of noise, from number `first` on, which share
   the evaluations. t: the rows before noise. */
static void measure(run *r, row_set *s, const data_table *t, uint64_t first, scores *result)
{
    size_t draws = frame_is_rounded(&r->frame) ? NOISE_DRAWS : 1, min_draws = r->o.has_draws ? 2 : 4;
    itd_nll_desc d = nll_desc_of(r, s->n);
    if (draws > 1 && r->o.has_draws && r->o.draws < 4 * draws) draws = r->o.draws < 8 ? 2 : r->o.draws / 4;
    if (draws > 1) d.draws = d.draws / draws < min_draws ? min_draws : d.draws / draws;
    d.allocate = d.draws > 2;
    scores_begin(result, s->n), result->kind = s->kind;
    for (size_t k = 0; k < draws; k++) {
        d.seed = r->o.seed + ((uint64_t)k << 32); /* noise of its own, for the estimate too */
        if (draws > 1) rows_draw(s, &r->frame, t, r->o.seed, first + k);
        scores_add(result, r->model, r->rival.rows ? &r->rival : NULL, s->x, &d);
    }
    scores_end(result);
}

static void fit_rival(run *r, const row_set *train)
{
    if (rival_fit(&r->rival, r->model, train->x, train->kind, train->n, r->o.seed))
        fail("out of memory for %lu rows", (unsigned long)train->n);
    if (r->rival.rows < r->rival.of && !r->o.quiet)
        printf("kernel density estimate: of %lu of the %lu rows, drawn at random\n",
               (unsigned long)r->rival.rows, (unsigned long)r->rival.of);
}

/* Those that decide which density is the best. */
static const scores *deciding(const run *r) { return r->on_test.rows ? &r->on_test : &r->on_validation; }

static void say_outcome(const run *r)
{
    const scores *v = &r->on_validation, *t = &r->on_test;
    const char *kind = r->o.load ? "" : "validation ";
    char text[300];
    if (!r->o.load) printf("model and metrics are in %s\n", report_path(&r->report, ""));
    else if (r->o.pictures && v->rows) printf("pictures are in %s\n", report_path(&r->report, ""));
    if (r->o.scores && !r->scores_lost) printf("scores of the rows are in %s\n", r->o.scores);
    if (r->o.samples_out && !r->samples_lost)
        printf("%lu samples are in %s\n", (unsigned long)r->o.samples, r->o.samples_out);
    if (v->rows) printf("%s\n", scores_text(v, kind, text, sizeof text));
    if (t->rows) printf("%s\n", scores_text(t, "test ", text, sizeof text));
    if (*scores_verdict(deciding(r), t->rows ? "test " : kind, text, sizeof text)) printf("%s\n", text);
}

/* ---- result -------------------------------------------------------------------------------------------- */

/* A number of those rows, "na" if there are none or it is not finite. */
static void print_number(const char *name, const scores *of, double value)
{
    if (of->rows && fabs(value) <= DBL_MAX) printf(" %s=%.4f", name, value);
    else printf(" %s=na", name);
}

static void print_result(const run *r)
{
    const scores *v = &r->on_validation, *t = &r->on_test;
    printf("result data=");
    text_print_name(r->o.data);
    if (r->o.data) printf(" rows=%lu", (unsigned long)r->table_rows);
    else printf(" rows=na");
    printf(" columns=%lu", (unsigned long)r->dim);
    if (r->l.trainer) printf(" epochs=%lu", training_epochs(&r->l, r->l.n, r->o.epochs));
    else printf(" epochs=na");
    printf(" params=%lu", (unsigned long)itd_net_parameters(r->model->net));
    print_number("val_nll", v, v->model.nll);
    print_number("stderr", v, v->std_error);
    print_number("stderr_data", v, v->std_error_data);
    print_number("gaussian_nll", v, v->gaussian.nll);
    print_number("kde_nll", v, v->kde.nll);
    print_number("test_nll", t, t->model.nll);
    print_number("test_stderr", t, t->std_error);
    printf(" best=%s seconds=%.2f\n", v->rows ? scores_best(deciding(r)) : "na",
           system_seconds() - r->started);
}

/* ---- samples ------------------------------------------------------------------------------------------- */

static float *draw_samples(run *r)
{
    itd_sample_desc d = itd_model_sample_desc(r->model);
    itd_denoiser den = itd_model_denoiser(r->model);
    float *x = (float *)must_alloc(r->o.samples, r->dim * sizeof *x);
    d.steps = r->o.steps, d.seed = r->o.seed;
    d.sampler = strcmp(r->o.sampler, "ancestral") ? ITD_DETERMINISTIC : ITD_ANCESTRAL;
    must(itd_sample(&den, &d, r->o.samples, x), "sampling");
    return x;
}

static void write_samples(run *r, const float *x)
{
    double *values = (double *)must_alloc(r->o.samples, r->dim * sizeof *values);
    frame_restore(&r->frame, x, r->o.samples, values);
    if (table_write(r->o.samples_out, r->frame.names, values, r->o.samples, r->dim))
        lose(r->o.samples_out), r->samples_lost = 1;
    free(values);
}

/* ---- pictures ------------------------------------------------------------------------------------------ */

/* Of the rows that were learned, or with --load of those that were scored. */
static void draw_density(run *r, const float *samples)
{
    const row_set *shown = r->o.load ? &r->validation : &r->train;
    scatter_view v;
    plot_canvas c;
    memset(&v, 0, sizeof v);
    v.frame = &r->frame, v.dim = r->dim, v.seed = r->o.seed, v.what = r->o.load ? "rows" : "training rows";
    v.x = shown->x, v.n = shown->n, v.samples = samples, v.m = r->o.samples;
    scatter_find_axes(&v);
    scatter_draw_samples(&c, &v, r->model);
    report_picture(&r->report, &c, "samples.png");
    if (r->dim != 2) return;
    scatter_draw_plane(&c, &v, r->model);
    report_picture(&r->report, &c, "density.png");
}

static void draw_run(run *r)
{
    const row_set *v = &r->validation;
    const scores *s = &r->on_validation;
    plot_canvas c;
    char note[200];
    charts_scores(&c, s->model.row, v->row, v->n,
                  r->o.load ? "\xe2\x88\x92log p of the rows" : "\xe2\x88\x92log p of the validation rows");
    report_picture(&r->report, &c, "scores.png");
    snprintf(note, sizeof note, "\xe2\x88\x92log p = %.3f \xc2\xb1 %.3f nats\nGaussian %.3f", s->model.nll,
             s->std_error, s->gaussian.nll);
    charts_mse(&c, r->model, v->x, v->n < 1000 ? v->n : 1000, r->o.seed, note);
    report_picture(&r->report, &c, "mse.png");
    if (r->o.load) return;
    charts_loss(&c, &r->report, training_passes(&r->l, r->l.kept_step, r->l.n), "rows that choose");
    report_picture(&r->report, &c, "loss.png");
}

static void show(run *r)
{
    float *x;
    if (r->o.pictures && r->validation.n) draw_run(r);
    if (!r->o.samples_out && !r->o.pictures) return;
    x = draw_samples(r);
    if (r->o.samples_out) write_samples(r, x);
    if (r->o.pictures && r->validation.n) draw_density(r, x);
    free(x);
}

/* ---- with --load --------------------------------------------------------------------------------------- */

static void load(run *r)
{
    must_load_model(r->o.load, &r->model, NULL);
    r->frame = frame_of_model(r->model, r->o.load), r->dim = r->model->dim;
    r->mean = r->model->mean, r->scale = r->model->scale;
}

/* Rows far from all that was learned are a sign of other units, or of other data. */
static void warn_if_far(const run *r, const char *path)
{
    double expected, found = r->on_validation.gaussian.nll;
    if (!r->model->gaussian) return;
    expected = itd_gaussian_entropy(r->model->gaussian);
    if (found > expected + FAR_AWAY * (double)r->dim)
        warn("%s: %.4g nats a row by the Gaussian of the training rows, which had %.4g themselves: in other "
             "units, or other data?",
             path, found, expected);
}

static void score_rows(run *r)
{
    data_table t = read_same_columns(r, r->o.data);
    scores *s = &r->on_validation;
    if (r->o.pictures) report_begin(&r->report, r->o.out, r->o.name, &r->bar);
    check_outputs(&r->o);
    r->table_rows = t.rows;
    r->validation = rows_of(&r->frame, &t, r->o.seed, 1);
    r->validation.kind = rows_kinds(&r->frame, &t);
    rows_must_reach(&r->validation, &t, r->mean, r->scale);
    if (r->o.train) {
        row_set train = read_rows(r, r->o.train, 0);
        fit_rival(r, &train);
        rows_free(&train);
    }
    measure(r, &r->validation, &t, 1, s);
    warn_if_far(r, r->o.data);
    if (r->o.scores && scores_write(r->o.scores, s, &t)) lose(r->o.scores), r->scores_lost = 1;
    table_free(&t);
}

/* ---- the program --------------------------------------------------------------------------------------- */

static void say_plan(const run *r)
{
    if (r->o.quiet) return;
    printf("%s: %lu rows for training, of which %lu choose what is kept, %lu for validation", r->o.data,
           (unsigned long)r->train.n, (unsigned long)r->held, (unsigned long)r->validation.n);
    if (r->o.test) printf(", %lu for the test", (unsigned long)r->test.n);
    printf("; %lu column%s; kernels %s\n", (unsigned long)r->dim, r->dim == 1 ? "" : "s", itd_simd_name());
    fflush(stdout);
}

static void fit(run *r)
{
    prepare_training_data(r);
    report_begin(&r->report, r->o.out, r->o.name, &r->bar); /* no folder for a table that is refused */
    check_outputs(&r->o);
    say_plan(r);
    train(r);
    if (stop_asked()) return;
    learn_end(&r->l);
    r->model = r->l.model;
    fit_rival(r, &r->train);
    measure(r, &r->validation, &r->validation.unrounded, VALIDATION_NOISE, &r->on_validation);
    if (r->o.test) measure(r, &r->test, &r->test.unrounded, TEST_NOISE, &r->on_test);
}

static void end(run *r)
{
    report_close(&r->report);
    scores_free(&r->on_validation), scores_free(&r->on_test), kde_free(&r->rival);
    rows_free(&r->train), rows_free(&r->validation), rows_free(&r->test), frame_free(&r->frame);
    if (r->o.load) itd_model_free(r->model);
    else learn_free(&r->l), free(r->mean);
}

int main(int argc, char **argv)
{
    static run r;
    must_program = "fit";
    r.started = system_seconds();
    system_patient_threads(argv);
    r.o = read_options(argc, argv);
    system_set_threads(r.o.threads);
    if (r.o.load) {
        load(&r);
        if (r.o.data) score_rows(&r);
        else check_outputs(&r.o);
    } else {
        fit(&r);
    }
    if (!stop_asked()) {
        show(&r);
        if (!r.o.quiet) say_outcome(&r);
        print_result(&r);
    }
    end(&r);
    return must_have_printed();
}
