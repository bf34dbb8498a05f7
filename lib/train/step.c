/* A training step, whole and in its parts. What a window changes (carried state, dropout counter)
 * is kept pending until nothing can fail any more. */
#include <math.h>
#include <string.h>

#include "average.h"
#include "base/check.h"
#include "base/error.h"
#include "base/fpmode.h"
#include "base/options.h"
#include "exchange.h"
#include "regularize.h"
#include "shards.h"
#include "step.h"

static const lrnn_train_result default_result = {.size = sizeof(lrnn_train_result)};
static const lrnn_backward default_backward = {.size = sizeof(lrnn_backward), .loss_scale = 1};

lrnn_status lrnn_train_result_init(lrnn_train_result *result, size_t struct_size)
{
    return OPTIONS_INIT(result, struct_size, &default_result, lrnn_train_result);
}

/* Before anything is changed: a result that could not be given. */
lrnn_status step_check_result(const lrnn_train_result *result)
{
    lrnn_train_result ignored;
    return result == NULL ? LRNN_OK
                          : OPTIONS_READ(&ignored, result, &default_result, lrnn_train_result);
}

void step_give_result(lrnn_train_result *result, const lrnn_train_result *all)
{
    if (result != NULL) {
        options_give(result, all, sizeof *all);
    }
}

/* ---- what may go in ---- */

static lrnn_status read_window(lrnn_trainer *trainer, const lrnn_sequences *given,
                               const carried *initial, lrnn_sequences *s)
{
    CHECK(network_read_sequences(s, trainer->net, given));
    const lrnn_trainer_options *o = &trainer->options;
    if (s->batch > o->batch || s->steps > o->steps) {
        return error_set(LRNN_ERR_INVALID,
                         "sequences: a window of %zu x %zu does not fit into a "
                         "trainer of %zu x %zu",
                         s->batch, s->steps, o->batch, o->steps);
    }
    if (initial->batch != 0 && initial->batch != s->batch) {
        return error_set(LRNN_ERR_INVALID,
                         "batch: the carried state has %zu rows, the window %zu; reset the state "
                         "first",
                         initial->batch, s->batch);
    }
    return network_check_sequences(trainer->net, s);
}

static lrnn_status need_targets(double *weight, const lrnn_trainer *trainer,
                                const lrnn_sequences *s)
{
    if (trainer->loss == NULL) {
        return error_set(LRNN_ERR_UNSUPPORTED, "loss: this trainer has LRNN_LOSS_NONE");
    }
    if (!targets_given(trainer, s)) {
        return error_set(LRNN_ERR_INVALID, "%s: not given, but the loss (%s) needs it",
                         trainer->loss->reads_values ? "target_values" : "targets",
                         trainer->loss->name);
    }
    fpmode mode = fpmode_enter();
    lrnn_status status = targets_check(weight, trainer, s);
    fpmode_leave(mode);
    return status;
}

lrnn_status step_check_weight(const lrnn_trainer *trainer, double weight)
{
    if (weight == 0 && trainer->options.reduction == LRNN_REDUCTION_MEAN) {
        return error_set(LRNN_ERR_NUMERIC, "the weights of all items are zero: there is no loss");
    }
    return LRNN_OK;
}

static lrnn_status check_loss(double loss)
{
    if (!isfinite(loss)) {
        return error_set(LRNN_ERR_NUMERIC, "the loss is not finite (%g)", loss);
    }
    return LRNN_OK;
}

/* Checks a window and takes it up. With `need` there must be a loss, without it there may be one;
 * *weight is that of its items. What the last window left is gone. */
lrnn_status step_open_window(lrnn_trainer *trainer, const lrnn_sequences *given,
                             const carried *initial, bool need, double *weight)
{
    lrnn_sequences window;
    CHECK(read_window(trainer, given, initial, &window));
    if (need || targets_given(trainer, &window)) {
        CHECK(need_targets(weight, trainer, &window));
    }
    trainer->sequences = window;
    trainer->ready = trainer->answered = trainer->head.judged = false;
    regularize_open(trainer);
    return LRNN_OK;
}

/* ---- pieces ---- */

static void commit(lrnn_trainer *trainer, carried *state, bool keep)
{
    carried old = *state;
    *state = trainer->pending;
    trainer->pending = old;
    state->rows = trainer->sequences.batch;
    if (!keep) {
        state->batch = 0; /* it can be exported, but the next window starts at zero */
    }
}

double step_reduction_scale(const lrnn_trainer *trainer, double weight, double rows)
{
    switch (trainer->options.reduction) {
    case LRNN_REDUCTION_MEAN: return 1 / weight;
    case LRNN_REDUCTION_ROWS: return 1 / rows;
    default: return 1;
    }
}

bool step_is_sequence(const lrnn_trainer *trainer)
{
    return trainer->loss != NULL && trainer->loss->sequence != NULL;
}

