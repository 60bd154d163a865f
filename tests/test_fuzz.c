/* The fuzz targets of tests/fuzz on the files of tests/corpus, on their seeds, and on some random changes of
 * them: whatever a fuzzer has found stays found, with any compiler. `make fuzz` goes on from here. */
#include "fuzz/targets.h"

#include "fuzz/mutate.h"
#include "test.h"

/* A promise that breaks ends the program; it has said which. */
static void run(const char *name)
{
    static mutate_set set;
    static uint8_t bytes[mutate_most];
    const fuzz_target *t = fuzz_targets;
    size_t k, n, corpus;
    char path[100];
    while (strcmp(t->name, name)) t++;
    set.state = 4101842887655102017u;
    for (k = 0; k < 100; k++) {
        snprintf(path, sizeof path, "tests/corpus/%s/%02d", name, (int)k);
        if (!mutate_add_file(&set, path)) break;
    }
    corpus = k;
    for (k = 0; (n = t->seed(k, bytes)) > 0; k++) mutate_add(&set, bytes, n);
    CHECK(corpus > 0 && set.count > 3);
    for (k = 0; k < set.count; k++) t->run(set.file[k].bytes, set.file[k].size);
    for (k = 0; k < t->changes; k++) {
        n = mutate_next(&set, bytes);
        t->run(bytes, n);
    }
    mutate_free(&set);
}

/* The seeds are files that are accepted: otherwise nothing deep would ever be reached. */
static void seeds_are_good(void)
{
    static uint8_t bytes[fuzz_seed_room];
    size_t n, k;
    for (k = 0; (n = seed_checkpoint(k, bytes)) > 0; k++) {
        itd_model *model = NULL;
        fuzz_file_set(bytes, n);
        checkpoint_mend(fuzz_file.bytes, n);
        CHECK_OK(itd_load("file", &model, NULL, NULL));
        itd_model_free(model);
    }
    CHECK(k == 4);
    for (k = 0; (n = seed_npy(k, bytes)) > 0; k++) {
        data_table t = {0};
        char error[TABLE_ERROR] = "";
        fuzz_file_set(bytes, n);
        CHECK(table_read("file", NULL, &t, error, sizeof error) == 0 && t.rows == 3 && t.columns == 2);
        CHECK(t.values && t.values[5] <= 1 && t.values[5] >= 1);
        table_free(&t);
    }
    CHECK(k == 6);
    for (k = 0; (n = seed_frame(k, bytes)) > 0; k++) {
        data_frame f;
        bytes[n] = '\0';
        CHECK(frame_from_text((const char *)bytes, &f, NULL, 0) == 0 && f.columns == 2 - k);
        frame_free(&f);
    }
    CHECK(k == 2);
    for (k = 0; (n = seed_weights(k, bytes)) > 0; k++) {
        itd_model *model = weights_model(k % 2 == 1);
        itd_error error = {""};
        fuzz_file_set(bytes, n);
        if (!CHECK_OK(itd_load_weights(model, "file", k > 1 ? "unet." : "", &error)))
            printf("  %s\n", error.text);
        itd_model_free(model);
    }
    CHECK(k == 4);
}

static void checkpoints(void) { run("checkpoint"); }
static void weights_of_others(void) { run("weights"); }
static void tables_of_numbers(void) { run("csv"); }
static void arrays_of_numpy(void) { run("npy"); }
static void arrays_of_images(void) { run("images"); }
static void frames(void) { run("frame"); }
static void photographs(void) { run("cifar10"); }
static void command_lines(void) { run("args"); }
static void there_and_back(void) { run("roundtrip"); }

int main(void)
{
#if defined(FAULT_FILES)
    RUN(seeds_are_good);
    RUN(checkpoints);
    RUN(weights_of_others);
    RUN(there_and_back);
#else
    SKIP("no fopencookie here: nothing can be written to memory");
    (void)seeds_are_good, (void)checkpoints, (void)weights_of_others, (void)there_and_back;
#endif
    RUN(tables_of_numbers);
    RUN(arrays_of_numpy);
    RUN(arrays_of_images);
    RUN(frames);
    RUN(photographs);
    RUN(command_lines);
    free(fuzz_file.bytes);
    return test_report();
}
