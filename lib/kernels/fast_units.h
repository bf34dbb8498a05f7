/* The units of a step: in which blocks they are computed, and the end of each block, where the cell
 * is applied to its pre-activations, while they are in the first-level cache. */
#ifndef KERNELS_FAST_UNITS_H
#define KERNELS_FAST_UNITS_H

#include "fast_loops.h"
#include "kernels.h"

/* Tiles of a block, by gates: as many as fit in BLOCK_VECTORS, a power of two, so that their
 * vectors are whole panels; CHECK_BLOCK asserts it for each cell. */
#define BLOCK_TILES(G)   KERNEL_BLOCK_TILES(G)
#define BLOCK_VECTORS    12
#define BLOCK_MOST_TILES 8
#define BLOCK_WIDTH      (BLOCK_VECTORS * VECTOR_LENGTH)
#define BLOCK_ROWS       24

/* Vectors of `apart` in a row: one for each tile of a cell that keeps its last gate apart. */
#define APART_TILES BLOCK_TILES(3)

/* The pre-activations of a block. Of a cell that keeps U h of its last gate apart, `gates` has
 * that, and `apart` has what W x and the bias give. */
typedef struct block_sums {
    real gates[BLOCK_ROWS * BLOCK_WIDTH] __attribute__((aligned(64)));
    real apart[BLOCK_ROWS * APART_TILES * VECTOR_LENGTH] __attribute__((aligned(64)));
} block_sums;

/* Part of a step: some rows, one block of units. */
typedef struct block {
    size_t rows, row;      /* rows row.. of the step */
    size_t height, higher; /* of the tiles that they are cut into; so many are one row higher */
    size_t unit;           /* the first one */
    size_t tiles, panels;
    size_t column; /* the first one of the packed matrices */
} block;

/* Puts W x of the last gate apart, and starts its U h from the bias. */
ALWAYS_INLINE void part_last_gate(const cell_step *s, const block *of, size_t G, block_sums *to)
{
    for (size_t row = 0; row < of->rows; row++) {
        for (size_t tile = 0; tile < of->tiles; tile++) {
            size_t at = (tile * G + G - 1) * VECTOR_LENGTH;
            real *gate = to->gates + row * BLOCK_WIDTH + at;
            store(to->apart + (row * APART_TILES + tile) * VECTOR_LENGTH, load(gate));
            store(gate, load(s->hidden_bias + of->column + at));
        }
    }
}

/* Vectors of units, and how far it is from one to the next in each array. */
typedef struct units {
    real *gates;       /* their pre-activations; the gates of a vector side by side */
    const real *apart; /* see block_sums */
    real *c;
    const real *h;
    real *h_next;
    size_t gates_step, apart_step, c_step, h_step, h_next_step;
} units;

/* h' (and c') of `count` vectors of units; of each only `lanes` units exist. */
typedef void cell_function(const units *of, const size_t count, size_t lanes);

/* The units of a block's tile in one of its rows. */
ALWAYS_INLINE units units_at(const cell_step *s, const block *of, const size_t G, block_sums *with,
                             size_t tile, size_t row)
{
    size_t unit = of->unit + tile * VECTOR_LENGTH, at = of->row + row;
    size_t apart = BLOCK_TILES(G) <= APART_TILES ? tile : 0; /* more tiles keep nothing apart */
    return (units){
        .gates = with->gates + row * BLOCK_WIDTH + tile * G * VECTOR_LENGTH,
        .apart = with->apart + (row * APART_TILES + apart) * VECTOR_LENGTH,
        .c = s->c == NULL ? NULL : s->c + at * s->H + unit,
        .h = s->h + at * s->h_row + unit,
        .h_next = s->h_next + at * s->h_next_row + unit,
        .gates_step = BLOCK_WIDTH,
        .apart_step = APART_TILES * VECTOR_LENGTH,
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
            at.apart_step = at.c_step = at.h_step = at.h_next_step = VECTOR_LENGTH;
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

/* The block that begins with `unit`: tiles and columns, not its rows. G gates. */
ALWAYS_INLINE block block_at(const cell_step *s, const size_t G, size_t unit)
{
    const size_t each = BLOCK_TILES(G) * VECTOR_LENGTH;
    size_t left = s->H - unit < each ? s->H - unit : each;
    return (block){
        .unit = unit,
        .tiles = (left + VECTOR_LENGTH - 1) / VECTOR_LENGTH,
        .column = unit * G,
    };
}

typedef void apply_function(const cell_step *s, const block *of, block_sums *with);

#endif
