/* invariants.c: the tables of invariants.sh, drawn at random from known distributions, and what has to hold of
 * the scores that fit gives to their rows.
 *
 *     invariants make SEED FOLDER      plain.csv and its variants, each for training and (-test) for scoring
 *     invariants check FOLDER          reads what fit made of them; a line for each invariant that is broken
 *
 * A table has 1 to 6 columns, 200 to 800 rows, and columns that are mixtures of Gaussians, mixed with each
 * other; some then go through exp or a cube. Its variants, for the same distribution in another form:
 *
 *     permuted     the rows in another order
 *     scaled       each column times a factor of 1e-3 to 1e6, plus an offset; -log p grows by the logarithms
 *     rotated      columns mixed by a rotation, which changes no density; the Gaussian's is the same
 *     rounded      each column to a step of its own: no density, but all numbers stay finite */
#include "../../examples/support/system.h"

#define ITDIFF_IMPLEMENTATION
#include "../../itdiff.h"

#include "../../examples/support/must.h"
#include "../../examples/support/table.h"

enum { MAX_COLUMNS = 6, TEST_ROWS = 400, NAME = 300 };

typedef struct table {
    size_t rows, columns;
    double *x; /* (rows,columns) */
} table;

static table table_make(size_t rows, size_t columns)
{
    table t = {rows, columns, (double *)must_alloc(rows * columns, sizeof(double))};
    return t;
}

static double uniform(itd_rng *rng, double low, double high)
{
    return low + (high - low) * itd_rng_uniform(rng);
}

/* ---- the distribution ---- */

typedef struct world {
    size_t columns, parts[MAX_COLUMNS];
    double middle[MAX_COLUMNS][4], width[MAX_COLUMNS][4], mix[MAX_COLUMNS][MAX_COLUMNS];
    int shape[MAX_COLUMNS]; /* 0: as it is, 1: exp, 2: with a cube */
} world;

static world world_make(itd_rng *rng)
{
    world w;
    memset(&w, 0, sizeof w);
    w.columns = 1 + (size_t)itd_rng_below(rng, MAX_COLUMNS);
    for (size_t j = 0; j < w.columns; j++) {
        w.parts[j] = 1 + (size_t)itd_rng_below(rng, 4);
        for (size_t k = 0; k < w.parts[j]; k++)
            w.middle[j][k] = uniform(rng, -2, 2), w.width[j][k] = exp(uniform(rng, -1.5, 0));
        for (size_t k = 0; k < w.columns; k++) w.mix[j][k] = j == k ? 1 : uniform(rng, -0.7, 0.7);
        w.shape[j] = (int)itd_rng_below(rng, 5);
    }
    return w;
}

static void draw_row(const world *w, itd_rng *rng, double *x)
{
    double source[MAX_COLUMNS];
    for (size_t j = 0; j < w->columns; j++) {
        size_t k = (size_t)itd_rng_below(rng, w->parts[j]);
        source[j] = w->middle[j][k] + w->width[j][k] * itd_rng_normal(rng);
    }
    for (size_t j = 0; j < w->columns; j++) {
        x[j] = 0;
        for (size_t k = 0; k < w->columns; k++) x[j] += w->mix[j][k] * source[k];
        if (w->shape[j] == 1) x[j] = exp(x[j] / 2);
        if (w->shape[j] == 2) x[j] += 0.1 * x[j] * x[j] * x[j];
    }
}

static table draw(const world *w, itd_rng *rng, size_t rows)
{
    table t = table_make(rows, w->columns);
    for (size_t i = 0; i < rows; i++) draw_row(w, rng, t.x + i * t.columns);
    return t;
}

/* ---- its variants ---- */

static void put(const char *folder, const char *variant, const char *part, const table *t)
{
    char path[NAME];
    FILE *file;
    snprintf(path, sizeof path, "%s/%s%s.csv", folder, variant, part);
    if (!(file = fopen(path, "w"))) fail("%s: cannot be written", path);
    for (size_t j = 0; j < t->columns; j++) fprintf(file, "%sc%lu", j ? "," : "", (unsigned long)j);
    for (size_t i = 0; i < t->rows * t->columns; i++)
        fprintf(file, "%c%.12g", i % t->columns ? ',' : '\n', t->x[i]);
    fputc('\n', file);
    if (fclose(file)) fail("%s: cannot be written", path);
}

