/* The product with a packed matrix.
 *
 * C is computed in tiles of up to TILE_ROWS rows and one panel: a tile starts from C, stays in
 * registers while it takes in one product per p, and goes back to C. Whatever the shape of the
 * tile, an output is a chain of fused multiply-adds in the order of p; where the chain is cut,
 * its value rests in C as it is. So no choice made below can be seen in the result.
 *
 * The order of the loops: slices of K; chunks of rows of C, small enough to stay in the
 * second-level cache with a slice of a panel; panels; tiles. Slices are deep, because each one
 * reads and writes C; a slice of a panel comes from the second-level cache to every tile, some rows
 * before they are needed. While a tile is computed, what comes after it is fetched as well. */
#ifndef KERNELS_FAST_MULTIPLY_H
#define KERNELS_FAST_MULTIPLY_H

#include <stdbool.h>

#include "fast_loops.h"

/* Tiles that fill, but do not overflow, the registers: accumulators, a row of the panel, and one
 * value of A. One or two rows take several panels at once, to keep both multipliers busy. */
#if VECTOR_LENGTH == 16 || defined(__aarch64__)
#define PANEL_VECTORS 4
#define WIDE_PANELS   2
#else
#define PANEL_VECTORS 2
#define WIDE_PANELS   6
#endif
#define TILE_ROWS      6
#define PANEL          (PANEL_VECTORS * VECTOR_LENGTH)
#define HALF           (PANEL_VECTORS / 2) /* vectors of pairs in a row of a panel */
#define LINE           (64 / sizeof(real))
#define PANEL_LINES    ((PANEL + LINE - 1) / LINE)
#define FETCHING_TILES 4

#define SLICE        512
#define CHUNK_VALUES ((size_t)64 * 1024)
#define CHUNK_ROWS   (64 * TILE_ROWS)
/* An A whose columns are contiguous is copied a chunk at a time, or read with every p in a page of
 * its own. */
#define COPIED_TILES 8
#define COPIED_SLICE 256
#define SPREAD_SLICE 128
/* Rows of the panel between the one that is multiplied and the one that is fetched. */
#define ROWS_AHEAD 8
/* Four products without a branch between them, in the tiles that do nearly all the work: where that
 * is training, which is bound by the multipliers. On old processors, in the largest alone. */
#if VECTOR_LENGTH == 4 && defined(__x86_64__)
#define UNROLLED_ROWS TILE_ROWS
#else
#define UNROLLED_ROWS 4
#endif
#if defined(__clang__)
#define UNROLL_PRODUCTS _Pragma("clang loop unroll_count(4)")
#else
#define UNROLL_PRODUCTS _Pragma("GCC unroll 4")
#endif

/* What the tiles of a chunk have in common: K products each; A[m,p] = a[m * a_row + p * a_column];
 * C has c_row values in a row, and what it starts from has from_row; panels lie b_panel values
 * apart; of the last vector of a row only `lanes` values are in C. */
typedef struct tile_shape {
    size_t K;
    size_t a_row, a_column;
    size_t b_panel;
    size_t c_row, from_row;
    size_t lanes;
    size_t ahead_step; /* bytes between what is fetched at one p and at the next */
} tile_shape;

ALWAYS_INLINE void tile_read(const size_t rows, const size_t width, size_t lanes, const real *from,
                             size_t from_row, vector sum[TILE_ROWS][WIDE_PANELS * PANEL_VECTORS])
{
    UNROLL for (size_t r = 0; r < rows; r++, from += from_row)
    {
        UNROLL for (size_t v = 0; v + 1 < width; v++)
        {
            sum[r][v] = load(from + v * VECTOR_LENGTH);
        }
        sum[r][width - 1] = load_lanes(from + (width - 1) * VECTOR_LENGTH, lanes);
    }
}

/* What a tile starts from; NULL: zero. Whole vectors are told apart once, not row by row. */
ALWAYS_INLINE void tile_start(const size_t rows, const size_t width, const tile_shape *shape,
                              const real *from, vector sum[TILE_ROWS][WIDE_PANELS * PANEL_VECTORS])
{
    if (from == NULL) {
        UNROLL for (size_t r = 0; r < rows; r++)
        {
            UNROLL for (size_t v = 0; v < width; v++)
            {
                sum[r][v] = (vector){0};
            }
        }
    } else if (shape->lanes == VECTOR_LENGTH) {
        tile_read(rows, width, VECTOR_LENGTH, from, shape->from_row, sum);
    } else {
        tile_read(rows, width, shape->lanes, from, shape->from_row, sum);
    }
}

