/* train_cifar10.c: learns the density of CIFAR-10's images (or of synthetic ones with a known density) with a
 * U-Net, estimates their likelihood, samples and denoises.
 *   cc -O2 -fopenmp examples/train_cifar10.c -o build/train_cifar10 -lm
 *   sh data/get_cifar10.sh && build/train_cifar10 --hours 1
 * --help explains the options. Metrics (also for TensorBoard), pictures, samples and the model go to
 * runs/NAME/. train_images does the same for images of your own. The last line of output is
 *   result dataset=cifar10 params=... images_seen=... val_nll=... stderr=... stderr_data=... bits_per_dim=...
 *   bits_per_dim_255=... seconds=... */
#include "support/progress.h" /* first: it asks the system headers for POSIX */

#define ITD_FSYNC(file) system_sync(file)
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "support/fields.h"
#include "support/image_draw.h"

enum { SIDE = 32, DIM = SIDE * SIDE * 3, SYNTHETIC_TEST = 2000 };
#define SHIPPED "data/cifar10-small.safetensors"
#define FIRST_TEST ((uint64_t)1 << 31) /* fields: training images come before */

/* ---- options ------------------------------------------------------------------------------------------- */

typedef struct options {
    image_options common; /* first: a pointer to it is one to all of them */
    const char *pretrained, *prefix, *step, *curves;
    int synthetic;
} options;

/* Choices that a network of pretrained weights brings with it, unless they were made otherwise. */
static void set_defaults(options *all)
{
    image_options *o = &all->common;
    if (all->pretrained && o->load) fail("--pretrained: weights are given by --load already");
    if (all->pretrained && !image_options_given(o, &o->learning_rate)) o->learning_rate = 1e-4;
    if (all->pretrained && !image_options_given(o, &o->weight_limit)) o->weight_limit = 0;
    if (all->pretrained && !image_options_given(o, &o->epochs)) o->epochs = 50;
    if ((o->epochs || image_options_given(o, &o->epochs)) && !image_options_given(o, &o->hours)) o->hours = 0;
    if (!o->name) o->name = all->synthetic ? "synthetic" : "cifar10";
    if (!all->pretrained) image_options_ignored(o, "prefix step", "without --pretrained");
    if (all->synthetic) image_options_ignored(o, "data test flips", "the images are synthetic");
    o->weights[0] = all->pretrained, o->weights[1] = SHIPPED;
}

static options *read_options(int argc, char **argv, int silent)
{
    static options all; /* the option table keeps pointers into it */
    static args_option list[64];
    const args_table table = {"train_cifar10",
                              "Learns the density of images by information-theoretic diffusion.", list, 0};
    image_options *o = &all.common;
    image_options_begin(o);
    o->silent = silent, o->data = "data/cifar-10-batches-bin", o->features = "64,96,96", o->n = 10000000,
    o->flips = 1;
    o->hours = 1;
    all.prefix = all.curves = "", all.step = "table";
    const args_option data[] = {
        args_group("Data"),
        args_string(
            "data", &o->data,
            "Folder of the binary version of CIFAR-10, or of files made like it; sh data/get_cifar10.sh "
            "gets it."),
        args_default_text(args_string("test", &o->test, "Test images, of the same kind."),
                          "those in the folder"),
        args_flag("synthetic", &all.synthetic,
                  "Gaussian random fields of a known distribution instead, new ones in every step."),
        args_default_text(args_size("n", &o->n, 2, 10000000, "Only the first N training images."), "all"),
        args_flag("flips", &o->flips, "Mirror half of the training images at random."),
        args_uint64("seed", &o->seed, 0, UINT64_MAX,
                    "Seed of the weights, the noise, the order and the samples."),
        args_group("Training"),
        args_double("hours", &o->hours, 0, 10000,
                    "Of training, all resumed runs together; the learning rate falls to zero on the "
                    "way. " RUN_TIME_AFTER),
    };
    const args_option network[] = {
        args_group("Log SNR"),
        args_default_text(
            args_string("logistic_params", &o->logistic, "LOC,SCALE of the distribution of log SNRs."),
            "6,3; for synthetic images by their spectrum"),
        args_double("logsnr_clip", &o->clip, 1, 20,
                    "The distribution is cut off at this many scales from its centre."),
        args_group("Network"),
        args_string("pretrained", &all.pretrained,
                    "Weights to start from, with learning rate 1e-4, 50 epochs and no weight limit unless "
                    "given: those of google/ddpm-cifar10-32 (diffusion_pytorch_model.safetensors), which "
                    "brings its network and is also taken by --eval, --sample and --denoise; or a checkpoint "
                    "of this program."),
        args_string("prefix", &all.prefix,
                    "What the names of the tensors in that file begin with, if anything."),
        args_choice(
            "step", &all.step, "table|exact",
            "Which step of the pretrained network a log SNR is: by the paper's table, or interpolated."),
    };
    const args_option curves[] = {args_string(
        "curves", &all.curves,
        "Only draw learning curves from these files metrics.tsv, commas between, into learning.png.")};
    o->table = table;
    args_add(&o->table, data, ARGS_COUNT(data));
    image_options_training(o);
    args_add(&o->table, network, ARGS_COUNT(network));
    image_options_network(o, NULL);
    image_options_likelihood(o, "per_sample");
    image_options_run(o, "the one in the folder of the results, or else " SHIPPED);
    args_add(&o->table, curves, ARGS_COUNT(curves));
    args_parse(&o->table, argc, argv);
    set_defaults(&all);
    return &all;
}

