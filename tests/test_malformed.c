/* Files from strangers. What test_checkpoint.c refuses when a model is loaded, the other reader has to refuse
 * as well; and neither, whatever the file says, asks for more memory than a few times its size. */
#include "fault_shim.h"

#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "ref.h"
#include "test.h"

enum { SPARE = 1 << 18 }; /* bytes a reader may ask for beyond the multiple: tables of a fixed size */

static const char path[] = "build/malformed.safetensors";
static const char seed_path[] = "build/malformed_seed.safetensors";
static unsigned char *file; /* the file as it is put together */
static size_t size, room;

/* ---- putting files together ---- */

static void add(const void *bytes, size_t n)
{
    while (room < size + n) {
        room = room ? 2 * room : 4096;
        file = (unsigned char *)realloc(file, room);
        if (!file) exit(1);
    }
    memcpy(file + size, bytes, n);
    size += n;
}

static void add_text(const char *text) { add(text, strlen(text)); }

static void begin(void)
{
    const unsigned char length[8] = {0};
    size = 0;
    add(length, 8);
}

static void say_length(uint64_t n)
{
    for (size_t i = 0; i < 8; i++) file[i] = (unsigned char)(n >> (8 * i));
}

/* The header ends here; `data` zero bytes follow. */
static void end(size_t data)
{
    say_length(size - 8);
    while (data--) add("", 1);
}

static void put(void)
{
    FILE *out;
    remove(path);
    out = (fopen)(path, "wb");
    if (!CHECK(out != NULL)) return;
    CHECK(fwrite(file, 1, size, out) == size);
    CHECK(fclose(out) == 0);
}

static void get(const char *from)
{
    unsigned char buffer[4096];
    size_t n;
    FILE *in = (fopen)(from, "rb");
    size = 0;
    if (!CHECK(in != NULL)) return;
    while ((n = fread(buffer, 1, sizeof buffer, in)) > 0) add(buffer, n);
    fclose(in);
}

/* ---- the two readers ---- */

enum { MODEL, WEIGHTS, READERS };
static const char *const reader_name[] = {"itd_load", "itd_load_weights"};

static itd_model_desc small_model(void)
{
    itd_model_desc desc = itd_model_desc_default(2);
    desc.mlp.layers = 2, desc.mlp.hidden = 3, desc.mlp.embedding = 4, desc.mlp.directions = 2;
    return desc;
}

static const float rows[8] = {1, 2, 3, 5, 8, 13, 2, 1};

/* One reader on the file at `path`. Nothing may be left behind, the outputs untouched by a failure, the
 * message one line that begins with the name of the file. */
static itd_result read_by(int reader, itd_error *error)
{
    itd_model_desc desc = small_model();
    itd_model *model = NULL, *loaded = NULL;
    itd_trainer *trainer = NULL;
    itd_result result;
    float before[64];
    long blocks = memory.blocks;
    size_t n;
    memset(error, 0, sizeof *error);
    CHECK_OK(itd_model_create(&desc, 1, &model));
    n = itd_net_parameters(model->net);
    if (!CHECK(n <= 64)) exit(1);
    memcpy(before, itd_net_weights(model->net), n * sizeof *before);
    memory_begin(-1, 0);
    if (reader == MODEL) result = itd_load(path, &loaded, &trainer, error);
    else result = itd_load_weights(model, path, "", error);
    if (result != ITD_OK) {
        CHECK(!loaded && !trainer);
        CHECK(memcmp(before, itd_net_weights(model->net), n * sizeof *before) == 0);
        CHECK(strstr(error->text, path) == error->text && strlen(error->text) > sizeof path + 3);
        for (const char *p = error->text; *p; p++)
            if (!CHECK((unsigned char)*p >= 0x20 && *p != 0x7F)) break;
    }
    itd_trainer_free(trainer), itd_model_free(loaded);
    itd_model_free(model);
    CHECK(memory.blocks == blocks);
    return result;
}

/* Every reader refuses it, and asks for at most `times` its size. */
static void refused_by_all(const char *what, itd_result expected, double times)
{
    itd_error error;
    put();
    for (int reader = 0; reader < READERS; reader++) {
        size_t live = memory.live;
        int faults = test_faults;
        itd_result result = read_by(reader, &error);
        CHECK(result == expected);
        CHECK((double)(memory.most - live) <= times * (double)size + SPARE);
        if (test_faults > faults)
            printf("    %s, %s: %s (%s); %lu bytes for a file of %lu\n", what, reader_name[reader],
                   itd_result_string(result), error.text, (unsigned long)(memory.most - live),
                   (unsigned long)size);
    }
}

/* ---- what every reader refuses ---- */

