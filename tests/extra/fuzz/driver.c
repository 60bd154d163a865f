/* driver.c: a main for the fuzz targets, for compilers without a fuzzer. FUZZ_TARGET=csv chooses one.
 *
 *     fuzz file...              runs each file
 *     fuzz -n 10000 file...     and then so many random changes of them and of the target's seeds
 *
 * -s N chooses other changes. The input at hand when a promise breaks is left in build/fuzz-crash. */
#include "entry.c"
#include "../../fuzz/mutate.h"

#include <signal.h>

static uint8_t input[mutate_most];
static size_t input_size;

static void leave_input(int signal_number)
{
    FILE *file = (fopen)("build/fuzz-crash", "wb");
    if (file) fwrite(input, 1, input_size, file), fclose(file);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

int main(int argc, char **argv)
{
    static mutate_set set;
    unsigned long count = 0, k;
    set.state = 88172645463325252u;
    LLVMFuzzerInitialize(&argc, &argv);
    signal(SIGABRT, leave_input), signal(SIGSEGV, leave_input), signal(SIGFPE, leave_input);
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "-n") && i + 1 < argc) count = strtoul(argv[++i], NULL, 10);
        else if (!strcmp(argv[i], "-s") && i + 1 < argc) set.state += strtoul(argv[++i], NULL, 10);
        else if (!mutate_add_file(&set, argv[i])) fprintf(stderr, "%s: cannot be opened\n", argv[i]);
    }
    for (k = 0; count && (input_size = target->seed(k, input)) > 0; k++) mutate_add(&set, input, input_size);
    for (k = 0; k < set.count; k++) {
        memcpy(input, set.file[k].bytes, input_size = set.file[k].size);
        target->run(input, input_size);
    }
    for (k = 0; set.count && k < count; k++) {
        input_size = mutate_next(&set, input);
        target->run(input, input_size);
    }
    printf("%lu inputs\n", (unsigned long)set.count + count);
    mutate_free(&set);
    return 0;
}
