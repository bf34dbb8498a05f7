/* Files that torch.save writes since PyTorch 1.6: a zip with a pickle, data.pkl, that describes
 * tensors whose numbers are the entries data/0, data/1, ... (torch/serialization.py,
 * torch/_utils.py: _rebuild_tensor_v2). Nothing in them is executed. */
#ifndef FORMAT_TORCH_FILE_H
#define FORMAT_TORCH_FILE_H

#include "safetensors.h"

typedef struct torch_file torch_file;

/* Reads the state_dict. With entry_count 0 it is the dictionary in the file if that has nothing but
 * tensors, otherwise the only dictionary with a tensor that one key leads to, or if it has no
 * tensor itself, two keys, and so on. With one it is the entry of that name: the keys that lead to
 * it, with dots between them. With several the tensors are those of all of them, and begin with the
 * name of theirs and a dot. Each of its values must be a tensor, of a real dtype; those that are
 * not dense (transposed, strided) are copied into order. LRNN_ERR_IO; LRNN_ERR_FORMAT: it is
 * damaged or not of that kind; LRNN_ERR_UNSUPPORTED: it has other Python objects, or is of an older
 * format; LRNN_ERR_NOT_FOUND: there is no such entry. LRNN_ERR_MEMORY. */
lrnn_status torch_file_load(torch_file **file, const lrnn_allocator *allocator, const char *path,
                            const char *const *entries, size_t entry_count);

/* The same from memory, which is borrowed. `name` stands for the path in messages. */
lrnn_status torch_file_parse(torch_file **file, const lrnn_allocator *allocator, const char *name,
                             const void *bytes, size_t length, const char *const *entries,
                             size_t entry_count);
void torch_file_destroy(torch_file *file);

size_t torch_file_count(const torch_file *file);
const tensor_view *torch_file_tensor(const torch_file *file, size_t index); /* by name */

#endif
