/* Tests of the random numbers: known answers, laws, independence, reproducibility. The bounds are 4.5
 * standard errors or the 1e-5 tail of the test statistic; the seeds are fixed, so a pass stays a pass. */
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"
#include "ref.h"
#include "each_simd.h"
#include "test.h"

enum { MANY = 1000000 };

static double uniforms[MANY], normals[MANY], filled[MANY];

static void draw_all(void)
{
    itd_rng u = itd_rng_make(11, 0), z = itd_rng_make(11, 1), f = itd_rng_make(11, 2);
    float *out = ref_floats(MANY);
    size_t i;
    for (i = 0; i < MANY; i++) uniforms[i] = itd_rng_uniform(&u);
    for (i = 0; i < MANY; i++) normals[i] = itd_rng_normal(&z);
    itd_rng_normal_fill(&f, MANY, out);
    for (i = 0; i < MANY; i++) filled[i] = out[i];
    free(out);
}

static double normal_cdf(double x) { return 0.5 * erfc(-x / sqrt(2.0)); }

/* Upper 1e-5 tail of chi-square with k degrees of freedom (Wilson & Hilferty). */
static double chi_square_bound(double k)
{
    double c = 1 - 2 / (9 * k) + 4.265 * sqrt(2 / (9 * k));
    return k * c * c * c;
}

static double chi_square(const size_t *count, size_t cells, size_t n)
{
    double expected = (double)n / (double)cells, sum = 0;
    size_t i;
    for (i = 0; i < cells; i++) sum += pow((double)count[i] - expected, 2) / expected;
    return sum;
}

static void philox_knows_the_published_answers(void)
{
    static const uint32_t counter[3][4] = {{0, 0, 0, 0},
                                           {0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu},
                                           {0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}};
    static const uint32_t key[3][2] = {{0, 0}, {0xffffffffu, 0xffffffffu}, {0xa4093822u, 0x299f31d0u}};
    static const uint32_t expected[3][4] = {{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u},
                                            {0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu},
                                            {0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}};
    size_t i, k;
    for (i = 0; i < 3; i++) {
        uint32_t out[4];
        itd_philox(counter[i], key[i], out);
        for (k = 0; k < 4; k++) CHECK(out[k] == expected[i][k]);
    }
}

static void philox_may_write_over_its_input(void)
{
    uint32_t block[4] = {0, 0, 0, 0};
    const uint32_t key[2] = {0, 0};
    itd_philox(block, key, block);
    CHECK(block[0] == 0x6627e8d5u && block[1] == 0xe169c58du);
    CHECK(block[2] == 0xbc57ac4cu && block[3] == 0x9b00dbd8u);
}

/* Computed once from the definition of the block (seed = key; counter = index, stream) in other software. */
static void first_numbers_are_fixed(void)
{
    static const uint64_t seed[2] = {1, 0x0123456789abcdefu}, stream[2] = {0, 0x0700000000000005u};
    static const double uniform[2][4] = {
        {0.8902591729757108, 0.671998268895343, 0.24740147231065207, 0.7576265113978982},
        {0.4059668942066868, 0.7980384479682767, 0.43513705532303687, 0.7664840014920267}};
    static const double normal[2][4] = {{-0.413897814653, -0.881163546790, -0.383741271858, 0.462654245164},
                                        {0.021053880749, -0.653258229445, 0.463223588030, 0.274583895636}};
    static const double fill[2][8] = {{0.380400734, -0.296277890, -0.249233424, -1.003837252, 0.626947853,
                                       -0.633983769, -0.678271590, -1.013080631},
                                      {0.957850142, -0.941005013, -0.705759455, -0.265751449, 0.663004596,
                                       -0.107804964, -0.937823191, 0.813781684}};
    size_t c, i;
    for (c = 0; c < 2; c++) {
        itd_rng u = itd_rng_make(seed[c], stream[c]), z = u, f = u;
        float out[8];
        for (i = 0; i < 4; i++) CHECK_CLOSE(itd_rng_uniform(&u), uniform[c][i], 1e-15);
        for (i = 0; i < 4; i++) CHECK_CLOSE(itd_rng_normal(&z), normal[c][i], 1e-11);
        itd_rng_normal_fill(&f, 8, out);
        for (i = 0; i < 8; i++) CHECK_CLOSE(out[i], fill[c][i], 1e-6);
    }
}

