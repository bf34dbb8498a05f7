#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/decode_scorers.h"

enum { V = 10 };

/* Each case changes the defaults in one way; the message must begin with the field's name. */
typedef struct bad_option {
    const char *name;
    void (*spoil)(lrnn_decoder_options *options);
} bad_option;

static const int32_t beyond[] = {2, V}, below[] = {-1}, fine[] = {1, 2};
static const int32_t *const sequences[] = {fine, beyond}, *const null_sequence[] = {NULL};
static const size_t lengths[] = {2, 2}, no_length[] = {0}, one_length[] = {1};

#define SPOILS(function, statements)                                                               \
    static void function(lrnn_decoder_options *o)                                                  \
    {                                                                                              \
        statements                                                                                 \
    }

SPOILS(batch_of_zero, o->batch = 0;)
SPOILS(huge_batch, o->batch = (size_t)INT32_MAX + 1;)
SPOILS(no_requests, o->requests = 0;)
SPOILS(no_length_at_all, o->max_length = 0;)
SPOILS(min_above_max, o->max_length = 5; o->min_length = 6;)
SPOILS(method_too_large, o->method = 4;)
SPOILS(method_negative, o->method = -1;)
SPOILS(stopping_too_large, o->method = LRNN_METHOD_BEAM; o->stopping = 4;)
SPOILS(no_width, o->method = LRNN_METHOD_BEAM; o->beam_width = 0;)
SPOILS(no_results, o->method = LRNN_METHOD_BEAM; o->n_best = 0;)
SPOILS(more_results_than_width, o->method = LRNN_METHOD_BEAM; o->n_best = 6;)
SPOILS(no_groups, o->method = LRNN_METHOD_BEAM; o->beam_groups = 0;)
SPOILS(uneven_groups, o->method = LRNN_METHOD_BEAM; o->beam_groups = 2;)
SPOILS(sampled_groups, o->method = LRNN_METHOD_SAMPLED_BEAM; o->beam_groups = 5;)
SPOILS(negative_diversity, o->method = LRNN_METHOD_BEAM; o->beam_groups = 5;
       o->diversity_penalty = -1;)
SPOILS(nan_diversity, o->method = LRNN_METHOD_BEAM; o->beam_groups = 5; o->diversity_penalty = NAN;)
SPOILS(lonely_diversity, o->method = LRNN_METHOD_BEAM; o->diversity_penalty = 1;)
SPOILS(infinite_length_penalty, o->length_penalty = INFINITY;)
SPOILS(penalty_of_prompts, o->method = LRNN_METHOD_BEAM; o->max_length = 1; o->count_prompt = 1;
       o->length_penalty = -1e300;)
SPOILS(candidates_too_large, o->method = LRNN_METHOD_BEAM; o->candidates = 2;)
SPOILS(cut_too_large, o->method = LRNN_METHOD_BEAM; o->cut = 2;)
SPOILS(count_prompt_two, o->count_prompt = 2;)
SPOILS(wide_batch, o->method = LRNN_METHOD_BEAM; o->batch = 1 << 20; o->beam_width = 1 << 20;)
SPOILS(wide_and_long, o->method = LRNN_METHOD_BEAM; o->max_length = 1 << 20;
       o->beam_width = 1 << 20;)
