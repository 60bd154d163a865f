/* The five sets of the plane: the points that are drawn, the density they are drawn from, and whether the two
 * belong together. */
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "../examples/support/datasets.h"
#include "../examples/support/table.h"
#include "test.h"

enum { n_points = 8000, n_sets = 5 };

/* Entropies of the standardized distributions. scg, line and circle in closed form; moons and dino by
 * integration, +-0.002. */
static const struct {
    const char *name;
    double entropy, error;
} sets[n_sets] = {
    {"dino", -2.104, 0.002},  {"moons", 0.614, 0.002},   {"scg", 1.2185, 0.0001},
    {"line", 2.4849, 0.0001}, {"circle", -2.666, 0.001},
};

static float points[2 * n_points], others[2 * n_points];

static dataset opened(const char *name, uint64_t seed)
{
    char error[200] = "";
    dataset set;
    memset(&set, 0, sizeof set);
    if (!CHECK(dataset_open(name, seed, &set, error, sizeof error) == 0)) exit(1);
    return set;
}

/* Moments of one coordinate: mean, standard deviation (biased). */
static void moments(const float *x, size_t n, size_t c, double *mean, double *std)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[2 * i + c];
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) squares += ((double)x[2 * i + c] - *mean) * ((double)x[2 * i + c] - *mean);
    *std = sqrt(squares / (double)n);
}

/* The default sample is standardized to the rounding of floats. Fresh ones, and scg, only up to the
 * sampling error: four of it, where 1/sqrt(n) bounds that of the mean, and also that of the standard
 * deviation (whose variance is (kurtosis - 1) / 4n, with a kurtosis of at most 3 here). The default sample
 * has an error of its own: sqrt(2). */
static void test_moments(void)
{
    for (int k = 0; k < n_sets; k++) {
        dataset set = opened(sets[k].name, 7);
        double exact = set.distribution->standardized ? 1e-6 : 4 / sqrt(n_points);
        double sampled = 4 * sqrt(2.0 / n_points);
        dataset_sample(&set, 0, n_points, points);
        dataset_sample(&set, 3, n_points, others);
        for (size_t c = 0; c < 2; c++) {
            double mean, std;
            moments(points, n_points, c, &mean, &std);
            CHECK_CLOSE(mean, 0, exact);
            CHECK_CLOSE(std, 1, exact);
            moments(others, n_points, c, &mean, &std);
            CHECK_CLOSE(mean, 0, sampled);
            CHECK_CLOSE(std, 1, sampled);
        }
    }
}

static void test_scg_correlation(void)
{
    dataset set = opened("scg", 5);
    double product = 0;
    CHECK(set.mean[0] == 0 && set.mean[1] == 0 && set.std[0] == 1 && set.std[1] == 1);
    dataset_sample(&set, 0, n_points, points);
    for (size_t i = 0; i < n_points; i++) product += (double)points[2 * i] * (double)points[2 * i + 1];
    CHECK_CLOSE(product / n_points, -0.495 / 0.505, 4 * sqrt(2.0 / n_points));
}

/* The same seed gives the same points, a shorter sample is the beginning of a longer one, and another seed or
 * another draw shares no point with it. */
static void test_seeds(void)
{
    for (int k = 0; k < n_sets; k++) {
        dataset set = opened(sets[k].name, 1), same = opened(sets[k].name, 1),
                other = opened(sets[k].name, 2);
        size_t equal = 0;
        dataset_sample(&set, 0, n_points, points);
        dataset_sample(&same, 0, n_points, others);
        CHECK(memcmp(points, others, sizeof points) == 0);
        dataset_sample(&set, 0, 100, others);
        CHECK(memcmp(points, others, 200 * sizeof *points) == 0);
        dataset_sample(&other, 0, n_points, others);
        for (size_t i = 0; i < n_points; i++) equal += points[2 * i] == others[2 * i];
        dataset_sample(&set, 1, n_points, others);
        for (size_t i = 0; i < n_points; i++) equal += points[2 * i] == others[2 * i];
        dataset_sample(&set, 2, n_points, points);
        for (size_t i = 0; i < n_points; i++) equal += points[2 * i] == others[2 * i];
        CHECK(equal < 20);
    }
}

