/* The head of a window as an adaptive softmax (model/adaptive.h). The loss of an item is a sum of
 * cross-entropies, one of the shortlist with the tails' values and, where its target is in a tail,
 * one of that tail:
 *   -log p(v) = -log_softmax(z)_v                                          v in the shortlist
 *   -log p(v) = -log_softmax(z)_(s+i) - log_softmax(u_i)_(v - first_i)     v in tail i
 * So a tail is run for the rows alone whose targets it has, as a section of its own:
 *   reduced = y W_down^T    u = reduced W_up^T    and back.
 * Where all outputs are asked for, or come with gradients of the caller's, every row goes through
 * every tail. With g the gradient of log-probabilities of a section, p its softmax,
 *   dz = g - p * sum(g)    and the sum goes to the tail's value.
 *
 * Whether a target is the likeliest of all outputs is exact too: after its own section only tails
 * whose value has a higher probability can hold a likelier one, and few rows are left to ask. */
#include <math.h>
#include <string.h>

#include "head.h"
#include "model/adaptive.h"

#define NO_TARGET (-2) /* tails of a row: nothing is compared */
#define SHORTLIST (-1)

typedef struct adaptive_row {
    double all;    /* log of the sum of exp of the head's values */
    double target; /* log-probability of the target; while only its tail's is known, of that */
    double best;   /*   and of the likeliest output of the shortlist */
    int32_t tail;  /* that has it, SHORTLIST or NO_TARGET */
    bool right;    /* no output is known that is likelier */
} adaptive_row;

void head_adaptive_lay_out(lrnn_trainer *trainer, arena *from, size_t rows)
{
    const network *net = trainer->net;
    adaptive_space *space = &trainer->head.adaptive;
    size_t most = 0, widest = 0, targets = trainer->head.all.rows;
    for (size_t i = 0; i < net->tail_count; i++) {
        size_t size = net->tails[i].size;
        most = space->tails[i].rows > most ? space->tails[i].rows : most;
        widest = size > widest ? size : widest;
        space->packed_down[i] =
            arena_take(from, kernel_packed_size(kernels(), net->head_size, size), sizeof(real));
    }
    targets = most > targets ? most : targets;
    space->list = arena_take(from, rows, sizeof *space->list);
    space->y = arena_take(from, most, net->head_size * sizeof(real));
    space->dy = arena_take(from, most, net->head_size * sizeof(real));
    space->reduced = arena_take(from, most, widest * sizeof(real));
    space->dreduced = arena_take(from, most, widest * sizeof(real));
    space->clusters = arena_take(from, rows, net->tail_count * sizeof(real));
    space->cluster_gradients = arena_take(from, rows, net->tail_count * sizeof(real));
    space->rows = arena_take(from, rows, sizeof *space->rows);
    space->target = arena_take(from, targets, sizeof *space->target);
    space->targets.targets = space->target;
}

/* ---- rows of a block ---- */

static size_t tail_of(const network *net, size_t output)
{
    size_t tail = net->tail_count - 1;
    while (output < net->tails[tail].first) {
        tail--;
    }
    return tail;
}

/* The target of row i of the segment, below 0: it does not count. */
static int32_t target_of(const lrnn_trainer *trainer, const head_job *job, size_t i, double *weight)
{
    loss_item item = {.options = &trainer->options,
                      .sequences = &trainer->sequences,
                      .index = head_row_item(trainer, i),
                      .outputs = trainer->net->output_size};
    *weight = 0;
    if (!job->want_loss || !head_row_exists(trainer, i)) {
        return -1;
    }
    double given = head_item_weight(trainer, &item);
    if (given == 0) {
        return -1;
    }
    *weight = given * trainer->loss->share(&item);
    return loss_target(&item);
}

/* A row with the loss of a section, whose targets are those of the block. */
static void locate(const head_block *block, size_t row, size_t i, head_row *at)
{
    const lrnn_trainer *trainer = block->trainer;
    at->item = head_item(trainer, block->section, row);
    at->item.options = &trainer->head.adaptive.plain;
    at->item.sequences = &trainer->head.adaptive.targets;
    at->item.index = row;
    at->item.kept[SOFTMAX_TARGET] = 0;
    at->row = i;
    at->output = head_row_item(trainer, i);
    at->exists = head_row_exists(trainer, i);
    at->pull = 0;
}

