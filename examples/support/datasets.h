/* datasets.h: five distributions in the plane whose true density is known.
 *
 * Each set is a mixture of equally likely components: pick one, draw around it.
 *
 *   set     components   around a component
 *   dino    142          a point of the Datasaurus + N(0, 0.15^2) per coordinate
 *   moons   8000         a point on one of two half circles + N(0, 0.03^2) per coordinate
 *   scg     1            a strongly correlated Gaussian, rho = -0.495/0.505
 *   line    1            uniform on a rectangle, twice as high as wide
 *   circle  25           a spot of radius 0.03 with uniform radius and direction; 17 distinct centres
 *
 * All but scg are then standardized: x -> (x - mean) / std per coordinate, with the (biased) moments of
 * the first 8,000 points that the seed gives. New points are moved by the same constants, so old and new
 * share one distribution, whose density dataset_true_nll knows in closed form.
 *
 * Units, throughout: "raw" is before the standardization, everything the caller sees is after it. */
#ifndef DATASETS_H
#define DATASETS_H

#include "../../itdiff.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATASET_NAMES "dino|moons|scg|line|circle"
#define DATASET_PI 3.14159265358979323846

/* Points are stored as floats, whose rounding may carry one over the edge of a bounded support, by at most
 * 1e-7 in the raw units of line and circle. Within this distance the edge counts as inside. */
#define DATASET_EDGE 5e-7

/* Streams of random numbers are named so that no other part of a program with the same seed shares them: the
 * letters "data" and "part" above the number of the draw. */
#define DATASET_STREAM_POINTS ((uint64_t)0x64617461 << 32)
#define DATASET_STREAM_SPLIT ((uint64_t)0x70617274 << 32)

enum { dataset_default_count = 8000, dino_count = 142, moons_arc_count = 4000, circle_side = 5 };

typedef struct dataset_distribution {
    const char *name;
    size_t components;
    int standardized;
    int each_once; /* the default sample visits every component once instead of drawing them */
    void (*draw)(itd_rng *rng, size_t component, double raw[2]);
    double (*log_density)(const double raw[2]);
} dataset_distribution;

typedef struct dataset {
    const dataset_distribution *distribution;
    uint64_t seed;
    double mean[2], std[2]; /* raw = mean + std * standardized */
} dataset;

/* ---- dino ---------------------------------------------------------------------------------------------- */

/* Alberto Cairo's Datasaurus (2016), as used by Matejka and Fitzmaurice, "Same Stats, Different Graphs",
 * CHI 2017. The same numbers are in data/dino.csv; they are repeated here so that a program runs from any
 * directory. */
