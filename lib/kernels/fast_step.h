/* One step of a layer: products and cell, block by block of units.
 *
 * A block is a few tiles of units whose columns fill whole panels. Of one row, a block's sums all
 * stay in registers while h (and x) goes by: enough of them to hide the latency of a multiply-add,
 * so that reading the weights is the limit. Several rows go through the tiles of fast_multiply.h.
 * Then the cell is applied to what is still in the first-level cache. The chain of an output is the
 * same either way. */
#ifndef KERNELS_FAST_STEP_H
#define KERNELS_FAST_STEP_H

#include "fast_multiply.h"
#include "fast_units.h"

#define CHECK_BLOCK(G)                                                                             \
    _Static_assert(BLOCK_TILES(G) * (G) <= BLOCK_VECTORS &&                                        \
                       BLOCK_TILES(G) * (G) % PANEL_VECTORS == 0 && (G) <= CELL_MOST_GATES,        \
                   "the tiles of a block fill whole panels and fit its sums")
_Static_assert(BLOCK_ROWS % TILE_ROWS == 0, "whole tiles");

/* ---- one row ---- */

/* The part of a matrix that a block multiplies with. The width of a number is asked once by who
 * needs it: a call for each block costs a small GRU one twentieth of its step. */
ALWAYS_INLINE packed_matrix block_columns(packed_matrix matrix, size_t K, const block *of,
                                          size_t bytes)
{
    return matrix_columns(matrix, K, of->column, bytes);
}

/* As tile_add, without fetching: what is read here is read in order. */
ALWAYS_INLINE void add_row(const size_t panels, const bool pairs, vector sum[], size_t K,
                           const real *a, packed_matrix matrix)
{
    const unsigned char *b = matrix.data;
    for (size_t p = 0; p < K; p++, b += PANEL * VALUE_BYTES(pairs)) {
        vector row[BLOCK_VECTORS], value = splat(a[p]);
        if (pairs && panels * PANEL_VECTORS > 8) {
            add_pairs(panels, b, K * PANEL * VALUE_BYTES(pairs), value, sum);
            continue;
        }
        tile_row(panels, PANEL_VECTORS, pairs, b, K * PANEL * VALUE_BYTES(pairs), row);
        UNROLL for (size_t v = 0; v < panels * PANEL_VECTORS; v++)
        {
            sum[v] = multiply_add(value, row[v], sum[v]);
        }
    }
}

/* apart: gates of a cell that keeps U h of its last one apart; 0 for another. */
ALWAYS_INLINE void row_sums(const cell_step *s, const block *of, const size_t panels,
                            const size_t apart, const bool pairs, block_sums *to)
{
    vector sum[BLOCK_VECTORS];
    const real *start = s->start + of->row * s->start_row + of->column;
    packed_matrix input = block_columns(s->input, s->inputs, of, VALUE_BYTES(pairs));
    packed_matrix hidden = block_columns(s->hidden, s->R, of, VALUE_BYTES(pairs));
    UNROLL for (size_t v = 0; v < panels * PANEL_VECTORS; v++)
    {
        sum[v] = load(start + v * VECTOR_LENGTH);
    }
    if (s->inputs > 0) {
        add_row(panels, pairs, sum, s->inputs, s->x + of->row * s->x_row, input);
    }
    UNROLL for (size_t v = 0; v < panels * PANEL_VECTORS; v++)
    {
        if (apart > 0 && v % apart == apart - 1) {
            store(to->apart + v / apart * VECTOR_LENGTH, sum[v]);
            sum[v] = load(s->hidden_bias + of->column + v * VECTOR_LENGTH);
        }
    }
    add_row(panels, pairs, sum, s->R, s->h + of->row * s->h_row, hidden);
    UNROLL for (size_t v = 0; v < panels * PANEL_VECTORS; v++)
    {
        store(to->gates + v * VECTOR_LENGTH, sum[v]);
    }
}

typedef void row_sums_function(const cell_step *s, const block *of, block_sums *to);

/* Out of line, one for each number of panels that blocks of some cell have; where there is none,
 * one row goes through the tiles like several. A last, smaller block of pairs does: they are for
 * large matrices. */
