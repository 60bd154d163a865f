/* learn_options.h: the options of a program that trains by learn.h: training, log SNRs, network, and the
 * recipe of the original code.
 *
 *     static learn_options o;                        a table of args.h keeps pointers into it
 *     learn_options_begin(&o, dim, n);
 *     learn_options_training(&o, "by the rows", &table);
 *     learn_options_schedule(&o, &table);
 *     learn_options_network(&o, &table);
 *     learn_options_original(&o, &table);
 *     args_parse(&table, argc, argv);
 *     learn_options_finish(&o, &table);              o.learn is complete but for the steps,
 *                                                    which o.epochs asks for: see learn_set_steps
 *
 * Include the implementation of itdiff.h before this file. */
#ifndef LEARN_OPTIONS_H
#define LEARN_OPTIONS_H

#include "args.h"
#include "learn.h"

typedef struct learn_options {
    learn_desc learn;
    const char *activation, *parameterization, *lr_schedule;
    size_t epochs;
    int embedding, stratified, original;
    int has_epochs; /* whether they were given */
} learn_options;

/* All of them but --original: without effect if nothing is trained. */
#define LEARN_OPTIONS                                                                                        \
    "num_epochs train_batch_size learning_rate lr_schedule warmup ema weight_decay clip_norm stratified "    \
    "logsnr_loc logsnr_scale logsnr_clip weight_limit directions frequency_min frequency_max "               \
    "parameterization embedding embedding_size coordinate_scale logsnr_embedding_scale hidden_size "         \
    "hidden_layers activation"

/* For points of `dim` numbers, some n of them. */
static inline void learn_options_begin(learn_options *o, size_t dim, size_t n)
{
    o->learn = learn_desc_default(dim, n, 0);
    o->activation = "silu", o->parameterization = "gaussian", o->lr_schedule = "cosine";
    o->embedding = o->stratified = 1;
}

/* epochs: the default number of epochs, in words. */
static inline void learn_options_training(learn_options *o, const char *epochs, args_table *table)
{
    itd_trainer_desc *t = &o->learn.trainer;
    const args_option own[] = {
        args_group("Training"),
        args_default_text(args_size("num_epochs", &o->epochs, 0, 1000000,
                                    "Passes over the training points; with --fresh, over as many new ones."),
                          epochs),
        args_size("train_batch_size", &t->batch, 1, 1000000, "Points per step."),
        args_double("learning_rate", &t->learning_rate, 0, 1, "Step size of Adam."),
        args_choice("lr_schedule", &o->lr_schedule, "constant|cosine",
                    "The learning rate is constant, or falls to zero as a half cosine."),
        args_uint64("warmup", &t->warmup, 0, 1000000,
                    "Steps in which the learning rate rises linearly from zero."),
        args_double("ema", &t->ema, 0, 0.999999, "Decay of the moving average of the weights; 0: none."),
        args_double("weight_decay", &t->weight_decay, 0, 1, "Decoupled weight decay, as in AdamW."),
        args_double("clip_norm", &t->clip_norm, 0, 1e9, "Maximum norm of the gradient; 0: no limit."),
        args_flag("stratified", &o->stratified, "Spread the log SNRs evenly over each batch."),
    };
    args_add(table, own, ARGS_COUNT(own));
}

static inline void learn_options_schedule(learn_options *o, args_table *table)
{
    itd_schedule *s = &o->learn.model.schedule;
    const args_option own[] = {
        args_group("Log SNR"),
        args_default_text(args_double("logsnr_loc", &s->loc, -30, 30,
                                      "Centre of the logistic schedule, which is selected while training "
                                      "unless one of these three options is given."),
                          "selected; else 0"),
        args_default_text(args_double("logsnr_scale", &s->scale, 0.1, 10, "Width of the schedule."),
                          "selected; else 3"),
        args_default_text(args_double("logsnr_clip", &s->clip, 1, 20,
                                      "The schedule is cut off at this many scales from its centre."),
                          "selected; else 4"),
        args_double(
            "weight_limit", &o->learn.trainer.weight_limit, 0, 1e9,
            "Maximum ratio of the importance weights in the gradient to the smallest one; 0: no limit."),
    };
    args_add(table, own, ARGS_COUNT(own));
}

