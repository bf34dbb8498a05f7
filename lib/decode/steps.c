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

double decoder_score(const lrnn_decoder *decoder, const slot *of, double sum, size_t length)
{
    if (length == 0) {
        return -HUGE_VAL;
    }
    size_t n = length + (decoder->options.count_prompt == 1 ? of->request.count : 0);
    return sum / pow((double)n, decoder->options.length_penalty);
}

static double token_log_probability(const lrnn_decoder *d, size_t row, int32_t token)
{
    return (double)d->logits[row * d->vocab_size + (size_t)token] - d->normalizers[row];
}

static void insert(ending_list *list, const ending *item)
{
    size_t i = list->count;
    if (i == list->capacity) {
        if (i == 0 || !(item->score > list->items[i - 1].score)) {
            return;
        }
        i--;
    } else {
        list->count++;
    }
    for (; i > 0 && item->score > list->items[i - 1].score; i--) {
        list->items[i] = list->items[i - 1];
    }
    list->items[i] = *item;
}

void decoder_end(lrnn_decoder *decoder, size_t row, int32_t token, double sum, int32_t ended,
                 ending_list *to)
{
    const hypothesis *from = &decoder->live[row];
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
    item.score = decoder_score(decoder, &decoder->slots[from->slot], sum, item.length);
    insert(to, &item);
}

void decoder_continue(lrnn_decoder *decoder, size_t row, int32_t token, double sum, size_t *count)
{
    const hypothesis *from = &decoder->live[row];
    slot *of = &decoder->slots[from->slot];
    double log_probability = token_log_probability(decoder, row, token);
    of->nodes[of->node_count] = (decode_node){from->node, token, (real)log_probability};
    decoder->next[*count] = (hypothesis){
        .slot = from->slot,
        .group = from->group,
        .node = (int32_t)of->node_count,
        .sum = sum,
        .total = from->total + log_probability,
    };
    decoder->next_parents[*count] = (int32_t)row;
    decoder->next_tokens[*count] = token;
    of->node_count++;
    (*count)++;
}

/* ---- one hypothesis ---- */

static int32_t likeliest(lrnn_decoder *d, size_t row)
{
    candidate item;
    selection best = {&item, 0, 1};
    selection_scan(&best, d->values + row * d->vocab_size, d->vocab_size,
                   decoder_slice_maxima(d, row), 0, 0);
    return item.token;
}

void greedy_step(lrnn_decoder *decoder, slot *of, size_t *count)
{
    size_t row = of->first;
    double sum = decoder->live[row].sum;
    if (decoder->stuck[row]) {
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
            real *value = &d->values[row * d->vocab_size + (size_t)d->next_tokens[i]];
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
        selection_scan(&d->best, d->values + row * d->vocab_size, d->vocab_size,
                       decoder_slice_maxima(d, row), d->live[row].sum - d->shifts[row],
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
        best = d->next[i].sum > best ? d->next[i].sum : best;
    }
    return best;
}

/* Whether the stopping rule ends a group, whose next rows are first..count-1. */
static bool stops(const lrnn_decoder *d, const slot *of, const search_group *group, size_t first,
                  size_t count)
{
    const lrnn_decoder_options *o = &d->options;
    const ending_list *finished = &group->finished;
    if (o->stopping == LRNN_STOP_FIRST) {
        return finished->count > 0;
    }
    if (o->stopping == LRNN_STOP_WIDTH) {
        return finished->count == finished->capacity;
    }
    size_t kept = o->candidates == LRNN_CANDIDATES_TRANSFORMERS || d->groups > 1
                      ? finished->capacity
                      : o->n_best;
    if (finished->count < kept) {
        return false;
    }
    size_t length = d->step + 1;
    if (o->stopping == LRNN_STOP_EXACT) {
        if (!d->bounded) {
            return false;
        }
        length = o->length_penalty > 0 ? o->max_length : length;
    }
    return !(decoder_score(d, of, best_sum(d, first, count), length) >
             finished->items[kept - 1].score);
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
            d->live[row].group = index;
        }
        find_candidates(d, group);
        place_candidates(d, of, group, d->width / d->groups, count);
        for (size_t row = group->first; row < group->first + group->count; row++) {
            if (d->stuck[row]) {
                decoder_end(d, row, NO_TOKEN, d->live[row].sum, LRNN_ENDED_STUCK, &of->unfinished);
            }
        }
        if (stops(d, of, group, first, *count)) {
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
