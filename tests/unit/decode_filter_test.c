/* What each filter does to the values of a step, seen by the logits callback, which comes last, and
 * by what is decoded. */
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

enum { V = 12, STEPS = 40 };

/* Records the values that the logits callback sees, step by step, of a single row. */
typedef struct record {
    hash_scorer scorer;
    double values[STEPS][V];
    int32_t tokens[STEPS][STEPS];
    size_t lengths[STEPS], count;
} record;

static int32_t keep_values(void *user, const lrnn_rows *rows, float *values)
{
    record *kept = user;
    assert_int_equal(rows->count, 1);
    size_t n = kept->count++;
    kept->lengths[n] = (size_t)rows->lengths[0];
    if (lrnn_rows_copy_tokens(kept->tokens[n], STEPS, rows, 0) != LRNN_OK) {
        return -1;
    }
    for (size_t i = 0; i < V; i++) {
        kept->values[n][i] = (double)values[i];
    }
    return 0;
}

static void run_recorded(record *kept, lrnn_decoder_options *options, const int32_t *prompt,
                         size_t count)
{
    kept->count = 0;
    kept->scorer.vocab_size = V;
    options->user = kept;
    options->logits = keep_values;
    lrnn_decoder *decoder = decoder_over(&kept->scorer, options);
    assert_non_null(decoder);
    lrnn_request request = make_request(prompt, count, 1);
    assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_OK);
    lrnn_decoder_destroy(decoder);
}

static void untouched(const record *kept, size_t step, double *values, bool logits)
{
    float raw[V];
    hash_logits(&kept->scorer, kept->tokens[step], kept->lengths[step], raw);
    to_log_probabilities(raw, V, values);
    for (size_t i = 0; logits && i < V; i++) {
        values[i] = (double)raw[i];
    }
}

static double penalize(double value, const lrnn_decoder_options *o, size_t times)
{
    if (times > 0) {
        value = value < 0 ? value * o->repetition_penalty : value / o->repetition_penalty;
        value -= o->presence_penalty + o->frequency_penalty * (double)times;
    }
    return value;
}

static void penalties_act_as_documented(void **state)
{
    (void)state;
    const int32_t prompt[] = {3, 3, 5};
    for (uint64_t trial = 0; trial < 16; trial++) {
        record kept = {.scorer = {.seed = trial, .spread = 3}};
        lrnn_decoder_options options = decoder_defaults();
        options.max_length = 20;
        options.repetition_penalty = trial % 3 == 0 ? 1 : trial % 3 == 1 ? 1.7 : 0.6;
        options.presence_penalty = trial % 2 == 0 ? 0 : 0.4;
        options.frequency_penalty = trial % 4 < 2 ? 0.25 : -0.1;
        options.penalize = trial < 8 ? LRNN_PENALTY_LOGITS : LRNN_PENALTY_LOG_PROBABILITIES;
        options.filter_prompt = (int32_t)(trial / 4 % 2);
        run_recorded(&kept, &options, prompt, 3);
        assert_int_equal(kept.count, 20);
        for (size_t step = 0; step < kept.count; step++) {
            double values[V];
            untouched(&kept, step, values, options.penalize == LRNN_PENALTY_LOGITS);
            size_t times[V] = {0};
            for (size_t i = options.filter_prompt ? 0 : 3; i < kept.lengths[step]; i++) {
                times[kept.tokens[step][i]]++;
            }
            for (size_t i = 0; i < V; i++) {
                assert_true(fabs(kept.values[step][i] - penalize(values[i], &options, times[i])) <
                            1e-4);
            }
        }
    }
}

static bool occurs(const int32_t *text, size_t count, const int32_t *part, size_t length)
{
    for (size_t i = 0; i + length <= count; i++) {
        if (memcmp(text + i, part, length * sizeof *part) == 0) {
            return true;
        }
    }
    return false;
}

/* Every token is -infinity exactly if `banned` says so, and untouched otherwise. */
typedef bool ban_rule(const record *kept, size_t step, int32_t token);

static void check_bans(lrnn_decoder_options *options, const int32_t *prompt, size_t count,
                       ban_rule *banned)
{
    size_t bans = 0;
    for (uint64_t seed = 0; seed < 10; seed++) {
        record kept = {.scorer = {.seed = seed, .spread = 2}};
        run_recorded(&kept, options, prompt, count);
        for (size_t step = 0; step < kept.count; step++) {
            double values[V];
            untouched(&kept, step, values, false);
            for (int32_t i = 0; i < V; i++) {
                bool ban = banned(&kept, step, i);
                bans += ban;
                assert_true(ban ? kept.values[step][i] == -INFINITY
                                : fabs(kept.values[step][i] - values[i]) < 1e-5);
            }
        }
    }
    assert_true(bans > 0);
}

