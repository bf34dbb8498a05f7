/* Models with very many inputs or outputs and hardly any units, whose matrices are kept without
 * padding, compute what the equations say. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/expect.h"

/* So many that panels of eight columns, the narrowest, are worth avoiding too. */
enum { MANY = 300000, BATCH = 3, STEPS = 4 };

static float *copy(const lrnn_model *model, const char *name, size_t count)
{
    float *values = malloc(count * sizeof *values);
    assert_non_null(values);
    EXPECT_OK(lrnn_model_copy_parameter(values, count, model, name));
    return values;
}

static float noise(size_t i)
{
    return (float)((i * 2654435761u >> 7) % 1000) / 500 - 1;
}

/* What BATCH streams give in STEPS steps: at once, and step by step, to the same bits. */
static void run(float *outputs, const lrnn_model *model, const int32_t *tokens,
                const float *features, size_t F)
{
    size_t O = lrnn_model_output_size(model);
    lrnn_state_options options;
    lrnn_sequences sequences;
    lrnn_state *state;
    EXPECT_OK(lrnn_state_options_init(&options, sizeof options));
    options.batch = BATCH;
    options.steps = STEPS;
    EXPECT_OK(lrnn_state_create(&state, model, &options));
    EXPECT_OK(lrnn_sequences_init(&sequences, sizeof sequences));
    sequences.batch = BATCH;
    sequences.steps = STEPS;
    sequences.tokens = tokens;
    sequences.features = features;
    EXPECT_OK(lrnn_state_forward(state, &sequences, outputs));
    EXPECT_OK(lrnn_state_reset(state));
    float *step = malloc(BATCH * O * sizeof *step), *x = malloc((BATCH * F + 1) * sizeof *x);
    assert_true(step != NULL && x != NULL);
    for (size_t t = 0; t < STEPS; t++) {
        int32_t ids[BATCH] = {0};
        for (size_t b = 0; b < BATCH; b++) {
            ids[b] = tokens == NULL ? 0 : tokens[b * STEPS + t];
            memcpy(x + b * F, features == NULL ? x : features + (b * STEPS + t) * F,
                   features == NULL ? 0 : F * sizeof *x);
        }
        EXPECT_OK(
            lrnn_state_step(state, tokens == NULL ? NULL : ids, features == NULL ? NULL : x, step));
        for (size_t b = 0; b < BATCH; b++) {
            assert_memory_equal(step + b * O, outputs + (b * STEPS + t) * O, O * sizeof *step);
        }
    }
    free(step);
    free(x);
    lrnn_state_destroy(state);
}

static lrnn_model_options base(void)
{
    lrnn_model_options options;
    EXPECT_OK(lrnn_model_options_init(&options, sizeof options));
    options.cell = LRNN_CELL_RNN_TANH;
    options.hidden_size = options.output_size = 1;
    options.embedding_size = 0;
    options.vocab_size = 0;
    return options;
}

/* h = tanh(W x + b + U h) of one unit, and its head, in double. */
static void expect_one_unit(const lrnn_model_options *options, const int32_t *tokens,
                            const float *features)
{
    lrnn_model *model;
    EXPECT_OK(lrnn_model_create(&model, options));
    size_t V = options->vocab_size, F = options->feature_size;
    float *w = copy(model, "rnn.weight_ih_l0", V + F), *u = copy(model, "rnn.weight_hh_l0", 1);
    float *b = copy(model, "rnn.bias_ih_l0", 1), *b2 = copy(model, "rnn.bias_hh_l0", 1);
    float *head = copy(model, "head.weight", 1), *head_bias = copy(model, "head.bias", 1);
    float outputs[BATCH * STEPS];
    run(outputs, model, tokens, features, F);
    for (size_t row = 0; row < BATCH; row++) {
        double h = 0;
        for (size_t t = 0; t < STEPS; t++) {
            size_t at = row * STEPS + t;
            double sum = (double)b[0] + (double)b2[0] + (double)u[0] * h;
            sum += V > 0 ? (double)w[tokens[at]] : 0;
            for (size_t i = 0; i < F; i++) {
                sum += (double)w[V + i] * (double)features[at * F + i];
            }
            h = tanh(sum);
            assert_true(fabs((double)outputs[at] - (double)head[0] * h - (double)head_bias[0]) <
                        2e-3);
        }
    }
    free(w);
    free(u);
    free(b);
    free(b2);
    free(head);
    free(head_bias);
    lrnn_model_destroy(model);
}

