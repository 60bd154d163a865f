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
 * value. The only exits of a program are in args_parse: status 0 after --help and --version, status 1 after
 * one line on stderr. */
#ifndef ARGS_H
#define ARGS_H

#include "../../itdiff.h" /* for its version */

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARGS_COUNT(options) (sizeof(options) / sizeof *(options))

enum { args_width = 79, args_help_column = 28, args_topic_column = 14, args_name_limit = 63 };

typedef enum args_kind {
    ARGS_GROUP,
    ARGS_INT,
    ARGS_SIZE,
    ARGS_UINT64,
    ARGS_DOUBLE,
    ARGS_STRING,
    ARGS_FLAG,
    ARGS_CHOICE
} args_kind;

typedef enum args_status { ARGS_OK, ARGS_HELP, ARGS_VERSION, ARGS_BAD } args_status;

/* One option; made by the functions below, which check the type of the destination. `initial` is what the
 * destination held then: the default that --help shows, whatever else is on the command line. */
typedef struct args_option {
    args_kind kind;
    const char *name, *help;
    const char *choices;      /* "a|b|c" */
    const char *default_text; /* shown instead of the initial value, if not NULL */
    const void *destination;  /* the same as `to`, by which args_given knows the option */
    union {
        int *integer;
        size_t *size;
        uint64_t *uint64;
        double *number;
        const char **text;
    } to;
    union {
        int64_t integer;
        uint64_t whole;
        double number;
        const char *text;
    } initial;
    int64_t integer_min, integer_max;
    uint64_t whole_min, whole_max;
    double number_min, number_max;
    int given;
} args_option;

typedef struct args_table {
    const char *program, *summary;
    args_option *options;
    size_t count;
} args_table;

/* ---- the entries of a table ---- */

static inline args_option args_entry(args_kind kind, const char *name, const void *destination,
                                     const char *help)
{
    args_option option;
    memset(&option, 0, sizeof option);
    option.kind = kind;
    option.name = name;
    option.destination = destination;
    option.help = help;
    return option;
}

/* A heading above the options that follow it. */
static inline args_option args_group(const char *title) { return args_entry(ARGS_GROUP, title, NULL, ""); }

static inline args_option args_int(const char *name, int *value, int min, int max, const char *help)
{
    args_option option = args_entry(ARGS_INT, name, value, help);
    option.to.integer = value;
    option.initial.integer = *value;
    option.integer_min = min;
    option.integer_max = max;
    return option;
}

static inline args_option args_size(const char *name, size_t *value, size_t min, size_t max, const char *help)
{
    args_option option = args_entry(ARGS_SIZE, name, value, help);
    option.to.size = value;
    option.initial.whole = *value;
    option.whole_min = min;
    option.whole_max = max;
    return option;
}

static inline args_option args_uint64(const char *name, uint64_t *value, uint64_t min, uint64_t max,
                                      const char *help)
{
    args_option option = args_entry(ARGS_UINT64, name, value, help);
    option.to.uint64 = value;
    option.initial.whole = *value;
    option.whole_min = min;
    option.whole_max = max;
    return option;
}

/* Bounds are inclusive; -HUGE_VAL and HUGE_VAL stand for none. Infinity and NaN are never accepted. */
static inline args_option args_double(const char *name, double *value, double min, double max,
                                      const char *help)
{
    args_option option = args_entry(ARGS_DOUBLE, name, value, help);
    option.to.number = value;
    option.initial.number = *value;
    option.number_min = min;
    option.number_max = max;
    return option;
}

/* Any text but the empty one. NULL is a fine default: none. */
static inline args_option args_string(const char *name, const char **value, const char *help)
{
    args_option option = args_entry(ARGS_STRING, name, value, help);
    option.to.text = value;
    option.initial.text = *value;
    return option;
}

static inline args_option args_flag(const char *name, int *value, const char *help)
{
    args_option option = args_entry(ARGS_FLAG, name, value, help);
    option.to.integer = value;
    option.initial.integer = *value;
    return option;
}

/* One of the words in `choices`, which are separated by '|'. */
static inline args_option args_choice(const char *name, const char **value, const char *choices,
                                      const char *help)
{
    args_option option = args_entry(ARGS_CHOICE, name, value, help);
    option.to.text = value;
    option.initial.text = *value;
    option.choices = choices;
    return option;
}

/* The same option with a default that is told in words, for one that the program works out later:
 * args_default_text(args_size(...), "by data set"). */
static inline args_option args_default_text(args_option option, const char *text)
{
    option.default_text = text;
    return option;
}

