/* tfevents.h: event files of TensorBoard, which shows the numbers and pictures of a run while it goes on.
 *
 *     tfevents events;
 *     tfevents_open(&events, "runs/dino", 0);                      0: nothing was written before
 *     tfevents_scalar(&events, step, "train_loss", loss);
 *     tfevents_png(&events, step, "samples", png, size, w, h);
 *     if (tfevents_lost(&events)) ...                              say so, and go on
 *     tfevents_close(&events);
 *
 * A file is a sequence of records, all numbers little-endian,
 *
 *     u64 length | u32 checksum of the 8 bytes before | data | u32 checksum of the data
 *
 * and the data of each is one message Event in the encoding of protocol buffers: fields led by
 * 8 * number + type, with type 0 = varint, 1 = 8 bytes, 2 = varint length and bytes, 5 = 4 bytes.
 *
 *     Event       1 wall_time, double   2 step, varint   then one of
 *                 3 file_version, text   5 summary, Summary   7 session_log, SessionLog
 *     Summary     1 value, Value
 *     Value       1 tag, text   and one of   2 simple_value, float   4 image, Image
 *     Image       1 height   2 width   3 colorspace (1 grey, 3 RGB, 4 RGBA)   4 the bytes of a PNG
 *     SessionLog  1 status (1 START)
 *
 * TensorBoard reads the files of a folder in the order of their names, which begin with the time. A run that
 * goes on from a checkpoint opens a file of its own and repeats the steps after the checkpoint; the START it
 * begins with makes TensorBoard forget that step and the later ones of all files before. A run that begins
 * anew in the same folder is a START at step 0.
 *
 * The first failure closes the file; everything after it does nothing. */
#ifndef TFEVENTS_H
#define TFEVENTS_H

#include "system.h"

#include "plot.h"

typedef struct tfevents {
    FILE *file; /* NULL: not open, or given up */
    char path[1400];
    int lost; /* a failure that tfevents_lost has not told yet */
} tfevents;

/* ---- checksums ---- */

/* CRC-32C (Castagnoli): reflected polynomial 0x82f63b78. */
static inline uint32_t tfevents_crc32c(const unsigned char *data, size_t n)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < n; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    }
    return ~crc;
}

/* Rotated and shifted, so that a checksum of data that hold a checksum is an honest one. */
static inline uint32_t tfevents_masked(uint32_t crc) { return (crc >> 15 | crc << 17) + 0xa282ead8; }

/* ---- messages ---- */

static inline void tfevents_put_little(plot_bytes *b, uint64_t v, int bytes)
{
    for (; bytes; bytes--, v >>= 8) {
        unsigned char byte = (unsigned char)(v & 255);
        plot_put(b, &byte, 1);
    }
}

/* Seven bits a byte, the low ones first; the high bit says that more follow. */
static inline void tfevents_put_varint(plot_bytes *b, uint64_t v)
{
    for (; v > 127; v >>= 7) tfevents_put_little(b, (v & 127) | 128, 1);
    tfevents_put_little(b, v, 1);
}

static inline void tfevents_put_whole(plot_bytes *b, unsigned field, uint64_t v)
{
    tfevents_put_varint(b, 8 * field);
    tfevents_put_varint(b, v);
}

static inline void tfevents_put_double(plot_bytes *b, unsigned field, double v)
{
    uint64_t word;
    memcpy(&word, &v, sizeof word);
    tfevents_put_varint(b, 8 * field + 1);
    tfevents_put_little(b, word, 8);
}

static inline void tfevents_put_float(plot_bytes *b, unsigned field, float v)
{
    uint32_t word;
    memcpy(&word, &v, sizeof word);
    tfevents_put_varint(b, 8 * field + 5);
    tfevents_put_little(b, word, 4);
}

static inline void tfevents_put_data(plot_bytes *b, unsigned field, const void *data, size_t n)
{
    tfevents_put_varint(b, 8 * field + 2);
    tfevents_put_varint(b, n);
    plot_put(b, data, n);
}

/* Appends a finished message as a field of another, and frees it. */
static inline void tfevents_put_message(plot_bytes *b, unsigned field, plot_bytes *message)
{
    tfevents_put_data(b, field, message->data, message->size);
    if (message->failed) b->failed = 1;
    free(message->data);
}

/* ---- records ---- */

/* An event that is the field `what` with the message or text in `content`, which is freed. Step 0 is the
   default and not written. */
