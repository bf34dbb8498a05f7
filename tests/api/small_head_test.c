/* Small layers with few outputs, as audio and control have them: one stream alone has the bits that
 * it has beside another, step by step and at once. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/expect.h"
#include "lrnn.h"

enum { V = 6, F = 2, T = 21, BLOCK = 8, MOST_OUTPUTS = 5 };

static int32_t tokens[2 * T];
static float features[2 * T * F];

static int fill(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * T; i++) {
        tokens[i] = (i * 5 + i / 7) % V;
    }
    for (int i = 0; i < 2 * T * F; i++) {
        features[i] = (float)sin(i * 0.7);
    }
    return 0;
}

static lrnn_state *start(const lrnn_model *model, size_t batch)
{
    lrnn_state_options options;
    lrnn_state *made;
    EXPECT_OK(lrnn_state_options_init(&options, sizeof options));
    options.batch = batch;
    options.steps = BLOCK;
    EXPECT_OK(lrnn_state_create(&made, model, &options));
    return made;
}

static lrnn_sequences window(const lrnn_model_options *o, size_t batch, const int32_t *lengths)
{
    lrnn_sequences s;
    EXPECT_OK(lrnn_sequences_init(&s, sizeof s));
    s.batch = batch;
    s.steps = T;
    s.tokens = o->vocab_size > 0 ? tokens : NULL;
    s.features = o->feature_size > 0 ? features : NULL;
    s.lengths = lengths;
    return s;
}

/* y [T,O] of the first stream, `length` of whose steps count. */
static void beside_another(const lrnn_model *model, const lrnn_model_options *o, int32_t length,
                           float *y)
{
    float both[2 * T * MOST_OUTPUTS];
    int32_t lengths[2] = {length, T};
    lrnn_state *two = start(model, 2);
    lrnn_sequences s = window(o, 2, lengths);
    EXPECT_OK(lrnn_state_forward(two, &s, both));
    memcpy(y, both, T * o->output_size * sizeof *y);
    lrnn_state_destroy(two);
}

static void at_once(const lrnn_model *model, const lrnn_model_options *o, int32_t length, float *y)
{
    lrnn_state *one = start(model, 1);
    lrnn_sequences s = window(o, 1, &length);
    EXPECT_OK(lrnn_state_forward(one, &s, y));
    lrnn_state_destroy(one);
}

static void step_by_step(const lrnn_model *model, const lrnn_model_options *o, int32_t length,
                         float *y)
{
    lrnn_state *one = start(model, 1);
    memset(y, 0, T * o->output_size * sizeof *y);
    for (int t = 0; t < length; t++) {
        EXPECT_OK(lrnn_state_step(one, o->vocab_size > 0 ? &tokens[t] : NULL,
                                  o->feature_size > 0 ? &features[t * F] : NULL,
                                  y + (size_t)t * o->output_size));
    }
    lrnn_state_destroy(one);
}

static void compare(const lrnn_model_options *o, int32_t length)
{
    float expected[T * MOST_OUTPUTS], whole[T * MOST_OUTPUTS], steps[T * MOST_OUTPUTS];
    lrnn_model *model;
    EXPECT_OK(lrnn_model_create(&model, o));
    beside_another(model, o, length, expected);
    at_once(model, o, length, whole);
    step_by_step(model, o, length, steps);
    size_t bytes = T * o->output_size * sizeof *expected;
    if (memcmp(whole, expected, bytes) != 0 || memcmp(steps, expected, bytes) != 0) {
        fail_msg("cell %d, H %zu, %zu outputs, %zu layers, length %d: %s has other bits",
                 (int)o->cell, o->hidden_size, o->output_size, o->layers, (int)length,
                 memcmp(whole, expected, bytes) != 0 ? "the sequence" : "a step");
    }
    lrnn_model_destroy(model);
}

static lrnn_model_options shape(int32_t cell, size_t hidden, size_t outputs)
{
    lrnn_model_options o;
    EXPECT_OK(lrnn_model_options_init(&o, sizeof o));
    o.cell = cell;
    o.hidden_size = hidden;
    o.vocab_size = 0;
    o.feature_size = F;
    o.output_size = outputs;
    o.seed = hidden;
    return o;
}

static void one_stream_has_the_bits_of_two(void **state)
{
    (void)state;
    const size_t sizes[] = {1, 7, 8, 12, 16, 20, 24, 33, 40, 64, 65};
    for (int32_t cell = LRNN_CELL_RNN_TANH; cell <= LRNN_CELL_GRU; cell++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            for (size_t outputs = 1; outputs <= MOST_OUTPUTS; outputs++) {
                lrnn_model_options o = shape(cell, sizes[i], outputs);
                compare(&o, T);
            }
        }
    }
}

