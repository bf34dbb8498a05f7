#include "tensor_file.h"

#include <string.h>

#include "base/memory.h"
#include "header.h"

struct tensor_file {
    lrnn_allocator allocator;
    safetensors *source;
    tensor_view *views;
    size_t count;
};

static lrnn_status take_views(tensor_file *file)
{
    const safetensors *source = file->source;
    size_t room;
    size_add(&room, source->count, source->metadata_count);
    file->views = memory_allocate(&file->allocator, room, sizeof *file->views, "list of tensors");
    if (file->views == NULL) {
        return LRNN_ERR_MEMORY;
    }
    for (size_t i = 0; i < source->count; i++) {
        file->views[file->count++] = source->tensors[i].view;
    }
    for (size_t i = 0; i < source->metadata_count; i++) {
        const metadata_entry *entry = &source->metadata[i];
        const tensor_view *kept = safetensors_find(source, entry->value);
        if (kept != NULL && strlen(entry->value) == entry->length &&
            safetensors_find(source, entry->key) == NULL) {
            tensor_view *view = &file->views[file->count++];
            *view = *kept;
            view->name = entry->key;
        }
    }
    return LRNN_OK;
}

lrnn_status tensor_file_load(tensor_file **file, const lrnn_allocator *allocator, const char *path)
{
    *file = NULL;
    tensor_file *made = memory_allocate(allocator, 1, sizeof *made, "file of tensors");
    if (made == NULL) {
        return LRNN_ERR_MEMORY;
    }
    made->allocator = *allocator;
    lrnn_status status = safetensors_load(&made->source, allocator, path);
    if (status == LRNN_OK) {
        status = take_views(made);
    }
    if (status != LRNN_OK) {
        tensor_file_destroy(made);
        return status;
    }
    *file = made;
    return LRNN_OK;
}

void tensor_file_destroy(tensor_file *file)
{
    if (file != NULL) {
        lrnn_allocator allocator = file->allocator;
        safetensors_destroy(file->source);
        memory_release(&allocator, file->views);
        memory_release(&allocator, file);
    }
}

const char *tensor_file_name(const tensor_file *file)
{
    return safetensors_name(file->source);
}

size_t tensor_file_count(const tensor_file *file)
{
    return file->count;
}

const tensor_view *tensor_file_tensor(const tensor_file *file, size_t index)
{
    return &file->views[index];
}

bool tensor_file_is_ours(const tensor_file *file)
{
    return safetensors_metadata(file->source, "lrnn.format", NULL) != NULL;
}
