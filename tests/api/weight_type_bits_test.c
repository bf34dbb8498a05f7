/* What a model of bfloat16 matrices computes: the bits of one that has the same numbers as
 * float32. */
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

#include "lrnn.h"
#include "support/malloc_trap.h"
#include "support/weight_types.h"

static size_t output_count(const lrnn_model *model, int32_t head, size_t batch)
{
    bool steps = head == LRNN_HEAD_STEPS || head == LRNN_HEAD_NONE;
    return batch * (steps ? T : 1) * lrnn_model_output_size(model);
}

static lrnn_state *start(const lrnn_model *model, size_t batch, size_t steps)
{
    lrnn_state_options o;
    lrnn_state *made;
    EXPECT_OK(lrnn_state_options_init(&o, sizeof o));
    o.batch = batch;
    o.steps = steps;
    EXPECT_OK(lrnn_state_create(&made, model, &o));
    return made;
}

static float *forward(const lrnn_model *model, const kind *k, size_t batch)
{
    lrnn_sequences s;
    size_t count = output_count(model, k->head, batch);
    float *outputs = malloc(count * sizeof *outputs);
    lrnn_state *running = start(model, batch, k->bidirectional ? T : 3);
    assert_non_null(outputs);
    EXPECT_OK(lrnn_sequences_init(&s, sizeof s));
    s.batch = batch;
    s.steps = T;
    s.tokens = k->vocab > 0 ? tokens : NULL;
    s.features = k->features > 0 ? features : NULL;
    EXPECT_OK(lrnn_state_forward(running, &s, outputs));
    lrnn_state_destroy(running);
    return outputs;
}

/* The last outputs of T steps. */
static float *step(const lrnn_model *model, const kind *k, size_t batch)
{
    size_t count = batch * lrnn_model_output_size(model);
    float *outputs = malloc(count * sizeof *outputs);
    lrnn_state *running = start(model, batch, 1);
    assert_non_null(outputs);
    for (size_t t = 0; t < T; t++) {
        EXPECT_OK(lrnn_state_step(running, k->vocab > 0 ? tokens + t * batch : NULL,
                                  k->features > 0 ? features + t * batch * F : NULL, outputs));
    }
    lrnn_state_destroy(running);
    return outputs;
}

static void results_are_the_bits_of_a_float32_model_with_the_same_numbers(void **state)
{
    (void)state;
    FOR_KINDS(k)
    {
        lrnn_model *half = create(k, LRNN_WEIGHT_BFLOAT16);
        lrnn_model *plain = convert(half, LRNN_WEIGHT_FLOAT32);
        expect_same_values(half, plain);
        for (size_t batch = 1; batch <= B; batch += batch == 1 ? 1 : 7) {
            float *found = forward(half, k, batch), *expected = forward(plain, k, batch);
            if (memcmp(found, expected, output_count(half, k->head, batch) * sizeof *found) != 0) {
                fail_msg("%s, forward, batch %zu", k->name, batch);
            }
            free(found);
            free(expected);
            if (k->bidirectional) {
                continue;
            }
            found = step(half, k, batch);
            expected = step(plain, k, batch);
            if (memcmp(found, expected, batch * lrnn_model_output_size(half) * sizeof *found) !=
                0) {
                fail_msg("%s, step, batch %zu", k->name, batch);
            }
            free(found);
            free(expected);
        }
        lrnn_model_destroy(half);
        lrnn_model_destroy(plain);
    }
}

static void a_state_goes_from_one_to_the_other(void **state)
{
    (void)state;
    lrnn_model *half = create(&kinds[0], LRNN_WEIGHT_BFLOAT16);
    lrnn_model *plain = convert(half, LRNN_WEIGHT_FLOAT32);
    lrnn_state *from = start(half, 1, 1), *to = start(plain, 1, 1);
    float left[64], right[64];
    EXPECT_OK(lrnn_state_step(from, NULL, features, NULL));
    EXPECT_OK(lrnn_state_copy(to, from));
    EXPECT_OK(lrnn_state_step(from, NULL, features + F, left));
    EXPECT_OK(lrnn_state_step(to, NULL, features + F, right));
    assert_memory_equal(left, right, sizeof left);
    lrnn_state_destroy(from);
    lrnn_state_destroy(to);
    lrnn_model_destroy(half);
    lrnn_model_destroy(plain);
}

