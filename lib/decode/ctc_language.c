/* Words and language models in a search over frames.
 *
 * The lexicon: each sequence has a place in the trie, which its labels alone determine: the root
 * between words, a node within a word, LEXICON_NOWHERE within a word that is not in the lexicon.
 *
 * The language model: a history is what it has read, with its state and its scores of what may
 * follow. Sequences share a history until one appends a token; then that takes a new one, out of
 * the old. All that grow in a frame are computed together, at its end. A history that nobody holds
 * is free, but keeps its numbers until the next frame, so that others can still grow out of it. */
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "ctc.h"
#include "kernels/kernels.h"
#include "model/layer_state.h"
#include "model/state.h"

/* ---- memory ---- */

static void *take(arena *from, size_t a, size_t b, size_t size)
{
    size_t count;
    if (!size_multiply(&count, a, b)) {
        from->overflow = true;
        return NULL;
    }
    return arena_take(from, count, size);
}

void ctc_language_lay_out(lrnn_ctc *ctc, arena *from)
{
    ctc_language *l = &ctc->language;
    size_t n = l->capacity, W = ctc->options.beam_width, V = l->vocab_size;
    if (n == 0) {
        return;
    }
    if (ctc->options.lm_tokens != NULL) {
        int32_t *copy = arena_take(from, ctc_unit_count(ctc), sizeof *copy);
        if (copy != NULL) {
            memcpy(copy, ctc->options.lm_tokens, ctc_unit_count(ctc) * sizeof *copy);
            ctc->options.lm_tokens = copy;
        }
    }
    int32_t **const numbers[] = {&l->uses,   &l->nodes,    &l->rows,    &l->sizes, &l->parents,
                                 &l->tokens, &l->requests, &l->lengths, &l->order};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        *numbers[i] = arena_take(from, n, sizeof(int32_t));
    }
    l->grown = arena_take(from, W, sizeof(int32_t));
    l->from = arena_take(from, W, sizeof(int32_t));
    l->appended = arena_take(from, W, sizeof(int32_t));
    l->scores = take(from, n, V, sizeof(real));
    l->logits = take(from, n, V, sizeof(real));
    l->h = take(from, n, l->h_values, sizeof(real));
    l->c = l->cell_state ? take(from, n, l->c_values, sizeof(real)) : NULL;
}

lrnn_status ctc_language_create_state(lrnn_ctc *ctc, const lrnn_model *model)
{
    lrnn_state_options options;
    CHECK(lrnn_state_options_init(&options, sizeof options));
    options.allocator = &ctc->allocator;
    options.batch = ctc->options.beam_width;
    options.steps = 1;
    return lrnn_state_create(&ctc->language.state, model, &options);
}

void ctc_language_release(lrnn_ctc *ctc)
{
    lrnn_state_destroy(ctc->language.state);
    lrnn_lexicon_destroy(ctc->lexicon);
}

/* ---- steps ---- */

/* What a score of the language model counts. With a weight of 0 it is not asked, not even what it
 * holds impossible. */
static double weighted(const lrnn_ctc *ctc, real score)
{
    return ctc->options.lm_weight > 0 ? ctc->options.lm_weight * (double)score : 0;
}

/* Adds what the language model says of a token after a history. False: impossible. */
static bool add_token(double *extra, const lrnn_ctc *ctc, int32_t history, int32_t token)
{
    const ctc_language *l = &ctc->language;
    *extra += ctc->options.insertion_bonus;
    if (token == NO_TOKEN) {
        return true;
    }
    real score = l->scores[(size_t)history * l->vocab_size + (size_t)token];
    *extra += weighted(ctc, score);
    return ctc->options.lm_weight == 0 || score > -(real)INFINITY;
}

static int32_t token_of(const lrnn_ctc *ctc, int32_t unit)
{
    if (ctc->language.vocab_size == 0) {
        return NO_TOKEN;
    }
    return ctc->options.lm_tokens != NULL ? ctc->options.lm_tokens[unit] : unit;
}

