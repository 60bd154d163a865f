/* image_draw.h: the pictures of a run: samples and their way from noise, test images denoised, errors over
 * the log SNR, likelihood against hours of training.
 *
 * Include progress.h first of all, and the implementation of itdiff.h before this file. */
#ifndef IMAGE_DRAW_H
#define IMAGE_DRAW_H

#include "image_score.h"
#include "picture.h"
#include "watch.h"

/* Into the folder and, under its tag unless that is NULL, into the events of a training. */
static inline void draw_finish(image_run *r, plot_canvas *c, const char *file, const char *tag)
{
    unsigned char *png;
    size_t n;
    if (plot_canvas_encode(c, &png, &n)) fail("out of memory for a picture");
    if (plot_save(run_path(r, file), png, n)) lose(run_path(r, file));
    if (tag && r->trainer)
        tfevents_png(&r->events, r->trainer->step, tag, png, n, (size_t)c->width, (size_t)c->height);
    train_check_events(r);
    free(png);
    plot_canvas_free(c);
}

/* ---- images side by side ---- */

/* An image in [-1, 1] as bytes of one or three channels; of two the first is shown, of four the
 * first three. */
static inline size_t draw_pixels(const image_shape *s, const float *x, unsigned char *pixels)
{
    size_t shown = s->channels < 3 ? 1 : 3;
    for (size_t k = 0; k < s->height * s->width; k++)
        cifar10_bytes(x + k * s->channels, shown, pixels + k * shown);
    return shown;
}

/* n images, `columns` in a row, small ones enlarged. */
static inline void draw_lay_out(const image_run *r, plot_canvas *c, const float *x, size_t n, size_t columns)
{
    const image_shape *s = &r->shape;
    size_t longer = s->height > s->width ? s->height : s->width, scale = longer >= 64 ? 1 : 2;
    size_t rows = (n + columns - 1) / columns, gap = 2;
    size_t step_x = s->width * scale + gap, step_y = s->height * scale + gap;
    unsigned char *pixels = (unsigned char *)must_alloc(s->height * s->width, 3);
    picture_begin(c, (int)(columns * step_x + gap), (int)(rows * step_y + gap));
    for (size_t k = 0; k < n; k++) {
        size_t channels = draw_pixels(s, x + k * r->dim, pixels);
        plot_image(c, (int)(gap + k % columns * step_x), (int)(gap + k / columns * step_y), pixels,
                   (int)s->width, (int)s->height, (int)channels, (int)scale);
    }
    free(pixels);
}

static inline void draw_images(image_run *r, const float *x, size_t n, size_t columns, const char *file,
                               const char *tag)
{
    plot_canvas c;
    draw_lay_out(r, &c, x, n, columns);
    draw_finish(r, &c, file, tag);
}

static inline size_t draw_square(size_t n)
{
    size_t columns = 1;
    while (columns * columns < n) columns++;
    return columns;
}

/* ---- samples ---- */

/* The first images on their way from noise. */
static inline void draw_flight(const image_run *r, const watched *w, const float *x)
{
    size_t columns = draw_square(w->rows);
    plot_animation film;
    for (size_t k = 0; k <= w->frames; k++) {
        plot_canvas c;
        draw_lay_out(r, &c, k < w->frames ? w->z + k * w->rows * r->dim : x, w->rows, columns);
        if (k == 0) plot_animation_init(&film, (size_t)c.width, (size_t)c.height, 3);
        plot_animation_add_canvas(&film, &c, k < w->frames ? 120 : 2500);
        plot_canvas_free(&c);
    }
    if (plot_animation_write(&film, run_path(r, "anim.png"))) lose(run_path(r, "anim.png"));
    plot_animation_free(&film);
}

/* How many images a picture shows: a large one is of no use to anyone. */
static inline size_t draw_shown(const image_run *r, size_t n)
{
    enum { MAX_IMAGES = 1024, MAX_SIDE = 16000 };
    size_t longer = r->shape.height > r->shape.width ? r->shape.height : r->shape.width;
    size_t columns = draw_square(n < MAX_IMAGES ? n : MAX_IMAGES);
    while (columns > 1 && columns * (2 * longer + 2) > MAX_SIDE) columns--;
    return n < columns * columns ? n : columns * columns;
}

