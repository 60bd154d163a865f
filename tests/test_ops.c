/* Tests of the network: every operation, forward and backward, and the whole MLP against the double-precision
 * reference, which in turn is held against finite differences of its own forward pass. */
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"
#include "ref.h"
#include "directions.h"
#include "guard.h"
#include "work.h"
#include "each_simd.h"
#include "test.h"

static const double tolerance = 1e-5; /* of |value - reference| / |reference|, and of each element */

/* Outputs hold zero where they are to be added to. */
static guarded guard(const float *from, size_t n, size_t shift) { return guard_filled(from, 0, n, shift); }

/* ---- matrix product ---- */

enum { A_TRANSPOSED = 1, B_TRANSPOSED = 2, ACCUMULATE = 4, SPREAD = 8, MODES = 16 };

typedef struct product_case { /* what is multiplied, and what comes of it */
    size_t m, n, k;
    bool whole;            /* small whole numbers, of which all sums are exact */
    float *a, *b, *before; /* (m,k), (k,n), (m,n) */
    double *sum, *terms;   /* A B, and the same without signs */
} product_case;

static float *product_numbers(size_t n, bool whole)
{
    float *x = ref_normals(n, 1);
    size_t i;
    for (i = 0; i < n && whole; i++) x[i] = (float)ref_below(17) - 8;
    return x;
}

static product_case product_make(size_t m, size_t n, size_t k, bool whole)
{
    product_case c;
    size_t i, j, q;
    c.m = m, c.n = n, c.k = k, c.whole = whole;
    c.a = product_numbers(m * k, whole), c.b = product_numbers(k * n, whole);
    c.before = product_numbers(m * n, whole);
    c.sum = ref_doubles(m * n), c.terms = ref_doubles(m * n);
    for (i = 0; i < m; i++)
        for (q = 0; q < k; q++)
            for (j = 0; j < n; j++) {
                double term = (double)c.a[i * k + q] * c.b[q * n + j];
                c.sum[i * n + j] += term, c.terms[i * n + j] += fabs(term);
            }
    return c;
}

static void product_free(product_case *c)
{
    free(c->a), free(c->b), free(c->before), free(c->sum), free(c->terms);
}

/* The same numbers at other distances from row to row and column to column, and NaN between them. */
static float *laid_out(const float *x, size_t rows, size_t columns, size_t rs, size_t cs)
{
    size_t size = rows && columns ? (rows - 1) * rs + (columns - 1) * cs + 1 : 0, i, j;
    float *y = ref_floats(size);
    memset(y, 0xff, size * sizeof *y);
    for (i = 0; i < rows; i++)
        for (j = 0; j < columns; j++) y[i * rs + j * cs] = x[i * columns + j];
    return y;
}

/* C as computed against what it should be; rounding is relative to the terms of a sum, not to the sum. */
static bool product_is(const product_case *c, unsigned mode, const float *value)
{
    size_t cells = c->m * c->n, i;
    double *expected = ref_doubles(cells), *size = ref_doubles(cells), relative = c->whole ? 0 : tolerance;
    bool ok;
    for (i = 0; i < cells; i++) {
        double start = mode & ACCUMULATE ? c->before[i] : 0;
        expected[i] = c->sum[i] + start;
        size[i] = c->whole ? 0 : 1e-6 * (c->terms[i] + fabs(start));
    }
    ok = (c->whole || (ref_norm(expected, cells) > 0 && ref_error(value, expected, cells) <= tolerance)) &&
         ref_each(value, expected, cells, relative, 0, size);
    free(expected), free(size);
    return ok;
}

/* Rows of A, B and C have `padding` floats between them, and with SPREAD no numbers of A or B are next to
 * each other; between the rows of C nothing changes. */
static bool product_agrees(const product_case *c, unsigned mode, size_t padding, size_t shift)
{
    size_t step = mode & SPREAD ? 2 : 1, rc = c->n + padding, i, j, damage = 0;
    itd__product p = ITD__ZERO;
    float *a, *b, *rows = laid_out(c->before, c->m, c->n, rc, 1), *value = ref_floats(c->m * c->n);
    guarded out;
    bool ok;
    p.m = c->m, p.n = c->n, p.k = c->k, p.rc = rc;
    p.ra = mode & A_TRANSPOSED ? step : step * c->k + padding;
    p.ca = mode & A_TRANSPOSED ? step * c->m + padding : step;
    p.rb = mode & B_TRANSPOSED ? step : step * c->n + padding;
    p.cb = mode & B_TRANSPOSED ? step * c->k + padding : step;
    p.a = a = laid_out(c->a, c->m, c->k, p.ra, p.ca), p.b = b = laid_out(c->b, c->k, c->n, p.rb, p.cb);
    p.add = (mode & ACCUMULATE) != 0;
    out = guard(rows, (c->m - 1) * rc + c->n, shift), p.c = out.data, p.work = work_with(0);
    work_multiply(&p);
    for (i = 0; i < c->m; i++)
        for (j = 0; j < rc && i * rc + j < out.n; j++) {
            if (j < c->n) value[i * c->n + j] = out.data[i * rc + j];
            else damage += memcmp(&out.data[i * rc + j], &rows[i * rc + j], sizeof *rows) != 0;
        }
    ok = product_is(c, mode, value) && damage == 0;
    ok = guard_release(&out) && ok;
    ok = work_holds() && ok;
    free(a), free(b), free(rows), free(value);
    if (!ok)
        printf("  m %lu n %lu k %lu padding %lu shift %lu mode %u\n", (unsigned long)c->m,
               (unsigned long)c->n, (unsigned long)c->k, (unsigned long)padding, (unsigned long)shift, mode);
    return ok;
}

/* All readings of A and B, stored or added; every `step`-th of them. */
static bool products_agree(size_t m, size_t n, size_t k, bool whole, size_t padding, unsigned step)
{
    product_case c = product_make(m, n, k, whole);
    unsigned mode;
    bool ok = true;
    for (mode = (unsigned)((m + n) % step); mode < MODES; mode += step)
        ok = product_agrees(&c, mode, padding, mode % 4) && ok;
    product_free(&c);
    return ok;
}

static const size_t sizes[] = {1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 127, 128, 129, 384};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* Each size in each place, the two others walking through the list at other paces. */
static void products_of_all_sizes(void)
{
    size_t i;
    ref_seed(1);
    for (i = 0; i < SIZES; i++) {
        size_t other = sizes[(5 * i + 3) % SIZES], third = sizes[(7 * i + 1) % 15];
        CHECK(products_agree(sizes[i], other, third, false, 0, 1));
        CHECK(products_agree(third, sizes[i], other, false, 0, 1));
        CHECK(products_agree(other, third, sizes[i], false, 0, 1));
    }
}

