/* cifar10.h: reads CIFAR-10, 60,000 photographs of 32 x 32 pixels in ten classes, in its binary version
 * (Alex Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009; data/get_cifar10.sh
 * gets it).
 *
 *     cifar10 set;
 *     if (cifar10_read("data/cifar-10-batches-bin", "train", &set, error, sizeof error)) ...;
 *     cifar10_floats(set.pixels + i * cifar10_dim, 0, x);
 *     cifar10_free(&set);
 *
 * A file is records of 3,073 bytes: the label, then the red, the green and the blue values, each row by row.
 * In memory the three values of a pixel are neighbours (NHWC). A byte v stands for the number x = 2 v / 255 -
 * 1, from -1 (black) to 1. */
#ifndef CIFAR10_H
#define CIFAR10_H

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    cifar10_side = 32,
    cifar10_channels = 3,
    cifar10_plane = cifar10_side * cifar10_side,
    cifar10_dim = cifar10_plane * cifar10_channels,
    cifar10_record = 1 + cifar10_dim,
    cifar10_classes = 10
};

typedef struct cifar10 {
    size_t n;
    uint8_t *pixels; /* (n,32,32,3) */
    uint8_t *labels; /* (n) 0 .. 9 */
} cifar10;

static inline const char *cifar10_class(size_t label)
{
    static const char *const names[cifar10_classes] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                                       "dog",      "frog",       "horse", "ship", "truck"};
    return label < cifar10_classes ? names[label] : "unknown";
}

/* ---- bytes and numbers ---- */

/* x = 2 v / 255 - 1 for each byte of an image; flipped: the mirror image, left and right exchanged. */
static inline void cifar10_floats(const uint8_t *image /* (32,32,3) */, int flipped, float *x /* (32,32,3) */)
{
#define CIFAR10_1(v) (float)(2.0 * (v) / 255 - 1)
#define CIFAR10_4(v) CIFAR10_1(v), CIFAR10_1((v) + 1), CIFAR10_1((v) + 2), CIFAR10_1((v) + 3)
#define CIFAR10_16(v) CIFAR10_4(v), CIFAR10_4((v) + 4), CIFAR10_4((v) + 8), CIFAR10_4((v) + 12)
#define CIFAR10_64(v) CIFAR10_16(v), CIFAR10_16((v) + 16), CIFAR10_16((v) + 32), CIFAR10_16((v) + 48)
    static const float table[256] = {CIFAR10_64(0), CIFAR10_64(64), CIFAR10_64(128), CIFAR10_64(192)};
#undef CIFAR10_1
#undef CIFAR10_4
#undef CIFAR10_16
#undef CIFAR10_64
    for (size_t pixel = 0; pixel < cifar10_plane; pixel++, x += cifar10_channels) {
        size_t from = flipped ? pixel ^ (cifar10_side - 1) : pixel; /* the column's five bits inverted */
        const uint8_t *colour = image + from * cifar10_channels;
        x[0] = table[colour[0]], x[1] = table[colour[1]], x[2] = table[colour[2]];
    }
}

/* The nearest byte, v = (x + 1) 255 / 2 rounded and kept in 0 .. 255; 0 for NaN. Inverts cifar10_floats. */
static inline void cifar10_bytes(const float *x /* (n) */, size_t n, uint8_t *bytes /* (n) */)
{
    for (size_t i = 0; i < n; i++) {
        double v = floor(((double)x[i] + 1) * 127.5 + 0.5);
        bytes[i] = (uint8_t)(v > 0 ? (v < 255 ? v : 255) : 0);
    }
}

/* ---- files ---- */

/* Puts "what: expected ..., found ..." into the caller's buffer, and how to get the data. */
static inline int cifar10_fail(char *error, size_t error_size, const char *format, ...)
{
    static const char help[] = "; run sh data/get_cifar10.sh, or --data DIR";
    va_list arguments;
    size_t used;
    if (!error_size) return -1;
    va_start(arguments, format);
    vsnprintf(error, error_size, format, arguments);
    va_end(arguments);
    used = strlen(error);
    snprintf(error + used, error_size - used, "%s", help);
    return -1;
}

static inline void cifar10_free(cifar10 *set)
{
    free(set->pixels);
    free(set->labels);
    memset(set, 0, sizeof *set);
}

/* The planes of one record, side by side. */
static inline void cifar10_interleave(const uint8_t *planes /* (3,32,32) */, uint8_t *image /* (32,32,3) */)
{
    for (size_t pixel = 0; pixel < cifar10_plane; pixel++)
        for (size_t c = 0; c < cifar10_channels; c++)
            image[pixel * cifar10_channels + c] = planes[c * cifar10_plane + pixel];
}

/* Whether there is such a file; a folder is none, which some systems open as well. One that is there and
 * cannot be read is not passed over in silence: reading it tells. */
