/* cifar10.h: reads CIFAR-10, 60,000 photographs of 32 x 32 pixels in ten classes, in its binary version
 * (Alex Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009; data/get_cifar10.sh
 * gets it).
 *
 *     cifar10 set;
 *     if (cifar10_read("data/cifar-10-batches-bin", "train", &set, error, sizeof error)) ...;
 *     cifar10_floats(set.pixels + i * cifar10_dim, 0, x);
 *     cifar10_free(&set);
 *
 * A file is 10,000 records of 3,073 bytes: the label, then the red, the green and the blue values, each row
 * by row. In memory the three values of a pixel are neighbours (NHWC). A byte v stands for the number
 * x = 2 v / 255 - 1, from -1 (black) to 1. */
#ifndef CIFAR10_H
#define CIFAR10_H

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
    cifar10_records = 10000, /* in a file */
    cifar10_train_files = 5,
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

/* Appends the records of an open file. It must end where they do. */
static inline int cifar10_read_file(FILE *file, const char *path, size_t records, cifar10 *set, char *error,
                                    size_t error_size)
{
    for (size_t i = 0; i < records; i++, set->n++) {
        uint8_t record[cifar10_record];
        size_t size = fread(record, 1, sizeof record, file);
        if (ferror(file))
            return cifar10_fail(error, error_size, "%s: expected a readable file, found none", path);
        if (size < sizeof record)
            return cifar10_fail(error, error_size, "%s: expected %zu bytes, found %zu", path,
                                records * sizeof record, i * sizeof record + size);
        if (record[0] >= cifar10_classes)
            return cifar10_fail(error, error_size, "%s: record %zu: expected a label from 0 to 9, found %d",
                                path, i + 1, record[0]);
        set->labels[set->n] = record[0];
        cifar10_interleave(record + 1, set->pixels + set->n * cifar10_dim);
    }
    if (fgetc(file) != EOF)
        return cifar10_fail(error, error_size, "%s: expected %zu bytes, found more", path,
                            records * cifar10_record);
    if (ferror(file))
        return cifar10_fail(error, error_size, "%s: expected a readable file, found none", path);
    return 0;
}

static inline int cifar10_read_path(const char *path, size_t records, cifar10 *set, char *error,
                                    size_t error_size)
{
    FILE *file = fopen(path, "rb");
    int status;
    if (!file) return cifar10_fail(error, error_size, "%s: expected a readable file, found none", path);
    status = cifar10_read_file(file, path, records, set, error, error_size);
    fclose(file);
    return status;
}

/* cifar10_read for files of any number of records each. */
static inline int cifar10_read_records(const char *dir, const char *split, size_t records, cifar10 *out,
                                       char *error, size_t error_size)
{
    int train = strcmp(split, "train") == 0, files = train ? cifar10_train_files : 1, status = 0;
    size_t path_size = strlen(dir) + sizeof "/data_batch_1.bin";
    char *path = malloc(path_size);
    cifar10 set = {0, NULL, NULL};
    if (!train && strcmp(split, "test") != 0) {
        free(path);
        return cifar10_fail(error, error_size, "split: expected train or test, found \"%.40s\"", split);
    }
    set.pixels = malloc((size_t)files * records * cifar10_dim);
    set.labels = malloc((size_t)files * records);
    if (!path || !set.pixels || !set.labels)
        status = cifar10_fail(error, error_size, "%s: expected memory for %zu images, found none", dir,
                              (size_t)files * records);
    for (int k = 1; status == 0 && k <= files; k++) {
        if (train) snprintf(path, path_size, "%s/data_batch_%d.bin", dir, k);
        if (!train) snprintf(path, path_size, "%s/test_batch.bin", dir);
        status = cifar10_read_path(path, records, &set, error, error_size);
    }
    free(path);
    if (status) cifar10_free(&set);
    else *out = set;
    return status;
}

/* Reads the 50,000 images of split "train" (data_batch_1.bin to data_batch_5.bin, all of them) or the 10,000
 * of "test" (test_batch.bin). On failure returns -1 with one line in `error`, and leaves *out alone. */
static inline int cifar10_read(const char *dir, const char *split, cifar10 *out, char *error,
                               size_t error_size)
{
    return cifar10_read_records(dir, split, cifar10_records, out, error, error_size);
}

#endif
