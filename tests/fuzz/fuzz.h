/* fuzz.h: what the fuzz targets share. A target is one file, NAME.c, with two functions:
 *
 *     fuzz_NAME(bytes, size)   gives the bytes to one reader and holds it to its promises by REQUIRE
 *     seed_NAME(k, out)        makes a file to begin with, besides those in tests/corpus: its size, for
 *                              k = 0, 1, ... until it returns 0; out has room for fuzz_seed_room bytes
 *
 * Readers open files by name; here every name is the bytes at hand. The list of targets is in targets.h. */
#ifndef FUZZ_H
#define FUZZ_H

#include "../fault_shim.h"

#undef fopen
#undef rename
#undef ITD_FSYNC

#define REQUIRE(condition) ((condition) ? (void)0 : fuzz_broken(#condition, __FILE__, __LINE__))

static inline void fuzz_broken(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
    abort();
}

/* ---- the file ---- */

static struct {
    uint8_t *bytes;
    size_t size, room;
} fuzz_file; /* what is read, and what was written */

static inline void fuzz_file_grow(size_t size)
{
    if (size > fuzz_file.room) {
        fuzz_file.room = 2 * size;
        fuzz_file.bytes = (uint8_t *)realloc(fuzz_file.bytes, fuzz_file.room);
        if (!fuzz_file.bytes) abort();
    }
    if (size > fuzz_file.size) memset(fuzz_file.bytes + fuzz_file.size, 0, size - fuzz_file.size);
}

static inline void fuzz_file_set(const uint8_t *bytes, size_t size)
{
    fuzz_file.size = 0;
    fuzz_file_grow(size ? size : 1);
    if (size) memcpy(fuzz_file.bytes, bytes, size);
    fuzz_file.size = size;
}

#if defined(FAULT_FILES)

static inline ssize_t fuzz_read(void *at, char *bytes, size_t n)
{
    size_t *position = (size_t *)at;
    if (*position >= fuzz_file.size) return 0;
    if (n > fuzz_file.size - *position) n = fuzz_file.size - *position;
    memcpy(bytes, fuzz_file.bytes + *position, n);
    *position += n;
    return (ssize_t)n;
}

static inline ssize_t fuzz_write(void *at, const char *bytes, size_t n)
{
    size_t *position = (size_t *)at;
    fuzz_file_grow(*position + n);
    FAULT_WRITTEN(bytes, n);
    memcpy(fuzz_file.bytes + *position, bytes, n);
    *position += n;
    if (*position > fuzz_file.size) fuzz_file.size = *position;
    return (ssize_t)n;
}

static inline int fuzz_seek(void *at, off64_t *offset, int whence)
{
    size_t *position = (size_t *)at;
    off64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? (off64_t)*position : (off64_t)fuzz_file.size;
    if (base + *offset < 0) return -1;
    *offset += base;
    *position = (size_t)*offset;
    return 0;
}

static inline FILE *fuzz_open(const char *path, const char *mode)
{
    static size_t position; /* one file at a time */
    cookie_io_functions_t functions = {fuzz_read, fuzz_write, fuzz_seek, NULL};
    (void)path;
    position = 0;
    if (*mode == 'w') fuzz_file.size = 0;
    return fopencookie(&position, mode, functions);
}

static inline int fuzz_rename(const char *from, const char *to)
{
    (void)from, (void)to;
    return 0;
}

#else /* reading only */

static inline FILE *fuzz_open(const char *path, const char *mode)
{
    FILE *file = tmpfile();
    (void)path, (void)mode;
    if (file && fwrite(fuzz_file.bytes, 1, fuzz_file.size, file) != fuzz_file.size) abort();
    if (file) rewind(file);
    return file;
}

static inline int fuzz_rename(const char *from, const char *to)
{
    (void)from, (void)to;
    return -1;
}

#endif

#define fopen(path, mode) fuzz_open(path, mode)
#define rename(from, to) fuzz_rename(from, to)

/* A message of one line that has an end. */
static inline void fuzz_message(const char *text, size_t size)
{
    size_t length = 0;
    while (length < size && text[length]) length++;
    REQUIRE(length > 0 && length < size);
    for (size_t i = 0; i < length; i++) REQUIRE((unsigned char)text[i] >= 0x20 && text[i] != 0x7F);
}

/* Whether these bytes stand anywhere in the input: what is not there need not be looked for. */
static inline int fuzz_holds(const uint8_t *bytes, size_t size, const char *text)
{
    size_t length = strlen(text);
    for (size_t at = 0; at + length <= size; at++)
        if (bytes[at] == (uint8_t)*text && !memcmp(bytes + at, text, length)) return 1;
    return 0;
}

enum { fuzz_seed_room = 1 << 16 };

#endif
