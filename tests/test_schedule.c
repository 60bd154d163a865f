/* Tests of the channel, the schedule over log SNR and the parameterization of the network's output. */
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"
#include "ref.h"
#include "test.h"

static itd_schedule schedule(double loc, double scale, double clip)
{
    itd_schedule s = itd_schedule_default();
    s.loc = loc, s.scale = scale, s.clip = clip;
    return s;
}

enum { SCHEDULES = 5 };

static itd_schedule schedule_number(size_t i)
{
    static const double values[SCHEDULES][3] = {
        {0, 3, 4}, {6, 3, 4}, {6, 3, 20}, {-2, 0.25, 1}, {50, 10, 20}};
    return schedule(values[i][0], values[i][1], values[i][2]);
}

/* ---- sigmoid and channel ---- */

static void sigmoid_is_exact_at_both_ends(void)
{
    double x;
    CHECK_CLOSE(itd_sigmoid(1000), 1, 0);
    CHECK_CLOSE(itd_sigmoid(-1000), 0, 0);
    CHECK_CLOSE(itd_sigmoid(0), 0.5, 0);
    CHECK_CLOSE(itd_sigmoid(INFINITY), 1, 0);
    CHECK_CLOSE(itd_sigmoid(-INFINITY), 0, 0);
    CHECK(isnan(itd_sigmoid(NAN)));
    CHECK_CLOSE(itd_sigmoid(-700) / exp(-700), 1, 1e-14);
    for (x = -40; x <= 40; x += 0.37) CHECK_CLOSE(itd_sigmoid(x) / ref_sigmoid(x), 1, 1e-14);
}

/* z = sqrt(s(a)) x + sqrt(s(-a)) eps, row by row. */
static void channel_mixes_as_the_formula_says(void)
{
    static const float logsnr[7] = {-1000, -30, -2.5f, 0, 1.75f, 18, 1000};
    float *x, *eps, z[21];
    double expected[21];
    size_t i, j;
    ref_seed(1);
    x = ref_normals(21, 2), eps = ref_normals(21, 1);
    for (i = 0; i < 7; i++)
        for (j = 0; j < 3; j++)
            expected[3 * i + j] = sqrt(ref_sigmoid(logsnr[i])) * x[3 * i + j] +
                                  sqrt(ref_sigmoid(-logsnr[i])) * eps[3 * i + j];
    itd_channel(x, eps, logsnr, 7, 3, z);
    CHECK(ref_error(z, expected, 21) <= 1e-7);
    CHECK(ref_each(z, expected, 21, 2e-7, 5e-7, NULL));
    free(x), free(eps);
}

/* Unit variance in, unit variance out, and cov(z, eps) = sqrt(s(-a)), at every log SNR. */
static void channel_preserves_variance(void)
{
    enum { N = 100000 };
    static const float at[5] = {-8, -1, 0, 2, 8};
    float *x = ref_floats(N), *eps = ref_floats(N), *a = ref_floats(N), *z = ref_floats(N);
    itd_rng rng = itd_rng_make(1, 1);
    size_t i, k;
    itd_rng_normal_fill(&rng, N, x);
    itd_rng_normal_fill(&rng, N, eps);
    for (k = 0; k < 5; k++) {
        double mean = 0, square = 0, cross = 0;
        for (i = 0; i < N; i++) a[i] = at[k];
        itd_channel(x, eps, a, N, 1, z);
        for (i = 0; i < N; i++)
            mean += z[i] / (double)N, square += (double)z[i] * z[i] / N, cross += (double)z[i] * eps[i] / N;
        CHECK_CLOSE(mean, 0, 4.5 / sqrt((double)N));
        CHECK_CLOSE(square, 1, 4.5 * sqrt(2.0 / N));
        CHECK_CLOSE(cross, sqrt(ref_sigmoid(-at[k])), 4.5 * sqrt(2.0 / N));
    }
    free(x), free(eps), free(a), free(z);
}

/* ---- quantile and weight ---- */