/* ---- what an option expects, in words ---- */

/* Appends formatted text to a string in a buffer; what does not fit is dropped. */
static inline void args_append(char *buffer, size_t size, const char *format, ...)
{
    size_t used = strlen(buffer);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(buffer + used, size - used, format, arguments);
    va_end(arguments);
}

static inline void args_append_whole_range(char *buffer, size_t size, const args_option *option)
{
    unsigned long long min = option->whole_min, max = option->whole_max;
    args_append(buffer, size, "an integer from %llu to %llu", min, max);
}

static inline void args_append_number_range(char *buffer, size_t size, const args_option *option)
{
    int low = option->number_min > -HUGE_VAL, high = option->number_max < HUGE_VAL;
    args_append(buffer, size, "a number");
    if (low && high) args_append(buffer, size, " from %g to %g", option->number_min, option->number_max);
    if (low && !high) args_append(buffer, size, " of at least %g", option->number_min);
    if (!low && high) args_append(buffer, size, " of at most %g", option->number_max);
}

static inline void args_append_choices(char *buffer, size_t size, const args_option *option)
{
    args_append(buffer, size, "one of ");
    for (const char *at = option->choices; *at; at++)
        if (*at == '|') args_append(buffer, size, ", ");
        else args_append(buffer, size, "%c", *at);
}

static inline void args_append_expected(char *buffer, size_t size, const args_option *option)
{
    switch (option->kind) {
    case ARGS_INT:
        args_append(buffer, size, "an integer from %lld to %lld", (long long)option->integer_min,
                    (long long)option->integer_max);
        break;
    case ARGS_SIZE:
    case ARGS_UINT64: args_append_whole_range(buffer, size, option); break;
    case ARGS_DOUBLE: args_append_number_range(buffer, size, option); break;
    case ARGS_STRING: args_append(buffer, size, "a text"); break;
    case ARGS_FLAG: args_append(buffer, size, "on or off"); break;
    case ARGS_CHOICE: args_append_choices(buffer, size, option); break;
    case ARGS_GROUP: break;
    }
}

static inline void args_append_default(char *buffer, size_t size, const args_option *option)
{
    if (option->default_text) args_append(buffer, size, "%s", option->default_text);
    else if (option->kind == ARGS_INT) args_append(buffer, size, "%lld", (long long)option->initial.integer);
    else if (option->kind == ARGS_FLAG)
        args_append(buffer, size, "%s", option->initial.integer ? "on" : "off");
    else if (option->kind == ARGS_SIZE || option->kind == ARGS_UINT64)
        args_append(buffer, size, "%llu", (unsigned long long)option->initial.whole);
    else if (option->kind == ARGS_DOUBLE) args_append(buffer, size, "%g", option->initial.number);
    else args_append(buffer, size, "%s", option->initial.text ? option->initial.text : "none");
}

/* " name=value", as it is now. */
static inline void args_append_word(char *buffer, size_t size, const args_option *option)
{
    args_append(buffer, size, "%s%s=", *buffer ? " " : "", option->name);
    switch (option->kind) {
    case ARGS_INT:
    case ARGS_FLAG: args_append(buffer, size, "%d", *option->to.integer); break;
    case ARGS_SIZE: args_append(buffer, size, "%llu", (unsigned long long)*option->to.size); break;
    case ARGS_UINT64: args_append(buffer, size, "%llu", (unsigned long long)*option->to.uint64); break;
    case ARGS_DOUBLE: args_append(buffer, size, "%.9g", *option->to.number); break;
    case ARGS_STRING:
    case ARGS_CHOICE: args_append(buffer, size, "%s", *option->to.text ? *option->to.text : "none"); break;
    case ARGS_GROUP: break;
    }
}

/* ---- reading values ---- */

/* Decimal digits and nothing else, as a number of at most `limit`. Returns 0, or -1 if it is not one. */
static inline int args_read_whole(const char *text, uint64_t limit, uint64_t *value)
{
    uint64_t sum = 0;
    if (!*text) return -1;
    for (; *text; text++) {
        uint64_t digit = (uint64_t)(*text - '0');
        if (*text < '0' || *text > '9') return -1;
        if (digit > limit || sum > (limit - digit) / 10) return -1;
        sum = sum * 10 + digit;
    }
    *value = sum;
    return 0;
}