static void test_unknown_name(void)
{
    char error[200] = "";
    dataset set;
    CHECK(dataset_open("cat", 1, &set, error, sizeof error) != 0);
    CHECK(strstr(error, "expected one of dino|moons|scg|line|circle") && strstr(error, "found \"cat\""));
}

static void test_split(void)
{
    static size_t index[n_points], again[n_points];
    static unsigned char seen[n_points];
    size_t fixed = 0, large = 0;
    float rows[4] = {1, 2, 3, 4}, swapped[4];
    size_t order[2] = {1, 0};
    CHECK(dataset_split(n_points, 3, index) == 7200);
    for (size_t i = 0; i < n_points; i++) {
        if (index[i] < n_points) seen[index[i]]++;
        fixed += index[i] == i;
        large += i >= 7200 && index[i] >= 7200;
    }
    for (size_t i = 0; i < n_points; i++) CHECK(seen[i] == 1);
    CHECK(fixed < 10 && large > 40 && large < 120); /* 80 expected, standard deviation 8 */
    CHECK(dataset_split(n_points, 3, again) == 7200 && memcmp(index, again, sizeof index) == 0);
    CHECK(dataset_split(n_points, 4, again) == 7200 && memcmp(index, again, sizeof index) != 0);
    CHECK(dataset_split(0, 3, index) == 0 && dataset_split(1, 3, index) == 1 &&
          dataset_split(2, 3, index) == 1);
    CHECK(dataset_split(19, 3, index) == 18 && dataset_split(20, 3, index) == 18);
    dataset_gather(rows, 2, 2, order, swapped);
    CHECK(swapped[0] == 3 && swapped[1] == 4 && swapped[2] == 1 && swapped[3] == 2);
}

/* Mean true NLL against the entropy. Without the seed's own constants (which shift it by log std) the mean
 * over points has their standard error; with them, the shift is added, at most 0.5 (kurtosis - 1)^(1/2)
 * n^(-1/2) per coordinate. Averages over seeds are held to a fraction of that. */
static void test_entropy(void)
{
    enum { n_seeds = 6 };
    for (int k = 0; k < n_sets; k++) {
        double mean[2] = {0, 0}, error = 0, shift = 0.01;
        for (uint64_t seed = 0; seed < n_seeds; seed++) {
            dataset set = opened(sets[k].name, seed);
            for (uint64_t fresh = 0; fresh < 2; fresh++) {
                double nll;
                dataset_sample(&set, fresh, n_points, points);
                nll = dataset_mean_true_nll(&set, n_points, points, &error);
                CHECK_CLOSE(nll, sets[k].entropy, 4 * hypot(error, shift) + sets[k].error);
                mean[fresh] += nll / n_seeds;
            }
        }
        CHECK_CLOSE(mean[0], sets[k].entropy, 4 * hypot(error, shift) / sqrt(n_seeds) + sets[k].error);
        CHECK_CLOSE(mean[1], sets[k].entropy, 4 * hypot(error, shift) / sqrt(n_seeds) + sets[k].error);
    }
}

/* Stored points lie on the support: floats at its border must not fall off. */
static void test_border(void)
{
    static const char *const names[] = {"line", "circle"};
    for (int k = 0; k < 2; k++) {
        dataset set = opened(names[k], 11);
        for (uint64_t fresh = 0; fresh < 25; fresh++) {
            size_t infinite = 0;
            dataset_sample(&set, fresh, n_points, points);
            for (size_t i = 0; i < n_points; i++)
                infinite += !(fabs(dataset_true_nll(&set, (double)points[2 * i], (double)points[2 * i + 1])) <
                              50);
            CHECK(infinite == 0);
        }
        CHECK(isinf(dataset_true_nll(&set, 3, 3)) && dataset_true_nll(&set, 3, 3) > 0);
    }
}

/* The corners of the line's rectangle and the rims of the circle's spots are where rounding to floats
 * hurts. */
