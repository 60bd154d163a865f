/* odd.h: what is odd in a table that a density is to be learned from, in lines to be shown before training.
 *
 *     static void warn_of(void *context, const char *line) { ... }
 *     odd_tell(&t, warn_of, NULL);
 *
 * None of it is an error; each is a reason why a likelihood may not mean what it seems to:
 *
 *     a column that counts              an index was saved with the data, or a clock that ticks evenly
 *     columns of few distinct values    labels, counts, rounded numbers: they have no density
 *     one value in many rows            an atom: neither has it
 *     rows far from all others          typing errors, -999 for missing; standardization suffers
 *     columns that follow from others   copies, sums, other units: all rows lie in a plane
 *     repeated rows                     validation is no longer independent of training
 *     hardly more rows than columns     the covariance cannot be estimated
 *     whole numbers above fractions     the first row may be of names
 *
 * Include the implementation of itdiff.h before this file. */
#ifndef ODD_H
#define ODD_H

#include "collinear.h"
#include "frame.h"

/* Lines of one kind are told of five columns, then counted; of rows, five are listed. */
enum { ODD_SHOWN = 5, ODD_LINE = 600 };

typedef void odd_say(void *context, const char *line);

typedef struct odd_report {
    const data_table *table;
    odd_say *say;
    void *context;
    size_t lines;
    size_t few, atoms, outside; /* columns of each kind so far */
} odd_report;

