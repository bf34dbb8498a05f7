/* The CTC loss and its gradient. Arguments: the work, threads, a folder.
 *   ctc-V   a linear layer from 8 numbers to V outputs, 32 rows of 500 steps with up to 100 labels
 * Unit: a step of training (forward, loss, backward; the learning rate is 0). The value to compare
 * is the mean loss. */
#include <stdio.h>
#include <string.h>

#include "common.h"

enum { B = 32, T = 500, S = 100, F = 8 };

typedef struct job {
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    lrnn_sequences window;
} job;

static double run(void *user)
{
    job *j = user;
    lrnn_train_result result;
    must(lrnn_train_result_init(&result, sizeof result));
    must(lrnn_trainer_step(j->trainer, j->optimizer, &j->window, &result));
    return result.loss_sum / result.loss_weight;
}

static double no_limit(void *user)
{
    (void)user;
    return 0;
}

static void make_window(lrnn_sequences *s, size_t V)
{
    float *features = allocate(B * T * F, sizeof *features);
    int32_t *labels = allocate(B * S, sizeof *labels), *lengths = allocate(B, sizeof *lengths);
    for (size_t i = 0; i < B * T * F; i++) {
        features[i] = (float)number_at(i) / 1073741824.0f - 1;
    }
    for (size_t i = 0; i < B * S; i++) {
        labels[i] = (int32_t)(1 + number_at(i + 1000000) % (V - 1));
    }
    for (size_t b = 0; b < B; b++) {
        lengths[b] = (int32_t)(S - 2 * b);
    }
    must(lrnn_sequences_init(s, sizeof *s));
    s->batch = B;
    s->steps = T;
    s->features = features;
    s->targets = labels;
    s->target_steps = S;
    s->target_lengths = lengths;
}

int main(int argc, char **argv)
{
    size_t V, threads;
    char path[512];
    static job j;
    if (argc != 4 || sscanf(argv[1], "ctc-%zu", &V) != 1 || sscanf(argv[2], "%zu", &threads) != 1) {
        fprintf(stderr, "usage: %s WORK THREADS FOLDER\n", argv[0]);
        return 2;
    }
    lrnn_model_options options;
    lrnn_model *model;
    must(lrnn_model_options_init(&options, sizeof options));
    options.feature_size = F;
    options.layers = 0;
    options.output_size = V;
    must(lrnn_model_create(&model, &options));
    snprintf(path, sizeof path, "%s/%s.safetensors", argv[3], argv[1]);
    save_for_peer(model, path);
    lrnn_trainer_options training;
    must(lrnn_trainer_options_init(&training, sizeof training));
    training.batch = B;
    training.steps = T;
    training.target_steps = S;
    training.threads = threads;
    training.loss = LRNN_LOSS_CTC;
    must(lrnn_trainer_create(&j.trainer, model, &training));
    lrnn_optimizer_options rule;
    must(lrnn_optimizer_options_init(&rule, sizeof rule));
    rule.kind = LRNN_OPTIMIZER_SGD;
    rule.learning_rate = 0;
    must(lrnn_optimizer_create(&j.optimizer, lrnn_model_parameter_count(model), &rule));
    make_window(&j.window, V);
    work of = {1, run, no_limit, &j};
    return serve(&of, "lrnn_trainer_step");
}
