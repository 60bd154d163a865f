/* each_simd.h: runs the tests of a program again for each way this machine can compute. */
#ifndef EACH_SIMD_H
#define EACH_SIMD_H

#include "../itdiff.h"
#include "test.h"

/* The best one is the last of those that there are, and one that is not there changes nothing. */
static inline void each_simd_best(void)
{
    char last[8] = "", now[8];
    int simd;
    for (simd = ITD_SIMD_PLAIN; simd <= ITD_SIMD_AVX512; simd++) {
        strcpy(now, itd_simd_name());
        if (itd_simd_use((itd_simd)simd)) strcpy(last, itd_simd_name());
        else CHECK(!strcmp(itd_simd_name(), now));
    }
    CHECK(itd_simd_use(ITD_SIMD_BEST) && !strcmp(itd_simd_name(), last));
}

static inline void each_simd(void (*tests)(void))
{
    static const char *const names[] = {"", "plain", "base", "avx2", "avx512"};
    int simd;
    RUN(each_simd_best);
    for (simd = ITD_SIMD_PLAIN; simd <= ITD_SIMD_AVX512; simd++) {
        int failed = test_failed;
        if (!itd_simd_use((itd_simd)simd)) continue;
        CHECK(!strcmp(itd_simd_name(), names[simd]));
        tests();
        if (test_failed > failed) printf("  ... of these tests with the \"%s\" kernels\n", itd_simd_name());
    }
}

#endif
