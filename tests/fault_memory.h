/* fault_memory.h: from here on, malloc and its kind are those of fault_shim.h, for the headers of
 * examples/support/. Include it behind fault_shim.h and every header of the C library that they need. */
#ifndef FAULT_MEMORY_H
#define FAULT_MEMORY_H

#include "fault_shim.h"

#include <ctype.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <time.h>

static inline void *fault_calloc(size_t count, size_t size)
{
    void *block = count && size > SIZE_MAX / count ? NULL : fault_realloc(NULL, count * size);
    if (block) memset(block, 0, count * size);
    return block;
}

#define malloc(size) fault_realloc(NULL, size)
#define calloc(count, size) fault_calloc(count, size)
#define realloc(p, size) fault_realloc(p, size)
#define free(p) fault_free(p)

#endif
