/* The linear head of a window: what it reads, and where its gradient goes. The products, and the
 * losses of rows, are in head_block.c. */
#include <string.h>

#include "head.h"
#include "normalize.h"

/* ---- what the head reads and where its gradient goes ---- */

static const real *top_outputs(const lrnn_trainer *trainer)
{
    size_t layers = trainer->net->options.layers;
    return layers > 0 ? trainer->outputs[layers - 1] : stage_entry(trainer);
}

/* The final h [B,R] of a direction of the top layer. */
static const real *final_h(const lrnn_trainer *trainer, size_t direction)
{
    const network *net = trainer->net;
    const layer_space *space =
        &trainer->spaces[(net->options.layers - 1) * net->directions + direction];
    size_t place = direction == 1 ? 0 : trainer->segment.steps;
    return space->h + place * trainer->sequences.batch * network_top_layer(net)->h_size;
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
    size_t R = network_top_layer(net)->h_size;
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

/* A row of the whole head. */
static void locate(const head_block *block, size_t row, head_row *at)
{
    const lrnn_trainer *trainer = block->trainer;
    size_t i = block->first + row;
    at->item = head_item(trainer, block->section, row);
    at->item.index = at->output = head_row_item(trainer, i);
    at->row = i;
    at->exists = head_row_exists(trainer, i);
    at->weight = block->job->want_loss && at->exists ? head_item_weight(trainer, &at->item) : 0;
    at->pull = 0;
    at->observed = at->weight != 0;
}

/* Returns the number of blocks. */
static size_t run_whole(lrnn_trainer *trainer, const head_job *job, const real *y, real *dy)
{
    const head_section *section = &trainer->head.all;
    size_t rows = head_row_count(trainer), top = section->inputs;
    size_t blocks = (rows + section->rows - 1) / section->rows;
    bool judged = trainer->head.judged && job->want_loss && job->want_gradient;
    for (size_t i = 0; i < blocks; i++) {
        size_t first = rows * i / blocks, end = rows * (i + 1) / blocks;
        head_block block = {
            .trainer = trainer,
            .section = section,
            .job = job,
            .loss = trainer->loss != NULL ? trainer->loss->row : NULL,
            .locate = locate,
            .first = first,
            .count = end - first,
            .y = y + first * top,
            .dy = dy + first * top,
            .makes_outputs = !judged && (job->want_loss || job->copy != NULL),
            .judges = !judged && job->want_loss,
        };
        head_block_forward(&block);
        if (job->want_gradient) {
            head_block_backward(&block);
        }
    }
    return blocks;
}

void head_run(lrnn_trainer *trainer, head_job *job)
{
    const network *net = trainer->net;
    if (net->options.head == LRNN_HEAD_NONE) {
        run_without_head(trainer, job);
        return;
    }
    const real *top = network_answers_every_step(net) ? top_outputs(trainer) : trainer->top;
    size_t rows = head_row_count(trainer), blocks = 0;
    real *dtop = network_answers_every_step(net) ? trainer->dy[0] : trainer->dtop;
    const real *y = stage_leave(trainer, rows, top);
    real *dy = stage_leave_gradient_place(trainer, dtop);
    if (network_is_adaptive(net)) {
        head_adaptive_run(trainer, job, y, dy);
    } else {
        blocks = run_whole(trainer, job, y, dy);
    }
    for (size_t i = 0; job->want_loss && i < rows; i++) {
        job->loss += trainer->head.loss[i];
        job->tally.items += trainer->head.tally[i].items;
        job->tally.right += trainer->head.tally[i].right;
    }
    trainer->head.judged =
        job->want_loss && !job->want_gradient && blocks == 1 && rows == head_window_rows(trainer);
    if (job->want_gradient) {
        stage_leave_gradient(trainer, rows, top, dtop);
    }
    if (job->want_gradient && net->options.head == LRNN_HEAD_FINAL) {
        add_to_final_states(trainer);
    }
}
