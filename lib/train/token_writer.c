/* Writing token files. How many tokens there are is known only at the end, so the header is written
 * twice: first as spaces, as many as the largest numbers could take, then over them. The file has
 * its name only after that. After an error, or once finished, the writer can only be destroyed. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/byte_order.h"
#include "base/check.h"
#include "base/error.h"
#include "base/memory.h"
#include "format/atomic_file.h"
#include "format/digest.h"
#include "format/safetensors.h"
#include "lrnn/train.h"
#include "text/stream.h"
#include "text/vocab.h"
#include "token_format.h"

#define IDS 4096 /* that are encoded and written together */

struct lrnn_token_writer {
    lrnn_allocator allocator;
    lrnn_vocab *vocab;
    text_stream stream;
    size_t size; /* bytes of a token */
    uint64_t count, characters;
    digest block; /* of the bytes since the last whole block */
    size_t in_block;
    unsigned char *digests; /* of the whole blocks */
    size_t blocks, room;
    size_t head; /* bytes before the tokens */
    bool over;
    char *path;
    atomic_file file;
    int32_t ids[IDS];
    unsigned char bytes[IDS * sizeof(int32_t)];
};

/* ---- the head ---- */

static tensor_dtype dtype_of(size_t size)
{
    return size == 1 ? TENSOR_U8 : size == 2 ? TENSOR_U16 : TENSOR_I32;
}

static lrnn_status describe(safetensors_writer *to, const lrnn_token_writer *w, size_t count,
                            uint64_t characters, const unsigned char *digests)
{
    const size_t shape[2] = {w->blocks, DIGEST_BYTES};
    char number[24];
    char *text;
    size_t length;
    snprintf(number, sizeof number, "%" PRIu64, characters);
    CHECK(safetensors_writer_metadata(to, KEY_KIND, TOKENS_KIND, strlen(TOKENS_KIND)));
    CHECK(safetensors_writer_metadata(to, KEY_FORMAT, TOKENS_FORMAT, strlen(TOKENS_FORMAT)));
    CHECK(safetensors_writer_metadata(to, KEY_CHARACTERS, number, strlen(number)));
    CHECK(vocab_write(&text, &length, w->vocab, &w->allocator));
    lrnn_status status = safetensors_writer_metadata(to, KEY_VOCAB, text, length);
    memory_release(&w->allocator, text);
    CHECK(status);
    CHECK(safetensors_writer_place(to, TOKENS_TENSOR, dtype_of(w->size), 1, &count));
    CHECK(safetensors_writer_tensor(to, DIGESTS_TENSOR, TENSOR_U8, 2, shape, digests));
    return safetensors_writer_sign(to);
}

/* The head of a file with these numbers; memory_release frees it. */
static lrnn_status make_head(void **head, size_t *length, const lrnn_token_writer *w, size_t count,
                             uint64_t characters, const unsigned char *digests, size_t room)
{
    safetensors_writer *to;
    CHECK(safetensors_writer_create(&to, &w->allocator));
    lrnn_status status = describe(to, w, count, characters, digests);
    if (status == LRNN_OK) {
        status = safetensors_writer_head(to, head, length, room);
    }
    safetensors_writer_destroy(to);
    return status;
}

/* What the numbers of a head add to one with zeros for them, at most: six of up to 20 digits. */
#define HEAD_NUMBERS 128

/* Spaces as long as the head can become, on any machine. */
static lrnn_status write_spaces(lrnn_token_writer *w)
{
    void *head;
    char spaces[HEAD_NUMBERS];
    size_t least;
    CHECK(make_head(&head, &least, w, 0, 0, (const unsigned char *)"", 0));
    memset(head, ' ', least);
    memset(spaces, ' ', sizeof spaces);
    w->head = least + sizeof spaces;
    lrnn_status status = atomic_file_write(&w->file, head, least);
    memory_release(&w->allocator, head);
    CHECK(status);
    return atomic_file_write(&w->file, spaces, sizeof spaces);
}

static lrnn_status write_head(lrnn_token_writer *w)
{
    void *head;
    size_t length;
    CHECK(make_head(&head, &length, w, (size_t)w->count, w->characters,
                    w->blocks > 0 ? w->digests : (const unsigned char *)"", w->head));
    lrnn_status status = atomic_file_rewrite(&w->file, head, length);
    memory_release(&w->allocator, head);
    return status;
}

/* ---- making and destroying ---- */

static lrnn_status fill_writer(lrnn_token_writer *w, const char *path)
{
    size_t length = strlen(path), vocab_size = lrnn_vocab_size(w->vocab);
    w->size = vocab_size <= (size_t)UINT8_MAX + 1    ? 1
              : vocab_size <= (size_t)UINT16_MAX + 1 ? 2
                                                     : 4;
    w->path = memory_allocate(&w->allocator, length + 1, 1, "token file: path");
    if (w->path == NULL) {
        return LRNN_ERR_MEMORY;
    }
    memcpy(w->path, path, length + 1);
    digest_start(&w->block);
    CHECK(atomic_file_open(&w->file, w->path));
    return write_spaces(w);
}

lrnn_status lrnn_token_writer_create(lrnn_token_writer **writer, const char *path,
                                     const lrnn_vocab *vocab, const lrnn_allocator *allocator)
{
    if (writer == NULL) {
        return error_null("writer");
    }
    *writer = NULL;
    if (path == NULL || vocab == NULL) {
        return error_null(path == NULL ? "path" : "vocab");
    }
    lrnn_allocator memory;
    CHECK(allocator_read(&memory, allocator));
    lrnn_token_writer *made = memory_allocate(&memory, 1, sizeof *made, "token file: writer");
    if (made == NULL) {
        return LRNN_ERR_MEMORY;
    }
    made->allocator = memory;
    made->vocab = lrnn_vocab_share(vocab);
    made->stream = (text_stream){.allocator = memory, .level = lrnn_vocab_level(vocab)};
    made->file.descriptor = -1;
    lrnn_status status = fill_writer(made, path);
    if (status != LRNN_OK) {
        lrnn_token_writer_destroy(made);
        return status;
    }
    *writer = made;
    return LRNN_OK;
}

