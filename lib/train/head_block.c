/* The linear head and the losses of a block of rows, in slices of the vocabulary that stay in
 * cache:
 *   1. the outputs of a slice; for cross-entropy each row of it becomes exp(x - m), m its greatest
 *      value, and the sum of that is kept;
 *   2. each row's loss, and for every slice the factor that makes probabilities of its values;
 *   3. the gradient in place of the values, and the two gradient products right behind.
 * Slices, and the order in which anything is summed, do not depend on threads.
 *
 * Softmax cross-entropy with label smoothing e over V classes (torch.nn.CrossEntropyLoss):
 *   loss = -(1-e) log p[target] - e/V sum_v log p[v],  dloss/dlogit = p - (1-e) [target] - e/V
 * Squared error (torch.nn.MSELoss): loss = sum_o (y-t)^2 / O,  dloss/dy = 2 (y-t) / O. */
#include <math.h>
#include <string.h>

#include "head.h"

/* Up to so many outputs are one slice, and threads share the rows instead. */
#define WHOLE_OUTPUTS 1024
#define SLICE_WIDTH   512
#define SLICE_GROUPS  8

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
    head_run_space *head = &trainer->head;
    size_t O = net->output_size, B = trainer->options.batch, most = BLOCK_VALUES / O;
    size_t rows = network_answers_every_step(net) ? B * trainer->segment_steps : B;
    most = most < BLOCK_ROWS ? BLOCK_ROWS : most;
    size_t blocks = (rows + most - 1) / most;
    head->rows = (rows + blocks - 1) / blocks;
    head->width = O <= WHOLE_OUTPUTS ? (O + 63) / 64 * 64 : SLICE_WIDTH;
    head->slices = (O + head->width - 1) / head->width;
    head->groups = head->slices < SLICE_GROUPS ? head->slices : SLICE_GROUPS;
    head->packed = arena_take(from, kernel_packed_size(kernels(), net->top_size, O), sizeof(real));
    head->stride = head->width + SLICE_PADDING;
    head->values = arena_take(from, head->slices * head->rows, head->stride * sizeof(real));
    head->maxima = arena_take(from, head->rows, head->slices * sizeof(real));
    head->sums = arena_take(from, head->rows, head->slices * sizeof(double));
    head->all = arena_take(from, head->rows, head->slices * sizeof(double));
    head->target = arena_take(from, head->rows, sizeof(real));
    if (head->slices > 1) {
        head->packed_y = arena_take(from, kernel_packed_size(kernels(), head->rows, net->top_size),
                                    sizeof(real));
        head->partial = arena_take(from, head->groups * head->rows, net->top_size * sizeof(real));
    }
    head->loss = arena_take(from, rows, sizeof(double));
}

typedef struct block_job {
    lrnn_trainer *trainer;
    const head_job *head;
    size_t first, count;
    const real *y;
    real *dy;
} block_job;

/* A slice of a row: columns first .. first+count-1 of the outputs. */
typedef struct slice_row {
    real *values;
    size_t first, count;
    size_t item; /* of the row */
    size_t at;   /* among the rows' sums */
} slice_row;

static size_t slice_columns(const lrnn_trainer *trainer, size_t slice)
{
    size_t left = trainer->net->output_size - slice * trainer->head.width;
    return left < trainer->head.width ? left : trainer->head.width;
}

static real *slice_values(const lrnn_trainer *trainer, size_t slice, size_t row)
{
    const head_run_space *head = &trainer->head;
    return head->values + (slice * head->rows + row) * head->stride;
}

static slice_row look_at(const block_job *block, size_t slice, size_t row)
{
    const lrnn_trainer *trainer = block->trainer;
    return (slice_row){
        .values = slice_values(trainer, slice, row),
        .first = slice * trainer->head.width,
        .count = slice_columns(trainer, slice),
        .item = head_row_item(trainer, block->first + row),
        .at = row * trainer->head.slices + slice,
    };
}

/* The target's place in a slice of a row, or NULL: it is in another. */
static real *target_value(const lrnn_trainer *trainer, const slice_row *x)
{
    size_t target = (size_t)trainer->sequences.targets[x->item];
    return target - x->first < x->count ? x->values + (target - x->first) : NULL;
}

static double row_weight(const block_job *block, size_t row)
{
    return block->head->want_loss ? head_row_weight(block->trainer, block->first + row) : 0;
}

/* ---- outputs ---- */

