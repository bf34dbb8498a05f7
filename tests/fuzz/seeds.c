/* Writes the seeds of models and checkpoints into tests/fuzz/corpus: one small file for each kind
 * of network. Built and run by hand when the format grows: `make fuzz-seeds`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lrnn.h"

static void must(lrnn_status status)
{
    if (status != LRNN_OK) {
        fprintf(stderr, "seeds: %s\n", lrnn_last_error());
        exit(1);
    }
}

/* ---- models ---- */

typedef struct kind {
    const char *name;
    int32_t cell, head, bidirectional, bias, weight_type, padding_token;
    size_t vocab, embedding, features, hidden, layers, outputs, projection;
    int32_t tied;
    size_t cutoff;
} kind;

static const kind kinds[] = {
    {"lstm", LRNN_CELL_LSTM, LRNN_HEAD_STEPS, 0, 1, 0, -1, 3, 2, 0, 2, 1, 3, 0, 0, 0},
    {"gru", LRNN_CELL_GRU, LRNN_HEAD_STEPS, 0, 1, 0, 1, 3, 2, 1, 2, 2, 3, 0, 0, 0},
    {"rnn", LRNN_CELL_RNN_TANH, LRNN_HEAD_LAST, 1, 0, 0, -1, 2, 0, 0, 2, 1, 2, 0, 0, 0},
    {"relu", LRNN_CELL_RNN_RELU, LRNN_HEAD_NONE, 0, 1, 0, -1, 0, 0, 2, 3, 1, 0, 0, 0, 0},
    {"projected", LRNN_CELL_LSTM, LRNN_HEAD_FINAL, 1, 1, 0, -1, 2, 2, 0, 3, 2, 2, 2, 0, 0},
    {"half", LRNN_CELL_GRU, LRNN_HEAD_STEPS, 0, 1, LRNN_WEIGHT_BFLOAT16, -1, 3, 2, 0, 2, 1, 3, 0, 0,
     0},
    {"softmax", LRNN_CELL_LSTM, LRNN_HEAD_STEPS, 0, 1, 0, -1, 3, 2, 0, 1, 0, 3, 0, 0, 0},
    {"tied", LRNN_CELL_GRU, LRNN_HEAD_STEPS, 0, 1, 0, -1, 3, 2, 0, 2, 1, 3, 0, 1, 0},
    {"bytes", LRNN_CELL_LSTM, LRNN_HEAD_STEPS, 0, 1, LRNN_WEIGHT_INT8, -1, 3, 2, 0, 2, 1, 3, 0, 0,
     0},
    {"adaptive", LRNN_CELL_LSTM, LRNN_HEAD_STEPS, 0, 1, 0, -1, 3, 2, 0, 2, 1, 3, 0, 0, 1},
};

static lrnn_model *make(const kind *k, const lrnn_vocab *vocab)
{
    lrnn_model_options options;
    lrnn_model *model;
    must(lrnn_model_options_init(&options, sizeof options));
    options.vocab_size = k->vocab;
    options.embedding_size = k->embedding;
    options.feature_size = k->features;
    options.hidden_size = k->hidden;
    options.layers = k->layers;
    options.output_size = k->head == LRNN_HEAD_NONE ? LRNN_AUTO : k->outputs;
    options.cell = k->cell;
    options.head = k->head;
    options.bidirectional = k->bidirectional;
    options.bias = k->bias;
    options.weight_type = k->weight_type;
    options.projection_size = k->projection;
    options.padding_token = k->padding_token;
    options.tied_weights = k->tied;
    options.cutoffs[0] = k->cutoff;
    options.div_value = k->cutoff > 0 ? 2 : 0;
    options.dropout = k->layers > 1 ? 0.25 : 0;
    options.input_vocab = k->vocab == 3 ? vocab : NULL;
    options.output_vocab = k->vocab == 3 ? vocab : NULL;
    must(lrnn_model_create(&model, &options));
    return model;
}

