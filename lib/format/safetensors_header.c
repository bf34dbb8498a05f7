/* The JSON header of a safetensors file: taken apart, checked and sorted. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "header.h"
#include "safetensors_digest.h"

/* What reading a header needs: the JSON, the file that is being filled, and the room for its
 * strings, which all unescaped together never take more than the header. */
typedef struct header_reader {
    json_document json;
    safetensors *file;
    char *strings;
} header_reader;

/* ---- one tensor ----------------------------------------------------------------------------- */

static lrnn_status tensor_failed(const header_reader *head, const tensor_view *view,
                                 const char *problem)
{
    return error_set(LRNN_ERR_FORMAT, "%s: tensor \"%.100s\": %s", head->file->name, view->name,
                     problem);
}

static lrnn_status read_dtype(const header_reader *head, tensor_view *view, json_value value)
{
    for (int dtype = 0; dtype <= TENSOR_BOOL; dtype++) {
        if (json_string_is(&head->json, value, tensor_dtype_name((tensor_dtype)dtype))) {
            view->dtype = (tensor_dtype)dtype;
            return LRNN_OK;
        }
    }
    return tensor_failed(head, view, "unknown dtype");
}

static lrnn_status read_shape(const header_reader *head, tensor_view *view, json_value value)
{
    if (json_type_of(&head->json, value) != JSON_ARRAY) {
        return tensor_failed(head, view, "shape is not an array");
    }
    if (json_size(&head->json, value) > SAFETENSORS_MAX_RANK) {
        return tensor_failed(head, view, "more than 8 dimensions");
    }
    view->count = 1;
    for (json_value v = json_first(&head->json, value); v != JSON_NONE;
         v = json_next(&head->json, value, v)) {
        size_t *dimension = &view->shape[view->rank++];
        if (json_size_value(dimension, &head->json, v, "") != LRNN_OK) {
            return tensor_failed(head, view, "a dimension is not a whole number that fits");
        }
        if (!size_multiply(&view->count, view->count, *dimension)) {
            return tensor_failed(head, view, "its shape multiplies to more than fits");
        }
    }
    return LRNN_OK;
}

static lrnn_status read_offsets(const header_reader *head, tensor_entry *tensor, json_value value)
{
    const json_document *json = &head->json;
    if (json_type_of(json, value) != JSON_ARRAY || json_size(json, value) != 2) {
        return tensor_failed(head, &tensor->view, "data_offsets are not two numbers");
    }
    json_value begin = json_first(json, value), end = json_next(json, value, begin);
    if (json_size_value(&tensor->begin, json, begin, "") != LRNN_OK ||
        json_size_value(&tensor->end, json, end, "") != LRNN_OK) {
        return tensor_failed(head, &tensor->view, "data_offsets are not whole numbers that fit");
    }
    if (tensor->begin > tensor->end) {
        return tensor_failed(head, &tensor->view, "it ends before it begins");
    }
    return LRNN_OK;
}

/* {"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}, in any order. */
static lrnn_status read_tensor(const header_reader *head, tensor_entry *tensor, json_value object)
{
    static const char *const keys[3] = {"dtype", "shape", "data_offsets"};
    const json_document *json = &head->json;
    tensor_view *view = &tensor->view;
    if (json_type_of(json, object) != JSON_OBJECT || json_size(json, object) != 3) {
        return tensor_failed(head, view, "expected an object of dtype, shape and data_offsets");
    }
    json_value values[3];
    for (size_t i = 0; i < 3; i++) {
        if (json_member(&values[i], json, object, keys[i]) != LRNN_OK) {
            return tensor_failed(head, view, "expected an object of dtype, shape and data_offsets");
        }
    }
    CHECK(read_dtype(head, view, values[0]));
    CHECK(read_shape(head, view, values[1]));
    CHECK(read_offsets(head, tensor, values[2]));
    size_t bytes;
    bool fits = size_multiply(&bytes, view->count, tensor_dtype_size(view->dtype));
    return fits && bytes == tensor->end - tensor->begin
               ? LRNN_OK
               : tensor_failed(head, view, "its bytes are not those of its shape and dtype");
}

