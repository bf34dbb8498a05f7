/* The parts of a training step one by one, and a trainer's parameters and gradients. */
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

enum { V = TWIN_V, F = TWIN_F, H = TWIN_H, L = TWIN_L, B = TWIN_B, T = TWIN_T, STATE = L * B * H };

static void expect_near(double found, double expected, double tolerance)
{
    if (!(fabs(found - expected) <= tolerance * (1 + fabs(expected)))) {
        print_error("expected %.9g, found %.9g\n", expected, found);
        fail();
    }
}

static void start(twins *pair, double dropout)
{
    lrnn_model_options of = twin_model();
    lrnn_trainer_options options = twin_trainer();
    of.dropout = dropout;
    twins_start(pair, &of, &options);
}

static lrnn_backward no_gradients(double loss_scale)
{
    lrnn_backward backward;
    EXPECT_OK(lrnn_backward_init(&backward, sizeof backward));
    backward.loss_scale = loss_scale;
    return backward;
}

static float *gradients_of(lrnn_trainer *trainer, size_t *count)
{
    float *gradients;
    EXPECT_OK(lrnn_trainer_get_gradients(&gradients, count, trainer));
    return gradients;
}

/* All gradients of both get the same odd values. */
static void give_gradients(twins *pair)
{
    for (int i = 0; i < 2; i++) {
        size_t count;
        float *gradients = gradients_of(pair->trainer[i], &count);
        for (size_t k = 0; k < count; k++) {
            gradients[k] = (float)sin((double)k);
        }
    }
}

/* ---- the whole from its parts ---- */

static void the_parts_together_give_the_bits_of_a_step(void **state)
{
    (void)state;
    twins pair;
    lrnn_model_options of = twin_model();
    lrnn_trainer_options options = twin_trainer();
    options.clip_value = 0.005;
    options.clip_norm = 0.01;
    twins_start(&pair, &of, &options);
    lrnn_sequences s = twins_window(&pair);
    s.lengths = pair.lengths;
    s.weights = pair.weights;
    for (int i = 0; i < 3; i++) {
        lrnn_train_result whole = twin_result(), parts = twin_result();
        double norm;
        EXPECT_OK(lrnn_trainer_step(pair.trainer[0], pair.optimizer[0], &s, &whole));
        EXPECT_OK(lrnn_trainer_zero_gradients(pair.trainer[1]));
        EXPECT_OK(lrnn_trainer_forward(pair.trainer[1], &s, &parts));
        EXPECT_OK(lrnn_trainer_backward(pair.trainer[1], NULL));
        EXPECT_OK(lrnn_trainer_clip_value(pair.trainer[1], 0.005));
        EXPECT_OK(lrnn_trainers_clip_norm(&pair.trainer[1], 1, 0.01, &norm));
        EXPECT_OK(lrnn_trainer_update(pair.trainer[1], pair.optimizer[1]));
        assert_true(norm == whole.gradient_norm && norm > 0.01);
        assert_true(parts.loss_sum == whole.loss_sum && parts.loss_weight == whole.loss_weight);
        assert_true(parts.gradient_norm == 0 && parts.learning_rate == 0);
        expect_same_now(&pair);
    }
    twins_finish(&pair);
}

static void gradients_add_until_they_are_zeroed(void **state)
{
    (void)state;
    twins pair;
    start(&pair, 0);
    lrnn_sequences s = twins_window(&pair);
    size_t count;
    float *once = gradients_of(pair.trainer[0], &count),
          *more = gradients_of(pair.trainer[1], &count);
    EXPECT_OK(lrnn_trainer_forward(pair.trainer[0], &s, NULL));
    EXPECT_OK(lrnn_trainer_backward(pair.trainer[0], NULL));
    for (int i = 0; i < 2; i++) {
        lrnn_backward backward = no_gradients(i == 0 ? 1 : -3);
        EXPECT_OK(lrnn_trainer_reset_state(pair.trainer[1]));
        EXPECT_OK(lrnn_trainer_forward(pair.trainer[1], &s, NULL));
        EXPECT_OK(lrnn_trainer_backward(pair.trainer[1], &backward));
    }
    for (size_t k = 0; k < count; k++) {
        expect_near((double)more[k], -2 * (double)once[k], 1e-6);
    }
    EXPECT_OK(lrnn_trainer_zero_gradients(pair.trainer[1]));
    for (size_t k = 0; k < count; k++) {
        assert_true(more[k] == 0);
    }
    EXPECT_FAILURE(lrnn_trainer_zero_gradients(NULL), LRNN_ERR_INVALID, "trainer is NULL");
    twins_finish(&pair);
}

