/* frame.h: what a model has to know of the table that it learned: which columns, and how to turn their
 * doubles into its floats and back. It is one line of text, to be kept with the model.
 *
 *     data_frame f;
 *     frame_from_table(&t, &f, error, sizeof error);
 *     float *x = ...;                                          (t.rows, t.columns)
 *     frame_floats(&f, &t, NULL, x, error, sizeof error);
 *     char *text = frame_to_text(&f);                          frame_text.h; and when the model is loaded:
 *     frame_from_text(text, &f, error, sizeof error);
 *     frame_read(&f, "new.csv", NULL, true, false, &t, error, sizeof error);       of another file
 *
 * A float has 24 bits: of the time stamp 1700000000 it keeps no seconds. So each column is moved by an offset
 * while it is still in double; floats then resolve the spread of the column instead of its size. The offset
 * is the median, which a few far values do not move. A density does not change by that.
 *
 * A column of rounded values has no density: a model of it can gain without limit by narrow peaks. With a
 * step, frame_floats adds noise that is uniform over one step, and what is learned is the density of the
 * values before they were rounded, as far as they can be known (Theis et al., ICLR 2016).
 *
 * Include the implementation of itdiff.h before this file. */
#ifndef FRAME_H
#define FRAME_H

#include "table.h"

typedef struct data_frame {
    size_t columns;
    char **names;        /* (columns); NULL: none */
    size_t *source;      /* (columns) which column of the file it was, from 1 */
    size_t file_columns; /* how many that file had */
    double *offset;      /* (columns) float = double - offset */
    double *step;        /* (columns) of what the values are multiples; 0: not rounded */
    size_t rows;
    uint64_t checksum; /* of the rows */
} data_frame;

/* Noise over a step: a function of the seed, the number of the draw, the row and the column. */
typedef struct frame_noise {
    uint64_t seed, draw;
} frame_noise;

static inline void frame_free(data_frame *f)
{
    table_free_names(f->names, f->columns);
    free(f->source), free(f->offset), free(f->step);
    memset(f, 0, sizeof *f);
}

/* A frame of columns that keeps numbers as they are: 0 on success, -1 without memory. */
static inline int frame_plain(size_t columns, data_frame *f)
{
    memset(f, 0, sizeof *f);
    f->columns = f->file_columns = columns;
    f->source = (size_t *)calloc(columns, sizeof *f->source);
    f->offset = (double *)calloc(columns, sizeof *f->offset);
    f->step = (double *)calloc(columns, sizeof *f->step);
    if (!f->source || !f->offset || !f->step) {
        frame_free(f);
        return -1;
    }
    for (size_t j = 0; j < columns; j++) f->source[j] = j + 1;
    return 0;
}

/* ---- from a table ---- */

/* FNV-1a of 64 bits over the bytes of doubles, lowest first; -0 counts as 0. Begin with FRAME_HASH. */
#define FRAME_HASH 0xCBF29CE484222325u
static inline uint64_t frame_hash(uint64_t hash, const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double value = values[i] + 0.0;
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        for (int k = 0; k < 8; k++, bits >>= 8) hash = (hash ^ (bits & 255)) * 0x100000001B3u;
    }
    return hash;
}

/* Tells the rows of a table from others, and from the same in another order. */
static inline uint64_t table_checksum(const data_table *t)
{
    return frame_hash(FRAME_HASH ^ t->columns, t->values, t->rows * t->columns);
}

static inline int frame_by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Column j in order of size; NULL without memory. */
static inline double *frame_sorted(const data_table *t, size_t j)
{
    double *sorted = (double *)malloc(t->rows * sizeof *sorted);
    for (size_t i = 0; sorted && i < t->rows; i++) sorted[i] = t->values[i * t->columns + j];
    if (sorted) qsort(sorted, t->rows, sizeof *sorted, frame_by_size);
    return sorted;
}

/* A value of column j that as many are below as above; 0 and *failed without memory. */
static inline double frame_median(const data_table *t, size_t j, int *failed)
{
    double *sorted = frame_sorted(t, j), median = sorted ? sorted[t->rows / 2] : 0;
    if (!sorted) *failed = 1;
    free(sorted);
    return median;
}

