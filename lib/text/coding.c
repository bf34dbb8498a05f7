/* Text to ids and back. */
#include <string.h>

#include "base/error.h"
#include "build.h"

static lrnn_status encode_all(int32_t *ids, size_t capacity, size_t *count, const lrnn_vocab *vocab,
                              tokenizer *from)
{
    const char *bytes;
    size_t size, offset, made = 0;
    lrnn_status status;
    while ((status = tokenizer_next(from, &bytes, &size, &offset)) == LRNN_OK) {
        int32_t id = vocab_lookup(vocab, bytes, size);
        id = id < 0 ? vocab->unknown : id;
        if (id < 0) {
            return error_set(LRNN_ERR_NOT_FOUND, "token '%.*s' at byte %zu is not in the vocabulary",
                             size < 100 ? (int)size : 100, bytes, offset);
        }
        if (made < capacity) {
            ids[made] = id;
        }
        made++;
    }
    *count = made;
    return status == LRNN_END ? LRNN_OK : status;
}

lrnn_status lrnn_vocab_encode(int32_t *ids, size_t capacity, size_t *count, const lrnn_vocab *vocab,
                              const char *text, size_t length)
{
    if (count == NULL || vocab == NULL || (text == NULL && length > 0) ||
        (ids == NULL && capacity > 0)) {
        return error_null(count == NULL   ? "count"
                          : vocab == NULL ? "vocab"
                          : ids == NULL   ? "ids"
                                          : "text");
    }
    *count = 0;
    char small[256];
    size_t room = tokenizer_room(&vocab->options, text, length);
    char *word = small;
    if (room > sizeof small) {
        word = memory_allocate(&vocab->allocator, room, 1, "encode: word");
        if (word == NULL) {
            return LRNN_ERR_MEMORY;
        }
    }
    tokenizer from = {&vocab->options, text, length, 0, word};
    lrnn_status status = encode_all(ids, capacity, count, vocab, &from);
    if (word != small) {
        memory_release(&vocab->allocator, word);
    }
    if (status == LRNN_OK && ids != NULL && *count > capacity) {
        status = error_set(LRNN_ERR_TOO_SMALL, "ids: %zu tokens, room for %zu", *count, capacity);
    }
    return status;
}

lrnn_status lrnn_vocab_decode(char *text, size_t capacity, size_t *length, const lrnn_vocab *vocab,
                              const int32_t *ids, size_t count)
{
    if (length == NULL || vocab == NULL || (ids == NULL && count > 0) ||
        (text == NULL && capacity > 0)) {
        return error_null(length == NULL  ? "length"
                          : vocab == NULL ? "vocab"
                          : ids == NULL   ? "ids"
                                          : "text");
    }
    bool spaced = vocab->options.level >= LRNN_LEVEL_WORD;
    size_t made = 0;
    for (size_t i = 0; i < count; i++) {
        if (ids[i] < 0 || (size_t)ids[i] >= vocab->size) {
            return error_set(LRNN_ERR_INVALID, "ids[%zu]: expected 0..%zu, found %d", i,
                             vocab->size - 1, (int)ids[i]);
        }
        size_t at = vocab->offsets[ids[i]], size = vocab->offsets[ids[i] + 1] - at - 1;
        if (spaced && i > 0) {
            if (made < capacity) {
                text[made] = ' ';
            }
            made++;
        }
        for (size_t k = 0; k < size; k++, made++) {
            if (made < capacity) {
                text[made] = vocab->bytes[at + k];
            }
        }
    }
    *length = made;
    if (made < capacity) {
        text[made] = '\0';
    }
    if (text != NULL && made > capacity) {
        return error_set(LRNN_ERR_TOO_SMALL, "text: %zu bytes, room for %zu", made, capacity);
    }
    return LRNN_OK;
}
