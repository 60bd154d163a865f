/* train_2d.c: learns the density of points in the plane (or of any CSV or .npy file), and shows how well.
 *   cc -O2 -fopenmp examples/train_2d.c -o build/train_2d -lm && build/train_2d --dataset moons
 * --help explains the options. Pictures, metrics (also for TensorBoard) and the model go to runs/NAME/. The
 * last line of output is
 *   result dataset=moons epochs=... params=... val_nll=... stderr=... true_nll=... excess=... */
#include "support/progress.h" /* first: it asks the system headers for POSIX */

#define ITD_FSYNC(file) system_sync(file)
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "support/args.h"
#include "support/blur.h"
#include "support/datasets.h"
#include "support/frame.h"
#include "support/folder.h"
#include "support/must.h"
#include "support/plot.h"
#include "support/tfevents.h"
#include "support/view.h"
#include "support/watch.h"

#ifdef _OPENMP
#include <omp.h>
#endif

enum { PANELS = 8, FRAMES = 15, EVERY = (FRAMES - 1) / (PANELS - 1) }; /* panels are every other frame */
enum { FLIGHT = 16, FLYING = 800 }; /* frames and points of the animated sampling */
enum { FRAME_WIDTH = 540, FRAME_HEIGHT = 470 };
enum { FRESH_VALIDATION = 20000, SHOWN = 1500, CURVE = 100 };

/* ---- options ------------------------------------------------------------------------------------------- */

typedef struct options {
    const char *dataset, *data, *name, *out, *load;
    const char *activation, *parameterization, *lr_schedule, *sampler, *scale_rule, *schedule;
    size_t n, batch, eval_batch, epochs, embedding_size, hidden_size, hidden_layers;
    size_t draws, grid, samples, steps, threads, warmup;
    double learning_rate, loc, scale, clip, coordinate_scale, logsnr_embedding_scale, ema;
    double weight_decay, clip_norm, weight_limit;
    uint64_t seed;
    int embedding, stratified, fresh, resume, quiet, original, pictures, view;
} options;

/* What suits each set best, found by trial; "data" is for a user's own, "original" the recipe of the
   original code. Sets of many small spots want sinusoids of high frequency and most of the log SNRs where
   the spots become visible; smooth ones want the opposite. */
typedef struct recipe {
    const char *dataset;
    size_t epochs, fresh_epochs, batch, hidden_size, hidden_layers;
    double learning_rate, loc, scale, clip, weight_limit, coordinate_scale;
} recipe;

static const recipe recipes[] = {
    {"scg", 40, 320, 128, 128, 3, 1e-3, 1, 3, 3, 3, 1},
    {"line", 80, 960, 128, 128, 3, 1e-3, 4, 4.5, 2, 3, 50},
    {"moons", 160, 640, 128, 128, 4, 1e-3, 3, 4, 2, 3, 10},
    {"circle", 480, 1200, 256, 128, 4, 2e-3, 7, 2.5, 4, 3, 100},
    {"dino", 400, 1200, 256, 128, 4, 2e-3, 6.5, 1.5, 6.8, 3, 300},
    {"data", 160, 160, 128, 128, 4, 1e-3, 1, 3, 4, 3, 30},
    {"original", 160, 160, 128, 128, 3, 1e-3, 0, 3, 4, 0, 100},
};

/* "scg 40, line 80, ...": one column of the table, for --help. */
static const char *by_set(size_t offset, int whole)
{
    static char texts[16][160];
    static int used;
    char *text = texts[used++];
    size_t k;
    for (k = 0; k < sizeof recipes / sizeof *recipes; k++) {
        const char *column = (const char *)&recipes[k] + offset;
        double value = whole ? (double)*(const size_t *)(const void *)column
                             : *(const double *)(const void *)column;
        snprintf(text + strlen(text), 160 - strlen(text), "%s%s %g", k ? ", " : "", recipes[k].dataset,
                 value);
    }
    return text;
}
#define WHOLE(column) by_set(offsetof(recipe, column), 1)
#define REAL(column) by_set(offsetof(recipe, column), 0)

static const recipe *recipe_of(const options *o)
{
    const recipe *r = recipes;
    while (strcmp(r->dataset, o->original ? "original" : o->data ? "data" : o->dataset)) r++;
    return r;
}

/* What else the original code does otherwise. */
static void use_original(options *o, const args_table *table)
{
    if (!args_given(table, &o->logsnr_embedding_scale)) o->logsnr_embedding_scale = 50;
    if (!args_given(table, &o->ema)) o->ema = 0;
    if (!args_given(table, &o->activation)) o->activation = "relu";
    if (!args_given(table, &o->parameterization)) o->parameterization = "plain";
    if (!args_given(table, &o->lr_schedule)) o->lr_schedule = "constant";
    if (!args_given(table, &o->stratified)) o->stratified = 0;
    if (!args_given(table, &o->scale_rule)) o->scale_rule = "original";
}

static void use_recipe(options *o, const args_table *table)
{
    const recipe *r = recipe_of(o);
    if (!args_given(table, &o->epochs)) o->epochs = o->fresh ? r->fresh_epochs : r->epochs;
    if (!args_given(table, &o->batch)) o->batch = r->batch;
    if (!args_given(table, &o->hidden_size)) o->hidden_size = r->hidden_size;
    if (!args_given(table, &o->hidden_layers)) o->hidden_layers = r->hidden_layers;
    if (!args_given(table, &o->learning_rate)) o->learning_rate = r->learning_rate;
    if (!args_given(table, &o->loc)) o->loc = r->loc;
    if (!args_given(table, &o->scale)) o->scale = r->scale;
    if (!args_given(table, &o->clip)) o->clip = r->clip;
    if (!args_given(table, &o->weight_limit)) o->weight_limit = r->weight_limit;
    if (!args_given(table, &o->coordinate_scale)) o->coordinate_scale = r->coordinate_scale;
}

