/* Dropout: where it acts, how often, what it multiplies by, and which numbers decide about it.
 *
 * The network shows its own masks: layers of relu units that add 1 in every step (the first) or
 * hand on what they read (the others), so that unit by unit an output of L layers is the step's
 * number times the factors of L - 1 masks. */
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

enum { H = 48, BATCH = 6, STEPS = 8, COUNT = BATCH * STEPS * H };

static void set(lrnn_trainer *trainer, const char *name, const float *values, size_t count)
{
    EXPECT_OK(lrnn_trainer_set_parameter(trainer, name, values, count));
}

static lrnn_trainer *create(size_t layers, double dropout, uint64_t seed)
{
    static float unit[H * H], zeros[H * H], ones[H];
    lrnn_model_options m;
    lrnn_trainer_options t;
    lrnn_model *model;
    lrnn_trainer *trainer;
    EXPECT_OK(lrnn_model_options_init(&m, sizeof m));
    m.vocab_size = 0;
    m.feature_size = H;
    m.hidden_size = H;
    m.layers = layers;
    m.cell = LRNN_CELL_RNN_RELU;
    m.head = LRNN_HEAD_NONE;
    m.dropout = dropout;
    EXPECT_OK(lrnn_model_create(&model, &m));
    EXPECT_OK(lrnn_trainer_options_init(&t, sizeof t));
    t.batch = BATCH;
    t.steps = STEPS;
    t.loss = LRNN_LOSS_NONE;
    t.carry_state = 0;
    t.seed = seed;
    EXPECT_OK(lrnn_trainer_create(&trainer, model, &t));
    lrnn_model_destroy(model);
    for (size_t i = 0; i < H; i++) {
        unit[i * H + i] = ones[i] = 1;
    }
    for (size_t layer = 0; layer < layers; layer++) {
        char name[64];
        snprintf(name, sizeof name, "rnn.weight_ih_l%zu", layer);
        set(trainer, name, layer == 0 ? zeros : unit, H * H);
        snprintf(name, sizeof name, "rnn.weight_hh_l%zu", layer);
        set(trainer, name, layer == 0 ? unit : zeros, H * H);
        snprintf(name, sizeof name, "rnn.bias_ih_l%zu", layer);
        set(trainer, name, layer == 0 ? ones : zeros, H);
        snprintf(name, sizeof name, "rnn.bias_hh_l%zu", layer);
        set(trainer, name, zeros, H);
    }
    return trainer;
}

static lrnn_sequences window(void)
{
    static const float zeros[COUNT];
    lrnn_sequences s;
    EXPECT_OK(lrnn_sequences_init(&s, sizeof s));
    s.batch = BATCH;
    s.steps = STEPS;
    s.features = zeros;
    return s;
}

/* The factors [B,T,H] of the next window. The state does not go on from window to window. */
static void next_factors(float *factors, lrnn_trainer *trainer)
{
    lrnn_sequences s = window();
    EXPECT_OK(lrnn_trainer_reset_state(trainer));
    EXPECT_OK(lrnn_trainer_forward(trainer, &s, NULL));
    EXPECT_OK(lrnn_trainer_copy_outputs(factors, COUNT, trainer));
    for (size_t i = 0; i < COUNT; i++) {
        factors[i] /= (float)(i / H % STEPS + 1);
    }
}

/* Every factor is 0 or `factor`, and `share` of them are not 0. */
static void expect_factors(size_t layers, double dropout, double factor, double share)
{
    static float factors[COUNT];
    size_t kept = 0, windows = 4;
    lrnn_trainer *trainer = create(layers, dropout, 1);
    for (size_t window = 0; window < windows; window++) {
        next_factors(factors, trainer);
        for (size_t i = 0; i < COUNT; i++) {
            assert_true(factors[i] == 0 || fabs((double)factors[i] - factor) < 1e-5 * factor);
            kept += factors[i] != 0;
        }
    }
    double n = (double)(COUNT * windows), deviation = sqrt(n * share * (1 - share));
    assert_true(fabs((double)kept - n * share) < 5 * deviation + 1);
    lrnn_trainer_destroy(trainer);
}

static void what_is_kept_is_divided_by_its_share(void **state)
{
    (void)state;
    expect_factors(2, 0.25, 1 / 0.75, 0.75);
    expect_factors(2, 0.5, 2, 0.5);
    expect_factors(2, 0.9, 10, 0.1);
}

