/* plot_animation.h: an animated PNG, which any viewer of PNG shows the first frame of:
 *
 *     signature IHDR acTL   fcTL IDAT   fcTL fdAT   fcTL fdAT ... IEND
 *
 * acTL counts the frames, fcTL says where one lies and how long it stays, fdAT is a number and an IDAT. fcTL
 * and fdAT are numbered in one sequence.
 *
 *     plot_animation a;
 *     plot_animation_init(&a, 540, 470, 3);
 *     plot_animation_add_canvas(&a, &canvas, 150);     once for every frame, with its milliseconds
 *     if (plot_animation_write(&a, "anim.png")) return 1;
 *     plot_animation_free(&a); */
#ifndef PLOT_ANIMATION_H
#define PLOT_ANIMATION_H

#include "plot_png.h"

typedef struct {
    size_t w, h;
    int channels;
    uint32_t frames, sequence; /* frames so far; the next number */
    plot_bytes body;           /* what lies between acTL and IEND */
    unsigned char *shown;      /* (h, w, channels) the last frame */
} plot_animation;

static inline void plot_animation_init(plot_animation *a, size_t w, size_t h, int channels)
{
    memset(a, 0, sizeof *a);
    a->w = w, a->h = h, a->channels = channels;
}

static inline void plot_animation_free(plot_animation *a)
{
    free(a->body.data);
    free(a->shown);
    memset(a, 0, sizeof *a);
}

/* The smallest box with all pixels in which the frame differs from the last one, and at least one pixel. */
static inline plot_box plot_animation_changed(const plot_animation *a, const unsigned char *pixels)
{
    plot_box box = {(int)a->w, (int)a->h, 0, 0}, all = {0, 0, (int)a->w, (int)a->h}, one = {0, 0, 1, 1};
    size_t channels = (size_t)a->channels, i = 0;
    if (!a->shown) return all;
    for (int y = 0; y < all.bottom; y++) {
        for (int x = 0; x < all.right; x++, i += channels) {
            if (!memcmp(pixels + i, a->shown + i, channels)) continue;
            if (x < box.left) box.left = x;
            if (x >= box.right) box.right = x + 1;
            if (y < box.top) box.top = y;
            box.bottom = y + 1;
        }
    }
    return box.right ? box : one;
}

static inline void plot_animation_control(plot_animation *a, plot_box box, unsigned milliseconds)
{
    const unsigned char over[2] = {0, 0}; /* leave the frame, replace what was there */
    plot_bytes control = {NULL, 0, 0, 0, 0, 0};
    plot_put_u32(&control, a->sequence++);
    plot_put_u32(&control, (uint32_t)(box.right - box.left));
    plot_put_u32(&control, (uint32_t)(box.bottom - box.top));
    plot_put_u32(&control, (uint32_t)box.left);
    plot_put_u32(&control, (uint32_t)box.top);
    plot_put_u32(&control, (milliseconds < 65535 ? milliseconds : 65535) << 16 | 1000); /* over 1000 */
    plot_put(&control, over, 2);
    if (control.failed) a->body.failed = 1;
    else plot_put_chunk(&a->body, "fcTL", control.data, control.size);
    free(control.data);
}

/* Adds a frame (h, w, channels) that stays for a while. A failure shows when the animation is encoded. */
static inline void plot_animation_add(plot_animation *a, const unsigned char *pixels, unsigned milliseconds)
{
    plot_bytes stream = {NULL, 0, 0, 0, 0, 0};
    size_t channels = (size_t)a->channels, row, total;
    if (!pixels || !plot_png_allows(a->w, a->h, a->channels) || plot_product(a->w * channels, a->h, &total)) {
        a->body.failed = 1;
        return;
    }
    plot_box box = plot_animation_changed(a, pixels);
    size_t w = (size_t)(box.right - box.left), h = (size_t)(box.bottom - box.top);
    unsigned char *part = plot_alloc(w * channels, h);
    if (!a->shown) a->shown = plot_alloc(total, 1);
    if (!part || !a->shown) {
        a->body.failed = 1;
        free(part);
        return;
    }
    memcpy(a->shown, pixels, total);
    for (row = 0; row < h; row++)
        memcpy(part + row * w * channels,
               pixels + (((size_t)box.top + row) * a->w + (size_t)box.left) * channels, w * channels);
    plot_animation_control(a, box, milliseconds);
    if (a->frames) plot_put_u32(&stream, a->sequence++);
    plot_put_rows(&stream, part, h, w * channels, channels);
    if (stream.failed) a->body.failed = 1;
    else plot_put_chunk(&a->body, a->frames ? "fdAT" : "IDAT", stream.data, stream.size);
    a->frames++;
    free(stream.data);
    free(part);
}

/* To be repeated for ever. The caller frees *out. */
static inline int plot_animation_encode(const plot_animation *a, unsigned char **out, size_t *n)
{
    plot_bytes file = {NULL, 0, 0, 0, 0, 0}, count = file;
    *out = NULL, *n = 0;
    if (!a->frames) return 1;
    plot_put_png_start(&file, a->w, a->h, a->channels);
    plot_put_u32(&count, a->frames);
    plot_put_u32(&count, 0);
    if (count.failed || a->body.failed) file.failed = 1;
    else plot_put_chunk(&file, "acTL", count.data, count.size);
    free(count.data);
    plot_put(&file, a->body.data, a->body.size);
    return plot_put_png_end(&file, out, n);
}

/* Adds the canvas, of the size of the animation, as a frame. */
static inline void plot_animation_add_canvas(plot_animation *a, const plot_canvas *c, unsigned milliseconds)
{
    unsigned char *pixels = plot_canvas_pixels(c);
    plot_animation_add(a, pixels, milliseconds);
    free(pixels);
}

static inline int plot_animation_write(const plot_animation *a, const char *path)
{
    unsigned char *data;
    size_t n;
    int failed = plot_animation_encode(a, &data, &n) || plot_save(path, data, n);
    free(data);
    return failed;
}

#endif
