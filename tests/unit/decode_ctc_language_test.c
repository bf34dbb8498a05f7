/* Words and language models in the search over frames: against all alignments written out, ranked
 * by the definition. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "lrnn.h"
#include "support/expect.h"
#include "support/fault_allocator.h"
#include "support/malloc_trap.h"

enum { V = 4, T = 6, SETS = 1024, WIDE = 1500, SEPARATOR = 3, WORDS = 3 };

static float frames[T * V];

static void draw_frames(uint64_t seed)
{
    for (size_t i = 0; i < T * V; i++) {
        frames[i] = (float)(1.5 * random_normal(seed, 1, i));
    }
}

/* ---- every sequence with its probability ---- */

typedef struct sequence {
    int32_t labels[T];
    size_t count;
    double total, rank;
} sequence;

static sequence all[SETS];
static size_t all_count;

static double log_add(double a, double b)
{
    return a == -HUGE_VAL ? b : b == -HUGE_VAL ? a : fmax(a, b) + log1p(exp(-fabs(a - b)));
}

static double log_softmax(size_t t, size_t v)
{
    double sum = 0;
    for (size_t u = 0; u < V; u++) {
        sum += exp((double)frames[t * V + u]);
    }
    return (double)frames[t * V + v] - log(sum);
}

/* The blank is 0. */
static void enumerate(void)
{
    all_count = 0;
    for (size_t path = 0; path < 1u << (2 * T); path++) {
        sequence s = {.total = 0};
        size_t last = 0;
        for (size_t t = 0; t < T; t++) {
            size_t v = path >> (2 * t) & 3;
            s.total += log_softmax(t, v);
            if (v != 0 && v != last) {
                s.labels[s.count++] = (int32_t)v;
            }
            last = v;
        }
        size_t i = 0;
        while (i < all_count &&
               (all[i].count != s.count || memcmp(all[i].labels, s.labels, sizeof s.labels) != 0)) {
            i++;
        }
        if (i == all_count) {
            assert_true(all_count < SETS);
            all[all_count] = s;
            all[all_count++].total = -HUGE_VAL;
        }
        all[i].total = log_add(all[i].total, s.total);
    }
}

static int by_rank(const void *a, const void *b)
{
    double x = ((const sequence *)a)->rank, y = ((const sequence *)b)->rank;
    return (x < y) - (x > y);
}

/* ---- a language model that can be asked about any history ---- */

enum { TOKENS = 6 };

static float logit_after(const int32_t *tokens, size_t count, size_t token)
{
    uint64_t hash = 17;
    for (size_t i = count > 2 ? count - 2 : 0; i < count; i++) {
        hash = hash * 31 + (uint64_t)(tokens[i] + 2);
    }
    return (float)(2 * random_normal(hash, 3, token));
}

static double log_p(const int32_t *tokens, size_t count, int32_t token)
{
    double sum = 0;
    for (size_t v = 0; v < TOKENS; v++) {
        sum += exp((double)logit_after(tokens, count, v));
    }
    return (double)logit_after(tokens, count, (size_t)token) - log(sum);
}

static int32_t ask(void *user, const lrnn_rows *rows, float *logits)
{
    (void)user;
    for (size_t row = 0; row < rows->count; row++) {
        int32_t tokens[64];
        if (lrnn_rows_copy_tokens(tokens, 64, rows, row) != LRNN_OK) {
            return -7;
        }
        for (size_t v = 0; v < TOKENS; v++) {
            logits[row * TOKENS + v] = logit_after(tokens, (size_t)rows->lengths[row], v);
        }
    }
    return 0;
}

/* The same with a state per row: the last two tokens. */
typedef struct kept {
    int32_t last[2][4 * WIDE][2];
    size_t counts[2][4 * WIDE];
    int now;
} kept;

