/* Images: the reader of CIFAR-10 on small files of the same form, the script that gets it on a small archive,
 * and the random fields against laws worked out in other ways. */
#include "../examples/support/system.h"

#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

/* Memory that the reader asks for, and that runs out when told to. */
static long memory_left = -1;

static int memory_is_scarce(void)
{
    if (memory_left == 0) return 1;
    memory_left -= memory_left > 0;
    return 0;
}

static void *scarce_malloc(size_t size) { return memory_is_scarce() ? NULL : malloc(size); }

static void *scarce_realloc(void *p, size_t size) { return memory_is_scarce() ? NULL : realloc(p, size); }

#define malloc(size) scarce_malloc(size)
#define realloc(p, size) scarce_realloc(p, size)
#include "../examples/support/cifar10.h"
#undef malloc
#undef realloc
#include "../examples/support/fields.h"
#include "test.h"

enum { records = 20 };

static char scratch[100]; /* a directory of this run's own */
static char message[600];

/* ---- files ---- */

static const char *scratch_path(const char *name)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", scratch, name);
    return path;
}

static int check_contains(const char *whole, const char *part)
{
    int holds = strstr(whole, part) != NULL;
    if (!holds) printf("  expected \"%s\" in \"%s\"\n", part, whole);
    return CHECK(holds);
}

static const char *batch_name(size_t k)
{
    static const char *const names[] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                        "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"};
    return names[k];
}

/* Byte `at` of the planes of image i of file k: all of them different enough to tell. */
static uint8_t fake_byte(size_t k, size_t i, size_t at)
{
    return (uint8_t)(31 * k + 7 * i + at + at / 256 * 5);
}

static uint8_t fake_label(size_t k, size_t i) { return (uint8_t)((k + i) % 10); }

/* File k with `size` bytes, of which the records 0, 1, ... are the beginning. */
static void write_batch(size_t k, size_t size)
{
    FILE *file = fopen(scratch_path(batch_name(k)), "wb");
    size_t written = 0;
    if (!CHECK(file != NULL)) return;
    for (size_t i = 0; written < size; i++) {
        uint8_t record[cifar10_record];
        size_t part = size - written < sizeof record ? size - written : sizeof record;
        record[0] = fake_label(k, i);
        for (size_t at = 0; at < cifar10_dim; at++) record[at + 1] = fake_byte(k, i, at);
        CHECK(fwrite(record, 1, part, file) == part);
        written += part;
    }
    CHECK(fclose(file) == 0);
}

static void write_batches(void)
{
    for (size_t k = 0; k < 6; k++) write_batch(k, records * cifar10_record);
}

static void set_byte(size_t k, long at, int value)
{
    FILE *file = fopen(scratch_path(batch_name(k)), "r+b");
    if (!CHECK(file != NULL)) return;
    CHECK(fseek(file, at, SEEK_SET) == 0 && fputc(value, file) == value);
    CHECK(fclose(file) == 0);
}

/* ---- reading ---- */

/* Image i of a set is image i % records of file `first` + i / records, its planes interleaved. */
static void check_images(const cifar10 *set, size_t first)
{
    size_t wrong = 0;
    for (size_t i = 0; i < set->n; i++) {
        size_t k = first + i / records, in_file = i % records;
        wrong += set->labels[i] != fake_label(k, in_file);
        for (size_t row = 0; row < 32; row++)
            for (size_t column = 0; column < 32; column++)
                for (size_t c = 0; c < 3; c++)
                    wrong += set->pixels[((i * 32 + row) * 32 + column) * 3 + c] !=
                             fake_byte(k, in_file, c * 1024 + row * 32 + column);
    }
    CHECK(wrong == 0);
}

static void test_read(void)
{
    cifar10 set;
    write_batches();
    if (CHECK(cifar10_read(scratch, "train", &set, message, sizeof message) == 0)) {
        CHECK(set.n == 5 * records);
        check_images(&set, 0);
        cifar10_free(&set);
        CHECK(set.n == 0 && set.pixels == NULL && set.labels == NULL);
    }
    if (CHECK(cifar10_read(scratch, "test", &set, message, sizeof message) == 0)) {
        CHECK(set.n == records);
        check_images(&set, 5);
        cifar10_free(&set);
    }
}

