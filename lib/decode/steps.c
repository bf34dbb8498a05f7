/* From the values of a step to the next rows. Greedy search and sampling take one token per row;
 * beam search ranks all continuations of a group, places the best, and asks the stopping rule. What
 * ends is inserted into a list of endings and has no row any more. */
#include <math.h>

#include "decoder.h"
#include "sample.h"

bool decoder_is_end_token(const lrnn_decoder *decoder, int32_t token)
{
    for (size_t i = 0; i < decoder->options.end_count; i++) {
        if (decoder->options.end_tokens[i] == token) {
            return true;
        }
    }
    return false;
}

static double token_log_probability(const lrnn_decoder *d, size_t row, int32_t token)
{
    return (double)d->scores.logits[row * d->vocab_size + (size_t)token] -
           d->scores.normalizers[row];
}

/* Tokens of the prompt that count in scores. */
static size_t counted_prompt(const lrnn_decoder *d, const slot *of)
{
    return d->options.count_prompt == 1 ? of->request.count : 0;
}

void decoder_end(lrnn_decoder *decoder, size_t row, int32_t token, double sum, int32_t ended,
                 ending_list *to)
{
    const hypothesis *from = &decoder->rows.live[row];
    ending item = {
        .total = from->total,
        .length = decoder->step,
        .group = from->group,
        .node = from->node,
        .token = token,
        .ended = ended,
    };
    if (token != NO_TOKEN) {
        double log_probability = token_log_probability(decoder, row, token);
        item.length++;
        item.total += log_probability;
        item.log_probability = (real)log_probability;
    }
    item.score = search_score(&decoder->rules, sum, item.length,
                              counted_prompt(decoder, &decoder->slots[from->slot]));
    ending_insert(to, &item);
}

void decoder_continue(lrnn_decoder *decoder, size_t row, int32_t token, double sum, size_t *count)
{
    const hypothesis *from = &decoder->rows.live[row];
    slot *of = &decoder->slots[from->slot];
    double log_probability = token_log_probability(decoder, row, token);
    of->nodes[of->node_count] = (search_node){from->node, token, (int32_t)decoder->step + 1};
    of->log_probabilities[of->node_count] = (real)log_probability;
    decoder->rows.next[*count] = (hypothesis){
        .slot = from->slot,
        .group = from->group,
        .node = (int32_t)of->node_count,
        .sum = sum,
        .total = from->total + log_probability,
    };
    decoder->rows.next_parents[*count] = (int32_t)row;
    decoder->rows.next_tokens[*count] = token;
    of->node_count++;
    (*count)++;
}

/* ---- one hypothesis ---- */

static int32_t likeliest(lrnn_decoder *d, size_t row)
{
    candidate item;
    selection best = {&item, 0, 1};
    selection_scan(&best, d->scores.values + row * d->vocab_size, d->vocab_size,
                   decoder_slice_maxima(d, row), 0, 0);
    return item.token;
}

void greedy_step(lrnn_decoder *decoder, slot *of, size_t *count)
{
    size_t row = of->first;
    double sum = decoder->rows.live[row].sum;
    if (decoder->scores.stuck[row]) {
        decoder_end(decoder, row, NO_TOKEN, sum, LRNN_ENDED_STUCK, &of->unfinished);
        return;
    }
    int32_t token = decoder_is_sampled(&decoder->options) ? sample_token(decoder, row)
                                                          : likeliest(decoder, row);
    sum += decoder_x(decoder, row, token);
    if (decoder_is_end_token(decoder, token)) {
        decoder_end(decoder, row, token, sum, LRNN_ENDED_TOKEN, &of->groups[0].finished);
    } else if (decoder->step + 1 == decoder->options.max_length) {
        decoder_end(decoder, row, token, sum, LRNN_ENDED_LENGTH, &of->unfinished);
    } else {
        decoder_continue(decoder, row, token, sum, count);
    }
}

/* ---- beam search ---- */

