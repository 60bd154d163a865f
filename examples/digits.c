/* digits.c: grey images of the ten digits, to try train_images on: 28 x 28 pixels, white on black, of
 * different sizes and thicknesses, each somewhere near the middle.
 *   cc -O2 examples/digits.c -o build/digits -lm && build/digits --out digits.npy
 *   build/train_images --data digits.npy --minutes 5 */
#include "support/system.h" /* first: it asks the system headers for POSIX */

#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "support/args.h"
#include "support/images.h"
#include "support/must.h"
#include "support/plot.h"

enum { SIDE = 28, DIM = SIDE * SIDE };

/* Uniform between two bounds. */
static double between(itd_rng *rng, double low, double high)
{
    return low + (high - low) * itd_rng_uniform(rng);
}

/* Thick digits are thin ones side by side: drawn again at points of a circle around their place. */
static void draw_digit(itd_rng *rng, const char *digit, float *x /* (DIM) */)
{
    enum { TIMES = 12 };
    plot_canvas c;
    double size = between(rng, 25, 33), thick = between(rng, 0, 1.1);
    double left = SIDE / 2.0 + between(rng, -4, 4), middle = SIDE / 2.0 + between(rng, -4, 4);
    if (plot_canvas_init(&c, SIDE, SIDE, plot_rgb(0x000000))) fail("out of memory for an image");
    for (int k = 0; k < TIMES; k++) {
        plot_pen pen = {
            left - 0.5 * plot_text_width(digit, size), middle + 7 * size / 22, size / 22, 0, 0, 0};
        pen.x += thick * cos(2 * 3.14159265358979323846 * k / TIMES);
        pen.y += thick * sin(2 * 3.14159265358979323846 * k / TIMES);
        plot_text_run(&c, pen, digit); /* where strokes overlap, the most of them counts */
    }
    plot_paint(&c, plot_rgb(0xffffff));
    for (size_t k = 0; k < DIM; k++) x[k] = 2 * c.rgb[3 * k] - 1;
    plot_canvas_free(&c);
}

int main(int argc, char **argv)
{
    const char *out = "digits.npy";
    size_t n = 5000;
    uint64_t seed = 0;
    image_set like;
    float *x;
    args_option list[] = {
        args_size("n", &n, 1, 10000000, "Number of images, one digit after the other."),
        args_uint64("seed", &seed, 0, UINT64_MAX, "Seed of the sizes, thicknesses and places."),
        args_string("out", &out, "The file to write: a .npy of (n, 28, 28) bytes."),
    };
    args_table table = {"digits", "Draws grey images of the ten digits.", list, ARGS_COUNT(list)};
    must_program = "digits";
    args_parse(&table, argc, argv);
    x = (float *)must_alloc(n, DIM * sizeof *x);
    memset(&like, 0, sizeof like);
    like.height = like.width = SIDE, like.channels = 1, like.dim = DIM;
    like.scale.high = 255, like.scale.levels = 256;
    for (size_t i = 0; i < n; i++) {
        itd_rng rng = itd_rng_make(seed,
                                   ((uint64_t)0x64696769 << 32) + i); /* "digi", see support/datasets.h */
        char digit[2] = {(char)('0' + i % 10), '\0'};
        draw_digit(&rng, digit, x + i * DIM);
    }
    if (images_write_npy(out, &like, x, n)) fail("%s: cannot be written", out);
    free(x);
    return must_have_printed();
}
