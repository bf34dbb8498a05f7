/* Vocabularies: all token bytes in one block, each token NUL-terminated, and an open-addressing hash
 * table from bytes to id that is at most half full. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "build.h"

static const lrnn_vocab_options default_options = {
    .size = sizeof(lrnn_vocab_options),
    .level = LRNN_LEVEL_CHAR,
    .min_count = 1,
    .max_size = LRNN_NO_LIMIT,
};

lrnn_status lrnn_vocab_options_init(lrnn_vocab_options *options, size_t struct_size)
{
    return options_init(options, struct_size, &default_options, sizeof default_options,
                        sizeof(lrnn_vocab_options), "lrnn_vocab_options");
}

lrnn_status vocab_read_options(lrnn_vocab_options *o, const lrnn_vocab_options *given)
{
    *o = default_options;
    return given == NULL ? LRNN_OK
                         : options_read(o, given, &default_options, sizeof default_options,
                                        sizeof(lrnn_vocab_options), "lrnn_vocab_options");
}

/* FNV-1a with a final mix (Fowler, Noll, Vo; the mix is MurmurHash3's). */
uint64_t vocab_hash(const char *bytes, size_t length)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
    }
    hash ^= hash >> 33;
    hash *= 0xff51afd7ed558ccdu;
    return hash ^ hash >> 33;
}

static bool same_token(const lrnn_vocab *vocab, int32_t id, const char *bytes, size_t length)
{
    size_t at = vocab->offsets[id];
    return vocab->offsets[id + 1] - at - 1 == length &&
           memcmp(vocab->bytes + at, bytes, length) == 0;
}

int32_t vocab_lookup(const lrnn_vocab *vocab, const char *bytes, size_t length)
{
    size_t slot = vocab_hash(bytes, length) & vocab->mask;
    while (vocab->slots[slot] >= 0 && !same_token(vocab, vocab->slots[slot], bytes, length)) {
        slot = (slot + 1) & vocab->mask;
    }
    return vocab->slots[slot];
}

lrnn_status vocab_create(lrnn_vocab **vocab, const lrnn_allocator *allocator, const token *tokens,
                         size_t count, const lrnn_vocab_options *options, int32_t unknown)
{
    if (count == 0 || count > INT32_MAX / 4) {
        return error_set(LRNN_ERR_INVALID, "vocabulary: expected 1..%d tokens, found %zu",
                         INT32_MAX / 4, count);
    }
    size_t total = 0, slots = 4;
    for (size_t i = 0; i < count; i++) {
        total += tokens[i].length + 1;
    }
    while (slots < 2 * count) {
        slots *= 2;
    }
    lrnn_vocab *made = memory_allocate(allocator, 1, sizeof *made, "vocabulary");
    if (made == NULL) {
        return LRNN_ERR_MEMORY;
    }
    atomic_init(&made->owners, 1);
    made->allocator = *allocator;
    made->offsets = memory_allocate(allocator, count + 1, sizeof *made->offsets, "vocabulary");
    made->slots = memory_allocate(allocator, slots, sizeof *made->slots, "vocabulary");
    made->bytes = memory_allocate(allocator, total, 1, "vocabulary");
    if (made->offsets == NULL || made->slots == NULL || made->bytes == NULL) {
        lrnn_vocab_destroy(made);
        return LRNN_ERR_MEMORY;
    }
    made->mask = slots - 1;
    made->options = *options;
    made->options.allocator = NULL;
    made->unknown = unknown;
    memset(made->slots, -1, slots * sizeof *made->slots);
    for (size_t i = 0; i < count; i++) {
        size_t at = made->offsets[i];
        memcpy(made->bytes + at, tokens[i].bytes, tokens[i].length);
        made->offsets[i + 1] = at + tokens[i].length + 1;
        size_t slot = vocab_hash(tokens[i].bytes, tokens[i].length) & made->mask;
        while (made->slots[slot] >= 0) {
            if (same_token(made, made->slots[slot], tokens[i].bytes, tokens[i].length)) {
                lrnn_vocab_destroy(made);
                return error_set(LRNN_ERR_INVALID, "label %zu: '%.100s' appears twice", i,
                                 tokens[i].bytes);
            }
            slot = (slot + 1) & made->mask;
        }
        made->slots[slot] = (int32_t)i;
        made->size = i + 1;
    }
    *vocab = made;
    return LRNN_OK;
}

