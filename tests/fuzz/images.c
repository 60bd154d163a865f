/* Images in files of NumPy and of MNIST's kind: whatever the bytes, images with finite values or one line. */
#include "fuzz.h"

#include "../../examples/support/images.h"

static int fuzz_images(const uint8_t *bytes, size_t size)
{
    image_set set = {0};
    char error[IMAGES_ERROR] = "";
    text_error to = {"folder", error, sizeof error};
    fuzz_file_set(bytes, size);
    if (images_take_file("file", &set, &to) == 0) {
        REQUIRE(set.n > 0 && set.dim == set.height * set.width * set.channels && set.n <= size / set.dim);
        REQUIRE(!set.bytes != !set.values && !*error);
        for (size_t k = 0; k < set.n * set.dim; k++)
            REQUIRE(fabs(images_value(&set, k / set.dim, k % set.dim)) <= DBL_MAX);
        if (images_find_scale(&set, &to) == 0) REQUIRE(images_take_scale(&set, &set.scale, &to) == 0);
        else fuzz_message(error, sizeof error);
    } else {
        fuzz_message(error, sizeof error);
    }
    images_free(&set);
    return 0;
}

/* IDX of bytes, of big-endian floats and of other types; then files of NumPy, which are no images. */
static size_t seed_images(size_t k, uint8_t *out)
{
    static const uint8_t types[] = {8, 13, 9, 11, 14}, widths[] = {1, 4, 1, 2, 8};
    if (k >= sizeof types) return seed_npy(k - sizeof types, out);
    memset(out, 0, 16);
    out[2] = types[k], out[3] = 3, out[7] = 4, out[11] = 2, out[15] = 3;
    for (size_t i = 0; i < 24; i++)
        for (size_t byte = 0; byte < widths[k]; byte++)
            out[16 + i * widths[k] + byte] = (uint8_t)(i * 10 + byte);
    return 16 + 24 * (size_t)widths[k];
}