void lrnn_token_writer_destroy(lrnn_token_writer *writer)
{
    if (writer != NULL) {
        lrnn_allocator allocator = writer->allocator;
        atomic_file_abort(&writer->file);
        text_stream_release(&writer->stream);
        lrnn_vocab_destroy(writer->vocab);
        memory_release(&allocator, writer->digests);
        memory_release(&allocator, writer->path);
        memory_release(&allocator, writer);
    }
}

/* ---- adding ---- */

static lrnn_status check_open(const lrnn_token_writer *w)
{
    return !w->over ? LRNN_OK
                    : error_set(LRNN_ERR_STATE,
                                "%s: an earlier call failed, or the file is finished", w->path);
}

static lrnn_status finish(lrnn_token_writer *w, lrnn_status status)
{
    w->over = status != LRNN_OK;
    return status;
}

static lrnn_status end_block(lrnn_token_writer *w)
{
    if (w->blocks == w->room) {
        size_t room = 2 * w->room + 64;
        unsigned char *digests =
            memory_allocate(&w->allocator, room, DIGEST_BYTES, "token file: digests");
        if (digests == NULL) {
            return LRNN_ERR_MEMORY;
        }
        if (w->blocks > 0) {
            memcpy(digests, w->digests, w->blocks * DIGEST_BYTES);
        }
        memory_release(&w->allocator, w->digests);
        w->digests = digests;
        w->room = room;
    }
    digest_write_bytes(w->digests + w->blocks * DIGEST_BYTES, digest_end(&w->block));
    w->blocks++;
    w->in_block = 0;
    digest_start(&w->block);
    return LRNN_OK;
}

static lrnn_status add_to_blocks(lrnn_token_writer *w, const unsigned char *bytes, size_t length)
{
    while (length > 0) {
        size_t left = BLOCK_BYTES - w->in_block, n = length < left ? length : left;
        digest_add(&w->block, bytes, n);
        w->in_block += n;
        bytes += n;
        length -= n;
        if (w->in_block == BLOCK_BYTES) {
            CHECK(end_block(w));
        }
    }
    return LRNN_OK;
}

/* At most IDS of them. */
static lrnn_status write_ids(lrnn_token_writer *w, const int32_t *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        little_endian_put(w->bytes + i * w->size, w->size, (uint32_t)ids[i]);
    }
    w->count += count;
    CHECK(add_to_blocks(w, w->bytes, count * w->size));
    return atomic_file_write(&w->file, w->bytes, count * w->size);
}

static lrnn_status encode_block(void *user, const char *text, size_t length,
                                const text_origin *origin)
{
    lrnn_token_writer *w = user;
    tokenizer from = {&w->vocab->rules, w->vocab->seed, text, length, 0, *origin};
    lrnn_status status = LRNN_OK;
    while (status == LRNN_OK) {
        size_t count;
        status = vocab_encode_next(w->ids, IDS, &count, w->vocab, &from);
        if (status == LRNN_OK || status == LRNN_END) {
            CHECK(write_ids(w, w->ids, count));
        }
    }
    return status == LRNN_END ? LRNN_OK : status;
}

lrnn_status lrnn_token_writer_add(lrnn_token_writer *writer, const char *text, size_t length)
{
    if (writer == NULL || (text == NULL && length > 0)) {
        return error_null(writer == NULL ? "writer" : "text");
    }
    CHECK(check_extent("length", length, 1));
    CHECK(check_open(writer));
    for (size_t i = 0; i < length; i++) {
        writer->characters += ((unsigned char)text[i] & 0xc0) != 0x80;
    }
    return finish(writer, text_stream_add(&writer->stream, text, length, encode_block, writer));
}

lrnn_status lrnn_token_writer_end(lrnn_token_writer *writer)
{
    if (writer == NULL) {
        return error_null("writer");
    }
    CHECK(check_open(writer));
    return finish(writer, text_stream_end(&writer->stream, encode_block, writer));
}

lrnn_status lrnn_token_writer_add_ids(lrnn_token_writer *writer, const int32_t *ids, size_t count)
{
    if (writer == NULL || (ids == NULL && count > 0)) {
        return error_null(writer == NULL ? "writer" : "ids");
    }
    size_t size = lrnn_vocab_size(writer->vocab);
    CHECK(check_extent("count", count, sizeof *ids));
    for (size_t i = 0; i < count; i++) {
        if (ids[i] < 0 || (size_t)ids[i] >= size) {
            return error_set(LRNN_ERR_INVALID, "ids[%zu]: expected 0..%zu, found %d", i, size - 1,
                             (int)ids[i]);
        }
    }
    CHECK(lrnn_token_writer_end(writer));
    while (count > 0) {
        size_t n = count < IDS ? count : IDS;
        CHECK(finish(writer, write_ids(writer, ids, n)));
        ids += n;
        count -= n;
    }
    return LRNN_OK;
}

lrnn_status lrnn_token_writer_finish(lrnn_token_writer *writer)
{
    CHECK(lrnn_token_writer_end(writer));
    writer->over = true;
    if (writer->in_block > 0) {
        CHECK(end_block(writer));
    }
    CHECK(atomic_file_write(&writer->file, writer->digests, writer->blocks * DIGEST_BYTES));
    CHECK(write_head(writer));
    return atomic_file_commit(&writer->file);
}
