/* Tests of examples/support/frame.h, frame_text.h and odd.h: what is made of tables before a density is
 * learned. */
#include "../examples/support/system.h"

#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "../examples/support/frame_text.h"
#include "../examples/support/odd.h"
#include "test.h"

static const char path[] = "build/test_frame.csv";
static char message[TABLE_ERROR];

static int equal(double a, double b) { return !(a < b) && !(a > b) && !isnan(a) && !isnan(b); }

/* A table as it is read from this text. */
static data_table read_text(const char *text)
{
    data_table t = {0};
    FILE *file = fopen(path, "wb");
    if (CHECK(file != NULL)) {
        CHECK(fputs(text, file) >= 0 && fclose(file) == 0);
        if (!CHECK(table_read(path, NULL, &t, message, sizeof message) == 0)) printf("  %s\n", message);
    }
    return t;
}

/* A table of these numbers, without names; it borrows them. */
static data_table table_of(double *values, size_t rows, size_t columns)
{
    static size_t line[100000], source[100];
    static char name[] = "table";
    data_table t = {0};
    for (size_t i = 0; i < rows; i++) line[i] = i + 1;
    for (size_t j = 0; j < columns; j++) source[j] = j + 1;
    t.rows = rows, t.columns = t.file_columns = columns, t.values = values;
    t.source = source, t.line = line, t.path = name;
    return t;
}

static data_frame frame_of(const data_table *t)
{
    data_frame f;
    if (!CHECK(frame_from_table(t, &f, message, sizeof message) == 0)) exit(1);
    return f;
}

/* ---- doubles to floats and back ---- */

/* Seconds of a day in 2023, of which a float alone keeps none below 64. */
static void time_stamps_keep_their_digits(void)
{
    enum { rows = 1000 };
    static double values[rows], back[rows];
    static float x[rows];
    itd_rng rng = itd_rng_make(1, 0);
    data_table t = table_of(values, rows, 1);
    data_frame f;
    double worst = 0;
    for (int i = 0; i < rows; i++) values[i] = 1.7e9 + 3600 * itd_rng_uniform(&rng);
    f = frame_of(&t);
    CHECK(frame_floats(&f, &t, NULL, x, message, sizeof message) == 0);
    frame_restore(&f, x, rows, back);
    for (int i = 0; i < rows; i++) worst = fmax(worst, fabs(back[i] - values[i]));
    CHECK(worst < 3600 * 0.5 * (double)FLT_EPSILON + 1e-6);
    CHECK(equal(x[0], (double)(float)(values[0] - f.offset[0])) && fabs(f.offset[0] - 1.7e9) < 3600);
    frame_free(&f);
}

/* The median stays where the rows are, whatever a few of them do. */
static void offsets_are_medians(void)
{
    double values[] = {3, 1e300, 2, 1, -5};
    data_table t = table_of(values, 5, 1);
    data_frame f = frame_of(&t);
    float x[5];
    CHECK(equal(f.offset[0], 2) && equal(f.step[0], 0) && f.rows == 5 && f.columns == 1 && !f.names);
    CHECK(frame_floats(&f, &t, NULL, x, message, sizeof message) != 0);
    CHECK(!strcmp(message,
                  "table: row 2 (line 2), column 1: a number within 3.4e38 of 2 expected, 1e+300 found"));
    values[1] = 3e38;
    CHECK(frame_floats(&f, &t, NULL, x, message, sizeof message) == 0 && equal(x[0], 1) && equal(x[4], -7));
    frame_free(&f);
}

static void plain_frames_change_nothing(void)
{
    double values[] = {1.1, -2, 3e30, 4};
    data_table t = table_of(values, 2, 2);
    data_frame f;
    float x[4];
    CHECK(frame_plain(2, &f) == 0 && frame_floats(&f, &t, NULL, x, message, sizeof message) == 0);
    for (int i = 0; i < 4; i++) CHECK(equal(x[i], (double)(float)values[i]));
    frame_free(&f);
    CHECK(frame_plain(3, &f) == 0 && frame_floats(&f, &t, NULL, x, message, sizeof message) != 0);
    CHECK(!strcmp(message, "table: 3 columns expected, 2 found"));
    frame_free(&f);
}

/* ---- rounded columns ---- */

/* The step of n draws of a law, rounded to multiples of `step` from `origin` on. */
static double step_of(double scale, double origin, double step, size_t n, int narrow)
{
    static double values[10000];
    itd_rng rng = itd_rng_make(7, 0);
    data_table t = table_of(values, n, 1);
    data_frame f;
    double found;
    for (size_t i = 0; i < n; i++) {
        values[i] = origin + frame_multiple(floor(scale / step * itd_rng_normal(&rng) + 0.5), step);
        if (narrow) values[i] = (double)(float)values[i];
    }
    f = frame_of(&t);
    CHECK(frame_find_steps(&f, &t, message, sizeof message) == 0);
    found = f.step[0];
    frame_free(&f);
    return found;
}

