/* table.h: reads a user's own table, CSV or .npy (told apart by the bytes, not by the name), with distrust.
 *
 *     data_table t;
 *     char error[TABLE_ERROR];
 *     if (table_read("points.csv", "1-3,weight", &t, error, sizeof error)) fail("%s", error);
 *     ... t.values[row * t.columns + column] ...
 *     table_free(&t);
 *
 * Numbers have a decimal point, whatever the locale, or all of them a comma (decimal_commas.h); every one has
 * to be there and finite, in the columns that are read. The first line of a CSV file holds names if it is
 * unlike the others (see table_has_names). What cannot be read is refused with one line that says where, what
 * was expected, what was found; table_read_by can also leave out the rows in which a value is missing. Rows
 * are those of the data and count from 1, without the names; messages name the line of a CSV file beside
 * them. */
#ifndef TABLE_H
#define TABLE_H

#include "../../itdiff.h"
#include "decimal_commas.h"
#include "npy.h"
#include "table_columns.h"

enum { TABLE_ERROR = 1000, TABLE_PLACE = 60 }; /* bytes for a refusal, and for the words for a row */

typedef struct data_table {
    size_t rows, columns;
    double *values;      /* (rows, columns) */
    char **names;        /* (columns); NULL: the file has none */
    size_t *source;      /* (columns) which column of the file, from 1 */
    size_t file_columns; /* how many the file has */
    size_t file_rows;    /* and how many rows, with those that were left out */
    size_t *number;      /* (rows) which row of the file, from 1; NULL: none was to be left out */
    size_t *line;        /* (rows) where they begin in a CSV file, from 1; NULL: .npy has no lines */
    size_t first_line;   /* that of the first row of all, of names or not */
    char *path;
    size_t number_capacity, rows_capacity, values_capacity; /* of the arrays */
} data_table;

static inline void table_free_names(char **names, size_t columns)
{
    for (size_t j = 0; names && j < columns; j++) free(names[j]);
    free(names);
}

static inline void table_free(data_table *t)
{
    table_free_names(t->names, t->columns);
    free(t->values), free(t->source), free(t->number), free(t->line), free(t->path);
    memset(t, 0, sizeof *t);
}

/* "column 3 ("age")" for column j of a table, from 0, by its number in the file. */
static inline const char *table_name(const data_table *t, size_t j, char out[TABLE_NAME])
{
    return table_words(t->source[j], t->names ? t->names[j] : NULL, out);
}

static inline const char *table_words_for_row(size_t row, size_t line, char out[TABLE_PLACE])
{
    if (line) snprintf(out, TABLE_PLACE, "row %lu (line %lu)", (unsigned long)row, (unsigned long)line);
    else snprintf(out, TABLE_PLACE, "row %lu", (unsigned long)row);
    return out;
}

/* The number in the file, from 1, of row i of a table, from 0. */
static inline size_t table_number(const data_table *t, size_t i) { return t->number ? t->number[i] : i + 1; }

/* The row of a table, from 0, that has this number in the file. */
static inline size_t table_index_of(const data_table *t, size_t number)
{
    size_t low = 0, high = t->rows;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (table_number(t, middle) <= number) low = middle;
        else high = middle;
    }
    return low;
}

/* "row 6 (line 7)" for row i of a table, from 0, or "row 6" where there are no lines. */
static inline const char *table_place(const data_table *t, size_t i, char out[TABLE_PLACE])
{
    return table_words_for_row(table_number(t, i), t->line ? t->line[i] : 0, out);
}

/* Fills in which columns the table has, and their names. */
static inline int table_begin(data_table *t, const table_header *header, table_choose *choose,
                              const void *wish, const text_error *error)
{
    size_t count = 0;
    t->file_columns = header->columns;
    t->source = (size_t *)malloc(header->columns * sizeof *t->source);
    t->path = (char *)malloc(strlen(error->path) + 1);
    if (!t->source || !t->path) return text_refuse(error, "memory for a table expected, none found");
    strcpy(t->path, error->path);
    if (choose(wish, header, t->source, &count, error)) return -1;
    if (header->names && !(t->names = (char **)calloc(count, sizeof *t->names)))
        return text_refuse(error, "memory for a table expected, none found");
    t->columns = count;
    for (size_t j = 0; header->names && j < count; j++) {
        const char *name = header->names[t->source[j] - 1];
        if (!(t->names[j] = (char *)malloc(strlen(name) + 1)))
            return text_refuse(error, "memory for a table expected, none found");
        strcpy(t->names[j], name);
    }
    return 0;
}

