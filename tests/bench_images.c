/* bench_images.c: how many images a second U-Nets denoise and are trained on, through the interface a program
 * has, and how much of the processor's arithmetic they use.
 *   make build/bench_images && build/bench_images
 * --help explains the options; docs/performance.md explains the output. */
#include "../examples/support/system.h" /* first: it asks the system headers for POSIX */

#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "../examples/support/args.h"
#include "bench.h"

typedef struct network {
    const char *name;
    size_t batch, levels, features[ITD_MOST_LEVELS], blocks, attention; /* no levels: DDPM's for CIFAR-10 */
} network;

static const network networks[] = {{"small", 64, 4, {32, 64, 64, 64}, 1, 0},
                                   {"wide", 64, 3, {64, 128, 128}, 1, 0},
                                   {"attentive", 64, 3, {48, 96, 96}, 2, 4},
                                   {"ddpm", 8, 0, {0}, 0, 0}};
enum { NETWORKS = sizeof networks / sizeof *networks };

typedef struct options {
    size_t threads, rounds, batch;
    const char *only;
    int single, list;
} options;

static options read_options(int argc, char **argv)
{
    static options o; /* the option table keeps pointers into it */
    o.rounds = 3, o.single = 1;
    args_option list[] = {
        args_size("threads", &o.threads, 0, 1024, "At most so many; 0: one per processor."),
        args_flag("single", &o.single, "Also with one thread, but for ddpm."),
        args_size("rounds", &o.rounds, 1, BENCH_MOST_ROUNDS, "Steps and forward passes timed."),
        args_size("batch", &o.batch, 0, 4096, "Images in each; 0: what the network is listed with."),
        args_string("only", &o.only, "Only networks with this text in their name."),
        args_flag(
            "list", &o.list,
            "Only list the networks: name, batch, blocks, attention, groups, embedding, hidden, features "
            "of all levels."),
    };
    args_table table = {"bench_images", "Measures U-Nets on images of 32x32 pixels.", list, ARGS_COUNT(list)};
    args_parse(&table, argc, argv);
    return o;
}

static size_t batch_of(const network *n, size_t asked) { return asked ? asked : n->batch; }

static itd_unet_desc unet_desc_of(const network *n)
{
    itd_unet_desc d = itd_unet_desc_default();
    if (!n->levels) return itd_unet_desc_ddpm_cifar10();
    d.levels = n->levels;
    memcpy(d.features, n->features, sizeof d.features);
    d.blocks = n->blocks;
    d.attention = n->attention;
    d.hidden = 4 * d.features[0];
    return d;
}

/* ---- what is measured ---- */

typedef struct subject {
    itd_model *model;
    itd_trainer *trainer;
    size_t batch;
    float *x, *out; /* (batch,dim) */
    float *logsnr;  /* (batch) */
    int threads;
} subject;

static void subject_fill(subject *s)
{
    size_t dim = s->model->dim, k;
    itd_rng rng = itd_rng_make(1, 0);
    s->x = (float *)bench_alloc(s->batch * dim, sizeof *s->x);
    s->out = (float *)bench_alloc(s->batch * dim, sizeof *s->out);
    s->logsnr = (float *)bench_alloc(s->batch, sizeof *s->logsnr);
    itd_rng_normal_fill(&rng, s->batch * dim, s->x);
    for (k = 0; k < s->batch; k++)
        s->logsnr[k] = (float)itd_schedule_quantile(&s->model->desc.schedule,
                                                    ((double)k + 0.5) / (double)s->batch);
}

/* The first use of memory takes as long as a good part of a step, and a step is too long for one that is not
 * timed. So the memory of steps is asked for here: itd__alloc writes to all of it. */
static void subject_reserve(const subject *s)
{
    itd_net *net = s->model->net;
    itd_result result = itd__reserve_forward(net, s->batch);
    if (result == ITD_OK)
        result = itd__reserve(&net->gradient, &net->gradient_capacity, s->batch, net->width);
    if (result == ITD_OK) result = itd__transpose_convolutions(net);
    if (result == ITD_OK) result = itd__trainer_reserve(s->trainer);
    bench_must(result, "memory for training");
}

