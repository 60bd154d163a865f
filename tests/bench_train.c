/* bench_train.c: how many training steps and denoiser evaluations a second, through the interface a program
 * has, and how much of the processor's arithmetic they use.
 *   make build/bench_train && build/bench_train
 *   build/bench_train --job COMMAND...     runs it: "job seconds=... mebibytes=...", its peak memory
 * --help explains the options; docs/performance.md explains the output. */
#ifdef __APPLE__
#define _DARWIN_C_SOURCE /* shows ru_maxrss */
#endif
#include "../examples/support/system.h" /* first: it asks the system headers for POSIX */

#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "../examples/support/args.h"
#include "../examples/support/datasets.h"
#include "bench.h"

#ifdef SYSTEM_POSIX
#include <sys/resource.h>
#include <sys/wait.h>
#endif

enum { DIM = 2, POINTS = 8000, PANEL = 1600, DRAWS = 200 }; /* a panel: 40 by 40 points */

/* Recipes of train_2d: --original, and what it does with the dino by default. */
typedef struct network {
    const char *name, *set;
    bool original;
    size_t batch, layers, hidden;
    double learning_rate, loc, scale, clip, weight_limit, coordinate_scale, logsnr_scale;
} network;

static const network networks[] = {{"original", "moons", true, 128, 3, 128, 1e-3, 0, 3, 4, 0, 100, 50},
                                   {"dino", "dino", false, 256, 4, 128, 2e-3, 6.5, 1.5, 6.8, 3, 300, 3}};
enum { NETWORKS = sizeof networks / sizeof *networks };

typedef struct options {
    size_t threads, rounds;
    double piece; /* ms */
    int list;
} options;

static options read_options(int argc, char **argv)
{
    static options o; /* the option table keeps pointers into it */
    o.rounds = 5, o.piece = 150;
    args_option list[] = {
        args_size("threads", &o.threads, 0, 1024, "At most so many; 0: one per processor."),
        args_size("rounds", &o.rounds, 1, BENCH_MOST_ROUNDS, "Pieces timed of each contestant."),
        args_double("piece", &o.piece, 0.01, 10000, "Milliseconds that one piece takes at least."),
        args_flag("list", &o.list,
                  "Only list the networks: name, batch, layers, hidden, embedding, activation."),
    };
    args_table table = {"bench_train",
                        "Measures training and evaluation. \"bench_train --job COMMAND...\" runs a program "
                        "and tells its time and peak memory.",
                        list, ARGS_COUNT(list)};
    args_parse(&table, argc, argv);
    return o;
}

/* ---- what is measured ---- */

typedef struct subject {
    itd_model *model;
    itd_trainer *trainer;
    float *data; /* (POINTS, DIM) */
    int threads;
    size_t steps;       /* in one repeat of run_train, an epoch of as many whole batches as there are */
    size_t evaluations; /* in one repeat of run_evaluate */
} subject;

static itd_model_desc model_desc_of(const network *n)
{
    itd_model_desc d = itd_model_desc_default(DIM);
    d.mlp.directions = 0, d.whiten = false; /* as the network of bench_torch.py */
    d.mlp.layers = n->layers;
    d.mlp.hidden = n->hidden;
    d.mlp.coordinate_scale = n->coordinate_scale;
    d.mlp.logsnr_scale = n->logsnr_scale;
    d.schedule.loc = n->loc, d.schedule.scale = n->scale, d.schedule.clip = n->clip;
    if (!n->original) return d;
    d.mlp.activation = ITD_RELU;
    d.mlp.zero_output = d.normalize = false;
    d.parameterization = ITD_PLAIN;
    return d;
}

static itd_trainer_desc trainer_desc_of(const network *n)
{
    itd_trainer_desc d = itd_trainer_desc_default();
    d.batch = n->batch;
    d.learning_rate = n->learning_rate;
    d.weight_limit = n->weight_limit;
    if (n->original) d.ema = 0, d.stratified = false, d.drop_incomplete = true;
    return d;
}

static subject subject_make(const network *n)
{
    subject s = {NULL, NULL, NULL, 1, 0, 0};
    itd_model_desc md = model_desc_of(n);
    itd_trainer_desc td = trainer_desc_of(n);
    dataset set;
    char error[256];
    if (dataset_open(n->set, 0, &set, error, sizeof error)) bench_fail(n->set, error);
    s.data = (float *)bench_alloc(POINTS, DIM * sizeof *s.data);
    dataset_sample(&set, 0, POINTS, s.data);
    bench_must(itd_model_create(&md, 1, &s.model), "creating the network");
    bench_must(itd_model_fit(s.model, s.data, POINTS), "normalizing the data");
    bench_must(itd_trainer_create(s.model, &td, &s.trainer), "preparing the training");
    s.steps = POINTS / n->batch;
    return s;
}

