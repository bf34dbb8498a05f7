#include "kernels.h"

size_t kernel_packed_size(const kernel_table *table, size_t K, size_t N)
{
    return K * ((N + table->panel - 1) / table->panel * table->panel);
}

void kernel_pack(const kernel_table *table, real *packed, const real *b, size_t b_row,
                 size_t b_column, size_t K, size_t N)
{
    size_t panel = table->panel;
    for (size_t first = 0; first < N; first += panel) {
        size_t columns = N - first < panel ? N - first : panel;
        for (size_t p = 0; p < K; p++) {
            const real *from = b + p * b_row + first * b_column;
            for (size_t n = 0; n < columns; n++) {
                packed[n] = from[n * b_column];
            }
            for (size_t n = columns; n < panel; n++) {
                packed[n] = 0;
            }
            packed += panel;
        }
    }
}
