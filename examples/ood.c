/* ood.c: which images does the model know?
 *   sh data/get_cifar10.sh && make && build/ood
 *
 * Test images of CIFAR-10 against images of other kinds, told apart by their likelihood alone. Two scores:
 * -log p itself, which asks whether an image is less likely than those of the test set, and its distance from
 * the mean of training images, which asks whether it is typical. The second is needed: most of the
 * likelihood of a photograph pays for its texture, so a smooth picture that no camera has taken is likelier
 * than any photograph. For each kind the area under the ROC curve is printed, the probability that a strange
 * image scores higher than one of the test set: 1/2 is a guess, 1 is certain.
 *
 * docs/likelihood.md shows and explains what it prints. */
#include "support/progress.h" /* first: it asks the system headers for POSIX */

#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "support/args.h"
#include "support/cifar10.h"
#include "support/fields.h"
#include "support/must.h"

enum { SIDE = 32, DIM = SIDE * SIDE * 3 };

typedef struct options {
    const char *data, *load, *out;
    size_t images, draws, batch;
    uint64_t seed;
} options;

static options read_options(int argc, char **argv)
{
    static options o; /* the option table keeps pointers into it */
    o.data = "data/cifar-10-batches-bin", o.load = "data/cifar10-small.safetensors";
    o.images = 500, o.draws = 8, o.batch = 64;
    args_option list[] = {
        args_string("data", &o.data,
                    "Folder of the binary version of CIFAR-10; sh data/get_cifar10.sh gets it."),
        args_string("load", &o.load, "The model, a checkpoint of train_cifar10."),
        args_size("images", &o.images, 10, 10000, "Of each kind."),
        args_size("draws", &o.draws, 1, 100000, "Denoiser evaluations per image."),
        args_size("batch", &o.batch, 1, 65536, "Images per call: memory, not results."),
        args_uint64("seed", &o.seed, 0, UINT64_MAX, "Of noise and of the strange images."),
        args_default_text(args_string("out", &o.out, "The table as TSV."), "none"),
    };
    args_table table = {"ood", "Tells images of other kinds from those of CIFAR-10 by their likelihood.",
                        list, ARGS_COUNT(list)};
    args_parse(&table, argc, argv);
    return o;
}

/* ---- kinds of images ---- */

typedef struct source {
    cifar10 train_set, test_set;
    fields *field;
    uint64_t seed;
} source;

static void value_as_byte(float *x)
{
    *x = (float)(floor(fmin(fmax(*x, -1), 1) * 127.5 + 128) / 127.5 - 1); /* on the grid of all images */
}

static void test_image(const source *s, size_t i, float *x)
{
    cifar10_floats(s->test_set.pixels + i % s->test_set.n * DIM, 0, x);
}

static void train_image(const source *s, size_t i, float *x)
{
    cifar10_floats(s->train_set.pixels + i % s->train_set.n * DIM, 0, x);
}

static void upside_down(const source *s, size_t i, float *x)
{
    float row[SIDE * 3];
    size_t y;
    test_image(s, i, x);
    for (y = 0; y < SIDE / 2; y++) {
        float *top = x + y * SIDE * 3, *bottom = x + (SIDE - 1 - y) * SIDE * 3;
        memcpy(row, top, sizeof row), memcpy(top, bottom, sizeof row), memcpy(bottom, row, sizeof row);
    }
}

static void negative(const source *s, size_t i, float *x)
{
    size_t k;
    test_image(s, i, x);
    for (k = 0; k < DIM; k++) x[k] = -x[k];
}

/* Each value the mean of the 3 x 3 pixels around it. */
static void blurred(const source *s, size_t i, float *x)
{
    float sharp[DIM];
    int y, row, column, dy, dx, c;
    test_image(s, i, sharp);
    for (y = 0; y < SIDE * SIDE * 3; y++) {
        double sum = 0, n = 0;
        row = y / 3 / SIDE, column = y / 3 % SIDE, c = y % 3;
        for (dy = -1; dy <= 1; dy++)
            for (dx = -1; dx <= 1; dx++)
                if (row + dy >= 0 && row + dy < SIDE && column + dx >= 0 && column + dx < SIDE)
                    sum += sharp[((row + dy) * SIDE + column + dx) * 3 + c], n++;
        x[y] = (float)(sum / n);
        value_as_byte(&x[y]);
    }
}

/* The same pixels in another order. */
static void shuffled(const source *s, size_t i, float *x)
{
    itd_rng rng = itd_rng_make(s->seed ^ 0x73687566, i);
    float image[DIM];
    size_t order[SIDE * SIDE], k;
    test_image(s, i, image);
    for (k = 0; k < SIDE * SIDE; k++) order[k] = k;
    itd_rng_shuffle(&rng, SIDE * SIDE, order);
    for (k = 0; k < SIDE * SIDE; k++) memcpy(x + 3 * k, image + 3 * order[k], 3 * sizeof *x);
}

static void noise(const source *s, size_t i, float *x)
{
    itd_rng rng = itd_rng_make(s->seed ^ 0x6e6f6973, i);
    size_t k;
    for (k = 0; k < DIM; k++) x[k] = (float)itd_rng_below(&rng, 256) / 127.5f - 1;
}

