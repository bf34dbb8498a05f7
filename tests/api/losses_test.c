/* What every loss keeps: one result for any number of threads, in one step or in its parts; and
 * what a step says besides the loss. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lrnn.h"
#include "support/expect.h"

enum { B = 4, T = 7, F = 3, MANY = 1500, STEPS = 3 };

static float features[B * T * F], values[B * T * MANY], weights[B * T], masks[B * T * MANY];
static float outputs[B * T * MANY], again[B * T * MANY];
static int32_t targets[B * T];
static const int32_t lengths[B] = {7, 2, 5, 6}, label_counts[B] = {2, 1, 0, 2};

static float number(size_t i)
{
    uint32_t x = (uint32_t)i * 2654435761u + 12345u;
    x ^= x >> 15;
    x *= 2246822519u;
    x ^= x >> 13;
    return (float)(x % 2001) / 1000 - 1;
}

static void fill(size_t O)
{
    for (size_t i = 0; i < B * T * F; i++) {
        features[i] = number(i);
    }
    for (size_t i = 0; i < B * T; i++) {
        weights[i] = i % 5 == 2 ? 0 : 1 + number(i + 7000);
        targets[i] = (int32_t)((i * 13) % (O + 1)) - 1;
    }
    for (size_t i = 0; i < B * T * O; i++) {
        values[i] = number(i + 100) / 2 + 0.5f;
        masks[i] = i % 3 == 0 ? 0 : 1 + number(i + 9000);
        values[i] = i % 6 == 0 ? NAN : values[i]; /* masked */
    }
}

typedef struct things {
    lrnn_model *model;
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    lrnn_sequences s;
    lrnn_train_result result;
} things;

static void make_window(lrnn_sequences *s, int32_t loss)
{
    static const int32_t labels[B * 2] = {1, 2, 3, 0, 0, 0, 2, 2};
    EXPECT_OK(lrnn_sequences_init(s, sizeof *s));
    s->batch = B;
    s->steps = T;
    s->features = features;
    s->lengths = lengths;
    s->weights = weights;
    s->target_values = values;
    s->value_weights = masks;
    s->targets = targets;
    if (loss == LRNN_LOSS_CTC) {
        s->targets = labels;
        s->target_steps = 2;
        s->target_lengths = label_counts;
    }
}

static void make(things *t, int32_t loss, size_t O, size_t threads, size_t recompute)
{
    lrnn_model_options m;
    lrnn_trainer_options o;
    EXPECT_OK(lrnn_model_options_init(&m, sizeof m));
    m.feature_size = F;
    m.hidden_size = 6;
    m.output_size = O;
    EXPECT_OK(lrnn_model_create(&t->model, &m));
    EXPECT_OK(lrnn_trainer_options_init(&o, sizeof o));
    o.batch = B;
    o.steps = T;
    o.loss = loss;
    o.threads = threads;
    o.recompute_steps = recompute;
    EXPECT_OK(lrnn_trainer_create(&t->trainer, t->model, &o));
    EXPECT_OK(lrnn_optimizer_create(&t->optimizer, lrnn_model_parameter_count(t->model), NULL));
    EXPECT_OK(lrnn_train_result_init(&t->result, sizeof t->result));
    make_window(&t->s, loss);
}

static void unmake(things *t)
{
    lrnn_optimizer_destroy(t->optimizer);
    lrnn_trainer_destroy(t->trainer);
    lrnn_model_destroy(t->model);
}

/* The model after some steps; parts: forward, backward and update instead of the step. */
static lrnn_model *trained(int32_t loss, size_t O, size_t threads, size_t recompute, int parts,
                           double *sum)
{
    things t;
    lrnn_model *model;
    make(&t, loss, O, threads, recompute);
    for (int i = 0; i < STEPS; i++) {
        if (!parts) {
            EXPECT_OK(lrnn_trainer_step(t.trainer, t.optimizer, &t.s, &t.result));
            continue;
        }
        EXPECT_OK(lrnn_trainer_zero_gradients(t.trainer));
        EXPECT_OK(lrnn_trainer_forward(t.trainer, &t.s, &t.result));
        if (parts == 2) { /* looking changes nothing */
            EXPECT_OK(lrnn_trainer_copy_outputs(outputs, B * T * O, t.trainer));
        }
        EXPECT_OK(lrnn_trainer_backward(t.trainer, NULL));
        EXPECT_OK(lrnn_trainer_update(t.trainer, t.optimizer));
    }
    *sum = t.result.loss_sum;
    EXPECT_OK(lrnn_trainer_snapshot(&model, t.trainer));
    unmake(&t);
    return model;
}

