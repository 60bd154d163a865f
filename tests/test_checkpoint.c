/* Checkpoints: what was saved comes back to the bit, training goes on as if it had never stopped, any
 * reader of safetensors finds what it expects, and no damaged file gets past the checks or leaks memory on
 * its way out. */
#include <stdint.h>
#include <stdlib.h>

/* Memory that counts itself, and that runs out when told to. */
static long memory_live, memory_left = -1;
static size_t memory_largest;

static void *test_malloc(size_t size)
{
    void *p;
    if (memory_left == 0) return NULL;
    if (memory_left > 0) memory_left--;
    if (size > memory_largest) memory_largest = size;
    p = malloc(size);
    if (p) memory_live++;
    return p;
}

static void test_free(void *p)
{
    if (p) memory_live--;
    free(p);
}

static int sync_result; /* what making sure of a file comes to */

#define ITD_MALLOC(size) test_malloc(size)
#define ITD_FREE(p) test_free(p)
#define ITD_FSYNC(file) ((void)(file), sync_result)
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "ref.h"
#include "test.h"

enum { MOST_BYTES = 1 << 16, ROWS = 50 };

static const char good_path[] = "build/checkpoint_good.safetensors";
static const char bad_path[] = "build/checkpoint_bad.safetensors";
static unsigned char bytes[MOST_BYTES], changed[MOST_BYTES];
static size_t size; /* of the file in `bytes` */
static float data[2 * ROWS];

/* ---- helpers ---- */

static void make_data(void)
{
    itd_rng rng = itd_rng_make(1, 0);
    for (size_t i = 0; i < ROWS; i++) {
        data[2 * i] = (float)(3 + 0.5 * itd_rng_normal(&rng));
        data[2 * i + 1] = (float)(-1 + 2 * itd_rng_normal(&rng)) + data[2 * i];
    }
}

static size_t read_file(const char *path, unsigned char *into)
{
    FILE *file = fopen(path, "rb");
    size_t n = 0;
    if (CHECK(file != NULL)) n = fread(into, 1, MOST_BYTES, file), fclose(file);
    return n;
}

static void write_file(const char *path, const unsigned char *from, size_t n)
{
    FILE *file;
    remove(path); /* some file systems wait for the disk when a file is overwritten */
    file = fopen(path, "wb");
    if (!CHECK(file != NULL)) return;
    CHECK(fwrite(from, 1, n, file) == n);
    CHECK(fclose(file) == 0);
}

static int exists(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file) fclose(file);
    return file != NULL;
}

static itd_model_desc small_model(void)
{
    itd_model_desc desc = itd_model_desc_default(2);
    desc.mlp.layers = 2, desc.mlp.hidden = 3, desc.mlp.embedding = 4, desc.mlp.directions = 2;
    desc.mlp.coordinate_scale = 2, desc.mlp.logsnr_scale = 0.5;
    desc.mlp.zero_output = false;
    return desc;
}

static itd_trainer_desc small_trainer(double ema, bool drop_incomplete)
{
    itd_trainer_desc desc = itd_trainer_desc_default();
    desc.batch = 8;
    desc.seed = 77;
    desc.warmup = 3, desc.steps = 40;
    desc.weight_decay = 0.01, desc.clip_norm = 1;
    desc.ema = ema, desc.drop_incomplete = drop_incomplete;
    return desc;
}

static void train(itd_trainer *t, size_t steps, double *losses)
{
    for (size_t k = 0; k < steps; k++) {
        size_t index[8];
        float batch[16];
        double loss = 0;
        CHECK_OK(itd_train_indices(t, ROWS, index));
        for (size_t i = 0; i < 16; i++) batch[i] = data[2 * index[i / 2] + i % 2];
        CHECK_OK(itd_train_step(t, batch, &loss));
        if (losses) losses[k] = loss;
    }
}

static void make(const itd_model_desc *md, const itd_trainer_desc *td, size_t steps, itd_model **m,
                 itd_trainer **t)
{
    if (!CHECK_OK(itd_model_create(md, 5, m))) exit(1);
    CHECK_OK(itd_model_fit(*m, data, ROWS));
    if (!t) return;
    if (!CHECK_OK(itd_trainer_create(*m, td, t))) exit(1);
    train(*t, steps, NULL);
}

static void release(itd_model *m, itd_trainer *t)
{
    itd_trainer_free(t);
    itd_model_free(m);
}

/* The small file that gets damaged below, in `bytes`. */
static void make_good_file(void)
{
    itd_model_desc md = small_model();
    itd_trainer_desc td = small_trainer(0.9, false);
    itd_model *m;
    itd_trainer *t;
    make(&md, &td, 9, &m, &t);
    CHECK_OK(itd_save(m, t, good_path, NULL));
    size = read_file(good_path, bytes);
    CHECK(size > 1000 && size < MOST_BYTES / 4);
    release(m, t);
}

static size_t header_length(const unsigned char *file)
{
    size_t n = 0;
    for (size_t i = 8; i-- > 0;) n = n << 8 | file[i];
    return n;
}

static void set_length(unsigned char *file, uint64_t n)
{
    for (size_t i = 0; i < 8; i++) file[i] = (unsigned char)(n >> (8 * i));
}

static bool same_floats(const float *a, const float *b, size_t n)
{
    return (!a && !b) || (a && b && memcmp(a, b, n * sizeof *a) == 0);
}

static bool same_doubles(const double *a, const double *b, size_t n)
{
    return (!a && !b) || (a && b && memcmp(a, b, n * sizeof *a) == 0);
}

static void check_same(const itd_model *a, const itd_model *b, bool training)
{
    size_t n = itd_net_parameters(a->net), d = a->dim;
    CHECK(a->dim == b->dim && n == itd_net_parameters(b->net));
    CHECK(same_doubles(a->mean, b->mean, d) && same_doubles(a->scale, b->scale, d));
    CHECK(same_doubles(a->whiten, b->whiten, d * d) && same_doubles(a->color, b->color, d * d));
    CHECK(a->log_det == b->log_det);
    CHECK(!a->gaussian == !b->gaussian);
    if (a->gaussian && b->gaussian) {
        CHECK(a->gaussian->dim == b->gaussian->dim);
        CHECK(same_doubles(a->gaussian->mean, b->gaussian->mean, d));
        CHECK(same_doubles(a->gaussian->lambda, b->gaussian->lambda, d));
        CHECK(same_doubles(a->gaussian->vectors, b->gaussian->vectors, d * d));
    }
    if (!training) return;
    CHECK(same_floats(a->net->w, b->net->w, n) && same_floats(a->net->ema, b->net->ema, n));
    CHECK(same_floats(a->net->m, b->net->m, n) && same_floats(a->net->v, b->net->v, n));
}

static void check_same_nll(itd_model *a, itd_model *b)
{
    itd_denoiser one = itd_model_denoiser(a), two = itd_model_denoiser(b);
    itd_nll_desc nd = itd_model_nll_desc(a), nb = itd_model_nll_desc(b);
    itd_nll_result ra, rb;
    double xa[ROWS], xb[ROWS];
    CHECK_OK(itd_nll(&one, data, ROWS, &nd, &ra, xa, NULL));
    CHECK_OK(itd_nll(&two, data, ROWS, &nb, &rb, xb, NULL));
    CHECK(ra.nll == rb.nll && ra.std_error == rb.std_error && memcmp(xa, xb, sizeof xa) == 0);
}

/* ---- there and back ---- */

#define SAME(field) CHECK(a->field == b->field)

static void check_same_model_desc(const itd_model_desc *a, const itd_model_desc *b)
{
    SAME(mlp.dim), SAME(mlp.layers), SAME(mlp.hidden), SAME(mlp.embedding), SAME(mlp.coordinate_scale);
    SAME(mlp.logsnr_scale), SAME(mlp.activation), SAME(mlp.zero_output), SAME(parameterization),
        SAME(variance);
    SAME(schedule.loc), SAME(schedule.scale), SAME(schedule.clip), SAME(normalize), SAME(whiten);
    SAME(mlp.directions), SAME(mlp.frequency_min), SAME(mlp.frequency_max);
}