static void every_draw_is_one_count(void)
{
    itd_rng rng = itd_rng_make(3, 4);
    float out[9];
    CHECK(rng.counter == 0);
    itd_rng_uniform(&rng);
    CHECK(rng.counter == 1);
    itd_rng_normal(&rng);
    CHECK(rng.counter == 2);
    itd_rng_normal_fill(&rng, 8, out);
    CHECK(rng.counter == 4);
    itd_rng_normal_fill(&rng, 9, out);
    CHECK(rng.counter == 7);
    itd_rng_normal_fill(&rng, 0, out);
    CHECK(rng.counter == 7);
}

static void uniforms_have_the_moments_of_the_uniform_law(void)
{
    double sum[5] = {0};
    size_t i, k;
    for (i = 0; i < MANY; i++)
        for (k = 1; k <= 4; k++) sum[k] += pow(uniforms[i], (double)k) / MANY;
    /* E u^k = 1/(k+1), Var u^k = 1/(2k+1) - 1/(k+1)^2 */
    for (k = 1; k <= 4; k++) {
        double mean = 1 / ((double)k + 1), variance = 1 / (2 * (double)k + 1) - mean * mean;
        CHECK_CLOSE(sum[k], mean, 4.5 * sqrt(variance / MANY));
    }
}

static void uniforms_stay_inside_and_fill_the_interval(void)
{
    static size_t cell[1000];
    double low = 1, high = 0;
    size_t i;
    memset(cell, 0, sizeof cell);
    for (i = 0; i < MANY; i++) {
        low = fmin(low, uniforms[i]), high = fmax(high, uniforms[i]);
        if (uniforms[i] > 0 && uniforms[i] < 1) cell[(size_t)(uniforms[i] * 1000)]++;
    }
    CHECK(low > 0 && high < 1);
    CHECK(low < 2e-5 && high > 1 - 2e-5);
    CHECK(chi_square(cell, 1000, MANY) < chi_square_bound(999));
}

/* E z^k = 0, 1, 0, 3 with variances 1, 2, 15, 96. */
static void check_normal_moments(const double *z)
{
    static const double mean[5] = {0, 0, 1, 0, 3}, variance[5] = {0, 1, 2, 15, 96};
    double sum[5] = {0};
    size_t i, k;
    for (i = 0; i < MANY; i++) {
        double z2 = z[i] * z[i];
        sum[1] += z[i] / MANY, sum[2] += z2 / MANY, sum[3] += z2 * z[i] / MANY, sum[4] += z2 * z2 / MANY;
    }
    for (k = 1; k <= 4; k++) CHECK_CLOSE(sum[k], mean[k], 4.5 * sqrt(variance[k] / MANY));
}

static void normals_have_the_moments_of_the_normal_law(void)
{
    check_normal_moments(normals);
    check_normal_moments(filled);
}

static void check_tails(const double *z)
{
    static const double at[5] = {1, 2, 3, 4, 4.5};
    size_t i, k;
    for (k = 0; k < 5; k++) {
        double p = normal_cdf(-at[k]), above = 0, below = 0;
        for (i = 0; i < MANY; i++) above += z[i] > at[k], below += z[i] < -at[k];
        CHECK_CLOSE(above / MANY, p, 4.5 * sqrt(p / MANY));
        CHECK_CLOSE(below / MANY, p, 4.5 * sqrt(p / MANY));
    }
}

