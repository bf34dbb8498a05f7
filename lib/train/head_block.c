/* A section of the head and the row losses of a block of rows, in slices of its columns that stay
 * in cache:
 *   1. the outputs of a slice, each row of which the loss observes;
 *   2. each row's loss, from what was kept of its slices;
 *   3. the gradient in place of the values, and then at once the two products with it.
 * What a slice needs of a row is in the table of losses (loss.h). Slices, and the order in which
 * anything is summed, do not depend on threads. */
#include <math.h>
#include <string.h>

#include "head.h"

static size_t slice_columns(const head_section *section, size_t slice)
{
    size_t left = section->columns - slice * section->slice_width;
    return left < section->slice_width ? left : section->slice_width;
}

static real *slice_values(const head_block *block, size_t slice, size_t row)
{
    const head_section *section = block->section;
    return block->trainer->head.values + (slice * section->rows + row) * section->stride;
}

static loss_slice look_at(const head_block *block, size_t slice, size_t row)
{
    return (loss_slice){
        .values = slice_values(block, slice, row),
        .index = slice,
        .first = slice * block->section->slice_width,
        .count = slice_columns(block->section, slice),
    };
}

/* How many of its columns are outputs of the model; any after them are values of tails. */
static size_t slice_outputs(const head_section *section, const loss_slice *slice)
{
    size_t left = section->outputs > slice->first ? section->outputs - slice->first : 0;
    return left < slice->count ? left : slice->count;
}

static size_t piece_end(const head_block *block, size_t piece)
{
    size_t end = (piece + 1) * HEAD_PIECE_ROWS;
    return end < block->count ? end : block->count;
}

static size_t piece_count(const head_block *block)
{
    return (block->count + HEAD_PIECE_ROWS - 1) / HEAD_PIECE_ROWS;
}

/* Once a block, since each slice asks again. */
static void locate_rows(void *argument, size_t piece, size_t worker)
{
    (void)worker;
    const head_block *block = argument;
    for (size_t row = piece * HEAD_PIECE_ROWS; row < piece_end(block, piece); row++) {
        block->locate(block, row, &block->trainer->head.items[row]);
    }
}

static const head_row *row_at(const head_block *block, size_t row)
{
    return &block->trainer->head.items[row];
}

/* ---- outputs ---- */

static void copy_outputs(const head_block *block, const loss_slice *slice, size_t row)
{
    const head_row *at = row_at(block, row);
    size_t count = slice_outputs(block->section, slice);
    real *to = block->job->copy + at->output * block->trainer->net->output_size +
               block->section->first + slice->first;
    if (at->exists) {
        memcpy(to, slice->values, count * sizeof(real));
    } else {
        memset(to, 0, count * sizeof(real));
    }
}

/* Before the loss observes them: the values of tails are kept, and the greatest of the outputs
 * beside them is returned. */
static double keep_clusters(const head_block *block, const loss_slice *slice, size_t row)
{
    size_t outputs = slice_outputs(block->section, slice), tails = block->trainer->net->tail_count;
    real *to = block->trainer->head.adaptive.clusters + row_at(block, row)->row * tails;
    real greatest = outputs > 0 ? slice->values[0] : -(real)HUGE_VAL;
    for (size_t i = 1; i < outputs; i++) {
        greatest = slice->values[i] > greatest ? slice->values[i] : greatest;
    }
    memcpy(to + (slice->first + outputs - block->section->outputs), slice->values + outputs,
           (slice->count - outputs) * sizeof(real));
    return (double)greatest;
}

/* What the loss, and an adaptive softmax, want to know of a slice of a row. */
static void observe(const head_block *block, size_t slice, size_t row)
{
    const head_row *at = row_at(block, row);
    loss_slice x = look_at(block, slice, row);
    bool mixed = slice_outputs(block->section, &x) < x.count;
    if (block->job->copy != NULL) {
        copy_outputs(block, &x, row);
    }
    double greatest = mixed ? keep_clusters(block, &x, row) : 0;
    if (!at->observed) {
        return;
    }
    block->loss->observe(&at->item, &x);
    if (block->section->outputs < block->section->columns) {
        at->item.other[slice] = mixed ? greatest : (double)at->item.factor[slice];
    }
}

/* c [rows,slice_columns] from the rows of y. */
static void multiply_slice(const head_section *section, size_t slice, size_t rows, const real *y,
                           const real *bias, real *c)
{
    size_t K = section->inputs, first = slice * section->slice_width;
    size_t columns = slice_columns(section, slice);
    if (section->few) {
        kernels()->multiply_few(rows, columns, K, y, K, section->packed, bias, 0, c,
                                section->stride);
    } else {
        kernels()->multiply_packed_from(rows, columns, K, y, K, 1, section->packed + first * K,
                                        bias, 0, c, section->stride);
    }
}