static void the_callers_own_loss_is_as_good_as_ours(void **state)
{
    (void)state;
    twins pair;
    lrnn_model_options of = twin_model();
    lrnn_trainer_options options = twin_trainer();
    options.loss = LRNN_LOSS_SQUARED_ERROR;
    twins_start(&pair, &of, &options);
    lrnn_sequences s = twins_window(&pair);
    float outputs[B * T * V], given[B * T * V];
    EXPECT_OK(lrnn_trainer_forward(pair.trainer[0], &s, NULL));
    EXPECT_OK(lrnn_trainer_backward(pair.trainer[0], NULL));
    s.target_values = NULL;
    EXPECT_OK(lrnn_trainer_forward(pair.trainer[1], &s, NULL));
    EXPECT_OK(lrnn_trainer_copy_outputs(outputs, B * T * V, pair.trainer[1]));
    for (size_t i = 0; i < B * T * V; i++) {
        given[i] = 2 * (outputs[i] - pair.target_values[i]) / (V * B * T);
    }
    lrnn_backward backward = no_gradients(0);
    backward.outputs = given;
    EXPECT_OK(lrnn_trainer_backward(pair.trainer[1], &backward));
    size_t count;
    float *ours = gradients_of(pair.trainer[0], &count);
    float *own = gradients_of(pair.trainer[1], &count);
    for (size_t k = 0; k < count; k++) {
        expect_near((double)own[k], (double)ours[k], 1e-6);
    }
    twins_finish(&pair);
}

/* Two windows, the gradient of the second one's initial state given to the first one's final state:
 * the gradient of both as one. */
static void gradients_of_states_join_two_windows(void **state)
{
    (void)state;
    enum { FIRST = 2, SECOND = T - FIRST };
    twins pair;
    start(&pair, 0);
    lrnn_sequences s = twins_window(&pair);
    s.batch = 1;
    lrnn_backward backward = no_gradients(T);
    float features[T * F], whole[T * F], h[L * H], c[L * H], zero_h[L * H] = {0};
    backward.features = whole;
    EXPECT_OK(lrnn_trainer_forward(pair.trainer[0], &s, NULL));
    EXPECT_OK(lrnn_trainer_backward(pair.trainer[0], &backward));

    lrnn_trainer *parts = pair.trainer[1];
    lrnn_sequences second = s;
    s.steps = FIRST;
    second.steps = SECOND;
    second.tokens += FIRST;
    second.targets += FIRST;
    second.features += FIRST * F;
    float state_h[L * H], state_c[L * H];
    EXPECT_OK(lrnn_trainer_forward(parts, &s, NULL));
    EXPECT_OK(lrnn_trainer_export_state(state_h, state_c, parts));
    EXPECT_OK(lrnn_trainer_forward(parts, &second, NULL)); /* carries on */
    backward = no_gradients(SECOND);
    backward.features = features + FIRST * F;
    backward.initial_h = h;
    backward.initial_c = c;
    EXPECT_OK(lrnn_trainer_backward(parts, &backward));
    EXPECT_OK(lrnn_trainer_import_state(parts, zero_h, NULL, 1));
    EXPECT_OK(lrnn_trainer_forward(parts, &s, NULL));
    backward = no_gradients(FIRST);
    backward.features = features;
    backward.final_h = h;
    backward.final_c = c;
    EXPECT_OK(lrnn_trainer_backward(parts, &backward));
    size_t count;
    float *x = gradients_of(pair.trainer[0], &count), *y = gradients_of(parts, &count);
    for (size_t k = 0; k < count; k++) {
        expect_near((double)y[k], (double)x[k], 2e-6);
    }
    for (size_t k = 0; k < T * F; k++) {
        expect_near((double)features[k], (double)whole[k], 2e-6);
        assert_true(whole[k] != 0);
    }
    twins_finish(&pair);
}

