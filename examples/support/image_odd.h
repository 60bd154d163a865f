/* image_odd.h: what looks odd in images that will be learned, said before time goes into it: few different
 * values that are on no grid of bytes, and single values far away from all others.
 *
 *     image_odd_warn("images.npy", &set);            lines on stderr, perhaps
 *
 * Include images.h before this file. */
#ifndef IMAGE_ODD_H
#define IMAGE_ODD_H

#include "must.h"

static inline int image_odd_order(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Values all over the images, at most 200,000 of them, ascending. */
static inline float *image_odd_values(const image_set *set, size_t *count)
{
    enum { MAX_VALUES = 200000 };
    size_t all = set->n * set->dim, n = all < MAX_VALUES ? all : MAX_VALUES;
    float *value = (float *)must_alloc(n, sizeof *value);
    for (size_t j = 0; j < n; j++) {
        size_t at = (size_t)((double)j / (double)n * (double)all);
        value[j] = (float)images_value(set, at / set->dim, at % set->dim);
    }
    qsort(value, n, sizeof *value, image_odd_order);
    *count = n;
    return value;
}

/* The density of values on a grid has no upper limit: as bytes they get a probability. */
static inline void image_odd_warn_of_steps(const char *path, const float *value, size_t n)
{
    enum { MAX_LEVELS = 256, MIN_EACH = 20 };
    size_t different = 1;
    for (size_t j = 1; j < n; j++) different += value[j] > value[j - 1];
    if (different > MAX_LEVELS || n < MIN_EACH * different) return;
    warn("%s: only %lu different values; numpy.save them as uint8, counted from 0, and they get a "
         "probability: the density of values on a grid has no upper limit",
         path, (unsigned long)different);
}

static inline void image_odd_warn_of_range(const char *path, const image_set *set, const float *value,
                                           size_t n)
{
    enum { MAX_RATIO = 100 };
    const image_scale *s = &set->scale;
    char place[40];
    size_t image = 0;
    size_t cut = n / 2000 + 1;
    double low = value[cut < n ? cut : 0], high = value[cut < n ? n - 1 - cut : 0], extreme;
    if (!(high > low) || s->high - s->low < MAX_RATIO * (high - low)) return;
    extreme = s->high - high > low - s->low ? s->high : s->low;
    for (size_t i = 0; i < set->n; i++)
        for (size_t k = 0; k < set->dim; k++) {
            double v = images_value(set, i, k);
            if (v < extreme || v > extreme) continue;
            image = (set->index ? set->index[i] : i) + 1;
            i = set->n - 1;
            break;
        }
    snprintf(place, sizeof place, image ? "image %lu" : "a test image", (unsigned long)image);
    warn("%s: %s has a value of %g, and 99.9 %% of all lie between %g and %g: these share %.2g %% of the "
         "range "
         "that is learned",
         path, place, extreme, low, high, 100 * (high - low) / (s->high - s->low));
}

static inline void image_odd_warn(const char *path, const image_set *set)
{
    size_t n;
    float *value;
    if (set->bytes) return;
    value = image_odd_values(set, &n);
    image_odd_warn_of_steps(path, value, n);
    image_odd_warn_of_range(path, set, value, n);
    free(value);
}

#endif
