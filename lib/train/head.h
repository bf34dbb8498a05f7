/* The rows that the head reads, one an item of the loss, and the blocks they are worked off in. */
#ifndef TRAIN_HEAD_H
#define TRAIN_HEAD_H

#include "trainer.h"

static inline size_t head_row_count(const lrnn_trainer *trainer)
{
    const lrnn_sequences *s = &trainer->sequences;
    return network_answers_every_step(trainer->net) ? s->batch * trainer->segment.steps : s->batch;
}

/* The caller's index of row i (time-major inside): [B,T] or [B]. */
static inline size_t head_row_item(const lrnn_trainer *trainer, size_t i)
{
    const lrnn_sequences *s = &trainer->sequences;
    if (!network_answers_every_step(trainer->net)) {
        return i;
    }
    return row_item(trainer, i % s->batch, i / s->batch);
}

static inline bool head_row_exists(const lrnn_trainer *trainer, size_t i)
{
    const lrnn_sequences *s = &trainer->sequences;
    return !network_answers_every_step(trainer->net) ||
           row_active(trainer, i % s->batch, i / s->batch);
}

/* Weight of a row in the loss; 0 where it does not count. */
static inline double head_row_weight(const lrnn_trainer *trainer, size_t i)
{
    const lrnn_sequences *s = &trainer->sequences;
    size_t item = head_row_item(trainer, i);
    if (!head_row_exists(trainer, i)) {
        return 0;
    }
    if (trainer->options.loss == LRNN_LOSS_CROSS_ENTROPY && s->targets[item] < 0) {
        return 0;
    }
    return s->weights == NULL ? 1 : (double)s->weights[item];
}

/* head_block.c: rows first .. first+count-1, count at most trainer->head.rows. y and dy are theirs.
 */
void head_block_run(lrnn_trainer *trainer, const head_job *job, size_t first, size_t count,
                    const real *y, real *dy);

#endif
