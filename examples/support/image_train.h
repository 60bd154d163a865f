/* image_train.h: trains the model of a run: by the clock or by passes over the images, with a line of
 * progress, metrics.tsv and events for TensorBoard, checkpoints, and an end when the user asks for it.
 *
 *     train_run(&run);
 *     if (stop_asked()) ...                           by Ctrl-C or kill; everything is saved
 *
 * Include progress.h first of all, and the implementation of itdiff.h before this file. */
#ifndef IMAGE_TRAIN_H
#define IMAGE_TRAIN_H

#include "grid.h"
#include "image_run.h"
#include "stop.h"

/* ---- the new model ---- */

/* The Gaussian of n training images. Where all of them are the same one, only their rounding varies: as much
 * noise gives them a density. */
static inline void train_fit(image_run *r, float *x /* (n,dim) */, size_t n)
{
    itd_result result = itd_model_fit(r->model, x, n);
    if (result == ITD_ERROR_DATA) {
        grid g = {-1, 1, r->scale.levels ? r->scale.levels : 256};
        if (!r->o->silent) warn("%s: the training images are all the same", r->o->data);
        grid_dequantize(&g, r->o->seed, x, n, r->model->dim, x);
        result = itd_model_fit(r->model, x, n);
    }
    must(result, "fitting the Gaussian");
}

/* A network with its trainer, as the options have it; the Gaussian is that of some training images. */
static inline void train_create(image_run *r, const itd_model_desc *desc)
{
    enum { FIT = 10000 };
    const image_options *o = r->o;
    itd_trainer_desc td = itd_trainer_desc_default();
    size_t full = shape_full_dim(&r->shape), n = run_enough(r->n_train < FIT ? r->n_train : FIT, full);
    float *x = (float *)must_alloc(n, full * sizeof *x), *image = (float *)must_alloc(r->dim, sizeof *image);
    td.batch = o->batch, td.micro_batch = o->rows, td.seed = o->seed, td.learning_rate = o->learning_rate;
    td.warmup = o->warmup, td.ema = o->ema, td.clip_norm = o->clip_norm, td.weight_limit = o->weight_limit;
    if (o->epochs) td.steps = run_steps(r, &td);
    r->model = must_create(desc, &td, o->seed);
    for (size_t i = 0; i < n; i++) {
        run_training_image(r, i, 0, image);
        shape_pad(&r->shape, image, x + i * full);
    }
    train_fit(r, x, n);
    must(itd_trainer_create(r->model, &td, &r->trainer), "preparing the training");
    run_set_note(r), run_set_option_notes(r), run_set_length_note(r);
    free(x), free(image);
}

static inline void train_say_plan(const image_run *r)
{
    const itd_net *net = r->model->net;
    const image_shape *s = &r->shape;
    const itd_unet_desc *d = &r->model->desc.unet;
    const itd_schedule *q = &r->model->desc.schedule;
    char features[100];
    size_t batch = r->trainer->desc.batch, micro_batch = r->trainer->desc.micro_batch;
    size_t memory = itd_net_memory(net, micro_batch ? micro_batch : batch, true);
    if (r->o->quiet) return;
    printf("%s: %lu training and %lu test images of %lu x %lu x %lu; kernels %s\n",
           r->sample ? "synthetic fields" : r->o->data, (unsigned long)r->n_train, (unsigned long)r->n_test,
           (unsigned long)s->height, (unsigned long)s->width, (unsigned long)s->channels, itd_simd_name());
    if (r->scale.levels)
        printf("%lu values from %g to %g", (unsigned long)r->scale.levels, r->scale.low, r->scale.high);
    else printf("any values from %g to %g", r->scale.low, r->scale.high);
    printf("; log SNRs around %.2f, scale %.2f\n", q->loc, q->scale);
    if (shape_is_padded(s))
        printf(
            "padded to %lu x %lu, so that %lu levels divide it; likelihoods are those of the true pixels\n",
            (unsigned long)s->full_height, (unsigned long)s->full_width, (unsigned long)d->levels);
    printf("U-Net of %lu parameters (%s); about %.0f MB to train in batches of %lu\n",
           (unsigned long)itd_net_parameters(net), plan_print_features(d, features, sizeof features),
           (double)memory / 1e6, (unsigned long)batch);
    fflush(stdout);
}

/* ---- estimates on the way ---- */

/* Rows that a forward pass takes in so many seconds, by the speed of the training, whose steps cost three. */
static inline double train_rows_in(const image_run *r, double seconds)
{
    return r->own_seconds > 0 ? 2.5 * seconds * (double)r->own_images / r->own_seconds : HUGE_VAL;
}

