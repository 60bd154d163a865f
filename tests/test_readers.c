/* Readers of tables and images when memory runs out or the disk fails: each job below is done again and
 * again, while one allocation or one read gets nothing, or all from that one on. Each time it comes to what
 * it comes to undisturbed, or is refused with one line; nothing leaks, and the next time it works again. */
#include "fault_shim.h"

#include "../examples/support/system.h"

#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "fault_memory.h"

#include "../examples/support/frame_text.h"
#include "../examples/support/images.h"
#include "../examples/support/odd.h"
#include "test.h"

static const char path[] = "build/readers.tmp", other_path[] = "build/readers-2.tmp";
static const char folder[] = "build/readers.d";
static char message[TABLE_ERROR];

/* ---- files for them: (fopen) never fails ---- */

static void write_bytes(const char *name, const char *head, size_t head_size, const void *data, size_t size)
{
    FILE *file = (fopen)(name, "wb");
    if (!CHECK(file != NULL)) return;
    CHECK(fwrite(head, 1, head_size, file) == head_size && fwrite(data, 1, size, file) == size);
    CHECK(fclose(file) == 0);
}

static void write_npy(const char *name, const char *descr, const char *shape, const void *data, size_t size)
{
    char head[200];
    int length = snprintf(head + 10, sizeof head - 10,
                          "{'descr': '%s', 'fortran_order': False, 'shape': %s}\n", descr, shape);
    memcpy(head, "\x93NUMPY\1\0", 8), head[8] = (char)length, head[9] = 0;
    write_bytes(name, head, 10 + (size_t)length, data, size);
}

/* Names, an index, rounded values, an atom, a copy, a row far outside, and rows that repeat others. */
static void write_table(const char *name)
{
    FILE *file = (fopen)(name, "wb");
    if (!CHECK(file != NULL)) return;
    fputs("id,height,\"weight, kg\",kind,copy\n", file);
    for (int i = 0; i < 300; i++) {
        int k = i < 290 ? i : 0;
        double x = k * 7919 % 1000 / 10.0, y = k % 4 ? sqrt(k) : k == 8 ? 1e7 : 3;
        fprintf(file, "%d,%.1f,%.12g,%d,%.1f\n", i + 1, x, y, k % 3, 2 * x);
    }
    CHECK(fclose(file) == 0);
}

static void write_text(const char *name, const char *text) { write_bytes(name, text, strlen(text), "", 0); }

/* ---- jobs: 0 with what was found, or -1 with a line in `message` ---- */

typedef int job(uint64_t *found);

static uint64_t hash_of_table(const data_table *t)
{
    uint64_t hash = frame_hash(FRAME_HASH ^ t->columns ^ t->file_rows << 8, t->values, t->rows * t->columns);
    for (size_t j = 0; j < t->columns; j++) hash = (hash ^ t->source[j]) * 31;
    for (size_t j = 0; t->names && j < t->columns; j++)
        for (const char *at = t->names[j]; *at; at++) hash = (hash ^ (unsigned char)*at) * 31;
    return hash;
}

static int read_columns(const char *columns, uint64_t *found)
{
    data_table t;
    if (table_read(path, columns, &t, message, sizeof message)) return -1;
    *found = hash_of_table(&t);
    table_free(&t);
    return 0;
}
static int read_all(uint64_t *found) { return read_columns(NULL, found); }
static int read_some(uint64_t *found) { return read_columns("copy,2-3", found); }
static int read_whole_rows(uint64_t *found)
{
    data_table t;
    if (table_read_by(path, table_choose_text, NULL, true, &t, message, sizeof message)) return -1;
    *found = hash_of_table(&t);
    table_free(&t);
    return 0;
}

