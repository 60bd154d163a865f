/* no_memory.c: allocation number FAIL_AT of a program, counted from 0, gets nothing; all from there on if FAIL_ON
 * is set. At the end the number of allocations goes into the file FAIL_COUNT. glibc; see failures.py.
 *     cc -shared -fPIC no_memory.c -o no_memory.so; LD_PRELOAD=./no_memory.so FAIL_AT=7 program */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);

static long calls, fail_at = -2; /* -2: not asked for yet; -1: none */
static int for_good;

static int fails(void)
{
    long call = calls++;
    if (fail_at == -2) {
        const char *at = getenv("FAIL_AT");
        fail_at = at ? atol(at) : -1, for_good = getenv("FAIL_ON") != NULL;
    }
    if (fail_at < 0 || call < fail_at || (call > fail_at && !for_good)) return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size) { return fails() ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return fails() ? NULL : __libc_calloc(count, size); }
void *realloc(void *block, size_t size) { return fails() ? NULL : __libc_realloc(block, size); }

__attribute__((destructor)) static void report(void)
{
    const char *path = getenv("FAIL_COUNT");
    long total = calls;
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file) return;
    fprintf(file, "%ld\n", total);
    fclose(file);
}