static const int32_t banned_tokens[] = {0, 7};
static const int32_t bigram[] = {4, 6}, trigram[] = {6, 4, 2}, single[] = {9};
static const int32_t *const banned_sequences[] = {bigram, trigram, single};
static const size_t banned_lengths[] = {2, 3, 1};
static const int32_t short_prompt[] = {6, 4};
static size_t repeated_length;
static bool prompt_seen;

static bool is_banned_token(const record *kept, size_t step, int32_t token)
{
    (void)kept;
    (void)step;
    return token == 0 || token == 7;
}

static bool completes_sequence(const record *kept, size_t step, int32_t token)
{
    size_t skip = prompt_seen ? 0 : 2;
    const int32_t *text = kept->tokens[step] + skip;
    size_t count = kept->lengths[step] - skip;
    for (size_t i = 0; i < 3; i++) {
        size_t before = banned_lengths[i] - 1;
        if (token == banned_sequences[i][before] && count >= before &&
            memcmp(text + count - before, banned_sequences[i], before * sizeof *text) == 0) {
            return true;
        }
    }
    return false;
}

static bool repeats_ngram(const record *kept, size_t step, int32_t token)
{
    size_t skip = prompt_seen ? 0 : 2;
    int32_t text[STEPS + 1];
    size_t count = kept->lengths[step] - skip;
    memcpy(text, kept->tokens[step] + skip, count * sizeof *text);
    text[count] = token;
    return count + 1 >= repeated_length &&
           occurs(text, count, text + count + 1 - repeated_length, repeated_length);
}

static bool ends_too_early(const record *kept, size_t step, int32_t token)
{
    return kept->lengths[step] < 2 + 7 && (token == 0 || token == 7);
}

static void banned_tokens_are_impossible(void **state)
{
    (void)state;
    lrnn_decoder_options options = decoder_defaults();
    options.max_length = 20;
    options.banned_tokens = banned_tokens;
    options.banned_count = 2;
    check_bans(&options, short_prompt, 2, is_banned_token);
}

static void banned_sequences_cannot_be_completed(void **state)
{
    (void)state;
    lrnn_decoder_options options = decoder_defaults();
    options.max_length = 30;
    options.banned_sequences = banned_sequences;
    options.banned_lengths = banned_lengths;
    options.banned_sequence_count = 3;
    for (int32_t seen = 0; seen < 2; seen++) {
        prompt_seen = seen == 1;
        options.filter_prompt = seen;
        check_bans(&options, short_prompt, 2, completes_sequence);
    }
}

static void no_ngram_comes_twice(void **state)
{
    (void)state;
    lrnn_decoder_options options = decoder_defaults();
    for (size_t n = 1; n <= 2; n++) {
        for (int32_t seen = 0; seen < 2; seen++) {
            repeated_length = options.no_repeat_ngram = n;
            prompt_seen = seen == 1;
            options.filter_prompt = seen;
            options.max_length = n == 1 ? 10 : 30;
            check_bans(&options, short_prompt, 2, repeats_ngram);
        }
    }
}

static void end_tokens_wait_for_the_minimum_length(void **state)
{
    (void)state;
    lrnn_decoder_options options = decoder_defaults();
    options.max_length = 30;
    options.min_length = 7;
    options.end_tokens = banned_tokens;
    options.end_count = 2;
    check_bans(&options, short_prompt, 2, ends_too_early);
}

static void no_trigram_is_repeated_where_the_model_would(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 30; seed++) {
        hash_scorer scorer = {.seed = seed, .spread = 3, .vocab_size = 5};
        lrnn_decoder_options options = decoder_defaults();
        options.max_length = 60;
        options.no_repeat_ngram = 3;
        lrnn_decoder *decoder = decoder_over(&scorer, &options);
        lrnn_request request = make_request(NULL, 0, 0);
        assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_OK);
        lrnn_result result = get_result(decoder, 0, 0);
        for (size_t i = 0; i + 3 <= result.count; i++) {
            assert_false(occurs(result.tokens, i + 2, result.tokens + i, 3));
        }
        lrnn_decoder_destroy(decoder);
    }
}

