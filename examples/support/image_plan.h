/* image_plan.h: what follows from the images themselves: how many levels a U-Net has and how wide it is, the
 * padding, the variance it is made for, and the log SNRs that it learns at.
 *
 *     image_plan plan = image_plan_make(height, width, channels, n, features);
 *     image_plan_measure(&plan, levels, x, n);                  border, variance, log SNRs
 *
 * Include the implementation of itdiff.h, must.h and spectrum.h before this file. */
#ifndef IMAGE_PLAN_H
#define IMAGE_PLAN_H

#include "padding.h"
#include "spectrum.h"

typedef struct image_plan {
    itd_unet_desc unet;
    image_shape shape;
    double variance;
    itd_schedule schedule;
} image_plan;

/* ---- levels and padding ---- */

/* Halved until the longer side has 8 pixels at most and the shorter one still has 2. */
static inline size_t plan_levels_wanted(size_t height, size_t width)
{
    size_t levels = 1, longer = height > width ? height : width, shorter = height > width ? width : height;
    while (levels < ITD_MAX_LEVELS && longer > (size_t)8 << (levels - 1) &&
           shorter >= (size_t)4 << (levels - 1))
        levels++;
    return levels;
}

static inline int plan_divides(size_t height, size_t width, size_t levels)
{
    size_t coarsest = (size_t)1 << (levels - 1);
    return height % coarsest == 0 && width % coarsest == 0;
}

/* One level less, where that saves the padding and is not the only one. */
static inline size_t plan_levels(size_t height, size_t width)
{
    size_t levels = plan_levels_wanted(height, width);
    if (levels > 2 && !plan_divides(height, width, levels) && plan_divides(height, width, levels - 1))
        levels--;
    return levels;
}

static inline image_shape plan_shape(size_t height, size_t width, size_t channels, size_t levels)
{
    size_t coarsest = (size_t)1 << (levels - 1);
    image_shape s = {height, width, channels, 0, 0, 0, 0, 0};
    s.full_height = (height + coarsest - 1) / coarsest * coarsest;
    s.full_width = (width + coarsest - 1) / coarsest * coarsest;
    s.top = (s.full_height - height) / 2, s.left = (s.full_width - width) / 2;
    return s;
}

/* ---- the network ---- */

/* Twice as wide at each level, up to 96. A first level of 64 channels needs some 20,000 images to be worth
 * its time, and large images, whose pixels are many, get narrower ones. */
static inline void plan_features(itd_unet_desc *d, size_t pixels, size_t n)
{
    size_t width = n >= 20000 ? 64 : 32;
    for (; width > 8 && pixels > 4096; pixels /= 4) width /= 2;
    for (size_t l = 0; l < d->levels; l++) d->features[l] = width << l < 96 ? width << l : 96;
}

/* "64,96,96" into a description; false if that is no list of multiples of the groups. */
static inline int plan_read_features(const char *text, itd_unet_desc *d)
{
    memset(d->features, 0, sizeof d->features);
    for (d->levels = 0; *text && d->levels < ITD_MAX_LEVELS; d->levels++) {
        char *end;
        d->features[d->levels] = (size_t)strtoul(text, &end, 10);
        if (end == text || !d->features[d->levels] || d->features[d->levels] % d->groups ||
            (*end && (*end != ',' || !end[1])))
            return 0;
        text = *end ? end + 1 : end;
    }
    return !*text && d->levels > 0;
}

static inline const char *plan_print_features(const itd_unet_desc *d, char *text, size_t size)
{
    *text = '\0';
    for (size_t l = 0, used = 0; l < d->levels && used < size; l++, used = strlen(text))
        snprintf(text + used, size - used, "%s%lu", l ? "," : "", (unsigned long)d->features[l]);
    return text;
}

