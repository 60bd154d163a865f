/* Images of any kind: what is read of files made here by hand, what their values mean, how they are divided
 * and written; padding, against a law that is known; what is planned for which size; and the spectrum of
 * images whose spectrum is known. */
#include "../examples/support/system.h"

#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "../examples/support/must.h"
#include "../examples/support/image_plan.h"
#include "../examples/support/images.h"
#include "ref.h"
#include "test.h"

static char message[IMAGES_ERROR];

static const char *const path = "build/image-sets.tmp", *const other_path = "build/image-sets-2.tmp";

static int check_contains(const char *whole, const char *part)
{
    int holds = strstr(whole, part) != NULL;
    if (!holds) printf("  expected \"%s\" in \"%s\"\n", part, whole);
    return CHECK(holds);
}

/* ---- files made by hand ---- */

static void write_file(const char *name, const char *head, size_t head_size, const void *data, size_t size)
{
    FILE *file = fopen(name, "wb");
    if (!CHECK(file != NULL)) return;
    CHECK(fwrite(head, 1, head_size, file) == head_size && fwrite(data, 1, size, file) == size);
    CHECK(fclose(file) == 0);
}

/* descr: as NumPy has it, or with = for the order of the bytes on this machine. */
static void write_npy_in(const char *order, const char *name, const char *descr, const char *shape,
                         const void *data, size_t size)
{
    const uint16_t one = 1;
    char head[300], first = *descr != '=' ? *descr : *(const unsigned char *)&one ? '<' : '>';
    int length = snprintf(head + 10, sizeof head - 10,
                          "{'descr': '%c%s', 'fortran_order': %s, 'shape': %s, }\n", first, descr + 1, order,
                          shape);
    memcpy(head, "\x93NUMPY\1\0", 8);
    head[8] = (char)length, head[9] = 0;
    write_file(name, head, 10 + (size_t)length, data, size);
}

static void write_npy(const char *name, const char *descr, const char *shape, const void *data, size_t size)
{
    write_npy_in("False", name, descr, shape, data, size);
}

/* Images of 3 x 2, value k of image i. */
static uint8_t fake(size_t i, size_t k) { return (uint8_t)(37 * i + 11 * k); }

enum { N = 12, H = 3, W = 2, D = H * W };

static void write_fakes(const char *name)
{
    uint8_t bytes[N * D];
    for (size_t k = 0; k < sizeof bytes; k++) bytes[k] = fake(k / D, k % D);
    write_npy(name, "|u1", "(12, 3, 2)", bytes, sizeof bytes);
}

static int read_both(image_set *train, image_set *test)
{
    return images_read_both(path, NULL, NULL, train, test, message, sizeof message);
}

/* ---- reading ---- */

static void npy_of_bytes(void)
{
    image_set set;
    write_fakes(path);
    if (!CHECK(images_read(path, "train", &set, message, sizeof message) == 0)) return;
    CHECK(set.n == N && set.height == H && set.width == W && set.channels == 1 && set.dim == D && set.bytes);
    for (size_t k = 0; k < N * D; k++) CHECK(images_value(&set, k / D, k % D) == fake(k / D, k % D));
    images_free(&set);
}

/* Channels stay side by side; mirrored rows exchange pixels, not channels. */
static void npy_in_colour_and_mirrored(void)
{
    uint8_t bytes[4 * 2 * 3 * 3];
    image_set set;
    text_error to = {path, message, sizeof message};
    float x[18], mirrored[18];
    for (size_t k = 0; k < sizeof bytes; k++) bytes[k] = (uint8_t)(k * 3);
    write_npy(path, "|u1", "(4, 2, 3, 3)", bytes, sizeof bytes);
    if (!CHECK(images_read(path, "train", &set, message, sizeof message) == 0)) return;
    CHECK(set.channels == 3 && set.dim == 18 && images_find_scale(&set, &to) == 0);
    images_get(&set, 2, 0, x), images_get(&set, 2, 1, mirrored);
    for (size_t k = 0; k < 18; k++) {
        CHECK(x[k] == (float)(2.0 * bytes[36 + k] / 255 - 1));
        CHECK(mirrored[k] == x[k / 9 * 9 + (2 - k % 9 / 3) * 3 + k % 3]);
    }
    images_free(&set);
}

/* Fortran's order: the first index runs fastest. */
static void npy_in_fortran_order(void)
{
    uint8_t bytes[4 * 2 * 3];
    image_set set;
    for (size_t k = 0; k < sizeof bytes; k++) bytes[k] = (uint8_t)k;
    write_npy_in("True", path, "|u1", "(4, 2, 3)", bytes, sizeof bytes);
    if (!CHECK(images_read(path, "train", &set, message, sizeof message) == 0)) return;
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 6; k++)
            CHECK(images_value(&set, i, k) == (double)(i + 4 * (k / 3) + 8 * (k % 3)));
    images_free(&set);
}

