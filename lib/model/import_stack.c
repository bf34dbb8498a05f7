/* The recurrent layers of a file: those of one module, or of several that follow each other.
 * Several are in the order that the caller gives, or in that of the one number in which their names
 * differ (rnns.0, rnns.1; lstm, lstm2), and are layers of one model if each reads what the one
 * before it gives and all are alike but for their sizes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "import.h"

enum { SIZE_ROOM = 160, MOST_DIGITS = 9 };

/* ---- one module ---- */

/* "tensor 'name': expected shape [rows,columns], found [12]" */
static lrnn_status check_matrix(const import_index *index, const import_module *module,
                                const import_tensor *tensor, const char *leaf)
{
    if (tensor == NULL) {
        char hint[IMPORT_HINT_ROOM];
        return error_set(LRNN_ERR_FORMAT, "%s: module '%.*s' has no tensor '%s'%s",
                         tensor_file_name(index->file), IMPORT_MODULE(index, module), leaf,
                         import_hint(hint, index));
    }
    return tensor->view->rank == 2 ? LRNN_OK
                                   : import_wrong_shape(index, tensor->view, "[rows,columns]");
}

/* Layers, directions and biases from the names alone. Returns whether the module is a cell. */
static bool count_layers(import_sizes *sizes, const import_index *index,
                         const import_module *recurrent)
{
    bool cell = false;
    for (size_t i = 0; i < recurrent->count; i++) {
        const import_tensor *tensor = &index->tensors[recurrent->first + i];
        if (tensor->kind < IMPORT_WEIGHT_IH || tensor->kind > IMPORT_WEIGHT_HR) {
            continue;
        }
        cell = cell || tensor->cell;
        sizes->layers = tensor->layer >= sizes->layers ? tensor->layer + 1 : sizes->layers;
        sizes->bidirectional = sizes->bidirectional || tensor->reverse;
        sizes->bias =
            sizes->bias || tensor->kind == IMPORT_BIAS_IH || tensor->kind == IMPORT_BIAS_HH;
    }
    return cell;
}

/* The rows of a cell's matrices say which it is; h has as many values as the matrix has columns. */
static lrnn_status check_gates(const import_index *index, const import_sizes *sizes,
                               const tensor_view *hh, bool projected)
{
    const cell_kind *kind = cell_with_gates(sizes->gates);
    if (kind != NULL && (!projected || kind->projects)) {
        return LRNN_OK;
    }
    char expected[SIZE_ROOM];
    size_t h = sizes->hidden_size, columns = hh->shape[1];
    if (projected) {
        snprintf(expected, sizeof expected, "[%zu,%zu] (LSTM, whose projection reads %zu)", 4 * h,
                 columns, h);
    } else {
        snprintf(expected, sizeof expected, "[%zu,%zu] (RNN), [%zu,%zu] (GRU) or [%zu,%zu] (LSTM)",
                 h, columns, 3 * h, columns, 4 * h, columns);
    }
    return import_wrong_shape(index, hh, expected);
}

static lrnn_status measure_module(import_sizes *sizes, const import_index *index,
                                  const import_module *recurrent)
{
    *sizes = (import_sizes){0};
    bool cell = count_layers(sizes, index, recurrent);
    const char *ih_name = cell ? "weight_ih" : "weight_ih_l0";
    const char *hh_name = cell ? "weight_hh" : "weight_hh_l0";
    const import_tensor *ih = import_find(index, recurrent, ih_name);
    const import_tensor *hh = import_find(index, recurrent, hh_name);
    const import_tensor *hr = import_find(index, recurrent, "weight_hr_l0");
    CHECK(check_matrix(index, recurrent, ih, ih_name));
    CHECK(check_matrix(index, recurrent, hh, hh_name));
    if (hr != NULL) {
        CHECK(check_matrix(index, recurrent, hr, hr->leaf));
    }
    size_t rows = hh->view->shape[0];
    size_t h_size = hr != NULL ? hr->view->shape[0] : hh->view->shape[1];
    sizes->hidden_size = hr != NULL ? hr->view->shape[1] : h_size;
    sizes->projection_size = hr != NULL ? h_size : 0;
    sizes->gates =
        sizes->hidden_size > 0 && rows % sizes->hidden_size == 0 ? rows / sizes->hidden_size : 0;
    sizes->input_size = ih->view->shape[1];
    sizes->top_size = sizes->bidirectional ? 2 * h_size : h_size;
    return check_gates(index, sizes, hh->view, hr != NULL);
}

