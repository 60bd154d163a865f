/* train_2d.c: learns the density of one of five sets of the plane whose true density is known, and shows how
 * well. Tables of your own are for fit.c.
 *   cc -O2 -fopenmp examples/train_2d.c -o build/train_2d -lm && build/train_2d --dataset moons
 * --help explains the options. Pictures, metrics (also for TensorBoard) and the model go to runs/NAME/. The
 * last line of output is
 *   result dataset=moons epochs=... params=... val_nll=... stderr=... stderr_data=... true_nll=...
 *   val_excess=... excess=... excess_stderr=... suggested_loc=... suggested_scale=... train_seconds=...
 *   total_seconds=...
 * in one line: val_nll to val_excess are measured on the validation points, excess on 20,000 new ones. */
#include "support/progress.h" /* first: it asks the system headers for POSIX */

#define ITD_FSYNC(file) system_sync(file)
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "support/args.h"
#include "support/charts.h"
#include "support/datasets.h"
#include "support/learn.h"
#include "support/must.h"
#include "support/panels.h"
#include "support/report.h"
#include "support/same_run.h"
#include "support/training.h"
#include "support/view.h"
#include "support/watch.h"

#ifdef _OPENMP
#include <omp.h>
#endif

enum { SHOWN = 800, CONTOURS = 8 };   /* points in pictures of the density; panels in contours.png */
enum { FLIGHT = 16, FLYING = 800 };   /* frames and points of the animated sampling */
enum { FRESH = 20000, WATCHED = 20 }; /* points that `excess` is measured on; draws a point while training */
enum { ORIGINAL_EPOCHS = 160, FRESH_TIMES = 5 };

/* Numbers of draws from the law of the set: see dataset_sample. Those of the race for the range are their
   own, so that a resumed run, which has none, goes on as it would have. */
enum { DRAW_FIRST = 1, DRAW_RACE = 1000 };
static const uint64_t draw_held = UINT32_MAX - 1, draw_evaluation = UINT32_MAX;

/* ---- options ------------------------------------------------------------------------------------------- */

typedef struct options {
    learn_desc learn; /* most options are a part of it */
    const char *dataset, *name, *out, *load;
    const char *activation, *parameterization, *lr_schedule, *sampler, *scale_rule;
    size_t n, eval_batch, epochs, draws, grid, samples, steps, threads;
    int embedding, stratified, fresh, resume, quiet, original, pictures, view;
    int has_epochs;
    char words[1200]; /* what a run has to have in common with the one it goes on from */
} options;

/* Where an option was not given, the recipe of the original code. */
static void use_original(options *o, const args_table *table)
{
    itd_model_desc *m = &o->learn.model;
    itd_trainer_desc *t = &o->learn.trainer;
    if (!args_given(table, &t->batch)) t->batch = 128;
    if (!args_given(table, &t->learning_rate)) t->learning_rate = 1e-3;
    if (!args_given(table, &t->ema)) t->ema = 0;
    if (!args_given(table, &t->weight_decay)) t->weight_decay = 0;
    if (!args_given(table, &t->weight_limit)) t->weight_limit = 0;
    if (!args_given(table, &m->mlp.layers)) m->mlp.layers = 3;
    if (!args_given(table, &m->mlp.logsnr_scale)) m->mlp.logsnr_scale = 50;
    if (!args_given(table, &o->activation)) o->activation = "relu";
    if (!args_given(table, &o->parameterization)) o->parameterization = "plain";
    if (!args_given(table, &o->lr_schedule)) o->lr_schedule = "constant";
    if (!args_given(table, &o->stratified)) o->stratified = 0;
    if (!args_given(table, &o->scale_rule)) o->scale_rule = "original";
    m->mlp.directions = 0, m->whiten = m->normalize = false, t->drop_incomplete = true;
    o->learn.find_range = o->learn.find_schedule = 0;
}

/* An option without effect is an error. names: of those that have none, separated by blanks. */
static void refuse_idle(const args_table *table, const char *names, const char *where)
{
    const char *name = args_first_given(table, names);
    if (name) fail("--%s: has no effect %s", name, where);
}

static void refuse_idle_options(const options *o, const args_table *table)
{
    if (!o->original) refuse_idle(table, "parameterization embedding coordinate_scale", "without --original");
    else refuse_idle(table, "directions frequency_min frequency_max", "with --original");
    if (!o->embedding)
        refuse_idle(table, "embedding_size coordinate_scale logsnr_embedding_scale", "with --embedding off");
    if (o->load)
        refuse_idle(table,
                    "fresh num_epochs train_batch_size learning_rate lr_schedule warmup ema weight_decay "
                    "clip_norm stratified logsnr_loc logsnr_scale logsnr_clip weight_limit directions "
                    "frequency_min frequency_max parameterization embedding embedding_size coordinate_scale "
                    "logsnr_embedding_scale hidden_size hidden_layers activation resume",
                    "with --load, where nothing is trained");
    if (!o->pictures) refuse_idle(table, "samples steps sampler", "with --pictures off");
    if (!o->pictures && !o->view) refuse_idle(table, "grid", "with --pictures off and without --view");
}