static void steps_are_found(void)
{
    CHECK_CLOSE(step_of(10, 0, 1, 1000, 0), 1, 0);
    CHECK_CLOSE(step_of(10, 40, 0.5, 1000, 0), 0.5, 0);
    CHECK_CLOSE(step_of(1, 0, 0.1, 1000, 0), 0.1, 0);
    CHECK_CLOSE(step_of(1, 37, 0.01, 10000, 0), 0.01, 0);
    CHECK_CLOSE(step_of(1, 0.005, 0.01, 10000, 0), 0.01, 1e-15);
    CHECK_CLOSE(step_of(1e4, 0, 250, 1000, 0), 250, 0);
    CHECK_CLOSE(step_of(1, 0, 1.0 / 256, 10000, 0), 1.0 / 256, 0);
    CHECK_CLOSE(step_of(0.2, 1700000000, 0.01, 1000, 0), 0.01, 1e-7);
    CHECK_CLOSE(step_of(1, 37, 0.1, 1000, 1), 0.1, 0);
    CHECK_CLOSE(step_of(1, 2050, 0.1, 1000, 1), 0.1, 0); /* floats, each up to 1.2e-3 of a step off */
    CHECK_CLOSE(step_of(1e-7, 0, 1e-8, 1000, 0), 1e-8, 0);
    CHECK_CLOSE(step_of(1e17, 0, 1e16, 1000, 0), 1e16, 0);
}

/* Doses, coins and prices: no two of them are neighbours, so that the step is less than any gap. */
static void steps_below_all_gaps_are_found(void)
{
    const double doses[] = {0, 2, 5}, coins[] = {10, 25, 50}, prices[] = {0.49, 0.95, 0.99, 1.49};
    const double roots[] = {0, sqrt(2), sqrt(5), sqrt(7)}, negative[] = {-7, -2, 4},
                 vast[] = {-1.5e308, 1, 1.5e308}, close[] = {1e15, 1e15 + 1, 3.5e15};
    CHECK_CLOSE(frame_step(doses, 3, 30), 1, 0);
    CHECK_CLOSE(frame_step(coins, 3, 30), 5, 0);
    CHECK_CLOSE(frame_step(prices, 4, 40), 0.02, 0);
    CHECK_CLOSE(frame_step(negative, 3, 30), 1, 0);
    CHECK_CLOSE(frame_step(roots, 4, 40), 0, 0);
    CHECK_CLOSE(frame_step(vast, 3, 30), 0, 0);
    CHECK_CLOSE(frame_step(close, 3, 30), 0, 0);
}

/* Years of age, standardized and written with six digits: multiples of 1/7.3 but for the rounding. */
static void steps_of_scaled_columns_are_found(void)
{
    static double values[1000];
    itd_rng rng = itd_rng_make(8, 0);
    data_table t = table_of(values, 1000, 1);
    data_frame f;
    for (size_t i = 0; i < 1000; i++) {
        double years = floor(41.3 + 7.3 * itd_rng_normal(&rng) + 0.5);
        values[i] = floor(1e6 * (years - 41.3) / 7.3 + 0.5) / 1e6;
    }
    f = frame_of(&t);
    CHECK(frame_find_steps(&f, &t, message, sizeof message) == 0);
    CHECK_CLOSE(f.step[0], 1 / 7.3, 1e-5);
    frame_free(&f);
}

static void unrounded_columns_have_no_step(void)
{
    static double values[2000];
    itd_rng rng = itd_rng_make(2, 0);
    data_table t = table_of(values, 2000, 1);
    data_frame f;
    CHECK_CLOSE(step_of(1, 0, 1e-12, 10000, 0), 0, 0); /* all different */
    CHECK_CLOSE(step_of(1, 0, 0.01, 100, 0), 0, 0);    /* most of them different */
    for (size_t i = 0; i < 2000; i++)
        values[i] = i < 500 ? itd_rng_normal(&rng) : values[i - 500]; /* each 4 times */
    f = frame_of(&t);
    CHECK(frame_find_steps(&f, &t, message, sizeof message) == 0 && equal(f.step[0], 0));
    for (size_t i = 0; i < 2000; i++) values[i] = 3; /* all the same */
    CHECK(frame_find_steps(&f, &t, message, sizeof message) == 0 && equal(f.step[0], 0));
    frame_free(&f);
}

/* Every multiple of a step comes back from a float to the double that its decimal text stands for; with noise
 * as well, unless a float, which is 2^-19 of a step off here, rounds it over the half: one of 10^6 does. */
static void rounded_values_come_back(void)
{
    static const double steps[] = {1, 0.1, 0.01, 0.25, 1e-6, 7, 1000};
    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
        enum { rows = 1000 };
        static double values[rows], back[rows];
        static float x[rows];
        data_table t = table_of(values, rows, 1);
        data_frame f;
        frame_noise noise = {5, 0};
        int wrong = 0;
        for (int i = 0; i < rows; i++) values[i] = frame_multiple(i % 91 - 30, steps[s]);
        f = frame_of(&t);
        CHECK(frame_find_steps(&f, &t, message, sizeof message) == 0);
        CHECK_CLOSE(f.step[0], steps[s], 0);
        for (noise.draw = 0; noise.draw < 3; noise.draw++) {
            CHECK(frame_floats(&f, &t, noise.draw ? &noise : NULL, x, message, sizeof message) == 0);
            frame_restore(&f, x, t.rows, back);
            for (size_t i = 0; i < t.rows; i++) wrong += !equal(back[i], values[i]);
        }
        CHECK(wrong == 0);
        frame_free(&f);
    }
}

/* A step of a fraction of the offset: the values are those multiples of the step away from it. */
static void steps_beside_the_offset(void)
{
    double values[] = {0.3, 1.3, 2.3, 3.3, 0.3, 1.3, 2.3, 3.3}, back[8];
    float x[8];
    data_table t = table_of(values, 8, 1);
    data_frame f = frame_of(&t);
    CHECK(frame_find_steps(&f, &t, message, sizeof message) == 0 && equal(f.step[0], 1));
    CHECK(frame_floats(&f, &t, NULL, x, message, sizeof message) == 0);
    for (size_t i = 0; i < 8; i++) x[i] += 0.4f;
    frame_restore(&f, x, 8, back);
    for (size_t i = 0; i < 8; i++) CHECK_CLOSE(back[i], values[i], 1e-12);
    CHECK(equal(frame_multiple(3, 1e-20), 3 * 1e-20) && equal(frame_multiple(3, 0.3), 3 * 0.3));
    frame_free(&f);
}

