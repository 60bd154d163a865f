/* outputs.h: the files that a program writes where its user asked for them: looked at before hours of work,
 * and never the user's own data.
 *
 *     outputs_must_spare("scores", scores, inputs, count);    no file that is read
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

/* Ends the program if the file that an option names is to be written and is one of those that are read. NULL:
 * none. */
static inline void outputs_must_spare(const char *option, const char *path, const char *const *others,
                                      size_t count)
{
    for (size_t k = 0; path && k < count; k++)
        if (others[k] && system_is_same_file(path, others[k]))
            fail("--%s: %s is needed as it is; write to another file", option, path);
}

#endif
