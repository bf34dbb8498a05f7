/* Runs: batches and waves, streaming, cancelling, errors, memory. */
#include <fenv.h>
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
#include "support/fault_allocator.h"

enum { V = 20, REQUESTS = 17 };

static const int32_t ends[] = {2, 9};

static lrnn_decoder_options options_of(int32_t method)
{
    lrnn_decoder_options options = decoder_defaults();
    options.method = method;
    options.max_length = 12;
    options.end_tokens = ends;
    options.end_count = 2;
    options.no_repeat_ngram = 2;
    if (method == LRNN_METHOD_BEAM || method == LRNN_METHOD_SAMPLED_BEAM) {
        options.beam_width = 4;
        options.n_best = 3;
        options.stopping = LRNN_STOP_HEURISTIC;
    }
    if (method == LRNN_METHOD_SAMPLE || method == LRNN_METHOD_SAMPLED_BEAM) {
        options.top_p = 0.9;
    }
    return options;
}

/* Prompts of unequal length. */
static void make_requests(lrnn_request requests[REQUESTS], int32_t tokens[REQUESTS][REQUESTS])
{
    for (size_t i = 0; i < REQUESTS; i++) {
        for (size_t k = 0; k < REQUESTS; k++) {
            tokens[i][k] = (int32_t)(hash_mix(i * 31 + k) % V);
        }
        requests[i] = make_request(tokens[i], i * 5 % REQUESTS, 100 + i);
    }
}

static void assert_same_results(const lrnn_decoder *a, size_t i, const lrnn_decoder *b, size_t k)
{
    size_t count = lrnn_decoder_result_count(a, i);
    assert_true(count > 0);
    assert_int_equal(lrnn_decoder_result_count(b, k), count);
    for (size_t rank = 0; rank < count; rank++) {
        lrnn_result x = get_result(a, i, rank), y = get_result(b, k, rank);
        assert_int_equal(x.count, y.count);
        assert_memory_equal(x.tokens, y.tokens, x.count * sizeof(int32_t));
        assert_memory_equal(x.log_probabilities, y.log_probabilities, x.count * sizeof(float));
        assert_true(x.score == y.score && x.log_probability == y.log_probability);
        assert_int_equal(x.ended, y.ended);
    }
}

static void a_request_gets_the_same_alone_in_a_batch_and_in_waves(void **state)
{
    (void)state;
    static int32_t tokens[REQUESTS][REQUESTS];
    lrnn_request requests[REQUESTS];
    make_requests(requests, tokens);
    for (int32_t method = 0; method <= LRNN_METHOD_SAMPLED_BEAM; method++) {
        hash_scorer scorer = {.seed = 3, .spread = 3, .vocab_size = V};
        lrnn_decoder_options options = options_of(method);
        lrnn_decoder *alone = decoder_over(&scorer, &options);
        options.batch = REQUESTS;
        lrnn_decoder *batch = decoder_over(&scorer, &options);
        options.batch = 3;
        options.requests = REQUESTS;
        lrnn_decoder *waves = decoder_over(&scorer, &options);
        assert_int_equal(lrnn_decoder_run(batch, requests, REQUESTS), LRNN_OK);
        assert_int_equal(lrnn_decoder_run(waves, requests, REQUESTS), LRNN_OK);
        for (size_t i = 0; i < REQUESTS; i++) {
            assert_int_equal(lrnn_decoder_run(alone, &requests[i], 1), LRNN_OK);
            assert_same_results(alone, 0, batch, i);
            assert_same_results(alone, 0, waves, i);
        }
        lrnn_decoder_destroy(alone);
        lrnn_decoder_destroy(batch);
        lrnn_decoder_destroy(waves);
    }
}

static void another_seed_gives_another_text(void **state)
{
    (void)state;
    hash_scorer scorer = {.seed = 3, .spread = 3, .vocab_size = V};
    lrnn_decoder_options options = decoder_defaults();
    options.method = LRNN_METHOD_SAMPLE;
    options.batch = 2;
    lrnn_decoder *decoder = decoder_over(&scorer, &options);
    lrnn_request requests[] = {make_request(NULL, 0, 1), make_request(NULL, 0, 2)};
    assert_int_equal(lrnn_decoder_run(decoder, requests, 2), LRNN_OK);
    assert_memory_not_equal(get_result(decoder, 0, 0).tokens, get_result(decoder, 1, 0).tokens,
                            100 * sizeof(int32_t));
    lrnn_decoder_destroy(decoder);
}

/* ---- rows ---- */