/* Piece: some rows of one slice. */
static void make_outputs(void *argument, size_t piece, size_t worker)
{
    (void)worker;
    const head_block *block = argument;
    const head_section *section = block->section;
    const real *parameters = block->trainer->running;
    size_t pieces = piece_count(block); /* of a slice */
    size_t slice = piece / pieces, row = piece % pieces * HEAD_PIECE_ROWS, K = section->inputs;
    size_t end = piece_end(block, piece % pieces), first = slice * section->slice_width;
    const real *bias = section->bias != NETWORK_NONE ? parameters + section->bias + first : NULL;
    multiply_slice(section, slice, end - row, block->y + row * K, bias,
                   slice_values(block, slice, row));
    for (; row < end; row++) {
        observe(block, slice, row);
    }
}

/* ---- losses ---- */

static void judge_rows(void *argument, size_t piece, size_t worker)
{
    (void)worker;
    const head_block *block = argument;
    head_space *head = &block->trainer->head;
    for (size_t row = piece * HEAD_PIECE_ROWS; row < piece_end(block, piece); row++) {
        const head_row *at = row_at(block, row);
        loss_tally tally = {0, 0};
        double loss = at->observed ? block->loss->judge(&at->item, &tally) : 0;
        loss = at->weight != 0 ? at->weight * loss : 0;
        head->loss[at->row] = block->adds ? head->loss[at->row] + loss : loss;
        if (!block->adds) {
            head->tally[at->row] = tally;
        }
    }
}

/* What the softmax, or another loss, is multiplied by. */
static double amount_of(const head_block *block, const head_row *at)
{
    return at->weight * block->job->scale - at->pull;
}

static void prepare_rows(void *argument, size_t piece, size_t worker)
{
    (void)worker;
    const head_block *block = argument;
    for (size_t row = piece * HEAD_PIECE_ROWS; row < piece_end(block, piece); row++) {
        const head_row *at = row_at(block, row);
        double amount = amount_of(block, at);
        if (amount != 0) {
            block->loss->prepare(&at->item, amount);
        }
    }
}

/* ---- gradients ---- */

/* Adds the caller's gradients. */
static void add_given(const head_block *block, const loss_slice *slice, const head_row *at)
{
    const network *net = block->trainer->net;
    const head_section *section = block->section;
    size_t outputs = slice_outputs(section, slice);
    kernels()->add(
        slice->values,
        block->job->given + at->output * net->output_size + section->first + slice->first, outputs);
    if (outputs < slice->count) {
        const real *clusters =
            block->trainer->head.adaptive.cluster_gradients + at->row * net->tail_count;
        kernels()->add(slice->values + outputs,
                       clusters + (slice->first + outputs - section->outputs),
                       slice->count - outputs);
    }
}

/* The gradient of a slice of a row in place of its values. */
static void gradient_row(const head_block *block, size_t slice, size_t row)
{
    const head_row *at = row_at(block, row);
    double target = at->weight * block->job->scale, amount = amount_of(block, at);
    loss_slice x = look_at(block, slice, row);
    if (amount == 0) {
        memset(x.values, 0, x.count * sizeof(real));
    } else {
        kernels()->scale(x.values, at->item.factor[slice], x.count);
    }
    if (target != 0 && block->loss->gradient != NULL) {
        block->loss->gradient(&at->item, &x, target);
    }
    if (block->job->given != NULL && at->exists) {
        add_given(block, &x, at);
    }
}

/* So few rows at a time that they stay in the first-level cache. */
#define GRADIENT_ROWS 8

static real *bias_gradient(const head_block *block, size_t slice)
{
    const head_section *section = block->section;
    return section->bias == NETWORK_NONE
               ? NULL
               : block->trainer->gradients + section->bias + slice * section->slice_width;
}

static void slice_gradients(const head_block *block, size_t slice)
{
    real *bias = bias_gradient(block, slice);
    for (size_t row = 0, end; row < block->count; row = end) {
        end = block->count - row < GRADIENT_ROWS ? block->count : row + GRADIENT_ROWS;
        for (size_t i = row; i < end; i++) {
            gradient_row(block, slice, i);
        }
        if (bias != NULL) {
            kernels()->add_rows(bias, slice_values(block, slice, row), block->section->stride,
                                end - row, slice_columns(block->section, slice));
        }
    }
}

