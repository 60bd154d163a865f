/* ode.c: the same likelihood by another way.
 *   cc -O2 -I. examples/ode.c -o build/ode -lm && build/ode
 *
 * A denoiser tells where the data lie from a noisy point z. Follow it, without adding noise, and z moves
 * along the probability-flow ODE, whose points have at every log SNR a the distribution of noisy data:
 *
 *   dz/da = sqrt(s(-a))/2 ( sqrt(s(-a)) z - eps_hat(z, a) ) =: f(z, a)
 *
 * A flow thins out what it spreads, so the density at its end is the one at its beginning, which is normal,
 * divided by how much it spread:
 *
 *   log p(x) = log N(z_low; 0, I) - Integral tr(df/dz) da + (d/2) log s(high),   z_high = sqrt(s(high)) x
 *
 * Nothing here is a squared error, and with the whole trace nothing is random: an estimate that shares no
 * step with the integral of itd_nll, from the same denoiser. Both are compared with the truth, for
 * closed-form denoisers. (For a network the Gaussian of its data, behind the channel, takes the place of
 * N(0, I), as it is the reference of the integral.)
 *
 * The trace is taken "full", by differences along every axis, or for many dimensions "probed" along random
 * directions, each of which gives it on average. "+-" of the integral is its standard error. Of the ODE it is
 * how far a second solution is away that is ten times as loose, and for probes their standard error too.
 * "Apart" is the difference of the two in such bars. In the code s is s(a) and r is s(-a), the parts of
 * signal and noise in the variance of z. Prints:
 *
 *   mean of -log p, nats    trace     exact     integral +- bar          ODE +- bar apart  evaluations
 *   Gaussian, 2 dimensions  full     2.1886    2.1889 +- 0.0017    2.1886 +- 0.0000  -0.2   99992   94000
 *   3 spots, 2 dimensions   full     1.3293    1.3375 +- 0.0119    1.3293 +- 0.0001  -0.7   99992  127000
 *   4 clouds, 16 dimensions full    12.8944   12.8968 +- 0.0095   12.8944 +- 0.0004  -0.2   99992  600600
 *   4 clouds, 16 dimensions probed  12.8944   12.8968 +- 0.0095   12.9029 +- 0.0525   0.1   99992  451200
 *   142 dots of the dino    full    -2.2306   -2.2428 +- 0.0303   -2.2305 +- 0.0002   0.4   99992  160000 */
#define ITDIFF_IMPLEMENTATION
#include "itdiff.h"

#include "support/args.h"
#include "support/benchmark.h"

typedef struct options {
    benchmark_source source;
    size_t draws, probes, full_up_to;
    double tolerance, step;
} options;

static options read_options(int argc, char **argv)
{
    static options o; /* the option table keeps pointers into it */
    o.source.dataset = "dino";
    o.source.n = 100, o.draws = 1000, o.probes = 8, o.full_up_to = 16;
    o.tolerance = 1e-5, o.step = 0.003;
    args_option list[] = {
        BENCHMARK_OPTIONS(o.source),
        args_size("draws", &o.draws, 20, 1000000, "Denoiser evaluations per point for the integral."),
        args_double("tolerance", &o.tolerance, 1e-8, 1, "Maximum error of a step of the ODE, per dimension."),
        args_double("step", &o.step, 1e-5, 1,
                    "Step of the finite differences, in standard deviations of the noise."),
        args_size("full_up_to", &o.full_up_to, 0, 4096,
                  "Up to this many dimensions the divergence is exact, above it is estimated by probes."),
        args_size("probes", &o.probes, 2, 100000,
                  "Random directions for each point where the divergence is estimated."),
    };
    args_table table = {"ode", "Likelihoods by the probability-flow ODE beside those by the integral.", list,
                        ARGS_COUNT(list)};
    args_parse(&table, argc, argv);
    if (!o.source.load) args_refuse_idle(&table, "dataset data columns seed full_up_to", "without --load");
    return o;
}

/* ---- the flow ---- */