static void put_permuted(const char *folder, itd_rng *rng, const table *t)
{
    table other = table_make(t->rows, t->columns);
    size_t *order = (size_t *)must_alloc(t->rows, sizeof *order);
    for (size_t i = 0; i < t->rows; i++) order[i] = i;
    itd_rng_shuffle(rng, t->rows, order);
    for (size_t i = 0; i < t->rows; i++)
        memcpy(other.x + i * t->columns, t->x + order[i] * t->columns, t->columns * sizeof *t->x);
    put(folder, "permuted", "", &other);
    free(other.x), free(order);
}

static void put_scaled(const char *folder, const char *part, const table *t, const double *factor,
                       const double *offset)
{
    table other = table_make(t->rows, t->columns);
    for (size_t i = 0; i < t->rows * t->columns; i++)
        other.x[i] = offset[i % t->columns] + factor[i % t->columns] * t->x[i];
    put(folder, "scaled", part, &other);
    free(other.x);
}

/* By an angle in the plane of each two columns. */
static void put_rotated(const char *folder, const char *part, const table *t, const double *angle)
{
    table other = table_make(t->rows, t->columns);
    memcpy(other.x, t->x, t->rows * t->columns * sizeof *t->x);
    for (size_t i = 0; i < t->rows; i++)
        for (size_t j = 0; j + 1 < t->columns; j++) {
            double *x = other.x + i * t->columns + j, first = x[0];
            x[0] = cos(angle[j]) * first - sin(angle[j]) * x[1];
            x[1] = sin(angle[j]) * first + cos(angle[j]) * x[1];
        }
    put(folder, "rotated", part, &other);
    free(other.x);
}

static void put_rounded(const char *folder, const char *part, const table *t, const double *step)
{
    table other = table_make(t->rows, t->columns);
    for (size_t i = 0; i < t->rows * t->columns; i++)
        other.x[i] = step[i % t->columns] * floor(t->x[i] / step[i % t->columns] + 0.5);
    put(folder, "rounded", part, &other);
    free(other.x);
}

static void make(uint64_t seed, const char *folder)
{
    itd_rng rng = itd_rng_make(seed, 99);
    world w = world_make(&rng);
    table train = draw(&w, &rng, 200 + (size_t)itd_rng_below(&rng, 600)), test = draw(&w, &rng, TEST_ROWS);
    double factor[MAX_COLUMNS], offset[MAX_COLUMNS], angle[MAX_COLUMNS], step[MAX_COLUMNS], log_det = 0;
    char path[NAME];
    FILE *file;
    for (size_t j = 0; j < w.columns; j++) {
        factor[j] = pow(10, (double)itd_rng_below(&rng, 10) - 3);
        offset[j] = factor[j] * uniform(&rng, -1000, 1000);
        angle[j] = uniform(&rng, 0, 6), step[j] = pow(10, -(double)itd_rng_below(&rng, 3));
        log_det += log(factor[j]);
    }
    put(folder, "plain", "", &train), put(folder, "plain", "-test", &test);
    put_permuted(folder, &rng, &train), put(folder, "permuted", "-test", &test);
    put_scaled(folder, "", &train, factor, offset), put_scaled(folder, "-test", &test, factor, offset);
    put_rotated(folder, "", &train, angle), put_rotated(folder, "-test", &test, angle);
    put_rounded(folder, "", &train, step), put_rounded(folder, "-test", &test, step);
    snprintf(path, sizeof path, "%s/log_det", folder);
    if (!(file = fopen(path, "w")) || fprintf(file, "%.12g\n", log_det) < 0 || fclose(file))
        fail("%s: cannot be written", path);
    free(train.x), free(test.x);
}

/* ---- what has to hold ---- */

/* A file of numbers in columns, below a line of names. */
static table take(const char *folder, const char *name)
{
    char path[NAME], error[TABLE_ERROR];
    data_table t;
    table out;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (table_read(path, NULL, &t, error, sizeof error)) fail("%s", error);
    out = table_make(t.rows, t.columns);
    memcpy(out.x, t.values, t.rows * t.columns * sizeof *out.x);
    table_free(&t);
    return out;
}

typedef struct paired {
    double mean, error;
} paired;

/* Of the difference of two scores of the same rows, or of one score alone. */
static paired compare(const table *a, const table *b, double shift)
{
    paired p = {0, 0};
    double n = (double)a->rows;
    for (size_t i = 0; i < a->rows; i++) p.mean += (a->x[3 * i + 1] - (b ? b->x[3 * i + 1] : 0) - shift) / n;
    for (size_t i = 0; i < a->rows; i++) {
        double off = a->x[3 * i + 1] - (b ? b->x[3 * i + 1] : 0) - shift - p.mean;
        p.error += off * off / n / (n - 1);
    }
    p.error = sqrt(p.error);
    return p;
}

