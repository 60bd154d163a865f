/* table_read_by, of files of NumPy. */
#include "fuzz.h"

#define ITDIFF_IMPLEMENTATION
#include "../../itdiff.h"

#include "../../examples/support/table.h"

static int fuzz_npy(const uint8_t *bytes, size_t size)
{
    data_table t = {0};
    char error[TABLE_ERROR] = "";
    fuzz_file_set(bytes, size);
    if (table_read_by("file", table_choose_text, NULL, size % 2, &t, error, sizeof error) == 0) {
        REQUIRE(t.rows > 0 && t.columns > 0 && t.rows <= size / t.columns && t.rows <= t.file_rows);
        REQUIRE(!*error);
        for (size_t i = 0; i < t.rows * t.columns; i++) REQUIRE(t.values[i] - t.values[i] <= 0); /* finite */
    } else {
        REQUIRE(!t.values && !t.source && !t.number);
        fuzz_message(error, sizeof error);
    }
    table_free(&t);
    return 0;
}

/* Every version in both widths, as NumPy writes them: the header ends at a multiple of 64 bytes. */
static size_t seed_npy(size_t k, uint8_t *out)
{
    static const uint8_t one[2][8] = {{0, 0, 0x80, 0x3F}, {0, 0, 0, 0, 0, 0, 0xF0, 0x3F}};
    size_t wide = k % 2, begin = k < 2 ? 10 : 12, row;
    if (k > 5) return 0;
    memset(out, ' ', 128);
    memcpy(out, "\x93NUMPY", 6);
    out[6] = (uint8_t)(k / 2 + 1), out[7] = 0;
    memset(out + 8, 0, 4);
    out[8] = (uint8_t)(128 - begin);
    row = (size_t)sprintf((char *)out + begin, "{'descr': '<f%d', 'fortran_order': False, 'shape': (3, 2), }",
                          wide ? 8 : 4);
    out[begin + row] = ' '; /* over the NUL */
    out[127] = '\n';
    for (row = 0; row < 6; row++) memcpy(out + 128 + row * (wide ? 8 : 4), one[wide], 8);
    return 128 + 6 * (wide ? 8 : 4);
}
