/* Tests of examples/support/npy.h: every version and type, every refusal, hostile files. */
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "../examples/support/table.h"
#include "test.h"

#define DICT "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }"
static const char path[] = "build/TEST_NPY.DAT";
static const float floats[6] = {1, -2.5f, 3e38f, 0, 1e-40f, -0.0f};
static char bytes[1000], message[TABLE_ERROR], *copy;
static size_t size;

/* NumPy's layout: the header is filled with blanks up to a multiple of 64 bytes and ends in a newline. The
   numbers are put down by arithmetic, as the machine may have another order of bytes. */
static void make(int version, const char *dict, int width)
{
    size_t start = version == 1 ? 10 : 12, length = (start + strlen(dict) + 1 + 63) / 64 * 64 - start;
    memcpy(bytes, "\x93NUMPY", 6);
    bytes[6] = (char)version, bytes[7] = 0;
    memset(bytes + 8, 0, 4);
    bytes[8] = (char)(length & 255), bytes[9] = (char)(length >> 8);
    memset(bytes + start, ' ', length);
    memcpy(bytes + start, dict, strlen(dict));
    bytes[start + length - 1] = '\n';
    size = start + length;
    for (int i = 0; i < 6 && width; i++) {
        double wide = (double)floats[i];
        uint64_t word = 0;
        uint32_t narrow;
        memcpy(&narrow, &floats[i], 4);
        memcpy(&word, &wide, 8);
        if (width == 4) word = narrow;
        for (int k = 0; k < width; k++, word >>= 8) bytes[size++] = (char)(word & 255);
    }
}

/* Opens a copy that is exactly as long as the file, so that the address sanitizer sees a look beyond. */
static int parse(npy_array *a)
{
    text_error to = {"x.npy", message, sizeof message};
    char *was = copy;
    int status;
    message[0] = '\0';
    copy = (char *)malloc(size + (size == 0));
    free(was);
    if (!CHECK(copy != NULL)) return -1;
    memcpy(copy, bytes, size);
    status = npy_open(copy, size, a, &to);
    return status;
}

static int equal(double a, double b) { return !(a < b) && !(a > b) && !isnan(a) && !isnan(b); }

static int reads_floats(void)
{
    npy_array a;
    int right = parse(&a) == 0 && a.rows == 3 && a.columns == 2;
    for (size_t i = 0; right && i < 6; i++) right = equal(npy_value(&a, i / 2, i % 2), (double)floats[i]);
    if (!right) printf("  %s\n", message);
    return right;
}

static void versions_and_widths(void)
{
    for (int version = 1; version <= 3; version++) {
        make(version, DICT, 4);
        CHECK(reads_floats());
        make(version, "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), }", 8);
        CHECK(reads_floats());
    }
}