/* ---- the whole header ----------------------------------------------------------------------- */

/* Unescapes a key or value into the room for strings. */
static const char *keep_string(header_reader *head, json_value string, size_t *length)
{
    char *kept = head->strings;
    *length = json_string(kept, &head->json, string);
    head->strings += *length + 1;
    return kept;
}

static lrnn_status keep_name(const char **name, header_reader *head, json_value key)
{
    size_t length;
    *name = keep_string(head, key, &length);
    if (strlen(*name) != length) {
        return error_set(LRNN_ERR_FORMAT, "%s: NUL in the name \"%.100s\"", head->file->name,
                         *name);
    }
    return LRNN_OK;
}

static lrnn_status read_metadata(header_reader *head, json_value object)
{
    const json_document *json = &head->json;
    safetensors *file = head->file;
    for (json_value key = json_first(json, object); key != JSON_NONE;
         key = json_next(json, object, key)) {
        metadata_entry *entry = &file->metadata[file->metadata_count++];
        CHECK(keep_name(&entry->key, head, key));
        if (json_type_of(json, json_value_of(key)) != JSON_STRING) {
            return error_set(LRNN_ERR_FORMAT, "%s: metadata \"%.100s\" is not a string", file->name,
                             entry->key);
        }
        entry->value = keep_string(head, json_value_of(key), &entry->length);
    }
    return LRNN_OK;
}

static lrnn_status read_entries(header_reader *head, json_value metadata)
{
    safetensors *file = head->file;
    for (json_value key = json_first(&head->json, JSON_ROOT); key != JSON_NONE;
         key = json_next(&head->json, JSON_ROOT, key)) {
        if (json_value_of(key) == metadata) {
            CHECK(read_metadata(head, metadata));
            continue;
        }
        tensor_entry *tensor = &file->tensors[file->count++];
        CHECK(keep_name(&tensor->view.name, head, key));
        CHECK(read_tensor(head, tensor, json_value_of(key)));
    }
    return LRNN_OK;
}

static int compare_offsets(const void *a, const void *b)
{
    const tensor_entry *x = a, *y = b;
    if (x->begin != y->begin) {
        return x->begin < y->begin ? -1 : 1;
    }
    if (x->end != y->end) {
        return x->end < y->end ? -1 : 1;
    }
    return strcmp(x->view.name, y->view.name);
}

static int compare_names(const void *a, const void *b)
{
    const tensor_entry *const *x = a, *const *y = b;
    return strcmp((*x)->view.name, (*y)->view.name);
}

static int compare_keys(const void *a, const void *b)
{
    const metadata_entry *x = a, *y = b;
    return strcmp(x->key, y->key);
}

/* Sorts, and refuses equal names, holes and overlaps. */
static lrnn_status arrange(safetensors *file, size_t data_length)
{
    size_t at = 0;
    qsort(file->tensors, file->count, sizeof file->tensors[0], compare_offsets);
    for (size_t i = 0; i < file->count; i++) {
        const tensor_entry *tensor = &file->tensors[i];
        if (tensor->begin != at) {
            return error_set(LRNN_ERR_FORMAT,
                             "%s: tensor \"%.100s\" begins at byte %zu, not at %zu", file->name,
                             tensor->view.name, tensor->begin, at);
        }
        at = tensor->end;
        file->by_name[i] = tensor;
    }
    if (at != data_length) {
        return error_set(LRNN_ERR_FORMAT, "%s: the tensors have %zu bytes, the file has %zu",
                         file->name, at, data_length);
    }
    qsort(file->by_name, file->count, sizeof(const tensor_entry *), compare_names);
    for (size_t i = 1; i < file->count; i++) {
        if (compare_names(&file->by_name[i - 1], &file->by_name[i]) == 0) {
            return error_set(LRNN_ERR_FORMAT, "%s: tensor \"%.100s\" is there twice", file->name,
                             file->by_name[i]->view.name);
        }
    }
    qsort(file->metadata, file->metadata_count, sizeof file->metadata[0], compare_keys);
    for (size_t i = 1; i < file->metadata_count; i++) {
        if (compare_keys(&file->metadata[i - 1], &file->metadata[i]) == 0) {
            return error_set(LRNN_ERR_FORMAT, "%s: metadata \"%.100s\" is there twice", file->name,
                             file->metadata[i].key);
        }
    }
    return LRNN_OK;
}