/* Uniform over one step: mean 0 and variance step^2 / 12, each within five standard errors, nothing outside;
 * a function of seed, draw, row and column. */
static void noise_is_uniform_and_repeatable(void)
{
    enum { rows = 50000, columns = 2, n = rows * columns };
    static double values[n];
    static float x[n], again[n];
    data_table t = table_of(values, rows, columns);
    frame_noise noise = {9, 4}, seed = {10, 4}, draw = {9, 5};
    double sum = 0, squares = 0, largest = 0;
    data_frame f;
    CHECK(frame_plain(columns, &f) == 0);
    f.step[0] = 2;
    const float rounded = 0.3f; /* a constant may have more digits, a variable has not */
    for (size_t i = 0; i < n; i++) values[i] = i % 2 ? 0.3 : 8;
    CHECK(frame_floats(&f, &t, &noise, x, message, sizeof message) == 0);
    for (size_t i = 0; i < n; i += 2) {
        double u = (double)x[i] - 8;
        sum += u, squares += u * u, largest = fmax(largest, fabs(u));
        CHECK(equal(x[i + 1], (double)rounded));
    }
    CHECK_CLOSE(sum / rows, 0, 5 * sqrt(4.0 / 12 / rows));
    CHECK_CLOSE(squares / rows, 4.0 / 12,
                5 * sqrt(16 * (1.0 / 80 - 1.0 / 144) / rows)); /* E u^4 = step^4 / 80 */
    CHECK(largest <= 1 && largest > 0.999);
    CHECK(frame_floats(&f, &t, &noise, again, message, sizeof message) == 0 && !memcmp(x, again, sizeof x));
    CHECK(frame_floats(&f, &t, &seed, again, message, sizeof message) == 0 && memcmp(x, again, sizeof x));
    CHECK(frame_floats(&f, &t, &draw, again, message, sizeof message) == 0 && memcmp(x, again, sizeof x));
    CHECK(frame_floats(&f, &t, NULL, again, message, sizeof message) == 0 && equal(again[0], 8));
    t.rows = 100; /* fewer rows have the same noise */
    CHECK(frame_floats(&f, &t, &noise, again, message, sizeof message) == 0 &&
          !memcmp(x, again, 200 * sizeof *x));
    frame_free(&f);
}

/* ---- the same columns of another table ---- */

/* Reads a text as the columns of a frame; the numbers of the first row, or the line of refusal. */
static const char *read_as(const data_frame *f, const char *text, const char *columns)
{
    static char numbers[200];
    data_table t = {0};
    FILE *file = fopen(path, "wb");
    if (!CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0)) return "";
    if (frame_read(f, path, columns, true, false, &t, message, sizeof message))
        return message + strlen(path) + 2;
    numbers[0] = '\0';
    for (size_t j = 0; j < t.columns; j++) text_append(numbers, sizeof numbers, "%g ", t.values[j]);
    table_free(&t);
    return numbers;
}

static void columns_are_found_again(void)
{
    data_table t = read_text("id,x,y,kind\n0,1,2,7\n1,3,4,8\n");
    data_frame f;
    table_free(&t);
    CHECK(table_read(path, "y,x", &t, message, sizeof message) == 0);
    f = frame_of(&t);
    CHECK(!strcmp(read_as(&f, "id,x,y,kind\n5,6,7,cat\n", NULL), "7 6 "));
    CHECK(!strcmp(read_as(&f, "y,z,x\n5,,7\n", NULL), "5 7 "));
    CHECK(!strcmp(read_as(&f, "x,y\n5,6\n", NULL), "6 5 "));
    CHECK(!strcmp(read_as(&f, "5,6\n", NULL), "5 6 "));
    CHECK(!strcmp(read_as(&f, "5,6,7,8\n", NULL), "7 6 "));
    CHECK(!strcmp(read_as(&f, "p,q\n5,6\n", NULL),
                  "a column named \"y\" expected, as in the table of the model, no such names found; "
                  "--columns takes them by their places"));
    CHECK(!strcmp(read_as(&f, "p,q\n5,6\n", "1-2"), "5 6 "));
    CHECK(!strcmp(read_as(&f, "p,q,r\n5,6,7\n", "3,1"), "7 5 "));
    CHECK(!strcmp(read_as(&f, "x,y,r\n5,6,7\n", "1-3"), "6 5 "));
    CHECK(!strcmp(read_as(&f, "x,z\n5,6\n", NULL),
                  "a column named \"y\" expected once, as in the table of the model, not found"));
    CHECK(!strcmp(read_as(&f, "x,y,y\n5,6,7\n", NULL),
                  "a column named \"y\" expected once, as in the table of the model, not found"));
    CHECK(!strcmp(read_as(&f, "5,6,7\n", NULL),
                  "2 columns expected, as the model has, 3 found; --columns chooses"));
    CHECK(!strcmp(read_as(&f, "p,q,r\n5,6,7\n", "p"),
                  "2 columns expected, as the model has, 1 found; --columns chooses"));
    frame_free(&f), table_free(&t);
    t = read_text("1\n3\n"), f = frame_of(&t); /* one column without a name */
    CHECK(!strcmp(read_as(&f, "p\n5\n", NULL), "5 "));
    CHECK(!strcmp(read_as(&f, "5,6\n", NULL),
                  "1 column expected, as the model has, 2 found; --columns chooses"));
    frame_free(&f), table_free(&t);
}

