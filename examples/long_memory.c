/* The two classic tasks of long memory (Hochreiter & Schmidhuber 1997), with an RNN, an LSTM and a
 * GRU of the same size, trained in the same way.
 *
 * Adding: two of T random numbers are marked, and at the end the net must give their sum. Always
 * answering 1 has a squared error of 0.167.
 *
 * Copying: the net reads five symbols out of eight, then blanks, then must repeat the symbols in
 * order. Having forgotten them costs log 8 = 2.08 nats each.
 *
 * usage: long_memory [T [UPDATES]]. */
#include <lrnn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define KEEP_BIAS 4.0f

enum {
    HIDDEN = 64,
    ROWS = 32,
    SYMBOLS = 8,
    COPIED = 5,
    BLANK = SYMBOLS,
    ASK = SYMBOLS + 1,
    T_MAX = 500
};

static void must(lrnn_status status)
{
    if (status != LRNN_OK) {
        fprintf(stderr, "%s\n", lrnn_last_error());
        exit(1);
    }
}

static unsigned draw(unsigned below)
{
    static unsigned long state = 1;
    state = (state * 6364136223846793005ul + 1442695040888963407ul) & 0xfffffffffffffffful;
    return (unsigned)(state >> 33) % below;
}

typedef struct task {
    const char *name;
    void (*set_model)(lrnn_model_options *options);
    int32_t loss;
    void (*fill)(lrnn_sequences *window, size_t steps);
} task;

/* ---- adding ---- */

static void set_adding(lrnn_model_options *options)
{
    options->feature_size = 2; /* a number, and whether it counts */
    options->head = LRNN_HEAD_LAST;
    options->output_size = 1;
}

static void fill_adding(lrnn_sequences *window, size_t steps)
{
    static float features[ROWS * T_MAX * 2], sums[ROWS];
    for (size_t row = 0; row < ROWS; row++) {
        float *x = features + row * steps * 2;
        for (size_t t = 0; t < steps; t++) {
            x[2 * t] = (float)draw(1000) / 1000;
            x[2 * t + 1] = 0;
        }
        size_t half = steps / 2, one = draw((unsigned)half), other = half + draw((unsigned)half);
        x[2 * one + 1] = x[2 * other + 1] = 1;
        sums[row] = x[2 * one] + x[2 * other];
    }
    window->features = features;
    window->target_values = sums;
}

/* ---- copying ---- */

static void set_copying(lrnn_model_options *options)
{
    options->vocab_size = SYMBOLS + 2;
    options->embedding_size = 0; /* one-hot */
    options->output_size = SYMBOLS;
}

static void fill_copying(lrnn_sequences *window, size_t steps)
{
    static int32_t tokens[ROWS * T_MAX], targets[ROWS * T_MAX];
    for (size_t row = 0; row < ROWS; row++) {
        int32_t *x = tokens + row * steps, *y = targets + row * steps;
        for (size_t t = 0; t < steps; t++) {
            x[t] = t < COPIED ? (int32_t)draw(SYMBOLS) : t < steps - COPIED ? BLANK : ASK;
            y[t] = t < steps - COPIED ? -1 : x[t - (steps - COPIED)]; /* below 0: does not count */
        }
    }
    window->tokens = tokens;
    window->targets = targets;
}

/* ---- training ---- */

/* Starts the gates that keep the state almost open, so that gradients reach far back from the first
 * update on (Jozefowicz, Zaremba & Sutskever 2015). Their rows are the second of i, f, g, o
 * and of r, z, n. */
static void open_gates(lrnn_trainer *trainer, const lrnn_model *model)
{
    float bias[4 * HIDDEN];
    lrnn_parameter parameter;
    must(lrnn_parameter_init(&parameter));
    must(lrnn_model_find_parameter(&parameter, model, "rnn.bias_hh_l0"));
    must(lrnn_model_copy_parameter(bias, 4 * HIDDEN, model, "rnn.bias_hh_l0"));
    for (size_t k = HIDDEN; k < 2 * HIDDEN && parameter.count > HIDDEN; k++) {
        bias[k] = KEEP_BIAS;
    }
    must(lrnn_trainer_set_parameter(trainer, "rnn.bias_hh_l0", bias, parameter.count));
}

/* Mean loss of the last tenth of the updates. */
static double train(const task *what, int32_t cell, size_t steps, size_t updates)
{
    lrnn_model_options options;
    lrnn_trainer_options trainer_options;
    lrnn_optimizer_options optimizer_options;
    must(lrnn_model_options_init(&options));
    must(lrnn_trainer_options_init(&trainer_options));
    must(lrnn_optimizer_options_init(&optimizer_options));
    options.hidden_size = HIDDEN;
    options.cell = cell;
    what->set_model(&options);
    trainer_options.batch = ROWS;
    trainer_options.steps = steps;
    trainer_options.loss = what->loss;
    trainer_options.carry_state = 0;
    trainer_options.clip_norm = 1;
    optimizer_options.learning_rate = 0.01;
    lrnn_model *model;
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    must(lrnn_model_create(&model, &options));
    must(lrnn_trainer_create(&trainer, model, &trainer_options));
    open_gates(trainer, model);
    must(lrnn_optimizer_create(&optimizer, lrnn_model_parameter_count(model), &optimizer_options));
    double sum = 0, weight = 0;
    for (size_t update = 0; update < updates; update++) {
        lrnn_sequences window;
        lrnn_train_result result;
        must(lrnn_sequences_init(&window));
        must(lrnn_train_result_init(&result));
        window.batch = ROWS;
        window.steps = steps;
        what->fill(&window, steps);
        must(lrnn_trainer_step(trainer, optimizer, &window, &result));
        if (update >= updates - updates / 10) {
            sum += result.loss_sum;
            weight += result.loss_weight;
        }
    }
    lrnn_optimizer_destroy(optimizer);
    lrnn_trainer_destroy(trainer);
    lrnn_model_destroy(model);
    return sum / weight;
}

int main(int argc, char **argv)
{
    static const task tasks[] = {
        {"adding", set_adding, LRNN_LOSS_SQUARED_ERROR, fill_adding},
        {"copying", set_copying, LRNN_LOSS_CROSS_ENTROPY, fill_copying},
    };
    size_t steps = argc > 1 ? strtoul(argv[1], NULL, 10) : 40;
    size_t updates = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000;
    if (steps < 2 * COPIED || steps > T_MAX || updates < 10) {
        fprintf(stderr, "usage: %s [T [UPDATES]], T from %d to %d\n", argv[0], 2 * COPIED, T_MAX);
        return 2;
    }
    printf("T = %zu, %zu updates\n%-8s %12s %12s %12s\n", steps, updates, "loss", "RNN", "LSTM",
           "GRU");
    for (size_t i = 0; i < 2; i++) {
        printf("%-8s", tasks[i].name);
        static const int32_t cells[] = {LRNN_CELL_RNN_TANH, LRNN_CELL_LSTM, LRNN_CELL_GRU};
        for (size_t cell = 0; cell < 3; cell++) {
            printf(" %12.4f", train(&tasks[i], cells[cell], steps, updates));
            fflush(stdout);
        }
        puts("");
    }
    return 0;
}
