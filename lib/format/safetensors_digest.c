/* What a file of ours says of its own bytes, in the metadata: "xxh3:" and digests of 16 hexadecimal
 * digits, first that of everything else in the header, then one for each tensor in the order of
 * their bytes, or '-' 16 times where a tensor has none. The header's is over each metadata entry in
 * the order of the keys (key, its NUL, length of the value, value) and each tensor (name, its NUL,
 * dtype, its NUL, rank, shape), numbers in 8 bytes, little-endian. */
#include "safetensors_digest.h"

#include <string.h>

#include "base/check.h"
#include "base/error.h"

#define KIND        "xxh3:"
#define KIND_LENGTH 5

void header_digest_metadata(digest *sum, const char *key, const char *value, size_t length)
{
    if (strcmp(key, SAFETENSORS_DIGEST) != 0) {
        digest_add_text(sum, key);
        digest_add_number(sum, length);
        digest_add(sum, value, length);
    }
}

void header_digest_tensor(digest *sum, const char *name, tensor_dtype dtype, size_t rank,
                          const size_t *shape)
{
    digest_add_text(sum, name);
    digest_add_text(sum, tensor_dtype_name(dtype));
    digest_add_number(sum, rank);
    for (size_t i = 0; i < rank; i++) {
        digest_add_number(sum, shape[i]);
    }
}

size_t header_digests_length(size_t tensors)
{
    return KIND_LENGTH + (tensors + 1) * DIGEST_DIGITS;
}

void header_digests_begin(char *text, uint64_t header)
{
    memcpy(text, KIND, KIND_LENGTH);
    digest_write(text + KIND_LENGTH, header);
}

void header_digests_put(char *text, size_t tensor, const uint64_t *value)
{
    char *to = text + KIND_LENGTH + (tensor + 1) * DIGEST_DIGITS;
    if (value == NULL) {
        memset(to, '-', DIGEST_DIGITS);
    } else {
        digest_write(to, *value);
    }
}

/* ---- reading ---- */

static uint64_t sum_of_header(const safetensors *file)
{
    digest sum;
    digest_start(&sum);
    for (size_t i = 0; i < file->metadata_count; i++) {
        const metadata_entry *entry = &file->metadata[i];
        header_digest_metadata(&sum, entry->key, entry->value, entry->length);
    }
    for (size_t i = 0; i < file->count; i++) {
        const tensor_view *view = &file->tensors[i].view;
        header_digest_tensor(&sum, view->name, view->dtype, view->rank, view->shape);
    }
    return digest_end(&sum);
}

static lrnn_status unreadable(const safetensors *file, size_t length)
{
    return error_set(LRNN_ERR_FORMAT,
                     "%s: " SAFETENSORS_DIGEST ": expected xxh3: and digests of the header and "
                     "%zu tensors, %zu bytes, found %zu other bytes",
                     file->name, file->count, header_digests_length(file->count), length);
}

lrnn_status safetensors_read_digests(safetensors *file)
{
    size_t length;
    uint64_t stated;
    const char *text = safetensors_metadata(file, SAFETENSORS_DIGEST, &length);
    if (text == NULL) {
        return LRNN_OK;
    }
    if (length != header_digests_length(file->count) || memcmp(text, KIND, KIND_LENGTH) != 0 ||
        !digest_read(&stated, text + KIND_LENGTH)) {
        return unreadable(file, length);
    }
    for (size_t i = 0; i < file->count; i++) {
        const char *digits = text + KIND_LENGTH + (i + 1) * DIGEST_DIGITS;
        tensor_view *view = &file->tensors[i].view;
        view->digested = digits[0] != '-';
        if (view->digested && !digest_read(&view->digest, digits)) {
            return unreadable(file, length);
        }
    }
    uint64_t found = sum_of_header(file);
    return found == stated
               ? LRNN_OK
               : error_set(LRNN_ERR_FORMAT,
                           "%s: the header is damaged: its digest is %016llx, expected %016llx; "
                           "take another copy of the file, or remove the metadata "
                           "key " SAFETENSORS_DIGEST " if it was changed on purpose",
                           file->name, (unsigned long long)found, (unsigned long long)stated);
}