/* --columns was said of the first file: another one's are found by its names, if it has them. */
static void columns_chosen_of_another_file(void)
{
    static const char *const texts[] = {"id,y,x\n5,6,7\n", "id,b,c\n5,6,7\n", "5,6,7\n", "id,x,w\n5,6,7\n"};
    static const double first[] = {7, 6, 6};
    data_table t = read_text("id,x,y\n0,1,2\n1,3,4\n"), other;
    data_frame f;
    table_free(&t);
    if (!CHECK(table_read(path, "2-3", &t, message, sizeof message) == 0)) return;
    f = frame_of(&t);
    for (size_t i = 0; i < 4; i++) {
        int status;
        other = read_text(texts[i]), table_free(&other); /* the file */
        status = frame_read(&f, path, "2-3", false, false, &other, message, sizeof message);
        CHECK((status == 0) == (i < 3));
        if (status) continue;
        CHECK(other.columns == 2 && equal(other.values[0], first[i]));
        table_free(&other);
    }
    frame_free(&f), table_free(&t);
}

/* A frame that asks for a column twice, as no table gives one, gets it twice and does no harm. */
static void a_column_asked_for_twice(void)
{
    static const char text[] =
        "frame 1 rows 6 checksum 0123456789abcdef file 2 columns 2 | 1 0 0 :x | 1 0 0 :x";
    data_table t = read_text("x,y\n1,2\n3,4\n");
    data_frame f;
    CHECK(frame_from_text(text, &f, message, sizeof message) == 0);
    CHECK(frame_match(&f, &t, message, sizeof message) == 0 && t.columns == 2 && equal(t.values[3], 3));
    CHECK(t.names && t.names[1] && !strcmp(t.names[1], "x"));
    CHECK(!strcmp(read_as(&f, "x,y\n5,6\n", NULL), "5 5 "));
    frame_free(&f), table_free(&t);
}

/* Of columns with the same name the first is the first, in every file that has as many. */
static void names_that_repeat(void)
{
    data_table t = read_text("x,y,x\n1,2,3\n3,4,8\n");
    data_frame f = frame_of(&t);
    CHECK(!strcmp(read_as(&f, "x,x,y\n5,6,7\n", NULL), "5 7 6 "));
    CHECK(strstr(read_as(&f, "x,y,z\n5,6,7\n", NULL), "\"x\" expected as often, as in the table") != NULL);
    CHECK(strstr(read_as(&f, "x,x,y,x\n5,6,7,8\n", NULL), "\"x\" expected as often, as in the") != NULL);
    frame_free(&f), table_free(&t);
    t = read_text("x,y,x\n1,2,3\n3,4,8\n"), table_free(&t); /* the file */
    if (!CHECK(table_read(path, "3,1", &t, message, sizeof message) == 0)) return;
    f = frame_of(&t); /* the second first, and so it is in another file */
    CHECK(!strcmp(read_as(&f, "x,x,y\n5,6,7\n", NULL), "6 5 "));
    frame_free(&f), table_free(&t);
}

/* ---- as text ---- */

static void frames_come_back_from_text(void)
{
    data_table t = read_text(
        "\"a b\",\"50 % | \"\"x\"\"\",\xC3\xA4\\,\n1e-300,0.1,1700000000.1,4\n1e-301,0.2,3,5\n");
    data_frame f = frame_of(&t), g;
    char *text, *again;
    f.step[1] = 0.1, f.offset[0] = -1.7976931348623157e308;
    text = frame_to_text(&f);
    if (!CHECK(text != NULL)) return;
    for (const char *at = text; *at; at++) CHECK(*at >= ' ' && *at <= '~' && *at != '"' && *at != '\\');
    CHECK(frame_from_text(text, &g, message, sizeof message) == 0);
    CHECK(g.columns == 4 && g.rows == 2 && g.checksum == table_checksum(&t) && g.file_columns == 4);
    for (size_t j = 0; j < 4; j++) {
        CHECK(!strcmp(g.names[j], f.names[j]) && g.source[j] == j + 1);
        CHECK(equal(g.offset[j], f.offset[j]) && equal(g.step[j], f.step[j]));
    }
    again = frame_to_text(&g);
    CHECK(again && !strcmp(text, again));
    free(text), free(again), frame_free(&f), frame_free(&g), table_free(&t);
}

static void the_text_of_a_frame(void)
{
    data_table t = read_text("1.5,2\n2.5,3\n3.5,5\n");
    data_frame f = frame_of(&t);
    char *text = frame_to_text(&f);
    CHECK(text && strstr(text, "frame 1 rows 3 checksum ") == text);
    CHECK(text &&
          strstr(text, " file 2 columns 2 | 1 2.5000000000000000e+00 0.0000000000000000e+00 - | 2 3.0000"));
    free(text), frame_free(&f), table_free(&t);
}

