/* A scale is a number by which the whole row is multiplied. What is read is packed again from the
 * numbers, which gives the same bytes and scales where they are the library's own. */
#include "file_bytes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "pack_bytes.h"

#define SUFFIX ".scale"

enum { NAME_ROOM = NETWORK_NAME_ROOM + sizeof SUFFIX };

static void scale_name(char name[NAME_ROOM], const char *matrix)
{
    snprintf(name, NAME_ROOM, "%s" SUFFIX, matrix);
}

/* ---- writing ---- */

lrnn_status bytes_describe(safetensors_writer *writer, const lrnn_model *model,
                           const network_tensor *matrix)
{
    char name[NAME_ROOM];
    size_t rows = matrix->shape[0], columns = matrix->shape[1];
    int8_t *bytes = safetensors_writer_room(writer, rows, columns);
    real *scales = safetensors_writer_room(writer, rows, sizeof *scales);
    if (bytes == NULL || scales == NULL) {
        return LRNN_ERR_MEMORY;
    }
    for (size_t row = 0; row < rows; row++) {
        scales[row] = model_read_bytes(bytes + row * columns, model, matrix, row, 0, columns);
    }
    scale_name(name, matrix->name);
    CHECK(safetensors_writer_tensor(writer, matrix->name, TENSOR_I8, 2, matrix->shape, bytes));
    return safetensors_writer_tensor(writer, name, TENSOR_REAL, 1, matrix->shape, scales);
}

/* ---- reading ---- */

bool bytes_owns(const network *net, const safetensors *file, const char *name)
{
    for (size_t i = 0; i < net->tensor_count; i++) {
        char scale[NAME_ROOM];
        scale_name(scale, net->tensors[i].name);
        if (strcmp(scale, name) == 0) {
            const tensor_view *matrix = safetensors_find(file, net->tensors[i].name);
            return matrix != NULL && matrix->dtype == TENSOR_I8;
        }
    }
    return false;
}

static lrnn_status check_scales(const network_tensor *expected, const safetensors *file)
{
    char name[NAME_ROOM];
    scale_name(name, expected->name);
    const tensor_view *found = safetensors_find(file, name);
    if (found == NULL) {
        return error_set(LRNN_ERR_FORMAT, "%s: tensor %s is missing", safetensors_name(file), name);
    }
    if (found->rank != 1 || found->shape[0] != expected->shape[0]) {
        return error_set(LRNN_ERR_FORMAT,
                         "%s: tensor %s: expected rank 1, shape [%zu], found rank %zu, shape [%zu]",
                         safetensors_name(file), name, expected->shape[0], found->rank,
                         found->rank > 0 ? found->shape[0] : 0);
    }
    if (found->dtype != TENSOR_F32 && found->dtype != TENSOR_F64) {
        return error_set(LRNN_ERR_FORMAT, "%s: tensor %s: expected F32, found %s",
                         safetensors_name(file), name, tensor_dtype_name(found->dtype));
    }
    return LRNN_OK;
}

lrnn_status bytes_check(const network *net, const network_tensor *expected,
                        const tensor_view *found, const safetensors *file)
{
    if (found->dtype != TENSOR_I8) {
        return LRNN_OK;
    }
    if (expected->rank != 2 || !matrix_kind_find(net->options.weight_type)->scaled) {
        return error_set(LRNN_ERR_FORMAT,
                         "%s: tensor %s: expected floating-point numbers, found I8",
                         safetensors_name(file), expected->name);
    }
    return check_scales(expected, file);
}

/* Scales `first`.. of `count` rows. */
static lrnn_status read_scales(real *to, const char *name, const tensor_view *scales, size_t first,
                               size_t count)
{
    CHECK(tensor_read(to, scales, first, count));
    for (size_t i = 0; i < count; i++) {
        if (!(to[i] > 0) || !isfinite(to[i])) {
            return error_set(LRNN_ERR_NUMERIC,
                             "%s: value %zu, %g, is not a finite number above zero", name,
                             first + i, (double)to[i]);
        }
    }
    return LRNN_OK;
}

/* The bytes are read whole, so that their digest is checked, into the end of where their reals will
 * be, and widened from the first one on: none is overwritten before it is read. */
static lrnn_status read_bytes(real *to, const tensor_view *found)
{
    unsigned char *end = (unsigned char *)(to + found->count) - found->count;
    CHECK(tensor_bytes(end, found, 0, found->count));
    for (size_t i = 0; i < found->count; i++) {
        real value = end[i] < 128 ? (real)end[i] : (real)end[i] - 256;
        memcpy(to + i, &value, sizeof value);
    }
    return LRNN_OK;
}

lrnn_status bytes_read(real *to, const network_tensor *matrix, const tensor_view *found,
                       const safetensors *file)
{
    char name[NAME_ROOM];
    real scales[256];
    size_t most = sizeof scales / sizeof *scales, columns = matrix->shape[1];
    scale_name(name, matrix->name);
    const tensor_view *beside = safetensors_find(file, name);
    CHECK(tensor_check(beside));
    CHECK(read_bytes(to, found));
    for (size_t row = 0, rows; row < matrix->shape[0]; row += rows) {
        rows = matrix->shape[0] - row < most ? matrix->shape[0] - row : most;
        CHECK(read_scales(scales, name, beside, row, rows));
        for (size_t i = 0; i < rows * columns; i++) {
            to[row * columns + i] *= scales[i / columns];
        }
    }
    return LRNN_OK;
}
