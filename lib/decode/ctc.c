/* Prefix beam search over frames (Hannun, Maas, Jurafsky & Ng 2014, algorithm 1).
 *
 * Of each label sequence in the beam two log-probabilities are known, summed over its alignments
 * with the frames so far: of those that end in the blank, and of those that end in its last label.
 * A frame with log-probabilities p makes of a sequence l with last label e l again   blank' =
 * p(blank) + (blank + label)      label' = p(e) + label l c       label' += p(c) + (blank + label),
 * or p(c) + blank alone where c = e with + of probabilities taken as log-add. Sequences are nodes
 * of a prefix tree, so one that is reached again, from its parent or by itself, is the same entry.
 * The best beam_width live on.
 *
 * A label that cannot bring even the best sequence above what the whole beam has without new labels
 * is not tried; that drops nothing that could live on. */
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/fpmode.h"
#include "base/options.h"
#include "kernels/kernels.h"
#include "lrnn/decode.h"
#include "prefix.h"

/* A label sequence of the beam, or one that would enter it. */
typedef struct entry {
    int32_t node;   /* of the sequence; of one that is not in the tree yet -1, and then: */
    int32_t parent; /* the node that it extends */
    int32_t token;
    double blank, label; /* log-probabilities, see above */
    double total;        /* of both */
} entry;

struct lrnn_ctc {
    lrnn_allocator allocator;
    lrnn_ctc_options options;
    void *storage;
    prefix_tree tree;
    entry *beam; /* [W] best first; `count` of them */
    size_t count;
    entry *next;   /* [2W] beam and candidates after the frame */
    entry *heap;   /* [W] candidates, the worst on top */
    int32_t *tops; /* [V] labels that are tried in this frame */
    real *p;       /* [V] log-probabilities of the frame */
    size_t frames; /* so far */
    int32_t last;  /* greedy: output of the last frame */
    /* Of the result that is lent: [max_length] each. */
    int32_t *tokens, *token_frames;
    real *confidences;
};

static const lrnn_ctc_options default_options = {
    .size = sizeof(lrnn_ctc_options),
    .beam_width = 16,
    .n_best = 1,
    .max_length = 1024,
    .method = LRNN_CTC_BEAM,
};
static const lrnn_ctc_result default_result = {.size = sizeof(lrnn_ctc_result)};

lrnn_status lrnn_ctc_options_init(lrnn_ctc_options *options, size_t struct_size)
{
    return OPTIONS_INIT(options, struct_size, &default_options, lrnn_ctc_options);
}

lrnn_status lrnn_ctc_result_init(lrnn_ctc_result *result, size_t struct_size)
{
    return OPTIONS_INIT(result, struct_size, &default_result, lrnn_ctc_result);
}

/* ---- making ---- */

static lrnn_status check_options(lrnn_ctc_options *o)
{
    CHECK(check_size("output_size", o->output_size, 2, INT32_MAX));
    CHECK(check_choice("method", o->method, LRNN_CTC_BEAM));
    CHECK(check_choice("input", o->input, LRNN_CTC_LOG_PROBS));
    CHECK(check_size("beam_width", o->beam_width, 1, INT32_MAX / 4));
    if (o->method == LRNN_CTC_GREEDY) {
        o->beam_width = 1;
    }
    CHECK(check_size("n_best", o->n_best, 1, o->beam_width));
    CHECK(check_size("max_length", o->max_length, 1, INT32_MAX / 4));
    CHECK(check_size("token_count", o->token_count, 0, o->output_size));
    CHECK(check_not_negative("token_threshold", o->token_threshold));
    CHECK(check_reserved(o->reserved));
    if (o->blank < 0 || (size_t)o->blank >= o->output_size) {
        return error_set(LRNN_ERR_INVALID, "blank: expected 0..%zu, found %d", o->output_size - 1,
                         (int)o->blank);
    }
    return LRNN_OK;
}

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
    ctc->next = arena_take(from, 2 * W, sizeof *ctc->next);
    ctc->heap = arena_take(from, W, sizeof *ctc->heap);
    ctc->tops = arena_take(from, V, sizeof *ctc->tops);
    ctc->p = arena_take(from, V, sizeof *ctc->p);
    ctc->tokens = arena_take(from, length, sizeof *ctc->tokens);
    ctc->token_frames = arena_take(from, length, sizeof *ctc->token_frames);
    ctc->confidences = arena_take(from, length, sizeof *ctc->confidences);
}

