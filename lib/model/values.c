#include "values.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "format/half.h"

static bool keeps_bfloat16(const lrnn_model *model)
{
    return model->net.options.weight_type == LRNN_WEIGHT_BFLOAT16;
}

static bool is_bfloat16(const lrnn_model *model, const network_tensor *tensor)
{
    return keeps_bfloat16(model) && tensor->rank == 2;
}

static void widen(real *to, const uint16_t *from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        to[i] = bfloat16_to_float(from[i]);
    }
}

/* ---- making ---- */

static lrnn_status round_tensor(real *values, const network_tensor *tensor)
{
    for (size_t i = 0; i < tensor->count; i++) {
        real before = values[i];
        values[i] = bfloat16_to_float(bfloat16_from_float((float)before));
        if (!isfinite(values[i])) {
            return error_set(LRNN_ERR_NUMERIC, "%s: value %zu, %g, is too large for bfloat16",
                             tensor->name, i, (double)before);
        }
    }
    return LRNN_OK;
}

lrnn_status model_round_values(lrnn_model *model)
{
    const network *net = &model->net;
    lrnn_status status = LRNN_OK;
    for (size_t i = 0; status == LRNN_OK && i < net->tensor_count; i++) {
        if (is_bfloat16(model, &net->tensors[i])) {
            status = round_tensor(model->parameters + net->tensors[i].offset, &net->tensors[i]);
        }
    }
    return status;
}

/* See arena. */
static void lay_out(lrnn_model *model, arena *from)
{
    const network *net = &model->net;
    model->tensors = arena_take(from, net->tensor_count, sizeof *model->tensors);
    for (size_t i = 0; i < net->tensor_count; i++) {
        size_t size = tensor_dtype_size(model_tensor_dtype(model, &net->tensors[i]));
        void *place = arena_take(from, net->tensors[i].count, size);
        if (model->tensors != NULL) {
            model->tensors[i] = place;
        }
    }
}

static void keep_tensor(const lrnn_model *model, const network_tensor *tensor, void *to)
{
    const real *from = model->parameters + tensor->offset;
    if (!is_bfloat16(model, tensor)) {
        memcpy(to, from, tensor->count * sizeof(real));
        return;
    }
    uint16_t *numbers = to;
    for (size_t i = 0; i < tensor->count; i++) {
        numbers[i] = bfloat16_from_float((float)from[i]);
    }
}

lrnn_status model_keep_values(lrnn_model *model)
{
    const network *net = &model->net;
    if (!keeps_bfloat16(model)) {
        return LRNN_OK;
    }
    arena pieces = {0};
    lay_out(model, &pieces);
    lrnn_status status = arena_allocate(&pieces, &model->allocator, "model: parameters");
    if (status != LRNN_OK) {
        return status;
    }
    lay_out(model, &pieces);
    for (size_t i = 0; i < net->tensor_count; i++) {
        keep_tensor(model, &net->tensors[i], model->tensors[i]);
    }
    memory_release(&model->allocator, model->parameters);
    model->parameters = NULL;
    model->kept = pieces.base;
    return LRNN_OK;
}

/* ---- asking ---- */

const void *model_tensor(const lrnn_model *model, const network_tensor *tensor)
{
    return model->parameters != NULL ? model->parameters + tensor->offset
                                     : model->tensors[tensor - model->net.tensors];
}

tensor_dtype model_tensor_dtype(const lrnn_model *model, const network_tensor *tensor)
{
    return is_bfloat16(model, tensor) ? TENSOR_BF16 : TENSOR_REAL;
}

void model_read_tensor(real *to, const lrnn_model *model, const network_tensor *tensor)
{
    const void *kept = model_tensor(model, tensor);
    if (is_bfloat16(model, tensor)) {
        widen(to, kept, tensor->count);
    } else {
        memcpy(to, kept, tensor->count * sizeof(real));
    }
}

void model_read_values(real *to, const lrnn_model *model)
{
    for (size_t i = 0; i < model->net.tensor_count; i++) {
        const network_tensor *tensor = &model->net.tensors[i];
        model_read_tensor(to + tensor->offset, model, tensor);
    }
}

void model_read_embedding(real *to, const lrnn_model *model, size_t token)
{
    size_t size = model->net.options.embedding_size, first = token * size;
    const void *kept = model_tensor(model, model->embedding);
    if (is_bfloat16(model, model->embedding)) {
        widen(to, (const uint16_t *)kept + first, size);
    } else {
        memcpy(to, (const real *)kept + first, size * sizeof(real));
    }
}