static int32_t ask_with_state(void *user, const lrnn_rows *rows, float *logits)
{
    kept *k = user;
    int next = !k->now;
    for (size_t row = 0; row < rows->count; row++) {
        int32_t *to = k->last[next][row], parent = rows->parents[row];
        size_t *count = &k->counts[next][row];
        *count = 0;
        if (parent >= 0) {
            memcpy(to, k->last[k->now][parent], sizeof k->last[0][0]);
            *count = k->counts[k->now][parent];
        }
        if (rows->tokens[row] >= 0) {
            to[0] = *count >= 1 ? to[*count - 1] : 0;
            to[*count == 0 ? 0 : 1] = rows->tokens[row];
            *count = *count == 0 ? 1 : 2;
        }
        if (rows->tokens[row] >= 0 || parent < 0) {
            for (size_t v = 0; v < TOKENS; v++) {
                logits[row * TOKENS + v] = logit_after(to, *count, v);
            }
        }
    }
    k->now = next;
    return 0;
}

static lrnn_scorer scorer_of(int32_t (*score)(void *, const lrnn_rows *, float *), void *user)
{
    lrnn_scorer scorer;
    EXPECT_OK(lrnn_scorer_init(&scorer, sizeof scorer));
    scorer.score = score;
    scorer.user = user;
    scorer.vocab_size = TOKENS;
    return scorer;
}

/* ---- the definition ---- */

static const int32_t spelling[] = {1, 2, 1, 2, 2, 1};
static const size_t spelling_lengths[WORDS] = {2, 3, 1}; /* "1 2", "1 2 2", "1" */

static lrnn_lexicon *make_lexicon(void)
{
    lrnn_lexicon *lexicon;
    EXPECT_OK(lrnn_lexicon_create(&lexicon, spelling, spelling_lengths, WORDS, NULL));
    return lexicon;
}

static int32_t word_of(const int32_t *labels, size_t count)
{
    const int32_t *at = spelling;
    for (int32_t w = 0; w < WORDS; at += spelling_lengths[w++]) {
        if (spelling_lengths[w] == count && memcmp(at, labels, count * sizeof *labels) == 0) {
            return w;
        }
    }
    return -1;
}

/* Words of a sequence, -1 for unknown ones. */
static size_t words_of(int32_t words[T], const sequence *s, int32_t separator)
{
    size_t found = 0, start = 0;
    for (size_t i = 0; i <= s->count; i++) {
        if (i == s->count || s->labels[i] == separator) {
            if (i > start) {
                words[found++] = word_of(s->labels + start, i - start);
            }
            start = i + 1;
        }
    }
    return found;
}

/* The rank of a finished sequence; -infinity: not allowed. */
static double rank_of(const sequence *s, const lrnn_ctc_options *o)
{
    double rank = s->total;
    int32_t words[T], history[T + 2];
    const int32_t *units = s->labels;
    size_t count = s->count, read = 0, word_count = words_of(words, s, o->separator);
    for (size_t i = 0; o->lexicon != NULL && i < word_count; i++) {
        rank -= words[i] < 0 ? o->unknown_penalty : 0;
        if (words[i] < 0 && o->unknown_words == 0) {
            return -HUGE_VAL;
        }
    }
    if (o->lm_words != 0) {
        units = words;
        count = word_count;
    }
    if (o->lm_start >= 0) {
        history[read++] = o->lm_start;
    }
    for (size_t i = 0; i < count; i++) {
        int32_t token = units[i] < 0           ? o->lm_unknown
                        : o->lm_tokens != NULL ? o->lm_tokens[units[i]]
                                               : units[i];
        rank += o->insertion_bonus;
        if (o->scorer != NULL && token >= 0) {
            rank += o->lm_weight * log_p(history, read, token);
            history[read++] = token;
        }
    }
    if (o->lm_end >= 0) {
        rank += o->lm_weight * log_p(history, read, o->lm_end);
    }
    return rank;
}

static lrnn_ctc_options options_of(size_t width)
{
    lrnn_ctc_options o;
    EXPECT_OK(lrnn_ctc_options_init(&o, sizeof o));
    o.output_size = V;
    o.beam_width = width;
    o.n_best = width;
    o.max_length = T;
    return o;
}

