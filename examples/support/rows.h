/* rows.h: the rows of a table in the floats of a frame, with their numbers in the table, and the split of a
 * table into rows that teach, rows that choose, and rows that are measured.
 *
 *     row_set train, validation;
 *     size_t held = rows_split(&frame, &table, 0.1, seed, &train, &validation);
 *     row_set fresh = rows_of(&frame, &other, seed, 1);
 *
 * What cannot be ends the program with one line. Include the implementation of itdiff.h before this file. */
#ifndef ROWS_H
#define ROWS_H

#include "frame_text.h"
#include "learn.h"
#include "must.h"

typedef struct row_set {
    float *x;             /* (n,dim) */
    size_t n, *row;       /* (n) which row of the file it was, from 1 */
    size_t *kind;         /* (n) copies of rows, see copies.h; NULL: none */
    data_table unrounded; /* the same rows before noise, where more of it is to be drawn; else without rows */
} row_set;

static inline row_set rows_make(size_t n, size_t dim)
{
    row_set s;
    memset(&s, 0, sizeof s);
    s.n = n;
    s.x = (float *)must_alloc(n, dim * sizeof *s.x);
    s.row = (size_t *)must_alloc(n, sizeof *s.row);
    return s;
}

static inline void rows_free(row_set *s)
{
    free(s->x), free(s->row), free(s->kind), free(s->unrounded.values);
    memset(s, 0, sizeof *s);
}

/* The floats of all rows anew, with another draw of the noise over a rounding step. */
static inline void rows_draw(row_set *s, const data_frame *f, const data_table *t, uint64_t seed,
                             uint64_t draw)
{
    char error[TABLE_ERROR];
    frame_noise noise;
    noise.seed = seed, noise.draw = draw;
    if (frame_floats(f, t, &noise, s->x, error, sizeof error)) fail("%s", error);
}

static inline row_set rows_of(const data_frame *f, const data_table *t, uint64_t seed, uint64_t draw)
{
    row_set s = rows_make(t->rows, t->columns);
    rows_draw(&s, f, t, seed, draw);
    for (size_t i = 0; i < t->rows; i++) s.row[i] = table_number(t, i);
    return s;
}

/* The frame's columns of a file, or, before there is a frame (NULL), those that `columns` chooses; says how
 * many rows were left out. */
static inline data_table rows_read(const data_frame *f, const char *path, const char *columns, bool own,
                                   bool drops)
{
    char error[TABLE_ERROR];
    data_table t;
    int status = f ? frame_read(f, path, columns, own, drops, &t, error, sizeof error)
                   : table_read_by(path, table_choose_text, columns, drops, &t, error, sizeof error);
    if (status) fail("%s", error);
    if (t.rows < t.file_rows)
        warn("%s: %lu of its %lu rows are left out: a value is missing in them", path,
             (unsigned long)(t.file_rows - t.rows), (unsigned long)t.file_rows);
    return t;
}

/* The frame of a model from the file at `path`, or a plain one if it has none. */
static inline data_frame frame_of_model(const itd_model *m, const char *path)
{
    char error[TABLE_ERROR];
    const char *text = itd_model_note(m, "frame");
    data_frame f;
    if (!text && frame_plain(m->dim, &f)) fail("out of memory for %lu columns", (unsigned long)m->dim);
    if (text && frame_from_text(text, &f, error, sizeof error)) fail("%s: %s", path, error);
    if (f.columns != m->dim)
        fail("%s: a frame of %lu columns expected, of %lu found", path, (unsigned long)m->dim,
             (unsigned long)f.columns);
    return f;
}

static inline int frame_is_rounded(const data_frame *f)
{
    for (size_t j = 0; j < f->columns; j++)
        if (f->step[j] > 0) return 1;
    return 0;
}

