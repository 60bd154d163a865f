/* train_cifar10.c: learns the density of CIFAR-10's images (or of synthetic ones with a known law) with a
 * U-Net, estimates their likelihood, samples and denoises.
 *   sh data/get_cifar10.sh && make && build/train_cifar10 --hours 1
 * --help explains the options. Metrics (also for TensorBoard), pictures and the model go to runs/NAME/. The
 * last line of output is
 *   result dataset=cifar10 params=... images_seen=... val_nll=... stderr=... bits_per_dim=... seconds=... */
#include "support/progress.h" /* first: it asks the system headers for POSIX */

#define ITD_FSYNC(file) system_sync(file)
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "support/args.h"
#include "support/cifar10.h"
#include "support/fields.h"
#include "support/folder.h"
#include "support/grid.h"
#include "support/must.h"
#include "support/plot.h"
#include "support/tfevents.h"
#include "support/watch.h"
#include "support/workers.h"

#include <signal.h>

#ifdef _OPENMP
#include <omp.h>
#endif

enum { SIDE = 32, DIM = SIDE * SIDE * 3, CURVE = 33, FIT = 10000, SYNTHETIC_TEST = 2000, MOST_MODELS = 8 };
#define SHIPPED "data/cifar10-small.safetensors"
#define FIRST_TEST ((uint64_t)1 << 31) /* fields: training images come before */

/* ---- options ------------------------------------------------------------------------------------------- */

typedef struct options {
    const char *data, *name, *out, *load, *logistic, *features, *sampler, *pretrained, *prefix, *step, *with,
        *per_sample, *reference, *curves, *half;
    size_t n, batch, rows, eval_batch, eval_images, epochs, blocks, attention, draws, samples, steps, threads,
        warmup;
    double hours, minutes, eval_minutes, learning_rate, loc, scale, clip, ema, clip_norm, weight_limit,
        std_error;
    uint64_t seed;
    int synthetic, flips, resume, quiet, eval, denoise, pictures;
} options;

static volatile sig_atomic_t stop_asked;

static void ask_to_stop(int signal_number)
{
    (void)signal_number;
    stop_asked = 1;
}

static options read_options(int argc, char **argv)
{
    static options o; /* the option table keeps pointers into it */
    o.data = "data/cifar-10-batches-bin", o.out = "runs", o.logistic = "", o.features = "64,96,96";
    o.sampler = "deterministic", o.prefix = "", o.step = "table",
    o.with = o.per_sample = o.curves = o.half = "", o.reference = "full";
    o.n = 50000, o.batch = 16, o.eval_batch = 64, o.eval_images = 10000, o.blocks = 1, o.draws = 5;
    o.steps = 50, o.warmup = 100, o.hours = 1, o.minutes = 5, o.eval_minutes = 10;
    o.learning_rate = 1e-3, o.clip = 4, o.ema = 0.999, o.clip_norm = 1, o.weight_limit = 1.5;
    o.flips = o.pictures = 1;
    args_option list[] = {
        args_group("Data"),
        args_string("data", &o.data,
                    "Folder of the binary version of CIFAR-10; sh data/get_cifar10.sh gets it."),
        args_flag("synthetic", &o.synthetic,
                  "Gaussian random fields of a known law instead, new ones in every step."),
        args_size("n", &o.n, 1, 50000, "Only the first N training images."),
        args_flag("flips", &o.flips, "Show images mirrored half of the time."),
        args_uint64("seed", &o.seed, 0, UINT64_MAX, "Of weights, noise, order and samples."),
        args_group("Training"),
        args_double("hours", &o.hours, 0, 10000,
                    "Of training, all resumed runs together; the learning rate falls "
                    "to zero on the way."),
        args_default_text(
            args_size("num_epochs", &o.epochs, 0, 1000000, "Passes over the data instead of hours."), "none"),
        args_size("train_batch_size", &o.batch, 1, 65536, "Images per step."),
        args_size("rows", &o.rows, 0, 65536, "Of them in memory at once, which changes no result; 0: all."),
        args_double("learning_rate", &o.learning_rate, 0, 1, "Of Adam, at its highest."),
        args_size("warmup", &o.warmup, 0, 1000000, "Steps of linear rise to it."),
        args_double("ema", &o.ema, 0, 0.999999, "Decay of the weights' moving average; 0: none."),
        args_double("clip_norm", &o.clip_norm, 0, 1e9, "Largest norm of the gradient; 0: no limit."),
        args_double(
            "weight_limit", &o.weight_limit, 0, 1e9,
            "The gradient sees the weights of log SNRs limited to so many times the least; 0: as they are."),
        args_group("Log SNR"),
        args_default_text(
            args_string("logistic_params", &o.logistic, "LOC,SCALE of the distribution of log SNRs."),
            "6,3; of synthetic images: what suits their spectrum"),
        args_double("logsnr_clip", &o.clip, 1, 20, "The distribution is cut at so many scales."),
        args_group("Network"),
        args_string(
            "pretrained", &o.pretrained,
            "Start from these weights of google/ddpm-cifar10-32 (diffusion_pytorch_model.safetensors), and "
            "with its network; learning rate 1e-4, 50 epochs unless given."),
        args_default_text(
            args_string("prefix", &o.prefix, "What the names of the tensors in that file begin with."),
            "none"),
        args_choice(
            "step", &o.step, "table|exact",
            "Which step of the pretrained network a log SNR is: by the paper's table, or interpolated."),
        args_string("features", &o.features, "Channels of the levels, each half as high and wide."),
        args_size("blocks", &o.blocks, 1, 8, "Residual blocks a level."),
        args_size("attention", &o.attention, 0, 127,
                  "Sum of 2^l for levels l with attention; 2^levels: middle."),
        args_group("Likelihood"),
        args_flag("eval", &o.eval, "Only estimate the likelihood of the test images."),
        args_size("eval_images", &o.eval_images, 2, 1000000, "At most so many test images."),
        args_size("eval_draws", &o.draws, 2, 1000000, "Denoiser evaluations per image."),
        args_double("stderr", &o.std_error, 0, 1e9,
                    "Bits/dim: as many evaluations as this standard error takes; 0: --eval_draws."),
        args_choice(
            "reference", &o.reference, "full|axes",
            "Gaussian to compare with: of the full covariance of all training images (a minute or two, once; "
            "kept in the folder of the results), or of each number by itself."),
        args_default_text(
            args_string("with", &o.with, "More checkpoints, with commas between, for an ensemble."), "none"),
        args_default_text(args_string("per_sample", &o.per_sample, "Likelihood of each test image, as TSV."),
                          "none"),
        args_size("eval_batch_size", &o.eval_batch, 1, 65536, "Images per call: memory, not results."),
        args_group("Samples"),
        args_size("sample", &o.samples, 0, 100000, "Only draw so many images from the model."),
        args_size("steps", &o.steps, 1, 100000, "Denoiser calls per sample."),
        args_choice("sampler", &o.sampler, "deterministic|ancestral", "DDIM or DDPM, in log SNR."),
        args_flag("denoise", &o.denoise, "Only show test images, noisy and denoised."),
        args_flag("pictures", &o.pictures, "After training, leave pictures beside model and metrics."),
        args_group("Run"),
        args_default_text(args_string("experiment_name", &o.name, "Folder of the results."), "the data set"),
        args_string("out", &o.out, "Folder of the folders."),
        args_default_text(args_string("load", &o.load, "Use this checkpoint; no training."),
                          "the one in the folder of the results, or else " SHIPPED),
        args_flag("resume", &o.resume,
                  "Go on from the checkpoint in the folder of the results. A run that is interrupted leaves "
                  "one, and ends with status 0."),
        args_double("checkpoint_minutes", &o.minutes, 0.01, 10000, "Between checkpoints."),
        args_double("eval_minutes", &o.eval_minutes, 0.01, 10000, "Between estimates on 1,000 test images."),
        args_default_text(
            args_string("curves", &o.curves,
                        "Only draw learning curves from these files metrics.tsv, commas between, "
                        "into learning.png."),
            "none"),
        args_default_text(
            args_string("half", &o.half,
                        "Only write the model to this file, in half precision, for passing on."),
            "none"),
        args_size("threads", &o.threads, 0, 1024, "At most so many; 0: one per processor."),
        args_flag("quiet", &o.quiet, "Only the result line."),
    };
    args_table table = {"train_cifar10", "Learns the density of images by information-theoretic diffusion.",
                        list, ARGS_COUNT(list)};
    char end;
    args_parse(&table, argc, argv);
    o.loc = 6, o.scale = 3;
    if (*o.logistic && (sscanf(o.logistic, "%lf,%lf%c", &o.loc, &o.scale, &end) != 2 || !(o.scale > 0)))
        fail("--logistic_params: two numbers LOC,SCALE with SCALE > 0 expected, '%s' found", o.logistic);
    if (o.pretrained && !args_given(&table, &o.learning_rate)) o.learning_rate = 1e-4;
    if (o.pretrained && !args_given(&table, &o.weight_limit)) o.weight_limit = 0;
    if (o.pretrained && !args_given(&table, &o.epochs)) o.epochs = 50;
    if (o.epochs && !args_given(&table, &o.hours)) o.hours = 0;
    if (!o.name) o.name = o.synthetic ? "synthetic" : "cifar10";
    return o;
}

