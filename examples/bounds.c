/* bounds.c: the variational bound of DDPM, which becomes the integral when its steps become small.
 *   cc -O2 -I. examples/bounds.c -o build/bounds -lm && build/bounds
 *
 * A diffusion model with T steps, a_0 > a_1 > ... > a_T, guesses z_{t-1} from z_t with x_hat in the place of
 * x. Its likelihood is bounded by what it costs to send x through the chain (Ho et al. 2020, Kingma et al.
 * 2021):
 *
 *   E[-log p(x)] <= KL( q(z_T|x) || N(0, I) )                                            the prior
 *                   + 1/2 Sum_{t=1..T} (e^a_{t-1} - e^a_t) E||x - x_hat(z_t, a_t)||^2    the steps
 *                   + E[ -log N(x; z_0 / sqrt(s(a_0)), e^-a_0 I) ]                       the reconstruction
 *
 * The last term is what a real-valued x needs: a decoder that takes z_0 for x and states its noise, so that
 * it costs d/2 (log(2 pi e) - a_0), whatever the data. e^a ||x - x_hat||^2 is ||eps - eps_hat||^2, so the
 * steps are a Riemann sum of the integral of itd_nll, taken at the noisier end of every step, where the error
 * weighs too much: the bound is loose for few steps and falls to the integral like 1/T. "Limit" is what
 * T = 64, 256 and 1024 extrapolate to. The sum over t is estimated by a few random t for each point, with the
 * error of N(0, I), which is known, taken off. For the Gaussian, each bound is checked against its closed
 * form as well. In the code s is s(a) and r is s(-a), the parts of signal and noise in the variance of z.
 * Prints:
 *
 *   Gaussian, 2 dimensions, mean of -log p: 2.1886 in truth, 2.1894 +- 0.0027 by the integral
 *             T        bound +- error     above the truth  above the integral
 *             4    2790.0253 +- 10.9298        2787.8367           2787.8359
 *            16      29.3483 +- 0.0956          27.1597             27.1589
 *            64       6.1148 +- 0.0388           3.9262              3.9254
 *           256       3.0740 +- 0.0338           0.8854              0.8846
 *          1024       2.3891 +- 0.0320           0.2005              0.1997
 *         limit       2.1675 +- 0.0450          -0.0211             -0.0219
 *
 *   3 spots, 2 dimensions, mean of -log p: 1.3293 in truth, 1.3412 +- 0.0117 by the integral
 *             T        bound +- error     above the truth  above the integral
 *             4    2577.8564 +- 10.0759        2576.5272           2576.5153
 *            16      26.6766 +- 0.1088          25.3473             25.3354
 *            64       5.0343 +- 0.0458           3.7051              3.6932
 *           256       2.2083 +- 0.0397           0.8791              0.8672
 *          1024       1.6183 +- 0.0331           0.2890              0.2771
 *         limit       1.4319 +- 0.0490           0.1027              0.0908
 *
 *   4 clouds, 16 dimensions, mean of -log p: 12.8944 in truth, 12.8958 +- 0.0137 by the integral
 *             T        bound +- error     above the truth  above the integral
 *             4   20675.8602 +- 19.7781       20662.9658          20662.9644
 *            16     220.6540 +- 0.1876         207.7596            207.7582
 *            64      43.1590 +- 0.0795          30.2646             30.2632
 *           256      19.5738 +- 0.0647           6.6794              6.6780
 *          1024      14.5683 +- 0.0629           1.6739              1.6725
 *         limit      12.9790 +- 0.0906           0.0846              0.0832
 *
 *   142 dots of the dino, mean of -log p: -2.2306 in truth, -2.2441 +- 0.0249 by the integral
 *             T        bound +- error     above the truth  above the integral
 *             4     287.3243 +- 1.6164         289.5548            289.5684
 *            16       8.3025 +- 0.0992          10.5331             10.5466
 *            64      -0.3414 +- 0.0577           1.8892              1.9028
 *           256      -1.8041 +- 0.0527           0.4265              0.4400
 *          1024      -2.1267 +- 0.0506           0.1039              0.1175
 *         limit      -2.2304 +- 0.0690           0.0002              0.0138 */