/* "column 2 by 0.1, column 3 by 1, and 7 more" in `out`, which is returned. */
static inline const char *rows_steps(const data_frame *f, char *out, size_t size)
{
    enum { SHOWN = 5 };
    size_t found = 0;
    *out = '\0';
    for (size_t j = 0; j < f->columns; j++)
        if (f->step[j] > 0 && ++found <= SHOWN)
            text_append(out, size, "%scolumn %lu by %g", found > 1 ? ", " : "", (unsigned long)f->source[j],
                        f->step[j]);
    if (found > SHOWN) text_append(out, size, ", and %lu more", (unsigned long)(found - SHOWN));
    return out;
}

/* ---- copies of rows ---- */

/* Whether rows are equal by chance: all columns are rounded, to no more combinations of values than there are
   rows, or were in the table that the frame is of. Elsewhere equal rows are copies, for example of a join. */
static inline int rows_share_cells(const data_frame *f, const data_table *t)
{
    double cells = 1, rows = (double)(f->rows > t->rows ? f->rows : t->rows);
    for (size_t j = 0; j < f->columns && cells <= rows; j++) {
        double *sorted = f->step[j] > 0 ? frame_sorted(t, j) : NULL;
        if (!sorted) return 0;
        cells *= (double)frame_distinct(sorted, t->rows);
        free(sorted);
    }
    return cells <= rows;
}

/* Gives equal rows, neighbours in an order of table_order, places of their own but for the first, and orders
   the rows anew. */
static inline void rows_part_equals(frame_key *key, size_t rows, uint64_t seed)
{
    uint64_t bits, equal = 0;
    double before = -1;
    for (size_t i = 0; i < rows; i++) {
        itd_rng rng = itd_rng_make(seed, (uint64_t)0x6571756C << 32); /* the letters "equl" */
        equal = key[i].place > before ? 0 : equal + 1, before = key[i].place;
        memcpy(&bits, &before, sizeof bits);
        rng.counter = bits + equal * 0x9E3779B97F4A7C15u;
        if (equal) key[i].place = itd_rng_uniform(&rng);
    }
    qsort(key, rows, sizeof *key, frame_by_place);
}

/* The kinds of a table's rows, see copies.h, which the caller frees. NULL: there are no copies, as far as is
   known. */
static inline size_t *rows_kinds(const data_frame *f, const data_table *t)
{
    enum { MAX_ROWS = 1000000 }; /* of more it would take too long */
    int known = t->rows <= MAX_ROWS && !rows_share_cells(f, t);
    frame_key *key = known ? table_order(t->values, t->rows, t->columns, 0) : NULL;
    size_t first = 0, kinds = 0, *kind = key ? (size_t *)must_alloc(t->rows, sizeof *kind) : NULL;
    for (size_t i = 0; key && i < t->rows; i++) {
        if (i == 0 || key[i].place > key[i - 1].place) first = key[i].row, kinds++;
        kind[key[i].row] = first;
    }
    free(key);
    if (kinds == t->rows) free(kind), kind = NULL;
    return kind;
}

/* Keeps their values before noise, if they get any. */
static inline void rows_keep_unrounded(row_set *s, const data_frame *f, const data_table *t)
{
    data_table *own = &s->unrounded;
    if (!s->n || !frame_is_rounded(f)) return;
    own->rows = s->n, own->columns = t->columns;
    own->values = (double *)must_alloc(s->n, t->columns * sizeof *own->values);
    for (size_t i = 0; i < s->n; i++)
        memcpy(own->values + i * t->columns, t->values + table_index_of(t, s->row[i]) * t->columns,
               t->columns * sizeof *own->values);
}

/* ---- the split ---- */

static inline row_set rows_gather(const row_set *from, const frame_key *key, size_t n, size_t dim)
{
    row_set s = rows_make(n, dim);
    size_t kinds = 0;
    s.kind = (size_t *)must_alloc(n, sizeof *s.kind);
    for (size_t i = 0; i < n; i++) {
        memcpy(s.x + i * dim, from->x + key[i].row * dim, dim * sizeof *s.x);
        s.row[i] = from->row[key[i].row];
        s.kind[i] = i && !(key[i].place > key[i - 1].place) ? s.kind[i - 1] : i;
        kinds += s.kind[i] == i;
    }
    if (kinds == n) free(s.kind), s.kind = NULL;
    return s;
}

