/* text.h: what readers of other people's files share: refusals of one line, a file in memory, decimal numbers
 * that mean the same in every locale, and quotations of what was found that are safe to print. */
#ifndef TEXT_H
#define TEXT_H

#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_QUOTE = 40 }; /* bytes that a quotation takes, with its NUL */

/* Where a refusal goes: the caller's buffer. */
typedef struct text_error {
    const char *path; /* what is being read; it begins the line */
    char *line;
    size_t size;
} text_error;

/* Puts "PATH: what" into the buffer and returns -1. */
static inline int text_refuse(const text_error *to, const char *format, ...)
{
    va_list arguments;
    size_t used;
    if (!to->size) return -1;
    snprintf(to->line, to->size, "%s: ", to->path);
    used = strlen(to->line);
    va_start(arguments, format);
    vsnprintf(to->line + used, to->size - used, format, arguments);
    va_end(arguments);
    return -1;
}

/* Appends formatted text to a string in a buffer; false if it does not fit, when nothing is appended. */
static inline int text_append(char *buffer, size_t size, const char *format, ...)
{
    size_t used = strlen(buffer);
    va_list arguments;
    int length;
    va_start(arguments, format);
    length = vsnprintf(buffer + used, size - used, format, arguments);
    va_end(arguments);
    if (length >= 0 && (size_t)length < size - used) return 1;
    buffer[used] = '\0';
    return 0;
}

/* Reserves memory for at least `wanted` elements; false, and nothing changed, if there is no memory. */
static inline int text_reserve(void **array, size_t *capacity, size_t wanted, size_t element)
{
    size_t grown = *capacity ? *capacity : 64;
    void *moved;
    if (wanted <= *capacity) return 1;
    while (grown < wanted)
        if (grown > SIZE_MAX / 2) return 0;
        else grown *= 2;
    if (grown > SIZE_MAX / element || !(moved = realloc(*array, grown * element))) return 0;
    *array = moved, *capacity = grown;
    return 1;
}

/* The whole file in one allocation, which the caller frees, also after a failure. */
static inline int text_load(const text_error *to, char **bytes, size_t *size)
{
    FILE *file = fopen(to->path, "rb");
    size_t capacity = 0;
    void *block = NULL;
    int failed, folder = 0;
    *bytes = NULL, *size = 0;
    if (!file) return text_refuse(to, "a readable file expected, none found (%s)", strerror(errno));
    do {
        if (!text_reserve(&block, &capacity, *size ? 2 * *size : 65536, 1)) {
            fclose(file), free(block);
            *bytes = NULL;
            return text_refuse(to, "memory for the file expected, none found");
        }
        *bytes = (char *)block;
        *size += fread(*bytes + *size, 1, capacity - *size, file);
    } while (*size == capacity);
    failed = ferror(file);
#ifdef EISDIR
    folder = failed && errno == EISDIR;
#endif
    fclose(file);
    if (folder) return text_refuse(to, "a file expected, a folder found");
    return failed ? text_refuse(to, "a readable file expected, found one whose bytes cannot be read") : 0;
}

/* Prints the name of a file as one word: without its folders, blanks as underscores. NULL: "na". */
static inline void text_print_name(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    for (path = !path ? "na" : slash ? slash + 1 : path; *path; path++)
        putchar((unsigned char)*path > ' ' ? *path : '_');
}

/* ---- quotations ---- */

/* The bytes of the UTF-8 character that starts here; 0 if none does, or one that controls the terminal. */
static inline size_t text_character(const char *at, const char *end)
{
    static const unsigned long smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char lead = (unsigned char)*at;
    size_t length = lead < 0x80   ? 1
                    : lead < 0xC0 ? 0
                    : lead < 0xE0 ? 2
                    : lead < 0xF0 ? 3
                    : lead < 0xF8 ? 4
                                  : 0;
    unsigned long code = length == 1 ? lead : length ? lead & (0x7Fu >> length) : 0;
    if (!length || length > (size_t)(end - at)) return 0;
    for (size_t i = 1; i < length; i++) {
        if (((unsigned char)at[i] & 0xC0) != 0x80) return 0;
        code = code << 6 | ((unsigned char)at[i] & 0x3F);
    }
    if (code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x2028 || code == 0x2029) return 0;
    return code >= smallest[length] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF) ? length : 0;
}

/* Copies text as far as it fits, a question mark for every byte that cannot be printed; returns what was
 * copied of it. */