/* Many trajectories that share a log SNR and a step. The state y of one is dim + 1 numbers, (z, l): where it
 * is, and the logarithm of how much its surroundings have been stretched. */
typedef struct flow {
    const itd_denoiser *den;
    size_t rows, calls;          /* trajectories; denoiser evaluations for the velocity of one */
    const float *probe;          /* (rows,dim) +-1: the direction of each; NULL: along every axis in turn */
    double step;                 /* of the differences, in units of sqrt(s(-a)) */
    float *z, *logsnr, *eps_hat; /* (rows * calls) what the denoiser is shown, and says */
    size_t evaluations;
} flow;

static void flow_open(const itd_denoiser *den, size_t rows, const float *probe, double step, flow *f)
{
    f->den = den, f->rows = rows, f->probe = probe, f->step = step, f->evaluations = 0;
    f->calls = 1 + 2 * (probe ? 1 : den->dim);
    f->z = (float *)must_alloc(rows * f->calls, den->dim * sizeof *f->z);
    f->eps_hat = (float *)must_alloc(rows * f->calls, den->dim * sizeof *f->eps_hat);
    f->logsnr = (float *)must_alloc(rows * f->calls, sizeof *f->logsnr);
}

static void flow_close(flow *f) { free(f->z), free(f->eps_hat), free(f->logsnr); }

/* z, then pairs of neighbours of z to both sides: along every axis, or along the probe. They are a small part
 * of the noise away, over which the denoiser is smooth, yet far enough for single precision. */
static void flow_neighbours(const flow *f, size_t row, double root_r, const double *y)
{
    size_t d = f->den->dim, j, k;
    float *z = f->z + row * f->calls * d;
    for (k = 0; k < f->calls; k++)
        for (j = 0; j < d; j++) {
            double h = fmax(f->step * root_r, 1e-6 * fmax(1, fabs(y[j])));
            double along = k == 0 ? 0 : f->probe ? (double)f->probe[row * d + j] : (k - 1) / 2 == j;
            z[k * d + j] = (float)(y[j] + (k % 2 ? h : -h) * along);
        }
}

/* tr(d eps_hat / d z), from differences of eps_hat between neighbours. Along all axes it is the sum of the
 * derivatives. Along a probe v of independent signs, Sum_j v_j (J v)_j has the trace of J as its mean, since
 * the signs v_j v_k of everything off the diagonal average to nothing (Hutchinson). */
static double flow_trace(const flow *f, size_t row)
{
    size_t d = f->den->dim, j, k;
    double trace = 0;
    for (k = 1; k < f->calls; k += 2) {
        const float *z = f->z + (row * f->calls + k) * d, *eps_hat = f->eps_hat + (row * f->calls + k) * d;
        for (j = f->probe ? 0 : (k - 1) / 2; j < (f->probe ? d : (k + 1) / 2); j++)
            trace += ((double)eps_hat[j] - eps_hat[d + j]) / ((double)z[j] - z[d + j]);
    }
    return trace;
}

/* dz/da = sqrt(s(-a))/2 ( sqrt(s(-a)) z - eps_hat ),  dl/da = its divergence, by z. */
static void flow_velocity(flow *f, double logsnr, const double *y, double *dy)
{
    size_t d = f->den->dim, n = f->rows * f->calls, row, j;
    double root_r = sqrt(itd_sigmoid(-logsnr));
    for (row = 0; row < f->rows; row++) flow_neighbours(f, row, root_r, y + row * (d + 1));
    for (row = 0; row < n; row++) f->logsnr[row] = (float)logsnr;
    must(f->den->predict(f->den->ctx, f->z, f->logsnr, n, f->eps_hat), "denoising");
    f->evaluations += n;
    for (row = 0; row < f->rows; row++) {
        const float *eps_hat = f->eps_hat + row * f->calls * d;
        double *v = dy + row * (d + 1);
        for (j = 0; j < d; j++) v[j] = 0.5 * root_r * (root_r * y[row * (d + 1) + j] - eps_hat[j]);
        v[d] = 0.5 * root_r * (root_r * (double)d - flow_trace(f, row));
    }
}

