/* The parts of a training step, one by one, for a loss or a net of the caller's own. */
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/fpmode.h"
#include "base/options.h"
#include "step.h"

static const lrnn_train_result default_result = {.size = sizeof(lrnn_train_result)};
static const lrnn_backward default_backward = {.size = sizeof(lrnn_backward), .loss_scale = 1};

lrnn_status lrnn_backward_init(lrnn_backward *backward, size_t struct_size)
{
    return OPTIONS_INIT(backward, struct_size, &default_backward, lrnn_backward);
}

static void finish_backward(lrnn_trainer *trainer, const lrnn_backward *b)
{
    const network *net = trainer->net;
    size_t B = trainer->sequences.batch;
    layer_state initial = {b->initial_h, b->initial_c, B, 0};
    for (size_t i = 0; i < net->options.layers * net->directions; i++) {
        layer_state_view from = {trainer->spaces[i].dh, trainer->spaces[i].dc, 0, 0};
        layer_state_copy_one(net, i, layer_state_at(net, initial, i), from, B);
    }
}

lrnn_status lrnn_trainer_forward(lrnn_trainer *trainer, const lrnn_sequences *sequences,
                                 lrnn_train_result *result)
{
    if (trainer == NULL) {
        return error_null("trainer");
    }
    lrnn_train_result all = default_result;
    CHECK(step_check_result(result));
    CHECK(step_open_window(trainer, sequences, &trainer->carry, false, &all.loss_weight));
    bool loss = targets_given(trainer, &trainer->sequences);
    CHECK(loss ? step_check_weight(trainer, all.loss_weight) : LRNN_OK);
    CHECK(step_look(trainer, &trainer->carry, PASS_TRAIN, loss, &all));
    trainer->windows++;
    trainer->loss_weight = all.loss_weight;
    trainer->ready = true;
    step_give_result(result, &all);
    return LRNN_OK;
}

lrnn_status lrnn_trainer_copy_outputs(real *outputs, size_t capacity, lrnn_trainer *trainer)
{
    if (outputs == NULL || trainer == NULL) {
        return error_null(outputs == NULL ? "outputs" : "trainer");
    }
    if (!trainer->answered) {
        return error_set(LRNN_ERR_STATE, "no forward whose outputs could be copied");
    }
    const lrnn_sequences *s = &trainer->sequences;
    size_t items = network_answers_every_step(trainer->net) ? s->batch * s->steps : s->batch;
    if (capacity < items * trainer->net->output_size) {
        return error_set(LRNN_ERR_TOO_SMALL, "outputs: %zu values, room for %zu",
                         items * trainer->net->output_size, capacity);
    }
    fpmode mode = fpmode_enter();
    segments_copy_outputs(trainer, outputs);
    fpmode_leave(mode);
    return LRNN_OK;
}

static lrnn_status check_values(const char *name, const real *values, size_t count)
{
    for (size_t i = 0; values != NULL && i < count; i++) {
        if (!isfinite(values[i])) {
            return error_set(LRNN_ERR_NUMERIC, "%s[%zu] is not finite", name, i);
        }
    }
    return LRNN_OK;
}

static lrnn_status check_backward(const lrnn_trainer *trainer, const lrnn_backward *b)
{
    const network *net = trainer->net;
    const lrnn_sequences *s = &trainer->sequences;
    if (!trainer->ready) {
        return error_set(LRNN_ERR_STATE, "no forward since the last backward");
    }
    if (!isfinite(b->loss_scale)) {
        return error_set(LRNN_ERR_NUMERIC, "loss_scale is not finite");
    }
    if (b->loss_scale != 0 && !targets_given(trainer, s)) {
        return error_set(LRNN_ERR_STATE,
                         "loss_scale is %g, but the last forward had no loss; set "
                         "it to 0",
                         b->loss_scale);
    }
    if ((b->final_h != NULL || b->initial_h != NULL) && !network_is_recurrent(net)) {
        return error_set(LRNN_ERR_INVALID, "final_h, initial_h: the model has no layers");
    }
    if ((b->final_c != NULL || b->initial_c != NULL) && !network_has_cell_state(net)) {
        return error_set(LRNN_ERR_INVALID, "final_c, initial_c: only LSTM layers have a c");
    }
    if (b->features != NULL && net->options.feature_size == 0) {
        return error_set(LRNN_ERR_INVALID, "features: the model's feature_size is 0");
    }
    size_t items = network_answers_every_step(net) ? s->batch * s->steps : s->batch;
    CHECK(check_values("outputs", b->outputs, items * net->output_size));
    CHECK(check_values("final_h", b->final_h, carried_h_count(trainer, s->batch)));
    return check_values("final_c", b->final_c, carried_c_count(trainer, s->batch));
}

/* The gradient of a sequence loss and of the caller's, in the window's outputs. */
static lrnn_status sequence_gradient(lrnn_trainer *trainer, head_job *job)
{
    const lrnn_sequences *s = &trainer->sequences;
    CHECK(sequence_run(trainer, job, job->scale));
    if (job->given != NULL) {
        kernels()->add(trainer->head.window, job->given,
                       s->batch * s->steps * trainer->net->output_size);
    }
    job->given = trainer->head.window;
    job->want_loss = false;
    return LRNN_OK;
}

lrnn_status lrnn_trainer_backward(lrnn_trainer *trainer, const lrnn_backward *backward)
{
    if (trainer == NULL) {
        return error_null("trainer");
    }
    lrnn_backward b = default_backward;
    if (backward != NULL) {
        CHECK(OPTIONS_READ(&b, backward, &default_backward, lrnn_backward));
    }
    CHECK(check_backward(trainer, &b));
    fpmode mode = fpmode_enter();
    head_job job = {.want_loss = b.loss_scale != 0, .given = b.outputs, .want_gradient = true};
    if (job.want_loss) {
        job.scale = b.loss_scale * step_reduction_scale(trainer, trainer->loss_weight,
                                                        (double)trainer->sequences.batch);
    }
    lrnn_status status = LRNN_OK;
    if (job.want_loss && step_is_sequence(trainer)) {
        status = sequence_gradient(trainer, &job);
    }
    if (status == LRNN_OK) {
        step_start_backward(trainer, &b);
        trainer->regular.scale = b.loss_scale;
        segments_backward(trainer, &job, b.features);
        finish_backward(trainer, &b);
        gradient_zero_frozen(trainer);
        trainer->ready = trainer->answered = false;
    }
    fpmode_leave(mode);
    return status;
}

lrnn_status lrnn_trainer_update(lrnn_trainer *trainer, lrnn_optimizer *optimizer)
{
    if (trainer == NULL) {
        return error_null("trainer");
    }
    CHECK(step_check_optimizer(trainer, optimizer));
    lrnn_status status = LRNN_OK;
    fpmode mode = fpmode_enter();
    if (!isfinite(gradient_square_sum(trainer))) {
        status = error_set(LRNN_ERR_NUMERIC, "a gradient is not finite");
    } else {
        step_update(trainer, optimizer, 1);
    }
    fpmode_leave(mode);
    return status;
}
