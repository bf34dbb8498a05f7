/* What stands around recurrent layers: a linear layer before the first one and one before the head,
 * which are named; a normalization of what each layer reads, named or found; and the h and c that
 * streams begin with, which PyTorch has no module for: rows of one tensor, or of those of a list,
 * one row for each layer and direction. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "import.h"

static const char mark[] = "state.";

/* ---- normalizations ---- */

static bool is_norm(const import_index *index, const import_module *module)
{
    const import_tensor *weight = import_find(index, module, "weight");
    return !module->recurrent && weight != NULL && weight->view->rank == 1;
}

static lrnn_status find_named(import_parts *parts, const import_index *index,
                              const import_wish *wish)
{
    for (size_t i = 0; i < wish->norm_count; i++) {
        const char *name = wish->norms[i];
        const import_module *module = import_find_module(index, name);
        if (module == NULL || !is_norm(index, module)) {
            return error_set(LRNN_ERR_NOT_FOUND, "%s: there is no tensor '%s%sweight' of rank 1",
                             tensor_file_name(index->file), name, *name != '\0' ? "." : "");
        }
        for (size_t k = 0; k < i; k++) {
            if (index->norms[k].module == module) {
                return error_set(LRNN_ERR_INVALID, "%s: norm_modules: '%s' is named twice",
                                 tensor_file_name(index->file), name);
            }
        }
        index->norms[parts->norm_count++].module = module;
    }
    return LRNN_OK;
}

static lrnn_status find_unnamed(import_parts *parts, const import_index *index)
{
    for (size_t i = 0; i < index->module_count; i++) {
        if (is_norm(index, &index->modules[i])) {
            index->norms[parts->norm_count++].module = &index->modules[i];
        }
    }
    if (!import_sort_by_name(index, index->norms, parts->norm_count)) {
        return error_set(LRNN_ERR_FORMAT,
                         "%s: '%.*s' and '%.*s' are normalizations, and their names do not say "
                         "which comes first; option 'norm_modules' does",
                         tensor_file_name(index->file),
                         IMPORT_MODULE(index, index->norms[0].module),
                         IMPORT_MODULE(index, index->norms[1].module));
    }
    return LRNN_OK;
}

static lrnn_status find_norms(import_parts *parts, const import_index *index,
                              const import_wish *wish)
{
    size_t layers = parts->model_layers;
    parts->norms = index->norms;
    if (wish->norm_count > layers) {
        return error_set(LRNN_ERR_INVALID,
                         "%s: norm_modules: %zu normalizations for %zu layers; expected one before "
                         "each",
                         tensor_file_name(index->file), wish->norm_count, layers);
    }
    CHECK(wish->norm_count > 0 ? find_named(parts, index, wish) : find_unnamed(parts, index));
    if (parts->norm_count == layers) {
        return LRNN_OK;
    }
    size_t last = parts->norm_count;
    return error_set(wish->norm_count > 0 ? LRNN_ERR_INVALID : LRNN_ERR_FORMAT,
                     "%s: layer_norm: %zu normalizations for %zu layers%s%.*s%s; expected one "
                     "before each, option 'norm_modules' says which",
                     tensor_file_name(index->file), last, layers, last > 0 ? ", the last '" : "",
                     last > 0 ? import_module_length(index, index->norms[last - 1].module) : 0,
                     last > 0 ? import_module_name(index, index->norms[last - 1].module) : "",
                     last > 0 ? "'" : "");
}

/* ---- all of them ---- */

lrnn_status import_find_stages(import_parts *parts, const import_index *index,
                               const import_wish *wish)
{
    if (wish->input_layer != NULL) {
        CHECK(import_find_matrix(&parts->input_layer, index, wish->input_layer));
    }
    if (wish->head_layer != NULL) {
        CHECK(import_find_matrix(&parts->head_layer, index, wish->head_layer));
    }
    if (parts->head_layer != NULL && parts->head_layer == parts->input_layer) {
        return error_set(LRNN_ERR_INVALID, "%s: input_layer and head_layer: '%s' is named twice",
                         tensor_file_name(index->file), wish->head_layer);
    }
    parts->initial[0] = wish->initial[0];
    parts->initial[1] = wish->initial[1];
    return wish->layer_norm ? find_norms(parts, index, wish) : LRNN_OK;
}

/* ---- where streams begin ---- */

bool import_is_state(const char *name)
{
    return strncmp(name, mark, sizeof mark - 1) == 0;
}

/* The tensor of this name, followed by a dot and a number unless that is SIZE_MAX. */
static import_tensor *find_tensor(const import_index *index, const char *name, size_t number)
{
    char digits[24] = "";
    size_t length = strlen(name);
    if (number != SIZE_MAX) {
        snprintf(digits, sizeof digits, ".%zu", number);
    }
    for (size_t i = 0; i < index->tensor_count; i++) {
        const char *found = index->tensors[i].view->name;
        if (strncmp(found, name, length) == 0 && strcmp(found + length, digits) == 0) {
            return &index->tensors[i];
        }
    }
    return NULL;
}

/* name: "state.h_l2_reverse". */
import_piece import_find_state(const import_index *index, const import_parts *parts,
                               const char *name)
{
    const char *of = parts->initial[name[sizeof mark - 1] == 'c'];
    size_t directions = parts->bidirectional ? 2 : 1, rows = directions * parts->model_layers;
    size_t layer = (size_t)strtoul(strstr(name, "_l") + 2, NULL, 10), pieces = 0;
    size_t row = layer * directions + (strstr(name, "_reverse") != NULL);
    if (of == NULL) {
        return (import_piece){0};
    }
    import_tensor *whole = find_tensor(index, of, SIZE_MAX);
    if (whole != NULL) {
        return (import_piece){whole, row, rows};
    }
    while (pieces < rows && find_tensor(index, of, pieces) != NULL) {
        pieces++;
    }
    if (pieces == 0 || rows % pieces != 0) {
        return (import_piece){0};
    }
    size_t each = rows / pieces;
    return (import_piece){find_tensor(index, of, row / each), row % each, each};
}

/* [rows,1,width], [rows,width], or [width] where there is one row; what is known by its name as
 * part of a module is none. */
lrnn_status import_check_state(const import_index *index, const import_piece *piece, size_t width,
                               size_t rank)
{
    const import_tensor *tensor = piece->tensor;
    const tensor_view *view = tensor->view;
    size_t shape[] = {piece->rows, 1, width};
    size_t skipped = rank == 1 && piece->rows == 1 ? 2 : 0;
    bool fits = view->rank == rank && rank >= 1 && rank <= 3 && view->shape[rank - 1] == width &&
                (rank > 1 ? view->shape[0] == piece->rows : piece->rows == 1) &&
                (rank < 3 || view->shape[1] == 1);
    if (fits && tensor->fold == NULL && tensor->kind == IMPORT_OTHER) {
        return LRNN_OK;
    }
    char expected[IMPORT_SHAPE_ROOM];
    shape[1] = rank == 2 ? width : 1;
    import_shape(expected, rank == 2 ? 2 : 3 - skipped, shape + skipped);
    return fits ? error_set(LRNN_ERR_FORMAT,
                            "%s: tensor '%.100s' is part of a module, not what streams begin with",
                            tensor_file_name(index->file), view->name)
                : import_wrong_shape(index, view, expected);
}
