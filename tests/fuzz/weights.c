/* itd_load_weights: the tensors of another program, into an MLP and into a U-Net with attention. */
#include "fuzz.h"

#define ITDIFF_IMPLEMENTATION
#include "../../itdiff.h"

static itd_model *weights_model(int images)
{
    itd_model_desc md = itd_model_desc_default(2);
    itd_unet_desc ud = itd_unet_desc_default();
    itd_model *model = NULL;
    md.mlp.layers = 2, md.mlp.hidden = 3, md.mlp.embedding = 0;
    ud.height = ud.width = 2, ud.channels = 1, ud.levels = 1, ud.features[0] = 2;
    ud.features[1] = ud.features[2] = 0, ud.groups = 1, ud.attention = 1, ud.embedding = 4, ud.hidden = 2;
    if (images) md.unet = ud;
    if (itd_model_create(&md, 1, &model) != ITD_OK) abort();
    return model;
}

/* The two networks, made once: a reader that fails leaves them alone, and after one that does not they get
 * their first weights back. */
static void weights_read(itd_model *model, const float *first, const char *prefix, size_t size)
{
    float *w = itd_net_weights(model->net);
    size_t i, n = itd_net_parameters(model->net), live = memory.live;
    long blocks = memory.blocks;
    itd_error error = {""};
    itd_result result;
    memory_begin(-1, 0);
    result = itd_load_weights(model, "file", prefix, &error);
    REQUIRE(memory.most - live <= 5 * size + 100000);
    REQUIRE(memory.blocks == blocks);
    if (result != ITD_OK) {
        fuzz_message(error.text, sizeof error.text);
        REQUIRE(memcmp(w, first, n * sizeof *w) == 0);
    }
    for (i = 0; i < n; i++) REQUIRE(w[i] - w[i] <= 0); /* finite */
    memcpy(w, first, n * sizeof *w);
}

static int fuzz_weights(const uint8_t *bytes, size_t size)
{
    static itd_model *model[2];
    static float first[2][1000];
    int prefixed = fuzz_holds(bytes, size, "unet.");
    for (int way = 0; way < 2; way++) {
        if (!model[way]) {
            model[way] = weights_model(way);
            REQUIRE(itd_net_parameters(model[way]->net) <= 1000);
            memcpy(first[way], itd_net_weights(model[way]->net),
                   itd_net_parameters(model[way]->net) * sizeof *first[way]);
            memory.live = 0, memory.blocks = 0; /* these stay and do not count */
        }
        fuzz_file_set(bytes, size);
        weights_read(model[way], first[way], "", size);
        if (prefixed) weights_read(model[way], first[way], "unet.", size);
    }
    return 0;
}

/* Nothing but the network: an MLP and a U-Net, without and with prefix, the last in half precision. */
static size_t seed_weights(size_t k, uint8_t *out)
{
    itd_model *model;
    itd__file f = ITD__ZERO;
    itd__state state = ITD__ZERO;
    size_t i;
    if (k > 3) return 0;
    model = weights_model(k % 2 == 1);
    f.list = (itd__tensor *)itd__alloc(2 * model->net->layers, 1, sizeof *f.list);
    if (!f.list) abort();
    itd__add_slab(&f, model->net, k > 1 ? "unet." : "", model->net->w);
    for (i = 0; k == 3 && i < f.count; i++) f.list[i].dtype = "F16";
    state.model = model->desc;
    f.path = "file";
    itd__write(&f, &state, NULL);
    ITD_FREE(f.list);
    itd_model_free(model);
    if (f.result != ITD_OK) return 0;
    REQUIRE(fuzz_file.size <= fuzz_seed_room);
    memcpy(out, fuzz_file.bytes, fuzz_file.size);
    return fuzz_file.size;
}
