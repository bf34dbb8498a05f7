/* Model files that are nearly right: what loads can be used, saved and loaded again, and loading
 * takes memory of the order of the file. */
#include "change_safetensors.h"
#include "use.h"

enum { MODEL_SLACK = 16 << 20 };

static void fuzz_one(const unsigned char *bytes, size_t length)
{
    lrnn_model *model;
    const lrnn_allocator *allocator = fuzz_memory_begin(MODEL_SLACK + 8 * length);
    lrnn_status status = lrnn_model_load_memory(&model, bytes, length, allocator);
    if (status == LRNN_OK) {
        use_model(model, allocator);
    } else {
        FUZZ_CHECK(model == NULL);
        FUZZ_CHECK(status == LRNN_ERR_FORMAT || status == LRNN_ERR_NUMERIC ||
                   status == LRNN_ERR_UNSUPPORTED || status == LRNN_ERR_MEMORY);
    }
    lrnn_model_destroy(model);
    fuzz_memory_end();
}

static size_t fuzz_change(unsigned char *bytes, size_t length, size_t room, uint64_t *random)
{
    static const char *const words[] = {
        "lrnn.bias",
        "lrnn.bidirectional",
        "lrnn.cell",
        "lrnn.dropout",
        "lrnn.embedding_size",
        "lrnn.feature_size",
        "lrnn.format",
        "lrnn.head",
        "lrnn.hidden_size",
        "lrnn.projection_size",
        "lrnn.padding_token",
        "lrnn.weight_type",
        "lrnn.input_vocab",
        "lrnn.output_vocab",
        "lrnn.kind",
        "lrnn.layers",
        "lrnn.output_size",
        "lrnn.seed",
        "lrnn.vocab_size",
        "lstm",
        "gru",
        "rnn_tanh",
        "rnn_relu",
        "none",
        "steps",
        "last",
        "final",
        "bfloat16",
        "checkpoint",
        "=",
        "_reverse",
        "_l1",
        "embedding.weight",
        "head.bias",
        "rnn.weight_hr_l0",
        "\\u0000",
        "\\ud800",
        "{\\\"level\\\":\\\"char\\\",\\\"tokens\\\":[\\\"a\\\",\\\"b\\\"]}"};
    return change_safetensors(bytes, length, room, words, sizeof words / sizeof *words, random);
}

FUZZ_TARGET("model");