static void small_products(void)
{
    size_t m, n, k;
    ref_seed(2);
    for (m = 1; m <= 9; m++)
        for (n = 1; n <= 19; n++)
            for (k = 1; k <= 5; k++) CHECK(products_agree(m, n, k, false, 0, 3));
}

/* Two blocks of the tallest and all that can be left over, by one to three panels of the widest. */
static void products_with_every_remainder(void)
{
    size_t m, n;
    ref_seed(18);
    for (m = 1; m <= 25; m++)
        for (n = 1; n <= 99; n += 1 + (m + n) % 3) CHECK(products_agree(m, n, 7, true, n % 3, 7));
}

/* Some products are divided among threads, which makes other products of them. */
static void use_threads(int count)
{
#ifdef _OPENMP
    omp_set_num_threads(count);
#else
    (void)count;
#endif
}

/* B in place, packed, and on the border between the two; A copied in parts; several strips of columns,
 * several parts of k, and what is left over of each. */
static void products_of_all_ways(void)
{
    enum { D = ITD__DEPTH, N = ITD__ACROSS, DOWN = ITD__DOWN, EVEN = ITD__SMALL / 64 };
    static const size_t shapes[][3] = {
        {13, 300, 100},      {5, 2 * N + 76, 20}, {DOWN + 13, N + 28, D}, {97, 70, 4 * D}, {200, 33, D + 44},
        {31, N + 88, 2 * D}, {1, 1030, 70},       {3, N + 1, D + 1},      {7, 64, EVEN},   {7, 64, EVEN + 1}};
    size_t i;
    ref_seed(19);
    for (i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const size_t *s = shapes[i];
        int threads = (int)itd__threads();
        use_threads(1);
        CHECK(products_agree(s[0], s[1], s[2], i % 2 == 0, i % 3, 1));
        use_threads(threads);
        CHECK(products_agree(s[0], s[1], s[2], i % 2 == 1, i % 2, 9));
    }
}

static void products_of_parts_of_larger_matrices(void)
{
    ref_seed(3);
    CHECK(products_agree(5, 7, 9, false, 3, 1));
    CHECK(products_agree(17, 33, 31, false, 1, 1));
    CHECK(products_agree(64, 16, 8, false, 8, 1));
}

/* The empty sum: nothing to multiply leaves zero or what was there. */
static void products_over_nothing(void)
{
    static const size_t rows[] = {1, 2, 13}, columns[] = {1, 3, 8, 33, 600};
    size_t i, j;
    ref_seed(20);
    for (i = 0; i < 3; i++)
        for (j = 0; j < 5; j++) CHECK(products_agree(rows[i], columns[j], 0, true, j, 1));
}

/* 0 * infinity is NaN: a product that skips zeros would hide a broken network. */
static void products_do_not_swallow_nan(void)
{
    size_t k;
    for (k = 0; k < 33; k++) {
        float a[33] = {0}, b[33 * 9], c[9];
        itd__product p = ITD__ZERO;
        size_t j, numbers = 0;
        for (j = 0; j < 33 * 9; j++) b[j] = 1;
        for (j = 0; j < 9; j++) b[9 * k + j] = k % 2 ? INFINITY : -INFINITY;
        p.m = 1, p.n = 9, p.k = 33, p.a = a, p.ra = 33, p.ca = 1, p.b = b, p.rb = 9, p.cb = 1;
        p.c = c, p.rc = 9, p.work = work_with(0);
        work_multiply(&p);
        for (j = 0; j < 9; j++) numbers += itd__finite(c[j]);
        CHECK(numbers == 0);
    }
}

/* ---- linear ---- */

typedef struct linear_case { /* one layer, its inputs, what its gradients held before */
    size_t n, in, out;
    float *x, *w, *b, *dy, *dx, *dw, *db;
    double *X, *W, *B, *DY;
} linear_case;

static linear_case linear_make(size_t n, size_t in, size_t out)
{
    linear_case c;
    c.n = n, c.in = in, c.out = out;
    c.x = ref_normals(n * in, 1), c.w = ref_normals(in * out, 0.3), c.b = ref_normals(out, 1);
    c.dy = ref_normals(n * out, 1);
    c.dx = ref_normals(n * in, 1), c.dw = ref_normals(in * out, 1), c.db = ref_normals(out, 1);
    c.X = ref_widened(c.x, n * in), c.W = ref_widened(c.w, in * out), c.B = ref_widened(c.b, out);
    c.DY = ref_widened(c.dy, n * out);
    return c;
}

static void linear_free(linear_case *c)
{
    free(c->x), free(c->w), free(c->b), free(c->dy), free(c->dx), free(c->dw), free(c->db);
    free(c->X), free(c->W), free(c->B), free(c->DY);
}

/* The layer that reads two inputs side by side, or only one. */
static itd__layer linear_row(size_t in, size_t second, size_t out)
{
    itd__layer row = ITD__ZERO;
    row.in[0] = in, row.in[1] = second, row.h = row.w = 1, row.c = row.width = out;
    return row;
}

static itd__operands linear_operands(const itd__layer *row, const linear_case *c)
{
    itd__operands o = work_operands(row, c->n, 0);
    o.x[0] = c->x, o.w = c->w, o.b = c->b, o.dy = c->dy;
    return o;
}

static bool linear_forward_agrees(const linear_case *c)
{
    size_t i, j, k, cells = c->n * c->out;
    double *expected = ref_doubles(cells), *size = ref_doubles(cells);
    guarded y = guard(NULL, cells, 1);
    itd__layer row = linear_row(c->in, 0, c->out);
    itd__operands o;
    bool ok;
    ref_linear_forward(c->X, c->W, c->B, c->n, c->in, c->out, expected);
    for (i = 0; i < c->n; i++)
        for (j = 0; j < c->out; j++) {
            size[i * c->out + j] = 1e-6 * fabs(c->B[j]);
            for (k = 0; k < c->in; k++)
                size[i * c->out + j] += 1e-6 * fabs(c->X[i * c->in + k] * c->W[k * c->out + j]);
        }
    o = linear_operands(&row, c);
    o.y = y.data;
    itd__linear_forward(&o);
    ok = work_holds() && ref_error(y.data, expected, cells) <= tolerance &&
         ref_each(y.data, expected, cells, tolerance, 0, size);
    ok = guard_release(&y) && ok;
    free(expected), free(size);
    return ok;
}

