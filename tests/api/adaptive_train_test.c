/* Training of an adaptive softmax: what a step finds, the same bits in any way, no allocation. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lrnn.h"
#include "support/adaptive_nets.h"
#include "support/expect.h"
#include "support/malloc_trap.h"

/* The loss, the count of right predictions and the outputs of a trainer against the model's. */
static void a_trainer_finds_the_loss_and_what_is_right(void **unused)
{
    (void)unused;
    static float outputs[B * T * V], copied[B * T * V];
    lrnn_model *model = create();
    lrnn_state *state = create_state(model, B);
    lrnn_trainer *trainer = create_trainer(model, 2, 0);
    lrnn_sequences s = window_of(B, T);
    lrnn_train_result result;
    double loss = 0;
    uint64_t items = 0, right = 0;
    int32_t likeliest[B * T];
    s.lengths = lengths;
    EXPECT_OK(lrnn_train_result_init(&result, sizeof result));
    EXPECT_OK(lrnn_state_forward(state, &s, outputs));
    for (size_t i = 0; i < B * T; i++) {
        likeliest[i] = i % 3 != 0   ? (int32_t)best_of(outputs + i * V)
                       : i % 6 == 0 ? targets[i]
                                    : second_best_of(outputs + i * V);
        if (likeliest[i] >= 0 && (int)(i % T) < lengths[i / T]) {
            items++;
            loss -= (double)outputs[i * V + (size_t)likeliest[i]];
            right += best_of(outputs + i * V) == (size_t)likeliest[i];
        }
    }
    s.targets = likeliest;
    EXPECT_OK(lrnn_trainer_evaluate(trainer, &s, &result));
    assert_true(fabs(result.loss_sum - loss) < 1e-4 * loss);
    assert_int_equal(result.items, items);
    assert_int_equal(result.right, right);
    assert_true(right > items / 2 && right < items);
    EXPECT_OK(lrnn_trainer_copy_outputs(copied, B * T * V, trainer));
    for (size_t i = 0; i < B * T * V; i++) {
        assert_true(fabsf(copied[i] - outputs[i]) < 1e-4f);
    }
    lrnn_trainer_destroy(trainer);
    lrnn_state_destroy(state);
    lrnn_model_destroy(model);
}

/* Class weights, as PyTorch's: the mean of what the targets cost, each as often as its class
 * counts. */
static void classes_count_by_their_weights(void **unused)
{
    (void)unused;
    static float outputs[B * T * V];
    float class_weights[V];
    lrnn_model *model = create();
    lrnn_state *state = create_state(model, B);
    lrnn_sequences s = window_of(B, T);
    lrnn_trainer_options o = trainer_options(1);
    lrnn_trainer *trainer;
    lrnn_train_result result;
    double loss = 0, weight = 0;
    for (size_t i = 0; i < V; i++) {
        class_weights[i] = 0.25f * (float)(i % 7);
    }
    o.class_weights = class_weights;
    EXPECT_OK(lrnn_trainer_create(&trainer, model, &o));
    EXPECT_OK(lrnn_state_forward(state, &s, outputs));
    for (size_t i = 0; i < B * T; i++) {
        if (targets[i] >= 0) {
            double share = (double)class_weights[targets[i]];
            loss -= share * (double)outputs[i * V + (size_t)targets[i]];
            weight += share;
        }
    }
    EXPECT_OK(lrnn_train_result_init(&result, sizeof result));
    EXPECT_OK(lrnn_trainer_evaluate(trainer, &s, &result));
    assert_true(fabs(result.loss_sum - loss) < 1e-4 * loss);
    assert_true(fabs(result.loss_weight - weight) < 1e-6 * weight);
    lrnn_trainer_destroy(trainer);
    lrnn_state_destroy(state);
    lrnn_model_destroy(model);
}

