/* Inference: T steps for all live streams, without BLAS, locks or allocation.
 *
 * Rows are time-major inside, row t * B + b. A layer's input products are made for all steps at
 * once, then the recurrence adds its own step by step to the same accumulators, in the order in
 * which a single step would: bias, inputs, hidden. So T steps at once and T single steps give the
 * same bits. Rows whose sequence has ended are left alone. */
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

/* ---- input ---- */

/* pre[row] = the token's table row, or the bias where there is no token any more. */
static void table_rows(lrnn_state *state, const segment *part, const packed_layer *layer)
{
    const lrnn_sequences *s = part->sequences;
    size_t width = layer->width;
    for (size_t row = 0; row < part->steps * part->sequences->batch; row++) {
        size_t t = part->first + row / part->sequences->batch, b = row % part->sequences->batch;
        if (t < sequence_length(s, b)) {
            model_copy_table_row(state->pre + row * width, state->model, layer,
                                 (size_t)s->tokens[b * s->steps + t]);
        } else {
            memcpy(state->pre + row * width, layer->bias, width * sizeof(real));
        }
    }
}

/* The product of the caller's features, [B,T,F], along the longer side of the segment; those past a
 * sequence's end go into rows that nobody reads. from: rows as in pre, or one for all. */
static void feature_products(lrnn_state *state, const segment *part, const packed_layer *layer,
                             const real *from, size_t from_row)
{
    size_t F = state->model->net.options.feature_size, width = layer->width;
    size_t B = part->sequences->batch, T = part->sequences->steps;
    bool along_rows = B >= part->steps;
    size_t products = along_rows ? part->steps : B, rows = along_rows ? B : part->steps;
    for (size_t i = 0; i < products; i++) {
        size_t row = along_rows ? i * B : i, step = along_rows ? 1 : B;
        const real *x =
            part->sequences->features + (along_rows ? part->first + i : i * T + part->first) * F;
        kernel_multiply(rows, width, F, x, (along_rows ? T : 1) * F, layer->input,
                        from + row * from_row, step * from_row, state->pre + row * width,
                        step * width);
    }
}

/* Values that a run of steps takes in by itself sooner than from memory. */
#define RUN_INPUTS 4

/* What the steps of a layer read, from step 0 on: where the sums of each row start in pre, with the
 * input products of all rows; or the few inputs themselves. x NULL: the layer reads features, or
 * nothing but tokens by its table. */
static cell_step read_inputs(lrnn_state *state, const segment *part, size_t index, const real *x)
{
    const packed_layer *layer = &state->model->layers[index];
    size_t width = layer->width, B = part->sequences->batch, inputs = layer->input_rows;
    cell_step from = state->plan[index];
    from.rows = B;
    from.steps = part->steps;
    from.start = layer->bias;
    from.x = NULL;
    from.outputs = NULL;
    if (layer_has_table(layer)) {
        table_rows(state, part, layer);
        from.start = state->pre;
        from.start_row = width;
    }
    if (B == 1 && inputs > 0 && inputs <= RUN_INPUTS && state_layer_runs(state, index)) {
        from.x = x != NULL ? x : part->sequences->features + part->first * inputs;
        from.x_step = (ptrdiff_t)inputs;
    } else if (x != NULL) {
        kernel_multiply(part->steps * B, width, inputs, x, inputs, layer->input, from.start,
                        from.start_row, state->pre, width);
        from.start = state->pre;
    } else if (inputs > 0) {
        feature_products(state, part, layer, from.start, from.start_row);
        from.start = state->pre;
    }
    from.start_row = from.start == state->pre ? width : 0;
    from.start_step = (ptrdiff_t)(from.start_row * B);
    return from;
}

/* ---- recurrence ---- */

/* Where a layer's h goes: of step t of the segment and row b to base + t * step + b * row. And the
 * head's outputs, where the layer gives them: see cell_step. */
typedef struct rows_of_h {
    real *base;
    size_t step, row;
    real *outputs;
} rows_of_h;

/* The rows b.. of `from`, `rows` of them, at step t. */
static cell_step rows_at(lrnn_state *state, const cell_step *from, size_t index, size_t t, size_t b,
                         size_t rows, const rows_of_h *y)
{
    size_t R = from->R, H = from->H;
    real *c = state_c(state, index);
    cell_step at = *from;
    at.rows = rows;
    at.start += (ptrdiff_t)t * at.start_step + (ptrdiff_t)(b * at.start_row);
    at.x = at.x == NULL ? NULL : at.x + (ptrdiff_t)t * at.x_step;
    at.h = state_h(state, index) + b * R;
    at.h_row = R;
    at.c = c == NULL ? NULL : c + b * H;
    at.h_next = y->base + t * y->step + b * y->row;
    at.h_next_row = y->row;
    return at;
}