static void check_same_trainer_desc(const itd_trainer_desc *a, const itd_trainer_desc *b)
{
    SAME(batch), SAME(seed), SAME(learning_rate), SAME(warmup), SAME(steps), SAME(final_fraction),
        SAME(beta1);
    SAME(beta2), SAME(epsilon), SAME(weight_decay), SAME(clip_norm), SAME(ema), SAME(stratified);
    SAME(drop_incomplete);
}

/* Nothing at its default; numbers that decimal notation finds hard. */
static void every_field_comes_back(void)
{
    itd_model_desc md = itd_model_desc_default(2);
    itd_trainer_desc td = itd_trainer_desc_default();
    itd_model *m, *loaded = NULL;
    itd_trainer *t, *trainer = NULL;
    md.mlp.layers = 4, md.mlp.hidden = 5, md.mlp.embedding = 6, md.mlp.coordinate_scale = -0.1;
    md.mlp.logsnr_scale = 1e-300, md.mlp.activation = ITD_RELU, md.mlp.zero_output = false;
    md.parameterization = ITD_PLAIN, md.variance = 1.0 / 3;
    md.schedule.loc = -0.7, md.schedule.scale = 2.0 / 7, md.schedule.clip = 5.1, md.normalize = false;
    md.mlp.directions = 3, md.mlp.frequency_min = 1.0 / 7, md.mlp.frequency_max = 1.0 / 3, md.whiten = false;
    td.batch = 3, td.seed = UINT64_MAX, td.learning_rate = 4.9406564584124654e-324, td.warmup = 11;
    td.steps = ((uint64_t)1 << 53) + 1, td.final_fraction = 0.1, td.beta1 = 0.7,
    td.beta2 = 1 - DBL_EPSILON / 2;
    td.epsilon = 3e-30, td.weight_decay = 0.3, td.clip_norm = DBL_MAX, td.ema = 0.1, td.stratified = false;
    td.drop_incomplete = true;
    make(&md, &td, 0, &m, &t);
    t->step = ((uint64_t)1 << 50) + 5;
    for (size_t i = 0; i < itd_net_parameters(m->net); i++)
        m->net->m[i] = 1e-40f * (float)i, m->net->v[i] = (float)i;
    CHECK_OK(itd_save(m, t, good_path, NULL));
    if (CHECK_OK(itd_load(good_path, &loaded, &trainer, NULL))) {
        check_same_model_desc(&m->desc, &loaded->desc);
        check_same_trainer_desc(&t->desc, &trainer->desc);
        CHECK(trainer->step == t->step && trainer->model == loaded);
        check_same(m, loaded, true);
        release(loaded, trainer);
    }
    release(m, t);
}

static void models_come_back(void)
{
    for (int fitted = 0; fitted < 2; fitted++) {
        itd_model_desc md = small_model();
        itd_model *m, *loaded = NULL;
        itd_trainer *none = NULL;
        itd_error error = {""};
        CHECK_OK(itd_model_create(&md, 3, &m));
        if (fitted) CHECK_OK(itd_model_fit(m, data, ROWS));
        CHECK_OK(itd_save(m, NULL, good_path, &error));
        if (CHECK_OK(itd_load(good_path, &loaded, NULL, &error))) {
            check_same(m, loaded, true);
            check_same_nll(m, loaded);
            itd_model_free(loaded);
        }
        loaded = NULL;
        CHECK(itd_load(good_path, &loaded, &none, &error) == ITD_ERROR_MISMATCH);
        CHECK(!loaded && !none && strstr(error.text, good_path) != NULL);
        itd_model_free(m);
    }
}

/* What the denoiser uses, the moving average where there is one, is all a model without trainer keeps. */
static void denoisers_come_back(void)
{
    static const double averages[] = {0, 0.9};
    for (size_t k = 0; k < 2; k++) {
        itd_model_desc md = small_model();
        itd_trainer_desc td = small_trainer(averages[k], false);
        itd_model *m, *loaded = NULL;
        itd_trainer *t;
        make(&md, &td, 9, &m, &t);
        for (int with_trainer = 0; with_trainer < 2; with_trainer++) {
            CHECK_OK(itd_save(m, with_trainer ? t : NULL, good_path, NULL));
            if (!CHECK_OK(itd_load(good_path, &loaded, NULL, NULL))) continue;
            check_same(m, loaded, false);
            check_same_nll(m, loaded);
            CHECK_OK(itd_save(loaded, NULL, bad_path, NULL)); /* and once more */
            itd_model_free(loaded);
            if (!CHECK_OK(itd_load(bad_path, &loaded, NULL, NULL))) continue;
            check_same_nll(m, loaded);
            itd_model_free(loaded);
        }
        release(m, t);
    }
}

static void wide_models_come_back(void)
{
    enum { WIDE = 70, N = 100 }; /* more than 64 dimensions: the Gaussian has no eigenvectors */
    itd_model_desc md = itd_model_desc_default(WIDE);
    itd_model *m, *loaded = NULL;
    itd_rng rng = itd_rng_make(4, 4);
    static float x[WIDE * N];
    md.mlp.hidden = 8, md.mlp.embedding = 0;
    itd_rng_normal_fill(&rng, WIDE * N, x);
    CHECK_OK(itd_model_create(&md, 3, &m));
    CHECK_OK(itd_model_fit(m, x, N));
    CHECK(m->gaussian && !m->gaussian->vectors);
    CHECK_OK(itd_save(m, NULL, bad_path, NULL));
    if (CHECK_OK(itd_load(bad_path, &loaded, NULL, NULL)))
        check_same(m, loaded, true), itd_model_free(loaded);
    itd_model_free(m);
}

static void training_goes_on_as_if_it_had_not_stopped(void)
{
    enum { ALL = 30 };
    static const size_t stops[] = {0, 1, 6, 7, 13}; /* 50 rows in batches of 8: an epoch is 6 or 6.25 steps */
    for (size_t k = 0; k < 20; k++) {
        itd_model_desc md = small_model();
        itd_trainer_desc td = small_trainer(k & 1 ? 0.9 : 0, (k & 2) != 0);
        itd_model *m, *resumed = NULL;
        itd_trainer *t, *trainer = NULL;
        size_t stop = stops[k / 4];
        double losses[ALL], again[ALL], epoch_loss = 0, epoch_again = 1;
        make(&md, &td, stop, &m, &t);
        CHECK_OK(itd_save(m, t, good_path, NULL));
        train(t, ALL - stop, losses);
        CHECK_OK(itd_train_epoch(t, data, ROWS, &epoch_loss));
        if (CHECK_OK(itd_load(good_path, &resumed, &trainer, NULL))) {
            CHECK(trainer->step == stop);
            train(trainer, ALL - stop, again);
            CHECK_OK(itd_train_epoch(trainer, data, ROWS, &epoch_again));
            CHECK(memcmp(losses, again, (ALL - stop) * sizeof *losses) == 0);
            CHECK(epoch_loss == epoch_again && t->step == trainer->step);
            CHECK(t->learning_rate == trainer->learning_rate && t->gradient_norm == trainer->gradient_norm);
            check_same(m, resumed, true);
            release(resumed, trainer);
        }
        release(m, t);
    }
}

/* A second trainer without moving average on a model whose first trainer had one: the average is still
 * there. */
static void training_without_average_drops_an_old_one(void)
{
    itd_model_desc md = small_model();
    itd_trainer_desc td = small_trainer(0.9, false);
    itd_model *m, *loaded = NULL;
    itd_trainer *t, *trainer = NULL;
    itd_error error = {""};
    make(&md, &td, 5, &m, &t);
    itd_trainer_free(t);
    td.ema = 0;
    CHECK_OK(itd_trainer_create(m, &td, &t));
    for (size_t stop = 0; stop < 2; stop++) { /* before and after its first step */
        CHECK_OK(itd_save(m, t, good_path, NULL));
        if (CHECK_OK(itd_load(good_path, &loaded, &trainer, &error))) {
            check_same(m, loaded, true);
            check_same_nll(m, loaded);
            release(loaded, trainer);
        }
        train(t, 1, NULL);
    }
    release(m, t);
}