lrnn_status lrnn_ctc_create(lrnn_ctc **ctc, const lrnn_ctc_options *options)
{
    if (ctc == NULL) {
        return error_null("ctc");
    }
    *ctc = NULL;
    lrnn_ctc_options o;
    lrnn_allocator allocator;
    CHECK(OPTIONS_READ(&o, options, &default_options, lrnn_ctc_options));
    CHECK(check_options(&o));
    CHECK(allocator_read(&allocator, o.allocator));
    lrnn_ctc *made = memory_allocate(&allocator, 1, sizeof *made, "CTC decoder");
    if (made == NULL) {
        return LRNN_ERR_MEMORY;
    }
    made->allocator = allocator;
    made->options = o;
    made->options.allocator = NULL;
    arena pieces = {0};
    lay_out(made, &pieces);
    lrnn_status status = arena_allocate(&pieces, &allocator, "CTC decoder");
    if (status != LRNN_OK) {
        lrnn_ctc_destroy(made);
        return status;
    }
    made->storage = pieces.base;
    lay_out(made, &pieces);
    *ctc = made;
    return lrnn_ctc_reset(made);
}

void lrnn_ctc_destroy(lrnn_ctc *ctc)
{
    if (ctc != NULL) {
        lrnn_allocator allocator = ctc->allocator;
        memory_release(&allocator, ctc->storage);
        memory_release(&allocator, ctc);
    }
}

lrnn_status lrnn_ctc_reset(lrnn_ctc *ctc)
{
    if (ctc == NULL) {
        return error_null("ctc");
    }
    prefix_clear(&ctc->tree);
    ctc->beam[0] = (entry){.node = PREFIX_ROOT, .token = -1, .label = -INFINITY};
    ctc->count = 1;
    ctc->frames = 0;
    ctc->last = ctc->options.blank;
    return LRNN_OK;
}

/* ---- a frame ---- */

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

static double log_add(double a, double b)
{
    if (a < b) {
        double swapped = a;
        a = b;
        b = swapped;
    }
    return b == -(double)INFINITY ? a : a + log1p(exp(b - a));
}

static bool better(const entry *a, const entry *b)
{
    if (a->total != b->total) {
        return a->total > b->total;
    }
    return a->parent != b->parent ? a->parent < b->parent : a->token < b->token;
}

/* Moves item i of a heap, the worst on top, to its place. */
static void sift_down(entry *heap, size_t count, size_t i)
{
    for (size_t child; (child = 2 * i + 1) < count; i = child) {
        child += child + 1 < count && better(&heap[child], &heap[child + 1]);
        if (!better(&heap[i], &heap[child])) {
            return;
        }
        entry swapped = heap[i];
        heap[i] = heap[child];
        heap[child] = swapped;
    }
}

static void sort(entry *items, size_t count)
{
    for (size_t i = count / 2; i-- > 0;) {
        sift_down(items, count, i);
    }
    for (size_t left = count; left > 1; left--) {
        entry worst = items[0];
        items[0] = items[left - 1];
        items[left - 1] = worst;
        sift_down(items, left - 1, 0);
    }
}

