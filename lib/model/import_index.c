/* Names taken apart, and the tensors by module. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "import.h"

static const struct {
    const char *name;
    import_kind kind;
} recurrent_leaves[] = {
    {"weight_ih", IMPORT_WEIGHT_IH}, {"weight_hh", IMPORT_WEIGHT_HH}, {"bias_ih", IMPORT_BIAS_IH},
    {"bias_hh", IMPORT_BIAS_HH},     {"weight_hr", IMPORT_WEIGHT_HR},
};

enum { MOST_LAYER_DIGITS = 4 };

/* "", "_l0", "_l12_reverse"; false for anything else. */
static bool read_layer(import_tensor *tensor, const char *text)
{
    if (*text == '\0') {
        tensor->cell = true;
        return true;
    }
    if (strncmp(text, "_l", 2) != 0) {
        return false;
    }
    const char *digit = text + 2;
    size_t layer = 0;
    while (*digit >= '0' && *digit <= '9' && digit - text - 2 < MOST_LAYER_DIGITS) {
        layer = 10 * layer + (size_t)(*digit++ - '0');
    }
    if (digit == text + 2 || (text[2] == '0' && digit > text + 3)) {
        return false;
    }
    tensor->layer = layer;
    tensor->reverse = strcmp(digit, "_reverse") == 0;
    return *digit == '\0' || tensor->reverse;
}

static import_tensor take_apart(const tensor_view *view)
{
    const char *dot = strrchr(view->name, '.');
    import_tensor tensor = {
        .view = view,
        .leaf = dot != NULL ? dot + 1 : view->name,
        .module_length = dot != NULL ? (size_t)(dot - view->name) : 0,
        .kind = IMPORT_OTHER,
    };
    if (strcmp(tensor.leaf, "weight") == 0) {
        tensor.kind = IMPORT_WEIGHT;
    } else if (strcmp(tensor.leaf, "bias") == 0) {
        tensor.kind = IMPORT_BIAS;
    }
    for (size_t i = 0; i < sizeof recurrent_leaves / sizeof *recurrent_leaves; i++) {
        size_t length = strlen(recurrent_leaves[i].name);
        if (strncmp(tensor.leaf, recurrent_leaves[i].name, length) == 0 &&
            read_layer(&tensor, tensor.leaf + length)) {
            tensor.kind = recurrent_leaves[i].kind;
        }
    }
    return tensor;
}

static int compare_modules(const import_tensor *a, const import_tensor *b)
{
    size_t length = a->module_length < b->module_length ? a->module_length : b->module_length;
    int order = memcmp(a->view->name, b->view->name, length);
    return order != 0
               ? order
               : (a->module_length > b->module_length) - (a->module_length < b->module_length);
}

static int compare_tensors(const void *left, const void *right)
{
    const import_tensor *a = left, *b = right;
    int order = compare_modules(a, b);
    return order != 0 ? order : strcmp(a->leaf, b->leaf);
}

static void add_module(import_index *index, size_t first, size_t end)
{
    import_module *module = &index->modules[index->module_count++];
    *module = (import_module){.first = first, .count = end - first};
    for (size_t i = first; i < end; i++) {
        const import_tensor *tensor = &index->tensors[i];
        if (tensor->kind == IMPORT_WEIGHT_IH) {
            module->recurrent = true;
        } else if (tensor->kind == IMPORT_WEIGHT && tensor->view->rank == 2) {
            module->weight = tensor;
        } else if (tensor->kind == IMPORT_BIAS) {
            module->bias = tensor;
        }
    }
    if (module->recurrent) {
        module->weight = module->bias = NULL;
    }
}

lrnn_status import_index_create(import_index *index, const tensor_file *file,
                                const lrnn_allocator *allocator)
{
    size_t count = tensor_file_count(file);
    *index = (import_index){.file = file, .tensor_count = count};
    index->tensors = memory_allocate(allocator, count, sizeof *index->tensors, "list of tensors");
    index->modules = memory_allocate(allocator, count, sizeof *index->modules, "list of modules");
    if (index->tensors == NULL || index->modules == NULL) {
        import_index_release(index, allocator);
        return LRNN_ERR_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        index->tensors[i] = take_apart(tensor_file_tensor(file, i));
    }
    qsort(index->tensors, count, sizeof *index->tensors, compare_tensors);
    for (size_t first = 0, end; first < count; first = end) {
        for (end = first + 1;
             end < count && compare_modules(&index->tensors[first], &index->tensors[end]) == 0;
             end++) {
        }
        add_module(index, first, end);
    }
    return LRNN_OK;
}

void import_index_release(import_index *index, const lrnn_allocator *allocator)
{
    memory_release(allocator, index->tensors);
    memory_release(allocator, index->modules);
    *index = (import_index){0};
}

static int compare_leaf(const void *leaf, const void *element)
{
    const import_tensor *tensor = element;
    return strcmp(leaf, tensor->leaf);
}

import_tensor *import_find(const import_index *index, const import_module *module, const char *leaf)
{
    return bsearch(leaf, index->tensors + module->first, module->count, sizeof *index->tensors,
                   compare_leaf);
}

const char *import_shape(char text[IMPORT_SHAPE_ROOM], size_t rank, const size_t *shape)
{
    size_t used = (size_t)snprintf(text, IMPORT_SHAPE_ROOM, "[");
    for (size_t i = 0; i < rank; i++) {
        used += (size_t)snprintf(text + used, IMPORT_SHAPE_ROOM - used, "%s%zu", i == 0 ? "" : ",",
                                 shape[i]);
    }
    snprintf(text + used, IMPORT_SHAPE_ROOM - used, "]");
    return text;
}
