/* image_run.h: what the programs that learn images have in common: their options, the images and the model of
 * a run, and what goes into its files.
 *
 * A program fills in `options`, tells where its training images come from, and calls train_create or
 * run_load; then image_train.h trains, image_score.h estimates likelihoods, image_draw.h makes pictures.
 *
 * Include progress.h first of all, and the implementation of itdiff.h before this file. */
#ifndef IMAGE_RUN_H
#define IMAGE_RUN_H

#include "args.h"
#include "folder.h"
#include "image_plan.h"
#include "images.h"
#include "outputs.h"
#include "tfevents.h"
#include "weights.h"
#include "workers.h"

enum { RUN_MAX_MODELS = 8 };

typedef struct image_options {
    args_table table;
    const char *data, *test, *name, *out, *load, *logistic, *features, *sampler, *with, *scores, *reference,
        *half;
    const char *weights[2]; /* other files that are read, or NULL */
    size_t n, batch, rows, eval_batch, eval_images, epochs, blocks, attention, draws, samples, steps, threads,
        warmup;
    double hours, save_minutes, eval_minutes, learning_rate, clip, ema, clip_norm, weight_limit, std_error;
    uint64_t seed;
    int flips, resume, quiet, eval, denoise, pictures, silent; /* silent: another worker warns */
} image_options;

typedef struct image_run {
    image_options *o;
    char folder[1024], command[1024];
    /* the images */
    image_set train_set, test_set; /* unless they come from elsewhere: */
    void (*sample)(const struct image_run *r, uint64_t index, float *x); /* new images without end, or NULL */
    const void *source;                                                  /* for it */
    char data_words[100];                                                /* what the training images are */
    size_t n_train, n_test, dim;
    float *test;                                   /* (n_test,dim) */
    image_shape shape, more_shape[RUN_MAX_MODELS]; /* models of an ensemble have borders of their own */
    image_scale scale;
    const char *data_name;  /* in the result line */
    const char *units_name; /* of bits/dim in the units of the file: "255" where these are bytes */
    /* the model */
    itd_model *model, *more[RUN_MAX_MODELS]; /* of the ensemble, the first included */
    padded padding[RUN_MAX_MODELS];
    size_t models;
    itd_trainer *trainer;
    itd_gaussian *reference;
    itd_workers workers; /* the first saves, estimates and speaks */
    /* its training */
    FILE *metrics;
    tfevents events; /* the same for TensorBoard */
    progress bar;
    double seconds;         /* of training, in all runs */
    double noted_seconds;   /* of which its checkpoint knows */
    double own_seconds;     /* of them in this one, */
    uint64_t own_images;    /* for so many images */
    double recorded;        /* seconds at the last record */
    uint64_t recorded_step; /* steps there */
    double best;            /* estimate on some test images, nats */
    int best_lost;          /* the last time that it should have been saved it could not */
    double recent;          /* moving average of the loss */
    double border_loss;     /* what a perfect border adds to it */
    int anew;               /* nothing has been saved of a training that began at step 0 */
} image_run;

static inline const char *run_path(const image_run *r, const char *file)
{
    return folder_path(r->folder, file);
}

/* What a density on [-1,1] in nats is in bits per dimension, there and in the units of the file. */
static inline double run_bits(const image_run *r, double nats) { return nats / ((double)r->dim * log(2.0)); }
static inline double run_unit_bits(const image_run *r)
{
    return log((r->scale.high - r->scale.low) / 2) / log(2.0);
}

/* Of how many images statistics are taken: of n, but where these are large of a gigabyte, or 128 at least. */
static inline size_t run_enough(size_t n, size_t dim)
{
    enum { MIN_IMAGES = 256 };
    while (n > MIN_IMAGES && n > ((size_t)1 << 28) / dim) n /= 2;
    return n;
}

static inline void run_training_image(const image_run *r, size_t index, int flip, float *x /* (dim) */)
{
    if (r->sample) r->sample(r, index, x);
    else images_get(&r->train_set, index, flip, x);
}

