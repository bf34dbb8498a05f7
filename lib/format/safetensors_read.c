/* Reading from a file and from memory. The header is checked against the length of the data before
 * any room for the data is asked for. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "header.h"
#include "input_file.h"

static lrnn_status header_length(size_t *length, const char *name, const unsigned char *prefix,
                                 size_t file_length)
{
    uint64_t stated = 0;
    if (file_length < SAFETENSORS_PREFIX) {
        return error_set(LRNN_ERR_FORMAT, "%s: %zu bytes are no safetensors file", name,
                         file_length);
    }
    for (int i = SAFETENSORS_PREFIX - 1; i >= 0; i--) {
        stated = stated << 8 | prefix[i];
    }
    if (stated > SAFETENSORS_MAX_HEADER || stated > file_length - SAFETENSORS_PREFIX) {
        return error_set(LRNN_ERR_FORMAT, "%s: a header of %llu bytes in a file of %zu", name,
                         (unsigned long long)stated, file_length);
    }
    *length = (size_t)stated;
    return LRNN_OK;
}

/* Room for the data, which the caller then fills. On failure the file is gone. */
static lrnn_status take_data(safetensors **file, size_t length)
{
    safetensors *object = *file;
    object->data = memory_allocate(&object->allocator, length, 1, "tensors of a safetensors file");
    if (object->data == NULL) {
        safetensors_destroy(object);
        *file = NULL;
        return LRNN_ERR_MEMORY;
    }
    for (size_t i = 0; i < object->count; i++) {
        object->tensors[i].view.data = object->data + object->tensors[i].begin;
    }
    return LRNN_OK;
}

lrnn_status safetensors_parse(safetensors **file, const lrnn_allocator *allocator, const char *name,
                              const void *bytes, size_t length)
{
    lrnn_allocator memory;
    size_t header_bytes;
    *file = NULL;
    lrnn_status status = allocator_read(&memory, allocator);
    if (status == LRNN_OK) {
        status = header_length(&header_bytes, name, bytes, length);
    }
    if (status != LRNN_OK) {
        return status;
    }
    const unsigned char *data = (const unsigned char *)bytes + SAFETENSORS_PREFIX + header_bytes;
    size_t data_length = length - SAFETENSORS_PREFIX - header_bytes;
    status = safetensors_read_header(file, &memory, name, (const char *)bytes + SAFETENSORS_PREFIX,
                                     header_bytes, data_length);
    if (status == LRNN_OK) {
        status = take_data(file, data_length);
    }
    if (status == LRNN_OK) {
        memcpy((*file)->data, data, data_length);
    }
    return status;
}

/* ---- files ---------------------------------------------------------------------------------- */

static lrnn_status load_header(safetensors **file, const lrnn_allocator *allocator,
                               const input_file *input, size_t *data_length)
{
    unsigned char prefix[SAFETENSORS_PREFIX];
    size_t header_bytes;
    lrnn_status status = LRNN_OK;
    if (input->length >= sizeof prefix) {
        status = input_file_read(input, prefix, sizeof prefix);
    }
    if (status == LRNN_OK) {
        status = header_length(&header_bytes, input->name, prefix, input->length);
    }
    if (status != LRNN_OK) {
        return status;
    }
    char *text = memory_allocate(allocator, header_bytes, 1, "header of a safetensors file");
    if (text == NULL) {
        return LRNN_ERR_MEMORY;
    }
    *data_length = input->length - SAFETENSORS_PREFIX - header_bytes;
    status = input_file_read(input, text, header_bytes);
    if (status == LRNN_OK) {
        status =
            safetensors_read_header(file, allocator, input->name, text, header_bytes, *data_length);
    }
    memory_release(allocator, text);
    return status;
}

static lrnn_status load(safetensors **file, const lrnn_allocator *allocator,
                        const input_file *input)
{
    size_t data_length;
    lrnn_status status = load_header(file, allocator, input, &data_length);
    if (status == LRNN_OK) {
        status = take_data(file, data_length);
    }
    if (status == LRNN_OK) {
        status = input_file_read(input, (*file)->data, data_length);
        if (status != LRNN_OK) {
            safetensors_destroy(*file);
            *file = NULL;
        }
    }
    return status;
}

lrnn_status safetensors_load(safetensors **file, const lrnn_allocator *allocator, const char *path)
{
    lrnn_allocator memory;
    input_file input;
    *file = NULL;
    lrnn_status status = allocator_read(&memory, allocator);
    if (status == LRNN_OK) {
        status = input_file_open(&input, path);
    }
    if (status == LRNN_OK) {
        status = load(file, &memory, &input);
        input_file_close(&input);
    }
    return status;
}

/* ---- asking --------------------------------------------------------------------------------- */

void safetensors_destroy(safetensors *file)
{
    if (file != NULL) {
        lrnn_allocator allocator = file->allocator;
        memory_release(&allocator, file->data);
        memory_release(&allocator, file);
    }
}

const char *safetensors_name(const safetensors *file)
{
    return file->name;
}

size_t safetensors_count(const safetensors *file)
{
    return file->count;
}

const tensor_view *safetensors_tensor(const safetensors *file, size_t index)
{
    return &file->tensors[index].view;
}

static int compare_name(const void *name, const void *element)
{
    const tensor_entry *const *tensor = element;
    return strcmp(name, (*tensor)->view.name);
}

const tensor_view *safetensors_find(const safetensors *file, const char *name)
{
    const tensor_entry *const *found =
        bsearch(name, file->by_name, file->count, sizeof file->by_name[0], compare_name);
    return found != NULL ? &(*found)->view : NULL;
}

static int compare_key(const void *key, const void *element)
{
    const metadata_entry *entry = element;
    return strcmp(key, entry->key);
}

const char *safetensors_metadata(const safetensors *file, const char *key, size_t *length)
{
    const metadata_entry *entry =
        bsearch(key, file->metadata, file->metadata_count, sizeof file->metadata[0], compare_key);
    if (length != NULL) {
        *length = entry != NULL ? entry->length : 0;
    }
    return entry != NULL ? entry->value : NULL;
}
