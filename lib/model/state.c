#include "state.h"

#include <string.h>

#include "base/error.h"
#include "base/fpmode.h"
#include "base/options.h"

static const lrnn_state_options default_options = {
    .size = sizeof(lrnn_state_options),
    .batch = 1,
    .steps = 32,
};

lrnn_status lrnn_state_options_init(lrnn_state_options *options, size_t struct_size)
{
    return OPTIONS_INIT(options, struct_size, &default_options, lrnn_state_options);
}

static void lay_out(lrnn_state *state, arena *from)
{
    const network *net = &state->model->net;
    size_t H = net->options.hidden_size, layers = net->options.layers * net->directions;
    size_t rows, h_values, c_values;
    if (!size_multiply(&rows, state->capacity, state->steps) ||
        !size_multiply(&h_values, layers * net->h_size, state->capacity) ||
        !size_multiply(&c_values, layers * H, state->capacity)) {
        from->overflow = true;
        return;
    }
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
        state->y[0] = arena_take(from, rows, net->top_size * sizeof(real));
        state->y[1] = arena_take(from, rows, net->top_size * sizeof(real));
        if (network_is_projected(net)) {
            state->made = arena_take(from, state->capacity, H * sizeof(real));
        }
    }
    if (!network_answers_every_step(net)) {
        state->last = arena_take(from, state->capacity, net->top_size * sizeof(real));
    }
}

static lrnn_status check_options(lrnn_state_options *o, const lrnn_state_options *given)
{
    if (given == NULL) {
        *o = default_options;
        return LRNN_OK;
    }
    lrnn_status status = OPTIONS_READ(o, given, &default_options, lrnn_state_options);
    if (status == LRNN_OK && (o->batch == 0 || o->batch > INT32_MAX)) {
        status =
            error_set(LRNN_ERR_INVALID, "batch: expected 1..%d, found %zu", INT32_MAX, o->batch);
    }
    if (status == LRNN_OK && (o->steps == 0 || o->steps > INT32_MAX)) {
        status =
            error_set(LRNN_ERR_INVALID, "steps: expected 1..%d, found %zu", INT32_MAX, o->steps);
    }
    return status;
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
    lrnn_status status = check_options(&o, options);
    if (status == LRNN_OK && o.allocator != NULL) {
        status = allocator_read(&allocator, o.allocator);
    }
    if (status != LRNN_OK) {
        return status;
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
    status = arena_allocate(&pieces, &allocator, "state");
    if (status != LRNN_OK) {
        lrnn_state_destroy(made);
        return status;
    }
    made->storage = pieces.base;
    lay_out(made, &pieces);
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

/* Applies one action to h and c of every layer and direction; a row of `values` has `width`. */
typedef void row_action(real *values, real *spare, size_t width, const void *argument);

static void for_each_layer(lrnn_state *state, row_action *action, const void *argument)
{
    const network *net = &state->model->net;
    size_t R = net->h_size, H = net->options.hidden_size, capacity = state->capacity;
    for (size_t i = 0; i < net->options.layers * net->directions; i++) {
        action(state->h + i * capacity * R, state->spare_h + i * capacity * R, R, argument);
        if (state->c != NULL) {
            action(state->c + i * capacity * H, state->spare_c + i * capacity * H, H, argument);
        }
    }
}

static void clear_stream(real *values, real *spare, size_t width, const void *argument)
{
    (void)spare;
    memset(values + *(const size_t *)argument * width, 0, width * sizeof(real));
}

lrnn_status lrnn_state_reset_stream(lrnn_state *state, size_t stream)
{
    if (state == NULL) {
        return error_null("state");
    }
    if (stream >= state->live) {
        return error_set(LRNN_ERR_INVALID, "stream: expected 0..%zu, found %zu", state->live - 1,
                         stream);
    }
    for_each_layer(state, clear_stream, &stream);
    return LRNN_OK;
}

lrnn_status lrnn_state_reset(lrnn_state *state)
{
    if (state == NULL) {
        return error_null("state");
    }
    state->live = state->capacity;
    for (size_t b = 0; b < state->live; b++) {
        for_each_layer(state, clear_stream, &b);
    }
    return LRNN_OK;
}

static lrnn_status copy_rows(lrnn_state *to, const lrnn_state *from)
{
    const network *net = &to->model->net;
    size_t h_bytes = from->live * net->h_size * sizeof(real);
    size_t c_bytes = from->live * net->options.hidden_size * sizeof(real);
    for (size_t i = 0; i < net->options.layers * net->directions; i++) {
        memcpy(state_h(to, i), state_h(from, i), h_bytes);
        if (to->c != NULL) {
            memcpy(state_c(to, i), state_c(from, i), c_bytes);
        }
    }
    to->live = from->live;
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
    return to == from ? LRNN_OK : copy_rows(to, from);
}

typedef struct parent_list {
    const int32_t *parents;
    size_t count;
} parent_list;

static void gather(real *values, real *spare, size_t width, const void *argument)
{
    const parent_list *list = argument;
    for (size_t i = 0; i < list->count; i++) {
        if (list->parents[i] < 0) {
            memset(spare + i * width, 0, width * sizeof(real));
        } else {
            memcpy(spare + i * width, values + (size_t)list->parents[i] * width,
                   width * sizeof(real));
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
        parent_list list = {parents, count};
        for_each_layer(state, gather, &list);
        state_swap_h(state);
        swap(&state->c, &state->spare_c);
    }
    state->live = count;
    return LRNN_OK;
}

static lrnn_status check_exchange(const real *h, const real *c, const lrnn_state *state)
{
    if (state == NULL) {
        return error_null("state");
    }
    if (h == NULL && c == NULL) {
        return error_set(LRNN_ERR_INVALID, "h and c are both NULL");
    }
    if (c != NULL && state->c == NULL) {
        return error_set(LRNN_ERR_INVALID, "c: given, but only LSTM layers have one");
    }
    return LRNN_OK;
}

lrnn_status lrnn_state_export(real *h, real *c, const lrnn_state *state)
{
    lrnn_status status = check_exchange(h, c, state);
    if (status != LRNN_OK) {
        return status;
    }
    const network *net = &state->model->net;
    size_t h_row = state->live * net->h_size, c_row = state->live * net->options.hidden_size;
    for (size_t i = 0; i < net->options.layers * net->directions; i++) {
        if (h != NULL) {
            memcpy(h + i * h_row, state_h(state, i), h_row * sizeof(real));
        }
        if (c != NULL) {
            memcpy(c + i * c_row, state_c(state, i), c_row * sizeof(real));
        }
    }
    return LRNN_OK;
}

lrnn_status lrnn_state_import(lrnn_state *state, const real *h, const real *c)
{
    lrnn_status status = check_exchange(h, c, state);
    if (status != LRNN_OK) {
        return status;
    }
    const network *net = &state->model->net;
    size_t h_row = state->live * net->h_size, c_row = state->live * net->options.hidden_size;
    for (size_t i = 0; i < net->options.layers * net->directions; i++) {
        if (h != NULL) {
            memcpy(state_h(state, i), h + i * h_row, h_row * sizeof(real));
        }
        if (c != NULL) {
            memcpy(state_c(state, i), c + i * c_row, c_row * sizeof(real));
        }
    }
    return LRNN_OK;
}