/* What was there plus the reference's gradient; an element's floor is 1e-6 of the root sum of squares of the
 * terms it adds up, times 4, as all terms are of order one. */
static bool gradient_agrees(const float *before, guarded *after, const double *added, size_t terms,
                            double unit)
{
    double *expected = ref_widened(before, after->n);
    size_t i;
    bool ok = ref_norm(added, after->n) > 0;
    for (i = 0; i < after->n; i++) expected[i] += added[i];
    ok = ok && ref_error(after->data, expected, after->n) <= tolerance &&
         ref_each(after->data, expected, after->n, tolerance, 4e-6 * unit * sqrt((double)terms), NULL);
    ok = guard_release(after) && ok;
    free(expected);
    return ok;
}

/* The gradient by the inputs, of which the first `half` are one array and the others, if any, a second one;
 * on top of what was there. */
static bool linear_input_agrees(const linear_case *c, const float *back, size_t half, const double *dx)
{
    size_t width[2] = {half, c->in - half}, k, i;
    itd__layer row = linear_row(half, c->in - half, c->out);
    itd__operands o = linear_operands(&row, c);
    float *before[2];
    guarded onto[2];
    bool ok;
    for (k = 0; k < 2; k++) before[k] = ref_normals(c->n * width[k], 1);
    for (k = 0; k < 2; k++) onto[k] = guard(before[k], c->n * width[k], 1 + k), o.dx[k] = onto[k].data;
    o.back = back;
    itd__linear_backward(&o);
    ok = work_holds();
    for (k = 0; k < 2; k++) {
        double *part = ref_doubles(c->n * width[k]);
        for (i = 0; i < c->n * width[k]; i++)
            part[i] = dx[i / width[k] * c->in + (k ? half : 0) + i % width[k]];
        if (width[k]) ok = gradient_agrees(before[k], &onto[k], part, c->out, 1) && ok;
        else ok = guard_release(&onto[k]) && ok;
        free(before[k]), free(part);
    }
    return ok;
}

/* The gradients by weights and biases in three slices of the input features, or all at once. */
static bool linear_parameters_agree(const linear_case *c, size_t step, const double *dw, const double *db)
{
    guarded gw = guard(c->dw, c->in * c->out, 2), gb = guard(c->db, c->out, 3);
    itd__layer row = linear_row(c->in, 0, c->out);
    itd__operands o = linear_operands(&row, c);
    size_t from;
    bool ok = true;
    o.dw = gw.data, o.db = gb.data;
    for (from = 0; from < c->in; from += step) {
        itd__linear_gradient(&o, from, from + step < c->in ? step : c->in - from);
        ok = work_holds() && ok;
    }
    ok = gradient_agrees(c->dw, &gw, dw, c->n, 1) && ok;
    return gradient_agrees(c->db, &gb, db, c->n, 1) && ok;
}

static bool linear_backward_agrees(const linear_case *c)
{
    size_t nw = c->in * c->out, half = (c->in + 1) / 2;
    double *dx = ref_doubles(c->n * c->in), *dw = ref_doubles(nw), *db = ref_doubles(c->out);
    float *back = ref_floats(nw);
    bool ok = true;
    ref_linear_backward(c->DY, c->X, c->W, c->n, c->in, c->out, dx, dw, db);
    itd__transpose(c->w, c->in, c->out, back);
    ok = linear_input_agrees(c, back, c->in, dx) && ok;
    ok = linear_input_agrees(c, back, half, dx) && ok;
    ok = linear_parameters_agree(c, c->in, dw, db) && ok;
    ok = linear_parameters_agree(c, (c->in + 2) / 3, dw, db) && ok;
    free(dx), free(dw), free(db), free(back);
    return ok;
}

static void linear_case_check(size_t n, size_t in, size_t out)
{
    linear_case c = linear_make(n, in, out);
    bool ok = CHECK(linear_forward_agrees(&c));
    ok = CHECK(linear_backward_agrees(&c)) && ok;
    if (!ok) printf("  n %lu in %lu out %lu\n", (unsigned long)n, (unsigned long)in, (unsigned long)out);
    linear_free(&c);
}

static void linear_of_all_sizes(void)
{
    size_t i;
    ref_seed(4);
    for (i = 0; i < SIZES; i++) {
        size_t other = sizes[(5 * i + 2) % SIZES], third = sizes[(11 * i + 4) % 15];
        linear_case_check(sizes[i], other, third);
        linear_case_check(third, sizes[i], other);
        linear_case_check(other, third, sizes[i]);
    }
    linear_case_check(128, 384, 128);
    linear_case_check(128, 128, 2);
}

static void transposed_of_all_sizes(void)
{
    size_t rows, columns, i, j;
    ref_seed(21);
    for (rows = 1; rows <= 49; rows += rows < 18 ? 1 : 15)
        for (columns = 1; columns <= 49; columns += columns < 18 ? 1 : 15) {
            float *x = ref_normals(rows * columns, 1);
            guarded y = guard_filled(NULL, NAN, rows * columns, columns % 4);
            size_t wrong = 0;
            itd__transpose(x, rows, columns, y.data);
            for (i = 0; i < rows; i++)
                for (j = 0; j < columns; j++)
                    wrong += memcmp(&y.data[j * rows + i], &x[i * columns + j], sizeof *x) != 0;
            CHECK(wrong == 0);
            CHECK(guard_release(&y));
            free(x);
        }
}

/* A central difference of Sum y * dy by one number. */
typedef double (*scalar_function)(const void *context);

static double central(double *at, double h, scalar_function f, const void *context)
{
    double saved = *at, up, down;
    *at = saved + h, up = f(context);
    *at = saved - h, down = f(context);
    *at = saved;
    return (up - down) / (2 * h);
}

static double linear_sum(const void *context)
{
    const linear_case *c = (const linear_case *)context;
    double *y = ref_doubles(c->n * c->out), sum = 0;
    size_t i;
    ref_linear_forward(c->X, c->W, c->B, c->n, c->in, c->out, y);
    for (i = 0; i < c->n * c->out; i++) sum += y[i] * c->DY[i];
    free(y);
    return sum;
}

