/* Decoding where one thing is impossible, forced, banned or out of range. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../support/expect.h"
#include "lrnn.h"

enum { V = 4 };

/* Token v has the score v + length / 2, so that later steps have another normalizer. */
static int32_t score(void *user, const lrnn_rows *rows, float *logits)
{
    (void)user;
    for (size_t row = 0; row < rows->count; row++) {
        for (size_t v = 0; v < V; v++) {
            logits[row * V + v] = (float)v * (1 + (float)rows->lengths[row]) / 2 + 3;
        }
    }
    return 0;
}

static lrnn_decoder_options options_of(int32_t method)
{
    lrnn_decoder_options options;
    EXPECT_OK(lrnn_decoder_options_init(&options, sizeof options));
    options.method = method;
    options.max_length = 4;
    return options;
}

static lrnn_status create(lrnn_decoder **decoder, const lrnn_decoder_options *options)
{
    lrnn_scorer scorer;
    EXPECT_OK(lrnn_scorer_init(&scorer, sizeof scorer));
    scorer.vocab_size = V;
    scorer.score = score;
    return lrnn_decoder_create_with_scorer(decoder, &scorer, options);
}

static lrnn_status run(lrnn_decoder *decoder)
{
    lrnn_request request;
    EXPECT_OK(lrnn_request_init(&request, sizeof request));
    return lrnn_decoder_run(decoder, &request, 1);
}

/* With a penalty of 0 the score is the sum of x, which without filters is that of
 * log-probabilities. */
static void a_forced_token_counts_with_its_own_log_probability(void **state)
{
    (void)state;
    static const int32_t forced[] = {1, 0};
    lrnn_decoder_options options = options_of(LRNN_METHOD_BEAM);
    lrnn_decoder *decoder;
    lrnn_result result;
    options.forced_tokens = forced;
    options.forced_count = 2;
    options.length_penalty = 0;
    options.beam_width = 2;
    EXPECT_OK(create(&decoder, &options));
    EXPECT_OK(run(decoder));
    EXPECT_OK(lrnn_result_init(&result, sizeof result));
    EXPECT_OK(lrnn_decoder_get_result(&result, decoder, 0, 0));
    assert_int_equal(result.count, 4);
    assert_memory_equal(result.tokens, forced, sizeof forced);
    assert_true(result.log_probability < -1);
    assert_true(fabs(result.score - result.log_probability) < 1e-5);
    lrnn_decoder_destroy(decoder);
}

static void every_banned_sequence_is_checked(void **state)
{
    (void)state;
    static const int32_t good[] = {1, 2}, bad[] = {1, V};
    for (size_t wrong = 0; wrong < 3; wrong++) {
        const int32_t *sequences[] = {good, good, good};
        size_t lengths[] = {2, 2, 2};
        lrnn_decoder_options options = options_of(LRNN_METHOD_GREEDY);
        lrnn_decoder *decoder;
        options.banned_sequences = sequences;
        options.banned_lengths = lengths;
        options.banned_sequence_count = 3;
        sequences[wrong] = bad;
        EXPECT_FAILURE(create(&decoder, &options), LRNN_ERR_INVALID, "banned_sequences", "0..3",
                       "found 4");
        sequences[wrong] = good;
        lengths[wrong] = 0;
        EXPECT_FAILURE(create(&decoder, &options), LRNN_ERR_INVALID, "banned_");
        lengths[wrong] = 2;
        sequences[wrong] = NULL;
        EXPECT_FAILURE(create(&decoder, &options), LRNN_ERR_INVALID, "banned_sequences");
    }
}

static void a_penalty_that_makes_a_value_infinite_is_an_error(void **state)
{
    (void)state;
    lrnn_decoder_options options = options_of(LRNN_METHOD_GREEDY);
    lrnn_decoder *decoder;
    options.presence_penalty = -1e300;
    EXPECT_OK(create(&decoder, &options));
    EXPECT_FAILURE(run(decoder), LRNN_ERR_NUMERIC, "penalties", "token 3");
    lrnn_decoder_destroy(decoder);
    options.presence_penalty = 1e300; /* a ban */
    EXPECT_OK(create(&decoder, &options));
    EXPECT_OK(run(decoder));
    lrnn_decoder_destroy(decoder);
}

