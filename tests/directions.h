/* directions.h: the directions of an MLP, in double precision from the random numbers that the library draws
 * for them: one normal variate after the other, from a stream of their own. Include it after itdiff.h with
 * its implementation, and ref.h. */
#ifndef DIRECTIONS_H
#define DIRECTIONS_H

static inline double *directions_of(const itd_mlp_desc *desc)
{
    size_t m = desc->directions, dim = desc->dim, i;
    itd_rng rng = itd_rng_make(0, (uint64_t)ITD__FOR_DIRECTIONS << 56);
    double *normals = ref_doubles(m * dim), *w = ref_doubles(m * dim);
    for (i = 0; i < m * dim; i++) normals[i] = itd_rng_normal(&rng);
    ref_directions(normals, m, dim, desc->frequency_min, desc->frequency_max, w);
    free(normals);
    return w;
}

#endif
