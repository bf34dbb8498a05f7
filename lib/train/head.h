/* The rows that the head reads, one an item of the loss, and the blocks in which they are computed.
 */
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
    return segment_item(&trainer->segment, i % s->batch, i / s->batch);
}

/* Of the whole window. */
static inline size_t head_window_rows(const lrnn_trainer *trainer)
{
    const lrnn_sequences *s = &trainer->sequences;
    return network_answers_every_step(trainer->net) ? s->batch * s->steps : s->batch;
}

static inline bool head_row_exists(const lrnn_trainer *trainer, size_t i)
{
    const lrnn_sequences *s = &trainer->sequences;
    return !network_answers_every_step(trainer->net) ||
           segment_active(&trainer->segment, i % s->batch, i / s->batch);
}

/* Row i as the loss sees it; `row` of the block that is there. */
static inline loss_item head_item(const lrnn_trainer *trainer, size_t i, size_t row)
{
    const head_space *head = &trainer->head;
    return (loss_item){
        .options = &trainer->options,
        .sequences = &trainer->sequences,
        .index = head_row_item(trainer, i),
        .outputs = trainer->net->output_size,
        .slices = head->slices,
        .factor = head->factor + row * head->slices,
        .sum = head->sum + row * head->slices,
        .other = head->other + row * head->slices,
        .kept = head->kept + row * LOSS_KEPT,
    };
}

/* What the loss of a row that exists is multiplied by; 0 where it does not count. */
static inline double head_item_weight(const lrnn_trainer *trainer, const loss_item *item)
{
    if (trainer->loss->share(item) < 0) {
        return 0;
    }
    const real *weights = trainer->sequences.weights;
    return weights == NULL ? 1 : (double)weights[item->index];
}

/* head_block.c: rows first .. first+count-1, count at most trainer->head.rows. y and dy are theirs.
 */
void head_block_run(lrnn_trainer *trainer, const head_job *job, size_t first, size_t count,
                    const real *y, real *dy);

#endif
