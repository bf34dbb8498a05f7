/* Training steps over MPI, and the engine's own latency and bandwidth, for docs/scale.md.
 *     mpirun -n R scale WORK THREADS SECONDS      WORK: word-lstm, char-lstm, large-lstm
 *     mpirun -n R scale link                      what a step's calls of MPI cost by themselves
 * bench/peers/ddp.py trains the same with PyTorch. Prints the fastest of blocks of steps. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lrnn-mpi.h"

typedef struct work {
    const char *name;
    size_t vocab, embedding, hidden, layers, batch, steps, block;
} work;

static const work works[] = {
    {"word-lstm", 14746, 64, 64, 1, 16, 32, 4},
    {"char-lstm", 96, 64, 128, 2, 50, 50, 4},
    {"large-lstm", 96, 128, 512, 2, 64, 64, 1},
};

static int rank, ranks;

static void must(lrnn_status status)
{
    if (status != LRNN_OK) {
        fprintf(stderr, "%s; %s\n", lrnn_last_error(), lrnn_mpi_last_error());
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
}

static lrnn_trainer *make_trainer(lrnn_mpi *group, const work *of, size_t threads, size_t *count)
{
    lrnn_model_options shape;
    lrnn_trainer_options options;
    lrnn_model *model;
    lrnn_trainer *trainer;
    must(lrnn_model_options_init(&shape, sizeof shape));
    shape.vocab_size = of->vocab;
    shape.embedding_size = of->embedding;
    shape.hidden_size = of->hidden;
    shape.layers = of->layers;
    must(lrnn_model_create(&model, &shape));
    must(lrnn_trainer_options_init(&options, sizeof options));
    options.batch = of->batch;
    options.steps = of->steps;
    options.threads = threads;
    options.clip_norm = 5;
    must(lrnn_mpi_join(group, &options, model));
    must(lrnn_trainer_create(&trainer, model, &options));
    *count = lrnn_model_parameter_count(model);
    lrnn_model_destroy(model);
    return trainer;
}

/* Tokens that are about as frequent as those of a text: number k about as often as 1/k. */
static void fill(int32_t *tokens, size_t count, size_t vocab)
{
    uint64_t state = 1;
    for (size_t i = 0; i < count; i++) {
        size_t token = 1;
        do {
            state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            token = token * 2 + (state >> 60 & 1);
        } while ((state >> 40) % 14 != 0 && token < vocab);
        tokens[i] = (int32_t)((token - 1) % vocab);
    }
}

static void train(lrnn_mpi *group, const work *of, size_t threads, double seconds)
{
    size_t count, items = of->batch * of->steps;
    lrnn_trainer *trainer = make_trainer(group, of, threads, &count);
    lrnn_optimizer *adam;
    lrnn_sequences window;
    int32_t *tokens = calloc(items + 1, sizeof *tokens);
    if (tokens == NULL) {
        MPI_Abort(MPI_COMM_WORLD, 1);
        return;
    }
    fill(tokens, items + 1, of->vocab);
    must(lrnn_optimizer_create(&adam, count, NULL));
    must(lrnn_sequences_init(&window, sizeof window));
    window.batch = of->batch;
    window.steps = of->steps;
    window.tokens = tokens;
    window.targets = tokens + 1;
    must(lrnn_trainer_step(trainer, adam, &window, NULL));
    uint64_t calls[2], bytes[2];
    double best = 1e30, start = MPI_Wtime();
    size_t done = 0;
    int more = 1;
    lrnn_mpi_traffic(group, &calls[0], &bytes[0]);
    while (more) {
        double begin = MPI_Wtime();
        for (size_t i = 0; i < of->block; i++) {
            must(lrnn_trainer_step(trainer, adam, &window, NULL));
        }
        double took = (MPI_Wtime() - begin) / (double)of->block;
        best = took < best ? took : best;
        done += of->block;
        more = MPI_Wtime() - start < seconds;
        MPI_Bcast(&more, 1, MPI_INT, 0, MPI_COMM_WORLD);
    }
    lrnn_mpi_traffic(group, &calls[1], &bytes[1]);
    if (rank == 0) {
        printf("%s ranks %d threads %zu: %.2f ms a step; %zu parameters, %.0f bytes in %.1f calls "
               "from a rank\n",
               of->name, ranks, threads, best * 1e3, count,
               (double)(bytes[1] - bytes[0]) / (double)done,
               (double)(calls[1] - calls[0]) / (double)done);
    }
    lrnn_optimizer_destroy(adam);
    lrnn_trainer_destroy(trainer);
    free(tokens);
}

/* The sum of so many floats, as a step does it. */
static void measure_sum(const lrnn_exchange *exchange, size_t count)
{
    float *values = calloc(count, sizeof *values);
    double numbers[4] = {0}, best = 1e30, few = 1e30;
    for (int i = 0; values != NULL && i < 30; i++) {
        double begin = MPI_Wtime();
        exchange->sum_doubles(exchange->user, numbers, 4);
        double middle = MPI_Wtime();
        exchange->sum_floats(exchange->user, values, count);
        double end = MPI_Wtime();
        few = middle - begin < few ? middle - begin : few;
        best = end - middle < best ? end - middle : best;
    }
    if (rank == 0) {
        printf("ranks %d: few numbers %.1f us; %zu floats %.3f ms, %.0f MB/s\n", ranks, few * 1e6,
               count, best * 1e3,
               2.0 * (ranks - 1) / ranks * (double)count * sizeof(float) / best / 1e6);
    }
    free(values);
}

static void measure_link(lrnn_mpi *group)
{
    lrnn_model_options shape;
    lrnn_trainer_options options;
    lrnn_model *model;
    must(lrnn_model_options_init(&shape, sizeof shape));
    shape.vocab_size = 96;
    must(lrnn_model_create(&model, &shape));
    must(lrnn_trainer_options_init(&options, sizeof options));
    options.batch = (size_t)ranks;
    must(lrnn_mpi_join(group, &options, model));
    for (size_t count = 1024; count <= 1 << 22; count *= 8) {
        measure_sum(options.exchange, count);
    }
    lrnn_model_destroy(model);
}

int main(int argc, char **argv)
{
    lrnn_mpi *group;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    must(lrnn_mpi_create(&group, MPI_COMM_WORLD, NULL));
    if (argc == 2 && strcmp(argv[1], "link") == 0) {
        measure_link(group);
    }
    for (size_t i = 0; argc == 4 && i < sizeof works / sizeof *works; i++) {
        if (strcmp(argv[1], works[i].name) == 0) {
            train(group, &works[i], (size_t)atoi(argv[2]), atof(argv[3]));
        }
    }
    lrnn_mpi_destroy(group);
    MPI_Finalize();
    return 0;
}
