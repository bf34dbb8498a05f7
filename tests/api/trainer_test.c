/* Trainers are made as their options say, and a window that is refused changes nothing. */
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

enum { V = TWIN_V, B = TWIN_B, T = TWIN_T };

/* ---- making ---- */

static void options_have_their_defaults(void **state)
{
    (void)state;
    EXPECT_SIZE_RULES(lrnn_trainer_options);
    EXPECT_SIZE_RULES(lrnn_train_result);
    EXPECT_SIZE_RULES(lrnn_backward);
    lrnn_trainer_options options, expected = {
                                      .size = sizeof options,
                                      .batch = 16,
                                      .steps = 32,
                                      .threads = 1,
                                      .seed = 1,
                                      .loss = LRNN_LOSS_CROSS_ENTROPY,
                                      .reduction = LRNN_REDUCTION_MEAN,
                                      .carry_state = 1,
                                  };
    EXPECT_OK(lrnn_trainer_options_init(&options, sizeof options));
    assert_memory_equal(&options, &expected, sizeof options);
    lrnn_train_result result = twin_result(), zero = {.size = sizeof result};
    assert_memory_equal(&result, &zero, sizeof result);
    lrnn_backward backward, nothing = {.size = sizeof backward, .loss_scale = 1};
    EXPECT_OK(lrnn_backward_init(&backward, sizeof backward));
    assert_memory_equal(&backward, &nothing, sizeof backward);
}

#define REFUSE_OPTION(field, value, ...)                                                           \
    do {                                                                                           \
        lrnn_trainer_options changed = twin_trainer();                                             \
        changed.field = value;                                                                     \
        lrnn_trainer *refused = nowhere();                                                         \
        EXPECT_FAILURE(lrnn_trainer_create(&refused, model, &changed), LRNN_ERR_INVALID, #field,   \
                       __VA_ARGS__);                                                               \
        assert_null(refused);                                                                      \
    } while (0)

static void fields_out_of_range_are_named(void **state)
{
    (void)state;
    lrnn_model_options of = twin_model();
    lrnn_model *model;
    EXPECT_OK(lrnn_model_create(&model, &of));
    REFUSE_OPTION(batch, 0, "expected 1..", "found 0");
    REFUSE_OPTION(batch, (size_t)INT32_MAX + 1, "found 2147483648");
    REFUSE_OPTION(steps, 0, "expected 1..", "found 0");
    REFUSE_OPTION(steps, (size_t)INT32_MAX + 1, "found 2147483648");
    REFUSE_OPTION(threads, 0, "expected 1..", "found 0");
    REFUSE_OPTION(threads, 1025, "found 1025");
    REFUSE_OPTION(clip_norm, -1, "at least 0", "found -1");
    REFUSE_OPTION(clip_norm, (double)NAN, "nan");
    REFUSE_OPTION(clip_value, -1, "at least 0", "found -1");
    REFUSE_OPTION(clip_value, (double)INFINITY, "inf");
    REFUSE_OPTION(label_smoothing, 1.5, "expected 0..1", "found 1.5");
    REFUSE_OPTION(label_smoothing, -0.5, "found -0.5");
    REFUSE_OPTION(label_smoothing, (double)NAN, "nan");
    REFUSE_OPTION(loss, LRNN_LOSS_CTC + 1, "expected 0..7", "found 8");
    REFUSE_OPTION(loss, -1, "found -1");
    REFUSE_OPTION(reduction, 3, "expected 0..2", "found 3");
    REFUSE_OPTION(carry_state, 2, "expected 0..1", "found 2");
    REFUSE_OPTION(reserved, 1, "expected 0", "found 1");
    REFUSE_OPTION(recompute_steps, (size_t)INT32_MAX + 1, "found 2147483648");
    lrnn_allocator allocator = {.size = 0};
    lrnn_trainer_options options = twin_trainer();
    lrnn_trainer *trainer = nowhere();
    options.allocator = &allocator;
    EXPECT_FAILURE(lrnn_trainer_create(&trainer, model, &options), LRNN_ERR_INVALID,
                   "lrnn_allocator");
    options.allocator = NULL;
    EXPECT_SIZE_CHECKED(&options, lrnn_trainer_options,
                        lrnn_trainer_create(&trainer, model, &options));
    options.batch = options.steps = INT32_MAX;
    EXPECT_FAILURE(lrnn_trainer_create(&trainer, model, &options), LRNN_ERR_MEMORY, "trainer");
    EXPECT_FAILURE(lrnn_trainer_create(&trainer, NULL, NULL), LRNN_ERR_INVALID, "model is NULL");
    assert_null(trainer);
    EXPECT_FAILURE(lrnn_trainer_create(NULL, model, NULL), LRNN_ERR_INVALID, "trainer is NULL");
    EXPECT_OK(lrnn_trainer_create(&trainer, model, NULL));
    lrnn_model_destroy(model);
    lrnn_trainer_destroy(trainer);
    lrnn_trainer_destroy(NULL);
}