static inline int frame_from_table(const data_table *t, data_frame *f, char *error, size_t error_size)
{
    text_error to = {t->path, error, error_size};
    int failed = frame_plain(t->columns, f);
    if (!failed && t->names) failed = !(f->names = (char **)calloc(t->columns, sizeof *f->names));
    for (size_t j = 0; !failed && j < t->columns; j++) {
        f->source[j] = t->source[j], f->offset[j] = frame_median(t, j, &failed);
        if (failed) break;
        if (!t->names) continue;
        if ((f->names[j] = (char *)malloc(strlen(t->names[j]) + 1))) strcpy(f->names[j], t->names[j]);
        else failed = 1;
    }
    if (failed) {
        frame_free(f);
        return text_refuse(&to, "memory for %lu columns expected, none found", (unsigned long)t->columns);
    }
    f->file_columns = t->file_columns, f->rows = t->rows, f->checksum = table_checksum(t);
    return 0;
}

/* ---- doubles to floats and back ---- */

/* The letters "step" above the number of the draw name the stream. */
static inline double frame_uniform(const frame_noise *noise, uint64_t place)
{
    itd_rng rng = itd_rng_make(noise->seed, ((uint64_t)0x73746570 << 32) ^ noise->draw);
    rng.counter = place;
    return itd_rng_uniform(&rng) - 0.5;
}

/* out = value - offset + step * U(-1/2, 1/2), the last without noise (NULL) left out. The columns of the
 * table are those of the frame, see frame_match. */
static inline int frame_floats(const data_frame *f, const data_table *t, const frame_noise *noise,
                               float *out /* (rows, columns) */, char *error, size_t error_size)
{
    text_error to = {t->path, error, error_size};
    char name[TABLE_NAME], words[TABLE_PLACE];
    if (t->columns != f->columns)
        return text_refuse(&to, "%lu columns expected, %lu found", (unsigned long)f->columns,
                           (unsigned long)t->columns);
    for (size_t i = 0; i < t->rows; i++)
        for (size_t j = 0; j < t->columns; j++) {
            size_t place = i * t->columns + j;
            double x = t->values[place] - f->offset[j];
            if (noise && f->step[j] > 0) x += f->step[j] * frame_uniform(noise, place);
            if (!(fabs(x) <= (double)FLT_MAX))
                return text_refuse(&to, "%s, %s: a number within 3.4e38 of %g expected, %g found",
                                   table_place(t, i, words), table_name(t, j, name), f->offset[j],
                                   t->values[place]);
            out[place] = (float)x;
        }
    return 0;
}

/* k * step; a step such as 0.1 is not exact in binary, but 1 / step often is. */
static inline double frame_multiple(double k, double step)
{
    double inverse = floor(1 / step + 0.5);
    return inverse >= 1 && inverse <= 1e15 && fabs(inverse * step - 1) < 1e-14 ? k / inverse : k * step;
}

/* value = float + offset; where there is a step, at the nearest value that is a multiple of it from the
 * offset, which is itself one of the values. */
static inline void frame_restore(const data_frame *f, const float *x, size_t rows,
                                 double *out /* (rows, columns) */)
{
    for (size_t i = 0; i < rows * f->columns; i++) {
        size_t j = i % f->columns;
        double step = f->step[j], value = (double)x[i] + f->offset[j], multiple;
        if (step > 0) {
            value = f->offset[j] + step * floor((double)x[i] / step + 0.5);
            multiple = floor(value / step + 0.5);
            if (fabs(value / step - multiple) < 1e-3) value = frame_multiple(multiple, step);
        }
        out[i] = value;
    }
}

/* ---- rounded columns ---- */

/* Leaves each of the sorted values once, and returns how many there are. */
static inline size_t frame_distinct(double *sorted, size_t count)
{
    size_t distinct = count > 0;
    for (size_t i = 1; i < count; i++)
        if (sorted[i] > sorted[distinct - 1]) sorted[distinct++] = sorted[i];
    return distinct;
}

/* The number of fewest decimal digits within `error` of a step that is taken `multiple` times: people round
 * to tenths or to 250s, and not to 0.099999998. */
static inline double frame_short_step(double step, double multiple, double error)
{
    for (int digits = 0; digits < 12; digits++) {
        char decimal[40];
        double shorter;
        snprintf(decimal, sizeof decimal, "%.*e", digits, step);
        shorter = strtod(decimal, NULL);
        if (multiple * fabs(shorter - step) <= error) return shorter;
    }
    return step;
}

/* The step of distinct sorted values that are all multiples of the smallest gap apart, to within `error`; 0
 * if there is none. From one value to the next the step is known better. */
