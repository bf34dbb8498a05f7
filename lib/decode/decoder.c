#include "decoder.h"

#include <string.h>

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

/* Copies of the caller's arrays; `given` are his options. */
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
    of.nodes = take(from, d->width, d->options.max_length, sizeof *of.nodes);
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
    size_t rows = d->row_capacity;
    d->live = arena_take(from, rows, sizeof *d->live);
    d->next = arena_take(from, rows, sizeof *d->next);
    d->parents = arena_take(from, rows, sizeof(int32_t));
    d->tokens = arena_take(from, rows, sizeof(int32_t));
    d->owners = arena_take(from, rows, sizeof(int32_t));
    d->lengths = arena_take(from, rows, sizeof(int32_t));
    d->next_parents = arena_take(from, rows, sizeof(int32_t));
    d->next_tokens = arena_take(from, rows, sizeof(int32_t));
    d->shifts = arena_take(from, rows, sizeof(double));
    d->stuck = arena_take(from, rows, sizeof(bool));
    d->normalizers = arena_take(from, d->logits_rows, sizeof(double));
    d->maxima = arena_take(from, d->logits_rows, sizeof(real));
    d->slices = (d->vocab_size + VALUES_SLICE - 1) / VALUES_SLICE;
    d->slice_maxima = take(from, d->logits_rows, d->slices, sizeof(real));
    d->slice_sums = take(from, d->logits_rows, d->slices, sizeof(double));
    d->logits = take(from, d->logits_rows, d->vocab_size, sizeof(real));
    d->values = d->filters ? take(from, rows, d->vocab_size, sizeof(real)) : d->logits;
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
        d->list = arena_take(from, V, sizeof *d->list);
        d->weights = take(from, d->width, V, sizeof(real));
        d->block_sums = take(from, d->width, SAMPLE_BLOCKS(V), sizeof(double));
        d->row_sums = arena_take(from, d->width, sizeof(double));
        d->row_factors = arena_take(from, d->width, sizeof(double));
    }
    if (d->filters) {
        d->counts = arena_take(from, V, sizeof(int32_t));
        d->seen = arena_take(from, V, sizeof(int32_t));
    }
    d->history = arena_take(from, d->options.max_length, sizeof(int32_t));
    d->history_values = arena_take(from, d->options.max_length, sizeof(real));
    d->taken = arena_take(from, d->groups, sizeof(size_t));
}

static void lay_out_prompts(lrnn_decoder *d, arena *from)
{
    size_t batch = d->options.batch, rows = batch * PROMPT_STEPS;
    d->prompt_tokens = take(from, batch, PROMPT_STEPS, sizeof(int32_t));
    d->prompt_parents = arena_take(from, batch, sizeof(int32_t));
    rows = rows > d->row_capacity ? rows : d->row_capacity;
    d->features = take(from, rows, d->feature_size, sizeof(real));
    size_t h = d->layers * d->h_size, c = d->layers * d->c_size;
    d->prompt_h = take(from, batch, h, sizeof(real));
    d->prompt_c = d->cell_state ? take(from, batch, c, sizeof(real)) : NULL;
}

static void lay_out_results(lrnn_decoder *d, arena *from)
{
    size_t requests = d->options.requests, n_best = d->options.n_best, count;
    d->result_counts = arena_take(from, requests, sizeof(size_t));
    d->results = take(from, requests, n_best, sizeof *d->results);
    if (!size_multiply(&count, requests, n_best)) {
        from->overflow = true;
        return;
    }
    int32_t *tokens = take(from, count, d->options.max_length, sizeof *tokens);
    real *values = take(from, count, d->options.max_length, sizeof *values);
    for (size_t i = 0; d->results != NULL && i < count; i++) {
        d->results[i].tokens = tokens + i * d->options.max_length;
        d->results[i].log_probabilities = values + i * d->options.max_length;
    }
}

static void lay_out(lrnn_decoder *d, const lrnn_decoder_options *given, arena *from)
{
    lay_out_options(d, given, from);
    lay_out_rows(d, from);
    lay_out_scratch(d, from);
    if (d->scorer.score == NULL) {
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
    d->row_capacity = o->batch * d->width;
    d->logits_rows = d->row_capacity;
    if (d->scorer.score == NULL && d->every_step && d->logits_rows < SCORE_ROWS) {
        d->logits_rows = SCORE_ROWS;
    }
    d->filters = filter_wanted(o);
    d->bounded = filter_bounded(o);
}

/* From checked options and a source that is known. */
static lrnn_status build(lrnn_decoder **decoder, const lrnn_decoder *draft, const lrnn_model *model)
{
    *decoder = memory_allocate(&draft->allocator, 1, sizeof **decoder, "decoder");
    if (*decoder == NULL) {
        return LRNN_ERR_MEMORY;
    }
    lrnn_decoder *made = *decoder;
    *made = *draft;
    arena pieces = {0};
    lay_out(made, &draft->options, &pieces);
    lrnn_status status = arena_allocate(&pieces, &made->allocator, "decoder");
    if (status == LRNN_OK) {
        made->storage = pieces.base;
        lay_out(made, &draft->options, &pieces);
        if (model != NULL) {
            status = source_create_state(made, model);
        }
    }
    if (status != LRNN_OK) {
        lrnn_decoder_destroy(made);
        *decoder = NULL;
    }
    return status;
}

static lrnn_status create(lrnn_decoder **decoder, const lrnn_model *model,
                          const lrnn_scorer *scorer, const lrnn_decoder_options *options)
{
    lrnn_decoder draft = {0};
    lrnn_status status = decoder_read_options(&draft.options, options);
    if (status == LRNN_OK) {
        status = allocator_read(&draft.allocator, draft.options.allocator == NULL && model != NULL
                                                      ? &model->allocator
                                                      : draft.options.allocator);
    }
    if (status == LRNN_OK) {
        status =
            model != NULL ? source_read_model(&draft, model) : source_read_scorer(&draft, scorer);
    }
    if (status == LRNN_OK) {
        status = decoder_check_tokens(&draft.options, draft.vocab_size);
    }
    if (status == LRNN_OK) {
        derive_sizes(&draft);
        status = build(decoder, &draft, model);
    }
    return status;
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
    lrnn_state_destroy(decoder->state);
    memory_release(&allocator, decoder->storage);
    memory_release(&allocator, decoder);
}
