/* Scores from a model: prompts are fed many steps at a time, all requests of a wave together; a
 * step of the search is one step of the model's state, reordered by the rows' parents. The head is
 * computed in slices of VALUES_SLICE outputs, whose maxima and sums are taken while they are in
 * cache. A scorer is asked for whole rows, and its logits are then treated alike. */
#include "source.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/options.h"
#include "kernels/kernels.h"
#include "model/layer_state.h"
#include "model/state.h"

/* ---- at create ---- */

static const lrnn_scorer default_scorer = {.size = sizeof(lrnn_scorer)};

lrnn_status lrnn_scorer_init(lrnn_scorer *scorer, size_t struct_size)
{
    return OPTIONS_INIT(scorer, struct_size, &default_scorer, lrnn_scorer);
}

lrnn_status source_read_scorer(lrnn_decoder *decoder, const lrnn_scorer *scorer)
{
    lrnn_scorer *s = &decoder->source.scorer;
    CHECK(OPTIONS_READ(s, scorer, &default_scorer, lrnn_scorer));
    if (s->score == NULL) {
        return error_null("score");
    }
    if (s->vocab_size == 0 || s->vocab_size > INT32_MAX) {
        return error_set(LRNN_ERR_INVALID, "vocab_size: expected 1..%d, found %zu", INT32_MAX,
                         s->vocab_size);
    }
    decoder->vocab_size = decoder->source.input_size = s->vocab_size;
    return LRNN_OK;
}

lrnn_status source_read_model(lrnn_decoder *decoder, const lrnn_model *model)
{
    const network *net = &model->net;
    const lrnn_model_options *o = &net->options;
    const char *why = o->vocab_size == 0           ? "it does not read tokens"
                      : o->bidirectional != 0      ? "it is bidirectional"
                      : o->head == LRNN_HEAD_NONE  ? "it has no head"
                      : !network_gives_logits(net) ? "its output_activation is not of logits"
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
    decoder->source.input_size = o->vocab_size;
    decoder->source.feature_size = o->feature_size;
    decoder->source.h_values = net->h_values;
    decoder->source.c_values = net->c_values;
    decoder->source.cell_state = network_has_cell_state(net);
    decoder->source.every_step = network_answers_every_step(net);
    return LRNN_OK;
}

/* The scratch of a call is steps * rows: few steps where there are many rows. */
#define SCRATCH_ROWS 256

lrnn_status source_create_state(lrnn_decoder *decoder, const lrnn_model *model)
{
    lrnn_state_options options;
    CHECK(lrnn_state_options_init(&options, sizeof options));
    size_t steps = SCRATCH_ROWS / decoder->rows.capacity;
    options.allocator = &decoder->allocator;
    options.batch = decoder->rows.capacity;
    options.steps = steps < 1 ? 1 : steps > PROMPT_STEPS ? PROMPT_STEPS : steps;
    return lrnn_state_create(&decoder->source.state, model, &options);
}

/* ---- prompts ---- */

static lrnn_status import_states(lrnn_decoder *d, size_t first, size_t rows)
{
    real *h = d->source.prompt_h, *c = d->source.cell_state ? d->source.prompt_c : NULL;
    CHECK(lrnn_state_export(h, c, d->source.state));
    const network *net = &d->source.state->model->net;
    for (size_t b = first; b < rows; b++) {
        const lrnn_request *request = &d->slots[b].request;
        layer_state to = {request->h != NULL ? h : NULL, request->c != NULL ? c : NULL, rows, b};
        layer_state_copy(net, to, (layer_state_view){request->h, request->c, 1, 0}, 1);
    }
    return lrnn_state_import(d->source.state, h, c);
}

/* Slots first..rows-1 start a stream each, beside those that run already. */
static lrnn_status join(lrnn_decoder *d, size_t first, size_t rows)
{
    bool given = false;
    for (size_t b = 0; b < rows; b++) {
        d->source.prompt_parents[b] = b < first ? (int32_t)b : -1;
        given = given ||
                (b >= first && (d->slots[b].request.h != NULL || d->slots[b].request.c != NULL));
    }
    CHECK(lrnn_state_reorder(d->source.state, d->source.prompt_parents, rows));
    return given ? import_states(d, first, rows) : LRNN_OK;
}

/* Repeats the features of each row's request `steps` times. */
static const real *gather_features(lrnn_decoder *d, size_t rows, size_t steps)
{
    size_t F = d->source.feature_size;
    for (size_t i = 0; F > 0 && i < rows * steps; i++) {
        memcpy(d->source.features + i * F, d->slots[d->rows.live[i / steps].slot].request.features,
               F * sizeof(real));
    }
    return F > 0 ? d->source.features : NULL;
}

