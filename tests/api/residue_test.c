/* A window leaves nothing behind for the next one but the state that is carried on purpose: a
 * trainer that has seen other windows, even ones full of NaN, computes the bits of a new one. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/expect.h"

enum { V = 6, F = 2, H = 5, P = 3, O = 4, BATCH = 4, STEPS = 5, ROOM = 4096 };

static const int32_t first_tokens[BATCH * STEPS] = {0, 1, 2, 3, 4, 5, 4, 3, 2, 1,
                                                    1, 3, 5, 0, 2, 4, 4, 0, 0, 5};
static const int32_t second_tokens[BATCH * STEPS] = {5, 4, 0, 1, 1, 2, 2, 0, 5, 3,
                                                     3, 0, 4, 2, 1, 0, 5, 1, 3, 2};
static const int32_t targets[BATCH * STEPS] = {0, 1, 2, 3, 0, 1, 2, 3, 0, 1,
                                               2, 3, 0, 1, 2, 3, 0, 1, 2, 3};
static const int32_t lengths[BATCH] = {5, 1, 3, 2};

typedef struct setting {
    int32_t cell, bidirectional, head;
    size_t layers, projection, embedding, recompute;
} setting;

static lrnn_trainer *create(const setting *of)
{
    lrnn_model_options m;
    lrnn_trainer_options t;
    lrnn_model *model;
    lrnn_trainer *trainer;
    EXPECT_OK(lrnn_model_options_init(&m, sizeof m));
    m.vocab_size = V;
    m.embedding_size = of->embedding;
    m.feature_size = F;
    m.hidden_size = H;
    m.projection_size = of->projection;
    m.layers = of->layers;
    m.cell = of->cell;
    m.bidirectional = of->bidirectional;
    m.head = of->head;
    m.output_size = O;
    EXPECT_OK(lrnn_model_create(&model, &m));
    EXPECT_OK(lrnn_trainer_options_init(&t, sizeof t));
    t.batch = BATCH;
    t.steps = STEPS;
    t.carry_state = 0;
    t.recompute_steps = of->recompute;
    EXPECT_OK(lrnn_trainer_create(&trainer, model, &t));
    lrnn_model_destroy(model);
    return trainer;
}

static lrnn_sequences window(const int32_t *tokens, const float *features)
{
    lrnn_sequences s;
    EXPECT_OK(lrnn_sequences_init(&s, sizeof s));
    s.batch = BATCH;
    s.steps = STEPS;
    s.tokens = tokens;
    s.features = features;
    s.targets = targets;
    return s;
}

/* Everything that a short window gives. */
typedef struct given {
    double loss;
    float outputs[BATCH * STEPS * O], gradients[ROOM], features[BATCH * STEPS * F];
} given;

static void run_short(given *to, lrnn_trainer *trainer, int32_t head)
{
    static float features[BATCH * STEPS * F];
    lrnn_sequences s = window(second_tokens, features);
    lrnn_train_result result;
    lrnn_backward backward;
    float *gradients;
    size_t count;
    memset(to, 0, sizeof *to);
    for (size_t i = 0; i < BATCH * STEPS * F; i++) {
        features[i] = (float)i / 30 - 0.5f;
    }
    s.lengths = lengths;
    EXPECT_OK(lrnn_train_result_init(&result, sizeof result));
    EXPECT_OK(lrnn_backward_init(&backward, sizeof backward));
    backward.loss_scale = 1;
    backward.features = to->features;
    EXPECT_OK(lrnn_trainer_zero_gradients(trainer));
    EXPECT_OK(lrnn_trainer_forward(trainer, &s, &result));
    size_t outputs = head == LRNN_HEAD_STEPS ? BATCH * STEPS * O : BATCH * O;
    EXPECT_OK(lrnn_trainer_copy_outputs(to->outputs, outputs, trainer));
    EXPECT_OK(lrnn_trainer_backward(trainer, &backward));
    EXPECT_OK(lrnn_trainer_get_gradients(&gradients, &count, trainer));
    assert_true(count <= ROOM);
    memcpy(to->gradients, gradients, count * sizeof *gradients);
    to->loss = result.loss_sum;
}