/* ---- backward ---- */

static void refuse_backward(lrnn_trainer *trainer, const lrnn_backward *backward,
                            lrnn_status status, const char *word, int line)
{
    size_t count;
    float *gradients = gradients_of(trainer, &count), *before = malloc(count * sizeof *before);
    assert_non_null(before);
    memcpy(before, gradients, count * sizeof *before);
    lrnn_allocator_init(NULL, 0);
    expect_failure_at(lrnn_trainer_backward(trainer, backward), status,
                      (const char *const[]){word, NULL}, "lrnn_trainer_backward", __FILE__, line);
    assert_memory_equal(gradients, before, count * sizeof *before);
    free(before);
}

#define REFUSE(status, change, word)                                                               \
    do {                                                                                           \
        lrnn_backward b = no_gradients(1);                                                         \
        change;                                                                                    \
        refuse_backward(pair.trainer[0], &b, status, word, __LINE__);                              \
    } while (0)

static void a_backward_that_is_refused_can_be_made_good(void **state)
{
    (void)state;
    twins pair;
    start(&pair, 0.5);
    give_gradients(&pair);
    lrnn_sequences s = twins_window(&pair);
    refuse_backward(pair.trainer[0], NULL, LRNN_ERR_STATE, "no forward", __LINE__);
    EXPECT_OK(lrnn_trainer_forward(pair.trainer[0], &s, NULL));
    EXPECT_OK(lrnn_trainer_forward(pair.trainer[1], &s, NULL));
    static float outputs[B * T * V], h[STATE], c[STATE];
    outputs[5] = NAN;
    h[6] = INFINITY;
    c[STATE - 1] = -INFINITY;
    REFUSE(LRNN_ERR_NUMERIC, b.outputs = outputs, "outputs[5]");
    REFUSE(LRNN_ERR_NUMERIC, b.final_h = h, "final_h[6]");
    REFUSE(LRNN_ERR_NUMERIC, b.final_c = c, "final_c[35]");
    REFUSE(LRNN_ERR_NUMERIC, b.loss_scale = (double)NAN, "loss_scale");
    REFUSE(LRNN_ERR_NUMERIC, b.loss_scale = (double)INFINITY, "loss_scale");
    lrnn_backward backward = no_gradients(1);
    EXPECT_SIZE_CHECKED(&backward, lrnn_backward,
                        lrnn_trainer_backward(pair.trainer[0], &backward));
    EXPECT_FAILURE(lrnn_trainer_backward(NULL, NULL), LRNN_ERR_INVALID, "trainer is NULL");
    EXPECT_OK(lrnn_trainer_backward(pair.trainer[0], NULL));
    EXPECT_OK(lrnn_trainer_backward(pair.trainer[1], NULL));
    refuse_backward(pair.trainer[0], NULL, LRNN_ERR_STATE, "no forward", __LINE__);
    expect_twins(&pair);
    twins_finish(&pair);
}

static void a_backward_needs_the_loss_of_its_forward(void **state)
{
    (void)state;
    twins pair;
    start(&pair, 0);
    lrnn_sequences s = twins_window(&pair);
    s.targets = NULL;
    EXPECT_OK(lrnn_trainer_forward(pair.trainer[0], &s, NULL));
    refuse_backward(pair.trainer[0], NULL, LRNN_ERR_STATE, "loss_scale", __LINE__);
    lrnn_backward backward = no_gradients(0);
    EXPECT_OK(lrnn_trainer_backward(pair.trainer[0], &backward));
    s = twins_window(&pair);
    EXPECT_OK(lrnn_trainer_forward(pair.trainer[0], &s, NULL));
    EXPECT_OK(lrnn_trainer_evaluate(pair.trainer[0], &s, NULL));
    refuse_backward(pair.trainer[0], NULL, LRNN_ERR_STATE, "no forward", __LINE__);
    EXPECT_OK(lrnn_trainer_forward(pair.trainer[0], &s, NULL));
    EXPECT_OK(lrnn_trainer_step(pair.trainer[0], pair.optimizer[0], &s, NULL));
    refuse_backward(pair.trainer[0], NULL, LRNN_ERR_STATE, "no forward", __LINE__);
    twins_finish(&pair);
}

