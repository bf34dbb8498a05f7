/* After create, decoding and scoring allocate nothing, not even behind the back of the caller's
 * allocator. Where the trap does not work, the test of the allocator's calls in decode_run_test.c
 * has to do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lrnn/decode.h"
#include "lrnn/model.h"
#include "support/malloc_trap.h"

enum { V = 40, REQUESTS = 5 };

static int32_t allow_some(void *user, const lrnn_rows *rows, size_t row, const int32_t **tokens,
                          size_t *count)
{
    static const int32_t some[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17};
    (void)user;
    if (rows->lengths[row] % 3 == 0) {
        *tokens = some;
        *count = sizeof some / sizeof *some;
    }
    return 0;
}

static int32_t change_nothing(void *user, const lrnn_rows *rows, float *values)
{
    (void)user;
    (void)rows;
    (void)values;
    return 0;
}

static int32_t hear(void *user, size_t request, int32_t token, float log_probability)
{
    (void)user;
    (void)request;
    (void)token;
    (void)log_probability;
    return 0;
}

static void fill(lrnn_decoder_options *options, int32_t method, bool filters)
{
    static const int32_t ends[] = {7}, banned[] = {9}, forced[] = {3};
    static const int32_t *const sequences[] = {ends};
    static const size_t lengths[] = {1};
    lrnn_decoder_options_init(options, sizeof *options);
    options->method = method;
    options->batch = 2;
    options->requests = REQUESTS;
    options->end_tokens = ends;
    options->end_count = 1;
    if (method >= LRNN_METHOD_BEAM) {
        options->beam_width = options->n_best = 6;
        options->stopping = LRNN_STOP_EXACT;
    }
    if (method == LRNN_METHOD_BEAM && filters) {
        options->beam_groups = 2;
        options->diversity_penalty = 1;
    }
    if (method == LRNN_METHOD_SAMPLE || method == LRNN_METHOD_SAMPLED_BEAM) {
        options->top_p = filters ? 0.9 : 1;
        options->typical_p = filters ? 0.9 : 1;
    }
    if (filters) {
        options->repetition_penalty = 1.2;
        options->no_repeat_ngram = 3;
        options->banned_tokens = banned;
        options->banned_count = 1;
        options->banned_sequences = sequences;
        options->banned_lengths = lengths;
        options->banned_sequence_count = 1;
        options->forced_tokens = forced;
        options->forced_count = 1;
        options->min_length = 5;
        options->allowed = allow_some;
        options->logits = change_nothing;
        options->token = hear;
    }
}

static void run_trapped(const lrnn_model *model, const lrnn_decoder_options *options)
{
    lrnn_decoder *decoder;
    assert_int_equal(lrnn_decoder_create(&decoder, model, options), LRNN_OK);
    static int32_t prompt[200];
    lrnn_request requests[REQUESTS];
    for (size_t i = 0; i < 200; i++) {
        prompt[i] = (int32_t)(i * 7 % V);
    }
    for (size_t i = 0; i < REQUESTS; i++) {
        lrnn_request_init(&requests[i], sizeof requests[i]);
        requests[i].tokens = prompt;
        requests[i].count = 1 + i * 40;
        requests[i].seed = i;
    }
    double total;
    malloc_trap_arm();
    lrnn_status ran = lrnn_decoder_run(decoder, requests, REQUESTS);
    lrnn_status scored = lrnn_decoder_score(&total, NULL, decoder, &requests[4], 1);
    size_t caught = malloc_trap_disarm();
    assert_int_equal(ran, LRNN_OK);
    assert_int_equal(scored, LRNN_OK);
    assert_int_equal(caught, 0);
    lrnn_decoder_destroy(decoder);
}

static void decoding_and_scoring_never_call_malloc(void **state)
{
    (void)state;
    lrnn_model_options of;
    lrnn_model *model;
    lrnn_model_options_init(&of, sizeof of);
    of.vocab_size = V;
    of.hidden_size = 16;
    assert_int_equal(lrnn_model_create(&model, &of), LRNN_OK);
    for (int32_t method = 0; method <= LRNN_METHOD_SAMPLED_BEAM; method++) {
        for (int filters = 0; filters < 2; filters++) {
            lrnn_decoder_options options;
            fill(&options, method, filters == 1);
            run_trapped(model, &options);
        }
    }
    lrnn_model_destroy(model);
}

static void the_trap_catches_malloc(void **state)
{
    (void)state;
    if (!MALLOC_TRAPPED) {
        skip();
    }
    malloc_trap_arm();
    void *volatile block = malloc(10);
    size_t caught = malloc_trap_disarm();
    free(block);
    assert_int_equal(caught, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_trap_catches_malloc),
        cmocka_unit_test(decoding_and_scoring_never_call_malloc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
