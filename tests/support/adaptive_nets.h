/* Models with an adaptive softmax, and windows for them. For use behind <cmocka.h>. */
#ifndef SUPPORT_ADAPTIVE_NETS_H
#define SUPPORT_ADAPTIVE_NETS_H

#include "lrnn.h"
#include "support/expect.h"

/* So many that the shortlist with the tails' values and the last tail take several slices. */
enum { V = 3300, H = 24, E = 6, B = 9, T = 11, FIRST = 1030, SECOND = 1700 };

static int32_t tokens[B * T], targets[B * T];
static const int32_t lengths[B] = {11, 4, 1, 11, 9, 11, 2, 11, 7};

static inline int fill(void **state)
{
    (void)state;
    for (int i = 0; i < B * T; i++) {
        tokens[i] = (i * 29 + i / 7) % V;
        targets[i] = i % 9 == 4 ? -1 : (i * 613 + 1020) % V;
    }
    /* The first and the last output of each section. */
    static const int32_t edges[] = {0, FIRST - 1, FIRST, SECOND - 1, SECOND, V - 1};
    static const int places[] = {0, 6, 36, 42, 60, 78};
    for (int i = 0; i < 6; i++) {
        targets[places[i]] = edges[i];
    }
    return 0;
}

static inline lrnn_model_options options_of(void)
{
    lrnn_model_options o;
    EXPECT_OK(lrnn_model_options_init(&o, sizeof o));
    o.vocab_size = V;
    o.embedding_size = E;
    o.hidden_size = H;
    o.cutoffs[0] = FIRST;
    o.cutoffs[1] = SECOND;
    o.div_value = 3;
    o.adaptive_bias = 1;
    return o;
}

static inline lrnn_model *create_with(const lrnn_model_options *o)
{
    lrnn_model *model;
    EXPECT_OK(lrnn_model_create(&model, o));
    return model;
}

/* Parameters large enough that outputs differ much. */
static inline lrnn_model *create(void)
{
    lrnn_model_options o = options_of();
    o.initial_range = 1.2;
    return create_with(&o);
}

static inline lrnn_state *create_state(const lrnn_model *model, size_t batch)
{
    lrnn_state_options o;
    lrnn_state *state;
    EXPECT_OK(lrnn_state_options_init(&o, sizeof o));
    o.batch = batch;
    EXPECT_OK(lrnn_state_create(&state, model, &o));
    return state;
}

static inline lrnn_sequences window_of(size_t batch, size_t steps)
{
    lrnn_sequences s;
    EXPECT_OK(lrnn_sequences_init(&s, sizeof s));
    s.batch = batch;
    s.steps = steps;
    s.tokens = tokens;
    s.targets = targets;
    return s;
}

static inline lrnn_trainer_options trainer_options(size_t threads)
{
    lrnn_trainer_options o;
    EXPECT_OK(lrnn_trainer_options_init(&o, sizeof o));
    o.batch = B;
    o.steps = T;
    o.threads = threads;
    return o;
}

static inline lrnn_trainer *create_shards(const lrnn_model *model, size_t threads, size_t shards)
{
    lrnn_trainer_options o = trainer_options(threads);
    lrnn_trainer *trainer;
    o.shards = shards;
    EXPECT_OK(lrnn_trainer_create(&trainer, model, &o));
    return trainer;
}

static inline lrnn_trainer *create_trainer(const lrnn_model *model, size_t threads,
                                           size_t recompute)
{
    lrnn_trainer_options o = trainer_options(threads);
    lrnn_trainer *trainer;
    o.recompute_steps = recompute;
    EXPECT_OK(lrnn_trainer_create(&trainer, model, &o));
    return trainer;
}

static inline int32_t best_between(const float *outputs, int32_t first, int32_t end)
{
    int32_t best = first;
    for (int32_t v = first; v < end; v++) {
        best = outputs[v] > outputs[best] ? v : best;
    }
    return best;
}

static inline size_t best_of(const float *outputs)
{
    return (size_t)best_between(outputs, 0, V);
}

/* The best of one slice of the shortlist, which is not the best of another. */
static inline int32_t second_best_of(const float *outputs)
{
    int32_t a = best_between(outputs, 0, 512), b = best_between(outputs, 512, 1024);
    return outputs[a] > outputs[b] ? b : a;
}

#endif
