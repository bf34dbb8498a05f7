/* The linear head of a window: what it reads, and where its gradient goes. The products, and the
 * losses of rows, are in head_block.c. */
#include <string.h>

#include "head.h"

/* ---- what the head reads and where its gradient goes ---- */

static const real *top_outputs(const lrnn_trainer *trainer)
{
    size_t layers = trainer->net->options.layers;
    return layers > 0 ? trainer->outputs[layers - 1] : trainer->x;
}

/* The final h [B,R] of a direction of the top layer. */
static const real *final_h(const lrnn_trainer *trainer, size_t direction)
{
    const network *net = trainer->net;
    const layer_space *space =
        &trainer->spaces[(net->options.layers - 1) * net->directions + direction];
    size_t place = direction == 1 ? 0 : trainer->segment.steps;
    return space->h + place * trainer->sequences.batch * net->h_size;
}

void head_collect(lrnn_trainer *trainer)
{
    const network *net = trainer->net;
    for (size_t d = 0; net->options.head == LRNN_HEAD_FINAL && d < net->directions; d++) {
        keep_final(net, d, final_h(trainer, d), trainer->sequences.batch, trainer->top);
    }
    if (net->options.head == LRNN_HEAD_LAST) {
        segment_keep_last(&trainer->segment, net, top_outputs(trainer), trainer->top);
    }
}

void head_spread(lrnn_trainer *trainer)
{
    const network *net = trainer->net;
    size_t top = net->top_size, B = trainer->sequences.batch, t;
    if (network_answers_every_step(net)) {
        return;
    }
    memset(trainer->dy[0], 0, B * trainer->segment.steps * top * sizeof(real));
    for (size_t b = 0; net->options.head == LRNN_HEAD_LAST && b < B; b++) {
        if (segment_ends(&trainer->segment, b, &t)) {
            memcpy(trainer->dy[0] + (t * B + b) * top, trainer->dtop + b * top, top * sizeof(real));
        }
    }
}

static void add_to_final_states(lrnn_trainer *trainer)
{
    const network *net = trainer->net;
    size_t R = net->h_size;
    for (size_t b = 0; b < trainer->sequences.batch; b++) {
        for (size_t d = 0; d < net->directions; d++) {
            layer_space *space = &trainer->spaces[(net->options.layers - 1) * net->directions + d];
            kernels()->add(space->dh + b * R, trainer->dtop + b * net->top_size + d * R, R);
        }
    }
}

/* Without a head the outputs are the top layer's rows. */
static void run_without_head(lrnn_trainer *trainer, const head_job *job)
{
    const real *y = top_outputs(trainer);
    size_t top = trainer->net->top_size, rows = head_row_count(trainer);
    for (size_t i = 0; i < rows; i++) {
        size_t item = head_row_item(trainer, i);
        if (job->copy != NULL) {
            memcpy(job->copy + item * top, y + i * top, top * sizeof(real));
        }
        if (job->want_gradient) {
            real *dy = trainer->dy[0] + i * top;
            if (job->given != NULL && head_row_exists(trainer, i)) {
                memcpy(dy, job->given + item * top, top * sizeof(real));
            } else {
                memset(dy, 0, top * sizeof(real));
            }
        }
    }
}

void head_run(lrnn_trainer *trainer, head_job *job)
{
    const network *net = trainer->net;
    if (net->options.head == LRNN_HEAD_NONE) {
        run_without_head(trainer, job);
        return;
    }
    const real *y = network_answers_every_step(net) ? top_outputs(trainer) : trainer->top;
    size_t rows = head_row_count(trainer), top = net->top_size;
    real *dy = network_answers_every_step(net) ? trainer->dy[0] : trainer->dtop;
    size_t blocks = (rows + trainer->head.rows - 1) / trainer->head.rows;
    for (size_t block = 0; block < blocks; block++) {
        size_t first = rows * block / blocks, end = rows * (block + 1) / blocks;
        head_block_run(trainer, job, first, end - first, y + first * top, dy + first * top);
    }
    for (size_t i = 0; job->want_loss && i < rows; i++) {
        job->loss += trainer->head.loss[i];
        job->tally.items += trainer->head.tally[i].items;
        job->tally.right += trainer->head.tally[i].right;
    }
    trainer->head.judged =
        job->want_loss && !job->want_gradient && blocks == 1 && rows == head_window_rows(trainer);
    if (job->want_gradient && net->options.head == LRNN_HEAD_FINAL) {
        add_to_final_states(trainer);
    }
}
