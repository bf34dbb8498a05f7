/* A model out of a state_dict: find the parts, work the architecture out or check it, then read
 * each parameter of that architecture from the part it belongs to. */
#include "import.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/options.h"
#include "model.h"

_Static_assert(sizeof(lrnn_import_options) % 8 == 0, "no implicit padding");

static const lrnn_import_options default_options = {
    .size = sizeof(lrnn_import_options),
    .cell = -1,
    .head_kind = -1,
    .padding_token = -1,
};

lrnn_status lrnn_import_options_init(lrnn_import_options *options, size_t struct_size)
{
    return OPTIONS_INIT(options, struct_size, &default_options, lrnn_import_options);
}

/* What one import works with. */
typedef struct importing {
    lrnn_import_options options;
    lrnn_model_options model; /* given, then with the vocabularies that count; or worked out */
    lrnn_allocator allocator;
    tensor_file *file;
    import_index index;
    import_parts parts;
    const char *path;
} importing;

/* ---- options ---- */

static lrnn_status check_alone(const char *name, bool is_default)
{
    return is_default ? LRNN_OK : error_set(LRNN_ERR_INVALID, "%s and model are both given", name);
}

static lrnn_status read_options(importing *in, const lrnn_import_options *given)
{
    lrnn_import_options *o = &in->options;
    *o = default_options;
    if (given != NULL) {
        CHECK(OPTIONS_READ(o, given, &default_options, lrnn_import_options));
    }
    CHECK(allocator_read(&in->allocator, o->allocator));
    CHECK(o->cell == -1 ? LRNN_OK : check_choice("cell", o->cell, cell_last()));
    CHECK(o->head_kind == -1 ? LRNN_OK : check_choice("head_kind", o->head_kind, LRNN_HEAD_FINAL));
    CHECK(check_choice("one_hot", o->one_hot, 1));
    CHECK(check_choice("partial", o->partial, 1));
    CHECK(check_choice("tied_weights", o->tied_weights, 1));
    CHECK(lrnn_model_options_init(&in->model, sizeof in->model));
    if (o->model != NULL) {
        CHECK(check_alone("cell", o->cell == -1));
        CHECK(check_alone("head_kind", o->head_kind == -1));
        CHECK(check_alone("one_hot", o->one_hot == 0));
        CHECK(check_alone("padding_token", o->padding_token == -1));
        CHECK(check_alone("feature_size", o->feature_size == 0));
        CHECK(check_alone("tied_weights", o->tied_weights == 0));
        lrnn_model_options defaults = in->model;
        CHECK(OPTIONS_READ(&in->model, o->model, &defaults, lrnn_model_options));
    }
    in->model.input_vocab = o->input_vocab != NULL ? o->input_vocab : in->model.input_vocab;
    in->model.output_vocab = o->output_vocab != NULL ? o->output_vocab : in->model.output_vocab;
    return LRNN_OK;
}

/* ---- parts and architecture ---- */

/* What the given architecture leaves open, from a network of that architecture. */
static lrnn_status wish_of_model(import_wish *wish, const importing *in)
{
    network net;
    CHECK(network_create(&net, &in->model, &in->allocator));
    const lrnn_model_options *o = &net.options;
    wish->no_recurrent = o->layers == 0;
    wish->no_embedding = o->embedding_size == 0;
    wish->no_head = o->head == LRNN_HEAD_NONE;
    wish->whole_head = !network_is_adaptive(&net);
    wish->feature_size = o->embedding_size == 0 ? 0 : o->feature_size;
    wish->input_size = net.input_size;
    wish->top_size = net.top_size;
    network_release(&net, &in->allocator);
    return LRNN_OK;
}

static lrnn_status find_parts(importing *in)
{
    const lrnn_import_options *o = &in->options;
    import_wish wish = {
        .embedding = o->embedding,
        .recurrent = o->recurrent,
        .head = o->head,
        .no_embedding = o->one_hot != 0,
        .no_head = o->head_kind == LRNN_HEAD_NONE,
        .feature_size = o->feature_size,
        .partial = o->partial != 0,
    };
    if (o->model != NULL) {
        CHECK(wish_of_model(&wish, in));
    }
    if (wish.no_embedding && o->embedding != NULL) {
        return error_set(LRNN_ERR_INVALID, "embedding: given, but the model has none");
    }
    if (wish.no_head && o->head != NULL) {
        return error_set(LRNN_ERR_INVALID, "head: given, but the model has none");
    }
    return import_find_parts(&in->parts, &in->index, &wish);
}

