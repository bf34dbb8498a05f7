/* Products and steps with matrices of bytes, which bytes.h describes. Included by the file of each
 * instruction set that has its own way with them, which defines KERNEL_BYTES.
 *
 * Sums are taken in tiles of some rows and some vectors of columns, in registers; of one row a tile
 * has a whole panel, so that the bytes are read as they lie. The integers are exact, so no choice
 * made here can be seen in the result. */
#ifndef KERNELS_FAST_BYTES_H
#define KERNELS_FAST_BYTES_H

#include <math.h>

#include "fast_bytes_set.h"
#include "fast_cells.h"
#include "tables.h"

/* ---- a row becomes bytes ---- */

#define LEAST_BITS    ((127 - 100) << 23) /* of 2^-100 */
#define INFINITE_BITS 0x7f800000

ALWAYS_INLINE integers magnitudes(const real *x, size_t lanes)
{
    return (integers)((words)load_lanes(x, lanes) & 0x7fffffffu);
}

/* The bits of magnitudes are in the order of the magnitudes, and NaN is above infinity. */
static byte_note fast_quantize(int8_t *to, const real *from, size_t count)
{
    integers top = {0}, total = {0};
    FOR_VECTORS(count, top = larger(top, magnitudes(from + i, lanes)));
    vector largest = (vector)largest_of(top);
    int32_t bits = ((integers)largest)[0];
    if (bits < LEAST_BITS || bits >= INFINITE_BITS) {
        memset(to, 0, (count + 15) / 16 * 16);
        return (byte_note){bits < LEAST_BITS ? 0 : (real)NAN, 0};
    }
    vector inverse = 127.0f / largest;
    FOR_VECTORS(count, {
        vector shifted = rounded(load_lanes(from + i, lanes) * inverse) + ROUNDING_SHIFT;
        integers bytes = (integers)((words)shifted - (words)splat(ROUNDING_SHIFT));
        store_bytes(to + i, bytes);
        total += bytes;
    });
    for (size_t i = (count + VECTOR_LENGTH - 1) / VECTOR_LENGTH * VECTOR_LENGTH; i % 16 != 0; i++) {
        to[i] = 0;
    }
    byte_note note = {largest[0] / 127.0f, 0};
    for (size_t i = 0; BYTE_OFFSET != 0 && i < VECTOR_LENGTH; i++) {
        note.sum += total[i];
    }
    return note;
}

/* ---- tiles ---- */

/* Some rows of bytes, some vectors of columns of a panel, one slice of K. */
typedef struct byte_tile {
    const unsigned char *w;
    size_t w_row;  /* bytes from one group of rows to the next */
    size_t groups; /* of four */
    const int8_t *b;
    size_t b_row;
    const byte_note *notes; /* one for each row */
    const real *scales;     /* of the columns */
    const real *from;       /* NULL: zero */
    real *to;
    size_t from_row, to_row;
} byte_tile;

typedef void byte_tile_function(const byte_tile *tile);

#define BYTE_MOST 12 /* vectors of a tile */

/* The part of a slice that starts with group g. */
ALWAYS_INLINE void add_group(const size_t rows, const size_t vectors, const unsigned char *w,
                             const int8_t *b, size_t b_row, integers sum[])
{
    byte_values values[BYTE_ROWS];
    UNROLL for (size_t r = 0; r < rows; r++)
    {
        values[r] = values_load(b + r * b_row);
    }
    UNROLL for (size_t v = 0; v < vectors; v++)
    {
        byte_weights weights = weights_load(w + v * VECTOR_BYTES);
        UNROLL for (size_t r = 0; r < rows; r++)
        {
            sum[r * vectors + v] = add_bytes(sum[r * vectors + v], weights, values[r]);
        }
    }
}