static void one_colour(const source *s, size_t i, float *x)
{
    itd_rng rng = itd_rng_make(s->seed ^ 0x636f6c6f, i);
    size_t k;
    for (k = 0; k < 3; k++) x[k] = (float)itd_rng_below(&rng, 256) / 127.5f - 1;
    for (k = 3; k < DIM; k++) x[k] = x[k - 3];
}

/* A Gaussian with the spectrum of photographs. */
static void random_field(const source *s, size_t i, float *x)
{
    size_t k;
    fields_sample(s->field, i, x);
    for (k = 0; k < DIM; k++) value_as_byte(&x[k]);
}

typedef struct kind {
    const char *name;
    void (*image)(const source *s, size_t i, float *x);
} kind;

static const kind kinds[] = {{"training images", train_image},
                             {"test images", test_image},
                             {"test images upside down", upside_down},
                             {"negatives", negative},
                             {"blurred", blurred},
                             {"pixels shuffled", shuffled},
                             {"Gaussian fields", random_field},
                             {"noise", noise},
                             {"one colour", one_colour}};
enum { KINDS = sizeof kinds / sizeof *kinds, TRAINING = 0, TEST = 1 };

/* ---- scores ---- */

static double bits(double nats) { return nats / (DIM * log(2.0)) + log(127.5) / log(2.0); }

/* -log p of the images of a kind, bits/dim for values 0 .. 255. */
static void score(const options *o, const source *s, itd_model *model, const kind *k, double *bits_per_dim)
{
    itd_denoiser den = itd_model_denoiser(model);
    itd_nll_desc d = itd_model_nll_desc(model);
    itd_nll_result result;
    float *x = (float *)must_alloc(o->images, DIM * sizeof *x);
    size_t i;
    for (i = 0; i < o->images; i++) k->image(s, i, x + i * DIM);
    d.draws = o->draws, d.batch = o->batch, d.seed = o->seed;
    must(itd_nll(&den, x, o->images, &d, &result, bits_per_dim, NULL), "estimating the likelihood");
    for (i = 0; i < o->images; i++) bits_per_dim[i] = bits(bits_per_dim[i]);
    free(x);
}

static double mean_of(const double *x, size_t n)
{
    double sum = 0;
    size_t i;
    for (i = 0; i < n; i++) sum += x[i] / (double)n;
    return sum;
}

/* The probability that one of x is larger than one of y; ties count half. */
static double area(const double *x, const double *y, size_t n)
{
    double larger = 0;
    size_t i, j;
    for (i = 0; i < n; i++)
        for (j = 0; j < n; j++) larger += x[i] > y[j] ? 1 : x[i] < y[j] ? 0 : 0.5;
    return larger / (double)n / (double)n;
}

static void compare(const options *o, double *const all[KINDS], FILE *file)
{
    double typical = mean_of(all[TRAINING], o->images), *away[2];
    size_t k, i;
    away[0] = (double *)must_alloc(o->images, sizeof **away);
    away[1] = (double *)must_alloc(o->images, sizeof **away);
    printf("%lu of each kind        bits/dim     area under ROC by -log p   by its distance from the usual\n",
           (unsigned long)o->images);
    if (file) fprintf(file, "kind\tbits_per_dim\tauc_likelihood\tauc_typicality\n");
    for (i = 0; i < o->images; i++) away[0][i] = fabs(all[TEST][i] - typical);
    for (k = 0; k < KINDS; k++) {
        double likelihood = area(all[k], all[TEST], o->images), mean = mean_of(all[k], o->images), typicality;
        for (i = 0; i < o->images; i++) away[1][i] = fabs(all[k][i] - typical);
        typicality = area(away[1], away[0], o->images);
        printf("  %-26s %7.3f %18.3f %28.3f\n", kinds[k].name, mean, likelihood, typicality);
        if (file) fprintf(file, "%s\t%.4f\t%.4f\t%.4f\n", kinds[k].name, mean, likelihood, typicality);
    }
    free(away[0]), free(away[1]);
}

int main(int argc, char **argv)
{
    source s;
    options o;
    itd_model *model;
    itd_error error;
    fields_desc fd;
    double *all[KINDS];
    char text[512];
    FILE *file = NULL;
    size_t k;
    must_program = "ood";
    system_patient_threads(argv);
    o = read_options(argc, argv);
    if (itd_load(o.load, &model, NULL, &error) != ITD_OK) fail("%s", error.text);
    if (model->dim != DIM) fail("%s: a model of images of 32 x 32 x 3 expected", o.load);
    if (cifar10_read(o.data, "train", &s.train_set, text, sizeof text)) fail("%s", text);
    if (cifar10_read(o.data, "test", &s.test_set, text, sizeof text)) fail("%s", text);
    fd = fields_desc_default(SIDE, o.seed), s.seed = o.seed;
    must(fields_create(&fd, &s.field), "preparing the fields");
    if (o.out && !(file = fopen(o.out, "w"))) fail("%s: cannot be written", o.out);
    for (k = 0; k < KINDS; k++) {
        all[k] = (double *)must_alloc(o.images, sizeof *all[k]);
        score(&o, &s, model, &kinds[k], all[k]);
    }
    compare(&o, all, file);
    if (file && fclose(file)) fail("%s: cannot be written", o.out);
    for (k = 0; k < KINDS; k++) free(all[k]);
    cifar10_free(&s.train_set), cifar10_free(&s.test_set), fields_free(s.field);
    itd_model_free(model);
    return 0;
}
