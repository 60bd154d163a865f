/* Tests of examples/support/table.h, csv.h and text.h: tables of others, accepted and refused. That of .npy
 * is test_npy.c; what is made of tables is test_frame.c. */
#include "../examples/support/system.h"

#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "../examples/support/table.h"
#include "test.h"

#include <locale.h>

static const char path[] = "build/test_table.csv";
static char message[TABLE_ERROR];
static data_table t;

static void write_bytes(const char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (!CHECK(file != NULL)) return;
    CHECK(fwrite(bytes, 1, size, file) == size);
    CHECK(fclose(file) == 0);
}

/* Leaves the table in t, or a line in message. */
static int read_bytes(const char *bytes, size_t size, const char *columns)
{
    write_bytes(bytes, size);
    message[0] = '\0';
    memset(&t, 0, sizeof t);
    return table_read(path, columns, &t, message, sizeof message);
}

static int read_text(const char *text, const char *columns)
{
    return read_bytes(text, strlen(text), columns);
}

/* Whether the text is refused with exactly this line, behind the path. */
static int refuses(const char *text, const char *columns, const char *expected)
{
    int status = read_text(text, columns);
    int right = status != 0 && strncmp(message, path, strlen(path)) == 0 && !strchr(message, '\n') &&
                strcmp(message + strlen(path) + 2, expected) == 0 && !t.values && !t.names;
    if (!right) printf("  expected %s\n     found %s\n", expected, message);
    table_free(&t);
    return right;
}

static int equal(double a, double b) { return !(a < b) && !(a > b) && !isnan(a) && !isnan(b); }

/* ---- what is the same table ---- */

static void every_dialect(void)
{
    static const char *const same[] = {
        "1,2.5\n-3,4e2\n",
        "1;2.5\n-3;4e2",
        "1 2.5\n-3 4e2\n",
        "1\t2.5\n-3\t4e2\n",
        "1  \t2.5\n-3  \t4e2\n",
        "   1   2.5  \n  -3 4e2  \n",
        "  1 ,  2.5  \n -3\t,\t4e2\t\n",
        "1,2.5\r\n-3,4e2\r\n",
        "1,2.5\r-3,4e2\r",
        ("\xEF\xBB\xBF"
         "1,2.5\n-3,4e2\n"),
        "# a comment, 1 2 3\n\n   \n1,2.5\n  # another\n\n-3,4e2\n\n\n",
        "+1.,.25E1\n-3.0e-0,0.0004e+6\n",
        "1.0000000000000000000000000000,2.5\n-0003,400000000000000000000000000000000e-30\n",
        "\"1\",\"2.5\"\n\"-3\",\"4e2\"\n",
        "\"1\" , \" 2.5 \"\n-3,\"4e2\"\n",
        "\"1\" \"2.5\"\n\"-3\" \"4e2\"\n",
        "\"1\"\t\"2.5\"\n\"-3\"\t\"4e2\"\n",
    };
    static const double values[] = {1, 2.5, -3, 400};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        if (!CHECK(read_text(same[i], NULL) == 0)) {
            printf("  file %lu: %s\n", (unsigned long)i, message);
            continue;
        }
        CHECK(t.rows == 2 && t.columns == 2 && t.file_columns == 2 && !t.names);
        for (size_t k = 0; k < 4 && t.rows * t.columns == 4; k++) CHECK(equal(t.values[k], values[k]));
        CHECK(t.source[0] == 1 && t.source[1] == 2);
        table_free(&t);
    }
}