/* A type and one number of it, in the bytes that NumPy writes. */
static void every_type(void)
{
    static const struct {
        const char *descr, *bytes;
        double value;
    } cases[] = {
        {"|b1", "\0", 0},
        {"|b1", "\1", 1},
        {"|i1", "\x80", -128},
        {"|i1", "\x7f", 127},
        {"|u1", "\xff", 255},
        {"<i2", "\x00\x80", -32768},
        {"<i2", "\xff\x7f", 32767},
        {">i2", "\xff\xfe", -2},
        {"<u2", "\xfe\xff", 65534},
        {">u2", "\x01\x02", 258},
        {"<i4", "\x00\x00\x00\x80", -2147483648.0},
        {">i4", "\x00\x01\x00\x02", 65538},
        {"<u4", "\xff\xff\xff\xff", 4294967295.0},
        {">u4", "\x80\x00\x00\x01", 2147483649.0},
        {"<i8", "\xff\xff\xff\xff\xff\xff\xff\xff", -1},
        {"<i8", "\x00\x00\x00\x00\x00\x00\x00\x80", -9223372036854775808.0},
        {"<i8", "\x00\x00\x00\x00\x00\x00\x20\x00", 9007199254740992.0},
        {">i8", "\xff\xff\xff\xff\xff\xff\x00\x00", -65536},
        {"<u8", "\xff\xff\xff\xff\xff\xff\xff\xff", 18446744073709551616.0},
        {"<f2", "\x00\x3c", 1},
        {"<f2", "\x00\xc0", -2},
        {"<f2", "\xff\x7b", 65504},
        {"<f2", "\x01\x00", 5.9604644775390625e-8},
        {"<f2", "\xff\x03", 6.0975551605224609375e-5},
        {">f2", "\x35\x55", 0.333251953125},
        {"<f4", "\x00\x00\xc0\x3f", 1.5},
        {">f4", "\xbf\xc0\x00\x00", -1.5},
        {"<f8", "\x9a\x99\x99\x99\x99\x99\xb9\x3f", 0.1},
        {">f8", "\x3f\xb9\x99\x99\x99\x99\x99\x9a", 0.1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char dict[100];
        npy_array a;
        size_t width = (size_t)(cases[i].descr[2] - '0');
        snprintf(dict, sizeof dict, "{'descr': '%s', 'fortran_order': False, 'shape': (1, 1), }",
                 cases[i].descr);
        make(1, dict, 0);
        memcpy(bytes + size, cases[i].bytes, width);
        size += width;
        if (!CHECK(parse(&a) == 0 && equal(npy_value(&a, 0, 0), cases[i].value)))
            printf("  %s, %.17g: %s\n", cases[i].descr, cases[i].value, message);
    }
}

/* '=' is the order of this machine. */
static void native_order(void)
{
    double value = -1234.5;
    npy_array a;
    make(1, "{'descr': '=f8', 'fortran_order': False, 'shape': (1,), }", 0);
    memcpy(bytes + size, &value, 8);
    size += 8;
    CHECK(parse(&a) == 0 && a.rows == 1 && a.columns == 1 && equal(npy_value(&a, 0, 0), value));
}

static void infinite_halves(void)
{
    CHECK(isinf(npy_half(0x7C00)) && npy_half(0x7C00) > 0 && isinf(npy_half(0xFC00)) && npy_half(0xFC00) < 0);
    CHECK(isnan(npy_half(0x7E00)) && isnan(npy_half(0xFC01)));
}

/* The six numbers by rows, by columns, and in one column. */
static void shapes_and_orders(void)
{
    npy_array a;
    make(1, "{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2), }", 4);
    CHECK(parse(&a) == 0 && a.rows == 3 && a.columns == 2);
    for (size_t i = 0; i < 6; i++) CHECK(equal(npy_value(&a, i % 3, i / 3), (double)floats[i]));
    make(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 4);
    CHECK(parse(&a) == 0 && a.rows == 2 && a.columns == 3);
    for (size_t i = 0; i < 6; i++) CHECK(equal(npy_value(&a, i / 3, i % 3), (double)floats[i]));
    for (int fortran = 0; fortran < 2; fortran++) {
        make(1,
             fortran ? "{'descr': '<f4', 'fortran_order': True, 'shape': (6,), }"
                     : "{'descr': '<f4', 'fortran_order': False, 'shape': (6L,), }",
             4);
        CHECK(parse(&a) == 0 && a.rows == 6 && a.columns == 1);
        for (size_t i = 0; i < 6; i++) CHECK(equal(npy_value(&a, i, 0), (double)floats[i]));
    }
}

/* What numpy.save wrote for numpy.array([[1, 2]], '<f4'), of 128 + 8 bytes. */
static void numpy_s_own_bytes(void)
{
    static const char head[] =
        "\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }";
    npy_array a;
    memset(bytes, ' ', 128);
    memcpy(bytes, head, sizeof head - 1);
    bytes[127] = '\n';
    memcpy(bytes + 128, "\x00\x00\x80\x3f\x00\x00\x00\x40", 8);
    size = 136;
    CHECK(parse(&a) == 0 && a.rows == 1 && equal(npy_value(&a, 0, 0), 1) && equal(npy_value(&a, 0, 1), 2));
}

static void other_spellings(void)
{
    static const char *const dicts[] = {
        "{'shape':(3,2),'fortran_order':False,'descr':'<f4'}",
        "  { \"descr\" : \"<f4\" ,\t'shape' : ( 3 , 2 , ) , 'fortran_order' : False , }  ",
        "{'descr': '<f4',\n 'fortran_order': False,\n 'shape': (03, 2)}\n",
    };
    for (size_t i = 0; i < sizeof dicts / sizeof *dicts; i++) {
        make(1, dicts[i], 4);
        CHECK(reads_floats());
    }
}

static int refuses(const char *expected)
{
    npy_array a;
    int right = parse(&a) != 0 && strstr(message, "x.npy: ") == message && strstr(message, expected) &&
                !strchr(message, '\n');
    if (!right) printf("  expected %s\n     found %s\n", expected, message);
    return right;
}

static void headers_are_refused(void)
{
    static const struct {
        const char *dict, *expected;
    } cases[] = {
        {"{'descr': '<f16', 'fortran_order': False, 'shape': (3, 2)}",
         "found floats of other than 2, 4 or 8 bytes (<f16); numpy.save array.astype(\"float64\")"},
        {"{'descr': '<i3', 'fortran_order': False, 'shape': (3, 2)}",
         "integers of other than 1, 2, 4 or 8 bytes"},
        {"{'descr': '<c8', 'fortran_order': False, 'shape': (3, 2)}", "found complex numbers (<c8)"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (3, 2)}", "found Python objects (|O)"},
        {"{'descr': '<U5', 'fortran_order': False, 'shape': (3, 2)}", "found texts (<U5)"},
        {"{'descr': '|S5', 'fortran_order': False, 'shape': (3, 2)}", "found texts (|S5)"},
        {"{'descr': '|V8', 'fortran_order': False, 'shape': (3, 2)}", "found records (|V8)"},
        {"{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (3, 2)}", "found dates (<M8[ns])"},
        {"{'descr': '<m8[s]', 'fortran_order': False, 'shape': (3, 2)}", "found spans of time (<m8[s])"},
        {"{'descr': 'float', 'fortran_order': False, 'shape': (3, 2)}",
         "a type like <f4 expected, found float"},
        {"{'descr': '<f', 'fortran_order': False, 'shape': (3, 2)}",
         "found floats of other than 2, 4 or 8 bytes (<f)"},
        {"{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (3, 2)}", "records with named fields"},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (3, 2)}", "fortran_order: True or False expected"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': ()}",
         "shape: (rows, columns) expected, found ()"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2, 1)}", "expected, found (3, 2, 1)"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 2)}", "expected, found (0, 2)"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6, 0)}", "expected, found (6, 0)"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (0,)}", "expected, found (0,)"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-3, 2)}",
         "a number or the end of the shape expected"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3 2)}",
         "a comma or the end of the shape expected"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': 6}", "a shape like (3, 2) expected"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551616, 2)}",
         "a number below 2^64 expected"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551615, 2)}",
         "data: (18446744073709551615, 2) numbers of 4 bytes expected, found 24 bytes"},
        /* rows whose bytes come to 24 modulo 2^64 */
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2305843009213693955, 2)}",
         "data: (2305843009213693955, 2) numbers of 4 bytes expected, found 24 bytes"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4, 2)}",
         "data: (4, 2) numbers of 4 bytes expected, found 24"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}",
         "data: (2, 2) numbers of 4 bytes expected, found 24"},
        {"{'descr': '<f4', 'fortran_order': False}", "no shape found"},
        {"{'descr': '<f4', 'shape': (3, 2)}", "no fortran_order found"},
        {"{'fortran_order': False, 'shape': (3, 2)}", "no descr found"},
        {"{}", "no descr found"},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (3, 2)}",
         "expected once each, found descr"},
        {"{'color': '<f4', 'fortran_order': False, 'shape': (3, 2)}", "expected once each, found color"},
        {"{'descr': '<f4' 'fortran_order': False, 'shape': (3, 2)}",
         "a comma or the end of the dictionary expected"},
        {"{'descr' '<f4'}", "a colon expected"},
        {"{'descr': '<f4", "the end of the text expected"},
        {"{'descr': '<\\x664'}", "the end of the text expected"},
        {"{'descr': '\x01\xff'}", "found ?"
                                  "?"},
        {"{'descr': 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'}", "aaa..."},
        {"['descr']", "header, byte 0: a dictionary expected"},
        {"", "a dictionary expected"},
        {DICT "x", "nothing more expected"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        make(1 + (int)i % 3, cases[i].dict, 4);
        CHECK(refuses(cases[i].expected));
    }
}

