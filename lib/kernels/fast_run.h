/* Runs of steps of one row through a small layer, where a step of fast_step.h would mostly go about
 * its blocks: the state stays in vectors of its own, padded to whole ones, and the pre-activations
 * of a block in registers until the cell has them. The chain of an output is the same. */
#ifndef KERNELS_FAST_RUN_H
#define KERNELS_FAST_RUN_H

#include "fast_few.h"
#include "fast_step.h"

#define RUN_UNITS      64
#define RUN_MOST_TILES (RUN_UNITS / VECTOR_LENGTH)

/* Old processors, and a library that is to be small, do without: a run is most of the code of a
 * cell. */
#if LRNN_SMALL || (VECTOR_LENGTH == 4 && defined(__x86_64__))
#define HAS_RUNS 0
#else
#define HAS_RUNS 1
#endif

/* What a run keeps: c, and h of this step and the next by turns. What is past the units is never
 * read as h, and harms nobody in c. */
typedef struct run_state {
    real h[2][RUN_UNITS] __attribute__((aligned(64)));
    real c[RUN_UNITS] __attribute__((aligned(64)));
} run_state;

/* The first `lanes` values in pieces of powers of two, where loads of whole vectors or of parts of
 * them follow soon: processors pass on what whole instructions stored, not what a mask did. */
#define COPY_PIECE(piece)                                                                          \
    do {                                                                                           \
        if (VECTOR_LENGTH > (piece) && (lanes & (piece)) != 0) {                                   \
            memcpy(to, from, (piece) * sizeof(real));                                              \
            to += (piece);                                                                         \
            from += (piece);                                                                       \
        }                                                                                          \
    } while (0)

ALWAYS_INLINE void copy_pieces(real *to, const real *from, size_t lanes)
{
    COPY_PIECE(8);
    COPY_PIECE(4);
    COPY_PIECE(2);
    COPY_PIECE(1);
}

/* Not a call of memcpy, which takes longer than a few vectors do. */
#define STAYS_A_LOOP __asm__ volatile("")

ALWAYS_INLINE void copy_units(real *to, const real *from, size_t H)
{
    size_t whole = H / VECTOR_LENGTH * VECTOR_LENGTH;
    for (size_t i = 0; i < whole; i += VECTOR_LENGTH) {
        store(to + i, load(from + i));
        STAYS_A_LOOP;
    }
    copy_pieces(to + whole, from + whole, H - whole);
}

ALWAYS_INLINE void take_units(real *to, const real *from, size_t H)
{
    size_t i = 0;
    for (; i + VECTOR_LENGTH <= H; i += VECTOR_LENGTH) {
        store(to + i, load(from + i));
        STAYS_A_LOOP;
    }
    if (i < H) {
        store(to + i, load_lanes(from + i, H - i));
    }
}

/* The products of one value with a row of panels: of the columns of `vectors` vectors. */
ALWAYS_INLINE void add_value(const size_t vectors, size_t K, const real *b, real value,
                             vector sum[BLOCK_VECTORS])
{
    vector all = splat(value);
    UNROLL for (size_t v = 0; v < vectors; v++)
    {
        const real *at = b + v / PANEL_VECTORS * K * PANEL + v % PANEL_VECTORS * VECTOR_LENGTH;
        sum[v] = multiply_add(all, load(at), sum[v]);
    }
}

/* What the steps of a run do not change, in one place that stores cannot reach, and what one step
 * reads. */
typedef struct run_parts {
    size_t H, inputs;
    const real *input, *hidden, *hidden_bias;
    const real *start, *x, *h; /* of this step */
} run_parts;

/* `count` tiles of units from `tile` on, which begin a panel. */
ALWAYS_INLINE void run_tiles(const run_parts s, const size_t G, const size_t apart,
                             const size_t count, cell_function *cell, size_t tile, run_state *state,
                             size_t now)
{
    const size_t vectors = count * G, column = tile * G * VECTOR_LENGTH;
    const real *input = s.inputs > 0 ? s.input + column * s.inputs : NULL;
    const real *hidden = s.hidden + column * s.H;
    vector sum[BLOCK_VECTORS];
    real gates[BLOCK_WIDTH] __attribute__((aligned(64)));
    real kept[BLOCK_MOST_TILES * VECTOR_LENGTH] __attribute__((aligned(64)));
    UNROLL for (size_t v = 0; v < vectors; v++)
    {
        sum[v] = load(s.start + column + v * VECTOR_LENGTH);
    }
    for (size_t p = 0; p < s.inputs; p++) {
        add_value(vectors, s.inputs, input + p * PANEL, s.x[p], sum);
    }
    UNROLL for (size_t v = 0; v < vectors; v++)
    {
        if (apart > 0 && v % G == G - 1) {
            store(kept + v / G * VECTOR_LENGTH, sum[v]);
            sum[v] = load(s.hidden_bias + column + v * VECTOR_LENGTH);
        }
    }
    for (size_t p = 0; p < s.H; p++) {
        add_value(vectors, s.H, hidden + p * PANEL, s.h[p], sum);
    }
    UNROLL for (size_t v = 0; v < vectors; v++)
    {
        store(gates + v * VECTOR_LENGTH, sum[v]);
    }
    UNROLL for (size_t i = 0; i < count; i += BLOCK_MOST)
    {
        const size_t at = (tile + i) * VECTOR_LENGTH;
        const units of = {
            .gates = gates + i * G * VECTOR_LENGTH,
            .apart = kept + i * VECTOR_LENGTH,
            .c = state->c + at,
            .h = state->h[now] + at,
            .h_next = state->h[1 - now] + at,
            .gates_step = G * VECTOR_LENGTH,
            .apart_step = VECTOR_LENGTH,
            .c_step = VECTOR_LENGTH,
            .h_step = VECTOR_LENGTH,
            .h_next_step = VECTOR_LENGTH,
        };
        cell(&of, count - i < BLOCK_MOST ? count - i : BLOCK_MOST, VECTOR_LENGTH);
    }
}