/* A file, its names from a line of them, and where its first row is. */
static void names_are_told_from_rows(void)
{
    static const struct {
        const char *bytes, *first, *last;
        size_t rows, line;
    } cases[] = {
        {"x,y\n1,2.5\n-3,4e2\n", "x", "y", 2, 2},
        {"\xEF\xBB\xBFx,y\n1,2.5\n", "x", "y", 1, 2},
        {"# first\n\nx y\n\n1,2.5\n", "x y", NULL, 0, 0}, /* refused: two columns below one */
        {"x y\n1 2.5\n", "x", "y", 1, 2},
        {"sep=;\r\nx;y\r\n1;2.5\r\n", "x", "y", 1, 3},
        {"\xEF\xBB\xBFsep=,\nx\n1\n", "x", "x", 1, 3},
        {"x|y\n1|2.5\n", "x", "y", 1, 2},
        {"sep=|\nx, m|y\n1|2.5\n", "x, m", "y", 1, 3},
        {"x,a|b\n1,2\n", "x", "a|b", 1, 2},
        {"PAR1,PAR2\n1,2\n", "PAR1", "PAR2", 1, 2}, /* as files of Parquet, Apache's ORC, JSON begin */
        {"ORC|y\n1|2\n", "ORC", "y", 1, 2},
        {"[Ca],[Mg]\n1,2\n", "[Ca]", "[Mg]", 1, 2},
        {"[%],[\xC2\xB0""C]\n1,2\n", "[%]", "[\xC2\xB0""C]", 1, 2},
        {"\"point 1\",\"point 2\"\n1,2.5\n", "point 1", "point 2", 1, 2},
        {"\"a, \"\"b\"\"\",c;d\n1,2\n", "a, \"b\"", "c;d", 1, 2},
        {"\"two\nlines\",y\r\n1,2\r\n", "two?lines", "y", 1, 3},
        {"height (cm);weight\n1;2\n", "height (cm)", "weight", 1, 2},
        {"height, cm;weight, kg\n1;2\n", "height, cm", "weight, kg", 1, 2},
        {"e,+\n1,2.5\n", "e", "+", 1, 2},
        {"x,2\n1,2\n", "x", "2", 1, 2},
        {"body height\n1.5\n2.5\n", "body height", "body height", 2, 2},
        {"\xC3\xA4,\xFF\n1,2\n", "\xC3\xA4", "?", 1, 2},
        {"x,x\n1,2\n", "x", "x", 1, 2},
        {",x,y\n0,1,2\n", "", "y", 1, 2},
        {"\"\",\"x\"\n\"1\",2.5\n", "", "x", 1, 2},
        {"\tx\n0\t2.5\n", "", "x", 1, 2},
        {"Unnamed: 0,x\n0,2.5\n", "Unnamed: 0", "x", 1, 2},
        {",2019,2020\n0,1.5,2.5\n", "", "2020", 1, 2},
        {"\"2019\",\"2020\"\n1,2\n", "2019", "2020", 1, 2},
        {"year,2019,2020\n1,1.5,2\n", "year", "2020", 1, 2},
        {"\"x\" \"y\"\n\"1\" 0.5 0.25\n\"2\" 1.5 1.25\n", "", "y", 2, 2},
        {"x\ty\n1\t0.5\t0.25\n", "", "y", 1, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int status = read_text(cases[i].bytes, NULL);
        CHECK((status == 0) == (cases[i].rows > 0));
        if (status || !cases[i].rows) continue;
        if (!CHECK(t.names != NULL)) printf("  file %lu has no names\n", (unsigned long)i);
        if (t.names &&
            !CHECK(!strcmp(t.names[0], cases[i].first) && !strcmp(t.names[t.columns - 1], cases[i].last)))
            printf("  file %lu: \"%s\" to \"%s\"\n", (unsigned long)i, t.names[0], t.names[t.columns - 1]);
        CHECK(t.rows == cases[i].rows && t.line[0] == cases[i].line);
        table_free(&t);
    }
}

static void rows_are_told_from_names(void)
{
    static const char *const none[] = {"2019,2020,2021\n1,2,3\n", "2019,2020,2021\n1.5,2.5,3.5\n", "1\n2\n",
                                       "\"1\",\"2\"\n\"3\",\"4\"\n", "0,1\n2,3\n"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        CHECK(read_text(none[i], NULL) == 0 && t.rows == 2 && !t.names && t.line[0] == 1);
        table_free(&t);
    }
    CHECK(read_text("5.1,3.5,setosa\n4.9,3.0,setosa\n", "1-2") == 0 && t.rows == 2 && !t.names);
    table_free(&t);
    CHECK(read_text("5,3,cat\n4,2,dog\n", "1-2") == 0 && t.rows == 2 && !t.names);
    table_free(&t);
    CHECK(read_text("country,2019,2020\nAustria,1.5,2\n", "2-3") == 0 && t.rows == 1 &&
          !strcmp(t.names[0], "2019"));
    table_free(&t);
    /* words that are made alike are dates, or numbers of orders; those of few digits may be names */
    CHECK(read_text("2020-01-01,1,2\n2020-01-02,1.5,2.5\n", "2-3") == 0 && t.rows == 2 && !t.names);
    table_free(&t);
    CHECK(read_text("2020-01-01,1,2\n2020/01/02,1.5,2.5\n", "2-3") == 0 && t.rows == 1 && t.names);
    table_free(&t);
    CHECK(read_text("Q1,1,2\nQ3,1.5,2.5\n", "2-3") == 0 && t.rows == 1 && t.names);
    table_free(&t);
    CHECK(read_text("A-100,1,2\nA-1x0,1.5,2.5\n", "2-3") == 0 && t.rows == 1 && t.names);
    table_free(&t);
}

static void line_numbers(void)
{
    static const size_t line[] = {4, 5, 8, 11};
    CHECK(read_text("# c\nx,\"n\nm\"\n1,2\n3,4\n\n\n5,\"6\"\r\n# d\n\r7,8", NULL) == 0 && t.rows == 4);
    for (size_t i = 0; i < 4 && t.rows == 4; i++) CHECK(t.line[i] == line[i]);
    table_free(&t);
}

/* ---- the choice of columns ---- */

static void columns_are_chosen(void)
{
    static const char file[] = "id,height,\"w,t\",kind,height\n7,1,2,cat,9\n8,3,4,?,9\n";
    static const struct {
        const char *columns;
        size_t source[4];
    } cases[] = {
        {"2-3", {2, 3}},         {"2,3", {2, 3}},        {" 2 , 3 ", {2, 3}}, {"3,2,1", {3, 2, 1}},
        {"1-3,5", {1, 2, 3, 5}}, {"id,\"w,t\"", {1, 3}}, {"id", {1}},         {"\"w,t\",5,id", {3, 5, 1}},
        {"\"id\"", {1}},         {"id\n5\n", {1, 5}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t count = 0;
        while (count < 4 && cases[i].source[count]) count++;
        if (!CHECK(read_text(file, cases[i].columns) == 0)) {
            printf("  %s: %s\n", cases[i].columns, message);
            continue;
        }
        CHECK(t.columns == count && t.file_columns == 5 && t.rows == 2);
        for (size_t j = 0; j < count && t.columns == count; j++) {
            static const double values[2][5] = {{7, 1, 2, 0, 9}, {8, 3, 4, 0, 9}};
            CHECK(t.source[j] == cases[i].source[j]);
            for (size_t r = 0; r < 2; r++) CHECK(equal(t.values[r * count + j], values[r][t.source[j] - 1]));
        }
        table_free(&t);
    }
    CHECK(read_text("2019,x\n1,2\n3,4\n", "2019") == 0 && t.columns == 1 && t.source[0] == 1);
    table_free(&t);
}

static void other_choices_are_refused(void)
{
    /* what is given, and the name that no column has */
    static const char *const absent[][2] = {
        {"age", "age"}, {"1,,2", ""}, {"\"1\"", "1"}, {"1-x", "1-x"}};
    static const char file[] = "id,height,\"w,t\",kind,height\n7,1,2,cat,9\n8,3,4,?,9\n";
    CHECK(refuses(file, "height", "--columns: one column \"height\" expected, 2 found; give its number"));
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
        char expected[200];
        snprintf(expected, sizeof expected,
                 "--columns: no column \"%s\" found, the names are \"id\", \"height\", \"w,t\", \"kind\", "
                 "\"height\"",
                 absent[i][1]);
        CHECK(refuses(file, absent[i][0], expected));
    }
    CHECK(refuses(file, "6",
                  "--columns: numbers from 1 to 5 expected, as the file has no more columns, found \"6\""));
    CHECK(refuses(file, "0",
                  "--columns: numbers from 1 to 5 expected, as the file has no more columns, found \"0\""));
    CHECK(refuses(file, "3-2",
                  "--columns: numbers from 1 to 5 expected, as the file has no more columns, found "
                  "\"3-2\""));
    CHECK(refuses(file, "1-18446744073709551617",
                  "--columns: numbers from 1 to 5 expected, as the file has no more "
                  "columns, found \"1-18446744073709551617\""));
    CHECK(refuses(file, "1-3,id", "--columns: every column once expected, column 1 found twice"));
    CHECK(refuses(file, "", "--columns: at least one column expected, none found"));
    CHECK(refuses("1,2\n", "x",
                  "--columns: numbers from 1 to 2 expected, as the file has no names, found \"x\""));
    CHECK(refuses(
        file, "1,4",
        "row 1 (line 2), column 4 (\"kind\"): a number expected, \"cat\" found; --columns 1 leaves the "
        "column out"));
}

/* Of many names the first are listed, and of columns in pieces their number. */
static void many_columns_are_told_of(void)
{
    char text[4000] = "", row[4000] = "";
    const char *names;
    for (int j = 0; j < 150; j++) {
        text_append(text, sizeof text, "%sa_long_name_%d", j ? "," : "", j);
        text_append(row, sizeof row, "%s%s", j ? "," : "", j % 2 ? "1" : "");
    }
    text_append(text, sizeof text, "\n%s\n%s\n", row, row);
    CHECK(read_text(text, "short") != 0);
    names = strstr(message, "found, the names are \"a_long_name_0\", \"a_long_name_1\", ");
    CHECK(names && strlen(names) < 450 && !strcmp(message + strlen(message) - 3, "..."));
    CHECK(read_text(text, NULL) != 0 && strstr(message, "; 150 in all, in 2 rows and columns 75 of 150)"));
}

static void words_for_columns(void)
{
    char name[TABLE_NAME];
    CHECK(read_text("age,\"long long long long long long long long name\"\n1,2\n", "2,1") == 0);
    CHECK(!strcmp(table_name(&t, 1, name), "column 1 (\"age\")"));
    CHECK(!strcmp(table_name(&t, 0, name), "column 2 (\"long long long long long long long l...\")"));
    table_free(&t);
    CHECK(read_text("1,2\n", "2") == 0 && !strcmp(table_name(&t, 0, name), "column 2"));
    table_free(&t);
}

/* ---- numbers ---- */

/* The compiler rounds the same digits correctly. */
static void numbers_are_exact(void)
{
#define BOTH(number)                                                                                         \
    {                                                                                                        \
#number, number                                                                                      \
    }
    static const struct {
        const char *word;
        double value;
    } cases[] = {
        BOTH(0.1),
        BOTH(3.4028234e38),
        BOTH(-1e-45),
        BOTH(123456789.123456789),
        BOTH(9007199254740993.0),
        BOTH(18446744073709551616.0),
        BOTH(1700000000.25),
        BOTH(1e23),
        BOTH(8.5e22),
        BOTH(1.7976931348623157e308),
        BOTH(5e-324),
        BOTH(0.000000000000000000000000000000000000011754944),
        BOTH(2.2250738585072011e-308),
        {"1e-400", 0},
        {"1e-9999999999999999999", 0},
        {"0e99999999999", 0},
        {"-0", 0},
    };
#undef BOTH
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (!CHECK(read_text(cases[i].word, NULL) == 0)) continue;
        if (!CHECK(t.rows == 1 && t.columns == 1 && equal(t.values[0], cases[i].value)))
            printf("  %s\n", cases[i].word);
        table_free(&t);
    }
}

