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

#include "support/charts.h"
#include "support/datasets.h"
#include "support/learn_options.h"
#include "support/plane_watch.h"
#include "support/same_run.h"
#include "support/training.h"
#include "support/weights.h"

enum { SHOWN = 800 };                 /* points in pictures of the density */
enum { FLIGHT = 16, FLYING = 800 };   /* frames and points of the animated sampling */
enum { FRESH = 20000, WATCHED = 20 }; /* points that `excess` is measured on; draws a point while training */
enum { ORIGINAL_EPOCHS = 160, FRESH_TIMES = 5 };

/* Numbers of samples from the distribution of the set: see dataset_sample. Those of the race for the range
   are their own, so that a resumed run, which has no race, goes on as it would have. */
enum { DRAW_FIRST = 1, DRAW_RACE = 1000 };
static const uint64_t draw_held = UINT32_MAX - 1, draw_evaluation = UINT32_MAX;

/* ---- options ------------------------------------------------------------------------------------------- */

typedef struct options {
    learn_options train; /* how it is trained */
    const char *dataset, *name, *out, *load, *sampler;
    size_t n, eval_batch, draws, grid, samples, steps, threads;
    int fresh, resume, quiet, pictures, view;
    char words[1200]; /* what a run has to have in common with the one it goes on from */
} options;

static void refuse_idle_options(const options *o, const args_table *table)
{
    if (o->load)
        args_refuse_idle(table, "fresh resume " LEARN_OPTIONS, "with --load, where nothing is trained");
    if (!o->pictures) args_refuse_idle(table, "samples steps sampler", "with --pictures off");
    if (!o->pictures && !o->view) args_refuse_idle(table, "grid", "with --pictures off and without --view");
}

static void refuse_data(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--data") || !strncmp(argv[i], "--data=", 7))
            fail("--data: tables of your own are for build/fit, as in: build/fit --data FILE");
}

/* The options that decide what is learned, and how; training may become longer. */
static void write_words(options *o, const args_table *table)
{
    for (size_t i = 0; i < table->count && strcmp(table->options[i].name, "Evaluation"); i++)
        if (table->options[i].kind != ARGS_GROUP && strcmp(table->options[i].name, "num_epochs"))
            args_append_word(o->words, sizeof o->words, &table->options[i]);
}

static void data_options(options *o, args_table *table)
{
    const args_option own[] = {
        args_group("Data"),
        args_choice("dataset", &o->dataset, DATASET_NAMES, "Which of the five sets to learn."),
        args_size("n", &o->n, 20, 10000000,
                  "Number of points: 90 % for training, 10 % for validation. A tenth of the training "
                  "points, 1,000 at most, are not learned but choose which weights are kept."),
        args_flag("fresh", &o->fresh, "Draw new training points in every round: no overfitting."),
        args_uint64("seed", &o->train.learn.seed, 0, UINT64_MAX,
                    "Seed of the data, the weights, the noise and the samples."),
    };
    args_add(table, own, ARGS_COUNT(own));
}

static void evaluation_options(options *o, args_table *table)
{
    const args_option own[] = {
        args_group("Evaluation"),
        args_size("eval_draws", &o->draws, 3, 1000000,
                  "Denoiser evaluations per validation point; a fifth of them for each of 20,000 new ones."),
        args_size("eval_batch_size", &o->eval_batch, 1, 1000000,
                  "Rows per call of the denoiser: memory, not results."),
        args_size("grid", &o->grid, 40, 1000, "Grid points per side of the density pictures."),
        args_size("samples", &o->samples, 1, 10000000, "Points drawn from the model at the end."),
        args_size("steps", &o->steps, 1, 100000, "Denoiser calls per sample."),
        args_choice(
            "sampler", &o->sampler, "deterministic|ancestral",
            "Deterministic (DDIM), or ancestral: with new noise in every step (DDPM), which strays less."),
        args_group("Run"),
        args_default_text(args_string("experiment_name", &o->name, "Folder of the results."), "the data set"),
        args_string("out", &o->out, "Folder that the folder of the results is in."),
        args_flag("resume", &o->resume,
                  "Continue from the checkpoint in the folder of the results; give the same options."),
        args_flag("pictures", &o->pictures, "Write pictures beside the model and the metrics."),
        args_flag("view", &o->view,
                  "Draw the density in the terminal at the end; in colours, and also while training, where "
                  "stdout is a terminal and NO_COLOR is not set."),
        args_string("load", &o->load, "Evaluate this model instead of training one."),
        args_size("threads", &o->threads, 0, 1024, "Maximum number of threads; 0: one per processor."),
        args_flag("quiet", &o->quiet, "Print only the result line."),
    };
    args_add(table, own, ARGS_COUNT(own));
}

