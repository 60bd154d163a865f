/* table_columns.h: columns of a table by their numbers and names: words for them in messages, and the choice
 * of some of them by a text such as "1-4,7" or "height,weight". See table.h. */
#ifndef TABLE_COLUMNS_H
#define TABLE_COLUMNS_H

#include "csv.h"
#include "text.h"

enum { TABLE_NAME = 80 }; /* bytes for the words for a column */

/* What is known of a file before its columns are chosen. */
typedef struct table_header {
    size_t columns;
    char **names;         /* NULL: none */
    const size_t *source; /* columns of the file, from 1, if some of it were chosen; NULL: all are there */
} table_header;

/* Chooses columns by their numbers from 1, not more than there are, none of them twice. */
typedef int table_choose(const void *wish, const table_header *header, size_t *chosen, size_t *count,
                         const text_error *error);

/* ---- words for columns ---- */

/* "column 3", or "column 3 ("age")" with a name, in `out`, which is returned. */
static inline const char *table_words(size_t column, const char *name, char out[TABLE_NAME])
{
    char quote[TEXT_QUOTE];
    if (name)
        snprintf(out, TABLE_NAME, "column %lu (\"%s\")", (unsigned long)column,
                 text_quote(name, strlen(name), quote));
    else snprintf(out, TABLE_NAME, "column %lu", (unsigned long)column);
    return out;
}

/* Appends the numbers for which `take` is not 0, as "1-4,7"; false, and nothing is appended, if there are
 * none or if they do not fit. */
static inline int table_ranges(const size_t *number, const char *take, size_t count, char *out, size_t size)
{
    size_t begin = strlen(out), j = 0;
    const char *comma = "";
    while (j < count) {
        size_t first = j;
        int fits;
        if (!take[j++]) continue;
        while (j < count && take[j] && number[j] == number[j - 1] + 1) j++;
        fits = text_append(out, size, "%s%lu", comma, (unsigned long)number[first]);
        if (j - first > 1) fits = fits && text_append(out, size, "-%lu", (unsigned long)number[j - 1]);
        if (!fits) {
            out[begin] = '\0';
            return 0;
        }
        comma = ",";
    }
    return out[begin] != '\0';
}

/* ---- the choice of columns ---- */

static inline int table_find(const table_header *header, const char *name, size_t *column,
                             const text_error *error)
{
    char quote[TEXT_QUOTE], known[400] = "";
    size_t found = 0;
    for (size_t j = 0; header->names && j < header->columns; j++)
        if (strcmp(header->names[j], name) == 0) found++, *column = j + 1;
    if (found == 1) return 0;
    text_quote(name, strlen(name), quote);
    if (found)
        return text_refuse(error, "--columns: one column \"%s\" expected, %lu found; give its number", quote,
                           (unsigned long)found);
    if (!header->names)
        return text_refuse(
            error, "--columns: numbers from 1 to %lu expected, as the file has no names, found \"%s\"",
            (unsigned long)header->columns, quote);
    for (size_t j = 0; j < header->columns; j++) {
        char other[TEXT_QUOTE];
        if (!text_append(known, sizeof known - 5, "%s\"%s\"", j ? ", " : "",
                         text_quote(header->names[j], strlen(header->names[j]), other))) {
            strcat(known, ", ...");
            break;
        }
    }
    return text_refuse(error, "--columns: no column \"%s\" found, the names are %s", quote, known);
}

/* "7" or "3-5", within the columns of the file; else it may be a name. */
static inline int table_span(const csv_field *item, size_t columns, size_t *first, size_t *last)
{
    uint64_t a, b;
    const char *at = text_whole(item->at, item->end, &a);
    if (!at || item->quoted) return 0;
    b = a;
    if (at < item->end && (*at != '-' || !(at = text_whole(at + 1, item->end, &b)))) return 0;
    if (at != item->end || a < 1 || b < a || b > columns) return 0;
    *first = (size_t)a, *last = (size_t)b;
    return 1;
}

/* Whether the item is a number or a span, of whatever columns. */
static inline int table_is_numbers(const csv_field *item)
{
    const char *at = item->at;
    while (at < item->end && ((*at >= '0' && *at <= '9') || *at == '-')) at++;
    return at == item->end && at > item->at && !item->quoted;
}

static inline int table_take(size_t column, size_t *chosen, size_t *count, const text_error *error)
{
    for (size_t k = 0; k < *count; k++)
        if (chosen[k] == column)
            return text_refuse(error, "--columns: every column once expected, column %lu found twice",
                               (unsigned long)column);
    chosen[(*count)++] = column;
    return 0;
}

static inline int table_choose_item(const csv_field *item, const table_header *header, size_t *chosen,
                                    size_t *count, const text_error *error)
{
    size_t first = 0, last = 0, size = (size_t)(item->end - item->at) + 1;
    char quote[TEXT_QUOTE], *name;
    int status;
    if (!table_span(item, header->columns, &first, &last)) {
        if (!(name = (char *)malloc(size)))
            return text_refuse(error, "memory for a name expected, none found");
        csv_copy(item, name, size);
        status = table_find(header, name, &first, error), last = first;
        free(name);
        if (status && table_is_numbers(item))
            return text_refuse(error,
                               "--columns: numbers from 1 to %lu expected, as the file has no more columns, "
                               "found \"%s\"",
                               (unsigned long)header->columns, text_quote(item->at, size - 1, quote));
        if (status) return -1;
    }
    for (size_t j = first; j <= last; j++)
        if (table_take(j, chosen, count, error)) return -1;
    return 0;
}

/* By a text such as "1-4,7" or "height,weight" (a name with a comma in quotes); NULL means all. */
static inline int table_choose_text(const void *wish, const table_header *header, size_t *chosen,
                                    size_t *count, const text_error *error)
{
    const char *text = (const char *)wish;
    csv_reader csv = {0};
    csv_row row = {0};
    int status = 0;
    *count = 0;
    if (!text) {
        for (size_t j = 0; j < header->columns; j++) chosen[(*count)++] = j + 1;
        return 0;
    }
    csv.at = text, csv.end = text + strlen(text), csv.separator = ',', csv.error = error;
    if (csv_at_line_end(&csv))
        return text_refuse(error, "--columns: at least one column expected, none found");
    while (!status && csv.at < csv.end) { /* in one line, or in several */
        status = csv_fields(&csv, &row);
        for (size_t k = 0; !status && k < row.count; k++)
            status = table_choose_item(&row.field[k], header, chosen, count, error);
        csv_skip_line(&csv);
    }
    free(row.field);
    return status;
}

#endif
