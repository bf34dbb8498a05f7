/* The linear head and the row losses of a block of rows, in slices of the vocabulary that stay in
 * cache:
 *   1. the outputs of a slice, each row of which the loss observes;
 *   2. each row's loss, from what was kept of its slices;
 *   3. the gradient in place of the values, and then at once the two products with it.
 * What a slice needs of a row is in the table of losses (loss.h). Slices, and the order in which
 * anything is summed, do not depend on threads. */
#include <string.h>

#include "head.h"

/* Up to so many outputs are one slice, and threads share the rows instead. */
#define WHOLE_OUTPUTS 1024
#define SLICE_WIDTH   512
#define SLICE_GROUPS  8

_Static_assert(SLICE_WIDTH % KERNEL_PANELS == 0, "slices are whole panels");

/* Rows of a slice lie an odd number of cache lines apart, so that its columns, which the product
 * with its transpose reads, do not meet in the same few places of the cache. */
#define SLICE_PADDING 16

/* A block has about so many outputs (16 MB), but also rows enough to be worth reading the weights
 * for. */
#define BLOCK_VALUES ((size_t)1 << 22)
#define BLOCK_ROWS   256

/* Rows that a thread takes at once. */
#define PIECE_ROWS 96

void head_lay_out(lrnn_trainer *trainer, arena *from)
{
    const network *net = trainer->net;
    head_space *head = &trainer->head;
    size_t O = net->output_size, B = trainer->options.batch, most = BLOCK_VALUES / O;
    size_t rows = network_answers_every_step(net) ? B * trainer->segment_steps : B;
    most = most < BLOCK_ROWS ? BLOCK_ROWS : most;
    size_t blocks = (rows + most - 1) / most;
    head->rows = (rows + blocks - 1) / blocks;
    head->slice_width =
        O <= WHOLE_OUTPUTS ? (O + KERNEL_PANELS - 1) / KERNEL_PANELS * KERNEL_PANELS : SLICE_WIDTH;
    head->slices = (O + head->slice_width - 1) / head->slice_width;
    head->groups = head->slices < SLICE_GROUPS ? head->slices : SLICE_GROUPS;
    head->packed = arena_take(from, kernel_packed_size(kernels(), net->top_size, O), sizeof(real));
    head->stride = head->slice_width + SLICE_PADDING;
    head->values = arena_take(from, head->slices * head->rows, head->stride * sizeof(real));
    head->items = arena_take(from, head->rows, sizeof *head->items);
    head->factor = arena_take(from, head->rows, head->slices * sizeof(real));
    head->sum = arena_take(from, head->rows, head->slices * sizeof(double));
    head->other = arena_take(from, head->rows, head->slices * sizeof(double));
    head->kept = arena_take(from, head->rows, LOSS_KEPT * sizeof(double));
    if (head->slices > 1) {
        head->packed_y = arena_take(from, kernel_packed_size(kernels(), head->rows, net->top_size),
                                    sizeof(real));
        head->partial = arena_take(from, head->groups * head->rows, net->top_size * sizeof(real));
    }
    head->loss = arena_take(from, rows, sizeof(double));
    head->tally = arena_take(from, rows, sizeof(loss_tally));
    if (trainer->loss != NULL && trainer->loss->sequence != NULL) {
        size_t values, T = trainer->options.steps;
        if (!size_multiply(&values, O, T) ||
            !trainer->loss->sequence->scratch(&head->scratch_bytes, T,
                                              trainer->options.target_steps)) {
            from->overflow = true;
            return;
        }
        head->window = arena_take(from, B, values * sizeof(real));
        head->scratch_bytes =
            (head->scratch_bytes + MEMORY_ALIGNMENT - 1) & ~(size_t)(MEMORY_ALIGNMENT - 1);
        head->scratch = arena_take(from, trainer->options.threads, head->scratch_bytes);
    }
}

typedef struct block_job {
    lrnn_trainer *trainer;
    const head_job *head;
    size_t first, count;
    const real *y;
    real *dy;
} block_job;