/* The denoiser of the true pixels by model k of the ensemble. */
static inline itd_denoiser run_denoiser(image_run *r, size_t k)
{
    itd_model *model = k ? r->more[k] : r->model;
    padded_free(&r->padding[k]);
    return padded_denoiser(&r->padding[k], k ? &r->more_shape[k] : &r->shape, itd_model_denoiser(model));
}

/* ---- options ---- */

/* What train_seconds_after allows. */
#define RUN_TIME_AFTER                                                                                       \
    "Pictures and likelihoods come on top: as long again up to a minute, a tenth of the time from ten "      \
    "minutes on."

static inline void image_options_training(image_options *o)
{
    const args_option own[] = {
        args_default_text(args_size("num_epochs", &o->epochs, 0, 1000000,
                                    "Passes over the data instead of, or within, a time."),
                          "by the time"),
        args_size("train_batch_size", &o->batch, 1, 65536, "Images per step."),
        args_size("rows", &o->rows, 0, 65536,
                  "Images of a step in memory at once, which does not change results; 0: all."),
        args_double("learning_rate", &o->learning_rate, 0, 1, "Maximum step size of Adam."),
        args_size("warmup", &o->warmup, 0, 1000000, "Steps in which the learning rate rises linearly."),
        args_double("ema", &o->ema, 0, 0.999999, "Decay of the moving average of the weights; 0: none."),
        args_double("clip_norm", &o->clip_norm, 0, 1e9, "Maximum norm of the gradient; 0: no limit."),
        args_double("weight_limit", &o->weight_limit, 0, 1e9,
                    "Maximum ratio of the importance weights in the gradient to the smallest one; 0: no "
                    "limit."),
    };
    args_add(&o->table, own, ARGS_COUNT(own));
}

/* features: what they are where they are not given, in words, or NULL. */
static inline void image_options_network(image_options *o, const char *features)
{
    const args_option own[] = {
        args_default_text(args_string("features", &o->features,
                                      "Channels of each level; every level halves height and width."),
                          features),
        args_size("blocks", &o->blocks, 1, 8, "Residual blocks per level."),
        args_size("attention", &o->attention, 0, 127,
                  "Sum of 2^l for levels l with attention; 2^levels: middle."),
    };
    args_add(&o->table, own, ARGS_COUNT(own));
}

/* scores: the name of the option for the likelihoods of single images. */
static inline void image_options_likelihood(image_options *o, const char *scores)
{
    const args_option own[] = {
        args_group("Likelihood"),
        args_flag(
            "eval", &o->eval,
            "Only estimate the likelihood of the test images, or of all of a file that was not learned."),
        args_size("eval_images", &o->eval_images, 2, 1000000, "Maximum number of test images."),
        args_size("eval_draws", &o->draws, 2, 1000000, "Denoiser evaluations per image."),
        args_double("stderr", &o->std_error, 0, 1e9,
                    "Evaluate until the standard error is this small, in bits/dim; 0: by --eval_draws."),
        args_choice(
            "reference", &o->reference, "full|axes",
            "Gaussian to compare with: of the full covariance of all training images (half a minute for "
            "CIFAR-10, once; kept in the folder of the results), or of each number of the test images by "
            "itself."),
        args_string("with", &o->with, "More checkpoints, with commas between, for an ensemble."),
        args_string(scores, &o->scores,
                    "Likelihood of each test image, as TSV; images count from 1, as in their file."),
        args_size("eval_batch_size", &o->eval_batch, 1, 65536, "Images per call: memory, not results."),
        args_group("Samples"),
        args_size("sample", &o->samples, 0, 100000, "Only draw so many images from the model."),
        args_size("steps", &o->steps, 1, 100000, "Denoiser calls per sample."),
        args_choice(
            "sampler", &o->sampler, "deterministic|ancestral",
            "Deterministic (DDIM), or ancestral: with new noise in every step (DDPM), which strays less."),
        args_flag("denoise", &o->denoise, "Only show test images, noisy and denoised."),
        args_flag("pictures", &o->pictures,
                  "After training, write pictures beside the model and the metrics."),
    };
    args_add(&o->table, own, ARGS_COUNT(own));
}

