/* image_score.h: all the likelihoods of a run's test images: of a density as they are and dequantized, and,
 * where their values lie on a grid, of the values themselves; on the screen, in likelihood.tsv, and what they
 * are made of in mses.tsv. docs/likelihood.md says what each of them is.
 *
 *     score_report s = score_images(&run);        measured, printed, written
 *     score_free(&s);
 *
 * Include progress.h first of all, and the implementation of itdiff.h before this file. */
#ifndef IMAGE_SCORE_H
#define IMAGE_SCORE_H

#include "grid.h"
#include "image_train.h"
#include "wide_gaussian.h"

/* The denoisers that are measured, and the columns of the table: of each model its variants, then z itself,
 * rounded; the reference follows them. Models of images that are on no grid are measured as they are. */
enum { SCORE_VARIANTS = 4, SCORE_COLUMNS = RUN_MAX_MODELS * SCORE_VARIANTS + 2, SCORE_BINS = 32 };

typedef struct score_denoisers {
    grid_variants *of_model[RUN_MAX_MODELS];
    itd_denoiser column[SCORE_COLUMNS];
    size_t count;
} score_denoisers;

/* What is measured, once for the images as they are and once with the gaps between their values filled. */
typedef struct score_report {
    itd_draws *plain, *dequantized; /* NULL: on no grid */
    grid_tails tails;               /* of the plain ones */
    itd_nll_result first, last;     /* the first row and the last one */
} score_report;

static inline void score_free(score_report *s)
{
    itd_draws_free(s->plain), itd_draws_free(s->dequantized), grid_tails_free(&s->tails);
}

/* ---- models and reference ---- */

static inline void score_load_more(image_run *r)
{
    char path[1200];
    const image_scale *own = &r->scale;
    image_scale scale;
    r->more[0] = r->model;
    for (r->models = 1; image_options_with(r->o, r->models - 1, path, sizeof path); r->models++) {
        if (r->models == RUN_MAX_MODELS) fail("--with: at most %d checkpoints", RUN_MAX_MODELS - 1);
        must_load_model(path, &r->more[r->models], NULL);
        run_read_note(r->more[r->models], path, &r->more_shape[r->models], &scale);
        run_must_fit(r, &r->more_shape[r->models], path);
        if (fabs(scale.low - own->low) + fabs(scale.high - own->high) > 0 || scale.levels != own->levels)
            fail("--with: %s: a model of %s from %g to %g expected, it has learned %s from %g to %g", path,
                 own->levels ? "levels" : "any values", own->low, own->high,
                 scale.levels ? "levels" : "any values", scale.low, scale.high);
    }
}

/* Images for the Gaussian, some at a time. */
static inline void score_image(const void *ctx, size_t i, float *x)
{
    const image_run *r = (const image_run *)ctx;
    run_training_image(r, i, 0, x);
}

/* Of all training images, once: the file in the folder of the results is read the next time, if it is of the
 * same ones. Without enough images, or time, each number has a variance of its own. */
static inline void score_find_reference(image_run *r)
{
    enum { MOST_DIM = 4096, SECONDS = 30 };
    double started = system_seconds();
    const char *path = run_path(r, "gaussian.npy");
    char error[300];
    if (strcmp(r->o->reference, "full") || r->n_train < 4 * r->dim || r->sample || r->dim > MOST_DIM) return;
    if (!wide_gaussian_load(path, &r->reference, error, sizeof error)) {
        if (wide_gaussian_is_of(r->reference, score_image, r, r->n_train, r->dim)) return;
        itd_gaussian_free(r->reference), r->reference = NULL;
    }
    if (r->own_seconds > 0 && train_seconds_after(r) < 10 * SECONDS * pow((double)r->dim / 3072, 3)) return;
    must(wide_gaussian_fit(score_image, r, r->n_train, r->dim, &r->reference),
         "the Gaussian of the training images");
    if (wide_gaussian_save(r->reference, path)) warn("%s: cannot be written, and is not kept", path);
    if (!r->o->quiet)
        printf("Gaussian of %lu images: entropy %.4f bits/dim (%.0f s)\n", (unsigned long)r->n_train,
               run_bits(r, itd_gaussian_entropy(r->reference)), system_seconds() - started);
}

/* ---- measuring ---- */

static inline grid score_grid(const image_run *r)
{
    grid g = {-1, 1, r->scale.levels};
    return g;
}

