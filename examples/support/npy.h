/* npy.h: reads points from a .npy file of NumPy (format versions 1 to 3), with distrust.
 *
 *     \x93NUMPY | u8 major, u8 minor | header length (u16 in version 1, else u32) | header | data
 *
 * all little-endian. The header is one Python dictionary with the three keys below, in any order, then blanks
 * and a newline:
 *
 *     {'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }
 *
 * Read are arrays of shape (N, 2) of finite 4- or 8-byte floats, little-endian, row by row; everything else
 * is refused with one line. Nothing is allocated by what the header says: the file is in memory already, and
 * the shape has to agree with its size. */
#ifndef NPY_H
#define NPY_H

#include "datasets.h"

typedef struct npy_reader {
    const char *path;
    const char *at, *begin, *end; /* of the header */
    int width;                    /* bytes of a number; 0: descr not read yet */
    int has_order, has_shape;
    uint64_t rows;
    char *error;
    size_t error_size;
} npy_reader;

static inline int npy_refuse(const npy_reader *r, const char *format, ...)
{
    va_list arguments;
    char what[200];
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return dataset_fail(r->error, r->error_size, "%s: %s", r->path, what);
}

/* Quotes a part of the header, or its beginning if it is long, as far as it can be printed. */
static inline int npy_refuse_text(const npy_reader *r, const char *what, const char *text, size_t length)
{
    char found[40];
    size_t i, shown = length < sizeof found - 1 ? length : sizeof found - 1;
    for (i = 0; i < shown; i++) found[i] = text[i];
    for (i = 0; i < shown; i++)
        if (found[i] < 32 || found[i] > 126) found[i] = '?';
    found[shown] = '\0';
    return npy_refuse(r, "%s, found %s%s", what, found, shown < length ? "..." : "");
}

static inline int npy_refuse_here(const npy_reader *r, const char *expected)
{
    return npy_refuse(r, "header, byte %lu: expected %s", (unsigned long)(r->at - r->begin), expected);
}

/* ---- the header ---- */