/* Puts the likeliest `most` of the labels first; few are wanted, or few are there. */
static void put_likeliest_first(const real *p, int32_t *labels, size_t count, size_t most)
{
    for (size_t i = 1; i < count; i++) {
        int32_t label = labels[i];
        size_t at = i < most ? i : most - 1;
        if (i >= most && !(p[label] > p[labels[most - 1]])) {
            continue;
        }
        for (; at > 0 && p[label] > p[labels[at - 1]]; at--) {
            labels[at] = labels[at - 1];
        }
        labels[at] = label;
    }
}

/* The labels that the options let be appended in this frame; how many there are. */
static size_t allow_labels(lrnn_ctc *ctc)
{
    const lrnn_ctc_options *o = &ctc->options;
    real best = ctc->p[0];
    size_t count = 0;
    for (size_t v = 1; v < o->output_size; v++) {
        best = ctc->p[v] > best ? ctc->p[v] : best;
    }
    double least = o->token_threshold > 0 ? (double)best - o->token_threshold : -(double)INFINITY;
    for (size_t v = 0; v < o->output_size; v++) {
        if (v != (size_t)o->blank && (double)ctc->p[v] >= least && ctc->p[v] > -(real)INFINITY) {
            ctc->tops[count++] = (int32_t)v;
        }
    }
    if (o->token_count > 0 && o->token_count < count) {
        put_likeliest_first(ctc->p, ctc->tops, count, o->token_count);
        count = o->token_count;
    }
    return count;
}

static bool is_allowed(const lrnn_ctc *ctc, size_t allowed, int32_t label)
{
    const lrnn_ctc_options *o = &ctc->options;
    bool all = o->token_threshold == 0 && o->token_count == 0;
    for (size_t i = 0; !all && i < allowed; i++) {
        if (ctc->tops[i] == label) {
            return true;
        }
    }
    return all;
}

/* Of the allowed labels only those that can bring even the best sequence above `floor`. */
static size_t drop_hopeless(lrnn_ctc *ctc, size_t allowed, double floor)
{
    double least = floor - ctc->beam[0].total;
    size_t count = 0;
    for (size_t i = 0; i < allowed; i++) {
        if ((double)ctc->p[ctc->tops[i]] >= least) {
            ctc->tops[count++] = ctc->tops[i];
        }
    }
    return count;
}

/* What the beam's sequences become without a new label. */
static void stay(lrnn_ctc *ctc)
{
    double blank = (double)ctc->p[ctc->options.blank];
    for (size_t i = 0; i < ctc->count; i++) {
        const entry *of = &ctc->beam[i];
        entry *to = &ctc->next[i];
        *to = *of;
        to->blank = of->total + blank;
        to->label = of->token < 0 ? -(double)INFINITY : of->label + (double)ctc->p[of->token];
    }
}

/* The place in the beam of a node, -1: it is not there. */
static int32_t place_of(const lrnn_ctc *ctc, int32_t node)
{
    for (size_t i = 0; node >= 0 && i < ctc->count; i++) {
        if (ctc->beam[i].node == node) {
            return (int32_t)i;
        }
    }
    return -1;
}

/* Keeps the best W candidates; returns how many there are. */
static size_t offer(lrnn_ctc *ctc, size_t count, const entry *candidate)
{
    size_t W = ctc->options.beam_width;
    if (count < W) {
        ctc->heap[count++] = *candidate;
        for (size_t i = count == W ? W / 2 : 0; i-- > 0;) {
            sift_down(ctc->heap, W, i);
        }
    } else if (better(candidate, &ctc->heap[0])) {
        ctc->heap[0] = *candidate;
        sift_down(ctc->heap, W, 0);
    }
    return count;
}

/* The log-probability of sequence `of` followed by the label. */
static double gain(const lrnn_ctc *ctc, const entry *of, int32_t label)
{
    return (double)ctc->p[label] + (label == of->token ? of->blank : of->total);
}

