/* Training steps. Arguments: the work, threads, a folder for the initial model, which the peer
 * starts from too. Unit: one step, with Adam (0.001) and clipping at 5. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"

typedef struct training {
    const char *name;
    size_t vocab, embedding, hidden, layers, batch, steps;
    int32_t cell;
    size_t repetition; /* steps */
    /* Frequent tokens first, as in a text: token k about as often as 1/k. Else all alike. */
    bool text;
    size_t cutoffs[2]; /* of an adaptive softmax; 0: none */
} training;

/* bench/peers/train.py has the same table. */
static const training trainings[] = {
    {"word-lstm", 14746, 64, 64, 1, 16, 32, LRNN_CELL_LSTM, 4, false, {0}},
    {"word-adaptive", 14746, 64, 64, 1, 16, 32, LRNN_CELL_LSTM, 16, true, {1000, 4000}},
    {"many-words", 100000, 64, 64, 1, 16, 32, LRNN_CELL_LSTM, 1, true, {0}},
    {"many-words-adaptive", 100000, 64, 64, 1, 16, 32, LRNN_CELL_LSTM, 8, true, {2000, 10000}},
    {"char-lstm", 96, 64, 128, 2, 50, 50, LRNN_CELL_LSTM, 4, false, {0}},
    {"char-gru", 96, 64, 128, 2, 50, 50, LRNN_CELL_GRU, 4, false, {0}},
    {"char-rnn", 96, 64, 128, 2, 50, 50, LRNN_CELL_RNN_TANH, 8, false, {0}},
    {"large-lstm", 96, 128, 512, 2, 64, 64, LRNN_CELL_LSTM, 1, false, {0}},
};

#define WINDOWS 4 /* are gone through again and again */

typedef struct job {
    training of;
    size_t threads;
    int32_t *inputs, *targets;
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    size_t window;
    double weights; /* numbers that multiply every row */
} job;

/* Every power of two that begins below V is as likely as the next. */
static int32_t token(const training *of, uint64_t i)
{
    uint64_t number = number_at(i), lengths = 0;
    if (!of->text) {
        return (int32_t)(number % of->vocab);
    }
    while (of->vocab >> lengths > 0) {
        lengths++;
    }
    uint64_t power = (uint64_t)1 << number % lengths;
    return (int32_t)((power + number / lengths % power - 1) % of->vocab);
}

static void make_windows(job *j)
{
    size_t B = j->of.batch, T = j->of.steps, count = WINDOWS * B * T;
    j->inputs = allocate(count, sizeof *j->inputs);
    j->targets = allocate(count, sizeof *j->targets);
    for (size_t i = 0; i < count; i++) {
        size_t row = i / T, t = i % T;
        j->inputs[i] = token(&j->of, row * (T + 1) + t);
        j->targets[i] = token(&j->of, row * (T + 1) + t + 1);
    }
}

/* Those of an adaptive softmax that few rows meet. */
static size_t tail_weights(const lrnn_model *model)
{
    size_t count = 0;
    for (size_t i = 0; i < lrnn_model_tensor_count(model); i++) {
        lrnn_parameter p;
        must(lrnn_parameter_init(&p, sizeof p));
        must(lrnn_model_get_parameter(&p, model, i));
        count += strncmp(p.name, "head.tail.", 10) == 0 ? p.count : 0;
    }
    return count;
}

static void make_trainer(job *j, const char *folder)
{
    lrnn_model_options options;
    lrnn_trainer_options trainer;
    lrnn_model *model;
    char path[512];
    must(lrnn_model_options_init(&options, sizeof options));
    options.vocab_size = j->of.vocab;
    options.embedding_size = j->of.embedding;
    options.hidden_size = j->of.hidden;
    options.layers = j->of.layers;
    options.cell = j->of.cell;
    options.cutoffs[0] = j->of.cutoffs[0];
    options.cutoffs[1] = j->of.cutoffs[1];
    must(lrnn_model_create(&model, &options));
    snprintf(path, sizeof path, "%s/%s.safetensors", folder, j->of.name);
    must(lrnn_model_save(model, path));
    must(lrnn_trainer_options_init(&trainer, sizeof trainer));
    trainer.batch = j->of.batch;
    trainer.steps = j->of.steps;
    trainer.threads = j->threads;
    trainer.clip_norm = 5;
    must(lrnn_trainer_create(&j->trainer, model, &trainer));
    must(lrnn_optimizer_create(&j->optimizer, lrnn_model_parameter_count(model), NULL));
    j->weights = (double)(lrnn_model_parameter_count(model) - j->of.vocab * j->of.embedding -
                          tail_weights(model));
    lrnn_model_destroy(model);
}

static double train(void *user)
{
    job *j = user;
    lrnn_train_result result;
    must(lrnn_train_result_init(&result, sizeof result));
    for (size_t i = 0; i < j->of.repetition; i++) {
        size_t at = j->window++ % WINDOWS * j->of.batch * j->of.steps;
        lrnn_sequences s;
        must(lrnn_sequences_init(&s, sizeof s));
        s.batch = j->of.batch;
        s.steps = j->of.steps;
        s.tokens = j->inputs + at;
        s.targets = j->targets + at;
        must(lrnn_trainer_step(j->trainer, j->optimizer, &s, &result));
    }
    return result.loss_sum / result.loss_weight;
}

/* Every weight that multiplies every row takes part in one product forwards and in two backwards.
 */
static double limit(void *user)
{
    const job *j = user;
    double rows = (double)(j->of.batch * j->of.steps);
    return limit_arithmetic(6 * rows * j->weights, j->threads);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s WORK THREADS FOLDER\n", argv[0]);
        return 2;
    }
    for (size_t i = 0; i < sizeof trainings / sizeof *trainings; i++) {
        if (strcmp(argv[1], trainings[i].name) == 0) {
            job j = {.of = trainings[i], .threads = strtoul(argv[2], NULL, 10)};
            make_windows(&j);
            make_trainer(&j, argv[3]);
            work of = {(double)j.of.repetition, train, limit, &j};
            return serve(&of, "lrnn_trainer_step");
        }
    }
    fprintf(stderr, "no such work: %s\n", argv[1]);
    return 2;
}
