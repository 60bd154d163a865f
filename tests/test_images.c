/* Tests of the operations on images: convolution, normalization, resizing and attention, forward and
 * backward, against double-precision loops written from their definitions, which in turn are held against
 * finite differences of their own forward pass; and the column kernels against their plain versions. */
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"
#include "ref.h"
#include "guard.h"
#include "work.h"
#include "each_simd.h"
#include "test.h"

static const double tolerance = 1e-5; /* of |value - reference| / |reference|, and of each element */
static const double rounding = 1e-6;  /* allowed beside it, of the terms that a number is the sum of */

/* Outputs hold NaN where they are to be overwritten. */
static guarded guard(const float *from, size_t n, size_t shift) { return guard_filled(from, NAN, n, shift); }

/* What was there, or nothing, plus the reference's numbers; size, each element's own, or size_all: what its
 * terms add up to without their signs, or the root of the sum of their squares. */
static bool agrees(const guarded *after, const float *before, const double *added, const double *size,
                   double size_all)
{
    double *expected = ref_doubles(after->n), *floor_each = ref_doubles(after->n);
    size_t i;
    bool ok;
    for (i = 0; i < after->n; i++) {
        expected[i] = added[i] + (before ? before[i] : 0);
        floor_each[i] = rounding * ((size ? size[i] : size_all) + (before ? fabs((double)before[i]) : 0));
    }
    ok = ref_each(after->data, expected, after->n, tolerance, 0, floor_each);
    free(expected), free(floor_each);
    return ok;
}

/* The same, and all of it together within the tolerance. */
static bool agrees_closely(const guarded *after, const float *before, const double *added, const double *size,
                           double size_all)
{
    double *expected = ref_doubles(after->n);
    size_t i;
    bool ok = ref_norm(added, after->n) > 0;
    for (i = 0; i < after->n; i++) expected[i] = added[i] + (before ? before[i] : 0);
    ok = ok && ref_error(after->data, expected, after->n) <= tolerance;
    free(expected);
    return agrees(after, before, added, size, size_all) && ok;
}

static bool same_bits(const float *a, const float *b, size_t n) { return memcmp(a, b, n * sizeof *a) == 0; }

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    size_t i;
    for (i = 0; i < n; i++) sum += (double)a[i] * b[i];
    return sum;
}

static double length(const float *a, size_t n) { return sqrt(dot(a, a, n)); }

static size_t count_nan(const float *x, size_t n)
{
    size_t i, count = 0;
    for (i = 0; i < n; i++) count += isnan(x[i]) != 0;
    return count;
}

static unsigned long number(size_t n) { return (unsigned long)n; }

/* A central difference by one number. */
typedef double (*scalar_function)(const void *context);

static double central(double *at, double h, scalar_function f, const void *context)
{
    double saved = *at, up, down;
    *at = saved + h, up = f(context);
    *at = saved - h, down = f(context);
    *at = saved;
    return (up - down) / (2 * h);
}

static bool has_slope(double *at, const double *gradient, size_t n, double h, scalar_function f,
                      const void *context, double within)
{
    double *difference = ref_doubles(n), distance;
    size_t i;
    for (i = 0; i < n; i++) difference[i] = central(&at[i], h, f, context);
    distance = ref_distance(gradient, difference, n);
    free(difference);
    if (!(distance <= within)) printf("  differs from finite differences by %.3g\n", distance);
    return distance <= within;
}

/* ---- the geometry of a convolution: which pixel meets which through which tap ---- */

typedef struct geometry {
    size_t images, height, width, rows, columns, stride, before; /* from (height,width) to (rows,columns) */
} geometry;

typedef struct link {
    size_t from, tap, to;
} link;

typedef struct links {
    link *list;
    size_t n;
} links;

static geometry geometry_make(size_t images, size_t height, size_t width, size_t stride, size_t before)
{
    geometry g;
    g.images = images, g.height = height, g.width = width, g.stride = stride, g.before = before;
    g.rows = (height + before - 2) / stride + 1, g.columns = (width + before - 2) / stride + 1;
    return g;
}

static size_t pixels_from(const geometry *g) { return g->images * g->height * g->width; }
static size_t pixels_to(const geometry *g) { return g->images * g->rows * g->columns; }

/* Output pixel (y,x) reads the input pixels (stride y + ky - before, stride x + kx - before) there are. */
static links links_make(const geometry *g)
{
    links l;
    size_t to, tap;
    l.list = (link *)ref_alloc(9 * pixels_to(g) * sizeof *l.list), l.n = 0;
    for (to = 0; to < pixels_to(g); to++)
        for (tap = 0; tap < 9; tap++) {
            long image = (long)(to / (g->rows * g->columns));
            long y = (long)(to / g->columns % g->rows * g->stride + tap / 3) - (long)g->before;
            long x = (long)(to % g->columns * g->stride + tap % 3) - (long)g->before;
            if (y < 0 || y >= (long)g->height || x < 0 || x >= (long)g->width) continue;
            l.list[l.n].from = (size_t)((image * (long)g->height + y) * (long)g->width + x);
            l.list[l.n].tap = tap, l.list[l.n].to = to;
            l.n++;
        }
    return l;
}

static const size_t image_sizes[][2] = {{1, 1}, {2, 2}, {5, 3}, {8, 8}, {1, 4}, {7, 2}, {7, 9}};
static const size_t channel_counts[] = {1, 3, 5, 7, 8, 9, 16, 17, 33, 48, 64};
enum { IMAGE_SIZES = sizeof image_sizes / sizeof *image_sizes, CHANNEL_COUNTS = 11 };

/* Stride 1, or 2 with zeros around the image, or only to the right and below: then of two pixels at least. */
static bool geometry_exists(size_t size, size_t kind)
{
    return kind < 2 || (image_sizes[size][0] > 1 && image_sizes[size][1] > 1);
}

static geometry geometry_of(size_t images, size_t size, size_t kind)
{
    return geometry_make(images, image_sizes[size][0], image_sizes[size][1], kind ? 2 : 1, kind != 2);
}

/* ---- convolution ---- */

static void ref_conv_forward(const links *l, const double *x, const double *w, const double *b, size_t pixels,
                             size_t in, size_t out, double *y)
{
    size_t i, c, o;
    for (i = 0; i < pixels; i++)
        for (o = 0; o < out; o++) y[i * out + o] = b[o];
    for (i = 0; i < l->n; i++)
        for (c = 0; c < in; c++) {
            const double *row = w + (l->list[i].tap * in + c) * out;
            for (o = 0; o < out; o++) y[l->list[i].to * out + o] += x[l->list[i].from * in + c] * row[o];
        }
}

static void ref_conv_backward(const links *l, const double *dy, const double *x, const double *w,
                              size_t pixels, size_t in, size_t out, double *dx, double *dw, double *db)
{
    size_t i, c, o;
    for (i = 0; i < pixels; i++)
        for (o = 0; o < out; o++) db[o] += dy[i * out + o];
    for (i = 0; i < l->n; i++)
        for (c = 0; c < in; c++) {
            size_t row = (l->list[i].tap * in + c) * out, at = l->list[i].from * in + c;
            const double *d = dy + l->list[i].to * out;
            double sum = 0;
            for (o = 0; o < out; o++) dw[row + o] += x[at] * d[o], sum += w[row + o] * d[o];
            dx[at] += sum;
        }
}

typedef struct conv_case { /* a convolution, its inputs, what its gradients held before */
    geometry g;
    itd__convolution conv;
    itd__layer row;
    links l;
    size_t in, out, nx, nw, ny, most; /* most: channels whose weights' gradient is found at a time */
    float *x, *w, *b, *dy, *dx, *dw, *db;
    float *u, *back; /* the weights as they lead forward and back */
    double *X, *W, *B, *DY;
} conv_case;

/* After each change of the weights. */
static void conv_prepare(conv_case *c)
{
    if (itd__is_winograd(&c->conv)) itd__taps_forward(&c->conv, c->w, c->u);
    if (itd__is_winograd(&c->conv)) itd__taps_backward(&c->conv, c->u, c->back);
    else itd__transpose(c->w, 9 * c->in, c->out, c->back);
}

static float *conv_numbers(size_t n, bool whole)
{
    float *x = ref_normals(n, 1);
    size_t i;
    for (i = 0; i < n && whole; i++) x[i] = (float)ref_below(9) - 4;
    return x;
}

static conv_case conv_make(geometry g, size_t in, size_t out, bool whole)
{
    itd__convolution conv = {{g.height, g.width, in}, {g.rows, g.columns, out}, g.stride, g.before};
    itd__layer row = ITD__ZERO;
    conv_case c;
    row.conv = conv, row.h = g.rows, row.w = g.columns, row.c = out, row.in[0] = in;
    c.g = g, c.conv = conv, c.row = row, c.in = in, c.out = out, c.l = links_make(&g);
    c.nx = pixels_from(&g) * in, c.nw = 9 * in * out, c.ny = pixels_to(&g) * out;
    c.most = itd__min(in, ITD__PIECE);
    c.x = conv_numbers(c.nx, whole), c.w = conv_numbers(c.nw, whole), c.b = conv_numbers(out, whole);
    c.dy = conv_numbers(c.ny, whole), c.u = ref_floats(16 * in * out), c.back = ref_floats(16 * in * out);
    c.dx = conv_numbers(c.nx, whole), c.dw = conv_numbers(c.nw, whole), c.db = conv_numbers(out, whole);
    c.X = ref_widened(c.x, c.nx), c.W = ref_widened(c.w, c.nw), c.B = ref_widened(c.b, out);
    c.DY = ref_widened(c.dy, c.ny);
    conv_prepare(&c);
    return c;
}

static void conv_free(conv_case *c)
{
    free(c->l.list), free(c->x), free(c->w), free(c->u), free(c->back), free(c->b), free(c->dy), free(c->dx);
    free(c->dw), free(c->db), free(c->X), free(c->W), free(c->B), free(c->DY);
}

static void conv_print(const conv_case *c)
{
    printf("  images %lu (%lu,%lu) stride %lu before %lu in %lu out %lu\n", number(c->g.images),
           number(c->g.height), number(c->g.width), number(c->g.stride), number(c->g.before), number(c->in),
           number(c->out));
}