/* What other programs print with 17 digits comes back to the bit, as does what they print with 19. */
static void doubles_come_back(void)
{
    itd_rng rng = itd_rng_make(3, 0);
    for (int i = 0; i < 20000; i++) {
        static const char *const formats[] = {"%.17g", "%.18e", "%.16e"};
        double value = itd_rng_normal(&rng) * pow(10, 600 * itd_rng_uniform(&rng) - 300), read = 0;
        char word[40];
        int length = snprintf(word, sizeof word, formats[i % 3], value);
        char *comma = strchr(word, ','); /* of the locale */
        if (comma) *comma = '.';
        if (!CHECK(text_number(word, word + length, &read) == word + length && equal(read, value))) break;
    }
}

static void any_locale(void)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE", "German"};
    size_t i = 0;
    while (i < sizeof names / sizeof *names && !setlocale(LC_NUMERIC, names[i])) i++;
    if (i == sizeof names / sizeof *names) {
        SKIP("no locale with decimal commas is installed");
        return;
    }
    numbers_are_exact();
    doubles_come_back();
    setlocale(LC_NUMERIC, "C");
}

static void decimal_commas_are_read(void)
{
    static const char *const same[] = {
        "x;y\n1,5;-2500,125\n-,25;3\n", "x\ty\n\"1,5\"\t-2500,125\n-0,25\t3,0\n",
        "x y\r\n1,5 -2,500125e3\r\n-0,250 3\r\n", "sep=;\nx;y\n 1,500;-2500,125\n-0,250;3\n",
        "x|y\n1,5|-2500,125\n-0,25|3\n"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        if (!CHECK(read_text(same[i], NULL) == 0)) continue;
        CHECK(t.rows == 2 && t.columns == 2 && t.names && !strcmp(t.names[1], "y"));
        CHECK(equal(t.values[0], 1.5) && equal(t.values[1], -2500.125) && equal(t.values[2], -0.25));
        CHECK(equal(t.values[3], 3));
        table_free(&t);
    }
    CHECK(read_text("a, b;1,5 m;y\n1;x, y;1,5\n", "1,3") == 0 && !strcmp(t.names[0], "a, b"));
    CHECK(equal(t.values[1], 1.5));
    table_free(&t);
}

