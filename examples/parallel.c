/* Trains a character language model on several processes, and gets the same bits on any number of
 * them. What makes it parallel are the lines with MPI_ and lrnn_mpi_.
 *     mpirun -n 4 parallel [TEXT]       and with 1, 2 or 8 in place of 4 */
#include <lrnn-mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char text[1 << 20] = /* when no file is given; Lewis Carroll, 1871 */
    "'Twas brillig, and the slithy toves\nDid gyre and gimble in the wabe;\nAll mimsy were the "
    "borogoves,\nAnd the mome raths outgrabe.\n\n\"Beware the Jabberwock, my son!\nThe jaws that "
    "bite, the claws that catch!\nBeware the Jubjub bird, and shun\nThe frumious "
    "Bandersnatch!\"\n\n"
    "He took his vorpal sword in hand;\nLong time the manxome foe he sought--\nSo rested he by the "
    "Tumtum tree\nAnd stood awhile in thought.\n\nAnd, as in uffish thought he stood,\nThe "
    "Jabberwock, with eyes of flame,\nCame whiffling through the tulgey wood--\n";
static int32_t tokens[sizeof text];

static void must(lrnn_status status)
{
    if (status != LRNN_OK) {
        fprintf(stderr, "%s\n", lrnn_last_error());
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
}

/* For functions of liblrnn-mpi, which fail on all ranks alike. */
static void all_must(const lrnn_mpi *group, lrnn_status status)
{
    if (status != LRNN_OK) {
        if (lrnn_mpi_rank(group) <= 0) {
            fprintf(stderr, "%s\n", lrnn_mpi_last_error());
        }
        MPI_Finalize();
        exit(1);
    }
}

/* A number that shows when a bit differs. */
static uint64_t sum_of_bits(const lrnn_model *model)
{
    size_t count = lrnn_model_parameter_count(model);
    float *values = calloc(count, sizeof *values);
    uint64_t sum = 0;
    if (values != NULL) {
        must(lrnn_model_copy_parameter(values, count, model, NULL));
        for (size_t i = 0; i < count; i++) {
            uint32_t bits;
            memcpy(&bits, &values[i], sizeof bits);
            sum = (sum ^ bits) * UINT64_C(1099511628211);
        }
    }
    free(values);
    return sum;
}

static double train(lrnn_mpi *group, lrnn_trainer *trainer, lrnn_optimizer *optimizer,
                    lrnn_batches *batches)
{
    lrnn_sequences window; /* 16 rows x 32 characters, the same on every rank */
    lrnn_train_result result;
    must(lrnn_sequences_init(&window));
    must(lrnn_train_result_init(&result));
    must(lrnn_optimizer_set_learning_rate(optimizer, 0.005));
    for (int step = 0; step < 300; step++) {
        if (lrnn_batches_next(batches, &window) == LRNN_END) { /* start again from the top */
            must(lrnn_trainer_reset_state(trainer));
            must(lrnn_batches_next(batches, &window));
        }
        all_must(group,
                 lrnn_mpi_meet(group, lrnn_trainer_step(trainer, optimizer, &window, &result)));
    }
    return result.loss_sum / result.loss_weight; /* of all ranks */
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    lrnn_mpi *group;
    lrnn_mpi_options split;
    all_must(NULL, lrnn_mpi_options_init(&split));
    split.shards = 8;
    all_must(NULL, lrnn_mpi_create(&group, MPI_COMM_WORLD, &split));

    if (argc > 1) {
        if (freopen(argv[1], "rb", stdin) == NULL) {
            fprintf(stderr, "rank %d cannot read %s\n", (int)lrnn_mpi_rank(group), argv[1]);
            MPI_Abort(MPI_COMM_WORLD, 1);
        }
        text[fread(text, 1, sizeof text - 1, stdin)] = '\0';
    }
    size_t count;
    lrnn_vocab *vocab;
    must(lrnn_vocab_create_from_text(&vocab, text, strlen(text), NULL));
    must(lrnn_vocab_encode(tokens, sizeof text, &count, vocab, text, strlen(text)));
    all_must(group, lrnn_mpi_agree(group, "text", text, strlen(text)));

    lrnn_model_options shape; /* by default an LSTM of 128 units over an embedding of 64 */
    must(lrnn_model_options_init(&shape));
    shape.input_vocab = shape.output_vocab = vocab;
    lrnn_model *model;
    must(lrnn_model_create(&model, &shape));
    lrnn_trainer_options options;
    must(lrnn_trainer_options_init(&options));
    all_must(group, lrnn_mpi_join(group, &options, model));
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    lrnn_batches *batches;
    must(lrnn_trainer_create(&trainer, model, &options));
    must(lrnn_optimizer_create(&optimizer, lrnn_model_parameter_count(model), NULL));
    must(lrnn_batches_create(&batches, tokens, count, NULL));

    double loss = train(group, trainer, optimizer, batches);
    lrnn_model *trained;
    must(lrnn_trainer_snapshot(&trained, trainer));
    if (lrnn_mpi_rank(group) == 0) { /* the model is the same everywhere */
        printf("loss %.3f nats per character; bits of the model %016llx\n", loss,
               (unsigned long long)sum_of_bits(trained));
    }

    lrnn_model_destroy(trained);
    lrnn_batches_destroy(batches);
    lrnn_optimizer_destroy(optimizer);
    lrnn_trainer_destroy(trainer);
    lrnn_model_destroy(model);
    lrnn_vocab_destroy(vocab);
    lrnn_mpi_destroy(group);
    MPI_Finalize();
    return loss < 2.5 ? 0 : 1; /* guessing by letter frequency alone gives about 3 */
}