ALWAYS_INLINE void tile_write(const size_t rows, const size_t width, size_t lanes, real *c,
                              size_t c_row, vector sum[TILE_ROWS][WIDE_PANELS * PANEL_VECTORS])
{
    UNROLL for (size_t r = 0; r < rows; r++, c += c_row)
    {
        UNROLL for (size_t v = 0; v + 1 < width; v++)
        {
            store(c + v * VECTOR_LENGTH, sum[r][v]);
        }
        store_lanes(c + (width - 1) * VECTOR_LENGTH, sum[r][width - 1], lanes);
    }
}

/* Where a tile is on its way through p. */
typedef struct tile_place {
    const real *a;
    const unsigned char *b; /* reals or pairs */
    uintptr_t ahead;
} tile_place;

/* Values of a matrix of pairs are half a word each. */
#define VALUE_BYTES(pairs) ((pairs) ? sizeof(uint16_t) : sizeof(real))

/* Both are there before anything else goes on. */
ALWAYS_INLINE void both_now(vector *a, vector *b)
{
    __asm__ volatile("" : VECTOR_REGISTER(*a), VECTOR_REGISTER(*b));
}

/* A row of a panel, or of several b_panel bytes apart. */
ALWAYS_INLINE void tile_row(const size_t panels, const size_t vectors, const bool pairs,
                            const unsigned char *b, size_t b_panel, vector row[])
{
    if (!pairs) {
        UNROLL for (size_t v = 0; v < panels * vectors; v++)
        {
            row[v] = load_bytes(b + v / vectors * b_panel + v % vectors * VECTOR_BYTES);
        }
        return;
    }
    UNROLL for (size_t v = 0; v < panels * HALF; v++)
    {
        vector both = load_bytes(b + v / HALF * b_panel + v % HALF * VECTOR_BYTES);
        both = rounded(both); /* or gcc loads it twice */
        vector *low = row + v / HALF * PANEL_VECTORS + v % HALF;
        low[0] = low_halves(both);
        low[HALF] = high_halves(both);
    }
}

/* sum += value times that row, of pairs, where the sums leave no registers for all of it. */
ALWAYS_INLINE void add_pairs(const size_t panels, const unsigned char *b, size_t b_panel,
                             vector value, vector sum[])
{
    UNROLL for (size_t v = 0; v < panels * HALF; v++)
    {
        vector both = load_bytes(b + v / HALF * b_panel + v % HALF * VECTOR_BYTES);
        vector low = low_halves(both), high = high_halves(both);
        both_now(&low, &high);
        vector *to = sum + v / HALF * PANEL_VECTORS + v % HALF;
        to[0] = multiply_add(value, low, to[0]);
        to[HALF] = multiply_add(value, high, to[HALF]);
    }
}

/* The products of one p. */
ALWAYS_INLINE void tile_add(const size_t rows, const size_t panels, const size_t vectors,
                            const bool pairs, const tile_shape *shape, size_t a_row, tile_place *at,
                            vector sum[TILE_ROWS][WIDE_PANELS * PANEL_VECTORS])
{
    const size_t width = panels * vectors, bytes = VALUE_BYTES(pairs);
    vector row[WIDE_PANELS * PANEL_VECTORS];
    __builtin_prefetch((const void *)at->ahead, 0, 2);
    if (panels == 1) {
        UNROLL for (size_t v = 0; v < width * VECTOR_LENGTH * bytes; v += 64)
        {
            __builtin_prefetch(at->b + ROWS_AHEAD * PANEL * sizeof(real) + v, 0, 3);
        }
    }
    if (pairs && rows == 1 && width > 8) {
        add_pairs(panels, at->b, shape->b_panel * bytes, splat(at->a[0]), sum[0]);
    } else {
        tile_row(panels, vectors, pairs, at->b, shape->b_panel * bytes, row);
        UNROLL for (size_t r = 0; r < rows; r++)
        {
            vector value = splat(at->a[r * a_row]);
            UNROLL for (size_t v = 0; v < width; v++)
            {
                sum[r][v] = multiply_add(value, row[v], sum[r][v]);
            }
        }
    }
    at->a += shape->a_column;
    at->b += PANEL * bytes;
    at->ahead += shape->ahead_step;
}

