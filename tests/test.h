/* test.h: the whole test harness. A program is a list of RUN(function) in main, ended by
 * `return test_report();`. A function is one test; it passes when every CHECK in it holds. Comparisons are
 * written so that a NaN fails. */
#ifndef TEST_H
#define TEST_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int test_passed, test_failed, test_skipped, test_faults;

#define CHECK(condition) test_check((condition) ? 1 : 0, #condition, __FILE__, __LINE__)
#define CHECK_CLOSE(value, expected, tolerance)                                                              \
    test_close((double)(value), (double)(expected), (double)(tolerance), #value, __FILE__, __LINE__)
#define CHECK_OK(call) test_check((call) == ITD_OK, #call " == ITD_OK", __FILE__, __LINE__)
#define RUN(function) test_run(function, #function)
#define SKIP(why) (printf("  skipped: %s\n", (why)), test_skipped++)

static inline int test_check(int holds, const char *text, const char *file, int line)
{
    if (!holds) {
        test_faults++;
        printf("  %s:%d: failed: %s\n", file, line, text);
    }
    return holds;
}

static inline int test_close(double value, double expected, double tolerance, const char *text,
                             const char *file, int line)
{
    int holds = fabs(value - expected) <= tolerance;
    if (!holds) {
        test_faults++;
        printf("  %s:%d: %s = %.9g, expected %.9g within %.3g\n", file, line, text, value, expected,
               tolerance);
    }
    return holds;
}

/* CHECKs between the tests, of what they leave, count as well. */
static inline void test_between(void)
{
    if (test_faults) {
        test_failed++;
        printf("FAIL between two tests\n");
    }
    test_faults = 0;
}

static inline void test_run(void (*function)(void), const char *name)
{
    int skipped = test_skipped;
    test_between();
    function();
    if (test_faults) {
        test_failed++;
        printf("FAIL %s\n", name);
    } else if (test_skipped == skipped) {
        test_passed++;
    }
    test_faults = 0;
    fflush(stdout);
}

static inline int test_report(void)
{
    test_between();
    printf("%d passed, %d failed", test_passed, test_failed);
    if (test_skipped) printf(", %d skipped", test_skipped);
    printf("\n");
    return test_failed != 0;
}

#endif
