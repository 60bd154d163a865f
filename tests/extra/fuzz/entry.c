/* entry.c: what libFuzzer and AFL++ call. The environment says which target is meant, FUZZ_TARGET=csv, and
 * FUZZ_SEEDS=folder that its seeds are written there and nothing else is done. */
#include "../../fuzz/targets.h"

static const fuzz_target *target;

static int write_seeds(const char *folder)
{
    static uint8_t bytes[fuzz_seed_room];
    char path[1000];
    size_t size;
    for (size_t k = 0; (size = target->seed(k, bytes)) > 0; k++) {
        FILE *file;
        snprintf(path, sizeof path, "%s/seed%02d", folder, (int)k);
        file = (fopen)(path, "wb");
        if (!file || fwrite(bytes, 1, size, file) != size || fclose(file)) return 1;
    }
    return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *name = getenv("FUZZ_TARGET"), *folder = getenv("FUZZ_SEEDS");
    (void)argc, (void)argv;
    for (size_t k = 0; k < FUZZ_TARGETS; k++)
        if (name && !strcmp(fuzz_targets[k].name, name)) target = &fuzz_targets[k];
    if (!target) fprintf(stderr, "FUZZ_TARGET: the name of a target expected\n"), exit(1);
    if (folder) exit(write_seeds(folder));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) { return target->run(bytes, size); }
