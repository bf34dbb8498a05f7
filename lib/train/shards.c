/* A window cut into shards of rows. Each shard is run like a window of its own, and what they give
 * (loss, weight, gradients) is added in one binary tree: shards 0 and 1, 2 and 3, .. first, then
 * those pairs, and so on; what has no partner goes up as it is. The tree depends on nothing but the
 * number of shards. A worker that has 2^k shards from a multiple of 2^k on computes one branch of
 * it, and workers that add their branches in the same way get the bits of one worker that has all.
 *
 * The tree is climbed while the shards are run: shard i finds the sums of the branches before it
 * where the bits of i are set, like a binary counter. */
#include "shards.h"

#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "regularize.h"

enum { LEVELS = 32 };

lrnn_status shards_check(const lrnn_trainer_options *o)
{
    size_t most = o->batch < SHARDS_MOST ? o->batch : SHARDS_MOST;
    CHECK(check_size("shards", o->shards, 0, most));
    size_t count = o->shards == 0 ? 1 : o->shards;
    CHECK(check_size("first_shard", o->first_shard, 0, count - 1));
    CHECK(check_size("own_shards", o->own_shards, 0, count - o->first_shard));
    bool all = o->first_shard == 0 && (o->own_shards == 0 || o->own_shards == count);
    if (!all && o->exchange == NULL) {
        return error_set(LRNN_ERR_INVALID, "exchange: not given, but other workers have some of "
                                           "the shards");
    }
    return LRNN_OK;
}

void shards_read(lrnn_trainer *trainer)
{
    const lrnn_trainer_options *o = &trainer->options;
    shard_space *space = &trainer->shards;
    space->count = o->shards == 0 ? 1 : o->shards;
    space->first = o->first_shard;
    space->own = o->own_shards == 0 ? space->count - space->first : o->own_shards;
}

void shards_lay_out(lrnn_trainer *trainer, arena *from)
{
    shard_space *space = &trainer->shards;
    if (space->count == 1) {
        return;
    }
    size_t levels = 0;
    while ((space->own - 1) >> levels != 0) {
        levels++;
    }
    space->sums = arena_take(from, levels, sizeof *space->sums);
    for (size_t i = 0; i < levels; i++) {
        real *sum = arena_take(from, trainer->net->parameter_count, sizeof(real));
        if (space->sums != NULL) {
            space->sums[i] = sum;
        }
    }
    carried_lay_out(trainer, &space->initial, from);
    carried_lay_out(trainer, &space->final, from);
}

/* ---- rows ---- */

#define SKIP(field, count)                                                                         \
    do {                                                                                           \
        if (of.field != NULL) {                                                                    \
            of.field += first * (count);                                                           \
        }                                                                                          \
    } while (0)

/* Rows first .. first+rows-1 of a window. */
static lrnn_sequences rows_of(const lrnn_trainer *trainer, const lrnn_sequences *window,
                              size_t first, size_t rows)
{
    const network *net = trainer->net;
    lrnn_sequences of = *window;
    size_t items = network_answers_every_step(net) ? of.steps : 1;
    bool labels = trainer->loss != NULL && trainer->loss->sequence != NULL;
    of.batch = rows;
    SKIP(tokens, of.steps);
    SKIP(features, of.steps * net->options.feature_size);
    SKIP(lengths, 1);
    SKIP(targets, labels && !trainer->loss->reads_values ? of.target_steps : items);
    SKIP(target_values, items * net->output_size);
    SKIP(weights, labels ? 1 : items);
    SKIP(value_weights, items * net->output_size);
    SKIP(target_lengths, 1);
    return of;
}

static size_t first_row(const lrnn_trainer *trainer, size_t rows, size_t shard)
{
    return (size_t)((uint64_t)rows * shard / trainer->shards.count);
}

/* The rows of a shard, which may be none. */
static lrnn_sequences shard_of(const lrnn_trainer *trainer, const lrnn_sequences *window,
                               size_t shard)
{
    size_t first = first_row(trainer, window->batch, shard);
    return rows_of(trainer, window, first, first_row(trainer, window->batch, shard + 1) - first);
}

/* ---- sums ---- */

/* Adds what shard i of `count` has to the branches before it. The last one returns the sum. */
static double climb(double branches[LEVELS], size_t i, size_t count, double value)
{
    size_t level = 0;
    for (; i >> level != 0; level++) {
        if ((i >> level & 1) != 0) {
            value += branches[level];
        } else if (i + 1 < count) {
            break;
        }
    }
    if (i + 1 < count) {
        branches[level] = value;
    }
    return value;
}

typedef struct climb_job {
    lrnn_trainer *trainer;
    size_t shard; /* of this worker's */
} climb_job;

/* The same for a piece of the gradients. */
static void climb_piece(void *argument, size_t piece, size_t worker)
{
    (void)worker;
    const climb_job *job = argument;
    lrnn_trainer *trainer = job->trainer;
    real **sums = trainer->shards.sums;
    size_t first = piece * PARAMETER_PIECE, count = parameter_piece(trainer, first);
    size_t i = job->shard, level = 0;
    bool last = i + 1 == trainer->shards.own;
    for (; i >> level != 0; level++) {
        if ((i >> level & 1) != 0) {
            kernels()->add(trainer->gradients + first, sums[level] + first, count);
        } else if (!last) {
            break;
        }
    }
    if (!last) {
        memcpy(sums[level] + first, trainer->gradients + first, count * sizeof(real));
    }
}