/* ---- the run ------------------------------------------------------------------------------------------- */

typedef struct run {
    options o;
    cifar10 train_set, test_set; /* unless synthetic */
    fields *field;
    size_t n_train, n_test;
    float *test, *batch; /* (n_test,DIM), (batch,DIM) */
    size_t *index;       /* (batch) images of a step */
    itd_model *model;
    itd_model *more[MOST_MODELS]; /* of the ensemble */
    size_t models;                /* the first included */
    itd_gaussian *reference;
    itd_trainer *trainer;
    itd_workers workers; /* the first saves, estimates and speaks */
    char folder[1024];
    FILE *metrics;
    tfevents events; /* the same for TensorBoard */
    progress bar;
    char command[1024];     /* as it was typed */
    double seconds;         /* of training, in all runs */
    double recorded;        /* of them at the last record */
    uint64_t recorded_step; /* there */
    double best;            /* estimate on some test images, nats */
    double recent;          /* moving average of the loss */
} run;

static const char *path_of(const run *r, const char *file) { return folder_path(r->folder, file); }

/* What a density on [-1,1] in nats is in bits per dimension there, and for values 0 .. 255. */
static double bits(double nats) { return nats / (DIM * log(2.0)); }
static double bits_255(double nats) { return bits(nats) + log(127.5) / log(2.0); }

static void prepare_data(run *r)
{
    char error[512];
    size_t i;
    if (r->o.synthetic) {
        fields_desc desc = fields_desc_default(SIDE, r->o.seed);
        itd_schedule s;
        must(fields_create(&desc, &r->field), "preparing the fields");
        must(itd_schedule_from_spectrum(r->field->lambda, DIM, ITD_SPECTRUM_PAPER, &s), "choosing log SNRs");
        if (!*r->o.logistic) r->o.loc = s.loc, r->o.scale = s.scale;
        r->n_train = 50000, r->n_test = SYNTHETIC_TEST;
    } else {
        if (cifar10_read(r->o.data, "train", &r->train_set, error, sizeof error)) fail("%s", error);
        if (cifar10_read(r->o.data, "test", &r->test_set, error, sizeof error)) fail("%s", error);
        r->n_train = r->train_set.n, r->n_test = r->test_set.n;
    }
    if (r->n_train > r->o.n) r->n_train = r->o.n;
    if (r->n_test > r->o.eval_images) r->n_test = r->o.eval_images;
    r->test = (float *)must_alloc(r->n_test, DIM * sizeof *r->test);
    for (i = 0; i < r->n_test; i++)
        if (r->o.synthetic) fields_sample(r->field, FIRST_TEST + i, r->test + i * DIM);
        else cifar10_floats(r->test_set.pixels + i * DIM, 0, r->test + i * DIM);
}

static void training_image(const run *r, size_t index, int flip, float *x)
{
    if (r->o.synthetic) fields_sample(r->field, index % FIRST_TEST, x);
    else cifar10_floats(r->train_set.pixels + index * DIM, flip, x);
}

static itd_unet_desc unet_desc_of(const run *r)
{
    itd_unet_desc d = itd_unet_desc_default();
    const char *text = r->o.features;
    if (r->o.pretrained) {
        d = itd_unet_desc_ddpm_cifar10();
        d.time = strcmp(r->o.step, "table") ? ITD_TIME_EXACT : ITD_TIME_TABLE;
        return d;
    }
    memset(d.features, 0, sizeof d.features);
    for (d.levels = 0; *text && d.levels < ITD_MOST_LEVELS; d.levels++) {
        char *end;
        d.features[d.levels] = (size_t)strtoul(text, &end, 10);
        if (end == text || d.features[d.levels] % d.groups || (*end && *end != ',')) break;
        text = *end ? end + 1 : end;
    }
    if (*text || !d.levels)
        fail("--features: up to %d multiples of %d with commas between expected, '%s' found", ITD_MOST_LEVELS,
             (int)d.groups, r->o.features);
    d.blocks = r->o.blocks, d.attention = r->o.attention;
    d.hidden = 4 * d.features[0];
    return d;
}