static inline const double *dino_point(size_t k)
{
    static const double points[dino_count][2] = {
        {55.38, 97.18}, {51.54, 96.03}, {46.15, 94.49}, {42.82, 91.41}, {40.77, 88.33}, {38.72, 84.87},
        {35.64, 79.87}, {33.08, 77.56}, {28.97, 74.49}, {26.15, 71.41}, {23.08, 66.41}, {22.31, 61.79},
        {22.31, 57.18}, {23.33, 52.95}, {25.90, 51.03}, {29.49, 51.03}, {32.82, 51.03}, {35.38, 51.41},
        {40.26, 51.41}, {44.10, 52.95}, {46.67, 54.10}, {50.00, 55.26}, {53.08, 55.64}, {56.67, 56.03},
        {59.23, 57.95}, {61.28, 62.18}, {61.54, 66.41}, {61.79, 69.10}, {57.44, 55.26}, {54.87, 49.87},
        {52.56, 46.03}, {48.21, 38.33}, {49.49, 42.18}, {51.03, 44.10}, {45.38, 36.41}, {42.82, 32.56},
        {38.72, 31.41}, {35.13, 30.26}, {32.56, 32.18}, {30.00, 36.79}, {33.59, 41.41}, {36.67, 45.64},
        {38.21, 49.10}, {29.74, 36.03}, {29.74, 32.18}, {30.00, 29.10}, {32.05, 26.79}, {35.90, 25.26},
        {41.03, 25.26}, {44.10, 25.64}, {47.18, 28.72}, {49.49, 31.41}, {51.54, 34.87}, {53.59, 37.56},
        {55.13, 40.64}, {56.67, 42.18}, {59.23, 44.49}, {62.31, 46.03}, {64.87, 46.79}, {67.95, 47.95},
        {70.51, 53.72}, {71.54, 60.64}, {71.54, 64.49}, {69.49, 69.49}, {46.92, 79.87}, {48.21, 84.10},
        {50.00, 85.26}, {53.08, 85.26}, {55.38, 86.03}, {56.67, 86.03}, {56.15, 82.95}, {53.85, 80.64},
        {51.28, 78.72}, {50.00, 78.72}, {47.95, 77.56}, {29.74, 59.87}, {29.74, 62.18}, {31.28, 62.56},
        {57.95, 99.49}, {61.79, 99.10}, {64.87, 97.56}, {68.46, 94.10}, {70.77, 91.03}, {72.05, 86.41},
        {73.85, 83.33}, {75.13, 79.10}, {76.67, 75.26}, {77.69, 71.41}, {79.74, 66.79}, {81.79, 60.26},
        {83.33, 55.26}, {85.13, 51.41}, {86.41, 47.56}, {87.95, 46.03}, {89.49, 42.56}, {93.33, 39.87},
        {95.38, 36.79}, {98.21, 33.72}, {56.67, 40.64}, {59.23, 38.33}, {60.77, 33.72}, {63.08, 29.10},
        {64.10, 25.26}, {64.36, 24.10}, {74.36, 22.95}, {71.28, 22.95}, {67.95, 22.18}, {65.90, 20.26},
        {63.08, 19.10}, {61.28, 19.10}, {58.72, 18.33}, {55.13, 18.33}, {52.31, 18.33}, {49.74, 17.56},
        {47.44, 16.03}, {44.87, 13.72}, {48.72, 14.87}, {51.28, 14.87}, {54.10, 14.87}, {56.15, 14.10},
        {52.05, 12.56}, {48.72, 11.03}, {47.18, 9.87},  {46.15, 6.03},  {50.51, 9.49},  {53.85, 10.26},
        {57.44, 10.26}, {60.00, 10.64}, {64.10, 10.64}, {66.92, 10.64}, {71.28, 10.64}, {74.36, 10.64},
        {78.21, 10.64}, {67.95, 8.72},  {68.46, 5.26},  {68.21, 2.95},  {37.69, 25.77}, {39.49, 25.38},
        {91.28, 41.54}, {50.00, 95.77}, {47.95, 95.00}, {44.10, 92.69},
    };
    return points[k];
}

static const double dino_sigma = 0.15;

/* The drawing is about 108 wide and 96 high; this brings it to [-4, 4]. */
static inline void dino_draw(itd_rng *rng, size_t component, double raw[2])
{
    const double *point = dino_point(component);
    raw[0] = 4 * ((point[0] + dino_sigma * itd_rng_normal(rng)) / 54 - 1);
    raw[1] = 4 * ((point[1] + dino_sigma * itd_rng_normal(rng)) / 48 - 1);
}

/* log (1/142) sum_k N(u; point_k, sigma^2 I) |du/dx|, with u in the units of the drawing. The nearest
 * point is taken out of the sum, so that nothing underflows; terms below e^-40 of it would not change a
 * digit. */
static inline double dino_log_density(const double raw[2])
{
    double u = 54 * (raw[0] / 4 + 1), v = 48 * (raw[1] / 4 + 1);
    double variance = dino_sigma * dino_sigma, normalizer = dino_count * 2 * DATASET_PI * variance;
    double half_distance[dino_count], nearest = HUGE_VAL, sum = 0;
    for (size_t k = 0; k < dino_count; k++) {
        double du = u - dino_point(k)[0], dv = v - dino_point(k)[1];
        half_distance[k] = (du * du + dv * dv) / (2 * variance);
        if (half_distance[k] < nearest) nearest = half_distance[k];
    }
    for (size_t k = 0; k < dino_count; k++)
        if (half_distance[k] < nearest + 40) sum += exp(nearest - half_distance[k]);
    return log(sum / normalizer) - nearest + log((54.0 / 4) * (48.0 / 4));
}

/* ---- moons --------------------------------------------------------------------------------------------- */

static const double moons_sigma = 0.03;

/* Angles are evenly spaced and include both ends of the half circle. */
static inline double moons_turn(void) { return DATASET_PI / (moons_arc_count - 1); }

