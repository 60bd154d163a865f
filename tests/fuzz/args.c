/* The argument parser: words, separated by line ends, for a table with an option of every kind. */
#include "fuzz.h"

#include "../../examples/support/args.h"

enum { args_most = 40 };

static int fuzz_args(const uint8_t *bytes, size_t size)
{
    int number = 3, flag = 0, argc = 0;
    size_t count = 5;
    uint64_t seed = 7;
    double rate = 0.5;
    const char *text = NULL, *set = "dino";
    args_option list[] = {
        args_group("Options"),
        args_int("number", &number, -5, 5, "A number."),
        args_size("num_epochs", &count, 1, 1000, "A count."),
        args_uint64("seed", &seed, 0, UINT64_MAX, "A seed."),
        args_double("learning_rate", &rate, 0, 1, "A rate."),
        args_string("text", &text, "A text."),
        args_choice("dataset", &set, "dino|moons|scg", "One of three."),
        args_flag("fresh", &flag, "A flag."),
    };
    args_table table = {"program", "Does nothing.", list, ARGS_COUNT(list)};
    char *copy = (char *)malloc(size + 1), *argv[args_most + 1], message[600] = "";
    args_status status;
    if (!copy) return 0;
    if (size) memcpy(copy, bytes, size);
    copy[size] = 0;
    argv[argc++] = copy + size;
    for (char *at = copy; at < copy + size && argc < args_most; at += strlen(at) + 1) {
        char *end = strchr(at, '\n');
        if (end) *end = 0;
        argv[argc++] = at;
    }
    argv[argc] = NULL;
    status = args_read(&table, argc, argv, message, sizeof message);
    REQUIRE(number >= -5 && number <= 5 && count >= 1 && count <= 1000 && rate >= 0 && rate <= 1);
    REQUIRE(flag == 0 || flag == 1);
    REQUIRE(!strcmp(set, "dino") || !strcmp(set, "moons") || !strcmp(set, "scg"));
    REQUIRE((status == ARGS_BAD) == (*message != 0));
    REQUIRE(memchr(message, 0, sizeof message) != NULL);
    free(copy);
    return 0;
}

static size_t seed_args(size_t k, uint8_t *out)
{
    (void)k, (void)out;
    return 0;
}
