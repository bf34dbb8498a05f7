/* Matrices of bytes: how rows of weights become them, where they lie, and the plain loops that the
 * fast ones are tested against. */
#include "bytes.h"

#include <math.h>
#include <string.h>

#include "kernels.h"

/* ---- weights ---- */

/* The largest magnitude below which a row counts as zeros: no scale is denormal, and no product of
 * two scales that matters. */
#define LEAST 0x1p-100f

/* 17 bits of the 24 of a float. */
static real cut(real scale)
{
    float value = (float)scale;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits &= ~(uint32_t)0x7f;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* NaN is not larger. */
static real largest(const real *x, size_t count)
{
    real top = 0;
    for (size_t i = 0; i < count; i++) {
        real size = x[i] < 0 ? -x[i] : x[i];
        top = size > top ? size : top;
    }
    return top;
}

/* Adding 1.5 * 2^52 leaves the nearest whole number, of two the even one. */
static int nearest(double x)
{
    volatile double shifted = x + 0x1.8p52;
    return (int)(shifted - 0x1.8p52);
}

real bytes_from_reals(int8_t *to, const real *from, size_t count)
{
    real top = largest(from, count);
    if (top < (real)LEAST) {
        memset(to, 0, count);
        return 1;
    }
    real scale = cut(top / 127);
    for (size_t i = 0; i < count; i++) {
        to[i] = (int8_t)nearest((double)from[i] / (double)scale);
    }
    return scale;
}

void bytes_round(real *x, size_t count)
{
    real top = largest(x, count), scale = top < (real)LEAST ? 1 : cut(top / 127);
    for (size_t i = 0; i < count; i++) {
        x[i] = (real)nearest((double)x[i] / (double)scale) * scale;
    }
}

/* ---- packing ---- */

/* Columns of the panel that a column is in. */
static size_t panel_columns(const byte_columns *of, size_t column)
{
    size_t left = of->width - column / of->panel * of->panel;
    return left < of->panel ? left : of->panel;
}

/* Row k of a column. */
static unsigned char *place_of(packed_matrix matrix, size_t K, size_t column, size_t k)
{
    const byte_columns *of = matrix.bytes;
    unsigned char *data = matrix.data;
    if (matrix.narrow_units > 0) {
        return data + column * K + k;
    }
    size_t slice = k / BYTES_SLICE * BYTES_SLICE, first = column / of->panel * of->panel;
    size_t columns = panel_columns(of, column);
    k -= slice;
    return data + slice * of->width + first * bytes_slice_depth(K, slice) +
           (k / BYTES_GROUP * columns + column - first) * BYTES_GROUP + k % BYTES_GROUP;
}

void bytes_clear(packed_matrix matrix, size_t K)
{
    const byte_columns *of = matrix.bytes;
    bool narrow = matrix.narrow_units > 0;
    memset(matrix.data, of->offset, of->width * (narrow ? K : bytes_depth(K)));
    for (size_t i = 0; i < of->width; i++) {
        of->scales[i] = 1;
    }
}

/* The place of the next row of the same column. Row k is the next one. */
static unsigned char *next_of(unsigned char *place, packed_matrix matrix, size_t K, size_t column,
                              size_t k, size_t columns)
{
    if (matrix.narrow_units > 0 || k % BYTES_GROUP != 0) {
        return place + 1;
    }
    return k % BYTES_SLICE != 0 ? place + (columns - 1) * BYTES_GROUP + 1
           : k < K              ? place_of(matrix, K, column, k)
                                : place;
}

void bytes_set(packed_matrix to, size_t K, size_t column, size_t first, size_t count,
               const int8_t *values)
{
    column += to.first;
    size_t columns = panel_columns(to.bytes, column);
    unsigned char *place = place_of(to, K, column, first);
    for (size_t i = 0; i < count; i++) {
        *place = (unsigned char)((unsigned char)values[i] ^ to.bytes->offset);
        place = next_of(place, to, K, column, first + i + 1, columns);
    }
}

void bytes_get(int8_t *values, packed_matrix from, size_t K, size_t column, size_t first,
               size_t count)
{
    column += from.first;
    size_t columns = panel_columns(from.bytes, column);
    const unsigned char *place = place_of(from, K, column, first);
    for (size_t i = 0; i < count; i++) {
        unsigned char byte = (unsigned char)(*place ^ from.bytes->offset);
        memcpy(values + i, &byte, 1);
        place = next_of((unsigned char *)(uintptr_t)place, from, K, column, first + i + 1, columns);
    }
}

/* ---- plain loops ---- */

byte_note bytes_quantize_plain(int8_t *to, const real *from, size_t count)
{
    byte_note note = {largest(from, count), 0};
    bool finite = true;
    for (size_t i = 0; i < count; i++) {
        finite = finite && isfinite(from[i]);
    }
    memset(to, 0, (count + 15) / 16 * 16);
    if (!finite || note.scale < (real)LEAST) {
        note.scale = finite ? 0 : (real)NAN;
        return note;
    }
    real inverse = 127 / note.scale;
    note.scale /= 127;
    for (size_t i = 0; i < count; i++) {
        to[i] = (int8_t)nearest((double)(real)(from[i] * inverse));
        note.sum += to[i];
    }
    return note;
}

void bytes_multiply_plain(size_t M, size_t N, size_t K, const real *a, size_t a_row,
                          packed_matrix b, const real *from, size_t from_row, real *c, size_t c_row)
{
    int8_t row[BYTES_SLICE], column[BYTES_SLICE];
    size_t k = 0;
    do { /* once for K = 0, too */
        size_t depth = K - k < BYTES_SLICE ? K - k : BYTES_SLICE;
        for (size_t m = 0; m < M; m++) {
            byte_note note = bytes_quantize_plain(row, a + m * a_row + k, depth);
            for (size_t n = 0; n < N; n++) {
                int32_t sum = 0;
                bytes_get(column, b, K, n, k, depth);
                for (size_t i = 0; i < depth; i++) {
                    sum += row[i] * column[i];
                }
                c[m * c_row + n] = bytes_add(from == NULL ? 0 : from[m * from_row + n], sum,
                                             note.scale, b.bytes->scales[b.first + n]);
            }
        }
        from = c;
        from_row = c_row;
        k += BYTES_SLICE;
    } while (k < K);
}

static int32_t dot(const int8_t *a, const int8_t *b, size_t count)
{
    int32_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

void bytes_multiply_narrow(size_t M, size_t N, size_t K, const real *a, size_t a_row,
                           packed_matrix b, const real *from, size_t from_row, real *c,
                           size_t c_row)
{
    int8_t row[BYTES_SLICE];
    size_t columns = matrix_narrow_columns(b);
    for (size_t m = 0; m < M; m++) {
        real *out = c + m * c_row;
        if (from == NULL) {
            memset(out, 0, N * sizeof(real));
        } else {
            memmove(out, from + m * from_row, N * sizeof(real));
        }
        for (size_t k = 0; k < K; k += BYTES_SLICE) {
            size_t depth = K - k < BYTES_SLICE ? K - k : BYTES_SLICE;
            byte_note note = kernels()->bytes->quantize(row, a + m * a_row + k, depth);
            for (size_t i = 0; i < columns; i++) {
                real *at = out + kernel_gate_column(kernels(), b.narrow_gates, i / b.narrow_units,
                                                    i % b.narrow_units);
                const unsigned char *bytes = place_of(b, K, i, k);
                *at = bytes_add(*at, dot(row, (const int8_t *)bytes, depth), note.scale,
                                b.bytes->scales[i]);
            }
        }
    }
}

void bytes_add_row(real *to, const real *from, const int8_t *values, const real *scales,
                   size_t count)
{
    for (size_t i = 0; i < count; i++) {
        to[i] = from[i] + (real)values[i] * scales[i];
    }
}

/* ---- a step ---- */

size_t bytes_scratch(size_t inputs, size_t R)
{
    return BYTES_STEP_ROWS * (bytes_row(inputs) + bytes_row(R) +
                              (bytes_slices(inputs) + bytes_slices(R)) * sizeof(byte_note));
}
