/* Matrices of bfloat16. A number is widened to a float in a register, which is exact, and goes the
 * way of any other then: a chain of multiply-adds in the order of p. So the bits are those that the
 * same numbers would give as floats. */
#ifndef KERNELS_FAST_PAIRS_H
#define KERNELS_FAST_PAIRS_H

#include "fast_multiply.h"

/* Rows of a panel that reaches past the end of the matrix: what they start from and become goes
 * through a whole one. */
static void multiply_part(const tile_shape *shape, size_t rows, size_t columns, const real *a,
                          const bfloat16_pair *b, const real *from, real *c)
{
    real whole[TILE_ROWS * PANEL] = {0};
    tile_shape own = *shape;
    own.c_row = own.from_row = PANEL;
    for (size_t row = 0; from != NULL && row < rows; row++) {
        memcpy(whole + row * PANEL, from + row * shape->from_row, columns * sizeof(real));
    }
    pair_tiles[rows - 1](&own, a, b, whole, whole, whole, (uintptr_t)a);
    for (size_t row = 0; row < rows; row++) {
        memcpy(c + row * shape->c_row, whole + row * PANEL, columns * sizeof(real));
    }
}

/* A panel and all rows. What comes after the panel is prefetched meanwhile. */
static void multiply_panel(tile_shape *shape, size_t M, size_t columns, const real *a,
                           const bfloat16_pair *b, const real *from, real *c)
{
    size_t count = tile_count(M);
    uintptr_t next = (uintptr_t)(b + shape->b_panel / 2);
    for (size_t i = 0, m = 0, rows; i < count; i++, m += rows) {
        const real *start = from == NULL ? NULL : from + m * shape->from_row;
        real *to = c + m * shape->c_row;
        rows = tile_height(M - m, count - i);
        shape->ahead_step = i < 2 ? PANEL * sizeof(uint16_t) / (count < 2 ? 1 : 2) : 0;
        if (columns < PANEL) {
            multiply_part(shape, rows, columns, a + m * shape->a_row, b, start, to);
        } else {
            pair_tiles[rows - 1](shape, a + m * shape->a_row, b, start, to,
                                 to + rows * shape->c_row, next + i * shape->K * shape->ahead_step);
        }
    }
}

static void fast_multiply_bfloat16(size_t M, size_t N, size_t K, const real *a, size_t a_row,
                                   packed_matrix b, const real *from, size_t from_row, real *c,
                                   size_t c_row)
{
    const bfloat16_pair *packed = b.data;
    tile_shape shape = {.K = K,
                        .a_row = a_row,
                        .a_column = 1,
                        .b_panel = K * PANEL,
                        .c_row = c_row,
                        .from_row = from_row,
                        .lanes = VECTOR_LENGTH};
    size_t n = 0;
    for (; M == 1 && n + WIDE_PANELS * PANEL <= N; n += WIDE_PANELS * PANEL) {
        wide_pairs(&shape, a, packed + n / 2 * K, from == NULL ? NULL : from + n, c + n, c + n,
                   (uintptr_t)a);
    }
    for (; n < N; n += PANEL) {
        multiply_panel(&shape, M, N - n < PANEL ? N - n : PANEL, a, packed + n / 2 * K,
                       from == NULL ? NULL : from + n, c + n);
    }
}

static void fast_multiply_float32(size_t M, size_t N, size_t K, const real *a, size_t a_row,
                                  packed_matrix b, const real *from, size_t from_row, real *c,
                                  size_t c_row)
{
    fast_multiply_packed_from(M, N, K, a, a_row, 1, b.data, from, from_row, c, c_row);
}

/* Products with each kind of matrix. */
#define FAST_PRODUCTS                                                                              \
    {                                                                                              \
        [LRNN_WEIGHT_FLOAT32] = fast_multiply_float32, [LRNN_WEIGHT_BFLOAT16] =                    \
                                                           fast_multiply_bfloat16                  \
    }

#endif
