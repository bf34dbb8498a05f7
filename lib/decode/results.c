#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "decoder.h"

void decoder_copy_path(int32_t *tokens, real *log_probabilities, size_t count, const slot *of,
                       int32_t node)
{
    while (count > 0) {
        count--;
        const decode_node *at = &of->nodes[node];
        if (tokens != NULL) {
            tokens[count] = at->token;
        }
        if (log_probabilities != NULL) {
            log_probabilities[count] = at->log_probability;
        }
        node = at->parent;
    }
}

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
    decoder_copy_path(to->tokens, to->log_probabilities, path, of, item->node);
    if (d->groups == 1 || !stored_before(results, *count)) {
        (*count)++;
    }
}

/* The best finished hypothesis of all groups behind those that `taken` counts; NULL if there is
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
    stored_result *results = decoder->results + of->index * n_best;
    size_t *count = &decoder->result_counts[of->index];
    memset(decoder->taken, 0, decoder->groups * sizeof *decoder->taken);
    *count = 0;
    while (*count < n_best) {
        const ending *best = best_finished(decoder, of, decoder->taken, &group);
        if (best == NULL) {
            break;
        }
        decoder->taken[group]++;
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
    return decoder == NULL || request >= decoder->request_count ? 0
                                                                : decoder->result_counts[request];
}

lrnn_status lrnn_decoder_get_result(lrnn_result *result, const lrnn_decoder *decoder,
                                    size_t request, size_t rank)
{
    if (result == NULL || decoder == NULL) {
        return error_null(result == NULL ? "result" : "decoder");
    }
    if (request >= decoder->request_count) {
        return error_set(LRNN_ERR_INVALID, "request: %zu of %zu in the last run", request,
                         decoder->request_count);
    }
    if (rank >= decoder->result_counts[request]) {
        return error_set(LRNN_ERR_INVALID, "rank: %zu of %zu results of request %zu", rank,
                         decoder->result_counts[request], request);
    }
    const stored_result *from = &decoder->results[request * decoder->options.n_best + rank];
    lrnn_result filled = default_result;
    filled.tokens = from->tokens;
    filled.log_probabilities = from->log_probabilities;
    filled.count = from->count;
    filled.log_probability = from->total;
    filled.perplexity = from->count == 0 ? NAN : exp(-from->total / (double)from->count);
    filled.score = from->score;
    filled.ended = from->ended;
    filled.group = from->group;
    lrnn_result checked;
    lrnn_status status = OPTIONS_READ(&checked, result, &default_result, lrnn_result);
    if (status == LRNN_OK) {
        filled.size = result->size;
        memcpy(result, &filled, filled.size);
    }
    return status;
}

/* ---- streaming ---- */

/* The deepest node that is on the paths to a and to b, both of depth *depth, if that is above
 * `least`; *depth is then its depth. */
static int32_t common_node(const slot *of, int32_t a, int32_t b, size_t *depth, size_t least)
{
    while (a != b && *depth > least) {
        a = of->nodes[a].parent;
        b = of->nodes[b].parent;
        (*depth)--;
    }
    return a;
}

static int32_t ancestor(const slot *of, int32_t node, size_t depth, size_t wanted)
{
    for (; depth > wanted; depth--) {
        node = of->nodes[node].parent;
    }
    return node;
}

static lrnn_status report_token(lrnn_decoder *d, const slot *of, int32_t token,
                                real log_probability)
{
    decoder_leave(d);
    return decoder_return(d, d->options.token(d->options.user, of->index, token, log_probability),
                          "token");
}

/* What may still become the best result: all live hypotheses, and the best that has ended. */
lrnn_status decoder_report(lrnn_decoder *decoder, slot *of)
{
    if (decoder->options.token == NULL || of->count == 0) {
        return LRNN_OK;
    }
    size_t depth = decoder->step, group;
    int32_t shared = decoder->live[of->first].node;
    for (size_t i = 1; i < of->count && depth > of->reported; i++) {
        int32_t node = ancestor(of, decoder->live[of->first + i].node, decoder->step, depth);
        shared = common_node(of, shared, node, &depth, of->reported);
    }
    const ending *ended = best_finished(decoder, of, NULL, &group);
    if (ended == NULL && of->unfinished.count > 0) {
        ended = &of->unfinished.items[0];
    }
    if (ended != NULL) {
        size_t length = ended->length - (ended->token != NO_TOKEN);
        size_t both = length < depth ? length : depth;
        shared = ancestor(of, shared, depth, both);
        depth = both;
        shared =
            common_node(of, shared, ancestor(of, ended->node, length, both), &depth, of->reported);
    }
    if (depth <= of->reported) {
        return LRNN_OK;
    }
    size_t fresh = depth - of->reported;
    decoder_copy_path(decoder->history, decoder->history_values, fresh, of, shared);
    lrnn_status status = LRNN_OK;
    for (size_t i = 0; status == LRNN_OK && i < fresh; i++) {
        of->reported++;
        status = report_token(decoder, of, decoder->history[i], decoder->history_values[i]);
    }
    return status;
}

lrnn_status decoder_report_rest(lrnn_decoder *decoder, slot *of)
{
    lrnn_status status = LRNN_OK;
    if (decoder->options.token == NULL || decoder->result_counts[of->index] == 0) {
        return status;
    }
    const stored_result *best = &decoder->results[of->index * decoder->options.n_best];
    while (status == LRNN_OK && of->reported < best->count) {
        size_t i = of->reported++;
        status = report_token(decoder, of, best->tokens[i], best->log_probabilities[i]);
    }
    return status;
}