static void so_has_one_that_ends_early_or_reads_tokens_or_is_deep(void **state)
{
    (void)state;
    for (int32_t length = 1; length <= T; length += 5) {
        lrnn_model_options o = shape(LRNN_CELL_LSTM, 20, 2);
        compare(&o, length);
        o.layers = 2;
        o.output_activation = LRNN_ACTIVATION_SIGMOID;
        compare(&o, length);
        o.vocab_size = V;
        o.output_size = 3;
        compare(&o, length);
        o.embedding_size = 3;
        compare(&o, length);
        o.feature_size = 0;
        compare(&o, length);
        o.residual = o.layer_norm = true;
        compare(&o, length);
        o.projection_size = 7;
        o.residual = false;
        compare(&o, length);
    }
}

/* With a head of zeros the outputs are its bias. */
static void the_bias_is_the_models(void **state)
{
    (void)state;
    lrnn_model_options o = shape(LRNN_CELL_GRU, 12, 3);
    enum { MOST = 8, ROOM = 3 * 12 * 12 };
    static float values[MOST][ROOM];
    const float bias[3] = {1.5f, -2, 0.25f};
    float y[T * 3];
    lrnn_tensor tensors[MOST];
    lrnn_model *model, *made;
    EXPECT_OK(lrnn_model_create(&model, &o));
    size_t count = lrnn_model_tensor_count(model);
    assert_true(count <= MOST);
    for (size_t i = 0; i < count; i++) {
        lrnn_parameter p;
        EXPECT_OK(lrnn_parameter_init(&p, sizeof p));
        EXPECT_OK(lrnn_model_get_parameter(&p, model, i));
        EXPECT_OK(lrnn_model_copy_parameter(values[i], ROOM, model, p.name));
        if (strcmp(p.name, "head.weight") == 0) {
            memset(values[i], 0, sizeof values[i]);
        } else if (strcmp(p.name, "head.bias") == 0) {
            memcpy(values[i], bias, sizeof bias);
        }
        EXPECT_OK(lrnn_tensor_init(&tensors[i], sizeof tensors[i]));
        tensors[i].name = p.name;
        tensors[i].values = values[i];
        tensors[i].rank = p.rank;
        memcpy(tensors[i].shape, p.shape, sizeof tensors[i].shape);
    }
    EXPECT_OK(lrnn_model_create_from_tensors(&made, &o, tensors, count));
    step_by_step(made, &o, T, y);
    for (size_t i = 0; i < T * 3; i++) {
        assert_true(y[i] == bias[i % 3]);
    }
    lrnn_model_destroy(made);
    lrnn_model_destroy(model);
}

static void training_has_the_outputs_of_inference(void **state)
{
    (void)state;
    for (size_t outputs = 1; outputs <= MOST_OUTPUTS; outputs++) {
        lrnn_model_options o = shape(LRNN_CELL_LSTM, 19, outputs);
        lrnn_trainer_options options;
        lrnn_trainer *trainer;
        lrnn_model *model;
        float expected[T * MOST_OUTPUTS], found[T * MOST_OUTPUTS];
        int32_t length = T;
        EXPECT_OK(lrnn_model_create(&model, &o));
        EXPECT_OK(lrnn_trainer_options_init(&options, sizeof options));
        options.batch = 1;
        options.steps = T;
        options.loss = LRNN_LOSS_NONE;
        EXPECT_OK(lrnn_trainer_create(&trainer, model, &options));
        lrnn_sequences s = window(&o, 1, &length);
        EXPECT_OK(lrnn_trainer_evaluate(trainer, &s, NULL));
        EXPECT_OK(lrnn_trainer_copy_outputs(found, T * outputs, trainer));
        at_once(model, &o, T, expected);
        for (size_t i = 0; i < T * outputs; i++) {
            assert_true(fabsf(found[i] - expected[i]) < 1e-6f);
        }
        lrnn_trainer_destroy(trainer);
        lrnn_model_destroy(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_stream_has_the_bits_of_two),
        cmocka_unit_test(so_has_one_that_ends_early_or_reads_tokens_or_is_deep),
        cmocka_unit_test(the_bias_is_the_models),
        cmocka_unit_test(training_has_the_outputs_of_inference),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
