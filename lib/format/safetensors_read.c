/* Reading from a file and from memory. The header is checked against the length of the data. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/memory.h"
#include "foreign.h"
#include "header.h"
#include "input_file.h"

/* The first bytes of a file, as many as are looked at to say what it is. */
typedef struct beginning {
    const unsigned char *bytes;
    size_t length;
} beginning;

static size_t beginning_length(size_t file_length)
{
    return file_length < FOREIGN_BYTES ? file_length : FOREIGN_BYTES;
}

static lrnn_status no_safetensors(const char *name, const beginning *first, uint64_t stated,
                                  size_t file_length)
{
    const char *foreign = foreign_is_torch(first->bytes, first->length)
                              ? "a file of torch.save: 'lrnn import' makes a model of it"
                              : foreign_beginning(first->bytes, first->length);
    if (foreign != NULL) {
        return error_set(LRNN_ERR_FORMAT, "%s: %s", name, foreign);
    }
    if (file_length < SAFETENSORS_PREFIX) {
        return error_set(LRNN_ERR_FORMAT, "%s: %zu bytes are no safetensors file", name,
                         file_length);
    }
    return error_set(LRNN_ERR_FORMAT,
                     "%s: not a safetensors file, or cut off: a header of %llu bytes in a file of "
                     "%zu",
                     name, (unsigned long long)stated, file_length);
}

static lrnn_status header_length(size_t *length, const char *name, const beginning *first,
                                 size_t file_length)
{
    uint64_t stated = 0;
    if (file_length < SAFETENSORS_PREFIX) {
        return no_safetensors(name, first, 0, file_length);
    }
    for (int i = SAFETENSORS_PREFIX - 1; i >= 0; i--) {
        stated = stated << 8 | first->bytes[i];
    }
    if (stated > SAFETENSORS_MAX_HEADER || stated > file_length - SAFETENSORS_PREFIX) {
        return no_safetensors(name, first, stated, file_length);
    }
    *length = (size_t)stated;
    return LRNN_OK;
}

lrnn_status safetensors_parse(safetensors **file, const lrnn_allocator *allocator, const char *name,
                              const void *bytes, size_t length)
{
    lrnn_allocator memory;
    size_t header_bytes = 0;
    *file = NULL;
    CHECK(allocator_read(&memory, allocator));
    const beginning first = {.bytes = bytes, .length = beginning_length(length)};
    CHECK(header_length(&header_bytes, name, &first, length));
    const unsigned char *data = (const unsigned char *)bytes + SAFETENSORS_PREFIX + header_bytes;
    CHECK(safetensors_read_header(file, &memory, name, (const char *)bytes + SAFETENSORS_PREFIX,
                                  header_bytes, length - SAFETENSORS_PREFIX - header_bytes));
    for (size_t i = 0; i < (*file)->count; i++) {
        tensor_entry *tensor = &(*file)->tensors[i];
        tensor->view.data = data + tensor->begin;
    }
    return LRNN_OK;
}

/* ---- files ---------------------------------------------------------------------------------- */

static lrnn_status read_header(safetensors **file, const lrnn_allocator *allocator,
                               const input_file *input)
{
    unsigned char bytes[FOREIGN_BYTES];
    const beginning first = {.bytes = bytes, .length = beginning_length(input->length)};
    size_t header_bytes = 0;
    CHECK(input_file_read(input, bytes, first.length, 0));
    CHECK(header_length(&header_bytes, input->name, &first, input->length));
    char *text = memory_allocate(allocator, header_bytes, 1, "header of a safetensors file");
    if (text == NULL) {
        return LRNN_ERR_MEMORY;
    }
    size_t start = SAFETENSORS_PREFIX + header_bytes;
    lrnn_status status = input_file_read(input, text, header_bytes, SAFETENSORS_PREFIX);
    if (status == LRNN_OK) {
        status = safetensors_read_header(file, allocator, input->name, text, header_bytes,
                                         input->length - start);
    }
    memory_release(allocator, text);
    CHECK(status);
    for (size_t i = 0; i < (*file)->count; i++) {
        tensor_entry *tensor = &(*file)->tensors[i];
        tensor->view.file = &(*file)->input;
        tensor->view.offset = start + tensor->begin;
    }
    return LRNN_OK;
}

lrnn_status safetensors_open(safetensors **file, const lrnn_allocator *allocator, const char *path)
{
    lrnn_allocator memory;
    input_file input;
    *file = NULL;
    CHECK(allocator_read(&memory, allocator));
    CHECK(input_file_open(&input, path));
    lrnn_status status = read_header(file, &memory, &input);
    if (status != LRNN_OK) {
        input_file_close(&input);
        return status;
    }
    (*file)->input = input;
    (*file)->input.name = (*file)->name;
    return LRNN_OK;
}

/* ---- asking --------------------------------------------------------------------------------- */

void safetensors_destroy(safetensors *file)
{
    if (file != NULL) {
        lrnn_allocator allocator = file->allocator;
        input_file_close(&file->input);
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
