/* information.c: what y tells about x, from two denoisers.
 *   cc -O2 -I. examples/information.c -o build/information -lm && build/information
 *
 * Who knows y denoises better, and by how much is what y tells about x: since -log p(x) and -log p(x|y) are
 * both integrals of a squared error, one of a denoiser that sees z alone, one of a denoiser that sees y too,
 *
 *   log p(x|y) - log p(x) = 1/2 Integral [ mse(x,a) - mse(x|y,a) ] da            for every pair
 *   I(x;y)                = 1/2 Integral E[ mse(x,a) - mse(x|y,a) ] da           on average
 *
 * No reference is needed, and with the same noise for both denoisers most of it cancels. The truths: for
 * normal x and y of correlation rho I = -log(1 - rho^2)/2, for a label k of a mixture I = H(k) - E[ H(k|x) ],
 * by quadrature. An estimate from some pairs is off by the noise of its draws, for these very pairs, and by
 * the choice of the pairs, for their distribution. In the code s is s(a) and r is s(-a), the parts of signal
 * and noise in the variance of z. Prints:
 *
 *   Two normal numbers, correlation 0.9: I(x;y) = 0.8304 nats
 *     estimate 0.8525 +- 0.0186 by the choice of pairs
 *     of these pairs 0.8461, estimated with +- 0.0030 by the draws (each denoiser its own: +- 0.0550)
 *     pair   log p(x|y)/p(x)    estimate +- std error    difference / std error
 *        1            1.7426      1.8613 +- 0.1299                       0.9
 *        2            0.7457      0.7152 +- 0.0815                      -0.4
 *        3            0.9510      0.8666 +- 0.0838                      -1.0
 *        4            0.9934      1.1400 +- 0.1161                       1.3
 *        5            0.9772      0.8679 +- 0.0747                      -1.5
 *      all                                      root mean square    1.01
 *
 *   Two normal vectors, correlations 0.1, 0.2, ... 0.8: I(x;y) = 1.3743 nats
 *     estimate 1.4025 +- 0.0319 by the choice of pairs
 *     of these pairs 1.3997, estimated with +- 0.0038 by the draws (each denoiser its own: +- 0.1612)
 *     pair   log p(x|y)/p(x)    estimate +- std error    difference / std error
 *        1           -0.3921     -0.1023 +- 0.1668                       1.7
 *        2            1.0374      1.0667 +- 0.1421                       0.2
 *        3           -0.5060     -0.5877 +- 0.1596                      -0.5
 *        4            0.0349      0.2349 +- 0.1522                       1.3
 *        5           -0.0551     -0.1749 +- 0.1735                      -0.7
 *      all                                      root mean square    0.97
 *
 *   A point and the label of its spot, 3 spots in 2 dimensions: I(x;y) = 0.6703 nats
 *     estimate 0.6614 +- 0.0164 by the choice of pairs
 *     of these pairs 0.6592, estimated with +- 0.0027 by the draws (each denoiser its own: +- 0.0864)
 *     pair   log p(x|y)/p(x)    estimate +- std error    difference / std error
 *        1            0.5853      0.6539 +- 0.0866                       0.8
 *        2            0.5894      0.7154 +- 0.0915                       1.4
 *        3            1.3169      1.2881 +- 0.1558                      -0.2
 *        4            0.8062      1.1664 +- 0.1479                       2.4
 *        5           -0.4641     -0.5701 +- 0.1322                      -0.8
 *      all                                      root mean square    1.04 */
#define ITDIFF_IMPLEMENTATION
#include "itdiff.h"

#include "support/args.h"
#include "support/mixture.h"
#include "support/must.h"

enum { MOST_DIM = 8, PARTS = 3, SHOWN = 5 };

typedef struct options {
    size_t pairs, draws;
    uint64_t seed;
} options;

static options read_options(int argc, char **argv)
{
    static options o; /* the option table keeps pointers into it */
    o.pairs = 2000, o.draws = 400, o.seed = 1;
    args_option list[] = {
        args_size("pairs", &o.pairs, 100, 10000000, "Pairs of x and y in each case."),
        args_size("draws", &o.draws, 100, 1000000, "Evaluations of both denoisers per pair."),
        args_uint64("seed", &o.seed, 0, UINT64_MAX, "Seed of the pairs and the noise."),
    };
    args_table table = {"information", "Mutual information by the errors of two denoisers.", list,
                        ARGS_COUNT(list)};
    args_parse(&table, argc, argv);
    return o;
}

/* ---- pairs ---- */

