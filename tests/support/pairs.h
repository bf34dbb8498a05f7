/* Every option of a model and of a trainer, as rows of a table whose pairs are tried, and windows
 * for what they make. For use behind <cmocka.h>, with float32 or, for gradients, in double. */
#ifndef SUPPORT_PAIRS_H
#define SUPPORT_PAIRS_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lrnn.h"

#ifdef LRNN_REAL
typedef LRNN_REAL pairs_real;
#else
typedef float pairs_real;
#endif

enum { V = 6, H = 4, B = 3, T = 4, F = 2, S = 2, MOST = 2 * H * B * T };

/* ---- options ---- */

typedef struct setting {
    lrnn_model_options model;
    lrnn_trainer_options trainer;
    int32_t average, uneven; /* uneven: rows have lengths */
} setting;

static const pairs_real output_weights[V] = {1, 0.5, 2, 1, 0.25, 1};

static inline int32_t alone_doubles(void *user, double *values, size_t count)
{
    (void)user;
    (void)values;
    (void)count;
    return 0;
}

static inline int32_t alone_floats(void *user, pairs_real *values, size_t count)
{
    (void)user;
    (void)values;
    (void)count;
    return 0;
}

static const lrnn_exchange alone = {sizeof alone, NULL, alone_doubles, alone_floats};

/* A field that is set; its type tells how. */
typedef struct change {
    const char *name;
    size_t offset;
    char type;
    double value;
} change;

#define TYPE_OF(x)                                                                                 \
    _Generic((x), int32_t : 'i', size_t : 'z', double : 'd', const pairs_real * : 'f', default : 'e')
#define SET(path, value)                                                                           \
    {                                                                                              \
#path, offsetof(setting, path), TYPE_OF(((setting *)NULL)->path), value                    \
    }

/* A row is one option, with what it needs. */
typedef struct row {
    change changes[3];
} row;