void lrnn_vocab_destroy(lrnn_vocab *vocab)
{
    if (vocab == NULL || atomic_fetch_sub(&vocab->owners, 1) > 1) {
        return;
    }
    lrnn_allocator allocator = vocab->allocator;
    memory_release(&allocator, vocab->offsets);
    memory_release(&allocator, vocab->slots);
    memory_release(&allocator, vocab->bytes);
    memory_release(&allocator, vocab);
}

lrnn_vocab *vocab_share(const lrnn_vocab *vocab)
{
    lrnn_vocab *shared = (lrnn_vocab *)(uintptr_t)vocab;
    if (shared != NULL) {
        atomic_fetch_add(&shared->owners, 1);
    }
    return shared;
}

size_t lrnn_vocab_size(const lrnn_vocab *vocab)
{
    return vocab == NULL ? 0 : vocab->size;
}

int32_t lrnn_vocab_level(const lrnn_vocab *vocab)
{
    return vocab == NULL ? -1 : vocab->options.level;
}

int32_t lrnn_vocab_unknown(const lrnn_vocab *vocab)
{
    return vocab == NULL ? -1 : vocab->unknown;
}

lrnn_status lrnn_vocab_find(int32_t *id, const lrnn_vocab *vocab, const char *bytes, size_t length)
{
    if (id == NULL || vocab == NULL || bytes == NULL) {
        return error_null(id == NULL ? "id" : vocab == NULL ? "vocab" : "token");
    }
    *id = vocab_lookup(vocab, bytes, length);
    if (*id < 0) {
        return error_set(LRNN_ERR_NOT_FOUND, "token '%.*s' is not in the vocabulary",
                         length < 100 ? (int)length : 100, bytes);
    }
    return LRNN_OK;
}

lrnn_status lrnn_vocab_get_token(const char **bytes, size_t *length, const lrnn_vocab *vocab,
                                 int32_t id)
{
    if (bytes == NULL || vocab == NULL) {
        return error_null(bytes == NULL ? "token" : "vocab");
    }
    if (id < 0 || (size_t)id >= vocab->size) {
        return error_set(LRNN_ERR_INVALID, "id: expected 0..%zu, found %d", vocab->size - 1,
                         (int)id);
    }
    *bytes = vocab->bytes + vocab->offsets[id];
    if (length != NULL) {
        *length = vocab->offsets[id + 1] - vocab->offsets[id] - 1;
    }
    return LRNN_OK;
}

lrnn_status lrnn_vocab_create_from_labels(lrnn_vocab **vocab, const char *const *labels,
                                          size_t count, const lrnn_vocab_options *options)
{
    if (vocab == NULL) {
        return error_null("vocab");
    }
    *vocab = NULL;
    lrnn_vocab_options o;
    lrnn_allocator allocator;
    lrnn_status status = labels == NULL ? error_null("labels") : vocab_read_options(&o, options);
    if (status == LRNN_OK) {
        status = allocator_read(&allocator, o.allocator);
    }
    if (status != LRNN_OK) {
        return status;
    }
    token *tokens = memory_allocate(&allocator, count, sizeof *tokens, "vocabulary: labels");
    if (tokens == NULL) {
        return LRNN_ERR_MEMORY;
    }
    for (size_t i = 0; status == LRNN_OK && i < count; i++) {
        if (labels[i] == NULL) {
            status = error_set(LRNN_ERR_INVALID, "labels[%zu] is NULL", i);
        } else {
            tokens[i] = (token){labels[i], strlen(labels[i]), 0, i};
        }
    }
    if (status == LRNN_OK) {
        lrnn_vocab_options kept = default_options;
        kept.level = LRNN_LEVEL_LABEL;
        status = vocab_create(vocab, &allocator, tokens, count, &kept, -1);
    }
    memory_release(&allocator, tokens);
    return status;
}