static void hostile_texts_are_refused(void)
{
#define BEGIN "frame 1 rows 6 checksum 0123456789abcdef "
    static const char *const texts[] = {
        "",
        "frame",
        "frame 2 rows 6 checksum 0123456789abcdef file 1 columns 1 | 1 0 0 -",
        "frame 1 rows -6 checksum 0123456789abcdef file 1 columns 1 | 1 0 0 -",
        "frame 1 rows 6 checksum 0123456789abcde file 1 columns 1 | 1 0 0 -",
        "frame 1 rows 6 checksum 0123456789abcdeg file 1 columns 1 | 1 0 0 -",
        BEGIN "file 0 columns 0",
        BEGIN "file 1 columns 2 | 1 0 0 - | 1 0 0 -",
        BEGIN "file 18446744073709551615 columns 18446744073709551615 | 1 0 0 -",
        BEGIN "file 18446744073709551616 columns 1 | 1 0 0 -",
        BEGIN "file 1 columns 1 | 2 0 0 -",
        BEGIN "file 1 columns 1 | 0 0 0 -",
        BEGIN "file 1 columns 1 | 1 nan 0 -",
        BEGIN "file 1 columns 1 | 1 1e999 0 -",
        BEGIN "file 1 columns 1 | 1 0 -1 -",
        BEGIN "file 1 columns 1 | 1 0 0",
        BEGIN "file 1 columns 1 | 1 0 0 x",
        BEGIN "file 1 columns 1 | 1 0 0 - | 1 0 0 -",
        BEGIN "file 2 columns 2 | 1 0 0 - | 2 0 0 :x",
        BEGIN "file 2 columns 2 | 1 0 0 :x | 2 0 0 -",
        BEGIN "file 2 columns 2 | 1 0 0 :x",
    };
    data_frame f;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        CHECK(frame_from_text(texts[i], &f, message, sizeof message) != 0 && !f.names && !f.source);
        if (!CHECK(strstr(message, "frame: its columns expected as they were written") == message))
            printf("  %s: %s\n", texts[i], message);
    }
    CHECK(frame_from_text(BEGIN "file 1 columns 1 | 1 0 0 :%0A%1b[x%C3%A4%FF%", &f, message,
                          sizeof message) == 0);
    CHECK(f.names && !strcmp(f.names[0], "??[x\xC3\xA4?%"));
    frame_free(&f);
#undef BEGIN
}

/* FNV-1a of 64 bits of the bytes of 1.0, by hand: 00 00 00 00 00 00 f0 3f. */
static void checksums(void)
{
    static const unsigned char one[] = {0, 0, 0, 0, 0, 0, 0xF0, 0x3F};
    uint64_t expected = 14695981039346656037u;
    double values[] = {1, 2, 3, 4}, zeros[2] = {0.0, -0.0};
    data_table t = table_of(values, 2, 2);
    uint64_t before = table_checksum(&t);
    for (int i = 0; i < 8; i++) expected = (expected ^ one[i]) * 1099511628211u;
    CHECK(frame_hash(FRAME_HASH, values, 1) == expected);
    CHECK(frame_hash(FRAME_HASH, zeros, 1) == frame_hash(FRAME_HASH, zeros + 1, 1));
    values[3] = 4.0000000000000009;
    CHECK(table_checksum(&t) != before);
    values[3] = 4;
    CHECK(table_checksum(&t) == before);
    t.columns = 4, t.rows = 1;
    CHECK(table_checksum(&t) != before);
}

/* ---- before training ---- */

static void constant_columns_are_refused(void)
{
    data_table t = read_text("a,b,c,d,e\n1,2,3,4,5\n1,2,4,4,6\n");
    CHECK(table_refuse_constant(&t, message, sizeof message) != 0);
    CHECK(!strcmp(message + strlen(path),
                  ": columns 1-2,4 (\"a\", \"b\", \"d\"): values that vary expected, one value "
                  "found; --columns 3,5 leaves them out"));
    table_free(&t);
    CHECK(table_read(path, "3,4", &t, message, sizeof message) == 0);
    CHECK(table_refuse_constant(&t, message, sizeof message) != 0);
    CHECK(!strcmp(message + strlen(path),
                  ": column 4 (\"d\"): values that vary expected, one value found; --columns 3 "
                  "leaves it out"));
    table_free(&t);
    CHECK(table_read(path, "3,5", &t, message, sizeof message) == 0);
    CHECK(table_refuse_constant(&t, message, sizeof message) == 0);
    table_free(&t);
    t = read_text("1\n1\n");
    CHECK(table_refuse_constant(&t, message, sizeof message) != 0);
    CHECK(!strcmp(message + strlen(path), ": column 1: values that vary expected, one value found"));
    table_free(&t);
}

/* More than a line can name are counted. */
static void many_constant_columns_are_counted(void)
{
    enum { columns = 1000 };
    static double values[2 * columns];
    static size_t source[columns];
    data_table t = table_of(values, 2, 1);
    t.columns = t.file_columns = columns, t.source = source;
    for (size_t j = 0; j < columns; j++) source[j] = j + 1, values[columns + j] = (double)(j % 2);
    CHECK(table_refuse_constant(&t, message, sizeof message) != 0);
    CHECK(!strcmp(message, "table: columns 500 of 1000: values that vary expected, one value found"));
}

/* Order and cut at once. */
static size_t split(const double *values, size_t rows, size_t columns, double fraction, uint64_t seed,
                    size_t *index)
{
    frame_key *key = table_order(values, rows, columns, seed);
    size_t before = table_cut(key, rows, fraction);
    for (size_t i = 0; i < rows; i++) index[i] = key[i].row;
    free(key);
    return before;
}

