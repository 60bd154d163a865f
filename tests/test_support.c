/* What the examples share besides their data: options, a progress line, the four questions to the operating
 * system. Started with arguments, this program is itself a small program with options. */
#include "../examples/support/system.h"

#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "../examples/support/args.h"
#include "../examples/support/progress.h"
#include "test.h"

static const char *program_path;
static char scratch[100]; /* a directory of this run's own */
static char message[600], text[20000];

/* ---- files ---- */

static const char *scratch_path(const char *name)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", scratch, name);
    return path;
}

static void write_bytes(const char *path, const char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (!CHECK(file != NULL)) return;
    CHECK(fwrite(bytes, 1, size, file) == size);
    CHECK(fclose(file) == 0);
}

static const char *read_stream(FILE *file)
{
    size_t size;
    rewind(file);
    size = fread(text, 1, sizeof text - 1, file);
    text[size] = '\0';
    return text;
}

static const char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!CHECK(file != NULL)) return "";
    read_stream(file);
    fclose(file);
    return text;
}

static size_t count_of(const char *haystack, const char *needle)
{
    size_t count = 0;
    for (const char *at = haystack; (at = strstr(at, needle)) != NULL; at++) count++;
    return count;
}

static int check_contains(const char *whole, const char *part)
{
    int holds = strstr(whole, part) != NULL;
    if (!holds) printf("  expected \"%s\" in \"%s\"\n", part, whole);
    return CHECK(holds);
}

/* ---- options ---- */

/* One option of every kind, and the values they fill. */
typedef struct settings {
    int level, fresh, bright;
    size_t num_epochs, batch;
    uint64_t seed;
    double rate, loc;
    const char *out, *set, *none;
    args_option options[16];
    args_table table;
} settings;

static void settings_open(settings *s)
{
    args_option options[] = {
        args_group("Data"),
        args_choice("dataset", &s->set, "dino|moons|line", "Which data to learn."),
        args_flag("fresh", &s->fresh,
                  "Draw new points every epoch, so that the network cannot learn them by heart."),
        args_flag("bright", &s->bright, "Bright colours."),
        args_group("Training"),
        args_default_text(args_size("num_epochs", &s->num_epochs, 1, 1000000, "Passes over the data."),
                          "by set"),
        args_size("batch_size", &s->batch, 0, SIZE_MAX, "Points per step."),
        args_uint64("seed", &s->seed, 0, UINT64_MAX, "Where random numbers start."),
        args_int("level", &s->level, -5, 5, "Level."),
        args_double("learning_rate", &s->rate, 0, 1, "Step size."),
        args_group("Log SNR"),
        args_double("logsnr_loc", &s->loc, -HUGE_VAL, HUGE_VAL, "Where the log SNR is centred."),
        args_string("out", &s->out, "Directory of the results."),
        args_string("an_option_with_a_long_name", &s->none, "Nothing."),
    };
    memcpy(s->options, options, sizeof options);
    s->table.program = "settings";
    s->table.summary = "Shows one option of every kind, in a summary that is long enough to be wrapped once.";
    s->table.options = s->options;
    s->table.count = ARGS_COUNT(options);
}

static settings settings_default(void)
{
    settings s;
    memset(&s, 0, sizeof s);
    s.level = -1;
    s.bright = 1;
    s.num_epochs = 160;
    s.batch = 128;
    s.seed = 42;
    s.rate = 0.001;
    s.loc = 2.5;
    s.out = "runs";
    s.set = "dino";
    return s;
}

/* Reads a command line, given as words separated by blanks, into the defaults. */
static args_status read_words(settings *s, const char *words)
{
    static char copy[500];
    char *argv[40];
    int argc = 1;
    *s = settings_default();
    settings_open(s);
    snprintf(copy, sizeof copy, "%s", words);
    argv[0] = copy;
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) argv[argc++] = word;
    message[0] = '\0';
    return args_read(&s->table, argc, argv, message, sizeof message);
}

static void test_args_defaults(void)
{
    settings s;
    CHECK(read_words(&s, "") == ARGS_OK);
    CHECK(s.level == -1 && s.bright == 1 && s.num_epochs == 160 && s.seed == 42 &&
          strcmp(s.out, "runs") == 0);
    for (size_t i = 0; i < s.table.count; i++) CHECK(s.options[i].given == 0);
}