static const row rows[] = {
    {{SET(model.cell, LRNN_CELL_RNN_TANH)}},
    {{SET(model.cell, LRNN_CELL_RNN_RELU)}},
    {{SET(model.cell, LRNN_CELL_GRU)}},
    {{SET(model.projection_size, 3)}},
    {{SET(model.bidirectional, 1)}},
    {{SET(model.bias, 0)}},
    {{SET(model.layers, 0)}},
    {{SET(model.layers, 1)}},
    {{SET(model.embedding_size, 0)}},
    {{SET(model.feature_size, F)}},
    {{SET(model.vocab_size, 0), SET(model.embedding_size, 0), SET(model.feature_size, F)}},
    {{SET(model.padding_token, 2)}},
    {{SET(model.head, LRNN_HEAD_LAST)}},
    {{SET(model.head, LRNN_HEAD_FINAL)}},
    {{SET(model.head, LRNN_HEAD_NONE), SET(model.output_size, 0),
      SET(trainer.loss, LRNN_LOSS_NONE)}},
    {{SET(model.weight_type, LRNN_WEIGHT_BFLOAT16)}},
    {{SET(model.weight_type, LRNN_WEIGHT_INT8)}},
    {{SET(model.initial_range, 0.3)}},
    {{SET(model.forget_bias, 1)}},
    {{SET(model.orthogonal, 1)}},
    {{SET(model.tied_weights, 1)}},
    {{SET(model.dropout, 0.3)}},
    {{SET(model.input_dropout, 0.3)}},
    {{SET(model.output_dropout, 0.3)}},
    {{SET(model.embedding_dropout, 0.3)}},
    {{SET(model.locked_dropout, 1), SET(model.input_dropout, 0.3), SET(model.dropout, 0.3)}},
    {{SET(model.weight_dropout, 0.3)}},
    {{SET(model.cutoffs[0], 3)}},
    {{SET(model.cutoffs[0], 2), SET(model.cutoffs[1], 4), SET(model.div_value, 1.5)}},
    {{SET(model.cutoffs[0], 4), SET(model.adaptive_bias, 1)}},
    {{SET(model.output_activation, LRNN_ACTIVATION_SIGMOID),
      SET(trainer.loss, LRNN_LOSS_BINARY_CROSS_ENTROPY)}},
    {{SET(model.output_activation, LRNN_ACTIVATION_TANH),
      SET(trainer.loss, LRNN_LOSS_SQUARED_ERROR)}},
    {{SET(model.output_activation, LRNN_ACTIVATION_SOFTMAX)}},
    {{SET(model.output_activation, LRNN_ACTIVATION_LOG_SOFTMAX)}},
    {{SET(model.layer_norm, 1)}},
    {{SET(model.layer_norm, 1), SET(model.layer_norm_epsilon, 0.01)}},
    {{SET(model.residual, 1)}},
    {{SET(model.input_layer_size, 5), SET(model.input_layer_activation, LRNN_ACTIVATION_TANH)}},
    {{SET(model.input_layer_size, H)}},
    {{SET(model.head_layer_size, 5), SET(model.head_layer_activation, LRNN_ACTIVATION_RELU)}},
    {{SET(model.head_layer_size, H), SET(model.head_layer_activation, LRNN_ACTIVATION_SIGMOID)}},
    {{SET(model.learned_state, 1), SET(model.initial_range, 0.3)}},
    {{SET(model.hidden_sizes[0], 7)}},
    {{SET(model.hidden_sizes[1], 2)}},
    {{SET(trainer.loss, LRNN_LOSS_NONE)}},
    {{SET(trainer.loss, LRNN_LOSS_SQUARED_ERROR)}},
    {{SET(trainer.loss, LRNN_LOSS_ABSOLUTE_ERROR)}},
    {{SET(trainer.loss, LRNN_LOSS_HUBER), SET(trainer.loss_transition, 0.4)}},
    {{SET(trainer.loss, LRNN_LOSS_SMOOTH_L1), SET(trainer.loss_transition, 0.4)}},
    {{SET(trainer.loss, LRNN_LOSS_BINARY_CROSS_ENTROPY)}},
    {{SET(trainer.loss, LRNN_LOSS_BINARY_CROSS_ENTROPY), SET(trainer.positive_weights, 1)}},
    {{SET(trainer.loss, LRNN_LOSS_CTC), SET(trainer.zero_infinity, 1)}},
    {{SET(trainer.reduction, LRNN_REDUCTION_SUM)}},
    {{SET(trainer.reduction, LRNN_REDUCTION_ROWS)}},
    {{SET(trainer.label_smoothing, 0.2)}},
    {{SET(trainer.class_weights, 1)}},
    {{SET(trainer.activation_l2, 2)}},
    {{SET(trainer.temporal_l2, 1)}},
    {{SET(trainer.clip_norm, 0.1)}},
    {{SET(trainer.clip_value, 0.01)}},
    {{SET(trainer.carry_state, 0)}},
    {{SET(trainer.recompute_steps, 1)}},
    {{SET(trainer.recompute_steps, 3)}},
    {{SET(trainer.shards, 2)}},
    {{SET(trainer.shards, 3)}},
    {{SET(trainer.exchange, 1)}},
    {{SET(average, 1)}},
    {{SET(uneven, 1)}},
};

enum { ROWS = sizeof rows / sizeof *rows };

static inline void apply(setting *s, const row *from)
{
    for (size_t i = 0; i < 3 && from->changes[i].name != NULL; i++) {
        const change *c = &from->changes[i];
        char *to = (char *)s + c->offset;
        int32_t whole = (int32_t)c->value;
        size_t size = (size_t)c->value;
        const pairs_real *weights = output_weights;
        const lrnn_exchange *exchange = &alone;
        switch (c->type) {
        case 'i': memcpy(to, &whole, sizeof whole); break;
        case 'z': memcpy(to, &size, sizeof size); break;
        case 'd': memcpy(to, &c->value, sizeof c->value); break;
        case 'f': memcpy(to, &weights, sizeof weights); break;
        default: memcpy(to, &exchange, sizeof exchange); break;
        }
    }
}