/* to = from + sum * (scale of the row * scale of the column), each operation rounded. */
ALWAYS_INLINE void write_sums(const size_t rows, const size_t vectors, const byte_tile *t,
                              const bool starts, const integers sum[])
{
    const real *scales = t->scales, *from = t->from;
    const byte_note *notes = t->notes;
    real *to = t->to;
    size_t from_row = t->from_row, to_row = t->to_row;
    UNROLL for (size_t r = 0; r < rows; r++)
    {
        vector scale = splat(notes[r].scale);
        UNROLL for (size_t v = 0; v < vectors; v++)
        {
            size_t at = v * VECTOR_LENGTH;
            vector factor = rounded(scale * load(scales + at));
            vector product = __builtin_convertvector(sum[r * vectors + v], vector) * factor;
            vector start = starts ? load(from + r * from_row + at) : splat(0);
            store(to + r * to_row + at, start + rounded(product));
        }
    }
}

ALWAYS_INLINE void run_byte_tile(const size_t rows, const size_t vectors, const size_t chains,
                                 const byte_tile *t)
{
    integers sum[2 * BYTE_MOST > 6 * 4 ? 2 * BYTE_MOST : 6 * 4];
    const unsigned char *w = t->w;
    const int8_t *b = t->b;
    size_t groups = t->groups, w_row = t->w_row, b_row = t->b_row;
    UNROLL for (size_t i = 0; i < chains * rows * vectors; i++)
    {
        sum[i] = (integers){0};
    }
    for (; groups >= chains; groups -= chains, b += chains * BYTES_GROUP, w += chains * w_row) {
        UNROLL for (size_t chain = 0; chain < chains; chain++)
        {
            add_group(rows, vectors, w + chain * w_row, b + chain * BYTES_GROUP, b_row,
                      sum + chain * rows * vectors);
        }
    }
    if (chains > 1 && groups > 0) {
        add_group(rows, vectors, w, b, b_row, sum);
    }
    UNROLL for (size_t i = rows * vectors; i < chains * rows * vectors; i++)
    {
        sum[i % (rows * vectors)] += sum[i];
    }
    UNROLL for (size_t i = 0; BYTE_OFFSET != 0 && i < rows * vectors; i++)
    {
        sum[i] -= BYTE_OFFSET * t->notes[i / vectors].sum;
    }
    if (t->from != NULL) {
        write_sums(rows, vectors, t, true, sum);
    } else {
        write_sums(rows, vectors, t, false, sum);
    }
}

#define BYTE_TILE(name, rows, vectors)                                                             \
    static void name(const byte_tile *t)                                                           \
    {                                                                                              \
        run_byte_tile(rows, vectors, BYTE_CHAINS((rows) * (vectors)), t);                          \
    }

BYTE_TILE(byte_row_1, 1, 1)
BYTE_TILE(byte_row_4, 1, 4)
BYTE_TILE(byte_row_8, 1, 8)
BYTE_TILE(byte_row_12, 1, 12)
BYTE_TILE(byte_rows_2_1, 2, 1)
BYTE_TILE(byte_rows_2_4, 2, 4)

/* [vectors - 1]: one row. A library that is to be small has those of whole panels alone; others are
 * cut into pieces there, as several rows are. */
#if LRNN_SMALL
static byte_tile_function *const one_row_tiles[BYTE_MOST] = {
    [0] = byte_row_1, [3] = byte_row_4, [7] = byte_row_8, [11] = byte_row_12};
#else
BYTE_TILE(byte_row_2, 1, 2)
BYTE_TILE(byte_row_3, 1, 3)
BYTE_TILE(byte_row_5, 1, 5)
BYTE_TILE(byte_row_6, 1, 6)
BYTE_TILE(byte_row_7, 1, 7)
BYTE_TILE(byte_row_9, 1, 9)
BYTE_TILE(byte_row_10, 1, 10)
BYTE_TILE(byte_row_11, 1, 11)
static byte_tile_function *const one_row_tiles[BYTE_MOST] = {
    byte_row_1, byte_row_2, byte_row_3, byte_row_4,  byte_row_5,  byte_row_6,
    byte_row_7, byte_row_8, byte_row_9, byte_row_10, byte_row_11, byte_row_12,
};
#endif