SPOILS(uniform_two, o->method = LRNN_METHOD_SAMPLE; o->uniform = 2;)
SPOILS(uniform_over_all, o->method = LRNN_METHOD_SAMPLE; o->uniform = 1;)
SPOILS(uniform_beams, o->method = LRNN_METHOD_SAMPLED_BEAM; o->uniform = 1; o->top_k = 2;)
SPOILS(freezing, o->method = LRNN_METHOD_SAMPLE; o->temperature = 0;)
SPOILS(negative_temperature, o->method = LRNN_METHOD_SAMPLE; o->temperature = -1;)
SPOILS(nan_temperature, o->method = LRNN_METHOD_SAMPLE; o->temperature = NAN;)
SPOILS(top_p_zero, o->method = LRNN_METHOD_SAMPLE; o->top_p = 0;)
SPOILS(top_p_above_one, o->method = LRNN_METHOD_SAMPLE; o->top_p = 1.01;)
SPOILS(top_p_nan, o->method = LRNN_METHOD_SAMPLE; o->top_p = NAN;)
SPOILS(min_p_negative, o->method = LRNN_METHOD_SAMPLE; o->min_p = -0.1;)
SPOILS(min_p_above_one, o->method = LRNN_METHOD_SAMPLE; o->min_p = 1.1;)
SPOILS(typical_zero, o->method = LRNN_METHOD_SAMPLE; o->typical_p = 0;)
SPOILS(typical_above_one, o->method = LRNN_METHOD_SAMPLE; o->typical_p = 2;)
SPOILS(keep_none, o->method = LRNN_METHOD_SAMPLE; o->min_keep = 0;)
SPOILS(repetition_zero, o->repetition_penalty = 0;)
SPOILS(repetition_negative, o->repetition_penalty = -1;)
SPOILS(repetition_nan, o->repetition_penalty = NAN;)
SPOILS(presence_nan, o->presence_penalty = NAN;)
SPOILS(frequency_infinite, o->frequency_penalty = -INFINITY;)
SPOILS(penalize_two, o->penalize = 2;)
SPOILS(filter_prompt_two, o->filter_prompt = 2;)
SPOILS(long_force, o->max_length = 1; o->forced_tokens = fine; o->forced_count = 2;)
SPOILS(no_end_tokens, o->end_count = 1;)
SPOILS(no_banned_tokens, o->banned_count = 1;)
SPOILS(no_forced_tokens, o->forced_count = 1;)
SPOILS(no_banned_sequences, o->banned_sequence_count = 1; o->banned_lengths = lengths;)
SPOILS(no_banned_lengths, o->banned_sequence_count = 1; o->banned_sequences = sequences;)
SPOILS(empty_sequence, o->banned_sequence_count = 1; o->banned_sequences = sequences;
       o->banned_lengths = no_length;)
SPOILS(missing_sequence, o->banned_sequence_count = 1; o->banned_sequences = null_sequence;
       o->banned_lengths = one_length;)
SPOILS(end_beyond, o->end_tokens = beyond; o->end_count = 2;)
SPOILS(end_negative, o->end_tokens = below; o->end_count = 1;)
SPOILS(banned_beyond, o->banned_tokens = beyond; o->banned_count = 2;)
SPOILS(forced_beyond, o->forced_tokens = beyond; o->forced_count = 2;)
SPOILS(sequence_beyond, o->banned_sequences = sequences; o->banned_lengths = lengths;
       o->banned_sequence_count = 2;)
SPOILS(greedy_width, o->beam_width = 3;)
SPOILS(greedy_stopping, o->stopping = LRNN_STOP_EXACT;)
SPOILS(greedy_cut, o->cut = LRNN_CUT_FINISHED;)
SPOILS(greedy_candidates, o->candidates = LRNN_CANDIDATES_TRANSFORMERS;)
SPOILS(sampled_n_best, o->method = LRNN_METHOD_SAMPLE; o->n_best = 2;)
SPOILS(greedy_temperature, o->temperature = 0.5;)
SPOILS(greedy_uniform, o->uniform = 1; o->top_k = 2;)
SPOILS(beam_top_k, o->method = LRNN_METHOD_BEAM; o->top_k = 3;)
SPOILS(beam_top_p, o->method = LRNN_METHOD_BEAM; o->top_p = 0.9;)
SPOILS(beam_min_p, o->method = LRNN_METHOD_BEAM; o->min_p = 0.1;)
SPOILS(beam_typical_p, o->method = LRNN_METHOD_BEAM; o->typical_p = 0.9;)
SPOILS(beam_min_keep, o->method = LRNN_METHOD_BEAM; o->min_keep = 2;)