static void files_are_refused(void)
{
    char *newline;
    make(1, DICT, 4);
    bytes[6] = 4;
    CHECK(refuses("version: 1, 2 or 3 expected, found 4"));
    bytes[6] = 0;
    CHECK(refuses("found 0"));
    bytes[6] = (char)200;
    CHECK(refuses("found 200"));
    make(1, DICT, 4);
    bytes[0] = 'x';
    CHECK(refuses("a file that NumPy saved expected"));
    make(1, DICT, 4);
    newline = (char *)memchr(bytes, '\n', size);
    if (CHECK(newline != NULL)) *newline = ' ';
    CHECK(refuses("header: a newline expected at its end, none found"));
    make(2, DICT, 4);
    memset(bytes + 8, 0xff, 4);
    CHECK(refuses("header: 4294967295 bytes expected, found"));
    make(1, DICT, 4);
    bytes[8] = bytes[9] = 0;
    CHECK(refuses("a newline expected"));
    make(1, DICT, 4);
    size--;
    CHECK(refuses("data: (3, 2) numbers of 4 bytes expected, found 23 bytes"));
    size += 2;
    CHECK(refuses("data: (3, 2) numbers of 4 bytes expected, found 25 bytes"));
}

/* Every beginning of a file is refused, and every change of one byte read or refused, never more. */
static void damaged_files(void)
{
    npy_array a;
    make(1, DICT, 4);
    for (size_t whole = size; size > 0;) {
        size--;
        CHECK(parse(&a) != 0 && size < whole);
    }
    for (size_t at = 0; at < 130; at++)
        for (int bit = 0; bit < 8; bit++) {
            make(3, DICT, 4);
            bytes[at] = (char)(bytes[at] ^ (1 << bit));
            if (parse(&a) == 0)
                for (size_t i = 0; i < a.rows * a.columns; i++) npy_value(&a, i / a.columns, i % a.columns);
            else CHECK(*message && !strchr(message, '\n'));
        }
}

