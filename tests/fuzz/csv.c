/* table_read_by, and what is made of its tables: frame_from_table and odd_tell. */
#include "fuzz.h"

#define ITDIFF_IMPLEMENTATION
#include "../../itdiff.h"

#include "../../examples/support/frame_text.h"
#include "../../examples/support/odd.h"

static void fuzz_line(void *context, const char *line)
{
    char text[ODD_LINE];
    (void)context;
    strcpy(text, line);
    fuzz_message(text, sizeof text);
}

/* A frame comes back from its text as it was, fits its own table, and gives its numbers back. */
static void fuzz_frame_of(data_table *t)
{
    char error[TABLE_ERROR] = "", *text, *again;
    data_frame f, g;
    REQUIRE(frame_from_table(t, &f, error, sizeof error) == 0);
    REQUIRE(frame_find_steps(&f, t, error, sizeof error) == 0);
    for (size_t j = 0; j < f.columns; j++) REQUIRE(f.step[j] >= 0 && f.step[j] - f.step[j] <= 0);
    text = frame_to_text(&f);
    REQUIRE(text && frame_from_text(text, &g, error, sizeof error) == 0);
    again = frame_to_text(&g);
    REQUIRE(again && strcmp(text, again) == 0);
    if (frame_match(&g, t, error, sizeof error) == 0) REQUIRE(t->columns == f.columns);
    else fuzz_message(error, sizeof error);
    free(text), free(again), frame_free(&f), frame_free(&g);
}

static void fuzz_table(const data_table *t, size_t size)
{
    frame_key *key = table_order(t->values, t->rows, t->columns, 1);
    size_t training;
    REQUIRE(t->rows > 0 && t->columns > 0 && t->columns <= t->file_columns && key);
    REQUIRE(t->rows <= size && t->columns <= size);
    for (size_t i = 0; i < t->rows * t->columns; i++) REQUIRE(t->values[i] - t->values[i] <= 0); /* finite */
    for (size_t i = 1; t->line && i < t->rows; i++) REQUIRE(t->line[i] > t->line[i - 1]);
    for (size_t i = 0; i < t->rows; i++) REQUIRE(table_index_of(t, table_number(t, i)) == i);
    REQUIRE(table_number(t, t->rows - 1) <= t->file_rows && (t->number || t->rows == t->file_rows));
    training = table_cut(key, t->rows, 0.9);
    REQUIRE(training >= 1 && training <= t->rows);
    REQUIRE(odd_tell(t, fuzz_line, NULL) >= 0);
    free(key);
}

static int fuzz_csv(const uint8_t *bytes, size_t size)
{
    static const char *const columns[] = {NULL, "1", "2-3,1", "x", "y,x"};
    data_table t = {0};
    char error[TABLE_ERROR] = "";
    bool drops = size / 5 % 2;
    fuzz_file_set(bytes, size);
    if (!table_read_by("file", table_choose_text, columns[size % 5], drops, &t, error, sizeof error)) {
        REQUIRE(!*error);
        fuzz_table(&t, size);
        fuzz_frame_of(&t);
    } else {
        REQUIRE(!t.values && !t.names && !t.source && !t.number);
        fuzz_message(error, sizeof error);
    }
    table_free(&t);
    return 0;
}

static size_t seed_csv(size_t k, uint8_t *out)
{
    (void)k, (void)out;
    return 0;
}
