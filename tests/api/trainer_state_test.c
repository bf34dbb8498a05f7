/* What a trainer's window gives, and the state that goes from one to the next. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/expect.h"
#include "../support/twins.h"
#include "lrnn.h"

enum { V = TWIN_V, H = TWIN_H, L = TWIN_L, B = TWIN_B, T = TWIN_T };

static void expect_near(double found, double expected, double tolerance)
{
    if (!(fabs(found - expected) <= tolerance * (1 + fabs(expected)))) {
        print_error("expected %.9g, found %.9g\n", expected, found);
        fail();
    }
}

/* ---- what a step gives ---- */

static void a_loss_is_a_sum_and_a_weight_over_the_items_that_count(void **state)
{
    (void)state;
    twins pair;
    lrnn_model_options of = twin_model();
    of.dropout = 0;
    lrnn_trainer_options options = twin_trainer();
    options.carry_state = 0;
    twins_start(&pair, &of, &options);
    float outputs[B * T * V];
    lrnn_sequences s = twins_window(&pair);
    s.lengths = pair.lengths;
    s.weights = pair.weights;
    pair.targets[1] = -5;
    lrnn_train_result result = twin_result();
    EXPECT_OK(lrnn_trainer_evaluate(pair.trainer[0], &s, &result));
    EXPECT_OK(lrnn_trainer_copy_outputs(outputs, B * T * V, pair.trainer[0]));
    double sum = 0, weight = 0;
    for (size_t i = 0; i < B * T; i++) {
        if ((int32_t)(i % T) < pair.lengths[i / T] && pair.targets[i] >= 0) {
            double all = 0;
            for (size_t v = 0; v < V; v++) {
                all += exp((double)outputs[i * V + v]);
            }
            double loss = log(all) - (double)outputs[i * V + (size_t)pair.targets[i]];
            sum += (double)pair.weights[i] * loss;
            weight += (double)pair.weights[i];
        }
    }
    expect_near(result.loss_weight, weight, 1e-12);
    expect_near(result.loss_sum, sum, 1e-5);
    assert_true(result.gradient_norm == 0 && result.learning_rate == 0);
    EXPECT_OK(lrnn_trainer_step(pair.trainer[0], pair.optimizer[0], &s, &result));
    expect_near(result.loss_sum, sum, 1e-5);
    assert_true(result.gradient_norm > 0 && result.learning_rate == 0.01);
    twins_finish(&pair);
}

/* The gradient of one window for a reduction. */
static double gradient(float *to, int32_t reduction, double *weight)
{
    twins pair;
    lrnn_model_options of = twin_model();
    of.dropout = 0;
    lrnn_trainer_options options = twin_trainer();
    options.reduction = reduction;
    twins_start(&pair, &of, &options);
    lrnn_sequences s = twins_window(&pair);
    s.weights = pair.weights;
    lrnn_train_result result = twin_result();
    EXPECT_OK(lrnn_trainer_step(pair.trainer[0], pair.optimizer[0], &s, &result));
    float *gradients;
    size_t count;
    EXPECT_OK(lrnn_trainer_get_gradients(&gradients, &count, pair.trainer[0]));
    assert_true(count < 4096);
    memcpy(to, gradients, count * sizeof *to);
    *weight = result.loss_weight;
    twins_finish(&pair);
    return result.gradient_norm;
}

static void a_mean_is_the_sum_divided_by_the_weight(void **state)
{
    (void)state;
    static float sum[4096], mean[4096];
    double weight, other;
    double sum_norm = gradient(sum, LRNN_REDUCTION_SUM, &weight);
    double mean_norm = gradient(mean, LRNN_REDUCTION_MEAN, &other);
    assert_true(weight == other && weight > 2);
    expect_near(sum_norm, mean_norm * weight, 1e-5);
    for (size_t i = 0; i < 4096; i++) {
        expect_near((double)sum[i], (double)mean[i] * weight, 1e-5);
    }
}