static void pack_slice(void *argument, size_t slice, size_t worker)
{
    (void)worker;
    const lrnn_trainer *trainer = argument;
    size_t top = trainer->net->top_size, first = slice * trainer->head.width;
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

static void copy_outputs(const block_job *block, const slice_row *x, size_t row)
{
    real *to = block->head->copy + x->item * block->trainer->net->output_size + x->first;
    if (head_row_exists(block->trainer, block->first + row)) {
        memcpy(to, x->values, x->count * sizeof(real));
    } else {
        memset(to, 0, x->count * sizeof(real));
    }
}

static void exponentials(lrnn_trainer *trainer, const slice_row *x, size_t row)
{
    head_run_space *head = &trainer->head;
    const real *target = target_value(trainer, x);
    if (target != NULL) {
        head->target[row] = *target;
    }
    if (trainer->options.label_smoothing > 0) {
        double sum = 0;
        for (size_t v = 0; v < x->count; v++) {
            sum += (double)x->values[v];
        }
        head->all[x->at] = sum;
    }
    kernels()->exp_below_max(x->values, x->count, &head->maxima[x->at], &head->sums[x->at]);
}

static void differences(lrnn_trainer *trainer, const slice_row *x)
{
    const real *target =
        trainer->sequences.target_values + x->item * trainer->net->output_size + x->first;
    double sum = 0;
    for (size_t o = 0; o < x->count; o++) {
        double difference = (double)x->values[o] - (double)target[o];
        sum += difference * difference;
        x->values[o] = (real)difference;
    }
    trainer->head.sums[x->at] = sum;
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
    size_t first = slice * trainer->head.width;
    kernels()->multiply_packed_from(rows, slice_columns(trainer, slice), top, block->y + row * top,
                                    top, 1, trainer->head.packed + first * top,
                                    trainer->parameters + net->head_bias + first, 0,
                                    slice_values(trainer, slice, row), trainer->head.stride);
    for (size_t end = row + rows; row < end; row++) {
        slice_row x = look_at(block, slice, row);
        if (block->head->copy != NULL) {
            copy_outputs(block, &x, row);
        }
        if (row_weight(block, row) == 0) {
            continue;
        }
        if (trainer->options.loss == LRNN_LOSS_CROSS_ENTROPY) {
            exponentials(trainer, &x, row);
        } else {
            differences(trainer, &x);
        }
    }
}

/* ---- losses ---- */

/* Returns the row's loss; its maxima become what makes probabilities of its values, times `amount`.
 */
static double cross_entropy(lrnn_trainer *trainer, size_t row, double amount)
{
    const head_run_space *head = &trainer->head;
    const double *sums = head->sums + row * head->slices, *all = head->all + row * head->slices;
    real *factor = head->maxima + row * head->slices, greatest = factor[0];
    double smoothing = trainer->options.label_smoothing, total = 0, logits = 0;
    for (size_t i = 1; i < head->slices; i++) {
        greatest = factor[i] > greatest ? factor[i] : greatest;
    }
    for (size_t i = 0; i < head->slices; i++) {
        factor[i] -= greatest;
    }
    kernels()->exp(factor, factor, head->slices);
    for (size_t i = 0; i < head->slices; i++) {
        total += sums[i] * (double)factor[i];
        logits += all[i];
    }
    for (size_t i = 0; i < head->slices; i++) {
        factor[i] = (real)((double)factor[i] * (amount / total));
    }
    double log_sum = (double)greatest + log(total);
    double loss = (1 - smoothing) * (log_sum - (double)head->target[row]);
    return smoothing == 0
               ? loss
               : loss + smoothing * (log_sum - logits / (double)trainer->net->output_size);
}

static double squared_error(lrnn_trainer *trainer, size_t row, double amount)
{
    const head_run_space *head = &trainer->head;
    double O = (double)trainer->net->output_size, loss = 0;
    for (size_t i = row * head->slices; i < (row + 1) * head->slices; i++) {
        loss += head->sums[i] / O;
        head->maxima[i] = (real)(amount * 2 / O);
    }
    return loss;
}

static void judge_rows(void *argument, size_t piece, size_t worker)
{
    (void)worker;
    const block_job *block = argument;
    lrnn_trainer *trainer = block->trainer;
    size_t end = (piece + 1) * PIECE_ROWS < block->count ? (piece + 1) * PIECE_ROWS : block->count;
    for (size_t row = piece * PIECE_ROWS; row < end; row++) {
        double weight = row_weight(block, row), loss = 0;
        if (weight != 0) {
            double amount = weight * block->head->scale;
            loss = weight * (trainer->options.loss == LRNN_LOSS_CROSS_ENTROPY
                                 ? cross_entropy(trainer, row, amount)
                                 : squared_error(trainer, row, amount));
        }
        trainer->head.loss[block->first + row] = loss;
    }
}

/* ---- gradients ---- */

/* The gradient of a slice of a row in place of its values. */
static void gradient_row(const block_job *block, size_t slice, size_t row)
{
    const lrnn_trainer *trainer = block->trainer;
    const head_job *job = block->head;
    double smoothing = trainer->options.label_smoothing, O = (double)trainer->net->output_size;
    double amount = row_weight(block, row) * job->scale;
    slice_row x = look_at(block, slice, row);
    if (amount == 0) {
        memset(x.values, 0, x.count * sizeof(real));
    } else {
        kernels()->scale(x.values, trainer->head.maxima[x.at], x.count);
    }
    if (amount != 0 && trainer->options.loss == LRNN_LOSS_CROSS_ENTROPY) {
        real *target = target_value(trainer, &x);
        for (size_t v = 0; smoothing > 0 && v < x.count; v++) {
            x.values[v] -= (real)(amount * smoothing / O);
        }
        if (target != NULL) {
            *target -= (real)(amount * (1 - smoothing));
        }
    }
    if (job->given != NULL && head_row_exists(trainer, block->first + row)) {
        kernels()->add(x.values, job->given + x.item * trainer->net->output_size + x.first,
                       x.count);
    }
}

/* So few rows at a time that they stay in the first-level cache. */
#define GRADIENT_ROWS 8

static void slice_gradients(const block_job *block, size_t slice)
{
    const lrnn_trainer *trainer = block->trainer;
    real *bias = trainer->gradients + trainer->net->head_bias + slice * trainer->head.width;
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
    size_t top = trainer->net->top_size, first = slice * trainer->head.width;
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
    size_t top = trainer->net->top_size, first = slice * trainer->head.width;
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
    const head_run_space *head = &trainer->head;
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
    pool_run(trainer->pool, make_outputs, &block, pieces * trainer->head.slices);
    pool_run(trainer->pool, judge_rows, &block, pieces);
    if (!job->want_gradient) {
        return;
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