/* Components 0..3999 lie on the upper arc (cos t, sin t), the others on the lower (1 - cos t, 1/2 - sin
 * t). */
static inline void moons_draw(itd_rng *rng, size_t component, double raw[2])
{
    int lower = component >= moons_arc_count;
    double t = moons_turn() * (double)(component % moons_arc_count);
    double x = (lower ? 1 - cos(t) : cos(t)) + moons_sigma * itd_rng_normal(rng);
    double y = (lower ? 0.5 - sin(t) : sin(t)) + moons_sigma * itd_rng_normal(rng);
    raw[0] = 2 * (x + 0.3) - 1;
    raw[1] = 3 * (y + 0.3) - 1;
}

/* Sum of exp(rho (cos(t - phi) - best) / sigma^2) over `count` arc points, the first at `angle` = t - phi,
 * the others one `turn` further each. The terms must fall along the way: it ends at the first one not
 * worth adding. The cosine is carried along by rotation, so that a term costs one exp. */
static inline double moons_walk(double rho, double angle, double turn, size_t count, double best)
{
    double c = cos(angle), s = sin(angle), cos_turn = cos(turn), sin_turn = sin(turn), sum = 0;
    double steepness = rho / (moons_sigma * moons_sigma);
    for (size_t i = 0; i < count; i++) {
        double exponent = steepness * (c - best), next = c * cos_turn - s * sin_turn;
        if (exponent < -36) break;
        sum += exp(exponent);
        s = s * cos_turn + c * sin_turn;
        c = next;
    }
    return sum;
}

/* log sum_t exp(-|(x, y) - (cos t, sin t)|^2 / 2 sigma^2) over the upper arc. In polar coordinates the
 * squared distance is (rho - 1)^2 + 2 rho (1 - cos(t - phi)): only the last cosine depends on t. Above the
 * diameter it falls to both sides of t = phi; below, it falls from both ends of the arc towards t = phi +
 * pi. */
static inline double moons_log_arc(double x, double y)
{
    double rho = hypot(x, y), phi = atan2(y, x), turn = moons_turn(), variance = moons_sigma * moons_sigma;
    double best, sum;
    if (phi >= 0) {
        size_t k = (size_t)floor(phi / turn + 0.5);
        double angle = turn * (double)k - phi;
        best = cos(angle);
        sum = moons_walk(rho, angle, turn, moons_arc_count - k, best) +
              moons_walk(rho, angle - turn, -turn, k, best);
    } else {
        size_t k = (size_t)floor((phi + DATASET_PI) / turn + 0.5);
        best = fabs(x) / rho;
        sum = moons_walk(rho, -phi, turn, k, best) +
              moons_walk(rho, DATASET_PI - phi, -turn, moons_arc_count - k, best);
    }
    return log(sum) - ((rho - 1) * (rho - 1) / 2 + rho * (1 - best)) / variance;
}

/* The lower arc is the upper one turned by half a circle about (1/2, 1/4). */
static inline double moons_log_density(const double raw[2])
{
    double x = (raw[0] + 1) / 2 - 0.3, y = (raw[1] + 1) / 3 - 0.3;
    double upper = moons_log_arc(x, y), lower = moons_log_arc(1 - x, 0.5 - y);
    double sum = fmax(upper, lower) + log1p(exp(-fabs(upper - lower)));
    double normalizer = 2 * moons_arc_count * 2 * DATASET_PI * moons_sigma * moons_sigma;
    return sum - log(normalizer) - log(2.0 * 3.0);
}

/* ---- scg ----------------------------------------------------------------------------------------------- */

static const double scg_rho = -0.495 / 0.505;

static inline void scg_draw(itd_rng *rng, size_t component, double raw[2])
{
    (void)component;
    raw[0] = itd_rng_normal(rng);
    raw[1] = scg_rho * raw[0] + sqrt(1 - scg_rho * scg_rho) * itd_rng_normal(rng);
}

static inline double scg_log_density(const double raw[2])
{
    double determinant = 1 - scg_rho * scg_rho;
    double quadratic = raw[0] * raw[0] - 2 * scg_rho * raw[0] * raw[1] + raw[1] * raw[1];
    return -log(2 * DATASET_PI) - log(determinant) / 2 - quadratic / (2 * determinant);
}