/* load: what is used where --load is not given, in words. */
static inline void image_options_run(image_options *o, const char *load)
{
    const args_option own[] = {
        args_group("Run"),
        args_default_text(args_string("experiment_name", &o->name,
                                      "Folder of the results. A model that is there from an earlier run is "
                                      "kept as model.safetensors~."),
                          "the data set"),
        args_string("out", &o->out, "Folder that the folder of the results is in."),
        args_default_text(args_string("load", &o->load, "Use this checkpoint; no training."), load),
        args_flag(
            "resume", &o->resume,
            "Continue from the checkpoint in the folder of the results, with its options and length. A run "
            "that is interrupted writes one, and ends with status 0."),
        args_double("checkpoint_minutes", &o->save_minutes, 0.01, 10000, "Between checkpoints."),
        args_double("eval_minutes", &o->eval_minutes, 0.01, 10000, "Between estimates on 1,000 test images."),
        args_string("half", &o->half,
                    "Only write the model to this file, in half precision, for distribution."),
        args_size("threads", &o->threads, 0, 1024, "Maximum number of threads; 0: one per processor."),
        args_flag("quiet", &o->quiet, "Print only the result line."),
    };
    args_add(&o->table, own, ARGS_COUNT(own));
}

/* Defaults that all programs share. */
static inline void image_options_begin(image_options *o)
{
    o->out = "runs", o->logistic = o->features = o->with = o->scores = o->half = "";
    o->sampler = "deterministic", o->reference = "full";
    o->batch = 16, o->eval_batch = 64, o->eval_images = 10000, o->blocks = 1, o->draws = 5;
    o->steps = 50, o->warmup = 100, o->save_minutes = 5, o->eval_minutes = 10;
    o->learning_rate = 1e-3, o->clip = 4, o->ema = 0.999, o->clip_norm = 1, o->weight_limit = 1.5;
    o->pictures = 1;
}

static inline int image_options_given(const image_options *o, const void *destination)
{
    return args_given(&o->table, destination);
}

/* Whether any of these options was given, by their names. */
static inline int image_options_any_given(const image_options *o, const char *names)
{
    for (const char *at = names; *at; at += strcspn(at, " "), at += strspn(at, " ")) {
        const args_option *option = args_find(&o->table, at, strcspn(at, " "));
        if (option && option->given) return 1;
    }
    return 0;
}

/* "LOC,SCALE"; false if that is something else. */
static inline int image_options_logistic(const char *text, double *loc, double *scale)
{
    char end;
    return sscanf(text, "%lf,%lf%c", loc, scale, &end) == 2 && *scale > 0;
}

/* --logistic_params as a model keeps it: "6.1,3.0" is no other choice than "6.1,3". */
static inline const char *image_options_kept_logistic(double loc, double scale)
{
    static char text[60];
    snprintf(text, sizeof text, "%.9g,%.9g", loc, scale);
    return text;
}

static inline void image_options_check_logistic(image_options *o)
{
    double loc, scale;
    if (!*o->logistic) return;
    if (!image_options_logistic(o->logistic, &loc, &scale))
        fail("--logistic_params: two numbers LOC,SCALE with SCALE > 0 expected, '%s' found", o->logistic);
    o->logistic = image_options_kept_logistic(loc, scale);
}

/* Checkpoint k of --with, from 0; false behind the last one. */
static inline int image_options_with(const image_options *o, size_t k, char *path, size_t size)
{
    const char *at = o->with;
    for (; k && *at; k--) at += strcspn(at, ","), at += *at == ',';
    snprintf(path, size, "%.*s", (int)strcspn(at, ","), at);
    return *at != '\0';
}

/* Training is only wanted if nothing else is asked for; the likelihood also of a model that is loaded and
 * nothing is asked of. */
static inline int image_options_training_wanted(const image_options *o)
{
    return !(o->eval || o->samples || o->denoise || o->load || *o->half);
}

static inline int image_options_likelihood_wanted(const image_options *o)
{
    return image_options_training_wanted(o) || o->eval || !(o->samples || o->denoise || *o->half);
}