/* ---- forced and allowed ---- */

static void texts_begin_with_the_forced_tokens(void **state)
{
    (void)state;
    const int32_t forced[] = {7, 2, 9}, banned[] = {2};
    for (int32_t method = 0; method <= LRNN_METHOD_SAMPLED_BEAM; method++) {
        hash_scorer scorer = {.seed = 5, .spread = 2, .vocab_size = V};
        lrnn_decoder_options options = decoder_defaults();
        options.method = method;
        options.max_length = 8;
        options.forced_tokens = forced;
        options.forced_count = 3;
        options.banned_tokens = banned;
        options.banned_count = 1;
        lrnn_decoder *decoder = decoder_over(&scorer, &options);
        lrnn_request request = make_request(NULL, 0, 3);
        assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_OK);
        lrnn_result result = get_result(decoder, 0, 0);
        assert_int_equal(result.count, 8);
        assert_memory_equal(result.tokens, forced, sizeof forced);
        float logits[V];
        double values[V];
        for (size_t i = 0; i < result.count; i++) {
            hash_logits(&scorer, result.tokens, i, logits);
            to_log_probabilities(logits, V, values);
            assert_true(fabs((double)result.log_probabilities[i] - values[result.tokens[i]]) <
                        1e-5);
            assert_true(i < 3 || result.tokens[i] != 2);
        }
        lrnn_decoder_destroy(decoder);
    }
}

/* A lexicon of words over the letters 0..4: 0 1 2, 0 1 3 4, 4. Token 5 ends a word. */
typedef struct trie {
    size_t end_allowed;
} trie;

static int32_t allow_words(void *user, const lrnn_rows *rows, size_t row, const int32_t **tokens,
                           size_t *count)
{
    static const int32_t first[] = {0, 4, 0}, one[] = {1}, two[] = {2, 3}, four[] = {4},
                         end[] = {5};
    const trie *lexicon = user;
    int32_t text[STEPS];
    if (lrnn_rows_copy_tokens(text, STEPS, rows, row) != LRNN_OK) {
        return -1;
    }
    int32_t length = rows->lengths[row];
    if (length == 0) {
        *tokens = first;
        *count = 3; /* one of them twice */
    } else if (length == 1 && text[0] == 0) {
        *tokens = one;
        *count = 1;
    } else if (length == 2) {
        *tokens = two;
        *count = 2;
    } else if (length == 3 && text[2] == 3) {
        *tokens = four;
        *count = 1;
    } else {
        *tokens = end;
        *count = lexicon->end_allowed;
    }
    return 0;
}

static void only_allowed_tokens_follow(void **state)
{
    (void)state;
    const int32_t words[3][4] = {{0, 1, 2}, {0, 1, 3, 4}, {4}}, ends[] = {5};
    const size_t lengths[] = {3, 4, 1};
    for (size_t end_allowed = 0; end_allowed < 2; end_allowed++) {
        for (uint64_t seed = 0; seed < 20; seed++) {
            trie lexicon = {.end_allowed = end_allowed};
            hash_scorer scorer = {.seed = seed, .spread = 2, .vocab_size = V};
            lrnn_decoder_options options = decoder_defaults();
            options.method = LRNN_METHOD_BEAM;
            options.beam_width = 6;
            options.n_best = 3;
            options.stopping = LRNN_STOP_EXACT;
            options.max_length = 10;
            options.end_tokens = ends;
            options.end_count = 1;
            options.user = &lexicon;
            options.allowed = allow_words;
            lrnn_decoder *decoder = decoder_over(&scorer, &options);
            lrnn_request request = make_request(NULL, 0, 3);
            assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_OK);
            assert_int_equal(lrnn_decoder_result_count(decoder, 0), 3);
            bool found[3] = {false};
            for (size_t i = 0; i < 3; i++) {
                lrnn_result result = get_result(decoder, 0, i);
                assert_int_equal(result.ended, end_allowed ? LRNN_ENDED_TOKEN : LRNN_ENDED_STUCK);
                assert_true(i == 0 || result.score <= get_result(decoder, 0, i - 1).score);
                for (size_t k = 0; k < 3; k++) {
                    if (result.count == lengths[k] + end_allowed &&
                        memcmp(result.tokens, words[k], lengths[k] * sizeof(int32_t)) == 0) {
                        found[k] = true;
                    }
                }
            }
            assert_true(found[0] && found[1] && found[2]);
            lrnn_decoder_destroy(decoder);
        }
    }
}