/* ---- refusals ---- */

#define CUT                                                                                                  \
    "; marks between thousands, or commas and points for decimals in one file, are not read: write 1234.5"

static void text_is_refused(void)
{
    CHECK(refuses(
        "1,2\n3,x\n", NULL,
        "row 2 (line 2), column 2: a number expected, \"x\" found; --columns 1 leaves the column out"));
    CHECK(refuses("1,2,3\n2,x,y\n", NULL,
                  "row 2 (line 2), column 2: a number expected, \"x\" found; --columns 1 leaves out all that "
                  "are no numbers"));
    CHECK(refuses("a,b,c,d\n1,2,3,4\n1,2,x,4\n", NULL,
                  "row 2 (line 3), column 3 (\"c\"): a number expected, \"x\" found; --columns 1-2,4 leaves "
                  "the column out"));
    CHECK(refuses("a,b\nx,y\n", NULL, "row 1 (line 2), column 1 (\"a\"): a number expected, \"x\" found"));
    CHECK(
        refuses("x\n1\n0x10\n", NULL, "row 2 (line 3), column 1 (\"x\"): a number expected, \"0x10\" found"));
    CHECK(refuses("1\n1e\n", NULL, "row 2 (line 2), column 1: a number expected, \"1e\" found"));
    CHECK(refuses("1\n--2\n", NULL, "row 2 (line 2), column 1: a number expected, \"--2\" found"));
    CHECK(refuses("1\n\"2\"x\n", NULL, "line 2, column 1: nothing more expected behind the quotes"));
    CHECK(refuses("1\n\"2\n", NULL, "line 2: the end of a text in quotes expected, none found"));
    CHECK(refuses("1\n\033[31m\x01\x7f\xC2\x9B\n", NULL,
                  "row 2 (line 2), column 1: a number expected, \"?[31m????\" found"));
    CHECK(refuses(
        "1\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", NULL,
        "row 2 (line 2), column 1: a number expected, \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\" found"));
    CHECK(refuses("1,5;2.5\n3,5;4,5\n", NULL,
                  "row 1 (line 1), column 1: a number expected, \"1,5\" found" CUT));
    CHECK(refuses("x;y\n1;2,500\n", NULL,
                  "row 1 (line 2), column 2 (\"y\"): a number expected, \"2,500\" found" CUT));
    CHECK(
        refuses("1,5\t2,500,000\n", NULL, "row 1 (line 1), column 1: a number expected, \"1,5\" found" CUT));
    CHECK(refuses("1,5 2,5\n", NULL, "row 1 (line 1), column 2: a number expected, \"5 2\" found" CUT));
    CHECK(refuses("x,y\n1,\"1,234.5\"\n", NULL,
                  "row 1 (line 2), column 2 (\"y\"): a number expected, \"1,234.5\" found" CUT));
    CHECK(refuses("x;y\n1;1'234\n", NULL,
                  "row 1 (line 2), column 2 (\"y\"): a number expected, \"1'234\" found" CUT));
}

