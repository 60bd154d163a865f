/* targets.h: every fuzz target in one program, as the header takes long to compile. */
#ifndef TARGETS_H
#define TARGETS_H

#include "fuzz.h"

#include "args.c"
#include "checkpoint.c"
#include "cifar10.c"
#include "csv.c"
#include "frame.c"
#include "npy.c"
#include "images.c"
#include "roundtrip.c"
#include "weights.c"

typedef struct fuzz_target {
    const char *name;
    int (*run)(const uint8_t *bytes, size_t size);
    size_t (*seed)(size_t k, uint8_t *out);
    size_t most;    /* bytes of an input a fuzzer tries: larger ones find nothing more and take longer */
    size_t changes; /* random ones that `make test` tries */
} fuzz_target;

static const fuzz_target fuzz_targets[] = {
    {"args", fuzz_args, seed_args, 1024, 5000},
    {"checkpoint", fuzz_checkpoint, seed_checkpoint, 16384, 2000},
    {"cifar10", fuzz_cifar10, seed_cifar10, 7000, 2000},
    {"csv", fuzz_csv, seed_csv, 4096, 5000},
    {"frame", fuzz_frame, seed_frame, 1024, 5000},
    {"images", fuzz_images, seed_images, 1024, 3000},
    {"npy", fuzz_npy, seed_npy, 1024, 5000},
    {"roundtrip", fuzz_roundtrip, seed_roundtrip, 1024, 500},
    {"weights", fuzz_weights, seed_weights, 16384, 1000},
};
enum { FUZZ_TARGETS = sizeof fuzz_targets / sizeof *fuzz_targets };

#endif
