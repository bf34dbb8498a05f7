/* Results: the endings of a slot, best first, written out from the tree; and reports to the token
 * callback of what is settled. A token is settled when all live hypotheses and the best ending
 * share it, so what was reported is always the beginning of the best result. */
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/options.h"
#include "decoder.h"

/* ---- storing ---- */

/* Groups may come upon the same text. */
static bool stored_before(const stored_result *results, size_t count)
{
    const stored_result *last = &results[count];
    for (size_t i = 0; i < count; i++) {
        if (results[i].count == last->count &&
            memcmp(results[i].tokens, last->tokens, last->count * sizeof *last->tokens) == 0) {
            return true;
        }
    }
    return false;
}

static void store(const lrnn_decoder *d, const slot *of, const ending *item, stored_result *results,
                  size_t *count)
{
    stored_result *to = &results[*count];
    to->count = item->length;
    to->total = item->total;
    to->score = item->score;
    to->ended = item->ended;
    to->group = (int32_t)item->group;
    size_t path = item->length;
    if (item->token != NO_TOKEN) {
        path--;
        to->tokens[path] = item->token;
        to->log_probabilities[path] = item->log_probability;
    }
    search_copy_path(to->tokens, to->log_probabilities, path, of->nodes, of->log_probabilities,
                     item->node);
    if (d->groups == 1 || !stored_before(results, *count)) {
        (*count)++;
    }
}

/* The best finished hypothesis of all groups after those that `taken` counts; NULL if there is
 * none. */
static const ending *best_finished(const lrnn_decoder *d, const slot *of, const size_t *taken,
                                   size_t *group)
{
    const ending *best = NULL;
    for (size_t g = 0; g < d->groups; g++) {
        const ending_list *list = &of->groups[g].finished;
        size_t skip = taken == NULL ? 0 : taken[g];
        if (skip < list->count && (best == NULL || list->items[skip].score > best->score)) {
            best = &list->items[skip];
            *group = g;
        }
    }
    return best;
}

void decoder_store(lrnn_decoder *decoder, slot *of)
{
    size_t n_best = decoder->options.n_best, group = 0;
    stored_result *results = decoder->results.items + of->index * n_best;
    size_t *count = &decoder->results.counts[of->index];
    memset(decoder->results.taken, 0, decoder->groups * sizeof *decoder->results.taken);
    *count = 0;
    while (*count < n_best) {
        const ending *best = best_finished(decoder, of, decoder->results.taken, &group);
        if (best == NULL) {
            break;
        }
        decoder->results.taken[group]++;
        store(decoder, of, best, results, count);
    }
    for (size_t i = 0; i < of->unfinished.count && *count < n_best; i++) {
        store(decoder, of, &of->unfinished.items[i], results, count);
    }
    of->done = true;
}

/* ---- reading ---- */

static const lrnn_result default_result = {.size = sizeof(lrnn_result)};

lrnn_status lrnn_result_init(lrnn_result *result, size_t struct_size)
{
    return OPTIONS_INIT(result, struct_size, &default_result, lrnn_result);
}

size_t lrnn_decoder_result_count(const lrnn_decoder *decoder, size_t request)
{
    return decoder == NULL || request >= decoder->results.requests
               ? 0
               : decoder->results.counts[request];
}

lrnn_status lrnn_decoder_get_result(lrnn_result *result, const lrnn_decoder *decoder,
                                    size_t request, size_t rank)
{
    if (result == NULL || decoder == NULL) {
        return error_null(result == NULL ? "result" : "decoder");
    }
    if (request >= decoder->results.requests) {
        return error_set(LRNN_ERR_INVALID, "request: %zu of %zu in the last run", request,
                         decoder->results.requests);
    }
    if (rank >= decoder->results.counts[request]) {
        return error_set(LRNN_ERR_INVALID, "rank: %zu of %zu results of request %zu", rank,
                         decoder->results.counts[request], request);
    }
    const stored_result *from = &decoder->results.items[request * decoder->options.n_best + rank];
    lrnn_result filled = default_result;
    filled.tokens = from->tokens;
    filled.log_probabilities = from->log_probabilities;
    filled.count = from->count;
    filled.log_probability = from->total;
    filled.perplexity = from->count == 0 ? NAN : exp(-from->total / (double)from->count);
    filled.score = from->score;
    filled.ended = from->ended;
    filled.group = from->group;
    lrnn_result given;
    CHECK(OPTIONS_READ(&given, result, &default_result, lrnn_result));
    filled.size = result->size;
    memcpy(result, &filled, filled.size);
    return LRNN_OK;
}

/* ---- streaming ---- */

static lrnn_status report_token(lrnn_decoder *d, const slot *of, int32_t token,
                                real log_probability)
{
    search_leave(&d->calls);
    return search_return(
        &d->calls, d->options.token(d->options.user, of->index, token, log_probability), "token");
}

/* The node of the longest text that all of what may still become the best result begins with: the
 * live hypotheses, and the best that has ended. No longer than what is reported: any such node. */
static int32_t settled_node(const lrnn_decoder *d, const slot *of)
{
    const hypothesis *live = d->rows.live + of->first;
    int32_t shared = live->node, least = (int32_t)of->reported;
    size_t group;
    for (size_t i = 1; i < of->count; i++) {
        shared = search_common(of->nodes, shared, live[i].node, least);
    }
    const ending *ended = best_finished(d, of, NULL, &group);
    if (ended == NULL && of->unfinished.count > 0) {
        ended = &of->unfinished.items[0];
    }
    return ended == NULL ? shared : search_common(of->nodes, shared, ended->node, least);
}

lrnn_status decoder_report(lrnn_decoder *decoder, slot *of)
{
    if (decoder->options.token == NULL || of->count == 0) {
        return LRNN_OK;
    }
    int32_t node = settled_node(decoder, of);
    size_t length = (size_t)of->nodes[node].length;
    if (length <= of->reported) {
        return LRNN_OK;
    }
    size_t fresh = length - of->reported;
    decode_results *results = &decoder->results;
    search_copy_path(results->fresh, results->fresh_values, fresh, of->nodes, of->log_probabilities,
                     node);
    for (size_t i = 0; i < fresh; i++) {
        of->reported++;
        CHECK(report_token(decoder, of, results->fresh[i], results->fresh_values[i]));
    }
    return LRNN_OK;
}

lrnn_status decoder_report_rest(lrnn_decoder *decoder, slot *of)
{
    if (decoder->options.token == NULL || decoder->results.counts[of->index] == 0) {
        return LRNN_OK;
    }
    const stored_result *best = &decoder->results.items[of->index * decoder->options.n_best];
    while (of->reported < best->count) {
        size_t i = of->reported++;
        CHECK(report_token(decoder, of, best->tokens[i], best->log_probabilities[i]));
    }
    return LRNN_OK;
}