static inline void learn_options_network(learn_options *o, args_table *table)
{
    itd_mlp_desc *mlp = &o->learn.model.mlp;
    const args_option own[] = {
        args_group("Network"),
        args_size("directions", &mlp->directions, 1, 65536,
                  "Random directions; the network gets the sines and cosines of the points along them."),
        args_default_text(
            args_double("frequency_min", &mlp->frequency_min, 0.001, 1e5,
                        "Length of the shortest direction; the range is selected while training "
                        "unless one of its ends is given."),
            "selected; else 0.5"),
        args_default_text(
            args_double("frequency_max", &mlp->frequency_max, 0.001, 1e5, "Length of the longest one."),
            "selected; else 10"),
        args_size("embedding_size", &mlp->embedding, 4, 8192,
                  "Sinusoids of the log SNR, with --original also of each coordinate (even)."),
        args_double("logsnr_embedding_scale", &mlp->logsnr_scale, 0.001, 1e5,
                    "The log SNR is multiplied by this before the sinusoids."),
        args_size("hidden_size", &mlp->hidden, 1, 65536, "Width of the hidden layers."),
        args_size("hidden_layers", &mlp->layers, 1, 100, "Number of linear layers."),
        args_choice("activation", &o->activation, "relu|silu", "Activation between the linear layers."),
    };
    args_add(table, own, ARGS_COUNT(own));
}

static inline void learn_options_original(learn_options *o, args_table *table)
{
    const args_option own[] = {
        args_group("Original"),
        args_flag(
            "original", &o->original,
            "The settings of the original code for all options not given: batches of 128, learning rate "
            "0.001 constant, no moving average, no decay, i.i.d. log SNRs around 0, incomplete "
            "batches dropped, plain parameterization, 3 layers of ReLU, sinusoids of each coordinate."),
        args_choice("parameterization", &o->parameterization, "plain|gaussian",
                    "The network predicts the noise, or the deviation from the Gaussian's denoiser."),
        args_flag("embedding", &o->embedding,
                  "Sinusoids of the coordinates and the log SNR, or their plain values."),
        args_double("coordinate_scale", &o->learn.model.mlp.coordinate_scale, 0.001, 1e5,
                    "Coordinates are multiplied by this before the sinusoids."),
    };
    args_add(table, own, ARGS_COUNT(own));
}

/* Where an option was not given, the recipe of the original code. */
static inline void learn_options_use_original(learn_options *o, const args_table *table)
{
    itd_model_desc *m = &o->learn.model;
    itd_trainer_desc *t = &o->learn.trainer;
    if (!args_given(table, &t->batch)) t->batch = 128;
    if (!args_given(table, &t->learning_rate)) t->learning_rate = 1e-3;
    if (!args_given(table, &t->ema)) t->ema = 0;
    if (!args_given(table, &t->weight_decay)) t->weight_decay = 0;
    if (!args_given(table, &t->weight_limit)) t->weight_limit = 0;
    if (!args_given(table, &m->mlp.layers)) m->mlp.layers = 3;
    if (!args_given(table, &m->mlp.logsnr_scale)) m->mlp.logsnr_scale = 50;
    if (!args_given(table, &o->activation)) o->activation = "relu";
    if (!args_given(table, &o->parameterization)) o->parameterization = "plain";
    if (!args_given(table, &o->lr_schedule)) o->lr_schedule = "constant";
    if (!args_given(table, &o->stratified)) o->stratified = 0;
    m->mlp.directions = 0, m->whiten = m->normalize = false, t->drop_incomplete = true;
    o->learn.find_range = o->learn.find_schedule = 0;
}

/* Checks what a range cannot say, and puts the options into o->learn. */
static inline void learn_options_finish(learn_options *o, const args_table *table)
{
    itd_model_desc *m = &o->learn.model;
    if (!o->original)
        args_refuse_idle(table, "parameterization embedding coordinate_scale", "without --original");
    else args_refuse_idle(table, "directions frequency_min frequency_max", "with --original");
    if (!o->embedding)
        args_refuse_idle(table, "embedding_size coordinate_scale logsnr_embedding_scale",
                         "with --embedding off");
    if (m->mlp.embedding % 2)
        fail("--embedding_size: an even number expected, %lu found", (unsigned long)m->mlp.embedding);
    if (m->mlp.frequency_min > m->mlp.frequency_max)
        fail("--frequency_min: at most %g expected, as --frequency_max is, %g found", m->mlp.frequency_max,
             m->mlp.frequency_min);
    if (args_first_given(table, "frequency_min frequency_max")) o->learn.find_range = 0;
    if (args_first_given(table, "logsnr_loc logsnr_scale logsnr_clip")) o->learn.find_schedule = 0;
    if (o->original) learn_options_use_original(o, table);
    o->has_epochs = args_given(table, &o->epochs);
    o->learn.trainer.seed = o->learn.seed, o->learn.trainer.stratified = o->stratified != 0;
    if (!o->embedding) m->mlp.embedding = 0;
    m->mlp.activation = strcmp(o->activation, "relu") ? ITD_SILU : ITD_RELU;
    m->parameterization = strcmp(o->parameterization, "plain") ? ITD_GAUSSIAN : ITD_PLAIN;
    m->mlp.zero_output = m->parameterization == ITD_GAUSSIAN;
}

static inline int learn_options_cosine(const learn_options *o) { return !strcmp(o->lr_schedule, "cosine"); }

#endif
