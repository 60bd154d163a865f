/* grid_range.c: what the likelihoods of bytes do when the range of log SNRs grows, and when the same network is
 * told that values lie on a grid; the table of docs/likelihood.md.
 *   sh data/get_cifar10.sh && make build/grid_range && build/grid_range [FOLDER [IMAGES]]        two minutes
 * Each line is a range from log SNR -6 to another end, in bits/dim for values 0 .. 255: the continuous
 * likelihood of the bytes by the network as it is, and by the same network with its estimate softly rounded to
 * the grid; the likelihoods with a floor, dequantized and discrete, the latter by the same rounded estimate. */
#define ITDIFF_IMPLEMENTATION
#include "itdiff.h"

#include "examples/support/grid.h"
#include "examples/support/images.h"
#include "examples/support/must.h"

enum { DRAWS = 32, FIRST = 14, LAST = 26, STEP = 4 };
static const grid bytes = {-1, 1, 256};

typedef struct line {
    itd_nll_result plain, rounded, dequantized, discrete;
} line;

static itd_draws *measure(const itd_denoiser *den, size_t k, const float *x, size_t n, double end)
{
    itd_nll_desc d = itd_nll_desc_default();
    itd_draws *draws;
    d.schedule.loc = (end - 6) / 2, d.schedule.clip = 4, d.schedule.scale = (end + 6) / 8;
    d.draws = DRAWS, d.batch = 64;
    must(itd_measure(den, k, x, n, &d, &draws), "measuring");
    return draws;
}

/* Column 0 of the table is the network, column 1 the rounded one. */
static line likelihoods(grid_variants *v, const float *x, const float *noisy, size_t n, double end)
{
    const itd_denoiser den[] = {grid_unrounded(v), grid_softly_rounded(v, false)};
    itd_draws *draws = measure(den, 2, x, n, end), *filled = measure(den, 1, noisy, n, end);
    const size_t network = 0, rounded = 1;
    grid_tails tails;
    line l;
    must(grid_tails_create(&bytes, den, draws, x, &tails), "adding what is outside");
    must(itd_draws_nll(draws, network, &l.plain, NULL, NULL), "adding up");
    must(itd_draws_nll(draws, rounded, &l.rounded, NULL, NULL), "adding up");
    must(itd_draws_nll(filled, network, &l.dequantized, NULL, NULL), "adding up");
    must(grid_nll(draws, &tails, 32, &rounded, 1, &l.discrete, NULL, NULL), "adding up");
    grid_tails_free(&tails), itd_draws_free(draws), itd_draws_free(filled);
    return l;
}

/* A density per unit of -1 .. 1 becomes one per byte; a probability has no unit. */
static void print_column(const itd_nll_result *v, size_t dim, int density)
{
    double per_bit = (double)dim * log(2.0);
    printf(" %.3f ± %.3f |", v->nll / per_bit + (density ? log(127.5) / log(2.0) : 0),
           v->std_error / per_bit);
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "data/cifar-10-batches-bin";
    size_t n = argc > 2 ? (size_t)strtoul(argv[2], NULL, 10) : 40;
    const image_scale scale = {0, 255, 256, 0, 0};
    char error[IMAGES_ERROR];
    itd_error failure;
    image_set set;
    itd_model *model;
    grid_variants *v;
    must_program = "grid_range";
    text_error to = {folder, error, sizeof error};
    if (images_read(folder, "test", &set, error, sizeof error) || images_take_scale(&set, &scale, &to))
        fail("%s", error);
    if (itd_load("data/cifar10-small.safetensors", &model, NULL, &failure) != ITD_OK)
        fail("%s", failure.text);
    if (n < 1 || n > set.n || set.dim != model->dim)
        fail("1 to %lu images of the model's expected", (unsigned long)set.n);
    float *x = (float *)must_alloc(2 * n, set.dim * sizeof *x), *noisy = x + n * set.dim;
    for (size_t i = 0; i < n; i++) images_get(&set, i, 0, x + i * set.dim);
    grid_dequantize(&bytes, 0, x, n, set.dim, noisy);
    itd_denoiser den = itd_model_denoiser(model);
    must(grid_variants_create(&den, &bytes, &v), "rounding what is denoised");
    printf("| log SNR to | continuous | continuous, rounded | dequantized | discrete, rounded "
           "|\n|--:|--:|--:|--:|--:|\n");
    for (int end = FIRST; end <= LAST; end += STEP) {
        line l = likelihoods(v, x, noisy, n, end);
        printf("| %d |", end);
        print_column(&l.plain, set.dim, 1), print_column(&l.rounded, set.dim, 1);
        print_column(&l.dequantized, set.dim, 1), print_column(&l.discrete, set.dim, 0);
        printf("\n"), fflush(stdout);
    }
    grid_variants_free(v), itd_model_free(model), images_free(&set), free(x);
    return 0;
}
