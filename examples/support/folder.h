/* folder.h: the folder that a training program leaves its results in, OUT/NAME.
 *
 *     char folder[1024];
 *     folder_make("runs", "moons", folder, sizeof folder);
 *     FILE *file = fopen(folder_path(folder, "metrics.tsv"), "w");    runs/moons/metrics.tsv
 *
 * Include system.h first of all, and the implementation of itdiff.h before this file. */
#ifndef FOLDER_H
#define FOLDER_H

#include "must.h"
#include "system.h"

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

#endif