static void a_loss_needs_a_head(void **state)
{
    (void)state;
    lrnn_model_options of = twin_model();
    of.head = LRNN_HEAD_NONE;
    lrnn_model *model;
    EXPECT_OK(lrnn_model_create(&model, &of));
    REFUSE_OPTION(loss, LRNN_LOSS_CROSS_ENTROPY, "head");
    REFUSE_OPTION(loss, LRNN_LOSS_SQUARED_ERROR, "head");
    lrnn_trainer_options options = twin_trainer();
    options.loss = LRNN_LOSS_NONE;
    lrnn_trainer *trainer;
    EXPECT_OK(lrnn_trainer_create(&trainer, model, &options));
    lrnn_trainer_destroy(trainer);
    lrnn_model_destroy(model);
}

/* ---- what is refused ---- */

/* The same window to all three that take one. */
static void refuse(twins *pair, const lrnn_sequences *s, lrnn_status status,
                   const char *const *words, int line)
{
    lrnn_train_result result, before;
    memset(&result, 0x5a, sizeof result);
    result.size = sizeof result;
    before = result;
    lrnn_trainer *trainer = pair->trainer[0];
    lrnn_allocator_init(NULL, 0);
    expect_failure_at(lrnn_trainer_step(trainer, pair->optimizer[0], s, &result), status, words,
                      "lrnn_trainer_step", __FILE__, line);
    lrnn_allocator_init(NULL, 0);
    expect_failure_at(lrnn_trainer_evaluate(trainer, s, &result), status, words,
                      "lrnn_trainer_evaluate", __FILE__, line);
    if (s->targets != NULL && s->target_values != NULL) { /* a forward does without */
        lrnn_allocator_init(NULL, 0);
        expect_failure_at(lrnn_trainer_forward(trainer, s, &result), status, words,
                          "lrnn_trainer_forward", __FILE__, line);
    }
    assert_memory_equal(&result, &before, sizeof result);
}

#define REFUSE_AS(status, change, ...)                                                             \
    do {                                                                                           \
        lrnn_sequences s = twins_window(&pair);                                                    \
        change;                                                                                    \
        refuse(&pair, &s, status, (const char *const[]){__VA_ARGS__, NULL}, __LINE__);             \
    } while (0)

#define REFUSE(change, ...) REFUSE_AS(LRNN_ERR_INVALID, change, __VA_ARGS__)

