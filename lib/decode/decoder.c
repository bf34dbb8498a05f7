/* Making decoders. All that a decoder ever needs is one block, which lay_out cuts: once to measure
 * it, once to hand it out. */
#include "decoder.h"

#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "filter.h"
#include "model/model.h"
#include "sample.h"
#include "source.h"

/* Rows of logits that a model's state fills at once when a text is scored. */
#define SCORE_ROWS 8

/* ---- memory ---- */

/* Nothing if a product does not fit. */
static void *take(arena *from, size_t a, size_t b, size_t size)
{
    size_t count;
    if (!size_multiply(&count, a, b)) {
        from->overflow = true;
        return NULL;
    }
    return arena_take(from, count, size);
}

static int32_t *take_copy(arena *from, const int32_t *values, size_t count)
{
    int32_t *copy = arena_take(from, count, sizeof *copy);
    if (copy != NULL && count > 0) {
        memcpy(copy, values, count * sizeof *copy);
    }
    return copy;
}

/* Copies the arrays of the options that the caller gave. */
static void lay_out_options(lrnn_decoder *d, const lrnn_decoder_options *given, arena *from)
{
    lrnn_decoder_options *o = &d->options;
    o->end_tokens = take_copy(from, given->end_tokens, o->end_count);
    o->banned_tokens = take_copy(from, given->banned_tokens, o->banned_count);
    o->forced_tokens = take_copy(from, given->forced_tokens, o->forced_count);
    size_t *lengths = arena_take(from, o->banned_sequence_count, sizeof *lengths);
    const int32_t **sequences = arena_take(from, o->banned_sequence_count, sizeof *sequences);
    for (size_t i = 0; i < o->banned_sequence_count; i++) {
        const int32_t *copy = take_copy(from, given->banned_sequences[i], given->banned_lengths[i]);
        if (copy != NULL) {
            sequences[i] = copy;
            lengths[i] = given->banned_lengths[i];
        }
    }
    o->banned_lengths = lengths;
    o->banned_sequences = sequences;
}

static ending_list take_endings(arena *from, size_t capacity)
{
    return (ending_list){arena_take(from, capacity, sizeof(ending)), 0, capacity};
}

static slot lay_out_slot(const lrnn_decoder *d, arena *from)
{
    slot of = {0};
    size_t nodes;
    if (!size_multiply(&nodes, d->width, d->options.max_length) || !size_add(&nodes, nodes, 1)) {
        from->overflow = true;
        return of;
    }
    of.nodes = arena_take(from, nodes, sizeof *of.nodes);
    of.log_probabilities = arena_take(from, nodes, sizeof *of.log_probabilities);
    of.unfinished = take_endings(from, d->width);
    of.groups = arena_take(from, d->groups, sizeof *of.groups);
    for (size_t g = 0; g < d->groups && !from->overflow; g++) {
        ending_list finished = take_endings(from, d->width / d->groups);
        if (of.groups != NULL) {
            of.groups[g].finished = finished;
        }
    }
    return of;
}

/* All are alike, so one is enough to count them. */
static void lay_out_slots(lrnn_decoder *d, arena *from)
{
    size_t batch = d->options.batch, all;
    d->slots = arena_take(from, batch, sizeof *d->slots);
    if (d->slots == NULL) {
        arena one = {0};
        lay_out_slot(d, &one);
        from->overflow = from->overflow || one.overflow || !size_multiply(&all, one.used, batch) ||
                         !size_add(&from->used, from->used, all);
        return;
    }
    for (size_t i = 0; i < batch; i++) {
        d->slots[i] = lay_out_slot(d, from);
    }
}

