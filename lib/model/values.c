/* Matrices (tensors of two dimensions) are kept as the model's kind of matrix says, vectors as
 * reals; what a kind is, matrix.h tells. */
#include "values.h"

#include <string.h>

#include "base/check.h"
#include "base/error.h"

static const matrix_kind *kind_of(const lrnn_model *model, const network_tensor *tensor)
{
    return matrix_kind_find(tensor->rank == 2 ? model->net.options.weight_type
                                              : LRNN_WEIGHT_FLOAT32);
}

/* ---- making ---- */

static lrnn_status round_tensor(real *values, const network_tensor *tensor, const matrix_kind *kind)
{
    real largest = (real)kind->largest;
    for (size_t i = 0; kind->largest > 0 && i < tensor->count; i++) {
        if (values[i] >= largest || values[i] <= -largest) {
            return error_set(LRNN_ERR_NUMERIC, "%s: value %zu, %g, is too large for %s",
                             tensor->name, i, (double)values[i], kind->name);
        }
    }
    kind->round(values, tensor->count);
    return LRNN_OK;
}

lrnn_status model_round_values(lrnn_model *model)
{
    const network *net = &model->net;
    for (size_t i = 0; i < net->tensor_count; i++) {
        const network_tensor *tensor = &net->tensors[i];
        const matrix_kind *kind = kind_of(model, tensor);
        if (kind->round != NULL) {
            CHECK(round_tensor(model->parameters + tensor->offset, tensor, kind));
        }
    }
    return LRNN_OK;
}

/* See arena. */
static void lay_out(lrnn_model *model, arena *from)
{
    const network *net = &model->net;
    model->tensors = arena_take(from, net->tensor_count, sizeof *model->tensors);
    for (size_t i = 0; i < net->tensor_count; i++) {
        const network_tensor *tensor = &net->tensors[i];
        void *place = arena_take(from, tensor->count, kind_of(model, tensor)->bytes);
        if (model->tensors != NULL) {
            model->tensors[i] = place;
        }
    }
}

lrnn_status model_keep_values(lrnn_model *model)
{
    const network *net = &model->net;
    if (net->options.weight_type == LRNN_WEIGHT_FLOAT32) {
        return LRNN_OK;
    }
    arena pieces = {0};
    lay_out(model, &pieces);
    CHECK(arena_allocate(&pieces, &model->allocator, "model: parameters"));
    lay_out(model, &pieces);
    for (size_t i = 0; i < net->tensor_count; i++) {
        const network_tensor *tensor = &net->tensors[i];
        kind_of(model, tensor)
            ->keep(model->tensors[i], model->parameters + tensor->offset, tensor->count);
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
    const char *name = kind_of(model, tensor)->dtype;
    return name == NULL ? TENSOR_REAL : tensor_dtype_named(name);
}

void model_read_tensor(real *to, const lrnn_model *model, const network_tensor *tensor)
{
    kind_of(model, tensor)->read(to, model_tensor(model, tensor), tensor->count);
}

void model_read_values(real *to, const lrnn_model *model)
{
    for (size_t i = 0; i < model->net.tensor_count; i++) {
        const network_tensor *tensor = &model->net.tensors[i];
        model_read_tensor(to + tensor->offset, model, tensor);
    }
}

void model_read_embedding(real *to, const void *of, size_t token)
{
    const lrnn_model *model = of;
    const matrix_kind *kind = kind_of(model, model->embedding);
    size_t size = model->net.options.embedding_size;
    const unsigned char *kept = model_tensor(model, model->embedding);
    kind->read(to, kept + token * size * kind->bytes, size);
}