/* Reserves memory for one more row. line: 0, always, where there are none. drops: rows may be left out. */
static inline int table_add_row(data_table *t, size_t line, bool drops, const text_error *error)
{
    void *values = t->values, *lines = t->line, *numbers = t->number;
    char place[TABLE_PLACE];
    int grown = t->rows < SIZE_MAX / t->columns - 1 &&
                text_reserve(&values, &t->values_capacity, (t->rows + 1) * t->columns, sizeof *t->values);
    t->values = (double *)values;
    if (line) grown = grown && text_reserve(&lines, &t->rows_capacity, t->rows + 1, sizeof *t->line);
    t->line = (size_t *)lines;
    if (drops) grown = grown && text_reserve(&numbers, &t->number_capacity, t->rows + 1, sizeof *t->number);
    t->number = (size_t *)numbers;
    t->file_rows++;
    if (!grown)
        return text_refuse(error, "%s: memory for one more expected, none found",
                           table_words_for_row(t->file_rows, line, place));
    if (line) t->line[t->rows] = line;
    if (drops) t->number[t->rows] = t->file_rows;
    t->rows++;
    return 0;
}

/* ---- missing values ---- */

/* What is missing from some row on. */
typedef struct table_gaps {
    size_t values, rows; /* so many are missing, in so many rows */
    size_t of;           /* rows that were looked at */
    char *column;        /* (columns) not 0: some of its values are missing */
} table_gaps;

/* Behind the first missing value, which is in the last row of the table: how many there are and where, and
   what helps. Rows help unless they would be all, and so do columns. */
static inline void table_gaps_words(const data_table *t, const table_gaps *g, char *out, size_t size)
{
    char list[200] = "", *take = (char *)malloc(t->columns);
    const char *rows = g->rows == 1 ? "" : "s";
    size_t columns = 0;
    int helps = g->rows < t->rows - 1 + g->of;
    for (size_t j = 0; j < t->columns; j++) columns += g->column[j] != 0;
    text_append(out, size, " (a missing value");
    if (g->values > 1) {
        if (!table_ranges(t->source, g->column, t->columns, list, sizeof list))
            snprintf(list, sizeof list, "%lu of %lu", (unsigned long)columns, (unsigned long)t->columns);
        text_append(out, size, "; %lu in all, in %lu row%s and column%s %s", (unsigned long)g->values,
                    (unsigned long)g->rows, rows, columns == 1 ? "" : "s", list);
    }
    text_append(out, size, ")");
    if (helps) text_append(out, size, "; leaving the row%s out helps (--drop_missing of fit)", rows);
    for (size_t j = 0; take && j < t->columns; j++) take[j] = !g->column[j];
    *list = '\0';
    if (take && table_ranges(t->source, take, t->columns, list, sizeof list))
        text_append(out, size, "%s--columns %s leaves the column%s out", helps ? ", or " : "; ", list,
                    columns == 1 ? "" : "s");
    free(take);
}

/* ---- CSV ---- */

typedef enum table_kind { TABLE_NUMBER, TABLE_INFINITE, TABLE_EMPTY, TABLE_MISSING, TABLE_TEXT } table_kind;

static inline int table_is_one_of(const char *at, size_t length, const char *const *words)
{
    while (*words)
        if (text_is_word(at, length, *words++)) return 1;
    return 0;
}

static inline table_kind table_field(const csv_field *field, double *value)
{
    static const char *const missing[] = {"na",   "n/a",  "#n/a",   "#na",  "#n/a n/a", "nan",
                                          "<na>", "null", "(null)", "none", "nil",      "?",
                                          "-",    "--",   ".",      "\\n",  "missing",  NULL};
    static const char *const broken[] = {"nan", "nan(ind)", "nan(snan)", "1.#qnan", "1.#ind", NULL};
    static const char *const infinite[] = {"inf", "infinity", NULL};
    const char *at = field->at, *end = field->end;
    if (field->quoted) {
        while (at < end && csv_is_blank(*at)) at++;
        while (at < end && csv_is_blank(end[-1])) end--;
    }
    if (at == end) return TABLE_EMPTY;
    if (text_number(at, end, value) == end) return fabs(*value) <= DBL_MAX ? TABLE_NUMBER : TABLE_INFINITE;
    if (table_is_one_of(at, (size_t)(end - at), missing) || csv_is_excel_error(at, end)) return TABLE_MISSING;
    if (*at == '-' || *at == '+') at++;
    if (table_is_one_of(at, (size_t)(end - at), infinite)) return TABLE_INFINITE;
    return table_is_one_of(at, (size_t)(end - at), broken) ? TABLE_MISSING : TABLE_TEXT;
}

