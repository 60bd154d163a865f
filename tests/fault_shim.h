/* fault_shim.h: memory and files that fail when told to. Include it before anything else.
 *
 *     #include "fault_shim.h"
 *     #define ITDIFF_IMPLEMENTATION
 *     #include "../itdiff.h"
 *
 * Memory: the library's allocator becomes one that counts, and from which allocation number `memory.fail_at`
 * gets nothing (or all from there on). Files, where the C library lets a program be the file behind a FILE
 * (fopencookie: glibc, musl): every read, write, seek, close, sync and rename is an event with a number, and
 * event `disk.fail_at` fails as disk.fault says. */
#ifndef FAULT_SHIM_H
#define FAULT_SHIM_H

#if defined(__linux__)
#define FAULT_FILES /* fopencookie is there */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#endif

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ---- */

static struct {
    size_t live, most, largest; /* bytes in use, the most there ever were, in one block */
    long blocks;                /* in use */
    long calls;                 /* allocations asked for */
    long fail_at;               /* this one fails; -1: none */
    int for_good;               /* all after it fail as well */
    long failed;
} memory = {0, 0, 0, 0, 0, -1, 0, 0};

enum { FAULT_PREFIX = 16 }; /* bytes before each block that hold its size, and keep the alignment */

static inline size_t fault_size(const void *p)
{
    size_t size = 0;
    if (p) memcpy(&size, (const char *)p - FAULT_PREFIX, sizeof size);
    return size;
}

static inline void *fault_realloc(void *p, size_t size)
{
    size_t before = fault_size(p);
    long call = memory.calls++;
    char *block;
    if (memory.fail_at >= 0 && (call == memory.fail_at || (memory.for_good && call > memory.fail_at))) {
        memory.failed++;
        return NULL;
    }
    if (size > memory.largest) memory.largest = size;
    block = size > SIZE_MAX - FAULT_PREFIX
                ? NULL
                : (char *)realloc(p ? (char *)p - FAULT_PREFIX : NULL, size + FAULT_PREFIX);
    if (!block) return NULL;
    memcpy(block, &size, sizeof size);
    memory.live += size - before, memory.blocks += !p;
    if (memory.live > memory.most) memory.most = memory.live;
    return block + FAULT_PREFIX;
}

static inline void fault_free(void *p)
{
    if (!p) return;
    memory.live -= fault_size(p), memory.blocks--;
    free((char *)p - FAULT_PREFIX);
}

/* From now on: allocation `fail_at` fails (-1: none), counted from 0; sizes are measured anew. */
static inline void memory_begin(long fail_at, int for_good)
{
    memory.calls = memory.failed = 0, memory.fail_at = fail_at, memory.for_good = for_good;
    memory.most = memory.live, memory.largest = 0;
}

#define ITD_MALLOC(size) fault_realloc(NULL, size)
#define ITD_REALLOC(p, size) fault_realloc(p, size)
#define ITD_FREE(p) fault_free(p)

/* ---- files ---- */

#if defined(FAULT_FILES)

#include <signal.h>

enum { FAULT_KILL = -1 }; /* the process dies there and then */

typedef enum fault_event {
    FAULT_OPEN,
    FAULT_READ,
    FAULT_WRITE,
    FAULT_SEEK,
    FAULT_CLOSE,
    FAULT_SYNC,
    FAULT_RENAME
} fault_event;

static struct {
    long calls, fail_at; /* events so far; the one that fails, -1: none */
    int fault;           /* an errno; 0: half of the bytes are transferred, which is no error by itself */
    int for_good;        /* everything after it fails as well, as on a full or broken disk */
    int failed;          /* how many did */
    fault_event event;   /* what the first of them was */
} disk = {0, -1, 0, 0, 0, FAULT_OPEN};

static inline void disk_begin(long fail_at, int fault, int for_good)
{
    disk.calls = 0, disk.fail_at = fail_at, disk.fault = fault, disk.for_good = for_good, disk.failed = 0;
}

/* Whether this event fails. */
static inline int fault_now(fault_event event)
{
    long call = disk.calls++;
    if (disk.fault == 0 && event != FAULT_READ && event != FAULT_WRITE) return 0;
    if (disk.fail_at < 0 || call < disk.fail_at || (call > disk.fail_at && !disk.for_good)) return 0;
    if (!disk.failed++) disk.event = event;
    if (disk.fault == FAULT_KILL) raise(SIGKILL);
    errno = disk.fault;
    return 1;
}

static inline ssize_t fault_read(void *file, char *bytes, size_t n)
{
    if (fault_now(FAULT_READ)) {
        if (disk.fault) return -1;
        n = (n + 1) / 2;
    }
    return (ssize_t)fread(bytes, 1, n, (FILE *)file);
}

/* MemorySanitizer does not see what the C library, which it has not compiled, puts into a stream's buffer. */
#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
#include <sanitizer/msan_interface.h>
#define FAULT_WRITTEN(bytes, n) __msan_unpoison(bytes, n)
#endif
#endif
#ifndef FAULT_WRITTEN
#define FAULT_WRITTEN(bytes, n) ((void)0)
#endif

static inline ssize_t fault_write(void *file, const char *bytes, size_t n)
{
    if (fault_now(FAULT_WRITE)) {
        if (disk.fault) return 0; /* how a writer of fopencookie says that it failed */
        n = (n + 1) / 2;
    }
    FAULT_WRITTEN(bytes, n);
    return (ssize_t)fwrite(bytes, 1, n, (FILE *)file);
}

static inline int fault_seek(void *file, off64_t *offset, int whence)
{
    if (fault_now(FAULT_SEEK)) return -1;
    if (fseek((FILE *)file, (long)*offset, whence)) return -1;
    *offset = ftell((FILE *)file);
    return 0;
}

/* The descriptor is gone whatever close says. */
static inline int fault_close(void *file)
{
    int fails = fault_now(FAULT_CLOSE);
    return fclose((FILE *)file) || fails ? -1 : 0;
}

static inline FILE *fault_fopen(const char *path, const char *mode)
{
    cookie_io_functions_t functions;
    FILE *file, *outer;
    if (fault_now(FAULT_OPEN)) return NULL;
    functions.read = fault_read, functions.write = fault_write;
    functions.seek = fault_seek, functions.close = fault_close;
    file = fopen(path, mode);
    if (!file) return NULL;
    setvbuf(file, NULL, _IONBF, 0); /* the outer one has a buffer */
    outer = fopencookie(file, mode, functions);
    if (!outer) fclose(file);
    else setvbuf(outer, NULL, _IOFBF, 512); /* so that small files take many reads and writes */
    return outer;
}

static inline int fault_sync(FILE *file)
{
    (void)file;
    return fault_now(FAULT_SYNC) ? -1 : 0;
}

static inline int fault_rename(const char *from, const char *to)
{
    if (fault_now(FAULT_RENAME)) return -1;
    return rename(from, to);
}

/* The library's and the examples' files from here on; tests open theirs by (fopen)(...). */
#define fopen(path, mode) fault_fopen(path, mode)
#define rename(from, to) fault_rename(from, to)
#define ITD_FSYNC(file) fault_sync(file)

#endif
#endif
