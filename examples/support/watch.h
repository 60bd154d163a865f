/* watch.h: sampling as it happens. A denoiser that passes every call on to another and keeps some of the
 * noisy samples z the sampler shows it, in the units of the data; the samples themselves, which follow the
 * last call, are the caller's. Include the implementation of itdiff.h and must.h before this file. */
#ifndef WATCH_H
#define WATCH_H

typedef struct watched {
    itd_denoiser inner;
    size_t rows, calls, frames; /* samples kept, the first ones; calls each of them takes; calls kept */
    size_t passed;              /* calls so far, of the first batch */
    float *z, *logsnr;          /* (frames,rows,dim), (frames) */
} watched;

/* Of the calls 0, 1, ... those at which call * frames / calls, rounded down, comes to a new number: the
   frame. */
static inline void watched_keep(watched *w, size_t call, const float *z, float logsnr)
{
    size_t d = w->inner.dim, k = call * w->frames / w->calls;
    if (call * w->frames % w->calls >= w->frames) return;
    w->logsnr[k] = logsnr;
    itd_from_coordinates(&w->inner, z, w->rows, w->z + k * w->rows * d);
}

static inline itd_result watched_predict(void *ctx, const float *z, const float *logsnr, size_t n,
                                         float *eps_hat)
{
    watched *w = (watched *)ctx;
    if (w->passed < w->calls) watched_keep(w, w->passed++, z, *logsnr); /* of the first batch */
    return w->inner.predict(w->inner.ctx, z, logsnr, n, eps_hat);
}

/* The denoiser to sample with. The sampler takes `batch` samples at a time, in `calls` calls. */
static inline itd_denoiser watched_denoiser(watched *w, itd_denoiser inner, size_t rows, size_t batch,
                                            size_t calls, size_t frames)
{
    itd_denoiser outer = inner;
    w->inner = inner;
    w->rows = rows < batch ? rows : batch;
    w->calls = calls;
    w->frames = frames < calls ? frames : calls;
    w->passed = 0;
    w->z = (float *)must_alloc(w->frames * w->rows, inner.dim * sizeof *w->z);
    w->logsnr = (float *)must_alloc(w->frames, sizeof *w->logsnr);
    outer.ctx = w;
    outer.predict = watched_predict;
    return outer;
}

static inline void watched_free(watched *w) { free(w->z), free(w->logsnr); }

#endif