static size_t slice_columns(const lrnn_trainer *trainer, size_t slice)
{
    size_t left = trainer->net->output_size - slice * trainer->head.slice_width;
    return left < trainer->head.slice_width ? left : trainer->head.slice_width;
}

static real *slice_values(const lrnn_trainer *trainer, size_t slice, size_t row)
{
    const head_space *head = &trainer->head;
    return head->values + (slice * head->rows + row) * head->stride;
}

static loss_slice look_at(const block_job *block, size_t slice, size_t row)
{
    const lrnn_trainer *trainer = block->trainer;
    return (loss_slice){
        .values = slice_values(trainer, slice, row),
        .index = slice,
        .first = slice * trainer->head.slice_width,
        .count = slice_columns(trainer, slice),
    };
}

/* Once a block, since each slice asks again. */
static void locate_rows(void *argument, size_t piece, size_t worker)
{
    (void)worker;
    const block_job *block = argument;
    const lrnn_trainer *trainer = block->trainer;
    size_t end = (piece + 1) * PIECE_ROWS < block->count ? (piece + 1) * PIECE_ROWS : block->count;
    for (size_t row = piece * PIECE_ROWS; row < end; row++) {
        head_row *at = &trainer->head.items[row];
        at->item = head_item(trainer, block->first + row, row);
        at->exists = head_row_exists(trainer, block->first + row);
        at->weight =
            block->head->want_loss && at->exists ? head_item_weight(trainer, &at->item) : 0;
    }
}

static const head_row *row_at(const block_job *block, size_t row)
{
    return &block->trainer->head.items[row];
}

/* ---- outputs ---- */

static void pack_slice(void *argument, size_t slice, size_t worker)
{
    (void)worker;
    const lrnn_trainer *trainer = argument;
    size_t top = trainer->net->top_size, first = slice * trainer->head.slice_width;
    kernel_pack(kernels(), trainer->head.packed + first * top,
                trainer->parameters + trainer->net->head_weight + first * top, 1, top, top,
                slice_columns(trainer, slice));
}

void head_pack(lrnn_trainer *trainer)
{
    if (trainer->net->options.head != LRNN_HEAD_NONE) {
        pool_run(trainer->pool, pack_slice, trainer, trainer->head.slices);
    }
}

static void copy_outputs(const block_job *block, const loss_slice *slice, size_t row)
{
    const head_row *at = row_at(block, row);
    real *to = block->head->copy + at->item.index * at->item.outputs + slice->first;
    if (at->exists) {
        memcpy(to, slice->values, slice->count * sizeof(real));
    } else {
        memset(to, 0, slice->count * sizeof(real));
    }
}

/* Piece: some rows of one slice. */
static void make_outputs(void *argument, size_t piece, size_t worker)
{
    (void)worker;
    const block_job *block = argument;
    lrnn_trainer *trainer = block->trainer;
    const network *net = trainer->net;
    size_t pieces = (block->count + PIECE_ROWS - 1) / PIECE_ROWS; /* of a slice */
    size_t slice = piece / pieces, row = piece % pieces * PIECE_ROWS, top = net->top_size;
    size_t rows = block->count - row < PIECE_ROWS ? block->count - row : PIECE_ROWS;
    size_t first = slice * trainer->head.slice_width;
    kernels()->multiply_packed_from(rows, slice_columns(trainer, slice), top, block->y + row * top,
                                    top, 1, trainer->head.packed + first * top,
                                    trainer->parameters + net->head_bias + first, 0,
                                    slice_values(trainer, slice, row), trainer->head.stride);
    for (size_t end = row + rows; row < end; row++) {
        loss_slice x = look_at(block, slice, row);
        if (block->head->copy != NULL) {
            copy_outputs(block, &x, row);
        }
        if (row_at(block, row)->weight != 0) {
            trainer->loss->row->observe(&row_at(block, row)->item, &x);
        }
    }
}

/* ---- losses ---- */

