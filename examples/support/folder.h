/* folder.h: the folder that a training program leaves its results in, OUT/NAME.
 *
 *     char folder[1024];
 *     folder_make("runs", folder_name_of("data/moons.csv"), folder, sizeof folder);
 *     folder_keep_earlier(folder, quiet);                             before the first model is saved
 *     FILE *rows = folder_rows_begin(folder, "metrics.tsv");          runs/moons/metrics.tsv
 *
 * Include system.h first of all, and the implementation of itdiff.h before this file. */
#ifndef FOLDER_H
#define FOLDER_H

#include "must.h"
#include "system.h"

#include <ctype.h>
#include <string.h>

/* The name for the results of a file or folder: its own, without the folders it is in and its ending. What is
 * neither a letter, a digit nor one of -_.+ becomes an underscore, and so does a dot in front. Good until the
 * next call. */
static inline const char *folder_name_of(const char *path)
{
    static char name[100];
    size_t end = strlen(path), begin, dot, length = 0;
    while (end > 0 && system_is_separator(path[end - 1])) end--;
    for (begin = end; begin > 0 && !system_is_separator(path[begin - 1]);) begin--;
    for (dot = end; dot > begin && path[dot - 1] != '.';) dot--;
    if (dot > begin + 1) end = dot - 1;
    for (size_t k = begin; k < end && length + 1 < sizeof name; k++) {
        unsigned char c = (unsigned char)path[k];
        name[length++] = (char)(isalnum(c) || c >= 128 || strchr("-_.+", c) ? c : '_');
    }
    name[length] = '\0';
    if (*name == '.') *name = '_';
    return *name ? name : "data";
}

/* The folder and those above it that are not there yet; ends the program if that cannot be. */
static inline void folder_make(const char *out, const char *name, char *folder, size_t size)
{
    int length = snprintf(folder, size, "%s/%s", out, name);
    if (length < 0 || (size_t)length >= size) fail("--out: the name of the folder is too long");
    if (system_make_directory(folder)) fail("%s: the folder cannot be made", folder);
}

/* FOLDER/FILE, good until the next call. */
static inline const char *folder_path(const char *folder, const char *file)
{
    static char path[1200];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    return path;
}

/* Ends the program if another one is training in the folder: each would destroy what the other writes. Held
 * until this one ends. */
static inline void folder_lock(const char *folder)
{
    FILE *file = fopen(folder_path(folder, ".lock"), "ab");
    if (file && !system_lock(file))
        fail("%s: another training is at work there; --experiment_name gives this one a folder", folder);
}

/* Renames a file in the folder by a ~ behind its name, in the place of one that has this name already;
 * returns whether it was there. */
static inline int folder_put_aside(const char *folder, const char *file)
{
    char path[1200], aside[1202];
    snprintf(path, sizeof path, "%s", folder_path(folder, file));
    snprintf(aside, sizeof aside, "%s~", path);
    if (!system_replace(path, aside)) return 1;
    if (errno != ENOENT) fail("%s: cannot be renamed to %s", path, aside);
    return 0;
}

/* Puts aside what an earlier run left, before a training that began anew saves its first model: it may have
 * taken hours. So do editors and `cp --backup` with what they replace. A refusal would be as safe; but most
 * who train on the same table again try other options, and would have to allow it each time. */
static inline void folder_keep_earlier(const char *folder, int quiet)
{
    folder_put_aside(folder, "best.safetensors"), folder_put_aside(folder, "training.safetensors");
    if (folder_put_aside(folder, "model.safetensors") && !quiet)
        printf("%s: the model of an earlier run is kept as model.safetensors~\n", folder);
}

/* ---- a file of rows that grows while a program works ---- */

/* What an earlier run has left of it, to be read; NULL: nothing. */
static inline FILE *folder_rows(const char *folder, const char *file)
{
    FILE *rows = fopen(folder_path(folder, file), "r");
    if (!rows && errno != ENOENT) fail("%s: cannot be opened", folder_path(folder, file));
    return rows;
}

/* Ends the program where reading has failed: the rows that it left out would be lost. */
static inline void folder_rows_end(FILE *rows, const char *folder, const char *file)
{
    if (rows && ferror(rows)) fail("%s: cannot be read", folder_path(folder, file));
    if (rows) fclose(rows);
}

/* It begins beside the earlier one, with the rows of that which stay, ... */
static inline FILE *folder_rows_begin(const char *folder, const char *file)
{
    char draft[100];
    FILE *rows;
    snprintf(draft, sizeof draft, "%s.tmp", file);
    if (!(rows = fopen(folder_path(folder, draft), "w")))
        fail("%s: cannot be written", folder_path(folder, file));
    return rows;
}

/* ... and takes its place when these are written. What is added from here on is flushed row by row. */
static inline FILE *folder_rows_go_on(FILE *rows, const char *folder, const char *file)
{
    char draft[1200], path[1200];
    int failed = ferror(rows);
    snprintf(path, sizeof path, "%s", folder_path(folder, file));
    snprintf(draft, sizeof draft, "%.1195s.tmp", path);
    if (fclose(rows) || failed) remove(draft), fail("%s: cannot be written", path);
    if (system_replace(draft, path)) fail("%s: cannot be renamed to %s", draft, path);
    if (!(rows = fopen(path, "a"))) fail("%s: cannot be written", path);
    return rows;
}

static inline void folder_rows_close(FILE *rows, const char *folder, const char *file)
{
    int failed = rows && ferror(rows);
    if (rows && (fclose(rows) || failed)) lose(folder_path(folder, file));
}

#endif
