/* frame_text.h: a frame as one line of text, as it is kept with the model, and back:
 *
 *     frame 1 rows 60 checksum 0123456789abcdef file 3 columns 2 | 2 0.25 0 :x | 3 -17.5 0.1 :y
 *
 * For each column it has the number in the file, the offset, the step, and a colon with the name, or a
 * hyphen. In a name, every byte that is not a letter, a digit or another plain sign is written as %XX.
 *
 * Include the implementation of itdiff.h before this file. */
#ifndef FRAME_TEXT_H
#define FRAME_TEXT_H

#include "frame.h"

static inline void frame_put_number(double value, char out[40])
{
    char *to = out;
    snprintf(out, 40, "%.16e", value);
    for (const char *at = out; *at; at++) { /* the point of other locales */
        int plain = (*at >= '0' && *at <= '9') || *at == '-' || *at == '+' || *at == 'e';
        if (plain) *to++ = *at;
        else if (to == out || to[-1] != '.') *to++ = '.';
    }
    *to = '\0';
}

static inline int frame_is_plain(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c && strchr("._-+()/:", c));
}

static inline void frame_put_name(const char *name, char *out)
{
    *out++ = name ? ':' : '-';
    for (; name && *name; name++)
        if (frame_is_plain(*name)) *out++ = *name;
        else out += sprintf(out, "%%%02X", (unsigned)(unsigned char)*name);
    *out = '\0';
}

/* The text of a frame, which the caller frees; NULL without memory. */
static inline char *frame_to_text(const data_frame *f)
{
    size_t size = 200, used;
    char *text;
    for (size_t j = 0; j < f->columns; j++) size += 120 + (f->names ? 3 * strlen(f->names[j]) : 0);
    if (!(text = (char *)malloc(size))) return NULL;
    used = (size_t)sprintf(text, "frame 1 rows %lu checksum %08lx%08lx file %lu columns %lu",
                           (unsigned long)f->rows, (unsigned long)(f->checksum >> 32),
                           (unsigned long)(f->checksum & 0xFFFFFFFFu), (unsigned long)f->file_columns,
                           (unsigned long)f->columns);
    for (size_t j = 0; j < f->columns; j++) {
        char offset[40], step[40];
        frame_put_number(f->offset[j], offset), frame_put_number(f->step[j], step);
        used += (size_t)sprintf(text + used, " | %lu %s %s ", (unsigned long)f->source[j], offset, step);
        frame_put_name(f->names ? f->names[j] : NULL, text + used);
        used += strlen(text + used);
    }
    return text;
}

/* Takes the next word, up to a blank or the end. */
static inline size_t frame_word(const char **at, const char **word)
{
    while (**at == ' ') (*at)++;
    for (*word = *at; **at && **at != ' ';) (*at)++;
    return (size_t)(*at - *word);
}

static inline int frame_take(const char **at, const char *expected)
{
    const char *word;
    size_t length = frame_word(at, &word);
    return text_is(word, length, expected);
}

static inline int frame_take_whole(const char **at, uint64_t *value)
{
    const char *word;
    size_t length = frame_word(at, &word);
    return text_whole(word, word + length, value) == word + length && length > 0 && *value <= SIZE_MAX;
}

static inline int frame_take_number(const char **at, double *value)
{
    const char *word;
    size_t length = frame_word(at, &word);
    return text_number(word, word + length, value) == word + length && length > 0 && fabs(*value) <= DBL_MAX;
}

static inline int frame_hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

static inline int frame_take_hash(const char **at, uint64_t *value)
{
    const char *word;
    size_t length = frame_word(at, &word);
    *value = 0;
    for (size_t i = 0; i < length; i++)
        if (length != 16 || frame_hex(word[i]) < 0) return 0;
        else *value = *value << 4 | (uint64_t)frame_hex(word[i]);
    return length == 16;
}

/* ":name" into *name, "-" into NULL; false for anything else, or without memory, which sets *starved. */
static inline int frame_take_name(const char **at, char **name, int *starved)
{
    const char *word;
    size_t length = frame_word(at, &word), used = 0;
    char *raw;
    *name = NULL;
    if (text_is(word, length, "-")) return 1;
    if (!length || *word != ':') return 0;
    raw = (char *)malloc(length);
    for (size_t i = 1; raw && i < length; i++) {
        int high, low;
        raw[used++] = word[i];
        if (word[i] != '%') continue;
        high = i + 1 < length ? frame_hex(word[i + 1]) : -1,
        low = i + 2 < length ? frame_hex(word[i + 2]) : -1;
        if (high < 0 || low < 0) break;
        raw[used - 1] = (char)(high << 4 | low), i += 2;
    }
    if (raw) *name = (char *)malloc(used + 1);
    if (*name) text_clean(raw, used, *name, used + 1);
    else *starved = 1;
    free(raw);
    return *name != NULL;
}

static inline int frame_take_column(const char **at, data_frame *f, size_t j, int *starved)
{
    uint64_t source;
    char *name;
    if (!frame_take(at, "|") || !frame_take_whole(at, &source) || !frame_take_number(at, &f->offset[j]) ||
        !frame_take_number(at, &f->step[j]) || !frame_take_name(at, &name, starved))
        return 0;
    if (j == 0 && name && !(f->names = (char **)calloc(f->columns, sizeof *f->names))) *starved = 1;
    if (!name != !f->names || source < 1 || source > f->file_columns || f->step[j] < 0) {
        free(name);
        return 0;
    }
    f->source[j] = (size_t)source;
    if (name) f->names[j] = name;
    return 1;
}

/* Reads what frame_to_text wrote; of anything else says where it stops to make sense. */
static inline int frame_from_text(const char *text, data_frame *f, char *error, size_t error_size)
{
    text_error to = {"frame", error, error_size};
    const char *at = text;
    uint64_t rows, checksum, file, columns = 0;
    int starved = 0; /* of memory */
    int right = frame_take(&at, "frame") && frame_take(&at, "1") && frame_take(&at, "rows") &&
                frame_take_whole(&at, &rows) && frame_take(&at, "checksum") &&
                frame_take_hash(&at, &checksum) && frame_take(&at, "file") && frame_take_whole(&at, &file) &&
                frame_take(&at, "columns") && frame_take_whole(&at, &columns);
    memset(f, 0, sizeof *f);
    if (right && (columns < 1 || columns > file || columns > strlen(text) / 8)) right = 0;
    if (right && frame_plain((size_t)columns, f)) right = 0, starved = 1;
    if (right) f->rows = (size_t)rows, f->checksum = checksum, f->file_columns = (size_t)file;
    for (size_t j = 0; right && j < f->columns; j++) right = frame_take_column(&at, f, j, &starved);
    if (right && !*at) return 0;
    frame_free(f);
    if (starved) return text_refuse(&to, "memory for its columns expected, none found");
    return text_refuse(&to, "its columns expected as they were written, other text found at byte %lu",
                       (unsigned long)(at - text));
}

#endif