/* ---- line ---------------------------------------------------------------------------------------------- */

static inline void line_draw(itd_rng *rng, size_t component, double raw[2])
{
    (void)component;
    raw[0] = itd_rng_uniform(rng) - 0.5;
    raw[1] = 2 * itd_rng_uniform(rng) - 1;
}

static inline double line_log_density(const double raw[2])
{
    int inside = fabs(raw[0]) <= 0.5 + DATASET_EDGE && fabs(raw[1]) <= 1 + DATASET_EDGE;
    return inside ? -log(2.0) : -HUGE_VAL;
}

/* ---- circle -------------------------------------------------------------------------------------------- */

static const double circle_radius = 0.03;

/* The centres are the 25 nodes of the grid {-0.4, -0.2, 0, 0.2, 0.4}^2, each pushed out to the unit
 * circle. Nodes in the same direction fall together (to 1e-9): the axes and diagonals count twice, the
 * origin stays. */
static inline void circle_centre(size_t component, double centre[2])
{
    double x = 0.2 * ((double)(component % circle_side) - 2);
    double y = 0.2 * ((double)(component / circle_side) - 2);
    double norm = hypot(x, y) + 1e-10;
    centre[0] = x / norm;
    centre[1] = y / norm;
}

static inline void circle_draw(itd_rng *rng, size_t component, double raw[2])
{
    double r = circle_radius * itd_rng_uniform(rng), theta = 2 * DATASET_PI * itd_rng_uniform(rng);
    circle_centre(component, raw);
    raw[0] += r * cos(theta);
    raw[1] += r * sin(theta);
}

/* A uniform radius gives 1 / (2 pi rho R) at distance rho < R of a centre. It is infinite at the centre
 * itself, where a float cannot tell rho from 0: distances below the edge's width count as that width. */
static inline double circle_log_density(const double raw[2])
{
    double sum = 0, normalizer = circle_side * circle_side * 2 * DATASET_PI * circle_radius;
    for (size_t k = 0; k < circle_side * circle_side; k++) {
        double centre[2], rho;
        circle_centre(k, centre);
        rho = hypot(raw[0] - centre[0], raw[1] - centre[1]);
        if (rho <= circle_radius + DATASET_EDGE) sum += 1 / (normalizer * fmax(rho, DATASET_EDGE));
    }
    return sum > 0 ? log(sum) : -HUGE_VAL;
}

/* ---- sampling ------------------------------------------------------------------------------------------ */

static inline const dataset_distribution *dataset_find(const char *name)
{
    static const dataset_distribution distributions[] = {
        {"dino", dino_count, 1, 0, dino_draw, dino_log_density},
        {"moons", 2 * moons_arc_count, 1, 1, moons_draw, moons_log_density},
        {"scg", 1, 0, 0, scg_draw, scg_log_density},
        {"line", 1, 1, 0, line_draw, line_log_density},
        {"circle", circle_side * circle_side, 1, 0, circle_draw, circle_log_density},
    };
    for (size_t i = 0; i < sizeof distributions / sizeof *distributions; i++)
        if (strcmp(distributions[i].name, name) == 0) return &distributions[i];
    return NULL;
}

/* An endless sequence of raw points. Number 0 of a seed is the default sample, every other number a fresh
 * draw from the same distribution. Moons, in the default sample, places one point on each of its 8,000 arc
 * positions, in random order so that the first n points of any sequence are a fair sample of n; after that
 * it draws positions too. */
typedef struct dataset_source {
    const dataset_distribution *distribution;
    itd_rng rng;
    size_t next, visits;
    size_t visit[dataset_default_count];
} dataset_source;

static inline void dataset_source_open(const dataset_distribution *distribution, uint64_t seed,
                                       uint64_t fresh, dataset_source *source)
{
    source->distribution = distribution;
    source->rng = itd_rng_make(seed, DATASET_STREAM_POINTS + fresh);
    source->next = 0;
    source->visits = distribution->each_once && fresh == 0 ? distribution->components : 0;
    for (size_t i = 0; i < source->visits; i++) source->visit[i] = i;
    if (source->visits) itd_rng_shuffle(&source->rng, source->visits, source->visit);
}

