/* Lays the parameters of a network out, one after the other in a flat array: once to count the
 * tensors, once to write them down. The order is that of lrnn_parameter and never changes. */
#include "network.h"

#include <stdio.h>
#include <string.h>

#include "adaptive.h"
#include "base/check.h"
#include "base/error.h"
#include "base/memory.h"
#include "layer_sizes.h"
#include "normalize.h"
#include "options.h"

/* ---- layout ---- */

/* Appends a tensor and returns its offset; while tensors is NULL they are only counted. A size that
 * does not fit leaves parameter_count at SIZE_MAX. */
static size_t add_tensor(network *net, const char *name, size_t rows, size_t columns)
{
    size_t offset = net->parameter_count;
    size_t count;
    bool fits = size_multiply(&count, rows, columns > 0 ? columns : 1);
    if (!fits || !size_add(&net->parameter_count, offset, count)) {
        net->parameter_count = SIZE_MAX;
    }
    if (net->tensors != NULL) {
        network_tensor *tensor = &net->tensors[net->tensor_count];
        snprintf(tensor->name, sizeof tensor->name, "%s", name);
        tensor->rank = columns > 0 ? 2 : 1;
        tensor->shape[0] = rows;
        tensor->shape[1] = columns;
        tensor->offset = offset;
        tensor->count = count;
    }
    net->tensor_count++;
    return offset;
}

static size_t add_layer_tensor(network *net, const char *what, size_t layer, size_t direction,
                               size_t rows, size_t columns)
{
    char name[NETWORK_NAME_ROOM];
    snprintf(name, sizeof name, "rnn.%s_l%u%s", what, (unsigned)layer,
             direction == 1 ? "_reverse" : "");
    return add_tensor(net, name, rows, columns);
}

/* A layer's normalization, once for both directions. */
static void add_norm(network *net, size_t layer, size_t inputs, network_layer *made)
{
    char name[NETWORK_NAME_ROOM];
    snprintf(name, sizeof name, "norm.%u.weight", (unsigned)layer);
    made->norm_weight = add_tensor(net, name, inputs, 0);
    snprintf(name, sizeof name, "norm.%u.bias", (unsigned)layer);
    made->norm_bias = add_tensor(net, name, inputs, 0);
}

static void add_layer(network *net, size_t layer, size_t direction)
{
    const lrnn_model_options *o = &net->options;
    size_t H = layer_hidden_size(o, layer), R = layer_h_size(o, layer);
    size_t rows = net->gates * H;
    network_layer made = {
        .input_size = layer_input_size(o, layer),
        .hidden_size = H,
        .h_size = R,
        .h_before = net->h_values,
        .c_before = net->c_values,
        .bias_ih = NETWORK_NONE,
        .bias_hh = NETWORK_NONE,
        .weight_hr = NETWORK_NONE,
        .norm_weight = NETWORK_NONE,
        .norm_bias = NETWORK_NONE,
        .state_h = NETWORK_NONE,
        .state_c = NETWORK_NONE,
        .residual = stages_residual(o, layer),
    };
    if (o->layer_norm && direction == 0) {
        add_norm(net, layer, made.input_size, &made);
    } else if (o->layer_norm && net->layers != NULL) {
        made.norm_weight = net->layers[layer * net->directions].norm_weight;
        made.norm_bias = net->layers[layer * net->directions].norm_bias;
    }
    made.weight_ih = add_layer_tensor(net, "weight_ih", layer, direction, rows, made.input_size);
    made.weight_hh = add_layer_tensor(net, "weight_hh", layer, direction, rows, R);
    if (o->bias) {
        made.bias_ih = add_layer_tensor(net, "bias_ih", layer, direction, rows, 0);
        made.bias_hh = add_layer_tensor(net, "bias_hh", layer, direction, rows, 0);
    }
    if (network_is_projected(net)) {
        made.weight_hr = add_layer_tensor(net, "weight_hr", layer, direction, R, H);
    }
    net->h_values += R;
    net->c_values += H;
    net->widest = net->directions * R > net->widest ? net->directions * R : net->widest;
    if (net->layers != NULL) {
        net->layers[layer * net->directions + direction] = made;
    }
}

/* Where the streams of a layer begin. */
static void add_state(network *net, size_t layer, size_t direction)
{
    const char *reverse = direction == 1 ? "_reverse" : "";
    char name[NETWORK_NAME_ROOM];
    size_t h, c = NETWORK_NONE;
    snprintf(name, sizeof name, "state.h_l%u%s", (unsigned)layer, reverse);
    h = add_tensor(net, name, layer_h_size(&net->options, layer), 0);
    if (net->cell->has_c) {
        snprintf(name, sizeof name, "state.c_l%u%s", (unsigned)layer, reverse);
        c = add_tensor(net, name, layer_hidden_size(&net->options, layer), 0);
    }
    if (net->layers != NULL) {
        net->layers[layer * net->directions + direction].state_h = h;
        net->layers[layer * net->directions + direction].state_c = c;
    }
}

static void add_layers(network *net)
{
    const lrnn_model_options *o = &net->options;
    for (size_t i = 0; i < o->layers * net->directions; i++) {
        add_layer(net, i / net->directions, i % net->directions);
    }
    for (size_t i = 0; o->learned_state && i < o->layers * net->directions; i++) {
        add_state(net, i / net->directions, i % net->directions);
    }
}