/* Gradients of the final states, from the caller or zero. */
void step_start_backward(lrnn_trainer *trainer, const lrnn_backward *b)
{
    const network *net = trainer->net;
    size_t B = trainer->sequences.batch;
    layer_state_view final = {b->final_h, b->final_c, B, 0};
    for (size_t i = 0; i < net->options.layers * net->directions; i++) {
        layer_state to = {trainer->spaces[i].dh, trainer->spaces[i].dc, 0, 0};
        layer_state_copy_one(net, i, to, layer_state_view_at(net, final, i), B);
    }
}

typedef struct update_job {
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    double factor;
} update_job;

/* What a piece of the parameters has of each tensor that is not frozen. */
static void update_piece(void *argument, size_t piece, size_t worker)
{
    (void)worker;
    const update_job *job = argument;
    lrnn_trainer *trainer = job->trainer;
    const network *net = trainer->net;
    size_t first = piece * PARAMETER_PIECE, end = first + parameter_piece(trainer, first);
    for (size_t i = 0; i < net->tensor_count; i++) {
        size_t from = net->tensors[i].offset, to = from + net->tensors[i].count;
        from = from < first ? first : from;
        to = to > end ? end : to;
        if (from >= to || trainer->frozen[i]) {
            continue;
        }
        if (job->factor < 1) {
            kernels()->scale(trainer->gradients + from, (real)job->factor, to - from);
        }
        optimizer_apply(job->optimizer, trainer->parameters, trainer->gradients, from, to - from);
    }
    average_add(trainer, first, end - first);
}

/* The gradients are multiplied by the factor first. */
void step_update(lrnn_trainer *trainer, lrnn_optimizer *optimizer, double factor)
{
    update_job job = {trainer, optimizer, factor};
    pool_run(trainer->pool, update_piece, &job, parameter_pieces(trainer));
    optimizer->updates++;
    average_count(trainer);
}

lrnn_status step_check_optimizer(const lrnn_trainer *trainer, const lrnn_optimizer *optimizer)
{
    if (optimizer == NULL) {
        return error_null("optimizer");
    }
    if (optimizer->count != trainer->net->parameter_count) {
        return error_set(LRNN_ERR_INVALID,
                         "optimizer: made for %zu parameters, the trainer has %zu",
                         optimizer->count, trainer->net->parameter_count);
    }
    return LRNN_OK;
}

/* ---- the whole step ---- */

/* The loss of a window or shard; its gradients, those of the loss sum times the scale, are added.
 */
static lrnn_status gradients_of(lrnn_trainer *trainer, const carried *initial,
                                const window_pass *pass, lrnn_train_result *all)
{
    head_job job = {.want_loss = true, .scale = pass->scale, .want_gradient = true};
    head_job outputs = {.copy = trainer->head.window};
    segments_forward(trainer, initial, pass->mode, step_is_sequence(trainer) ? &outputs : NULL);
    if (step_is_sequence(trainer)) {
        job.want_loss = false;
        job.given = trainer->head.window;
        CHECK(sequence_run(trainer, &job, pass->scale));
    }
    step_start_backward(trainer, &default_backward);
    segments_backward(trainer, &job, NULL);
    all->loss_sum = job.loss;
    all->items = job.tally.items;
    all->right = job.tally.right;
    return LRNN_OK;
}

/* Those of this worker's rows. */
static lrnn_status window_gradients(lrnn_trainer *trainer, lrnn_train_result *all, double scale)
{
    const window_pass pass = {gradients_of, true, true, scale, PASS_TRAIN};
    run_pack(trainer, PASS_TRAIN);
    CHECK(shards_run(trainer, &trainer->carry, &pass, all));
    gradient_zero_frozen(trainer);
    return check_loss(all->loss_sum);
}

/* Clips the gradients by value, and gives the factor that clips their norm. */
static lrnn_status clip(lrnn_trainer *trainer, lrnn_train_result *all, double *factor)
{
    double square_sum = gradient_square_sum(trainer);
    if (!isfinite(square_sum)) {
        return error_set(LRNN_ERR_NUMERIC, "the gradient is not finite");
    }
    if (trainer->options.clip_value > 0) {
        gradient_clip_value(trainer, trainer->options.clip_value);
        square_sum = gradient_square_sum(trainer);
    }
    all->gradient_norm = sqrt(square_sum);
    *factor = clip_factor(all->gradient_norm, trainer->options.clip_norm);
    return LRNN_OK;
}

/* Clips and updates; what a window changes is kept once nothing can fail any more. */
static lrnn_status finish_step(lrnn_trainer *trainer, lrnn_optimizer *optimizer,
                               lrnn_train_result *all)
{
    double factor = 1;
    CHECK(clip(trainer, all, &factor));
    all->learning_rate = optimizer->options.learning_rate;
    all->regularization = regularize_value(trainer);
    step_update(trainer, optimizer, factor);
    commit(trainer, &trainer->carry, trainer->options.carry_state);
    trainer->windows++;
    return LRNN_OK;
}