/* Ends the program if a column of the table has one value in all of these rows, which are to be learned:
   those with other values were not drawn, or floats cannot tell them apart. */
static inline void rows_must_vary(const row_set *s, const data_table *t)
{
    char error[TABLE_ERROR];
    data_table part = *t; /* the same columns, these rows */
    part.rows = s->n, part.values = (double *)must_alloc(s->n, t->columns * sizeof *part.values);
    for (size_t i = 0; i < s->n * t->columns; i++) part.values[i] = (double)s->x[i];
    if (table_refuse_constant(&part, error, sizeof error))
        fail("%s (among the %lu rows to learn from, in single precision)", error, (unsigned long)s->n);
    free(part.values);
}

/* Means and standard deviations of the columns, in one array (2,dim) that the caller frees. */
static inline double *rows_spread(const row_set *s, size_t dim)
{
    double *mean = (double *)must_alloc(2 * dim, sizeof *mean), *scale = mean + dim, n = (double)s->n;
    for (size_t k = 0; k < s->n * dim; k++) mean[k % dim] += (double)s->x[k] / n;
    for (size_t k = 0; k < s->n * dim; k++) scale[k % dim] += pow((double)s->x[k] - mean[k % dim], 2) / n;
    for (size_t j = 0; j < dim; j++) scale[j] = sqrt(scale[j]);
    return mean;
}

/* Ends the program if a value of these rows of the table is too many standard deviations of the training rows
   away from their mean for a float: a model cannot take it. */
static inline void rows_must_reach(const row_set *s, const data_table *t, const double *mean,
                                   const double *scale)
{
    char place[TABLE_PLACE], name[TABLE_NAME];
    for (size_t k = 0; k < s->n * t->columns; k++) {
        size_t i, j = k % t->columns;
        if (fabs((double)s->x[k] - mean[j]) <= 1e30 * scale[j]) continue;
        i = table_index_of(t, s->row[k / t->columns]);
        fail("%s: %s, %s: a value within 1e30 standard deviations of the rows that were learned expected, "
             "%g found",
             t->path, table_place(t, i, place), table_name(t, j, name), t->values[i * t->columns + j]);
    }
}

/* Splits off a fraction of the rows for validation, none if it is 0. Returns how many of the training rows
   choose, the last ones (see learn.h); copies stay together. */
static inline size_t rows_split(const data_frame *f, const data_table *t, double fraction, uint64_t seed,
                                row_set *train, row_set *validation)
{
    frame_key *key = table_order(t->values, t->rows, t->columns, seed);
    size_t n = t->rows, teaching;
    row_set all = rows_of(f, t, seed, 0);
    if (!key) fail("out of memory for the order of %lu rows", (unsigned long)t->rows);
    if (rows_share_cells(f, t)) rows_part_equals(key, t->rows, seed);
    if (fraction > 0) n = table_cut(key, t->rows, 1 - fraction);
    if (n < 4 && (1 - fraction) * (double)t->rows < 4)
        fail("%s: at least 4 rows to learn from expected, --validation leaves %lu", t->path,
             (unsigned long)n);
    teaching = table_cut(key, n, 1 - (double)learn_held(n) / (double)n);
    if (teaching >= n || (fraction > 0 && n == t->rows))
        fail("%s: %s kinds of rows expected, to learn from some and measure on others, fewer found", t->path,
             fraction > 0 ? "three" : "two");
    *train = rows_gather(&all, key, n, t->columns);
    if (fraction > 0) *validation = rows_gather(&all, key + n, t->rows - n, t->columns);
    free(key), rows_free(&all);
    return n - teaching;
}

#endif
