/* itd_load. The checksum is put right first, or hardly any file would get past it. */
#include "fuzz.h"

#define ITDIFF_IMPLEMENTATION
#include "../../itdiff.h"

#include "../ref.h"

/* The ten digits after "crc32c":" become those of the data. */
static void checkpoint_mend(uint8_t *bytes, size_t size)
{
    static const char key[] = "\"crc32c\":\"";
    uint64_t n = 0, crc;
    size_t at, k;
    for (k = 8; size >= 8 && k-- > 0;) n = n << 8 | bytes[k];
    if (size < 8 || n > size - 8) return;
    crc = ref_crc32c(bytes + 8 + n, size - 8 - (size_t)n);
    for (at = 8; at + sizeof key + 9 <= 8 + n; at++) {
        if (memcmp(bytes + at, key, sizeof key - 1)) continue;
        for (k = 10; k-- > 0; crc /= 10) bytes[at + sizeof key - 1 + k] = (uint8_t)('0' + crc % 10);
        return;
    }
}

static void checkpoint_use(itd_model *model, itd_trainer *trainer)
{
    itd_denoiser den = itd_model_denoiser(model);
    float *z = (float *)calloc(model->dim, 2 * sizeof *z), logsnr = 1, *eps_hat = z + model->dim;
    if (!z) abort();
    (void)den.predict(den.ctx, z, &logsnr, 1, eps_hat);
    itd_to_coordinates(&den, z, 1, eps_hat), itd_from_coordinates(&den, eps_hat, 1, z);
    free(z);
    for (const itd_note *note = model->notes; note; note = note->next)
        REQUIRE(itd_model_note(model, note->key) == note->value);
    if (trainer && trainer->desc.batch <= 16) {
        z = (float *)calloc(trainer->desc.batch, model->dim * sizeof *z);
        if (z) (void)itd_train_step(trainer, z, NULL);
        free(z);
    }
}

static int fuzz_checkpoint(const uint8_t *bytes, size_t size)
{
    itd_model *model = NULL;
    itd_trainer *trainer = NULL;
    itd_error error = {""};
    itd_result result;
    fuzz_file_set(bytes, size);
    checkpoint_mend(fuzz_file.bytes, size);
    memory_begin(-1, 0);
    result = itd_load("file", &model, size % 2 ? &trainer : NULL, &error);
    REQUIRE((result == ITD_OK) == (model != NULL));
    /* and the tables of the largest U-Net, or of as many directions as the file has weights for */
    REQUIRE(memory.most <= 12 * size + ((size_t)1 << (size < 4096 ? 22 : 25)));
    if (result != ITD_OK) fuzz_message(error.text, sizeof error.text);
    else checkpoint_use(model, trainer);
    itd_trainer_free(trainer), itd_model_free(model);
    REQUIRE(memory.blocks == 0);
    return 0;
}

/* A file with ten digits of checksum, whatever its value. */
static size_t checkpoint_seed_from_file(uint8_t *out)
{
    static const char key[] = "\"crc32c\":\"";
    size_t at, digits = 0, n = 0, k;
    REQUIRE(fuzz_file.size + 10 <= fuzz_seed_room);
    memcpy(out, fuzz_file.bytes, fuzz_file.size);
    for (at = 8; memcmp(out + at, key, sizeof key - 1); at++) continue;
    at += sizeof key - 1;
    while (out[at + digits] != '"') digits++;
    memmove(out + at + 10, out + at + digits, fuzz_file.size - at - digits);
    memset(out + at, '0', 10);
    for (k = 8; k-- > 0;) n = n << 8 | out[k];
    n += 10 - digits;
    for (k = 0; k < 8; k++) out[k] = (uint8_t)(n >> (8 * k));
    return fuzz_file.size + 10 - digits;
}

/* MLPs, one of the original kind, one with its training and notes; a U-Net. */
static size_t seed_checkpoint(size_t k, uint8_t *out)
{
    static const float x[8] = {1, 2, 3, 5, 8, 13, 2, 1};
    itd_model_desc md = itd_model_desc_default(2);
    itd_trainer_desc td = itd_trainer_desc_default();
    itd_model *model = NULL;
    itd_trainer *trainer = NULL;
    itd_unet_desc ud = itd_unet_desc_default();
    itd_result result;
    if (k > 3) return 0;
    md.mlp.layers = 2, md.mlp.hidden = 3, md.mlp.embedding = k == 1 ? 0 : 4;
    md.mlp.directions = k == 0 ? 0 : 2;
    td.batch = 4, td.ema = 0.9;
    ud.height = ud.width = 4, ud.channels = 1, ud.levels = 2, ud.features[0] = ud.features[1] = 4;
    ud.features[2] = 0, ud.groups = 2, ud.attention = 2, ud.embedding = 4, ud.hidden = 4;
    if (k == 3) md.unet = ud;
    result = itd_model_create(&md, 1, &model);
    if (result == ITD_OK && k != 3) result = itd_model_fit(model, x, 4);
    if (result == ITD_OK && k == 2) result = itd_model_set_note(model, "a", "\\\"\xC3\xA9\n");
    if (result == ITD_OK && k == 2) result = itd_model_set_note(model, "columns", "x,y");
    if (result == ITD_OK && k == 2) result = itd_trainer_create(model, &td, &trainer);
    if (result == ITD_OK) result = itd_save(model, trainer, "file", NULL);
    itd_trainer_free(trainer), itd_model_free(model);
    return result == ITD_OK ? checkpoint_seed_from_file(out) : 0;
}