static lrnn_status tell_cell(int32_t *cell, const importing *in, size_t gates)
{
    const cell_kind *found = cell_with_gates(gates), *wanted = cell_find(in->options.cell);
    if (wanted != NULL && wanted->gates != gates) {
        return error_set(LRNN_ERR_INVALID, "%s: cell: expected %s, the file has %s", in->path,
                         wanted->module, found->module);
    }
    *cell = wanted != NULL ? wanted->kind : found->kind;
    return LRNN_OK;
}

/* Sets in->model from what the file has. */
static lrnn_status work_out(importing *in)
{
    lrnn_model_options *o = &in->model;
    const import_module *embedding = in->parts.embedding, *head = in->parts.head;
    import_sizes sizes;
    CHECK(import_measure(&sizes, &in->index, in->parts.recurrent));
    CHECK(tell_cell(&o->cell, in, sizes.gates));
    o->hidden_size = sizes.hidden_size;
    o->projection_size = sizes.projection_size;
    o->padding_token = in->options.padding_token;
    o->tied_weights = in->options.tied_weights;
    o->layers = sizes.layers;
    o->bidirectional = sizes.bidirectional;
    o->bias = sizes.bias;
    if (embedding != NULL) {
        o->vocab_size = embedding->weight->view->shape[0];
        o->embedding_size = embedding->weight->view->shape[1];
        o->feature_size = in->options.feature_size;
    } else if (in->options.one_hot || o->input_vocab != NULL) {
        o->vocab_size = sizes.input_size - in->options.feature_size;
        o->embedding_size = 0;
        o->feature_size = in->options.feature_size;
    } else {
        o->vocab_size = 0;
        o->feature_size = sizes.input_size;
        if (in->options.feature_size != 0 && in->options.feature_size != sizes.input_size) {
            return error_set(LRNN_ERR_INVALID,
                             "%s: feature_size is %zu, but without embedding all %zu values are "
                             "features",
                             in->path, in->options.feature_size, sizes.input_size);
        }
    }
    o->head = in->options.head_kind != -1 ? in->options.head_kind
              : head != NULL              ? LRNN_HEAD_STEPS
                                          : LRNN_HEAD_NONE;
    if (in->parts.adaptive.tails > 0) {
        CHECK(import_adaptive_measure(o, &in->index, &in->parts.adaptive));
    } else if (head != NULL) {
        o->output_size = head->weight->view->shape[0];
    } else if (o->head != LRNN_HEAD_NONE) {
        return error_set(LRNN_ERR_INVALID, "%s: head_kind asks for a head, the file has none",
                         in->path);
    }
    return LRNN_OK;
}

/* ---- parameters ---- */

static const import_module *part_of(const importing *in, const char *name)
{
    const import_parts *parts = &in->parts;
    bool head = strncmp(name, "head.", 5) == 0;
    if (head && parts->adaptive.tails > 0) {
        return import_adaptive_part(&in->index, &parts->adaptive, name);
    }
    return strncmp(name, "rnn.", 4) == 0 ? parts->recurrent : head ? parts->head : parts->embedding;
}

/* The file's tensor for a parameter, NULL: none. */
static import_tensor *find_tensor(const importing *in, const char *name)
{
    const import_module *module = part_of(in, name);
    if (module == NULL) {
        return NULL;
    }
    const char *leaf = strrchr(name, '.') + 1;
    import_tensor *tensor = import_find(&in->index, module, leaf);
    size_t length = strlen(leaf);
    if (tensor == NULL && length > 3 && strcmp(leaf + length - 3, "_l0") == 0) {
        char cell[NETWORK_NAME_ROOM];
        snprintf(cell, sizeof cell, "%.*s", (int)(length - 3), leaf);
        tensor = import_find(&in->index, module, cell);
    }
    return tensor;
}

static lrnn_status check_shape(const importing *in, const network_tensor *expected,
                               const tensor_view *found)
{
    bool same = found->rank == expected->rank && found->shape[0] == expected->shape[0] &&
                (expected->rank == 1 || found->shape[1] == expected->shape[1]);
    if (same) {
        return LRNN_OK;
    }
    char expected_shape[IMPORT_SHAPE_ROOM], found_shape[IMPORT_SHAPE_ROOM];
    return error_set(LRNN_ERR_FORMAT, "%s: tensor '%.100s': expected shape %s, found %s", in->path,
                     found->name, import_shape(expected_shape, expected->rank, expected->shape),
                     import_shape(found_shape, found->rank, found->shape));
}

