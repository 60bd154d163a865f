/* points.c: a set of the plane as two files of numbers, for other programs to learn; docs/rivals.sh runs it.
 *   cc -O2 -I. docs/points.c -o build/points -lm && build/points SET SEED TRAIN.csv FRESH.csv
 * TRAIN.csv: x,y of the 7,200 points that train_2d trains on. FRESH.csv: x,y,true -log p (nats) of 20,000 new
 * points of the same law, under the same standardization. */
#define ITDIFF_IMPLEMENTATION
#include "itdiff.h"

#include "examples/support/datasets.h"
#include "examples/support/must.h"

enum { FRESH = 20000 };

static FILE *create(const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file) fail("%s: cannot be written", path);
    return file;
}

static void finish(FILE *file, const char *path)
{
    int failed = ferror(file);
    if (fclose(file) || failed) fail("%s: cannot be written", path);
}

/* Nine digits give a float back as it was. */
static void write_training(const dataset *set, const char *path)
{
    size_t *index = (size_t *)must_alloc(dataset_default_count, sizeof *index);
    size_t n = dataset_split(dataset_default_count, set->seed, index);
    float *x = (float *)must_alloc(dataset_default_count, 2 * sizeof *x);
    FILE *file = create(path);
    dataset_sample(set, 0, dataset_default_count, x);
    for (size_t i = 0; i < n; i++)
        fprintf(file, "%.9g,%.9g\n", (double)x[2 * index[i]], (double)x[2 * index[i] + 1]);
    finish(file, path);
    free(index), free(x);
}

static void write_fresh(const dataset *set, const char *path)
{
    float *x = (float *)must_alloc(FRESH, 2 * sizeof *x);
    FILE *file = create(path);
    dataset_sample(set, 1, FRESH, x);
    for (size_t i = 0; i < FRESH; i++) {
        double a = (double)x[2 * i], b = (double)x[2 * i + 1];
        fprintf(file, "%.9g,%.9g,%.9g\n", a, b, dataset_true_nll(set, a, b));
    }
    finish(file, path);
    free(x);
}

int main(int argc, char **argv)
{
    char error[256], *end = NULL;
    dataset set;
    must_program = "points";
    if (argc != 5) fail("expected: SET SEED TRAIN.csv FRESH.csv");
    uint64_t seed = strtoull(argv[2], &end, 10);
    if (*end || end == argv[2]) fail("seed: expected a number, found \"%s\"", argv[2]);
    if (dataset_open(argv[1], seed, &set, error, sizeof error)) fail("%s", error);
    write_training(&set, argv[3]);
    write_fresh(&set, argv[4]);
    return 0;
}
