/* Beam search against the whole tree, against greedy search, and against a beam search that is
 * written out here as plainly as possible. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/decode_scorers.h"

/* ---- the textbook tree ---- */

enum { THE, NICE, DOG, CAR, WOMAN, HOUSE, GUY, AND, RUNS, HAS, IS, DRIVES, TURNS, WORDS };

typedef struct branch {
    int32_t from, to;
    double probability;
} branch;

static const branch branches[] = {
    {THE, NICE, 0.5},   {THE, DOG, 0.4},  {THE, CAR, 0.1},    {NICE, WOMAN, 0.4},
    {NICE, HOUSE, 0.3}, {NICE, GUY, 0.3}, {DOG, AND, 0.05},   {DOG, RUNS, 0.05},
    {DOG, HAS, 0.9},    {CAR, IS, 0.3},   {CAR, DRIVES, 0.5}, {CAR, TURNS, 0.2},
};

static int32_t score_tree(void *user, const lrnn_rows *rows, float *logits)
{
    (void)user;
    for (size_t row = 0; row < rows->count; row++) {
        for (size_t i = 0; i < WORDS; i++) {
            logits[row * WORDS + i] = -INFINITY;
        }
        for (size_t i = 0; i < sizeof branches / sizeof *branches; i++) {
            if (branches[i].from == rows->tokens[row]) {
                logits[row * WORDS + (size_t)branches[i].to] = (float)log(branches[i].probability);
            }
        }
    }
    return 0;
}

static lrnn_decoder *tree_decoder(const lrnn_decoder_options *options)
{
    lrnn_scorer scorer;
    lrnn_scorer_init(&scorer, sizeof scorer);
    scorer.vocab_size = WORDS;
    scorer.score = score_tree;
    lrnn_decoder *decoder = NULL;
    assert_int_equal(lrnn_decoder_create_with_scorer(&decoder, &scorer, options), LRNN_OK);
    return decoder;
}

static void check_tree(const lrnn_decoder_options *options, int32_t first, int32_t second,
                       double probability)
{
    lrnn_decoder *decoder = tree_decoder(options);
    const int32_t prompt[] = {THE};
    lrnn_request request = make_request(prompt, 1, 0);
    assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_OK);
    lrnn_result result = get_result(decoder, 0, 0);
    assert_int_equal(result.count, 2);
    assert_int_equal(result.tokens[0], first);
    assert_int_equal(result.tokens[1], second);
    assert_true(fabs(exp(result.log_probability) - probability) < 1e-6);
    assert_true(fabs(result.perplexity - pow(probability, -0.5)) < 1e-5);
    assert_int_equal(result.ended, LRNN_ENDED_LENGTH);
    lrnn_decoder_destroy(decoder);
}

static void greedy_search_says_the_nice_woman(void **state)
{
    (void)state;
    lrnn_decoder_options options = decoder_defaults();
    options.max_length = 2;
    check_tree(&options, NICE, WOMAN, 0.20);
}

static void a_beam_of_two_says_the_dog_has(void **state)
{
    (void)state;
    lrnn_decoder_options options = decoder_defaults();
    options.max_length = 2;
    options.method = LRNN_METHOD_BEAM;
    options.beam_width = 2;
    check_tree(&options, DOG, HAS, 0.36);
}

/* ---- the whole tree ---- */

enum { MOST_LENGTH = 8, MOST_FOUND = 60000 };

typedef struct text {
    int32_t tokens[MOST_LENGTH];
    size_t count, group;
    double sum, total, score;
    bool finished;
} text;

static int better_text(const void *a, const void *b)
{
    const text *x = a, *y = b;
    if (x->finished != y->finished) {
        return x->finished ? -1 : 1;
    }
    return x->score > y->score ? -1 : x->score < y->score ? 1 : 0;
}

typedef struct forest {
    const hash_scorer *scorer;
    const lrnn_decoder_options *options;
    text *found;
    size_t count;
} forest;

static bool ends_with(const lrnn_decoder_options *options, int32_t token)
{
    for (size_t i = 0; i < options->end_count; i++) {
        if (options->end_tokens[i] == token) {
            return true;
        }
    }
    return false;
}

static void log_probabilities_of(const hash_scorer *scorer, const text *of, double *values)
{
    float logits[64];
    hash_logits(scorer, of->tokens, of->count, logits);
    to_log_probabilities(logits, scorer->vocab_size, values);
}