static void quantile_inverts_the_distribution(void)
{
    size_t i, k;
    for (i = 0; i < SCHEDULES; i++) {
        itd_schedule s = schedule_number(i);
        double span = s.scale * s.clip;
        CHECK_CLOSE(itd_schedule_quantile(&s, 0), s.loc - span, 1e-12 * (span + fabs(s.loc)));
        CHECK_CLOSE(itd_schedule_quantile(&s, 1), s.loc + span, 1e-12 * (span + fabs(s.loc)));
        CHECK_CLOSE(itd_schedule_quantile(&s, 0.5), s.loc, 1e-12 * (span + fabs(s.loc)));
        for (k = 1; k < 200; k++) {
            double u = (double)k / 200, q = itd_schedule_quantile(&s, u);
            CHECK_CLOSE(ref_schedule_cdf(s.loc, s.scale, s.clip, q), u, 1e-12);
            CHECK_CLOSE(itd_schedule_quantile(&s, 1 - u) + q, 2 * s.loc, 1e-11 * (span + fabs(s.loc)));
        }
    }
}

/* w = d alpha / d u, down to the last millionth at either end. */
static void weight_is_the_slope_of_the_quantile(void)
{
    size_t i, k;
    for (i = 0; i < SCHEDULES; i++) {
        itd_schedule s = schedule_number(i);
        for (k = 0; k < 60; k++) {
            double edge = pow(10, -0.1 * (double)(k + 4)), u = k % 2 ? edge : 1 - edge;
            double up = u + 1e-3 * edge, down = u - 1e-3 * edge;
            double slope = (itd_schedule_quantile(&s, up) - itd_schedule_quantile(&s, down)) / (up - down);
            CHECK_CLOSE(itd_schedule_weight(&s, itd_schedule_quantile(&s, u)) / slope, 1, 1e-6);
        }
    }
}

static void weight_is_one_over_the_density(void)
{
    size_t i, k;
    for (i = 0; i < SCHEDULES; i++) {
        itd_schedule s = schedule_number(i);
        for (k = 0; k <= 100; k++) {
            double alpha = s.loc + s.scale * s.clip * ((double)k / 50 - 1);
            double density = ref_schedule_density(s.loc, s.scale, s.clip, alpha);
            CHECK_CLOSE(itd_schedule_weight(&s, alpha) * density, 1, 1e-12);
        }
    }
}

/* Simpson's rule on f(alpha) / w(alpha) over the whole range. */
static double density_integral(const itd_schedule *s, double (*f)(double alpha))
{
    enum { STEPS = 4000 };
    double h = 2 * s->scale * s->clip / STEPS, sum = 0;
    size_t k;
    for (k = 0; k <= STEPS; k++) {
        double alpha = s->loc - s->scale * s->clip + h * (double)k;
        double factor = k == 0 || k == STEPS ? 1 : k % 2 ? 4 : 2;
        sum += factor * f(alpha) / itd_schedule_weight(s, alpha);
    }
    return sum * h / 3;
}

static double one(double alpha)
{
    (void)alpha;
    return 1;
}

static double signal(double alpha) { return ref_sigmoid(alpha); }
static double bump(double alpha) { return exp(-0.5 * (alpha - 1) * (alpha - 1)); }
static double line(double alpha) { return alpha; }

static void density_integrates_to_one(void)
{
    size_t i;
    for (i = 0; i < SCHEDULES; i++) {
        itd_schedule s = schedule_number(i);
        CHECK_CLOSE(density_integral(&s, one), 1, 1e-9);
    }
}

/* E w = Integral 1 d alpha = 2 clip scale, here by the midpoint rule in u. */
static void mean_weight_is_the_length_of_the_range(void)
{
    enum { STEPS = 200000 };
    static const size_t which[3] = {0, 1, 3};
    size_t i, k;
    for (i = 0; i < 3; i++) {
        itd_schedule s = schedule_number(which[i]);
        double sum = 0;
        for (k = 0; k < STEPS; k++)
            sum += itd_schedule_weight(&s, itd_schedule_quantile(&s, ((double)k + 0.5) / STEPS)) / STEPS;
        CHECK_CLOSE(sum / (2 * s.clip * s.scale), 1, 1e-6);
    }
}

