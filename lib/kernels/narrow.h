/* Matrices of a few columns and very many rows, which panels would blow up: a column of a million
 * values takes a panel of 64 million. Narrow ones keep their columns side by side, and a piece of
 * them at a time becomes a panel when it is multiplied with; the sums are the same, bit for bit. */
#ifndef KERNELS_NARROW_H
#define KERNELS_NARROW_H

#include "matrix.h"

/* Whether panels would take at least twice the memory of `columns` columns, `width` of them with
 * their padding. */
bool narrow_pays(size_t columns, size_t width);

/* Fills a narrow matrix of K rows from weights, of which a column is a row of the given stride. */
void narrow_pack(packed_matrix to, const real *weights, size_t row, size_t K);

/* See kernel_multiply. c may be `from`. */
void narrow_multiply(size_t M, size_t N, size_t K, const real *a, size_t a_row, packed_matrix b,
                     const real *from, size_t from_row, real *c, size_t c_row);

/* The values of `gates` times `units` columns, in their places of a row of `width`; zeros in
 * between. See kernel_gate_column; gates 1: one after the other. */
void narrow_spread(real *row, size_t width, const real *values, size_t gates, size_t units);

#endif