/* ---- what results say ---- */

static void a_wrong_shape_is_named(void)
{
    itd_model_desc d = itd_model_desc_default(2);
    itd_model *saved = NULL, *other = NULL;
    itd_error error = {""};
    d.mlp.layers = 2, d.mlp.hidden = 3, d.mlp.embedding = d.mlp.directions = 0;
    CHECK_OK(itd_model_create(&d, 1, &saved));
    d.mlp.dim = 3;
    CHECK_OK(itd_model_create(&d, 1, &other));
    CHECK_OK(itd_save(saved, NULL, bad_path, NULL));
    CHECK(itd_load_weights(other, bad_path, "", &error) == ITD_ERROR_MISMATCH);
    if (!CHECK(
            strstr(
                error.text,
                ": tensor layers.0.weight: F32, F16 or BF16 of shape [3,4] expected, F32 of [3,3] found") !=
            NULL))
        printf("    %s\n", error.text);
    itd_model_free(saved), itd_model_free(other);
}

static void every_result_has_its_sentence(void)
{
    static const struct {
        itd_result result;
        const char *word; /* no other sentence has it */
    } list[] = {{ITD_OK, "success"},
                {ITD_ERROR_ARGUMENT, "argument"},
                {ITD_ERROR_MEMORY, "memory"},
                {ITD_ERROR_DATA, "vary"},
                {ITD_ERROR_NUMERIC, "gradient"},
                {ITD_ERROR_CALLBACK, "denoiser"},
                {ITD_ERROR_OPEN, "opened"},
                {ITD_ERROR_READ, "read"},
                {ITD_ERROR_WRITE, "written"},
                {ITD_ERROR_FORMAT, "not valid safetensors"},
                {ITD_ERROR_CHECKSUM, "checksum"},
                {ITD_ERROR_MISMATCH, "asked for"}};
    size_t i, k;
    CHECK(sizeof list / sizeof *list == ITD_RESULT_COUNT);
    for (i = 0; i < ITD_RESULT_COUNT; i++)
        for (k = 0; k < ITD_RESULT_COUNT; k++)
            CHECK((strstr(itd_result_string((itd_result)i), list[k].word) != NULL) ==
                  (list[k].result == (itd_result)i));
    CHECK(!strcmp(itd_result_string(ITD_OK), "success"));
    CHECK(!strcmp(itd_result_string((itd_result)ITD_RESULT_COUNT), "unknown result"));
    CHECK(!strcmp(itd_result_string((itd_result)-1), "unknown result"));
}

/* ---- what others find in the file ---- */

static uint32_t checksum(const unsigned char *from, size_t n, size_t first)
{
    itd__file sum = ITD__ZERO;
    itd__checksum_begin(&sum);
    itd__checksum_add(&sum, from, first);
    itd__checksum_add(&sum, from + first, n - first);
    return ~sum.rest;
}

/* Its published check value, and the definition, for every length and place up to some dozen bytes, in one go
 * and in two. */
static void checksum_is_crc32c(void)
{
    static const unsigned char digits[] = "123456789";
    unsigned char text[80];
    CHECK(ref_crc32c(digits, 9) == 0xE3069283u && ref_crc32c(digits, 0) == 0);
    ref_seed(8);
    for (size_t i = 0; i < sizeof text; i++) text[i] = (unsigned char)ref_bits();
    for (size_t at = 0; at < 9; at++)
        for (size_t n = 0; at + n <= sizeof text; n++)
            if (!CHECK(checksum(text + at, n, 0) == ref_crc32c(text + at, n))) return;
    for (size_t first = 0; first <= 9; first++) CHECK(checksum(digits, 9, first) == 0xE3069283u);
    for (size_t first = 0; first <= sizeof text; first++)
        CHECK(checksum(text, sizeof text, first) == ref_crc32c(text, sizeof text));
}

