/* Tests of examples/support/tfevents.h against published checksums and bytes that other programs wrote;
 * tests/read_tfevents.py, run by resume.sh and images.sh, reads whole files. */
#include "fault_shim.h"

#include "../examples/support/system.h"

#include "fault_memory.h"

#include "../examples/support/tfevents.h"
#include "test.h"

static size_t from_hex(const char *hex, unsigned char *bytes)
{
    size_t n = strlen(hex) / 2;
    for (size_t i = 0; i < n; i++) {
        char byte[3] = {hex[2 * i], hex[2 * i + 1], 0};
        bytes[i] = (unsigned char)strtoul(byte, NULL, 16);
    }
    return n;
}

static int is_hex(const plot_bytes *b, const char *hex)
{
    unsigned char bytes[200];
    size_t n = from_hex(hex, bytes);
    if (!b->failed && b->size == n && !memcmp(b->data, bytes, n)) return 1;
    for (size_t i = 0; i < b->size; i++) printf("%02x", (unsigned)b->data[i]);
    printf(" is not %s\n", hex);
    return 0;
}

/* RFC 3720, B.4, and the check value of the catalogues. */
static void checksums(void)
{
    unsigned char bytes[32];
    CHECK(tfevents_crc32c((const unsigned char *)"123456789", 9) == 0xe3069283);
    CHECK(tfevents_crc32c(NULL, 0) == 0);
    memset(bytes, 0, sizeof bytes);
    CHECK(tfevents_crc32c(bytes, 32) == 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    CHECK(tfevents_crc32c(bytes, 32) == 0x62a8ab43);
    for (int i = 0; i < 32; i++) bytes[i] = (unsigned char)i;
    CHECK(tfevents_crc32c(bytes, 32) == 0x46dd794e);
    for (int i = 0; i < 32; i++) bytes[i] = (unsigned char)(31 - i);
    CHECK(tfevents_crc32c(bytes, 32) == 0x113fdb5c);
    CHECK(tfevents_masked(0) == 0xa282ead8 && tfevents_masked(0xffffffff) == 0xa282ead7);
}

/* The examples of the encoding guide of protocol buffers, and the ends of the range. */
static void numbers(void)
{
    static const struct {
        uint64_t value;
        const char *hex;
    } cases[] = {{0, "00"},
                 {1, "01"},
                 {127, "7f"},
                 {128, "8001"},
                 {150, "9601"},
                 {300, "ac02"},
                 {UINT64_MAX, "ffffffffffffffffff01"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        plot_bytes b = {NULL, 0, 0, 0, 0, 0};
        tfevents_put_varint(&b, cases[i].value);
        CHECK(is_hex(&b, cases[i].hex));
        free(b.data);
    }
    plot_bytes whole = {NULL, 0, 0, 0, 0, 0}, text = whole, real = whole, wide = whole;
    tfevents_put_whole(&whole, 1, 150);
    CHECK(is_hex(&whole, "089601"));
    tfevents_put_data(&text, 2, "testing", 7);
    CHECK(is_hex(&text, "120774657374696e67"));
    tfevents_put_float(&real, 2, 0.5f);
    CHECK(is_hex(&real, "150000003f"));
    tfevents_put_double(&wide, 1, 1.0);
    CHECK(is_hex(&wide, "09000000000000f03f"));
    free(whole.data), free(text.data), free(real.data), free(wide.data);
}

static int record_is(plot_bytes event, const char *hex)
{
    plot_bytes record = {NULL, 0, 0, 0, 0, 0};
    tfevents_put_record(&record, &event);
    int same = is_hex(&record, hex);
    free(event.data), free(record.data);
    return same;
}

/* The version record that TensorBoard's own writer left, with its time; a scalar; a START. */
static void records(void)
{
    unsigned char little[8];
    double time = 0;
    uint64_t word = 0;
    plot_bytes version = {NULL, 0, 0, 0, 0, 0}, value = version, summary = version, start = version;
    from_hex("0000803899d6d741", little);
    for (int i = 7; i >= 0; i--) word = word << 8 | little[i];
    memcpy(&time, &word, sizeof time);
    plot_put(&version, "brain.Event:2", 13);
    CHECK(record_is(tfevents_event(time, 0, 3, &version),
                    "1800000000000000a37f4b22090000803899d6d7411a0d627261696e2e4576656e743a32124b36ab"));
    tfevents_put_data(&value, 1, "loss", 4);
    tfevents_put_float(&value, 2, 0.5f);
    tfevents_put_message(&summary, 1, &value);
    CHECK(record_is(tfevents_event(1.0, 3, 5, &summary),
                    "1a00000000000000129bd82d09000000000000f03f10032a0d0a0b0a046c6f7373150000003f7fb84377"));
    tfevents_put_whole(&start, 1, 1);
    plot_bytes event = tfevents_event(1.0, 3, 7, &start);
    CHECK(is_hex(&event, "09000000000000f03f10033a020801"));
    free(event.data);
}

static size_t file_bytes(const char *path, unsigned char *bytes, size_t room)
{
    FILE *file = (fopen)(path, "rb");
    size_t n = file ? fread(bytes, 1, room, file) : 0;
    if (file) fclose(file);
    return n;
}

/* Everything is in the file before it is closed; a second file of the same second has another name. */
static void files(void)
{
    static const unsigned char png[6] = {1, 2, 3, 4, 5, 6};
    static unsigned char bytes[1000];
    unsigned char tail[100];
    tfevents first, second;
    size_t n, end;
    tfevents_open(&first, "build", 0);
    CHECK(!tfevents_lost(&first) && first.file);
    CHECK(strstr(first.path, "build/events.out.tfevents.") == first.path);
    n = file_bytes(first.path, bytes, sizeof bytes);
    CHECK(n == 40 + 16 + 9 + 4); /* version; START without a step */
    tfevents_scalar(&first, 7, "a", -2);
    tfevents_png(&first, 7, "b", png, sizeof png, 300, 2);
    n = file_bytes(first.path, bytes, sizeof bytes);
    end = from_hex("10072a0a0a080a01611500"
                   "0000c0",
                   tail);
    CHECK(n > 91 + end && !memcmp(bytes + 69 + 12 + 9, tail, end));
    end = from_hex("10072a16"
                   "0a14"
                   "0a0162"
                   "220f"
                   "0802"
                   "10ac02"
                   "1803"
                   "2206010203040506",
                   tail);
    CHECK(n > 4 + end && !memcmp(bytes + n - 4 - end, tail, end));
    tfevents_open(&second, "build", 8);
    CHECK(second.file && strcmp(first.path, second.path) != 0);
    n = file_bytes(second.path, bytes, sizeof bytes);
    end = from_hex("10083a020801", tail);
    CHECK(n > 4 + end && !memcmp(bytes + n - 4 - end, tail, end));
    tfevents_close(&first), tfevents_close(&second);
    CHECK(!tfevents_lost(&first) && !tfevents_lost(&second));
    tfevents_scalar(&first, 8, "late", 1);
    CHECK(!tfevents_lost(&first));
    remove(first.path), remove(second.path);
}

/* Told once; then every call does nothing. */
static void failures(void)
{
    char folder[2000];
    tfevents e;
    tfevents_open(&e, "build/no/such/folder", 0);
    CHECK(!e.file && tfevents_lost(&e) && !tfevents_lost(&e));
    tfevents_scalar(&e, 1, "a", 1);
    tfevents_png(&e, 1, "b", (const unsigned char *)"x", 1, 1, 1);
    tfevents_close(&e);
    CHECK(!tfevents_lost(&e));
    memset(folder, 'a', sizeof folder - 1);
    folder[sizeof folder - 1] = 0;
    tfevents_open(&e, folder, 0);
    CHECK(!e.file && tfevents_lost(&e));
    e.file = fopen("/dev/full", "wb"); /* a disk without room */
    if (!e.file) {
        SKIP("no /dev/full");
        return;
    }
    tfevents_scalar(&e, 1, "a", 1);
    CHECK(!e.file && tfevents_lost(&e) && !tfevents_lost(&e));
    tfevents_scalar(&e, 2, "a", 1);
    CHECK(!tfevents_lost(&e));
}

/* Some values and a picture; how many bytes are in the file then. */
static size_t write_some(size_t *lost)
{
    static unsigned char bytes[1000];
    tfevents e;
    size_t n;
    tfevents_open(&e, "build", 0);
    tfevents_scalar(&e, 1, "loss", 0.5);
    tfevents_png(&e, 2, "samples", (const unsigned char *)"picture", 7, 4, 3);
    tfevents_close(&e);
    *lost = (size_t)tfevents_lost(&e);
    n = file_bytes(e.path, bytes, sizeof bytes);
    remove(e.path);
    return n;
}

/* Whatever fails, it is told, and what is in the file are whole records: at most what would have been. */
static void failures_one_by_one(void)
{
    size_t lost, whole, n;
    memory_begin(-1, 0);
    whole = write_some(&lost);
    CHECK(!lost && memory.blocks == 0 && memory.calls > 4);
    for (int for_good = 0; for_good < 2; for_good++)
        for (long k = 0; memory_begin(k, for_good), n = write_some(&lost), memory.failed; k++)
            CHECK(lost && n < whole && memory.blocks == 0);
    memory_begin(-1, 0);
#if defined(FAULT_FILES)
    for (int for_good = 0; for_good < 2; for_good++)
        for (long k = 0; disk_begin(k, ENOSPC, for_good), n = write_some(&lost), disk.failed; k++)
            CHECK(memory.blocks == 0 && (lost ? n < whole || disk.event == FAULT_CLOSE : n == whole));
    disk_begin(-1, 0, 0);
#endif
    CHECK(write_some(&lost) == whole && !lost);
}

int main(void)
{
    RUN(checksums);
    RUN(numbers);
    RUN(records);
    RUN(files);
    RUN(failures);
    RUN(failures_one_by_one);
    return test_report();
}
