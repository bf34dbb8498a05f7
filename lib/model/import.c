/* A model out of a state_dict: find the parts, work the architecture out or check it, then read
 * each parameter of that architecture from the part it belongs to. */
#include "import.h"

#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/options.h"
#include "model.h"

_Static_assert(sizeof(lrnn_import_options) % sizeof(size_t) == 0, "no implicit padding");

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

/* ---- options ---- */

static lrnn_status check_alone(const char *name, bool is_default)
{
    return is_default ? LRNN_OK : error_set(LRNN_ERR_INVALID, "%s and model are both given", name);
}

static lrnn_status check_names(const char *name, const char *const *names, size_t count,
                               const char *single, const char *single_name)
{
    CHECK(check_array(name, names, count));
    for (size_t i = 0; i < count; i++) {
        if (names[i] == NULL) {
            return error_set(LRNN_ERR_INVALID, "%s: name %zu is NULL", name, i);
        }
    }
    return count == 0 || single == NULL
               ? LRNN_OK
               : error_set(LRNN_ERR_INVALID, "%s and %s are both given", single_name, name);
}

/* What stands around layers, as far as it is no name. */
static lrnn_status check_stages(lrnn_import_options *o)
{
    CHECK(check_choice("layer_norm", o->layer_norm, 1));
    CHECK(check_choice("residual", o->residual, 1));
    CHECK(check_names("norm_modules", o->norm_modules, o->norm_module_count, NULL, NULL));
    if (o->initial_c != NULL && o->initial_h == NULL) {
        return error_set(LRNN_ERR_INVALID, "initial_c: given without initial_h");
    }
    if (o->model != NULL) {
        CHECK(check_alone("layer_norm", o->layer_norm == 0));
        CHECK(check_alone("layer_norm_epsilon", o->layer_norm_epsilon == 0));
        CHECK(check_alone("residual", o->residual == 0));
        CHECK(check_alone("input_layer_activation", o->input_layer_activation == 0));
        CHECK(check_alone("head_layer_activation", o->head_layer_activation == 0));
    }
    o->layer_norm |= o->norm_module_count > 0;
    return LRNN_OK;
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
    CHECK(check_names("entries", o->entries, o->entry_count, o->entry, "entry"));
    CHECK(check_names("recurrent_modules", o->recurrent_modules, o->recurrent_module_count,
                      o->recurrent, "recurrent"));
    CHECK(check_names("without", o->without, o->without_count, NULL, NULL));
    CHECK(check_stages(o));
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

/* A name that is wanted where the model has such a part, by default ours. */
static lrnn_status wish_name(const char **wish, const char *field, bool has, const char *ours)
{
    if (*wish != NULL && !has) {
        return error_set(LRNN_ERR_INVALID, "%s: given, but the model has none", field);
    }
    *wish = *wish == NULL && has ? ours : *wish;
    return LRNN_OK;
}

static lrnn_status wish_stages(import_wish *wish, const network *net)
{
    const lrnn_model_options *o = &net->options;
    const bool learned = o->learned_state != 0;
    CHECK(wish_name(&wish->input_layer, "input_layer", o->input_layer_size > 0, "input"));
    CHECK(wish_name(&wish->head_layer, "head_layer", o->head_layer_size > 0, "head_input"));
    CHECK(wish_name(&wish->initial[0], "initial_h", learned, "h0"));
    CHECK(wish_name(&wish->initial[1], "initial_c", learned && net->cell->has_c, "c0"));
    if (wish->layer_norm && !o->layer_norm) {
        return error_set(LRNN_ERR_INVALID, "norm_modules: given, but the model has none");
    }
    wish->layer_norm = o->layer_norm != 0;
    return LRNN_OK;
}

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
    lrnn_status status = wish_stages(wish, &net);
    network_release(&net, &in->allocator);
    return status;
}

static lrnn_status find_parts(importing *in)
{
    const lrnn_import_options *o = &in->options;
    import_wish wish = {
        .embedding = o->embedding,
        .head = o->head,
        .recurrent = o->recurrent != NULL ? &o->recurrent : o->recurrent_modules,
        .recurrent_count = o->recurrent != NULL ? 1 : o->recurrent_module_count,
        .no_embedding = o->one_hot != 0,
        .no_head = o->head_kind == LRNN_HEAD_NONE,
        .input_layer = o->input_layer,
        .head_layer = o->head_layer,
        .initial = {o->initial_h, o->initial_c},
        .norms = o->norm_modules,
        .norm_count = o->norm_module_count,
        .layer_norm = o->layer_norm != 0,
        .feature_size = o->feature_size,
        .partial = o->partial != 0,
    };
    if (o->model != NULL) {
        CHECK(wish_of_model(&wish, in));
    }
    if (wish.no_embedding && o->embedding != NULL) {
        return error_set(LRNN_ERR_INVALID, "embedding: given, but the model has none");
    }
    if (wish.no_head && (o->head != NULL || wish.head_layer != NULL)) {
        return error_set(LRNN_ERR_INVALID, "%s: given, but the model has no head",
                         o->head != NULL ? "head" : "head_layer");
    }
    return import_find_parts(&in->parts, &in->index, &wish);
}