/* As many tiles at once as keep both multipliers busy and have their sums in registers: 4, 3, 2
 * or 1.
 */
ALWAYS_INLINE size_t tiles_at_once(const size_t G, size_t left)
{
    const size_t most = BLOCK_TILES(G) < 4 ? BLOCK_TILES(G) : 4;
    return left >= most && left != 3 ? most : left;
}

ALWAYS_INLINE void run_block(const run_parts s, const size_t G, const size_t apart,
                             cell_function *cell, size_t tile, size_t count, run_state *state,
                             size_t now)
{
    const size_t most = BLOCK_TILES(G) < 4 ? BLOCK_TILES(G) : 4;
    if (most == 4 && count == 4) {
        run_tiles(s, G, apart, most, cell, tile, state, now);
    } else if (count == 3) {
        run_tiles(s, G, apart, 3, cell, tile, state, now);
    } else if (count == 2) {
        run_tiles(s, G, apart, 2, cell, tile, state, now);
    } else {
        run_tiles(s, G, apart, 1, cell, tile, state, now);
    }
}

/* first[i]: the tile that block i begins with; returns how many there are. */
ALWAYS_INLINE size_t run_blocks(const size_t G, size_t H, size_t first[RUN_MOST_TILES + 1])
{
    size_t blocks = 0, last = (H + VECTOR_LENGTH - 1) / VECTOR_LENGTH;
    for (first[0] = 0; first[blocks] < last; blocks++) {
        first[blocks + 1] = first[blocks] + tiles_at_once(G, last - first[blocks]);
    }
    return blocks;
}

ALWAYS_INLINE void run_head(const cell_step *s, const real *h, real *outputs)
{
    size_t column = few_column(s->H);
    for (size_t i = 0; i < s->head_size; i++) {
        outputs[i] = few_product(s->H, h, s->head + i * column) + s->head_bias[i];
    }
}

ALWAYS_INLINE void run_steps(const cell_step *given, const size_t G, const size_t apart,
                             cell_function *cell)
{
    run_state state;
    run_parts s = {given->H,           given->inputs, given->input.data, given->hidden.data,
                   given->hidden_bias, given->start,  given->x,          given->h};
    size_t first[RUN_MOST_TILES + 1], blocks = run_blocks(G, s.H, first), now = 0;
    real *h_next = given->h_next, *outputs = given->outputs;
    bool last_first = given->last_first;
    take_units(state.h[0], s.h, s.H);
    if (given->c != NULL) {
        take_units(state.c, given->c, s.H);
    }
    for (size_t left = given->steps;;) {
        for (size_t i = 0; i < blocks; i++) {
            size_t at = last_first ? blocks - 1 - i : i;
            run_block(s, G, apart, cell, first[at], first[at + 1] - first[at], &state, now);
        }
        now = 1 - now;
        copy_units(h_next, state.h[now], s.H);
        if (outputs != NULL) {
            run_head(given, state.h[now], outputs);
            outputs += given->outputs_step;
        }
        if (--left == 0) {
            break;
        }
        last_first = !last_first;
        s.h = state.h[now];
        s.start += given->start_step;
        s.x = s.inputs > 0 ? s.x + given->x_step : NULL;
        h_next += given->h_next_step;
    }
    if (given->c != NULL) {
        copy_units(given->c, state.c, s.H);
    }
}

/* See cell_kernels. */
#if HAS_RUNS
#define FAST_RUN(name, cell, G, apart)                                                             \
    _Static_assert(3 * (G) <= BLOCK_VECTORS && BLOCK_TILES(G) * (G) % PANEL_VECTORS == 0 &&        \
                       (G > 1 || 4 % PANEL_VECTORS == 0) && RUN_UNITS % VECTOR_LENGTH == 0,        \
                   "blocks fit the registers and begin where panels do");                          \
    static void fast_##name##_run(const cell_step *s)                                              \
    {                                                                                              \
        run_steps(s, G, apart, cell);                                                              \
    }
#define FAST_RUN_OF(name) fast_##name##_run
#else
#define FAST_RUN(name, cell, G, apart)
#define FAST_RUN_OF(name) NULL
#endif

#endif