static void begin_model(run *r)
{
    itd_model_desc md = itd_model_desc_default(DIM);
    itd_trainer_desc td = itd_trainer_desc_default();
    itd_error error;
    size_t i, n = r->n_train < FIT ? r->n_train : FIT;
    float *x = (float *)must_alloc(n, DIM * sizeof *x);
    md.unet = unet_desc_of(r);
    md.variance = 0.25;
    md.schedule.loc = r->o.loc, md.schedule.scale = r->o.scale, md.schedule.clip = r->o.clip;
    md.normalize = false;
    if (r->o.pretrained) md.parameterization = ITD_PLAIN; /* it predicts the noise itself */
    td.batch = r->o.batch, td.rows = r->o.rows, td.seed = r->o.seed, td.learning_rate = r->o.learning_rate,
    td.warmup = r->o.warmup;
    td.ema = r->o.ema, td.clip_norm = r->o.clip_norm, td.weight_limit = r->o.weight_limit;
    if (r->o.epochs) td.steps = itd_train_steps(&td, r->n_train, r->o.epochs);
    must(itd_model_create(&md, r->o.seed, &r->model), "creating the network");
    for (i = 0; i < n; i++) training_image(r, i, 0, x + i * DIM);
    must(itd_model_fit(r->model, x, n), "fitting the Gaussian");
    must(itd_trainer_create(r->model, &td, &r->trainer), "preparing the training");
    if (r->o.pretrained && itd_load_weights(r->model, r->o.pretrained, r->o.prefix, &error) != ITD_OK)
        fail("%s", error.text);
    free(x);
}

/* What is used without training: as asked for, else what was trained here, else what came along. */
static const char *model_to_load(const run *r)
{
    FILE *file;
    if (r->o.load) return r->o.load;
    file = fopen(path_of(r, "model.safetensors"), "rb");
    if (!file && !r->o.synthetic) return SHIPPED;
    if (file) fclose(file);
    return path_of(r, "model.safetensors");
}

static void load_model(run *r, const char *path, int training)
{
    itd_error error;
    if (itd_load(path, &r->model, &r->trainer, &error) != ITD_OK &&
        (training || itd_load(path, &r->model, NULL, &error) != ITD_OK))
        fail("%s", error.text);
    if (r->model->dim != DIM)
        fail("%s: images of 32 x 32 x 3 = %d numbers expected, %lu found", path, DIM,
             (unsigned long)r->model->dim);
    if (training && r->o.epochs)
        r->trainer->desc.steps = itd_train_steps(&r->trainer->desc, r->n_train, r->o.epochs);
}

static void save_model(const run *r, const char *file)
{
    itd_error error;
    if (itd_save(r->model, r->trainer, path_of(r, file), &error) != ITD_OK) fail("%s", error.text);
}

/* As the original computes it, with its schedule, no rounding and no clamping, but with less noise. */
static itd_nll_result validate(const run *r, size_t images, size_t draws)
{
    itd_denoiser den = itd_model_denoiser(r->model);
    itd_nll_desc d = itd_model_nll_desc(r->model);
    itd_nll_result result;
    d.draws = draws, d.batch = r->o.eval_batch, d.seed = r->o.seed;
    must(itd_nll(&den, r->test, images < r->n_test ? images : r->n_test, &d, &result, NULL, NULL),
         "estimating the likelihood");
    return result;
}

/* ---- training ------------------------------------------------------------------------------------------ */

enum { M_STEP, M_IMAGES, M_LOSS, M_NLL, M_ERROR, M_RATE, M_SECONDS, METRICS };

/* One row of metrics.tsv; NaN where nothing was estimated. */
static int parse_metrics(const char *line, double row[METRICS])
{
    return sscanf(line, "%lf %lf %lf %lf %lf %lf %lf", &row[M_STEP], &row[M_IMAGES], &row[M_LOSS],
                  &row[M_NLL], &row[M_ERROR], &row[M_RATE], &row[M_SECONDS]) == METRICS;
}

/* Watching must not end what is watched. */
static void check_events(run *r)
{
    if (!tfevents_lost(&r->events)) return;
    progress_clear(&r->bar);
    warn("%s: cannot be written; the run goes on without it", r->events.path);
}

/* The rows of an earlier run up to the step of the checkpoint stay, and the commands that made them. */
static void open_metrics(run *r)
{
    static char rows[1 << 20], line[2048];
    FILE *file = r->o.resume ? fopen(path_of(r, "metrics.tsv"), "r") : NULL;
    size_t used = 0;
    double row[METRICS];
    while (file && fgets(line, sizeof line, file)) {
        int numbers = parse_metrics(line, row);
        if (!numbers && *line != '#') continue;
        if ((numbers && row[M_STEP] > (double)r->trainer->step) || used + strlen(line) + 1 > sizeof rows)
            break;
        memcpy(rows + used, line, strlen(line) + 1);
        used += strlen(line);
        if (!numbers) continue;
        r->seconds = row[M_SECONDS], r->recent = row[M_LOSS];
        if (!(row[M_NLL] >= r->best)) r->best = row[M_NLL];
    }
    if (file) fclose(file);
    r->recorded = r->seconds, r->recorded_step = r->trainer->step;
    if (r->workers.index > 0) return;
    r->metrics = fopen(path_of(r, "metrics.tsv"), "w");
    if (!r->metrics) fail("%s/metrics.tsv: cannot be written", r->folder);
    fprintf(r->metrics, "step\timages\ttrain_loss\tval_nll\tval_stderr\tlearning_rate\tseconds\n%s# %s\n",
            rows, r->command);
    fflush(r->metrics);
    tfevents_open(&r->events, r->folder, r->o.resume ? r->trainer->step + 1 : 0);
    check_events(r);
}

static void record_events(run *r, double nll)
{
    uint64_t step = r->trainer->step, images = (step - r->recorded_step) * r->trainer->desc.batch;
    double seconds = r->seconds - r->recorded;
    if (nll <= DBL_MAX) tfevents_scalar(&r->events, step, "val_loss", nll);
    if (images > 0) { /* else they are there already */
        tfevents_scalar(&r->events, step, "train_loss", r->recent);
        tfevents_scalar(&r->events, step, "learning_rate", r->trainer->learning_rate);
        if (seconds > 0) tfevents_scalar(&r->events, step, "images_per_second", (double)images / seconds);
    }
    r->recorded = r->seconds, r->recorded_step = step;
    check_events(r);
}