/* The frame of one table, put into words and back, and another table's columns by its names. */
static int frame_of(const data_table *t, data_frame *f, uint64_t *found)
{
    char *words = NULL;
    memset(f, 0, sizeof *f);
    if (frame_from_table(t, f, message, sizeof message) || frame_find_steps(f, t, message, sizeof message))
        return -1;
    words = frame_to_text(f);
    frame_free(f);
    if (!words) snprintf(message, sizeof message, "%s: no memory for the words", path);
    if (!words || frame_from_text(words, f, message, sizeof message)) {
        free(words);
        return -1;
    }
    for (const char *at = words; *at; at++) *found = (*found ^ (unsigned char)*at) * 31;
    free(words);
    return 0;
}
static int match_columns(uint64_t *found)
{
    data_table t, other;
    data_frame f = {0};
    float x[400];
    int status = table_read(path, "height,kind", &t, message, sizeof message);
    if (status) return -1;
    *found = hash_of_table(&t);
    status = frame_of(&t, &f, found);
    table_free(&t);
    if (!status) status = frame_read(&f, other_path, NULL, false, true, &other, message, sizeof message);
    if (!status) {
        if (other.rows * other.columns <= 400)
            status = frame_floats(&f, &other, NULL, x, message, sizeof message);
        *found ^= hash_of_table(&other);
        table_free(&other);
    }
    if (!status) status = frame_read(&f, other_path, "4,2", true, false, &other, message, sizeof message);
    if (!status) {
        *found = *found * 31 ^ hash_of_table(&other);
        table_free(&other);
    }
    frame_free(&f);
    return status;
}

static void count_lines(void *context, const char *line) { *(uint64_t *)context += *line ? 1 : 0; }
static int tell_what_is_odd(uint64_t *found)
{
    data_table t;
    int status = table_read(path, NULL, &t, message, sizeof message);
    if (status) return -1;
    *found = 0;
    status = odd_tell(&t, count_lines, found) < 0 ? -1 : 0;
    if (status) snprintf(message, sizeof message, "%s: no memory", path);
    table_free(&t);
    return status;
}
static int order_of_rows(uint64_t *found)
{
    data_table t;
    frame_key *key;
    if (table_read(path, NULL, &t, message, sizeof message)) return -1;
    key = table_order(t.values, t.rows, t.columns, 7);
    if (!key) snprintf(message, sizeof message, "%s: no memory for the order", path);
    *found = 0;
    for (size_t i = 0; key && i < t.rows; i++) *found = *found * 31 + key[i].row;
    free(key), table_free(&t);
    return key ? 0 : -1;
}
static int refuse_constants(uint64_t *found)
{
    data_table t;
    int status;
    *found = 0;
    if (table_read(path, NULL, &t, message, sizeof message)) return -1;
    status = table_refuse_constant(&t, message, sizeof message);
    table_free(&t);
    return status;
}

static int read_images(uint64_t *found)
{
    image_set train, test;
    if (images_read_both(path, NULL, NULL, &train, &test, message, sizeof message)) return -1;
    *found = train.n * 31 + test.n + (uint64_t)train.scale.levels;
    for (size_t i = 0; i < train.n; i++)
        for (size_t k = 0; k < train.dim; k++)
            *found = *found * 31 + (uint64_t)(1000 * images_value(&train, i, k));
    images_free(&test), images_free(&train);
    return 0;
}
static int read_two_files_of_images(uint64_t *found)
{
    image_set train, test;
    if (images_read_both(path, other_path, NULL, &train, &test, message, sizeof message)) return -1;
    *found = train.n * 31 + test.n;
    for (size_t k = 0; k < test.dim; k++) *found = *found * 31 + (uint64_t)(1000 * images_value(&test, 1, k));
    images_free(&test), images_free(&train);
    return 0;
}
static int read_images_to_measure(uint64_t *found)
{
    static const image_scale bytes = {0, 255, 256, 0, 0};
    image_set test;
    if (images_read_test(path, &bytes, &test, message, sizeof message)) return -1;
    *found = test.n * 31 + (uint64_t)images_value(&test, 1, 2);
    images_free(&test);
    return 0;
}