/* In the units of the file, as an array, and as a picture. */
static inline void draw_samples(image_run *r, size_t n, size_t steps)
{
    enum { FLYING = 16, FLIGHT = 32 }; /* images and frames of the film: about 2 MB */
    itd_sample_desc d = itd_model_sample_desc(r->model);
    image_set like = r->test_set;
    float *x = (float *)must_alloc(n, r->dim * sizeof *x);
    double started = system_seconds();
    itd_denoiser den;
    watched w;
    like.height = r->shape.height, like.width = r->shape.width, like.channels = r->shape.channels;
    like.dim = r->dim, like.scale = r->scale;
    d.steps = steps, d.batch = r->o->eval_batch, d.seed = r->o->seed;
    d.sampler = strcmp(r->o->sampler, "ancestral") ? ITD_DETERMINISTIC : ITD_ANCESTRAL;
    den = watched_denoiser(&w, run_denoiser(r, 0), n < FLYING ? n : FLYING, d.batch, d.steps, FLIGHT);
    must(itd_sample(&den, &d, n, x), "sampling");
    if (images_write_npy(run_path(r, "samples.npy"), &like, x, n)) lose(run_path(r, "samples.npy"));
    size_t shown = draw_shown(r, n);
    draw_images(r, x, shown, draw_square(shown), "samples.png", "samples");
    draw_flight(r, &w, x);
    if (!r->o->quiet)
        printf("%lu samples of %lu steps in %s, %lu of them in .png, the first on their way in anim.png "
               "(%.1f s)\n",
               (unsigned long)n, (unsigned long)steps, run_path(r, "samples.npy"), (unsigned long)shown,
               system_seconds() - started);
    watched_free(&w);
    free(x);
}

/* ---- denoising ---- */

/* Rows: log SNRs; for each of some test images the noisy image z and the estimate
   x_hat = (z - sqrt(s(-a)) eps_hat) / sqrt(s(a)). */
static inline void draw_denoised(image_run *r)
{
    static const float alphas[] = {-2, 0, 2, 4, 6, 8};
    enum { ALPHAS = sizeof alphas / sizeof *alphas, IMAGES = 6, COLUMNS = 3 * IMAGES };
    itd_denoiser den = run_denoiser(r, 0);
    itd_rng rng = itd_rng_make(r->o->seed, 77);
    size_t dim = r->dim, images = r->n_test < IMAGES ? r->n_test : IMAGES;
    float *all = (float *)must_alloc(ALPHAS * COLUMNS, dim * sizeof *all), logsnr[IMAGES];
    float *z = (float *)must_alloc(3 * IMAGES, dim * sizeof *z), *eps = z + IMAGES * dim;
    float *eps_hat = eps + IMAGES * dim;
    itd_rng_normal_fill(&rng, images * dim, eps);
    for (size_t a = 0; a < ALPHAS; a++) {
        double signal = sqrt(itd_sigmoid(alphas[a])), noise = sqrt(itd_sigmoid(-alphas[a]));
        for (size_t i = 0; i < images; i++) logsnr[i] = alphas[a];
        itd_channel(r->test, eps, logsnr, images, dim, z);
        must(den.predict(den.ctx, z, logsnr, images, eps_hat), "denoising");
        for (size_t i = 0; i < images; i++) {
            float *row = all + (a * COLUMNS + 3 * i) * dim;
            memcpy(row, r->test + i * dim, dim * sizeof *row);
            memcpy(row + dim, z + i * dim, dim * sizeof *row);
            for (size_t j = 0; j < dim; j++)
                row[2 * dim + j] = (float)((z[i * dim + j] - noise * eps_hat[i * dim + j]) / signal);
        }
    }
    draw_images(r, all, ALPHAS * COLUMNS, COLUMNS, "denoised.png", "denoised");
    if (!r->o->quiet)
        printf("image, noisy image, estimate at log SNR -2, 0, 2, 4, 6, 8 in %s\n",
               run_path(r, "denoised.png"));
    free(all), free(z);
}

/* ---- curves ---- */

enum { DRAW_CURVES = 6, DRAW_POINTS = 2000 };

typedef struct draw_learned {
    double hours[DRAW_POINTS], nll[DRAW_POINTS];
    char name[200];
    size_t n;
} draw_learned;

/* The rows of a metrics.tsv in which something was estimated. */
static inline void draw_read_learned(const image_run *r, const char *path, draw_learned *l)
{
    char line[2048];
    double row[METRICS];
    FILE *file;
    snprintf(l->name, sizeof l->name, "%.199s", path);
    if (!(file = fopen(path, "r"))) fail("%s: cannot be opened", path);
    for (l->n = 0; l->n < DRAW_POINTS && fgets(line, sizeof line, file);) {
        if (!train_parse_metrics(line, row) || !(row[M_NLL] <= DBL_MAX)) continue;
        l->hours[l->n] = row[M_SECONDS] / 3600, l->nll[l->n++] = run_bits(r, row[M_NLL]) + run_unit_bits(r);
    }
    fclose(file);
}

static inline void draw_learning_curves(image_run *r, const draw_learned *l, size_t curves, double last,
                                        double low, double high)
{
    plot_entry entries[DRAW_CURVES];
    plot_canvas c;
    plot_axes a;
    char label[80];
    picture_begin(&c, 900, 520);
    snprintf(label, sizeof label, "bits/dim (%g .. %g)", r->scale.low, r->scale.high);
    a = plot_axes_make(&c, plot_canvas_box(&c), 0, last, low - 0.05 * (high - low), high);
    a.text_size = 16;
    a.title = "-log p of test images while learning", a.x_label = "hours", a.y_label = label;
    plot_axes_fit(&a);
    plot_axes_grid(&a);
    for (size_t k = 0, i; k < curves; k++) {
        for (i = 0; i + 1 < l[k].n && l[k].nll[i] > high; i++) continue; /* from where it comes into view */
        plot_line(&a, l[k].hours + i, l[k].nll + i, l[k].n - i, plot_palette((int)k), 2.2, 0);
        entries[k].label = l[k].name, entries[k].color = plot_palette((int)k);
        entries[k].width = 2.2, entries[k].dash = 0;
    }
    plot_axes_draw(&a);
    if (curves > 1) plot_legend(&a, PLOT_RIGHT | PLOT_TOP, entries, (int)curves);
    draw_finish(r, &c, "learning.png", NULL); /* its numbers are there */
}