static void test_args_values(void)
{
    settings s;
    CHECK(read_words(
              &s, "--dataset moons --fresh --bright=off --num-epochs 7 --batch_size=0 --level -5 --out a=b "
                  "--seed 18446744073709551615 --learning-rate 1e-4 --logsnr_loc=-1.5") == ARGS_OK);
    CHECK(strcmp(s.set, "moons") == 0 && s.fresh == 1 && s.bright == 0 && s.num_epochs == 7 && s.batch == 0);
    CHECK(s.level == -5 && strcmp(s.out, "a=b") == 0 && s.seed == UINT64_MAX);
    CHECK(s.rate == 1e-4 && s.loc == -1.5);
    CHECK(args_given(&s.table, &s.num_epochs) && args_given(&s.table, &s.fresh) &&
          args_given(&s.table, &s.set));
    CHECK(!args_given(&s.table, &s.none) && !args_given(&s.table, &s.table));
}

static void test_args_flags_and_repeats(void)
{
    settings s;
    CHECK(read_words(&s, "--fresh on --bright off") == ARGS_OK && s.fresh == 1 && s.bright == 0);
    CHECK(read_words(&s, "--bright --fresh --fresh off") == ARGS_OK && s.bright == 1 && s.fresh == 0);
    CHECK(read_words(&s, "--seed 1 --seed 2 --seed=3") == ARGS_OK && s.seed == 3);
    CHECK(read_words(&s, "--num_epochs 160") == ARGS_OK && args_given(&s.table, &s.num_epochs));
}

static void test_args_errors(void)
{
    static const struct {
        const char *words, *expected;
    } cases[] = {
        {"--num_epochs x", "--num_epochs: expected an integer from 1 to 1000000, found \"x\""},
        {"--num-epochs=0", "--num_epochs: expected an integer from 1 to 1000000, found \"0\""},
        {"--num_epochs 1000001", "found \"1000001\""},
        {"--num_epochs 5x", "found \"5x\""},
        {"--num_epochs -5", "found \"-5\""},
        {"--num_epochs +5", "found \"+5\""},
        {"--num_epochs 1e3", "found \"1e3\""},
        {"--num_epochs=", "found \"\""},
        {"--num_epochs", "--num_epochs: expected an integer from 1 to 1000000, found nothing"},
        {"--num_epochs --fresh", "--num_epochs: expected an integer from 1 to 1000000, found nothing"},
        {"--batch_size 99999999999999999999999", "found \"99999999999999999999999\""},
        {"--seed 18446744073709551616", "expected an integer from 0 to 18446744073709551615, found"},
        {"--level 6", "--level: expected an integer from -5 to 5, found \"6\""},
        {"--level --6", "found nothing"},
        {"--level 9223372036854775808", "found \"9223372036854775808\""},
        {"--level -", "found \"-\""},
        {"--learning_rate 1.5", "--learning_rate: expected a number from 0 to 1, found \"1.5\""},
        {"--learning_rate nan", "found \"nan\""},
        {"--learning_rate 0x1", "found \"0x1\""},
        {"--learning_rate 0.1.2", "found \"0.1.2\""},
        {"--learning_rate=", "found \"\""},
        {"--logsnr_loc 1e999", "--logsnr_loc: expected a number, found \"1e999\""},
        {"--logsnr_loc inf", "--logsnr_loc: expected a number, found \"inf\""},
        {"--dataset cat", "--dataset: expected one of dino, moons, line, found \"cat\""},
        {"--dataset din", "found \"din\""},
        {"--dataset=", "found \"\""},
        {"--dataset dino|moons", "found \"dino|moons\""},
        {"--fresh maybe", "--fresh: expected on or off, found \"maybe\""},
        {"--out=", "--out: expected a text, found \"\""},
        {"--out --fresh", "--out: expected a text, found nothing"},
        {"--num_epoch 3", "--num_epoch: unknown option; did you mean --num_epochs?"},
        {"--epochs 3", "--epochs: unknown option; did you mean --num_epochs?"},
        {"--laerning-rate=3", "--laerning-rate: unknown option; did you mean --learning_rate?"},
        {"--zzzz 3", "--zzzz: unknown option"},
        {"--Data", "--Data: unknown option"},
        {"dino", "expected an option like --name, found \"dino\""},
        {"-x", "expected an option like --name, found \"-x\""},
        {"--", "expected an option like --name, found \"--\""},
        {"--=3", "unknown option"},
        {"--logsnr_loc .", "--logsnr_loc: expected a number, found \".\""},
        {"--sead 3", "--sead: unknown option; did you mean --seed?"},
        {"--batch_sizes 3", "--batch_sizes: unknown option; did you mean --batch_size?"},
    };
    settings s;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK(read_words(&s, cases[i].words) == ARGS_BAD);
        check_contains(message, cases[i].expected);
        CHECK(strchr(message, '\n') == NULL);
    }
    read_words(&s, "--zzzz 3");
    CHECK(strstr(message, "mean") == NULL);
}