/* The three passes, each in as much work memory as it asks for; false if it wrote beyond. */
static itd__operands conv_operands(const conv_case *c, const itd__layer *row, size_t images)
{
    itd__operands o = work_operands(row, images, itd__conv_work(&c->conv));
    o.x[0] = c->x, o.dy = c->dy, o.w = c->w, o.taps = c->u, o.back = c->back;
    return o;
}

static bool conv_forward(const conv_case *c, const float *x, const float *bias, size_t images, float *y)
{
    itd__operands o = conv_operands(c, &c->row, images);
    o.x[0] = x, o.b = bias, o.y = y;
    itd__conv_forward(&o);
    return work_holds();
}

static bool conv_input_gradient(const conv_case *c, float *dy, size_t images, bool add, float *dx)
{
    itd__operands o = conv_operands(c, &c->row, images);
    if (!add) memset(dx, 0, images * c->nx / c->g.images * sizeof *dx);
    o.dy = dy, o.dx[0] = dx;
    itd__conv_backward(&o);
    return work_holds();
}

/* In pieces of some of the channels read. */
static bool conv_weight_gradient(const conv_case *c, size_t step, bool add, float *dw, float *db)
{
    size_t first, i, left = 0, cells = 16 * c->in * c->out;
    float *du = ref_floats(cells);
    bool ok = true;
    if (!add) memset(dw, 0, c->nw * sizeof *dw), memset(db, 0, c->out * sizeof *db);
    for (first = 0; first < c->in; first += step) {
        itd__operands o = conv_operands(c, &c->row, c->g.images);
        o.dw = dw, o.db = db, o.dtaps = du;
        itd__conv_gradient(&o, first, itd__min(step, c->in - first));
        ok = work_holds() && ok;
    }
    if (itd__is_winograd(&c->conv)) itd__taps_gradient(&c->conv, du, dw);
    for (i = 0; i < cells; i++) left += !(fabsf(du[i]) <= 0); /* zero again */
    free(du);
    return ok && left == 0;
}

static bool conv_forward_agrees(const conv_case *c)
{
    double *expected = ref_doubles(c->ny);
    guarded y = guard(NULL, c->ny, 1);
    bool ok;
    ref_conv_forward(&c->l, c->X, c->W, c->B, pixels_to(&c->g), c->in, c->out, expected);
    ok = conv_forward(c, c->x, c->b, c->g.images, y.data);
    ok = agrees_closely(&y, NULL, expected, NULL, 4 * sqrt(9 * (double)c->in)) && ok;
    ok = guard_release(&y) && ok;
    free(expected);
    return ok;
}

static bool conv_weight_gradient_agrees(const conv_case *c, const double *dw, const double *db, size_t step,
                                        bool add)
{
    double size = 4 * sqrt((double)pixels_to(&c->g));
    guarded gw = guard(add ? c->dw : NULL, c->nw, 2), gb = guard(add ? c->db : NULL, c->out, 3);
    float *whole = ref_copy(c->dw, c->nw), *bias = ref_copy(c->db, c->out);
    bool ok = conv_weight_gradient(c, step, add, gw.data, gb.data);
    ok = conv_weight_gradient(c, c->most, add, whole, bias) && ok;
    ok = same_bits(gw.data, whole, c->nw) && same_bits(gb.data, bias, c->out) && ok;
    ok = agrees_closely(&gw, add ? c->dw : NULL, dw, NULL, size) && ok;
    ok = agrees_closely(&gb, add ? c->db : NULL, db, NULL, size) && ok;
    ok = guard_release(&gw) && ok;
    ok = guard_release(&gb) && ok;
    free(whole), free(bias);
    return ok;
}

static bool conv_backward_agrees(const conv_case *c)
{
    double *dx = ref_doubles(c->nx), *dw = ref_doubles(c->nw), *db = ref_doubles(c->out);
    guarded gx = guard(c->dx, c->nx, 1), set = guard(NULL, c->nx, 2);
    bool ok;
    ref_conv_backward(&c->l, c->DY, c->X, c->W, pixels_to(&c->g), c->in, c->out, dx, dw, db);
    ok = conv_input_gradient(c, c->dy, c->g.images, true, gx.data);
    ok = conv_input_gradient(c, c->dy, c->g.images, false, set.data) && ok;
    ok = agrees_closely(&gx, c->dx, dx, NULL, 4 * sqrt(9 * (double)c->out)) && ok;
    ok = agrees_closely(&set, NULL, dx, NULL, 4 * sqrt(9 * (double)c->out)) && ok;
    ok = guard_release(&gx) && ok;
    ok = guard_release(&set) && ok;
    ok = conv_weight_gradient_agrees(c, dw, db, c->most / 2 + 1, false) && ok;
    ok = conv_weight_gradient_agrees(c, dw, db, (c->most + 4) / 5, true) && ok;
    free(dx), free(dw), free(db);
    return ok;
}

/* <dy, conv x> = <conv' dy, x> = <dw, w>, without the reference. */
static bool conv_is_a_linear_map(const conv_case *c)
{
    float *y = ref_floats(c->ny), *dx = ref_floats(c->nx), *dw = ref_floats(c->nw), *db = ref_floats(c->out);
    float *zeros = ref_floats(c->out);
    double forward, size;
    bool ok = conv_forward(c, c->x, zeros, c->g.images, y);
    ok = conv_input_gradient(c, c->dy, c->g.images, false, dx) && ok;
    ok = conv_weight_gradient(c, c->most, false, dw, db) && ok;
    forward = dot(c->dy, y, c->ny), size = length(c->dy, c->ny) * length(y, c->ny);
    ok = size > 0 && fabs(dot(dx, c->x, c->nx) - forward) <= 1e-6 * size &&
         fabs(dot(dw, c->w, c->nw) - forward) <= 1e-6 * size && ok;
    free(y), free(dx), free(dw), free(db), free(zeros);
    return ok;
}

/* Each image by itself gives the same bits, whichever images share its blocks of tiles or of pixels. */
static bool conv_images_are_independent(const conv_case *c)
{
    size_t nx = c->nx / c->g.images, ny = c->ny / c->g.images, i;
    float *y = ref_floats(c->ny), *dx = ref_copy(c->dx, c->nx), *alone = ref_floats(ny);
    bool ok = conv_forward(c, c->x, c->b, c->g.images, y);
    ok = conv_input_gradient(c, c->dy, c->g.images, true, dx) && ok;
    for (i = 0; i < c->g.images; i++) {
        float *one = ref_copy(c->dx + i * nx, nx);
        ok = conv_forward(c, c->x + i * nx, c->b, 1, alone) && ok;
        ok = conv_input_gradient(c, c->dy + i * ny, 1, true, one) && ok;
        ok = same_bits(alone, y + i * ny, ny) && same_bits(one, dx + i * nx, nx) && ok;
        free(one);
    }
    free(y), free(dx), free(alone);
    return ok;
}

/* What the work memory holds beforehand changes nothing: here it is what other work left, and then NaN. */
static bool conv_needs_no_clean_memory(const conv_case *c)
{
    float *result[2][4];
    size_t k;
    bool ok = true;
    for (k = 0; k < 2; k++) {
        float *y = result[k][0] = ref_floats(c->ny), *dx = result[k][1] = ref_floats(c->nx);
        float *dw = result[k][2] = ref_floats(c->nw), *db = result[k][3] = ref_floats(c->out);
        if (k) work_spoil();
        ok = conv_forward(c, c->x, c->b, c->g.images, y) && ok;
        if (k) work_spoil();
        ok = conv_input_gradient(c, c->dy, c->g.images, false, dx) && ok;
        if (k) work_spoil();
        ok = conv_weight_gradient(c, c->most, false, dw, db) && ok;
    }
    ok = same_bits(result[0][0], result[1][0], c->ny) && same_bits(result[0][1], result[1][1], c->nx) && ok;
    ok = same_bits(result[0][2], result[1][2], c->nw) && same_bits(result[0][3], result[1][3], c->out) && ok;
    for (k = 0; k < 8; k++) free(result[k / 4][k % 4]);
    return ok;
}

static void conv_case_check(geometry g, size_t in, size_t out)
{
    conv_case c = conv_make(g, in, out, false);
    bool ok = CHECK(conv_forward_agrees(&c));
    ok = CHECK(conv_backward_agrees(&c)) && ok;
    ok = CHECK(conv_is_a_linear_map(&c)) && ok;
    ok = CHECK(conv_images_are_independent(&c)) && ok;
    ok = CHECK(conv_needs_no_clean_memory(&c)) && ok;
    if (!ok) conv_print(&c);
    conv_free(&c);
}

/* Each image with each number of channels on either side, batches of one to five. */
static void conv_of_all_sizes(void)
{
    size_t size, kind, i, count = 0;
    ref_seed(3);
    for (size = 0; size < IMAGE_SIZES; size++)
        for (kind = 0; kind < 3; kind++)
            for (i = 0; i < CHANNEL_COUNTS && geometry_exists(size, kind); i++) {
                size_t other = channel_counts[(3 * i + size + kind + 2) % CHANNEL_COUNTS];
                conv_case_check(geometry_of(1 + count++ % 5, size, kind), channel_counts[i], other);
            }
}

/* Shared among threads; more channels than their weights' gradients are found at a time. */
static void large_conv(void)
{
    ref_seed(4);
    conv_case_check(geometry_make(2, 8, 8, 1, 1), 64, 64);
    conv_case_check(geometry_make(5, 8, 8, 1, 1), 33, 48);
    conv_case_check(geometry_make(5, 17, 16, 2, 0), 48, 33);
    conv_case_check(geometry_make(2, 9, 5, 1, 1), 130, 24);
    conv_case_check(geometry_make(1, 4, 4, 1, 1), 24, 530);
}

/* To the last bit, where no sum is rounded. */
static bool equals(const float *value, const float *before, const double *added, size_t n)
{
    size_t i, wrong = 0;
    for (i = 0; i < n; i++) wrong += !(fabs(value[i] - ((before ? before[i] : 0) + added[i])) <= 0);
    return wrong == 0;
}