static void idx_as_mnist_has_it(void)
{
    static const char head[] = {0, 0, 8, 3, 0, 0, 0, 12, 0, 0, 0, 3, 0, 0, 0, 2};
    uint8_t bytes[N * D];
    image_set set;
    for (size_t k = 0; k < sizeof bytes; k++) bytes[k] = fake(k / D, k % D);
    write_file(path, head, sizeof head, bytes, sizeof bytes);
    if (!CHECK(images_read(path, "train", &set, message, sizeof message) == 0)) return;
    CHECK(set.n == N && set.height == H && set.width == W && set.channels == 1 && set.bytes);
    for (size_t k = 0; k < N * D; k++) CHECK(images_value(&set, k / D, k % D) == fake(k / D, k % D));
    images_free(&set);
}

/* Big-endian floats, in another type of IDX. */
static void idx_of_floats(void)
{
    static const char head[] = {0, 0, 13, 3, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 1};
    static const char bytes[] = {0x3f, (char)0x80, 0, 0, (char)0xbf, (char)0x80, 0, 0,
                                 0x40, 0,          0, 0, 0x3e,       0x20,       0, 0};
    static const double expected[] = {1, -1, 2, 0.15625};
    image_set set;
    write_file(path, head, sizeof head, bytes, sizeof bytes);
    if (!CHECK(images_read(path, "train", &set, message, sizeof message) == 0)) return;
    for (size_t i = 0; i < 4; i++) CHECK(set.values && images_value(&set, i, 0) == expected[i]);
    images_free(&set);
}

static void check_refused(const char *why)
{
    image_set train, test;
    *message = '\0';
    CHECK(read_both(&train, &test) != 0);
    check_contains(message, path), check_contains(message, why);
    CHECK(strchr(message, '\n') == NULL);
}

/* Files of other programs, whole or cut short. */
static void wrong_files_are_named(void)
{
    static const char gzip[] = "\x1F\x8B\x08\0\0\0\0\0", png[] = "\x89PNG\r\n\x1a\n";
    static const char labels[] = {0, 0, 8, 1, 0, 0, 0, 5, 1, 2, 3, 4, 5};
    static const char cut[] = {0, 0, 8, 3, 0, 0, 0, 12, 0, 0, 0, 3, 0, 0, 0, 2, 7};
    static const char huge[] = {0, 0, 8, 3, 127, 0, 0, 0, 127, 0, 0, 0, 127, 0, 0, 0};
    static const char type[] = {0, 0, 10, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 7, 7};
    static const char half[] = {0, 0, 11, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 7};
    static const char none[] = {0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1};
    static const char *const not_idx[] = {"\1\0\10\3", "\0\1\10\3", "\0\0\7\3",
                                          "\0\0\17\3", "\0\0\10\0", "\0\0\10\100"};
    remove(path);
    check_refused("found nothing that can be opened");
    write_file(path, gzip, 8, "", 0), check_refused("gzip found; unpack it with gunzip first");
    write_file(path, png, 8, "", 0), check_refused("one picture found; numpy.save all of them");
    write_file(path, "1,2\n3,4\n", 8, "", 0), check_refused("text found; numpy.save an array");
    write_file(path, "<html>", 6, "", 0), check_refused("HTML or XML found");
    write_file(path, "", 0, "", 0), check_refused("no bytes found");
    write_file(path, labels, sizeof labels, "", 0), check_refused("one row of 5 numbers found: the labels?");
    write_file(path, cut, sizeof cut, "", 0),
        check_refused("88 bytes expected, as its header says, 17 found");
    write_file(path, cut, 9, "", 0), check_refused("17 bytes expected, as its header says, 9 found");
    write_file(path, none, sizeof none, "", 0), check_refused("dimension 2: a size expected, 0 found");
    write_file(path, type, sizeof type, "", 0), check_refused("type: 8, 9 or 11 to 14 expected, 10 found");
    write_file(path, half, sizeof half, "", 0), check_refused("18 bytes expected, as its header says, 17");
    for (size_t i = 0; i < sizeof not_idx / sizeof *not_idx; i++)
        write_file(path, not_idx[i], 4, "", 0), check_refused(".npy, a file as MNIST's");
    write_file(path, huge, sizeof huge, "", 0), check_refused("dimension 2: a size expected");
}

/* Bytes with a sign are floats like others. */
static void npy_of_signed_bytes(void)
{
    const signed char bytes[8] = {-100, 50, 0, 1, 2, 3, 4, 5};
    image_set set;
    write_npy(path, "|i1", "(2, 2, 2)", bytes, sizeof bytes);
    if (!CHECK(images_read(path, "train", &set, message, sizeof message) == 0)) return;
    for (size_t k = 0; k < 8; k++) CHECK(set.values && images_value(&set, k / 4, k % 4) == bytes[k]);
    images_free(&set);
}