/* What follows a training by the clock takes as long as the training itself, a minute at most, or a tenth of
 * its time. Without a clock there is no limit, and no result depends on one. */
static inline double train_seconds_after(const image_run *r)
{
    double own = r->own_seconds;
    return r->o->hours > 0 ? fmax(own / 10, fmin(own, 60)) : HUGE_VAL;
}

/* As the original computes it, with its schedule, no rounding and no clamping, but with less noise: what all
 * images have in common is integrated without any. */
static inline itd_nll_result train_validate(image_run *r, size_t images, size_t draws)
{
    itd_denoiser den = run_denoiser(r, 0);
    itd_nll_desc d = itd_nll_desc_default();
    itd_nll_result result;
    itd_draws *table;
    size_t column = 0;
    d.schedule = r->model->desc.schedule;
    d.draws = draws, d.batch = r->o->eval_batch, d.seed = r->o->seed;
    if (!shape_is_padded(&r->shape)) d.reference = r->model->gaussian;
    must(itd_measure(&den, 1, r->test, images < r->n_test ? images : r->n_test, &d, &table),
         "estimating the likelihood");
    must(grid_nll(table, NULL, 32, &column, 1, &result, NULL, NULL), "adding up the likelihood");
    itd_draws_free(table);
    return result;
}

/* ---- metrics ---- */

enum { M_STEP, M_IMAGES, M_LOSS, M_NLL, M_ERROR, M_RATE, M_SECONDS, METRICS };

/* One row of metrics.tsv; NaN where nothing was estimated. */
static inline int train_parse_metrics(const char *line, double row[METRICS])
{
    return sscanf(line, "%lf %lf %lf %lf %lf %lf %lf", &row[M_STEP], &row[M_IMAGES], &row[M_LOSS],
                  &row[M_NLL], &row[M_ERROR], &row[M_RATE], &row[M_SECONDS]) == METRICS;
}

/* Watching must not end what is watched. */
static inline void train_check_events(image_run *r)
{
    if (!tfevents_lost(&r->events)) return;
    progress_clear(&r->bar);
    warn("%s: cannot be written; the run goes on without it", r->events.path);
}

/* Whether an earlier run left any rows: one that ended before its first save did not. */
static inline int train_has_metrics(const image_run *r)
{
    char line[2048];
    double row[METRICS];
    FILE *file = folder_rows(r->folder, "metrics.tsv");
    int found = 0;
    while (file && !found && fgets(line, sizeof line, file)) found = train_parse_metrics(line, row);
    folder_rows_end(file, r->folder, "metrics.tsv");
    return found;
}

/* The rows of an earlier run up to the step of the checkpoint stay, and the commands that made them. */
static inline void train_open_metrics(image_run *r)
{
    static char rows[1 << 20], line[2048];
    FILE *file = r->o->resume ? folder_rows(r->folder, "metrics.tsv") : NULL;
    size_t used = 0;
    double row[METRICS];
    while (file && fgets(line, sizeof line, file)) {
        int numbers = train_parse_metrics(line, row);
        if (!numbers && *line != '#') continue;
        if ((numbers && row[M_STEP] > (double)r->trainer->step) || used + strlen(line) + 1 > sizeof rows)
            break;
        memcpy(rows + used, line, strlen(line) + 1);
        used += strlen(line);
        if (!numbers) continue;
        r->seconds = row[M_SECONDS], r->recent = row[M_LOSS];
        if (row[M_NLL] < r->best) r->best = row[M_NLL];
    }
    folder_rows_end(file, r->folder, "metrics.tsv");
    r->seconds = fmax(r->seconds, r->noted_seconds);
    r->recorded = r->seconds, r->recorded_step = r->trainer->step;
    if (r->workers.rank > 0) return;
    folder_lock(r->folder);
    if (r->anew && train_has_metrics(r)) folder_put_aside(r->folder, "metrics.tsv");
    r->metrics = folder_rows_begin(r->folder, "metrics.tsv");
    fprintf(r->metrics, "step\timages\ttrain_loss\tval_nll\tval_stderr\tlearning_rate\tseconds\n%s# %s\n",
            rows, r->command);
    r->metrics = folder_rows_go_on(r->metrics, r->folder, "metrics.tsv");
    tfevents_open(&r->events, r->folder, r->o->resume ? r->trainer->step + 1 : 0);
    train_check_events(r);
}

