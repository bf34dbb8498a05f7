/* The linear head and the losses, a few rows at a time: logits are made, judged and turned into
 * their gradient while they are in cache, and never kept for the whole window.
 *
 * Softmax cross-entropy with label smoothing e over V classes (torch.nn.CrossEntropyLoss):
 *   loss = -(1-e) log p[target] - e/V sum_v log p[v],  dloss/dlogit = p - (1-e) [target] - e/V
 * Squared error (torch.nn.MSELoss): loss = sum_o (y-t)^2 / O,  dloss/dy = 2 (y-t) / O. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "trainer.h"

/* ---- which rows there are ---- */

static size_t head_row_count(const lrnn_trainer *trainer)
{
    const lrnn_sequences *s = &trainer->sequences;
    return network_answers_every_step(trainer->net) ? s->batch * s->steps : s->batch;
}

/* The caller's index of row i (time-major inside): [B,T] or [B]. */
static size_t row_item(const lrnn_trainer *trainer, size_t i)
{
    const lrnn_sequences *s = &trainer->sequences;
    if (!network_answers_every_step(trainer->net)) {
        return i;
    }
    return i % s->batch * s->steps + i / s->batch;
}

static bool row_exists(const lrnn_trainer *trainer, size_t i)
{
    const lrnn_sequences *s = &trainer->sequences;
    return !network_answers_every_step(trainer->net) || row_active(s, i % s->batch, i / s->batch);
}

/* Weight of an item in the loss; 0 where it does not count. */
static double item_weight(const lrnn_trainer *trainer, size_t i)
{
    const lrnn_sequences *s = &trainer->sequences;
    size_t item = row_item(trainer, i);
    if (!row_exists(trainer, i)) {
        return 0;
    }
    if (trainer->options.loss == LRNN_LOSS_CROSS_ENTROPY && s->targets[item] < 0) {
        return 0;
    }
    return s->weights == NULL ? 1 : (double)s->weights[item];
}

static lrnn_status check_item(const lrnn_trainer *trainer, const lrnn_sequences *s, size_t item)
{
    if (s->weights != NULL && !(s->weights[item] >= 0 && isfinite(s->weights[item]))) {
        return error_set(LRNN_ERR_INVALID,
                         "weights[%zu]: expected a finite number of at least 0, "
                         "found %g",
                         item, (double)s->weights[item]);
    }
    if (trainer->options.loss == LRNN_LOSS_CROSS_ENTROPY &&
        (s->targets[item] >= 0 && (size_t)s->targets[item] >= trainer->net->output_size)) {
        return error_set(LRNN_ERR_INVALID, "targets[%zu]: expected below %zu, found %d", item,
                         trainer->net->output_size, (int)s->targets[item]);
    }
    return LRNN_OK;
}

lrnn_status head_check_targets(double *weight, const lrnn_trainer *trainer, const lrnn_sequences *s)
{
    bool every_step = network_answers_every_step(trainer->net);
    size_t steps = every_step ? s->steps : 1;
    *weight = 0;
    for (size_t b = 0; b < s->batch; b++) {
        for (size_t t = 0; t < steps; t++) {
            if (every_step && !row_active(s, b, t)) {
                continue;
            }
            size_t item = b * steps + t;
            lrnn_status status = check_item(trainer, s, item);
            if (status != LRNN_OK) {
                return status;
            }
            if (trainer->options.loss != LRNN_LOSS_CROSS_ENTROPY || s->targets[item] >= 0) {
                *weight += s->weights == NULL ? 1 : (double)s->weights[item];
            }
        }
    }
    return LRNN_OK;
}

/* ---- the losses of one row ---- */