/* ---- images -------------------------------------------------------------------------------------------- */

static void sample_field(const image_run *r, uint64_t index, float *x)
{
    fields_sample((const fields *)r->source, index % FIRST_TEST, x);
}

/* Fields of the seed, test images of indices of their own. */
static fields *begin_fields(image_run *r)
{
    fields_desc desc = fields_desc_default(SIDE, r->o->seed);
    fields *f;
    must(fields_create(&desc, &f), "preparing the fields");
    r->sample = sample_field, r->source = f;
    r->n_train = 50000, r->n_test = SYNTHETIC_TEST;
    run_keep_test(r);
    for (size_t i = 0; i < r->n_test; i++) fields_sample(f, FIRST_TEST + i, r->test + i * DIM);
    snprintf(r->data_words, sizeof r->data_words, "fields of seed %lu", (unsigned long)r->o->seed);
    return f;
}

static void read_photographs(image_run *r)
{
    run_read_images(r, &r->scale);
    const image_set *t = &r->test_set;
    if (t->height != SIDE || t->width != SIDE || t->channels != 3)
        fail("%s: images of 32 x 32 x 3 expected, found %lu x %lu x %lu, which train_images takes",
             r->o->test ? r->o->test : r->o->data, (unsigned long)t->height, (unsigned long)t->width,
             (unsigned long)t->channels);
}

/* ---- the model ----------------------------------------------------------------------------------------- */

/* The published network, or one of other channels with the same names. */
static itd_unet_desc pretrained_unet(const options *all)
{
    const image_options *o = &all->common;
    itd_unet_desc d = itd_unet_desc_ddpm_cifar10();
    d.time = strcmp(all->step, "table") ? ITD_TIME_EXACT : ITD_TIME_TABLE;
    if (image_options_given(o, &o->features)) {
        if (!plan_read_features(o->features, &d))
            fail("--features: multiples of %d expected beside --pretrained, '%s' found", (int)d.groups,
                 o->features);
        d.embedding = d.features[0], d.hidden = 4 * d.features[0];
        d.attention =
            2 | 1u << d.levels; /* at half resolution and in the middle, however many levels there are */
    }
    if (image_options_given(o, &o->blocks)) d.blocks = o->blocks;
    if (image_options_given(o, &o->attention)) d.attention = o->attention;
    return d;
}

/* A description of what the options ask for; what they leave open becomes an option. */
static itd_model_desc describe_model(image_run *r, options *all)
{
    image_options *o = r->o;
    itd_model_desc md = itd_model_desc_default(DIM);
    int foreign = all->pretrained && !weights_are_ours(all->pretrained);
    itd_schedule s = {6, 3, o->clip};
    image_plan plan = image_plan_make(SIDE, SIDE, 3, r->n_train, o->features);
    if (r->sample)
        must(itd_schedule_from_spectrum(((const fields *)r->source)->lambda, DIM, &s), "choosing log SNRs");
    if (*o->logistic) image_options_logistic(o->logistic, &s.loc, &s.scale);
    s.clip = o->clip;
    o->logistic = image_options_kept_logistic(s.loc, s.scale), r->shape = plan.shape;
    plan.unet.blocks = o->blocks, plan.unet.attention = o->attention;
    md.unet = foreign ? pretrained_unet(all) : plan.unet;
    if (foreign) md.parameterization = ITD_PLAIN; /* it predicts the noise itself */
    md.variance = 0.25, md.schedule = s, md.normalize = false;
    return md;
}

static void begin_model(image_run *r, options *all)
{
    itd_model_desc md = describe_model(r, all);
    train_create(r, &md);
    if (!all->pretrained) return;
    if (weights_are_ours(all->pretrained)) {
        image_options_ignored(r->o, "prefix step", "--pretrained is a checkpoint of this program");
        must_copy_weights(r->model, all->pretrained);
    } else {
        must_load_weights(r->model, all->pretrained, all->prefix);
    }
}