static bool conv_is_exact(const conv_case *c)
{
    double *y = ref_doubles(c->ny), *dx = ref_doubles(c->nx), *dw = ref_doubles(c->nw);
    double *db = ref_doubles(c->out);
    float *out = ref_floats(c->ny), *x = ref_floats(c->nx), *w = ref_floats(c->nw), *b = ref_floats(c->out);
    float *onto_x = ref_copy(c->dx, c->nx), *onto_w = ref_copy(c->dw, c->nw),
          *onto_b = ref_copy(c->db, c->out);
    bool ok = conv_forward(c, c->x, c->b, c->g.images, out);
    ref_conv_forward(&c->l, c->X, c->W, c->B, pixels_to(&c->g), c->in, c->out, y);
    ref_conv_backward(&c->l, c->DY, c->X, c->W, pixels_to(&c->g), c->in, c->out, dx, dw, db);
    ok = conv_input_gradient(c, c->dy, c->g.images, false, x) && ok;
    ok = conv_input_gradient(c, c->dy, c->g.images, true, onto_x) && ok;
    ok = conv_weight_gradient(c, c->most, false, w, b) && ok;
    ok = conv_weight_gradient(c, (c->most + 1) / 2, true, onto_w, onto_b) && ok;
    ok = equals(out, NULL, y, c->ny) && equals(x, NULL, dx, c->nx) && equals(onto_x, c->dx, dx, c->nx) && ok;
    ok = equals(w, NULL, dw, c->nw) && equals(onto_w, c->dw, dw, c->nw) && ok;
    ok = equals(b, NULL, db, c->out) && equals(onto_b, c->db, db, c->out) && ok;
    free(y), free(dx), free(dw), free(db), free(out), free(x), free(w), free(b);
    free(onto_x), free(onto_w), free(onto_b);
    return ok;
}

/* Of small whole numbers, whose halves and quarters in Winograd's transforms are floats too, no sum is
 * rounded. All passes agree to the last bit with the sums over the taps, which know nothing of tiles. */
static void conv_of_whole_numbers_is_exact(void)
{
    size_t size, kind, i;
    ref_seed(21);
    for (size = 0; size < IMAGE_SIZES; size++)
        for (kind = 0; kind < 3; kind++)
            for (i = 0; i < CHANNEL_COUNTS && geometry_exists(size, kind); i++) {
                size_t other = channel_counts[(5 * i + size + kind + 4) % CHANNEL_COUNTS];
                conv_case c = conv_make(geometry_of(1 + i % 3, size, kind), channel_counts[i], other, true);
                if (!CHECK(conv_is_exact(&c))) conv_print(&c);
                conv_free(&c);
            }
}

/* From how many channels to how many the fast algorithm goes: whichever it is, the tests above hold; this one
 * sees that they met both. */
static void conv_of_many_channels_is_winograds(void)
{
    size_t in, out, stride, before;
    for (in = 7; in <= 9; in++)
        for (out = 7; out <= 9; out++)
            for (stride = 1; stride <= 2; stride++)
                for (before = 0; before <= 1; before++) {
                    itd__convolution c = {{4, 4, in}, {4, 4, out}, stride, before};
                    bool expected = in >= 8 && out >= 8 && stride == 1 && before == 1;
                    CHECK(itd__is_winograd(&c) == expected);
                }
}

static double conv_sum(const void *context)
{
    const conv_case *c = (const conv_case *)context;
    double *y = ref_doubles(c->ny), sum = 0;
    size_t i;
    ref_conv_forward(&c->l, c->X, c->W, c->B, pixels_to(&c->g), c->in, c->out, y);
    for (i = 0; i < c->ny; i++) sum += y[i] * c->DY[i];
    free(y);
    return sum;
}

static void conv_reference_has_the_slope_of_its_forward(void)
{
    size_t kind;
    ref_seed(5);
    for (kind = 0; kind < 3; kind++) {
        conv_case c = conv_make(geometry_of(2, 2, kind), 2, 3, false);
        double *dx = ref_doubles(c.nx), *dw = ref_doubles(c.nw), *db = ref_doubles(c.out);
        ref_conv_backward(&c.l, c.DY, c.X, c.W, pixels_to(&c.g), c.in, c.out, dx, dw, db);
        CHECK(has_slope(c.X, dx, c.nx, 1e-3, conv_sum, &c, 1e-10));
        CHECK(has_slope(c.W, dw, c.nw, 1e-3, conv_sum, &c, 1e-10));
        CHECK(has_slope(c.B, db, c.out, 1e-3, conv_sum, &c, 1e-10));
        free(dx), free(dw), free(db);
        conv_free(&c);
    }
}