/* ---- Dormand and Prince's pair of methods, of order 5 and 4 ---- */

enum { STAGES = 7 };
static const double node[STAGES] = {0, 1 / 5., 3 / 10., 4 / 5., 8 / 9., 1, 1};
static const double stage[STAGES][STAGES - 1] = {
    {0},
    {1 / 5.},
    {3 / 40., 9 / 40.},
    {44 / 45., -56 / 15., 32 / 9.},
    {19372 / 6561., -25360 / 2187., 64448 / 6561., -212 / 729.},
    {9017 / 3168., -355 / 33., 46732 / 5247., 49 / 176., -5103 / 18656.},
    {35 / 384., 0, 500 / 1113., 125 / 192., -2187 / 6784., 11 / 84.} /* the fifth-order result itself */
};
/* fifth order - fourth order */
static const double differ[STAGES] = {71 / 57600.,      0,         -71 / 16695., 71 / 1920.,
                                      -17253 / 339200., 22 / 525., -1 / 40.};

/* y + h Sum_k weight_k velocity_k */
static void combine(const double *y, double h, const double *weight, size_t terms, double *const *velocity,
                    size_t n, double *out)
{
    size_t i, k;
    for (i = 0; i < n; i++) {
        double sum = 0;
        for (k = 0; k < terms; k++) sum += weight[k] * velocity[k][i];
        out[i] = (y ? y[i] : 0) + h * sum;
    }
}

/* The error of a step, root mean square over trajectories: of z and of l, per dimension. */
static double error_norm(const double *error, size_t rows, size_t d)
{
    double sum = 0;
    size_t row, j;
    for (row = 0; row < rows; row++) {
        const double *e = error + row * (d + 1);
        for (j = 0; j < d; j++) sum += e[j] * e[j] / (double)d;
        sum += e[d] * e[d] / (double)(d * d);
    }
    return sqrt(sum / (double)rows);
}

/* Numbers that a step needs; n = rows * (dim + 1) of each. */
typedef struct workspace {
    double *all, *velocity[STAGES], *next, *error;
} workspace;

static workspace workspace_open(size_t n)
{
    workspace w;
    size_t k;
    w.all = (double *)must_alloc((STAGES + 2) * n, sizeof *w.all);
    for (k = 0; k < STAGES; k++) w.velocity[k] = w.all + k * n;
    w.next = w.all + STAGES * n, w.error = w.next + n;
    return w;
}

/* One step from y to w->next, with the velocity at its beginning in w->velocity[0]. Returns its error. */
static double flow_step(flow *f, double at, double h, const double *y, workspace *w)
{
    size_t k, n = f->rows * (f->den->dim + 1);
    double norm;
    for (k = 1; k < STAGES; k++) {
        combine(y, h, stage[k], k, w->velocity, n, w->next);
        flow_velocity(f, at + node[k] * h, w->next, w->velocity[k]);
    }
    combine(NULL, h, differ, STAGES, w->velocity, n, w->error);
    norm = error_norm(w->error, f->rows, f->den->dim);
    if (!(norm <= DBL_MAX)) fail("the denoiser's answer is not finite");
    return norm;
}

/* Carries y from one log SNR to another. Steps grow and shrink so that each errs by the tolerance; below a
 * thousandth of the way they are taken as they are, since there only rounding is left to follow. */
static void flow_solve(flow *f, double from, double to, double tolerance, double *y)
{
    size_t n = f->rows * (f->den->dim + 1);
    double at = from, h = (to - from) / 20, smallest = fabs(to - from) / 1000;
    workspace w = workspace_open(n);
    flow_velocity(f, at, y, w.velocity[0]);
    while (fabs(to - at) > 1e-9) {
        double ratio;
        if (fabs(h) > fabs(to - at)) h = to - at;
        ratio = flow_step(f, at, h, y, &w) / tolerance;
        if (ratio <= 1 || fabs(h) <= smallest) { /* the last velocity is the first of the next step */
            memcpy(y, w.next, n * sizeof *y), memcpy(w.velocity[0], w.velocity[STAGES - 1], n * sizeof *y);
            at += h;
        }
        h *= fmin(fmax(0.9 * pow(fmax(ratio, 1e-9), -0.2), 0.2), 4);
        if (fabs(h) < smallest) h = h < 0 ? -smallest : smallest;
    }
    free(w.all);
}