/* Files that will be needed are looked at before anything takes its time. own: the model in the folder. */
static inline void image_options_check_files(const image_options *o, const char *own)
{
    const char *scores = *o->scores ? o->scores : NULL, *half = *o->half ? o->half : NULL;
    const char *const others[] = {o->data, o->test, o->load, own, o->weights[0], o->weights[1]};
    const char *const folders[] = {o->data, o->test};
    const char *option = args_find(&o->table, "scores", 6) ? "scores" : "per_sample";
    char path[1200], error[WEIGHTS_ERROR];
    outputs_must_spare("half", half, others, ARGS_COUNT(others));
    outputs_must_spare_within("half", half, folders, ARGS_COUNT(folders));
    if (!image_options_likelihood_wanted(o)) return;
    outputs_must_spare(option, scores, others, ARGS_COUNT(others));
    outputs_must_spare_within(option, scores, folders, ARGS_COUNT(folders));
    for (size_t k = 0; image_options_with(o, k, path, sizeof path); k++) {
        const char *with = path;
        outputs_must_spare(option, scores, &with, 1);
        if (weights_are_foreign(path, error, sizeof error)) fail("--with: %s", error);
    }
    outputs_must_write(scores);
}

/* What was given and has no effect is said. */
static inline void image_options_ignored(const image_options *o, const char *names, const char *why)
{
    for (const char *at = names; *at; at += strcspn(at, " "), at += strspn(at, " ")) {
        const args_option *option = args_find(&o->table, at, strcspn(at, " "));
        if (option && option->given && !o->silent) warn("--%s is ignored: %s", option->name, why);
    }
}

/* Options of a training, of its network, and all that it goes on with when it is resumed. */
#define IMAGE_OPTIONS_TAUGHT "flips train_batch_size learning_rate warmup ema clip_norm weight_limit "
#define IMAGE_OPTIONS_MADE "logistic_params logsnr_clip features blocks attention "
#define IMAGE_OPTIONS_KEPT "synthetic n seed " IMAGE_OPTIONS_TAUGHT IMAGE_OPTIONS_MADE

/* ---- a run begins ---- */

static inline void run_begin(image_run *r, image_options *o, int argc, char **argv)
{
    size_t used = 0;
    r->o = o;
    image_options_check_logistic(o);
    for (int k = 0; k < argc && used + strlen(argv[k]) + 2 < sizeof r->command;
         k++, used = strlen(r->command))
        sprintf(r->command + used, "%s%s", k ? " " : "", argv[k]);
    if (r->workers.rank > 0) o->quiet = o->silent = 1;
    system_set_threads(o->threads);
    folder_make(o->out, o->name, r->folder, sizeof r->folder);
    if (r->workers.rank == 0) image_options_check_files(o, run_path(r, "model.safetensors"));
    if (!image_options_likelihood_wanted(o))
        image_options_ignored(o, "with scores per_sample eval_draws stderr reference",
                              "no likelihood is estimated");
    if (!image_options_likelihood_wanted(o) && !o->denoise)
        image_options_ignored(o, "test n eval_images", "no images are read");
    if (image_options_training_wanted(o)) return;
    if (r->workers.rank == 0 && o->samples) outputs_must_write(run_path(r, "samples.npy"));
    if (r->workers.rank == 0 && image_options_likelihood_wanted(o))
        outputs_must_write(run_path(r, "likelihood.tsv"));
    if (!o->samples) image_options_ignored(o, "steps sampler", "nothing is sampled");
    image_options_ignored(
        o, IMAGE_OPTIONS_TAUGHT "num_epochs hours minutes resume checkpoint_minutes eval_minutes rows",
        "nothing is trained");
}

static inline void run_free(image_run *r)
{
    tfevents_close(&r->events);
    for (size_t k = 0; k < RUN_MAX_MODELS; k++) padded_free(&r->padding[k]);
    for (size_t k = 1; k < r->models; k++) itd_model_free(r->more[k]);
    itd_trainer_free(r->trainer), itd_model_free(r->model), itd_gaussian_free(r->reference);
    images_free(&r->test_set), images_free(&r->train_set);
    free(r->test);
}

/* ---- what a checkpoint says of its images ---- */

