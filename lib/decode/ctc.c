/* lrnn_ctc as the caller sees it: options, frames in, results out. A call checks all of what it is
 * given before anything changes. */
#include "ctc.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/fpmode.h"
#include "base/options.h"
#include "kernels/kernels.h"

static const lrnn_ctc_result default_result = {.size = sizeof(lrnn_ctc_result)};

_Static_assert(sizeof(lrnn_ctc_result) % sizeof(size_t) == 0, "no implicit padding");

lrnn_status lrnn_ctc_result_init(lrnn_ctc_result *result, size_t struct_size)
{
    return OPTIONS_INIT(result, struct_size, &default_result, lrnn_ctc_result);
}

/* ---- making ---- */

/* See arena. The tree holds every sequence of the beam before and after a frame. */
static void lay_out(lrnn_ctc *ctc, arena *from)
{
    size_t W = ctc->options.beam_width, V = ctc->options.output_size;
    size_t length = ctc->options.max_length, nodes;
    if (!size_multiply(&nodes, 2 * W, length) || nodes > INT32_MAX - 1) {
        from->overflow = true;
        return;
    }
    prefix_lay_out(&ctc->tree, nodes + 1, from);
    ctc->beam = arena_take(from, W, sizeof *ctc->beam);
    ctc->stay = arena_take(from, W, sizeof *ctc->stay);
    ctc->next = arena_take(from, W, sizeof *ctc->next);
    ctc->best = (selection){arena_take(from, W, sizeof(candidate)), 0, W};
    ctc->tops = arena_take(from, V, sizeof *ctc->tops);
    ctc->p = arena_take(from, V, sizeof *ctc->p);
    ctc->tokens = arena_take(from, length, sizeof *ctc->tokens);
    ctc->token_frames = arena_take(from, length, sizeof *ctc->token_frames);
    ctc->words_found = arena_take(from, length, sizeof *ctc->words_found);
    ctc->confidences = arena_take(from, length, sizeof *ctc->confidences);
    ctc_language_lay_out(ctc, from);
}

static lrnn_status fill(lrnn_ctc *made, const lrnn_ctc_options *given)
{
    arena pieces = {0};
    CHECK(ctc_options_apply(made, given));
    lay_out(made, &pieces);
    CHECK(arena_allocate(&pieces, &made->allocator, "CTC decoder"));
    made->storage = pieces.base;
    lay_out(made, &pieces);
    if (given->language_model != NULL) {
        CHECK(ctc_language_create_state(made, given->language_model));
    }
    return lrnn_ctc_reset(made);
}

lrnn_status lrnn_ctc_create(lrnn_ctc **ctc, const lrnn_ctc_options *options)
{
    if (ctc == NULL) {
        return error_null("ctc");
    }
    *ctc = NULL;
    lrnn_ctc_options o;
    lrnn_allocator allocator;
    CHECK(ctc_options_read(&o, options));
    CHECK(allocator_read(&allocator, o.allocator));
    lrnn_ctc *made = memory_allocate(&allocator, 1, sizeof *made, "CTC decoder");
    if (made == NULL) {
        return LRNN_ERR_MEMORY;
    }
    made->allocator = allocator;
    made->options = o;
    made->options.allocator = NULL;
    lrnn_status status = fill(made, &o);
    if (status != LRNN_OK) {
        lrnn_ctc_destroy(made);
        return status;
    }
    *ctc = made;
    return LRNN_OK;
}

void lrnn_ctc_destroy(lrnn_ctc *ctc)
{
    if (ctc != NULL) {
        lrnn_allocator allocator = ctc->allocator;
        ctc_language_release(ctc);
        memory_release(&allocator, ctc->storage);
        memory_release(&allocator, ctc);
    }
}

static lrnn_status check_idle(const lrnn_ctc *ctc)
{
    return !ctc->language.calls.running
               ? LRNN_OK
               : error_set(LRNN_ERR_STATE, "called from a callback of the same search");
}