static inline setting setting_of(const row *a, const row *b)
{
    setting s;
    memset(&s, 0, sizeof s);
    assert_int_equal(lrnn_model_options_init(&s.model, sizeof s.model), LRNN_OK);
    assert_int_equal(lrnn_trainer_options_init(&s.trainer, sizeof s.trainer), LRNN_OK);
    s.model.vocab_size = V;
    s.model.embedding_size = H;
    s.model.hidden_size = H;
    s.model.layers = 2;
    s.model.output_size = V;
    s.trainer.batch = B;
    s.trainer.steps = T;
    apply(&s, a);
    apply(&s, b);
    return s;
}

/* ---- messages ---- */

static const row *at[2];
static int failures;

/* The last part of a field's name, without an index. */
static inline void short_name(char text[40], const char *path)
{
    const char *dot = strrchr(path, '.');
    snprintf(text, 40, "%s", dot != NULL ? dot + 1 : path);
    text[strcspn(text, "[")] = '\0';
}

static inline void say_pair(void)
{
    print_error("%s with %s: %s\n", at[0]->changes[0].name, at[1]->changes[0].name,
                lrnn_last_error());
}

/* What is refused is so by the name of a field of the pair. */
static inline bool is_refused(lrnn_status status)
{
    bool named = false;
    if (status == LRNN_OK) {
        return false;
    }
    for (size_t i = 0; i < 6; i++) {
        char word[40];
        const char *name = at[i / 3]->changes[i % 3].name;
        if (name != NULL) {
            short_name(word, name);
            named = named || strstr(lrnn_last_error(), word) != NULL;
        }
    }
    if (!named || (status != LRNN_ERR_INVALID && status != LRNN_ERR_UNSUPPORTED)) {
        say_pair();
        failures++;
    }
    return true;
}

static inline void must(lrnn_status status)
{
    if (status != LRNN_OK) {
        say_pair();
        fail();
    }
}

/* ---- windows ---- */

static int32_t tokens[B * T], targets[B * T];
static pairs_real features[B * T * F], values[MOST], slopes[MOST];
static const int32_t lengths[B] = {4, 3, 4};

static inline int fill(void **unused)
{
    (void)unused;
    for (int i = 0; i < B * T; i++) {
        tokens[i] = (i * 5 + i / 3) % V;
        targets[i] = 1 + (i * 7 + i / 2) % (V - 1);
    }
    for (int i = 0; i < B * T * F; i++) {
        features[i] = (pairs_real)(i * 11 % 17) / 8 - 1;
    }
    for (int i = 0; i < MOST; i++) {
        values[i] = (pairs_real)(i % 3) / 2;
        slopes[i] = (pairs_real)(i * 5 % 13) / 6 - 1;
    }
    return 0;
}

static inline lrnn_sequences window_of(const setting *s)
{
    lrnn_sequences w;
    const int32_t loss = s->trainer.loss;
    bool classes = loss == LRNN_LOSS_CROSS_ENTROPY || loss == LRNN_LOSS_CTC;
    assert_int_equal(lrnn_sequences_init(&w, sizeof w), LRNN_OK);
    w.batch = B;
    w.steps = T;
    w.tokens = s->model.vocab_size > 0 ? tokens : NULL;
    w.features = s->model.feature_size > 0 ? features : NULL;
    w.lengths = s->uneven ? lengths : NULL;
    w.targets = classes ? targets : NULL;
    w.target_values = classes || loss == LRNN_LOSS_NONE ? NULL : values;
    w.target_steps = loss == LRNN_LOSS_CTC ? S : 0;
    return w;
}

#endif
