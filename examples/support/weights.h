/* weights.h: files that are given as weights and are none: what they are, and what to do. The readers of
 * itdiff.h say what is wrong with safetensors; they cannot know what else people have when a download went
 * wrong.
 *
 *     if (weights_are_foreign(path, error, sizeof error)) fail("%s", error);
 *     must_load_weights(model, path, prefix);
 *
 * Include the implementation of itdiff.h and must.h before this file. */
#ifndef WEIGHTS_H
#define WEIGHTS_H

#include "text.h"

#define WEIGHTS_FILE "diffusion_pytorch_model.safetensors"
#define WEIGHTS_URL "https://huggingface.co/google/ddpm-cifar10-32/resolve/main/" WEIGHTS_FILE

enum { WEIGHTS_HEAD = 512, WEIGHTS_ERROR = 700 };

typedef struct weights_kind {
    const char *magic;
    size_t length;
    const char *what, *help;
} weights_kind;

static inline const weights_kind *weights_find_kind(const char *head, size_t size)
{
    static const char again[] = "download " WEIGHTS_FILE " again, from " WEIGHTS_URL,
                      convert[] = "take the file " WEIGHTS_FILE " beside it, or convert it in Python: "
                                  "safetensors.torch.save_file(torch.load(FILE, map_location=\"cpu\"), OUT)";
    static const weights_kind kinds[] = {
        {"version https://git-lfs", 23, "a pointer of git-lfs, not the weights",
         "run git lfs pull in its folder, or download it from " WEIGHTS_URL},
        {"PK\3\4", 4, "what torch.save writes (a zip archive of pickles)", convert},
        {"\x80\x02", 2, "a Python pickle, as torch.save writes it", convert},
        {"\x80\x03", 2, "a Python pickle, as torch.save writes it", convert},
        {"\x80\x04", 2, "a Python pickle, as torch.save writes it", convert},
        {"\x80\x05", 2, "a Python pickle, as torch.save writes it", convert},
        {"\x1F\x8B", 2, "gzip", "unpack it with gunzip first"},
        {"\x89HDF\r\n\x1A\n", 8, "HDF5", "take weights that are saved as safetensors"},
        {"\x93NUMPY", 6, "an array of NumPy", "give images by --data, weights as safetensors"},
        {"GGUF", 4, "GGUF", "take weights that are saved as safetensors"},
        {"<", 1, "a page of HTML, so the download went wrong", again},
        {"{", 1, "JSON, perhaps the network's configuration", "give " WEIGHTS_FILE " beside it"},
    };
    static const char small[] = {0, 0, 0, 0, '{'}; /* safetensors begin with a length of 8 bytes, then JSON */
    size_t at = 0;
    if (size > 8 && !memcmp(head + 4, small, sizeof small)) return NULL;
    while (at < size && isspace((unsigned char)head[at])) at++;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        size_t from = kinds[k].length == 1 ? at : 0; /* texts may begin with blanks */
        if (size - from >= kinds[k].length && !memcmp(head + from, kinds[k].magic, kinds[k].length))
            return &kinds[k];
    }
    return NULL;
}

/* How its first line begins if all of it is text, as servers answer where a file was expected; else "". A
 * mark of the order of bytes in front is left out. */
static inline const char *weights_message(const char *head, size_t size, char line[TEXT_QUOTE])
{
    size_t at = size > 3 && !memcmp(head, "\xEF\xBB\xBF", 3) ? 3 : 0, end;
    *line = '\0';
    for (size_t i = at; i < size; i++)
        if ((unsigned char)head[i] < ' ' && !isspace((unsigned char)head[i])) return line;
    while (at < size && isspace((unsigned char)head[at])) at++;
    for (end = at; end < size && (unsigned char)head[end] >= ' ';) end++;
    return text_quote(head + at, end - at, line);
}

/* Whether the file cannot be weights at all; then one line in `error` says why. What may be safetensors is
 * left to their reader. */
static inline int weights_are_foreign(const char *path, char *error, size_t error_size)
{
    text_error to = {path, error, error_size};
    char head[WEIGHTS_HEAD], line[TEXT_QUOTE];
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(head, 1, sizeof head, file) : 0;
    int broken = file && ferror(file);
    const weights_kind *kind = weights_find_kind(head, size);
    if (!file) return text_refuse(&to, "weights expected, no such file can be opened (%s)", strerror(errno));
    fclose(file);
    if (broken)
        return text_refuse(&to, "weights expected, a folder or an unreadable file found; give FILE in it");
    if (!size) return text_refuse(&to, "weights as safetensors expected, an empty file found");
    if (kind)
        return text_refuse(&to, "weights as safetensors expected, found %s; %s", kind->what, kind->help);
    if (*weights_message(head, size, line))
        return text_refuse(&to,
                           "weights as safetensors expected, found text that begins \"%s\"; if it was "
                           "downloaded, do so again",
                           line);
    return 0;
}