static void missing_values_are_refused(void)
{
    static const char *const words[] = {"NA", "NaN", "nan",  "-nan", "null", "NULL",
                                        "?",  "-",   "#N/A", "None", "n/a"};
    CHECK(refuses("x,age\n1,2\n3,\n", NULL,
                  "row 2 (line 3), column 2 (\"age\"): a number expected, none found (a missing value); "
                  "leaving the row out helps (--drop_missing of fit), or --columns 1 leaves the column out"));
    CHECK(refuses(
        "1,,2\n", NULL,
        "row 1 (line 1), column 2: a number expected, none found (a missing value); --columns 1,3 leaves the "
        "column out"));
    CHECK(refuses("1,2\n,2\n", NULL,
                  "row 2 (line 2), column 1: a number expected, none found (a missing value); leaving the "
                  "row out helps (--drop_missing of fit), or --columns 2 leaves the column out"));
    CHECK(refuses(
        "1,\"\"\n", NULL,
        "row 1 (line 1), column 2: a number expected, none found (a missing value); --columns 1 leaves the "
        "column out"));
    CHECK(refuses("1\t\t2\n1\t2\t3\n", NULL,
                  "row 1 (line 1), column 2: a number expected, none found (a missing value); leaving the "
                  "row out helps (--drop_missing of fit), or --columns 1,3 leaves the column out"));
    CHECK(refuses("1\t2\n\t\n3\t4\n", NULL,
                  "row 2 (line 2), column 1: a number expected, none found (a missing value; 2 in all, in 1 "
                  "row and columns 1-2); leaving the row out helps (--drop_missing of fit)"));
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        for (int first = 0; first < 2; first++) {
            char text[60], expected[240];
            snprintf(text, sizeof text, first ? "%s,1\n2,3\n" : "x,y\n1,2\n%s,1\n", words[i]);
            snprintf(expected, sizeof expected,
                     "row %d (line %d), column 1%s: a number expected, \"%s\" found (a missing value); "
                     "leaving the row out helps (--drop_missing of fit), or --columns 2 leaves the column "
                     "out",
                     first ? 1 : 2, first ? 1 : 3, first ? "" : " (\"x\")", words[i]);
            CHECK(refuses(text, NULL, expected));
        }
    CHECK(read_text("x,y\n1,NA\n2,\n", "x") == 0 && t.rows == 2 && equal(t.values[1], 2));
    table_free(&t);
}