static void gradients_of_what_a_model_does_not_have_are_refused(void **state)
{
    (void)state;
    static float h[STATE], c[STATE], features[B * T * F];
    for (size_t layers = 0; layers <= 1; layers++) {
        twins pair;
        lrnn_model_options of = twin_model();
        lrnn_trainer_options options = twin_trainer();
        of.cell = layers == 0 ? LRNN_CELL_LSTM : LRNN_CELL_GRU;
        of.layers = layers;
        of.feature_size = 0;
        twins_start(&pair, &of, &options);
        lrnn_sequences s = twins_window(&pair);
        EXPECT_OK(lrnn_trainer_forward(pair.trainer[0], &s, NULL));
        REFUSE(LRNN_ERR_INVALID, b.final_c = c, "final_c");
        REFUSE(LRNN_ERR_INVALID, b.initial_c = c, "initial_c");
        REFUSE(LRNN_ERR_INVALID, b.features = features, "features");
        if (layers == 0) {
            REFUSE(LRNN_ERR_INVALID, b.final_h = h, "final_h");
            REFUSE(LRNN_ERR_INVALID, b.initial_h = h, "initial_h");
        }
        EXPECT_OK(lrnn_trainer_backward(pair.trainer[0], NULL));
        twins_finish(&pair);
    }
}

static void outputs_are_copied_between_forward_and_backward(void **state)
{
    (void)state;
    for (int32_t head = LRNN_HEAD_STEPS; head <= LRNN_HEAD_FINAL; head++) {
        twins pair;
        lrnn_model_options of = twin_model();
        lrnn_trainer_options options = twin_trainer();
        of.head = head;
        twins_start(&pair, &of, &options);
        size_t count = (head == LRNN_HEAD_STEPS ? B * T : B) * V;
        float outputs[B * T * V + 1];
        memset(outputs, 0x5a, sizeof outputs);
        float untouched = outputs[0];
        lrnn_trainer *trainer = pair.trainer[0];
        lrnn_sequences s = twins_window(&pair);
        s.lengths = pair.lengths;
        EXPECT_FAILURE(lrnn_trainer_copy_outputs(outputs, count, trainer), LRNN_ERR_STATE,
                       "no forward");
        EXPECT_OK(lrnn_trainer_forward(trainer, &s, NULL));
        EXPECT_FAILURE(lrnn_trainer_copy_outputs(outputs, count - 1, trainer), LRNN_ERR_TOO_SMALL,
                       "outputs", head == LRNN_HEAD_STEPS ? "105" : "21");
        EXPECT_FAILURE(lrnn_trainer_copy_outputs(NULL, count, trainer), LRNN_ERR_INVALID,
                       "outputs is NULL");
        EXPECT_FAILURE(lrnn_trainer_copy_outputs(outputs, count, NULL), LRNN_ERR_INVALID,
                       "trainer is NULL");
        assert_true(outputs[0] == untouched);
        EXPECT_OK(lrnn_trainer_copy_outputs(outputs, count, trainer));
        assert_true(outputs[0] != untouched && outputs[count] == untouched);
        for (size_t i = 0; head == LRNN_HEAD_STEPS && i < count; i++) {
            bool there = (int32_t)(i / V % T) < pair.lengths[i / (V * T)];
            assert_int_equal(outputs[i] != 0, there);
        }
        EXPECT_OK(lrnn_trainer_backward(trainer, NULL));
        EXPECT_FAILURE(lrnn_trainer_copy_outputs(outputs, count, trainer), LRNN_ERR_STATE,
                       "no forward");
        twins_finish(&pair);
    }
}

/* ---- gradients and updates ---- */