static inline double frame_step_within(const double *value, size_t count, double gap, double error)
{
    double step = gap, k = 0;
    if (!(gap <= DBL_MAX) || error > 0.01 * gap) return 0;
    for (size_t i = 1; i < count; i++) {
        double range = value[i] - value[0];
        k = floor(range / step + 0.5);
        if (!(k <= 1e15) || fabs(range - k * step) > 0.01 * step) return 0;
        step = range / k;
    }
    step = frame_short_step(step, k, error);
    for (size_t i = 1; i < count; i++) {
        double range = value[i] - value[0];
        if (fabs(range - floor(range / step + 0.5) * step) > error) return 0;
    }
    return step;
}

/* The largest number that all differences of the values are multiples of, as far as `error` lets one tell, by
 * Euclid's algorithm: of 0, 2, 5 it is 1, less than any gap. */
static inline double frame_common_step(const double *value, size_t count, double error)
{
    double step = 0;
    for (size_t i = 1; i < count; i++) {
        double a = value[i] - value[0], b = step;
        if (!(a <= DBL_MAX)) return 0;
        while (b > 100 * error) {
            double rest = fabs(a - b * floor(a / b + 0.5));
            a = b, b = rest;
        }
        step = a;
    }
    return step;
}

/* The step of rounded values, given the distinct ones in order of size: not more than half of the rows, all
 * of them multiples of it apart; else 0. They may be doubles, floats, or have been scaled after they were
 * rounded, and then written with a few digits. */
static inline double frame_step(const double *distinct, size_t count, size_t rows)
{
    double gap = HUGE_VAL, size, step;
    if (count < 2 || count > rows / 2) return 0;
    size = fmax(fabs(distinct[0]), fabs(distinct[count - 1]));
    for (size_t i = 1; i < count; i++) gap = fmin(gap, distinct[i] - distinct[i - 1]);
    step = frame_step_within(distinct, count, gap, 4 * DBL_EPSILON * size);
    if (!(step > 0)) step = frame_step_within(distinct, count, gap, 4 * (double)FLT_EPSILON * size);
    if (!(step > 0)) step = frame_step_within(distinct, count, gap, 1e-3 * gap);
    if (!(step > 0)) {
        double common = frame_common_step(distinct, count, 4 * DBL_EPSILON * size);
        if (common > gap / 50 && common < gap)
            step = frame_step_within(distinct, count, common, 4 * DBL_EPSILON * size);
    }
    return step;
}

/* Finds the steps of all columns. */
static inline int frame_find_steps(data_frame *f, const data_table *t, char *error, size_t error_size)
{
    text_error to = {t->path, error, error_size};
    for (size_t j = 0; j < f->columns; j++) {
        double *sorted = frame_sorted(t, j);
        if (!sorted) return text_refuse(&to, "memory for a column expected, none found");
        f->step[j] = frame_step(sorted, frame_distinct(sorted, t->rows), t->rows);
        free(sorted);
    }
    return 0;
}

/* ---- the same columns of another table ---- */

/* Whether another column of the table has the same name as column j. */
static inline int frame_repeats(const data_frame *f, size_t j)
{
    for (size_t k = 0; k < f->columns; k++)
        if (strcmp(f->names[j], f->names[k]) == 0 && f->source[k] != f->source[j]) return 1;
    return 0;
}

/* Whether column k of the header stands before column j in its file. */
static inline int frame_stands_before(const table_header *h, size_t k, size_t j)
{
    return h->source ? h->source[k] < h->source[j] : k < j;
}

/* How many of the frame's names the file has; their columns into `chosen`. A name that the file has several
 * times is found if the frame has it as often, the columns then in the order of the first file. */
static inline size_t frame_find_names(const data_frame *f, const table_header *header, size_t *chosen,
                                      size_t *missing)
{
    size_t found = 0;
    for (size_t j = 0; j < f->columns; j++) {
        size_t times = 0, at = 0, own = 0, before = 0;
        for (size_t k = 0; k < f->columns; k++)
            if (strcmp(f->names[j], f->names[k]) == 0 && (k == j || f->source[k] != f->source[j]))
                own++, before += f->source[k] < f->source[j];
        for (size_t k = 0; k < header->columns; k++) {
            size_t rank = 0;
            if (strcmp(f->names[j], header->names[k]) != 0) continue;
            for (size_t l = 0; l < header->columns; l++)
                rank += strcmp(f->names[j], header->names[l]) == 0 && frame_stands_before(header, l, k);
            times++;
            if (rank == before) at = k + 1;
        }
        if (times == own && found < header->columns) chosen[found++] = at;
        else *missing = j;
    }
    return found;
}

