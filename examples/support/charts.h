/* charts.h: the curves that a training program shows of its run: loss.png, mse.png, scores.png.
 *
 * Each function draws one picture on a canvas that it makes, for report_picture to write. Include the
 * implementation of itdiff.h before this file. */
#ifndef CHARTS_H
#define CHARTS_H

#include "picture.h"
#include "report.h"

#include <float.h>

enum { CHARTS_CURVE = 100, CHARTS_LISTED = 8, CHARTS_BINS = 40 };

/* ---- loss.png ---- */

/* The range of what is shown after the first rows, where the loss falls from far above. */
static inline void charts_loss_range(const report *r, double *low, double *high)
{
    *low = HUGE_VAL, *high = -HUGE_VAL;
    for (size_t k = 0; k < r->rows; k++) {
        const report_row *m = &r->row[k];
        double nll = fabs(m->nll) <= DBL_MAX ? m->nll : m->loss;
        *low = fmin(*low, fmin(m->loss, nll));
        if (k == 0 || m->step < 0.02 * r->row[r->rows - 1].step) continue;
        *high = fmax(*high, fmax(m->loss, nll));
    }
    if (!(*high > *low)) *low -= 0.5, *high = *low + 1;
}

/* kept: the epoch whose weights are kept; negative: no mark. what: is measured beside the loss. */
static inline void charts_loss(plot_canvas *c, const report *r, double kept, const char *what)
{
    plot_axes a;
    plot_entry entries[3] = {{"training loss", plot_palette(0), 1.6, 0},
                             {NULL, plot_palette(1), 2, 0},
                             {"kept", plot_palette(2), 1.6, 5}};
    double *x = (double *)must_alloc(4 * (r->rows + 1), sizeof *x), *loss = x + r->rows + 1;
    double *vx = loss + r->rows + 1, *v = vx + r->rows + 1, low, high;
    size_t n = 0;
    for (size_t k = 0; k < r->rows; k++) {
        x[k] = r->row[k].epoch, loss[k] = r->row[k].loss;
        if (fabs(r->row[k].nll) <= DBL_MAX) vx[n] = x[k], v[n++] = r->row[k].nll;
    }
    entries[1].label = what;
    charts_loss_range(r, &low, &high);
    picture_begin(c, 900, 520);
    a = plot_axes_make(c, plot_canvas_box(c), 0, fmax(1, r->rows ? x[r->rows - 1] : 0),
                       low - 0.05 * (high - low), high + 0.05 * (high - low));
    a.text_size = 16;
    a.title = "loss while training", a.x_label = "epoch", a.y_label = "nats";
    plot_axes_fit(&a);
    plot_axes_grid(&a);
    plot_line(&a, x, loss, r->rows, plot_palette(0), 1.6, 0);
    plot_line(&a, vx, v, n, plot_palette(1), 2, 0);
    if (kept >= 0) plot_mark_x(&a, kept, "", plot_palette(2), 1.6, 5);
    plot_axes_draw(&a);
    plot_legend(&a, PLOT_RIGHT | PLOT_TOP, entries, kept >= 0 ? 3 : 2);
    free(x);
}

/* ---- mse.png ---- */

/* The best denoiser of N(0, I), the Gaussian of the data in the coordinates of a model that whitens them. */
static inline itd_result charts_gaussian_predict(void *ctx, const float *z, const float *logsnr, size_t n,
                                                 float *eps_hat)
{
    size_t dim = ((const itd_model *)ctx)->dim;
    for (size_t i = 0; i < n * dim; i++) eps_hat[i] = (float)sqrt(itd_sigmoid(-logsnr[i / dim])) * z[i];
    return ITD_OK;
}

/* The mean squared length of rows in the coordinates of the model; dim for those it was fitted to. */
static inline double charts_square(const itd_denoiser *den, const float *x, size_t n)
{
    float *y = (float *)must_alloc(n, den->dim * sizeof *y);
    double square = 0;
    itd_to_coordinates(den, x, n, y);
    for (size_t i = 0; i < n * den->dim; i++) square += (double)y[i] * (double)y[i] / (double)n;
    free(y);
    return square;
}

