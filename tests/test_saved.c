/* What checkpoints hold besides the network: the map of the coordinates, notes; and files of earlier
 * versions, files of later ones, and how much memory a model takes. */
#include "fault_shim.h"

#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "ref.h"
#include "test.h"

enum { N = 60, D = 5, MOST = 1 << 18 };

static const char path[] = "build/saved.safetensors", again_path[] = "build/saved_again.safetensors";
static unsigned char bytes[MOST]; /* a file */
static size_t size;

/* ---- helpers ---- */

static void get(const char *from)
{
    FILE *file = (fopen)(from, "rb");
    size = 0;
    if (!CHECK(file != NULL)) return;
    size = fread(bytes, 1, MOST, file);
    fclose(file);
    CHECK(size > 8 && size < MOST);
}

static void put(const char *to)
{
    FILE *file = (fopen)(to, "wb");
    if (!CHECK(file != NULL)) return;
    CHECK(fwrite(bytes, 1, size, file) == size);
    CHECK(fclose(file) == 0);
}

static size_t header_length(void)
{
    size_t n = 0;
    for (size_t i = 8; i-- > 0;) n = n << 8 | bytes[i];
    return n;
}

/* Where a text stands in the header; 0 if it does not. */
static size_t find(const char *text)
{
    size_t length = strlen(text), end = 8 + header_length();
    for (size_t at = 8; at + length <= end; at++)
        if (memcmp(bytes + at, text, length) == 0) return at;
    return 0;
}

/* `length` bytes of the header, at the end of `before`, become `with`. */
static void replace(const char *before, size_t length, const char *with)
{
    size_t at = find(before), more = strlen(with), n = header_length() - length + more;
    if (!CHECK(at > 0)) return;
    at += strlen(before);
    memmove(bytes + at + more, bytes + at + length, size - at - length);
    memcpy(bytes + at, with, more);
    size = size - length + more;
    for (size_t i = 0; i < 8; i++) bytes[i] = (unsigned char)(n >> (8 * i));
}

/* The checksum becomes that of the data. */
static void mend(void)
{
    static const char key[] = "\"crc32c\":\"";
    size_t body = 8 + header_length();
    char digits[20];
    snprintf(digits, sizeof digits, "%lu", (unsigned long)ref_crc32c(bytes + body, size - body));
    replace(key, strspn((const char *)bytes + find(key) + strlen(key), "0123456789"), digits);
}

/* Correlated columns of unlike size. */
static float *correlated(void)
{
    float *x;
    ref_seed(31);
    x = ref_normals(N * D, 1);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 1; j < D; j++) x[D * i + j] = (float)pow(10, (double)j) * (x[D * i] + x[D * i + j]);
    return x;
}

static itd_model *fitted(void)
{
    itd_model_desc md = itd_model_desc_default(D);
    itd_model *m = NULL;
    float *x = correlated();
    md.mlp.layers = 2, md.mlp.hidden = 6, md.mlp.embedding = 4, md.mlp.directions = 9;
    md.mlp.zero_output = false;
    CHECK_OK(itd_model_create(&md, 1, &m));
    CHECK_OK(itd_model_fit(m, x, N));
    free(x);
    return m;
}

static bool same_doubles(const double *a, const double *b, size_t n)
{
    return a && b && memcmp(a, b, n * sizeof *a) == 0;
}

/* The bytes at `path` are refused with one line that has these words. */
static void refused(itd_result expected, const char *words)
{
    itd_model *model = NULL;
    itd_error error = {""};
    long blocks = memory.blocks;
    put(again_path);
    CHECK(itd_load(again_path, &model, NULL, &error) == expected);
    CHECK(!model && memory.blocks == blocks);
    CHECK(strstr(error.text, again_path) == error.text && strchr(error.text, '\n') == NULL);
    if (!CHECK(strstr(error.text, words) != NULL)) printf("    %s\n", error.text);
}

/* ---- the map ---- */

