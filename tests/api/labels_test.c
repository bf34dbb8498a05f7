/* Sequences of labels without alignment: batches that carry them, and what CTC refuses. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lrnn.h"
#include "support/expect.h"

/* Three examples with 2, 0 and 3 labels. */
static void labels_come_with_their_lengths(void **state)
{
    (void)state;
    static const float features[6] = {1, 2, 3, 4, 5, 6};
    static const int32_t steps[3] = {3, 1, 2}, counts[3] = {2, 0, 3}, labels[5] = {7, 8, 4, 5, 6};
    static const float weights[3] = {1, 2, 3};
    lrnn_examples examples;
    lrnn_batches *batches;
    lrnn_batches_options o;
    lrnn_sequences s;
    EXPECT_OK(lrnn_examples_init(&examples, sizeof examples));
    EXPECT_OK(lrnn_batches_options_init(&o, sizeof o));
    EXPECT_OK(lrnn_sequences_init(&s, sizeof s));
    examples.count = 3;
    examples.lengths = steps;
    examples.features = features;
    examples.feature_size = 1;
    examples.targets = labels;
    examples.target_lengths = counts;
    examples.weights = weights;
    o.batch = 2;
    EXPECT_OK(lrnn_batches_create_from_examples(&batches, &examples, &o));
    assert_int_equal(lrnn_batches_target_steps(batches), 3);
    EXPECT_OK(lrnn_batches_next(batches, &s));
    assert_int_equal(s.steps, 3);
    assert_int_equal(s.target_steps, 2);
    assert_int_equal(s.target_lengths[0], 2);
    assert_int_equal(s.target_lengths[1], 0);
    assert_int_equal(s.targets[1], 8);
    assert_true(s.weights[1] == 2);
    EXPECT_OK(lrnn_batches_next(batches, &s));
    assert_int_equal(s.batch, 1);
    assert_int_equal(s.target_steps, 3);
    assert_int_equal(s.targets[0], 4);
    assert_int_equal(s.targets[2], 6);
    lrnn_batches_destroy(batches);
}

static void labels_that_do_not_fit_are_named(void **state)
{
    (void)state;
    static const float features[2] = {1, 2};
    static const int32_t steps[2] = {1, 1}, counts[2] = {0, -1}, some[2] = {0, 1};
    lrnn_examples examples;
    lrnn_batches *batches = nowhere();
    EXPECT_OK(lrnn_examples_init(&examples, sizeof examples));
    examples.count = 2;
    examples.lengths = steps;
    examples.features = features;
    examples.feature_size = 1;
    examples.target_lengths = counts;
    EXPECT_FAILURE(lrnn_batches_create_from_examples(&batches, &examples, NULL), LRNN_ERR_INVALID,
                   "target_lengths[1]", "found -1");
    assert_null(batches);
    examples.target_lengths = some;
    EXPECT_FAILURE(lrnn_batches_create_from_examples(&batches, &examples, NULL), LRNN_ERR_INVALID,
                   "targets", "1 labels");
}

