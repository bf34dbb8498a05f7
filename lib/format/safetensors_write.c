/* Writing. Tensors of wide numbers come first, then in the order they were added, so that every
 * tensor is aligned to its numbers: PyTorch's reader demands it. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "atomic_file.h"
#include "base/byte_order.h"
#include "base/check.h"
#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "digest.h"
#include "header.h"
#include "safetensors_digest.h"

/* Strings are kept by their offset in one growing block. */
typedef struct written_tensor {
    size_t name;
    tensor_dtype dtype;
    size_t rank;
    size_t shape[SAFETENSORS_MAX_RANK];
    size_t bytes;
    const void *data;
} written_tensor;

typedef struct written_metadata {
    size_t key;
    size_t value;
    size_t length;
} written_metadata;

struct safetensors_writer {
    lrnn_allocator allocator;
    written_tensor *tensors; /* in the order of the file */
    size_t count, capacity;
    written_metadata *metadata; /* sorted by key */
    size_t metadata_count, metadata_capacity;
    char *strings;
    size_t strings_used, strings_capacity;
    size_t data_length;
    void **owned; /* what the tensors borrow from the writer itself */
    size_t owned_count, owned_capacity;
};

lrnn_status safetensors_writer_create(safetensors_writer **writer, const lrnn_allocator *allocator)
{
    lrnn_allocator memory;
    *writer = NULL;
    CHECK(allocator_read(&memory, allocator));
    safetensors_writer *object = memory_allocate(&memory, 1, sizeof *object, "file writer");
    if (object == NULL) {
        return LRNN_ERR_MEMORY;
    }
    object->allocator = memory;
    *writer = object;
    return LRNN_OK;
}

void safetensors_writer_destroy(safetensors_writer *writer)
{
    if (writer != NULL) {
        lrnn_allocator allocator = writer->allocator;
        for (size_t i = 0; i < writer->owned_count; i++) {
            memory_release(&allocator, writer->owned[i]);
        }
        memory_release(&allocator, writer->owned);
        memory_release(&allocator, writer->tensors);
        memory_release(&allocator, writer->metadata);
        memory_release(&allocator, writer->strings);
        memory_release(&allocator, writer);
    }
}

/* ---- collecting ----------------------------------------------------------------------------- */

/* The array `old` of which `used` elements of `size` bytes are in use, with room for `more`; moved
 * when it has to grow. NULL, with the old one untouched: no memory. */
static void *grown(const lrnn_allocator *allocator, void *old, size_t *capacity, size_t used,
                   size_t more, size_t size)
{
    if (*capacity - used >= more) {
        return old;
    }
    size_t needed, wanted;
    size_add(&needed, used, more);
    size_add(&wanted, needed, needed / 2 + 16);
    void *moved = memory_allocate(allocator, wanted, size, "file writer");
    if (moved != NULL) {
        if (used > 0) {
            memcpy(moved, old, used * size);
        }
        memory_release(allocator, old);
        *capacity = wanted;
    }
    return moved;
}

void *safetensors_writer_room(safetensors_writer *writer, size_t count, size_t size)
{
    void **owned = grown(&writer->allocator, writer->owned, &writer->owned_capacity,
                         writer->owned_count, 1, sizeof *owned);
    if (owned == NULL) {
        return NULL;
    }
    writer->owned = owned;
    void *room = memory_allocate(&writer->allocator, count, size, "file writer: numbers");
    if (room != NULL) {
        owned[writer->owned_count++] = room;
    }
    return room;
}

static lrnn_status reserve_strings(safetensors_writer *writer, size_t bytes)
{
    char *strings = grown(&writer->allocator, writer->strings, &writer->strings_capacity,
                          writer->strings_used, bytes, 1);
    if (strings == NULL) {
        return LRNN_ERR_MEMORY;
    }
    writer->strings = strings;
    return LRNN_OK;
}

/* Copies a string, for which there is room, and returns its offset. */
static size_t keep(safetensors_writer *writer, const char *text, size_t length)
{
    size_t offset = writer->strings_used;
    if (length > 0) {
        memcpy(writer->strings + offset, text, length);
    }
    writer->strings[offset + length] = '\0';
    writer->strings_used += length + 1;
    return offset;
}

static lrnn_status check_utf8(const char *what, const char *name, const char *text, size_t length)
{
    size_t valid = utf8_valid_prefix(text, length);
    if (valid < length) {
        return error_set(LRNN_ERR_INVALID, "%s \"%.100s\": invalid UTF-8 at byte %zu", what, name,
                         valid);
    }
    return LRNN_OK;
}