static void every_layer_but_the_last_has_a_mask_of_its_own(void **state)
{
    (void)state;
    expect_factors(1, 0.5, 1, 1);
    expect_factors(3, 0.5, 4, 0.25);
    expect_factors(4, 0.25, 1 / (0.75 * 0.75 * 0.75), 0.75 * 0.75 * 0.75);
}

static void an_evaluation_drops_nothing(void **state)
{
    (void)state;
    static float outputs[COUNT];
    lrnn_trainer *trainer = create(3, 0.5, 1);
    lrnn_sequences s = window();
    EXPECT_OK(lrnn_trainer_evaluate(trainer, &s, NULL));
    EXPECT_OK(lrnn_trainer_copy_outputs(outputs, COUNT, trainer));
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(outputs[i] == (float)(i / H % STEPS + 1));
    }
    lrnn_trainer_destroy(trainer);
}

/* Share of places that are kept in both or dropped in both, of masks of one half. */
static double agreement(const float *a, const float *b, size_t count)
{
    size_t same = 0;
    for (size_t i = 0; i < count; i++) {
        same += (a[i] != 0) == (b[i] != 0);
    }
    return (double)same / (double)count;
}

static void windows_seeds_steps_and_streams_have_masks_of_their_own(void **state)
{
    (void)state;
    static float first[COUNT], again[COUNT], second[COUNT], other[COUNT];
    lrnn_trainer *a = create(2, 0.5, 1), *b = create(2, 0.5, 1), *c = create(2, 0.5, 2);
    next_factors(first, a);
    next_factors(second, a);
    next_factors(again, b);
    next_factors(other, c);
    assert_memory_equal(again, first, sizeof first);
    const double far = 5 * 0.5 / sqrt(COUNT); /* five standard deviations */
    assert_true(fabs(agreement(first, second, COUNT) - 0.5) < far);
    assert_true(fabs(agreement(first, other, COUNT) - 0.5) < far);
    const size_t stream = STEPS * H;
    assert_true(fabs(agreement(first, first + stream, COUNT - stream) - 0.5) < 2 * far);
    assert_true(fabs(agreement(first, first + H, COUNT - H) - 0.5) < 2 * far);
    assert_true(fabs(agreement(first, first + 1, COUNT - 1) - 0.5) < 2 * far);
    lrnn_trainer_destroy(a);
    lrnn_trainer_destroy(b);
    lrnn_trainer_destroy(c);
}

/* With outputs y = 4 m1 m2 x and a gradient of 1 at each, the bias of the first layer gets what the
 * masks let through, times the steps that its unit still reaches: step t adds to y of t and later.
 */
static void the_gradient_goes_through_the_same_masks(void **state)
{
    (void)state;
    static float factors[COUNT], ones[COUNT];
    lrnn_trainer *trainer = create(3, 0.5, 7);
    lrnn_backward backward;
    float *gradients;
    lrnn_model *model;
    lrnn_parameter bias;
    for (size_t i = 0; i < COUNT; i++) {
        ones[i] = 1;
    }
    next_factors(factors, trainer);
    EXPECT_OK(lrnn_backward_init(&backward, sizeof backward));
    backward.loss_scale = 0;
    backward.outputs = ones;
    EXPECT_OK(lrnn_trainer_backward(trainer, &backward));
    EXPECT_OK(lrnn_trainer_get_gradients(&gradients, NULL, trainer));
    EXPECT_OK(lrnn_parameter_init(&bias, sizeof bias));
    EXPECT_OK(lrnn_trainer_snapshot(&model, trainer));
    EXPECT_OK(lrnn_model_find_parameter(&bias, model, "rnn.bias_ih_l0"));
    lrnn_model_destroy(model);
    for (size_t u = 0; u < H; u++) {
        double expected = 0;
        for (size_t row = 0; row < BATCH * STEPS; row++) {
            expected += (double)factors[row * H + u] * (double)(row % STEPS + 1);
        }
        assert_true(fabs((double)gradients[bias.offset + u] - expected) < 1e-3);
    }
    lrnn_trainer_destroy(trainer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_is_divided_by_its_share),
        cmocka_unit_test(every_layer_but_the_last_has_a_mask_of_its_own),
        cmocka_unit_test(an_evaluation_drops_nothing),
        cmocka_unit_test(windows_seeds_steps_and_streams_have_masks_of_their_own),
        cmocka_unit_test(the_gradient_goes_through_the_same_masks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