static void record(run *r, double nll, double error)
{
    record_events(r, nll);
    fprintf(r->metrics, "%lu\t%lu\t%.3f\t%.3f\t%.3f\t%.6g\t%.1f\n", (unsigned long)r->trainer->step,
            (unsigned long)(r->trainer->step * r->trainer->desc.batch), r->recent, nll, error,
            r->trainer->learning_rate, r->seconds);
    fflush(r->metrics);
}

/* Flips have a stream of random numbers of their own. */
static void gather_batch(run *r)
{
    size_t i, batch = r->trainer->desc.batch;
    itd_rng rng = itd_rng_make(r->o.seed ^ 0x666c6970, r->trainer->step);
    if (r->o.synthetic) /* new ones in every step */
        for (i = 0; i < batch; i++) r->index[i] = (size_t)r->trainer->step * batch + i;
    else must(itd_train_indices(r->trainer, r->n_train, r->index), "ordering the data");
    for (i = 0; i < batch; i++)
        training_image(r, r->index[i], r->o.flips && itd_rng_below(&rng, 2), r->batch + i * DIM);
}

/* With --hours the learning rate follows the clock: `steps` is where the cosine would end at this pace. */
static void pace(run *r)
{
    double part = r->seconds / (3600 * r->o.hours);
    uint64_t step = r->trainer->step, warmup = r->trainer->desc.warmup;
    if (r->o.hours <= 0) return;
    r->trainer->desc.steps = step <= warmup || part <= 0
                                 ? 0
                                 : warmup + 1 + (uint64_t)((double)(step - warmup) / part);
}

/* Whether there is more to train; workers agree on the time, and stop together. */
static int go_on(run *r)
{
    double state[2];
    state[0] = r->seconds, state[1] = stop_asked;
    workers_agree(state, 2);
    r->seconds = state[0], stop_asked = state[1] > 0;
    if (stop_asked) return 0;
    return r->o.hours > 0 ? r->seconds < 3600 * r->o.hours : r->trainer->step < r->trainer->desc.steps;
}

static void estimate(run *r)
{
    itd_nll_result v = validate(r, 1000, 4);
    record(r, v.nll, v.std_error);
    if (v.nll < r->best) {
        r->best = v.nll;
        save_model(r, "best.safetensors");
    }
}

static void train(run *r)
{
    double saved = 0, estimated = 0, started;
    size_t total = r->o.hours > 0 ? (size_t)(3600 * r->o.hours) : (size_t)r->trainer->desc.steps;
    r->batch = (float *)must_alloc(r->trainer->desc.batch, DIM * sizeof *r->batch);
    r->index = (size_t *)must_alloc(r->trainer->desc.batch, sizeof *r->index);
    r->best = HUGE_VAL, r->recent = NAN;
    r->trainer->workers = r->workers;
    open_metrics(r);
    signal(SIGINT, ask_to_stop);
    signal(SIGTERM, ask_to_stop);
    progress_begin(&r->bar, r->o.hours > 0 ? "second" : "step", total, r->o.hours > 0 ? "s" : "steps", total,
                   r->o.quiet);
    progress_skip(&r->bar, r->o.hours > 0 ? (size_t)r->seconds : (size_t)r->trainer->step);
    while (go_on(r)) {
        double loss;
        char text[100];
        size_t done;
        started = system_seconds();
        gather_batch(r);
        pace(r);
        must(itd_train_step(r->trainer, r->batch, &loss), "training");
        r->recent = r->recent <= DBL_MAX ? 0.99 * r->recent + 0.01 * loss : loss;
        r->seconds += system_seconds() - started;
        saved += system_seconds() - started, estimated += system_seconds() - started;
        snprintf(text, sizeof text, "%lu images  %.1f images/s  loss %.0f nats, %.3f bits/dim",
                 (unsigned long)(r->trainer->step * r->trainer->desc.batch),
                 (double)r->trainer->desc.batch / (system_seconds() - started), r->recent, bits(r->recent));
        done = r->o.hours > 0 ? (size_t)r->seconds : (size_t)r->trainer->step;
        if (r->workers.index > 0) continue;
        progress_update(&r->bar, done < total ? done : total, done < total ? done : total, text);
        if (estimated > 60 * r->o.eval_minutes) estimate(r), estimated = 0;
        if (saved > 60 * r->o.minutes) save_model(r, "model.safetensors"), record(r, NAN, NAN), saved = 0;
    }
    progress_end(&r->bar);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    if (r->workers.index == 0) {
        save_model(r, "model.safetensors");
        estimate(r);
    }
    if (r->metrics) fclose(r->metrics);
    if (stop_asked && !r->o.quiet) printf("stopped; --resume goes on from %s/model.safetensors\n", r->folder);
}

/* ---- pictures ------------------------------------------------------------------------------------------ */

/* Into the folder and, under its tag unless that is NULL, into the events of a training. */
static void finish(run *r, plot_canvas *c, const char *file, const char *tag)
{
    unsigned char *png;
    size_t n;
    if (plot_canvas_encode(c, &png, &n)) fail("out of memory for a picture");
    if (plot_save(path_of(r, file), png, n)) fail("%s: cannot be written", path_of(r, file));
    if (tag && r->trainer)
        tfevents_png(&r->events, r->trainer->step, tag, png, n, (size_t)c->width, (size_t)c->height);
    check_events(r);
    free(png);
    plot_canvas_free(c);
}

/* n images side by side, `columns` in a row, each twice its size. */
static void lay_out_images(plot_canvas *c, const float *x, size_t n, size_t columns)
{
    enum { SCALE = 2, STEP = SIDE * SCALE + 2 };
    unsigned char pixels[DIM];
    size_t k, rows = (n + columns - 1) / columns;
    if (plot_canvas_init(c, (int)(columns * STEP + 2), (int)(rows * STEP + 2), plot_rgb(0xffffff)))
        fail("out of memory for a picture");
    for (k = 0; k < n; k++) {
        cifar10_bytes(x + k * DIM, DIM, pixels);
        plot_image(c, (int)(2 + k % columns * STEP), (int)(2 + k / columns * STEP), pixels, SIDE, SIDE, 3,
                   SCALE);
    }
}

static void draw_images(run *r, const float *x, size_t n, size_t columns, const char *file, const char *tag)
{
    plot_canvas c;
    lay_out_images(&c, x, n, columns);
    finish(r, &c, file, tag);
}

static size_t square_columns(size_t n)
{
    size_t columns = 1;
    while (columns * columns < n) columns++;
    return columns;
}