static void subject_free(subject *s)
{
    itd_trainer_free(s->trainer);
    itd_model_free(s->model);
    free(s->data);
}

static void run_train(void *context, size_t repeats)
{
    const subject *s = (const subject *)context;
    size_t rows = s->steps * s->trainer->desc.batch;
    bench_use_threads(s->threads);
    for (; repeats > 0; repeats--) bench_must(itd_train_epoch(s->trainer, s->data, rows, NULL), "training");
}

static void run_evaluate(void *context, size_t repeats)
{
    subject *s = (subject *)context;
    itd_denoiser den = itd_model_denoiser(s->model);
    itd_nll_desc d = itd_model_nll_desc(s->model);
    itd_nll_result result;
    d.draws = DRAWS;
    bench_use_threads(s->threads);
    for (; repeats > 0; repeats--) {
        bench_must(itd_nll(&den, s->data, PANEL, &d, &result, NULL, NULL), "evaluating");
        s->evaluations = result.evaluations;
    }
}

/* ---- arithmetic ---- */

/* Weights of all layers (biases left out, whose additions are few), or of the first alone. */
static double weights_of(const network *n, bool first_only)
{
    itd_mlp_desc d = model_desc_of(n).mlp;
    size_t in = (DIM + 1) * d.embedding, sum = 0, k;
    for (k = 0; k < d.layers; k++) {
        size_t out = k + 1 < d.layers ? d.hidden : DIM;
        sum += in * out;
        if (first_only) break;
        in = out;
    }
    return (double)sum;
}

/* A weight is multiplied and added once for a row on the way forward, once for its own gradient and once for
 * that of its input, which the first layer does not need. */
static double flops_of_step(const network *n)
{
    return 2.0 * (double)n->batch * (3 * weights_of(n, false) - weights_of(n, true));
}

static double flops_of_evaluation(const network *n) { return 2 * weights_of(n, false); }

/* ---- lines ---- */

static void measure(const options *o, const network *n, subject *s, int threads)
{
    bench_contestant c = {run_train, NULL, 0, NULL, 0, 0};
    double limit;
    c.context = s, c.piece = 1e-3 * o->piece;
    s->threads = threads;
    limit = bench_beside_limit(&c, o->rounds, threads, BENCH_PEAK_PIECE);
    bench_report("train", n->name, threads, "steps/s", (double)s->steps / c.seconds, flops_of_step(n), limit);
    c.run = run_evaluate;
    limit = bench_beside_limit(&c, o->rounds, threads, BENCH_PEAK_PIECE);
    bench_report("evaluate", n->name, threads, "evaluations/s", (double)s->evaluations / c.seconds,
                 flops_of_evaluation(n), limit);
}

static void list_networks(void)
{
    for (size_t k = 0; k < NETWORKS; k++) {
        itd_mlp_desc d = model_desc_of(&networks[k]).mlp;
        printf("%s,%lu,%lu,%lu,%lu,%s\n", networks[k].name, (unsigned long)networks[k].batch,
               (unsigned long)d.layers, (unsigned long)d.hidden, (unsigned long)d.embedding,
               d.activation == ITD_RELU ? "relu" : "silu");
    }
}

/* ---- jobs ---- */

/* The memory of the command includes what this process had when it made the child: call this before anything
 * is allocated. */
static void run_job(char **command)
{
#ifdef SYSTEM_POSIX
    double started = system_seconds(), seconds, unit = 1024; /* of ru_maxrss: KiB */
    struct rusage usage;
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        execvp(command[0], command);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) bench_fail(command[0], strerror(errno));
    seconds = system_seconds() - started;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        bench_fail(command[0], WIFEXITED(status) && WEXITSTATUS(status) == 127 ? "cannot be run" : "failed");
    if (getrusage(RUSAGE_CHILDREN, &usage)) bench_fail("getrusage", strerror(errno));
#ifdef __APPLE__
    unit = 1024 * 1024; /* bytes */
#endif
    printf("job seconds=%.2f mebibytes=%.1f\n", seconds, (double)usage.ru_maxrss / unit);
#else
    bench_fail(command[0], "--job needs POSIX");
#endif
}

int main(int argc, char **argv)
{
    options o;
    int threads;
    size_t k;
    bench_program = "bench_train";
    if (argc > 1 && strcmp(argv[1], "--job") == 0) {
        if (argc < 3) bench_fail("--job", "a command expected, found nothing");
        run_job(argv + 2);
        return 0;
    }
    system_patient_threads(argv);
    o = read_options(argc, argv);
    if (o.list) {
        list_networks();
        return 0;
    }
    threads = bench_threads(o.threads);
    for (k = 0; k < NETWORKS; k++) {
        subject s = subject_make(&networks[k]);
        measure(&o, &networks[k], &s, 1);
        if (threads > 1) measure(&o, &networks[k], &s, threads);
        subject_free(&s);
    }
    return 0;
}
