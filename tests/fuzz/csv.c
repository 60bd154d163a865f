/* dataset_read_csv. */
#include "fuzz.h"

#define ITDIFF_IMPLEMENTATION
#include "../../itdiff.h"

#include "../../examples/support/datasets.h"

static int fuzz_csv(const uint8_t *bytes, size_t size)
{
    float *x = NULL;
    size_t n = 77, dim = 77;
    char error[300] = "";
    fuzz_file_set(bytes, size);
    if (dataset_read_csv("file", &x, &n, &dim, error, sizeof error) == 0) {
        REQUIRE(n > 0 && dim > 0 && n <= size && dim <= size && !*error);
        for (size_t i = 0; i < n * dim; i++) REQUIRE(x[i] - x[i] <= 0); /* finite */
    } else {
        REQUIRE(!x && n == 77 && dim == 77);
        fuzz_message(error, sizeof error);
    }
    free(x);
    return 0;
}

static size_t seed_csv(size_t k, uint8_t *out)
{
    (void)k, (void)out;
    return 0;
}
