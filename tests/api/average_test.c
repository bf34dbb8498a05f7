/* The average of a trainer's parameters: what takes it, when it begins, that checkpoints carry it
 * and that neither threads nor a resumed run change a bit of it; and which trainers refuse the
 * regularization of activations. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/expect.h"
#include "../support/scratch.h"
#include "lrnn.h"

enum { B = 3, T = 6, V = 7, MOST = 4096 };

static const int32_t tokens[B * T] = {0, 1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1, 3, 3, 3, 0, 0, 0};
static const int32_t targets[B * T] = {1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1, 0, 3, 3, 0, 0, 0, 3};

typedef struct bench {
    lrnn_model *model;
    lrnn_checkpoint all;
    lrnn_sequences window;
    size_t count;
} bench;

static bench begin(size_t threads)
{
    bench b;
    lrnn_model_options model;
    lrnn_trainer_options trainer;
    EXPECT_OK(lrnn_model_options_init(&model, sizeof model));
    EXPECT_OK(lrnn_trainer_options_init(&trainer, sizeof trainer));
    EXPECT_OK(lrnn_sequences_init(&b.window, sizeof b.window));
    EXPECT_OK(lrnn_checkpoint_init(&b.all, sizeof b.all));
    model.vocab_size = V;
    model.embedding_size = 5;
    model.hidden_size = 6;
    trainer.batch = B;
    trainer.steps = T;
    trainer.threads = threads;
    b.window.batch = B;
    b.window.steps = T;
    b.window.tokens = tokens;
    b.window.targets = targets;
    EXPECT_OK(lrnn_model_create(&b.model, &model));
    EXPECT_OK(lrnn_trainer_create(&b.all.trainer, b.model, &trainer));
    b.count = lrnn_model_parameter_count(b.model);
    assert_true(b.count <= MOST);
    EXPECT_OK(lrnn_optimizer_create(&b.all.optimizer, b.count, NULL));
    EXPECT_OK(lrnn_optimizer_set_learning_rate(b.all.optimizer, 0.1));
    return b;
}

static void end(bench *b)
{
    lrnn_optimizer_destroy(b->all.optimizer);
    lrnn_trainer_destroy(b->all.trainer);
    lrnn_model_destroy(b->model);
}

static void step(bench *b, int steps)
{
    for (int i = 0; i < steps; i++) {
        EXPECT_OK(lrnn_trainer_step(b->all.trainer, b->all.optimizer, &b->window, NULL));
    }
}

static void snapshot(float *values, const bench *b)
{
    lrnn_model *now;
    EXPECT_OK(lrnn_trainer_snapshot(&now, b->all.trainer));
    EXPECT_OK(lrnn_model_copy_parameter(values, MOST, now, NULL));
    lrnn_model_destroy(now);
}

static double evaluate(const bench *b)
{
    lrnn_train_result result;
    EXPECT_OK(lrnn_train_result_init(&result, sizeof result));
    EXPECT_OK(lrnn_trainer_reset_evaluation(b->all.trainer));
    EXPECT_OK(lrnn_trainer_evaluate(b->all.trainer, &b->window, &result));
    return result.loss_sum;
}

static void the_average_is_that_of_the_updates_since(void **state)
{
    (void)state;
    bench b = begin(1), plain = begin(1);
    static float sum[MOST], now[MOST], found[MOST];
    step(&b, 4);
    step(&plain, 4);
    EXPECT_OK(lrnn_trainer_set_average(b.all.trainer, 1));
    snapshot(now, &plain);
    snapshot(found, &b);
    assert_memory_equal(now, found, b.count * sizeof *now); /* none yet */
    memset(sum, 0, sizeof sum);
    for (int n = 1; n <= 5; n++) {
        step(&b, 1);
        step(&plain, 1);
        snapshot(now, &plain);
        snapshot(found, &b);
        assert_int_equal(lrnn_trainer_averaged(b.all.trainer), n);
        for (size_t i = 0; i < b.count; i++) {
            sum[i] += now[i];
            assert_true(fabs((double)found[i] - (double)sum[i] / n) < 1e-5);
        }
    }
    EXPECT_OK(lrnn_trainer_set_average(b.all.trainer, 0));
    snapshot(found, &b); /* training itself was not changed */
    assert_memory_equal(now, found, b.count * sizeof *now);
    assert_int_equal(lrnn_trainer_averaged(b.all.trainer), 0);
    end(&b);
    end(&plain);
}

static void evaluation_runs_with_what_a_snapshot_has(void **state)
{
    (void)state;
    bench b = begin(1), other = begin(2);
    static float values[MOST], outputs[2][B * T * V];
    EXPECT_OK(lrnn_trainer_set_average(b.all.trainer, 1));
    step(&b, 9);
    snapshot(values, &b);
    EXPECT_OK(lrnn_trainer_set_parameter(other.all.trainer, NULL, values, b.count));
    assert_true(evaluate(&b) == evaluate(&other));
    EXPECT_OK(lrnn_trainer_copy_outputs(outputs[0], B * T * V, b.all.trainer));
    EXPECT_OK(lrnn_trainer_copy_outputs(outputs[1], B * T * V, other.all.trainer));
    assert_memory_equal(outputs[0], outputs[1], sizeof outputs[0]);
    double averaged = evaluate(&b);
    EXPECT_OK(lrnn_trainer_set_average(b.all.trainer, 0));
    assert_true(evaluate(&b) != averaged);
    end(&b);
    end(&other);
}

