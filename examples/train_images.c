/* train_images.c: learns the density of your own images with a U-Net, estimates their likelihood, samples and
 * denoises.
 *   cc -O2 -fopenmp examples/train_images.c -o build/train_images -lm
 *   build/train_images --data digits.npy --minutes 5
 * Images come as .npy, (n, height, width) or (n, height, width, channels), in files as MNIST's, or in a
 * folder as CIFAR-10's binary version. Network, log SNRs and padding follow from them. --help explains the
 * options. Metrics (also for TensorBoard), pictures, samples and the model go to runs/NAME/. The last line of
 * output is
 *   result dataset=... params=... images_seen=... val_nll=... stderr=... stderr_data=... bits_per_dim=...
 *   bits_per_dim_255=... seconds=... (bits_per_dim_units=... where values are not bytes) */
#include "support/progress.h" /* first: it asks the system headers for POSIX */

#define ITD_FSYNC(file) system_sync(file)
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "support/image_draw.h"
#include "support/image_odd.h"

/* ---- options ------------------------------------------------------------------------------------------- */

static image_options *read_options(int argc, char **argv)
{
    static image_options o; /* the option table keeps pointers into it */
    static args_option list[64];
    const args_table table = {"train_images", "Learns the density of your own images.", list, 0};
    static double minutes = 10;
    image_options_begin(&o);
    o.n = 10000000;
    const args_option data[] = {
        args_group("Data"),
        args_string("data", &o.data,
                    "The images: a .npy of (n, height, width) or (n, height, width, channels), a file as "
                    "MNIST's, or a folder with files as MNIST's or CIFAR-10's."),
        args_default_text(args_string("test", &o.test, "Test images of the same kinds."),
                          "those in the folder, or else a tenth of the images, 10,000 at most, which are not "
                          "learned then"),
        args_default_text(args_size("n", &o.n, 2, 10000000, "Only the first N training images."), "all"),
        args_flag("flips", &o.flips, "Mirror half of the training images at random."),
        args_uint64("seed", &o.seed, 0, UINT64_MAX,
                    "Seed of the weights, the noise, the order and the samples."),
        args_group("Training"),
        args_double("minutes", &minutes, 0, 600000,
                    "Of training, all resumed runs together; the learning rate falls to zero on the "
                    "way. " RUN_TIME_AFTER),
    };
    const args_option logsnr[] = {
        args_group("Log SNR"),
        args_default_text(
            args_string("logistic_params", &o.logistic, "LOC,SCALE of the distribution of log SNRs."),
            "by the spectrum of the images"),
        args_default_text(args_double("logsnr_clip", &o.clip, 1, 20,
                                      "The distribution is cut off at this many scales from its centre."),
                          "4, or up to where noise no longer hides the levels"),
        args_group("Network"),
    };
    o.table = table;
    args_add(&o.table, data, ARGS_COUNT(data));
    image_options_training(&o);
    args_add(&o.table, logsnr, ARGS_COUNT(logsnr));
    image_options_network(&o, "by the size and the number of the images");
    image_options_likelihood(&o, "scores");
    image_options_run(&o, "the one in the folder of the results");
    args_parse(&o.table, argc, argv);
    if (!o.data && !o.load && !o.name)
        fail("--data: the images expected, none given: --data digits.npy (see --help data)");
    o.hours = image_options_given(&o, &o.epochs) && !image_options_given(&o, &minutes) ? 0 : minutes / 60;
    if (!o.name) o.name = o.data ? folder_name_of(o.data) : "images";
    return &o;
}

/* ---- the model ----------------------------------------------------------------------------------------- */

/* A network for these images, and the log SNRs that suit them; what was chosen becomes an option, which a run
   that goes on takes over. */
static void begin_model(image_run *r)
{
    static char features[100];
    image_options *o = r->o;
    image_set *t = &r->train_set;
    itd_model_desc md = itd_model_desc_default(r->dim);
    size_t n = plan_images(run_enough(r->n_train, r->dim), t->height, t->width, t->channels);
    float *x = (float *)must_alloc(n, r->dim * sizeof *x);
    image_plan plan = image_plan_make(t->height, t->width, t->channels, r->n_train, o->features);
    for (size_t i = 0; i < n; i++) run_training_image(r, i * r->n_train / n, 0, x + i * r->dim);
    image_plan_measure(&plan, r->scale.levels, x, n);
    if (*o->logistic) {
        image_options_logistic(o->logistic, &plan.schedule.loc, &plan.schedule.scale);
        plan_clip(&plan.schedule, r->scale.levels);
    }
    if (image_options_given(o, &o->clip)) plan.schedule.clip = o->clip;
    plan.unet.blocks = o->blocks, plan.unet.attention = o->attention;
    md.unet = plan.unet, md.variance = plan.variance, md.schedule = plan.schedule, md.normalize = false;
    o->features = plan_print_features(&plan.unet, features, sizeof features);
    o->logistic = image_options_kept_logistic(plan.schedule.loc, plan.schedule.scale);
    o->clip = plan.schedule.clip;
    r->shape = plan.shape;
    if (!o->silent) image_odd_warn(o->data, t);
    train_create(r, &md);
    free(x);
}

static void print_result(const image_run *r, const score_report *s, double started)
{
    const itd_nll_result *v = &s->first;
    uint64_t seen = r->trainer ? r->trainer->step * r->trainer->desc.batch : 0;
    double bits = run_bits(r, v->nll);
    if (!r->o->quiet)
        printf("-log p = %.1f +- %.1f nats, %.4f +- %.4f bits/dim on [-1,1]\n", v->nll, v->std_error, bits,
               run_bits(r, v->std_error));
    printf("result dataset=");
    text_print_name(r->data_name);
    printf(" params=%lu images_seen=%lu val_nll=%.2f stderr=%.2f stderr_data=%.2f "
           "bits_per_dim=%.4f bits_per_dim_%s=%.4f seconds=%.0f\n",
           (unsigned long)itd_net_parameters(r->model->net), (unsigned long)seen, v->nll, v->std_error,
           v->std_error_data, bits, r->units_name, bits + run_unit_bits(r), system_seconds() - started);
}

int main(int argc, char **argv)
{
    static image_run r;
    score_report s = {0};
    double started = system_seconds();
    must_program = "train_images";
    system_patient_threads(argv);
    r.workers = workers_begin(&argc, &argv);
    run_begin(&r, read_options(argc, argv), argc, argv);
    image_options *o = r.o;
    int training = image_options_training_wanted(o);
    int evaluating = image_options_likelihood_wanted(o);
    r.data_name = o->name;
    if (!training || o->resume) run_load(&r, o->load ? o->load : run_path(&r, "model.safetensors"), training);
    if (evaluating || o->denoise) run_read_images(&r, r.model ? &r.scale : NULL);
    if (training && o->resume) run_resume(&r);
    else if (training) begin_model(&r);
    r.units_name = r.scale.low == 0 && r.scale.high == 255 ? "255" : "units";
    if (training) train_say_plan(&r), train_run(&r);
    if (r.workers.rank == 0 && !stop_asked() && draw_and_score(&r, training, evaluating, &s)) {
        print_result(&r, &s, started);
        score_free(&s);
    }
    workers_end();
    run_free(&r);
    return must_have_printed();
}