static void whitened_models_come_back(void)
{
    itd_model *m = fitted(), *back = NULL;
    itd_denoiser one, two;
    float z[D] = {0.5f, -1, 2, 0, 0.25f}, logsnr = 0.5f, before[D], after[D];
    CHECK_OK(itd_save(m, NULL, path, NULL));
    if (!CHECK_OK(itd_load(path, &back, NULL, NULL))) return;
    CHECK(same_doubles(m->whiten, back->whiten, D * D) && same_doubles(m->color, back->color, D * D));
    CHECK(same_doubles(m->mean, back->mean, D) && same_doubles(m->scale, back->scale, D));
    CHECK(same_doubles(&m->log_det, &back->log_det, 1));
    CHECK(same_doubles(m->gaussian->mean, back->gaussian->mean, D));
    CHECK(same_doubles(m->gaussian->lambda, back->gaussian->lambda, D));
    CHECK(same_doubles(m->gaussian->vectors, back->gaussian->vectors, D * D));
    one = itd_model_denoiser(m), two = itd_model_denoiser(back);
    CHECK(two.whiten == back->whiten && two.color == back->color && two.scale == NULL);
    CHECK(same_doubles(&one.log_det, &two.log_det, 1));
    CHECK_OK(one.predict(one.ctx, z, &logsnr, 1, before));
    CHECK_OK(two.predict(two.ctx, z, &logsnr, 1, after));
    CHECK(memcmp(before, after, sizeof before) == 0);
    itd_model_free(m), itd_model_free(back);
}

/* A map that is not one, a map of a model that cannot have one, and a map without its tensors. */
static void maps_that_cannot_be(void)
{
    itd_model *m = fitted(), *wide = NULL;
    itd_model_desc md = itd_model_desc_default(70);
    size_t body, k;
    unsigned long at[2] = {0, 0};
    const char *const names[] = {"\"norm.whiten\":{\"dtype\":\"F64\",\"shape\":[5,5],\"data_offsets\":[",
                                 "\"norm.color\":{\"dtype\":\"F64\",\"shape\":[5,5],\"data_offsets\":["};
    CHECK_OK(itd_save(m, NULL, path, NULL));
    for (k = 0; k < 2; k++) {
        double value;
        get(path);
        body = 8 + header_length();
        sscanf((const char *)bytes + find(names[k]) + strlen(names[k]), "%lu", &at[k]);
        memcpy(&value, bytes + body + at[k], 8);
        value *= 1.00001;
        memcpy(bytes + body + at[k], &value, 8);
        mend();
        refused(ITD_ERROR_MISMATCH, "not each other's inverse");
    }
    get(path);
    replace("\"whitened\":\"", 1, "0");
    refused(ITD_ERROR_MISMATCH, "does not belong");
    get(path);
    replace("\"normalize\":\"", 1, "0");
    refused(ITD_ERROR_MISMATCH, "map of 5 dimensions");
    md.mlp.hidden = 4, md.mlp.directions = 4, md.mlp.embedding = 0;
    CHECK_OK(itd_model_create(&md, 1, &wide));
    CHECK_OK(itd_save(wide, NULL, path, NULL));
    get(path);
    replace("\"whitened\":\"", 1, "1");
    refused(ITD_ERROR_MISMATCH, "map of 70 dimensions");
    itd_model_free(wide);
    md.mlp.dim = 3;
    CHECK_OK(itd_model_create(&md, 1, &wide));
    CHECK_OK(itd_save(wide, NULL, path, NULL));
    get(path);
    replace("\"whitened\":\"", 1, "1");
    refused(ITD_ERROR_MISMATCH, "norm.");
    itd_model_free(m), itd_model_free(wide);
}

/* ---- notes ---- */

