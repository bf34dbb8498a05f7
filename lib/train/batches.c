/* Windows of a stream, which this file cuts, and of examples, which examples.c puts together. A
 * window depends on options, pass and position alone, so that a checkpoint keeps just those. */
#include "batches.h"

#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/options.h"
#include "model/network.h"

static const lrnn_batches_options default_options = {
    .size = sizeof(lrnn_batches_options),
    .batch = 16,
    .steps = 32,
    .order = LRNN_BATCHES_STREAMS,
    .seed = 1,
};

lrnn_status lrnn_batches_options_init(lrnn_batches_options *options, size_t struct_size)
{
    return OPTIONS_INIT(options, struct_size, &default_options, lrnn_batches_options);
}

static lrnn_status read_options(lrnn_batches_options *o, lrnn_allocator *allocator,
                                const lrnn_batches_options *given)
{
    *o = default_options;
    if (given != NULL) {
        CHECK(OPTIONS_READ(o, given, &default_options, lrnn_batches_options));
    }
    CHECK(check_size("batch", o->batch, 1, INT32_MAX));
    CHECK(check_size("steps", o->steps, 1, INT32_MAX));
    CHECK(check_choice("order", o->order, LRNN_BATCHES_ROWS));
    CHECK(check_choice("shuffle", o->shuffle, 1));
    CHECK(check_choice("drop_last", o->drop_last, 1));
    CHECK(check_size("bucket", o->bucket, 0, INT32_MAX));
    CHECK(check_reserved(o->reserved));
    return allocator_read(allocator, o->allocator);
}

/* ---- streams ---- */

static lrnn_status check_stream(const lrnn_batches_options *o, size_t count)
{
    size_t window;
    if (o->shuffle || o->drop_last || o->bucket > 0) {
        return error_set(LRNN_ERR_INVALID,
                         "shuffle, drop_last and bucket are for examples, not for a stream");
    }
    if (count > SIZE_MAX / 2 / sizeof(int32_t)) {
        return error_set(LRNN_ERR_INVALID, "count: %zu tokens are more than memory can hold",
                         count);
    }
    if (!size_multiply(&window, o->batch, o->steps) || count < window) {
        return error_set(LRNN_ERR_INVALID, "count: a window takes %zu tokens, found %zu", window,
                         count);
    }
    return LRNN_OK;
}

/* The fewest bytes that hold every token; a negative one, which a trainer will refuse, takes 4. */
static size_t size_of_tokens(const int32_t *tokens, size_t count)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < count; i++) {
        bits |= (uint32_t)tokens[i];
    }
    return bits <= UINT8_MAX ? 1 : bits <= UINT16_MAX ? 2 : 4;
}

static void store_tokens(lrnn_batches *batches, const int32_t *tokens)
{
    uint8_t *bytes = batches->tokens;
    uint16_t *halves = batches->tokens;
    switch (batches->token_size) {
    case 1:
        for (size_t i = 0; i < batches->used; i++) {
            bytes[i] = (uint8_t)tokens[i];
        }
        break;
    case 2:
        for (size_t i = 0; i < batches->used; i++) {
            halves[i] = (uint16_t)tokens[i];
        }
        break;
    default: memcpy(batches->tokens, tokens, batches->used * sizeof *tokens);
    }
}

static void copy_tokens(int32_t *to, const lrnn_batches *batches, size_t start, size_t count)
{
    const uint8_t *bytes = batches->tokens;
    const uint16_t *halves = batches->tokens;
    switch (batches->token_size) {
    case 1:
        for (size_t i = 0; i < count; i++) {
            to[i] = bytes[start + i];
        }
        break;
    case 2:
        for (size_t i = 0; i < count; i++) {
            to[i] = halves[start + i];
        }
        break;
    default: memcpy(to, (const int32_t *)batches->tokens + start, count * sizeof *to);
    }
}

