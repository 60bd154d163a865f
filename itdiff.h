/* itdiff.h: information-theoretic diffusion in one C file.  version 0.2.0  MIT or public domain, your choice

   A network trained to remove Gaussian noise is a density model: its squared error, integrated over the log
   signal-to-noise ratio, gives the negative log-likelihood of the data (Kong, Brekelmans & Ver Steeg,
   "Information-Theoretic Diffusion", ICLR 2023). This header trains such networks, turns their errors into
   log-likelihoods with error bars, and draws samples. It is plain C99 and needs only libc and libm.

   DO THIS in exactly one source file, before the include:

       #define ITDIFF_IMPLEMENTATION
       #include "itdiff.h"

   and build with `cc -O2 main.c -lm`. Every other file includes it without the define.
   With -fopenmp it uses all cores; results do not depend on how many.

   STEP BY STEP
       itd_model_desc md = itd_model_desc_default(2);            two-dimensional data
       itd_model *model;  itd_trainer *trainer;  double loss;
       itd_model_create(&md, 1, &model);                         random weights of seed 1; check each result
       itd_model_fit(model, x, n);                               mean, scale and Gaussian of the data
       itd_trainer_desc td = itd_trainer_desc_default();
       itd_trainer_create(model, &td, &trainer);
       itd_train_epoch(trainer, x, n, &loss);                    for example 100 times
       itd_denoiser den = itd_model_denoiser(model);             what estimator and sampler work on
       itd_nll_desc nd = itd_model_nll_desc(model);
       itd_nll(&den, x_test, m, &nd, &result, NULL, NULL);       nats, with standard errors
       itd_sample_desc sd = itd_model_sample_desc(model);
       itd_sample(&den, &sd, 1000, out);                         1000 new points
       itd_save(model, trainer, "file.safetensors", &error);

   DOES      density estimation by denoising, for vectors and images; log-likelihoods from any denoiser, your
             own included; standard errors on every estimate; sampling; checkpoints that every reader of
             safetensors opens, and weights from other programs.
   DOES NOT  print, exit, read the clock, use a random number that you did not seed, or keep global state
             other than the choice of instruction set.
   TRUST     tests compare operations and gradients with double-precision references and finite differences,
             the estimator with closed-form densities; files are fully validated before use.

   CONTENTS  (search for the word after >>)
     Part I, the method, for everyone
       >>method         the theory: formulas, what is cut off, data without a density, units
       >>configuration  macros, memory, threads
       >>api            everything a program calls
       >>shared         what this part needs from the others    (the implementation starts here)
       >>channel        the noisy channel, the schedule over log SNR
       >>gaussian       the Gaussian as the reference density
       >>likelihood     the estimator
       >>model          normalization, parameterization, denoiser
       >>trainer        the loss and the training step
       >>sampling       from noise to data
     Part II, networks, for those who want to change them
       >>descriptions   every field of a model and a trainer: its default, its range, its name in a file
       >>interface      the kernels, as the operations see them
       >>ops            each operation of a network, forward followed by backward
       >>network        the layer table, the MLP, the U-Net, Adam
     Part III, the machine, for those who want it faster
       >>portability    checked sizes, errors, memory, threads
       >>rng            counter-based random numbers
       >>kernels        matrix product, convolution, elementwise loops: the only place that knows the machine
       >>eigen          covariances: eigenvectors, the Gaussians and the normalization made of them
     Part IV, files
       >>checkpoint     safetensors in and out
       >>licence */

#ifndef ITDIFF_H
#define ITDIFF_H

#define ITDIFF_VERSION "0.2.0"

/* >>method -------------------------------------------------------------------------------------------------

   How errors of denoising become a likelihood. Proofs are in docs/method.md. To the right of a formula
   stands the function that computes it. s() is the logistic sigmoid 1 / (1 + exp(-x)).

   THE CHANNEL. Data x of dimension d are mixed with noise at a log signal-to-noise ratio alpha (`logsnr`):

       z = sqrt(s(alpha)) x + sqrt(s(-alpha)) eps,    eps ~ N(0, I)                               itd_channel

   A denoiser estimates the noise from z and alpha. Its error for one point x is

       mse(x, alpha) = E_eps || eps - eps_hat(z, alpha) ||^2                                    itd_mse_curve

   The best denoiser is the conditional mean E[eps | z]. Averaged over the data, its error tends to 0 where
   z is all noise, and to d where the noise is finer than any detail of the data.

   THE IDENTITY. Per unit of alpha, z gains half the best denoiser's error in nats of information about x (the
   I-MMSE relation of Guo, Shamai & Verdu 2005). Integrate that from all noise to none; to keep the integral
   finite, subtract the error d s(alpha) that N(0, I) has. For the best denoiser this gives

       -log p(x) = (d/2) log(2 pi e) + 1/2 Integral [ mse(x, alpha) - d s(alpha) ] d alpha

   Here d s(alpha) is the mean error of the best denoiser of N(0, I). The constant is the same for every p.
   For p = N(0, I) the integrand is 0 on average, so the constant is the average of -log p, its entropy.

   THE REFERENCE. Write the identity for a Gaussian N(mu, Sigma) as well, and subtract it: the constant and
   d s(alpha) cancel. With lambda_i, u_i the eigenpairs of Sigma, y_i = u_i.(x - mu) and
   g_i = s(alpha + log lambda_i),

       mse_G(x, alpha) = Sum_i [ g_i^2 + g_i (1 - g_i) y_i^2 / lambda_i ]                     itd_gaussian_mse
       -log p(x) = -log N(x; mu, Sigma) + 1/2 Integral [ mse(x, alpha) - mse_G(x, alpha) ] d alpha    itd_nll

         d |                          . - - ========     - - -  mse_G, the Gaussian's error
           |                    . '     _-'              _____  mse, the model's; both averaged over data
           |                . '      _-'
           |           . '        _-'                    Half the area between them is the model's
         0 |======= - '______---'                        advantage over the Gaussian, in nats.
           +---|---------------------------------|---> alpha
               a0 = loc - clip scale             a1 = loc + clip scale       (where the integral is cut)

   A DENOISER THAT IS NOT THE BEST has a larger error, on average by || eps_hat - E[eps | z] ||^2. Averaged
   over the data, the estimate is therefore an upper bound: a cross-entropy, which training lowers. For a
   single x it is no bound.

   THE INTEGRAL is an expectation over alpha from a logistic distribution, truncated to a0 .. a1:

       Integral f(alpha) d alpha = E[ w(alpha) f(alpha) ],    t = (alpha - loc) / scale,         itd_schedule
       w = 1 / density = scale tanh(clip/2) / (s(t) s(-t))                                itd_schedule_weight

   With one alpha_b and one eps_b for each row b of a batch, the loss estimates the formula of THE IDENTITY,
   without bias but for the truncation:

       loss = (d/2) log(2 pi e) + 1/2 mean_b [ w_b (||eps_b - eps_hat_b||^2 - d s(alpha_b)) ]  itd_train_step

   WHAT THE TRUNCATION COSTS. To leave out the integral outside a0 .. a1 is to use the reference's denoiser
   there, so on average the result is still an upper bound. On the left, a direction of variance v costs at
   most v exp(a0) / 2 nats. On the right, the result is that of data blurred by noise of standard deviation
   exp(-a1/2): a detail of standard deviation h that the reference lacks costs log(1 + exp(-a1)/h^2) / 2 nats
   per dimension. For loc 0 and scale 3:

                  range     left, v = 1     blur       right, h = 0.1    0.01       0.001     largest w
       clip 4   -12 .. 12       3e-6        0.0025            3e-4       0.03       0.98          164
       clip 6   -18 .. 18       8e-9        0.00012           8e-7       8e-5       0.008        1210

   If a likelihood improves when clip grows, the range was too short. With clip 6 instead of 4 only 3 % of the
   draws are outside -12 .. 12, but their weights make the noise of the training loss 2.6 times as large.

   GRIDS, FLAT AND REPEATED DATA have no density: the true E[-log p] is minus infinity. What is printed is the
   finite value of the blurred data. Each direction without extent lowers it by 1/2 nat per unit of a1, if the
   network learns that. For separate values of probability P(x), much further apart than the blur, the best
   denoiser gives, in its coordinates,

       -log P(x) + (d/2) (log(2 pi e) - a1)

   So add uniform noise of one step to rounded columns, and leave out columns that others determine. If all
   values lie on a grid, as 8-bit images do, ask for their probability, which needs no reference:

       -log P(x) = 1/2 Integral mse(x, alpha) d alpha                                  examples/support/grid.h

   THE PARAMETERIZATION. With v the variance of the data, a network F enters as                   ITD_GAUSSIAN

       eps_hat = sqrt(s(-alpha))/V z + sqrt(s(alpha) v / V) F(z/sqrt(V), alpha),    V = s(alpha) v + s(-alpha)

   F = 0, where training starts, is the best denoiser of N(0, vI). At low SNR the factor of F nearly vanishes:
   its square is about v exp(alpha), 0.000006 for v = 1 and alpha = -12. Multiplied by the weight 164 there,
   the squared error of F counts 0.001 times, that of a network which estimates eps itself (ITD_PLAIN) 164.

   THE PILOT. itd_nll spends up to an eighth of its draws on finding where the integrand varies most, and
   draws there more often, with smaller weights. The pilot's draws are not used again. To keep them would bias
   the mean: a draw with a large error would itself lower the weights at its place, and so count too little.

   UNITS. Logarithms are natural, so likelihoods are in nats. Multiplying x by c adds d log c to -log p.
   Nats / (d log 2) are bits per dimension. Scaling bytes to [-1, 1] lowers these by log2 127.5 = 6.994.

   Paper -> here:  alpha -> logsnr, or a,  epsilon -> eps,  sigma(alpha) -> itd_sigmoid(logsnr),
   q(alpha) -> itd_schedule,  h_G -> itd_gaussian_entropy. "The original" is InfoDiffusionSimple, the paper's
   authors' simplified code (github.com/gregversteeg/InfoDiffusionSimple). */

/* >>configuration ------------------------------------------------------------------------------------------

   What to define before the include, and what holds for all functions.

   ITDIFF_IMPLEMENTATION   in one source file: also compile the code
   ITDIFF_STATIC           all functions static (the header private to one file)
   ITDIFF_NO_STDIO         no checkpoints, no <stdio.h>
   ITDIFF_FILE             the name this file is included by, if you renamed it (default "itdiff.h")
   ITD_MALLOC(size) ITD_FREE(p)   your allocator; define both or neither
   ITD_ASSERT(condition)   catches misuse by the caller, never the state of data or files (default assert)
   ITD_FSYNC(file)         called before a finished checkpoint takes its name; 0 on success. C99 has none,
                           so the default does nothing: #define ITD_FSYNC(file) fsync(fileno(file))
   ITD_NO_SIMD             plain C99 loops only
   ITD_DEF                 what stands before public functions (default extern)

   Memory: each type of object has a function itd_..._free, which allows NULL. After the first call with the
   largest batch, training steps and denoisers allocate nothing. Sizes are checked for overflow.

   Threads: one object belongs to one thread at a time; different objects are independent. With OpenMP the
   library divides its loops; the number of threads changes no bit of a result, as ITD__PARALLEL explains. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef ITD_DEF
#if !defined(ITDIFF_STATIC)
#define ITD_DEF extern
#elif defined(__GNUC__)
#define ITD_DEF static __attribute__((unused))
#else
#define ITD_DEF static
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* >>api ----------------------------------------------------------------------------------------------------

   Everything a program calls. Arrays are rows of dim numbers, one after the other; comments give the shape,
   slowest index first. Images are (height,width,channels), NHWC. A description (..._desc) comes from its
   ..._default; the comment on a field ends in that default.

   Your own data: put n rows of dim floats into an array, and rows for testing into another. Columns may have
   any units, but a float has 24 bits, so subtract large offsets, such as those of times, in double first.
   Leave out constant columns and rows with missing values. For 8-bit images use x / 127.5 - 1, no normalize,
   variance 0.25 and a schedule such as 6, 3, 4. examples/fit.c reads tables, train_images.c images. */

/* Every function that can fail returns a result; its outputs come last and are untouched on failure. All may
   return ITD_ERROR_ARGUMENT and ITD_ERROR_MEMORY; the comment on a function names the other codes. */
#define ITD_RESULTS(X)                                                                                       \
    X(ITD_OK, "success")                                                                                     \
    X(ITD_ERROR_ARGUMENT, "an argument is outside its documented range")                                     \
    X(ITD_ERROR_MEMORY, "out of memory")                                                                     \
    X(ITD_ERROR_DATA, "the data are not finite, or do not vary")                                             \
    X(ITD_ERROR_NUMERIC, "a loss, gradient or prediction is not finite")                                     \
    X(ITD_ERROR_CALLBACK, "the denoiser reported a failure of its own")                                      \
    X(ITD_ERROR_OPEN, "the file cannot be opened")                                                           \
    X(ITD_ERROR_READ, "the file cannot be read")                                                             \
    X(ITD_ERROR_WRITE, "the file cannot be written")                                                         \
    X(ITD_ERROR_FORMAT, "the file is not valid safetensors")                                                 \
    X(ITD_ERROR_CHECKSUM, "the data of the file do not match its checksum")                                  \
    X(ITD_ERROR_MISMATCH, "the file is valid but does not hold what was asked for")

#define ITD_RESULT_NAME(name, text) name,
typedef enum itd_result { ITD_RESULTS(ITD_RESULT_NAME) ITD_RESULT_COUNT } itd_result;
#undef ITD_RESULT_NAME

/* The sentence above for a result, "unknown result" for any other number. Never NULL. */
ITD_DEF const char *itd_result_string(itd_result result);

/* One line about a failure with a file: what, where, expected, found. */
typedef struct itd_error {
    char text[256];
} itd_error;

/* ---- random numbers: functions of (seed, stream, counter) ---- */

typedef struct itd_rng {
    uint64_t seed, stream, counter;
} itd_rng;

ITD_DEF itd_rng itd_rng_make(uint64_t seed, uint64_t stream); /* streams of one seed are independent */
ITD_DEF double itd_rng_uniform(itd_rng *rng);                 /* above 0, at most 1; one count */
ITD_DEF double itd_rng_normal(itd_rng *rng);                  /* N(0, 1); one count */
ITD_DEF uint64_t itd_rng_below(itd_rng *rng, uint64_t n);     /* uniform in 0 .. n-1, n >= 1 */
ITD_DEF void itd_rng_shuffle(itd_rng *rng, size_t n, size_t *index /* (n) put into random order */);
/* n variates N(0, 1); one count for every four. Filling 4k and then m is the same as filling 4k + m. */
ITD_DEF void itd_rng_normal_fill(itd_rng *rng, size_t n, float *out /* (n) */);

/* ---- channel and schedule ---- */

ITD_DEF double itd_sigmoid(double x); /* 1 / (1 + exp(-x)), exact at both ends */

/* z = sqrt(s(logsnr)) x + sqrt(s(-logsnr)) eps, one logsnr for each of n rows. */
ITD_DEF void itd_channel(const float *x /* (n,d) */, const float *eps /* (n,d) */,
                         const float *logsnr /* (n) */, size_t n, size_t d, float *z /* (n,d) */);

/* Distribution of the log SNR: logistic(loc, scale) truncated to loc +- clip * scale. |loc| < 1e6,
   0 < scale < 1e6, 0 < clip < 700. To add another distribution, see >>channel. */
typedef struct itd_schedule {
    double loc, scale, clip;
} itd_schedule;

ITD_DEF itd_schedule itd_schedule_default(void);                          /* 0, 3, 4 */
ITD_DEF double itd_schedule_quantile(const itd_schedule *s, double u);    /* u in [0, 1] -> log SNR */
ITD_DEF double itd_schedule_weight(const itd_schedule *s, double logsnr); /* w = 1 / density */
/* n draws with their weights. stratified: one in each of n equally probable intervals, in random order. */
ITD_DEF itd_result itd_schedule_sample(const itd_schedule *s, itd_rng *rng, bool stratified, size_t n,
                                       float *logsnr /* (n) */, float *weight /* (n) */);

/* Two ways to choose a schedule from data. Before training, from the eigenvalues lambda of the covariance in
   the model's coordinates, found by itd_gaussian_fit: loc = -mean(log lambda), clip = 4 and, as in the
   paper's code, scale = sqrt(1 + 3/pi var(log lambda)). Use it for data that the model does not whiten, such
   as images; whitened data give 0 and 1. ITD_ERROR_DATA unless every lambda is positive. */
ITD_DEF itd_result itd_schedule_from_spectrum(const double *lambda /* (d) */, size_t d, itd_schedule *out);

/* After training, for the next model. Let p be the part of the smoothed gap mmse_gaussian - mse
   (itd_mse_curve) above 2 % of its maximum, as a density of mean m1 and variance v. Then
   scale = max(sqrt(v), 2.2), loc = m1 + E_p[(alpha - m1)^3] / v, and clip is the least with which the range
   includes all from 3 below to 4 above the log SNRs with p > 0, as far as logsnr goes. m >= 3, and logsnr
   rises in even steps. ITD_ERROR_DATA: the smoothed gap is nowhere above 1 % of d. */
ITD_DEF itd_result itd_schedule_from_mse(const double *logsnr /* (m) */, const double *mse /* (m) */,
                                         const double *mmse_gaussian /* (m) */, size_t m, size_t d,
                                         itd_schedule *out);

/* ---- the one interface the estimator and the sampler need ---- */

/* predict writes eps_hat[i] for row z[i] at log SNR logsnr[i], for any n >= 1 rows. It is called from one
   thread. eps_hat[i] depends on z[i] and logsnr[i] alone: not on other rows, on n, or on earlier calls. Any
   result but ITD_OK, usually ITD_ERROR_CALLBACK, ends the calling function, which returns it.

   A network of your own becomes a denoiser by converting what it predicts. S = s(logsnr), N = s(-logsnr):

       clean x:  eps_hat = (z - sqrt(S) x_hat) / sqrt(N)         v:  eps_hat = sqrt(N) z + sqrt(S) v_hat
       score:    eps_hat = -sqrt(N) score_hat                    DDPM step t:  log SNR = log(abar/(1 - abar))

       itd_denoiser den = {network, dim, my_predict, NULL, NULL, NULL, NULL, 0};     W = I, mean 0
       itd_nll_desc nd = itd_nll_desc_default();                 nd.schedule: the range it was trained on
       itd_nll(&den, x, n, &nd, &result, NULL, NULL);

   Estimator and sampler take and return x in the caller's units; z is made of the denoiser's coordinates
   y = W (x - mean). W is `whiten` and W^-1 is `color`; if both are NULL, W divides each coordinate by its
   `scale`. A mean of NULL is 0, a scale of NULL is 1. */
typedef struct itd_denoiser {
    void *ctx;
    size_t dim;
    itd_result (*predict)(void *ctx, const float *z /* (n,dim) */, const float *logsnr /* (n) */, size_t n,
                          float *eps_hat /* (n,dim) */);
    const double *mean, *scale;   /* (dim) or NULL */
    const double *whiten, *color; /* (dim,dim) W and its inverse, or both NULL */
    double log_det;               /* log |det W^-1| = log p(y) - log p(x), nats */
} itd_denoiser;

/* n rows from the caller's units to the denoiser's coordinates, and back; in place only without `whiten`. */
ITD_DEF void itd_to_coordinates(const itd_denoiser *den, const float *x /* (n,dim) */, size_t n,
                                float *y /* (n,dim) */);
ITD_DEF void itd_from_coordinates(const itd_denoiser *den, const float *y /* (n,dim) */, size_t n,
                                  float *x /* (n,dim) */);

/* The score grad_z log p(z) = -eps_hat / sqrt(s(-logsnr)) in the denoiser's coordinates (Tweedie's formula).
   Fails as predict does; score is then undefined. */
ITD_DEF itd_result itd_score(const itd_denoiser *den, const float *z /* (n,dim) */,
                             const float *logsnr /* (n) */, size_t n, float *score /* (n,dim) */);

/* ---- Gaussians ---- */

typedef struct itd_gaussian {
    size_t dim;
    double *mean;    /* (dim) */
    double *lambda;  /* (dim) eigenvalues of the covariance; fitted ones are >= 1e-12 of the variances */
    double *vectors; /* (dim,dim) row i is the eigenvector of lambda[i]; NULL: the coordinate axes */
    float *basis;    /* (dim,dim) the same in single precision, to rotate many rows at once, if dim > 64 */
} itd_gaussian;

/* With mean and (biased) covariance of n >= 2 rows, or those given. ITD_ERROR_DATA: not finite, no variance
   at all, or negative eigenvalues. Above 64 dimensions, products are summed as floats over 256 rows. */
ITD_DEF itd_result itd_gaussian_fit(const float *x /* (n,dim) */, size_t n, size_t dim, itd_gaussian **out);
ITD_DEF itd_result itd_gaussian_create(const double *mean /* (dim) */,
                                       const double *covariance /* (dim,dim) */, size_t dim,
                                       itd_gaussian **out);
/* From known eigenpairs; vectors NULL: the coordinate axes. ITD_ERROR_DATA: an eigenvalue is not positive, or
   a number is not finite. */
ITD_DEF itd_result itd_gaussian_from_eigen(const double *mean /* (dim) */, const double *lambda /* (dim) */,
                                           const double *vectors /* (dim,dim) */, size_t dim,
                                           itd_gaussian **out);
ITD_DEF void itd_gaussian_free(itd_gaussian *g);
ITD_DEF double itd_gaussian_entropy(const itd_gaussian *g);                         /* h_G, nats */
ITD_DEF double itd_gaussian_nll(const itd_gaussian *g, const float *x /* (dim) */); /* -log N(x), nats */
ITD_DEF double itd_gaussian_mse(const itd_gaussian *g, const float *x /* (dim) */,
                                double logsnr);                         /* mse_G(x, a) */
ITD_DEF double itd_gaussian_mmse(const itd_gaussian *g, double logsnr); /* Sum_i g_i */
ITD_DEF itd_denoiser itd_gaussian_denoiser(const itd_gaussian *g);      /* its best denoiser; borrows g */
/* The same Gaussian in a denoiser's coordinates, N(W (mu - mean), W Sigma W^T). */
ITD_DEF itd_result itd_gaussian_to_coordinates(const itd_denoiser *den, const itd_gaussian *g,
                                               itd_gaussian **out);

/* Eigenvalues (descending) and eigenvectors (rows) of a symmetric matrix, with residuals below 1e-15 n of the
   largest eigenvalue, in some 50 n^3 operations (for thousands of rows: examples/support/eigen.h). a is
   overwritten. ITD_ERROR_DATA: not finite. */
ITD_DEF itd_result itd_eigen_symmetric(size_t n, double *a /* (n,n) */, double *lambda /* (n) */,
                                       double *vectors /* (n,n) */);

/* ---- likelihood ---- */

typedef struct itd_nll_desc {
    itd_schedule schedule; /* the range integrated over is loc +- clip * scale; 0, 3, 4 */
    size_t draws;          /* max evaluations per point, pilot included; >= 3, without allocate >= 1; 100 */
    size_t repetitions;    /* independent parts of the draws, for the standard errors; 0: by n and draws; 0 */
    uint64_t seed;         /* 1 */
    bool stratified;       /* the log SNRs of a repetition at evenly spaced quantiles; true */
    bool shared_noise;     /* the same draws for every point: smooth pictures, but noisier means; false */
    bool allocate;         /* more draws where a pilot run found the integrand to vary; true */
    bool cancel;           /* subtract the reference's error on the same noise, not its mean; true */
    size_t batch;          /* rows per call of the denoiser; does not change the result; 1024 */
    /* In the units of x; directions too narrow for the schedule are widened. NULL: fitted to the n points in
       the denoiser's coordinates, with a full covariance if d <= 64 and n >= 4 d (N(0, I) if the points do
       not vary), else with a diagonal one if n >= 8, else N(0, I); without cancel, N(0, I). Default NULL */
    const itd_gaussian *reference;
} itd_nll_desc;

/* std_error is the noise of the draws. Quote it for these very points, as when models are compared on one
   test set; more draws lower it. std_error_data counts the choice of points as well and, with shared_noise,
   nothing else. Quote it for the distribution that the points come from; more points lower it. */
typedef struct itd_nll_result {
    double nll;            /* mean over the points of -log p(x), nats, in the units of x */
    double std_error;      /* of nll as the mean over these points; NaN for one repetition */
    double std_error_data; /* of nll as the mean over their distribution; NaN for one point */
    double degrees;        /* of freedom in std_error; below 30, use Student's quantiles, not normal ones */
    size_t evaluations;    /* draws of all points, and of the pilot */
} itd_nll_result;

/* A table of draws. Draw i is a log SNR and a noise for one point; all denoisers and the reference q, which
   is the Gaussian above, get the same z. Draws are sorted by point, those of a point by repetition. */
typedef struct itd_draws { /* to read */
    itd_nll_desc desc;
    size_t n, denoisers, count; /* points, k, draws of all points */
    size_t repetitions, length; /* of a point, and draws in each: count = n * repetitions * length */
    size_t *point, *repetition; /* (count) */
    double *quantile, *logsnr;  /* (count) the log SNR is this quantile of the schedule */
    double *weight;             /* (count) 1 / density of logsnr[i], as allocated */
    double *error;              /* (count,denoisers) || eps - eps_hat ||^2 of each denoiser */
    double *reference;          /* (count) || eps - eps_hat_q ||^2, of the best denoiser of q, same eps */
    double *expected;           /* (count) mean of `reference` over eps, for this point and log SNR: mse_q */
    itd_gaussian gaussian;      /* the reference as used, in the denoisers' coordinates */
    itd_gaussian *owned;        /* what of it is not borrowed from desc.reference */
    double *nll_reference;      /* (n) -log q(x), nats, in the units of x */
    size_t evaluations;         /* count, and the pilot's rows, which only the first denoiser got */
} itd_draws;

ITD_DEF itd_nll_desc itd_nll_desc_default(void);
/* Why itd_measure and itd_nll return ITD_ERROR_ARGUMENT for this, "draws: ..."; NULL if they do not. */
ITD_DEF const char *itd_nll_problem(const itd_denoiser *den /* (k) */, size_t k, size_t n,
                                    const itd_nll_desc *desc);
/* Makes the table, which borrows desc->reference; the functions after it evaluate no denoiser. All k
   denoisers have the same coordinates. ITD_ERROR_DATA if x is not finite there, ITD_ERROR_NUMERIC if a
   squared error is not. */
ITD_DEF itd_result itd_measure(const itd_denoiser *den /* (k) */, size_t k, const float *x /* (n,dim) */,
                               size_t n, const itd_nll_desc *desc, itd_draws **out);
ITD_DEF void itd_draws_free(itd_draws *draws);
/* The likelihood from denoiser `which`. nll_x and std_error_x, or NULL: the value of each point and its
   standard error, with repetitions - 1 degrees of freedom. ITD_ERROR_NUMERIC if nll is not finite. */
ITD_DEF itd_result itd_draws_nll(const itd_draws *draws, size_t which, itd_nll_result *out,
                                 double *nll_x /* (n) */, double *std_error_x /* (n) */);
/* The same for any other integrand: start + 1/2 Integral f, where f already includes the weights. */
ITD_DEF itd_result itd_draws_integral(const itd_draws *draws, const double *start /* (n) */,
                                      const double *f /* (count) */, itd_nll_result *out,
                                      double *nll_x /* (n) */, double *std_error_x /* (n) */);
/* Errors, averaged with the draws' weights in each of `bins` equally probable parts of the schedule, whose
   middles are at logsnr. NaN in a part without draws; mse_error also with a single one. All but mse may be
   NULL. */
ITD_DEF itd_result itd_draws_curve(const itd_draws *draws, size_t which, size_t bins,
                                   double *logsnr /* (bins) */, double *mse /* (bins) */,
                                   double *mse_error /* (bins) */, double *reference_mse /* (bins) */);
/* itd_measure, itd_draws_nll and itd_draws_free for some points at a time, with the same error codes. If
   std_error_x is not NULL and repetitions is 0, there are at least 16 repetitions, if `draws` allows. */
ITD_DEF itd_result itd_nll(const itd_denoiser *den, const float *x /* (n,dim) */, size_t n,
                           const itd_nll_desc *desc, itd_nll_result *out, double *nll_x /* (n) */,
                           double *std_error_x /* (n) */);

/* mse(logsnr) averaged over the points, with one eps per point, the same at all log SNRs; its standard error
   over the points; and mmse, the mean error of the best denoiser of their Gaussian, the one that itd_nll fits
   where `reference` is NULL. mse_error and mmse may be NULL. ITD_ERROR_DATA and ITD_ERROR_NUMERIC as in
   itd_measure. */
ITD_DEF itd_result itd_mse_curve(const itd_denoiser *den, const float *x /* (n,dim) */, size_t n,
                                 const double *logsnr /* (m) */, size_t m, uint64_t seed,
                                 double *mse /* (m) */, double *mse_error /* (m) */, double *mmse /* (m) */);

/* ---- networks ---- */

#define ITD_ACTIVATIONS(X)                                                                                   \
    X(ITD_RELU, relu)                                                                                        \
    X(ITD_SILU, silu)
#define ITD_ACTIVATION_VALUE(value, name) value,
typedef enum itd_activation { ITD_ACTIVATIONS(ITD_ACTIVATION_VALUE) ITD_ACTIVATION_COUNT } itd_activation;
#undef ITD_ACTIVATION_VALUE

typedef struct itd_mlp_desc {
    size_t dim;       /* d, >= 1 */
    size_t layers;    /* linear layers, >= 1; 3 */
    size_t hidden;    /* width; 128 */
    size_t embedding; /* sinusoids for the log SNR, even, >= 4; 0: the log SNR itself; 128 */
    /* A vector z enters as sin(w.z) and cos(w.z) for this number of random directions w (Rahimi & Recht
       2007), |w| log-uniform between two bounds, times exp(-|w|^2 s(-logsnr) / 2), which is what the noise
       leaves of such a wave. 0: `embedding` sinusoids of each coordinate, as in the original, or the
       coordinates themselves if that is 0, too; 128 */
    size_t directions;
    double frequency_min, frequency_max; /* the bounds, for data of unit variance; 0.5, 10 */
    double coordinate_scale;   /* without directions, factor on coordinates before their sinusoids; 100 */
    double logsnr_scale;       /* factor on the log SNR before its sinusoids; 50 */
    itd_activation activation; /* ITD_SILU */
    bool zero_output;          /* the last layer starts at zero; true */
} itd_mlp_desc;

/* Input of the time embedding: the log SNR times logsnr_scale, or the step of a DDPM with 1,000 linear betas
   that has this log SNR, from the paper's table of 10,000 values or by interpolation. */
typedef enum itd_time { ITD_TIME_LOGSNR, ITD_TIME_TABLE, ITD_TIME_EXACT } itd_time;

enum { ITD_MAX_LEVELS = 6 };

/* The U-Net of Ho et al. 2020: residual blocks with group normalization at `levels` resolutions, each half
   the one before. */
typedef struct itd_unet_desc {
    size_t height, width, channels;  /* height and width divisible by 2^(levels-1); 32, 32, 3 */
    size_t levels;                   /* 1 .. ITD_MAX_LEVELS; 3 */
    size_t features[ITD_MAX_LEVELS]; /* channels at each level, divisible by groups; 64, 96, 96 */
    size_t blocks;                   /* residual blocks per level going down; one more going up; 1 */
    size_t attention;                /* sum of 2^l for levels l with attention, 2^levels for the middle; 0 */
    size_t head;                     /* channels of an attention head, divides features; 0: one head; 0 */
    size_t groups;                   /* of a normalization; 8 */
    double epsilon;                  /* added to variances; 1e-5 */
    size_t embedding;                /* sinusoids of the time, even, >= 4; 64 */
    size_t hidden;                   /* features of the time; 256 */
    double logsnr_scale;             /* 3 */
    itd_time time;                   /* ITD_TIME_LOGSNR */
    bool pad_after;                  /* halving pads only at the right and bottom, not all around; false */
    bool zero_output;                /* the last convolution, and that of each block, start at zero; true */
} itd_unet_desc;

/* Weights are (in,out) for linear layers and (3,3,in,out) for convolutions; in files, as in PyTorch, (out,in)
   and (out,in,3,3). Each operation and its gradients agree with double-precision references to 1e-5 (relative
   L2 norm), these with finite differences to 1e-6, and the gradients of the whole ddpm-cifar10 network with
   PyTorch in double precision to 1e-4. */
typedef struct itd_net itd_net;

ITD_DEF itd_mlp_desc itd_mlp_desc_default(size_t dim);
ITD_DEF itd_unet_desc itd_unet_desc_default(void); /* 2,638,339 parameters */
/* The network of google/ddpm-cifar10-32: 35,746,307 parameters. Its weights are for ITD_PLAIN. */
ITD_DEF itd_unet_desc itd_unet_desc_ddpm_cifar10(void);
/* Weights and biases are uniform in +-1/sqrt(fan-in), from the seed. */
ITD_DEF itd_result itd_mlp_create(const itd_mlp_desc *desc, uint64_t seed, itd_net **out);
ITD_DEF itd_result itd_unet_create(const itd_unet_desc *desc, uint64_t seed, itd_net **out);
ITD_DEF void itd_net_free(itd_net *net);
ITD_DEF size_t itd_net_parameters(const itd_net *net);
/* Bytes of the network for passes of n rows: weights, and what a row takes, to predict or to train. In
   training n is micro_batch or, if that is 0, batch. Not counted are 0.7 MB or more for each thread (for
   ddpm-cifar10 3.2) and the 20 dim batch bytes of a trainer. A denoiser makes passes of at most 1024 rows and
   256 MB, or of one slice of rows for each thread if that is more. */
ITD_DEF size_t itd_net_memory(const itd_net *net, size_t n, bool training);
/* The weights that training moves, and their moving average, NULL if there is none. The caller may change
   them, so that all later forward passes transform the weights of convolutions again: slow for few images. */
ITD_DEF float *itd_net_weights(itd_net *net);   /* (parameters) by layer, weights before biases */
ITD_DEF float *itd_net_average(itd_net *net);   /* (parameters) */
ITD_DEF float *itd_net_gradients(itd_net *net); /* (parameters); NULL without a trainer or backward */
/* backward belongs to the forward pass directly before it, of the same n rows. For dout = d loss / d out it
   ADDS the gradient of the loss by the weights to itd_net_gradients. */
ITD_DEF itd_result itd_net_forward(itd_net *net, const float *z /* (n,dim) */, const float *logsnr /* (n) */,
                                   size_t n, float *out /* (n,dim) */);
ITD_DEF itd_result itd_net_backward(itd_net *net, const float *dout /* (n,dim) */, size_t n,
                                    float *dz /* (n,dim) set to the gradient by z, or NULL */);
/* Layer k as text ("linear  256 + 128 -> 128  layers.0, 49280 parameters"); NULL after the last one. */
ITD_DEF const char *itd_net_summary(const itd_net *net, size_t k, char *text, size_t size);

/* ---- model: network + normalization + parameterization + schedule + Gaussian baseline ---- */

/* What the network's output F means: PLAIN eps_hat = F(z, a), as in the original; GAUSSIAN the formula under
   THE PARAMETERIZATION in >>method, which for v = 1 is v-prediction. */
typedef enum itd_parameterization { ITD_PLAIN, ITD_GAUSSIAN } itd_parameterization;

typedef struct itd_model_desc {
    itd_mlp_desc mlp;
    itd_unet_desc unet;                    /* used instead of mlp if unet.levels > 0; levels 0 */
    itd_parameterization parameterization; /* ITD_GAUSSIAN */
    double variance;                       /* v of the normalized data; 1 */
    itd_schedule schedule;                 /* of training, and the default of evaluation; 0, 3, 4 */
    bool normalize;                        /* itd_model_fit sets mean and scale per coordinate; true */
    bool whiten;                           /* and, up to 64 dimensions, a full matrix W; true */
} itd_model_desc;

/* A string that is saved with the model: names of columns, units, where the data came from. */
typedef struct itd_note {
    char *key, *value;
    struct itd_note *next;
} itd_note;

typedef struct itd_model { /* to read; itd_model_fit and itd_load write it */
    itd_model_desc desc;
    size_t dim;
    itd_net *net;
    double *mean, *scale;   /* (dim) of the training data */
    double *whiten, *color; /* (dim,dim) W and its inverse; NULL: the network sees (x - mean) / scale */
    double log_det;         /* log |det W^-1| */
    itd_gaussian *gaussian; /* the training data's; NULL before itd_model_fit */
    itd_note *notes;
    float *work; /* (work_rows,dim) input of the network */
    size_t work_rows;
} itd_model;

ITD_DEF itd_model_desc itd_model_desc_default(size_t dim);
/* A model with a new network, its weights from the seed. mean is 0, scale 1 and W = I until itd_model_fit. */
ITD_DEF itd_result itd_model_create(const itd_model_desc *desc, uint64_t seed, itd_model **out);
ITD_DEF void itd_model_free(itd_model *model);
/* Sets mean, scale, W and Gaussian from n >= 2 rows. With W, the covariance is shrunk towards its diagonal,
   the more the fewer rows there are; flat directions get 1e-8 of their columns' variance; the untrained
   model is, by default, this Gaussian. ITD_ERROR_DATA: not finite, no variance at all or, with normalize,
   a constant column. */
ITD_DEF itd_result itd_model_fit(itd_model *model, const float *x /* (n,dim) */, size_t n);
/* key and value are UTF-8, or else ITD_ERROR_ARGUMENT; a value of NULL removes the string. */
ITD_DEF itd_result itd_model_set_note(itd_model *model, const char *key, const char *value);
ITD_DEF const char *itd_model_note(const itd_model *model, const char *key); /* NULL if there is none */
/* Uses the moving average of the weights if there is one. Borrows the model; invalid after itd_model_fit. */
ITD_DEF itd_denoiser itd_model_denoiser(itd_model *model);
/* itd_nll_desc_default with the model's schedule and, borrowed, its Gaussian: invalid after itd_model_fit. */
ITD_DEF itd_nll_desc itd_model_nll_desc(const itd_model *model);

/* ---- training ----

   How long: until itd_nll on rows that take no part in training stops falling. Tables take some 3,000 to
   5,000 steps of 128 to 512 rows, data/cifar10-small took 1,378,272 images. Set td.steps to the whole length,
   so that the learning rate ends at 0. Losses of steps vary by far more than they fall: compare means. */

typedef struct itd_trainer_desc {
    size_t batch;          /* rows per step; 128 */
    size_t micro_batch;    /* rows per pass through the network, 0: all; changes no bit of the result; 0 */
    uint64_t seed;         /* of noise, log SNRs and the order of the data; 1 */
    double learning_rate;  /* 1e-3 */
    uint64_t warmup;       /* steps of linear rise to it; 0 */
    uint64_t steps;        /* end of a cosine down to learning_rate * final_fraction; 0: constant; 0 */
    double final_fraction; /* 0 */
    double beta1, beta2, epsilon; /* Adam; 0.9, 0.999, 1e-8 */
    double weight_decay;          /* decoupled; 0 */
    double clip_norm;             /* max norm of the gradient, 0: no limit; 0 */
    double weight_limit;  /* max w in the gradient, in units of the smallest; large w add noise; 0: none; 0 */
    double ema;           /* decay of the weights' moving average, 0: none; 0.999 */
    bool stratified;      /* log SNRs stratified over the batch; true */
    bool drop_incomplete; /* an epoch leaves out its last n % batch rows; else batches span epochs; false */
} itd_trainer_desc;

/* One training by `world_size` processes whose trainers have the same description and weights. Each computes
   its share of every batch; all_reduce replaces x by its sum over all processes, the same bits in each. */
typedef struct itd_workers {
    size_t rank, world_size; /* rank < world_size; 0, 1 */
    itd_result (*all_reduce)(void *ctx, float *x /* (n) */, size_t n);
    void *ctx;
} itd_workers;

typedef struct itd_trainer { /* to read, except workers */
    itd_trainer_desc desc;
    itd_workers workers;  /* set them before the first step */
    itd_model *model;     /* borrowed */
    uint64_t step;        /* steps done */
    double gradient_norm; /* of the last step, before clipping */
    double learning_rate; /* of the last step */
    float *work;          /* one batch of raw and normalized data, noise, log SNRs and predictions */
    size_t *index;        /* (batch) its rows in the data */
    size_t *order;        /* (order_n) the shuffled rows of epoch `order_epoch` */
    size_t order_n;
    uint64_t order_epoch;
} itd_trainer;

ITD_DEF itd_trainer_desc itd_trainer_desc_default(void);
/* The field because of which itd_model_create or, unless trainer is NULL, itd_trainer_create would return
   ITD_ERROR_ARGUMENT, and what is expected there; NULL if they would not. */
ITD_DEF const char *itd_model_problem(const itd_model_desc *model, const itd_trainer_desc *trainer);
/* Borrows the model. A moving average that it has is soon that of the new steps; it is freed if ema is 0. */
ITD_DEF itd_result itd_trainer_create(itd_model *model, const itd_trainer_desc *desc, itd_trainer **out);
/* Call it before the model is freed. Frees what only training needs; the moving average stays. */
ITD_DEF void itd_trainer_free(itd_trainer *trainer);
/* One step of Adam (Kingma & Ba 2015) on `batch` rows of raw data, of which each worker reads its share.
   loss, which may be NULL, is in nats and in the units of x. ITD_ERROR_NUMERIC, with nothing changed, if the
   loss is not finite, as of NaN in x, or the gradient's norm not below 1.8e19; or what all_reduce returns. */
ITD_DEF itd_result itd_train_step(itd_trainer *trainer, const float *x /* (batch,dim) */, double *loss);
/* Which of n rows make the next step's batch, a function of seed and step. */
ITD_DEF itd_result itd_train_indices(itd_trainer *trainer, size_t n, size_t *index /* (batch) */);
/* Steps until the next epoch over the n rows is complete. loss, which may be NULL, is their mean. Fails as a
   step does; those before it remain done. */
ITD_DEF itd_result itd_train_epoch(itd_trainer *t, const float *x /* (n,dim) */, size_t n, double *loss);
/* Steps in the first `epochs` epochs over n rows, for desc.steps. */
ITD_DEF uint64_t itd_train_steps(const itd_trainer_desc *desc, size_t n, uint64_t epochs);

/* ---- sampling ---- */

/* DDIM without noise (Song et al. 2021), or DDPM (Ho et al. 2020); >>sampling has the formulas. */
typedef enum itd_sampler { ITD_DETERMINISTIC, ITD_ANCESTRAL } itd_sampler;
/* The steps are at quantiles of the schedule, or evenly spaced in log SNR. */
typedef enum itd_spacing { ITD_SPACING_QUANTILE, ITD_SPACING_UNIFORM } itd_spacing;

typedef struct itd_sample_desc {
    itd_schedule schedule; /* sampling runs from its lowest to its highest log SNR; 0, 3, 4 */
    size_t steps;          /* evaluations of the denoiser per sample, >= 1; 100 */
    itd_sampler sampler;   /* ITD_DETERMINISTIC */
    itd_spacing spacing;   /* ITD_SPACING_UNIFORM */
    uint64_t seed;         /* 1 */
    size_t batch;          /* rows per call of the denoiser; does not change the result; 1024 */
} itd_sample_desc;

ITD_DEF itd_sample_desc itd_sample_desc_default(void);
ITD_DEF itd_sample_desc itd_model_sample_desc(const itd_model *model); /* with the model's schedule */
/* n samples in the units of x. ITD_ERROR_NUMERIC if a prediction or a sample is not finite. */
ITD_DEF itd_result itd_sample(const itd_denoiser *den, const itd_sample_desc *desc, size_t n,
                              float *out /* (n,dim) */);

/* ---- checkpoints: safetensors ---- */

#ifndef ITDIFF_NO_STDIO
/* ITD_ERROR_OPEN, _READ and _WRITE are failures of the system, _FORMAT, _CHECKSUM and _MISMATCH of the file.
   error, which may be NULL, gets the details. */

/* The model and, unless NULL, all that the trainer needs to continue as if it had never stopped, bit for bit.
   The file appears under its name only when it is complete. */
ITD_DEF itd_result itd_save(const itd_model *model, const itd_trainer *t, const char *path, itd_error *error);
/* The model alone, its weights as F16: half the size. ITD_ERROR_NUMERIC if a weight is too large for that. */
ITD_DEF itd_result itd_save_half(const itd_model *model, const char *path, itd_error *error);
/* Rebuilds the model and, unless NULL, the trainer (ITD_ERROR_MISMATCH if the file has none). Without
   trainer, the model takes the memory of inference only, whatever else is in the file. */
ITD_DEF itd_result itd_load(const char *path, itd_model **model, itd_trainer **trainer, itd_error *error);
/* Reads weights that another program saved as safetensors into a model made for them. Names (after `prefix`,
   often "") and shapes are those of diffusers, types F32, F16 or BF16; attention is named to_q or query, 1x1
   convolutions have rank 2 or 4. After the prefix, the file has the tensors of the network and no others. A
   moving average of the model starts from these weights. */
ITD_DEF itd_result itd_load_weights(itd_model *model, const char *path, const char *prefix, itd_error *error);
#endif

/* ---- for special needs ---- */

typedef enum itd_simd {
    ITD_SIMD_BEST,
    ITD_SIMD_PLAIN, /* C99 loops */
    ITD_SIMD_BASE,  /* what every processor of the architecture has: SSE2, NEON */
    ITD_SIMD_AVX2,
    ITD_SIMD_AVX512
} itd_simd;

/* Selects another instruction set than the fastest one, for the whole process; false if compiler or processor
   lack it. Results differ between instruction sets by rounding only. */
ITD_DEF bool itd_simd_use(itd_simd simd);
ITD_DEF const char *itd_simd_name(void); /* the one in use: "plain", "base", "avx2", "avx512" */

/* The bijection behind the random numbers, Philox4x32-10 (Salmon et al., SC 2011): ten rounds. */
ITD_DEF void itd_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

#ifdef __cplusplus
}
#endif

#endif /* ITDIFF_H */

#if defined(ITDIFF_IMPLEMENTATION) && !defined(ITDIFF_IMPLEMENTED)
#define ITDIFF_IMPLEMENTED

/* >>shared -------------------------------------------------------------------------------------------------

   Macros, and private functions of Parts II and III, that this part needs. The method begins at >>channel. */

#include <float.h>
#include <math.h>
#include <string.h>

#if !defined(ITD_MALLOC) && !defined(ITD_FREE)
#include <stdlib.h>
#define ITD_MALLOC(size) malloc(size)
#define ITD_FREE(p) free(p)
#define ITD__ZEROED(size) calloc(size, 1) /* the system provides large blocks as zeros already */
#elif !defined(ITD_MALLOC) || !defined(ITD_FREE)
#error "define both of ITD_MALLOC and ITD_FREE, or neither"
#endif

#ifndef ITD_ASSERT
#include <assert.h>
#define ITD_ASSERT(condition) assert(condition)
#endif

/* Numbers that are not finite have to be found, so -ffast-math is without effect on what follows. */
#if defined(__GNUC__) && defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#define ITD__PRECISE
#ifdef __clang__
#pragma float_control(push)
#pragma float_control(precise, on)
#else
#pragma GCC push_options
#pragma GCC optimize("no-fast-math")
#endif
#endif

/* clang-format off */
#ifdef __cplusplus
#define ITD__ZERO {}
#else
#define ITD__ZERO {0}
#endif
/* clang-format on */

#define ITD__PI 3.14159265358979323846
#define ITD__LOG_2PI_E 2.83787706640934548356

#define ITD__TRY(call)                                                                                       \
    do {                                                                                                     \
        itd_result itd__tried = (call);                                                                      \
        if (itd__tried != ITD_OK) return itd__tried;                                                         \
    } while (0)

enum { ITD__SLICE = 64 }; /* rows at a time in a thread, or 4 images: in the second-level cache */

/* Divides the loop that follows among the threads, unless it is inside another such loop. Each number is
   computed by one iteration, which adds its terms in a fixed order and reads nothing that other iterations
   write. The threads decide who computes a number, not how, so no result depends on how many there are. */
#if defined(_OPENMP)
#define ITD__PRAGMA(text) _Pragma(#text)
#define ITD__PARALLEL(condition)                                                                             \
    ITD__PRAGMA(omp parallel for schedule(dynamic, 1) if ((condition) && itd__threads() > 1))
#else
#define ITD__PARALLEL(condition)
#endif

static size_t itd__min(size_t a, size_t b) { return a < b ? a : b; }
static size_t itd__max(size_t a, size_t b) { return a > b ? a : b; }
static size_t itd__ceil_div(size_t a, size_t b) { return (a + b - 1) / b; }

static bool itd__multiply(size_t a, size_t b, size_t *out); /* false if a * b overflows */
/* Zeroed memory for rows * columns elements; NULL after an allocation failure or if the product overflows. */
static void *itd__alloc(size_t rows, size_t columns, size_t size);
static float *itd__floats(size_t rows, size_t columns);
static double *itd__doubles(size_t rows, size_t columns);
static itd_result itd__reserve(float **buffer, size_t *capacity, size_t rows, size_t width); /* grows it */
static size_t itd__threads(void); /* available ones: 1 inside a parallel region */
static bool itd__all_finite(const float *x, size_t n);

/* What a random number is for. It is the top byte of its stream, so different uses never share a stream. */
typedef enum itd__purpose {
    ITD__FOR_WEIGHTS = 1,
    ITD__FOR_NOISE,
    ITD__FOR_LOGSNR,
    ITD__FOR_ORDER,
    ITD__FOR_PILOT,
    ITD__FOR_PILOT_NOISE,
    ITD__FOR_TEST_NOISE,
    ITD__FOR_TEST_LOGSNR,
    ITD__FOR_CURVE,
    ITD__FOR_SAMPLES,
    ITD__FOR_DIRECTIONS = 12 /* 11 was used by an earlier version */
} itd__purpose;

static itd_rng itd__rng_for(uint64_t seed, itd__purpose purpose, uint64_t index);
static const char *itd__schedule_problem(const itd_schedule *s); /* NULL: none */

/* Working memory, a part of at least ITD__WORK floats for each thread. */
typedef struct itd__scratch {
    float *floats; /* (threads,each) */
    size_t each;
} itd__scratch;

static itd__scratch itd__new_scratch(void); /* floats is NULL after an allocation failure */

/* C (m,n) = A B, or C += A B if add; A(i,k) = a[i*ra + k*ca], B(k,j) = b[k*rb + j*cb], rows of C rc apart. */
static void itd__matmul(size_t m, size_t n, size_t k, bool add, const float *a, size_t ra, size_t ca,
                        const float *b, size_t rb, size_t cb, float *c, size_t rc, itd__scratch work);
static double itd__dot(const double *x, const double *y, size_t n);
static itd_result itd__gaussian_fit_axes(const float *x, size_t n, size_t dim, itd_gaussian **out);
/* W, which makes the Gaussian of n rows N(0, I), its inverse, and log |det W^-1|. */
static itd_result itd__fit_map(const float *x, size_t n, size_t d, const double *mean, const double *scale,
                               double *whiten, double *color, double *log_det);
enum { ITD__FULL_GAUSSIAN = 64 }; /* dimensions up to which d^2 operations per row are cheap */

/* The network of a model: created, evaluated slice by slice, trained. */
static itd_result itd__net_create(const itd_model_desc *desc, const uint64_t *seed, itd_net **out);
static size_t itd__net_dim(const itd_net *net);
static size_t itd__slice(const itd_net *net);
static size_t itd__rows_of_pass(const itd_net *net);
static void itd__use_average(itd_net *net, bool use);
static itd_result itd__forward_begin(itd_net *net, size_t n);
static void itd__forward_slice(itd_net *net, const float *z, const float *logsnr, size_t from, size_t n,
                               float *out);
static itd_result itd__begin_training(itd_net *net, bool average);
static void itd__clear_gradients(itd_net *net);
static itd_result itd__net_backward(itd_net *net, const float *dout, size_t n, float *dz);
static void itd__finish_gradients(itd_net *net);
static double itd__gradient_norm(const itd_net *net);
static void itd__adam(itd_net *net, const itd_trainer_desc *d, uint64_t step, double lr, double clip);
static void itd__end_training(itd_net *net);

/* >>channel ------------------------------------------------------------------------------------------------

   The noisy channel, the schedule from which log SNRs are drawn, its choice from data, and the affine map
   between the units of x and the coordinates of a denoiser. A log SNR has the weight w = 1 / density, so that
   the mean of w f over draws estimates the integral of f over the range of the schedule.

   To add another distribution, say a truncated normal one:
     1. give itd_schedule a last field for the kind, 0 for the logistic, and set it in
        itd_schedule_from_spectrum and itd_schedule_from_mse, whose factors are those of the logistic;
     2. add ITD__OTHER(WHOLE, "schedule.kind", model.schedule.kind, 0, 0, 1, 0) to >>descriptions, so that
        files contain it and older files mean 0;
     3. compute its quantile in itd_schedule_quantile, and 1 / density in itd_schedule_weight;
        tests/test_schedule.c checks that the slope of quantile(u) is weight(quantile(u));
     4. check its parameters in itd__schedule_problem: weights are floats, and those of a normal distribution
        grow to 22,415 at clip 4, not to 164.
   Its range is loc +- clip * scale: other ends would also concern itd__choose_reference,
   itd__sampling_logsnr and examples/support/grid.h. itd__loss takes the weight at loc for the smallest. */

/* exp(-|x|) cannot overflow. For 1 - s(x) compute s(-x), which is exact even where s(x) rounds to 1. */
ITD_DEF double itd_sigmoid(double x)
{
    double e = exp(-fabs(x));
    return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

ITD_DEF void itd_channel(const float *x, const float *eps, const float *logsnr, size_t n, size_t d, float *z)
{
    for (size_t i = 0; i < n; i++) {
        float signal = (float)sqrt(itd_sigmoid(logsnr[i])), noise = (float)sqrt(itd_sigmoid(-logsnr[i]));
        for (size_t j = 0; j < d; j++) z[i * d + j] = signal * x[i * d + j] + noise * eps[i * d + j];
    }
}

ITD_DEF itd_schedule itd_schedule_default(void)
{
    const itd_schedule s = {0, 3, 4};
    return s;
}

/* The logit of p = s(-clip) + (s(clip) - s(-clip)) u, with 1 - p computed as its mirror image. */
ITD_DEF double itd_schedule_quantile(const itd_schedule *s, double u)
{
    double lowest = itd_sigmoid(-s->clip), width = tanh(s->clip / 2);
    return s->loc + s->scale * (log(lowest + width * u) - log(lowest + width * (1 - u)));
}

ITD_DEF double itd_schedule_weight(const itd_schedule *s, double logsnr)
{
    double t = (logsnr - s->loc) / s->scale;
    return s->scale * tanh(s->clip / 2) / (itd_sigmoid(t) * itd_sigmoid(-t));
}

ITD_DEF itd_result itd_schedule_sample(const itd_schedule *s, itd_rng *rng, bool stratified, size_t n,
                                       float *logsnr, float *weight)
{
    if (itd__schedule_problem(s)) return ITD_ERROR_ARGUMENT;
    for (size_t i = 0; i < n; i++) {
        double u = itd_rng_uniform(rng);
        logsnr[i] = (float)itd_schedule_quantile(s, stratified ? ((double)i + u) / (double)n : u);
    }
    for (size_t i = n; stratified && i > 1; i--) { /* Fisher-Yates, so that stratum and row are independent */
        size_t j = (size_t)itd_rng_below(rng, i);
        float t = logsnr[i - 1];
        logsnr[i - 1] = logsnr[j];
        logsnr[j] = t;
    }
    for (size_t i = 0; i < n; i++) weight[i] = (float)itd_schedule_weight(s, logsnr[i]);
    return ITD_OK;
}

ITD_DEF itd_result itd_schedule_from_spectrum(const double *lambda, size_t d, itd_schedule *out)
{
    double mean = 0, square = 0;
    if (d == 0) return ITD_ERROR_ARGUMENT;
    for (size_t i = 0; i < d; i++) {
        if (!(lambda[i] > 0 && lambda[i] <= DBL_MAX)) return ITD_ERROR_DATA;
        mean += log(lambda[i]) / (double)d;
    }
    for (size_t i = 0; i < d; i++) square += (log(lambda[i]) - mean) * (log(lambda[i]) - mean) / (double)d;
    out->loc = -mean, out->scale = sqrt(1 + 3 / ITD__PI * square), out->clip = 4;
    return ITD_OK;
}

/* mmse_gaussian - mse, averaged over point i and its neighbours. */
static double itd__smooth_gap(const double *mmse_gaussian, const double *mse, size_t i)
{
    double sum = 0;
    for (size_t k = i - 1; k <= i + 1; k++) sum += mmse_gaussian[k] - mse[k];
    return sum / 3;
}

/* A logistic distribution whose scale is the standard deviation of the gap is 1.8 times as wide as the gap.
   Thus the ends of the gap are learned as well. */
ITD_DEF itd_result itd_schedule_from_mse(const double *logsnr, const double *mse, const double *mmse_gaussian,
                                         size_t m, size_t d, itd_schedule *out)
{
    double max = 0, total = 0, mean = 0, square = 0, cube = 0, start = 0, end = 0;
    if (m < 3 || d == 0 || !(logsnr[0] < logsnr[m - 1])) return ITD_ERROR_ARGUMENT;
    for (size_t i = 1; i + 1 < m; i++) max = fmax(max, itd__smooth_gap(mmse_gaussian, mse, i));
    if (!(max > 0.01 * (double)d && max <= DBL_MAX)) return ITD_ERROR_DATA;
    for (int pass = 0; pass < 2; pass++) /* the mean, then the moments about it */
        for (size_t i = 1; i + 1 < m; i++) {
            double p = itd__smooth_gap(mmse_gaussian, mse, i) - 0.02 * max, off = logsnr[i] - mean;
            if (!(p > 0)) continue;
            if (pass == 0) {
                if (!(total > 0)) start = fmax(logsnr[i] - 3, logsnr[0]);
                end = fmin(logsnr[i] + 4, logsnr[m - 1]);
                total += p, mean += p / total * off;
            } else {
                square += p / total * off * off, cube += p / total * off * off * off;
            }
        }
    out->loc = mean + (square > 0 ? cube / square : 0);
    out->scale = fmax(sqrt(square), 2.2);
    out->clip = fmax(end - out->loc, out->loc - start) / out->scale;
    return ITD_OK;
}

ITD_DEF itd_result itd_score(const itd_denoiser *den, const float *z, const float *logsnr, size_t n,
                             float *score)
{
    ITD__TRY(den->predict(den->ctx, z, logsnr, n, score));
    for (size_t i = 0; i < n; i++) {
        float factor = (float)(-1 / sqrt(itd_sigmoid(-logsnr[i])));
        for (size_t j = 0; j < den->dim; j++) score[i * den->dim + j] *= factor;
    }
    return ITD_OK;
}

/* Coordinate j of one row. */
static double itd__coordinate(const itd_denoiser *den, const float *x, size_t j)
{
    const double *w = den->whiten ? den->whiten + j * den->dim : NULL, *mean = den->mean;
    double sum = 0;
    if (!w) return (x[j] - (mean ? mean[j] : 0)) / (den->scale ? den->scale[j] : 1);
    for (size_t k = 0; k < den->dim; k++) sum += w[k] * (x[k] - (mean ? mean[k] : 0));
    return sum;
}

ITD_DEF void itd_to_coordinates(const itd_denoiser *den, const float *x, size_t n, float *y)
{
    size_t d = den->dim;
    for (size_t i = 0; i < n * d; i++) y[i] = (float)itd__coordinate(den, x + i / d * d, i % d);
}

ITD_DEF void itd_from_coordinates(const itd_denoiser *den, const float *y, size_t n, float *x)
{
    size_t d = den->dim;
    for (size_t i = 0; i < n * d; i++) {
        const double *c = den->color ? den->color + i % d * d : NULL;
        double mean = den->mean ? den->mean[i % d] : 0, scale = den->scale ? den->scale[i % d] : 1, sum = 0;
        for (size_t j = 0; c && j < d; j++) sum += c[j] * y[i / d * d + j];
        x[i] = (float)(mean + (c ? sum : scale * y[i]));
    }
}

/* >>gaussian -----------------------------------------------------------------------------------------------

   The reference density q = N(mu, Sigma), whose likelihood, best denoiser and denoising error are known, so
   that the estimator only has to measure how much better or worse a model is. It is kept as the eigenpairs
   lambda_i, u_i of Sigma. With y_i = u_i . (x - mu) and the gain g_i = s(alpha + log lambda_i),

       -log q(x)       = 1/2 Sum_i [ log 2 pi + log lambda_i + y_i^2 / lambda_i ]          itd_gaussian_nll
       eps_hat         = Sum_i u_i sqrt(s(-alpha)) / (s(alpha) lambda_i + s(-alpha))
                               u_i . (z - sqrt(s(alpha)) mu)                          itd_gaussian_denoiser
       mse_q(x, alpha) = Sum_i [ g_i^2 + g_i (1 - g_i) y_i^2 / lambda_i ]                  itd_gaussian_mse
       E_q mse_q       = Sum_i g_i                                                         itd_gaussian_mmse

   The gain is the fraction of the noise's variance that the best denoiser leaves along u_i. It is near 0 at
   low SNR, where z is all noise and eps_hat = z is right, 1/2 at alpha = -log lambda_i, and near 1 at high
   SNR, where small noise cannot be told from the data. How a Gaussian is made is in >>eigen. */

/* start + Sum_i log x_i; without x, start. */
static double itd__add_logs(double start, const double *x, size_t n)
{
    for (size_t i = 0; x && i < n; i++) start += log(x[i]);
    return start;
}

/* (d/2) log(2 pi e) + 1/2 Sum_i log lambda_i */
ITD_DEF double itd_gaussian_entropy(const itd_gaussian *g)
{
    return 0.5 * itd__add_logs((double)g->dim * ITD__LOG_2PI_E, g->lambda, g->dim);
}

/* y_i = u_i . (x - mu) */
static double itd__gaussian_project(const itd_gaussian *g, size_t i, const float *x)
{
    double y = 0;
    if (!g->vectors) return x[i] - g->mean[i];
    for (size_t j = 0; j < g->dim; j++) y += g->vectors[i * g->dim + j] * (x[j] - g->mean[j]);
    return y;
}

/* The entropy is the mean of -log q(x), at which each y_i^2 / lambda_i is 1. */
ITD_DEF double itd_gaussian_nll(const itd_gaussian *g, const float *x)
{
    double nll = itd_gaussian_entropy(g);
    for (size_t i = 0; i < g->dim; i++) {
        double y = itd__gaussian_project(g, i, x);
        nll += 0.5 * (y * y / g->lambda[i] - 1);
    }
    return nll;
}

ITD_DEF double itd_gaussian_mse(const itd_gaussian *g, const float *x, double logsnr)
{
    double mse = 0;
    for (size_t i = 0; i < g->dim; i++) {
        double a = logsnr + log(g->lambda[i]), gain = itd_sigmoid(a), y = itd__gaussian_project(g, i, x);
        mse += gain * gain + gain * itd_sigmoid(-a) * y * y / g->lambda[i];
    }
    return mse;
}

ITD_DEF double itd_gaussian_mmse(const itd_gaussian *g, double logsnr)
{
    double mmse = 0;
    for (size_t i = 0; i < g->dim; i++) mmse += itd_sigmoid(logsnr + log(g->lambda[i]));
    return mmse;
}

static itd_result itd__gaussian_predict(void *ctx, const float *z, const float *logsnr, size_t n,
                                        float *eps_hat)
{
    const itd_gaussian *g = (const itd_gaussian *)ctx;
    ptrdiff_t row;
    ITD__PARALLEL(n * g->dim > 4096)
    for (row = 0; row < (ptrdiff_t)n; row++) {
        size_t d = g->dim;
        const float *in = z + (size_t)row * d;
        float *out = eps_hat + (size_t)row * d;
        double signal = itd_sigmoid(logsnr[row]), noise = itd_sigmoid(-logsnr[row]), root = sqrt(signal);
        memset(out, 0, d * sizeof *out);
        for (size_t i = 0; i < d; i++) {
            const double *u = g->vectors ? g->vectors + i * d : NULL;
            double y = 0, factor = sqrt(noise) / (signal * g->lambda[i] + noise);
            if (!u) out[i] = (float)(factor * (in[i] - root * g->mean[i]));
            for (size_t j = 0; u && j < d; j++) y += u[j] * (in[j] - root * g->mean[j]);
            for (size_t j = 0; u && j < d; j++) out[j] += (float)(u[j] * factor * y);
        }
    }
    return ITD_OK;
}

ITD_DEF itd_denoiser itd_gaussian_denoiser(const itd_gaussian *g)
{
    itd_denoiser den = ITD__ZERO;
    den.ctx = (void *)(uintptr_t)g; /* predict only reads it */
    den.dim = g->dim, den.predict = itd__gaussian_predict;
    return den;
}

/* >>likelihood ---------------------------------------------------------------------------------------------

   The estimator: first measure, then reduce. A draw for a point x is a log SNR alpha with weight w and a
   noise eps; it costs one row of the denoiser, whose squared error is e = ||eps - eps_hat||^2. The best
   denoiser of the reference q gets the same z; its error is e_q = ||eps - eps_hat_q||^2. The identity of
   >>method for p, less that for q, says

       -log p(x) = -log q(x) + 1/2 E[ w (e - e_q) ].

   Most of what eps does to e it also does to e_q, so e - e_q varies little: e_q is a control variate.

   SYSTEMATIC SAMPLES. A point has r = `repetitions` of m = `length` draws. Those of one repetition are at
   the quantiles v_j = (j + U) / m, j = 0 .. m-1, of the schedule, with one random start U:

       v = 0 |..x....|..x....|..x....|..x....| 1        repetition 1
             |.....x.|.....x.|.....x.|.....x.|          repetition 2

   Every v_j is uniform, so the mean is right, and even spacing integrates the smooth mean of w (e - e_q) far
   better than independent log SNRs would.

   ALLOCATION. A pilot run on random points measures how the standard deviation of w (e - e_q) changes along
   the schedule. The draws are denser where it is large: they are at the quantiles u_j = H^-1(v_j), where H is
   the integral of a density h that follows the standard deviation, and their weights get the factor 1 / h. A
   bad h makes the variance larger, but the mean stays right.

   STANDARD ERRORS. The value of point i is the mean of its r repetitions, which are independent. Let V_i be
   their sample variance divided by r.

       sqrt(V_i)             standard error of the value of point i, with r - 1 degrees of freedom
       sqrt(Sum_i V_i) / n   `std_error` of the mean over these n points, which are independent, too

   `degrees` follows Satterthwaite (1946): (Sum_i E[V_i])^2 / Sum_i( E[V_i]^2 / (r - 1) ). For normal
   repetitions V_i^2 (r - 1) / (r + 1) estimates E[V_i]^2 without bias, which gives
   (r + 1) (Sum_i V_i)^2 / Sum_i V_i^2, and n (r - 1) is the upper limit. With shared_noise only repetitions
   are independent, and it is r - 1. `std_error_data`, for the mean over the distribution of the points, is
   the standard deviation of their values over sqrt(n): the noise of the draws is in the values already.

   To use another density as the reference, nothing here has to change: measure its best denoiser beside the
   other (k = 2, in the same coordinates), and give itd_draws_integral start[i] = -log q(x_i) and
   f[i] = weight[i] * (error[2 * i] - error[2 * i + 1]). Every eigenvalue of the covariance of q has to be far
   above exp(-a1), with a1 the upper end of the schedule: desc.reference is widened to that, yours is not. */

enum {
    ITD__MAX_PILOT = 8192,      /* draws of a pilot */
    ITD__MIN_PILOT = 64,        /* with fewer there is none */
    ITD__MAX_BINS = 32,         /* parts of the schedule in which it takes the spread */
    ITD__DENSITY_STEPS = 256,   /* of the density of draws that is made of it */
    ITD__TABLE_DRAWS = 1 << 18, /* draws in a table of itd_nll, if a point has no more */
    ITD__DEGREES = 30,          /* of freedom that repetitions are made for */
    ITD__POINT_REPETITIONS = 16 /* those for the standard error of single points */
};

/* One call of itd_measure, itd_nll or itd_mse_curve: what is measured, its table, the memory of a batch. */
typedef struct itd__measurement {
    const itd_denoiser *den;
    const float *x; /* (n,dim) */
    size_t n;
    itd_nll_desc desc;
    size_t repetitions, length, pilot; /* repetitions of each point, draws in one; draws of the pilot */
    /* h in equal steps of the schedule's quantile, and H at their ends. */
    double density[ITD__DENSITY_STEPS], below[ITD__DENSITY_STEPS + 1];
    itd_gaussian reference; /* in the denoisers' coordinates, with eigenvalues of its own */
    itd_gaussian *owned;    /* has its other arrays, if they are not the caller's */
    itd_draws *table;       /* the one that is being made */
    size_t first;           /* number of the point that it begins with */
    size_t batch;
    float *eps, *z, *eps_hat; /* (batch,dim) */
    float *logsnr;            /* (batch) */
    size_t *row;              /* (batch) where a draw's point is among the batch's points: */
    double *y, *y_along; /* (batch,dim) these in the denoisers' coordinates, and along the eigenvectors */
    double *eps_along;   /* (batch,dim) eps along the eigenvectors */
    double *spare;       /* (batch,dim) for the rotation */
    itd__scratch work;   /* for the rotation, if the reference has a basis */
} itd__measurement;

/* ---- errors of a batch ---- */

static double itd__squared_distance(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return sum;
}

/* Rotates n rows to the reference's eigenvectors; z and eps_hat are free until the denoiser is called. */
static void itd__rotate(itd__measurement *m, size_t n, double *rows)
{
    const itd_gaussian *q = &m->reference;
    size_t d = q->dim;
    ptrdiff_t row;
    if (q->basis) {
        for (size_t i = 0; i < n * d; i++) m->z[i] = (float)rows[i];
        itd__matmul(n, d, d, false, m->z, d, 1, q->basis, 1, d, m->eps_hat, d, m->work);
        for (size_t i = 0; i < n * d; i++) rows[i] = m->eps_hat[i];
    }
    if (q->basis || !q->vectors) return;
    ITD__PARALLEL(n * d * d > 1 << 18)
    for (row = 0; row < (ptrdiff_t)n; row++) {
        double *along = rows + (size_t)row * d, *v = m->spare + (size_t)row * d;
        memcpy(v, along, d * sizeof *v);
        for (size_t i = 0; i < d; i++) {
            double sum = 0;
            for (size_t j = 0; j < d; j++) sum += q->vectors[i * d + j] * v[j];
            along[i] = sum;
        }
    }
}

/* Takes the points of some draws into the denoisers' coordinates and along the eigenvectors; a point whose
   draws follow each other only once. */
static itd_result itd__measure_points(itd__measurement *m, size_t at, size_t rows)
{
    size_t d = m->den->dim, points = 0;
    for (size_t i = 0; i < rows; i++) {
        const size_t *point = m->table->point + at + i;
        if (i == 0 || point[0] != point[-1]) {
            const float *x = m->x + (m->first + *point) * d;
            for (size_t j = 0; j < d; j++) {
                double y = m->y[points * d + j] = itd__coordinate(m->den, x, j);
                if (!(fabs(y) <= FLT_MAX)) return ITD_ERROR_DATA;
                m->y_along[points * d + j] = y - m->reference.mean[j];
            }
            points++;
        }
        m->row[i] = points - 1;
    }
    itd__rotate(m, points, m->y_along);
    return ITD_OK;
}

/* Draw i of a batch: z, and what the reference's denoiser leaves of its noise. With S = s(alpha) and
   N = s(-alpha), z = sqrt(S) y + sqrt(N) eps; along eigenvector j there remains

       (S lambda_j eps_j - sqrt(S N) y_j) / (S lambda_j + N),

   e_q is the sum of the squares, mse_q its mean over eps. A point's first draw gives -log q(x), too. */
static void itd__measure_reference(itd__measurement *m, size_t at, size_t i)
{
    itd_draws *out = m->table;
    size_t d = m->reference.dim, row = m->row[i];
    const double *lambda = m->reference.lambda, *y = m->y + row * d, *y_along = m->y_along + row * d;
    const double *eps_along = m->eps_along + i * d;
    double signal = itd_sigmoid(m->logsnr[i]), noise = itd_sigmoid(-m->logsnr[i]);
    double root_signal = sqrt(signal), root_noise = sqrt(noise), e_q = 0, mse_q = 0;
    for (size_t j = 0; j < d; j++) {
        double total = signal * lambda[j] + noise, gain = signal * lambda[j] / total;
        double shift = root_signal * root_noise / total * y_along[j], left = gain * eps_along[j] - shift;
        e_q += left * left, mse_q += gain * gain + shift * shift;
        m->z[i * d + j] = (float)(root_signal * y[j] + root_noise * m->eps[i * d + j]);
    }
    out->reference[at + i] = e_q, out->expected[at + i] = mse_q;
    if (out->n == 0 || (i > 0 && row == m->row[i - 1])) return;
    double nll = itd_gaussian_entropy(&m->reference);
    for (size_t j = 0; j < d; j++) nll += 0.5 * (y_along[j] * y_along[j] / lambda[j] - 1);
    out->nll_reference[out->point[at + i]] = m->den->log_det + nll;
}

/* The errors of the reference and of the denoisers for draws from number `at` on, whose points and log SNRs
   are in the table, and whose eps is drawn. */
static itd_result itd__measure_errors(itd__measurement *m, size_t at, size_t rows)
{
    itd_draws *out = m->table;
    size_t d = m->den->dim, k = out->denoisers;
    ptrdiff_t i;
    ITD__TRY(itd__measure_points(m, at, rows));
    for (size_t j = 0; j < rows; j++) m->logsnr[j] = (float)out->logsnr[at + j];
    for (size_t j = 0; j < rows * d; j++) m->eps_along[j] = m->eps[j];
    itd__rotate(m, rows, m->eps_along);
    ITD__PARALLEL(rows > 256)
    for (i = 0; i < (ptrdiff_t)rows; i++) itd__measure_reference(m, at, (size_t)i);
    for (size_t c = 0; c < k; c++) {
        double *error = out->error + at * k + c;
        ITD__TRY(m->den[c].predict(m->den[c].ctx, m->z, m->logsnr, rows, m->eps_hat));
        for (size_t j = 0; j < rows; j++) {
            error[j * k] = itd__squared_distance(m->eps + j * d, m->eps_hat + j * d, d);
            if (!(error[j * k] <= DBL_MAX)) return ITD_ERROR_NUMERIC;
        }
    }
    return ITD_OK;
}

/* ---- the table ---- */

ITD_DEF void itd_draws_free(itd_draws *draws)
{
    if (!draws) return;
    ITD_FREE(draws->point), ITD_FREE(draws->quantile), ITD_FREE(draws->gaussian.lambda);
    itd_gaussian_free(draws->owned);
    ITD_FREE(draws);
}

/* A new table for `count` draws of n points. n = 0: of any points, whose -log q(x) is not asked for. */
static itd_result itd__new_table(itd__measurement *m, size_t n, size_t count, size_t k)
{
    itd_draws *t = (itd_draws *)itd__alloc(1, 1, sizeof *t);
    itd_draws_free(m->table);
    m->table = t;
    if (!t) return ITD_ERROR_MEMORY;
    t->desc = m->desc, t->n = n, t->count = count, t->denoisers = k;
    t->repetitions = m->repetitions, t->length = m->length, t->evaluations = count + m->pilot;
    t->point = (size_t *)itd__alloc(count, 2, sizeof *t->point);
    t->quantile = itd__doubles(count, 5 + k + 1); /* five columns, k of errors, nll_reference: n <= count */
    if (!t->point || !t->quantile) return ITD_ERROR_MEMORY;
    t->repetition = t->point + count;
    t->logsnr = t->quantile + count, t->weight = t->logsnr + count;
    t->reference = t->weight + count, t->expected = t->reference + count;
    t->error = t->expected + count, t->nll_reference = t->error + count * k;
    return ITD_OK;
}

/* A draw at quantile u of the schedule. */
static void itd__set_logsnr(itd__measurement *m, size_t i, double u)
{
    size_t step = itd__min((size_t)(u * (double)ITD__DENSITY_STEPS), ITD__DENSITY_STEPS - 1);
    itd_draws *t = m->table;
    t->quantile[i] = u;
    t->logsnr[i] = (float)itd_schedule_quantile(&m->desc.schedule, u);
    t->weight[i] = itd_schedule_weight(&m->desc.schedule, t->logsnr[i]) / m->density[step];
}

/* w (e - e_q) for one draw. */
static double itd__integrand(const itd_draws *draws, size_t i, size_t which)
{
    double e_q = draws->desc.cancel ? draws->reference[i] : draws->expected[i];
    return draws->weight[i] * (draws->error[i * draws->denoisers + which] - e_q);
}

/* u = H^-1(v); H is piecewise linear. */
static double itd__allocate(const itd__measurement *m, double v)
{
    size_t s = 0;
    for (size_t half = ITD__DENSITY_STEPS / 2; half > 0; half /= 2) s += m->below[s + half] <= v ? half : 0;
    double part = (v - m->below[s]) / (m->below[s + 1] - m->below[s]);
    return ((double)s + fmin(fmax(part, 0), 1)) / (double)ITD__DENSITY_STEPS;
}

/* Row i of a batch is draw at + i of the table. Each point has its own streams of random numbers, in which a
   repetition or draw has its own place: no draw depends on how points are divided into tables and batches. */
static void itd__draw(itd__measurement *m, size_t at, size_t i)
{
    size_t d = m->den->dim, own = m->repetitions * m->length;
    size_t point = (at + i) / own, draw = (at + i) % own, repetition = draw / m->length;
    uint64_t stream = m->desc.shared_noise ? 0 : m->first + point;
    itd_rng start = itd__rng_for(m->desc.seed, ITD__FOR_TEST_LOGSNR, stream);
    itd_rng noise = itd__rng_for(m->desc.seed, ITD__FOR_TEST_NOISE, stream);
    start.counter = m->desc.stratified ? repetition : draw;
    noise.counter = draw * itd__ceil_div(d, 4);
    double v = itd_rng_uniform(&start);
    if (m->desc.stratified) v = ((double)(draw % m->length) + v) / (double)m->length;
    m->table->point[at + i] = point, m->table->repetition[at + i] = repetition;
    itd__set_logsnr(m, at + i, itd__allocate(m, v));
    itd_rng_normal_fill(&noise, d, m->eps + i * d);
}

/* Measures all draws of the table: those of the points from number `first` on or, given a stream for their
   noise, those whose points and log SNRs are in the table already. */
static itd_result itd__fill_table(itd__measurement *m, itd_rng *noise)
{
    for (size_t at = 0; at < m->table->count; at += m->batch) {
        size_t rows = itd__min(m->batch, m->table->count - at);
        ptrdiff_t i;
        if (noise) itd_rng_normal_fill(noise, rows * m->den->dim, m->eps);
        else {
            ITD__PARALLEL(rows > 256)
            for (i = 0; i < (ptrdiff_t)rows; i++) itd__draw(m, at, (size_t)i);
        }
        ITD__TRY(itd__measure_errors(m, at, rows));
    }
    return ITD_OK;
}

/* ---- the pilot ---- */

/* The value at u of straight lines through value[b] at the middles of `bins` equal parts of [0, 1]. */
static double itd__interpolate(const double *value, size_t bins, double u)
{
    double at = fmin(fmax(u * (double)bins - 0.5, 0), (double)(bins - 1));
    size_t b = (size_t)at, next = itd__min(b + 1, bins - 1);
    return value[b] + (at - (double)b) * (value[next] - value[b]);
}

/* h is to 4/5 proportional to the spread of the integrand and to 1/5 uniform, so 1 / h is at most five. It
   has no large jumps, which the few draws of one point would miss. With many bins the spread is smoothed
   first, because a few unusual points decide it. */
static void itd__set_density(itd__measurement *m, double *spread, size_t bins)
{
    double mean = 0, total = 0;
    for (size_t pass = 0; pass < bins / 16; pass++) {
        double before = spread[0];
        for (size_t b = 0; b < bins; b++) {
            double own = spread[b];
            spread[b] = 0.25 * before + 0.5 * own + 0.25 * spread[itd__min(b + 1, bins - 1)];
            before = own;
        }
    }
    for (size_t b = 0; b < bins; b++) mean += spread[b] / (double)bins;
    if (!(mean > 0)) return;
    for (size_t s = 0; s < ITD__DENSITY_STEPS; s++) {
        double u = ((double)s + 0.5) / (double)ITD__DENSITY_STEPS;
        m->density[s] = 0.2 + 0.8 * itd__interpolate(spread, bins, u) / mean;
        total += m->density[s] / (double)ITD__DENSITY_STEPS;
    }
    m->below[0] = 0;
    for (size_t s = 0; s < ITD__DENSITY_STEPS; s++) {
        m->density[s] /= total;
        m->below[s + 1] = m->below[s] + m->density[s] / (double)ITD__DENSITY_STEPS;
    }
}

/* One draw, on a random point, in each of m->pilot equal parts of the schedule; the integrand's standard
   deviation in each bin. */
static itd_result itd__pilot(itd__measurement *m)
{
    double spread[ITD__MAX_BINS];
    size_t bins = itd__max(1, itd__min(ITD__MAX_BINS, m->pilot / 24)), per_bin = m->pilot / bins;
    itd_rng rng = itd__rng_for(m->desc.seed, ITD__FOR_PILOT, 0);
    itd_rng noise = itd__rng_for(m->desc.seed, ITD__FOR_PILOT_NOISE, 0);
    m->pilot = bins * per_bin;
    ITD__TRY(itd__new_table(m, 0, m->pilot, 1));
    for (size_t i = 0; i < m->pilot; i++) {
        double u = ((double)i + itd_rng_uniform(&rng)) / (double)m->pilot;
        m->table->point[i] = (size_t)itd_rng_below(&rng, m->n);
        itd__set_logsnr(m, i, u);
    }
    ITD__TRY(itd__fill_table(m, &noise));
    for (size_t b = 0; b < bins; b++) {
        double mean = 0, square = 0;
        for (size_t i = 0; i < per_bin; i++) {
            double f = itd__integrand(m->table, b * per_bin + i, 0), off = f - mean;
            mean += off / (double)(i + 1), square += off * (f - mean);
        }
        spread[b] = sqrt(square / (double)per_bin);
    }
    itd__set_density(m, spread, bins);
    return ITD_OK;
}

/* ---- how many draws of each kind ---- */

ITD_DEF itd_nll_desc itd_nll_desc_default(void)
{
    itd_nll_desc desc = ITD__ZERO;
    desc.schedule = itd_schedule_default();
    desc.draws = 100, desc.seed = 1, desc.batch = 1024;
    desc.stratified = desc.allocate = desc.cancel = true;
    return desc;
}

/* Divides the draws: an eighth for the pilot, at most ITD__MAX_PILOT, none if that is too few; the rest into
   repetitions, just enough for the degrees of freedom, since long ones integrate better: two where there are
   many points. */
static void itd__divide(itd__measurement *m, bool single_points)
{
    const itd_nll_desc *desc = &m->desc;
    size_t wanted = 1 + itd__ceil_div(ITD__DEGREES, desc->shared_noise ? 1 : m->n), own;
    if (single_points) wanted = itd__max(wanted, ITD__POINT_REPETITIONS);
    if (desc->repetitions) wanted = desc->repetitions;
    if (desc->allocate) {
        size_t reserved = desc->repetitions ? desc->repetitions : 2;
        m->pilot = itd__min(m->n * desc->draws / 8, m->n * (desc->draws - reserved));
        m->pilot = itd__min(m->pilot, ITD__MAX_PILOT);
        if (m->pilot < ITD__MIN_PILOT) m->pilot = 0;
    }
    own = (m->n * desc->draws - m->pilot) / m->n;
    m->length = own / itd__min(wanted, own);
    m->repetitions = desc->repetitions ? desc->repetitions : own / m->length;
}

/* ---- measuring ---- */

/* The points' own Gaussian in the denoisers' coordinates: with its correlations, given four points for each
   dimension (N(0, I), if they do not vary); else without, given eight points; else N(0, I). */
static itd_result itd__fit_reference(const itd_denoiser *den, const float *x, size_t n, itd_gaussian **out)
{
    size_t d = den->dim;
    bool full = d <= ITD__FULL_GAUSSIAN && n / 4 >= d;
    float *y = itd__floats(n, d);
    itd_result result = y ? ITD_OK : ITD_ERROR_MEMORY;
    if (y) itd_to_coordinates(den, x, n, y);
    if (y && !itd__all_finite(y, n * d)) result = ITD_ERROR_DATA;
    if (result == ITD_OK) {
        result = full ? itd_gaussian_fit(y, n, d, out) : ITD_ERROR_DATA;
        if (result == ITD_ERROR_DATA) result = itd__gaussian_fit_axes(y, full || n < 8 ? 0 : n, d, out);
    }
    ITD_FREE(y);
    return result;
}

/* The reference is the one given, in the denoisers' coordinates; else N(0, I) without `cancel`, or the
   points' own. Along each eigenvector its standard deviation is raised to 100 exp(-a1/2), 100 times that of
   the noise at the upper end a1 of the schedule, or to 1 if that is less. In the first case, ending the
   integral at a1 costs at most 1/2 log(1 + 1e-4) nats per direction. */
static itd_result itd__choose_reference(itd__measurement *m)
{
    const itd_schedule *s = &m->desc.schedule;
    double min_lambda = fmin(1, 1e4 * exp(-(s->loc + s->scale * s->clip)));
    const itd_denoiser *den = m->den;
    const itd_gaussian *given = m->desc.reference;
    if (!given) ITD__TRY(itd__fit_reference(den, m->x, m->desc.cancel ? m->n : 0, &m->owned));
    else if (den->mean || den->scale || den->whiten)
        ITD__TRY(itd_gaussian_to_coordinates(den, given, &m->owned));
    const itd_gaussian *q = m->owned ? m->owned : given;
    double *lambda = itd__doubles(den->dim, 1);
    ITD_ASSERT(q != NULL);
    if (!lambda) return ITD_ERROR_MEMORY;
    for (size_t j = 0; j < den->dim; j++) lambda[j] = fmax(q->lambda[j], min_lambda);
    m->reference = *q, m->reference.lambda = lambda;
    return ITD_OK;
}

/* Batches hold whole blocks of four variates, so that their size does not change which noise a draw gets. */
static size_t itd__batch_rows(size_t wanted) { return itd__ceil_div(itd__max(wanted, 1), 4) * 4; }

/* Prepares to measure, and runs the pilot. On failure, too, itd__measurement_end has to be called. */
static itd_result itd__measurement_begin(const itd_denoiser *den, size_t k, const float *x, size_t n,
                                         const itd_nll_desc *desc, bool single_points, itd__measurement *m)
{
    size_t all, size;
    double uniform = 1;
    if (itd_nll_problem(den, k, n, desc)) return ITD_ERROR_ARGUMENT;
    if (!itd__multiply(n, desc->draws, &all)) return ITD_ERROR_MEMORY;
    if (!itd__all_finite(x, n * den->dim)) return ITD_ERROR_DATA;
    m->den = den, m->x = x, m->n = n, m->desc = *desc;
    itd__divide(m, single_points);
    ITD__TRY(itd__choose_reference(m));
    m->batch = itd__batch_rows(itd__min(desc->batch, all)), size = m->batch * den->dim;
    m->eps = itd__floats(m->batch, 3 * den->dim + 1);
    m->row = (size_t *)itd__alloc(m->batch, 1, sizeof *m->row);
    m->y = itd__doubles(m->batch, 4 * den->dim);
    if (m->reference.basis) m->work = itd__new_scratch();
    if (!m->eps || !m->row || !m->y || (m->reference.basis && !m->work.floats)) return ITD_ERROR_MEMORY;
    m->z = m->eps + size, m->eps_hat = m->z + size, m->logsnr = m->eps_hat + size;
    m->y_along = m->y + size, m->eps_along = m->y_along + size, m->spare = m->eps_along + size;
    itd__set_density(m, &uniform, 1);
    return m->pilot ? itd__pilot(m) : ITD_OK;
}

static void itd__measurement_end(itd__measurement *m)
{
    ITD_FREE(m->eps), ITD_FREE(m->row), ITD_FREE(m->y), ITD_FREE(m->work.floats);
    ITD_FREE(m->reference.lambda);
    itd_gaussian_free(m->owned), itd_draws_free(m->table);
}

ITD_DEF itd_result itd_measure(const itd_denoiser *den, size_t k, const float *x, size_t n,
                               const itd_nll_desc *desc, itd_draws **out)
{
    itd__measurement m = ITD__ZERO;
    itd_result result = itd__measurement_begin(den, k, x, n, desc, false, &m);
    if (result == ITD_OK) result = itd__new_table(&m, n, n * m.repetitions * m.length, k);
    if (result == ITD_OK) result = itd__fill_table(&m, NULL);
    if (result == ITD_OK) {
        m.table->gaussian = m.reference, m.table->owned = m.owned;
        *out = m.table;
        m.reference.lambda = NULL, m.owned = NULL, m.table = NULL; /* no longer the measurement's */
    }
    itd__measurement_end(&m);
    return result;
}

/* ---- reducing ---- */

/* Of a mean of `count` independent numbers with this sum and sum of squares. */
static double itd__standard_error(double sum, double square, double count)
{
    if (count < 2) return NAN;
    return sqrt(fmax(square - sum * sum / count, 0) / (count - 1) / count);
}

/* For each point, the mean of start + 1/2 Integral f over its repetitions, and the variance of that mean. The
   integrals of repetition k are added to total[k]. Without f, f is w (e - e_q) for denoiser `which`. */
static void itd__integrate(const itd_draws *draws, size_t which, const double *start, const double *f,
                           double *value /* (n) */, double *variance /* (n) */,
                           double *total /* (repetitions) */)
{
    double r = (double)draws->repetitions;
    for (size_t point = 0, i = 0; point < draws->n; point++) {
        double mean = 0, square = 0;
        for (size_t k = 0; k < draws->repetitions; k++) {
            double integral = 0;
            for (size_t j = 0; j < draws->length; j++, i++)
                integral += 0.5 * (f ? f[i] : itd__integrand(draws, i, which)) / (double)draws->length;
            double off = integral - mean;
            mean += off / (double)(k + 1), square += off * (integral - mean);
            total[k] += integral;
        }
        value[point] = start[point] + mean, variance[point] = square / (r - 1) / r;
    }
}

/* The estimates from what itd__integrate found. Of `draws` the arrays are not needed any more. */
static itd_result itd__summarize(const itd_draws *draws, const double *value /* values, variances, totals */,
                                 itd_nll_result *out, double *nll_x, double *std_error_x)
{
    const double *variance = value + draws->n, *total = variance + draws->n;
    double n = (double)draws->n, r = (double)draws->repetitions;
    double sum = 0, square = 0, variances = 0, squares = 0;
    itd_nll_result result = ITD__ZERO;
    for (size_t i = 0; i < draws->n; i++) {
        double off = value[i] - value[0]; /* so that the squares do not cancel */
        sum += off, square += off * off;
        variances += variance[i], squares += variance[i] * variance[i];
    }
    result.nll = value[0] + sum / n;
    result.std_error = sqrt(variances) / n;
    result.std_error_data = itd__standard_error(sum, square, n);
    result.degrees = n * (r - 1);
    if (squares > 0) result.degrees = fmin(result.degrees, (r + 1) * variances * variances / squares);
    result.evaluations = draws->evaluations;
    if (draws->desc.shared_noise) { /* only the repetitions are independent */
        sum = square = 0;
        for (size_t k = 0; k < draws->repetitions; k++) {
            double off = (total[k] - total[0]) / n;
            sum += off, square += off * off;
        }
        result.std_error = itd__standard_error(sum, square, r), result.degrees = r - 1;
    }
    if (!(fabs(result.nll) <= DBL_MAX)) return ITD_ERROR_NUMERIC;
    if (nll_x) memcpy(nll_x, value, draws->n * sizeof *value);
    for (size_t i = 0; std_error_x && i < draws->n; i++) std_error_x[i] = sqrt(variance[i]);
    *out = result;
    return ITD_OK;
}

static itd_result itd__reduce(const itd_draws *draws, size_t which, const double *start, const double *f,
                              itd_nll_result *out, double *nll_x, double *std_error_x)
{
    size_t n = draws->n;
    double *value = itd__doubles(2 * n + draws->repetitions, 1);
    if (!value) return ITD_ERROR_MEMORY;
    itd__integrate(draws, which, start, f, value, value + n, value + 2 * n);
    itd_result result = itd__summarize(draws, value, out, nll_x, std_error_x);
    ITD_FREE(value);
    return result;
}

ITD_DEF itd_result itd_draws_integral(const itd_draws *draws, const double *start, const double *f,
                                      itd_nll_result *out, double *nll_x, double *std_error_x)
{
    return itd__reduce(draws, 0, start, f, out, nll_x, std_error_x);
}

ITD_DEF itd_result itd_draws_nll(const itd_draws *draws, size_t which, itd_nll_result *out, double *nll_x,
                                 double *std_error_x)
{
    if (which >= draws->denoisers) return ITD_ERROR_ARGUMENT;
    return itd__reduce(draws, which, draws->nll_reference, NULL, out, nll_x, std_error_x);
}

/* Measures and integrates, with a table for some of the points at a time. */
static itd_result itd__integrate_points(itd__measurement *m, size_t points, double *value)
{
    for (; m->first < m->n; m->first += points) {
        size_t some = itd__min(points, m->n - m->first);
        double *here = value + m->first;
        ITD__TRY(itd__new_table(m, some, some * m->repetitions * m->length, 1));
        ITD__TRY(itd__fill_table(m, NULL));
        itd__integrate(m->table, 0, m->table->nll_reference, NULL, here, here + m->n, value + 2 * m->n);
    }
    return ITD_OK;
}

ITD_DEF itd_result itd_nll(const itd_denoiser *den, const float *x, size_t n, const itd_nll_desc *desc,
                           itd_nll_result *out, double *nll_x, double *std_error_x)
{
    itd__measurement m = ITD__ZERO;
    itd_draws whole = ITD__ZERO; /* the table of all draws, of which only parts are ever made */
    double *value = NULL;
    itd_result result = itd__measurement_begin(den, 1, x, n, desc, std_error_x != NULL, &m);
    size_t own = m.repetitions * m.length;
    if (result == ITD_OK && !(value = itd__doubles(2 * n + m.repetitions, 1))) result = ITD_ERROR_MEMORY;
    if (result == ITD_OK) result = itd__integrate_points(&m, itd__max(1, ITD__TABLE_DRAWS / own), value);
    whole.desc = *desc, whole.n = n, whole.repetitions = m.repetitions;
    whole.evaluations = n * own + m.pilot;
    if (result == ITD_OK) result = itd__summarize(&whole, value, out, nll_x, std_error_x);
    ITD_FREE(value), itd__measurement_end(&m);
    return result;
}

/* ---- curves ---- */

ITD_DEF itd_result itd_draws_curve(const itd_draws *draws, size_t which, size_t bins, double *logsnr,
                                   double *mse, double *mse_error, double *reference_mse)
{
    if (which >= draws->denoisers || bins == 0) return ITD_ERROR_ARGUMENT;
    double *count = itd__doubles(bins, 5);
    if (!count) return ITD_ERROR_MEMORY;
    double *weight = count + bins, *mean = weight + bins, *expected = mean + bins, *square = expected + bins;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < draws->count; i++) {
            size_t b = itd__min((size_t)(draws->quantile[i] * (double)bins), bins - 1);
            double w = draws->weight[i], e = draws->error[i * draws->denoisers + which];
            if (pass == 0) {
                count[b]++, weight[b] += w;
                mean[b] += w * e, expected[b] += w * draws->expected[i];
            } else {
                double off = w * (e - mean[b] / weight[b]);
                square[b] += off * off * count[b] / (count[b] - 1);
            }
        }
    for (size_t b = 0; b < bins; b++) { /* 0 / 0 is NaN */
        if (logsnr)
            logsnr[b] = itd_schedule_quantile(&draws->desc.schedule, ((double)b + 0.5) / (double)bins);
        mse[b] = mean[b] / weight[b];
        if (mse_error) mse_error[b] = count[b] > 1 ? sqrt(square[b]) / weight[b] : NAN;
        if (reference_mse) reference_mse[b] = expected[b] / weight[b];
    }
    ITD_FREE(count);
    return ITD_OK;
}

ITD_DEF itd_result itd_mse_curve(const itd_denoiser *den, const float *x, size_t n, const double *logsnr,
                                 size_t m, uint64_t seed, double *mse, double *mse_error, double *mmse)
{
    itd__measurement all = ITD__ZERO;
    itd_nll_desc desc = itd_nll_desc_default();
    double *sum = itd__doubles(m, 2); /* the caller's arrays are written when nothing can fail any more */
    desc.draws = 1, desc.allocate = false, desc.schedule.clip = 600; /* so no direction is widened */
    itd_result result = sum ? itd__measurement_begin(den, 1, x, n, &desc, false, &all) : ITD_ERROR_MEMORY;
    if (result == ITD_OK) result = itd__new_table(&all, 0, n, 1);
    for (size_t k = 0; result == ITD_OK && k < m; k++) {
        itd_rng noise = itd__rng_for(seed, ITD__FOR_CURVE, 0); /* that of every log SNR: a smooth curve */
        itd_draws *t = all.table;
        for (size_t i = 0; i < n; i++) t->point[i] = i, t->logsnr[i] = (float)logsnr[k];
        result = itd__fill_table(&all, &noise);
        for (size_t i = 0; result == ITD_OK && i < n; i++)
            sum[k] += t->error[i], sum[m + k] += t->error[i] * t->error[i];
    }
    for (size_t k = 0; result == ITD_OK && k < m; k++) {
        mse[k] = sum[k] / (double)n;
        if (mse_error) mse_error[k] = itd__standard_error(sum[k], sum[m + k], (double)n);
        if (mmse) mmse[k] = itd_gaussian_mmse(&all.reference, logsnr[k]);
    }
    ITD_FREE(sum), itd__measurement_end(&all);
    return result;
}

/* >>model --------------------------------------------------------------------------------------------------

   A model makes a denoiser of the caller's data out of a network F:

       x  --coordinates-->  y  --channel-->  z  --shrink-->  F  --gain, plus skip z-->  eps_hat

   In the coordinates y = W (x - mean) the shrunk covariance of the training data is I; without `whiten`, or
   above 64 dimensions, each coordinate has variance 1; without `normalize` y is x. With v the variance of y,
   that of z is V = s(alpha) v + s(-alpha), and

       eps_hat = skip z + gain F(shrink z, alpha)

                    PLAIN    GAUSSIAN                  alpha -> -inf    alpha -> inf
           shrink     1      1 / sqrt(V)                     1           1 / sqrt(v)
           skip       0      sqrt(s(-alpha)) / V             1                0
           gain       1      sqrt(s(alpha) v / V)            0                1

   At low SNR z is nearly all noise, and eps_hat becomes z whatever the network puts out; PLAIN has to learn
   that. With GAUSSIAN input and target of F have variance 1 at every SNR, and F = 0 is the best denoiser of
   N(0, v I).

   To add a parameterization: its name in itd_parameterization (>>api), its three numbers in
   itd__parameterize, and its name as the maximum in the row `parameterization` of >>descriptions. */

typedef struct itd__coefficients {
    double shrink, skip, gain;
} itd__coefficients;

static itd__coefficients itd__parameterize(const itd_model_desc *desc, double logsnr)
{
    itd__coefficients c = {1, 0, 1};
    if (desc->parameterization == ITD_GAUSSIAN) {
        double signal = itd_sigmoid(logsnr), noise = itd_sigmoid(-logsnr), v = desc->variance;
        double variance = signal * v + noise;
        c.shrink = 1 / sqrt(variance);
        c.skip = sqrt(noise) / variance;
        c.gain = sqrt(signal * v / variance);
    }
    return c;
}

/* ---- prediction ---- */

/* eps_hat of rows `from` to `from + n`, at most a slice of the network. */
static void itd__model_slice(itd_model *model, const float *z, const float *logsnr, size_t from, size_t n,
                             float *eps_hat)
{
    itd__coefficients c[ITD__SLICE];
    size_t d = model->dim;
    for (size_t i = 0; i < n; i++) {
        size_t row = (from + i) * d;
        c[i] = itd__parameterize(&model->desc, logsnr[from + i]);
        for (size_t j = row; j < row + d; j++) model->work[j] = (float)c[i].shrink * z[j];
    }
    itd__forward_slice(model->net, model->work, logsnr, from, n, eps_hat);
    for (size_t i = 0; i < n; i++) {
        size_t row = (from + i) * d;
        float skip = (float)c[i].skip, gain = (float)c[i].gain;
        for (size_t j = row; j < row + d; j++) eps_hat[j] = skip * z[j] + gain * eps_hat[j];
    }
}

/* n rows in one pass of the network, divided among the threads. */
static itd_result itd__model_forward(itd_model *model, const float *z, const float *logsnr, size_t n,
                                     float *eps_hat)
{
    size_t slice = itd__slice(model->net);
    ptrdiff_t k, slices = (ptrdiff_t)itd__ceil_div(n, slice);
    ITD__TRY(itd__reserve(&model->work, &model->work_rows, n, model->dim));
    ITD__TRY(itd__forward_begin(model->net, n));
    ITD__PARALLEL(slices > 1)
    for (k = 0; k < slices; k++) {
        size_t from = (size_t)k * slice;
        itd__model_slice(model, z, logsnr, from, itd__min(n - from, slice), eps_hat);
    }
    return ITD_OK;
}

/* Any number of rows, in as many passes as the network's memory asks for. */
static itd_result itd__model_predict(void *ctx, const float *z, const float *logsnr, size_t n, float *eps_hat)
{
    itd_model *model = (itd_model *)ctx;
    size_t d = model->dim, rows = itd__rows_of_pass(model->net);
    itd_result result = ITD_OK;
    itd__use_average(model->net, true);
    for (size_t at = 0; result == ITD_OK && at < n; at += rows)
        result = itd__model_forward(model, z + at * d, logsnr + at, itd__min(n - at, rows), eps_hat + at * d);
    itd__use_average(model->net, false);
    return result;
}

ITD_DEF itd_denoiser itd_model_denoiser(itd_model *model)
{
    itd_denoiser den = ITD__ZERO;
    den.ctx = model, den.dim = model->dim, den.predict = itd__model_predict;
    if (!model->desc.normalize) return den; /* its coordinates are the caller's */
    den.mean = model->mean, den.log_det = model->log_det;
    if (model->whiten) den.whiten = model->whiten, den.color = model->color;
    else den.scale = model->scale;
    return den;
}

ITD_DEF itd_nll_desc itd_model_nll_desc(const itd_model *model)
{
    itd_nll_desc desc = itd_nll_desc_default();
    desc.schedule = model->desc.schedule;
    desc.reference = model->gaussian;
    return desc;
}

/* ---- creation ---- */

/* seed: NULL leaves the weights zero, for those who read them from a file. */
static itd_result itd__model_create(const itd_model_desc *desc, const uint64_t *seed, itd_model **out)
{
    itd_model *model = (itd_model *)itd__alloc(1, 1, sizeof *model);
    itd_result result = model ? itd__net_create(desc, seed, &model->net) : ITD_ERROR_MEMORY;
    if (result == ITD_OK) {
        model->desc = *desc, model->dim = itd__net_dim(model->net);
        model->mean = itd__doubles(model->dim, 1), model->scale = itd__doubles(model->dim, 1);
        if (!model->mean || !model->scale) result = ITD_ERROR_MEMORY;
    }
    for (size_t j = 0; result == ITD_OK && j < model->dim; j++) model->scale[j] = 1;
    if (result == ITD_OK) *out = model;
    else itd_model_free(model);
    return result;
}

ITD_DEF itd_result itd_model_create(const itd_model_desc *desc, uint64_t seed, itd_model **out)
{
    return itd__model_create(desc, &seed, out);
}

static void itd__free_fit(itd_model *model)
{
    itd_gaussian_free(model->gaussian);
    ITD_FREE(model->mean), ITD_FREE(model->scale), ITD_FREE(model->whiten), ITD_FREE(model->color);
}

ITD_DEF void itd_model_free(itd_model *model)
{
    if (!model) return;
    for (itd_note *next, *note = model->notes; note; note = next) next = note->next, ITD_FREE(note);
    itd_net_free(model->net);
    itd__free_fit(model);
    ITD_FREE(model->work);
    ITD_FREE(model);
}

/* ---- fitting ---- */

/* Mean and standard deviation of each column; 0 and 1 without normalization. False if a column that has to be
   divided by its deviation is constant, as far as floats can tell, or if all columns are. */
static bool itd__fit_columns(itd_model *model, const float *x, size_t n)
{
    size_t d = model->dim;
    bool varies = false;
    for (size_t j = 0; j < d; j++) {
        double mean = 0, variance = 0;
        for (size_t i = 0; i < n; i++) mean += ((double)x[i * d + j] - x[j]) / (double)n;
        mean += x[j];
        for (size_t i = 0; i < n; i++) variance += (x[i * d + j] - mean) * (x[i * d + j] - mean) / (double)n;
        model->mean[j] = model->desc.normalize ? mean : 0;
        model->scale[j] = model->desc.normalize ? sqrt(variance) : 1;
        if (model->desc.normalize && (!(variance > 1e-12 * mean * mean) || !(variance > 0))) return false;
        varies = varies || variance > 0;
    }
    return varies;
}

/* N(mean, color color^T): the Gaussian that the coordinates make N(0, I). */
static itd_result itd__mapped_gaussian(size_t d, const double *mean, const double *color, itd_gaussian **out)
{
    double *covariance = itd__doubles(d, d);
    for (size_t i = 0; covariance && i < d; i++)
        for (size_t j = 0; j < d; j++) covariance[i * d + j] = itd__dot(color + i * d, color + j * d, d);
    itd_result result = covariance ? itd_gaussian_create(mean, covariance, d, out) : ITD_ERROR_MEMORY;
    ITD_FREE(covariance);
    return result;
}

/* Coordinates and Gaussian of n rows, into a model that has none. */
static itd_result itd__fit(itd_model *model, const float *x, size_t n)
{
    size_t d = model->dim;
    bool whiten = model->desc.normalize && model->desc.whiten && d <= ITD__FULL_GAUSSIAN;
    model->mean = itd__doubles(d, 1), model->scale = itd__doubles(d, 1);
    if (!model->mean || !model->scale) return ITD_ERROR_MEMORY;
    if (!itd__all_finite(x, n * d) || !itd__fit_columns(model, x, n)) return ITD_ERROR_DATA;
    if (!whiten) {
        model->log_det = itd__add_logs(0, model->scale, d);
        return d <= ITD__FULL_GAUSSIAN ? itd_gaussian_fit(x, n, d, &model->gaussian)
                                       : itd__gaussian_fit_axes(x, n, d, &model->gaussian);
    }
    model->whiten = itd__doubles(d, d), model->color = itd__doubles(d, d);
    if (!model->whiten || !model->color) return ITD_ERROR_MEMORY;
    ITD__TRY(itd__fit_map(x, n, d, model->mean, model->scale, model->whiten, model->color, &model->log_det));
    return itd__mapped_gaussian(d, model->mean, model->color, &model->gaussian);
}

ITD_DEF itd_result itd_model_fit(itd_model *model, const float *x, size_t n)
{
    itd_model fitted = *model;
    if (n < 2) return ITD_ERROR_ARGUMENT;
    fitted.mean = fitted.scale = fitted.whiten = fitted.color = NULL, fitted.gaussian = NULL;
    fitted.log_det = 0;
    itd_result result = itd__fit(&fitted, x, n);
    itd__free_fit(result == ITD_OK ? model : &fitted);
    if (result == ITD_OK) *model = fitted;
    return result;
}

/* >>trainer ------------------------------------------------------------------------------------------------

   One step of training:

       y = coordinates of `batch` rows,  alpha ~ schedule with weights w,  eps ~ N(0, I)
       z = sqrt(s(alpha)) y + sqrt(s(-alpha)) eps
       eps_hat = skip z + gain F(shrink z, alpha)                                              >>model
       loss = (d/2) log(2 pi e) + log_det + 1/2 mean_b [ w_b ( ||eps_b - eps_hat_b||^2 - d s(alpha_b) ) ]
       weights of F <- Adam(gradient of the loss)                                            >>network

   Noise, log SNRs and the order of the data are functions of seed and step alone, so that an interrupted
   training goes on with the same bits. Data are rows of floats in memory: another data set is another array.

   To weight the loss otherwise: another `factor` in itd__loss, chosen by a new field of itd_trainer_desc (see
   >>descriptions); the reported loss stays the likelihood. */

ITD_DEF itd_result itd_trainer_create(itd_model *model, const itd_trainer_desc *desc, itd_trainer **out)
{
    if (itd_model_problem(&model->desc, desc)) return ITD_ERROR_ARGUMENT;
    itd_trainer *trainer = (itd_trainer *)itd__alloc(1, 1, sizeof *trainer);
    if (!trainer || itd__begin_training(model->net, desc->ema > 0) != ITD_OK) {
        ITD_FREE(trainer);
        return ITD_ERROR_MEMORY;
    }
    trainer->desc = *desc, trainer->model = model, trainer->workers.world_size = 1;
    *out = trainer;
    return ITD_OK;
}

ITD_DEF void itd_trainer_free(itd_trainer *trainer)
{
    if (!trainer) return;
    itd__end_training(trainer->model->net);
    ITD_FREE(trainer->work), ITD_FREE(trainer->order), ITD_FREE(trainer->index);
    ITD_FREE(trainer);
}

/* ---- one step ---- */

/* Memory for one batch, from the first step on: what a file says of a batch takes none before. */
static itd_result itd__trainer_reserve(itd_trainer *t)
{
    size_t n = t->desc.batch;
    if (t->work) return ITD_OK;
    if (!t->index) t->index = (size_t *)itd__alloc(n, 1, sizeof *t->index);
    if (t->index) t->work = itd__floats(n, 4 * t->model->dim + 2); /* no overflow: the mean has 8 dim bytes */
    return t->work ? ITD_OK : ITD_ERROR_MEMORY;
}

/* A linear rise over the warm-up, then constant or half a cosine. */
static double itd__learning_rate(const itd_trainer_desc *d, uint64_t step)
{
    double lr = d->learning_rate;
    if (step < d->warmup) return lr * (double)(step + 1) / (double)d->warmup;
    if (d->steps <= d->warmup) return lr;
    double t = fmin(1, (double)(step - d->warmup) / (double)(d->steps - d->warmup));
    return lr * (d->final_fraction + (1 - d->final_fraction) * 0.5 * (1 + cos(ITD__PI * t)));
}

/* Adds to `loss` what some rows contribute to 1/2 mean_b w (||eps_hat - eps||^2 - d s(alpha)). The gradient
   by F, gain w (eps_hat - eps) / batch with w limited, overwrites eps_hat. */
static void itd__loss(const itd_trainer *t, const float *eps, const float *logsnr, const float *weight,
                      size_t rows, float *eps_hat, double *loss)
{
    const itd_model_desc *desc = &t->model->desc;
    double batch = (double)t->desc.batch, max_weight = HUGE_VAL;
    size_t d = t->model->dim;
    if (t->desc.weight_limit > 0) /* w is smallest at loc */
        max_weight = t->desc.weight_limit * itd_schedule_weight(&desc->schedule, desc->schedule.loc);
    for (size_t i = 0; i < rows; i++) {
        double factor = fmin(weight[i], max_weight) * itd__parameterize(desc, logsnr[i]).gain / batch;
        double error = 0;
        for (size_t j = 0; j < d; j++) {
            double difference = (double)eps_hat[i * d + j] - eps[i * d + j];
            error += difference * difference;
            eps_hat[i * d + j] = (float)(factor * difference);
        }
        *loss += 0.5 * weight[i] * (error - (double)d * itd_sigmoid(logsnr[i])) / batch;
    }
}

/* Sums gradient and loss over all workers; the loss goes as two floats, which keep its digits. */
static itd_result itd__all_reduce(const itd_trainer *t, double *loss)
{
    const itd_workers *w = &t->workers;
    itd_net *net = t->model->net;
    float parts[2];
    if (w->world_size == 1) return ITD_OK;
    parts[0] = (float)*loss, parts[1] = (float)(*loss - parts[0]);
    ITD__TRY(w->all_reduce(w->ctx, itd_net_gradients(net), itd_net_parameters(net)));
    ITD__TRY(w->all_reduce(w->ctx, parts, 2));
    *loss = (double)parts[0] + parts[1];
    return ITD_OK;
}

/* Loss and gradient of a batch. Each worker draws log SNRs and noise for all rows, and computes its share. */
static itd_result itd__batch_gradient(itd_trainer *t, const float *x, double *loss)
{
    itd_model *model = t->model;
    itd_net *net = model->net;
    size_t n = t->desc.batch, d = model->dim, rank = t->workers.rank, world = t->workers.world_size;
    size_t begin = n * rank / world, end = n * (rank + 1) / world;
    size_t rows = t->desc.micro_batch ? itd__min(t->desc.micro_batch, n) : n;
    float *z = t->work + n * d, *eps = z + n * d, *eps_hat = eps + n * d; /* after itd_train_epoch's rows */
    float *logsnr = eps_hat + n * d, *weight = logsnr + n;
    itd_rng noise = itd__rng_for(t->desc.seed, ITD__FOR_NOISE, t->step);
    itd_rng alphas = itd__rng_for(t->desc.seed, ITD__FOR_LOGSNR, t->step);
    itd_denoiser den = itd_model_denoiser(model);

    ITD__TRY(itd_schedule_sample(&model->desc.schedule, &alphas, t->desc.stratified, n, logsnr, weight));
    itd_rng_normal_fill(&noise, n * d, eps);
    itd_to_coordinates(&den, x + begin * d, end - begin, z + begin * d);
    itd_channel(z + begin * d, eps + begin * d, logsnr + begin, end - begin, d, z + begin * d);
    itd__clear_gradients(net);
    *loss = 0;
    for (size_t at = begin; at < end; at += rows) {
        size_t now = itd__min(rows, end - at);
        float *out = eps_hat + at * d;
        ITD__TRY(itd__model_forward(model, z + at * d, logsnr + at, now, out));
        itd__loss(t, eps + at * d, logsnr + at, weight + at, now, out, loss);
        ITD__TRY(itd__net_backward(net, out, now, NULL));
    }
    itd__finish_gradients(net);
    return itd__all_reduce(t, loss);
}

#define ITD__MAX_GRADIENT 1.8e19 /* its square is still a float, as Adam's second moment has to be */

ITD_DEF itd_result itd_train_step(itd_trainer *t, const float *x, double *loss)
{
    double sum, max_norm = t->desc.clip_norm;
    ITD__TRY(itd__trainer_reserve(t));
    ITD__TRY(itd__batch_gradient(t, x, &sum));
    double norm = itd__gradient_norm(t->model->net);
    if (!(fabs(sum) <= DBL_MAX) || !(norm < ITD__MAX_GRADIENT)) return ITD_ERROR_NUMERIC;

    double clip = max_norm > 0 && norm > max_norm ? max_norm / norm : 1;
    t->gradient_norm = norm, t->learning_rate = itd__learning_rate(&t->desc, t->step);
    itd__adam(t->model->net, &t->desc, t->step, t->learning_rate, clip);
    t->step++;
    if (loss) *loss = 0.5 * (double)t->model->dim * ITD__LOG_2PI_E + t->model->log_det + sum;
    return ITD_OK;
}

/* ---- epochs ---- */

/* How many of n rows an epoch uses: all of them, or as many as fill whole batches. */
static size_t itd__rows_of_epoch(const itd_trainer_desc *desc, size_t n)
{
    return desc->drop_incomplete ? n - n % desc->batch : n;
}

ITD_DEF uint64_t itd_train_steps(const itd_trainer_desc *desc, size_t n, uint64_t epochs)
{
    if (desc->batch == 0) return 0;
    size_t rows = itd__rows_of_epoch(desc, n);
    return epochs * (rows / desc->batch) + epochs * (rows % desc->batch) / desc->batch;
}

/* The order of the n rows in an epoch, a function of its number and of the seed. */
static itd_result itd__shuffle(itd_trainer *t, size_t n, uint64_t epoch)
{
    itd_rng rng = itd__rng_for(t->desc.seed, ITD__FOR_ORDER, epoch);
    if (t->order_n == n && t->order_epoch == epoch) return ITD_OK;
    if (t->order_n != n) {
        size_t *order = (size_t *)itd__alloc(n, 1, sizeof *order);
        if (!order) return ITD_ERROR_MEMORY;
        ITD_FREE(t->order);
        t->order = order, t->order_n = n;
    }
    for (size_t i = 0; i < n; i++) t->order[i] = i;
    itd_rng_shuffle(&rng, n, t->order);
    t->order_epoch = epoch;
    return ITD_OK;
}

/* Step k has the rows from k * batch on in the endless sequence of shuffled epochs. */
ITD_DEF itd_result itd_train_indices(itd_trainer *t, size_t n, size_t *index)
{
    size_t batch = t->desc.batch, rows = itd__rows_of_epoch(&t->desc, n);
    if (rows == 0) return ITD_ERROR_ARGUMENT;
    for (size_t i = 0; i < batch; i++) {
        uint64_t at = t->step * batch + i;
        ITD__TRY(itd__shuffle(t, n, at / rows)); /* does nothing unless an epoch begins */
        index[i] = t->order[at % rows];
    }
    return ITD_OK;
}

ITD_DEF itd_result itd_train_epoch(itd_trainer *t, const float *x, size_t n, double *loss)
{
    size_t batch = t->desc.batch, d = t->model->dim, rows = itd__rows_of_epoch(&t->desc, n);
    if (rows == 0) return ITD_ERROR_ARGUMENT;
    uint64_t end, first = t->step, epoch = t->step * batch / rows;
    double sum = 0, step_loss;
    ITD__TRY(itd__trainer_reserve(t)); /* of a batch beyond all memory no epoch would be found */
    do end = itd_train_steps(&t->desc, n, ++epoch);
    while (end <= t->step); /* an epoch that ends before another whole batch is over already */
    while (t->step < end) {
        ITD__TRY(itd_train_indices(t, n, t->index));
        for (size_t i = 0; i < batch; i++) memcpy(t->work + i * d, x + t->index[i] * d, d * sizeof *x);
        ITD__TRY(itd_train_step(t, t->work, &step_loss));
        sum += step_loss;
    }
    if (loss) *loss = sum / (double)(end - first);
    return ITD_OK;
}

/* >>sampling -----------------------------------------------------------------------------------------------

   From noise to data: z begins as N(0, I) at the schedule's lowest log SNR and takes `steps` steps to the
   highest. A step from alpha to alpha' > alpha asks the denoiser for eps_hat and goes by its estimate of x,

       x_hat = (z - sqrt(s(-alpha)) eps_hat) / sqrt(s(alpha)),

   to a z of less noise; the last step returns x_hat itself:

       ITD_DETERMINISTIC   z' = sqrt(s(alpha')) x_hat + sqrt(s(-alpha')) eps_hat
                           (DDIM, Song et al. 2021)
       ITD_ANCESTRAL       z' = sqrt(s(alpha')) [ (1-c) z / sqrt(s(alpha)) + c x_hat ]
                                + sqrt(s(-alpha') c) eps',      eps' ~ N(0, I),  c = 1 - exp(alpha - alpha')
                           (DDPM, Ho et al. 2020)

   To add a sampler: its name in itd_sampler (>>api), its formula in itd__sampling_step, in itd_sample that it
   needs noise if it does, and in tests/test_sample.c what it makes of a Gaussian. */

ITD_DEF itd_sample_desc itd_sample_desc_default(void)
{
    itd_sample_desc desc = ITD__ZERO;
    desc.schedule = itd_schedule_default();
    desc.steps = 100, desc.sampler = ITD_DETERMINISTIC, desc.spacing = ITD_SPACING_UNIFORM;
    desc.seed = 1, desc.batch = 1024;
    return desc;
}

ITD_DEF itd_sample_desc itd_model_sample_desc(const itd_model *model)
{
    itd_sample_desc desc = itd_sample_desc_default();
    desc.schedule = model->desc.schedule;
    return desc;
}

/* The log SNR at which a step begins: the lowest for the first, the highest for the last. */
static double itd__sampling_logsnr(const itd_sample_desc *desc, size_t step)
{
    const itd_schedule *s = &desc->schedule;
    double u = desc->steps > 1 ? (double)step / (double)(desc->steps - 1) : 0;
    if (desc->spacing == ITD_SPACING_QUANTILE) return itd_schedule_quantile(s, u);
    return s->loc + s->scale * s->clip * (2 * u - 1);
}

/* Replaces the n numbers of z by those after the step. */
static void itd__sampling_step(const itd_sample_desc *desc, size_t step, const float *eps_hat,
                               const float *fresh, size_t n, float *z)
{
    bool last = step + 1 == desc->steps;
    double a = itd__sampling_logsnr(desc, step), b = last ? a : itd__sampling_logsnr(desc, step + 1);
    double signal = sqrt(itd_sigmoid(a)), noise = sqrt(itd_sigmoid(-a)), c = -expm1(a - b);
    double next_signal = sqrt(itd_sigmoid(b)), next_noise = sqrt(itd_sigmoid(-b));
    for (size_t i = 0; i < n; i++) {
        double x_hat = (z[i] - noise * eps_hat[i]) / signal, next;
        if (last) next = x_hat;
        else if (desc->sampler == ITD_DETERMINISTIC) next = next_signal * x_hat + next_noise * eps_hat[i];
        else next = next_signal * ((1 - c) * z[i] / signal + c * x_hat) + next_noise * sqrt(c) * fresh[i];
        z[i] = (float)next;
    }
}

/* The standard normal numbers of some rows, the same in whatever batches they are drawn. */
static void itd__sampling_noise(uint64_t seed, size_t use, size_t from, size_t n, float *out)
{
    itd_rng rng = itd__rng_for(seed, ITD__FOR_SAMPLES, use);
    rng.counter = from / 4; /* a count is four numbers */
    itd_rng_normal_fill(&rng, n, out);
}

ITD_DEF itd_result itd_sample(const itd_denoiser *den, const itd_sample_desc *desc, size_t n, float *out)
{
    size_t batch = itd__batch_rows(itd__min(desc->batch, n)), d = den->dim;
    if (desc->steps == 0 || d == 0 || itd__schedule_problem(&desc->schedule)) return ITD_ERROR_ARGUMENT;
    float *all = itd__floats(n, d); /* the caller's array is written when nothing can fail any more */
    float *eps_hat = itd__floats(batch, d), *fresh = itd__floats(batch, d), *logsnr = itd__floats(batch, 1);
    itd_result result = all && eps_hat && fresh && logsnr ? ITD_OK : ITD_ERROR_MEMORY;
    for (size_t at = 0; result == ITD_OK && at < n; at += batch) {
        size_t rows = itd__min(batch, n - at); /* at is a multiple of four */
        float *z = all + at * d;
        itd__sampling_noise(desc->seed, 0, at * d, rows * d, z);
        for (size_t k = 0; result == ITD_OK && k < desc->steps; k++) {
            if (desc->sampler == ITD_ANCESTRAL)
                itd__sampling_noise(desc->seed, k + 1, at * d, rows * d, fresh);
            for (size_t i = 0; i < rows; i++) logsnr[i] = (float)itd__sampling_logsnr(desc, k);
            result = den->predict(den->ctx, z, logsnr, rows, eps_hat);
            if (result == ITD_OK && !itd__all_finite(eps_hat, rows * d)) result = ITD_ERROR_NUMERIC;
            if (result == ITD_OK) itd__sampling_step(desc, k, eps_hat, fresh, rows * d, z);
        }
    }
    if (result == ITD_OK && !itd__all_finite(all, n * d)) result = ITD_ERROR_NUMERIC;
    if (result == ITD_OK) itd_from_coordinates(den, all, n, out);
    ITD_FREE(all), ITD_FREE(eps_hat), ITD_FREE(fresh), ITD_FREE(logsnr);
    return result;
}

/* >>descriptions -------------------------------------------------------------------------------------------

   Every field of a model and a trainer has one row in the table itd__fields, which is used wherever the field
   is not used for itself:

       in the row               used by
       its default              itd_model_desc_default, itd_unet_desc_default, itd_trainer_desc_default
       its range                itd_model_problem, which itd_model_create and itd_trainer_create ask first
       its name in files        itd_save and itd_load (>>checkpoint), in the order of the table
       its value where absent   itd_load, from files of versions that did not have it

   To add a field: a member of its struct in >>api, whose comment ends with the default; a row here, by
   ITD__OTHER because older files lack it; a sentence in itd__mlp_problem or itd__unet_problem if it has to
   agree with other fields. A new name in an enumeration becomes the maximum of its row. */

typedef struct itd__state { /* what a file says of a model and its training */
    itd_model_desc model;
    itd_trainer_desc trainer;
    uint64_t step;
    bool has_trainer, has_gaussian, has_unet, has_whiten;
    bool in_units; /* the Gaussian is in the caller's units; before version 0.2 it was in the model's */
    double log_det;
} itd__state;

typedef enum itd__type { ITD__WHOLE /* bool, enumerations, size_t, uint64_t */, ITD__REAL } itd__type;

typedef struct itd__field {
    const char *name, *problem; /* "mlp.layers", "mlp.layers: 1 to 100 expected" */
    itd__type type;
    size_t offset, size; /* in itd__state */
    double initial, min, max;
    double absent; /* its value where a file does not have it; -1: every file has it */
} itd__field;

/* A row: type, member, default, min, max. ITD__OTHER: with a name of its own, and what `absent` is. */
/* clang-format off */
#define ITD__PLACE(type, member) ITD__##type, offsetof(itd__state, member), sizeof(((itd__state *)0)->member)
#define ITD__OTHER(type, name, member, initial, min, max, absent)                                            \
    {name, name ": " #min " to " #max " expected", ITD__PLACE(type, member),                                 \
     initial, min, (double)(max), absent}
#define ITD__MODEL(type, member, initial, min, max)                                                          \
    {#member, #member ": " #min " to " #max " expected", ITD__PLACE(type, model.member),                     \
     initial, min, (double)(max), -1}
#define ITD__TRAINER(type, member, initial, min, max)                                                        \
    {"trainer." #member, "trainer." #member ": " #min " to " #max " expected",                               \
     ITD__PLACE(type, trainer.member), initial, min, (double)(max), -1}

static const itd__field itd__fields[] = {
    ITD__OTHER(WHOLE, "unet", has_unet, 0, 0, 1, -1),
    ITD__MODEL(WHOLE, mlp.dim, 1, 1, 1048576),            ITD__MODEL(WHOLE, mlp.layers, 3, 1, 100),
    ITD__MODEL(WHOLE, mlp.hidden, 128, 1, 1048576),       ITD__MODEL(WHOLE, mlp.embedding, 128, 0, 8192),
    ITD__OTHER(WHOLE, "mlp.directions", model.mlp.directions, 128, 0, 65536, 0),
    ITD__OTHER(REAL, "mlp.frequency_min", model.mlp.frequency_min, 0.5, 1e-6, 1e6, 1),
    ITD__OTHER(REAL, "mlp.frequency_max", model.mlp.frequency_max, 10, 1e-6, 1e6, 1),
    ITD__MODEL(REAL, mlp.coordinate_scale, 100, -FLT_MAX, FLT_MAX),
    ITD__MODEL(REAL, mlp.logsnr_scale, 50, -FLT_MAX, FLT_MAX),
    ITD__MODEL(WHOLE, mlp.activation, ITD_SILU, 0, ITD_ACTIVATION_COUNT - 1),
    ITD__MODEL(WHOLE, mlp.zero_output, 1, 0, 1),
    ITD__MODEL(WHOLE, unet.height, 32, 1, 4096),          ITD__MODEL(WHOLE, unet.width, 32, 1, 4096),
    ITD__MODEL(WHOLE, unet.channels, 3, 1, 4096),
    ITD__MODEL(WHOLE, unet.levels, 3, 1, ITD_MAX_LEVELS),
    ITD__MODEL(WHOLE, unet.features[0], 64, 0, SIZE_MAX),
    ITD__MODEL(WHOLE, unet.features[1], 96, 0, SIZE_MAX),
    ITD__MODEL(WHOLE, unet.features[2], 96, 0, SIZE_MAX),
    ITD__MODEL(WHOLE, unet.features[3], 0, 0, SIZE_MAX),  ITD__MODEL(WHOLE, unet.features[4], 0, 0, SIZE_MAX),
    ITD__MODEL(WHOLE, unet.features[5], 0, 0, SIZE_MAX),
    ITD__MODEL(WHOLE, unet.blocks, 1, 1, 8),              ITD__MODEL(WHOLE, unet.attention, 0, 0, SIZE_MAX),
    ITD__MODEL(WHOLE, unet.head, 0, 0, SIZE_MAX),         ITD__MODEL(WHOLE, unet.groups, 8, 1, SIZE_MAX),
    ITD__MODEL(REAL, unet.epsilon, 1e-5, FLT_MIN, 1),     ITD__MODEL(WHOLE, unet.embedding, 64, 4, 8192),
    ITD__MODEL(WHOLE, unet.hidden, 256, 1, 4096),
    ITD__MODEL(REAL, unet.logsnr_scale, 3, -FLT_MAX, FLT_MAX),
    ITD__MODEL(WHOLE, unet.time, ITD_TIME_LOGSNR, ITD_TIME_LOGSNR, ITD_TIME_EXACT),
    ITD__MODEL(WHOLE, unet.pad_after, 0, 0, 1),           ITD__MODEL(WHOLE, unet.zero_output, 1, 0, 1),
    ITD__MODEL(WHOLE, parameterization, ITD_GAUSSIAN, ITD_PLAIN, ITD_GAUSSIAN),
    ITD__MODEL(REAL, variance, 1, DBL_MIN, FLT_MAX),      ITD__MODEL(REAL, schedule.loc, 0, -1e6, 1e6),
    ITD__MODEL(REAL, schedule.scale, 3, 0, 1e6),          ITD__MODEL(REAL, schedule.clip, 4, 0, 700),
    ITD__MODEL(WHOLE, normalize, 1, 0, 1),
    ITD__OTHER(WHOLE, "whiten", model.whiten, 1, 0, 1, 0),
    ITD__OTHER(WHOLE, "whitened", has_whiten, 0, 0, 1, 0),
    ITD__OTHER(REAL, "log_det", log_det, 0, -DBL_MAX, DBL_MAX, 0),
    ITD__OTHER(WHOLE, "gaussian.in_units", in_units, 0, 0, 1, 0),
    ITD__OTHER(WHOLE, "gaussian", has_gaussian, 0, 0, 1, -1),
    ITD__OTHER(WHOLE, "trainer", has_trainer, 0, 0, 1, -1),
    ITD__TRAINER(WHOLE, batch, 128, 1, SIZE_MAX),
    ITD__OTHER(WHOLE, "trainer.rows", trainer.micro_batch, 0, 0, SIZE_MAX, -1),
    ITD__TRAINER(WHOLE, seed, 1, 0, UINT64_MAX),          ITD__TRAINER(REAL, learning_rate, 1e-3, 0, 1e30),
    ITD__TRAINER(WHOLE, warmup, 0, 0, UINT64_MAX),        ITD__TRAINER(WHOLE, steps, 0, 0, UINT64_MAX),
    ITD__TRAINER(REAL, final_fraction, 0, 0, 1),
    ITD__TRAINER(REAL, beta1, 0.9, 0, 0.9999999999999999),
    ITD__TRAINER(REAL, beta2, 0.999, 0, 0.9999999999999999),
    ITD__TRAINER(REAL, epsilon, 1e-8, FLT_MIN, FLT_MAX),  ITD__TRAINER(REAL, weight_decay, 0, 0, 1e6),
    ITD__TRAINER(REAL, clip_norm, 0, 0, DBL_MAX),         ITD__TRAINER(REAL, weight_limit, 0, 0, DBL_MAX),
    ITD__TRAINER(REAL, ema, 0.999, 0, 0.9999999999999999),
    ITD__TRAINER(WHOLE, stratified, 1, 0, 1),             ITD__TRAINER(WHOLE, drop_incomplete, 0, 0, 1),
    ITD__OTHER(WHOLE, "trainer.step", step, 0, 0, UINT64_MAX, -1)
};
/* clang-format on */

enum { ITD__FIELDS = sizeof itd__fields / sizeof *itd__fields };

static bool itd__begins(const char *text, const char *with) { return !strncmp(text, with, strlen(with)); }

/* One of the two networks has no fields in a file, nor has a trainer that is not there. */
static bool itd__has_field(const itd__state *state, const itd__field *field)
{
    if (itd__begins(field->name, "mlp.")) return !state->has_unet;
    if (itd__begins(field->name, "unet.")) return state->has_unet;
    return state->has_trainer || !itd__begins(field->name, "trainer.");
}

typedef union itd__value_of_field { /* the members of a union all begin at its first byte */
    uint8_t one;
    uint32_t four;
    uint64_t eight;
    double real;
} itd__value_of_field;

/* A field's value; a whole number also exactly, in `whole`. */
static double itd__get_field(const itd__state *state, const itd__field *field, uint64_t *whole)
{
    itd__value_of_field v = ITD__ZERO;
    memcpy(&v, (const char *)state + field->offset, field->size);
    *whole = field->size == 1 ? v.one : field->size == 4 ? v.four : v.eight;
    return field->type == ITD__REAL ? v.real : (double)*whole;
}

static void itd__set_field(itd__state *state, const itd__field *field, double value, uint64_t whole)
{
    itd__value_of_field v = ITD__ZERO;
    if (field->type == ITD__REAL) v.real = value;
    else if (field->size == 1) v.one = (uint8_t)whole;
    else if (field->size == 4) v.four = (uint32_t)whole;
    else v.eight = whole;
    memcpy((char *)state + field->offset, &v, field->size);
}

static bool itd__in_range(const itd__field *f, double value) { return value >= f->min && value <= f->max; }

static itd__state itd__defaults(void)
{
    itd__state state = ITD__ZERO;
    for (size_t i = 0; i < ITD__FIELDS; i++)
        itd__set_field(&state, &itd__fields[i], itd__fields[i].initial, (uint64_t)itd__fields[i].initial);
    return state;
}

ITD_DEF itd_mlp_desc itd_mlp_desc_default(size_t dim) { return itd_model_desc_default(dim).mlp; }
ITD_DEF itd_unet_desc itd_unet_desc_default(void) { return itd__defaults().model.unet; }
ITD_DEF itd_trainer_desc itd_trainer_desc_default(void) { return itd__defaults().trainer; }

ITD_DEF itd_model_desc itd_model_desc_default(size_t dim)
{
    const itd_unet_desc none = ITD__ZERO;
    itd_model_desc desc = itd__defaults().model;
    desc.mlp.dim = dim, desc.unet = none;
    return desc;
}

ITD_DEF itd_unet_desc itd_unet_desc_ddpm_cifar10(void)
{
    itd_unet_desc d = itd_unet_desc_default();
    d.levels = 4, d.blocks = 2;
    d.features[0] = 128, d.features[1] = d.features[2] = d.features[3] = 256;
    d.attention = 2 | 16; /* at 16x16 and in the middle */
    d.groups = 32, d.epsilon = 1e-6;
    d.embedding = 128, d.hidden = 512, d.time = ITD_TIME_TABLE;
    d.pad_after = true, d.zero_output = false;
    return d;
}

static const char *itd__schedule_problem(const itd_schedule *s)
{
    if (!(fabs(s->loc) < 1e6)) return "schedule.loc: above -1e6 and below 1e6 expected";
    if (!(s->scale > 0 && s->scale < 1e6)) return "schedule.scale: above 0 and below 1e6 expected";
    if (!(s->clip > 0 && s->clip < 700)) return "schedule.clip: above 0 and below 700 expected";
    return NULL;
}

/* What several fields of a network have to agree on. */
static const char *itd__mlp_problem(const itd_mlp_desc *mlp)
{
    if (mlp->embedding % 2 || mlp->embedding == 2) return "mlp.embedding: 0 or even and at least 4 expected";
    if (mlp->frequency_min > mlp->frequency_max) return "mlp.frequency_min: at most frequency_max expected";
    if (!mlp->directions && mlp->embedding && mlp->dim > ((size_t)1 << 20) / mlp->embedding)
        return "mlp.embedding: dim * embedding of at most 2^20 expected";
    if (mlp->directions && mlp->dim > ((size_t)1 << 22) / mlp->directions)
        return "mlp.directions: dim * directions of at most 2^22 expected";
    return NULL;
}

static const char *itd__unet_problem(const itd_unet_desc *unet)
{
    size_t coarsest = (size_t)1 << (unet->levels - 1); /* pixels that become one */
    for (size_t i = 0; i < unet->levels; i++) {
        size_t features = unet->features[i];
        if (features < 1 || features > 4096) return "unet.features: 1 to 4096 expected";
        if (features % unet->groups) return "unet.features: multiples of groups expected";
        if (unet->head && features % unet->head) return "unet.features: multiples of head expected";
    }
    if (unet->height % coarsest || unet->width % coarsest)
        return "unet.height, unet.width: multiples of 2^(levels-1) expected";
    if (unet->embedding % 2) return "unet.embedding: an even number expected";
    if (unet->attention >> (unet->levels + 1)) return "unet.attention: below 2^(levels+1) expected";
    return NULL;
}

ITD_DEF const char *itd_model_problem(const itd_model_desc *model, const itd_trainer_desc *trainer)
{
    itd__state state = ITD__ZERO;
    uint64_t whole = 0;
    const char *schedule = itd__schedule_problem(&model->schedule);
    if (schedule) return schedule;
    state.model = *model, state.has_unet = model->unet.levels > 0, state.has_trainer = trainer != NULL;
    if (trainer) state.trainer = *trainer;
    for (const itd__field *field = itd__fields; field < itd__fields + ITD__FIELDS; field++)
        if (itd__has_field(&state, field) && !itd__in_range(field, itd__get_field(&state, field, &whole)))
            return field->problem;
    return state.has_unet ? itd__unet_problem(&model->unet) : itd__mlp_problem(&model->mlp);
}

static bool itd__same_numbers(const double *a, const double *b, size_t n)
{
    return a == b || (a && b && !memcmp(a, b, n * sizeof *a));
}

/* All denoisers of a table have the same coordinates, and log_det is that of their map. */
static const char *itd__denoisers_problem(const itd_denoiser *den, size_t k)
{
    if (k == 0 || den->dim == 0) return k ? "dim: at least 1 expected" : "k: at least 1 expected";
    size_t d = den->dim;
    double log_det = den->whiten ? den->log_det : itd__add_logs(0, den->scale, d);
    if (!den->whiten && !(fabs(log_det) <= DBL_MAX)) return "scale: positive and finite numbers expected";
    if (!(fabs(den->log_det - log_det) <= 1e-6 * (1 + fabs(log_det))))
        return "log_det: a finite number expected, without `whiten` the sum of the logarithms of `scale`";
    if (den->whiten && !den->color) return "color: expected beside `whiten`";
    for (size_t i = 0; i < k; i++) {
        if (!den[i].predict) return "predict: a function expected";
        if (den[i].dim != d) return "dim: the same for all denoisers expected";
        if (!itd__same_numbers(den[i].mean, den->mean, d)) return "mean: the same for all denoisers expected";
        if (!itd__same_numbers(den[i].scale, den->scale, d))
            return "scale: the same for all denoisers expected";
        if (!itd__same_numbers(den[i].whiten, den->whiten, d * d) ||
            !itd__same_numbers(&den[i].log_det, &den->log_det, 1))
            return "whiten: the same for all denoisers, log_det too, expected";
    }
    return NULL;
}

ITD_DEF const char *itd_nll_problem(const itd_denoiser *den, size_t k, size_t n, const itd_nll_desc *desc)
{
    const itd_gaussian *q = desc->reference;
    const char *denoisers = itd__denoisers_problem(den, k),
               *schedule = itd__schedule_problem(&desc->schedule);
    if (denoisers) return denoisers;
    if (n == 0) return "n: at least 1 expected";
    if (schedule) return schedule;
    if (desc->draws == 0 ||
        desc->draws - desc->allocate < itd__max(desc->repetitions, desc->allocate ? 2 : 1))
        return "draws: at least `repetitions` expected; with `allocate`, at least 3 and one more than that";
    if (q && q->dim != den->dim) return "reference: the dim of the denoisers expected";
    for (size_t j = 0; q && j < q->dim; j++)
        if (!(q->lambda[j] > 0 && q->lambda[j] <= DBL_MAX && fabs(q->mean[j]) <= DBL_MAX))
            return "reference: finite means, and positive and finite eigenvalues, expected";
    return NULL;
}

/* ---- notes: strings of the caller's in the file of a model, a list in the order of their keys ---- */

/* Whether a text is UTF-8 (RFC 3629: no overlong forms, no surrogates). */
static bool itd__utf8(const char *text)
{
    static const uint32_t min[] = {UINT32_MAX, 0, 0x80, 0x800, 0x10000}; /* by length; 0: no first byte */
    const unsigned char *p = (const unsigned char *)text;
    while (*p) {
        size_t n = *p < 0x80 ? 1 : *p < 0xC0 ? 0 : *p < 0xE0 ? 2 : *p < 0xF0 ? 3 : *p < 0xF8 ? 4 : 0;
        uint32_t code = *p++ & (0x7Fu >> n);
        for (size_t i = 1; i < n; i++) {
            if (*p >> 6 != 2) return false;
            code = code << 6 | (*p++ & 0x3F);
        }
        if (code < min[n] || code > 0x10FFFF || code >> 11 == 0xD800 >> 11) return false;
    }
    return true;
}

ITD_DEF const char *itd_model_note(const itd_model *model, const char *key)
{
    for (const itd_note *note = model->notes; note; note = note->next)
        if (!strcmp(note->key, key)) return note->value;
    return NULL;
}

ITD_DEF itd_result itd_model_set_note(itd_model *model, const char *key, const char *value)
{
    itd_note **at = &model->notes, *fresh = NULL;
    if (!itd__utf8(key) || (value && !itd__utf8(value))) return ITD_ERROR_ARGUMENT;
    if (value) {
        size_t key_size = strlen(key) + 1, value_size = strlen(value) + 1;
        fresh = (itd_note *)itd__alloc(sizeof *fresh + key_size + value_size, 1, 1);
        if (!fresh) return ITD_ERROR_MEMORY;
        fresh->key = (char *)(fresh + 1), fresh->value = fresh->key + key_size;
        memcpy(fresh->key, key, key_size), memcpy(fresh->value, value, value_size);
    }
    while (*at && strcmp((*at)->key, key) < 0) at = &(*at)->next;
    if (*at && !strcmp((*at)->key, key)) {
        itd_note *old = *at;
        *at = old->next;
        ITD_FREE(old);
    }
    if (fresh) fresh->next = *at, *at = fresh;
    return ITD_OK;
}

/* >>interface ----------------------------------------------------------------------------------------------

   The machine as the operations of a network see it: the matrix product, the maps of a convolution, and the
   table of kernels, which >>kernels fills once for each instruction set. */

/* What itd__matmul is given. Either matrix may be read transposed: A(i,k) = a[i*ra + k*ca]. */
typedef struct itd__product {
    size_t m, n, k;
    bool add;
    const float *a;
    size_t ra, ca;
    const float *b;
    size_t rb, cb;
    float *c;  /* (m,n) */
    size_t rc; /* floats from row to row of C */
    itd__scratch work;
} itd__product;

enum {
    ITD__DEPTH = 288,     /* largest part of k between loading and storing a block of C */
    ITD__ACROSS = 512,    /* largest number of columns of a strip of B */
    ITD__DOWN = 96,       /* rows of A that are copied at a time */
    ITD__SMALL = 1 << 16, /* floats of B that stay in the second-level cache */
    ITD__WORK = ITD__DEPTH * ITD__ACROSS + (ITD__DEPTH + 16) * ITD__DOWN
};

/* The linear maps of Winograd's F(2x2,3x3), with which >>ops computes convolutions. A map is applied to the
   rows and then to the columns of a square, whose elements are arrays over the channels.

           [ 1  0 -1  0 ]        [  1   0   0  ]        [ 1  1  1  0 ]
       B = [ 0  1  1  0 ]    G = [ 1/2 1/2 1/2 ]    A = [ 0  1 -1 -1 ]
           [ 0 -1  1  0 ]        [ 1/2 -1/2 1/2 ]
           [ 0  1  0 -1 ]        [  0   0   1  ] */
typedef enum itd__transform {
    ITD__FROM_PATCH,    /* B:   4x4 -> 4x4 */
    ITD__FROM_WEIGHTS,  /* G:   3x3 -> 4x4 */
    ITD__TO_OUTPUT,     /* A:   4x4 -> 2x2 */
    ITD__FROM_GRADIENT, /* A^T: 2x2 -> 4x4 */
    ITD__TO_WEIGHTS     /* G^T: 4x4 -> 3x3 */
} itd__transform;

/* The numbers one step of Adam shares between all parameters. */
typedef struct itd__adam_constants {
    float beta1, beta2, epsilon;
    float rest1, rest2;    /* 1 - beta, rounded once */
    float clip;            /* factor on the gradient */
    float rate;            /* learning rate / (1 - beta1^t) */
    float correction;      /* 1 / (1 - beta2^t) */
    float decay;           /* learning rate * weight decay */
    float keep, keep_rest; /* of the moving average */
} itd__adam_constants;

/* The table of kernels: result, name, arguments.
   exp, log: y = f(x); log is in the table for the tests. Activations have a table of their own, below.
   embed: sines of x*frequency, then cosines. polar: Box-Muller, two normal numbers from u and an angle.
   column_sums: sum += x or, unless mean is NULL, sum += (x - mean)^2, over the rows.
   affine: y = scale x + shift, then SiLU if silu; its backward turns dy into the gradient before SiLU and
   adds it to sum, times x to sum_x. combine: sum += factor[0] x + factor[1] y + factor[2], row by row.
   stride: floats from row to row, where rows are not next to each other.

   To add a kernel: 1. a line here; 2. the function ITD__K(name) in >>kernels, in vectors of ITD__W floats;
   3. a comparison with double precision in the tests. It is called as itd__fast()->name(...). */
#define ITD__KERNELS(X)                                                                                      \
    X(void, gemm, (const itd__product *p))                                                                   \
    X(void, transform,                                                                                       \
      (itd__transform t, const float *const *x, float *const *y, size_t from, size_t channels, bool add))    \
    X(void, exp, (const float *x, size_t n, float *y))                                                       \
    X(void, log, (const float *x, size_t n, float *y))                                                       \
    X(void, embed, (float x, const float *frequency, size_t half, float *y))                                 \
    X(void, polar, (const float *u, const float *angle, size_t n, float *a, float *b))                       \
    X(double, sum_squares, (const float *x, size_t n))                                                       \
    X(void, add, (const float *a, const float *b, size_t n, float *y))                                       \
    X(void, column_sums,                                                                                     \
      (const float *x, size_t stride, const float *mean, size_t n, size_t columns, float *sum))              \
    X(void, affine,                                                                                          \
      (const float *x, const float *scale, const float *shift, size_t n, size_t columns, bool silu,          \
       float *y, size_t stride))                                                                             \
    X(void, affine_backward,                                                                                 \
      (float *dy, size_t stride, const float *x, const float *scale, const float *shift, size_t n,           \
       size_t columns, bool silu, float *sum, float *sum_x))                                                 \
    X(void, combine,                                                                                         \
      (const float *x, size_t stride, const float *y, const float *const factor[3], size_t n,                \
       size_t columns, float *sum))                                                                          \
    X(void, adam,                                                                                            \
      (const itd__adam_constants *c, size_t n, const float *g, float *m, float *v, float *w, float *ema))

#define ITD__POINTER(result, name, arguments) result(*name) arguments;
typedef struct itd__activation_kernels {
    void (*forward)(const float *x, size_t n, float *y);                    /* y = f(x) */
    void (*backward)(const float *dy, const float *x, size_t n, float *dx); /* dx += dy f'(x) */
} itd__activation_kernels;

typedef struct itd__kernels {
    const char *name;
    ITD__KERNELS(ITD__POINTER)
    itd__activation_kernels activation[ITD_ACTIVATION_COUNT];
} itd__kernels;

static const itd__kernels *itd__fast(void); /* the kernels in use */
static void itd__copy_rows(const float *x, size_t rx, size_t rows, size_t columns, float *y, size_t ry);
static size_t itd__useful_threads(double multiplications);
static itd__scratch itd__own(itd__scratch work); /* the share of the calling thread */

/* >>ops ----------------------------------------------------------------------------------------------------

   The operations that networks are made of, each followed by its backward pass; >>network puts them together.

   An operation turns one or two inputs into an output, for n samples. backward is given dy, the gradient of
   the loss by the output, and ADDS to dx, the gradient by each input, so that a value with several readers
   collects a gradient from each. An operation with parameters has a third function, which adds to theirs:

       forward    x[0], x[1], w, b    ->  y
       backward   dy, x, y, w         ->  dx[0], dx[1]      each sample by itself
       gradient   dy, x               ->  dw, db            sums over all samples

   To add an operation:
     1. its line in ITD__OPERATIONS;
     2. its functions in this chapter, with a test of each against naive loops in tests/test_ops.c;
     3. its place in a network: a row appended in itd__plan_mlp or itd__plan_unet.
   To add an activation, say GELU:
     1. X(ITD_GELU, gelu) in ITD_ACTIVATIONS, of >>api;
     2. its kernels gelu_v and gelu_backward_v beside those of SiLU in >>kernels, finite for all finite x,
        and ITD__MAP(gelu), ITD__MAP_BACKWARD(gelu) below them.
   Kernel tables, range checks, files and summaries follow from the list. New ones go to its end, as files
   hold the number of an activation. */

/* Kind, name in summaries, functions; and whether it wants one sample at a time. */
#define ITD__OPERATIONS(X)                                                                                   \
    X(INPUT, "input", NULL, NULL, NULL, false)                                                               \
    X(SINUSOIDS, "sinusoids", itd__sinusoids_forward, itd__sinusoids_backward, NULL, false)                  \
    X(DIRECTIONS, "directions", itd__directions_forward, itd__directions_backward, NULL, false)              \
    X(TIMESTEP, "timestep", itd__timestep_forward, NULL, NULL, false)                                        \
    X(LINEAR, "linear", itd__linear_forward, itd__linear_backward, itd__linear_gradient, false)              \
    X(ACTIVATION, "activation", itd__activation_forward, itd__activation_backward, NULL, false)              \
    X(ADD, "add", itd__add_forward, itd__add_backward, NULL, false)                                          \
    X(CONV, "conv", itd__conv_forward, itd__conv_backward, itd__conv_gradient, false)                        \
    X(UPSAMPLE, "upsample", itd__upsample_forward, itd__upsample_backward, NULL, false)                      \
    X(NORM, "norm", itd__norm_forward, itd__norm_backward, itd__norm_gradient, true)                         \
    X(SHIFT, "shift", itd__shift_forward, itd__shift_backward, NULL, true)                                   \
    X(SCORES, "scores", itd__scores_forward, itd__scores_backward, NULL, true)                               \
    X(ATTEND, "attend", itd__attend_forward, itd__attend_backward, NULL, true)

#define ITD__KIND(kind, name, forward, backward, gradient, single) ITD__##kind,
typedef enum itd__kind { ITD__OPERATIONS(ITD__KIND) ITD__KINDS } itd__kind;

typedef struct itd__image {
    size_t height, width, channels;
} itd__image;

typedef struct itd__convolution {
    itd__image in, out;
    size_t stride, before; /* before: rows and columns of zeros above and to the left of the input */
} itd__convolution;

/* A row of the layer table. */
typedef struct itd__layer {
    itd__kind kind;
    size_t input[2];           /* rows that it reads; input[1] = input[0] if there is only one */
    size_t in[2];              /* channels of each; in[1] is 0 if there is only one */
    size_t h, w, c;            /* image that comes out; 1, 1, features where there is none */
    size_t width, kept;        /* floats per sample that come out, and that are kept beside them */
    size_t offset;             /* floats per sample of all rows before it */
    size_t weight, bias;       /* offsets of its parameters in the slabs */
    size_t weights;            /* how many, without the c biases */
    size_t taps, back;         /* offsets of its weights as they were prepared for forward and backward */
    size_t frequency;          /* SINUSOIDS, DIRECTIONS: offset in the table of frequencies */
    itd_activation activation; /* ACTIVATION */
    itd__convolution conv;     /* CONV */
    bool winograd;             /* CONV: by transformed tiles */
    size_t groups;             /* NORM */
    float epsilon;             /* NORM: beside the variance */
    bool silu;                 /* NORM: is SiLU applied to the result? */
    size_t heads, tokens;      /* SCORES, ATTEND */
    bool zero;                 /* parameters start at zero */
    bool trains;               /* parameters here or upstream, so backward has to pass through it */
    size_t reader;             /* the last row that reads it */
    char name[56];             /* of its parameters, in a checkpoint */
} itd__layer;

/* What an operation works on: n samples, one after the other. */
typedef struct itd__operands {
    const itd__layer *row;
    const itd_net *net;
    size_t n, pixels;       /* pixels of an output image, 1 where there is none */
    const float *x[2];      /* (n,image of in[k] channels) */
    float *y;               /* (n,pixels,c) */
    float *kept;            /* (n,kept) from forward for backward */
    float *dy, *dx[2];      /* as y and x */
    float *dkept;           /* (n,kept) from backward for the gradient of the parameters */
    const float *w, *b;     /* (inputs,c) or (3,3,in,c), (c) */
    const float *taps;      /* (16,in,c) weights of a convolution, transformed */
    const float *back;      /* weights transposed, or transformed for backward */
    const float *frequency; /* as SINUSOIDS and DIRECTIONS say */
    float *dw, *db;         /* as w and b */
    float *dtaps;           /* (16,in,c) */
    itd__scratch work;
} itd__operands;

/* ---- linear layers ---- */

/* A large product is divided among the threads, by columns or by rows; its numbers do not depend on where the
   cuts are, since each is computed by one thread, as the same sum in the order of k. */
static void itd__matmul(size_t m, size_t n, size_t k, bool add, const float *a, size_t ra, size_t ca,
                        const float *b, size_t rb, size_t cb, float *c, size_t rc, itd__scratch work)
{
    const itd__product whole = {m, n, k, add, a, ra, ca, b, rb, cb, c, rc, work};
    size_t pieces = itd__useful_threads((double)m * (double)n * (double)k);
    if (pieces == 1) { /* a parallel region takes time even with one thread */
        itd__fast()->gemm(&whole);
        return;
    }
    bool by_columns = n >= 256 * pieces || n % (32 * pieces) == 0; /* whole panels, even shares */
    size_t step = itd__ceil_div(by_columns ? n : m, pieces), unit = by_columns ? 32 : 12;
    ptrdiff_t i, end = (ptrdiff_t)pieces;
    step = itd__ceil_div(step, unit) * unit; /* whole blocks */
    ITD__PARALLEL(true)
    for (i = 0; i < end; i++) {
        itd__product q = whole;
        size_t from = (size_t)i * step, *size = by_columns ? &q.n : &q.m;
        if (from >= *size) continue;
        *size = itd__min(*size - from, step);
        q.a += by_columns ? 0 : from * ra, q.b += by_columns ? from * cb : 0;
        q.c += from * (by_columns ? 1 : rc);
        q.work = itd__own(work);
        itd__fast()->gemm(&q);
    }
}

/* (rows,columns) -> (columns,rows), in squares that stay in the first-level cache. */
static void itd__transpose(const float *x, size_t rows, size_t columns, float *y)
{
    for (size_t i = 0; i < rows; i += 16)
        for (size_t j = 0; j < columns; j += 16)
            for (size_t r = i; r < itd__min(i + 16, rows); r++)
                for (size_t q = j; q < itd__min(j + 16, columns); q++) y[q * rows + r] = x[r * columns + q];
}

/* y = x W + b, or y = (x[0], x[1]) W + b, where the two are never copied side by side. If x[1] is the same
   in all rows, as the sinusoids of a shared log SNR are, its product is computed once. Weights are stored
   (in,out), so that the output runs along the vector. */
static void itd__linear_forward(const itd__operands *o)
{
    const itd__layer *row = o->row;
    size_t n = o->n * o->pixels, in = row->in[0], second = row->in[1], c = row->c, same = 1;
    while (same < n && (!second || !memcmp(o->x[1], o->x[1] + same * second, second * sizeof *o->y))) same++;
    size_t distinct = same == n ? 1 : n;
    itd__copy_rows(o->b, 0, distinct, c, o->y, c);
    if (second)
        itd__matmul(distinct, c, second, true, o->x[1], second, 1, o->w + in * c, c, 1, o->y, c, o->work);
    itd__copy_rows(o->y, 0, n - distinct, c, o->y + distinct * c, c);
    itd__matmul(n, c, in, true, o->x[0], in, 1, o->w, c, 1, o->y, c, o->work);
}

/* dx += dy W^T; back is W^T, (c,in[0]+in[1]). */
static void itd__linear_backward(const itd__operands *o)
{
    const size_t *in = o->row->in, n = o->n * o->pixels, c = o->row->c, both = in[0] + in[1];
    for (size_t k = 0; k < 2; k++)
        itd__matmul(n, in[k], c, true, o->dy, c, 1, o->back + k * in[0], both, 1, o->dx[k], in[k], o->work);
}

/* dW += x^T dy for `count` inputs from number `from` on, all of x[0] or all of x[1]; with number 0,
   db += column sums of dy. */
static void itd__linear_gradient(const itd__operands *o, size_t from, size_t count)
{
    const itd__layer *row = o->row;
    size_t n = o->n * o->pixels, k = from >= row->in[0], at = from - (k ? row->in[0] : 0);
    itd__matmul(count, row->c, n, true, o->x[k] + at, 1, row->in[k], o->dy, row->c, 1, o->dw + from * row->c,
                row->c, o->work);
    if (from == 0) itd__fast()->column_sums(o->dy, row->c, NULL, n, row->c, o->db);
}

/* ---- activations and sums ---- */

static void itd__activation_forward(const itd__operands *o)
{
    itd__fast()->activation[o->row->activation].forward(o->x[0], o->n * o->row->width, o->y);
}

static void itd__activation_backward(const itd__operands *o)
{
    itd__fast()->activation[o->row->activation].backward(o->dy, o->x[0], o->n * o->row->width, o->dx[0]);
}

static void itd__add_forward(const itd__operands *o)
{
    itd__fast()->add(o->x[0], o->x[1], o->n * o->row->width, o->y);
}

static void itd__add_backward(const itd__operands *o)
{
    for (size_t k = 0; k < 2; k++) itd__fast()->add(o->dx[k], o->dy, o->n * o->row->width, o->dx[k]);
}

/* y = x[0] + x[1], where x[1] is the same for all pixels of an image. */
static void itd__shift_forward(const itd__operands *o)
{
    size_t c = o->row->c;
    for (size_t i = 0; i < o->pixels; i++) itd__fast()->add(o->x[0] + i * c, o->x[1], c, o->y + i * c);
}

static void itd__shift_backward(const itd__operands *o)
{
    itd__fast()->add(o->dx[0], o->dy, o->row->width, o->dx[0]);
    itd__fast()->column_sums(o->dy, o->row->c, NULL, o->pixels, o->row->c, o->dx[1]);
}

/* ---- sinusoids, of each coordinate or along random directions ---- */

/* Each number becomes the sines, then the cosines of its multiples by `half` frequencies (Vaswani et al.
   2017, in the order of the original code). */
static void itd__sinusoids_forward(const itd__operands *o)
{
    size_t n = o->n * o->row->in[0], half = o->row->c / o->row->in[0] / 2;
    const float *x = o->x[0];
    for (size_t i = 0; i < n; i++) {
        float *y = o->y + 2 * i * half;
        if (i > 0 && x[i] == x[i - 1]) /* a log SNR shared by many rows */
            memcpy(y, y - 2 * half, 2 * half * sizeof *y);
        else itd__fast()->embed(x[i], o->frequency, half, y);
    }
}

/* Each of sine and cosine has the other, which is in y, for its derivative. */
static void itd__sinusoids_backward(const itd__operands *o)
{
    size_t n = o->n * o->row->in[0], half = o->row->c / o->row->in[0] / 2;
    for (size_t i = 0; i < n; i++) {
        const float *sine = o->y + 2 * i * half, *cosine = sine + half;
        const float *dsine = o->dy + 2 * i * half, *dcosine = dsine + half;
        float sum = 0;
        for (size_t k = 0; k < half; k++)
            sum += o->frequency[k] * (dsine[k] * cosine[k] - dcosine[k] * sine[k]);
        o->dx[0][i] += sum;
    }
}

/* Along m directions, the columns of `frequency` (d,m), behind which it has -|w|^2/2 of each: sine and cosine
   of the phase w.z, times exp(-|w|^2 s / 2), which is what is left of them on average when z gets noise of
   variance s. Sinusoids that the noise has washed out teach nothing. The second input is the log SNR. Kept
   are the phases. */
static void itd__directions_forward(const itd__operands *o)
{
    size_t d = o->row->in[0], m = o->row->c / 2;
    const float *power = o->frequency + d * m;
    float *y = o->y, *left = o->work.floats; /* of amplitudes */
    itd__matmul(o->n, m, d, false, o->x[0], d, 1, o->frequency, m, 1, o->kept, m, o->work);
    for (size_t k = 0; k < o->n; k++, y += 2 * m) {
        float noise = (float)itd_sigmoid(-o->x[1][k]);
        itd__fast()->embed(1, o->kept + k * m, m, y);
        for (size_t i = 0; i < m; i++) left[i] = power[i] * noise;
        itd__fast()->exp(left, m, left);
        for (size_t i = 0; i < m; i++) y[i] *= left[i], y[m + i] *= left[i];
    }
}

static void itd__directions_backward(const itd__operands *o)
{
    size_t d = o->row->in[0], m = o->row->c / 2;
    for (size_t k = 0; k < o->n; k++) {
        const float *sine = o->y + 2 * k * m, *cosine = sine + m;
        const float *dsine = o->dy + 2 * k * m, *dcosine = dsine + m;
        for (size_t i = 0; i < m; i++) o->dkept[k * m + i] = dsine[i] * cosine[i] - dcosine[i] * sine[i];
    }
    itd__matmul(o->n, d, m, true, o->dkept, m, 1, o->frequency, 1, m, o->dx[0], d, o->work);
}

/* ---- convolutions ----

   3x3, cross-correlation as in all frameworks; weights are (3,3,in,out), images NHWC. Output pixel (y,x)
   reads input rows stride y - before + 0, 1, 2 and columns likewise, zero outside the image.

   A convolution of stride 1 between many channels is Winograd's F(2x2,3x3) (Lavin & Gray 2016). It cuts its
   output into tiles of 2x2, each of which depends on a patch of 4x4 input pixels:

       +---------+
       | . . . . | . .     digits: pixels of an image of 4x4, and the tile each belongs to
       | . 0 0 1 | 1 .     dots: the zeros around it
       | . 0 0 1 | 1 .     box: the patch of tile 0
       | . 2 2 3 | 3 .
       +---------+         Patches of neighbours overlap by two pixels. Pixels that a tile has beyond the last
         . 2 2 3   3 .     row or column are dropped.
         . . . .   . .

   With the matrices of itd__transform and the transformed taps U = G w G^T,

       patch X            frequencies V          frequencies M         tile Y
       x x x x            v v v v                m m m m
       x x x x   B X B^T  v v v v   sum of       m m m m   A M A^T     y y
       x x x x   ----->   v v v v   U (.) V over m m m m   ----->      y y
       x x x x            v v v v   channels     m m m m

   where (.) is the product number by number. For each of the 16 frequencies this is an ordinary product, M_f
   (tiles,out) = V_f (tiles,in) U_f (in,out): 16 multiplications per tile instead of 4 * 9. The gradient by U
   is V times A^T dY A, summed over tiles, and the gradient by w is G^T dU G. Other convolutions gather the 9
   pixels behind each output pixel into a row and multiply these rows by the weights as they are. */

enum {
    ITD__TILES = 48,  /* at a time: what they become stays in the second-level cache */
    ITD__PIXELS = 96, /* gathered at a time */
    ITD__PIECE = 64   /* inputs whose weights' gradient is computed at a time */
};

static bool itd__is_winograd(const itd__convolution *c)
{
    return c->stride == 1 && c->before == 1 && c->in.channels >= 8 && c->out.channels >= 8;
}

static size_t itd__count_tiles(const itd__image *g) { return (g->height + 1) / 2 * ((g->width + 1) / 2); }

/* Floats from one frequency to the next, each of them ITD__TILES rows of channels + 16, and a line of the
   cache more: 16 frequencies at multiples of 4 KB would all fall into one set. */
static size_t itd__plane(size_t channels) { return ITD__TILES * (channels + 16) + 16; }

/* What a thread needs beside ITD__WORK: one pixel that lies outside, and transformed inputs and outputs. */
static size_t itd__conv_work(const itd__convolution *c)
{
    size_t in = c->in.channels, out = c->out.channels;
    if (!itd__is_winograd(c)) return ITD__PIXELS * 9 * in;
    return itd__max(in, out) + 16 * (itd__plane(in) + itd__plane(out));
}

/* Offsets of the m by m pixels of one of several images, from (y - before, x - before) on; SIZE_MAX where
   there is none. */
static void itd__patch(const itd__image *g, size_t image, size_t y, size_t x, size_t before, size_t m,
                       size_t *at)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < m; j++) {
            bool inside = y + i >= before && y + i - before < g->height && x + j >= before &&
                          x + j - before < g->width;
            size_t row = image * g->height + y + i - before;
            at[i * m + j] = inside ? (row * g->width + x + j - before) * g->channels : SIZE_MAX;
        }
}

/* Those of a tile, m = 2, or of the patch around it, m = 4. Tiles are counted over all images. */
static void itd__tile(const itd__image *g, size_t tile, size_t m, size_t *at)
{
    size_t across = (g->width + 1) / 2, image = tile / itd__count_tiles(g);
    size_t y = tile % itd__count_tiles(g) / across * 2, x = tile % across * 2;
    itd__patch(g, image, y, x, m == 4, m, at);
}

/* Transforms `channels` channels of `count` tiles or patches of the images x to the 16 planes y, or for
   ITD__TO_OUTPUT the planes x to the images y. Pixels that do not exist are those of `outside`. */
static void itd__tiles(itd__transform t, const itd__image *g, size_t first, size_t count, size_t channels,
                       const float *x, float *outside, bool add, float *y)
{
    size_t pixels = t == ITD__FROM_PATCH ? 16 : 4, at[16];
    const float *from[16];
    float *to[16];
    for (size_t i = 0; i < count; i++) {
        itd__tile(g, first + i, pixels == 16 ? 4 : 2, at);
        for (size_t q = 0; q < 16; q++) {
            size_t plane = q * itd__plane(channels) + i * (channels + 16);
            bool inside = q < pixels && at[q] != SIZE_MAX;
            from[q] = t == ITD__TO_OUTPUT ? x + plane : inside ? x + at[q] : outside;
            to[q] = t != ITD__TO_OUTPUT ? y + plane : inside ? y + at[q] : outside;
        }
        itd__fast()->transform(t, from, to, 0, channels, add);
    }
}

/* U = G w G^T for all pairs of channels. */
static void itd__taps_forward(const itd__convolution *c, const float *w /* (3,3,in,out) */,
                              float *u /* (16,in,out) */)
{
    size_t pairs = c->in.channels * c->out.channels;
    const float *from[9];
    float *to[16];
    for (size_t t = 0; t < 9; t++) from[t] = w + t * pairs;
    for (size_t f = 0; f < 16; f++) to[f] = u + f * pairs;
    itd__fast()->transform(ITD__FROM_WEIGHTS, from, to, 0, pairs, false);
}

/* The same of the weights that lead back, which are transposed and rotated by half a turn: that exchanges the
   first and the last row of G w, and its columns. */
static void itd__taps_backward(const itd__convolution *c, const float *u /* (16,in,out) */,
                               float *back /* (16,out,in) */)
{
    static const size_t opposite[4] = {3, 1, 2, 0};
    size_t pairs = c->in.channels * c->out.channels;
    for (size_t f = 0; f < 16; f++)
        itd__transpose(u + (opposite[f / 4] * 4 + opposite[f % 4]) * pairs, c->in.channels, c->out.channels,
                       back + f * pairs);
}

/* dw += G^T dU G, the last step of a gradient; dU is zero again afterwards. */
static void itd__taps_gradient(const itd__convolution *c, float *du /* (16,in,out) */,
                               float *dw /* (3,3,in,out) */)
{
    size_t pairs = c->in.channels * c->out.channels;
    const float *from[16];
    float *to[9];
    for (size_t f = 0; f < 16; f++) from[f] = du + f * pairs;
    for (size_t t = 0; t < 9; t++) to[t] = dw + t * pairs;
    itd__fast()->transform(ITD__TO_WEIGHTS, from, to, 0, pairs, true);
    memset(du, 0, 16 * pairs * sizeof *du);
}

/* `count` tiles of a convolution, or of its backward pass, which is one with other weights whose outputs are
   added. The bias of the four outputs of a tile is that of frequency 5, which A M A^T adds to each. */
static void itd__winograd_tiles(const itd__operands *o, bool backward, size_t first, size_t count)
{
    const itd__image *from = &o->row->conv.in, *to = &o->row->conv.out;
    if (backward) from = &o->row->conv.out, to = &o->row->conv.in;
    const float *u = backward ? o->back : o->taps;
    size_t in = from->channels, out = to->channels;
    itd__scratch work = itd__own(o->work);
    float *outside = work.floats + ITD__WORK, *v = outside + itd__max(in, out), *m = v + 16 * itd__plane(in);
    memset(outside, 0, itd__max(in, out) * sizeof *outside);
    itd__tiles(ITD__FROM_PATCH, from, first, count, in, backward ? o->dy : o->x[0], outside, false, v);
    for (size_t f = 0; f < 16; f++) {
        bool bias = f == 5 && !backward;
        float *y = m + f * itd__plane(out);
        if (bias) itd__copy_rows(o->b, 0, count, out, y, out + 16);
        itd__matmul(count, out, in, bias, v + f * itd__plane(in), in + 16, 1, u + f * in * out, out, 1, y,
                    out + 16, work);
    }
    itd__tiles(ITD__TO_OUTPUT, to, first, count, out, m, outside, backward, backward ? o->dx[0] : o->y);
}

/* All tiles of n images. How many a thread takes at a time changes none of them. */
static void itd__winograd(const itd__operands *o, bool backward)
{
    const itd__convolution *c = &o->row->conv;
    size_t total = o->n * itd__count_tiles(&c->out);
    size_t threads = itd__useful_threads(16.0 * (double)total * (double)c->in.channels *
                                         (double)c->out.channels);
    size_t even = itd__ceil_div(total, threads), parts = itd__ceil_div(even, ITD__TILES);
    size_t tiles = itd__ceil_div(itd__ceil_div(even, parts), 4) * 4; /* whole blocks of rows */
    ptrdiff_t i, end = (ptrdiff_t)itd__ceil_div(total, tiles);
    ITD__PARALLEL(threads > 1)
    for (i = 0; i < end; i++) {
        size_t first = (size_t)i * tiles;
        itd__winograd_tiles(o, backward, first, itd__min(tiles, total - first));
    }
}

/* Offsets of the 9 input pixels behind each of `count` output pixels, which are counted over all images. */
static void itd__behind(const itd__convolution *c, size_t pixel, size_t count, size_t *at /* (count,9) */)
{
    size_t across = c->out.width, down = c->out.height;
    for (size_t i = pixel; i < pixel + count; i++, at += 9)
        itd__patch(&c->in, i / (down * across), i / across % down * c->stride, i % across * c->stride,
                   c->before, 3, at);
}

/* `channels` channels, from x on, of what is behind `count` output pixels. */
static void itd__gather(const itd__convolution *c, const float *x, size_t channels, size_t pixel,
                        size_t count, float *row /* (count,9,channels) */)
{
    size_t at[9 * ITD__PIXELS];
    itd__behind(c, pixel, count, at);
    for (size_t i = 0; i < 9 * count; i++, row += channels)
        if (at[i] == SIZE_MAX) memset(row, 0, channels * sizeof *row);
        else memcpy(row, x + at[i], channels * sizeof *row);
}

static void itd__conv_forward(const itd__operands *o)
{
    const itd__convolution *c = &o->row->conv;
    size_t pixels = o->n * o->pixels, in = c->in.channels, out = c->out.channels, count;
    float *gathered = o->work.floats + ITD__WORK;
    if (itd__is_winograd(c)) {
        itd__winograd(o, false);
        return;
    }
    for (size_t at = 0; at < pixels; at += count) {
        count = itd__min(pixels - at, ITD__PIXELS);
        itd__gather(c, o->x[0], in, at, count, gathered);
        itd__copy_rows(o->b, 0, count, out, o->y + at * out, out);
        itd__matmul(count, out, 9 * in, true, gathered, 9 * in, 1, o->w, out, 1, o->y + at * out, out,
                    o->work);
    }
}

/* back: (16,out,in), the transformed weights, or (out,9,in). */
static void itd__conv_backward(const itd__operands *o)
{
    const itd__convolution *c = &o->row->conv;
    size_t pixels = o->n * o->pixels, in = c->in.channels, out = c->out.channels, count, at[9 * ITD__PIXELS];
    if (itd__is_winograd(c)) {
        itd__winograd(o, true);
        return;
    }
    for (size_t first = 0; first < pixels; first += count) {
        float *row = o->work.floats + ITD__WORK; /* gradients by gathered pixels */
        count = itd__min(pixels - first, ITD__PIXELS);
        itd__matmul(count, 9 * in, out, false, o->dy + first * out, out, 1, o->back, 9 * in, 1, row, 9 * in,
                    o->work);
        itd__behind(c, first, count, at);
        for (size_t i = 0; i < 9 * count; i++, row += in)
            if (at[i] != SIZE_MAX) itd__fast()->add(o->dx[0] + at[i], row, in, o->dx[0] + at[i]);
    }
}

/* dU += V^T (A^T dY A), frequency by frequency. What becomes of it: itd__taps_gradient. */
static void itd__winograd_gradient(const itd__operands *o, size_t from, size_t channels)
{
    const itd__convolution *c = &o->row->conv;
    size_t total = o->n * itd__count_tiles(&c->out), in = c->in.channels, out = c->out.channels, count;
    float *zeros = o->work.floats + ITD__WORK, *v = zeros + itd__max(in, out);
    float *m = v + 16 * itd__plane(channels);
    memset(zeros, 0, itd__max(in, out) * sizeof *zeros);
    for (size_t at = 0; at < total; at += count) {
        count = itd__min(total - at, ITD__TILES);
        itd__tiles(ITD__FROM_PATCH, &c->in, at, count, channels, o->x[0] + from, zeros, false, v);
        itd__tiles(ITD__FROM_GRADIENT, &c->out, at, count, out, o->dy, zeros, false, m);
        for (size_t f = 0; f < 16; f++)
            itd__matmul(channels, out, count, true, v + f * itd__plane(channels), 1, channels + 16,
                        m + f * itd__plane(out), out + 16, 1, o->dtaps + (f * in + from) * out, out, o->work);
    }
}

/* dw, or dU in its place, for `channels` of the input's channels from number `from` on; with number 0, db. */
static void itd__conv_gradient(const itd__operands *o, size_t from, size_t channels)
{
    const itd__convolution *c = &o->row->conv;
    size_t pixels = o->n * o->pixels, in = c->in.channels, out = c->out.channels, count;
    float *gathered = o->work.floats + ITD__WORK;
    if (from == 0) itd__fast()->column_sums(o->dy, out, NULL, pixels, out, o->db);
    if (itd__is_winograd(c)) {
        itd__winograd_gradient(o, from, channels);
        return;
    }
    for (size_t at = 0; at < pixels; at += count) {
        count = itd__min(pixels - at, ITD__PIXELS);
        itd__gather(c, o->x[0] + from, channels, at, count, gathered);
        for (size_t t = 0; t < 9; t++)
            itd__matmul(channels, out, count, true, gathered + t * channels, 1, 9 * channels,
                        o->dy + at * out, out, 1, o->dw + (t * in + from) * out, out, o->work);
    }
}

/* Every pixel becomes four. */
static void itd__upsample_forward(const itd__operands *o)
{
    size_t w = o->row->w, c = o->row->c;
    for (size_t i = 0; i < o->n * o->row->h; i++)
        for (size_t j = 0; j < w; j++)
            memcpy(o->y + (i * w + j) * c, o->x[0] + (i / 2 * (w / 2) + j / 2) * c, c * sizeof *o->y);
}

static void itd__upsample_backward(const itd__operands *o)
{
    size_t w = o->row->w, c = o->row->c;
    for (size_t i = 0; i < o->n * o->row->h; i++)
        for (size_t j = 0; j < w; j++) {
            float *to = o->dx[0] + (i / 2 * (w / 2) + j / 2) * c;
            itd__fast()->add(to, o->dy + (i * w + j) * c, c, to);
        }
}

/* ---- group normalization ----

   (Wu & He 2018) of one image, whose channels are those of x[0] and then those of x[1]; SiLU f follows if
   row->silu, otherwise f(u) = u:

       y = f(u),  u = scale_c x + shift_c,  scale_c = gamma_c / sqrt(var_g + epsilon),
       shift_c = beta_c - mean_g scale_c,   var_g biased, as is usual.

   Forward keeps for each channel mean, 1/sqrt(var + epsilon), scale, shift; backward dgamma and dbeta, then
   two intermediate results. */

/* Each channel gets the average over its group of x, which has sums over pixels. */
static void itd__group_averages(const itd__operands *o, float *x /* (channels) */)
{
    size_t size = o->row->c / o->row->groups;
    for (size_t g = 0; g < o->row->groups; g++, x += size) {
        double sum = 0;
        for (size_t c = 0; c < size; c++) sum += x[c];
        for (size_t c = 0; c < size; c++) x[c] = (float)(sum / (double)(size * o->pixels));
    }
}

static void itd__norm_forward(const itd__operands *o)
{
    const size_t *in = o->row->in, channels = o->row->c, first[2] = {0, in[0]};
    float *mean = o->kept, *root = mean + channels, *scale = root + channels, *shift = scale + channels;
    memset(mean, 0, 2 * channels * sizeof *mean);
    for (size_t from = 0; from < o->pixels; from += 32) { /* long sums of like numbers lose digits */
        size_t count = itd__min(o->pixels - from, 32);
        float *part = scale;
        memset(part, 0, channels * sizeof *part);
        for (size_t k = 0; k < 2; k++)
            itd__fast()->column_sums(o->x[k] + from * in[k], in[k], NULL, count, in[k], part + first[k]);
        itd__fast()->add(mean, part, channels, mean);
    }
    itd__group_averages(o, mean);
    for (size_t k = 0; k < 2; k++)
        itd__fast()->column_sums(o->x[k], in[k], mean + first[k], o->pixels, in[k], root + first[k]);
    itd__group_averages(o, root);
    for (size_t c = 0; c < channels; c++) {
        root[c] = (float)(1 / sqrt((double)root[c] + o->row->epsilon));
        scale[c] = o->w[c] * root[c];
        shift[c] = o->b[c] - mean[c] * scale[c];
    }
    for (size_t k = 0; k < 2; k++)
        itd__fast()->affine(o->x[k], scale + first[k], shift + first[k], o->pixels, in[k], o->row->silu,
                            o->y + first[k], channels);
}

/* dy becomes du. With h = (x - mean) / sqrt(var + epsilon), per image
       dgamma = sum du h,  dbeta = sum du,
       dx += gamma / sqrt(var + epsilon) (du - avg_g(gamma du)/gamma - h avg_g(gamma du h)/gamma). */
static void itd__norm_backward(const itd__operands *o)
{
    const size_t *in = o->row->in, channels = o->row->c, first[2] = {0, in[0]};
    const float *mean = o->kept, *root = mean + channels, *scale = root + channels, *shift = scale + channels;
    float *dgamma = o->dkept, *dbeta = dgamma + channels, *a = dbeta + channels, *b = a + channels;
    memset(dgamma, 0, 2 * channels * sizeof *dgamma);
    for (size_t k = 0; k < 2; k++)
        itd__fast()->affine_backward(o->dy + first[k], channels, o->x[k], scale + first[k], shift + first[k],
                                     o->pixels, in[k], o->row->silu, dbeta + first[k], dgamma + first[k]);
    for (size_t c = 0; c < channels; c++) {
        dgamma[c] = (dgamma[c] - mean[c] * dbeta[c]) * root[c];
        a[c] = o->w[c] * dgamma[c], b[c] = o->w[c] * dbeta[c];
    }
    itd__group_averages(o, a);
    itd__group_averages(o, b);
    for (size_t c = 0; c < channels; c++) { /* -1/std (avg + h avg_h) as a function of x */
        a[c] = -a[c] * root[c] * root[c];
        b[c] = -b[c] * root[c] - mean[c] * a[c];
    }
    for (size_t k = 0; k < 2; k++) {
        const float *factor[3] = {scale + first[k], a + first[k], b + first[k]};
        itd__fast()->combine(o->dy + first[k], channels, o->x[k], factor, o->pixels, in[k], o->dx[k]);
    }
}

/* Backward left dgamma and dbeta of each image; all of them are one piece. */
static void itd__norm_gradient(const itd__operands *o, size_t from, size_t count)
{
    (void)from, (void)count;
    itd__fast()->column_sums(o->dkept, o->row->kept, NULL, o->n, 2 * o->row->c, o->dw);
}

/* ---- attention ----

   (Vaswani et al. 2017) within one image, whose pixels are the tokens: y = softmax(q k^T / sqrt(d)) v for
   each head, that is, each group of d channels. SCORES computes the softmax, (heads,tokens,tokens), from q
   and k; ATTEND multiplies it by v. */
static void itd__scores_forward(const itd__operands *o)
{
    size_t tokens = o->row->tokens, channels = o->row->in[0], heads = o->row->heads, d = channels / heads;
    float scale = (float)(1 / sqrt((double)d)), *p = o->y;
    for (size_t h = 0; h < heads; h++)
        itd__matmul(tokens, tokens, d, false, o->x[0] + h * d, channels, 1, o->x[1] + h * d, 1, channels,
                    p + h * tokens * tokens, tokens, o->work);
    for (size_t i = 0; i < heads * tokens; i++, p += tokens) {
        float max = p[0], sum = 0;
        for (size_t j = 1; j < tokens; j++) max = p[j] > max ? p[j] : max;
        for (size_t j = 0; j < tokens; j++) p[j] = scale * (p[j] - max);
        itd__fast()->exp(p, tokens, p);
        for (size_t j = 0; j < tokens; j++) sum += p[j];
        for (size_t j = 0; j < tokens; j++) p[j] /= sum;
    }
}

/* With p = softmax(u), dy = dp becomes du: p (dp - sum p dp), with the factor 1/sqrt(d) of the products. */
static void itd__scores_backward(const itd__operands *o)
{
    size_t tokens = o->row->tokens, channels = o->row->in[0], heads = o->row->heads, d = channels / heads;
    float scale = (float)(1 / sqrt((double)d));
    for (size_t i = 0; i < heads * tokens; i++) {
        const float *p = o->y + i * tokens;
        float *dp = o->dy + i * tokens, sum = 0;
        for (size_t j = 0; j < tokens; j++) sum += p[j] * dp[j];
        for (size_t j = 0; j < tokens; j++) dp[j] = scale * p[j] * (dp[j] - sum);
    }
    for (size_t h = 0; h < heads; h++) {
        const float *du = o->dy + h * tokens * tokens;
        itd__matmul(tokens, d, tokens, true, du, tokens, 1, o->x[1] + h * d, channels, 1, o->dx[0] + h * d,
                    channels, o->work);
        itd__matmul(tokens, d, tokens, true, du, 1, tokens, o->x[0] + h * d, channels, 1, o->dx[1] + h * d,
                    channels, o->work);
    }
}

static void itd__attend_forward(const itd__operands *o)
{
    size_t tokens = o->row->tokens, channels = o->row->c, heads = o->row->heads, d = channels / heads;
    for (size_t h = 0; h < heads; h++)
        itd__matmul(tokens, d, tokens, false, o->x[0] + h * tokens * tokens, tokens, 1, o->x[1] + h * d,
                    channels, 1, o->y + h * d, channels, o->work);
}

static void itd__attend_backward(const itd__operands *o)
{
    size_t tokens = o->row->tokens, channels = o->row->c, heads = o->row->heads, d = channels / heads;
    for (size_t h = 0; h < heads; h++) {
        size_t at = h * tokens * tokens;
        itd__matmul(tokens, tokens, d, true, o->dy + h * d, channels, 1, o->x[1] + h * d, 1, channels,
                    o->dx[0] + at, tokens, o->work);
        itd__matmul(tokens, d, tokens, true, o->x[0] + at, 1, tokens, o->dy + h * d, channels, 1,
                    o->dx[1] + h * d, channels, o->work);
    }
}

/* >>network ------------------------------------------------------------------------------------------------

   A network is a table of rows, each an operation that reads earlier rows. itd__plan_mlp and itd__plan_unet
   write it and read like the network's diagram; counting, memory, forward, backward and the names in a file
   walk it. For points of the plane and two linear layers it is, as itd_net_summary has it:

       row  kind         channels           parameters
       0    input        2                                                z
       1    input        1                                                log SNR
       2    directions   2 + 1 -> 256                                     reads rows 0 and 1
       3    sinusoids    1 -> 128                                         reads row 1
       4    linear       256 + 128 -> 128  layers.0, 49280 parameters     reads rows 2 and 3
       5    silu         128 -> 128                                       reads row 4
       6    linear       128 -> 2  layers.1, 258 parameters               reads row 5

   Each row has its place in an array of values and, in training, in one of gradients. */

/* For each row of the table its output, (capacity,width), then what it keeps, (capacity,kept). */
typedef struct itd__buffer {
    float *floats;
    size_t capacity; /* samples */
} itd__buffer;

struct itd_net {
    itd_unet_desc unet; /* without levels: an MLP */
    size_t dim;
    size_t slice; /* samples a thread takes at a time */
    itd__layer *layer;
    size_t layers, max_layers;
    size_t max_inputs; /* of a row with parameters, from one of the two that it reads */
    float *frequency;  /* of all sinusoids */
    size_t frequencies;
    double *timestep; /* (steps) log SNRs of the steps of a DDPM, descending, or NULL */
    size_t steps;
    size_t parameters;
    bool too_large;             /* more parameters or values than can be counted in bytes */
    float *w, *g, *m, *v, *ema; /* slabs of `parameters` floats; all but w only when training needs them */
    bool use_ema;               /* forward reads ema instead of w */
    itd__buffer value, gradient;
    size_t width; /* floats per sample of all rows */
    float *taps;  /* weights of convolutions, transformed for forward */
    float *back;  /* weights transposed, of convolutions transformed, for backward */
    float *dtaps; /* gradient by taps, zero between batches */
    size_t taps_size, back_size;
    const float *taps_of; /* the slab they were made of; NULL: they are stale */
    bool shared;          /* weights may change unnoticed: the caller has a pointer to them */
    itd__scratch work;
    size_t work_threads; /* for how many there is space */
    char path[48];       /* what the names of the next rows begin with */
};

/* Appends a row that reads row a and, if it is another one, row b; returns its index. */
static size_t itd__row(itd_net *net, itd__kind kind, size_t a, size_t b, size_t h, size_t w, size_t c)
{
    size_t i = net->layers++;
    itd__layer *row = &net->layer[i];
    ITD_ASSERT(i < net->max_layers);
    row->kind = kind;
    row->input[0] = a, row->input[1] = b;
    row->in[0] = net->layer[a].c, row->in[1] = a == b ? 0 : net->layer[b].c;
    row->h = h, row->w = w, row->c = c;
    if (!itd__multiply(h * w, c, &row->width) || row->width > SIZE_MAX / 16 - net->width)
        net->too_large = true, row->width = 0;
    row->offset = net->width;
    row->trains = net->layer[a].trains || net->layer[b].trains;
    net->layer[a].reader = net->layer[b].reader = i;
    net->width += row->width;
    return i;
}

/* A row of the size of its input, with c channels. */
static size_t itd__like(itd_net *net, itd__kind kind, size_t a, size_t b, size_t c)
{
    return itd__row(net, kind, a, b, net->layer[a].h, net->layer[a].w, c);
}

static size_t itd__input(itd_net *net, size_t h, size_t w, size_t c)
{
    return itd__row(net, ITD__INPUT, net->layers, net->layers, h, w, c);
}

/* Appends to a text of `size` bytes, cutting what does not fit; a and b take the places of two #. */
static void itd__append(char *text, size_t size, const char *format, size_t a, size_t b)
{
    size_t used = strlen(text);
    for (; *format; format++) {
        char piece[24] = {0}, *p = piece + sizeof piece - 1;
        if (*format == '#') {
            do *--p = (char)('0' + a % 10);
            while (a /= 10);
            a = b;
        } else {
            *--p = *format;
        }
        while (*p && used + 1 < size) text[used++] = *p++;
    }
    text[used] = 0;
}

/* What the names of the next rows begin with, in a U-Net as in diffusers: block, number, part, number. */
static void itd__path(itd_net *net, const char *path, size_t i, size_t j)
{
    net->path[0] = 0;
    itd__append(net->path, sizeof net->path, path, i, j);
}

/* A row's parameters: `weights` and then c biases, under the current path; and the place of its weights as
   they are prepared for forward and backward. */
static void itd__parameterized(itd_net *net, size_t i, size_t rows, size_t columns, const char *name)
{
    itd__layer *row = &net->layer[i];
    size_t all; /* with the biases */
    if (!itd__multiply(rows + 1, columns, &all) || all > SIZE_MAX / 8 - net->parameters)
        net->too_large = true, all = columns;
    row->weights = all - columns;
    row->trains = true;
    row->weight = net->parameters;
    row->bias = row->weight + row->weights;
    net->parameters = row->bias + columns;
    size_t prepared = row->winograd ? row->weights / 9 * 16 : row->weights;
    row->taps = net->taps_size, row->back = net->back_size;
    net->taps_size += row->winograd ? prepared : 0, net->back_size += prepared;
    net->max_inputs = itd__max(net->max_inputs, itd__max(row->in[0], row->in[1]));
    itd__append(row->name, sizeof row->name, net->path, 0, 0);
    itd__append(row->name, sizeof row->name, name, 0, 0);
}

/* `size` sinusoids of scale times each number, half of them sines, with frequencies
   exp(-i log(10000) / (half - 1)). */
static size_t itd__sinusoids(itd_net *net, size_t x, size_t size, double scale)
{
    size_t i = itd__like(net, ITD__SINUSOIDS, x, x, net->layer[x].c * size), half = size / 2;
    net->layer[i].frequency = net->frequencies;
    for (size_t k = 0; k < half; k++) {
        double frequency = exp(-(double)k * log(10000.0) / (double)(half - 1));
        net->frequency[net->frequencies++] = (float)(scale * frequency);
    }
    return i;
}

/* Sinusoids along directions that are the same in every network of this description: |w| in equal ratios,
   each w uniform on its sphere. */
static size_t itd__directions(itd_net *net, size_t z, size_t logsnr, const itd_mlp_desc *desc)
{
    size_t d = desc->dim, m = desc->directions, i = itd__like(net, ITD__DIRECTIONS, z, logsnr, 2 * m);
    itd_rng rng = itd__rng_for(0, ITD__FOR_DIRECTIONS, 0);
    float *w = net->frequency + net->frequencies;
    for (size_t k = 0; k < m; k++) {
        double at = ((double)k + 0.5) / (double)m, square = 0;
        double length = desc->frequency_min * pow(desc->frequency_max / desc->frequency_min, at);
        itd_rng again = rng; /* the same d numbers: their length is needed before the first is used */
        for (size_t j = 0; j < d; j++) square += pow(itd_rng_normal(&rng), 2);
        for (size_t j = 0; j < d; j++) w[j * m + k] = (float)(length / sqrt(square) * itd_rng_normal(&again));
        w[d * m + k] = (float)(-0.5 * length * length);
    }
    net->layer[i].frequency = net->frequencies;
    net->frequencies += (d + 1) * m;
    net->layer[i].kept = m, net->width += m;
    return i;
}

static size_t itd__linear(itd_net *net, size_t a, size_t b, size_t width, const char *name)
{
    size_t i = itd__like(net, ITD__LINEAR, a, b, width);
    itd__parameterized(net, i, net->layer[i].in[0] + net->layer[i].in[1], width, name);
    return i;
}

static size_t itd__activation(itd_net *net, size_t x, itd_activation activation)
{
    size_t i = itd__like(net, ITD__ACTIVATION, x, x, net->layer[x].c);
    net->layer[i].activation = activation;
    return i;
}

/* The MLP denoiser: sinusoids of the vector and of the log SNR, then linear layers with activations between
   them. */
static void itd__plan_mlp(itd_net *net, const itd_mlp_desc *desc)
{
    size_t z = itd__input(net, 1, 1, desc->dim), logsnr = itd__input(net, 1, 1, 1), h = z, time = logsnr;
    if (desc->directions) h = itd__directions(net, z, logsnr, desc);
    else if (desc->embedding) h = itd__sinusoids(net, z, desc->embedding, desc->coordinate_scale);
    if (desc->embedding) time = itd__sinusoids(net, logsnr, desc->embedding, desc->logsnr_scale);
    for (size_t k = 0; k < desc->layers; k++) {
        itd__path(net, "layers.#", k, 0);
        h = itd__linear(net, h, k ? h : time, k + 1 < desc->layers ? desc->hidden : desc->dim, "");
        if (k + 1 < desc->layers) h = itd__activation(net, h, desc->activation);
    }
    net->layer[h].zero = desc->zero_output;
}

/* ---- the U-Net ---- */

static size_t itd__conv(itd_net *net, size_t x, size_t c, size_t stride, const char *name)
{
    const itd__layer *in = &net->layer[x];
    size_t before = stride == 2 && net->unet.pad_after ? 0 : 1;
    size_t h = (in->h + before - 2) / stride + 1, w = (in->w + before - 2) / stride + 1;
    size_t i = itd__row(net, ITD__CONV, x, x, h, w, c);
    itd__convolution conv = {{in->h, in->w, in->c}, {h, w, c}, stride, before};
    net->layer[i].conv = conv, net->layer[i].winograd = itd__is_winograd(&conv);
    net->work.each = itd__max(net->work.each, ITD__WORK + itd__conv_work(&conv));
    itd__parameterized(net, i, 9 * in->c, c, name);
    return i;
}

/* a and, if it is another row, b side by side; SiLU follows if silu. */
static size_t itd__norm(itd_net *net, size_t a, size_t b, bool silu, const char *name)
{
    size_t c = net->layer[a].c + (a == b ? 0 : net->layer[b].c), i = itd__like(net, ITD__NORM, a, b, c);
    net->layer[i].groups = net->unet.groups, net->layer[i].epsilon = (float)net->unet.epsilon;
    net->layer[i].silu = silu;
    net->layer[i].kept = 4 * c, net->width += 4 * c;
    itd__parameterized(net, i, 1, c, name);
    return i;
}

/* Reads a and, if it is another row, the skip connection b. */
static size_t itd__residual_block(itd_net *net, const char *path, size_t i, size_t j, size_t a, size_t b,
                                  size_t time, size_t c)
{
    itd__path(net, path, i, j);
    size_t h = itd__norm(net, a, b, true, "norm1");
    h = itd__conv(net, h, c, 1, "conv1");
    size_t t = itd__linear(net, time, time, c, "time_emb_proj");
    h = itd__like(net, ITD__SHIFT, h, t, c);
    h = itd__norm(net, h, h, true, "norm2");
    h = itd__conv(net, h, c, 1, "conv2");
    net->layer[h].zero = net->unet.zero_output;
    if (a != b || net->layer[a].c != c) a = itd__linear(net, a, b, c, "conv_shortcut");
    return itd__like(net, ITD__ADD, a, h, c);
}

static size_t itd__attention(itd_net *net, const char *path, size_t i, size_t j, size_t x)
{
    size_t c = net->layer[x].c, tokens = net->layer[x].h * net->layer[x].w, h, scores;
    size_t heads = net->unet.head ? c / net->unet.head : 1;
    if (!itd__multiply(tokens, tokens, &scores) || !itd__multiply(scores, heads, &scores))
        net->too_large = true, scores = 1;
    itd__path(net, path, i, j);
    h = itd__norm(net, x, x, false, "group_norm");
    size_t q = itd__linear(net, h, h, c, "to_q");
    size_t k = itd__linear(net, h, h, c, "to_k");
    size_t v = itd__linear(net, h, h, c, "to_v");
    size_t p = itd__row(net, ITD__SCORES, q, k, 1, 1, scores);
    h = itd__row(net, ITD__ATTEND, p, v, net->layer[x].h, net->layer[x].w, c);
    net->layer[p].heads = net->layer[h].heads = heads, net->layer[p].tokens = net->layer[h].tokens = tokens;
    h = itd__linear(net, h, h, c, "to_out.0");
    return itd__like(net, ITD__ADD, h, x, c);
}

static size_t itd__plan_time(itd_net *net, const itd_unet_desc *d)
{
    size_t t = itd__input(net, 1, 1, 1);
    if (d->time != ITD_TIME_LOGSNR) t = itd__like(net, ITD__TIMESTEP, t, t, 1);
    t = itd__sinusoids(net, t, d->embedding, d->time == ITD_TIME_LOGSNR ? d->logsnr_scale : 1);
    net->path[0] = 0;
    t = itd__linear(net, t, t, d->hidden, "time_embedding.linear_1");
    t = itd__activation(net, t, ITD_SILU);
    t = itd__linear(net, t, t, d->hidden, "time_embedding.linear_2");
    return itd__activation(net, t, ITD_SILU); /* here, as every block would apply it */
}

static void itd__plan_unet(itd_net *net, const itd_unet_desc *d)
{
    size_t skip[ITD_MAX_LEVELS * 9], skips = 0, h;
    size_t z = itd__input(net, d->height, d->width, d->channels);
    size_t t = itd__plan_time(net, d);
    h = skip[skips++] = itd__conv(net, z, d->features[0], 1, "conv_in");
    for (size_t i = 0; i < d->levels; i++) {
        for (size_t j = 0; j < d->blocks; j++) {
            h = itd__residual_block(net, "down_blocks.#.resnets.#.", i, j, h, h, t, d->features[i]);
            if (d->attention >> i & 1) h = itd__attention(net, "down_blocks.#.attentions.#.", i, j, h);
            skip[skips++] = h;
        }
        if (i + 1 == d->levels) break;
        itd__path(net, "down_blocks.#.downsamplers.0.", i, 0);
        h = skip[skips++] = itd__conv(net, h, d->features[i], 2, "conv");
    }
    h = itd__residual_block(net, "mid_block.resnets.0.", 0, 0, h, h, t, d->features[d->levels - 1]);
    if (d->attention >> d->levels & 1) h = itd__attention(net, "mid_block.attentions.0.", 0, 0, h);
    h = itd__residual_block(net, "mid_block.resnets.1.", 0, 0, h, h, t, d->features[d->levels - 1]);
    for (size_t i = 0; i < d->levels; i++) {
        size_t level = d->levels - 1 - i, c = d->features[level];
        for (size_t j = 0; j <= d->blocks; j++) {
            h = itd__residual_block(net, "up_blocks.#.resnets.#.", i, j, h, skip[--skips], t, c);
            if (d->attention >> level & 1) h = itd__attention(net, "up_blocks.#.attentions.#.", i, j, h);
        }
        if (level == 0) break;
        h = itd__row(net, ITD__UPSAMPLE, h, h, 2 * net->layer[h].h, 2 * net->layer[h].w, c);
        itd__path(net, "up_blocks.#.upsamplers.0.", i, 0);
        h = itd__conv(net, h, c, 1, "conv");
    }
    net->path[0] = 0;
    h = itd__norm(net, h, h, true, "conv_norm_out");
    h = itd__conv(net, h, d->channels, 1, "conv_out");
    net->layer[h].zero = d->zero_output;
}

/* Uniform in +-1/sqrt(fan_in), weights and biases alike, or zero; normalizations start at gamma 1, beta 0. */
static void itd__initialize(itd_net *net, uint64_t seed)
{
    itd_rng rng = itd__rng_for(seed, ITD__FOR_WEIGHTS, 0);
    for (size_t i = 0; i < net->layers; i++) {
        const itd__layer *row = &net->layer[i];
        double bound = 1 / sqrt((double)(row->weights / row->c));
        for (size_t k = 0; row->kind == ITD__NORM && k < row->c; k++) net->w[row->weight + k] = 1;
        if (row->kind == ITD__NORM || row->zero || !row->weights) continue;
        for (size_t k = 0; k < row->weights + row->c; k++)
            net->w[row->weight + k] = (float)(bound * (2 * itd_rng_uniform(&rng) - 1));
    }
}

/* The table alone: sizes known, no parameters allocated. */
static itd_result itd__plan(itd_net *net, const itd_mlp_desc *mlp, const itd_unet_desc *unet)
{
    bool images = unet && unet->levels;
    size_t frequencies = images ? unet->embedding / 2 : mlp->embedding + (mlp->dim + 1) * mlp->directions;
    net->max_layers = images ? 64 + 32 * unet->levels * (unet->blocks + 1) : 4 + 2 * mlp->layers;
    net->layer = (itd__layer *)itd__alloc(net->max_layers, 1, sizeof *net->layer);
    net->frequency = itd__floats(frequencies, 1);
    if (!net->layer || !net->frequency) return ITD_ERROR_MEMORY;
    net->slice = images ? 4 : ITD__SLICE, net->work.each = ITD__WORK;
    if (images) net->unet = *unet, itd__plan_unet(net, unet);
    else itd__plan_mlp(net, mlp);
    net->dim = net->layer[0].width;
    return net->too_large ? ITD_ERROR_MEMORY : ITD_OK;
}

/* ---- the steps of DDPM, as a measure of time ---- */

/* log SNRs after the steps of a chain whose betas, the variances of the noise that each adds, are linear:
   1,000 from 1e-4 to 0.02, or the 10,000 of the paper's table. */
static itd_result itd__plan_timesteps(itd_net *net)
{
    bool table = net->unet.time == ITD_TIME_TABLE;
    double first = table ? 1e-5 : 1e-4, last = table ? 2e-3 : 2e-2, kept = 0; /* log product of 1 - beta */
    if (net->unet.time == ITD_TIME_LOGSNR) return ITD_OK;
    net->steps = table ? 10000 : 1000;
    net->timestep = itd__doubles(net->steps, 1);
    if (!net->timestep) return ITD_ERROR_MEMORY;
    for (size_t i = 0; i < net->steps; i++) {
        kept += log1p(-(first + (last - first) * (double)i / (double)(net->steps - 1)));
        net->timestep[i] = kept - log(-expm1(kept));
    }
    return ITD_OK;
}

/* The step of a log SNR: that of the paper's table whose signal variance is nearest, a tenth of its number;
   or the place between the 1,000 steps by linear interpolation. */
static float itd__timestep(const itd_net *net, double logsnr)
{
    const double *t = net->timestep;
    bool table = net->unet.time == ITD_TIME_TABLE;
    size_t low = 0, high = net->steps - 1;
    logsnr = fmin(fmax(logsnr, t[high]), t[low]);
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (t[middle] >= logsnr) low = middle;
        else high = middle;
    }
    if (!table) return (float)((double)low + (t[low] - logsnr) / (t[low] - t[high]));
    if (itd_sigmoid(t[low]) - itd_sigmoid(logsnr) <= itd_sigmoid(logsnr) - itd_sigmoid(t[high])) high = low;
    return (float)(0.1 * (double)high);
}

static void itd__timestep_forward(const itd__operands *o)
{
    for (size_t k = 0; k < o->n; k++) o->y[k] = itd__timestep(o->net, o->x[0][k]);
}

/* ---- a network is made, described and released ---- */

typedef struct itd__operation {
    const char *name;
    void (*forward)(const itd__operands *o);
    void (*backward)(const itd__operands *o); /* NULL: no gradient passes through it */
    void (*gradient)(const itd__operands *o, size_t from, size_t count); /* NULL: it has no parameters */
    bool single;                                                         /* n is 1 */
} itd__operation;

#define ITD__ROW(kind, name, forward, backward, gradient, single) {name, forward, backward, gradient, single},
static const itd__operation itd__operations[ITD__KINDS] = {ITD__OPERATIONS(ITD__ROW)};
#define ITD__NAME(value, name) #name,
static const char *const itd__activation_names[] = {ITD_ACTIVATIONS(ITD__NAME)};

/* Without a seed the weights are zero: a file will bring them. */
static itd_result itd__net_create(const itd_model_desc *desc, const uint64_t *seed, itd_net **out)
{
    if (itd_model_problem(desc, NULL)) return ITD_ERROR_ARGUMENT;
    itd_net *net = (itd_net *)itd__alloc(1, 1, sizeof *net);
    if (net && itd__plan(net, &desc->mlp, &desc->unet) == ITD_OK && itd__plan_timesteps(net) == ITD_OK)
        net->w = itd__floats(net->parameters, 1);
    if (!net || !net->w) {
        itd_net_free(net);
        return ITD_ERROR_MEMORY;
    }
    if (seed) itd__initialize(net, *seed);
    *out = net;
    return ITD_OK;
}

ITD_DEF itd_result itd_mlp_create(const itd_mlp_desc *desc, uint64_t seed, itd_net **out)
{
    itd_model_desc model = itd_model_desc_default(0);
    model.mlp = *desc;
    return itd__net_create(&model, &seed, out);
}

ITD_DEF itd_result itd_unet_create(const itd_unet_desc *desc, uint64_t seed, itd_net **out)
{
    itd_model_desc model = itd_model_desc_default(0); /* dim 0: refused unless the U-Net has levels */
    model.unet = *desc;
    return itd__net_create(&model, &seed, out);
}

ITD_DEF void itd_net_free(itd_net *net)
{
    if (!net) return;
    itd__end_training(net);
    ITD_FREE(net->layer), ITD_FREE(net->frequency), ITD_FREE(net->timestep);
    ITD_FREE(net->value.floats), ITD_FREE(net->taps), ITD_FREE(net->w), ITD_FREE(net->ema);
    ITD_FREE(net);
}

static float *itd__share(itd_net *net, float *slab)
{
    net->shared = true;
    return slab;
}

ITD_DEF size_t itd_net_memory(const itd_net *net, size_t n, bool training)
{
    size_t floats = net->parameters + net->taps_size + n * net->width;
    if (training) floats += 4 * net->parameters + net->taps_size + net->back_size + n * net->width;
    return floats * sizeof(float);
}

ITD_DEF size_t itd_net_parameters(const itd_net *net) { return net->parameters; }
ITD_DEF float *itd_net_gradients(itd_net *net) { return net->g; }
ITD_DEF float *itd_net_weights(itd_net *net) { return itd__share(net, net->w); }
ITD_DEF float *itd_net_average(itd_net *net) { return itd__share(net, net->ema); }

ITD_DEF const char *itd_net_summary(const itd_net *net, size_t k, char *text, size_t size)
{
    if (k >= net->layers || size == 0) return NULL;
    const itd__layer *row = &net->layer[k];
    const char *name = itd__operations[row->kind].name;
    if (row->kind == ITD__ACTIVATION) name = itd__activation_names[row->activation];
    text[0] = 0;
    itd__append(text, size, name, 0, 0);
    const char *from = row->in[1] ? "  # + # -> " : row->kind != ITD__INPUT ? "  # -> " : "  ";
    itd__append(text, size, from, row->in[0], row->in[1]);
    itd__append(text, size, row->h * row->w > 1 ? "# of #x" : "#", row->c, row->h);
    if (row->h * row->w > 1) itd__append(text, size, "#", row->w, 0);
    if (!row->weights) return text;
    itd__append(text, size, "  ", 0, 0);
    itd__append(text, size, row->name, 0, 0);
    itd__append(text, size, ", # parameters", row->weights + row->c, 0);
    return text;
}

/* ---- forward and backward ----

   Both walk the table for a slice of the samples, 64 vectors or 4 images, so that the values of a slice stay
   in the second-level cache from row to row. Gradients of parameters are sums over all samples. They come
   after all slices, in pieces of at most 64 of a row's inputs. Threads take slices, then pieces:

       slices     0..63   64..127   128..   samples         pieces   inputs       of         samples
       row 0        |        |        |                     0        0..63        layers.0   all of them,
       row 1        |        |        |     forward         1        64..127      layers.0   from first
       ...          v        v        v                     ...                              to last
       row 6        and upwards again: backward             6        0..63        layers.1

   No number depends on how many threads there are: slices and pieces have fixed sizes, a sample's values come
   from that sample alone, and each element of a weight's gradient is in one piece, which adds up the samples
   in their order. If they come in several passes, each pass goes on from the sum of the one before. */

static const float *itd__weights(const itd_net *net) { return net->use_ema ? net->ema : net->w; }

/* A row's output, and behind it what it keeps, from sample `from` on. */
static float *itd__output(const itd__buffer *v, const itd__layer *row, size_t from)
{
    return v->floats + row->offset * v->capacity + from * row->width;
}

static float *itd__kept(const itd__buffer *v, const itd__layer *row, size_t from)
{
    return v->floats + (row->offset + row->width) * v->capacity + from * row->kept;
}

/* For the operation of row i on n samples; what backward needs is there once it has begun. */
static itd__operands itd__operands_of(const itd_net *net, size_t i, size_t from, size_t n, bool backward)
{
    itd__operands o = ITD__ZERO;
    const itd__layer *row = o.row = &net->layer[i];
    const itd__layer *in[2] = {&net->layer[row->input[0]], &net->layer[row->input[1]]};
    o.net = net, o.n = n, o.pixels = row->h * row->w, o.work = itd__own(net->work);
    for (size_t k = 0; k < 2; k++) o.x[k] = itd__output(&net->value, in[k], from);
    o.y = itd__output(&net->value, row, from), o.kept = itd__kept(&net->value, row, from);
    o.w = itd__weights(net) + row->weight, o.b = itd__weights(net) + row->bias;
    o.frequency = net->frequency + row->frequency;
    if (net->taps) o.taps = net->taps + row->taps;
    if (!backward) return o;
    for (size_t k = 0; k < 2; k++) o.dx[k] = itd__output(&net->gradient, in[k], from);
    o.dy = itd__output(&net->gradient, row, from), o.dkept = itd__kept(&net->gradient, row, from);
    o.dw = net->g + row->weight, o.db = net->g + row->bias;
    o.back = net->back + row->back, o.dtaps = net->dtaps + row->taps;
    return o;
}

/* One way through the operation of row i, all samples at once or one by one. */
static void itd__run(const itd_net *net, size_t i, size_t from, size_t n, bool backward)
{
    const itd__operation *operation = &itd__operations[net->layer[i].kind];
    size_t step = operation->single ? 1 : n;
    for (size_t k = 0; k < n; k += step) {
        itd__operands o = itd__operands_of(net, i, from + k, step, backward);
        if (backward) operation->backward(&o);
        else operation->forward(&o);
    }
}

static void itd__forward_slice(itd_net *net, const float *z, const float *logsnr, size_t from, size_t n,
                               float *out)
{
    const itd__layer *row = net->layer;
    size_t size = n * net->dim * sizeof *z;
    memcpy(itd__output(&net->value, &row[0], from), z + from * net->dim, size);
    memcpy(itd__output(&net->value, &row[1], from), logsnr + from, n * sizeof *logsnr);
    for (size_t i = 2; i < net->layers; i++) itd__run(net, i, from, n, false);
    memcpy(out + from * net->dim, itd__output(&net->value, &row[net->layers - 1], from), size);
}

/* Does backward have to pass through this row: to parameters, or to the input? */
static bool itd__leads_back(const itd_net *net, size_t i, bool to_input)
{
    const size_t *input = net->layer[i].input;
    return itd__operations[net->layer[i].kind].backward &&
           (net->layer[input[0]].trains || net->layer[input[1]].trains || to_input);
}

/* The gradients of the rows of the table, down to the first parameters or, if dz is wanted, to the input. The
   last reader of a row is the first that adds to its gradient. */
static void itd__backward_slice(itd_net *net, const float *dout, size_t from, size_t n, float *dz)
{
    size_t size = n * net->dim * sizeof *dout;
    memcpy(itd__output(&net->gradient, &net->layer[net->layers - 1], from), dout + from * net->dim, size);
    for (size_t i = net->layers; i-- > 0;) {
        if (!itd__leads_back(net, i, dz != NULL)) continue;
        for (size_t k = 0; k < 2; k++) {
            const itd__layer *input = &net->layer[net->layer[i].input[k]];
            if (input->reader == i)
                memset(itd__output(&net->gradient, input, from), 0, n * input->width * sizeof *dout);
        }
        itd__run(net, i, from, n, true);
    }
    if (dz) memcpy(dz + from * net->dim, itd__output(&net->gradient, &net->layer[0], from), size);
}

/* Space for so many numbers, where there is none yet. */
static bool itd__slab(float **slab, size_t size)
{
    if (!*slab) *slab = itd__floats(size, 1);
    return *slab != NULL;
}

/* Grows a buffer of rows; what it held is of no use afterwards. */
static itd_result itd__reserve(float **buffer, size_t *capacity, size_t rows, size_t width)
{
    if (rows <= *capacity) return ITD_OK;
    float *grown = itd__floats(rows, width);
    if (!grown) return ITD_ERROR_MEMORY;
    ITD_FREE(*buffer);
    *buffer = grown;
    *capacity = rows;
    return ITD_OK;
}

/* Memory for n samples, and the transformed weights of all convolutions unless they are there. */
static itd_result itd__forward_begin(itd_net *net, size_t n)
{
    const float *w = itd__weights(net);
    ptrdiff_t i, layers = (ptrdiff_t)net->layers;
    ITD__TRY(itd__reserve(&net->value.floats, &net->value.capacity, n, net->width));
    ITD__TRY(itd__reserve(&net->work.floats, &net->work_threads, itd__threads(), net->work.each));
    if (net->taps_size == 0 || (net->taps_of == w && !net->shared)) return ITD_OK;
    if (!itd__slab(&net->taps, net->taps_size)) return ITD_ERROR_MEMORY;
    ITD__PARALLEL(layers > 1)
    for (i = 0; i < layers; i++) {
        const itd__layer *row = &net->layer[i];
        if (row->winograd) itd__taps_forward(&row->conv, w + row->weight, net->taps + row->taps);
    }
    net->taps_of = w;
    return ITD_OK;
}

/* The same for backward, with the weights of the rows that it has to pass through. */
static itd_result itd__backward_begin(itd_net *net, size_t n, bool to_input)
{
    const float *w = itd__weights(net);
    ptrdiff_t i, layers = (ptrdiff_t)net->layers;
    ITD_ASSERT(n <= net->value.capacity);
    ITD__TRY(itd__reserve(&net->gradient.floats, &net->gradient.capacity, n, net->width));
    ITD__TRY(itd__reserve(&net->work.floats, &net->work_threads, itd__threads(), net->work.each));
    if (!itd__slab(&net->g, net->parameters) || !itd__slab(&net->back, net->back_size) ||
        !itd__slab(&net->dtaps, net->taps_size))
        return ITD_ERROR_MEMORY;
    ITD__PARALLEL(net->unet.levels > 0)
    for (i = 0; i < layers; i++) {
        const itd__layer *row = &net->layer[i];
        if (!row->weights || !itd__leads_back(net, (size_t)i, to_input)) continue;
        if (row->winograd) itd__taps_backward(&row->conv, net->taps + row->taps, net->back + row->back);
        else itd__transpose(w + row->weight, row->weights / row->c, row->c, net->back + row->back);
    }
    return ITD_OK;
}

ITD_DEF itd_result itd_net_forward(itd_net *net, const float *z, const float *logsnr, size_t n, float *out)
{
    ptrdiff_t k, slices = (ptrdiff_t)itd__ceil_div(n, net->slice);
    ITD__TRY(itd__forward_begin(net, n));
    ITD__PARALLEL(slices > 1)
    for (k = 0; k < slices; k++) {
        size_t from = (size_t)k * net->slice;
        itd__forward_slice(net, z, logsnr, from, itd__min(n - from, net->slice), out);
    }
    return ITD_OK;
}

/* The gradient by the weights of row i for one unit of work: some inputs from x[k], at most ITD__PIECE. All
   units of a row but the last are alike; a normalization is one. */
static void itd__gradient_piece(const itd_net *net, size_t n, size_t i, size_t k, size_t piece)
{
    const itd__layer *row = &net->layer[i];
    size_t inputs = row->kind == ITD__NORM ? 1 - k : row->in[k];
    size_t even = itd__ceil_div(inputs, itd__max(1, itd__ceil_div(inputs, ITD__PIECE)));
    size_t count = itd__ceil_div(even, 4) * 4, at = piece * count; /* whole blocks of rows */
    if (row->weights == 0 || at >= inputs) return;
    itd__operands o = itd__operands_of(net, i, 0, n, true);
    itd__operations[row->kind].gradient(&o, at + (k ? row->in[0] : 0), itd__min(count, inputs - at));
}

/* Adds to the gradients of the parameters. Of a batch in several passes the sums go on from pass to pass, as
   do those by transformed weights, until itd__finish_gradients. */
static itd_result itd__net_backward(itd_net *net, const float *dout, size_t n, float *dz)
{
    size_t each = itd__ceil_div(net->max_inputs, ITD__PIECE);
    ptrdiff_t k, slices = (ptrdiff_t)itd__ceil_div(n, net->slice), end = (ptrdiff_t)(2 * each * net->layers);
    ITD__TRY(itd__backward_begin(net, n, dz != NULL));
    ITD__PARALLEL(slices > 1)
    for (k = 0; k < slices; k++) {
        size_t from = (size_t)k * net->slice;
        itd__backward_slice(net, dout, from, itd__min(n - from, net->slice), dz);
    }
    ITD__PARALLEL(slices > 1)
    for (k = 0; k < end; k++) {
        size_t input = (size_t)k / each;
        itd__gradient_piece(net, n, input / 2, input % 2, (size_t)k % each);
    }
    return ITD_OK;
}

/* The gradients of a batch begin at zero ... */
static void itd__clear_gradients(itd_net *net)
{
    memset(net->g, 0, net->parameters * sizeof *net->g);
    if (net->dtaps) memset(net->dtaps, 0, net->taps_size * sizeof *net->dtaps);
}

/* ... and end with those of convolutions, once for all passes. */
static void itd__finish_gradients(itd_net *net)
{
    ptrdiff_t i, layers = net->dtaps ? (ptrdiff_t)net->layers : 0;
    ITD__PARALLEL(net->taps_size > 0)
    for (i = 0; i < layers; i++) {
        const itd__layer *row = &net->layer[i];
        if (row->winograd) itd__taps_gradient(&row->conv, net->dtaps + row->taps, net->g + row->weight);
    }
}

ITD_DEF itd_result itd_net_backward(itd_net *net, const float *dout, size_t n, float *dz)
{
    ITD__TRY(itd__net_backward(net, dout, n, dz));
    itd__finish_gradients(net);
    return ITD_OK;
}

/* ---- what the model asks of it ---- */

static size_t itd__net_dim(const itd_net *net) { return net->dim; }
static size_t itd__slice(const itd_net *net) { return net->slice; }
static void itd__use_average(itd_net *net, bool use) { net->use_ema = use && net->ema; }

/* At most 1,024, and values of at most 256 MB, but at least a slice for each thread. Below 1,024 a multiple
   of that, so that no thread waits for another. */
static size_t itd__rows_of_pass(const itd_net *net)
{
    size_t turn = net->slice * itd__threads(), rows = ((size_t)1 << 26) / net->width / turn * turn;
    return itd__max(turn, itd__min(1024, rows));
}

/* ---- what the trainer asks of it ---- */

static void itd__drop(float **slab) { ITD_FREE(*slab), *slab = NULL; }

static itd_result itd__begin_training(itd_net *net, bool average)
{
    bool fresh = !net->ema;
    size_t n = net->parameters;
    if (!itd__slab(&net->g, n) || !itd__slab(&net->m, n) || !itd__slab(&net->v, n) ||
        (average && !itd__slab(&net->ema, n)))
        return ITD_ERROR_MEMORY;
    if (average && fresh) memcpy(net->ema, net->w, n * sizeof *net->w);
    if (!average) itd__drop(&net->ema);    /* the denoiser would go on using an earlier training's */
    memset(net->m, 0, n * sizeof *net->m); /* an earlier training's do not count */
    memset(net->v, 0, n * sizeof *net->v);
    net->taps_of = NULL;
    return ITD_OK;
}

static void itd__end_training(itd_net *net)
{
    itd__drop(&net->g), itd__drop(&net->m), itd__drop(&net->v), itd__drop(&net->gradient.floats);
    itd__drop(&net->back), itd__drop(&net->dtaps), itd__drop(&net->work.floats);
    net->gradient.capacity = net->work_threads = 0;
}

static double itd__gradient_norm(const itd_net *net)
{
    return sqrt(itd__fast()->sum_squares(net->g, net->parameters));
}

enum { ITD__CHUNK = 1 << 14 }; /* parameters a thread takes at a time */

/* Adam (Kingma & Ba 2015) with decoupled weight decay (Loshchilov & Hutter 2019) and the moving average of
   the weights, in one pass. The average starts fast, as (1 + t) / (10 + t), so that it forgets the start. */
static void itd__adam(itd_net *net, const itd_trainer_desc *d, uint64_t step, double lr, double clip)
{
    double t = (double)(step + 1);
    itd__adam_constants c;
    ptrdiff_t k, chunks = (ptrdiff_t)itd__ceil_div(net->parameters, ITD__CHUNK);
    c.beta1 = (float)d->beta1, c.beta2 = (float)d->beta2, c.epsilon = (float)d->epsilon;
    c.rest1 = (float)(1 - d->beta1), c.rest2 = (float)(1 - d->beta2), c.clip = (float)clip;
    c.rate = (float)(lr / (1 - pow(d->beta1, t)));
    c.correction = (float)(1 / (1 - pow(d->beta2, t)));
    c.decay = (float)(lr * d->weight_decay);
    c.keep = (float)fmin(d->ema, (1 + t) / (10 + t));
    c.keep_rest = (float)fmax(1 - d->ema, 9 / (10 + t));
    net->taps_of = NULL;
    ITD__PARALLEL(chunks > 1)
    for (k = 0; k < chunks; k++) {
        size_t at = (size_t)k * ITD__CHUNK, n = itd__min(net->parameters - at, ITD__CHUNK);
        itd__fast()->adam(&c, n, net->g + at, net->m + at, net->v + at, net->w + at,
                          net->ema ? net->ema + at : NULL);
    }
}

/* >>portability --------------------------------------------------------------------------------------------

   Errors, memory, threads: what depends on compiler and system, and the helpers that all chapters share.
   Needs ITD_MALLOC and, for threads, OpenMP. */

#if defined(_OPENMP)
#include <omp.h>
#endif

#if defined(__GNUC__) || defined(_MSC_VER)
#define ITD__RESTRICT __restrict
#elif defined(__cplusplus)
#define ITD__RESTRICT
#else
#define ITD__RESTRICT restrict
#endif

#define ITD_RESULT_TEXT(name, text) text,
ITD_DEF const char *itd_result_string(itd_result result)
{
    static const char *const texts[] = {ITD_RESULTS(ITD_RESULT_TEXT)};
    return (size_t)result < ITD_RESULT_COUNT ? texts[result] : "unknown result";
}
#undef ITD_RESULT_TEXT

static bool itd__multiply(size_t a, size_t b, size_t *out)
{
    if (b && a > SIZE_MAX / b) return false;
    *out = a * b;
    return true;
}

/* Zeroed, so that no run can depend on what the memory held before. */
static void *itd__alloc(size_t rows, size_t columns, size_t size)
{
    size_t count, bytes;
    if (!itd__multiply(rows, columns, &count) || !itd__multiply(count, size, &bytes)) return NULL;
    bytes += bytes == 0; /* malloc(0) may return NULL, which would look like a failure */
#ifdef ITD__ZEROED
    return ITD__ZEROED(bytes);
#else
    void *p = ITD_MALLOC(bytes);
    if (p) memset(p, 0, bytes);
    return p;
#endif
}

static float *itd__floats(size_t n, size_t d) { return (float *)itd__alloc(n, d, sizeof(float)); }
static double *itd__doubles(size_t n, size_t d) { return (double *)itd__alloc(n, d, sizeof(double)); }

/* Threads among which a loop can be divided, and which of them the calling one is. */
#if defined(_OPENMP)
static size_t itd__threads(void) { return omp_in_parallel() ? 1 : (size_t)omp_get_max_threads(); }
static size_t itd__thread(void) { return (size_t)omp_get_thread_num(); }
#else
static size_t itd__threads(void) { return 1; }
static size_t itd__thread(void) { return 0; }
#endif

/* Threads for so many multiplications: fewer than 6 million, 0.2 ms with AVX2, are not divided. Two threads
   save half of that at most. The parallel region costs 3 us, but each thread then reads what others left in
   their caches, and on a busy machine one waits for the other. */
static size_t itd__useful_threads(double multiplications)
{
    return multiplications < 6e6 ? 1 : itd__threads();
}

static itd__scratch itd__new_scratch(void)
{
    itd__scratch work = {itd__floats(itd__threads(), ITD__WORK), ITD__WORK};
    return work;
}

static itd__scratch itd__own(itd__scratch work)
{
    work.floats += itd__thread() * work.each;
    return work;
}

static bool itd__finite(float x) { return fabsf(x) <= FLT_MAX; }

static bool itd__all_finite(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!itd__finite(x[i])) return false;
    return true;
}

/* >>rng ----------------------------------------------------------------------------------------------------

   Philox4x32-10 turns (key, counter) into 128 random bits by ten rounds of multiply and mix. There is no
   state to carry along, so any thread can compute the k-th number of a stream, in any order. Normal numbers
   in bulk need the kernel `polar`. */

ITD_DEF void itd_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u; /* the golden ratio, and sqrt(3) - 1: Weyl sequences for the round keys */
        k1 += 0xBB67AE85u;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

/* The next 128 bits of a stream: the seed is the key, counter and stream are the halves of the counter. */
static void itd__rng_block(itd_rng *rng, uint64_t out[2])
{
    const uint64_t n = rng->counter++, stream = rng->stream, seed = rng->seed;
    const uint32_t counter[4] = {(uint32_t)n, (uint32_t)(n >> 32), (uint32_t)stream,
                                 (uint32_t)(stream >> 32)};
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t r[4];
    itd_philox(counter, key, r);
    for (size_t k = 0; k < 2; k++) out[k] = (uint64_t)r[2 * k] << 32 | r[2 * k + 1];
}

ITD_DEF itd_rng itd_rng_make(uint64_t seed, uint64_t stream)
{
    const itd_rng rng = {seed, stream, 0};
    return rng;
}

static itd_rng itd__rng_for(uint64_t seed, itd__purpose purpose, uint64_t index)
{
    return itd_rng_make(seed, ((uint64_t)purpose << 56) ^ index);
}

/* 53 of the 64 bits, moved to the middle of their interval: never 0, and 1 only by rounding, once in 2^53. */
static double itd__unit(uint64_t bits) { return ((double)(bits >> 11) + 0.5) * (1.0 / 9007199254740992.0); }

ITD_DEF double itd_rng_uniform(itd_rng *rng)
{
    uint64_t r[2];
    itd__rng_block(rng, r);
    return itd__unit(r[0]);
}

/* Box-Muller: a radius from one uniform, an angle from another. */
ITD_DEF double itd_rng_normal(itd_rng *rng)
{
    uint64_t r[2];
    itd__rng_block(rng, r);
    return sqrt(-2 * log(itd__unit(r[0]))) * cos(2 * ITD__PI * itd__unit(r[1]));
}

/* Uniform below the largest multiple of n that is at most 2^64, larger numbers being rejected; then mod n. */
ITD_DEF uint64_t itd_rng_below(itd_rng *rng, uint64_t n)
{
    uint64_t r[2];
    ITD_ASSERT(n > 0);
    uint64_t limit = UINT64_MAX - (UINT64_MAX % n + 1) % n;
    do itd__rng_block(rng, r);
    while (r[0] > limit);
    return r[0] % n;
}

/* Fisher-Yates. */
ITD_DEF void itd_rng_shuffle(itd_rng *rng, size_t n, size_t *index)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)itd_rng_below(rng, i), t = index[i - 1];
        index[i - 1] = index[j];
        index[j] = t;
    }
}

/* Each block of the generator gives two radii and two angles, so four variates. */
ITD_DEF void itd_rng_normal_fill(itd_rng *rng, size_t n, float *out)
{
    float u[64], angle[64], a[64], b[64];
    while (n > 0) {
        size_t now = itd__min(n, 128), pairs = itd__ceil_div(now, 4) * 2;
        for (size_t i = 0; i < pairs; i += 2) {
            uint64_t r[2];
            itd__rng_block(rng, r);
            for (size_t k = 0; k < 2; k++) {
                u[i + k] = ((float)(r[k] >> 32) + 0.5f) * 2.32830644e-10f;      /* 2^-32 */
                angle[i + k] = (float)(int32_t)(uint32_t)r[k] * 1.46291808e-9f; /* 2^-31 pi */
            }
        }
        itd__fast()->polar(u, angle, pairs, a, b);
        for (size_t i = 0; i < now; i++) out[i] = i % 2 ? b[i / 2] : a[i / 2];
        out += now, n -= now;
    }
}

/* >>kernels ------------------------------------------------------------------------------------------------

   Everything that costs time: the functions of the table ITD__KERNELS in >>interface, written once in vectors
   of ITD__W floats. This file includes itself to compile that text again for each instruction set, a pass
   each, and the best one the processor has is selected at run time. In the first pass, "plain", a vector is
   one float and exp, log, sin and cos are libm's, which any compiler understands; its matrix product is a
   plain loop, the reference implementation of the fast one. Needs itd__scratch and itd__threads.

   Nearly all of the arithmetic is in the product C = A B, built as by Goto & van de Geijn (2008):

             panel of B, k by 2 vectors: first-level cache
                 +--+--+--+--+
                 |  |  |  |  |     strip of B: packed panel by panel, so that it is read in order
                 +--+--+--+--+
         +---+   +--+--+--+--+
         +---+   |##|  |  |  |     ##: a block of C, held in registers while k runs
         |   |   |  |  |  |  |
         +---+   +--+--+--+--+
         rows of A, a block of them copied: second-level cache

   Small products, whose B stays in the second-level cache, are computed in place. Each number of C is one sum
   in the order of k, which goes on from what C holds, so no result depends on how the work is divided.

   >>ops says how to add an activation. To add an instruction set: 1. its name in itd_simd, after those it is
   better than; 2. a pass at the end of this chapter, with its width and target; 3. in itd__kernels_of, the
   question whether the processor has it; 4. in itd_simd_use, where the search for the best begins. */

/* ---- the reference implementation of the product ---- */

/* c += x0 b0 + ... + x3 b3 from left to right, in a loop that any compiler can vectorize. */
static void itd__add_four_rows(const float *x, size_t step, const float *ITD__RESTRICT b, size_t rb, size_t n,
                               float *ITD__RESTRICT c)
{
    const float x0 = x[0], x1 = x[step], x2 = x[2 * step], x3 = x[3 * step];
    const float *b1 = b + rb, *b2 = b1 + rb, *b3 = b2 + rb;
    for (size_t j = 0; j < n; j++) c[j] = c[j] + x0 * b[j] + x1 * b1[j] + x2 * b2[j] + x3 * b3[j];
}

static void itd__add_row(float x, const float *ITD__RESTRICT b, size_t n, float *ITD__RESTRICT c)
{
    for (size_t j = 0; j < n; j++) c[j] += x * b[j];
}

static void itd__gemm_plain(const itd__product *p)
{
    size_t columns, depth;
    for (size_t j = 0; j < p->n; j += columns) {
        columns = itd__min(p->n - j, ITD__ACROSS);
        for (size_t i = 0; i < p->m && !p->add; i++) memset(p->c + i * p->rc + j, 0, columns * sizeof *p->c);
        for (size_t from = 0; from < p->k; from += depth) {
            depth = itd__min(p->k - from, ITD__DEPTH);
            const float *b = p->b + from * p->rb + j * p->cb;
            size_t rb = p->cb == 1 ? p->rb : columns;
            for (size_t k = 0; k < depth && p->cb != 1; k++) /* rows of B are made contiguous */
                for (size_t q = 0; q < columns; q++) p->work.floats[k * rb + q] = b[k * p->rb + q * p->cb];
            if (p->cb != 1) b = p->work.floats;
            for (size_t i = 0; i < p->m; i++) {
                const float *a = p->a + i * p->ra + from * p->ca;
                float *c = p->c + i * p->rc + j;
                size_t k = 0;
                for (; k + 4 <= depth; k += 4)
                    itd__add_four_rows(a + k * p->ca, p->ca, b + k * rb, rb, columns, c);
                for (; k < depth; k++) itd__add_row(a[k * p->ca], b + k * rb, columns, c);
            }
        }
    }
}

/* ---- the instruction sets ---- */

#if !defined(ITD_NO_SIMD) && (defined(__clang__) || (defined(__GNUC__) && __GNUC__ >= 9)) &&                 \
    !defined(__TINYC__) && FLT_EVAL_METHOD < 1 /* floats are not computed as doubles */
#define ITD__VECTORS 1
#endif
#if defined(ITD__VECTORS) && (defined(__x86_64__) || (defined(__i386__) && defined(__SSE2__)))
#define ITD__X86 1
#endif

#ifdef __GNUC__
__attribute__((noinline)) /* it has many callers, each for a case that is rare */
#endif
static void
itd__copy_rows(const float *x, size_t rx, size_t rows, size_t columns, float *y, size_t ry)
{
    for (size_t r = 0; r < rows; r++) memcpy(y + r * ry, x + r * rx, columns * sizeof *y);
}

/* Each pass defines ITD__W, the floats in a vector; ITD__ISA, the suffix of its names, which ITD__K appends;
   ITD__TARGET, the attribute of functions that selects the instruction set. */
#define ITD__QUOTE(name) #name
#define ITD__QUOTE_EXPANDED(name) ITD__QUOTE(name)
#define ITD__PASTE(name, isa) itd__##name##_##isa
#define ITD__PASTE_EXPANDED(name, isa) ITD__PASTE(name, isa)
#define ITD__K(name) ITD__PASTE_EXPANDED(name, ITD__ISA)
#define ITD__V ITD__K(v)                  /* a vector */
#define ITD__VU ITD__K(vu)                /* one anywhere in memory */
#define ITD__VI ITD__K(vi)                /* of integers; the outcome of a comparison */
#define ITD__ROWS (ITD__W == 16 ? 12 : 6) /* of a block: with two vectors of B they fill the registers */
#define ITD__KERNEL static ITD__TARGET
#ifdef __GNUC__
#define ITD__INLINE static inline ITD__TARGET __attribute__((always_inline))
#else
#define ITD__INLINE static inline
#endif

/* A loop of constant length that is fully unrolled, so that the arrays it indexes become registers. */
#ifdef __clang__
#define ITD__EACH(i, n) _Pragma("clang loop unroll(full)") for (size_t i = 0; i < (n); i++)
#elif defined(__GNUC__) && __GNUC__ >= 8 && !defined(__TINYC__)
#define ITD__EACH(i, n) _Pragma("GCC unroll 16") for (size_t i = 0; i < (n); i++)
#else
#define ITD__EACH(i, n) for (size_t i = 0; i < (n); i++)
#endif

#ifndef ITDIFF_FILE
#define ITDIFF_FILE "itdiff.h"
#endif

/* The rest of the file, which the passes skip, knows by this that it is not part of one. */
#define ITD__AFTER_KERNELS 1
#endif /* ITDIFF_IMPLEMENTATION, up to the kernels */

#ifdef ITD__W /* a pass */

#if ITD__W == 1 /* plain C */

typedef float ITD__V, ITD__VU;
typedef int ITD__VI;

ITD__INLINE ITD__V ITD__K(load)(const float *x, size_t left) { return (void)left, *x; }
ITD__INLINE void ITD__K(store)(ITD__V v, size_t left, float *y) { (void)left, *y = v; }
ITD__INLINE ITD__V ITD__K(select)(ITD__VI mask, ITD__V a, ITD__V b) { return mask ? a : b; }
ITD__INLINE ITD__V ITD__K(splat)(float x) { return x; }
ITD__INLINE ITD__V ITD__K(sqrt)(ITD__V x) { return sqrtf(x); }
ITD__INLINE ITD__V ITD__K(exp_v)(ITD__V x) { return expf(x); }
ITD__INLINE ITD__V ITD__K(log_v)(ITD__V x) { return logf(x); }
ITD__INLINE ITD__VI ITD__K(outside)(ITD__V x) { return (void)x, 0; }
ITD__INLINE bool ITD__K(any)(ITD__VI mask) { return mask != 0; }
ITD__INLINE void ITD__K(sin_cos_v)(ITD__V x, ITD__V *s, ITD__V *c) { *s = sinf(x), *c = cosf(x); }

#else

typedef float ITD__V __attribute__((vector_size(4 * ITD__W)));
typedef float ITD__VU __attribute__((vector_size(4 * ITD__W), aligned(4), may_alias));
typedef int32_t ITD__VI __attribute__((vector_size(4 * ITD__W)));

/* The next vector of an array of which `left` floats remain; what is missing reads as zero. */
ITD__INLINE ITD__V ITD__K(load)(const float *x, size_t left)
{
    ITD__V v = {0};
    if (left >= ITD__W) return *(const ITD__VU *)x;
    memcpy(&v, x, left * sizeof *x);
    return v;
}

ITD__INLINE void ITD__K(store)(ITD__V v, size_t left, float *y)
{
    if (left >= ITD__W) *(ITD__VU *)y = v;
    else memcpy(y, &v, left * sizeof *y);
}

ITD__INLINE ITD__V ITD__K(splat)(float x)
{
    ITD__V zero = {0};
    return x - zero;
}

/* mask ? a : b, lane by lane; comparisons yield all ones or all zeros. */
ITD__INLINE ITD__V ITD__K(select)(ITD__VI mask, ITD__V a, ITD__V b)
{
    return (ITD__V)((mask & (ITD__VI)a) | (~mask & (ITD__VI)b));
}

/* The one operation the vector extensions lack. */
ITD__INLINE ITD__V ITD__K(sqrt)(ITD__V x)
{
#if defined(ITD__X86) && ITD__W > 4
    __asm__("vsqrtps {%1, %0|%0, %1}" : "=v"(x) : "v"(x));
#elif defined(ITD__X86)
    __asm__("sqrtps {%1, %0|%0, %1}" : "=x"(x) : "x"(x));
#elif defined(__aarch64__)
    __asm__("fsqrt %0.4s, %1.4s" : "=w"(x) : "w"(x));
#else
    for (size_t i = 0; i < ITD__W; i++) x[i] = sqrtf(x[i]);
#endif
    return x;
}

/* Rounds to the nearest integer, |x| < 2^22: added to 1.5 * 2^23, a float has no bits for a fraction. */
ITD__INLINE ITD__V ITD__K(round)(ITD__V x) { return (x + 12582912.0f) - 12582912.0f; }

/* exp(x) = 2^n exp(r), r = x - n log 2 in two parts, |r| <= log(2)/2, exp(r) by a polynomial (Cephes). 2^n is
   applied in halves, so that results below the normal range round once. */
ITD__INLINE ITD__V ITD__K(exp_v)(ITD__V x)
{
    ITD__V clamped = ITD__K(select)(x > 89.0f, ITD__K(splat)(89.0f), x), n, r, p;
    ITD__VI k, half;
    clamped = ITD__K(select)(clamped < -104.0f, ITD__K(splat)(-104.0f), clamped);
    clamped = ITD__K(select)(x == x, clamped, ITD__K(splat)(0.0f));
    n = ITD__K(round)(clamped * 1.44269504f);
    r = clamped - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;
    p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    k = __builtin_convertvector(n, ITD__VI);
    half = k >> 1;
    p = p * (ITD__V)((half + 127) << 23) * (ITD__V)((k - half + 127) << 23);
    return ITD__K(select)(x == x, p, x);
}

/* log(x) = n log 2 + log(m), m in [sqrt(1/2), sqrt(2)), by a polynomial in m - 1 (Cephes). */
ITD__INLINE ITD__V ITD__K(log_v)(ITD__V x)
{
    ITD__VI tiny = x < 1.17549435e-38f, below, k;
    ITD__V scaled = ITD__K(select)(tiny, x * 8388608.0f, x), m, n, p, z;
    k = (ITD__VI)scaled;
    m = (ITD__V)((k & 0x007fffff) | 0x3f000000); /* in [1/2, 1) */
    k = (k >> 23) - 126 - (tiny & 23);
    below = m < 0.707106781f;
    m = ITD__K(select)(below, m + m, m) - 1.0f;
    n = __builtin_convertvector(k + below, ITD__V);
    z = m * m;
    p = m * 7.0376836292e-2f - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    p = p * m * z;
    p = p + n * -2.12194440e-4f - 0.5f * z;
    p = m + p + n * 0.693359375f;
    p = ITD__K(select)(x == HUGE_VALF, x, p);
    p = ITD__K(select)(x == 0.0f, ITD__K(splat)(-HUGE_VALF), p);
    return ITD__K(select)(x >= 0.0f, p, ITD__K(splat)(NAN));
}

/* Sine and cosine for |x| <= 1e4: x minus the nearest multiple q of pi/2, which is subtracted in parts: the
   first two are short enough to be exact, and what the third rounds away comes back with the fourth. Then a
   polynomial for each (Cephes), exchanged and negated by the quadrant. */
ITD__INLINE void ITD__K(sin_cos_v)(ITD__V x, ITD__V *sine, ITD__V *cosine)
{
    ITD__V q = ITD__K(round)(x * 0.636619772f), rest, r, z, s, c;
    ITD__VI quadrant = __builtin_convertvector(q, ITD__VI), odd = (quadrant & 1) != 0;
    rest = x - q * 1.5703125f - q * 4.837512969970703e-4f; /* exact */
    r = rest - q * 7.549533620476723e-8f;
    r = r + (rest - r - q * 7.549533620476723e-8f - q * 2.56334407e-12f);
    z = r * r;
    s = ((z * -1.9515295891e-4f + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * r + r;
    c = ((z * 2.443315711809948e-5f - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * (z * z) -
        0.5f * z + 1.0f;
    *sine = (ITD__V)((ITD__VI)ITD__K(select)(odd, c, s) ^ ((quadrant & 2) << 30));
    *cosine = (ITD__V)((ITD__VI)ITD__K(select)(odd, s, c) ^ (((quadrant + 1) & 2) << 30));
}

/* Outside that range, or not a number? */
ITD__INLINE ITD__VI ITD__K(outside)(ITD__V x) { return ~(x * x <= 1e8f); }

ITD__INLINE bool ITD__K(any)(ITD__VI mask)
{
    int32_t any = 0;
    for (size_t i = 0; i < ITD__W; i++) any |= mask[i];
    return any != 0;
}

#endif /* ITD__W == 1 */

/* ---- element by element ---- */

ITD__INLINE ITD__V ITD__K(relu_v)(ITD__V x) { return ITD__K(select)(x > 0.0f, x, ITD__K(splat)(0.0f)); }

ITD__INLINE ITD__V ITD__K(relu_backward_v)(ITD__V dy, ITD__V x)
{
    return ITD__K(select)(x > 0.0f, dy, ITD__K(splat)(0.0f));
}

ITD__INLINE ITD__V ITD__K(silu_v)(ITD__V x) { return x / (1.0f + ITD__K(exp_v)(-x)); }

ITD__INLINE ITD__V ITD__K(silu_backward_v)(ITD__V dy, ITD__V x)
{
    ITD__V s = 1.0f / (1.0f + ITD__K(exp_v)(-x));
    return dy * s * (1.0f + x * (1.0f - s));
}

/* y = f(x) and dx += dy f'(x) for arrays, from the functions of one vector. */
#define ITD__MAP(f)                                                                                          \
    ITD__KERNEL void ITD__K(f)(const float *x, size_t n, float *y)                                           \
    {                                                                                                        \
        for (size_t i = 0; i < n; i += ITD__W)                                                               \
            ITD__K(store)(ITD__K(f##_v)(ITD__K(load)(x + i, n - i)), n - i, y + i);                          \
    }
#define ITD__MAP_BACKWARD(f)                                                                                 \
    ITD__KERNEL void ITD__K(f##_backward)(const float *dy, const float *x, size_t n, float *dx)              \
    {                                                                                                        \
        for (size_t i = 0; i < n; i += ITD__W) {                                                             \
            ITD__V d = ITD__K(load)(dy + i, n - i), v = ITD__K(load)(x + i, n - i);                          \
            ITD__V sum = ITD__K(load)(dx + i, n - i);                                                        \
            ITD__K(store)(sum + ITD__K(f##_backward_v)(d, v), n - i, dx + i);                                \
        }                                                                                                    \
    }

ITD__MAP(exp)
ITD__MAP(log)
ITD__MAP(relu)
ITD__MAP(silu)
ITD__MAP_BACKWARD(relu)
ITD__MAP_BACKWARD(silu)

/* A vector with a phase outside the range of sin_cos_v is computed by libm, element by element. */
ITD__KERNEL void ITD__K(embed)(float x, const float *frequency, size_t half, float *y)
{
    ITD__VI outside = {0};
    for (size_t k = 0; k < half; k += ITD__W)
        outside |= ITD__K(outside)(x * ITD__K(load)(frequency + k, half - k));
    bool check = ITD__K(any)(outside);
    for (size_t k = 0; k < half; k += ITD__W) {
        ITD__V phase = x * ITD__K(load)(frequency + k, half - k), s, c;
        ITD__K(sin_cos_v)(phase, &s, &c);
        ITD__K(store)(s, half - k, y + k);
        ITD__K(store)(c, half - k, y + half + k);
        if (check && ITD__K(any)(ITD__K(outside)(phase)))
            for (size_t i = k; i < itd__min(k + ITD__W, half); i++)
                y[i] = sinf(x * frequency[i]), y[half + i] = cosf(x * frequency[i]);
    }
}

ITD__KERNEL void ITD__K(polar)(const float *u, const float *angle, size_t n, float *a, float *b)
{
    for (size_t i = 0; i < n; i += ITD__W) {
        ITD__V radius = ITD__K(sqrt)(-2.0f * ITD__K(log_v)(ITD__K(load)(u + i, n - i))), s, c;
        ITD__K(sin_cos_v)(ITD__K(load)(angle + i, n - i), &s, &c);
        ITD__K(store)(radius * c, n - i, a + i);
        ITD__K(store)(radius * s, n - i, b + i);
    }
}

/* Lanes are summed in single precision over 64 vectors at a time, then in double precision. */
ITD__KERNEL double ITD__K(sum_squares)(const float *x, size_t n)
{
    double sum = 0;
    for (size_t from = 0; from < n; from += 64 * ITD__W) {
        size_t end = itd__min(n, from + 64 * ITD__W);
        ITD__V lanes = {0};
        float lane[ITD__W];
        for (size_t i = from; i < end; i += ITD__W) {
            ITD__V v = ITD__K(load)(x + i, end - i);
            lanes += v * v;
        }
        ITD__K(store)(lanes, ITD__W, lane);
        for (size_t k = 0; k < ITD__W; k++) sum += (double)lane[k];
    }
    return sum;
}

ITD__KERNEL void ITD__K(add)(const float *a, const float *b, size_t n, float *y)
{
    for (size_t i = 0; i < n; i += ITD__W)
        ITD__K(store)(ITD__K(load)(a + i, n - i) + ITD__K(load)(b + i, n - i), n - i, y + i);
}

ITD__KERNEL void ITD__K(column_sums)(const float *x, size_t stride, const float *mean, size_t n,
                                     size_t columns, float *sum)
{
    for (size_t j = 0; j < columns; j += ITD__W) {
        const size_t left = columns - j, sums = mean ? 0 : n;
        ITD__V total = ITD__K(load)(sum + j, left), m = ITD__K(load)(mean ? mean + j : sum + j, left);
        for (size_t i = 0; i < sums; i++) total += ITD__K(load)(x + i * stride + j, left);
        for (size_t i = sums; i < n; i++) {
            ITD__V d = ITD__K(load)(x + i * stride + j, left) - m;
            total += d * d;
        }
        ITD__K(store)(total, left, sum + j);
    }
}

ITD__KERNEL void ITD__K(affine)(const float *x, const float *scale, const float *shift, size_t n,
                                size_t columns, bool silu, float *y, size_t stride)
{
    for (size_t i = 0; i < n; i++, x += columns, y += stride)
        for (size_t j = 0; j < columns; j += ITD__W) {
            size_t left = columns - j;
            ITD__V u = ITD__K(load)(scale + j, left) * ITD__K(load)(x + j, left);
            u += ITD__K(load)(shift + j, left);
            if (silu) u = ITD__K(silu_v)(u);
            ITD__K(store)(u, left, y + j);
        }
}

ITD__KERNEL void ITD__K(affine_backward)(float *dy, size_t stride, const float *x, const float *scale,
                                         const float *shift, size_t n, size_t columns, bool silu, float *sum,
                                         float *sum_x)
{
    for (size_t i = 0; i < n; i++, x += columns, dy += stride)
        for (size_t j = 0; j < columns; j += ITD__W) {
            size_t left = columns - j;
            ITD__V d = ITD__K(load)(dy + j, left), in = ITD__K(load)(x + j, left);
            if (silu) {
                ITD__V u = ITD__K(load)(scale + j, left) * in + ITD__K(load)(shift + j, left);
                d = ITD__K(silu_backward_v)(d, u);
                ITD__K(store)(d, left, dy + j);
            }
            ITD__K(store)(ITD__K(load)(sum + j, left) + d, left, sum + j);
            ITD__K(store)(ITD__K(load)(sum_x + j, left) + d * in, left, sum_x + j);
        }
}

ITD__KERNEL void ITD__K(combine)(const float *x, size_t stride, const float *y, const float *const factor[3],
                                 size_t n, size_t columns, float *sum)
{
    for (size_t i = 0; i < n; i++, x += stride, y += columns, sum += columns)
        for (size_t j = 0; j < columns; j += ITD__W) {
            size_t left = columns - j;
            ITD__V v = ITD__K(load)(factor[0] + j, left) * ITD__K(load)(x + j, left) +
                       ITD__K(load)(factor[1] + j, left) * ITD__K(load)(y + j, left) +
                       ITD__K(load)(factor[2] + j, left);
            ITD__K(store)(ITD__K(load)(sum + j, left) + v, left, sum + j);
        }
}

/* Zero for numbers below the normal range, which slow many processors down a hundredfold. */
ITD__INLINE ITD__V ITD__K(flush)(ITD__V x)
{
    return ITD__K(select)((x < 1.17549435e-38f) & (x > -1.17549435e-38f), ITD__K(splat)(0.0f), x);
}

/* Moments of weights that no longer matter would decay until they are below the normal range, and stay. */
ITD__KERNEL void ITD__K(adam)(const itd__adam_constants *k, size_t n, const float *g, float *m, float *v,
                              float *w, float *ema)
{
    for (size_t i = 0; i < n; i += ITD__W) {
        ITD__V d = ITD__K(load)(g + i, n - i) * k->clip, first, second, next;
        first = ITD__K(flush)(k->beta1 * ITD__K(load)(m + i, n - i) + k->rest1 * d);
        second = ITD__K(flush)(k->beta2 * ITD__K(load)(v + i, n - i) + k->rest2 * d * d);
        next = ITD__K(load)(w + i, n - i);
        next -= k->decay * next + k->rate * first / (ITD__K(sqrt)(k->correction * second) + k->epsilon);
        ITD__K(store)(first, n - i, m + i);
        ITD__K(store)(second, n - i, v + i);
        ITD__K(store)(next, n - i, w + i);
        if (!ema) continue;
        next = k->keep * ITD__K(load)(ema + i, n - i) + k->keep_rest * next;
        ITD__K(store)(next, n - i, ema + i);
    }
}

/* ---- linear maps of squares, for Winograd ---- */

/* One of the maps of itd__transform along one axis, from x[0], x[sx], ... to y[0], y[sy], ... */
ITD__INLINE void ITD__K(map)(const itd__transform t, const ITD__V *x, const size_t sx, ITD__V *y,
                             const size_t sy)
{
    switch (t) {
    case ITD__FROM_PATCH:
        y[0] = x[0] - x[2 * sx], y[sy] = x[sx] + x[2 * sx];
        y[2 * sy] = x[2 * sx] - x[sx], y[3 * sy] = x[sx] - x[3 * sx];
        break;
    case ITD__FROM_WEIGHTS:
        y[0] = x[0], y[3 * sy] = x[2 * sx];
        y[sy] = 0.5f * (x[0] + x[2 * sx] + x[sx]), y[2 * sy] = 0.5f * (x[0] + x[2 * sx] - x[sx]);
        break;
    case ITD__TO_OUTPUT: y[0] = x[0] + (x[sx] + x[2 * sx]), y[sy] = (x[sx] - x[2 * sx]) - x[3 * sx]; break;
    case ITD__FROM_GRADIENT:
        y[0] = x[0], y[3 * sy] = -x[sx];
        y[sy] = x[0] + x[sx], y[2 * sy] = x[0] - x[sx];
        break;
    case ITD__TO_WEIGHTS:
        y[0] = x[0] + 0.5f * (x[sx] + x[2 * sx]), y[sy] = 0.5f * (x[sx] - x[2 * sx]);
        y[2 * sy] = 0.5f * (x[sx] + x[2 * sx]) + x[3 * sx];
        break;
    }
}

/* m by m arrays become n by n, from channel c on: whole vectors, then what remains in plain C. */
ITD__INLINE void ITD__K(squares)(const itd__transform t, const size_t m, const size_t n,
                                 const float *const *x, float *const *y, size_t c, size_t channels, bool add)
{
    for (; c + ITD__W <= channels; c += ITD__W) {
        ITD__V in[16], half[16], out[16];
        ITD__EACH (i, m * m) in[i] = *(const ITD__VU *)(x[i] + c);
        ITD__EACH (i, m) ITD__K(map)(t, in + i, m, half + i, m);
        ITD__EACH (i, n) ITD__K(map)(t, half + i * m, 1, out + i * n, 1);
        ITD__EACH (i, n * n) {
            ITD__VU *to = (ITD__VU *)(y[i] + c);
            if (add) out[i] += *to;
            *to = out[i];
        }
    }
#if ITD__W > 1
    if (c < channels) itd__transform_plain(t, x, y, c, channels, add);
#endif
}

ITD__KERNEL void ITD__K(transform)(itd__transform t, const float *const *x, float *const *y, size_t from,
                                   size_t channels, bool add)
{
    switch (t) {
    case ITD__FROM_PATCH: ITD__K(squares)(ITD__FROM_PATCH, 4, 4, x, y, from, channels, false); break;
    case ITD__FROM_WEIGHTS: ITD__K(squares)(ITD__FROM_WEIGHTS, 3, 4, x, y, from, channels, false); break;
    case ITD__TO_OUTPUT: ITD__K(squares)(ITD__TO_OUTPUT, 4, 2, x, y, from, channels, add); break;
    case ITD__FROM_GRADIENT: ITD__K(squares)(ITD__FROM_GRADIENT, 2, 4, x, y, from, channels, false); break;
    case ITD__TO_WEIGHTS: ITD__K(squares)(ITD__TO_WEIGHTS, 4, 3, x, y, from, channels, add); break;
    }
}

/* ---- the matrix product ---- */

#if ITD__W > 1

/* The inner loop of all matrix work: a block of C, `rows` rows by `vectors` vectors, stays in registers while
   k runs. Where only p->m rows and `columns` columns of the block exist, it is computed in a tile. */
ITD__INLINE void ITD__K(block)(const size_t rows, const size_t vectors, const itd__product *p, const float *b,
                               float *c, size_t columns)
{
    const size_t width = vectors * ITD__W, ra = p->ra, ca = p->ca, rb = p->rb;
    const bool whole = p->m == rows && columns == width;
    float tile[ITD__ROWS * 2 * ITD__W], *to = whole ? c : tile;
    const float *a = p->a;
    size_t rt = whole ? p->rc : width;
    ITD__V sum[ITD__ROWS][2] = {{{0}}}, row[2];
    if (p->add && !whole) {
        memset(tile, 0, sizeof tile);
        itd__copy_rows(c, p->rc, p->m, columns, tile, width);
    }
    if (p->add) {
        ITD__EACH (r, rows)
            ITD__EACH (v, vectors) sum[r][v] = *(const ITD__VU *)(to + r * rt + v * ITD__W);
    }
    for (size_t k = p->k; k > 0; k--, a += ca, b += rb) {
        ITD__EACH (v, vectors) row[v] = *(const ITD__VU *)(b + v * ITD__W);
        ITD__EACH (r, rows) {
            float x = a[r * ra];
            ITD__EACH (v, vectors) sum[r][v] += x * row[v];
        }
    }
    ITD__EACH (r, rows)
        ITD__EACH (v, vectors) *(ITD__VU *)(to + r * rt + v * ITD__W) = sum[r][v];
    if (!whole) itd__copy_rows(tile, width, p->m, columns, c, p->rc);
}

/* Blocks side by side. B(k,j) = b[j/w*panel + k*rb + j%w], w = 2 ITD__W: its panels are `panel` apart. */
ITD__INLINE void ITD__K(blocks)(const size_t rows, const itd__product *p, size_t panel)
{
    const float *b = p->b;
    for (size_t j = 0; j < p->n; j += 2 * ITD__W, b += panel) {
        size_t columns = itd__min(p->n - j, 2 * ITD__W);
        if (columns > ITD__W) ITD__K(block)(rows, 2, p, b, p->c + j, columns);
        else ITD__K(block)(rows, 1, p, b, p->c + j, columns);
    }
}

/* A and B are packed into lines of numbers that one k needs: `width` of them, which were `step` apart, zero
   beyond the first `live`. */
ITD__INLINE void ITD__K(pack)(const float *x, size_t step, size_t live, const size_t width, float *line)
{
    if (step == 1 && live >= width) memcpy(line, x, width * sizeof *line);
    else
        for (size_t i = 0; i < width; i++) line[i] = i < live ? x[i * step] : 0.0f;
}

/* Blocks below each other, the last as high as it needs to be. A of the block that begins with row i is at
   a[i*apart]. */
ITD__KERNEL __attribute__((noinline)) void ITD__K(rows)(const itd__product *p, size_t apart, size_t panel)
{
    enum { PART = ITD__ROWS / 3 };
    float copy[ITD__ROWS * ITD__DEPTH];
    itd__product q = *p;
    for (size_t i = 0; i < p->m; i += ITD__ROWS) {
        q.m = itd__min(p->m - i, ITD__ROWS), q.a = p->a + i * apart, q.c = p->c + i * p->rc;
        size_t rows = itd__ceil_div(q.m, PART) * PART;
        if (rows > q.m) {
            for (size_t k = 0; k < p->k; k++)
                ITD__K(pack)(q.a + k * p->ca, p->ra, q.m, rows, copy + k * rows);
            q.a = copy, q.ra = 1, q.ca = rows;
        }
        if (rows == 3 * PART) ITD__K(blocks)(3 * PART, &q, panel);
        else if (rows == 2 * PART) ITD__K(blocks)(2 * PART, &q, panel);
        else ITD__K(blocks)(PART, &q, panel);
    }
}

/* B in panels of two vectors: four side by side if rows are contiguous, since one would waste half of what
   memory sends, and more would displace one another. */
ITD__KERNEL void ITD__K(panels)(const itd__product *p, float *packed)
{
    const size_t width = 2 * ITD__W, side = p->cb == 1 ? 4 * width : width;
    for (size_t from = 0; from < p->n; from += side)
        for (size_t k = 0; k < p->k; k++)
            for (size_t j = from; j < itd__min(from + side, p->n); j += width) ITD__K(pack)
    (p->b + k * p->rb + j * p->cb, p->cb, p->n - j, width, packed + j * p->k + k * width);
}

/* A strip of a large product: copied rows of A meet one panel of B after another. Rows that are contiguous
   stay so, 64 bytes further apart so as not to fill one set of the cache. */
ITD__KERNEL void ITD__K(large)(const itd__product *p, size_t panel)
{
    const bool contiguous = p->ca == 1;
    const size_t apart = contiguous ? p->k + 16 : p->k;
    float *copy = p->work.floats + ITD__DEPTH * ITD__ACROSS;
    itd__product q = *p;
    q.ra = contiguous ? apart : 1, q.ca = contiguous ? 1 : ITD__ROWS;
    for (size_t from = 0, end; from < p->m; from = end) {
        end = itd__min(from + ITD__DOWN, p->m);
        if (contiguous) itd__copy_rows(p->a + from * p->ra, p->ra, end - from, p->k, copy, apart);
        for (size_t i = from; !contiguous && i < end; i += ITD__ROWS)
            for (size_t k = 0; k < p->k; k++) ITD__K(pack)
        (p->a + i * p->ra + k * p->ca, p->ra, end - i, ITD__ROWS, copy + (i - from) * apart + k * ITD__ROWS);
        q.a = copy, q.m = end - from;
        for (size_t j = 0; j < p->n; j += 2 * ITD__W) {
            q.n = itd__min(p->n - j, 2 * ITD__W);
            q.b = p->b + j / (2 * ITD__W) * panel, q.c = p->c + from * p->rc + j;

            ITD__K(rows)(&q, apart, panel);
        }
    }
}

/* B is read in place where it is small and its rows are contiguous, but for its last columns. */
ITD__KERNEL void ITD__K(gemm)(const itd__product *p)
{
    const size_t width = 2 * ITD__W, parts = itd__max(1, itd__ceil_div(p->k, ITD__DEPTH));
    const size_t depth = itd__max(1, itd__ceil_div(p->k, parts));
    const bool small = p->k * p->n <= ITD__SMALL;
    itd__product s = *p; /* a strip of some columns and a part of k */
    for (size_t j = 0; j < p->n; j += s.n) {
        bool in_place = small && p->cb == 1 && (p->n - j >= width || p->n - j == ITD__W);
        s.n = itd__min(p->n - j, ITD__ACROSS);
        if (in_place && s.n > width) s.n -= s.n % width;

        for (size_t from = 0; from < p->k || from == 0; from += depth) {
            s.k = itd__min(p->k - from, depth);
            s.a = p->a + from * p->ca, s.b = p->b + from * p->rb + j * p->cb, s.rb = p->rb, s.c = p->c + j;
            s.add = p->add || from > 0;
            if (!in_place) ITD__K(panels)(&s, p->work.floats), s.b = p->work.floats, s.rb = width;
            size_t panel = in_place ? width : s.k * width;
            if (small) ITD__K(rows)(&s, s.ra, panel);
            else ITD__K(large)(&s, panel);
        }
    }
}

#endif /* ITD__W > 1 */

#define ITD__ENTRY(result, name, arguments) ITD__K(name),
#define ITD__ACTIVATION_KERNELS(value, name) {ITD__K(name), ITD__K(name##_backward)},
static const itd__kernels ITD__K(kernels) = {
    ITD__QUOTE_EXPANDED(ITD__ISA), ITD__KERNELS(ITD__ENTRY){ITD_ACTIVATIONS(ITD__ACTIVATION_KERNELS)}};

#undef ITD__W
#undef ITD__ISA
#undef ITD__TARGET
#endif /* ITD__W */

#ifdef ITD__AFTER_KERNELS
#undef ITD__AFTER_KERNELS

/* ---- the passes ---- */

#define ITD__W 1
#define ITD__ISA plain
#define ITD__TARGET
#include ITDIFF_FILE

#ifdef ITD__VECTORS
/* Whatever the options: fused multiply-add, but no reordering, which would break itd__round. */
#ifdef __clang__
#pragma float_control(push)
#pragma float_control(precise, on)
#pragma clang fp contract(fast)
#else
#pragma GCC push_options
#pragma GCC optimize("no-fast-math", "fp-contract=fast")
#endif
#define ITD__W 4
#define ITD__ISA base
#define ITD__TARGET
#include ITDIFF_FILE
#ifdef ITD__X86
#define ITD__W 8
#define ITD__ISA avx2
#define ITD__TARGET __attribute__((target("avx2,fma")))
#include ITDIFF_FILE
#define ITD__W 16
#define ITD__ISA avx512
#define ITD__TARGET __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")))
#include ITDIFF_FILE
#endif
#ifdef __clang__
#pragma float_control(pop)
#else
#pragma GCC pop_options
#endif
#endif /* ITD__VECTORS */

#ifdef ITD__KERNELS_OF /* from another object, which many programs can share */
const itd__kernels *ITD__KERNELS_OF(itd_simd simd);
#else
#define ITD__KERNELS_OF(simd) NULL
#endif

/* The kernels of an instruction set, NULL where compiler or processor do not have it. */
static const itd__kernels *itd__kernels_of(itd_simd simd)
{
    if (simd == ITD_SIMD_PLAIN) return &itd__kernels_plain;
#ifdef ITD__VECTORS
    if (simd == ITD_SIMD_BASE) return &itd__kernels_base;
#endif
#ifdef ITD__X86
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    if (simd == ITD_SIMD_AVX2 && avx2) return &itd__kernels_avx2;
    if (simd == ITD_SIMD_AVX512 && avx512) return &itd__kernels_avx512;
#endif
    return ITD__KERNELS_OF(simd);
}

/* Selected at the first use; threads may do so at the same time, with the same outcome. */
#if defined(__clang__) || (defined(__GNUC__) && __GNUC__ >= 5 && !defined(__TINYC__))
#define ITD__ATOMIC_LOAD(p) __atomic_load_n(p, __ATOMIC_RELAXED)
#define ITD__ATOMIC_STORE(p, value) __atomic_store_n(p, value, __ATOMIC_RELAXED)
#else
#define ITD__ATOMIC_LOAD(p) (*(p))
#define ITD__ATOMIC_STORE(p, value) (*(p) = (value))
#endif
static const itd__kernels *itd__chosen;

ITD_DEF bool itd_simd_use(itd_simd simd)
{
    const itd__kernels *kernels = itd__kernels_of(simd); /* NULL of BEST */
    for (int best = ITD_SIMD_AVX512; simd == ITD_SIMD_BEST && !kernels; best--)
        kernels = itd__kernels_of((itd_simd)best);
    if (kernels) ITD__ATOMIC_STORE(&itd__chosen, kernels);
    return kernels != NULL;
}

static const itd__kernels *itd__fast(void)
{
    if (!ITD__ATOMIC_LOAD(&itd__chosen)) itd_simd_use(ITD_SIMD_BEST);
    return ITD__ATOMIC_LOAD(&itd__chosen);
}

ITD_DEF const char *itd_simd_name(void) { return itd__fast()->name; }

/* >>eigen --------------------------------------------------------------------------------------------------

   Covariances: their sums over rows, their eigenpairs, the Gaussians of >>gaussian made of them, these in
   other coordinates, and the map that >>model normalizes data by. It needs the matrix product of >>kernels,
   for more than 64 columns. */

/* Four sums, so that an addition need not wait for the one before. */
static double itd__dot(const double *x, const double *y, size_t n)
{
    double sum[4] = {0, 0, 0, 0};
    size_t i;
    for (i = 0; i + 4 <= n; i += 4)
        for (size_t k = 0; k < 4; k++) sum[k] += x[i + k] * y[i + k];
    for (; i < n; i++) sum[0] += x[i] * y[i];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* itd__add_products for many columns: by the matrix product, of a few rows as floats at a time. */
static itd_result itd__add_wide_products(const float *x, const double *mean, size_t n, size_t dim,
                                         double *sum)
{
    enum { ROWS = 256 };
    float *centred = itd__floats(ROWS, dim), *block = itd__floats(dim, dim);
    itd__scratch work = itd__new_scratch();
    itd_result result = centred && block && work.floats ? ITD_OK : ITD_ERROR_MEMORY;
    for (size_t at = 0; result == ITD_OK && at < n; at += ROWS) {
        size_t rows = itd__min(ROWS, n - at);
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < dim; j++) centred[i * dim + j] = (float)(x[(at + i) * dim + j] - mean[j]);
        itd__matmul(dim, dim, rows, false, centred, 1, dim, centred, dim, 1, block, dim, work);
        for (size_t i = 0; i < dim * dim; i++) sum[i] += block[i];
    }
    ITD_FREE(centred), ITD_FREE(block), ITD_FREE(work.floats);
    return result;
}

/* sum (dim,dim) += centred^T centred, for n rows less their mean */
static itd_result itd__add_products(const float *x, const double *mean, size_t n, size_t dim, double *sum)
{
    if (dim > ITD__FULL_GAUSSIAN) return itd__add_wide_products(x, mean, n, dim, sum);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < dim; j++)
            for (size_t k = 0; k < dim; k++)
                sum[j * dim + k] += (x[i * dim + j] - mean[j]) * (x[i * dim + k] - mean[k]);
    return ITD_OK;
}

/* ---- eigenpairs ---- */

/* Descending, by selection. */
static void itd__sort_eigen(size_t n, double *lambda, double *vectors)
{
    for (size_t i = 0; i < n; i++) {
        size_t top = i;
        for (size_t j = i + 1; j < n; j++)
            if (lambda[j] > lambda[top]) top = j;
        double value = lambda[top];
        lambda[top] = lambda[i], lambda[i] = value;
        for (size_t k = 0; k < n && top != i; k++) {
            value = vectors[i * n + k];
            vectors[i * n + k] = vectors[top * n + k], vectors[top * n + k] = value;
        }
    }
}

/* Jacobi's method: rotations of two coordinates p and q, each of which makes the element (p,q) vanish. They
   go on until every element off the diagonal is small beside the two diagonal elements in its row and column,
   not beside the largest of all: so the small eigenvalues of a covariance are as exact as the large ones,
   whatever the units of its columns (Demmel & Veselic 1992). */
static void itd__jacobi(size_t n, double *a, double *lambda, double *vectors)
{
    bool rotated = true;
    for (size_t i = 0; i < n * n; i++) vectors[i] = i / n == i % n;
    for (size_t cycle = 0; cycle < 40 && rotated; cycle++) {
        rotated = false;
        for (size_t p = 0; p < n; p++)
            for (size_t q = p + 1; q < n; q++) {
                double apq = a[p * n + q], app = a[p * n + p], aqq = a[q * n + q];
                if (fabs(apq) <= 1e-17 * sqrt(fabs(app)) * sqrt(fabs(aqq)) || fabs(apq) < DBL_MIN) continue;
                double half = 0.5 * (aqq - app) / apq;
                double t = (half < 0 ? -1 : 1) / (fabs(half) + sqrt(half * half + 1));
                double cosine = 1 / sqrt(t * t + 1), sine = t * cosine; /* t is the tangent */
                rotated = rotated || fabs(t) > 1e-17;
                for (size_t k = 0; k < n; k++) {
                    double x = a[k * n + p], y = a[k * n + q], u = vectors[p * n + k], v = vectors[q * n + k];
                    a[k * n + p] = a[p * n + k] = cosine * x - sine * y;
                    a[k * n + q] = a[q * n + k] = sine * x + cosine * y;
                    vectors[p * n + k] = cosine * u - sine * v, vectors[q * n + k] = sine * u + cosine * v;
                }
                a[p * n + p] = app - t * apq, a[q * n + q] = aqq + t * apq;
                a[p * n + q] = a[q * n + p] = 0;
            }
    }
    for (size_t i = 0; i < n; i++) lambda[i] = a[i * n + i];
}

ITD_DEF itd_result itd_eigen_symmetric(size_t n, double *a, double *lambda, double *vectors)
{
    double largest = 0;
    for (size_t i = 0; i < n * n; i++) largest = a[i] <= DBL_MAX ? fmax(largest, fabs(a[i])) : HUGE_VAL;
    if (!(largest <= DBL_MAX)) return ITD_ERROR_DATA;
    for (size_t i = 0; i < n * n && largest > 0; i++)
        a[i] /= largest; /* squares neither overflow nor vanish */
    itd__jacobi(n, a, lambda, vectors);
    for (size_t i = 0; i < n; i++) lambda[i] *= largest;
    itd__sort_eigen(n, lambda, vectors);
    return ITD_OK;
}

/* ---- Gaussians made of these ---- */

ITD_DEF void itd_gaussian_free(itd_gaussian *g)
{
    if (!g) return;
    ITD_FREE(g->mean), ITD_FREE(g->lambda), ITD_FREE(g->vectors), ITD_FREE(g->basis);
    ITD_FREE(g);
}

/* axes: its eigenvectors are the coordinate axes, and not stored. */
static itd_gaussian *itd__gaussian_alloc(size_t dim, bool axes)
{
    bool wide = !axes && dim > ITD__FULL_GAUSSIAN;
    itd_gaussian *g = (itd_gaussian *)itd__alloc(1, 1, sizeof *g);
    if (!g) return NULL;
    g->dim = dim;
    g->mean = itd__doubles(dim, 1), g->lambda = itd__doubles(dim, 1);
    if (!axes) g->vectors = itd__doubles(dim, dim);
    if (wide) g->basis = itd__floats(dim, dim);
    if (g->mean && g->lambda && (g->vectors || axes) && (g->basis || !wide)) return g;
    itd_gaussian_free(g);
    return NULL;
}

/* Without vectors, the eigenvectors are the coordinate axes. */
ITD_DEF itd_result itd_gaussian_from_eigen(const double *mean, const double *lambda, const double *vectors,
                                           size_t dim, itd_gaussian **out)
{
    if (dim == 0) return ITD_ERROR_ARGUMENT;
    for (size_t i = 0; vectors && i < dim * dim; i++)
        if (!(fabs(vectors[i]) <= DBL_MAX)) return ITD_ERROR_DATA;
    for (size_t i = 0; i < dim; i++)
        if (!(lambda[i] > 0 && lambda[i] <= DBL_MAX && fabs(mean[i]) <= DBL_MAX)) return ITD_ERROR_DATA;
    itd_gaussian *g = itd__gaussian_alloc(dim, !vectors);
    if (!g) return ITD_ERROR_MEMORY;
    memcpy(g->mean, mean, dim * sizeof *mean), memcpy(g->lambda, lambda, dim * sizeof *lambda);
    if (vectors) memcpy(g->vectors, vectors, dim * dim * sizeof *vectors);
    for (size_t i = 0; g->basis && i < dim * dim; i++) g->basis[i] = (float)vectors[i];
    *out = g;
    return ITD_OK;
}

/* A flat direction gets a sliver of the variance of its columns: the density stays finite. */
ITD_DEF itd_result itd_gaussian_create(const double *mean, const double *covariance, size_t dim,
                                       itd_gaussian **out)
{
    if (dim == 0) return ITD_ERROR_ARGUMENT;
    double *a = itd__doubles(dim, dim), *lambda = itd__doubles(dim, 1), *vectors = itd__doubles(dim, dim);
    itd_result result = a && lambda && vectors ? ITD_OK : ITD_ERROR_MEMORY;
    if (result == ITD_OK) {
        memcpy(a, covariance, dim * dim * sizeof *a);
        result = itd_eigen_symmetric(dim, a, lambda, vectors);
    }
    ITD_FREE(a);
    if (result == ITD_OK && (!(lambda[0] > 0) || lambda[dim - 1] < -1e-8 * lambda[0]))
        result = ITD_ERROR_DATA;
    for (size_t i = 0; result == ITD_OK && i < dim; i++) {
        double width = 0;
        const double *u = vectors + i * dim;
        for (size_t j = 0; j < dim; j++) width += u[j] * u[j] * covariance[j * dim + j];
        lambda[i] = fmax(lambda[i], 1e-12 * (width > 0 ? width : lambda[0]));
    }
    if (result == ITD_OK) result = itd_gaussian_from_eigen(mean, lambda, vectors, dim, out);
    ITD_FREE(lambda), ITD_FREE(vectors);
    return result;
}

ITD_DEF itd_result itd_gaussian_fit(const float *x, size_t n, size_t dim, itd_gaussian **out)
{
    if (n < 2 || dim == 0) return ITD_ERROR_ARGUMENT;
    if (!itd__all_finite(x, n * dim)) return ITD_ERROR_DATA;
    double *mean = itd__doubles(dim + 1, dim);
    if (!mean) return ITD_ERROR_MEMORY;
    double *covariance = mean + dim;
    for (size_t i = 0; i < n; i++) /* differences, so that a constant column has exactly its mean */
        for (size_t j = 0; j < dim; j++) mean[j] += ((double)x[i * dim + j] - x[j]) / (double)n;
    for (size_t j = 0; j < dim; j++) mean[j] += x[j];
    itd_result result = itd__add_products(x, mean, n, dim, covariance);
    for (size_t i = 0; i < dim; i++) /* symmetric to the last bit */
        for (size_t j = 0; j <= i; j++) covariance[j * dim + i] = covariance[i * dim + j] /= (double)n;
    if (result == ITD_OK) result = itd_gaussian_create(mean, covariance, dim, out);
    ITD_FREE(mean);
    return result;
}

/* Independent coordinates, with the points' own means and variances, or N(0, I) for fewer than two points. */
static itd_result itd__gaussian_fit_axes(const float *x, size_t n, size_t dim, itd_gaussian **out)
{
    double *mean = itd__doubles(dim, 2);
    if (!mean) return ITD_ERROR_MEMORY;
    double *variance = mean + dim;
    for (size_t j = 0; j < dim; j++) {
        double square = 0;
        for (size_t i = 0; i < n && n > 1; i++) mean[j] += ((double)x[i * dim + j] - x[j]) / (double)n;
        mean[j] += n > 1 ? x[j] : 0; /* after differences: exact where nothing varies */
        for (size_t i = 0; i < n && n > 1; i++)
            square += (x[i * dim + j] - mean[j]) * (x[i * dim + j] - mean[j]);
        variance[j] = n < 2 ? 1 : square > 0 ? square / (double)n : 1e-12;
    }
    itd_result result = itd_gaussian_from_eigen(mean, variance, NULL, dim, out);
    ITD_FREE(mean);
    return result;
}

/* ---- the same Gaussian in a denoiser's coordinates y = W (x - m): N(W (mu - m), W Sigma W^T) ---- */

/* Element (i,j) of W. */
static double itd__whitens(const itd_denoiser *den, size_t i, size_t j)
{
    if (den->whiten) return den->whiten[i * den->dim + j];
    return i != j ? 0 : den->scale ? 1 / den->scale[i] : 1;
}

/* (d,d) W Sigma W^T = M M^T with M = W U Lambda^1/2 */
static void itd__map_covariance(const itd_denoiser *den, const itd_gaussian *g, double *m, double *covariance)
{
    size_t d = g->dim;
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++) {
            double w = itd__whitens(den, i, j);
            if (g->vectors && w != 0)
                for (size_t k = 0; k < d; k++) m[i * d + k] += w * sqrt(g->lambda[k]) * g->vectors[k * d + j];
            if (!g->vectors) m[i * d + j] = w * sqrt(g->lambda[j]);
        }
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j <= i; j++)
            covariance[i * d + j] = covariance[j * d + i] = itd__dot(m + i * d, m + j * d, d);
}

/* Is a covariance diagonal, but for rounding? The one that W was made of becomes so. */
static bool itd__diagonal(const double *covariance, size_t d)
{
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < i; j++)
            if (fabs(covariance[i * d + j]) > 1e-7 * sqrt(covariance[i * d + i] * covariance[j * d + j]))
                return false;
    return true;
}

/* A matrix is made only where there may be correlations: images have too many coordinates for one. */
ITD_DEF itd_result itd_gaussian_to_coordinates(const itd_denoiser *den, const itd_gaussian *g,
                                               itd_gaussian **out)
{
    size_t d = g->dim;
    bool diagonal = !g->vectors && !den->whiten;
    double *mean = itd__doubles(diagonal ? 2 : 2 + 2 * d, d);
    if (!mean) return ITD_ERROR_MEMORY;
    double *variance = mean + d, *covariance = variance + d;
    for (size_t i = 0; i < d; i++) {
        size_t first = den->whiten ? 0 : i, end = den->whiten ? d : i + 1;
        for (size_t j = first; j < end; j++)
            mean[i] += itd__whitens(den, i, j) * (g->mean[j] - (den->mean ? den->mean[j] : 0));
        double w = itd__whitens(den, i, i);
        variance[i] = w * w * g->lambda[i];
    }
    if (!diagonal) {
        itd__map_covariance(den, g, covariance + d * d, covariance);
        diagonal = itd__diagonal(covariance, d);
        for (size_t i = 0; diagonal && i < d; i++) variance[i] = covariance[i * d + i];
    }
    itd_result result = diagonal ? itd_gaussian_from_eigen(mean, variance, NULL, d, out)
                                 : itd_gaussian_create(mean, covariance, d, out);
    ITD_FREE(mean);
    return result;
}

/* ---- the map W that makes the data's own Gaussian N(0, I) ----

   With D the columns' standard deviations and S = V Lambda V^T their correlations, those of few rows are
   shrunk towards none,

       R = (1 - rho) S + rho I,    W = R^-1/2 D^-1,    W^-1 = D R^1/2,

   and eigenvalues of R below 1e-8 are raised to it. rho is chosen by cross-validation: the rows are divided
   into five folds, and the likelihood of each is computed under the Gaussian of the other four. Of all square
   roots the symmetric one leaves every coordinate as near as can be to its column (Kessy, Lewin & Strimmer
   2018), and makes the coordinates independent of the columns' units.

   The moments of some rows are 1 + d + d^2 numbers: their count, the sum of x - centre, and that of the
   products of its coordinates. */

enum {
    ITD__FOLDS = 5,
    ITD__CANDIDATES = 22, /* values of rho: 0, and 1e-5 to 1 in quarters of a decade */
    ITD__CHOICE_ROWS = 10 /* with fewer rows columns count as independent: rho = 1 */
};

/* The moments of some rows and what follows from them. */
typedef struct itd__correlations {
    size_t d;
    double *moments;            /* (1+d+d*d) */
    double *mean, *sd, *lambda; /* (d) of the columns; eigenvalues of the correlations */
    double *matrix, *vectors;   /* (d,d) */
} itd__correlations;

/* The eigenvalue of R for one of S. */
static double itd__shrunk(double lambda, double rho) { return fmax((1 - rho) * lambda + rho, 1e-8); }

/* The moments of all rows but those of fold `left_out` (ITD__FOLDS: of all), and their correlations. Where a
   column hardly varies in these rows, a thousandth of its deviation in all rows (`scale`) stands in. */
static itd_result itd__correlate(const double *moments, size_t left_out, const double *scale,
                                 itd__correlations *c)
{
    size_t d = c->d, size = 1 + d + d * d;
    double *total = c->moments, *sum = total + 1, *products = sum + d;
    memset(total, 0, size * sizeof *total);
    for (size_t k = 0; k < ITD__FOLDS; k++)
        for (size_t i = 0; k != left_out && i < size; i++) total[i] += moments[k * size + i];
    for (size_t j = 0; j < d; j++) {
        c->mean[j] = sum[j] / total[0];
        double variance = products[j * d + j] / total[0] - c->mean[j] * c->mean[j];
        c->sd[j] = fmax(sqrt(fmax(variance, 0)), 1e-3 * scale[j]);
    }
    for (size_t i = 0; i < d * d; i++) {
        size_t j = i / d, k = i % d;
        double covariance = products[i] / total[0] - c->mean[j] * c->mean[k];
        c->matrix[i] = j == k ? 1 : covariance / (c->sd[j] * c->sd[k]);
    }
    return itd_eigen_symmetric(d, c->matrix, c->lambda, c->vectors);
}

/* Adds, for each rho, the -log likelihood (but for constants) of the rows with these moments. */
static void itd__add_fold_nll(const double *moments, const itd__correlations *c, const double *rho,
                              double *nll)
{
    size_t d = c->d;
    const double *sum = moments + 1, *products = sum + d;
    for (size_t i = 0; i < d; i++) { /* squares of the rows along eigenvector i */
        const double *u = c->vectors + i * d;
        double square = 0;
        for (size_t j = 0; j < d; j++)
            for (size_t k = 0; k < d; k++)
                square += u[j] * u[k] / (c->sd[j] * c->sd[k]) *
                          (products[j * d + k] - sum[j] * c->mean[k] - c->mean[j] * sum[k] +
                           moments[0] * c->mean[j] * c->mean[k]);
        for (size_t r = 0; r < ITD__CANDIDATES; r++) {
            double lambda = itd__shrunk(c->lambda[i], rho[r]);
            nll[r] += 0.5 * (moments[0] * log(lambda) + square / lambda);
        }
    }
}

/* The rho for which the folds are most likely, each under the Gaussian of the others. */
static itd_result itd__choose_shrinkage(const double *moments, const double *scale, itd__correlations *c,
                                        double *chosen)
{
    double rho[ITD__CANDIDATES], nll[ITD__CANDIDATES] = {0};
    size_t best = 0;
    for (size_t r = 0; r < ITD__CANDIDATES; r++) rho[r] = r ? pow(10, 0.25 * (double)r - 5.25) : 0;
    for (size_t k = 0; k < ITD__FOLDS; k++) {
        ITD__TRY(itd__correlate(moments, k, scale, c));
        itd__add_fold_nll(moments + k * (1 + c->d + c->d * c->d), c, rho, nll);
    }
    for (size_t r = 1; r < ITD__CANDIDATES; r++)
        if (nll[r] < nll[best]) best = r;
    *chosen = rho[best];
    return ITD_OK;
}

/* W and its inverse; returns log |det W^-1|. */
static double itd__square_roots(const itd__correlations *c, double rho, double *whiten, double *color)
{
    size_t d = c->d;
    double log_det = 0;
    memset(whiten, 0, d * d * sizeof *whiten), memset(color, 0, d * d * sizeof *color);
    for (size_t i = 0; i < d; i++) {
        double root = sqrt(itd__shrunk(c->lambda[i], rho));
        const double *u = c->vectors + i * d;
        log_det += log(root) + log(c->sd[i]);
        for (size_t j = 0; j < d; j++)
            for (size_t k = 0; k < d; k++) {
                whiten[j * d + k] += u[j] * u[k] / root / c->sd[k];
                color[j * d + k] += c->sd[j] * u[j] * u[k] * root;
            }
    }
    return log_det;
}

/* The map of n rows, whose columns have these means and deviations. Row i belongs to fold i mod 5. */
static itd_result itd__fit_map(const float *x, size_t n, size_t d, const double *mean, const double *scale,
                               double *whiten, double *color, double *log_det)
{
    itd__correlations c;
    size_t size = 1 + d + d * d;
    double rho = 1, *folds = itd__doubles(ITD__FOLDS + 4, size); /* their moments, and the arrays of c */
    if (!folds) return ITD_ERROR_MEMORY;
    c.d = d, c.moments = folds + ITD__FOLDS * size;
    c.mean = c.moments + size, c.sd = c.mean + d, c.lambda = c.sd + d;
    c.matrix = c.lambda + d, c.vectors = c.matrix + d * d;
    for (size_t i = 0; i < n; i++) {
        double *fold = folds + i % ITD__FOLDS * size, *sum = fold + 1;
        fold[0] += 1;
        for (size_t j = 0; j < d; j++) sum[j] += x[i * d + j] - mean[j];
        (void)itd__add_products(x + i * d, mean, 1, d, sum + d);
    }
    itd_result result = n < ITD__CHOICE_ROWS ? ITD_OK : itd__choose_shrinkage(folds, scale, &c, &rho);
    if (result == ITD_OK) result = itd__correlate(folds, ITD__FOLDS, scale, &c);
    if (result == ITD_OK) *log_det = itd__square_roots(&c, rho, whiten, color);
    ITD_FREE(folds);
    return result;
}

/* >>checkpoint ---------------------------------------------------------------------------------------------

   Models and their training as files that any reader of safetensors understands:

       8 bytes   N, the length of the JSON; like all numbers it begins with its least significant byte
       N bytes   {"__metadata__":   {"format":"itdiff", "version":"1", "crc32c":"0123456789", ..},
                  "norm.mean":      {"dtype":"F64", "shape":[2], "data_offsets":[0,16]},
                  "layers.0.bias":  {"dtype":"F32", "shape":[128], "data_offsets":[16,528]}, ..}
       the rest  the data: the numbers of all tensors one after another, of which crc32c is the checksum

   Metadata are the fields of >>descriptions and the model's strings as "note.KEY"; others are ignored. The
   tensors are:

       norm.mean, .scale (dim), .whiten, .color (dim,dim)         F64
       gaussian.mean, .lambda (dim), .vectors (dim,dim)           F64
       layers.K.weight, .bias; of a U-Net, the names of           F32 or F16; what the denoiser uses, that
         diffusers                                                is, the moving average if there is one
       raw.*, adam_m.*, adam_v.* of these names                   F32; the state of training

   Weights are (in,out) or (3,3,in,out) in memory, (out,in) or (out,in,3,3) in the file.

   Both ways walk the list that itd__list_tensors makes of a model. A file is read in this order: itd__open
   validates its structure, itd__read_state its metadata; itd__rebuild allocates what these describe;
   itd__match pairs the list with the tensors of the file, and itd__read_data reads them in one pass.
   Everything is validated before it is used, but for the checksum that files of other programs lack, log_det,
   and whether eigenvectors are orthogonal. No file makes us allocate more than a few times its size and the
   17 MB that directions may take.

   To add a field, see >>descriptions. To add a tensor: a line in itd__list_tensors, its memory in
   itd__rebuild, and a field that says whether it is there. To read the names of another program: a line in
   itd__find_stored. */

#ifndef ITDIFF_NO_STDIO

#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef ITD_FSYNC
#define ITD_FSYNC(file) ((void)(file), 0)
#endif

/* A tensor in memory, which is to be saved or filled. */
typedef struct itd__tensor {
    char name[96];
    const char *dtype; /* in the file */
    size_t rank;
    uint64_t shape[4]; /* in the file: (out), (out,in) or (out,in,3,3); 1 beyond the rank */
    float *f32;        /* its numbers: one of the two */
    double *f64;
} itd__tensor;

/* A tensor as the header of a file declares it. */
typedef struct itd__stored {
    const char *name, *dtype;
    uint64_t shape[8], offset[2]; /* offset: begin and end in the data */
    size_t rank;
    itd__tensor *memory; /* where its numbers go, or NULL */
} itd__stored;

typedef struct itd__pair {
    const char *name, *value;
} itd__pair;

/* A file that is written or read. What can fail returns false after itd__fail has kept the reason. */
typedef struct itd__file {
    const char *path;
    itd_error *error; /* or NULL */
    itd_result result;
    FILE *file;
    uint64_t size, data; /* bytes in all; where the data begin */
    uint32_t rest;       /* the checksum of the data so far, see itd__checksum_begin */
    uint32_t after[8][256];
    uint64_t crc;         /* what it has to be at the end; above 32 bits: anything */
    char *json, *p, *end; /* the header, unescaped in place; the parser's position; the NUL at its end */
    itd__stored *stored;  /* by offset */
    itd__pair *metadata;  /* by name */
    size_t tensors, pairs;
    itd__tensor *list; /* tensors in memory, in the order of a file */
    size_t count;
    bool half, skips_training; /* weights are written as F16; tensors of training are left in the file */
    const itd__tensor *wrong;  /* one of which a number is not finite */
    double number;             /* that one, in memory */
} itd__file;

/* Keeps the first failure: its code and a line of explanation, without control characters. Returns false. */
static bool itd__fail(itd__file *f, itd_result result, const char *format, ...)
{
    if (f->result != ITD_OK) return false;
    f->result = result;
    if (f->error) {
        char *p = f->error->text;
        va_list arguments;
        snprintf(p, sizeof f->error->text, "%s: ", f->path);
        size_t used = strlen(p);
        va_start(arguments, format);
        vsnprintf(p + used, sizeof f->error->text - used, format, arguments);
        va_end(arguments);
        for (; *p; p++)
            if ((unsigned char)*p < 0x20 || *p == 0x7F) *p = '?';
    }
    return false;
}

/* A failure that another chapter reports, in the words of its code. */
static bool itd__succeeds(itd__file *f, itd_result result)
{
    if (result == ITD_OK) return true;
    itd__fail(f, result, "%s", itd_result_string(result));
    return false;
}

/* CRC-32C (Castagnoli): the remainder of the bytes, lowest bit first, divided by the polynomial 0x82F63B78.
   It begins with all ones, and is inverted at the end by the caller. after[k][b] is the remainder of byte b
   and k zero bytes behind it, so that eight bytes are divided at a time (slicing-by-8). */
static void itd__checksum_begin(itd__file *f)
{
    f->rest = 0xFFFFFFFFu;
    for (uint32_t i = 0; i < 8 * 256; i++) {
        uint32_t rest = i < 256 ? i : f->after[i / 256 - 1][i % 256];
        for (int bit = 0; bit < 8; bit++) rest = (rest >> 1) ^ (0x82F63B78u & (0u - (rest & 1)));
        f->after[i / 256][i % 256] = rest;
    }
}

static void itd__checksum_add(itd__file *f, const void *bytes, size_t n)
{
    const unsigned char *p = (const unsigned char *)bytes;
    uint32_t rest = f->rest;
    for (; n >= 8; n -= 8, p += 8) {
        rest ^= (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        rest = f->after[7][rest & 255] ^ f->after[6][rest >> 8 & 255] ^ f->after[5][rest >> 16 & 255] ^
               f->after[4][rest >> 24] ^ f->after[3][p[4]] ^ f->after[2][p[5]] ^ f->after[1][p[6]] ^
               f->after[0][p[7]];
    }
    for (; n > 0; n--) rest = (rest >> 8) ^ f->after[0][(rest ^ *p++) & 255];
    f->rest = rest;
}

/* n bytes to the file or `back` from it. The checksum begins anew where the data begin. It is itd__write that
   explains why a file cannot be written. */
static bool itd__pass(itd__file *f, void *bytes, size_t n, bool back)
{
    size_t passed = back ? fread(bytes, 1, n, f->file) : fwrite(bytes, 1, n, f->file);
    if (passed != n) return back && itd__fail(f, ITD_ERROR_READ, "reading failed");
    itd__checksum_add(f, bytes, n);
    return true;
}

/* ---- the tensors of a model ---- */

static size_t itd__tensor_count(const itd__tensor *t)
{
    return (size_t)(t->shape[0] * t->shape[1] * t->shape[2] * t->shape[3]);
}

/* Number k of a tensor in the file is this one in memory: outputs come first there and last here. */
static size_t itd__element(const itd__tensor *t, size_t k)
{
    size_t outputs = (size_t)t->shape[0], inputs = (size_t)t->shape[1];
    size_t places = (size_t)(t->shape[2] * t->shape[3]);
    size_t place = k % places, input = k / places % inputs, output = k / places / inputs;
    return t->f64 ? k : (place * inputs + input) * outputs + output;
}

/* Adds a tensor of these names, joined: (rows), (rows,columns) or (rows,columns,3,3). */
static void itd__add_tensor(itd__file *f, const char *prefix, const char *name, const char *suffix,
                            size_t rank, size_t rows, size_t columns, float *f32, double *f64)
{
    itd__tensor *t = &f->list[f->count++];
    snprintf(t->name, sizeof t->name, "%s%s%s", prefix, name, suffix);
    t->rank = rank;
    t->shape[0] = rows, t->shape[1] = rank > 1 ? columns : 1;
    t->shape[2] = t->shape[3] = rank > 2 ? 3 : 1;
    t->f32 = f32, t->f64 = f64;
    t->dtype = f64 ? "F64" : f->half ? "F16" : "F32";
}

/* Adds the parameters of a network as they stand in one of its slabs: at most two tensors for each layer. */
static void itd__add_slab(itd__file *f, const itd_net *net, const char *prefix, float *slab)
{
    for (const itd__layer *row = net->layer; row < net->layer + net->layers; row++) {
        size_t rank = row->kind == ITD__CONV ? 4 : row->kind == ITD__LINEAR ? 2 : 1;
        if (!row->weights) continue;
        itd__add_tensor(f, prefix, row->name, ".weight", rank, row->c, row->in[0] + row->in[1],
                        slab + row->weight, NULL);
        itd__add_tensor(f, prefix, row->name, ".bias", 1, row->c, 1, slab + row->bias, NULL);
    }
}

static int itd__tensor_order(const void *a, const void *b)
{
    const itd__tensor *x = (const itd__tensor *)a, *y = (const itd__tensor *)b;
    int order = strcmp(y->dtype, x->dtype);
    return order ? order : strcmp(x->name, y->name);
}

/* Every tensor of a model and, if asked for, its training, in the order of the file: F64, then by name. */
static itd_result itd__list_tensors(const itd_model *model, bool training, itd__file *f)
{
    ITD_ASSERT(model);
    const itd_net *net = model->net;
    const itd_gaussian *g = model->gaussian;
    size_t d = model->dim;
    f->count = 0;
    f->list = (itd__tensor *)itd__alloc(8 * net->layers + 7, 1, sizeof *f->list);
    if (!f->list) return ITD_ERROR_MEMORY;
    itd__add_tensor(f, "norm.", "mean", "", 1, d, 1, NULL, model->mean);
    itd__add_tensor(f, "norm.", "scale", "", 1, d, 1, NULL, model->scale);
    if (model->whiten) itd__add_tensor(f, "norm.", "whiten", "", 2, d, d, NULL, model->whiten);
    if (model->color) itd__add_tensor(f, "norm.", "color", "", 2, d, d, NULL, model->color);
    if (g) itd__add_tensor(f, "gaussian.", "mean", "", 1, d, 1, NULL, g->mean);
    if (g) itd__add_tensor(f, "gaussian.", "lambda", "", 1, d, 1, NULL, g->lambda);
    if (g && g->vectors) itd__add_tensor(f, "gaussian.", "vectors", "", 2, d, d, NULL, g->vectors);
    itd__add_slab(f, net, "", net->ema ? net->ema : net->w);
    if (training && net->ema) itd__add_slab(f, net, "raw.", net->w);
    if (training) itd__add_slab(f, net, "adam_m.", net->m);
    if (training) itd__add_slab(f, net, "adam_v.", net->v);
    qsort(f->list, f->count, sizeof *f->list, itd__tensor_order);
    return ITD_OK;
}

/* ---- numbers on their way between memory and file ---- */

static size_t itd__dtype_size(const char *dtype)
{
    static const char *const names[] = {"F64",  "I64",     "U64",     "C64",     "F32", "I32",
                                        "U32",  "F16",     "BF16",    "I16",     "U16", "I8",
                                        "U8",   "F8_E5M2", "F8_E4M3", "F8_E8M0", "BOOL"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(dtype, names[i])) return i < 4 ? 8 : i < 7 ? 4 : i < 11 ? 2 : 1;
    return 0;
}

/* bfloat16 is the upper half of a float; IEEE half precision is ([1024 +] fraction) 2^(exponent - 25). */
static float itd__widen(uint32_t bits, bool brain)
{
    uint32_t exponent = bits >> 10 & 31, fraction = bits & 1023, wide = bits << 16;
    float x = ldexpf((float)(exponent ? fraction + 1024 : fraction), (int)(exponent ? exponent : 1) - 25);
    if (exponent == 31) x = HUGE_VALF;
    if (bits & 0x8000) x = -x;
    if (brain) memcpy(&x, &wide, 4);
    return x;
}

/* To half precision, ties to even; infinity if |x| >= 65520. */
static uint32_t itd__narrow(float x)
{
    uint32_t bits, sign;
    memcpy(&bits, &x, 4);
    sign = bits >> 16 & 0x8000, bits &= 0x7FFFFFFF;
    if (bits >= 0x477FF000) return sign | 0x7C00;
    if (bits < 0x38800000) return sign | (uint32_t)lrintf(fabsf(x) * 16777216.0f); /* multiples of 2^-24 */
    bits += 0xFFF + (bits >> 13 & 1);
    return sign | (bits - 0x38000000) >> 13;
}

/* From this machine's order of bytes to the file's, or back: on most machines they are the same. */
static void itd__order_bytes(void *numbers, size_t n, size_t width)
{
    const uint16_t one = 1;
    unsigned char *p = (unsigned char *)numbers, first;
    memcpy(&first, &one, 1);
    for (size_t i = 0; first != 1 && i < n; i++, p += width)
        for (size_t k = 0; k < width / 2; k++) {
            unsigned char low = p[k];
            p[k] = p[width - 1 - k], p[width - 1 - k] = low;
        }
}

/* Number k of the memory of a tensor to its bytes in a file or `back`, but for their order. */
static void itd__move(itd__file *f, const itd__tensor *t, size_t k, void *bytes, size_t width, bool back)
{
    void *number = t->f64 ? (void *)&t->f64[k] : &t->f32[k];
    void *to = back ? number : bytes, *from = back ? bytes : number;
    bool finite = true;
    uint16_t half;
    if (width == 8) memcpy(to, from, 8);
    if (width == 4) memcpy(to, from, 4);
    if (width == 2 && back) {
        memcpy(&half, bytes, 2);
        t->f32[k] = itd__widen(half, *t->dtype == 'B');
    } else if (width == 2) {
        half = (uint16_t)itd__narrow(t->f32[k]);
        memcpy(bytes, &half, 2);
        finite = (half & 0x7C00) != 0x7C00;
    }
    if (back) finite = t->f64 ? fabs(t->f64[k]) <= DBL_MAX : itd__finite(t->f32[k]);
    if (!finite) f->wrong = t, f->number = t->f64 ? t->f64[k] : t->f32[k];
}

/* A tensor from memory to the file or `back`. Doubles have the same order in both. Sixteen rows of weights,
   or more, go at a time, since in memory these sixteen numbers of each column are a cache line. */
static bool itd__transfer(itd__file *f, const itd__tensor *t, bool back)
{
    size_t count = itd__tensor_count(t), total = t->f64 ? count : (size_t)t->shape[0];
    size_t columns = count / total, width = itd__dtype_size(t->dtype);
    size_t rows = itd__min(itd__max(16, 4096 / columns), total);
    char *bytes = (char *)itd__alloc(rows, columns, width);
    bool good = itd__succeeds(f, bytes ? ITD_OK : ITD_ERROR_MEMORY);
    for (size_t row = 0, n, size; good && row < total; row += n) {
        n = itd__min(rows, total - row), size = n * columns * width;
        if (back) good = itd__pass(f, bytes, size, true), itd__order_bytes(bytes, n * columns, width);
        for (size_t c = 0; good && c < columns; c++)
            for (size_t i = 0, k = itd__element(t, row * columns + c); i < n; i++, k++)
                itd__move(f, t, k, bytes + (i * columns + c) * width, width, back);
        if (!back) itd__order_bytes(bytes, n * columns, width), good = itd__pass(f, bytes, size, false);
    }
    ITD_FREE(bytes);
    return good;
}

/* ---- numbers as text ---- */

/* How many decimal digits a text begins with; 0 also if their number does not fit. */
static size_t itd__digits(const char *text, uint64_t *out)
{
    size_t n;
    for (n = 0, *out = 0; text[n] >= '0' && text[n] <= '9'; n++) {
        uint64_t digit = (uint64_t)(text[n] - '0');
        if (*out > (UINT64_MAX - digit) / 10) return 0;
        *out = *out * 10 + digit;
    }
    return n;
}

static bool itd__parse_field(const char *text, const itd__field *field, itd__state *state)
{
    char copy[80], *end;
    uint64_t whole = 0;
    size_t n = strlen(text), before = strcspn(text, ".");
    if (n == 0 || n >= 64 || strspn(text, "0123456789+-.eE") != n) return false;
    snprintf(copy, sizeof copy, "%.*s%s%s", (int)before, text, before < n ? localeconv()->decimal_point : "",
             before < n ? text + before + 1 : "");
    double value = strtod(copy, &end);
    if (*end || !itd__in_range(field, value)) return false;
    if (field->type == ITD__WHOLE && itd__digits(text, &whole) != n) return false;
    itd__set_field(state, field, value, whole);
    return true;
}

enum { ITD__SHAPE_TEXT = 8 * 21 + 3 }; /* bytes */

/* A shape as in JSON, "[3,8]". Returns the text. */
static const char *itd__print_shape(const uint64_t *shape, size_t rank, char *text)
{
    char *p = text + sprintf(text, "[");
    for (size_t k = 0; k < rank; k++) p += sprintf(p, "%s%llu", k ? "," : "", (unsigned long long)shape[k]);
    sprintf(p, "]");
    return text;
}

/* ---- writing ---- */

/* A string of JSON, without its quotes; UTF-8 stands for itself. */
static void itd__print_text(const char *text, FILE *file)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == '"' || *text == '\\')
            fprintf(file, "\\u%04x", (unsigned)(unsigned char)*text);
        else fputc(*text, file);
}

/* The length of the JSON and the JSON, padded with blanks so that the data begin at a multiple of eight. 17
   digits bring a double back exactly; the decimal point is '.' whatever the program's locale says. Returns
   where the data begin. */
static long itd__write_header(itd__file *f, const itd__state *state, const itd_note *note)
{
    char text[ITD__SHAPE_TEXT];
    uint64_t begin = 0, end, length = f->data - 8;
    uint32_t checksum = ~f->rest;
    itd__order_bytes(&length, 1, 8);
    fwrite(&length, 8, 1, f->file);
    fprintf(f->file, "{\"__metadata__\":{\"format\":\"itdiff\",\"version\":\"1\",\"crc32c\":\"%010lu\"",
            (unsigned long)checksum);
    for (const itd__field *field = itd__fields; field < itd__fields + ITD__FIELDS; field++) {
        uint64_t whole;
        double value = itd__get_field(state, field, &whole);
        if (!itd__has_field(state, field)) continue;
        snprintf(text, sizeof text, "%llu", (unsigned long long)whole);
        if (field->type == ITD__REAL) snprintf(text, sizeof text, "%.17g", value);
        const char *point = localeconv()->decimal_point; /* of one byte, or of several */
        char *at = strstr(text, point), *rest = at ? at + strlen(point) : NULL;
        if (at) *at = '.', memmove(at + 1, rest, strlen(rest) + 1);
        fprintf(f->file, ",\"%s\":\"%s\"", field->name, text);
    }
    for (; note; note = note->next) {
        fputs(",\"note.", f->file), itd__print_text(note->key, f->file);
        fputs("\":\"", f->file), itd__print_text(note->value, f->file), fputs("\"", f->file);
    }
    fputs("}", f->file);
    for (const itd__tensor *t = f->list; t < f->list + f->count; t++, begin = end) {
        end = begin + (uint64_t)itd__tensor_count(t) * itd__dtype_size(t->dtype);
        fprintf(f->file, ",\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%llu,%llu]}", t->name,
                t->dtype, itd__print_shape(t->shape, t->rank, text), (unsigned long long)begin,
                (unsigned long long)end);
    }
    fputs("}", f->file);
    long at = ftell(f->file);
    for (; at > 0 && at % 8; at++) fputc(' ', f->file);
    return at;
}

/* The header is written again at the end, when its length and the checksum are known. */
static bool itd__write_contents(itd__file *f, const itd__state *state, const itd_note *note)
{
    long data = itd__write_header(f, state, note);
    itd__checksum_begin(f);
    for (size_t i = 0; i < f->count; i++)
        if (!itd__transfer(f, &f->list[i], false)) return false;
    if (f->wrong)
        return itd__fail(f, ITD_ERROR_NUMERIC, "tensor %s: %g is too large for half precision",
                         f->wrong->name, f->number);
    if (data < 8 || fseek(f->file, 0, SEEK_SET) != 0) return false;
    f->data = (uint64_t)data;
    return itd__write_header(f, state, note) == data && !ferror(f->file) && fflush(f->file) == 0 &&
           ITD_FSYNC(f->file) == 0;
}

/* Writes under another name, has the system store it, and only then gives the file its name. */
static void itd__write(itd__file *f, const itd__state *state, const itd_note *note)
{
    size_t size = strlen(f->path) + 5;
    char *temporary = (char *)ITD_MALLOC(size);
    if (!temporary) {
        itd__succeeds(f, ITD_ERROR_MEMORY);
        return;
    }
    snprintf(temporary, size, "%s.tmp", f->path);
    f->file = fopen(temporary, "wb");
    bool opened = f->file != NULL, alone = false; /* alone: there is no other file any more */
    bool good = opened || itd__fail(f, ITD_ERROR_OPEN, "%s cannot be created", temporary);
    good = good && itd__write_contents(f, state, note);
    if (opened) good = fclose(f->file) == 0 && good;
#ifdef _WIN32
    if (good) alone = remove(f->path) == 0; /* rename does not replace there: for a moment there is no file */
#endif
    good = good && rename(temporary, f->path) == 0;
    if (!good && opened && !alone) remove(temporary);
    if (!good && alone) itd__fail(f, ITD_ERROR_WRITE, "%s cannot be renamed, and is kept", temporary);
    if (!good) itd__fail(f, ITD_ERROR_WRITE, "writing failed; what was there before is kept");
    ITD_FREE(temporary);
}

static itd_result itd__save(const itd_model *model, const itd_trainer *trainer, bool half, const char *path,
                            itd_error *error)
{
    itd__file f = ITD__ZERO;
    itd__state state = ITD__ZERO;
    ITD_ASSERT(!trainer || trainer->model == model);
    f.path = path, f.error = error, f.half = half;
    state.model = model->desc;
    state.has_unet = model->desc.unet.levels > 0;
    state.has_gaussian = model->gaussian != NULL;
    state.has_trainer = trainer != NULL;
    state.has_whiten = model->whiten != NULL, state.log_det = model->log_det, state.in_units = true;
    if (trainer) state.trainer = trainer->desc, state.step = trainer->step;
    if (itd__succeeds(&f, itd__list_tensors(model, trainer != NULL, &f)))
        itd__write(&f, &state, model->notes);
    ITD_FREE(f.list);
    return f.result;
}

ITD_DEF itd_result itd_save(const itd_model *model, const itd_trainer *trainer, const char *path,
                            itd_error *error)
{
    return itd__save(model, trainer, false, path, error);
}

ITD_DEF itd_result itd_save_half(const itd_model *model, const char *path, itd_error *error)
{
    return itd__save(model, NULL, true, path, error);
}

/* ---- the header of a file, fully validated ---- */

/* Leaves the parser at the end, where it finds nothing more. */
static const char *itd__malformed(itd__file *f, const char *what)
{
    itd__fail(f, ITD_ERROR_FORMAT, "header, byte %lu: %s", (unsigned long)(f->p - f->json) + 8, what);
    f->p = f->end;
    return "";
}

/* Steps over blanks and over this character, if it is the next. */
static bool itd__accept(itd__file *f, char c)
{
    f->p += strspn(f->p, " \t\r\n");
    if (*f->p != c) return false;
    f->p++;
    return true;
}

static void itd__expect(itd__file *f, char c)
{
    char what[] = "'.' was expected";
    what[1] = c;
    if (!itd__accept(f, c)) itd__malformed(f, what);
}

/* Whether {...} or [...] has an item number i: steps over the opening bracket or a comma before it, and over
   the closing bracket after the last. */
static bool itd__item(itd__file *f, const char *brackets, size_t i)
{
    if (i > 0 && itd__accept(f, ',')) return true;
    itd__expect(f, brackets[i > 0]);
    return i == 0 && f->result == ITD_OK && !itd__accept(f, brackets[1]);
}

/* Steps over an escape and returns its character, 0 if there is none; NUL is none, since names are C strings
   here. Those from 0x10000 on take two escapes, a high and a low surrogate. */
static uint32_t itd__unescape(itd__file *f)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    const char *simple = f->p[1] ? strchr(from, f->p[1]) : NULL;
    uint32_t code = 0, high = 0;
    if (simple) return f->p += 2, (uint32_t)into[simple - from];
    do {
        char digits[5] = "";
        if (f->p[0] != '\\' || f->p[1] != 'u' || strspn(f->p + 2, "0123456789abcdefABCDEF") < 4) return 0;
        memcpy(digits, f->p + 2, 4), f->p += 6;
        high = code, code = (uint32_t)strtoul(digits, NULL, 16);
    } while (high == 0 && code >> 10 == 0xD800 >> 10);
    if ((high > 0) != (code >> 10 == 0xDC00 >> 10)) return 0;
    return high ? 0x10000 + ((high & 0x3FF) << 10 | (code & 0x3FF)) : code;
}

/* A string, unescaped where it stands, in UTF-8: no character takes more bytes than its escape, and so its
   NUL is at its closing quote or before. */
static const char *itd__parse_string(itd__file *f)
{
    static const uint32_t lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    itd__expect(f, '"');
    const char *start = f->p;
    char *to = f->p;
    while (*f->p != '"') {
        if ((unsigned char)*f->p < 0x20) return itd__malformed(f, "a string does not end");
        if (*f->p != '\\') {
            *to++ = *f->p++;
            continue;
        }
        uint32_t code = itd__unescape(f);
        if (code == 0) return itd__malformed(f, "bad escape in a string");
        size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
        for (size_t i = n; i-- > 1; code >>= 6) to[i] = (char)(0x80 | (code & 0x3F));
        *to = (char)(lead[n] | code), to += n;
    }
    f->p++;
    *to = 0;
    return start;
}

/* Returns how many integers a list has. */
static size_t itd__parse_integers(itd__file *f, uint64_t *list, size_t max)
{
    size_t i;
    for (i = 0; itd__item(f, "[]", i); i++) {
        f->p += strspn(f->p, " \t\r\n");
        size_t digits = i < max ? itd__digits(f->p, &list[i]) : 0;
        if (digits == 0 || (digits > 1 && *f->p == '0'))
            itd__malformed(f, "an integer was expected, or fewer of them");
        else f->p += digits;
    }
    return i;
}

/* Three keys, each once, in any order; the extent in the file has to be what dtype and shape say. */
static void itd__parse_tensor(itd__file *f, itd__stored *s)
{
    size_t i, offsets = 0;
    s->rank = 9; /* more than there may be: no shape yet */
    for (i = 0; itd__item(f, "{}", i); i++) {
        const char *key = itd__parse_string(f);
        itd__expect(f, ':');
        if (!strcmp(key, "dtype")) s->dtype = itd__parse_string(f);
        else if (!strcmp(key, "shape")) s->rank = itd__parse_integers(f, s->shape, 8);
        else if (!strcmp(key, "data_offsets")) offsets = itd__parse_integers(f, s->offset, 2);
        else itd__malformed(f, "a tensor has an unknown key");
    }
    if (i != 3 || !s->dtype || s->rank > 8 || offsets != 2) {
        itd__malformed(f, "a tensor needs dtype, shape and two data_offsets, each once");
        return;
    }
    uint64_t bytes = itd__dtype_size(s->dtype);
    if (bytes == 0) itd__malformed(f, "a tensor has an unknown dtype");
    for (size_t k = 0; k < s->rank; k++) {
        if (s->shape[k] && bytes > UINT64_MAX / s->shape[k]) itd__malformed(f, "a shape is too large");
        bytes *= s->shape[k];
    }
    if (s->offset[0] > s->offset[1] || s->offset[1] - s->offset[0] != bytes)
        itd__malformed(f, "a tensor's extent is not what its shape says");
}

/* Records begin with their name. */
static int itd__by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int itd__by_offset(const void *a, const void *b)
{
    const uint64_t *x = ((const itd__stored *)a)->offset, *y = ((const itd__stored *)b)->offset;
    size_t k = x[0] == y[0];
    return x[k] < y[k] ? -1 : x[k] > y[k];
}

static void itd__sort_by_name(itd__file *f, void *list, size_t count, size_t size)
{
    const char *at = (const char *)list;
    qsort(list, count, size, itd__by_name);
    for (size_t i = 1; i < count; i++)
        if (!itd__by_name(at + (i - 1) * size, at + i * size)) itd__malformed(f, "a name stands twice");
}

/* Every name once; tensors without holes, overlaps and anything behind the last. They end in this order. */
static bool itd__parse_header(itd__file *f)
{
    bool has_metadata = false;
    uint64_t at = 0;
    f->p = f->json;
    if (*f->json != '{') itd__malformed(f, "no JSON object");
    if (!itd__utf8(f->json)) itd__malformed(f, "not UTF-8");
    for (size_t i = 0; itd__item(f, "{}", i); i++) {
        const char *name = itd__parse_string(f);
        itd__expect(f, ':');
        if (strcmp(name, "__metadata__")) {
            itd__stored *s = &f->stored[f->tensors++];
            s->name = name;
            itd__parse_tensor(f, s);
            continue;
        }
        if (has_metadata) itd__malformed(f, "a name stands twice");
        has_metadata = true;
        for (size_t k = 0; itd__item(f, "{}", k); k++, f->pairs++) {
            itd__pair *pair = --f->metadata;
            pair->name = itd__parse_string(f);
            itd__expect(f, ':');
            pair->value = itd__parse_string(f);
        }
    }
    f->p += strspn(f->p, " \t\r\n");
    if (f->p != f->end) itd__malformed(f, "something follows the header");
    if (f->result != ITD_OK) return false;
    itd__sort_by_name(f, f->metadata, f->pairs, sizeof *f->metadata);
    itd__sort_by_name(f, f->stored, f->tensors, sizeof *f->stored);
    qsort(f->stored, f->tensors, sizeof *f->stored, itd__by_offset);
    for (size_t i = 0; i < f->tensors; at = f->stored[i++].offset[1])
        if (f->stored[i].offset[0] != at) itd__malformed(f, "tensors do not follow each other without holes");
    if (at != f->size - f->data) itd__malformed(f, "the data are not as long as their tensors");
    return f->result == ITD_OK;
}

/* Opens any safetensors file and validates all of its structure. Call itd__close whatever the result. */
static bool itd__open(itd__file *f, const char *path, itd_error *error)
{
    uint64_t n = UINT64_MAX;
    f->path = path, f->error = error, f->crc = UINT64_MAX;
    f->file = fopen(path, "rb");
    if (!f->file) return itd__fail(f, ITD_ERROR_OPEN, "cannot be opened");
    long size = fseek(f->file, 0, SEEK_END) == 0 ? ftell(f->file) : -1;
    if (size < 0 || fseek(f->file, 0, SEEK_SET) != 0)
        return itd__fail(f, ITD_ERROR_READ, "its size cannot be determined");
    if (size >= 8 && !itd__pass(f, &n, 8, true)) return false;
    itd__order_bytes(&n, 1, 8);
    if (n > 100000000 || n > (uint64_t)size - 8)
        return itd__fail(f, ITD_ERROR_FORMAT, "%ld bytes, too few for its header, or not safetensors", size);
    f->size = (uint64_t)size, f->data = 8 + n;
    /* One block has both tables and then the JSON: tensors from its front, metadata backwards from the JSON.
       No byte of that belongs to two records. A tensor has at least 47 bytes of it and takes at most 112 of
       the tables, a pair of metadata at least 5 and at most 16: 16 for every 5 are enough for all. 128 more
       are for one of each that has only begun when parsing ends early, 16 for what the division drops. */
    size_t tables = ((size_t)n / 5 + 9) * 16;
    f->stored = (itd__stored *)itd__alloc(tables + (size_t)n + 1, 1, 1);
    if (!f->stored) return itd__succeeds(f, ITD_ERROR_MEMORY);
    f->json = (char *)f->stored + tables, f->end = f->json + n;
    f->metadata = (itd__pair *)(void *)f->json;
    if (!itd__pass(f, f->json, (size_t)n, true)) return false;
    itd__checksum_begin(f);
    return itd__parse_header(f);
}

static void itd__close(itd__file *f)
{
    if (f->file) fclose(f->file);
    ITD_FREE(f->stored), ITD_FREE(f->list);
}

/* ---- metadata and tensors of a checkpoint ---- */

static const char *itd__metadata(const itd__file *f, const char *key)
{
    const void *pair = bsearch(&key, f->metadata, f->pairs, sizeof *f->metadata, itd__by_name);
    return pair ? ((const itd__pair *)pair)->value : NULL;
}

/* Format and version; the checksum, which is compared when the data have been read; every field. */
static bool itd__read_state(itd__file *f, itd__state *state)
{
    static const char *const expected[][2] = {{"format", "itdiff"}, {"version", "1"}};
    for (size_t k = 0; k < 2; k++) {
        const char *found = itd__metadata(f, expected[k][0]);
        if (!found || strcmp(found, expected[k][1]))
            return itd__fail(f, ITD_ERROR_MISMATCH,
                             "metadata %s: \"%s\" expected, \"%.20s\" found (this is itdiff.h %s)",
                             expected[k][0], expected[k][1], found ? found : "", ITDIFF_VERSION);
    }
    const char *crc = itd__metadata(f, "crc32c");
    size_t digits = crc ? itd__digits(crc, &f->crc) : 0;
    if (digits == 0 || crc[digits] || f->crc > UINT32_MAX)
        return itd__fail(f, crc ? ITD_ERROR_FORMAT : ITD_ERROR_MISMATCH,
                         "metadata crc32c: a number of 32 bits expected, \"%.20s\" found", crc ? crc : "");
    for (const itd__field *field = itd__fields; field < itd__fields + ITD__FIELDS; field++) {
        const char *text = itd__metadata(f, field->name);
        if (!text && field->absent >= 0) itd__set_field(state, field, field->absent, (uint64_t)field->absent);
        else if (itd__has_field(state, field) && !(text && itd__parse_field(text, field, state)))
            return itd__fail(f, ITD_ERROR_MISMATCH, "metadata %s, \"%.20s\" found", field->problem,
                             text ? text : "");
    }
    const char *problem = itd_model_problem(&state->model, state->has_trainer ? &state->trainer : NULL);
    if (!problem && state->has_trainer && state->step > (UINT64_MAX >> 12) / state->trainer.batch)
        problem = "trainer.step: too large for this batch";
    if (!problem && state->has_whiten && !itd__metadata(f, "log_det")) problem = "log_det is missing";
    return !problem || itd__fail(f, ITD_ERROR_MISMATCH, "metadata %s", problem);
}

/* The tensor that the file has under this name, behind the prefix, or NULL. Other programs may spell parts of
   the name in their own way. */
static itd__stored *itd__find_stored(const itd__file *f, const char *prefix, const char *name)
{
    static const char *const spelling[][2] = {{"", ""},
                                              {"to_q.", "query."},
                                              {"to_k.", "key."},
                                              {"to_v.", "value."},
                                              {"to_out.0.", "proj_attn."},
                                              {"downsamplers.0.conv.", "downsamplers.0.Conv2d_0."}};
    char text[128];
    for (size_t k = 0; k < sizeof spelling / sizeof *spelling; k++) {
        const char *ours = spelling[k][0], *theirs = spelling[k][1], *at = strstr(name, ours);
        if (!at) continue;
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - name), name, theirs, at + strlen(ours));
        for (itd__stored *s = f->stored; s < f->stored + f->tensors; s++)
            if (itd__begins(s->name, prefix) && !strcmp(s->name + strlen(prefix), text)) return s;
    }
    return NULL;
}

/* Pairs each tensor of the list with one of the file that fits; 1x1 convolutions have rank 2 or 4.
   Others may be left there if they are of training and only the model is wanted; of another network, whose
   names do not begin with the prefix; or second spellings, which diffusers writes. */
static bool itd__match(itd__file *f, const char *prefix)
{
    char expected[ITD__SHAPE_TEXT], found[ITD__SHAPE_TEXT];
    for (itd__tensor *t = f->list; t < f->list + f->count; t++) {
        itd__stored *s = itd__find_stored(f, prefix, t->name);
        const char *dtypes = t->f64 ? "F64" : "F32, F16 or BF16";
        if (!s) return itd__fail(f, ITD_ERROR_MISMATCH, "tensor %s%s is missing", prefix, t->name);
        bool fits = strstr(dtypes, s->dtype) && (s->rank == t->rank || (s->rank == 4 && t->rank == 2));
        for (size_t k = 0; fits && k < s->rank; k++) fits = s->shape[k] == t->shape[k];
        if (!fits)
            return itd__fail(f, ITD_ERROR_MISMATCH, "tensor %s: %s of shape %s expected, %s of %s found",
                             s->name, dtypes, itd__print_shape(t->shape, t->rank, expected), s->dtype,
                             itd__print_shape(s->shape, s->rank, found));
        s->memory = t, t->dtype = s->dtype;
    }
    for (const itd__stored *s = f->stored; s < f->stored + f->tensors; s++) {
        bool training = itd__begins(s->name, "raw.") || itd__begins(s->name, "adam_m.") ||
                        itd__begins(s->name, "adam_v.");
        if (!s->memory && !(training && f->skips_training) && itd__begins(s->name, prefix) &&
            !strstr(s->name, ".Conv2d_0."))
            return itd__fail(f, ITD_ERROR_MISMATCH, "tensor %s does not belong to this network", s->name);
    }
    return true;
}

/* All of the data, in one pass: what is skipped counts for the checksum. */
static bool itd__read_data(itd__file *f)
{
    unsigned char skipped[4096];
    for (const itd__stored *s = f->stored; s < f->stored + f->tensors; s++) {
        uint64_t left = s->memory ? 0 : s->offset[1] - s->offset[0];
        if (s->memory && !itd__transfer(f, s->memory, true)) return false;
        for (size_t n; left; left -= n) {
            n = left < sizeof skipped ? (size_t)left : sizeof skipped;
            if (!itd__pass(f, skipped, n, true)) return false;
        }
    }
    unsigned long crc = (uint32_t)~f->rest, expected = (unsigned long)f->crc;
    if (f->crc <= UINT32_MAX && crc != expected)
        return itd__fail(f, ITD_ERROR_CHECKSUM, "CRC-32C: %lu expected, %lu found", expected, crc);
    return !f->wrong ||
           itd__fail(f, ITD_ERROR_MISMATCH, "tensor %s holds a number that is not finite", f->wrong->name);
}

/* ---- a model from a file ---- */

/* Whether the file is long enough for what it describes, before memory is allocated by the description: each
   parameter is F16 at least, with training three times; mean and scale are F64; each direction has two
   weights. */
static bool itd__check_size(itd__file *f, const itd__state *state)
{
    const itd_mlp_desc *mlp = &state->model.mlp;
    itd_net net = ITD__ZERO;
    bool enough = state->has_unet || (mlp->directions <= f->size / 4 && mlp->dim <= f->size / 16);
    itd_result result = enough ? itd__plan(&net, mlp, &state->model.unet) : ITD_OK;
    ITD_FREE(net.layer), ITD_FREE(net.frequency);
    if (!itd__succeeds(f, result)) return false;
    enough = enough && net.parameters <= f->size / (state->has_trainer ? 6 : 2) && net.dim <= f->size / 16;
    if (!enough) return itd__fail(f, ITD_ERROR_MISMATCH, "too short for the network it describes");
    return !state->has_whiten || (net.dim <= ITD__FULL_GAUSSIAN && state->model.normalize) ||
           itd__fail(f, ITD_ERROR_MISMATCH, "a map of %lu dimensions, which no model has",
                     (unsigned long)net.dim);
}

/* What the metadata describe: the model; its notes, each of which goes to the front of their list; perhaps a
   trainer. Numbers in tensors are still missing. */
static bool itd__rebuild(itd__file *f, const itd__state *state, itd_model **out, itd_trainer **trainer)
{
    if (!itd__succeeds(f, itd__model_create(&state->model, NULL, out))) return false;
    itd_model *model = *out;
    size_t d = model->dim;
    if (state->has_gaussian) model->gaussian = itd__gaussian_alloc(d, d > ITD__FULL_GAUSSIAN);
    if (state->has_whiten) model->whiten = itd__doubles(d, d), model->color = itd__doubles(d, d);
    bool complete = (model->gaussian || !state->has_gaussian) &&
                    ((model->whiten && model->color) || !state->has_whiten);
    itd_result result = complete ? ITD_OK : ITD_ERROR_MEMORY;
    for (size_t i = f->pairs; result == ITD_OK && i-- > 0;)
        if (itd__begins(f->metadata[i].name, "note."))
            result = itd_model_set_note(model, f->metadata[i].name + 5, f->metadata[i].value);
    if (result == ITD_OK && state->has_trainer && !f->skips_training)
        result = itd_trainer_create(model, &state->trainer, trainer);
    if (*trainer) (*trainer)->step = state->step;
    return itd__succeeds(f, result);
}

/* A Gaussian of the coordinates (x - mean) / scale, as version 0.1.0 kept it, in the caller's units. */
static itd_result itd__gaussian_to_units(const itd_model *model, itd_gaussian **g)
{
    size_t d = model->dim;
    itd_gaussian *old = *g;
    for (size_t j = 0; j < d; j++) {
        old->mean[j] = model->mean[j] + model->scale[j] * old->mean[j];
        if (!old->vectors) old->lambda[j] *= model->scale[j] * model->scale[j];
        if (!(fabs(old->mean[j]) <= DBL_MAX && old->lambda[j] > 0 && old->lambda[j] <= DBL_MAX))
            return ITD_ERROR_DATA;
    }
    if (!old->vectors) return ITD_OK;
    double *color = itd__doubles(d, d);
    for (size_t i = 0; color && i < d; i++)
        for (size_t j = 0; j < d; j++)
            color[i * d + j] = model->scale[i] * sqrt(old->lambda[j]) * old->vectors[j * d + i];
    itd_result result = color ? itd__mapped_gaussian(d, old->mean, color, g) : ITD_ERROR_MEMORY;
    if (result == ITD_OK) itd_gaussian_free(old);
    ITD_FREE(color);
    return result;
}

/* What the tensors have to be to each other; then what follows from them. */
static bool itd__complete(itd__file *f, const itd__state *state, itd_model *model)
{
    size_t d = model->dim;
    const double *scale = model->scale, *lambda = model->gaussian ? model->gaussian->lambda : scale;
    for (size_t j = 0; j < d; j++)
        if (!(scale[j] > 0 && lambda[j] > 0))
            return itd__fail(f, ITD_ERROR_MISMATCH, "norm.scale or gaussian.lambda: %g is not positive",
                             fmin(scale[j], lambda[j]));
    for (size_t i = 0; model->whiten && i < d; i++)
        for (size_t j = 0; j < d; j++) {
            double sum = 0;
            for (size_t k = 0; k < d; k++) sum += model->whiten[i * d + k] * model->color[k * d + j];
            if (!(fabs(sum - (i == j)) < 1e-6))
                return itd__fail(f, ITD_ERROR_MISMATCH, "norm.whiten, norm.color: not each other's inverse");
        }
    for (size_t j = 0; j < d && !state->model.normalize; j++)
        if (model->mean[j] < 0 || model->mean[j] > 0 || scale[j] < 1 || scale[j] > 1)
            return itd__fail(f, ITD_ERROR_MISMATCH, "norm.mean, norm.scale: not normalized, but not 0 and 1");
    model->log_det = model->whiten ? state->log_det : itd__add_logs(0, model->scale, d);
    if (!model->gaussian || state->in_units) return true;
    itd_result result = itd__gaussian_to_units(model, &model->gaussian);
    return result == ITD_ERROR_DATA ? itd__fail(f, ITD_ERROR_MISMATCH, "gaussian: not finite in units of x")
                                    : itd__succeeds(f, result);
}

ITD_DEF itd_result itd_load(const char *path, itd_model **out_model, itd_trainer **out_trainer,
                            itd_error *error)
{
    itd__file f = ITD__ZERO;
    itd__state state = ITD__ZERO;
    itd_model *model = NULL;
    itd_trainer *trainer = NULL;
    bool good = itd__open(&f, path, error) && itd__read_state(&f, &state) &&
                (state.has_trainer || !out_trainer ||
                 itd__fail(&f, ITD_ERROR_MISMATCH, "holds no state of training"));
    f.skips_training = state.has_trainer && !out_trainer;
    good = good && itd__check_size(&f, &state) && itd__rebuild(&f, &state, &model, &trainer) &&
           itd__succeeds(&f, itd__list_tensors(model, trainer != NULL, &f)) && itd__match(&f, "") &&
           itd__read_data(&f) && itd__complete(&f, &state, model);
    itd__close(&f);
    if (good) *out_model = model;
    if (good && out_trainer) *out_trainer = trainer;
    if (!good) itd_trainer_free(trainer), itd_model_free(model);
    return f.result;
}

ITD_DEF itd_result itd_load_weights(itd_model *model, const char *path, const char *prefix, itd_error *error)
{
    itd_net *net = model->net;
    itd__file f = ITD__ZERO;
    size_t bytes = net->parameters * sizeof(float);
    float *weights = itd__floats(net->parameters, 1); /* the model keeps its own until all are read */
    f.list = (itd__tensor *)itd__alloc(net->layers, 2, sizeof *f.list);
    bool good = itd__open(&f, path, error) &&
                itd__succeeds(&f, weights && f.list ? ITD_OK : ITD_ERROR_MEMORY);
    if (good) itd__add_slab(&f, net, "", weights);
    if (good && itd__match(&f, prefix) && itd__read_data(&f)) {
        memcpy(net->w, weights, bytes);
        if (net->ema) memcpy(net->ema, weights, bytes);
        net->taps_of = NULL;
    }
    ITD_FREE(weights);
    itd__close(&f);
    return f.result;
}

#endif /* ITDIFF_NO_STDIO */

#ifdef ITD__PRECISE
#ifdef __clang__
#pragma float_control(pop)
#else
#pragma GCC pop_options
#endif
#endif
#endif /* ITD__AFTER_KERNELS */

/* >>licence -------------------------------------------------------------------------------------------------

   Choose: 1. MIT: the file LICENSE, or https://opensource.org/license/mit. 2. Public domain: this is free
   and unencumbered software released into the public domain. Anyone is free to copy, modify, publish, use,
   compile, sell, or distribute it, in source form or as a binary, for any purpose, commercial or not, and by
   any means. THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND. */