static void gradients_are_lent_to_write(void **state)
{
    (void)state;
    twins pair;
    start(&pair, 0);
    lrnn_optimizer_options plain;
    lrnn_optimizer *optimizer;
    EXPECT_OK(lrnn_optimizer_options_init(&plain, sizeof plain));
    plain.kind = LRNN_OPTIMIZER_SGD;
    plain.learning_rate = 1;
    EXPECT_OK(lrnn_optimizer_create(&optimizer, lrnn_model_parameter_count(pair.model), &plain));
    give_gradients(&pair);
    size_t count, same;
    float *gradients = gradients_of(pair.trainer[0], &count), *lent = NULL;
    EXPECT_OK(lrnn_trainer_get_gradients(&lent, NULL, pair.trainer[0]));
    assert_ptr_equal(lent, gradients);
    EXPECT_OK(lrnn_trainer_update(pair.trainer[0], optimizer));
    lrnn_model *after;
    EXPECT_OK(lrnn_trainer_snapshot(&after, pair.trainer[0]));
    float *x = parameters_of(pair.model, &same), *y = parameters_of(after, &same);
    assert_int_equal(count, same);
    for (size_t k = 0; k < count; k++) {
        assert_true(gradients[k] == (float)sin((double)k)); /* an update leaves them */
        assert_true(y[k] == x[k] - gradients[k]);
    }
    EXPECT_FAILURE(lrnn_trainer_get_gradients(NULL, &count, pair.trainer[0]), LRNN_ERR_INVALID,
                   "gradients is NULL");
    EXPECT_FAILURE(lrnn_trainer_get_gradients(&lent, &count, NULL), LRNN_ERR_INVALID,
                   "trainer is NULL");
    free(x);
    free(y);
    lrnn_model_destroy(after);
    lrnn_optimizer_destroy(optimizer);
    twins_finish(&pair);
}

static void an_update_that_is_refused_changes_nothing(void **state)
{
    (void)state;
    static const float wrong[] = {NAN, INFINITY};
    twins pair;
    start(&pair, 0.5);
    give_gradients(&pair);
    size_t count;
    float *gradients = gradients_of(pair.trainer[0], &count), kept = gradients[count - 1];
    for (size_t i = 0; i < 2; i++) {
        gradients[count - 1] = wrong[i];
        EXPECT_FAILURE(lrnn_trainer_update(pair.trainer[0], pair.optimizer[0]), LRNN_ERR_NUMERIC,
                       "gradient");
        EXPECT_FAILURE(lrnn_trainers_clip_norm(&pair.trainer[0], 1, 1, NULL), LRNN_ERR_NUMERIC,
                       "norm");
    }
    gradients[count - 1] = kept;
    lrnn_optimizer *other;
    EXPECT_OK(lrnn_optimizer_create(&other, count - 1, NULL));
    EXPECT_FAILURE(lrnn_trainer_update(pair.trainer[0], other), LRNN_ERR_INVALID, "optimizer",
                   "made for");
    EXPECT_FAILURE(lrnn_trainer_update(pair.trainer[0], NULL), LRNN_ERR_INVALID,
                   "optimizer is NULL");
    EXPECT_FAILURE(lrnn_trainer_update(NULL, other), LRNN_ERR_INVALID, "trainer is NULL");
    lrnn_optimizer_destroy(other);
    expect_twins(&pair);
    give_gradients(&pair);
    gradients[0] = 1e30F; /* large, but finite */
    EXPECT_OK(lrnn_trainer_update(pair.trainer[0], pair.optimizer[0]));
    twins_finish(&pair);
}