static options read_options(int argc, char **argv)
{
    static options o; /* the option table keeps pointers into it */
    o.dataset = "dino", o.out = "runs";
    o.activation = "silu", o.parameterization = "gaussian", o.lr_schedule = "cosine";
    o.sampler = "deterministic", o.scale_rule = "logistic", o.schedule = "recipe";
    o.n = 8000, o.eval_batch = 1024, o.embedding_size = 128, o.draws = 200, o.grid = 50;
    o.samples = 3000, o.steps = 100, o.logsnr_embedding_scale = 3, o.ema = 0.999, o.seed = 0;
    o.embedding = o.stratified = o.pictures = 1;
    args_option list[] = {
        args_group("Data"),
        args_choice("dataset", &o.dataset, DATASET_NAMES, "Which of the five sets to learn."),
        args_string("data", &o.data,
                    "Your own data instead: a CSV file, one point per row, or a .npy file of NumPy, of shape "
                    "(N, 2)."),
        args_size("n", &o.n, 20, 10000000, "Points drawn; 90 % train, 10 % validate."),
        args_flag(
            "fresh", &o.fresh,
            "Draw new training points every epoch, and 20,000 new ones to validate on: no over-fitting."),
        args_uint64("seed", &o.seed, 0, UINT64_MAX, "Of data, weights, noise and samples."),
        args_group("Training"),
        args_default_text(args_size("num_epochs", &o.epochs, 0, 1000000,
                                    "Passes over the data; with --fresh several times as many."),
                          WHOLE(epochs)),
        args_default_text(args_size("train_batch_size", &o.batch, 1, 1000000, "Points per step."),
                          WHOLE(batch)),
        args_default_text(args_double("learning_rate", &o.learning_rate, 0, 1, "Of Adam."),
                          REAL(learning_rate)),
        args_choice("lr_schedule", &o.lr_schedule, "constant|cosine", "Over all of training."),
        args_size("warmup", &o.warmup, 0, 1000000, "Steps of linear rise to the learning rate."),
        args_double("ema", &o.ema, 0, 0.999999, "Decay of the weights' moving average; 0: none."),
        args_double("weight_decay", &o.weight_decay, 0, 1, "Decoupled, of Adam."),
        args_double("clip_norm", &o.clip_norm, 0, 1e9, "Largest norm of the gradient; 0: no limit."),
        args_flag("stratified", &o.stratified, "Spread the log SNRs evenly over each batch."),
        args_group("Log SNR"),
        args_choice(
            "schedule", &o.schedule, "recipe|auto",
            "Found by trial for each set, or found while training: from the spectrum of the data, then "
            "five times from the errors so far, without the three options that follow."),
        args_default_text(args_double("logsnr_loc", &o.loc, -30, 30, "Centre of the logistic schedule."),
                          REAL(loc)),
        args_default_text(args_double("logsnr_scale", &o.scale, 0.1, 10, "Width of the logistic schedule."),
                          REAL(scale)),
        args_default_text(
            args_double("logsnr_clip", &o.clip, 1, 20, "The schedule is cut at so many scales."), REAL(clip)),
        args_default_text(
            args_double("weight_limit", &o.weight_limit, 0, 1e9,
                        "The gradient sees weights of at most so many times the least; 0: no limit."),
            REAL(weight_limit)),
        args_choice("scale_rule", &o.scale_rule, "logistic|original",
                    "How suggested_scale follows from the quartiles: divided by log 3, or as the original."),
        args_group("Network"),
        args_choice("parameterization", &o.parameterization, "plain|gaussian",
                    "What the output means: the noise, or the deviation from a Gaussian's denoiser."),
        args_flag("embedding", &o.embedding, "Sinusoids of coordinates and log SNR, or their bare values."),
        args_size("embedding_size", &o.embedding_size, 4, 8192, "Sinusoids for each of them (even)."),
        args_default_text(args_double("coordinate_scale", &o.coordinate_scale, 0.001, 1e5,
                                      "Coordinates are multiplied by this before the sinusoids."),
                          REAL(coordinate_scale)),
        args_double("logsnr_embedding_scale", &o.logsnr_embedding_scale, 0.001, 1e5,
                    "The log SNR is multiplied by this before the sinusoids."),
        args_default_text(args_size("hidden_size", &o.hidden_size, 1, 65536, "Width of the hidden layers."),
                          WHOLE(hidden_size)),
        args_default_text(args_size("hidden_layers", &o.hidden_layers, 1, 100, "Linear layers."),
                          WHOLE(hidden_layers)),
        args_choice("activation", &o.activation, "relu|silu", "Between the linear layers."),
        args_group("Evaluation"),
        args_size("eval_draws", &o.draws, 2, 1000000, "Denoiser evaluations per validation point."),
        args_size("eval_batch_size", &o.eval_batch, 1, 1000000,
                  "Rows per call of the denoiser: memory, not results."),
        args_size("grid", &o.grid, 40, 1000, "Points per side of the density pictures."),
        args_size("samples", &o.samples, 1, 10000000, "Points drawn from the model at the end."),
        args_size("steps", &o.steps, 1, 100000, "Denoiser calls per sample."),
        args_choice("sampler", &o.sampler, "deterministic|ancestral", "DDIM or DDPM, in log SNR."),
        args_group("Run"),
        args_default_text(args_string("experiment_name", &o.name, "Folder of the results."), "the data set"),
        args_string("out", &o.out, "Folder of the folders."),
        args_flag("resume", &o.resume,
                  "Go on from the checkpoint in the folder of the results; give the same options."),
        args_flag("pictures", &o.pictures, "Leave pictures beside model and metrics."),
        args_flag("view", &o.view,
                  "Draw the density in the terminal at the end; in colours, and also while training, where "
                  "stdout is a terminal and NO_COLOR is not set."),
        args_string("load", &o.load, "Evaluate this checkpoint instead of training."),
        args_flag("original", &o.original,
                  "The recipe of the original code for all options not given: plain parameterization, ReLU, "
                  "constant learning rate, no moving average, i.i.d. log SNRs, incomplete batches dropped."),
        args_size("threads", &o.threads, 0, 1024, "At most so many; 0: one per processor."),
        args_flag("quiet", &o.quiet, "Only the result line."),
    };
    args_table table = {"train_2d", "Learns the density of points by information-theoretic diffusion.", list,
                        ARGS_COUNT(list)};
    args_parse(&table, argc, argv);
    use_recipe(&o, &table);
    if (o.original) use_original(&o, &table);
    if (!o.name) o.name = o.data ? "data" : o.dataset;
    return o;
}

/* ---- the run ------------------------------------------------------------------------------------------- */

typedef struct run {
    options o;
    dataset set; /* unless the data are the user's own */
    size_t dim, n_train, n_val;
    float *all, *train, *val; /* (n,dim) and its two parts */
    itd_model *model;
    itd_trainer *trainer;
    char folder[1024];
    FILE *metrics;
    tfevents events; /* the same for TensorBoard */
    progress bar;
    size_t panel_epoch[FRAMES], panels;
    double *panel[FRAMES]; /* (grid,grid) log densities */
    plot_animation film;   /* of them, then of the sampling */
    int colors, viewed;    /* of the terminal; whether a view stands above the line of progress */
    double *history;       /* (3, epochs+1) epoch, training loss, validation NLL (NaN where not measured) */
    size_t points;         /* of the history */
    double train_seconds;
    double low[2], high[2]; /* of the density pictures: +-3 on standardized data */
    double log_scale;       /* what turns densities into those of standardized data */
} run;

static const char *path_of(const run *r, const char *file) { return folder_path(r->folder, file); }

/* The user's table as it is, in floats. */
static void read_table(run *r)
{
    char error[TABLE_ERROR];
    data_table t;
    data_frame f;
    if (table_read(r->o.data, NULL, &t, error, sizeof error)) fail("%s", error);
    r->o.n = t.rows, r->dim = t.columns;
    r->all = (float *)must_alloc(t.rows, t.columns * sizeof(float));
    if (frame_plain(t.columns, &f)) fail("out of memory for %lu columns", (unsigned long)t.columns);
    if (frame_floats(&f, &t, NULL, r->all, error, sizeof error)) fail("%s", error);
    table_free(&t), frame_free(&f);
}

static void prepare_data(run *r)
{
    char error[256];
    size_t *index;
    r->dim = 2;
    if (r->o.data) {
        read_table(r);
        if (r->o.n < 20) fail("%s: at least 20 rows expected, %lu found", r->o.data, (unsigned long)r->o.n);
        if (r->o.fresh) fail("--fresh needs a law to draw from; it cannot go with --data");
    } else {
        if (dataset_open(r->o.dataset, r->o.seed, &r->set, error, sizeof error)) fail("%s", error);
        r->all = (float *)must_alloc(r->o.n, 2 * sizeof(float));
        dataset_sample(&r->set, 0, r->o.n, r->all);
    }
    index = (size_t *)must_alloc(r->o.n, sizeof *index);
    r->n_train = dataset_split(r->o.n, r->o.seed, index);
    r->n_val = r->o.n - r->n_train;
    r->train = (float *)must_alloc(r->n_train, r->dim * sizeof(float));
    dataset_gather(r->all, r->dim, r->n_train, index, r->train);
    if (r->o.fresh) r->n_val = FRESH_VALIDATION;
    r->val = (float *)must_alloc(r->n_val, r->dim * sizeof(float));
    if (r->o.fresh) dataset_sample(&r->set, UINT32_MAX, r->n_val, r->val);
    else dataset_gather(r->all, r->dim, r->n_val, index + r->n_train, r->val);
    free(index);
}