/* Keeps every row's text and checks that rows->parents lead from call to call. */
typedef struct row_watcher {
    hash_scorer scorer;
    int32_t texts[64][64], before[64][64];
    int32_t lengths[64];
    size_t count, calls;
} row_watcher;

static int32_t watch_rows(void *user, const lrnn_rows *rows, float *logits)
{
    row_watcher *watcher = user;
    memcpy(watcher->before, watcher->texts, sizeof watcher->texts);
    for (size_t row = 0; row < rows->count; row++) {
        int32_t *text = watcher->texts[row], length = rows->lengths[row];
        assert_int_equal(lrnn_rows_copy_tokens(text, 64, rows, row), LRNN_OK);
        assert_int_equal(rows->tokens[row], length == 0 ? -1 : text[length - 1]);
        if (rows->parents[row] >= 0) {
            assert_true((size_t)rows->parents[row] < watcher->count);
            assert_memory_equal(text, watcher->before[rows->parents[row]],
                                (size_t)(length - 1) * sizeof *text);
        }
        assert_true(row == 0 || rows->requests[row] >= rows->requests[row - 1]);
        assert_int_equal(lrnn_rows_copy_tokens(text, (size_t)length, rows, rows->count),
                         LRNN_ERR_INVALID);
        if (length > 0) {
            assert_int_equal(lrnn_rows_copy_tokens(text, (size_t)length - 1, rows, row),
                             LRNN_ERR_TOO_SMALL);
        }
    }
    watcher->count = rows->count;
    watcher->calls++;
    return hash_score(&watcher->scorer, rows, logits);
}

static void rows_tell_where_they_come_from(void **state)
{
    (void)state;
    static int32_t tokens[REQUESTS][REQUESTS];
    lrnn_request requests[REQUESTS];
    make_requests(requests, tokens);
    static row_watcher watcher;
    watcher.scorer = (hash_scorer){.seed = 8, .spread = 3, .vocab_size = V};
    lrnn_scorer scorer;
    lrnn_scorer_init(&scorer, sizeof scorer);
    scorer.user = &watcher;
    scorer.vocab_size = V;
    scorer.score = watch_rows;
    lrnn_decoder_options options = options_of(LRNN_METHOD_BEAM);
    options.batch = 10;
    options.requests = REQUESTS;
    lrnn_decoder *decoder;
    assert_int_equal(lrnn_decoder_create_with_scorer(&decoder, &scorer, &options), LRNN_OK);
    assert_int_equal(lrnn_decoder_run(decoder, requests, REQUESTS), LRNN_OK);
    assert_true(watcher.calls > 4);
    lrnn_decoder_destroy(decoder);
}

typedef struct meddler {
    hash_scorer scorer;
    lrnn_decoder *decoder;
    lrnn_rows kept;
    size_t attempts;
} meddler;

static int32_t meddle(void *user, const lrnn_rows *rows, float *logits)
{
    meddler *by = user;
    lrnn_request request = make_request(NULL, 0, 0);
    by->kept = *rows;
    by->attempts++;
    assert_int_equal(lrnn_decoder_run(by->decoder, &request, 1), LRNN_ERR_STATE);
    assert_int_equal(lrnn_decoder_score(NULL, NULL, by->decoder, &request, 0), LRNN_ERR_STATE);
    return hash_score(&by->scorer, rows, logits);
}

static void a_decoder_cannot_be_run_from_its_own_callback(void **state)
{
    (void)state;
    meddler by = {.scorer = {.seed = 1, .spread = 2, .vocab_size = V}};
    lrnn_scorer scorer;
    lrnn_scorer_init(&scorer, sizeof scorer);
    scorer.user = &by;
    scorer.vocab_size = V;
    scorer.score = meddle;
    assert_int_equal(lrnn_decoder_create_with_scorer(&by.decoder, &scorer, NULL), LRNN_OK);
    lrnn_request request = make_request(NULL, 0, 0);
    assert_int_equal(lrnn_decoder_run(by.decoder, &request, 1), LRNN_OK);
    assert_int_equal(by.attempts, 100);
    int32_t tokens[200];
    assert_int_equal(lrnn_rows_copy_tokens(tokens, 200, &by.kept, 0), LRNN_ERR_STATE);
    lrnn_decoder_destroy(by.decoder);
}

/* ---- streaming ---- */

typedef struct stream {
    int32_t tokens[REQUESTS][64];
    float values[REQUESTS][64];
    size_t counts[REQUESTS], calls, stop_at;
    int32_t answer;
} stream;