static void refuse_data(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--data") || !strncmp(argv[i], "--data=", 7))
            fail("--data: tables of your own are for build/fit, as in: build/fit --data FILE");
}

/* Those that decide what is learned, and how; training may become longer. */
static void write_words(options *o, const args_table *table)
{
    for (size_t i = 0; i < table->count && strcmp(table->options[i].name, "Evaluation"); i++)
        if (table->options[i].kind != ARGS_GROUP && strcmp(table->options[i].name, "num_epochs"))
            args_append_word(o->words, sizeof o->words, &table->options[i]);
}

static void finish_options(options *o, const args_table *table)
{
    itd_model_desc *m = &o->learn.model;
    itd_trainer_desc *t = &o->learn.trainer;
    refuse_idle_options(o, table);
    if (m->mlp.embedding % 2)
        fail("--embedding_size: an even number expected, %lu found", (unsigned long)m->mlp.embedding);
    if (m->mlp.frequency_min > m->mlp.frequency_max)
        fail("--frequency_min: at most %g expected, as --frequency_max is, %g found", m->mlp.frequency_max,
             m->mlp.frequency_min);
    if (args_first_given(table, "frequency_min frequency_max")) o->learn.find_range = 0;
    if (args_first_given(table, "logsnr_loc logsnr_scale logsnr_clip")) o->learn.find_schedule = 0;
    if (o->original) use_original(o, table);
    o->has_epochs = args_given(table, &o->epochs);
    if (!o->name) o->name = o->dataset;
    write_words(o, table);
    t->seed = o->learn.seed, t->stratified = o->stratified != 0;
    if (!o->embedding) m->mlp.embedding = 0;
    m->mlp.activation = strcmp(o->activation, "relu") ? ITD_SILU : ITD_RELU;
    m->parameterization = strcmp(o->parameterization, "plain") ? ITD_GAUSSIAN : ITD_PLAIN;
    m->mlp.zero_output = m->parameterization == ITD_GAUSSIAN;
}

