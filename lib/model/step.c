/* One step of all live streams, the shortest way: each layer is one call of a kernel, which reads
 * h of the last step and writes h of this one into the spare array; then the two change places.
 * Sums start from the same numbers and run in the same order as in forward.c. */
#include <string.h>

#include "activate.h"
#include "base/check.h"
#include "base/error.h"
#include "base/fpmode.h"
#include "kernels/kernels.h"
#include "segment.h"
#include "stages.h"
#include "state.h"
#include "values.h"

/* The step of a cell multiplies with panels alone; what it starts from has the input's part then.
 */
static void add_narrow_input(lrnn_state *state, cell_step *step)
{
    size_t width = state->model->width;
    kernel_multiply(step->rows, width, step->inputs, step->x, step->x_row, step->input, step->start,
                    step->start_row, state->pre, width);
    step->start = state->pre;
    step->start_row = width;
    step->inputs = 0;
}

void state_layer_step(lrnn_state *state, const packed_layer *layer, cell_step step)
{
    const network *net = &state->model->net;
    real *h_next = step.h_next;
    size_t h_next_row = step.h_next_row;
    step.H = net->options.hidden_size;
    step.R = net->h_size;
    step.inputs = step.x == NULL ? 0 : layer->input_rows;
    step.input = layer->input;
    step.hidden = layer->hidden;
    step.hidden_bias = layer->hidden_bias;
    step.last_first = state->last_first;
    if (network_is_projected(net)) {
        step.h_next = state->made;
        step.h_next_row = step.H;
    }
    if (step.inputs > 0 && layer->input.narrow_units > 0) {
        add_narrow_input(state, &step);
    }
    step.scratch = state->scratch;
    kernel_step(kernels(), net->cell->kind, &step);
    if (network_is_projected(net)) {
        kernel_multiply(step.rows, step.R, step.H, state->made, step.H, layer->projection, NULL, 0,
                        h_next, h_next_row);
    }
}

/* What the first layer reads: x and its row stride, NULL when the token table has it all. Nothing
 * is copied where it need not be. */
static const real *read_input(lrnn_state *state, const lrnn_sequences *s, size_t *row)
{
    const lrnn_model *model = state->model;
    const network *net = &model->net;
    bool folded = model_has_table(model);
    *row = folded ? net->options.feature_size : net->input_size;
    if (folded || net->token_size == 0) {
        return s->features;
    }
    if (s->batch == 1 && net->options.feature_size == 0 && !network_one_hot(net) &&
        model->parameters != NULL) {
        return model->parameters + net->embedding + (size_t)s->tokens[0] * net->token_size;
    }
    for (size_t b = 0; b < s->batch; b++) {
        gather_item(net, s, b, model_read_embedding, model, state->x + b * *row);
    }
    return state->x;
}

/* Where the first layer's sums start: the bias, or each token's row of the table. */
static const real *read_start(lrnn_state *state, const lrnn_sequences *s, size_t *row)
{
    const packed_layer *layer = &state->model->layers[0];
    size_t width = state->model->width;
    *row = 0;
    if (!layer_has_table(layer)) {
        return layer->bias;
    }
    if (s->batch == 1 && layer->table != NULL && layer->table_row == width) {
        return layer->table + (size_t)s->tokens[0] * width;
    }
    *row = width;
    for (size_t b = 0; b < s->batch; b++) {
        model_copy_table_row(state->pre + b * width, state->model, layer, (size_t)s->tokens[b]);
    }
    return state->pre;
}

/* Returns the rows that the top layer gives, *row apart. */
static const real *step_layers(lrnn_state *state, const lrnn_sequences *s, size_t *row)
{
    const network *net = &state->model->net;
    size_t R = net->h_size;
    const real *x = stages_enter(state, s->batch, read_input(state, s, row), row);
    for (size_t i = 0; i < net->options.layers; i++) {
        const packed_layer *layer = &state->model->layers[i];
        size_t u_row = *row;
        const real *u = stages_normalize(state, i, s->batch, x, &u_row);
        cell_step step = {
            .rows = s->batch,
            .start = layer->bias,
            .x = u,
            .x_row = u_row,
            .h = state_h(state, i),
            .h_row = R,
            .c = state_c(state, i),
            .h_next = state->spare_h + i * state->capacity * R,
            .h_next_row = R,
        };
        if (i == 0) {
            step.start = read_start(state, s, &step.start_row);
        }
        state_layer_step(state, layer, step);
        bool final = i + 1 == net->options.layers && net->options.head == LRNN_HEAD_FINAL;
        if (net->layers[i].residual && !final) {
            stages_add(state->y[i % 2], R, step.h_next, R, x, *row, s->batch, R);
            x = state->y[i % 2];
        } else {
            x = step.h_next;
        }
        *row = R;
    }
    state->last_first = !state->last_first;
    state_swap_h(state);
    return stages_leave(state, s->batch, x, row);
}

/* The checks of network_read_sequences, which tells what is wrong. */
static bool fits(const network *net, const lrnn_sequences *s)
{
    bool good = (s->tokens != NULL) == (net->options.vocab_size > 0) &&
                (s->features != NULL) == (net->options.feature_size > 0);
    for (size_t b = 0; good && s->tokens != NULL && b < s->batch; b++) {
        good = s->tokens[b] >= 0 && (size_t)s->tokens[b] < net->options.vocab_size;
    }
    return good;
}

lrnn_status state_step(const real **top, size_t *top_row, lrnn_state *state, const int32_t *tokens,
                       const real *features)
{
    const network *net = &state->model->net;
    if (net->directions == 2) {
        return error_set(LRNN_ERR_UNSUPPORTED, "a bidirectional model has no single step");
    }
    lrnn_sequences one = {
        .size = sizeof one,
        .batch = state->live,
        .steps = 1,
        .tokens = tokens,
        .features = features,
    };
    if (!fits(net, &one)) {
        lrnn_sequences copy;
        CHECK(network_read_sequences(&copy, net, &one));
        return network_check_sequences(net, &copy);
    }
    fpmode mode = fpmode_enter();
    *top = step_layers(state, &one, top_row);
    fpmode_leave(mode);
    return LRNN_OK;
}

lrnn_status lrnn_state_step(lrnn_state *state, const int32_t *tokens, const real *features,
                            real *outputs)
{
    if (state == NULL) {
        return error_null("state");
    }
    const network *net = &state->model->net;
    const real *top;
    size_t row;
    lrnn_status status = state_step(&top, &row, state, tokens, features);
    if (status != LRNN_OK || outputs == NULL) {
        return status;
    }
    if (net->options.head == LRNN_HEAD_NONE) {
        memcpy(outputs, top, state->live * row * sizeof(real));
        return LRNN_OK;
    }
    fpmode mode = fpmode_enter();
    state_head(state, state->live, top, row, outputs, net->output_size);
    for (size_t b = 0; b < state->live; b++) {
        activation_apply(net->options.output_activation, outputs + b * net->output_size,
                         net->output_size);
    }
    fpmode_leave(mode);
    return LRNN_OK;
}