/* Returns the row's loss and, when factor is not 0, turns logits into factor times its gradient. */
static double cross_entropy_row(const lrnn_trainer *trainer, real *logits, int32_t target,
                                double factor)
{
    const kernel_table *table = kernels();
    size_t V = trainer->net->output_size;
    double smoothing = trainer->options.label_smoothing, total;
    real maximum;
    table->max_sum_exp(logits, V, &maximum, &total);
    double log_sum = (double)maximum + log(total);
    double loss = (1 - smoothing) * (log_sum - (double)logits[target]);
    if (smoothing > 0) {
        double sum = 0;
        for (size_t v = 0; v < V; v++) {
            sum += log_sum - (double)logits[v];
        }
        loss += smoothing / (double)V * sum;
    }
    if (factor != 0) {
        table->exp_shifted(logits, V, (real)log_sum, (real)factor);
        if (smoothing > 0) {
            for (size_t v = 0; v < V; v++) {
                logits[v] -= (real)(factor * smoothing / (double)V);
            }
        }
        logits[target] -= (real)(factor * (1 - smoothing));
    }
    return loss;
}

static double squared_error_row(const lrnn_trainer *trainer, real *y, const real *target,
                                double factor)
{
    size_t O = trainer->net->output_size;
    double loss = 0;
    for (size_t o = 0; o < O; o++) {
        double difference = (double)y[o] - (double)target[o];
        loss += difference * difference / (double)O;
        y[o] = (real)(factor * 2 * difference / (double)O);
    }
    return loss;
}

/* ---- a block of rows ---- */

typedef struct block_job {
    lrnn_trainer *trainer;
    head_job *head;
    size_t first;
} block_job;

static void judge_row(void *argument, size_t piece, size_t worker)
{
    (void)worker;
    const block_job *block = argument;
    lrnn_trainer *trainer = block->trainer;
    const head_job *job = block->head;
    const lrnn_sequences *s = &trainer->sequences;
    size_t i = block->first + piece, O = trainer->net->output_size;
    size_t item = row_item(trainer, i);
    real *logits = trainer->logits + piece * O;
    if (job->copy != NULL) {
        if (row_exists(trainer, i)) {
            memcpy(job->copy + item * O, logits, O * sizeof(real));
        } else {
            memset(job->copy + item * O, 0, O * sizeof(real));
        }
    }
    double weight = job->want_loss ? item_weight(trainer, i) : 0;
    trainer->row_loss[i] = 0;
    if (weight == 0) {
        memset(logits, 0, O * sizeof(real));
    } else if (trainer->options.loss == LRNN_LOSS_CROSS_ENTROPY) {
        trainer->row_loss[i] =
            weight * cross_entropy_row(trainer, logits, s->targets[item], weight * job->scale);
    } else {
        trainer->row_loss[i] =
            weight *
            squared_error_row(trainer, logits, s->target_values + item * O, weight * job->scale);
    }
    if (job->given != NULL) {
        if (weight == 0 || job->scale == 0) {
            memset(logits, 0, O * sizeof(real));
        }
        if (row_exists(trainer, i)) {
            kernels()->add(logits, job->given + item * O, O);
        }
    }
}

/* logits = bias + y W^T for a block of rows. */
static void block_logits(lrnn_trainer *trainer, const real *y, size_t rows)
{
    const network *net = trainer->net;
    size_t O = net->output_size, top = net->top_size;
    for (size_t i = 0; i < rows; i++) {
        memcpy(trainer->logits + i * O, trainer->parameters + net->head_bias, O * sizeof(real));
    }
    multiply product = {
        rows, O,   top, y, top, 1, trainer->parameters + net->head_weight, 1, top, trainer->logits,
        O,    true};
    multiply_parallel(trainer->pool, &product, trainer->workspace);
}

/* logits hold their gradient now: to the head's weights and to the rows below. */
static void block_gradients(lrnn_trainer *trainer, const real *y, real *dy, size_t rows)
{
    const network *net = trainer->net;
    size_t O = net->output_size, top = net->top_size;
    multiply weight = {
        O,   top, rows, trainer->logits, 1, O, y, top, 1, trainer->gradients + net->head_weight,
        top, true};
    multiply_parallel(trainer->pool, &weight, trainer->workspace);
    multiply down = {
        rows, top, O,    trainer->logits, O, 1, trainer->parameters + net->head_weight, top, 1,
        dy,   top, false};
    multiply_parallel(trainer->pool, &down, trainer->workspace);
    for (size_t i = 0; i < rows; i++) {
        kernels()->add(trainer->gradients + net->head_bias, trainer->logits + i * O, O);
    }
}