/* The first images on their way from noise. */
static void film_flight(const run *r, const watched *w, const float *x)
{
    size_t k, columns = square_columns(w->rows);
    plot_animation film;
    for (k = 0; k <= w->frames; k++) {
        plot_canvas c;
        lay_out_images(&c, k < w->frames ? w->z + k * w->rows * DIM : x, w->rows, columns);
        if (k == 0) plot_animation_init(&film, (size_t)c.width, (size_t)c.height, 3);
        plot_animation_add_canvas(&film, &c, k < w->frames ? 120 : 2500);
        plot_canvas_free(&c);
    }
    if (plot_animation_write(&film, path_of(r, "anim.png")))
        fail("%s: cannot be written", path_of(r, "anim.png"));
    plot_animation_free(&film);
}

static void sample_images(run *r)
{
    enum { FLYING = 16, FLIGHT = 32 }; /* images and frames of the film: about 2 MB */
    itd_denoiser den;
    itd_sample_desc d = itd_model_sample_desc(r->model);
    size_t n = r->o.samples;
    float *x = (float *)must_alloc(n, DIM * sizeof *x);
    double started = system_seconds();
    watched w;
    d.steps = r->o.steps, d.batch = r->o.eval_batch, d.seed = r->o.seed;
    d.sampler = strcmp(r->o.sampler, "ancestral") ? ITD_DETERMINISTIC : ITD_ANCESTRAL;
    den = watched_denoiser(&w, itd_model_denoiser(r->model), n < FLYING ? n : FLYING, d.batch, d.steps,
                           FLIGHT);
    must(itd_sample(&den, &d, n, x), "sampling");
    draw_images(r, x, n, square_columns(n), "samples.png", "samples");
    film_flight(r, &w, x);
    if (!r->o.quiet)
        printf("%lu samples of %lu steps in %s, the first of them on their way in anim.png (%.1f s)\n",
               (unsigned long)n, (unsigned long)r->o.steps, path_of(r, "samples.png"),
               system_seconds() - started);
    watched_free(&w);
    free(x);
}

/* Rows: log SNRs; for each of some test images the noisy image z and the estimate
   x_hat = (z - sqrt(s(-a)) eps_hat) / sqrt(s(a)). */
static void draw_denoised(run *r)
{
    static const float alphas[] = {-2, 0, 2, 4, 6, 8};
    enum { ALPHAS = sizeof alphas / sizeof *alphas, IMAGES = 6, COLUMNS = 3 * IMAGES };
    itd_denoiser den = itd_model_denoiser(r->model);
    itd_rng rng = itd_rng_make(r->o.seed, 77);
    float *all = (float *)must_alloc(ALPHAS * COLUMNS, DIM * sizeof *all), logsnr[IMAGES];
    float *z = (float *)must_alloc(3 * IMAGES, DIM * sizeof *z), *eps = z + IMAGES * DIM;
    float *eps_hat = eps + IMAGES * DIM;
    size_t a, i, j, images = r->n_test < IMAGES ? r->n_test : IMAGES;
    itd_rng_normal_fill(&rng, images * DIM, eps);
    for (a = 0; a < ALPHAS; a++) {
        double signal = sqrt(itd_sigmoid(alphas[a])), noise = sqrt(itd_sigmoid(-alphas[a]));
        for (i = 0; i < images; i++) logsnr[i] = alphas[a];
        itd_channel(r->test, eps, logsnr, images, DIM, z);
        must(den.predict(den.ctx, z, logsnr, images, eps_hat), "denoising");
        for (i = 0; i < images; i++) {
            float *row = all + (a * COLUMNS + 3 * i) * DIM;
            memcpy(row, r->test + i * DIM, DIM * sizeof *row);
            memcpy(row + DIM, z + i * DIM, DIM * sizeof *row);
            for (j = 0; j < DIM; j++)
                row[2 * DIM + j] = (float)((z[i * DIM + j] - noise * eps_hat[i * DIM + j]) / signal);
        }
    }
    draw_images(r, all, ALPHAS * COLUMNS, COLUMNS, "denoised.png", "denoised");
    if (!r->o.quiet)
        printf("image, noisy image, estimate at log SNR -2, 0, 2, 4, 6, 8 in %s\n",
               path_of(r, "denoised.png"));
    free(all), free(z);
}

/* Bits/dim for values 0 .. 255 of the test images against hours of training, a curve for each file. */
static void draw_learning(run *r, const char *files)
{
    enum { CURVES = 6, POINTS = 2000 };
    static double hours[CURVES][POINTS], nll[CURVES][POINTS];
    static char names[CURVES][200];
    size_t n[CURVES] = {0}, curves = 0, k, i;
    double last = 0, low = HUGE_VAL, high = -HUGE_VAL, row[METRICS];
    plot_entry entries[CURVES];
    plot_canvas c;
    plot_axes a;
    for (; *files && curves < CURVES; curves++) {
        size_t length = strcspn(files, ",");
        char line[2048];
        FILE *file;
        snprintf(names[curves], sizeof names[curves], "%.*s", (int)length, files);
        files += length + (files[length] == ',');
        if (!(file = fopen(names[curves], "r"))) fail("%s: cannot be opened", names[curves]);
        while (fgets(line, sizeof line, file) && n[curves] < POINTS) {
            if (!parse_metrics(line, row) || !(row[M_NLL] <= DBL_MAX)) continue;
            hours[curves][n[curves]] = row[M_SECONDS] / 3600, nll[curves][n[curves]] = bits_255(row[M_NLL]);
            last = fmax(last, hours[curves][n[curves]]), low = fmin(low, nll[curves][n[curves]]);
            if (n[curves] > 0) high = fmax(high, nll[curves][n[curves] - 1]); /* but for the last ones */
            n[curves]++;
        }
        fclose(file);
    }
    if (!(high > low)) return; /* nothing to see yet */
    if (plot_canvas_init(&c, 900, 520, plot_rgb(0xffffff))) fail("out of memory for a picture");
    high = fmin(high, low + 0.8);
    a = plot_axes_make(&c, plot_canvas_box(&c), 0, last, low - 0.05 * (high - low), high);
    a.text_size = 16;
    a.title = "-log p of test images while learning", a.x_label = "hours";
    a.y_label = "bits/dim (0 .. 255)";
    plot_axes_fit(&a);
    plot_axes_grid(&a);
    for (k = 0; k < curves; k++) {
        for (i = 0; i + 1 < n[k] && nll[k][i] > high; i++) continue; /* from where it comes into view */
        plot_line(&a, hours[k] + i, nll[k] + i, n[k] - i, plot_palette((int)k), 2.2, 0);
        entries[k].label = names[k], entries[k].color = plot_palette((int)k);
        entries[k].width = 2.2, entries[k].dash = 0;
    }
    plot_axes_draw(&a);
    if (curves > 1) plot_legend(&a, PLOT_RIGHT | PLOT_TOP, entries, (int)curves);
    finish(r, &c, "learning.png", NULL); /* its numbers are there */
}

