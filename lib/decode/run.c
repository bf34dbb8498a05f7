/* A run: requests are read and checked, searched in waves of up to `batch`, step by step. The rows
 * of a step are those of slot 0, then those of slot 1, and so on; a slot without rows is done. A
 * callback that stops a run leaves every request that had started with results as far as it got. */
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/options.h"
#include "ctc.h"
#include "decoder.h"
#include "filter.h"
#include "source.h"

/* ---- rows, as callbacks see them ---- */

lrnn_status decoder_check_idle(const lrnn_decoder *decoder)
{
    return decoder->calls.running
               ? error_set(LRNN_ERR_STATE, "called from a callback of the same decoder")
               : LRNN_OK;
}

void decoder_show_rows(lrnn_decoder *decoder)
{
    decoder->rows.shown = (lrnn_rows){
        .size = sizeof(lrnn_rows),
        .count = decoder->rows.count,
        .parents = decoder->rows.parents,
        .tokens = decoder->rows.tokens,
        .requests = decoder->rows.requests,
        .lengths = decoder->rows.lengths,
        .decoder = decoder,
    };
}

lrnn_status lrnn_rows_copy_tokens(int32_t *tokens, size_t capacity, const lrnn_rows *rows,
                                  size_t row)
{
    if (rows == NULL || (tokens == NULL && capacity > 0)) {
        return error_null(rows == NULL ? "rows" : "tokens");
    }
    const lrnn_decoder *d = rows->decoder;
    if (d == NULL && rows->size >= sizeof *rows && rows->ctc != NULL) {
        return ctc_language_copy_tokens(tokens, capacity, rows->ctc, row);
    }
    if (d == NULL) {
        return error_set(LRNN_ERR_INVALID, "rows: not those that a callback was given");
    }
    if (!d->calls.running) {
        return error_set(LRNN_ERR_STATE, "rows: they are gone, their callback has returned");
    }
    if (row >= d->rows.count) {
        return error_set(LRNN_ERR_INVALID, "row: %zu of %zu", row, d->rows.count);
    }
    size_t length = (size_t)d->rows.lengths[row];
    if (capacity < length) {
        return error_set(LRNN_ERR_TOO_SMALL, "capacity: %zu, but the row has %zu tokens", capacity,
                         length);
    }
    if (length == 0) {
        return LRNN_OK;
    }
    if (d->scored != NULL) {
        memcpy(tokens, d->scored, length * sizeof *tokens);
        return LRNN_OK;
    }
    const slot *of = &d->slots[d->rows.live[row].slot];
    if (of->request.count > 0) {
        memcpy(tokens, of->request.tokens, of->request.count * sizeof *tokens);
    }
    search_copy_path(tokens + of->request.count, NULL, d->step, of->nodes, NULL,
                     d->rows.live[row].node);
    return LRNN_OK;
}

/* ---- requests ---- */

static const lrnn_request default_request = {.size = sizeof(lrnn_request)};

lrnn_status lrnn_request_init(lrnn_request *request, size_t struct_size)
{
    return OPTIONS_INIT(request, struct_size, &default_request, lrnn_request);
}

/* The caller's structs may be shorter than ours; all have the size of the first. */
static const lrnn_request *request_at(const lrnn_request *requests, size_t index)
{
    return (const lrnn_request *)(const void *)((const char *)requests + index * requests->size);
}

