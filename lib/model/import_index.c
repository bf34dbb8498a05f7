/* The tensors of a file by name; what is left of them when some are left out and others folded,
 * with their names taken apart, by module. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
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

import_tensor import_take_apart(const tensor_view *view)
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
        } else if (tensor->kind == IMPORT_WEIGHT) {
            module->matrix = tensor->view->rank >= 2;
            module->weight = tensor->view->rank == 2 ? tensor : NULL;
        } else if (tensor->kind == IMPORT_BIAS) {
            module->bias = tensor;
        }
    }
    if (module->recurrent) {
        module->weight = module->bias = NULL;
    }
}

static void make_modules(import_index *index)
{
    size_t count = index->tensor_count;
    if (count > 0) {
        qsort(index->tensors, count, sizeof *index->tensors, compare_tensors);
    }
    for (size_t first = 0, end; first < count; first = end) {
        for (end = first + 1;
             end < count && compare_modules(&index->tensors[first], &index->tensors[end]) == 0;
             end++) {
        }
        add_module(index, first, end);
    }
}

/* ---- all of them, by name ---- */

static int compare_raws(const void *left, const void *right)
{
    const import_raw *a = left, *b = right;
    return strcmp(a->view->name, b->view->name);
}

static int compare_raw_name(const void *name, const void *element)
{
    const import_raw *raw = element;
    return strcmp(name, raw->view->name);
}

import_raw *import_find_raw(const import_index *index, const char *name)
{
    import_raw *found = index->raw_count == 0 ? NULL
                                              : bsearch(name, index->raws, index->raw_count,
                                                        sizeof *index->raws, compare_raw_name);
    return found == NULL || found->gone ? NULL : found;
}

static lrnn_status leave_out(import_index *index, const char *const *without, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        import_raw *raw = import_find_raw(index, without[i]);
        if (raw == NULL) {
            return error_set(LRNN_ERR_NOT_FOUND, "%s: without: there is no tensor '%.200s'",
                             tensor_file_name(index->file), without[i]);
        }
        raw->gone = true;
    }
    return LRNN_OK;
}

static lrnn_status allocate(import_index *index, const lrnn_allocator *allocator)
{
    size_t count = tensor_file_count(index->file), names = 0;
    for (size_t i = 0; i < count; i++) {
        names += strlen(tensor_file_tensor(index->file, i)->name) + sizeof "module.";
    }
    index->raws = memory_allocate(allocator, count, sizeof *index->raws, "list of tensors");
    index->tensors = memory_allocate(allocator, count, sizeof *index->tensors, "list of tensors");
    index->modules = memory_allocate(allocator, count, sizeof *index->modules, "list of modules");
    index->layers = memory_allocate(allocator, count, sizeof *index->layers, "list of layers");
    index->norms = memory_allocate(allocator, count, sizeof *index->norms, "list of layers");
    index->views = memory_allocate(allocator, count, sizeof *index->views, "list of tensors");
    index->folds = memory_allocate(allocator, count, sizeof *index->folds, "list of tensors");
    index->names = memory_allocate(allocator, names, 1, "names of tensors");
    bool all = index->raws != NULL && index->tensors != NULL && index->modules != NULL &&
               index->layers != NULL && index->norms != NULL && index->views != NULL &&
               index->folds != NULL && index->names != NULL;
    return all ? LRNN_OK : LRNN_ERR_MEMORY;
}

static lrnn_status fill(import_index *index, const char *const *without, size_t without_count)
{
    for (size_t i = 0; i < index->raw_count; i++) {
        index->raws[i].view = tensor_file_tensor(index->file, i);
    }
    if (index->raw_count > 0) {
        qsort(index->raws, index->raw_count, sizeof *index->raws, compare_raws);
    }
    CHECK(leave_out(index, without, without_count));
    import_fold_all(index);
    for (size_t i = 0; i < index->raw_count; i++) {
        if (!index->raws[i].gone) {
            index->tensors[index->tensor_count++] = import_take_apart(index->raws[i].view);
        }
    }
    make_modules(index);
    return LRNN_OK;
}

lrnn_status import_index_create(import_index *index, const tensor_file *file,
                                const char *const *without, size_t without_count,
                                const lrnn_allocator *allocator)
{
    *index = (import_index){.file = file, .raw_count = tensor_file_count(file)};
    lrnn_status status = allocate(index, allocator);
    if (status == LRNN_OK) {
        status = fill(index, without, without_count);
    }
    if (status != LRNN_OK) {
        import_index_release(index, allocator);
    }
    return status;
}

void import_index_release(import_index *index, const lrnn_allocator *allocator)
{
    memory_release(allocator, index->raws);
    memory_release(allocator, index->tensors);
    memory_release(allocator, index->modules);
    memory_release(allocator, index->layers);
    memory_release(allocator, index->norms);
    memory_release(allocator, index->views);
    memory_release(allocator, index->folds);
    memory_release(allocator, index->names);
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

static const char no_prefix[] = "(no prefix)";

const char *import_module_name(const import_index *index, const import_module *module)
{
    const import_tensor *tensor = &index->tensors[module->first];
    return tensor->module_length > 0 ? tensor->view->name : no_prefix;
}

int import_module_length(const import_index *index, const import_module *module)
{
    size_t length = index->tensors[module->first].module_length;
    return length == 0 ? (int)strlen(no_prefix) : length > 100 ? 100 : (int)length;
}

const import_module *import_find_module(const import_index *index, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < index->module_count; i++) {
        const import_tensor *tensor = &index->tensors[index->modules[i].first];
        if (tensor->module_length == length && memcmp(tensor->view->name, name, length) == 0) {
            return &index->modules[i];
        }
    }
    return NULL;
}

lrnn_status import_wrong_shape(const import_index *index, const tensor_view *found,
                               const char *expected)
{
    char shape[IMPORT_SHAPE_ROOM];
    return error_set(LRNN_ERR_FORMAT, "%s: tensor '%.100s': expected shape %s, found %s",
                     tensor_file_name(index->file), found->name, expected,
                     import_shape(shape, found->rank, found->shape));
}