/* Arrays that are no images. */
static void wrong_arrays_are_named(void)
{
    static const char bytes[4100] = {0};
    static const float same[400] = {0};
    write_npy(path, "|u1", "(40, 10)", bytes, 400), check_refused("(40, 10) found; numpy.reshape it");
    write_npy(path, "|u1", "(4, 4, 5, 5)", bytes, 400), check_refused("the channels last expected, (4, 4");
    write_npy(path, "|u1", "(2, 8, 5, 5)", bytes, 400), check_refused("1 to 4 channels expected, 5 found");
    write_npy(path, "|u1", "(4, 1025, 1)", bytes, 4100), check_refused("1024 pixels a side expected, 1025");
    write_npy(path, "|u1", "(4, 1, 1025)", bytes, 4100), check_refused("expected, 1 x 1025 found");
    write_npy(path, "=f4", "(4, 10, 10)", same, sizeof same), check_refused("every value is 0");
    write_npy(path, "|u1", "(20, 1, 5, 5)", bytes, 400), check_refused("(20, 1, 5, 5) numbers of 1 bytes");
    write_npy(path, "|u1", "(8, 2, 5, 5)", bytes, 400), check_refused("the channels last expected, (8, 2");
    write_npy(path, "|u1", "(3, 10, 10)", bytes, 300), check_refused("at least 4 images expected, 3 found");
    write_npy(path, "|u1", "(4, 10, 10)", bytes, 400), check_refused("every value is 0");
    write_npy(path, "|u1", "(1, 1, 2, 2, 100)", bytes, 400), check_refused("shape: (n, height, width)");
    write_npy(path, "<c8", "(2, 5, 5)", bytes, 400), check_refused("complex numbers");
}

static void values_that_are_not_finite(void)
{
    float x[4 * D];
    for (size_t k = 0; k < 4 * D; k++) x[k] = (float)k;
    x[2 * D + 3] = INFINITY;
    write_npy(path, "=f4", "(4, 3, 2)", x, sizeof x);
    check_refused("image 3, row 2, column 2: a finite number expected");
}

/* Small numbers, and masks that are not quite 0 or 1, are no bytes in disguise: they stay what they are. */
static void small_numbers_stay_floats(void)
{
    static const double size[] = {0.05, 1e-6, 1, 1};
    float x[N * D];
    image_set train, test;
    for (size_t j = 0; j < 4; j++) {
        for (size_t k = 0; k < N * D; k++) x[k] = (float)(size[j] * ((double)(37 * k % 72) / 71));
        for (size_t k = 0; k < N * D && j >= 2; k++) x[k] = k % 3 ? 1 - 0.04f * x[k] : 0.04f * x[k];
        for (size_t k = 0; k < N * D && j == 3; k++) x[k] = (float)floor(x[k] + 0.5); /* now they are masks */
        write_npy(path, "=f4", "(12, 3, 2)", x, sizeof x);
        if (!CHECK(read_both(&train, &test) == 0)) return;
        CHECK((train.values != NULL) == (j < 3) && train.scale.levels == (j < 3 ? 0 : 2));
        for (size_t i = 0, k = 0; i < train.n; i++)
            for (k = 0; k < D; k++) CHECK(images_value(&train, i, k) == (double)x[train.index[i] * D + k]);
        images_free(&test), images_free(&train);
    }
}

/* The greatest value may be in any image, also in one that is held out. */
static void values_are_those_of_all_images(void)
{
    for (size_t bright = 0; bright < N; bright++) {
        uint8_t bytes[N * D];
        image_set train, test;
        for (size_t k = 0; k < sizeof bytes; k++) bytes[k] = (uint8_t)(k / D == bright ? 40 : k % 30);
        write_npy(path, "|u1", "(12, 3, 2)", bytes, sizeof bytes);
        if (!CHECK(read_both(&train, &test) == 0)) return;
        CHECK(train.scale.high == 40 && test.scale.high == 40 && test.scale.levels == 41 && test.n == 2);
        images_free(&test), images_free(&train);
    }
}

static void check_test_refused(const char *why)
{
    image_set train, test;
    CHECK(images_read_both(path, other_path, NULL, &train, &test, message, sizeof message) != 0);
    check_contains(message, other_path), check_contains(message, why);
}

static void other_shapes_and_values_in_the_test(void)
{
    uint8_t bytes[4 * D];
    for (size_t k = 0; k < 4 * D; k++) bytes[k] = (uint8_t)(k % 17);
    write_npy(path, "|u1", "(4, 3, 2)", bytes, sizeof bytes);
    bytes[9] = 17;
    write_npy(other_path, "|u1", "(4, 3, 2)", bytes, sizeof bytes);
    check_test_refused("17 values from 0 to 16 expected, as in training, image 2 has 17");
    write_npy(other_path, "|u1", "(4, 2, 3)", bytes, sizeof bytes);
    check_test_refused("images of 3 x 2 x 1 expected, as in training, found 2 x 3 x 1");
    write_npy(other_path, "|u1", "(8, 3, 1)", bytes, sizeof bytes);
    check_test_refused("images of 3 x 2 x 1 expected, as in training, found 3 x 1 x 1");
    write_npy(other_path, "|u1", "(2, 3, 2, 2)", bytes, sizeof bytes);
    check_test_refused("images of 3 x 2 x 1 expected, as in training, found 3 x 2 x 2");
    write_npy(other_path, "|u1", "(4, 3, 2)", bytes, sizeof bytes);
    write_npy(path, "|u1", "(1, 3, 2)", bytes, D);
    {
        image_set train, test;
        CHECK(images_read_both(path, other_path, NULL, &train, &test, message, sizeof message) != 0);
        check_contains(message, "at least 2 images expected, 1 found");
    }
    remove(other_path);
}

