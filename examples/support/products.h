/* products.h: C += factor A^T B for large matrices of doubles, which is what large eigenproblems and
 * covariances come down to. Panels of A and B are copied into the order that they are read in, and a tile of
 * C stays in registers while a panel passes (Goto & van de Geijn, "Anatomy of High-Performance Matrix
 * Multiplication", 2008). Results do not depend on the number of threads. */
#ifndef PRODUCTS_H
#define PRODUCTS_H

#include <float.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
    PRODUCT_ROWS = 6,
    PRODUCT_COLUMNS = 8,
    PRODUCT_DEPTH = 256,
    PRODUCT_BLOCK = 192 /* rows of C a thread takes */
};

/* A tile of C: a and b are panels of `depth` columns of 6 and rows of 8 numbers. */
typedef void product_tile(size_t depth, const double *a, const double *b, double *tile /* (6,8) */);

#if defined(__GNUC__) && FLT_EVAL_METHOD >= 0 && FLT_EVAL_METHOD < 2 /* doubles are computed as doubles */
typedef double product_vector __attribute__((vector_size(4 * sizeof(double))));

static inline __attribute__((always_inline)) void product_tile_of(size_t depth, const double *a,
                                                                  const double *b, double *tile)
{
    product_vector sum[PRODUCT_ROWS][2], left, right;
    memset(sum, 0, sizeof sum);
    for (size_t k = 0; k < depth; k++, a += PRODUCT_ROWS, b += PRODUCT_COLUMNS) {
        memcpy(&left, b, sizeof left), memcpy(&right, b + 4, sizeof right);
        sum[0][0] += a[0] * left, sum[0][1] += a[0] * right; /* written out, so that sums stay in registers */
        sum[1][0] += a[1] * left, sum[1][1] += a[1] * right;
        sum[2][0] += a[2] * left, sum[2][1] += a[2] * right;
        sum[3][0] += a[3] * left, sum[3][1] += a[3] * right;
        sum[4][0] += a[4] * left, sum[4][1] += a[4] * right;
        sum[5][0] += a[5] * left, sum[5][1] += a[5] * right;
    }
    memcpy(tile, sum, sizeof sum);
}

#if defined(__x86_64__)
#define PRODUCT_AVX2
static __attribute__((target("avx2,fma"))) void product_tile_avx2(size_t depth, const double *a,
                                                                  const double *b, double *tile)
{
    product_tile_of(depth, a, b, tile);
}
#endif
#else
static inline void product_tile_of(size_t depth, const double *a, const double *b, double *tile)
{
    memset(tile, 0, PRODUCT_ROWS * PRODUCT_COLUMNS * sizeof *tile);
    for (size_t k = 0; k < depth; k++, a += PRODUCT_ROWS, b += PRODUCT_COLUMNS)
        for (size_t i = 0; i < PRODUCT_ROWS; i++)
            for (size_t j = 0; j < PRODUCT_COLUMNS; j++) tile[i * PRODUCT_COLUMNS + j] += a[i] * b[j];
}
#endif

static inline void product_tile_base(size_t depth, const double *a, const double *b, double *tile)
{
    product_tile_of(depth, a, b, tile);
}

static inline product_tile *product_choose_tile(void)
{
#if defined(PRODUCT_AVX2)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return product_tile_avx2;
#endif
    return product_tile_base;
}

/* Columns [0, columns) of `depth` rows, in panels of `width` columns, the last one filled up with zeros. */
static inline void product_pack(const double *from, size_t stride, size_t depth, size_t columns, size_t width,
                                double *to)
{
    for (size_t at = 0; at < columns; at += width)
        for (size_t k = 0; k < depth; k++)
            for (size_t j = 0; j < width; j++) *to++ = at + j < columns ? from[k * stride + at + j] : 0;
}

/* A block of rows of C from its packed panels. lower: tiles above the diagonal are left out. */
static inline void product_block(product_tile *tile_of, size_t depth, const double *a, const double *b,
                                 size_t first, size_t rows, size_t n, double factor, int lower, double *c,
                                 size_t stride)
{
    double tile[PRODUCT_ROWS * PRODUCT_COLUMNS];
    for (size_t j = 0; j < n; j += PRODUCT_COLUMNS)
        for (size_t i = 0; i < rows; i += PRODUCT_ROWS) {
            size_t high = rows - i < PRODUCT_ROWS ? rows - i : PRODUCT_ROWS;
            size_t wide = n - j < PRODUCT_COLUMNS ? n - j : PRODUCT_COLUMNS;
            if (lower && j > first + i + high - 1) continue;
            tile_of(depth, a + i * depth, b + j * depth, tile);
            for (size_t y = 0; y < high; y++)
                for (size_t x = 0; x < wide; x++)
                    c[(first + i + y) * stride + j + x] += factor * tile[y * PRODUCT_COLUMNS + x];
        }
}

/* C (m,n) += factor A^T B, A (k,m), B (k,n); the numbers of a row of each are a stride apart from the next
 * row's. lower: only what is on the diagonal of C and below is needed. False if there is no memory. */
static inline int product_add(size_t m, size_t n, size_t k, double factor, const double *a, size_t stride_a,
                              const double *b, size_t stride_b, int lower, double *c, size_t stride_c)
{
    product_tile *tile = product_choose_tile();
    size_t wide = (n + PRODUCT_COLUMNS - 1) / PRODUCT_COLUMNS * PRODUCT_COLUMNS;
    ptrdiff_t block, blocks = (ptrdiff_t)((m + PRODUCT_BLOCK - 1) / PRODUCT_BLOCK);
    double *panel_a = (double *)malloc((size_t)blocks * PRODUCT_BLOCK * PRODUCT_DEPTH * sizeof *panel_a);
    double *panel_b = (double *)malloc(wide * PRODUCT_DEPTH * sizeof *panel_b);
    int enough = panel_a && panel_b;
    for (size_t at = 0; enough && at < k; at += PRODUCT_DEPTH) {
        size_t depth = k - at < PRODUCT_DEPTH ? k - at : PRODUCT_DEPTH;
        product_pack(b + at * stride_b, stride_b, depth, n, PRODUCT_COLUMNS, panel_b);
#if defined(_OPENMP)
#pragma omp parallel for schedule(dynamic, 1) if (m * n > 4096)
#endif
        for (block = 0; block < blocks; block++) {
            size_t first = (size_t)block * PRODUCT_BLOCK,
                   rows = m - first < PRODUCT_BLOCK ? m - first : PRODUCT_BLOCK;
            double *own = panel_a + first * PRODUCT_DEPTH;
            product_pack(a + at * stride_a + first, stride_a, depth, rows, PRODUCT_ROWS, own);
            product_block(tile, depth, own, panel_b, first, rows, n, factor, lower, c, stride_c);
        }
    }
    free(panel_a), free(panel_b);
    return enough;
}

#endif