/* The members of an nn.AdaptiveLogSoftmaxWithLoss that is called head. */
static void add_adaptive_head(network *net)
{
    const lrnn_model_options *o = &net->options;
    char name[NETWORK_NAME_ROOM];
    net->head_weight = add_tensor(net, "head.head.weight", net->head_rows, net->head_size);
    if (o->adaptive_bias) {
        net->head_bias = add_tensor(net, "head.head.bias", net->head_rows, 0);
    }
    for (size_t i = 0; i < net->tail_count; i++) {
        network_tail *tail = &net->tails[i];
        snprintf(name, sizeof name, "head.tail.%u.0.weight", (unsigned)i);
        tail->down = add_tensor(net, name, tail->size, net->head_size);
        snprintf(name, sizeof name, "head.tail.%u.1.weight", (unsigned)i);
        tail->up = add_tensor(net, name, tail->count, tail->size);
    }
}

static void lay_out(network *net)
{
    const lrnn_model_options *o = &net->options;
    net->tensor_count = 0;
    net->parameter_count = 0;
    net->h_values = net->c_values = net->widest = 0;
    net->embedding = net->head_weight = net->head_bias = NETWORK_NONE;
    net->input_weight = net->input_bias = NETWORK_NONE;
    net->head_input_weight = net->head_input_bias = NETWORK_NONE;
    if (o->embedding_size > 0) {
        net->embedding = add_tensor(net, "embedding.weight", o->vocab_size, o->embedding_size);
    }
    if (o->input_layer_size > 0) {
        net->input_weight = add_tensor(net, "input.weight", o->input_layer_size, net->input_size);
        net->input_bias = add_tensor(net, "input.bias", o->input_layer_size, 0);
    }
    add_layers(net);
    if (o->head_layer_size > 0) {
        net->head_input_weight =
            add_tensor(net, "head_input.weight", o->head_layer_size, net->top_size);
        net->head_input_bias = add_tensor(net, "head_input.bias", o->head_layer_size, 0);
    }
    if (network_is_adaptive(net)) {
        add_adaptive_head(net);
    } else if (o->head != LRNN_HEAD_NONE) {
        net->head_weight = o->tied_weights
                               ? net->embedding
                               : add_tensor(net, "head.weight", o->output_size, net->head_size);
        net->head_bias = add_tensor(net, "head.bias", o->output_size, 0);
    }
}

/* How the outputs are shared out. */
static void divide_outputs(network *net)
{
    const lrnn_model_options *o = &net->options;
    net->output_size = o->head == LRNN_HEAD_NONE ? net->top_size : o->output_size;
    net->tail_count = adaptive_count(o);
    net->head_rows = net->tail_count == 0 ? net->output_size : o->cutoffs[0] + net->tail_count;
    for (size_t i = 0; i < net->tail_count; i++) {
        size_t end = i + 1 < net->tail_count ? o->cutoffs[i + 1] : net->output_size;
        net->tails[i].first = o->cutoffs[i];
        net->tails[i].count = end - o->cutoffs[i];
        net->tails[i].size = adaptive_tail_size(net->head_size, o->div_value, i);
    }
}

lrnn_status network_create(network *net, const lrnn_model_options *options,
                           const lrnn_allocator *allocator)
{
    memset(net, 0, sizeof *net);
    lrnn_model_options *o = &net->options;
    CHECK(model_options_resolve(o, options));
    o->allocator = NULL;
    o->input_vocab = NULL;
    o->output_vocab = NULL;
    net->cell = cell_find(o->cell);
    net->gates = net->cell->gates;
    net->directions = o->bidirectional ? 2 : 1;
    net->token_size = o->embedding_size > 0 ? o->embedding_size : o->vocab_size;
    net->input_size = net->token_size + o->feature_size;
    net->entry_size = stages_entry_size(o);
    net->top_size = stages_top_size(o);
    net->head_size = stages_head_size(o);
    divide_outputs(net);
    lay_out(net);
    if (net->parameter_count > SIZE_MAX / sizeof(real) / 4) {
        return error_set(LRNN_ERR_MEMORY, "model: more parameters than memory can hold");
    }
    size_t tensors = net->tensor_count;
    network_tensor *storage = memory_allocate(
        allocator, 1, tensors * sizeof *storage + o->layers * net->directions * sizeof *net->layers,
        "model: parameter table");
    if (storage == NULL) {
        return LRNN_ERR_MEMORY;
    }
    net->storage = storage;
    net->tensors = storage;
    net->layers = (network_layer *)(void *)(storage + tensors);
    lay_out(net);
    return LRNN_OK;
}

void network_release(network *net, const lrnn_allocator *allocator)
{
    memory_release(allocator, net->storage);
    net->storage = NULL;
}

const network_tensor *network_find(const network *net, const char *name)
{
    for (size_t i = 0; i < net->tensor_count; i++) {
        if (strcmp(net->tensors[i].name, name) == 0) {
            return &net->tensors[i];
        }
    }
    return NULL;
}

bool network_same_architecture(const network *a, const network *b)
{
    return model_options_agree(&a->options, &b->options);
}