#define ITDIFF_IMPLEMENTATION
#include "itdiff.h"

#include "support/args.h"
#include "support/benchmark.h"

enum { LEVELS = 5, MOST_DRAWS = 100000 };
static const size_t steps_of[LEVELS] = {4, 16, 64, 256, 1024}; /* T */

typedef struct options {
    benchmark_source source;
    size_t draws;
} options;

static options read_options(int argc, char **argv)
{
    static options o; /* the option table keeps pointers into it */
    o.source.dataset = "dino", o.source.n = 100, o.draws = 500;
    args_option list[] = {
        BENCHMARK_OPTIONS(o.source),
        args_size("draws", &o.draws, 20, MOST_DRAWS,
                  "Denoiser evaluations per point for each bound, and for the integral."),
    };
    args_table table = {"bounds", "The variational bound with T steps beside the integral.", list,
                        ARGS_COUNT(list)};
    args_parse(&table, argc, argv);
    if (!o.source.load) args_refuse_idle(&table, "dataset data columns seed", "without --load");
    return o;
}

/* ---- a bound ---- */

/* What all bounds of a benchmark share. */
typedef struct chain {
    const benchmark *c;
    float *x;              /* (n,dim) in the denoiser's coordinates */
    itd_gaussian *unit;    /* N(0, I) */
    const itd_gaussian *g; /* the reference */
    size_t *order;         /* (n) which point gets which part of the steps */
    float *eps, *z, *logsnr, *eps_hat, *eps_hat_g;
} chain;

static void chain_open(const benchmark *c, chain *h)
{
    size_t d = c->den.dim, n = c->n, i;
    double *zero = (double *)must_alloc(2 * d, sizeof *zero);
    h->c = c;
    h->unit = (itd_gaussian *)must_alloc(1, sizeof *h->unit);
    *h->unit = (itd_gaussian){d, zero, zero + d, NULL, NULL};
    for (i = 0; i < d; i++) h->unit->lambda[i] = 1;
    h->g = c->mapped ? c->mapped : h->unit;
    h->order = (size_t *)must_alloc(n, sizeof *h->order);
    h->x = (float *)must_alloc(n, 5 * d * sizeof *h->x);
    h->eps = h->x + n * d, h->z = h->eps + n * d, h->eps_hat = h->z + n * d,
    h->eps_hat_g = h->eps_hat + n * d;
    h->logsnr = (float *)must_alloc(n, sizeof *h->logsnr);
    itd_to_coordinates(&c->den, c->x, n, h->x);
    for (i = 0; i < n; i++) h->order[i] = i;
}

static void chain_close(chain *h)
{
    free(h->unit->mean), free(h->unit), free(h->order), free(h->x), free(h->logsnr);
}

/* a_t, evenly spaced: t = 0 is nearly the data, t = T nearly noise. */
static double logsnr_at(const benchmark *c, size_t t, size_t steps)
{
    double high = benchmark_highest(c), low = benchmark_lowest(c);
    return high - (high - low) * (double)t / (double)steps;
}

/* What one step costs for each unit of the squared error of the noise, by definition
 *   (e^a_{t-1} - e^a_t)/2 ||x - x_hat||^2  =  (e^{a_{t-1} - a_t} - 1)/2 ||eps - eps_hat||^2. */
static double step_weight(const benchmark *c, size_t steps)
{
    return 0.5 * expm1((benchmark_highest(c) - benchmark_lowest(c)) / (double)steps);
}

/* The two ends of the chain, for normalized x: the prior, KL( q(z_T | x) || N(0, I) ); and the
 * reconstruction, E[ -log p(x | z_0) ] with the decoder N(x; z_0 / sqrt(s(a_0)), e^-a_0 I). That is the
 * channel read backwards. It knows nothing of the data, so that its cost is the entropy of its noise. */
static double ends(const benchmark *c, const float *x)
{
    double s = itd_sigmoid(benchmark_lowest(c)), r = itd_sigmoid(-benchmark_lowest(c)), sum = 0;
    size_t j, d = c->den.dim;
    for (j = 0; j < d; j++) {
        sum += 0.5 * (s * x[j] * x[j] + r - 1 - log(r));
        sum += 0.5 * (log(2 * DATASET_PI) + 1 - benchmark_highest(c));
    }
    return sum + c->den.log_det;
}