/* Whether a field is a number but for commas, blanks or apostrophes within. */
static inline int table_is_grouped(const csv_field *field)
{
    int digits = 0, marks = 0;
    for (const char *at = field->at; at < field->end; at++)
        if (*at >= '0' && *at <= '9') digits++;
        else if (memchr(", '", *at, 3)) marks++;
        else if (!memchr("+-.eE", *at, 5)) return 0;
    return digits && marks;
}

/* What is true of the fields of a row, for the rule below. */
typedef struct table_field_counts {
    size_t text, number, quoted, whole;
} table_field_counts;

static inline table_field_counts table_count_fields(const csv_row *row)
{
    table_field_counts counts = {0, 0, 0, 0};
    for (size_t j = 0; j < row->count; j++) {
        double value;
        table_kind kind = table_field(&row->field[j], &value);
        if (kind == TABLE_TEXT && table_is_grouped(&row->field[j])) kind = TABLE_MISSING; /* no word */
        counts.text += kind == TABLE_TEXT, counts.quoted += row->field[j].quoted ? 1 : 0;
        counts.number += kind != TABLE_TEXT && kind != TABLE_EMPTY;
        counts.whole += kind == TABLE_NUMBER && value <= floor(value);
    }
    return counts;
}

/* Whether a column holds text in the first row and a number in the second. */
static inline int table_turns_to_numbers(const csv_row *first, const csv_row *second)
{
    size_t shift = second->count == first->count + 1;
    for (size_t j = 0; j < first->count && j + shift < second->count; j++) {
        double value;
        if (table_field(&first->field[j], &value) == TABLE_TEXT &&
            table_field(&second->field[j + shift], &value) == TABLE_NUMBER)
            return 1;
    }
    return 0;
}

/* Whether a text of the first row is made like the one below: digits under digits, as dates and numbers of
 * orders are, and as names above values are not. */
static inline int table_is_made_alike(const csv_row *first, const csv_row *second)
{
    for (size_t j = 0; j < first->count && j < second->count; j++) {
        const char *a = first->field[j].at, *b = second->field[j].at;
        size_t length = (size_t)(first->field[j].end - a), digits = 0, k = 0;
        double value;
        if (table_field(&first->field[j], &value) != TABLE_TEXT ||
            length != (size_t)(second->field[j].end - b))
            continue;
        for (; k < length; k++) {
            int digit = a[k] >= '0' && a[k] <= '9';
            if (digit != (b[k] >= '0' && b[k] <= '9') || (!digit && a[k] != b[k])) break;
            digits += digit ? 1 : 0;
        }
        if (k == length && digits >= 3) return 1; /* Q1 and Q3 are names as well */
    }
    return 0;
}

/* Whether the first row is of names. It is if it holds words and no numbers, or a word above a number. Of
 * numbers alone it is if they are in quotes and those below are not, or if the first field is empty and the
 * one below is not, as pandas writes an index. Between a row such as 5.1,3.5,setosa and one such as
 * country,2019,2020 it is the whole numbers above fractions that tell. */
static inline int table_has_names(const csv_row *first, const csv_row *second)
{
    table_field_counts one = table_count_fields(first), two = table_count_fields(second);
    double value;
    if (one.text && (!one.number || table_turns_to_numbers(first, second))) return 1;
    if (one.text)
        return one.whole == one.number && two.whole < two.number && !table_is_made_alike(first, second);
    if (!one.number || !second->count) return 0;
    if (one.quoted == first->count && !two.quoted) return 1;
    return table_field(&first->field[0], &value) == TABLE_EMPTY &&
           table_field(&second->field[0], &value) != TABLE_EMPTY && one.number + 1 == first->count;
}