static options read_options(int argc, char **argv)
{
    static options o; /* the option table keeps pointers into it */
    static args_option list[64];
    args_table table = {"train_2d", "Learns the density of points by information-theoretic diffusion.", list,
                        0};
    char epochs[200];
    learn_options_begin(&o.train, 2, dataset_default_count);
    snprintf(epochs, sizeof epochs,
             "as many as %lu steps take, fewer for few points, with --fresh %d times as many; with "
             "--original %d",
             (unsigned long)o.train.learn.steps, FRESH_TIMES, ORIGINAL_EPOCHS);
    o.dataset = "dino", o.out = "runs", o.sampler = "deterministic";
    o.n = dataset_default_count, o.eval_batch = 1024, o.draws = 200, o.grid = 50;
    o.samples = 3000, o.steps = 100, o.pictures = 1;
    data_options(&o, &table);
    learn_options_training(&o.train, epochs, &table);
    learn_options_schedule(&o.train, &table);
    learn_options_network(&o.train, &table);
    learn_options_original(&o.train, &table);
    evaluation_options(&o, &table);
    refuse_data(argc, argv);
    args_parse(&table, argc, argv);
    refuse_idle_options(&o, &table);
    learn_options_finish(&o.train, &table);
    if (!o.name) o.name = o.dataset;
    write_words(&o, &table);
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
    plane_watch watch; /* the density while it is learned */
} run;

/* ---- data ---------------------------------------------------------------------------------------------- */

static void prepare_points(run *r)
{
    char error[256];
    uint64_t seed = r->o.train.learn.seed;
    size_t n = r->o.n, *index = (size_t *)must_alloc(n, sizeof *index);
    float *all = (float *)must_alloc(n, 2 * sizeof *all);
    if (dataset_open(r->o.dataset, seed, &r->set, error, sizeof error)) fail("%s", error);
    dataset_sample(&r->set, 0, n, all);
    r->n_train = dataset_split(n, seed, index);
    r->n_val = n - r->n_train;
    r->train = (float *)must_alloc(r->n_train, 2 * sizeof *r->train);
    r->val = (float *)must_alloc(r->n_val, 2 * sizeof *r->val);
    dataset_gather(all, 2, r->n_train, index, r->train);
    dataset_gather(all, 2, r->n_val, index + r->n_train, r->val);
    free(index), free(all);
}

/* Of the training points, the last ones choose which weights are kept. The original code chooses none: it
   keeps those at the end of the training. */
static void divide_points(run *r)
{
    r->held = r->o.train.original ? 0 : r->o.fresh ? LEARN_HELD_MAX : learn_held(r->n_train);
    r->teaching = r->n_train - (r->o.fresh ? 0 : r->held);
    r->x = r->train;
}

/* With --fresh, there are as many points to learn as a round takes, and those that choose are new as well. */
static void draw_fresh_points(run *r)
{
    const learn_desc *d = &r->o.train.learn;
    r->teaching = ((size_t)(d->steps / LEARN_ROUNDS) + 1) * d->trainer.batch;
    r->x = (float *)must_alloc(r->teaching + r->held, 2 * sizeof *r->x);
    dataset_sample(&r->set, DRAW_FIRST, r->teaching, r->x);
    dataset_sample(&r->set, draw_held, r->held, r->x + 2 * r->teaching);
}

/* ---- model --------------------------------------------------------------------------------------------- */

/* Steps of the whole training. */
static uint64_t training_steps(const run *r)
{
    const learn_options *o = &r->o.train;
    size_t epochs = !o->has_epochs && o->original ? ORIGINAL_EPOCHS : o->epochs;
    if (!o->has_epochs && !o->original)
        return (r->o.fresh ? FRESH_TIMES : 1) * learn_desc_default(2, r->n_train, 0).steps;
    if (o->learn.trainer.drop_incomplete) return itd_train_steps(&o->learn.trainer, r->teaching, epochs);
    return learn_steps_of_epochs(&o->learn, r->teaching, epochs);
}

