/* Tests of examples/support/npy.h: every version, every refusal, hostile files. */
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "../examples/support/npy.h"
#include "test.h"

#define DICT "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }"
static const char path[] = "build/test_npy.npy";
static const float floats[6] = {1, -2.5f, 3e38f, 0, 1e-40f, -0.0f};
static char bytes[1000], message[300];
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

/* Parses a copy that is exactly as long as the file, so that the address sanitizer sees a look beyond. */
static int parse(float **x, npy_reader *r)
{
    char *copy = (char *)malloc(size + (size == 0));
    int status;
    memset(r, 0, sizeof *r);
    r->path = "x.npy", r->error = message, r->error_size = sizeof message;
    *x = NULL, message[0] = '\0';
    if (!CHECK(copy != NULL)) return -1;
    memcpy(copy, bytes, size);
    status = npy_parse(r, copy, size, x);
    free(copy);
    return status;
}

static int reads_floats(void)
{
    npy_reader r;
    float *x;
    int right = parse(&x, &r) == 0 && r.rows == 3 && !memcmp(x, floats, sizeof floats);
    if (!right) printf("  %s\n", message);
    free(x);
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

/* What numpy.save wrote for numpy.array([[1, 2]], '<f4'), of 128 + 8 bytes. */
static void numpy_s_own_bytes(void)
{
    static const char head[] =
        "\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }";
    npy_reader r;
    float *x;
    memset(bytes, ' ', 128);
    memcpy(bytes, head, sizeof head - 1);
    bytes[127] = '\n';
    memcpy(bytes + 128, "\x00\x00\x80\x3f\x00\x00\x00\x40", 8);
    size = 136;
    CHECK(parse(&x, &r) == 0 && r.rows == 1 && x[0] <= 1 && x[0] >= 1 && x[1] <= 2 && x[1] >= 2);
    free(x);
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
    npy_reader r;
    float *x;
    int right = parse(&x, &r) != 0 && !x && strstr(message, "x.npy: ") == message &&
                strstr(message, expected) && !strchr(message, '\n');
    if (!right) printf("  expected %s in: %s\n", expected, message);
    free(x);
    return right;
}

static void headers_are_refused(void)
{
    static const struct {
        const char *dict, *expected;
    } cases[] = {
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (3, 2)}",
         "descr: expected <f4 or <f8, found >f4"},
        {"{'descr': '<i4', 'fortran_order': False, 'shape': (3, 2)}",
         "descr: expected <f4 or <f8, found <i4"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (3, 2)}", "found |O"},
        {"{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (3, 2)}",
         "header, byte 10: expected a text"},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2)}", "fortran_order: expected False"},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (3, 2)}", "fortran_order: expected False"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3)}", "shape: expected (N, 2), found (3, 3)"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6,)}", "shape: expected (N, 2), found (6,)"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': ()}", "shape: expected (N, 2), found ()"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2, 1)}", "found (3, 2, 1)"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 2)}", "found (0, 2)"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-3, 2)}",
         "expected a number or the end of the shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3 2)}",
         "expected a comma or the end of the shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': 6}", "expected a shape like (3, 2)"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551616, 2)}",
         "a number below 2^64"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551615, 2)}",
         "data: expected 18446744073709551615 rows of 8 bytes, found 24 bytes"},
        /* rows whose bytes come to 24 modulo 2^64 */
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2305843009213693955, 2)}",
         "data: expected 2305843009213693955 rows of 8 bytes, found 24 bytes"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4, 2)}",
         "data: expected 4 rows of 8 bytes, found 24"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}",
         "data: expected 2 rows of 8 bytes, found 24"},
        {"{'descr': '<f4', 'fortran_order': False}", "found no shape"},
        {"{'descr': '<f4', 'shape': (3, 2)}", "found no fortran_order"},
        {"{'fortran_order': False, 'shape': (3, 2)}", "found no descr"},
        {"{}", "found no descr"},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (3, 2)}",
         "once each, found descr"},
        {"{'color': '<f4', 'fortran_order': False, 'shape': (3, 2)}", "once each, found color"},
        {"{'descr': '<f4' 'fortran_order': False, 'shape': (3, 2)}", "a comma or the end of the dictionary"},
        {"{'descr' '<f4'}", "expected a colon"},
        {"{'descr': '<f4", "expected the end of the text"},
        {"{'descr': '<\\x664'}", "expected the end of the text"},
        {"{'descr': '\x01\xff'}", "found ?"
                                  "?"},
        {"{'descr': 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'}", "aaa..."},
        {"['descr']", "header, byte 0: expected a dictionary"},
        {"", "expected a dictionary"},
        {DICT "x", "expected nothing more"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        make(1 + (int)i % 3, cases[i].dict, 4);
        CHECK(refuses(cases[i].expected));
    }
}