/* By name if both have names, which then have to agree; else as many columns as the first file had, of which
 * the same are taken, or as many as the frame has, which is all of them. */
static inline int frame_choose(const void *wish, const table_header *header, size_t *chosen, size_t *count,
                               const text_error *error)
{
    const data_frame *f = (const data_frame *)wish;
    size_t missing = 0, found = f->names && header->names ? frame_find_names(f, header, chosen, &missing) : 0;
    char quote[TEXT_QUOTE];
    *count = f->columns;
    if (f->columns && found == f->columns) return 0;
    if (found)
        return text_refuse(error,
                           "a column named \"%s\" expected %s, as in the table of the model, not found",
                           text_quote(f->names[missing], strlen(f->names[missing]), quote),
                           frame_repeats(f, missing) ? "as often" : "once");
    if (f->columns && f->names && header->names)
        return text_refuse(
            error,
            "a column named \"%s\" expected, as in the table of the model, no such names found; "
            "--columns takes them by their places",
            text_quote(f->names[0], strlen(f->names[0]), quote));
    if (header->columns != f->columns && header->columns != f->file_columns)
        return text_refuse(error, "%lu column%s expected, as the model has, %lu found; --columns chooses",
                           (unsigned long)f->columns, f->columns == 1 ? "" : "s",
                           (unsigned long)header->columns);
    for (size_t j = 0; j < f->columns; j++)
        chosen[j] = header->columns == f->file_columns ? f->source[j] : j + 1;
    return 0;
}

/* Makes the columns of a table those of the frame, or refuses it. Where none of their names are the frame's,
 * they were chosen by their places. */
static inline int frame_match(const data_frame *f, data_table *t, char *error, size_t error_size)
{
    text_error to = {t->path, error, error_size};
    table_header header = {t->columns, t->names, t->source};
    data_table chosen = {0}; /* its columns and their names */
    data_frame places = *f;
    places.file_columns = 0; /* they are chosen already, and in order */
    size_t missing = 0, *named = (size_t *)malloc(t->columns * sizeof *named);
    double *row = (double *)malloc(t->columns * sizeof *row);
    if (named && f->names && t->names && !frame_find_names(f, &header, named, &missing)) header.names = NULL;
    int status = named && row ? table_begin(&chosen, &header, frame_choose, &places, &to)
                              : text_refuse(&to, "memory for a row expected, none found");
    free(named);
    for (size_t i = 0; !status && i < t->rows; i++) {
        memcpy(row, t->values + i * t->columns, t->columns * sizeof *row);
        for (size_t j = 0; j < chosen.columns; j++)
            t->values[i * chosen.columns + j] = row[chosen.source[j] - 1];
    }
    free(row);
    if (!status) {
        for (size_t j = 0; j < chosen.columns; j++) chosen.source[j] = t->source[chosen.source[j] - 1];
        table_free_names(t->names, t->columns), free(t->source);
        t->columns = chosen.columns, t->names = chosen.names, t->source = chosen.source;
        chosen.names = NULL, chosen.source = NULL;
    }
    table_free(&chosen);
    return status;
}

/* Columns by the frame's names if a file has them all, else those that were chosen of another file. */
typedef struct frame_wish {
    const data_frame *frame;
    const char *columns; /* see table_read */
    bool places;         /* of this file itself: the names do not matter */
} frame_wish;

static inline int frame_choose_either(const void *wish, const table_header *header, size_t *chosen,
                                      size_t *count, const text_error *error)
{
    const frame_wish *w = (const frame_wish *)wish;
    size_t missing;
    *count = w->frame->columns;
    if (!w->places && w->frame->names && header->names &&
        frame_find_names(w->frame, header, chosen, &missing) == *count)
        return 0;
    return table_choose_text(w->columns, header, chosen, count, error);
}

/* Reads the frame's columns of a file, or of those that `columns` chooses (see table_read; NULL: of all).
 * own: that was said of this file itself, not of another one. Other columns may hold anything. drops: rows in
 * which a value is missing are left out. */
static inline int frame_read(const data_frame *f, const char *path, const char *columns, bool own, bool drops,
                             data_table *out, char *error, size_t error_size)
{
    frame_wish wish = {f, columns, own};
    if (!columns) return table_read_by(path, frame_choose, f, drops, out, error, error_size);
    if (table_read_by(path, frame_choose_either, &wish, drops, out, error, error_size)) return -1;
    if (!frame_match(f, out, error, error_size)) return 0;
    table_free(out);
    return -1;
}

