/* Making, copying and rearranging states. The live streams come first in every layer; what lies
 * past them is never read. */
#include "state.h"

#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/fpmode.h"
#include "base/options.h"
#include "layer_state.h"
#include "stages.h"

/* Rows of an adaptive softmax that are computed at once. */
#define HEAD_ROWS ((size_t)64)

static const lrnn_state_options default_options = {
    .size = sizeof(lrnn_state_options),
    .batch = 1,
    .steps = 32,
};

lrnn_status lrnn_state_options_init(lrnn_state_options *options, size_t struct_size)
{
    return OPTIONS_INIT(options, struct_size, &default_options, lrnn_state_options);
}

/* Of cell_step. */
static size_t scratch_bytes(const lrnn_model *model)
{
    const network *net = &model->net;
    size_t inputs = 0, most = 0;
    if (!matrix_kind_find(net->options.weight_type)->scaled) {
        return 0;
    }
    for (size_t i = 0; i < net->options.layers * net->directions; i++) {
        const packed_layer *layer = &model->layers[i];
        bool steps = layer->input.narrow_units == 0 && layer->input_rows > inputs;
        inputs = steps ? layer->input_rows : inputs;
        most = net->layers[i].h_size > most ? net->layers[i].h_size : most;
    }
    return bytes_scratch(inputs, most);
}

static void lay_out(lrnn_state *state, arena *from)
{
    const network *net = &state->model->net;
    size_t layers = net->options.layers * net->directions;
    size_t rows, h_values, c_values;
    if (!size_multiply(&rows, state->capacity, state->steps) ||
        !size_multiply(&h_values, net->h_values, state->capacity) ||
        !size_multiply(&c_values, net->c_values, state->capacity)) {
        from->overflow = true;
        return;
    }
    state->plan = arena_take(from, layers, sizeof(cell_step));
    state->h = arena_take(from, h_values, sizeof(real));
    state->spare_h = arena_take(from, h_values, sizeof(real));
    if (network_has_cell_state(net)) {
        state->c = arena_take(from, c_values, sizeof(real));
        state->spare_c = arena_take(from, c_values, sizeof(real));
    }
    if (state_gathers(state->model)) {
        state->x = arena_take(from, rows, net->input_size * sizeof(real));
    }
    if (layers > 0) {
        state->pre = arena_take(from, rows, state->model->width * sizeof(real));
        state->y[0] = arena_take(from, rows, net->widest * sizeof(real));
        state->y[1] = arena_take(from, rows, net->widest * sizeof(real));
        if (network_is_projected(net)) {
            state->made =
                arena_take(from, state->capacity, network_most_hidden(net) * sizeof(real));
        }
        state->scratch = arena_take(from, scratch_bytes(state->model), 1);
    }
    stages_lay_out(state, from, rows);
    if (!network_answers_every_step(net)) {
        state->last = arena_take(from, state->capacity, net->top_size * sizeof(real));
    }
    if (network_is_adaptive(net)) {
        size_t widest = 0;
        for (size_t i = 0; i < net->tail_count; i++) {
            widest = net->tails[i].size > widest ? net->tails[i].size : widest;
        }
        state->head_capacity = rows < HEAD_ROWS ? rows : HEAD_ROWS;
        state->clusters = arena_take(from, state->head_capacity, net->tail_count * sizeof(real));
        state->reduced = arena_take(from, state->head_capacity, widest * sizeof(real));
    }
}

static lrnn_status read_options(lrnn_state_options *o, const lrnn_state_options *given)
{
    *o = default_options;
    if (given != NULL) {
        CHECK(OPTIONS_READ(o, given, &default_options, lrnn_state_options));
    }
    CHECK(check_size("batch", o->batch, 1, INT32_MAX));
    return check_size("steps", o->steps, 1, INT32_MAX);
}

static layer_state all_layers(const lrnn_state *state)
{
    return (layer_state){state->h, state->c, state->capacity, 0};
}

lrnn_status lrnn_state_create(lrnn_state **state, const lrnn_model *model,
                              const lrnn_state_options *options)
{
    if (state == NULL) {
        return error_null("state");
    }
    *state = NULL;
    if (model == NULL) {
        return error_null("model");
    }
    lrnn_state_options o;
    lrnn_allocator allocator = model->allocator;
    CHECK(read_options(&o, options));
    if (o.allocator != NULL) {
        CHECK(allocator_read(&allocator, o.allocator));
    }
    lrnn_state *made = memory_allocate(&allocator, 1, sizeof *made, "state");
    if (made == NULL) {
        return LRNN_ERR_MEMORY;
    }
    made->allocator = allocator;
    made->model = lrnn_model_share(model);
    made->capacity = made->live = o.batch;
    made->steps = o.steps;
    arena pieces = {0};
    lay_out(made, &pieces);
    lrnn_status status = arena_allocate(&pieces, &allocator, "state");
    if (status != LRNN_OK) {
        lrnn_state_destroy(made);
        return status;
    }
    made->storage = pieces.base;
    lay_out(made, &pieces);
    state_plan(made);
    stages_start(made->model, all_layers(made), made->live);
    *state = made;
    return LRNN_OK;
}

void lrnn_state_destroy(lrnn_state *state)
{
    if (state == NULL) {
        return;
    }
    lrnn_allocator allocator = state->allocator;
    lrnn_model_destroy(state->model);
    memory_release(&allocator, state->storage);
    memory_release(&allocator, state);
}