static void files_are_refused(void)
{
    static const char nan32[4] = {0, 0, (char)0xc0, 0x7f}, huge64[8] = {0, 0, 0, 0, 0, 0, 0, 0x48};
    char *newline;
    make(1, DICT, 4);
    bytes[6] = 4;
    CHECK(refuses("version: expected 1, 2 or 3, found 4"));
    bytes[6] = 0;
    CHECK(refuses("found 0"));
    bytes[6] = (char)200;
    CHECK(refuses("found 200"));
    make(1, DICT, 4);
    bytes[0] = 'x';
    CHECK(refuses("expected a file that NumPy saved"));
    make(1, DICT, 4);
    newline = (char *)memchr(bytes, '\n', size);
    if (CHECK(newline != NULL)) *newline = ' ';
    CHECK(refuses("header: expected a newline at its end, found none"));
    make(2, DICT, 4);
    memset(bytes + 8, 0xff, 4);
    CHECK(refuses("header: expected 4294967295 bytes, found"));
    make(1, DICT, 4);
    bytes[8] = bytes[9] = 0;
    CHECK(refuses("expected a newline"));
    make(1, DICT, 4);
    size--;
    CHECK(refuses("data: expected 3 rows of 8 bytes, found 23 bytes"));
    size += 2;
    CHECK(refuses("data: expected 3 rows of 8 bytes, found 25 bytes"));
    make(1, DICT, 4);
    memcpy(bytes + size - 8, nan32, 4);
    CHECK(refuses("row 3, column 1: expected a number of at most 3.4e38 in size, found nan") ||
          refuses("found -nan"));
    make(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), }", 8);
    memcpy(bytes + size - 40, huge64, 8);
    CHECK(refuses("row 1, column 2: expected a number of at most 3.4e38 in size, found 6.80565e+38"));
}

/* Every beginning of a file is refused, and every change of one byte read or refused, never more. */
static void damaged_files(void)
{
    npy_reader r;
    float *x;
    make(1, DICT, 4);
    for (size_t whole = size; size > 0;) {
        size--;
        CHECK(parse(&x, &r) != 0 && !x && size < whole);
    }
    for (size_t at = 0; at < 130; at++)
        for (int bit = 0; bit < 8; bit++) {
            make(3, DICT, 4);
            bytes[at] = (char)(bytes[at] ^ (1 << bit));
            if (parse(&x, &r) == 0) CHECK(r.rows == 3 && x);
            else CHECK(!x && *message && !strchr(message, '\n'));
            free(x);
        }
}

/* By its name, from the disk. */
static void files(void)
{
    FILE *file = fopen(path, "wb");
    float *x = NULL;
    size_t n = 0, dim = 0;
    make(1, DICT, 4);
    if (!CHECK(file != NULL)) return;
    CHECK(fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
    CHECK(dataset_read(path, &x, &n, &dim, message, sizeof message) == 0);
    CHECK(n == 3 && dim == 2 && x && !memcmp(x, floats, sizeof floats));
    free(x);
    remove(path);
    CHECK(dataset_read(path, &x, &n, &dim, message, sizeof message) != 0);
    CHECK(strstr(message, "test_npy.npy: expected a readable file") != NULL);
    CHECK(dataset_read("nowhere.csv", &x, &n, &dim, message, sizeof message) != 0);
}

int main(void)
{
    RUN(versions_and_widths);
    RUN(numpy_s_own_bytes);
    RUN(other_spellings);
    RUN(headers_are_refused);
    RUN(files_are_refused);
    RUN(damaged_files);
    RUN(files);
    return test_report();
}