/* All texts that go on from one. */
static void grow(forest *all, const text *from)
{
    double values[64];
    log_probabilities_of(all->scorer, from, values);
    for (size_t v = 0; v < all->scorer->vocab_size; v++) {
        bool end = ends_with(all->options, (int32_t)v);
        if (end && from->count < all->options->min_length) {
            continue;
        }
        text next = *from;
        next.tokens[next.count++] = (int32_t)v;
        next.sum += values[v];
        next.total = next.sum;
        next.score = next.sum / pow((double)next.count, all->options->length_penalty);
        next.finished = end || all->options->cut == LRNN_CUT_FINISHED;
        if (end || next.count == all->options->max_length) {
            assert_true(all->count < MOST_FOUND);
            all->found[all->count++] = next;
        } else {
            grow(all, &next);
        }
    }
}

static void same_text(const lrnn_result *result, const text *expected)
{
    assert_int_equal(result->count, expected->count);
    assert_memory_equal(result->tokens, expected->tokens, expected->count * sizeof(int32_t));
    assert_true(fabs(result->log_probability - expected->total) < 1e-5);
    assert_true(fabs(result->score - expected->score) < 1e-5);
    double sum = 0;
    for (size_t i = 0; i < result->count; i++) {
        sum += (double)result->log_probabilities[i];
    }
    assert_true(fabs(result->log_probability - sum) < 1e-5);
    assert_true(fabs(log(result->perplexity) + sum / (double)result->count) < 1e-5);
}

static void a_beam_as_wide_as_the_tree_finds_the_best_texts(void **state)
{
    (void)state;
    const double penalties[] = {0, 0.5, 1, 2, -1};
    forest all = {.found = malloc(MOST_FOUND * sizeof(text))};
    assert_non_null(all.found);
    const int32_t ends[] = {1, 2};
    for (size_t trial = 0; trial < 60; trial++) {
        hash_scorer scorer = {.seed = trial, .spread = 2, .vocab_size = 3 + trial % 4};
        lrnn_decoder_options options = decoder_defaults();
        options.method = LRNN_METHOD_BEAM;
        options.max_length = scorer.vocab_size == 6 ? 5 : 6;
        options.min_length = trial % 3;
        options.end_tokens = ends;
        options.end_count = trial % 5 == 4 ? 2 : trial % 5 != 3;
        options.beam_width = (size_t)pow((double)scorer.vocab_size, (double)options.max_length);
        options.n_best = 10;
        options.length_penalty = penalties[trial % 5];
        options.stopping = LRNN_STOP_EXACT;
        options.cut = (int32_t)(trial / 5 % 2);
        options.candidates = (int32_t)(trial / 10 % 2);
        all.scorer = &scorer;
        all.options = &options;
        all.count = 0;
        text empty = {.count = 0};
        grow(&all, &empty);
        qsort(all.found, all.count, sizeof *all.found, better_text);

        lrnn_decoder *decoder = decoder_over(&scorer, &options);
        assert_non_null(decoder);
        lrnn_request request = make_request(NULL, 0, 0);
        assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_OK);
        size_t count = lrnn_decoder_result_count(decoder, 0);
        assert_int_equal(count, all.count < 10 ? all.count : 10);
        for (size_t i = 0; i < count; i++) {
            lrnn_result result = get_result(decoder, 0, i);
            same_text(&result, &all.found[i]);
        }
        lrnn_decoder_destroy(decoder);
    }
    free(all.found);
}

static void a_beam_of_one_equals_greedy_search(void **state)
{
    (void)state;
    const int32_t ends[] = {0, 4};
    for (uint64_t seed = 0; seed < 100; seed++) {
        hash_scorer scorer = {.seed = seed, .spread = 3, .vocab_size = 12};
        lrnn_decoder_options options = decoder_defaults();
        options.max_length = 20;
        options.min_length = seed % 4;
        options.end_tokens = ends;
        options.end_count = 2;
        options.no_repeat_ngram = seed % 3;
        lrnn_decoder *greedy = decoder_over(&scorer, &options);
        options.method = LRNN_METHOD_BEAM;
        options.beam_width = 1;
        options.stopping = LRNN_STOP_FIRST;
        lrnn_decoder *beam = decoder_over(&scorer, &options);
        const int32_t prompt[] = {3, 7};
        lrnn_request request = make_request(prompt, 2, 0);
        assert_int_equal(lrnn_decoder_run(greedy, &request, 1), LRNN_OK);
        assert_int_equal(lrnn_decoder_run(beam, &request, 1), LRNN_OK);
        lrnn_result a = get_result(greedy, 0, 0), b = get_result(beam, 0, 0);
        assert_int_equal(a.count, b.count);
        assert_memory_equal(a.tokens, b.tokens, a.count * sizeof(int32_t));
        assert_true(fabs(a.score - b.score) < 1e-9);
        assert_int_equal(a.ended, b.ended);
        lrnn_decoder_destroy(greedy);
        lrnn_decoder_destroy(beam);
    }
}