/* How far plain descent at rate 1 goes in one step: norm and largest part. */
static void stride(const lrnn_trainer_options *options, double *norm, double *largest,
                   double *reported)
{
    twins pair;
    lrnn_model_options of = twin_model();
    lrnn_optimizer_options plain;
    EXPECT_OK(lrnn_optimizer_options_init(&plain, sizeof plain));
    plain.kind = LRNN_OPTIMIZER_SGD;
    plain.learning_rate = 1;
    twins_start(&pair, &of, options);
    lrnn_optimizer_destroy(pair.optimizer[0]);
    EXPECT_OK(
        lrnn_optimizer_create(&pair.optimizer[0], lrnn_model_parameter_count(pair.model), &plain));
    *reported = twin_step(&pair, 0).gradient_norm;
    lrnn_model *after;
    EXPECT_OK(lrnn_trainer_snapshot(&after, pair.trainer[0]));
    size_t count;
    float *x = parameters_of(pair.model, &count), *y = parameters_of(after, &count);
    double sum = 0;
    *largest = 0;
    for (size_t i = 0; i < count; i++) {
        double moved = fabs((double)x[i] - (double)y[i]);
        sum += moved * moved;
        *largest = moved > *largest ? moved : *largest;
    }
    *norm = sqrt(sum);
    free(x);
    free(y);
    lrnn_model_destroy(after);
    twins_finish(&pair);
}

static void a_step_clips_as_its_options_say(void **state)
{
    (void)state;
    lrnn_trainer_options options = twin_trainer();
    double norm, largest, reported, free_norm, free_largest;
    stride(&options, &free_norm, &free_largest, &reported);
    expect_near(free_norm, reported, 1e-5);
    options.clip_norm = free_norm / 4;
    stride(&options, &norm, &largest, &reported);
    expect_near(norm, free_norm / 4, 1e-5);
    expect_near(reported, free_norm, 1e-6); /* before clipping */
    options.clip_norm = 0;
    options.clip_value = free_largest / 4;
    stride(&options, &norm, &largest, &reported);
    expect_near(largest, free_largest / 4, 1e-6);
    assert_true(reported < free_norm); /* behind clipping by value */
    expect_near(norm, reported, 1e-5);
}

/* ---- evaluation and carried state ---- */

static void an_evaluation_leaves_training_alone(void **state)
{
    (void)state;
    for (int32_t carry = 0; carry <= 1; carry++) {
        twins pair;
        lrnn_model_options of = twin_model();
        lrnn_trainer_options options = twin_trainer();
        options.carry_state = carry;
        twins_start(&pair, &of, &options);
        twin_step(&pair, 0);
        twin_step(&pair, 1);
        lrnn_train_result first = twin_result(), second = first, again = first;
        lrnn_sequences s = twins_window(&pair);
        EXPECT_OK(lrnn_trainer_evaluate(pair.trainer[0], &s, &first));
        EXPECT_OK(lrnn_trainer_evaluate(pair.trainer[0], &s, &second));
        EXPECT_OK(lrnn_trainer_reset_evaluation(pair.trainer[0]));
        EXPECT_OK(lrnn_trainer_evaluate(pair.trainer[0], &s, &again));
        assert_memory_equal(&first, &again, sizeof first);
        assert_int_equal(first.loss_sum == second.loss_sum, !carry);
        expect_twins(&pair);
        twins_finish(&pair);
    }
}

static void an_evaluation_gives_what_a_state_gives(void **state)
{
    (void)state;
    twins pair;
    lrnn_model_options of = twin_model();
    lrnn_trainer_options options = twin_trainer();
    twins_start(&pair, &of, &options);
    lrnn_state_options so;
    lrnn_state *running;
    EXPECT_OK(lrnn_state_options_init(&so, sizeof so));
    so.batch = B;
    EXPECT_OK(lrnn_state_create(&running, pair.model, &so));
    lrnn_sequences s = twins_window(&pair);
    s.lengths = pair.lengths;
    for (int window = 0; window < 2; window++) {
        float x[B * T * V], y[B * T * V];
        EXPECT_OK(lrnn_trainer_evaluate(pair.trainer[0], &s, NULL));
        EXPECT_OK(lrnn_trainer_copy_outputs(x, B * T * V, pair.trainer[0]));
        EXPECT_OK(lrnn_state_forward(running, &s, y));
        for (size_t i = 0; i < B * T * V; i++) {
            expect_near((double)x[i], (double)y[i], 1e-6);
        }
    }
    lrnn_state_destroy(running);
    twins_finish(&pair);
}

enum { STATE = L * B * H };