/* The first one is named, all are counted; what would leave nothing is not advised. */
static void missing_values_are_counted(void)
{
    CHECK(refuses(
        "x,y,z\n1,2,3\n4,,6\n7,NA,9\n", NULL,
        "row 2 (line 3), column 2 (\"y\"): a number expected, none found (a missing value; 2 in all, "
        "in 2 rows and column 2); leaving the rows out helps (--drop_missing of fit), or "
        "--columns 1,3 leaves the column out"));
    CHECK(refuses(
        "x,y,z\n1,2,3\n,2,NA\n4,5,6\n7,8,nan\n", NULL,
        "row 2 (line 3), column 1 (\"x\"): a number expected, none found (a missing value; 3 in all, "
        "in 2 rows and columns 1,3); leaving the rows out helps (--drop_missing of fit), or "
        "--columns 2 leaves the columns out"));
    CHECK(refuses(
        "1,\n,2\n3,4\n", NULL,
        "row 1 (line 1), column 2: a number expected, none found (a missing value; 2 in all, in 2 rows "
        "and columns 1-2); leaving the rows out helps (--drop_missing of fit)"));
    CHECK(refuses(
        "1,2,\n3,4,\n", NULL,
        "row 1 (line 1), column 3: a number expected, none found (a missing value; 2 in all, in 2 rows "
        "and column 3); --columns 1-2 leaves the column out"));
    CHECK(refuses(
        "1,2\n3,\n4\n5,?\n6,\"", NULL,
        "row 2 (line 2), column 2: a number expected, none found (a missing value; 2 in all, in 2 rows "
        "and column 2); leaving the rows out helps (--drop_missing of fit), or "
        "--columns 1 leaves the column out"));
}

static int read_whole_rows(const char *text, const char *columns)
{
    write_bytes(text, strlen(text));
    message[0] = '\0';
    return table_read_by(path, table_choose_text, columns, true, &t, message, sizeof message);
}

/* Where it is wished: the other rows keep the numbers that they have in the file, and all else is refused. */
static void rows_with_missing_values_are_left_out(void)
{
    static const char text[] = "x,y,z\n1,2,a\n3,,b\n5,6,c\nNA,nan,d\n9,10,\n";
    char place[TABLE_PLACE];
    CHECK(read_whole_rows(text, "x,y") == 0 && t.rows == 3 && t.file_rows == 5);
    CHECK(equal(t.values[2], 5) && equal(t.values[5], 10));
    CHECK(table_number(&t, 0) == 1 && table_number(&t, 1) == 3 && table_number(&t, 2) == 5);
    for (size_t i = 0; i < 3; i++) CHECK(table_index_of(&t, table_number(&t, i)) == i);
    CHECK(!strcmp(table_place(&t, 1, place), "row 3 (line 4)"));
    table_free(&t);
    CHECK(read_whole_rows(text, "x,z") != 0);
    CHECK(strstr(message, "row 1 (line 2), column 3 (\"z\"): a number expected, \"a\" found") != NULL);
    CHECK(read_whole_rows("x,y\n1,\nNA,2\n", NULL) != 0);
    CHECK(strstr(message, "a row without a missing value expected, none of 2 found") != NULL);
    CHECK(read_whole_rows("1,\ninf,2\n", NULL) != 0);
    CHECK(strstr(message, "row 2 (line 2), column 1: a finite number expected, \"inf\" found") != NULL);
}