/* Points that an epoch takes. */
static size_t epoch_of(const run *r)
{
    const itd_trainer_desc *t = &r->o.train.learn.trainer;
    size_t n = r->o.fresh ? r->n_train : r->teaching;
    return t->drop_incomplete ? n / t->batch * t->batch : n;
}

static void prepare_learning(run *r)
{
    learn_desc *d = &r->o.train.learn;
    divide_points(r);
    if (d->trainer.drop_incomplete && d->trainer.batch > r->teaching)
        fail("--train_batch_size: at most the %lu training points, %lu found", (unsigned long)r->n_train,
             (unsigned long)d->trainer.batch);
    learn_set_steps(d, training_steps(r), learn_options_cosine(&r->o.train));
    if (r->o.fresh) draw_fresh_points(r);
}

static void resume(run *r)
{
    same_run_require_options(report_path(&r->report, "training.safetensors"), r->o.words);
    training_resume(&r->l, &r->o.train.learn, &r->report, r->x, r->teaching + r->held, r->held);
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
    printf("threads %d; evaluation: %lu draws a point, %lu rows a call\n", system_threads(),
           (unsigned long)r->o.draws, (unsigned long)r->o.eval_batch);
    fflush(stdout);
}

/* ---- estimates ----------------------------------------------------------------------------------------- */

static itd_nll_desc nll_desc_of(const run *r, itd_model *m, size_t draws)
{
    itd_nll_desc d = itd_model_nll_desc(m);
    d.draws = draws, d.batch = r->o.eval_batch, d.seed = r->o.train.learn.seed;
    return d;
}

static itd_nll_result estimate(const run *r, itd_model *m, const float *x, size_t n, size_t draws,
                               double *each)
{
    itd_denoiser den = itd_model_denoiser(m);
    itd_nll_desc d = nll_desc_of(r, m, draws);
    itd_nll_result result;
    if (r->o.train.original) d.cancel = d.stratified = d.allocate = false, d.reference = NULL;
    must(itd_nll(&den, x, n, &d, &result, each, NULL), "estimating the likelihood");
    return result;
}

/* ---- training ------------------------------------------------------------------------------------------ */

static void show_density(run *r)
{
    itd_nll_desc d = nll_desc_of(r, r->l.model, 0);
    plane_watch_due(&r->watch, r->l.model, &d, r->l.trainer->step);
}