/* The word in which a sequence is ends. False: it may not. */
static bool end_word(ctc_step *step, const lrnn_ctc *ctc, const ctc_entry *of)
{
    int32_t place = ctc->tree.known[of->node].place, word = LEXICON_NO_WORD;
    if (place == LEXICON_ROOT) {
        return true;
    }
    if (place != LEXICON_NOWHERE) {
        word = ctc->lexicon->nodes[place].word;
        if (word == LEXICON_NO_WORD) {
            step->extra -= ctc->options.unknown_penalty;
        }
    }
    if (word == LEXICON_NO_WORD && ctc->options.unknown_words == 0) {
        return false;
    }
    if (ctc->words) {
        bool known = word != LEXICON_NO_WORD, has = ctc->language.vocab_size > 0;
        step->token = known ? token_of(ctc, word) : has ? ctc->options.lm_unknown : NO_TOKEN;
        return add_token(&step->extra, ctc, of->history, step->token);
    }
    return true;
}

/* Moves along the lexicon. False: no word goes on like that. */
static bool follow_lexicon(ctc_step *step, const lrnn_ctc *ctc, const ctc_entry *of, int32_t label)
{
    int32_t place = ctc->tree.known[of->node].place;
    if (label == ctc->options.separator) {
        step->place = LEXICON_ROOT;
        return end_word(step, ctc, of);
    }
    step->place = place == LEXICON_NOWHERE ? place : lexicon_child(ctc->lexicon, place, label);
    if (step->place == LEXICON_NOWHERE && place != LEXICON_NOWHERE) {
        step->extra -= ctc->options.unknown_penalty;
    }
    return step->place != LEXICON_NOWHERE || ctc->options.unknown_words != 0;
}

bool ctc_language_step(ctc_step *step, const lrnn_ctc *ctc, const ctc_entry *of, int32_t label)
{
    *step = (ctc_step){.token = NO_TOKEN};
    if (ctc->lexicon != NULL && !follow_lexicon(step, ctc, of, label)) {
        return false;
    }
    if (ctc->words) {
        return true;
    }
    step->token = token_of(ctc, label);
    return add_token(&step->extra, ctc, of->history, step->token);
}

/* ---- histories ---- */

void ctc_language_hold(lrnn_ctc *ctc, int32_t history)
{
    if (ctc->language.capacity > 0) {
        ctc->language.uses[history]++;
    }
}

void ctc_language_drop(lrnn_ctc *ctc, int32_t history)
{
    if (ctc->language.capacity > 0) {
        ctc->language.uses[history]--;
    }
}

int32_t ctc_language_take(lrnn_ctc *ctc, const ctc_entry *of, int32_t node, const ctc_step *step)
{
    ctc_language *l = &ctc->language;
    if (step->token == NO_TOKEN || l->capacity == 0) {
        ctc_language_hold(ctc, of->history);
        return of->history;
    }
    int32_t made = 0;
    while (l->uses[made] > 0) {
        made++;
    }
    l->uses[made] = 1;
    l->nodes[made] = node;
    l->sizes[made] = l->sizes[of->history] + 1;
    l->grown[l->grown_count] = made;
    l->from[l->grown_count] = of->history;
    l->appended[l->grown_count++] = step->token;
    return made;
}

/* ---- scores ---- */

/* Logits to log-probabilities of a history. */
static lrnn_status normalize(ctc_language *l, int32_t history, const real *logits)
{
    real maximum;
    double sum;
    kernels()->max_sum_exp(logits, l->vocab_size, &maximum, &sum);
    double normalizer = (double)maximum + log(sum);
    if (!isfinite(normalizer)) {
        return error_set(LRNN_ERR_NUMERIC,
                         "language model: NaN, +infinity or nothing but -infinity after %d tokens",
                         (int)l->sizes[history]);
    }
    real *scores = l->scores + (size_t)history * l->vocab_size;
    for (size_t v = 0; v < l->vocab_size; v++) {
        scores[v] = (real)((double)logits[v] - normalizer);
    }
    return LRNN_OK;
}