static double sum_of(const real *x, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)x[i];
    }
    return sum;
}

/* Sums the caller's gradients of each tail's outputs; returns the sum of all. */
static double sum_given(const head_block *block, const head_row *at)
{
    const lrnn_trainer *trainer = block->trainer;
    const network *net = trainer->net;
    const real *given = block->job->given + at->output * net->output_size;
    real *to = trainer->head.adaptive.cluster_gradients + at->row * net->tail_count;
    double sum = sum_of(given, network_shortlist(net));
    for (size_t i = 0; i < net->tail_count; i++) {
        double of_tail = sum_of(given + net->tails[i].first, net->tails[i].count);
        to[i] = (real)of_tail;
        sum += of_tail;
    }
    return sum;
}

static void locate_shortlist(const head_block *block, size_t row, head_row *at)
{
    const lrnn_trainer *trainer = block->trainer;
    const network *net = trainer->net;
    size_t shortlist = network_shortlist(net);
    locate(block, row, block->first + row, at);
    int32_t target = target_of(trainer, block->job, at->row, &at->weight);
    if (target >= 0 && (size_t)target >= shortlist) {
        target = (int32_t)(shortlist + tail_of(net, (size_t)target));
    }
    trainer->head.adaptive.target[row] = target;
    if (block->job->given != NULL && at->exists) {
        at->pull = sum_given(block, at);
    }
    at->observed = at->exists && (target >= 0 || block->job->given != NULL);
}

static size_t tail_index(const head_block *block)
{
    return (size_t)(block->section - block->trainer->head.adaptive.tails);
}

static void locate_tail(const head_block *block, size_t row, head_row *at)
{
    const lrnn_trainer *trainer = block->trainer;
    const network *net = trainer->net;
    const adaptive_space *space = &trainer->head.adaptive;
    size_t tail = tail_index(block);
    locate(block, row, block->list[block->first + row], at);
    int32_t target = target_of(trainer, block->job, at->row, &at->weight);
    bool has_it = target >= 0 && (size_t)target >= net->tails[tail].first &&
                  tail_of(net, (size_t)target) == tail;
    at->weight = has_it ? at->weight : 0;
    space->target[row] = has_it ? target - (int32_t)net->tails[tail].first : -1;
    if (block->job->given != NULL && at->exists) {
        at->pull = (double)space->cluster_gradients[at->row * net->tail_count + tail];
    }
    at->observed = at->exists && (has_it || block->job->given != NULL);
}

/* A row whose greatest value is all that is wanted. */
static void locate_look(const head_block *block, size_t row, head_row *at)
{
    locate(block, row, block->list[block->first + row], at);
    block->trainer->head.adaptive.target[row] = -1;
    at->weight = 0;
    at->observed = true;
}

/* ---- the shortlist ---- */

/* Keeps what is known of a block's targets after the shortlist. */
static void rank_shortlist(const head_block *block)
{
    const lrnn_trainer *trainer = block->trainer;
    int32_t shortlist = (int32_t)network_shortlist(trainer->net);
    for (size_t row = 0; row < block->count; row++) {
        const loss_item *item = &trainer->head.items[row].item;
        adaptive_row *to = &trainer->head.adaptive.rows[block->first + row];
        int32_t target = trainer->head.adaptive.target[row];
        *to = (adaptive_row){.tail = NO_TARGET};
        if (target < 0) {
            continue;
        }
        double best = item->other[0];
        for (size_t i = 1; i < item->slices; i++) {
            best = item->other[i] > best ? item->other[i] : best;
        }
        to->all = item->kept[SOFTMAX_GREATEST] + log(item->kept[SOFTMAX_TOTAL]);
        to->target = item->kept[SOFTMAX_TARGET] - to->all;
        to->tail = target < shortlist ? SHORTLIST : target - shortlist;
        to->right = to->tail != SHORTLIST || item->kept[SOFTMAX_TARGET] >= best;
        to->best = best - to->all;
    }
}