/* Sequences of the beam are reached from their parents in it, too. */
static void merge(lrnn_ctc *ctc, size_t allowed)
{
    for (size_t i = 0; i < ctc->count; i++) {
        entry *to = &ctc->next[i];
        int32_t place = to->token < 0 ? -1 : place_of(ctc, ctc->tree.nodes[to->node].parent);
        if (place < 0 || !is_allowed(ctc, allowed, to->token)) {
            continue;
        }
        double gained = gain(ctc, &ctc->beam[place], to->token);
        to->label = log_add(to->label, gained);
    }
}

/* Sequence i of the beam followed by each of the labels, unless that is in the beam itself. */
static size_t extend(lrnn_ctc *ctc, size_t i, size_t labels, double floor, size_t candidates)
{
    const entry *of = &ctc->beam[i];
    bool leaf = prefix_is_leaf(&ctc->tree, of->node);
    if ((size_t)ctc->tree.nodes[of->node].length >= ctc->options.max_length) {
        return candidates;
    }
    for (size_t k = 0; k < labels; k++) {
        int32_t label = ctc->tops[k];
        double gained = gain(ctc, of, label);
        if (!(gained > -(double)INFINITY) || gained < floor) {
            continue;
        }
        int32_t node = leaf ? -1 : prefix_find(&ctc->tree, of->node, label);
        if (place_of(ctc, node) < 0) {
            const entry made = {node, of->node, label, -(double)INFINITY, gained, gained};
            candidates = offer(ctc, candidates, &made);
        }
    }
    return candidates;
}

/* The total that W sequences of the beam have at least after the frame; -infinity if there are not
 * so many. */
static double find_floor(const lrnn_ctc *ctc)
{
    double least = INFINITY;
    if (ctc->count < ctc->options.beam_width) {
        return -(double)INFINITY;
    }
    for (size_t i = 0; i < ctc->count; i++) {
        double total = log_add(ctc->next[i].blank, ctc->next[i].label);
        least = total < least ? total : least;
    }
    return least;
}

/* A label may move to a later, likelier frame until another follows it; so frames rise. */
static void see_leaves(lrnn_ctc *ctc)
{
    for (size_t i = 0; i < ctc->count; i++) {
        const entry *e = &ctc->beam[i];
        if (e->token >= 0 && prefix_is_leaf(&ctc->tree, e->node)) {
            prefix_see(&ctc->tree, e->node, ctc->frames, ctc->p[e->token]);
        }
    }
}

/* The best of beam and candidates are the new beam; what falls out of it is let go. */
static void survive(lrnn_ctc *ctc, size_t candidates)
{
    size_t old = ctc->count, W = ctc->options.beam_width;
    for (size_t i = 0; i < old; i++) {
        ctc->next[i].total = log_add(ctc->next[i].blank, ctc->next[i].label);
    }
    memcpy(ctc->next + old, ctc->heap, candidates * sizeof *ctc->next);
    sort(ctc->next, old + candidates);
    size_t kept = old + candidates < W ? old + candidates : W;
    while (kept > 1 && ctc->next[kept - 1].total == -(double)INFINITY) {
        kept--;
    }
    for (size_t i = 0; i < kept; i++) {
        entry *e = &ctc->next[i];
        if (e->node >= 0) {
            prefix_hold(&ctc->tree, e->node);
        } else {
            e->node = prefix_add(&ctc->tree, e->parent, e->token);
        }
    }
    for (size_t i = 0; i < old; i++) {
        prefix_release(&ctc->tree, ctc->beam[i].node);
    }
    memcpy(ctc->beam, ctc->next, kept * sizeof *ctc->beam);
    ctc->count = kept;
    see_leaves(ctc);
}

static void search_frame(lrnn_ctc *ctc)
{
    stay(ctc);
    size_t labels = allow_labels(ctc), candidates = 0;
    merge(ctc, labels);
    double floor = find_floor(ctc);
    labels = drop_hopeless(ctc, labels, floor);
    for (size_t i = 0; i < ctc->count; i++) {
        candidates = extend(ctc, i, labels, floor, candidates);
    }
    survive(ctc, candidates);
}

