/* Models of all kinds, for tests of what they keep their matrices as. Include it behind
 * <cmocka.h>. */
#ifndef SUPPORT_WEIGHT_TYPES_H
#define SUPPORT_WEIGHT_TYPES_H

#include <math.h>

#include "expect.h"

enum { V = 90, F = 3, B = 9, T = 7 };

static int32_t tokens[B * T];
static float features[B * T * F];

static inline int fill(void **state)
{
    (void)state;
    for (int i = 0; i < B * T; i++) {
        tokens[i] = (i * 29 + i / 7) % V;
    }
    for (int i = 0; i < B * T * F; i++) {
        features[i] = (float)sin(i * 1.3);
    }
    return 0;
}

typedef struct kind {
    const char *name;
    int32_t cell, head, bidirectional, no_bias;
    size_t vocab, embedding, features, hidden, layers, projection;
    size_t cutoff; /* and twice that; 0: none */
} kind;

static const kind kinds[] = {
    {.name = "features", .cell = LRNN_CELL_LSTM, .features = F, .hidden = 64, .layers = 1},
    {.name = "a table of tokens",
     .cell = LRNN_CELL_GRU,
     .head = LRNN_HEAD_STEPS,
     .vocab = V,
     .embedding = 16,
     .hidden = 37,
     .layers = 2},
    {.name = "tokens without a table",
     .cell = LRNN_CELL_LSTM,
     .head = LRNN_HEAD_STEPS,
     .vocab = V * 300,
     .embedding = 20,
     .hidden = 33,
     .layers = 2},
    {.name = "one-hot and features",
     .cell = LRNN_CELL_RNN_TANH,
     .head = LRNN_HEAD_LAST,
     .vocab = V,
     .features = F,
     .hidden = 70,
     .layers = 2},
    {.name = "both ways",
     .cell = LRNN_CELL_GRU,
     .head = LRNN_HEAD_FINAL,
     .bidirectional = 1,
     .vocab = V,
     .embedding = 8,
     .features = F,
     .hidden = 24,
     .layers = 2},
    {.name = "a projection",
     .cell = LRNN_CELL_LSTM,
     .head = LRNN_HEAD_STEPS,
     .vocab = V,
     .embedding = 8,
     .hidden = 40,
     .layers = 2,
     .projection = 11},
    {.name = "relu, no biases",
     .cell = LRNN_CELL_RNN_RELU,
     .head = LRNN_HEAD_STEPS,
     .no_bias = 1,
     .features = F,
     .hidden = 50,
     .layers = 3},
    {.name = "no layers", .head = LRNN_HEAD_STEPS, .vocab = V, .embedding = 12, .features = F},
    {.name = "an adaptive softmax",
     .cell = LRNN_CELL_LSTM,
     .head = LRNN_HEAD_STEPS,
     .vocab = V,
     .embedding = 12,
     .hidden = 35,
     .layers = 1,
     .cutoff = 20},
};

#define FOR_KINDS(k) for (const kind *k = kinds; k < kinds + sizeof kinds / sizeof *kinds; k++)

static inline lrnn_model_options options_of(const kind *k, int32_t weight_type)
{
    lrnn_model_options o;
    EXPECT_OK(lrnn_model_options_init(&o, sizeof o));
    o.cell = k->cell;
    o.head = k->head;
    o.bidirectional = k->bidirectional;
    o.bias = !k->no_bias;
    o.vocab_size = k->vocab;
    o.embedding_size = k->embedding;
    o.feature_size = k->features;
    o.hidden_size = k->hidden;
    o.layers = k->layers;
    o.projection_size = k->projection;
    o.output_size = 2 * V + 1;
    o.weight_type = weight_type;
    o.cutoffs[0] = k->cutoff;
    o.cutoffs[1] = 2 * k->cutoff;
    return o;
}

static inline lrnn_model *create(const kind *k, int32_t weight_type)
{
    lrnn_model_options o = options_of(k, weight_type);
    lrnn_model *model;
    EXPECT_OK(lrnn_model_create(&model, &o));
    return model;
}

static inline lrnn_model *convert(const lrnn_model *model, int32_t weight_type)
{
    lrnn_model *made;
    EXPECT_OK(lrnn_model_convert(&made, model, weight_type));
    return made;
}

static inline int32_t type_of(const lrnn_model *model)
{
    lrnn_model_options o;
    EXPECT_OK(lrnn_model_options_init(&o, sizeof o));
    EXPECT_OK(lrnn_model_get_options(&o, model));
    return o.weight_type;
}

/* All parameters; free() takes them. */
static inline float *values_of(const lrnn_model *model)
{
    size_t count = lrnn_model_parameter_count(model);
    float *values = malloc(count * sizeof *values);
    assert_non_null(values);
    EXPECT_OK(lrnn_model_copy_parameter(values, count, model, NULL));
    return values;
}

static inline void expect_same_values(const lrnn_model *a, const lrnn_model *b)
{
    float *left = values_of(a), *right = values_of(b);
    assert_int_equal(lrnn_model_parameter_count(a), lrnn_model_parameter_count(b));
    assert_memory_equal(left, right, lrnn_model_parameter_count(a) * sizeof *left);
    free(left);
    free(right);
}

#endif
