/* Tests of examples/support/plot.h. Every picture that is encoded here is decoded again by an inflate of its
 * own and must come back pixel by pixel. The demo_* tests leave build/plot_demo_*.png behind, to be looked
 * at. */
#include "../examples/support/plot.h"
#include "test.h"

/* ---- an independent decoder
 * -------------------------------------------------------------------------------- */

typedef struct {
    const unsigned char *in;
    size_t n, bit;
    unsigned char *out;
    size_t size, room;
    int bad, blocks[3]; /* how many stored, fixed and dynamic blocks were met */
} reader;

static unsigned bits(reader *r, unsigned count)
{
    unsigned value = 0;
    for (unsigned i = 0; i < count; i++, r->bit++) {
        if (r->bit / 8 >= r->n) {
            r->bad = 1;
            return 0;
        }
        value |= (unsigned)(r->in[r->bit / 8] >> (r->bit % 8) & 1) << i;
    }
    return value;
}

static void emit(reader *r, unsigned char byte)
{
    if (r->size == r->room) r->bad = 1;
    else r->out[r->size++] = byte;
}

typedef struct {
    int count[16], symbol[320];
} tree;

static int build(tree *t, const unsigned char *lengths, int n)
{
    int offset[17] = {0}, left = 1;
    memset(t, 0, sizeof *t);
    for (int i = 0; i < n; i++) t->count[lengths[i]]++;
    t->count[0] = 0;
    for (int b = 1; b < 16; b++) {
        left = 2 * left - t->count[b];
        offset[b + 1] = offset[b] + t->count[b];
    }
    for (int i = 0; i < n; i++) {
        if (lengths[i]) t->symbol[offset[lengths[i]]++] = i;
    }
    return left; /* 0: the code is complete */
}

static int symbol(reader *r, const tree *t)
{
    int code = 0, first = 0, index = 0;
    for (int b = 1; b < 16 && !r->bad; b++) {
        code |= (int)bits(r, 1);
        if (code - first < t->count[b]) return t->symbol[index + code - first];
        index += t->count[b];
        first = (first + t->count[b]) << 1;
        code <<= 1;
    }
    r->bad = 1;
    return 256;
}

static void inflate_codes(reader *r, const tree *letters, const tree *distances)
{
    static const int length_base[29] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                        31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const int length_bits[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                        2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    static const int distance_base[30] = {1,    2,    3,    4,    5,    7,    9,    13,    17,    25,
                                          33,   49,   65,   97,   129,  193,  257,  385,   513,   769,
                                          1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
    while (!r->bad) {
        int s = symbol(r, letters);
        if (s == 256) return;
        if (s < 256) {
            emit(r, (unsigned char)s);
            continue;
        }
        if (s > 285) r->bad = 1;
        if (r->bad) return;
        size_t length = (size_t)length_base[s - 257] + bits(r, (unsigned)length_bits[s - 257]);
        int d = symbol(r, distances);
        if (d > 29) r->bad = 1;
        if (r->bad || d > 29) return;
        size_t distance = (size_t)distance_base[d] + bits(r, d < 4 ? 0 : (unsigned)(d / 2 - 1));
        if (distance > r->size || distance > 32768) r->bad = 1;
        while (length-- && !r->bad) emit(r, r->out[r->size - distance]);
    }
}

static void inflate_stored(reader *r)
{
    r->bit = (r->bit + 7) / 8 * 8;
    unsigned n = bits(r, 16), complement = bits(r, 16);
    if (n != (complement ^ 0xffff)) r->bad = 1;
    while (n-- && !r->bad) emit(r, (unsigned char)bits(r, 8));
}

static void inflate_fixed(reader *r)
{
    unsigned char lengths[288], fives[30];
    tree letters, distances;
    for (int i = 0; i < 288; i++) lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    memset(fives, 5, sizeof fives);
    build(&letters, lengths, 288);
    build(&distances, fives, 30);
    inflate_codes(r, &letters, &distances);
}

static void inflate_dynamic(reader *r)
{
    static const int order[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    unsigned char lengths[320] = {0};
    int nl = (int)bits(r, 5) + 257, nd = (int)bits(r, 5) + 1, nc = (int)bits(r, 4) + 4, i = 0;
    tree code, letters, distances;
    for (int k = 0; k < nc; k++) lengths[order[k]] = (unsigned char)bits(r, 3);
    if (build(&code, lengths, 19)) r->bad = 1;
    memset(lengths, 0, sizeof lengths);
    while (i < nl + nd && !r->bad) {
        int s = symbol(r, &code), run = 1, value = s;
        if (s == 16) value = i ? lengths[i - 1] : 99, run = 3 + (int)bits(r, 2);
        if (s == 17) value = 0, run = 3 + (int)bits(r, 3);
        if (s == 18) value = 0, run = 11 + (int)bits(r, 7);
        if (value > 15 || i + run > nl + nd) r->bad = 1;
        while (run-- && !r->bad) lengths[i++] = (unsigned char)value;
    }
    if (nl > 286 || nd > 30 || !lengths[256]) r->bad = 1;
    if (build(&letters, lengths, nl) || build(&distances, lengths + nl, nd)) r->bad = 1;
    if (!r->bad) inflate_codes(r, &letters, &distances);
}

static int inflate_zlib(reader *r)
{
    int last = 0;
    if (r->n < 6 || (r->in[0] & 15) != 8 || (r->in[0] * 256 + r->in[1]) % 31) return 0;
    r->bit = 16;
    while (!last && !r->bad) {
        last = (int)bits(r, 1);
        unsigned type = bits(r, 2);
        if (type < 3) r->blocks[type]++;
        if (type == 0) inflate_stored(r);
        else if (type == 1) inflate_fixed(r);
        else if (type == 2) inflate_dynamic(r);
        else r->bad = 1;
    }
    size_t end = (r->bit + 7) / 8;
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < r->size; i++) a = (a + r->out[i]) % 65521, b = (b + a) % 65521;
    if (r->bad || end + 4 != r->n) return 0;
    const unsigned char *p = r->in + end;
    return ((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]) == (b << 16 | a);
}

static uint32_t slow_crc(const unsigned char *data, size_t n)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < n; i++) {
        crc ^= data[i];
        for (int k = 0; k < 8; k++) crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
    }
    return ~crc;
}