static void draw_curve(run *r)
{
    double alpha[CURVE], mse[CURVE], error[CURVE], mmse[CURVE];
    const itd_schedule *s = &r->model->desc.schedule;
    itd_denoiser den = itd_model_denoiser(r->model);
    size_t k, n = r->n_test < 100 ? r->n_test : 100;
    plot_entry entries[2] = {{"Gaussian", plot_palette(1), 2.2, 8}, {"model", plot_palette(0), 2.2, 0}};
    plot_canvas c;
    plot_axes a;
    for (k = 0; k < CURVE; k++) alpha[k] = s->loc + s->scale * s->clip * (2.0 * (double)k / (CURVE - 1) - 1);
    must(itd_mse_curve(&den, r->test, n, alpha, CURVE, r->o.seed, mse, error, mmse),
         "measuring the error curve");
    if (plot_canvas_init(&c, 900, 520, plot_rgb(0xffffff))) fail("out of memory for a picture");
    a = plot_axes_make(&c, plot_canvas_box(&c), alpha[0], alpha[CURVE - 1], 0, 1.1 * DIM);
    a.text_size = 16;
    a.title = "denoising error against log SNR", a.x_label = "log SNR \xce\xb1";
    a.y_label = "mean squared error of \xce\xb5";
    plot_axes_fit(&a);
    plot_axes_grid(&a);
    plot_fill_between(&a, alpha, mse, mmse, CURVE, plot_alpha(plot_palette(0), 0.18));
    plot_line(&a, alpha, mmse, CURVE, plot_palette(1), 2.2, 8);
    plot_line(&a, alpha, mse, CURVE, plot_palette(0), 2.2, 0);
    plot_axes_draw(&a);
    plot_legend(&a, PLOT_LEFT | PLOT_TOP, entries, 2);
    finish(r, &c, "mse.png", "mses");
}

/* ---- likelihood ---------------------------------------------------------------------------------------- */

static void load_more(run *r)
{
    const char *at = r->o.with;
    r->more[0] = r->model, r->models = 1;
    while (*at) {
        char path[1200];
        size_t n = strcspn(at, ",");
        itd_error error;
        if (r->models == MOST_MODELS) fail("--with: at most %d checkpoints", MOST_MODELS - 1);
        snprintf(path, sizeof path, "%.*s", (int)n, at);
        if (itd_load(path, &r->more[r->models], NULL, &error) != ITD_OK) fail("%s", error.text);
        if (r->more[r->models++]->dim != DIM) fail("%s: images of %d numbers expected", path, DIM);
        at += n + (at[n] == ',');
    }
}

/* Of all training images, once: the file in the folder of the results is read the next time. */
static void find_reference(run *r)
{
    itd_error error;
    double started = system_seconds();
    float *x;
    size_t i;
    if (strcmp(r->o.reference, "full") || r->n_train < 4 * DIM || r->o.synthetic) return;
    if (itd_load_gaussian(path_of(r, "gaussian.safetensors"), &r->reference, &error) == ITD_OK) {
        if (r->reference->dim != DIM) fail("%s: not of images", path_of(r, "gaussian.safetensors"));
        return;
    }
    x = (float *)must_alloc(r->n_train, DIM * sizeof *x);
    for (i = 0; i < r->n_train; i++) training_image(r, i, 0, x + i * DIM);
    must(itd_gaussian_fit(x, r->n_train, DIM, &r->reference), "the Gaussian of the training images");
    free(x);
    if (itd_save_gaussian(r->reference, path_of(r, "gaussian.safetensors"), &error) != ITD_OK)
        fail("%s", error.text);
    if (!r->o.quiet) {
        itd_schedule s;
        must(itd_schedule_from_spectrum(r->reference->lambda, DIM, ITD_SPECTRUM_PAPER, &s), "its spectrum");
        printf("Gaussian of %lu images: entropy %.4f bits/dim, spectrum loc %.5f scale %.5f (%.0f s)\n",
               (unsigned long)r->n_train, bits(itd_gaussian_entropy(r->reference)), s.loc, s.scale,
               system_seconds() - started);
    }
}

/* The denoisers that are measured, and the columns of the table: of each model its variants, then z itself,
   rounded; the reference follows them. Synthetic fields are on no grid: their models are measured as they
   are. */
enum { VARIANTS = 4, MOST_COLUMNS = MOST_MODELS * VARIANTS + 2, BINS = 32 };
static const grid bytes = {-1, 1, 256};

typedef struct denoisers {
    grid_variants *of_model[MOST_MODELS];
    itd_denoiser column[MOST_COLUMNS];
    size_t count;
} denoisers;

static denoisers make_denoisers(const run *r)
{
    denoisers all;
    memset(&all, 0, sizeof all);
    for (size_t k = 0; k < r->models; k++) {
        itd_denoiser den = itd_model_denoiser(r->more[k]);
        grid_variants *v;
        if (r->o.synthetic) {
            all.column[all.count++] = den;
            continue;
        }
        must(grid_variants_create(&den, &bytes, &v), "rounding what is denoised");
        all.of_model[k] = v;
        all.column[all.count++] = grid_unrounded(v), all.column[all.count++] = grid_clamped(v);
        all.column[all.count++] = grid_rounded(v), all.column[all.count++] = grid_softly_rounded(v, false);
    }
    if (!r->o.synthetic) all.column[all.count++] = grid_observed(all.of_model[0]);
    return all;
}

static void free_denoisers(denoisers *all)
{
    for (size_t k = 0; k < MOST_MODELS; k++) grid_variants_free(all->of_model[k]);
}

/* What is measured, once for the images as they are and once with the gaps between their values filled. */
typedef struct measurement {
    itd_draws *plain, *dequantized;
    grid_tails tails; /* of the plain ones */
} measurement;

static itd_draws *measure(const run *r, const denoisers *all, size_t columns, const float *x, size_t draws)
{
    itd_nll_desc d = itd_nll_desc_default();
    itd_draws *table;
    const char *problem;
    d.schedule = r->model->desc.schedule, d.draws = draws, d.batch = r->o.eval_batch, d.seed = r->o.seed;
    d.reference = r->reference, d.allocate = draws > 2;
    if ((problem = itd_nll_problem(all->column, columns, r->n_test, &d)) != NULL) fail("%s", problem);
    must(itd_measure(all->column, columns, x, r->n_test, &d, &table), "estimating the likelihood");
    return table;
}