/* The pieces of a file's arena; in the first pass, which counts, the pointers go nowhere. */
static safetensors *layout(arena *pieces, header_reader *head, const char *name, size_t strings,
                           size_t tensors, size_t metadata)
{
    safetensors none, *file = arena_take(pieces, 1, sizeof *file);
    safetensors *into = file != NULL ? file : &none;
    into->name = arena_take(pieces, strlen(name) + 1, 1);
    into->tensors = arena_take(pieces, tensors, sizeof into->tensors[0]);
    into->by_name = arena_take(pieces, tensors, sizeof into->by_name[0]);
    into->metadata = arena_take(pieces, metadata, sizeof into->metadata[0]);
    head->strings = arena_take(pieces, strings, 1);
    return file;
}

/* The member __metadata__, JSON_NONE if there is none, and that it is what it should be. */
static lrnn_status find_metadata(json_value *metadata, const json_document *json)
{
    *metadata = JSON_NONE;
    for (json_value key = json_first(json, JSON_ROOT); key != JSON_NONE;
         key = json_next(json, JSON_ROOT, key)) {
        if (!json_string_is(json, key, SAFETENSORS_METADATA)) {
            continue;
        }
        if (*metadata != JSON_NONE) {
            return error_set(LRNN_ERR_FORMAT, "%s: two members __metadata__", json->what);
        }
        *metadata = json_value_of(key);
    }
    return *metadata == JSON_NONE ? LRNN_OK
                                  : json_expect(json, *metadata, JSON_OBJECT, SAFETENSORS_METADATA);
}

static lrnn_status fill(safetensors **file, header_reader *head, const lrnn_allocator *allocator,
                        const char *name, size_t length, size_t data_length)
{
    json_value metadata;
    CHECK(find_metadata(&metadata, &head->json));
    size_t members = json_size(&head->json, JSON_ROOT);
    size_t tensors = members - (metadata != JSON_NONE);
    size_t entries = metadata != JSON_NONE ? json_size(&head->json, metadata) : 0;
    arena pieces = {0};
    layout(&pieces, head, name, length, tensors, entries);
    CHECK(arena_allocate(&pieces, allocator, "header of a safetensors file"));
    head->file = layout(&pieces, head, name, length, tensors, entries);
    head->file->allocator = *allocator;
    head->file->input.descriptor = -1;
    strcpy(head->file->name, name);
    lrnn_status status = read_entries(head, metadata);
    if (status == LRNN_OK) {
        status = arrange(head->file, data_length);
    }
    if (status == LRNN_OK) {
        status = safetensors_read_digests(head->file);
    }
    if (status != LRNN_OK) {
        safetensors_destroy(head->file);
        return status;
    }
    *file = head->file;
    return LRNN_OK;
}

lrnn_status safetensors_read_header(safetensors **file, const lrnn_allocator *allocator,
                                    const char *name, const char *text, size_t length,
                                    size_t data_length)
{
    header_reader head = {0};
    if (length == 0 || text[0] != '{') {
        return error_set(LRNN_ERR_FORMAT, "%s: the header does not begin with a brace", name);
    }
    CHECK(json_parse(&head.json, allocator, text, length, name));
    lrnn_status status = fill(file, &head, allocator, name, length, data_length);
    json_release(&head.json);
    return status;
}