static void windows_that_do_not_fit_change_nothing(void **state)
{
    (void)state;
    twins pair;
    lrnn_model_options of = twin_model();
    lrnn_trainer_options options = twin_trainer();
    twins_start(&pair, &of, &options);
    twin_step(&pair, 0);
    twin_step(&pair, 1);
    int32_t tokens[B * T] = {0}, targets[B * T] = {0}, lengths[B] = {1, 1, T + 1};
    float weights[B * T] = {0, 0, -1};
    tokens[7] = V;
    targets[8] = V;
    REFUSE(s.batch = 0, "found 0");
    REFUSE(s.steps = 0, "found 0");
    REFUSE(s.batch = B + 1, "4 x 5", "3 x 5");
    REFUSE(s.steps = T + 1, "3 x 6", "3 x 5");
    REFUSE(s.tokens = NULL, "tokens: not given");
    REFUSE(s.features = NULL, "features: not given");
    REFUSE(s.tokens = tokens, "tokens", "row 1, step 2", "expected 0..6", "found 7");
    REFUSE(s.lengths = lengths, "lengths[2]", "expected 1..5", "found 6");
    REFUSE(s.targets = targets, "targets[8]", "expected below 7", "found 7");
    REFUSE(s.targets = NULL, "targets", "not given");
    REFUSE(s.weights = weights, "weights[2]", "at least 0", "found -1");
    weights[2] = NAN;
    REFUSE(s.weights = weights, "weights[2]", "nan");
    weights[2] = INFINITY;
    REFUSE(s.weights = weights, "weights[2]", "inf");
    weights[2] = 0;
    REFUSE_AS(LRNN_ERR_NUMERIC, s.weights = weights, "weights", "zero");
    lrnn_sequences s = twins_window(&pair);
    EXPECT_SIZE_CHECKED(&s, lrnn_sequences,
                        lrnn_trainer_step(pair.trainer[0], pair.optimizer[0], &s, NULL));
    EXPECT_SIZE_CHECKED(&s, lrnn_sequences, lrnn_trainer_evaluate(pair.trainer[0], &s, NULL));
    EXPECT_SIZE_CHECKED(&s, lrnn_sequences, lrnn_trainer_forward(pair.trainer[0], &s, NULL));
    lengths[2] = 1; /* what lies after a length is not read */
    EXPECT_OK(lrnn_trainer_evaluate(pair.trainer[0], &s, NULL));
    s.lengths = lengths;
    s.tokens = tokens;
    s.targets = targets;
    EXPECT_OK(lrnn_trainer_evaluate(pair.trainer[0], &s, NULL));
    expect_twins(&pair);
    twins_finish(&pair);
}

static void a_window_must_have_the_rows_of_the_carried_state(void **state)
{
    (void)state;
    twins pair;
    lrnn_model_options of = twin_model();
    lrnn_trainer_options options = twin_trainer();
    twins_start(&pair, &of, &options);
    lrnn_sequences fewer = twins_window(&pair);
    EXPECT_OK(lrnn_trainer_evaluate(pair.trainer[0], &fewer, NULL));
    twin_step(&pair, 0);
    twin_step(&pair, 1);
    REFUSE(s.batch = B - 1, "batch", "3 rows", "window 2");
    expect_twins(&pair);
    fewer.batch = B - 1;
    for (int i = 0; i < 2; i++) {
        EXPECT_OK(lrnn_trainer_reset_state(pair.trainer[i]));
        EXPECT_OK(lrnn_trainer_reset_evaluation(pair.trainer[i]));
        EXPECT_OK(lrnn_trainer_evaluate(pair.trainer[i], &fewer, NULL));
        EXPECT_OK(lrnn_trainer_step(pair.trainer[i], pair.optimizer[i], &fewer, NULL));
        EXPECT_OK(lrnn_trainer_reset_state(pair.trainer[i]));
    }
    expect_twins(&pair);
    EXPECT_FAILURE(lrnn_trainer_reset_state(NULL), LRNN_ERR_INVALID, "trainer is NULL");
    EXPECT_FAILURE(lrnn_trainer_reset_evaluation(NULL), LRNN_ERR_INVALID, "trainer is NULL");
    twins_finish(&pair);
}

