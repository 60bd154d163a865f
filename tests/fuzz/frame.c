/* frame_from_text, of a text that someone else has put into a checkpoint. */
#include "fuzz.h"

#define ITDIFF_IMPLEMENTATION
#include "../../itdiff.h"

#include "../../examples/support/frame_text.h"

static int fuzz_frame(const uint8_t *bytes, size_t size)
{
    char error[TABLE_ERROR] = "", *text = (char *)malloc(size + 1), *again;
    data_frame f;
    REQUIRE(text != NULL);
    memcpy(text, bytes, size);
    text[size] = '\0';
    if (frame_from_text(text, &f, error, sizeof error) == 0) {
        REQUIRE(!*error && f.columns > 0 && f.columns <= f.file_columns && f.columns < size);
        for (size_t j = 0; j < f.columns; j++) {
            REQUIRE(f.offset[j] - f.offset[j] <= 0 && f.step[j] >= 0 && f.step[j] - f.step[j] <= 0);
            REQUIRE(f.source[j] >= 1 && f.source[j] <= f.file_columns);
            for (const char *at = f.names ? f.names[j] : ""; *at; at++)
                REQUIRE((unsigned char)*at >= 0x20 && *at != 0x7F);
        }
        again = frame_to_text(&f);
        frame_free(&f);
        REQUIRE(again && frame_from_text(again, &f, error, sizeof error) == 0);
        frame_free(&f), free(again);
    } else {
        REQUIRE(!f.names && !f.source && !f.offset && !f.step);
        fuzz_message(error, sizeof error);
    }
    free(text);
    return 0;
}

static size_t seed_frame(size_t k, uint8_t *out)
{
    static const char *const seeds[] = {
        "frame 1 rows 60 checksum 0123456789abcdef file 3 columns 2 | 2 2.5e-01 0 :x | 3 -1.75e+01 1e-01 "
        ":a%20b",
        "frame 1 rows 1 checksum 0000000000000000 file 1 columns 1 | 1 0 0 -",
    };
    size_t length = k < 2 ? strlen(seeds[k]) : 0;
    if (length) memcpy(out, seeds[k], length);
    return length;
}