/* ---- draws ---- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void draws_stay_in_range_and_carry_their_weights(void)
{
    enum { N = 10000 };
    static float logsnr[N], weight[N];
    size_t i, k, mode;
    for (i = 0; i < SCHEDULES; i++)
        for (mode = 0; mode < 2; mode++) {
            itd_schedule s = schedule_number(i);
            itd_rng rng = itd_rng_make(2, i);
            double span = s.scale * s.clip * (1 + 1e-6), wrong = 0, outside = 0;
            CHECK_OK(itd_schedule_sample(&s, &rng, mode == 1, N, logsnr, weight));
            for (k = 0; k < N; k++) {
                double density = ref_schedule_density(s.loc, s.scale, s.clip, logsnr[k]);
                outside += !(fabs(logsnr[k] - s.loc) <= span);
                wrong += !(fabs(weight[k] * density - 1) <= 1e-6);
            }
            CHECK_CLOSE(outside, 0, 0);
            CHECK_CLOSE(wrong, 0, 0);
        }
}

/* Sorted, the k-th draw lies in the k-th of n equally probable strata; single precision blurs u by 1e-6. */
static void stratified_draws_take_every_stratum_once(void)
{
    static const size_t sizes[5] = {1, 2, 7, 128, 1000};
    static float logsnr[1000], weight[1000];
    static double u[1000];
    size_t i, k, c;
    for (i = 0; i < 4; i++)
        for (c = 0; c < 5; c++) {
            itd_schedule s = schedule_number(i);
            itd_rng rng = itd_rng_make(3, 10 * i + c);
            size_t n = sizes[c], wrong = 0;
            CHECK_OK(itd_schedule_sample(&s, &rng, true, n, logsnr, weight));
            for (k = 0; k < n; k++) u[k] = ref_schedule_cdf(s.loc, s.scale, s.clip, logsnr[k]);
            qsort(u, n, sizeof *u, ascending);
            for (k = 0; k < n; k++)
                wrong += !(u[k] >= (double)k / (double)n - 1e-6 &&
                           u[k] <= (double)(k + 1) / (double)n + 1e-6);
            CHECK(wrong == 0);
        }
}

/* Inside its stratum a draw is uniform: its mean place is 1/2, its variance 1/12. */
static void stratified_draws_are_uniform_inside_the_stratum(void)
{
    enum { N = 100, REPEATS = 200 };
    itd_schedule s = schedule_number(0);
    itd_rng rng = itd_rng_make(4, 0);
    float logsnr[N], weight[N];
    double sum = 0, square = 0;
    size_t i, r;
    for (r = 0; r < REPEATS; r++) {
        CHECK_OK(itd_schedule_sample(&s, &rng, true, N, logsnr, weight));
        for (i = 0; i < N; i++) {
            double u = N * ref_schedule_cdf(s.loc, s.scale, s.clip, logsnr[i]), place = u - floor(u);
            sum += place / (N * REPEATS), square += (place - 0.5) * (place - 0.5) / (N * REPEATS);
        }
    }
    CHECK_CLOSE(sum, 0.5, 4.5 * sqrt(1.0 / 12 / (N * REPEATS)));
    CHECK_CLOSE(square, 1.0 / 12, 4.5 * sqrt(1.0 / 180 / (N * REPEATS)));
}

/* Each row meets each stratum equally often (chi-square with 15 degrees of freedom, 1e-5 tail 50.5). */
static void stratified_draws_come_in_random_order(void)
{
    enum { N = 16, REPEATS = 16000 };
    itd_schedule s = schedule_number(0);
    itd_rng rng = itd_rng_make(5, 0);
    float logsnr[N], weight[N];
    size_t first[N] = {0}, last[N] = {0}, i, r;
    double a = 0, b = 0, expected = REPEATS / N;
    for (r = 0; r < REPEATS; r++) {
        CHECK_OK(itd_schedule_sample(&s, &rng, true, N, logsnr, weight));
        i = (size_t)(N * ref_schedule_cdf(s.loc, s.scale, s.clip, logsnr[0]));
        first[i < N ? i : N - 1]++;
        i = (size_t)(N * ref_schedule_cdf(s.loc, s.scale, s.clip, logsnr[N - 1]));
        last[i < N ? i : N - 1]++;
    }
    for (i = 0; i < N; i++) {
        a += pow((double)first[i] - expected, 2) / expected;
        b += pow((double)last[i] - expected, 2) / expected;
    }
    CHECK(a < 50.5);
    CHECK(b < 50.5);
}

/* Mean and variance over repeated batches of the batch mean of f. */
static void spread_of_means(double (*f)(double), bool stratified, double *mean, double *variance)
{
    enum { N = 64, REPEATS = 400 };
    itd_schedule s = schedule_number(0);
    itd_rng rng = itd_rng_make(6, stratified);
    float logsnr[N], weight[N];
    double sum = 0, square = 0;
    size_t i, r;
    for (r = 0; r < REPEATS; r++) {
        double batch = 0;
        CHECK_OK(itd_schedule_sample(&s, &rng, stratified, N, logsnr, weight));
        for (i = 0; i < N; i++) batch += f(logsnr[i]) / N;
        sum += batch / REPEATS, square += batch * batch / REPEATS;
    }
    *mean = sum, *variance = (square - sum * sum) / REPEATS;
}

