/* Models: made, shared, destroyed, asked about.
 *
 * A model is made in two halves: model_create_bare allocates it with its network and a flat array
 * of parameters, whoever makes it fills the array, and model_finish checks the numbers, rounds them
 * to the weight type and packs them for the kernels. After that nothing in it changes but the count
 * of owners, so any number of threads may read it. */
#include "model.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/fpmode.h"
#include "base/options.h"
#include "kernels/kernels.h"
#include "options.h"
#include "stages.h"
#include "text/vocab.h"
#include "values.h"

/* ---- making and destroying ---- */

lrnn_status model_create_bare(lrnn_model **model, network *net, const lrnn_vocab *input_vocab,
                              const lrnn_vocab *output_vocab, const lrnn_allocator *allocator)
{
    *model = NULL;
    lrnn_model *made = memory_allocate(allocator, 1, sizeof *made, "model");
    real *parameters =
        memory_allocate(allocator, net->parameter_count, sizeof(real), "model: parameters");
    if (made == NULL || parameters == NULL) {
        memory_release(allocator, made);
        memory_release(allocator, parameters);
        network_release(net, allocator);
        return LRNN_ERR_MEMORY;
    }
    atomic_init(&made->owners, 1);
    made->allocator = *allocator;
    made->net = *net;
    made->parameters = parameters;
    made->input_vocab = lrnn_vocab_share(input_vocab);
    made->output_vocab = lrnn_vocab_share(output_vocab);
    *model = made;
    return LRNN_OK;
}

void lrnn_model_destroy(lrnn_model *model)
{
    if (model == NULL || atomic_fetch_sub(&model->owners, 1) > 1) {
        return;
    }
    lrnn_allocator allocator = model->allocator;
    lrnn_vocab_destroy(model->input_vocab);
    lrnn_vocab_destroy(model->output_vocab);
    model_names_release(&model->names, &allocator);
    memory_release(&allocator, model->packed);
    memory_release(&allocator, model->parameters);
    memory_release(&allocator, model->kept);
    network_release(&model->net, &allocator);
    memory_release(&allocator, model);
}

lrnn_model *lrnn_model_share(const lrnn_model *model)
{
    lrnn_model *shared = (lrnn_model *)(uintptr_t)model;
    if (shared != NULL) {
        atomic_fetch_add(&shared->owners, 1);
    }
    return shared;
}

lrnn_status network_check_finite(const network *net, const real *parameters)
{
    for (size_t i = 0; i < net->tensor_count; i++) {
        const network_tensor *tensor = &net->tensors[i];
        const real *values = parameters + tensor->offset;
        /* The sum of squares, in double, is finite if all are; otherwise we look at each. */
        fpmode mode = fpmode_enter();
        double sum = kernels()->dot(values, values, tensor->count);
        fpmode_leave(mode);
        if (isfinite(sum)) {
            continue;
        }
        for (size_t k = 0; k < tensor->count; k++) {
            if (!isfinite(values[k])) {
                return error_set(LRNN_ERR_NUMERIC, "%s: value %zu is not finite", tensor->name, k);
            }
        }
    }
    return LRNN_OK;
}

lrnn_status model_finish(lrnn_model *model)
{
    const network *net = &model->net;
    CHECK(network_check_finite(net, model->parameters));
    CHECK(model_round_values(model));
    CHECK(model_pack(model));
    CHECK(model_keep_values(model));
    for (size_t i = 0; i < net->tensor_count; i++) {
        const network_tensor *tensor = &net->tensors[i];
        if (tensor->offset == net->embedding) {
            model->embedding = tensor;
        }
    }
    stages_find_vectors(model);
    return LRNN_OK;
}

/* Reads the options and makes a model without parameters. */
static lrnn_status create_from_options(lrnn_model **model, const lrnn_model_options *options)
{
    lrnn_model_options o;
    lrnn_allocator allocator;
    network net;
    CHECK(model_options_resolve(&o, options));
    CHECK(allocator_read(&allocator, o.allocator));
    CHECK(network_create(&net, &o, &allocator));
    return model_create_bare(model, &net, o.input_vocab, o.output_vocab, &allocator);
}

/* Finishes a model whose parameters are set; destroys it if that, or what came before, failed. */
static lrnn_status deliver(lrnn_model **model, lrnn_model *made, lrnn_status status)
{
    if (status == LRNN_OK) {
        status = model_finish(made);
    }
    if (status != LRNN_OK) {
        lrnn_model_destroy(made);
        made = NULL;
    }
    *model = made;
    return status;
}