static const bad_option bad_options[] = {
    {"batch", batch_of_zero},
    {"batch", huge_batch},
    {"requests", no_requests},
    {"max_length", no_length_at_all},
    {"min_length", min_above_max},
    {"method", method_too_large},
    {"method", method_negative},
    {"stopping", stopping_too_large},
    {"beam_width", no_width},
    {"n_best", no_results},
    {"n_best", more_results_than_width},
    {"beam_groups", no_groups},
    {"beam_groups", uneven_groups},
    {"beam_groups", sampled_groups},
    {"diversity_penalty", negative_diversity},
    {"diversity_penalty", nan_diversity},
    {"diversity_penalty", lonely_diversity},
    {"length_penalty", infinite_length_penalty},
    {"length_penalty", penalty_of_prompts},
    {"candidates", candidates_too_large},
    {"cut", cut_too_large},
    {"count_prompt", count_prompt_two},
    {"batch times beam_width", wide_batch},
    {"beam_width times max_length", wide_and_long},
    {"uniform", uniform_two},
    {"uniform", uniform_over_all},
    {"uniform", uniform_beams},
    {"temperature", freezing},
    {"temperature", negative_temperature},
    {"temperature", nan_temperature},
    {"top_p", top_p_zero},
    {"top_p", top_p_above_one},
    {"top_p", top_p_nan},
    {"min_p", min_p_negative},
    {"min_p", min_p_above_one},
    {"typical_p", typical_zero},
    {"typical_p", typical_above_one},
    {"min_keep", keep_none},
    {"repetition_penalty", repetition_zero},
    {"repetition_penalty", repetition_negative},
    {"repetition_penalty", repetition_nan},
    {"presence_penalty", presence_nan},
    {"frequency_penalty", frequency_infinite},
    {"penalize", penalize_two},
    {"filter_prompt", filter_prompt_two},
    {"forced_count", long_force},
    {"end_tokens", no_end_tokens},
    {"banned_tokens", no_banned_tokens},
    {"forced_tokens", no_forced_tokens},
    {"banned_sequences", no_banned_sequences},
    {"banned_lengths", no_banned_lengths},
    {"banned_sequences[0]", empty_sequence},
    {"banned_sequences[0]", missing_sequence},
    {"end_tokens[1]", end_beyond},
    {"end_tokens[0]", end_negative},
    {"banned_tokens[1]", banned_beyond},
    {"forced_tokens[1]", forced_beyond},
    {"banned_sequences[1][1]", sequence_beyond},
    {"beam_width", greedy_width},
    {"stopping", greedy_stopping},
    {"cut", greedy_cut},
    {"candidates", greedy_candidates},
    {"n_best", sampled_n_best},
    {"temperature", greedy_temperature},
    {"uniform", greedy_uniform},
    {"top_k", beam_top_k},
    {"top_p", beam_top_p},
    {"min_p", beam_min_p},
    {"typical_p", beam_typical_p},
    {"min_keep", beam_min_keep},
};

static void every_option_out_of_range_is_rejected_by_name(void **state)
{
    (void)state;
    hash_scorer hash = {.seed = 1, .spread = 1, .vocab_size = V};
    lrnn_scorer scorer = hash_scorer_wrap(&hash);
    for (size_t i = 0; i < sizeof bad_options / sizeof bad_options[0]; i++) {
        lrnn_decoder_options options = decoder_defaults();
        bad_options[i].spoil(&options);
        lrnn_decoder *decoder = (lrnn_decoder *)(void *)&options;
        lrnn_status status = lrnn_decoder_create_with_scorer(&decoder, &scorer, &options);
        const char *name = bad_options[i].name;
        if (status != LRNN_ERR_INVALID || decoder != NULL ||
            strncmp(lrnn_last_error(), name, strlen(name)) != 0 ||
            lrnn_last_error()[strlen(name)] != ':') {
            fail_msg("case %zu, %s: status %d, \"%s\"", i, name, (int)status, lrnn_last_error());
        }
    }
}

