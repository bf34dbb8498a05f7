/* The whole life of a model: made, saved, loaded, run, trained, put into a checkpoint and taken out
 * again, with every object's memory from one allocator. */
#ifndef FAULT_LIFE_H
#define FAULT_LIFE_H

#include "lrnn.h"
#include "support/scratch.h"

enum { LIFE_V = 7, LIFE_F = 2, LIFE_B = 3, LIFE_T = 4, LIFE_STREAM = 4 * LIFE_B * LIFE_T };

typedef struct life {
    lrnn_vocab *vocab;
    lrnn_model *model, *second, *third, *published;
    lrnn_state *state;
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    lrnn_schedule *schedule;
    lrnn_batches *batches;
    lrnn_sequences window;
    int32_t stream[LIFE_STREAM];
    float features[LIFE_B * LIFE_T * LIFE_F], parameters[4096];
} life;

typedef struct life_kind {
    int32_t cell, bidirectional, weight_type;
    size_t layers, features, projection, threads, recompute;
    bool vocab, adaptive;
} life_kind;

static const life_kind life_kinds[] = {
    {.cell = LRNN_CELL_LSTM, .layers = 2, .vocab = true, .threads = 1, .projection = 2},
    {.cell = LRNN_CELL_GRU, .bidirectional = 1, .layers = 1, .features = LIFE_F, .threads = 2},
    {.cell = LRNN_CELL_RNN_TANH, .layers = 0, .vocab = true, .threads = 1},
    {.cell = LRNN_CELL_RNN_RELU,
     .layers = 1,
     .vocab = true,
     .threads = 1,
     .recompute = 2,
     .weight_type = LRNN_WEIGHT_BFLOAT16},
    {.cell = LRNN_CELL_LSTM, .layers = 1, .vocab = true, .threads = 2, .adaptive = true},
    {.cell = LRNN_CELL_GRU,
     .layers = 1,
     .vocab = true,
     .threads = 1,
     .weight_type = LRNN_WEIGHT_INT8},
};

enum { LIFE_KINDS = sizeof life_kinds / sizeof *life_kinds };

/* Where an out-parameter points before a call, which must set it to NULL when it fails: life_end
 * would trip over it. */
#define LIFE_BAD ((void *)1)

#define LIFE_TRY(call)                                                                             \
    do {                                                                                           \
        lrnn_status life_status = (call);                                                          \
        if (life_status != LRNN_OK) {                                                              \
            return life_status;                                                                    \
        }                                                                                          \
    } while (0)

static inline lrnn_status life_make_vocab(life *l, const lrnn_allocator *allocator)
{
    static const char *const labels[LIFE_V] = {"<unk>", "a", "b", "\xc3\xa9", "\"", "\\", "word"};
    lrnn_vocab_options o;
    lrnn_vocab_options_init(&o, sizeof o);
    o.allocator = allocator;
    l->vocab = LIFE_BAD;
    return lrnn_vocab_create_from_labels(&l->vocab, labels, LIFE_V, &o);
}

static inline lrnn_status life_make_model(life *l, const life_kind *kind,
                                          const lrnn_allocator *allocator)
{
    lrnn_model_options o;
    lrnn_model_options_init(&o, sizeof o);
    o.allocator = allocator;
    o.input_vocab = l->vocab;
    o.embedding_size = 3;
    o.feature_size = kind->features;
    o.hidden_size = 4;
    o.layers = kind->layers;
    o.output_size = LIFE_V;
    o.cell = kind->cell;
    o.bidirectional = kind->bidirectional;
    o.projection_size = kind->projection;
    o.weight_type = kind->weight_type;
    o.cutoffs[0] = kind->adaptive ? 2 : 0;
    o.adaptive_bias = kind->adaptive;
    l->model = LIFE_BAD;
    return lrnn_model_create(&l->model, &o);
}

