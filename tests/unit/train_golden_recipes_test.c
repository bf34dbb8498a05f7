/* The recipes of docs/training.md in a small net, at rates at which it learns, tied weights, and an
 * adaptive softmax: the losses of 50 steps are PyTorch's, from the same initial parameters;
 * tests/golden/train_pytorch.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lrnn.h"
#include "support/golden_numbers.h"

enum { STEPS = 50, VOCAB = 29, BATCH = 4, WINDOW = 8, STREAM = BATCH * WINDOW * STEPS };

typedef struct recipe {
    lrnn_model_options model;
    lrnn_trainer_options trainer;
    lrnn_optimizer_options optimizer;
    lrnn_schedule_options schedule;
    float range;
} recipe;

/* Two layers of LSTM, initially uniform in +-range. */
static recipe begin(float range)
{
    recipe r = {.range = range};
    lrnn_model_options_init(&r.model, sizeof r.model);
    lrnn_trainer_options_init(&r.trainer, sizeof r.trainer);
    lrnn_optimizer_options_init(&r.optimizer, sizeof r.optimizer);
    lrnn_schedule_options_init(&r.schedule, sizeof r.schedule);
    r.model.vocab_size = VOCAB;
    r.model.embedding_size = 16;
    r.model.hidden_size = 16;
    r.model.layers = 2;
    r.model.initial_range = (double)range;
    r.trainer.batch = BATCH;
    r.trainer.steps = WINDOW;
    return r;
}

static lrnn_batches *create_batches(void)
{
    static int32_t tokens[STREAM];
    lrnn_batches_options o;
    lrnn_batches *batches;
    int32_t at = 0;
    golden_whole(tokens, 70, STREAM, 6, 0);
    for (int i = 0; i < STREAM; i++) {
        at = (at + tokens[i]) % VOCAB;
        tokens[i] = at;
    }
    lrnn_batches_options_init(&o, sizeof o);
    o.batch = BATCH;
    o.steps = WINDOW;
    assert_int_equal(lrnn_batches_create(&batches, tokens, STREAM, &o), LRNN_OK);
    return batches;
}

static void set_parameters(lrnn_trainer *trainer, size_t count, float range)
{
    static float values[1 << 14];
    assert_true(count <= 1 << 14);
    golden_fill(values, 1, count);
    for (size_t i = 0; i < count; i++) {
        values[i] *= 2 * range;
    }
    assert_int_equal(lrnn_trainer_set_parameter(trainer, NULL, values, count), LRNN_OK);
}

static double step(lrnn_trainer *trainer, lrnn_optimizer *optimizer, lrnn_schedule *schedule,
                   lrnn_batches *batches)
{
    lrnn_sequences s;
    lrnn_train_result result;
    lrnn_sequences_init(&s, sizeof s);
    lrnn_train_result_init(&result, sizeof result);
    assert_int_equal(lrnn_batches_next(batches, &s), LRNN_OK);
    double rate = lrnn_schedule_learning_rate(schedule);
    assert_int_equal(lrnn_optimizer_set_learning_rate(optimizer, rate), LRNN_OK);
    assert_int_equal(lrnn_trainer_step(trainer, optimizer, &s, &result), LRNN_OK);
    assert_int_equal(lrnn_schedule_advance(schedule), LRNN_OK);
    return result.loss_sum / result.loss_weight;
}

static void follow(const recipe *r, const char *name, double moved)
{
    lrnn_model *model;
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    lrnn_schedule *schedule;
    lrnn_batches *batches = create_batches();
    assert_int_equal(lrnn_model_create(&model, &r->model), LRNN_OK);
    size_t count = lrnn_model_parameter_count(model);
    assert_int_equal(lrnn_trainer_create(&trainer, model, &r->trainer), LRNN_OK);
    assert_int_equal(lrnn_optimizer_create(&optimizer, count, &r->optimizer), LRNN_OK);
    assert_int_equal(lrnn_schedule_create(&schedule, &r->schedule), LRNN_OK);
    set_parameters(trainer, count, r->range);
    safetensors *file = golden_load("train_recipes.safetensors");
    float expected[STEPS], exact[STEPS];
    char of_double[64];
    snprintf(of_double, sizeof of_double, "%s.double", name);
    assert_int_equal(golden_read(expected, STEPS, file, name), STEPS);
    assert_int_equal(golden_read(exact, STEPS, file, of_double), STEPS);
    for (int i = 0; i < STEPS; i++) {
        double loss = step(trainer, optimizer, schedule, batches);
        if (!(fabs(loss - (double)expected[i]) < 1e-4) || !(fabs(loss - (double)exact[i]) < 1e-4)) {
            fail_msg("%s, step %d: loss %.6f, PyTorch's %.6f", name, i, loss, (double)expected[i]);
        }
    }
    assert_true(fabs((double)expected[STEPS - 1] - (double)expected[0]) > moved);
    safetensors_destroy(file);
    lrnn_schedule_destroy(schedule);
    lrnn_batches_destroy(batches);
    lrnn_optimizer_destroy(optimizer);
    lrnn_trainer_destroy(trainer);
    lrnn_model_destroy(model);
}

/* Karpathy, Johnson & Li 2015. */
static void the_recipe_for_characters_has_pytorchs_losses(void **state)
{
    (void)state;
    recipe r = begin(0.25f);
    r.model.embedding_size = 0;
    r.trainer.clip_value = 0.01;
    r.optimizer.kind = LRNN_OPTIMIZER_RMSPROP;
    r.optimizer.alpha = 0.95;
    r.schedule.kind = LRNN_SCHEDULE_STEP;
    r.schedule.learning_rate = 0.02;
    r.schedule.factor = 0.95;
    r.schedule.period = 5;
    r.schedule.delay = 20;
    follow(&r, "characters", 0.2);
}

/* Zaremba, Sutskever & Vinyals 2014. */
static void the_recipe_for_words_has_pytorchs_losses(void **state)
{
    (void)state;
    recipe r = begin(0.25f);
    r.trainer.reduction = LRNN_REDUCTION_ROWS;
    r.trainer.clip_norm = 1;
    r.optimizer.kind = LRNN_OPTIMIZER_SGD;
    r.schedule.kind = LRNN_SCHEDULE_STEP;
    r.schedule.learning_rate = 2;
    r.schedule.factor = 0.5;
    r.schedule.period = 10;
    r.schedule.delay = 20;
    follow(&r, "words", 0.05);
}

static void tied_weights_have_pytorchs_losses(void **state)
{
    (void)state;
    recipe r = begin(0.25f);
    r.model.tied_weights = 1;
    r.schedule.learning_rate = 0.03;
    follow(&r, "tied", 0.2);
    r.trainer.threads = 3;
    follow(&r, "tied", 0.2);
}

static void an_adaptive_softmax_has_pytorchs_losses(void **state)
{
    (void)state;
    recipe r = begin(0.25f);
    r.model.cutoffs[0] = 5;
    r.model.cutoffs[1] = 14;
    r.model.div_value = 2;
    r.model.adaptive_bias = 1;
    r.schedule.learning_rate = 0.03;
    follow(&r, "adaptive", 0.2);
    r.trainer.threads = 3;
    r.trainer.recompute_steps = 3;
    follow(&r, "adaptive", 0.2);
}

static int run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_recipe_for_characters_has_pytorchs_losses),
        cmocka_unit_test(the_recipe_for_words_has_pytorchs_losses),
        cmocka_unit_test(tied_weights_have_pytorchs_losses),
        cmocka_unit_test(an_adaptive_softmax_has_pytorchs_losses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return golden_under_all_kernels(run);
}