static inline void run_set_note(image_run *r)
{
    const image_shape *s = &r->shape;
    char text[400];
    snprintf(
        text, sizeof text,
        "height=%lu width=%lu channels=%lu top=%lu left=%lu border=%.17g low=%.17g high=%.17g levels=%lu",
        (unsigned long)s->height, (unsigned long)s->width, (unsigned long)s->channels, (unsigned long)s->top,
        (unsigned long)s->left, s->border, r->scale.low, r->scale.high, (unsigned long)r->scale.levels);
    if (r->scale.factor > 0)
        text_append(text, sizeof text, " shift=%g factor=%g", r->scale.shift, r->scale.factor);
    must(itd_model_set_note(r->model, "images", text), "keeping notes with the model");
}

/* A model without a note is of bytes and has no border, as before there were any others. */
static inline void run_read_note(const itd_model *model, const char *path, image_shape *s, image_scale *scale)
{
    const itd_unet_desc *d = &model->desc.unet;
    const char *text = itd_model_note(model, "images");
    unsigned long h, w, c, top, left, levels;
    if (!d->levels)
        fail("%s: a model of images expected, one of %lu columns found", path, (unsigned long)model->dim);
    s->height = s->full_height = d->height, s->width = s->full_width = d->width, s->channels = d->channels;
    s->top = s->left = 0, s->border = 0;
    scale->low = 0, scale->high = 255, scale->levels = 256, scale->shift = scale->factor = 0;
    if (!text) return;
    if (sscanf(text,
               "height=%lu width=%lu channels=%lu top=%lu left=%lu border=%lf low=%lf high=%lf levels=%lu "
               "shift=%lf factor=%lf",
               &h, &w, &c, &top, &left, &s->border, &scale->low, &scale->high, &levels, &scale->shift,
               &scale->factor) < 9 ||
        !h || !w || c != d->channels || h > d->height || w > d->width || top > d->height - h ||
        left > d->width - w || !(scale->high > scale->low) || levels == 1)
        fail("%s: its note of the images is damaged", path);
    s->height = h, s->width = w, s->top = top, s->left = left, scale->levels = levels;
}

static inline void run_must_fit(const image_run *r, const image_shape *s, const char *path)
{
    const image_shape *own = &r->shape;
    if (own->height == s->height && own->width == s->width && own->channels == s->channels) return;
    fail("%s: images of %lu x %lu x %lu expected, the model's are %lu x %lu x %lu", path,
         (unsigned long)own->height, (unsigned long)own->width, (unsigned long)own->channels,
         (unsigned long)s->height, (unsigned long)s->width, (unsigned long)s->channels);
}

/* For how long it trains and, by the clock, has trained, to be taken up when the run goes on. */
static inline void run_set_length_note(image_run *r)
{
    char length[110];
    snprintf(length, sizeof length, "hours=%.17g epochs=%lu", r->o->hours, (unsigned long)r->o->epochs);
    if (r->o->hours > 0) text_append(length, sizeof length, " seconds=%.1f", r->seconds);
    must(itd_model_set_note(r->model, "length", length), "keeping notes with the model");
}

/* The first time, what an earlier run left is put aside. False: it cannot be written, as `error` says. */
static inline int run_save(image_run *r, const char *file, itd_error *error)
{
    if (r->anew) progress_clear(&r->bar), folder_keep_earlier(r->folder, r->o->quiet);
    r->anew = 0;
    run_set_length_note(r);
    return itd_save(r->model, r->trainer, run_path(r, file), error) == ITD_OK;
}

/* ---- resuming ---- */

/* The options that are kept, as "name=value" words. */
static inline void run_option_words(const image_options *o, char *words, size_t size)
{
    *words = '\0';
    for (const char *at = IMAGE_OPTIONS_KEPT; *at; at += strcspn(at, " "), at += strspn(at, " ")) {
        const args_option *option = args_find(&o->table, at, strcspn(at, " "));
        if (option) args_append_word(words, size, option);
    }
}

static inline void run_set_option_notes(image_run *r)
{
    char words[600];
    run_option_words(r->o, words, sizeof words);
    must(itd_model_set_note(r->model, "options", words), "keeping notes with the model");
    must(itd_model_set_note(r->model, "data", r->data_words), "keeping notes with the model");
}