/* Rows of which many are the same: each kind on one side, the fraction nearly met. */
static void identical_rows_stay_together(void)
{
    enum { rows = 3000, columns = 2 };
    static double values[rows * columns];
    static size_t index[rows], again[rows];
    static int side[1000];
    itd_rng rng = itd_rng_make(4, 0);
    size_t training, other;
    int torn = 0, seen = 0;
    for (size_t i = 0; i < rows; i++) {
        uint64_t kind = itd_rng_below(&rng, 1000);
        values[2 * i] = (double)(kind % 10), values[2 * i + 1] = (double)(kind / 10);
    }
    training = split(values, rows, columns, 0.9, 11, index);
    CHECK(training >= 2690 && training <= 2710);
    for (size_t i = 0; i < rows; i++) {
        size_t kind = (size_t)(values[2 * index[i]] + 10 * values[2 * index[i] + 1]);
        int here = i < training ? 1 : 2;
        torn += side[kind] && side[kind] != here;
        side[kind] = here, again[index[i]] = 1;
    }
    for (size_t i = 0; i < rows; i++) seen += again[i] == 1;
    CHECK(torn == 0 && seen == rows);
    other = split(values, rows, columns, 0.9, 12, again);
    CHECK(other <= rows && memcmp(index, again, sizeof index) != 0);
    CHECK(split(values, rows, columns, 0.9, 11, again) == training && !memcmp(index, again, sizeof index));
}

/* Other units, and the rows from last to first: the same rows come first. */
static void splits_depend_on_ranks_alone(void)
{
    enum { rows = 500, columns = 3 };
    static double values[rows * columns], scaled[rows * columns], turned[rows * columns];
    static size_t index[rows], again[rows];
    itd_rng rng = itd_rng_make(8, 1);
    int differ = 0;
    for (size_t i = 0; i < rows * columns; i++) {
        size_t row = i / columns, j = i % columns;
        values[i] = itd_rng_normal(&rng);
        scaled[i] = 1.7e9 + 1e5 * (double)(j + 1) * values[i];
        turned[(rows - 1 - row) * columns + j] = values[i];
    }
    split(values, rows, columns, 0.9, 3, index);
    split(scaled, rows, columns, 0.9, 3, again);
    CHECK(!memcmp(index, again, sizeof index));
    split(turned, rows, columns, 0.9, 3, again);
    for (size_t i = 0; i < rows; i++) differ += again[i] != rows - 1 - index[i];
    CHECK(differ == 0);
}

static void splits_of_few_rows(void)
{
    double values[] = {1, 2, 3, 4, 4, 4, 4, 4, 4, 4};
    size_t index[10];
    CHECK(split(values, 2, 1, 0.9, 1, index) == 1);
    CHECK(split(values, 3, 1, 0.9, 1, index) == 2);
    CHECK(split(values, 1, 1, 0.9, 1, index) == 1);
    CHECK(split(values + 3, 7, 1, 0.9, 1, index) == 7); /* all the same */
    for (uint64_t seed = 0; seed < 100; seed++) {
        size_t training = split(values, 10, 1, 0.9, seed, index), fours = 0;
        for (size_t i = 0; i < training; i++) fours += index[i] >= 3;
        CHECK(training >= 1 && training <= 9 && (fours == 0 || fours == 7));
    }
}

/* Of 1,000 different rows each is for validation as often as the fraction says, within five standard errors,
 * over 400 seeds. */
static void splits_are_random(void)
{
    enum { rows = 1000, seeds = 400 };
    static double values[rows];
    static size_t index[rows];
    static int chosen[rows];
    int worst = 0;
    for (size_t i = 0; i < rows; i++) values[i] = (double)i;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        CHECK(split(values, rows, 1, 0.8, seed, index) == 800);
        for (size_t i = 800; i < rows; i++) chosen[index[i]]++;
    }
    for (size_t i = 0; i < rows; i++)
        if (abs(chosen[i] - seeds / 5) > worst) worst = abs(chosen[i] - seeds / 5);
    CHECK(worst < 5 * sqrt(seeds * 0.2 * 0.8));
}

/* ---- what is odd ---- */

static char told[4000];

static void tell(void *context, const char *line)
{
    (void)context;
    text_append(told, sizeof told, "%s\n", line);
}

static const char *odd_in(const data_table *t)
{
    told[0] = '\0';
    CHECK(odd_tell(t, tell, NULL) >= 0);
    return told;
}

static int says(const char *expected)
{
    int right = strcmp(told, expected) == 0;
    if (!right) printf("  expected %s     found %s", expected, told);
    return right;
}

static double normal_of(itd_rng *rng) { return itd_rng_normal(rng); }
static double lognormal_of(itd_rng *rng) { return exp(itd_rng_normal(rng)); }
static double uniform_of(itd_rng *rng) { return itd_rng_uniform(rng); }
static double student_of(itd_rng *rng)
{
    double z = itd_rng_normal(rng), squares = 0;
    for (int i = 0; i < 5; i++) {
        double y = itd_rng_normal(rng);
        squares += y * y;
    }
    return z / sqrt(squares / 5);
}

/* Over 200 tables of each of four laws nothing is odd, but for a stray lognormal row in a few. */
static void ordinary_data_are_not_odd(void)
{
    static double (*const laws[])(itd_rng *) = {normal_of, uniform_of, student_of, lognormal_of};
    static double values[2000];
    for (size_t law = 0; law < 4; law++) {
        itd_rng rng = itd_rng_make(law, 1);
        int lines = 0;
        for (int k = 0; k < 200; k++) {
            data_table t = table_of(values, 1000, 2);
            for (size_t i = 0; i < 2000; i++) values[i] = laws[law](&rng);
            odd_in(&t);
            lines += *told != '\0';
        }
        if (!CHECK(lines <= (law == 3 ? 2 : 0))) printf("  law %lu: %d of 200\n", (unsigned long)law, lines);
    }
}