static const char *const texts[][2] = {
    {"columns", "height,weight"},
    {"", "a key of no length"},
    {"empty", ""},
    {"quotes", "\"the \"\"usual\"\" kind\""},
    {"back\\slash", "C:\\data\\new.csv \\u0041 \\n"},
    {"control", "\x01\t\n\r\x1F\x7F end"},
    {"\xC3\xA9t\xC3\xA9", "\xC2\xB5m, \xE2\x82\xAC, \xF0\x9F\x98\x80, \xEF\xBF\xBD"},
    {"braces", "{\"__metadata__\":{\"format\":\"pt\"}},["},
    {"note.note.", "note."},
};
enum { TEXTS = sizeof texts / sizeof *texts };

static void set_all(itd_model *m)
{
    for (size_t k = 0; k < TEXTS; k++) CHECK_OK(itd_model_set_note(m, texts[k][0], texts[k][1]));
}

static void check_all(const itd_model *m)
{
    for (size_t k = 0; k < TEXTS; k++) {
        const char *found = itd_model_note(m, texts[k][0]);
        CHECK(found && strcmp(found, texts[k][1]) == 0);
    }
}

static size_t count_notes(const itd_model *m)
{
    size_t n = 0;
    for (const itd_note *note = m->notes; note; note = note->next) n++;
    return n;
}

static void notes_are_kept_replaced_and_removed(void)
{
    itd_model *m = fitted();
    char value[] = "mine";
    CHECK(m->notes == NULL && itd_model_note(m, "columns") == NULL);
    CHECK_OK(itd_model_set_note(m, "columns", NULL)); /* there is none */
    CHECK(m->notes == NULL);
    set_all(m);
    CHECK(count_notes(m) == TEXTS);
    check_all(m);
    CHECK_OK(itd_model_set_note(m, "columns", value));
    value[0] = 'x'; /* a note is a copy */
    CHECK(strcmp(itd_model_note(m, "columns"), "mine") == 0 && count_notes(m) == TEXTS);
    CHECK_OK(itd_model_set_note(m, "columns", itd_model_note(m, "columns"))); /* by itself */
    CHECK(strcmp(itd_model_note(m, "columns"), "mine") == 0);
    CHECK_OK(itd_model_set_note(m, texts[0][0], texts[0][1]));
    check_all(m);
    for (size_t k = 0; k < TEXTS; k++) { /* from the middle, the ends, the last one */
        size_t at = (k * 4 + 3) % TEXTS;
        CHECK_OK(itd_model_set_note(m, texts[at][0], NULL));
        CHECK(itd_model_note(m, texts[at][0]) == NULL && count_notes(m) == TEXTS - 1 - k);
    }
    itd_model_free(m);
    CHECK(memory.blocks == 0);
}

static void notes_come_back(void)
{
    enum { LONG = 60000 };
    itd_model *m = fitted(), *back = NULL;
    char *text = (char *)ref_alloc(LONG + 1);
    char *before;
    size_t body, i, n;
    memset(text, 'x', LONG);
    set_all(m);
    CHECK_OK(itd_model_set_note(m, "long", text));
    CHECK_OK(itd_save(m, NULL, path, NULL));
    get(path);
    body = 8 + header_length();
    before = (char *)ref_alloc(size), n = size;
    memcpy(before, bytes, n);
    CHECK(body % 8 == 0);
    for (i = 8; i < body; i++) CHECK(bytes[i] >= 0x20); /* whatever the notes */
    if (CHECK_OK(itd_load(path, &back, NULL, NULL))) {
        check_all(back);
        CHECK(count_notes(back) == TEXTS + 1 && strcmp(itd_model_note(back, "long"), text) == 0);
        CHECK_OK(itd_save(back, NULL, again_path, NULL));
        itd_model_free(back);
        get(again_path);
        CHECK(size == n && memcmp(bytes, before, n) == 0); /* in whatever order they were set */
    }
    if (CHECK_OK(itd_load(again_path, &back, NULL, NULL))) check_all(back), itd_model_free(back);
    CHECK_OK(itd_save_half(m, path, NULL));
    if (CHECK_OK(itd_load(path, &back, NULL, NULL))) check_all(back), itd_model_free(back);
    itd_model_free(m), free(text), free(before);
    CHECK(memory.blocks == 0);
}

