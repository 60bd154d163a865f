/* ood.c: which images does the model know?
 *   cc -O2 -fopenmp examples/ood.c -o build/ood -lm && sh data/get_cifar10.sh && build/ood
 *   build/ood --load runs/digits/model.safetensors --data digits.npy --strange letters.npy
 *
 * Test images against images of other kinds, made of them or one's own, told apart by their likelihood alone.
 * Two scores: -log p itself, which asks whether an image is less likely than those of the test set, and its
 * distance from the mean of training images, which asks whether it is typical. The second is needed: most of
 * the likelihood of a photograph pays for its texture, so a smooth picture that no camera has taken is
 * likelier than most photographs. For each kind the area under the ROC curve is printed, the probability that
 * a strange image scores higher than one of the test set: 1/2 is a guess, 1 is certain.
 *
 * docs/likelihood.md shows and explains what it prints. */
#include "support/progress.h" /* first: it asks the system headers for POSIX */

#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "support/fields.h"
#include "support/image_run.h"

enum { STRANGE = 8 }; /* files, at most */

typedef struct options {
    const char *data, *test, *load, *strange, *out, *scores;
    size_t images, draws, batch;
    uint64_t seed;
} options;

static options read_options(int argc, char **argv)
{
    static options o; /* the option table keeps pointers into it */
    o.data = "data/cifar-10-batches-bin", o.load = "data/cifar10-small.safetensors", o.strange = "";
    o.images = 500, o.draws = 8, o.batch = 64;
    args_option list[] = {
        args_string(
            "data", &o.data,
            "The images that the model has learned, as train_images takes them; sh data/get_cifar10.sh "
            "gets those of CIFAR-10."),
        args_default_text(args_string("test", &o.test, "Test images of the same kinds."),
                          "those in the folder, or else a tenth of the images"),
        args_string("strange", &o.strange, "Other images, files with commas between."),
        args_string("load", &o.load, "The model, a checkpoint of train_cifar10 or train_images."),
        args_size("images", &o.images, 4, 1000000, "Maximum number of images of each kind."),
        args_size("draws", &o.draws, 1, 100000, "Denoiser evaluations per image."),
        args_size("batch", &o.batch, 1, 65536, "Images per call: memory, not results."),
        args_uint64("seed", &o.seed, 0, UINT64_MAX, "Seed of the noise and the strange images."),
        args_string("out", &o.out, "The table as TSV."),
        args_string("scores", &o.scores, "-log p of every image, as TSV; those of a kind count from 1."),
    };
    args_table table = {"ood", "Tells images of other kinds from those of a data set by their likelihood.",
                        list, ARGS_COUNT(list)};
    args_parse(&table, argc, argv);
    const char *const files[] = {o.data, o.test, o.load, o.out};
    outputs_must_spare("out", o.out, files, ARGS_COUNT(files) - 1);
    outputs_must_spare("scores", o.scores, files, ARGS_COUNT(files));
    for (const char *at = o.strange; *at; at += *at == ',') {
        char path[1200];
        const char *strange = path;
        snprintf(path, sizeof path, "%.*s", (int)strcspn(at, ","), at), at += strcspn(at, ",");
        outputs_must_spare("out", o.out, &strange, 1), outputs_must_spare("scores", o.scores, &strange, 1);
    }
    outputs_must_write(o.out), outputs_must_write(o.scores);
    return o;
}

/* ---- kinds of images: image i of each kind, values in [-1, 1] ---- */

typedef struct source {
    image_set train, test, strange[STRANGE];
    image_shape shape;
    size_t dim, files;
    fields *field; /* NULL: not of the size that fields have */
    uint64_t seed;
} source;

/* The nearest of the values that images have. */
static void value_as_level(const source *s, float *x)
{
    double top = (double)s->test.scale.levels - 1;
    if (s->test.scale.levels)
        *x = (float)(floor(fmin(fmax(*x, -1), 1) * top / 2 + top / 2 + 0.5) / top * 2 - 1);
}