static itd_model_desc model_desc_of(const run *r)
{
    const options *o = &r->o;
    itd_model_desc d = itd_model_desc_default(r->dim);
    d.mlp.layers = o->hidden_layers;
    d.mlp.hidden = o->hidden_size;
    d.mlp.embedding = o->embedding ? o->embedding_size : 0;
    d.mlp.coordinate_scale = o->coordinate_scale;
    d.mlp.logsnr_scale = o->logsnr_embedding_scale;
    d.mlp.activation = strcmp(o->activation, "relu") ? ITD_SILU : ITD_RELU;
    d.parameterization = strcmp(o->parameterization, "plain") ? ITD_GAUSSIAN : ITD_PLAIN;
    d.mlp.zero_output = d.parameterization == ITD_GAUSSIAN;
    d.schedule.loc = o->loc, d.schedule.scale = o->scale, d.schedule.clip = o->clip;
    d.normalize = !o->original || o->data != NULL;
    return d;
}

static itd_trainer_desc trainer_desc_of(const run *r)
{
    const options *o = &r->o;
    itd_trainer_desc d = itd_trainer_desc_default();
    d.batch = o->batch;
    d.seed = o->seed;
    d.learning_rate = o->learning_rate;
    d.warmup = o->warmup;
    d.weight_decay = o->weight_decay;
    d.clip_norm = o->clip_norm;
    d.weight_limit = o->weight_limit;
    d.ema = o->ema;
    d.stratified = o->stratified != 0;
    d.drop_incomplete = o->original != 0;
    d.steps = strcmp(o->lr_schedule, "cosine") ? 0 : itd_train_steps(&d, r->n_train, o->epochs);
    return d;
}

/* ---- the schedule, found while training ---- */

static int automatic(const run *r) { return strcmp(r->o.schedule, "auto") == 0; }

/* All log SNRs at which there may be something to learn: 8 below where the data's Gaussian has as much signal
   as noise, to 16 above, where structure of a three-thousandth of the spread is resolved. */
static itd_schedule wide_schedule(const run *r)
{
    itd_schedule s;
    must(itd_schedule_from_spectrum(r->model->gaussian->lambda, r->dim, ITD_SPECTRUM_PAPER, &s),
         "choosing log SNRs by the spectrum");
    s.loc += 4, s.scale = 3, s.clip = 4;
    return s;
}

/* Where there is something to learn beyond the Gaussian: the gap mmse - mse, as far as it exceeds d/20, is
   taken for a density over log SNR. The centre is the middle of its tails, a mean in which log SNRs count by
   their squared distance from the gap's own; a scale of 2/3 of its standard deviation makes the logistic 1.2
   times as wide, 1.75 at least, lest the ends of a narrow gap go unlearned. It is cut 3 outside the first and
   the last such gap, further out on one side, as cuts are symmetric: beyond, the gap falls at least like
   e^-3, and what is integrated is the network's error alone. False: no such gap. */
static int schedule_from_gap(const double *logsnr, const double *mse, const double *mmse, size_t m, size_t d,
                             itd_schedule *out)
{
    double total = 0, mean = 0, square = 0, cube = 0, start = 0, end = 0;
    for (int pass = 0; pass < 2; pass++) { /* the mean, then moments about it */
        for (size_t i = 1; i + 1 < m; i++) {
            double gap = mmse[i] - (mse[i - 1] + mse[i] + mse[i + 1]) / 3 - 0.05 * (double)d;
            double distance = logsnr[i] - mean;
            if (!(gap > 0)) continue;
            if (pass == 0) {
                if (!(total > 0)) start = fmax(logsnr[i] - 3, logsnr[0]);
                end = fmin(logsnr[i] + 3, logsnr[m - 1]);
                total += gap, mean += gap / total * distance;
            } else {
                square += gap / total * distance * distance;
                cube += gap / total * distance * distance * distance;
            }
        }
    }
    if (!(total > 0)) return 0;
    out->loc = mean + (square > 0 ? cube / square : 0);
    out->scale = fmax(sqrt(square) / 1.5, 1.75);
    out->clip = fmax(end - out->loc, out->loc - start) / out->scale;
    return 1;
}

/* After 1/64, 1/32, ... 1/4 of the epochs: where the model has come to beat the Gaussian, log SNRs are worth
   drawing; where it never does, the Gaussian's own are left. Few points are measured several times, with
   other noise. */
static void adapt_schedule(run *r, size_t epoch)
{
    enum { SEARCH = 49, DRAWS = 4000 };
    double alpha[SEARCH], mse[SEARCH] = {0}, mmse[SEARCH], once[SEARCH];
    itd_schedule s = wide_schedule(r);
    itd_denoiser den = itd_model_denoiser(r->model);
    size_t points = r->n_train < DRAWS ? r->n_train : DRAWS, rounds = (DRAWS + points - 1) / points, round, k;
    for (k = 1; k <= 16 && epoch != (r->o.epochs * k + 63) / 64; k *= 2) continue;
    if (!automatic(r) || k > 16) return;
    for (k = 0; k < SEARCH; k++) alpha[k] = itd_schedule_quantile(&s, 0) + 0.5 * (double)k;
    for (round = 0; round < rounds; round++) {
        must(itd_mse_curve(&den, r->train, points, alpha, SEARCH, r->trainer->step + round, once, NULL, mmse),
             "measuring the error curve");
        for (k = 0; k < SEARCH; k++) mse[k] += once[k] / (double)rounds;
    }
    if (!schedule_from_gap(alpha, mse, mmse, SEARCH, r->dim, &s)) s.loc -= 3, s.clip = 3;
    r->model->desc.schedule = s;
}

/* The library tells that data do not vary; here, which column it is, by the numbers it goes by. */
static void fit_model(run *r)
{
    itd_result result = itd_model_fit(r->model, r->train, r->n_train);
    size_t i, j;
    for (j = 0; result == ITD_ERROR_DATA && r->o.data && j < r->dim; j++) {
        double low = r->train[j], high = low, mean = 0, square = 0;
        for (i = 0; i < r->n_train; i++) mean += r->train[i * r->dim + j] / (double)r->n_train;
        for (i = 0; i < r->n_train; i++) {
            double x = r->train[i * r->dim + j];
            low = fmin(low, x), high = fmax(high, x);
            square += (x - mean) * (x - mean) / (double)r->n_train;
        }
        if (!(square > 1e-12 * mean * mean))
            fail("%s: column %lu: numbers that vary expected, all from %.9g to %.9g found", r->o.data,
                 (unsigned long)(j + 1), low, high);
    }
    must(result, "normalizing the data");
}

static void begin_model(run *r)
{
    itd_model_desc md = model_desc_of(r);
    itd_trainer_desc td = trainer_desc_of(r);
    if (md.mlp.embedding % 2)
        fail("--embedding_size: an even number expected, %lu found", (unsigned long)md.mlp.embedding);
    if (td.drop_incomplete && td.batch > r->n_train)
        fail("--train_batch_size: at most the %lu training points, %lu found", (unsigned long)r->n_train,
             (unsigned long)td.batch);
    must(itd_model_create(&md, r->o.seed, &r->model), "creating the network");
    fit_model(r);
    if (automatic(r)) r->model->desc.schedule = wide_schedule(r);
    must(itd_trainer_create(r->model, &td, &r->trainer), "preparing the training");
}

/* The first option in which two descriptions differ, NULL if in none; the length of training may change. */
static const char *different_option(const itd_model_desc *m, const itd_model_desc *n,
                                    const itd_trainer_desc *t, const itd_trainer_desc *u, int any_schedule)
{
    if (m->mlp.hidden != n->mlp.hidden) return "hidden_size";
    if (m->mlp.layers != n->mlp.layers) return "hidden_layers";
    if (m->mlp.embedding != n->mlp.embedding) return "embedding_size";
    if (m->mlp.activation != n->mlp.activation) return "activation";
    if (m->mlp.coordinate_scale < n->mlp.coordinate_scale ||
        m->mlp.coordinate_scale > n->mlp.coordinate_scale)
        return "coordinate_scale";
    if (m->mlp.logsnr_scale < n->mlp.logsnr_scale || m->mlp.logsnr_scale > n->mlp.logsnr_scale)
        return "logsnr_embedding_scale";
    if (m->parameterization != n->parameterization) return "parameterization";
    if (!any_schedule && memcmp(&m->schedule, &n->schedule, sizeof m->schedule))
        return "logsnr_loc, --logsnr_scale or --logsnr_clip";
    if (t->batch != u->batch) return "train_batch_size";
    if (t->seed != u->seed) return "seed";
    if (t->learning_rate < u->learning_rate || t->learning_rate > u->learning_rate) return "learning_rate";
    if ((t->steps == 0) != (u->steps == 0)) return "lr_schedule";
    if (t->warmup != u->warmup) return "warmup";
    if (t->ema < u->ema || t->ema > u->ema) return "ema";
    if (t->weight_decay < u->weight_decay || t->weight_decay > u->weight_decay) return "weight_decay";
    if (t->clip_norm < u->clip_norm || t->clip_norm > u->clip_norm) return "clip_norm";
    if (t->weight_limit < u->weight_limit || t->weight_limit > u->weight_limit) return "weight_limit";
    if (t->stratified != u->stratified) return "stratified";
    if (t->drop_incomplete != u->drop_incomplete) return "original";
    return NULL;
}

