/* The product with a packed matrix.
 *
 * C is computed in tiles of up to TILE_ROWS rows and one panel: a tile starts from C, stays in
 * registers while it takes in one product per p, and goes back to C. Whatever the shape of the
 * tile, an output is a chain of fused multiply-adds in the order of p; where the chain is cut,
 * its value rests in C as it is. So no choice made below can be seen in the result. */
#ifndef KERNELS_FAST_MULTIPLY_H
#define KERNELS_FAST_MULTIPLY_H

#include "vector.h"

/* Tiles that fill, but do not overflow, the registers: accumulators, a row of the panel, and one
 * value of A. For one row, that many panels at once keep both multipliers busy. */
#if VECTOR_LENGTH == 16 || defined(__aarch64__)
#define PANEL_VECTORS 4
#define ROW_PANELS    2
#else
#define PANEL_VECTORS 2
#define ROW_PANELS    4
#endif
#define TILE_ROWS 6
#define PANEL     (PANEL_VECTORS * VECTOR_LENGTH)

/* Rows of a panel that are used for many tiles while they are in the first-level cache, and rows of
 * A that stay in the second-level one meanwhile. */
#define SLICE 128
#define CHUNK (80 * TILE_ROWS)
/* The same where A is copied first because it is read across its rows. */
#define COPIED_CHUNK (8 * TILE_ROWS)

/* `panels` panels lie K rows of PANEL values apart. Of the last vector only `lanes` values are in
 * C. */
ALWAYS_INLINE void tile(size_t rows, size_t panels, size_t vectors, size_t K, const real *a,
                        size_t a_row, size_t a_column, const real *b, size_t b_panel, real *c,
                        size_t c_row, size_t lanes)
{
    vector sum[TILE_ROWS][ROW_PANELS * PANEL_VECTORS];
    UNROLL for (size_t r = 0; r < rows; r++)
    {
        UNROLL for (size_t v = 0; v < panels * vectors; v++)
        {
            const real *from = c + r * c_row + v * VECTOR_LENGTH;
            sum[r][v] = v + 1 < panels * vectors ? load(from) : load_lanes(from, lanes);
        }
    }
    for (size_t p = 0; p < K; p++) {
        vector row[ROW_PANELS * PANEL_VECTORS];
        UNROLL for (size_t v = 0; v < panels * vectors; v++)
        {
            row[v] = load(b + v / vectors * b_panel + v % vectors * VECTOR_LENGTH);
        }
        UNROLL for (size_t r = 0; r < rows; r++)
        {
            vector value = splat(a[r * a_row]);
            UNROLL for (size_t v = 0; v < panels * vectors; v++)
            {
                sum[r][v] = value * row[v] + sum[r][v];
            }
        }
        a += a_column;
        b += PANEL;
    }
    UNROLL for (size_t r = 0; r < rows; r++)
    {
        UNROLL for (size_t v = 0; v < panels * vectors; v++)
        {
            real *to = c + r * c_row + v * VECTOR_LENGTH;
            if (v + 1 < panels * vectors) {
                store(to, sum[r][v]);
            } else {
                store_lanes(to, sum[r][v], lanes);
            }
        }
    }
}

typedef void tile_function(size_t K, const real *a, size_t a_row, size_t a_column, const real *b,
                           real *c, size_t c_row, size_t lanes);

#define TILE(rows, vectors)                                                                        \
    static void tile_##rows##x##vectors(size_t K, const real *a, size_t a_row, size_t a_column,    \
                                        const real *b, real *c, size_t c_row, size_t lanes)        \
    {                                                                                              \
        tile(rows, 1, vectors, K, a, a_row, a_column, b, 0, c, c_row, lanes);                      \
    }
#define TILES(vectors)                                                                             \
    TILE(1, vectors)                                                                               \
    TILE(2, vectors) TILE(3, vectors) TILE(4, vectors) TILE(5, vectors) TILE(6, vectors)
#define TILE_NAMES(v)                                                                              \
    {                                                                                              \
        tile_1x##v, tile_2x##v, tile_3x##v, tile_4x##v, tile_5x##v, tile_6x##v                     \
    }

TILES(1)
TILES(2)
#if PANEL_VECTORS == 4
TILES(3)
TILES(4)
#endif

