/* Only the tokens that a filter names are touched; the rest of a row is copied once. */
#include "filter.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"

static bool has_penalty(const lrnn_decoder_options *o)
{
    return o->repetition_penalty != 1 || o->presence_penalty != 0 || o->frequency_penalty != 0;
}

bool filter_wanted(const lrnn_decoder_options *options)
{
    return has_penalty(options) || options->no_repeat_ngram > 0 || options->banned_count > 0 ||
           options->banned_sequence_count > 0 || options->forced_count > 0 ||
           (options->min_length > 0 && options->end_count > 0) || options->allowed != NULL ||
           options->logits != NULL || options->diversity_penalty > 0;
}

bool filter_bounded(const lrnn_decoder_options *options)
{
    return options->presence_penalty >= 0 && options->frequency_penalty >= 0 &&
           options->logits == NULL &&
           (options->penalize == LRNN_PENALTY_LOG_PROBABILITIES ||
            options->repetition_penalty >= 1);
}

/* What a filter looks back on: the prompt, if it is asked to, then the generated tokens. */
typedef struct view {
    const int32_t *prompt, *generated;
    size_t prompt_count, count;
} view;

static int32_t token_at(const view *text, size_t i)
{
    return i < text->prompt_count ? text->prompt[i] : text->generated[i - text->prompt_count];
}

/* How many of the last tokens the filters need to see. */
static size_t needed(const lrnn_decoder *d)
{
    const lrnn_decoder_options *o = &d->options;
    size_t most = 0;
    if (has_penalty(o) || o->no_repeat_ngram > 0) {
        return d->step;
    }
    for (size_t i = 0; i < o->banned_sequence_count; i++) {
        most = o->banned_lengths[i] - 1 > most ? o->banned_lengths[i] - 1 : most;
    }
    return most < d->step ? most : d->step;
}

static view look_back(lrnn_decoder *d, size_t row)
{
    const slot *of = &d->slots[d->rows.live[row].slot];
    size_t count = needed(d);
    search_copy_path(d->past.history, NULL, count, of->nodes, NULL, d->rows.live[row].node);
    view text = {of->request.tokens, d->past.history, 0, count};
    if (d->options.filter_prompt == 1 && count == d->step) {
        text.prompt_count = of->request.count;
        text.count += of->request.count;
    }
    return text;
}

/* ---- penalties ---- */

static double penalized(const lrnn_decoder_options *o, double value, int32_t occurrences)
{
    if (o->repetition_penalty != 1) {
        value = value < 0 ? value * o->repetition_penalty : value / o->repetition_penalty;
    }
    return value - o->presence_penalty - o->frequency_penalty * (double)occurrences;
}

/* Penalties are finite numbers of any size, but a value must not become infinite, or none is
 * comparable with it. */
static lrnn_status check_penalized(double value, size_t row, int32_t token)
{
    if ((real)value < (real)INFINITY) {
        return LRNN_OK;
    }
    return error_set(LRNN_ERR_NUMERIC,
                     "row %zu: the penalties make the value of token %d infinite; use smaller ones",
                     row, (int)token);
}

static lrnn_status penalize(lrnn_decoder *d, size_t row, const view *text, real *values)
{
    size_t distinct = 0;
    for (size_t i = 0; i < text->count; i++) {
        int32_t token = token_at(text, i);
        if ((size_t)token < d->vocab_size && d->past.counts[token]++ == 0) {
            d->past.seen[distinct++] = token;
        }
    }
    lrnn_status status = LRNN_OK;
    double zero = d->options.penalize == LRNN_PENALTY_LOGITS ? 0 : d->scores.shifts[row];
    for (size_t i = 0; i < distinct; i++) {
        int32_t token = d->past.seen[i];
        double value = penalized(&d->options, (double)values[token] - zero, d->past.counts[token]);
        if (status == LRNN_OK) {
            status = check_penalized(value + zero, row, token);
        }
        values[token] = (real)(value + zero);
        d->past.counts[token] = 0;
    }
    return status;
}

/* ---- bans ---- */

/* True if the text ends with these tokens. */
static bool matches_end(const view *text, const int32_t *tokens, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (token_at(text, text->count - count + i) != tokens[i]) {
            return false;
        }
    }
    return true;
}

static void ban_sequences(const lrnn_decoder *d, const view *text, real *values)
{
    for (size_t i = 0; i < d->options.banned_sequence_count; i++) {
        const int32_t *sequence = d->options.banned_sequences[i];
        size_t before = d->options.banned_lengths[i] - 1;
        if (before <= text->count && matches_end(text, sequence, before)) {
            values[sequence[before]] = -(real)INFINITY;
        }
    }
}

/* Bans what followed each earlier occurrence of the last n - 1 tokens. */
static void ban_repeated_ngrams(const lrnn_decoder *d, const view *text, real *values)
{
    size_t before = d->options.no_repeat_ngram - 1;
    for (size_t i = 0; i + before < text->count; i++) {
        size_t k = 0;
        while (k < before && token_at(text, i + k) == token_at(text, text->count - before + k)) {
            k++;
        }
        int32_t token = token_at(text, i + before);
        if (k == before && (size_t)token < d->vocab_size) {
            values[token] = -(real)INFINITY;
        }
    }
}

