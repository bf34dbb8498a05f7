/* Activation regularization and temporal activation regularization (Merity, Keskar & Socher 2018,
 * section 4.6, with means for norms as in their program). With h [D*R] of the top layer, m its
 * dropout mask, means over all steps of a window, or all pairs of adjacent ones, and all values:
 *   activation_l2 * mean((m*h_t)^2) + temporal_l2 * mean((h_t - h_{t-1})^2)
 *   d/dh_t = 2 a/N m^2 h_t + 2 b/M ((h_t - h_{t-1}) - (h_{t+1} - h_t))
 * A pair never spans two windows. Threads share the rows; each row has its own sums, which are
 * added in one order. */
#include "regularize.h"

#include <string.h>

static bool is_on(const lrnn_trainer *trainer)
{
    return trainer->options.activation_l2 > 0 || trainer->options.temporal_l2 > 0;
}

void regularize_lay_out(lrnn_trainer *trainer, arena *from)
{
    const network *net = trainer->net;
    size_t B = trainer->options.batch;
    if (is_on(trainer)) {
        trainer->regular.next = arena_take(from, B, net->top_size * sizeof(real));
        trainer->regular.sums = arena_take(from, B, sizeof *trainer->regular.sums);
    }
}

void regularize_open(lrnn_trainer *trainer)
{
    const lrnn_sequences *s = &trainer->sequences;
    size_t width = trainer->net->top_size;
    regularizer *regular = &trainer->regular;
    regular->values = regular->pairs = regular->square_sum = regular->change_sum = 0;
    regular->scale = 1;
    for (size_t b = 0; is_on(trainer) && b < s->batch; b++) {
        size_t length = sequence_length(s, b);
        regular->values += (double)(length * width);
        regular->pairs += (double)((length - 1) * width);
    }
}

/* R of the top layer. */
static size_t top_h(const lrnn_trainer *trainer)
{
    return network_top_layer(trainer->net)->h_size;
}

/* h of sequence b at step t of the segment; t may be one less than the first step, unless that is
 * the first of the window. */
static const real *h_at(const lrnn_trainer *trainer, size_t direction, size_t b, size_t t)
{
    const network *net = trainer->net;
    size_t index = (net->options.layers - 1) * net->directions + direction;
    size_t place = direction == 1 ? t : t + 1;
    return trainer->spaces[index].h + (place * trainer->sequences.batch + b) * top_h(trainer);
}

/* Of that row; NULL without dropout. */
static const real *mask_at(const lrnn_trainer *trainer, size_t direction, size_t b, size_t t)
{
    const network *net = trainer->net;
    const real *mask = trainer->masks[net->options.layers - 1];
    size_t row = (t * trainer->sequences.batch + b) * net->directions + direction;
    return mask == NULL ? NULL : mask + row * top_h(trainer);
}

static bool has_before(const lrnn_trainer *trainer, size_t t)
{
    return trainer->segment.first + t > 0;
}

/* ---- values ---- */

static void observe_row(void *argument, size_t b, size_t worker)
{
    (void)worker;
    lrnn_trainer *trainer = argument;
    const network *net = trainer->net;
    regularizer_sums sums = {0, 0};
    for (size_t t = 0; t < trainer->segment.steps && segment_active(&trainer->segment, b, t); t++) {
        for (size_t d = 0; d < net->directions; d++) {
            const real *h = h_at(trainer, d, b, t), *mask = mask_at(trainer, d, b, t);
            const real *before = has_before(trainer, t) ? h_at(trainer, d, b, t - 1) : h;
            for (size_t k = 0; k < top_h(trainer); k++) {
                double value = (double)h[k] * (mask != NULL ? (double)mask[k] : 1);
                double change = (double)h[k] - (double)before[k];
                sums.square += value * value;
                sums.change += change * change;
            }
        }
    }
    trainer->regular.sums[b] = sums;
}

void regularize_observe(lrnn_trainer *trainer)
{
    size_t B = trainer->sequences.batch;
    if (!is_on(trainer) || trainer->mode != PASS_TRAIN) {
        return;
    }
    pool_run(trainer->pool, observe_row, trainer, B);
    for (size_t b = 0; b < B; b++) {
        trainer->regular.square_sum += trainer->regular.sums[b].square;
        trainer->regular.change_sum += trainer->regular.sums[b].change;
    }
}

static double mean(double sum, double count)
{
    return count > 0 ? sum / count : 0;
}

double regularize_value(const lrnn_trainer *trainer)
{
    const regularizer *regular = &trainer->regular;
    return trainer->options.activation_l2 * mean(regular->square_sum, regular->values) +
           trainer->options.temporal_l2 * mean(regular->change_sum, regular->pairs);
}

/* ---- gradients ---- */

typedef struct gradient_job {
    lrnn_trainer *trainer;
    real *dy;
    real activation, temporal; /* factors of h and of changes */
} gradient_job;

static real *next_at(const lrnn_trainer *trainer, size_t direction, size_t b)
{
    const network *net = trainer->net;
    return trainer->regular.next + (b * net->directions + direction) * top_h(trainer);
}

/* h of the step after t; NULL: the sequence ends with t. */
static const real *h_after(const lrnn_trainer *trainer, size_t direction, size_t b, size_t t)
{
    if (!segment_active(&trainer->segment, b, t + 1)) {
        return NULL;
    }
    return t + 1 < trainer->segment.steps ? h_at(trainer, direction, b, t + 1)
                                          : next_at(trainer, direction, b);
}

static void add_gradient(const gradient_job *job, size_t direction, size_t b, size_t t)
{
    const lrnn_trainer *trainer = job->trainer;
    const network *net = trainer->net;
    size_t row = (t * trainer->sequences.batch + b) * net->directions + direction;
    const real *h = h_at(trainer, direction, b, t), *mask = mask_at(trainer, direction, b, t);
    const real *before = has_before(trainer, t) ? h_at(trainer, direction, b, t - 1) : h;
    const real *after = h_after(trainer, direction, b, t);
    real *dy = job->dy + row * top_h(trainer);
    after = after == NULL ? h : after;
    for (size_t k = 0; k < top_h(trainer); k++) {
        real square = mask != NULL ? mask[k] * mask[k] : 1;
        dy[k] += job->activation * square * h[k] +
                 job->temporal * ((h[k] - before[k]) - (after[k] - h[k]));
    }
}

static void gradient_row(void *argument, size_t b, size_t worker)
{
    (void)worker;
    const gradient_job *job = argument;
    lrnn_trainer *trainer = job->trainer;
    const network *net = trainer->net;
    for (size_t t = 0; t < trainer->segment.steps && segment_active(&trainer->segment, b, t); t++) {
        for (size_t d = 0; d < net->directions; d++) {
            add_gradient(job, d, b, t);
        }
    }
    for (size_t d = 0; d < net->directions && segment_active(&trainer->segment, b, 0); d++) {
        memcpy(next_at(trainer, d, b), h_at(trainer, d, b, 0), top_h(trainer) * sizeof(real));
    }
}

void regularize_gradient(lrnn_trainer *trainer, real *dy)
{
    const regularizer *regular = &trainer->regular;
    if (!is_on(trainer) || regular->scale == 0) {
        return;
    }
    gradient_job job = {
        .trainer = trainer,
        .dy = dy,
        .activation =
            (real)mean(2 * regular->scale * trainer->options.activation_l2, regular->values),
        .temporal = (real)mean(2 * regular->scale * trainer->options.temporal_l2, regular->pairs),
    };
    pool_run(trainer->pool, gradient_row, &job, trainer->sequences.batch);
}