/* Images for a model have its scale: the darkest they hold need not be the darkest it knows. */
static void a_model_tells_the_scale(void)
{
    static const image_scale bytes = {0, 255, 256, 0, 0}, any = {0, 1, 0, 0, 0};
    image_set train, test;
    float x[N * D];
    write_fakes(path);
    if (!CHECK(images_read_both(path, NULL, &bytes, &train, &test, message, sizeof message) == 0)) return;
    CHECK(train.scale.levels == 256 && test.scale.levels == 256 && test.n == 2);
    images_free(&test), images_free(&train);
    for (size_t k = 0; k < N * D; k++) x[k] = (float)k / 100;
    write_npy(path, "=f4", "(12, 3, 2)", x, sizeof x);
    CHECK(images_read_test(path, &any, &test, message, sizeof message) == 0 && test.scale.high == 1);
    images_free(&test);
    x[8] = -10.5f;
    write_npy(path, "=f4", "(12, 3, 2)", x, sizeof x);
    CHECK(images_read_test(path, &any, &test, message, sizeof message) != 0 && !test.values);
    check_contains(message, "values from about 0 to 1 expected, as in training, image 2 has -10.5");
}

/* ---- folders ---- */

static const char folder[] = "build/image-sets.d";

static const char *in_folder(const char *name)
{
    static char file[100];
    snprintf(file, sizeof file, "%s/%s", folder, name);
    return file;
}

static void folders_of_cifar10(void)
{
    static uint8_t records[3 * 3073];
    image_set train, test;
    CHECK(system_make_directory(folder) == 0);
    for (size_t i = 0; i < 3; i++) records[3073 * i] = (uint8_t)i, records[3073 * i + 1 + 1024] = 200;
    write_file(in_folder("data_batch_1.bin"), "", 0, records, sizeof records);
    write_file(in_folder("test_batch.bin"), "", 0, records, 2 * 3073);
    if (CHECK(images_read_both(folder, NULL, NULL, &train, &test, message, sizeof message) == 0)) {
        CHECK(train.n == 3 && test.n == 2 && train.height == 32 && train.width == 32 && train.channels == 3);
        CHECK(images_value(&train, 2, 1) == 200 && images_value(&train, 2, 0) == 0 &&
              train.scale.levels == 256);
        CHECK(images_write_npy(other_path, &train, (float[3072]){0}, 1) == 0);
        images_free(&test), images_free(&train);
    }
    if (CHECK(images_read(other_path, "train", &train, message, sizeof message) == 0)) {
        CHECK(train.n == 1 && train.channels == 3 && images_value(&train, 0, 7) == 128);
        images_free(&train);
    }
    records[0] = 10; /* there are no more than ten classes */
    write_file(in_folder("data_batch_1.bin"), "", 0, records, sizeof records);
    CHECK(images_read(folder, "train", &train, message, sizeof message) != 0);
    check_contains(message, "record 1: expected a label from 0 to 9, found 10");
    remove(in_folder("data_batch_1.bin")), remove(in_folder("test_batch.bin")), remove(folder);
    remove(other_path);
}

/* The names as they are published, and as some programs unpack them. */
static void folders_of_mnist(void)
{
    static const char head[] = {0, 0, 8, 3, 0, 0, 0, 12, 0, 0, 0, 3, 0, 0, 0, 2};
    uint8_t bytes[N * D];
    image_set train, test;
    for (size_t k = 0; k < sizeof bytes; k++) bytes[k] = fake(k / D, k % D);
    CHECK(system_make_directory(folder) == 0);
    write_file(in_folder("train-images-idx3-ubyte"), head, sizeof head, bytes, sizeof bytes);
    if (CHECK(images_read_both(folder, NULL, NULL, &train, &test, message, sizeof message) == 0)) {
        CHECK(train.n == 10 && test.n == 2 && test.borrowed); /* there are no others */
        images_free(&test), images_free(&train);
    }
    bytes[1] = 99;
    write_file(in_folder("t10k-images.idx3-ubyte"), head, sizeof head, bytes, sizeof bytes);
    if (CHECK(images_read_both(folder, NULL, NULL, &train, &test, message, sizeof message) == 0)) {
        CHECK(train.n == 12 && test.n == 12 && images_value(&test, 0, 1) == 99);
        images_free(&test);
        CHECK(images_read_test(folder, &train.scale, &test, message, sizeof message) == 0 && test.n == 12);
        CHECK(test.of_tests && !train.of_tests);
        images_free(&test), images_free(&train);
    }
    remove(in_folder("train-images-idx3-ubyte")), remove(in_folder("t10k-images.idx3-ubyte"));
    remove(folder);
}

static void folders_with_other_files(void)
{
    static const char *const others[][2] = {{"data_batch_1", "CIFAR-10 for Python"},
                                            {"train-images-idx3-ubyte.gz", "MNIST packed by gzip"},
                                            {"data_batch_2.bin", "some files of CIFAR-10's binary version"},
                                            {"test_batch.bin", "only the test images"}};
    image_set train, test;
    CHECK(system_make_directory(folder) == 0);
    CHECK(images_read(folder, "train", &train, message, sizeof message) != 0);
    check_contains(message, "images expected, found a folder without data_batch_1.bin");
    for (size_t k = 0; k < sizeof others / sizeof *others; k++) {
        write_file(in_folder(others[k][0]), "x", 1, "", 0);
        CHECK(images_read_both(folder, NULL, NULL, &train, &test, message, sizeof message) != 0);
        check_contains(message, "data_batch_1.bin expected in it, found"),
            check_contains(message, others[k][1]);
        remove(in_folder(others[k][0]));
    }
    remove(folder);
}

