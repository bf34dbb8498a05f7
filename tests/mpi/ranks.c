/* What a group of ranks does, on any number of them: mpirun -n N ranks. Every rank also trains
 * alone, with all shards, and must get the same bits. Prints "N passed, N failed". */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lrnn-mpi.h"

enum { B = 40, T = 5, V = 300, E = 4, STEPS = 4, MOST = 16384 };

static int passed, failed, rank, ranks;
static int32_t tokens[B * T], targets[B * T];

/* True on all ranks alike, whichever found it false. */
static void check_at(int line, int good, const char *what)
{
    int all;
    MPI_Allreduce(&good, &all, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    passed += all != 0;
    failed += all == 0;
    if (!good) {
        printf("%s:%d: rank %d: %s (%s; %s)\n", __FILE__, line, rank, what, lrnn_last_error(),
               lrnn_mpi_last_error());
    }
}

#define EXPECT(condition) check_at(__LINE__, (condition), #condition)
#define EXPECT_OK(call)   check_at(__LINE__, (call) == LRNN_OK, #call)
#define EXPECT_STATUS(call, status, text)                                                          \
    do {                                                                                           \
        lrnn_status found = (call);                                                                \
        check_at(__LINE__, found == (status), #call);                                              \
        check_at(__LINE__, strstr(lrnn_mpi_last_error(), text) != NULL, text);                     \
    } while (0)

/* ---- training ---- */

typedef struct setting {
    const char *name;
    int32_t cell;
    int tied, carry;
    size_t layers, hidden;
    double dropout,
        scale;    /* of the targets' weights: so small that sums of gradients are denormal */
    size_t first; /* hidden size of layer 0; 0: that of all */
} setting;

static const setting settings[] = {
    {"lstm", LRNN_CELL_LSTM, 0, 1, 1, 6, 0, 1, 0},
    {"gru with dropout", LRNN_CELL_GRU, 0, 1, 2, 6, 0.3, 1, 0},
    {"tied", LRNN_CELL_RNN_TANH, 1, 0, 1, E, 0, 1, 0},
    {"no layers", LRNN_CELL_LSTM, 0, 1, 0, 6, 0, 1, 0},
    {"denormal sums", LRNN_CELL_LSTM, 0, 1, 1, 6, 0, 3e-37, 0},
    {"layers of different sizes", LRNN_CELL_LSTM, 0, 1, 2, 4, 0.2, 1, 7},
};

static lrnn_model *make_model(const setting *s, uint64_t seed)
{
    lrnn_model_options o;
    lrnn_model *model = NULL;
    lrnn_model_options_init(&o, sizeof o);
    o.vocab_size = V;
    o.embedding_size = E;
    o.cell = s->cell;
    o.layers = s->layers;
    o.hidden_size = s->hidden;
    o.hidden_sizes[0] = s->first;
    o.tied_weights = s->tied;
    o.dropout = s->layers > 1 ? s->dropout : 0;
    o.input_dropout = s->dropout;
    o.seed = seed;
    EXPECT_OK(lrnn_model_create(&model, &o));
    return model;
}

static lrnn_trainer_options trainer_options(const setting *s)
{
    lrnn_trainer_options o;
    lrnn_trainer_options_init(&o, sizeof o);
    o.batch = B;
    o.steps = T;
    o.carry_state = s->carry;
    o.clip_norm = s->scale < 1 ? 0 : 1;
    o.reduction = s->scale < 1 ? LRNN_REDUCTION_SUM : LRNN_REDUCTION_MEAN;
    o.threads = 1 + (size_t)rank % 2;
    return o;
}

typedef struct outcome {
    lrnn_train_result trained, evaluated;
    float parameters[MOST], state[2 * B * 8];
} outcome;

static void copy_parameters(float *to, const lrnn_trainer *trainer)
{
    lrnn_model *model;
    lrnn_trainer_snapshot(&model, trainer);
    lrnn_model_copy_parameter(to, MOST, model, NULL);
    lrnn_model_destroy(model);
}

/* Plain SGD: a denormal gradient would show in the parameters if it were large enough to be added.
 */
static void train(outcome *out, lrnn_trainer *trainer, const setting *s, lrnn_mpi *group)
{
    lrnn_optimizer *optimizer;
    lrnn_optimizer_options oo;
    lrnn_sequences window;
    static float weights[B * T];
    float *gradients;
    size_t count;
    memset(out, 0, sizeof *out);
    lrnn_trainer_get_gradients(&gradients, &count, trainer);
    lrnn_optimizer_options_init(&oo, sizeof oo);
    oo.learning_rate = s->scale < 1 ? 0.01 : 0.1;
    lrnn_optimizer_create(&optimizer, count, &oo);
    lrnn_train_result_init(&out->trained, sizeof out->trained);
    lrnn_train_result_init(&out->evaluated, sizeof out->evaluated);
    lrnn_sequences_init(&window, sizeof window);
    window.steps = T;
    window.tokens = tokens;
    window.targets = targets;
    window.weights = weights;
    for (size_t i = 0; i < B * T; i++) {
        weights[i] = (float)(s->scale * (0.5 + (double)(i % 3)));
    }
    for (int i = 0; i < STEPS; i++) {
        window.batch = i == 0 && !s->carry ? B / 3 : B;
        EXPECT_OK(lrnn_trainer_step(trainer, optimizer, &window, &out->trained));
    }
    EXPECT_OK(lrnn_trainer_evaluate(trainer, &window, &out->evaluated));
    EXPECT_OK(lrnn_trainer_evaluate(trainer, &window, &out->evaluated));
    if (s->scale < 1) {
        memcpy(out->parameters, gradients, count * sizeof *gradients);
    } else {
        copy_parameters(out->parameters, trainer);
    }
    EXPECT_OK(group == NULL ? LRNN_OK : lrnn_mpi_gather_state(group, trainer));
    if (s->layers > 0 && s->carry) {
        lrnn_trainer_export_state(out->state, NULL, trainer);
    }
    lrnn_optimizer_destroy(optimizer);
}

static void any_ranks_give_the_bits_of_one(lrnn_mpi *group, const setting *s)
{
    static outcome together, alone;
    lrnn_model *model = make_model(s, 1);
    lrnn_trainer_options o = trainer_options(s);
    lrnn_trainer *trainer;
    EXPECT_OK(lrnn_mpi_join(group, &o, model));
    EXPECT_OK(lrnn_trainer_create(&trainer, model, &o));
    train(&together, trainer, s, group);
    lrnn_trainer_destroy(trainer);
    o.exchange = NULL;
    o.first_shard = o.own_shards = 0;
    EXPECT_OK(lrnn_trainer_create(&trainer, model, &o));
    train(&alone, trainer, s, NULL);
    lrnn_trainer_destroy(trainer);
    lrnn_model_destroy(model);
    EXPECT(memcmp(together.parameters, alone.parameters, sizeof alone.parameters) == 0);
    EXPECT(memcmp(&together.trained, &alone.trained, sizeof alone.trained) == 0);
    EXPECT(memcmp(&together.evaluated, &alone.evaluated, sizeof alone.evaluated) == 0);
    EXPECT(memcmp(together.state, alone.state, sizeof alone.state) == 0);
}

/* ---- the rest ---- */

static void ranks_get_the_parameters_of_the_first(lrnn_mpi *group)
{
    static float own[MOST], first[MOST];
    lrnn_model *model = make_model(&settings[0], 1 + (uint64_t)rank);
    lrnn_trainer_options o = trainer_options(&settings[0]);
    lrnn_trainer *trainer;
    EXPECT_OK(lrnn_mpi_join(group, &o, model));
    EXPECT_OK(lrnn_trainer_create(&trainer, model, &o));
    EXPECT_OK(lrnn_mpi_broadcast(group, trainer));
    copy_parameters(own, trainer);
    memcpy(first, own, sizeof own);
    MPI_Bcast(first, MOST, MPI_FLOAT, 0, MPI_COMM_WORLD);
    EXPECT(memcmp(own, first, sizeof own) == 0);
    lrnn_trainer_destroy(trainer);
    lrnn_model_destroy(model);
}

static void what_differs_is_refused_by_name(lrnn_mpi *group)
{
    int last = rank == ranks - 1;
    char text[80];
    lrnn_model *model = make_model(&settings[0], 1);
    lrnn_trainer_options o = trainer_options(&settings[0]);
    snprintf(text, sizeof text, "rank %d", ranks - 1);
    if (ranks > 1) {
        o.clip_norm = last ? 2 : 1;
        EXPECT_STATUS(lrnn_mpi_join(group, &o, model), LRNN_ERR_INVALID, "clip_norm");
        EXPECT(strstr(lrnn_mpi_last_error(), text) != NULL);
        o.clip_norm = 1;
        setting other = settings[0];
        other.hidden += last ? 1 : 0;
        lrnn_model *wider = make_model(&other, 1);
        EXPECT_STATUS(lrnn_mpi_join(group, &o, wider), LRNN_ERR_INVALID, "another model");
        lrnn_model_destroy(wider);
        EXPECT_STATUS(lrnn_mpi_agree(group, "poem", &last, sizeof last), LRNN_ERR_INVALID,
                      "another poem");
        EXPECT_STATUS(lrnn_mpi_agree(group, "length", text, last ? 3 : 4), LRNN_ERR_INVALID,
                      "another length");
    }
    o.batch = lrnn_mpi_shards(group) - 1;
    if (o.batch > 0) {
        EXPECT_STATUS(lrnn_mpi_join(group, &o, model), LRNN_ERR_INVALID, "shards");
    }
    EXPECT_OK(lrnn_mpi_agree(group, "poem", text, strlen(text)));
    lrnn_model_destroy(model);
}

static void a_rank_that_fails_is_named(lrnn_mpi *group)
{
    char text[80];
    lrnn_status own = LRNN_OK;
    EXPECT_OK(lrnn_mpi_meet(group, LRNN_OK));
    if (rank == ranks / 2) {
        lrnn_model *model;
        own = lrnn_model_load(&model, "/nowhere/at/all", NULL);
    }
    snprintf(text, sizeof text, "rank %d: /nowhere/at/all", ranks / 2);
    EXPECT_STATUS(lrnn_mpi_meet(group, own), rank == ranks / 2 ? LRNN_ERR_IO : LRNN_ERR_CALLBACK,
                  text);
}

static void a_wrong_window_on_one_rank_is_an_error_on_all(lrnn_mpi *group)
{
    static float before[MOST], after[MOST];
    lrnn_model *model = make_model(&settings[0], 1);
    lrnn_trainer_options o = trainer_options(&settings[0]);
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    lrnn_sequences window;
    int32_t right = targets[7];
    EXPECT_OK(lrnn_mpi_join(group, &o, model));
    EXPECT_OK(lrnn_trainer_create(&trainer, model, &o));
    EXPECT_OK(lrnn_optimizer_create(&optimizer, lrnn_model_parameter_count(model), NULL));
    lrnn_sequences_init(&window, sizeof window);
    window.batch = B;
    window.steps = T;
    window.tokens = tokens;
    window.targets = targets;
    copy_parameters(before, trainer);
    targets[7] = rank == ranks - 1 ? V : right;
    lrnn_status status = lrnn_trainer_step(trainer, optimizer, &window, NULL);
    targets[7] = right;
    EXPECT(status == (rank == ranks - 1 ? LRNN_ERR_INVALID : LRNN_ERR_CALLBACK));
    EXPECT_STATUS(lrnn_mpi_meet(group, status), status, "targets");
    copy_parameters(after, trainer);
    EXPECT(memcmp(before, after, sizeof before) == 0);
    lrnn_optimizer_destroy(optimizer);
    lrnn_trainer_destroy(trainer);
    lrnn_model_destroy(model);
}

/* 10 of 300 tokens occur: less than a tenth of the embedding has to go. */
static void untouched_rows_stay_at_home(lrnn_mpi *group)
{
    uint64_t bytes[2], calls[2];
    size_t cells = 2 * 4 * 6 * (6 + 1) + 4 * 6 * E, head = V * 7;
    static outcome ignored;
    lrnn_model *model = make_model(&settings[0], 1);
    lrnn_trainer_options o = trainer_options(&settings[0]);
    lrnn_trainer *trainer;
    EXPECT_OK(lrnn_mpi_join(group, &o, model));
    EXPECT_OK(lrnn_trainer_create(&trainer, model, &o));
    lrnn_mpi_traffic(group, &calls[0], &bytes[0]);
    train(&ignored, trainer, &settings[0], NULL);
    lrnn_mpi_traffic(group, &calls[1], &bytes[1]);
    double sent = (double)(bytes[1] - bytes[0]) / STEPS;
    double share = 2.0 * (ranks - 1) / ranks * sizeof(float);
    EXPECT(ranks == 1 || sent < share * ((double)(cells + head) + V * E / 5.0) + ranks * 500);
    EXPECT(ranks == 1 || sent > share * (double)head);
    lrnn_trainer_destroy(trainer);
    lrnn_model_destroy(model);
}

static void all_ranks_hear_that_one_wants_to_stop(lrnn_mpi *group)
{
    static outcome ignored;
    lrnn_model *model = make_model(&settings[0], 1);
    lrnn_trainer_options o = trainer_options(&settings[0]);
    lrnn_trainer *trainer;
    EXPECT_OK(lrnn_mpi_join(group, &o, model));
    EXPECT_OK(lrnn_trainer_create(&trainer, model, &o));
    EXPECT(lrnn_mpi_is_stopping(group) == 0);
    if (rank == ranks - 1) {
        lrnn_mpi_ask_to_stop(group);
    }
    train(&ignored, trainer, &settings[0], NULL);
    EXPECT(lrnn_mpi_is_stopping(group) == 1);
    lrnn_trainer_destroy(trainer);
    lrnn_model_destroy(model);
}

/* ---- groups ---- */

static lrnn_mpi *make_group(size_t shards)
{
    lrnn_mpi_options options;
    lrnn_mpi *group = NULL;
    EXPECT_OK(lrnn_mpi_options_init(&options, sizeof options));
    options.shards = shards;
    EXPECT_OK(lrnn_mpi_create(&group, MPI_COMM_WORLD, &options));
    EXPECT(lrnn_mpi_rank(group) == rank && lrnn_mpi_ranks(group) == ranks);
    EXPECT(lrnn_mpi_shards(group) == (shards == 0 ? (size_t)ranks : shards));
    return group;
}

static void refuse_groups(void)
{
    lrnn_mpi_options options;
    lrnn_mpi *group;
    lrnn_mpi_options_init(&options, sizeof options);
    if (ranks > 1) {
        options.shards = (size_t)ranks * 3;
        EXPECT_STATUS(lrnn_mpi_create(&group, MPI_COMM_WORLD, &options), LRNN_ERR_INVALID,
                      "cannot share");
        EXPECT(group == NULL);
        options.shards = rank == ranks - 1 ? 8 : 4;
        EXPECT_STATUS(lrnn_mpi_create(&group, MPI_COMM_WORLD, &options), LRNN_ERR_INVALID,
                      "rank 0 4");
    }
    options.size = 4;
    EXPECT_STATUS(lrnn_mpi_create(&group, MPI_COMM_WORLD, &options), LRNN_ERR_INVALID, "size");
    EXPECT(lrnn_mpi_rank(NULL) == -1 && lrnn_mpi_ranks(NULL) == 0 && lrnn_mpi_shards(NULL) == 0);
    lrnn_mpi_destroy(NULL);
    lrnn_mpi_ask_to_stop(NULL);
}

static void test_group(size_t shards)
{
    lrnn_mpi *group = make_group(shards);
    for (size_t i = 0; group != NULL && i < sizeof settings / sizeof *settings; i++) {
        if (lrnn_mpi_shards(group) <= B) {
            any_ranks_give_the_bits_of_one(group, &settings[i]);
        }
    }
    if (group != NULL && lrnn_mpi_shards(group) <= B) {
        ranks_get_the_parameters_of_the_first(group);
        what_differs_is_refused_by_name(group);
        a_rank_that_fails_is_named(group);
        a_wrong_window_on_one_rank_is_an_error_on_all(group);
        untouched_rows_stay_at_home(group);
        all_ranks_hear_that_one_wants_to_stop(group);
    }
    lrnn_mpi_destroy(group);
}

int main(int argc, char **argv)
{
    lrnn_mpi *early = NULL;
    int refused = lrnn_mpi_create(&early, MPI_COMM_WORLD, NULL) == LRNN_ERR_STATE;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    for (int i = 0; i < B * T; i++) {
        tokens[i] = i * 7 % 10 * 29;
        targets[i] = i % 11 == 3 ? -1 : i * 13 % V;
    }
    EXPECT(refused);
    refuse_groups();
    test_group(0);
    if (8 % ranks == 0 || ranks == 3) {
        test_group(ranks == 3 ? 12 : 8);
    }
    if (rank == 0) {
        printf("%d passed, %d failed\n", passed, failed);
    }
    MPI_Finalize();
    return failed > 0;
}
