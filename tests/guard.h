/* guard.h: outputs between two guards, at any alignment, so that a function that writes beyond its output is
 * caught. Include ref.h before this file. */
#ifndef GUARD_H
#define GUARD_H

enum { GUARD = 16 };

typedef struct guarded {
    float *block, *data;
    size_t n, shift;
} guarded;

/* n floats, all `fill` or a copy of `from`, `shift` floats off the alignment of malloc. */
static inline guarded guard_filled(const float *from, float fill, size_t n, size_t shift)
{
    guarded g;
    size_t i;
    g.n = n, g.shift = shift;
    g.block = ref_floats(n + 2 * GUARD + shift);
    g.data = g.block + GUARD + shift;
    for (i = 0; i < n + 2 * GUARD + shift; i++) g.block[i] = -12345.0f;
    for (i = 0; i < n; i++) g.data[i] = from ? from[i] : fill;
    return g;
}

/* Frees; true if nothing was written outside. */
static inline bool guard_release(guarded *g)
{
    size_t i, before = GUARD + g->shift, damage = 0;
    for (i = 0; i < before; i++) damage += !(fabsf(g->block[i] + 12345.0f) <= 0);
    for (i = 0; i < GUARD; i++) damage += !(fabsf(g->data[g->n + i] + 12345.0f) <= 0);
    free(g->block);
    return damage == 0;
}

#endif