lrnn_status lrnn_ctc_reset(lrnn_ctc *ctc)
{
    if (ctc == NULL) {
        return error_null("ctc");
    }
    CHECK(check_idle(ctc));
    prefix_clear(&ctc->tree);
    ctc->beam[0] = (ctc_entry){.node = SEARCH_ROOT, .label = -INFINITY};
    ctc->count = 1;
    ctc->frames = 0;
    ctc->last = ctc->options.blank;
    ctc->started = ctc->finished = ctc->broken = false;
    return LRNN_OK;
}

/* ---- frames ---- */

static lrnn_status check_frames(const lrnn_ctc *ctc, const real *frames, size_t count)
{
    size_t V = ctc->options.output_size;
    for (size_t t = 0; t < count; t++) {
        bool possible = false;
        for (size_t v = 0; v < V; v++) {
            real x = frames[t * V + v];
            if (isnan(x) || x == (real)INFINITY) {
                return error_set(LRNN_ERR_NUMERIC, "frames: frame %zu, output %zu: %s",
                                 ctc->frames + t, v, isnan(x) ? "NaN" : "infinity");
            }
            possible = possible || x > -(real)INFINITY;
        }
        if (!possible) {
            return error_set(LRNN_ERR_NUMERIC, "frames: frame %zu: every output is impossible",
                             ctc->frames + t);
        }
    }
    return LRNN_OK;
}

static void read_frame(lrnn_ctc *ctc, const real *frame)
{
    size_t V = ctc->options.output_size;
    memcpy(ctc->p, frame, V * sizeof(real));
    if (ctc->options.input == LRNN_CTC_LOGITS) {
        real maximum;
        double sum;
        kernels()->max_sum_exp(frame, V, &maximum, &sum);
        real shift = (real)((double)maximum + log(sum));
        for (size_t v = 0; v < V; v++) {
            ctc->p[v] -= shift;
        }
    }
}

/* The best output of the frame, and the only sequence. */
static void follow_best(lrnn_ctc *ctc)
{
    ctc_entry *only = &ctc->beam[0];
    int32_t best = 0, node = only->node;
    for (size_t v = 1; v < ctc->options.output_size; v++) {
        best = ctc->p[v] > ctc->p[best] ? (int32_t)v : best;
    }
    only->total += (double)ctc->p[best];
    if (best != ctc->options.blank && best != ctc->last &&
        (size_t)ctc->tree.nodes[node].length < ctc->options.max_length) {
        only->node = prefix_add(&ctc->tree, node, best, LEXICON_ROOT);
        prefix_release(&ctc->tree, node);
    }
    if (best != ctc->options.blank && best == ctc->tree.nodes[only->node].token) {
        prefix_see(&ctc->tree, only->node, ctc->frames, ctc->p[best]);
    }
    ctc->last = best;
}

static lrnn_status take_frames(lrnn_ctc *ctc, const real *frames, size_t count)
{
    if (!ctc->started) {
        CHECK(ctc_language_start(ctc));
        ctc->started = true;
    }
    for (size_t t = 0; t < count; t++) {
        read_frame(ctc, frames + t * ctc->options.output_size);
        if (ctc->options.method == LRNN_CTC_GREEDY) {
            follow_best(ctc);
        } else {
            CHECK(ctc_search_frame(ctc));
        }
        ctc->frames++;
    }
    return LRNN_OK;
}

static lrnn_status check_open(const lrnn_ctc *ctc)
{
    CHECK(check_idle(ctc));
    return !ctc->broken ? LRNN_OK
                        : error_set(LRNN_ERR_STATE, "the language model failed: reset the search");
}

lrnn_status lrnn_ctc_feed(lrnn_ctc *ctc, const real *frames, size_t count, size_t width)
{
    if (ctc == NULL || (frames == NULL && count > 0)) {
        return error_null(ctc == NULL ? "ctc" : "frames");
    }
    CHECK(check_open(ctc));
    if (ctc->finished) {
        return error_set(LRNN_ERR_STATE, "the sequence is finished: reset the search");
    }
    if (width != ctc->options.output_size) {
        return error_set(LRNN_ERR_INVALID, "width: expected %zu (options.output_size), found %zu",
                         ctc->options.output_size, width);
    }
    if (count > INT32_MAX - ctc->frames) {
        return error_set(LRNN_ERR_INVALID, "count: %zu frames after %zu are too many", count,
                         ctc->frames);
    }
    CHECK(check_frames(ctc, frames, count));
    ctc->language.calls.mode = fpmode_enter();
    lrnn_status status = take_frames(ctc, frames, count);
    fpmode_leave(ctc->language.calls.mode);
    ctc->broken = status != LRNN_OK;
    return status;
}

