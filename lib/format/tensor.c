/* What a dtype means, and tensors as reals. */
#include <stdbool.h>
#include <string.h>

#include "base/byte_order.h"
#include "base/check.h"
#include "base/error.h"
#include "digest.h"
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

static void read_f64(real *to, const unsigned char *from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t bits = little_endian_get(from + 8 * i, 8);
        double value;
        memcpy(&value, &bits, sizeof value);
        to[i] = (real)value;
    }
}

static void read_f32(real *to, const unsigned char *from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = (uint32_t)little_endian_get(from + 4 * i, 4);
        float value;
        memcpy(&value, &bits, sizeof value);
        to[i] = value;
    }
}

static void read_f16(real *to, const unsigned char *from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        to[i] = half_to_float((uint16_t)little_endian_get(from + 2 * i, 2));
    }
}

static void read_bf16(real *to, const unsigned char *from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint16_t bits;
        byte_order_convert(&bits, from + 2 * i, 1, sizeof bits);
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

static lrnn_status take_bytes(void *to, const tensor_view *view, size_t first, size_t count)
{
    size_t size = tensor_dtype_size(view->dtype);
    if (count == 0) {
        return LRNN_OK;
    }
    if (view->data == NULL) {
        return input_file_read(view->file, to, count * size, view->offset + first * size);
    }
    memcpy(to, view->data + first * size, count * size);
    return LRNN_OK;
}

/* ---- digests ---- */

/* Elements that go by; held against the view's digest at the end, if they are all of it. */
typedef struct passage {
    const tensor_view *view;
    bool checked;
    digest sum;
} passage;

static void passage_start(passage *over, const tensor_view *view, size_t count)
{
    over->view = view;
    over->checked = view->digested && count == view->count;
    if (over->checked) {
        digest_start(&over->sum);
    }
}

static lrnn_status passage_take(passage *over, void *to, size_t first, size_t count)
{
    CHECK(take_bytes(to, over->view, first, count));
    if (over->checked) {
        digest_add(&over->sum, to, count * tensor_dtype_size(over->view->dtype));
    }
    return LRNN_OK;
}

static lrnn_status passage_end(const passage *over)
{
    uint64_t found = over->checked ? digest_end(&over->sum) : 0;
    return !over->checked || found == over->view->digest
               ? LRNN_OK
               : error_set(LRNN_ERR_FORMAT,
                           "tensor \"%s\" is damaged: the digest of its bytes is %016llx, expected "
                           "%016llx; take another copy of the file",
                           over->view->name, (unsigned long long)found,
                           (unsigned long long)over->view->digest);
}

#define CACHED_BYTES ((size_t)1 << 16) /* read and summed together, while they are in cache */

lrnn_status tensor_bytes(void *to, const tensor_view *view, size_t first, size_t count)
{
    passage over;
    CHECK(check_range(view, first, count));
    passage_start(&over, view, count);
    size_t size = tensor_dtype_size(view->dtype);
    size_t most = over.checked ? CACHED_BYTES / size : count;
    for (size_t done = 0; done < count; done += most) {
        size_t piece = count - done < most ? count - done : most;
        CHECK(passage_take(&over, (unsigned char *)to + done * size, first + done, piece));
    }
    return passage_end(&over);
}

lrnn_status tensor_numbers(void *to, const tensor_view *view, size_t first, size_t count)
{
    CHECK(tensor_bytes(to, view, first, count));
    byte_order_convert(to, to, count, tensor_dtype_size(view->dtype));
    return LRNN_OK;
}

lrnn_status tensor_check(const tensor_view *view)
{
    passage over;
    unsigned char bytes[4096];
    size_t most = sizeof bytes / tensor_dtype_size(view->dtype);
    passage_start(&over, view, view->count);
    for (size_t done = 0; over.checked && done < view->count; done += most) {
        size_t piece = view->count - done < most ? view->count - done : most;
        CHECK(passage_take(&over, bytes, done, piece));
    }
    return passage_end(&over);
}

/* ---- as reals ---- */

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
    return dtype == TENSOR_REAL && MACHINE_IS_LITTLE_ENDIAN;
}

#define PIECE 1024 /* elements that are converted at a time */

lrnn_status tensor_read(real *to, const tensor_view *view, size_t first, size_t count)
{
    read_function *function = NULL;
    passage over;
    unsigned char bytes[PIECE * sizeof(double)];
    CHECK(check_range(view, first, count));
    CHECK(find_function(&function, view));
    if (is_native(view->dtype)) {
        return tensor_bytes(to, view, first, count);
    }
    passage_start(&over, view, count);
    for (size_t done = 0; done < count; done += PIECE) {
        size_t piece = count - done < PIECE ? count - done : PIECE;
        CHECK(passage_take(&over, bytes, first + done, piece));
        function(to + done, bytes, piece);
    }
    return passage_end(&over);
}

bool tensor_is_same(const tensor_view *a, const tensor_view *b)
{
    return a->data == b->data && a->file == b->file && a->offset == b->offset &&
           a->count == b->count;
}