static lrnn_status check_prompt(const lrnn_decoder *d, const lrnn_request *request, size_t index)
{
    if (request->tokens == NULL && request->count > 0) {
        return error_set(LRNN_ERR_INVALID, "request %zu: tokens: NULL, but count is %zu", index,
                         request->count);
    }
    if (request->count == 0 && d->source.state != NULL) {
        return error_set(LRNN_ERR_INVALID,
                         "request %zu: count: a model needs at least one token to start from",
                         index);
    }
    if (request->count > INT32_MAX - d->options.max_length) {
        return error_set(LRNN_ERR_INVALID, "request %zu: count: %zu is too long", index,
                         request->count);
    }
    for (size_t i = 0; i < request->count; i++) {
        if (request->tokens[i] < 0 || (size_t)request->tokens[i] >= d->source.input_size) {
            return error_set(LRNN_ERR_INVALID,
                             "request %zu: tokens[%zu]: expected 0..%zu, found %d", index, i,
                             d->source.input_size - 1, (int)request->tokens[i]);
        }
    }
    return LRNN_OK;
}

lrnn_status decoder_read_request(lrnn_request *copy, const lrnn_decoder *decoder,
                                 const lrnn_request *requests, size_t index)
{
    const lrnn_request *given = request_at(requests, index);
    CHECK(OPTIONS_READ(copy, given, &default_request, lrnn_request));
    if (given->size != requests->size) {
        return error_set(LRNN_ERR_INVALID, "request %zu: size differs from that of request 0",
                         index);
    }
    bool recurrent = decoder->source.state != NULL && decoder->source.h_values > 0;
    if (copy->h != NULL && !recurrent) {
        return error_set(LRNN_ERR_INVALID, "request %zu: h: given, but the source has none", index);
    }
    if (copy->c != NULL && !decoder->source.cell_state) {
        return error_set(LRNN_ERR_INVALID, "request %zu: c: given, but only LSTM layers have one",
                         index);
    }
    if ((copy->features != NULL) != (decoder->source.feature_size > 0)) {
        return error_set(LRNN_ERR_INVALID, "request %zu: features: %s", index,
                         copy->features != NULL ? "given, but the source reads none"
                                                : "NULL, but the model reads them");
    }
    return check_prompt(decoder, copy, index);
}

/* ---- a wave: up to `batch` requests that start together ---- */

static void start_slot(lrnn_decoder *d, const lrnn_request *requests, size_t index)
{
    size_t i = d->slot_count++;
    slot *of = &d->slots[i];
    decoder_read_request(&of->request, d, requests, index);
    of->index = index;
    of->nodes[SEARCH_ROOT] = search_root;
    of->node_count = 1;
    of->reported = 0;
    of->unfinished.count = 0;
    of->first = i;
    of->count = 1;
    of->done = false;
    for (size_t g = 0; g < d->groups; g++) {
        of->groups[g].finished.count = 0;
        of->groups[g].first = i;
        of->groups[g].count = 1;
    }
    d->rows.live[i] = (hypothesis){.slot = i, .node = SEARCH_ROOT};
    d->rows.parents[i] = -1;
    d->rows.tokens[i] =
        of->request.count > 0 ? of->request.tokens[of->request.count - 1] : NO_TOKEN;
    d->rows.requests[i] = (int32_t)index;
    d->rows.lengths[i] = (int32_t)of->request.count;
}

/* Models want long prompts first; one pass for each length that occurs. */
static void start_slots(lrnn_decoder *d, const lrnn_request *requests, size_t first, size_t count)
{
    size_t below = SIZE_MAX;
    d->slot_count = 0;
    while (d->slot_count < count) {
        size_t longest = 0;
        for (size_t i = first; d->source.state != NULL && i < first + count; i++) {
            size_t length = request_at(requests, i)->count;
            longest = length > longest && length < below ? length : longest;
        }
        for (size_t i = first; i < first + count; i++) {
            if (d->source.state == NULL || request_at(requests, i)->count == longest) {
                start_slot(d, requests, i);
            }
        }
        below = longest;
    }
    d->rows.count = count;
}