static void notes_that_are_not_text_are_refused(void)
{
    static const char *const wrong[] = {"\xFF",
                                        "\x80",
                                        "a\xC3",
                                        "\xC3(",
                                        "\xC0\x80",
                                        "\xE0\x9F\xBF",
                                        "\xED\xA0\x80",
                                        "\xF0\x8F\xBF\xBF",
                                        "\xF4\x90\x80\x80"};
    itd_model *m = fitted();
    set_all(m);
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
        CHECK(itd_model_set_note(m, wrong[k], "a") == ITD_ERROR_ARGUMENT);
        CHECK(itd_model_set_note(m, "columns", wrong[k]) == ITD_ERROR_ARGUMENT);
    }
    CHECK(count_notes(m) == TEXTS);
    check_all(m);
    itd_model_free(m);
}

/* ---- other versions ---- */

static void unknown_metadata_are_ignored(void)
{
    itd_model *m = fitted(), *back = NULL;
    CHECK_OK(itd_model_set_note(m, "a", "b"));
    CHECK_OK(itd_save(m, NULL, path, NULL));
    get(path);
    replace("{\"__metadata__\":{", 0, "\"of version 0.9\":\"\\u00e9, 17\",\"notes\":\"\",\"zz.top\":\"-1\",");
    put(again_path);
    if (CHECK_OK(itd_load(again_path, &back, NULL, NULL))) {
        CHECK(count_notes(back) == 1 && strcmp(itd_model_note(back, "a"), "b") == 0);
        CHECK(same_doubles(m->whiten, back->whiten, D * D));
        CHECK(memcmp(m->net->w, back->net->w, itd_net_parameters(m->net) * sizeof *m->net->w) == 0);
        itd_model_free(back);
    }
    itd_model_free(m);
}

static void another_version_is_named(void)
{
    itd_model *m = fitted();
    CHECK_OK(itd_save(m, NULL, path, NULL));
    get(path);
    replace("\"version\":\"", 1, "2");
    refused(ITD_ERROR_MISMATCH, "metadata version: \"1\" expected, \"2\" found");
    refused(ITD_ERROR_MISMATCH, ITDIFF_VERSION);
    get(path);
    replace("\"version\":\"", 1, "");
    refused(ITD_ERROR_MISMATCH, "metadata version: \"1\" expected, \"\" found");
    itd_model_free(m);
}

/* What the model of the file put out, with version 0.1.0, at the z and log SNRs that follow. */
static void predicts(itd_model *m, const float *z, const float *logsnr, size_t n, const size_t *at,
                     const double *expected, size_t count)
{
    itd_denoiser den = itd_model_denoiser(m);
    float *eps_hat = ref_floats(n * m->dim);
    CHECK_OK(den.predict(den.ctx, z, logsnr, n, eps_hat));
    for (size_t k = 0; k < count; k++) CHECK_CLOSE(eps_hat[at[k]], expected[k], 2e-6);
    free(eps_hat);
}

/* The data of its training: x0 = 2 + N, x1 = 0.5 x0 + 0.1 N, x2 = 100 N. */
static void old_rows(float *x)
{
    itd_rng rng = itd_rng_make(7, 0);
    for (size_t i = 0; i < 64; i++) {
        x[3 * i] = (float)(2 + itd_rng_normal(&rng));
        x[3 * i + 1] = (float)(0.5 * x[3 * i] + 0.1 * itd_rng_normal(&rng));
        x[3 * i + 2] = (float)(100 * itd_rng_normal(&rng));
    }
}