static void lay_out_rows(lrnn_decoder *d, arena *from)
{
    size_t rows = d->rows.capacity;
    d->rows.live = arena_take(from, rows, sizeof *d->rows.live);
    d->rows.next = arena_take(from, rows, sizeof *d->rows.next);
    d->rows.parents = arena_take(from, rows, sizeof(int32_t));
    d->rows.tokens = arena_take(from, rows, sizeof(int32_t));
    d->rows.requests = arena_take(from, rows, sizeof(int32_t));
    d->rows.lengths = arena_take(from, rows, sizeof(int32_t));
    d->rows.next_parents = arena_take(from, rows, sizeof(int32_t));
    d->rows.next_tokens = arena_take(from, rows, sizeof(int32_t));
    d->scores.shifts = arena_take(from, rows, sizeof(double));
    d->scores.stuck = arena_take(from, rows, sizeof(bool));
    d->scores.normalizers = arena_take(from, d->scores.capacity, sizeof(double));
    d->scores.maxima = arena_take(from, d->scores.capacity, sizeof(real));
    d->scores.slices = (d->vocab_size + VALUES_SLICE - 1) / VALUES_SLICE;
    d->scores.slice_maxima = take(from, d->scores.capacity, d->scores.slices, sizeof(real));
    d->scores.slice_sums = take(from, d->scores.capacity, d->scores.slices, sizeof(double));
    d->scores.logits = take(from, d->scores.capacity, d->vocab_size, sizeof(real));
    d->scores.values =
        d->filters ? take(from, rows, d->vocab_size, sizeof(real)) : d->scores.logits;
}

static void lay_out_scratch(lrnn_decoder *d, arena *from)
{
    size_t V = d->vocab_size;
    if (decoder_is_beam(&d->options)) {
        size_t ends = d->options.end_count;
        size_t factor =
            d->options.candidates == LRNN_CANDIDATES_TRANSFORMERS && ends == 0 ? 2 : 1 + ends;
        size_multiply(&d->best.capacity, d->width / d->groups, factor);
        d->best.items = arena_take(from, d->best.capacity, sizeof(candidate));
    }
    if (decoder_is_sampled(&d->options)) {
        d->draw.list = arena_take(from, V, sizeof *d->draw.list);
        d->draw.weights = take(from, d->width, V, sizeof(real));
        d->draw.block_sums = take(from, d->width, SAMPLE_BLOCKS(V), sizeof(double));
        d->draw.row_sums = arena_take(from, d->width, sizeof(double));
        d->draw.row_factors = arena_take(from, d->width, sizeof(double));
    }
    if (d->filters) {
        d->past.counts = arena_take(from, V, sizeof(int32_t));
        d->past.seen = arena_take(from, V, sizeof(int32_t));
    }
    d->past.history = arena_take(from, d->options.max_length, sizeof(int32_t));
    d->results.fresh = arena_take(from, d->options.max_length, sizeof(int32_t));
    d->results.fresh_values = arena_take(from, d->options.max_length, sizeof(real));
    d->results.taken = arena_take(from, d->groups, sizeof(size_t));
}

static void lay_out_prompts(lrnn_decoder *d, arena *from)
{
    size_t batch = d->options.batch, rows = batch * PROMPT_STEPS;
    d->source.prompt_tokens = take(from, batch, PROMPT_STEPS, sizeof(int32_t));
    d->source.prompt_parents = arena_take(from, batch, sizeof(int32_t));
    rows = rows > d->rows.capacity ? rows : d->rows.capacity;
    d->source.features = take(from, rows, d->source.feature_size, sizeof(real));
    d->source.prompt_h = take(from, batch, d->source.h_values, sizeof(real));
    d->source.prompt_c =
        d->source.cell_state ? take(from, batch, d->source.c_values, sizeof(real)) : NULL;
}

static void lay_out_results(lrnn_decoder *d, arena *from)
{
    size_t requests = d->options.requests, n_best = d->options.n_best, count;
    d->results.counts = arena_take(from, requests, sizeof(size_t));
    d->results.items = take(from, requests, n_best, sizeof *d->results.items);
    if (!size_multiply(&count, requests, n_best)) {
        from->overflow = true;
        return;
    }
    int32_t *tokens = take(from, count, d->options.max_length, sizeof *tokens);
    real *values = take(from, count, d->options.max_length, sizeof *values);
    for (size_t i = 0; d->results.items != NULL && i < count; i++) {
        d->results.items[i].tokens = tokens + i * d->options.max_length;
        d->results.items[i].log_probabilities = values + i * d->options.max_length;
    }
}