/* ---- disguises: floats that are bytes, beside those that are not ---- */

static void write_floats(const char *name, const float *x)
{
    write_npy(name, "=f4", "(10, 2, 2)", x, 40 * sizeof *x);
}

/* In [-1, 1], value 0 of the first test image; NaN if it was refused. */
static double first_test_value(void)
{
    image_set train, test;
    float x[4];
    if (images_read_both(path, other_path, NULL, &train, &test, message, sizeof message)) return NAN;
    images_get(&test, 0, 0, x);
    images_free(&test), images_free(&train);
    return (double)x[0];
}

static void test_images_mean_what_training_images_mean(void)
{
    float any[40], bytes[40], masks[40];
    uint8_t real[40];
    for (size_t k = 0; k < 40; k++) {
        any[k] = (float)k / 39.0f, bytes[k] = (float)(255 - 3 * k) / 255, masks[k] = k % 2 ? 0.0f : 1.0f;
        real[k] = (uint8_t)(255 - 3 * k);
    }
    write_floats(path, any), write_floats(other_path, bytes);
    CHECK_CLOSE(first_test_value(), 1, 1e-6); /* 255 / 255 of a scale from 0 to 1 */
    write_npy(other_path, "|u1", "(10, 2, 2)", real, sizeof real);
    CHECK(isnan(first_test_value()));
    check_contains(message,
                   "values from about 0 to 1 expected, as in training, image 1 has 255: are they in");
    write_floats(path, bytes), write_floats(other_path, masks);
    CHECK_CLOSE(first_test_value(), 1, 0); /* and not a 255th */
    write_npy(path, "|u1", "(10, 2, 2)", real, sizeof real);
    CHECK_CLOSE(first_test_value(), 1, 0);
    write_floats(other_path, bytes);
    CHECK_CLOSE(first_test_value(), 1, 0);
    write_floats(other_path, any);
    CHECK(isnan(first_test_value()));
    remove(other_path);
}

/* ---- images that nothing is learned from ---- */

static void all_images_of_a_file_are_measured(void)
{
    static const image_scale bytes = {0, 255, 256, 0, 0};
    const uint8_t one[D] = {1, 2, 3, 4, 5, 255};
    image_set set, rest;
    memset(&rest, 0, sizeof rest);
    write_npy(path, "|u1", "(1, 3, 2)", one, sizeof one);
    if (!CHECK(images_read_test(path, &bytes, &set, message, sizeof message) == 0)) return;
    CHECK(set.n == 1 && images_value(&set, 0, 5) == 255 && set.scale.levels == 256);
    images_free(&set);
    write_fakes(path);
    if (!CHECK(images_read_test(path, &bytes, &set, message, sizeof message) == 0)) return;
    {
        text_error to = {path, message, sizeof message};
        image_set divided = set;
        CHECK(images_split(&divided, &rest, &to) == 0 && divided.n == N - 2 && rest.n == 2);
        images_unite(&divided, &rest, N);
    }
    for (size_t i = 0; i < N; i++) CHECK(images_value(&rest, i, 1) == fake(i, 1));
    CHECK(rest.n == N && !rest.borrowed);
    images_free(&rest);
}

/* ---- what the values mean ---- */

static void values_lie_on_a_grid_or_not(void)
{
    static const image_scale bytes = {0, 255, 256, 0, 0}, quarters = {-1, 1, 9, 0, 0};
    CHECK(images_on_scale(&bytes, 0) && images_on_scale(&bytes, 3) && images_on_scale(&bytes, 255));
    CHECK(images_on_scale(&bytes, 2.9999) && images_on_scale(&bytes, 3.0001));
    CHECK(!images_on_scale(&bytes, 2.6) && !images_on_scale(&bytes, 3.4));
    CHECK(!images_on_scale(&bytes, -1) && !images_on_scale(&bytes, 256));
    CHECK(images_on_scale(&quarters, -0.75) && !images_on_scale(&quarters, -0.9));
}

static void check_scale(double low, double high, size_t levels)
{
    image_set train, test;
    if (!CHECK(read_both(&train, &test) == 0)) {
        printf("  %s\n", message);
        return;
    }
    CHECK(train.scale.low == low && train.scale.high == high && train.scale.levels == levels);
    CHECK(test.scale.low == low && test.scale.high == high && test.scale.levels == levels);
    images_free(&test), images_free(&train);
}

