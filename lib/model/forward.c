/* Inference: T steps for all live streams, without BLAS, locks or allocation.
 *
 * Rows are time-major inside, row t * B + b. A layer's input products are made for all steps at
 * once, then the recurrence adds its own step by step to the same accumulators, in the order in
 * which a single step would: bias, inputs, hidden. So T steps at once and T single steps give the
 * same bits. Rows whose sequence has ended are left alone. */
#include <string.h>

#include "base/error.h"
#include "base/fpmode.h"
#include "kernels/kernels.h"
#include "state.h"

/* Part of the sequences: steps first .. first+count-1 of every row. */
typedef struct chunk {
    const lrnn_sequences *sequences;
    size_t first, count, batch;
} chunk;

/* Rows b.. from `b` on that are all active at step t; 0 when row b is not. */
static size_t active_run(const chunk *part, size_t t, size_t b)
{
    size_t end = b;
    while (end < part->batch && part->first + t < sequence_length(part->sequences, end)) {
        end++;
    }
    return end - b;
}

/* ---- input ---- */

static void gather_row(const lrnn_state *state, const lrnn_sequences *s, size_t item, real *x)
{
    const lrnn_model *model = state->model;
    const network *net = &model->net;
    size_t F = net->options.feature_size;
    bool folded = net->options.layers > 0 && model->layers[0].table != NULL;
    if (!folded && net->token_size > 0) {
        size_t token = (size_t)s->tokens[item];
        if (network_one_hot(net)) {
            memset(x, 0, net->token_size * sizeof(real));
            x[token] = 1;
        } else {
            memcpy(x, model->parameters + net->embedding + token * net->token_size,
                   net->token_size * sizeof(real));
        }
        x += net->token_size;
    }
    if (F > 0) {
        memcpy(x, s->features + item * F, F * sizeof(real));
    }
}

static void gather_inputs(lrnn_state *state, const chunk *part)
{
    const network *net = &state->model->net;
    bool folded = net->options.layers > 0 && state->model->layers[0].table != NULL;
    size_t width = folded ? net->options.feature_size : net->input_size;
    if (width == 0) {
        return;
    }
    for (size_t t = 0; t < part->count; t++) {
        for (size_t b = 0; b < part->batch; b++) {
            real *x = state->x + (t * part->batch + b) * width;
            if (part->first + t < sequence_length(part->sequences, b)) {
                gather_row(state, part->sequences, b * part->sequences->steps + part->first + t, x);
            } else {
                memset(x, 0, width * sizeof(real));
            }
        }
    }
}

/* pre[row] = bias, or the token's table row; then the input product of all rows. */
static void input_products(lrnn_state *state, const chunk *part, const packed_layer *layer,
                           const real *x)
{
    const network *net = &state->model->net;
    size_t columns = net->gates * net->options.hidden_size;
    const lrnn_sequences *s = part->sequences;
    for (size_t t = 0; t < part->count; t++) {
        for (size_t b = 0; b < part->batch; b++) {
            const real *start = layer->bias;
            if (layer->table != NULL && part->first + t < sequence_length(s, b)) {
                start = layer->table + (size_t)s->tokens[b * s->steps + part->first + t] * columns;
            }
            memcpy(state->pre + (t * part->batch + b) * columns, start, columns * sizeof(real));
        }
    }
    if (layer->input != NULL) {
        kernels()->multiply_packed(part->count * part->batch, columns, layer->input_rows, x,
                                   layer->input_rows, 1, layer->input, state->pre, columns);
    }
}

/* ---- recurrence ---- */