static void the_state_is_carried_from_window_to_window(void **state)
{
    (void)state;
    twins pair;
    lrnn_model_options of = twin_model();
    of.dropout = 0;
    lrnn_trainer_options options = twin_trainer();
    twins_start(&pair, &of, &options);
    float h[STATE], c[STATE], other_h[STATE], other_c[STATE];
    lrnn_sequences s = twins_window(&pair);
    lrnn_train_result first = twin_result(), carried = first, imported = first;
    EXPECT_OK(lrnn_trainer_forward(pair.trainer[0], &s, &first));
    EXPECT_OK(lrnn_trainer_export_state(h, c, pair.trainer[0]));
    EXPECT_OK(lrnn_trainer_forward(pair.trainer[0], &s, &carried));
    assert_true(carried.loss_sum != first.loss_sum);
    EXPECT_OK(lrnn_trainer_import_state(pair.trainer[1], h, c, B));
    EXPECT_OK(lrnn_trainer_export_state(other_h, other_c, pair.trainer[1]));
    assert_memory_equal(h, other_h, sizeof h);
    assert_memory_equal(c, other_c, sizeof c);
    EXPECT_OK(lrnn_trainer_forward(pair.trainer[1], &s, &imported));
    assert_memory_equal(&imported, &carried, sizeof imported);
    EXPECT_OK(lrnn_trainer_reset_state(pair.trainer[1]));
    EXPECT_OK(lrnn_trainer_forward(pair.trainer[1], &s, &imported));
    assert_memory_equal(&imported, &first, sizeof first);
    EXPECT_OK(lrnn_trainer_import_state(pair.trainer[1], h, NULL, B)); /* left out: zero */
    EXPECT_OK(lrnn_trainer_export_state(NULL, c, pair.trainer[1]));
    for (size_t i = 0; i < STATE; i++) {
        assert_true(c[i] == 0);
    }
    twins_finish(&pair);
}

static void without_carrying_each_window_starts_at_zero_or_at_what_was_imported(void **state)
{
    (void)state;
    twins pair;
    lrnn_model_options of = twin_model();
    of.dropout = 0;
    lrnn_trainer_options options = twin_trainer();
    options.carry_state = 0;
    twins_start(&pair, &of, &options);
    float h[STATE];
    for (size_t i = 0; i < STATE; i++) {
        h[i] = (float)sin((double)i);
    }
    lrnn_sequences s = twins_window(&pair);
    lrnn_train_result first = twin_result(), next = first;
    EXPECT_OK(lrnn_trainer_forward(pair.trainer[0], &s, &first));
    EXPECT_OK(lrnn_trainer_forward(pair.trainer[0], &s, &next));
    assert_memory_equal(&first, &next, sizeof first);
    EXPECT_OK(lrnn_trainer_import_state(pair.trainer[0], h, NULL, B));
    EXPECT_OK(lrnn_trainer_forward(pair.trainer[0], &s, &next));
    assert_true(next.loss_sum != first.loss_sum);
    EXPECT_OK(lrnn_trainer_forward(pair.trainer[0], &s, &next));
    assert_memory_equal(&first, &next, sizeof first);
    twins_finish(&pair);
}

/* Zeros for so many rows, and nothing after them. */
static void expect_zero_rows(const lrnn_trainer *trainer, size_t rows)
{
    float h[STATE + 1], c[STATE + 1];
    memset(h, 0x5a, sizeof h);
    memset(c, 0x5a, sizeof c);
    float untouched = h[STATE];
    EXPECT_OK(lrnn_trainer_export_state(h, c, trainer));
    for (size_t i = 0; i <= STATE; i++) {
        assert_true(h[i] == (i < rows * L * H ? 0 : untouched));
        assert_true(c[i] == (i < rows * L * H ? 0 : untouched));
    }
}

static void a_state_that_is_not_carried_has_the_rows_of_the_last_window(void **state)
{
    (void)state;
    for (int32_t carry = 0; carry <= 1; carry++) {
        twins pair;
        lrnn_model_options of = twin_model();
        lrnn_trainer_options options = twin_trainer();
        options.carry_state = carry;
        twins_start(&pair, &of, &options);
        expect_zero_rows(pair.trainer[0], B);
        lrnn_sequences s = twins_window(&pair);
        s.batch = 1;
        EXPECT_OK(lrnn_trainer_step(pair.trainer[0], pair.optimizer[0], &s, NULL));
        EXPECT_OK(lrnn_trainer_reset_state(pair.trainer[0]));
        expect_zero_rows(pair.trainer[0], 1);
        twins_finish(&pair);
    }
}