static inline void odd_put(odd_report *r, const char *format, ...)
{
    char line[ODD_LINE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    r->say(r->context, line);
    r->lines++;
}

/* Whether one more column of a kind is to be told of. */
static inline int odd_counts(size_t *columns) { return ++*columns <= ODD_SHOWN; }

static inline void odd_put_rest(odd_report *r, size_t columns, const char *what)
{
    if (columns > ODD_SHOWN) odd_put(r, "%lu more columns %s", (unsigned long)(columns - ODD_SHOWN), what);
}

/* ---- an index ---- */

/* Whether the column goes up or down by the same from row to row, as far as its decimals tell. */
static inline int odd_is_counting(const data_table *t, size_t j)
{
    const double *x = t->values + j;
    size_t last = t->rows - 1;
    double step = t->rows < 3 ? 0 : (x[last * t->columns] - x[0]) / (double)last;
    for (size_t i = 1; i < t->rows; i++)
        if (!(fabs(x[i * t->columns] - x[0] - (double)i * step) <= 1e-6 * fabs(step))) return 0;
    return step > 0 || step < 0;
}

/* Whether it is named as people and programs name the numbers of rows. */
static inline int odd_is_index_name(const char *name)
{
    static const char *const names[] = {"", "index", "id", "row", "rowid", "row_id", "rownames", NULL};
    return name && (table_is_one_of(name, strlen(name), names) || !strncmp(name, "Unnamed: ", 9));
}

/* Whether it holds whole numbers, all different, as the numbers of rows are after these were chosen or
 * shuffled, and has their name; or none of them is missing. */
static inline int odd_is_row_numbers(const data_table *t, size_t j, const double *sorted)
{
    enum { MIN_ROWS = 20 };
    size_t n = t->rows;
    for (size_t i = 0; i < n; i++)
        if (floor(sorted[i]) < sorted[i] || (i > 0 && !(sorted[i] > sorted[i - 1]))) return 0;
    if (odd_is_index_name(t->names ? t->names[j] : NULL)) return 1;
    return n >= MIN_ROWS && !(sorted[n - 1] - sorted[0] > (double)(n - 1));
}

/* " --columns 2-3 leaves it out" */
static inline void odd_advice(const data_table *t, size_t j, char *out, size_t size)
{
    char *take = (char *)malloc(t->columns);
    *out = '\0';
    if (!take) return;
    memset(take, 1, t->columns), take[j] = 0;
    if (!text_append(out, size, " --columns ") || !table_ranges(t->source, take, t->columns, out, size) ||
        !text_append(out, size, " leaves it out"))
        *out = '\0';
    free(take);
}

static inline int odd_index(odd_report *r, size_t j, const double *sorted)
{
    const data_table *t = r->table;
    char name[TABLE_NAME], advice[200];
    const double *x = t->values + j;
    int counts = odd_is_counting(t, j);
    if (!counts && !odd_is_row_numbers(t, j, sorted)) return 0;
    odd_advice(t, j, advice, sizeof advice);
    table_name(t, j, name);
    if (counts)
        odd_put(r, "%s: counts %.15g, %.15g, %.15g, ...: an index?%s", name, x[0], x[t->columns],
                x[2 * t->columns], advice);
    else odd_put(r, "%s: whole numbers, all different: an index?%s", name, advice);
    return 1;
}

/* ---- values that come again ---- */

static inline int odd_few(odd_report *r, size_t j, double step, size_t distinct)
{
    char name[TABLE_NAME];
    int labels = distinct <= r->table->rows / 10;
    if (!labels && !(step > 0)) return 0;
    if (!odd_counts(&r->few)) return 1;
    table_name(r->table, j, name);
    if (step > 0)
        odd_put(r, "%s: %lu distinct values, in steps of %.10g: rounded values have no density", name,
                (unsigned long)distinct, step);
    else
        odd_put(r, "%s: %lu distinct values in %lu rows: they have no density", name, (unsigned long)distinct,
                (unsigned long)r->table->rows);
    return 1;
}

/* The value that most rows hold, if it is over 2 % of them, and five. */
static inline void odd_atom(odd_report *r, size_t j, const double *sorted)
{
    size_t rows = r->table->rows, longest = 0, at = 0, begin = 0;
    char name[TABLE_NAME];
    for (size_t i = 1; i <= rows; i++)
        if (i == rows || sorted[i] > sorted[begin]) {
            if (i - begin > longest) longest = i - begin, at = begin;
            begin = i;
        }
    if (longest <= rows / 50 || longest < 5 || !odd_counts(&r->atoms)) return;
    odd_put(r, "%s: %.10g in %.1f %% of the rows: a value that comes again has no density",
            table_name(r->table, j, name), sorted[at], 100 * (double)longest / (double)rows);
}

/* ---- rows far outside ---- */

/* The distance from the median beyond which rows are far outside: over 20 times the width of the middle half,
 * and after a gap of five times the distance of the last row before it. Heavy tails have the one or the
 * other, but seldom both: of a normal distribution, of Student's with 5 degrees of freedom, of a lognormal
 * one, next to nothing lies there. HUGE_VAL if nothing does. */
static inline double odd_far(const double *sorted, size_t rows, double *distance)
{
    double median = sorted[rows / 2], width = sorted[3 * rows / 4] - sorted[rows / 4];
    for (size_t i = 0; i < rows; i++) distance[i] = fabs(sorted[i] - median);
    qsort(distance, rows, sizeof *distance, frame_by_size);
    for (size_t i = rows / 2; i < rows; i++) {
        if (!(width > 0)) width = distance[i]; /* half of the rows are one value: the nearest other one */
        else if (i > 0 && distance[i] > 20 * width && distance[i] > 5 * distance[i - 1]) return distance[i];
    }
    return HUGE_VAL;
}

static inline void odd_far_rows(odd_report *r, size_t j, const double *sorted, double *distance)
{
    const data_table *t = r->table;
    double median = sorted[t->rows / 2], limit = odd_far(sorted, t->rows, distance);
    char name[TABLE_NAME], place[TABLE_PLACE], list[400] = "";
    size_t found = 0;
    if (!(limit <= DBL_MAX) || !odd_counts(&r->outside)) return;
    for (size_t i = 0; i < t->rows; i++) {
        double value = t->values[i * t->columns + j];
        if (fabs(value - median) < limit || found++ >= ODD_SHOWN) continue;
        text_append(list, sizeof list, "%s%s, %.6g", *list ? "; " : "", table_place(t, i, place), value);
    }
    odd_put(r, "%s: %lu row%s far outside, half of them all between %.6g and %.6g: %s%s",
            table_name(t, j, name), (unsigned long)found, found == 1 ? "" : "s", sorted[t->rows / 4],
            sorted[3 * t->rows / 4], list, found > ODD_SHOWN ? "; ..." : "");
}

/* ---- the table as a whole ---- */

static inline int odd_by_bits(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* By their hashes, of which two different rows share one as good as never. */
static inline int odd_repeated(odd_report *r)
{
    const data_table *t = r->table;
    uint64_t *hash = (uint64_t *)malloc(t->rows * sizeof *hash);
    size_t repeated = 0;
    if (!hash) return -1;
    for (size_t i = 0; i < t->rows; i++)
        hash[i] = frame_hash(FRAME_HASH, t->values + i * t->columns, t->columns);
    qsort(hash, t->rows, sizeof *hash, odd_by_bits);
    for (size_t i = 1; i < t->rows; i++) repeated += hash[i] == hash[i - 1];
    free(hash);
    if (repeated == 1) odd_put(r, "1 row repeats an earlier one");
    if (repeated > 1) odd_put(r, "%lu rows repeat earlier ones", (unsigned long)repeated);
    return 0;
}

static inline int odd_collinear(odd_report *r)
{
    const data_table *t = r->table;
    unsigned char *follows = (unsigned char *)malloc(t->columns);
    int found = follows ? collinear_find(t, follows) : -1;
    size_t columns = 0;
    for (size_t j = 0; found > 0 && j < t->columns; j++) {
        char name[TABLE_NAME], advice[200];
        if (!follows[j] || !odd_counts(&columns)) continue;
        odd_advice(t, j, advice, sizeof advice);
        table_name(t, j, name);
        odd_put(r, "%s: follows from the columns before it, so there is no density:%s", name, advice);
    }
    odd_put_rest(r, columns, "that follow from those before them");
    free(follows);
    return found;
}

static inline int odd_is_whole(double x) { return !(floor(x) < x); }

/* Whether the first row is of whole numbers in order, such as years or the numbers of the columns, above a
 * row that is mostly of fractions: so pandas writes names that are numbers, and 0 above a single column. */
static inline int odd_is_first_row_of_names(const data_table *t)
{
    const double *first = t->values, *second = t->values + t->columns;
    size_t fractions = 0;
    if (t->names || t->rows < 2 || !t->line || (t->columns < 2 && (*first < 0 || *first > 0))) return 0;
    for (size_t j = 0; j < t->columns; j++) {
        if (!odd_is_whole(first[j])) return 0;
        if (j > 0 && !(first[1] > first[0] ? first[j] > first[j - 1] : first[j] < first[j - 1])) return 0;
        fractions += !odd_is_whole(second[j]);
    }
    return fractions > t->columns / 2;
}

static inline int odd_column(odd_report *r, size_t j)
{
    const data_table *t = r->table;
    double *sorted = frame_sorted(t, j), *other = (double *)malloc(t->rows * sizeof *other);
    size_t distinct;
    if (!sorted || !other) {
        free(sorted), free(other);
        return -1;
    }
    memcpy(other, sorted, t->rows * sizeof *other);
    distinct = frame_distinct(other, t->rows);
    if (!odd_index(r, j, sorted)) {
        if (!odd_few(r, j, frame_step(other, distinct, t->rows), distinct)) odd_atom(r, j, sorted);
        odd_far_rows(r, j, sorted, other);
    }
    free(sorted), free(other);
    return 0;
}

/* Says what is odd, a line at a time; the number of lines, or -1 without memory. */
static inline int odd_tell(const data_table *t, odd_say *say, void *context)
{
    odd_report r = {t, say, context, 0, 0, 0, 0};
    char place[TABLE_PLACE];
    if (odd_is_first_row_of_names(t))
        odd_put(&r, "%s: whole numbers above fractions: names of columns? a # in front leaves them out",
                table_place(t, 0, place));
    if (t->rows < 2 * t->columns)
        odd_put(&r, "%lu rows of %lu columns: too few to tell how the columns vary together",
                (unsigned long)t->rows, (unsigned long)t->columns);
    for (size_t j = 0; j < t->columns; j++)
        if (odd_column(&r, j)) return -1;
    odd_put_rest(&r, r.few, "of few distinct values");
    odd_put_rest(&r, r.atoms, "with a value in over 2 % of the rows");
    odd_put_rest(&r, r.outside, "with rows far outside");
    return odd_collinear(&r) < 0 || odd_repeated(&r) ? -1 : (int)r.lines;
}

#endif