/* One step of `rows` streams: gates [rows,G*H] hold the input part, h and c are replaced. */
static void cell_step(lrnn_state *state, const packed_layer *layer, size_t rows, real *gates,
                      real *h, real *c)
{
    const kernel_table *table = kernels();
    const lrnn_model_options *o = &state->model->net.options;
    size_t H = o->hidden_size, R = state->model->net.h_size;
    size_t columns = state->model->net.gates * H;
    if (o->cell == LRNN_CELL_GRU) {
        for (size_t b = 0; b < rows; b++) {
            memcpy(state->hidden + b * columns, layer->hidden_bias, columns * sizeof(real));
        }
        table->multiply_packed(rows, columns, H, h, H, 1, layer->hidden, state->hidden, columns);
        table->gru_forward(rows, H, gates, state->hidden, h, H, h, H);
        return;
    }
    table->multiply_packed(rows, columns, R, h, R, 1, layer->hidden, gates, columns);
    if (o->cell == LRNN_CELL_LSTM) {
        real *made = layer->projection != NULL ? state->made : h;
        table->lstm_forward(rows, H, gates, c, c, NULL, made, H);
        if (layer->projection != NULL) {
            table->multiply_packed_from(rows, R, H, made, H, 1, layer->projection, NULL, 0, h, R);
        }
    } else if (o->cell == LRNN_CELL_RNN_TANH) {
        table->rnn_tanh_forward(rows, H, gates, h, H);
    } else {
        table->rnn_relu_forward(rows, H, gates, h, H);
    }
}

/* Step t of one layer and direction; y [rows, D*R] receives h, zero where a sequence has ended. */
static void step_layer(lrnn_state *state, const chunk *part, size_t index, size_t t, real *y)
{
    const network *net = &state->model->net;
    size_t H = net->options.hidden_size, R = net->h_size, columns = net->gates * H;
    real *h = state_h(state, index), *c = state_c(state, index);
    for (size_t b = 0; b < part->batch;) {
        real *out = y + (t * part->batch + b) * net->directions * R;
        size_t rows = active_run(part, t, b);
        if (rows == 0) {
            memset(out, 0, R * sizeof(real));
            b++;
            continue;
        }
        cell_step(state, &state->model->layers[index], rows,
                  state->pre + (t * part->batch + b) * columns, h + b * R,
                  c == NULL ? NULL : c + b * H);
        for (size_t row = 0; row < rows; row++) {
            memcpy(out + row * net->directions * R, h + (b + row) * R, R * sizeof(real));
        }
        b += rows;
    }
}

/* All layers of one chunk; returns the top layer's outputs [count*B, top]. */
static const real *run_layers(lrnn_state *state, const chunk *part)
{
    const network *net = &state->model->net;
    const real *x = state->x;
    for (size_t layer = 0; layer < net->options.layers; layer++) {
        real *y = state->y[layer % 2];
        for (size_t direction = 0; direction < net->directions; direction++) {
            size_t index = layer * net->directions + direction;
            input_products(state, part, &state->model->layers[index], x);
            for (size_t t = 0; t < part->count; t++) {
                step_layer(state, part, index, direction == 0 ? t : part->count - 1 - t,
                           y + direction * net->h_size);
            }
        }
        x = y;
    }
    return x;
}

/* ---- output ---- */

/* outputs = bias + rows of y times the head; y rows a_row apart, output rows c_row apart. */
static void head_rows(const lrnn_model *model, size_t rows, const real *y, size_t a_row,
                      real *outputs, size_t c_row)
{
    size_t O = model->net.output_size;
    for (size_t i = 0; i < rows; i++) {
        memcpy(outputs + i * c_row, model->parameters + model->net.head_bias, O * sizeof(real));
    }
    kernels()->multiply_packed(rows, O, model->net.top_size, y, a_row, 1, model->head, outputs,
                               c_row);
}

static void zero_ended(const chunk *part, size_t size, real *outputs)
{
    const lrnn_sequences *s = part->sequences;
    for (size_t b = 0; s->lengths != NULL && b < part->batch; b++) {
        for (size_t t = sequence_length(s, b); t < s->steps; t++) {
            memset(outputs + (b * s->steps + t) * size, 0, size * sizeof(real));
        }
    }
}

/* Writes the outputs of a chunk, [B,T,O] whatever its part of T. Products are made along the longer
 * side of the chunk. */
static void write_outputs(const lrnn_state *state, const chunk *part, const real *y, real *outputs)
{
    const network *net = &state->model->net;
    size_t T = part->sequences->steps, B = part->batch, O = net->output_size;
    size_t top = net->top_size;
    for (size_t i = 0; net->options.head == LRNN_HEAD_NONE && i < part->count * B; i++) {
        size_t t = i / B, b = i % B;
        memcpy(outputs + (b * T + part->first + t) * O, y + i * top, top * sizeof(real));
    }
    if (net->options.head == LRNN_HEAD_NONE) {
        return;
    }
    if (B < part->count) {
        for (size_t b = 0; b < B; b++) {
            head_rows(state->model, part->count, y + b * top, B * top,
                      outputs + (b * T + part->first) * O, O);
        }
    } else {
        for (size_t t = 0; t < part->count; t++) {
            head_rows(state->model, B, y + t * B * top, top, outputs + (part->first + t) * O,
                      T * O);
        }
    }
}