static inline void train_record_events(image_run *r, double nll)
{
    uint64_t step = r->trainer->step, images = (step - r->recorded_step) * r->trainer->desc.batch;
    double seconds = r->seconds - r->recorded;
    if (nll <= DBL_MAX) tfevents_scalar(&r->events, step, "val_loss", nll);
    if (images > 0) { /* else they are there already */
        tfevents_scalar(&r->events, step, "train_loss", r->recent);
        tfevents_scalar(&r->events, step, "learning_rate", r->trainer->learning_rate);
        if (seconds > 0) tfevents_scalar(&r->events, step, "images_per_second", (double)images / seconds);
    }
    r->recorded = r->seconds, r->recorded_step = step;
    train_check_events(r);
}

static inline void train_record(image_run *r, double nll, double error)
{
    train_record_events(r, nll);
    fprintf(r->metrics, "%lu\t%lu\t%.3f\t%.3f\t%.3f\t%.6g\t%.1f\n", (unsigned long)r->trainer->step,
            (unsigned long)(r->trainer->step * r->trainer->desc.batch), r->recent, nll, error,
            r->trainer->learning_rate, r->seconds);
    fflush(r->metrics);
}

/* On the way a failure does not end the training: a disk may have room again. */
static inline int train_save(image_run *r, const char *file)
{
    itd_error error;
    if (run_save(r, file, &error)) return 1;
    progress_clear(&r->bar);
    warn("%s; the training goes on", error.text);
    return 0;
}

/* On 1,000 images or, at the end of a short training, on as many as its time allows: fewer are others, and
 * say nothing of what is the best. It is saved before it is recorded: what is recorded, a training that is
 * resumed takes for saved. */
static inline void train_estimate(image_run *r, double seconds)
{
    enum { IMAGES = 1000, DRAWS = 4 };
    size_t images = r->n_test < IMAGES ? r->n_test : IMAGES;
    double affordable = fmax(train_rows_in(r, seconds) / DRAWS, 16);
    itd_nll_result v = train_validate(r, affordable < (double)images ? (size_t)affordable : images, DRAWS);
    if (v.nll < r->best && (affordable >= (double)images || r->best > DBL_MAX)) {
        r->best_lost = !train_save(r, "best.safetensors");
        if (!r->best_lost) r->best = v.nll;
    }
    train_record(r, v.nll, v.std_error);
}

/* ---- steps ---- */

/* Flips have a stream of random numbers of their own. */
static inline void train_gather(image_run *r, size_t *index, float *image, float *batch)
{
    size_t n = r->trainer->desc.batch;
    itd_rng rng = itd_rng_make(r->o->seed ^ 0x666c6970, r->trainer->step);
    if (r->sample) /* new ones in every step */
        for (size_t i = 0; i < n; i++) index[i] = (size_t)r->trainer->step * n + i;
    else must(itd_train_indices(r->trainer, r->n_train, index), "ordering the data");
    for (size_t i = 0; i < n; i++) {
        run_training_image(r, index[i], r->o->flips && itd_rng_below(&rng, 2), image);
        shape_pad(&r->shape, image, batch + i * shape_full_dim(&r->shape));
    }
}

/* Steps in all the passes over the data that were asked for. */
static inline uint64_t train_steps_asked(const image_run *r)
{
    return r->o->epochs ? run_steps(r, &r->trainer->desc) : UINT64_MAX;
}

/* With a time the learning rate follows the clock: `steps` is where the cosine would end at this pace. */
static inline void train_pace(image_run *r)
{
    double part = r->seconds / (3600 * r->o->hours);
    uint64_t step = r->trainer->step, warmup = r->trainer->desc.warmup, max_steps = train_steps_asked(r), end;
    if (r->o->hours <= 0) return;
    end = step <= warmup || part <= 0 ? 0 : warmup + 1 + (uint64_t)((double)(step - warmup) / part);
    r->trainer->desc.steps = end < max_steps ? end : max_steps;
}

/* Whether there is more to train; workers agree on the time, and stop together. */
static inline int train_goes_on(image_run *r)
{
    double state[2];
    state[0] = r->seconds, state[1] = stop_was_asked;
    workers_agree(state, 2);
    r->seconds = state[0];
    if (state[1] > 0) stop_was_asked = 1;
    if (stop_asked()) return 0;
    if (r->o->hours <= 0) return r->trainer->step < r->trainer->desc.steps;
    return r->seconds < 3600 * r->o->hours && r->trainer->step < train_steps_asked(r);
}