/* Pairs (x, y) of a known distribution, with the denoisers of x alone and of x given y. Borrows from itself:
 * leave it where it was made. */
typedef struct pairs {
    const char *name;
    size_t n, dim;
    float *x;             /* (n,dim) */
    double *y;            /* (n,dim) the other vector; or (n) the label */
    itd_denoiser alone;   /* of p(x) */
    itd_denoiser given;   /* of p(x|y): its rows are the n pairs, in their order */
    double information;   /* I(x;y), nats */
    double *pointwise;    /* (n) log p(x|y) - log p(x) */
    mixture distribution; /* of x */
    itd_gaussian part[PARTS];
    double weight[PARTS], mean[PARTS][MOST_DIM], variance[PARTS][MOST_DIM];
    double rho[MOST_DIM]; /* correlation of each coordinate of x with that of y */
} pairs;

static void pairs_open(const char *name, size_t n, size_t dim, pairs *p)
{
    memset(p, 0, sizeof *p);
    p->name = name, p->n = n, p->dim = dim;
    p->x = (float *)must_alloc(n, dim * sizeof *p->x);
    p->y = (double *)must_alloc(n, dim * sizeof *p->y);
    p->pointwise = (double *)must_alloc(n, sizeof *p->pointwise);
    p->distribution = (mixture){0, p->weight, p->part};
}

static void pairs_close(pairs *p) { free(p->x), free(p->y), free(p->pointwise); }

static void add_part(pairs *p, double weight)
{
    size_t k = p->distribution.components++;
    p->weight[k] = weight;
    p->part[k] = (itd_gaussian){p->dim, p->mean[k], p->variance[k], NULL, NULL};
}

/* ---- two normal vectors ---- */

/* x and y normal, of variance 1 and correlation rho: x given y is N(rho y, 1 - rho^2), so that
 * eps_hat = sqrt(s(-a)) / V (z - sqrt(s(a)) rho y),  V = s(a) (1 - rho^2) + s(-a). */
static itd_result normal_given(void *ctx, const float *z, const float *logsnr, size_t n, float *eps_hat)
{
    const pairs *p = (const pairs *)ctx;
    if (n != p->n) return ITD_ERROR_CALLBACK;
    for (size_t i = 0; i < n * p->dim; i++) {
        double rho = p->rho[i % p->dim], a = (double)logsnr[i / p->dim];
        double s = itd_sigmoid(a), r = itd_sigmoid(-a);
        eps_hat[i] = (float)(sqrt(r) / (s * (1 - rho * rho) + r) * (z[i] - sqrt(s) * rho * p->y[i]));
    }
    return ITD_OK;
}

/* log N(x; rho y, 1 - rho^2) - log N(x; 0, 1); its mean is -log(1 - rho^2)/2. */
static double normal_pointwise(double x, double y, double rho)
{
    double rest = 1 - rho * rho, off = x - rho * y;
    return 0.5 * (x * x - log(rest) - off * off / rest);
}

static void normal_pairs(const char *name, const double *rho, size_t dim, const options *o, pairs *p)
{
    itd_rng rng = itd_rng_make(o->seed, 0x70616972 + dim); /* "pair" */
    pairs_open(name, o->pairs, dim, p);
    add_part(p, 1);
    for (size_t j = 0; j < dim; j++) {
        p->variance[0][j] = 1, p->rho[j] = rho[j];
        p->information -= 0.5 * log(1 - rho[j] * rho[j]);
    }
    p->alone = mixture_denoiser(&p->distribution);
    p->given = (itd_denoiser){.ctx = p, .dim = dim, .predict = normal_given};
    for (size_t i = 0; i < p->n * dim; i++) {
        double r = rho[i % dim];
        p->y[i] = itd_rng_normal(&rng);
        p->x[i] = (float)(r * p->y[i] + sqrt(1 - r * r) * itd_rng_normal(&rng));
        p->pointwise[i / dim] += normal_pointwise((double)p->x[i], p->y[i], r);
    }
}

/* ---- points and their label ---- */

/* Whoever knows the label denoises with the Gaussian of that part alone. */
static itd_result part_given(void *ctx, const float *z, const float *logsnr, size_t n, float *eps_hat)
{
    const pairs *p = (const pairs *)ctx;
    double hat[MIXTURE_MOST_DIM];
    if (n != p->n) return ITD_ERROR_CALLBACK;
    for (size_t i = 0; i < n; i++) {
        double s = itd_sigmoid(logsnr[i]), r = itd_sigmoid(-logsnr[i]);
        mixture_part_denoise(&p->part[(size_t)p->y[i]], z + i * p->dim, s, r, hat);
        for (size_t j = 0; j < p->dim; j++) eps_hat[i * p->dim + j] = (float)hat[j];
    }
    return ITD_OK;
}