lrnn_status safetensors_writer_metadata(safetensors_writer *writer, const char *key,
                                        const char *value, size_t length)
{
    size_t at = 0, key_length = strlen(key), bytes;
    CHECK(check_utf8("metadata key", key, key, key_length));
    CHECK(check_utf8("metadata", key, value, length));
    while (at < writer->metadata_count &&
           strcmp(writer->strings + writer->metadata[at].key, key) < 0) {
        at++;
    }
    if (at < writer->metadata_count &&
        strcmp(writer->strings + writer->metadata[at].key, key) == 0) {
        return error_set(LRNN_ERR_INVALID, "metadata \"%.100s\" is given twice", key);
    }
    written_metadata *metadata =
        grown(&writer->allocator, writer->metadata, &writer->metadata_capacity,
              writer->metadata_count, 1, sizeof *metadata);
    if (metadata == NULL) {
        return LRNN_ERR_MEMORY;
    }
    writer->metadata = metadata;
    size_add(&bytes, key_length, length);
    size_add(&bytes, bytes, 2);
    CHECK(reserve_strings(writer, bytes));
    memmove(metadata + at + 1, metadata + at, (writer->metadata_count - at) * sizeof *metadata);
    metadata[at].key = keep(writer, key, key_length);
    metadata[at].value = keep(writer, value, length);
    metadata[at].length = length;
    writer->metadata_count++;
    return LRNN_OK;
}

static lrnn_status check_tensor(const safetensors_writer *writer, const char *name, size_t rank)
{
    CHECK(check_utf8("tensor", name, name, strlen(name)));
    if (strcmp(name, SAFETENSORS_METADATA) == 0) {
        return error_set(LRNN_ERR_INVALID, "a tensor may not be called \"%s\"", name);
    }
    if (rank > SAFETENSORS_MAX_RANK) {
        return error_set(LRNN_ERR_INVALID, "tensor \"%.100s\": %zu dimensions, at most %d", name,
                         rank, SAFETENSORS_MAX_RANK);
    }
    for (size_t i = 0; i < writer->count; i++) {
        if (strcmp(writer->strings + writer->tensors[i].name, name) == 0) {
            return error_set(LRNN_ERR_INVALID, "tensor \"%.100s\" is given twice", name);
        }
    }
    return LRNN_OK;
}

static lrnn_status add_tensor(safetensors_writer *writer, const char *name, tensor_dtype dtype,
                              size_t rank, const size_t *shape, const void *data)
{
    written_tensor tensor = {.dtype = dtype, .rank = rank, .data = data};
    size_t data_length, length = strlen(name);
    bool fits = true;
    tensor.bytes = tensor_dtype_size(dtype);
    for (size_t i = 0; i < rank && i < SAFETENSORS_MAX_RANK; i++) {
        tensor.shape[i] = shape[i];
        fits = size_multiply(&tensor.bytes, tensor.bytes, shape[i]) && fits;
    }
    CHECK(check_tensor(writer, name, rank));
    if (!size_add(&data_length, writer->data_length, tensor.bytes) || !fits) {
        return error_set(LRNN_ERR_MEMORY, "tensor \"%.100s\": more bytes than fit", name);
    }
    written_tensor *tensors = grown(&writer->allocator, writer->tensors, &writer->capacity,
                                    writer->count, 1, sizeof *tensors);
    if (tensors == NULL) {
        return LRNN_ERR_MEMORY;
    }
    writer->tensors = tensors;
    CHECK(reserve_strings(writer, length + 1));
    tensor.name = keep(writer, name, length);
    size_t at = writer->count;
    while (at > 0 && tensor_dtype_size(tensors[at - 1].dtype) < tensor_dtype_size(dtype)) {
        at--;
    }
    memmove(tensors + at + 1, tensors + at, (writer->count - at) * sizeof *tensors);
    tensors[at] = tensor;
    writer->count++;
    writer->data_length = data_length;
    return LRNN_OK;
}

lrnn_status safetensors_writer_tensor(safetensors_writer *writer, const char *name,
                                      tensor_dtype dtype, size_t rank, const size_t *shape,
                                      const void *data)
{
    bool empty = false;
    for (size_t i = 0; i < rank && i < SAFETENSORS_MAX_RANK; i++) {
        empty = empty || shape[i] == 0;
    }
    if (data == NULL && !empty) {
        return error_set(LRNN_ERR_INVALID, "tensor \"%.100s\": data is NULL", name);
    }
    return add_tensor(writer, name, dtype, rank, shape, data != NULL ? data : "");
}

lrnn_status safetensors_writer_place(safetensors_writer *writer, const char *name,
                                     tensor_dtype dtype, size_t rank, const size_t *shape)
{
    return add_tensor(writer, name, dtype, rank, shape, NULL);
}

