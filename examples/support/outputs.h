/* outputs.h: the files that a program writes where its user asked for them: looked at before hours of work,
 * and never the user's own data.
 *
 *     outputs_must_spare("scores", scores, inputs, count);    no file that is read
 *     outputs_must_spare_within("scores", scores, folders, count);
 *     outputs_must_write(scores);                             and one that can be written
 *
 * Include system.h before any other header. */
#ifndef OUTPUTS_H
#define OUTPUTS_H

#include "must.h"
#include "system.h"

/* Refuses a file that cannot be written before its numbers take their time; NULL: there is none to write. A
 * file that was not there is not there afterwards; a pipe is left alone, as its reader would see it end. */
static inline void outputs_must_write(const char *path)
{
    if (path && system_is_pipe(path)) return;
    FILE *file = path ? fopen(path, "r+b") : NULL;
    int fresh = path && !file && errno == ENOENT && !system_is_link(path);
    if (path && !file) file = fopen(path, "ab");
    if (path && (!file || fclose(file))) fail("%s: cannot be written", path);
    if (fresh) remove(path);
}

/* Whether two paths, neither of which may be there yet, would be one file. */
static inline int outputs_are_same(const char *a, const char *b)
{
    FILE *file = system_is_pipe(a) ? NULL : fopen(a, "rb");
    int fresh = !file && !system_is_pipe(a) && errno == ENOENT, same;
    if (file) fclose(file);
    if (fresh && (file = fopen(a, "ab")) != NULL) fclose(file);
    same = system_is_same_file(a, b);
    if (fresh) remove(a);
    return same;
}

/* Ends the program if the file that an option names is to be written and is one of those that are read. NULL:
 * none. */
static inline void outputs_must_spare(const char *option, const char *path, const char *const *others,
                                      size_t count)
{
    for (size_t k = 0; path && k < count; k++)
        if (others[k] && system_is_same_file(path, others[k]))
            fail("--%s: %s is needed as it is; write to another file", option, path);
}

/* Nor one of the images in a folder that is read. */
static inline void outputs_must_spare_within(const char *option, const char *path, const char *const *folders,
                                             size_t count)
{
    enum { OUTPUTS_READ = 4 };
    static const char *const read[OUTPUTS_READ] = {"data_batch_", "test_batch.", "train-images",
                                                   "t10k-images"};
    char within[1300];
    const char *name = path;
    for (const char *at = path; at && *at; at++)
        if (system_is_separator(*at)) name = at + 1;
    for (size_t k = 0; path && k < count * OUTPUTS_READ; k++) {
        const char *folder = folders[k / OUTPUTS_READ], *begin = read[k % OUTPUTS_READ];
        if (!folder || strncmp(name, begin, strlen(begin)) != 0) continue;
        snprintf(within, sizeof within, "%s/%s", folder, name);
        if (system_is_same_file(path, within))
            fail("--%s: %s is one of the files that are read; write to another one", option, path);
    }
}

#endif