static void an_mlp_of_version_0_1_loads(void)
{
    static const float z[6] = {0.5f, -1, 2, -0.25f, 0.75f, 1}, logsnr[2] = {-1, 3};
    static const size_t at[6] = {0, 1, 2, 3, 4, 5};
    static const double expected[6] = {0.423291475,   -0.852332294, 1.72256279,
                                       -0.0614430569, 0.171226442,  0.24524346};
    static const char file[] = "tests/golden/v0.1.0-mlp.safetensors";
    itd_model *m = NULL;
    itd_trainer *t = NULL;
    float x[3 * 64];
    double nll = 0, loss = 0;
    old_rows(x);
    for (int with_trainer = 0; with_trainer < 2; with_trainer++) {
        if (!CHECK_OK(itd_load(file, &m, with_trainer ? &t : NULL, NULL))) return;
        CHECK(m->desc.mlp.directions == 0 && !m->desc.whiten && !m->whiten && !m->color && !m->notes);
        CHECK_CLOSE(m->log_det, log(m->scale[0]) + log(m->scale[1]) + log(m->scale[2]), 1e-14);
        predicts(m, z, logsnr, 2, at, expected, 6);
        for (size_t i = 0, j = 0; j < 3; i = 0, j++) { /* its Gaussian is in the units of the data */
            double mean = 0;
            for (; i < 64; i++) mean += (double)x[3 * i + j] / 64;
            CHECK_CLOSE(m->gaussian->mean[j], mean, 1e-6 * m->scale[j]);
        }
        for (size_t i = 0, end = with_trainer ? 0 : 64; i < end; i++)
            nll += itd_gaussian_nll(m->gaussian, x + 3 * i) / 64;
        if (!with_trainer) itd_model_free(m);
    }
    CHECK_CLOSE(nll, 6.7783329, 1e-6);
    CHECK(t->step == 120 && t->desc.batch == 16);
    CHECK_OK(itd_train_epoch(t, x, 64, &loss));
    CHECK_CLOSE(loss, 8.79369818, 1e-5);
    CHECK_OK(itd_save(m, t, path, NULL)); /* and as a file of this version it is the same model */
    itd_trainer_free(t), itd_model_free(m);
    if (CHECK_OK(itd_load(path, &m, NULL, NULL))) {
        for (size_t i = 0; i < 64; i++) nll -= itd_gaussian_nll(m->gaussian, x + 3 * i) / 64;
        CHECK_CLOSE(nll, 0, 1e-12);
        itd_model_free(m);
    }
    CHECK(memory.blocks == 0);
}

static void a_unet_of_version_0_1_loads(void)
{
    static const size_t at[4] = {0, 1, 10, 63};
    static const double expected[4] = {0.000929999631, 0.976543128, -0.614284039, 0.179376081};
    const float logsnr = 1;
    float z[64];
    itd_model *m = NULL;
    if (!CHECK_OK(itd_load("tests/golden/v0.1.0-unet.safetensors", &m, NULL, NULL))) return;
    for (size_t i = 0; i < 64; i++) z[i] = (float)sin((double)i);
    predicts(m, z, &logsnr, 1, at, expected, 4);
    CHECK(!m->whiten && !m->desc.whiten && !m->desc.normalize);
    CHECK_CLOSE(m->log_det, 0, 0);
    CHECK_CLOSE(m->gaussian->mean[0], 0.0909899863182, 1e-12); /* was in these units already */
    CHECK_CLOSE(m->gaussian->lambda[0], 1.3620117136, 1e-9);
    itd_model_free(m);
}

/* Outputs of two inputs, as they were when it was put here. */
static void the_published_model_loads(void)
{
    enum { PIXELS = 3072 };
    static const size_t at[9] = {0, 1, 10, 1023, 2048, 3071, 3072, 5000, 6143};
    static const double expected[9] = {-0.019605102, 0.983670473, -0.625338435, -1.08844113, -0.298704654,
                                       -1.14413524,  -1.98696744, -2.14228487,  -2.16209412};
    static const float logsnr[2] = {-1, 3};
    float *z = ref_floats(2 * PIXELS), *x = ref_floats(PIXELS);
    itd_model *m = NULL;
    if (!CHECK_OK(itd_load("data/cifar10-small.safetensors", &m, NULL, NULL))) return;
    for (size_t i = 0; i < 2 * PIXELS; i++) z[i] = (float)sin((double)i);
    for (size_t i = 0; i < PIXELS; i++) x[i] = (float)cos((double)i);
    predicts(m, z, logsnr, 2, at, expected, 9);
    CHECK_CLOSE(itd_gaussian_nll(m->gaussian, x), 3873.26508245, 1e-6);
    CHECK_CLOSE(m->log_det, 0, 0);
    itd_model_free(m), free(z), free(x);
}