/* Folders made like it: files of different lengths, and as many as there are. */
static void test_read_any_number(void)
{
    cifar10 set;
    write_batches();
    write_batch(1, 3 * cifar10_record);
    if (CHECK(cifar10_read(scratch, "train", &set, message, sizeof message) == 0)) {
        CHECK(set.n == 4 * records + 3);
        CHECK(set.labels[records + 2] == fake_label(1, 2) && set.labels[records + 3] == fake_label(2, 0));
        cifar10_free(&set);
    }
    for (size_t k = 1; k < 5; k++) remove(scratch_path(batch_name(k)));
    if (CHECK(cifar10_read(scratch, "train", &set, message, sizeof message) == 0)) {
        CHECK(set.n == records);
        check_images(&set, 0);
        cifar10_free(&set);
    }
    write_batches();
}

/* Reading fails with one line that has both parts, a way out, and changes nothing. */
static void check_refused(const char *split, const char *what, const char *why)
{
    cifar10 set = {77, NULL, NULL};
    message[0] = '\0';
    CHECK(cifar10_read(scratch, split, &set, message, sizeof message) != 0);
    check_contains(message, what);
    check_contains(message, why);
    check_contains(message, "; run sh data/get_cifar10.sh, or --data DIR");
    CHECK(strchr(message, '\n') == NULL && set.n == 77 && set.pixels == NULL && set.labels == NULL);
}

static void test_refusals(void)
{
    size_t whole = records * cifar10_record;
    write_batches();
    check_refused("validation", "split", "expected train or test, found \"validation\"");
    remove(scratch_path(batch_name(3)));
    check_refused("train", "/data_batch_4.bin", "expected a readable file, found none");
    write_batch(3, whole - 1);
    check_refused("train", "/data_batch_4.bin", "expected records of 3073 bytes, found 61459 bytes");
    write_batch(3, 0);
    check_refused("train", "/data_batch_4.bin", "expected records of 3073 bytes, found 0 bytes");
    write_batch(3, whole + 1);
    check_refused("train", "/data_batch_4.bin", "expected records of 3073 bytes, found 61461 bytes");
    write_batch(3, whole);
    set_byte(3, 7 * cifar10_record, 10);
    check_refused("train", "/data_batch_4.bin", "record 8: expected a label from 0 to 9, found 10");
    set_byte(3, 7 * cifar10_record, 255);
    check_refused("train", "/data_batch_4.bin", "record 8: expected a label from 0 to 9, found 255");
    write_batch(3, whole);
    remove(scratch_path(batch_name(5)));
    check_refused("test", "/test_batch.bin", "expected a readable file, found none");
    remove(scratch_path(batch_name(0)));
    check_refused("train", "/data_batch_1.bin", "expected a readable file, found none");
    write_batches();
}

static void test_refusals_elsewhere(void)
{
    cifar10 set = {77, NULL, NULL};
    char small[20] = "";
    CHECK(cifar10_read(scratch_path("none"), "train", &set, message, sizeof message) != 0);
    check_contains(message, "none/data_batch_1.bin: expected a readable file, found none");
    write_batch(5, 100);
    CHECK(cifar10_read(scratch, "test", &set, small, sizeof small) != 0);
    CHECK(strlen(small) == sizeof small - 1);
    CHECK(cifar10_read(scratch, "test", &set, NULL, 0) != 0 && set.n == 77);
#if defined(SYSTEM_POSIX)
    remove(scratch_path(batch_name(5)));
    CHECK(system_make_directory(scratch_path(batch_name(5))) == 0);
    check_refused("test", "/test_batch.bin", "expected a readable file, found none");
    remove(scratch_path(batch_name(5)));
#endif
    write_batches();
}

static void test_memory_runs_out(void)
{
    memory_left = 0;
    check_refused("test", scratch, "expected memory for its name, found none");
    for (long k = 1; k < 3; k++) {
        memory_left = k;
        check_refused("test", scratch, "expected memory for 20 images, found none");
    }
    memory_left = -1;
}