#define ROW_SUMS(name, panels, apart, pairs)                                                       \
    static void name(const cell_step *s, const block *of, block_sums *to)                          \
    {                                                                                              \
        row_sums(s, of, panels, apart, pairs, to);                                                 \
    }

ROW_SUMS(row_sums_1, 1, 0, false)
ROW_SUMS(row_sums_2, 2, 0, false)
ROW_SUMS(apart_3_row_sums_2, 2, 3, false)
ROW_SUMS(apart_3_row_sums_3, 3, 3, false)
#if PANEL_VECTORS == 2
ROW_SUMS(row_sums_3, 3, 0, false)
ROW_SUMS(row_sums_4, 4, 0, false)
ROW_SUMS(apart_3_row_sums_5, 5, 3, false)
ROW_SUMS(apart_3_row_sums_6, 6, 3, false)
ROW_SUMS(row_sums_of_pairs_4, 4, 0, true)
ROW_SUMS(apart_3_row_sums_of_pairs_6, 6, 3, true)
#else
ROW_SUMS(apart_3_row_sums_1, 1, 3, false)
ROW_SUMS(row_sums_of_pairs_2, 2, 0, true)
ROW_SUMS(apart_3_row_sums_of_pairs_3, 3, 3, true)
#endif

typedef row_sums_function *const row_sums_table[MATRIX_ROOM][BLOCK_VECTORS / PANEL_VECTORS];

/* [kind of matrix][panels - 1], of cells that keep nothing apart, and of those with 3 gates that
 * do.
 */
static row_sums_table row_sums_functions = {
#if PANEL_VECTORS == 2
    [LRNN_WEIGHT_FLOAT32] = {row_sums_1, row_sums_2, row_sums_3, row_sums_4},
    [LRNN_WEIGHT_BFLOAT16] = {[3] = row_sums_of_pairs_4},
#else
    [LRNN_WEIGHT_FLOAT32] = {row_sums_1, row_sums_2},
    [LRNN_WEIGHT_BFLOAT16] = {[1] = row_sums_of_pairs_2},
#endif
};

static row_sums_table apart_3_row_sums_functions = {
#if PANEL_VECTORS == 2
    [LRNN_WEIGHT_FLOAT32] = {[1] = apart_3_row_sums_2,
                             [2] = apart_3_row_sums_3,
                             [4] = apart_3_row_sums_5,
                             [5] = apart_3_row_sums_6},
    [LRNN_WEIGHT_BFLOAT16] = {[5] = apart_3_row_sums_of_pairs_6},
#else
    [LRNN_WEIGHT_FLOAT32] = {apart_3_row_sums_1, apart_3_row_sums_2, apart_3_row_sums_3},
    [LRNN_WEIGHT_BFLOAT16] = {[2] = apart_3_row_sums_of_pairs_3},
#endif
};

static row_sums_function *find_row_sums(int32_t kind, size_t apart, size_t panels)
{
    return apart == 0   ? row_sums_functions[kind][panels - 1]
           : apart == 3 ? apart_3_row_sums_functions[kind][panels - 1]
                        : NULL;
}

/* ---- several rows ---- */

/* One panel for all rows of a block. What comes after it is prefetched meanwhile: each tile asks
 * for one cache line of every row of the next panel, until all its lines have been asked for. */
ALWAYS_INLINE void add_panel(const block *of, tile_function *const tiles_of[TILE_ROWS],
                             const tile_shape *shape, size_t lines, const real *a,
                             const void *panel, uintptr_t next, const real *from, real *gates)
{
    for (size_t i = 0, row = 0, rows; row < of->rows; i++, row += rows) {
        rows = of->height + (i < of->higher);
        tiles_of[rows - 1](shape, a + row * shape->a_row, panel,
                           from != NULL ? from + row * shape->from_row : NULL,
                           gates + row * BLOCK_WIDTH, gates,
                           next + i % lines * shape->K * shape->ahead_step);
    }
}