static void run_shortlist(lrnn_trainer *trainer, const head_job *job, const real *y, real *dy)
{
    const head_section *section = &trainer->head.all;
    size_t rows = head_row_count(trainer), top = section->inputs;
    size_t blocks = (rows + section->rows - 1) / section->rows;
    for (size_t i = 0; i < blocks; i++) {
        size_t first = rows * i / blocks, end = rows * (i + 1) / blocks;
        head_block block = {
            .trainer = trainer,
            .section = section,
            .job = job,
            .loss = loss_cross_entropy.row,
            .locate = locate_shortlist,
            .first = first,
            .count = end - first,
            .y = y + first * top,
            .dy = dy + first * top,
            .makes_outputs = true,
            .judges = job->want_loss || job->given != NULL,
        };
        head_block_forward(&block);
        if (job->want_loss) {
            rank_shortlist(&block);
        }
        if (job->want_gradient) {
            head_block_backward(&block);
        }
    }
}

/* ---- tails ---- */

static void reduce_rows(void *argument, size_t piece, size_t worker)
{
    (void)worker;
    const head_block *block = argument;
    const adaptive_space *space = &block->trainer->head.adaptive;
    size_t row = piece * HEAD_PIECE_ROWS, top = block->trainer->net->head_size;
    size_t left = block->count - row, size = block->section->inputs;
    kernels()->multiply_packed_from(
        left < HEAD_PIECE_ROWS ? left : HEAD_PIECE_ROWS, size, top, space->y + row * top, top, 1,
        space->packed_down[tail_index(block)], NULL, 0, space->reduced + row * size, size);
}

/* What the tail reads of the rows of a block. */
static void reduce(head_block *block, const real *y)
{
    lrnn_trainer *trainer = block->trainer;
    size_t top = trainer->net->head_size;
    for (size_t row = 0; row < block->count; row++) {
        memcpy(trainer->head.adaptive.y + row * top, y + block->list[block->first + row] * top,
               top * sizeof(real));
    }
    pool_run(trainer->pool, reduce_rows, block,
             (block->count + HEAD_PIECE_ROWS - 1) / HEAD_PIECE_ROWS);
}

/* From the gradient of what the tail reads to those of W_down and of the rows. */
static void expand(const head_block *block, real *dy)
{
    lrnn_trainer *trainer = block->trainer;
    const adaptive_space *space = &trainer->head.adaptive;
    size_t top = trainer->net->head_size, size = block->section->inputs;
    size_t down = trainer->net->tails[tail_index(block)].down;
    multiply weight = {size,
                       top,
                       block->count,
                       space->dreduced,
                       1,
                       size,
                       space->y,
                       top,
                       1,
                       trainer->gradients + down,
                       top,
                       true};
    multiply rows = {
        block->count, top, size, space->dreduced, size, 1, trainer->parameters + down, top, 1,
        space->dy,    top, false};
    multiply_parallel(trainer->pool, &weight, 1, trainer->workspace);
    multiply_parallel(trainer->pool, &rows, 1, trainer->workspace);
    for (size_t row = 0; row < block->count; row++) {
        kernels()->add(dy + block->list[block->first + row] * top, space->dy + row * top, top);
    }
}

/* The targets of a block are known now. */
static void rank_tail(const head_block *block)
{
    const head_space *head = &block->trainer->head;
    for (size_t row = 0; row < block->count; row++) {
        const double *kept = head->items[row].item.kept;
        adaptive_row *to = &head->adaptive.rows[block->list[block->first + row]];
        if (head->adaptive.target[row] < 0) {
            continue;
        }
        to->target += kept[SOFTMAX_TARGET] - kept[SOFTMAX_GREATEST] - log(kept[SOFTMAX_TOTAL]);
        to->right = kept[SOFTMAX_TARGET] >= kept[SOFTMAX_GREATEST] && to->target >= to->best;
    }
}

/* log(sum of exp(z - greatest)) is minus the greatest log-probability of the tail. */
static void rank_look(const head_block *block)
{
    const head_space *head = &block->trainer->head;
    size_t tails = block->trainer->net->tail_count;
    for (size_t row = 0; row < block->count; row++) {
        size_t i = block->list[block->first + row];
        adaptive_row *to = &head->adaptive.rows[i];
        double value = (double)head->adaptive.clusters[i * tails + tail_index(block)] - to->all;
        to->right = value - log(head->items[row].item.kept[SOFTMAX_TOTAL]) <= to->target;
    }
}