/* ---- data in the file's byte order ---- */

#define CONVERTED_BYTES 4096 /* at a time */

/* The bytes of a tensor from `at` on as the file has them, and how many: all the rest, where the
 * machine has them so. */
static const void *bytes_of(size_t *length, unsigned char room[CONVERTED_BYTES],
                            const written_tensor *tensor, size_t at)
{
    const unsigned char *from = (const unsigned char *)tensor->data + at;
    size_t size = tensor_dtype_size(tensor->dtype), left = tensor->bytes - at;
    *length = left;
    if (MACHINE_IS_LITTLE_ENDIAN || size == 1) {
        return from;
    }
    *length = left < CONVERTED_BYTES ? left : CONVERTED_BYTES;
    byte_order_swap(room, from, *length / size, size);
    return room;
}

/* ---- digests --------------------------------------------------------------------------------- */

static uint64_t sum_of_header(const safetensors_writer *writer)
{
    digest sum;
    digest_start(&sum);
    for (size_t i = 0; i < writer->metadata_count; i++) {
        const written_metadata *entry = &writer->metadata[i];
        header_digest_metadata(&sum, writer->strings + entry->key, writer->strings + entry->value,
                               entry->length);
    }
    for (size_t i = 0; i < writer->count; i++) {
        const written_tensor *tensor = &writer->tensors[i];
        header_digest_tensor(&sum, writer->strings + tensor->name, tensor->dtype, tensor->rank,
                             tensor->shape);
    }
    return digest_end(&sum);
}

static uint64_t sum_of_tensor(const written_tensor *tensor)
{
    unsigned char room[CONVERTED_BYTES];
    digest sum;
    digest_start(&sum);
    for (size_t at = 0, length; at < tensor->bytes; at += length) {
        const void *bytes = bytes_of(&length, room, tensor, at);
        digest_add(&sum, bytes, length);
    }
    return digest_end(&sum);
}

lrnn_status safetensors_writer_sign(safetensors_writer *writer)
{
    size_t length = header_digests_length(writer->count);
    char *text = memory_allocate(&writer->allocator, length, 1, "file writer: digests");
    if (text == NULL) {
        return LRNN_ERR_MEMORY;
    }
    header_digests_begin(text, sum_of_header(writer));
    for (size_t i = 0; i < writer->count; i++) {
        const written_tensor *tensor = &writer->tensors[i];
        uint64_t value = tensor->data != NULL ? sum_of_tensor(tensor) : 0;
        header_digests_put(text, i, tensor->data != NULL ? &value : NULL);
    }
    lrnn_status status = safetensors_writer_metadata(writer, SAFETENSORS_DIGEST, text, length);
    memory_release(&writer->allocator, text);
    return status;
}

/* ---- the header ----------------------------------------------------------------------------- */

/* Text that is first counted, with `to` NULL, then written by the same calls. */
typedef struct header_text {
    char *to;
    size_t used;
} header_text;

static void put(header_text *text, const char *bytes, size_t length)
{
    if (text->to != NULL) {
        memcpy(text->to + text->used, bytes, length);
    }
    text->used += length;
}

static void put_plain(header_text *text, const char *bytes)
{
    put(text, bytes, strlen(bytes));
}

static void put_quoted(header_text *text, const char *bytes, size_t length)
{
    text->used += json_quote(text->to != NULL ? text->to + text->used : NULL, bytes, length);
}

static void put_number(header_text *text, size_t number)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%zu", number);
    put_plain(text, digits);
}

static void put_metadata(header_text *text, const safetensors_writer *writer)
{
    put_quoted(text, SAFETENSORS_METADATA, strlen(SAFETENSORS_METADATA));
    for (size_t i = 0; i < writer->metadata_count; i++) {
        const written_metadata *entry = &writer->metadata[i];
        const char *key = writer->strings + entry->key;
        put_plain(text, i == 0 ? ":{" : ",");
        put_quoted(text, key, strlen(key));
        put_plain(text, ":");
        put_quoted(text, writer->strings + entry->value, entry->length);
    }
    put_plain(text, "}");
}

static void put_tensor(header_text *text, const safetensors_writer *writer,
                       const written_tensor *tensor, size_t offset)
{
    const char *name = writer->strings + tensor->name;
    put_quoted(text, name, strlen(name));
    put_plain(text, ":{\"dtype\":\"");
    put_plain(text, tensor_dtype_name(tensor->dtype));
    put_plain(text, "\",\"shape\":[");
    for (size_t i = 0; i < tensor->rank; i++) {
        put_plain(text, i == 0 ? "" : ",");
        put_number(text, tensor->shape[i]);
    }
    put_plain(text, "],\"data_offsets\":[");
    put_number(text, offset);
    put_plain(text, ",");
    put_number(text, offset + tensor->bytes);
    put_plain(text, "]}");
}