/* ---- the names in it ---- */

/* The first `size` bytes of a text in the file, at most, or "" if it cannot be read. */
static inline char *weights_header(const char *path)
{
    enum { MAX_HEADER = 1 << 22 };
    char *header = (char *)must_alloc(MAX_HEADER + 1, 1);
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(header, 1, MAX_HEADER, file) : 0;
    for (size_t i = 0; i < size; i++)
        if (!header[i]) header[i] = ' ';
    if (file) fclose(file);
    return header;
}

static inline int weights_say_ours(const char *header)
{
    return strstr(header, "\"format\":\"itdiff\"") != NULL;
}

/* Says what else is known of a file whose tensors are not those of the network: another prefix, or a
 * checkpoint of these programs. */
static inline void weights_advise(const char *path, const char *prefix, char *out, size_t size)
{
    static const char first[] = "time_embedding.linear_1.weight\"";
    char *header = weights_header(path), *at = strstr(header, first), *begin = at;
    size_t length = strlen(prefix);
    *out = '\0';
    while (begin && begin > header && begin[-1] != '"') begin--;
    if (weights_say_ours(header))
        snprintf(out, size, "; it is a checkpoint of these programs: give it by --load");
    else if (!at) snprintf(out, size, "; it is not a U-Net as diffusers saves it");
    else if ((size_t)(at - begin) != length || strncmp(begin, prefix, length))
        snprintf(out, size,
                 at > begin ? "; the names in it begin with %.*s: give --prefix %.*s"
                            : "; the names in it have no prefix: leave --prefix out",
                 (int)(at - begin), begin, (int)(at - begin), begin);
    free(header);
}

/* Ends the program, with one line, if they cannot be had. */
static inline void must_load_weights(itd_model *model, const char *path, const char *prefix)
{
    char foreign[WEIGHTS_ERROR], advice[300] = "";
    itd_error error;
    itd_result result;
    if (weights_are_foreign(path, foreign, sizeof foreign)) fail("--pretrained: %s", foreign);
    result = itd_load_weights(model, path, prefix, &error);
    if (result == ITD_ERROR_MISMATCH) weights_advise(path, prefix, advice, sizeof advice);
    if (result != ITD_OK) fail("--pretrained: %s%s", error.text, advice);
}

/* A checkpoint, with its training if that is asked for and there. */
static inline void must_load_model(const char *path, itd_model **model, itd_trainer **trainer)
{
    char foreign[WEIGHTS_ERROR], *header;
    itd_error error;
    itd_result result;
    if (weights_are_foreign(path, foreign, sizeof foreign)) fail("%s", foreign);
    result = itd_load(path, model, trainer, &error);
    if (result == ITD_ERROR_MISMATCH && trainer) result = itd_load(path, model, NULL, &error);
    header = result == ITD_OK ? NULL : weights_header(path);
    if (header && strstr(header, "time_embedding.linear_1.weight\"") && !weights_say_ours(header))
        fail("%s: a checkpoint of these programs expected, found weights of another; train_cifar10 takes "
             "them by --pretrained",
             path);
    free(header);
    if (result != ITD_OK) fail("%s", error.text);
}

/* Whether it is a checkpoint of these programs. */
static inline int weights_are_ours(const char *path)
{
    char *header = weights_header(path);
    int ours = weights_say_ours(header);
    free(header);
    return ours;
}

/* Weights of the same network from a checkpoint of these programs, their moving average if it has one, to go
 * on from there with another training. */
static inline void must_copy_weights(itd_model *model, const char *path)
{
    itd_model *from;
    must_load_model(path, &from, NULL);
    size_t n = itd_net_parameters(model->net);
    const float *average = itd_net_average(from->net);
    if (from->desc.parameterization != model->desc.parameterization || from->dim != model->dim)
        fail("--pretrained: %s: it is a model of other data", path);
    for (size_t k = 0;; k++) {
        char own[200], other[200];
        const char *a = itd_net_summary(model->net, k, own, sizeof own);
        const char *b = itd_net_summary(from->net, k, other, sizeof other);
        if (!a && !b) break;
        if (!a || !b || strcmp(a, b))
            fail("--pretrained: %s: layer %lu '%s' expected, found '%s'; see --features, --blocks, "
                 "--attention",
                 path, (unsigned long)k + 1, a ? a : "none", b ? b : "none");
    }
    if (!average) average = itd_net_weights(from->net);
    memcpy(itd_net_weights(model->net), average, n * sizeof *average);
    if (itd_net_average(model->net)) memcpy(itd_net_average(model->net), average, n * sizeof *average);
    itd_model_free(from);
}

#endif