static void values_are_clipped_one_by_one(void **state)
{
    (void)state;
    static const double wrong[] = {0, -1, (double)NAN};
    twins pair;
    start(&pair, 0);
    give_gradients(&pair);
    size_t count;
    float *gradients = gradients_of(pair.trainer[0], &count);
    for (size_t i = 0; i < 3; i++) {
        EXPECT_FAILURE(lrnn_trainer_clip_value(pair.trainer[0], wrong[i]), LRNN_ERR_INVALID,
                       "limit", "above 0");
    }
    EXPECT_FAILURE(lrnn_trainer_clip_value(NULL, 1), LRNN_ERR_INVALID, "trainer is NULL");
    expect_same_now(&pair);
    EXPECT_OK(lrnn_trainer_clip_value(pair.trainer[0], 0.25));
    for (size_t k = 0; k < count; k++) {
        float g = (float)sin((double)k);
        assert_true(gradients[k] == (g > 0.25F ? 0.25F : g < -0.25F ? -0.25F : g));
    }
    twins_finish(&pair);
}

static void several_trainers_are_clipped_to_one_norm(void **state)
{
    (void)state;
    twins pair;
    start(&pair, 0);
    give_gradients(&pair);
    size_t count;
    float *gradients = gradients_of(pair.trainer[1], &count);
    double sum = 0, norm = -1, again;
    for (size_t k = 0; k < count; k++) {
        sum += 2 * (double)gradients[k] * (double)gradients[k];
    }
    EXPECT_OK(lrnn_trainers_clip_norm(pair.trainer, 2, 0, &norm)); /* only measures */
    expect_near(norm, sqrt(sum), 1e-9);
    EXPECT_OK(
        lrnn_trainers_clip_norm(pair.trainer, 2, norm * 2, &again)); /* below: nothing to do */
    assert_true(again == norm);
    lrnn_trainer *const broken[] = {pair.trainer[0], NULL};
    again = 77;
    EXPECT_FAILURE(lrnn_trainers_clip_norm(broken, 2, 1, &again), LRNN_ERR_INVALID, "trainers[1]");
    EXPECT_FAILURE(lrnn_trainers_clip_norm(NULL, 2, 1, &again), LRNN_ERR_INVALID,
                   "trainers is NULL");
    EXPECT_FAILURE(lrnn_trainers_clip_norm(pair.trainer, 2, -1, &again), LRNN_ERR_INVALID,
                   "max_norm", "found -1");
    EXPECT_FAILURE(lrnn_trainers_clip_norm(pair.trainer, 2, (double)NAN, &again), LRNN_ERR_INVALID,
                   "max_norm", "nan");
    float kept = gradients[3];
    gradients[3] = NAN;
    EXPECT_FAILURE(lrnn_trainers_clip_norm(pair.trainer, 2, 1, &again), LRNN_ERR_NUMERIC, "norm");
    gradients[3] = kept;
    assert_true(again == 77);
    for (size_t k = 0; k < count; k++) {
        assert_true(gradients[k] == (float)sin((double)k));
    }
    expect_same_now(&pair);
    EXPECT_OK(lrnn_trainers_clip_norm(pair.trainer, 2, 0.5, &again));
    assert_true(again == norm);
    for (size_t k = 0; k < count; k++) {
        expect_near((double)gradients[k], sin((double)k) * 0.5 / (norm + 1e-6), 1e-7);
    }
    EXPECT_OK(lrnn_trainers_clip_norm(pair.trainer, 2, 0, &again));
    expect_near(again, 0.5, 1e-5);
    EXPECT_OK(lrnn_trainers_clip_norm(pair.trainer, 2, 0, NULL));
    twins_finish(&pair);
}

/* ---- parameters ---- */