/* [vectors - 1][rows - 1] */
static tile_function *const tiles[PANEL_VECTORS][TILE_ROWS] = {
    TILE_NAMES(1),
    TILE_NAMES(2),
#if PANEL_VECTORS == 4
    TILE_NAMES(3),
    TILE_NAMES(4),
#endif
};

/* A, or a copy of a part of it in which the rows of a tile lie side by side. */
typedef struct left {
    const real *a;
    size_t row, column;
    bool copied;
} left;

/* One chunk of rows times one slice of all panels. */
static void multiply_chunk(size_t M, size_t N, size_t K, left from, const real *packed,
                           size_t panel_size, real *c, size_t c_row)
{
    size_t blocks = (M + TILE_ROWS - 1) / TILE_ROWS;
    for (size_t n = 0; n < N; n += PANEL, packed += panel_size) {
        size_t columns = N - n < PANEL ? N - n : PANEL;
        size_t vectors = (columns + VECTOR_LENGTH - 1) / VECTOR_LENGTH;
        size_t lanes = columns - (vectors - 1) * VECTOR_LENGTH;
        size_t m = 0;
        for (size_t block = 0; block < blocks; block++) {
            size_t rows = (M - m + blocks - block - 1) / (blocks - block);
            const real *a = from.copied ? from.a + m * K : from.a + m * from.row;
            tiles[vectors - 1][rows - 1](K, a, from.copied ? 1 : from.row,
                                         from.copied ? rows : from.column, packed,
                                         c + m * c_row + n, c_row, lanes);
            m += rows;
        }
    }
}

/* Copies M rows and K columns, tile by tile as multiply_chunk cuts them. */
static void copy_chunk(real *to, size_t M, size_t K, const real *a, size_t a_row, size_t a_column)
{
    size_t blocks = (M + TILE_ROWS - 1) / TILE_ROWS;
    for (size_t block = 0, m = 0; block < blocks; block++) {
        size_t rows = (M - m + blocks - block - 1) / (blocks - block);
        for (size_t p = 0; p < K; p++) {
            for (size_t r = 0; r < rows; r++) {
                to[p * rows + r] = a[(m + r) * a_row + p * a_column];
            }
        }
        to += rows * K;
        m += rows;
    }
}

static void multiply_row(size_t N, size_t K, const real *a, size_t a_column, const real *packed,
                         real *c)
{
    size_t n = 0;
    for (; n + ROW_PANELS * PANEL <= N; n += ROW_PANELS * PANEL) {
        tile(1, ROW_PANELS, PANEL_VECTORS, K, a, 0, a_column, packed + n * K, K * PANEL, c + n, 0,
             VECTOR_LENGTH);
    }
    if (n < N) {
        left from = {a, 0, a_column, false};
        multiply_chunk(1, N - n, K, from, packed + n * K, K * PANEL, c + n, 0);
    }
}

static void multiply_packed(size_t M, size_t N, size_t K, const real *a, size_t a_row,
                            size_t a_column, const real *packed, real *c, size_t c_row)
{
    if (M == 1) {
        multiply_row(N, K, a, a_column, packed, c);
        return;
    }
    /* A panel that is used once or twice need not stay in the cache. */
    size_t slices = M <= 2 * TILE_ROWS ? 1 : (K + SLICE - 1) / SLICE;
    bool copied = slices > 1 && a_column != 1;
    size_t chunk = copied ? COPIED_CHUNK : CHUNK;
    real copy[COPIED_CHUNK * SLICE];
    size_t p = 0;
    for (size_t slice = 0; slice < slices; slice++) {
        size_t depth = (K - p) / (slices - slice);
        for (size_t m = 0; m < M; m += chunk) {
            size_t rows = M - m < chunk ? M - m : chunk;
            left from = {a + m * a_row + p * a_column, a_row, a_column, copied};
            if (copied) {
                copy_chunk(copy, rows, depth, from.a, a_row, a_column);
                from.a = copy;
            }
            multiply_chunk(rows, N, depth, from, packed + p * PANEL, K * PANEL, c + m * c_row,
                           c_row);
        }
        p += depth;
    }
}

#endif