/* ---- a plain beam search ---- */

enum { MOST_WIDTH = 12, MOST_VOCAB = 16, MOST_GROUPS = 4 };

typedef struct plain_group {
    text live[MOST_WIDTH];
    size_t live_count;
    text finished[MOST_WIDTH * MOST_LENGTH * 4];
    size_t finished_count;
} plain_group;

typedef struct plain_search {
    const hash_scorer *scorer;
    const lrnn_decoder_options *options;
    plain_group groups[MOST_GROUPS];
    text results[MOST_WIDTH * MOST_LENGTH * 16];
    size_t count;
} plain_search;

static int larger_sum(const void *a, const void *b)
{
    const text *x = a, *y = b;
    return x->sum > y->sum ? -1 : x->sum < y->sum ? 1 : 0;
}

static double plain_score(const plain_search *search, double sum, size_t n)
{
    return sum / pow((double)n, search->options->length_penalty);
}

static void plain_finish(plain_search *search, plain_group *group, text item, bool finished)
{
    item.score = plain_score(search, item.sum, item.count);
    item.finished = finished;
    if (finished) {
        group->finished[group->finished_count++] = item;
        qsort(group->finished, group->finished_count, sizeof item, better_text);
    } else {
        search->results[search->count++] = item;
    }
}

/* Every continuation of every live text, by falling sum. */
static size_t plain_candidates(const plain_search *search, const plain_group *group,
                               const size_t *taken, text *candidates)
{
    const lrnn_decoder_options *o = search->options;
    size_t count = 0;
    for (size_t i = 0; i < group->live_count; i++) {
        double values[MOST_VOCAB];
        log_probabilities_of(search->scorer, &group->live[i], values);
        for (size_t v = 0; v < search->scorer->vocab_size; v++) {
            if (ends_with(o, (int32_t)v) && group->live[i].count < o->min_length) {
                continue;
            }
            text next = group->live[i];
            next.tokens[next.count++] = (int32_t)v;
            next.total += values[v];
            next.sum += values[v] - o->diversity_penalty * (double)taken[v];
            candidates[count++] = next;
        }
    }
    qsort(candidates, count, sizeof *candidates, larger_sum);
    return count;
}

static bool plain_stops(const plain_search *search, const plain_group *group, size_t width)
{
    const lrnn_decoder_options *o = search->options;
    size_t finished = group->finished_count < width ? group->finished_count : width;
    size_t kept =
        o->candidates == LRNN_CANDIDATES_TRANSFORMERS || o->beam_groups > 1 ? width : o->n_best;
    if (group->live_count == 0) {
        return true;
    }
    size_t n = group->live[0].count;
    switch (o->stopping) {
    case LRNN_STOP_FIRST: return finished > 0;
    case LRNN_STOP_WIDTH: return finished == width;
    case LRNN_STOP_EXACT: n = o->length_penalty > 0 ? o->max_length : n; break;
    default: break;
    }
    return finished >= kept &&
           plain_score(search, group->live[0].sum, n) <= group->finished[kept - 1].score;
}

static void plain_step(plain_search *search, plain_group *group, size_t *taken)
{
    static text candidates[MOST_WIDTH * MOST_VOCAB];
    const lrnn_decoder_options *o = search->options;
    size_t width = o->beam_width / o->beam_groups, open = 0;
    size_t count = plain_candidates(search, group, taken, candidates);
    bool transformers = o->candidates == LRNN_CANDIDATES_TRANSFORMERS;
    bool last = group->live[0].count + 1 == o->max_length;
    if (transformers) {
        size_t pool = width * (o->end_count > 0 ? 1 + o->end_count : 2);
        count = count < pool ? count : pool;
    }
    group->live_count = 0;
    for (size_t i = 0; i < count; i++) {
        const text *c = &candidates[i];
        bool end = ends_with(o, c->tokens[c->count - 1]);
        bool counts = transformers ? i < width : open < width;
        if ((end || last) && counts) {
            plain_finish(search, group, *c, end || o->cut == LRNN_CUT_FINISHED);
        }
        if (!end && open < width) {
            open++;
            if (!last) {
                group->live[group->live_count++] = *c;
            }
        }
    }
    bool stop = plain_stops(search, group, width);
    if (stop) {
        group->live_count = 0;
    }
    for (size_t i = 0; i < group->live_count; i++) {
        taken[group->live[i].tokens[group->live[i].count - 1]]++;
    }
}