static void arguments_that_do_not_fit_change_nothing(void **state)
{
    (void)state;
    twins pair;
    lrnn_model_options of = twin_model();
    lrnn_trainer_options options = twin_trainer();
    twins_start(&pair, &of, &options);
    lrnn_sequences s = twins_window(&pair);
    lrnn_train_result result = twin_result();
    lrnn_trainer *trainer = pair.trainer[0];
    lrnn_optimizer *optimizer = pair.optimizer[0], *other;
    EXPECT_OK(lrnn_optimizer_create(&other, 12, NULL));
    EXPECT_FAILURE(lrnn_trainer_step(trainer, other, &s, &result), LRNN_ERR_INVALID, "optimizer",
                   "12");
    EXPECT_FAILURE(lrnn_trainer_step(trainer, NULL, &s, &result), LRNN_ERR_INVALID,
                   "optimizer is NULL");
    EXPECT_FAILURE(lrnn_trainer_step(trainer, optimizer, NULL, &result), LRNN_ERR_INVALID,
                   "lrnn_sequences is NULL");
    EXPECT_FAILURE(lrnn_trainer_step(NULL, optimizer, &s, &result), LRNN_ERR_INVALID,
                   "trainer is NULL");
    EXPECT_FAILURE(lrnn_trainer_evaluate(NULL, &s, &result), LRNN_ERR_INVALID, "trainer is NULL");
    EXPECT_FAILURE(lrnn_trainer_evaluate(trainer, NULL, &result), LRNN_ERR_INVALID,
                   "lrnn_sequences is NULL");
    EXPECT_SIZE_CHECKED(&result, lrnn_train_result,
                        lrnn_trainer_step(trainer, optimizer, &s, &result));
    EXPECT_SIZE_CHECKED(&result, lrnn_train_result, lrnn_trainer_evaluate(trainer, &s, &result));
    EXPECT_SIZE_CHECKED(&result, lrnn_train_result, lrnn_trainer_forward(trainer, &s, &result));
    assert_int_equal(lrnn_optimizer_updates(other), 0);
    lrnn_optimizer_destroy(other);
    expect_twins(&pair);
    twins_finish(&pair);
}

static void without_a_loss_there_is_no_whole_step(void **state)
{
    (void)state;
    twins pair;
    lrnn_model_options of = twin_model();
    lrnn_trainer_options options = twin_trainer();
    options.loss = LRNN_LOSS_NONE;
    twins_start(&pair, &of, &options);
    lrnn_sequences s = twins_window(&pair);
    EXPECT_FAILURE(lrnn_trainer_step(pair.trainer[0], pair.optimizer[0], &s, NULL),
                   LRNN_ERR_UNSUPPORTED, "LRNN_LOSS_NONE");
    expect_same_now(&pair);
    lrnn_train_result result = twin_result();
    EXPECT_OK(lrnn_trainer_evaluate(pair.trainer[0], &s, &result));
    assert_true(result.loss_sum == 0 && result.loss_weight == 0);
    twins_finish(&pair);
}

/* ---- numbers that are not finite ---- */

/* Gives the first twin a head whose logits overflow, so that its next window must fail, then its
 * own again. */
static void fail_on_overflow(twins *pair)
{
    lrnn_model *now;
    EXPECT_OK(lrnn_trainer_snapshot(&now, pair->trainer[0]));
    size_t count;
    float *kept = parameters_of(now, &count), huge[V * TWIN_H];
    for (size_t i = 0; i < V * TWIN_H; i++) {
        huge[i] = 3e38F;
    }
    EXPECT_OK(lrnn_trainer_set_parameter(pair->trainer[0], "head.weight", huge, V * TWIN_H));
    EXPECT_OK(lrnn_trainer_set_parameter(pair->trainer[0], "head.bias", huge, V));
    lrnn_sequences s = twins_window(pair);
    refuse(pair, &s, LRNN_ERR_NUMERIC, (const char *const[]){"loss", "not finite", NULL}, __LINE__);
    EXPECT_OK(lrnn_trainer_set_parameter(pair->trainer[0], NULL, kept, count));
    free(kept);
    lrnn_model_destroy(now);
    EXPECT_OK(lrnn_trainer_zero_gradients(pair->trainer[0]));
    EXPECT_OK(lrnn_trainer_zero_gradients(pair->trainer[1]));
}

static void a_loss_that_is_not_finite_changes_nothing(void **state)
{
    (void)state;
    for (int32_t carry = 0; carry <= 1; carry++) {
        twins pair;
        lrnn_model_options of = twin_model();
        lrnn_trainer_options options = twin_trainer();
        options.carry_state = carry;
        options.threads = 2;
        twins_start(&pair, &of, &options);
        fail_on_overflow(&pair);
        expect_twins(&pair);
        fail_on_overflow(&pair);
        expect_twins(&pair);
        twins_finish(&pair);
    }
}