/* Targets of all kinds: likeliest in the shortlist, in each tail, and not. */
static void what_is_right_is_told_in_every_section(void **unused)
{
    (void)unused;
    static float outputs[B * T * V];
    int32_t likeliest[B * T];
    size_t found[3] = {0};
    lrnn_model_options o = options_of();
    o.initial_range = 3;
    o.div_value = 1;
    o.cutoffs[0] = 12;
    for (o.seed = 1; o.seed < 6; o.seed++) {
        lrnn_model *model = create_with(&o);
        lrnn_state *state = create_state(model, B);
        lrnn_trainer *trainer = create_trainer(model, 1, 0);
        lrnn_sequences s = window_of(B, T);
        lrnn_train_result result;
        EXPECT_OK(lrnn_train_result_init(&result, sizeof result));
        EXPECT_OK(lrnn_state_forward(state, &s, outputs));
        for (size_t i = 0; i < B * T; i++) {
            likeliest[i] = (int32_t)best_of(outputs + i * V);
            found[likeliest[i] < 12 ? 0 : likeliest[i] < SECOND ? 1 : 2]++;
        }
        s.targets = likeliest;
        EXPECT_OK(lrnn_trainer_evaluate(trainer, &s, &result));
        assert_int_equal(result.items, B * T);
        assert_int_equal(result.right, B * T);
        for (size_t i = 0; i < B * T; i++) { /* the best of another section */
            int32_t best = likeliest[i];
            likeliest[i] = best >= SECOND ? best_between(outputs + i * V, 12, SECOND)
                           : best >= 12   ? best_between(outputs + i * V, 0, 12)
                           : i % 2 == 0   ? best_between(outputs + i * V, SECOND, V)
                                          : (best + 1) % 12;
        }
        EXPECT_OK(lrnn_trainer_reset_evaluation(trainer));
        EXPECT_OK(lrnn_trainer_evaluate(trainer, &s, &result));
        assert_int_equal(result.right, 0);
        lrnn_trainer_destroy(trainer);
        lrnn_state_destroy(state);
        lrnn_model_destroy(model);
    }
    assert_true(found[0] > 0 && found[1] > 0 && found[2] > 0);
}

static lrnn_model *train(const lrnn_model *model, size_t threads, size_t recompute, int32_t kind,
                         lrnn_train_result *result)
{
    lrnn_trainer *trainer = create_trainer(model, threads, recompute);
    lrnn_optimizer_options o;
    lrnn_optimizer *optimizer;
    lrnn_model *end;
    EXPECT_OK(lrnn_optimizer_options_init(&o, sizeof o));
    o.kind = kind;
    o.learning_rate = kind == LRNN_OPTIMIZER_SGD ? 0.5 : 0.01;
    EXPECT_OK(lrnn_optimizer_create(&optimizer, lrnn_model_parameter_count(model), &o));
    EXPECT_OK(lrnn_train_result_init(result, sizeof *result));
    for (int i = 0; i < 6; i++) {
        lrnn_sequences s = window_of(B, T);
        s.lengths = i % 2 == 0 ? NULL : lengths;
        EXPECT_OK(lrnn_trainer_step(trainer, optimizer, &s, result));
    }
    EXPECT_OK(lrnn_trainer_snapshot(&end, trainer));
    lrnn_optimizer_destroy(optimizer);
    lrnn_trainer_destroy(trainer);
    return end;
}

static void any_number_of_threads_gives_the_same_bits(void **unused)
{
    (void)unused;
    lrnn_model *model = create();
    for (int32_t kind = LRNN_OPTIMIZER_SGD; kind <= LRNN_OPTIMIZER_ADAMW; kind++) {
        lrnn_train_result one, other;
        lrnn_model *first = train(model, 1, 0, kind, &one);
        for (size_t threads = 2; threads <= 5; threads += 3) {
            lrnn_model *again = train(model, threads, 0, kind, &other);
            assert_true(one.loss_sum == other.loss_sum && one.right == other.right);
            expect_same_parameters(first, again);
            lrnn_model_destroy(again);
        }
        lrnn_model_destroy(first);
    }
    lrnn_model_destroy(model);
}

static void recomputing_trains_the_same_model(void **unused)
{
    (void)unused;
    lrnn_model *model = create();
    lrnn_train_result one, other;
    lrnn_model *kept = train(model, 2, 0, LRNN_OPTIMIZER_SGD, &one);
    lrnn_model *again = train(model, 2, 4, LRNN_OPTIMIZER_SGD, &other);
    size_t count;
    float *a = parameters_of(kept, &count), *b = parameters_of(again, &count);
    assert_int_equal(one.right, other.right);
    for (size_t i = 0; i < count; i++) {
        assert_true(fabsf(a[i] - b[i]) < 1e-4f);
    }
    free(a);
    free(b);
    lrnn_model_destroy(again);
    lrnn_model_destroy(kept);
    lrnn_model_destroy(model);
}

