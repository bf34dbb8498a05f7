/* What a dtype means, and tensors as reals. */
#include <string.h>

#include "base/error.h"
#include "half.h"
#include "safetensors.h"

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [TENSOR_F64] = {"F64", 8},   [TENSOR_F32] = {"F32", 4}, [TENSOR_F16] = {"F16", 2},
    [TENSOR_BF16] = {"BF16", 2}, [TENSOR_I64] = {"I64", 8}, [TENSOR_I32] = {"I32", 4},
    [TENSOR_I16] = {"I16", 2},   [TENSOR_I8] = {"I8", 1},   [TENSOR_U64] = {"U64", 8},
    [TENSOR_U32] = {"U32", 4},   [TENSOR_U16] = {"U16", 2}, [TENSOR_U8] = {"U8", 1},
    [TENSOR_BOOL] = {"BOOL", 1},
};

const char *tensor_dtype_name(tensor_dtype dtype)
{
    return dtypes[dtype].name;
}

size_t tensor_dtype_size(tensor_dtype dtype)
{
    return dtypes[dtype].size;
}

static uint64_t little_endian(const unsigned char *byte, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) {
        value |= (uint64_t)byte[i] << (8 * i);
    }
    return value;
}

static void read_f64(real *to, const unsigned char *from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t bits = little_endian(from + 8 * i, 8);
        double value;
        memcpy(&value, &bits, sizeof value);
        to[i] = (real)value;
    }
}

static void read_f32(real *to, const unsigned char *from, size_t count)
{
#if LRNN_REAL_IS_FLOAT && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (count > 0) {
        memcpy(to, from, count * 4);
    }
#else
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = (uint32_t)little_endian(from + 4 * i, 4);
        float value;
        memcpy(&value, &bits, sizeof value);
        to[i] = value;
    }
#endif
}

static void read_f16(real *to, const unsigned char *from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        to[i] = half_to_float((uint16_t)little_endian(from + 2 * i, 2));
    }
}

static void read_bf16(real *to, const unsigned char *from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        to[i] = bfloat16_to_float((uint16_t)little_endian(from + 2 * i, 2));
    }
}

lrnn_status tensor_read(real *to, const tensor_view *view, size_t first, size_t count)
{
    if (first > view->count || count > view->count - first) {
        return error_set(LRNN_ERR_INVALID,
                         "tensor \"%s\": elements %zu and the %zu behind it were asked for, "
                         "it has %zu",
                         view->name, first, count, view->count);
    }
    const unsigned char *from = view->data + first * tensor_dtype_size(view->dtype);
    switch (view->dtype) {
    case TENSOR_F64: read_f64(to, from, count); return LRNN_OK;
    case TENSOR_F32: read_f32(to, from, count); return LRNN_OK;
    case TENSOR_F16: read_f16(to, from, count); return LRNN_OK;
    case TENSOR_BF16: read_bf16(to, from, count); return LRNN_OK;
    default:
        return error_set(LRNN_ERR_FORMAT,
                         "tensor \"%s\": expected floating-point numbers, found %s", view->name,
                         tensor_dtype_name(view->dtype));
    }
}
