#include "values.h"

#include <string.h>

#include "base/error.h"
#include "format/half.h"

static bool is_bfloat16(const lrnn_model *model, const network_tensor *tensor)
{
    return network_keeps_bfloat16(&model->net) && tensor->rank == 2;
}

static void widen(real *to, const uint16_t *from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        to[i] = bfloat16_to_float(from[i]);
    }
}

/* ---- making ---- */

static uint32_t bits_of(real x)
{
    float value = (float)x;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

typedef uint32_t four_words __attribute__((vector_size(16)));
typedef uint16_t four_halves __attribute__((vector_size(8)));

static four_words bits_of_four(const real *x)
{
#if LRNN_REAL_IS_FLOAT
    four_words bits;
    memcpy(&bits, x, sizeof bits);
    return bits;
#else
    return (four_words){bits_of(x[0]), bits_of(x[1]), bits_of(x[2]), bits_of(x[3])};
#endif
}

/* Has nothing to be rounded away, as what a file of bfloat16 gives? */
static bool is_exact(const real *values, size_t count)
{
    four_words some = {0};
    uint32_t lower = 0;
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        some |= bits_of_four(values + i);
    }
    for (; i < count; i++) {
        lower |= bits_of(values[i]);
    }
    lower |= some[0] | some[1] | some[2] | some[3];
    return LRNN_REAL_IS_FLOAT && (lower & 0xffff) == 0;
}

/* Half a step above the largest bfloat16: from here on, infinity is the nearest. */
#define TOO_LARGE ((real)0x1.ffp127)

static lrnn_status round_tensor(real *values, const network_tensor *tensor)
{
    size_t count = tensor->count, at = 0;
    int large = 0;
    if (is_exact(values, count)) {
        return LRNN_OK;
    }
    for (size_t i = 0; i < count; i++) {
        large |= values[i] >= TOO_LARGE || values[i] <= -TOO_LARGE;
    }
    if (large != 0) {
        while (values[at] < TOO_LARGE && values[at] > -TOO_LARGE) {
            at++;
        }
        return error_set(LRNN_ERR_NUMERIC, "%s: value %zu, %g, is too large for bfloat16",
                         tensor->name, at, (double)values[at]);
    }
    for (size_t i = 0; i < count; i++) {
        values[i] = bfloat16_to_float(bfloat16_from_float((float)values[i]));
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
    /* They were rounded before. */
    uint16_t *numbers = to;
    size_t i = 0;
    for (; i + 4 <= tensor->count; i += 4) {
        four_halves upper = __builtin_convertvector(bits_of_four(from + i) >> 16, four_halves);
        memcpy(numbers + i, &upper, sizeof upper);
    }
    for (; i < tensor->count; i++) {
        numbers[i] = (uint16_t)(bits_of(from[i]) >> 16);
    }
}

lrnn_status model_keep_values(lrnn_model *model)
{
    const network *net = &model->net;
    if (!network_keeps_bfloat16(&model->net)) {
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
