/* images.h: images of any size, grey or in colour, from the files that they come in:
 *
 *     a folder in the format of CIFAR-10's binary version (cifar10.h), or with MNIST's files, unpacked
 *     .npy, (n, height, width) or (n, height, width, channels), of bytes, integers or floats
 *     .idx, as MNIST's: two zeros, a type, the number of dimensions, these as u32, then the data, big-endian
 *
 *     image_set train, test;
 *     if (images_read_both("digits.npy", NULL, NULL, &train, &test, error, sizeof error)) fail("%s", error);
 *     images_get(&train, i, 0, x);                     image i in [-1, 1]; 1 instead of 0: mirrored
 *     images_free(&test), images_free(&train);
 *
 * What is read as bytes stays bytes. Floats that are all a 255th of a whole number, or twice that less 1, are
 * bytes in disguise and become them. All other values are kept as floats, and are on no grid. Without test
 * images of their own, a tenth of the images, from 2 to 10,000, are held out: always the same ones. */
#ifndef IMAGES_H
#define IMAGES_H

#include "cifar10.h"
#include "npy.h"
#include "table.h"

enum { IMAGES_ERROR = 600, IMAGES_MOST_HELD = 10000, IMAGES_FEWEST = 4, IMAGES_MOST_SIDE = 1024 };

/* What the values mean: low stands for -1 and high for 1, in the units of the file or, if its floats v were
 * bytes in disguise, of these bytes (v + shift) factor. */
typedef struct image_scale {
    double low, high;
    size_t levels;        /* so many values in even steps from low to high; 0: any value */
    double shift, factor; /* factor 0: no disguise */
} image_scale;

typedef struct image_set {
    size_t n, height, width, channels, dim;
    image_scale scale;
    float of_byte[256]; /* a byte in [-1, 1] */
    uint8_t *bytes;     /* (stored,dim), row by row, the channels of a pixel side by side; or else */
    float *values;      /* (stored,dim) */
    size_t *index;      /* (n) where image i is stored; NULL: in order */
    int borrowed;       /* bytes and values belong to another set */
    int of_tests;       /* they come from the test files of a folder */
} image_set;

static inline void images_free(image_set *set)
{
    if (!set->borrowed) free(set->bytes), free(set->values);
    free(set->index);
    memset(set, 0, sizeof *set);
}

/* Value k of image i, in the units of the file. */
static inline double images_value(const image_set *set, size_t i, size_t k)
{
    size_t at = (set->index ? set->index[i] : i) * set->dim + k;
    return set->bytes ? (double)set->bytes[at] : (double)set->values[at];
}

/* A value in [-1, 1]. */
static inline float images_scaled(const image_scale *s, double value)
{
    return (float)(2 * (value - s->low) / (s->high - s->low) - 1);
}

/* Image i in [-1, 1]; flipped: left and right exchanged. */
static inline void images_get(const image_set *set, size_t i, int flipped, float *x /* (dim) */)
{
    size_t c = set->channels, row = set->width * c, start = (set->index ? set->index[i] : i) * set->dim;
    for (size_t k = 0; k < set->dim; k++) {
        size_t from = start + (flipped ? k / row * row + (row / c - 1 - k % row / c) * c + k % c : k);
        x[k] = set->bytes ? set->of_byte[set->bytes[from]] : images_scaled(&set->scale, set->values[from]);
    }
}

/* ---- what the values mean ---- */

static inline void images_set_scale(image_set *set, const image_scale *scale)
{
    set->scale = *scale;
    for (size_t v = 0; v < 256; v++) set->of_byte[v] = images_scaled(scale, (double)v);
}

/* Of bytes, all 256 levels if some are above 127, else those from the least to the greatest there are; of
 * floats the range. Refuses images that are all of one value. */
static inline int images_find_scale(image_set *set, const text_error *to)
{
    double low = HUGE_VAL, high = -HUGE_VAL;
    image_scale scale = set->scale; /* the disguise is known */
    for (size_t i = 0; i < set->n; i++)
        for (size_t k = 0; k < set->dim; k++) {
            double v = images_value(set, i, k);
            low = v < low ? v : low, high = v > high ? v : high;
        }
    if (set->bytes && high > 127) low = 0, high = 255;
    if (!(high > low)) return text_refuse(to, "images with differences expected, every value is %g", low);
    scale.low = low, scale.high = high, scale.levels = set->bytes ? (size_t)(high - low) + 1 : 0;
    images_set_scale(set, &scale);
    return 0;
}