static int32_t allow_nothing_third(void *user, const lrnn_rows *rows, size_t row,
                                   const int32_t **tokens, size_t *count)
{
    (void)user;
    (void)tokens;
    if (rows->lengths[row] == 3) {
        *count = 0;
    }
    return 0;
}

static void a_text_without_a_token_to_go_on_with_is_stuck(void **state)
{
    (void)state;
    for (int32_t method = 0; method <= LRNN_METHOD_SAMPLED_BEAM; method++) {
        hash_scorer scorer = {.seed = 5, .spread = 2, .vocab_size = V};
        lrnn_decoder_options options = decoder_defaults();
        options.method = method;
        options.allowed = allow_nothing_third;
        lrnn_decoder *decoder = decoder_over(&scorer, &options);
        lrnn_request request = make_request(NULL, 0, 3);
        assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_OK);
        lrnn_result result = get_result(decoder, 0, 0);
        assert_int_equal(result.count, 3);
        assert_int_equal(result.ended, LRNN_ENDED_STUCK);
        assert_true(isfinite(result.score));
        lrnn_decoder_destroy(decoder);
    }
}

static int32_t allow_what_is_not_there(void *user, const lrnn_rows *rows, size_t row,
                                       const int32_t **tokens, size_t *count)
{
    static const int32_t list[] = {1, V};
    (void)rows;
    (void)row;
    *tokens = user == NULL ? NULL : list;
    *count = 2;
    return 0;
}

static void a_wrong_answer_of_allowed_is_an_error(void **state)
{
    (void)state;
    hash_scorer scorer = {.seed = 5, .spread = 2, .vocab_size = V};
    lrnn_decoder_options options = decoder_defaults();
    options.allowed = allow_what_is_not_there;
    for (int i = 0; i < 2; i++) {
        options.user = i == 0 ? NULL : &scorer;
        lrnn_decoder *decoder = decoder_over(&scorer, &options);
        lrnn_request request = make_request(NULL, 0, 3);
        assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_ERR_CALLBACK);
        assert_non_null(strstr(lrnn_last_error(), "allowed"));
        assert_int_equal(lrnn_decoder_result_count(decoder, 0), 0);
        lrnn_decoder_destroy(decoder);
    }
}

/* ---- the logits callback ---- */

static int32_t prefer_eleven(void *user, const lrnn_rows *rows, float *values)
{
    (void)user;
    for (size_t row = 0; row < rows->count; row++) {
        values[row * V + 11] += 100;
    }
    return 0;
}

static void the_logits_callback_has_the_last_word(void **state)
{
    (void)state;
    for (int32_t method = 0; method <= LRNN_METHOD_SAMPLED_BEAM; method++) {
        hash_scorer scorer = {.seed = 5, .spread = 2, .vocab_size = V};
        lrnn_decoder_options options = decoder_defaults();
        options.method = method;
        options.max_length = 5;
        options.logits = prefer_eleven;
        if (method >= LRNN_METHOD_BEAM) {
            /* Its values may be above 0, so that the exact rule cannot stop early. */
            options.stopping = LRNN_STOP_EXACT;
        }
        lrnn_decoder *decoder = decoder_over(&scorer, &options);
        lrnn_request request = make_request(NULL, 0, 3);
        assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_OK);
        lrnn_result result = get_result(decoder, 0, 0);
        assert_int_equal(result.count, 5);
        for (size_t i = 0; i < 5; i++) {
            assert_int_equal(result.tokens[i], 11);
        }
        assert_true(result.log_probability < 0);
        assert_true(fabs(result.score - (result.log_probability / 5 + 100)) < 1e-4);
        lrnn_decoder_destroy(decoder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(penalties_act_as_documented),
        cmocka_unit_test(banned_tokens_are_impossible),
        cmocka_unit_test(banned_sequences_cannot_be_completed),
        cmocka_unit_test(no_ngram_comes_twice),
        cmocka_unit_test(end_tokens_wait_for_the_minimum_length),
        cmocka_unit_test(no_trigram_is_repeated_where_the_model_would),
        cmocka_unit_test(texts_begin_with_the_forced_tokens),
        cmocka_unit_test(only_allowed_tokens_follow),
        cmocka_unit_test(a_text_without_a_token_to_go_on_with_is_stuck),
        cmocka_unit_test(a_wrong_answer_of_allowed_is_an_error),
        cmocka_unit_test(the_logits_callback_has_the_last_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