/* Every hypothesis that an earlier group has taken on with a token counts against that token. */
static void diversify(lrnn_decoder *d, const search_group *group, size_t first, size_t count)
{
    for (size_t i = first; i < count; i++) {
        for (size_t row = group->first; row < group->first + group->count; row++) {
            real *value = &d->scores.values[row * d->vocab_size + (size_t)d->rows.next_tokens[i]];
            *value = (real)((double)*value - d->options.diversity_penalty);
        }
    }
}

/* The continuations that a group looks at, the best (or first drawn) first, in d->best. */
static void find_candidates(lrnn_decoder *d, const search_group *group)
{
    if (d->options.method == LRNN_METHOD_SAMPLED_BEAM) {
        sample_continuations(d, group->first, group->count, d->best.capacity);
        return;
    }
    d->best.count = 0;
    for (size_t row = group->first; row < group->first + group->count; row++) {
        selection_scan(&d->best, d->scores.values + row * d->vocab_size, d->vocab_size,
                       decoder_slice_maxima(d, row), d->rows.live[row].sum - d->scores.shifts[row],
                       (int32_t)row);
    }
    selection_sort(&d->best);
}

/* Gives every candidate its place: finished, one of the next rows, or cut off. */
static void place_candidates(lrnn_decoder *d, slot *of, search_group *group, size_t width,
                             size_t *count)
{
    bool until_width = d->options.candidates == LRNN_CANDIDATES_UNTIL_WIDTH;
    bool last = d->step + 1 == d->options.max_length;
    ending_list *cut = d->options.cut == LRNN_CUT_FINISHED ? &group->finished : &of->unfinished;
    size_t open = 0;
    for (size_t i = 0; i < d->best.count; i++) {
        const candidate *c = &d->best.items[i];
        size_t row = (size_t)c->row;
        bool may_end = until_width ? open < width : i < width;
        if (open == width && (until_width || !may_end)) {
            break;
        }
        if (decoder_is_end_token(d, c->token)) {
            if (may_end) {
                decoder_end(d, row, c->token, c->value, LRNN_ENDED_TOKEN, &group->finished);
            }
        } else if (last) {
            if (may_end) {
                decoder_end(d, row, c->token, c->value, LRNN_ENDED_LENGTH, cut);
            }
            open++;
        } else if (open < width) {
            decoder_continue(d, row, c->token, c->value, count);
            open++;
        }
    }
}

/* The largest sum of x among the next rows from `first` on. */
static double best_sum(const lrnn_decoder *d, size_t first, size_t count)
{
    double best = -HUGE_VAL;
    for (size_t i = first; i < count; i++) {
        best = d->rows.next[i].sum > best ? d->rows.next[i].sum : best;
    }
    return best;
}

/* Next rows from `counted` on have not yet been counted against the tokens of this group's rows. */
static void group_step(lrnn_decoder *d, slot *of, size_t index, size_t counted, size_t *count)
{
    search_group *group = &of->groups[index];
    size_t first = *count;
    if (group->count > 0) {
        if (d->options.diversity_penalty > 0) {
            diversify(d, group, counted, first);
        }
        for (size_t row = group->first; row < group->first + group->count; row++) {
            d->rows.live[row].group = index;
        }
        find_candidates(d, group);
        place_candidates(d, of, group, d->width / d->groups, count);
        for (size_t row = group->first; row < group->first + group->count; row++) {
            if (d->scores.stuck[row]) {
                decoder_end(d, row, NO_TOKEN, d->rows.live[row].sum, LRNN_ENDED_STUCK,
                            &of->unfinished);
            }
        }
        if (search_stops(&d->rules, &group->finished, best_sum(d, first, *count), d->step + 1,
                         counted_prompt(d, of))) {
            *count = first;
        }
    }
    group->first = first;
    group->count = *count - first;
}

/* In the first step all groups share one row, which keeps what earlier groups have taken from it.
 */
void beam_step(lrnn_decoder *decoder, slot *of, size_t *count)
{
    size_t counted = *count;
    for (size_t g = 0; g < decoder->groups; g++) {
        size_t first = *count;
        group_step(decoder, of, g, counted, count);
        counted = decoder->step == 0 ? first : counted;
    }
}
