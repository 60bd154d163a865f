/* spectrum.h: the variances of images along waves, which stand in for the eigenvalues of their covariance.
 *
 * Photographs, drawings and fields look much the same wherever they are shifted to, and the eigenvectors of
 * such images are close to waves: products of a cosine down the image, one along it, and one over the
 * channels, which for three of them are light, one end against the other, and the middle against both. The
 * variances of a few hundred images along these waves cost a product of small matrices for each, not an
 * eigenproblem.
 *
 *     spectrum_of_images(x, n, height, width, channels, lambda);
 *
 * Include the implementation of itdiff.h and must.h before this file. */
#ifndef SPECTRUM_H
#define SPECTRUM_H

/* The orthonormal cosine transform (DCT-II) of n numbers, row k: frequency k / 2 waves over the n. */
static inline double *spectrum_waves(size_t n)
{
    const double pi = 3.14159265358979323846;
    double *waves = (double *)must_alloc(n, n * sizeof *waves);
    for (size_t k = 0; k < n; k++)
        for (size_t j = 0; j < n; j++)
            waves[k * n + j] = sqrt((k ? 2.0 : 1.0) / (double)n) *
                               cos(pi * (double)k * ((double)j + 0.5) / (double)n);
    return waves;
}

/* Along the middle of three axes: out[a][k][b] = Sum_j waves[k][j] in[a][j][b]. */
static inline void spectrum_along(const double *waves, const double *in, size_t before, size_t n,
                                  size_t after, double *out)
{
    for (size_t a = 0; a < before; a++)
        for (size_t k = 0; k < n; k++) {
            double *to = out + (a * n + k) * after;
            for (size_t b = 0; b < after; b++) to[b] = 0;
            for (size_t j = 0; j < n; j++)
                for (size_t b = 0; b < after; b++) to[b] += waves[k * n + j] * in[(a * n + j) * after + b];
        }
}

/* Variances of n images along their waves. */
static inline void spectrum_of_images(const float *x /* (n,h,w,c) */, size_t n, size_t h, size_t w, size_t c,
                                      double *lambda /* (h,w,c) */)
{
    size_t d = h * w * c;
    double *down = spectrum_waves(h), *along = spectrum_waves(w), *across = spectrum_waves(c);
    double *image = (double *)must_alloc(d, 2 * sizeof *image), *half = image + d;
    double *mean = (double *)must_alloc(d, sizeof *mean);
    for (size_t k = 0; k < d; k++) lambda[k] = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < d; k++) image[k] = (double)x[i * d + k];
        spectrum_along(down, image, 1, h, w * c, half);
        spectrum_along(along, half, h, w, c, image);
        spectrum_along(across, image, h * w, c, 1, half);
        for (size_t k = 0; k < d; k++) { /* Welford's update */
            double off = half[k] - mean[k];
            mean[k] += off / (double)(i + 1);
            lambda[k] += (off * (half[k] - mean[k]) - lambda[k]) / (double)(i + 1);
        }
    }
    free(down), free(along), free(across), free(image), free(mean);
}

#endif
