#include "source.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "kernels/kernels.h"
#include "model/state.h"

/* ---- at create ---- */

static const lrnn_scorer default_scorer = {.size = sizeof(lrnn_scorer)};

lrnn_status lrnn_scorer_init(lrnn_scorer *scorer, size_t struct_size)
{
    return OPTIONS_INIT(scorer, struct_size, &default_scorer, lrnn_scorer);
}

lrnn_status source_read_scorer(lrnn_decoder *decoder, const lrnn_scorer *scorer)
{
    lrnn_scorer *s = &decoder->scorer;
    lrnn_status status = OPTIONS_READ(s, scorer, &default_scorer, lrnn_scorer);
    if (status != LRNN_OK) {
        return status;
    }
    if (s->score == NULL) {
        return error_null("score");
    }
    if (s->vocab_size == 0 || s->vocab_size > INT32_MAX) {
        return error_set(LRNN_ERR_INVALID, "vocab_size: expected 1..%d, found %zu", INT32_MAX,
                         s->vocab_size);
    }
    decoder->vocab_size = decoder->input_size = s->vocab_size;
    return LRNN_OK;
}

lrnn_status source_read_model(lrnn_decoder *decoder, const lrnn_model *model)
{
    const network *net = &model->net;
    const lrnn_model_options *o = &net->options;
    const char *why = o->vocab_size == 0           ? "it does not read tokens"
                      : o->bidirectional != 0      ? "it is bidirectional"
                      : o->head == LRNN_HEAD_NONE  ? "it has no head"
                      : o->output_size > INT32_MAX ? "it has too many outputs"
                                                   : NULL;
    if (why != NULL) {
        return error_set(LRNN_ERR_UNSUPPORTED, "the model cannot be decoded from: %s", why);
    }
    if (o->output_size > o->vocab_size) {
        return error_set(LRNN_ERR_UNSUPPORTED,
                         "the model cannot be decoded from: it has %zu outputs but reads only %zu "
                         "tokens",
                         o->output_size, o->vocab_size);
    }
    decoder->vocab_size = o->output_size;
    decoder->input_size = o->vocab_size;
    decoder->feature_size = o->feature_size;
    decoder->layers = o->layers;
    decoder->h_size = net->h_size;
    decoder->c_size = o->hidden_size;
    decoder->cell_state = network_has_cell_state(net);
    decoder->every_step = o->head == LRNN_HEAD_STEPS;
    return LRNN_OK;
}

/* A chunk of steps takes scratch for all rows: few steps where there are many rows. */
#define CHUNK_ROWS 256

lrnn_status source_create_state(lrnn_decoder *decoder, const lrnn_model *model)
{
    lrnn_state_options options;
    lrnn_status status = lrnn_state_options_init(&options, sizeof options);
    if (status != LRNN_OK) {
        return status;
    }
    size_t steps = CHUNK_ROWS / decoder->row_capacity;
    options.allocator = &decoder->allocator;
    options.batch = decoder->row_capacity;
    options.steps = steps < 1 ? 1 : steps > PROMPT_STEPS ? PROMPT_STEPS : steps;
    return lrnn_state_create(&decoder->state, model, &options);
}

/* ---- prompts ---- */

static lrnn_status import_states(lrnn_decoder *d, size_t first, size_t rows)
{
    real *h = d->prompt_h, *c = d->cell_state ? d->prompt_c : NULL;
    lrnn_status status = lrnn_state_export(h, c, d->state);
    if (status != LRNN_OK) {
        return status;
    }
    size_t R = d->h_size, H = d->c_size;
    for (size_t layer = 0; layer < d->layers; layer++) {
        for (size_t b = first; b < rows; b++) {
            const lrnn_request *request = &d->slots[b].request;
            size_t row = layer * rows + b;
            if (request->h != NULL) {
                memcpy(h + row * R, request->h + layer * R, R * sizeof(real));
            }
            if (request->c != NULL) {
                memcpy(c + row * H, request->c + layer * H, H * sizeof(real));
            }
        }
    }
    return lrnn_state_import(d->state, h, c);
}

/* Slots first..rows-1 start a stream each, beside those that run already. */
static lrnn_status join(lrnn_decoder *d, size_t first, size_t rows)
{
    bool given = false;
    for (size_t b = 0; b < rows; b++) {
        d->prompt_parents[b] = b < first ? (int32_t)b : -1;
        given = given ||
                (b >= first && (d->slots[b].request.h != NULL || d->slots[b].request.c != NULL));
    }
    lrnn_status status = lrnn_state_reorder(d->state, d->prompt_parents, rows);
    return status == LRNN_OK && given ? import_states(d, first, rows) : status;
}

/* Repeats the features of each row's request `steps` times. */
static const real *gather_features(lrnn_decoder *d, size_t rows, size_t steps)
{
    size_t F = d->feature_size;
    for (size_t i = 0; F > 0 && i < rows * steps; i++) {
        memcpy(d->features + i * F, d->slots[d->live[i / steps].slot].request.features,
               F * sizeof(real));
    }
    return F > 0 ? d->features : NULL;
}

static lrnn_status forward(lrnn_decoder *d, size_t rows, size_t steps, const int32_t *tokens,
                           real *outputs)
{
    lrnn_sequences sequences;
    lrnn_status status = lrnn_sequences_init(&sequences, sizeof sequences);
    if (status != LRNN_OK) {
        return status;
    }
    sequences.batch = rows;
    sequences.steps = steps;
    sequences.tokens = tokens;
    sequences.features = gather_features(d, rows, steps);
    return lrnn_state_forward(d->state, &sequences, outputs);
}

