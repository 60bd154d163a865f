/* npy.h: the arrays that numpy.save writes (format versions 1 to 3), read with distrust; table.h makes tables
 * of them.
 *
 *     \x93NUMPY | u8 major, u8 minor | header length (u16 in version 1, else u32) | header | data
 *
 * all little-endian. The header is one Python dictionary with the three keys below, in any order, then blanks
 * and a newline:
 *
 *     {'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }
 *
 * Read are arrays of one or two dimensions (images: of up to four), in C or Fortran order, of integers, truth
 * values and floats of 2, 4 and 8 bytes, in either order of bytes; everything else is refused with one line.
 * Nothing is allocated by what the header says: the file is in memory already, and the shape has to agree
 * with its size. */
#ifndef NPY_H
#define NPY_H

#include "text.h"

enum { NPY_DIMENSIONS = 4 }; /* at most */

typedef struct npy_array {
    size_t rows, columns; /* the first dimension, and the product of the others */
    size_t dimensions, shape[NPY_DIMENSIONS];
    char kind;   /* 'b' for truth values, 'i', 'u', 'f' */
    int width;   /* bytes of a number; 0: descr not read yet */
    int big;     /* whether the first of them is the highest */
    int fortran; /* the first index runs fastest: column after column */
    const char *data;
} npy_array;

typedef struct npy_reader {
    const char *at, *begin, *end; /* of the header */
    int has_order, has_shape;
    size_t dimensions, max_dimensions; /* of the shape; how many are expected at most */
    uint64_t shape[NPY_DIMENSIONS];
    npy_array *array;
    const text_error *error;
} npy_reader;

/* Quotes a part of the header, or its beginning if it is long. */
static inline int npy_refuse_text(const npy_reader *r, const char *what, const char *text, size_t length)
{
    char quote[TEXT_QUOTE];
    return text_refuse(r->error, "%s, found %s", what, text_quote(text, length, quote));
}

static inline int npy_refuse_here(const npy_reader *r, const char *expected)
{
    return text_refuse(r->error, "header, byte %lu: %s expected", (unsigned long)(r->at - r->begin),
                       expected);
}

/* ---- the header ---- */

static inline void npy_skip_blanks(npy_reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n')) r->at++;
}

/* Steps over the character, if it comes next. */
static inline int npy_take(npy_reader *r, char c)
{
    npy_skip_blanks(r);
    if (r->at == r->end || *r->at != c) return 0;
    r->at++;
    return 1;
}

/* A text in quotes, of which none needs a backslash. */
static inline int npy_text(npy_reader *r, const char **text, size_t *length)
{
    char quote = npy_take(r, '\'') ? '\'' : '"';
    if (quote == '"' && !npy_take(r, '"')) return npy_refuse_here(r, "a text in quotes");
    for (*text = r->at; r->at < r->end && *r->at != quote && *r->at != '\\'; r->at++) continue;
    *length = (size_t)(r->at - *text);
    return npy_take(r, quote) ? 0 : npy_refuse_here(r, "the end of the text");
}

/* What arrays of other kinds hold, by the letter of the kind. */
static inline const char *npy_kind(char kind)
{
    switch (kind) {
    case 'f': return "floats of other than 2, 4 or 8 bytes";
    case 'i':
    case 'u': return "integers of other than 1, 2, 4 or 8 bytes";
    case 'c': return "complex numbers";
    case 'S':
    case 'a':
    case 'U': return "texts";
    case 'O': return "Python objects";
    case 'M': return "dates";
    case 'm': return "spans of time";
    case 'V': return "records";
    default: return "values";
    }
}

/* An order of bytes, < > = or |, a kind, and a width. '=' is this machine's order. */
static inline int npy_descr(npy_reader *r)
{
    static const uint16_t one = 1;
    const char *text = NULL;
    size_t length = 0;
    uint64_t width = 0;
    npy_array *a = r->array;
    char quote[TEXT_QUOTE];
    npy_skip_blanks(r);
    if (r->at < r->end && *r->at == '[')
        return text_refuse(r->error, "descr: a table of numbers expected, found records with named fields; "
                                     "numpy.save the numpy.column_stack of the fields");
    if (npy_text(r, &text, &length)) return -1;
    if (length < 2 || !memchr("<>=|", *text, 4))
        return npy_refuse_text(r, "descr: a type like <f4 expected", text, length);
    if (text_whole(text + 2, text + length, &width) != text + length) width = 0; /* as in |O, <M8[ns] */
    a->kind = text[1];
    a->big = *text == '>' || (*text != '<' && *(const unsigned char *)&one == 0);
    if ((memchr("iu", a->kind, 2) && (width == 1 || width == 2 || width == 4 || width == 8)) ||
        (a->kind == 'f' && (width == 2 || width == 4 || width == 8)) || (a->kind == 'b' && width == 1)) {
        a->width = (int)width;
        return 0;
    }
    return text_refuse(r->error,
                       "descr: integers, truth values or floats of 2, 4 or 8 bytes expected, found %s "
                       "(%s); numpy.save array.astype(\"float64\")",
                       npy_kind(a->kind), text_quote(text, length, quote));
}

