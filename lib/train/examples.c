/* The order of a pass is a function of seed and pass alone, so a cursor is enough to find back to
 * any window: Fisher-Yates over the examples, then, by bucket, a counting sort by length, which
 * keeps the shuffled order among equals, then Fisher-Yates over the windows. */
#include "examples.h"

#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/options.h"
#include "base/random.h"

static const lrnn_examples default_examples = {.size = sizeof(lrnn_examples)};

lrnn_status lrnn_examples_init(lrnn_examples *examples, size_t struct_size)
{
    return OPTIONS_INIT(examples, struct_size, &default_examples, lrnn_examples);
}

/* ---- copying the examples ---- */

static lrnn_status read_examples(lrnn_examples *e, const lrnn_examples *given)
{
    CHECK(OPTIONS_READ(e, given, &default_examples, lrnn_examples));
    CHECK(check_size("count", e->count, 1, INT32_MAX));
    CHECK(check_choice("per_example", e->per_example, 1));
    CHECK(check_reserved(e->reserved));
    if (e->lengths == NULL) {
        return error_null("lengths");
    }
    if (e->tokens == NULL && e->features == NULL) {
        return error_set(LRNN_ERR_INVALID, "tokens and features are both NULL");
    }
    if (e->features != NULL) {
        CHECK(check_size("feature_size", e->feature_size, 1, INT32_MAX));
    }
    if (e->target_values != NULL) {
        CHECK(check_size("target_size", e->target_size, 1, INT32_MAX));
    } else if (e->value_weights != NULL) {
        return error_set(LRNN_ERR_INVALID, "value_weights: given, but target_values are not");
    }
    return LRNN_OK;
}

static lrnn_status measure_labels(example_list *list, const lrnn_examples *e)
{
    example_labels *labels = &list->labels;
    for (size_t i = 0; e->target_lengths != NULL && i < e->count; i++) {
        if (e->target_lengths[i] < 0) {
            return error_set(LRNN_ERR_INVALID, "target_lengths[%zu]: expected at least 0, found %d",
                             i, (int)e->target_lengths[i]);
        }
        size_t length = (size_t)e->target_lengths[i];
        labels->count += length;
        labels->longest = length > labels->longest ? length : labels->longest;
    }
    if (e->targets == NULL && labels->count > 0) {
        return error_set(LRNN_ERR_INVALID, "targets: not given, but target_lengths has %zu labels",
                         labels->count);
    }
    return LRNN_OK;
}

static lrnn_status measure(example_list *list, const lrnn_examples *e,
                           const lrnn_batches_options *o)
{
    list->count = e->count;
    for (size_t i = 0; i < e->count; i++) {
        if (e->lengths[i] < 1) {
            return error_set(LRNN_ERR_INVALID, "lengths[%zu]: expected at least 1, found %d", i,
                             (int)e->lengths[i]);
        }
        size_t length = (size_t)e->lengths[i];
        list->steps += length;
        list->longest = length > list->longest ? length : list->longest;
    }
    list->windows = (e->count + (o->drop_last ? 0 : o->batch - 1)) / o->batch;
    if (list->windows == 0) {
        return error_set(LRNN_ERR_INVALID,
                         "count: %zu examples do not fill a window of %zu, and drop_last is 1",
                         e->count, o->batch);
    }
    return LRNN_OK;
}

static size_t number_size(const example_list *list, const example_part *part)
{
    return part == &list->tokens || part == &list->targets ? sizeof(int32_t) : sizeof(real);
}

static void lay_out_part(const example_list *list, example_part *part, arena *from, size_t rows)
{
    size_t bytes = part->width * number_size(list, part), window;
    if (!size_multiply(&window, rows, part->once ? 1 : list->longest)) {
        from->overflow = true;
        return;
    }
    part->values = arena_take(from, part->once ? list->count : list->steps, bytes);
    part->window = arena_take(from, window, bytes);
}

size_t example_list_rows(const example_list *list, const lrnn_batches_options *o)
{
    return o->batch < list->count ? o->batch : list->count;
}

static void lay_out_labels(example_labels *labels, size_t count, size_t rows, arena *from)
{
    size_t window;
    if (!size_multiply(&window, rows, labels->longest)) {
        from->overflow = true;
        return;
    }
    labels->values = arena_take(from, labels->count, sizeof(int32_t));
    labels->lengths = arena_take(from, count, sizeof(int32_t));
    labels->starts = arena_take(from, count, sizeof(size_t));
    labels->window = arena_take(from, window, sizeof(int32_t));
    labels->window_lengths = arena_take(from, rows, sizeof(int32_t));
}