static lrnn_ctc_result result_of(lrnn_ctc *ctc, size_t rank)
{
    lrnn_ctc_result r;
    EXPECT_OK(lrnn_ctc_result_init(&r, sizeof r));
    EXPECT_OK(lrnn_ctc_get_result(&r, ctc, rank));
    return r;
}

static void expect_ranking(const lrnn_ctc_options *o)
{
    lrnn_ctc *ctc;
    size_t valid = 0;
    enumerate();
    for (size_t i = 0; i < all_count; i++) {
        all[i].rank = rank_of(&all[i], o);
        valid += all[i].rank > -HUGE_VAL;
    }
    qsort(all, all_count, sizeof *all, by_rank);
    EXPECT_OK(lrnn_ctc_create(&ctc, o));
    for (int again = 0; again < 2; again++) {
        EXPECT_OK(lrnn_ctc_feed(ctc, frames, 2, V));
        EXPECT_OK(lrnn_ctc_feed(ctc, frames + 2 * V, T - 2, V));
        EXPECT_OK(lrnn_ctc_finish(ctc));
        for (size_t i = 0; i < valid && i < 12; i++) {
            lrnn_ctc_result r = result_of(ctc, i);
            assert_true(fabs(r.score - all[i].rank) < 1e-4);
            assert_true(fabs(r.log_probability - all[i].total) < 1e-4);
            assert_int_equal(r.count, all[i].count);
            assert_memory_equal(r.tokens, all[i].labels, r.count * sizeof *r.tokens);
            if (o->lexicon != NULL) {
                int32_t words[T];
                assert_int_equal(r.word_count, words_of(words, &all[i], o->separator));
                assert_memory_equal(r.words, words, r.word_count * sizeof *words);
            }
        }
        EXPECT_OK(lrnn_ctc_reset(ctc));
    }
    lrnn_ctc_destroy(ctc);
}

static void a_bonus_counts_labels(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        lrnn_ctc_options o = options_of(WIDE);
        o.insertion_bonus = seed % 2 == 0 ? 1.5 : -0.7;
        draw_frames(seed);
        expect_ranking(&o);
    }
}

static void a_language_model_of_labels_ranks_as_defined(void **state)
{
    (void)state;
    static const int32_t tokens[V] = {-1, 4, -1, 2};
    kept *k = calloc(1, sizeof *k);
    for (uint64_t seed = 1; seed <= 16; seed++) {
        lrnn_scorer scorer = seed % 3 == 0 ? scorer_of(ask_with_state, k) : scorer_of(ask, NULL);
        lrnn_ctc_options o = options_of(WIDE);
        o.scorer = &scorer;
        o.lm_weight = 0.3 * (double)(seed % 4);
        o.insertion_bonus = seed % 2 == 0 ? 0.8 : 0;
        o.lm_tokens = seed % 4 == 1 ? tokens : NULL;
        o.lm_start = seed % 5 == 0 ? -1 : 5;
        o.lm_end = seed % 5 == 1 ? 0 : -1;
        draw_frames(100 + seed);
        expect_ranking(&o);
    }
    free(k);
}

static void a_lexicon_lets_only_its_words_through(void **state)
{
    (void)state;
    lrnn_lexicon *lexicon = make_lexicon();
    for (uint64_t seed = 1; seed <= 16; seed++) {
        lrnn_ctc_options o = options_of(WIDE);
        o.lexicon = lexicon;
        o.separator = seed % 2 == 0 ? SEPARATOR : -1;
        o.unknown_words = seed % 3 == 0;
        o.unknown_penalty = seed % 3 == 0 ? 1.25 : 0;
        draw_frames(200 + seed);
        expect_ranking(&o);
    }
    lrnn_lexicon_destroy(lexicon);
}

