/* plot_deflate.h: growing output, and its compression by deflate (RFC 1951) into a zlib stream (RFC 1950),
 * with the checksums that zlib and PNG use.
 *
 *     plot_bytes out = {0};
 *     plot_deflate(&out, data, n);
 *     if (!out.failed) fwrite(out.data, 1, out.size, file);
 *     free(out.data); */
#ifndef PLOT_DEFLATE_H
#define PLOT_DEFLATE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* ---- bytes and checksums ---- */

/* Growing output. The first failure sticks, so that only the end of a job has to check for it. Bits enter
 * from the low end of each byte, as deflate requires. */
typedef struct {
    unsigned char *data;
    size_t size, capacity;
    int failed;
    unsigned long hold; /* bits that do not fill a byte yet */
    unsigned held;
} plot_bytes;

static inline void plot_put(plot_bytes *b, const void *data, size_t n)
{
    if (b->failed || n > SIZE_MAX / 2 - b->size) {
        b->failed = 1;
        return;
    }
    if (b->size + n > b->capacity) {
        size_t capacity = 2 * (b->size + n);
        unsigned char *grown = realloc(b->data, capacity);
        if (!grown) {
            b->failed = 1;
            return;
        }
        b->data = grown, b->capacity = capacity;
    }
    if (n) memcpy(b->data + b->size, data, n);
    b->size += n;
}

static inline void plot_put_u32(plot_bytes *b, uint32_t v)
{
    unsigned char big_endian[4] = {(unsigned char)(v >> 24), (unsigned char)(v >> 16),
                                   (unsigned char)(v >> 8), (unsigned char)v};
    plot_put(b, big_endian, 4);
}

static inline void plot_put_bits(plot_bytes *b, unsigned value, unsigned count)
{
    b->hold |= (unsigned long)value << b->held;
    for (b->held += count; b->held >= 8; b->held -= 8, b->hold >>= 8) {
        unsigned char byte = (unsigned char)(b->hold & 255);
        plot_put(b, &byte, 1);
    }
}

