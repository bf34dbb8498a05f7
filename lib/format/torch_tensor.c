/* Tensors as torch._utils._rebuild_tensor_v2 makes them: a storage, an offset, shape and strides.
 */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "torch_reader.h"

/* What a state_dict may ask for; the storages first, in the order of their dtypes below. */
const pickle_global torch_globals[] = {
    {"torch", "FloatStorage"},
    {"torch", "DoubleStorage"},
    {"torch", "HalfStorage"},
    {"torch", "BFloat16Storage"},
    {"torch", "LongStorage"},
    {"torch", "IntStorage"},
    {"torch", "ShortStorage"},
    {"torch", "CharStorage"},
    {"torch", "ByteStorage"},
    {"torch", "BoolStorage"},
    {"torch._utils", "_rebuild_tensor_v2"},
    {"torch._utils", "_rebuild_parameter"},
};

static const tensor_dtype dtypes[] = {
    TENSOR_F32, TENSOR_F64, TENSOR_F16, TENSOR_BF16, TENSOR_I64,
    TENSOR_I32, TENSOR_I16, TENSOR_I8,  TENSOR_U8,   TENSOR_BOOL,
};

const size_t torch_global_count = sizeof torch_globals / sizeof *torch_globals;

enum {
    STORAGE_COUNT = sizeof dtypes / sizeof *dtypes,
    REBUILD_TENSOR = STORAGE_COUNT,
    REBUILD_PARAMETER
};

static lrnn_status bad_tensor(const torch_reader *r, const pickle_node *key, const char *why)
{
    return error_set(LRNN_ERR_FORMAT, "%s: tensor '%.*s': %s", r->name, torch_shown(key), key->text,
                     why);
}

static bool get_size(size_t *size, const torch_reader *r, pickle_value value)
{
    const pickle_node *node = pickle_get(&r->pickle, value);
    if (node->type != PICKLE_INT || node->integer < 0 || (uint64_t)node->integer > SIZE_MAX / 2) {
        return false;
    }
    *size = (size_t)node->integer;
    return true;
}

/* A tuple of at most SAFETENSORS_MAX_RANK sizes. */
static bool get_sizes(size_t *sizes, size_t *count, const torch_reader *r, pickle_value tuple)
{
    const pickle_node *node = pickle_get(&r->pickle, tuple);
    pickle_value elements[SAFETENSORS_MAX_RANK];
    *count = node->length;
    if (node->length > SAFETENSORS_MAX_RANK ||
        pickle_tuple(elements, node->length, &r->pickle, tuple) != LRNN_OK) {
        return false;
    }
    for (size_t i = 0; i < node->length; i++) {
        if (!get_size(&sizes[i], r, elements[i])) {
            return false;
        }
    }
    return true;
}

zip_entry *torch_find_entry(torch_reader *r, const char *text, const char *key, size_t key_length)
{
    size_t length = strlen(text);
    if (length + key_length > sizeof r->path - r->folder_length) {
        return NULL;
    }
    memcpy(r->path + r->folder_length, text, length);
    memcpy(r->path + r->folder_length + length, key, key_length);
    return zip_find(&r->zip, r->path, r->folder_length + length + key_length);
}

/* ("storage", type, key, location, count): sets dtype and data, and how many elements there are. */
static lrnn_status read_storage(tensor_view *view, size_t *count, torch_reader *r,
                                const pickle_node *tensor_key, pickle_value storage)
{
    pickle_value parts[5];
    const pickle_document *p = &r->pickle;
    const pickle_node *node = pickle_get(p, storage);
    if (node->type != PICKLE_PERSISTENT || pickle_tuple(parts, 5, p, node->callee) != LRNN_OK) {
        return bad_tensor(r, tensor_key, "its storage is none");
    }
    const pickle_node *word = pickle_get(p, parts[0]), *type = pickle_get(p, parts[1]);
    if (type->type == PICKLE_OTHER) {
        char shown[PICKLE_SHOWN];
        bad_tensor(r, tensor_key, pickle_show(shown, p, parts[1]));
        return error_set(LRNN_ERR_UNSUPPORTED, "%s is not a storage that can be read",
                         lrnn_last_error());
    }
    const pickle_node *key = pickle_get(p, parts[2]);
    if (word->type != PICKLE_STRING || word->length != 7 || memcmp(word->text, "storage", 7) != 0 ||
        type->type != PICKLE_GLOBAL || type->integer < 0 || type->integer >= STORAGE_COUNT ||
        key->type != PICKLE_STRING || key->length > TORCH_KEY_BYTES ||
        !get_size(count, r, parts[4])) {
        return bad_tensor(r, tensor_key, "its storage is none");
    }
    view->dtype = dtypes[type->integer];
    zip_entry *entry = torch_find_entry(r, "data/", key->text, key->length);
    if (entry == NULL) {
        return bad_tensor(r, tensor_key, "its storage is not in the file");
    }
    if (entry->length / tensor_dtype_size(view->dtype) != *count ||
        entry->length % tensor_dtype_size(view->dtype) != 0) {
        return bad_tensor(r, tensor_key, "its storage has another size");
    }
    view->data = entry->data;
    return zip_check(&r->zip, entry);
}

