/* scores.h: -log p of rows by a model, and by the two rivals that it has to beat on the same rows: the
 * Gaussian of its training data, and a kernel density estimate.
 *
 *     kde k;
 *     if (rival_fit(&k, model, train, kind, n, seed)) fail("out of memory");
 *     scores s;
 *     scores_begin(&s, m);
 *     scores_add(&s, model, &k, x, &desc);      once, or several times for rows with different noise
 *     scores_end(&s);
 *     ... s.model.nll, s.gaussian.nll, s.kde.nll ...
 *
 * Rounded values get noise, and then a row's -log p is a mean over draws of it. By Jensen's inequality
 * that is an upper bound of -log of the probability of the rounded row, per volume of a rounding cell.
 *
 * Include the implementation of itdiff.h before this file. */
#ifndef SCORES_H
#define SCORES_H

#include "copies.h"
#include "kde.h"
#include "must.h"
#include "table_out.h"
#include "text.h"

/* Of one density; NULL if it was not asked for. */
typedef struct score {
    double *row; /* (rows) */
    double nll;  /* their mean */
} score;

typedef struct scores {
    size_t rows, added;
    score model, gaussian, kde;
    double *error;         /* (rows) standard errors of the model's */
    double std_error;      /* of the model's mean, as an estimate for these rows */
    double std_error_data; /* of the model's mean, as an estimate for the distribution of the rows */
    double *square;        /* (rows) sums of squares, before scores_end */
    const size_t *kind;    /* (rows) to be set behind scores_begin: copies of rows, see copies.h, or NULL */
    bool independent;      /* the Gaussian has no correlations */
} scores;

/* A kernel density estimate of rows as the model sees them, on standardized columns or on whitened rows. */
static inline int rival_fit(kde *k, const itd_model *m, const float *x /* (n,dim) */,
                            const size_t *kind /* (n) */, size_t n, uint64_t seed)
{
    double *rows = (double *)must_alloc(n, m->dim * sizeof *rows);
    double *one = (double *)must_alloc(m->dim, sizeof *one);
    kde_whitening w;
    int failed;
    w.mean = m->mean, w.scale = one, w.whiten = m->whiten, w.log_volume = m->log_det;
    for (size_t i = 0; i < n * m->dim; i++) rows[i] = (double)x[i];
    for (size_t j = 0; j < m->dim; j++) one[j] = 1;
    failed = m->whiten ? kde_fit_better(k, rows, kind, n, m->dim, &w, seed)
                       : kde_fit_standardized(k, rows, kind, n, m->dim, seed);
    free(rows), free(one);
    return failed;
}

static inline void scores_begin(scores *s, size_t rows)
{
    memset(s, 0, sizeof *s);
    s->rows = rows;
    s->model.row = (double *)must_alloc(rows, sizeof(double));
    s->error = (double *)must_alloc(rows, sizeof(double));
    s->square = (double *)must_alloc(rows, sizeof(double));
}

static inline void scores_add_gaussian(scores *s, const itd_gaussian *g, const float *x)
{
    if (!s->gaussian.row) s->gaussian.row = (double *)must_alloc(s->rows, sizeof(double));
    for (size_t i = 0; i < s->rows; i++) s->gaussian.row[i] += itd_gaussian_nll(g, x + i * g->dim);
}

static inline void scores_add_kde(scores *s, const kde *k, const float *x)
{
    double *rows = (double *)must_alloc(s->rows, k->dim * sizeof *rows);
    double *nll = (double *)must_alloc(s->rows, sizeof *nll);
    for (size_t i = 0; i < s->rows * k->dim; i++) rows[i] = (double)x[i];
    if (kde_nll(k, rows, s->rows, nll)) fail("out of memory for %lu rows", (unsigned long)s->rows);
    if (!s->kde.row) s->kde.row = (double *)must_alloc(s->rows, sizeof(double));
    for (size_t i = 0; i < s->rows; i++) s->kde.row[i] += nll[i];
    free(rows), free(nll);
}

/* k: or NULL. desc->seed: another one every time, or the noise of the estimator does not become less. */
static inline void scores_add(scores *s, itd_model *model, const kde *k, const float *x /* (rows,dim) */,
                              const itd_nll_desc *desc)
{
    itd_denoiser den = itd_model_denoiser(model);
    itd_nll_result result;
    double *nll = (double *)must_alloc(s->rows, sizeof *nll);
    must(itd_nll(&den, x, s->rows, desc, &result, nll, s->error), "estimating the likelihood");
    for (size_t i = 0; i < s->rows; i++) s->model.row[i] += nll[i], s->square[i] += nll[i] * nll[i];
    s->added++, s->std_error = result.std_error;
    s->independent = model->dim > 1 && model->gaussian && !model->gaussian->vectors;
    if (model->gaussian) scores_add_gaussian(s, model->gaussian, x);
    if (k) scores_add_kde(s, k, x);
    free(nll);
}

static inline void score_end(score *s, size_t rows, size_t added)
{
    s->nll = s->row ? 0 : (double)NAN;
    for (size_t i = 0; s->row && i < rows; i++)
        s->row[i] /= (double)added, s->nll += s->row[i] / (double)rows;
}