/* mse_G(x, a) is linear in every y_i^2, y_i = u_i . (x - mu): its mean over the points is its value at this
 * one point, whose y_i are their root mean squares. */
static void typical_point(const chain *h, const itd_gaussian *g, float *typical)
{
    size_t i, j, k, d = g->dim, n = h->c->n;
    for (j = 0; j < d; j++) typical[j] = (float)g->mean[j];
    for (k = 0; k < d; k++) {
        const double *u = g->vectors ? g->vectors + k * d : NULL;
        double square = 0;
        for (i = 0; i < n; i++) {
            const float *x = h->x + i * d;
            double y = u ? 0 : x[k] - g->mean[k];
            for (j = 0; u && j < d; j++) y += u[j] * (x[j] - g->mean[j]);
            square += y * y / (double)n;
        }
        if (!u) typical[k] += (float)sqrt(square);
        for (j = 0; u && j < d; j++) typical[j] += (float)(u[j] * sqrt(square));
    }
}

/* The bound of a denoiser whose error is known: that of the best denoiser of a Gaussian. */
static double gaussian_bound(const chain *h, const itd_gaussian *g, size_t steps)
{
    size_t i, t, d = g->dim, n = h->c->n;
    double sum = 0;
    float *x = (float *)must_alloc(d, sizeof *x);
    typical_point(h, g, x);
    for (i = 0; i < n; i++) sum += ends(h->c, h->x + i * d) / (double)n;
    for (t = 1; t <= steps; t++)
        sum += step_weight(h->c, steps) * itd_gaussian_mse(g, x, logsnr_at(h->c, t, steps));
    free(x);
    return sum;
}

/* By how much the bound of the denoiser is above that of the reference: one draw of a step t for each point,
 * evenly spread over the T steps and over the points, and both errors on the same noise. */
static double above_reference(chain *h, size_t steps, uint64_t replicate)
{
    const itd_denoiser *den = &h->c->den;
    itd_denoiser reference = itd_gaussian_denoiser(h->g);
    itd_rng rng = itd_rng_make(replicate, 0x626f756e); /* "boun": the same for every T */
    size_t i, j, n = h->c->n, d = den->dim;
    double sum = 0;
    itd_rng_shuffle(&rng, n, h->order);
    for (i = 0; i < n; i++) {
        double u = ((double)h->order[i] + itd_rng_uniform(&rng)) / (double)n;
        h->logsnr[i] = (float)logsnr_at(h->c, 1 + (size_t)(u * (double)steps), steps);
    }
    itd_rng_normal_fill(&rng, n * d, h->eps);
    itd_channel(h->x, h->eps, h->logsnr, n, d, h->z);
    must(den->predict(den->ctx, h->z, h->logsnr, n, h->eps_hat), "denoising");
    must(reference.predict(reference.ctx, h->z, h->logsnr, n, h->eps_hat_g), "denoising");
    for (i = 0; i < n; i++)
        for (j = i * d; j < (i + 1) * d; j++)
            sum += pow((double)h->eps[j] - h->eps_hat[j], 2) - pow((double)h->eps[j] - h->eps_hat_g[j], 2);
    return step_weight(h->c, steps) * (double)steps * sum / (double)n;
}

/* ---- estimates ---- */

typedef struct estimate {
    double mean, error;
} estimate;

static estimate estimate_of(const double *replicate, size_t n)
{
    estimate e = {0, 0};
    size_t i;
    for (i = 0; i < n; i++) e.mean += replicate[i] / (double)n;
    for (i = 0; i < n; i++) e.error += pow(replicate[i] - e.mean, 2);
    e.error = sqrt(e.error / (double)n / (double)(n - 1));
    return e;
}

/* Where the bounds go when steps become infinitely small. They fall like B + b/T + c/T^2, and T grows by
 * four: (4 B_4T - B_T) / 3 is free of b, and (16 B' - B'')/15 of two such of c. */