static inline int cifar10_exists(const char *path)
{
    FILE *file;
    int there;
    errno = 0, file = fopen(path, "rb");
    there = file && (fgetc(file) != EOF || !ferror(file));
#if defined(EACCES) && defined(EINTR) && defined(EIO)
    if (errno == EACCES || errno == EINTR || errno == EIO) there = 1;
#endif
    if (file) fclose(file);
    return there;
}

/* DIR/data_batch_K.bin, or DIR/test_batch.bin for K = 0. */
static inline const char *cifar10_path(const char *dir, int k, char *path, size_t size)
{
    if (k) snprintf(path, size, "%s/data_batch_%d.bin", dir, k);
    else snprintf(path, size, "%s/test_batch.bin", dir);
    return path;
}

/* The number of records in an open file, which goes back to its beginning. */
static inline int cifar10_count(FILE *file, const char *path, size_t *records, char *error, size_t error_size)
{
    long size = fseek(file, 0, SEEK_END) ? -1 : ftell(file);
    if (size < 0 || size > LONG_MAX / 2 || fseek(file, 0, SEEK_SET)) /* a folder, as some systems have it */
        return cifar10_fail(error, error_size, "%s: expected a readable file, found none", path);
    if (size == 0 || size % cifar10_record)
        return cifar10_fail(error, error_size, "%s: expected records of %d bytes, found %ld bytes", path,
                            cifar10_record, size);
    *records = (size_t)(size / cifar10_record);
    return 0;
}

/* Appends so many records of an open file. */
static inline int cifar10_add(FILE *file, const char *path, size_t records, cifar10 *set, char *error,
                              size_t error_size)
{
    for (size_t i = 0; i < records; i++, set->n++) {
        uint8_t record[cifar10_record];
        if (fread(record, 1, sizeof record, file) < sizeof record)
            return cifar10_fail(error, error_size, "%s: expected a readable file, found none", path);
        if (record[0] >= cifar10_classes)
            return cifar10_fail(error, error_size, "%s: record %zu: expected a label from 0 to 9, found %d",
                                path, i + 1, record[0]);
        set->labels[set->n] = record[0];
        cifar10_interleave(record + 1, set->pixels + set->n * cifar10_dim);
    }
    return 0;
}

/* Reserves memory for more images. */
static inline int cifar10_grow(cifar10 *set, size_t records)
{
    size_t n = set->n + records;
    uint8_t *pixels = n <= SIZE_MAX / cifar10_dim ? realloc(set->pixels, n * cifar10_dim) : NULL;
    uint8_t *labels = pixels ? realloc(set->labels, n) : NULL;
    if (pixels) set->pixels = pixels;
    if (labels) set->labels = labels;
    return labels ? 0 : -1;
}

static inline int cifar10_add_path(const char *path, cifar10 *set, char *error, size_t error_size)
{
    FILE *file = fopen(path, "rb");
    size_t records = 0;
    int status;
    if (!file) return cifar10_fail(error, error_size, "%s: expected a readable file, found none", path);
    status = cifar10_count(file, path, &records, error, error_size);
    if (!status && cifar10_grow(set, records))
        status = cifar10_fail(error, error_size, "%s: expected memory for %zu images, found none", path,
                              set->n + records);
    if (!status) status = cifar10_add(file, path, records, set, error, error_size);
    fclose(file);
    return status;
}

/* How many files of training images there are: data_batch_1.bin and those whose numbers follow. Where one is
 * missing in between, or there is none at all, the first missing one counts: reading it tells. */
static inline int cifar10_files(const char *dir, char *path, size_t size)
{
    int files = 0;
    for (int k = 1; k <= 99; k++)
        if (cifar10_exists(cifar10_path(dir, k, path, size))) files = k;
        else if (k > files + 9) break;
    return files ? files : 1;
}

/* Reads the images of split "train" (data_batch_1.bin, data_batch_2.bin, ...: five files of 10,000 records as
 * they are published, any number of both in folders made like it) or "test" (test_batch.bin). On failure
 * returns -1 with one line in `error`, and leaves *out alone. */
static inline int cifar10_read(const char *dir, const char *split, cifar10 *out, char *error,
                               size_t error_size)
{
    int train = strcmp(split, "train") == 0, status = 0;
    size_t path_size = strlen(dir) + sizeof "/data_batch_99.bin";
    char *path = malloc(path_size);
    cifar10 set = {0, NULL, NULL};
    if (!train && strcmp(split, "test") != 0) {
        free(path);
        return cifar10_fail(error, error_size, "split: expected train or test, found \"%.40s\"", split);
    }
    if (!path) return cifar10_fail(error, error_size, "%s: expected memory for its name, found none", dir);
    for (int k = train, last = train ? cifar10_files(dir, path, path_size) : 0; !status && k <= last; k++)
        status = cifar10_add_path(cifar10_path(dir, k, path, path_size), &set, error, error_size);
    free(path);
    if (status) cifar10_free(&set);
    else *out = set;
    return status;
}

#endif