static inline score_denoisers score_make_denoisers(image_run *r)
{
    score_denoisers all;
    grid g = score_grid(r);
    memset(&all, 0, sizeof all);
    for (size_t k = 0; k < r->models; k++) {
        itd_denoiser den = run_denoiser(r, k);
        grid_variants *v;
        if (!r->scale.levels) {
            all.column[all.count++] = den;
            continue;
        }
        must(grid_variants_create(&den, &g, &v), "rounding what is denoised");
        all.of_model[k] = v;
        all.column[all.count++] = grid_unrounded(v), all.column[all.count++] = grid_clamped(v);
        all.column[all.count++] = grid_rounded(v), all.column[all.count++] = grid_softly_rounded(v, false);
    }
    if (r->scale.levels) all.column[all.count++] = grid_observed(all.of_model[0]);
    return all;
}

static inline void score_free_denoisers(score_denoisers *all)
{
    for (size_t k = 0; k < RUN_MAX_MODELS; k++) grid_variants_free(all->of_model[k]);
}

static inline itd_draws *score_measure(const image_run *r, const score_denoisers *all, size_t columns,
                                       const float *x, size_t n, size_t draws)
{
    itd_nll_desc d = itd_nll_desc_default();
    itd_draws *table;
    const char *problem;
    d.schedule = r->model->desc.schedule, d.draws = draws, d.batch = r->o->eval_batch, d.seed = r->o->seed;
    d.reference = r->reference, d.allocate = draws > 2;
    if ((problem = itd_nll_problem(all->column, columns, n, &d)) != NULL) fail("%s", problem);
    must(itd_measure(all->column, columns, x, n, &d, &table), "estimating the likelihood");
    return table;
}

/* Measures the images with the gaps between their values filled. They take each other's place: both are never
 * in memory. */
static inline itd_draws *score_measure_dequantized(image_run *r, const score_denoisers *all, size_t n,
                                                   size_t draws)
{
    grid g = score_grid(r);
    itd_draws *table;
    grid_dequantize(&g, r->o->seed, r->test, n, r->dim, r->test);
    table = score_measure(r, all, r->models, r->test, n, draws);
    for (size_t i = 0; i < n; i++) images_get(&r->test_set, i, 0, r->test + i * r->dim);
    return table;
}

/* A density needs no rounding: of the dequantized images the first variant of every model is measured, and
 * their likelihood varies less, so that half of the evaluations will do. */
static inline score_report score_measure_both(image_run *r, size_t n, size_t draws)
{
    score_report s;
    score_denoisers all = score_make_denoisers(r), plain;
    grid g = score_grid(r);
    memset(&s, 0, sizeof s), memset(&plain, 0, sizeof plain);
    s.plain = score_measure(r, &all, all.count, r->test, n, draws);
    if (r->scale.levels) {
        must(grid_tails_create(&g, &all.column[0], s.plain, r->test, &s.tails), "adding what is outside");
        for (size_t k = 0; k < r->models; k++) plain.column[k] = all.column[k * SCORE_VARIANTS];
        s.dequantized = score_measure_dequantized(r, &plain, n, draws > 4 ? (draws + 1) / 2 : 2);
    }
    score_free_denoisers(&all);
    return s;
}

/* ---- rows ---- */

enum {
    RAW = 1,
    CLAMPED = 2,
    ROUNDED = 4,
    SOFTLY = 8,
    OBSERVED = 16,
    GAUSSIAN = 32
}; /* what a row chooses from */

typedef struct score_row {
    const char *name;
    int discrete, dequantized;
    unsigned choice;
} score_row;

static const score_row score_table[] = {
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

static inline itd_nll_result score_evaluate(const image_run *r, const score_row *w, const score_report *s,
                                            double *nll_x)
{
    const itd_draws *draws = w->dequantized ? s->dequantized : s->plain;
    size_t column[SCORE_COLUMNS], n = 0, of_model = draws->denoisers / r->models; /* 4 and z itself, or 1 */
    itd_nll_result v;
    for (size_t k = 0; k < r->models * of_model; k++)
        if (w->choice >> k % of_model & 1) column[n++] = k;
    if (w->choice & OBSERVED) column[n++] = draws->denoisers - 1;
    if (w->choice & GAUSSIAN) column[n++] = draws->denoisers;
    must(grid_nll(draws, w->discrete ? &s->tails : NULL, SCORE_BINS, column, n, &v, nll_x, NULL),
         "adding up the likelihood");
    return v;
}

/* Of images on no grid the first row is all there is. */
static inline size_t score_rows(const image_run *r)
{
    return r->scale.levels ? sizeof score_table / sizeof *score_table : 1;
}

/* Draws that bring every row to the standard error asked for, by what they have brought so far. */
static inline size_t score_draws_for(const image_run *r, const score_report *s)
{
    double worst = 0;
    for (size_t k = 0; k < score_rows(r); k++)
        worst = fmax(worst, run_bits(r, score_evaluate(r, &score_table[k], s, NULL).std_error));
    return (size_t)ceil((double)r->o->draws * 1.1 * pow(worst / r->o->std_error, 2));
}

/* ---- files, which may be lost, but not what goes to the screen ---- */

static inline FILE *score_open(const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file) lose(path);
    return file;
}

