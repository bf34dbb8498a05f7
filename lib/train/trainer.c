/* Making and destroying trainers, and their parameters and carried state. A trainer is one block of
 * memory: lay_out measures it, then cuts it up. */
#include "trainer.h"

#include <math.h>
#include <string.h>

#include "average.h"
#include "base/check.h"
#include "base/error.h"
#include "base/options.h"
#include "exchange.h"
#include "model/values.h"
#include "normalize.h"
#include "regularize.h"
#include "shards.h"

static const lrnn_trainer_options default_options = {
    .size = sizeof(lrnn_trainer_options),
    .batch = 16,
    .steps = 32,
    .threads = 1,
    .seed = 1,
    .loss = LRNN_LOSS_CROSS_ENTROPY,
    .reduction = LRNN_REDUCTION_MEAN,
    .carry_state = 1,
};

lrnn_status lrnn_trainer_options_init(lrnn_trainer_options *options, size_t struct_size)
{
    return OPTIONS_INIT(options, struct_size, &default_options, lrnn_trainer_options);
}

/* The outputs of an adaptive softmax are log-probabilities, and only the targets' are computed. */
static lrnn_status check_adaptive(const lrnn_trainer_options *o, const network *net)
{
    bool fits = o->loss == LRNN_LOSS_CROSS_ENTROPY || o->loss == LRNN_LOSS_NONE;
    if (network_is_adaptive(net) && !fits) {
        return error_set(LRNN_ERR_UNSUPPORTED,
                         "loss: an adaptive softmax (cutoffs) has cross-entropy or "
                         "LRNN_LOSS_NONE, not %s",
                         loss_find(o->loss)->name);
    }
    if (network_is_adaptive(net) && o->label_smoothing > 0) {
        return error_set(LRNN_ERR_UNSUPPORTED,
                         "label_smoothing: not with an adaptive softmax (cutoffs)");
    }
    return LRNN_OK;
}

static lrnn_status check_regularization(const lrnn_trainer_options *o, const network *net)
{
    CHECK(check_not_negative("activation_l2", o->activation_l2));
    CHECK(check_not_negative("temporal_l2", o->temporal_l2));
    const char *name = o->activation_l2 > 0 ? "activation_l2" : "temporal_l2";
    if (o->activation_l2 == 0 && o->temporal_l2 == 0) {
        return LRNN_OK;
    }
    if (o->loss == LRNN_LOSS_NONE) {
        return error_set(LRNN_ERR_INVALID,
                         "%s: a term of the trainer's loss, but that is "
                         "LRNN_LOSS_NONE",
                         name);
    }
    return net->options.layers > 0
               ? LRNN_OK
               : error_set(LRNN_ERR_INVALID, "%s: needs recurrent layers, but layers is 0", name);
}

static lrnn_status check_options(const lrnn_trainer_options *o, const network *net)
{
    CHECK(check_size("batch", o->batch, 1, INT32_MAX));
    CHECK(check_size("steps", o->steps, 1, INT32_MAX));
    CHECK(check_size("threads", o->threads, 1, 1024));
    CHECK(check_not_negative("clip_norm", o->clip_norm));
    CHECK(check_not_negative("clip_value", o->clip_value));
    CHECK(loss_check_options(o, net->output_size));
    CHECK(loss_check_activation(loss_find(o->loss), net->options.output_activation));
    CHECK(check_choice("reduction", o->reduction, LRNN_REDUCTION_ROWS));
    CHECK(check_choice("carry_state", o->carry_state, 1));
    CHECK(check_reserved(o->reserved));
    CHECK(check_adaptive(o, net));
    CHECK(check_regularization(o, net));
    CHECK(shards_check(o));
    CHECK(check_size("recompute_steps", o->recompute_steps, 0, INT32_MAX));
    if (o->recompute_steps > 0 && net->directions == 2) {
        return error_set(LRNN_ERR_INVALID,
                         "recompute_steps: a bidirectional model reads a "
                         "sequence whole; expected 0, found %zu",
                         o->recompute_steps);
    }
    if (o->loss != LRNN_LOSS_NONE && net->options.head == LRNN_HEAD_NONE) {
        return error_set(LRNN_ERR_INVALID, "loss: the model has no head; LRNN_LOSS_NONE is the "
                                           "only choice");
    }
    const loss_kind *of = loss_find(o->loss);
    if (of != NULL && of->sequence != NULL && net->options.head != LRNN_HEAD_STEPS) {
        return error_set(LRNN_ERR_INVALID, "loss: %s needs outputs at every step, LRNN_HEAD_STEPS",
                         of->name);
    }
    return LRNN_OK;
}

/* ---- storage ---- */