/* The text of a field without what could not be printed. */
static inline char *table_copy_name(const csv_field *field)
{
    size_t size = (size_t)(field->end - field->at) + 1;
    char *raw = (char *)malloc(size), *name = (char *)malloc(size);
    if (raw && name) text_clean(raw, csv_copy(field, raw, size), name, size);
    else free(name), name = NULL;
    free(raw);
    return name;
}

/* Names for `columns` columns: those of the row, behind an empty one if the row has one too few, as R leaves
 * out the name of the row names. */
static inline char **table_names(const csv_row *row, size_t columns)
{
    size_t shift = columns - row->count;
    char **names = (char **)calloc(columns, sizeof *names);
    for (size_t j = 0; names && j < columns; j++) {
        names[j] = j < shift ? (char *)calloc(1, 1) : table_copy_name(&row->field[j - shift]);
        if (names[j]) continue;
        table_free_names(names, columns);
        return NULL;
    }
    return names;
}

/* The advice that helps against a field that is no number: the columns of the same row that are. */
static inline void table_advice(const data_table *t, const csv_row *row, const char *how, char *out,
                                size_t size)
{
    char *take = (char *)calloc(t->columns, 1);
    size_t others = 0;
    double value;
    *out = '\0';
    for (size_t j = 0; take && j < t->columns; j++) {
        take[j] = table_field(&row->field[t->source[j] - 1], &value) == TABLE_NUMBER;
        others += !take[j];
    }
    if (!take || !text_append(out, size, how) || !table_ranges(t->source, take, t->columns, out, size - 50) ||
        !text_append(out, size,
                     others == 1 ? " leaves the column out" : " leaves out all that are no numbers"))
        *out = '\0';
    free(take);
}

static inline void table_count_gaps(table_gaps *g, const data_table *t, const csv_row *row)
{
    size_t before = g->values;
    for (size_t j = 0; j < t->columns; j++) {
        double value;
        table_kind kind = t->source[j] > row->count ? TABLE_NUMBER
                                                    : table_field(&row->field[t->source[j] - 1], &value);
        if (kind != TABLE_EMPTY && kind != TABLE_MISSING) continue;
        g->column[j] = 1, g->values++;
    }
    g->rows += g->values > before, g->of++;
}

/* Of what is missing in this row and in those that are still to be read, as far as they can be. */
static inline void table_csv_gaps(const data_table *t, const csv_row *row, const csv_reader *csv, char *out,
                                  size_t size)
{
    char ignored[1];
    text_error quiet = {"", ignored, 0};
    csv_reader ahead = *csv;
    csv_row next = {0};
    table_gaps gaps = {0, 0, 0, (char *)calloc(t->columns, 1)};
    if (!gaps.column) return;
    ahead.error = &quiet;
    table_count_gaps(&gaps, t, row);
    while (csv_next(&ahead, &next) > 0) table_count_gaps(&gaps, t, &next);
    table_gaps_words(t, &gaps, out, size);
    free(next.field), free(gaps.column);
}

static inline int table_refuse_field(const data_table *t, const csv_row *row, size_t j, table_kind kind,
                                     const csv_reader *csv)
{
    const csv_field *field = &row->field[t->source[j] - 1];
    char name[TABLE_NAME], place[TABLE_PLACE], quote[TEXT_QUOTE], found[TEXT_QUOTE + 2] = "none";
    char advice[600] = "";
    size_t length = (size_t)(field->end - field->at);
    if (kind != TABLE_EMPTY) snprintf(found, sizeof found, "\"%s\"", text_quote(field->at, length, quote));
    if (kind == TABLE_TEXT && table_is_grouped(field))
        strcpy(advice, "; marks between thousands, or commas and points for decimals in one file, are not "
                       "read: write 1234.5");
    else if (kind == TABLE_TEXT) table_advice(t, row, "; --columns ", advice, sizeof advice);
    else if (kind != TABLE_INFINITE) table_csv_gaps(t, row, csv, advice, sizeof advice);
    return text_refuse(csv->error, "%s, %s: a %snumber expected, %s found%s",
                       table_place(t, t->rows - 1, place), table_name(t, j, name),
                       kind == TABLE_INFINITE ? "finite " : "", found, advice);
}