/* From a checkpoint; what it holds wins, but a network other than the one asked for is an error. */
static void load_model(run *r, const char *path, int training)
{
    itd_error error;
    itd_model_desc wanted = model_desc_of(r);
    itd_trainer_desc asked = trainer_desc_of(r);
    const char *differs;
    if (itd_load(path, &r->model, &r->trainer, &error) != ITD_OK &&
        (training || itd_load(path, &r->model, NULL, &error) != ITD_OK))
        fail("%s", error.text);
    if (r->model->dim != r->dim)
        fail("%s: %lu dimensions expected, %lu found", path, (unsigned long)r->dim,
             (unsigned long)r->model->dim);
    if (!training) { /* for the record: how long it was trained */
        r->o.epochs = r->trainer ? (size_t)(r->trainer->step * r->trainer->desc.batch / r->n_train) : 0;
        return;
    }
    differs = different_option(&r->model->desc, &wanted, &r->trainer->desc, &asked, automatic(r));
    if (differs) fail("%s: was trained with another --%s", path, differs);
    r->trainer->desc.steps = trainer_desc_of(r).steps;
}

static void save_model(const run *r)
{
    itd_error error;
    if (itd_save(r->model, r->trainer, path_of(r, "model.safetensors"), &error) != ITD_OK)
        fail("%s", error.text);
}

static itd_nll_desc nll_desc_of(const run *r, size_t draws)
{
    itd_nll_desc d = itd_model_nll_desc(r->model);
    d.draws = draws;
    d.batch = r->o.eval_batch;
    d.seed = r->o.seed;
    if (r->o.original) d.cancel = d.stratified = d.allocate = false, d.reference = NULL;
    return d;
}

static itd_nll_result validate(run *r, size_t draws)
{
    itd_denoiser den = itd_model_denoiser(r->model);
    itd_nll_desc d = nll_desc_of(r, draws);
    itd_nll_result result;
    must(itd_nll(&den, r->val, r->n_val, &d, &result, NULL, NULL), "estimating the likelihood");
    return result;
}

/* The five sets are standardized and shown over +-3; a user's data over three standard deviations of its
   own. */
static void choose_range(run *r)
{
    size_t j;
    for (j = 0; j < 2 && r->dim == 2; j++) {
        double centre = r->o.data ? r->model->mean[j] : 0, reach = r->o.data ? 3 * r->model->scale[j] : 3;
        r->low[j] = centre - reach, r->high[j] = centre + reach;
        if (r->o.data) r->log_scale += log(r->model->scale[j]);
    }
}

/* -log p at n points for a picture: blurred to the resolution of the picture, lest spots smaller than a cell
   be a matter of luck, and with the same draws for every point, so that the picture is smooth. */
static void blurred_nll(const run *r, size_t side, size_t draws, const float *x, size_t n, double *nll)
{
    itd_nll_desc d = itd_model_nll_desc(r->model);
    itd_nll_result result;
    blurred b;
    itd_denoiser den;
    double sigma = 0.4 * 6 / (double)(side - 1); /* of a cell's width */
    d.draws = draws, d.batch = r->o.eval_batch, d.seed = r->o.seed, d.common = true;
    b.sharp = itd_model_denoiser(r->model), b.v = sigma * sigma;
    b.z = (float *)must_alloc(d.batch + 3, 2 * sizeof *b.z); /* the estimator rounds batches up to fours */
    b.logsnr = (float *)must_alloc(d.batch + 3, sizeof *b.logsnr);
    den = blurred_denoiser(&b);
    must(itd_nll(&den, x, n, &d, &result, nll, NULL), "estimating the density");
    free(b.z), free(b.logsnr);
}

static const double levels[] = {-5, -4.5, -4, -3.5, -3, -2.5, -2, -1.5, -1}; /* of the pictures */
enum { LEVELS = sizeof levels / sizeof *levels, FAR_BELOW = 8 };

/* The largest of the values around (u, v) in [0,1] x [0,1]. */
static double largest_around(const double *panel, size_t side, double u, double v)
{
    size_t i = (size_t)(u * (double)(side - 1)), j = (size_t)(v * (double)(side - 1)), k;
    double most = -HUGE_VAL;
    for (k = 0; k < 4; k++) {
        size_t x = i + k % 2, y = j + k / 2;
        if (x < side && y < side) most = fmax(most, panel[y * side + x]);
    }
    return most;
}

/* log p on a square grid over the range of the pictures. Where an earlier panel, if there is one, is far
   below all that is shown, its value does. */
static void density(const run *r, size_t side, size_t draws, const double *earlier, double *log_density)
{
    size_t i, n = 0, *at = (size_t *)must_alloc(side * side, sizeof *at);
    float *x = (float *)must_alloc(side * side, 2 * sizeof *x);
    double *nll = (double *)must_alloc(side * side, sizeof *nll);
    for (i = 0; i < side * side; i++) {
        double u = (double)(i % side) / (double)(side - 1), v = (double)(i / side) / (double)(side - 1);
        if (earlier) log_density[i] = largest_around(earlier, r->o.grid, u, v);
        if (earlier && log_density[i] < levels[0] - FAR_BELOW) continue;
        x[2 * n] = (float)(r->low[0] + (r->high[0] - r->low[0]) * u);
        x[2 * n + 1] = (float)(r->low[1] + (r->high[1] - r->low[1]) * v);
        at[n++] = i;
    }
    if (n) blurred_nll(r, side, draws, x, n, nll);
    for (i = 0; i < n; i++) log_density[at[i]] = r->log_scale - nll[i];
    free(at), free(x), free(nll);
}

/* ---- one picture of the density ----------------------------------------------------------------------- */

/* Watching must not end what is watched. */
static void check_events(run *r)
{
    if (!tfevents_lost(&r->events)) return;
    progress_clear(&r->bar);
    warn("%s: cannot be written; the run goes on without it", r->events.path);
}

/* Into the folder and, under a tag, into the events; NULL: not there. */
static void finish(run *r, plot_canvas *c, const char *file, const char *tag)
{
    unsigned char *png;
    size_t n;
    if (plot_canvas_encode(c, &png, &n)) fail("out of memory for a picture");
    if (file && plot_save(path_of(r, file), png, n)) fail("%s: cannot be written", path_of(r, file));
    if (tag && r->trainer)
        tfevents_png(&r->events, r->trainer->step, tag, png, n, (size_t)c->width, (size_t)c->height);
    check_events(r);
    free(png);
    plot_canvas_free(c);
}

static void begin_canvas(plot_canvas *c, int width, int height)
{
    if (plot_canvas_init(c, width, height, plot_rgb(0xffffff))) fail("out of memory for a picture");
}

static const char *density_label(const run *r)
{
    return r->o.data ? "log density (standardized, blurred by 0.4 cells), nats"
                     : "log density (blurred by 0.4 cells), nats";
}

static plot_axes frame_axes(const run *r, plot_canvas *c, const char *title)
{
    plot_axes a = plot_axes_make(c, plot_inset(plot_canvas_box(c), 45, 40, 95, 30), r->low[0], r->high[0],
                                 r->low[1], r->high[1]);
    a.title = title;
    return a;
}