/* The Gaussian's error on these rows is known, mse_G(x, a) = d g^2 + g (1 - g) |y|^2 with g = s(a); the
   model's is that plus what the two differ by on the same noise, so that the luck of that noise is in
   neither. */
static inline void charts_curves(itd_model *model, const float *x, size_t n, uint64_t seed,
                                 const double *alpha, double *mse, double *gaussian)
{
    itd_denoiser den = itd_model_denoiser(model), reference = den;
    double square = charts_square(&den, x, n);
    reference.ctx = model, reference.predict = charts_gaussian_predict;
    must(itd_mse_curve(&den, x, n, alpha, CHARTS_CURVE, seed, mse, NULL, NULL), "measuring the errors");
    must(itd_mse_curve(&reference, x, n, alpha, CHARTS_CURVE, seed, gaussian, NULL, NULL),
         "measuring the errors");
    for (size_t k = 0; k < CHARTS_CURVE; k++) {
        double g = itd_sigmoid(alpha[k]), known = (double)model->dim * g * g + g * (1 - g) * square;
        mse[k] += known - gaussian[k], gaussian[k] = known;
    }
}

/* From the lowest log SNR of a schedule to the highest, evenly. */
static inline void charts_range(const itd_schedule *s, double *alpha)
{
    for (size_t k = 0; k < CHARTS_CURVE; k++)
        alpha[k] = s->loc + s->scale * s->clip * (2.0 * (double)k / (CHARTS_CURVE - 1) - 1);
}

/* The error of denoising over log SNR, beside that of the best denoiser of the Gaussian: what is between them
   is what the model knows beyond it. marked: a schedule whose quartiles are shown, or NULL; note: a text for
   a corner, or NULL. */
static inline void charts_errors(plot_canvas *c, const double *alpha, const double *mse,
                                 const double *gaussian, size_t dim, const itd_schedule *marked,
                                 const char *note)
{
    static const char *const names[] = {"", "25 %", "50 %", "75 %"};
    double low = alpha[0], high = alpha[CHARTS_CURVE - 1], top = 1.15 * (double)dim;
    int side = PLOT_LEFT; /* of the legend, where it hides no mark */
    plot_axes a;
    plot_entry entries[3] = {{"Gaussian", plot_palette(1), 2.2, 8},
                             {"model", plot_palette(0), 2.2, 0},
                             {"gap", plot_alpha(plot_palette(0), 0.18), 0, 0}};
    for (size_t k = 0; k < CHARTS_CURVE; k++) top = fmax(top, 1.1 * fmax(mse[k], gaussian[k]));
    if (marked) top *= 1.2; /* space for their names */
    picture_begin(c, 900, 520);
    a = plot_axes_make(c, plot_canvas_box(c), low, high, 0, top);
    a.text_size = 16;
    a.title = "denoising error against log SNR", a.x_label = "log SNR \xce\xb1",
    a.y_label = "mean squared error of \xce\xb5";
    plot_axes_fit(&a);
    plot_axes_grid(&a);
    plot_fill_between(&a, alpha, mse, gaussian, CHARTS_CURVE, plot_alpha(plot_palette(0), 0.18));
    for (size_t k = 1; marked && k < 4; k++) {
        double at = itd_schedule_quantile(marked, 0.25 * (double)k);
        plot_mark_x(&a, at, names[k], plot_palette(5), 1.2, 5);
        if (at >= low && at < low + 0.2 * (high - low)) side = PLOT_RIGHT;
    }
    plot_line(&a, alpha, gaussian, CHARTS_CURVE, plot_palette(1), 2.2, 8);
    plot_line(&a, alpha, mse, CHARTS_CURVE, plot_palette(0), 2.2, 0);
    plot_axes_draw(&a);
    plot_legend(&a, side | PLOT_TOP, entries, 3);
    if (note) plot_note(&a, PLOT_RIGHT | PLOT_BOTTOM, note);
}