static void parameters_are_set_by_name_or_all_together(void **state)
{
    (void)state;
    twins pair;
    start(&pair, 0.5);
    size_t count;
    float *all = parameters_of(pair.model, &count), bias[V] = {1, 2, 3, 4, 5, 6, 7}, found[V];
    lrnn_trainer *trainer = pair.trainer[0];
    EXPECT_FAILURE(lrnn_trainer_set_parameter(trainer, "head.bias", bias, V - 1), LRNN_ERR_INVALID,
                   "head.bias", "7", "found 6");
    EXPECT_FAILURE(lrnn_trainer_set_parameter(trainer, NULL, all, count + 1), LRNN_ERR_INVALID,
                   "count", "the model");
    EXPECT_FAILURE(lrnn_trainer_set_parameter(trainer, "bias", bias, V), LRNN_ERR_NOT_FOUND,
                   "'bias'");
    EXPECT_FAILURE(lrnn_trainer_set_parameter(NULL, "head.bias", bias, V), LRNN_ERR_INVALID,
                   "trainer is NULL");
    EXPECT_FAILURE(lrnn_trainer_set_parameter(trainer, "head.bias", NULL, V), LRNN_ERR_INVALID,
                   "values is NULL");
    bias[6] = NAN;
    EXPECT_FAILURE(lrnn_trainer_set_parameter(trainer, "head.bias", bias, V), LRNN_ERR_NUMERIC,
                   "values[6]");
    all[count - 1] = INFINITY;
    EXPECT_FAILURE(lrnn_trainer_set_parameter(trainer, NULL, all, count), LRNN_ERR_NUMERIC,
                   "values[");
    expect_twins(&pair);
    bias[6] = 7;
    EXPECT_OK(lrnn_trainer_set_parameter(trainer, "head.bias", bias, V));
    lrnn_model *after;
    EXPECT_OK(lrnn_trainer_snapshot(&after, trainer));
    EXPECT_OK(lrnn_model_copy_parameter(found, V, after, "head.bias"));
    assert_memory_equal(found, bias, sizeof bias);
    lrnn_model_destroy(after);
    free(all);
    all = parameters_of(pair.model, &count);
    EXPECT_OK(lrnn_trainer_set_parameter(trainer, NULL, all, count));
    EXPECT_OK(lrnn_trainer_snapshot(&after, trainer));
    expect_same_parameters(after, pair.model);
    lrnn_model_destroy(after);
    free(all);
    twins_finish(&pair);
}

static void a_frozen_parameter_counts_nowhere(void **state)
{
    (void)state;
    twins pair;
    start(&pair, 0);
    lrnn_optimizer_options decaying;
    lrnn_optimizer *optimizer;
    EXPECT_OK(lrnn_optimizer_options_init(&decaying, sizeof decaying));
    decaying.kind = LRNN_OPTIMIZER_ADAMW;
    decaying.weight_decay = 0.5;
    EXPECT_OK(lrnn_optimizer_create(&optimizer, lrnn_model_parameter_count(pair.model), &decaying));
    lrnn_trainer *trainer = pair.trainer[0];
    lrnn_parameter frozen;
    EXPECT_OK(lrnn_parameter_init(&frozen, sizeof frozen));
    EXPECT_OK(lrnn_model_find_parameter(&frozen, pair.model, "rnn.weight_hh_l0"));
    EXPECT_OK(lrnn_trainer_set_frozen(trainer, "rnn.weight_hh_l0", 1));
    lrnn_sequences s = twins_window(&pair);
    lrnn_train_result result = twin_result();
    EXPECT_OK(lrnn_trainer_step(trainer, optimizer, &s, &result));
    size_t count;
    float *gradients = gradients_of(trainer, &count);
    double sum = 0;
    for (size_t k = 0; k < count; k++) {
        bool inside = k >= frozen.offset && k < frozen.offset + frozen.count;
        assert_true(!inside || gradients[k] == 0);
        sum += (double)gradients[k] * (double)gradients[k];
    }
    expect_near(result.gradient_norm, sqrt(sum), 1e-6);
    gradients[frozen.offset] = 1000; /* what a caller writes there does not count either */
    double norm;
    EXPECT_OK(lrnn_trainers_clip_norm(&trainer, 1, 0, &norm));
    expect_near(norm, sqrt(sum), 1e-6);
    lrnn_model *after;
    EXPECT_OK(lrnn_trainer_snapshot(&after, trainer));
    float *x = parameters_of(pair.model, &count), *y = parameters_of(after, &count);
    for (size_t k = 0; k < count; k++) {
        bool inside = k >= frozen.offset && k < frozen.offset + frozen.count;
        assert_true(!inside || x[k] == y[k]);
    }
    assert_true(x[0] != y[0]);
    EXPECT_OK(lrnn_trainer_set_frozen(trainer, "rnn.weight_hh_l0", 0));
    EXPECT_OK(lrnn_trainer_step(trainer, optimizer, &s, NULL));
    assert_true(gradients[frozen.offset] != 0);
    free(x);
    free(y);
    lrnn_model_destroy(after);
    lrnn_optimizer_destroy(optimizer);
    twins_finish(&pair);
}

