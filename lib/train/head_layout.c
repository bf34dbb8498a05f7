/* Where the head's part of a trainer lies, and the packing of its matrices. An adaptive softmax has
 * several sections, which are run one after the other and so share everything but their matrices.
 */
#include "head.h"

/* Up to so many columns are one slice, and threads share the rows instead. */
#define WHOLE_COLUMNS 1024
#define SLICE_WIDTH   512
#define SLICE_GROUPS  8

_Static_assert(SLICE_WIDTH % KERNEL_PANELS == 0, "slices are whole panels");

/* Rows of a slice lie an odd number of cache lines apart, so that its columns, which the product
 * with its transpose reads, do not meet in the same few places of the cache. */
#define SLICE_PADDING 16

/* A block has about so many values (16 MB), but also rows enough to be worth reading the weights
 * for. */
#define BLOCK_VALUES ((size_t)1 << 22)
#define BLOCK_ROWS   256

/* Rows that the head reads of a segment, at most. */
static size_t most_rows(const lrnn_trainer *trainer)
{
    size_t B = trainer->options.batch;
    return network_answers_every_step(trainer->net) ? B * trainer->segment_steps : B;
}

/* What follows from a section's columns and inputs. */
static void divide(head_section *section, size_t rows)
{
    size_t columns = section->columns, most = BLOCK_VALUES / columns;
    most = most < BLOCK_ROWS ? BLOCK_ROWS : most;
    size_t blocks = (rows + most - 1) / most;
    section->rows = (rows + blocks - 1) / blocks;
    section->slice_width = columns <= WHOLE_COLUMNS
                               ? (columns + KERNEL_PANELS - 1) / KERNEL_PANELS * KERNEL_PANELS
                               : SLICE_WIDTH;
    section->slices = (columns + section->slice_width - 1) / section->slice_width;
    section->groups = section->slices < SLICE_GROUPS ? section->slices : SLICE_GROUPS;
    section->stride = section->slice_width + SLICE_PADDING;
}

static void describe_sections(lrnn_trainer *trainer)
{
    const network *net = trainer->net;
    head_space *head = &trainer->head;
    head->all = (head_section){
        .inputs = net->head_size,
        .columns = net->head_rows,
        .weight = net->head_weight,
        .bias = net->head_bias,
        .outputs = network_shortlist(net),
        .few = network_has_few_outputs(net),
    };
    divide(&head->all, most_rows(trainer));
    for (size_t i = 0; i < net->tail_count; i++) {
        const network_tail *tail = &net->tails[i];
        head->adaptive.tails[i] = (head_section){
            .inputs = tail->size,
            .columns = tail->count,
            .weight = tail->up,
            .bias = NETWORK_NONE,
            .first = tail->first,
            .outputs = tail->count,
        };
        divide(&head->adaptive.tails[i], most_rows(trainer));
    }
}

/* The most that any section takes of what they share. */
typedef struct shared_sizes {
    size_t values, rows, kept, packed_y, partial;
} shared_sizes;

static void raise(size_t *most, size_t value)
{
    *most = value > *most ? value : *most;
}

/* Values and partial sums are counted in rows of `stride` and of `inputs` reals; false: too many.
 */
static bool count_shared(shared_sizes *most, const head_section *section)
{
    size_t values, partial;
    if (!size_multiply(&values, section->slices * section->rows, section->stride) ||
        !size_multiply(&partial, section->groups * section->rows, section->inputs)) {
        return false;
    }
    raise(&most->values, values);
    raise(&most->rows, section->rows);
    raise(&most->kept, section->rows * section->slices);
    if (section->slices > 1) {
        raise(&most->packed_y, kernel_packed_size(kernels(), section->rows, section->inputs));
        raise(&most->partial, partial);
    }
    return true;
}

static void take_packed(head_section *section, arena *from)
{
    size_t size = section->few ? few_column(section->inputs) * section->columns
                               : kernel_packed_size(kernels(), section->inputs, section->columns);
    section->packed = arena_take(from, size, sizeof(real));
}