static double limit_of(const double *bound /* (3) for T, 4 T, 16 T */)
{
    double coarse = (4 * bound[1] - bound[0]) / 3, fine = (4 * bound[2] - bound[1]) / 3;
    return (16 * fine - coarse) / 15;
}

/* Bounds for every T, then their limit; replicates are independent, so that their spread is the error. */
static void bounds(chain *h, size_t draws, estimate *out /* (LEVELS + 1) */)
{
    double *value = (double *)must_alloc(draws, (LEVELS + 1) * sizeof *value);
    size_t k, r;
    for (k = 0; k < LEVELS; k++) {
        double known = gaussian_bound(h, h->g, steps_of[k]);
        for (r = 0; r < draws; r++) value[k * draws + r] = known + above_reference(h, steps_of[k], r);
    }
    for (r = 0; r < draws; r++) {
        double last[3];
        for (k = 0; k < 3; k++) last[k] = value[(LEVELS - 3 + k) * draws + r];
        value[LEVELS * draws + r] = limit_of(last);
    }
    for (k = 0; k <= LEVELS; k++) out[k] = estimate_of(value + k * draws, draws);
    free(value);
}

/* ---- the table ---- */

/* Nats, for the ends of the chain and for what is left of the limit's error. */
static const double allowance = 0.005;

static void print_line(const char *steps, estimate bound, const double *truth, double integral)
{
    printf("  %9s %12.4f +- %.4f", steps, bound.mean, bound.error);
    if (truth) printf(" %16.4f", bound.mean - *truth);
    printf(" %19.4f\n", bound.mean - integral);
}

/* Whether bounds are what they have to be: equal to the closed form where there is one, above the truth,
 * falling, and true in the limit. */
static int good_bounds(const chain *h, const estimate *bound)
{
    double truth = h->c->exact;
    size_t k;
    int good = fabs(bound[LEVELS].mean - truth) <= 4 * bound[LEVELS].error + allowance;
    for (k = 0; k < LEVELS; k++) {
        double error = 4 * bound[k].error;
        if (bound[k].mean < truth - error - allowance) good = 0;
        if (k && bound[k].mean > bound[k - 1].mean + error) good = 0;
        if (h->c->gaussian && fabs(bound[k].mean - gaussian_bound(h, h->c->gaussian, steps_of[k])) >
                                  error + 1e-5 * bound[k].mean + 1e-4)
            good = 0;
    }
    return good;
}

static int show(const benchmark *c, const options *o)
{
    const double *truth = isnan(c->exact) ? NULL : &c->exact;
    estimate bound[LEVELS + 1];
    itd_nll_result integral = benchmark_integral(c, o->draws);
    char steps[32];
    int good = 1;
    size_t k;
    chain h;
    chain_open(c, &h);
    bounds(&h, o->draws, bound);
    printf("%s, mean of -log p: ", c->name);
    if (truth) printf("%.4f in truth, ", *truth);
    printf("%.4f +- %.4f by the integral\n          T        bound +- error   ", integral.nll,
           integral.std_error);
    printf("%s  above the integral\n", truth ? "  above the truth" : "");
    for (k = 0; k < LEVELS; k++) {
        snprintf(steps, sizeof steps, "%lu", (unsigned long)steps_of[k]);
        print_line(steps, bound[k], truth, integral.nll);
    }
    print_line("limit", bound[LEVELS], truth, integral.nll);
    printf("\n");
    if (truth && !c->model) good = good_bounds(&h, bound);
    chain_close(&h);
    return good;
}

int main(int argc, char **argv)
{
    options o;
    benchmark c;
    int kind, good = 1;
    must_program = "bounds";
    o = read_options(argc, argv);
    for (kind = 0; kind < BENCHMARK_COUNT && !o.source.load; kind++) {
        benchmark_exact((benchmark_kind)kind, o.source.n, 1, &c);
        if (!show(&c, &o)) good = 0;
        benchmark_free(&c);
    }
    if (o.source.load) {
        benchmark_checkpoint(&o.source, &c);
        show(&c, &o);
        benchmark_free(&c);
    }
    if (!good) fprintf(stderr, "bounds: more than 4 standard errors and %g nats from the truth\n", allowance);
    return must_have_printed() || !good;
}