static inline void score_close(FILE *file, const char *path)
{
    if (file && fclose(file)) lose(path);
}

/* What one is told of a density is nats and bits/dim in the units of the file; of a probability, which has no
 * unit, the same. */
static inline void score_print_row(const image_run *r, FILE *file, const score_row *w,
                                   const itd_nll_result *v)
{
    double b = run_bits(r, v->nll) + (w->discrete ? 0 : run_unit_bits(r));
    if (file)
        fprintf(file, "%s\t%.2f\t%.2f\t%.2f\t%.4f\t%.4f\t%.4f\n", w->name, v->nll, v->std_error,
                v->std_error_data, b, run_bits(r, v->std_error), run_bits(r, v->std_error_data));
    if (!r->o->quiet)
        printf("  %-42s %9.1f   %7.4f +- %.4f (data %.4f)\n", w->name, v->nll, b, run_bits(r, v->std_error),
               run_bits(r, v->std_error_data));
}

static inline void score_print_rows(const image_run *r, score_report *s)
{
    FILE *file = score_open(run_path(r, "likelihood.tsv"));
    if (file)
        fprintf(file,
                "likelihood\tnats\tstderr\tstderr_data\tbits_per_dim_%s\tstderr_bits\tstderr_data_bits\n",
                r->units_name);
    if (!r->o->quiet)
        printf("-log likelihood of %-6lu test images             nats   bits/dim for values %g .. %g\n",
               (unsigned long)s->plain->n, r->scale.low, r->scale.high);
    for (size_t k = 0; k < score_rows(r); k++) {
        itd_nll_result v = score_evaluate(r, &score_table[k], s, NULL);
        score_print_row(r, file, &score_table[k], &v);
        if (k == 0) s->first = v;
        s->last = v;
    }
    score_close(file, run_path(r, "likelihood.tsv"));
}

/* Which of them to quote, see docs/likelihood.md: of values on a grid the probability, since their density
 * has no upper limit. */
static inline void score_say_quote(const image_run *r, const itd_nll_result *last)
{
    double error = run_bits(r, last->std_error);
    if (r->o->quiet) return;
    if (error > 0.05)
        printf(
            "+- %.2f is too much to quote or to compare: --eval --stderr 0.02 evaluates until it is small\n",
            error);
    if (r->scale.levels && r->n_test < 2)
        printf("one image cannot choose between the likelihoods; \"discrete, rounded\" is one of them\n");
    else if (r->scale.levels)
        printf("to quote: \"%s\"; beside normalizing flows \"dequantized\"; \"continuous\" has no lower "
               "limit\n",
               score_table[score_rows(r) - 1].name);
    else printf("to quote: \"continuous\", a density of values on no grid, with their unit\n");
}

/* Each test image's own numbers, by the first and the last row; images count from 1, in the order of their
 * file. */
static inline void score_write_each(const image_run *r, const score_report *s)
{
    size_t n = s->plain->n, last = score_rows(r) - 1;
    double *nll = (double *)must_alloc(2 * n, sizeof *nll);
    FILE *file = score_open(r->o->scores);
    score_evaluate(r, &score_table[0], s, nll);
    if (last) score_evaluate(r, &score_table[last], s, nll + n);
    if (file) fprintf(file, "image\tcontinuous_nats%s\n", last ? "\tdiscrete_nats" : "");
    for (size_t i = 0; i < n && file; i++) {
        fprintf(file, "%lu\t%.2f", (unsigned long)(r->test_set.index ? r->test_set.index[i] : i) + 1, nll[i]);
        if (last) fprintf(file, "\t%.2f", nll[n + i]);
        fprintf(file, "\n");
    }
    score_close(file, r->o->scores);
    free(nll);
}

