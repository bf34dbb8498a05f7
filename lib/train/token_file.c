/* Token files: a safetensors file of one tensor, "tokens", of 1, 2 or 4 bytes a token as the
 * vocabulary needs, with the vocabulary in the metadata. Reading never holds more than what was
 * asked for: it goes through pread, so that a file that shrinks is an error and not a signal, and
 * any number of threads may read at the same time. Each block of the tokens has a digest, and what
 * is read is held against those of the blocks that it lies in. */
#include "token_file.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/byte_order.h"
#include "base/check.h"
#include "base/error.h"
#include "base/memory.h"
#include "format/digest.h"
#include "format/safetensors.h"
#include "text/vocab.h"
#include "token_format.h"

struct lrnn_tokens {
    atomic_size_t owners;
    lrnn_allocator allocator;
    safetensors *file; /* open as long as this is */
    const tensor_view *view;
    lrnn_vocab *vocab; /* NULL: the file has none */
    size_t size;       /* bytes of a token */
    uint64_t characters;
    unsigned char *digests; /* of blocks of BLOCK_BYTES; NULL: the file has none */
};

/* ---- opening ---- */

static lrnn_status check_kind(const safetensors *file)
{
    const char *name = safetensors_name(file), *kind = safetensors_metadata(file, KEY_KIND, NULL);
    const char *format = safetensors_metadata(file, KEY_FORMAT, NULL);
    if (kind == NULL || strcmp(kind, TOKENS_KIND) != 0) {
        return error_set(LRNN_ERR_FORMAT,
                         "%s: not a token file: expected " KEY_KIND " " TOKENS_KIND ", found %.40s",
                         name, kind != NULL ? kind : "none");
    }
    if (format == NULL || strcmp(format, TOKENS_FORMAT) != 0) {
        return error_set(LRNN_ERR_UNSUPPORTED,
                         "%s: " KEY_FORMAT ": this library reads " TOKENS_FORMAT ", found %.40s",
                         name, format != NULL ? format : "none");
    }
    return LRNN_OK;
}

static lrnn_status find_tensor(lrnn_tokens *tokens)
{
    const char *name = safetensors_name(tokens->file);
    const tensor_view *view = safetensors_find(tokens->file, TOKENS_TENSOR);
    if (view == NULL) {
        return error_set(LRNN_ERR_FORMAT, "%s: tensor " TOKENS_TENSOR " is missing", name);
    }
    if (view->rank != 1) {
        return error_set(LRNN_ERR_FORMAT,
                         "%s: tensor " TOKENS_TENSOR ": expected rank 1, found %zu", name,
                         view->rank);
    }
    if (view->dtype != TENSOR_U8 && view->dtype != TENSOR_U16 && view->dtype != TENSOR_I32) {
        return error_set(LRNN_ERR_FORMAT,
                         "%s: tensor " TOKENS_TENSOR ": expected U8, U16 or I32, found %s", name,
                         tensor_dtype_name(view->dtype));
    }
    tokens->view = view;
    tokens->size = tensor_dtype_size(view->dtype);
    return LRNN_OK;
}

static lrnn_status read_digests(lrnn_tokens *tokens)
{
    const char *name = safetensors_name(tokens->file);
    const tensor_view *view = safetensors_find(tokens->file, DIGESTS_TENSOR);
    size_t bytes = tokens->view->count * tokens->size;
    size_t blocks = bytes / BLOCK_BYTES + (bytes % BLOCK_BYTES != 0);
    if (view == NULL || blocks == 0) {
        return LRNN_OK;
    }
    if (view->dtype != TENSOR_U8 || view->rank != 2 || view->shape[0] != blocks ||
        view->shape[1] != DIGEST_BYTES) {
        return error_set(LRNN_ERR_FORMAT,
                         "%s: tensor " DIGESTS_TENSOR ": expected U8 [%zu,%zu], found %s of rank "
                         "%zu with %zu values",
                         name, blocks, DIGEST_BYTES, tensor_dtype_name(view->dtype), view->rank,
                         view->count);
    }
    tokens->digests =
        memory_allocate(&tokens->allocator, blocks, DIGEST_BYTES, "token file: digests");
    if (tokens->digests == NULL) {
        return LRNN_ERR_MEMORY;
    }
    lrnn_status status = tensor_bytes(tokens->digests, view, 0, view->count);
    return status != LRNN_ERR_FORMAT ? status
                                     : error_set(status, "%s: %s", name, lrnn_last_error());
}

/* 0 where the file does not say. */
static uint64_t read_number(const safetensors *file, const char *key)
{
    const char *text = safetensors_metadata(file, key, NULL);
    return text != NULL ? strtoull(text, NULL, 10) : 0;
}

static lrnn_status read_header(lrnn_tokens *tokens)
{
    const safetensors *file = tokens->file;
    size_t length;
    CHECK(check_kind(file));
    CHECK(find_tensor(tokens));
    CHECK(read_digests(tokens));
    tokens->characters = read_number(file, KEY_CHARACTERS);
    const char *text = safetensors_metadata(file, KEY_VOCAB, &length);
    if (text == NULL) {
        return LRNN_OK;
    }
    lrnn_status status = vocab_read(&tokens->vocab, &tokens->allocator, text, length);
    return status != LRNN_ERR_FORMAT ? status
                                     : error_set(status, "%s: " KEY_VOCAB ": %s",
                                                 safetensors_name(file), lrnn_last_error());
}