static void ban(const lrnn_decoder *d, const view *text, real *values)
{
    const lrnn_decoder_options *o = &d->options;
    for (size_t i = 0; i < o->banned_count; i++) {
        values[o->banned_tokens[i]] = -(real)INFINITY;
    }
    ban_sequences(d, text, values);
    if (o->no_repeat_ngram > 0) {
        ban_repeated_ngrams(d, text, values);
    }
    for (size_t i = 0; d->step < o->min_length && i < o->end_count; i++) {
        values[o->end_tokens[i]] = -(real)INFINITY;
    }
}

/* ---- forced and allowed ---- */

static void force(const lrnn_decoder *d, real *values, const real *logits, double normalizer,
                  double shift)
{
    int32_t token = d->options.forced_tokens[d->step];
    for (size_t i = 0; i < d->vocab_size; i++) {
        values[i] = -(real)INFINITY;
    }
    values[token] = (real)((double)logits[token] - normalizer + shift);
}

static lrnn_status allow(lrnn_decoder *d, size_t row, real *values)
{
    const int32_t *tokens = NULL;
    size_t count = LRNN_AUTO;
    search_leave(&d->calls);
    CHECK(search_return(&d->calls,
                        d->options.allowed(d->options.user, &d->rows.shown, row, &tokens, &count),
                        "allowed"));
    if (count == LRNN_AUTO) {
        return LRNN_OK;
    }
    if (tokens == NULL && count > 0) {
        return error_set(LRNN_ERR_CALLBACK, "allowed: %zu tokens, but tokens is NULL", count);
    }
    for (size_t i = 0; i < count; i++) {
        if (tokens[i] < 0 || (size_t)tokens[i] >= d->vocab_size) {
            return error_set(LRNN_ERR_CALLBACK, "allowed: tokens[%zu]: expected 0..%zu, found %d",
                             i, d->vocab_size - 1, (int)tokens[i]);
        }
    }
    for (size_t i = 0; i < count; i++) {
        d->past.counts[tokens[i]] = 1;
    }
    for (size_t i = 0; i < d->vocab_size; i++) {
        values[i] = d->past.counts[i] != 0 ? values[i] : -(real)INFINITY;
    }
    for (size_t i = 0; i < count; i++) {
        d->past.counts[tokens[i]] = 0;
    }
    return LRNN_OK;
}

/* ---- a row, all rows ---- */

/* The caller's callback is promised log-probabilities. */
static void start_row(lrnn_decoder *d, size_t row)
{
    size_t V = d->vocab_size;
    real *values = d->scores.values + row * V;
    memcpy(values, d->scores.logits + row * V, V * sizeof(real));
    d->scores.shifts[row] = d->scores.normalizers[row];
    if (d->options.logits != NULL && d->options.penalize == LRNN_PENALTY_LOG_PROBABILITIES) {
        real shift = (real)d->scores.shifts[row];
        for (size_t i = 0; i < V; i++) {
            values[i] -= shift;
        }
        d->scores.shifts[row] = 0;
    }
}

static lrnn_status filter_row(lrnn_decoder *d, size_t row)
{
    size_t V = d->vocab_size;
    real *values = d->scores.values + row * V;
    start_row(d, row);
    if (d->step < d->options.forced_count) {
        force(d, values, d->scores.logits + row * V, d->scores.normalizers[row],
              d->scores.shifts[row]);
    } else {
        view text = look_back(d, row);
        if (has_penalty(&d->options)) {
            CHECK(penalize(d, row, &text, values));
        }
        ban(d, &text, values);
    }
    return d->options.allowed != NULL ? allow(d, row, values) : LRNN_OK;
}

static lrnn_status change_logits(lrnn_decoder *d)
{
    search_leave(&d->calls);
    CHECK(search_return(
        &d->calls, d->options.logits(d->options.user, &d->rows.shown, d->scores.values), "logits"));
    for (size_t row = 0; row < d->rows.count; row++) {
        if (!values_are_valid(d->scores.values + row * d->vocab_size, d->vocab_size)) {
            return error_set(LRNN_ERR_NUMERIC, "logits callback, row %zu: NaN or +infinity", row);
        }
    }
    return LRNN_OK;
}

lrnn_status filter_rows(lrnn_decoder *decoder)
{
    decode_scores *scores = &decoder->scores;
    size_t V = decoder->vocab_size, rows = decoder->rows.count;
    if (!decoder->filters) {
        memcpy(scores->shifts, scores->normalizers, rows * sizeof(double));
        return LRNN_OK;
    }
    for (size_t row = 0; row < rows; row++) {
        CHECK(filter_row(decoder, row));
    }
    if (decoder->options.logits != NULL) {
        CHECK(change_logits(decoder));
    }
    for (size_t row = 0; row < rows; row++) {
        scores->maxima[row] = values_maximum(scores->values + row * V, V);
        scores->stuck[row] = scores->maxima[row] == -(real)INFINITY;
    }
    return LRNN_OK;
}
