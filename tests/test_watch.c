/* Tests of examples/support/watch.h with a denoiser whose samples are known: its guess is z itself. */
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "../examples/support/must.h"
#include "../examples/support/watch.h"
#include "test.h"

static itd_result all_noise(void *ctx, const float *z, const float *logsnr, size_t n, float *eps_hat)
{
    (void)ctx, (void)logsnr;
    memcpy(eps_hat, z, 2 * n * sizeof *z);
    return ITD_OK;
}

static const double mean[2] = {10, 20}, scale[2] = {2, 3};

/* Watching changes no sample, and frame k is what the sampler has at call ceil(k calls / frames). */
static void frames_are_the_sampler_s(void)
{
    enum { N = 11, STEPS = 10, FRAMES = 4, ROWS = 5 };
    static const size_t calls[FRAMES] = {0, 3, 5, 8};
    itd_denoiser plain = {NULL, 2, all_noise, mean, scale, NULL, NULL, 0}, den;
    itd_sample_desc d = itd_sample_desc_default();
    float x[2 * N], y[2 * N], logsnr[FRAMES];
    watched w;
    d.steps = STEPS, d.batch = 8;
    den = watched_denoiser(&w, plain, ROWS, d.batch, d.steps, FRAMES);
    CHECK(w.frames == FRAMES && w.rows == ROWS);
    CHECK_OK(itd_sample(&plain, &d, N, x));
    CHECK_OK(itd_sample(&den, &d, N, y));
    CHECK(!memcmp(x, y, sizeof x));
    for (size_t k = 0; k < FRAMES; k++) {
        const itd_schedule *s = &d.schedule;
        logsnr[k] = (float)(s->loc + s->scale * s->clip * (2.0 * (double)calls[k] / (STEPS - 1) - 1));
        CHECK_CLOSE(w.logsnr[k], logsnr[k], 1e-5);
    }
    for (size_t i = 0; i < 2 * ROWS;
         i++) { /* a step takes z to f z, as x_hat = z (1 - sqrt(s(-a))) / sqrt(s(a)) */
        double z = ((double)w.z[i] - mean[i % 2]) / scale[i % 2], a = (double)logsnr[0];
        double b = a + 2 * d.schedule.scale * d.schedule.clip / (STEPS - 1);
        for (int call = 0; call < 3; call++, a = b, b += 2 * d.schedule.scale * d.schedule.clip / (STEPS - 1))
            z *= sqrt(itd_sigmoid(b)) * (1 - sqrt(itd_sigmoid(-a))) / sqrt(itd_sigmoid(a)) +
                 sqrt(itd_sigmoid(-b));
        CHECK_CLOSE(w.z[2 * ROWS + i], mean[i % 2] + scale[i % 2] * z, 1e-4);
    }
    watched_free(&w);
}

/* No more frames than calls, no more rows than a batch; data without mean and scale. */
static void few_calls(void)
{
    itd_denoiser plain = {NULL, 2, all_noise, NULL, NULL, NULL, NULL, 0}, den;
    itd_sample_desc d = itd_sample_desc_default();
    float x[2 * 6];
    watched w;
    d.steps = 2, d.batch = 4;
    den = watched_denoiser(&w, plain, 6, d.batch, d.steps, 30);
    CHECK(w.frames == 2 && w.rows == 4);
    CHECK_OK(itd_sample(&den, &d, 6, x));
    CHECK(w.passed == 2);
    CHECK(w.logsnr[0] < w.logsnr[1]);
    watched_free(&w);
}

int main(void)
{
    RUN(frames_are_the_sampler_s);
    RUN(few_calls);
    return test_report();
}