/* Best first, without those that were dropped; there is always one. */
static void rank_again(lrnn_ctc *ctc)
{
    ctc->best.count = 0;
    for (size_t i = 0; i < ctc->count; i++) {
        double rank = ctc_rank(&ctc->beam[i]);
        if (rank > -(double)INFINITY || i == 0) {
            selection_offer(&ctc->best, &(candidate){rank, (int32_t)i, NO_TOKEN});
        }
    }
    selection_sort(&ctc->best);
    size_t kept = ctc->best.count;
    while (kept > 1 && ctc->best.items[kept - 1].value == -(double)INFINITY) {
        kept--;
    }
    for (size_t i = 0; i < kept; i++) {
        ctc->next[i] = ctc->beam[ctc->best.items[i].row];
    }
    memcpy(ctc->beam, ctc->next, kept * sizeof *ctc->beam);
    ctc->count = kept;
}

lrnn_status lrnn_ctc_finish(lrnn_ctc *ctc)
{
    if (ctc == NULL) {
        return error_null("ctc");
    }
    CHECK(check_open(ctc));
    if (ctc->finished || ctc->options.method == LRNN_CTC_GREEDY) {
        ctc->finished = true;
        return LRNN_OK;
    }
    ctc->language.calls.mode = fpmode_enter();
    lrnn_status status = take_frames(ctc, NULL, 0);
    if (status == LRNN_OK) {
        status = ctc_language_finish(ctc);
    }
    fpmode_leave(ctc->language.calls.mode);
    ctc->broken = status != LRNN_OK;
    CHECK(status);
    rank_again(ctc);
    ctc->finished = true;
    return LRNN_OK;
}

/* ---- results ---- */

lrnn_status lrnn_ctc_get_result(lrnn_ctc_result *result, lrnn_ctc *ctc, size_t rank)
{
    if (result == NULL || ctc == NULL) {
        return error_null(result == NULL ? "result" : "ctc");
    }
    lrnn_ctc_result all;
    CHECK(check_open(ctc));
    CHECK(OPTIONS_READ(&all, result, &default_result, lrnn_ctc_result));
    CHECK(check_size("rank", rank, 0, ctc->options.n_best - 1));
    if (rank >= ctc->count) {
        return error_set(LRNN_ERR_NOT_FOUND, "rank: there are %zu results, asked for number %zu",
                         ctc->count, rank);
    }
    const ctc_entry *of = &ctc->beam[rank];
    size_t count = (size_t)ctc->tree.nodes[of->node].length, i = count;
    for (int32_t node = of->node; node != SEARCH_ROOT; node = ctc->tree.nodes[node].parent) {
        const prefix_node *known = &ctc->tree.known[node];
        ctc->tokens[--i] = ctc->tree.nodes[node].token;
        ctc->token_frames[i] = known->frame;
        ctc->confidences[i] = (real)exp((double)known->peak);
    }
    all.tokens = ctc->tokens;
    all.frames = ctc->token_frames;
    all.confidences = ctc->confidences;
    all.count = count;
    all.log_probability = of->total;
    all.score = ctc_rank(of);
    if (ctc->lexicon != NULL) {
        all.words = ctc->words_found;
        all.word_count = ctc_language_words(ctc->words_found, ctc, ctc->tokens, count);
    }
    options_give(result, &all, sizeof all);
    return LRNN_OK;
}

/* What all sequences of the beam begin with. */
size_t lrnn_ctc_settled(const lrnn_ctc *ctc)
{
    if (ctc == NULL || ctc->broken) {
        return 0;
    }
    int32_t common = ctc->beam[0].node;
    for (size_t i = 1; i < ctc->count; i++) {
        common = search_common(ctc->tree.nodes, common, ctc->beam[i].node, 0);
    }
    return (size_t)ctc->tree.nodes[common].length;
}