/* Both kinds of draws are unbiased; for smooth f stratifying takes the spread down by far more than tenfold.
 * */
static void stratified_draws_are_unbiased_and_quiet(void)
{
    double (*const f[3])(double) = {signal, bump, line};
    itd_schedule s = schedule_number(0);
    size_t k;
    for (k = 0; k < 3; k++) {
        double truth = density_integral(&s, f[k]), iid, quiet, iid_variance, quiet_variance;
        spread_of_means(f[k], false, &iid, &iid_variance);
        spread_of_means(f[k], true, &quiet, &quiet_variance);
        CHECK(iid_variance > 0 && quiet_variance > 0);
        CHECK_CLOSE(iid, truth, 4.5 * sqrt(iid_variance));
        CHECK_CLOSE(quiet, truth, 4.5 * sqrt(quiet_variance));
        CHECK(sqrt(quiet_variance) < 0.1 * sqrt(iid_variance));
    }
}

/* Integral f d alpha = E[w f]: the length of the range and the area of the bump, sqrt(2 pi). */
static void weighted_draws_integrate_over_the_range(void)
{
    enum { N = 100000 };
    float *logsnr = ref_floats(N), *weight = ref_floats(N);
    size_t i, k;
    for (k = 0; k < 2; k++) {
        itd_schedule s = schedule_number(k);
        itd_rng rng = itd_rng_make(7, k);
        double length = 0, area = 0;
        CHECK_OK(itd_schedule_sample(&s, &rng, true, N, logsnr, weight));
        for (i = 0; i < N; i++)
            length += weight[i] / (double)N, area += weight[i] * bump(logsnr[i]) / (double)N;
        CHECK_CLOSE(length / (2 * s.scale * s.clip), 1, 1e-3);
        CHECK_CLOSE(area / sqrt(2 * REF_PI), 1, 1e-3);
    }
    free(logsnr), free(weight);
}

static void bad_schedules_are_refused(void)
{
    itd_schedule bad[13], good = {-9.99e5, 9.99e5, 699};
    itd_rng any = itd_rng_make(1, 1);
    float number;
    size_t i;
    for (i = 0; i < 13; i++) bad[i] = itd_schedule_default();
    bad[0].scale = 0, bad[1].scale = -1, bad[2].scale = NAN, bad[3].scale = INFINITY;
    bad[4].clip = 0, bad[5].clip = NAN, bad[6].clip = INFINITY;
    bad[7].loc = NAN, bad[8].loc = -INFINITY;
    bad[9].scale = 1e6, bad[10].clip = 700, bad[11].loc = 1e6, bad[12].loc = -1e6;
    CHECK_OK(itd_schedule_sample(&good, &any, true, 1, &number, &number));
    for (i = 0; i < 13; i++) {
        itd_model_desc desc = itd_model_desc_default(2);
        itd_model *model = NULL;
        itd_rng rng = itd_rng_make(1, 1);
        float logsnr = 77, weight = 78;
        CHECK(itd_schedule_sample(&bad[i], &rng, true, 1, &logsnr, &weight) == ITD_ERROR_ARGUMENT);
        CHECK_CLOSE(logsnr, 77, 0);
        CHECK_CLOSE(weight, 78, 0);
        desc.schedule = bad[i];
        CHECK(itd_model_create(&desc, 1, &model) == ITD_ERROR_ARGUMENT);
        CHECK(model == NULL);
    }
}

static void default_schedule_is_the_documented_one(void)
{
    itd_schedule s = itd_schedule_default();
    CHECK_CLOSE(s.loc, 0, 0);
    CHECK_CLOSE(s.scale, 3, 0);
    CHECK_CLOSE(s.clip, 4, 0);
}

/* ---- schedule from a spectrum ---- */

/* log lambda = 1, 3, 8: mean 4, variance 26/3. */
static void schedule_from_spectrum_by_hand(void)
{
    double lambda[3], flat[2] = {0.25, 0.25};
    itd_schedule s = itd_schedule_default();
    lambda[0] = exp(1.0), lambda[1] = exp(3.0), lambda[2] = exp(8.0);
    CHECK_OK(itd_schedule_from_spectrum(lambda, 3, &s));
    CHECK_CLOSE(s.loc, -4, 1e-12);
    CHECK_CLOSE(s.scale, sqrt(1 + 26 / REF_PI), 1e-12);
    CHECK_CLOSE(s.clip, 4, 0);
    CHECK_OK(itd_schedule_from_spectrum(flat, 2, &s));
    CHECK_CLOSE(s.loc, log(4.0), 1e-12);
    CHECK_CLOSE(s.scale, 1, 1e-12);
}