static void infinite_values_are_refused(void)
{
    static const char *const words[] = {"inf", "-Inf", "INFINITY", "1e999", "-1e999999999999"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char text[60], expected[100];
        snprintf(text, sizeof text, "1,2\n1,%s\n", words[i]);
        snprintf(expected, sizeof expected,
                 "row 2 (line 2), column 2: a finite number expected, \"%s\" found", words[i]);
        CHECK(refuses(text, NULL, expected));
    }
}

/* Rows may begin with # where they have as many fields as the others; a # may also take a row out. */
static void rows_that_begin_with_a_hash(void)
{
    CHECK(read_text("tag,b,c\n#x,1,2\n#y,3,4\nz,5,6\n", "2-3") == 0 && t.rows == 3);
    table_free(&t);
    CHECK(read_text("1,2\n#3,4\n5,6\n", NULL) == 0 && t.rows == 2);
    table_free(&t);
    CHECK(read_text("1 2\n#x 4\n5 6\n", NULL) == 0 && t.rows == 2);
    table_free(&t);
}

static void ragged_rows_are_refused(void)
{
    CHECK(refuses("# c\n\n1,2\n3\n", NULL, "row 2 (line 4): 2 columns expected, as in line 3, 1 found"));
    CHECK(refuses("1,2\r\n3,4,5,6\r\n", NULL, "row 2 (line 2): 2 columns expected, as in line 1, 4 found"));
    CHECK(refuses("x\n1\n3 4\n", NULL,
                  "row 2 (line 3), column 1 (\"x\"): a number expected, \"3 4\" found" CUT));
    CHECK(refuses("1,2\n3;4\n", NULL, "row 2 (line 2): 2 columns expected, as in line 1, 1 found"));
    CHECK(refuses("", NULL, "rows of numbers expected, none found"));
    CHECK(refuses("\n\n  \n# only this\n", NULL, "rows of numbers expected, none found"));
    CHECK(refuses("x,y\n", NULL, "rows of numbers expected, none found"));
    CHECK(refuses("1,\"2", NULL, "line 1: the end of a text in quotes expected, none found"));
    CHECK(refuses("my data\n1,2\n3,4\n", NULL, "row 1 (line 2): 1 column expected, as in line 1, 2 found"));
    CHECK(refuses("\xEF\xBB\xBF", NULL, "rows of numbers expected, none found"));
}

/* Files of other programs, by their first bytes. */
static void foreign_files_are_named(void)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *what;
    } cases[] = {
#define BYTES(literal) literal, sizeof literal - 1
        {BYTES("\xFF\xFEx\0,\0y\0\n\0"), "UTF-16"},
        {BYTES("\xFE\xFF\0x\0,\0y\0\n"), "UTF-16"},
        {BYTES("1\0,\0002\0\n\0"
               "3\0,\0"
               "4\0"),
         "UTF-16"},
        {BYTES("\0001\0,\0002\0\n\0"
               "3\0,\0"
               "4"),
         "UTF-16"},
        {BYTES("\xFF\xFE\0\0x\0\0\0"), "UTF-32"},
        {BYTES("\x1F\x8B\x08\0\0\0"), "gunzip"},
        {BYTES("PK\3\4\x14\0"), ".npz"},
        {BYTES("BZh91AY"), "bunzip2"},
        {BYTES("\xFD"
               "7zXZ\0\0"),
         "unxz"},
        {BYTES("\x28\xB5\x2F\xFD\0"), "unzstd"},
        {BYTES("\x89HDF\r\n\x1A\n\0"), "HDF5"},
        {BYTES("PAR1\x15\0"), "Parquet"},
        {BYTES("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"), "Excel"},
        {BYTES("%PDF-1.7\n"), "PDF"},
        {BYTES("\x80\x04\x95"), "pickle"},
        {BYTES("\x80\x02}q"), "pickle"},
        {BYTES("SQLite format 3\0"), "SQLite"},
        {BYTES("{\"x\": [1, 2]}"), "JSON"},
        {BYTES("\xEF\xBB\xBF \n[[1, 2], [3, 4]]"), "JSON"},
        {BYTES("<!DOCTYPE html>"), "HTML"},
        {BYTES("  <table>"), "HTML"},
        {BYTES("\x89PNG\r\n"), "image"},
        {BYTES("@\0\0\0\0\0\0\0{\"__metadata__\":{}}"), "safetensors"},
        {BYTES("1,2\n\0\0\1\2\3\0,3\n"), "no text"},
#undef BYTES
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK(read_bytes(cases[i].bytes, cases[i].size, NULL) != 0 && !t.values);
        if (!CHECK(strstr(message, cases[i].what) && strstr(message, ".csv: CSV or .npy expected, ")))
            printf("  file %lu: %s\n", (unsigned long)i, message);
    }
}