static int save(void)
{
    FILE *file = fopen(path, "wb");
    return CHECK(file != NULL) && CHECK(fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

/* From the disk, told by its bytes: the file is not named .npy. */
static void tables(void)
{
    data_table t;
    make(1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", 4);
    if (!save() || !CHECK(table_read(path, NULL, &t, message, sizeof message) == 0)) return;
    CHECK(t.rows == 2 && t.columns == 3 && t.file_columns == 3 && !t.names && !t.line);
    for (size_t i = 0; i < 6; i++) CHECK(equal(t.values[i % 2 * 3 + i / 2], (double)floats[i]));
    table_free(&t);
    CHECK(table_read(path, "3,1", &t, message, sizeof message) == 0 && t.columns == 2 && t.source[0] == 3);
    CHECK(equal(t.values[0], (double)floats[4]) && equal(t.values[3], (double)floats[1]));
    table_free(&t);
    CHECK(table_read(path, "4", &t, message, sizeof message) != 0);
    CHECK(table_read(path, "x", &t, message, sizeof message) != 0);
    CHECK(strstr(message, "--columns: numbers from 1 to 3 expected, as the file has no names, found \"x\"") !=
          NULL);
    remove(path);
    CHECK(table_read(path, NULL, &t, message, sizeof message) != 0);
    CHECK(strstr(message, "TEST_NPY.DAT: a readable file expected") != NULL);
}

static void infinite_values_are_refused(void)
{
    static const char nan32[4] = {0, 0, (char)0xc0, 0x7f}, inf32[4] = {0, 0, (char)0x80, (char)0xff};
    data_table t;
    make(1, DICT, 4);
    memcpy(bytes + size - 8, nan32, 4);
    CHECK(save() && table_read(path, NULL, &t, message, sizeof message) != 0);
    CHECK(strstr(message, "TEST_NPY.DAT: row 3, column 1: a finite number expected, nan found (a missing "
                          "value); leaving the row out helps (--drop_missing of fit), or --columns 2 leaves "
                          "the column out") != NULL);
    CHECK(table_read_by(path, table_choose_text, NULL, true, &t, message, sizeof message) == 0);
    CHECK(t.rows == 2 && t.file_rows == 3 && table_number(&t, 1) == 2);
    table_free(&t);
    CHECK(table_read(path, "2", &t, message, sizeof message) == 0);
    table_free(&t);
    make(1, DICT, 4);
    memcpy(bytes + size - 20, inf32, 4);
    CHECK(save() && table_read(path, NULL, &t, message, sizeof message) != 0);
    CHECK(strstr(message, "row 1, column 2: a finite number expected, -inf found") != NULL);
    remove(path);
}

int main(void)
{
    RUN(versions_and_widths);
    RUN(every_type);
    RUN(native_order);
    RUN(infinite_halves);
    RUN(shapes_and_orders);
    RUN(numpy_s_own_bytes);
    RUN(other_spellings);
    RUN(headers_are_refused);
    RUN(files_are_refused);
    RUN(damaged_files);
    RUN(tables);
    RUN(infinite_values_are_refused);
    free(copy);
    return test_report();
}