static void lay_out_layer(lrnn_trainer *trainer, layer_space *space, size_t index, arena *from)
{
    const network *net = trainer->net;
    const kernel_table *table = kernels();
    size_t H = net->layers[index].hidden_size, R = net->layers[index].h_size;
    size_t columns = net->gates * H;
    size_t B = trainer->options.batch, rows = B * trainer->segment_steps;
    size_t I = net->layers[index].input_size;
    space->packed_input = arena_take(from, kernel_packed_size(table, I, columns), sizeof(real));
    space->packed_hidden = arena_take(from, kernel_packed_size(table, R, columns), sizeof(real));
    space->packed_back = arena_take(from, kernel_packed_size(table, columns, R), sizeof(real));
    space->bias = arena_take(from, columns, sizeof(real));
    if (net->options.weight_dropout > 0) {
        space->weight_mask = arena_take(from, columns, R * sizeof(real));
        space->weight = arena_take(from, columns, R * sizeof(real));
    }
    space->gates = arena_take(from, rows, columns * sizeof(real));
    space->h = arena_take(from, rows + B, R * sizeof(real));
    space->dh = arena_take(from, B, R * sizeof(real));
    if (net->cell->apart) {
        space->hidden = arena_take(from, rows, columns * sizeof(real));
    }
    if (net->cell->has_c) {
        space->c = arena_take(from, rows + B, H * sizeof(real));
        space->tanh_c = arena_take(from, rows, H * sizeof(real));
        space->dc = arena_take(from, B, H * sizeof(real));
    }
    if (network_is_projected(net)) {
        space->packed_projection = arena_take(from, kernel_packed_size(table, H, R), sizeof(real));
        space->packed_lift = arena_take(from, kernel_packed_size(table, R, H), sizeof(real));
        space->m = arena_take(from, rows, H * sizeof(real));
        space->dprojected = arena_take(from, rows, R * sizeof(real));
        space->dm = arena_take(from, B, H * sizeof(real));
    }
}

void carried_lay_out(const lrnn_trainer *trainer, carried *state, arena *from)
{
    const network *net = trainer->net;
    size_t rows = trainer->options.batch;
    state->h = arena_take(from, rows, net->h_values * sizeof(real));
    if (network_has_cell_state(net)) {
        state->c = arena_take(from, rows, net->c_values * sizeof(real));
    }
}

static void lay_out_layers(lrnn_trainer *trainer, arena *from)
{
    const network *net = trainer->net;
    size_t layers = net->options.layers, count = layers * net->directions;
    size_t rows = trainer->options.batch * trainer->segment_steps;
    trainer->spaces = arena_take(from, count, sizeof *trainer->spaces);
    trainer->outputs = arena_take(from, layers, sizeof *trainer->outputs);
    trainer->masks = arena_take(from, layers, sizeof *trainer->masks);
    for (size_t i = 0; i < count; i++) {
        layer_space space = {0};
        lay_out_layer(trainer, &space, i, from);
        if (trainer->spaces != NULL) {
            trainer->spaces[i] = space;
        }
    }
    for (size_t layer = 0; layer < layers; layer++) {
        size_t bytes = network_layer_width(net, layer) * sizeof(real);
        real *outputs = arena_take(from, rows, bytes);
        double share = layer + 1 < layers ? net->options.dropout : net->options.output_dropout;
        real *mask = share > 0 ? arena_take(from, rows, bytes) : NULL;
        if (trainer->outputs != NULL) {
            trainer->outputs[layer] = outputs;
            trainer->masks[layer] = mask;
        }
    }
}

static void lay_out(lrnn_trainer *trainer, arena *from)
{
    const network *net = trainer->net;
    size_t B = trainer->options.batch, rows;
    size_t wide = net->top_size > net->input_size ? net->top_size : net->input_size;
    wide = net->widest > wide ? net->widest : wide;
    wide = net->entry_size > wide ? net->entry_size : wide;
    if (!size_multiply(&rows, B, trainer->options.steps) || rows > SIZE_MAX / 2 ||
        !size_multiply(&rows, B, trainer->segment_steps)) {
        from->overflow = true;
        return;
    }
    trainer->parameters = arena_take(from, net->parameter_count, sizeof(real));
    trainer->gradients = arena_take(from, net->parameter_count, sizeof(real));
    trainer->output_weights =
        arena_take(from, trainer->weighs_outputs ? net->output_size : 0, sizeof(real));
    trainer->square_sums = arena_take(from, parameter_pieces(trainer), sizeof(double));
    trainer->frozen = arena_take(from, net->tensor_count, 1);
    trainer->workspace =
        arena_take(from, trainer->options.threads, multiply_workspace() * sizeof(real));
    trainer->x = arena_take(from, rows, net->input_size * sizeof(real));
    bool dropped = net->options.input_dropout > 0 || net->options.embedding_dropout > 0;
    trainer->input_mask = dropped ? arena_take(from, rows, net->input_size * sizeof(real)) : NULL;
    trainer->dy[0] = arena_take(from, rows, wide * sizeof(real));
    trainer->dy[1] = arena_take(from, rows, wide * sizeof(real));
    lay_out_layers(trainer, from);
    carried_lay_out(trainer, &trainer->carry, from);
    carried_lay_out(trainer, &trainer->evaluation, from);
    carried_lay_out(trainer, &trainer->pending, from);
    segments_lay_out(trainer, from);
    regularize_lay_out(trainer, from);
    stage_lay_out(trainer, from);
    shards_lay_out(trainer, from);
    if (net->options.head != LRNN_HEAD_NONE) {
        head_lay_out(trainer, from);
    }
    if (!network_answers_every_step(net)) {
        trainer->top = arena_take(from, B, net->top_size * sizeof(real));
        trainer->dtop = arena_take(from, B, net->top_size * sizeof(real));
    }
}