static int read_folder(uint64_t *found)
{
    image_set train, test;
    if (images_read_both(folder, NULL, NULL, &train, &test, message, sizeof message)) return -1;
    *found = train.n * 31 + test.n;
    for (size_t i = 0; i < train.n; i++) *found = *found * 31 + (uint64_t)images_value(&train, i, 1);
    images_free(&test), images_free(&train);
    return 0;
}

/* ---- the same, again and again ---- */

/* Either as undisturbed, or refused with one line, which says what was short unless it is refused anyway. */
static int ends_well(job *work, int status, uint64_t expected, const char *what_is_short)
{
    uint64_t found = 0;
    int came;
    *message = '\0', came = work(&found);
    if (!came) return !status && found == expected;
    return strchr(message, ':') && !strchr(message, '\n') && (status || strstr(message, what_is_short));
}

static void with_failures_of_memory(job *work, int status, uint64_t expected)
{
    for (int for_good = 0; for_good < 2; for_good++)
        for (long k = 0;; k++) {
            int well;
            memory_begin(k, for_good);
            well = ends_well(work, status, expected, "memory");
            if (!well) printf("  allocation %ld%s: %s\n", k, for_good ? " and all after it" : "", message);
            CHECK(well && memory.blocks == 0);
            if (!memory.failed) break;
        }
    memory_begin(-1, 0);
}

#if defined(FAULT_FILES)
static void with_failures_of_the_disk(job *work, int status, uint64_t expected)
{
    static const int faults[] = {EIO, EINTR, 0}; /* 0: half of what was asked for comes, which is no error */
    for (size_t f = 0; f < 3; f++)
        for (int for_good = 0; for_good < 2; for_good++)
            for (long k = 0;; k++) {
                int well;
                disk_begin(k, faults[f], for_good);
                well = ends_well(work, status, expected, "read");
                if (!well)
                    printf("  call %ld%s, error %d: %s\n", k, for_good ? " and all after it" : "", faults[f],
                           message);
                CHECK(well && memory.blocks == 0);
                if (!disk.failed) break;
            }
    disk_begin(-1, 0, 0);
}
#endif

/* status: what the job comes to, left alone. */
static void disturb(job *work, int status)
{
    uint64_t found = 0, again = 0;
    memory_begin(-1, 0);
    *message = '\0';
    if (!CHECK(work(&found) == status)) {
        printf("  %s\n", message);
        return;
    }
    CHECK(memory.blocks == 0 && memory.calls > 0);
    with_failures_of_memory(work, status, found);
#if defined(FAULT_FILES)
    with_failures_of_the_disk(work, status, found);
#endif
    CHECK(work(&again) == status && again == found && memory.blocks == 0);
}

/* ---- tables ---- */

static void tables(void)
{
    write_table(path);
    disturb(read_all, 0), disturb(read_some, 0), disturb(tell_what_is_odd, 0), disturb(order_of_rows, 0);
}

static void tables_of_numpy(void)
{
    double x[40];
    for (int k = 0; k < 40; k++) x[k] = k * 37 % 11 + 0.25;
    write_npy(path, "<f8", "(20, 2)", x, sizeof x);
    disturb(read_all, 0), disturb(tell_what_is_odd, 0);
    x[7] = NAN;
    write_npy(path, "<f8", "(20, 2)", x, sizeof x);
    disturb(read_all, -1), disturb(read_whole_rows, 0);
    x[7] = -INFINITY;
    write_npy(path, "<f8", "(20, 2)", x, sizeof x);
    disturb(read_all, -1), disturb(read_whole_rows, -1);
    write_npy(path, "<c16", "(20, 1)", x, sizeof x);
    disturb(read_all, -1);
}

static void tables_with_gaps(void)
{
    write_text(path, "a,b,c\n1,2.5,3\n4,,6\n7,NA,9\n1,3,5\n");
    disturb(read_all, -1), disturb(read_whole_rows, 0);
}