static inline void run_take_length(image_run *r)
{
    const char *length = itd_model_note(r->model, "length");
    unsigned long epochs;
    double hours;
    int found = sscanf(length ? length : "", "hours=%lf epochs=%lu seconds=%lf", &hours, &epochs,
                       &r->noted_seconds);
    if (found >= 2 && !image_options_any_given(r->o, "hours minutes num_epochs"))
        r->o->hours = hours, r->o->epochs = epochs;
}

/* Where an option was not given, that of the checkpoint is taken; where it was and differs, it is added to
 * the list of those that do not fit. */
static inline void run_take_option(image_options *o, const char *word, char *differ, size_t size)
{
    char name[args_name_limit + 1], now[200] = "";
    const char *value = strchr(word, '=') + 1;
    args_option *option;
    snprintf(name, sizeof name, "%.*s", (int)(value - word - 1), word);
    if (!(option = args_find(&o->table, name, strlen(name)))) return;
    if (!option->given && option->kind == ARGS_FLAG) *option->to.integer = *value == '1';
    else if (!option->given) args_store(option, value), option->given = 0;
    args_append_word(now, sizeof now, option);
    if (strcmp(now, word)) text_append(differ, size, "%s--%s (it has %s)", *differ ? ", " : "", name, value);
}

/* Ends the program if options were given that the checkpoint was not trained with. */
static inline void run_take_options(image_run *r, const char *path)
{
    static char words[600]; /* options point into it from now on */
    char differ[500] = "";
    const char *then = itd_model_note(r->model, "options");
    if (!then) {
        image_options_ignored(r->o, IMAGE_OPTIONS_KEPT,
                              "the checkpoint is of an older version, and has its own");
        return;
    }
    snprintf(words, sizeof words, "%s", then);
    for (char *at = words, *next; at && *at; at = next) {
        if ((next = strchr(at, ' '))) *next++ = '\0';
        if (strchr(at, '=')) run_take_option(r->o, at, differ, sizeof differ);
    }
    if (*differ) fail("--resume: %s was trained with another %s", path, differ);
}

/* ---- images and models from files ---- */

/* The test images become floats, at most as many as are wanted. */
static inline void run_keep_test(image_run *r)
{
    if (r->n_train > r->o->n) r->n_train = r->o->n;
    if (r->n_test > r->o->eval_images) r->n_test = r->o->eval_images;
    r->test = (float *)must_alloc(r->n_test, r->dim * sizeof *r->test);
    for (size_t i = 0; i < r->n_test && !r->sample; i++) images_get(&r->test_set, i, 0, r->test + i * r->dim);
}

/* A value for a hash, which has those of bytes times 4,096. */
static inline uint64_t run_bits_of(const image_set *t, size_t i, size_t k)
{
    float value = (float)images_value(t, i, k);
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return t->bytes ? (uint64_t)(4096 * value) : bits;
}

/* What the training images are, in a few words; others are not learned when a run goes on. Other images of
 * many values differ in every seventh of them, too. */
static inline void run_set_data_words(image_run *r, size_t step)
{
    const image_set *t = &r->train_set;
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < r->n_train; i++)
        for (size_t k = 0; k < t->dim; k += step) hash = (hash ^ run_bits_of(t, i, k)) * 1099511628211u;
    snprintf(r->data_words, sizeof r->data_words, "images=%lu hash=%08lx", (unsigned long)r->n_train,
             (unsigned long)(hash & 0xffffffff));
}

/* Whether the model has learned these training images; a model of before takes every seventh value. */
static inline int run_are_learned(image_run *r)
{
    const char *data = itd_model_note(r->model, "data");
    if (!data || r->sample) return !data || !strcmp(data, r->data_words);
    run_set_data_words(r, 7);
    if (!strcmp(data, r->data_words)) return 1;
    run_set_data_words(r, 1);
    return !strcmp(data, r->data_words);
}

/* Ends the program if it has learned other images. */
static inline void run_must_have_learned(image_run *r, const char *path)
{
    if (!run_are_learned(r))
        fail("--resume: %s has learned other images (%s) than there are now (%s)", path,
             itd_model_note(r->model, "data"), r->data_words);
}

