/* The parameters alone, under the names they have elsewhere. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/options.h"
#include "layer_sizes.h"
#include "values.h"

_Static_assert(sizeof(lrnn_export_options) % sizeof(size_t) == 0, "no implicit padding");

static const lrnn_export_options default_options = {.size = sizeof(lrnn_export_options)};

lrnn_status lrnn_export_options_init(lrnn_export_options *options, size_t struct_size)
{
    return OPTIONS_INIT(options, struct_size, &default_options, lrnn_export_options);
}

/* The modules of our names. */
static const struct {
    const char *name;
    size_t field; /* of lrnn_export_options */
} modules[] = {
    {"embedding", offsetof(lrnn_export_options, embedding)},
    {"rnn", offsetof(lrnn_export_options, recurrent)},
    {"head", offsetof(lrnn_export_options, head)},
    {"input", offsetof(lrnn_export_options, input_layer)},
    {"head_input", offsetof(lrnn_export_options, head_layer)},
    {"norm", offsetof(lrnn_export_options, norm)},
};

/* The module name that is asked for, NULL: none. */
static const char *asked_for(const lrnn_export_options *options, const char *name)
{
    size_t length = (size_t)(strchr(name, '.') - name);
    const char *asked = NULL;
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
        if (strlen(modules[i].name) == length && memcmp(modules[i].name, name, length) == 0) {
            memcpy(&asked, (const char *)options + modules[i].field, sizeof asked);
        }
    }
    return asked;
}

static bool all_zero(const real *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (values[i] != 0) {
            return false;
        }
    }
    return true;
}

/* Adds a tensor as "<module>.<leaf>". */
static lrnn_status put_leaf(safetensors_writer *writer, const lrnn_model *model,
                            const network_tensor *tensor, const char *module, size_t length,
                            const char *leaf)
{
    size_t room = length + strlen(leaf) + 2;
    char *name = memory_allocate(&model->allocator, room, 1, "name of a tensor");
    if (name == NULL) {
        return LRNN_ERR_MEMORY;
    }
    memcpy(name, module, length);
    snprintf(name + length, room - length, "%s%s", length > 0 ? "." : "", leaf);
    lrnn_status status =
        safetensors_writer_tensor(writer, name, model_tensor_dtype(model, tensor), tensor->rank,
                                  tensor->shape, model_tensor(model, tensor));
    memory_release(&model->allocator, name);
    return status;
}

/* Under the last part of our own name. */
static lrnn_status put_composed(safetensors_writer *writer, const lrnn_model *model,
                                const network_tensor *tensor, const char *module, size_t length)
{
    return put_leaf(writer, model, tensor, module, length, strchr(tensor->name, '.') + 1);
}

/* Must each layer be a module of its own, since something stands between them, or they are of
 * different sizes? */
static bool is_list(const network *net)
{
    return net->options.layer_norm || net->options.residual || layer_sizes_differ(&net->options);
}

/* Of a recurrent layer that is a module: "weight_hh_l1_reverse" of "rnn" becomes
 * "rnn.1.weight_hh_l0_reverse". */
static lrnn_status put_layer(safetensors_writer *writer, const lrnn_model *model,
                             const network_tensor *tensor, const char *module)
{
    char leaf[2 * NETWORK_NAME_ROOM];
    const char *ours = strchr(tensor->name, '.') + 1, *kind = strstr(ours, "_l");
    size_t digits = strspn(kind + 2, "0123456789");
    snprintf(leaf, sizeof leaf, "%.*s.%.*s_l0%s", (int)digits, kind + 2, (int)(kind - ours), ours,
             kind + 2 + digits);
    return put_leaf(writer, model, tensor, module, strlen(module), leaf);
}

/* A linear layer's bias that was not in the imported file: only where it has become something, and
 * then beside the weight, whose remembered name is `weight`. */
static lrnn_status put_unnamed(safetensors_writer *writer, const lrnn_model *model,
                               const network_tensor *tensor, const char *weight)
{
    if (all_zero(model_tensor(model, tensor), tensor->count)) {
        return LRNN_OK;
    }
    const char *dot = strrchr(weight, '.');
    return put_leaf(writer, model, tensor, weight, dot != NULL ? (size_t)(dot - weight) : 0,
                    strrchr(tensor->name, '.') + 1);
}