/* [rows - 1]: one vector, and four. */
#if defined(__AVX512F__) || defined(__aarch64__)
BYTE_TILE(byte_rows_3_1, 3, 1)
BYTE_TILE(byte_rows_4_1, 4, 1)
BYTE_TILE(byte_rows_5_1, 5, 1)
BYTE_TILE(byte_rows_6_1, 6, 1)
BYTE_TILE(byte_rows_3_4, 3, 4)
BYTE_TILE(byte_rows_4_4, 4, 4)
BYTE_TILE(byte_rows_5_4, 5, 4)
BYTE_TILE(byte_rows_6_4, 6, 4)
static byte_tile_function *const narrow_byte_tiles[BYTE_ROWS] = {
    byte_row_1, byte_rows_2_1, byte_rows_3_1, byte_rows_4_1, byte_rows_5_1, byte_rows_6_1};
static byte_tile_function *const wide_byte_tiles[BYTE_ROWS] = {
    byte_row_4, byte_rows_2_4, byte_rows_3_4, byte_rows_4_4, byte_rows_5_4, byte_rows_6_4};
#elif defined(__AVXVNNI__)
BYTE_TILE(byte_rows_3_1, 3, 1)
BYTE_TILE(byte_rows_3_4, 3, 4)
static byte_tile_function *const narrow_byte_tiles[BYTE_ROWS] = {byte_row_1, byte_rows_2_1,
                                                                 byte_rows_3_1};
static byte_tile_function *const wide_byte_tiles[BYTE_ROWS] = {byte_row_4, byte_rows_2_4,
                                                               byte_rows_3_4};
#else
static byte_tile_function *const narrow_byte_tiles[BYTE_ROWS] = {byte_row_1, byte_rows_2_1};
static byte_tile_function *const wide_byte_tiles[BYTE_ROWS] = {byte_row_4, byte_rows_2_4};
#endif

/* All rows of some vectors of a panel. */
static void run_byte_rows(byte_tile_function *const tiles_of[BYTE_ROWS], const byte_tile *all,
                          size_t rows)
{
    byte_tile t = *all;
    for (size_t left = rows, height; left > 0; left -= height) {
        size_t count = (left + BYTE_ROWS - 1) / BYTE_ROWS;
        height = (left + count - 1) / count;
        tiles_of[height - 1](&t);
        t.b += height * t.b_row;
        t.notes += height;
        t.from = t.from == NULL ? NULL : t.from + height * t.from_row;
        t.to += height * t.to_row;
    }
}

/* `vectors` of a panel and all rows. */
static void run_byte_panel(const byte_tile *all, size_t rows, size_t vectors)
{
    if (rows == 1 && one_row_tiles[vectors - 1] != NULL) {
        one_row_tiles[vectors - 1](all);
        return;
    }
    byte_tile t = *all;
    for (size_t v = 0, step; v < vectors; v += step) {
        step = vectors - v >= 4 ? 4 : 1;
        run_byte_rows(step == 4 ? wide_byte_tiles : narrow_byte_tiles, &t, rows);
        t.w += step * VECTOR_BYTES;
        t.scales += step * VECTOR_LENGTH;
        t.from = t.from == NULL ? NULL : t.from + step * VECTOR_LENGTH;
        t.to += step * VECTOR_LENGTH;
    }
}

/* Where the panel lies that begins with `column`, in the slice that begins with row k of K. */
static void place_panel(byte_tile *t, const packed_matrix *matrix, size_t K, size_t k,
                        size_t column)
{
    const byte_columns *of = matrix->bytes;
    size_t depth = bytes_slice_depth(K, k), left = of->width - column;
    t->w = (const unsigned char *)matrix->data + k * of->width + column * depth;
    t->w_row = (left < of->panel ? left : of->panel) * BYTES_GROUP;
    t->groups = depth / BYTES_GROUP;
    t->scales = of->scales + column;
}

/* ---- a product ---- */

/* Rows that become bytes together. */
#define CHUNK_OF_ROWS ((size_t)12)

/* Columns that do not fill their last vector: what they start from and become goes through whole
 * ones. */
static void run_byte_part(const byte_tile *all, size_t rows, size_t columns)
{
    const size_t width = BYTE_MOST * VECTOR_LENGTH;
    real whole[CHUNK_OF_ROWS * BYTE_MOST * VECTOR_LENGTH];
    byte_tile t = *all;
    for (size_t r = 0; t.from != NULL && r < rows; r++) {
        memcpy(whole + r * width, t.from + r * t.from_row, columns * sizeof(real));
    }
    t.from = t.from == NULL ? NULL : whole;
    t.to = whole;
    t.from_row = t.to_row = width;
    run_byte_panel(&t, rows, (columns + VECTOR_LENGTH - 1) / VECTOR_LENGTH);
    for (size_t r = 0; r < rows; r++) {
        memcpy(all->to + r * all->to_row, whole + r * width, columns * sizeof(real));
    }
}

