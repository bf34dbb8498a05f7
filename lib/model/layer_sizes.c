/* Layers past the eighth, and those whose entry is 0, are of hidden_size. */
#include "layer_sizes.h"

#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "kernels/cells.h"
#include "normalize.h"

size_t layer_hidden_size(const lrnn_model_options *o, size_t layer)
{
    return layer < LRNN_MOST_HIDDEN_SIZES && o->hidden_sizes[layer] > 0 ? o->hidden_sizes[layer]
                                                                        : o->hidden_size;
}

size_t layer_h_size(const lrnn_model_options *o, size_t layer)
{
    return o->projection_size > 0 ? o->projection_size : layer_hidden_size(o, layer);
}

size_t layer_width(const lrnn_model_options *o, size_t layer)
{
    return (o->bidirectional ? 2 : 1) * layer_h_size(o, layer);
}

size_t layer_input_size(const lrnn_model_options *o, size_t layer)
{
    return layer == 0 ? stages_entry_size(o) : layer_width(o, layer - 1);
}

/* Layers past the eighth are all of one size. */
static size_t looked_at(const lrnn_model_options *o)
{
    return o->layers <= LRNN_MOST_HIDDEN_SIZES ? o->layers : LRNN_MOST_HIDDEN_SIZES + 1;
}

bool layer_sizes_differ(const lrnn_model_options *o)
{
    bool differ = false;
    for (size_t i = 1; i < looked_at(o); i++) {
        differ = differ || layer_hidden_size(o, i) != layer_hidden_size(o, 0);
    }
    return differ;
}

bool layer_h_sizes_differ(const lrnn_model_options *o)
{
    return o->projection_size == 0 && layer_sizes_differ(o);
}

static lrnn_status check_projection(const lrnn_model_options *o)
{
    if (o->projection_size == 0) {
        return LRNN_OK;
    }
    if (!cell_find(o->cell)->projects || o->layers == 0) {
        return error_set(LRNN_ERR_INVALID, "projection_size: only LSTM layers have a projection");
    }
    size_t least = layer_hidden_size(o, 0);
    for (size_t i = 1; i < looked_at(o); i++) {
        least = layer_hidden_size(o, i) < least ? layer_hidden_size(o, i) : least;
    }
    return check_size(layer_sizes_differ(o)
                          ? "projection_size (it must be below the hidden size of every layer)"
                          : "projection_size (it must be below hidden_size)",
                      o->projection_size, 1, least - 1);
}

lrnn_status layer_sizes_check(const lrnn_model_options *o)
{
    for (size_t i = 0; i < LRNN_MOST_HIDDEN_SIZES; i++) {
        if (o->hidden_sizes[i] > 0 && i >= o->layers) {
            return error_set(LRNN_ERR_INVALID, "hidden_sizes: size %zu is %zu, but layers is %zu",
                             i, o->hidden_sizes[i], o->layers);
        }
        if (o->hidden_sizes[i] > INT32_MAX / CELL_MOST_GATES) {
            return error_set(LRNN_ERR_INVALID,
                             "hidden_sizes: expected sizes up to %d, found %zu as size %zu",
                             INT32_MAX / CELL_MOST_GATES, o->hidden_sizes[i], i);
        }
    }
    return check_projection(o);
}

void layer_sizes_resolve(lrnn_model_options *o)
{
    size_t sizes[LRNN_MOST_HIDDEN_SIZES] = {0};
    bool differ = layer_sizes_differ(o);
    for (size_t i = 0; differ && i < o->layers && i < LRNN_MOST_HIDDEN_SIZES; i++) {
        sizes[i] = layer_hidden_size(o, i);
    }
    if (o->layers > 0) {
        o->hidden_size = layer_hidden_size(o, o->layers - 1);
    }
    memcpy(o->hidden_sizes, sizes, sizeof sizes);
}
