/* Two trainers of one model in the same state, for tests: what is refused by one of them must leave
 * both going on with the same bits. Include it behind <cmocka.h>. */
#ifndef SUPPORT_TWINS_H
#define SUPPORT_TWINS_H

#include <math.h>

#include "expect.h"

enum { TWIN_V = 7, TWIN_F = 2, TWIN_H = 6, TWIN_L = 2, TWIN_B = 3, TWIN_T = 5 };

typedef struct twins {
    lrnn_model *model;
    lrnn_trainer *trainer[2];
    lrnn_optimizer *optimizer[2];
    int32_t tokens[TWIN_B * TWIN_T], targets[TWIN_B * TWIN_T], lengths[TWIN_B];
    float features[TWIN_B * TWIN_T * TWIN_F], target_values[TWIN_B * TWIN_T * TWIN_V];
    float weights[TWIN_B * TWIN_T];
} twins;

static inline lrnn_model_options twin_model(void)
{
    lrnn_model_options options;
    EXPECT_OK(lrnn_model_options_init(&options, sizeof options));
    options.vocab_size = TWIN_V;
    options.embedding_size = 4;
    options.feature_size = TWIN_F;
    options.hidden_size = TWIN_H;
    options.layers = TWIN_L;
    options.dropout = 0.5;
    return options;
}

static inline lrnn_trainer_options twin_trainer(void)
{
    lrnn_trainer_options options;
    EXPECT_OK(lrnn_trainer_options_init(&options, sizeof options));
    options.batch = TWIN_B;
    options.steps = TWIN_T;
    return options;
}

/* Adam for both. */
static inline void twins_start(twins *pair, const lrnn_model_options *model,
                               const lrnn_trainer_options *trainer)
{
    memset(pair, 0, sizeof *pair);
    EXPECT_OK(lrnn_model_create(&pair->model, model));
    for (int i = 0; i < 2; i++) {
        EXPECT_OK(lrnn_trainer_create(&pair->trainer[i], pair->model, trainer));
        EXPECT_OK(lrnn_optimizer_create(&pair->optimizer[i],
                                        lrnn_model_parameter_count(pair->model), NULL));
        EXPECT_OK(lrnn_optimizer_set_learning_rate(pair->optimizer[i], 0.01));
    }
    for (int i = 0; i < TWIN_B * TWIN_T; i++) {
        pair->tokens[i] = (i * 3 + i / 4) % TWIN_V;
        pair->targets[i] = (i * 5 + 1) % TWIN_V;
        pair->weights[i] = (float)(i % 3) / 2;
    }
    for (int i = 0; i < TWIN_B * TWIN_T * TWIN_F; i++) {
        pair->features[i] = (float)sin(i * 1.7);
    }
    for (int i = 0; i < TWIN_B * TWIN_T * TWIN_V; i++) {
        pair->target_values[i] = (float)cos(i * 0.9);
    }
    for (int b = 0; b < TWIN_B; b++) {
        pair->lengths[b] = TWIN_T - b;
    }
}

static inline void twins_finish(twins *pair)
{
    for (int i = 0; i < 2; i++) {
        lrnn_trainer_destroy(pair->trainer[i]);
        lrnn_optimizer_destroy(pair->optimizer[i]);
    }
    lrnn_model_destroy(pair->model);
}

/* The whole window with targets of both kinds, without lengths and weights. */
static inline lrnn_sequences twins_window(const twins *pair)
{
    lrnn_sequences s;
    lrnn_model_options of;
    EXPECT_OK(lrnn_sequences_init(&s, sizeof s));
    EXPECT_OK(lrnn_model_options_init(&of, sizeof of));
    EXPECT_OK(lrnn_model_get_options(&of, pair->model));
    s.batch = TWIN_B;
    s.steps = TWIN_T;
    s.tokens = of.vocab_size > 0 ? pair->tokens : NULL;
    s.features = of.feature_size > 0 ? pair->features : NULL;
    s.targets = pair->targets;
    s.target_values = pair->target_values;
    return s;
}

static inline lrnn_train_result twin_result(void)
{
    lrnn_train_result result;
    EXPECT_OK(lrnn_train_result_init(&result, sizeof result));
    return result;
}

/* One step of a twin on a part of the window that both know. */
static inline lrnn_train_result twin_step(twins *pair, int which)
{
    lrnn_train_result result = twin_result();
    lrnn_sequences s = twins_window(pair);
    EXPECT_OK(lrnn_trainer_step(pair->trainer[which], pair->optimizer[which], &s, &result));
    return result;
}

/* Parameters, carried state and gradients have the same bits. */
static inline void expect_same_now(const twins *pair)
{
    lrnn_model *x, *y;
    EXPECT_OK(lrnn_trainer_snapshot(&x, pair->trainer[0]));
    EXPECT_OK(lrnn_trainer_snapshot(&y, pair->trainer[1]));
    expect_same_parameters(x, y);
    lrnn_model_destroy(x);
    lrnn_model_destroy(y);
    float h[2][TWIN_L * 2 * TWIN_B * TWIN_H] = {{0}}, *gradients[2];
    size_t count;
    for (int i = 0; i < 2; i++) {
        EXPECT_OK(lrnn_trainer_export_state(h[i], NULL, pair->trainer[i]));
        EXPECT_OK(lrnn_trainer_get_gradients(&gradients[i], &count, pair->trainer[i]));
    }
    assert_memory_equal(h[0], h[1], sizeof h[0]);
    assert_memory_equal(gradients[0], gradients[1], count * sizeof(float));
    assert_int_equal(lrnn_optimizer_updates(pair->optimizer[0]),
                     lrnn_optimizer_updates(pair->optimizer[1]));
}

/* They are the same and go on the same way, dropout and moments included. */
static inline void expect_twins(twins *pair)
{
    expect_same_now(pair);
    for (int i = 0; i < 2; i++) {
        lrnn_train_result x = twin_step(pair, 0), y = twin_step(pair, 1);
        assert_memory_equal(&x, &y, sizeof x);
    }
    expect_same_now(pair);
}

#endif
