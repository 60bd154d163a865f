/* plot_png.h: writes PNG files (ISO/IEC 15948), of 8-bit pixels or of a canvas. See plot.h. */
#ifndef PLOT_PNG_H
#define PLOT_PNG_H

#include "plot_canvas.h"
#include "plot_deflate.h"

static inline void plot_put_chunk(plot_bytes *out, const char *type, const unsigned char *data, size_t n)
{
    uint32_t crc = plot_crc32(plot_crc32(0, (const unsigned char *)type, 4), data, n);
    if (n > 0x7fffffff) out->failed = 1;
    plot_put_u32(out, (uint32_t)n);
    plot_put(out, type, 4);
    plot_put(out, data, n);
    plot_put_u32(out, crc);
}

/* Byte i of a row under filter 0..4: none, left, above, mean of both, Paeth. `above` is NULL over the first
 * row. */
static inline unsigned char plot_filtered(const unsigned char *row, const unsigned char *above, size_t i,
                                          size_t channels, int filter)
{
    int left = i < channels ? 0 : row[i - channels], up = above ? above[i] : 0, guess = 0;
    int corner = i < channels || !above ? 0 : above[i - channels];
    if (filter == 1) guess = left;
    if (filter == 2) guess = up;
    if (filter == 3) guess = (left + up) / 2;
    if (filter == 4) {
        int p = abs(up - corner), q = abs(left - corner), r = abs(left + up - 2 * corner);
        guess = p <= q && p <= r ? left : q <= r ? up : corner;
    }
    return (unsigned char)(row[i] - guess);
}

/* The rows as the zlib stream of an IDAT or fdAT: each under the filter with the smallest sum of absolute
 * values. Filters that often have it come first: the others are given up the sooner. */
static inline void plot_put_rows(plot_bytes *out, const unsigned char *pixels, size_t h, size_t row_bytes,
                                 size_t channels)
{
    static const int order[5] = {2, 4, 1, 3, 0};
    size_t total;
    unsigned char *rows = plot_product(h, row_bytes + 1, &total) ? NULL : plot_alloc(total, 1);
    if (!rows) {
        out->failed = 1;
        return;
    }
    for (size_t y = 0; y < h; y++) {
        const unsigned char *row = pixels + y * row_bytes, *above = y ? row - row_bytes : NULL;
        unsigned char *to = rows + y * (row_bytes + 1);
        size_t smallest = SIZE_MAX;
        for (int k = 0; k < 5; k++) {
            int filter = above ? order[k] : k;
            size_t sum = 0;
            for (size_t i = 0; i < row_bytes && sum < smallest; i++) {
                sum += (size_t)abs((signed char)plot_filtered(row, above, i, channels, filter));
            }
            if (sum < smallest) smallest = sum, to[0] = (unsigned char)filter;
        }
        for (size_t i = 0; i < row_bytes; i++) to[i + 1] = plot_filtered(row, above, i, channels, to[0]);
    }
    plot_deflate(out, rows, total);
    free(rows);
}

/* Signature and IHDR. */
static inline void plot_put_png_start(plot_bytes *out, size_t w, size_t h, int channels)
{
    static const unsigned char signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    unsigned char rest[5] = {8, channels == 1 ? 0 : channels == 3 ? 2 : 6, 0, 0, 0};
    plot_bytes header = {NULL, 0, 0, 0, 0, 0};
    plot_put(out, signature, 8);
    plot_put_u32(&header, (uint32_t)w);
    plot_put_u32(&header, (uint32_t)h);
    plot_put(&header, rest, 5);
    if (header.failed) out->failed = 1;
    else plot_put_chunk(out, "IHDR", header.data, header.size);
    free(header.data);
}

static inline int plot_png_allows(size_t w, size_t h, int channels)
{
    size_t row_bytes;
    if (!w || !h || w > 0x7fffffff || h > 0x7fffffff) return 0;
    if (channels != 1 && channels != 3 && channels != 4) return 0;
    return !plot_product(w, (size_t)channels, &row_bytes) && row_bytes < SIZE_MAX;
}

/* Hands over the bytes of a file after its last chunk, or frees them if anything failed. */
static inline int plot_put_png_end(plot_bytes *file, unsigned char **out, size_t *n)
{
    plot_put_chunk(file, "IEND", NULL, 0);
    if (file->failed) free(file->data);
    else *out = file->data, *n = file->size;
    return file->failed;
}

/* Pixels (h, w, channels) of 8 bits: 1 = grey, 3 = RGB, 4 = RGBA. The caller frees *out. */
static inline int plot_png_encode(const unsigned char *pixels, size_t w, size_t h, int channels,
                                  unsigned char **out, size_t *n)
{
    plot_bytes file = {NULL, 0, 0, 0, 0, 0}, stream = file;
    *out = NULL, *n = 0;
    if (!pixels || !plot_png_allows(w, h, channels)) return 1;
    plot_put_rows(&stream, pixels, h, w * (size_t)channels, (size_t)channels);
    plot_put_png_start(&file, w, h, channels);
    if (stream.failed) file.failed = 1;
    else plot_put_chunk(&file, "IDAT", stream.data, stream.size);
    free(stream.data);
    return plot_put_png_end(&file, out, n);
}

/* All or nothing: the bytes go to a neighbouring file, which takes the name when it is complete. */
static inline int plot_save(const char *path, const unsigned char *data, size_t n)
{
    size_t length = strlen(path);
    char *draft = plot_alloc(length + 5, 1);
    if (!draft) return 1;
    memcpy(draft, path, length);
    memcpy(draft + length, ".tmp", 5);
    FILE *file = fopen(draft, "wb");
    int failed = !file || fwrite(data, 1, n, file) != n;
    if (file && fclose(file)) failed = 1;
#if defined(_WIN32)
    if (!failed) remove(path); /* rename does not replace there */
#endif
    if (!failed && rename(draft, path)) failed = 1;
    if (failed && file) remove(draft);
    free(draft);
    return failed;
}

static inline int plot_png_write(const char *path, const unsigned char *pixels, size_t w, size_t h,
                                 int channels)
{
    unsigned char *data;
    size_t n;
    int failed = plot_png_encode(pixels, w, h, channels, &data, &n) || plot_save(path, data, n);
    free(data);
    return failed;
}

/* The canvas in 8 bits, (height, width, 3), to be freed by the caller; NULL without memory. */
static inline unsigned char *plot_canvas_pixels(const plot_canvas *c)
{
    size_t count = 3 * (size_t)c->width * (size_t)c->height;
    unsigned char *pixels = plot_alloc(count, 1);
    for (size_t i = 0; pixels && i < count; i++)
        pixels[i] = (unsigned char)(255.0 * plot_unit((double)c->rgb[i]) + 0.5);
    return pixels;
}

/* The canvas as the bytes of a PNG file, which the caller frees. */
static inline int plot_canvas_encode(const plot_canvas *c, unsigned char **out, size_t *n)
{
    unsigned char *pixels = plot_canvas_pixels(c);
    int failed = plot_png_encode(pixels, (size_t)c->width, (size_t)c->height, 3, out, n);
    free(pixels);
    return failed;
}

static inline int plot_canvas_write(const plot_canvas *c, const char *path)
{
    unsigned char *png;
    size_t n;
    int failed = plot_canvas_encode(c, &png, &n) || plot_save(path, png, n);
    free(png);
    return failed;
}

#endif