/* What the means of regularization are taken over are whole numbers: any order will do. */
static lrnn_status weigh_shards(lrnn_trainer *trainer, const lrnn_sequences *window, double *weight,
                                double *rows)
{
    const shard_space *space = &trainer->shards;
    double branches[LEVELS], values = 0, pairs = 0;
    *rows = 0;
    for (size_t i = 0; i < space->own; i++) {
        double own = 0;
        trainer->sequences = shard_of(trainer, window, space->first + i);
        if (trainer->loss != NULL && targets_given(trainer, window)) {
            CHECK(targets_check(&own, trainer, &trainer->sequences));
        }
        regularize_open(trainer);
        *weight = climb(branches, i, space->own, own);
        *rows += (double)trainer->sequences.batch;
        values += trainer->regular.values;
        pairs += trainer->regular.pairs;
    }
    trainer->regular.values = values;
    trainer->regular.pairs = pairs;
    return LRNN_OK;
}

lrnn_status shards_weigh(lrnn_trainer *trainer, double *weight, double *rows)
{
    if (trainer->shards.count == 1) {
        return LRNN_OK;
    }
    const lrnn_sequences window = trainer->sequences;
    lrnn_status status = weigh_shards(trainer, &window, weight, rows);
    trainer->sequences = window;
    return status;
}

/* ---- running ---- */

/* Makes a shard the trainer's window. */
static void enter(lrnn_trainer *trainer, const lrnn_sequences *window, size_t shard,
                  const carried *initial)
{
    shard_space *space = &trainer->shards;
    trainer->sequences = shard_of(trainer, window, shard);
    trainer->head.judged = false;
    trainer->regular.square_sum = trainer->regular.change_sum = 0;
    space->current = shard;
    space->initial.batch = initial->batch == 0 ? 0 : trainer->sequences.batch;
    if (space->initial.batch != 0) {
        size_t row = first_row(trainer, window->batch, shard);
        layer_state_copy(trainer->net, carried_layers(&space->initial),
                         layer_state_read(layer_state_from(carried_layers(initial), row)),
                         space->initial.batch);
    }
}

/* Keeps the state after a shard among those of all rows. */
static void keep(lrnn_trainer *trainer, size_t row)
{
    layer_state to = layer_state_from(carried_layers(&trainer->shards.final), row);
    layer_state_copy(trainer->net, to, carried_read(&trainer->pending), trainer->sequences.batch);
}

static lrnn_status run_shard(lrnn_trainer *trainer, const window_pass *pass, size_t row,
                             lrnn_train_result *one)
{
    if (trainer->sequences.batch > 0) {
        CHECK(pass->run(trainer, &trainer->shards.initial, pass, one));
        keep(trainer, row);
    }
    return LRNN_OK;
}

static lrnn_status run_shards(lrnn_trainer *trainer, const carried *initial,
                              const window_pass *pass, lrnn_train_result *all)
{
    const shard_space *space = &trainer->shards;
    const lrnn_sequences window = trainer->sequences;
    double losses[LEVELS], squares[LEVELS], changes[LEVELS], square = 0, change = 0;
    lrnn_status status = LRNN_OK;
    for (size_t i = 0; i < space->own && status == LRNN_OK; i++) {
        lrnn_train_result one = {0};
        enter(trainer, &window, space->first + i, initial);
        if (pass->gradients) {
            gradient_zero(trainer);
        }
        status = run_shard(trainer, pass, first_row(trainer, window.batch, space->current), &one);
        all->loss_sum = climb(losses, i, space->own, one.loss_sum);
        square = climb(squares, i, space->own, trainer->regular.square_sum);
        change = climb(changes, i, space->own, trainer->regular.change_sum);
        all->items += one.items;
        all->right += one.right;
        if (pass->gradients && status == LRNN_OK) {
            climb_job job = {trainer, i};
            pool_run(trainer->pool, climb_piece, &job, parameter_pieces(trainer));
        }
    }
    trainer->regular.square_sum = square;
    trainer->regular.change_sum = change;
    trainer->sequences = window;
    trainer->shards.current = 0;
    return status;
}

lrnn_status shards_run(lrnn_trainer *trainer, const carried *initial, const window_pass *pass,
                       lrnn_train_result *all)
{
    carried *final = &trainer->shards.final;
    if (trainer->shards.count == 1) {
        if (pass->gradients) {
            gradient_zero(trainer);
        }
        return pass->run(trainer, initial, pass, all);
    }
    final->batch = trainer->sequences.batch;
    layer_state_copy(trainer->net, carried_layers(final), (layer_state_view){0}, final->batch);
    lrnn_status status = run_shards(trainer, initial, pass, all);
    carried pending = trainer->pending;
    trainer->pending = *final;
    *final = pending;
    return status;
}
