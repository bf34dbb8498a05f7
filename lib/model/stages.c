/* Each works row by row, in the same order for one step and for many, so both give the same bits.
 */
#include "stages.h"

#include <string.h>

#include "activate.h"
#include "normalize.h"
#include "values.h"

/* ---- what a model has ---- */

static const real *vector_at(const lrnn_model *model, size_t offset)
{
    const network *net = &model->net;
    for (size_t i = 0; offset != NETWORK_NONE && i < net->tensor_count; i++) {
        if (net->tensors[i].offset == offset) {
            return model_tensor(model, &net->tensors[i]);
        }
    }
    return NULL;
}

void stages_find_vectors(lrnn_model *model)
{
    const network *net = &model->net;
    model->head_bias = vector_at(model, net->head_bias);
    model->input_bias = vector_at(model, net->input_bias);
    model->head_input_bias = vector_at(model, net->head_input_bias);
    for (size_t i = 0; i < net->options.layers * net->directions; i++) {
        packed_layer *to = &model->layers[i];
        to->norm_weight = vector_at(model, net->layers[i].norm_weight);
        to->norm_bias = vector_at(model, net->layers[i].norm_bias);
        to->state_h = vector_at(model, net->layers[i].state_h);
        to->state_c = vector_at(model, net->layers[i].state_c);
    }
}

void stages_lay_out(lrnn_state *state, arena *from, size_t rows)
{
    const network *net = &state->model->net;
    size_t widest = net->widest > net->entry_size ? net->widest : net->entry_size;
    if (net->options.input_layer_size > 0) {
        state->entry = arena_take(from, rows, net->entry_size * sizeof(real));
    }
    if (net->options.head_layer_size > 0) {
        state->exit = arena_take(from, rows, net->head_size * sizeof(real));
    }
    if (net->options.layer_norm) {
        state->normed = arena_take(from, rows, widest * sizeof(real));
    }
}

/* ---- linear layers ---- */

/* y [rows,N] = activation(x W^T + bias) */
static void linear(size_t rows, size_t N, size_t K, const real *x, size_t x_row, packed_matrix w,
                   const real *bias, int32_t activation, real *y)
{
    kernel_multiply(rows, N, K, x, x_row, w, bias, 0, y, N);
    for (size_t row = 0; row < rows; row++) {
        activation_apply(activation, y + row * N, N);
    }
}

const real *stages_enter(lrnn_state *state, size_t rows, const real *x, size_t *x_row)
{
    const lrnn_model *model = state->model;
    const network *net = &model->net;
    if (net->options.input_layer_size == 0) {
        return x;
    }
    linear(rows, net->entry_size, net->input_size, x, *x_row, model->input_layer, model->input_bias,
           net->options.input_layer_activation, state->entry);
    *x_row = net->entry_size;
    return state->entry;
}

const real *stages_leave(lrnn_state *state, size_t rows, const real *x, size_t *x_row)
{
    const lrnn_model *model = state->model;
    const network *net = &model->net;
    if (net->options.head_layer_size == 0) {
        return x;
    }
    linear(rows, net->head_size, net->top_size, x, *x_row, model->head_layer,
           model->head_input_bias, net->options.head_layer_activation, state->exit);
    *x_row = net->head_size;
    return state->exit;
}

/* ---- around a layer ---- */

const real *stages_normalize(lrnn_state *state, size_t layer, size_t rows, const real *x,
                             size_t *x_row)
{
    const network *net = &state->model->net;
    const packed_layer *of = &state->model->layers[layer * net->directions];
    size_t n = net->layers[layer * net->directions].input_size;
    real mean, scale;
    if (!net->options.layer_norm) {
        return x;
    }
    for (size_t row = 0; row < rows; row++) {
        normalize_row(state->normed + row * n, x + row * *x_row, n, of->norm_weight, of->norm_bias,
                      net->options.layer_norm_epsilon, &mean, &scale);
    }
    *x_row = n;
    return state->normed;
}

void stages_add(real *to, size_t to_row, const real *h, size_t h_row, const real *x, size_t x_row,
                size_t rows, size_t width)
{
    for (size_t row = 0; row < rows; row++) {
        for (size_t k = 0; k < width; k++) {
            to[row * to_row + k] = h[row * h_row + k] + x[row * x_row + k];
        }
    }
}

/* ---- where streams begin ---- */

void stages_start(const lrnn_model *model, layer_state to, size_t rows)
{
    const network *net = &model->net;
    layer_state_copy(net, to, (layer_state_view){0}, rows);
    for (size_t i = 0; net->options.learned_state && i < net->options.layers * net->directions;
         i++) {
        layer_state of = layer_state_at(net, to, i);
        layer_state_view from = {model->layers[i].state_h, model->layers[i].state_c, 1, 0};
        for (size_t row = 0; row < rows; row++) {
            layer_state_copy_one(net, i, layer_state_row(net, i, of, row), from, 1);
        }
    }
}