static float float_at(const unsigned char *p)
{
    uint32_t bits = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

/* The tensors in the order of the header: first those of eight bytes, names ascending, no gap between
 * them. */
static void header_is_orderly(void)
{
    static char json[MOST_BYTES];
    char name[64] = "", last[64] = "", dtype[8], last_dtype[8] = "F64";
    size_t n, tensors = 0;
    unsigned long at = 0, begin, end;
    const char *p;
    make_good_file();
    n = header_length(bytes);
    CHECK((8 + n) % 8 == 0);
    memcpy(json, bytes + 8, n);
    CHECK(strlen(json) == n && json[0] == '{');
    while (n && json[n - 1] == ' ') n--;
    CHECK(json[n - 1] == '}');
    for (size_t i = 0; i < n; i++) CHECK((unsigned char)json[i] >= 0x20 && (unsigned char)json[i] < 0x7F);
    CHECK(strstr(json, "{\"__metadata__\":{\"format\":\"itdiff\"") == json);
    for (p = strstr(json, "\"dtype\""); p; p = strstr(p + 1, "\"dtype\"")) {
        const char *start = p - 4, *shape = strstr(p, "\"shape\":["),
                   *offsets = strstr(p, "\"data_offsets\":[");
        unsigned long rows, columns = 1;
        while (start[-1] != '"') start--;
        CHECK(sscanf(start, "%63[^\"]\":{\"dtype\":\"%7[^\"]", name, dtype) == 2);
        if (!CHECK(shape && offsets)) return;
        CHECK(sscanf(shape + 9, "%lu,%lu]", &rows, &columns) >= 1);
        CHECK(sscanf(offsets + 16, "%lu,%lu]", &begin, &end) == 2);
        CHECK(begin == at && end - begin == rows * columns * (strcmp(dtype, "F64") ? 4 : 8));
        CHECK(strcmp(dtype, last_dtype) == 0 ? strcmp(name, last) > 0 : !strcmp(dtype, "F32"));
        at = end, tensors++;
        memcpy(last, name, sizeof last), memcpy(last_dtype, dtype, sizeof dtype);
    }
    CHECK(tensors == 7 + 4 * 4); /* norm and gaussian; weights and biases of two layers in four slabs */
    CHECK(at + 8 + header_length(bytes) == size);
}

/* One linear layer on raw inputs: its output from the file's own (out,in) matrix must be the network's. */
static void weights_are_rows_of_outputs(void)
{
    itd_model_desc md = small_model();
    itd_model *m;
    static char json[MOST_BYTES];
    const float z[2] = {0.3f, -1.2f}, logsnr[1] = {0.7f}, input[3] = {0.3f, -1.2f, 0.7f};
    const unsigned char *content;
    float out[2];
    unsigned long weight = 99999, bias = 99999;
    const char *p;
    md.mlp.embedding = md.mlp.directions = 0, md.mlp.layers = 1;
    CHECK_OK(itd_model_create(&md, 3, &m));
    CHECK_OK(itd_save(m, NULL, good_path, NULL));
    read_file(good_path, bytes);
    memcpy(json, bytes + 8, header_length(bytes));
    json[header_length(bytes)] = 0;
    content = bytes + 8 + header_length(bytes);
    p = strstr(json, "\"layers.0.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[");
    CHECK(p && sscanf(strstr(p, "offsets\":[") + 10, "%lu", &weight) == 1);
    p = strstr(json, "\"layers.0.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[");
    CHECK(p && sscanf(strstr(p, "offsets\":[") + 10, "%lu", &bias) == 1);
    CHECK_OK(itd_net_forward(m->net, z, logsnr, 1, out));
    for (size_t o = 0; o < 2 && weight < 1000 && bias < 1000; o++) {
        double sum = float_at(content + bias + 4 * o);
        for (size_t i = 0; i < 3; i++) sum += (double)float_at(content + weight + 4 * (3 * o + i)) * input[i];
        CHECK_CLOSE(out[o], sum, 1e-6);
    }
    itd_model_free(m);
}

/* ---- files that must be refused ---- */

static itd_error said;
static bool of_training; /* what is wrong is only in tensors that are read for a trainer alone */

static bool is_of_training(const char *tensor)
{
    return !strncmp(tensor, "raw.", 4) || !strncmp(tensor, "adam_m.", 7) || !strncmp(tensor, "adam_v.", 7);
}

/* Loads it with and without trainer: an error, a message of one line that names the file, and nothing else.
 * What is only of training may be of any shape, if the file is well-formed, where nobody asks for it. */
static itd_result refused(const unsigned char *file, size_t n)
{
    itd_model *untouched = (itd_model *)(void *)&said, *model = untouched;
    itd_trainer *trainer = (itd_trainer *)(void *)&said;
    long live = memory_live;
    itd_result result, alone;
    write_file(bad_path, file, n);
    said.text[0] = 0;
    result = itd_load(bad_path, &model, &trainer, &said);
    CHECK(result != ITD_OK);
    CHECK(model == untouched && (void *)trainer == (void *)&said);
    CHECK(strstr(said.text, bad_path) == said.text && strlen(said.text) > sizeof bad_path + 3);
    for (const char *p = said.text; *p; p++)
        if (!CHECK((unsigned char)*p >= 0x20)) break;
    alone = itd_load(bad_path, &model, NULL, NULL);
    CHECK(alone == (of_training && result == ITD_ERROR_MISMATCH ? ITD_OK : result));
    CHECK((model == untouched) == (alone != ITD_OK));
    if (alone == ITD_OK) itd_model_free(model);
    CHECK(memory_live == live);
    return result;
}

static void check_refused(const unsigned char *file, size_t n, itd_result expected, const char *what)
{
    itd_result result = refused(file, n);
    if (!CHECK(result == expected))
        printf("    %s: %s (%s), expected: %s\n", what, itd_result_string(result), said.text,
               itd_result_string(expected));
}

static void shorter_and_longer_files(void)
{
    make_good_file();
    for (size_t n = 0; n < size; n++) {
        int faults = test_faults;
        CHECK(refused(bytes, n) == ITD_ERROR_FORMAT);
        if (test_faults > faults) printf("    cut to %lu bytes\n", (unsigned long)n);
    }
    memcpy(changed, bytes, size);
    changed[size] = 0;
    check_refused(changed, size + 1, ITD_ERROR_FORMAT, "one byte more");
}

static void flipped_bits(void)
{
    make_good_file();
    memcpy(changed, bytes, size);
    for (size_t i = 8 + header_length(bytes); i < size; i++) {
        changed[i] ^= (unsigned char)(1 << i % 8);
        check_refused(changed, size, ITD_ERROR_CHECKSUM, "a flipped bit");
        changed[i] = bytes[i];
    }
}

/* Any byte of the header replaced by any of these: often still a valid file, but never a crash or a leak. */
static void wild_headers(void)
{
    static const unsigned char wild[] = {0,   '"',  '{', '}', '[', ']',  ',',
                                         ':', '\\', '9', '-', ' ', 0x80, 0xF0};
    long live = memory_live;
    make_good_file();
    for (size_t i = 0; i < 8 + header_length(bytes); i++) {
        itd_model *model = NULL;
        itd_trainer *trainer = NULL;
        itd_result result;
        memcpy(changed, bytes, size);
        changed[i] = wild[i * 7 % sizeof wild];
        write_file(bad_path, changed, size);
        said.text[0] = 0;
        result = itd_load(bad_path, &model, &trainer, &said);
        CHECK((result == ITD_OK) == (model != NULL) && (result == ITD_OK) == (trainer != NULL));
        CHECK((result == ITD_OK) == (said.text[0] == 0));
        release(model, trainer);
        CHECK(memory_live == live);
    }
}

/* The good file with `length` bytes at `at` of its header replaced; the data follow unchanged. Returns its
 * size. */
static size_t replaced(size_t at, size_t length, const char *with)
{
    size_t n = header_length(bytes), more = strlen(with);
    memcpy(changed, bytes, 8 + at);
    memcpy(changed + 8 + at, with, more);
    memcpy(changed + 8 + at + more, bytes + 8 + at + length, size - 8 - at - length);
    set_length(changed, n - length + more);
    return size - length + more;
}

/* Where a text stands in the header; npos if it does not. */
static const size_t npos = (size_t)-1;

static size_t find(const char *text, size_t from)
{
    size_t n = header_length(bytes), length = strlen(text);
    for (size_t i = from; i + length <= n; i++)
        if (memcmp(bytes + 8 + i, text, length) == 0) return i;
    return npos;
}

/* A field that files of version 0.1.0 do not have. */
static bool is_optional(const char *field)
{
    static const char *const list[] = {"mlp.directions", "mlp.frequency_min", "mlp.frequency_max", "whiten",
                                       "whitened",       "log_det",           "gaussian.in_units"};
    for (size_t k = 0; k < sizeof list / sizeof *list; k++)
        if (!strcmp(list[k], field)) return true;
    return false;
}

/* Fields of later versions have a value where they are missing: then either the tensors do not fit what that
 * says, or the model is another one, but complete. Without its determinant a map is of no use. */
static void check_missing(const char *key, size_t n)
{
    itd_model *model = NULL;
    itd_trainer *trainer = NULL;
    itd_result result;
    write_file(bad_path, changed, n);
    result = itd_load(bad_path, &model, &trainer, &said);
    if (!strcmp(key, "mlp.directions") || !strcmp(key, "whitened") || !strcmp(key, "log_det"))
        CHECK(result == ITD_ERROR_MISMATCH);
    else CHECK_OK(result);
    release(model, trainer);
}

static void metadata_values(void)
{
    static const char *const wrong[] = {"", "x", "nan", "inf", "1e999", " 1", "1 ", "0x1", "--1", "1,5"};
    size_t at, end, keys = 0, optional = 0;
    make_good_file();
    end = find("}", 0);
    for (at = find("{\"", 2) + 1; at < end && at != npos; keys++) { /* at the quote before a key */
        size_t colon = find("\":\"", at), close = find("\"", colon + 3);
        char key[64] = "";
        memcpy(key, bytes + 8 + at + 1, colon - at - 1);
        for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
            int faults = test_faults;
            refused(changed, replaced(colon + 3, close - colon - 3, wrong[k]));
            if (test_faults > faults) printf("    %s: \"%s\"\n", key, wrong[k]);
        }
        int faults = test_faults;
        if (is_optional(key)) check_missing(key, replaced(at + 1, 0, "z")), optional++;
        else CHECK(refused(changed, replaced(at + 1, 0, "z")) == ITD_ERROR_MISMATCH);
        if (test_faults > faults) printf("    %s missing\n", key);
        at = close + 2;
    }
    CHECK(keys >= 3 + 16 + 15 + 7); /* format, version, crc32c; of the model; of the trainer; optional */
    CHECK(optional == 7);
}