/* As it is shown in the film and, while training, in TensorBoard: the density behind everything else, if
   there is a panel of it. */
static void begin_frame(const run *r, plot_canvas *c, const double *panel)
{
    plot_field f = {panel, (int)r->o.grid, (int)r->o.grid, r->low[0], r->high[0], r->low[1], r->high[1]};
    plot_axes a;
    plot_box bar;
    begin_canvas(c, FRAME_WIDTH, FRAME_HEIGHT);
    if (!panel) return;
    a = frame_axes(r, c, NULL);
    bar.left = a.box.right + 16, bar.right = a.box.right + 30, bar.top = a.box.top, bar.bottom = a.box.bottom;
    plot_contourf(&a, &f, levels, LEVELS, PLOT_BELOW_PAPER);
    plot_colorbar(&a, bar, levels, LEVELS, PLOT_BELOW_PAPER, density_label(r));
}

static void draw_panel(const run *r, plot_canvas *c, size_t k)
{
    char title[60];
    plot_axes a;
    snprintf(title, sizeof title, "density after %lu of %lu epochs", (unsigned long)r->panel_epoch[k],
             (unsigned long)r->o.epochs);
    begin_frame(r, c, r->panel[k]);
    a = frame_axes(r, c, title);
    plot_axes_draw(&a);
}

/* ---- training ------------------------------------------------------------------------------------------ */

/* Those between the ones of contours.png are only seen in passing, in the film. After a twentieth of the
   training what the last one has far below all that is shown is taken to stay there: from one to the next no
   point was seen to rise by 6 nats into sight. */
static void add_panel(run *r, size_t epoch)
{
    size_t k = r->panels++, cells = r->o.grid * r->o.grid;
    int between = k % EVERY != 0, settled = k > 0 && 20 * r->panel_epoch[k - 1] >= r->o.epochs;
    size_t alike = between ? 1 : EVERY; /* panels ago */
    r->panel[k] = (double *)must_alloc(cells, sizeof(double));
    r->panel_epoch[k] = epoch;
    if (k >= alike && r->panel_epoch[k - alike] == epoch)
        memcpy(r->panel[k], r->panel[k - alike], cells * sizeof(double));
    else density(r, r->o.grid, between ? 24 : 64, settled ? r->panel[k - 1] : NULL, r->panel[k]);
}

/* The newest panel in the terminal, in the place of the one before. */
static void view_panel(run *r)
{
    size_t k = r->panels - 1;
    plot_field f = {r->panel[k], (int)r->o.grid, (int)r->o.grid, r->low[0],
                    r->high[0],  r->low[1],      r->high[1]};
    progress_clear(&r->bar);
    if (r->viewed) printf("\033[%dA", VIEW_LINES + 1);
    printf("density after %lu epochs, its logarithm from below %g (%s) to above %g (%s)\n",
           (unsigned long)r->panel_epoch[k], levels[0], r->colors ? "dark" : "blank", levels[LEVELS - 1],
           r->colors ? "bright" : "@");
    view_draw(stdout, &f, levels, LEVELS, r->colors);
    fflush(stdout);
    r->viewed = r->colors;
}

static void show_panel(run *r)
{
    plot_canvas c;
    size_t k = r->panels - 1;
    int viewed = k > 0 && r->panel_epoch[k - 1] == r->panel_epoch[k];
    int recorded = k % EVERY || (k > 0 && r->panel_epoch[k - EVERY] == r->panel_epoch[k]);
    if (!viewed && r->o.view && r->colors) view_panel(r);
    if (recorded || !r->events.file || !r->o.pictures) return;
    draw_panel(r, &c, k);
    finish(r, &c, NULL, "density");
}

/* Epochs after which panel k = 0, 1, ... is drawn: dense at first, where most happens. */
static size_t panel_time(size_t epochs, size_t k)
{
    double t = (double)k / (FRAMES - 1);
    return (size_t)((double)epochs * t * t + 0.5);
}

/* Panels survive an interrupted run beside the checkpoint. */
static void keep_panels(const run *r)
{
    size_t k, cells = r->o.grid * r->o.grid;
    FILE *file = fopen(path_of(r, "panels.bin"), "wb");
    int good = file != NULL;
    for (k = 0; good && k < r->panels; k++)
        good = fwrite(&r->o.grid, sizeof(size_t), 1, file) == 1 &&
               fwrite(&r->panel_epoch[k], sizeof(size_t), 1, file) == 1 &&
               fwrite(r->panel[k], sizeof(double), cells, file) == cells;
    if (file && fclose(file)) good = 0;
    if (!good) fail("%s/panels.bin: cannot be written", r->folder);
}

/* As many as the job, which may have become longer, has due by now. Panels of another grid are of no use. */
static void recall_panels(run *r, size_t epoch)
{
    size_t cells = r->o.grid * r->o.grid, side, at;
    FILE *file = fopen(path_of(r, "panels.bin"), "rb");
    while (file && r->panels < FRAMES && fread(&side, sizeof side, 1, file) == 1 && side == r->o.grid &&
           fread(&at, sizeof at, 1, file) == 1 && at <= epoch &&
           panel_time(r->o.epochs, r->panels) <= epoch) {
        r->panel[r->panels] = (double *)must_alloc(cells, sizeof(double));
        r->panel_epoch[r->panels] = at;
        if (fread(r->panel[r->panels], sizeof(double), cells, file) != cells) break;
        r->panels++;
    }
    if (file) fclose(file);
}

static void record_events(run *r, double loss, double nll, double seconds)
{
    uint64_t step = r->trainer->step;
    tfevents_scalar(&r->events, step, "train_loss", loss);
    if (nll <= DBL_MAX) tfevents_scalar(&r->events, step, "val_loss", nll);
    tfevents_scalar(&r->events, step, "learning_rate", r->trainer->learning_rate);
    if (seconds > 0) tfevents_scalar(&r->events, step, "points_per_second", (double)r->n_train / seconds);
    check_events(r);
}

static void record(run *r, size_t epoch, double loss, double nll, double error, double seconds)
{
    double *h = r->history + 3 * r->points++;
    r->train_seconds += seconds;
    record_events(r, loss, nll, seconds);
    h[0] = (double)epoch, h[1] = loss, h[2] = nll;
    fprintf(r->metrics, "%lu\t%lu\t%.6f\t%.6f\t%.6f\t%.6g\t%.3f\n", (unsigned long)epoch,
            (unsigned long)r->trainer->step, loss, nll, error, r->trainer->learning_rate, r->train_seconds);
    fflush(r->metrics);
}

/* Takes over the rows of the epochs the checkpoint has seen, when a run is resumed. */
static void recall_metrics(run *r, size_t epochs, char *rows, size_t room)
{
    FILE *file = fopen(path_of(r, "metrics.tsv"), "r");
    char line[256];
    while (file && fgets(line, sizeof line, file)) {
        double *h = r->history + 3 * r->points;
        double step, error, rate, seconds;
        if (sscanf(line, "%lf %lf %lf %lf %lf %lf %lf", h, &step, h + 1, h + 2, &error, &rate, &seconds) != 7)
            continue;
        if (h[0] > (double)epochs || r->points >= r->o.epochs) break;
        r->points++;
        r->train_seconds = seconds;
        snprintf(rows + strlen(rows), room - strlen(rows), "%s", line);
    }
    if (file) fclose(file);
}

static void open_metrics(run *r, size_t epochs)
{
    size_t room = 256 * (r->o.epochs + 1);
    char *rows = (char *)must_alloc(room, 1);
    if (r->o.resume) recall_metrics(r, epochs, rows, room);
    r->metrics = fopen(path_of(r, "metrics.tsv"), "w");
    if (!r->metrics) fail("%s/metrics.tsv: cannot be written", r->folder);
    tfevents_open(&r->events, r->folder, r->o.resume ? r->trainer->step + 1 : 0);
    check_events(r);
    fprintf(r->metrics, "epoch\tstep\ttrain_loss\tval_nll\tval_stderr\tlearning_rate\tseconds\n%s", rows);
    fflush(r->metrics);
    free(rows);
}