/* ---- several ---- */

static const tensor_view *first_matrix(const import_index *index, const import_module *module,
                                       const char *layer_name, const char *cell_name)
{
    const import_tensor *found = import_find(index, module, layer_name);
    return found != NULL ? found->view : import_find(index, module, cell_name)->view;
}

/* Why two layers are not of one model. */
static lrnn_status differ(const import_index *index, const import_module *a, const import_module *b,
                          const char *how)
{
    return error_set(LRNN_ERR_FORMAT,
                     "%s: '%.*s' and '%.*s' are not layers of one model: %s; option 'recurrent' "
                     "says which to take",
                     tensor_file_name(index->file), IMPORT_MODULE(index, a),
                     IMPORT_MODULE(index, b), how);
}

/* Whether layers of module b may follow those of a. */
static lrnn_status check_follows(const import_index *index, const import_module *a,
                                 const import_sizes *first, const import_module *b,
                                 const import_sizes *next)
{
    char how[SIZE_ROOM];
    const tensor_view *hh = first_matrix(index, a, "weight_hh_l0", "weight_hh");
    const tensor_view *other = first_matrix(index, b, "weight_hh_l0", "weight_hh");
    const tensor_view *ih = first_matrix(index, b, "weight_ih_l0", "weight_ih");
    if (next->gates != first->gates || next->projection_size != first->projection_size) {
        snprintf(how, sizeof how, "%s has shape [%zu,%zu] and [%zu,%zu]", "weight_hh", hh->shape[0],
                 hh->shape[1], other->shape[0], other->shape[1]);
        return differ(index, a, b, how);
    }
    if (next->hidden_size != first->hidden_size && first->layers > LRNN_MOST_HIDDEN_SIZES) {
        snprintf(how, sizeof how,
                 "only the first %d layers can have sizes of their own, found %zu "
                 "after %zu",
                 LRNN_MOST_HIDDEN_SIZES, next->hidden_size, first->hidden_size);
        return differ(index, a, b, how);
    }
    if (next->bidirectional != first->bidirectional || next->bias != first->bias) {
        return differ(index, a, b,
                      next->bias != first->bias ? "only one has biases"
                                                : "only one is bidirectional");
    }
    if (next->input_size != first->top_size) {
        snprintf(how, sizeof how,
                 "weight_ih of the second: expected shape [%zu,%zu], found [%zu,%zu]", ih->shape[0],
                 first->top_size, ih->shape[0], ih->shape[1]);
        return differ(index, a, b, how);
    }
    return LRNN_OK;
}

/* Of a model that has these layers besides. */
static void add_layers(import_sizes *sizes, const import_sizes *more)
{
    size_t before = sizes->layers;
    for (size_t i = before; i < before + more->layers && i < LRNN_MOST_HIDDEN_SIZES; i++) {
        sizes->hidden_sizes[i] = more->hidden_size;
    }
    sizes->layers += more->layers;
    sizes->hidden_size = more->hidden_size;
    sizes->top_size = more->top_size;
}

lrnn_status import_measure(import_sizes *sizes, const import_index *index,
                           const import_parts *parts)
{
    *sizes = (import_sizes){0};
    for (size_t i = 0; i < parts->layers_count; i++) {
        import_layers *layers = &index->layers[i];
        import_sizes more;
        CHECK(measure_module(&more, index, layers->module));
        layers->first = sizes->layers;
        layers->count = more.layers;
        if (i > 0) {
            CHECK(check_follows(index, layers[-1].module, sizes, layers->module, &more));
        } else {
            *sizes = more;
            sizes->layers = 0;
        }
        add_layers(sizes, &more);
    }
    return LRNN_OK;
}

