/* One step of a layer: products and cell, block by block of units.
 *
 * A block is a few tiles of units whose columns fill whole panels. Of one row, a block's sums all
 * stay in registers while h (and x) goes by: enough of them to hide the latency of a multiply-add,
 * so that reading the weights is the limit. Several rows go through the tiles of fast_multiply.h.
 * Then the cell is applied to what is still in the first-level cache. The chain of an output is the
 * same either way. */
#ifndef KERNELS_FAST_STEP_H
#define KERNELS_FAST_STEP_H

#include "fast_cells.h"
#include "fast_multiply.h"

/* Tiles of a block, by gates; BLOCK_TILES(G) * G vectors are whole panels. */
#define BLOCK_TILES(G) ((G) == 4 ? 2 : (G) == 3 ? 4 : 8)
#define BLOCK_VECTORS  12
#define BLOCK_WIDTH    (BLOCK_VECTORS * VECTOR_LENGTH)
#define BLOCK_ROWS     (4 * TILE_ROWS)

/* The pre-activations of a block; for GRU the x part of n apart, one row in a piece. */
typedef struct block_sums {
    real gates[BLOCK_ROWS * BLOCK_WIDTH] __attribute__((aligned(64)));
    real n[BLOCK_ROWS * BLOCK_TILES(3) * VECTOR_LENGTH] __attribute__((aligned(64)));
} block_sums;

/* Part of a step: some rows, one block of units. */
typedef struct block {
    size_t rows, row;      /* rows row.. of the step */
    size_t height, higher; /* of the tiles that they are cut into; so many are one row higher */
    size_t unit;           /* the first one */
    size_t tiles, panels;
    size_t column; /* the first one of the packed matrices */
} block;

/* ---- one row ---- */

/* The part of a matrix that a block multiplies with. */
ALWAYS_INLINE packed_matrix block_columns(packed_matrix matrix, size_t K, const block *of)
{
    return packed_columns(matrix, K, of->column);
}

/* As tile_add, without fetching: what is read here is read in order. */
ALWAYS_INLINE void add_row(const size_t panels, const bool pairs, vector sum[], size_t K,
                           const real *a, packed_matrix matrix)
{
    const unsigned char *b =
        pairs ? (const unsigned char *)matrix.pairs : (const unsigned char *)matrix.reals;
    for (size_t p = 0; p < K; p++, b += PANEL * VALUE_BYTES(pairs)) {
        vector row[BLOCK_VECTORS], value = splat(a[p]);
        if (pairs && panels * PANEL_VECTORS > 8) {
            add_pairs(panels, b, K * PANEL * VALUE_BYTES(pairs), value, sum);
            continue;
        }
        tile_row(panels, PANEL_VECTORS, pairs, b, K * PANEL * VALUE_BYTES(pairs), row);
        UNROLL for (size_t v = 0; v < panels * PANEL_VECTORS; v++)
        {
            sum[v] = value * row[v] + sum[v];
        }
    }
}