/* The first tensor of a slab of parameters with a number that is not finite, or else that with the largest;
   its name as in the checkpoint. A slab holds each layer's weights and then its biases, one an output. */
static const char *worst_tensor(const itd_net *net, const float *slab, float *value)
{
    static char worst[120];
    char text[120];
    const float *x = slab;
    size_t k, i;
    *value = -1;
    for (k = 0; itd_net_summary(net, k, text, sizeof text);
         k++) { /* linear  384 -> 128  NAME, N parameters */
        char *outputs = strstr(text, "-> "), *comma = strrchr(text, ','), *name;
        size_t biases, count = outputs && comma ? strtoul(comma + 1, NULL, 10) : 0;
        if (!count) continue;
        biases = strtoul(outputs + 3, &name, 10);
        *comma = 0;
        for (i = 0; i < count && fabsf(*value) <= FLT_MAX; i++) {
            if (fabsf(x[i]) <= *value) continue;
            *value = fabsf(x[i]);
            snprintf(worst, sizeof worst, "%s.%s", name + 2, i < count - biases ? "weight" : "bias");
        }
        x += count;
    }
    return worst;
}

/* A step that fails changes nothing but the gradient, which tells where; the checkpoint stays. */
static void fail_diverged(run *r)
{
    float value;
    const char *of = "weight", *name = worst_tensor(r->model->net, itd_net_weights(r->model->net), &value);
    if (value <= FLT_MAX)
        of = "gradient", name = worst_tensor(r->model->net, itd_net_gradients(r->model->net), &value);
    progress_clear(&r->bar);
    fail("training: %s: step %lu, %s: a %s of size %g; try a lower --learning_rate",
         itd_result_string(ITD_ERROR_NUMERIC), (unsigned long)r->trainer->step + 1, name, of, (double)value);
}

static void train_epoch(run *r, double *loss)
{
    itd_result result = itd_train_epoch(r->trainer, r->train, r->n_train, loss);
    if (result == ITD_ERROR_NUMERIC) fail_diverged(r);
    must(result, "training");
}

static void train(run *r)
{
    size_t e, first = 0, every = r->o.epochs / 40 + 1;
    uint64_t total = itd_train_steps(&r->trainer->desc, r->n_train, r->o.epochs);
    double nll = NAN, saved = system_seconds();
    while (itd_train_steps(&r->trainer->desc, r->n_train, first + 1) <= r->trainer->step &&
           first < r->o.epochs)
        first++;
    open_metrics(r, first);
    if (r->o.resume) recall_panels(r, first);
    progress_begin(&r->bar, "epoch", r->o.epochs, "steps", (size_t)total, r->o.quiet);
    progress_skip(&r->bar, (size_t)r->trainer->step);
    for (e = first;; e++) {
        double loss, started, seconds;
        char fields[80];
        while ((r->o.pictures || r->o.view) && r->dim == 2 && r->panels < FRAMES &&
               panel_time(r->o.epochs, r->panels) <= e)
            add_panel(r, e), show_panel(r);
        if (e >= r->o.epochs) break;
        if (r->o.fresh) dataset_sample(&r->set, e + 1, r->n_train, r->train);
        started = system_seconds();
        train_epoch(r, &loss);
        seconds = system_seconds() - started;
        adapt_schedule(r, e + 1);
        if ((e + 1) % every == 0 || e + 1 == r->o.epochs) {
            itd_nll_result v = validate(r, r->o.fresh ? 2 : 20);
            nll = v.nll;
            record(r, e + 1, loss, v.nll, v.std_error, seconds);
        } else {
            record(r, e + 1, loss, NAN, NAN, seconds);
        }
        snprintf(fields, sizeof fields, "loss %.3f  nats %.3f", loss, nll);
        progress_update(&r->bar, e + 1, (size_t)r->trainer->step, fields);
        if (system_seconds() - saved > 20) {
            save_model(r);
            keep_panels(r);
            saved = system_seconds();
        }
    }
    progress_end(&r->bar);
    save_model(r);
    keep_panels(r);
}

/* ---- pictures ------------------------------------------------------------------------------------------ */

static void draw_contours(run *r)
{
    plot_canvas c;
    plot_box area;
    size_t k, panels = (r->panels + EVERY - 1) / EVERY, shown = r->n_val < 800 ? r->n_val : 800;
    begin_canvas(&c, 1400, 730);
    area = plot_inset(plot_canvas_box(&c), 45, 40, 100, 40);
    for (k = 0; k < panels; k++) {
        plot_field f = {r->panel[EVERY * k], (int)r->o.grid, (int)r->o.grid, r->low[0],
                        r->high[0],          r->low[1],      r->high[1]};
        plot_axes a = plot_axes_make(&c, plot_cell(area, 2, 4, (int)k, 18, 42), r->low[0], r->high[0],
                                     r->low[1], r->high[1]);
        plot_box bar = {area.right + 16, area.top, area.right + 30, area.bottom};
        char title[40];
        snprintf(title, sizeof title, "epoch %lu", (unsigned long)r->panel_epoch[EVERY * k]);
        a.title = title;
        a.x_numbers = k < 4 ? 1 : 2, a.y_numbers = k % 4 ? 1 : 2;
        plot_contourf(&a, &f, levels, LEVELS, PLOT_BELOW_PAPER);
        plot_scatter(&a, r->val, r->val + 1, shown, 2, 1.2, plot_alpha(plot_rgb(0), 0.35));
        plot_axes_draw(&a);
        if (k + 1 == panels) plot_colorbar(&a, bar, levels, LEVELS, PLOT_BELOW_PAPER, density_label(r));
    }
    finish(r, &c, "contours.png", "contours");
}

static void draw_density(run *r)
{
    size_t side = 2 * r->o.grid, shown = r->n_val < 800 ? r->n_val : 800;
    double *values = (double *)must_alloc(side, side * sizeof *values);
    plot_field f = {values, (int)side, (int)side, r->low[0], r->high[0], r->low[1], r->high[1]};
    plot_canvas c;
    plot_box box, bar;
    plot_axes a;
    char title[80];
    density(r, side, 96, r->panels ? r->panel[r->panels - 1] : NULL, values);
    begin_canvas(&c, 900, 820);
    box = plot_inset(plot_canvas_box(&c), 55, 45, 125, 50);
    bar.left = box.right + 20, bar.right = box.right + 38, bar.top = box.top, bar.bottom = box.bottom;
    a = plot_axes_make(&c, box, r->low[0], r->high[0], r->low[1], r->high[1]);
    snprintf(title, sizeof title, "%s: learned density and validation points",
             r->o.data ? "data" : r->o.dataset);
    a.title = title;
    a.text_size = 16;
    plot_contourf(&a, &f, levels, LEVELS, PLOT_BELOW_PAPER);
    plot_scatter(&a, r->val, r->val + 1, shown, 2, 1.4, plot_alpha(plot_rgb(0), 0.3));
    plot_axes_draw(&a);
    plot_colorbar(&a, bar, levels, LEVELS, PLOT_BELOW_PAPER, density_label(r));
    finish(r, &c, "density.png", NULL);
    free(values);
}

/* Data beside samples in the plane; a matrix of pairs otherwise, data below the diagonal and samples above.
   */