/* ---- the likelihood ---- */

/* -log of the density at the noisy end: the Gaussian of the data behind the channel, N(0, I) without one. */
static double noise_nll(const itd_gaussian *reference, size_t d, double logsnr, const double *y)
{
    double s = itd_sigmoid(logsnr), r = itd_sigmoid(-logsnr), nll;
    double *moments = (double *)must_alloc(2 * d, sizeof *moments);
    float *z = (float *)must_alloc(d, sizeof *z);
    itd_gaussian end = {d, moments, moments + d, reference ? reference->vectors : NULL, NULL};
    size_t j;
    for (j = 0; j < d; j++) {
        z[j] = (float)y[j];
        end.mean[j] = reference ? sqrt(s) * reference->mean[j] : 0;
        end.lambda[j] = reference ? s * reference->lambda[j] + r : 1;
    }
    nll = itd_gaussian_nll(&end, z);
    free(moments), free(z);
    return nll;
}

/* log p(x) = log p(z_low) + l + (d/2) log s(high): where the flow ends at the low end of the log SNR, what it
 * was stretched by, and from z = sqrt(s(high)) x to x. */
static void ode_nll(const benchmark *c, flow *f, double tolerance, const double *start, double *nll)
{
    size_t d = f->den->dim, row, n = f->rows * (d + 1);
    double low = benchmark_lowest(c), high = benchmark_highest(c), *y = (double *)must_alloc(n, sizeof *y);
    memcpy(y, start, n * sizeof *y);
    flow_solve(f, high, low, tolerance, y);
    for (row = 0; row < f->rows; row++) {
        double *end = y + row * (d + 1);
        nll[row] = noise_nll(c->mapped, d, low, end) - end[d] - 0.5 * (double)d * log(itd_sigmoid(high)) +
                   f->den->log_det;
    }
    free(y);
}

/* Where trajectories begin, `repeats` from each point. Behind the channel when they are repeated: noise that
 * hardly shows, but it makes the estimate the very mean over noise that the integral is. */
static void begin(const benchmark *c, size_t repeats, itd_rng *rng, double *start)
{
    size_t d = c->den.dim, i, j;
    double high = benchmark_highest(c), root_s = sqrt(itd_sigmoid(high)), root_r = sqrt(itd_sigmoid(-high));
    float *x = (float *)must_alloc(d, sizeof *x);
    for (i = 0; i < c->n * repeats; i++) {
        itd_to_coordinates(&c->den, c->x + i / repeats * d, 1, x);
        for (j = 0; j < d; j++)
            start[i * (d + 1) + j] = root_s * x[j] + (repeats > 1 ? root_r * itd_rng_normal(rng) : 0);
    }
    free(x);
}

typedef struct estimate {
    double mean, bar; /* nats; standard error and numerical error together */
    size_t evaluations;
} estimate;

/* sqrt of the variance of the mean over points, each with `repeats` independent values. */
static double spread(const double *value, size_t points, size_t repeats)
{
    double variance = 0, n = (double)points, m = (double)repeats;
    size_t i, k;
    for (i = 0; i < points && repeats > 1; i++) {
        double mean = 0;
        for (k = 0; k < repeats; k++) mean += value[i * repeats + k] / m;
        for (k = 0; k < repeats; k++)
            variance += (value[i * repeats + k] - mean) * (value[i * repeats + k] - mean) /
                        (m * (m - 1) * n * n);
    }
    return sqrt(variance);
}

/* Solves twice, the second time ten times as loosely and with differences twice as wide: by how much the
 * results differ bounds the error of the first, for which all this is smaller. */