static void judge_rows(void *argument, size_t piece, size_t worker)
{
    (void)worker;
    const block_job *block = argument;
    lrnn_trainer *trainer = block->trainer;
    size_t end = (piece + 1) * PIECE_ROWS < block->count ? (piece + 1) * PIECE_ROWS : block->count;
    for (size_t row = piece * PIECE_ROWS; row < end; row++) {
        const head_row *at = row_at(block, row);
        loss_tally tally = {0, 0};
        trainer->head.loss[block->first + row] =
            at->weight != 0 ? at->weight * trainer->loss->row->judge(&at->item, &tally) : 0;
        trainer->head.tally[block->first + row] = tally;
    }
}

static void prepare_rows(void *argument, size_t piece, size_t worker)
{
    (void)worker;
    const block_job *block = argument;
    size_t end = (piece + 1) * PIECE_ROWS < block->count ? (piece + 1) * PIECE_ROWS : block->count;
    for (size_t row = piece * PIECE_ROWS; row < end; row++) {
        const head_row *at = row_at(block, row);
        double amount = at->weight * block->head->scale;
        if (amount != 0) {
            block->trainer->loss->row->prepare(&at->item, amount);
        }
    }
}

/* ---- gradients ---- */

/* The gradient of a slice of a row in place of its values. */
static void gradient_row(const block_job *block, size_t slice, size_t row)
{
    const lrnn_trainer *trainer = block->trainer;
    const head_job *job = block->head;
    const head_row *at = row_at(block, row);
    double amount = at->weight * job->scale;
    loss_slice x = look_at(block, slice, row);
    if (amount == 0) {
        memset(x.values, 0, x.count * sizeof(real));
    } else {
        kernels()->scale(x.values, at->item.factor[slice], x.count);
        if (trainer->loss->row->gradient != NULL) {
            trainer->loss->row->gradient(&at->item, &x, amount);
        }
    }
    if (job->given != NULL && at->exists) {
        kernels()->add(x.values, job->given + at->item.index * at->item.outputs + x.first, x.count);
    }
}

/* So few rows at a time that they stay in the first-level cache. */
#define GRADIENT_ROWS 8

static void slice_gradients(const block_job *block, size_t slice)
{
    const lrnn_trainer *trainer = block->trainer;
    real *bias = trainer->gradients + trainer->net->head_bias + slice * trainer->head.slice_width;
    for (size_t row = 0, end; row < block->count; row = end) {
        end = block->count - row < GRADIENT_ROWS ? block->count : row + GRADIENT_ROWS;
        for (size_t i = row; i < end; i++) {
            gradient_row(block, slice, i);
        }
        kernels()->add_rows(bias, slice_values(trainer, slice, row), trainer->head.stride,
                            end - row, slice_columns(trainer, slice));
    }
}

static multiply weight_product(const block_job *block, size_t slice)
{
    const lrnn_trainer *trainer = block->trainer;
    size_t top = trainer->net->top_size, first = slice * trainer->head.slice_width;
    return (multiply){
        .M = slice_columns(trainer, slice),
        .N = top,
        .K = block->count,
        .a = slice_values(trainer, slice, 0),
        .a_row = 1,
        .a_column = trainer->head.stride,
        .b = block->y,
        .b_row = top,
        .b_column = 1,
        .c = trainer->gradients + trainer->net->head_weight + first * top,
        .c_row = top,
        .accumulate = true,
    };
}

/* To the rows below. */
static multiply down_product(const block_job *block, size_t slice, real *dy, bool accumulate)
{
    const lrnn_trainer *trainer = block->trainer;
    size_t top = trainer->net->top_size, first = slice * trainer->head.slice_width;
    return (multiply){
        .M = block->count,
        .N = top,
        .K = slice_columns(trainer, slice),
        .a = slice_values(trainer, slice, 0),
        .a_row = trainer->head.stride,
        .a_column = 1,
        .b = trainer->parameters + trainer->net->head_weight + first * top,
        .b_row = top,
        .b_column = 1,
        .c = dy,
        .c_row = top,
        .accumulate = accumulate,
    };
}