static int32_t receive(void *user, size_t request, int32_t token, float log_probability)
{
    stream *to = user;
    to->tokens[request][to->counts[request]] = token;
    to->values[request][to->counts[request]++] = log_probability;
    to->calls++;
    return to->stop_at > 0 && to->calls >= to->stop_at ? to->answer : 0;
}

static void what_was_streamed_is_the_best_result(void **state)
{
    (void)state;
    static int32_t tokens[REQUESTS][REQUESTS];
    lrnn_request requests[REQUESTS];
    make_requests(requests, tokens);
    for (int32_t method = 0; method <= LRNN_METHOD_SAMPLED_BEAM; method++) {
        for (int32_t stopping = 0; stopping <= LRNN_STOP_EXACT; stopping++) {
            hash_scorer scorer = {.seed = (uint64_t)stopping, .spread = 4, .vocab_size = V};
            static stream to;
            memset(&to, 0, sizeof to);
            lrnn_decoder_options options = options_of(method);
            options.batch = 6;
            options.requests = REQUESTS;
            options.user = &to;
            options.token = receive;
            if (method >= LRNN_METHOD_BEAM) {
                options.stopping = stopping;
                options.beam_groups = method == LRNN_METHOD_BEAM && stopping % 2 == 1 ? 2 : 1;
                options.diversity_penalty = options.beam_groups > 1 ? 0.5 : 0;
            }
            lrnn_decoder *decoder = decoder_over(&scorer, &options);
            assert_int_equal(lrnn_decoder_run(decoder, requests, REQUESTS), LRNN_OK);
            for (size_t i = 0; i < REQUESTS; i++) {
                lrnn_result result = get_result(decoder, i, 0);
                assert_int_equal(to.counts[i], result.count);
                assert_memory_equal(to.tokens[i], result.tokens, result.count * sizeof(int32_t));
                assert_memory_equal(to.values[i], result.log_probabilities,
                                    result.count * sizeof(float));
            }
            lrnn_decoder_destroy(decoder);
        }
    }
}

/* Between two steps, what all rows of the request share must have been reported, and no more. */
typedef struct prefix_watcher {
    hash_scorer scorer;
    size_t reported, prompt;
} prefix_watcher;

static int32_t count_reported(void *user, size_t request, int32_t token, float log_probability)
{
    prefix_watcher *watcher = user;
    (void)request;
    (void)token;
    (void)log_probability;
    watcher->reported++;
    return 0;
}

static int32_t compare_prefix(void *user, const lrnn_rows *rows, float *logits)
{
    prefix_watcher *watcher = user;
    int32_t first[64], other[64];
    size_t shared = (size_t)rows->lengths[0];
    assert_int_equal(lrnn_rows_copy_tokens(first, 64, rows, 0), LRNN_OK);
    for (size_t row = 1; row < rows->count; row++) {
        assert_int_equal(lrnn_rows_copy_tokens(other, 64, rows, row), LRNN_OK);
        size_t same = 0;
        while (same < shared && first[same] == other[same]) {
            same++;
        }
        shared = same;
    }
    assert_int_equal(watcher->reported, shared - watcher->prompt);
    return hash_score(&watcher->scorer, rows, logits);
}

static void what_all_hypotheses_share_is_streamed_at_once(void **state)
{
    (void)state;
    const int32_t prompt[] = {1, 2, 3};
    for (uint64_t seed = 0; seed < 40; seed++) {
        prefix_watcher watcher = {.scorer = {.seed = seed, .spread = 6, .vocab_size = V}};
        watcher.prompt = 3;
        lrnn_scorer scorer;
        lrnn_scorer_init(&scorer, sizeof scorer);
        scorer.user = &watcher;
        scorer.vocab_size = V;
        scorer.score = compare_prefix;
        lrnn_decoder_options options = options_of((int32_t)(seed % 4));
        options.end_count = 0;
        options.max_length = 40;
        options.user = &watcher;
        options.token = count_reported;
        lrnn_decoder *decoder;
        assert_int_equal(lrnn_decoder_create_with_scorer(&decoder, &scorer, &options), LRNN_OK);
        lrnn_request request = make_request(prompt, 3, seed);
        assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_OK);
        assert_int_equal(watcher.reported, 40);
        lrnn_decoder_destroy(decoder);
    }
}

