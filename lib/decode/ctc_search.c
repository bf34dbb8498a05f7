/* Prefix beam search over frames (Hannun, Maas, Jurafsky & Ng 2014, algorithm 1).
 *
 * Of each label sequence in the beam two log-probabilities are known, summed over its alignments
 * with the frames so far: of those that end in the blank, and of those that end in its last label.
 * A frame with log-probabilities p makes of a sequence l with last label e
 *     l again   blank' = p(blank) + (blank + label)      label' = p(e) + label
 *     l c       label' += p(c) + (blank + label), or p(c) + blank alone where c = e
 * with + of probabilities taken as log-add. Sequences are nodes of a prefix tree, so one that is
 * reached again, from its parent or by itself, is the same entry. The best beam_width by log-
 * probability and extra (lexicon and language model) are kept.
 *
 * A label that cannot bring even the best sequence above what the whole beam has without new labels
 * is not tried; that drops nothing that could be kept. */
#include "ctc.h"

/* Puts the `most` most likely of the labels first; few are wanted, or few are there. */
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
    real best = values_maximum(ctc->p, o->output_size);
    size_t count = 0;
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

static int32_t last_label(const lrnn_ctc *ctc, const ctc_entry *of)
{
    return ctc->tree.nodes[of->node].token;
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

/* The log-probability of sequence `of` followed by the label. */
static double gain(const lrnn_ctc *ctc, const ctc_entry *of, int32_t label)
{
    return (double)ctc->p[label] + (label == last_label(ctc, of) ? of->blank : of->total);
}

/* What the beam's sequences become without a new label; they are reached from their parents in the
 * beam, too. */
static void stay(lrnn_ctc *ctc, size_t allowed)
{
    double blank = (double)ctc->p[ctc->options.blank];
    for (size_t i = 0; i < ctc->count; i++) {
        const ctc_entry *of = &ctc->beam[i];
        ctc_entry *to = &ctc->stay[i];
        int32_t label = last_label(ctc, of), parent = -1;
        *to = *of;
        to->blank = of->total + blank;
        to->label = label < 0 ? -(double)INFINITY : of->label + (double)ctc->p[label];
        if (label >= 0 && is_allowed(ctc, allowed, label)) {
            parent = place_of(ctc, ctc->tree.nodes[of->node].parent);
        }
        if (parent >= 0) {
            to->label = ctc_log_add(to->label, gain(ctc, &ctc->beam[parent], label));
        }
        to->total = ctc_log_add(to->blank, to->label);
    }
}

/* The rank that W sequences of the beam have at least after the frame; -infinity if there are not
 * so many. */
static double find_floor(const lrnn_ctc *ctc)
{
    double least = INFINITY;
    if (ctc->count < ctc->options.beam_width) {
        return -(double)INFINITY;
    }
    for (size_t i = 0; i < ctc->count; i++) {
        double rank = ctc_rank(&ctc->stay[i]);
        least = rank < least ? rank : least;
    }
    return least;
}

/* Of the allowed labels only those that can bring even the best sequence above `floor`. */
static size_t drop_hopeless(lrnn_ctc *ctc, size_t allowed, double floor)
{
    double best = ctc_rank(&ctc->beam[0]), least;
    size_t count = 0;
    for (size_t i = 1; i < ctc->count; i++) {
        double rank = ctc_rank(&ctc->beam[i]);
        best = rank > best ? rank : best;
    }
    least = floor - best - ctc->most_extra;
    for (size_t i = 0; i < allowed; i++) {
        if ((double)ctc->p[ctc->tops[i]] >= least) {
            ctc->tops[count++] = ctc->tops[i];
        }
    }
    return count;
}

/* Offers sequence i of the beam followed by each of the labels, unless that is in the beam. */
static void extend(lrnn_ctc *ctc, size_t i, size_t labels, double floor)
{
    const ctc_entry *of = &ctc->beam[i];
    bool leaf = prefix_is_leaf(&ctc->tree, of->node);
    if ((size_t)ctc->tree.nodes[of->node].length >= ctc->options.max_length) {
        return;
    }
    for (size_t k = 0; k < labels; k++) {
        int32_t label = ctc->tops[k];
        double gained = gain(ctc, of, label);
        ctc_step step;
        if (!(gained > -(double)INFINITY) || gained + of->extra + ctc->most_extra < floor ||
            (!leaf && place_of(ctc, prefix_find(&ctc->tree, of->node, label)) >= 0) ||
            !ctc_language_step(&step, ctc, of, label)) {
            continue;
        }
        selection_offer(&ctc->best,
                        &(candidate){gained + of->extra + step.extra, (int32_t)i, label});
    }
}

/* The sequence of the beam that a candidate is, or extends. */
static ctc_entry take(lrnn_ctc *ctc, const candidate *chosen)
{
    const ctc_entry *of = &ctc->beam[chosen->row];
    ctc_entry made = ctc->stay[chosen->row];
    if (chosen->token == NO_TOKEN) {
        prefix_hold(&ctc->tree, made.node);
        ctc_language_hold(ctc, made.history);
        return made;
    }
    ctc_step step;
    ctc_language_step(&step, ctc, of, chosen->token);
    made.blank = -(double)INFINITY;
    made.label = made.total = gain(ctc, of, chosen->token);
    made.extra = of->extra + step.extra;
    made.node = prefix_find(&ctc->tree, of->node, chosen->token);
    if (made.node >= 0) {
        prefix_hold(&ctc->tree, made.node);
    } else {
        made.node = prefix_add(&ctc->tree, of->node, chosen->token, step.place);
    }
    made.history = ctc_language_take(ctc, of, made.node, &step);
    return made;
}

/* A label may move to a later, more likely frame until another follows it; so frames ascend. */
static void see_leaves(lrnn_ctc *ctc)
{
    for (size_t i = 0; i < ctc->count; i++) {
        int32_t label = last_label(ctc, &ctc->beam[i]);
        if (label >= 0 && prefix_is_leaf(&ctc->tree, ctc->beam[i].node)) {
            prefix_see(&ctc->tree, ctc->beam[i].node, ctc->frames, ctc->p[label]);
        }
    }
}

/* The chosen are the new beam; what falls out of it is let go. */
static void survive(lrnn_ctc *ctc)
{
    size_t kept = ctc->best.count;
    selection_sort(&ctc->best);
    for (size_t i = 0; i < kept; i++) {
        ctc->next[i] = take(ctc, &ctc->best.items[i]);
    }
    for (size_t i = 0; i < ctc->count; i++) {
        prefix_release(&ctc->tree, ctc->beam[i].node);
        ctc_language_drop(ctc, ctc->beam[i].history);
    }
    ctc_entry *old = ctc->beam;
    ctc->beam = ctc->next;
    ctc->next = old;
    ctc->count = kept;
    see_leaves(ctc);
}

lrnn_status ctc_search_frame(lrnn_ctc *ctc)
{
    size_t labels = allow_labels(ctc);
    stay(ctc, labels);
    double floor = find_floor(ctc);
    labels = drop_hopeless(ctc, labels, floor);
    ctc->best.count = 0;
    for (size_t i = 0; i < ctc->count; i++) {
        double rank = ctc_rank(&ctc->stay[i]);
        if (i == 0 || rank > -(double)INFINITY) {
            selection_offer(&ctc->best, &(candidate){rank, (int32_t)i, NO_TOKEN});
        }
    }
    for (size_t i = 0; i < ctc->count; i++) {
        extend(ctc, i, labels, floor);
    }
    survive(ctc);
    return ctc_language_grow(ctc);
}