static void the_state_in_which_a_window_ended_can_be_exported_though_it_is_not_carried(void **state)
{
    (void)state;
    for (size_t recompute = 0; recompute <= 2; recompute += 2) {
        float h[2][STATE], c[2][STATE], again[STATE];
        for (int32_t carry = 0; carry <= 1; carry++) {
            twins pair;
            lrnn_model_options of = twin_model();
            lrnn_trainer_options options = twin_trainer();
            options.carry_state = carry;
            options.recompute_steps = recompute;
            twins_start(&pair, &of, &options);
            lrnn_sequences s = twins_window(&pair);
            s.lengths = pair.lengths;
            EXPECT_OK(lrnn_trainer_forward(pair.trainer[0], &s, NULL));
            EXPECT_OK(lrnn_trainer_export_state(h[carry], c[carry], pair.trainer[0]));
            EXPECT_OK(lrnn_trainer_backward(pair.trainer[0], NULL));
            EXPECT_OK(lrnn_trainer_evaluate(pair.trainer[0], &s, NULL));
            EXPECT_OK(lrnn_trainer_export_state(again, NULL, pair.trainer[0]));
            assert_memory_equal(again, h[carry], sizeof again);
            EXPECT_OK(lrnn_trainer_step(pair.trainer[1], pair.optimizer[1], &s, NULL));
            EXPECT_OK(lrnn_trainer_export_state(again, NULL, pair.trainer[1]));
            assert_memory_equal(again, h[carry], sizeof again);
            twins_finish(&pair);
        }
        assert_memory_equal(h[0], h[1], sizeof h[0]);
        assert_memory_equal(c[0], c[1], sizeof c[0]);
        assert_true(h[0][0] != 0 && c[0][STATE - 1] != 0);
    }
}

static void a_state_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    float h[STATE] = {0}, c[STATE] = {0};
    for (int32_t cell = LRNN_CELL_LSTM; cell <= LRNN_CELL_GRU; cell++) {
        twins pair;
        lrnn_model_options of = twin_model();
        of.cell = cell;
        lrnn_trainer_options options = twin_trainer();
        twins_start(&pair, &of, &options);
        twin_step(&pair, 0);
        twin_step(&pair, 1);
        lrnn_trainer *trainer = pair.trainer[0];
        EXPECT_FAILURE(lrnn_trainer_import_state(trainer, h, NULL, 0), LRNN_ERR_INVALID, "batch",
                       "expected 1..3", "found 0");
        EXPECT_FAILURE(lrnn_trainer_import_state(trainer, h, NULL, 4), LRNN_ERR_INVALID, "batch",
                       "expected 1..3", "found 4");
        EXPECT_FAILURE(lrnn_trainer_import_state(trainer, NULL, NULL, B), LRNN_ERR_INVALID,
                       "h and c", "NULL");
        EXPECT_FAILURE(lrnn_trainer_export_state(NULL, NULL, trainer), LRNN_ERR_INVALID, "h and c",
                       "NULL");
        EXPECT_FAILURE(lrnn_trainer_import_state(NULL, h, NULL, B), LRNN_ERR_INVALID,
                       "trainer is NULL");
        EXPECT_FAILURE(lrnn_trainer_export_state(h, NULL, NULL), LRNN_ERR_INVALID,
                       "trainer is NULL");
        if (cell == LRNN_CELL_GRU) {
            EXPECT_FAILURE(lrnn_trainer_import_state(trainer, h, c, B), LRNN_ERR_INVALID,
                           "c: given", "LSTM");
            EXPECT_FAILURE(lrnn_trainer_export_state(h, c, trainer), LRNN_ERR_INVALID, "c: given",
                           "LSTM");
        }
        expect_twins(&pair);
        twins_finish(&pair);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loss_is_a_sum_and_a_weight_over_the_items_that_count),
        cmocka_unit_test(a_mean_is_the_sum_divided_by_the_weight),
        cmocka_unit_test(a_step_clips_as_its_options_say),
        cmocka_unit_test(an_evaluation_leaves_training_alone),
        cmocka_unit_test(an_evaluation_gives_what_a_state_gives),
        cmocka_unit_test(the_state_is_carried_from_window_to_window),
        cmocka_unit_test(without_carrying_each_window_starts_at_zero_or_at_what_was_imported),
        cmocka_unit_test(a_state_that_is_not_carried_has_the_rows_of_the_last_window),
        cmocka_unit_test(
            the_state_in_which_a_window_ended_can_be_exported_though_it_is_not_carried),
        cmocka_unit_test(a_state_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