/* By hand: a 3x3 image 1..9 and four weights, which flipped or transposed would give other numbers. */
static void conv_is_cross_correlation(void)
{
    static const float x[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    static const float w[9] = {1, 2, 0, 0, 0, 10, 0, 0, 100}, b[1] = {0.5f};
    static const float whole[9] = {520.5f, 630.5f, 0.5f, 852.5f, 965.5f, 8.5f, 88.5f, 104.5f, 17.5f};
    itd__layer row = ITD__ZERO;
    itd__operands o;
    float y[9];
    size_t i;
    row.conv.in.height = row.conv.in.width = 3, row.conv.in.channels = row.conv.out.channels = row.c = 1;
    row.conv.out.height = row.conv.out.width = row.h = row.w = 3, row.conv.stride = row.conv.before = 1;
    o = work_operands(&row, 1, itd__conv_work(&row.conv));
    o.x[0] = x, o.w = w, o.b = b, o.y = y;
    itd__conv_forward(&o);
    for (i = 0; i < 9; i++) CHECK_CLOSE(y[i], whole[i], 0);
    row.conv.out.height = row.conv.out.width = 2, row.conv.stride = 2, o.pixels = 4;
    itd__conv_forward(&o);
    CHECK_CLOSE(y[0], 520.5, 0);
    CHECK_CLOSE(y[3], 17.5, 0);
    row.conv.out.height = row.conv.out.width = 1, row.conv.before = 0, o.pixels = 1;
    itd__conv_forward(&o);
    CHECK_CLOSE(y[0], 1 * 1 + 2 * 2 + 10 * 6 + 100 * 9 + 0.5, 0);
    CHECK(work_holds());
}

/* ---- where a NaN or an infinity may get to ---- */

static size_t count_broken(const float *x, size_t n, size_t stride)
{
    size_t i, count = 0;
    for (i = 0; i < n; i++) count += !itd__finite(x[i * stride]);
    return count;
}

/* May a broken pixel break another one which no tap leads to? Winograd's transforms mix a patch of 4 by 4
 * pixels into a tile of 2 by 2, so within a patch and its tile it may, but not from image to image. */
static bool may_break(const conv_case *c, size_t from, size_t to)
{
    size_t height = c->g.height, width = c->g.width, size = height * width;
    size_t y = from / width % height, x = from % width, tile_y = to / width % height / 2,
           tile_x = to % width / 2;
    if (!itd__is_winograd(&c->conv) || from / size != to / size) return false;
    return y + 1 >= 2 * tile_y && y <= 2 * tile_y + 2 && x + 1 >= 2 * tile_x && x <= 2 * tile_x + 2;
}

/* Of `pixels` with so many channels, those that are marked are broken in each channel; others, that the
 * broken pixel `from` may not reach, in none. */
static bool breaks(const conv_case *c, const float *values, size_t pixels, size_t channels,
                   const bool *marked, size_t from)
{
    size_t i;
    bool ok = true;
    for (i = 0; i < pixels; i++) {
        size_t count = count_broken(values + i * channels, channels, 1);
        if (marked[i]) ok = ok && count == channels;
        else ok = ok && (count == 0 || may_break(c, from, i));
    }
    return ok;
}

/* Gradients of the weights: all that `marked` taps make of one input channel, or of one output channel if
 * `out`, are broken; those of other channels are not. Those of other taps may be by Winograd's algorithm, and
 * where a gradient that comes in meets the zeros around the image. */
static bool breaks_weights(const conv_case *c, const float *dw, const bool *marked, size_t channel, bool out)
{
    size_t in = c->in, t, broken, all = count_broken(dw, c->nw, 1), seen = 0;
    bool ok = true;
    for (t = 0; t < 9; t++) {
        const float *tap = dw + t * in * c->out;
        size_t many = out ? in : c->out;
        broken = out ? count_broken(tap + channel, in, c->out)
                     : count_broken(tap + channel * c->out, c->out, 1);
        if (marked[t]) ok = ok && broken == many;
        else ok = ok && (broken == 0 || out || itd__is_winograd(&c->conv));
        seen += broken;
    }
    return ok && seen == all;
}

typedef struct marks { /* what the links of one pixel or tap lead to */
    bool *from, *to, tap[9];
} marks;

enum { BY_FROM, BY_TO, BY_TAP };

static marks marks_make(const conv_case *c, size_t at, int by)
{
    marks m;
    size_t i;
    memset(&m, 0, sizeof m);
    m.from = (bool *)ref_alloc(pixels_from(&c->g) * sizeof *m.from);
    m.to = (bool *)ref_alloc(pixels_to(&c->g) * sizeof *m.to);
    for (i = 0; i < c->l.n; i++) {
        const link *l = &c->l.list[i];
        if ((by == BY_FROM ? l->from : by == BY_TO ? l->to : l->tap) != at) continue;
        m.from[l->from] = m.to[l->to] = m.tap[l->tap] = true;
    }
    return m;
}

static void marks_free(marks *m) { free(m->from), free(m->to); }

typedef struct passes { /* room for what the three passes compute */
    float *y, *dx, *dw, *db;
} passes;

static passes passes_of(const conv_case *c)
{
    passes p;
    p.y = ref_floats(c->ny), p.dx = ref_floats(c->nx), p.dw = ref_floats(c->nw), p.db = ref_floats(c->out);
    CHECK(conv_forward(c, c->x, c->b, c->g.images, p.y));
    CHECK(conv_input_gradient(c, c->dy, c->g.images, false, p.dx));
    CHECK(conv_weight_gradient(c, c->most, false, p.dw, p.db));
    return p;
}

static void passes_free(passes *p) { free(p->y), free(p->dx), free(p->dw), free(p->db); }

/* One number of an input pixel: the pixels of y that its links lead to, and the gradients of the weights that
 * it meets; no gradient of the input, of which it is no part. */
static bool broken_input_shows(conv_case *c, size_t at, float what)
{
    size_t channel = at % c->in;
    float *x = &c->x[at * c->in + channel], saved = *x;
    marks m = marks_make(c, at, BY_FROM);
    passes p;
    bool ok;
    *x = what, p = passes_of(c), *x = saved;
    ok = breaks(c, p.y, pixels_to(&c->g), c->out, m.to, at) && breaks_weights(c, p.dw, m.tap, channel, false);
    ok = count_broken(p.dx, c->nx, 1) == 0 && count_broken(p.db, c->out, 1) == 0 && ok;
    marks_free(&m), passes_free(&p);
    return ok;
}

/* The same of the gradient that comes in; it is a part of one bias's gradient. */
static bool broken_gradient_shows(conv_case *c, size_t at, float what)
{
    size_t channel = at % c->out;
    float *dy = &c->dy[at * c->out + channel], saved = *dy;
    marks m = marks_make(c, at, BY_TO);
    passes p;
    bool ok;
    *dy = what, p = passes_of(c), *dy = saved;
    ok = breaks(c, p.dx, pixels_from(&c->g), c->in, m.from, at) &&
         breaks_weights(c, p.dw, m.tap, channel, true);
    ok = count_broken(p.y, c->ny, 1) == 0 && count_broken(p.db, c->out, 1) == 1 && ok;
    ok = !itd__finite(p.db[channel]) && ok;
    marks_free(&m), passes_free(&p);
    return ok;
}

/* One weight: a channel of all pixels that its tap leads to, and no other channel. */
static bool broken_weight_shows(conv_case *c, size_t tap, float what)
{
    size_t in = tap % c->in, out = (tap + 1) % c->out, i, missed = 0;
    float *w = &c->w[(tap * c->in + in) * c->out + out], saved = *w;
    marks m = marks_make(c, tap, BY_TAP);
    bool winograd = itd__is_winograd(&c->conv);
    size_t to = pixels_to(&c->g), from = pixels_from(&c->g);
    passes p;
    *w = what, conv_prepare(c), p = passes_of(c);
    *w = saved, conv_prepare(c);
    for (i = 0; i < to; i++) /* others may be, too: the zeros around an image have their weights */
        missed += m.to[i] && itd__finite(p.y[i * c->out + out]);
    for (i = 0; i < from; i++) {
        bool broken = !itd__finite(p.dx[i * c->in + in]);
        missed += m.from[i] ? !broken : broken && !winograd;
    }
    missed += count_broken(p.y, c->ny, 1) != count_broken(p.y + out, to, c->out);
    missed += count_broken(p.dx, c->nx, 1) != count_broken(p.dx + in, from, c->in);
    missed += count_broken(p.dw, c->nw, 1) + count_broken(p.db, c->out, 1);
    marks_free(&m), passes_free(&p);
    return missed == 0;
}

/* Two images of 5 by 3 pixels: by Winograd's algorithm, and in the three ways that gather. */
static void conv_does_not_swallow_nan(void)
{
    static const size_t channels[][2] = {{17, 19}, {5, 19}, {17, 19}, {17, 19}}, kinds[] = {0, 0, 1, 2};
    size_t i, at;
    ref_seed(6);
    for (i = 0; i < 4; i++) {
        conv_case c = conv_make(geometry_of(2, 2, kinds[i]), channels[i][0], channels[i][1], false);
        bool ok = CHECK(itd__is_winograd(&c.conv) == (i == 0));
        for (at = 0; at < pixels_from(&c.g); at++)
            ok = CHECK(broken_input_shows(&c, at, at % 3 ? NAN : INFINITY)) && ok;
        for (at = 0; at < pixels_to(&c.g); at++)
            ok = CHECK(broken_gradient_shows(&c, at, at % 3 ? NAN : INFINITY)) && ok;
        for (at = 0; at < 9; at++) ok = CHECK(broken_weight_shows(&c, at, at % 3 ? NAN : INFINITY)) && ok;
        if (!ok) conv_print(&c);
        conv_free(&c);
    }
}

/* ---- transformed weights ---- */

/* What leads back is what leads forward of the weights with their taps in opposite order and their channels
 * exchanged, to the last bit: (9,in,out) -> (9,out,in). */
static void taps_back_are_those_of_rotated_weights(void)
{
    size_t i, j, t, k;
    ref_seed(7);
    for (k = 0; k < CHANNEL_COUNTS; k++) {
        size_t in = channel_counts[k], out = channel_counts[(3 * k + 1) % CHANNEL_COUNTS],
               cells = 16 * in * out;
        itd__convolution c = {{4, 4, in}, {4, 4, out}, 1, 1}, reverse = {{4, 4, out}, {4, 4, in}, 1, 1};
        float *w = ref_normals(9 * in * out, 1), *rotated = ref_floats(9 * in * out);
        float *expected = ref_floats(cells);
        guarded u = guard(NULL, cells, k % 4), back = guard(NULL, cells, (k + 1) % 4);
        for (t = 0; t < 9; t++)
            for (i = 0; i < in; i++)
                for (j = 0; j < out; j++) rotated[((8 - t) * out + j) * in + i] = w[(t * in + i) * out + j];
        itd__taps_forward(&c, w, u.data);
        itd__taps_backward(&c, u.data, back.data);
        itd__taps_forward(&reverse, rotated, expected);
        CHECK(same_bits(back.data, expected, cells));
        CHECK(guard_release(&u));
        CHECK(guard_release(&back));
        free(w), free(rotated), free(expected);
    }
}

/* U = G w G^T in double precision: of nine weights, each at most once, four roundings. */
static void taps_are_transformed_weights(void)
{
    static const double g[4][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
    size_t k, f, i, s, t;
    ref_seed(22);
    for (k = 0; k < CHANNEL_COUNTS; k++) {
        size_t in = channel_counts[k], out = channel_counts[(3 * k + 1) % CHANNEL_COUNTS], pairs = in * out;
        itd__convolution c = {{4, 4, in}, {4, 4, out}, 1, 1};
        float *w = ref_normals(9 * pairs, 1), *u = ref_floats(16 * pairs);
        double *expected = ref_doubles(16 * pairs), *size = ref_doubles(16 * pairs);
        itd__taps_forward(&c, w, u);
        for (f = 0; f < 16; f++)
            for (i = 0; i < pairs; i++)
                for (s = 0; s < 3; s++)
                    for (t = 0; t < 3; t++) {
                        double term = g[f / 4][s] * w[(3 * s + t) * pairs + i] * g[f % 4][t];
                        expected[f * pairs + i] += term, size[f * pairs + i] += 4 * 0x1p-24 * fabs(term);
                    }
        for (i = 0; i < 16 * pairs; i++) size[i] *= 1 + 1e-6; /* of the roundings themselves */
        CHECK(ref_each(u, expected, 16 * pairs, 0, 0, size));
        free(w), free(u), free(expected), free(size);
    }
}

/* ---- group normalization ---- */

typedef struct norm_case { /* x and s of one image and, side by side, both */
    itd__layer row;        /* pixels down, one across */
    size_t pixels;
    size_t channels, cells;
    float *x, *s, *gamma, *beta, *dy, *dx, *ds;
    double *X, *GAMMA, *BETA, *DY;
} norm_case;

/* Numbers computed, and for each the size of the terms it is the sum of, that is, how much of it one rounding
 * of an input can change. */
typedef struct norm_result {
    double *mean, *root, *y, *du, *dgamma, *dbeta, *dx;
    double *y_size, *du_size, *dgamma_size, *dbeta_size, *dx_size;
} norm_result;

/* Columns from, from + 1, ... of the (n,all) matrix both. */
static float *part_of(const float *both, size_t n, size_t all, size_t from, size_t columns)
{
    float *part = ref_floats(n * columns);
    size_t i;
    for (i = 0; i < n; i++) memcpy(part + i * columns, both + i * all + from, columns * sizeof *part);
    return part;
}

static norm_case norm_make(size_t pixels, size_t in, size_t side, size_t groups, bool silu, double mean,
                           double spread)
{
    norm_case c;
    float *both;
    size_t i;
    memset(&c.row, 0, sizeof c.row);
    c.row.h = c.pixels = pixels, c.row.w = 1, c.row.in[0] = in, c.row.in[1] = side, c.row.groups = groups;
    c.row.epsilon = 1e-6f, c.row.silu = silu;
    c.channels = c.row.c = in + side, c.row.kept = 4 * c.channels, c.cells = pixels * c.channels;
    both = ref_normals(c.cells, spread);
    for (i = 0; i < c.cells; i++) both[i] += (float)mean;
    c.x = part_of(both, pixels, c.channels, 0, in), c.s = part_of(both, pixels, c.channels, in, side);
    c.gamma = ref_normals(c.channels, 0.3), c.beta = ref_normals(c.channels, 0.5);
    for (i = 0; i < c.channels; i++) c.gamma[i] += 1;
    c.dy = ref_normals(c.cells, 1), c.dx = ref_normals(pixels * in, 1), c.ds = ref_normals(pixels * side, 1);
    c.X = ref_widened(both, c.cells), c.GAMMA = ref_widened(c.gamma, c.channels);
    c.BETA = ref_widened(c.beta, c.channels), c.DY = ref_widened(c.dy, c.cells);
    free(both);
    return c;
}

static void norm_free(norm_case *c)
{
    free(c->x), free(c->s), free(c->gamma), free(c->beta), free(c->dy), free(c->dx), free(c->ds);
    free(c->X), free(c->GAMMA), free(c->BETA), free(c->DY);
}

static norm_result norm_result_make(const norm_case *c)
{
    norm_result r;
    r.mean = ref_doubles(c->channels), r.root = ref_doubles(c->channels);
    r.dgamma = ref_doubles(c->channels), r.dbeta = ref_doubles(c->channels);
    r.dgamma_size = ref_doubles(c->channels), r.dbeta_size = ref_doubles(c->channels);
    r.y = ref_doubles(c->cells), r.du = ref_doubles(c->cells), r.dx = ref_doubles(c->cells);
    r.y_size = ref_doubles(c->cells), r.du_size = ref_doubles(c->cells), r.dx_size = ref_doubles(c->cells);
    return r;
}

static void norm_result_free(norm_result *r)
{
    free(r->mean), free(r->root), free(r->y), free(r->du), free(r->dgamma), free(r->dbeta), free(r->dx);
    free(r->y_size), free(r->du_size), free(r->dgamma_size), free(r->dbeta_size), free(r->dx_size);
}

static size_t group_of(const norm_case *c, size_t channel) { return channel / (c->channels / c->row.groups); }

/* The average of x (cells) over each group, at each of its channels. */
static void ref_group_average(const norm_case *c, const double *x, double *average)
{
    double *sum = ref_doubles(c->row.groups);
    size_t i;
    for (i = 0; i < c->cells; i++) sum[group_of(c, i % c->channels)] += x[i];
    for (i = 0; i < c->channels; i++)
        average[i] = sum[group_of(c, i)] * (double)c->row.groups / (double)c->cells;
    free(sum);
}

static double ref_standard(const norm_case *c, const norm_result *r, size_t i)
{
    return (c->X[i] - r->mean[i % c->channels]) * r->root[i % c->channels];
}

static void ref_norm_forward(const norm_case *c, norm_result *r)
{
    double *square = ref_doubles(c->cells);
    size_t i, j;
    ref_group_average(c, c->X, r->mean);
    for (i = 0; i < c->cells; i++)
        square[i] = (c->X[i] - r->mean[i % c->channels]) * (c->X[i] - r->mean[i % c->channels]);
    ref_group_average(c, square, r->root);
    for (j = 0; j < c->channels; j++) r->root[j] = 1 / sqrt(r->root[j] + (double)c->row.epsilon);
    for (i = 0; i < c->cells; i++) {
        double u;
        j = i % c->channels;
        u = c->GAMMA[j] * ref_standard(c, r, i) + c->BETA[j];
        r->y[i] = c->row.silu ? ref_silu(u) : u;
        r->y_size[i] = fabs(c->GAMMA[j]) * (fabs(c->X[i]) + fabs(r->mean[j])) * r->root[j] + fabs(c->BETA[j]);
    }
    free(square);
}

/* After forward. With dh = gamma du: dx = (dh - avg dh - h avg(dh h)) / sqrt(var + epsilon). */
static void ref_norm_backward(const norm_case *c, norm_result *r)
{
    double *dh = ref_doubles(c->cells), *dhh = ref_doubles(c->cells), *part = ref_doubles(4 * c->channels);
    double *mean = part, *slope = mean + c->channels, *mean_size = slope + c->channels;
    double *slope_size = mean_size + c->channels, *dh_size = ref_doubles(c->cells),
           *dhh_size = ref_doubles(c->cells);
    size_t i, j;
    for (i = 0; i < c->cells; i++) {
        double h = ref_standard(c, r, i), reach, u;
        j = i % c->channels, reach = (fabs(c->X[i]) + fabs(r->mean[j])) * r->root[j];
        u = c->GAMMA[j] * h + c->BETA[j];
        r->du[i] = c->DY[i] * (c->row.silu ? ref_silu_slope(u) : 1);
        r->du_size[i] = fabs(c->DY[i]) * (c->row.silu ? 1 + r->y_size[i] : 1);
        r->dgamma[j] += r->du[i] * h, r->dbeta[j] += r->du[i];
        r->dgamma_size[j] += r->du_size[i] * reach, r->dbeta_size[j] += r->du_size[i];
        dh[i] = c->GAMMA[j] * r->du[i], dhh[i] = dh[i] * h;
        dh_size[i] = fabs(c->GAMMA[j]) * r->du_size[i], dhh_size[i] = dh_size[i] * reach;
    }
    ref_group_average(c, dh, mean), ref_group_average(c, dhh, slope);
    ref_group_average(c, dh_size, mean_size), ref_group_average(c, dhh_size, slope_size);
    for (i = 0; i < c->cells; i++) {
        double h = ref_standard(c, r, i), reach;
        j = i % c->channels, reach = (fabs(c->X[i]) + fabs(r->mean[j])) * r->root[j];
        r->dx[i] = r->root[j] * (dh[i] - mean[j] - h * slope[j]);
        r->dx_size[i] = r->root[j] *
                        (dh_size[i] + mean_size[j] + fabs(h) * slope_size[j] + reach * fabs(slope[j]));
    }
    free(dh), free(dhh), free(part), free(dh_size), free(dhh_size);
}

static double *wide_part(const double *both, size_t n, size_t all, size_t from, size_t columns)
{
    double *part = ref_doubles(n * columns);
    size_t i;
    for (i = 0; i < n; i++) memcpy(part + i * columns, both + i * all + from, columns * sizeof *part);
    return part;
}

/* The gradient by one of the two inputs. */
static bool norm_input_agrees(const norm_case *c, const norm_result *r, bool side, guarded *g, bool ordinary)
{
    size_t from = side ? c->row.in[0] : 0, columns = side ? c->row.in[1] : c->row.in[0];
    double *added = wide_part(r->dx, c->pixels, c->channels, from, columns);
    double *size = wide_part(r->dx_size, c->pixels, c->channels, from, columns);
    const float *before = side ? c->ds : c->dx;
    bool ok = ordinary && columns > 0 ? agrees_closely(g, before, added, size, 0)
                                      : agrees(g, before, added, size, 0);
    free(added), free(size);
    return guard_release(g) && ok;
}

/* Kept: mean, 1/deviation, scale, shift of each channel; dkept: dgamma, dbeta, and two more. */
static itd__operands norm_operands(const norm_case *c, float *kept, float *dkept)
{
    itd__operands o = work_operands(&c->row, 1, 0);
    o.x[0] = c->x, o.x[1] = c->s, o.w = c->gamma, o.b = c->beta, o.kept = kept, o.dkept = dkept;
    o.dy = c->dy, o.dx[0] = c->dx, o.dx[1] = c->ds;
    return o;
}

/* Ordinary cases are those that are not ill-conditioned: there all is within the tolerance. */
static void norm_case_check(const norm_case *c, bool ordinary)
{
    bool (*const compare)(const guarded *, const float *, const double *, const double *,
                          double) = ordinary ? agrees_closely : agrees;
    norm_result r = norm_result_make(c);
    guarded kept = guard(NULL, 4 * c->channels, 1), y = guard(NULL, c->cells, 2);
    guarded dy = guard(c->dy, c->cells, 3), dkept = guard(NULL, 4 * c->channels, 1), part;
    guarded dx = guard(c->dx, c->pixels * c->row.in[0], 1), ds = guard(c->ds, c->pixels * c->row.in[1], 2);
    itd__operands o = norm_operands(c, kept.data, dkept.data);
    bool ok;
    ref_norm_forward(c, &r), ref_norm_backward(c, &r);
    o.y = y.data;
    itd__norm_forward(&o);
    ok = CHECK(compare(&y, NULL, r.y, r.y_size, 0));
    o.dy = dy.data, o.dx[0] = dx.data, o.dx[1] = ds.data;
    itd__norm_backward(&o);
    ok = CHECK(compare(&dy, NULL, r.du, r.du_size, 0)) && ok;
    part = guard(dkept.data, c->channels, 0);
    ok = CHECK(compare(&part, NULL, r.dgamma, r.dgamma_size, 0)) && ok;
    guard_release(&part);
    part = guard(dkept.data + c->channels, c->channels, 0);
    ok = CHECK(compare(&part, NULL, r.dbeta, r.dbeta_size, 0)) && ok;
    guard_release(&part);
    ok = CHECK(norm_input_agrees(c, &r, false, &dx, ordinary)) && ok;
    ok = CHECK(norm_input_agrees(c, &r, true, &ds, ordinary)) && ok;
    ok = CHECK(guard_release(&kept)) && CHECK(guard_release(&y)) && ok;
    ok = CHECK(guard_release(&dy)) && CHECK(guard_release(&dkept)) && ok;
    if (!ok)
        printf("  pixels %lu in %lu side %lu groups %lu silu %d\n", number(c->pixels), number(c->row.in[0]),
               number(c->row.in[1]), number(c->row.groups), c->row.silu);
    norm_result_free(&r);
}

static void norm_check(size_t pixels, size_t in, size_t side, size_t groups, double mean, double spread,
                       bool ordinary)
{
    size_t silu;
    for (silu = 0; silu < 2; silu++) {
        norm_case c = norm_make(pixels, in, side, groups, silu != 0, mean, spread);
        norm_case_check(&c, ordinary);
        norm_free(&c);
    }
}

/* One input or two, groups of one channel, of all, and such that straddle the two inputs. */
static const size_t norm_shapes[][3] = {{1, 0, 1},   {3, 0, 3},   {5, 0, 1},    {16, 0, 4},  {17, 0, 1},
                                        {33, 0, 11}, {48, 0, 16}, {64, 0, 64},  {1, 1, 1},   {5, 7, 4},
                                        {17, 16, 3}, {33, 15, 4}, {16, 48, 16}, {3, 61, 32}, {17, 5, 22}};
enum { NORM_SHAPES = sizeof norm_shapes / sizeof *norm_shapes };
static const size_t norm_pixels[] = {1, 2, 4, 9, 15, 64, 63};

static void norm_of_all_shapes(void)
{
    size_t i, k;
    ref_seed(8);
    for (i = 0; i < NORM_SHAPES; i++)
        for (k = 0; k < 7; k++) {
            const size_t *shape = norm_shapes[i];
            size_t group = norm_pixels[k] * (shape[0] + shape[1]) / shape[2];
            norm_check(norm_pixels[k], shape[0], shape[1], shape[2], 0.3, 1, group > 4);
        }
}

/* Variance 1e-8 beside epsilon 1e-6. */
static void norm_of_tiny_variance(void)
{
    size_t i;
    ref_seed(9);
    for (i = 0; i < NORM_SHAPES; i++) {
        const size_t *shape = norm_shapes[i];
        norm_check(63, shape[0], shape[1], shape[2], 0, 1e-4, true);
        norm_check(9, shape[0], shape[1], shape[2], 0, 1e-3, true);
    }
}

/* Where x holds few digits of what matters, the result may lose as much as one rounding of x changes. */
static void norm_of_large_mean_or_no_spread(void)
{
    size_t i;
    ref_seed(10);
    for (i = 0; i < NORM_SHAPES; i++) {
        const size_t *shape = norm_shapes[i];
        norm_check(64, shape[0], shape[1], shape[2], 1000, 1, false);
        norm_check(64, shape[0], shape[1], shape[2], -1000, 0.1, false);
        norm_check(15, shape[0], shape[1], shape[2], 0.7, 0, false);
        norm_check(64, shape[0], shape[1], shape[2], 1.1, 0, false);
        norm_check(4, shape[0], shape[1], shape[2], 0, 0, false);
    }
}

/* Added up one by one, equal numbers are all rounded to the same side. */
static void norm_of_many_equal_pixels(void)
{
    ref_seed(20);
    norm_check(1024, 5, 7, 4, 1.1, 0, false);
    norm_check(1024, 16, 0, 16, 1000, 1, false);
}

static double norm_sum(const void *context)
{
    const norm_case *c = (const norm_case *)context;
    norm_result r = norm_result_make(c);
    double sum = 0;
    size_t i;
    ref_norm_forward(c, &r);
    for (i = 0; i < c->cells; i++) sum += r.y[i] * c->DY[i];
    norm_result_free(&r);
    return sum;
}

static void norm_reference_has_the_slope_of_its_forward(void)
{
    size_t silu;
    ref_seed(11);
    for (silu = 0; silu < 2; silu++) {
        norm_case c = norm_make(5, 4, 2, 2, silu != 0, 0.3, 1);
        norm_result r = norm_result_make(&c);
        ref_norm_forward(&c, &r), ref_norm_backward(&c, &r);
        CHECK(has_slope(c.X, r.dx, c.cells, 1e-5, norm_sum, &c, 1e-8));
        CHECK(has_slope(c.GAMMA, r.dgamma, c.channels, 1e-5, norm_sum, &c, 1e-8));
        CHECK(has_slope(c.BETA, r.dbeta, c.channels, 1e-5, norm_sum, &c, 1e-8));
        norm_result_free(&r), norm_free(&c);
    }
}

/* The gradients of gamma and beta are sums over images, on top of what was there. */
static void norm_gradient_adds_images(void)
{
    enum { IMAGES = 5, C = 3 };
    itd__layer row = ITD__ZERO;
    float *dkept, *before;
    guarded dw;
    itd__operands o;
    size_t i, k, wrong = 0;
    ref_seed(12);
    row.h = row.w = 1, row.in[0] = row.c = C, row.kept = 4 * C;
    dkept = ref_normals(IMAGES * 4 * C, 1), before = ref_normals(2 * C, 1), dw = guard(before, 2 * C, 1);
    o = work_operands(&row, IMAGES, 0);
    o.dkept = dkept, o.dw = dw.data, o.db = dw.data + C;
    itd__norm_gradient(&o, 0, 1);
    for (k = 0; k < 2 * C; k++) {
        float sum = before[k];
        for (i = 0; i < IMAGES; i++) sum += dkept[4 * C * i + k];
        wrong += !same_bits(&sum, &dw.data[k], 1);
    }
    CHECK(wrong == 0);
    CHECK(guard_release(&dw));
    free(dkept), free(before);
}

/* One NaN spoils its group, and no other. */
static void norm_does_not_swallow_nan(void)
{
    enum { PIXELS = 6, IN = 17, SIDE = 16, ALL = IN + SIDE, GROUPS = 3 };
    size_t channel, i, silu;
    for (silu = 0; silu < 2; silu++)
        for (channel = 0; channel < ALL; channel++) {
            float kept[4 * ALL], dkept[4 * ALL], y[PIXELS * ALL], *at;
            norm_case c = norm_make(PIXELS, IN, SIDE, GROUPS, silu != 0, 0, 1);
            itd__operands o = norm_operands(&c, kept, dkept);
            size_t wrong = 0;
            at = channel < IN ? c.x + 3 * IN + channel : c.s + 3 * SIDE + channel - IN;
            *at = NAN, o.y = y;
            itd__norm_forward(&o);
            for (i = 0; i < c.cells; i++)
                wrong += (isnan(y[i]) != 0) != (group_of(&c, i % ALL) == group_of(&c, channel));
            *at = 1;
            itd__norm_forward(&o);
            c.dy[2 * ALL + channel] = NAN;
            itd__norm_backward(&o);
            for (i = 0; i < c.cells; i++) {
                size_t pixel = i / ALL, k = i % ALL;
                float d = k < IN ? c.dx[pixel * IN + k] : c.ds[pixel * SIDE + k - IN];
                wrong += (isnan(d) != 0) != (group_of(&c, k) == group_of(&c, channel));
            }
            for (i = 0; i < 2 * ALL; i++) wrong += (isnan(dkept[i]) != 0) != (i % ALL == channel);
            CHECK(wrong == 0);
            norm_free(&c);
        }
}

/* ---- a shift for all pixels, four pixels for one ---- */

static void shift_adds_to_every_pixel(void)
{
    size_t k, pixels, i;
    ref_seed(13);
    for (k = 0; k < CHANNEL_COUNTS; k++)
        for (pixels = 1; pixels <= 9; pixels += 4) {
            size_t channels = channel_counts[k], n = pixels * channels, wrong = 0;
            float *x = ref_normals(n, 1), *t = ref_normals(channels, 1);
            guarded y = guard(NULL, n, k % 4);
            itd__layer row = ITD__ZERO;
            itd__operands o;
            row.h = pixels, row.w = 1, row.c = channels;
            x[n / 2] = NAN;
            o = work_operands(&row, 1, 0);
            o.x[0] = x, o.x[1] = t, o.y = y.data;
            itd__shift_forward(&o);
            for (i = 0; i < n; i++) {
                float sum = x[i] + t[i % channels];
                if (!(i == n / 2 ? isnan(y.data[i]) : same_bits(&sum, y.data + i, 1))) wrong++;
            }
            CHECK(wrong == 0);
            CHECK(guard_release(&y));
            free(x), free(t);
        }
}

/* Pixel (y,x) of the large image is (y/2,x/2) of the small one; both directions. */
static void upsample_check(size_t n, size_t h, size_t w, size_t c)
{
    size_t small = n * h * w * c, large = 4 * small, i, wrong = 0;
    float *x = ref_normals(small, 1), *dy = ref_normals(large, 1), *before = ref_normals(small, 1);
    double *added = ref_doubles(small), *size = ref_doubles(small), back = 0;
    guarded y = guard(NULL, large, 1), dx = guard(before, small, 2);
    itd__layer row_of = ITD__ZERO;
    itd__operands o;
    row_of.h = 2 * h, row_of.w = 2 * w, row_of.c = c;
    o = work_operands(&row_of, n, 0);
    o.x[0] = x, o.y = y.data, o.dy = dy, o.dx[0] = dx.data;
    itd__upsample_forward(&o);
    itd__upsample_backward(&o);
    for (i = 0; i < large; i++) {
        size_t image = i / (4 * h * w * c), row = i / (2 * w * c) % (2 * h), column = i / c % (2 * w);
        size_t at = ((image * h + row / 2) * w + column / 2) * c + i % c;
        wrong += !same_bits(x + at, y.data + i, 1);
        added[at] += dy[i], size[at] += fabs((double)dy[i]);
    }
    CHECK(wrong == 0);
    CHECK(agrees_closely(&dx, before, added, size, 0));
    for (i = 0; i < small; i++) back += ((double)dx.data[i] - before[i]) * x[i];
    CHECK_CLOSE(back, dot(dy, y.data, large), 1e-6 * (length(dy, large) * length(y.data, large) + 1));
    dy[large - 1] = x[0] = NAN;
    itd__upsample_forward(&o);
    itd__upsample_backward(&o);
    CHECK(count_nan(y.data, large) == 4 && isnan(y.data[0]) && isnan(y.data[c]));
    CHECK(count_nan(dx.data, small) == 1 && isnan(dx.data[small - 1]));
    CHECK(guard_release(&y));
    CHECK(guard_release(&dx));
    free(x), free(dy), free(before), free(added), free(size);
}

static void upsample_both_ways(void)
{
    size_t size, k;
    ref_seed(14);
    for (size = 0; size < IMAGE_SIZES; size++)
        for (k = 0; k < CHANNEL_COUNTS; k++)
            upsample_check(1 + (size + k) % 5, image_sizes[size][0], image_sizes[size][1], channel_counts[k]);
}

/* ---- attention ---- */

typedef struct attention_case {
    size_t tokens, channels, heads, nx, np;
    itd__layer scores, attend;
    float *q, *k, *v, *dp, *dy, *dq, *dk, *dv;
    double *Q, *K, *V, *P, *DP, *DY;
} attention_case;

/* `spread` is that of the scores. */
static attention_case attention_make(size_t tokens, size_t channels, size_t heads, double spread)
{
    attention_case c;
    size_t nx = c.nx = tokens * channels, np = c.np = heads * tokens * tokens;
    memset(&c.scores, 0, sizeof c.scores), memset(&c.attend, 0, sizeof c.attend);
    c.tokens = c.scores.tokens = c.attend.tokens = tokens;
    c.heads = c.scores.heads = c.attend.heads = heads;
    c.channels = c.scores.in[0] = c.attend.c = channels;
    c.q = ref_normals(nx, sqrt(spread)), c.k = ref_normals(nx, sqrt(spread)), c.v = ref_normals(nx, 1);
    c.dp = ref_normals(np, 1), c.dy = ref_normals(nx, 1);
    c.dq = ref_normals(nx, 1), c.dk = ref_normals(nx, 1), c.dv = ref_normals(nx, 1);
    c.Q = ref_widened(c.q, nx), c.K = ref_widened(c.k, nx), c.V = ref_widened(c.v, nx);
    c.DP = ref_widened(c.dp, np), c.DY = ref_widened(c.dy, nx), c.P = ref_doubles(np);
    return c;
}

static void attention_free(attention_case *c)
{
    free(c->q), free(c->k), free(c->v), free(c->dp), free(c->dy), free(c->dq), free(c->dk), free(c->dv);
    free(c->Q), free(c->K), free(c->V), free(c->P), free(c->DP), free(c->DY);
}

/* Element of P for query i and key j of a head; of Q, K, V for a token's channel c of a head. */
static size_t at_p(const attention_case *c, size_t head, size_t i, size_t j)
{
    return (head * c->tokens + i) * c->tokens + j;
}

static size_t at_x(const attention_case *c, size_t head, size_t token, size_t channel)
{
    return token * c->channels + head * (c->channels / c->heads) + channel;
}

/* P, and the relative error of each that one of size 1 in all terms of the scores makes. */
static void ref_scores_forward(const attention_case *c, double *p, double *size)
{
    size_t d = c->channels / c->heads, head, i, j, k;
    for (head = 0; head < c->heads; head++)
        for (i = 0; i < c->tokens; i++) {
            double most = -INFINITY, sum = 0, largest = 0;
            for (j = 0; j < c->tokens; j++) {
                double score = 0, terms = 0;
                for (k = 0; k < d; k++) {
                    double term = c->Q[at_x(c, head, i, k)] * c->K[at_x(c, head, j, k)] / sqrt((double)d);
                    score += term, terms += fabs(term);
                }
                p[at_p(c, head, i, j)] = score;
                most = fmax(most, score), largest = fmax(largest, terms);
            }
            for (j = 0; j < c->tokens; j++)
                sum += p[at_p(c, head, i, j)] = exp(p[at_p(c, head, i, j)] - most);
            for (j = 0; j < c->tokens; j++) p[at_p(c, head, i, j)] /= sum;
            for (j = 0; size && j < c->tokens; j++) /* and of numbers below the normal range */
                size[at_p(c, head, i, j)] = p[at_p(c, head, i, j)] * (1 + 2 * largest) + 1e-30;
        }
}

/* By the derivative of each p by each score: dp_j/ds_k = p_j ((j = k) - p_k). */
static void ref_scores_backward(const attention_case *c, const double *dp, double *dq, double *dk)
{
    size_t d = c->channels / c->heads, head, i, j, k;
    for (head = 0; head < c->heads; head++)
        for (i = 0; i < c->tokens; i++)
            for (k = 0; k < c->tokens; k++) {
                double ds = 0;
                for (j = 0; j < c->tokens; j++) {
                    double delta = (j == k) - c->P[at_p(c, head, i, k)];
                    ds += dp[at_p(c, head, i, j)] * c->P[at_p(c, head, i, j)] * delta;
                }
                ds /= sqrt((double)d);
                for (j = 0; j < d; j++) {
                    dq[at_x(c, head, i, j)] += ds * c->K[at_x(c, head, k, j)];
                    dk[at_x(c, head, k, j)] += ds * c->Q[at_x(c, head, i, j)];
                }
            }
}

static void ref_attend_forward(const attention_case *c, double *y)
{
    size_t d = c->channels / c->heads, head, i, j, k;
    for (head = 0; head < c->heads; head++)
        for (i = 0; i < c->tokens; i++)
            for (k = 0; k < d; k++) {
                double sum = 0;
                for (j = 0; j < c->tokens; j++) sum += c->P[at_p(c, head, i, j)] * c->V[at_x(c, head, j, k)];
                y[at_x(c, head, i, k)] = sum;
            }
}

static void ref_attend_backward(const attention_case *c, double *dp, double *dv)
{
    size_t d = c->channels / c->heads, head, i, j, k;
    for (head = 0; head < c->heads; head++)
        for (i = 0; i < c->tokens; i++)
            for (j = 0; j < c->tokens; j++)
                for (k = 0; k < d; k++) {
                    dp[at_p(c, head, i, j)] += c->DY[at_x(c, head, i, k)] * c->V[at_x(c, head, j, k)];
                    dv[at_x(c, head, j, k)] += c->DY[at_x(c, head, i, k)] * c->P[at_p(c, head, i, j)];
                }
}

static void scores_forward(const attention_case *c, float *p)
{
    itd__operands o = work_operands(&c->scores, 1, 0);
    o.x[0] = c->q, o.x[1] = c->k, o.y = p;
    itd__scores_forward(&o);
}

static void scores_backward(const attention_case *c, float *dp, float *p, float *dq, float *dk)
{
    itd__operands o = work_operands(&c->scores, 1, 0);
    o.x[0] = c->q, o.x[1] = c->k, o.y = p, o.dy = dp, o.dx[0] = dq, o.dx[1] = dk;
    itd__scores_backward(&o);
}

static void attend_forward(const attention_case *c, const float *p, float *y)
{
    itd__operands o = work_operands(&c->attend, 1, 0);
    o.x[0] = p, o.x[1] = c->v, o.y = y;
    itd__attend_forward(&o);
}

static void attend_backward(const attention_case *c, const float *p, float *dp, float *dv)
{
    itd__operands o = work_operands(&c->attend, 1, 0);
    o.x[0] = p, o.x[1] = c->v, o.dy = c->dy, o.dx[0] = dp, o.dx[1] = dv;
    itd__attend_backward(&o);
}

/* The weights, which then are the reference's for all that follows: rounded once, p. */
static bool scores_forward_agrees(attention_case *c, float *p)
{
    double *size = ref_doubles(c->np), worst = 0;
    guarded g = guard(NULL, c->np, 1);
    size_t i, j;
    bool ok;
    ref_scores_forward(c, c->P, size);
    scores_forward(c, g.data);
    ok = agrees(&g, NULL, c->P, size, 0);
    for (i = 0; i < c->heads * c->tokens; i++) {
        double sum = 0;
        for (j = 0; j < c->tokens; j++) sum += g.data[i * c->tokens + j];
        if (!(fabs(sum - 1) <= worst)) worst = fabs(sum - 1);
    }
    ok = worst <= 1e-6 && ok;
    ok = guard_release(&g) && ok;
    for (i = 0; i < c->np; i++) c->P[i] = p[i] = (float)c->P[i];
    free(size);
    return ok;
}

/* ds is of size p, so what its rounding makes of dq is bounded by the largest numbers that meet. */
static bool scores_backward_agrees(const attention_case *c, float *p)
{
    double *dq = ref_doubles(c->nx), *dk = ref_doubles(c->nx);
    double size = 4 * sqrt((double)c->tokens) * ref_norm(c->Q, c->nx) / sqrt((double)c->nx);
    guarded dp = guard(c->dp, c->np, 1), gq = guard(c->dq, c->nx, 2), gk = guard(c->dk, c->nx, 3);
    bool ok, moves = c->tokens > 1;
    ref_scores_backward(c, c->DP, dq, dk);
    scores_backward(c, dp.data, p, gq.data, gk.data);
    ok = moves ? agrees_closely(&gq, c->dq, dq, NULL, size) : agrees(&gq, c->dq, dq, NULL, size);
    ok = (moves ? agrees_closely(&gk, c->dk, dk, NULL, size) : agrees(&gk, c->dk, dk, NULL, size)) && ok;
    ok = guard_release(&dp) && ok;
    ok = guard_release(&gq) && ok;
    ok = guard_release(&gk) && ok;
    free(dq), free(dk);
    return ok;
}

static bool attend_agrees(const attention_case *c, const float *p)
{
    double *expected = ref_doubles(c->nx), *dp = ref_doubles(c->np), *dv = ref_doubles(c->nx);
    guarded y = guard(NULL, c->nx, 1), gp = guard(c->dp, c->np, 2), gv = guard(c->dv, c->nx, 3);
    bool ok;
    ref_attend_forward(c, expected), ref_attend_backward(c, dp, dv);
    attend_forward(c, p, y.data);
    attend_backward(c, p, gp.data, gv.data);
    ok = agrees_closely(&y, NULL, expected, NULL, 1);
    ok = agrees_closely(&gp, c->dp, dp, NULL, 4 * sqrt((double)(c->channels / c->heads))) && ok;
    ok = agrees_closely(&gv, c->dv, dv, NULL, 4) && ok;
    ok = guard_release(&y) && ok;
    ok = guard_release(&gp) && ok;
    ok = guard_release(&gv) && ok;
    free(expected), free(dp), free(dv);
    return ok;
}

static void attention_check(size_t tokens, size_t channels, size_t heads, double spread)
{
    attention_case c = attention_make(tokens, channels, heads, spread);
    float *p = ref_floats(c.np);
    bool ok = CHECK(scores_forward_agrees(&c, p));
    ok = CHECK(scores_backward_agrees(&c, p)) && ok;
    ok = CHECK(attend_agrees(&c, p)) && ok;
    ok = CHECK(work_holds()) && ok;
    if (!ok)
        printf("  tokens %lu channels %lu heads %lu spread %g\n", number(tokens), number(channels),
               number(heads), spread);
    free(p);
    attention_free(&c);
}

static void attention_of_all_sizes(void)
{
    static const size_t tokens[] = {1, 2, 3, 4, 15, 16, 17, 33, 49, 64};
    static const size_t widths[][2] = {{1, 1}, {3, 1}, {5, 5}, {16, 4}, {17, 1}, {33, 3}, {48, 2}, {64, 4}};
    size_t i, k;
    ref_seed(15);
    for (i = 0; i < sizeof tokens / sizeof *tokens; i++)
        for (k = 0; k < sizeof widths / sizeof *widths; k++)
            if (tokens[i] < 49 || k % 3 == 1) attention_check(tokens[i], widths[k][0], widths[k][1], 1);
}

static void attention_of_large_scores(void)
{
    ref_seed(16);
    attention_check(17, 16, 2, 30);
    attention_check(9, 33, 3, 100);
    attention_check(16, 16, 1, 100);
    attention_check(1, 5, 1, 1e4);
}

/* All scores 1e5 or -1e5, or almost all: exp of them is nothing a float holds. */
static void softmax_does_not_overflow(void)
{
    enum { TOKENS = 19 };
    attention_case c = attention_make(TOKENS, 1, 1, 1);
    float p[TOKENS * TOKENS];
    size_t i, mode;
    for (mode = 0; mode < 4; mode++) {
        for (i = 0; i < TOKENS; i++) c.q[i] = mode & 1 ? -1000.0f : 1000.0f, c.k[i] = 100;
        if (mode & 2) c.k[7] = -100;
        scores_forward(&c, p);
        for (i = 0; i < TOKENS * TOKENS; i++) {
            double one = i % TOKENS == 7, expected = 1.0 / TOKENS;
            if (mode & 2) expected = mode & 1 ? one : (1 - one) / (TOKENS - 1);
            CHECK_CLOSE(p[i], expected, 1e-7);
        }
    }
    attention_free(&c);
}

static double attention_sum(const void *context)
{
    const attention_case *c = (const attention_case *)context;
    attention_case copy = *c;
    double *y = ref_doubles(c->nx), sum = 0;
    size_t i;
    copy.P = ref_doubles(c->np);
    ref_scores_forward(c, copy.P, NULL);
    ref_attend_forward(&copy, y);
    for (i = 0; i < c->nx; i++) sum += y[i] * c->DY[i];
    free(y), free(copy.P);
    return sum;
}

static void attention_reference_has_the_slope_of_its_forward(void)
{
    attention_case c;
    double *dp, *dq, *dk, *dv;
    ref_seed(17);
    c = attention_make(5, 6, 2, 1);
    dp = ref_doubles(c.np), dq = ref_doubles(c.nx), dk = ref_doubles(c.nx), dv = ref_doubles(c.nx);
    ref_scores_forward(&c, c.P, NULL);
    ref_attend_backward(&c, dp, dv);
    ref_scores_backward(&c, dp, dq, dk);
    CHECK(has_slope(c.Q, dq, c.nx, 1e-5, attention_sum, &c, 1e-8));
    CHECK(has_slope(c.K, dk, c.nx, 1e-5, attention_sum, &c, 1e-8));
    CHECK(has_slope(c.V, dv, c.nx, 1e-5, attention_sum, &c, 1e-8));
    free(dp), free(dq), free(dk), free(dv);
    attention_free(&c);
}

/* A NaN in q spoils its row of p, one in k all of its head; one in v its channel. */
static void attention_does_not_swallow_nan(void)
{
    enum { TOKENS = 9, CHANNELS = 10, HEADS = 2, CELLS = TOKENS * TOKENS };
    size_t token, i, wrong;
    ref_seed(18);
    for (token = 0; token < TOKENS; token++) {
        attention_case c = attention_make(TOKENS, CHANNELS, HEADS, 1);
        float p[HEADS * CELLS], y[TOKENS * CHANNELS], saved = c.q[token * CHANNELS];
        c.q[token * CHANNELS] = NAN;
        scores_forward(&c, p);
        for (i = wrong = 0; i < HEADS * CELLS; i++) wrong += (isnan(p[i]) != 0) != (i / TOKENS == token);
        CHECK(wrong == 0);
        c.q[token * CHANNELS] = saved, saved = c.k[(token + 1) * CHANNELS - 1];
        c.k[(token + 1) * CHANNELS - 1] = NAN;
        scores_forward(&c, p);
        CHECK(count_nan(p, CELLS) == 0 && count_nan(p + CELLS, CELLS) == CELLS);
        c.k[(token + 1) * CHANNELS - 1] = saved;
        scores_forward(&c, p);
        CHECK(count_nan(p, HEADS * CELLS) == 0);
        c.v[token * CHANNELS + 6] = NAN;
        attend_forward(&c, p, y);
        for (i = wrong = 0; i < TOKENS * CHANNELS; i++) wrong += (isnan(y[i]) != 0) != (i % CHANNELS == 6);
        CHECK(wrong == 0);
        c.dp[CELLS + token * TOKENS + 3] = NAN;
        scores_backward(&c, c.dp, p, c.dq, c.dk);
        for (i = wrong = 0; i < TOKENS * CHANNELS; i++)
            wrong += (isnan(c.dq[i]) != 0) != (i / CHANNELS == token && i % CHANNELS >= 5) ||
                     (isnan(c.dk[i]) != 0) != (i % CHANNELS >= 5);
        CHECK(wrong == 0);
        attention_free(&c);
    }
}

/* ---- kernels that go by columns, against their plain versions ---- */

typedef struct columns_case { /* rows of a and out are stride floats apart, those of b columns */
    size_t n, columns, stride;
    const float *a, *b, *factor[3];
} columns_case;

typedef void (*columns_kernel)(const itd__kernels *k, const columns_case *c, float *out);

static void run_add(const itd__kernels *k, const columns_case *c, float *out)
{
    if (c->n > 0) k->add(c->factor[0], c->factor[1], c->columns, out);
}

static void run_sums(const itd__kernels *k, const columns_case *c, float *out)
{
    k->column_sums(c->a, c->stride, NULL, c->n, c->columns, out);
}

static void run_squares(const itd__kernels *k, const columns_case *c, float *out)
{
    k->column_sums(c->b, c->columns, c->factor[0], c->n, c->columns, out);
}

/* The sums of du, or of du x, in the first row of out. */
static void run_gradient_sums(const itd__kernels *k, const columns_case *c, bool silu, bool by_x, float *out)
{
    float *dy = ref_copy(c->a, c->n * c->stride), *other = ref_floats(c->columns);
    k->affine_backward(dy, c->stride, c->b, c->factor[0], c->factor[1], c->n, c->columns, silu,
                       by_x ? other : out, by_x ? out : other);
    free(dy), free(other);
}

static void run_sums_of_du(const itd__kernels *k, const columns_case *c, float *out)
{
    run_gradient_sums(k, c, true, false, out);
}

static void run_products(const itd__kernels *k, const columns_case *c, float *out)
{
    run_gradient_sums(k, c, false, true, out);
}

static void run_affine(const itd__kernels *k, const columns_case *c, float *out)
{
    k->affine(c->b, c->factor[0], c->factor[1], c->n, c->columns, false, out, c->stride);
}

static void run_affine_silu(const itd__kernels *k, const columns_case *c, float *out)
{
    k->affine(c->b, c->factor[0], c->factor[1], c->n, c->columns, true, out, c->stride);
}

static void run_affine_backward(const itd__kernels *k, const columns_case *c, float *out)
{
    float *sums = ref_floats(2 * c->columns);
    k->affine_backward(out, c->stride, c->b, c->factor[0], c->factor[1], c->n, c->columns, true, sums,
                       sums + c->columns);
    free(sums);
}

static void run_combine(const itd__kernels *k, const columns_case *c, float *out)
{
    k->combine(c->a, c->stride, c->b, c->factor, c->n, c->columns, out);
}

static const struct {
    const char *name;
    columns_kernel run;
} columns_kernels[] = {{"add", run_add},
                       {"column_sums", run_sums},
                       {"column_sums of squares", run_squares},
                       {"affine_backward's sums", run_sums_of_du},
                       {"affine_backward's products", run_products},
                       {"affine", run_affine},
                       {"affine with SiLU", run_affine_silu},
                       {"affine_backward", run_affine_backward},
                       {"combine", run_combine}};
enum { COLUMNS_KERNELS = sizeof columns_kernels / sizeof *columns_kernels };

/* Every number is a sum of at most n + 3 terms of size 1 to 16, whose order is the same in all versions; what
 * differs is that some multiply and add with one rounding. Columns that do not exist stay what they are. */
static void columns_check(size_t kernel, const columns_case *c)
{
    size_t size = (c->n + 1) * c->stride, i;
    float *start = ref_normals(size, 1), *expected = ref_copy(start, size);
    double *wide;
    guarded out = guard(start, size, c->columns % 4);
    bool ok;
    columns_kernels[kernel].run(&itd__kernels_plain, c, expected);
    columns_kernels[kernel].run(itd__fast(), c, out.data);
    wide = ref_widened(expected, size);
    ok = CHECK(ref_each(out.data, wide, size, 1e-6, 1e-6 * (double)(c->n + 3), NULL));
    for (i = 0; i < size; i++) /* sums go to the first row, of which others are left alone */
        if (kernel != COLUMNS_KERNELS - 1 && i % c->stride >= c->columns)
            ok = CHECK(same_bits(out.data + i, start + i, 1)) && ok;
    ok = CHECK(guard_release(&out)) && ok;
    if (!ok)
        printf("  %s n %lu columns %lu stride %lu\n", columns_kernels[kernel].name, number(c->n),
               number(c->columns), number(c->stride));
    free(start), free(expected), free(wide);
}

static void columns_agree_with_the_plain_version(void)
{
    size_t columns, n, kernel, i;
    ref_seed(19);
    for (columns = 0; columns <= 67; columns++)
        for (n = 0; n <= 13; n += n < 2 ? 1 : 11) {
            columns_case c;
            float *a, *b, *factor[3];
            c.n = n, c.columns = columns, c.stride = columns + (columns + n) % 4;
            c.a = a = ref_normals(n * c.stride, 1), c.b = b = ref_normals(n * columns, 1);
            for (i = 0; i < 3; i++) c.factor[i] = factor[i] = ref_normals(columns, 1);
            for (kernel = 0; kernel < COLUMNS_KERNELS; kernel++) columns_check(kernel, &c);
            free(a), free(b), free(factor[0]), free(factor[1]), free(factor[2]);
        }
}

/* u far to either side of 0: SiLU ends at u or 0, its slope at 1 or 0; no overflow in between is a NaN. */
static void affine_of_large_numbers(void)
{
    static const float far_away[8] = {88, -88, 90, -90, 1000, -1000, 1e30f, -1e30f};
    float one[8], zero[8] = {0}, y[8], dy[8], sums[16] = {0};
    size_t i;
    for (i = 0; i < 8; i++) one[i] = 1, dy[i] = 2;
    itd__fast()->affine(far_away, one, zero, 1, 8, true, y, 8);
    itd__fast()->affine_backward(dy, 8, far_away, one, zero, 1, 8, true, sums, sums + 8);
    for (i = 0; i < 8; i++) {
        CHECK_CLOSE(y[i], fmax(far_away[i], 0), 1e-30);
        CHECK_CLOSE(dy[i], far_away[i] > 0 ? 2 : 0, 1e-30);
    }
}

static void all_tests(void)
{
    RUN(conv_of_all_sizes);
    RUN(large_conv);
    RUN(conv_of_whole_numbers_is_exact);
    RUN(conv_of_many_channels_is_winograds);
    RUN(conv_is_cross_correlation);
    RUN(conv_does_not_swallow_nan);
    RUN(taps_back_are_those_of_rotated_weights);
    RUN(taps_are_transformed_weights);
    RUN(norm_of_all_shapes);
    RUN(norm_of_tiny_variance);
    RUN(norm_of_large_mean_or_no_spread);
    RUN(norm_of_many_equal_pixels);
    RUN(norm_gradient_adds_images);
    RUN(norm_does_not_swallow_nan);
    RUN(shift_adds_to_every_pixel);
    RUN(upsample_both_ways);
    RUN(attention_of_all_sizes);
    RUN(attention_of_large_scores);
    RUN(softmax_does_not_overflow);
    RUN(attention_does_not_swallow_nan);
    RUN(columns_agree_with_the_plain_version);
    RUN(affine_of_large_numbers);
}

int main(void)
{
    RUN(conv_reference_has_the_slope_of_its_forward);
    RUN(norm_reference_has_the_slope_of_its_forward);
    RUN(attention_reference_has_the_slope_of_its_forward);
    each_simd(all_tests);
    return test_report();
}
