/* Random numbers, log SNRs and short trainings against tests/golden/training.txt, which training.py beside it
 * has made in double precision with NumPy and PyTorch. Whole trainings, with the kernels of every instruction
 * set: each has to end within a tolerance of the same numbers, and so within twice of it of each other. */
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"
#include "each_simd.h"
#include "test.h"

enum { ROWS = 50, BATCH = 16, STEPS = 30, PROBES = 5, MOST = 800 };

/* What rounding to floats may cost: of losses and norms of gradients, and of parameters and predictions after
 * 30 steps. `build/test_golden --worst` tells how much it does: less than a fifth of it. */
static const double loss_tolerance = 2e-5, end_tolerance = 2e-6;
static double worst_loss, worst_end;

static char line[MOST][100];
static size_t lines;

static bool read_lines(void)
{
    FILE *file = fopen("tests/golden/training.txt", "r");
    if (!CHECK(file != NULL)) return false;
    while (lines < MOST && fgets(line[lines], sizeof line[lines], file)) lines++;
    fclose(file);
    return CHECK(lines > 500 && lines < MOST);
}

/* The numbers behind a word, if the line begins with it. */
static int numbers(const char *text, const char *word, double *v, int most)
{
    size_t length = strlen(word);
    int n = 0;
    if (strncmp(text, word, length) != 0 || text[length] != ' ') return 0;
    for (const char *at = text + length; n < most; n++) {
        char *end;
        v[n] = strtod(at, &end);
        if (end == at) break;
        at = end;
    }
    return n;
}

/* ---- random numbers and the schedule ---- */

static void philox_is_that_of_the_paper(void)
{
    const uint32_t key[2] = {1, 2};
    size_t seen = 0;
    for (size_t i = 0; i < lines; i++) {
        double v[8];
        uint32_t counter[4], out[4];
        if (numbers(line[i], "philox", v, 8) != 8) continue;
        for (size_t k = 0; k < 4; k++) counter[k] = (uint32_t)v[k];
        itd_philox(counter, key, out);
        for (size_t k = 0; k < 4; k++) CHECK((double)out[k] == v[4 + k]);
        seen++;
    }
    CHECK(seen == 4);
}

/* They follow each other in one stream. */
static void numbers_of_a_stream_are_the_same(void)
{
    itd_rng rng = itd_rng_make(11, 5);
    size_t below = 0, uniform = 0, filled = 0;
    float fill[135];
    double v[2];
    for (size_t i = 0; i < lines; i++)
        if (strncmp(line[i], "below ", 6) == 0) {
            char *at;
            uint64_t n = strtoull(line[i] + 6, &at, 10), expected = strtoull(at, NULL, 10);
            CHECK(itd_rng_below(&rng, n) == expected);
            below++;
        } else if (numbers(line[i], "uniform", v, 1) == 1) {
            CHECK(itd_rng_uniform(&rng) == v[0]);
            uniform++;
        } else if (numbers(line[i], "fill", v, 1) == 1) {
            if (filled == 0) itd_rng_normal_fill(&rng, 135, fill);
            CHECK_CLOSE(fill[filled], v[0], 1e-6);
            filled++;
        }
    CHECK(below == 8 && uniform == 4 && filled == 135);
}

static const itd_schedule schedule = {1.5, 2.5, 4};

static void schedule_is_the_same(void)
{
    itd_rng rng = itd_rng_make(11, 6);
    float logsnr[8], weight[8];
    size_t seen = 0, drawn = 0;
    double v[2];
    CHECK_OK(itd_schedule_sample(&schedule, &rng, true, 8, logsnr, weight));
    for (size_t i = 0; i < lines; i++)
        if (numbers(line[i], "quantile", v, 2) == 2) {
            CHECK_CLOSE(itd_schedule_quantile(&schedule, v[0]), v[1], 1e-12);
            seen++;
        } else if (numbers(line[i], "density", v, 2) == 2) {
            CHECK_CLOSE(itd_schedule_weight(&schedule, v[0]) * v[1], 1, 1e-13);
            seen++;
        } else if (numbers(line[i], "draw", v, 2) == 2) {
            CHECK_CLOSE(logsnr[drawn], v[0], 1e-6);
            CHECK_CLOSE(weight[drawn] / v[1], 1, 1e-6);
            drawn++;
        }
    CHECK(seen == 13 && drawn == 8);
}

/* ---- trainings ---- */

static void make_data(float *x)
{
    itd_rng rng = itd_rng_make(5, 0);
    itd_rng_normal_fill(&rng, 2 * ROWS, x);
    for (size_t i = 0; i < ROWS; i++) {
        double a = x[2 * i], b = x[2 * i + 1];
        x[2 * i] = (float)(a + 3), x[2 * i + 1] = (float)(a * a / 2 - b / 4 - 1);
    }
}

static itd_model_desc usual_model(void)
{
    itd_model_desc desc = itd_model_desc_default(2);
    desc.mlp.directions = 0, desc.whiten = false;
    desc.mlp.layers = 3, desc.mlp.hidden = 16, desc.mlp.embedding = 8;
    desc.mlp.coordinate_scale = 2, desc.mlp.logsnr_scale = 0.5;
    desc.schedule = schedule;
    return desc;
}

