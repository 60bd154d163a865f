/* table_out.h: writes numbers for other programs: CSV, or what numpy.load reads where the name ends in .npy.
 *
 *     if (table_write("scores.csv", names, values, rows, 2)) fail("scores.csv: cannot be written");
 *
 * CSV has one row a line below the names of the columns, if there are any, and 15 digits a number, 17 of the
 * largest: a decimal with as many comes back as it was. .npy has float64 of shape (rows, columns). Include
 * the implementation of itdiff.h before this file. */
#ifndef TABLE_OUT_H
#define TABLE_OUT_H

#include "must.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static inline int table_is_npy(const char *path)
{
    size_t length = strlen(path), i;
    if (length < 4) return 0;
    for (i = 0; i < 4; i++) {
        char c = path[length - 4 + i];
        if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != ".npy"[i]) return 0;
    }
    return 1;
}

/* A name in quotes if it has to be: where it holds a separator or a quote, ends in a blank, or would be read
 * as a number, a comment, or nothing. */
static inline void table_put_name(FILE *file, const char *name)
{
    if (*name && !strpbrk(name, ",;|\"\t\n\r") && !strchr("# +-.0123456789", *name) &&
        name[strlen(name) - 1] != ' ') {
        fputs(name, file);
        return;
    }
    fputc('"', file);
    for (; *name; name++) {
        if (*name == '"') fputc('"', file);
        fputc(*name, file);
    }
    fputc('"', file);
}

static inline void table_put_csv(FILE *file, char *const *names, const double *values, size_t rows,
                                 size_t columns)
{
    for (size_t j = 0; names && j < columns; j++) {
        if (j) fputc(',', file);
        table_put_name(file, names[j]);
    }
    if (names) fputc('\n', file);
    for (size_t i = 0; i < rows * columns; i++)
        fprintf(file, "%.*g%c", fabs(values[i]) < 1e15 ? 15 : 17, values[i], (i + 1) % columns ? ',' : '\n');
}

/* The bytes of a double, the lowest first, on any machine. */
static inline void table_put_double(FILE *file, double value)
{
    unsigned char bytes[8];
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    for (int k = 0; k < 8; k++, bits >>= 8) bytes[k] = (unsigned char)(bits & 255);
    fwrite(bytes, 1, sizeof bytes, file);
}

/* The header is filled up with blanks, so that the numbers begin at a multiple of 64 bytes. */
static inline void table_put_npy(FILE *file, const double *values, size_t rows, size_t columns)
{
    char header[119];
    snprintf(header, sizeof header, "{'descr': '<f8', 'fortran_order': False, 'shape': (%lu, %lu), }",
             (unsigned long)rows, (unsigned long)columns);
    fprintf(file, "\x93NUMPY%c%c%c%c%-117s\n", 1, 0, 118, 0, header);
    for (size_t i = 0; i < rows * columns; i++) table_put_double(file, values[i]);
}

/* Returns 0, or -1 if the file cannot be written. names: (columns), or NULL. */
static inline int table_write(const char *path, char *const *names, const double *values /* (rows,columns) */,
                              size_t rows, size_t columns)
{
    FILE *file = fopen(path, "wb");
    int failed;
    if (!file) return -1;
    if (table_is_npy(path)) table_put_npy(file, values, rows, columns);
    else table_put_csv(file, names, values, rows, columns);
    failed = ferror(file);
    return fclose(file) || failed ? -1 : 0;
}

#endif
