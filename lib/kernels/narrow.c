/* Every number of a kind is a float32 too, so a piece is read as reals and takes its part in a
 * product as those. A sum that is put away and taken up again between two pieces is the same sum:
 * it is a real either way. */
#include "narrow.h"

#include <string.h>

#include "kernels.h"

enum {
    PIECE = 4096,    /* reals of a piece, with its padding */
    MOST_WIDTH = 512 /* of a narrow matrix in panels: a piece has some rows at least */
};

bool narrow_pays(size_t columns, size_t width)
{
    return width <= MOST_WIDTH && width / 2 >= columns;
}

void narrow_pack(packed_matrix to, const real *weights, size_t row, size_t K)
{
    real values[MOST_WIDTH];
    const matrix_kind *kind = matrix_kind_find(to.kind);
    size_t columns = matrix_narrow_columns(to);
    unsigned char *place = to.data;
    for (size_t p = 0; p < K; p++, place += columns * kind->bytes) {
        for (size_t i = 0; i < columns; i++) {
            values[i] = weights[i * row + p];
        }
        kind->keep(place, values, columns);
    }
}

void narrow_spread(real *row, size_t width, const real *values, size_t gates, size_t units)
{
    const kernel_table *table = kernels();
    memset(row, 0, width * sizeof(real));
    for (size_t g = 0; g < gates; g++) {
        for (size_t u = 0; u < units; u++) {
            row[kernel_gate_column(table, gates, g, u)] = values[g * units + u];
        }
    }
}

/* `rows` rows from p on, as panels of `width` columns in all. */
static void expand(real *panels, size_t width, packed_matrix b, size_t p, size_t rows)
{
    real values[MOST_WIDTH], spread[MOST_WIDTH];
    const matrix_kind *kind = matrix_kind_find(b.kind);
    size_t columns = matrix_narrow_columns(b), panel = kernels()->panel;
    const unsigned char *kept = b.data;
    for (size_t i = 0; i < rows; i++) {
        kind->read(values, kept + (p + i) * columns * kind->bytes, columns);
        narrow_spread(spread, width, values, b.narrow_gates, b.narrow_units);
        for (size_t n = 0; n < width; n += panel) {
            memcpy(panels + n * rows + i * panel, spread + n, panel * sizeof(real));
        }
    }
}

void narrow_multiply(size_t M, size_t N, size_t K, const real *a, size_t a_row, packed_matrix b,
                     const real *from, size_t from_row, real *c, size_t c_row)
{
    real panels[PIECE] __attribute__((aligned(64)));
    if (b.bytes != NULL) {
        bytes_multiply_narrow(M, N, K, a, a_row, b, from, from_row, c, c_row);
        return;
    }
    const packed_matrix piece = {.kind = LRNN_WEIGHT_FLOAT32, .data = panels};
    size_t width = kernel_packed_size(kernels(), 1, N), most = PIECE / width;
    for (size_t p = 0; p < K; p += most) {
        size_t rows = K - p < most ? K - p : most;
        expand(panels, width, b, p, rows);
        kernel_multiply(M, N, rows, a + p, a_row, piece, from, from_row, c, c_row);
        from = c;
        from_row = c_row;
    }
}
