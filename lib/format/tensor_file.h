/* Named tensors out of a file of PyTorch's, of either kind. */
#ifndef FORMAT_TENSOR_FILE_H
#define FORMAT_TENSOR_FILE_H

#include <stdbool.h>

#include "safetensors.h"

typedef struct tensor_file tensor_file;

/* Reads a safetensors file, or one of torch.save's: what it begins with tells. All names differ.
 * Tensors that safetensors.torch.save_model left out because another one shares their memory
 * (metadata "left out": "kept") are there again, on the same data. `entries` as for
 * torch_file_load; a safetensors file has no entries: LRNN_ERR_INVALID. Other errors as
 * safetensors_load and torch_file_load. */
lrnn_status tensor_file_load(tensor_file **file, const lrnn_allocator *allocator, const char *path,
                             const char *const *entries, size_t entry_count);
void tensor_file_destroy(tensor_file *file);

const char *tensor_file_name(const tensor_file *file); /* the path; borrowed from the caller */
size_t tensor_file_count(const tensor_file *file);
const tensor_view *tensor_file_tensor(const tensor_file *file, size_t index);

/* Whether the file says that this library wrote it. */
bool tensor_file_is_ours(const tensor_file *file);

#endif