/* All columns of some rows, one slice. */
static void run_byte_columns(byte_tile *t, const packed_matrix *matrix, size_t rows, size_t N,
                             size_t K, size_t k)
{
    const real *from = t->from;
    real *to = t->to;
    for (size_t n = 0, panel = matrix->bytes->panel; n < N; n += panel) {
        size_t columns = N - n < panel ? N - n : panel;
        place_panel(t, matrix, K, k, matrix->first + n);
        t->from = from == NULL ? NULL : from + n;
        t->to = to + n;
        if (columns % VECTOR_LENGTH == 0) {
            run_byte_panel(t, rows, columns / VECTOR_LENGTH);
        } else {
            run_byte_part(t, rows, columns);
        }
    }
}

static void fast_multiply_bytes(size_t M, size_t N, size_t K, const real *a, size_t a_row,
                                packed_matrix b, const real *from, size_t from_row, real *c,
                                size_t c_row)
{
    int8_t bytes[CHUNK_OF_ROWS * BYTES_SLICE] __attribute__((aligned(64)));
    byte_note notes[CHUNK_OF_ROWS];
    for (size_t k = 0; k == 0 || k < K; k += BYTES_SLICE, from = c, from_row = c_row) {
        size_t depth = K - k < BYTES_SLICE ? K - k : BYTES_SLICE, row = bytes_row(depth);
        for (size_t m = 0, rows; m < M; m += rows) {
            rows = M - m < CHUNK_OF_ROWS ? M - m : CHUNK_OF_ROWS;
            for (size_t r = 0; r < rows; r++) {
                notes[r] = fast_quantize(bytes + r * row, a + (m + r) * a_row + k, depth);
            }
            byte_tile t = {.b = bytes,
                           .b_row = row,
                           .notes = notes,
                           .from = from == NULL ? NULL : from + m * from_row,
                           .from_row = from_row,
                           .to = c + m * c_row,
                           .to_row = c_row};
            run_byte_columns(&t, &b, rows, N, K, k);
        }
    }
}

/* ---- a step ---- */

/* Rows of a step that became bytes: [rows, K], and the notes of each slice, [slices, rows]. */
typedef struct byte_rows {
    int8_t *bytes;
    byte_note *notes;
    size_t K;
} byte_rows;

static void quantize_rows(byte_rows *to, const real *from, size_t row, size_t rows)
{
    for (size_t r = 0; r < rows; r++) {
        for (size_t k = 0; k < to->K; k += BYTES_SLICE) {
            size_t depth = to->K - k < BYTES_SLICE ? to->K - k : BYTES_SLICE;
            to->notes[k / BYTES_SLICE * BYTES_STEP_ROWS + r] =
                fast_quantize(to->bytes + r * bytes_row(to->K) + k, from + r * row + k, depth);
        }
    }
}

/* gates = from + the product with the block's columns. One row of a whole block, of `whole`
 * vectors, goes without calls. */
ALWAYS_INLINE void add_block(const block *of, const size_t whole, size_t vectors,
                             const packed_matrix *matrix, const byte_rows *rows, const real *from,
                             size_t from_row, real *gates)
{
    byte_tile t = {.b_row = bytes_row(rows->K), .to = gates, .to_row = BLOCK_WIDTH};
    for (size_t k = 0; k < rows->K; k += BYTES_SLICE) {
        place_panel(&t, matrix, rows->K, k, of->column);
        t.b = rows->bytes + k;
        t.notes = rows->notes + k / BYTES_SLICE * BYTES_STEP_ROWS;
        t.from = k == 0 ? from : gates;
        t.from_row = k == 0 ? from_row : BLOCK_WIDTH;
        if (of->rows == 1 && vectors == whole) {
            run_byte_tile(1, whole, BYTE_CHAINS(whole), &t);
        } else {
            run_byte_panel(&t, of->rows, vectors);
        }
    }
}

