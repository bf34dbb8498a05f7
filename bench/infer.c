/* Inference. Arguments: the work, threads (1), a folder for the model, and maybe
 * bfloat16 or int8: the model keeps its weights so.
 *   step-CELL-H       one step of one stream, input of H numbers, no head; unit: a step
 *   forward-CELL-H-B  1,000 steps of B streams, the same model; unit: the 1,000 steps
 * The value to compare is the sum of the last h. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"

#define STEPS 1000

typedef struct job {
    bool single; /* steps, one by one */
    size_t hidden, batch, repetition;
    double weights; /* values, biases left out */
    size_t bytes;   /* of one */
    lrnn_state *state;
    float *features, *outputs;
} job;

static double sum(const float *x, size_t count)
{
    double total = 0;
    for (size_t i = 0; i < count; i++) {
        total += (double)x[i];
    }
    return total;
}

static double run_steps(void *user)
{
    job *j = user;
    for (size_t i = 0; i < j->repetition; i++) {
        must(lrnn_state_step(j->state, NULL, j->features + i % STEPS * j->hidden, j->outputs));
    }
    return sum(j->outputs, j->hidden);
}

static double run_forward(void *user)
{
    job *j = user;
    lrnn_sequences s;
    must(lrnn_sequences_init(&s, sizeof s));
    s.batch = j->batch;
    s.steps = STEPS;
    s.features = j->features;
    for (size_t i = 0; i < j->repetition; i++) {
        must(lrnn_state_forward(j->state, &s, j->outputs));
    }
    return sum(j->outputs + (j->batch * STEPS - 1) * j->hidden, j->hidden);
}

/* A single step reads every weight once. */
static double limit_step(void *user)
{
    const job *j = user;
    return limit_read((size_t)j->weights * j->bytes, 1);
}

/* Of many steps together, the input weights (as many as the recurrent ones, since the input has H
 * numbers) multiply for all of them at once; the others are read at each step, or multiply longer
 * than that takes. */
static double limit_forward(void *user)
{
    const job *j = user;
    double multiply = limit_arithmetic(j->weights * (double)j->batch * STEPS, 1);
    double read = STEPS * limit_read((size_t)j->weights / 2 * j->bytes, 1);
    return multiply + (read > multiply ? read : multiply);
}

static void make_state(job *j, int32_t cell, int32_t weight_type, const char *path)
{
    lrnn_model_options options;
    lrnn_state_options running;
    lrnn_model *model;
    must(lrnn_model_options_init(&options, sizeof options));
    options.feature_size = j->hidden;
    options.hidden_size = j->hidden;
    options.cell = cell;
    options.head = LRNN_HEAD_NONE;
    options.weight_type = weight_type;
    must(lrnn_model_create(&model, &options));
    save_for_peer(model, path);
    must(lrnn_state_options_init(&running, sizeof running));
    running.batch = j->batch;
    must(lrnn_state_create(&j->state, model, &running));
    lrnn_model_destroy(model);
    j->weights = 2.0 * (double)(cell == LRNN_CELL_LSTM ? 4 : 3) * (double)(j->hidden * j->hidden);
    j->features = allocate(STEPS * j->batch * j->hidden, sizeof *j->features);
    j->outputs = allocate(STEPS * j->batch * j->hidden, sizeof *j->outputs);
    for (size_t i = 0; i < STEPS * j->batch * j->hidden; i++) {
        j->features[i] = (float)number_at(i) / 1073741824.0f - 1;
    }
}

int main(int argc, char **argv)
{
    char kind[16], cell[16], path[512];
    job j = {.batch = 1, .hidden = 0};
    int32_t weight_type;
    if (!read_weights(&weight_type, &j.bytes, argc, argv, 3) ||
        sscanf(argv[1], "%15[a-z]-%15[a-z]-%zu-%zu", kind, cell, &j.hidden, &j.batch) < 3) {
        fprintf(stderr, "usage: %s WORK THREADS FOLDER [bfloat16|int8]\n", argv[0]);
        return 2;
    }
    j.single = strcmp(kind, "step") == 0;
    snprintf(path, sizeof path, "%s/%s.safetensors", argv[3], argv[1]);
    make_state(&j, strcmp(cell, "lstm") == 0 ? LRNN_CELL_LSTM : LRNN_CELL_GRU, weight_type, path);
    j.repetition = j.single ? 1 + (size_t)(1e9 / j.weights) : 1 + (size_t)(1e6 / j.weights);
    if (j.single) {
        must(lrnn_state_reset(j.state));
        work of = {(double)j.repetition, run_steps, limit_step, &j};
        return serve(&of, "lrnn_state_step");
    }
    work of = {(double)j.repetition, run_forward, limit_forward, &j};
    return serve(&of, "lrnn_state_forward");
}