static inline int images_on_scale(const image_scale *s, double v)
{
    double level = (v - s->low) / (s->high - s->low) * (double)(s->levels - 1);
    return fabs(level - floor(level + 0.5)) < 1e-3 && level > -0.5 && level < (double)s->levels;
}

/* Whether a value can be one of this scale: of its grid, or not farther off than ten times its range. */
static inline int images_are_like(const image_scale *s, double v)
{
    double range = s->high - s->low;
    return s->levels ? images_on_scale(s, v) : v > s->low - 10 * range && v < s->high + 10 * range;
}

/* Floats that became bytes by themselves are none beside images on no grid: they are taken for what the file
 * says again. So are 0 and 1 beside bytes up to 255, where they are black and white, not 0 and a 255th. */
static inline int images_share_disguise(image_set *set, const image_scale *scale, const text_error *to)
{
    double own = set->scale.factor, factor = scale->factor > 0 ? scale->factor : 255;
    size_t count = set->n * set->dim;
    uint8_t max_level = 0;
    if (!set->bytes || own <= 0) return 0;
    for (size_t k = 0; k < count; k++)
        if (set->bytes[k] > max_level) max_level = set->bytes[k];
    if (scale->levels && !(own <= 1 && max_level <= 1 && scale->high > 127)) return 0;
    set->values = count <= SIZE_MAX / sizeof(float) ? (float *)malloc(count * sizeof(float)) : NULL;
    if (!set->values) return text_refuse(to, "memory for the images expected, none found");
    for (size_t k = 0; k < count; k++) {
        double v = set->bytes[k] / own - set->scale.shift;
        set->values[k] = (float)(scale->levels ? (v + scale->shift) * factor : v);
    }
    free(set->bytes), set->bytes = NULL;
    return 0;
}

/* Takes another scale, that of the training images or of a model. Of a whole set, before it is divided. */
static inline int images_take_scale(image_set *set, const image_scale *scale, const text_error *to)
{
    int fits[256];
    if (images_share_disguise(set, scale, to)) return -1;
    for (size_t v = 0; v < 256; v++) fits[v] = images_are_like(scale, (double)v);
    for (size_t i = 0; i < set->n; i++)
        for (size_t k = 0; k < set->dim; k++) {
            double v = images_value(set, i, k);
            if (set->bytes ? fits[(size_t)v] : images_are_like(scale, v)) continue;
            if (scale->levels)
                return text_refuse(to, "%lu values from %g to %g expected, as in training, image %lu has %g",
                                   (unsigned long)scale->levels, scale->low, scale->high,
                                   (unsigned long)i + 1, v);
            return text_refuse(to,
                               "values from about %g to %g expected, as in training, image %lu has %g: are "
                               "they in other units?",
                               scale->low, scale->high, (unsigned long)i + 1, v);
        }
    images_set_scale(set, scale);
    return 0;
}

/* Whether all values are whole numbers from 0 to 255 after v -> (v + shift) * factor, but for the rounding of
 * floats of 16 bits, which hold whole numbers exactly; and not all the same unless the values are, as small
 * numbers would be. */
static inline int images_are_bytes(const image_set *set, double shift, double factor)
{
    double off = factor > 1 ? 0.07 : 1e-3, min_level = HUGE_VAL, max_level = -HUGE_VAL;
    float low = set->values[0], high = low;
    for (size_t k = 0; k < set->n * set->dim; k++) {
        double v = ((double)set->values[k] + shift) * factor, level = floor(v + 0.5);
        if (!(v > -0.5 && v < 255.5 && fabs(v - level) < off)) return 0;
        min_level = fmin(min_level, level), max_level = fmax(max_level, level);
        low = fminf(low, set->values[k]), high = fmaxf(high, set->values[k]);
    }
    return max_level > min_level || !(high > low);
}