static void test_classes(void)
{
    CHECK(strcmp(cifar10_class(0), "airplane") == 0 && strcmp(cifar10_class(3), "cat") == 0);
    CHECK(strcmp(cifar10_class(9), "truck") == 0 && strcmp(cifar10_class(10), "unknown") == 0);
}

/* ---- bytes and numbers ---- */

static uint8_t image[cifar10_dim], bytes[cifar10_dim];
static float x[cifar10_dim], flipped[cifar10_dim];

static void fill_image(void)
{
    for (size_t i = 0; i < cifar10_dim; i++) image[i] = (uint8_t)(i * 151 % 256);
}

static void test_floats(void)
{
    size_t wrong = 0;
    fill_image();
    cifar10_floats(image, 0, x);
    for (size_t i = 0; i < cifar10_dim; i++) wrong += x[i] != (float)(2.0 * image[i] / 255 - 1);
    CHECK(wrong == 0);
    memset(image, 0, sizeof image);
    image[1] = 255;
    cifar10_floats(image, 0, x);
    CHECK(x[0] == -1 && x[1] == 1);
}

static void test_flip(void)
{
    size_t wrong = 0;
    fill_image();
    cifar10_floats(image, 0, x);
    cifar10_floats(image, 1, flipped);
    for (size_t row = 0; row < 32; row++)
        for (size_t column = 0; column < 32; column++)
            for (size_t c = 0; c < 3; c++)
                wrong += flipped[(row * 32 + column) * 3 + c] != x[(row * 32 + 31 - column) * 3 + c];
    CHECK(wrong == 0);
}

static void test_bytes(void)
{
    static const float odd[] = {-7, -1.0001f, 1.0001f, 7, NAN, INFINITY, -INFINITY, 0.001f, -0.001f};
    static const uint8_t expected[] = {0, 0, 255, 255, 0, 255, 0, 128, 127};
    fill_image();
    cifar10_floats(image, 0, x);
    cifar10_bytes(x, cifar10_dim, bytes);
    CHECK(memcmp(bytes, image, sizeof image) == 0);
    for (size_t i = 0; i < cifar10_dim; i++) x[i] += i % 2 ? 0.0039f : -0.0039f; /* half a step: 0.00392 */
    cifar10_bytes(x, cifar10_dim, bytes);
    CHECK(memcmp(bytes, image, sizeof image) == 0);
    cifar10_bytes(odd, sizeof odd / sizeof *odd, bytes);
    CHECK(memcmp(bytes, expected, sizeof expected) == 0);
}

/* ---- the script ---- */

#if defined(SYSTEM_POSIX)

static char output[2000];

/* Runs a command of the shell; `output` becomes what it says. Returns its exit status, -1 if it has none. */
static int run_shell(const char *format, const char *argument)
{
    char command[1000];
    FILE *pipe;
    size_t size;
    int status;
    snprintf(command, sizeof command, format, argument);
    pipe = popen(command, "r");
    if (!CHECK(pipe != NULL)) return -1;
    size = fread(output, 1, sizeof output - 1, pipe);
    output[size] = '\0';
    status = pclose(pipe);
    return status >= 0 && status % 256 == 0 ? status / 256 : -1;
}

static int one_line(void) { return strchr(output, '\n') == output + strlen(output) - 1; }

static int have_tools(void)
{
    return run_shell("command -v tar >/dev/null && command -v gzip >/dev/null && command -v od >/dev/null && "
                     "command -v md5sum >/dev/null%s",
                     "") == 0;
}

static void test_script_help(void)
{
    CHECK(run_shell("sh data/get_cifar10.sh --help 2>&1%s", "") == 0);
    check_contains(output, "sh data/get_cifar10.sh ARCHIVE");
    CHECK(output[0] != '#' && strstr(output, "\n#") == NULL && strstr(output, "archive_md5") == NULL);
}

/* A failure: one line on stderr, nothing on stdout, status 1. */
static void check_script_refuses(const char *arguments, const char *why)
{
    char format[300];
    snprintf(format, sizeof format, "d=%%s; sh data/get_cifar10.sh %s 2>/dev/null", arguments);
    CHECK(run_shell(format, scratch) == 1 && output[0] == '\0');
    snprintf(format, sizeof format, "d=%%s; sh data/get_cifar10.sh %s 2>&1", arguments);
    CHECK(run_shell(format, scratch) == 1 && one_line());
    check_contains(output, "get_cifar10.sh: ");
    check_contains(output, why);
}

