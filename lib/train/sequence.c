/* Losses of whole rows. The outputs of a window lie together, [B,T,O]; each row is one piece of
 * work, so that threads share the rows and no bit depends on how many threads there are. */
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "head.h"

typedef struct sequence_job {
    lrnn_trainer *trainer;
    double scale;
} sequence_job;

static loss_item row_of(const lrnn_trainer *trainer, size_t b)
{
    return (loss_item){.options = &trainer->options,
                       .sequences = &trainer->sequences,
                       .index = b,
                       .outputs = trainer->net->output_size};
}

static void run_row(void *argument, size_t b, size_t worker)
{
    const sequence_job *job = argument;
    const lrnn_trainer *trainer = job->trainer;
    const head_space *head = &trainer->head;
    const lrnn_sequences *s = &trainer->sequences;
    loss_item item = row_of(trainer, b);
    double weight = s->weights == NULL ? 1 : (double)s->weights[b];
    real *y = head->window + b * s->steps * item.outputs;
    size_t length = sequence_length(s, b);
    head->loss[b] = 0;
    head->tally[b] = (loss_tally){weight > 0, 0};
    if (weight > 0) {
        head->loss[b] =
            weight * trainer->loss->sequence->run(&item, y, length, weight * job->scale,
                                                  head->scratch + worker * head->scratch_bytes);
    } else if (job->scale != 0) {
        memset(y, 0, length * item.outputs * sizeof(real));
    }
}

static lrnn_status check_row(const lrnn_trainer *trainer, size_t b)
{
    double found = trainer->head.loss[b];
    loss_item item = row_of(trainer, b);
    if (isinf(found)) {
        return trainer->loss->sequence->infinite(&item, sequence_length(item.sequences, b));
    }
    if (isnan(found)) {
        return error_set(LRNN_ERR_NUMERIC,
                         "the loss of row %zu is not a number: an output is NaN "
                         "or infinite",
                         b);
    }
    return LRNN_OK;
}

lrnn_status sequence_run(lrnn_trainer *trainer, head_job *job, double scale)
{
    const lrnn_sequences *s = &trainer->sequences;
    sequence_job rows = {trainer, scale};
    pool_run(trainer->pool, run_row, &rows, s->batch);
    for (size_t b = 0; b < s->batch; b++) {
        CHECK(check_row(trainer, b));
        job->loss += trainer->head.loss[b];
        job->tally.items += trainer->head.tally[b].items;
    }
    return LRNN_OK;
}