static lrnn_status missing(const importing *in, const network_tensor *expected)
{
    const import_module *module = part_of(in, expected->name);
    char shape[IMPORT_SHAPE_ROOM];
    import_shape(shape, expected->rank, expected->shape);
    if (module == NULL) {
        return error_set(LRNN_ERR_FORMAT, "%s: no tensor can be %s %s of the model", in->path,
                         expected->name, shape);
    }
    const import_tensor *any = &in->index.tensors[module->first];
    return error_set(LRNN_ERR_FORMAT, "%s: tensor '%.*s%s%s' %s is missing", in->path,
                     any->module_length > 100 ? 100 : (int)any->module_length, any->view->name,
                     any->module_length > 0 ? "." : "", strrchr(expected->name, '.') + 1, shape);
}

/* The file has the head's matrix too, of the embedding's shape. */
static lrnn_status check_tied_head(const importing *in)
{
    const import_tensor *embedding = find_tensor(in, "embedding.weight");
    import_tensor *head = find_tensor(in, "head.weight");
    const tensor_view *one = embedding->view;
    if (head == NULL) {
        return error_set(LRNN_ERR_FORMAT,
                         "%s: tied_weights: no tensor is the head's matrix; that of the embedding "
                         "is '%.100s'",
                         in->path, one->name);
    }
    head->used = true;
    if (head->view->rank == 2 && head->view->shape[0] == one->shape[0] &&
        head->view->shape[1] == one->shape[1]) {
        return LRNN_OK;
    }
    char shape[IMPORT_SHAPE_ROOM], head_shape[IMPORT_SHAPE_ROOM];
    return error_set(LRNN_ERR_FORMAT,
                     "%s: tied_weights: embedding '%.100s' %s and head '%.100s' %s are not one "
                     "matrix",
                     in->path, one->name, import_shape(shape, one->rank, one->shape),
                     head->view->name,
                     import_shape(head_shape, head->view->rank, head->view->shape));
}

/* Every tensor of the file is used, or refused by name. */
static lrnn_status check_all_used(const importing *in)
{
    for (size_t i = 0; i < in->index.tensor_count; i++) {
        const import_tensor *tensor = &in->index.tensors[i];
        if (!tensor->used) {
            char shape[IMPORT_SHAPE_ROOM];
            return error_set(LRNN_ERR_FORMAT, "%s: tensor '%.100s' %s is no part of the model",
                             in->path, tensor->view->name,
                             import_shape(shape, tensor->view->rank, tensor->view->shape));
        }
    }
    return LRNN_OK;
}

/* Every parameter has a tensor of its shape, and every tensor is a parameter, before anything of
 * the size that they claim is allocated. */
static lrnn_status check_tensors(importing *in, const network *net)
{
    if (network_is_adaptive(net) && in->parts.adaptive.tails == 0) {
        return error_set(LRNN_ERR_FORMAT,
                         "%s: cutoffs: there is no adaptive softmax, a tensor of which ends with "
                         "tail.0.0.weight",
                         in->path);
    }
    for (size_t i = 0; i < net->tensor_count; i++) {
        const network_tensor *expected = &net->tensors[i];
        import_tensor *found = find_tensor(in, expected->name);
        if (found != NULL) {
            found->used = true;
            CHECK(check_shape(in, expected, found->view));
        } else if (expected->offset != net->head_bias || in->parts.head == NULL) {
            return missing(in, expected);
        }
    }
    if (network_is_tied(net)) {
        CHECK(check_tied_head(in));
    }
    return in->options.partial ? LRNN_OK : check_all_used(in);
}

static lrnn_status read_tensor(const importing *in, real *values, const tensor_view *view)
{
    lrnn_status status = tensor_read(values, view, 0, view->count);
    if (status == LRNN_ERR_FORMAT) {
        return error_set(status, "%s: %s", in->path, lrnn_last_error());
    }
    CHECK(status);
    for (size_t i = 0; i < view->count; i++) {
        if (!isfinite(values[i])) {
            return error_set(LRNN_ERR_NUMERIC,
                             "%s: tensor '%.100s': value %zu is not a finite float", in->path,
                             view->name, i);
        }
    }
    return LRNN_OK;
}

static lrnn_status read_parameters(const importing *in, lrnn_model *model)
{
    const network *net = &model->net;
    for (size_t i = 0; i < net->tensor_count; i++) {
        const import_tensor *found = find_tensor(in, net->tensors[i].name);
        if (found != NULL) {
            CHECK(read_tensor(in, model->parameters + net->tensors[i].offset, found->view));
        }
    }
    return LRNN_OK;
}

