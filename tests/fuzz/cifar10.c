/* The records of CIFAR-10: whole ones, labels from 0 to 9. */
#include "fuzz.h"

#include "../../examples/support/cifar10.h"

static int fuzz_cifar10(const uint8_t *bytes, size_t size)
{
    cifar10 set = {77, NULL, NULL};
    char error[300] = "";
    fuzz_file_set(bytes, size);
    if (cifar10_read("folder", "test", &set, error, sizeof error) == 0) {
        REQUIRE(set.n > 0 && size == set.n * cifar10_record && !*error);
        for (size_t i = 0; i < set.n; i++) {
            REQUIRE(set.labels[i] == bytes[i * cifar10_record] && set.labels[i] < cifar10_classes);
            REQUIRE(set.pixels[i * cifar10_dim + 3 * 7 + 2] == bytes[i * cifar10_record + 1 + 2048 + 7]);
        }
        cifar10_free(&set);
    } else {
        REQUIRE(set.n == 77 && !set.pixels && !set.labels);
        fuzz_message(error, sizeof error);
    }
    return 0;
}

static size_t seed_cifar10(size_t k, uint8_t *out)
{
    if (k > 2) return 0;
    for (size_t i = 0; i < k * cifar10_record; i++)
        out[i] = (uint8_t)(i % cifar10_record ? i * 7 & 255 : i / cifar10_record);
    return k ? k * cifar10_record : 1;
}