/* A program with few options: ranges with one end, and one of less than ten. */
typedef struct few {
    size_t digit;
    double above, below;
    args_option options[3];
    args_table table;
} few;

static void few_open(few *f)
{
    f->digit = 1, f->above = 2, f->below = -2;
    f->options[0] = args_size("digit", &f->digit, 0, 5, "Less than ten.");
    f->options[1] = args_double("above", &f->above, 0.5, HUGE_VAL, "No end above.");
    f->options[2] = args_double("below", &f->below, -HUGE_VAL, 0.5, "No end below.");
    f->table.program = "few", f->table.summary = "Does little.";
    f->table.options = f->options, f->table.count = 3;
}

static void test_args_ranges(void)
{
    static const struct {
        const char *value, *expected; /* NULL: it is right */
    } cases[] = {
        {"--digit=5", NULL},
        {"--digit=6", "--digit: expected an integer from 0 to 5, found \"6\""},
        {"--digit=10", "found \"10\""},
        {"--above=1e300", NULL},
        {"--above=0.4", "--above: expected a number of at least 0.5, found \"0.4\""},
        {"--below=-1e300", NULL},
        {"--below=0.6", "--below: expected a number of at most 0.5, found \"0.6\""},
    };
    few f;
    few_open(&f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char word[40], *argv[] = {word, word};
        snprintf(word, sizeof word, "%s", cases[i].value);
        CHECK(args_read(&f.table, 2, argv, message, sizeof message) ==
              (cases[i].expected ? ARGS_BAD : ARGS_OK));
        if (cases[i].expected) check_contains(message, cases[i].expected);
    }
    CHECK(f.digit == 5 && f.above == 1e300 && f.below == -1e300);
    CHECK(args_help_word(0, NULL) == NULL);
}

/* Which of some options were given, in the order of their names, not of the command line. */
static void test_args_first_given(void)
{
    settings s;
    const char *name;
    CHECK(read_words(&s, "--seed 3 --fresh") == ARGS_OK);
    name = args_first_given(&s.table, "level fresh seed");
    CHECK(name && strcmp(name, "fresh") == 0);
    name = args_first_given(&s.table, "seed");
    CHECK(name && strcmp(name, "seed") == 0);
    CHECK(!args_first_given(&s.table, "level no_such_option out") && !args_first_given(&s.table, ""));
}

/* Where there is --data, a file without it is what people forget. */
static void test_args_without_a_name(void)
{
    const char *data = NULL;
    args_option options[1];
    args_table table = {"few", "Does little.", options, 1};
    char word[] = "table.csv", *argv[] = {word, word};
    options[0] = args_string("data", &data, "What is read.");
    CHECK(args_read(&table, 2, argv, message, sizeof message) == ARGS_BAD);
    CHECK(!strcmp(message, "expected an option like --name, found \"table.csv\"; did you mean --data FILE?"));
}

static void test_args_long_words(void)
{
    static char word[5000];
    char *argv[] = {word, word};
    settings s = settings_default();
    settings_open(&s);
    memset(word, 'a', sizeof word - 1);
    memcpy(word, "--", 2);
    CHECK(args_read(&s.table, 2, argv, message, sizeof message) == ARGS_BAD && strlen(message) < 200);
}

