/* A file of tensors of either kind, told apart by its first bytes: views of its tensors in order of
 * name, whatever they came from. */
#include "tensor_file.h"

#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/memory.h"
#include "foreign.h"
#include "header.h"
#include "input_file.h"
#include "torch_file.h"

struct tensor_file {
    lrnn_allocator allocator;
    const char *name;
    safetensors *safetensors; /* one of the two, the other NULL */
    torch_file *torch;
    tensor_view *views;
    size_t count;
};

static lrnn_status allocate_views(tensor_file *file, size_t room)
{
    file->views = memory_allocate(&file->allocator, room, sizeof *file->views, "list of tensors");
    return file->views != NULL ? LRNN_OK : LRNN_ERR_MEMORY;
}

static lrnn_status load_safetensors(tensor_file *file)
{
    size_t room;
    CHECK(safetensors_open(&file->safetensors, &file->allocator, file->name));
    const safetensors *source = file->safetensors;
    size_add(&room, source->count, source->metadata_count);
    CHECK(allocate_views(file, room));
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

static lrnn_status load_torch(tensor_file *file, const char *const *entries, size_t entry_count)
{
    CHECK(torch_file_load(&file->torch, &file->allocator, file->name, entries, entry_count));
    CHECK(allocate_views(file, torch_file_count(file->torch)));
    while (file->count < torch_file_count(file->torch)) {
        file->views[file->count] = *torch_file_tensor(file->torch, file->count);
        file->count++;
    }
    return LRNN_OK;
}

static lrnn_status read_beginning(unsigned char first[FOREIGN_BYTES], size_t *length,
                                  const char *path)
{
    input_file input;
    CHECK(input_file_open(&input, path));
    *length = input.length < FOREIGN_BYTES ? input.length : FOREIGN_BYTES;
    lrnn_status status = input_file_read(&input, first, *length, 0);
    input_file_close(&input);
    return status;
}

/* Whether the file begins like one of torch.save's. One that is known to be something else is
 * named. */
static lrnn_status is_torch_file(bool *found, const char *path)
{
    unsigned char first[FOREIGN_BYTES];
    size_t length;
    CHECK(read_beginning(first, &length, path));
    *found = foreign_is_torch(first, length);
    const char *foreign = *found ? NULL : foreign_beginning(first, length);
    return foreign == NULL ? LRNN_OK : error_set(LRNN_ERR_FORMAT, "%s: %s", path, foreign);
}

static lrnn_status load(tensor_file *file, const char *const *entries, size_t entry_count)
{
    bool torch;
    CHECK(is_torch_file(&torch, file->name));
    if (torch) {
        return load_torch(file, entries, entry_count);
    }
    if (entry_count > 0) {
        return error_set(LRNN_ERR_INVALID,
                         "%s: entry '%.100s': only files of torch.save have entries", file->name,
                         entries[0]);
    }
    return load_safetensors(file);
}

lrnn_status tensor_file_load(tensor_file **file, const lrnn_allocator *allocator, const char *path,
                             const char *const *entries, size_t entry_count)
{
    *file = NULL;
    tensor_file *made = memory_allocate(allocator, 1, sizeof *made, "file of tensors");
    if (made == NULL) {
        return LRNN_ERR_MEMORY;
    }
    made->allocator = *allocator;
    made->name = path;
    lrnn_status status = load(made, entries, entry_count);
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
        safetensors_destroy(file->safetensors);
        torch_file_destroy(file->torch);
        memory_release(&allocator, file->views);
        memory_release(&allocator, file);
    }
}

const char *tensor_file_name(const tensor_file *file)
{
    return file->name;
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
    return file->safetensors != NULL &&
           safetensors_metadata(file->safetensors, "lrnn.format", NULL) != NULL;
}