static void test_script_refusals(void)
{
    if (!have_tools()) {
        SKIP("no tar, gzip, od or md5sum");
        return;
    }
    CHECK(run_shell("cd %s && echo '<html>' > page.tar.gz && gzip -c page.tar.gz > wrong.tar.gz", scratch) ==
          0);
    check_script_refuses("--nonsense", "expected ARCHIVE, FOLDER or --help, found --nonsense");
    check_script_refuses("$d/none.tar.gz $d/new", "none.tar.gz: expected an archive, found none");
    check_script_refuses("$d/page.tar.gz $d/new", "found no gzip file of 7 bytes");
    check_script_refuses("$d/wrong.tar.gz $d/new", "MD5 c32a1d4ab5d03f1284b67883e8d87530, found");
    CHECK(run_shell("test -e %s/new", scratch) == 1);
}

/* The script with the sums of a small archive: what it does with the right one. */
static void test_script_unpacks(void)
{
    if (!have_tools()) {
        SKIP("no tar, gzip, od or md5sum");
        return;
    }
    write_batches();
    CHECK(run_shell("cd %s && mkdir cifar-10-batches-bin && cp *.bin cifar-10-batches-bin && "
                    "tar -cf - cifar-10-batches-bin | gzip > small.tar.gz && rm -r cifar-10-batches-bin",
                    scratch) == 0);
    CHECK(run_shell(
              "d=%s; sed -e s/c32a1d4ab5d03f1284b67883e8d87530/$(md5sum < $d/small.tar.gz | cut -c 1-32)/ "
              "-e s/30730000/61460/ data/get_cifar10.sh > $d/get.sh",
              scratch) == 0);
    CHECK(run_shell("cd %s && mkdir new && echo x > new/test_batch.bin && sh get.sh small.tar.gz new 2>&1",
                    scratch) == 0);
    check_contains(output, "new: complete\n");
    CHECK(run_shell("cd %s && [ $(ls -A new | wc -l) -eq 6 ] && for f in new/*; do cmp $f ${f#new/}; done",
                    scratch) == 0);
    CHECK(run_shell("cd %s && sh get.sh nothing.tar.gz new 2>&1", scratch) == 0 && one_line());
    CHECK(run_shell("cd %s && echo x > new/data_batch_2.bin && sh get.sh small.tar.gz new && "
                    "cmp new/data_batch_2.bin data_batch_2.bin",
                    scratch) == 0);
    CHECK(run_shell("cd %s && rm small.tar.gz && cd new && sh ../get.sh . 2>&1", scratch) == 0);
    run_shell("rm -r %s/new", scratch);
}

#endif

/* ---- fields ---- */

static fields *opened(size_t side, uint64_t seed)
{
    fields_desc desc = fields_desc_default(side, seed);
    fields *f;
    if (fields_create(&desc, &f) == ITD_OK) return f;
    printf("  no fields of side %zu\n", side);
    exit(1);
}

static double inner(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static void test_fields_basis(void)
{
    static const size_t sides[] = {1, 2, 3, 4, 5, 8, 31, 32, 64};
    double colours[FIELDS_CHANNELS][FIELDS_CHANNELS];
    fields_colours(colours);
    for (size_t a = 0; a < 3; a++)
        for (size_t b = 0; b < 3; b++) CHECK_CLOSE(inner(colours[a], colours[b], 3), a == b, 1e-15);
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        size_t side = sides[i];
        fields *f = opened(side, 1);
        double worst = 0;
        for (size_t a = 0; a < side; a++)
            for (size_t b = 0; b < side; b++)
                worst = fmax(worst,
                             fabs(inner(f->basis + a * side, f->basis + b * side, side) - (double)(a == b)));
        CHECK_CLOSE(worst, 0, 1e-13);
        fields_free(f);
    }
}