static void schedule_from_a_bad_spectrum_is_refused(void)
{
    const double bad[4] = {0, -1, NAN, INFINITY};
    itd_schedule s = schedule(7, 8, 9);
    size_t i;
    for (i = 0; i < 4; i++) {
        double lambda[3] = {1, 2, 3};
        lambda[i % 3] = bad[i];
        CHECK(itd_schedule_from_spectrum(lambda, 3, &s) == ITD_ERROR_DATA);
    }
    CHECK(itd_schedule_from_spectrum(bad, 0, &s) == ITD_ERROR_ARGUMENT);
    CHECK(s.loc >= 7 && s.loc <= 7 && s.scale >= 8 && s.scale <= 8 && s.clip >= 9 && s.clip <= 9);
}

/* ---- schedule from a measured curve ---- */

enum { POINTS = 53 };
static double curve_logsnr[POINTS];

/* The error of N(0, I) in d dimensions is d s(alpha), that of the model is less by the gap. */
static itd_result curve_schedule(const double *gap, size_t d, itd_schedule *s)
{
    double mse[POINTS], gaussian[POINTS];
    for (size_t i = 0; i < POINTS; i++) {
        gaussian[i] = (double)d * ref_sigmoid(curve_logsnr[i]);
        mse[i] = gaussian[i] - gap[i];
    }
    return itd_schedule_from_mse(curve_logsnr, mse, gaussian, POINTS, d, s);
}

static void fill_gap(double *gap, double from, double to, double height)
{
    for (size_t i = 0; i < POINTS; i++) {
        curve_logsnr[i] = -13 + 0.5 * (double)i;
        if (curve_logsnr[i] > from && curve_logsnr[i] < to) gap[i] += height;
    }
}

/* What stands above a fiftieth of the widest, of means of three. */
static double above(const double *gap, size_t i)
{
    double mean[POINTS] = {0}, widest = 0;
    for (size_t k = 1; k + 1 < POINTS; k++) mean[k] = (gap[k - 1] + gap[k] + gap[k + 1]) / 3;
    for (size_t k = 0; k < POINTS; k++) widest = fmax(widest, mean[k]);
    return fmax(mean[i] - 0.02 * widest, 0);
}

/* Centre: Sum p (a - m)^2 a / Sum p (a - m)^2. Scale: the standard deviation, at least 2.2. The range
 * reaches from 3 below the first to 4 above the last log SNR with a gap, and ends at one of the two. */
static void schedule_check(const double *gap)
{
    const double *logsnr = curve_logsnr;
    itd_schedule s = schedule(99, 99, 99);
    double total = 0, mean = 0, square = 0, tails = 0, first = HUGE_VAL, last = -HUGE_VAL, low, high;
    for (size_t i = 0; i < POINTS; i++) {
        double p = above(gap, i);
        total += p, mean += p * logsnr[i];
        if (p > 0) first = fmin(first, logsnr[i]), last = fmax(last, logsnr[i]);
    }
    mean /= total;
    for (size_t i = 0; i < POINTS; i++) {
        double p = above(gap, i) / total, off = logsnr[i] - mean;
        square += p * off * off, tails += p * off * off * logsnr[i];
    }
    if (!CHECK_OK(curve_schedule(gap, 2, &s))) return;
    CHECK_CLOSE(s.loc, square > 0 ? tails / square : mean, 1e-9);
    CHECK_CLOSE(s.scale, fmax(sqrt(square), 2.2), 1e-9);
    low = s.loc - s.clip * s.scale, high = s.loc + s.clip * s.scale;
    first = fmax(first - 3, logsnr[0]), last = fmin(last + 4, logsnr[POINTS - 1]);
    CHECK(low <= first + 1e-9 && high >= last - 1e-9);
    CHECK_CLOSE(fmin(first - low, high - last), 0, 1e-9);
}