static options read_options(int argc, char **argv)
{
    static options o; /* the option table keeps pointers into it */
    itd_mlp_desc *mlp = &o.learn.model.mlp;
    itd_schedule *schedule = &o.learn.model.schedule;
    itd_trainer_desc *t = &o.learn.trainer;
    char epochs[200];
    o.learn = learn_desc_default(2, dataset_default_count, 0);
    snprintf(epochs, sizeof epochs,
             "what makes %lu steps, fewer where points are few, with --fresh %d times as many; with "
             "--original %d",
             (unsigned long)o.learn.steps, FRESH_TIMES, ORIGINAL_EPOCHS);
    o.dataset = "dino", o.out = "runs";
    o.activation = "silu", o.parameterization = "gaussian", o.lr_schedule = "cosine";
    o.sampler = "deterministic", o.scale_rule = "logistic";
    o.n = dataset_default_count, o.eval_batch = 1024, o.draws = 200, o.grid = 50;
    o.samples = 3000, o.steps = 100;
    o.embedding = o.stratified = o.pictures = 1;
    args_option list[] = {
        args_group("Data"),
        args_choice("dataset", &o.dataset, DATASET_NAMES, "Which of the five sets to learn."),
        args_size("n", &o.n, 20, 10000000,
                  "Points drawn; 90 % train, 10 % validate. A tenth of the training points teach nothing but "
                  "choose which weights are kept."),
        args_flag("fresh", &o.fresh, "Draw new training points all the time: no over-fitting."),
        args_uint64("seed", &o.learn.seed, 0, UINT64_MAX, "Of data, weights, noise and samples."),
        args_group("Training"),
        args_default_text(args_size("num_epochs", &o.epochs, 0, 1000000,
                                    "Passes over the training points; with --fresh, over as many new ones."),
                          epochs),
        args_size("train_batch_size", &t->batch, 1, 1000000, "Points per step."),
        args_double("learning_rate", &t->learning_rate, 0, 1, "Of Adam."),
        args_choice("lr_schedule", &o.lr_schedule, "constant|cosine", "Over all of training."),
        args_uint64("warmup", &t->warmup, 0, 1000000, "Steps of linear rise to the learning rate."),
        args_double("ema", &t->ema, 0, 0.999999, "Decay of the weights' moving average; 0: none."),
        args_double("weight_decay", &t->weight_decay, 0, 1, "Decoupled, of Adam."),
        args_double("clip_norm", &t->clip_norm, 0, 1e9, "Largest norm of the gradient; 0: no limit."),
        args_flag("stratified", &o.stratified, "Spread the log SNRs evenly over each batch."),
        args_group("Log SNR"),
        args_default_text(args_double("logsnr_loc", &schedule->loc, -30, 30,
                                      "Centre of the logistic schedule, which is found while training unless "
                                      "one of these three options is given."),
                          "found; else 0"),
        args_default_text(args_double("logsnr_scale", &schedule->scale, 0.1, 10, "Width of the schedule."),
                          "found; else 3"),
        args_default_text(
            args_double("logsnr_clip", &schedule->clip, 1, 20, "The schedule is cut at so many scales."),
            "found; else 4"),
        args_double("weight_limit", &t->weight_limit, 0, 1e9,
                    "The gradient sees weights of at most so many times the least; 0: no limit."),
        args_choice("scale_rule", &o.scale_rule, "logistic|original",
                    "How suggested_scale follows from the quartiles: divided by log 3, or as the original."),
        args_group("Network"),
        args_size("directions", &mlp->directions, 1, 65536,
                  "Random directions, of whose sines and cosines the network sees the points."),
        args_default_text(args_double("frequency_min", &mlp->frequency_min, 0.001, 1e5,
                                      "Length of the shortest direction; the range is found while training "
                                      "unless one of its ends is given."),
                          "found; else 0.5"),
        args_default_text(
            args_double("frequency_max", &mlp->frequency_max, 0.001, 1e5, "Length of the longest one."),
            "found; else 10"),
        args_size("embedding_size", &mlp->embedding, 4, 8192,
                  "Sinusoids of the log SNR, with --original also of each coordinate (even)."),
        args_double("logsnr_embedding_scale", &mlp->logsnr_scale, 0.001, 1e5,
                    "The log SNR is multiplied by this before the sinusoids."),
        args_size("hidden_size", &mlp->hidden, 1, 65536, "Width of the hidden layers."),
        args_size("hidden_layers", &mlp->layers, 1, 100, "Linear layers."),
        args_choice("activation", &o.activation, "relu|silu", "Between the linear layers."),
        args_group("Original"),
        args_flag("original", &o.original,
                  "The recipe of the original code for all options not given: batches of 128, learning rate "
                  "0.001 constant, no moving average, no decay, i.i.d. log SNRs around 0, incomplete "
                  "batches dropped, plain parameterization, 3 layers of ReLU, sinusoids of each coordinate."),
        args_choice("parameterization", &o.parameterization, "plain|gaussian",
                    "The output is the noise, or the deviation from a Gaussian's denoiser."),
        args_flag("embedding", &o.embedding, "Sinusoids of coordinates and log SNR, or their bare values."),
        args_double("coordinate_scale", &mlp->coordinate_scale, 0.001, 1e5,
                    "Coordinates are multiplied by this before the sinusoids."),
        args_group("Evaluation"),
        args_size("eval_draws", &o.draws, 3, 1000000,
                  "Denoiser evaluations per validation point; a fifth of them for each of 20,000 new ones."),
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
                  "Go on from the state in the folder of the results; give the same options."),
        args_flag("pictures", &o.pictures, "Leave pictures beside model and metrics."),
        args_flag("view", &o.view,
                  "Draw the density in the terminal at the end; in colours, and also while training, where "
                  "stdout is a terminal and NO_COLOR is not set."),
        args_string("load", &o.load, "Evaluate this model instead of training one."),
        args_size("threads", &o.threads, 0, 1024, "At most so many; 0: one per processor."),
        args_flag("quiet", &o.quiet, "Only the result line."),
    };
    args_table table = {"train_2d", "Learns the density of points by information-theoretic diffusion.", list,
                        ARGS_COUNT(list)};
    refuse_data(argc, argv);
    args_parse(&table, argc, argv);
    finish_options(&o, &table);
    return o;
}

/* ---- the run ------------------------------------------------------------------------------------------- */

typedef struct run {
    options o;
    dataset set;
    size_t n_train, n_val;
    float *train, *val; /* (n,2) */
    float *x;           /* (teaching+held,2) what is learned from: `train`, or new points for every round */
    size_t teaching, held;
    learner l;
    itd_model *model;
    report report;
    progress bar;
    panel_series panels;
    int has_kept_panel;  /* the last one: of the weights that are kept, if they are not the last ones */
    int colors, viewed;  /* of the terminal; whether a view stands above the line of progress */
    plot_animation film; /* of the panels, then of the sampling */
} run;

/* ---- data and descriptions ----------------------------------------------------------------------------- */

static void prepare_points(run *r)
{
    char error[256];
    size_t n = r->o.n, *index = (size_t *)must_alloc(n, sizeof *index);
    float *all = (float *)must_alloc(n, 2 * sizeof *all);
    if (dataset_open(r->o.dataset, r->o.learn.seed, &r->set, error, sizeof error)) fail("%s", error);
    dataset_sample(&r->set, 0, n, all);
    r->n_train = dataset_split(n, r->o.learn.seed, index);
    r->n_val = n - r->n_train;
    r->train = (float *)must_alloc(r->n_train, 2 * sizeof *r->train);
    r->val = (float *)must_alloc(r->n_val, 2 * sizeof *r->val);
    dataset_gather(all, 2, r->n_train, index, r->train);
    dataset_gather(all, 2, r->n_val, index + r->n_train, r->val);
    free(index), free(all);
}