/* What a program that was compiled against 0.1 knows of the struct. */
static void a_struct_of_an_older_program_is_not_written_past_its_end(void **state)
{
    (void)state;
    static const int32_t stream[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    union {
        lrnn_sequences s;
        unsigned char bytes[sizeof(lrnn_sequences)];
    } old;
    size_t size = offsetof(lrnn_sequences, value_weights);
    lrnn_batches_options o;
    lrnn_batches *batches;
    memset(&old, 0xa5, sizeof old);
    EXPECT_OK(lrnn_sequences_init(&old.s, size));
    EXPECT_OK(lrnn_batches_options_init(&o, sizeof o));
    o.batch = o.steps = 2;
    EXPECT_OK(lrnn_batches_create(&batches, stream, 8, &o));
    EXPECT_OK(lrnn_batches_next(batches, &old.s));
    assert_int_equal(old.s.size, size);
    assert_int_equal(old.s.batch, 2);
    for (size_t i = size; i < sizeof old; i++) {
        assert_int_equal(old.bytes[i], 0xa5);
    }
    lrnn_batches_destroy(batches);
}

/* ---- what CTC refuses ---- */

enum { B = 2, T = 4, O = 3 };

static const float outputs[B * T * O] = {0.5f, 1, -1, 2, 0.25f, 0, 1, 1, 0.5f, -2, 0, 1};

typedef struct ctc {
    lrnn_model *model;
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    lrnn_sequences s;
} ctc;

static void set_up(ctc *c, int32_t zero_infinity)
{
    lrnn_model_options m;
    lrnn_trainer_options t;
    EXPECT_OK(lrnn_model_options_init(&m, sizeof m));
    m.layers = 0;
    m.feature_size = m.output_size = O;
    EXPECT_OK(lrnn_model_create(&c->model, &m));
    EXPECT_OK(lrnn_trainer_options_init(&t, sizeof t));
    t.batch = B;
    t.steps = T;
    t.loss = LRNN_LOSS_CTC;
    t.blank = 2;
    t.target_steps = 4;
    t.zero_infinity = zero_infinity;
    EXPECT_OK(lrnn_trainer_create(&c->trainer, c->model, &t));
    EXPECT_OK(lrnn_optimizer_create(&c->optimizer, lrnn_model_parameter_count(c->model), NULL));
    EXPECT_OK(lrnn_sequences_init(&c->s, sizeof c->s));
    c->s.batch = B;
    c->s.steps = T;
    c->s.features = outputs;
}

static void tear_down(ctc *c)
{
    lrnn_optimizer_destroy(c->optimizer);
    lrnn_trainer_destroy(c->trainer);
    lrnn_model_destroy(c->model);
}

static void refuse(ctc *c, const int32_t *targets, size_t S, lrnn_status status, const char *what,
                   const char *more)
{
    c->s.targets = targets;
    c->s.target_steps = S;
    EXPECT_FAILURE(lrnn_trainer_step(c->trainer, c->optimizer, &c->s, NULL), status, what, more);
}

static void labels_out_of_range_name_row_and_place(void **state)
{
    (void)state;
    static const int32_t high[B * 2] = {0, 1, 1, 3}, blank[B * 2] = {0, 2, 1, 0};
    static const int32_t low[B * 2] = {0, 1, -1, 0}, counts[B] = {2, 3};
    ctc c;
    set_up(&c, 0);
    refuse(&c, high, 2, LRNN_ERR_INVALID, "row 1, label 1", "found 3");
    refuse(&c, blank, 2, LRNN_ERR_INVALID, "row 0, label 1", "blank");
    refuse(&c, low, 2, LRNN_ERR_INVALID, "row 1, label 0", "found -1");
    refuse(&c, NULL, 2, LRNN_ERR_INVALID, "targets", "CTC");
    refuse(&c, high, 5, LRNN_ERR_INVALID, "target_steps", "found 5");
    c.s.target_lengths = counts;
    refuse(&c, high, 2, LRNN_ERR_INVALID, "target_lengths[1]", "found 3");
    tear_down(&c);
}

static void labels_that_do_not_fit_the_steps_name_the_row(void **state)
{
    (void)state;
    static const int32_t targets[B * 3] = {0, 1, 0, 0, 0, 0}; /* the second needs 5 steps */
    lrnn_train_result result;
    ctc c;
    set_up(&c, 0);
    refuse(&c, targets, 3, LRNN_ERR_NUMERIC, "row 1", "3 labels take at least 5 steps");
    tear_down(&c);
    set_up(&c, 1);
    c.s.targets = targets;
    c.s.target_steps = 3;
    EXPECT_OK(lrnn_train_result_init(&result, sizeof result));
    EXPECT_OK(lrnn_trainer_step(c.trainer, c.optimizer, &c.s, &result));
    assert_true(result.loss_sum > 0 && isfinite(result.loss_sum));
    assert_true(result.loss_weight == 2);
    assert_int_equal(result.items, 2);
    tear_down(&c);
}

static void pass_features_through(ctc *c)
{
    static const float one[O * O] = {1, 0, 0, 0, 1, 0, 0, 0, 1}, none[O] = {0};
    EXPECT_OK(lrnn_trainer_set_parameter(c->trainer, "head.weight", one, sizeof one / sizeof *one));
    EXPECT_OK(lrnn_trainer_set_parameter(c->trainer, "head.bias", none, O));
}

/* The label is said once, which costs 2e30 + 2e30 at the one step and nothing at the others. */
static void outputs_as_large_as_a_float_have_a_finite_loss(void **state)
{
    (void)state;
    static const float huge[T * O] = {-2e30f, -2e30f, 2e30f, -2e30f, -2e30f, 2e30f,
                                      -2e30f, -2e30f, 2e30f, -2e30f, -2e30f, 2e30f};
    static const int32_t label = 1;
    lrnn_train_result result;
    ctc c;
    set_up(&c, 0);
    pass_features_through(&c);
    c.s.batch = c.s.target_steps = 1;
    c.s.features = huge;
    c.s.targets = &label;
    EXPECT_OK(lrnn_train_result_init(&result, sizeof result));
    EXPECT_OK(lrnn_trainer_step(c.trainer, c.optimizer, &c.s, &result));
    assert_true(fabs(result.loss_sum / 4e30 - 1) < 1e-6);
    tear_down(&c);
}

static void a_loss_that_is_not_a_number_names_the_row(void **state)
{
    (void)state;
    float overflow[B * T * O];
    static const int32_t targets[B] = {0, 1};
    ctc c;
    set_up(&c, 0);
    pass_features_through(&c);
    memcpy(overflow, outputs, sizeof overflow);
    overflow[(T + 2) * O] = INFINITY;
    c.s.features = overflow;
    refuse(&c, targets, 1, LRNN_ERR_NUMERIC, "row 1", "not a number");
    tear_down(&c);
}

static void rows_without_a_label_need_no_targets(void **state)
{
    (void)state;
    lrnn_train_result result;
    ctc c;
    set_up(&c, 0);
    EXPECT_OK(lrnn_train_result_init(&result, sizeof result));
    EXPECT_OK(lrnn_trainer_evaluate(c.trainer, &c.s, &result));
    assert_true(result.loss_sum > 0);
    tear_down(&c);
}

static void options_of_another_loss_are_refused(void **state)
{
    (void)state;
    static const float weights[O] = {1, 1, 1};
    lrnn_trainer *trainer = nowhere();
    lrnn_trainer_options t;
    ctc c;
    set_up(&c, 0);
    EXPECT_OK(lrnn_trainer_options_init(&t, sizeof t));
    t.loss = LRNN_LOSS_CTC;
    t.class_weights = weights;
    EXPECT_FAILURE(lrnn_trainer_create(&trainer, c.model, &t), LRNN_ERR_INVALID, "class_weights",
                   "CTC");
    t.class_weights = NULL;
    t.blank = O;
    EXPECT_FAILURE(lrnn_trainer_create(&trainer, c.model, &t), LRNN_ERR_INVALID, "blank",
                   "found 3");
    t.blank = 0;
    t.loss = LRNN_LOSS_CROSS_ENTROPY;
    t.zero_infinity = 1;
    EXPECT_FAILURE(lrnn_trainer_create(&trainer, c.model, &t), LRNN_ERR_INVALID, "zero_infinity",
                   "cross-entropy");
    t.zero_infinity = 0;
    t.loss_transition = 1;
    EXPECT_FAILURE(lrnn_trainer_create(&trainer, c.model, &t), LRNN_ERR_INVALID, "loss_transition",
                   "cross-entropy");
    tear_down(&c);
}

static void ctc_needs_outputs_at_every_step(void **state)
{
    (void)state;
    lrnn_model_options m;
    lrnn_model *model;
    lrnn_trainer_options t;
    lrnn_trainer *trainer = nowhere();
    EXPECT_OK(lrnn_model_options_init(&m, sizeof m));
    m.feature_size = m.output_size = m.hidden_size = O;
    m.head = LRNN_HEAD_LAST;
    EXPECT_OK(lrnn_model_create(&model, &m));
    EXPECT_OK(lrnn_trainer_options_init(&t, sizeof t));
    t.loss = LRNN_LOSS_CTC;
    EXPECT_FAILURE(lrnn_trainer_create(&trainer, model, &t), LRNN_ERR_INVALID, "CTC",
                   "LRNN_HEAD_STEPS");
    assert_null(trainer);
    lrnn_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_come_with_their_lengths),
        cmocka_unit_test(labels_that_do_not_fit_are_named),
        cmocka_unit_test(a_struct_of_an_older_program_is_not_written_past_its_end),
        cmocka_unit_test(labels_out_of_range_name_row_and_place),
        cmocka_unit_test(labels_that_do_not_fit_the_steps_name_the_row),
        cmocka_unit_test(outputs_as_large_as_a_float_have_a_finite_loss),
        cmocka_unit_test(a_loss_that_is_not_a_number_names_the_row),
        cmocka_unit_test(rows_without_a_label_need_no_targets),
        cmocka_unit_test(options_of_another_loss_are_refused),
        cmocka_unit_test(ctc_needs_outputs_at_every_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