/* Standard error of the mean score, of the estimator alone. */
static double mean_error(const table *a)
{
    double sum = 0;
    for (size_t i = 0; i < a->rows; i++) sum += a->x[3 * i + 2] * a->x[3 * i + 2];
    return sqrt(sum) / (double)a->rows;
}

/* Scores of the rows by the Gaussian with mean and covariance of the training rows. */
static table gaussian_scores(const char *folder, const char *variant)
{
    char name[NAME];
    table train, test, out;
    double mean[MAX_COLUMNS] = {0}, covariance[MAX_COLUMNS * MAX_COLUMNS] = {0};
    itd_gaussian *g = NULL;
    size_t d;
    snprintf(name, sizeof name, "%s.csv", variant), train = take(folder, name);
    snprintf(name, sizeof name, "%s-test.csv", variant), test = take(folder, name);
    d = train.columns, out = table_make(test.rows, 3);
    for (size_t i = 0; i < train.rows * d; i++) mean[i % d] += train.x[i] / (double)train.rows;
    for (size_t i = 0; i < train.rows * d * d; i++) {
        size_t row = i / (d * d), j = i / d % d, k = i % d;
        covariance[j * d + k] += (train.x[row * d + j] - mean[j]) * (train.x[row * d + k] - mean[k]) /
                                 (double)train.rows;
    }
    must(itd_gaussian_create(mean, covariance, d, &g), "making the Gaussian");
    for (size_t i = 0; i < test.rows; i++) {
        double sum = itd_gaussian_entropy(g) - (double)d / 2;
        for (size_t k = 0; k < d; k++) {
            double y = 0;
            for (size_t j = 0; j < d; j++) y += g->vectors[k * d + j] * (test.x[i * d + j] - mean[j]);
            sum += 0.5 * y * y / g->lambda[k];
        }
        out.x[3 * i + 1] = sum;
    }
    itd_gaussian_free(g), free(train.x), free(test.x);
    return out;
}

static size_t checks, broken;

static void holds(int right, const char *what, paired p, double limit)
{
    checks++;
    if (right) return;
    broken++;
    printf("  %s: off by %.4f +- %.4f, %.4f allowed\n", what, p.mean, p.error, limit);
}

static void check(const char *folder)
{
    static const char *const variants[] = {"plain", "permuted", "scaled", "rotated", "rounded"};
    table log_det = take(folder, "log_det"), score[5], samples = take(folder, "samples-scores.csv"),
          plain = take(folder, "plain.csv");
    paired p, q;
    double limit;
    for (size_t v = 0; v < 5; v++) {
        char name[NAME];
        snprintf(name, sizeof name, "%s-scores.csv", variants[v]), score[v] = take(folder, name);
        for (size_t i = 0; i < score[v].rows; i++)
            if (!(fabs(score[v].x[3 * i + 1]) < 1e6))
                p.mean = score[v].x[3 * i + 1], p.error = 0, holds(0, "finite", p, 0);
        if (v == 4) break; /* rounded rows get noise that the Gaussian here does not know */
        table gaussian = gaussian_scores(folder, variants[v]);
        p = compare(&score[v], &gaussian, 0), limit = 2 * p.error + 2 * mean_error(&score[v]) + 0.01;
        holds(p.mean <= limit, "not above the Gaussian", p, limit);
        free(gaussian.x);
    }
    p = compare(&score[1], &score[0], 0), limit = 3 * p.error + 3 * mean_error(&score[0]);
    holds(fabs(p.mean) <= limit, "another order of rows", p, limit);
    p = compare(&score[2], &score[0], log_det.x[0]), limit = 3 * p.error + 3 * mean_error(&score[0]);
    holds(fabs(p.mean) <= limit, "other units", p, limit);
    p = compare(&samples, NULL, 0), q = compare(&score[0], NULL, 0), p.mean -= q.mean;
    p.error = sqrt(p.error * p.error + q.error * q.error);
    limit = 4 * p.error + 0.1 * (double)plain.columns;
    holds(fabs(p.mean) <= limit, "samples score like the data", p, limit);
    printf("%lu passed, %lu failed\n", (unsigned long)(checks - broken), (unsigned long)broken);
}

int main(int argc, char **argv)
{
    must_program = "invariants";
    if (argc == 4 && !strcmp(argv[1], "make")) make((uint64_t)strtoul(argv[2], NULL, 10), argv[3]);
    else if (argc == 3 && !strcmp(argv[1], "check")) check(argv[2]);
    else fail("make SEED FOLDER, or check FOLDER, expected");
    return broken > 0;
}