static void far_rows_are_told(void)
{
    static double values[2000];
    itd_rng rng = itd_rng_make(3, 1);
    data_table t = table_of(values, 1000, 2);
    static const double far[] = {1e6, -999, 1e300, 100};
    for (size_t k = 0; k < 4; k++) {
        for (size_t i = 0; i < 2000; i++) values[i] = itd_rng_normal(&rng);
        values[2 * 30 + 1] = far[k];
        odd_in(&t);
        CHECK(strstr(told, "column 2: 1 row far outside, half of them all between -0.") == told);
        CHECK(strstr(told, ": row 31 (line 31), ") && strchr(told, '\n') == told + strlen(told) - 1);
    }
    for (size_t i = 100; i < 108; i++) values[2 * i] = -999;
    odd_in(&t);
    CHECK(strstr(told, "column 1: 8 rows far outside") == told);
    CHECK(strstr(told, ": row 101 (line 101), -999; row 102 (line 102), -999; ") != NULL);
    CHECK(strstr(told, "; row 105 (line 105), -999; ...\n") != NULL);
    t.line = NULL; /* as of an array */
    odd_in(&t);
    CHECK(strstr(told, ": row 101, -999; row 102, -999; ") != NULL);
}

static void index_columns_are_told(void)
{
    data_table t = read_text(",x,y\n0,1.5,3.5\n1,0.5,2.25\n2,2.5,0.75\n3,4,1\n4,5.5,8\n5,7,6.5\n");
    odd_in(&t);
    CHECK(says("column 1 (\"\"): counts 0, 1, 2, ...: an index? --columns 2-3 leaves it out\n"));
    table_free(&t);
    t = read_text("1.5,1,3.5\n0.5,2,2.25\n2.5,3,0.75\n4,4,1\n5.5,5,8\n7,6,6.5\n");
    odd_in(&t);
    CHECK(says("column 2: counts 1, 2, 3, ...: an index? --columns 1,3 leaves it out\n"));
    table_free(&t);
    t = read_text("1700000000.5,1,3.5\n1700000600.5,4,2.25\n1700001200.5,3,0.75\n1700001800.5,2,"
                  "8\n1700002400.5,6,1\n1700003000.5,5,7\n");
    odd_in(&t);
    CHECK(says(
        "column 1: counts 1700000000.5, 1700000600.5, 1700001200.5, ...: an index? --columns 2-3 leaves it "
        "out\n"));
    table_free(&t);
    t = read_text("Unnamed: 0,x,y\n17,1.5,3.5\n3,0.5,2.25\n8,2.5,0.75\n1,4,1\n0,5.5,8\n2,7,6.5\n");
    odd_in(&t);
    CHECK(says(
        "column 1 (\"Unnamed: 0\"): whole numbers, all different: an index? --columns 2-3 leaves it out\n"));
    table_free(&t);
}

/* Numbers of rows in another order have no name here: that none is missing gives them away, if they are many.
 * Of columns that are too scattered to be listed nothing is advised. */
static void shuffled_row_numbers_are_told(void)
{
    static double values[100 * 40];
    static size_t scattered[100];
    itd_rng rng = itd_rng_make(8, 1);
    data_table t = table_of(values, 40, 2);
    for (size_t i = 0; i < 40; i++)
        values[2 * i] = (double)(i * 7 % 40 + 3), values[2 * i + 1] = itd_rng_normal(&rng);
    odd_in(&t);
    CHECK(says("column 1: whole numbers, all different: an index? --columns 2 leaves it out\n"));
    values[2 * 5] = 43; /* one is missing */
    CHECK(!strstr(odd_in(&t), "index"));
    t.rows = 19; /* too few to tell */
    for (size_t i = 0; i < 19; i++) values[2 * i] = (double)(i * 7 % 19);
    CHECK(!strstr(odd_in(&t), "index"));
    t = table_of(values, 40, 100), t.source = scattered;
    for (size_t j = 0; j < 100; j++) scattered[j] = 2 * j + 1;
    for (size_t i = 0; i < 4000; i++) values[i] = i % 100 ? itd_rng_normal(&rng) : (double)(i / 100);
    CHECK(strstr(odd_in(&t), "column 1: counts 0, 1, 2, ...: an index?\n") != NULL);
}

static void values_without_density_are_told(void)
{
    static double values[6000];
    itd_rng rng = itd_rng_make(5, 1);
    data_table t = table_of(values, 1000, 4);
    for (size_t i = 0; i < 1000; i++) {
        double *row = values + 4 * i;
        row[0] = floor(40 + 8 * itd_rng_normal(&rng) + 0.5);
        row[1] = i % 3 == 0 ? 0 : i % 3 == 1 ? 1 : sqrt(7);
        row[2] = i % 10 ? itd_rng_normal(&rng) : 0;
        row[3] = itd_rng_normal(&rng);
    }
    odd_in(&t);
    CHECK(strstr(told, "column 1: ") == told);
    CHECK(strstr(told, " distinct values, in steps of 1: rounded values have no density\n") != NULL);
    CHECK(strstr(told, "column 2: 3 distinct values in 1000 rows: they have no density\n") != NULL);
    CHECK(strstr(told, "column 3: 0 in 10.0 % of the rows: a value that comes again has no density\n") !=
          NULL);
    CHECK(!strstr(told, "column 4"));
}