/* What the likelihoods are made of: the errors of the first model by log SNR, in mses.tsv. */
static inline void score_write_mses(const image_run *r, const score_report *s)
{
    static const char *const names[] = {"mse", "mse_clamped", "mse_rounded", "mse_rounded_softly"};
    double mse[SCORE_VARIANTS][SCORE_BINS], gaussian[2][SCORE_BINS], dequantized[SCORE_BINS];
    const itd_schedule *q = &s->plain->desc.schedule;
    FILE *file = score_open(run_path(r, "mses.tsv"));
    size_t variants = r->scale.levels ? SCORE_VARIANTS : 1;
    if (!file) return;
    fprintf(file, "logsnr_from\tlogsnr_to");
    for (size_t k = 0; k < variants; k++) {
        must(itd_draws_curve(s->plain, k, SCORE_BINS, NULL, mse[k], NULL, gaussian[0]), "averaging errors");
        fprintf(file, "\t%s", names[k]);
    }
    if (s->dequantized)
        must(itd_draws_curve(s->dequantized, 0, SCORE_BINS, NULL, dequantized, NULL, gaussian[1]),
             "averaging errors");
    fprintf(file, "\tmse_gaussian%s\n", s->dequantized ? "\tmse_dequantized\tmse_gaussian_dequantized" : "");
    for (size_t bin = 0; bin < SCORE_BINS; bin++) {
        fprintf(file, "%.4f\t%.4f", itd_schedule_quantile(q, (double)bin / SCORE_BINS),
                itd_schedule_quantile(q, (double)(bin + 1) / SCORE_BINS));
        for (size_t k = 0; k < variants; k++) fprintf(file, "\t%.3f", mse[k][bin]);
        fprintf(file, "\t%.3f", gaussian[0][bin]);
        if (s->dequantized) fprintf(file, "\t%.3f\t%.3f", dequantized[bin], gaussian[1][bin]);
        fprintf(file, "\n");
    }
    score_close(file, run_path(r, "mses.tsv"));
}

/* ---- all of it ---- */

/* Test images: all, unless a short training by the clock leaves no time for them. */
static inline size_t score_images_wanted(const image_run *r)
{
    const image_options *o = r->o;
    double rows = train_rows_in(r, 0.5 * train_seconds_after(r)), n;
    if (!(r->own_seconds > 0) || image_options_given(o, &o->eval_images) ||
        image_options_given(o, &o->draws) || o->std_error > 0)
        return r->n_test;
    n = fmax(rows / (double)(o->draws + (r->scale.levels ? (o->draws + 1) / 2 : 0)), 16);
    if (n >= (double)r->n_test) return r->n_test;
    if (!o->quiet)
        printf("the likelihood of %lu test images, in proportion to the training; --eval takes all %lu\n",
               (unsigned long)n, (unsigned long)r->n_test);
    return (size_t)n;
}

/* Where it will take more than a minute, how long, by the time that a few evaluations take. */
static inline void score_say_time(image_run *r, size_t n, size_t draws)
{
    enum { ROWS = 16 };
    itd_denoiser den = run_denoiser(r, 0);
    size_t images = n < ROWS ? n : ROWS, second = !r->scale.levels ? 0 : draws > 4 ? (draws + 1) / 2 : 2;
    double rows = (double)(n * (draws + second) * r->models), started, seconds;
    float logsnr[ROWS] = {0}, *eps_hat;
    if (r->o->quiet || rows < 100 * ROWS) return;
    eps_hat = (float *)must_alloc(images, r->dim * sizeof *eps_hat);
    must(den.predict(den.ctx, r->test, logsnr, images, eps_hat), "denoising"); /* memory is asked for here */
    started = system_seconds();
    must(den.predict(den.ctx, r->test, logsnr, images, eps_hat), "denoising");
    seconds = (system_seconds() - started) * rows / (double)images;
    free(eps_hat);
    if (seconds < 60) return;
    printf("%.0f evaluations of the network at %.3g a second: about %.0f minutes\n", rows, rows / seconds,
           seconds / 60);
    fflush(stdout);
}

static inline score_report score_images(image_run *r)
{
    size_t draws = r->o->draws, n = score_images_wanted(r);
    score_report s;
    score_find_reference(r);
    score_load_more(r);
    score_say_time(r, n, draws);
    s = score_measure_both(r, n, draws);
    if (r->o->std_error > 0 && (draws = score_draws_for(r, &s)) > r->o->draws) {
        if (!r->o->quiet) printf("%lu evaluations an image\n", (unsigned long)draws);
        score_free(&s);
        s = score_measure_both(r, n, draws);
    }
    score_print_rows(r, &s);
    score_say_quote(r, &s.last);
    score_write_mses(r, &s);
    if (*r->o->scores) score_write_each(r, &s);
    return s;
}

#endif