/* next_c: where the next tile will start. ahead: what will be needed some tiles later. */
ALWAYS_INLINE void tile(const size_t rows, const size_t panels, const size_t vectors,
                        const bool pairs, const tile_shape *shape, const real *a, const void *b,
                        const real *from, real *c, const real *next_c, uintptr_t ahead)
{
    vector sum[TILE_ROWS][WIDE_PANELS * PANEL_VECTORS];
    const size_t width = panels * vectors, a_row = shape->a_row, K = shape->K;
    tile_place at = {a, b, ahead};
    size_t p = 0;
    tile_start(rows, width, shape, from, sum);
    UNROLL for (size_t r = 0; r < rows; r++, next_c += shape->c_row)
    {
        for (size_t v = 0; v < width * VECTOR_LENGTH; v += LINE) {
            __builtin_prefetch(next_c + v, 1, 3);
        }
    }
    if (rows >= UNROLLED_ROWS && vectors == PANEL_VECTORS && !pairs) {
        UNROLL_PRODUCTS for (; p < K; p++)
        {
            tile_add(rows, panels, vectors, pairs, shape, a_row, &at, sum);
        }
    }
    for (; p < K; p++) {
        tile_add(rows, panels, vectors, pairs, shape, a_row, &at, sum);
    }
    if (shape->lanes == VECTOR_LENGTH) {
        tile_write(rows, width, VECTOR_LENGTH, c, shape->c_row, sum);
    } else {
        tile_write(rows, width, shape->lanes, c, shape->c_row, sum);
    }
}

typedef void tile_function(const tile_shape *shape, const real *a, const void *b, const real *from,
                           real *c, const real *next_c, uintptr_t ahead);

#define TILE(name, rows, panels, vectors, pairs)                                                   \
    static void name(const tile_shape *shape, const real *a, const void *b, const real *from,      \
                     real *c, const real *next_c, uintptr_t ahead)                                 \
    {                                                                                              \
        tile(rows, panels, vectors, pairs, shape, a, b, from, c, next_c, ahead);                   \
    }