/* A density needs no rounding: of the dequantized images, the first variant of every model is measured. */
static measurement measure_both(const run *r, size_t draws)
{
    measurement m = {NULL, NULL, {0, NULL, 0}};
    denoisers all = make_denoisers(r), plain = {{NULL}, {{0}}, 0};
    m.plain = measure(r, &all, all.count, r->test, draws);
    if (!r->o.synthetic) {
        float *noisy = (float *)must_alloc(r->n_test, DIM * sizeof *noisy);
        must(grid_tails_create(&bytes, &all.column[0], m.plain, r->test, &m.tails), "adding what is outside");
        for (size_t k = 0; k < r->models; k++) plain.column[k] = all.column[k * VARIANTS];
        grid_dequantize(&bytes, r->o.seed, r->test, r->n_test, DIM, noisy);
        m.dequantized = measure(r, &plain, r->models, noisy, draws);
        free(noisy);
    }
    free_denoisers(&all);
    return m;
}

static void free_measurement(measurement *m)
{
    itd_draws_free(m->plain), itd_draws_free(m->dequantized), grid_tails_free(&m->tails);
}

enum {
    RAW = 1,
    CLAMPED = 2,
    ROUNDED = 4,
    SOFTLY = 8,
    OBSERVED = 16,
    GAUSSIAN = 32
}; /* what a row may choose from */

typedef struct row { /* of the table */
    const char *name;
    int discrete, dequantized;
    unsigned choice;
} row;

static const row table[] = {
    {"continuous", 0, 0, RAW},
    {"continuous, clamped, or the Gaussian", 0, 0, CLAMPED | GAUSSIAN},
    {"dequantized", 0, 1, RAW},
    {"dequantized, or the Gaussian", 0, 1, RAW | GAUSSIAN},
    {"discrete, unrounded", 1, 0, RAW},
    {"discrete, rounded", 1, 0, ROUNDED},
    {"discrete, softly rounded", 1, 0, SOFTLY},
    {"discrete, the better of rounded and not", 1, 0, RAW | ROUNDED},
    {"discrete, the best of all", 1, 0, RAW | CLAMPED | ROUNDED | SOFTLY | OBSERVED | GAUSSIAN},
};

static itd_nll_result evaluate_row(const run *r, const row *w, const measurement *m, double *nll_x)
{
    const itd_draws *draws = w->dequantized ? m->dequantized : m->plain;
    size_t column[MOST_COLUMNS], n = 0, of_model = draws->denoisers / r->models; /* 4 and z itself, or 1 */
    itd_nll_result v;
    for (size_t k = 0; k < r->models * of_model; k++)
        if (w->choice >> k % of_model & 1) column[n++] = k;
    if (w->choice & OBSERVED) column[n++] = draws->denoisers - 1;
    if (w->choice & GAUSSIAN) column[n++] = draws->denoisers;
    must(grid_nll(draws, w->discrete ? &m->tails : NULL, BINS, column, n, &v, nll_x, NULL),
         "adding up the likelihood");
    return v;
}

/* Fields are not on a grid: the first row is all there is of them. */
static size_t rows_of(const run *r) { return r->o.synthetic ? 1 : sizeof table / sizeof *table; }

/* Draws that bring every row to the standard error asked for, by what they have brought so far. */
static size_t draws_for(const run *r, const measurement *m)
{
    double worst = 0;
    for (size_t k = 0; k < rows_of(r); k++)
        worst = fmax(worst, bits(evaluate_row(r, &table[k], m, NULL).std_error));
    return (size_t)ceil((double)r->o.draws * 1.1 * (worst / r->o.std_error) * (worst / r->o.std_error));
}

/* What one is told of a density is nats, bits/dim on [-1,1] and for values 0 .. 255; of a probability, only
   nats and bits/dim. */
static void print_row(const run *r, FILE *file, const row *w, const itd_nll_result *v)
{
    double b = bits(v->nll) + (w->discrete ? 0 : log(127.5) / log(2.0));
    fprintf(file, "%s\t%.2f\t%.2f\t%.2f\t%.4f\t%.4f\t%.4f\n", w->name, v->nll, v->std_error,
            v->std_error_data, b, bits(v->std_error), bits(v->std_error_data));
    if (!r->o.quiet)
        printf("  %-42s %9.1f   %7.4f +- %.4f (data %.4f)\n", w->name, v->nll, b, bits(v->std_error),
               bits(v->std_error_data));
}

static void write_per_sample(const run *r, const measurement *m)
{
    double *nll = (double *)must_alloc(2 * r->n_test, sizeof *nll);
    FILE *file = fopen(r->o.per_sample, "w");
    size_t i, last = rows_of(r) - 1;
    if (!file) fail("%s: cannot be written", r->o.per_sample);
    evaluate_row(r, &table[0], m, nll);
    evaluate_row(r, &table[last], m, nll + r->n_test);
    fprintf(file, "image\tcontinuous_nats%s\n", last ? "\tdiscrete_nats" : "");
    for (i = 0; i < r->n_test; i++) {
        fprintf(file, "%lu\t%.2f", (unsigned long)i, nll[i]);
        if (last) fprintf(file, "\t%.2f", nll[r->n_test + i]);
        fprintf(file, "\n");
    }
    if (fclose(file)) fail("%s: cannot be written", r->o.per_sample);
    free(nll);
}

/* What the likelihoods are made of: the errors of the first model by log SNR, in mses.tsv. */
static void write_mses(const run *r, const measurement *m)
{
    static const char *const names[] = {"mse", "mse_clamped", "mse_rounded", "mse_rounded_softly"};
    double mse[VARIANTS][BINS], gaussian[2][BINS], dequantized[BINS];
    const itd_schedule *s = &m->plain->desc.schedule;
    FILE *file = fopen(path_of(r, "mses.tsv"), "w");
    size_t variants = r->o.synthetic ? 1 : VARIANTS;
    if (!file) fail("%s: cannot be written", path_of(r, "mses.tsv"));
    fprintf(file, "logsnr_from\tlogsnr_to");
    for (size_t k = 0; k < variants; k++) {
        must(itd_draws_curve(m->plain, k, BINS, NULL, mse[k], NULL, gaussian[0]), "averaging errors");
        fprintf(file, "\t%s", names[k]);
    }
    if (m->dequantized)
        must(itd_draws_curve(m->dequantized, 0, BINS, NULL, dequantized, NULL, gaussian[1]),
             "averaging errors");
    fprintf(file, "\tmse_gaussian%s\n", m->dequantized ? "\tmse_dequantized\tmse_gaussian_dequantized" : "");
    for (size_t bin = 0; bin < BINS; bin++) {
        fprintf(file, "%.4f\t%.4f", itd_schedule_quantile(s, (double)bin / BINS),
                itd_schedule_quantile(s, (double)(bin + 1) / BINS));
        for (size_t k = 0; k < variants; k++) fprintf(file, "\t%.3f", mse[k][bin]);
        fprintf(file, "\t%.3f", gaussian[0][bin]);
        if (m->dequantized) fprintf(file, "\t%.3f\t%.3f", dequantized[bin], gaussian[1][bin]);
        fprintf(file, "\n");
    }
    if (fclose(file)) fail("%s: cannot be written", path_of(r, "mses.tsv"));
}

