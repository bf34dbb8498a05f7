/* CTC on windows so long that what each thread works in is larger than all else that a trainer has:
 * where two of them would overlap, or reach into something else, the result tells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../support/expect.h"
#include "lrnn.h"

enum { B = 4, T = 160, S = 60, O = 3, STEPS = 3 };

static lrnn_model *trained(size_t threads, double *loss)
{
    static float features[B * T];
    static int32_t labels[B * S], lengths[B];
    lrnn_model_options m;
    lrnn_trainer_options o;
    lrnn_sequences window;
    lrnn_train_result result;
    lrnn_model *model, *after;
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    EXPECT_OK(lrnn_model_options_init(&m, sizeof m));
    EXPECT_OK(lrnn_trainer_options_init(&o, sizeof o));
    EXPECT_OK(lrnn_sequences_init(&window, sizeof window));
    EXPECT_OK(lrnn_train_result_init(&result, sizeof result));
    m.feature_size = m.hidden_size = 1;
    m.output_size = O;
    o.batch = B;
    o.steps = T;
    o.target_steps = S;
    o.loss = LRNN_LOSS_CTC;
    o.threads = threads;
    for (int i = 0; i < B * T; i++) {
        features[i] = (float)(i * 7 % 11) / 4 - 1;
    }
    for (int i = 0; i < B * S; i++) {
        labels[i] = 1 + i * 5 % 7 % 2;
    }
    for (int i = 0; i < B; i++) {
        lengths[i] = S - i;
    }
    window.batch = B;
    window.steps = T;
    window.features = features;
    window.targets = labels;
    window.target_steps = S;
    window.target_lengths = lengths;
    EXPECT_OK(lrnn_model_create(&model, &m));
    EXPECT_OK(lrnn_trainer_create(&trainer, model, &o));
    EXPECT_OK(lrnn_optimizer_create(&optimizer, lrnn_model_parameter_count(model), NULL));
    *loss = 0;
    for (int i = 0; i < STEPS; i++) {
        EXPECT_OK(lrnn_trainer_step(trainer, optimizer, &window, &result));
        *loss += result.loss_sum;
    }
    EXPECT_OK(lrnn_trainer_snapshot(&after, trainer));
    lrnn_optimizer_destroy(optimizer);
    lrnn_trainer_destroy(trainer);
    lrnn_model_destroy(model);
    return after;
}

static void long_rows_have_room_of_their_own_in_each_thread(void **state)
{
    (void)state;
    double one, many;
    lrnn_model *a = trained(1, &one);
    for (size_t threads = 2; threads <= 4; threads++) {
        lrnn_model *b = trained(threads, &many);
        assert_memory_equal(&one, &many, sizeof one);
        expect_same_parameters(a, b);
        lrnn_model_destroy(b);
    }
    assert_true(one > 0);
    lrnn_model_destroy(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_rows_have_room_of_their_own_in_each_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