static inline int npy_order(npy_reader *r)
{
    const char *word;
    size_t length = 0;
    npy_skip_blanks(r);
    for (word = r->at; r->at < r->end && *r->at >= 'A' && *r->at <= 'z'; r->at++) continue;
    length = (size_t)(r->at - word);
    r->has_order = 1;
    r->array->fortran = text_is(word, length, "True");
    if (r->array->fortran || text_is(word, length, "False")) return 0;
    return npy_refuse_text(r, "fortran_order: True or False expected", word, length);
}

/* A dimension of the shape; Python 2 wrote an L behind it. */
static inline int npy_dimension(npy_reader *r, uint64_t *value)
{
    const char *end;
    npy_skip_blanks(r);
    end = text_whole(r->at, r->end, value);
    if (!end && r->at < r->end && *r->at >= '0' && *r->at <= '9')
        return npy_refuse_here(r, "a number below 2^64");
    if (!end) return npy_refuse_here(r, "a number or the end of the shape");
    r->at = end;
    if (r->at < r->end && *r->at == 'L') r->at++;
    return 0;
}

/* (rows, columns), or (rows,) for one column; of images (n, height, width, channels). */
static inline int npy_shape(npy_reader *r)
{
    const char *first;
    int closed, empty = 0;
    if (!npy_take(r, '(')) return npy_refuse_here(r, "a shape like (3, 2)");
    first = r->at - 1;
    for (size_t k = 0; k < NPY_DIMENSIONS; k++) r->shape[k] = 1;
    while (!(closed = npy_take(r, ')'))) {
        uint64_t value;
        if (npy_dimension(r, &value)) return -1;
        if (r->dimensions < r->max_dimensions) r->shape[r->dimensions] = value;
        empty |= !value, r->dimensions++;
        if (npy_take(r, ',')) continue;
        if (!npy_take(r, ')')) return npy_refuse_here(r, "a comma or the end of the shape");
        break;
    }
    r->has_shape = 1;
    if (r->dimensions && r->dimensions <= r->max_dimensions && !empty) return 0;
    return npy_refuse_text(r,
                           r->max_dimensions > 2
                               ? "shape: (n, height, width) or (n, height, width, channels) expected"
                               : "shape: (rows, columns) expected",
                           first, (size_t)(r->at - first));
}

static inline int npy_entry(npy_reader *r)
{
    const char *key = NULL;
    size_t length = 0;
    if (npy_text(r, &key, &length)) return -1;
    if (!npy_take(r, ':')) return npy_refuse_here(r, "a colon");
    if (text_is(key, length, "descr") && !r->array->width) return npy_descr(r);
    if (text_is(key, length, "fortran_order") && !r->has_order) return npy_order(r);
    if (text_is(key, length, "shape") && !r->has_shape) return npy_shape(r);
    return npy_refuse_text(r, "header: descr, fortran_order and shape expected once each", key, length);
}

static inline int npy_header(npy_reader *r)
{
    if (r->at == r->end || r->end[-1] != '\n')
        return text_refuse(r->error, "header: a newline expected at its end, none found");
    if (!npy_take(r, '{')) return npy_refuse_here(r, "a dictionary");
    while (!npy_take(r, '}')) {
        if (npy_entry(r)) return -1;
        if (npy_take(r, ',')) continue;
        if (!npy_take(r, '}')) return npy_refuse_here(r, "a comma or the end of the dictionary");
        break;
    }
    npy_skip_blanks(r);
    if (r->at < r->end) return npy_refuse_here(r, "nothing more");
    if (!r->array->width || !r->has_order || !r->has_shape)
        return text_refuse(r->error, "header: descr, fortran_order and shape expected, no %s found",
                           !r->array->width ? "descr"
                           : !r->has_order  ? "fortran_order"
                                            : "shape");
    return 0;
}

/* ---- the numbers ---- */

static inline uint64_t npy_bits(const char *bytes, int width, int big)
{
    uint64_t v = 0;
    for (int i = 0; i < width; i++) v = v << 8 | (unsigned char)bytes[big ? i : width - 1 - i];
    return v;
}

/* A float of 2 bytes: a sign, 5 bits of exponent, 10 of a fraction. */
static inline double npy_half(uint64_t bits)
{
    int exponent = (int)(bits >> 10 & 31), fraction = (int)(bits & 1023);
    double size = exponent == 31 ? (fraction ? (double)NAN : (double)INFINITY)
                  : exponent     ? ldexp(1024 + fraction, exponent - 25)
                                 : ldexp(fraction, -24);
    return bits >> 15 ? -size : size;
}

