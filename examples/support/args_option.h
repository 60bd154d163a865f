/* args_option.h: the options that a program declares: what each one expects and holds. See args.h. */
#ifndef ARGS_OPTION_H
#define ARGS_OPTION_H

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

/* Appends options to a table, whose array has space for them. */
static inline void args_add(args_table *table, const args_option *options, size_t count)
{
    memcpy(table->options + table->count, options, count * sizeof *options);
    table->count += count;
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

/* Nothing for a text that has none. */
static inline void args_append_default(char *buffer, size_t size, const args_option *option)
{
    if (option->default_text) args_append(buffer, size, "%s", option->default_text);
    else if (option->kind == ARGS_INT) args_append(buffer, size, "%lld", (long long)option->initial.integer);
    else if (option->kind == ARGS_FLAG)
        args_append(buffer, size, "%s", option->initial.integer ? "on" : "off");
    else if (option->kind == ARGS_SIZE || option->kind == ARGS_UINT64)
        args_append(buffer, size, "%llu", (unsigned long long)option->initial.whole);
    else if (option->kind == ARGS_DOUBLE) args_append(buffer, size, "%g", option->initial.number);
    else args_append(buffer, size, "%s", option->initial.text ? option->initial.text : "");
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

/* ---- names ---- */

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

#endif