/* The rows that are active at step t leave their h in the state. */
static void keep_h(lrnn_state *state, const segment *part, size_t index, size_t t,
                   const rows_of_h *y)
{
    size_t R = state->model->net.layers[index].h_size;
    real *h = state_h(state, index);
    for (size_t b = 0; b < part->sequences->batch; b++) {
        if (segment_active(part, b, t)) {
            memcpy(h + b * R, y->base + t * y->step + b * y->row, R * sizeof(real));
        }
    }
}

/* All steps of all rows; each reads h where the one before has put it. */
static void run_whole(lrnn_state *state, const segment *part, size_t index, cell_step from,
                      const rows_of_h *y)
{
    bool reverse = index % state->model->net.directions == 1;
    size_t last = part->steps - 1;
    cell_step all = rows_at(state, &from, index, reverse ? last : 0, 0, from.rows, y);
    all.h_next_step = (ptrdiff_t)y->step;
    all.outputs = y->outputs;
    if (reverse) {
        all.start_step = -all.start_step;
        all.x_step = -all.x_step;
        all.h_next_step = -all.h_next_step;
    }
    state_layer_steps(state, index, &all);
    state->last_first = state->last_first != (part->steps % 2 == 1);
    keep_h(state, part, index, reverse ? 0 : last, y);
}

/* Step t, of the rows that have it; y receives zero where a sequence has ended. */
static void run_step(lrnn_state *state, const segment *part, size_t index, size_t t, cell_step from,
                     const rows_of_h *y)
{
    size_t B = part->sequences->batch;
    from.steps = 1;
    for (size_t b = 0, rows; b < B; b += rows) {
        rows = segment_active_rows(part, t, b, B);
        if (rows > 0) {
            cell_step rows_of_step = rows_at(state, &from, index, t, b, rows, y);
            state_layer_steps(state, index, &rows_of_step);
        } else {
            rows = 1;
            memset(y->base + t * y->step + b * y->row, 0, from.R * sizeof(real));
        }
    }
    state->last_first = !state->last_first;
    keep_h(state, part, index, t, y);
}

/* As long as sequences begin and end here and there, h comes from the state at every step. */
static void run_layer(lrnn_state *state, const segment *part, size_t index, const real *x,
                      const rows_of_h *y)
{
    bool reverse = index % state->model->net.directions == 1, whole = true;
    cell_step from = read_inputs(state, part, index, x);
    for (size_t b = 0; b < part->sequences->batch; b++) {
        whole = whole && sequence_length(part->sequences, b) >= part->first + part->steps;
    }
    if (whole) {
        run_whole(state, part, index, from, y);
        return;
    }
    for (size_t i = 0; i < part->steps; i++) {
        run_step(state, part, index, reverse ? part->steps - 1 - i : i, from, y);
    }
}

/* Whether the top layer gives the head's outputs of the segment too. */
static bool layers_head(const lrnn_state *state, const segment *part, const real *outputs)
{
    return outputs != NULL && state->head_runs && part->sequences->batch == 1 &&
           sequence_length(part->sequences, 0) >= part->first + part->steps;
}

/* All layers of one segment; returns the top layer's outputs [count*B, top], or NULL: the model's
 * are in `outputs`, [B,T,O], already. */
static const real *run_layers(lrnn_state *state, const segment *part, real *outputs)
{
    const network *net = &state->model->net;
    size_t D = net->directions, T = part->sequences->steps;
    size_t rows = part->steps * part->sequences->batch, row = net->input_size;
    const bool heads = layers_head(state, part, outputs);
    const real *x = state_gathers(state->model) ? state->x : NULL;
    x = x == NULL ? NULL : stages_enter(state, rows, x, &row);
    for (size_t layer = 0; layer < net->options.layers; layer++) {
        real *y = state->y[layer % 2];
        const size_t R = network_layer_of(net, layer)->h_size;
        bool direct = layer + 1 == net->options.layers && outputs != NULL &&
                      net->options.head == LRNN_HEAD_NONE && !net->layers[layer * D].residual;
        const real *u = x == NULL ? NULL : stages_normalize(state, layer, rows, x, &row);
        for (size_t direction = 0; direction < D; direction++) {
            size_t index = layer * D + direction;
            rows_of_h to = {y + direction * R, part->sequences->batch * D * R, D * R, NULL};
            if (direct) {
                to.base = outputs + part->first * D * R + direction * R;
                to.step = D * R;
                to.row = T * D * R;
            } else if (layer + 1 == net->options.layers && heads) {
                to.outputs = outputs + part->first * net->output_size;
            }
            run_layer(state, part, index, u, &to);
        }
        if (net->layers[layer * D].residual) {
            stages_add(y, D * R, y, D * R, x, D * R, rows, D * R);
        }
        row = D * R;
        x = direct ? NULL : y;
    }
    return heads ? NULL : x;
}