static void metadata_out_of_range(void)
{
    static const struct {
        const char *key, *value;
    } wrong[] = {
        {"format", "itdiff2"},
        {"version", "2"},
        {"mlp.dim", "0"},
        {"mlp.dim", "3"},
        {"mlp.dim", "1048576"},
        {"mlp.dim", "18446744073709551615"},
        {"mlp.layers", "0"},
        {"mlp.layers", "1"},
        {"mlp.layers", "101"},
        {"mlp.hidden", "0"},
        {"mlp.hidden", "4"},
        {"mlp.hidden", "1048576"},
        {"mlp.hidden", "1048577"},
        {"mlp.embedding", "0"},
        {"mlp.embedding", "2"},
        {"mlp.embedding", "5"},
        {"mlp.embedding", "8194"},
        {"mlp.directions", "1"},
        {"mlp.directions", "3"},
        {"mlp.directions", "-1"},
        {"mlp.directions", "65536"},
        {"mlp.directions", "65537"},
        {"mlp.directions", "18446744073709551615"},
        {"mlp.frequency_min", "0"},
        {"mlp.frequency_min", "-1"},
        {"mlp.frequency_min", "10.5"}, /* more than the maximum */
        {"mlp.frequency_max", "0.25"},
        {"mlp.frequency_max", "1e7"},
        {"whiten", "2"},
        {"whitened", "0"}, /* there are norm.whiten and norm.color */
        {"whitened", "2"},
        {"whitened", "-1"},
        {"gaussian.in_units", "2"},
        {"mlp.coordinate_scale", "1e39"},
        {"mlp.activation", "2"},
        {"mlp.zero_output", "2"},
        {"parameterization", "2"},
        {"variance", "0"},
        {"variance", "-1"},
        {"schedule.loc", "1e7"},
        {"schedule.scale", "0"},
        {"schedule.scale", "-1"},
        {"schedule.clip", "0"},
        {"schedule.clip", "1000"},
        {"normalize", "-1"},
        {"normalize", "0"}, /* but whitened */
        {"gaussian", "0"},
        {"gaussian", "2"},
        {"trainer", "0"},
        {"trainer", "2"},
        {"trainer.batch", "0"},
        {"trainer.batch", "-1"},
        {"trainer.seed", "18446744073709551616"},
        {"trainer.learning_rate", "-1"},
        {"trainer.final_fraction", "1.5"},
        {"trainer.beta1", "1"},
        {"trainer.beta2", "-0.1"},
        {"trainer.epsilon", "0"},
        {"trainer.weight_decay", "-1"},
        {"trainer.clip_norm", "-1"},
        {"trainer.ema", "1"},
        {"trainer.step", "1.5"},
        {"trainer.step", "4503599627370496"}, /* 2^52 batches */
    };
    make_good_file();
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
        char key[64];
        size_t at, close;
        snprintf(key, sizeof key, "\"%s\":\"", wrong[k].key);
        at = find(key, 0);
        if (!CHECK(at != npos)) continue;
        at += strlen(key), close = find("\"", at);
        memory_largest = 0;
        check_refused(changed, replaced(at, close - at, wrong[k].value), ITD_ERROR_MISMATCH, wrong[k].key);
        CHECK(memory_largest < 200000); /* whatever sizes the file claims */
    }
}

/* The message shows what stands in the file, but stays one line of text. */
static void messages_stay_one_line(void)
{
    static const char *const wrong[] = {"a\\nb", "a\\u001b[31mb", "\\r\\n", "\\t"};
    make_good_file();
    for (size_t k = 0; k < 4; k++) {
        CHECK(refused(changed, replaced(find("\"itdiff\"", 0) + 1, 6, wrong[k])) == ITD_ERROR_MISMATCH);
        CHECK(refused(changed, replaced(find("\"version\":\"", 0) + 11, 1, wrong[k])) == ITD_ERROR_MISMATCH);
        CHECK(refused(changed, replaced(find("\"crc32c\":\"", 0) + 10, 0, wrong[k])) == ITD_ERROR_FORMAT);
        CHECK(refused(changed, replaced(find("\"mlp.dim\":\"", 0) + 11, 1, wrong[k])) == ITD_ERROR_MISMATCH);
    }
}

static void tensor_fields(void)
{
    static const char *const dtypes[] = {"F16", "BF16", "I32", "I64", "U8", "F8_E4M3", "f32", "", "F64x"};
    static const char *const shapes[] = {"",
                                         "0",
                                         "1",
                                         "2,2,2",
                                         "3,8,1",
                                         "1,3,8",
                                         "8,3",
                                         "24",
                                         "18446744073709551615",
                                         "4294967296,4294967296",
                                         "9223372036854775808,2,3",
                                         "-3",
                                         "3.0",
                                         "1e1"};
    size_t tensors = 0;
    make_good_file();
    for (size_t at = find("\"dtype\":\"", 0); at != npos; at = find("\"dtype\":\"", at + 1), tensors++) {
        size_t type = at + 9, shape = find("\"shape\":[", at) + 9, shape_end = find("]", shape);
        size_t offsets = find("\"data_offsets\":[", at) + 16, comma = find(",", offsets),
               end = find("]", offsets), name = at - 3;
        while (bytes[8 + name - 1] != '"') name--;
        of_training = is_of_training((const char *)bytes + 8 + name);
        char own[40] = "", number[40];
        unsigned long first = 0, last = 0;
        memcpy(own, bytes + 8 + shape, shape_end - shape);
        for (size_t k = 0; k < sizeof dtypes / sizeof *dtypes; k++)
            refused(changed, replaced(type, 3, dtypes[k]));
        for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
            if (strcmp(shapes[k], own)) refused(changed, replaced(shape, shape_end - shape, shapes[k]));
        sscanf((const char *)bytes + 8 + offsets, "%lu,%lu", &first, &last);
        for (int step = -8; step <= 8; step += 4) {
            if (step == 0) continue;
            snprintf(number, sizeof number, "%ld", (long)first + step); /* also below zero */
            CHECK(refused(changed, replaced(offsets, comma - offsets, number)) == ITD_ERROR_FORMAT);
            snprintf(number, sizeof number, "%ld", (long)last + step);
            CHECK(refused(changed, replaced(comma + 1, end - comma - 1, number)) == ITD_ERROR_FORMAT);
        }
        snprintf(number, sizeof number, "%lu,%lu", last, first);
        CHECK(refused(changed, replaced(offsets, end - offsets, number)) == ITD_ERROR_FORMAT);
        CHECK(refused(changed, replaced(offsets, end - offsets, "0,18446744073709551615")) ==
              ITD_ERROR_FORMAT);
        CHECK(refused(changed, replaced(offsets, end - offsets, "0,18446744073709551616")) ==
              ITD_ERROR_FORMAT);
        CHECK(refused(changed, replaced(at - 4, 0, "z")) == ITD_ERROR_MISMATCH); /* another name */
    }
    CHECK(tensors == 23);
    of_training = false;
}

/* Numbers no model can have, under a checksum that is right. */
static void numbers_that_cannot_be(void)
{
    static const unsigned char nan32[4] = {0, 0, 0xC0, 0x7F}, inf64[8] = {0, 0, 0, 0, 0, 0, 0xF0, 0x7F};
    static const unsigned char zero[8] = {0}, minus_one[8] = {0, 0, 0, 0, 0, 0, 0xF0, 0xBF};
    static const unsigned char minus_inf64[8] = {0, 0, 0, 0, 0, 0, 0xF0, 0xFF};
    static const struct {
        const char *tensor;
        const unsigned char *value;
        size_t width;
        const char *why;
    } wrong[] = {{"\"layers.0.weight\"", nan32, 4, "not finite"},
                 {"\"adam_v.layers.1.bias\"", nan32, 4, "not finite"},
                 {"\"norm.mean\"", inf64, 8, "not finite"},
                 {"\"norm.mean\"", minus_inf64, 8, "not finite"},
                 {"\"norm.whiten\"", inf64, 8, "not finite"},
                 {"\"norm.color\"", minus_inf64, 8, "not finite"},
                 {"\"norm.color\"", zero, 8, "not each other's inverse"},
                 {"\"norm.whiten\"", minus_one, 8, "not each other's inverse"},
                 {"\"norm.scale\"", zero, 8, "0 is not positive"},
                 {"\"norm.scale\"", minus_one, 8, "-1 is not positive"},
                 {"\"gaussian.lambda\"", zero, 8, "0 is not positive"},
                 {"\"gaussian.lambda\"", minus_one, 8, "-1 is not positive"},
                 {"\"gaussian.vectors\"", inf64, 8, "not finite"}};
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
        make_good_file();
        size_t at = find(wrong[k].tensor, 0), body = 8 + header_length(bytes),
               crc = find("\"crc32c\":\"", 0) + 10;
        unsigned long begin = 0;
        char digits[20];
        if (!CHECK(at != npos)) continue;
        sscanf((const char *)bytes + 8 + find("\"data_offsets\":[", at) + 16, "%lu", &begin);
        memcpy(bytes + body + begin, wrong[k].value, wrong[k].width);
        snprintf(digits, sizeof digits, "%lu", (unsigned long)ref_crc32c(bytes + body, size - body));
        size_t n = replaced(crc, strspn((const char *)bytes + 8 + crc, "0123456789"), digits);
        of_training = is_of_training(wrong[k].tensor + 1);
        check_refused(changed, n, ITD_ERROR_MISMATCH, wrong[k].tensor);
        of_training = false;
        if (!CHECK(strstr(said.text, wrong[k].why) != NULL)) printf("    %s\n", said.text);
    }
}