lrnn_status lrnn_batches_create(lrnn_batches **batches, const int32_t *tokens, size_t count,
                                const lrnn_batches_options *options)
{
    if (batches == NULL) {
        return error_null("batches");
    }
    *batches = NULL;
    if (tokens == NULL) {
        return error_null("tokens");
    }
    lrnn_batches_options o;
    lrnn_allocator allocator;
    CHECK(read_options(&o, &allocator, options));
    CHECK(check_stream(&o, count));
    size_t windows = count / (o.batch * o.steps), used = windows * o.batch * o.steps;
    lrnn_batches *made = memory_allocate(&allocator, 1, sizeof *made, "batches");
    size_t window = 2 * o.batch * o.steps * sizeof(int32_t), size = size_of_tokens(tokens, used);
    int32_t *storage = memory_allocate(&allocator, window + used * size, 1, "batches: tokens");
    if (made == NULL || storage == NULL) {
        memory_release(&allocator, made);
        memory_release(&allocator, storage);
        return LRNN_ERR_MEMORY;
    }
    *made = (lrnn_batches){
        .allocator = allocator,
        .options = o,
        .tokens = storage + 2 * o.batch * o.steps,
        .token_size = size,
        .used = used,
        .windows = windows,
        .inputs = storage,
        .targets = storage + o.batch * o.steps,
    };
    store_tokens(made, tokens);
    *batches = made;
    return LRNN_OK;
}

static lrnn_status create_from_tokens(lrnn_batches **batches, const lrnn_tokens *tokens,
                                      size_t first, size_t count, const lrnn_batches_options *o,
                                      const lrnn_allocator *allocator)
{
    size_t B = o->batch, T = o->steps, windows = count / (B * T), used = windows * B * T;
    size_t rows = o->order == LRNN_BATCHES_ROWS ? 1 : B; /* as rows it is read in order */
    token_source source;
    CHECK(token_source_create(&source, tokens, first, used, rows, T + 1, allocator));
    lrnn_batches *made = memory_allocate(allocator, 1, sizeof *made, "batches");
    int32_t *window = memory_allocate(allocator, 2 * B * T, sizeof *window, "batches: window");
    if (made == NULL || window == NULL) {
        token_source_release(&source, allocator);
        memory_release(allocator, made);
        memory_release(allocator, window);
        return LRNN_ERR_MEMORY;
    }
    *made = (lrnn_batches){
        .allocator = *allocator,
        .options = *o,
        .source = source,
        .used = used,
        .windows = windows,
        .inputs = window,
        .targets = window + B * T,
    };
    *batches = made;
    return LRNN_OK;
}

lrnn_status lrnn_batches_create_from_tokens(lrnn_batches **batches, const lrnn_tokens *tokens,
                                            size_t first, size_t count,
                                            const lrnn_batches_options *options)
{
    if (batches == NULL) {
        return error_null("batches");
    }
    *batches = NULL;
    if (tokens == NULL) {
        return error_null("tokens");
    }
    lrnn_batches_options o;
    lrnn_allocator allocator;
    CHECK(read_options(&o, &allocator, options));
    CHECK(check_stream(&o, count));
    size_t all = lrnn_tokens_count(tokens);
    if (first > all || count > all - first) {
        return error_set(LRNN_ERR_INVALID,
                         "first and count: %zu tokens from %zu on, in a file that has %zu", count,
                         first, all);
    }
    return create_from_tokens(batches, tokens, first, count, &o, &allocator);
}

/* ---- examples ---- */

lrnn_status lrnn_batches_create_from_examples(lrnn_batches **batches, const lrnn_examples *examples,
                                              const lrnn_batches_options *options)
{
    if (batches == NULL) {
        return error_null("batches");
    }
    *batches = NULL;
    if (examples == NULL) {
        return error_null("examples");
    }
    lrnn_batches_options o;
    lrnn_allocator allocator;
    CHECK(read_options(&o, &allocator, options));
    example_list list;
    CHECK(example_list_create(&list, examples, &o, &allocator));
    lrnn_batches *made = memory_allocate(&allocator, 1, sizeof *made, "batches");
    if (made == NULL) {
        memory_release(&allocator, list.storage);
        return LRNN_ERR_MEMORY;
    }
    *made = (lrnn_batches){
        .allocator = allocator,
        .options = o,
        .used = list.steps,
        .windows = list.windows,
        .examples = list,
    };
    *batches = made;
    return LRNN_OK;
}