/* Floats become bytes if they are bytes in one of three disguises. */
static inline int images_unmask(image_set *set, const text_error *to)
{
    static const double disguise[][2] = {{0, 1}, {0, 255}, {1, 127.5}};
    for (size_t j = 0; j < sizeof disguise / sizeof *disguise; j++) {
        if (!images_are_bytes(set, disguise[j][0], disguise[j][1])) continue;
        set->bytes = (uint8_t *)malloc(set->n * set->dim);
        if (!set->bytes) return text_refuse(to, "memory for the images expected, none found");
        for (size_t k = 0; k < set->n * set->dim; k++)
            set->bytes[k] = (uint8_t)(((double)set->values[k] + disguise[j][0]) * disguise[j][1] + 0.5);
        free(set->values), set->values = NULL;
        set->scale.shift = disguise[j][0], set->scale.factor = disguise[j][1];
        return 0;
    }
    return 0;
}

/* ---- arrays ---- */

/* (n,height,width[,channels]), or what to do instead. */
static inline int images_shape(const npy_array *a, image_set *set, const text_error *to)
{
    const size_t *s = a->shape;
    if (a->dimensions == 1)
        return text_refuse(to, "images expected, one row of %lu numbers found: the labels?",
                           (unsigned long)s[0]);
    if (a->dimensions == 2)
        return text_refuse(to,
                           "(n, height, width) or (n, height, width, channels) expected, (%lu, %lu) found; "
                           "numpy.reshape it, or give a table to fit",
                           (unsigned long)s[0], (unsigned long)s[1]);
    if (a->dimensions == 4 && s[3] > 4 && s[1] <= 4)
        return text_refuse(to,
                           "the channels last expected, (%lu, %lu, %lu, %lu) found; "
                           "numpy.save numpy.transpose(array, (0, 2, 3, 1))",
                           (unsigned long)s[0], (unsigned long)s[1], (unsigned long)s[2],
                           (unsigned long)s[3]);
    set->n = s[0], set->height = s[1], set->width = s[2], set->channels = a->dimensions == 4 ? s[3] : 1;
    if (set->channels > 4)
        return text_refuse(to, "1 to 4 channels expected, %lu found", (unsigned long)set->channels);
    if (set->height > IMAGES_MOST_SIDE || set->width > IMAGES_MOST_SIDE)
        return text_refuse(to, "at most %d pixels a side expected, %lu x %lu found", IMAGES_MOST_SIDE,
                           (unsigned long)set->height, (unsigned long)set->width);
    set->dim = set->height * set->width * set->channels;
    return 0;
}

/* The memory of numbers of one byte suffices for bytes; all others are looked at as floats. */
static inline int images_take_array(const npy_array *a, image_set *set, const text_error *to)
{
    int bytes = a->width == 1 && a->kind != 'i';
    if (images_shape(a, set, to)) return -1;
    if (bytes) set->bytes = (uint8_t *)malloc(set->n * set->dim);
    else if (set->n <= SIZE_MAX / sizeof(float) / set->dim)
        set->values = (float *)malloc(set->n * set->dim * sizeof(float));
    if (!set->bytes && !set->values) return text_refuse(to, "memory for the images expected, none found");
    for (size_t i = 0; i < set->n; i++)
        for (size_t k = 0; k < set->dim; k++) {
            double v = npy_value(a, i, k);
            if (!(fabs(v) <= (double)FLT_MAX))
                return text_refuse(to, "image %lu, row %lu, column %lu: a finite number expected, %g found",
                                   (unsigned long)(i + 1),
                                   (unsigned long)(k / set->channels / set->width + 1),
                                   (unsigned long)(k / set->channels % set->width + 1), v);
            if (bytes) set->bytes[i * set->dim + k] = (uint8_t)v;
            else set->values[i * set->dim + k] = (float)v;
        }
    if (a->kind == 'b') set->scale.factor = 1; /* black and white, as floats of 0 and 1 are */
    return bytes ? 0 : images_unmask(set, to);
}

static inline int images_is_idx(const char *bytes, size_t size)
{
    return size >= 4 && !bytes[0] && !bytes[1] && bytes[2] >= 8 && bytes[2] <= 14 && bytes[3] >= 1 &&
           bytes[3] <= NPY_DIMENSIONS;
}