/* Everything that can be known before the window is run. */
static lrnn_status prepare_step(lrnn_trainer *trainer, const lrnn_optimizer *optimizer,
                                const lrnn_sequences *sequences, const lrnn_train_result *result,
                                double *weight)
{
    CHECK(step_check_result(result));
    CHECK(step_check_optimizer(trainer, optimizer));
    return step_open_window(trainer, sequences, &trainer->carry, true, weight);
}

lrnn_status lrnn_trainer_step(lrnn_trainer *trainer, lrnn_optimizer *optimizer,
                              const lrnn_sequences *sequences, lrnn_train_result *result)
{
    if (trainer == NULL) {
        return error_null("trainer");
    }
    lrnn_train_result all = default_result;
    lrnn_status status = prepare_step(trainer, optimizer, sequences, result, &all.loss_weight);
    double rows = status == LRNN_OK ? (double)trainer->sequences.batch : 0;
    status = status == LRNN_OK ? shards_weigh(trainer, &all.loss_weight, &rows) : status;
    CHECK(exchange_begin(trainer, status, &all.loss_weight, &rows));
    CHECK(step_check_weight(trainer, all.loss_weight));
    fpmode mode = fpmode_enter();
    status = window_gradients(trainer, &all, step_reduction_scale(trainer, all.loss_weight, rows));
    fpmode_leave(mode);
    CHECK(exchange_losses(trainer, status, &all));
    CHECK(exchange_gradients(trainer));
    mode = fpmode_enter();
    status = finish_step(trainer, optimizer, &all);
    fpmode_leave(mode);
    if (status == LRNN_OK) {
        step_give_result(result, &all);
    }
    return status;
}

/* Forward without gradients, and the loss if there is one. */
static lrnn_status look_at(lrnn_trainer *trainer, const carried *initial, const window_pass *pass,
                           lrnn_train_result *all)
{
    bool sequence = pass->loss && step_is_sequence(trainer);
    head_job job = {.want_loss = !sequence, .copy = sequence ? trainer->head.window : NULL};
    segments_forward(trainer, initial, pass->mode, pass->loss ? &job : NULL);
    if (sequence) {
        CHECK(sequence_run(trainer, &job, 0));
    }
    all->loss_sum = job.loss;
    all->items = job.tally.items;
    all->right = job.tally.right;
    return LRNN_OK;
}

/* Forward without gradients: the activations of a window that is not cut stay, and the loss is
 * taken if there is one. */
lrnn_status step_look(lrnn_trainer *trainer, carried *state, pass_mode mode, bool loss,
                      lrnn_train_result *all)
{
    const window_pass pass = {look_at, false, loss, 0, mode};
    bool cut = mode == PASS_EVALUATE && trainer->shards.count > 1;
    fpmode caller = fpmode_enter();
    run_pack(trainer, mode);
    lrnn_status status =
        cut ? shards_run(trainer, state, &pass, all) : look_at(trainer, state, &pass, all);
    all->regularization = regularize_value(trainer);
    fpmode_leave(caller);
    status = status == LRNN_OK ? check_loss(all->loss_sum) : status;
    CHECK(cut && shards_are_shared(trainer) ? exchange_losses(trainer, status, all) : status);
    commit(trainer, state, trainer->options.carry_state);
    trainer->answered = !cut;
    return LRNN_OK;
}

/* What a window weighs that is about to be evaluated; by all workers if they share it. */
static lrnn_status open_evaluation(lrnn_trainer *trainer, const lrnn_sequences *sequences,
                                   const lrnn_train_result *result, double *weight)
{
    CHECK(step_check_result(result));
    double rows;
    CHECK(
        step_open_window(trainer, sequences, &trainer->evaluation, trainer->loss != NULL, weight));
    return shards_weigh(trainer, weight, &rows);
}

lrnn_status lrnn_trainer_evaluate(lrnn_trainer *trainer, const lrnn_sequences *sequences,
                                  lrnn_train_result *result)
{
    if (trainer == NULL) {
        return error_null("trainer");
    }
    lrnn_train_result all = default_result;
    bool loss = trainer->loss != NULL;
    double rows = 0;
    lrnn_status status = open_evaluation(trainer, sequences, result, &all.loss_weight);
    CHECK(shards_are_shared(trainer) ? exchange_begin(trainer, status, &all.loss_weight, &rows)
                                     : status);
    CHECK(loss ? step_check_weight(trainer, all.loss_weight) : LRNN_OK);
    CHECK(step_look(trainer, &trainer->evaluation, PASS_EVALUATE, loss, &all));
    step_give_result(result, &all);
    return LRNN_OK;
}
