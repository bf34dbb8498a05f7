/* A sensor gives one value every millisecond, and a network says what the next will be. It is
 * trained on recordings, then runs one step at a time: no allocation, no lock, no system call, and
 * the same work each time, so it may run where time is short. */
#define _POSIX_C_SOURCE 200809L
#include <lrnn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROWS = 16, WINDOW = 50, UPDATES = 300, STEPS = 5000 };

static void must(lrnn_status status)
{
    if (status != LRNN_OK) {
        fprintf(stderr, "%s\n", lrnn_last_error());
        exit(1);
    }
}

/* The sensor: two oscillations and a little noise. Each phase gives a different recording. */
static float sensor(double time, double phase)
{
    double noise = (double)rand() / RAND_MAX - 0.5;
    return (float)(0.6 * sin(0.21 * time + phase) + 0.3 * sin(0.57 * time + 2 * phase) +
                   0.05 * noise);
}

/* A GRU that reads one number and predicts one. */
static lrnn_model *create_model(void)
{
    lrnn_model_options options;
    must(lrnn_model_options_init(&options));
    options.vocab_size = 0;
    options.feature_size = 1;
    options.output_size = 1;
    options.hidden_size = 32;
    options.cell = LRNN_CELL_GRU;
    lrnn_model *model;
    must(lrnn_model_create(&model, &options));
    return model;
}

static lrnn_trainer *create_trainer(const lrnn_model *model)
{
    lrnn_trainer_options options;
    must(lrnn_trainer_options_init(&options));
    options.batch = ROWS;
    options.steps = WINDOW;
    options.loss = LRNN_LOSS_SQUARED_ERROR;
    lrnn_trainer *trainer;
    must(lrnn_trainer_create(&trainer, model, &options));
    return trainer;
}

/* Each of the rows follows a recording of its own, window after window: [ROWS,WINDOW,1]. */
static void record(float *values, float *next, int window)
{
    for (int row = 0; row < ROWS; row++) {
        float value = sensor(window * WINDOW, row);
        for (int step = 0; step < WINDOW; step++) {
            values[row * WINDOW + step] = value;
            value = sensor(window * WINDOW + step + 1, row);
            next[row * WINDOW + step] = value;
        }
    }
}

static lrnn_model *train(const lrnn_model *model)
{
    lrnn_trainer *trainer = create_trainer(model);
    lrnn_optimizer *optimizer;
    must(lrnn_optimizer_create(&optimizer, lrnn_model_parameter_count(model), NULL));
    must(lrnn_optimizer_set_learning_rate(optimizer, 0.01));
    float values[ROWS * WINDOW];
    float next[ROWS * WINDOW];
    lrnn_sequences sequences;
    must(lrnn_sequences_init(&sequences));
    sequences.batch = ROWS;
    sequences.steps = WINDOW;
    sequences.features = values;
    sequences.target_values = next;
    for (int update = 0; update < UPDATES; update++) {
        record(values, next, update);
        must(lrnn_trainer_step(trainer, optimizer, &sequences, NULL));
    }
    lrnn_model *trained;
    must(lrnn_trainer_snapshot(&trained, trainer));
    lrnn_optimizer_destroy(optimizer);
    lrnn_trainer_destroy(trainer);
    return trained;
}

/* An allocator that counts, to show that a step does not allocate. */
static void *count_and_allocate(void *count, size_t bytes)
{
    ++*(size_t *)count;
    return malloc(bytes);
}

static void release(void *count, void *pointer)
{
    (void)count;
    free(pointer);
}

static double microseconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return 1e6 * (double)time.tv_sec + 1e-3 * (double)time.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

/* Root mean square errors of the network and of always predicting the current value. */
typedef struct errors {
    double network;
    double same_again;
} errors;

static errors follow_sensor(lrnn_state *state, double *step_times)
{
    errors sums = {0, 0};
    float value = sensor(0, 0.5);
    for (int step = 0; step < STEPS; step++) {
        float expected;
        double start = microseconds();
        must(lrnn_state_step(state, NULL, &value, &expected));
        step_times[step] = microseconds() - start;
        float next = sensor(step + 1, 0.5);
        sums.network += pow(next - expected, 2);
        sums.same_again += pow(next - value, 2);
        value = next;
    }
    return (errors){sqrt(sums.network / STEPS), sqrt(sums.same_again / STEPS)};
}

int main(void)
{
    lrnn_model *model = create_model();
    lrnn_model *trained = train(model);

    size_t allocations = 0;
    lrnn_allocator allocator;
    must(lrnn_allocator_init(&allocator));
    allocator.user = &allocations;
    allocator.allocate = count_and_allocate;
    allocator.release = release;
    lrnn_state_options options;
    must(lrnn_state_options_init(&options));
    options.allocator = &allocator;
    lrnn_state *state;
    must(lrnn_state_create(&state, trained, &options));

    static double times[STEPS];
    size_t before = allocations;
    errors error = follow_sensor(state, times);
    size_t during = allocations - before;
    qsort(times, STEPS, sizeof times[0], by_size);
    printf("error of the network      %.4f\n", error.network);
    printf("error of \"same again\"     %.4f\n", error.same_again);
    printf("time of a step            %.2f us, 99%% below %.2f us\n", times[STEPS / 2],
           times[STEPS * 99 / 100]);
    printf("allocations in %d steps %zu\n", STEPS, during);

    lrnn_state_destroy(state);
    lrnn_model_destroy(trained);
    lrnn_model_destroy(model);
    return error.network < 0.5 * error.same_again && during == 0 ? 0 : 1;
}