/* The head's matrix of a tied model has the numbers that were read as the embedding. */
static lrnn_status check_tied_values(const importing *in, const lrnn_model *model)
{
    const tensor_view *embedding = find_tensor(in, "embedding.weight")->view;
    const tensor_view *head = find_tensor(in, "head.weight")->view;
    if (tensor_is_same(embedding, head)) {
        return LRNN_OK;
    }
    real *values = memory_allocate(&in->allocator, head->count, sizeof *values, "import: head");
    if (values == NULL) {
        return LRNN_ERR_MEMORY;
    }
    const real *ours = model->parameters + model->net.embedding;
    lrnn_status status = read_tensor(in, values, head);
    for (size_t i = 0; status == LRNN_OK && i < head->count; i++) {
        if (values[i] != ours[i]) {
            status = error_set(LRNN_ERR_FORMAT,
                               "%s: tied_weights: embedding '%.100s' and head '%.100s' differ at "
                               "value %zu",
                               in->path, embedding->name, head->name, i);
        }
    }
    memory_release(&in->allocator, values);
    return status;
}

/* Our name i of those to remember. */
static const char *name_of(const network *net, size_t i)
{
    return i < net->tensor_count ? net->tensors[i].name : "head.weight";
}

/* Remembers what the tensors were called. */
static lrnn_status keep_names(const importing *in, lrnn_model *model)
{
    const network *net = &model->net;
    size_t length = 0, count = model_names_count(net);
    for (size_t i = 0; i < count; i++) {
        const import_tensor *found = find_tensor(in, name_of(net, i));
        length += found != NULL ? strlen(found->view->name) : 0;
    }
    CHECK(model_names_allocate(&model->names, count, length, &model->allocator));
    char *to = model->names.text;
    for (size_t i = 0; i < count; i++) {
        const import_tensor *found = find_tensor(in, name_of(net, i));
        strcpy(to, found != NULL ? found->view->name : "");
        to += strlen(to) + 1;
    }
    const import_tensor *embedding = find_tensor(in, "embedding.weight");
    const import_tensor *head = find_tensor(in, "head.weight");
    model->names.tied = !network_is_tied(net) && embedding != NULL && head != NULL &&
                        tensor_is_same(embedding->view, head->view);
    return LRNN_OK;
}

/* ---- all together ---- */

static lrnn_status fill_model(lrnn_model *made, const importing *in)
{
    CHECK(read_parameters(in, made));
    if (network_is_tied(&made->net)) {
        CHECK(check_tied_values(in, made));
    }
    CHECK(keep_names(in, made));
    return model_finish(made);
}

/* Whose fault is it that there is no such network? */
static lrnn_status blame(lrnn_status status, const importing *in)
{
    bool callers = status != LRNN_ERR_INVALID || in->options.model != NULL ||
                   in->model.input_vocab != NULL || in->model.output_vocab != NULL;
    return callers ? status : error_set(LRNN_ERR_FORMAT, "%s: %s", in->path, lrnn_last_error());
}

static lrnn_status make_model(lrnn_model **model, importing *in)
{
    network net;
    lrnn_model *made;
    lrnn_status status = network_create(&net, &in->model, &in->allocator);
    if (status != LRNN_OK) {
        return blame(status, in);
    }
    status = check_tensors(in, &net);
    if (status != LRNN_OK) {
        network_release(&net, &in->allocator);
        return status;
    }
    CHECK(model_create_bare(&made, &net, in->model.input_vocab, in->model.output_vocab,
                            &in->allocator));
    status = fill_model(made, in);
    if (status != LRNN_OK) {
        lrnn_model_destroy(made);
        return status;
    }
    *model = made;
    return LRNN_OK;
}

/* From an index of the file's tensors to the model. */
static lrnn_status import_indexed(lrnn_model **model, importing *in)
{
    CHECK(find_parts(in));
    if (in->options.model == NULL) {
        CHECK(work_out(in));
    }
    return make_model(model, in);
}

static lrnn_status import_file(lrnn_model **model, importing *in)
{
    if (tensor_file_is_ours(in->file)) {
        return error_set(LRNN_ERR_UNSUPPORTED,
                         "%s: a model file of this library: lrnn_model_load reads it", in->path);
    }
    CHECK(import_index_create(&in->index, in->file, &in->allocator));
    lrnn_status status = import_indexed(model, in);
    import_index_release(&in->index, &in->allocator);
    return status;
}

lrnn_status lrnn_model_import(lrnn_model **model, const char *path,
                              const lrnn_import_options *options)
{
    importing in = {.path = path};
    if (model == NULL || path == NULL) {
        return error_null(model == NULL ? "model" : "path");
    }
    *model = NULL;
    CHECK(read_options(&in, options));
    CHECK(tensor_file_load(&in.file, &in.allocator, path, in.options.entry));
    lrnn_status status = import_file(model, &in);
    tensor_file_destroy(in.file);
    return status;
}