/* The best output of the frame, and the only sequence. */
static void follow_best(lrnn_ctc *ctc)
{
    entry *only = &ctc->beam[0];
    int32_t best = 0, node = only->node;
    for (size_t v = 1; v < ctc->options.output_size; v++) {
        best = ctc->p[v] > ctc->p[best] ? (int32_t)v : best;
    }
    only->total += (double)ctc->p[best];
    if (best != ctc->options.blank && best != ctc->last &&
        (size_t)ctc->tree.nodes[node].length < ctc->options.max_length) {
        only->node = prefix_add(&ctc->tree, node, best);
        only->token = best;
        prefix_release(&ctc->tree, node);
    }
    if (best != ctc->options.blank && best == only->token) {
        prefix_see(&ctc->tree, only->node, ctc->frames, ctc->p[best]);
    }
    ctc->last = best;
}

lrnn_status lrnn_ctc_feed(lrnn_ctc *ctc, const real *frames, size_t count)
{
    if (ctc == NULL || (frames == NULL && count > 0)) {
        return error_null(ctc == NULL ? "ctc" : "frames");
    }
    if (count > INT32_MAX - ctc->frames) {
        return error_set(LRNN_ERR_INVALID, "count: %zu frames after %zu are too many", count,
                         ctc->frames);
    }
    CHECK(check_frames(ctc, frames, count));
    fpmode mode = fpmode_enter();
    for (size_t t = 0; t < count; t++) {
        read_frame(ctc, frames + t * ctc->options.output_size);
        if (ctc->options.method == LRNN_CTC_GREEDY) {
            follow_best(ctc);
        } else {
            search_frame(ctc);
        }
        ctc->frames++;
    }
    fpmode_leave(mode);
    return LRNN_OK;
}

/* ---- results ---- */

lrnn_status lrnn_ctc_get_result(lrnn_ctc_result *result, lrnn_ctc *ctc, size_t rank)
{
    if (result == NULL || ctc == NULL) {
        return error_null(result == NULL ? "result" : "ctc");
    }
    lrnn_ctc_result all;
    CHECK(OPTIONS_READ(&all, result, &default_result, lrnn_ctc_result));
    CHECK(check_size("rank", rank, 0, ctc->options.n_best - 1));
    if (rank >= ctc->count) {
        return error_set(LRNN_ERR_NOT_FOUND, "rank: there are %zu results, asked for number %zu",
                         ctc->count, rank);
    }
    const entry *of = &ctc->beam[rank];
    size_t count = (size_t)ctc->tree.nodes[of->node].length, i = count;
    for (int32_t node = of->node; node != PREFIX_ROOT; node = ctc->tree.nodes[node].parent) {
        const prefix_node *n = &ctc->tree.nodes[node];
        ctc->tokens[--i] = n->token;
        ctc->token_frames[i] = n->frame;
        ctc->confidences[i] = (real)exp((double)n->peak);
    }
    all.tokens = ctc->tokens;
    all.frames = ctc->token_frames;
    all.confidences = ctc->confidences;
    all.count = count;
    all.log_probability = of->total;
    options_give(result, &all, sizeof all);
    return LRNN_OK;
}

/* The last node that all sequences of the beam have passed. */
size_t lrnn_ctc_settled(const lrnn_ctc *ctc)
{
    if (ctc == NULL) {
        return 0;
    }
    const prefix_node *nodes = ctc->tree.nodes;
    int32_t common = ctc->beam[0].node;
    for (size_t i = 1; i < ctc->count; i++) {
        int32_t other = ctc->beam[i].node;
        while (common != other) {
            if (nodes[common].length >= nodes[other].length) {
                common = nodes[common].parent;
            } else {
                other = nodes[other].parent;
            }
        }
    }
    return (size_t)nodes[common].length;
}