static void scales_of_many_ranges(void)
{
    float x[40];
    double d[40];
    uint8_t bytes[40];
    for (size_t k = 0; k < 40; k++) bytes[k] = k % 2 ? 200 : 3, x[k] = (float)(k % 40) / 255;
    write_npy(path, "|u1", "(10, 2, 2)", bytes, 40), check_scale(0, 255, 256);
    write_npy(path, "=f4", "(10, 2, 2)", x, sizeof x), check_scale(0, 39, 40);
    for (size_t k = 0; k < 40; k++) bytes[k] = (uint8_t)(2 + k % 15), d[k] = (double)(6 * k) / 127.5 - 1;
    write_npy(path, "|u1", "(10, 2, 2)", bytes, 40), check_scale(2, 16, 15);
    write_npy(path, "=f8", "(10, 2, 2)", d, sizeof d), check_scale(0, 255, 256);
    for (size_t k = 0; k < 40; k++)
        bytes[k] = k % 3 == 0, x[k] = -3 + 0.3f * (float)k, d[k] = (double)(k * 255 / 39);
    write_npy(path, "|b1", "(10, 2, 2)", bytes, 40), check_scale(0, 1, 2);
    write_npy(path, "=f4", "(10, 2, 2)", x, sizeof x), check_scale(-3, (double)x[39], 0);
    write_npy(path, "=f8", "(10, 2, 2)", d, sizeof d), check_scale(0, 255, 256);
}

/* ---- which are for training ---- */

/* Every image is in one of the two sets, and the same ones are held out each time. */
static void the_split_is_a_partition(void)
{
    image_set train, test;
    size_t seen[40] = {0}, first;
    uint8_t bytes[40 * D];
    for (size_t k = 0; k < sizeof bytes; k++) bytes[k] = (uint8_t)(k / D + (k % D == 5 ? 128 : 0));
    write_npy(path, "|u1", "(40, 3, 2)", bytes, sizeof bytes);
    if (!CHECK(read_both(&train, &test) == 0)) return;
    CHECK(train.n == 36 && test.n == 4 && test.borrowed);
    for (size_t i = 0; i < 36; i++) seen[(size_t)images_value(&train, i, 0)]++;
    for (size_t i = 0; i < 4; i++) seen[(size_t)images_value(&test, i, 0)]++;
    for (size_t i = 0; i < 40; i++) CHECK(seen[i] == 1);
    first = (size_t)images_value(&test, 0, 0);
    images_free(&test), images_free(&train);
    if (!CHECK(read_both(&train, &test) == 0)) return;
    CHECK((size_t)images_value(&test, 0, 0) == first);
    images_free(&test), images_free(&train);
}

/* Of very many images 10,000 are enough. */
static void at_most_ten_thousand_are_held_out(void)
{
    enum { MANY = 100020 };
    static uint8_t bytes[MANY];
    image_set train, test;
    for (size_t i = 0; i < MANY; i++) bytes[i] = (uint8_t)(i % 251);
    write_npy(path, "|u1", "(100020, 1, 1)", bytes, sizeof bytes);
    if (!CHECK(read_both(&train, &test) == 0)) return;
    CHECK(test.n == 10000 && train.n == MANY - 10000);
    images_free(&test), images_free(&train);
}

/* ---- writing ---- */

static void what_cannot_be_written(void)
{
    image_set like;
    static const float x[N * D] = {0};
    write_fakes(path);
    if (!CHECK(images_read_test(path, &(image_scale){0, 255, 256, 0, 0}, &like, message, sizeof message) ==
               0))
        return;
    CHECK(images_write_npy("build/no-such-folder/x.npy", &like, x, N) == -1);
    CHECK(images_write_npy(other_path, &like, x, N) == 0);
    {
        FILE *full = fopen("/dev/full", "r"); /* a disk without room, as Linux has one */
        if (full) fclose(full), CHECK(images_write_npy("/dev/full", &like, x, N) == -1);
    }
    images_free(&like), remove(other_path);
}

static void what_is_written_is_read(void)
{
    image_set train, test, again;
    float x[N * D];
    write_fakes(path);
    if (!CHECK(read_both(&train, &test) == 0)) return;
    for (size_t i = 0; i < train.n; i++) images_get(&train, i, 0, x + i * D);
    x[0] = -7, x[1] = 7; /* samples may leave the range */
    CHECK(images_write_npy(other_path, &train, x, train.n) == 0);
    if (CHECK(images_read(other_path, "train", &again, message, sizeof message) == 0)) {
        CHECK(again.n == train.n && again.height == H && again.width == W && again.channels == 1 &&
              again.bytes);
        CHECK(again.bytes[0] == 0 && again.bytes[1] == 255);
        for (size_t k = 2; k < train.n * D; k++)
            CHECK(images_value(&again, k / D, k % D) == images_value(&train, k / D, k % D));
        images_free(&again);
    }
    train.scale.levels = 0, train.scale.low = -2, train.scale.high = 6;
    CHECK(images_write_npy(other_path, &train, x, train.n) == 0);
    if (CHECK(images_read(other_path, "train", &again, message, sizeof message) == 0)) {
        for (size_t k = 0; k < train.n * D; k++)
            CHECK_CLOSE(images_value(&again, k / D, k % D), 2 + 4 * (double)x[k], 1e-5);
        images_free(&again);
    }
    images_free(&test), images_free(&train);
    remove(other_path), remove(path);
}

/* ---- levels and padding ---- */