static void missing_files_are_refused(void)
{
    remove(path);
    CHECK(table_read(path, NULL, &t, message, sizeof message) != 0);
    CHECK(strstr(message, "test_table.csv: a readable file expected, none found"));
    CHECK(table_read("build", NULL, &t, message, sizeof message) != 0);
    CHECK(table_read(path, NULL, &t, NULL, 0) != 0);
}

/* ---- robustness ---- */

/* Every beginning of a file is either read or refused, without a look past its own last byte (which the
 * address sanitizer would see, as the copy is exactly as long as the text). */
static void beginnings_of_files(void)
{
    static const char whole[] = "\xEF\xBB\xBFx, \"y\"\"\"\r\n# c\r\n1.5e+3, -2.25E-1\r\n\"+.5\", 7.\r\n";
    for (size_t size = 0; size < sizeof whole; size++) {
        char *copy = malloc(size + (size == 0));
        text_error to = {"copy", message, sizeof message};
        int status;
        if (!CHECK(copy != NULL)) return;
        memcpy(copy, whole, size);
        memset(&t, 0, sizeof t);
        status = table_parse_csv(copy, size, table_choose_text, NULL, false, &t, &to);
        CHECK(size != sizeof whole - 1 || (status == 0 && t.rows == 2 && t.columns == 2));
        table_free(&t), free(copy);
    }
}

/* A message that does not fit ends where the buffer ends. */
static void short_buffers(void)
{
    char small[20];
    write_bytes("1,2\n3,x\n", 8);
    for (size_t size = 0; size <= sizeof small; size++) {
        memset(small, 'x', sizeof small);
        CHECK(table_read(path, NULL, &t, small, size) != 0);
        CHECK(size == 0 || strlen(small) == size - 1);
        for (size_t i = size; i < sizeof small; i++) CHECK(small[i] == 'x');
    }
}

/* A million numbers are read in a quarter of a second; the limit leaves room for sanitizers. */
static void large_files(void)
{
    enum { rows = 20000, columns = 60 };
    FILE *file = fopen(path, "wb");
    clock_t started;
    size_t wrong = 0;
    if (!CHECK(file != NULL)) return;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) fprintf(file, "%d.%06d%c", i, j, j + 1 < columns ? ',' : '\n');
    fclose(file);
    started = clock();
    memset(&t, 0, sizeof t);
    CHECK(table_read(path, NULL, &t, message, sizeof message) == 0);
    CHECK(clock() - started < 5 * CLOCKS_PER_SEC);
    if (CHECK(t.rows == rows && t.columns == columns)) {
        for (size_t k = 0; k < t.rows * t.columns; k++)
            wrong += !(fabs(t.values[k] - (double)(k / columns) - 1e-6 * (double)(k % columns)) < 1e-10);
        CHECK(wrong == 0);
    }
    table_free(&t);
}

int main(void)
{
    RUN(every_dialect);
    RUN(names_are_told_from_rows);
    RUN(rows_are_told_from_names);
    RUN(line_numbers);
    RUN(columns_are_chosen);
    RUN(other_choices_are_refused);
    RUN(many_columns_are_told_of);
    RUN(words_for_columns);
    RUN(numbers_are_exact);
    RUN(doubles_come_back);
    RUN(any_locale);
    RUN(decimal_commas_are_read);
    RUN(text_is_refused);
    RUN(missing_values_are_refused);
    RUN(missing_values_are_counted);
    RUN(rows_with_missing_values_are_left_out);
    RUN(infinite_values_are_refused);
    RUN(rows_that_begin_with_a_hash);
    RUN(ragged_rows_are_refused);
    RUN(foreign_files_are_named);
    RUN(missing_files_are_refused);
    RUN(beginnings_of_files);
    RUN(short_buffers);
    RUN(large_files);
    remove(path);
    return test_report();
}