static void schedules_of_gaps(void)
{
    double gap[POINTS] = {0}, wide[POINTS] = {0}, two[POINTS] = {0};
    itd_schedule s = itd_schedule_default(), twice = s;
    fill_gap(gap, 1.9, 4.1, 1); /* 2 to 4 */
    schedule_check(gap);
    CHECK_OK(curve_schedule(gap, 2, &s));
    CHECK_CLOSE(s.loc, 3, 1e-9);
    CHECK_CLOSE(s.scale, 2.2, 0);
    for (size_t i = 0; i < POINTS; i++) gap[i] *= 7; /* its height does not matter */
    CHECK_OK(curve_schedule(gap, 2, &twice));
    CHECK_CLOSE(twice.loc, s.loc, 1e-9);
    CHECK_CLOSE(twice.clip, s.clip, 1e-9);
    fill_gap(wide, -8.1, 8.1, 0.5);
    schedule_check(wide);
    CHECK_OK(curve_schedule(wide, 2, &s));
    CHECK_CLOSE(s.loc, 0, 1e-9);
    CHECK(s.scale > 4.3 && s.scale < 5.1); /* 16 / sqrt(12) = 4.6 */
    fill_gap(two, -2.1, 1.1, 1), fill_gap(two, 6.9, 9.1, 0.2);
    schedule_check(two);
    fill_gap(two, 9.9, 99, 0.5); /* up to the end */
    schedule_check(two);
}

/* A stray point counts by a third of its height, here below 2 % of the maximum; below zero, not at all. */
static void schedule_smooths_the_gap(void)
{
    double gap[POINTS] = {0};
    fill_gap(gap, -3.1, 3.1, 1);
    gap[4] = 0.05, gap[40] = -20; /* smoothed, the first is below 2 % of the maximum */
    schedule_check(gap);
    itd_schedule s = itd_schedule_default();
    CHECK_OK(curve_schedule(gap, 2, &s));
    CHECK_CLOSE(s.loc, 0, 1e-9);
}

static void schedules_need_a_gap(void)
{
    const double three[] = {0, 1, 2}, falling[] = {2, 1, 0}, mse[] = {0, 0, 0}, gaussian[] = {1, 1, 1};
    double gap[POINTS] = {0}, below[POINTS] = {0}, bad[POINTS] = {0};
    itd_schedule s = schedule(7, 8, 9);
    fill_gap(gap, -1, 1, 0.0199); /* a hundredth of the dimensions is noise */
    CHECK(curve_schedule(gap, 2, &s) == ITD_ERROR_DATA);
    fill_gap(below, -5, 5, -3); /* the Gaussian is better */
    CHECK(curve_schedule(below, 2, &s) == ITD_ERROR_DATA);
    fill_gap(bad, -99, 99, NAN);
    CHECK(curve_schedule(bad, 2, &s) == ITD_ERROR_DATA);
    memset(bad, 0, sizeof bad), fill_gap(bad, -1, 1, HUGE_VAL);
    CHECK(curve_schedule(bad, 2, &s) == ITD_ERROR_DATA);
    for (size_t m = 0; m < 3; m++)
        CHECK(itd_schedule_from_mse(three, mse, gaussian, m, 1, &s) == ITD_ERROR_ARGUMENT);
    CHECK(itd_schedule_from_mse(three, mse, gaussian, 3, 0, &s) == ITD_ERROR_ARGUMENT);
    CHECK(itd_schedule_from_mse(falling, mse, gaussian, 3, 1, &s) == ITD_ERROR_ARGUMENT);
    CHECK(s.loc >= 7 && s.loc <= 7 && s.scale >= 8 && s.scale <= 8 && s.clip >= 9 && s.clip <= 9);
    fill_gap(gap, -1, 1, 0.0003);
    CHECK_OK(curve_schedule(gap, 2, &s));
    CHECK_OK(itd_schedule_from_mse(three, mse, gaussian, 3, 1, &s));
    CHECK_CLOSE(s.loc, 1, 1e-12);
}

/* ---- parameterization ---- */

static itd_model *model_make(size_t dim, double v, itd_parameterization kind, bool zero_output)
{
    itd_model_desc desc = itd_model_desc_default(dim);
    itd_model *model = NULL;
    desc.variance = v, desc.parameterization = kind;
    desc.mlp.hidden = 9, desc.mlp.embedding = 4, desc.mlp.zero_output = zero_output;
    desc.mlp.coordinate_scale = 1, desc.mlp.logsnr_scale = 1;
    CHECK_OK(itd_model_create(&desc, 3, &model));
    return model;
}

enum { ROWS = 9 };
static const float row_logsnr[ROWS] = {-100, -20, -5, -1, 0, 1, 5, 20, 100};