static void before_round(void *context)
{
    run *r = (run *)context;
    const learner *l = &r->l;
    show_density(r);
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

/* The weights that are kept become the model's; if they are not the last ones, they get their own panel. */
static void keep_best(run *r)
{
    learner *l = &r->l;
    int other = l->n_held && l->kept_step != l->trainer->step;
    itd_nll_desc d;
    show_density(r);
    learn_end(l);
    r->model = l->model;
    if (other && r->watch.panels.count) {
        d = nll_desc_of(r, l->model, 0);
        r->watch.panels.has_kept = 1;
        plane_watch_add(&r->watch, l->model, &d, l->kept_step);
    }
    if (l->kept && !r->o.quiet)
        printf("kept: the weights after step %lu of %lu, directions of lengths %g to %g\n",
               (unsigned long)l->kept_step, (unsigned long)l->trainer->step, l->model->desc.mlp.frequency_min,
               l->model->desc.mlp.frequency_max);
}

static void train(run *r)
{
    const training_note notes[2] = {{"options", r->o.words}, {NULL, NULL}};
    training_loop t;
    if (r->o.resume) resume(r);
    else learn_begin(&r->l, &r->o.train.learn, r->x, r->teaching + r->held, r->held);
    say_plan(r, r->l.model);
    panels_begin(&r->watch.panels, r->o.grid, r->o.train.learn.steps, report_path(&r->report, "panels.bin"));
    if (r->o.resume) panels_recall(&r->watch.panels, r->l.trainer->step);
    training_begin(&t, &r->l, &r->report, notes);
    t.before = before_round, t.measure = watch_validation, t.ctx = r, t.epoch = epoch_of(r);
    t.quiet = r->o.quiet, t.asked = r->o.train.epochs;
    training_say_end(&t, training_run(&t));
    if (!stop_asked()) keep_best(r);
}

/* ---- evaluation ---------------------------------------------------------------------------------------- */

typedef struct outcome {
    itd_nll_result v;                      /* of the validation points */
    double true_nll, excess, excess_error; /* of the same; of new points, with one standard error over them */
    double alpha[CHARTS_CURVE], mse[CHARTS_CURVE], gaussian[CHARTS_CURVE];
    itd_schedule suggested;
    int has_suggestion;
} outcome;

/* On new points: the excess of each one is an estimate of the excess of the model. */
static void measure_excess(const run *r, outcome *e)
{
    size_t draws = r->o.draws / 5 > 3 ? r->o.draws / 5 : 3, kinds;
    float *x = (float *)must_alloc(FRESH, 2 * sizeof *x);
    double *nll = (double *)must_alloc(2 * FRESH, sizeof *nll), *truth = nll + FRESH;
    dataset_sample(&r->set, draw_evaluation, FRESH, x);
    estimate(r, r->model, x, FRESH, draws, nll);
    for (size_t i = 0; i < FRESH; i++)
        truth[i] = dataset_true_nll(&r->set, (double)x[2 * i], (double)x[2 * i + 1]);
    e->excess = copies_mean(nll, truth, FRESH, NULL, &e->excess_error, &kinds);
    free(x), free(nll);
}

static size_t shown(size_t n) { return n < SHOWN ? n : SHOWN; }

static void measure(const run *r, outcome *e)
{
    itd_denoiser den = itd_model_denoiser(r->model);
    e->v = estimate(r, r->model, r->val, r->n_val, r->o.draws, NULL);
    e->true_nll = dataset_mean_true_nll(&r->set, r->n_val, r->val, NULL);
    measure_excess(r, e);
    charts_range(&r->model->desc.schedule, e->alpha);
    must(itd_mse_curve(&den, r->val, shown(r->n_val), e->alpha, CHARTS_CURVE, r->o.train.learn.seed, e->mse,
                       NULL, e->gaussian),
         "measuring the error curve");
    e->has_suggestion = itd_schedule_from_mse(e->alpha, e->mse, e->gaussian, CHARTS_CURVE, 2,
                                              &e->suggested) == ITD_OK;
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
    const char *comma = r->o.pictures && !r->o.load ? ", " : "";
    const itd_schedule *s = &r->model->desc.schedule;
    if (r->o.pictures || !r->o.load)
        printf("%s%s%s in %s/\n", r->o.pictures ? "pictures" : "", comma,
               r->o.load ? "" : "metrics.tsv and model.safetensors", r->report.folder);
    printf("log SNR loc %.3g, scale %.3g, clip %.3g\n", s->loc, s->scale, s->clip);
    printf("-log p = %.3f +- %.3f nats, on average over the validation points; the true density gives %.3f\n",
           e->v.nll, e->v.std_error, e->true_nll);
    printf("%.4f +- %.4f nats above the true density on %d new points\n", e->excess, e->excess_error, FRESH);
}

static void print_result(const run *r, const outcome *e, double seconds)
{
    const report *p = &r->report;
    printf("result dataset=%s", r->o.dataset);
    if (r->l.trainer) printf(" epochs=%lu", training_epochs(&r->l, epoch_of(r), r->o.train.epochs));
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

/* ---- pictures ------------------------------------------------------------------------------------------ */

/* A picture of the run as it ended. tag: in TensorBoard, or NULL. */
static void leave(run *r, plot_canvas *c, const char *file, const char *tag)
{
    report_image(&r->report, c, file, tag, r->l.trainer ? r->l.trainer->step : 0);
}

static void draw_training(run *r)
{
    double kept = r->held ? training_passes(&r->l, r->l.kept_step, epoch_of(r)) : -1;
    plot_canvas c;
    if (r->report.rows) {
        charts_loss(&c, &r->report, kept, "validation NLL");
        leave(r, &c, "loss.png", NULL);
    }
    plane_draw_contours(&c, &r->watch.panels, r->val, shown(r->n_val));
    leave(r, &c, "contours.png", "contours");
}

static void draw_density(run *r)
{
    size_t side = 2 * r->o.grid;
    double *values = (double *)must_alloc(side, side * sizeof *values);
    itd_nll_desc d = nll_desc_of(r, r->model, 2 * PANELS_DRAWS);
    plot_canvas c;
    char title[80];
    panels_density(r->model, &d, side, panels_last(&r->watch.panels), r->watch.panels.side, values);
    snprintf(title, sizeof title, "%s: learned density and validation points", r->o.dataset);
    plane_draw_density(&c, values, side, title, r->val, shown(r->n_val));
    leave(r, &c, "density.png", NULL);
    free(values);
}

static void draw_animation(run *r, const watched *w, const float *samples)
{
    const char *path = report_path(&r->report, "anim.png");
    plot_animation film;
    plot_animation_init(&film, PANELS_WIDTH, PANELS_HEIGHT, 3);
    plane_film_panels(&film, &r->watch.panels);
    plane_film_sampling(&film, &r->watch.panels, w, samples);
    if (plot_animation_write(&film, path)) lose(path);
    plot_animation_free(&film);
}

static void draw_samples(run *r)
{
    itd_sample_desc d = itd_model_sample_desc(r->model);
    size_t n = r->o.samples;
    float *samples = (float *)must_alloc(n, 2 * sizeof *samples);
    itd_denoiser den;
    watched w;
    plot_canvas c;
    d.steps = r->o.steps, d.seed = r->o.train.learn.seed;
    d.sampler = strcmp(r->o.sampler, "ancestral") ? ITD_DETERMINISTIC : ITD_ANCESTRAL;
    den = watched_denoiser(&w, itd_model_denoiser(r->model), n < FLYING ? n : FLYING, d.batch, d.steps,
                           FLIGHT);
    must(itd_sample(&den, &d, n, samples), "sampling");
    plane_draw_samples(&c, r->train, n < r->n_train ? n : r->n_train, samples, n);
    leave(r, &c, "samples.png", "samples");
    draw_animation(r, &w, samples);
    watched_free(&w), free(samples);
}

/* The quartiles are those of the suggested schedule, or else of the one in use. */
static void draw_errors(run *r, const outcome *e)
{
    plot_canvas c;
    const itd_schedule *s = &e->suggested;
    char note[160], text[60] = "hardly below the Gaussian's error: nothing to suggest";
    if (e->has_suggestion)
        snprintf(text, sizeof text, "suggested loc %.2f, scale %.2f, clip %.2f", s->loc, s->scale, s->clip);
    snprintf(note, sizeof note, "\xe2\x88\x92log p(x) = %.3f \xc2\xb1 %.3f nats\n%s", e->v.nll,
             e->v.std_error, text);
    charts_errors(&c, e->alpha, e->mse, e->gaussian, 2,
                  e->has_suggestion ? &e->suggested : &r->model->desc.schedule, note);
    leave(r, &c, "mse.png", "mses");
}

static void draw(run *r, const outcome *e)
{
    if (!r->o.load) draw_training(r);
    draw_density(r);
    draw_samples(r);
    draw_errors(r, e);
}

/* ---- the program --------------------------------------------------------------------------------------- */

static void load_model(run *r)
{
    itd_nll_desc d;
    must_load_model(r->o.load, &r->model, NULL);
    if (r->model->dim != 2)
        fail("%s: 2 dimensions expected, %lu found", r->o.load, (unsigned long)r->model->dim);
    say_plan(r, r->model);
    d = nll_desc_of(r, r->model, 0);
    panels_begin(&r->watch.panels, r->o.grid, 0, "");
    if (r->o.pictures || r->o.view) plane_watch_add(&r->watch, r->model, &d, 0);
}

static void show(run *r, double started)
{
    static outcome e;
    if (r->o.view && !r->watch.viewed) plane_watch_view(&r->watch);
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
    system_set_threads(r.o.threads);
    plane_watch_begin(&r.watch, &r.report, &r.bar);
    r.watch.view = r.o.view, r.watch.pictures = r.o.pictures;
    if (r.o.pictures || !r.o.load) report_begin(&r.report, r.o.out, r.o.name, &r.bar);
    prepare_points(&r);
    if (r.o.load) load_model(&r);
    else prepare_learning(&r), train(&r);
    if (!stop_asked()) show(&r, started);
    report_close(&r.report), panels_free(&r.watch.panels);
    if (r.o.fresh) free(r.x);
    free(r.train), free(r.val);
    if (r.o.load) itd_model_free(r.model);
    else learn_free(&r.l);
    return must_have_printed();
}