static void a_parameter_that_is_set_begins_the_average_anew(void **state)
{
    (void)state;
    bench b = begin(1);
    static float values[MOST];
    EXPECT_OK(lrnn_trainer_set_average(b.all.trainer, 1));
    step(&b, 3);
    EXPECT_OK(lrnn_trainer_set_parameter(b.all.trainer, NULL, values, b.count));
    assert_int_equal(lrnn_trainer_averaged(b.all.trainer), 0);
    step(&b, 1);
    assert_int_equal(lrnn_trainer_averaged(b.all.trainer), 1);
    end(&b);
}

/* With other threads, too; what is loaded replaces an average that runs. */
static void a_resumed_run_has_the_same_average(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "checkpoint");
    for (int before = 0; before <= 3; before += 3) {
        bench whole = begin(1), half = begin(2), resumed = begin(3);
        static float a[MOST], b[MOST];
        bench *both[] = {&whole, &half};
        for (int i = 0; i < 2; i++) {
            step(both[i], 2);
            EXPECT_OK(lrnn_trainer_set_average(both[i]->all.trainer, 1));
            step(both[i], before);
        }
        EXPECT_OK(lrnn_checkpoint_save(&half.all, path, NULL));
        EXPECT_OK(lrnn_trainer_set_average(resumed.all.trainer, before == 0));
        step(&resumed, 1);
        EXPECT_OK(lrnn_checkpoint_load(&resumed.all, path));
        assert_int_equal(lrnn_trainer_averaged(resumed.all.trainer), before);
        step(&whole, 4);
        step(&resumed, 4);
        snapshot(a, &whole);
        snapshot(b, &resumed);
        assert_memory_equal(a, b, whole.count * sizeof *a);
        EXPECT_OK(lrnn_trainer_set_average(half.all.trainer, 0));
        EXPECT_OK(lrnn_checkpoint_save(&half.all, path, NULL));
        EXPECT_OK(lrnn_checkpoint_load(&resumed.all, path));
        step(&resumed, 1);
        assert_int_equal(lrnn_trainer_averaged(resumed.all.trainer), 0);
        end(&whole);
        end(&half);
        end(&resumed);
    }
    scratch_destroy(&folder);
}

static void an_average_is_on_or_off(void **state)
{
    (void)state;
    bench b = begin(1);
    EXPECT_FAILURE(lrnn_trainer_set_average(b.all.trainer, 2), LRNN_ERR_INVALID, "average");
    EXPECT_FAILURE(lrnn_trainer_set_average(NULL, 1), LRNN_ERR_INVALID, "trainer");
    assert_int_equal(lrnn_trainer_averaged(NULL), 0);
    end(&b);
}

static void regularization_without_layers_or_loss_is_refused(void **state)
{
    (void)state;
    bench b = begin(1);
    lrnn_trainer_options o;
    lrnn_model_options flat;
    lrnn_model *model;
    lrnn_trainer *trainer;
    EXPECT_OK(lrnn_trainer_options_init(&o, sizeof o));
    EXPECT_OK(lrnn_model_options_init(&flat, sizeof flat));
    flat.vocab_size = V;
    flat.layers = 0;
    EXPECT_OK(lrnn_model_create(&model, &flat));
    o.temporal_l2 = 1;
    EXPECT_FAILURE(lrnn_trainer_create(&trainer, model, &o), LRNN_ERR_INVALID, "temporal_l2",
                   "layers");
    o.loss = LRNN_LOSS_NONE;
    EXPECT_FAILURE(lrnn_trainer_create(&trainer, b.model, &o), LRNN_ERR_INVALID, "temporal_l2",
                   "LRNN_LOSS_NONE");
    o.loss = LRNN_LOSS_CROSS_ENTROPY;
    o.activation_l2 = -1;
    EXPECT_FAILURE(lrnn_trainer_create(&trainer, b.model, &o), LRNN_ERR_INVALID, "activation_l2");
    o.activation_l2 = (double)NAN;
    EXPECT_FAILURE(lrnn_trainer_create(&trainer, b.model, &o), LRNN_ERR_INVALID, "activation_l2");
    lrnn_model_destroy(model);
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_average_is_that_of_the_updates_since),
        cmocka_unit_test(evaluation_runs_with_what_a_snapshot_has),
        cmocka_unit_test(a_parameter_that_is_set_begins_the_average_anew),
        cmocka_unit_test(a_resumed_run_has_the_same_average),
        cmocka_unit_test(an_average_is_on_or_off),
        cmocka_unit_test(regularization_without_layers_or_loss_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