static void lay_out(lrnn_decoder *d, const lrnn_decoder_options *given, arena *from)
{
    lay_out_options(d, given, from);
    lay_out_rows(d, from);
    lay_out_scratch(d, from);
    if (d->source.scorer.score == NULL) {
        lay_out_prompts(d, from);
    }
    lay_out_results(d, from);
    lay_out_slots(d, from);
}

/* ---- create and destroy ---- */

static void derive_sizes(lrnn_decoder *d)
{
    const lrnn_decoder_options *o = &d->options;
    d->width = decoder_is_beam(o) ? o->beam_width : 1;
    d->groups = decoder_is_beam(o) ? o->beam_groups : 1;
    d->rows.capacity = o->batch * d->width;
    d->scores.capacity = d->rows.capacity;
    if (d->source.scorer.score == NULL && d->source.every_step && d->scores.capacity < SCORE_ROWS) {
        d->scores.capacity = SCORE_ROWS;
    }
    d->filters = filter_wanted(o);
    bool whole_groups = o->candidates == LRNN_CANDIDATES_TRANSFORMERS || d->groups > 1;
    d->rules = (search_rules){
        .stopping = o->stopping,
        .kept = whole_groups ? d->width / d->groups : o->n_best,
        .max_length = o->max_length,
        .length_penalty = o->length_penalty,
        .bounded = filter_bounded(o),
    };
}

static lrnn_status fill(lrnn_decoder *made, const lrnn_decoder_options *given,
                        const lrnn_model *model)
{
    arena pieces = {0};
    lay_out(made, given, &pieces);
    CHECK(arena_allocate(&pieces, &made->allocator, "decoder"));
    made->storage = pieces.base;
    lay_out(made, given, &pieces);
    return model != NULL ? source_create_state(made, model) : LRNN_OK;
}

/* From checked options and a source that is known. */
static lrnn_status build(lrnn_decoder **decoder, const lrnn_decoder *draft, const lrnn_model *model)
{
    lrnn_decoder *made = memory_allocate(&draft->allocator, 1, sizeof *made, "decoder");
    if (made == NULL) {
        return LRNN_ERR_MEMORY;
    }
    *made = *draft;
    lrnn_status status = fill(made, &draft->options, model);
    if (status != LRNN_OK) {
        lrnn_decoder_destroy(made);
        return status;
    }
    *decoder = made;
    return LRNN_OK;
}

static lrnn_status create(lrnn_decoder **decoder, const lrnn_model *model,
                          const lrnn_scorer *scorer, const lrnn_decoder_options *options)
{
    lrnn_decoder draft = {0};
    CHECK(decoder_read_options(&draft.options, options));
    const lrnn_allocator *allocator = draft.options.allocator;
    allocator = allocator == NULL && model != NULL ? &model->allocator : allocator;
    CHECK(allocator_read(&draft.allocator, allocator));
    CHECK(model != NULL ? source_read_model(&draft, model) : source_read_scorer(&draft, scorer));
    CHECK(decoder_check_tokens(&draft.options, draft.vocab_size));
    derive_sizes(&draft);
    return build(decoder, &draft, model);
}

lrnn_status lrnn_decoder_create(lrnn_decoder **decoder, const lrnn_model *model,
                                const lrnn_decoder_options *options)
{
    if (decoder == NULL) {
        return error_null("decoder");
    }
    *decoder = NULL;
    return model == NULL ? error_null("model") : create(decoder, model, NULL, options);
}

lrnn_status lrnn_decoder_create_with_scorer(lrnn_decoder **decoder, const lrnn_scorer *scorer,
                                            const lrnn_decoder_options *options)
{
    if (decoder == NULL) {
        return error_null("decoder");
    }
    *decoder = NULL;
    return scorer == NULL ? error_null("scorer") : create(decoder, NULL, scorer, options);
}

void lrnn_decoder_destroy(lrnn_decoder *decoder)
{
    if (decoder == NULL) {
        return;
    }
    lrnn_allocator allocator = decoder->allocator;
    lrnn_state_destroy(decoder->source.state);
    memory_release(&allocator, decoder->storage);
    memory_release(&allocator, decoder);
}