static void test_border_points(void)
{
    dataset line = opened("line", 1), circle = opened("circle", 1);
    for (int k = 0; k < 4; k++) {
        float x = (float)(((k & 1 ? 0.5 : -0.5) - line.mean[0]) / line.std[0]);
        float y = (float)(((k & 2 ? 1.0 : -1.0) - line.mean[1]) / line.std[1]);
        CHECK(isfinite(dataset_true_nll(&line, (double)x, (double)y)));
        CHECK(isinf(dataset_true_nll(&line, (double)x * 1.00001, (double)y * 1.00001)));
    }
    for (size_t k = 0; k < circle_side * circle_side; k++) {
        double centre[2];
        int finite = 0;
        circle_centre(k, centre);
        for (int turn = 0; turn < 1000; turn++) {
            double theta = 2 * DATASET_PI * turn / 1000;
            float x = (float)((centre[0] + circle_radius * cos(theta) - circle.mean[0]) / circle.std[0]);
            float y = (float)((centre[1] + circle_radius * sin(theta) - circle.mean[1]) / circle.std[1]);
            finite += isfinite(dataset_true_nll(&circle, (double)x, (double)y)) != 0;
        }
        CHECK(finite == 1000);
        CHECK(
            isfinite(dataset_true_nll(&circle, (double)(float)((centre[0] - circle.mean[0]) / circle.std[0]),
                                      (double)(float)((centre[1] - circle.mean[1]) / circle.std[1]))));
    }
}

/* Integral of the density over the standardized plane by the midpoint rule on a box. Steps as wide as the
 * narrowest Gaussian leave a relative error of 2 exp(-2 pi^2), a few 1e-9. */
static double integral(const dataset *set, const double low[2], const double high[2], const double step[2])
{
    size_t nx = (size_t)ceil((high[0] - low[0]) / step[0]), ny = (size_t)ceil((high[1] - low[1]) / step[1]);
    double dx = (high[0] - low[0]) / (double)nx, dy = (high[1] - low[1]) / (double)ny, sum = 0;
    for (size_t i = 0; i < nx; i++)
        for (size_t j = 0; j < ny; j++)
            sum += exp(
                -dataset_true_nll(set, low[0] + dx * ((double)i + 0.5), low[1] + dy * ((double)j + 0.5)));
    return sum * dx * dy;
}

/* A box in raw units, widened by a margin, in standardized ones. */
static void box(const dataset *set, const double raw_low[2], const double raw_high[2], double low[2],
                double high[2])
{
    for (int c = 0; c < 2; c++) {
        low[c] = (raw_low[c] - set->mean[c]) / set->std[c];
        high[c] = (raw_high[c] - set->mean[c]) / set->std[c];
    }
}

static void test_integral_scg(void)
{
    dataset set = opened("scg", 1);
    double low[2] = {-7, -7}, high[2] = {7, 7}, step[2] = {0.07, 0.07};
    CHECK_CLOSE(integral(&set, low, high, step), 1, 1e-6);
}

static void test_integral_line(void)
{
    dataset set = opened("line", 1);
    double raw_low[2] = {-0.5, -1}, raw_high[2] = {0.5, 1}, low[2], high[2], step[2] = {0.1, 0.1};
    box(&set, raw_low, raw_high, low, high);
    CHECK_CLOSE(integral(&set, low, high, step), 1, 1e-12);
}

static void test_integral_moons(void)
{
    dataset set = opened("moons", 1);
    double raw_low[2] = {-3, -2.5}, raw_high[2] = {4, 4}, low[2], high[2], step[2];
    box(&set, raw_low, raw_high, low, high);
    step[0] = 2 * moons_sigma / set.std[0];
    step[1] = 3 * moons_sigma / set.std[1];
    CHECK_CLOSE(integral(&set, low, high, step), 1, 1e-6);
}

static void test_integral_dino(void)
{
    dataset set = opened("dino", 1);
    double raw_low[2] = {-2.5, -4}, raw_high[2] = {3.5, 4.5}, low[2], high[2], step[2];
    box(&set, raw_low, raw_high, low, high);
    step[0] = dino_sigma * 4 / 54 / set.std[0];
    step[1] = dino_sigma * 4 / 48 / set.std[1];
    CHECK_CLOSE(integral(&set, low, high, step), 1, 1e-6);
}

/* Spots of circle, each on its own polar grid, where density times rho is constant: 17 distinct centres,
 * with weights 2/25 (axes and diagonals) and 1/25 (the origin and the eight oblique directions), and
 * nothing between. */