#define T(name, dtype, shape, offsets)                                                                       \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" offsets "]}"

static void headers(void)
{
    static const struct {
        const char *what, *json;
        size_t data;
        itd_result expected;
    } list[] = {
        {"a hole", "{" T("a", "F32", "1", "0,4") "," T("b", "F32", "1", "8,12") "}", 12, ITD_ERROR_FORMAT},
        {"an overlap", "{" T("a", "F32", "2", "0,8") "," T("b", "F32", "1", "4,8") "}", 8, ITD_ERROR_FORMAT},
        {"trailing bytes", "{" T("a", "F32", "1", "0,4") "}", 5, ITD_ERROR_FORMAT},
        {"missing bytes", "{" T("a", "F32", "1", "0,4") "}", 3, ITD_ERROR_FORMAT},
        {"inverted offsets", "{" T("a", "F32", "1", "4,0") "}", 4, ITD_ERROR_FORMAT},
        {"a product that wraps to 0", "{" T("a", "F32", "4294967296,4294967296", "0,0") "}", 0,
         ITD_ERROR_FORMAT},
        {"a size that wraps", "{" T("a", "F64", "2305843009213693953", "0,8") "}", 8, ITD_ERROR_FORMAT},
        {"2^63 numbers", "{" T("a", "U8", "9223372036854775808", "0,9223372036854775808") "}", 8,
         ITD_ERROR_FORMAT},
        {"2^64 - 1 numbers", "{" T("a", "U8", "18446744073709551615", "0,18446744073709551615") "}", 8,
         ITD_ERROR_FORMAT},
        {"2^64 numbers", "{" T("a", "U8", "18446744073709551616", "0,0") "}", 0, ITD_ERROR_FORMAT},
        {"0 times 2^63", "{" T("a", "F32", "0,9223372036854775808,2", "0,0") "}", 0, ITD_ERROR_MISMATCH},
        {"2^63 times 0", "{" T("a", "F32", "9223372036854775808,2,0", "0,0") "}", 0, ITD_ERROR_FORMAT},
        {"a negative dimension", "{" T("a", "F32", "-1", "0,4") "}", 4, ITD_ERROR_FORMAT},
        {"a negative offset", "{" T("a", "F32", "1", "-4,0") "}", 4, ITD_ERROR_FORMAT},
        {"rank 0", "{" T("a", "F32", "", "0,4") "}", 4, ITD_ERROR_MISMATCH},
        {"a dimension of 0", "{" T("a", "F32", "0,3", "0,0") "}", 0, ITD_ERROR_MISMATCH},
        {"an unknown dtype", "{" T("a", "F8_E4M4", "1", "0,1") "}", 1, ITD_ERROR_FORMAT},
        {"a name twice", "{" T("a", "F32", "1", "0,4") "," T("a", "F32", "1", "4,8") "}", 8,
         ITD_ERROR_FORMAT},
        {"a name twice, escaped", "{" T("a", "U8", "1", "0,1") "," T("\\u0061", "U8", "1", "1,2") "}", 2,
         ITD_ERROR_FORMAT},
        {"metadata twice", "{\"__metadata__\":{},\"__metadata__\":{}}", 0, ITD_ERROR_FORMAT},
        {"a key twice", "{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, ITD_ERROR_FORMAT},
        {"not UTF-8", "{\"\xC3\x28\":1}", 0, ITD_ERROR_FORMAT},
        {"a NUL in a name", "{" T("a\\u0000b", "U8", "1", "0,1") "}", 1, ITD_ERROR_FORMAT},
        {"a shape twice, no dtype", "{\"a\":{\"shape\":[1],\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
         ITD_ERROR_FORMAT},
        {"a dtype twice, no shape", "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"data_offsets\":[0,4]}}", 4,
         ITD_ERROR_FORMAT},
        {"a shape twice, no offsets", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"shape\":[1]}}", 4,
         ITD_ERROR_FORMAT},
        {"no tensors at all", "{}", 0, ITD_ERROR_MISMATCH},
        {"no JSON", "", 0, ITD_ERROR_FORMAT},
        {"a number as large as they come", "{\"a\":1e999999999}", 0, ITD_ERROR_FORMAT},
    };
    for (size_t k = 0; k < sizeof list / sizeof *list; k++) {
        begin();
        add_text(list[k].json);
        end(list[k].data);
        refused_by_all(list[k].what, list[k].expected, 8);
    }
}

static void lengths(void)
{
    static const uint64_t wrong[] = {2,
                                     3,
                                     100000000,
                                     100000001,
                                     UINT64_C(1) << 31,
                                     UINT64_C(1) << 32,
                                     UINT64_C(1) << 63,
                                     UINT64_MAX - 7,
                                     UINT64_MAX};
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
        begin();
        add_text("{");
        end(0);
        say_length(wrong[k]);
        refused_by_all("a header longer than the file", ITD_ERROR_FORMAT, 1);
    }
    for (size = 0; size < 8; size++) refused_by_all("less than a length", ITD_ERROR_FORMAT, 1);
    begin();
    add_text("{}");
    end(0);
    file[8] = 0;
    refused_by_all("NUL bytes", ITD_ERROR_FORMAT, 8);
}