static void cancelling_keeps_what_there_is_and_the_decoder(void **state)
{
    (void)state;
    static int32_t tokens[REQUESTS][REQUESTS];
    lrnn_request requests[REQUESTS];
    make_requests(requests, tokens);
    for (int32_t method = 0; method <= LRNN_METHOD_SAMPLED_BEAM; method++) {
        for (size_t stop_at = 1; stop_at < 40; stop_at += 3) {
            hash_scorer scorer = {.seed = 5, .spread = 4, .vocab_size = V};
            static stream to;
            memset(&to, 0, sizeof to);
            to.stop_at = stop_at;
            to.answer = 1;
            lrnn_decoder_options options = options_of(method);
            options.batch = 4;
            options.requests = REQUESTS;
            options.user = &to;
            options.token = receive;
            lrnn_decoder *decoder = decoder_over(&scorer, &options);
            assert_int_equal(lrnn_decoder_run(decoder, requests, REQUESTS), LRNN_ERR_CANCELLED);
            assert_int_equal(to.calls, stop_at);
            size_t cancelled = 0, begun = 0;
            for (size_t i = 0; i < REQUESTS; i++) {
                if (lrnn_decoder_result_count(decoder, i) == 0) {
                    assert_int_equal(to.counts[i], 0);
                    continue;
                }
                begun++;
                lrnn_result result = get_result(decoder, i, 0);
                cancelled += result.ended == LRNN_ENDED_CANCELLED;
                assert_true(to.counts[i] <= result.count);
                assert_memory_equal(to.tokens[i], result.tokens, to.counts[i] * sizeof(int32_t));
            }
            assert_true(begun >= 4 && (begun % 4 == 0 || begun == REQUESTS));
            assert_true(stop_at > 1 || cancelled > 0);

            memset(&to, 0, sizeof to);
            assert_int_equal(lrnn_decoder_run(decoder, requests, REQUESTS), LRNN_OK);
            for (size_t i = 0; i < REQUESTS; i++) {
                assert_int_equal(to.counts[i], get_result(decoder, i, 0).count);
            }
            lrnn_decoder_destroy(decoder);
        }
    }
}

static void any_callback_can_cancel_or_fail(void **state)
{
    (void)state;
    for (int32_t method = 0; method <= LRNN_METHOD_SAMPLED_BEAM; method++) {
        for (size_t at = 1; at <= 4; at++) {
            hash_scorer scorer = {.seed = 5, .spread = 4, .vocab_size = V};
            lrnn_decoder_options options = options_of(method);
            options.end_count = 0;
            lrnn_decoder *decoder = decoder_over(&scorer, &options);
            lrnn_request request = make_request(NULL, 0, 1);
            assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_OK);
            scorer.calls = 0;
            scorer.answer_at = at;
            scorer.answer = 7;
            assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_ERR_CANCELLED);
            lrnn_result result = get_result(decoder, 0, 0);
            assert_int_equal(scorer.calls, at);
            assert_int_equal(result.count, at - 1);
            assert_int_equal(result.ended, LRNN_ENDED_CANCELLED);
            assert_true(at > 1 || (isnan(result.perplexity) && isinf(result.score)));
            scorer.calls = 0;
            scorer.answer = -7;
            assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_ERR_CALLBACK);
            assert_non_null(strstr(lrnn_last_error(), "-7"));
            assert_int_equal(lrnn_decoder_result_count(decoder, 0), 0);
            scorer.answer_at = 0;
            assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_OK);
            assert_int_equal(get_result(decoder, 0, 0).count, options.max_length);
            lrnn_decoder_destroy(decoder);
        }
    }
}

/* ---- numbers that are none ---- */

typedef struct spoiler {
    hash_scorer scorer;
    size_t at;
    float value;
    bool everywhere, in_callback;
} spoiler;

static void spoil(const spoiler *by, float *values, size_t rows)
{
    for (size_t i = 0; i < V; i++) {
        if (by->everywhere || i == 13) {
            values[(rows - 1) * V + i] = by->value;
        }
    }
}

static int32_t spoiled_score(void *user, const lrnn_rows *rows, float *logits)
{
    spoiler *by = user;
    int32_t answer = hash_score(&by->scorer, rows, logits);
    if (!by->in_callback && by->scorer.calls == by->at) {
        spoil(by, logits, rows->count);
    }
    return answer;
}

static int32_t spoiled_logits(void *user, const lrnn_rows *rows, float *values)
{
    spoiler *by = user;
    if (by->in_callback && by->scorer.calls == by->at) {
        spoil(by, values, rows->count);
    }
    return 0;
}