/* The first `count` rows of the list through a tail. looks: only to see how likely its likeliest
 * output is. */
static void run_tail(lrnn_trainer *trainer, const head_job *job, size_t tail, size_t count,
                     bool looks, const real *y, real *dy)
{
    adaptive_space *space = &trainer->head.adaptive;
    const head_section *section = &space->tails[tail];
    size_t blocks = (count + section->rows - 1) / section->rows;
    for (size_t i = 0; i < blocks; i++) {
        size_t first = count * i / blocks, end = count * (i + 1) / blocks;
        head_block block = {
            .trainer = trainer,
            .section = section,
            .job = job,
            .loss = loss_cross_entropy.row,
            .locate = looks ? locate_look : locate_tail,
            .list = space->list,
            .first = first,
            .count = end - first,
            .y = space->reduced,
            .dy = space->dreduced,
            .makes_outputs = true,
            .judges = job->want_loss || job->given != NULL,
            .adds = true,
        };
        reduce(&block, y);
        head_block_forward(&block);
        if (looks) {
            rank_look(&block);
        } else if (job->want_loss) {
            rank_tail(&block);
        }
        if (job->want_gradient) {
            head_block_backward(&block);
            expand(&block, dy);
        }
    }
}

/* Rows whose target the tail has, or all of them where all outputs are asked for. */
static size_t list_targets(const lrnn_trainer *trainer, const head_job *job, size_t tail)
{
    const adaptive_space *space = &trainer->head.adaptive;
    size_t rows = head_row_count(trainer), count = 0;
    bool all = job->copy != NULL || job->given != NULL;
    for (size_t i = 0; i < rows; i++) {
        if (all || (job->want_loss && space->rows[i].tail == (int32_t)tail)) {
            space->list[count++] = i;
        }
    }
    return count;
}

/* Rows whose target may be less likely than an output of this tail, which is not the target's. */
static size_t list_open(const lrnn_trainer *trainer, size_t tail)
{
    const adaptive_space *space = &trainer->head.adaptive;
    size_t rows = head_row_count(trainer), tails = trainer->net->tail_count, count = 0;
    for (size_t i = 0; i < rows; i++) {
        const adaptive_row *row = &space->rows[i];
        if (row->tail != NO_TARGET && row->tail != (int32_t)tail && row->right &&
            (double)space->clusters[i * tails + tail] - row->all > row->target) {
            space->list[count++] = i;
        }
    }
    return count;
}

/* ---- all together ---- */

static void count_right(lrnn_trainer *trainer, const real *y)
{
    const adaptive_space *space = &trainer->head.adaptive;
    head_job look = {.want_loss = true};
    for (size_t tail = 0; tail < trainer->net->tail_count; tail++) {
        run_tail(trainer, &look, tail, list_open(trainer, tail), true, y, NULL);
    }
    for (size_t i = 0; i < head_row_count(trainer); i++) {
        bool counts = space->rows[i].tail != NO_TARGET;
        trainer->head.tally[i] = (loss_tally){counts, counts && space->rows[i].right};
    }
}

typedef struct normalize_job {
    const lrnn_trainer *trainer;
    real *outputs;
} normalize_job;

static void normalize_row(void *argument, size_t row, size_t worker)
{
    (void)worker;
    const normalize_job *job = argument;
    const network *net = job->trainer->net;
    if (head_row_exists(job->trainer, row)) {
        adaptive_normalize(net, job->trainer->head.adaptive.clusters + row * net->tail_count,
                           job->outputs + head_row_item(job->trainer, row) * net->output_size);
    }
}

void head_adaptive_run(lrnn_trainer *trainer, const head_job *job, const real *y, real *dy)
{
    run_shortlist(trainer, job, y, dy);
    for (size_t tail = 0; tail < trainer->net->tail_count; tail++) {
        run_tail(trainer, job, tail, list_targets(trainer, job, tail), false, y, dy);
    }
    if (job->want_loss) {
        count_right(trainer, y);
    }
    if (job->copy != NULL) {
        normalize_job normalize = {trainer, job->copy};
        pool_run(trainer->pool, normalize_row, &normalize, head_row_count(trainer));
    }
}