static void linear_reference_has_the_slope_of_its_forward(void)
{
    linear_case c;
    double dx[15] = {0}, dw[20] = {0}, db[4] = {0}, fx[15], fw[20], fb[4];
    size_t i;
    ref_seed(5);
    c = linear_make(3, 5, 4);
    ref_linear_backward(c.DY, c.X, c.W, 3, 5, 4, dx, dw, db);
    for (i = 0; i < 15; i++) fx[i] = central(&c.X[i], 1e-3, linear_sum, &c);
    for (i = 0; i < 20; i++) fw[i] = central(&c.W[i], 1e-3, linear_sum, &c);
    for (i = 0; i < 4; i++) fb[i] = central(&c.B[i], 1e-3, linear_sum, &c);
    CHECK(ref_distance(dx, fx, 15) <= 1e-10);
    CHECK(ref_distance(dw, fw, 20) <= 1e-10);
    CHECK(ref_distance(db, fb, 4) <= 1e-10);
    linear_free(&c);
}

/* ---- activations ---- */

static const size_t lengths[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 127, 129, 1000};

typedef struct activation {
    void (*forward)(const float *x, size_t n, float *y);
    void (*backward)(const float *dy, const float *x, size_t n, float *dx);
    double (*value)(double x), (*slope)(double x);
} activation;

static void relu(const float *x, size_t n, float *y) { itd__fast()->activation[ITD_RELU].forward(x, n, y); }
static void silu(const float *x, size_t n, float *y) { itd__fast()->activation[ITD_SILU].forward(x, n, y); }

static void relu_backward(const float *dy, const float *x, size_t n, float *dx)
{
    itd__fast()->activation[ITD_RELU].backward(dy, x, n, dx);
}

static void silu_backward(const float *dy, const float *x, size_t n, float *dx)
{
    itd__fast()->activation[ITD_SILU].backward(dy, x, n, dx);
}

static const activation relu_pair = {relu, relu_backward, ref_relu, ref_relu_slope};
static const activation silu_pair = {silu, silu_backward, ref_silu, ref_silu_slope};

/* At points x with output gradients dy: both directions, the second on top of what was there. */
static bool activation_agrees(const activation *a, const float *x, const float *dy, size_t n)
{
    float *before = ref_normals(n, 1);
    double *value = ref_doubles(n), *slope = ref_doubles(n);
    guarded y = guard(NULL, n, n % 4), dx = guard(before, n, (n + 1) % 4);
    size_t i;
    bool ok;
    for (i = 0; i < n; i++) {
        value[i] = a->value(x[i]);
        slope[i] = a->slope(x[i]) * dy[i] + before[i];
    }
    a->forward(x, n, y.data);
    a->backward(dy, x, n, dx.data);
    ok = ref_each(y.data, value, n, 1e-6, 1e-30, NULL) && ref_each(dx.data, slope, n, 1e-6, 2e-6, NULL);
    ok = guard_release(&y) && ok;
    ok = guard_release(&dx) && ok;
    free(before), free(value), free(slope);
    return ok;
}

static void activation_check(const activation *a)
{
    enum { FINE = 4001 };
    float *x = ref_floats(FINE), *dy;
    size_t i;
    for (i = 0; i < FINE; i++) x[i] = (float)(-100 + 0.05 * (double)i);
    dy = ref_normals(FINE, 1);
    CHECK(activation_agrees(a, x, dy, FINE));
    for (i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        float *few = ref_normals(lengths[i], 3);
        CHECK(activation_agrees(a, few, dy, lengths[i]));
        free(few);
    }
    free(x), free(dy);
}

static void relu_both_ways(void)
{
    static const float edge[5] = {0.0f, -0.0f, 1e-38f, -1e-38f, 3e38f}, dy[5] = {1, 2, 3, 4, 5};
    ref_seed(6);
    activation_check(&relu_pair);
    CHECK(activation_agrees(&relu_pair, edge, dy, 5));
}