static float random_value(const source *s, itd_rng *rng)
{
    size_t levels = s->test.scale.levels;
    if (!levels) return (float)(2 * itd_rng_uniform(rng) - 1);
    return (float)itd_rng_below(rng, levels) / (0.5f * (float)(levels - 1)) - 1;
}

static void test_image(const source *s, size_t i, float *x) { images_get(&s->test, i % s->test.n, 0, x); }

static void train_image(const source *s, size_t i, float *x) { images_get(&s->train, i % s->train.n, 0, x); }

static void upside_down(const source *s, size_t i, float *x)
{
    size_t row = s->shape.width * s->shape.channels, height = s->shape.height;
    test_image(s, i, x);
    for (size_t k = 0; k < height / 2 * row; k++) {
        float *other = x + (height - 1 - k / row) * row + k % row, t = x[k];
        x[k] = *other, *other = t;
    }
}

static void negative(const source *s, size_t i, float *x)
{
    test_image(s, i, x);
    for (size_t k = 0; k < s->dim; k++) x[k] = -x[k];
}

/* Each value the mean of the 3 x 3 pixels around it. */
static void blurred(const source *s, size_t i, float *x)
{
    float *sharp = (float *)must_alloc(s->dim, sizeof *sharp);
    int h = (int)s->shape.height, w = (int)s->shape.width, c = (int)s->shape.channels;
    test_image(s, i, sharp);
    for (int k = 0; k < h * w * c; k++) {
        double sum = 0, n = 0;
        int row = k / c / w, column = k / c % w;
        for (int dy = -1; dy <= 1; dy++)
            for (int dx = -1; dx <= 1; dx++)
                if (row + dy >= 0 && row + dy < h && column + dx >= 0 && column + dx < w)
                    sum += sharp[((row + dy) * w + column + dx) * c + k % c], n++;
        x[k] = (float)(sum / n);
        value_as_level(s, &x[k]);
    }
    free(sharp);
}

/* The same pixels in another order. */
static void shuffled(const source *s, size_t i, float *x)
{
    itd_rng rng = itd_rng_make(s->seed ^ 0x73687566, i);
    size_t c = s->shape.channels, pixels = s->dim / c, *order = (size_t *)must_alloc(pixels, sizeof *order);
    float *image = (float *)must_alloc(s->dim, sizeof *image);
    test_image(s, i, image);
    for (size_t k = 0; k < pixels; k++) order[k] = k;
    itd_rng_shuffle(&rng, pixels, order);
    for (size_t k = 0; k < pixels; k++) memcpy(x + c * k, image + c * order[k], c * sizeof *x);
    free(order), free(image);
}

static void noise(const source *s, size_t i, float *x)
{
    itd_rng rng = itd_rng_make(s->seed ^ 0x6e6f6973, i);
    for (size_t k = 0; k < s->dim; k++) x[k] = random_value(s, &rng);
}

static void one_colour(const source *s, size_t i, float *x)
{
    itd_rng rng = itd_rng_make(s->seed ^ 0x636f6c6f, i);
    for (size_t k = 0; k < s->dim; k++)
        x[k] = k < s->shape.channels ? random_value(s, &rng) : x[k - s->shape.channels];
}

/* A Gaussian with the spectrum of photographs. */
static void random_field(const source *s, size_t i, float *x)
{
    fields_sample(s->field, i, x);
    for (size_t k = 0; k < s->dim; k++) value_as_level(s, &x[k]);
}

typedef struct kind {
    const char *name;
    void (*image)(const source *s, size_t i, float *x); /* NULL: */
    const image_set *own;                               /* a file */
    size_t n;
    double *nats; /* (n) -log p */
} kind;

enum { MADE = 9, KINDS = MADE + STRANGE, TRAINING = 0, TEST = 1 };

