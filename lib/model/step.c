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
static void add_narrow_input(lrnn_state *state, size_t width, cell_step *step)
{
    kernel_multiply(step->rows, width, step->inputs, step->x, step->x_row, step->input, step->start,
                    step->start_row, state->pre, width);
    step->start = state->pre;
    step->start_row = width;
    step->inputs = 0;
}

/* Step by step, what the cells give is multiplied. */
static void steps_and_projection(lrnn_state *state, packed_matrix projection, cell_step *step)
{
    const network *net = &state->model->net;
    for (; step->steps > 0; cell_step_advance(step)) {
        cell_step one = *step;
        one.steps = 1;
        one.h_next = state->made;
        one.h_next_row = one.H;
        kernel_steps(state->kernels, net->cell->kind, &one);
        kernel_multiply(one.rows, one.R, one.H, state->made, one.H, projection, NULL, 0,
                        step->h_next, step->h_next_row);
    }
}

bool state_layer_runs(const lrnn_state *state, size_t index)
{
    cell_step step = state->plan[index];
    step.rows = 1;
    return step.input.narrow_units == 0 && !network_is_projected(&state->model->net) &&
           kernel_runs(state->kernels, &step);
}

void state_layer_steps(lrnn_state *state, size_t index, cell_step *step)
{
    const network *net = &state->model->net;
    step->last_first = state->last_first;
    step->inputs = step->x == NULL ? 0 : state->model->layers[index].input_rows;
    if (step->inputs > 0 && step->input.narrow_units > 0) {
        add_narrow_input(state, state->model->layers[index].width, step);
    }
    if (network_is_projected(net)) {
        steps_and_projection(state, state->model->layers[index].projection, step);
    } else {
        kernel_steps(state->kernels, net->cell->kind, step);
    }
}

/* ---- the plan ---- */

static cell_step plan_layer(const lrnn_state *state, size_t index)
{
    const network *net = &state->model->net;
    const packed_layer *layer = &state->model->layers[index];
    return (cell_step){
        .steps = 1,
        .H = net->layers[index].hidden_size,
        .R = net->layers[index].h_size,
        .inputs = layer->input_rows,
        .start = layer->bias,
        .input = layer->input,
        .hidden = layer->hidden,
        .hidden_bias = layer->hidden_bias,
        .scratch = state->scratch,
    };
}

/* Whether the outputs of a stream are no more than the top layer's `run` gives. */
static bool head_runs(const lrnn_state *state)
{
    const network *net = &state->model->net;
    const packed_matrix *head = &state->model->head;
    size_t top = net->options.layers - 1;
    return net->options.head == LRNN_HEAD_STEPS && net->directions == 1 && state->plain &&
           head->few > 0 && state_layer_runs(state, top);
}

void state_plan(lrnn_state *state)
{
    const lrnn_model *model = state->model;
    const network *net = &model->net;
    size_t count = net->options.layers * net->directions;
    state->kernels = kernels();
    state->one = (lrnn_sequences){.size = sizeof state->one, .steps = 1};
    state->plain = net->options.input_layer_size == 0 && net->options.head_layer_size == 0 &&
                   !net->options.layer_norm && !net->options.residual;
    state->runs = state->plain && net->directions == 1 && count > 0;
    for (size_t i = 0; i < count; i++) {
        state->plan[i] = plan_layer(state, i);
        state->runs = state->runs && state_layer_runs(state, i);
    }
    state->head_runs = count > 0 && head_runs(state);
    if (state->head_runs) {
        cell_step *top = &state->plan[count - 1];
        top->head = model->head.data;
        top->head_bias = model->head_bias;
        top->head_size = net->output_size;
        top->outputs_step = net->output_size;
    }
}

/* ---- one step ---- */

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
    size_t width = layer->width;
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

/* What layer i makes of x, whose rows lie *row apart; theirs is *row then. outputs: see cell_step.
 */
static const real *step_layer(lrnn_state *state, size_t i, const lrnn_sequences *s, const real *x,
                              size_t *row, real *outputs)
{
    const network *net = &state->model->net;
    size_t R = net->layers[i].h_size, u_row = *row;
    const real *u = state->plain ? x : stages_normalize(state, i, s->batch, x, &u_row);
    cell_step *step = &state->plan[i];
    real *h = state->spare_h + state->capacity * net->layers[i].h_before;
    step->rows = s->batch;
    step->steps = 1;
    step->x = u;
    step->x_row = u_row;
    step->h = state_h(state, i);
    step->c = state_c(state, i);
    step->h_next = h;
    step->h_row = step->h_next_row = R;
    step->outputs = outputs;
    step->start_row = 0;
    step->start = i > 0 ? state->model->layers[i].bias : read_start(state, s, &step->start_row);
    state_layer_steps(state, i, step);
    bool final = i + 1 == net->options.layers && net->options.head == LRNN_HEAD_FINAL;
    if (!state->plain && net->layers[i].residual && !final) {
        stages_add(state->y[i % 2], R, h, R, x, *row, s->batch, R);
        h = state->y[i % 2];
    }
    *row = R;
    return h;
}