/* All the likelihoods of photographs, on the screen and in likelihood.tsv; what they are made of in mses.tsv.
   The first is returned. */
static itd_nll_result evaluate(run *r)
{
    itd_nll_result first = {NAN, NAN, NAN, NAN, 0};
    FILE *file;
    size_t k, draws = r->o.draws;
    find_reference(r);
    load_more(r);
    measurement m = measure_both(r, draws);
    if (r->o.std_error > 0 && (draws = draws_for(r, &m)) > r->o.draws) {
        if (!r->o.quiet) printf("%lu evaluations an image\n", (unsigned long)draws);
        free_measurement(&m);
        m = measure_both(r, draws);
    }
    file = fopen(path_of(r, "likelihood.tsv"), "w");
    if (!file) fail("%s: cannot be written", path_of(r, "likelihood.tsv"));
    fprintf(file, "likelihood\tnats\tstderr\tstderr_data\tbits_per_dim_255\tstderr_bits\tstderr_data_bits\n");
    if (!r->o.quiet)
        printf("-log likelihood of %lu test images              nats   bits/dim for values 0 .. 255\n",
               (unsigned long)r->n_test);
    for (k = 0; k < rows_of(r); k++) {
        itd_nll_result v = evaluate_row(r, &table[k], &m, NULL);
        print_row(r, file, &table[k], &v);
        if (k == 0) first = v;
    }
    if (fclose(file)) fail("%s: cannot be written", path_of(r, "likelihood.tsv"));
    write_mses(r, &m);
    if (*r->o.per_sample) write_per_sample(r, &m);
    free_measurement(&m);
    return first;
}

/* ---- result -------------------------------------------------------------------------------------------- */

static void print_result(run *r, double started)
{
    itd_nll_result v = evaluate(r);
    uint64_t seen = r->trainer ? r->trainer->step * r->trainer->desc.batch : 0;
    if (!r->o.quiet)
        printf("-log p = %.1f +- %.1f nats, %.4f +- %.4f bits/dim on [-1,1]\n", v.nll, v.std_error,
               bits(v.nll), bits(v.std_error));
    printf("result dataset=%s params=%lu images_seen=%lu val_nll=%.2f stderr=%.2f stderr_data=%.2f "
           "bits_per_dim=%.4f bits_per_dim_255=%.4f",
           r->o.synthetic ? "synthetic" : "cifar10", (unsigned long)itd_net_parameters(r->model->net),
           (unsigned long)seen, v.nll, v.std_error, v.std_error_data, bits(v.nll), bits_255(v.nll));
    if (r->o.synthetic) {
        double exact = 0;
        size_t i;
        for (i = 0; i < r->n_test; i++) exact += fields_nll(r->field, r->test + i * DIM) / (double)r->n_test;
        printf(" true_nll=%.2f excess_bits_per_dim=%.4f", exact, bits(v.nll - exact));
    }
    printf(" seconds=%.0f\n", system_seconds() - started);
}

/* After training, if pictures are wanted: images denoised, drawn, and the learning curve; without it, what
   was asked for. */
static void show(run *r, int training, int evaluating, double started)
{
    int pictures = training && r->o.pictures;
    itd_error error;
    if (pictures || r->o.denoise) draw_denoised(r);
    if (pictures) draw_learning(r, path_of(r, "metrics.tsv"));
    if (pictures) r->o.samples = 64;
    if (r->o.samples) sample_images(r);
    if (*r->o.half && itd_save_half(r->model, r->o.half, &error) != ITD_OK) fail("%s", error.text);
    if (!evaluating) return;
    if (!training || pictures) draw_curve(r);
    print_result(r, started);
}

static void say_plan(const run *r)
{
    const itd_net *net = r->model->net;
    size_t batch = r->trainer->desc.batch, rows = r->trainer->desc.rows ? r->trainer->desc.rows : batch;
    double memory = 4.0 * (2.0 * (double)net->width * (double)rows + 6.0 * (double)net->parameters);
    if (r->o.quiet) return;
    printf("%s: %lu training and %lu test images; kernels %s\n",
           r->o.synthetic ? "synthetic fields" : r->o.data, (unsigned long)r->n_train,
           (unsigned long)r->n_test, itd_simd_name());
    printf("U-Net of %lu parameters; about %.0f MB to train in batches of %lu\n",
           (unsigned long)itd_net_parameters(net), memory / 1e6, (unsigned long)batch);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static run r;
    double started = system_seconds();
    size_t k;
    int training, evaluating;
    must_program = "train_cifar10";
    system_patient_threads(argv);
    r.workers = workers_begin(&argc, &argv);
    for (k = 0; k < (size_t)argc && strlen(r.command) + strlen(argv[k]) + 2 < sizeof r.command; k++)
        sprintf(r.command + strlen(r.command), "%s%s", k ? " " : "", argv[k]);
    r.o = read_options(argc, argv);
    if (r.workers.index > 0) r.o.quiet = 1;
#ifdef _OPENMP
    if (r.o.threads) omp_set_num_threads((int)r.o.threads);
#endif
    folder_make(r.o.out, r.o.name, r.folder, sizeof r.folder);
    if (*r.o.curves) {
        draw_learning(&r, r.o.curves);
        return 0;
    }
    training = !(r.o.eval || r.o.samples || r.o.denoise || r.o.load || *r.o.half);
    evaluating = training || r.o.eval || !(r.o.samples || r.o.denoise || *r.o.half); /* --load alone, too */
    if (evaluating || r.o.denoise) prepare_data(&r);
    if (!training) load_model(&r, model_to_load(&r), 0);
    else if (r.o.resume) load_model(&r, path_of(&r, "model.safetensors"), 1);
    else begin_model(&r);
    if (training) {
        say_plan(&r);
        train(&r);
    }
    if (r.workers.index == 0 && !stop_asked) show(&r, training, evaluating, started);
    tfevents_close(&r.events);
    check_events(&r);
    workers_end();
    cifar10_free(&r.train_set), cifar10_free(&r.test_set), fields_free(r.field);
    free(r.test), free(r.batch), free(r.index);
    itd_trainer_free(r.trainer);
    for (k = 1; k < r.models; k++) itd_model_free(r.more[k]);
    itd_model_free(r.model), itd_gaussian_free(r.reference);
    return 0;
}