/* ---- memory ---- */

/* Four bytes a parameter, and what does not grow with them. */
static void a_model_takes_four_bytes_a_parameter(void)
{
    enum { SMALL = 20000 };
    itd_model_desc md = itd_model_desc_default(2);
    itd_trainer_desc td = itd_trainer_desc_default();
    itd_model *m = NULL;
    itd_trainer *t = NULL;
    float x[2 * 16], *weights, *average;
    size_t n, live;
    ref_seed(32);
    for (size_t i = 0; i < 32; i++) x[i] = (float)ref_normal();
    td.batch = 16;
    CHECK_OK(itd_model_create(&md, 1, &m));
    CHECK_OK(itd_model_fit(m, x, 16));
    CHECK_OK(itd_trainer_create(m, &td, &t));
    for (size_t k = 0; k < 3; k++) CHECK_OK(itd_train_step(t, x, NULL));
    n = itd_net_parameters(m->net);
    CHECK(n > 5 * SMALL / 4 && memory.live > 20 * n);
    weights = ref_copy(m->net->w, n), average = ref_copy(m->net->ema, n);
    CHECK_OK(itd_save(m, t, path, NULL));

    itd_trainer_free(t); /* leaves the weights and their average, and room for the rows it worked on */
    CHECK(!m->net->g && !m->net->m && !m->net->v && m->net->ema);
    CHECK(memory.live < 8 * n + 16 * 1024 * sizeof(float) + SMALL);
    CHECK(memcmp(m->net->w, weights, n * sizeof *weights) == 0);
    CHECK(memcmp(m->net->ema, average, n * sizeof *average) == 0);
    CHECK_OK(itd_trainer_create(m, &td, &t)); /* and another can begin */
    CHECK_OK(itd_train_step(t, x, NULL));
    CHECK(t->step == 1 && memory.live > 20 * n);
    itd_trainer_free(t), itd_model_free(m);
    CHECK(memory.blocks == 0);

    live = memory.live;
    memory_begin(-1, 0);
    if (CHECK_OK(itd_load(path, &m, NULL, NULL))) {
        CHECK(memory.live - live >= 4 * n && memory.live - live < 4 * n + SMALL);
        CHECK(memory.most - live < 4 * n + 4 * SMALL); /* on the way as well */
        CHECK(memcmp(m->net->w, average, n * sizeof *average) == 0);
        CHECK(!m->net->ema && !m->net->g && !m->net->m && !m->net->v);
        itd_model_free(m);
    }
    if (CHECK_OK(itd_load(path, &m, &t, NULL))) {
        CHECK(memory.live - live >= 16 * n && t->step == 3);
        CHECK(memcmp(m->net->w, weights, n * sizeof *weights) == 0);
        CHECK(memcmp(m->net->ema, average, n * sizeof *average) == 0);
        itd_trainer_free(t), itd_model_free(m);
    }
    CHECK(memory.blocks == 0);
    free(weights), free(average);
}

int main(void)
{
    RUN(whitened_models_come_back);
    RUN(maps_that_cannot_be);
    RUN(notes_are_kept_replaced_and_removed);
    RUN(notes_come_back);
    RUN(notes_that_are_not_text_are_refused);
    RUN(unknown_metadata_are_ignored);
    RUN(another_version_is_named);
    RUN(an_mlp_of_version_0_1_loads);
    RUN(a_unet_of_version_0_1_loads);
    RUN(the_published_model_loads);
    RUN(a_model_takes_four_bytes_a_parameter);
    CHECK(memory.blocks == 0);
    remove(path), remove(again_path);
    return test_report();
}