/* A row of the file, behind which the reader stands. drops: it is left out if a value is missing. */
static inline int table_add_fields(data_table *t, const csv_row *row, bool drops, const csv_reader *csv)
{
    char place[TABLE_PLACE];
    double *values;
    bool whole = true;
    if (row->count != t->file_columns)
        return text_refuse(csv->error, "%s: %lu column%s expected, as in line %lu, %lu found",
                           table_words_for_row(t->file_rows + 1, row->line, place),
                           (unsigned long)t->file_columns, t->file_columns == 1 ? "" : "s",
                           (unsigned long)t->first_line, (unsigned long)row->count);
    if (table_add_row(t, row->line, drops, csv->error)) return -1;
    values = t->values + (t->rows - 1) * t->columns;
    for (size_t j = 0; j < t->columns; j++) {
        table_kind kind = table_field(&row->field[t->source[j] - 1], &values[j]);
        if (drops && (kind == TABLE_EMPTY || kind == TABLE_MISSING)) whole = false;
        else if (kind != TABLE_NUMBER) return table_refuse_field(t, row, j, kind, csv);
    }
    if (!whole) t->rows--;
    return 0;
}

/* Whether names stand above one column more, as R writes names of rows: without a name of their own. */
static inline int table_has_row_names(const csv_row *names, const csv_row *below)
{
    const csv_field *last;
    if (below->count != names->count + 1) return 0;
    last = &below->field[names->count];
    return (names->count > 1 || below->field[0].quoted) && last->end > last->at;
}

/* Reads the names, if the first of the first two rows holds them, and chooses the columns. */
static inline int table_csv_header(data_table *t, const csv_row row[2], table_choose *choose,
                                   const void *wish, int *has_names, const text_error *error)
{
    table_header header = {row[0].count, NULL, NULL};
    int status;
    *has_names = table_has_names(&row[0], &row[1]);
    if (*has_names) {
        if (table_has_row_names(&row[0], &row[1])) header.columns++;
        header.names = table_names(&row[0], header.columns);
        if (!header.names) return text_refuse(error, "memory for the names of columns expected, none found");
    }
    status = table_begin(t, &header, choose, wish, error);
    table_free_names(header.names, header.columns);
    return status;
}

static inline int table_csv_rows(csv_reader *csv, csv_row row[2], data_table *t, table_choose *choose,
                                 const void *wish, bool drops)
{
    int more = csv_next(csv, &row[0]), has_names;
    if (more > 0) {
        csv_reader ahead = *csv;
        more = csv_next(&ahead, &row[1]);
    }
    if (more < 0) return -1;
    if (row[0].count) {
        t->first_line = row[0].line;
        if (table_csv_header(t, row, choose, wish, &has_names, csv->error)) return -1;
        if (!has_names && table_add_fields(t, &row[0], drops, csv)) return -1;
        while ((more = csv_next(csv, &row[0])) > 0)
            if (table_add_fields(t, &row[0], drops, csv)) return -1;
    }
    if (more < 0) return -1;
    return t->file_rows ? 0 : text_refuse(csv->error, "rows of numbers expected, none found");
}

static inline int table_parse_csv(const char *text, size_t size, table_choose *choose, const void *wish,
                                  bool drops, data_table *t, const text_error *error)
{
    int starved = 0, status;
    char *copy = decimal_points(text, size, &starved);
    csv_reader csv = csv_open(copy ? copy : text, size, error, &starved);
    csv_row row[2] = {{0}};
    status = table_csv_rows(&csv, row, t, choose, wish, drops);
    free(row[0].field), free(row[1].field), free(copy);
    return starved ? text_refuse(error, "memory for its lines expected, none found") : status;
}

/* ---- NumPy ---- */

/* Refuses the number in the last row of the table, row i of the array, and column j. */
static inline int table_refuse_element(const data_table *t, const npy_array *a, size_t i, size_t j,
                                       const text_error *error)
{
    char name[TABLE_NAME], place[TABLE_PLACE], advice[600] = "";
    double value = npy_value(a, i, t->source[j] - 1);
    table_gaps gaps = {0, 0, 0, (char *)calloc(t->columns, 1)};
    for (; gaps.column && isnan(value) && i < a->rows; i++, gaps.of++) {
        size_t before = gaps.values;
        for (size_t k = 0; k < t->columns; k++)
            if (isnan(npy_value(a, i, t->source[k] - 1))) gaps.column[k] = 1, gaps.values++;
        gaps.rows += gaps.values > before;
    }
    if (gaps.values) table_gaps_words(t, &gaps, advice, sizeof advice);
    free(gaps.column);
    return text_refuse(error, "%s, %s: a finite number expected, %s found%s",
                       table_place(t, t->rows - 1, place), table_name(t, j, name),
                       isnan(value) ? "nan"
                       : value > 0  ? "inf"
                                    : "-inf",
                       advice);
}