static void levels_of_many_sizes(void)
{
    /* height, width -> levels, full height, full width */
    static const size_t expected[][5] = {{28, 28, 3, 28, 28}, {32, 32, 3, 32, 32}, {8, 8, 1, 8, 8},
                                         {1, 1, 1, 1, 1},     {64, 64, 4, 64, 64}, {30, 30, 2, 30, 30},
                                         {31, 31, 3, 32, 32}, {36, 36, 3, 36, 36}, {13, 11, 2, 14, 12},
                                         {1, 17, 1, 1, 17},   {96, 64, 5, 96, 64}, {50, 37, 4, 56, 40}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const size_t *e = expected[i];
        image_plan plan = image_plan_make(e[0], e[1], 3, 5000, "");
        if (plan.unet.levels != e[2])
            printf("  %lu x %lu: %lu levels\n", (unsigned long)e[0], (unsigned long)e[1],
                   (unsigned long)plan.unet.levels);
        CHECK(plan.unet.levels == e[2] && plan.shape.full_height == e[3] && plan.shape.full_width == e[4]);
        CHECK(plan.unet.height == e[3] && plan.unet.width == e[4] && plan.unet.channels == 3);
        CHECK(2 * plan.shape.top <= e[3] - e[0] && 2 * plan.shape.left <= e[4] - e[1]);
    }
}

static void features_of_many_sizes(void)
{
    char text[100];
    image_plan plan = image_plan_make(32, 32, 3, 50000, "");
    CHECK(!strcmp(plan_print_features(&plan.unet, text, sizeof text), "64,96,96"));
    plan = image_plan_make(28, 28, 1, 5000, "");
    CHECK(!strcmp(plan_print_features(&plan.unet, text, sizeof text), "32,64,96"));
    plan = image_plan_make(128, 128, 1, 5000, "");
    CHECK(!strcmp(plan_print_features(&plan.unet, text, sizeof text), "16,32,64,96,96"));
    plan = image_plan_make(28, 28, 1, 5000, "8,24");
    CHECK(!strcmp(plan_print_features(&plan.unet, text, sizeof text), "8,24"));
    CHECK(!plan_read_features("8,9", &plan.unet) && !plan_read_features("8,", &plan.unet));
    CHECK(!plan_read_features("x", &plan.unet) && !plan_read_features("0", &plan.unet));
}

static void padding_and_back(void)
{
    image_shape s = plan_shape(3, 5, 2, 3);
    float x[30], full[4 * 8 * 2], back[30];
    s.border = 0.5;
    CHECK(s.full_height == 4 && s.full_width == 8 && s.top == 0 && s.left == 1 && shape_is_padded(&s));
    for (size_t k = 0; k < 30; k++) x[k] = (float)k;
    shape_pad(&s, x, full), shape_extract(&s, full, back);
    CHECK(!memcmp(x, back, sizeof x));
    for (size_t k = 0; k < 64; k++) {
        size_t row = k / 16, column = k / 2 % 8;
        int inside = row < 3 && column >= 1 && column < 6;
        CHECK(full[k] == (inside ? x[(row * 5 + column - 1) * 2 + k % 2] : 0.5f));
    }
}

/* The best denoiser of N(0, v I) inside and of a known border outside; that it errs at the border, by what it
 * makes up there, must not matter. It keeps what it sees there. */
typedef struct inner {
    image_shape shape;
    double variance, seen, square, count; /* of the border, in units of its noise */
} inner;

static itd_result inner_predict(void *ctx, const float *z, const float *logsnr, size_t n, float *eps_hat)
{
    inner *in = (inner *)ctx;
    const image_shape *s = &in->shape;
    size_t d = shape_full_dim(s);
    for (size_t k = 0; k < n * d; k++) {
        double a = (double)logsnr[k / d], signal = itd_sigmoid(a), noise = itd_sigmoid(-a);
        size_t row = k % d / s->channels / s->full_width, column = k % d / s->channels % s->full_width;
        int inside = row >= s->top && row < s->top + s->height && column >= s->left &&
                     column < s->left + s->width;
        eps_hat[k] = (float)(inside ? sqrt(noise) / (signal * in->variance + noise) * (double)z[k] : 1e6);
        if (inside) continue;
        double eps = ((double)z[k] - sqrt(signal) * s->border) / sqrt(noise);
        in->seen += eps, in->square += eps * eps, in->count++;
    }
    return ITD_OK;
}

static void likelihoods_count_true_pixels(void)
{
    enum { IMAGES = 200, DIM = 15 };
    static float x[IMAGES * DIM];
    inner in = {plan_shape(3, 5, 1, 3), 0.3, 0, 0, 0};
    itd_denoiser full = {&in, 0, inner_predict, NULL, NULL, NULL, NULL, 0}, den;
    itd_nll_desc d = itd_nll_desc_default();
    itd_nll_result v;
    padded p;
    double expected = 0;
    in.shape.border = -0.7, full.dim = shape_full_dim(&in.shape);
    ref_seed(7);
    for (size_t k = 0; k < IMAGES * DIM; k++) x[k] = (float)(sqrt(in.variance) * ref_normal());
    for (size_t k = 0; k < IMAGES * DIM; k++)
        expected += 0.5 * (log(2 * 3.14159265358979323846 * 0.3) + (double)x[k] * (double)x[k] / 0.3) /
                    IMAGES;
    den = padded_denoiser(&p, &in.shape, full);
    CHECK(den.dim == DIM);
    d.draws = 40, d.schedule.scale = 3;
    CHECK_OK(itd_nll(&den, x, IMAGES, &d, &v, NULL, NULL));
    CHECK(v.std_error < 0.5);
    CHECK_CLOSE(v.nll, expected, 4 * v.std_error + 1e-3);
    CHECK_CLOSE(in.seen / in.count, 0, 4 / sqrt(in.count));
    CHECK_CLOSE(in.square / in.count, 1, 4 * sqrt(2 / in.count));
    padded_free(&p);
}