#define TILES(name, vectors, pairs)                                                                \
    TILE(name##_1, 1, 1, vectors, pairs)                                                           \
    TILE(name##_2, 2, 1, vectors, pairs)                                                           \
    TILE(name##_3, 3, 1, vectors, pairs)                                                           \
    TILE(name##_4, 4, 1, vectors, pairs)                                                           \
    TILE(name##_5, 5, 1, vectors, pairs)                                                           \
    TILE(name##_6, 6, 1, vectors, pairs)
#define TILE_NAMES(name)                                                                           \
    {                                                                                              \
        name##_1, name##_2, name##_3, name##_4, name##_5, name##_6                                 \
    }

TILES(tile_1x, 1, false)
TILES(tile_2x, 2, false)
#if PANEL_VECTORS == 4
TILES(tile_4x, 4, false)
#endif
TILES(pairs, PANEL_VECTORS, true)

/* [vectors / 2][rows - 1]; for three vectors there is none, see tile_columns. */
static tile_function *const tiles[PANEL_VECTORS / 2 + 1][TILE_ROWS] = {
    TILE_NAMES(tile_1x),
    TILE_NAMES(tile_2x),
#if PANEL_VECTORS == 4
    TILE_NAMES(tile_4x),
#endif
};

/* Whole panels of pairs. [rows - 1] */
static tile_function *const pair_tiles[TILE_ROWS] = TILE_NAMES(pairs);

TILE(wide_1, 1, WIDE_PANELS, PANEL_VECTORS, false)
TILE(wide_pairs, 1, WIDE_PANELS, PANEL_VECTORS, true)
#if VECTOR_LENGTH == 16 || defined(__aarch64__)
#define WIDE_ROWS 2
TILE(wide_2, 2, WIDE_PANELS, PANEL_VECTORS, false)
static tile_function *const wide_tiles[WIDE_ROWS] = {wide_1, wide_2};
#else
#define WIDE_ROWS 1
static tile_function *const wide_tiles[WIDE_ROWS] = {wide_1};
#endif

/* Columns of the next tile, when so many are left. */
static size_t tile_columns(size_t left)
{
    const size_t two = 2 * VECTOR_LENGTH;
    return left >= PANEL ? PANEL : left > two && left <= 3 * VECTOR_LENGTH ? two : left;
}

/* A chunk is cut into tiles of nearly equal height. */
static size_t tile_count(size_t rows)
{
    return (rows + TILE_ROWS - 1) / TILE_ROWS;
}

static size_t tile_height(size_t rows_left, size_t tiles_left)
{
    return (rows_left + tiles_left - 1) / tiles_left;
}

/* A chunk: M rows of A or of a copy, in which the tiles lie one after the other. Of A as it will be
 * read in the next chunk, there are next_count pieces of next_lines cache lines, next_step bytes
 * apart. */
typedef struct chunk {
    size_t M, N;
    bool copied;
    const real *a;
    const real *packed; /* the slice of the first panel */
    const real *from;   /* or NULL: zero */
    real *c;
    const real *next_a;
    size_t next_count, next_lines, next_step;
} chunk;

/* What tile i of `count` should fetch: a share of the slice of the next panel, or in the last panel
 * of A for the next chunk. Few tiles have equal shares, since memory takes as long as they do. */
static uintptr_t fetch_ahead(const chunk *of, tile_shape *shape, size_t i, size_t count,
                             const real *next_panel)
{
    size_t shares = count < FETCHING_TILES ? count : FETCHING_TILES;
    if (next_panel != NULL && i < shares) {
        shape->ahead_step = (PANEL * sizeof(real) + shares - 1) / shares;
        return (uintptr_t)next_panel + i * shape->K * shape->ahead_step;
    }
    if (next_panel == NULL && i / of->next_lines * shape->K < of->next_count) {
        shape->ahead_step = of->next_step;
        return (uintptr_t)(of->next_a + i % of->next_lines * LINE) +
               i / of->next_lines * shape->K * of->next_step;
    }
    shape->ahead_step = 0;
    return (uintptr_t)of->a;
}

static void multiply_chunk(const chunk *of, tile_shape shape)
{
    size_t count = tile_count(of->M);
    const real *b = of->packed, *next_b;
    for (size_t n = 0, columns; n < of->N; n += columns, b = next_b) {
        columns = tile_columns(of->N - n);
        bool last = columns == of->N - n;
        size_t vectors = (columns + VECTOR_LENGTH - 1) / VECTOR_LENGTH;
        next_b = b + (columns == PANEL ? shape.b_panel : columns);
        shape.lanes = columns - (vectors - 1) * VECTOR_LENGTH;
        const real *a = of->a;
        real *c = of->c + n;
        for (size_t i = 0, m = 0; i < count; i++) {
            size_t rows = tile_height(of->M - m, count - i);
            const real *from = of->from == NULL ? NULL : of->from + m * shape.from_row + n;
            real *next = i + 1 < count ? c + rows * shape.c_row : last ? c : of->c + n + columns;
            uintptr_t ahead = fetch_ahead(of, &shape, i, count, last ? NULL : next_b);
            tiles[vectors / 2][rows - 1](&shape, a, b, from, c, next, ahead);
            a += of->copied ? shape.K * TILE_ROWS : rows * shape.a_row;
            c = next;
            m += rows;
        }
    }
}

/* Copies M rows and K columns of an A whose columns are contiguous: tile by tile, in a tile
 * TILE_ROWS values for every p. A tile of fewer rows takes some of the next one's with it. */
static void copy_tiles(real *to, size_t M, size_t K, const real *a, size_t a_column)
{
    size_t count = tile_count(M), first[COPIED_TILES], whole = count;
    for (size_t i = 0, m = 0; i < count; i++) {
        first[i] = m;
        m += tile_height(M - m, count - i);
    }
    if (M - first[count - 1] < TILE_ROWS) {
        whole--;
    }
    for (size_t p = 0; p < K; p++, a += a_column) {
        real *tile_row = to + p * TILE_ROWS;
        for (size_t i = 0; i < whole; i++, tile_row += K * TILE_ROWS) {
            memcpy(tile_row, a + first[i], TILE_ROWS * sizeof(real));
        }
        for (size_t m = first[count - 1]; whole < count && m < M; m++) {
            *tile_row++ = a[m];
        }
    }
}

/* So few rows that each panel is read once and then no more. */
static void multiply_wide(size_t M, const real *a, const packed_part *part, tile_shape shape)
{
    size_t n = 0;
    shape.lanes = VECTOR_LENGTH;
    shape.ahead_step = 0;
    shape.c_row = part->c_row;
    shape.from_row = part->from_row;
    for (; n + WIDE_PANELS * PANEL <= part->N; n += WIDE_PANELS * PANEL) {
        wide_tiles[M - 1](&shape, a, part->packed + n * shape.K,
                          part->from == NULL ? NULL : part->from + n, part->c + n, part->c + n,
                          (uintptr_t)a);
    }
    if (n < part->N) {
        chunk rest = {
            .M = M,
            .N = part->N - n,
            .a = a,
            .packed = part->packed + n * shape.K,
            .from = part->from == NULL ? NULL : part->from + n,
            .c = part->c + n,
            .next_a = a,
            .next_lines = 1,
        };
        multiply_chunk(&rest, shape);
    }
}

/* What a chunk, whose rows begin at m and whose products at p, adds to one part. */
static void multiply_slice(const packed_part *part, size_t m, size_t p, bool first, chunk of,
                           tile_shape shape)
{
    of.N = part->N;
    of.packed = part->packed + p * PANEL;
    of.c = part->c + m * part->c_row;
    of.from = part->from == NULL ? NULL : part->from + m * part->from_row;
    shape.c_row = part->c_row;
    shape.from_row = part->from_row;
    if (!first) {
        of.from = of.c;
        shape.from_row = part->c_row;
    }
    multiply_chunk(&of, shape);
}

/* Its columns an odd number of cache lines apart, A spreads over the whole first-level cache as it
 * is. */
static bool is_spread(size_t a_column)
{
    return a_column % LINE == 0 && a_column / LINE % 2 == 1;
}

static size_t slice_count(size_t M, size_t K, bool transposed, bool copied)
{
    size_t most = copied ? COPIED_SLICE : transposed ? SPREAD_SLICE : SLICE;
    /* A panel that is used once or twice need not stay in the cache. */
    return M <= 2 * TILE_ROWS || K == 0 ? 1 : (K + most - 1) / most;
}

static size_t chunk_rows(size_t M, size_t N, bool copied)
{
    size_t least = COPIED_TILES * TILE_ROWS, rows = CHUNK_VALUES / N / TILE_ROWS * TILE_ROWS;
    if (rows < least || copied) {
        rows = least;
    }
    if (rows > CHUNK_ROWS) {
        rows = CHUNK_ROWS;
    }
    return rows < M ? rows : M;
}

static void multiply_sliced(size_t M, size_t K, const real *a, const packed_part *parts,
                            size_t count, tile_shape shape)
{
    size_t a_row = shape.a_row, a_column = shape.a_column, widest = 1;
    bool transposed = a_row == 1 && a_column != 1;
    bool copied = transposed && M > 2 * TILE_ROWS && !is_spread(a_column);
    for (size_t i = 0; i < count; i++) {
        widest = parts[i].N > widest ? parts[i].N : widest;
    }
    size_t slices = slice_count(M, K, transposed, copied), step = chunk_rows(M, widest, copied);
    real copy[COPIED_TILES * TILE_ROWS * COPIED_SLICE] __attribute__((aligned(64)));
    for (size_t slice = 0, p = 0; slice < slices; slice++, p += shape.K) {
        shape.K = (K - p) / (slices - slice);
        for (size_t m = 0; m < M; m += step) {
            const real *part = a + m * a_row + p * a_column;
            chunk of = {.M = M - m < step ? M - m : step, .copied = copied, .a = part};
            if (m + step < M) {
                of.next_a = part + step * a_row;
            } else {
                of.next_a = slice + 1 < slices ? a + (p + shape.K) * a_column : part;
            }
            of.next_step = (a_row == 1 ? a_column : a_row) * sizeof(real);
            of.next_lines = (a_row == 1 ? step : shape.K) / LINE + 1;
            if (copied) {
                copy_tiles(copy, of.M, shape.K, part, a_column);
                of.a = copy;
                shape.a_column = TILE_ROWS;
            }
            for (size_t i = 0; i < count; i++) {
                of.next_count = i + 1 < count ? 0 : a_row == 1 ? shape.K : step;
                multiply_slice(&parts[i], m, p, slice == 0, of, shape);
            }
        }
    }
}

static void fast_multiply_parts(size_t M, size_t K, const real *a, size_t a_row, size_t a_column,
                                const packed_part *parts, size_t count)
{
    tile_shape shape = {.K = K, .a_row = a_row, .a_column = a_column, .b_panel = K * PANEL};
    if (M > WIDE_ROWS) {
        multiply_sliced(M, K, a, parts, count, shape);
        return;
    }
    for (size_t i = 0; M > 0 && i < count; i++) {
        multiply_wide(M, a, &parts[i], shape);
    }
}

static void fast_multiply_packed_from(size_t M, size_t N, size_t K, const real *a, size_t a_row,
                                      size_t a_column, const real *packed, const real *from,
                                      size_t from_row, real *c, size_t c_row)
{
    const packed_part part = {N, packed, from, from_row, c, c_row};
    fast_multiply_parts(M, K, a, a_row, a_column, &part, 1);
}

static void fast_multiply_packed(size_t M, size_t N, size_t K, const real *a, size_t a_row,
                                 size_t a_column, const real *packed, real *c, size_t c_row)
{
    fast_multiply_packed_from(M, N, K, a, a_row, a_column, packed, c, c_row, c, c_row);
}

#endif
