/* same_run.h: whether a run that is to go on is the same one: by the rows of its table, and by the options it
 * began with, words "name=value". Both are kept as notes with the model, "frame" and "options".
 *
 *     same_run_require(&frame, "points.csv", now, model, "runs/points/model.safetensors");
 *
 * Include the implementation of itdiff.h before this file. */
#ifndef SAME_RUN_H
#define SAME_RUN_H

#include "frame_text.h"
#include "must.h"

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

/* Ends the program unless the options of now are those in the notes of the model at `path`. */
static inline void same_run_compare(const char *options, const itd_model *m, const char *path)
{
    const char *then = itd_model_note(m, "options");
    char differ[300];
    if (!then) fail("--resume: %s: a model of this program expected, another found", path);
    same_run_options(options, then, differ, sizeof differ);
    if (*differ) fail("--resume: %s was trained with another %s", path, differ);
}

/* The same for the file at `path`. */
static inline void same_run_require_options(const char *path, const char *options)
{
    itd_error error;
    itd_model *m;
    if (itd_load(path, &m, NULL, &error) != ITD_OK) fail("--resume: %s", error.text);
    same_run_compare(options, m, path);
    itd_model_free(m);
}

/* Ends the program unless the model at `path` has learned the rows of this frame, which come from `data`,
 * with the same options. */
static inline void same_run_require(const data_frame *frame, const char *data, const char *options,
                                    const itd_model *m, const char *path)
{
    char error[TABLE_ERROR];
    const char *text = itd_model_note(m, "frame");
    data_frame f;
    if (!text) fail("--resume: %s: a model of this program expected, another found", path);
    if (frame_from_text(text, &f, error, sizeof error)) fail("--resume: %s: %s", path, error);
    if (f.checksum != frame->checksum || f.rows != frame->rows || f.columns != frame->columns)
        fail("--resume: the %lu rows of %lu columns expected that %s has learned, others found in %s",
             (unsigned long)f.rows, (unsigned long)f.columns, path, data);
    same_run_compare(options, m, path);
    frame_free(&f);
}

#endif
