/* csv.h: splits a file of text into rows and fields; table.h makes numbers of them.
 *
 * Fields are separated by commas, semicolons, tabs, vertical bars, or runs of blanks, the same way
 * throughout; the first two lines tell which. A field in double quotes may hold anything, a quote of its own
 * twice ("5"" pipe"). Lines end in LF, CR LF or CR. Blank lines are skipped, and so are comments, which start
 * with #: but not where a line has as many fields as the first (or one more, below names of R), a word stands
 * right behind the #, and another field is a number (#ff8000,0.5,2). */
#ifndef CSV_H
#define CSV_H

#include "text.h"

typedef struct csv_field {
    const char *at, *end; /* without the quotes around it; those inside are still double */
    int quoted;
} csv_field;

typedef struct csv_row {
    csv_field *field;
    size_t count, capacity;
    size_t line; /* of the file, from 1 */
} csv_row;

/* Can be copied to read ahead. */
typedef struct csv_reader {
    const char *at, *end; /* the text still to be read */
    size_t line;
    char separator; /* ',', ';', '\t', '|', ' ' for blanks; 0: a line is a field */
    size_t fields;  /* of the first line that was read; 0: none was */
    const text_error *error;
    int *starved; /* set to 1 where there is no memory, by copies that read ahead as well; or NULL */
} csv_reader;

static inline int csv_is_blank(char c) { return c == ' ' || c == '\t'; }

static inline int csv_at_line_end(const csv_reader *csv)
{
    return csv->at == csv->end || *csv->at == '\n' || *csv->at == '\r';
}

/* Skips blanks, which a tab is not where it separates. */
static inline void csv_skip_blanks(csv_reader *csv)
{
    while (csv->at < csv->end && (*csv->at == ' ' || (*csv->at == '\t' && csv->separator != '\t'))) csv->at++;
}

static inline void csv_skip_line(csv_reader *csv)
{
    while (!csv_at_line_end(csv)) csv->at++;
    if (csv->at == csv->end) return;
    if (*csv->at++ == '\r' && csv->at < csv->end && *csv->at == '\n') csv->at++;
    csv->line++;
}

/* What spreadsheets write where a formula has no value; in the first column it is no comment. Its length, or
 * 0 if none of the words begins here. */
static inline size_t csv_excel_error(const char *at, const char *end)
{
    static const char *const words[] = {"#N/A", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!"};
    for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
        size_t length = strlen(words[w]);
        if ((size_t)(end - at) >= length && memcmp(at, words[w], length) == 0) return length;
    }
    return 0;
}

static inline int csv_is_excel_error(const char *at, const char *end)
{
    return at < end && csv_excel_error(at, end) == (size_t)(end - at);
}

static inline int csv_quoted_field(csv_reader *csv, csv_field *field)
{
    size_t line = csv->line;
    field->quoted = 1, field->at = ++csv->at;
    for (;; csv->at++) {
        if (csv->at == csv->end)
            return text_refuse(csv->error, "line %lu: the end of a text in quotes expected, none found",
                               (unsigned long)line);
        if (*csv->at == '\n' || (*csv->at == '\r' && (csv->at + 1 == csv->end || csv->at[1] != '\n')))
            csv->line++;
        if (*csv->at != '"') continue;
        if (csv->at + 1 == csv->end || csv->at[1] != '"') break;
        csv->at++;
    }
    field->end = csv->at++;
    csv_skip_blanks(csv);
    return 0;
}

static inline int csv_plain_field(csv_reader *csv, csv_field *field)
{
    const char *at = csv->at, *end = csv->end, separator = csv->separator;
    field->quoted = 0, field->at = at;
    while (at < end && *at != '\n' && *at != '\r' && (!separator || *at != separator) &&
           !(separator == ' ' && *at == '\t'))
        at++;
    csv->at = field->end = at;
    while (field->end > field->at && csv_is_blank(field->end[-1])) field->end--;
    csv_skip_blanks(csv);
    return 0;
}

/* Reads the fields of the line that starts here. */
static inline int csv_fields(csv_reader *csv, csv_row *row)
{
    row->count = 0, row->line = csv->line;
    for (;;) {
        csv_field *field;
        void *array = row->field;
        if (!text_reserve(&array, &row->capacity, row->count + 1, sizeof *field)) {
            if (csv->starved) *csv->starved = 1;
            return text_refuse(csv->error, "memory for the fields of a line expected, none found");
        }
        row->field = (csv_field *)array, field = &row->field[row->count++];
        csv_skip_blanks(csv);
        if (csv->at < csv->end && *csv->at == '"' ? csv_quoted_field(csv, field)
                                                  : csv_plain_field(csv, field))
            return -1;
        if (csv_at_line_end(csv)) return 0;
        if (csv->separator == ' ' && csv_is_blank(csv->at[-1])) continue;
        if (!csv->separator || *csv->at != csv->separator)
            return text_refuse(csv->error, "line %lu, column %lu: nothing more expected behind the quotes",
                               (unsigned long)csv->line, (unsigned long)row->count);
        csv->at++;
    }
}