lrnn_status lrnn_model_create(lrnn_model **model, const lrnn_model_options *options)
{
    if (model == NULL) {
        return error_null("model");
    }
    *model = NULL;
    lrnn_model *made;
    CHECK(create_from_options(&made, options));
    fpmode mode = fpmode_enter();
    network_initialize(&made->net, made->parameters);
    fpmode_leave(mode);
    return deliver(model, made, LRNN_OK);
}

lrnn_status model_create_like(lrnn_model **model, const lrnn_model *like, int32_t weight_type,
                              const real *parameters)
{
    lrnn_model_options options = like->net.options;
    options.weight_type = weight_type;
    network net;
    lrnn_model *made;
    *model = NULL;
    CHECK(network_create(&net, &options, &like->allocator));
    CHECK(model_create_bare(&made, &net, like->input_vocab, like->output_vocab, &like->allocator));
    if (parameters != NULL) {
        memcpy(made->parameters, parameters, net.parameter_count * sizeof(real));
    } else {
        model_read_values(made->parameters, like);
    }
    return deliver(model, made, model_names_copy(&made->names, &like->names, &made->allocator));
}

lrnn_status lrnn_model_convert(lrnn_model **converted, const lrnn_model *model, int32_t weight_type)
{
    if (converted == NULL) {
        return error_null("converted");
    }
    *converted = NULL;
    if (model == NULL) {
        return error_null("model");
    }
    if (weight_type == model->net.options.weight_type) {
        *converted = lrnn_model_share(model);
        return LRNN_OK;
    }
    return model_create_like(converted, model, weight_type, NULL);
}

/* ---- parameters given by the caller ---- */

static const lrnn_tensor default_tensor = {.size = sizeof(lrnn_tensor)};

lrnn_status lrnn_tensor_init(lrnn_tensor *tensor, size_t struct_size)
{
    return OPTIONS_INIT(tensor, struct_size, &default_tensor, lrnn_tensor);
}

static lrnn_status check_tensor(const network_tensor *expected, const lrnn_tensor *given)
{
    if (given->values == NULL) {
        return error_set(LRNN_ERR_INVALID, "%s: values is NULL", expected->name);
    }
    bool same = given->rank == expected->rank && given->shape[0] == expected->shape[0] &&
                (expected->rank == 1 || given->shape[1] == expected->shape[1]);
    if (!same) {
        return error_set(LRNN_ERR_INVALID,
                         "%s: expected rank %zu, shape [%zu,%zu], found rank %zu, shape [%zu,%zu]",
                         expected->name, expected->rank, expected->shape[0], expected->shape[1],
                         given->rank, given->shape[0], given->shape[1]);
    }
    return LRNN_OK;
}

/* `seen` has one flag for each tensor of the network. */
static lrnn_status take_tensors(lrnn_model *model, const lrnn_tensor *tensors, size_t count,
                                unsigned char *seen)
{
    const network *net = &model->net;
    for (size_t i = 0; i < count; i++) {
        lrnn_tensor given;
        CHECK(OPTIONS_READ(&given, options_element(tensors, i), &default_tensor, lrnn_tensor));
        const network_tensor *expected = given.name == NULL ? NULL : network_find(net, given.name);
        if (expected == NULL) {
            return error_set(LRNN_ERR_NOT_FOUND, "tensor %zu: the model has no parameter '%s'", i,
                             given.name == NULL ? "(NULL)" : given.name);
        }
        CHECK(check_tensor(expected, &given));
        if (seen[expected - net->tensors]++ != 0) {
            return error_set(LRNN_ERR_INVALID, "%s: given twice", expected->name);
        }
        memcpy(model->parameters + expected->offset, given.values, expected->count * sizeof(real));
    }
    for (size_t i = 0; i < net->tensor_count; i++) {
        if (!seen[i]) {
            return error_set(LRNN_ERR_INVALID, "%s: missing", net->tensors[i].name);
        }
    }
    return LRNN_OK;
}

lrnn_status lrnn_model_create_from_tensors(lrnn_model **model, const lrnn_model_options *options,
                                           const lrnn_tensor *tensors, size_t count)
{
    if (model == NULL) {
        return error_null("model");
    }
    *model = NULL;
    if (tensors == NULL && count > 0) {
        return error_null("tensors");
    }
    lrnn_model *made;
    CHECK(create_from_options(&made, options));
    unsigned char *seen =
        memory_allocate(&made->allocator, made->net.tensor_count, 1, "model: tensor flags");
    lrnn_status status = seen == NULL ? LRNN_ERR_MEMORY : take_tensors(made, tensors, count, seen);
    memory_release(&made->allocator, seen);
    return deliver(model, made, status);
}