static size_t list_kinds(const options *o, const source *s, kind *list)
{
    static const kind made[MADE] = {{"training images", train_image, NULL, 0, NULL},
                                    {"test images", test_image, NULL, 0, NULL},
                                    {"test images upside down", upside_down, NULL, 0, NULL},
                                    {"negatives", negative, NULL, 0, NULL},
                                    {"blurred", blurred, NULL, 0, NULL},
                                    {"pixels shuffled", shuffled, NULL, 0, NULL},
                                    {"Gaussian fields", random_field, NULL, 0, NULL},
                                    {"noise", noise, NULL, 0, NULL},
                                    {"one colour", one_colour, NULL, 0, NULL}};
    static char names[STRANGE][200];
    const char *at = o->strange;
    size_t count = 0, n = s->test.n < s->train.n ? s->test.n : s->train.n;
    for (size_t k = 0; k < MADE; k++) {
        if (made[k].image == random_field && !s->field) continue;
        list[count] = made[k], list[count++].n = n < o->images ? n : o->images;
    }
    for (size_t k = 0; k < s->files; k++, count++) {
        size_t length = strcspn(at, ",");
        snprintf(names[k], sizeof names[k], "%.*s", (int)length, at);
        at += length + (at[length] == ',');
        list[count].name = names[k], list[count].image = NULL, list[count].own = &s->strange[k];
        list[count].n = s->strange[k].n < o->images ? s->strange[k].n : o->images;
    }
    return count;
}

/* ---- reading ---- */

static void read_strange(const options *o, source *s, const image_scale *scale)
{
    char error[IMAGES_ERROR], path[1200];
    for (const char *at = o->strange; *at;) {
        size_t length = strcspn(at, ",");
        image_set *set = &s->strange[s->files++];
        text_error to = {path, error, sizeof error};
        if (s->files > STRANGE) fail("--strange: at most %d files", STRANGE);
        snprintf(path, sizeof path, "%.*s", (int)length, at);
        if (images_read(path, "train", set, error, sizeof error) || images_same_shape(&s->test, set, &to) ||
            images_take_scale(set, scale, &to))
            fail("%s", error);
        at += length + (at[length] == ',');
    }
}

static void read_source(const options *o, source *s, const image_scale *scale)
{
    fields_desc fd = fields_desc_default(s->shape.height, o->seed);
    char error[IMAGES_ERROR];
    if (images_read_both(o->data, o->test, scale, &s->train, &s->test, error, sizeof error))
        fail("%s", error);
    if (s->test.height != s->shape.height || s->test.width != s->shape.width ||
        s->test.channels != s->shape.channels)
        fail("%s: images of %lu x %lu x %lu expected, as the model's, found %lu x %lu x %lu", o->data,
             (unsigned long)s->shape.height, (unsigned long)s->shape.width, (unsigned long)s->shape.channels,
             (unsigned long)s->test.height, (unsigned long)s->test.width, (unsigned long)s->test.channels);
    read_strange(o, s, scale);
    if (s->shape.height == s->shape.width && s->shape.channels == 3 && s->shape.height <= FIELDS_MOST_SIDE)
        must(fields_create(&fd, &s->field), "preparing the fields");
}

/* ---- scores ---- */

static void score(const options *o, const source *s, itd_model *model, kind *k)
{
    padded p;
    itd_denoiser den = padded_denoiser(&p, &s->shape, itd_model_denoiser(model));
    itd_nll_desc d = itd_nll_desc_default();
    itd_nll_result result;
    float *x = (float *)must_alloc(k->n, s->dim * sizeof *x);
    k->nats = (double *)must_alloc(k->n, sizeof *k->nats);
    d.schedule = model->desc.schedule, d.draws = o->draws, d.batch = o->batch, d.seed = o->seed;
    d.allocate = o->draws > 2;
    if (!shape_is_padded(&s->shape)) d.reference = model->gaussian;
    for (size_t i = 0; i < k->n; i++)
        if (k->image) k->image(s, i, x + i * s->dim);
        else images_get(k->own, i, 0, x + i * s->dim);
    must(itd_nll(&den, x, k->n, &d, &result, k->nats, NULL), "estimating the likelihood");
    padded_free(&p), free(x);
}