size_t lrnn_state_batch(const lrnn_state *state)
{
    return state == NULL ? 0 : state->live;
}

static lrnn_status check_stream(const lrnn_state *state, size_t stream)
{
    if (state == NULL) {
        return error_null("state");
    }
    return stream < state->live ? LRNN_OK
                                : error_set(LRNN_ERR_INVALID, "stream: expected 0..%zu, found %zu",
                                            state->live - 1, stream);
}

/* A difference of equal numbers is 0 unless they are not finite; compilers vectorize the loop. */
static bool all_finite(const real *values, size_t count)
{
    int bad = 0;
    for (size_t i = 0; i < count; i++) {
        bad |= !(values[i] - values[i] == 0);
    }
    return bad == 0;
}

lrnn_status lrnn_state_check_stream(const lrnn_state *state, size_t stream)
{
    CHECK(check_stream(state, stream));
    const network *net = &state->model->net;
    size_t layers = net->options.layers * (net->options.bidirectional ? 2 : 1);
    for (size_t layer = 0; layer < layers; layer++) {
        size_t R = net->layers[layer].h_size, H = net->layers[layer].hidden_size;
        const real *h = state_h(state, layer), *c = state_c(state, layer);
        if (!all_finite(h + stream * R, R) || (c != NULL && !all_finite(c + stream * H, H))) {
            return error_set(LRNN_ERR_NUMERIC, "stream %zu: its state is not finite", stream);
        }
    }
    return LRNN_OK;
}

lrnn_status lrnn_state_reset_stream(lrnn_state *state, size_t stream)
{
    CHECK(check_stream(state, stream));
    stages_start(state->model, layer_state_from(all_layers(state), stream), 1);
    return LRNN_OK;
}

lrnn_status lrnn_state_reset(lrnn_state *state)
{
    if (state == NULL) {
        return error_null("state");
    }
    state->live = state->capacity;
    stages_start(state->model, all_layers(state), state->live);
    return LRNN_OK;
}

lrnn_status lrnn_state_copy(lrnn_state *to, const lrnn_state *from)
{
    if (to == NULL || from == NULL) {
        return error_null(to == NULL ? "to" : "from");
    }
    if (!network_same_architecture(&to->model->net, &from->model->net)) {
        return error_set(LRNN_ERR_INVALID, "the states are of models of different architecture");
    }
    if (from->live > to->capacity) {
        return error_set(LRNN_ERR_INVALID, "%zu live streams do not fit into a state of %zu",
                         from->live, to->capacity);
    }
    if (to != from) {
        layer_state_copy(&to->model->net, all_layers(to), layer_state_read(all_layers(from)),
                         from->live);
        to->live = from->live;
    }
    return LRNN_OK;
}

static void gather_parents(const lrnn_state *state, const int32_t *parents, size_t count)
{
    const network *net = &state->model->net;
    layer_state spare = {state->spare_h, state->spare_c, state->capacity, 0};
    for (size_t i = 0; i < count; i++) {
        layer_state to = layer_state_from(spare, i);
        if (parents[i] < 0) {
            stages_start(state->model, to, 1);
        } else {
            layer_state parent = layer_state_from(all_layers(state), (size_t)parents[i]);
            layer_state_copy(net, to, layer_state_read(parent), 1);
        }
    }
}

static void swap(real **a, real **b)
{
    real *kept = *a;
    *a = *b;
    *b = kept;
}

void state_swap_h(lrnn_state *state)
{
    swap(&state->h, &state->spare_h);
}

lrnn_status lrnn_state_reorder(lrnn_state *state, const int32_t *parents, size_t count)
{
    if (state == NULL || parents == NULL) {
        return error_null(state == NULL ? "state" : "parents");
    }
    if (count == 0 || count > state->capacity) {
        return error_set(LRNN_ERR_INVALID, "count: expected 1..%zu, found %zu", state->capacity,
                         count);
    }
    bool in_place = true;
    for (size_t i = 0; i < count; i++) {
        if (parents[i] < -1 || (parents[i] >= 0 && (size_t)parents[i] >= state->live)) {
            return error_set(LRNN_ERR_INVALID, "parents[%zu]: expected -1..%zu, found %d", i,
                             state->live - 1, (int)parents[i]);
        }
        in_place = in_place && parents[i] == (int32_t)i;
    }
    if (!in_place) {
        gather_parents(state, parents, count);
        state_swap_h(state);
        swap(&state->c, &state->spare_c);
    }
    state->live = count;
    return LRNN_OK;
}

lrnn_status lrnn_state_export(real *h, real *c, const lrnn_state *state)
{
    if (state == NULL) {
        return error_null("state");
    }
    const network *net = &state->model->net;
    CHECK(layer_state_check(net, h, c));
    layer_state to = {h, c, state->live, 0};
    layer_state_copy(net, to, layer_state_read(all_layers(state)), state->live);
    return LRNN_OK;
}

lrnn_status lrnn_state_import(lrnn_state *state, const real *h, const real *c)
{
    if (state == NULL) {
        return error_null("state");
    }
    const network *net = &state->model->net;
    CHECK(layer_state_check(net, h, c));
    layer_state to = all_layers(state);
    to.h = h == NULL ? NULL : to.h;
    to.c = c == NULL ? NULL : to.c;
    layer_state_copy(net, to, (layer_state_view){h, c, state->live, 0}, state->live);
    return LRNN_OK;
}
