/* The parameters alone, under the names they have elsewhere. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/options.h"
#include "values.h"

_Static_assert(sizeof(lrnn_export_options) % sizeof(size_t) == 0, "no implicit padding");

static const lrnn_export_options default_options = {.size = sizeof(lrnn_export_options)};

lrnn_status lrnn_export_options_init(lrnn_export_options *options, size_t struct_size)
{
    return OPTIONS_INIT(options, struct_size, &default_options, lrnn_export_options);
}

/* The module name that is asked for, NULL: none. */
static const char *asked_for(const lrnn_export_options *options, const char *name)
{
    return strncmp(name, "rnn.", 4) == 0          ? options->recurrent
           : strncmp(name, "head.", 5) == 0       ? options->head
           : strncmp(name, "embedding.", 10) == 0 ? options->embedding
                                                  : NULL;
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

/* A head's bias that was not in the imported file: only where it has become something, and then
 * beside the weight, whose remembered name is `weight`. */
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
    if (module != NULL) {
        return put_composed(writer, model, tensor, module, strlen(module));
    }
    if (remembered != NULL && *remembered == '\0') {
        return put_unnamed(writer, model, tensor,
                           network_is_tied(&model->net) ? model_names_next(remembered) : before);
    }
    return safetensors_writer_tensor(writer, remembered != NULL ? remembered : tensor->name,
                                     model_tensor_dtype(model, tensor), tensor->rank, tensor->shape,
                                     model_tensor(model, tensor));
}

static lrnn_status put_tensors(safetensors_writer *writer, const lrnn_model *model,
                               const lrnn_export_options *options)
{
    const network *net = &model->net;
    const char *remembered = model->names.text, *before = NULL;
    for (size_t i = 0; i < net->tensor_count; i++) {
        CHECK(put_tensor(writer, model, &net->tensors[i], options, remembered, before));
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
    CHECK(check_tie(model, options));
    CHECK(safetensors_writer_create(&writer, &model->allocator));
    lrnn_status status = put_tensors(writer, model, options);
    if (status == LRNN_OK) {
        status = safetensors_writer_save(writer, path);
    }
    safetensors_writer_destroy(writer);
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