/* Feeds slots 0..rows-1 their tokens from `left` to `stop` before the last. */
static lrnn_status feed(lrnn_decoder *d, size_t rows, size_t left, size_t stop)
{
    lrnn_status status = LRNN_OK;
    while (left > stop && status == LRNN_OK) {
        size_t steps = left - stop < PROMPT_STEPS ? left - stop : PROMPT_STEPS;
        for (size_t b = 0; b < rows; b++) {
            const lrnn_request *request = &d->slots[b].request;
            memcpy(d->prompt_tokens + b * steps, request->tokens + request->count - 1 - left,
                   steps * sizeof *d->prompt_tokens);
        }
        status = forward(d, rows, steps, d->prompt_tokens, NULL);
        left -= steps;
    }
    return status;
}

/* All prompts end together: the longest starts alone, and others join it as they get due. */
lrnn_status source_begin(lrnn_decoder *decoder)
{
    lrnn_status status = LRNN_OK;
    size_t rows = 0;
    while (decoder->state != NULL && rows < decoder->slot_count && status == LRNN_OK) {
        size_t first = rows, count = decoder->slots[first].request.count;
        while (rows < decoder->slot_count && decoder->slots[rows].request.count == count) {
            rows++;
        }
        size_t next = rows < decoder->slot_count ? decoder->slots[rows].request.count : 1;
        status = join(decoder, first, rows);
        if (status == LRNN_OK) {
            status = feed(decoder, rows, count - 1, next - 1);
        }
    }
    return status;
}

/* ---- steps ---- */

static size_t slice_width(const lrnn_decoder *d, size_t slice)
{
    size_t left = d->vocab_size - slice * VALUES_SLICE;
    return left < VALUES_SLICE ? left : VALUES_SLICE;
}

static void sum_slice(lrnn_decoder *d, size_t rows, size_t slice)
{
    size_t count = slice_width(d, slice);
    for (size_t row = 0; row < rows; row++) {
        const real *values = d->logits + row * d->vocab_size + slice * VALUES_SLICE;
        real *maximum = &d->slice_maxima[row * d->slices + slice];
        double *sum = &d->slice_sums[row * d->slices + slice];
        kernels()->max_sum_exp(values, count, maximum, sum);
        if (*maximum == -(real)INFINITY && values_are_valid(values, count)) {
            *sum = 0;
        }
    }
}

/* From the slices of each row to its maximum and normalizer. */
static lrnn_status join_slices(lrnn_decoder *d, size_t rows)
{
    for (size_t row = 0; row < rows; row++) {
        const real *maxima = d->slice_maxima + row * d->slices;
        const double *sums = d->slice_sums + row * d->slices;
        real greatest = values_maximum(maxima, d->slices);
        double sum = 0;
        for (size_t i = 0; i < d->slices; i++) {
            sum += sums[i] == 0 ? 0 : sums[i] * exp((double)maxima[i] - (double)greatest);
        }
        d->maxima[row] = greatest;
        d->normalizers[row] = (double)greatest + log(sum);
        if (!isfinite(d->normalizers[row])) {
            return error_set(LRNN_ERR_NUMERIC,
                             "logits of row %zu: NaN, +infinity or nothing but -infinity", row);
        }
    }
    return LRNN_OK;
}

lrnn_status source_normalize(lrnn_decoder *decoder, size_t rows)
{
    for (size_t slice = 0; slice < decoder->slices; slice++) {
        sum_slice(decoder, rows, slice);
    }
    return join_slices(decoder, rows);
}

/* The head, a slice at a time for all rows: logits are added up while they are in cache. */
static lrnn_status step_model(lrnn_decoder *d)
{
    const real *top;
    size_t top_row, rows = d->row_count;
    lrnn_status status = LRNN_OK;
    if (d->step > 0) {
        status = lrnn_state_reorder(d->state, d->parents, rows);
    }
    if (status == LRNN_OK) {
        status = state_step(&top, &top_row, d->state, d->tokens, gather_features(d, rows, 1));
    }
    if (status != LRNN_OK) {
        return status;
    }
    for (size_t i = 0; i < d->slices; i++) {
        size_t slice = d->last_first ? d->slices - 1 - i : i, first = slice * VALUES_SLICE;
        state_head_part(d->state->model, first, slice_width(d, slice), rows, top, top_row,
                        d->logits + first, d->vocab_size);
        sum_slice(d, rows, slice);
    }
    d->last_first = !d->last_first;
    return join_slices(d, rows);
}

lrnn_status source_step(lrnn_decoder *decoder)
{
    if (decoder->state != NULL) {
        return step_model(decoder);
    }
    decoder_leave(decoder);
    lrnn_status status = decoder_return(
        decoder, decoder->scorer.score(decoder->scorer.user, &decoder->rows, decoder->logits),
        "score");
    return status == LRNN_OK ? source_normalize(decoder, decoder->row_count) : status;
}

lrnn_status source_feed(lrnn_decoder *decoder, size_t first, size_t count)
{
    return forward(decoder, 1, count, decoder->slots[0].request.tokens + first, decoder->logits);
}