static void a_language_model_of_words_ranks_as_defined(void **state)
{
    (void)state;
    static const int32_t tokens[WORDS] = {5, 1, 3};
    lrnn_lexicon *lexicon = make_lexicon();
    kept *k = calloc(1, sizeof *k);
    for (uint64_t seed = 1; seed <= 24; seed++) {
        lrnn_scorer scorer = seed % 3 == 0 ? scorer_of(ask_with_state, k) : scorer_of(ask, NULL);
        lrnn_ctc_options o = options_of(WIDE);
        o.lexicon = lexicon;
        o.separator = SEPARATOR;
        o.unknown_words = seed % 4 < 2;
        o.unknown_penalty = seed % 4 == 1 ? 0.5 : 0;
        o.scorer = &scorer;
        o.lm_words = 1;
        o.lm_weight = 0.7;
        o.insertion_bonus = 0.4;
        o.lm_tokens = seed % 2 == 0 ? tokens : NULL;
        o.lm_unknown = seed % 5 == 0 ? 4 : -1;
        o.lm_start = 0;
        o.lm_end = seed % 3 == 1 ? 2 : -1;
        draw_frames(300 + seed);
        expect_ranking(&o);
    }
    free(k);
    lrnn_lexicon_destroy(lexicon);
}

/* ---- a model of ours ---- */

/* first: the hidden size of the first layer, where it has one of its own. */
static lrnn_model *make_model(int32_t cell, size_t first)
{
    lrnn_model *model;
    lrnn_model_options o;
    EXPECT_OK(lrnn_model_options_init(&o, sizeof o));
    o.vocab_size = TOKENS;
    o.embedding_size = 5;
    o.hidden_size = 7;
    o.layers = 2;
    o.cell = cell;
    o.hidden_sizes[0] = first;
    o.seed = 5;
    EXPECT_OK(lrnn_model_create(&model, &o));
    return model;
}

/* Runs a state over the whole history each time. */
static int32_t ask_model(void *user, const lrnn_rows *rows, float *logits)
{
    lrnn_state *state = user;
    for (size_t row = 0; row < rows->count; row++) {
        int32_t tokens[64];
        if (lrnn_rows_copy_tokens(tokens, 64, rows, row) != LRNN_OK ||
            lrnn_state_reset(state) != LRNN_OK) {
            return -1;
        }
        for (int32_t i = 0; i < rows->lengths[row]; i++) {
            if (lrnn_state_step(state, &tokens[i], NULL, logits + row * TOKENS) != LRNN_OK) {
                return -1;
            }
        }
    }
    return 0;
}

static void a_model_gives_what_it_gives_as_a_scorer(void **state)
{
    (void)state;
    static const int32_t cells[] = {LRNN_CELL_LSTM, LRNN_CELL_GRU, LRNN_CELL_RNN_TANH};
    for (uint64_t seed = 0; seed < 12; seed++) {
        lrnn_model *model = make_model(cells[seed % 3], seed % 2 == 0 ? 0 : 11);
        lrnn_state *running;
        EXPECT_OK(lrnn_state_create(&running, model, NULL));
        lrnn_scorer scorer = scorer_of(ask_model, running);
        lrnn_ctc_options o = options_of(1 + seed);
        lrnn_ctc *a, *b;
        o.lm_start = 5;
        o.lm_end = 1;
        o.lm_weight = 2;
        o.insertion_bonus = 0.5;
        o.scorer = &scorer;
        EXPECT_OK(lrnn_ctc_create(&b, &o));
        o.scorer = NULL;
        o.language_model = model;
        EXPECT_OK(lrnn_ctc_create(&a, &o));
        lrnn_model_destroy(model); /* the search keeps it */
        draw_frames(400 + seed);
        EXPECT_OK(lrnn_ctc_feed(a, frames, T, V));
        EXPECT_OK(lrnn_ctc_feed(b, frames, T, V));
        EXPECT_OK(lrnn_ctc_finish(a));
        EXPECT_OK(lrnn_ctc_finish(b));
        for (size_t rank = 0; rank < o.n_best && rank < 3; rank++) {
            lrnn_ctc_result x = result_of(a, rank), y = result_of(b, rank);
            assert_int_equal(x.count, y.count);
            assert_memory_equal(x.tokens, y.tokens, x.count * sizeof *x.tokens);
            assert_true(x.score == y.score);
        }
        lrnn_ctc_destroy(a);
        lrnn_ctc_destroy(b);
        lrnn_state_destroy(running);
    }
}