/* The same model from its tensors. */
static inline lrnn_status life_make_second(life *l, const lrnn_allocator *allocator)
{
    lrnn_tensor tensors[32];
    lrnn_model_options o;
    size_t count = lrnn_model_tensor_count(l->model);
    lrnn_model_options_init(&o, sizeof o);
    LIFE_TRY(lrnn_model_get_options(&o, l->model));
    o.allocator = allocator;
    LIFE_TRY(lrnn_model_copy_parameter(l->parameters, 4096, l->model, NULL));
    for (size_t i = 0; i < count; i++) {
        lrnn_parameter p;
        lrnn_parameter_init(&p, sizeof p);
        lrnn_tensor_init(&tensors[i], sizeof tensors[i]);
        LIFE_TRY(lrnn_model_get_parameter(&p, l->model, i));
        tensors[i].name = p.name;
        tensors[i].values = l->parameters + p.offset;
        tensors[i].rank = p.rank;
        tensors[i].shape[0] = p.shape[0];
        tensors[i].shape[1] = p.shape[1];
    }
    l->second = LIFE_BAD;
    return lrnn_model_create_from_tensors(&l->second, &o, tensors, count);
}

static inline lrnn_status life_make_training(life *l, const life_kind *kind,
                                             const lrnn_allocator *allocator)
{
    lrnn_trainer_options t;
    lrnn_optimizer_options o;
    lrnn_schedule_options s;
    lrnn_batches_options b;
    lrnn_trainer_options_init(&t, sizeof t);
    lrnn_optimizer_options_init(&o, sizeof o);
    lrnn_schedule_options_init(&s, sizeof s);
    lrnn_batches_options_init(&b, sizeof b);
    t.allocator = o.allocator = s.allocator = b.allocator = allocator;
    t.batch = b.batch = LIFE_B;
    t.steps = b.steps = LIFE_T;
    t.threads = kind->threads;
    t.recompute_steps = kind->recompute;
    l->trainer = LIFE_BAD;
    LIFE_TRY(lrnn_trainer_create(&l->trainer, l->model, &t));
    l->optimizer = LIFE_BAD;
    LIFE_TRY(lrnn_optimizer_create(&l->optimizer, lrnn_model_parameter_count(l->model), &o));
    l->schedule = LIFE_BAD;
    LIFE_TRY(lrnn_schedule_create(&l->schedule, &s));
    for (int i = 0; i < LIFE_STREAM; i++) {
        l->stream[i] = i * 5 % LIFE_V;
    }
    l->batches = LIFE_BAD;
    return lrnn_batches_create(&l->batches, l->stream, LIFE_STREAM, &b);
}

static inline lrnn_status life_next(life *l, const life_kind *kind)
{
    lrnn_sequences_init(&l->window, sizeof l->window);
    LIFE_TRY(lrnn_batches_next(l->batches, &l->window));
    if (!kind->vocab) {
        l->window.tokens = NULL;
    }
    l->window.features = kind->features > 0 ? l->features : NULL;
    return LRNN_OK;
}

static inline lrnn_checkpoint life_checkpoint(const life *l)
{
    lrnn_checkpoint all;
    lrnn_checkpoint_init(&all, sizeof all);
    all.trainer = l->trainer;
    all.optimizer = l->optimizer;
    all.schedule = l->schedule;
    all.batches = l->batches;
    return all;
}

/* Up to a trainer that has trained one window. */
static inline lrnn_status life_begin(life *l, const life_kind *kind,
                                     const lrnn_allocator *allocator)
{
    memset(l, 0, sizeof *l);
    if (kind->vocab) {
        LIFE_TRY(life_make_vocab(l, allocator));
    }
    LIFE_TRY(life_make_model(l, kind, allocator));
    LIFE_TRY(life_make_training(l, kind, allocator));
    LIFE_TRY(life_next(l, kind));
    return lrnn_trainer_step(l->trainer, l->optimizer, &l->window, NULL);
}

static inline void life_end(life *l)
{
    lrnn_vocab_destroy(l->vocab);
    lrnn_model_destroy(l->model);
    lrnn_model_destroy(l->second);
    lrnn_model_destroy(l->third);
    lrnn_model_destroy(l->published);
    lrnn_state_destroy(l->state);
    lrnn_trainer_destroy(l->trainer);
    lrnn_optimizer_destroy(l->optimizer);
    lrnn_schedule_destroy(l->schedule);
    lrnn_batches_destroy(l->batches);
}

/* Reads a whole file; the caller frees it. */
static inline unsigned char *life_read(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        abort();
    }
    unsigned char *bytes = malloc(1 << 20);
    *length = bytes == NULL ? 0 : fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

static inline void life_write(const char *path, const unsigned char *bytes, size_t length)
{
    remove(path); /* some file systems sync what is truncated and written again */
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, length, file) != length || fclose(file) != 0) {
        perror(path);
        abort();
    }
}

#endif