/* One stream, where layers run: what a step changes of their plans, and no question that these have
 * answered. */
static const real *run_layers(lrnn_state *state, const real *x, const real *start, real *outputs)
{
    const network *net = &state->model->net;
    size_t layers = net->options.layers;
    void (*run)(const cell_step *) = state->kernels->cells[net->cell->kind].run;
    for (size_t i = 0; i < layers; i++) {
        cell_step *step = &state->plan[i];
        step->rows = step->steps = 1;
        step->x = x;
        step->start = i > 0 ? step->start : start;
        step->h = state_h(state, i);
        step->c = state_c(state, i);
        step->h_next = state->spare_h + state->capacity * net->layers[i].h_before;
        step->outputs = i + 1 == layers ? outputs : NULL;
        step->last_first = state->last_first;
        run(step);
        x = step->h_next;
    }
    return x;
}

/* Returns the rows that the head reads, *row apart. outputs: see step_layer. */
static const real *step_layers(lrnn_state *state, const lrnn_sequences *s, size_t *row,
                               real *outputs)
{
    size_t layers = state->model->net.options.layers;
    const real *x = read_input(state, s, row);
    x = state->plain ? x : stages_enter(state, s->batch, x, row);
    if (state->runs && s->batch == 1) {
        x = run_layers(state, x, read_start(state, s, row), outputs);
        *row = network_top_layer(&state->model->net)->h_size;
    } else {
        for (size_t i = 0; i < layers; i++) {
            x = step_layer(state, i, s, x, row, i + 1 == layers ? outputs : NULL);
        }
    }
    state->last_first = !state->last_first;
    state_swap_h(state);
    return state->plain ? x : stages_leave(state, s->batch, x, row);
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

/* A step of all live streams as sequences of one step. */
static lrnn_status read_step(lrnn_state *state, const int32_t *tokens, const real *features)
{
    const network *net = &state->model->net;
    lrnn_sequences *one = &state->one;
    if (net->directions == 2) {
        return error_set(LRNN_ERR_UNSUPPORTED, "a bidirectional model has no single step");
    }
    one->batch = state->live;
    one->tokens = tokens;
    one->features = features;
    if (!fits(net, one)) {
        lrnn_sequences copy;
        CHECK(network_read_sequences(&copy, net, one));
        return network_check_sequences(net, &copy);
    }
    return LRNN_OK;
}

lrnn_status state_step(const real **top, size_t *top_row, lrnn_state *state, const int32_t *tokens,
                       const real *features)
{
    CHECK(read_step(state, tokens, features));
    fpmode mode = fpmode_enter();
    *top = step_layers(state, &state->one, top_row, NULL);
    fpmode_leave(mode);
    return LRNN_OK;
}

static void step_outputs(lrnn_state *state, const real *top, size_t row, real *outputs)
{
    const network *net = &state->model->net;
    if (net->options.head == LRNN_HEAD_NONE) {
        memcpy(outputs, top, state->live * row * sizeof(real));
        return;
    }
    state_head(state, state->live, top, row, outputs, net->output_size);
}

lrnn_status lrnn_state_step(lrnn_state *state, const int32_t *tokens, const real *features,
                            real *outputs)
{
    if (state == NULL) {
        return error_null("state");
    }
    CHECK(read_step(state, tokens, features));
    const network *net = &state->model->net;
    bool runs = state->head_runs && state->live == 1;
    size_t row;
    fpmode mode = fpmode_enter();
    const real *top = step_layers(state, &state->one, &row, runs ? outputs : NULL);
    if (outputs != NULL && !runs) {
        step_outputs(state, top, row, outputs);
    }
    if (outputs != NULL && net->options.output_activation != LRNN_ACTIVATION_NONE) {
        for (size_t b = 0; b < state->live; b++) {
            activation_apply(net->options.output_activation, outputs + b * net->output_size,
                             net->output_size);
        }
    }
    fpmode_leave(mode);
    return LRNN_OK;
}
