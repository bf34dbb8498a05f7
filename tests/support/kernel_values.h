/* Numbers for tests of kernels, in blocks exactly as long as asked for, so that the address
 * sanitizer sees every step too far. */
#ifndef SUPPORT_KERNEL_VALUES_H
#define SUPPORT_KERNEL_VALUES_H

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/real.h"
#include "kernels/kernels.h"

/* n numbers uniform in +-spread, others for every seed; free() takes them. */
static inline real *values_create(size_t n, double spread, uint64_t seed)
{
    real *values = malloc(n > 0 ? n * sizeof(real) : 1);
    if (values == NULL) {
        abort();
    }
    for (size_t i = 0; i < n; i++) {
        values[i] = (real)((2 * random_uniform(seed, 0, i) - 1) * spread);
    }
    return values;
}

static inline real *values_copy(const real *from, size_t n)
{
    real *values = malloc(n > 0 ? n * sizeof(real) : 1);
    if (values == NULL) {
        abort();
    }
    memcpy(values, from, n * sizeof(real));
    return values;
}

static inline real value_of_bfloat16(uint32_t bits)
{
    uint32_t word = bits << 16;
    float value;
    memcpy(&value, &word, sizeof value);
    return value;
}

/* Makes the values ones that bfloat16 has. */
static inline void values_to_bfloat16(real *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float value = (float)values[i];
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        values[i] = value_of_bfloat16(bits >> 16);
    }
}

/* A packed matrix of `size` values, which become ones that bfloat16 has, as pairs. */
static inline bfloat16_pair *pairs_create(const kernel_table *table, real *packed, size_t size)
{
    bfloat16_pair *pairs = malloc(size > 0 ? size / 2 * sizeof *pairs : 1);
    if (pairs == NULL) {
        abort();
    }
    values_to_bfloat16(packed, size);
    matrix_kind_find(LRNN_WEIGHT_BFLOAT16)->pack(pairs, packed, size, table->panel);
    return pairs;
}

/* Does the table fuse multiply and add? */
static inline bool values_fuse(const kernel_table *table)
{
#if (defined(__x86_64__) || defined(__i386__)) && !defined(__FMA__)
    return strncmp(table->name, "avx", 3) == 0;
#elif defined(__x86_64__) || defined(__i386__) || defined(__aarch64__)
    (void)table;
    return true;
#else
    (void)table; /* platform.mk: not on machines that have the plain kernels alone */
    return false;
#endif
}

/* for (const kernel_table *table = ...) over all tables of this machine. */
#define FOR_TABLES(table)                                                                          \
    for (size_t table_index = 0; table_index < 16; table_index++)                                  \
        for (const kernel_table *table = kernel_table_at(table_index); table != NULL; table = NULL)

/* ---- the cells of a table, with one argument for each array ---- */

static inline void lstm_forward(const kernel_table *table, size_t rows, size_t H, real *gates,
                                const real *c, real *c_next, real *tanh_c, real *h, size_t h_row)
{
    const cell_pass pass = {.rows = rows,
                            .H = H,
                            .gates = gates,
                            .c_before = c,
                            .c_after = c_next,
                            .tanh_c = tanh_c,
                            .h_after = h,
                            .h_after_row = h_row};
    table->cells[LRNN_CELL_LSTM].forward(&pass);
}

static inline void lstm_backward(const kernel_table *table, size_t rows, size_t H, real *gates,
                                 const real *c, real *tanh_c, real *dh, real *dc)
{
    const cell_pass pass = {
        .rows = rows, .H = H, .gates = gates, .c_before = c, .tanh_c = tanh_c, .dh = dh, .dc = dc};
    table->cells[LRNN_CELL_LSTM].backward(&pass);
}

static inline void gru_forward(const kernel_table *table, size_t rows, size_t H, real *x, real *s,
                               const real *before, size_t before_row, real *h, size_t h_row)
{
    const cell_pass pass = {.rows = rows,
                            .H = H,
                            .gates = x,
                            .hidden = s,
                            .h_before = before,
                            .h_before_row = before_row,
                            .h_after = h,
                            .h_after_row = h_row};
    table->cells[LRNN_CELL_GRU].forward(&pass);
}

static inline void gru_backward(const kernel_table *table, size_t rows, size_t H, real *x, real *s,
                                const real *before, size_t before_row, real *dh)
{
    const cell_pass pass = {.rows = rows,
                            .H = H,
                            .gates = x,
                            .hidden = s,
                            .h_before = before,
                            .h_before_row = before_row,
                            .dh = dh};
    table->cells[LRNN_CELL_GRU].backward(&pass);
}

#endif