/* A loss reads one of the two arrays at most. */
static void keep_output_weights(lrnn_trainer *made)
{
    const real **given = made->options.class_weights != NULL ? &made->options.class_weights
                                                             : &made->options.positive_weights;
    if (*given != NULL) {
        memcpy(made->output_weights, *given, made->net->output_size * sizeof(real));
        *given = made->output_weights;
    }
}

static lrnn_status fill_trainer(lrnn_trainer *made)
{
    arena pieces = {0};
    lay_out(made, &pieces);
    CHECK(arena_allocate(&pieces, &made->allocator, "trainer"));
    made->storage = pieces.base;
    lay_out(made, &pieces);
    keep_output_weights(made);
    model_read_values(made->parameters, made->model);
    made->running = made->parameters;
    return pool_create(&made->pool, &made->allocator, made->options.threads);
}

static lrnn_status read_options(lrnn_trainer_options *o, lrnn_exchange *exchange,
                                lrnn_allocator *allocator, const network *net,
                                const lrnn_trainer_options *given)
{
    if (given != NULL) {
        CHECK(OPTIONS_READ(o, given, &default_options, lrnn_trainer_options));
    }
    CHECK(check_options(o, net));
    if (o->exchange != NULL) {
        CHECK(exchange_read(exchange, o->exchange));
    }
    return o->allocator == NULL ? LRNN_OK : allocator_read(allocator, o->allocator);
}

lrnn_status lrnn_trainer_create(lrnn_trainer **trainer, const lrnn_model *model,
                                const lrnn_trainer_options *options)
{
    if (trainer == NULL) {
        return error_null("trainer");
    }
    *trainer = NULL;
    if (model == NULL) {
        return error_null("model");
    }
    lrnn_trainer_options o = default_options;
    lrnn_exchange exchange = {0};
    lrnn_allocator allocator = model->allocator;
    CHECK(read_options(&o, &exchange, &allocator, &model->net, options));
    lrnn_trainer *made = memory_allocate(&allocator, 1, sizeof *made, "trainer");
    if (made == NULL) {
        return LRNN_ERR_MEMORY;
    }
    made->allocator = allocator;
    made->options = o;
    made->options.allocator = NULL;
    made->options.exchange = NULL;
    made->exchange = exchange;
    made->loss = loss_find(o.loss);
    made->weighs_outputs = o.class_weights != NULL || o.positive_weights != NULL;
    if (o.target_steps == 0) {
        made->options.target_steps = o.steps;
    }
    made->segment_steps =
        o.recompute_steps > 0 && o.recompute_steps < o.steps ? o.recompute_steps : o.steps;
    shards_read(made);
    made->model = lrnn_model_share(model);
    made->net = &made->model->net;
    lrnn_status status = fill_trainer(made);
    if (status != LRNN_OK) {
        lrnn_trainer_destroy(made);
        return status;
    }
    *trainer = made;
    return LRNN_OK;
}

void lrnn_trainer_destroy(lrnn_trainer *trainer)
{
    if (trainer != NULL) {
        lrnn_allocator allocator = trainer->allocator;
        pool_destroy(trainer->pool);
        lrnn_model_destroy(trainer->model);
        memory_release(&allocator, trainer->average);
        memory_release(&allocator, trainer->storage);
        memory_release(&allocator, trainer);
    }
}

lrnn_status lrnn_trainer_snapshot(lrnn_model **model, const lrnn_trainer *trainer)
{
    if (model == NULL || trainer == NULL) {
        return error_null(model == NULL ? "model" : "trainer");
    }
    return model_create_like(model, trainer->model, trainer->net->options.weight_type,
                             average_read(trainer));
}