/* ---- output ---- */

static void zero_ended(const segment *part, size_t size, real *outputs)
{
    const lrnn_sequences *s = part->sequences;
    for (size_t b = 0; s->lengths != NULL && b < part->sequences->batch; b++) {
        for (size_t t = sequence_length(s, b); t < s->steps; t++) {
            memset(outputs + (b * s->steps + t) * size, 0, size * sizeof(real));
        }
    }
}

/* Of a model without a head. */
static void copy_rows(const segment *part, size_t top, const real *y, real *outputs)
{
    const lrnn_sequences *s = part->sequences;
    for (size_t i = 0; i < part->steps * s->batch; i++) {
        size_t t = part->first + i / s->batch, b = i % s->batch;
        memcpy(outputs + (b * s->steps + t) * top, y + i * top, top * sizeof(real));
    }
}

/* Writes the head's outputs of a segment, [B,T,O] whatever its part of T. Products are made along
 * the longer side of the segment. */
static void write_outputs(lrnn_state *state, const segment *part, const real *y, real *outputs)
{
    const network *net = &state->model->net;
    size_t T = part->sequences->steps, B = part->sequences->batch, O = net->output_size;
    size_t top = net->top_size;
    if (net->options.head == LRNN_HEAD_NONE) {
        copy_rows(part, top, y, outputs);
        return;
    }
    y = stages_leave(state, B * part->steps, y, &top);
    if (B < part->steps) {
        for (size_t b = 0; b < B; b++) {
            state_head(state, part->steps, y + b * top, B * top,
                       outputs + (b * T + part->first) * O, O);
        }
    } else {
        for (size_t t = 0; t < part->steps; t++) {
            state_head(state, B, y + t * B * top, top, outputs + (part->first + t) * O, T * O);
        }
    }
}

static void collect_final(lrnn_state *state)
{
    const network *net = &state->model->net;
    for (size_t direction = 0; direction < net->directions; direction++) {
        size_t index = (net->options.layers - 1) * net->directions + direction;
        keep_final(net, direction, state_h(state, index), state->live, state->last);
    }
}

static void run(lrnn_state *state, const lrnn_sequences *sequences, real *outputs)
{
    const network *net = &state->model->net;
    bool every_step = network_answers_every_step(net);
    for (size_t first = 0; first < sequences->steps; first += state->steps) {
        size_t left = sequences->steps - first;
        segment part = {sequences, first, left < state->steps ? left : state->steps};
        if (state_gathers(state->model)) {
            segment_gather(&part, net, model_read_embedding, state->model, state->x);
        }
        const real *y = run_layers(state, &part, outputs);
        if (y != NULL && outputs != NULL && every_step) {
            write_outputs(state, &part, y, outputs);
        } else if (net->options.head == LRNN_HEAD_LAST) {
            segment_keep_last(&part, net, y, state->last);
        }
    }
    if (outputs != NULL && every_step) {
        segment whole = {sequences, 0, sequences->steps};
        zero_ended(&whole, net->output_size, outputs);
    } else if (outputs != NULL) {
        if (net->options.head == LRNN_HEAD_FINAL) {
            collect_final(state);
        }
        size_t row = net->top_size;
        const real *y = stages_leave(state, sequences->batch, state->last, &row);
        state_head(state, sequences->batch, y, row, outputs, net->output_size);
    }
}

lrnn_status state_forward(lrnn_state *state, const lrnn_sequences *given, real *outputs)
{
    if (state == NULL) {
        return error_null("state");
    }
    lrnn_sequences sequences;
    CHECK(network_read_sequences(&sequences, &state->model->net, given));
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
    CHECK(network_check_sequences(&state->model->net, &sequences));
    fpmode mode = fpmode_enter();
    run(state, &sequences, outputs);
    fpmode_leave(mode);
    return LRNN_OK;
}

lrnn_status lrnn_state_forward(lrnn_state *state, const lrnn_sequences *given, real *outputs)
{
    CHECK(state_forward(state, given, outputs));
    const network *net = &state->model->net;
    if (outputs != NULL && net->options.output_activation != LRNN_ACTIVATION_NONE) {
        lrnn_sequences sequences;
        CHECK(sequences_read(&sequences, given));
        fpmode mode = fpmode_enter();
        activate_outputs(net, &sequences, outputs);
        fpmode_leave(mode);
    }
    return LRNN_OK;
}