lrnn_status lrnn_tokens_open(lrnn_tokens **tokens, const char *path,
                             const lrnn_allocator *allocator)
{
    if (tokens == NULL) {
        return error_null("tokens");
    }
    *tokens = NULL;
    if (path == NULL) {
        return error_null("path");
    }
    lrnn_allocator memory;
    CHECK(allocator_read(&memory, allocator));
    lrnn_tokens *made = memory_allocate(&memory, 1, sizeof *made, "tokens");
    if (made == NULL) {
        return LRNN_ERR_MEMORY;
    }
    atomic_init(&made->owners, 1);
    made->allocator = memory;
    lrnn_status status = safetensors_open(&made->file, &memory, path);
    if (status == LRNN_OK) {
        status = read_header(made);
    }
    if (status != LRNN_OK) {
        lrnn_tokens_destroy(made);
        return status;
    }
    *tokens = made;
    return LRNN_OK;
}

lrnn_tokens *tokens_share(const lrnn_tokens *tokens)
{
    lrnn_tokens *shared = (lrnn_tokens *)(uintptr_t)tokens;
    atomic_fetch_add(&shared->owners, 1);
    return shared;
}

void lrnn_tokens_destroy(lrnn_tokens *tokens)
{
    if (tokens == NULL || atomic_fetch_sub(&tokens->owners, 1) > 1) {
        return;
    }
    lrnn_allocator allocator = tokens->allocator;
    lrnn_vocab_destroy(tokens->vocab);
    memory_release(&allocator, tokens->digests);
    safetensors_destroy(tokens->file);
    memory_release(&allocator, tokens);
}

/* ---- asking ---- */

size_t lrnn_tokens_count(const lrnn_tokens *tokens)
{
    return tokens == NULL ? 0 : tokens->view->count;
}

const lrnn_vocab *lrnn_tokens_vocab(const lrnn_tokens *tokens)
{
    return tokens == NULL ? NULL : tokens->vocab;
}

uint64_t lrnn_tokens_characters(const lrnn_tokens *tokens)
{
    return tokens == NULL ? 0 : tokens->characters;
}

/* The stored numbers are the end of the array, and each is read before it is overwritten. */
static void widen(int32_t *ids, size_t count, size_t size)
{
    const unsigned char *from = (const unsigned char *)(ids + count) - count * size;
    for (size_t i = 0; i < count; i++) {
        switch (size) {
        case 1: ids[i] = from[i]; break;
        case 2: ids[i] = (int32_t)little_endian_get(from + 2 * i, 2); break;
        default: byte_order_convert(ids + i, ids + i, 1, sizeof *ids);
        }
    }
}

static lrnn_status check_ids(const lrnn_tokens *tokens, const int32_t *ids, size_t first,
                             size_t count)
{
    size_t limit = tokens->vocab != NULL ? lrnn_vocab_size(tokens->vocab) : (size_t)INT32_MAX + 1;
    for (size_t i = 0; i < count; i++) {
        if (ids[i] < 0 || (size_t)ids[i] >= limit) {
            return error_set(LRNN_ERR_FORMAT, "%s: token %zu: expected 0..%zu, found %d",
                             safetensors_name(tokens->file), first + i, limit - 1, (int)ids[i]);
        }
    }
    return LRNN_OK;
}

/* ---- damage ---- */

static lrnn_status check_block(const lrnn_tokens *tokens, size_t block, const unsigned char *bytes,
                               size_t length)
{
    uint64_t stated = digest_read_bytes(tokens->digests + block * DIGEST_BYTES);
    size_t first = block * BLOCK_BYTES / tokens->size;
    return digest_of(bytes, length) == stated
               ? LRNN_OK
               : error_set(LRNN_ERR_FORMAT,
                           "%s: tokens %zu to %zu are damaged: not what their digest was made of; "
                           "take another copy of the file, or encode the text again",
                           safetensors_name(tokens->file), first,
                           first + length / tokens->size - 1);
}

/* Holds the blocks that `bytes`, length of them from `from` on, lie in against their digests: those
 * that are all there where they are, the others after reading them whole. */
static lrnn_status check_blocks(const lrnn_tokens *tokens, const unsigned char *bytes, size_t from,
                                size_t length)
{
    unsigned char whole[BLOCK_BYTES];
    size_t all = tokens->view->count * tokens->size;
    for (size_t block = from / BLOCK_BYTES; block * BLOCK_BYTES < from + length; block++) {
        size_t start = block * BLOCK_BYTES;
        size_t size = all - start < BLOCK_BYTES ? all - start : BLOCK_BYTES;
        const unsigned char *at = start < from ? NULL : bytes + (start - from);
        if (start < from || start + size > from + length) {
            CHECK(tensor_bytes(whole, tokens->view, start / tokens->size, size / tokens->size));
            at = whole;
        }
        CHECK(check_block(tokens, block, at, size));
    }
    return LRNN_OK;
}

lrnn_status lrnn_tokens_read(int32_t *ids, const lrnn_tokens *tokens, size_t first, size_t count)
{
    if (tokens == NULL || (ids == NULL && count > 0)) {
        return error_null(tokens == NULL ? "tokens" : "ids");
    }
    size_t all = tokens->view->count;
    if (first > all || count > all - first) {
        return error_set(LRNN_ERR_INVALID,
                         "first and count: tokens %zu to %zu of a file that has %zu", first,
                         first + count, all);
    }
    unsigned char *bytes = (unsigned char *)(ids + count) - count * tokens->size;
    CHECK(tensor_bytes(bytes, tokens->view, first, count));
    if (tokens->digests != NULL && count > 0) {
        CHECK(check_blocks(tokens, bytes, first * tokens->size, count * tokens->size));
    }
    widen(ids, count, tokens->size);
    return check_ids(tokens, ids, first, count);
}