static void a_token_out_of_range_is_named_with_the_range(void **state)
{
    (void)state;
    const int32_t prompt[] = {0, V};
    lrnn_model_options model_options;
    lrnn_model *model;
    lrnn_decoder *decoder;
    lrnn_request request;
    lrnn_decoder_options options = options_of(LRNN_METHOD_GREEDY);
    EXPECT_OK(lrnn_model_options_init(&model_options, sizeof model_options));
    model_options.vocab_size = V;
    model_options.hidden_size = 2;
    EXPECT_OK(lrnn_model_create(&model, &model_options));
    EXPECT_OK(lrnn_decoder_create(&decoder, model, &options));
    EXPECT_OK(lrnn_request_init(&request, sizeof request));
    request.tokens = prompt;
    request.count = 2;
    EXPECT_FAILURE(lrnn_decoder_run(decoder, &request, 1), LRNN_ERR_INVALID, "tokens[1]", "0..3",
                   "found 4");
    lrnn_decoder_destroy(decoder);
    lrnn_model_destroy(model);
}

/* From the second step on token 1 gains 5. */
static int32_t raise_later(void *user, const lrnn_rows *rows, float *values)
{
    (void)user;
    for (size_t row = 0; row < rows->count; row++) {
        values[row * V + 1] += rows->lengths[row] > 0 ? 5 : 0;
    }
    return 0;
}

/* Token 3, which ends, is the best at once: a search whose bound held would stop there. */
static void exact_stopping_does_not_trust_its_bound_where_a_callback_may_raise_values(void **state)
{
    (void)state;
    static const int32_t ends[] = {3};
    lrnn_decoder_options options = options_of(LRNN_METHOD_BEAM);
    lrnn_decoder *decoder;
    lrnn_result result;
    options.end_tokens = ends;
    options.end_count = 1;
    options.stopping = LRNN_STOP_EXACT;
    options.length_penalty = 0;
    options.beam_width = 4;
    for (int raised = 0; raised < 2; raised++) {
        options.logits = raised == 1 ? raise_later : NULL;
        EXPECT_OK(create(&decoder, &options));
        EXPECT_OK(run(decoder));
        EXPECT_OK(lrnn_result_init(&result, sizeof result));
        EXPECT_OK(lrnn_decoder_get_result(&result, decoder, 0, 0));
        assert_int_equal(result.count > 1, raised);
        assert_true(raised == 0 || result.score > 0);
        lrnn_decoder_destroy(decoder);
    }
}

static void labels_of_probability_zero_are_no_result(void **state)
{
    (void)state;
    static const float frames[] = {0, -INFINITY, -INFINITY};
    lrnn_ctc_options options;
    lrnn_ctc_result result;
    lrnn_ctc *ctc;
    EXPECT_OK(lrnn_ctc_options_init(&options, sizeof options));
    EXPECT_OK(lrnn_ctc_result_init(&result, sizeof result));
    options.output_size = 3;
    options.input = LRNN_CTC_LOG_PROBS;
    options.n_best = 2;
    for (options.beam_width = 2; options.beam_width <= 4; options.beam_width++) {
        EXPECT_OK(lrnn_ctc_create(&ctc, &options));
        EXPECT_OK(lrnn_ctc_feed(ctc, frames, 1, 3));
        EXPECT_OK(lrnn_ctc_get_result(&result, ctc, 0));
        assert_int_equal(result.count, 0);
        EXPECT_FAILURE(lrnn_ctc_get_result(&result, ctc, 1), LRNN_ERR_NOT_FOUND, "1");
        lrnn_ctc_destroy(ctc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forced_token_counts_with_its_own_log_probability),
        cmocka_unit_test(every_banned_sequence_is_checked),
        cmocka_unit_test(a_penalty_that_makes_a_value_infinite_is_an_error),
        cmocka_unit_test(a_token_out_of_range_is_named_with_the_range),
        cmocka_unit_test(exact_stopping_does_not_trust_its_bound_where_a_callback_may_raise_values),
        cmocka_unit_test(labels_of_probability_zero_are_no_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
