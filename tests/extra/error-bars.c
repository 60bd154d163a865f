/* error-bars.c: do the error bars of the likelihood hold? Over distributions drawn at random, each a mixture of
 * Gaussians with its exact denoiser, and over synthetic images with theirs, how often is the truth within the
 * interval of 95 % that Student's distribution gives to an estimate?
 *
 *     make -C tests/extra error-bars            1,000 distributions of 1 to 20 dimensions
 *
 * Ends with a line of counts, as every test. */
#include "../../examples/support/system.h"

#define ITDIFF_IMPLEMENTATION
#include "../../itdiff.h"

#include "../../examples/support/fields.h"
#include "../../examples/support/mixture.h"
#include "../../examples/support/must.h"
#include "../ref.h"

enum { PARTS = 6, DIM = 20, POINTS = 50, DRAWS = 40, FIELD_SIDE = 8, FIELD_POINTS = 12 };

typedef struct tally {
    size_t covered, n;
} tally;

static void count(tally *t, double off, double standard_error, double degrees)
{
    t->covered += (size_t)ref_covers(off, standard_error, degrees);
    t->n++;
}

static double uniform(itd_rng *rng, double low, double high)
{
    return low + (high - low) * itd_rng_uniform(rng);
}

/* Components of random shape: standard deviations from 0.2 to 2, axes in random directions, means apart by
 * up to a few of them. */
typedef struct world {
    mixture m;
    itd_gaussian part[PARTS], *made[PARTS];
    double weight[PARTS], smallest, largest; /* variances */
} world;

static itd_gaussian *random_part(itd_rng *rng, size_t d, double apart)
{
    double mean[DIM], axes[DIM * DIM], covariance[DIM * DIM] = {0}, spread[DIM];
    itd_gaussian *g = NULL;
    for (size_t i = 0; i < d; i++)
        mean[i] = apart * itd_rng_normal(rng), spread[i] = exp(uniform(rng, -1.6, 0.7));
    for (size_t i = 0; i < d * d; i++) axes[i] = itd_rng_normal(rng) / sqrt((double)d);
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++)
            for (size_t k = 0; k < d; k++)
                covariance[i * d + j] += axes[i * d + k] * axes[j * d + k] * spread[k] * spread[k];
    for (size_t i = 0; i < d; i++) covariance[i * d + i] += 0.01; /* no axis is narrower than 0.1 */
    must(itd_gaussian_create(mean, covariance, d, &g), "making a component");
    return g;
}

static void world_make(world *w, itd_rng *rng)
{
    size_t d = 1 + (size_t)itd_rng_below(rng, DIM), parts = 1 + (size_t)itd_rng_below(rng, PARTS);
    double total = 0, apart = uniform(rng, 0, 2);
    w->m.components = parts, w->m.weight = w->weight, w->m.part = w->part;
    w->smallest = HUGE_VAL, w->largest = 0;
    for (size_t k = 0; k < parts; k++) total += w->weight[k] = uniform(rng, 0.1, 1);
    for (size_t k = 0; k < parts; k++) {
        w->weight[k] /= total;
        w->made[k] = random_part(rng, d, apart), w->part[k] = *w->made[k];
        for (size_t i = 0; i < d; i++) {
            w->smallest = fmin(w->smallest, w->part[k].lambda[i]);
            w->largest = fmax(w->largest, w->part[k].lambda[i]);
        }
    }
    w->largest += apart * apart;
}

static void world_free(world *w)
{
    for (size_t k = 0; k < w->m.components; k++) itd_gaussian_free(w->made[k]);
}

/* From noise in which nothing is left of the widest to where nothing hides the narrowest: what lies outside
 * is worth far less than a standard error. */
static itd_schedule covering(double smallest, double largest)
{
    double low = -log(largest) - 8, high = -log(smallest) + 8;
    itd_schedule s;
    s.clip = 5, s.loc = 0.5 * (low + high), s.scale = 0.5 * (high - low) / s.clip;
    return s;
}