/* Points that an epoch takes. */
static size_t epoch_of(const run *r)
{
    size_t n = r->o.fresh ? r->n_train : r->teaching, batch = r->o.learn.trainer.batch;
    return r->o.learn.trainer.drop_incomplete ? n / batch * batch : n;
}

/* The last rows choose which weights are kept; the original code keeps the last ones. With --fresh, as many
   points teach as a round takes. */
static void prepare_learning(run *r)
{
    learn_desc *d = &r->o.learn;
    size_t batch = d->trainer.batch;
    r->held = r->o.original ? 0 : r->o.fresh ? LEARN_HELD_MOST : learn_held(r->n_train);
    r->teaching = r->n_train - (r->o.fresh ? 0 : r->held);
    if (d->trainer.drop_incomplete && batch > r->teaching)
        fail("--train_batch_size: at most the %lu training points, %lu found", (unsigned long)r->n_train,
             (unsigned long)batch);
    if (!r->o.has_epochs && r->o.original) r->o.epochs = ORIGINAL_EPOCHS;
    if (!r->o.has_epochs && !r->o.original)
        d->steps = (r->o.fresh ? FRESH_TIMES : 1) * learn_desc_default(2, r->n_train, 0).steps;
    else if (d->trainer.drop_incomplete) d->steps = itd_train_steps(&d->trainer, r->teaching, r->o.epochs);
    else d->steps = ((uint64_t)r->o.epochs * r->teaching + batch - 1) / batch;
    d->trainer.steps = strcmp(r->o.lr_schedule, "cosine") ? 0 : d->steps;
    if (d->steps < LEARN_ROUNDS) d->find_range = 0; /* a race needs rounds of at least one step */
    r->x = r->train;
    if (!r->o.fresh) return;
    r->teaching = ((size_t)(d->steps / LEARN_ROUNDS) + 1) * batch;
    r->x = (float *)must_alloc(r->teaching + r->held, 2 * sizeof *r->x);
    dataset_sample(&r->set, DRAW_FIRST, r->teaching, r->x);
    dataset_sample(&r->set, draw_held, r->held, r->x + 2 * r->teaching);
}

static itd_nll_desc nll_desc_of(const run *r, itd_model *m, size_t draws)
{
    itd_nll_desc d = itd_model_nll_desc(m);
    d.draws = draws, d.batch = r->o.eval_batch, d.seed = r->o.learn.seed;
    return d;
}

static itd_nll_result estimate(const run *r, itd_model *m, const float *x, size_t n, size_t draws,
                               double *each)
{
    itd_denoiser den = itd_model_denoiser(m);
    itd_nll_desc d = nll_desc_of(r, m, draws);
    itd_nll_result result;
    if (r->o.original) d.cancel = d.stratified = d.allocate = false, d.reference = NULL;
    must(itd_nll(&den, x, n, &d, &result, each, NULL), "estimating the likelihood");
    return result;
}

/* ---- panels, while training ---------------------------------------------------------------------------- */

static void panel_title(const run *r, size_t k, char *title, size_t size)
{
    unsigned long step = (unsigned long)r->panels.step[k];
    if (r->o.load) snprintf(title, size, "density");
    else if (r->has_kept_panel && k + 1 == r->panels.count)
        snprintf(title, size, "kept: density after %lu steps", step);
    else snprintf(title, size, "density after %lu of %lu steps", step, (unsigned long)r->panels.steps);
}

/* In the terminal, in the place of the one before. */
static void view_panel(run *r)
{
    plot_field f = panels_field(panels_last(&r->panels), r->panels.side);
    char title[80];
    panel_title(r, r->panels.count - 1, title, sizeof title);
    progress_clear(&r->bar);
    if (r->viewed) printf("\033[%dA", VIEW_LINES + 1);
    printf("%s, its logarithm from below %g (%s) to above %g (%s)\n", title, panels_levels[0],
           r->colors ? "dark" : "blank", panels_levels[PANELS_LEVELS - 1], r->colors ? "bright" : "@");
    view_draw(stdout, &f, panels_levels, PANELS_LEVELS, r->colors);
    fflush(stdout);
    r->viewed = r->colors;
}

static void draw_panel(const run *r, plot_canvas *c, size_t k)
{
    char title[80];
    panel_title(r, k, title, sizeof title);
    panels_draw(c, r->panels.values[k], r->panels.side, title);
}

static int is_repeated(const run *r, size_t k) { return k > 0 && r->panels.step[k - 1] == r->panels.step[k]; }

/* Once the race is decided, a third of the way, and all panels are of one network, what the last one has far
   below all that is shown is taken to stay there: no point was seen to rise by 6 nats into sight. */