/* ---- headers made by hand ---- */

#define T(name, dtype, shape, offsets)                                                                       \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" offsets "]}"

static const struct hand_made {
    const char *json;
    size_t data;
    itd_result expected;
} hand_made[] = {
    /* well-formed, but not ours */
    {"{}", 0, ITD_ERROR_MISMATCH},
    {"{ \t\r\n} \n", 0, ITD_ERROR_MISMATCH},
    {"{" T("b", "F8_E4M3", "3", "4,7") "," T("a", "F32", "1", "0,4") "}", 7, ITD_ERROR_MISMATCH},
    {"{" T("b", "C64", "1", "4,12") "," T("a", "F32", "1", "0,4") "}", 12, ITD_ERROR_MISMATCH},
    {"{\"__metadata__\":{}}", 0, ITD_ERROR_MISMATCH},
    {"{" T("a", "F32", "2", "0,8") "}", 8, ITD_ERROR_MISMATCH},
    {"{" T("a", "F32", "", "0,4") "}", 4, ITD_ERROR_MISMATCH},
    {"{" T("a", "F32", "3,0", "0,0") "}", 0, ITD_ERROR_MISMATCH},
    {"{" T("a", "F32", "0,18446744073709551615,4", "0,0") "}", 0, ITD_ERROR_MISMATCH},
    {"{" T("a", "F32", "1,1,1,1,1,1,1,2", "0,8") "}", 8, ITD_ERROR_MISMATCH},
    {"{" T("b", "U8", "3", "4,7") "," T("a", "F32", "1", "0,4") "}", 7, ITD_ERROR_MISMATCH},
    {"{" T("b", "U8", "0", "4,4") "," T("a", "F32", "1", "0,4") "}", 4, ITD_ERROR_MISMATCH},
    {"{" T("\\u00e9\\ud83d\\ude00\\n\\\"\xC3\xA9\xF0\x9F\x98\x80", "F32", "1", "0,4") "}", 4,
     ITD_ERROR_MISMATCH},
    {"{ \"a\" : { \"data_offsets\" : [ 0 , 4 ] , \"shape\" : [ 1 ] , \"dtype\" : \"F32\" } }", 4,
     ITD_ERROR_MISMATCH},
    {"{\"__metadata__\":{\"format\":\"pt\"}," T("a", "BF16", "2", "0,4") "}", 4, ITD_ERROR_MISMATCH},
    /* layout */
    {"{" T("a", "F32", "1", "0,4") "," T("b", "F32", "1", "8,12") "}", 12, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", "1", "4,8") "}", 8, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", "2", "0,8") "," T("b", "F32", "1", "4,8") "}", 8, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", "1", "0,4") "," T("b", "F32", "1", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", "1", "4,0") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", "1", "0,4") "," T("b", "F32", "1", "4,0") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", "2", "0,8") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", "2", "0,8") "}", 9, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", "3", "0,8") "}", 8, ITD_ERROR_FORMAT},
    {"{" T("a", "F64", "2", "0,8") "}", 8, ITD_ERROR_FORMAT},
    {"{}", 1, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", "4611686018427387905", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", "4294967296,4294967296", "0,0") "}", 0, ITD_ERROR_FORMAT},
    {"{" T("a", "U8", "4294967297,4294967296,4294967295", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", "1", "0,18446744073709551612") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", "1", "18446744073709551612,0") "}", 4, ITD_ERROR_FORMAT},
    /* names and types */
    {"{" T("a", "F32", "1", "0,4") "," T("a", "F32", "1", "4,8") "}", 8, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", "1", "0,4") "," T("\\u0061", "F32", "1", "4,8") "}", 8, ITD_ERROR_FORMAT},
    {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, ITD_ERROR_FORMAT},
    {"{\"__metadata__\":{},\"__meta\\u0064ata__\":{}}", 0, ITD_ERROR_FORMAT},
    {"{\"__metadata__\":{\"a\":\"1\",\"a\":\"1\"}}", 0, ITD_ERROR_FORMAT},
    {"{\"__metadata__\":{\"a\":\"1\",\"\\u0061\":\"2\"}}", 0, ITD_ERROR_FORMAT},
    {"{\"__metadata__\":{\"a\":1}}", 0, ITD_ERROR_FORMAT},
    {"{\"__metadata__\":{\"a\":null}}", 0, ITD_ERROR_FORMAT},
    {"{\"__metadata__\":{\"a\":{\"b\":\"c\"}}}", 0, ITD_ERROR_FORMAT},
    {"{\"__metadata__\":[]}", 0, ITD_ERROR_FORMAT},
    {"{\"__metadata__\":{\"a\":\"b\",}}", 0, ITD_ERROR_FORMAT},
    {"{" T("a", "F33", "1", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("a", "", "1", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", "1,1,1,1,1,1,1,1,1", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, ITD_ERROR_FORMAT},
    {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, ITD_ERROR_FORMAT},
    {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, ITD_ERROR_FORMAT},
    {"{\"a\":{}}", 0, ITD_ERROR_FORMAT},
    {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
     ITD_ERROR_FORMAT},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"more\":1}}", 4, ITD_ERROR_FORMAT},
    {"{\"a\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, ITD_ERROR_FORMAT},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":1,\"data_offsets\":[0,4]}}", 4, ITD_ERROR_FORMAT},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[[1]],\"data_offsets\":[0,4]}}", 4, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", "1", "0") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", "1", "0,4,8") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", "1", "") "}", 4, ITD_ERROR_FORMAT},
    /* integers */
    {"{" T("a", "F32", "-1", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", "01", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", "1", "00,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", "+1", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", "1.0", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", "1e0", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", "1,", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", ",1", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", "1 1", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", "\"1\"", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", "18446744073709551617", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", "184467440737095516150", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", "1", "0,18446744073709551620") "}", 4, ITD_ERROR_FORMAT},
    /* strings */
    {"{" T("\xFF", "F32", "1", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("\x80", "F32", "1", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("\xC0\x80", "F32", "1", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("\xC1\xBF", "F32", "1", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("\xE0\x9F\xBF", "F32", "1", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("\xED\xA0\x80", "F32", "1", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("\xF0\x8F\xBF\xBF", "F32", "1", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("\xF4\x90\x80\x80", "F32", "1", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("\xC3", "F32", "1", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("a\nb", "F32", "1", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("\\x41", "F32", "1", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("\\u12", "F32", "1", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("\\u12g4", "F32", "1", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("\\u0000", "F32", "1", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("\\ud800", "F32", "1", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("\\udc00", "F32", "1", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{" T("\\ud800\\u0041", "F32", "1", "0,4") "}", 4, ITD_ERROR_FORMAT},
    {"{\"a", 0, ITD_ERROR_FORMAT},
    {"{\"a\\", 0, ITD_ERROR_FORMAT},
    {"{\"a\\u", 0, ITD_ERROR_FORMAT},
    {"{\"\xF0", 0, ITD_ERROR_FORMAT},
    /* the object as such */
    {"", 0, ITD_ERROR_FORMAT},
    {" ", 0, ITD_ERROR_FORMAT},
    {" {}", 0, ITD_ERROR_FORMAT},
    {"{", 0, ITD_ERROR_FORMAT},
    {"[]", 0, ITD_ERROR_FORMAT},
    {"null", 0, ITD_ERROR_FORMAT},
    {"{}x", 0, ITD_ERROR_FORMAT},
    {"{}{}", 0, ITD_ERROR_FORMAT},
    {"{},", 0, ITD_ERROR_FORMAT},
    {"{,}", 0, ITD_ERROR_FORMAT},
    {"\xEF\xBB\xBF{}", 0, ITD_ERROR_FORMAT},
    {"{\"a\":1}", 0, ITD_ERROR_FORMAT},
    {"{\"a\":[]}", 0, ITD_ERROR_FORMAT},
    {"{\"a\" {}}", 0, ITD_ERROR_FORMAT},
    {"{a:{}}", 0, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", "1", "0,4") ",}", 4, ITD_ERROR_FORMAT},
    {"{" T("a", "F32", "1", "0,4") " " T("b", "F32", "1", "4,8") "}", 8, ITD_ERROR_FORMAT},
    {"{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}", 0, ITD_ERROR_FORMAT},
    {"{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{", 0,
     ITD_ERROR_FORMAT},
};

static void headers_made_by_hand(void)
{
    for (size_t k = 0; k < sizeof hand_made / sizeof *hand_made; k++) {
        size_t n = strlen(hand_made[k].json);
        set_length(changed, n);
        memcpy(changed + 8, hand_made[k].json, n);
        memset(changed + 8 + n, 0, hand_made[k].data);
        check_refused(changed, 8 + n + hand_made[k].data, hand_made[k].expected, hand_made[k].json);
    }
}

static void header_lengths(void)
{
    static const unsigned char seven[7] = {2, 0, 0, 0, 0, 0, 0};
    uint64_t lengths[] = {
        0, 1, 0, 0, 100000000, 100000001, (uint64_t)1 << 32, (uint64_t)1 << 63, UINT64_MAX, UINT64_MAX - 7};
    make_good_file();
    lengths[2] = size - 7, lengths[3] = size - 8;
    check_refused(seven, 0, ITD_ERROR_FORMAT, "no bytes");
    check_refused(seven, 7, ITD_ERROR_FORMAT, "seven bytes");
    memory_largest = 0;
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
        memcpy(changed, bytes, size);
        set_length(changed, lengths[k]);
        check_refused(changed, size, ITD_ERROR_FORMAT, "header length");
    }
    CHECK(memory_largest < MOST_BYTES);
}

/* ---- the world outside ---- */

static void paths_that_lead_nowhere(void)
{
    itd_model_desc md = small_model();
    itd_model *m, *none = NULL;
    itd_error error = {""};
    make(&md, NULL, 0, &m, NULL);
    CHECK(itd_save(m, NULL, "build/no/such/directory/file", &error) == ITD_ERROR_OPEN);
    CHECK(strstr(error.text, "build/no/such/directory/file") != NULL);
    CHECK(itd_save(m, NULL, "build/no/such/directory/file", NULL) == ITD_ERROR_OPEN);
    error.text[0] = 0;
    CHECK(itd_load("build/no_such_file", &none, NULL, &error) == ITD_ERROR_OPEN);
    CHECK(strstr(error.text, "build/no_such_file") != NULL && !none);
    CHECK(itd_load("build/no_such_file", &none, NULL, NULL) == ITD_ERROR_OPEN);
    error.text[0] = 0;
    CHECK(itd_load("build", &none, NULL, &error) != ITD_OK && !none); /* a directory */
    CHECK(strstr(error.text, "build") == error.text);
    itd_model_free(m);
}

/* The old file stays, the half-made one goes. */
static void failing_writes_keep_the_old_file(void)
{
    itd_model_desc md = small_model();
    itd_model *m;
    itd_error error = {""};
    make_good_file();
    make(&md, NULL, 0, &m, NULL);
    sync_result = -1;
    CHECK(itd_save(m, NULL, good_path, &error) == ITD_ERROR_WRITE);
    sync_result = 0;
    CHECK(strstr(error.text, good_path) == error.text);
    CHECK(read_file(good_path, changed) == size && memcmp(bytes, changed, size) == 0);
    CHECK(!exists("build/checkpoint_good.safetensors.tmp"));
    CHECK(itd_save(m, NULL, "build/.", &error) == ITD_ERROR_WRITE); /* a directory is in the way */
    CHECK(!exists("build/..tmp"));
    CHECK_OK(itd_save(m, NULL, good_path, NULL)); /* replaces */
    CHECK(read_file(good_path, changed) != size);
    CHECK(!exists("build/checkpoint_good.safetensors.tmp"));
    itd_model_free(m);
}

/* Every half there is, by its definition; every midpoint of neighbours goes to the even one. */
static void half_precision_is_ieee(void)
{
    uint32_t bits;
    for (bits = 0; bits < 0x7C00; bits++) {
        uint32_t exponent = bits >> 10, fraction = bits & 1023;
        double value = exponent ? ldexp(1024 + fraction, (int)exponent - 25) : ldexp(fraction, -24);
        double next = bits == 0x7BFF ? 65536 : (double)itd__widen(bits + 1, false);
        float middle = (float)((value + next) / 2);
        CHECK((double)itd__widen(bits, false) == value && (double)itd__widen(bits | 0x8000, false) == -value);
        CHECK(itd__narrow((float)value) == bits && itd__narrow((float)-value) == (bits | 0x8000));
        CHECK(itd__narrow(middle) == bits + (bits & 1));
        CHECK(itd__narrow(nextafterf(middle, 0)) == bits);
        CHECK(itd__narrow(-nextafterf(middle, 1e9f)) == (bits + 1) + 0x8000);
    }
    CHECK(itd__narrow(FLT_MAX) == 0x7C00 && itd__narrow(-HUGE_VALF) == 0xFC00);
}

/* Half as long, the weights each at their nearest, everything else as it was. */
static void half_the_size(void)
{
    itd_model_desc md = small_model();
    itd_trainer_desc td = small_trainer(0.9, false);
    itd_model *m, *back;
    itd_trainer *t;
    itd_error error;
    size_t i;
    make(&md, &td, 5, &m, &t);
    CHECK_OK(itd_save_half(m, good_path, NULL));
    CHECK_OK(itd_load(good_path, &back, NULL, NULL));
    for (i = 0; i < m->net->parameters; i++) {
        CHECK(back->net->w[i] == itd__widen(itd__narrow(m->net->ema[i]), false));
    }
    CHECK(!memcmp(m->scale, back->scale, 2 * sizeof *m->scale));
    CHECK(!memcmp(m->gaussian->lambda, back->gaussian->lambda, 2 * sizeof *m->scale));
    CHECK(itd_load(good_path, &back, &t, &error) == ITD_ERROR_MISMATCH); /* no training */
    itd_model_free(back);
    m->net->ema[3] = 65520;
    remove(bad_path);
    CHECK(itd_save_half(m, bad_path, &error) == ITD_ERROR_NUMERIC && strstr(error.text, "65520"));
    CHECK(!exists(bad_path));
    release(m, t);
}

/* ---- tensors that take many pieces ---- */

/* Number k of a row's weights in the order of the file, (out,in) or (out,in,3,3), from that of memory,
 * (3,3,in,out); the biases follow. */
static float *number_of(itd_net *net, const itd__layer *row, size_t k)
{
    size_t taps = row->kind == ITD__CONV ? 9 : 1, inputs = row->weights / row->c / taps;
    size_t tap = k % taps, input = k / taps % inputs, output = k / taps / inputs;
    if (k >= row->weights) return &net->w[row->bias + k - row->weights];
    return &net->w[row->weight + (tap * inputs + input) * row->c + output];
}

/* Eight bits are enough for it: every type holds it exactly. */
static float value_of(size_t row, size_t k) { return (float)((k * 7 + row) % 255) / 64 - 2; }

/* Little-endian bytes of number k, of F32, F16 or BF16. Returns how many. */
static size_t put_value(const char *dtype, size_t row, size_t k, unsigned char *to)
{
    float x = value_of(row, k);
    uint32_t half = itd__narrow(x), bits;
    size_t width = dtype[1] == '3' ? 4 : 2;
    memcpy(&bits, &x, 4);
    if (width == 2) bits = *dtype == 'B' ? bits >> 16 : half;
    for (size_t i = 0; i < width; i++) to[i] = (unsigned char)(bits >> (8 * i));
    return width;
}

/* A safetensors file of all weights, made by the rules of the format alone, whose data start at an odd
 * byte. */
static void write_values(const itd_net *net, const char *dtype)
{
    unsigned char *file = (unsigned char *)ref_alloc(4 * net->parameters + MOST_BYTES),
                  *numbers = file + MOST_BYTES;
    char *json = (char *)file + 8;
    size_t at = 0, n = 1, r;
    json[0] = '{';
    for (r = 0; r < net->layers; r++)
        for (size_t bias = 0, k = 0; net->layer[r].weights && bias < 2; bias++) {
            const itd__layer *row = &net->layer[r];
            size_t end = row->weights + bias * row->c, begin = at, conv = row->kind == ITD__CONV;
            while (k < end) at += put_value(dtype, r, k++, numbers + at);
            n += (size_t)sprintf(json + n, "%s\"%s.%s\":{\"dtype\":\"%s\",\"shape\":[%lu", n > 1 ? "," : "",
                                 row->name, bias ? "bias" : "weight", dtype, (unsigned long)row->c);
            if (!bias && row->kind != ITD__NORM)
                n += (size_t)sprintf(json + n, ",%lu%s",
                                     (unsigned long)(row->weights / row->c / (conv ? 9 : 1)),
                                     conv ? ",3,3" : "");
            n += (size_t)sprintf(json + n, "],\"data_offsets\":[%lu,%lu]}", (unsigned long)begin,
                                 (unsigned long)at);
        }
    json[n++] = '}';
    if (n % 2 == 0) json[n++] = ' ';
    CHECK(n + 8 < MOST_BYTES);
    set_length(file, n);
    memmove(file + 8 + n, numbers, at);
    write_file(bad_path, file, 8 + n + at);
    free(file);
}

/* Is everything in a file that itd_save has written, of this type, where its header says, and as it should
 * be? */
static void check_values(const char *path, const itd_net *net, const char *dtype)
{
    size_t room = 4 * net->parameters + 4 * MOST_BYTES, n;
    unsigned char *file = (unsigned char *)ref_alloc(room), expected[4];
    FILE *stream = fopen(path, "rb");
    if (!CHECK(stream != NULL)) return;
    n = fread(file, 1, room, stream);
    CHECK(fclose(stream) == 0 && n > 8 && n < room);
    file[8 + header_length(file) - 1] = 0;
    for (size_t r = 0; r < net->layers; r++)
        for (size_t bias = 0, k = 0; net->layer[r].weights && bias < 2; bias++) {
            const itd__layer *row = &net->layer[r];
            char key[100];
            unsigned long offset = 0;
            sprintf(key, "\"%s.%s\":{\"dtype\":\"%s\"", row->name, bias ? "bias" : "weight", dtype);
            const char *entry = strstr((const char *)file + 8, key);
            if (!CHECK(entry && sscanf(strstr(entry, "offsets\":[") + 10, "%lu", &offset) == 1)) break;
            size_t at = offset + 8 + header_length(file);
            for (size_t end = row->weights + bias * row->c; k < end; k++) {
                size_t width = put_value(dtype, r, k, expected);
                if (!CHECK(at + width <= n && !memcmp(file + at, expected, width))) break;
                at += width;
            }
        }
    free(file);
}

/* Rows and columns that no piece is a multiple of, rows too long for a piece of many, and 1x1 up to 3x3. */
static void long_tensors_come_back(void)
{
    static const char *const dtypes[] = {"F32", "F16", "BF16"};
    for (int images = 0; images < 2; images++) {
        itd_model_desc md = itd_model_desc_default(3);
        itd_model *m, *loaded;
        md.mlp.layers = 3, md.mlp.hidden = 601, md.mlp.directions = 9, md.mlp.embedding = 0;
        if (images) {
            md.unet = itd_unet_desc_default();
            md.unet.height = md.unet.width = 4, md.unet.levels = 2, md.unet.attention = 4;
            md.unet.features[0] = 22, md.unet.features[1] = 42, md.unet.features[2] = 0, md.unet.groups = 2;
        }
        CHECK_OK(itd_model_create(&md, 1, &m));
        for (size_t r = 0; r < m->net->layers; r++)
            for (size_t k = 0, end = m->net->layer[r].weights; end && k < end + m->net->layer[r].c; k++)
                *number_of(m->net, &m->net->layer[r], k) = value_of(r, k);
        CHECK_OK(itd_save(m, NULL, good_path, NULL));
        check_values(good_path, m->net, "F32");
        if (CHECK_OK(itd_load(good_path, &loaded, NULL, NULL)))
            check_same(m, loaded, true), itd_model_free(loaded);
        CHECK_OK(itd_save_half(m, good_path, NULL));
        check_values(good_path, m->net, "F16");
        for (size_t k = 0; k < 3; k++) {
            CHECK_OK(itd_model_create(&md, 2, &loaded));
            write_values(m->net, dtypes[k]);
            CHECK_OK(itd_load_weights(loaded, bad_path, "", NULL));
            check_same(m, loaded, true);
            itd_model_free(loaded);
        }
        itd_model_free(m);
    }
}

/* Every allocation fails once: the error says so, nothing leaks, nothing is written. */
static void memory_runs_out(void)
{
    itd_model_desc md = small_model();
    itd_trainer_desc td = small_trainer(0.9, false);
    itd_model *m;
    itd_trainer *t;
    long live;
    int k;
    make(&md, &td, 2, &m, &t);
    CHECK_OK(itd_save(m, t, good_path, NULL));
    live = memory_live;
    for (k = 0; k < 1000; k++) {
        itd_error error = {""};
        itd_result result;
        memory_left = k;
        result = itd_save(m, t, bad_path, &error);
        memory_left = -1;
        CHECK(memory_live == live);
        if (result == ITD_OK) break;
        CHECK(result == ITD_ERROR_MEMORY && strstr(error.text, bad_path) != NULL);
    }
    CHECK(k >= 2 && k < 1000);
    for (k = 0; k < 1000; k++) {
        itd_error error = {""};
        itd_model *model = NULL;
        itd_trainer *trainer = NULL;
        itd_result result;
        memory_left = k;
        result = itd_load(good_path, &model, &trainer, &error);
        memory_left = -1;
        if (result == ITD_OK) release(model, trainer);
        CHECK(memory_live == live);
        if (result == ITD_OK) break;
        CHECK(!model && !trainer);
        if (!CHECK(result == ITD_ERROR_MEMORY)) printf("    allocation %d: %s\n", k, error.text);
        CHECK(strstr(error.text, good_path) != NULL);
    }
    CHECK(k > 10 && k < 1000);
    release(m, t);
}

int main(void)
{
    make_data();
    RUN(every_result_has_its_sentence);
    RUN(a_wrong_shape_is_named);
    RUN(every_field_comes_back);
    RUN(models_come_back);
    RUN(denoisers_come_back);
    RUN(wide_models_come_back);
    RUN(training_goes_on_as_if_it_had_not_stopped);
    RUN(training_without_average_drops_an_old_one);
    RUN(checksum_is_crc32c);
    RUN(header_is_orderly);
    RUN(weights_are_rows_of_outputs);
    RUN(shorter_and_longer_files);
    RUN(flipped_bits);
    RUN(wild_headers);
    RUN(metadata_values);
    RUN(metadata_out_of_range);
    RUN(messages_stay_one_line);
    RUN(tensor_fields);
    RUN(numbers_that_cannot_be);
    RUN(headers_made_by_hand);
    RUN(header_lengths);
    RUN(paths_that_lead_nowhere);
    RUN(failing_writes_keep_the_old_file);
    RUN(half_precision_is_ieee);
    RUN(half_the_size);
    RUN(long_tensors_come_back);
    RUN(memory_runs_out);
    CHECK(memory_live == 0);
    remove(good_path);
    remove(bad_path);
    return test_report();
}