/* Without training: the pretrained network needs no images. */
static void load_pretrained(image_run *r, options *all)
{
    itd_model_desc md = describe_model(r, all);
    r->model = must_create(&md, NULL, r->o->seed);
    must_load_weights(r->model, all->pretrained, all->prefix);
}

/* What is used without training: as asked for, else what was trained here, else what came along. */
static const char *model_to_load(const image_run *r)
{
    const char *own = run_path(r, "model.safetensors");
    if (r->o->load) return r->o->load;
    return cifar10_exists(own) || ((const options *)(const void *)r->o)->synthetic ? own : SHIPPED;
}

/* A model, new or loaded, with the images that it is for; returns the fields if they are those. */
static fields *begin(image_run *r, options *all, int training, int images)
{
    image_options *o = r->o;
    fields *f = NULL;
    const image_scale photographs = {0, 255, 256, 0, 0}, any = {0, 255, 0, 0, 0};
    if (o->resume && training) {
        image_options_ignored(o, "pretrained prefix step", "the checkpoint has its network and weights");
        run_load(r, run_path(r, "model.safetensors"), training);
    } else if (!training && !all->pretrained) {
        run_load(r, model_to_load(r), training);
    }
    if (r->model && (r->shape.height != SIDE || r->shape.width != SIDE || r->shape.channels != 3))
        fail("%s: a model of images of 32 x 32 x 3 expected, found %lu x %lu x %lu, which train_images takes",
             model_to_load(r), (unsigned long)r->shape.height, (unsigned long)r->shape.width,
             (unsigned long)r->shape.channels);
    if (r->model && fabs(r->scale.low) + fabs(r->scale.high - 255) > 0)
        fail("%s: a model of values from 0 to 255 expected, found %g to %g, which train_images takes",
             model_to_load(r), r->scale.low, r->scale.high);
    r->scale = all->synthetic ? any : photographs, r->dim = DIM;
    if (images && all->synthetic) f = begin_fields(r);
    else if (images) read_photographs(r);
    if (training && o->resume) run_resume(r);
    else if (training) begin_model(r, all);
    else if (!r->model) load_pretrained(r, all);
    return f;
}

/* ---- result -------------------------------------------------------------------------------------------- */

static void print_result(const image_run *r, const score_report *s, const fields *field, double started)
{
    const itd_nll_result *v = &s->first;
    uint64_t seen = r->trainer ? r->trainer->step * r->trainer->desc.batch : 0;
    double bits = run_bits(r, v->nll), exact = 0;
    if (!r->o->quiet)
        printf("-log p = %.1f +- %.1f nats, %.4f +- %.4f bits/dim on [-1,1]\n", v->nll, v->std_error, bits,
               run_bits(r, v->std_error));
    printf("result dataset=%s params=%lu images_seen=%lu val_nll=%.2f stderr=%.2f stderr_data=%.2f "
           "bits_per_dim=%.4f bits_per_dim_255=%.4f",
           field ? "synthetic" : "cifar10", (unsigned long)itd_net_parameters(r->model->net),
           (unsigned long)seen, v->nll, v->std_error, v->std_error_data, bits, bits + run_unit_bits(r));
    for (size_t i = 0; i < s->plain->n && field; i++)
        exact += fields_nll(field, r->test + i * DIM) / (double)s->plain->n;
    if (field) printf(" true_nll=%.2f excess_bits_per_dim=%.4f", exact, run_bits(r, v->nll - exact));
    printf(" seconds=%.0f\n", system_seconds() - started);
}

int main(int argc, char **argv)
{
    static image_run r;
    score_report s = {0};
    double started = system_seconds();
    must_program = "train_cifar10";
    system_patient_threads(argv);
    r.workers = workers_begin(&argc, &argv);
    options *all = read_options(argc, argv, r.workers.rank > 0);
    image_options *o = &all->common;
    int training = image_options_training_wanted(o);
    int evaluating = image_options_likelihood_wanted(o);
    run_begin(&r, o, argc, argv);
    r.units_name = "255", r.dim = DIM, r.scale.high = 255;
    if (*all->curves) {
        if (!draw_learning(&r, all->curves, 1))
            fail("--curves: estimates of which one is better than another expected, none found");
        return must_have_printed();
    }
    fields *field = begin(&r, all, training, evaluating || o->denoise);
    if (training) train_say_plan(&r), train_run(&r);
    if (r.workers.rank == 0 && !stop_asked() && draw_and_score(&r, training, evaluating, &s)) {
        print_result(&r, &s, field, started);
        score_free(&s);
    }
    workers_end();
    run_free(&r), fields_free(field);
    return must_have_printed();
}