static void tables_with_decimal_commas(void)
{
    write_text(path, "a;b\n1,5;2,25\n3,5;-4,75\n0,5;1e3\n");
    disturb(read_all, 0);
}

static void tables_that_are_refused(void)
{
    write_text(path, "a,b,c\n1,2,3\n4,red,6\n");
    disturb(read_all, -1);
    write_text(path, "a,b\n1,2\n3,4,5\n");
    disturb(read_all, -1);
    write_text(path, "height,kind\n1,2\n3,4\n");
    disturb(read_some, -1); /* has no such column */
    write_text(path, "{\"a\": [1, 2]}");
    disturb(read_all, -1);
    write_text(path, "a,b,c\n1,2,3\n1,4,3\n1,6,3\n");
    disturb(refuse_constants, -1);
}

static void frames(void)
{
    write_table(path);
    write_text(other_path, "kind,x,height,y\n1,2,3.5,4\n5,6,7.5,8\n9,,1.5,2\n");
    disturb(match_columns, -1); /* a row has a gap, and the second time none is left out */
    write_text(other_path, "kind,x,height,y\n1,2,3.5,4\n5,6,7.5,8\n9,1,1.5,2\n");
    disturb(match_columns, 0);
    remove(other_path);
}

/* ---- images ---- */

static void images(void)
{
    float x[12 * 6];
    uint8_t bytes[12 * 6];
    for (size_t k = 0; k < 72; k++) bytes[k] = (uint8_t)(37 * k % 251);
    write_npy(path, "|u1", "(12, 3, 2)", bytes, sizeof bytes);
    disturb(read_images, 0), disturb(read_images_to_measure, 0);
    for (size_t k = 0; k < 72; k++) x[k] = (float)bytes[k] / 255;
    write_npy(path, "<f4", "(12, 3, 2)", x, sizeof x);
    disturb(read_images, 0);
    for (size_t k = 0; k < 72; k++) x[k] = (float)sin((double)k);
    write_npy(other_path, "<f4", "(12, 3, 2)", x, sizeof x);
    disturb(read_two_files_of_images, -1);
    for (size_t k = 0; k < 72; k++) x[k] = (float)(k % 2); /* black and white, as in the bytes */
    write_npy(other_path, "<f4", "(12, 3, 2)", x, sizeof x);
    disturb(read_two_files_of_images, 0);
    remove(other_path);
}

static void images_of_mnist(void)
{
    static const char head[] = {0, 0, 8, 3, 0, 0, 0, 8, 0, 0, 0, 3, 0, 0, 0, 3};
    uint8_t bytes[72];
    for (size_t k = 0; k < 72; k++) bytes[k] = (uint8_t)(3 * k);
    write_bytes(path, head, sizeof head, bytes, sizeof bytes);
    disturb(read_images, 0);
    write_bytes(path, head, sizeof head, bytes, 71);
    disturb(read_images, -1);
}

/* Of several files none is left out because it cannot be opened, and test images are not made up. */
static void images_of_cifar10(void)
{
    static const char *const names[] = {"data_batch_1.bin", "data_batch_2.bin", "test_batch.bin"};
    static uint8_t records[2 * 3073];
    char name[3][60];
    CHECK(system_make_directory(folder) == 0);
    for (size_t i = 0; i < 3; i++) {
        snprintf(name[i], sizeof name[i], "%s/%s", folder, names[i]);
        records[2] = (uint8_t)(200 + i);
        write_bytes(name[i], "", 0, records, sizeof records);
    }
    disturb(read_folder, 0);
    for (size_t i = 0; i < 3; i++) remove(name[i]);
    disturb(read_folder, -1);
    remove(folder);
}

int main(void)
{
    RUN(tables);
    RUN(tables_of_numpy);
    RUN(tables_with_gaps);
    RUN(tables_with_decimal_commas);
    RUN(tables_that_are_refused);
    RUN(frames);
    RUN(images);
    RUN(images_of_mnist);
    RUN(images_of_cifar10);
    remove(path);
    return test_report();
}