static void many_odd_columns_are_counted(void)
{
    static double values[20 * 100];
    itd_rng rng = itd_rng_make(6, 1);
    data_table t = table_of(values, 100, 20);
    size_t lines = 0;
    for (size_t i = 0; i < 2000; i++) values[i] = (double)itd_rng_below(&rng, 4);
    odd_in(&t);
    for (const char *at = told; *at; at++) lines += *at == '\n';
    CHECK(lines == 6 && strstr(told, "\n15 more columns of few distinct values\n"));
    for (size_t i = 0; i < 2000; i++) /* in each column a value that comes again, and one far off */
        values[i] = i < 20 ? 1e6 : i < 140 ? 0.5 : itd_rng_normal(&rng);
    odd_in(&t);
    CHECK(strstr(told, "\n15 more columns with a value in over 2 % of the rows\n") != NULL);
    CHECK(strstr(told, "\n15 more columns with rows far outside\n") != NULL);
    for (size_t i = 0; i < 2000; i++) /* in units of their own */
        values[i] = i % 20 ? values[i - i % 20] * (double)(i % 20 + 1) : itd_rng_normal(&rng);
    odd_in(&t);
    CHECK(strstr(told, "\n14 more columns that follow from those before them\n") != NULL);
}

/* c = a + b and d = 2.54 a follow from what is before them; e does but for noise of 1 % of its deviation. */
static void columns_that_follow_are_told(void)
{
    static double values[5 * 200];
    unsigned char follows[5];
    itd_rng rng = itd_rng_make(7, 1);
    data_table t = table_of(values, 200, 5);
    for (size_t i = 0; i < 200; i++) {
        double *row = values + 5 * i;
        row[0] = 1e6 + itd_rng_normal(&rng), row[1] = 1e-3 * itd_rng_normal(&rng);
        row[2] = row[0] + row[1], row[3] = 2.54 * row[0];
        row[4] = row[0] + 0.01 * itd_rng_normal(&rng);
    }
    CHECK(collinear_find(&t, follows) == 2 && !follows[0] && !follows[1] && follows[2] && follows[3] &&
          !follows[4]);
    odd_in(&t);
    CHECK(says("column 3: follows from the columns before it, so there is no density: --columns 1-2,4-5 "
               "leaves it out\n"
               "column 4: follows from the columns before it, so there is no density: --columns 1-3,5 "
               "leaves it out\n"));
    t.rows = 9; /* too few to tell */
    CHECK(collinear_find(&t, follows) == 0);
}

static void whole_tables_are_told_of(void)
{
    data_table t = read_text("2019,2020\n1.5,2.5\n0.25,3.5\n1.5,2.5\n4.5,4.75\n9.5,8.25\n");
    odd_in(&t);
    CHECK(says("row 1 (line 1): whole numbers above fractions: names of columns? a # in front leaves them "
               "out\n"
               "column 1: 1 row far outside, half of them all between 1.5 and 9.5: row 1 (line 1), 2019\n"
               "column 2: 1 row far outside, half of them all between 2.5 and 8.25: row 1 (line 1), 2020\n"
               "1 row repeats an earlier one\n"));
    table_free(&t);
    t = read_text("1.5,2.25,7.125\n3.5,9.5,1.75\n");
    odd_in(&t);
    CHECK(says("2 rows of 3 columns: too few to tell how the columns vary together\n"));
    table_free(&t);
    for (size_t i = 0; i < 5; i++) {
        static const char *const texts[] = {"0\n1.5\n2.25\n", "3,2,1\n1.5,2.5,0.5\n1.5,2.75,0.25\n",
                                            "3\n1.5\n2.25\n", "3,1,2\n1.5,2.5,0.5\n1.5,2.75,0.25\n",
                                            "1,2,4\n1.5,2.5,0.5\n"};
        static const bool names[] = {true, true, false, false, true};
        t = read_text(texts[i]);
        CHECK((strstr(odd_in(&t), "names of columns?") != NULL) == names[i]);
        free(t.line), t.line = NULL; /* as of NumPy, whose first row is one */
        CHECK(!strstr(odd_in(&t), "names of columns?"));
        table_free(&t);
    }
}

int main(void)
{
    RUN(time_stamps_keep_their_digits);
    RUN(offsets_are_medians);
    RUN(plain_frames_change_nothing);
    RUN(steps_are_found);
    RUN(steps_below_all_gaps_are_found);
    RUN(steps_of_scaled_columns_are_found);
    RUN(unrounded_columns_have_no_step);
    RUN(rounded_values_come_back);
    RUN(steps_beside_the_offset);
    RUN(noise_is_uniform_and_repeatable);
    RUN(columns_are_found_again);
    RUN(columns_chosen_of_another_file);
    RUN(a_column_asked_for_twice);
    RUN(names_that_repeat);
    RUN(frames_come_back_from_text);
    RUN(the_text_of_a_frame);
    RUN(hostile_texts_are_refused);
    RUN(checksums);
    RUN(constant_columns_are_refused);
    RUN(many_constant_columns_are_counted);
    RUN(identical_rows_stay_together);
    RUN(splits_depend_on_ranks_alone);
    RUN(splits_of_few_rows);
    RUN(splits_are_random);
    RUN(ordinary_data_are_not_odd);
    RUN(far_rows_are_told);
    RUN(index_columns_are_told);
    RUN(shuffled_row_numbers_are_told);
    RUN(values_without_density_are_told);
    RUN(many_odd_columns_are_counted);
    RUN(columns_that_follow_are_told);
    RUN(whole_tables_are_told_of);
    remove(path);
    return test_report();
}