static void lay_out_sequence_loss(lrnn_trainer *trainer, arena *from)
{
    head_space *head = &trainer->head;
    size_t values, T = trainer->options.steps;
    if (!size_multiply(&values, trainer->net->output_size, T) ||
        !trainer->loss->sequence->scratch(&head->scratch_bytes, T, trainer->options.target_steps)) {
        from->overflow = true;
        return;
    }
    head->window = arena_take(from, trainer->options.batch, values * sizeof(real));
    head->scratch_bytes =
        (head->scratch_bytes + MEMORY_ALIGNMENT - 1) & ~(size_t)(MEMORY_ALIGNMENT - 1);
    head->scratch = arena_take(from, trainer->options.threads, head->scratch_bytes);
}

void head_lay_out(lrnn_trainer *trainer, arena *from)
{
    const network *net = trainer->net;
    head_space *head = &trainer->head;
    size_t rows = most_rows(trainer);
    shared_sizes most = {0};
    describe_sections(trainer);
    bool fits = count_shared(&most, &head->all);
    take_packed(&head->all, from);
    for (size_t i = 0; i < net->tail_count; i++) {
        fits = fits && count_shared(&most, &head->adaptive.tails[i]);
        take_packed(&head->adaptive.tails[i], from);
    }
    if (!fits) {
        from->overflow = true;
        return;
    }
    head->values = arena_take(from, most.values, sizeof(real));
    head->items = arena_take(from, most.rows, sizeof *head->items);
    head->factor = arena_take(from, most.kept, sizeof(real));
    head->sum = arena_take(from, most.kept, sizeof(double));
    head->other = arena_take(from, most.kept, sizeof(double));
    head->kept = arena_take(from, most.rows, LOSS_KEPT * sizeof(double));
    if (most.partial > 0) {
        head->packed_y = arena_take(from, most.packed_y, sizeof(real));
        head->partial = arena_take(from, most.partial, sizeof(real));
    }
    head->loss = arena_take(from, rows, sizeof(double));
    head->tally = arena_take(from, rows, sizeof(loss_tally));
    if (network_is_adaptive(net)) {
        head_adaptive_lay_out(trainer, from, rows);
    }
    if (trainer->loss != NULL && trainer->loss->sequence != NULL) {
        lay_out_sequence_loss(trainer, from);
    }
}

/* ---- packing ---- */

typedef struct pack_job {
    const lrnn_trainer *trainer;
    const head_section *section;
} pack_job;

static void pack_slice(void *argument, size_t slice, size_t worker)
{
    (void)worker;
    const pack_job *job = argument;
    const head_section *section = job->section;
    size_t K = section->inputs, first = slice * section->slice_width;
    size_t left = section->columns - first;
    if (section->few) {
        few_pack(section->packed, job->trainer->running + section->weight, K, section->columns);
        return;
    }
    kernel_pack(kernels(), section->packed + first * K,
                job->trainer->running + section->weight + first * K, 1, K, K,
                left < section->slice_width ? left : section->slice_width);
}

static void pack_section(lrnn_trainer *trainer, const head_section *section)
{
    pack_job job = {trainer, section};
    pool_run(trainer->pool, pack_slice, &job, section->slices);
}

void head_pack(lrnn_trainer *trainer)
{
    const network *net = trainer->net;
    if (net->options.head == LRNN_HEAD_NONE) {
        return;
    }
    pack_section(trainer, &trainer->head.all);
    for (size_t i = 0; i < net->tail_count; i++) {
        const network_tail *tail = &net->tails[i];
        kernel_pack(kernels(), trainer->head.adaptive.packed_down[i], trainer->running + tail->down,
                    1, net->head_size, net->head_size, tail->size);
        pack_section(trainer, &trainer->head.adaptive.tails[i]);
    }
}
