/* Optimizers, schedules, clipping and losses against PyTorch's; tests/golden/train_pytorch.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lrnn.h"
#include "support/golden_numbers.h"

enum { B = 3, T = 5, O = 6 };

static safetensors *rules;

static int load(void **state)
{
    (void)state;
    rules = golden_load("train_rules.safetensors");
    return 0;
}

static int unload(void **state)
{
    (void)state;
    safetensors_destroy(rules);
    return 0;
}

static const char *named(const char *format, int i)
{
    static char name[64];
    snprintf(name, sizeof name, format, i);
    return name;
}

/* ---- optimizers ---- */

enum { PARAMETERS = 37, UPDATES = 10, KINDS = 11 };

static lrnn_optimizer *create_optimizer(const float *row)
{
    lrnn_optimizer_options o;
    lrnn_optimizer *optimizer;
    assert_int_equal(lrnn_optimizer_options_init(&o, sizeof o), LRNN_OK);
    o.kind = (int32_t)row[0];
    o.learning_rate = (double)row[1];
    o.weight_decay = (double)row[2];
    o.momentum = (double)row[3];
    o.dampening = (double)row[4];
    o.nesterov = (int32_t)row[5];
    assert_int_equal(lrnn_optimizer_create(&optimizer, PARAMETERS, &o), LRNN_OK);
    return optimizer;
}

static void optimizers_go_step_for_step_with_pytorchs(void **state)
{
    (void)state;
    float options[KINDS * 6], parameters[PARAMETERS], gradients[PARAMETERS];
    float steps[UPDATES * PARAMETERS];
    assert_int_equal(golden_read(options, KINDS * 6, rules, "optimizers"), KINDS * 6);
    for (int kind = 0; kind < KINDS; kind++) {
        lrnn_optimizer *optimizer = create_optimizer(options + kind * 6);
        golden_fill(parameters, 20, PARAMETERS);
        for (size_t step = 0; step < UPDATES; step++) {
            golden_fill(gradients, 30 + (unsigned)step, PARAMETERS);
            for (size_t i = 0; i < PARAMETERS; i++) {
                gradients[i] *= 4;
            }
            assert_int_equal(lrnn_optimizer_update(optimizer, parameters, gradients), LRNN_OK);
            memcpy(steps + step * PARAMETERS, parameters, sizeof parameters);
        }
        double difference =
            golden_difference_of(steps, UPDATES * PARAMETERS, rules, named("optimizer.%d", kind));
        if (!(difference < 1e-6)) {
            fail_msg("optimizer %d: %g from PyTorch's", kind, difference);
        }
        lrnn_optimizer_destroy(optimizer);
    }
}

/* ---- schedules ---- */

static void schedules_give_pytorchs_rates(void **state)
{
    (void)state;
    float metrics[30], rates[30];
    golden_read(metrics, 30, rules, "metrics");
    for (int i = 0; i < 6; i++) {
        lrnn_schedule_options o;
        lrnn_schedule *schedule;
        assert_int_equal(lrnn_schedule_options_init(&o, sizeof o), LRNN_OK);
        o.kind =
            (int32_t[]){LRNN_SCHEDULE_STEP,    LRNN_SCHEDULE_EXPONENTIAL, LRNN_SCHEDULE_COSINE,
                        LRNN_SCHEDULE_PLATEAU, LRNN_SCHEDULE_MILESTONES,  LRNN_SCHEDULE_STEP}[i];
        o.learning_rate = 0.4;
        o.factor = i == 1 ? 0.9 : 0.5;
        o.period = i == 0 || i == 5 ? 7 : 29;
        o.delay = i == 5 ? 5 : 0;
        uint64_t milestones[] = {3, 4, 17};
        o.milestones = i == 4 ? milestones : NULL;
        o.milestone_count = i == 4 ? 3 : 0;
        o.minimum = i == 3 ? 0.02 : 0.01;
        o.patience = 2;
        o.threshold = 1e-2;
        assert_int_equal(lrnn_schedule_create(&schedule, &o), LRNN_OK);
        milestones[0] = 0; /* they are copied */
        size_t count = 30;
        for (size_t n = 0; n < count; n++) {
            rates[n] = (float)lrnn_schedule_learning_rate(schedule);
            assert_int_equal(lrnn_schedule_advance(schedule), LRNN_OK);
            assert_int_equal(lrnn_schedule_report(schedule, (double)metrics[n]), LRNN_OK);
        }
        assert_true(rates[count - 1] < rates[0]);
        assert_true(golden_difference_of(rates, count, rules, named("schedule.%d", i)) < 1e-6);
        lrnn_schedule_destroy(schedule);
    }
}

/* ---- clipping ---- */

/* Two trainers whose gradients have 11 and 5 numbers. */
static lrnn_trainer *create_with_gradients(size_t outputs, size_t features, unsigned seed)
{
    lrnn_model_options o;
    lrnn_model *model;
    lrnn_trainer *trainer;
    float *gradients;
    size_t count;
    lrnn_model_options_init(&o, sizeof o);
    o.layers = 0;
    o.feature_size = features;
    o.output_size = outputs;
    assert_int_equal(lrnn_model_create(&model, &o), LRNN_OK);
    assert_int_equal(lrnn_trainer_create(&trainer, model, NULL), LRNN_OK);
    lrnn_model_destroy(model);
    assert_int_equal(lrnn_trainer_get_gradients(&gradients, &count, trainer), LRNN_OK);
    golden_fill(gradients, seed, count);
    return trainer;
}

