/* same_run.h: whether a run that is to go on is the same one: by the options that it began with, which are kept
 * as a note of words "name=value" with the model.
 *
 *     char differ[300];
 *     same_run_options(now, itd_model_note(model, "options"), differ, sizeof differ);
 *     if (*differ) fail("was trained with another %s", differ);            --seed, --hidden_size */
#ifndef SAME_RUN_H
#define SAME_RUN_H

#include "text.h"

/* The value of a name in words "name=value", and its length; NULL if it is not there. */
static inline const char *same_run_value(const char *words, const char *name, size_t name_length,
                                         size_t *length)
{
    while (*words) {
        size_t word = strcspn(words, " ");
        if (word > name_length && words[name_length] == '=' && !strncmp(words, name, name_length)) {
            *length = word - name_length - 1;
            return words + name_length + 1;
        }
        words += word, words += strspn(words, " ");
    }
    return NULL;
}

/* Lists the names whose values are not the same now and then, as options. */
static inline void same_run_options(const char *now, const char *then, char *out, size_t size)
{
    *out = '\0';
    while (*now) {
        size_t name = strcspn(now, "="), word = strcspn(now, " "), length;
        const char *old = same_run_value(then, now, name, &length);
        if (!old || length != word - name - 1 || strncmp(now + name + 1, old, length))
            text_append(out, size, "%s--%.*s", *out ? ", " : "", (int)name, now);
        now += word, now += strspn(now, " ");
    }
}

#endif