static double mean_of(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i] / (double)n;
    return sum;
}

/* The probability that one of x is larger than one of y, both less `usual` in size if that is a number; ties
   count half. */
static double area(const kind *a, const kind *b, double usual)
{
    double larger = 0;
    for (size_t i = 0; i < a->n; i++)
        for (size_t j = 0; j < b->n; j++) {
            double x = a->nats[i], y = b->nats[j];
            if (fabs(usual) <= DBL_MAX) x = fabs(x - usual), y = fabs(y - usual);
            larger += x > y ? 1 : x < y ? 0 : 0.5;
        }
    return larger / (double)a->n / (double)b->n;
}

/* The table, on the screen and in the file: every kind against the test images, by both scores. */
static void compare(const options *o, const source *s, const kind *list, size_t kinds)
{
    double usual = mean_of(list[TRAINING].nats, list[TRAINING].n),
           unit = log((s->test.scale.high - s->test.scale.low) / 2);
    FILE *file = o->out ? fopen(o->out, "w") : NULL;
    if (o->out && !file) fail("%s: cannot be written", o->out);
    printf("%-6lu of each kind      bits/dim     area under ROC by -log p   by its distance from the usual\n",
           (unsigned long)list[TEST].n);
    if (file) fprintf(file, "kind\tbits_per_dim\tauc_likelihood\tauc_typicality\n");
    for (size_t k = 0; k < kinds; k++) {
        double bits = (mean_of(list[k].nats, list[k].n) / (double)s->dim + unit) / log(2.0);
        double likelihood = area(&list[k], &list[TEST], NAN), typicality = area(&list[k], &list[TEST], usual);
        printf("  %-26s %7.3f %18.3f %28.3f\n", list[k].name, bits, likelihood, typicality);
        if (file) fprintf(file, "%s\t%.4f\t%.4f\t%.4f\n", list[k].name, bits, likelihood, typicality);
    }
    if (file && fclose(file)) fail("%s: cannot be written", o->out);
}

static void write_scores(const options *o, const kind *list, size_t kinds)
{
    FILE *file = o->scores ? fopen(o->scores, "w") : NULL;
    if (!o->scores) return;
    if (!file) fail("%s: cannot be written", o->scores);
    fprintf(file, "kind\timage\tnats\n");
    for (size_t k = 0; k < kinds; k++)
        for (size_t i = 0; i < list[k].n; i++)
            fprintf(file, "%s\t%lu\t%.2f\n", list[k].name, (unsigned long)i + 1, list[k].nats[i]);
    if (fclose(file)) fail("%s: cannot be written", o->scores);
}

int main(int argc, char **argv)
{
    static source s;
    kind list[KINDS];
    image_scale scale;
    itd_model *model;
    must_program = "ood";
    system_patient_threads(argv);
    const options o = read_options(argc, argv);
    must_load_model(o.load, &model, NULL);
    run_read_note(model, o.load, &s.shape, &scale);
    s.dim = shape_dim(&s.shape), s.seed = o.seed;
    read_source(&o, &s, &scale);
    size_t kinds = list_kinds(&o, &s, list);
    for (size_t k = 0; k < kinds; k++) score(&o, &s, model, &list[k]);
    compare(&o, &s, list, kinds);
    write_scores(&o, list, kinds);
    for (size_t k = 0; k < kinds; k++) free(list[k].nats);
    for (size_t k = 0; k < s.files; k++) images_free(&s.strange[k]);
    images_free(&s.test), images_free(&s.train), fields_free(s.field), itd_model_free(model);
    return must_have_printed();
}