static void lay_out(example_list *list, const lrnn_examples *e, const lrnn_batches_options *o,
                    arena *from)
{
    size_t rows = example_list_rows(list, o);
    bool once = e->per_example == 1;
    list->lengths = arena_take(from, list->count, sizeof(int32_t));
    list->starts = arena_take(from, list->count, sizeof(size_t));
    list->order = arena_take(from, list->count, sizeof(size_t));
    list->turns = arena_take(from, list->windows, sizeof(size_t));
    list->scratch = arena_take(from, list->count, sizeof(size_t));
    list->tally = arena_take(from, list->longest + 1, sizeof(size_t));
    list->window_lengths = arena_take(from, rows, sizeof(int32_t));
    list->window_rows = arena_take(from, rows, sizeof(int32_t));
    list->tokens.width = e->tokens != NULL;
    list->features.width = e->features != NULL ? e->feature_size : 0;
    list->targets =
        (example_part){.width = e->targets != NULL && e->target_lengths == NULL, .once = once};
    list->target_values =
        (example_part){.width = e->target_values != NULL ? e->target_size : 0, .once = once};
    list->value_weights =
        (example_part){.width = e->value_weights != NULL ? e->target_size : 0, .once = once};
    list->weights =
        (example_part){.width = e->weights != NULL, .once = once || e->target_lengths != NULL};
    example_part *parts[] = {&list->tokens,        &list->features,      &list->targets,
                             &list->target_values, &list->value_weights, &list->weights};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i]->width > 0) {
            lay_out_part(list, parts[i], from, rows);
        }
    }
    if (e->target_lengths != NULL) {
        lay_out_labels(&list->labels, list->count, rows, from);
    }
}

static void copy_labels(example_labels *labels, const lrnn_examples *e)
{
    if (labels->count > 0) {
        memcpy(labels->values, e->targets, labels->count * sizeof(int32_t));
    }
    for (size_t i = 0, start = 0; i < e->count; i++) {
        labels->lengths[i] = e->target_lengths[i];
        labels->starts[i] = start;
        start += (size_t)e->target_lengths[i];
    }
}

static void copy_part(const example_list *list, const example_part *part, const void *from)
{
    if (part->width > 0) {
        memcpy(part->values, from,
               (part->once ? list->count : list->steps) * part->width * number_size(list, part));
    }
}

lrnn_status example_list_create(example_list *list, const lrnn_examples *given,
                                const lrnn_batches_options *o, const lrnn_allocator *allocator)
{
    lrnn_examples e;
    memset(list, 0, sizeof *list);
    CHECK(read_examples(&e, given));
    CHECK(measure(list, &e, o));
    CHECK(measure_labels(list, &e));
    arena pieces = {0};
    lay_out(list, &e, o, &pieces);
    CHECK(arena_allocate(&pieces, allocator, "batches: examples"));
    list->storage = pieces.base;
    lay_out(list, &e, o, &pieces);
    memcpy(list->lengths, e.lengths, list->count * sizeof(int32_t));
    for (size_t i = 0, start = 0; i < list->count; i++) {
        list->starts[i] = start;
        start += (size_t)e.lengths[i];
    }
    copy_part(list, &list->tokens, e.tokens);
    copy_part(list, &list->features, e.features);
    copy_part(list, &list->targets, e.targets);
    copy_part(list, &list->target_values, e.target_values);
    copy_part(list, &list->value_weights, e.value_weights);
    copy_part(list, &list->weights, e.weights);
    if (e.target_lengths != NULL) {
        copy_labels(&list->labels, &e);
    }
    return LRNN_OK;
}

/* ---- the order of a pass ---- */

/* Draws from numbers `first` on of the pass. */
static void shuffle(size_t *values, size_t count, uint64_t seed, uint64_t pass, uint64_t first)
{
    uint64_t stream = RANDOM_STREAM_SHUFFLE + (pass & UINT32_MAX);
    for (size_t i = count; i-- > 1;) {
        size_t j = (size_t)(random_uniform(seed, stream, first + i) * (double)(i + 1));
        size_t kept = values[i];
        values[i] = values[j];
        values[j] = kept;
    }
}

static void sort_by_length(const example_list *list, size_t *values, size_t count)
{
    memset(list->tally, 0, (list->longest + 1) * sizeof *list->tally);
    for (size_t i = 0; i < count; i++) {
        list->tally[list->lengths[values[i]]]++;
    }
    for (size_t length = 1, before = 0; length <= list->longest; length++) {
        size_t here = list->tally[length];
        list->tally[length] = before;
        before += here;
    }
    for (size_t i = 0; i < count; i++) {
        list->scratch[list->tally[list->lengths[values[i]]]++] = values[i];
    }
    memcpy(values, list->scratch, count * sizeof *values);
}