/* The same array as a .npy would have it. */
static inline int images_open_idx(const char *bytes, size_t size, npy_array *a, const text_error *to)
{
    static const char kinds[] = "ui?iiff";
    static const int widths[] = {1, 1, 0, 2, 4, 4, 8};
    size_t dimensions = (size_t)bytes[3], start = 4 + 4 * dimensions, count = 1;
    memset(a, 0, sizeof *a);
    a->kind = kinds[bytes[2] - 8], a->width = widths[bytes[2] - 8], a->big = 1, a->dimensions = dimensions;
    if (!a->width) return text_refuse(to, "type: 8, 9 or 11 to 14 expected, 10 found");
    for (size_t k = 0; k < NPY_DIMENSIONS; k++) {
        uint64_t value = 1;
        if (size >= start && k < dimensions) value = npy_bits(bytes + 4 + 4 * k, 4, 1);
        if (!value || value > SIZE_MAX / 8 / count)
            return text_refuse(to, "dimension %lu: a size expected, %llu found", (unsigned long)(k + 1),
                               (unsigned long long)value);
        a->shape[k] = (size_t)value, count *= (size_t)value;
    }
    if (size < start || (size - start) / (size_t)a->width != count || (size - start) % (size_t)a->width)
        return text_refuse(to, "%lu bytes expected, as its header says, %lu found",
                           (unsigned long)(start + count * (size_t)a->width), (unsigned long)size);
    a->rows = a->shape[0], a->columns = count / a->rows, a->data = bytes + start;
    return 0;
}

/* ---- files ---- */

static inline int images_refuse_kind(const char *bytes, size_t size, const text_error *to)
{
    static const char expected[] = ".npy, a file as MNIST's, or a folder as CIFAR-10's expected";
    const table_foreign *kind = table_find_foreign(bytes, size);
    if (!kind) kind = table_find_text(bytes, size);
    if (!size) return text_refuse(to, "%s, no bytes found", expected);
    if (kind && !strcmp(kind->what, "an image"))
        return text_refuse(
            to, "%s, one picture found; numpy.save all of them as (n, height, width, channels)", expected);
    if (kind && kind->length >= 2 && strstr(kind->help, "unpack"))
        return text_refuse(to, "%s, %s found; %s", expected, kind->what, kind->help);
    return text_refuse(to, "%s, %s found; numpy.save an array (n, height, width) of them", expected,
                       kind ? kind->what : "text");
}

static inline int images_take_cifar10(const char *dir, const char *split, image_set *set,
                                      const text_error *to)
{
    cifar10 c = {0, NULL, NULL};
    if (cifar10_read(dir, split, &c, to->line, to->size)) return -1;
    free(c.labels);
    set->n = c.n, set->height = set->width = cifar10_side, set->channels = cifar10_channels;
    set->dim = cifar10_dim, set->bytes = c.pixels;
    return 0;
}

/* DIR/NAME, or "" if there is none. */
static inline const char *images_in(const char *dir, const char *name, char *path, size_t size)
{
    int length = snprintf(path, size, "%s/%s", dir, name);
    if (length < 0 || (size_t)length >= size || !cifar10_exists(path)) *path = '\0';
    return path;
}

/* What cannot be read, if it is a folder: what is in it instead. */
static inline int images_refuse_folder(const char *dir, const text_error *to)
{
    static const char *const others[][2] = {
        {"data_batch_1", "CIFAR-10 for Python; get the binary version, sh data/get_cifar10.sh"},
        {"train-images-idx3-ubyte.gz", "MNIST packed by gzip; unpack it with gunzip first"},
        {"data_batch_2.bin", "some files of CIFAR-10's binary version; sh data/get_cifar10.sh gets all"},
        {"test_batch.bin",
         "only the test images of CIFAR-10's binary version; sh data/get_cifar10.sh gets all"}};
    char path[1200], byte;
    FILE *file = fopen(dir, "rb");
    int folder = !file || (fread(&byte, 1, 1, file) != 1 && ferror(file));
    if (file) fclose(file);
    for (size_t k = 0; k < sizeof others / sizeof *others; k++)
        if (*images_in(dir, others[k][0], path, sizeof path))
            return text_refuse(to, "data_batch_1.bin expected in it, found %s", others[k][1]);
    if (!folder) return 0;
    return text_refuse(to,
                       "images expected, found %s; .npy, files as MNIST's, or a folder as CIFAR-10's, which "
                       "sh data/get_cifar10.sh gets",
                       file ? "a folder without data_batch_1.bin" : "nothing that can be opened");
}

