/* Text to ids and back. */
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "build.h"

static lrnn_status error_unknown(const tokenizer *from, const piece *p)
{
    char name[TOKEN_NAMED], place[PLACE_SHOWN];
    return error_set(LRNN_ERR_NOT_FOUND, "token %s at %s is not in the vocabulary",
                     token_name(name, p->raw, p->raw_length),
                     text_place(place, from, (size_t)(p->raw - from->text)));
}

lrnn_status vocab_encode_next(int32_t *ids, size_t capacity, size_t *count, const lrnn_vocab *vocab,
                              tokenizer *from)
{
    *count = 0;
    while (*count < capacity) {
        piece next;
        CHECK(tokenizer_next(from, &next));
        int32_t id = vocab_find_piece(vocab, &next);
        id = id < 0 ? vocab->unknown : id;
        if (id < 0) {
            return error_unknown(from, &next);
        }
        ids[(*count)++] = id;
    }
    return LRNN_OK;
}

lrnn_status lrnn_vocab_encode(int32_t *ids, size_t capacity, size_t *count, const lrnn_vocab *vocab,
                              const char *text, size_t length)
{
    if (count == NULL) {
        return error_null("count");
    }
    *count = 0;
    if (vocab == NULL || (text == NULL && length > 0) || (ids == NULL && capacity > 0)) {
        return error_null(vocab == NULL ? "vocab" : text == NULL && length > 0 ? "text" : "ids");
    }
    CHECK(check_extent("length", length, 1));
    tokenizer from = {&vocab->rules, vocab->seed, text, length, 0, {0}};
    piece next;
    size_t made = 0;
    lrnn_status status;
    while ((status = tokenizer_next(&from, &next)) == LRNN_OK) {
        int32_t id = vocab_find_piece(vocab, &next);
        id = id < 0 ? vocab->unknown : id;
        if (id < 0) {
            return error_unknown(&from, &next);
        }
        if (made < capacity) {
            ids[made] = id;
        }
        made++;
    }
    if (status != LRNN_END) {
        return status;
    }
    *count = made;
    if (ids != NULL && made > capacity) {
        return error_set(LRNN_ERR_TOO_SMALL, "ids: %zu tokens, room for %zu", made, capacity);
    }
    return LRNN_OK;
}

static bool is_spaced(const lrnn_vocab *vocab)
{
    return vocab->options.level >= LRNN_LEVEL_WORD;
}

/* Bytes of the decoded ids. */
static lrnn_status measure(size_t *length, const lrnn_vocab *vocab, const int32_t *ids,
                           size_t count)
{
    size_t total = is_spaced(vocab) && count > 0 ? count - 1 : 0;
    for (size_t i = 0; i < count; i++) {
        if (ids[i] < 0 || (size_t)ids[i] >= vocab->size) {
            return error_set(LRNN_ERR_INVALID, "ids[%zu]: expected 0..%zu, found %d", i,
                             vocab->size - 1, (int)ids[i]);
        }
        size_add(&total, total, vocab->offsets[ids[i] + 1] - vocab->offsets[ids[i]] - 1);
    }
    if (total == SIZE_MAX) {
        return error_set(LRNN_ERR_MEMORY, "decode: the text is longer than memory can be");
    }
    *length = total;
    return LRNN_OK;
}

lrnn_status lrnn_vocab_decode(char *text, size_t capacity, size_t *length, const lrnn_vocab *vocab,
                              const int32_t *ids, size_t count)
{
    if (length == NULL) {
        return error_null("length");
    }
    *length = 0;
    if (vocab == NULL || (ids == NULL && count > 0) || (text == NULL && capacity > 0)) {
        return error_null(vocab == NULL ? "vocab" : ids == NULL && count > 0 ? "ids" : "text");
    }
    CHECK(check_extent("count", count, sizeof *ids));
    lrnn_status status = measure(length, vocab, ids, count);
    if (status != LRNN_OK || text == NULL) {
        return status;
    }
    if (*length > capacity) {
        return error_set(LRNN_ERR_TOO_SMALL, "text: %zu bytes, room for %zu", *length, capacity);
    }
    size_t made = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = vocab->offsets[ids[i]], size = vocab->offsets[ids[i] + 1] - at - 1;
        if (i > 0 && is_spaced(vocab)) {
            text[made++] = ' ';
        }
        memcpy(text + made, vocab->bytes + at, size);
        made += size;
    }
    if (made < capacity) {
        text[made] = '\0';
    }
    return LRNN_OK;
}