/* The length in eight bytes, the JSON, and spaces up to a multiple of eight and to `room` bytes. */
static void put_header(header_text *text, const safetensors_writer *writer, size_t length,
                       size_t room)
{
    for (int i = 0; i < SAFETENSORS_PREFIX; i++) {
        char byte = (char)(unsigned char)((uint64_t)length >> (8 * i));
        put(text, &byte, 1);
    }
    put_plain(text, "{");
    if (writer->metadata_count > 0) {
        put_metadata(text, writer);
    }
    size_t offset = 0;
    for (size_t i = 0; i < writer->count; i++) {
        if (i > 0 || writer->metadata_count > 0) {
            put_plain(text, ",");
        }
        put_tensor(text, writer, &writer->tensors[i], offset);
        offset += writer->tensors[i].bytes;
    }
    put_plain(text, "}");
    while (text->used % 8 != 0 || text->used < room) {
        put_plain(text, " ");
    }
}

static void put_data(header_text *text, const written_tensor *tensor)
{
    unsigned char room[CONVERTED_BYTES];
    for (size_t at = 0, length; at < tensor->bytes; at += length) {
        const void *bytes = bytes_of(&length, room, tensor, at);
        put(text, bytes, length);
    }
}

static lrnn_status measure_header(size_t *length, const safetensors_writer *writer, size_t room)
{
    header_text text = {0};
    put_header(&text, writer, 0, room);
    *length = text.used;
    if (text.used - SAFETENSORS_PREFIX > SAFETENSORS_MAX_HEADER) {
        return error_set(LRNN_ERR_UNSUPPORTED,
                         "names and metadata make a header of %zu bytes, the format allows %zu",
                         text.used - SAFETENSORS_PREFIX, SAFETENSORS_MAX_HEADER);
    }
    return LRNN_OK;
}

/* ---- out ------------------------------------------------------------------------------------ */

lrnn_status safetensors_writer_head(safetensors_writer *writer, void **bytes, size_t *length,
                                    size_t room)
{
    *bytes = NULL;
    *length = 0;
    size_t total;
    CHECK(measure_header(&total, writer, room));
    header_text text = {memory_allocate(&writer->allocator, total, 1, "header of a file"), 0};
    if (text.to == NULL) {
        return LRNN_ERR_MEMORY;
    }
    put_header(&text, writer, total - SAFETENSORS_PREFIX, room);
    *bytes = text.to;
    *length = total;
    return LRNN_OK;
}

lrnn_status safetensors_writer_memory(safetensors_writer *writer, void **bytes, size_t *length)
{
    size_t header, total;
    *bytes = NULL;
    *length = 0;
    CHECK(measure_header(&header, writer, 0));
    size_add(&total, header, writer->data_length);
    header_text text = {memory_allocate(&writer->allocator, total, 1, "file in memory"), 0};
    if (text.to == NULL) {
        return LRNN_ERR_MEMORY;
    }
    put_header(&text, writer, header - SAFETENSORS_PREFIX, 0);
    for (size_t i = 0; i < writer->count; i++) {
        put_data(&text, &writer->tensors[i]);
    }
    *bytes = text.to;
    *length = total;
    return LRNN_OK;
}

static lrnn_status write_data(atomic_file *file, const written_tensor *tensor)
{
    unsigned char room[CONVERTED_BYTES];
    for (size_t at = 0, length; at < tensor->bytes; at += length) {
        const void *bytes = bytes_of(&length, room, tensor, at);
        CHECK(atomic_file_write(file, bytes, length));
    }
    return LRNN_OK;
}

static lrnn_status write_file(const safetensors_writer *writer, const char *path,
                              const header_text *header)
{
    atomic_file file;
    CHECK(atomic_file_open(&file, path)); /* a failure closes it */
    CHECK(atomic_file_write(&file, header->to, header->used));
    for (size_t i = 0; i < writer->count; i++) {
        CHECK(write_data(&file, &writer->tensors[i]));
    }
    return atomic_file_commit(&file);
}

lrnn_status safetensors_writer_save(safetensors_writer *writer, const char *path)
{
    size_t length;
    CHECK(measure_header(&length, writer, 0));
    header_text header = {memory_allocate(&writer->allocator, length, 1, "header of a file"), 0};
    if (header.to == NULL) {
        return LRNN_ERR_MEMORY;
    }
    put_header(&header, writer, length - SAFETENSORS_PREFIX, 0);
    lrnn_status status = write_file(writer, path, &header);
    memory_release(&writer->allocator, header.to);
    return status;
}
