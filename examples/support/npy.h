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
 * Read are arrays of one or two dimensions, in C or Fortran order, of integers, truth values and floats of 2,
 * 4 and 8 bytes, in either order of bytes; everything else is refused with one line. Nothing is allocated by
 * what the header says: the file is in memory already, and the shape has to agree with its size. */
#ifndef NPY_H
#define NPY_H

#include "text.h"

typedef struct npy_array {
    size_t rows, columns;
    char kind;   /* 'b' for truth values, 'i', 'u', 'f' */
    int width;   /* bytes of a number; 0: descr not read yet */
    int big;     /* whether the first of them is the highest */
    int fortran; /* column after column */
    const char *data;
} npy_array;

typedef struct npy_reader {
    const char *at, *begin, *end; /* of the header */
    int has_order, has_shape;
    uint64_t shape[2];
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

/* (rows, columns), or (rows,) for one column. */
static inline int npy_shape(npy_reader *r)
{
    size_t dimensions = 0;
    const char *first;
    int closed;
    if (!npy_take(r, '(')) return npy_refuse_here(r, "a shape like (3, 2)");
    first = r->at - 1;
    r->shape[1] = 1;
    while (!(closed = npy_take(r, ')'))) {
        uint64_t value;
        if (npy_dimension(r, &value)) return -1;
        if (dimensions < 2) r->shape[dimensions] = value;
        dimensions++;
        if (npy_take(r, ',')) continue;
        if (!npy_take(r, ')')) return npy_refuse_here(r, "a comma or the end of the shape");
        break;
    }
    r->has_shape = 1;
    if (dimensions && dimensions <= 2 && r->shape[0] && r->shape[1]) return 0;
    return npy_refuse_text(r, "shape: (rows, columns) expected", first, (size_t)(r->at - first));
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

/* The number in a row and a column, both from 0. */
static inline double npy_value(const npy_array *a, size_t row, size_t column)
{
    size_t place = a->fortran ? column * a->rows + row : row * a->columns + column;
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

/* Whether so many bytes are what the shape says; no product that could overflow. */
static inline int npy_agrees(const npy_reader *r, size_t bytes)
{
    size_t width = (size_t)r->array->width, numbers = bytes / width;
    if (bytes % width || numbers % r->shape[1] || numbers / r->shape[1] != r->shape[0])
        return text_refuse(r->error, "data: (%llu, %llu) numbers of %lu bytes expected, found %lu bytes",
                           (unsigned long long)r->shape[0], (unsigned long long)r->shape[1],
                           (unsigned long)width, (unsigned long)bytes);
    r->array->rows = (size_t)r->shape[0], r->array->columns = (size_t)r->shape[1];
    return 0;
}

/* Reads the header of a whole file in memory, which npy_value looks into from then on. */
static inline int npy_open(const char *bytes, size_t size, npy_array *a, const text_error *error)
{
    npy_reader r = {0};
    size_t start;
    uint64_t length;
    memset(a, 0, sizeof *a);
    r.array = a, r.error = error;
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

#endif