/* I = Sum_k weight_k Integral p_k log(p_k / p) = H(k) - E[ H(k | x) ], by the midpoint rule on a square that
 * leaves out nothing; for integrands as smooth as this the rule errs less than single precision. */
static double label_information(const pairs *p)
{
    enum { SIDE = 300 };
    double sum = 0, half = 7, h = 2 * half / SIDE;
    for (size_t i = 0; i < (size_t)SIDE * SIDE; i++) {
        float x[2] = {(float)(h * ((double)(i % SIDE) + 0.5) - half),
                      (float)(h * ((double)(i / SIDE) + 0.5) - half)};
        double log_p = -mixture_nll(&p->distribution, x);
        for (size_t k = 0; k < PARTS; k++) {
            double log_k = -itd_gaussian_nll(&p->part[k], x);
            sum += p->weight[k] * exp(log_k) * (log_k - log_p) * h * h;
        }
    }
    return sum;
}

/* Three spots that overlap, so that a point tells something about which one it is of, but not all. */
static void label_pairs(const char *name, const options *o, pairs *p)
{
    static const double weight[PARTS] = {0.5, 0.3, 0.2}, mean[PARTS][2] = {{-1, 0}, {1, 0.7}, {0.5, -1}},
                        variance[PARTS][2] = {{0.5, 0.5}, {1, 0.3}, {0.3, 0.6}};
    itd_rng rng = itd_rng_make(o->seed, 0x6c61626c); /* "labl" */
    pairs_open(name, o->pairs, 2, p);
    for (size_t k = 0; k < PARTS; k++) {
        memcpy(p->mean[k], mean[k], sizeof mean[k]), memcpy(p->variance[k], variance[k], sizeof variance[k]);
        add_part(p, weight[k]);
    }
    p->alone = mixture_denoiser(&p->distribution);
    p->given = (itd_denoiser){.ctx = p, .dim = 2, .predict = part_given};
    p->information = label_information(p);
    for (size_t i = 0; i < p->n; i++) {
        double u = itd_rng_uniform(&rng), one[] = {1};
        size_t k = u < weight[0] ? 0 : u < weight[0] + weight[1] ? 1 : 2;
        mixture part = {1, one, &p->part[k]};
        p->y[i] = (double)k;
        mixture_sample(&part, &rng, 1, p->x + 2 * i);
        p->pointwise[i] = mixture_nll(&p->distribution, p->x + 2 * i) -
                          itd_gaussian_nll(&p->part[k], p->x + 2 * i);
    }
}

/* ---- the estimate ---- */

/* Sums for a mean and its standard error. */
typedef struct tally {
    double sum, squares, n;
} tally;

static void tally_add(tally *t, double value) { t->sum += value, t->squares += value * value, t->n++; }
static double tally_mean(const tally *t) { return t->sum / t->n; }
static double tally_error(const tally *t)
{
    double mean = t->sum / t->n;
    return sqrt(fmax(t->squares / t->n - mean * mean, 0) / (t->n - 1));
}

typedef struct estimate {
    tally *pair;        /* (n) over draws: the pointwise information */
    tally mean;         /* over draws: the mean over these pairs */
    tally alone, given; /* the same for both parts of the difference */
} estimate;

static double squared_error(const float *eps, const float *eps_hat, size_t d)
{
    double sum = 0;
    for (size_t j = 0; j < d; j++) sum += ((double)eps[j] - eps_hat[j]) * ((double)eps[j] - eps_hat[j]);
    return sum;
}

/* One draw of log SNR and noise for each pair. Both denoisers see the same z: what noise does to the
 * error of one it mostly does to that of the other, and the difference keeps little of it. */