/* ---- parameters ---- */

static lrnn_status find_tensor(const network_tensor **tensor, const lrnn_trainer *trainer,
                               const char *name)
{
    *tensor = network_find(trainer->net, name);
    if (*tensor == NULL) {
        return error_set(LRNN_ERR_NOT_FOUND, "the model has no parameter '%s'", name);
    }
    return LRNN_OK;
}

lrnn_status lrnn_trainer_set_parameter(lrnn_trainer *trainer, const char *name, const real *values,
                                       size_t count)
{
    if (trainer == NULL || values == NULL) {
        return error_null(trainer == NULL ? "trainer" : "values");
    }
    size_t offset = 0, expected = trainer->net->parameter_count;
    if (name != NULL) {
        const network_tensor *tensor;
        CHECK(find_tensor(&tensor, trainer, name));
        offset = tensor->offset;
        expected = tensor->count;
    }
    if (count != expected) {
        return error_set(LRNN_ERR_INVALID, "count: %s has %zu values, found %zu",
                         name == NULL ? "the model" : name, expected, count);
    }
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i])) {
            return error_set(LRNN_ERR_NUMERIC, "values[%zu] is not finite", i);
        }
    }
    memcpy(trainer->parameters + offset, values, count * sizeof(real));
    trainer->averaged = 0;
    return LRNN_OK;
}

lrnn_status lrnn_trainer_set_frozen(lrnn_trainer *trainer, const char *name, int32_t frozen)
{
    if (trainer == NULL || name == NULL) {
        return error_null(trainer == NULL ? "trainer" : "name");
    }
    const network_tensor *tensor;
    CHECK(find_tensor(&tensor, trainer, name));
    CHECK(check_choice("frozen", frozen, 1));
    trainer->frozen[tensor - trainer->net->tensors] = (unsigned char)frozen;
    gradient_zero_frozen(trainer);
    return LRNN_OK;
}

lrnn_status lrnn_trainer_zero_gradients(lrnn_trainer *trainer)
{
    if (trainer == NULL) {
        return error_null("trainer");
    }
    gradient_zero(trainer);
    return LRNN_OK;
}

lrnn_status lrnn_trainer_get_gradients(real **gradients, size_t *count, lrnn_trainer *trainer)
{
    if (gradients == NULL || trainer == NULL) {
        return error_null(gradients == NULL ? "gradients" : "trainer");
    }
    *gradients = trainer->gradients;
    if (count != NULL) {
        *count = trainer->net->parameter_count;
    }
    return LRNN_OK;
}

/* ---- carried state ---- */

lrnn_status lrnn_trainer_reset_state(lrnn_trainer *trainer)
{
    if (trainer == NULL) {
        return error_null("trainer");
    }
    carried *state = &trainer->carry;
    layer_state all = {state->h, state->c, state->rows, 0};
    stage_start_all(trainer, all, state->rows);
    state->batch = 0;
    return LRNN_OK;
}

lrnn_status lrnn_trainer_reset_evaluation(lrnn_trainer *trainer)
{
    if (trainer == NULL) {
        return error_null("trainer");
    }
    trainer->evaluation.batch = 0;
    return LRNN_OK;
}

size_t lrnn_trainer_state_rows(const lrnn_trainer *trainer)
{
    return trainer == NULL ? 0 : trainer->carry.batch;
}

lrnn_status lrnn_trainer_export_state(real *h, real *c, const lrnn_trainer *trainer)
{
    if (trainer == NULL) {
        return error_null("trainer");
    }
    CHECK(layer_state_check(trainer->net, h, c));
    const carried *state = &trainer->carry;
    bool fresh = state->rows == 0;
    size_t rows = fresh ? trainer->options.batch : state->rows;
    layer_state_view from = {state->h, state->c, rows, 0};
    if (fresh) {
        stage_start_all(trainer, (layer_state){h, c, rows, 0}, rows);
    } else {
        layer_state_copy(trainer->net, (layer_state){h, c, rows, 0}, from, rows);
    }
    return LRNN_OK;
}

lrnn_status lrnn_trainer_import_state(lrnn_trainer *trainer, const real *h, const real *c,
                                      size_t batch)
{
    if (trainer == NULL) {
        return error_null("trainer");
    }
    CHECK(layer_state_check(trainer->net, h, c));
    CHECK(check_size("batch", batch, 1, trainer->options.batch));
    carried *state = &trainer->carry;
    state->batch = state->rows = batch;
    layer_state_copy(trainer->net, carried_layers(state), (layer_state_view){h, c, batch, 0},
                     batch);
    return LRNN_OK;
}