/* ---- asking ---- */

lrnn_status lrnn_model_get_options(lrnn_model_options *options, const lrnn_model *model)
{
    if (options == NULL || model == NULL) {
        return error_null(options == NULL ? "options" : "model");
    }
    size_t size = options->size;
    lrnn_model_options all = model->net.options;
    all.input_vocab = model->input_vocab;
    all.output_vocab = model->output_vocab;
    return OPTIONS_INIT(options, size, &all, lrnn_model_options);
}

const lrnn_vocab *lrnn_model_input_vocab(const lrnn_model *model)
{
    return model == NULL ? NULL : model->input_vocab;
}

const lrnn_vocab *lrnn_model_output_vocab(const lrnn_model *model)
{
    return model == NULL ? NULL : model->output_vocab;
}

size_t lrnn_model_hidden_size(const lrnn_model *model, size_t layer)
{
    return model == NULL || layer >= model->net.options.layers
               ? 0
               : network_layer_of(&model->net, layer)->hidden_size;
}

size_t lrnn_model_output_size(const lrnn_model *model)
{
    return model == NULL ? 0 : model->net.output_size;
}

size_t lrnn_model_tensor_count(const lrnn_model *model)
{
    return model == NULL ? 0 : model->net.tensor_count;
}

size_t lrnn_model_parameter_count(const lrnn_model *model)
{
    return model == NULL ? 0 : model->net.parameter_count;
}

static const lrnn_parameter default_parameter = {.size = sizeof(lrnn_parameter)};

lrnn_status lrnn_parameter_init(lrnn_parameter *parameter, size_t struct_size)
{
    return OPTIONS_INIT(parameter, struct_size, &default_parameter, lrnn_parameter);
}

static lrnn_status describe(lrnn_parameter *parameter, const network_tensor *tensor)
{
    lrnn_parameter all = {
        .name = tensor->name,
        .rank = tensor->rank,
        .shape = {tensor->shape[0], tensor->shape[1]},
        .offset = tensor->offset,
        .count = tensor->count,
    };
    return OPTIONS_INIT(parameter, parameter->size, &all, lrnn_parameter);
}

lrnn_status lrnn_model_get_parameter(lrnn_parameter *parameter, const lrnn_model *model,
                                     size_t index)
{
    if (parameter == NULL || model == NULL) {
        return error_null(parameter == NULL ? "parameter" : "model");
    }
    if (index >= model->net.tensor_count) {
        return error_set(LRNN_ERR_INVALID, "index: expected 0..%zu, found %zu",
                         model->net.tensor_count - 1, index);
    }
    return describe(parameter, &model->net.tensors[index]);
}

lrnn_status lrnn_model_find_parameter(lrnn_parameter *parameter, const lrnn_model *model,
                                      const char *name)
{
    if (parameter == NULL || model == NULL || name == NULL) {
        return error_null(parameter == NULL ? "parameter" : model == NULL ? "model" : "name");
    }
    const network_tensor *tensor = network_find(&model->net, name);
    if (tensor == NULL) {
        return error_set(LRNN_ERR_NOT_FOUND, "the model has no parameter '%s'", name);
    }
    return describe(parameter, tensor);
}

lrnn_status lrnn_model_copy_parameter(real *values, size_t capacity, const lrnn_model *model,
                                      const char *name)
{
    if (values == NULL || model == NULL) {
        return error_null(values == NULL ? "values" : "model");
    }
    size_t count = model->net.parameter_count;
    const network_tensor *tensor = NULL;
    if (name != NULL) {
        tensor = network_find(&model->net, name);
        if (tensor == NULL) {
            return error_set(LRNN_ERR_NOT_FOUND, "the model has no parameter '%s'", name);
        }
        count = tensor->count;
    }
    if (capacity < count) {
        return error_set(LRNN_ERR_TOO_SMALL, "%s: %zu values, room for %zu",
                         name == NULL ? "parameters" : name, count, capacity);
    }
    if (tensor != NULL) {
        model_read_tensor(values, model, tensor);
    } else {
        model_read_values(values, model);
    }
    return LRNN_OK;
}
