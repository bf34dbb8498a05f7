/* The last part of a step, with rules whose update shows the size of a gradient (Adam's does not),
 * and frozen parameters on the way there. */
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
#include "../support/twins.h"
#include "lrnn.h"

static void start(twins *pair)
{
    lrnn_model_options of = twin_model();
    lrnn_trainer_options options = twin_trainer();
    of.dropout = 0;
    twins_start(pair, &of, &options);
}

static void give_sgd(twins *pair)
{
    lrnn_optimizer_options options;
    EXPECT_OK(lrnn_optimizer_options_init(&options, sizeof options));
    options.kind = LRNN_OPTIMIZER_SGD;
    options.learning_rate = 0.25;
    for (int i = 0; i < 2; i++) {
        lrnn_optimizer_destroy(pair->optimizer[i]);
        EXPECT_OK(lrnn_optimizer_create(&pair->optimizer[i],
                                        lrnn_model_parameter_count(pair->model), &options));
    }
}

static void backward(lrnn_trainer *trainer, const lrnn_sequences *window)
{
    EXPECT_OK(lrnn_trainer_zero_gradients(trainer));
    EXPECT_OK(lrnn_trainer_forward(trainer, window, NULL));
    EXPECT_OK(lrnn_trainer_backward(trainer, NULL));
}

static void an_update_by_parts_is_as_large_as_that_of_a_step(void **state)
{
    (void)state;
    twins pair;
    start(&pair);
    give_sgd(&pair);
    lrnn_sequences window = twins_window(&pair);
    EXPECT_OK(lrnn_trainer_step(pair.trainer[0], pair.optimizer[0], &window, NULL));
    backward(pair.trainer[1], &window);
    EXPECT_OK(lrnn_trainer_update(pair.trainer[1], pair.optimizer[1]));
    expect_same_now(&pair);
    twins_finish(&pair);
}

static void an_update_is_the_gradient_times_the_rate(void **state)
{
    (void)state;
    twins pair;
    lrnn_model *after;
    float *gradients;
    start(&pair);
    give_sgd(&pair);
    size_t count = lrnn_model_parameter_count(pair.model);
    float *before = malloc(2 * count * sizeof *before), *now = before + count;
    assert_non_null(before);
    EXPECT_OK(lrnn_model_copy_parameter(before, count, pair.model, NULL));
    EXPECT_OK(lrnn_trainer_get_gradients(&gradients, &count, pair.trainer[0]));
    for (size_t i = 0; i < count; i++) {
        gradients[i] = (float)(i % 5) - 2;
    }
    EXPECT_OK(lrnn_trainer_update(pair.trainer[0], pair.optimizer[0]));
    EXPECT_OK(lrnn_trainer_snapshot(&after, pair.trainer[0]));
    EXPECT_OK(lrnn_model_copy_parameter(now, count, after, NULL));
    for (size_t i = 0; i < count; i++) {
        assert_true(fabsf(before[i] - 0.25f * gradients[i] - now[i]) < 1e-6f);
    }
    free(before);
    lrnn_model_destroy(after);
    twins_finish(&pair);
}

static void backward_leaves_a_frozen_parameter_without_gradient(void **state)
{
    (void)state;
    twins pair;
    lrnn_parameter frozen;
    float *gradients;
    size_t count, others = 0;
    start(&pair);
    lrnn_sequences window = twins_window(&pair);
    EXPECT_OK(lrnn_parameter_init(&frozen, sizeof frozen));
    EXPECT_OK(lrnn_model_find_parameter(&frozen, pair.model, "rnn.weight_hh_l1"));
    EXPECT_OK(lrnn_trainer_set_frozen(pair.trainer[0], frozen.name, 1));
    backward(pair.trainer[0], &window);
    EXPECT_OK(lrnn_trainer_get_gradients(&gradients, &count, pair.trainer[0]));
    for (size_t i = 0; i < count; i++) {
        bool inside = i >= frozen.offset && i < frozen.offset + frozen.count;
        others += !inside && gradients[i] != 0;
        if (inside) {
            assert_true(gradients[i] == 0);
        }
    }
    assert_true(others > 0);
    twins_finish(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_update_by_parts_is_as_large_as_that_of_a_step),
        cmocka_unit_test(an_update_is_the_gradient_times_the_rate),
        cmocka_unit_test(backward_leaves_a_frozen_parameter_without_gradient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