static void test_args_help(void)
{
    static const char *const parts[] = {"usage: settings",
                                        "Data:\n",
                                        "Training:\n",
                                        "--dataset NAME",
                                        "(one of dino, moons, line; default dino)",
                                        "--fresh [on|off]",
                                        "default off)",
                                        "default on)",
                                        "--num_epochs N",
                                        "default by set)",
                                        "default 128)",
                                        "default 42)",
                                        "from -5 to 5; default -1)",
                                        "--learning_rate X",
                                        "(a number from 0 to 1; default 0.001)",
                                        "(a number; default 2.5)",
                                        "--out TEXT",
                                        "default runs)",
                                        "--an_option_with_a_long_name TEXT\n",
                                        "--help"};
    FILE *file = tmpfile();
    settings s;
    static char words[20000];
    size_t used = 0;
    if (!CHECK(file != NULL)) return;
    CHECK(read_words(&s, "--seed 7 --num_epochs x --help") == ARGS_HELP && read_words(&s, "-h") == ARGS_HELP);
    args_print_help(file, &s.table);
    read_stream(file);
    fclose(file);
    for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) CHECK(end - line <= 79);
    for (size_t i = 0; i < s.table.count; i++) check_contains(text, s.options[i].name);
    for (const char *at = text; *at; at++) { /* words, one blank apart, as wrapping must not change them */
        int blank = *at == ' ' || (*at == '\n' && at[1] == ' ' && at[3] == ' ');
        if (!blank || (used && words[used - 1] != ' ')) words[used++] = (char)(blank ? ' ' : *at);
    }
    words[used] = '\0';
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(text, parts[i])) check_contains(words, parts[i]);
    check_contains(words, "Nothing.");
    CHECK(!strstr(words, "Nothing. (")); /* a text without a default */
}

/* Runs this program with the given words; its two outputs are then in the files "out" and "err". */
static int run_self(const char *words)
{
    char command[1000], out[200];
    snprintf(out, sizeof out, "%s", scratch_path("out"));
    snprintf(command, sizeof command, "\"%s\" %s >\"%s\" 2>\"%s\"", program_path, words, out,
             scratch_path("err"));
    return system(command);
}

static void test_args_exit(void)
{
    CHECK(run_self("--help") == 0);
    check_contains(read_file(scratch_path("out")), "usage: settings");
    CHECK(strlen(read_file(scratch_path("err"))) == 0);
    CHECK(run_self("--num_epochs x") != 0);
    CHECK(strlen(read_file(scratch_path("out"))) == 0);
    CHECK(strcmp(read_file(scratch_path("err")),
                 "settings: --num_epochs: expected an integer from 1 to 1000000, "
                 "found \"x\" (see --help)\n") == 0);
    CHECK(run_self("--num_epochs 12") == 0);
    CHECK(strcmp(read_file(scratch_path("out")), "num_epochs 12 given 1\n") == 0);
}

/* What --help and the rest of the words print, of at most `most` lines that fit a screen. */
static const char *help_of(const char *words, size_t most)
{
    const char *shown;
    CHECK(run_self(words) == 0);
    shown = read_file(scratch_path("out"));
    CHECK(count_of(shown, "\n") <= most);
    for (const char *at = shown; *at; at += strcspn(at, "\n") + 1) CHECK(strcspn(at, "\n") <= 79);
    return shown;
}

static void test_args_topics(void)
{
    const char *shown = help_of("--help", 24);
    check_contains(shown, "usage: settings");
    check_contains(shown, "\n  data        dataset fresh bright\n");
    check_contains(shown, "\n  log_snr     logsnr_loc out an_option_with_a_long_name\n");
    check_contains(shown, "\nExit status: 0 ");
    shown = help_of("--help training", 24);
    check_contains(shown, "--num_epochs N");
    check_contains(shown, "--learning_rate X");
    CHECK(strstr(shown, "--dataset") == NULL && strstr(shown, "--logsnr_loc") == NULL);
    check_contains(help_of("--seed 3 --help log-snr", 24), "--logsnr_loc X");
    check_contains(help_of("--help=log_snr --seed 3", 24), "--logsnr_loc X");
    shown = help_of("--help learning-rate", 2);
    CHECK(strstr(shown, "  --learning_rate X") == shown);
    shown = help_of("--help all", 60);
    check_contains(shown, "--dataset NAME");
    check_contains(shown, "--an_option_with_a_long_name TEXT");
    check_contains(shown, "--version");
    check_contains(help_of("-h --seed 3", 24), "usage: settings");
    shown = help_of("few --help", 24); /* without topics, all of it */
    check_contains(shown, "usage: few");
    check_contains(shown, "(a number of at least 0.5; default 2)");
    CHECK(run_self("--help nothing") != 0);
    CHECK(strcmp(read_file(scratch_path("err")), "settings: --help: expected a topic, an option or all, "
                                                 "found \"nothing\" (see --help)\n") == 0);
}

static void test_args_version(void)
{
    CHECK(run_self("--version") == 0);
    CHECK(strcmp(read_file(scratch_path("out")), "settings (itdiff.h) " ITDIFF_VERSION "\n") == 0);
    CHECK(run_self("--num_epochs 3 --version") == 0);
    check_contains(read_file(scratch_path("out")), ITDIFF_VERSION);
    CHECK(run_self("--versio") != 0);
}