static size_t big_endian(const unsigned char *p)
{
    return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

static void unfilter(unsigned char *row, const unsigned char *above, size_t n, size_t bpp, int filter)
{
    for (size_t i = 0; i < n; i++) {
        int a = i >= bpp ? row[i - bpp] : 0, b = above ? above[i] : 0,
            c = above && i >= bpp ? above[i - bpp] : 0;
        int p = a + b - c, pa = abs(p - a), pb = abs(p - b), pc = abs(p - c);
        int paeth = pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
        int add[5] = {0, a, b, (a + b) / 2, paeth};
        row[i] = (unsigned char)(row[i] + add[filter]);
    }
}

/* The pixels of a zlib stream of filtered rows, or NULL. */
static unsigned char *decode_rows(const unsigned char *in, size_t n, size_t w, size_t h, size_t channels,
                                  int blocks[3])
{
    size_t row = w * channels;
    reader r = {in, n, 0, malloc(h * (row + 1)), 0, h * (row + 1), 0, {0}};
    unsigned char *pixels = malloc(h * row);
    int ok = r.out && pixels && inflate_zlib(&r) && r.size == r.room;
    for (size_t y = 0; ok && y < h; y++) {
        const unsigned char *from = r.out + y * (row + 1);
        memcpy(pixels + y * row, from + 1, row);
        if (from[0] > 4) ok = 0;
        else unfilter(pixels + y * row, y ? pixels + (y - 1) * row : NULL, row, channels, from[0]);
    }
    if (blocks) memcpy(blocks, r.blocks, sizeof r.blocks);
    free(r.out);
    if (!ok) free(pixels);
    return ok ? pixels : NULL;
}

/* The pixels of a PNG made of IHDR, one IDAT and IEND, or NULL when anything about it is wrong. */
static unsigned char *decode(const unsigned char *png, size_t n, size_t w, size_t h, size_t channels,
                             int blocks[3])
{
    static const unsigned char signature[8] = {137, 80, 78, 71, 13, 10, 26, 10};
    static const char *const types[3] = {"IHDR", "IDAT", "IEND"};
    size_t at = 8, start[3], size[3];
    if (n < 57 || memcmp(png, signature, 8)) return NULL;
    for (int k = 0; k < 3; k++) {
        if (n - at < 12) return NULL;
        size[k] = big_endian(png + at), start[k] = at + 8;
        if (size[k] > n - at - 12 || memcmp(png + at + 4, types[k], 4)) return NULL;
        if (big_endian(png + start[k] + size[k]) != slow_crc(png + at + 4, size[k] + 4)) return NULL;
        at = start[k] + size[k] + 4;
    }
    unsigned char tail[5] = {8, (unsigned char)(channels == 1 ? 0 : channels == 3 ? 2 : 6), 0, 0, 0};
    if (at != n || size[0] != 13 || size[2] || memcmp(png + start[0] + 8, tail, 5)) return NULL;
    if (big_endian(png + start[0]) != w || big_endian(png + start[0] + 4) != h) return NULL;
    return decode_rows(png + start[1], size[1], w, h, channels, blocks);
}

static size_t round_trip(const unsigned char *pixels, size_t w, size_t h, int channels)
{
    unsigned char *png = NULL, *back = NULL;
    size_t n = 0;
    CHECK(plot_png_encode(pixels, w, h, channels, &png, &n) == 0);
    if (png) back = decode(png, n, w, h, (size_t)channels, NULL);
    CHECK(back != NULL);
    if (back) CHECK(!memcmp(back, pixels, w * h * (size_t)channels));
    free(png);
    free(back);
    return n;
}

/* ---- PNG
 * ---------------------------------------------------------------------------------------------------- */

static const char golden[] =
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000f49444154"
    "7801010400fbff00ff0000030101008d1de5820000000049454e44ae426082";

static uint32_t state = 1;

static unsigned char noise(void)
{
    state = state * 1664525u + 1013904223u;
    return (unsigned char)(state >> 24);
}

static void checksums(void)
{
    CHECK(plot_crc32(0, (const unsigned char *)"123456789", 9) == 0xcbf43926u);
    CHECK(plot_crc32(plot_crc32(0, (const unsigned char *)"1234", 4), (const unsigned char *)"56789", 5) ==
          0xcbf43926u);
    CHECK(plot_adler32((const unsigned char *)"Wikipedia", 9) == 0x11e60398u);
    CHECK(plot_adler32(NULL, 0) == 1);
}

static void one_red_pixel(void)
{
    unsigned char expected[72], red[3] = {255, 0, 0}, *png;
    size_t n;
    int blocks[3];
    for (size_t i = 0; i < 72; i++) {
        char byte[3] = {golden[2 * i], golden[2 * i + 1], 0};
        expected[i] = (unsigned char)strtoul(byte, NULL, 16);
    }
    unsigned char *pixel = decode(expected, 72, 1, 1, 3, blocks); /* the decoder reads a stored block */
    CHECK(pixel && !memcmp(pixel, red, 3) && blocks[0] == 1);
    free(pixel);
    CHECK(plot_png_encode(red, 1, 1, 3, &png, &n) == 0);
    CHECK(!memcmp(png, expected, 33));               /* signature and IHDR */
    CHECK(!memcmp(png + n - 12, expected + 60, 12)); /* IEND */
    CHECK(!memcmp(png + n - 20, expected + 52, 4));  /* Adler-32 of the only row */
    free(png);
    unsigned char bytes[4] = {0, 255, 0, 0};
    plot_bytes chunk = {NULL, 0, 0, 0, 0, 0};
    plot_put_chunk(&chunk, "IDAT", expected + 41, 15);
    CHECK(chunk.size == 27 && !memcmp(chunk.data, expected + 33, 27));
    CHECK(plot_adler32(bytes, 4) == 0x03010100u);
    free(chunk.data);
}

/* Fixed blocks do not come out of plot.h; this one ("hello", zlib's own) keeps the decoder honest. */
static void decoder_reads_fixed_blocks(void)
{
    static const unsigned char hello[] = {0x78, 0x9c, 0xcb, 0x48, 0xcd, 0xc9, 0xc9,
                                          0x07, 0x00, 0x06, 0x2c, 0x02, 0x15};
    unsigned char out[16];
    reader r = {hello, sizeof hello, 0, out, 0, sizeof out, 0, {0}};
    CHECK(inflate_zlib(&r) && r.size == 5 && !memcmp(out, "hello", 5) && r.blocks[1] == 1);
}

static void round_trips(void)
{
    static const size_t sizes[][2] = {{1, 1}, {1, 7}, {7, 1}, {3, 5}, {17, 13}, {64, 64}, {257, 131}};
    static const int channels[3] = {1, 3, 4};
    unsigned char *p = malloc(257 * 131 * 4);
    for (size_t s = 0; p && s < sizeof sizes / sizeof *sizes; s++) {
        for (int c = 0; c < 3; c++) {
            size_t w = sizes[s][0], h = sizes[s][1], n = w * h * (size_t)channels[c];
            for (int kind = 0; kind < 5; kind++) {
                for (size_t i = 0; i < n; i++) {
                    size_t x = i % (w * (size_t)channels[c]), y = i / (w * (size_t)channels[c]);
                    p[i] = kind == 0   ? noise()
                           : kind == 1 ? 200
                           : kind == 2 ? (unsigned char)(x + 2 * y)
                           : kind == 3 ? (unsigned char)(noise() < 250 ? 0 : noise())
                                       : (unsigned char)(noise() & 3);
                }
                round_trip(p, w, h, channels[c]);
            }
        }
    }
    free(p);
}

/* Chunk k of a file that is whole up to there: its type has to be `type`; NULL when it is not. */
static const unsigned char *chunk(const unsigned char *png, size_t n, int k, const char *type, size_t *size)
{
    size_t at = 8;
    for (;; k--) {
        if (n - at < 12 || (*size = big_endian(png + at)) > n - at - 12) return NULL;
        if (big_endian(png + at + 8 + *size) != slow_crc(png + at + 4, *size + 4)) return NULL;
        if (k == 0) break;
        at += 12 + *size;
    }
    if (!strcmp(type, "IEND") && at + 12 != n) return NULL;
    return memcmp(png + at + 4, type, 4) ? NULL : png + at + 8;
}

/* Frames: noise; the same with another rectangle; the same again; noise. Each comes back from the boxes. */
static void animations_play(void)
{
    enum { W = 17, H = 13, FRAMES = 4 };
    static const size_t boxes[FRAMES][4] = {{W, H, 0, 0}, {5, 3, 4, 6}, {1, 1, 0, 0}, {W, H, 0, 0}};
    static const char *const order[] = {"IHDR", "acTL", "fcTL", "IDAT", "fcTL", "fdAT",
                                        "fcTL", "fdAT", "fcTL", "fdAT", "IEND"};
    unsigned char frame[FRAMES][W * H * 3], screen[W * H * 3], *png = NULL;
    plot_animation a;
    size_t n = 0, size = 0, sequence = 0;
    plot_animation_init(&a, W, H, 3);
    CHECK(plot_animation_encode(&a, &png, &n) == 1 && !png); /* no frames yet */
    for (int k = 0; k < FRAMES; k++) {
        if (k == 1 || k == 2) memcpy(frame[k], frame[k - 1], sizeof *frame);
        for (size_t i = 0; i < sizeof *frame && (k == 0 || k == 3); i++) frame[k][i] = noise();
        for (size_t y = 6; y < 9 && k == 1; y++)
            for (size_t x = 4; x < 9; x++) frame[k][(y * W + x) * 3 + 1] ^= 77;
        plot_animation_add(&a, frame[k], k == 3 ? 70000 : 40);
    }
    CHECK(plot_animation_encode(&a, &png, &n) == 0);
    for (int k = 0; k < 11; k++) CHECK(chunk(png, n, k, order[k], &size));
    const unsigned char *count = chunk(png, n, 1, "acTL", &size);
    CHECK(count && size == 8 && big_endian(count) == FRAMES && big_endian(count + 4) == 0);
    for (int k = 0; k < FRAMES; k++) {
        const unsigned char *control = chunk(png, n, 2 + 2 * k, "fcTL", &size), *data;
        if (!CHECK(control && size == 26)) break;
        CHECK(big_endian(control) == sequence++);
        for (int i = 0; i < 4; i++) CHECK(big_endian(control + 4 + 4 * i) == boxes[k][i]);
        CHECK(big_endian(control + 20) == (k == 3 ? 65535u : 40u) * 65536u + 1000u);
        CHECK(control[24] == 0 && control[25] == 0);
        data = chunk(png, n, 3 + 2 * k, k ? "fdAT" : "IDAT", &size);
        if (!CHECK(data && size > 4)) break;
        if (k) {
            CHECK(big_endian(data) == sequence++);
            data += 4, size -= 4;
        }
        unsigned char *part = decode_rows(data, size, boxes[k][0], boxes[k][1], 3, NULL);
        if (!CHECK(part != NULL)) break;
        for (size_t y = 0; y < boxes[k][1]; y++)
            memcpy(screen + ((boxes[k][3] + y) * W + boxes[k][2]) * 3, part + y * boxes[k][0] * 3,
                   boxes[k][0] * 3);
        CHECK(!memcmp(screen, frame[k], sizeof screen));
        free(part);
    }
    free(png);
    plot_animation_free(&a);
    plot_animation_init(&a, 0, 3, 3); /* no such picture */
    plot_animation_add(&a, screen, 40);
    CHECK(plot_animation_encode(&a, &png, &n) == 1 && !png);
    plot_animation_free(&a);
    plot_animation_init(&a, 1, 1, 1);
    plot_animation_add(&a, screen, 40);
    plot_animation_add(&a, NULL, 40); /* a canvas without memory */
    CHECK(plot_animation_encode(&a, &png, &n) == 1 && !png);
    plot_animation_free(&a);
}

static void long_pictures_and_compression(void)
{
    size_t w = 512, h = 700, n = w * h;
    unsigned char *p = calloc(n, 3);
    if (!p) return;
    CHECK(round_trip(p, 256, 256, 3) < 2048);
    CHECK(round_trip(p, w, h, 3) < 4096);
    for (size_t i = 0; i < n; i++) p[i] = noise();
    CHECK(round_trip(p, w, h, 1) < n + n / 100 + 200);      /* noise hardly grows */
    for (size_t i = 40000; i < n; i++) p[i] = p[i - 32768]; /* matches at the far end of the window */
    CHECK(round_trip(p, n, 1, 1) < 60000);
    for (size_t i = 0; i < n; i++) p[i] = (unsigned char)(i % 251 == 0 ? i / 251 : i % 7);
    round_trip(p, 699, 512, 1);
    free(p);
}

/* Counts that grow like Fibonacci numbers ask for codes far beyond 15 bits. */
static void huffman_lengths_are_limited(void)
{
    static plot_huffman h;
    unsigned a = 1, b = 1;
    for (int i = 0; i < 40; i++) {
        h.count[i] = a;
        unsigned next = a + b;
        a = b, b = next;
    }
    plot_huffman_build(&h, 286, 15);
    double kraft = 0.0;
    for (int i = 0; i < 286; i++) {
        CHECK(h.length[i] <= 15 && (h.length[i] > 0) == (h.count[i] > 0));
        if (h.length[i]) kraft += pow(2.0, -(double)h.length[i]);
    }
    CHECK(kraft == 1.0);
}

static void bad_sizes_are_refused(void)
{
    unsigned char pixel[4] = {0}, *out = pixel;
    size_t n = 1;
    plot_canvas c;
    CHECK(plot_png_encode(pixel, 0, 1, 3, &out, &n) == 1 && !out && !n);
    CHECK(plot_png_encode(pixel, 1, 0, 3, &out, &n) == 1);
    CHECK(plot_png_encode(pixel, 1, 1, 2, &out, &n) == 1);
    CHECK(plot_png_encode(NULL, 1, 1, 3, &out, &n) == 1);
    CHECK(plot_png_encode(pixel, SIZE_MAX / 2, 2, 4, &out, &n) == 1);
    CHECK(plot_png_encode(pixel, (size_t)1 << 31, 1, 1, &out, &n) == 1);
    CHECK(plot_png_encode(pixel, 0x7fffffff, 0x7fffffff, 4, &out, &n) == 1); /* nearly 2^64 bytes */
    CHECK(plot_product(SIZE_MAX, 2, &n) == 1 && plot_alloc(SIZE_MAX / 2, 3) == NULL);
    CHECK(plot_canvas_init(&c, 0, 5, plot_rgb(0)) == 1 && plot_canvas_init(&c, 5, -1, plot_rgb(0)) == 1);
    CHECK(plot_canvas_init(&c, 1 << 30, 1 << 30, plot_rgb(0)) == 1);
    CHECK(plot_png_write("build/no/such/directory/x.png", pixel, 1, 1, 3) == 1);
}

static void files_hold_the_encoding(void)
{
    unsigned char pixels[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, *png, read[256];
    size_t n;
    CHECK(plot_png_write("build/plot_test.png", pixels, 2, 2, 3) == 0);
    CHECK(plot_png_encode(pixels, 2, 2, 3, &png, &n) == 0);
    FILE *f = fopen("build/plot_test.png", "rb");
    if (CHECK(f != NULL)) CHECK(fread(read, 1, sizeof read, f) == n && !memcmp(read, png, n));
    if (f) fclose(f);
    CHECK(fopen("build/plot_test.png.tmp", "rb") == NULL);
    free(png);
}

/* ---- drawing
 * ------------------------------------------------------------------------------------------------ */

static double darkness(const plot_canvas *c, int x, int y)
{
    return 1.0 - (double)c->rgb[3 * plot_at(c, x, y)];
}

static double ink(const plot_canvas *c, plot_box b)
{
    double sum = 0.0;
    for (int y = b.top; y < b.bottom; y++) {
        for (int x = b.left; x < b.right; x++) sum += darkness(c, x, y);
    }
    return sum;
}

static plot_box box_of(int left, int top, int right, int bottom)
{
    plot_box b = {left, top, right, bottom};
    return b;
}

static void lines_cover_what_they_should(void)
{
    plot_canvas c;
    double level[4] = {10, 20.5, 50, 20.5}, slanted[4] = {10, 40, 50, 70},
           broken[6] = {10, 90, NAN, 90, 50, 90};
    CHECK(plot_canvas_init(&c, 100, 100, plot_rgb(0xffffff)) == 0);
    plot_polyline(&c, level, 2, 3, 0, plot_rgb(0));
    for (int x = 12; x < 48; x++) {
        CHECK_CLOSE(darkness(&c, x, 20), 1, 1e-6);
        CHECK_CLOSE(darkness(&c, x, 19) + darkness(&c, x, 21), 2, 1e-6);
        CHECK_CLOSE(darkness(&c, x, 18) + darkness(&c, x, 22), 0, 1e-6);
    }
    double before = ink(&c, plot_canvas_box(&c));
    plot_polyline(&c, slanted, 2, 2, 0, plot_rgb(0));
    CHECK_CLOSE(ink(&c, plot_canvas_box(&c)) - before, 50 * 2 + 3.14159,
                2.5); /* length by width and the round ends */
    before = ink(&c, plot_canvas_box(&c));
    plot_polyline(&c, broken, 3, 2, 0, plot_rgb(0));
    plot_polyline(&c, broken, 3, 2, 5, plot_rgb(0));
    CHECK_CLOSE(ink(&c, plot_canvas_box(&c)) - before, 0, 1e-9);
    CHECK_CLOSE(ink(&c, box_of(60, 0, 100, 100)), 0, 1e-9);
    for (size_t i = 0; i < 100 * 100; i++) CHECK(c.cover[i] == 0.0f);
    plot_canvas_free(&c);
}

/* A copy looks the same; what is drawn on it is not drawn on the other. */
static void copies_are_alike(void)
{
    plot_canvas c, copy;
    CHECK(plot_canvas_init(&c, 20, 10, plot_rgb(0xffffff)) == 0);
    CHECK(plot_canvas_init(&copy, 20, 10, plot_rgb(0)) == 0);
    plot_rect(&c, 2.5, 3, 19, 9.5, plot_rgb(0x204060));
    plot_canvas_copy(&copy, &c);
    CHECK(!memcmp(copy.rgb, c.rgb, 3 * 20 * 10 * sizeof *c.rgb));
    plot_rect(&copy, 0, 0, 1, 1, plot_rgb(0));
    CHECK_CLOSE(darkness(&copy, 0, 0), 1, 1e-6);
    CHECK_CLOSE(darkness(&c, 0, 0), 0, 1e-6);
    plot_canvas_free(&c), plot_canvas_free(&copy);
}

static void areas_have_their_size(void)
{
    plot_canvas c;
    double triangle[6] = {10.3, 10.2, 60.9, 30.4, 20.1, 70.7}, twice = 0.0,
           huge[6] = {-1e5, -1e5, 1e5, -1e5, 0, 2e5};
    for (int i = 0; i < 3; i++) {
        const double *p = triangle + 2 * i, *q = triangle + 2 * ((i + 1) % 3);
        twice += p[0] * q[1] - q[0] * p[1];
    }
    CHECK(plot_canvas_init(&c, 100, 100, plot_rgb(0xffffff)) == 0);
    plot_polygon(&c, triangle, 3, plot_rgb(0));
    CHECK_CLOSE(ink(&c, plot_canvas_box(&c)), 0.5 * fabs(twice), 1.0);
    double before = ink(&c, plot_canvas_box(&c));
    plot_disc(&c, 80.3, 80.4, 9.0, plot_rgb(0));
    CHECK_CLOSE(ink(&c, plot_canvas_box(&c)) - before, 3.14159 * 81, 1.5);
    before = ink(&c, plot_canvas_box(&c));
    plot_rect(&c, 70.25, 5.5, 80.75, 15.0, plot_alpha(plot_rgb(0), 0.5));
    CHECK_CLOSE(ink(&c, plot_canvas_box(&c)) - before, 0.5 * 10.5 * 9.5, 1e-3);
    plot_polygon(&c, huge, 3, plot_rgb(0));
    CHECK_CLOSE(ink(&c, plot_canvas_box(&c)), 1e4, 1e-3);
    plot_canvas_free(&c);
}

static void faint_dots_add_up(void)
{
    plot_canvas c;
    CHECK(plot_canvas_init(&c, 9, 9, plot_rgb(0xffffff)) == 0);
    for (int i = 0; i < 2000; i++) plot_disc(&c, 4.5, 4.5, 3, plot_alpha(plot_rgb(0), 0.001));
    CHECK_CLOSE(darkness(&c, 4, 4), 1 - pow(0.999, 2000), 1e-3);
    plot_canvas_free(&c);
}

static void text_stays_in_its_box(void)
{
    static const char *const texts[] = {"Hamburgefonstiv", "0123456789", "@{W}|[(gjpqy)]", "x^{2} + y_{ij}",
                                        "\xce\xb1\xce\xbb\xcf\x83 \xe2\x88\x92 \xe2\x88\x9e"};
    static const int aligns[] = {PLOT_LEFT, PLOT_CENTER | PLOT_MIDDLE, PLOT_RIGHT | PLOT_TOP,
                                 PLOT_CENTER | PLOT_BOTTOM};
    for (size_t k = 0; k < 5; k++) {
        for (size_t j = 0; j < 4; j++) {
            for (int up = 0; up < 2; up++) {
                plot_canvas c;
                double size = 11.0 + 5.0 * (double)k, w = plot_text_width(texts[k], size), u = size / 22.0;
                double left = aligns[j] & PLOT_RIGHT ? -w : aligns[j] & PLOT_CENTER ? -0.5 * w : 0.0;
                double base = aligns[j] & PLOT_TOP      ? 14 * u
                              : aligns[j] & PLOT_MIDDLE ? 7 * u
                              : aligns[j] & PLOT_BOTTOM ? -5 * u
                                                        : 0;
                double over = base - 17.5 * u - 1.5, under = base + 6.0 * u + 1.5;
                CHECK(plot_canvas_init(&c, 800, 800, plot_rgb(0xffffff)) == 0);
                plot_text(&c, 400, 400, texts[k], size, aligns[j] | (up ? PLOT_UPWARDS : 0), plot_rgb(0));
                plot_box b = box_of((int)(399 + left), (int)(400 + over), (int)(402 + left + w),
                                    (int)(401 + under));
                if (up)
                    b = box_of((int)(400 + over), (int)(399 - left - w), (int)(401 + under),
                               (int)(402 - left));
                double inside = ink(&c, b), all = ink(&c, plot_canvas_box(&c));
                CHECK(all > 20.0);
                CHECK_CLOSE(inside, all, 1e-6);
                plot_canvas_free(&c);
            }
        }
    }
}

static void every_glyph_is_well_formed(void)
{
    static const unsigned some[] = {0xb0, 0xd7, 0x3b1, 0x3c3, 0x2212, 0x222b};
    const char *text = "a\xce\xbb\xff\xe2\x88\x92", *question = plot_glyph('?');
    for (unsigned code = 32; code < 127; code++) {
        const char *g = plot_glyph(code);
        CHECK(g[0] > 'a' && g[0] <= 'z');
        for (g++; *g; g += 2 + (g[2] == ' ')) CHECK(strchr(" ", *g) == NULL && g[1] >= 'a' && g[1] <= 'z');
        CHECK(code == '?' || plot_glyph(code) != question);
    }
    for (int i = 0; i < 6; i++) CHECK(plot_glyph(some[i]) != question);
    CHECK(plot_utf8(&text) == 'a' && plot_utf8(&text) == 0x3bb && plot_utf8(&text) == '?' &&
          plot_utf8(&text) == 0x2212);
    CHECK(*text == 0 && plot_glyph(0x4e00) == question);
    CHECK(plot_text_width("ab", 20) > plot_text_width("a", 20) && plot_text_width("", 20) == 0.0);
    CHECK_CLOSE(plot_text_width("ab", 40), 2 * plot_text_width("ab", 20), 1e-9);
}

/* ---- axes and fields
 * ---------------------------------------------------------------------------------------- */

static void ticks_are_nice(void)
{
    static const double ranges[][2] = {{0, 1},     {-3, 3},       {-5.2, 17.9}, {0.001, 0.0013}, {1e6, 3e7},
                                       {-1e-9, 0}, {99.5, 100.5}, {0.1, 0.3},   {-1, 160}};
    double at[PLOT_MAX_TICKS];
    for (size_t k = 0; k < sizeof ranges / sizeof *ranges; k++) {
        for (int most = 2; most < 40; most++) {
            double lo = ranges[k][0], hi = ranges[k][1];
            int n = plot_ticks(lo, hi, most, at);
            CHECK(n >= 1 && n <= most && n <= PLOT_MAX_TICKS);
            for (int i = 0; i < n; i++) CHECK(at[i] >= lo && at[i] <= hi);
            if (n < 2) continue;
            double step = at[1] - at[0], lead = step / pow(10, floor(log10(step) + 1e-6));
            CHECK(fabs(lead - 1) < 1e-5 || fabs(lead - 2) < 1e-5 || fabs(lead - 5) < 1e-5);
            for (int i = 0; i < n; i++) CHECK_CLOSE(at[i] / step, floor(at[i] / step + 0.5), 1e-5);
        }
    }
    CHECK(plot_ticks(1, 1, 5, at) == 0 && plot_ticks(0, INFINITY, 5, at) == 0 &&
          plot_ticks(NAN, 1, 5, at) == 0);
}

static void numbers_are_short(void)
{
    char text[48];
    plot_number(text, sizeof text, 0.30000000000000004, 0.1);
    CHECK(!strcmp(text, "0.3"));
    plot_number(text, sizeof text, -2, 1);
    CHECK(!strcmp(text, "\xe2\x88\x92"
                        "2"));
    plot_number(text, sizeof text, -0.0, 0.5);
    CHECK(!strcmp(text, "0.0"));
    plot_number(text, sizeof text, 2.5e7, 5e6);
    CHECK(!strcmp(text, "2.5\xc3\x97"
                        "10^{7}"));
    plot_number(text, sizeof text, 1500, 500);
    CHECK(!strcmp(text, "1500"));
}

static void marks_stay_in_the_axes(void)
{
    plot_canvas c;
    float points[6] = {-1, 0.5f, 0.999f, 0.999f, 5, 5};
    double x[3] = {-1, 0.5, 2}, y[3] = {-4, 5, -4}, low[3] = {-9, -9, -9}, values[4] = {1, 1, 1, 1},
           levels[1] = {0};
    plot_field f = {values, 2, 2, -1, 2, -1, 2};
    CHECK(plot_canvas_init(&c, 120, 120, plot_rgb(0xffffff)) == 0);
    plot_axes a = plot_axes_make(&c, box_of(30, 30, 90, 90), 0, 1, 0, 1);
    plot_line(&a, x, y, 3, plot_rgb(0), 5, 0);
    plot_line(&a, x, y, 3, plot_rgb(0), 5, 4);
    plot_fill_between(&a, x, low, y, 3, plot_alpha(plot_rgb(0), 0.5));
    plot_scatter(&a, points, points + 1, 3, 2, 9, plot_rgb(0));
    plot_mark_x(&a, 0.99, "a long label that does not fit", plot_rgb(0), 9, 0);
    plot_contourf(&a, &f, levels, 1, PLOT_BELOW_PAPER);
    plot_contour(&a, &f, levels, 1, 3, plot_rgb(0));
    CHECK_CLOSE(ink(&c, plot_canvas_box(&c)), ink(&c, a.box), 1e-9);
    CHECK(ink(&c, a.box) > 100);
    plot_canvas_free(&c);
}

/* The field x over the unit square: bands are vertical stripes with known borders. */
static void contours_lie_on_their_levels(void)
{
    plot_canvas c;
    double values[4] = {0, 1, 0, 1}, levels[2] = {0.305, 0.6}, wild[4] = {-INFINITY, NAN, 2, 2};
    plot_field f = {values, 2, 2, 0, 1, 0, 1}, g = {wild, 2, 2, 0, 1, 0, 1};
    CHECK(plot_canvas_init(&c, 100, 10, plot_rgb(0xffffff)) == 0);
    plot_axes a = plot_axes_make(&c, plot_canvas_box(&c), 0, 1, 0, 1);
    plot_contourf(&a, &f, levels, 2, PLOT_BELOW_PAPER);
    plot_color dark = plot_viridis(0), bright = plot_viridis(1);
    CHECK_CLOSE(darkness(&c, 29, 5), 0, 1e-6);
    CHECK_CLOSE(darkness(&c, 30, 5), 0.5 * (1 - dark.r),
                1e-6); /* the border runs through the middle of this pixel */
    CHECK_CLOSE(darkness(&c, 31, 5), 1 - dark.r, 1e-6);
    CHECK_CLOSE(darkness(&c, 59, 5), 1 - dark.r, 1e-6);
    CHECK_CLOSE(darkness(&c, 60, 5), 1 - bright.r, 1e-6);
    plot_contourf(&a, &g, levels, 2, PLOT_BELOW_DARK);
    CHECK_CLOSE(c.rgb[3 * plot_at(&c, 50, 0)], bright.r, 1e-6); /* y grows upwards: 2 at the top */
    CHECK_CLOSE(c.rgb[3 * plot_at(&c, 50, 9)], dark.r, 1e-6);
    plot_canvas_free(&c);
}

static void images_are_magnified(void)
{
    plot_canvas c;
    unsigned char rgb[6] = {255, 0, 0, 0, 0, 255}, grey[2] = {0, 255};
    CHECK(plot_canvas_init(&c, 10, 10, plot_rgb(0xffffff)) == 0);
    plot_image(&c, 1, 2, rgb, 2, 1, 3, 3);
    plot_image(&c, -1, -1, grey, 2, 1, 1, 2); /* partly off the canvas */
    unsigned char *p = plot_canvas_pixels(&c);
    CHECK(p && p[3 * (2 * 10 + 1)] == 255 && p[3 * (2 * 10 + 1) + 1] == 0 && p[3 * (4 * 10 + 6) + 2] == 255);
    CHECK(p && p[3 * (5 * 10 + 1) + 1] == 255 && p[3 * (4 * 10 + 7) + 1] == 255 && p[0] == 0);
    free(p);
    plot_canvas_free(&c);
}

/* ---- demos
 * -------------------------------------------------------------------------------------------------- */

static void finish(plot_canvas *c, const char *path)
{
    unsigned char *pixels = plot_canvas_pixels(c);
    CHECK(pixels != NULL);
    size_t raw = 3 * (size_t)c->width * (size_t)c->height;
    size_t n = round_trip(pixels, (size_t)c->width, (size_t)c->height, 3);
    if (!CHECK(10 * n < raw)) printf("  %s: %zu of %zu bytes\n", path, n, raw);
    CHECK(plot_canvas_write(c, path) == 0);
    free(pixels);
    plot_canvas_free(c);
}

static double normal(void)
{
    double sum = -6.0;
    for (int i = 0; i < 12; i++) sum += (noise() + 0.5) / 256.0;
    return sum;
}

/* Two interleaved arcs with noise, and the log-density of a mixture along them, broader for small t. */
static void moon(double u, double *x, double *y)
{
    int upper = u < 0.5;
    double angle = 3.14159265 * (upper ? 2.0 * u : 2.0 * u - 1.0);
    *x = upper ? 1.4 * cos(angle) - 0.7 : 0.7 - 1.4 * cos(angle);
    *y = upper ? 1.4 * sin(angle) - 0.4 : 0.4 - 1.4 * sin(angle);
}

static void density(double *values, int n, double width)
{
    for (int i = 0; i < n * n; i++) {
        double x = -3.0 + 6.0 * (i % n) / (n - 1), y = -3.0 + 6.0 * (i / n) / (n - 1), sum = 0.0, mx, my;
        for (int k = 0; k < 40; k++) {
            moon((k + 0.5) / 40.0, &mx, &my);
            sum += exp(-((x - mx) * (x - mx) + (y - my) * (y - my)) / (2.0 * width * width));
        }
        values[i] = log(sum / 40.0 / (6.2831853 * width * width) + 1e-30);
    }
}

static float points[2 * 1000];
static double grid[60 * 60];
static const double levels[9] = {-5, -4.5, -4, -3.5, -3, -2.5, -2, -1.5, -1};

static void moons(void)
{
    for (int i = 0; i < 1000; i++) {
        double x, y;
        moon((i + 0.5) / 1000.0, &x, &y);
        points[2 * i] = (float)(x + 0.13 * normal()), points[2 * i + 1] = (float)(y + 0.13 * normal());
    }
}

static void demo_panels(void)
{
    plot_canvas c;
    plot_field f = {grid, 60, 60, -3, 3, -3, 3};
    char title[32];
    moons();
    CHECK(plot_canvas_init(&c, 1400, 730, plot_rgb(0xffffff)) == 0);
    plot_box area = plot_inset(plot_canvas_box(&c), 45, 40, 100, 40);
    for (int k = 0; k < 8; k++) {
        density(grid, 60, 1.2 - 0.13 * k);
        plot_axes a = plot_axes_make(&c, plot_cell(area, 2, 4, k, 18, 42), -3, 3, -3, 3);
        snprintf(title, sizeof title, "epoch %d", 20 * (k + 1));
        a.title = title, a.x_numbers = k < 4 ? 1 : 2, a.y_numbers = k % 4 ? 1 : 2;
        plot_contourf(&a, &f, levels, 9, PLOT_BELOW_PAPER);
        plot_scatter(&a, points, points + 1, 1000, 2, 1.2, plot_alpha(plot_rgb(0), 0.35));
        plot_axes_draw(&a);
        if (k == 7)
            plot_colorbar(&a, box_of(area.right + 16, area.top, area.right + 30, area.bottom), levels, 9,
                          PLOT_BELOW_PAPER, "log density, nats");
    }
    finish(&c, "build/plot_demo_panels.png");
}

static void demo_density(void)
{
    plot_canvas c;
    plot_field f = {grid, 60, 60, -3, 3, -3, 3};
    density(grid, 60, 0.3);
    CHECK(plot_canvas_init(&c, 780, 680, plot_rgb(0xffffff)) == 0);
    plot_axes a = plot_axes_make(&c, plot_inset(plot_canvas_box(&c), 0, 0, 100, 0), -3, 3, -3, 3);
    a.text_size = 16;
    a.title = "learned log density", a.x_label = "x_{1}", a.y_label = "x_{2}";
    plot_axes_fit(&a);
    plot_contourf(&a, &f, levels, 9, PLOT_BELOW_DARK);
    plot_contour(&a, &f, levels, 9, 1, plot_alpha(plot_rgb(0xffffff), 0.35));
    plot_scatter(&a, points, points + 1, 1000, 2, 1.6, plot_alpha(plot_rgb(0xffffff), 0.5));
    plot_axes_draw(&a);
    plot_colorbar(&a, box_of(a.box.right + 20, a.box.top, a.box.right + 38, a.box.bottom), levels, 9,
                  PLOT_BELOW_DARK, "log p(x), nats");
    finish(&c, "build/plot_demo_density.png");
}

static void demo_scatter(void)
{
    plot_canvas c;
    CHECK(plot_canvas_init(&c, 560, 560, plot_rgb(0xffffff)) == 0);
    plot_axes a = plot_axes_make(&c, plot_canvas_box(&c), -2.6, 2.6, -2.6, 2.6);
    plot_entry entries[2] = {{"data", plot_palette(0), 0, 0}, {"samples", plot_palette(1), 0, 0}};
    a.title = "samples and data", a.x_label = "x_{1}", a.y_label = "x_{2}";
    plot_axes_fit(&a);
    plot_axes_grid(&a);
    plot_scatter(&a, points, points + 1, 500, 4, 2.5, plot_alpha(plot_palette(0), 0.5));
    plot_scatter(&a, points + 2, points + 3, 500, 4, 2.5, plot_alpha(plot_palette(1), 0.5));
    plot_axes_draw(&a);
    plot_legend(&a, PLOT_RIGHT | PLOT_TOP, entries, 2);
    finish(&c, "build/plot_demo_scatter.png");
}

static void demo_curve(void)
{
    enum { N = 200 };
    static double snr[N], model[N], gauss[N];
    plot_canvas c;
    for (int i = 0; i < N; i++) {
        snr[i] = -10.0 + 25.0 * i / (N - 1);
        gauss[i] = 2.0 / (1.0 + exp(-snr[i]));
        model[i] = gauss[i] * (1.0 - 0.55 * exp(-0.1 * (snr[i] - 3.0) * (snr[i] - 3.0)));
    }
    CHECK(plot_canvas_init(&c, 900, 520, plot_rgb(0xffffff)) == 0);
    plot_axes a = plot_axes_make(&c, plot_canvas_box(&c), -10, 15, 0, 2.4);
    a.text_size = 16;
    a.title = "MSE against log SNR", a.x_label = "log SNR \xce\xb1",
    a.y_label = "E|\xce\xb5 \xe2\x88\x92 \xce\xb5_{\xce\xb1}(x)|^{2}";
    plot_axes_fit(&a);
    plot_axes_grid(&a);
    plot_fill_between(&a, snr, model, gauss, N, plot_alpha(plot_palette(0), 0.18));
    static const double quantiles[3] = {-3.2, 1.0, 6.4};
    static const char *const names[3] = {"5 %", "50 %", "95 %"};
    for (int k = 0; k < 3; k++) plot_mark_x(&a, quantiles[k], names[k], plot_palette(5), 1.2, 5);
    plot_line(&a, snr, gauss, N, plot_palette(1), 2.2, 8);
    plot_line(&a, snr, model, N, plot_palette(0), 2.2, 0);
    plot_axes_draw(&a);
    plot_entry entries[3] = {{"Gaussian MMSE", plot_palette(1), 2.2, 8},
                             {"model", plot_palette(0), 2.2, 0},
                             {"gap", plot_alpha(plot_palette(0), 0.18), 0, 0}};
    plot_legend(&a, PLOT_LEFT | PLOT_TOP, entries, 3);
    plot_note(&a, PLOT_RIGHT | PLOT_BOTTOM,
              "\xe2\x88\x92log p(x) = 1.27 \xc2\xb1 0.02 nats\nhalf the shaded area: 1/2 \xe2\x88\xab gap "
              "d\xce\xb1");
    finish(&c, "build/plot_demo_curve.png");
}

static void demo_loss(void)
{
    enum { N = 160 };
    static double epoch[N], train[N], valid[N];
    plot_canvas c;
    for (int i = 0; i < N; i++) {
        epoch[i] = i + 1;
        train[i] = 0.02 + 3.0 * pow(i + 1.0, -0.9) * exp(0.06 * normal());
        valid[i] = 0.03 + 3.2 * pow(i + 1.0, -0.85) * exp(0.12 * normal());
    }
    CHECK(plot_canvas_init(&c, 1100, 420, plot_rgb(0xffffff)) == 0);
    for (int k = 0; k < 2; k++) {
        plot_axes a = plot_axes_make(&c, plot_cell(plot_canvas_box(&c), 1, 2, k, 10, 0), 0, 160, k ? 0.02 : 0,
                                     k ? 5 : 3.5);
        plot_entry entries[2] = {{"training", plot_palette(0), 2, 0}, {"validation", plot_palette(1), 2, 0}};
        a.log_y = k, a.title = k ? "loss, logarithmic" : "loss", a.x_label = "epoch", a.y_label = "nats";
        plot_axes_fit(&a);
        plot_axes_grid(&a);
        plot_line(&a, epoch, valid, N, plot_palette(1), 1.8, 0);
        plot_line(&a, epoch, train, N, plot_palette(0), 1.8, 0);
        plot_axes_draw(&a);
        plot_legend(&a, PLOT_RIGHT | PLOT_TOP, entries, 2);
    }
    finish(&c, "build/plot_demo_loss.png");
}

static void demo_matrix(void)
{
    enum { D = 4, N = 600 };
    static float x[N * D];
    static const char *const names[D] = {"x_{1}", "x_{2}", "x_{3}", "x_{4}"};
    plot_canvas c;
    for (int i = 0; i < N; i++) {
        double shared = normal();
        for (int j = 0; j < D; j++) x[i * D + j] = (float)(0.25 * j * shared + (1 - 0.2 * j) * normal());
    }
    CHECK(plot_canvas_init(&c, 800, 800, plot_rgb(0xffffff)) == 0);
    plot_box area = plot_inset(plot_canvas_box(&c), 62, 16, 16, 58);
    for (int k = 0; k < D * D; k++) {
        int row = k / D, column = k % D;
        plot_axes a = plot_axes_make(&c, plot_cell(area, D, D, k, 10, 10), -4.5, 4.5, -4.5, 4.5);
        a.x_numbers = row == D - 1 ? 2 : 0, a.y_numbers = column == 0 ? 2 : 0;
        if (row == D - 1) a.x_label = names[column];
        if (column == 0) a.y_label = names[row];
        if (row == column) plot_histogram(&a, x + row, N, D, 32, plot_palette(0));
        else plot_scatter(&a, x + column, x + row, N, D, 1.2, plot_alpha(plot_palette(0), 0.4));
        plot_axes_draw(&a);
    }
    finish(&c, "build/plot_demo_matrix.png");
}

static void demo_font(void)
{
    static const char *const lines[] = {
        "!\"#$%&'()*+,-./0123456789:;<=>?@", "ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`",
        "abcdefghijklmnopqrstuvwxyz{|}~",
        "\xc2\xb0 \xc2\xb1 \xc2\xb7 \xc3\x97 \xce\x94 \xce\xa3 \xce\xb1 \xce\xb2 \xce\xb3 \xce\xb5 \xce\xb7 "
        "\xce\xb8 \xce\xbb "
        "\xce\xbc \xcf\x80 \xcf\x81 \xcf\x83 \xcf\x86 \xe2\x80\x93 \xe2\x86\x92 \xe2\x88\x82 \xe2\x88\x87 "
        "\xe2\x88\x92 "
        "\xe2\x88\x9a \xe2\x88\x9e \xe2\x88\xab \xe2\x89\x88 \xe2\x89\xa4 \xe2\x89\xa5",
        "The quick brown fox jumps over the lazy dog: 10^{\xe2\x88\x92\x33} and x_{ij}^{2}"};
    static const double sizes[] = {11, 14, 18, 30};
    plot_canvas c;
    double y = 10;
    CHECK(plot_canvas_init(&c, 1000, 560, plot_rgb(0xffffff)) == 0);
    for (int s = 0; s < 4; s++) {
        for (int i = 0; i < 5; i++, y += 1.5 * sizes[s]) {
            plot_text(&c, 12, y, lines[i], sizes[s], PLOT_TOP, plot_rgb(0x202020));
        }
    }
    finish(&c, "build/plot_demo_font.png");
}

int main(void)
{
    RUN(checksums);
    RUN(one_red_pixel);
    RUN(decoder_reads_fixed_blocks);
    RUN(round_trips);
    RUN(animations_play);
    RUN(long_pictures_and_compression);
    RUN(huffman_lengths_are_limited);
    RUN(bad_sizes_are_refused);
    RUN(files_hold_the_encoding);
    RUN(lines_cover_what_they_should);
    RUN(copies_are_alike);
    RUN(areas_have_their_size);
    RUN(faint_dots_add_up);
    RUN(text_stays_in_its_box);
    RUN(every_glyph_is_well_formed);
    RUN(ticks_are_nice);
    RUN(numbers_are_short);
    RUN(marks_stay_in_the_axes);
    RUN(contours_lie_on_their_levels);
    RUN(images_are_magnified);
    RUN(demo_font);
    RUN(demo_panels);
    RUN(demo_density);
    RUN(demo_scatter);
    RUN(demo_curve);
    RUN(demo_loss);
    RUN(demo_matrix);
    return test_report();
}