/* Means. The differences between draws of noise include the error of the estimator. */
static inline void scores_end(scores *s)
{
    double n = (double)s->rows, k = (double)s->added, sum = 0;
    size_t kinds;
    score_end(&s->model, s->rows, s->added);
    score_end(&s->gaussian, s->rows, s->added), score_end(&s->kde, s->rows, s->added);
    for (size_t i = 0; i < s->rows; i++) {
        double between = fmax(s->square[i] - k * s->model.row[i] * s->model.row[i], 0) / (k * (k - 1));
        if (s->added > 1) s->error[i] = sqrt(between), sum += between;
    }
    if (s->added > 1) s->std_error = sqrt(sum) / n;
    copies_mean(s->model.row, NULL, s->rows, s->kind, &s->std_error_data, &kinds);
    if (kinds < 2) s->std_error_data = (double)NAN;
}

/* What times a standard error makes an interval of 95 %: for few kinds of rows Student's quantile, else 2. */
static inline double scores_times(size_t kinds)
{
    static const double student[] = {12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26};
    return kinds - 2 < sizeof student / sizeof *student ? student[kinds - 2] : 2;
}

static inline double score_printed(double nll) { return floor(1e4 * nll + 0.5); }

/* "model", "gaussian" or "kde": whose mean is the lowest, by the four decimals that are printed; of equal
   ones the first of these. */
static inline const char *scores_best(const scores *s)
{
    const char *best = "model";
    double lowest = score_printed(s->model.nll);
    if (score_printed(s->gaussian.nll) < lowest) best = "gaussian", lowest = score_printed(s->gaussian.nll);
    if (score_printed(s->kde.nll) < lowest) best = "kde";
    return best;
}

static inline const char *scores_gaussian(const scores *s)
{
    return s->independent ? "the Gaussian of independent columns" : "the Gaussian";
}

/* Model and better rival in one line: which of them is ahead on these rows, and by how much. A lead within an
   interval of 95 % by the differences from row to row is a tie, and so is one that four decimals do not show.
   Nothing of a single row, or of copies of one. */
static inline const char *scores_verdict(const scores *s, const char *what, char *out, size_t size)
{
    const score *rival = s->kde.row && !(s->gaussian.nll <= s->kde.nll) ? &s->kde : &s->gaussian;
    const char *name = rival == &s->kde ? "the kernel density estimate" : scores_gaussian(s);
    double lead, error;
    size_t kinds;
    *out = '\0';
    if (!rival->row || s->rows < 2) return out;
    lead = copies_mean(rival->row, s->model.row, s->rows, s->kind, &error, &kinds);
    if (kinds < 2) return out;
    if (!(fabs(lead) > fmax(scores_times(kinds) * error, 5e-5)))
        snprintf(out, size, "a tie on the %lu %srows: the model and %s are %.4f +- %.4f nats apart",
                 (unsigned long)s->rows, what, name, fabs(lead), error);
    else
        snprintf(out, size, "%s is better than %s by %.4f +- %.4f nats on the %lu %srows",
                 lead > 0 ? "the model" : name, lead > 0 ? name : "the model", fabs(lead), error,
                 (unsigned long)s->rows, what);
    return out;
}

/* The means in one line, of rows that are called "test " or the like, in `out`, which is returned. */
static inline const char *scores_text(const scores *s, const char *what, char *out, size_t size)
{
    snprintf(out, size, "-log p, mean of %lu %srow%s: %.4f +- %.4f nats", (unsigned long)s->rows, what,
             s->rows == 1 ? "" : "s", s->model.nll, s->std_error);
    if (s->gaussian.row)
        text_append(out, size, "; by %s%s %.4f", scores_gaussian(s),
                    s->independent ? "" : " of the training rows", s->gaussian.nll);
    if (s->kde.row) text_append(out, size, "; by a kernel density estimate %.4f", s->kde.nll);
    return out;
}

/* A file with the number of each row, from 1, its -log p and standard error; .npy has no numbers. Rows of the
   file that the table has left out have nan. Returns 0, or -1 if it cannot be written. */
static inline int scores_write(const char *path, const scores *s, const data_table *t)
{
    char number[] = "row", nll[] = "nll", error[] = "stderr", *names[3];
    size_t columns = table_is_npy(path) ? 2 : 3;
    double *values = (double *)must_alloc(t->file_rows, columns * sizeof *values);
    size_t scored = 0;
    int failed;
    names[0] = number, names[1] = nll, names[2] = error;
    for (size_t i = 0; i < t->file_rows; i++) {
        bool whole = scored < s->rows && table_number(t, scored) == i + 1;
        double *at = values + i * columns;
        if (columns == 3) *at++ = (double)(i + 1);
        at[0] = whole ? s->model.row[scored] : (double)NAN, at[1] = whole ? s->error[scored] : (double)NAN;
        scored += whole;
    }
    failed = table_write(path, names, values, t->file_rows, columns);
    free(values);
    return failed;
}

static inline void scores_free(scores *s)
{
    free(s->model.row), free(s->gaussian.row), free(s->kde.row), free(s->error), free(s->square);
    memset(s, 0, sizeof *s);
}

#endif