/* What a border that is known perfectly adds to the loss: its error is zero. */
static inline double train_border_loss(const image_run *r)
{
    const itd_schedule *s = &r->model->desc.schedule;
    double low = s->loc - s->clip * s->scale, high = s->loc + s->clip * s->scale;
    double known = (double)(shape_full_dim(&r->shape) - r->dim); /* numbers */
    double integral = fmax(high, 0) + log1p(exp(-fabs(high))) - fmax(low, 0) - log1p(exp(-fabs(low)));
    return 0.5 * known * (2.83787706640934548356 - integral); /* log(2 pi e) */
}

static inline void train_show(image_run *r, size_t total, double seconds)
{
    char text[100];
    size_t done = r->o->hours > 0 ? (size_t)r->seconds : (size_t)r->trainer->step;
    snprintf(text, sizeof text, "%lu images  %.1f images/s  loss %.0f nats, %.3f bits/dim",
             (unsigned long)(r->trainer->step * r->trainer->desc.batch),
             (double)r->trainer->desc.batch / seconds, r->recent, run_bits(r, r->recent));
    progress_update(&r->bar, done < total ? done : total, done < total ? done : total, text);
}

static inline void train_step(image_run *r, size_t *index, float *image, float *batch)
{
    double loss, started = system_seconds(), seconds;
    train_gather(r, index, image, batch);
    train_pace(r);
    itd_result result = itd_train_step(r->trainer, batch, &loss);
    if (result == ITD_ERROR_NUMERIC)
        fail("training: %s at step %lu; a lower --learning_rate helps", itd_result_string(result),
             (unsigned long)r->trainer->step + 1);
    must(result, "training");
    loss -= r->border_loss;
    r->recent = r->recent <= DBL_MAX ? 0.99 * r->recent + 0.01 * loss : loss;
    seconds = system_seconds() - started;
    r->seconds += seconds, r->own_seconds += seconds, r->own_images += r->trainer->desc.batch;
}

static inline void train_loop(image_run *r, size_t total)
{
    size_t n = r->trainer->desc.batch, *index = (size_t *)must_alloc(n, sizeof *index);
    float *batch = (float *)must_alloc(n, shape_full_dim(&r->shape) * sizeof *batch);
    float *image = (float *)must_alloc(r->dim, sizeof *image);
    double saved = r->seconds, estimated = r->seconds;
    while (train_goes_on(r)) {
        double before = r->seconds;
        train_step(r, index, image, batch);
        if (r->workers.rank > 0) continue;
        train_show(r, total, r->seconds - before);
        if (r->seconds - estimated > 60 * r->o->eval_minutes)
            train_estimate(r, HUGE_VAL), estimated = r->seconds;
        if (r->seconds - saved > 60 * r->o->save_minutes)
            train_save(r, "model.safetensors"), train_record(r, NAN, NAN), saved = r->seconds;
    }
    free(index), free(batch), free(image);
}

/* Before what follows the training by the clock. */
static inline void train_say_rest(const image_run *r)
{
    if (r->o->quiet || r->o->hours <= 0 || stop_asked()) return;
    printf("%.0f s of training in this run; pictures and likelihoods follow, within about %.0f s\n",
           r->own_seconds, train_seconds_after(r));
    fflush(stdout);
}

static inline void train_run(image_run *r)
{
    int clock = r->o->hours > 0;
    size_t total = clock ? (size_t)(3600 * r->o->hours) : (size_t)r->trainer->desc.steps;
    r->best = HUGE_VAL, r->recent = NAN, r->border_loss = train_border_loss(r);
    r->trainer->workers = r->workers, r->anew = !r->o->resume;
    train_open_metrics(r);
    stop_listen();
    progress_begin(&r->bar, clock ? "second" : "step", total, clock ? "s" : "steps", total, r->o->quiet);
    progress_skip(&r->bar, clock ? (size_t)r->seconds : (size_t)r->trainer->step);
    train_loop(r, total);
    progress_end(&r->bar);
    if (r->workers.rank == 0) {
        itd_error error;
        train_say_rest(r);
        if (!run_save(r, "model.safetensors", &error)) fail("%s", error.text);
        if (stop_asked()) train_record(r, NAN, NAN);
        else train_estimate(r, 0.15 * train_seconds_after(r));
    }
    stop_end();
    if (r->best_lost) must_lost = 1;
    folder_rows_close(r->metrics, r->folder, "metrics.tsv");
    if (stop_asked() && !r->o->quiet)
        printf("stopped; --resume goes on from %s/model.safetensors\n", r->folder);
}

#endif