static inline void npy_skip_blanks(npy_reader *r)
{
    while (r->at < r->end && (csv_is_blank(*r->at) || *r->at == '\n')) r->at++;
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

static inline int npy_is(const char *text, size_t length, const char *word)
{
    return length == strlen(word) && memcmp(text, word, length) == 0;
}

static inline int npy_descr(npy_reader *r)
{
    const char *text;
    size_t length;
    if (npy_text(r, &text, &length)) return -1;
    if (npy_is(text, length, "<f4")) r->width = 4;
    else if (npy_is(text, length, "<f8")) r->width = 8;
    else return npy_refuse_text(r, "descr: expected <f4 or <f8", text, length);
    return 0;
}

static inline int npy_order(npy_reader *r)
{
    const char *word;
    size_t length;
    npy_skip_blanks(r);
    for (word = r->at; r->at < r->end && *r->at >= 'A' && *r->at <= 'z'; r->at++) continue;
    length = (size_t)(r->at - word);
    r->has_order = 1;
    if (npy_is(word, length, "False")) return 0;
    return npy_refuse_text(r, "fortran_order: expected False, rows one after the other", word, length);
}

/* A dimension of the shape; decimal digits, as args.h reads them. */
static inline int npy_dimension(npy_reader *r, uint64_t *value)
{
    const char *first;
    npy_skip_blanks(r);
    for (first = r->at, *value = 0; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++) {
        uint64_t digit = (uint64_t)(*r->at - '0');
        if (*value > (UINT64_MAX - digit) / 10) return npy_refuse_here(r, "a number below 2^64");
        *value = *value * 10 + digit;
    }
    return r->at > first ? 0 : npy_refuse_here(r, "a number or the end of the shape");
}

static inline int npy_shape(npy_reader *r)
{
    uint64_t value = 0, columns = 0;
    size_t dimensions = 0;
    const char *first;
    int closed;
    if (!npy_take(r, '(')) return npy_refuse_here(r, "a shape like (3, 2)");
    first = r->at - 1;
    while (!(closed = npy_take(r, ')'))) {
        if (npy_dimension(r, &value)) return -1;
        if (dimensions == 0) r->rows = value;
        if (dimensions == 1) columns = value;
        dimensions++;
        if (npy_take(r, ',')) continue;
        if (!npy_take(r, ')')) return npy_refuse_here(r, "a comma or the end of the shape");
        break;
    }
    r->has_shape = 1;
    if (dimensions == 2 && columns == 2 && r->rows > 0) return 0;
    return npy_refuse_text(r, "shape: expected (N, 2)", first, (size_t)(r->at - first));
}

static inline int npy_entry(npy_reader *r)
{
    const char *key;
    size_t length;
    if (npy_text(r, &key, &length)) return -1;
    if (!npy_take(r, ':')) return npy_refuse_here(r, "a colon");
    if (npy_is(key, length, "descr") && !r->width) return npy_descr(r);
    if (npy_is(key, length, "fortran_order") && !r->has_order) return npy_order(r);
    if (npy_is(key, length, "shape") && !r->has_shape) return npy_shape(r);
    return npy_refuse_text(r, "header: expected descr, fortran_order and shape once each", key, length);
}

static inline int npy_header(npy_reader *r)
{
    if (r->at == r->end || r->end[-1] != '\n')
        return npy_refuse(r, "header: expected a newline at its end, found none");
    if (!npy_take(r, '{')) return npy_refuse_here(r, "a dictionary");
    while (!npy_take(r, '}')) {
        if (npy_entry(r)) return -1;
        if (npy_take(r, ',')) continue;
        if (!npy_take(r, '}')) return npy_refuse_here(r, "a comma or the end of the dictionary");
        break;
    }
    npy_skip_blanks(r);
    if (r->at < r->end) return npy_refuse_here(r, "nothing more");
    if (!r->width || !r->has_order || !r->has_shape)
        return npy_refuse(r, "header: expected descr, fortran_order and shape, found no %s",
                          !r->width       ? "descr"
                          : !r->has_order ? "fortran_order"
                                          : "shape");
    return 0;
}

/* ---- the file ---- */

static inline uint64_t npy_little(const char *bytes, int n)
{
    uint64_t v = 0;
    while (n--) v = v << 8 | (unsigned char)bytes[n];
    return v;
}

static inline double npy_number(const char *bytes, int width)
{
    uint64_t wide = npy_little(bytes, width);
    uint32_t narrow = (uint32_t)wide;
    double d;
    float f;
    memcpy(&d, &wide, sizeof d);
    memcpy(&f, &narrow, sizeof f);
    return width == 4 ? (double)f : d;
}

static inline int npy_numbers(const npy_reader *r, const char *data, float *x)
{
    size_t i;
    for (i = 0; i < 2 * (size_t)r->rows; i++) {
        double v = npy_number(data + i * (size_t)r->width, r->width);
        if (!(fabs(v) <= (double)FLT_MAX))
            return npy_refuse(r, "row %lu, column %lu: expected a number of at most 3.4e38 in size, found %g",
                              (unsigned long)(i / 2 + 1), (unsigned long)(i % 2 + 1), v);
        x[i] = (float)v;
    }
    return 0;
}

/* A whole file in memory. */
static inline int npy_parse(npy_reader *r, const char *bytes, size_t size, float **x)
{
    size_t start, row;
    uint64_t length;
    float *values;
    if (size < 10 || memcmp(bytes, "\x93NUMPY", 6))
        return npy_refuse(r, "expected a file that NumPy saved, found other bytes at its beginning");
    if (bytes[6] < 1 || bytes[6] > 3)
        return npy_refuse(r, "version: expected 1, 2 or 3, found %d", (int)(unsigned char)bytes[6]);
    start = bytes[6] == 1 ? 10 : 12;
    length = size < start ? 0 : npy_little(bytes + 8, (int)start - 8);
    if (size < start || length > size - start)
        return npy_refuse(r, "header: expected %lu bytes, found %lu", (unsigned long)length,
                          (unsigned long)(size < start ? 0 : size - start));
    r->at = r->begin = bytes + start;
    r->end = r->at + (size_t)length;
    if (npy_header(r)) return -1;
    start += (size_t)length, row = 2 * (size_t)r->width;
    if ((size - start) % row || (size - start) / row != r->rows) /* no product that could overflow */
        return npy_refuse(r, "data: expected %llu rows of %lu bytes, found %lu bytes",
                          (unsigned long long)r->rows, (unsigned long)row, (unsigned long)(size - start));
    values = (float *)malloc(2 * (size_t)r->rows * sizeof *values);
    if (!values) return npy_refuse(r, "expected memory for its numbers, found none");
    if (npy_numbers(r, bytes + start, values)) {
        free(values);
        return -1;
    }
    *x = values;
    return 0;
}

/* As dataset_read_csv; *dim becomes 2. */
static inline int dataset_read_npy(const char *path, float **x, size_t *n, size_t *dim, char *error,
                                   size_t error_size)
{
    npy_reader r;
    char *bytes;
    size_t size;
    int status = csv_load(path, &bytes, &size, error, error_size);
    memset(&r, 0, sizeof r);
    r.path = path, r.error = error, r.error_size = error_size;
    if (status == 0) status = npy_parse(&r, bytes, size, x);
    free(bytes);
    if (status) return status;
    *n = (size_t)r.rows, *dim = 2;
    return 0;
}

/* A user's own data: what is named .npy is NumPy's, everything else CSV. */
static inline int dataset_read(const char *path, float **x, size_t *n, size_t *dim, char *error,
                               size_t error_size)
{
    size_t length = strlen(path);
    if (length >= 4 && strcmp(path + length - 4, ".npy") == 0)
        return dataset_read_npy(path, x, n, dim, error, error_size);
    return dataset_read_csv(path, x, n, dim, error, error_size);
}

#endif