static void expect_same(int32_t loss, size_t O, size_t threads, size_t recompute, int parts)
{
    double sum, other;
    lrnn_model *a = trained(loss, O, 1, recompute, 0, &sum);
    lrnn_model *b = trained(loss, O, threads, recompute, parts, &other);
    assert_true(isfinite(sum));
    if (recompute > 0 && parts > 0) { /* a whole step adds the last segment's losses first */
        assert_true(fabs(sum - other) < 1e-12 * fabs(sum));
    } else {
        assert_true(sum == other);
    }
    expect_same_parameters(a, b);
    lrnn_model_destroy(a);
    lrnn_model_destroy(b);
}

static void no_loss_depends_on_the_number_of_threads(void **state)
{
    (void)state;
    for (int32_t loss = LRNN_LOSS_CROSS_ENTROPY; loss <= LRNN_LOSS_CTC; loss++) {
        for (size_t O = 5; O <= MANY; O += MANY - 5) {
            fill(O);
            expect_same(loss, O, 3, 0, 0);
            expect_same(loss, O, 2, 3, 0);
        }
    }
}

static void the_parts_of_a_step_make_the_same_step(void **state)
{
    (void)state;
    for (int32_t loss = LRNN_LOSS_CROSS_ENTROPY; loss <= LRNN_LOSS_CTC; loss++) {
        for (int parts = 1; parts <= 2; parts++) {
            for (size_t recompute = 0; recompute <= 3; recompute += 3) {
                fill(5);
                expect_same(loss, 5, 1, recompute, parts);
            }
            fill(MANY);
            expect_same(loss, MANY, 2, 0, parts);
        }
    }
}

/* Outputs of a window are those of the net, whatever the loss does with them. */
static void outputs_are_the_same_with_and_without_a_loss(void **state)
{
    (void)state;
    fill(5);
    for (int32_t loss = LRNN_LOSS_CROSS_ENTROPY; loss <= LRNN_LOSS_CTC; loss++) {
        things t;
        make(&t, loss, 5, 1, 0);
        lrnn_sequences bare = t.s;
        bare.targets = NULL;
        bare.target_values = NULL;
        bare.target_steps = 0;
        bare.target_lengths = NULL;
        EXPECT_OK(lrnn_trainer_evaluate(t.trainer, &t.s, &t.result));
        EXPECT_OK(lrnn_trainer_copy_outputs(outputs, B * T * 5, t.trainer));
        EXPECT_OK(lrnn_trainer_reset_evaluation(t.trainer));
        EXPECT_OK(lrnn_trainer_reset_state(t.trainer));
        EXPECT_OK(lrnn_trainer_forward(t.trainer, &bare, NULL));
        EXPECT_OK(lrnn_trainer_copy_outputs(again, B * T * 5, t.trainer));
        assert_memory_equal(outputs, again, B * T * 5 * sizeof *outputs);
        unmake(&t);
    }
}

/* ---- how many are right ---- */

typedef struct count {
    uint64_t items, right;
} count;

static count count_classes(size_t O)
{
    count found = {0, 0};
    for (size_t i = 0; i < B * T; i++) {
        if (i % T >= (size_t)lengths[i / T] || targets[i] < 0 || weights[i] == 0) {
            continue;
        }
        const float *y = outputs + i * O;
        size_t best = 0;
        for (size_t o = 1; o < O; o++) {
            best = y[o] > y[best] ? o : best;
        }
        found.items++;
        found.right += best == (size_t)targets[i];
    }
    return found;
}

static count count_binary(size_t O)
{
    count found = {0, 0};
    for (size_t i = 0; i < B * T * O; i++) {
        size_t item = i / O;
        if (item % T >= (size_t)lengths[item / T] || weights[item] == 0 || masks[i] == 0 ||
            values[i] < 0) {
            continue;
        }
        found.items++;
        found.right += (outputs[i] > 0) == (values[i] > 0.5f);
    }
    return found;
}

static void check_counts(int32_t loss, size_t O)
{
    things t;
    fill(O);
    for (size_t i = 1; i < B * T * O; i += 4) {
        values[i] = -1; /* ignored by binary cross-entropy */
    }
    make(&t, loss, O, 2, 0);
    EXPECT_OK(lrnn_trainer_evaluate(t.trainer, &t.s, &t.result));
    EXPECT_OK(lrnn_trainer_copy_outputs(outputs, B * T * O, t.trainer));
    for (size_t i = 0; loss == LRNN_LOSS_CROSS_ENTROPY && i < B * T; i += 2) {
        const float *y = outputs + i * O; /* every second target becomes right */
        for (size_t o = 0; o < O; o++) {
            targets[i] = y[o] > y[targets[i] < 0 ? 0 : targets[i]] ? (int32_t)o : targets[i];
        }
    }
    count expected = loss == LRNN_LOSS_CROSS_ENTROPY ? count_classes(O) : count_binary(O);
    assert_true(expected.right > 0 && expected.right < expected.items);
    EXPECT_OK(lrnn_trainer_reset_evaluation(t.trainer));
    EXPECT_OK(lrnn_trainer_evaluate(t.trainer, &t.s, &t.result));
    assert_int_equal(t.result.items, expected.items);
    assert_int_equal(t.result.right, expected.right);
    EXPECT_OK(lrnn_trainer_step(t.trainer, t.optimizer, &t.s, &t.result));
    assert_int_equal(t.result.items, expected.items);
    assert_int_equal(t.result.right, expected.right);
    unmake(&t);
}