ALWAYS_INLINE void byte_sums(const cell_step *s, const block *of, size_t G, const size_t whole,
                             const size_t apart, const byte_rows *x, const byte_rows *h,
                             block_sums *to)
{
    const real *from = s->start + of->row * s->start_row + of->column;
    size_t from_row = s->start_row, vectors = of->tiles * G;
    if (x->K > 0) {
        add_block(of, whole, vectors, &s->input, x, from, from_row, to->gates);
        from = to->gates;
        from_row = BLOCK_WIDTH;
    } else if (apart > 0) {
        for (size_t r = 0; r < of->rows; r++) {
            memcpy(to->gates + r * BLOCK_WIDTH, from + r * from_row, vectors * VECTOR_BYTES);
        }
        from = to->gates;
        from_row = BLOCK_WIDTH;
    }
    if (apart > 0) {
        part_last_gate(s, of, apart, to);
    }
    add_block(of, whole, vectors, &s->hidden, h, from, from_row, to->gates);
}

/* `whole`: vectors of a whole block. */
ALWAYS_INLINE void run_byte_step(const cell_step *s, size_t G, const size_t whole,
                                 const size_t apart, apply_function *apply)
{
    block_sums with;
    const size_t each = whole / G * VECTOR_LENGTH;
    size_t count = (s->H + each - 1) / each;
    byte_rows h = {s->scratch, NULL, s->R}, x = {.K = s->inputs};
    x.bytes = h.bytes + BYTES_STEP_ROWS * bytes_row(h.K);
    h.notes = (byte_note *)(void *)(x.bytes + BYTES_STEP_ROWS * bytes_row(x.K));
    x.notes = h.notes + BYTES_STEP_ROWS * bytes_slices(h.K);
    for (size_t row = 0, rows; row < s->rows; row += rows) {
        rows = s->rows - row < BYTES_STEP_ROWS ? s->rows - row : BYTES_STEP_ROWS;
        quantize_rows(&h, s->h + row * s->h_row, s->h_row, rows);
        if (x.K > 0) {
            quantize_rows(&x, s->x + row * s->x_row, s->x_row, rows);
        }
        for (size_t i = 0; i < count; i++) {
            block of = block_at(s, G, (s->last_first ? count - 1 - i : i) * each);
            of.rows = rows;
            of.row = row;
            byte_sums(s, &of, G, whole, apart, &x, &h, &with);
            apply(s, &of, &with);
        }
    }
}

/* Cells whose whole blocks are as wide are one function: it is large. */
#define WHOLE_BLOCK (BLOCK_TILES(1) * 1)
_Static_assert(BLOCK_TILES(4) * 4 == WHOLE_BLOCK, "LSTM's blocks are as wide as RNN's");

ONE_COPY void byte_step(const cell_step *s, size_t G, apply_function *apply)
{
    run_byte_step(s, G, WHOLE_BLOCK, 0, apply);
}

static void fast_rnn_tanh_byte_step(const cell_step *s)
{
    byte_step(s, 1, apply_rnn_tanh);
}

static void fast_rnn_relu_byte_step(const cell_step *s)
{
    byte_step(s, 1, apply_rnn_relu);
}

static void fast_lstm_byte_step(const cell_step *s)
{
    byte_step(s, 4, apply_lstm);
}

static void fast_gru_byte_step(const cell_step *s)
{
    run_byte_step(s, 3, BLOCK_TILES(3) * 3, 3, apply_gru);
}

_Static_assert(BYTES_STEP_ROWS == BLOCK_ROWS, "the rows of a block");

const byte_kernels KERNEL_BYTES = {
    .offset = BYTE_OFFSET,
    .quantize = fast_quantize,
    .multiply = fast_multiply_bytes,
    .steps = {[LRNN_CELL_RNN_TANH] = fast_rnn_tanh_byte_step,
              [LRNN_CELL_RNN_RELU] = fast_rnn_relu_byte_step,
              [LRNN_CELL_LSTM] = fast_lstm_byte_step,
              [LRNN_CELL_GRU] = fast_gru_byte_step},
};

#endif
