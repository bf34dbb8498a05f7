/* Packing a float matrix for multiplication: panels of as many columns as a table's kernels take at
 * a time, each panel contiguous, its last columns padded with zeros. */
#include <string.h>

#include "kernels.h"

size_t kernel_packed_size(const kernel_table *table, size_t K, size_t N)
{
    return K * ((N + table->panel - 1) / table->panel * table->panel);
}

/* Rows of a panel that are written together, so that they stay in the first-level cache. */
#define PACK_ROWS 32

typedef real four __attribute__((vector_size(4 * sizeof(real))));

/* to[i][j] = from[j][i] for a block of four by four. */
static void transpose_four(real *to, size_t to_row, const real *from, size_t from_row)
{
    four a, b, c, d;
    memcpy(&a, from, sizeof a);
    memcpy(&b, from + from_row, sizeof b);
    memcpy(&c, from + 2 * from_row, sizeof c);
    memcpy(&d, from + 3 * from_row, sizeof d);
    four ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    four ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    four cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    four cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    a = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
    b = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
    c = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
    d = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
    memcpy(to, &a, sizeof a);
    memcpy(to + to_row, &b, sizeof b);
    memcpy(to + 2 * to_row, &c, sizeof c);
    memcpy(to + 3 * to_row, &d, sizeof d);
}

/* `rows` rows and `columns` columns into a panel, B's columns contiguous. */
static void pack_columns(real *packed, size_t panel, const real *b, size_t b_column, size_t rows,
                         size_t columns)
{
    size_t n = 0;
    for (; n + 4 <= columns; n += 4) {
        size_t p = 0;
        for (; p + 4 <= rows; p += 4) {
            transpose_four(packed + p * panel + n, panel, b + n * b_column + p, b_column);
        }
        for (; p < rows; p++) {
            for (size_t i = n; i < n + 4; i++) {
                packed[p * panel + i] = b[i * b_column + p];
            }
        }
    }
    for (; n < columns; n++) {
        for (size_t p = 0; p < rows; p++) {
            packed[p * panel + n] = b[n * b_column + p];
        }
    }
}

static void pack_any(real *packed, size_t panel, const real *b, size_t b_row, size_t b_column,
                     size_t rows, size_t columns)
{
    for (size_t p = 0; p < rows; p++) {
        for (size_t n = 0; n < columns; n++) {
            packed[p * panel + n] = b[p * b_row + n * b_column];
        }
    }
}

void kernel_pack(const kernel_table *table, real *packed, const real *b, size_t b_row,
                 size_t b_column, size_t K, size_t N)
{
    size_t panel = table->panel;
    for (size_t p = 0; p < K; p += PACK_ROWS) {
        size_t rows = K - p < PACK_ROWS ? K - p : PACK_ROWS;
        for (size_t n = 0; n < N; n += panel) {
            size_t columns = N - n < panel ? N - n : panel;
            real *to = packed + n * K + p * panel;
            const real *from = b + p * b_row + n * b_column;
            for (size_t i = 0; columns < panel && i < rows; i++) {
                memset(to + i * panel + columns, 0, (panel - columns) * sizeof(real));
            }
            if (b_column == 1) {
                for (size_t i = 0; i < rows; i++) {
                    memcpy(to + i * panel, from + i * b_row, columns * sizeof(real));
                }
            } else if (b_row == 1) {
                pack_columns(to, panel, from, b_column, rows, columns);
            } else {
                pack_any(to, panel, from, b_row, b_column, rows, columns);
            }
        }
    }
}

size_t kernel_gates_width(const kernel_table *table, size_t G, size_t H)
{
    size_t columns = (H + table->lanes - 1) / table->lanes * table->lanes * G;
    return (columns + table->panel - 1) / table->panel * table->panel;
}

void kernel_pack_gates(const kernel_table *table, real *packed, const real *weights, size_t row,
                       size_t K, size_t G, size_t H)
{
    size_t panel = table->panel, lanes = table->lanes;
    memset(packed, 0, K * kernel_gates_width(table, G, H) * sizeof(real));
    for (size_t p = 0; p < K; p += PACK_ROWS) {
        size_t rows = K - p < PACK_ROWS ? K - p : PACK_ROWS;
        for (size_t u = 0; u < H; u += lanes) {
            size_t units = H - u < lanes ? H - u : lanes;
            for (size_t g = 0; g < G; g++) {
                size_t column = kernel_gate_column(table, G, g, u);
                pack_columns(packed + (column / panel * K + p) * panel + column % panel, panel,
                             weights + (g * H + u) * row + p, row, rows, units);
            }
        }
    }
}