static void add_panel(run *r, itd_model *m, uint64_t step)
{
    itd_nll_desc d = nll_desc_of(r, m, 0);
    size_t k = r->panels.count;
    plot_canvas c;
    panels_add(&r->panels, m, &d, step, k > 0 && 3 * r->panels.step[k - 1] > r->panels.steps);
    if (is_repeated(r, k)) return;
    if (r->o.view && r->colors) view_panel(r);
    if (!r->report.events.file || !r->o.pictures || r->has_kept_panel) return;
    draw_panel(r, &c, k);
    report_image(&r->report, &c, NULL, "density", step);
}

static void add_due_panels(run *r)
{
    while ((r->o.pictures || r->o.view) && panels_due(&r->panels, r->l.trainer->step))
        add_panel(r, r->l.model, r->l.trainer->step), panels_keep(&r->panels);
}

/* ---- training ------------------------------------------------------------------------------------------ */

static void before_round(void *context)
{
    run *r = (run *)context;
    const learner *l = &r->l;
    add_due_panels(r);
    if (r->o.fresh)
        dataset_sample(&r->set, l->rivals ? DRAW_RACE + l->turns : DRAW_FIRST + 1 + l->round, r->teaching,
                       r->x);
}

static double watch_validation(void *context, double *error)
{
    run *r = (run *)context;
    itd_nll_result v = estimate(r, r->l.model, r->val, r->n_val, WATCHED, NULL);
    *error = v.std_error;
    return v.nll;
}

static void resume(run *r)
{
    char state[1300], model[1300], differ[300];
    const char *then;
    itd_model *m;
    itd_error error;
    snprintf(state, sizeof state, "%s", report_path(&r->report, "training.safetensors"));
    snprintf(model, sizeof model, "%s", report_path(&r->report, "model.safetensors"));
    if (itd_load(state, &m, NULL, &error) != ITD_OK) fail("--resume: %s", error.text);
    then = itd_model_note(m, "options");
    if (!then) fail("--resume: %s: a model of this program expected, another found", state);
    same_run_options(r->o.words, then, differ, sizeof differ);
    if (*differ) fail("--resume: %s was trained with another %s", state, differ);
    itd_model_free(m);
    learn_resume(&r->l, &r->o.learn, state, model, r->x, r->teaching + r->held, r->held);
}

static void say_plan(const run *r, const itd_model *m)
{
    char text[120];
    if (r->o.quiet) return;
    printf("%s: %lu training points", r->o.dataset, (unsigned long)r->n_train);
    if (r->o.fresh) printf(" an epoch, always new ones, and %lu", (unsigned long)r->held);
    else if (r->held) printf(", %lu of them", (unsigned long)r->held);
    if (r->held) printf(" that choose what is kept");
    printf("; %lu validation points; kernels %s\n", (unsigned long)r->n_val, itd_simd_name());
    for (size_t k = 0; itd_net_summary(m->net, k, text, sizeof text); k++) printf("  %s\n", text);
#ifdef _OPENMP
    printf("threads %d; ", omp_get_max_threads());
#else
    printf("threads 1; ");
#endif
    printf("evaluation: %lu draws a point, %lu rows a call\n", (unsigned long)r->o.draws,
           (unsigned long)r->o.eval_batch);
    fflush(stdout);
}

static void say_end(const run *r, training_end end)
{
    unsigned long step = (unsigned long)r->l.trainer->step;
    if (end == TRAINING_DIVERGED && r->held)
        warn("training diverged after step %lu; what was kept before is used; a lower --learning_rate helps",
             step);
    else if (end == TRAINING_DIVERGED)
        fail("training diverged after step %lu; a lower --learning_rate helps", step);
    if (r->o.quiet) return;
    if (end == TRAINING_STOPPED && r->l.rivals)
        printf(
            "stopped before the range of directions was decided; --resume goes on with the one that leads\n");
    else if (end == TRAINING_STOPPED)
        printf("stopped; --resume goes on from %s/training.safetensors\n", r->report.folder);
    else if (r->held && !r->l.kept)
        printf("nothing that was learned is surely better than the Gaussian, so that is the model\n");
    else if (r->held)
        printf("kept: the weights after step %lu of %lu, directions of lengths %g to %g\n",
               (unsigned long)r->l.kept_step, step, r->l.model->desc.mlp.frequency_min,
               r->l.model->desc.mlp.frequency_max);
}

/* The weights that are kept become the model's; if they are not the last ones, they get their own panel. */
static void keep_best(run *r)
{
    learner *l = &r->l;
    int other = l->n_held && l->kept_step != l->trainer->step;
    add_due_panels(r);
    learn_end(l);
    r->model = l->model;
    if (!other || !r->panels.count) return;
    r->has_kept_panel = 1;
    add_panel(r, l->model, l->kept_step);
}