static void a_target_value_that_is_not_finite_changes_nothing(void **state)
{
    (void)state;
    twins pair;
    lrnn_model_options of = twin_model();
    lrnn_trainer_options options = twin_trainer();
    options.loss = LRNN_LOSS_SQUARED_ERROR;
    twins_start(&pair, &of, &options);
    pair.target_values[3] = NAN;
    REFUSE_AS(LRNN_ERR_NUMERIC, (void)s, "target_values: item 0, output 3", "nan");
    pair.target_values[3] = INFINITY;
    REFUSE_AS(LRNN_ERR_NUMERIC, (void)s, "target_values: item 0, output 3", "inf");
    REFUSE(s.target_values = NULL, "target_values", "not given");
    pair.target_values[3] = 1;
    EXPECT_OK(lrnn_trainer_zero_gradients(pair.trainer[0]));
    expect_twins(&pair);
    twins_finish(&pair);
}

static void a_gradient_that_is_not_finite_changes_nothing(void **state)
{
    (void)state;
    twins pair;
    lrnn_model_options of = twin_model();
    lrnn_trainer_options options = twin_trainer();
    options.reduction = LRNN_REDUCTION_SUM;
    twins_start(&pair, &of, &options);
    twin_step(&pair, 0);
    twin_step(&pair, 1);
    float weights[B * T];
    for (size_t i = 0; i < B * T; i++) {
        weights[i] = 3e38F; /* each item's gradient is finite, their sum is not */
    }
    for (size_t i = 0; i < B * T; i++) {
        pair.targets[i] = 1;
    }
    lrnn_sequences s = twins_window(&pair);
    s.weights = weights;
    EXPECT_FAILURE(lrnn_trainer_step(pair.trainer[0], pair.optimizer[0], &s, NULL),
                   LRNN_ERR_NUMERIC, "gradient", "not finite");
    EXPECT_OK(lrnn_trainer_zero_gradients(pair.trainer[0]));
    EXPECT_OK(lrnn_trainer_zero_gradients(pair.trainer[1]));
    expect_twins(&pair);
    twins_finish(&pair);
}

static void zero_weights_are_a_loss_of_zero_where_sums_are_taken(void **state)
{
    (void)state;
    twins pair;
    lrnn_model_options of = twin_model();
    lrnn_trainer_options options = twin_trainer();
    options.reduction = LRNN_REDUCTION_SUM;
    twins_start(&pair, &of, &options);
    int32_t ignored[B * T];
    memset(ignored, -1, sizeof ignored);
    lrnn_sequences s = twins_window(&pair);
    s.targets = ignored;
    lrnn_train_result result = twin_result();
    EXPECT_OK(lrnn_trainer_evaluate(pair.trainer[0], &s, &result));
    assert_true(result.loss_sum == 0 && result.loss_weight == 0);
    EXPECT_OK(lrnn_trainer_step(pair.trainer[0], pair.optimizer[0], &s, &result));
    assert_true(result.loss_sum == 0 && result.loss_weight == 0 && result.gradient_norm == 0);
    lrnn_model *after;
    EXPECT_OK(lrnn_trainer_snapshot(&after, pair.trainer[0]));
    expect_same_parameters(after, pair.model);
    lrnn_model_destroy(after);
    twins_finish(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_have_their_defaults),
        cmocka_unit_test(fields_out_of_range_are_named),
        cmocka_unit_test(a_loss_needs_a_head),
        cmocka_unit_test(windows_that_do_not_fit_change_nothing),
        cmocka_unit_test(a_window_must_have_the_rows_of_the_carried_state),
        cmocka_unit_test(arguments_that_do_not_fit_change_nothing),
        cmocka_unit_test(without_a_loss_there_is_no_whole_step),
        cmocka_unit_test(a_loss_that_is_not_finite_changes_nothing),
        cmocka_unit_test(a_target_value_that_is_not_finite_changes_nothing),
        cmocka_unit_test(a_gradient_that_is_not_finite_changes_nothing),
        cmocka_unit_test(zero_weights_are_a_loss_of_zero_where_sums_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
