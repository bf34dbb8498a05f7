/* The log-probability of a given text: the source is fed the text itself, many steps at a time
 * where the model gives scores at every step, and nothing is searched. It uses the rows and scores
 * of a run, but leaves results alone. */
#include <math.h>

#include "base/check.h"
#include "base/error.h"
#include "decoder.h"
#include "source.h"

/* Adds up log-probabilities from token `first` on; row 0 of logits is before it, row 1 before the
 * next one, and so on. */
static lrnn_status add_up(lrnn_decoder *d, const lrnn_request *request, size_t first, size_t rows,
                          double *total, real *log_probability)
{
    CHECK(source_normalize(d, rows));
    for (size_t i = 0; i < rows; i++) {
        size_t token = (size_t)request->tokens[first + i];
        double value =
            (double)d->scores.logits[i * d->vocab_size + token] - d->scores.normalizers[i];
        *total += value;
        if (log_probability != NULL) {
            log_probability[i] = (real)value;
        }
    }
    return LRNN_OK;
}

/* One row, token by token: tokens 0..position-1 are known. */
static lrnn_status ask(lrnn_decoder *d, const lrnn_request *request, size_t position, bool begins)
{
    d->rows.count = 1;
    d->rows.parents[0] = begins ? -1 : 0;
    d->rows.tokens[0] = position > 0 ? request->tokens[position - 1] : NO_TOKEN;
    d->rows.requests[0] = 0;
    d->rows.lengths[0] = (int32_t)position;
    decoder_show_rows(d);
    return source_step(d);
}

static lrnn_status score_singly(lrnn_decoder *d, const lrnn_request *request, size_t first,
                                double *total, real *log_probabilities)
{
    for (size_t i = first; i < request->count; i++) {
        real *to = log_probabilities == NULL ? NULL : log_probabilities + (i - first);
        CHECK(ask(d, request, i, i == first));
        CHECK(add_up(d, request, i, 1, total, to));
    }
    return LRNN_OK;
}

/* Many steps at once: the head's weights are read once for all of them. */
static lrnn_status score_together(lrnn_decoder *d, const lrnn_request *request, size_t first,
                                  double *total, real *log_probabilities)
{
    size_t most = d->scores.capacity < PROMPT_STEPS ? d->scores.capacity : PROMPT_STEPS;
    for (size_t i = first; i < request->count;) {
        size_t count = request->count - i < most ? request->count - i : most;
        real *to = log_probabilities == NULL ? NULL : log_probabilities + (i - first);
        CHECK(source_feed(d, i - 1, count));
        CHECK(add_up(d, request, i, count, total, to));
        i += count;
    }
    return LRNN_OK;
}

static lrnn_status check(const lrnn_decoder *d, const lrnn_request *request, size_t first)
{
    size_t least = d->source.state != NULL ? 1 : 0;
    if (first < least || first > request->count) {
        return error_set(LRNN_ERR_INVALID, "first: expected %zu..%zu, found %zu", least,
                         request->count, first);
    }
    for (size_t i = first; i < request->count; i++) {
        if ((size_t)request->tokens[i] >= d->vocab_size) {
            return error_set(LRNN_ERR_INVALID, "tokens[%zu]: expected 0..%zu, found %d", i,
                             d->vocab_size - 1, (int)request->tokens[i]);
        }
    }
    return LRNN_OK;
}

lrnn_status lrnn_decoder_score(double *total, real *log_probabilities, lrnn_decoder *decoder,
                               const lrnn_request *request, size_t first)
{
    if (decoder == NULL || request == NULL) {
        return error_null(decoder == NULL ? "decoder" : "request");
    }
    lrnn_request copy;
    CHECK(decoder_check_idle(decoder));
    CHECK(decoder_read_request(&copy, decoder, request, 0));
    CHECK(check(decoder, &copy, first));
    double sum = 0;
    decoder->calls.mode = fpmode_enter();
    decoder->scored = copy.tokens;
    decoder->step = 0;
    decoder->slot_count = 1;
    decoder->rows.live[0] = (hypothesis){.node = SEARCH_ROOT};
    decoder->slots[0].request = copy;
    decoder->slots[0].request.count = first;
    lrnn_status status = source_begin(decoder);
    if (status == LRNN_OK) {
        status = decoder->source.state != NULL && decoder->source.every_step
                     ? score_together(decoder, &copy, first, &sum, log_probabilities)
                     : score_singly(decoder, &copy, first, &sum, log_probabilities);
    }
    decoder->scored = NULL;
    fpmode_leave(decoder->calls.mode);
    if (status == LRNN_OK && total != NULL) {
        *total = sum;
    }
    return status;
}
