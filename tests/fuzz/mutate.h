/* mutate.h: a set of inputs, and random changes of them: a small fuzzer for any compiler. */
#ifndef MUTATE_H
#define MUTATE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { mutate_most = 1 << 17, mutate_files = 200 };

typedef struct mutate_set {
    struct {
        uint8_t *bytes;
        size_t size;
    } file[mutate_files];
    size_t count;
    uint64_t state; /* of xorshift64 (Marsaglia 2003); not 0 */
} mutate_set;

static inline size_t mutate_below(mutate_set *set, size_t n)
{
    set->state ^= set->state << 13, set->state ^= set->state >> 7, set->state ^= set->state << 17;
    return n ? (size_t)(set->state >> 11) % n : 0;
}

static inline void mutate_add(mutate_set *set, const uint8_t *bytes, size_t size)
{
    uint8_t *copy = (uint8_t *)malloc(size + 1);
    if (!copy || set->count == mutate_files || size > mutate_most) {
        free(copy);
        return;
    }
    if (size) memcpy(copy, bytes, size);
    set->file[set->count].bytes = copy, set->file[set->count++].size = size;
}

/* Whether there is such a file. */
static inline int mutate_add_file(mutate_set *set, const char *path)
{
    static uint8_t bytes[mutate_most];
    FILE *file = (fopen)(path, "rb");
    if (!file) return 0;
    mutate_add(set, bytes, fread(bytes, 1, sizeof bytes, file));
    fclose(file);
    return 1;
}

static inline void mutate_free(mutate_set *set)
{
    while (set->count) free(set->file[--set->count].bytes);
}

/* Replaces `length` bytes at `at` by `more` others; the new size. */
static inline size_t mutate_splice(uint8_t *bytes, size_t size, size_t at, size_t length, const uint8_t *with,
                                   size_t more)
{
    if (size - length + more > mutate_most) return size;
    memmove(bytes + at + more, bytes + at + length, size - at - length);
    memcpy(bytes + at, with, more);
    return size - length + more;
}

/* One of the files, changed in one to four places, in `bytes`; its size. */
static inline size_t mutate_next(mutate_set *set, uint8_t *bytes)
{
    static const char *const words[] = {"\"",
                                        "{",
                                        "}",
                                        "[",
                                        "]",
                                        ",",
                                        ":",
                                        "\\u0000",
                                        "-1",
                                        "0",
                                        "NaN",
                                        "1e999",
                                        "18446744073709551615",
                                        "9223372036854775808",
                                        "4294967296",
                                        "\n",
                                        "\xFF",
                                        "--",
                                        "=",
                                        "F64",
                                        "BF16",
                                        "U8",
                                        "__metadata__"};
    size_t k = mutate_below(set, set->count), size = set->file[k].size, changes = 1 + mutate_below(set, 4);
    memcpy(bytes, set->file[k].bytes, size);
    while (changes--) {
        size_t at = mutate_below(set, size + 1), left = size - at,
               some = mutate_below(set, left < 16 ? left + 1 : 16);
        const char *word = words[mutate_below(set, sizeof words / sizeof *words)];
        size_t other = mutate_below(set, set->count), from = mutate_below(set, set->file[other].size + 1);
        size_t most = set->file[other].size - from, length = mutate_below(set, (most < 64 ? most : 64) + 1);
        switch (mutate_below(set, 7)) {
        case 0: /* a bit */
            if (left) bytes[at] ^= (uint8_t)(1 << mutate_below(set, 8));
            break;
        case 1: /* a byte */
            if (left) bytes[at] = (uint8_t)mutate_below(set, 256);
            break;
        case 2: /* a word, over others or between them */
            size = mutate_splice(bytes, size, at, some, (const uint8_t *)word, strlen(word));
            break;
        case 3: /* nothing in place of something */
            size = mutate_splice(bytes, size, at, some, bytes, 0);
            break;
        case 4: /* a piece of another */
            size = mutate_splice(bytes, size, at, some, set->file[other].bytes + from, length);
            break;
        case 5: /* a digit */
            while (at < size && (bytes[at] < '0' || bytes[at] > '9')) at++;
            if (at < size) bytes[at] = (uint8_t)('0' + mutate_below(set, 10));
            break;
        default: /* the end cut off, seldom */
            if (mutate_below(set, 4) == 0) size = at;
        }
    }
    return size;
}

#endif
