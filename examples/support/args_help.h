/* args_help.h: --help from the table of options, as a whole or by topics. See args.h. */
#ifndef ARGS_HELP_H
#define ARGS_HELP_H

#include "args_option.h"

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
    char text[1200] = "", more[600] = "", initial[300] = "";
    int column = fprintf(file, "  --%s %s", option->name, placeholders[option->kind]);
    if (column + 2 > args_help_column) {
        fprintf(file, "\n");
        column = 0;
    }
    fprintf(file, "%*s", args_help_column - column, "");
    if (option->kind != ARGS_FLAG && option->kind != ARGS_STRING)
        args_append_expected(more, sizeof more, option);
    args_append_default(initial, sizeof initial, option);
    if (*initial) args_append(more, sizeof more, "%sdefault %s", *more ? "; " : "", initial);
    args_append(text, sizeof text, "%s", option->help);
    if (*more) args_append(text, sizeof text, " (%s)", more);
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

static inline int args_is_help(const char *text)
{
    return strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0 || strncmp(text, "--help=", 7) == 0;
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

#endif
