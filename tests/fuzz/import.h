/* What the targets of lrnn_model_import share. An input is two bytes that say what the options are,
 * then the file. */
#ifndef FUZZ_IMPORT_H
#define FUZZ_IMPORT_H

#include "use.h"

enum { IMPORT_PREFIX = 2, IMPORT_MEMORY = 16 << 20 };

/* Names that the mutators put in. */
static const char *const import_words[] = {"weight_ih_l0",
                                           "weight_hh_l0",
                                           "bias_ih_l0",
                                           "bias_hh_l0",
                                           "weight_hr_l0",
                                           "weight_ih_l1",
                                           "weight_hh_l1",
                                           "weight_ih_l0_reverse",
                                           "weight_hh_l0_reverse",
                                           "weight_ih",
                                           "weight_hh",
                                           "weight_hh_l0_raw",
                                           "weight_g",
                                           "weight_v",
                                           "weight_orig",
                                           "weight_u",
                                           "rnns.0.",
                                           "rnns.1.",
                                           "parametrizations.weight.original0",
                                           "parametrizations.weight.original1",
                                           "lstm.weight_ih_l0",
                                           "lstm.weight_hh_l0",
                                           "lstm1.",
                                           "lstm2.",
                                           "rnn.",
                                           "emb.weight",
                                           "embedding.weight",
                                           "head.weight",
                                           "head.bias",
                                           "fc.weight",
                                           "fc.bias",
                                           ".weight",
                                           ".bias",
                                           "_l99999999999",
                                           "fc_in.",
                                           "ln_0.",
                                           "out.0.",
                                           "h0",
                                           "c0",
                                           "h0.0",
                                           "model",
                                           "state_dict",
                                           "."};

enum { IMPORT_WORDS = sizeof import_words / sizeof *import_words };

static inline void note_left_out(void *user, const char *name)
{
    FUZZ_CHECK(user == NULL && name != NULL);
}

/* What stands around layers. */
static inline void import_stages(lrnn_import_options *options, unsigned flags)
{
    options->layer_norm = flags & 1;
    options->residual = flags >> 1 & 1;
    options->input_layer = (flags & 4) != 0 ? "fc_in" : NULL;
    options->input_layer_activation = (flags & 4) != 0 ? LRNN_ACTIVATION_TANH : 0;
    options->head_layer = (flags & 8) != 0 ? "out.0" : NULL;
    options->initial_h = (flags & 16) != 0 ? "h0" : NULL;
    options->initial_c = (flags & 20) == 20 ? "c0" : NULL;
}

static inline lrnn_import_options import_options(fuzz_bytes *from, const lrnn_allocator *allocator)
{
    static const char *const entries[] = {"model", "net", "model.net", "", "."};
    static const char *const without[] = {"rnn.weight"};
    lrnn_import_options options;
    unsigned flags = fuzz_byte(from), kinds = fuzz_byte(from);
    FUZZ_CHECK(lrnn_import_options_init(&options, sizeof options) == LRNN_OK);
    options.allocator = allocator;
    options.one_hot = flags & 1;
    options.partial = flags >> 1 & 1;
    options.feature_size = flags >> 2 & 1;
    options.padding_token = (flags & 8) != 0 ? 1 : -1;
    options.recurrent = (flags & 16) != 0 ? "rnn" : NULL;
    options.head = (flags & 32) != 0 ? "fc" : NULL;
    options.entry = (flags & 64) != 0 ? entries[kinds >> 6] : NULL;
    options.entries = entries;
    options.entry_count = (flags & 128) != 0 && options.entry == NULL ? 2 : 0;
    options.without = (flags & 3) == 3 ? without : NULL;
    options.without_count = (flags & 3) == 3 ? 1 : 0;
    options.left_out = note_left_out;
    if (kinds % 8 == 7) {
        import_stages(&options, kinds >> 3);
    } else {
        options.cell = (int32_t)(kinds % 8) - 1;
        options.head_kind = (int32_t)(kinds / 8 % 8) - 1;
    }
    return options;
}

/* The model again, from what is exported of it under the names that it was imported with. */
static inline void import_exported(const lrnn_model *model, const lrnn_import_options *with,
                                   const lrnn_allocator *allocator)
{
    const char *path = fuzz_output("exported");
    lrnn_model *again;
    lrnn_import_options options;
    lrnn_model_options architecture = use_options(model);
    lrnn_status status = lrnn_model_export(model, path, NULL);
    FUZZ_CHECK(status == LRNN_OK || status == LRNN_ERR_MEMORY);
    if (status == LRNN_OK) {
        FUZZ_CHECK(lrnn_import_options_init(&options, sizeof options) == LRNN_OK);
        options.allocator = allocator;
        options.model = &architecture;
        options.input_layer = with->input_layer;
        options.head_layer = with->head_layer;
        options.initial_h = with->initial_h;
        options.initial_c = with->initial_c;
        status = lrnn_model_import(&again, path, &options);
        FUZZ_CHECK(status == LRNN_ERR_MEMORY || (status == LRNN_OK && use_same(model, again)));
        lrnn_model_destroy(again);
    }
}

static inline void import_one(const unsigned char *bytes, size_t length)
{
    lrnn_model *model;
    fuzz_bytes from = {bytes, length};
    const lrnn_allocator *allocator = fuzz_memory_begin(IMPORT_MEMORY);
    lrnn_import_options options = import_options(&from, allocator);
    lrnn_status status = lrnn_model_import(&model, fuzz_file(from.next, from.left), &options);
    if (status == LRNN_OK) {
        use_model(model, allocator);
        import_exported(model, &options, allocator);
    } else {
        FUZZ_CHECK(model == NULL);
        FUZZ_CHECK(status == LRNN_ERR_FORMAT || status == LRNN_ERR_NUMERIC ||
                   status == LRNN_ERR_UNSUPPORTED || status == LRNN_ERR_MEMORY ||
                   status == LRNN_ERR_INVALID || status == LRNN_ERR_NOT_FOUND);
        FUZZ_CHECK(lrnn_last_error()[0] != '\0');
    }
    lrnn_model_destroy(model);
    fuzz_memory_end();
}

#endif
