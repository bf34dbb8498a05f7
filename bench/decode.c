/* Decoding. Arguments: the work, threads (1), a folder for the model, and maybe
 * bfloat16 or int8: the model keeps its weights so.
 *   greedy-V-H, beam-WIDTH-V-H   60 tokens after one; an LSTM with embedding H; unit: a token
 * The value to compare is the log-probability of the text. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"

#define LENGTH 60

typedef struct job {
    size_t width, vocab, hidden, repetition;
    double weights; /* that a step multiplies with */
    size_t bytes;   /* of one */
    lrnn_decoder *decoder;
} job;

static double run(void *user)
{
    job *j = user;
    int32_t start = 1;
    lrnn_request request;
    lrnn_result result;
    must(lrnn_request_init(&request, sizeof request));
    must(lrnn_result_init(&result, sizeof result));
    request.tokens = &start;
    request.count = 1;
    for (size_t i = 0; i < j->repetition; i++) {
        must(lrnn_decoder_run(j->decoder, &request, 1));
    }
    must(lrnn_decoder_get_result(&result, j->decoder, 0, 0));
    return result.log_probability;
}

/* A step reads every weight once, or multiplies with it longer than that takes. */
static double limit(void *user)
{
    const job *j = user;
    double read = limit_read((size_t)j->weights * j->bytes, 1);
    double multiply = limit_arithmetic(2 * j->weights * (double)j->width, 1);
    return read > multiply ? read : multiply;
}

static void make_decoder(job *j, bool beam, int32_t weight_type, const char *path)
{
    lrnn_model_options options;
    lrnn_decoder_options decoding;
    lrnn_model *model;
    must(lrnn_model_options_init(&options, sizeof options));
    options.vocab_size = j->vocab;
    options.embedding_size = options.hidden_size = j->hidden;
    options.weight_type = weight_type;
    must(lrnn_model_create(&model, &options));
    save_for_peer(model, path);
    must(lrnn_decoder_options_init(&decoding, sizeof decoding));
    decoding.max_length = LENGTH;
    if (beam) {
        decoding.method = LRNN_METHOD_BEAM;
        decoding.beam_width = j->width;
    }
    must(lrnn_decoder_create(&j->decoder, model, &decoding));
    lrnn_model_destroy(model);
    j->weights = (double)(j->hidden * j->vocab + 8 * j->hidden * j->hidden);
}

int main(int argc, char **argv)
{
    char path[512];
    job j = {.width = 1};
    int32_t weight_type;
    bool beam = argc >= 4 && strncmp(argv[1], "beam", 4) == 0;
    if (!read_weights(&weight_type, &j.bytes, argc, argv, 3) ||
        (beam ? sscanf(argv[1], "beam-%zu-%zu-%zu", &j.width, &j.vocab, &j.hidden) != 3
              : sscanf(argv[1], "greedy-%zu-%zu", &j.vocab, &j.hidden) != 2)) {
        fprintf(stderr, "usage: %s WORK THREADS FOLDER [bfloat16|int8]\n", argv[0]);
        return 2;
    }
    snprintf(path, sizeof path, "%s/%s.safetensors", argv[3], argv[1]);
    make_decoder(&j, beam, weight_type, path);
    j.repetition = 1 + (size_t)(2e7 / j.weights / (double)j.width);
    work of = {(double)(j.repetition * LENGTH), run, limit, &j};
    return serve(&of, "lrnn_decoder_run");
}