static real *group_rows(const lrnn_trainer *trainer, size_t group, size_t row)
{
    return trainer->head.partial + (group * trainer->head.rows + row) * trainer->net->top_size;
}

static void group_gradients(void *argument, size_t group, size_t worker)
{
    const block_job *block = argument;
    const lrnn_trainer *trainer = block->trainer;
    const head_space *head = &trainer->head;
    real *workspace = trainer->workspace + worker * multiply_workspace();
    size_t first = group * head->slices / head->groups;
    size_t end = (group + 1) * head->slices / head->groups;
    for (size_t slice = first; slice < end; slice++) {
        slice_gradients(block, slice);
        multiply weight = weight_product(block, slice);
        multiply down = down_product(block, slice, group_rows(trainer, group, 0), slice > first);
        kernels()->multiply_packed(weight.M, weight.N, weight.K, weight.a, weight.a_row,
                                   weight.a_column, head->packed_y, weight.c, weight.c_row);
        multiply_run(&down, 1, workspace);
    }
}

static void sum_groups(void *argument, size_t piece, size_t worker)
{
    (void)worker;
    const block_job *block = argument;
    const lrnn_trainer *trainer = block->trainer;
    size_t row = piece * PIECE_ROWS, top = trainer->net->top_size;
    size_t rows = block->count - row < PIECE_ROWS ? block->count - row : PIECE_ROWS;
    real *dy = block->dy + row * top;
    memcpy(dy, group_rows(trainer, 0, row), rows * top * sizeof(real));
    for (size_t group = 1; group < trainer->head.groups; group++) {
        kernels()->add(dy, group_rows(trainer, group, row), rows * top);
    }
}

/* Of the only slice. */
static void gradient_rows(void *argument, size_t piece, size_t worker)
{
    (void)worker;
    const block_job *block = argument;
    size_t end = (piece + 1) * PIECE_ROWS < block->count ? (piece + 1) * PIECE_ROWS : block->count;
    for (size_t row = piece * PIECE_ROWS; row < end; row++) {
        gradient_row(block, 0, row);
    }
}

static void whole_gradients(block_job *block, size_t pieces)
{
    lrnn_trainer *trainer = block->trainer;
    pool_run(trainer->pool, gradient_rows, block, pieces);
    kernels()->add_rows(trainer->gradients + trainer->net->head_bias, slice_values(trainer, 0, 0),
                        trainer->head.stride, block->count, slice_columns(trainer, 0));
    multiply weight = weight_product(block, 0), down = down_product(block, 0, block->dy, false);
    multiply_parallel(trainer->pool, &weight, 1, trainer->workspace);
    multiply_parallel(trainer->pool, &down, 1, trainer->workspace);
}

void head_block_run(lrnn_trainer *trainer, const head_job *job, size_t first, size_t count,
                    const real *y, real *dy)
{
    block_job block = {trainer, job, first, count, y, dy};
    size_t pieces = (count + PIECE_ROWS - 1) / PIECE_ROWS;
    pool_run(trainer->pool, locate_rows, &block, pieces);
    bool judged = trainer->head.judged && job->want_loss && job->want_gradient;
    if (!judged && (job->want_loss || job->copy != NULL)) {
        pool_run(trainer->pool, make_outputs, &block, pieces * trainer->head.slices);
    }
    if (!judged && job->want_loss) {
        pool_run(trainer->pool, judge_rows, &block, pieces);
    }
    if (!job->want_gradient) {
        return;
    }
    if (job->want_loss) {
        pool_run(trainer->pool, prepare_rows, &block, pieces);
    }
    if (trainer->head.slices == 1) {
        whole_gradients(&block, pieces);
    } else {
        size_t top = trainer->net->top_size;
        kernel_pack(kernels(), trainer->head.packed_y, y, top, 1, count, top);
        pool_run(trainer->pool, group_gradients, &block, trainer->head.groups);
        pool_run(trainer->pool, sum_groups, &block, pieces);
    }
}
