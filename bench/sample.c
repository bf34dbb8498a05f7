/* Tiny layers, as audio and control run them: one number in, one number out a sample. Arguments:
 * the work, threads (1) and a folder for the model.
 *   sample-CELL-H   one layer and a linear head, a step a sample
 *   block-CELL-H    the same over blocks of 64 samples
 * Unit: a sample. The value to compare is the sum of the last 64 outputs. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common.h"

#define BLOCK  64
#define BLOCKS 4096 /* a repetition */

typedef struct job {
    double operations; /* multiplications and additions of a sample */
    lrnn_state *state;
    float x[BLOCK], y[BLOCK];
} job;

static double sum(const float *y)
{
    double total = 0;
    for (size_t i = 0; i < BLOCK; i++) {
        total += (double)y[i];
    }
    return total;
}

static double run_samples(void *user)
{
    job *j = user;
    for (size_t i = 0; i < BLOCKS; i++) {
        for (size_t t = 0; t < BLOCK; t++) {
            must(lrnn_state_step(j->state, NULL, &j->x[t], &j->y[t]));
        }
    }
    return sum(j->y);
}

static double run_blocks(void *user)
{
    job *j = user;
    lrnn_sequences s;
    must(lrnn_sequences_init(&s, sizeof s));
    s.batch = 1;
    s.steps = BLOCK;
    s.features = j->x;
    for (size_t i = 0; i < BLOCKS; i++) {
        must(lrnn_state_forward(j->state, &s, j->y));
    }
    return sum(j->y);
}

static double limit(void *user)
{
    const job *j = user;
    return limit_arithmetic(j->operations, 1);
}

static void make_state(job *j, bool lstm, size_t hidden, const char *path)
{
    lrnn_model_options options;
    lrnn_model *model;
    must(lrnn_model_options_init(&options, sizeof options));
    options.feature_size = options.output_size = 1;
    options.hidden_size = hidden;
    options.cell = lstm ? LRNN_CELL_LSTM : LRNN_CELL_GRU;
    must(lrnn_model_create(&model, &options));
    must(lrnn_model_save(model, path));
    lrnn_state_options running;
    must(lrnn_state_options_init(&running, sizeof running));
    running.steps = BLOCK;
    must(lrnn_state_create(&j->state, model, &running));
    lrnn_model_destroy(model);
    j->operations = 2.0 * (double)(lstm ? 4 : 3) * (double)(hidden * (hidden + 1));
    for (size_t t = 0; t < BLOCK; t++) {
        j->x[t] = (float)sin(6.283185307179586 * (double)t / BLOCK);
    }
}

int main(int argc, char **argv)
{
    char kind[16], cell[16], path[512];
    size_t hidden;
    static job j;
    if (argc != 4 || sscanf(argv[1], "%15[a-z]-%15[a-z]-%zu", kind, cell, &hidden) != 3) {
        fprintf(stderr, "usage: %s WORK THREADS FOLDER\n", argv[0]);
        return 2;
    }
    snprintf(path, sizeof path, "%s/%s.safetensors", argv[3], argv[1]);
    make_state(&j, strcmp(cell, "lstm") == 0, hidden, path);
    bool single = strcmp(kind, "sample") == 0;
    work of = {(double)BLOCKS * BLOCK, single ? run_samples : run_blocks, limit, &j};
    return serve(&of, single ? "lrnn_state_step" : "lrnn_state_forward");
}