/* There and back again, for images that are no fields. */
static void test_fields_transform(void)
{
    static float image_x[FIELDS_MOST_DIM], back[FIELDS_MOST_DIM];
    static double coefficient[FIELDS_MOST_DIM];
    static const size_t sides[] = {1, 5, 32, 64};
    itd_rng rng = itd_rng_make(3, 0);
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        fields *f = opened(sides[i], 1);
        double worst = 0;
        itd_rng_normal_fill(&rng, f->dim, image_x);
        fields_forward(f, image_x, coefficient);
        fields_backward(f, coefficient, back);
        for (size_t j = 0; j < f->dim; j++) worst = fmax(worst, fabs((double)back[j] - (double)image_x[j]));
        CHECK_CLOSE(worst, 0, 5e-7);
        fields_free(f);
    }
}

static void test_fields_refusals(void)
{
    fields_desc good = fields_desc_default(8, 1), bad[9];
    fields *f = NULL;
    for (size_t i = 0; i < 9; i++) bad[i] = good;
    bad[0].side = 0;
    bad[1].side = FIELDS_MOST_SIDE + 1;
    bad[2].exponent = -1;
    bad[3].exponent = NAN;
    bad[4].corner = 0;
    bad[5].variance = INFINITY;
    bad[6].variance = 0;
    bad[7].channel[2] = 0;
    bad[8].exponent = 1000; /* the smallest eigenvalue would be zero */
    for (size_t i = 0; i < 9; i++) CHECK(fields_create(&bad[i], &f) == ITD_ERROR_ARGUMENT && f == NULL);
}

static void test_fields_seeds(void)
{
    enum { dim = 8 * 8 * 3 };
    float a[dim], b[dim];
    fields *f = opened(8, 5), *same = opened(8, 5), *other = opened(8, 6);
    fields_sample(f, 1, b);
    fields_sample(f, 7, a);
    fields_sample(same, 7, b);
    CHECK(memcmp(a, b, sizeof a) == 0);
    fields_sample(f, 8, b);
    for (size_t i = 0; i < dim; i++) CHECK(a[i] != b[i]);
    fields_sample(other, 7, b);
    for (size_t i = 0; i < dim; i++) CHECK(a[i] != b[i]);
    fields_free(f), fields_free(same), fields_free(other);
}

/* The covariance of value a of one pixel and value b of another, `dy` and `dx` further on the torus, from
 * complex waves e^(2 pi i k j / side), each with the power of its frequency: no code under test. */
static double true_covariance(const fields_desc *d, size_t a, size_t b, size_t dy, size_t dx)
{
    static const double colour[3][3] = {{0.57735026918962576, 0.57735026918962576, 0.57735026918962576},
                                        {0.70710678118654752, 0, -0.70710678118654752},
                                        {0.40824829046386302, -0.81649658092772603, 0.40824829046386302}};
    double sum = 0, total = 0, between = 0, channels = 0;
    for (size_t ky = 0; ky < d->side; ky++)
        for (size_t kx = 0; kx < d->side; kx++) {
            double fy = fmin((double)ky, (double)(d->side - ky)),
                   fx = fmin((double)kx, (double)(d->side - kx));
            double power = pow(1 + (fy * fy + fx * fx) / (d->corner * d->corner), -d->exponent);
            sum += power * cos(2 * FIELDS_PI * (double)(ky * dy + kx * dx) / (double)d->side);
            total += power;
        }
    for (size_t c = 0; c < 3; c++) {
        between += d->channel[c] * colour[c][a] * colour[c][b];
        channels += d->channel[c];
    }
    return d->variance * 3 * between / channels * sum / total;
}

/* The whole covariance matrix of a small field, as a Gaussian of the library. */
static itd_gaussian *true_gaussian(const fields_desc *d)
{
    size_t side = d->side, dim = side * side * 3;
    double *covariance = malloc(dim * dim * sizeof *covariance), *mean = calloc(dim, sizeof *mean);
    itd_gaussian *g = NULL;
    if (!CHECK(covariance && mean)) exit(1);
    for (size_t i = 0; i < dim; i++)
        for (size_t j = 0; j < dim; j++) {
            size_t dy = (j / 3 / side + side - i / 3 / side) % side;
            size_t dx = (j / 3 % side + side - i / 3 % side) % side;
            covariance[i * dim + j] = true_covariance(d, i % 3, j % 3, dy, dx);
        }
    if (!CHECK_OK(itd_gaussian_create(mean, covariance, dim, &g))) exit(1);
    free(covariance);
    free(mean);
    return g;
}