static inline double npy_float(uint64_t bits, int width)
{
    uint32_t narrow = (uint32_t)bits;
    double d;
    float f;
    memcpy(&d, &bits, sizeof d);
    memcpy(&f, &narrow, sizeof f);
    return width == 2 ? npy_half(bits) : width == 4 ? (double)f : d;
}

/* Two's complement of any width. */
static inline double npy_signed(uint64_t bits, int width)
{
    uint64_t sign = (uint64_t)1 << (8 * width - 1);
    return bits & sign ? -(double)(sign - (bits & (sign - 1))) : (double)bits;
}

/* Where the number in a row and a column is; a column of several dimensions is taken apart again. */
static inline size_t npy_place(const npy_array *a, size_t row, size_t column)
{
    size_t place = 0;
    if (!a->fortran) return row * a->columns + column;
    for (size_t k = 1, stride = a->rows, rest = a->columns; k < NPY_DIMENSIONS; k++) {
        rest /= a->shape[k];
        place += column / rest % a->shape[k] * stride;
        stride *= a->shape[k];
    }
    return place + row;
}

/* The number in a row and a column, both from 0. */
static inline double npy_value(const npy_array *a, size_t row, size_t column)
{
    size_t place = npy_place(a, row, column);
    uint64_t bits = npy_bits(a->data + place * (size_t)a->width, a->width, a->big);
    switch (a->kind) {
    case 'f': return npy_float(bits, a->width);
    case 'i': return npy_signed(bits, a->width);
    case 'u': return (double)bits;
    default: return bits ? 1 : 0;
    }
}

/* ---- the file ---- */

static inline int npy_is(const char *bytes, size_t size)
{
    return size >= 6 && !memcmp(bytes, "\x93NUMPY", 6);
}

static inline int npy_refuse_size(const npy_reader *r, size_t bytes)
{
    char shape[100] = "";
    for (size_t k = 0; k < (r->max_dimensions > 2 ? r->dimensions : 2); k++)
        text_append(shape, sizeof shape, "%s%llu", k ? ", " : "", (unsigned long long)r->shape[k]);
    return text_refuse(r->error, "data: (%s) numbers of %d bytes expected, found %lu bytes", shape,
                       r->array->width, (unsigned long)bytes);
}

/* Whether so many bytes are what the shape says; no product that could overflow. */
static inline int npy_agrees(const npy_reader *r, size_t bytes)
{
    npy_array *a = r->array;
    size_t width = (size_t)a->width, left = bytes / width;
    if (bytes % width) return npy_refuse_size(r, bytes);
    for (size_t k = NPY_DIMENSIONS; k-- > 1; left /= (size_t)r->shape[k])
        if (r->shape[k] > left || left % r->shape[k]) return npy_refuse_size(r, bytes);
    if (left != r->shape[0]) return npy_refuse_size(r, bytes);
    for (size_t k = 0; k < NPY_DIMENSIONS; k++) a->shape[k] = (size_t)r->shape[k];
    a->dimensions = r->dimensions, a->rows = a->shape[0], a->columns = bytes / width / a->rows;
    return 0;
}

/* Reads the header of a whole file in memory, which npy_value reads from then on. max_dimensions: how
 * many it may have. */
static inline int npy_open_up_to(const char *bytes, size_t size, size_t max_dimensions, npy_array *a,
                                 const text_error *error)
{
    npy_reader r = {0};
    size_t start;
    uint64_t length;
    memset(a, 0, sizeof *a);
    r.array = a, r.error = error, r.max_dimensions = max_dimensions;
    if (!npy_is(bytes, size) || size < 10)
        return text_refuse(error, "a file that NumPy saved expected, found other bytes at its beginning");
    if (bytes[6] < 1 || bytes[6] > 3)
        return text_refuse(error, "version: 1, 2 or 3 expected, found %d", (int)(unsigned char)bytes[6]);
    start = bytes[6] == 1 ? 10 : 12;
    length = size < start ? 0 : npy_bits(bytes + 8, (int)start - 8, 0);
    if (size < start || length > size - start)
        return text_refuse(error, "header: %lu bytes expected, found %lu", (unsigned long)length,
                           (unsigned long)(size < start ? 0 : size - start));
    r.at = r.begin = bytes + start;
    r.end = r.at + (size_t)length;
    if (npy_header(&r)) return -1;
    a->data = r.end;
    return npy_agrees(&r, size - start - (size_t)length);
}

/* A table. */
static inline int npy_open(const char *bytes, size_t size, npy_array *a, const text_error *error)
{
    return npy_open_up_to(bytes, size, 2, a, error);
}

#endif