static void freezing_takes_a_gradient_away(void **state)
{
    (void)state;
    twins pair;
    start(&pair, 0);
    give_gradients(&pair);
    EXPECT_FAILURE(lrnn_trainer_set_frozen(pair.trainer[0], "rnn", 1), LRNN_ERR_NOT_FOUND, "'rnn'");
    EXPECT_FAILURE(lrnn_trainer_set_frozen(pair.trainer[0], "head.bias", 2), LRNN_ERR_INVALID,
                   "frozen", "expected 0..1", "found 2");
    EXPECT_FAILURE(lrnn_trainer_set_frozen(NULL, "head.bias", 1), LRNN_ERR_INVALID,
                   "trainer is NULL");
    EXPECT_FAILURE(lrnn_trainer_set_frozen(pair.trainer[0], NULL, 1), LRNN_ERR_INVALID,
                   "name is NULL");
    expect_same_now(&pair);
    EXPECT_OK(lrnn_trainer_set_frozen(pair.trainer[0], "head.bias", 1));
    size_t count;
    float *gradients = gradients_of(pair.trainer[0], &count);
    for (size_t k = 0; k < count; k++) {
        assert_true(gradients[k] == (k < count - V ? (float)sin((double)k) : 0));
    }
    twins_finish(&pair);
}

static void a_snapshot_is_only_of_finite_numbers(void **state)
{
    (void)state;
    twins pair;
    start(&pair, 0);
    lrnn_optimizer_options plain;
    lrnn_optimizer *optimizer;
    EXPECT_OK(lrnn_optimizer_options_init(&plain, sizeof plain));
    plain.kind = LRNN_OPTIMIZER_SGD;
    plain.learning_rate = 1e30;
    EXPECT_OK(lrnn_optimizer_create(&optimizer, lrnn_model_parameter_count(pair.model), &plain));
    size_t count;
    gradients_of(pair.trainer[0], &count)[count - 1] = 1e30F;
    EXPECT_OK(lrnn_trainer_update(pair.trainer[0], optimizer));
    lrnn_model *after = pair.model;
    EXPECT_FAILURE(lrnn_trainer_snapshot(&after, pair.trainer[0]), LRNN_ERR_NUMERIC, "head.bias",
                   "value 6");
    assert_null(after);
    EXPECT_FAILURE(lrnn_trainer_snapshot(NULL, pair.trainer[0]), LRNN_ERR_INVALID, "model is NULL");
    EXPECT_FAILURE(lrnn_trainer_snapshot(&after, NULL), LRNN_ERR_INVALID, "trainer is NULL");
    lrnn_optimizer_destroy(optimizer);
    twins_finish(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_parts_together_give_the_bits_of_a_step),
        cmocka_unit_test(gradients_add_until_they_are_zeroed),
        cmocka_unit_test(the_callers_own_loss_is_as_good_as_ours),
        cmocka_unit_test(gradients_of_states_join_two_windows),
        cmocka_unit_test(a_backward_that_is_refused_can_be_made_good),
        cmocka_unit_test(a_backward_needs_the_loss_of_its_forward),
        cmocka_unit_test(gradients_of_what_a_model_does_not_have_are_refused),
        cmocka_unit_test(outputs_are_copied_between_forward_and_backward),
        cmocka_unit_test(gradients_are_lent_to_write),
        cmocka_unit_test(an_update_that_is_refused_changes_nothing),
        cmocka_unit_test(values_are_clipped_one_by_one),
        cmocka_unit_test(several_trainers_are_clipped_to_one_norm),
        cmocka_unit_test(parameters_are_set_by_name_or_all_together),
        cmocka_unit_test(a_frozen_parameter_counts_nowhere),
        cmocka_unit_test(freezing_takes_a_gradient_away),
        cmocka_unit_test(a_snapshot_is_only_of_finite_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