/* ---- what the head reads and where its gradient goes ---- */

static const real *top_outputs(const lrnn_trainer *trainer)
{
    size_t layers = trainer->net->options.layers;
    return layers > 0 ? trainer->outputs[layers - 1] : trainer->x;
}

/* The final h of a direction of the top layer, row b. */
static const real *final_h(const lrnn_trainer *trainer, size_t direction, size_t b)
{
    const network *net = trainer->net;
    size_t B = trainer->sequences.batch, H = net->options.hidden_size;
    const layer_run *run = &trainer->runs[(net->options.layers - 1) * net->directions + direction];
    return run->h + (direction == 1 ? 0 : trainer->sequences.steps * B * H) + b * H;
}

static const real *head_rows(lrnn_trainer *trainer)
{
    const network *net = trainer->net;
    const lrnn_sequences *s = &trainer->sequences;
    size_t top = net->top_size, H = net->options.hidden_size;
    if (network_answers_every_step(net)) {
        return top_outputs(trainer);
    }
    for (size_t b = 0; b < s->batch; b++) {
        real *row = trainer->top + b * top;
        if (net->options.head == LRNN_HEAD_LAST) {
            size_t t = sequence_length(s, b) - 1;
            memcpy(row, top_outputs(trainer) + (t * s->batch + b) * top, top * sizeof(real));
        } else {
            for (size_t d = 0; d < net->directions; d++) {
                memcpy(row + d * H, final_h(trainer, d, b), H * sizeof(real));
            }
        }
    }
    return trainer->top;
}

/* Spreads the gradient of a once-a-sequence head over the steps. */
static void spread_gradient(lrnn_trainer *trainer)
{
    const network *net = trainer->net;
    const lrnn_sequences *s = &trainer->sequences;
    size_t top = net->top_size, H = net->options.hidden_size;
    memset(trainer->dy[0], 0, s->batch * s->steps * top * sizeof(real));
    for (size_t b = 0; b < s->batch; b++) {
        const real *row = trainer->dtop + b * top;
        if (net->options.head == LRNN_HEAD_LAST) {
            size_t t = sequence_length(s, b) - 1;
            memcpy(trainer->dy[0] + (t * s->batch + b) * top, row, top * sizeof(real));
        } else {
            for (size_t d = 0; d < net->directions; d++) {
                layer_run *run = &trainer->runs[(net->options.layers - 1) * net->directions + d];
                kernels()->add(run->dh + b * H, row + d * H, H);
            }
        }
    }
}

/* Without a head the outputs are the top layer's rows. */
static void run_without_head(lrnn_trainer *trainer, const head_job *job)
{
    const real *y = top_outputs(trainer);
    size_t top = trainer->net->top_size, rows = head_row_count(trainer);
    for (size_t i = 0; i < rows; i++) {
        size_t item = row_item(trainer, i);
        if (job->copy != NULL) {
            memcpy(job->copy + item * top, y + i * top, top * sizeof(real));
        }
        if (job->want_gradient) {
            real *dy = trainer->dy[0] + i * top;
            if (job->given != NULL && row_exists(trainer, i)) {
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
    job->loss = 0;
    if (net->options.head == LRNN_HEAD_NONE) {
        run_without_head(trainer, job);
        return;
    }
    const real *y = head_rows(trainer);
    size_t rows = head_row_count(trainer), top = net->top_size;
    real *dy = network_answers_every_step(net) ? trainer->dy[0] : trainer->dtop;
    for (size_t first = 0; first < rows; first += HEAD_ROWS) {
        size_t count = rows - first < HEAD_ROWS ? rows - first : HEAD_ROWS;
        block_job block = {trainer, job, first};
        block_logits(trainer, y + first * top, count);
        pool_run(trainer->pool, judge_row, &block, count);
        if (job->want_gradient) {
            block_gradients(trainer, y + first * top, dy + first * top, count);
        }
    }
    for (size_t i = 0; i < rows; i++) {
        job->loss += trainer->row_loss[i];
    }
    if (job->want_gradient && !network_answers_every_step(net)) {
        spread_gradient(trainer);
    }
}