/* For n training images; features: as given, or "" to choose. Ends the program if they are no features. */
static inline image_plan image_plan_make(size_t height, size_t width, size_t channels, size_t n,
                                         const char *features)
{
    image_plan plan;
    memset(&plan, 0, sizeof plan);
    plan.unet = itd_unet_desc_default();
    plan.unet.levels = plan_levels(height, width);
    if (*features && !plan_read_features(features, &plan.unet))
        fail("--features: up to %d multiples of %d with commas between expected, '%s' found", ITD_MAX_LEVELS,
             (int)plan.unet.groups, features);
    if (!*features) {
        memset(plan.unet.features, 0, sizeof plan.unet.features);
        plan_features(&plan.unet, height * width, n);
    }
    plan.shape = plan_shape(height, width, channels, plan.unet.levels);
    plan.unet.height = plan.shape.full_height, plan.unet.width = plan.shape.full_width;
    plan.unet.channels = channels, plan.unet.hidden = 4 * plan.unet.features[0];
    return plan;
}

/* ---- what depends on the values ---- */

/* How many of n images a plan is made from: the spectrum takes some seconds, unless they are very large. */
static inline size_t plan_images(size_t n, size_t height, size_t width, size_t channels)
{
    enum { MAX_IMAGES = 2000, MIN_IMAGES = 16 };
    double each = (double)(height * width * channels) * (double)(height + width); /* multiplications */
    double affordable = fmax(4e9 / each, MIN_IMAGES);
    if (n > MAX_IMAGES) n = MAX_IMAGES;
    return (double)n < affordable ? n : (size_t)affordable;
}

/* The mean of the outermost pixels: what a border is like. */
static inline double plan_border(const image_shape *s, const float *x, size_t n)
{
    double sum = 0, count = 0;
    for (size_t k = 0; k < shape_dim(s); k++) {
        size_t row = k / s->channels / s->width, column = k / s->channels % s->width;
        if (row && column && row + 1 < s->height && column + 1 < s->width) continue;
        for (size_t i = 0; i < n; i++) sum += (double)x[i * shape_dim(s) + k], count++;
    }
    return sum / count;
}

/* Where the log SNRs end. Bytes (`levels` of them, 0: any values) are learned up to where noise no longer
 * hides them: half a step is then four of its standard deviations. */
static inline void plan_clip(itd_schedule *s, size_t levels)
{
    enum { MAX_CLIP = 20 };
    s->clip = itd_schedule_default().clip;
    if (levels > 1) s->clip = fmax(s->clip, (2 * log(4.0 * (double)(levels - 1)) - s->loc) / s->scale);
    s->clip = fmin(s->clip, MAX_CLIP);
}

/* The log SNRs at which structure disappears: by the spectrum, as the paper has it, of what varies by more
 * than the rounding of the values. */
static inline itd_schedule plan_schedule(const double *lambda, size_t d, size_t levels)
{
    double step = levels > 1 ? 2.0 / (double)(levels - 1) : 0, total = 0, smallest;
    double *varies = (double *)must_alloc(d, sizeof *varies);
    size_t count = 0;
    itd_schedule s = itd_schedule_default();
    for (size_t k = 0; k < d; k++) total += lambda[k];
    smallest = fmax(step * step / 12, 1e-6 * total / (double)d);
    for (size_t k = 0; k < d; k++)
        if (lambda[k] > smallest) varies[count++] = lambda[k];
    if (count) must(itd_schedule_from_spectrum(varies, count, &s), "choosing log SNRs");
    plan_clip(&s, levels);
    free(varies);
    return s;
}

/* Border, variance and log SNRs from some images in [-1, 1]. */
static inline void image_plan_measure(image_plan *plan, size_t levels, const float *x /* (n,dim) */, size_t n)
{
    image_shape *s = &plan->shape;
    size_t d = shape_dim(s);
    double *lambda = (double *)must_alloc(d, sizeof *lambda), square = 0;
    spectrum_of_images(x, n, s->height, s->width, s->channels, lambda);
    for (size_t k = 0; k < n * d; k++) square += (double)x[k] * (double)x[k] / (double)(n * d);
    plan->variance = fmax(square, 1e-3);
    plan->schedule = plan_schedule(lambda, d, levels);
    s->border = plan_border(s, x, n);
    free(lambda);
}

#endif