/* Whether what follows a # is no word: blanks, another #, or a number, of a row that was taken out. */
static inline int csv_is_comment(const char *at, const char *end)
{
    if (at == end || csv_is_blank(*at) || *at == '#') return 1;
    while (at < end && memchr("0123456789+-.,eE", *at, 16)) at++;
    return at == end;
}

/* Whether a line that begins with # is a row. */
static inline int csv_is_row(const csv_reader *csv)
{
    char ignored[1];
    text_error quiet = {"", ignored, 0};
    csv_reader ahead = *csv;
    csv_row row = {0};
    int numbers = 0;
    double value;
    if (csv->fields < 2 || csv->separator == ' ') return 0;
    ahead.error = &quiet;
    if (!csv_fields(&ahead, &row) && (row.count == csv->fields || row.count == csv->fields + 1) &&
        !csv_is_comment(row.field[0].at + 1, row.field[0].end))
        for (size_t j = 1; j < row.count; j++)
            numbers += text_number(row.field[j].at, row.field[j].end, &value) == row.field[j].end;
    free(row.field);
    return numbers > 0;
}

/* Whether the line holds no fields: nothing but blanks, or a comment. */
static inline int csv_is_skipped(const csv_reader *csv)
{
    const char *at = csv->at;
    while (at < csv->end && (*at == ' ' || (*at == '\t' && csv->separator != '\t'))) at++;
    if (at == csv->end || *at == '\n' || *at == '\r') return 1;
    return *at == '#' && !csv_excel_error(at, csv->end) && !csv_is_row(csv);
}

/* The next line that holds any: 1; 0 at the end of the text, -1 after a refusal. */
static inline int csv_next(csv_reader *csv, csv_row *row)
{
    for (; csv->at < csv->end; csv_skip_line(csv)) {
        if (csv_is_skipped(csv)) continue;
        if (csv_fields(csv, row)) return -1;
        if (!csv->fields) csv->fields = row->count;
        csv_skip_line(csv);
        return 1;
    }
    row->count = 0;
    return 0;
}

/* Copies a field as it was meant, every double quote in it single, as far as it fits. */
static inline size_t csv_copy(const csv_field *field, char *out, size_t size)
{
    size_t length = 0;
    for (const char *at = field->at; at < field->end && length + 1 < size; at++) {
        out[length++] = *at;
        if (field->quoted && *at == '"') at++;
    }
    out[length] = '\0';
    return length;
}

/* ---- the separator ---- */

/* How many fields the first two lines have if this separates them: true if as many, or one fewer in the
 * first, where R leaves the column of row names without a name. */
static inline int csv_would_fit(const csv_reader *csv, char separator, size_t count[2])
{
    char ignored[1];
    text_error quiet = {"", ignored, 0};
    csv_reader ahead = *csv;
    csv_row row = {0};
    ahead.separator = separator, ahead.error = &quiet;
    count[0] = count[1] = 0;
    for (int i = 0, more = 1; i < 2 && more > 0; i++) {
        more = csv_next(&ahead, &row);
        count[i] = row.count; /* up to what cannot be read */
    }
    free(row.field);
    return count[0] >= 2 && (count[1] == 0 || count[1] == count[0] || count[1] == count[0] + 1);
}

/* The first of tabs, semicolons, bars, commas and blanks that splits both of the first lines alike. Else, for
 * the sake of the message, one that splits the first, or the second: but not blanks, as the first line may be
 * a name of two words. */
static inline void csv_find_separator(csv_reader *csv)
{
    static const char candidates[] = "\t;|, ";
    char splits[2] = {0, 0};
    for (const char *c = candidates; *c; c++) {
        size_t count[2];
        csv->separator = *c;
        if (csv_would_fit(csv, *c, count)) return;
        for (int i = 0; i < 2; i++)
            if (!splits[i] && count[i] > 1 && *c != ' ') splits[i] = *c;
    }
    csv->separator = splits[0] ? splits[0] : splits[1];
}

/* Takes the separator from a first line such as "sep=;", which tells it to Excel. */
static inline int csv_read_separator(csv_reader *csv)
{
    const char *at = csv->at;
    if (csv->end - at < 6 || !text_is_word(at, 4, "sep=") || (at[5] != '\n' && at[5] != '\r')) return 0;
    if (!memchr(",;\t|", at[4], 4)) return 0;
    csv->separator = at[4];
    csv_skip_line(csv);
    return 1;
}

/* Begins a text, behind the mark of UTF-8 that some programs put in front. What was read is not what the text
 * says if *starved, which is 0 before, is 1 at the end. */
static inline csv_reader csv_open(const char *text, size_t size, const text_error *error, int *starved)
{
    csv_reader csv = {0};
    csv.at = text, csv.end = text + size, csv.line = 1, csv.error = error, csv.starved = starved;
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) csv.at += 3;
    if (!csv_read_separator(&csv)) csv_find_separator(&csv);
    return csv;
}

#endif