static void test_integral_circle(void)
{
    dataset set = opened("circle", 1);
    double centres[circle_side * circle_side][2], total = 0;
    size_t distinct = 0;
    for (size_t k = 0; k < circle_side * circle_side; k++) {
        double centre[2];
        size_t twin = 0;
        circle_centre(k, centre);
        while (twin < distinct && hypot(centre[0] - centres[twin][0], centre[1] - centres[twin][1]) > 1e-6)
            twin++;
        if (twin == distinct) memcpy(centres[distinct++], centre, sizeof centre);
    }
    CHECK(distinct == 17);
    for (size_t k = 0; k < distinct; k++) {
        enum { n_rho = 100, n_theta = 16 };
        double mass = 0, angle = atan2(centres[k][1], centres[k][0]) / (DATASET_PI / 4);
        int origin = hypot(centres[k][0], centres[k][1]) < 0.5;
        int oblique = !origin && fabs(angle - floor(angle + 0.5)) > 0.1;
        for (int i = 0; i < n_rho; i++)
            for (int j = 0; j < n_theta; j++) {
                double rho = 2 * circle_radius * (i + 0.5) / n_rho,
                       theta = 2 * DATASET_PI * (j + 0.5) / n_theta;
                double x = (centres[k][0] + rho * cos(theta) - set.mean[0]) / set.std[0];
                double y = (centres[k][1] + rho * sin(theta) - set.mean[1]) / set.std[1];
                mass += exp(-dataset_true_nll(&set, x, y)) * rho;
            }
        mass *= (2 * circle_radius / n_rho) * (2 * DATASET_PI / n_theta) / (set.std[0] * set.std[1]);
        CHECK_CLOSE(mass, origin || oblique ? 1.0 / 25 : 2.0 / 25, 1e-6);
        if (!origin) CHECK_CLOSE(hypot(centres[k][0], centres[k][1]), 1, 1e-8);
        total += mass;
    }
    CHECK_CLOSE(total, 1, 1e-6);
}

/* The points visit the centres of circle as often as their weights say: 25 cells, chi-squared with 16
 * degrees of freedom over the 17 centres (mean 16, standard deviation 5.7). */
static void test_circle_frequencies(void)
{
    dataset set = opened("circle", 3);
    size_t counts[17] = {0}; /* 0 is the origin, 1..16 the directions in steps of 22.5 degrees or so */
    double chi_squared = 0;
    dataset_sample(&set, 0, n_points, points);
    for (size_t i = 0; i < n_points; i++) {
        double x = set.mean[0] + set.std[0] * (double)points[2 * i];
        double y = set.mean[1] + set.std[1] * (double)points[2 * i + 1];
        int direction = (int)floor(atan2(y, x) / (DATASET_PI / 8) + 16.5) % 16;
        counts[hypot(x, y) < 0.5 ? 0 : 1 + direction]++;
    }
    for (int k = 0; k < 17; k++) {
        double expected = (k > 0 && k % 2 == 1 ? 2.0 : 1.0) / 25 * n_points;
        chi_squared += ((double)counts[k] - expected) * ((double)counts[k] - expected) / expected;
    }
    CHECK(chi_squared < 45);
}

/* The pruned walk along the arcs against the plain sum over all 8,000 arc points: at the points of the
 * set, and at places where the geometry is delicate (the centres of the arcs, below their diameters, far
 * away). */
static double moons_plain(const dataset *set, double x, double y)
{
    double u = (set->mean[0] + set->std[0] * x + 1) / 2 - 0.3,
           v = (set->mean[1] + set->std[1] * y + 1) / 3 - 0.3;
    double nearest = HUGE_VAL, sum = 0, variance = moons_sigma * moons_sigma;
    static double half[2 * moons_arc_count];
    for (int k = 0; k < moons_arc_count; k++) {
        double t = DATASET_PI * k / (moons_arc_count - 1), c = cos(t), s = sin(t);
        half[2 * k] = ((u - c) * (u - c) + (v - s) * (v - s)) / (2 * variance);
        half[2 * k + 1] = ((u - 1 + c) * (u - 1 + c) + (v - 0.5 + s) * (v - 0.5 + s)) / (2 * variance);
    }
    for (int k = 0; k < 2 * moons_arc_count; k++) nearest = fmin(nearest, half[k]);
    for (int k = 0; k < 2 * moons_arc_count; k++) sum += exp(nearest - half[k]);
    return nearest - log(sum / (8000 * 2 * DATASET_PI * variance)) + log(6) - log(set->std[0] * set->std[1]);
}