static multiply weight_product(const head_block *block, size_t slice)
{
    const head_section *section = block->section;
    size_t K = section->inputs, first = slice * section->slice_width;
    return (multiply){
        .M = slice_columns(section, slice),
        .N = K,
        .K = block->count,
        .a = slice_values(block, slice, 0),
        .a_row = 1,
        .a_column = section->stride,
        .b = block->y,
        .b_row = K,
        .b_column = 1,
        .c = block->trainer->gradients + section->weight + first * K,
        .c_row = K,
        .accumulate = true,
    };
}

/* To the rows below. */
static multiply down_product(const head_block *block, size_t slice, real *dy, bool accumulate)
{
    const head_section *section = block->section;
    size_t K = section->inputs, first = slice * section->slice_width;
    return (multiply){
        .M = block->count,
        .N = K,
        .K = slice_columns(section, slice),
        .a = slice_values(block, slice, 0),
        .a_row = section->stride,
        .a_column = 1,
        .b = block->trainer->parameters + section->weight + first * K,
        .b_row = K,
        .b_column = 1,
        .c = dy,
        .c_row = K,
        .accumulate = accumulate,
    };
}

static real *group_rows(const head_block *block, size_t group, size_t row)
{
    const head_section *section = block->section;
    return block->trainer->head.partial + (group * section->rows + row) * section->inputs;
}

static void group_gradients(void *argument, size_t group, size_t worker)
{
    const head_block *block = argument;
    const lrnn_trainer *trainer = block->trainer;
    const head_section *section = block->section;
    real *workspace = trainer->workspace + worker * multiply_workspace();
    size_t first = group * section->slices / section->groups;
    size_t end = (group + 1) * section->slices / section->groups;
    for (size_t slice = first; slice < end; slice++) {
        slice_gradients(block, slice);
        multiply weight = weight_product(block, slice);
        multiply down = down_product(block, slice, group_rows(block, group, 0), slice > first);
        kernels()->multiply_packed(weight.M, weight.N, weight.K, weight.a, weight.a_row,
                                   weight.a_column, trainer->head.packed_y, weight.c, weight.c_row);
        multiply_run(&down, 1, workspace);
    }
}

static void sum_groups(void *argument, size_t piece, size_t worker)
{
    (void)worker;
    const head_block *block = argument;
    size_t row = piece * HEAD_PIECE_ROWS, K = block->section->inputs;
    size_t rows = piece_end(block, piece) - row;
    real *dy = block->dy + row * K;
    memcpy(dy, group_rows(block, 0, row), rows * K * sizeof(real));
    for (size_t group = 1; group < block->section->groups; group++) {
        kernels()->add(dy, group_rows(block, group, row), rows * K);
    }
}

/* Of the only slice. */
static void gradient_rows(void *argument, size_t piece, size_t worker)
{
    (void)worker;
    const head_block *block = argument;
    for (size_t row = piece * HEAD_PIECE_ROWS; row < piece_end(block, piece); row++) {
        gradient_row(block, 0, row);
    }
}

static void whole_gradients(head_block *block)
{
    lrnn_trainer *trainer = block->trainer;
    real *bias = bias_gradient(block, 0);
    pool_run(trainer->pool, gradient_rows, block, piece_count(block));
    if (bias != NULL) {
        kernels()->add_rows(bias, slice_values(block, 0, 0), block->section->stride, block->count,
                            slice_columns(block->section, 0));
    }
    multiply weight = weight_product(block, 0), down = down_product(block, 0, block->dy, false);
    multiply_parallel(trainer->pool, &weight, 1, trainer->workspace);
    multiply_parallel(trainer->pool, &down, 1, trainer->workspace);
}

/* ---- a block ---- */

void head_block_forward(const head_block *given)
{
    head_block block = *given;
    pool *threads = block.trainer->pool;
    pool_run(threads, locate_rows, &block, piece_count(&block));
    if (block.makes_outputs) {
        pool_run(threads, make_outputs, &block, piece_count(&block) * block.section->slices);
    }
    if (block.judges) {
        pool_run(threads, judge_rows, &block, piece_count(&block));
    }
}

void head_block_backward(const head_block *given)
{
    head_block block = *given;
    lrnn_trainer *trainer = block.trainer;
    const head_section *section = block.section;
    if (block.loss != NULL) {
        pool_run(trainer->pool, prepare_rows, &block, piece_count(&block));
    }
    if (section->slices == 1) {
        whole_gradients(&block);
        return;
    }
    kernel_pack(kernels(), trainer->head.packed_y, block.y, section->inputs, 1, block.count,
                section->inputs);
    pool_run(trainer->pool, group_gradients, &block, section->groups);
    pool_run(trainer->pool, sum_groups, &block, piece_count(&block));
}