static void normals_have_the_tails_of_the_normal_law(void)
{
    check_tails(normals);
    check_tails(filled);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Largest distance between the law and the step function of a sorted sample, times sqrt(n); above 2.47 with
 * probability 1e-5. Every 10th point of the sample serves as one. */
static double kolmogorov(const double *z)
{
    enum { PART = MANY / 10 };
    double *part = ref_doubles(PART), worst = 0;
    size_t i;
    for (i = 0; i < PART; i++) part[i] = z[10 * i + i % 4];
    qsort(part, PART, sizeof *part, ascending);
    for (i = 0; i < PART; i++) {
        double p = normal_cdf(part[i]);
        worst = fmax(worst, fmax(p - (double)i / PART, (double)(i + 1) / PART - p));
    }
    free(part);
    return worst * sqrt((double)PART);
}

static void normals_follow_the_normal_law(void)
{
    CHECK(kolmogorov(normals) < 2.47);
    CHECK(kolmogorov(filled) < 2.47);
    CHECK(kolmogorov(uniforms) > 100); /* the test does tell laws apart */
}

static double correlation(const double *a, const double *b, size_t n, double mean, double variance)
{
    double sum = 0;
    size_t i;
    for (i = 0; i < n; i++) sum += (a[i] - mean) * (b[i] - mean);
    return sum / ((double)n * variance);
}

static double squared_correlation(const double *a, const double *b, size_t n)
{
    double sum = 0;
    size_t i;
    for (i = 0; i < n; i++) sum += (a[i] * a[i] - 1) * (b[i] * b[i] - 1);
    return sum / (2 * (double)n);
}

/* Lags 1 to 8 reach every pair inside a block of four and its neighbours; squares see what a pair made of one
 * radius would share. */
static void neighbours_are_not_correlated(void)
{
    double bound = 4.5 / sqrt((double)MANY);
    size_t lag;
    for (lag = 1; lag <= 8; lag++) {
        CHECK_CLOSE(correlation(uniforms, uniforms + lag, MANY - lag, 0.5, 1.0 / 12), 0, bound);
        CHECK_CLOSE(correlation(normals, normals + lag, MANY - lag, 0, 1), 0, bound);
        CHECK_CLOSE(correlation(filled, filled + lag, MANY - lag, 0, 1), 0, bound);
        CHECK_CLOSE(squared_correlation(normals, normals + lag, MANY - lag), 0, 1.5 * bound);
        CHECK_CLOSE(squared_correlation(filled, filled + lag, MANY - lag), 0, 1.5 * bound);
    }
}

static void streams_and_seeds_are_not_correlated(void)
{
    static const uint64_t other[5][2] = {
        {1, 1}, {2, 0}, {1, (uint64_t)1 << 32}, {(uint64_t)1 << 32 | 1, 0}, {1, (uint64_t)1 << 63}};
    enum { PART = 100000 };
    double *a = ref_doubles(PART), *b = ref_doubles(PART);
    size_t c, i;
    for (c = 0; c < 5; c++) {
        itd_rng first = itd_rng_make(1, 0), second = itd_rng_make(other[c][0], other[c][1]);
        size_t same = 0;
        for (i = 0; i < PART; i++) {
            a[i] = itd_rng_normal(&first), b[i] = itd_rng_normal(&second);
            same += !(fabs(a[i] - b[i]) > 1e-12);
        }
        CHECK(same == 0);
        CHECK_CLOSE(correlation(a, b, PART, 0, 1), 0, 4.5 / sqrt((double)PART));
        CHECK_CLOSE(correlation(a, b + 1, PART - 1, 0, 1), 0, 4.5 / sqrt((double)PART));
    }
    free(a), free(b);
}

static void the_same_seed_gives_the_same_numbers(void)
{
    itd_rng a = itd_rng_make(5, 6), b = itd_rng_make(5, 6);
    size_t i, different = 0;
    for (i = 0; i < 1000; i++) {
        double x = itd_rng_uniform(&a), y = itd_rng_uniform(&b);
        different += memcmp(&x, &y, sizeof x) != 0;
    }
    CHECK(different == 0);
    a.counter = 7; /* and any of them can be reached without the ones before */
    b = itd_rng_make(5, 6);
    for (i = 0; i < 7; i++) itd_rng_uniform(&b);
    CHECK_CLOSE(itd_rng_normal(&a), itd_rng_normal(&b), 0);
}

static void a_fill_in_two_parts_is_one_fill(void)
{
    static const size_t first[6] = {0, 4, 8, 64, 256, 1020}, second[6] = {5, 1, 3, 129, 0, 7};
    size_t c;
    for (c = 0; c < 6; c++) {
        size_t n = first[c] + second[c];
        itd_rng whole = itd_rng_make(8, 9), parts = whole;
        float *a = ref_floats(n), *b = ref_floats(n);
        itd_rng_normal_fill(&whole, n, a);
        itd_rng_normal_fill(&parts, first[c], b);
        itd_rng_normal_fill(&parts, second[c], b + first[c]);
        CHECK(memcmp(a, b, n * sizeof *a) == 0);
        CHECK(whole.counter == parts.counter);
        free(a), free(b);
    }
}

/* A shorter fill is the beginning of a longer one, and writes no further. */
static void a_fill_of_any_length_stops_at_its_end(void)
{
    float longest[72], out[72];
    size_t n, i;
    itd_rng rng = itd_rng_make(2, 2);
    itd_rng_normal_fill(&rng, 72, longest);
    for (n = 0; n <= 67; n++) {
        size_t written = 0;
        rng = itd_rng_make(2, 2);
        for (i = 0; i < 72; i++) out[i] = -99.0f;
        itd_rng_normal_fill(&rng, n, out);
        CHECK(memcmp(out, longest, n * sizeof *out) == 0);
        for (i = n; i < 72; i++) written += out[i] > -98.0f;
        CHECK(written == 0);
        CHECK(rng.counter == (n + 3) / 4);
    }
}

static void below_is_uniform(void)
{
    static const uint64_t sides[5] = {2, 3, 6, 10, 1000};
    size_t c, i;
    for (c = 0; c < 5; c++) {
        size_t *count = (size_t *)ref_alloc((size_t)sides[c] * sizeof *count), n = 200000;
        itd_rng rng = itd_rng_make(21, c);
        bool inside = true;
        for (i = 0; i < n; i++) {
            uint64_t k = itd_rng_below(&rng, sides[c]);
            if (k >= sides[c]) inside = false;
            else count[k]++;
        }
        CHECK(inside);
        CHECK(chi_square(count, (size_t)sides[c], n) < chi_square_bound((double)sides[c] - 1));
        free(count);
    }
}

/* For n = 2^63 + 1 about half of all draws must be thrown away, and both halves of the range come up. */
static void below_handles_the_ends_of_its_range(void)
{
    const uint64_t half = (uint64_t)1 << 63;
    itd_rng rng = itd_rng_make(22, 0);
    size_t i, high = 0, outside = 0;
    for (i = 0; i < 100; i++) CHECK(itd_rng_below(&rng, 1) == 0);
    rng = itd_rng_make(22, 1);
    for (i = 0; i < 10000; i++) {
        uint64_t k = itd_rng_below(&rng, half + 1);
        outside += k > half, high += k >= half / 2;
    }
    CHECK(outside == 0);
    CHECK_CLOSE((double)high / 10000, 0.5, 4.5 * 0.5 / 100);
    CHECK_CLOSE((double)rng.counter / 10000, 2, 4.5 * sqrt(2.0) / 100); /* geometric, p = 1/2: variance 2 */
    for (i = 0, high = 0; i < 10000; i++) high += itd_rng_below(&rng, UINT64_MAX) >= half;
    CHECK_CLOSE((double)high / 10000, 0.5, 4.5 * 0.5 / 100);
}

static void shuffle_permutes(void)
{
    enum { N = 1000 };
    size_t index[N], seen[N] = {0}, i, moved = 0, twice = 0;
    itd_rng rng = itd_rng_make(31, 0);
    for (i = 0; i < N; i++) index[i] = i;
    itd_rng_shuffle(&rng, N, index);
    for (i = 0; i < N; i++) {
        moved += index[i] != i;
        if (index[i] < N) twice += seen[index[i]]++ > 0;
    }
    CHECK(twice == 0);
    for (i = 0; i < N; i++) CHECK(seen[i] == 1);
    CHECK(moved > 980);
    index[0] = 77;
    itd_rng_shuffle(&rng, 1, index);
    itd_rng_shuffle(&rng, 0, index);
    CHECK(index[0] == 77);
    CHECK(rng.counter == N - 1); /* one count for each choice there is */
}

static void shuffle_is_uniform_over_permutations(void)
{
    size_t count[24] = {0}, n = 240000, i, j, k;
    itd_rng rng = itd_rng_make(32, 0);
    for (i = 0; i < n; i++) {
        size_t p[4] = {0, 1, 2, 3}, rank = 0;
        itd_rng_shuffle(&rng, 4, p);
        for (j = 0; j < 4; j++) { /* factorial number system: smaller elements still to come */
            size_t smaller = 0;
            for (k = j + 1; k < 4; k++) smaller += p[k] < p[j];
            rank = rank * (4 - j) + smaller;
        }
        count[rank < 24 ? rank : 0]++;
    }
    CHECK(chi_square(count, 24, n) < chi_square_bound(23));
}

static void all_tests(void)
{
    draw_all();
    RUN(first_numbers_are_fixed);
    RUN(every_draw_is_one_count);
    RUN(normals_have_the_moments_of_the_normal_law);
    RUN(normals_have_the_tails_of_the_normal_law);
    RUN(normals_follow_the_normal_law);
    RUN(the_same_seed_gives_the_same_numbers);
    RUN(a_fill_in_two_parts_is_one_fill);
    RUN(a_fill_of_any_length_stops_at_its_end);
}

int main(void)
{
    draw_all();
    RUN(philox_knows_the_published_answers);
    RUN(philox_may_write_over_its_input);
    RUN(uniforms_have_the_moments_of_the_uniform_law);
    RUN(uniforms_stay_inside_and_fill_the_interval);
    RUN(neighbours_are_not_correlated);
    RUN(streams_and_seeds_are_not_correlated);
    RUN(below_is_uniform);
    RUN(below_handles_the_ends_of_its_range);
    RUN(shuffle_permutes);
    RUN(shuffle_is_uniform_over_permutations);
    each_simd(all_tests);
    return test_report();
}