/* ---- headers that are nothing but header: every way to make the tables large ---- */

enum { LONG = 300000 };

static void add_number(const char *before, size_t k, const char *after)
{
    char text[100];
    snprintf(text, sizeof text, "%s%lu%s", before, (unsigned long)k, after);
    add_text(text);
}

static void long_headers(void)
{
    size_t k;
    begin();
    add_text("{\"__metadata__\":{");
    while (size < LONG) add_text("\"\":\"\",");
    add_text("\"\":\"\"}}");
    end(0);
    refused_by_all("metadata of no length", ITD_ERROR_FORMAT, 4.3);
    begin();
    add_text("{\"__metadata__\":{");
    for (k = 0; size < LONG; k++) add_number("\"", k, "\":\"\",");
    add_text("\"\":\"\"}}");
    end(0);
    refused_by_all("much metadata", ITD_ERROR_MISMATCH, 4.3);
    begin();
    add_text("{");
    while (size < LONG) add_text(T("", "U8", "", "0,0") ",");
    end(0);
    refused_by_all("tensors without end", ITD_ERROR_FORMAT, 4.3);
    begin();
    add_text("{");
    for (k = 0; size < LONG; k++)
        add_number(k ? ",\"" : "\"", k, "\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}");
    add_text("}");
    end(0);
    refused_by_all("many tensors", ITD_ERROR_MISMATCH, 4.3);
    for (const char *open = "[{\" \\"; *open; open++) {
        begin();
        add_text("{\"a\":");
        while (size < LONG) add(open, 1);
        end(0);
        refused_by_all("one character again and again", ITD_ERROR_FORMAT, 4.3);
    }
    begin();
    while (size < LONG) add_text("{\"a\":");
    end(0);
    refused_by_all("objects in objects", ITD_ERROR_FORMAT, 4.3);
    begin();
    add_text("{\"");
    while (size < LONG) add_text("\xF0\x9F\x98\x80");
    add_text("\":1}");
    end(0);
    refused_by_all("a long name", ITD_ERROR_FORMAT, 4.3);
    begin();
    add_text("{\"a\":{\"dtype\":\"U8\",\"shape\":[");
    while (size < LONG) add_text("1,");
    add_text("1],\"data_offsets\":[0,1]}}");
    end(1);
    refused_by_all("a long shape", ITD_ERROR_FORMAT, 4.3);
    begin();
    add_text("{\"a\":{\"dtype\":\"U8\",\"shape\":[1");
    while (size < LONG) add_text("0");
    add_text("],\"data_offsets\":[0,1]}}");
    end(1);
    refused_by_all("a long number", ITD_ERROR_FORMAT, 4.3);
}

/* ---- files of the right kind that claim too much ---- */

static void checkpoint(void)
{
    itd_model_desc md = small_model();
    itd_trainer_desc td = itd_trainer_desc_default();
    itd_model *m = NULL;
    itd_trainer *t = NULL;
    CHECK_OK(itd_model_create(&md, 1, &m));
    CHECK_OK(itd_model_fit(m, rows, 4));
    CHECK_OK(itd_model_set_note(m, "columns", "a,b"));
    CHECK_OK(itd_trainer_create(m, &td, &t));
    CHECK_OK(itd_save(m, t, seed_path, NULL));
    itd_trainer_free(t), itd_model_free(m);
    get(seed_path);
}

/* The value of a metadata field replaced; the data follow unchanged. */
static void claim(const char *key, const char *value)
{
    unsigned char *old = file;
    size_t n = size, header = 0, at, close, length = strlen(key);
    for (at = 8; at-- > 0;) header = header << 8 | old[at];
    for (at = 8; at + length < 8 + header && memcmp(old + at, key, length); at++) continue;
    if (!CHECK(at + length < 8 + header)) return;
    at += length;
    for (close = at; old[close] != '"'; close++) continue;
    file = NULL, room = 0;
    begin();
    add(old + 8, at - 8);
    add_text(value);
    add(old + close, 8 + header - close);
    end(0);
    add(old + 8 + header, n - 8 - header);
    free(old);
}