static void options_have_the_documented_defaults(void **state)
{
    (void)state;
    lrnn_decoder_options o = decoder_defaults();
    assert_int_equal(o.size, sizeof o);
    assert_int_equal(o.batch, 1);
    assert_true(o.requests == LRNN_AUTO);
    assert_int_equal(o.max_length, 100);
    assert_int_equal(o.method, LRNN_METHOD_GREEDY);
    assert_int_equal(o.stopping, LRNN_STOP_FIRST);
    assert_int_equal(o.beam_width, 5);
    assert_int_equal(o.n_best, 1);
    assert_int_equal(o.beam_groups, 1);
    assert_true(o.length_penalty == 1 && o.temperature == 1 && o.top_p == 1 && o.typical_p == 1);
    assert_true(o.min_p == 0 && o.repetition_penalty == 1 && o.diversity_penalty == 0);
    assert_int_equal(o.min_keep, 1);
    assert_int_equal(o.top_k, 0);
    assert_null(o.token);
}

static void structs_of_a_wrong_size_are_refused(void **state)
{
    (void)state;
    lrnn_decoder_options options;
    lrnn_request request;
    lrnn_result result;
    lrnn_scorer scorer;
    assert_int_equal(lrnn_decoder_options_init(&options, 8192), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_decoder_options_init(&options, 8), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_decoder_options_init(NULL, sizeof options), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_request_init(&request, 8192), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_result_init(&result, 0), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_scorer_init(&scorer, 8192), LRNN_ERR_INVALID);

    hash_scorer hash = {.seed = 1, .spread = 1, .vocab_size = V};
    scorer = hash_scorer_wrap(&hash);
    memset(&options, 0, sizeof options);
    lrnn_decoder *decoder;
    assert_int_equal(lrnn_decoder_create_with_scorer(&decoder, &scorer, &options),
                     LRNN_ERR_INVALID);
    scorer.size = 0;
    assert_int_equal(lrnn_decoder_create_with_scorer(&decoder, &scorer, NULL), LRNN_ERR_INVALID);
    assert_null(decoder);
}

static void a_scorer_needs_a_callback_and_a_vocabulary(void **state)
{
    (void)state;
    hash_scorer hash = {.seed = 1, .spread = 1, .vocab_size = V};
    lrnn_scorer scorer = hash_scorer_wrap(&hash);
    lrnn_decoder *decoder;
    scorer.score = NULL;
    assert_int_equal(lrnn_decoder_create_with_scorer(&decoder, &scorer, NULL), LRNN_ERR_INVALID);
    assert_non_null(strstr(lrnn_last_error(), "score"));
    scorer = hash_scorer_wrap(&hash);
    scorer.vocab_size = 0;
    assert_int_equal(lrnn_decoder_create_with_scorer(&decoder, &scorer, NULL), LRNN_ERR_INVALID);
    assert_non_null(strstr(lrnn_last_error(), "vocab_size"));
    scorer.vocab_size = (size_t)INT32_MAX + 1;
    assert_int_equal(lrnn_decoder_create_with_scorer(&decoder, &scorer, NULL), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_decoder_create_with_scorer(&decoder, NULL, NULL), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_decoder_create_with_scorer(NULL, &scorer, NULL), LRNN_ERR_INVALID);
}

static void sizes_that_memory_cannot_be_are_an_error(void **state)
{
    (void)state;
    hash_scorer hash = {.seed = 1, .spread = 1, .vocab_size = INT32_MAX};
    lrnn_scorer scorer = hash_scorer_wrap(&hash);
    lrnn_decoder_options options = decoder_defaults();
    options.batch = INT32_MAX;
    options.requests = INT32_MAX;
    options.max_length = INT32_MAX;
    lrnn_decoder *decoder;
    assert_int_equal(lrnn_decoder_create_with_scorer(&decoder, &scorer, &options), LRNN_ERR_MEMORY);
    assert_null(decoder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_option_out_of_range_is_rejected_by_name),
        cmocka_unit_test(options_have_the_documented_defaults),
        cmocka_unit_test(structs_of_a_wrong_size_are_refused),
        cmocka_unit_test(a_scorer_needs_a_callback_and_a_vocabulary),
        cmocka_unit_test(sizes_that_memory_cannot_be_are_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
