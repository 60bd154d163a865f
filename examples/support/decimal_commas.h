/* decimal_commas.h: CSV files as spreadsheets write them where 1.5 is written 1,5: with semicolons, tabs,
 * vertical bars or blanks between the columns; or in quotes, with commas between them or a column alone.
 *
 *     int starved = 0;                                1 afterwards: there was no memory
 *     char *copy = decimal_points(text, size, &starved);
 *                                             the same text with decimal points, to be freed; or NULL
 *
 * A comma is taken for the mark of decimals only if nothing speaks against it: no number of the file has a
 * point or two commas, one at least could not be whole thousands, as 1,500 could, and where commas separate,
 * all numbers are in quotes. */
#ifndef DECIMAL_COMMAS_H
#define DECIMAL_COMMAS_H

#include "csv.h"

typedef enum decimal_form {
    DECIMAL_NONE,    /* no number, or one without a mark */
    DECIMAL_COMMA,   /* 1,5 */
    DECIMAL_UNCLEAR, /* 1,500 */
    DECIMAL_OTHER    /* 1.5 or 1,500,000 */
} decimal_form;

static inline size_t decimal_digits(const char *at, const char *end)
{
    const char *first = at;
    while (at < end && *at >= '0' && *at <= '9') at++;
    return (size_t)(at - first);
}

/* How a field marks its decimals; *mark is where. */
static inline decimal_form decimal_form_of(const csv_field *field, const char **mark)
{
    const char *at = field->at, *end = field->end;
    size_t whole, part;
    double value;
    int zero;
    while (at < end && csv_is_blank(*at)) at++;
    while (at < end && csv_is_blank(end[-1])) end--;
    if (text_number(at, end, &value) == end)
        return memchr(at, '.', (size_t)(end - at)) ? DECIMAL_OTHER : DECIMAL_NONE;
    if (at < end && (*at == '-' || *at == '+')) at++;
    whole = decimal_digits(at, end), zero = whole > 0 && *at == '0';
    *mark = at += whole;
    if (at == end || *at != ',') return DECIMAL_NONE;
    part = decimal_digits(++at, end), at += part;
    if (part == 0) return DECIMAL_NONE;
    if (at < end && *at == ',' && decimal_digits(at + 1, end) > 0) return DECIMAL_OTHER;
    if (at < end && (*at == 'e' || *at == 'E')) {
        if (++at < end && (*at == '-' || *at == '+')) at++;
        if (at == end || decimal_digits(at, end) != (size_t)(end - at)) return DECIMAL_NONE;
        return DECIMAL_COMMA;
    }
    if (at < end) return DECIMAL_NONE;
    return part == 3 && whole > 0 && whole <= 3 && !zero ? DECIMAL_UNCLEAR : DECIMAL_COMMA;
}

/* Visits every field, and sets the points of a copy unless it is NULL. Whether commas mark decimals. */
static inline int decimal_visit(const char *text, size_t size, char *copy, int *starved)
{
    char ignored[1];
    const text_error quiet = {"", ignored, 0};
    csv_reader csv = csv_open(text, size, &quiet, starved);
    csv_row row = {0};
    int clear = 0, other = 0;
    while (!other && csv_next(&csv, &row) > 0)
        for (size_t j = 0; j < row.count; j++) {
            const char *mark = NULL;
            decimal_form form = decimal_form_of(&row.field[j], &mark);
            double value;
            if (csv.separator == ',' && !row.field[j].quoted &&
                text_number(row.field[j].at, row.field[j].end, &value) == row.field[j].end)
                other = 1; /* beside whole numbers "1,5" may be two of them */
            clear |= form == DECIMAL_COMMA, other |= form == DECIMAL_OTHER;
            if (copy && (form == DECIMAL_COMMA || form == DECIMAL_UNCLEAR)) copy[mark - text] = '.';
        }
    free(row.field);
    return clear && !other;
}

static inline char *decimal_points(const char *text, size_t size, int *starved)
{
    char *copy;
    if (!decimal_visit(text, size, NULL, starved)) return NULL;
    copy = (char *)malloc(size);
    if (copy) memcpy(copy, text, size), decimal_visit(text, size, copy, starved);
    else *starved = 1;
    return copy;
}

#endif