/* Bits/dim of the test images against hours of training, a curve for each of the files, with commas between
 * if there are several; false, and no picture, if nothing has become better. */
static inline int draw_learning(image_run *r, const char *files, int several)
{
    static draw_learned l[DRAW_CURVES];
    size_t curves = 0;
    double last = 0, low = HUGE_VAL, high = -HUGE_VAL;
    for (; *files && curves < DRAW_CURVES; curves++) {
        size_t length = several ? strcspn(files, ",") : strlen(files);
        char path[1300];
        snprintf(path, sizeof path, "%.*s", (int)length, files);
        draw_read_learned(r, path, &l[curves]);
        files += length + (files[length] == ',');
        for (size_t i = 0; i < l[curves].n; i++) {
            last = fmax(last, l[curves].hours[i]), low = fmin(low, l[curves].nll[i]);
            if (i > 0) high = fmax(high, l[curves].nll[i - 1]); /* but for the last ones */
        }
    }
    if (*files) fail("at most %d learning curves expected, more found", DRAW_CURVES);
    if (high > low) draw_learning_curves(r, l, curves, last, low, fmin(high, low + 0.8));
    return high > low;
}

/* Errors by log SNR of what was measured for the likelihood. */
static inline void draw_errors(image_run *r, const score_report *s)
{
    double alpha[SCORE_BINS], mse[SCORE_BINS], gaussian[SCORE_BINS];
    plot_entry entries[2] = {{"Gaussian", plot_palette(1), 2.2, 8}, {"model", plot_palette(0), 2.2, 0}};
    plot_canvas c;
    plot_axes a;
    size_t n = 0;
    must(itd_draws_curve(s->plain, 0, SCORE_BINS, alpha, mse, NULL, gaussian), "averaging errors");
    for (size_t k = 0; k < SCORE_BINS; k++) /* where there are draws */
        if (mse[k] <= DBL_MAX) alpha[n] = alpha[k], mse[n] = mse[k], gaussian[n++] = gaussian[k];
    if (n < 2) return;
    picture_begin(&c, 900, 520);
    a = plot_axes_make(&c, plot_canvas_box(&c), alpha[0], alpha[n - 1], 0, 1.1 * (double)r->dim);
    a.text_size = 16;
    a.title = "denoising error against log SNR", a.x_label = "log SNR \xce\xb1";
    a.y_label = "mean squared error of \xce\xb5";
    plot_axes_fit(&a);
    plot_axes_grid(&a);
    plot_fill_between(&a, alpha, mse, gaussian, n, plot_alpha(plot_palette(0), 0.18));
    plot_line(&a, alpha, gaussian, n, plot_palette(1), 2.2, 8);
    plot_line(&a, alpha, mse, n, plot_palette(0), 2.2, 0);
    plot_axes_draw(&a);
    plot_legend(&a, PLOT_LEFT | PLOT_TOP, entries, 2);
    draw_finish(r, &c, "mse.png", "mses");
}

/* ---- after training, or without ---- */

/* Of a short training by the clock fewer samples, of fewer steps. */
static inline void draw_samples_after(image_run *r)
{
    enum { SAMPLES = 64, FEWEST_STEPS = 20 };
    double rows = train_rows_in(r, 0.2 * train_seconds_after(r));
    size_t n = SAMPLES, steps = r->o->steps;
    if (rows < (double)(n * steps) && !image_options_given(r->o, &r->o->steps)) {
        steps = (size_t)fmax(rows / SAMPLES, FEWEST_STEPS) < steps
                    ? (size_t)fmax(rows / SAMPLES, FEWEST_STEPS)
                    : steps;
        n = (size_t)fmin(fmax(rows / (double)steps, 4), SAMPLES);
    }
    draw_samples(r, n, steps);
}

/* What is left of a training, or was asked for instead of one; the likelihoods if they are wanted. */
static inline int draw_and_score(image_run *r, int training, int evaluating, score_report *s)
{
    int pictures = training && r->o->pictures;
    itd_error error;
    if (pictures || r->o->denoise) draw_denoised(r);
    if (pictures) draw_learning(r, run_path(r, "metrics.tsv"), 0);
    if (pictures) draw_samples_after(r);
    else if (r->o->samples) draw_samples(r, r->o->samples, r->o->steps);
    if (*r->o->half && itd_save_half(r->model, r->o->half, &error) != ITD_OK) fail("%s", error.text);
    if (!evaluating) return 0;
    *s = score_images(r);
    if (r->o->pictures) draw_errors(r, s);
    return 1;
}

#endif