static void values_that_are_no_numbers_are_an_error_and_not_a_token(void **state)
{
    (void)state;
    const spoiler cases[] = {
        {.value = NAN},
        {.value = INFINITY},
        {.value = NAN, .everywhere = true},
        {.value = -INFINITY, .everywhere = true},
        {.value = NAN, .in_callback = true},
        {.value = INFINITY, .in_callback = true},
    };
    for (int32_t method = 0; method <= LRNN_METHOD_SAMPLED_BEAM; method++) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            for (size_t at = 1; at < 3; at++) {
                spoiler by = cases[i];
                by.scorer = (hash_scorer){.seed = 5, .spread = 4, .vocab_size = V};
                by.at = at;
                lrnn_scorer scorer = hash_scorer_wrap(&by.scorer);
                scorer.user = &by;
                scorer.score = spoiled_score;
                lrnn_decoder_options options = options_of(method);
                options.end_count = 0;
                options.user = &by;
                options.logits = spoiled_logits;
                lrnn_decoder *decoder;
                assert_int_equal(lrnn_decoder_create_with_scorer(&decoder, &scorer, &options),
                                 LRNN_OK);
                lrnn_request request = make_request(NULL, 0, 1);
                assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_ERR_NUMERIC);
                assert_int_equal(lrnn_decoder_result_count(decoder, 0), 0);
                by.at = 0;
                assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_OK);
                lrnn_decoder_destroy(decoder);
            }
        }
    }
}

static int32_t check_mode(void *user, const lrnn_rows *rows, float *logits)
{
    if (fegetround() != FE_UPWARD) {
        return -1;
    }
    return hash_score(user, rows, logits);
}

static void callbacks_run_in_the_callers_floating_point_mode(void **state)
{
    (void)state;
    hash_scorer scorer = {.seed = 5, .spread = 4, .vocab_size = V};
    lrnn_scorer wrapped = hash_scorer_wrap(&scorer);
    wrapped.score = check_mode;
    lrnn_decoder *decoder;
    assert_int_equal(lrnn_decoder_create_with_scorer(&decoder, &wrapped, NULL), LRNN_OK);
    lrnn_request request = make_request(NULL, 0, 1);
    fesetround(FE_UPWARD);
    lrnn_status status = lrnn_decoder_run(decoder, &request, 1);
    int mode = fegetround();
    fesetround(FE_TONEAREST);
    assert_int_equal(status, LRNN_OK);
    assert_int_equal(mode, FE_UPWARD);
    lrnn_decoder_destroy(decoder);
}

/* ---- wrong requests ---- */

static void a_request_that_does_not_fit_changes_nothing(void **state)
{
    (void)state;
    hash_scorer scorer = {.seed = 5, .spread = 4, .vocab_size = V};
    lrnn_decoder_options options = options_of(LRNN_METHOD_BEAM);
    options.batch = 2;
    lrnn_decoder *decoder = decoder_over(&scorer, &options);
    const int32_t good[] = {1}, bad[] = {3, V}, negative[] = {-1};
    const float h[8] = {0};
    lrnn_request requests[3] = {make_request(good, 1, 1), make_request(good, 1, 2)};
    assert_int_equal(lrnn_decoder_run(decoder, requests, 2), LRNN_OK);
    int32_t first = get_result(decoder, 1, 0).tokens[0];
    assert_int_equal(lrnn_decoder_run(decoder, requests, 0), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_decoder_run(decoder, requests, 3), LRNN_ERR_INVALID);
    assert_non_null(strstr(lrnn_last_error(), "count"));
    assert_int_equal(lrnn_decoder_run(decoder, NULL, 1), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_decoder_run(NULL, requests, 1), LRNN_ERR_INVALID);
    requests[1] = make_request(bad, 2, 0);
    assert_int_equal(lrnn_decoder_run(decoder, requests, 2), LRNN_ERR_INVALID);
    assert_non_null(strstr(lrnn_last_error(), "request 1: tokens[1]"));
    requests[1] = make_request(negative, 1, 0);
    assert_int_equal(lrnn_decoder_run(decoder, requests, 2), LRNN_ERR_INVALID);
    requests[1] = make_request(NULL, 1, 0);
    assert_int_equal(lrnn_decoder_run(decoder, requests, 2), LRNN_ERR_INVALID);
    requests[1] = make_request(good, (size_t)INT32_MAX, 0);
    assert_int_equal(lrnn_decoder_run(decoder, requests, 2), LRNN_ERR_INVALID);
    requests[1] = make_request(good, 1, 0);
    requests[1].h = h;
    assert_int_equal(lrnn_decoder_run(decoder, requests, 2), LRNN_ERR_INVALID);
    assert_non_null(strstr(lrnn_last_error(), "h:"));
    requests[1] = make_request(good, 1, 0);
    requests[1].features = h;
    assert_int_equal(lrnn_decoder_run(decoder, requests, 2), LRNN_ERR_INVALID);
    requests[1].size = 0;
    assert_int_equal(lrnn_decoder_run(decoder, requests, 2), LRNN_ERR_INVALID);
    assert_int_equal(get_result(decoder, 1, 0).tokens[0], first);
    lrnn_decoder_destroy(decoder);
}

