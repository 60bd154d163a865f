/* args.h: command line options from a table. A program declares its options once, as variables that hold
 * the defaults and a table of what they mean; parsing, range checks, error messages and --help follow from
 * it.
 *
 *     size_t epochs = 160;
 *     double rate = 1e-3;
 *     int fresh = 0;
 *     const char *set = "dino";
 *     args_option options[] = {
 *         args_group("Data"),
 *         args_choice("dataset", &set, "dino|moons|scg", "Which data to learn."),
 *         args_flag("fresh", &fresh, "Draw new points every epoch."),
 *         args_group("Training"),
 *         args_size("num_epochs", &epochs, 1, 1000000, "Passes over the training data."),
 *         args_double("learning_rate", &rate, 0, 1, "Step size of Adam."),
 *     };
 *     args_table table = {"train", "Learns a density and tells its entropy.", options, ARGS_COUNT(options)};
 *     args_parse(&table, argc, argv);
 *     if (!args_given(&table, &epochs)) epochs = ...;
 *
 * Understood: --name value, --name=value, hyphens and underscores alike, --flag, --flag on, --flag off,
 * --version, --help. Where a table has three groups or more, each is a topic: --help is an overview, --help
 * TOPIC explains a group, --help NAME an option, --help all everything. An option given twice keeps the last
 * value. args_parse ends the program with status 0 after --help and --version, and with status 1 after one
 * line on stderr; args_refuse_idle does the latter. */
#ifndef ARGS_H
#define ARGS_H

#include "../../itdiff.h" /* for its version */
#include "args_help.h"
#include "args_option.h"

typedef enum args_status { ARGS_OK, ARGS_HELP, ARGS_VERSION, ARGS_BAD } args_status;

/* ---- unknown names ---- */

/* Levenshtein's distance: how many characters to insert, delete or replace. `row` holds the distances of the
 * first i characters of a to every beginning of b. */
static inline size_t args_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t row[args_name_limit + 1];
    if (b_length > args_name_limit) b_length = args_name_limit;
    for (size_t j = 0; j <= b_length; j++) row[j] = j;
    for (size_t i = 0; i < a_length; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < b_length; j++) {
            size_t best = diagonal + (args_fold(a[i]) != args_fold(b[j]));
            diagonal = row[j + 1];
            if (row[j] + 1 < best) best = row[j] + 1;
            if (diagonal + 1 < best) best = diagonal + 1;
            row[j + 1] = best;
        }
    }
    return row[b_length];
}

/* Whether the typed word is a part of the name that ends or begins it, as "epochs" is of num_epochs. */
static inline int args_is_part(const char *name, const char *typed, size_t length)
{
    size_t whole = strlen(name);
    if (length < 3 || length > whole) return 0;
    return args_distance(name, length, typed, length) == 0 ||
           args_distance(name + whole - length, length, typed, length) == 0;
}

/* The name the user may have meant, or NULL if none is near: at most a third of the word is wrong. */
static inline const char *args_nearest(const args_table *table, const char *typed, size_t length)
{
    const char *nearest = NULL;
    size_t best = length / 3 + 2;
    for (size_t i = 0; i < table->count; i++) {
        const char *name = table->options[i].name;
        size_t distance;
        if (table->options[i].kind == ARGS_GROUP) continue;
        distance = args_is_part(name, typed, length) ? 1 : args_distance(typed, length, name, strlen(name));
        if (distance >= best) continue;
        best = distance;
        nearest = name;
    }
    return nearest;
}

/* ---- the command line ---- */

static inline args_status args_refuse(const args_option *option, const char *found, char *message,
                                      size_t size)
{
    char expected[400] = "";
    args_append_expected(expected, sizeof expected, option);
    if (found) snprintf(message, size, "--%s: expected %s, found \"%.60s\"", option->name, expected, found);
    else snprintf(message, size, "--%s: expected %s, found nothing", option->name, expected);
    return ARGS_BAD;
}

static inline args_status args_refuse_name(const args_table *table, const char *typed, size_t length,
                                           char *message, size_t size)
{
    const char *nearest = args_nearest(table, typed, length);
    int shown = (int)(length < 60 ? length : 60);
    if (nearest) snprintf(message, size, "--%.*s: unknown option; did you mean --%s?", shown, typed, nearest);
    else snprintf(message, size, "--%.*s: unknown option", shown, typed);
    return ARGS_BAD;
}

static inline int args_is_option(const char *text) { return strncmp(text, "--", 2) == 0; }

/* Reads the command line into the destinations. Does not exit or print: a refusal is one line in `message`. A
 * request for help or the version anywhere comes first. */
static inline args_status args_read(const args_table *table, int argc, char *const *argv, char *message,
                                    size_t size)
{
    for (int i = 1; i < argc; i++)
        if (args_is_help(argv[i])) return ARGS_HELP;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--version") == 0) return ARGS_VERSION;
    for (int i = 1; i < argc; i++) {
        const char *typed = argv[i] + 2, *value;
        size_t length;
        args_option *option;
        if (!args_is_option(argv[i]) || !*typed) {
            snprintf(message, size, "expected an option like --name, found \"%.60s\"%s", argv[i],
                     args_find(table, "data", 4) ? "; did you mean --data FILE?" : "");
            return ARGS_BAD;
        }
        length = strcspn(typed, "=");
        option = args_find(table, typed, length);
        if (!option) return args_refuse_name(table, typed, length, message, size);
        value = typed[length] ? typed + length + 1 : NULL;
        if (!value && i + 1 < argc && !args_is_option(argv[i + 1])) value = argv[++i];
        if (!value && option->kind == ARGS_FLAG) value = "on";
        if (!value || args_store(option, value)) return args_refuse(option, value, message, size);
    }
    return ARGS_OK;
}

/* Whether the user gave the option whose destination this is, rather than leaving its default. */
static inline int args_given(const args_table *table, const void *destination)
{
    for (size_t i = 0; i < table->count; i++) {
        const args_option *option = &table->options[i];
        if (option->destination == destination) return option->given;
    }
    return 0;
}

/* The first of some names, separated by blanks, that the user gave; NULL if none. For options that have no
 * effect beside others. */
static inline const char *args_first_given(const args_table *table, const char *names)
{
    for (const char *at = names; *at; at += strcspn(at, " "), at += strspn(at, " ")) {
        const args_option *option = args_find(table, at, strcspn(at, " "));
        if (option && option->given) return option->name;
    }
    return NULL;
}

/* Reads the command line, or ends the program: with status 0 after --help or --version, with status 1 after
 * an error. */
static inline void args_parse(const args_table *table, int argc, char *const *argv)
{
    char message[600];
    args_status status = args_read(table, argc, argv, message, sizeof message);
    if (status == ARGS_OK) return;
    if (status == ARGS_HELP) args_help(table, argc, argv);
    if (status == ARGS_VERSION) printf("%s (itdiff.h) %s\n", table->program, ITDIFF_VERSION);
    if (status != ARGS_BAD) exit(0);
    fprintf(stderr, "%s: %s (see --help)\n", table->program, message);
    exit(1);
}

/* An option without effect is an error: ends the program if the user gave one of these names, separated by
 * blanks. where: "with --load". */
static inline void args_refuse_idle(const args_table *table, const char *names, const char *where)
{
    const char *name = args_first_given(table, names);
    if (!name) return;
    fprintf(stderr, "%s: --%s: has no effect %s\n", table->program, name, where);
    exit(1);
}

#endif