/* ---- streaming, memory ---- */

static void what_is_settled_stays_with_a_language_model(void **state)
{
    (void)state;
    enum { LONG = 80 };
    static float many[LONG * V];
    size_t settled_at_all = 0;
    lrnn_scorer scorer = scorer_of(ask, NULL);
    for (uint64_t seed = 1; seed <= 5; seed++) {
        lrnn_ctc_options o = options_of(6);
        lrnn_ctc *ctc;
        int32_t before[LONG];
        size_t settled = 0;
        o.max_length = LONG;
        o.scorer = &scorer;
        EXPECT_OK(lrnn_ctc_create(&ctc, &o));
        for (size_t i = 0; i < LONG * V; i++) {
            many[i] = (float)(3 * random_normal(seed, 9, i));
        }
        for (size_t t = 0; t < LONG; t++) {
            EXPECT_OK(lrnn_ctc_feed(ctc, many + t * V, 1, V));
            lrnn_ctc_result r = result_of(ctc, 0);
            size_t now = lrnn_ctc_settled(ctc);
            assert_in_range(now, settled, r.count);
            assert_memory_equal(r.tokens, before, settled * sizeof *before);
            settled = now;
            memcpy(before, r.tokens, settled * sizeof *before);
        }
        settled_at_all += settled;
        lrnn_ctc_destroy(ctc);
    }
    assert_true(settled_at_all > 50);
}

static void nothing_allocates_after_create(void **state)
{
    (void)state;
    lrnn_model *model = make_model(LRNN_CELL_LSTM, 0);
    lrnn_lexicon *lexicon = make_lexicon();
    lrnn_ctc_options o = options_of(9);
    lrnn_ctc *ctc;
    lrnn_ctc_result r;
    o.language_model = model;
    o.lexicon = lexicon;
    o.separator = SEPARATOR;
    o.lm_words = 1;
    o.lm_start = 0;
    o.unknown_words = 1;
    EXPECT_OK(lrnn_ctc_create(&ctc, &o));
    EXPECT_OK(lrnn_ctc_result_init(&r, sizeof r));
    draw_frames(1);
    malloc_trap_arm();
    lrnn_status fed = lrnn_ctc_feed(ctc, frames, T, V);
    lrnn_status finished = lrnn_ctc_finish(ctc);
    lrnn_status got = lrnn_ctc_get_result(&r, ctc, 0);
    lrnn_status reset = lrnn_ctc_reset(ctc);
    size_t caught = malloc_trap_disarm();
    assert_int_equal(caught, 0);
    assert_true(fed == LRNN_OK && finished == LRNN_OK && got == LRNN_OK && reset == LRNN_OK);
    lrnn_ctc_destroy(ctc);
    lrnn_lexicon_destroy(lexicon);
    lrnn_model_destroy(model);
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    lrnn_model *model = make_model(LRNN_CELL_LSTM, 0);
    fault_allocator fault;
    for (size_t n = 1;; n++) {
        lrnn_lexicon *lexicon;
        lrnn_ctc *ctc = NULL;
        fault_allocator_start(&fault, n);
        lrnn_status status =
            lrnn_lexicon_create(&lexicon, spelling, spelling_lengths, WORDS, &fault.allocator);
        if (status == LRNN_OK) {
            lrnn_ctc_options o = options_of(4);
            o.allocator = &fault.allocator;
            o.language_model = model;
            o.lexicon = lexicon;
            o.lm_start = 0;
            status = lrnn_ctc_create(&ctc, &o);
        }
        lrnn_ctc_destroy(ctc);
        lrnn_lexicon_destroy(lexicon);
        assert_int_equal(fault_allocator_live(&fault), 0);
        if (!fault_allocator_failed(&fault)) {
            assert_int_equal(status, LRNN_OK);
            assert_true(n > 5);
            break;
        }
        assert_int_equal(status, LRNN_ERR_MEMORY);
    }
    lrnn_model_destroy(model);
}