static inline int images_take_file(const char *path, image_set *set, const text_error *to)
{
    text_error here = *to;
    npy_array a;
    char *bytes;
    size_t size;
    int status;
    here.path = path;
    status = text_load(&here, &bytes, &size);
    if (status) images_refuse_folder(path, &here); /* not before: a pipe can be opened only once */
    if (!status && npy_is(bytes, size)) status = npy_open_up_to(bytes, size, NPY_DIMENSIONS, &a, &here);
    else if (!status && images_is_idx(bytes, size)) status = images_open_idx(bytes, size, &a, &here);
    else if (!status) status = images_refuse_kind(bytes, size, &here);
    if (!status) status = images_take_array(&a, set, &here);
    free(bytes);
    return status;
}

/* What is known of a folder by the names in it. */
typedef struct image_folder {
    char mnist[1200]; /* the path of MNIST's file, "" if it is not there */
    int cifar10;
} image_folder;

/* Looks for files of a split, "train" or "test"; whether there are any. */
static inline int images_look(const char *dir, const char *split, image_folder *folder)
{
    int train = strcmp(split, "train") == 0;
    images_in(dir, train ? "data_batch_1.bin" : "test_batch.bin", folder->mnist, sizeof folder->mnist);
    folder->cifar10 = *folder->mnist != '\0';
    images_in(dir, train ? "train-images-idx3-ubyte" : "t10k-images-idx3-ubyte", folder->mnist,
              sizeof folder->mnist);
    if (!*folder->mnist)
        images_in(dir, train ? "train-images.idx3-ubyte" : "t10k-images.idx3-ubyte", folder->mnist,
                  sizeof folder->mnist);
    return folder->cifar10 || *folder->mnist;
}

static inline int images_has(const char *path, const char *split)
{
    image_folder folder;
    return images_look(path, split, &folder);
}

/* What a look has found: images of one split of a folder, or else of a file. */
static inline int images_read_found(const image_folder *found, const char *path, const char *split,
                                    image_set *out, char *error, size_t error_size)
{
    text_error to = {path, error, error_size};
    image_set set;
    int status;
    memset(&set, 0, sizeof set);
    if (found->cifar10) status = images_take_cifar10(path, split, &set, &to);
    else status = images_take_file(*found->mnist ? found->mnist : path, &set, &to);
    set.of_tests = strcmp(split, "test") == 0 && (found->cifar10 || *found->mnist);
    if (status) images_free(&set);
    else *out = set;
    return status;
}

/* Images of a file, or of one split, "train" or "test", of a folder. Their scale is still to be set. Returns
 * -1 with one line in `error` after a failure, and leaves *out alone then. */
static inline int images_read(const char *path, const char *split, image_set *out, char *error,
                              size_t error_size)
{
    image_folder found;
    images_look(path, split, &found);
    return images_read_found(&found, path, split, out, error, error_size);
}

/* Test images, if it is a folder that has some; else all there are. */
static inline int images_read_tests(const char *path, image_set *out, char *error, size_t error_size)
{
    image_folder found;
    if (images_look(path, "test", &found))
        return images_read_found(&found, path, "test", out, error, error_size);
    return images_read(path, "train", out, error, error_size);
}

/* ---- training and test images ---- */

/* The tenth of the images, two at least, that has no part in the training, in a random order that is always
 * the same. */
static inline int images_split(image_set *all, image_set *test, const text_error *to)
{
    size_t n = all->n, held = n / 10 > IMAGES_MOST_HELD ? IMAGES_MOST_HELD : n / 10 > 2 ? n / 10 : 2;
    itd_rng rng = itd_rng_make(0, (uint64_t)0x68656c64 << 32); /* "held", see datasets.h */
    size_t *order = (size_t *)malloc(n * sizeof *order), *rest = (size_t *)malloc(held * sizeof *rest);
    if (!order || !rest) {
        free(order), free(rest);
        return text_refuse(to, "memory for the order of the images expected, none found");
    }
    for (size_t i = 0; i < n; i++) order[i] = i;
    itd_rng_shuffle(&rng, n, order);
    memcpy(rest, order + n - held, held * sizeof *rest);
    *test = *all;
    all->n = n - held, all->index = order;
    test->n = held, test->index = rest, test->borrowed = 1;
    return 0;
}

