/* Which module is the embedding, the recurrent one, the head. A module with a bias is no embedding;
 * of those without, the columns tell: an embedding has what layer 0 reads, a head what the top
 * layer gives. */
#include <ctype.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "import.h"
#include "kernels/cells.h"

/* ---- names and messages ---- */

/* Printed with "%.*s", the name of a module; the empty one as (no prefix). */
#define MODULE_ARGUMENTS(index, module) module_length(index, module), module_name(index, module)

static const char no_prefix[] = "(no prefix)";

static const char *module_name(const import_index *index, const import_module *module)
{
    const import_tensor *tensor = &index->tensors[module->first];
    return tensor->module_length > 0 ? tensor->view->name : no_prefix;
}

static int module_length(const import_index *index, const import_module *module)
{
    size_t length = index->tensors[module->first].module_length;
    return length == 0 ? (int)strlen(no_prefix) : length > 100 ? 100 : (int)length;
}

static bool has_name(const import_index *index, const import_module *module, const char *name)
{
    const import_tensor *tensor = &index->tensors[module->first];
    return tensor->module_length == strlen(name) &&
           memcmp(tensor->view->name, name, tensor->module_length) == 0;
}

/* Whether "emb" is in the last part of the module's name. */
static bool called_embedding(const import_index *index, const import_module *module)
{
    const import_tensor *tensor = &index->tensors[module->first];
    const char *name = tensor->view->name;
    size_t begin = tensor->module_length;
    while (begin > 0 && name[begin - 1] != '.') {
        begin--;
    }
    for (size_t i = begin; i + 3 <= tensor->module_length; i++) {
        if (tolower((unsigned char)name[i]) == 'e' && tolower((unsigned char)name[i + 1]) == 'm' &&
            tolower((unsigned char)name[i + 2]) == 'b') {
            return true;
        }
    }
    return false;
}

static lrnn_status two_could_be(const import_index *index, const char *what, const import_module *a,
                                const import_module *b)
{
    return error_set(LRNN_ERR_FORMAT, "%s: both '%.*s' and '%.*s' could be the %s; say which",
                     tensor_file_name(index->file), MODULE_ARGUMENTS(index, a),
                     MODULE_ARGUMENTS(index, b), what);
}

/* ---- modules that are named ---- */

static lrnn_status find_named(const import_module **found, const import_index *index,
                              const char *name, bool recurrent)
{
    *found = NULL;
    for (size_t i = 0; i < index->module_count && *found == NULL; i++) {
        if (has_name(index, &index->modules[i], name)) {
            *found = &index->modules[i];
        }
    }
    bool fits = *found != NULL && (recurrent ? (*found)->recurrent : (*found)->weight != NULL);
    if (!fits) {
        return error_set(LRNN_ERR_NOT_FOUND, "%s: there is no tensor '%s%s%s'%s",
                         tensor_file_name(index->file), name, *name != '\0' ? "." : "",
                         recurrent ? "weight_ih_l0" : "weight", recurrent ? "" : " of rank 2");
    }
    return LRNN_OK;
}

/* ---- the recurrent module ---- */

static lrnn_status find_recurrent(const import_module **found, const import_index *index,
                                  const import_wish *wish)
{
    *found = NULL;
    if (wish->no_recurrent) {
        return LRNN_OK;
    }
    if (wish->recurrent != NULL) {
        return find_named(found, index, wish->recurrent, true);
    }
    for (size_t i = 0; i < index->module_count; i++) {
        if (!index->modules[i].recurrent) {
            continue;
        }
        if (*found != NULL) {
            return two_could_be(index, "recurrent module", *found, &index->modules[i]);
        }
        *found = &index->modules[i];
    }
    if (*found == NULL) {
        return error_set(LRNN_ERR_FORMAT,
                         "%s: no recurrent layer: there is no tensor whose name ends with "
                         "weight_ih_l0",
                         tensor_file_name(index->file));
    }
    return LRNN_OK;
}