static void set_order(example_list *list, const lrnn_batches_options *o, uint64_t pass)
{
    size_t full = list->count / o->batch;
    for (size_t i = 0; i < list->count; i++) {
        list->order[i] = i;
    }
    for (size_t i = 0; i < list->windows; i++) {
        list->turns[i] = i;
    }
    if (o->shuffle) {
        shuffle(list->order, list->count, o->seed, pass, 0);
    }
    for (size_t i = 0, length = 0; o->bucket > 0 && i < list->count; i += length) {
        length = list->count - i;
        length = length / o->batch < o->bucket ? length : o->bucket * o->batch;
        sort_by_length(list, list->order + i, length);
    }
    if (o->shuffle && o->bucket > 0) { /* a smaller window stays the last */
        shuffle(list->turns, full, o->seed, pass, list->count);
    }
    list->ordered = true;
}

/* ---- a window ---- */

/* Rows of a part: each example's numbers, then `padding`. */
static const void *gather(const example_list *list, const example_part *part, size_t steps,
                          int padding)
{
    if (part->width == 0) {
        return NULL;
    }
    size_t bytes = part->width * number_size(list, part), row = (part->once ? 1 : steps) * bytes;
    for (size_t b = 0; b < list->window_count; b++) {
        size_t i = (size_t)list->window_rows[b], length = part->once ? 1 : (size_t)list->lengths[i];
        unsigned char *to = (unsigned char *)part->window + b * row;
        const unsigned char *from = part->values;
        memcpy(to, from + (part->once ? i : list->starts[i]) * bytes, length * bytes);
        /* Zeros, or an int32_t of -1, whose bytes are all alike too. */
        memset(to + length * bytes, padding, row - length * bytes);
    }
    return part->window;
}

static void gather_labels(const example_list *list, lrnn_sequences *sequences)
{
    const example_labels *labels = &list->labels;
    size_t most = 0;
    for (size_t b = 0; b < list->window_count; b++) {
        labels->window_lengths[b] = labels->lengths[list->window_rows[b]];
        size_t length = (size_t)labels->window_lengths[b];
        most = length > most ? length : most;
    }
    for (size_t b = 0; b < list->window_count; b++) {
        size_t length = (size_t)labels->window_lengths[b];
        int32_t *to = labels->window + b * most;
        memcpy(to, labels->values + labels->starts[list->window_rows[b]], length * sizeof *to);
        memset(to + length, -1, (most - length) * sizeof *to);
    }
    sequences->targets = labels->window;
    sequences->target_steps = most;
    sequences->target_lengths = labels->window_lengths;
}

/* Of the rows in list->window_rows. */
static void fill_window(example_list *list, lrnn_sequences *sequences)
{
    size_t steps = 0;
    for (size_t b = 0; b < list->window_count; b++) {
        list->window_lengths[b] = list->lengths[list->window_rows[b]];
        size_t length = (size_t)list->window_lengths[b];
        steps = length > steps ? length : steps;
    }
    sequences->batch = list->window_count;
    sequences->steps = steps;
    sequences->lengths = list->window_lengths;
    sequences->tokens = gather(list, &list->tokens, steps, 0);
    sequences->features = gather(list, &list->features, steps, 0);
    sequences->targets = gather(list, &list->targets, steps, -1);
    sequences->target_values = gather(list, &list->target_values, steps, 0);
    sequences->value_weights = gather(list, &list->value_weights, steps, 0);
    sequences->weights = gather(list, &list->weights, steps, 0);
    if (list->labels.lengths != NULL) {
        gather_labels(list, sequences);
    }
}

void example_list_select(example_list *list, const int32_t *rows, size_t count,
                         lrnn_sequences *sequences)
{
    memmove(list->window_rows, rows, count * sizeof *rows);
    list->window_count = count;
    fill_window(list, sequences);
}

void example_list_window(example_list *list, const lrnn_batches_options *o, uint64_t pass,
                         size_t position, lrnn_sequences *sequences)
{
    if (!list->ordered) {
        set_order(list, o, pass);
    }
    size_t first = list->turns[position] * o->batch, rows = list->count - first;
    list->window_count = rows < o->batch ? rows : o->batch;
    for (size_t b = 0; b < list->window_count; b++) {
        list->window_rows[b] = (int32_t)list->order[first + b];
    }
    fill_window(list, sequences);
}