static inline plot_bytes tfevents_event(double wall_time, uint64_t step, unsigned what, plot_bytes *content)
{
    plot_bytes event = {NULL, 0, 0, 0, 0, 0};
    tfevents_put_double(&event, 1, wall_time);
    if (step) tfevents_put_whole(&event, 2, step);
    tfevents_put_message(&event, what, content);
    return event;
}

static inline void tfevents_put_record(plot_bytes *b, const plot_bytes *event)
{
    plot_bytes length = {NULL, 0, 0, 0, 0, 0};
    tfevents_put_little(&length, event->size, 8);
    plot_put(b, length.data, length.size);
    if (!length.failed) tfevents_put_little(b, tfevents_masked(tfevents_crc32c(length.data, 8)), 4);
    plot_put(b, event->data, event->size);
    tfevents_put_little(b, tfevents_masked(tfevents_crc32c(event->data, event->size)), 4);
    if (length.failed || event->failed) b->failed = 1;
    free(length.data);
}

static inline void tfevents_give_up(tfevents *e)
{
    if (e->file) fclose(e->file);
    e->file = NULL;
    e->lost = 1;
}

/* A reader sees whole records only, so each is flushed. */
static inline void tfevents_write(tfevents *e, uint64_t step, unsigned what, plot_bytes *content)
{
    plot_bytes event = tfevents_event(system_date(), step, what, content), record = {NULL, 0, 0, 0, 0, 0};
    tfevents_put_record(&record, &event);
    if (record.failed || fwrite(record.data, 1, record.size, e->file) != record.size || fflush(e->file))
        tfevents_give_up(e);
    free(event.data);
    free(record.data);
}

/* ---- the file ---- */

/* A name that no file has yet, and sorts behind those of earlier runs. */
static inline int tfevents_choose_path(tfevents *e, const char *folder)
{
    char process[100];
    system_process_name(process, sizeof process);
    for (int n = 0; n < 1000; n++) {
        FILE *other;
        int length = snprintf(e->path, sizeof e->path, "%s/events.out.tfevents.%010.0f.%s.%d", folder,
                              floor(system_date()), process, n);
        if (length < 0 || length >= (int)sizeof e->path) return 1;
        if (!(other = fopen(e->path, "rb"))) return 0;
        fclose(other);
    }
    return 1;
}

/* Begins a file in an existing folder. `step` is the first that will be written. */
static inline void tfevents_open(tfevents *e, const char *folder, uint64_t step)
{
    plot_bytes version = {NULL, 0, 0, 0, 0, 0}, start = version;
    memset(e, 0, sizeof *e);
    if (tfevents_choose_path(e, folder) || !(e->file = fopen(e->path, "wb"))) {
        tfevents_give_up(e);
        return;
    }
    plot_put(&version, "brain.Event:2", 13);
    tfevents_write(e, 0, 3, &version);
    tfevents_put_whole(&start, 1, 1);
    if (e->file) tfevents_write(e, step, 7, &start);
    else free(start.data);
}

static inline void tfevents_put_value(tfevents *e, uint64_t step, plot_bytes *value)
{
    plot_bytes summary = {NULL, 0, 0, 0, 0, 0};
    tfevents_put_message(&summary, 1, value);
    tfevents_write(e, step, 5, &summary);
}

static inline void tfevents_scalar(tfevents *e, uint64_t step, const char *tag, double number)
{
    plot_bytes value = {NULL, 0, 0, 0, 0, 0};
    if (!e->file) return;
    tfevents_put_data(&value, 1, tag, strlen(tag));
    tfevents_put_float(&value, 2, (float)number);
    tfevents_put_value(e, step, &value);
}

/* A picture of w by h pixels in RGB, encoded as PNG. */
static inline void tfevents_png(tfevents *e, uint64_t step, const char *tag, const unsigned char *png,
                                size_t size, size_t w, size_t h)
{
    plot_bytes value = {NULL, 0, 0, 0, 0, 0}, image = value;
    if (!e->file) return;
    tfevents_put_whole(&image, 1, h);
    tfevents_put_whole(&image, 2, w);
    tfevents_put_whole(&image, 3, 3);
    tfevents_put_data(&image, 4, png, size);
    tfevents_put_data(&value, 1, tag, strlen(tag));
    tfevents_put_message(&value, 4, &image);
    tfevents_put_value(e, step, &value);
}

/* Whether writing has failed since this was last asked: true at most once for each file. */
static inline int tfevents_lost(tfevents *e)
{
    int lost = e->lost;
    e->lost = 0;
    return lost;
}

static inline void tfevents_close(tfevents *e)
{
    if (e->file && fclose(e->file)) e->lost = 1;
    e->file = NULL;
}

#endif
