/* Which module is the embedding and which the head. A module with a bias is no embedding;
 * of those without, the columns tell: an embedding has what layer 0 reads, a head what the top
 * layer gives. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "import.h"

/* ---- names and messages ---- */

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

lrnn_status import_two_could_be(const import_index *index, const char *what, const char *option,
                                const import_module *a, const import_module *b)
{
    const char *others = strcmp(option, "head") == 0
                             ? "; option 'input_layer' or option 'head_layer' takes another linear "
                               "layer"
                             : "";
    return error_set(LRNN_ERR_FORMAT,
                     "%s: both '%.*s' and '%.*s' could be the %s; option '%s' says which%s",
                     tensor_file_name(index->file), IMPORT_MODULE(index, a),
                     IMPORT_MODULE(index, b), what, option, others);
}

lrnn_status import_find_matrix(const import_module **found, const import_index *index,
                               const char *name)
{
    const import_module *module = import_find_module(index, name);
    *found = module != NULL && module->weight != NULL ? module : NULL;
    if (*found != NULL) {
        return LRNN_OK;
    }
    const import_tensor *weight = module != NULL ? import_find(index, module, "weight") : NULL;
    char shape[IMPORT_SHAPE_ROOM] = "";
    if (weight != NULL) {
        import_shape(shape, weight->view->rank, weight->view->shape);
    }
    return error_set(LRNN_ERR_NOT_FOUND, "%s: there is no tensor '%s%sweight' of rank 2%s%s",
                     tensor_file_name(index->file), name, *name != '\0' ? "." : "",
                     weight != NULL ? ": its shape is " : "", shape);
}

/* ---- embedding and head ---- */

enum { EXPECTED_ROOM = 120 };

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

/* Modules that no head or embedding is looked for in. */
static bool is_taken(const search *s, const import_module *module)
{
    const import_parts *parts = s->parts;
    return module == parts->embedding || module == parts->head || module == parts->input_layer ||
           module == parts->head_layer || import_adaptive_owns(s->index, &parts->adaptive, module);
}

/* Modules with a bias: the head is the only one, or the only one with the right columns where
 * others may be left. */
static lrnn_status find_biased_head(search *s)
{
    const import_module *found = NULL;
    for (size_t i = 0; i < s->index->module_count; i++) {
        const import_module *module = &s->index->modules[i];
        if (module->weight == NULL || module->bias == NULL || is_taken(s, module) ||
            (s->wish->partial && module->weight->view->shape[1] != s->head_columns)) {
            continue;
        }
        if (found != NULL) {
            return import_two_could_be(s->index, "head", "head", found, module);
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
                         view->shape[1], IMPORT_MODULE(s->index, s->parts->embedding),
                         IMPORT_MODULE(s->index, s->parts->head));
    }
    char expected[EXPECTED_ROOM];
    if (s->parts->head != NULL || s->wish->no_head) {
        snprintf(expected, sizeof expected, "[V,%zu] of an embedding", s->embedding_columns);
    } else {
        snprintf(expected, sizeof expected, "[V,%zu] of an embedding or [O,%zu] of a head",
                 s->embedding_columns, s->head_columns);
    }
    return import_wrong_shape(s->index, view, expected);
}

static lrnn_status tell_one(search *s)
{
    const import_module *module = s->plain[0];
    bool embedding = may_be_embedding(s, module), head = may_be_head(s, module);
    if (embedding && head && !called_embedding(s->index, module)) {
        return error_set(LRNN_ERR_FORMAT,
                         "%s: '%.*s' could be the embedding or the head; option "
                         "'embedding' or option 'head' says which",
                         tensor_file_name(s->index->file), IMPORT_MODULE(s->index, module));
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
            return import_two_could_be(s->index, "embedding", "embedding", a, b);
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
        return import_two_could_be(s->index, "embedding", "embedding", a, b);
    }
    if (a_head && b_head) {
        return import_two_could_be(s->index, "head", "head", a, b);
    }
    return fits_nothing(s, a_embedding || a_head ? b : a);
}

/* Whether it is the same tensor as one that was collected, which an embedding under two names is
 * where nothing else is left that it could be. */
static bool is_another_name(const search *s, const import_module *module)
{
    bool head = s->parts->head != NULL || s->wish->no_head;
    for (size_t i = 0; head && i < s->plain_count; i++) {
        if (import_is_same(s->plain[i]->weight, module->weight)) {
            import_find(s->index, module, "weight")->used = true;
            return true;
        }
    }
    return false;
}

/* The modules without bias that are nothing yet, and if others may be left, that fit something. */
static void collect_plain(search *s)
{
    s->plain_count = 0;
    for (size_t i = 0; i < s->index->module_count && s->plain_count < 3; i++) {
        const import_module *module = &s->index->modules[i];
        if (module->weight != NULL && module->bias == NULL && !is_taken(s, module) &&
            (!s->wish->partial || may_be_embedding(s, module) || may_be_head(s, module)) &&
            !is_another_name(s, module)) {
            s->plain[s->plain_count++] = module;
        }
    }
}

static lrnn_status find_embedding_and_head(search *s)
{
    const import_wish *wish = s->wish;
    if (wish->embedding != NULL) {
        CHECK(import_find_matrix(&s->parts->embedding, s->index, wish->embedding));
    }
    if (!wish->no_head && !wish->whole_head) {
        CHECK(import_adaptive_find(&s->parts->adaptive, s->index, wish->head));
    }
    if (s->parts->adaptive.tails > 0) {
        s->parts->head = s->parts->adaptive.head;
    } else if (wish->head != NULL) {
        CHECK(import_find_matrix(&s->parts->head, s->index, wish->head));
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
            LRNN_ERR_FORMAT,
            "%s: '%.*s', '%.*s' and '%.*s' could be embedding or head; option 'embedding' or "
            "option 'head' says which",
            tensor_file_name(s->index->file), IMPORT_MODULE(s->index, s->plain[0]),
            IMPORT_MODULE(s->index, s->plain[1]), IMPORT_MODULE(s->index, s->plain[2]));
    }
}

lrnn_status import_find_parts(import_parts *parts, const import_index *index,
                              const import_wish *wish)
{
    *parts = (import_parts){0};
    search s = {.index = index, .wish = wish, .parts = parts};
    import_sizes sizes = {.input_size = wish->input_size, .top_size = wish->top_size};
    CHECK(import_find_layers(parts, index, wish));
    if (parts->layers_count > 0) {
        CHECK(import_measure(&sizes, index, parts));
    }
    parts->model_layers = sizes.layers;
    parts->bidirectional = sizes.bidirectional;
    CHECK(import_find_stages(parts, index, wish));
    sizes.input_size = import_input_size(parts, &sizes);
    sizes.top_size =
        parts->head_layer != NULL ? parts->head_layer->weight->view->shape[0] : sizes.top_size;
    if (wish->feature_size > sizes.input_size) {
        return error_set(LRNN_ERR_INVALID,
                         "%s: feature_size: expected at most the %zu values that layer 0 reads, "
                         "found %zu",
                         tensor_file_name(index->file), sizes.input_size, wish->feature_size);
    }
    s.embedding_columns = sizes.input_size - wish->feature_size;
    s.head_columns = sizes.top_size;
    return find_embedding_and_head(&s);
}