static void draw(const pairs *p, const itd_schedule *schedule, uint64_t seed, float *work, estimate *e)
{
    size_t n = p->n, d = p->dim;
    float *eps = work, *z = eps + n * d, *hat = z + n * d, *hat_given = hat + n * d;
    float *logsnr = hat_given + n * d, *weight = logsnr + n;
    double sum[2] = {0, 0};
    itd_rng rng = itd_rng_make(seed, 0x64726177); /* "draw" */
    must(itd_schedule_sample(schedule, &rng, true, n, logsnr, weight), "drawing log SNRs");
    itd_rng_normal_fill(&rng, n * d, eps);
    itd_channel(p->x, eps, logsnr, n, d, z);
    must(p->alone.predict(p->alone.ctx, z, logsnr, n, hat), "denoising");
    must(p->given.predict(p->given.ctx, z, logsnr, n, hat_given), "denoising, given y");
    for (size_t i = 0; i < n; i++) {
        double half_w = 0.5 * (double)weight[i];
        double alone = half_w * squared_error(eps + i * d, hat + i * d, d);
        double given = half_w * squared_error(eps + i * d, hat_given + i * d, d);
        tally_add(&e->pair[i], alone - given);
        sum[0] += alone / (double)n, sum[1] += given / (double)n;
    }
    tally_add(&e->mean, sum[0] - sum[1]), tally_add(&e->alone, sum[0]), tally_add(&e->given, sum[1]);
}

/* I(x;y) = 1/2 Integral E[ mse(x,a) - mse(x|y,a) ] da, and the same without E for each pair. */
static void measure(const pairs *p, const options *o, estimate *e)
{
    itd_schedule schedule = {.loc = 1, .scale = 2, .clip = 6.5}; /* log SNR from -12 to 14 */
    float *work = (float *)must_alloc(p->n, (4 * p->dim + 2) * sizeof *work);
    memset(e, 0, sizeof *e);
    e->pair = (tally *)must_alloc(p->n, sizeof *e->pair);
    for (size_t k = 0; k < o->draws; k++) draw(p, &schedule, o->seed + k, work, e);
    free(work);
}

/* ---- the table ---- */

static const double allowance = 0.001; /* nats, for log SNRs beyond the ends of the schedule */

/* Prints a few pairs; returns the root mean square, over all, of the deviations in standard errors. */
static double show_pairs(const pairs *p, const estimate *e)
{
    double squares = 0;
    printf("  pair   log p(x|y)/p(x)    estimate +- std error    difference / std error\n");
    for (size_t i = 0; i < p->n; i++) {
        double off = tally_mean(&e->pair[i]) - p->pointwise[i], error = tally_error(&e->pair[i]);
        squares += off * off / (error * error) / (double)p->n;
        if (i < SHOWN)
            printf("  %4lu %17.4f %11.4f +- %.4f %25.1f\n", (unsigned long)i + 1, p->pointwise[i],
                   tally_mean(&e->pair[i]), error, off / error);
    }
    printf("   all %36s root mean square %7.2f\n", "", sqrt(squares));
    return sqrt(squares);
}

/* Prints a case; returns whether everything agrees with the truth. */
static int show(const pairs *p, const options *o)
{
    estimate e;
    tally pair = {0, 0, 0}, known = {0, 0, 0};
    double mean, error, error_data, apart;
    int good;
    measure(p, o, &e);
    for (size_t i = 0; i < p->n; i++)
        tally_add(&pair, tally_mean(&e.pair[i])), tally_add(&known, p->pointwise[i]);
    mean = tally_mean(&e.mean), error = tally_error(&e.mean), error_data = tally_error(&pair);
    apart = sqrt(pow(tally_error(&e.alone), 2) + pow(tally_error(&e.given), 2));
    printf("%s: I(x;y) = %.4f nats\n", p->name, p->information);
    printf("  estimate %.4f +- %.4f by the choice of pairs\n", mean, error_data);
    printf("  of these pairs %.4f, estimated with +- %.4f by the draws (each denoiser its own: +- %.4f)\n",
           tally_mean(&known), error, apart);
    good = fabs(mean - tally_mean(&known)) <= 4 * error + allowance &&
           fabs(mean - p->information) <= 4 * error_data + allowance;
    if (!(show_pairs(p, &e) < 1.5)) good = 0;
    printf("\n");
    free(e.pair);
    return good;
}

int main(int argc, char **argv)
{
    static const double one[] = {0.9}, many[] = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8};
    pairs p;
    options o;
    int good = 1;
    must_program = "information";
    o = read_options(argc, argv);
    normal_pairs("Two normal numbers, correlation 0.9", one, 1, &o, &p);
    if (!show(&p, &o)) good = 0;
    pairs_close(&p);
    normal_pairs("Two normal vectors, correlations 0.1, 0.2, ... 0.8", many, 8, &o, &p);
    if (!show(&p, &o)) good = 0;
    pairs_close(&p);
    label_pairs("A point and the label of its spot, 3 spots in 2 dimensions", &o, &p);
    if (!show(&p, &o)) good = 0;
    pairs_close(&p);
    if (!good)
        fprintf(stderr, "information: more than 4 standard errors and %g nats from the truth\n", allowance);
    return must_have_printed() || !good;
}