/* Windows of full length, the last ones with NaN in the features and in a given gradient. */
static void run_others(lrnn_trainer *trainer)
{
    static float features[BATCH * STEPS * F], outputs[BATCH * STEPS * O];
    lrnn_backward backward;
    for (int round = 0; round < 4; round++) {
        lrnn_sequences s = window(round % 2 == 0 ? first_tokens : second_tokens, features);
        for (size_t i = 0; i < BATCH * STEPS * F; i++) {
            features[i] = round == 3 ? NAN : 1.5f - (float)i / 20;
        }
        lrnn_status status = lrnn_trainer_forward(trainer, &s, NULL);
        assert_int_equal(status, round == 3 ? LRNN_ERR_NUMERIC : LRNN_OK);
        if (status != LRNN_OK) {
            return;
        }
        for (size_t i = 0; i < BATCH * STEPS * O; i++) {
            outputs[i] = round == 2 ? NAN : 1;
        }
        EXPECT_OK(lrnn_backward_init(&backward, sizeof backward));
        backward.loss_scale = 1;
        backward.outputs = outputs;
        lrnn_trainer_backward(trainer, &backward);
    }
}

static void expect_nothing_left(const setting *of)
{
    static given fresh, used;
    lrnn_trainer *trainer = create(of);
    run_short(&fresh, trainer, of->head);
    lrnn_trainer_destroy(trainer);
    trainer = create(of);
    run_others(trainer);
    run_short(&used, trainer, of->head);
    lrnn_trainer_destroy(trainer);
    assert_true(isfinite(fresh.loss));
    assert_memory_equal(&used, &fresh, sizeof fresh);
}

static void windows_leave_nothing_behind(void **state)
{
    (void)state;
    for (int32_t cell = LRNN_CELL_RNN_TANH; cell <= LRNN_CELL_GRU; cell++) {
        for (int32_t head = LRNN_HEAD_STEPS; head <= LRNN_HEAD_FINAL; head++) {
            for (int option = 0; option < 6; option++) {
                setting of = {.cell = cell, .head = head, .layers = 2, .embedding = 3};
                of.bidirectional = option == 1;
                of.embedding = option == 2 || option == 5 ? 0 : 3;
                of.projection = cell == LRNN_CELL_LSTM && option >= 3 ? P : 0;
                of.recompute = option == 4 ? 2 : 0;
                of.bidirectional = option == 1 || option == 3;
                expect_nothing_left(&of);
            }
        }
    }
}

static void without_layers_too(void **state)
{
    (void)state;
    for (int32_t head = LRNN_HEAD_STEPS; head <= LRNN_HEAD_LAST; head++) {
        for (size_t embedding = 0; embedding <= 3; embedding += 3) {
            setting of = {.head = head, .layers = 0, .embedding = embedding};
            expect_nothing_left(&of);
        }
    }
}

/* ---- inference ---- */

/* Other tokens before, at once and step by step, leave nothing in a state that is reset. */
static void a_state_that_is_reset_is_a_new_one(void **state)
{
    (void)state;
    for (size_t layers = 0; layers <= 1; layers++) {
        lrnn_model_options m;
        lrnn_model *model;
        lrnn_state *used;
        lrnn_state_options o;
        float expected[BATCH * STEPS * O], found[BATCH * STEPS * O];
        EXPECT_OK(lrnn_model_options_init(&m, sizeof m));
        m.vocab_size = V;
        m.embedding_size = 0;
        m.hidden_size = H;
        m.layers = layers;
        m.output_size = O;
        EXPECT_OK(lrnn_model_create(&model, &m));
        EXPECT_OK(lrnn_state_options_init(&o, sizeof o));
        o.batch = BATCH;
        o.steps = STEPS;
        EXPECT_OK(lrnn_state_create(&used, model, &o));
        lrnn_sequences s = window(second_tokens, NULL);
        EXPECT_OK(lrnn_state_forward(used, &s, expected));
        EXPECT_OK(lrnn_state_reset(used));
        s.tokens = first_tokens;
        EXPECT_OK(lrnn_state_forward(used, &s, NULL));
        EXPECT_OK(lrnn_state_step(used, first_tokens, NULL, NULL));
        EXPECT_OK(lrnn_state_reset(used));
        s.tokens = second_tokens;
        EXPECT_OK(lrnn_state_forward(used, &s, found));
        assert_memory_equal(found, expected, sizeof expected);
        EXPECT_OK(lrnn_state_reset(used));
        for (size_t t = 0; t < STEPS; t++) {
            int32_t ids[BATCH];
            for (size_t b = 0; b < BATCH; b++) {
                ids[b] = second_tokens[b * STEPS + t];
            }
            EXPECT_OK(lrnn_state_step(used, ids, NULL, found));
            for (size_t b = 0; b < BATCH; b++) {
                assert_memory_equal(found + b * O, expected + (b * STEPS + t) * O,
                                    O * sizeof *found);
            }
        }
        lrnn_state_destroy(used);
        lrnn_model_destroy(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_leave_nothing_behind),
        cmocka_unit_test(without_layers_too),
        cmocka_unit_test(a_state_that_is_reset_is_a_new_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