/* Whether the elements lie in the storage, and sets view.count, data and dense. */
static bool place(torch_tensor *tensor, size_t offset, size_t storage_count)
{
    tensor_view *view = &tensor->view;
    size_t last = offset, dense_stride = 1;
    view->count = 1;
    tensor->dense = true;
    for (size_t i = view->rank; i-- > 0;) {
        size_t step;
        if (!size_multiply(&view->count, view->count, view->shape[i])) {
            return false;
        }
        if (view->shape[i] == 0) {
            continue;
        }
        if (!size_multiply(&step, view->shape[i] - 1, tensor->strides[i]) ||
            !size_add(&last, last, step)) {
            return false;
        }
        tensor->dense =
            tensor->dense && (view->shape[i] == 1 || tensor->strides[i] == dense_stride);
        dense_stride *= view->shape[i];
    }
    if (view->count == 0) {
        tensor->dense = true;
        return true;
    }
    view->data += offset * tensor_dtype_size(view->dtype);
    return last < storage_count;
}

/* Arguments of _rebuild_tensor_v2: storage, offset, size, stride, and what is not for us. */
lrnn_status torch_read_tensor(torch_tensor *tensor, torch_reader *r, const pickle_node *key,
                              const pickle_node *call)
{
    pickle_value parts[7];
    const pickle_document *p = &r->pickle;
    pickle_value arguments = call->arguments;
    size_t given = pickle_get(p, arguments)->length, offset, rank, storage_count = 0;
    *tensor = (torch_tensor){.dense = true};
    if ((given != 6 && given != 7) || pickle_tuple(parts, given, p, arguments) != LRNN_OK ||
        !get_size(&offset, r, parts[1]) ||
        !get_sizes(tensor->view.shape, &tensor->view.rank, r, parts[2]) ||
        !get_sizes(tensor->strides, &rank, r, parts[3]) || rank != tensor->view.rank) {
        return bad_tensor(r, key, "its shape is none, or has more than 8 dimensions");
    }
    lrnn_status status = read_storage(&tensor->view, &storage_count, r, key, parts[0]);
    if (status == LRNN_OK && (offset > storage_count || !place(tensor, offset, storage_count))) {
        status = bad_tensor(r, key, "it does not lie in its storage");
    }
    return status;
}

const pickle_node *torch_tensor_call(const torch_reader *r, pickle_value value)
{
    const pickle_document *p = &r->pickle;
    const pickle_node *node = pickle_get(p, value);
    if (node->type == PICKLE_CALL && pickle_get(p, node->callee)->integer == REBUILD_PARAMETER) {
        pickle_value parts[3];
        if (pickle_tuple(parts, 3, p, node->arguments) != LRNN_OK) {
            return NULL;
        }
        node = pickle_get(p, parts[0]);
    }
    return node->type == PICKLE_CALL && pickle_get(p, node->callee)->integer == REBUILD_TENSOR
               ? node
               : NULL;
}

void torch_copy_dense(unsigned char *to, const torch_tensor *tensor)
{
    const tensor_view *view = &tensor->view;
    size_t size = tensor_dtype_size(view->dtype), at = 0;
    size_t index[SAFETENSORS_MAX_RANK] = {0};
    for (size_t i = 0; i < view->count; i++) {
        memcpy(to + i * size, view->data + at * size, size);
        for (size_t k = view->rank; k-- > 0;) {
            at += tensor->strides[k];
            if (++index[k] < view->shape[k]) {
                break;
            }
            at -= view->shape[k] * tensor->strides[k];
            index[k] = 0;
        }
    }
}
