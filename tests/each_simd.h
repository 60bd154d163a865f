/* each_simd.h: runs the tests of a program again for each way this machine can compute. */
#ifndef EACH_SIMD_H
#define EACH_SIMD_H

#include "../itdiff.h"
#include "test.h"

static inline void each_simd(void (*tests)(void))
{
    static const char *const names[] = {"", "plain", "base", "avx2", "avx512"};
    int simd;
    for (simd = ITD_SIMD_PLAIN; simd <= ITD_SIMD_AVX512; simd++) {
        int failed = test_failed;
        if (!itd_simd_use((itd_simd)simd)) continue;
        CHECK(!strcmp(itd_simd_name(), names[simd]));
        tests();
        if (test_failed > failed) printf("  ... of these tests with the \"%s\" kernels\n", itd_simd_name());
    }
}

#endif