static inline int args_read_integer(const char *text, int64_t min, int64_t max, int64_t *value)
{
    int negative = *text == '-';
    uint64_t size;
    int64_t number;
    if (args_read_whole(text + negative, INT64_MAX, &size)) return -1;
    number = negative ? -(int64_t)size : (int64_t)size;
    if (number < min || number > max) return -1;
    *value = number;
    return 0;
}

/* strtod also takes blanks, hexadecimal numbers and words; a decimal number is made of these characters
 * only. */
static inline int args_read_number(const char *text, double *value)
{
    char *end;
    double number;
    if (!*text || text[strspn(text, "0123456789+-.eE")]) return -1;
    number = strtod(text, &end);
    if (end == text || *end || fabs(number) == HUGE_VAL) return -1;
    *value = number;
    return 0;
}

static inline int args_is_choice(const char *choices, const char *text)
{
    size_t length = strlen(text);
    for (const char *at = choices; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
        if (strcspn(at, "|") == length && strncmp(at, text, length) == 0) return 1;
    return 0;
}

/* Stores the text in the option's destination if it is what the option expects; returns 0, or -1 if not. */
static inline int args_store(args_option *option, const char *text)
{
    uint64_t whole;
    int64_t integer;
    double number;
    switch (option->kind) {
    case ARGS_INT:
        if (args_read_integer(text, option->integer_min, option->integer_max, &integer)) return -1;
        *option->to.integer = (int)integer;
        break;
    case ARGS_SIZE:
    case ARGS_UINT64:
        if (args_read_whole(text, option->whole_max, &whole) || whole < option->whole_min) return -1;
        if (option->kind == ARGS_SIZE) *option->to.size = (size_t)whole;
        else *option->to.uint64 = whole;
        break;
    case ARGS_DOUBLE:
        if (args_read_number(text, &number)) return -1;
        if (!(number >= option->number_min && number <= option->number_max)) return -1;
        *option->to.number = number;
        break;
    case ARGS_FLAG:
        if (strcmp(text, "on") && strcmp(text, "off")) return -1;
        *option->to.integer = strcmp(text, "on") == 0;
        break;
    case ARGS_CHOICE:
        if (!args_is_choice(option->choices, text)) return -1;
        *option->to.text = text;
        break;
    case ARGS_STRING:
        if (!*text) return -1;
        *option->to.text = text;
        break;
    case ARGS_GROUP: return -1;
    }
    option->given = 1;
    return 0;
}

/* ---- finding names ---- */

static inline char args_fold(char c) { return (char)(c == '-' ? '_' : c); }

static inline int args_same_name(const char *name, const char *typed, size_t length)
{
    if (strlen(name) != length) return 0;
    for (size_t i = 0; i < length; i++)
        if (args_fold(name[i]) != args_fold(typed[i])) return 0;
    return 1;
}

static inline args_option *args_find(const args_table *table, const char *typed, size_t length)
{
    for (size_t i = 0; i < table->count; i++) {
        args_option *option = &table->options[i];
        if (option->kind != ARGS_GROUP && args_same_name(option->name, typed, length)) return option;
    }
    return NULL;
}

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

static inline int args_is_help(const char *text)
{
    return strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0 || strncmp(text, "--help=", 7) == 0;
}

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
            snprintf(message, size, "expected an option like --name, found \"%.60s\"", argv[i]);
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

/* ---- help ---- */

/* Prints words from `column` on, starting a new line at `indent` wherever the next word would pass the
 * width. */
static inline void args_print_wrapped(FILE *file, const char *text, int column, int indent)
{
    while (*text) {
        int length = (int)strcspn(text, " \n");
        if (column > indent && column + 1 + length > args_width) {
            fprintf(file, "\n%*s", indent, "");
            column = indent;
        }
        if (column > indent) column += fprintf(file, " ");
        column += fprintf(file, "%.*s", length, text);
        text += length;
        text += strspn(text, " \n");
    }
    fprintf(file, "\n");
}

static inline void args_print_option(FILE *file, const args_option *option)
{
    static const char *const placeholders[] = {"", "N", "N", "N", "X", "TEXT", "[on|off]", "NAME"};
    char text[1200] = "";
    int column = fprintf(file, "  --%s %s", option->name, placeholders[option->kind]);
    if (column + 2 > args_help_column) {
        fprintf(file, "\n");
        column = 0;
    }
    fprintf(file, "%*s", args_help_column - column, "");
    args_append(text, sizeof text, "%s (", option->help);
    if (option->kind != ARGS_FLAG && option->kind != ARGS_STRING) {
        args_append_expected(text, sizeof text, option);
        args_append(text, sizeof text, "; ");
    }
    args_append(text, sizeof text, "default ");
    args_append_default(text, sizeof text, option);
    args_append(text, sizeof text, ")");
    args_print_wrapped(file, text, args_help_column, args_help_column);
}

static inline void args_print_usage(FILE *file, const args_table *table)
{
    fprintf(file, "usage: %s [--option value]...\n\n", table->program);
    args_print_wrapped(file, table->summary, 0, 0);
}

static inline void args_print_exits(FILE *file)
{
    fprintf(file, "\nExit status: 0 when all went well, 1 after an error (one line on stderr).\n");
}

/* Everything. */
static inline void args_print_help(FILE *file, const args_table *table)
{
    args_print_usage(file, table);
    for (size_t i = 0; i < table->count; i++) {
        const args_option *option = &table->options[i];
        if (option->kind == ARGS_GROUP) fprintf(file, "\n%s:\n", option->name);
        else args_print_option(file, option);
    }
    fprintf(file, "\nOther:\n  --help%*sPrint this and stop.\n", args_help_column - 8, "");
    fprintf(file, "  --version%*sPrint the version and stop.\n", args_help_column - 11, "");
    args_print_exits(file);
}

/* ---- help by topics ---- */

/* A group as one types it: "Log SNR" is log_snr. */
static inline void args_topic_name(const args_option *group, char *name, size_t size)
{
    size_t i;
    for (i = 0; i + 1 < size && group->name[i]; i++) {
        char c = group->name[i];
        name[i] = (char)(c == ' ' ? '_' : c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    name[i] = '\0';
}

static inline size_t args_groups(const args_table *table)
{
    size_t groups = 0;
    for (size_t i = 0; i < table->count; i++) groups += table->options[i].kind == ARGS_GROUP;
    return groups;
}

/* The names of the options from number `first` to the next group. */
static inline void args_print_names(FILE *file, const args_table *table, size_t first)
{
    char text[1200] = "", topic[64];
    args_topic_name(&table->options[first - 1], topic, sizeof topic);
    for (size_t i = first; i < table->count && table->options[i].kind != ARGS_GROUP; i++)
        args_append(text, sizeof text, "%s ", table->options[i].name);
    fprintf(file, "  %-*s", args_topic_column - 2, topic);
    args_print_wrapped(file, text, args_topic_column, args_topic_column);
}

static inline void args_print_overview(FILE *file, const args_table *table)
{
    args_print_usage(file, table);
    fprintf(file, "\n--help TOPIC explains a line below, --help NAME an option, --help all all.\n\n");
    for (size_t i = 0; i < table->count; i++)
        if (table->options[i].kind == ARGS_GROUP) args_print_names(file, table, i + 1);
    fprintf(file, "\n--version prints the version.\n");
    args_print_exits(file);
}

/* Prints a topic, an option or all. Returns 0, or -1 if the word is none of them. */
static inline int args_print_topic(FILE *file, const args_table *table, const char *word)
{
    const args_option *option = args_find(table, word, strlen(word));
    if (strcmp(word, "all") == 0) {
        args_print_help(file, table);
        return 0;
    }
    for (size_t i = 0; i < table->count; i++) {
        char topic[64];
        args_topic_name(&table->options[i], topic, sizeof topic);
        if (table->options[i].kind != ARGS_GROUP || !args_same_name(topic, word, strlen(word))) continue;
        fprintf(file, "%s:\n", table->options[i].name);
        for (i++; i < table->count && table->options[i].kind != ARGS_GROUP; i++)
            args_print_option(file, &table->options[i]);
        return 0;
    }
    if (!option) return -1;
    args_print_option(file, option);
    return 0;
}

/* The word after --help, or NULL. */
static inline const char *args_help_word(int argc, char *const *argv)
{
    int i = 1;
    while (i < argc && !args_is_help(argv[i])) i++;
    if (i < argc && strncmp(argv[i], "--help=", 7) == 0) return argv[i] + 7;
    return i + 1 < argc && *argv[i + 1] != '-' ? argv[i + 1] : NULL;
}

static inline void args_help(const args_table *table, int argc, char *const *argv)
{
    const char *word = args_help_word(argc, argv);
    if (!word && args_groups(table) >= 3) args_print_overview(stdout, table);
    else if (!word) args_print_help(stdout, table);
    else if (args_print_topic(stdout, table, word)) {
        fprintf(stderr, "%s: --help: expected a topic, an option or all, found \"%.60s\" (see --help)\n",
                table->program, word);
        exit(1);
    }
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

#endif