static void gradients_are_clipped_as_pytorch_does(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        lrnn_trainer *trainers[2] = {create_with_gradients(1, 10, 50),
                                     create_with_gradients(1, 4, 51)};
        float all[16], *gradients, norm;
        double found = 0;
        size_t count;
        if (i < 2) {
            assert_int_equal(lrnn_trainers_clip_norm(trainers, 2, i == 0 ? 0.5 : 100, &found),
                             LRNN_OK);
            norm = (float)found;
            assert_true(golden_difference_of(&norm, 1, rules, named("clip.%d.norm", i)) < 1e-6);
        }
        for (int k = 0; k < 2; k++) {
            if (i == 2) {
                assert_int_equal(lrnn_trainer_clip_value(trainers[k], 0.2), LRNN_OK);
            }
            lrnn_trainer_get_gradients(&gradients, &count, trainers[k]);
            assert_int_equal(count, k == 0 ? 11 : 5);
            memcpy(all + 11 * k, gradients, count * sizeof *gradients);
        }
        assert_true(golden_difference_of(all, 16, rules, named("clip.%d", i)) < 1e-6);
        lrnn_trainer_destroy(trainers[0]);
        lrnn_trainer_destroy(trainers[1]);
    }
}

/* ---- losses ---- */

/* A head whose weight is the identity, so that its input are the logits. */
static lrnn_trainer *create_identity(const lrnn_trainer_options *options)
{
    float parameters[O * O + O] = {0};
    lrnn_model_options m;
    lrnn_model *model;
    lrnn_trainer *trainer;
    lrnn_model_options_init(&m, sizeof m);
    m.layers = 0;
    m.feature_size = O;
    m.output_size = O;
    assert_int_equal(lrnn_model_create(&model, &m), LRNN_OK);
    assert_int_equal(lrnn_trainer_create(&trainer, model, options), LRNN_OK);
    lrnn_model_destroy(model);
    for (size_t i = 0; i < O; i++) {
        parameters[i * O + i] = 1;
    }
    assert_int_equal(lrnn_trainer_set_parameter(trainer, NULL, parameters, O * O + O), LRNN_OK);
    return trainer;
}

static void check_loss(int i)
{
    float options[3], logits[B * T * O], weights[B * T], values[B * T * O], back[B * T * O];
    int32_t targets[B * T];
    golden_read(options, 3, rules, named("loss.%d.options", i));
    lrnn_trainer_options t;
    lrnn_trainer_options_init(&t, sizeof t);
    t.batch = B;
    t.steps = T;
    t.loss = options[0] > 0 ? LRNN_LOSS_SQUARED_ERROR : LRNN_LOSS_CROSS_ENTROPY;
    t.label_smoothing = options[1] > 0 ? 0.1 : 0;
    lrnn_trainer *trainer = create_identity(&t);
    golden_fill(logits, 3, B * T * O);
    golden_fill(weights, 60, B * T);
    golden_fill(values, 61, B * T * O);
    golden_whole(targets, 6, B * T, O + 1, -1);
    for (int k = 0; k < B * T * O; k++) {
        logits[k] *= 8;
    }
    for (int k = 0; k < B * T; k++) {
        weights[k] += 0.5f;
    }
    lrnn_sequences s;
    lrnn_sequences_init(&s, sizeof s);
    s.batch = B;
    s.steps = T;
    s.features = logits;
    s.targets = targets;
    s.target_values = values;
    s.weights = options[2] > 0 ? weights : NULL;
    lrnn_train_result result;
    lrnn_train_result_init(&result, sizeof result);
    lrnn_backward b;
    lrnn_backward_init(&b, sizeof b);
    b.features = back;
    assert_int_equal(lrnn_trainer_forward(trainer, &s, &result), LRNN_OK);
    assert_int_equal(lrnn_trainer_backward(trainer, &b), LRNN_OK);
    float sums[2] = {(float)result.loss_sum, (float)result.loss_weight};
    assert_true(golden_difference_of(sums, 2, rules, named("loss.%d", i)) < 1e-6);
    assert_true(golden_difference_of(back, B * T * O, rules, named("loss.%d.logits", i)) < 1e-5);
    lrnn_trainer_destroy(trainer);
}

static void losses_and_gradients_of_logits_equal_pytorchs(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        check_loss(i);
    }
}

static int run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(optimizers_go_step_for_step_with_pytorchs),
        cmocka_unit_test(schedules_give_pytorchs_rates),
        cmocka_unit_test(gradients_are_clipped_as_pytorch_does),
        cmocka_unit_test(losses_and_gradients_of_logits_equal_pytorchs),
    };
    return cmocka_run_group_tests(tests, load, unload);
}

int main(void)
{
    return golden_under_all_kernels(run);
}