/* Keeps what LRNN_HEAD_LAST reads: the top layer's row at each sequence's last step. */
static void keep_last(lrnn_state *state, const chunk *part, const real *y)
{
    size_t top = state->model->net.top_size;
    for (size_t b = 0; b < part->batch; b++) {
        size_t last = sequence_length(part->sequences, b) - 1;
        if (last >= part->first && last < part->first + part->count) {
            memcpy(state->last + b * top, y + ((last - part->first) * part->batch + b) * top,
                   top * sizeof(real));
        }
    }
}

static void keep_final(lrnn_state *state)
{
    const network *net = &state->model->net;
    size_t R = net->h_size;
    for (size_t direction = 0; direction < net->directions; direction++) {
        size_t index = (net->options.layers - 1) * net->directions + direction;
        const real *h = state_h(state, index);
        for (size_t b = 0; b < state->live; b++) {
            memcpy(state->last + b * net->top_size + direction * R, h + b * R, R * sizeof(real));
        }
    }
}

void state_forward(lrnn_state *state, const lrnn_sequences *sequences, real *outputs)
{
    const network *net = &state->model->net;
    bool every_step = network_answers_every_step(net);
    for (size_t first = 0; first < sequences->steps; first += state->steps) {
        size_t left = sequences->steps - first;
        chunk part = {sequences, first, left < state->steps ? left : state->steps,
                      sequences->batch};
        gather_inputs(state, &part);
        const real *y = run_layers(state, &part);
        if (outputs != NULL && every_step) {
            write_outputs(state, &part, y, outputs);
        } else if (net->options.head == LRNN_HEAD_LAST) {
            keep_last(state, &part, y);
        }
    }
    if (outputs != NULL && every_step) {
        chunk whole = {sequences, 0, sequences->steps, sequences->batch};
        zero_ended(&whole, net->output_size, outputs);
    } else if (outputs != NULL) {
        if (net->options.head == LRNN_HEAD_FINAL) {
            keep_final(state);
        }
        head_rows(state->model, sequences->batch, state->last, net->top_size, outputs,
                  net->output_size);
    }
}

static lrnn_status feed(lrnn_state *state, const lrnn_sequences *given, real *outputs)
{
    lrnn_sequences sequences;
    lrnn_status status = network_read_sequences(&sequences, &state->model->net, given);
    if (status != LRNN_OK) {
        return status;
    }
    if (sequences.batch != state->live) {
        return error_set(LRNN_ERR_INVALID, "batch: expected the %zu live streams, found %zu",
                         state->live, sequences.batch);
    }
    if (state->model->net.directions == 2 && sequences.steps > state->steps) {
        return error_set(LRNN_ERR_UNSUPPORTED,
                         "steps: a bidirectional model reads a sequence whole: %zu steps do not "
                         "fit into a state of %zu",
                         sequences.steps, state->steps);
    }
    fpmode mode = fpmode_enter();
    state_forward(state, &sequences, outputs);
    fpmode_leave(mode);
    return LRNN_OK;
}

lrnn_status lrnn_state_forward(lrnn_state *state, const lrnn_sequences *sequences, real *outputs)
{
    return state == NULL ? error_null("state") : feed(state, sequences, outputs);
}

lrnn_status lrnn_state_step(lrnn_state *state, const int32_t *tokens, const real *features,
                            real *outputs)
{
    if (state == NULL) {
        return error_null("state");
    }
    if (state->model->net.directions == 2) {
        return error_set(LRNN_ERR_UNSUPPORTED, "a bidirectional model has no single step");
    }
    lrnn_sequences one = {
        .size = sizeof one,
        .batch = state->live,
        .steps = 1,
        .tokens = tokens,
        .features = features,
    };
    return feed(state, &one, outputs);
}