static lrnn_model *language_model(int32_t cell)
{
    lrnn_model_options o;
    lrnn_model *model;
    EXPECT_OK(lrnn_model_options_init(&o, sizeof o));
    o.vocab_size = 1500;
    o.embedding_size = 24;
    o.hidden_size = 40;
    o.cell = cell;
    o.weight_type = LRNN_WEIGHT_BFLOAT16;
    EXPECT_OK(lrnn_model_create(&model, &o));
    return model;
}

static lrnn_decoder *decoder_of(const lrnn_model *model, size_t width)
{
    lrnn_decoder_options o;
    lrnn_decoder *made;
    EXPECT_OK(lrnn_decoder_options_init(&o, sizeof o));
    o.max_length = 20;
    if (width > 1) {
        o.method = LRNN_METHOD_BEAM;
        o.beam_width = width;
    }
    EXPECT_OK(lrnn_decoder_create(&made, model, &o));
    return made;
}

static lrnn_result decode(lrnn_decoder *decoder)
{
    lrnn_request request;
    lrnn_result result;
    EXPECT_OK(lrnn_request_init(&request, sizeof request));
    EXPECT_OK(lrnn_result_init(&result, sizeof result));
    request.tokens = tokens;
    request.count = 5;
    EXPECT_OK(lrnn_decoder_run(decoder, &request, 1));
    EXPECT_OK(lrnn_decoder_get_result(&result, decoder, 0, 0));
    return result;
}

static void a_decoder_finds_the_same_text_and_score(void **state)
{
    (void)state;
    static const size_t widths[] = {1, 3, 8};
    for (size_t i = 0; i < 2 * sizeof widths / sizeof *widths; i++) {
        lrnn_model *half = language_model(i % 2 == 0 ? LRNN_CELL_LSTM : LRNN_CELL_GRU);
        lrnn_model *plain = convert(half, LRNN_WEIGHT_FLOAT32);
        lrnn_decoder *left = decoder_of(half, widths[i / 2]);
        lrnn_decoder *right = decoder_of(plain, widths[i / 2]);
        lrnn_result found = decode(left), expected = decode(right);
        assert_int_equal(found.count, expected.count);
        assert_memory_equal(found.tokens, expected.tokens, found.count * sizeof *found.tokens);
        assert_true(found.log_probability == expected.log_probability);
        lrnn_decoder_destroy(left);
        lrnn_decoder_destroy(right);
        lrnn_model_destroy(half);
        lrnn_model_destroy(plain);
    }
}

static void steps_and_decoding_allocate_nothing(void **state)
{
    (void)state;
    lrnn_model *half = language_model(LRNN_CELL_LSTM);
    lrnn_state *running = start(half, 4, 1);
    lrnn_decoder *decoder = decoder_of(half, 4);
    float *outputs = malloc(4 * 1500 * sizeof *outputs);
    assert_non_null(outputs);
    malloc_trap_arm();
    lrnn_status status = lrnn_state_step(running, tokens, NULL, outputs);
    decode(decoder);
    size_t caught = malloc_trap_disarm();
    assert_int_equal(status, LRNN_OK);
    assert_int_equal(caught, 0);
    free(outputs);
    lrnn_decoder_destroy(decoder);
    lrnn_state_destroy(running);
    lrnn_model_destroy(half);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_are_the_bits_of_a_float32_model_with_the_same_numbers),
        cmocka_unit_test(a_state_goes_from_one_to_the_other),
        cmocka_unit_test(a_decoder_finds_the_same_text_and_score),
        cmocka_unit_test(steps_and_decoding_allocate_nothing),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
