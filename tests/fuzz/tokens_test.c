/* Token files that are nearly right: what opens can be read everywhere, with ids of its vocabulary,
 * and cut into windows. */
#include "change_safetensors.h"
#include "world.h"

enum { TOKENS_MEMORY = 8 << 20, PIECE = 64 };

static void read_all(const lrnn_tokens *tokens)
{
    int32_t ids[PIECE];
    size_t count = lrnn_tokens_count(tokens);
    size_t size = lrnn_vocab_size(lrnn_tokens_vocab(tokens));
    for (size_t at = 0; at < count; at += PIECE) {
        size_t n = count - at < PIECE ? count - at : PIECE;
        lrnn_status status = lrnn_tokens_read(ids, tokens, at, n);
        FUZZ_CHECK(status == LRNN_OK || status == LRNN_ERR_FORMAT);
        for (size_t i = 0; status == LRNN_OK && i < n; i++) {
            FUZZ_CHECK(ids[i] >= 0 && (size == 0 || (size_t)ids[i] < size));
        }
    }
    FUZZ_CHECK(lrnn_tokens_read(ids, tokens, count, 1) == LRNN_ERR_INVALID);
}

static void cut(const lrnn_tokens *tokens, const lrnn_allocator *allocator)
{
    lrnn_batches *batches;
    lrnn_batches_options options;
    lrnn_sequences window;
    FUZZ_CHECK(lrnn_batches_options_init(&options, sizeof options) == LRNN_OK);
    FUZZ_CHECK(lrnn_sequences_init(&window, sizeof window) == LRNN_OK);
    options.allocator = allocator;
    options.batch = 2;
    options.steps = 3;
    lrnn_status status =
        lrnn_batches_create_from_tokens(&batches, tokens, 0, lrnn_tokens_count(tokens), &options);
    for (size_t i = 0; status == LRNN_OK && i < 8; i++) {
        status = lrnn_batches_next(batches, &window);
    }
    FUZZ_CHECK(status == LRNN_OK || status == LRNN_END || status == LRNN_ERR_FORMAT ||
               status == LRNN_ERR_INVALID || status == LRNN_ERR_MEMORY);
    lrnn_batches_destroy(batches);
}

static void fuzz_one(const unsigned char *bytes, size_t length)
{
    const lrnn_allocator *allocator = fuzz_memory_begin(TOKENS_MEMORY);
    lrnn_tokens *tokens;
    lrnn_status status = lrnn_tokens_open(&tokens, fuzz_file(bytes, length), allocator);
    if (status == LRNN_OK) {
        read_all(tokens);
        cut(tokens, allocator);
    } else {
        FUZZ_CHECK(tokens == NULL);
        FUZZ_CHECK(status == LRNN_ERR_FORMAT || status == LRNN_ERR_UNSUPPORTED ||
                   status == LRNN_ERR_MEMORY || status == LRNN_ERR_INVALID);
    }
    lrnn_tokens_destroy(tokens);
    fuzz_memory_end();
}

static size_t fuzz_change(unsigned char *bytes, size_t length, size_t room, uint64_t *random)
{
    static const char *const words[] = {
        "U8",          "U16",  "I32",       "tokens", "lrnn.vocab", "lrnn.characters",
        "lrnn.format", "kind", "lrnn.kind", "level",  "\\u0000",    "char",
        "word"};
    return change_safetensors(bytes, length, room, words, sizeof words / sizeof *words, random);
}

FUZZ_TARGET("tokens");