/* The best denoiser of N(0, v I): eps_hat = sqrt(s(-a)) / (s(a) v + s(-a)) z. */
static void zero_output_is_the_denoiser_of_a_gaussian(void)
{
    static const double variance[3] = {0.25, 1, 4};
    size_t k, i, j;
    ref_seed(20);
    for (k = 0; k < 3; k++) {
        itd_model *model = model_make(3, variance[k], ITD_GAUSSIAN, true);
        itd_denoiser den = itd_model_denoiser(model);
        float *z = ref_normals(ROWS * 3, 1), eps_hat[ROWS * 3];
        double expected[ROWS * 3];
        CHECK_OK(den.predict(den.ctx, z, row_logsnr, ROWS, eps_hat));
        for (i = 0; i < ROWS; i++)
            for (j = 0; j < 3; j++) {
                double s = ref_sigmoid(row_logsnr[i]), r = ref_sigmoid(-row_logsnr[i]);
                expected[3 * i + j] = sqrt(r) / (s * variance[k] + r) * z[3 * i + j];
            }
        CHECK(ref_error(eps_hat, expected, ROWS * 3) <= 1e-6);
        CHECK(ref_each(eps_hat, expected, ROWS * 3, 1e-6, 1e-30, NULL));
        itd_model_free(model), free(z);
    }
}

static void zero_output_of_the_plain_parameterization_is_zero(void)
{
    itd_model *model = model_make(2, 1, ITD_PLAIN, true);
    itd_denoiser den = itd_model_denoiser(model);
    float *z = ref_normals(ROWS * 2, 1), eps_hat[ROWS * 2];
    size_t i;
    CHECK_OK(den.predict(den.ctx, z, row_logsnr, ROWS, eps_hat));
    for (i = 0; i < ROWS * 2; i++) CHECK_CLOSE(eps_hat[i], 0, 0);
    itd_model_free(model), free(z);
}

/* eps_hat = sqrt(s(-a))/V z + sqrt(s(a) v / V) F(z / sqrt(V), a), V = s(a) v + s(-a); plain: eps_hat = F. */
static void parameterization_wraps_the_network(void)
{
    static const double variance[3] = {0.25, 1, 4};
    size_t k, i, j, kind;
    ref_seed(21);
    for (k = 0; k < 3; k++)
        for (kind = 0; kind < 2; kind++) {
            itd_model *model = model_make(2, variance[k], kind ? ITD_GAUSSIAN : ITD_PLAIN, false);
            itd_denoiser den = itd_model_denoiser(model);
            float *z = ref_normals(ROWS * 2, 1), shrunk[ROWS * 2], F[ROWS * 2], eps_hat[ROWS * 2];
            double expected[ROWS * 2];
            for (i = 0; i < ROWS; i++)
                for (j = 0; j < 2; j++) {
                    double s = ref_sigmoid(row_logsnr[i]), r = ref_sigmoid(-row_logsnr[i]);
                    double total = kind ? s * variance[k] + r : 1;
                    shrunk[2 * i + j] = (float)(z[2 * i + j] / sqrt(total));
                }
            CHECK_OK(itd_net_forward(model->net, shrunk, row_logsnr, ROWS, F));
            for (i = 0; i < ROWS; i++)
                for (j = 0; j < 2; j++) {
                    double s = ref_sigmoid(row_logsnr[i]), r = ref_sigmoid(-row_logsnr[i]), v = variance[k];
                    double skip = kind ? sqrt(r) / (s * v + r) : 0,
                           gain = kind ? sqrt(s * v / (s * v + r)) : 1;
                    expected[2 * i + j] = skip * z[2 * i + j] + gain * F[2 * i + j];
                }
            CHECK_OK(den.predict(den.ctx, z, row_logsnr, ROWS, eps_hat));
            CHECK(ref_error(eps_hat, expected, ROWS * 2) <= 1e-6);
            CHECK(ref_each(eps_hat, expected, ROWS * 2, 1e-6, 1e-6, NULL));
            itd_model_free(model), free(z);
        }
}

/* -log N(y; 0, I) of the normalized points y, plus Sum log scale. */
static double standard_nll(const float *x, size_t n, const double *mean, const double *scale, size_t d)
{
    double sum = 0;
    size_t i, j;
    for (i = 0; i < n; i++)
        for (j = 0; j < d; j++) {
            double y = (x[i * d + j] - mean[j]) / scale[j];
            sum += (0.5 * log(2 * REF_PI) + 0.5 * y * y + log(scale[j])) / (double)n;
        }
    return sum;
}