static void train(run *r)
{
    training_note notes[2] = {{"options", NULL}, {NULL, NULL}};
    training_loop t;
    notes[0].value = r->o.words;
    if (r->o.resume) resume(r);
    else learn_begin(&r->l, &r->o.learn, r->x, r->teaching + r->held, r->held);
    say_plan(r, r->l.model);
    panels_begin(&r->panels, r->o.grid, r->o.learn.steps, report_path(&r->report, "panels.bin"));
    if (r->o.resume) panels_recall(&r->panels, r->l.trainer->step);
    training_begin(&t, &r->l, &r->report, notes);
    t.before = before_round, t.measure = watch_validation, t.ctx = r, t.epoch = epoch_of(r);
    t.quiet = r->o.quiet;
    say_end(r, training_run(&t));
    if (!training_stopped()) keep_best(r);
}

/* ---- pictures ------------------------------------------------------------------------------------------ */

static size_t shown(size_t n) { return n < SHOWN ? n : SHOWN; }

/* A picture of the run as it ended. tag: in TensorBoard, or NULL. */
static void leave(run *r, plot_canvas *c, const char *file, const char *tag)
{
    report_image(&r->report, c, file, tag, r->l.trainer ? r->l.trainer->step : 0);
}

/* Some of the panels, the first and the last among them. */
static void draw_contours(run *r)
{
    const panel_series *p = &r->panels;
    size_t last = p->count - 1, before = SIZE_MAX;
    plot_canvas c;
    plot_box area;
    panels_canvas(&c, 1400, 730);
    area = plot_inset(plot_canvas_box(&c), 45, 40, 100, 40);
    for (size_t j = 0, cell = 0; j < CONTOURS; j++) {
        size_t k = (2 * j * last + CONTOURS - 1) / (2 * (CONTOURS - 1));
        int kept = r->has_kept_panel && k == last;
        char title[60];
        plot_axes a;
        if (k == before) continue;
        snprintf(title, sizeof title, kept ? "kept: step %lu" : "step %lu", (unsigned long)p->step[k]);
        a = panels_axes(&c, plot_cell(area, 2, CONTOURS / 2, (int)cell, 18, 42), title);
        a.x_numbers = cell < CONTOURS / 2 ? 1 : 2, a.y_numbers = cell % (CONTOURS / 2) ? 1 : 2;
        panels_contours(&a, p->values[k], p->side);
        plot_scatter(&a, r->val, r->val + 1, shown(r->n_val), 2, 1.2, plot_alpha(plot_rgb(0), 0.35));
        plot_axes_draw(&a);
        if (k == last) panels_bar(&a, area, 16, 14);
        before = k, cell++;
    }
    leave(r, &c, "contours.png", "contours");
}

static void draw_density(run *r)
{
    size_t side = 2 * r->o.grid;
    double *values = (double *)must_alloc(side, side * sizeof *values);
    itd_nll_desc d = nll_desc_of(r, r->model, 2 * PANELS_DRAWS);
    plot_canvas c;
    plot_axes a;
    char title[80];
    panels_density(r->model, &d, side, panels_last(&r->panels), r->panels.side, values);
    panels_canvas(&c, 900, 820);
    snprintf(title, sizeof title, "%s: learned density and validation points", r->o.dataset);
    a = panels_axes(&c, plot_inset(plot_canvas_box(&c), 55, 45, 125, 50), title);
    a.text_size = 16;
    panels_contours(&a, values, side);
    plot_scatter(&a, r->val, r->val + 1, shown(r->n_val), 2, 1.4, plot_alpha(plot_rgb(0), 0.3));
    plot_axes_draw(&a);
    panels_bar(&a, a.box, 20, 18);
    leave(r, &c, "density.png", NULL);
    free(values);
}

/* Data beside samples. */
static void draw_samples(run *r, const float *samples)
{
    size_t n = r->o.samples < r->n_train ? r->o.samples : r->n_train;
    plot_canvas c;
    panels_canvas(&c, 1240, 640);
    for (int k = 0; k < 2; k++) {
        plot_axes a = panels_axes(&c,
                                  plot_cell(plot_inset(plot_canvas_box(&c), 50, 40, 20, 45), 1, 2, k, 50, 0),
                                  k ? "samples of the model" : "training data");
        plot_scatter(&a, k ? samples : r->train, (k ? samples : r->train) + 1, k ? r->o.samples : n, 2, 1.2,
                     plot_alpha(plot_palette(k), 0.5));
        plot_axes_draw(&a);
    }
    leave(r, &c, "samples.png", "samples");
}

/* The density over the steps. */
static void film_panels(run *r)
{
    for (size_t k = 0; k < r->panels.count; k++) {
        plot_canvas c;
        if (is_repeated(r, k)) continue;
        draw_panel(r, &c, k);
        plot_animation_add_canvas(&r->film, &c, k + 1 < r->panels.count ? 150 : 1500);
        plot_canvas_free(&c);
    }
}