static void plain_run(plain_search *search)
{
    const lrnn_decoder_options *o = search->options;
    size_t groups = o->beam_groups, width = o->beam_width / groups;
    search->count = 0;
    for (size_t g = 0; g < groups; g++) {
        search->groups[g].live[0] = (text){.group = g};
        search->groups[g].live_count = 1;
        search->groups[g].finished_count = 0;
    }
    for (size_t step = 0; step < o->max_length; step++) {
        size_t taken[MOST_VOCAB] = {0};
        for (size_t g = 0; g < groups; g++) {
            if (search->groups[g].live_count > 0) {
                plain_step(search, &search->groups[g], taken);
            }
        }
    }
    for (size_t g = 0; g < groups; g++) {
        plain_group *group = &search->groups[g];
        for (size_t i = 0; i < group->finished_count && i < width; i++) {
            search->results[search->count++] = group->finished[i];
        }
    }
    qsort(search->results, search->count, sizeof *search->results, better_text);
}

static bool same_tokens(const text *a, const text *b)
{
    return a->count == b->count && memcmp(a->tokens, b->tokens, a->count * sizeof(int32_t)) == 0;
}

/* Groups may find the same text. */
static void drop_repeated(plain_search *search)
{
    size_t kept = 0;
    for (size_t i = 0; i < search->count; i++) {
        bool repeated = false;
        for (size_t k = 0; k < kept; k++) {
            repeated = repeated || same_tokens(&search->results[k], &search->results[i]);
        }
        if (!repeated) {
            search->results[kept++] = search->results[i];
        }
    }
    search->count = kept;
}

static void compare_with_plain_search(const hash_scorer *given, const lrnn_decoder_options *options)
{
    static plain_search search;
    hash_scorer scorer = *given;
    search.scorer = &scorer;
    search.options = options;
    plain_run(&search);
    drop_repeated(&search);
    lrnn_decoder *decoder = decoder_over(&scorer, options);
    assert_non_null(decoder);
    lrnn_request request = make_request(NULL, 0, 0);
    assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_OK);
    size_t count = lrnn_decoder_result_count(decoder, 0);
    assert_int_equal(count, search.count < options->n_best ? search.count : options->n_best);
    for (size_t i = 0; i < count; i++) {
        lrnn_result result = get_result(decoder, 0, i);
        same_text(&result, &search.results[i]);
        assert_int_equal(result.ended, ends_with(options, result.tokens[result.count - 1])
                                           ? LRNN_ENDED_TOKEN
                                           : LRNN_ENDED_LENGTH);
    }
    lrnn_decoder_destroy(decoder);
}

static void every_rule_agrees_with_a_plain_beam_search(void **state)
{
    (void)state;
    const double penalties[] = {0, 0.7, 1, 1.5, -0.5};
    const int32_t ends[] = {2, 5, 6};
    for (uint64_t seed = 0; seed < 3000; seed++) {
        uint64_t r = hash_mix(seed);
        hash_scorer scorer = {.seed = seed, .spread = 2, .vocab_size = 8 + r % 8};
        lrnn_decoder_options options = decoder_defaults();
        options.method = LRNN_METHOD_BEAM;
        options.beam_width = 1 + (r >> 8) % MOST_WIDTH;
        options.n_best = 1 + (r >> 16) % options.beam_width;
        options.max_length = 1 + (r >> 20) % MOST_LENGTH;
        options.min_length = (r >> 24) % (options.max_length + 1);
        options.length_penalty = penalties[(r >> 28) % 5];
        options.stopping = (int32_t)((r >> 32) % 4);
        options.candidates = (int32_t)((r >> 36) % 2);
        options.cut = (int32_t)((r >> 40) % 2);
        options.end_tokens = ends;
        options.end_count = (r >> 44) % 4;
        compare_with_plain_search(&scorer, &options);
    }
}

static void diverse_groups_agree_with_a_plain_beam_search(void **state)
{
    (void)state;
    const int32_t ends[] = {2, 5};
    for (uint64_t seed = 0; seed < 1000; seed++) {
        uint64_t r = hash_mix(seed ^ 77);
        hash_scorer scorer = {.seed = seed, .spread = 2, .vocab_size = 8 + r % 8};
        lrnn_decoder_options options = decoder_defaults();
        options.method = LRNN_METHOD_BEAM;
        options.beam_groups = 2 + (r >> 8) % 3;
        options.beam_width = options.beam_groups * (1 + (r >> 12) % 3);
        options.n_best = options.beam_width;
        options.max_length = 1 + (r >> 20) % 6;
        options.stopping = (int32_t)((r >> 32) % 4);
        options.diversity_penalty = (double)((r >> 36) % 5) * 0.6;
        options.end_tokens = ends;
        options.end_count = (r >> 44) % 3;
        compare_with_plain_search(&scorer, &options);
    }
}