static const int32_t some_tokens[BATCH * STEPS] = {0,      MANY - 1, 7,  31,  32, 33,
                                                   299999, 2,        64, 128, 1,  0};

static float *some_features(size_t F)
{
    float *features = malloc(BATCH * STEPS * F * sizeof *features);
    assert_non_null(features);
    for (size_t i = 0; i < BATCH * STEPS * F; i++) {
        features[i] = noise(i) / 100;
    }
    return features;
}

static void many_one_hot_tokens(void **state)
{
    (void)state;
    lrnn_model_options options = base();
    options.vocab_size = MANY;
    expect_one_unit(&options, some_tokens, NULL);
}

static void many_features(void **state)
{
    (void)state;
    lrnn_model_options options = base();
    float *features = some_features(MANY);
    options.feature_size = MANY;
    expect_one_unit(&options, NULL, features);
    free(features);
}

static void many_tokens_beside_features(void **state)
{
    (void)state;
    lrnn_model_options options = base();
    float *features = some_features(9);
    options.vocab_size = MANY;
    options.feature_size = 9;
    expect_one_unit(&options, some_tokens, features);
    free(features);
}

static void many_features_and_no_layers(void **state)
{
    (void)state;
    lrnn_model_options options = base();
    float *features = some_features(MANY), outputs[BATCH * STEPS];
    lrnn_model *model;
    options.feature_size = MANY;
    options.layers = 0;
    EXPECT_OK(lrnn_model_create(&model, &options));
    float *w = copy(model, "head.weight", MANY), *bias = copy(model, "head.bias", 1);
    run(outputs, model, NULL, features, MANY);
    for (size_t at = 0; at < BATCH * STEPS; at++) {
        double sum = (double)bias[0];
        for (size_t i = 0; i < MANY; i++) {
            sum += (double)w[i] * (double)features[at * MANY + i];
        }
        assert_true(fabs((double)outputs[at] - sum) < 2e-3);
    }
    free(features);
    free(w);
    free(bias);
    lrnn_model_destroy(model);
}

/* The table of tokens is made by a product. */
static void many_tokens_of_a_narrow_embedding(void **state)
{
    (void)state;
    lrnn_model_options options = base();
    lrnn_model *model;
    float outputs[BATCH * STEPS];
    options.vocab_size = MANY;
    options.embedding_size = 1;
    options.cell = LRNN_CELL_RNN_RELU;
    EXPECT_OK(lrnn_model_create(&model, &options));
    float *vectors = copy(model, "embedding.weight", MANY);
    float *w = copy(model, "rnn.weight_ih_l0", 1), *u = copy(model, "rnn.weight_hh_l0", 1);
    float *b = copy(model, "rnn.bias_ih_l0", 1), *b2 = copy(model, "rnn.bias_hh_l0", 1);
    float *head = copy(model, "head.weight", 1), *head_bias = copy(model, "head.bias", 1);
    run(outputs, model, some_tokens, NULL, 0);
    for (size_t row = 0; row < BATCH; row++) {
        double h = 0;
        for (size_t t = 0; t < STEPS; t++) {
            size_t at = row * STEPS + t;
            double sum = (double)b[0] + (double)b2[0] + (double)u[0] * h +
                         (double)w[0] * (double)vectors[some_tokens[at]];
            h = sum > 0 ? sum : 0;
            assert_true(fabs((double)outputs[at] - (double)head[0] * h - (double)head_bias[0]) <
                        1e-5);
        }
    }
    free(vectors);
    free(w);
    free(u);
    free(b);
    free(b2);
    free(head);
    free(head_bias);
    lrnn_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_one_hot_tokens),
        cmocka_unit_test(many_features),
        cmocka_unit_test(many_tokens_beside_features),
        cmocka_unit_test(many_features_and_no_layers),
        cmocka_unit_test(many_tokens_of_a_narrow_embedding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