/* ---- both ---- */

size_t lrnn_batches_steps(const lrnn_batches *batches)
{
    if (batches == NULL) {
        return 0;
    }
    return batches->examples.count > 0 ? batches->examples.longest : batches->options.steps;
}

size_t lrnn_batches_target_steps(const lrnn_batches *batches)
{
    return batches == NULL ? 0 : batches->examples.labels.longest;
}

void lrnn_batches_destroy(lrnn_batches *batches)
{
    if (batches != NULL) {
        lrnn_allocator allocator = batches->allocator;
        token_source_release(&batches->source, &allocator);
        memory_release(&allocator, batches->inputs);
        memory_release(&allocator, batches->examples.storage);
        memory_release(&allocator, batches);
    }
}

size_t lrnn_batches_count(const lrnn_batches *batches)
{
    return batches == NULL ? 0 : batches->windows;
}

size_t lrnn_batches_position(const lrnn_batches *batches)
{
    return batches == NULL ? 0 : batches->position;
}

/* Where row b of window w begins in the stream. */
static size_t row_start(const lrnn_batches *batches, size_t w, size_t b)
{
    size_t B = batches->options.batch, T = batches->options.steps;
    return batches->options.order == LRNN_BATCHES_ROWS ? (w * B + b) * T
                                                       : (b * batches->windows + w) * T;
}

/* Row b of a window, from memory or from a file. */
static lrnn_status fill_row(lrnn_batches *batches, size_t w, size_t b)
{
    size_t T = batches->options.steps, start = row_start(batches, w, b);
    int32_t *inputs = batches->inputs + b * T, *targets = batches->targets + b * T;
    bool wraps = start + T == batches->used;
    if (batches->source.tokens == NULL) {
        copy_tokens(inputs, batches, start, T);
        copy_tokens(targets, batches, start + 1, T - 1);
        copy_tokens(targets + T - 1, batches, wraps ? 0 : start + T, 1);
        return LRNN_OK;
    }
    token_source *source = &batches->source;
    const int32_t *ids;
    CHECK(token_source_get(&ids, source, b % source->rows, start, wraps ? T : T + 1));
    memcpy(inputs, ids, T * sizeof *ids);
    memcpy(targets, ids + 1, (T - 1) * sizeof *ids);
    if (wraps) {
        return lrnn_tokens_read(targets + T - 1, source->tokens, source->first, 1);
    }
    targets[T - 1] = ids[T];
    return LRNN_OK;
}

lrnn_status lrnn_batches_next(lrnn_batches *batches, lrnn_sequences *sequences)
{
    if (batches == NULL || sequences == NULL) {
        return error_null(batches == NULL ? "batches" : "sequences");
    }
    lrnn_sequences window;
    CHECK(sequences_read(&window, sequences));
    if (batches->position == batches->windows) {
        batches->position = 0;
        batches->pass++;
        batches->examples.ordered = false;
        return LRNN_END;
    }
    if (batches->examples.count > 0) {
        example_list_window(&batches->examples, &batches->options, batches->pass,
                            batches->position++, &window);
        options_give(sequences, &window, sizeof window);
        return LRNN_OK;
    }
    size_t B = batches->options.batch, T = batches->options.steps;
    for (size_t b = 0; b < B; b++) {
        CHECK(fill_row(batches, batches->position, b));
    }
    batches->position++;
    window.batch = B;
    window.steps = T;
    window.tokens = batches->inputs;
    window.targets = batches->targets;
    options_give(sequences, &window, sizeof window);
    return LRNN_OK;
}