static estimate by_ode(const benchmark *c, const options *o, int probed)
{
    size_t d = c->den.dim, repeats = probed ? o->probes : 1, rows = c->n * repeats, i;
    double *start = (double *)must_alloc(rows, (d + 1) * sizeof *start), off = 0, scatter = 0, error;
    double *fine = (double *)must_alloc(rows, sizeof *fine),
           *loose = (double *)must_alloc(rows, sizeof *loose);
    float *probe = probed ? (float *)must_alloc(rows, d * sizeof *probe) : NULL;
    itd_rng rng = itd_rng_make(1, 0x6f6465); /* "ode" */
    estimate e = {0, 0, 0};
    flow f;
    for (i = 0; probed && i < rows * d; i++) probe[i] = itd_rng_below(&rng, 2) ? 1 : -1;
    begin(c, repeats, &rng, start);
    flow_open(&c->den, rows, probe, o->step, &f);
    ode_nll(c, &f, o->tolerance, start, fine);
    f.step = 2 * o->step;
    ode_nll(c, &f, 10 * o->tolerance, start, loose);
    for (i = 0; i < rows; i++) e.mean += fine[i] / (double)rows, off += (loose[i] - fine[i]) / (double)rows;
    for (i = 0; i < rows; i++) scatter += pow((loose[i] - fine[i] - off) / (double)rows, 2);
    error = fabs(off) + sqrt(scatter);
    e.bar = sqrt(pow(spread(fine, c->n, repeats), 2) + error * error), e.evaluations = f.evaluations;
    flow_close(&f);
    free(start), free(fine), free(loose), free(probe);
    return e;
}

/* ---- the table ---- */

static const double allowance = 0.002; /* nats, for log SNRs beyond the ends of the schedule */

static void title(void)
{
    printf("mean of -log p, nats    trace     exact     integral +- bar          ODE +- bar apart  "
           "evaluations\n");
}

/* Prints a line of the table; returns whether both estimates agree with the truth, where there is one. */
static int compare(const benchmark *c, const options *o, int probed)
{
    itd_nll_result integral = benchmark_integral(c, o->draws);
    estimate ode = by_ode(c, o, probed);
    double bar = sqrt(ode.bar * ode.bar + integral.std_error * integral.std_error);
    char exact[32] = "-";
    if (!isnan(c->exact)) snprintf(exact, sizeof exact, "%.4f", c->exact);
    printf("%-23s %-6s %8s %9.4f +- %.4f %9.4f +- %.4f %5.1f %7lu %7lu\n", c->name,
           probed ? "probed" : "full", exact, integral.nll, integral.std_error, ode.mean, ode.bar,
           (ode.mean - integral.nll) / bar, (unsigned long)integral.evaluations,
           (unsigned long)ode.evaluations);
    fflush(stdout);
    return isnan(c->exact) || (fabs(integral.nll - c->exact) <= 4 * integral.std_error + allowance &&
                               fabs(ode.mean - c->exact) <= 4 * ode.bar + allowance);
}

static int known_laws(const options *o)
{
    int kind, good = 1;
    title();
    for (kind = 0; kind < BENCHMARK_COUNT; kind++) {
        benchmark c;
        benchmark_exact((benchmark_kind)kind, o->source.n, 1, &c);
        if (!compare(&c, o, 0)) good = 0;
        if (kind == BENCHMARK_CLOUDS && !compare(&c, o, 1)) good = 0;
        benchmark_free(&c);
    }
    return good;
}

/* A network is not the best denoiser, so its integral is a bound and its flow has a density of its own: what
 * is between them shows how far it is from being the denoiser of any density. */
static void checkpoint(const options *o)
{
    benchmark c;
    benchmark_checkpoint(&o->source, &c);
    title();
    compare(&c, o, c.den.dim > o->full_up_to);
    benchmark_free(&c);
}

int main(int argc, char **argv)
{
    options o;
    int good = 1;
    must_program = "ode";
    o = read_options(argc, argv);
    if (o.source.load) checkpoint(&o);
    else good = known_laws(&o);
    if (!good)
        fprintf(stderr, "ode: an estimate is more than 4 bars and %g nats from the truth\n", allowance);
    return must_have_printed() || !good;
}