static void results_that_are_not_there_are_an_error(void **state)
{
    (void)state;
    hash_scorer scorer = {.seed = 5, .spread = 4, .vocab_size = V};
    lrnn_decoder *decoder = decoder_over(&scorer, NULL);
    lrnn_result result;
    lrnn_result_init(&result, sizeof result);
    assert_int_equal(lrnn_decoder_get_result(&result, decoder, 0, 0), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_decoder_result_count(decoder, 0), 0);
    assert_int_equal(lrnn_decoder_result_count(NULL, 0), 0);
    lrnn_request request = make_request(NULL, 0, 1);
    assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_OK);
    assert_int_equal(lrnn_decoder_get_result(&result, decoder, 0, 0), LRNN_OK);
    assert_int_equal(lrnn_decoder_get_result(&result, decoder, 0, 1), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_decoder_get_result(&result, decoder, 1, 0), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_decoder_get_result(NULL, decoder, 0, 0), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_decoder_get_result(&result, NULL, 0, 0), LRNN_ERR_INVALID);
    result.size = 3;
    assert_int_equal(lrnn_decoder_get_result(&result, decoder, 0, 0), LRNN_ERR_INVALID);
    lrnn_decoder_destroy(decoder);
    lrnn_decoder_destroy(NULL);
}

/* ---- memory ---- */

static void create_survives_every_failed_allocation(void **state)
{
    (void)state;
    hash_scorer scorer = {.seed = 5, .spread = 4, .vocab_size = V};
    lrnn_scorer wrapped = hash_scorer_wrap(&scorer);
    const int32_t *const sequences[] = {ends};
    const size_t lengths[] = {2};
    for (int32_t method = 0; method <= LRNN_METHOD_SAMPLED_BEAM; method++) {
        fault_allocator fault;
        lrnn_decoder *decoder = NULL;
        size_t n = 1;
        for (;; n++) {
            fault_allocator_start(&fault, n);
            lrnn_decoder_options options = options_of(method);
            options.allocator = &fault.allocator;
            options.banned_sequences = sequences;
            options.banned_lengths = lengths;
            options.banned_sequence_count = 1;
            lrnn_status status = lrnn_decoder_create_with_scorer(&decoder, &wrapped, &options);
            if (!fault_allocator_failed(&fault)) {
                assert_int_equal(status, LRNN_OK);
                break;
            }
            assert_int_equal(status, LRNN_ERR_MEMORY);
            assert_null(decoder);
            assert_int_equal(fault_allocator_live(&fault), 0);
        }
        assert_true(n > 2);
        size_t calls = fault_allocator_calls(&fault);
        lrnn_request request = make_request(NULL, 0, 1);
        assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_OK);
        assert_int_equal(fault_allocator_calls(&fault), calls);
        lrnn_decoder_destroy(decoder);
        assert_int_equal(fault_allocator_live(&fault), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_gets_the_same_alone_in_a_batch_and_in_waves),
        cmocka_unit_test(another_seed_gives_another_text),
        cmocka_unit_test(rows_tell_where_they_come_from),
        cmocka_unit_test(a_decoder_cannot_be_run_from_its_own_callback),
        cmocka_unit_test(what_was_streamed_is_the_best_result),
        cmocka_unit_test(what_all_hypotheses_share_is_streamed_at_once),
        cmocka_unit_test(cancelling_keeps_what_there_is_and_the_decoder),
        cmocka_unit_test(any_callback_can_cancel_or_fail),
        cmocka_unit_test(values_that_are_no_numbers_are_an_error_and_not_a_token),
        cmocka_unit_test(callbacks_run_in_the_callers_floating_point_mode),
        cmocka_unit_test(a_request_that_does_not_fit_changes_nothing),
        cmocka_unit_test(results_that_are_not_there_are_an_error),
        cmocka_unit_test(create_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