static lrnn_status forward(lrnn_decoder *d, size_t rows, size_t steps, const int32_t *tokens,
                           real *outputs)
{
    lrnn_sequences sequences;
    CHECK(lrnn_sequences_init(&sequences, sizeof sequences));
    sequences.batch = rows;
    sequences.steps = steps;
    sequences.tokens = tokens;
    sequences.features = gather_features(d, rows, steps);
    return state_forward(d->source.state, &sequences, outputs);
}

/* Feeds slots 0..rows-1 their tokens from `left` to `stop` before the last. */
static lrnn_status feed(lrnn_decoder *d, size_t rows, size_t left, size_t stop)
{
    while (left > stop) {
        size_t steps = left - stop < PROMPT_STEPS ? left - stop : PROMPT_STEPS;
        for (size_t b = 0; b < rows; b++) {
            const lrnn_request *request = &d->slots[b].request;
            memcpy(d->source.prompt_tokens + b * steps, request->tokens + request->count - 1 - left,
                   steps * sizeof *d->source.prompt_tokens);
        }
        CHECK(forward(d, rows, steps, d->source.prompt_tokens, NULL));
        left -= steps;
    }
    return LRNN_OK;
}

/* All prompts end together: the longest starts alone, and others join it as they get due. */
lrnn_status source_begin(lrnn_decoder *decoder)
{
    const slot *slots = decoder->slots;
    size_t rows = 0, all = decoder->source.state != NULL ? decoder->slot_count : 0;
    while (rows < all) {
        size_t first = rows, count = slots[first].request.count;
        while (rows < all && slots[rows].request.count == count) {
            rows++;
        }
        size_t next = rows < all ? slots[rows].request.count : 1;
        CHECK(join(decoder, first, rows));
        CHECK(feed(decoder, rows, count - 1, next - 1));
    }
    return LRNN_OK;
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
        const real *values = d->scores.logits + row * d->vocab_size + slice * VALUES_SLICE;
        real *maximum = &d->scores.slice_maxima[row * d->scores.slices + slice];
        double *sum = &d->scores.slice_sums[row * d->scores.slices + slice];
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
        const real *maxima = d->scores.slice_maxima + row * d->scores.slices;
        const double *sums = d->scores.slice_sums + row * d->scores.slices;
        real greatest = values_maximum(maxima, d->scores.slices);
        double sum = 0;
        for (size_t i = 0; i < d->scores.slices; i++) {
            sum += sums[i] == 0 ? 0 : sums[i] * exp((double)maxima[i] - (double)greatest);
        }
        d->scores.maxima[row] = greatest;
        d->scores.normalizers[row] = (double)greatest + log(sum);
        if (!isfinite(d->scores.normalizers[row])) {
            return error_set(LRNN_ERR_NUMERIC,
                             "logits of row %zu: NaN, +infinity or nothing but -infinity", row);
        }
    }
    return LRNN_OK;
}

lrnn_status source_normalize(lrnn_decoder *decoder, size_t rows)
{
    for (size_t slice = 0; slice < decoder->scores.slices; slice++) {
        sum_slice(decoder, rows, slice);
    }
    return join_slices(decoder, rows);
}

/* The head, a slice at a time for all rows: logits are added up while they are in cache. */
static lrnn_status step_model(lrnn_decoder *d)
{
    const real *top;
    size_t top_row, rows = d->rows.count;
    if (d->step > 0) {
        CHECK(lrnn_state_reorder(d->source.state, d->rows.parents, rows));
    }
    CHECK(state_step(&top, &top_row, d->source.state, d->rows.tokens, gather_features(d, rows, 1)));
    if (!state_head_has_parts(d->source.state->model)) {
        state_head(d->source.state, rows, top, top_row, d->scores.logits, d->vocab_size);
        return source_normalize(d, rows);
    }
    for (size_t i = 0; i < d->scores.slices; i++) {
        size_t slice = d->source.last_first ? d->scores.slices - 1 - i : i,
               first = slice * VALUES_SLICE;
        state_head_part(d->source.state->model, first, slice_width(d, slice), rows, top, top_row,
                        d->scores.logits + first, d->vocab_size);
        sum_slice(d, rows, slice);
    }
    d->source.last_first = !d->source.last_first;
    return join_slices(d, rows);
}

lrnn_status source_step(lrnn_decoder *decoder)
{
    if (decoder->source.state != NULL) {
        return step_model(decoder);
    }
    const lrnn_scorer *scorer = &decoder->source.scorer;
    search_leave(&decoder->calls);
    CHECK(search_return(&decoder->calls,
                        scorer->score(scorer->user, &decoder->rows.shown, decoder->scores.logits),
                        "score"));
    return source_normalize(decoder, decoder->rows.count);
}

lrnn_status source_feed(lrnn_decoder *decoder, size_t first, size_t count)
{
    return forward(decoder, 1, count, decoder->slots[0].request.tokens + first,
                   decoder->scores.logits);
}