/* ---- progress ---- */

static double clock_now;

static double test_clock(void) { return clock_now; }

/* A bar that prints to a file, on a clock that the test turns. */
static FILE *open_bar(progress *bar, size_t count, size_t work, int terminal)
{
    clock_now = 1000;
    progress_begin(bar, "epoch", count, "steps", work, 0);
    bar->file = tmpfile();
    bar->seconds = test_clock;
    bar->terminal = terminal;
    bar->started = bar->last = bar->shown_at = clock_now;
    return bar->file;
}

static void test_progress_time(void)
{
    static const struct {
        double seconds;
        const char *shown;
    } cases[] = {{0, "0:00"},         {7.4, "0:07"},     {59.6, "1:00"},
                 {61, "1:01"},        {3599.4, "59:59"}, {3599.6, "1:00:00"},
                 {36061, "10:01:01"}, {-1, "-:--"},      {HUGE_VAL, "-:--"}};
    char shown[32];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        progress_format_time(cases[i].seconds, shown, sizeof shown);
        if (!CHECK(strcmp(shown, cases[i].shown) == 0)) printf("  %g: %s\n", cases[i].seconds, shown);
    }
}

/* A fast job in a log: about a line per tenth, then the last one. */
static void test_progress_plain_lines(void)
{
    progress bar;
    FILE *file = open_bar(&bar, 160, 16000, 0);
    if (!CHECK(file != NULL)) return;
    for (size_t i = 1; i <= 160; i++) {
        clock_now += 0.05;
        progress_update(&bar, i, 100 * i, "loss 1.234  nats 1.301");
    }
    progress_end(&bar);
    read_stream(file);
    fclose(file);
    CHECK(count_of(text, "\n") == 10 && count_of(text, "\r") == 0);
    check_contains(text, "epoch 16/160  loss 1.234  nats 1.301  2000 steps/s  0:07 left\n");
    check_contains(text, "epoch 144/160  loss 1.234  nats 1.301  2000 steps/s  0:01 left\n");
    check_contains(text, "epoch 160/160  loss 1.234  nats 1.301  2000 steps/s  0:08 in all\n");
}

/* A slow one: a line every five seconds. */
static void test_progress_slow_lines(void)
{
    progress bar;
    FILE *file = open_bar(&bar, 1000, 1000, 0);
    if (!CHECK(file != NULL)) return;
    for (size_t i = 1; i <= 20; i++) {
        clock_now += 1;
        progress_update(&bar, i, i, "");
    }
    read_stream(file);
    fclose(file);
    CHECK(count_of(text, "\n") == 4);
    check_contains(text, "epoch 5/1000  1.00 steps/s  16:35 left\n");
}

static void test_progress_terminal(void)
{
    progress bar;
    FILE *file = open_bar(&bar, 100, 100, 1);
    if (!CHECK(file != NULL)) return;
    for (size_t i = 1; i <= 100; i++) {
        clock_now += 0.01;
        progress_update(&bar, i, i, i < 50 ? "a field that is long enough to be covered" : "x");
    }
    progress_clear(&bar);
    progress_end(&bar);
    read_stream(file);
    fclose(file);
    CHECK(count_of(text, "\n") == 1 && text[strlen(text) - 1] == '\n');
    CHECK(count_of(text, "epoch") >= 9 && count_of(text, "epoch") <= 12);
    for (const char *at = text; *at; at++) CHECK(strcspn(at, "\r\n") <= 79);
    check_contains(text, "\repoch 1/100  a field");
    check_contains(text, "left                    "); /* the shorter line covers the longer one */
    check_contains(text, "\repoch 100/100  x  100 steps/s  0:01 in all\n");
}

static void test_progress_cut_and_quiet(void)
{
    char fields[300];
    progress bar;
    FILE *file = open_bar(&bar, 10, 10, 1);
    if (!CHECK(file != NULL)) return;
    memset(fields, 'f', sizeof fields - 1);
    fields[sizeof fields - 1] = '\0';
    progress_update(&bar, 1, 1, fields);
    CHECK(strlen(read_stream(file)) == 80);
    fseek(file, 0, SEEK_END);
    bar.quiet = 1;
    clock_now += 100;
    CHECK(!progress_is_due(&bar, 5));
    progress_update(&bar, 5, 5, fields);
    progress_end(&bar);
    CHECK(strlen(read_stream(file)) == 80);
    fclose(file);
}

