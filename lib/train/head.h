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

/* What the loss keeps of `row` of a block of this section. */
static inline loss_item head_item(const lrnn_trainer *trainer, const head_section *section,
                                  size_t row)
{
    const head_space *head = &trainer->head;
    return (loss_item){
        .options = &trainer->options,
        .sequences = &trainer->sequences,
        .outputs = section->columns,
        .activation = trainer->net->options.output_activation,
        .slices = section->slices,
        .factor = head->factor + row * section->slices,
        .sum = head->sum + row * section->slices,
        .other = head->other + row * section->slices,
        .kept = head->kept + row * LOSS_KEPT,
    };
}

/* What the loss of an item that exists is multiplied by; 0 where it does not count. */
static inline double head_item_weight(const lrnn_trainer *trainer, const loss_item *item)
{
    if (trainer->loss->share(item) < 0) {
        return 0;
    }
    const real *weights = trainer->sequences.weights;
    return weights == NULL ? 1 : (double)weights[item->index];
}

/* ---- head_block.c: some rows of one section ---- */

typedef struct head_block {
    lrnn_trainer *trainer;
    const head_section *section;
    const head_job *job;
    const row_loss *loss; /* NULL: there is none */
    /* Fills in a row of the block. */
    void (*locate)(const struct head_block *block, size_t row, head_row *at);
    const size_t *list; /* the segment's row of each row; NULL: from `first` on */
    size_t first, count;
    const real *y; /* of these rows, [count,inputs] */
    real *dy;
    bool makes_outputs, judges;
    bool adds; /* what is judged is added to the row's loss, and its tally is not kept */
} head_block;

/* The rows' items, then their outputs and losses as far as the block says. */
void head_block_forward(const head_block *block);

/* The gradients of W, the bias and y, from what the forward pass has left. */
void head_block_backward(const head_block *block);

/* Rows that a thread takes at once. */
#define HEAD_PIECE_ROWS 96

/* ---- head_adaptive.c ---- */

/* The rows of this segment, which are y and dy, of an adaptive softmax. */
void head_adaptive_run(lrnn_trainer *trainer, const head_job *job, const real *y, real *dy);
void head_adaptive_lay_out(lrnn_trainer *trainer, arena *from, size_t rows);

#endif