static void n_best_lists_are_in_order_and_without_duplicates(void **state)
{
    (void)state;
    const int32_t ends[] = {2};
    for (uint64_t seed = 0; seed < 50; seed++) {
        hash_scorer scorer = {.seed = seed, .spread = 2, .vocab_size = 20};
        lrnn_decoder_options options = decoder_defaults();
        options.method = seed % 2 == 0 ? LRNN_METHOD_BEAM : LRNN_METHOD_SAMPLED_BEAM;
        options.beam_width = options.n_best = 10;
        options.max_length = 15;
        options.end_tokens = ends;
        options.end_count = 1;
        options.stopping = LRNN_STOP_EXACT;
        lrnn_decoder *decoder = decoder_over(&scorer, &options);
        lrnn_request request = make_request(NULL, 0, seed);
        assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_OK);
        size_t count = lrnn_decoder_result_count(decoder, 0);
        assert_int_equal(count, 10);
        for (size_t i = 0; i < count; i++) {
            lrnn_result a = get_result(decoder, 0, i);
            for (size_t k = 0; k < i; k++) {
                lrnn_result b = get_result(decoder, 0, k);
                assert_true(a.count != b.count ||
                            memcmp(a.tokens, b.tokens, a.count * sizeof(int32_t)) != 0);
                bool both = a.ended == b.ended;
                assert_true(b.ended <= a.ended);
                assert_true(!both || b.score >= a.score);
            }
        }
        lrnn_decoder_destroy(decoder);
    }
}

static void counting_the_prompt_changes_the_length_in_the_score(void **state)
{
    (void)state;
    hash_scorer scorer = {.seed = 4, .spread = 2, .vocab_size = 9};
    lrnn_decoder_options options = decoder_defaults();
    options.max_length = 5;
    options.count_prompt = 1;
    options.length_penalty = 2;
    lrnn_decoder *decoder = decoder_over(&scorer, &options);
    const int32_t prompt[] = {1, 2, 3};
    lrnn_request request = make_request(prompt, 3, 0);
    assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_OK);
    lrnn_result result = get_result(decoder, 0, 0);
    assert_true(fabs(result.score - result.log_probability / 64) < 1e-9);
    assert_true(fabs(log(result.perplexity) + result.log_probability / 5) < 1e-9);
    lrnn_decoder_destroy(decoder);
}

static void groups_with_a_large_penalty_begin_differently(void **state)
{
    (void)state;
    hash_scorer scorer = {.seed = 4, .spread = 2, .vocab_size = 30};
    lrnn_decoder_options options = decoder_defaults();
    options.method = LRNN_METHOD_BEAM;
    options.beam_width = options.n_best = options.beam_groups = 4;
    options.diversity_penalty = 100;
    options.max_length = 6;
    lrnn_decoder *decoder = decoder_over(&scorer, &options);
    lrnn_request request = make_request(NULL, 0, 0);
    assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_OK);
    assert_int_equal(lrnn_decoder_result_count(decoder, 0), 4);
    unsigned groups = 0;
    for (size_t i = 0; i < 4; i++) {
        lrnn_result a = get_result(decoder, 0, i);
        groups |= 1u << a.group;
        for (size_t k = 0; k < i; k++) {
            assert_int_not_equal(a.tokens[0], get_result(decoder, 0, k).tokens[0]);
        }
    }
    assert_int_equal(groups, 15);
    lrnn_decoder_destroy(decoder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy_search_says_the_nice_woman),
        cmocka_unit_test(a_beam_of_two_says_the_dog_has),
        cmocka_unit_test(a_beam_as_wide_as_the_tree_finds_the_best_texts),
        cmocka_unit_test(a_beam_of_one_equals_greedy_search),
        cmocka_unit_test(every_rule_agrees_with_a_plain_beam_search),
        cmocka_unit_test(diverse_groups_agree_with_a_plain_beam_search),
        cmocka_unit_test(n_best_lists_are_in_order_and_without_duplicates),
        cmocka_unit_test(counting_the_prompt_changes_the_length_in_the_score),
        cmocka_unit_test(groups_with_a_large_penalty_begin_differently),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