lrnn_status lrnn_batches_get_rows(const int32_t **rows, const lrnn_batches *batches)
{
    if (rows == NULL) {
        return error_null("rows");
    }
    *rows = NULL;
    if (batches == NULL) {
        return error_null("batches");
    }
    if (batches->examples.window_count == 0) {
        return error_set(LRNN_ERR_STATE, batches->examples.count > 0
                                             ? "no window yet whose rows could be lent"
                                             : "the windows of a stream hold no examples");
    }
    *rows = batches->examples.window_rows;
    return LRNN_OK;
}

lrnn_status lrnn_batches_select(lrnn_batches *batches, const int32_t *rows, size_t count,
                                lrnn_sequences *sequences)
{
    if (batches == NULL || rows == NULL || sequences == NULL) {
        return error_null(batches == NULL ? "batches" : rows == NULL ? "rows" : "sequences");
    }
    example_list *list = &batches->examples;
    if (list->count == 0) {
        return error_set(LRNN_ERR_UNSUPPORTED, "the windows of a stream hold no examples");
    }
    CHECK(check_size("count", count, 1, example_list_rows(list, &batches->options)));
    for (size_t b = 0; b < count; b++) {
        if (rows[b] < 0 || (size_t)rows[b] >= list->count) {
            return error_set(LRNN_ERR_INVALID, "rows[%zu]: expected 0..%zu, found %d", b,
                             list->count - 1, (int)rows[b]);
        }
    }
    lrnn_sequences window;
    CHECK(sequences_read(&window, sequences));
    example_list_select(list, rows, count, &window);
    options_give(sequences, &window, sizeof window);
    return LRNN_OK;
}

lrnn_status lrnn_batches_seek(lrnn_batches *batches, size_t position)
{
    if (batches == NULL) {
        return error_null("batches");
    }
    if (position > batches->windows) {
        return error_set(LRNN_ERR_INVALID, "position: expected 0..%zu, found %zu", batches->windows,
                         position);
    }
    batches->position = position;
    return LRNN_OK;
}

/* ---- checkpoints ---- */

/* What must be the same, so that the cursor means the same window. */
enum { SAME = 6 };

static void fill_same(uint64_t same[SAME], const lrnn_batches *b)
{
    const lrnn_batches_options *o = &b->options;
    same[0] = o->batch;
    same[1] = o->steps;
    same[2] = (uint64_t)o->order;
    same[3] = b->used;
    same[4] = b->examples.count;
    same[5] = o->bucket * 4 + (uint64_t)o->drop_last * 2 + (uint64_t)o->shuffle;
}

static const char *const same_fields[SAME] = {"batch", "steps",    "order",
                                              "used",  "examples", "mixing"};

lrnn_status batches_save(const section_writer *to, const lrnn_batches *batches)
{
    uint64_t same[SAME];
    fill_same(same, batches);
    for (size_t i = 0; i < SAME; i++) {
        CHECK(section_put_count(to, same_fields[i], same[i]));
    }
    CHECK(section_put_count(to, "position", batches->position));
    CHECK(section_put_count(to, "pass", batches->pass));
    return section_put_count(to, "seed", batches->options.seed);
}

lrnn_status batches_read(batches_saved *saved, const section_reader *from,
                         const lrnn_batches *batches)
{
    uint64_t same[SAME], found;
    fill_same(same, batches);
    for (size_t i = 0; i < SAME; i++) {
        CHECK(section_get_count(&found, from, same_fields[i], same[i]));
        if (found != same[i]) {
            return section_mismatch(
                from, i < SAME - 1 ? "other batch, steps, order, examples or number of tokens"
                                   : "other shuffle, drop_last or bucket");
        }
    }
    CHECK(section_get_count(&saved->position, from, "position", 0));
    CHECK(section_get_count(&saved->pass, from, "pass", 0));
    CHECK(section_get_count(&saved->seed, from, "seed", batches->options.seed));
    if (saved->position > batches->windows) {
        return section_damaged(from, "position", "the cursor is out of range");
    }
    return LRNN_OK;
}

void batches_restore(lrnn_batches *batches, const batches_saved *saved)
{
    batches->position = (size_t)saved->position;
    batches->pass = saved->pass;
    batches->options.seed = saved->seed;
    batches->examples.ordered = false;
}
