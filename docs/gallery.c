/* gallery.c: the pictures of docs/gallery.md from the checkpoints of train_2d; docs/gallery.sh runs it.
 *   cc -O2 -fopenmp -I. docs/gallery.c -o build/gallery -lm && build/gallery RUNS OUT SET...
 * Reads RUNS/SET/model.safetensors of each SET, in its column, and leaves three pictures in OUT:
 *   gallery-density.png   the learned density, blurred to the resolution of the picture
 *   gallery-samples.png   data above, samples of the model below
 *   gallery-mse.png       its errors, and those of the Gaussian */
#define ITDIFF_IMPLEMENTATION
#include "itdiff.h"

#include "examples/support/datasets.h"
#include "examples/support/must.h"
#include "examples/support/panels.h"

enum { MOST = 8, SIDE = 60, DRAWS = 48, POINTS = 800, CURVE = 80, WIDTH = 1500 };

typedef struct exhibit {
    const char *name;
    itd_model *model;
    float *data, *samples;       /* (POINTS,2) */
    double density[SIDE * SIDE]; /* log p */
    double logsnr[CURVE], mse[CURVE], gaussian[CURVE];
} exhibit;

static exhibit load(const char *runs, const char *name)
{
    exhibit e = {0};
    char path[1024];
    itd_error error;
    e.name = name;
    snprintf(path, sizeof path, "%s/%s/model.safetensors", runs, name);
    if (itd_load(path, &e.model, NULL, &error) != ITD_OK) fail("%s", error.text);
    if (e.model->dim != 2) fail("%s: two dimensions expected, %lu found", path, (unsigned long)e.model->dim);
    return e;
}

static void draw_points(exhibit *e)
{
    itd_denoiser den = itd_model_denoiser(e->model);
    itd_sample_desc sd = itd_model_sample_desc(e->model);
    dataset set;
    char error[256];
    e->data = (float *)must_alloc(POINTS, 2 * sizeof *e->data);
    e->samples = (float *)must_alloc(POINTS, 2 * sizeof *e->samples);
    if (dataset_open(e->name, 0, &set, error, sizeof error)) fail("%s", error);
    dataset_sample(&set, 1, POINTS, e->data);
    must(itd_sample(&den, &sd, POINTS, e->samples), "sampling");
}

static void find_density(exhibit *e)
{
    itd_nll_desc d = itd_model_nll_desc(e->model);
    d.draws = DRAWS;
    panels_density(e->model, &d, SIDE, NULL, 0, e->density);
}

static void find_errors(exhibit *e)
{
    const itd_schedule *s = &e->model->desc.schedule;
    itd_denoiser den = itd_model_denoiser(e->model);
    for (size_t k = 0; k < CURVE; k++)
        e->logsnr[k] = s->loc + s->scale * s->clip * (2.0 * (double)k / (CURVE - 1) - 1);
    must(itd_mse_curve(&den, e->data, POINTS, e->logsnr, CURVE, 1, e->mse, NULL, e->gaussian),
         "measuring errors");
}

/* ---- pictures: a column for each set ---- */

static plot_canvas begin(int height)
{
    plot_canvas c;
    picture_begin(&c, WIDTH, height);
    return c;
}

static void finish(plot_canvas *c, const char *out, const char *file)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", out, file);
    if (plot_canvas_write(c, path)) fail("%s: cannot be written", path);
    plot_canvas_free(c);
}

static plot_axes square(plot_canvas *c, plot_box area, int rows, int columns, int at, const char *title)
{
    plot_axes a = panels_axes(c, plot_cell(area, rows, columns, at, 18, 40), title);
    a.x_numbers = at / columns + 1 == rows ? 2 : 0, a.y_numbers = at % columns ? 0 : 2;
    return a;
}

static void show_densities(const exhibit *e, int n, const char *out)
{
    plot_canvas c = begin(350);
    plot_box area = plot_inset(plot_canvas_box(&c), 35, 35, 90, 40);
    for (int k = 0; k < n; k++) {
        plot_axes a = square(&c, area, 1, n, k, e[k].name);
        panels_contours(&a, e[k].density, SIDE);
        plot_axes_draw(&a);
        if (k + 1 == n) panels_bar(&a, area, 14, 14);
    }
    finish(&c, out, "gallery-density.png");
}

static void show_samples(const exhibit *e, int n, const char *out)
{
    plot_canvas c = begin(640);
    plot_box area = plot_inset(plot_canvas_box(&c), 35, 35, 20, 40);
    char title[64];
    for (int k = 0; k < 2 * n; k++) {
        const float *x = k < n ? e[k].data : e[k - n].samples;
        snprintf(title, sizeof title, "%s: %s", e[k % n].name, k < n ? "data" : "samples");
        plot_axes a = square(&c, area, 2, n, k, title);
        plot_scatter(&a, x, x + 1, POINTS, 2, 1.1, plot_alpha(plot_palette(k / n), 0.6));
        plot_axes_draw(&a);
    }
    finish(&c, out, "gallery-samples.png");
}

static void show_errors(const exhibit *e, int n, const char *out)
{
    plot_canvas c = begin(350);
    plot_box area = plot_inset(plot_canvas_box(&c), 45, 35, 20, 60);
    for (int k = 0; k < n; k++) {
        plot_axes a = plot_axes_make(&c, plot_cell(area, 1, n, k, 24, 0), e[k].logsnr[0],
                                     e[k].logsnr[CURVE - 1], 0, 2.2);
        a.title = e[k].name, a.x_label = "log SNR \xce\xb1";
        if (k) a.y_numbers = 0;
        plot_axes_grid(&a);
        plot_fill_between(&a, e[k].logsnr, e[k].mse, e[k].gaussian, CURVE, plot_alpha(plot_palette(0), 0.18));
        plot_line(&a, e[k].logsnr, e[k].gaussian, CURVE, plot_palette(1), 2, 8);
        plot_line(&a, e[k].logsnr, e[k].mse, CURVE, plot_palette(0), 2, 0);
        plot_axes_draw(&a);
    }
    finish(&c, out, "gallery-mse.png");
}

int main(int argc, char **argv)
{
    static exhibit all[MOST];
    int n = argc - 3;
    must_program = "gallery";
    if (n < 1 || n > MOST) fail("expected: RUNS OUT and up to %d sets", MOST);
    for (int k = 0; k < n; k++) {
        all[k] = load(argv[1], argv[3 + k]);
        draw_points(&all[k]);
        find_density(&all[k]);
        find_errors(&all[k]);
    }
    show_densities(all, n, argv[2]);
    show_samples(all, n, argv[2]);
    show_errors(all, n, argv[2]);
    for (int k = 0; k < n; k++) itd_model_free(all[k].model), free(all[k].data), free(all[k].samples);
    return 0;
}