/* The same rows, the same answers, in whatever company. */
static void padded_denoisers_are_functions(void)
{
    inner in = {plan_shape(3, 5, 1, 3), 0.3, 0, 0, 0};
    itd_denoiser full = {&in, 32, inner_predict, NULL, NULL, NULL, NULL, 0}, den;
    float z[4 * 15], logsnr[4] = {-1, 0, 2, 5}, all[4 * 15], one[15];
    padded p;
    ref_seed(8);
    for (size_t k = 0; k < 60; k++) z[k] = (float)ref_normal();
    den = padded_denoiser(&p, &in.shape, full);
    CHECK_OK(den.predict(den.ctx, z, logsnr, 4, all));
    for (size_t i = 0; i < 4; i++) {
        CHECK_OK(den.predict(den.ctx, z + i * 15, logsnr + i, 1, one));
        CHECK(!memcmp(one, all + i * 15, sizeof one));
    }
    padded_free(&p);
    in.shape = plan_shape(4, 4, 1, 2);
    den = padded_denoiser(&p, &in.shape, full);
    CHECK(den.ctx == &in && den.predict == inner_predict); /* nothing to pad */
    padded_free(&p);
}

/* ---- the spectrum ---- */

/* Images that are sums of waves with known variances. */
static void spectrum_of_waves(void)
{
    enum { IMAGES = 400, SH = 4, SW = 6, SC = 3, DIM = SH * SW * SC };
    static float x[IMAGES * DIM];
    double *down = spectrum_waves(SH), *along = spectrum_waves(SW), *across = spectrum_waves(SC), lambda[DIM];
    ref_seed(9);
    for (size_t i = 0; i < IMAGES; i++)
        for (size_t w = 0; w < DIM; w++) {
            double variance = 1 / (1.0 + (double)w),
                   c = 3 + sqrt(variance) * ref_normal(); /* a mean changes nothing */
            for (size_t k = 0; k < DIM; k++)
                x[i * DIM + k] += (float)(c * down[w / (SW * SC) * SH + k / (SW * SC)] *
                                          along[w / SC % SW * SW + k / SC % SW] *
                                          across[w % SC * SC + k % SC]);
        }
    spectrum_of_images(x, IMAGES, SH, SW, SC, lambda);
    for (size_t w = 0; w < DIM; w++)
        CHECK_CLOSE(lambda[w] * (1.0 + (double)w), 1, 5 * sqrt(2.0 / IMAGES)); /* five standard errors */
    free(down), free(along), free(across);
}

/* What does not vary has no say; bytes are learned up to where half a step is four deviations of noise. */
static void schedules_of_spectra(void)
{
    double lambda[40];
    itd_schedule s;
    for (size_t k = 0; k < 40; k++) lambda[k] = k < 20 ? exp(-2.0) : 0;
    s = plan_schedule(lambda, 40, 0);
    CHECK_CLOSE(s.loc, 2, 1e-12), CHECK_CLOSE(s.scale, 1, 1e-12), CHECK(s.clip == 4);
    s = plan_schedule(lambda, 40, 256);
    CHECK_CLOSE(s.loc + s.clip * s.scale, 2 * log(4 * 255), 1e-9);
    for (size_t k = 0; k < 40; k++) lambda[k] = 0;
    s = plan_schedule(lambda, 40, 2);
    CHECK(s.scale > 0 && s.clip >= 4);
}

int main(void)
{
    RUN(npy_of_bytes);
    RUN(npy_in_colour_and_mirrored);
    RUN(npy_in_fortran_order);
    RUN(idx_as_mnist_has_it);
    RUN(idx_of_floats);
    RUN(wrong_files_are_named);
    RUN(npy_of_signed_bytes);
    RUN(wrong_arrays_are_named);
    RUN(values_that_are_not_finite);
    RUN(small_numbers_stay_floats);
    RUN(values_are_those_of_all_images);
    RUN(other_shapes_and_values_in_the_test);
    RUN(a_model_tells_the_scale);
    RUN(folders_of_cifar10);
    RUN(folders_of_mnist);
    RUN(folders_with_other_files);
    RUN(test_images_mean_what_training_images_mean);
    RUN(all_images_of_a_file_are_measured);
    RUN(scales_of_many_ranges);
    RUN(values_lie_on_a_grid_or_not);
    RUN(the_split_is_a_partition);
    RUN(at_most_ten_thousand_are_held_out);
    RUN(what_cannot_be_written);
    RUN(what_is_written_is_read);
    RUN(levels_of_many_sizes);
    RUN(features_of_many_sizes);
    RUN(padding_and_back);
    RUN(likelihoods_count_true_pixels);
    RUN(padded_denoisers_are_functions);
    RUN(spectrum_of_waves);
    RUN(schedules_of_spectra);
    return test_report();
}