static subject subject_make(const network *n, size_t batch)
{
    subject s = {NULL, NULL, 0, NULL, NULL, NULL, 1};
    itd_model_desc md = itd_model_desc_default(1);
    itd_trainer_desc td = itd_trainer_desc_default();
    md.unet = unet_desc_of(n);
    if (!n->levels) md.parameterization = ITD_PLAIN;
    s.batch = td.batch = batch_of(n, batch);
    bench_must(itd_model_create(&md, 1, &s.model), "creating the network");
    bench_must(itd_trainer_create(s.model, &td, &s.trainer), "preparing the training");
    subject_fill(&s);
    subject_reserve(&s);
    return s;
}

static void subject_free(subject *s)
{
    itd_trainer_free(s->trainer);
    itd_model_free(s->model);
    free(s->x), free(s->out), free(s->logsnr);
}

static void run_train(void *context, size_t repeats)
{
    const subject *s = (const subject *)context;
    double loss;
    bench_use_threads(s->threads);
    for (; repeats > 0; repeats--) bench_must(itd_train_step(s->trainer, s->x, &loss), "training");
}

static void run_forward(void *context, size_t repeats)
{
    const subject *s = (const subject *)context;
    itd_denoiser den = itd_model_denoiser(s->model);
    bench_use_threads(s->threads);
    for (; repeats > 0; repeats--)
        bench_must(den.predict(den.ctx, s->x, s->logsnr, s->batch, s->out), "denoising");
}

/* ---- arithmetic ---- */

/* Multiplications, each with its addition, of one row of the table for one image, on the way forward. A
 * weight takes part once for every pixel; of attention, each pair of tokens has a product of queries and keys
 * and one of scores and values, over all channels together. What a normalization does is not counted. */
static double multiplications(const itd_net *net, const itd__layer *row)
{
    const itd__layer *in = &net->layer[row->input[0]];
    double pixels = (double)(row->h * row->w), tokens = (double)(in->h * in->w);
    switch (row->kind) {
    case ITD__CONV:
    case ITD__LINEAR: return pixels * (double)row->weights;
    case ITD__SCORES: return tokens * tokens * (double)in->c;
    case ITD__ATTEND: return pixels * pixels * (double)row->c;
    default: return 0;
    }
}

/* Operations for one image. In training a row does as many again for the gradient of each of its two factors,
 * but for an input that nothing trained comes before: the image, the sinusoids of the time. */
static double flops_of(const itd_net *net, bool training)
{
    double sum = 0;
    for (size_t i = 0; i < net->layers; i++) {
        const itd__layer *row = &net->layer[i];
        bool input_trains = net->layer[row->input[0]].trains;
        sum += 2 * multiplications(net, row) * (!training ? 1 : input_trains ? 3 : 2);
    }
    return sum;
}

/* ---- lines ---- */

static void measure(const options *o, const network *n, subject *s, int threads)
{
    bench_contestant c = {run_train, NULL, 0, NULL, 0, 0};
    double limit;
    c.context = s;
    s->threads = threads;
    limit = bench_beside_limit(&c, o->rounds, threads, BENCH_PEAK_PIECE);
    bench_report("images_train", n->name, threads, "images/s", (double)s->batch / c.seconds,
                 flops_of(s->model->net, true), limit);
    c.run = run_forward;
    limit = bench_beside_limit(&c, o->rounds, threads, BENCH_PEAK_PIECE);
    bench_report("images_forward", n->name, threads, "images/s", (double)s->batch / c.seconds,
                 flops_of(s->model->net, false), limit);
}

static void measure_network(const options *o, const network *n, int threads)
{
    subject s = subject_make(n, o->batch);
    if (o->single && n->levels && threads > 1) measure(o, n, &s, 1);
    measure(o, n, &s, threads);
    subject_free(&s);
}

static void list_network(const options *o, const network *n)
{
    itd_unet_desc d = unet_desc_of(n);
    printf("%s,%lu,%lu,%lu,%lu,%lu,%lu", n->name, (unsigned long)batch_of(n, o->batch),
           (unsigned long)d.blocks, (unsigned long)d.attention, (unsigned long)d.groups,
           (unsigned long)d.embedding, (unsigned long)d.hidden);
    for (size_t k = 0; k < d.levels; k++) printf(",%lu", (unsigned long)d.features[k]);
    printf("\n");
}

int main(int argc, char **argv)
{
    options o;
    bench_program = "bench_images";
    system_patient_threads(argv);
    o = read_options(argc, argv);
    for (size_t k = 0; k < NETWORKS; k++) {
        if (o.only && !strstr(networks[k].name, o.only)) continue;
        if (o.list) list_network(&o, &networks[k]);
        else measure_network(&o, &networks[k], bench_threads(o.threads));
    }
    return 0;
}
