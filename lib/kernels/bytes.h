/* Matrices of bytes: w = q * s, q a whole number of -127..127 and s a scale that each output has.
 *
 * A product goes like this. The row a [K] that is multiplied becomes bytes as well, b = a / t
 * rounded to nearest even with t = max|a| / 127; q and b are multiplied and summed as integers,
 * which is exact in 32 bits; then c = from + sum * (t * s), in single precision, each operation
 * rounded. Integers may be summed in any order, so every instruction set gives the same bits, for
 * one row as for many. A row of more than BYTES_SLICE values is cut: each slice has its own t, and
 * is added to what the slices before it gave.
 *
 * Packed, four rows of B make a row of groups: the four bytes of a column stand side by side. The
 * columns are cut into panels of bytes->panel, the last of which has what is left. */
#ifndef KERNELS_BYTES_H
#define KERNELS_BYTES_H

#include "cells.h"
#include "matrix.h"

/* 2,048 * 127 * 127 fits in 32 bits 65 times. */
#define BYTES_SLICE ((size_t)2048)
#define BYTES_GROUP ((size_t)4)

typedef struct byte_columns {
    size_t width;         /* columns, with their padding; of a narrow matrix without */
    size_t panel;         /* columns of a panel */
    unsigned char offset; /* 128: bytes are kept as q + 128, see byte_kernels */
    real *scales;         /* [width] */
} byte_columns;

/* What a slice of a row was divided by, and the sum of what it became. */
typedef struct byte_note {
    real scale;
    int32_t sum;
} byte_note;

/* What a kernel table has for them. */
typedef struct byte_kernels {
    /* 128 where an instruction multiplies unsigned bytes of weights with signed ones; what that is
     * too much is 128 times the sum of the row. Else 0. */
    unsigned char offset;
    /* At most BYTES_SLICE values become bytes; `to` has room for their number rounded up to a
     * multiple of 16, where zeros follow. A value that is not finite: the scale is NaN, all bytes
     * are 0. */
    byte_note (*quantize)(int8_t *to, const real *from, size_t count);
    /* See kernel_multiply. b.first is the first column of a panel. */
    void (*multiply)(size_t M, size_t N, size_t K, const real *a, size_t a_row, packed_matrix b,
                     const real *from, size_t from_row, real *c, size_t c_row);
    void (*steps[CELL_ROOM])(const cell_step *step); /* by LRNN_CELL_* */
} byte_kernels;

/* ---- weights ---- */

/* The bytes of a row of weights; returns their scale, which has 17 bits so that q * s is a float.
 * Of numbers that all are below 2^-100 it is 1, and the bytes are 0. */
real bytes_from_reals(int8_t *to, const real *from, size_t count);

/* Every number of a row becomes q * s. What came of this once stays as it is. */
void bytes_round(real *x, size_t count);

/* ---- packing ---- */

/* Rows that are packed for K of them, padding included. */
static inline size_t bytes_depth(size_t K)
{
    return (K + BYTES_GROUP - 1) / BYTES_GROUP * BYTES_GROUP;
}

/* Makes all of it zeros. K rows. */
void bytes_clear(packed_matrix matrix, size_t K);

/* Sets or reads `count` bytes of a column from row `first` on; a narrow matrix has its columns in
 * the order of the weights. K rows. */
void bytes_set(packed_matrix to, size_t K, size_t column, size_t first, size_t count,
               const int8_t *values);
void bytes_get(int8_t *values, packed_matrix from, size_t K, size_t column, size_t first,
               size_t count);

/* Where the slice that begins at row k begins, and row `k` of a panel in it. */
static inline size_t bytes_slice_depth(size_t K, size_t k)
{
    size_t left = bytes_depth(K) - k;
    return left < BYTES_SLICE ? left : BYTES_SLICE;
}

/* ---- plain loops: the reference, and what is done seldom ---- */

/* from + sum * (a * w), each operation rounded by itself. */
static inline real bytes_add(real from, int32_t sum, real a, real w)
{
    volatile real factor = a * w, product = (real)sum * factor, total = from + product;
    return total;
}

byte_note bytes_quantize_plain(int8_t *to, const real *from, size_t count);
void bytes_multiply_plain(size_t M, size_t N, size_t K, const real *a, size_t a_row,
                          packed_matrix b, const real *from, size_t from_row, real *c,
                          size_t c_row);

/* Narrow: see narrow_multiply. */
void bytes_multiply_narrow(size_t M, size_t N, size_t K, const real *a, size_t a_row,
                           packed_matrix b, const real *from, size_t from_row, real *c,
                           size_t c_row);

/* to[i] = from[i] + values[i] * scales[i], which is one rounding: the product is exact. */
void bytes_add_row(real *to, const real *from, const int8_t *values, const real *scales,
                   size_t count);

/* ---- a step ---- */

/* Rows of a step that become bytes together. */
#define BYTES_STEP_ROWS ((size_t)24)

/* Bytes of cell_step.scratch, for layers that read `inputs` values or fewer and have h of R. */
size_t bytes_scratch(size_t inputs, size_t R);

/* Values that a row of K takes there. */
static inline size_t bytes_row(size_t K)
{
    return (K + 63) / 64 * 64;
}

static inline size_t bytes_slices(size_t K)
{
    return (K + BYTES_SLICE - 1) / BYTES_SLICE;
}

#endif
