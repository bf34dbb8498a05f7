#include <math.h>

#include "base/error.h"
#include "decoder.h"
#include "source.h"

/* Adds up log-probabilities from token `first` on; row 0 of logits is before it, row 1 before the
 * next one, and so on. */
static lrnn_status add_up(lrnn_decoder *d, const lrnn_request *request, size_t first, size_t rows,
                          double *total, real *log_probability)
{
    lrnn_status status = source_normalize(d, rows);
    for (size_t i = 0; status == LRNN_OK && i < rows; i++) {
        size_t token = (size_t)request->tokens[first + i];
        double value = (double)d->logits[i * d->vocab_size + token] - d->normalizers[i];
        *total += value;
        if (log_probability != NULL) {
            log_probability[i] = (real)value;
        }
    }
    return status;
}

/* One row, token by token: tokens 0..position-1 are known. */
static lrnn_status ask(lrnn_decoder *d, const lrnn_request *request, size_t position, bool begins)
{
    d->row_count = 1;
    d->parents[0] = begins ? -1 : 0;
    d->tokens[0] = position > 0 ? request->tokens[position - 1] : NO_TOKEN;
    d->owners[0] = 0;
    d->lengths[0] = (int32_t)position;
    decoder_show_rows(d);
    return source_step(d);
}

static lrnn_status score_singly(lrnn_decoder *d, const lrnn_request *request, size_t first,
                                double *total, real *log_probabilities)
{
    lrnn_status status = LRNN_OK;
    for (size_t i = first; status == LRNN_OK && i < request->count; i++) {
        status = ask(d, request, i, i == first);
        if (status == LRNN_OK) {
            status = add_up(d, request, i, 1, total,
                            log_probabilities == NULL ? NULL : log_probabilities + (i - first));
        }
    }
    return status;
}

/* Many steps at once: the head's weights are read once for all of them. */
static lrnn_status score_in_chunks(lrnn_decoder *d, const lrnn_request *request, size_t first,
                                   double *total, real *log_probabilities)
{
    lrnn_status status = LRNN_OK;
    size_t most = d->logits_rows < PROMPT_STEPS ? d->logits_rows : PROMPT_STEPS;
    for (size_t i = first; status == LRNN_OK && i < request->count;) {
        size_t count = request->count - i < most ? request->count - i : most;
        status = source_feed(d, i - 1, count);
        if (status == LRNN_OK) {
            status = add_up(d, request, i, count, total,
                            log_probabilities == NULL ? NULL : log_probabilities + (i - first));
        }
        i += count;
    }
    return status;
}

static lrnn_status check(const lrnn_decoder *d, const lrnn_request *request, size_t first)
{
    size_t least = d->state != NULL ? 1 : 0;
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
    lrnn_status status = decoder_check_idle(decoder);
    if (status == LRNN_OK) {
        status = decoder_read_request(&copy, decoder, request, 0);
    }
    if (status == LRNN_OK) {
        status = check(decoder, &copy, first);
    }
    if (status != LRNN_OK) {
        return status;
    }
    double sum = 0;
    decoder->mode = fpmode_enter();
    decoder->scored = copy.tokens;
    decoder->step = 0;
    decoder->slot_count = 1;
    decoder->live[0] = (hypothesis){.node = NODE_ROOT};
    decoder->slots[0].request = copy;
    decoder->slots[0].request.count = first;
    status = source_begin(decoder);
    if (status == LRNN_OK) {
        status = decoder->state != NULL && decoder->every_step
                     ? score_in_chunks(decoder, &copy, first, &sum, log_probabilities)
                     : score_singly(decoder, &copy, first, &sum, log_probabilities);
    }
    decoder->scored = NULL;
    fpmode_leave(decoder->mode);
    if (status == LRNN_OK && total != NULL) {
        *total = sum;
    }
    return status;
}