/* h and c of a history, to or from a stream of the state. */
static void copy_state(ctc_language *l, int32_t history, size_t stream, bool to_state)
{
    size_t at = (size_t)history;
    layer_state own = {l->h + at * l->h_values, l->cell_state ? l->c + at * l->c_values : NULL, 1,
                       0};
    layer_state streams = {l->state->h, l->state->c, l->state->capacity, stream};
    layer_state_copy(&l->state->model->net, to_state ? streams : own,
                     layer_state_read(to_state ? own : streams), 1);
}

static lrnn_status step_model(ctc_language *l, size_t count)
{
    const real *top;
    size_t top_row;
    l->state->live = count;
    CHECK(state_step(&top, &top_row, l->state, l->appended, NULL));
    state_head(l->state, count, top, top_row, l->logits, l->vocab_size);
    for (size_t i = 0; i < count; i++) {
        copy_state(l, l->grown[i], i, false);
        CHECK(normalize(l, l->grown[i], l->logits + i * l->vocab_size));
    }
    return LRNN_OK;
}

static void show_row(ctc_language *l, int32_t history, int32_t parent, int32_t token)
{
    size_t row = l->row_count++;
    l->order[row] = history;
    l->parents[row] = parent;
    l->tokens[row] = token;
    l->requests[row] = 0;
    l->lengths[row] = l->sizes[history];
}

/* The rows of a call are the histories that have grown, then all others. */
static void show_rows(lrnn_ctc *ctc, size_t count, bool first)
{
    ctc_language *l = &ctc->language;
    l->row_count = 0;
    for (size_t i = 0; i < count; i++) {
        show_row(l, l->grown[i], first ? -1 : l->rows[l->from[i]], l->appended[i]);
    }
    for (size_t history = 0; !first && history < l->capacity; history++) {
        bool grew = false;
        for (size_t i = 0; i < count; i++) {
            grew = grew || l->grown[i] == (int32_t)history;
        }
        if (l->uses[history] > 0 && !grew) {
            show_row(l, (int32_t)history, l->rows[history], NO_TOKEN);
        }
    }
    for (size_t row = 0; row < l->row_count; row++) {
        l->rows[l->order[row]] = (int32_t)row;
    }
    l->shown = (lrnn_rows){
        .size = sizeof(lrnn_rows),
        .count = l->row_count,
        .parents = l->parents,
        .tokens = l->tokens,
        .requests = l->requests,
        .lengths = l->lengths,
        .ctc = ctc,
    };
}

static lrnn_status ask_scorer(lrnn_ctc *ctc, size_t count, bool first)
{
    ctc_language *l = &ctc->language;
    show_rows(ctc, count, first);
    search_leave(&l->calls);
    CHECK(search_return(&l->calls, l->scorer.score(l->scorer.user, &l->shown, l->logits), "score"));
    for (size_t i = 0; i < count; i++) {
        CHECK(normalize(l, l->grown[i], l->logits + i * l->vocab_size));
    }
    return LRNN_OK;
}

lrnn_status ctc_language_start(lrnn_ctc *ctc)
{
    ctc_language *l = &ctc->language;
    if (l->capacity == 0) {
        return LRNN_OK;
    }
    int32_t start = ctc->options.lm_start;
    memset(l->uses, 0, l->capacity * sizeof *l->uses);
    l->uses[0] = 1;
    l->nodes[0] = SEARCH_ROOT;
    l->sizes[0] = start >= 0;
    l->grown[0] = l->from[0] = 0;
    l->appended[0] = start;
    l->grown_count = 0;
    if (l->state == NULL) {
        return ask_scorer(ctc, 1, true);
    }
    CHECK(lrnn_state_reset(l->state));
    return step_model(l, 1);
}

lrnn_status ctc_language_grow(lrnn_ctc *ctc)
{
    ctc_language *l = &ctc->language;
    size_t count = l->grown_count;
    l->grown_count = 0;
    if (count == 0) {
        return LRNN_OK;
    }
    if (l->state == NULL) {
        return ask_scorer(ctc, count, false);
    }
    for (size_t i = 0; i < count; i++) {
        copy_state(l, l->from[i], i, true);
    }
    return step_model(l, count);
}

