/* Each field is held against the shape of one tensor, or against whether there is one, before
 * anything is computed from it: afterwards a number in the metadata is no larger than the file
 * itself, so nothing that is allocated for it can be. */
#include "claims.h"

#include <stdio.h>

#include "adaptive.h"
#include "base/check.h"
#include "base/error.h"
#include "base/memory.h"
#include "kernels/cells.h"
#include "layer_sizes.h"

enum { NAME_ROOM = 48, TEXT_ROOM = 160 };

/* ---- shapes ---- */

/* A dimension of a tensor should be `times` * value + plus. `claim` is what the metadata says. */
typedef struct size_claim {
    const char *tensor;
    size_t dimension;
    size_t value, times, plus;
} size_claim;

static lrnn_status check_size_claim(const safetensors *file, const size_claim *of,
                                    const char *claim)
{
    size_t expected;
    const tensor_view *view = safetensors_find(file, of->tensor);
    if (view == NULL || view->rank != 2) {
        return LRNN_OK;
    }
    if (size_multiply(&expected, of->value, of->times) && size_add(&expected, expected, of->plus) &&
        expected == view->shape[of->dimension]) {
        return LRNN_OK;
    }
    return error_set(LRNN_ERR_FORMAT, "%s: %s, but tensor %s has shape [%zu,%zu]",
                     safetensors_name(file), claim, of->tensor, view->shape[0], view->shape[1]);
}

static const char *head_weight(const lrnn_model_options *o)
{
    return adaptive_count(o) > 0 ? "head.head.weight" : "head.weight";
}

static lrnn_status check_embedding(const lrnn_model_options *o, const safetensors *file)
{
    char claim[TEXT_ROOM];
    snprintf(claim, sizeof claim, "lrnn.vocab_size is %zu", o->vocab_size);
    CHECK(check_size_claim(
        file, &(size_claim){"embedding.weight", 0, .value = o->vocab_size, .times = 1}, claim));
    snprintf(claim, sizeof claim, "lrnn.embedding_size is %zu", o->embedding_size);
    return check_size_claim(
        file, &(size_claim){"embedding.weight", 1, .value = o->embedding_size, .times = 1}, claim);
}

/* The matrix that reads the input. */
static const char *first_matrix(const lrnn_model_options *o)
{
    return o->input_layer_size > 0  ? "input.weight"
           : o->layers > 0          ? "rnn.weight_ih_l0"
           : o->head_layer_size > 0 ? "head_input.weight"
                                    : head_weight(o);
}

/* The first thing that reads the input has a column for every value of it. */
static lrnn_status check_input(const lrnn_model_options *o, const safetensors *file)
{
    char claim[TEXT_ROOM];
    bool embedded = o->vocab_size > 0 && o->embedding_size > 0;
    size_t token_size = embedded ? o->embedding_size : o->vocab_size;
    snprintf(claim, sizeof claim, "lrnn.%s is %zu and lrnn.feature_size %zu",
             embedded ? "embedding_size" : "vocab_size", token_size, o->feature_size);
    return check_size_claim(
        file,
        &(size_claim){first_matrix(o), 1, .value = token_size, .times = 1, .plus = o->feature_size},
        claim);
}

/* field: where the size of the layer is from. */
static lrnn_status check_layer(const lrnn_model_options *o, const safetensors *file, size_t layer,
                               const char *field)
{
    char claim[TEXT_ROOM], name[NAME_ROOM];
    const cell_kind *cell = cell_find(o->cell);
    const size_t hidden = layer_hidden_size(o, layer);
    snprintf(name, sizeof name, "rnn.weight_hh_l%zu", layer);
    snprintf(claim, sizeof claim, "lrnn.%s is %zu and lrnn.cell %s", field, hidden, cell->name);
    CHECK(check_size_claim(file, &(size_claim){name, 0, .value = hidden, .times = cell->gates},
                           claim));
    bool projected = o->projection_size > 0;
    size_t size = layer_h_size(o, layer);
    snprintf(claim, sizeof claim, "lrnn.%s is %zu", projected ? "projection_size" : field, size);
    return check_size_claim(file, &(size_claim){name, 1, .value = size, .times = 1}, claim);
}

/* Of every layer that has a size of its own, and of one that has not. */
static lrnn_status check_hidden(const lrnn_model_options *o, const safetensors *file)
{
    size_t plain = 0;
    for (size_t i = 0; i < LRNN_MOST_HIDDEN_SIZES && i < o->layers && o->hidden_sizes[i] > 0; i++) {
        CHECK(check_layer(o, file, i, "hidden_sizes"));
        plain = i + 1;
    }
    return plain < o->layers ? check_layer(o, file, plain, "hidden_size") : LRNN_OK;
}

static lrnn_status check_output(const lrnn_model_options *o, const safetensors *file)
{
    char claim[TEXT_ROOM];
    snprintf(claim, sizeof claim, "lrnn.output_size is %zu", o->output_size);
    return check_size_claim(
        file, &(size_claim){"head.weight", 0, .value = o->output_size, .times = 1}, claim);
}

