/* itd_save and itd_load: any description that is accepted, with any numbers, comes back to the bit. */
#include "fuzz.h"

#define ITDIFF_IMPLEMENTATION
#include "../../itdiff.h"

typedef struct roundtrip_input {
    const uint8_t *bytes;
    size_t size;
} roundtrip_input;

/* The next n bytes of the input; zeros behind its end. */
static void roundtrip_take(roundtrip_input *in, void *out, size_t n)
{
    size_t some = n < in->size ? n : in->size;
    memset(out, 0, n);
    if (some) memcpy(out, in->bytes, some);
    in->bytes += some, in->size -= some;
}

static size_t roundtrip_whole(roundtrip_input *in, size_t below)
{
    uint8_t byte;
    roundtrip_take(in, &byte, 1);
    return byte % below;
}

static double roundtrip_real(roundtrip_input *in, double otherwise)
{
    double x;
    if (roundtrip_whole(in, 2) == 0) return otherwise;
    roundtrip_take(in, &x, sizeof x);
    return x;
}

static void roundtrip_numbers(roundtrip_input *in, float *x, size_t n)
{
    for (size_t i = 0; x && i < n; i++) {
        float value;
        roundtrip_take(in, &value, sizeof value);
        if (itd__finite(value)) x[i] = value;
    }
}

static itd_model_desc roundtrip_model(roundtrip_input *in)
{
    itd_model_desc d = itd_model_desc_default(1 + roundtrip_whole(in, 3));
    d.mlp.layers = 1 + roundtrip_whole(in, 3), d.mlp.hidden = 1 + roundtrip_whole(in, 5);
    d.mlp.embedding = roundtrip_whole(in, 8), d.mlp.activation = (itd_activation)roundtrip_whole(in, 2);
    d.mlp.coordinate_scale = roundtrip_real(in, 1), d.mlp.logsnr_scale = roundtrip_real(in, 1);
    d.parameterization = (itd_parameterization)roundtrip_whole(in, 2);
    d.variance = roundtrip_real(in, 1), d.schedule.loc = roundtrip_real(in, 0);
    d.schedule.scale = roundtrip_real(in, 3), d.schedule.clip = roundtrip_real(in, 4);
    d.normalize = roundtrip_whole(in, 2) == 1, d.whiten = roundtrip_whole(in, 2) == 1;
    d.mlp.directions = roundtrip_whole(in, 4);
    d.mlp.frequency_min = roundtrip_real(in, 0.5), d.mlp.frequency_max = roundtrip_real(in, 10);
    return d;
}

/* What data and a reader of columns may leave in a model: its map and its Gaussian, and a note. */
static void roundtrip_fit(roundtrip_input *in, itd_model *model)
{
    float x[3 * 4] = {1, 2, 4, 7, 5, 3, 2, 8, 9, 6, 1, 1};
    char note[8];
    roundtrip_numbers(in, x, roundtrip_whole(in, 12));
    if (roundtrip_whole(in, 2)) (void)itd_model_fit(model, x, 4);
    roundtrip_take(in, note, sizeof note);
    note[7] = 0;
    (void)itd_model_set_note(model, "", note);
    (void)itd_model_set_note(model, note, "value"); /* refused if it is not UTF-8 */
}

static itd_trainer_desc roundtrip_trainer(roundtrip_input *in)
{
    itd_trainer_desc d = itd_trainer_desc_default();
    roundtrip_take(in, &d.batch, 2), roundtrip_take(in, &d.micro_batch, sizeof d.micro_batch);
    roundtrip_take(in, &d.seed, sizeof d.seed), roundtrip_take(in, &d.warmup, sizeof d.warmup);
    roundtrip_take(in, &d.steps, sizeof d.steps);
    d.learning_rate = roundtrip_real(in, 1e-3), d.final_fraction = roundtrip_real(in, 0);
    d.beta1 = roundtrip_real(in, 0.9), d.beta2 = roundtrip_real(in, 0.999);
    d.epsilon = roundtrip_real(in, 1e-8), d.weight_decay = roundtrip_real(in, 0);
    d.clip_norm = roundtrip_real(in, 0), d.weight_limit = roundtrip_real(in, 0);
    d.ema = roundtrip_real(in, roundtrip_whole(in, 2) ? 0.5 : 0);
    d.stratified = roundtrip_whole(in, 2) == 1, d.drop_incomplete = roundtrip_whole(in, 2) == 1;
    return d;
}

static int fuzz_roundtrip(const uint8_t *bytes, size_t size)
{
    roundtrip_input in;
    itd_model_desc md;
    itd_trainer_desc td;
    itd_model *model = NULL, *again = NULL;
    itd_trainer *trainer = NULL, *trainer_again = NULL;
    uint8_t *first;
    size_t n;
    in.bytes = bytes, in.size = size;
    md = roundtrip_model(&in), td = roundtrip_trainer(&in);
    if (itd_model_create(&md, 1, &model) == ITD_OK && itd_trainer_create(model, &td, &trainer) == ITD_OK) {
        n = itd_net_parameters(model->net);
        roundtrip_fit(&in, model);
        roundtrip_take(&in, &trainer->step, 5);
        trainer->step &= (UINT64_MAX >> 12) / (td.batch ? td.batch : 1) / 2;
        roundtrip_numbers(&in, model->net->w, n), roundtrip_numbers(&in, model->net->ema, n);
        roundtrip_numbers(&in, model->net->m, n), roundtrip_numbers(&in, model->net->v, n);
        REQUIRE(itd_save(model, trainer, "file", NULL) == ITD_OK);
        n = fuzz_file.size;
        first = (uint8_t *)malloc(n);
        if (!first) abort();
        memcpy(first, fuzz_file.bytes, n);
        REQUIRE(itd_load("file", &again, &trainer_again, NULL) == ITD_OK);
        REQUIRE(itd_save(again, trainer_again, "file", NULL) == ITD_OK);
        REQUIRE(fuzz_file.size == n && memcmp(first, fuzz_file.bytes, n) == 0);
        free(first);
    }
    itd_trainer_free(trainer), itd_trainer_free(trainer_again);
    itd_model_free(model), itd_model_free(again);
    REQUIRE(memory.blocks == 0);
    return 0;
}

/* Random bytes go deep enough. */
static size_t seed_roundtrip(size_t k, uint8_t *out)
{
    itd_rng rng = itd_rng_make(k, 1);
    if (k > 5) return 0;
    for (size_t i = 0; i < 300; i++) out[i] = (uint8_t)itd_rng_below(&rng, 256);
    return 300;
}