static lrnn_status check_matrix(const import_index *index, const import_module *module,
                                const import_tensor *tensor, const char *leaf)
{
    if (tensor == NULL) {
        return error_set(LRNN_ERR_FORMAT, "%s: module '%.*s' has no tensor '%s'",
                         tensor_file_name(index->file), MODULE_ARGUMENTS(index, module), leaf);
    }
    if (tensor->view->rank != 2) {
        char shape[IMPORT_SHAPE_ROOM];
        return error_set(LRNN_ERR_FORMAT, "%s: tensor '%.100s': expected a matrix, found shape %s",
                         tensor_file_name(index->file), tensor->view->name,
                         import_shape(shape, tensor->view->rank, tensor->view->shape));
    }
    return LRNN_OK;
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

lrnn_status import_measure(import_sizes *sizes, const import_index *index,
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
    const cell_kind *kind = cell_with_gates(sizes->gates);
    if (kind == NULL || (hr != NULL && !kind->projects)) {
        return error_set(LRNN_ERR_FORMAT,
                         "%s: tensor '%.100s' [%zu,%zu]: expected %s the hidden size of %zu",
                         tensor_file_name(index->file), hh->view->name, rows, hh->view->shape[1],
                         hr != NULL ? "as many rows as 4 times (LSTM)"
                                    : "as many rows as once (RNN), 3 times (GRU) or 4 times (LSTM)",
                         sizes->hidden_size);
    }
    return LRNN_OK;
}

/* ---- embedding and head ---- */

typedef struct search {
    const import_index *index;
    const import_wish *wish;
    import_parts *parts;
    size_t embedding_columns; /* LRNN_AUTO: any */
    size_t head_columns;
    const import_module *plain[3]; /* without bias, not yet told, at most two and one too many */
    size_t plain_count;
} search;

static bool open_to(const import_module *found, const char *name, bool unwanted)
{
    return found == NULL && name == NULL && !unwanted;
}

static bool may_be_embedding(const search *s, const import_module *module)
{
    return open_to(s->parts->embedding, s->wish->embedding, s->wish->no_embedding) &&
           module->weight->view->shape[1] == s->embedding_columns;
}

static bool may_be_head(const search *s, const import_module *module)
{
    return open_to(s->parts->head, s->wish->head, s->wish->no_head) &&
           module->weight->view->shape[1] == s->head_columns;
}

/* Modules with a bias: the head is the only one, or the only one with the right columns where
 * others may be left. */
static lrnn_status find_biased_head(search *s)
{
    const import_module *found = NULL;
    for (size_t i = 0; i < s->index->module_count; i++) {
        const import_module *module = &s->index->modules[i];
        if (module->weight == NULL || module->bias == NULL || module == s->parts->embedding ||
            import_adaptive_owns(s->index, &s->parts->adaptive, module) ||
            (s->wish->partial && module->weight->view->shape[1] != s->head_columns)) {
            continue;
        }
        if (found != NULL) {
            return two_could_be(s->index, "head", found, module);
        }
        found = module;
    }
    s->parts->head = found;
    return LRNN_OK;
}

static lrnn_status fits_nothing(const search *s, const import_module *module)
{
    const tensor_view *view = module->weight->view;
    if (s->parts->embedding != NULL && s->parts->head != NULL) {
        return error_set(LRNN_ERR_FORMAT,
                         "%s: tensor '%.100s' [%zu,%zu] is no part of the model: embedding and "
                         "head are '%.*s' and '%.*s'",
                         tensor_file_name(s->index->file), view->name, view->shape[0],
                         view->shape[1], MODULE_ARGUMENTS(s->index, s->parts->embedding),
                         MODULE_ARGUMENTS(s->index, s->parts->head));
    }
    if (s->parts->head != NULL || s->wish->no_head) {
        return error_set(LRNN_ERR_FORMAT,
                         "%s: tensor '%.100s' [%zu,%zu]: expected an embedding of %zu columns",
                         tensor_file_name(s->index->file), view->name, view->shape[0],
                         view->shape[1], s->embedding_columns);
    }
    return error_set(LRNN_ERR_FORMAT,
                     "%s: tensor '%.100s' [%zu,%zu]: expected %zu columns of an embedding, or %zu "
                     "of a head",
                     tensor_file_name(s->index->file), view->name, view->shape[0], view->shape[1],
                     s->embedding_columns, s->head_columns);
}

static lrnn_status tell_one(search *s)
{
    const import_module *module = s->plain[0];
    bool embedding = may_be_embedding(s, module), head = may_be_head(s, module);
    if (embedding && head && !called_embedding(s->index, module)) {
        return error_set(LRNN_ERR_FORMAT,
                         "%s: '%.*s' could be the embedding or the head; say which",
                         tensor_file_name(s->index->file), MODULE_ARGUMENTS(s->index, module));
    }
    if (embedding) {
        s->parts->embedding = module;
    } else if (head) {
        s->parts->head = module;
    } else if (!s->wish->partial) {
        return fits_nothing(s, module);
    }
    return LRNN_OK;
}

static lrnn_status tell_two(search *s)
{
    const import_module *a = s->plain[0], *b = s->plain[1];
    bool straight = may_be_embedding(s, a) && may_be_head(s, b);
    bool crossed = may_be_embedding(s, b) && may_be_head(s, a);
    if (straight && crossed) {
        straight = called_embedding(s->index, a) && !called_embedding(s->index, b);
        crossed = called_embedding(s->index, b) && !called_embedding(s->index, a);
        if (!straight && !crossed) {
            return two_could_be(s->index, "embedding", a, b);
        }
    }
    if (straight || crossed) {
        s->parts->embedding = straight ? a : b;
        s->parts->head = straight ? b : a;
        return LRNN_OK;
    }
    bool a_embedding = may_be_embedding(s, a), b_embedding = may_be_embedding(s, b);
    bool a_head = may_be_head(s, a), b_head = may_be_head(s, b);
    if (a_embedding && b_embedding) {
        return two_could_be(s->index, "embedding", a, b);
    }
    if (a_head && b_head) {
        return two_could_be(s->index, "head", a, b);
    }
    return fits_nothing(s, a_embedding || a_head ? b : a);
}

/* The modules without bias that are nothing yet, and if others may be left, that fit something. */
static void collect_plain(search *s)
{
    s->plain_count = 0;
    for (size_t i = 0; i < s->index->module_count && s->plain_count < 3; i++) {
        const import_module *module = &s->index->modules[i];
        if (module->weight != NULL && module->bias == NULL && module != s->parts->embedding &&
            module != s->parts->head &&
            !import_adaptive_owns(s->index, &s->parts->adaptive, module) &&
            (!s->wish->partial || may_be_embedding(s, module) || may_be_head(s, module))) {
            s->plain[s->plain_count++] = module;
        }
    }
}

static lrnn_status find_embedding_and_head(search *s)
{
    const import_wish *wish = s->wish;
    if (wish->embedding != NULL) {
        CHECK(find_named(&s->parts->embedding, s->index, wish->embedding, false));
    }
    if (!wish->no_head && !wish->whole_head) {
        CHECK(import_adaptive_find(&s->parts->adaptive, s->index, wish->head));
    }
    if (s->parts->adaptive.tails > 0) {
        s->parts->head = s->parts->adaptive.head;
    } else if (wish->head != NULL) {
        CHECK(find_named(&s->parts->head, s->index, wish->head, false));
    } else if (!wish->no_head) {
        CHECK(find_biased_head(s));
    }
    collect_plain(s);
    switch (s->plain_count) {
    case 0: return LRNN_OK;
    case 1: return tell_one(s);
    case 2: return tell_two(s);
    default:
        return error_set(
            LRNN_ERR_FORMAT, "%s: '%.*s', '%.*s' and '%.*s' could be embedding or head; say which",
            tensor_file_name(s->index->file), MODULE_ARGUMENTS(s->index, s->plain[0]),
            MODULE_ARGUMENTS(s->index, s->plain[1]), MODULE_ARGUMENTS(s->index, s->plain[2]));
    }
}

lrnn_status import_find_parts(import_parts *parts, const import_index *index,
                              const import_wish *wish)
{
    *parts = (import_parts){0};
    search s = {.index = index, .wish = wish, .parts = parts};
    import_sizes sizes = {.input_size = wish->input_size, .top_size = wish->top_size};
    CHECK(find_recurrent(&parts->recurrent, index, wish));
    if (parts->recurrent != NULL) {
        CHECK(import_measure(&sizes, index, parts->recurrent));
    }
    if (wish->feature_size > sizes.input_size) {
        return error_set(LRNN_ERR_INVALID, "%s: feature_size is %zu, but layer 0 reads %zu values",
                         tensor_file_name(index->file), wish->feature_size, sizes.input_size);
    }
    s.embedding_columns = sizes.input_size - wish->feature_size;
    s.head_columns = sizes.top_size;
    return find_embedding_and_head(&s);
}