/* Far to the left x s(x) is smaller than a float: zero is right, NaN is not. */
static void silu_both_ways(void)
{
    static const float edge[10] = {0.0f, -0.0f, 88.0f, -88.0f, 90.0f, -90.f, 1000.f, -1000.f, 1e30f, -1e30f};
    static const float dy[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    ref_seed(7);
    activation_check(&silu_pair);
    CHECK(activation_agrees(&silu_pair, edge, dy, 10));
}

static void activation_references_have_the_slope_of_their_forward(void)
{
    double x, worst = 0;
    for (x = -30; x <= 30; x += 0.37) {
        double h = 1e-5, difference = (ref_silu(x + h) - ref_silu(x - h)) / (2 * h);
        worst = fmax(worst, fabs(difference - ref_silu_slope(x)));
        CHECK_CLOSE((ref_relu(x + h) - ref_relu(x - h)) / (2 * h), ref_relu_slope(x), 1e-9);
    }
    CHECK(worst <= 1e-9 && worst > 0);
}

/* ---- embedding ---- */

typedef struct embed_case {
    size_t n, half;
    float *x, *f, *dy, *dx;
    double *X, *F, *DY;
} embed_case;

/* Frequencies as in the network: from scale down to scale / 10000. */
static embed_case embed_make(size_t n, size_t half, double spread, double scale)
{
    embed_case c;
    size_t i;
    c.n = n, c.half = half;
    c.x = ref_normals(n, spread), c.dy = ref_normals(n * 2 * half, 1), c.dx = ref_normals(n, 1);
    c.F = ref_doubles(half), c.f = ref_floats(half);
    ref_frequencies(half, scale, c.F);
    for (i = 0; i < half; i++) c.f[i] = (float)c.F[i];
    c.X = ref_widened(c.x, n), c.DY = ref_widened(c.dy, n * 2 * half);
    return c;
}

static void embed_free(embed_case *c)
{
    free(c->x), free(c->f), free(c->dy), free(c->dx), free(c->X), free(c->F), free(c->DY);
}

static itd__operands embed_operands(const itd__layer *row, const embed_case *c)
{
    itd__operands o = work_operands(row, c->n, 0);
    o.x[0] = c->x, o.frequency = c->f, o.dy = c->dy;
    return o;
}

/* The sines of the phases as single precision has them; and, allowing for that rounding of |phase| 2^-24 and
 * no more, of the exact phases. */
static bool embed_forward_agrees(const embed_case *c, float *y)
{
    size_t i, k, cells = c->n * 2 * c->half;
    double *expected = ref_doubles(cells), *rounding = ref_doubles(cells);
    guarded out = guard(NULL, cells, c->n % 4);
    itd__layer row = linear_row(1, 0, 2 * c->half);
    itd__operands o;
    bool ok;
    o = embed_operands(&row, c);
    o.y = out.data;
    itd__sinusoids_forward(&o);
    ref_embed_forward(c->X, c->F, c->n, c->half, true, expected);
    ok = ref_error(out.data, expected, cells) <= 1e-6 && ref_each(out.data, expected, cells, 0, 1e-6, NULL);
    ref_embed_forward(c->X, c->F, c->n, c->half, false, expected);
    for (i = 0; i < c->n; i++)
        for (k = 0; k < 2 * c->half; k++)
            rounding[i * 2 * c->half + k] = fabs(c->X[i] * c->F[k % c->half]) / 16777216;
    ok = ref_each(out.data, expected, cells, 0, 1e-6, rounding) && ok;
    memcpy(y, out.data, cells * sizeof *y);
    ok = guard_release(&out) && ok;
    free(expected), free(rounding);
    return ok;
}

static bool embed_backward_agrees(const embed_case *c, const float *y)
{
    double *added = ref_doubles(c->n);
    float *copy = ref_floats(c->n * 2 * c->half);
    guarded dx = guard(c->dx, c->n, (c->n + 1) % 4);
    itd__layer row = linear_row(1, 0, 2 * c->half);
    itd__operands o;
    bool ok;
    ref_embed_backward(c->DY, c->X, c->F, c->n, c->half, true, added);
    o = embed_operands(&row, c);
    memcpy(o.y = copy, y, c->n * 2 * c->half * sizeof *y);
    o.dx[0] = dx.data;
    itd__sinusoids_backward(&o);
    ok = gradient_agrees(c->dx, &dx, added, c->half, c->F[0]);
    free(added), free(copy);
    return ok;
}

static void embed_case_check(size_t n, size_t half, double spread, double scale)
{
    embed_case c = embed_make(n, half, spread, scale);
    float *y = ref_floats(n * 2 * half);
    CHECK(embed_forward_agrees(&c, y));
    CHECK(embed_backward_agrees(&c, y));
    embed_free(&c), free(y);
}

/* Up to 300 * 4 * 4 = 4800 radians, where sine needs a careful reduction. */
static void embed_both_ways(void)
{
    static const size_t halves[] = {2, 3, 4, 5, 7, 8, 15, 16, 17, 33, 64};
    size_t i;
    ref_seed(8);
    for (i = 0; i < sizeof halves / sizeof *halves; i++) {
        embed_case_check(1, halves[i], 1, 100);
        embed_case_check(7, halves[i], 4, 300);
        embed_case_check(33, halves[i], 1, 1);
    }
    embed_case_check(513, 64, 4, 300);
}

/* Multiples of pi/2 are where a reduction goes wrong first. */
static void embed_near_the_zeros_of_sine_and_cosine(void)
{
    enum { N = 6001 };
    embed_case c = embed_make(N, 2, 1, 1);
    float *y = ref_floats(N * 4);
    size_t i;
    for (i = 0; i < N; i++) c.X[i] = c.x[i] = (float)(((double)i - 3000) * REF_PI / 2);
    CHECK(embed_forward_agrees(&c, y));
    embed_free(&c), free(y);
}

/* Equal numbers in a row, as a batch at one log SNR has them, and the two zeros, which are equal too. */
static void embed_of_repeated_numbers(void)
{
    static const float values[8] = {1.5f, 1.5f, 1.5f, -2, -2, 0.0f, -0.0f, 1.5f};
    embed_case c = embed_make(8, 5, 1, 10);
    float y[80];
    size_t i;
    for (i = 0; i < 8; i++) c.X[i] = c.x[i] = values[i];
    CHECK(embed_forward_agrees(&c, y));
    CHECK(embed_backward_agrees(&c, y));
    embed_free(&c);
}

static double embed_sum(const void *context)
{
    const embed_case *c = (const embed_case *)context;
    double *y = ref_doubles(c->n * 2 * c->half), sum = 0;
    size_t i;
    ref_embed_forward(c->X, c->F, c->n, c->half, false, y);
    for (i = 0; i < c->n * 2 * c->half; i++) sum += y[i] * c->DY[i];
    free(y);
    return sum;
}

static void embed_reference_has_the_slope_of_its_forward(void)
{
    embed_case c;
    double dx[5] = {0}, fx[5];
    size_t i;
    ref_seed(9);
    c = embed_make(5, 7, 1, 10);
    ref_embed_backward(c.DY, c.X, c.F, 5, 7, false, dx);
    for (i = 0; i < 5; i++) fx[i] = central(&c.X[i], 1e-6, embed_sum, &c);
    CHECK(ref_distance(dx, fx, 5) <= 1e-8);
    embed_free(&c);
}

/* ---- a linear layer of two inputs side by side ---- */

static void put_side_by_side(const float *a, const float *b, size_t n, size_t wa, size_t wb, double *both)
{
    size_t i, j;
    for (i = 0; i < n; i++) {
        for (j = 0; j < wa; j++) both[i * (wa + wb) + j] = a[i * wa + j];
        for (j = 0; j < wb; j++) both[i * (wa + wb) + wa + j] = b[i * wb + j];
    }
}

/* Against the layer that reads them from one array; and each row on its own gives the same bits, although
 * rows that share the second input are computed in another way. */
static void pair_case_check(size_t n, size_t in, size_t side, size_t out, bool same)
{
    size_t i, cells = n * out;
    float *x = ref_normals(n * in, 1), *s = ref_normals(n * side, 1),
          *w = ref_normals((in + side) * out, 0.3);
    float *b = ref_normals(out, 1), *alone = ref_floats(out);
    double *both = ref_doubles(n * (in + side)), *expected = ref_doubles(cells);
    double *wide = ref_widened(w, (in + side) * out), *bias = ref_widened(b, out);
    guarded y = guard(NULL, cells, 1);
    itd__layer row = linear_row(in, side, out);
    itd__operands o;
    bool bits = true;
    for (i = 1; same && i < n; i++) memcpy(s + i * side, s, side * sizeof *s);
    put_side_by_side(x, s, n, in, side, both);
    ref_linear_forward(both, wide, bias, n, in + side, out, expected);
    o = work_operands(&row, n, 0);
    o.x[0] = x, o.x[1] = s, o.w = w, o.b = b, o.y = y.data;
    itd__linear_forward(&o);
    CHECK(work_holds());
    CHECK(ref_error(y.data, expected, cells) <= tolerance);
    for (i = 0; i < n; i++) {
        o = work_operands(&row, 1, 0);
        o.x[0] = x + i * in, o.x[1] = s + i * side, o.w = w, o.b = b, o.y = alone;
        itd__linear_forward(&o);
        bits = bits && memcmp(alone, y.data + i * out, out * sizeof *alone) == 0;
    }
    CHECK(bits);
    CHECK(guard_release(&y));
    free(x), free(s), free(w), free(b), free(alone), free(both), free(expected), free(wide), free(bias);
}

static void pairs_of_inputs(void)
{
    bool same = false;
    ref_seed(10);
    do {
        pair_case_check(1, 1, 1, 1, same);
        pair_case_check(3, 2, 1, 5, same);
        pair_case_check(17, 256, 128, 128, same);
        pair_case_check(64, 33, 300, 47, same);
        same = !same;
    } while (same);
}

/* ---- the whole MLP ---- */

typedef struct mlp_case {
    ref_mlp ref;
    double *direction; /* (directions,dim) */
    itd_net *net;
    size_t n, parameters;
    float *z, *logsnr, *dout;
    double *W, *Z, *A, *DOUT;
} mlp_case;

static double shortest = 0.5, longest = 4; /* of the directions */

static mlp_case mlp_make(const ref_mlp *ref, size_t n)
{
    mlp_case c;
    itd_mlp_desc desc = itd_mlp_desc_default(ref->dim);
    float *w;
    size_t i;
    desc.layers = ref->layers, desc.hidden = ref->hidden, desc.embedding = ref->embedding;
    desc.coordinate_scale = ref->coordinate_scale, desc.logsnr_scale = ref->logsnr_scale;
    desc.activation = ref->silu ? ITD_SILU : ITD_RELU;
    desc.zero_output = false;
    desc.directions = ref->directions, desc.frequency_min = shortest, desc.frequency_max = longest;
    c.ref = *ref, c.n = n, c.net = NULL, c.parameters = ref_mlp_parameters(ref);
    c.ref.direction = c.direction = directions_of(&desc);
    CHECK_OK(itd_mlp_create(&desc, 7, &c.net));
    CHECK(itd_net_parameters(c.net) == c.parameters);
    c.z = ref_normals(n * ref->dim, 1), c.logsnr = ref_normals(n, 2), c.dout = ref_normals(n * ref->dim, 1);
    w = itd_net_weights(c.net);
    for (i = 0; i < c.parameters; i++) w[i] += (float)(0.1 * ref_normal());
    c.W = ref_widened(w, c.parameters), c.Z = ref_widened(c.z, n * ref->dim), c.A = ref_widened(c.logsnr, n);
    c.DOUT = ref_widened(c.dout, n * ref->dim);
    return c;
}

static void mlp_free(mlp_case *c)
{
    itd_net_free(c->net);
    free(c->direction);
    free(c->z), free(c->logsnr), free(c->dout), free(c->W), free(c->Z), free(c->A), free(c->DOUT);
}

static void mlp_forward_check(mlp_case *c)
{
    size_t cells = c->n * c->ref.dim;
    double *expected = ref_doubles(cells);
    guarded out = guard(NULL, cells, 1);
    c->ref.single = true;
    ref_mlp_forward(&c->ref, c->W, c->Z, c->A, c->n, expected);
    CHECK(ref_norm(expected, cells) > 0);
    CHECK_OK(itd_net_forward(c->net, c->z, c->logsnr, c->n, out.data));
    CHECK(ref_error(out.data, expected, cells) <= tolerance);
    CHECK(ref_each(out.data, expected, cells, tolerance, tolerance, NULL));
    CHECK(guard_release(&out));
    free(expected);
}

/* Weights and biases of each layer by themselves: a small gradient must not hide behind a large one. An
 * element may be off by the tolerance times its block's root mean square. */
static bool mlp_gradients_agree(const ref_mlp *m, const float *value, const double *expected)
{
    size_t layer, part;
    bool ok = true;
    for (layer = 0; layer < m->layers; layer++)
        for (part = 0; part < 2; part++) {
            size_t n = ref_mlp_out(m, layer) * (part ? 1 : ref_mlp_in(m, layer));
            double mean = ref_norm(expected, n) / sqrt((double)n);
            ok = mean > 0 && ref_error(value, expected, n) <= tolerance &&
                 ref_each(value, expected, n, tolerance, tolerance * mean, NULL) && ok;
            value += n, expected += n;
        }
    return ok;
}

/* Two backward passes: the parameter gradients double, the gradient by z does not. */
static void mlp_backward_check(mlp_case *c)
{
    size_t cells = c->n * c->ref.dim, i;
    double *dw = ref_doubles(c->parameters), *dz = ref_doubles(cells);
    guarded gz = guard(c->z, cells, 3);
    c->ref.single = true;
    ref_mlp_backward(&c->ref, c->W, c->Z, c->A, c->DOUT, c->n, dw, dz);
    CHECK(ref_norm(dw, c->parameters) > 0);
    CHECK(ref_norm(dz, cells) > 0);
    CHECK_OK(itd_net_backward(c->net, c->dout, c->n, gz.data));
    CHECK(mlp_gradients_agree(&c->ref, itd_net_gradients(c->net), dw));
    CHECK(ref_error(gz.data, dz, cells) <= tolerance);
    CHECK_OK(itd_net_backward(c->net, c->dout, c->n, NULL));
    for (i = 0; i < c->parameters; i++) dw[i] *= 2;
    CHECK(ref_error(itd_net_gradients(c->net), dw, c->parameters) <= tolerance);
    CHECK_OK(itd_net_backward(c->net, c->dout, c->n, gz.data));
    CHECK(ref_error(gz.data, dz, cells) <= tolerance);
    CHECK(guard_release(&gz));
    free(dw), free(dz);
}

static double mlp_sum(const void *context)
{
    const mlp_case *c = (const mlp_case *)context;
    double *out = ref_doubles(c->n * c->ref.dim), sum = 0;
    size_t i;
    ref_mlp_forward(&c->ref, c->W, c->Z, c->A, c->n, out);
    for (i = 0; i < c->n * c->ref.dim; i++) sum += out[i] * c->DOUT[i];
    free(out);
    return sum;
}

/* Step 1e-6: the truncation error is far below 1e-6 for these scales, the rounding error about 1e-9. */
static void mlp_difference_check(mlp_case *c)
{
    size_t cells = c->n * c->ref.dim, i;
    double *dw = ref_doubles(c->parameters), *dz = ref_doubles(cells);
    double *fw = ref_doubles(c->parameters), *fz = ref_doubles(cells);
    c->ref.single = false;
    ref_mlp_backward(&c->ref, c->W, c->Z, c->A, c->DOUT, c->n, dw, dz);
    for (i = 0; i < c->parameters; i++) fw[i] = central(&c->W[i], 1e-6, mlp_sum, c);
    for (i = 0; i < cells; i++) fz[i] = central(&c->Z[i], 1e-6, mlp_sum, c);
    CHECK(ref_distance(dw, fw, c->parameters) <= 1e-6);
    CHECK(ref_distance(dz, fz, cells) <= 1e-6);
    free(dw), free(dz), free(fw), free(fz);
}

static ref_mlp mlp_shape(size_t dim, size_t layers, size_t hidden, size_t embedding, bool smooth)
{
    ref_mlp m;
    m.directions = 0, m.direction = NULL;
    m.dim = dim, m.layers = layers, m.hidden = hidden, m.embedding = embedding;
    m.coordinate_scale = 3, m.logsnr_scale = 0.7, m.silu = smooth, m.single = true;
    return m;
}

static void mlp_check(size_t dim, size_t layers, size_t hidden, size_t embedding, bool smooth, size_t n)
{
    ref_mlp shape = mlp_shape(dim, layers, hidden, embedding, smooth);
    mlp_case c = mlp_make(&shape, n);
    mlp_forward_check(&c);
    mlp_backward_check(&c);
    mlp_difference_check(&c);
    mlp_free(&c);
}

static void mlp_of_every_depth(void)
{
    size_t layers, kind;
    ref_seed(11);
    for (layers = 1; layers <= 4; layers++)
        for (kind = 0; kind < 4; kind++) mlp_check(3, layers, 7, kind & 1 ? 6 : 0, kind & 2, 5);
}

static void mlp_of_odd_widths(void)
{
    ref_seed(12);
    mlp_check(1, 3, 9, 4, true, 1);
    mlp_check(5, 2, 17, 0, false, 9);
    mlp_check(2, 3, 15, 10, false, 3);
    mlp_check(1, 2, 1, 0, true, 2);
}

static void mlp_directions_check(size_t dim, size_t directions, size_t layers, size_t embedding, size_t n)
{
    ref_mlp shape = mlp_shape(dim, layers, 7, embedding, true);
    mlp_case c;
    shape.directions = directions;
    c = mlp_make(&shape, n);
    mlp_forward_check(&c);
    mlp_backward_check(&c);
    mlp_difference_check(&c);
    mlp_free(&c);
}

/* Blocks of 64 directions, and what is left over; one layer, which reads them and puts out. */
static void mlp_of_directions(void)
{
    static const size_t counts[] = {1, 3, 8, 63, 64, 65, 130};
    size_t k;
    ref_seed(15);
    for (k = 0; k < sizeof counts / sizeof *counts; k++)
        mlp_directions_check(1 + k, counts[k], 1 + k % 3, k & 1 ? 6 : 0, 1 + 2 * k);
    shortest = longest = 2; /* all of the same length */
    mlp_directions_check(3, 17, 2, 4, 5);
    shortest = 0.01, longest = 0.02; /* nearly the same everywhere */
    mlp_directions_check(2, 5, 2, 4, 5);
    shortest = 0.5, longest = 4;
}

/* The default network on a full batch. */
static void mlp_as_it_comes(void)
{
    itd_mlp_desc desc = itd_mlp_desc_default(5);
    ref_mlp shape = mlp_shape(5, desc.layers, desc.hidden, desc.embedding, true);
    mlp_case c;
    ref_seed(16);
    CHECK(desc.directions == 128 && desc.frequency_min == 0.5 && desc.frequency_max == 10);
    shape.directions = desc.directions, shape.logsnr_scale = 50;
    shortest = desc.frequency_min, longest = desc.frequency_max;
    c = mlp_make(&shape, 130);
    mlp_forward_check(&c);
    mlp_backward_check(&c);
    mlp_free(&c);
    shortest = 0.5, longest = 4;
}

/* What does the noise leave of the waves? The features of z = sqrt(s) x + sqrt(r) eps, their amplitude put
 * aside, have the mean over eps that the amplitude says: exp(-r |w|^2 / 2). */
static void waves_fade_as_their_mean_does(void)
{
    enum { DRAWS = 40000, DIRECTIONS = 4 };
    const double s = ref_sigmoid(0.3), r = ref_sigmoid(-0.3), x[2] = {0.8, -0.4};
    const float one = 1, logsnr = 0.3f;
    float frequency[2 * DIRECTIONS], *phase = frequency, *power = frequency + DIRECTIONS;
    float kept[DIRECTIONS], at_x[2 * DIRECTIONS], dkept[DIRECTIONS], dx = 0, once;
    float dy[2 * DIRECTIONS] = {1, 2, -1, 0.5f, 3, 1, 1, -2};
    itd__layer row = ITD__ZERO;
    itd__operands o;
    double sum[2 * DIRECTIONS] = {0};
    ref_seed(17);
    for (size_t k = 0; k < DIRECTIONS; k++) {
        double w[2] = {0.4 + 0.4 * (double)k, 0.5}; /* |w| from 0.64 to 1.7 */
        phase[k] = (float)(sqrt(s) * (w[0] * x[0] + w[1] * x[1]));
        power[k] = (float)(-0.5 * (w[0] * w[0] + w[1] * w[1]));
        for (size_t i = 0; i < DRAWS; i++) {
            double noisy = phase[k] + sqrt(r) * (w[0] * ref_normal() + w[1] * ref_normal());
            sum[k] += sin(noisy) / DRAWS, sum[DIRECTIONS + k] += cos(noisy) / DRAWS;
        }
    }
    row.in[0] = row.in[1] = 1, row.c = 2 * DIRECTIONS;
    o = work_operands(&row, 1, 0);
    o.x[0] = &one, o.x[1] = &logsnr, o.frequency = frequency, o.kept = kept, o.y = at_x;
    itd__directions_forward(&o);
    for (size_t k = 0; k < 2 * DIRECTIONS; k++) CHECK_CLOSE(at_x[k], sum[k], 4.5 / sqrt(2.0 * DRAWS));
    o.dy = dy, o.dkept = dkept, o.dx[0] = &dx;
    itd__directions_backward(&o);
    once = dx;
    itd__directions_backward(&o); /* adds to what another reader of z has left there */
    CHECK(once != 0);
    CHECK_CLOSE(dx, 2 * once, 1e-6 * fabs(once));
}

/* The network of the original on a full batch: phases of several hundred radians, matrices of the usual
 * shape. */
static void mlp_of_the_original(void)
{
    ref_mlp shape = mlp_shape(2, 3, 128, 128, true);
    mlp_case c;
    ref_seed(13);
    shape.coordinate_scale = 100, shape.logsnr_scale = 50;
    c = mlp_make(&shape, 130);
    mlp_forward_check(&c);
    mlp_backward_check(&c);
    mlp_free(&c);
}

/* A batch of another size must leave nothing behind that the next one sees. */
static void mlp_with_changing_batch(void)
{
    static const size_t rows[4] = {9, 3, 33, 1};
    ref_mlp shape = mlp_shape(2, 3, 9, 4, true);
    mlp_case c;
    float *together, *alone, dz[2];
    size_t i, k;
    ref_seed(14);
    c = mlp_make(&shape, 33);
    together = ref_floats(66), alone = ref_floats(66);
    CHECK_OK(itd_net_forward(c.net, c.z, c.logsnr, 33, together));
    for (k = 0; k < 4; k++) {
        for (i = 0; i + rows[k] <= 33; i += rows[k]) {
            CHECK_OK(itd_net_forward(c.net, c.z + 2 * i, c.logsnr + i, rows[k], alone + 2 * i));
            if (rows[k] == 1) CHECK_OK(itd_net_backward(c.net, c.dout, 1, dz));
        }
        for (i = 0; i < 66 / (2 * rows[k]) * 2 * rows[k]; i++) CHECK_CLOSE(alone[i], together[i], 1e-6);
    }
    free(together), free(alone);
    mlp_free(&c);
}

/* Uniform in +-1/sqrt(fan in): variance 1/(3 fan in). The last layer is zero on request. */
static void mlp_starts_as_described(void)
{
    itd_mlp_desc desc = itd_mlp_desc_default(2);
    itd_net *net = NULL, *again = NULL, *other = NULL;
    size_t i, n, first = (384 + 1) * 128, last = (128 + 1) * 2; /* 128 directions, 64 frequencies; hidden */
    double sum = 0, square = 0, largest = 0, bound = 1 / sqrt(384.0), rest = 0;
    CHECK_OK(itd_mlp_create(&desc, 1, &net));
    CHECK_OK(itd_mlp_create(&desc, 1, &again));
    CHECK_OK(itd_mlp_create(&desc, 2, &other));
    n = itd_net_parameters(net);
    CHECK(n == first + 129 * 128 + last);
    CHECK(memcmp(itd_net_weights(net), itd_net_weights(again), n * sizeof(float)) == 0);
    CHECK(memcmp(itd_net_weights(net), itd_net_weights(other), n * sizeof(float)) != 0);
    for (i = 0; i < first; i++) {
        double w = itd_net_weights(net)[i];
        sum += w, square += w * w, largest = fmax(largest, fabs(w));
    }
    for (i = n - last; i < n; i++) rest += fabs((double)itd_net_weights(net)[i]);
    CHECK(largest <= bound && largest > 0.999 * bound);
    CHECK_CLOSE(sum / (double)first, 0, 4.5 * bound / sqrt(3.0 * (double)first));
    CHECK_CLOSE(square / (double)first, bound * bound / 3, 4.5 * bound * bound * 0.3 / sqrt((double)first));
    CHECK_CLOSE(rest, 0, 0);
    itd_net_free(net), itd_net_free(again), itd_net_free(other);
}

static void mlp_descriptions_out_of_range_are_refused(void)
{
    const itd_mlp_desc good = itd_mlp_desc_default(2);
    itd_net *const untouched = (itd_net *)(void *)&ref_state, *net = untouched;
    size_t i;
    for (i = 0; i < 24; i++) {
        itd_mlp_desc d = good;
        switch (i) {
        case 0: d.dim = 0; break;
        case 1: d.layers = 0; break;
        case 2: d.hidden = 0; break;
        case 3: d.embedding = 2; break;
        case 4: d.embedding = 5; break;
        case 5: d.coordinate_scale = NAN; break;
        case 6: d.logsnr_scale = INFINITY; break;
        case 7: d.activation = (itd_activation)9; break;
        case 8: d.dim = SIZE_MAX; break;
        case 9: d.hidden = SIZE_MAX / 2; break;
        case 10: d.embedding = SIZE_MAX - 1; break;
        case 11: d.layers = SIZE_MAX; break;
        case 12: d.coordinate_scale = -INFINITY; break;
        case 13: d.directions = ((size_t)1 << 16) + 1; break;
        case 14: d.directions = SIZE_MAX; break;
        case 15: d.directions = 8192, d.dim = 513; break; /* more than 2^22 numbers */
        case 16: d.frequency_min = 0.9e-6; break;
        case 17: d.frequency_min = -1; break;
        case 18: d.frequency_min = 10.1; break; /* above the maximum */
        case 19: d.frequency_max = 0.4; break;
        case 20: d.frequency_max = 1.1e6; break;
        case 21: d.frequency_max = NAN; break;
        case 22: d.frequency_min = NAN; break;
        default: d.logsnr_scale = NAN; break;
        }
        CHECK(itd_mlp_create(&d, 1, &net) == ITD_ERROR_ARGUMENT);
        CHECK(net == untouched);
    }
}

static void all_tests(void)
{
    RUN(products_of_all_sizes);
    RUN(small_products);
    RUN(products_with_every_remainder);
    RUN(products_of_all_ways);
    RUN(products_of_parts_of_larger_matrices);
    RUN(products_over_nothing);
    RUN(products_do_not_swallow_nan);
    RUN(transposed_of_all_sizes);
    RUN(linear_of_all_sizes);
    RUN(relu_both_ways);
    RUN(silu_both_ways);
    RUN(embed_both_ways);
    RUN(embed_near_the_zeros_of_sine_and_cosine);
    RUN(embed_of_repeated_numbers);
    RUN(pairs_of_inputs);
    RUN(mlp_of_every_depth);
    RUN(mlp_of_odd_widths);
    RUN(mlp_of_directions);
    RUN(waves_fade_as_their_mean_does);
    RUN(mlp_as_it_comes);
    RUN(mlp_of_the_original);
    RUN(mlp_with_changing_batch);
    RUN(mlp_starts_as_described);
}

int main(void)
{
    RUN(linear_reference_has_the_slope_of_its_forward);
    RUN(activation_references_have_the_slope_of_their_forward);
    RUN(embed_reference_has_the_slope_of_its_forward);
    RUN(mlp_descriptions_out_of_range_are_refused);
    each_simd(all_tests);
    return test_report();
}