/* Whether the training images, or the first of them, are those that the model has learned. */
static inline int run_has_learned(image_run *r)
{
    const char *data = r->model ? itd_model_note(r->model, "data") : NULL;
    unsigned long n;
    if (!data || sscanf(data, "images=%lu ", &n) != 1 || n > r->train_set.n) return 0;
    r->n_train = (size_t)n;
    return run_are_learned(r);
}

/* A file of images, of which nothing will be learned: all are measured or, if the model has learned most of
 * them, those that it has not. */
static inline void run_divide_if_learned(image_run *r)
{
    char error[IMAGES_ERROR];
    text_error to = {r->o->data, error, sizeof error};
    size_t n = r->test_set.n;
    if (n < IMAGES_FEWEST) return;
    r->train_set = r->test_set;
    memset(&r->test_set, 0, sizeof r->test_set);
    if (run_has_learned(r)) {
        if (!r->o->silent) warn("%s: the images that it was trained on, so -log p is too low", r->o->data);
        images_unite(&r->train_set, &r->test_set, n);
        return;
    }
    if (images_split(&r->train_set, &r->test_set, &to)) fail("%s", error);
    if (!run_has_learned(r)) images_unite(&r->train_set, &r->test_set, n);
    else if (!r->o->quiet)
        printf("%s: the model has learned it, but for %lu images that are measured\n", r->o->data,
               (unsigned long)r->test_set.n);
}

/* The images of --data and --test, which have to be such as the model, if there is one, has learned. scale:
 * or NULL, to find it. Without training, --test alone suffices, and so does a folder of test images. */
static inline void run_read_images(image_run *r, const image_scale *scale)
{
    image_options *o = r->o;
    image_set *t = &r->test_set;
    char error[IMAGES_ERROR];
    int learn = image_options_training_wanted(o), status;
    const char *data = o->data;
    if (!learn && o->test && data && !image_options_given(o, &o->data) && !images_has(data, "train"))
        data = NULL;
    if (!data && (learn || !o->test)) fail("--data: the images expected, none given (see --help data)");
    if (learn || (data && (o->test || (images_has(data, "train") && images_has(data, "test")))))
        status = images_read_both(data, o->test, scale, &r->train_set, t, error, sizeof error);
    else status = images_read_test(o->test ? o->test : data, scale, t, error, sizeof error);
    if (status) fail("%s", error);
    if (!r->train_set.dim && !o->test && !t->of_tests) run_divide_if_learned(r);
    image_shape shape = {t->height, t->width, t->channels, 0, 0, 0, 0, 0};
    if (r->model) run_must_fit(r, &shape, o->test ? o->test : data);
    r->n_train = r->train_set.n, r->n_test = t->n, r->dim = t->dim, r->scale = t->scale;
    run_keep_test(r);
    if (learn) run_set_data_words(r, r->dim > 1000 ? 7 : 1);
}

/* A checkpoint, to go on with its training or not. */
static inline void run_load(image_run *r, const char *path, int training)
{
    if (training && !cifar10_exists(path)) fail("--resume: no checkpoint found in %s/", r->folder);
    must_load_model(path, &r->model, &r->trainer);
    if (training && !r->trainer) fail("%s: holds no state of training", path);
    run_read_note(r->model, path, &r->shape, &r->scale);
    r->dim = shape_dim(&r->shape);
    if (training) run_take_options(r, path), run_take_length(r);
    else image_options_ignored(r->o, IMAGE_OPTIONS_MADE, "the model has its own");
}

/* Steps in all the passes over the data that are asked for, one at least: a batch may have more images. */
static inline uint64_t run_steps(const image_run *r, const itd_trainer_desc *td)
{
    uint64_t steps = itd_train_steps(td, r->n_train, r->o->epochs);
    return steps || !r->o->epochs ? steps : 1;
}

/* After its images are known: are they those that the checkpoint has learned, and how far is it to go? */
static inline void run_resume(image_run *r)
{
    run_must_have_learned(r, run_path(r, "model.safetensors"));
    if (r->o->epochs || image_options_given(r->o, &r->o->epochs))
        r->trainer->desc.steps = run_steps(r, &r->trainer->desc);
}

#endif