static void test_moons_pruning(void)
{
    static const double raw[][2] = {{0, 0},      {1, 0.5},      {0, 1e-9},    {0, -1e-9},  {1e-12, 0},
                                    {0.5, 0.25}, {0, -0.4},     {1e-4, -2},   {0, -2},     {1, 3},
                                    {1.0001, 3}, {-1, -1e-6},   {1, -1e-6},   {-1.3, 0.0}, {40, -30},
                                    {-8, 9},     {0.01, -0.02}, {-0.9, -0.3}, {0.9, -0.7}, {2.5, 0.5},
                                    {1.03, 0.5}, {0.5, -3}};
    dataset set = opened("moons", 4);
    dataset_sample(&set, 1, 300, points);
    for (size_t i = 0; i < 300; i++) {
        double x = (double)points[2 * i], y = (double)points[2 * i + 1], plain = moons_plain(&set, x, y);
        CHECK_CLOSE(dataset_true_nll(&set, x, y), plain, 1e-9);
    }
    for (size_t i = 0; i < sizeof raw / sizeof *raw; i++) {
        double x = (2 * (raw[i][0] + 0.3) - 1 - set.mean[0]) / set.std[0];
        double y = (3 * (raw[i][1] + 0.3) - 1 - set.mean[1]) / set.std[1];
        double plain = moons_plain(&set, x, y);
        CHECK_CLOSE(dataset_true_nll(&set, x, y), plain, 1e-9 * (1 + fabs(plain)));
    }
}

/* In the default sample of moons every arc position occurs once: without their noise, the mean of the
 * points would be the mean of the arc points exactly. A fresh sample draws positions, and misses it by
 * far more. */
static void test_moons_positions(void)
{
    double arc[2] = {0.5, 0.25}, noise[2] = {2 * 0.03, 3 * 0.03};
    for (uint64_t seed = 1; seed < 5; seed++) {
        dataset set = opened("moons", seed);
        CHECK_CLOSE(set.mean[0], 2 * (arc[0] + 0.3) - 1, 4 * noise[0] / sqrt(n_points));
        CHECK_CLOSE(set.mean[1], 3 * (arc[1] + 0.3) - 1, 4 * noise[1] / sqrt(n_points));
    }
}

/* Far away the density is small, but not zero where it is a mixture of Gaussians. What is no point has no
 * density. */
static void test_density_far_away(void)
{
    for (int k = 0; k < n_sets; k++) {
        dataset set = opened(sets[k].name, 1);
        int bounded = strcmp(sets[k].name, "line") == 0 || strcmp(sets[k].name, "circle") == 0;
        double far = dataset_true_nll(&set, 100, -100);
        CHECK(far > 1e3 && (isinf(far) != 0) == bounded);
        CHECK(isnan(dataset_true_nll(&set, NAN, 0)) && isnan(dataset_true_nll(&set, INFINITY, NAN)));
        CHECK(dataset_true_nll(&set, 0, -INFINITY) == INFINITY);
    }
}

static void test_dino_table_is_the_file(void)
{
    char error[TABLE_ERROR] = "";
    data_table t = {0};
    if (table_read("data/dino.csv", NULL, &t, error, sizeof error) != 0 &&
        table_read("../data/dino.csv", NULL, &t, error, sizeof error) != 0)
        printf("  %s\n", error);
    if (CHECK(t.rows == dino_count && t.columns == 2))
        for (size_t k = 0; k < t.rows; k++)
            CHECK(t.values[2 * k] == dino_point(k)[0] && t.values[2 * k + 1] == dino_point(k)[1]);
    table_free(&t);
}

int main(void)
{
    RUN(test_moments);
    RUN(test_scg_correlation);
    RUN(test_seeds);
    RUN(test_unknown_name);
    RUN(test_split);
    RUN(test_entropy);
    RUN(test_border);
    RUN(test_border_points);
    RUN(test_integral_scg);
    RUN(test_integral_line);
    RUN(test_integral_moons);
    RUN(test_integral_dino);
    RUN(test_integral_circle);
    RUN(test_circle_frequencies);
    RUN(test_moons_pruning);
    RUN(test_moons_positions);
    RUN(test_density_far_away);
    RUN(test_dino_table_is_the_file);
    return test_report();
}
