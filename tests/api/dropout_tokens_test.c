/* Embedding dropout: each token is dropped or kept by itself, everywhere in a window. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../support/expect.h"
#include "lrnn.h"

enum { V = 32, T = 2 * V, WINDOWS = 8 };

/* Softmax regression: the output of a token that is dropped is the head's bias. */
static void tokens_are_dropped_one_by_one(void **state)
{
    (void)state;
    static int32_t tokens[T];
    static float outputs[T * 2], bias[2];
    lrnn_model_options m;
    lrnn_trainer_options o;
    lrnn_sequences window;
    lrnn_model *model;
    lrnn_trainer *trainer;
    size_t dropped = 0;
    EXPECT_OK(lrnn_model_options_init(&m, sizeof m));
    EXPECT_OK(lrnn_trainer_options_init(&o, sizeof o));
    EXPECT_OK(lrnn_sequences_init(&window, sizeof window));
    m.vocab_size = V;
    m.embedding_size = 3;
    m.layers = 0;
    m.output_size = 2;
    m.embedding_dropout = 0.5;
    o.batch = 1;
    o.steps = T;
    o.loss = LRNN_LOSS_NONE;
    for (int32_t t = 0; t < T; t++) {
        tokens[t] = t * 5 % V; /* each twice */
    }
    window.batch = 1;
    window.steps = T;
    window.tokens = tokens;
    EXPECT_OK(lrnn_model_create(&model, &m));
    EXPECT_OK(lrnn_model_copy_parameter(bias, 2, model, "head.bias"));
    EXPECT_OK(lrnn_trainer_create(&trainer, model, &o));
    for (int i = 0; i < WINDOWS; i++) {
        size_t here = 0;
        EXPECT_OK(lrnn_trainer_forward(trainer, &window, NULL));
        EXPECT_OK(lrnn_trainer_copy_outputs(outputs, T * 2, trainer));
        for (size_t t = 0; t < V; t++) {
            bool first = memcmp(outputs + 2 * t, bias, sizeof bias) == 0;
            bool second = memcmp(outputs + 2 * (t + V), bias, sizeof bias) == 0;
            assert_true(first == second);
            here += first;
        }
        assert_in_range(here, 1, V - 1); /* neither all nor none, but for 2^-31 */
        dropped += here;
    }
    assert_in_range(dropped, WINDOWS * V * 3 / 8, WINDOWS * V * 5 / 8);
    lrnn_trainer_destroy(trainer);
    lrnn_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_dropped_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