/* ---- the order that names say ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The part of a name between what it has in common with the others; a number, none being the least.
 */
typedef struct place {
    size_t begin, tail; /* bytes in common before and after */
} place;

/* Where two names differ, taken as far as the numbers reach that it lies in. */
static place find_place(const char *a, size_t a_length, const char *b, size_t b_length)
{
    place at = {0};
    size_t least = a_length < b_length ? a_length : b_length;
    while (at.begin < least && a[at.begin] == b[at.begin]) {
        at.begin++;
    }
    while (at.tail < least - at.begin && a[a_length - 1 - at.tail] == b[b_length - 1 - at.tail]) {
        at.tail++;
    }
    while (at.begin > 0 && is_digit(a[at.begin - 1])) {
        at.begin--;
    }
    while (at.tail > 0 && is_digit(a[a_length - at.tail])) {
        at.tail--;
    }
    return at;
}

/* The number in that place: -1 for none, -2 if it is no number. */
static long number_at(const char *name, size_t length, place at)
{
    long number = -1;
    if (at.begin + at.tail > length) {
        return -2;
    }
    size_t i = at.begin, end = length - at.tail;
    i += i < end && name[i] == '_';
    if (end - i > MOST_DIGITS || (i == end && i > at.begin)) {
        return -2;
    }
    for (; i < end; i++) {
        if (!is_digit(name[i])) {
            return -2;
        }
        number = 10 * (number < 0 ? 0 : number) + (name[i] - '0');
    }
    return number;
}

static const char *name_of(const import_index *index, const import_module *module, size_t *length)
{
    const import_tensor *tensor = &index->tensors[module->first];
    *length = tensor->module_length;
    return tensor->view->name;
}

static int compare_layers(const void *left, const void *right)
{
    const import_layers *a = left, *b = right;
    return (a->first > b->first) - (a->first < b->first);
}

bool import_sort_by_name(const import_index *index, import_layers *list, size_t count)
{
    size_t a_length, b_length;
    if (count < 2) {
        return true;
    }
    const char *a = name_of(index, list[0].module, &a_length);
    const char *b = name_of(index, list[1].module, &b_length);
    place at = find_place(a, a_length, b, b_length);
    for (size_t i = 0; i < count; i++) {
        const char *name = name_of(index, list[i].module, &b_length);
        long number = number_at(name, b_length, at);
        if (number < -1 || memcmp(name, a, at.begin) != 0 ||
            memcmp(name + b_length - at.tail, a + a_length - at.tail, at.tail) != 0) {
            return false;
        }
        list[i].first = (size_t)(number + 1);
    }
    qsort(list, count, sizeof *list, compare_layers);
    for (size_t i = 1; i < count; i++) {
        if (list[i].first == list[i - 1].first) {
            return false;
        }
    }
    return true;
}

/* ---- finding them ---- */

static lrnn_status find_named(import_parts *parts, const import_index *index,
                              const import_wish *wish)
{
    for (size_t i = 0; i < wish->recurrent_count; i++) {
        const char *name = wish->recurrent[i];
        const import_module *module = import_find_module(index, name);
        if (module == NULL || !module->recurrent) {
            return error_set(LRNN_ERR_NOT_FOUND, "%s: there is no tensor '%s%s%s'",
                             tensor_file_name(index->file), name, *name != '\0' ? "." : "",
                             "weight_ih_l0");
        }
        for (size_t k = 0; k < i; k++) {
            if (index->layers[k].module == module) {
                return error_set(LRNN_ERR_INVALID, "%s: recurrent_modules: '%s' is named twice",
                                 tensor_file_name(index->file), name);
            }
        }
        index->layers[parts->layers_count++].module = module;
    }
    return LRNN_OK;
}