/* Density, entropy, spectrum and best denoiser of the field are those of the Gaussian with its covariance. */
static void test_fields_against_gaussian(void)
{
    enum { most = 5 * 5 * 3 };
    for (size_t side = 4; side <= 5; side++) {
        fields *f = opened(side, 2);
        itd_gaussian *g = true_gaussian(&f->desc);
        itd_denoiser ours = fields_denoiser(f), theirs = itd_gaussian_denoiser(g);
        double trace = 0;
        CHECK_CLOSE(fields_entropy(f), itd_gaussian_entropy(g), 1e-9);
        for (size_t i = 0; i < f->dim; i++) trace += f->lambda[i];
        CHECK_CLOSE(trace / (double)f->dim, 0.25, 1e-12);
        for (size_t i = 0; i < 5; i++) {
            float z[most], a[most], b[most], logsnr = (float)(4 * (double)i - 8);
            double worst = 0;
            fields_sample(f, i, z);
            CHECK_CLOSE(fields_nll(f, z), itd_gaussian_nll(g, z), 1e-7);
            CHECK_OK(ours.predict(ours.ctx, z, &logsnr, 1, a));
            CHECK_OK(theirs.predict(theirs.ctx, z, &logsnr, 1, b));
            for (size_t j = 0; j < f->dim; j++) worst = fmax(worst, fabs((double)a[j] - (double)b[j]));
            CHECK_CLOSE(worst, 0, 1e-5);
        }
        itd_gaussian_free(g);
        fields_free(f);
    }
}

/* Products of two values of many images against the covariance: within five standard errors, where that of
 * a product is at most sqrt(2) times the variance. */
static void test_fields_covariance(void)
{
    enum { side = 8, images = 3000, lags = 7 };
    static const size_t lag[lags][4] = {{0, 0, 0, 0}, {1, 1, 0, 0}, {0, 2, 0, 0}, {0, 0, 0, 1},
                                        {0, 0, 1, 0}, {2, 2, 3, 2}, {0, 1, 4, 4}}; /* a, b, dy, dx */
    fields *f = opened(side, 4);
    double product[lags] = {0}, error = 5 * sqrt(2.0 / images) * 0.3;
    for (size_t i = 0; i < images; i++) {
        size_t y = i % side, column = i / side % side; /* the law is the same everywhere */
        fields_sample(f, i, x);
        for (size_t k = 0; k < lags; k++) {
            size_t y2 = (y + lag[k][2]) % side, column2 = (column + lag[k][3]) % side;
            product[k] += (double)x[(y * side + column) * 3 + lag[k][0]] *
                          (double)x[(y2 * side + column2) * 3 + lag[k][1]] / images;
        }
    }
    for (size_t k = 0; k < lags; k++)
        CHECK_CLOSE(product[k], true_covariance(&f->desc, lag[k][0], lag[k][1], lag[k][2], lag[k][3]), error);
    fields_free(f);
}

/* Each coefficient has its eigenvalue as variance, and neighbours are uncorrelated. */
static void test_fields_spectrum(void)
{
    enum { side = 8, dim = side * side * 3, images = 2000 };
    static double square[dim], product[dim];
    fields *f = opened(side, 9);
    double coefficient[dim], worst_square = 0, worst_product = 0;
    for (size_t i = 0; i < images; i++) {
        fields_sample(f, i, x);
        fields_forward(f, x, coefficient);
        for (size_t j = 0; j < dim; j++) coefficient[j] /= sqrt(f->lambda[j]);
        for (size_t j = 0; j < dim; j++) {
            square[j] += coefficient[j] * coefficient[j] / images;
            product[j] += coefficient[j] * coefficient[(j + 1) % dim] / images;
        }
    }
    for (size_t j = 0; j < dim; j++) {
        worst_square = fmax(worst_square, fabs(square[j] - 1));
        worst_product = fmax(worst_product, fabs(product[j]));
    }
    CHECK_CLOSE(worst_square, 0, 5 * sqrt(2.0 / images));
    CHECK_CLOSE(worst_product, 0, 5 * sqrt(1.0 / images));
    fields_free(f);
}