/* ---- before training ---- */

static inline int frame_is_constant(const data_table *t, size_t j)
{
    const double *x = t->values + j;
    for (size_t i = 1; i < t->rows; i++)
        if (x[i * t->columns] < *x || x[i * t->columns] > *x) return 0;
    return 1;
}

/* Refuses columns that hold one value only, naming them all: their density is infinite. */
static inline int table_refuse_constant(const data_table *t, char *error, size_t error_size)
{
    text_error to = {t->path, error, error_size};
    char *take = (char *)malloc(t->columns);
    char list[400] = "", rest[200] = "", names[200] = "", quote[TEXT_QUOTE];
    size_t count = 0;
    if (!take) return text_refuse(&to, "memory for its columns expected, none found");
    for (size_t j = 0; j < t->columns; j++) {
        take[j] = (char)frame_is_constant(t, j), count += take[j] != 0;
        if (take[j] && t->names)
            text_append(names, sizeof names, "%s\"%s\"", *names ? ", " : " (",
                        text_quote(t->names[j], strlen(t->names[j]), quote));
    }
    if (*names) text_append(names, sizeof names, ")");
    if (!table_ranges(t->source, take, t->columns, list, sizeof list))
        snprintf(list, sizeof list, "%lu of %lu", (unsigned long)count, (unsigned long)t->columns);
    for (size_t j = 0; j < t->columns; j++) take[j] = !take[j];
    if (text_append(rest, sizeof rest, "; --columns ") &&
        table_ranges(t->source, take, t->columns, rest, sizeof rest - 20))
        strcat(rest, count > 1 ? " leaves them out" : " leaves it out");
    else *rest = '\0';
    free(take);
    if (!count) return 0;
    return text_refuse(&to, "column%s %s%s: values that vary expected, one value found%s",
                       count > 1 ? "s" : "", list, names, rest);
}

typedef struct frame_key {
    double place;
    size_t row;
} frame_key;

static inline int frame_by_place(const void *a, const void *b)
{
    const frame_key *x = (const frame_key *)a, *y = (const frame_key *)b;
    if (x->place > y->place || x->place < y->place) return x->place > y->place ? 1 : -1;
    return (x->row > y->row) - (x->row < y->row);
}

/* The rows in an order drawn from the seed, which the caller frees; NULL without memory. Where a row comes
 * depends on nothing but the ranks of its values in their columns: identical rows come together, and neither
 * the order of the rows in the file nor the units of the columns changes who learns and who validates. */
static inline frame_key *table_order(const double *values, size_t rows, size_t columns, uint64_t seed)
{
    frame_key *key = (frame_key *)malloc(rows * sizeof *key);
    uint64_t *hash = (uint64_t *)malloc(rows * sizeof *hash);
    for (size_t i = 0; hash && i < rows; i++) hash[i] = FRAME_HASH;
    for (size_t j = 0; key && hash && j < columns; j++) {
        double rank = 0;
        for (size_t i = 0; i < rows; i++) key[i].place = values[i * columns + j], key[i].row = i;
        qsort(key, rows, sizeof *key, frame_by_place);
        for (size_t i = 0; i < rows; i++) {
            if (i > 0 && key[i].place > key[i - 1].place) rank = (double)i;
            hash[key[i].row] = frame_hash(hash[key[i].row], &rank, 1);
        }
    }
    for (size_t i = 0; key && hash && i < rows; i++) {
        itd_rng rng = itd_rng_make(seed, (uint64_t)0x73706C74 << 32); /* the letters "splt" */
        rng.counter = hash[i];
        key[i].place = itd_rng_uniform(&rng), key[i].row = i;
    }
    if (key && hash) qsort(key, rows, sizeof *key, frame_by_place);
    else free(key), key = NULL;
    free(hash);
    return key;
}

/* How many rows come before a cut of that order at a fraction, as nearly as identical rows, which stay on one
 * side, allow. */
static inline size_t table_cut(const frame_key *key, size_t rows, double fraction)
{
    double wanted = fraction * (double)rows, best = HUGE_VAL;
    size_t before = rows;
    for (size_t i = 1; i < rows; i++)
        if (key[i].place > key[i - 1].place && fabs((double)i - wanted) < best)
            best = fabs((double)i - wanted), before = i;
    return before;
}

#endif