static inline void charts_mse(plot_canvas *c, itd_model *model, const float *x, size_t n, uint64_t seed,
                              const char *note)
{
    double alpha[CHARTS_CURVE], mse[CHARTS_CURVE], gaussian[CHARTS_CURVE];
    charts_range(&model->desc.schedule, alpha);
    charts_curves(model, x, n, seed, alpha, mse, gaussian);
    charts_errors(c, alpha, mse, gaussian, model->dim, NULL, note);
}

/* ---- scores.png ---- */

typedef struct charts_score {
    double nll;
    size_t row;
} charts_score;

static inline int charts_by_size(const void *a, const void *b)
{
    const charts_score *x = (const charts_score *)a, *y = (const charts_score *)b;
    if (x->nll < y->nll || x->nll > y->nll) return x->nll < y->nll ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* One bar for each of equal bins; returns the highest count. */
static inline double charts_count(const charts_score *s, size_t n, double low, double high, double *count)
{
    double highest = 1;
    for (size_t k = 0; k < CHARTS_BINS; k++) count[k] = 0;
    for (size_t i = 0; i < n; i++) {
        double bin = (s[i].nll - low) / (high - low) * CHARTS_BINS;
        if (bin >= 0 && bin < CHARTS_BINS) highest = fmax(highest, ++count[(size_t)bin]);
    }
    return highest;
}

/* "row 17: 23.41", the unlikeliest first. */
static inline void charts_list(const charts_score *s, size_t n, char *out, size_t size)
{
    snprintf(out, size, "the unlikeliest:");
    for (size_t k = 0; k < CHARTS_LISTED - 1 && k < n; k++) {
        size_t used = strlen(out);
        const charts_score *at = &s[n - 1 - k];
        snprintf(out + used, size - used, "\nrow %lu: %.4g", (unsigned long)at->row, at->nll);
    }
}

/* A histogram of -log p, and which rows it is largest for. The bins leave out the last hundredth if it is far
   out: the list has it. row: their numbers in the table, from 1. */
static inline void charts_scores(plot_canvas *c, const double *nll, const size_t *row, size_t n,
                                 const char *title)
{
    charts_score *s = (charts_score *)must_alloc(n, sizeof *s);
    double low, high, highest, count[CHARTS_BINS];
    size_t fewest = n < 10 ? 0 : n < 200 ? 1 : n / 100;
    char list[500];
    plot_axes a;
    for (size_t i = 0; i < n; i++) s[i].nll = nll[i], s[i].row = row[i];
    qsort(s, n, sizeof *s, charts_by_size);
    low = s[0].nll, high = s[n - 1].nll, highest = s[n - 1 - fewest].nll;
    if (high > low + 3 * (highest - low)) high = low + 1.5 * (highest - low);
    if (!(high > low)) low -= 0.5, high = low + 1;
    high += 0.001 * (high - low);
    highest = charts_count(s, n, low, high, count);
    picture_begin(c, 900, 520);
    a = plot_axes_make(c, plot_canvas_box(c), low, high, 0, 1.1 * highest);
    a.text_size = 16, a.title = title, a.x_label = "\xe2\x88\x92log p, nats", a.y_label = "rows";
    plot_axes_fit(&a);
    plot_axes_grid(&a);
    for (size_t k = 0; k < CHARTS_BINS; k++)
        plot_rect(c, floor(plot_x(&a, low + (high - low) * (double)k / CHARTS_BINS)), plot_y(&a, count[k]),
                  floor(plot_x(&a, low + (high - low) * (double)(k + 1) / CHARTS_BINS)), a.box.bottom,
                  plot_palette(0));
    plot_axes_draw(&a);
    charts_list(s, n, list, sizeof list);
    plot_note(&a, PLOT_RIGHT | PLOT_TOP, list);
    free(s);
}

#endif