static inline void dataset_source_next(dataset_source *source, double raw[2])
{
    size_t component = source->next < source->visits
                           ? source->visit[source->next]
                           : (size_t)itd_rng_below(&source->rng, source->distribution->components);
    source->next++;
    source->distribution->draw(&source->rng, component, raw);
}

/* Opens a set by name: finds its distribution and, from its default sample, the constants of its
 * standardization. */
static inline int dataset_open(const char *name, uint64_t seed, dataset *set, char *error, size_t error_size)
{
    const dataset_distribution *distribution = dataset_find(name);
    dataset_source source;
    double sum[2] = {0, 0}, squares[2] = {0, 0}, raw[2];
    if (!distribution) {
        snprintf(error, error_size, "data set: expected one of %s, found \"%.40s\"", DATASET_NAMES, name);
        return -1;
    }
    dataset_source_open(distribution, seed, 0, &source);
    for (size_t i = 0; distribution->standardized && i < dataset_default_count; i++) {
        dataset_source_next(&source, raw);
        for (int c = 0; c < 2; c++) sum[c] += raw[c], squares[c] += raw[c] * raw[c];
    }
    set->distribution = distribution;
    set->seed = seed;
    for (int c = 0; c < 2; c++) {
        double mean = sum[c] / dataset_default_count, square = squares[c] / dataset_default_count;
        set->mean[c] = mean;
        set->std[c] = distribution->standardized ? sqrt(square - mean * mean) : 1;
    }
    return 0;
}

/* Fills x with the first n points of a sequence: fresh = 0 is the default sample, 1, 2, 3, ... are new ones,
 * independent of it and of each other. Costs about as much as drawing the random numbers. */
static inline void dataset_sample(const dataset *set, uint64_t fresh, size_t n, float *x /* (n, 2) */)
{
    dataset_source source;
    dataset_source_open(set->distribution, set->seed, fresh, &source);
    for (size_t i = 0; i < n; i++) {
        double raw[2];
        dataset_source_next(&source, raw);
        for (int c = 0; c < 2; c++) x[2 * i + (size_t)c] = (float)((raw[c] - set->mean[c]) / set->std[c]);
    }
}

/* -log p(x, y) in nats of a standardized point; INFINITY where the density is zero. The standardization
 * divides lengths by std, hence multiplies the density by std_x std_y. */
static inline double dataset_true_nll(const dataset *set, double x, double y)
{
    double raw[2];
    if (isnan(x) || isnan(y)) return NAN;
    if (isinf(x) || isinf(y)) return INFINITY;
    raw[0] = set->mean[0] + set->std[0] * x;
    raw[1] = set->mean[1] + set->std[1] * y;
    return -set->distribution->log_density(raw) - log(set->std[0] * set->std[1]);
}

/* Mean of the true -log p over n points, and the standard error of that mean (NULL if not wanted), in one
 * pass: Welford's recurrence for the sum of squared deviations. */
static inline double dataset_mean_true_nll(const dataset *set, size_t n, const float *x /* (n, 2) */,
                                           double *standard_error)
{
    double mean = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        double deviation = dataset_true_nll(set, (double)x[2 * i], (double)x[2 * i + 1]) - mean;
        mean += deviation / (double)(i + 1);
        squares += deviation * deviation * ((double)i / (double)(i + 1));
    }
    if (standard_error) *standard_error = sqrt(squares) / (double)n;
    return mean;
}

/* ---- training and validation --------------------------------------------------------------------------- */

/* Orders the rows 0..n-1 at random, into index; the first 90 % are for training, the rest for validation (at
 * least one of two or more). Returns the number of training rows. */
static inline size_t dataset_split(size_t n, uint64_t seed, size_t *index /* (n) */)
{
    itd_rng rng = itd_rng_make(seed, DATASET_STREAM_SPLIT);
    size_t validation = n / 10;
    if (validation == 0 && n > 1) validation = 1;
    for (size_t i = 0; i < n; i++) index[i] = i;
    itd_rng_shuffle(&rng, n, index);
    return n - validation;
}

/* Copies the listed rows of x, in their order, to the rows of `out`. */
static inline void dataset_gather(const float *x, size_t dim, size_t n, const size_t *index /* (n) */,
                                  float *out /* (n, dim) */)
{
    for (size_t i = 0; i < n; i++) memcpy(out + i * dim, x + index[i] * dim, dim * sizeof *out);
}

#endif