/* The one matrix again, as the head's: a state_dict of tied modules has both. */
static lrnn_status put_tied_head(safetensors_writer *writer, const lrnn_model *model,
                                 const char *module, const char *remembered)
{
    const network_tensor *matrix = model->embedding;
    if (module != NULL) {
        return put_leaf(writer, model, matrix, module, strlen(module), "weight");
    }
    return safetensors_writer_tensor(writer, remembered != NULL ? remembered : "head.weight",
                                     model_tensor_dtype(model, matrix), matrix->rank, matrix->shape,
                                     model_tensor(model, matrix));
}

/* remembered: what the tensor was called in the file it came from, "" where it was not in it;
 * before: that of the tensor before. NULL: not imported. */
static lrnn_status put_tensor(safetensors_writer *writer, const lrnn_model *model,
                              const network_tensor *tensor, const lrnn_export_options *options,
                              const char *remembered, const char *before)
{
    const char *module = asked_for(options, tensor->name);
    const network *net = &model->net;
    bool layer = strncmp(tensor->name, "rnn.", 4) == 0 && is_list(net);
    if (layer && (module != NULL || remembered == NULL)) {
        return put_layer(writer, model, tensor, module != NULL ? module : "rnn");
    }
    if (module != NULL) {
        return put_composed(writer, model, tensor, module, strlen(module));
    }
    if (remembered != NULL && *remembered == '\0') {
        bool tied = network_is_tied(net) && tensor->offset == net->head_bias;
        return put_unnamed(writer, model, tensor, tied ? model_names_next(remembered) : before);
    }
    return safetensors_writer_tensor(writer, remembered != NULL ? remembered : tensor->name,
                                     model_tensor_dtype(model, tensor), tensor->rank, tensor->shape,
                                     model_tensor(model, tensor));
}

/* ---- where streams begin ---- */

static bool is_state(const network_tensor *tensor)
{
    return strncmp(tensor->name, "state.", 6) == 0;
}

static bool is_c(const network_tensor *tensor)
{
    return tensor->name[6] == 'c';
}

/* What our tensor i is a row of: a tensor of that name, or one of a list that has one for each
 * layer. */
typedef struct state_home {
    const char *name;
    size_t layer; /* of the list; LRNN_AUTO: it is no list */
} state_home;

static state_home state_home_of(const lrnn_model *model, const lrnn_export_options *options,
                                size_t i)
{
    const network_tensor *tensor = &model->net.tensors[i];
    bool c = is_c(tensor), list = layer_sizes_differ(&model->net.options);
    const char *asked = c ? options->initial_c : options->initial_h;
    const char *name = model->names.text;
    size_t layer = (size_t)strtoul(strstr(tensor->name, "_l") + 2, NULL, 10);
    for (size_t k = 0; name != NULL && k < i; k++) {
        name = model_names_next(name);
    }
    if (asked == NULL && name != NULL) {
        return (state_home){name, LRNN_AUTO};
    }
    return (state_home){asked != NULL ? asked : c ? "c0" : "h0", list ? layer : LRNN_AUTO};
}

/* A tensor of `rows` rows of the shape of `row`. */
static lrnn_status put_rows(safetensors_writer *writer, const lrnn_model *model, state_home home,
                            const network_tensor *row, size_t rows, const char *data)
{
    size_t rank = model->names.state_rank, shape[] = {rows, 1, row->count};
    size_t room = strlen(home.name) + 24;
    char *name = memory_allocate(&model->allocator, room, 1, "name of a tensor");
    if (name == NULL) {
        return LRNN_ERR_MEMORY;
    }
    snprintf(name, room, "%s", home.name);
    if (home.layer != LRNN_AUTO) {
        snprintf(name, room, "%s.%zu", home.name, home.layer);
    }
    rank = rank == 0 ? 3 : rank == 1 && rows > 1 ? 2 : rank;
    shape[1] = rank == 2 ? row->count : 1;
    lrnn_status status = safetensors_writer_tensor(writer, name, model_tensor_dtype(model, row),
                                                   rank, rank == 1 ? shape + 2 : shape, data);
    memory_release(&model->allocator, name);
    return status;
}

/* The rows of h, or of c, one after the other at `to`; those that follow each other under one name
 * are one tensor. Leaves *to behind them. */