static void measure(const itd_denoiser *den, const itd_nll_desc *desc, const float *x, const double *truth,
                    size_t n, tally *mean, tally *points)
{
    double nll[POINTS], error[POINTS], sum = 0;
    itd_nll_result r;
    must(itd_nll(den, x, n, desc, &r, nll, error), "estimating");
    for (size_t i = 0; i < n; i++) sum += truth[i] / (double)n;
    count(mean, r.nll - sum, r.std_error, r.degrees);
    for (size_t i = 0; i < n; i++) count(points, nll[i] - truth[i], error[i], 2);
}

/* The distributions of seeds `from` to `to`; two tallies, of means and of single points. */
static void mixtures(uint64_t from, uint64_t to, tally *mean, tally *points)
{
    for (uint64_t seed = from; seed < to; seed++) {
        itd_rng rng = itd_rng_make(seed, 77);
        float x[POINTS * DIM];
        double truth[POINTS];
        itd_nll_desc desc = itd_nll_desc_default();
        itd_denoiser den;
        world w;
        world_make(&w, &rng);
        mixture_sample(&w.m, &rng, POINTS, x);
        den = mixture_denoiser(&w.m);
        for (size_t i = 0; i < POINTS; i++) truth[i] = mixture_nll(&w.m, x + i * den.dim);
        desc.schedule = covering(w.smallest, w.largest);
        desc.draws = DRAWS, desc.repetitions = 3, desc.seed = seed;
        measure(&den, &desc, x, truth, POINTS, mean, points);
        world_free(&w);
    }
}

static void images(size_t repetitions, tally *mean, tally *points)
{
    fields_desc desc = fields_desc_default(FIELD_SIDE, 3);
    fields *f = NULL;
    must(fields_create(&desc, &f), "making the images");
    for (size_t k = 0; k < repetitions; k++) {
        float x[FIELD_POINTS * FIELD_SIDE * FIELD_SIDE * 3];
        double truth[FIELD_POINTS], smallest = HUGE_VAL, largest = 0;
        itd_nll_desc nd = itd_nll_desc_default();
        itd_denoiser den = fields_denoiser(f);
        for (size_t i = 0; i < f->dim; i++)
            smallest = fmin(smallest, f->lambda[i]), largest = fmax(largest, f->lambda[i]);
        for (size_t i = 0; i < FIELD_POINTS; i++) {
            fields_sample(f, k * FIELD_POINTS + i, x + i * f->dim);
            truth[i] = fields_nll(f, x + i * f->dim);
        }
        nd.schedule = covering(smallest, largest);
        nd.draws = DRAWS, nd.repetitions = 3, nd.seed = k;
        measure(&den, &nd, x, truth, FIELD_POINTS, mean, points);
    }
    fields_free(f);
}

static size_t passed, failed;

/* Between 93 and 97 % of the intervals, if so many were asked for that this is not chance. */
static void report(const char *name, const tally *t)
{
    double share = (double)t->covered / (double)t->n;
    int right = share >= 0.93 && share <= 0.97;
    printf("%-36s %6lu intervals, %5.1f %% hold the truth%s\n", name, (unsigned long)t->n, 100 * share,
           right ? "" : "   (93 to 97 % expected)");
    *(right ? &passed : &failed) += 1;
}

int main(int argc, char **argv)
{
    uint64_t distributions = argc > 1 ? (uint64_t)strtoul(argv[1], NULL, 10) : 1000;
    tally mean = {0, 0}, points = {0, 0}, image_mean = {0, 0}, image_points = {0, 0};
    must_program = "error-bars";
    if (distributions < 1000) fail("at least 1000 distributions expected, or chance decides");
    mixtures(0, distributions, &mean, &points);
    images((size_t)distributions, &image_mean, &image_points);
    report("mixtures, the mean of 50 points", &mean);
    report("mixtures, single points", &points);
    report("images of 8 x 8 x 3, the mean of 12", &image_mean);
    report("images of 8 x 8 x 3, single images", &image_points);
    printf("%lu passed, %lu failed\n", (unsigned long)passed, (unsigned long)failed);
    return failed > 0;
}