/* A model that has learned nothing, fitted to two coordinates of very different scale that it takes for
 * independent, and the Gaussian that this makes of it. */
typedef struct untrained {
    itd_model *model;
    itd_gaussian *standard;
    float *x;
    size_t n;
    double truth;
} untrained;

static untrained untrained_make(void)
{
    double mean[2] = {0, 0}, scale[2] = {0, 0};
    untrained u;
    size_t i, j, n = 400;
    u.model = model_make(2, 1, ITD_GAUSSIAN, true);
    u.model->desc.whiten = false;
    u.standard = NULL, u.n = n, u.x = ref_floats(2 * n);
    ref_seed(22);
    for (i = 0; i < n; i++)
        u.x[2 * i] = (float)(5 + 3 * ref_normal()), u.x[2 * i + 1] = (float)(0.01 * ref_normal());
    for (j = 0; j < 2; j++) {
        for (i = 0; i < n; i++) mean[j] += u.x[2 * i + j] / (double)n;
        for (i = 0; i < n; i++) scale[j] += pow(u.x[2 * i + j] - mean[j], 2) / (double)n;
        scale[j] = sqrt(scale[j]);
    }
    u.truth = standard_nll(u.x, n, mean, scale, 2);
    CHECK_OK(itd_model_fit(u.model, u.x, n));
    const double covariance[4] = {scale[0] * scale[0], 0, 0, scale[1] * scale[1]};
    CHECK_OK(itd_gaussian_create(mean, covariance, 2, &u.standard));
    return u;
}

static itd_nll_result untrained_nll(const untrained *u, bool cancel, size_t draws, double clip)
{
    itd_denoiser den = itd_model_denoiser(u->model);
    itd_nll_desc desc = itd_model_nll_desc(u->model);
    itd_nll_result result = {0, 0, 0, 0, 0};
    desc.reference = u->standard, desc.cancel = cancel, desc.draws = draws, desc.schedule.clip = clip;
    CHECK_OK(itd_nll(&den, u->x, u->n, &desc, &result, NULL, NULL));
    return result;
}

static void untrained_free(untrained *u)
{
    itd_model_free(u->model), itd_gaussian_free(u->standard), free(u->x);
}

/* With its own Gaussian as the reference, the noise cancels in every draw. */
static void an_untrained_model_is_worth_its_gaussian(void)
{
    untrained u = untrained_make();
    itd_nll_result result = untrained_nll(&u, true, 40, 4);
    CHECK_CLOSE(result.nll / u.truth, 1, 1e-5);
    untrained_free(&u);
}

/* Less its mean error instead, nothing cancels: the integral itself, within its error bar. */
static void an_untrained_model_is_worth_its_gaussian_without_cancelling(void)
{
    untrained u = untrained_make();
    itd_nll_result result = untrained_nll(&u, false, 400, 6);
    CHECK(result.std_error > 0 && result.std_error < 0.1);
    CHECK_CLOSE(result.nll, u.truth, 4.5 * result.std_error);
    untrained_free(&u);
}

int main(void)
{
    RUN(sigmoid_is_exact_at_both_ends);
    RUN(channel_mixes_as_the_formula_says);
    RUN(channel_preserves_variance);
    RUN(quantile_inverts_the_distribution);
    RUN(weight_is_the_slope_of_the_quantile);
    RUN(weight_is_one_over_the_density);
    RUN(density_integrates_to_one);
    RUN(mean_weight_is_the_length_of_the_range);
    RUN(draws_stay_in_range_and_carry_their_weights);
    RUN(stratified_draws_take_every_stratum_once);
    RUN(stratified_draws_are_uniform_inside_the_stratum);
    RUN(stratified_draws_come_in_random_order);
    RUN(stratified_draws_are_unbiased_and_quiet);
    RUN(weighted_draws_integrate_over_the_range);
    RUN(bad_schedules_are_refused);
    RUN(default_schedule_is_the_documented_one);
    RUN(schedule_from_spectrum_by_hand);
    RUN(schedule_from_a_bad_spectrum_is_refused);
    RUN(schedules_of_gaps);
    RUN(schedule_smooths_the_gap);
    RUN(schedules_need_a_gap);
    RUN(zero_output_is_the_denoiser_of_a_gaussian);
    RUN(zero_output_of_the_plain_parameterization_is_zero);
    RUN(parameterization_wraps_the_network);
    RUN(an_untrained_model_is_worth_its_gaussian);
    RUN(an_untrained_model_is_worth_its_gaussian_without_cancelling);
    return test_report();
}