/* ---- the end ---- */

/* Sequences that end within a word are marked by a total of -infinity. Returns whether any do not.
 */
static bool end_words(lrnn_ctc *ctc)
{
    bool whole = ctc->lexicon == NULL;
    for (size_t i = 0; ctc->lexicon != NULL && i < ctc->count; i++) {
        ctc_step step = {.token = NO_TOKEN};
        whole = end_word(&step, ctc, &ctc->beam[i]) || whole;
    }
    for (size_t i = 0; ctc->lexicon != NULL && whole && i < ctc->count; i++) {
        ctc_entry *of = &ctc->beam[i];
        ctc_step step = {.token = NO_TOKEN};
        if (!end_word(&step, ctc, of)) {
            of->total = -(double)INFINITY;
            continue;
        }
        of->extra += step.extra;
        int32_t history = ctc_language_take(ctc, of, of->node, &step);
        ctc_language_drop(ctc, of->history);
        of->history = history;
    }
    return whole;
}

lrnn_status ctc_language_finish(lrnn_ctc *ctc)
{
    if (!end_words(ctc)) {
        return LRNN_OK;
    }
    CHECK(ctc_language_grow(ctc));
    for (size_t i = 0; ctc->options.lm_end >= 0 && i < ctc->count; i++) {
        ctc_entry *of = &ctc->beam[i];
        const real *scores = ctc->language.scores + (size_t)of->history * ctc->language.vocab_size;
        of->extra += weighted(ctc, scores[ctc->options.lm_end]);
    }
    return LRNN_OK;
}

/* ---- what was said ---- */

size_t ctc_language_words(int32_t *words, const lrnn_ctc *ctc, const int32_t *labels, size_t count)
{
    int32_t place = LEXICON_ROOT;
    size_t found = 0;
    for (size_t i = 0; i <= count; i++) {
        if (i == count || labels[i] == ctc->options.separator) {
            if (place != LEXICON_ROOT) {
                words[found++] =
                    place == LEXICON_NOWHERE ? LEXICON_NO_WORD : ctc->lexicon->nodes[place].word;
            }
            place = LEXICON_ROOT;
        } else if (place != LEXICON_NOWHERE) {
            place = lexicon_child(ctc->lexicon, place, labels[i]);
        }
    }
    return found;
}

lrnn_status ctc_language_copy_tokens(int32_t *tokens, size_t capacity, const lrnn_ctc *ctc,
                                     size_t row)
{
    const ctc_language *l = &ctc->language;
    if (!l->calls.running) {
        return error_set(LRNN_ERR_STATE, "rows: they are gone, their callback has returned");
    }
    if (row >= l->row_count) {
        return error_set(LRNN_ERR_INVALID, "row: %zu of %zu", row, l->row_count);
    }
    size_t size = (size_t)l->lengths[row], used = 0;
    if (capacity < size) {
        return error_set(LRNN_ERR_TOO_SMALL, "capacity: %zu, but the row has %zu tokens", capacity,
                         size);
    }
    int32_t node = l->nodes[l->order[row]], *units = ctc->tokens;
    size_t count = (size_t)ctc->tree.nodes[node].length;
    search_copy_path(units, NULL, count, ctc->tree.nodes, NULL, node);
    if (ctc->words) {
        count = ctc_language_words(ctc->words_found, ctc, units, count);
        units = ctc->words_found;
    }
    if (ctc->options.lm_start >= 0) {
        tokens[used++] = ctc->options.lm_start;
    }
    for (size_t i = 0; i < count && used < size; i++) {
        int32_t token =
            units[i] == LEXICON_NO_WORD ? ctc->options.lm_unknown : token_of(ctc, units[i]);
        if (token != NO_TOKEN) {
            tokens[used++] = token;
        }
    }
    return LRNN_OK;
}