static itd_trainer_desc usual_trainer(void)
{
    itd_trainer_desc desc = itd_trainer_desc_default();
    desc.batch = BATCH, desc.seed = 3;
    desc.learning_rate = 0.01, desc.warmup = 5, desc.steps = STEPS, desc.final_fraction = 0.1;
    desc.beta2 = 0.99, desc.epsilon = 1e-6, desc.ema = 0.9;
    return desc;
}

static void close_to(double value, double expected, double tolerance, double *worst)
{
    if (fabs(value - expected) > *worst) *worst = fabs(value - expected);
    CHECK_CLOSE(value, expected, tolerance);
}

static void train(const char *name, const itd_model_desc *model_desc, const itd_trainer_desc *desc)
{
    itd_model *model = NULL;
    itd_trainer *trainer = NULL;
    float x[2 * ROWS], batch[2 * BATCH], probe[3 * PROBES], eps_hat[2 * PROBES];
    size_t index[BATCH], i = 0, steps = 0, ends = 0;
    double v[2], loss;
    itd_rng rng = itd_rng_make(6, 0);
    make_data(x);
    if (!CHECK_OK(itd_model_create(model_desc, desc->seed, &model))) return;
    CHECK_OK(itd_model_fit(model, x, ROWS));
    CHECK_OK(itd_trainer_create(model, desc, &trainer));
    while (i < lines && !(strncmp(line[i], "train ", 6) == 0 && strstr(line[i], name) == line[i] + 6)) i++;
    for (i++; i < lines && numbers(line[i], "step", v, 2) == 2; i++, steps++) {
        CHECK_OK(itd_train_indices(trainer, ROWS, index));
        for (size_t k = 0; k < BATCH; k++) memcpy(batch + 2 * k, x + 2 * index[k], 2 * sizeof *x);
        if (!CHECK_OK(itd_train_step(trainer, batch, &loss))) break;
        close_to(loss, v[0], loss_tolerance, &worst_loss);
        close_to(trainer->gradient_norm / v[1], 1, loss_tolerance, &worst_loss);
    }
    itd_rng_normal_fill(&rng, 3 * PROBES, probe);
    for (size_t k = 0; k < PROBES; k++) probe[2 * PROBES + k] *= 3;
    itd_denoiser den = itd_model_denoiser(model);
    CHECK_OK(den.predict(den.ctx, probe, probe + 2 * PROBES, PROBES, eps_hat));
    for (; i < lines && strncmp(line[i], "train ", 6) != 0; i++, ends++)
        if (numbers(line[i], "weight", v, 2) == 2)
            close_to(itd_net_weights(model->net)[(size_t)v[0]], v[1], end_tolerance, &worst_end);
        else if (CHECK(numbers(line[i], "predict", v, 2) == 2))
            close_to(eps_hat[(size_t)v[0]], v[1], end_tolerance, &worst_end);
    CHECK(steps == STEPS && ends == (itd_net_parameters(model->net) + 6) / 7 + 2 * PROBES);
    itd_trainer_free(trainer), itd_model_free(model);
}

static void usual_training_is_the_same(void)
{
    itd_model_desc model = usual_model();
    itd_trainer_desc trainer = usual_trainer();
    train("usual", &model, &trainer);
}

static void training_with_all_options_is_the_same(void)
{
    itd_model_desc model = usual_model();
    itd_trainer_desc trainer = usual_trainer();
    model.mlp.layers = 4, model.mlp.hidden = 11, model.mlp.embedding = 6, model.mlp.activation = ITD_RELU;
    trainer.seed = ((uint64_t)1 << 40) + 7, trainer.weight_decay = 0.05, trainer.clip_norm = 3;
    trainer.weight_limit = 1.5;
    train("all_options", &model, &trainer);
}

static void plain_training_is_the_same(void)
{
    itd_model_desc model = usual_model();
    itd_trainer_desc trainer = usual_trainer();
    model.mlp.embedding = 0, model.mlp.zero_output = false;
    model.parameterization = ITD_PLAIN, model.normalize = false;
    trainer.warmup = 0, trainer.steps = 0;
    train("plain", &model, &trainer);
}

/* Directions instead of sinusoids for each coordinate, and the map that whitens. */
static void training_with_directions_is_the_same(void)
{
    itd_model_desc model = usual_model();
    itd_trainer_desc trainer = usual_trainer();
    model.mlp.directions = 10, model.mlp.frequency_max = 4, model.whiten = true;
    train("directions", &model, &trainer);
}

static void all_tests(void)
{
    RUN(numbers_of_a_stream_are_the_same);
    RUN(usual_training_is_the_same);
    RUN(training_with_all_options_is_the_same);
    RUN(plain_training_is_the_same);
    RUN(training_with_directions_is_the_same);
}

int main(int argc, char **argv)
{
    if (!read_lines()) return test_failed = 1, test_report();
    RUN(philox_is_that_of_the_paper);
    RUN(schedule_is_the_same);
    each_simd(all_tests);
    if (argc > 1 && strcmp(argv[1], "--worst") == 0)
        printf("worst loss or norm %.2g, worst parameter or prediction %.2g\n", worst_loss, worst_end);
    return test_report();
}
