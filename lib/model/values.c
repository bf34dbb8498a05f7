/* Matrices (tensors of two dimensions) are kept as the model's kind of matrix says, vectors as
 * reals; what a kind is, matrix.h tells. Of a kind with scales only an embedding is kept here; what
 * is packed has the others, see pack_bytes.h. */
#include "values.h"

#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/fpmode.h"
#include "pack_bytes.h"

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
    fpmode mode = fpmode_enter();
    for (size_t i = 0; i < tensor->count; i += tensor->shape[1]) {
        kind->round(values + i, tensor->shape[1]);
    }
    fpmode_leave(mode);
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

bool model_is_scaled(const lrnn_model *model, const network_tensor *tensor)
{
    return kind_of(model, tensor)->scaled;
}

/* Is it in what is packed, and nowhere else? */
static bool is_packed_only(const lrnn_model *model, const network_tensor *tensor)
{
    const network *net = &model->net;
    return kind_of(model, tensor)->scaled &&
           (tensor->offset != net->embedding || network_is_tied(net));
}

/* See arena. */
static void lay_out(lrnn_model *model, arena *from)
{
    const network *net = &model->net;
    model->tensors = arena_take(from, net->tensor_count, sizeof *model->tensors);
    for (size_t i = 0; i < net->tensor_count; i++) {
        const network_tensor *tensor = &net->tensors[i];
        if (is_packed_only(model, tensor)) {
            continue;
        }
        void *place = arena_take(from, tensor->count, kind_of(model, tensor)->bytes);
        if (model->tensors != NULL) {
            model->tensors[i] = place;
        }
        if (kind_of(model, tensor)->scaled) {
            model->embedding_scales = arena_take(from, tensor->shape[0], sizeof(real));
        }
    }
}

static void keep_tensor(lrnn_model *model, const network_tensor *tensor, void *to)
{
    const matrix_kind *kind = kind_of(model, tensor);
    const real *from = model->parameters + tensor->offset;
    int8_t *bytes = to;
    if (!kind->scaled) {
        kind->keep(to, from, tensor->count);
        return;
    }
    for (size_t row = 0, size = tensor->shape[1]; to != NULL && row < tensor->shape[0]; row++) {
        model->embedding_scales[row] =
            bytes_from_reals(bytes + row * size, from + row * size, size);
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
    fpmode mode = fpmode_enter();
    for (size_t i = 0; i < net->tensor_count; i++) {
        keep_tensor(model, &net->tensors[i], model->tensors[i]);
    }
    fpmode_leave(mode);
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
    const matrix_kind *kind = kind_of(model, tensor);
    if (!kind->scaled) {
        kind->read(to, model_tensor(model, tensor), tensor->count);
        return;
    }
    for (size_t row = 0, size = tensor->shape[1]; row < tensor->shape[0]; row++) {
        model_read_scaled(to + row * size, model, tensor, row, 0, size);
    }
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
    if (kind->scaled) {
        model_read_scaled(to, model, model->embedding, token, 0, size);
        return;
    }
    const unsigned char *kept = model_tensor(model, model->embedding);
    kind->read(to, kept + token * size * kind->bytes, size);
}