/* The mean of -log p is the entropy; of d coefficients its standard deviation is sqrt(d / 2). */
static void test_fields_entropy(void)
{
    enum { images = 200 };
    fields *f = opened(32, 11);
    double mean = 0, variance = 0;
    for (size_t i = 0; i < images; i++) {
        fields_sample(f, i, x);
        mean += fields_nll(f, x) / images;
        for (size_t j = 0; j < f->dim; j++) variance += (double)x[j] * (double)x[j] / (images * 3072.0);
    }
    CHECK(f->dim == cifar10_dim);
    CHECK_CLOSE(mean, fields_entropy(f), 5 * sqrt(3072.0 / 2 / images));
    CHECK_CLOSE(variance, 0.25, 0.05);
    fields_free(f);
}

/* The estimator, given the exact denoiser, finds the exact density of the very points: within five of its
 * standard errors. The schedule is wide enough that what it cuts off is small beside them. */
static void test_fields_estimate(size_t side, size_t n, size_t draws)
{
    fields *f = opened(side, 12);
    float *points = malloc(n * f->dim * sizeof *points);
    itd_denoiser best = fields_denoiser(f);
    itd_nll_desc desc = itd_nll_desc_default();
    itd_nll_result result;
    double truth = 0;
    if (!CHECK(points != NULL)) exit(1);
    for (size_t i = 0; i < n; i++) {
        fields_sample(f, i, points + i * f->dim);
        truth += fields_nll(f, points + i * f->dim) / (double)n;
    }
    CHECK_OK(itd_schedule_from_spectrum(f->lambda, f->dim, &desc.schedule));
    desc.schedule.scale = sqrt(1 +
                               (desc.schedule.scale * desc.schedule.scale - 1) / FIELDS_PI); /* 3 / pi^2 */
    desc.schedule.clip = 7;
    desc.draws = draws;
    if (CHECK_OK(itd_nll(&best, points, n, &desc, &result, NULL, NULL))) {
        CHECK(result.std_error < 0.01 * (double)f->dim);
        CHECK_CLOSE(result.nll, truth, 5 * result.std_error);
    }
    free(points);
    fields_free(f);
}

static void test_fields_estimate_small(void) { test_fields_estimate(4, 64, 100); }
static void test_fields_estimate_medium(void) { test_fields_estimate(8, 32, 100); }
static void test_fields_estimate_whole(void) { test_fields_estimate(32, 8, 100); }

int main(void)
{
#if defined(SYSTEM_POSIX) || defined(SYSTEM_WINDOWS)
    snprintf(scratch, sizeof scratch, "build/test_cifar10_%.0f", fmod(system_seconds() * 1e6, 1e12));
#else
    snprintf(scratch, sizeof scratch, "build"); /* plain C makes no directories */
#endif
    if (system_make_directory(scratch) != 0) {
        printf("test_cifar10: expected to make the directory %s, could not\n", scratch);
        return 1;
    }
    RUN(test_read);
    RUN(test_read_any_number);
    RUN(test_refusals);
    RUN(test_refusals_elsewhere);
    RUN(test_memory_runs_out);
    RUN(test_classes);
    RUN(test_floats);
    RUN(test_flip);
    RUN(test_bytes);
#if defined(SYSTEM_POSIX)
    RUN(test_script_help);
    RUN(test_script_refusals);
    RUN(test_script_unpacks);
    remove(scratch_path("page.tar.gz"));
    remove(scratch_path("wrong.tar.gz"));
    remove(scratch_path("get.sh"));
#endif
    RUN(test_fields_basis);
    RUN(test_fields_transform);
    RUN(test_fields_refusals);
    RUN(test_fields_seeds);
    RUN(test_fields_against_gaussian);
    RUN(test_fields_covariance);
    RUN(test_fields_spectrum);
    RUN(test_fields_entropy);
    RUN(test_fields_estimate_small);
    RUN(test_fields_estimate_medium);
    RUN(test_fields_estimate_whole);
    for (size_t k = 0; k < 6; k++) remove(scratch_path(batch_name(k)));
    remove(scratch);
    return test_report();
}