/* Continues from the CRC of what came before, 0 at the start; four bits at a time. */
static inline uint32_t plot_crc32(uint32_t crc, const unsigned char *data, size_t n)
{
    static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
                                       0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                       0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= data[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

static inline uint32_t plot_adler32(const unsigned char *data, size_t n)
{
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < n; i++) {
        a = (a + data[i]) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

/* ---- compression ---- */

typedef struct {
    unsigned count[288];
    unsigned char length[288]; /* of the code in bits, 0 = unused */
    unsigned short code[288];  /* first bit lowest */
} plot_huffman;

/* Lengths of the Huffman code for the counts: join the two rarest trees until one is left. */
static inline unsigned plot_huffman_lengths(plot_huffman *h, const unsigned *count, int n)
{
    unsigned weight[576], longest = 0;
    int parent[576], alive[288], trees = 0, nodes = n;
    for (int i = 0; i < n; i++) {
        weight[i] = count[i];
        if (count[i]) alive[trees++] = i;
    }
    while (trees > 1) {
        for (int k = 0; k < 2; k++) { /* the rarest goes to the end, the next one before it */
            for (int i = 0; i < trees - 1 - k; i++) {
                int *last = &alive[trees - 1 - k], swap = alive[i];
                if (weight[swap] < weight[*last]) alive[i] = *last, *last = swap;
            }
        }
        int p = alive[trees - 1], q = alive[trees - 2];
        weight[nodes] = weight[p] + weight[q];
        parent[p] = parent[q] = nodes;
        alive[--trees - 1] = nodes++;
    }
    for (int i = 0; i < n; i++) {
        unsigned depth = 0;
        for (int node = i; count[i] && node != nodes - 1; node = parent[node]) depth++;
        h->length[i] = (unsigned char)depth;
        if (depth > longest) longest = depth;
    }
    return longest;
}

/* A canonical code of at most `limit` bits: flatter counts make a flatter tree. At least two symbols
 * get a code, as a decoder expects it to be complete. */
static inline void plot_huffman_build(plot_huffman *h, int n, unsigned limit)
{
    unsigned count[288], used = 0, next = 0;
    for (int i = 0; i < n; i++) used += (count[i] = h->count[i]) > 0;
    for (int i = 0; used < 2; i++) {
        if (!count[i]) count[i] = 1, used++;
    }
    while (plot_huffman_lengths(h, count, n) > limit) {
        for (int i = 0; i < n; i++) count[i] = count[i] ? count[i] / 2 + 1 : 0;
    }
    for (unsigned bits = 1; bits <= limit; bits++, next <<= 1) {
        for (int i = 0; i < n; i++) {
            if (h->length[i] != bits) continue;
            unsigned reversed = 0;
            for (unsigned k = 0; k < bits; k++) reversed |= (next >> k & 1) << (bits - 1 - k);
            h->code[i] = (unsigned short)reversed;
            next++;
        }
    }
}

static inline void plot_put_symbol(plot_bytes *out, const plot_huffman *h, unsigned symbol)
{
    plot_put_bits(out, h->code[symbol], h->length[symbol]);
}

/* Deflate's classes for lengths (keep 2) and distances (keep 1): a class keeps the top bits of v under the
 * leading one, the other bits follow as they are. */
static inline unsigned plot_class(unsigned v, unsigned keep, unsigned *extra)
{
    for (*extra = 0; v >> *extra >> (keep + 1);) ++*extra;
    return (*extra << keep) + (v >> *extra);
}

static inline unsigned plot_length_class(unsigned length, unsigned *extra)
{
    unsigned symbol = plot_class(length - 3, 2, extra);
    if (length < 258) return 257 + symbol;
    *extra = 0;
    return 285;
}

enum { PLOT_WINDOW = 32768, PLOT_TOKENS = 32768, PLOT_CHAIN = 16 };

/* A token is a literal byte, or length << 16 | distance. */
typedef struct {
    uint32_t tokens[PLOT_TOKENS];
    size_t count;
    size_t head[PLOT_WINDOW], previous[PLOT_WINDOW]; /* positions + 1 with the same hash, newest first */
    plot_huffman letters, distances, lengths;
} plot_deflator;

/* The code lengths of both alphabets as one list in which a run is a symbol: 16 repeats the last length 3 to
 * 6 times, 18 stands for 11 to 138 zeros. Counts the symbols when out is NULL, else writes them. */
static inline void plot_put_lengths(plot_bytes *out, plot_huffman *code, const unsigned char *list,
                                    unsigned n)
{
    for (unsigned i = 0, run; i < n; i += run) {
        unsigned symbol = list[i], extra = 0, base = 1;
        for (run = 1; i + run < n && list[i + run] == list[i] && run < 138;) run++;
        if (symbol == 0 && run >= 11) symbol = 18, extra = 7, base = 11;
        else if (i && list[i - 1] == list[i] && run >= 3)
            symbol = 16, extra = 2, base = 3, run = run < 6 ? run : 6;
        else run = 1;
        if (!out) code->count[symbol]++;
        else {
            plot_put_symbol(out, code, symbol);
            plot_put_bits(out, run - base, extra);
        }
    }
}

static inline void plot_put_header(plot_bytes *out, plot_deflator *d, int last)
{
    static const unsigned char order[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    unsigned char list[286 + 30];
    memcpy(list, d->letters.length, 286);
    memcpy(list + 286, d->distances.length, 30);
    memset(&d->lengths, 0, sizeof d->lengths);
    plot_put_lengths(NULL, &d->lengths, list, sizeof list);
    plot_huffman_build(&d->lengths, 19, 7);
    plot_put_bits(out, last ? 5 : 4, 3); /* final or not, dynamic codes */
    plot_put_bits(out, 286 - 257, 5);
    plot_put_bits(out, 30 - 1, 5);
    plot_put_bits(out, 19 - 4, 4);
    for (int i = 0; i < 19; i++) plot_put_bits(out, d->lengths.length[order[i]], 3);
    plot_put_lengths(out, &d->lengths, list, sizeof list);
}

/* One block: the codes that suit its tokens best, then the tokens. */
static inline void plot_put_block(plot_bytes *out, plot_deflator *d, int last)
{
    unsigned extra;
    memset(&d->letters, 0, sizeof d->letters);
    memset(&d->distances, 0, sizeof d->distances);
    d->letters.count[256] = 1;
    for (size_t i = 0; i < d->count; i++) {
        unsigned length = d->tokens[i] >> 16, low = d->tokens[i] & 0xffff;
        d->letters.count[length ? plot_length_class(length, &extra) : low]++;
        if (length) d->distances.count[plot_class(low - 1, 1, &extra)]++;
    }
    plot_huffman_build(&d->letters, 286, 15);
    plot_huffman_build(&d->distances, 30, 15);
    plot_put_header(out, d, last);
    for (size_t i = 0; i < d->count; i++) {
        unsigned length = d->tokens[i] >> 16, low = d->tokens[i] & 0xffff;
        plot_put_symbol(out, &d->letters, length ? plot_length_class(length, &extra) : low);
        if (!length) continue;
        plot_put_bits(out, (length - 3) & ((1u << extra) - 1), length < 258 ? extra : 0);
        plot_put_symbol(out, &d->distances, plot_class(low - 1, 1, &extra));
        plot_put_bits(out, (low - 1) & ((1u << extra) - 1), extra);
    }
    plot_put_symbol(out, &d->letters, 256);
    d->count = 0;
}

static inline size_t plot_hash(const unsigned char *p)
{
    return ((uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2]) * UINT32_C(2654435761) >> 17 &
           (PLOT_WINDOW - 1);
}

static inline void plot_remember(plot_deflator *d, const unsigned char *data, size_t n, size_t i)
{
    if (n - i < 3) return;
    size_t *head = &d->head[plot_hash(data + i)];
    d->previous[i % PLOT_WINDOW] = *head;
    *head = i + 1;
}

/* The longest match for the bytes at i among the newest with the same hash; 0 when none has 3 bytes. */
static inline unsigned plot_match(const plot_deflator *d, const unsigned char *data, size_t n, size_t i,
                                  unsigned *distance)
{
    unsigned best = 2, max_length = n - i < 258 ? (unsigned)(n - i) : 258;
    if (max_length < 3) return 0;
    size_t at = d->head[plot_hash(data + i)];
    for (int tries = PLOT_CHAIN; at && i - (at - 1) <= PLOT_WINDOW && tries && best < max_length; tries--) {
        const unsigned char *p = data + at - 1, *q = data + i;
        unsigned length = 0;
        if (p[best] == q[best]) {
            while (length < max_length && p[length] == q[length]) length++;
        }
        if (length > best) best = length, *distance = (unsigned)(i - (at - 1));
        size_t older = d->previous[(at - 1) % PLOT_WINDOW];
        at = older < at ? older : 0;
    }
    return best > 2 ? best : 0;
}

/* A zlib stream. A match waits when a longer one starts at the next byte. */
static inline void plot_deflate(plot_bytes *out, const unsigned char *data, size_t n)
{
    static const unsigned char header[2] = {0x78, 0x9c};
    plot_deflator *d = calloc(1, sizeof *d);
    if (!d) {
        out->failed = 1;
        return;
    }
    plot_put(out, header, 2);
    for (size_t i = 0; i < n;) {
        unsigned distance = 0, later, length = plot_match(d, data, n, i, &distance);
        plot_remember(d, data, n, i);
        if (length && length < 32 && plot_match(d, data, n, i + 1, &later) > length) length = 0;
        d->tokens[d->count++] = length ? (uint32_t)length << 16 | distance : data[i];
        for (unsigned k = 1; k < length; k++) plot_remember(d, data, n, i + k);
        i += length ? length : 1;
        if (d->count == PLOT_TOKENS) plot_put_block(out, d, 0);
    }
    plot_put_block(out, d, 1);
    plot_put_bits(out, 0, (8 - out->held) % 8);
    plot_put_u32(out, plot_adler32(data, n));
    free(d);
}

#endif