static inline int images_same_shape(const image_set *a, const image_set *b, const text_error *to)
{
    if (a->height == b->height && a->width == b->width && a->channels == b->channels) return 0;
    return text_refuse(to, "images of %lu x %lu x %lu expected, as in training, found %lu x %lu x %lu",
                       (unsigned long)a->height, (unsigned long)a->width, (unsigned long)a->channels,
                       (unsigned long)b->height, (unsigned long)b->width, (unsigned long)b->channels);
}

/* What images_split did is undone: the test images are all there are, and there are no others. */
static inline void images_unite(image_set *all, image_set *test, size_t n)
{
    if (test->borrowed) free(test->index);
    free(all->index);
    *test = *all, test->n = n, test->index = NULL;
    memset(all, 0, sizeof *all);
}

/* Images that nothing is learned from: all of a file, or the test images of a folder. */
static inline int images_read_test(const char *path, const image_scale *scale, image_set *test, char *error,
                                   size_t error_size)
{
    text_error to = {path, error, error_size};
    int status;
    memset(test, 0, sizeof *test);
    status = images_read_tests(path, test, error, error_size);
    if (!status) status = images_take_scale(test, scale, &to);
    if (status) images_free(test);
    return status;
}

/* Test images: those of `test`, unless it is NULL; else those beside the training images in a folder; else
 * some of the training images, which then are not used for training. scale: or NULL, to find it, among these
 * as well. Free `test` first. */
static inline int images_read_both(const char *data, const char *test_path, const image_scale *scale,
                                   image_set *train, image_set *test, char *error, size_t error_size)
{
    text_error to = {data, error, error_size}, to_test = {test_path ? test_path : data, error, error_size};
    image_folder tests;
    int has_tests = !test_path && images_look(data, "test", &tests), apart = has_tests || test_path,
        status = 0;
    memset(test, 0, sizeof *test);
    if (images_read(data, "train", train, error, error_size)) return -1;
    if (test_path) status = images_read_tests(test_path, test, error, error_size);
    else if (has_tests) status = images_read_found(&tests, data, "test", test, error, error_size);
    else if (train->n < IMAGES_FEWEST)
        status = text_refuse(&to, "at least %d images expected, %lu found", IMAGES_FEWEST,
                             (unsigned long)train->n);
    if (!status && train->n < 2) status = text_refuse(&to, "at least 2 images expected, 1 found");
    if (!status && apart) status = images_same_shape(train, test, &to_test);
    if (!status) status = scale ? images_take_scale(train, scale, &to) : images_find_scale(train, &to);
    if (!status)
        status = apart ? images_take_scale(test, &train->scale, &to_test) : images_split(train, test, &to);
    if (status) images_free(test), images_free(train);
    return status;
}

/* ---- writing ---- */

/* n images in [-1, 1] as .npy: of a scale with levels up to 256 as bytes, else as floats, in the units of the
 * file that they were learned from. Returns 0, or -1 if the file cannot be written. */
static inline int images_write_npy(const char *path, const image_set *like, const float *x /* (n,dim) */,
                                   size_t n)
{
    const image_scale *s = &like->scale;
    int bytes = s->levels > 0, failed;
    char header[119], channels[30] = "";
    FILE *file = fopen(path, "wb");
    if (!file) return -1;
    if (like->channels > 1) snprintf(channels, sizeof channels, ", %lu", (unsigned long)like->channels);
    snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (%lu, %lu, %lu%s), }",
             bytes ? "|u1" : "<f4", (unsigned long)n, (unsigned long)like->height, (unsigned long)like->width,
             channels);
    fprintf(file, "\x93NUMPY%c%c%c%c%-117s\n", 1, 0, 118, 0, header);
    for (size_t k = 0; k < n * like->dim; k++) {
        double v = s->low + (s->high - s->low) * 0.5 * ((double)x[k] + 1);
        float single = (float)v;
        uint32_t bits;
        memcpy(&bits, &single, sizeof bits);
        if (bytes) bits = (uint32_t)(floor(fmin(fmax(v, s->low), s->high) + 0.5));
        for (int byte = 0; byte < (bytes ? 1 : 4); byte++) fputc((int)(bits >> 8 * byte & 255), file);
    }
    failed = ferror(file);
    return fclose(file) || failed ? -1 : 0;
}

#endif
