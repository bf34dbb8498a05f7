/* What a window's outputs are compared with: is it there, is it in range, and how much does it
 * weigh? All of it is checked before anything of the trainer changes. */
#include <math.h>

#include "base/check.h"
#include "base/error.h"
#include "trainer.h"

bool targets_given(const lrnn_trainer *trainer, const lrnn_sequences *s)
{
    const loss_kind *of = trainer->loss;
    if (of == NULL) {
        return false;
    }
    if (of->sequence != NULL && !of->reads_values && s->target_steps == 0) {
        return true; /* rows without a label */
    }
    return of->reads_values ? s->target_values != NULL : s->targets != NULL;
}

static lrnn_status check_item(double *weight, const lrnn_trainer *trainer, const loss_item *item)
{
    const real *weights = item->sequences->weights;
    double given = weights == NULL ? 1 : (double)weights[item->index];
    if (!(given >= 0 && isfinite(given))) {
        return error_set(LRNN_ERR_INVALID,
                         "weights[%zu]: expected a finite number of at least 0, found %g",
                         item->index, given);
    }
    CHECK(trainer->loss->check(item));
    double share = trainer->loss->share(item);
    if (share >= 0) {
        *weight += given * share;
    }
    return LRNN_OK;
}

static lrnn_status check_rows(double *weight, const lrnn_trainer *trainer, loss_item *item)
{
    const lrnn_sequences *s = item->sequences;
    if (s->target_steps > trainer->options.target_steps) {
        return error_set(LRNN_ERR_INVALID, "target_steps: the trainer was made for %zu, found %zu",
                         trainer->options.target_steps, s->target_steps);
    }
    for (size_t b = 0; b < s->batch; b++) {
        item->index = b;
        CHECK(check_item(weight, trainer, item));
    }
    return LRNN_OK;
}

lrnn_status targets_check(double *weight, const lrnn_trainer *trainer, const lrnn_sequences *s)
{
    bool every_step = network_answers_every_step(trainer->net);
    size_t steps = every_step ? s->steps : 1;
    loss_item item = {
        .options = &trainer->options, .sequences = s, .outputs = trainer->net->output_size};
    *weight = 0;
    if (trainer->loss->sequence != NULL) {
        return check_rows(weight, trainer, &item);
    }
    for (size_t b = 0; b < s->batch; b++) {
        size_t length = every_step ? sequence_length(s, b) : 1;
        for (size_t t = 0; t < length; t++) {
            item.index = b * steps + t;
            CHECK(check_item(weight, trainer, &item));
        }
    }
    return LRNN_OK;
}
