/* What a dtype means, and tensors as reals. */
#include <stdbool.h>
#include <string.h>

#include "base/check.h"
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

tensor_dtype tensor_dtype_named(const char *name)
{
    size_t i = 0;
    while (strcmp(dtypes[i].name, name) != 0) {
        i++;
    }
    return (tensor_dtype)i;
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
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = (uint32_t)little_endian(from + 4 * i, 4);
        float value;
        memcpy(&value, &bits, sizeof value);
        to[i] = value;
    }
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
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        uint16_t bits;
        memcpy(&bits, from + 2 * i, sizeof bits);
#else
        uint16_t bits = (uint16_t)little_endian(from + 2 * i, 2);
#endif
        to[i] = bfloat16_to_float(bits);
    }
}

static lrnn_status check_range(const tensor_view *view, size_t first, size_t count)
{
    if (first > view->count || count > view->count - first) {
        return error_set(LRNN_ERR_INVALID,
                         "tensor \"%s\": elements %zu and the %zu after it were asked for, "
                         "it has %zu",
                         view->name, first, count, view->count);
    }
    return LRNN_OK;
}

lrnn_status tensor_bytes(void *to, const tensor_view *view, size_t first, size_t count)
{
    size_t size = tensor_dtype_size(view->dtype);
    CHECK(check_range(view, first, count));
    if (count == 0) {
        return LRNN_OK;
    }
    if (view->data == NULL) {
        return input_file_read(view->file, to, count * size, view->offset + first * size);
    }
    memcpy(to, view->data + first * size, count * size);
    return LRNN_OK;
}

typedef void read_function(real *to, const unsigned char *from, size_t count);

static lrnn_status find_function(read_function **function, const tensor_view *view)
{
    switch (view->dtype) {
    case TENSOR_F64: *function = read_f64; return LRNN_OK;
    case TENSOR_F32: *function = read_f32; return LRNN_OK;
    case TENSOR_F16: *function = read_f16; return LRNN_OK;
    case TENSOR_BF16: *function = read_bf16; return LRNN_OK;
    default:
        return error_set(LRNN_ERR_FORMAT,
                         "tensor \"%s\": expected floating-point numbers, found %s", view->name,
                         tensor_dtype_name(view->dtype));
    }
}

/* As they are in memory already. */
static bool is_native(tensor_dtype dtype)
{
    return dtype == TENSOR_REAL && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
}

#define PIECE 1024 /* elements that are converted at a time */

lrnn_status tensor_read(real *to, const tensor_view *view, size_t first, size_t count)
{
    read_function *function = NULL;
    unsigned char bytes[PIECE * sizeof(double)];
    CHECK(check_range(view, first, count));
    CHECK(find_function(&function, view));
    if (is_native(view->dtype)) {
        return tensor_bytes(to, view, first, count);
    }
    for (size_t done = 0; done < count; done += PIECE) {
        size_t piece = count - done < PIECE ? count - done : PIECE;
        CHECK(tensor_bytes(bytes, view, first + done, piece));
        function(to + done, bytes, piece);
    }
    return LRNN_OK;
}

bool tensor_is_same(const tensor_view *a, const tensor_view *b)
{
    return a->data == b->data && a->file == b->file && a->offset == b->offset &&
           a->count == b->count;
}
