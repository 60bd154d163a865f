/* work.h: memory for the library's threads to work in, guarded behind what each of them may use. Include it
 * after itdiff.h with its implementation, and ref.h. */
#ifndef WORK_H
#define WORK_H

enum { WORK_GUARD = 32 };

static struct {
    float *floats;
    size_t size, threads, used; /* of the last that was lent: for so many threads, floats of each */
} work_lent;

/* Not a number: what is read before it was written shows in the result. */
static inline void work_spoil(void) { memset(work_lent.floats, 0xff, work_lent.size * sizeof(float)); }

static inline float *work_guard(size_t thread)
{
    return work_lent.floats + thread * (work_lent.used + WORK_GUARD) + work_lent.used;
}

/* For every thread ITD__WORK floats and some more; the next call lends the same memory again. */
static inline itd__scratch work_with(size_t more)
{
    itd__scratch work;
    size_t each = ITD__WORK + more + WORK_GUARD, threads = itd__threads(), t, i;
    if (threads * each > work_lent.size) {
        free(work_lent.floats);
        work_lent.size = threads * each, work_lent.floats = ref_floats(work_lent.size);
        work_spoil();
    }
    work_lent.threads = threads, work_lent.used = ITD__WORK + more;
    for (t = 0; t < threads; t++)
        for (i = 0; i < WORK_GUARD; i++) work_guard(t)[i] = -12345.0f;
    work.floats = work_lent.floats, work.each = each;
    return work;
}

/* What the operation of a row works with: n samples, and such memory. Its arrays come from the caller. */
static inline itd__operands work_operands(const itd__layer *row, size_t n, size_t more)
{
    itd__operands o = ITD__ZERO;
    o.row = row, o.n = n, o.pixels = row->h * row->w, o.work = work_with(more);
    return o;
}

/* The product, divided among the threads. */
static inline void work_multiply(const itd__product *p)
{
    itd__matmul(p->m, p->n, p->k, p->add, p->a, p->ra, p->ca, p->b, p->rb, p->cb, p->c, p->rc, p->work);
}

/* True if nobody wrote beyond what the last call lent. */
static inline bool work_holds(void)
{
    size_t t, i, damage = 0;
    for (t = 0; t < work_lent.threads; t++)
        for (i = 0; i < WORK_GUARD; i++) damage += !(fabsf(work_guard(t)[i] + 12345.0f) <= 0);
    return damage == 0;
}

#endif