ALWAYS_INLINE void row_sums(const cell_step *s, const block *of, const size_t panels,
                            const bool gru, const bool pairs, block_sums *to)
{
    vector sum[BLOCK_VECTORS];
    const real *start = s->start + of->row * s->start_row + of->column;
    packed_matrix input = block_columns(s->input, s->inputs, of);
    packed_matrix hidden = block_columns(s->hidden, s->R, of);
    UNROLL for (size_t v = 0; v < panels * PANEL_VECTORS; v++)
    {
        sum[v] = load(start + v * VECTOR_LENGTH);
    }
    if (s->inputs > 0) {
        add_row(panels, pairs, sum, s->inputs, s->x + of->row * s->x_row, input);
    }
    UNROLL for (size_t v = 0; v < panels * PANEL_VECTORS; v++)
    {
        if (gru && v % 3 == 2) {
            store(to->n + v / 3 * VECTOR_LENGTH, sum[v]);
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

/* Out of line, one for each number of panels that blocks of some cell have. A last, smaller block
 * of pairs goes through the tiles: they are for large matrices. */
#define ROW_SUMS(name, panels, gru, pairs)                                                         \
    static void name(const cell_step *s, const block *of, block_sums *to)                          \
    {                                                                                              \
        row_sums(s, of, panels, gru, pairs, to);                                                   \
    }

ROW_SUMS(row_sums_1, 1, false, false)
ROW_SUMS(row_sums_2, 2, false, false)
ROW_SUMS(gru_row_sums_2, 2, true, false)
ROW_SUMS(gru_row_sums_3, 3, true, false)
#if PANEL_VECTORS == 2
ROW_SUMS(row_sums_3, 3, false, false)
ROW_SUMS(row_sums_4, 4, false, false)
ROW_SUMS(gru_row_sums_5, 5, true, false)
ROW_SUMS(gru_row_sums_6, 6, true, false)
ROW_SUMS(row_sums_of_pairs_4, 4, false, true)
ROW_SUMS(gru_row_sums_of_pairs_6, 6, true, true)
#else
ROW_SUMS(gru_row_sums_1, 1, true, false)
ROW_SUMS(row_sums_of_pairs_2, 2, false, true)
ROW_SUMS(gru_row_sums_of_pairs_3, 3, true, true)
#endif

/* [pairs][gru][panels - 1] */
static row_sums_function *const row_sums_functions[2][2][BLOCK_VECTORS / PANEL_VECTORS] = {
#if PANEL_VECTORS == 2
    {{row_sums_1, row_sums_2, row_sums_3, row_sums_4},
     {[1] = gru_row_sums_2, [2] = gru_row_sums_3, [4] = gru_row_sums_5, [5] = gru_row_sums_6}},
    {{[3] = row_sums_of_pairs_4}, {[5] = gru_row_sums_of_pairs_6}},
#else
    {{row_sums_1, row_sums_2}, {gru_row_sums_1, gru_row_sums_2, gru_row_sums_3}},
    {{[1] = row_sums_of_pairs_2}, {[2] = gru_row_sums_of_pairs_3}},
#endif
};

/* ---- several rows ---- */

/* One panel for all rows of a block. What comes behind it is fetched meanwhile, line by line of
 * each row of the panel, as many lines as there are tiles. */
ALWAYS_INLINE void add_panel(const block *of, tile_function *const tiles_of[TILE_ROWS],
                             const tile_shape *shape, size_t lines, const real *a,
                             const void *panel, uintptr_t next, const real *from, real *gates)
{
    for (size_t i = 0, row = 0, rows; row < of->rows; i++, row += rows) {
        rows = of->height + (i < of->higher);
        tiles_of[rows - 1](shape, a + row * shape->a_row, panel, from + row * shape->from_row,
                           gates + row * BLOCK_WIDTH, gates,
                           next + i % lines * shape->K * shape->ahead_step);
    }
}

static void add_panels(const block *of, size_t K, const real *a, size_t a_row, packed_matrix matrix,
                       const real *from, size_t from_row, real *gates)
{
    bool pairs = matrix.pairs != NULL;
    size_t row_bytes = PANEL * VALUE_BYTES(pairs);
    size_t lines = row_bytes < 64 ? 1 : row_bytes / 64;
    const unsigned char *panel =
        pairs ? (const unsigned char *)matrix.pairs : (const unsigned char *)matrix.reals;
    const tile_shape shape = {.K = K,
                              .a_row = a_row,
                              .a_column = 1,
                              .c_row = BLOCK_WIDTH,
                              .from_row = from_row,
                              .lanes = VECTOR_LENGTH,
                              .ahead_step = row_bytes / lines};
    for (size_t i = 0; i < of->panels; i++, panel += K * row_bytes) {
        add_panel(of, pairs ? pair_tiles : tiles[PANEL_VECTORS / 2], &shape, lines, a, panel,
                  (uintptr_t)panel + K * row_bytes, from + i * PANEL, gates + i * PANEL);
    }
}

/* Of GRU the n parts: those of x go apart, those of h start from their bias. */
static void part_n(const cell_step *s, const block *of, block_sums *to)
{
    for (size_t row = 0; row < of->rows; row++) {
        for (size_t tile = 0; tile < of->tiles; tile++) {
            size_t at = (tile * 3 + 2) * VECTOR_LENGTH;
            real *n = to->gates + row * BLOCK_WIDTH + at;
            store(to->n + (row * BLOCK_TILES(3) + tile) * VECTOR_LENGTH, load(n));
            store(n, load(s->hidden_bias + of->column + at));
        }
    }
}

static void rows_sums(const cell_step *s, const block *of, bool gru, block_sums *to)
{
    const real *from = s->start + of->row * s->start_row + of->column;
    size_t from_row = s->start_row;
    if (s->inputs > 0 || gru) {
        add_panels(of, s->inputs, s->x + of->row * s->x_row, s->x_row,
                   block_columns(s->input, s->inputs, of), from, from_row, to->gates);
        from = to->gates;
        from_row = BLOCK_WIDTH;
    }
    if (gru) {
        part_n(s, of, to);
    }
    add_panels(of, s->R, s->h + of->row * s->h_row, s->h_row, block_columns(s->hidden, s->R, of),
               from, from_row, to->gates);
}

/* ---- the cells ---- */

/* Vectors of units, and how far it is from one to the next in each array. */
typedef struct units {
    real *gates;   /* their pre-activations; the gates of a vector side by side */
    const real *n; /* GRU: the x part of n */
    real *c;
    const real *h;
    real *h_next;
    size_t gates_step, n_step, c_step, h_step, h_next_step;
} units;

typedef void cell_function(const units *of, const size_t count, size_t lanes);

ALWAYS_INLINE void rnn_tanh_cell(const units *of, const size_t count, size_t lanes)
{
    vector y[EACH_MOST];
    load_apart(count, y, of->gates, of->gates_step, VECTOR_LENGTH);
    tanh_each(count, y);
    store_apart(count, of->h_next, y, of->h_next_step, lanes);
}

ALWAYS_INLINE void rnn_relu_cell(const units *of, const size_t count, size_t lanes)
{
    vector y[EACH_MOST];
    load_apart(count, y, of->gates, of->gates_step, VECTOR_LENGTH);
    EACH y[i] = maximum(splat(0), y[i]);
    store_apart(count, of->h_next, y, of->h_next_step, lanes);
}

ALWAYS_INLINE void lstm_cell(const units *of, const size_t count, size_t lanes)
{
    const lstm_strides at = {VECTOR_LENGTH, of->gates_step, of->c_step, of->h_next_step};
    lstm_block(at, false, of->gates, of->c, of->c, NULL, of->h_next, count, lanes);
}

/* As gru_forward, but r and z have their h part already. */
ALWAYS_INLINE void gru_cell(const units *of, const size_t count, size_t lanes)
{
    vector n[EACH_MOST], from_h[EACH_MOST], gate[EACH_MOST], before[EACH_MOST];
    load_apart(count, gate, of->gates, of->gates_step, VECTOR_LENGTH);
    load_apart(count, from_h, of->gates + 2 * VECTOR_LENGTH, of->gates_step, VECTOR_LENGTH);
    load_apart(count, n, of->n, of->n_step, VECTOR_LENGTH);
    sigmoid_each(count, gate);
    EACH n[i] = gate[i] * from_h[i] + n[i];
    tanh_each(count, n);
    load_apart(count, gate, of->gates + VECTOR_LENGTH, of->gates_step, VECTOR_LENGTH);
    sigmoid_each(count, gate);
    load_apart(count, before, of->h, of->h_step, lanes);
    EACH n[i] = gate[i] * (before[i] - n[i]) + n[i]; /* (1 - z) n + z h */
    store_apart(count, of->h_next, n, of->h_next_step, lanes);
}

/* The units of a block's tile in one of its rows. */
ALWAYS_INLINE units units_at(const cell_step *s, const block *of, const size_t G, block_sums *with,
                             size_t tile, size_t row)
{
    size_t unit = of->unit + tile * VECTOR_LENGTH, at = of->row + row;
    return (units){
        .gates = with->gates + row * BLOCK_WIDTH + tile * G * VECTOR_LENGTH,
        .n = with->n + (row * BLOCK_TILES(3) + tile) * VECTOR_LENGTH,
        .c = s->c == NULL ? NULL : s->c + at * s->H + unit,
        .h = s->h + at * s->h_row + unit,
        .h_next = s->h_next + at * s->h_next_row + unit,
        .gates_step = BLOCK_WIDTH,
        .n_step = BLOCK_TILES(3) * VECTOR_LENGTH,
        .c_step = s->H,
        .h_step = s->h_row,
        .h_next_step = s->h_next_row,
    };
}

/* Several vectors at once hide the latency of a cell: of one row the tiles, else rows of a tile. */
ALWAYS_INLINE void apply_cell(const cell_step *s, const block *of, const size_t G,
                              cell_function *cell, block_sums *with)
{
    const size_t most = BLOCK_TILES(G) < BLOCK_MOST ? BLOCK_TILES(G) : BLOCK_MOST;
    for (size_t tile = 0, row = 0; tile < of->tiles;) {
        size_t left = s->H - of->unit - tile * VECTOR_LENGTH;
        bool whole_rows = left >= VECTOR_LENGTH && of->rows - row >= most;
        bool whole_tiles = left >= most * VECTOR_LENGTH && of->rows == 1;
        units at = units_at(s, of, G, with, tile, row);
        if (whole_tiles) {
            at.gates_step = G * VECTOR_LENGTH;
            at.n_step = at.c_step = at.h_step = at.h_next_step = VECTOR_LENGTH;
        }
        if (whole_rows || whole_tiles) {
            cell(&at, most, VECTOR_LENGTH);
            tile += whole_tiles ? most - 1 : 0;
            row += whole_tiles ? 1 : most;
        } else {
            cell(&at, 1, left < VECTOR_LENGTH ? left : VECTOR_LENGTH);
            row++;
        }
        if (row == of->rows) {
            row = 0;
            tile++;
        }
    }
}

static void apply_rnn_tanh(const cell_step *s, const block *of, block_sums *with)
{
    apply_cell(s, of, 1, rnn_tanh_cell, with);
}

static void apply_rnn_relu(const cell_step *s, const block *of, block_sums *with)
{
    apply_cell(s, of, 1, rnn_relu_cell, with);
}

static void apply_lstm(const cell_step *s, const block *of, block_sums *with)
{
    apply_cell(s, of, 4, lstm_cell, with);
}

static void apply_gru(const cell_step *s, const block *of, block_sums *with)
{
    apply_cell(s, of, 3, gru_cell, with);
}

/* ---- all blocks ---- */

typedef void apply_function(const cell_step *s, const block *of, block_sums *with);

static void run_step(const cell_step *s, size_t G, apply_function *apply)
{
    block_sums with;
    const size_t units_each = BLOCK_TILES(G) * VECTOR_LENGTH;
    size_t count = (s->H + units_each - 1) / units_each;
    for (size_t i = 0; i < count; i++) {
        block of = {.unit = (s->backwards ? count - 1 - i : i) * units_each};
        size_t left = s->H - of.unit < units_each ? s->H - of.unit : units_each;
        of.tiles = (left + VECTOR_LENGTH - 1) / VECTOR_LENGTH;
        of.panels = (of.tiles * G + PANEL_VECTORS - 1) / PANEL_VECTORS;
        of.column = of.unit * G;
        row_sums_function *one_row =
            row_sums_functions[s->hidden.pairs != NULL][G == 3][of.panels - 1];
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
            rows_sums(s, &of, G == 3, &with);
            apply(s, &of, &with);
        }
    }
}

static void rnn_tanh_step(const cell_step *s)
{
    run_step(s, 1, apply_rnn_tanh);
}

static void rnn_relu_step(const cell_step *s)
{
    run_step(s, 1, apply_rnn_relu);
}

static void lstm_step(const cell_step *s)
{
    run_step(s, 4, apply_lstm);
}

static void gru_step(const cell_step *s)
{
    run_step(s, 3, apply_gru);
}

#endif