/* ---- checkpoints ---- */

/* The file that fuzz_one of checkpoint_test.c reads: which optimizer and schedule, then the rest.
 */
static void put_before(const char *path, const unsigned char *options, size_t count)
{
    static unsigned char bytes[1 << 16];
    FILE *file = fopen(path, "rb");
    size_t length = file != NULL ? fread(bytes, 1, sizeof bytes, file) : 0;
    if (file == NULL || fclose(file) != 0 || (file = fopen(path, "wb")) == NULL ||
        fwrite(options, 1, count, file) != count || fwrite(bytes, 1, length, file) != length ||
        fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

static void train(lrnn_checkpoint *all, const kind *k)
{
    const int32_t tokens[] = {0, 1, 0, 1, 1, 0, 0, 1, 0, 1};
    lrnn_batches_options options;
    lrnn_sequences window;
    must(lrnn_batches_options_init(&options, sizeof options));
    must(lrnn_sequences_init(&window, sizeof window));
    options.batch = 2;
    options.steps = 2;
    if (k->features == 0) {
        must(lrnn_batches_create(&all->batches, tokens, 10, &options));
        must(lrnn_batches_next(all->batches, &window));
        if (k->head == LRNN_HEAD_STEPS) {
            must(lrnn_trainer_step(all->trainer, all->optimizer, &window, NULL));
        }
    }
    must(lrnn_schedule_advance(all->schedule));
}

static void write_checkpoint(const char *path, const kind *k, const lrnn_model *model, size_t index)
{
    lrnn_checkpoint all;
    lrnn_trainer_options trainer;
    lrnn_optimizer_options optimizer;
    lrnn_schedule_options schedule;
    must(lrnn_checkpoint_init(&all, sizeof all));
    must(lrnn_trainer_options_init(&trainer, sizeof trainer));
    must(lrnn_optimizer_options_init(&optimizer, sizeof optimizer));
    must(lrnn_schedule_options_init(&schedule, sizeof schedule));
    trainer.batch = trainer.steps = 2;
    trainer.loss = k->head == LRNN_HEAD_NONE ? LRNN_LOSS_NONE : LRNN_LOSS_CROSS_ENTROPY;
    optimizer.kind = (int32_t)(index % 5);
    optimizer.momentum = optimizer.kind < LRNN_OPTIMIZER_ADAGRAD ? 0.5 : 0;
    schedule.kind = (int32_t)((index + 1) % 5);
    must(lrnn_trainer_create(&all.trainer, model, &trainer));
    must(lrnn_optimizer_create(&all.optimizer, lrnn_model_parameter_count(model), &optimizer));
    must(lrnn_schedule_create(&all.schedule, &schedule));
    train(&all, k);
    all.best = index % 2 == 0 ? model : NULL;
    must(lrnn_checkpoint_save(&all, path, "a note"));
    put_before(path, (unsigned char[]){(unsigned char)optimizer.kind, (unsigned char)schedule.kind},
               2);
    lrnn_trainer_destroy(all.trainer);
    lrnn_optimizer_destroy(all.optimizer);
    lrnn_schedule_destroy(all.schedule);
    lrnn_batches_destroy(all.batches);
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "tests/fuzz/corpus";
    static const char *const tokens[] = {"a", "b", "\xc3\xa9"};
    char path[512];
    lrnn_vocab *vocab;
    must(lrnn_vocab_create_from_tokens(&vocab, tokens, NULL, 3, NULL));
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        lrnn_model *model = make(&kinds[i], vocab);
        snprintf(path, sizeof path, "%s/model/%s", folder, kinds[i].name);
        must(lrnn_model_save(model, path));
        snprintf(path, sizeof path, "%s/checkpoint/%s", folder, kinds[i].name);
        write_checkpoint(path, &kinds[i], model, i);
        lrnn_model_destroy(model);
    }
    lrnn_vocab_destroy(vocab);
    return 0;
}