/* A resumed job measures only its own part; a change of speed takes over within some seconds. */
static void test_progress_rate(void)
{
    progress bar;
    FILE *file = open_bar(&bar, 1000, 1000, 0);
    if (!CHECK(file != NULL)) return;
    progress_skip(&bar, 500);
    clock_now += 5;
    progress_update(&bar, 550, 550, "");
    CHECK_CLOSE(bar.rate, 10, 1e-9);
    for (size_t i = 0; i < 4; i++) {
        clock_now += 5;
        progress_update(&bar, 650 + 100 * i, 650 + 100 * i, "");
    }
    CHECK_CLOSE(bar.rate, 20, 0.1);
    progress_end(&bar);
    check_contains(read_stream(file), "epoch 950/1000  18 steps/s  0:25 in all");
    fclose(file);
}

/* ---- the operating system ---- */

static void test_make_directory(void)
{
    char path[200];
    FILE *file;
#if !defined(SYSTEM_POSIX) && !defined(SYSTEM_WINDOWS)
    SKIP("plain C makes no directories");
    return;
#endif
    snprintf(path, sizeof path, "%s", scratch_path("a/b//c/"));
    CHECK(system_make_directory(path) == 0);
    CHECK(system_make_directory(path) == 0);
    write_bytes(scratch_path("a/b/c/file"), "x", 1);
    CHECK(strcmp(read_file(scratch_path("a/b/c/file")), "x") == 0);
#if defined(SYSTEM_POSIX)
    CHECK(system_make_directory(scratch_path("a/b/c/file")) != 0);
    CHECK(system_make_directory(scratch_path("a/b/c/file/d")) != 0);
    CHECK(system_make_directory("") != 0);
#endif
    CHECK(system_make_directory(".") == 0);
    file = fopen(scratch_path("a/b/c/file"), "wb");
    if (CHECK(file != NULL)) {
        CHECK(fputs("synced", file) >= 0 && system_sync(file) == 0);
        CHECK(!system_is_terminal(file));
        fclose(file);
    }
    remove(scratch_path("a/b/c/file"));
    remove(scratch_path("a/b/c"));
    remove(scratch_path("a/b"));
    remove(scratch_path("a"));
}

static void test_clock_advances(void)
{
    double started = system_seconds(), previous = started, now = started;
    for (int i = 0; i < 1000; i++) {
        now = system_seconds();
        CHECK(now >= previous);
        previous = now;
    }
    CHECK(now - started < 60);
}

/* What this program does when it is started with arguments. */
static int settings_program(int argc, char **argv)
{
    settings s = settings_default();
    few f;
    few_open(&f);
    if (strcmp(argv[1], "few") == 0) args_parse(&f.table, argc - 1, argv + 1);
    settings_open(&s);
    args_parse(&s.table, argc, argv);
    printf("num_epochs %zu given %d\n", s.num_epochs, args_given(&s.table, &s.num_epochs));
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1) return settings_program(argc, argv);
    program_path = argv[0];
#if defined(SYSTEM_POSIX) || defined(SYSTEM_WINDOWS)
    snprintf(scratch, sizeof scratch, "build/test_support_%.0f", fmod(system_seconds() * 1e6, 1e12));
#else
    snprintf(scratch, sizeof scratch, "build"); /* plain C makes no directories */
#endif
    if (system_make_directory(scratch) != 0) {
        printf("test_support: expected to make the directory %s, could not\n", scratch);
        return 1;
    }
    RUN(test_args_defaults);
    RUN(test_args_values);
    RUN(test_args_flags_and_repeats);
    RUN(test_args_errors);
    RUN(test_args_ranges);
    RUN(test_args_first_given);
    RUN(test_args_without_a_name);
    RUN(test_args_long_words);
    RUN(test_args_help);
    RUN(test_args_exit);
    RUN(test_args_topics);
    RUN(test_args_version);
    RUN(test_progress_time);
    RUN(test_progress_plain_lines);
    RUN(test_progress_slow_lines);
    RUN(test_progress_terminal);
    RUN(test_progress_cut_and_quiet);
    RUN(test_progress_rate);
    RUN(test_make_directory);
    RUN(test_clock_advances);
    remove(scratch_path("out"));
    remove(scratch_path("err"));
    remove(scratch_path("data.csv"));
    remove(scratch);
    return test_report();
}