/* The sampling, over the density it leads to. */
static void film_flight(run *r, const watched *w, const float *samples)
{
    plot_canvas behind, c;
    if (r->panels.count) panels_draw(&behind, panels_last(&r->panels), r->panels.side, NULL);
    else panels_canvas(&behind, PANELS_WIDTH, PANELS_HEIGHT);
    panels_canvas(&c, PANELS_WIDTH, PANELS_HEIGHT);
    for (size_t k = 0; k <= w->frames; k++) {
        int last = k == w->frames;
        const float *points = last ? samples : w->z + 2 * k * w->rows;
        char title[60] = "samples";
        plot_axes a = panels_axes(&c, panels_box(&c), title);
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
    float *samples = (float *)must_alloc(r->o.samples, 2 * sizeof *samples);
    itd_denoiser den;
    watched w;
    d.steps = r->o.steps, d.seed = r->o.learn.seed;
    d.sampler = strcmp(r->o.sampler, "ancestral") ? ITD_DETERMINISTIC : ITD_ANCESTRAL;
    den = watched_denoiser(&w, itd_model_denoiser(r->model), r->o.samples < FLYING ? r->o.samples : FLYING,
                           d.batch, d.steps, FLIGHT);
    must(itd_sample(&den, &d, r->o.samples, samples), "sampling");
    draw_samples(r, samples);
    plot_animation_init(&r->film, PANELS_WIDTH, PANELS_HEIGHT, 3);
    film_panels(r);
    film_flight(r, &w, samples);
    if (plot_animation_write(&r->film, report_path(&r->report, "anim.png")))
        fail("%s: cannot be written", report_path(&r->report, "anim.png"));
    plot_animation_free(&r->film);
    watched_free(&w), free(samples);
}

/* ---- result -------------------------------------------------------------------------------------------- */

typedef struct outcome {
    itd_nll_result v;                      /* of the validation points */
    double true_nll, excess, excess_error; /* of the same; of new points, with one standard error over them */
    double alpha[CHARTS_CURVE], mse[CHARTS_CURVE], gaussian[CHARTS_CURVE];
    itd_schedule suggested;
    int has_suggestion;
} outcome;

/* On points that nobody has seen: the excess of each is an estimate of that of the model. */
static void measure_excess(const run *r, outcome *e)
{
    size_t draws = r->o.draws / 5 > 3 ? r->o.draws / 5 : 3;
    float *x = (float *)must_alloc(FRESH, 2 * sizeof *x);
    double *nll = (double *)must_alloc(FRESH, sizeof *nll), square = 0;
    dataset_sample(&r->set, draw_evaluation, FRESH, x);
    estimate(r, r->model, x, FRESH, draws, nll);
    for (size_t i = 0; i < FRESH; i++) {
        nll[i] -= dataset_true_nll(&r->set, (double)x[2 * i], (double)x[2 * i + 1]);
        e->excess += nll[i] / FRESH;
    }
    for (size_t i = 0; i < FRESH; i++) square += (nll[i] - e->excess) * (nll[i] - e->excess);
    e->excess_error = sqrt(square / (FRESH - 1) / FRESH);
    free(x), free(nll);
}

static void measure(const run *r, outcome *e)
{
    itd_denoiser den = itd_model_denoiser(r->model);
    e->v = estimate(r, r->model, r->val, r->n_val, r->o.draws, NULL);
    e->true_nll = dataset_mean_true_nll(&r->set, r->n_val, r->val, NULL);
    measure_excess(r, e);
    charts_range(&r->model->desc.schedule, e->alpha);
    must(itd_mse_curve(&den, r->val, shown(r->n_val), e->alpha, CHARTS_CURVE, r->o.learn.seed, e->mse, NULL,
                       e->gaussian),
         "measuring the error curve");
    e->has_suggestion = itd_schedule_from_mse(e->alpha, e->mse, e->gaussian, CHARTS_CURVE, 2,
                                              &e->suggested) == ITD_OK;
    if (!strcmp(r->o.scale_rule, "original")) e->suggested.scale *= log(3); /* the whole distance */
}

/* Quartiles are those of the schedule suggested, or of the one in use. */
static void draw_errors(run *r, const outcome *e)
{
    plot_canvas c;
    char note[160], text[60] = "no crossing of d/2, no gap: nothing to suggest";
    if (e->has_suggestion)
        snprintf(text, sizeof text, "suggested loc %.2f, scale %.2f", e->suggested.loc, e->suggested.scale);
    snprintf(note, sizeof note, "\xe2\x88\x92log p(x) = %.3f \xc2\xb1 %.3f nats\n%s", e->v.nll,
             e->v.std_error, text);
    charts_errors(&c, e->alpha, e->mse, e->gaussian, 2,
                  e->has_suggestion ? &e->suggested : &r->model->desc.schedule, note);
    leave(r, &c, "mse.png", "mses");
}

static void draw_loss(run *r)
{
    plot_canvas c;
    if (!r->report.rows) return;
    charts_loss(&c, &r->report, r->held ? training_passes(&r->l, r->l.kept_step, epoch_of(r)) : -1,
                "validation NLL");
    leave(r, &c, "loss.png", NULL);
}

static void draw(run *r, const outcome *e)
{
    if (!r->o.load) draw_loss(r);
    if (!r->o.load) draw_contours(r);
    draw_density(r);
    draw_all_samples(r);
    draw_errors(r, e);
}

/* The training began at the Gaussian of its data, or was to beat it; a twentieth of a nat does not count. */
static void warn_if_useless(const run *r, const outcome *e)
{
    double gaussian = 0;
    for (size_t i = 0; i < r->n_val; i++)
        gaussian += itd_gaussian_nll(r->model->gaussian, r->val + 2 * i) / (double)r->n_val;
    if (r->l.trainer->step && !(e->v.nll <= gaussian + fmax(3 * e->v.std_error, 0.05)))
        warn("the model ends at %.3f nats, worse than the %.3f of a Gaussian: try a lower --learning_rate or "
             "more --num_epochs",
             e->v.nll, gaussian);
}

static void say_outcome(const run *r, const outcome *e)
{
    const char *pictures = r->o.pictures ? "pictures" : "", *rest = "metrics.tsv and model.safetensors";
    const itd_schedule *s = &r->model->desc.schedule;
    if (r->o.load) rest = "";
    if (*pictures || *rest)
        printf("%s%s%s in %s/\n", pictures, *pictures && *rest ? ", " : "", rest, r->report.folder);
    printf("log SNR loc %.3g, scale %.3g, clip %.3g\n", s->loc, s->scale, s->clip);
    printf("-log p = %.3f +- %.3f nats, on average over the validation points; the true density gives %.3f\n",
           e->v.nll, e->v.std_error, e->true_nll);
    printf("%.4f +- %.4f nats above the true density on %d new points\n", e->excess, e->excess_error, FRESH);
}

static void print_result(const run *r, const outcome *e, double seconds)
{
    const report *p = &r->report;
    printf("result dataset=%s", r->o.dataset);
    if (r->l.trainer) printf(" epochs=%.0f", floor(training_passes(&r->l, r->l.trainer->step, epoch_of(r))));
    else printf(" epochs=na");
    printf(" params=%lu val_nll=%.4f stderr=%.4f stderr_data=%.4f true_nll=%.4f val_excess=%.4f",
           (unsigned long)itd_net_parameters(r->model->net), e->v.nll, e->v.std_error, e->v.std_error_data,
           e->true_nll, e->v.nll - e->true_nll);
    printf(" excess=%.4f excess_stderr=%.4f", e->excess, e->excess_error);
    if (e->has_suggestion)
        printf(" suggested_loc=%.1f suggested_scale=%.1f", e->suggested.loc, e->suggested.scale);
    else printf(" suggested_loc=na suggested_scale=na");
    printf(" train_seconds=%.2f total_seconds=%.2f\n", p->rows ? p->row[p->rows - 1].seconds : 0.0, seconds);
}

/* ---- the program --------------------------------------------------------------------------------------- */

static void load(run *r)
{
    itd_error error;
    if (itd_load(r->o.load, &r->model, NULL, &error) != ITD_OK) fail("%s", error.text);
    if (r->model->dim != 2)
        fail("%s: 2 dimensions expected, %lu found", r->o.load, (unsigned long)r->model->dim);
    say_plan(r, r->model);
    panels_begin(&r->panels, r->o.grid, 0, "");
    if (r->o.pictures || r->o.view) add_panel(r, r->model, 0);
}

static void show(run *r, double started)
{
    static outcome e;
    if (r->o.view && !r->viewed) view_panel(r);
    measure(r, &e);
    if (r->o.pictures) draw(r, &e);
    if (!r->o.load) warn_if_useless(r, &e);
    if (!r->o.quiet) say_outcome(r, &e);
    report_check(&r->report);
    print_result(r, &e, system_seconds() - started);
}

int main(int argc, char **argv)
{
    static run r;
    double started = system_seconds();
    must_program = "train_2d";
    system_patient_threads(argv);
    r.o = read_options(argc, argv);
#ifdef _OPENMP
    if (r.o.threads) omp_set_num_threads((int)r.o.threads);
#endif
    r.colors = system_has_colors(stdout);
    if (r.o.pictures || !r.o.load) report_begin(&r.report, r.o.out, r.o.name, &r.bar);
    prepare_points(&r);
    if (r.o.load) load(&r);
    else prepare_learning(&r), train(&r);
    if (!training_stopped()) show(&r, started);
    report_close(&r.report);
    panels_free(&r.panels);
    if (r.x != r.train) free(r.x);
    free(r.train), free(r.val);
    if (r.o.load) itd_model_free(r.model);
    else learn_free(&r.l);
    return 0;
}