/* Makes the next rows this step's. */
static void turn_rows(lrnn_decoder *d, size_t count)
{
    hypothesis *live = d->rows.live;
    int32_t *parents = d->rows.parents, *tokens = d->rows.tokens;
    d->rows.live = d->rows.next;
    d->rows.next = live;
    d->rows.parents = d->rows.next_parents;
    d->rows.next_parents = parents;
    d->rows.tokens = d->rows.next_tokens;
    d->rows.next_tokens = tokens;
    d->rows.count = count;
    d->step++;
    for (size_t row = 0; row < count; row++) {
        const slot *of = &d->slots[d->rows.live[row].slot];
        d->rows.requests[row] = (int32_t)of->index;
        d->rows.lengths[row] = (int32_t)(of->request.count + d->step);
    }
}

/* The continuations of every slot become the next rows. */
static void search_slots(lrnn_decoder *d)
{
    size_t count = 0;
    for (size_t i = 0; i < d->slot_count; i++) {
        slot *of = &d->slots[i];
        size_t first = count;
        if (of->count > 0 && decoder_is_beam(&d->options)) {
            beam_step(d, of, &count);
        } else if (of->count > 0) {
            greedy_step(d, of, &count);
        }
        of->first = first;
        of->count = count - first;
    }
    turn_rows(d, count);
}

static lrnn_status report_slot(lrnn_decoder *d, slot *of)
{
    if (of->done || of->count > 0) {
        return decoder_report(d, of);
    }
    decoder_store(d, of);
    return decoder_report_rest(d, of);
}

static lrnn_status step(lrnn_decoder *d)
{
    decoder_show_rows(d);
    CHECK(source_step(d));
    CHECK(filter_rows(d));
    search_slots(d);
    for (size_t i = 0; i < d->slot_count; i++) {
        CHECK(report_slot(d, &d->slots[i]));
    }
    return LRNN_OK;
}

/* Keeps what there is when a callback has asked to stop. */
static void cancel(lrnn_decoder *d)
{
    for (size_t row = 0; row < d->rows.count; row++) {
        slot *of = &d->slots[d->rows.live[row].slot];
        decoder_end(d, row, NO_TOKEN, d->rows.live[row].sum, LRNN_ENDED_CANCELLED, &of->unfinished);
    }
    for (size_t i = 0; i < d->slot_count; i++) {
        if (!d->slots[i].done) {
            decoder_store(d, &d->slots[i]);
        }
    }
}

static lrnn_status run_wave(lrnn_decoder *d, const lrnn_request *requests, size_t first,
                            size_t count)
{
    d->step = 0;
    start_slots(d, requests, first, count);
    lrnn_status status = source_begin(d);
    while (status == LRNN_OK && d->rows.count > 0) {
        status = step(d);
    }
    if (status == LRNN_ERR_CANCELLED) {
        cancel(d);
    }
    return status;
}

lrnn_status lrnn_decoder_run(lrnn_decoder *decoder, const lrnn_request *requests, size_t count)
{
    if (decoder == NULL || requests == NULL) {
        return error_null(decoder == NULL ? "decoder" : "requests");
    }
    if (count == 0 || count > decoder->options.requests) {
        return error_set(LRNN_ERR_INVALID, "count: expected 1..%zu (options.requests), found %zu",
                         decoder->options.requests, count);
    }
    CHECK(decoder_check_idle(decoder));
    for (size_t i = 0; i < count; i++) {
        lrnn_request given;
        CHECK(decoder_read_request(&given, decoder, requests, i));
    }
    memset(decoder->results.counts, 0, decoder->options.requests * sizeof *decoder->results.counts);
    decoder->results.requests = count;
    decoder->calls.mode = fpmode_enter();
    lrnn_status status = LRNN_OK;
    for (size_t first = 0; status == LRNN_OK && first < count; first += decoder->options.batch) {
        size_t left = count - first;
        status = run_wave(decoder, requests, first,
                          left < decoder->options.batch ? left : decoder->options.batch);
    }
    if (status != LRNN_OK && status != LRNN_ERR_CANCELLED) {
        decoder->results.requests = 0;
    }
    fpmode_leave(decoder->calls.mode);
    return status;
}