static inline int table_parse_npy(const char *bytes, size_t size, table_choose *choose, const void *wish,
                                  bool drops, data_table *t, const text_error *error)
{
    npy_array a;
    table_header header = {0};
    if (npy_open(bytes, size, &a, error)) return -1;
    header.columns = a.columns;
    if (table_begin(t, &header, choose, wish, error)) return -1;
    for (size_t i = 0; i < a.rows; i++) {
        double *values;
        bool whole = true;
        if (table_add_row(t, 0, drops, error)) return -1;
        values = t->values + (t->rows - 1) * t->columns;
        for (size_t j = 0; j < t->columns; j++) {
            values[j] = npy_value(&a, i, t->source[j] - 1);
            if (drops && isnan(values[j])) whole = false;
            else if (!(fabs(values[j]) <= DBL_MAX)) return table_refuse_element(t, &a, i, j, error);
        }
        if (!whole) t->rows--;
    }
    return 0;
}

/* ---- other kinds of files ---- */

/* A kind of file that is no table of numbers, by how it begins, and what helps. */
typedef struct table_foreign {
    const char *magic;
    size_t length;
    const char *what, *help;
} table_foreign;

/* Whether it goes on as a CSV file whose first name begins with these letters. */
static inline int table_is_a_name(const table_foreign *kind, const char *bytes, size_t size)
{
    for (size_t k = 0; k < kind->length; k++)
        if (!isalnum((unsigned char)kind->magic[k])) return 0;
    return size > kind->length && bytes[kind->length] && strchr(",;|\t\" _\r\n", bytes[kind->length]);
}

static inline const table_foreign *table_find_foreign(const char *bytes, size_t size)
{
    static const char unzip[] = "unpack it first", csv[] = "save it as CSV",
                      utf8[] = "save it as CSV in UTF-8";
    static const char numpy[] = "numpy.save an array from it", list[] = "write its numbers as CSV";
    static const table_foreign kinds[] = {
        {"\x1F\x8B", 2, "gzip", "unpack it with gunzip first"},
        {"PK\3\4", 4, "a zip archive, as are .npz and .xlsx",
         "unpack it, or numpy.save one array of an .npz, or save it as CSV"},
        {"PK\5\6", 4, "an empty zip archive", numpy},
        {"BZh", 3, "bzip2", "unpack it with bunzip2 first"},
        {"\xFD"
         "7zXZ\0",
         6, "xz", "unpack it with unxz first"},
        {"\x28\xB5\x2F\xFD", 4, "zstd", "unpack it with unzstd first"},
        {"\x04\x22\x4D\x18", 4, "lz4", "unpack it with unlz4 first"},
        {"7z\xBC\xAF\x27\x1C", 6, "a 7-zip archive", unzip},
        {"\x89HDF\r\n\x1A\n", 8, "HDF5", numpy},
        {"MATLAB 5.0 MAT-file", 19, "a MATLAB file", "writematrix its numbers to a .csv file"},
        {"PAR1", 4, "Parquet", "save it as CSV, by pandas.read_parquet and to_csv"},
        {"ARROW1", 6, "Arrow", "save it as CSV, by pandas.read_feather and to_csv"},
        {"FEA1", 4, "Feather", "save it as CSV, by pandas.read_feather and to_csv"},
        {"ORC", 3, "ORC", csv},
        {"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", 8, "an Excel workbook (.xls)", csv},
        {"%PDF", 4, "PDF", list},
        {"\x80\x02", 2, "a Python pickle", numpy},
        {"\x80\x03", 2, "a Python pickle", numpy},
        {"\x80\x04", 2, "a Python pickle", numpy},
        {"\x80\x05", 2, "a Python pickle", numpy},
        {"SQLite format 3", 16, "an SQLite database", "write a query of it as CSV, by sqlite3 -csv"},
        {"RDX2\n", 5, "an R workspace", "write.csv a data frame of it"},
        {"RDX3\n", 5, "an R workspace", "write.csv a data frame of it"},
        {"\x89PNG", 4, "an image", list},
        {"\xFF\xD8\xFF", 3, "an image", list},
        {"GIF8", 4, "an image", list},
        {"{\\rtf", 5, "rich text", csv},
        {"\xFF\xFE\0\0", 4, "text in UTF-32", utf8},
        {"\0\0\xFE\xFF", 4, "text in UTF-32", utf8},
        {"\xFF\xFE", 2, "text in UTF-16", utf8},
        {"\xFE\xFF", 2, "text in UTF-16", utf8},
    };
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        if (size >= kinds[k].length && memcmp(bytes, kinds[k].magic, kinds[k].length) == 0)
            return table_is_a_name(&kinds[k], bytes, size) ? NULL : &kinds[k];
    return NULL;
}

