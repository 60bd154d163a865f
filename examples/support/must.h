/* must.h: how the programs end when something is wrong: one line on stderr, "PROGRAM: what", and exit 1. They
 * go on after a warning and, where an output is lost, to the end, and exit 1 there. Set must_program first.
 * Include the implementation of itdiff.h before this file. */
#ifndef MUST_H
#define MUST_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char *must_program = "program";
static int must_lost; /* an output that was asked for could not be written */

static inline void must_say(const char *format, va_list arguments)
{
    fprintf(stderr, "%s: ", must_program);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

static inline void warn(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    must_say(format, arguments);
    va_end(arguments);
}

/* The same for those who hand over lines with a context, which is of no use here. */
static inline void warn_line(void *context, const char *line)
{
    (void)context;
    warn("%s", line);
}

/* For what is written at the end: what was measured before is still to be printed. */
static inline void lose(const char *path)
{
    warn("%s: cannot be written", path);
    must_lost = 1;
}

static inline void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    must_say(format, arguments);
    va_end(arguments);
    exit(1);
}

static inline void must(itd_result result, const char *what)
{
    if (result != ITD_OK) fail("%s: %s", what, itd_result_string(result));
}

/* The status that a program ends with: 0 if all that it printed, and all its outputs, could be written. */
static inline int must_have_printed(void)
{
    if (fflush(stdout) || ferror(stdout)) fail("what is printed cannot be written");
    return must_lost;
}

/* The new network, or the end with the field that is out of its range. trainer: NULL if there is none. */
static inline itd_model *must_create(const itd_model_desc *desc, const itd_trainer_desc *trainer,
                                     uint64_t seed)
{
    itd_model *model = NULL;
    const char *problem = itd_model_problem(desc, trainer);
    if (problem) fail("creating the network: %s", problem);
    must(itd_model_create(desc, seed, &model), "creating the network");
    return model;
}

static inline void *must_alloc(size_t count, size_t size)
{
    void *p = count <= SIZE_MAX / size ? calloc(count, size) : NULL;
    if (!p) fail("out of memory for %lu numbers", (unsigned long)count);
    return p;
}

#endif