/* ---- bad input ---- */

static int32_t answer;
static float bad_value;

static int32_t misbehave(void *user, const lrnn_rows *rows, float *logits)
{
    ask(user, rows, logits);
    if (rows->parents[0] >= 0 && answer != 0) {
        return answer;
    }
    if (rows->parents[0] >= 0) {
        logits[2] = bad_value;
    }
    return 0;
}

static void a_scorer_that_fails_is_reported_and_the_search_can_be_used_again(void **state)
{
    (void)state;
    static const struct {
        int32_t answer;
        float value;
        lrnn_status status;
    } cases[] = {{1, 0, LRNN_ERR_CANCELLED},
                 {-3, 0, LRNN_ERR_CALLBACK},
                 {0, (float)NAN, LRNN_ERR_NUMERIC},
                 {0, (float)INFINITY, LRNN_ERR_NUMERIC}};
    lrnn_scorer scorer = scorer_of(misbehave, NULL);
    lrnn_ctc_options o = options_of(5);
    lrnn_ctc *ctc;
    lrnn_ctc_result r;
    o.scorer = &scorer;
    EXPECT_OK(lrnn_ctc_result_init(&r, sizeof r));
    EXPECT_OK(lrnn_ctc_create(&ctc, &o));
    draw_frames(7);
    for (size_t i = 0; i < 4; i++) {
        answer = cases[i].answer;
        bad_value = cases[i].value;
        assert_int_equal(lrnn_ctc_feed(ctc, frames, T, V), cases[i].status);
        EXPECT_FAILURE(lrnn_ctc_feed(ctc, frames, T, V), LRNN_ERR_STATE, "reset");
        EXPECT_FAILURE(lrnn_ctc_get_result(&r, ctc, 0), LRNN_ERR_STATE, "reset");
        EXPECT_FAILURE(lrnn_ctc_finish(ctc), LRNN_ERR_STATE, "reset");
        assert_int_equal(lrnn_ctc_settled(ctc), 0);
        EXPECT_OK(lrnn_ctc_reset(ctc));
        answer = 0;
        bad_value = 0.5f;
        EXPECT_OK(lrnn_ctc_feed(ctc, frames, T, V));
        EXPECT_OK(lrnn_ctc_get_result(&r, ctc, 0));
        EXPECT_OK(lrnn_ctc_finish(ctc));
        EXPECT_FAILURE(lrnn_ctc_feed(ctc, frames, 1, V), LRNN_ERR_STATE, "finished");
        EXPECT_OK(lrnn_ctc_finish(ctc));
        EXPECT_OK(lrnn_ctc_reset(ctc));
    }
    lrnn_ctc_destroy(ctc);
}

static void bad_words_are_named(void **state)
{
    (void)state;
    lrnn_lexicon *lexicon = (lrnn_lexicon *)&answer;
    static const int32_t negative[] = {1, 2, -4}, twice[] = {1, 2, 1, 2};
    static const size_t two[] = {1, 2}, none[] = {1, 0}, same[] = {2, 2};
    EXPECT_FAILURE(lrnn_lexicon_create(&lexicon, negative, two, 2, NULL), LRNN_ERR_INVALID,
                   "word 1, label 1", "found -4");
    assert_null(lexicon);
    EXPECT_FAILURE(lrnn_lexicon_create(&lexicon, negative, none, 2, NULL), LRNN_ERR_INVALID,
                   "word 1", "no labels");
    EXPECT_FAILURE(lrnn_lexicon_create(&lexicon, twice, same, 2, NULL), LRNN_ERR_INVALID, "word 1",
                   "word 0");
    EXPECT_FAILURE(lrnn_lexicon_create(&lexicon, twice, same, 0, NULL), LRNN_ERR_INVALID, "count");
    EXPECT_FAILURE(lrnn_lexicon_create(&lexicon, NULL, same, 2, NULL), LRNN_ERR_INVALID, "labels");
    EXPECT_FAILURE(lrnn_lexicon_create(&lexicon, twice, NULL, 2, NULL), LRNN_ERR_INVALID,
                   "lengths");
    lrnn_lexicon_destroy(NULL);
}