static void draw_samples(run *r, const float *samples)
{
    enum { MOST = 8 };
    size_t d = r->dim < MOST ? r->dim : MOST, k, j, shown = r->n_train < SHOWN ? r->n_train : SHOWN;
    size_t drawn = r->o.samples < SHOWN ? r->o.samples : SHOWN;
    double low[MOST], high[MOST];
    plot_canvas c;
    if (r->dim == 2) shown = r->o.samples < r->n_train ? r->o.samples : r->n_train, drawn = r->o.samples;
    for (j = 0; j < d; j++) { /* the data's range and a little more */
        low[j] = high[j] = r->train[j];
        for (k = 0; k < r->n_train; k++) {
            low[j] = fmin(low[j], r->train[k * r->dim + j]);
            high[j] = fmax(high[j], r->train[k * r->dim + j]);
        }
        low[j] -= 0.08 * (high[j] - low[j]), high[j] += 0.08 * (high[j] - low[j]);
        if (r->dim == 2 && !r->o.data) low[j] = -3, high[j] = 3;
    }
    if (r->dim == 2) {
        begin_canvas(&c, 1240, 640);
        for (k = 0; k < 2; k++) {
            plot_axes a = plot_axes_make(
                &c, plot_cell(plot_inset(plot_canvas_box(&c), 50, 40, 20, 45), 1, 2, (int)k, 50, 0), low[0],
                high[0], low[1], high[1]);
            a.title = k ? "samples of the model" : "training data";
            plot_scatter(&a, k ? samples : r->train, (k ? samples : r->train) + 1, k ? drawn : shown, 2, 1.2,
                         plot_alpha(plot_palette((int)k), 0.5));
            plot_axes_draw(&a);
        }
        finish(r, &c, "samples.png", "samples");
        return;
    }
    begin_canvas(&c, (int)(160 * d + 100), (int)(160 * d + 100));
    plot_text(&c, 62, 18,
              d == 1 ? "training data" : "training data, and above the diagonal samples of the model", 14,
              PLOT_LEFT | PLOT_MIDDLE, plot_rgb(0));
    for (k = 0; k < d * d; k++) {
        size_t row = k / d, column = k % d;
        int model = row < column;
        plot_axes a = plot_axes_make(
            &c, plot_cell(plot_inset(plot_canvas_box(&c), 62, 36, 16, 40), (int)d, (int)d, (int)k, 10, 10),
            low[column], high[column], low[row], high[row]);
        a.x_numbers = row + 1 == d ? 2 : 0, a.y_numbers = column == 0 && row > 0 ? 2 : 0;
        if (k == 0) a.title = d == 1 ? "training data" : "data: diagonal and below; samples: above";
        if (row == column) plot_histogram(&a, r->train + row, r->n_train, r->dim, 32, plot_palette(0));
        else
            plot_scatter(&a, (model ? samples : r->train) + column, (model ? samples : r->train) + row,
                         model ? drawn : shown, r->dim, 1.2, plot_alpha(plot_palette(model), 0.4));
        plot_axes_draw(&a);
    }
    finish(r, &c, "samples.png", "samples");
}

static void draw_loss(run *r)
{
    plot_canvas c;
    plot_axes a;
    plot_entry entries[2] = {{"training loss", plot_palette(0), 1.6, 0},
                             {"validation NLL", plot_palette(1), 2, 0}};
    double *x = (double *)must_alloc(4 * (r->points + 1), sizeof *x), *loss = x + r->points + 1;
    double *vx = loss + r->points + 1, *v = vx + r->points + 1, low = HUGE_VAL, high = -HUGE_VAL;
    size_t k, n = 0;
    for (k = 0; k < r->points; k++) {
        const double *h = r->history + 3 * k;
        x[k] = h[0], loss[k] = h[1];
        if (h[2] == h[2]) vx[n] = h[0], v[n++] = h[2];
        low = fmin(low, fmin(h[1], h[2] == h[2] ? h[2] : h[1]));
        if (h[0] >= 0.02 * (double)r->o.epochs) high = fmax(high, h[1]);
    }
    if (!(high > low)) high = low + 1;
    begin_canvas(&c, 900, 520);
    a = plot_axes_make(&c, plot_canvas_box(&c), 0, fmax(1, (double)r->o.epochs), low - 0.05 * (high - low),
                       high + 0.05 * (high - low));
    a.text_size = 16;
    a.title = "loss while training", a.x_label = "epoch", a.y_label = "nats";
    plot_axes_fit(&a);
    plot_axes_grid(&a);
    plot_line(&a, x, loss, r->points, plot_palette(0), 1.6, 0);
    plot_line(&a, vx, v, n, plot_palette(1), 2, 0);
    plot_axes_draw(&a);
    plot_legend(&a, PLOT_RIGHT | PLOT_TOP, entries, 2);
    finish(r, &c, "loss.png", NULL); /* its numbers are there */
    free(x);
}

/* The curve of errors over log SNR; returns whether it suggests a schedule. */
static int draw_mse(run *r, const itd_nll_result *v, itd_schedule *suggested)
{
    double alpha[CURVE], mse[CURVE], error[CURVE], mmse[CURVE], end = r->model->desc.schedule.clip;
    const itd_schedule *s = &r->model->desc.schedule;
    itd_denoiser den = itd_model_denoiser(r->model);
    size_t k, n = r->n_val < 800 ? r->n_val : 800;
    plot_canvas c;
    plot_axes a;
    plot_entry entries[3] = {{"Gaussian MMSE", plot_palette(1), 2.2, 8},
                             {"model", plot_palette(0), 2.2, 0},
                             {"gap", plot_alpha(plot_palette(0), 0.18), 0, 0}};
    char note[160], text[60] = "no crossing of d/2, no gap: nothing to suggest";
    int found;
    for (k = 0; k < CURVE; k++) alpha[k] = s->loc + s->scale * end * (2.0 * (double)k / (CURVE - 1) - 1);
    must(itd_mse_curve(&den, r->val, n, alpha, CURVE, r->o.seed, mse, error, mmse),
         "measuring the error curve");
    found = itd_schedule_from_mse(alpha, mse, mmse, CURVE, r->dim,
                                  strcmp(r->o.scale_rule, "original") ? ITD_CURVE_LOGISTIC
                                                                      : ITD_CURVE_ORIGINAL,
                                  suggested) == ITD_OK;
    if (found)
        snprintf(text, sizeof text, "suggested loc %.2f, scale %.2f", suggested->loc, suggested->scale);
    snprintf(note, sizeof note, "\xe2\x88\x92log p(x) = %.3f \xc2\xb1 %.3f nats\n%s", v->nll, v->std_error,
             text);
    if (!r->o.pictures) return found;
    begin_canvas(&c, 900, 520);
    a = plot_axes_make(&c, plot_canvas_box(&c), alpha[0], alpha[CURVE - 1], 0, 1.15 * (double)r->dim);
    a.text_size = 16;
    a.title = "denoising error against log SNR", a.x_label = "log SNR \xce\xb1",
    a.y_label = "mean squared error of \xce\xb5";
    plot_axes_fit(&a);
    plot_axes_grid(&a);
    plot_fill_between(&a, alpha, mse, mmse, CURVE, plot_alpha(plot_palette(0), 0.18));
    for (k = 1; k < 4; k++) { /* quartiles of the schedule suggested, or of the one in use */
        static const char *const names[] = {"", "25 %", "50 %", "75 %"};
        const itd_schedule *marked = found ? suggested : s;
        plot_mark_x(&a, itd_schedule_quantile(marked, 0.25 * (double)k), names[k], plot_palette(5), 1.2, 5);
    }
    plot_line(&a, alpha, mmse, CURVE, plot_palette(1), 2.2, 8);
    plot_line(&a, alpha, mse, CURVE, plot_palette(0), 2.2, 0);
    plot_axes_draw(&a);
    plot_legend(&a, PLOT_LEFT | PLOT_TOP, entries, 3);
    plot_note(&a, PLOT_RIGHT | PLOT_BOTTOM, note);
    finish(r, &c, "mse.png", "mses");
    return found;
}

/* The density over the epochs. */
static void film_panels(run *r)
{
    size_t k;
    for (k = 0; k < r->panels; k++) {
        plot_canvas c;
        if (k && r->panel_epoch[k] == r->panel_epoch[k - 1]) continue;
        draw_panel(r, &c, k);
        plot_animation_add_canvas(&r->film, &c, k + 1 < r->panels ? 150 : 1500);
        plot_canvas_free(&c);
    }
}