static void a_step_and_an_evaluation_count_what_is_right(void **state)
{
    (void)state;
    check_counts(LRNN_LOSS_CROSS_ENTROPY, 5);
    check_counts(LRNN_LOSS_CROSS_ENTROPY, MANY);
    check_counts(LRNN_LOSS_BINARY_CROSS_ENTROPY, 5);
    check_counts(LRNN_LOSS_BINARY_CROSS_ENTROPY, MANY);
}

/* ---- what is refused ---- */

static void targets_that_are_no_numbers_are_named_unless_they_do_not_count(void **state)
{
    (void)state;
    for (int32_t loss = LRNN_LOSS_SQUARED_ERROR; loss <= LRNN_LOSS_BINARY_CROSS_ENTROPY; loss++) {
        things t;
        fill(5);
        make(&t, loss, 5, 1, 0);
        EXPECT_OK(lrnn_trainer_step(t.trainer, t.optimizer, &t.s, &t.result)); /* NaN, masked */
        assert_true(isfinite(t.result.loss_sum) && t.result.loss_sum > 0);
        values[8] = NAN; /* item 1, output 3 */
        masks[8] = 1;
        EXPECT_FAILURE(lrnn_trainer_step(t.trainer, t.optimizer, &t.s, &t.result), LRNN_ERR_NUMERIC,
                       "target_values: item 1, output 3", "nan");
        unmake(&t);
    }
}

static void weights_of_values_are_checked_and_named(void **state)
{
    (void)state;
    static const float wrong[] = {-1, NAN, INFINITY};
    for (int32_t loss = LRNN_LOSS_SQUARED_ERROR; loss <= LRNN_LOSS_BINARY_CROSS_ENTROPY; loss++) {
        things t;
        fill(5);
        make(&t, loss, 5, 1, 0);
        for (size_t i = 0; i < 3; i++) {
            masks[0] = wrong[i];
            EXPECT_FAILURE(lrnn_trainer_step(t.trainer, t.optimizer, &t.s, &t.result),
                           LRNN_ERR_INVALID, "value_weights: item 0, output 0");
        }
        unmake(&t);
    }
}

static void a_class_of_weight_zero_does_not_count(void **state)
{
    (void)state;
    static const float some[] = {0, 1, 2}, negative[] = {1, -1, 1}, none[] = {1, NAN, 1};
    lrnn_model_options m;
    lrnn_trainer_options o;
    lrnn_model *model;
    lrnn_trainer *trainer;
    EXPECT_OK(lrnn_model_options_init(&m, sizeof m));
    m.feature_size = 2;
    m.output_size = 3;
    EXPECT_OK(lrnn_model_create(&model, &m));
    EXPECT_OK(lrnn_trainer_options_init(&o, sizeof o));
    o.class_weights = some;
    EXPECT_OK(lrnn_trainer_create(&trainer, model, &o));
    lrnn_trainer_destroy(trainer);
    o.class_weights = negative;
    EXPECT_FAILURE(lrnn_trainer_create(&trainer, model, &o), LRNN_ERR_INVALID, "class_weights");
    o.class_weights = none;
    EXPECT_FAILURE(lrnn_trainer_create(&trainer, model, &o), LRNN_ERR_INVALID, "class_weights");
    lrnn_model_destroy(model);
}

static void a_loss_that_does_not_exist_is_refused(void **state)
{
    (void)state;
    lrnn_model_options m;
    lrnn_trainer_options o;
    lrnn_model *model;
    EXPECT_OK(lrnn_model_options_init(&m, sizeof m));
    m.feature_size = m.output_size = 2;
    EXPECT_OK(lrnn_model_create(&model, &m));
    EXPECT_OK(lrnn_trainer_options_init(&o, sizeof o));
    for (int32_t loss = -1; loss <= 1000; loss += 1001) {
        lrnn_trainer *trainer = nowhere();
        o.loss = loss;
        EXPECT_FAILURE(lrnn_trainer_create(&trainer, model, &o), LRNN_ERR_INVALID, "loss",
                       "expected 0..7");
        assert_null(trainer);
    }
    lrnn_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_loss_depends_on_the_number_of_threads),
        cmocka_unit_test(the_parts_of_a_step_make_the_same_step),
        cmocka_unit_test(outputs_are_the_same_with_and_without_a_loss),
        cmocka_unit_test(a_step_and_an_evaluation_count_what_is_right),
        cmocka_unit_test(targets_that_are_no_numbers_are_named_unless_they_do_not_count),
        cmocka_unit_test(weights_of_values_are_checked_and_named),
        cmocka_unit_test(a_class_of_weight_zero_does_not_count),
        cmocka_unit_test(a_loss_that_does_not_exist_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