static lrnn_status none(const import_index *index)
{
    char hint[IMPORT_HINT_ROOM];
    return error_set(LRNN_ERR_FORMAT,
                     "%s: no recurrent layer: there is no tensor whose name ends with "
                     "weight_ih_l0%s",
                     tensor_file_name(index->file), import_hint(hint, index));
}

lrnn_status import_find_layers(import_parts *parts, const import_index *index,
                               const import_wish *wish)
{
    parts->layers = index->layers;
    parts->layers_count = 0;
    if (wish->no_recurrent) {
        return LRNN_OK;
    }
    if (wish->recurrent_count > 0) {
        return find_named(parts, index, wish);
    }
    for (size_t i = 0; i < index->module_count; i++) {
        if (index->modules[i].recurrent) {
            index->layers[parts->layers_count++].module = &index->modules[i];
        }
    }
    if (parts->layers_count == 0) {
        return none(index);
    }
    if (!import_sort_by_name(index, index->layers, parts->layers_count)) {
        return error_set(LRNN_ERR_FORMAT,
                         "%s: both '%.*s' and '%.*s' could be the recurrent module; option "
                         "'recurrent' says which, or option 'recurrent_modules' the order of "
                         "layers",
                         tensor_file_name(index->file),
                         IMPORT_MODULE(index, index->layers[0].module),
                         IMPORT_MODULE(index, index->layers[1].module));
    }
    return LRNN_OK;
}

/* ---- parameters ---- */

/* Of what is neither layer nor head. */
static const import_module *find_around(const import_parts *parts, const char *name)
{
    if (strncmp(name, "norm.", 5) == 0) {
        size_t layer = (size_t)strtoul(name + 5, NULL, 10);
        return layer < parts->norm_count ? parts->norms[layer].module : NULL;
    }
    return strncmp(name, "input.", 6) == 0         ? parts->input_layer
           : strncmp(name, "head_input.", 11) == 0 ? parts->head_layer
           : strncmp(name, "embedding.", 10) == 0  ? parts->embedding
                                                   : NULL;
}

const import_module *import_home(const import_index *index, const import_parts *parts,
                                 const char *name, char leaf[NETWORK_NAME_ROOM])
{
    tensor_view view = {.name = name};
    import_tensor ours = import_take_apart(&view);
    snprintf(leaf, NETWORK_NAME_ROOM, "%s", ours.leaf);
    bool head = strncmp(name, "head.", 5) == 0;
    if (head && parts->adaptive.tails > 0) {
        return import_adaptive_part(index, &parts->adaptive, name);
    }
    if (strncmp(name, "rnn.", 4) != 0) {
        return head ? parts->head : find_around(parts, name);
    }
    const import_module *home = NULL;
    for (size_t i = 0; i < parts->layers_count; i++) {
        const import_layers *layers = &parts->layers[i];
        bool last = i + 1 == parts->layers_count;
        if (ours.layer >= layers->first && (last || ours.layer < layers->first + layers->count)) {
            size_t kind = (size_t)(strstr(ours.leaf, "_l") - ours.leaf);
            snprintf(leaf, NETWORK_NAME_ROOM, "%.*s_l%zu%s", (int)kind, ours.leaf,
                     ours.layer - layers->first, ours.reverse ? "_reverse" : "");
            home = layers->module;
        }
    }
    return home;
}

import_tensor *import_find_parameter(const import_index *index, const import_parts *parts,
                                     const char *name)
{
    char leaf[NETWORK_NAME_ROOM];
    if (import_is_state(name)) {
        return import_find_state(index, parts, name).tensor;
    }
    const import_module *home = import_home(index, parts, name, leaf);
    if (home == NULL) {
        return NULL;
    }
    import_tensor *tensor = import_find(index, home, leaf);
    size_t length = strlen(leaf);
    if (tensor == NULL && length > 3 && strcmp(leaf + length - 3, "_l0") == 0) {
        leaf[length - 3] = '\0';
        tensor = import_find(index, home, leaf);
    }
    return tensor;
}