/* ---- what there is ---- */

static lrnn_status check_presence(const safetensors *file, const char *field, size_t value,
                                  const char *tensor, bool wanted)
{
    if ((safetensors_find(file, tensor) != NULL) == wanted) {
        return LRNN_OK;
    }
    return error_set(LRNN_ERR_FORMAT, "%s: lrnn.%s is %zu, but %s tensor %s",
                     safetensors_name(file), field, value, wanted ? "there is no" : "there is a",
                     tensor);
}

static lrnn_status check_layers(const lrnn_model_options *o, const safetensors *file)
{
    char name[NAME_ROOM];
    if (o->layers > 0) {
        snprintf(name, sizeof name, "rnn.weight_hh_l%zu", o->layers - 1);
        CHECK(check_presence(file, "layers", o->layers, name, true));
    }
    snprintf(name, sizeof name, "rnn.weight_hh_l%zu", o->layers);
    return check_presence(file, "layers", o->layers, name, false);
}

/* The rows of the head's matrix and of every tail follow from the cutoffs and the outputs. */
static lrnn_status check_adaptive(const lrnn_model_options *o, const safetensors *file)
{
    char claim[TEXT_ROOM], name[NAME_ROOM];
    size_t count = adaptive_count(o);
    CHECK(check_presence(file, "cutoffs", o->cutoffs[0], "head.head.weight", true));
    CHECK(check_presence(file, "adaptive_bias", (size_t)o->adaptive_bias, "head.head.bias",
                         o->adaptive_bias != 0));
    snprintf(claim, sizeof claim, "lrnn.cutoffs has %zu and %zu tails", o->cutoffs[0], count);
    CHECK(check_size_claim(
        file,
        &(size_claim){"head.head.weight", 0, .value = o->cutoffs[0], .times = 1, .plus = count},
        claim));
    for (size_t i = 0; i < count; i++) {
        size_t end = i + 1 < count ? o->cutoffs[i + 1] : o->output_size;
        snprintf(name, sizeof name, "head.tail.%zu.1.weight", i);
        CHECK(check_presence(file, "cutoffs", o->cutoffs[i], name, true));
        if (end <= o->cutoffs[i]) {
            continue; /* options are checked later */
        }
        snprintf(claim, sizeof claim, "lrnn.cutoffs and lrnn.output_size: tail %zu is %zu..%zu", i,
                 o->cutoffs[i], end - 1);
        CHECK(check_size_claim(
            file, &(size_claim){name, 0, .value = end - o->cutoffs[i], .times = 1}, claim));
    }
    return LRNN_OK;
}

static lrnn_status check_linear(const safetensors *file, const char *field, const char *tensor,
                                size_t size)
{
    char claim[TEXT_ROOM];
    CHECK(check_presence(file, field, size, tensor, size > 0));
    snprintf(claim, sizeof claim, "lrnn.%s is %zu", field, size);
    return check_size_claim(file, &(size_claim){tensor, 0, .value = size, .times = 1}, claim);
}

/* What stands around the layers. */
static lrnn_status check_stages(const lrnn_model_options *o, const safetensors *file)
{
    CHECK(check_linear(file, "input_layer_size", "input.weight", o->input_layer_size));
    CHECK(check_linear(file, "head_layer_size", "head_input.weight", o->head_layer_size));
    CHECK(check_presence(file, "layer_norm", (size_t)o->layer_norm, "norm.0.weight",
                         o->layer_norm != 0));
    return check_presence(file, "learned_state", (size_t)o->learned_state, "state.h_l0",
                          o->learned_state != 0);
}

lrnn_status claims_check(const lrnn_model_options *o, const safetensors *file)
{
    CHECK(check_layers(o, file));
    CHECK(check_presence(file, o->vocab_size > 0 ? "embedding_size" : "vocab_size",
                         o->vocab_size > 0 ? o->embedding_size : 0, "embedding.weight",
                         o->vocab_size > 0 && o->embedding_size > 0));
    CHECK(check_embedding(o, file));
    CHECK(check_stages(o, file));
    CHECK(check_input(o, file));
    if (o->layers > 0) {
        CHECK(check_presence(file, "bidirectional", (size_t)o->bidirectional,
                             "rnn.weight_hh_l0_reverse", o->bidirectional != 0));
        CHECK(check_presence(file, "bias", (size_t)o->bias, "rnn.bias_hh_l0", o->bias != 0));
        CHECK(check_presence(file, "projection_size", o->projection_size, "rnn.weight_hr_l0",
                             o->projection_size > 0));
        CHECK(check_hidden(o, file));
    }
    if (o->head == LRNN_HEAD_NONE) {
        return LRNN_OK;
    }
    if (o->tied_weights) {
        return check_presence(file, "tied_weights", 1, "head.weight", false);
    }
    if (adaptive_count(o) > 0) {
        return check_adaptive(o, file);
    }
    CHECK(check_presence(file, "output_size", o->output_size, "head.weight", true));
    return check_output(o, file);
}