/* Of text without a magic number: what begins with a bracket, and what every other byte of is zero. A name
   may begin with a bracket, too, as [Ca]; what follows one in JSON is a value. */
static inline const table_foreign *table_find_text(const char *bytes, size_t size)
{
    static const table_foreign kinds[] = {
        {"{", 1, "JSON", "write its numbers as CSV, by pandas.read_json and to_csv"},
        {"[", 1, "JSON", "write its numbers as CSV, by pandas.read_json and to_csv"},
        {"<", 1, "HTML or XML", "save its table as CSV"},
    };
    static const table_foreign utf16 = {"", 0, "text in UTF-16", "save it as CSV in UTF-8"};
    static const table_foreign model = {"", 0, "safetensors, as models are saved", "give the data instead"};
    static const table_foreign binary = {"", 0, "bytes that are no text",
                                         "save it as CSV, or numpy.save an array"};
    size_t at = size >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0, zeros[2] = {0, 0};
    size_t checked = size < 512 ? size : 512;
    for (size_t i = 0; i < checked; i++) zeros[i % 2] += bytes[i] == '\0';
    if (size >= 10 && memcmp(bytes + 8, "{\"", 2) == 0 && zeros[0] + zeros[1]) return &model;
    if (zeros[0] + zeros[1] >= checked / 4 && checked >= 4 && !(zeros[0] && zeros[1])) return &utf16;
    if (zeros[0] + zeros[1]) return &binary;
    while (at < size && isspace((unsigned char)bytes[at])) at++;
    if (at + 1 < size && bytes[at] == '[' && !strchr("[{\"]-0123456789 \t\r\n", bytes[at + 1])) return NULL;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        if (at < size && bytes[at] == *kinds[k].magic) return &kinds[k];
    return NULL;
}

static inline int table_refuse_foreign(const char *bytes, size_t size, const text_error *error)
{
    const table_foreign *kind = table_find_foreign(bytes, size);
    if (!kind) kind = table_find_text(bytes, size);
    if (!kind) return 0;
    return text_refuse(error, "CSV or .npy expected, %s found; %s", kind->what, kind->help);
}

/* ---- reading ---- */

/* As table_read, the columns chosen by a function. drops: rows in which a value is missing are left out. */
static inline int table_read_by(const char *path, table_choose *choose, const void *wish, bool drops,
                                data_table *out, char *error, size_t error_size)
{
    text_error to = {path, error, error_size};
    data_table t;
    char *bytes;
    size_t size;
    int status;
    memset(&t, 0, sizeof t);
    status = text_load(&to, &bytes, &size);
    if (!status && npy_is(bytes, size)) status = table_parse_npy(bytes, size, choose, wish, drops, &t, &to);
    else if (!status && !(status = table_refuse_foreign(bytes, size, &to)))
        status = table_parse_csv(bytes, size, choose, wish, drops, &t, &to);
    free(bytes);
    if (!status && !t.rows && t.file_rows)
        status = text_refuse(&to, "a row without a missing value expected, none of %lu found",
                             (unsigned long)t.file_rows);
    if (status) table_free(&t);
    else *out = t;
    return status;
}

/* Reads a table, its columns given as "1-4,7" or "height,weight" (NULL: all). Returns 0, or -1 with one line
 * in `error`, and leaves *out alone then. */
static inline int table_read(const char *path, const char *columns, data_table *out, char *error,
                             size_t error_size)
{
    return table_read_by(path, table_choose_text, columns, false, out, error, error_size);
}

#endif