#define REFUSE(field, value, ...)                                                                  \
    do {                                                                                           \
        lrnn_ctc_options changed = options;                                                        \
        lrnn_ctc *refused = (lrnn_ctc *)&answer;                                                   \
        changed.field = value;                                                                     \
        EXPECT_FAILURE(lrnn_ctc_create(&refused, &changed), LRNN_ERR_INVALID, __VA_ARGS__);        \
        assert_null(refused);                                                                      \
    } while (0)

static void options_that_do_not_fit_are_named(void **state)
{
    (void)state;
    static const int32_t out_of_range[V] = {0, 1, TOKENS, 0};
    lrnn_model *model = make_model(LRNN_CELL_LSTM, 0);
    lrnn_lexicon *lexicon = make_lexicon();
    lrnn_scorer scorer = scorer_of(ask, NULL), none = scorer, few = scorer;
    lrnn_ctc_options options = options_of(4);
    none.score = NULL;
    few.vocab_size = 2;
    REFUSE(separator, 3, "separator", "need a lexicon");
    REFUSE(unknown_words, 1, "unknown_words", "need a lexicon");
    REFUSE(unknown_penalty, 1, "unknown_penalty", "need a lexicon");
    REFUSE(lm_words, 1, "lm_words", "need a lexicon");
    REFUSE(lm_start, 0, "lm_start", "need a language model");
    REFUSE(lm_tokens, out_of_range, "lm_tokens", "need a language model");
    REFUSE(lm_weight, -1, "lm_weight");
    REFUSE(lm_weight, NAN, "lm_weight");
    REFUSE(insertion_bonus, INFINITY, "insertion_bonus");
    REFUSE(language_model, model, "lm_start");
    REFUSE(scorer, &none, "score is NULL");
    REFUSE(scorer, &few, "lm_tokens", "4 labels", "2 tokens");
    options.lexicon = lexicon;
    REFUSE(separator, 4, "separator", "found 4");
    REFUSE(separator, 0, "separator", "found 0");
    REFUSE(separator, -2, "separator", "found -2");
    REFUSE(separator, 1, "lexicon", "label 1", "separator");
    REFUSE(blank, 2, "lexicon", "label 2", "blank");
    REFUSE(output_size, 2, "lexicon", "word 0, label 1", "found 2");
    options.scorer = &scorer;
    REFUSE(language_model, model, "only one");
    REFUSE(lm_tokens, out_of_range, "lm_tokens[2]", "found 6");
    REFUSE(lm_start, TOKENS, "lm_start", "found 6");
    REFUSE(lm_end, -2, "lm_end", "found -2");
    REFUSE(lm_unknown, TOKENS, "lm_unknown");
    options.n_best = 1;
    REFUSE(method, LRNN_CTC_GREEDY, "lexicon", "LRNN_CTC_GREEDY");
    lrnn_lexicon_destroy(lexicon);
    lrnn_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bonus_counts_labels),
        cmocka_unit_test(a_language_model_of_labels_ranks_as_defined),
        cmocka_unit_test(a_lexicon_lets_only_its_words_through),
        cmocka_unit_test(a_language_model_of_words_ranks_as_defined),
        cmocka_unit_test(a_model_gives_what_it_gives_as_a_scorer),
        cmocka_unit_test(what_is_settled_stays_with_a_language_model),
        cmocka_unit_test(nothing_allocates_after_create),
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(a_scorer_that_fails_is_reported_and_the_search_can_be_used_again),
        cmocka_unit_test(bad_words_are_named),
        cmocka_unit_test(options_that_do_not_fit_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