static lrnn_status tell_cell(int32_t *cell, const importing *in, size_t gates)
{
    const cell_kind *found = cell_with_gates(gates), *wanted = cell_find(in->options.cell);
    if (wanted != NULL && wanted->gates != gates) {
        const import_module *module = in->parts.layers[0].module;
        const import_tensor *hh = import_find(&in->index, module, "weight_hh_l0");
        hh = hh != NULL ? hh : import_find(&in->index, module, "weight_hh");
        const size_t *shape = hh->view->shape;
        return error_set(LRNN_ERR_INVALID,
                         "%s: cell: expected %s, the file has %s: tensor '%.100s': expected shape "
                         "[%zu,%zu], found [%zu,%zu]",
                         in->path, wanted->module, found->module, hh->view->name,
                         shape[0] / gates * wanted->gates, shape[1], shape[0], shape[1]);
    }
    *cell = wanted != NULL ? wanted->kind : found->kind;
    return LRNN_OK;
}

/* Of what stands around layers, what the options say and the shapes. */
static void work_out_stages(importing *in, const import_sizes *sizes)
{
    lrnn_model_options *o = &in->model;
    const lrnn_import_options *asked = &in->options;
    const import_parts *parts = &in->parts;
    o->layer_norm = asked->layer_norm;
    o->layer_norm_epsilon = asked->layer_norm_epsilon;
    o->residual = asked->residual;
    o->learned_state = asked->initial_h != NULL;
    o->input_layer_size = parts->input_layer != NULL ? sizes->input_size : 0;
    o->input_layer_activation = asked->input_layer_activation;
    o->head_layer_size = parts->head_layer != NULL ? parts->head_layer->weight->view->shape[0] : 0;
    o->head_layer_activation = asked->head_layer_activation;
}

/* What is read at a step. */
static lrnn_status work_out_input(importing *in, size_t input_size)
{
    lrnn_model_options *o = &in->model;
    const import_module *embedding = in->parts.embedding;
    if (embedding != NULL) {
        o->vocab_size = embedding->weight->view->shape[0];
        o->embedding_size = embedding->weight->view->shape[1];
        o->feature_size = in->options.feature_size;
    } else if (in->options.one_hot || o->input_vocab != NULL) {
        o->vocab_size = input_size - in->options.feature_size;
        o->embedding_size = 0;
        o->feature_size = in->options.feature_size;
    } else {
        o->vocab_size = 0;
        o->feature_size = input_size;
        if (in->options.feature_size != 0 && in->options.feature_size != input_size) {
            return error_set(LRNN_ERR_INVALID,
                             "%s: feature_size: without embedding all %zu values that layer 0 "
                             "reads are features, found %zu",
                             in->path, input_size, in->options.feature_size);
        }
    }
    return LRNN_OK;
}

/* Sets in->model from what the file has. */
static lrnn_status work_out(importing *in)
{
    lrnn_model_options *o = &in->model;
    const import_module *head = in->parts.head;
    import_sizes sizes;
    CHECK(import_measure(&sizes, &in->index, &in->parts));
    CHECK(tell_cell(&o->cell, in, sizes.gates));
    if (in->options.initial_c != NULL && !cell_find(o->cell)->has_c) {
        return error_set(LRNN_ERR_INVALID, "%s: initial_c: given, but a %s has no c", in->path,
                         cell_find(o->cell)->module);
    }
    o->hidden_size = sizes.hidden_size;
    memcpy(o->hidden_sizes, sizes.hidden_sizes, sizeof o->hidden_sizes);
    o->projection_size = sizes.projection_size;
    o->padding_token = in->options.padding_token;
    o->tied_weights = in->options.tied_weights;
    o->layers = sizes.layers;
    o->bidirectional = sizes.bidirectional;
    o->bias = sizes.bias;
    work_out_stages(in, &sizes);
    CHECK(work_out_input(in, import_input_size(&in->parts, &sizes)));
    o->head = in->options.head_kind != -1 ? in->options.head_kind
              : head != NULL              ? LRNN_HEAD_STEPS
                                          : LRNN_HEAD_NONE;
    if (in->parts.adaptive.tails > 0) {
        CHECK(import_adaptive_measure(o, &in->index, &in->parts.adaptive));
    } else if (head != NULL) {
        o->output_size = head->weight->view->shape[0];
    } else if (o->head != LRNN_HEAD_NONE) {
        return error_set(LRNN_ERR_INVALID, "%s: head_kind: asks for a head, but the file has none",
                         in->path);
    }
    return LRNN_OK;
}

/* ---- all together ---- */

static lrnn_status fill_model(lrnn_model *made, const importing *in)
{
    CHECK(import_read_parameters(in, made));
    return model_finish(made);
}

/* Whether the last error is about a field of the options. */
static bool is_about(const char *field)
{
    return strncmp(lrnn_last_error(), field, strlen(field)) == 0;
}

/* Whose fault is it that there is no such network? */
static lrnn_status blame(lrnn_status status, const importing *in)
{
    const lrnn_import_options *o = &in->options;
    bool callers = status != LRNN_ERR_INVALID || o->model != NULL ||
                   in->model.input_vocab != NULL || in->model.output_vocab != NULL ||
                   (o->padding_token != -1 && is_about("padding_token")) ||
                   (o->head_kind != -1 && is_about("head")) || is_about("layer_norm") ||
                   is_about("residual") || is_about("input_layer") || is_about("head_layer");
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
    status = import_check_tensors(in, &net);
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
    CHECK(import_index_create(&in->index, in->file, in->options.without, in->options.without_count,
                              &in->allocator));
    lrnn_status status = import_indexed(model, in);
    if (status == LRNN_OK) {
        import_report_rest(in);
    }
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
    const lrnn_import_options *o = &in.options;
    CHECK(tensor_file_load(&in.file, &in.allocator, path,
                           o->entry_count > 0 ? o->entries : &o->entry,
                           o->entry_count > 0 ? o->entry_count : o->entry != NULL));
    lrnn_status status = import_file(model, &in);
    tensor_file_destroy(in.file);
    return status;
}