/* The tiles of whole panels of each kind of matrix. */
static tile_function *const *const panel_tiles[MATRIX_ROOM] = {
    [LRNN_WEIGHT_FLOAT32] = tiles[PANEL_VECTORS / 2],
    [LRNN_WEIGHT_BFLOAT16] = pair_tiles,
};

static void add_panels(const block *of, size_t K, const real *a, size_t a_row, packed_matrix matrix,
                       size_t bytes, const real *from, size_t from_row, real *gates)
{
    size_t row_bytes = PANEL * bytes;
    size_t lines = row_bytes < 64 ? 1 : row_bytes / 64;
    const unsigned char *panel = matrix.data;
    const tile_shape shape = {.K = K,
                              .a_row = a_row,
                              .a_column = 1,
                              .c_row = BLOCK_WIDTH,
                              .from_row = from_row,
                              .lanes = VECTOR_LENGTH,
                              .ahead_step = row_bytes / lines};
    for (size_t i = 0; i < of->panels; i++, panel += K * row_bytes) {
        add_panel(of, panel_tiles[matrix.kind], &shape, lines, a, panel,
                  (uintptr_t)panel + K * row_bytes, from != NULL ? from + i * PANEL : NULL,
                  gates + i * PANEL);
    }
}

static void rows_sums(const cell_step *s, const block *of, size_t apart, block_sums *to)
{
    const real *from = s->start != NULL ? s->start + of->row * s->start_row + of->column : NULL;
    size_t from_row = s->start_row, bytes = matrix_bytes(s->hidden.kind);
    if (s->inputs > 0 || apart > 0) {
        /* Without inputs there are no products: x and the matrix, which are not there, are not
         * read. */
        const bool reads = s->inputs > 0;
        add_panels(of, s->inputs, reads ? s->x + of->row * s->x_row : to->gates,
                   reads ? s->x_row : 0,
                   reads ? block_columns(s->input, s->inputs, of, bytes) : s->hidden, bytes, from,
                   from_row, to->gates);
        from = to->gates;
        from_row = BLOCK_WIDTH;
    }
    if (apart > 0) {
        part_last_gate(s, of, apart, to);
    }
    add_panels(of, s->R, s->h + of->row * s->h_row, s->h_row,
               block_columns(s->hidden, s->R, of, bytes), bytes, from, from_row, to->gates);
}

/* ---- all blocks ---- */

/* apart: see row_sums. */
ALWAYS_INLINE void run_step(const cell_step *s, const size_t G, const size_t apart,
                            apply_function *apply)
{
    block_sums with;
    const size_t units_each = BLOCK_TILES(G) * VECTOR_LENGTH;
    size_t count = (s->H + units_each - 1) / units_each;
    for (size_t i = 0; i < count; i++) {
        block of = block_at(s, G, (s->last_first ? count - 1 - i : i) * units_each);
        of.panels = (of.tiles * G + PANEL_VECTORS - 1) / PANEL_VECTORS;
        row_sums_function *one_row = find_row_sums(s->hidden.kind, apart, of.panels);
        if (s->rows == 1 && one_row != NULL) {
            of.rows = 1;
            one_row(s, &of, &with);
            apply(s, &of, &with);
            continue;
        }
        size_t pieces = (s->rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
        for (size_t piece = 0; piece < pieces; piece++, of.row += of.rows) {
            of.rows = (s->rows - of.row) / (pieces - piece);
            of.height = of.rows / tile_count(of.rows);
            of.higher = of.rows % tile_count(of.rows);
            rows_sums(s, &of, apart, &with);
            apply(s, &of, &with);
        }
    }
}

/* The step of a cell: its function of units, its gates, and those again where it keeps U h of the
 * last one apart, else 0. */
#define FAST_STEP(name, cell, G, apart)                                                            \
    CHECK_BLOCK(G);                                                                                \
    static void apply_##name(const cell_step *s, const block *of, block_sums *with)                \
    {                                                                                              \
        apply_cell(s, of, G, cell, with);                                                          \
    }                                                                                              \
    static void fast_##name##_step(const cell_step *s)                                             \
    {                                                                                              \
        run_step(s, G, apart, apply_##name);                                                       \
    }

#endif