/* Rows of a window are run by themselves, and their gradients added. */
static void shards_have_the_gradients_of_the_window(void **unused)
{
    (void)unused;
    lrnn_model *model = create();
    lrnn_train_result one, other;
    lrnn_trainer *whole = create_trainer(model, 1, 0), *cut = create_shards(model, 2, 3);
    lrnn_optimizer_options o;
    lrnn_optimizer *optimizers[2];
    lrnn_sequences s = window_of(B, T);
    float *a, *b;
    size_t count;
    EXPECT_OK(lrnn_optimizer_options_init(&o, sizeof o));
    o.kind = LRNN_OPTIMIZER_SGD;
    for (int i = 0; i < 2; i++) {
        EXPECT_OK(lrnn_optimizer_create(&optimizers[i], lrnn_model_parameter_count(model), &o));
    }
    EXPECT_OK(lrnn_train_result_init(&one, sizeof one));
    EXPECT_OK(lrnn_train_result_init(&other, sizeof other));
    EXPECT_OK(lrnn_trainer_step(whole, optimizers[0], &s, &one));
    EXPECT_OK(lrnn_trainer_step(cut, optimizers[1], &s, &other));
    assert_true(fabs(one.loss_sum - other.loss_sum) < 1e-6 * one.loss_sum);
    assert_true(one.items == other.items && one.right == other.right);
    EXPECT_OK(lrnn_trainer_get_gradients(&a, &count, whole));
    EXPECT_OK(lrnn_trainer_get_gradients(&b, &count, cut));
    for (size_t i = 0; i < count; i++) {
        assert_true(fabsf(a[i] - b[i]) < 1e-6f);
    }
    for (int i = 0; i < 2; i++) {
        lrnn_optimizer_destroy(optimizers[i]);
    }
    lrnn_trainer_destroy(cut);
    lrnn_trainer_destroy(whole);
    lrnn_model_destroy(model);
}

static void training_lowers_the_loss(void **unused)
{
    (void)unused;
    lrnn_model_options o = options_of();
    lrnn_model *model = create_with(&o), *end;
    lrnn_trainer *trainer = create_trainer(model, 1, 0);
    lrnn_sequences s = window_of(B, T);
    lrnn_train_result before, after;
    EXPECT_OK(lrnn_train_result_init(&before, sizeof before));
    EXPECT_OK(lrnn_trainer_evaluate(trainer, &s, &before));
    end = train(model, 1, 0, LRNN_OPTIMIZER_ADAM, &after);
    assert_true(after.loss_sum / after.loss_weight < before.loss_sum / before.loss_weight - 0.2);
    lrnn_trainer_destroy(trainer);
    lrnn_model_destroy(end);
    lrnn_model_destroy(model);
}

static void steps_and_training_allocate_nothing(void **unused)
{
    (void)unused;
    static float outputs[V];
    lrnn_model *model = create();
    lrnn_state *state = create_state(model, 1);
    lrnn_trainer *trainer = create_trainer(model, 1, 0);
    lrnn_optimizer *optimizer;
    lrnn_sequences s = window_of(B, T);
    EXPECT_OK(lrnn_optimizer_create(&optimizer, lrnn_model_parameter_count(model), NULL));
    malloc_trap_arm();
    lrnn_status stepped = lrnn_state_step(state, tokens, NULL, outputs);
    lrnn_status trained = lrnn_trainer_step(trainer, optimizer, &s, NULL);
    size_t caught = malloc_trap_disarm();
    assert_int_equal(stepped, LRNN_OK);
    assert_int_equal(trained, LRNN_OK);
    assert_int_equal(caught, 0);
    lrnn_optimizer_destroy(optimizer);
    lrnn_trainer_destroy(trainer);
    lrnn_state_destroy(state);
    lrnn_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trainer_finds_the_loss_and_what_is_right),
        cmocka_unit_test(classes_count_by_their_weights),
        cmocka_unit_test(what_is_right_is_told_in_every_section),
        cmocka_unit_test(any_number_of_threads_gives_the_same_bits),
        cmocka_unit_test(recomputing_trains_the_same_model),
        cmocka_unit_test(shards_have_the_gradients_of_the_window),
        cmocka_unit_test(training_lowers_the_loss),
        cmocka_unit_test(steps_and_training_allocate_nothing),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