static inline size_t text_clean(const char *text, size_t length, char *out, size_t size)
{
    const char *at = text, *end = text + length;
    while (at < end) {
        size_t bytes = text_character(at, end), step = bytes ? bytes : 1;
        if (step >= size) break;
        if (bytes) memcpy(out, at, bytes);
        else *out = '?';
        at += step, out += step, size -= step;
    }
    *out = '\0';
    return (size_t)(at - text);
}

/* The text, or its beginning and three dots if it is long, in `out`, which is returned. */
static inline const char *text_quote(const char *text, size_t length, char out[TEXT_QUOTE])
{
    if (text_clean(text, length, out, TEXT_QUOTE - 3) < length) strcat(out, "...");
    return out;
}

static inline int text_is(const char *text, size_t length, const char *word)
{
    return length == strlen(word) && memcmp(text, word, length) == 0;
}

/* The same, in letters of any case. */
static inline int text_is_word(const char *text, size_t length, const char *word)
{
    size_t i = 0;
    if (length != strlen(word)) return 0;
    while (i < length && tolower((unsigned char)text[i]) == tolower((unsigned char)word[i])) i++;
    return i == length;
}

/* ---- numbers ---- */

/* digits * 10^exponent, correctly rounded. Up to 2^53 and 10^22 both are exact in a double; the C library
 * does the rest, from a text without a decimal point, which depends on the locale. */
static inline double text_scale(uint64_t digits, int64_t exponent)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    char decimal[40];
    if (digits == 0) return 0;
    if (digits <= (uint64_t)1 << 53 && exponent >= 0 && exponent <= 22)
        return (double)digits * powers[exponent];
    if (digits <= (uint64_t)1 << 53 && exponent < 0 && exponent >= -22)
        return (double)digits / powers[-exponent];
    exponent = exponent < -999 ? -999 : exponent > 999 ? 999 : exponent;
    snprintf(decimal, sizeof decimal, "%llue%d", (unsigned long long)digits, (int)exponent);
    return strtod(decimal, NULL);
}

/* Reads decimal digits into (digits, exponent): the first 19 count, later ones only move the point. */
static inline const char *text_digits(const char *at, const char *end, int fraction, uint64_t *digits,
                                      int64_t *exponent)
{
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        int kept = *digits < 1000000000000000000u;
        if (kept) *digits = *digits * 10 + (uint64_t)(*at - '0');
        *exponent += (kept ? 0 : 1) - (fraction ? 1 : 0);
    }
    return at;
}

/* Reads e[+-]digits, if it comes next; NULL if there are no digits. */
static inline const char *text_exponent(const char *at, const char *end, int64_t *exponent)
{
    int64_t power = 0;
    int inverse;
    const char *first;
    if (at == end || (*at != 'e' && *at != 'E')) return at;
    inverse = at + 1 < end && at[1] == '-';
    at += at + 1 < end && (at[1] == '-' || at[1] == '+') ? 2 : 1;
    for (first = at; at < end && *at >= '0' && *at <= '9'; at++)
        if (power < 1000000) power = power * 10 + (*at - '0');
    *exponent += inverse ? -power : power;
    return at > first ? at : NULL;
}

/* Reads [+-]digits[.digits][e[+-]digits]; returns where it ends, or NULL if there is no such number. */
static inline const char *text_number(const char *at, const char *end, double *value)
{
    uint64_t digits = 0;
    int64_t exponent = 0;
    const char *first, *last;
    int negative = at < end && *at == '-', has_digits;
    if (at < end && (*at == '-' || *at == '+')) at++;
    first = at;
    at = text_digits(at, end, 0, &digits, &exponent);
    has_digits = at > first;
    if (at < end && *at == '.') {
        last = text_digits(at + 1, end, 1, &digits, &exponent);
        has_digits = has_digits || last > at + 1;
        at = last;
    }
    if (!has_digits || !(at = text_exponent(at, end, &exponent))) return NULL;
    *value = negative ? -text_scale(digits, exponent) : text_scale(digits, exponent);
    return at;
}

/* A whole number below 2^64; NULL if there is none. */
static inline const char *text_whole(const char *at, const char *end, uint64_t *value)
{
    const char *first = at;
    for (*value = 0; at < end && *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (*value > (UINT64_MAX - digit) / 10) return NULL;
        *value = *value * 10 + digit;
    }
    return at > first ? at : NULL;
}

#endif