/* The sampling, over the density it leads to. */
static void film_flight(run *r, const watched *w, const float *samples)
{
    plot_canvas behind, c;
    size_t k;
    begin_frame(r, &behind, r->panels ? r->panel[r->panels - 1] : NULL);
    begin_canvas(&c, FRAME_WIDTH, FRAME_HEIGHT);
    for (k = 0; k <= w->frames; k++) {
        int last = k == w->frames;
        const float *points = last ? samples : w->z + 2 * k * w->rows;
        char title[60] = "samples";
        plot_axes a = frame_axes(r, &c, title);
        if (!last) snprintf(title, sizeof title, "sampling, log SNR %.1f", (double)w->logsnr[k]);
        plot_canvas_copy(&c, &behind);
        plot_scatter(&a, points, points + 1, w->rows, 2, 1.3, plot_alpha(plot_rgb(0), 0.6));
        plot_axes_draw(&a);
        plot_animation_add_canvas(&r->film, &c, last ? 2500 : k ? 140 : 700);
    }
    plot_canvas_free(&behind), plot_canvas_free(&c);
}

static void draw_all_samples(run *r)
{
    itd_sample_desc d = itd_model_sample_desc(r->model);
    float *samples = (float *)must_alloc(r->o.samples, r->dim * sizeof *samples);
    itd_denoiser den;
    watched w;
    d.steps = r->o.steps;
    d.sampler = strcmp(r->o.sampler, "ancestral") ? ITD_DETERMINISTIC : ITD_ANCESTRAL;
    d.seed = r->o.seed;
    den = watched_denoiser(&w, itd_model_denoiser(r->model), r->o.samples < FLYING ? r->o.samples : FLYING,
                           d.batch, d.steps, FLIGHT);
    must(itd_sample(&den, &d, r->o.samples, samples), "sampling");
    draw_samples(r, samples);
    if (r->dim == 2) {
        film_panels(r);
        film_flight(r, &w, samples);
        if (plot_animation_write(&r->film, path_of(r, "anim.png")))
            fail("%s: cannot be written", path_of(r, "anim.png"));
    }
    watched_free(&w);
    free(samples);
}

/* ---- result -------------------------------------------------------------------------------------------- */

static void print_result(const run *r, const itd_nll_result *v, const itd_schedule *suggested, double seconds)
{
    printf("result dataset=%s epochs=%lu params=%lu val_nll=%.4f stderr=%.4f stderr_data=%.4f",
           r->o.data ? "data" : r->o.dataset, (unsigned long)r->o.epochs,
           (unsigned long)itd_net_parameters(r->model->net), v->nll, v->std_error, v->std_error_data);
    if (!r->o.data) {
        double true_nll = dataset_mean_true_nll(&r->set, r->n_val, r->val, NULL);
        printf(" true_nll=%.4f excess=%.4f", true_nll, v->nll - true_nll);
    }
    if (suggested) printf(" suggested_loc=%.1f suggested_scale=%.1f", suggested->loc, suggested->scale);
    else printf(" suggested_loc=na suggested_scale=na");
    printf(" train_seconds=%.2f total_seconds=%.2f\n", r->train_seconds, seconds);
}

static int threads(void)
{
#ifdef _OPENMP
    return omp_get_max_threads();
#else
    return 1;
#endif
}

static void say_plan(const run *r)
{
    char text[120];
    size_t k;
    if (r->o.quiet) return;
    printf("%s: %lu training points, %lu validation points, %lu dimensions; kernels %s\n",
           r->o.data ? r->o.data : r->o.dataset, (unsigned long)r->n_train, (unsigned long)r->n_val,
           (unsigned long)r->dim, itd_simd_name());
    for (k = 0; itd_net_summary(r->model->net, k, text, sizeof text); k++) printf("  %s\n", text);
    printf("threads %d; ", threads());
    printf("log SNR loc %g, scale %g, clip %g; evaluation: %lu draws a point, %lu rows a call\n",
           r->model->desc.schedule.loc, r->model->desc.schedule.scale, r->model->desc.schedule.clip,
           (unsigned long)r->o.draws, (unsigned long)r->o.eval_batch);
    fflush(stdout);
}

/* The training began at the Gaussian of its data, or was to beat it; a twentieth of a nat does not count. */
static void warn_if_useless(const run *r, const itd_nll_result *v)
{
    const itd_model *m = r->model;
    float *z = (float *)must_alloc(r->dim, sizeof *z);
    double gaussian = 0;
    size_t i, j;
    for (i = 0; m->gaussian && i < r->n_val; i++) {
        for (j = 0; j < r->dim; j++) z[j] = (float)((r->val[i * r->dim + j] - m->mean[j]) / m->scale[j]);
        gaussian += itd_gaussian_nll(m->gaussian, z) / (double)r->n_val;
    }
    for (j = 0; j < r->dim; j++) gaussian += log(m->scale[j]);
    if (m->gaussian && r->o.epochs && !(v->nll <= gaussian + fmax(3 * v->std_error, 0.05)))
        warn("the model ends at %.3f nats, worse than the %.3f of a Gaussian: try a lower --learning_rate or "
             "more --num_epochs",
             v->nll, gaussian);
    free(z);
}

static void say_outcome(const run *r, const itd_nll_result *v)
{
    const char *pictures = r->o.pictures ? "pictures" : "", *rest = "metrics.tsv and model.safetensors";
    if (r->o.load) rest = "";
    if (*pictures || *rest)
        printf("%s%s%s in %s/\n", pictures, *pictures && *rest ? ", " : "", rest, r->folder);
    printf("-log p = %.3f +- %.3f nats, on average over the validation points", v->nll, v->std_error);
    if (!r->o.data)
        printf("; the true density gives %.3f", dataset_mean_true_nll(&r->set, r->n_val, r->val, NULL));
    printf("\n");
}

int main(int argc, char **argv)
{
    static run r;
    double started = system_seconds();
    itd_schedule suggested;
    itd_nll_result v;
    size_t k;
    int found;
    must_program = "train_2d";
    system_patient_threads(argv);
    r.o = read_options(argc, argv);
#ifdef _OPENMP
    if (r.o.threads) omp_set_num_threads((int)r.o.threads);
#endif
    folder_make(r.o.out, r.o.name, r.folder, sizeof r.folder);
    prepare_data(&r);
    if (r.o.load) load_model(&r, r.o.load, 0);
    else if (r.o.resume) load_model(&r, path_of(&r, "model.safetensors"), 1);
    else begin_model(&r);
    r.colors = system_has_colors(stdout);
    plot_animation_init(&r.film, FRAME_WIDTH, FRAME_HEIGHT, 3);
    choose_range(&r);
    say_plan(&r);
    r.history = (double *)must_alloc(r.o.epochs + 1, 3 * sizeof(double));
    if (!r.o.load) {
        train(&r);
        fclose(r.metrics);
        if (r.points && r.o.pictures) draw_loss(&r);
        if (r.panels && r.o.pictures) draw_contours(&r);
    }
    if (r.dim == 2 && r.o.view && !r.viewed) {
        if (!r.panels) add_panel(&r, r.o.epochs);
        view_panel(&r);
    }
    v = validate(&r, r.o.draws);
    if (r.dim == 2 && r.o.pictures) draw_density(&r);
    if (r.o.pictures) draw_all_samples(&r);
    found = draw_mse(&r, &v, &suggested);
    if (!r.o.load) warn_if_useless(&r, &v);
    if (!r.o.quiet) say_outcome(&r, &v);
    tfevents_close(&r.events);
    check_events(&r);
    print_result(&r, &v, found ? &suggested : NULL, system_seconds() - started);
    plot_animation_free(&r.film);
    for (k = 0; k < r.panels; k++) free(r.panel[k]);
    free(r.all), free(r.train), free(r.val), free(r.history);
    itd_trainer_free(r.trainer);
    itd_model_free(r.model);
    return 0;
}
