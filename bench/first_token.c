/* Loads a model, feeds it one token and prints the likeliest next one. Argument: the file. */
#include <stdio.h>

#include "common.h"

int main(int argc, char **argv)
{
    lrnn_model *model;
    lrnn_decoder_options options;
    lrnn_decoder *decoder;
    lrnn_request request;
    lrnn_result result;
    int32_t start = 1;
    must(lrnn_model_load(&model, argc > 1 ? argv[1] : "", NULL));
    must(lrnn_decoder_options_init(&options, sizeof options));
    options.max_length = 1;
    must(lrnn_decoder_create(&decoder, model, &options));
    must(lrnn_request_init(&request, sizeof request));
    request.tokens = &start;
    request.count = 1;
    must(lrnn_decoder_run(decoder, &request, 1));
    must(lrnn_result_init(&result, sizeof result));
    must(lrnn_decoder_get_result(&result, decoder, 0, 0));
    printf("%d\n", (int)result.tokens[0]);
    lrnn_decoder_destroy(decoder);
    lrnn_model_destroy(model);
    return 0;
}