static lrnn_status put_state(safetensors_writer *writer, const lrnn_model *model,
                             const lrnn_export_options *options, bool c, char **to)
{
    const network *net = &model->net;
    const network_tensor *row = NULL;
    state_home home = {NULL, LRNN_AUTO};
    const char *begin = *to;
    size_t rows = 0;
    for (size_t i = 0; i < net->tensor_count; i++) {
        const network_tensor *tensor = &net->tensors[i];
        if (!is_state(tensor) || is_c(tensor) != c) {
            continue;
        }
        state_home own = state_home_of(model, options, i);
        if (rows > 0 && (own.layer != home.layer || strcmp(own.name, home.name) != 0)) {
            CHECK(put_rows(writer, model, home, row, rows, begin));
            rows = 0;
        }
        begin = rows == 0 ? *to : begin;
        home = own;
        row = tensor;
        rows++;
        size_t bytes = tensor->count * tensor_dtype_size(model_tensor_dtype(model, tensor));
        memcpy(*to, model_tensor(model, tensor), bytes);
        *to += bytes;
    }
    return rows > 0 ? put_rows(writer, model, home, row, rows, begin) : LRNN_OK;
}

/* *data is theirs, and the caller's to release after saving. */
static lrnn_status put_states(safetensors_writer *writer, const lrnn_model *model,
                              const lrnn_export_options *options, char **data)
{
    const network *net = &model->net;
    size_t values = 0;
    for (size_t i = 0; i < net->tensor_count; i++) {
        values += is_state(&net->tensors[i]) ? net->tensors[i].count : 0;
    }
    if (values == 0) {
        return LRNN_OK;
    }
    char *to = memory_allocate(&model->allocator, values, sizeof(real), "export: initial states");
    if (to == NULL) {
        return LRNN_ERR_MEMORY;
    }
    *data = to;
    CHECK(put_state(writer, model, options, false, &to));
    return put_state(writer, model, options, true, &to);
}

/* ---- all of it ---- */

static lrnn_status put_tensors(safetensors_writer *writer, const lrnn_model *model,
                               const lrnn_export_options *options)
{
    const network *net = &model->net;
    const char *remembered = model->names.text, *before = NULL;
    for (size_t i = 0; i < net->tensor_count; i++) {
        if (!is_state(&net->tensors[i])) {
            CHECK(put_tensor(writer, model, &net->tensors[i], options, remembered, before));
        }
        before = remembered;
        remembered = remembered != NULL ? model_names_next(remembered) : NULL;
    }
    return network_is_tied(net) ? put_tied_head(writer, model, options->head, remembered) : LRNN_OK;
}

/* In the module the names come from, embedding and head are one tensor: load_state_dict would
 * give it the one that comes last. */
static lrnn_status check_tie(const lrnn_model *model, const lrnn_export_options *options)
{
    const network *net = &model->net;
    if (!model->names.tied || options->embedding != NULL || options->head != NULL) {
        return LRNN_OK;
    }
    const network_tensor *head = network_find(net, "head.weight");
    if (memcmp(model_tensor(model, model->embedding), model_tensor(model, head),
               head->count * tensor_dtype_size(model_tensor_dtype(model, head))) == 0) {
        return LRNN_OK;
    }
    return error_set(LRNN_ERR_UNSUPPORTED,
                     "embedding and head were one tensor when the model was imported and differ "
                     "now; name the head to write both");
}

static lrnn_status export(const lrnn_model *model, const char *path,
                          const lrnn_export_options *options)
{
    safetensors_writer *writer;
    char *states = NULL;
    CHECK(check_tie(model, options));
    CHECK(safetensors_writer_create(&writer, &model->allocator));
    lrnn_status status = put_tensors(writer, model, options);
    if (status == LRNN_OK) {
        status = put_states(writer, model, options, &states);
    }
    if (status == LRNN_OK) {
        status = safetensors_writer_save(writer, path);
    }
    safetensors_writer_destroy(writer);
    memory_release(&model->allocator, states);
    return status;
}

/* A module takes no bytes with scales: they are written as the numbers that they stand for. */
lrnn_status lrnn_model_export(const lrnn_model *model, const char *path,
                              const lrnn_export_options *options)
{
    if (model == NULL || path == NULL) {
        return error_null(model == NULL ? "model" : "path");
    }
    lrnn_export_options all = default_options;
    if (options != NULL) {
        CHECK(OPTIONS_READ(&all, options, &default_options, lrnn_export_options));
    }
    if (!matrix_kind_find(model->net.options.weight_type)->scaled) {
        return export(model, path, &all);
    }
    lrnn_model *plain;
    CHECK(lrnn_model_convert(&plain, model, LRNN_WEIGHT_FLOAT32));
    lrnn_status status = export(plain, path, &all);
    lrnn_model_destroy(plain);
    return status;
}
