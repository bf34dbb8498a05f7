/* Trains a character language model on a text, then generates text with it.   char_lm [TEXT] */
#include <lrnn.h>
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
        exit(1);
    }
}

static void write_text(const lrnn_model *model, const lrnn_vocab *vocab)
{
    lrnn_decoder *decoder;
    lrnn_decoder_options options;
    lrnn_request request;
    lrnn_result result;
    must(lrnn_decoder_options_init(&options));
    must(lrnn_request_init(&request));
    must(lrnn_result_init(&result));
    options.method = LRNN_METHOD_SAMPLE;
    options.temperature = 0.7;
    options.max_length = 300;
    request.tokens = tokens; /* start with the first character of the text */
    request.count = 1;
    must(lrnn_decoder_create(&decoder, model, &options));
    must(lrnn_decoder_run(decoder, &request, 1));
    must(lrnn_decoder_get_result(&result, decoder, 0, 0));
    size_t length;
    must(lrnn_vocab_decode(text, sizeof text, &length, vocab, result.tokens, result.count));
    puts(text);
    lrnn_decoder_destroy(decoder);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        if (freopen(argv[1], "rb", stdin) == NULL) {
            return fprintf(stderr, "cannot read %s\n", argv[1]), 1;
        }
        text[fread(text, 1, sizeof text - 1, stdin)] = '\0';
    }
    size_t count;
    lrnn_vocab *vocab;
    must(lrnn_vocab_create_from_text(&vocab, text, strlen(text), NULL));
    must(lrnn_vocab_encode(tokens, sizeof text, &count, vocab, text, strlen(text)));

    lrnn_model_options shape; /* by default an LSTM of 128 units over an embedding of 64 */
    must(lrnn_model_options_init(&shape));
    shape.input_vocab = shape.output_vocab = vocab;
    lrnn_model *model;
    must(lrnn_model_create(&model, &shape));
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    lrnn_batches *batches;
    must(lrnn_trainer_create(&trainer, model, NULL));
    must(lrnn_optimizer_create(&optimizer, lrnn_model_parameter_count(model), NULL));
    must(lrnn_optimizer_set_learning_rate(optimizer, 0.005));
    must(lrnn_batches_create(&batches, tokens, count, NULL));
    lrnn_sequences window; /* 16 rows x 32 characters */
    lrnn_train_result result;
    must(lrnn_sequences_init(&window));
    must(lrnn_train_result_init(&result));
    for (int step = 0; step < 300; step++) {
        if (lrnn_batches_next(batches, &window) == LRNN_END) { /* start again from the top */
            must(lrnn_trainer_reset_state(trainer));
            must(lrnn_batches_next(batches, &window));
        }
        must(lrnn_trainer_step(trainer, optimizer, &window, &result));
    }
    double loss = result.loss_sum / result.loss_weight;
    printf("loss %.3f nats per character\n\n", loss);
    lrnn_model *trained;
    must(lrnn_trainer_snapshot(&trained, trainer));
    write_text(trained, vocab);

    lrnn_model_destroy(trained);
    lrnn_batches_destroy(batches);
    lrnn_optimizer_destroy(optimizer);
    lrnn_trainer_destroy(trainer);
    lrnn_model_destroy(model);
    lrnn_vocab_destroy(vocab);
    return loss < 2.5 ? 0 : 1; /* guessing by letter frequency alone gives about 3 */
}