/* Networks, batches and step counts as large as they may be: memory stays a small multiple of the file. */
static void claims(void)
{
    static const char *const claimed[][2] = {
        {"\"mlp.hidden\":\"", "1048576"},
        {"\"mlp.hidden\":\"", "100"},
        {"\"mlp.layers\":\"", "100"},
        {"\"mlp.dim\":\"", "1048576"},
        {"\"mlp.dim\":\"", "300"},
        {"\"mlp.embedding\":\"", "8192"},
        {"\"mlp.directions\":\"", "65536"},
        {"\"mlp.dim\":\"", "100000"},
        {"\"mlp.directions\":\"", "1000"},
        {"\"mlp.directions\":\"", "0"},
        {"\"mlp.frequency_max\":\"", "1e6"},
        {"\"whitened\":\"", "0"},
        {"\"log_det\":\"", "1e300"},
        {"\"trainer.batch\":\"", "1000000000000"},
        {"\"trainer.rows\":\"", "18446744073709551615"},
        {"\"trainer.step\":\"", "1000000000000"},
        {"\"gaussian\":\"", "0"},
    };
    itd_error error;
    for (size_t k = 0; k < sizeof claimed / sizeof *claimed; k++) {
        size_t live = memory.live;
        int faults = test_faults;
        checkpoint();
        claim(claimed[k][0], claimed[k][1]);
        put();
        read_by(MODEL, &error); /* some are fine: a batch costs nothing before the first step */
        CHECK((double)(memory.most - live) <= 8 * (double)size + SPARE);
        if (test_faults > faults)
            printf("    %s%s\": %s; %lu bytes for a file of %lu\n", claimed[k][0], claimed[k][1], error.text,
                   (unsigned long)(memory.most - live), (unsigned long)size);
    }
}

/* A model with more notes than anybody takes: each costs its length, and none is compared with the others. */
static void many_notes(void)
{
    enum { NOTES = 200000 };
    itd_error error;
    size_t live = memory.live, header = 0, at, rest, k = 0;
    unsigned char *old;
    checkpoint();
    for (at = 8; at-- > 0;) header = header << 8 | file[at];
    old = file, file = NULL, rest = size, room = 0;
    begin();
    for (at = 8; memcmp(old + at, "\"format\"", 8); at++) continue;
    add(old + 8, at - 8);
    while (k < NOTES) add_number("\"note.", k++, "\":\"\",");
    add(old + at, 8 + header - at);
    end(0);
    add(old + 8 + header, rest - 8 - header);
    free(old);
    put();
    CHECK_OK(read_by(MODEL, &error));
    CHECK((double)(memory.most - live) <= 8 * (double)size + SPARE);
}

/* A network that would fit into the file, were its bytes not another tensor's: training it takes five floats
 * a parameter, and the file does not hold them. */
static void more_parameters_than_tensors(void)
{
    enum { MORE = 400000 };
    static const char *const hidden[] = {"4000", "13000"}; /* 44,002 and 143,002 parameters */
    for (size_t k = 0; k < 2; k++) {
        size_t live = memory.live, header = 0, at, data;
        unsigned char *old;
        char text[200];
        itd_error error;
        checkpoint();
        for (at = 8; at-- > 0;) header = header << 8 | file[at];
        data = size - 8 - header;
        while (file[8 + header - 1] == ' ') header--;
        old = file, file = NULL, room = 0;
        begin();
        add(old + 8, header - 1);
        snprintf(text, sizeof text, ",\"zz\":{\"dtype\":\"U8\",\"shape\":[%d],\"data_offsets\":[%lu,%lu]}}",
                 MORE, (unsigned long)data, (unsigned long)data + MORE);
        add_text(text);
        end(0);
        for (at = 8, header = 0; at-- > 0;) header = header << 8 | old[at];
        add(old + 8 + header, data);
        for (size_t i = 0; i < MORE; i++) add("", 1);
        snprintf(text, sizeof text, "%lu", (unsigned long)ref_crc32c(file + size - data - MORE, data + MORE));
        free(old);
        claim("\"crc32c\":\"", text);
        claim("\"mlp.hidden\":\"", hidden[k]);
        put();
        CHECK(read_by(MODEL, &error) == ITD_ERROR_MISMATCH);
        CHECK(strstr(error.text, k ? "too short for the network" : "shape") != NULL);
        CHECK((double)(memory.most - live) <= 5 * (double)size + SPARE);
    }
}

int main(void)
{
    RUN(headers);
    RUN(lengths);
    RUN(long_headers);
    RUN(claims);
    RUN(many_notes);
    RUN(more_parameters_than_tensors);
    CHECK(memory.blocks == 0);
    free(file);
    remove(path);
    remove(seed_path);
    return test_report();
}
