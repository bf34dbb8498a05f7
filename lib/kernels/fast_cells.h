/* The cells: forward, backward and the end of a step; equations in cells.c. One function does a
 * block of hidden units of one row. What a loop reads of a pass is copied before it: the compiler
 * must suppose that a vector that is stored changes the struct. */
#ifndef KERNELS_FAST_CELLS_H
#define KERNELS_FAST_CELLS_H

#include "fast_run.h"

/* The slopes of sigmoid and tanh where they have the value x. */
ALWAYS_INLINE vector sigmoid_slope(vector x)
{
    return x * (1.0f - x);
}

ALWAYS_INLINE vector tanh_slope(vector x)
{
    return 1.0f - x * x;
}

/* ---- RNN ---- */

ALWAYS_INLINE void rnn_tanh_block(real *a, real *h, const size_t count, size_t lanes)
{
    vector y[EACH_MOST];
    load_each(count, y, a, lanes);
    tanh_each(count, y);
    store_each(count, a, y, lanes);
    store_each(count, h, y, lanes);
}

static void fast_rnn_tanh_forward(const cell_pass *p)
{
    size_t H = p->H;
    for (size_t row = 0; row < p->rows; row++) {
        real *a = p->gates + row * H, *h = p->h_after + row * p->h_after_row;
        FOR_BLOCKS(H, rnn_tanh_block(a + i, h + i, count, lanes));
    }
}

ALWAYS_INLINE void rnn_relu_unit(real *a, real *h, size_t lanes)
{
    vector y = maximum(splat(0), load_lanes(a, lanes));
    store_lanes(a, y, lanes);
    store_lanes(h, y, lanes);
}

static void fast_rnn_relu_forward(const cell_pass *p)
{
    size_t H = p->H;
    for (size_t row = 0; row < p->rows; row++) {
        real *a = p->gates + row * H, *h = p->h_after + row * p->h_after_row;
        FOR_VECTORS(H, rnn_relu_unit(a + i, h + i, lanes));
    }
}

ALWAYS_INLINE void rnn_tanh_back(real *h, const real *dh, size_t lanes)
{
    vector y = load_lanes(h, lanes);
    vector gradient = load_lanes(dh, lanes);
    store_lanes(h, gradient * tanh_slope(y), lanes);
}

static void fast_rnn_tanh_backward(const cell_pass *p)
{
    size_t count = p->rows * p->H;
    real *h = p->gates;
    const real *dh = p->dh;
    FOR_VECTORS(count, rnn_tanh_back(h + i, dh + i, lanes));
}

ALWAYS_INLINE void rnn_tanh_cell(const units *of, const size_t count, size_t lanes)
{
    vector y[EACH_MOST];
    load_apart(count, y, of->gates, of->gates_step, VECTOR_LENGTH);
    tanh_each(count, y);
    store_apart(count, of->h_next, y, of->h_next_step, lanes);
}

FAST_STEP(rnn_tanh, rnn_tanh_cell, 1, 0)
FAST_RUN(rnn_tanh, rnn_tanh_cell, 1, 0)

ALWAYS_INLINE void rnn_relu_back(real *h, const real *dh, size_t lanes)
{
    vector y = load_lanes(h, lanes);
    store_lanes(h, where((integers)(y > 0.0f), load_lanes(dh, lanes)), lanes);
}

static void fast_rnn_relu_backward(const cell_pass *p)
{
    size_t count = p->rows * p->H;
    real *h = p->gates;
    const real *dh = p->dh;
    FOR_VECTORS(count, rnn_relu_back(h + i, dh + i, lanes));
}

ALWAYS_INLINE void rnn_relu_cell(const units *of, const size_t count, size_t lanes)
{
    vector y[EACH_MOST];
    load_apart(count, y, of->gates, of->gates_step, VECTOR_LENGTH);
    EACH y[i] = maximum(splat(0), y[i]);
    store_apart(count, of->h_next, y, of->h_next_step, lanes);
}

FAST_STEP(rnn_relu, rnn_relu_cell, 1, 0)
FAST_RUN(rnn_relu, rnn_relu_cell, 1, 0)

/* ---- LSTM ---- */

/* Where the vectors of a block lie: the next gate of a unit, the next vector of a gate, of c, of h.
 */
typedef struct lstm_strides {
    size_t gate, gates, c, h;
} lstm_strides;

/* keep: the activated gates replace what they were made of; else gates has whole vectors. */
ALWAYS_INLINE void lstm_block(const lstm_strides at, const bool keep, real *gates, const real *c,
                              real *c_next, real *tanh_c, real *h, const size_t count, size_t lanes)
{
    vector in[EACH_MOST], candidate[EACH_MOST], next[EACH_MOST], gate[EACH_MOST];
    const size_t gate_lanes = keep ? lanes : VECTOR_LENGTH;
    load_apart(count, in, gates, at.gates, gate_lanes);
    sigmoid_each(count, in);
    load_apart(count, candidate, gates + 2 * at.gate, at.gates, gate_lanes);
    tanh_each(count, candidate);
    load_apart(count, gate, gates + at.gate, at.gates, gate_lanes);
    sigmoid_each(count, gate);
    if (keep) {
        store_apart(count, gates, in, at.gates, lanes);
        store_apart(count, gates + 2 * at.gate, candidate, at.gates, lanes);
        store_apart(count, gates + at.gate, gate, at.gates, lanes);
    }

    load_apart(count, next, c, at.c, lanes);
    EACH next[i] = gate[i] * next[i] + rounded(in[i] * candidate[i]);
    store_apart(count, c_next, next, at.c, lanes);
    tanh_each(count, next);
    if (tanh_c != NULL) {
        store_apart(count, tanh_c, next, at.c, lanes);
    }

    load_apart(count, gate, gates + 3 * at.gate, at.gates, gate_lanes);
    sigmoid_each(count, gate);
    if (keep) {
        store_apart(count, gates + 3 * at.gate, gate, at.gates, lanes);
    }
    EACH gate[i] = gate[i] * next[i];
    store_apart(count, h, gate, at.h, lanes);
}

static void fast_lstm_forward(const cell_pass *p)
{
    size_t H = p->H;
    const lstm_strides at = {H, VECTOR_LENGTH, VECTOR_LENGTH, VECTOR_LENGTH};
    for (size_t row = 0; row < p->rows; row++) {
        real *gates = p->gates + row * 4 * H, *h = p->h_after + row * p->h_after_row;
        real *squashed = p->tanh_c == NULL ? NULL : p->tanh_c + row * H;
        const real *c = p->c_before + row * H;
        real *c_next = p->c_after + row * H;
        FOR_BLOCKS(H, lstm_block(at, true, gates + i, c + i, c_next + i,
                                 squashed == NULL ? NULL : squashed + i, h + i, count, lanes));
    }
}

ALWAYS_INLINE void lstm_back(size_t H, real *gates, const real *c, const real *tanh_c,
                             const real *dh, real *dc, size_t lanes)
{
    vector i = load_lanes(gates, lanes), f = load_lanes(gates + H, lanes);
    vector g = load_lanes(gates + 2 * H, lanes), o = load_lanes(gates + 3 * H, lanes);
    vector squashed = load_lanes(tanh_c, lanes), from_h = load_lanes(dh, lanes);
    vector before = load_lanes(c, lanes), cell = load_lanes(dc, lanes);
    cell = from_h * o * tanh_slope(squashed) + cell;
    store_lanes(dc, cell * f, lanes);
    store_lanes(gates, cell * g * sigmoid_slope(i), lanes);
    store_lanes(gates + H, cell * before * sigmoid_slope(f), lanes);
    store_lanes(gates + 2 * H, cell * i * tanh_slope(g), lanes);
    store_lanes(gates + 3 * H, from_h * squashed * sigmoid_slope(o), lanes);
}

static void fast_lstm_backward(const cell_pass *p)
{
    size_t H = p->H;
    for (size_t row = 0; row < p->rows; row++) {
        real *gates = p->gates + row * 4 * H, *dc = p->dc + row * H;
        const real *c = p->c_before + row * H, *tanh_c = p->tanh_c + row * H;
        const real *dh = p->dh + row * H;
        FOR_VECTORS(H, lstm_back(H, gates + i, c + i, tanh_c + i, dh + i, dc + i, lanes));
    }
}

ALWAYS_INLINE void lstm_cell(const units *of, const size_t count, size_t lanes)
{
    const lstm_strides at = {VECTOR_LENGTH, of->gates_step, of->c_step, of->h_next_step};
    lstm_block(at, false, of->gates, of->c, of->c, NULL, of->h_next, count, lanes);
}

FAST_STEP(lstm, lstm_cell, 4, 0)
FAST_RUN(lstm, lstm_cell, 4, 0)

/* ---- GRU ---- */

/* The gates r or z. */
ALWAYS_INLINE void gru_gate(const size_t count, vector gate[EACH_MOST], real *x, const real *s,
                            size_t lanes)
{
    vector from_h[EACH_MOST];
    load_each(count, gate, x, lanes);
    load_each(count, from_h, s, lanes);
    EACH gate[i] = gate[i] + from_h[i];
    sigmoid_each(count, gate);
    store_each(count, x, gate, lanes);
}

ALWAYS_INLINE void gru_block(size_t H, real *x, const real *s, const real *h_previous, real *h,
                             const size_t count, size_t lanes)
{
    vector n[EACH_MOST], from_h[EACH_MOST], gate[EACH_MOST], before[EACH_MOST];
    gru_gate(count, gate, x, s, lanes);
    load_each(count, n, x + 2 * H, lanes);
    load_each(count, from_h, s + 2 * H, lanes);
    EACH n[i] = gate[i] * from_h[i] + n[i];
    tanh_each(count, n);
    store_each(count, x + 2 * H, n, lanes);

    gru_gate(count, gate, x + H, s + H, lanes);
    load_each(count, before, h_previous, lanes);
    EACH n[i] = gate[i] * (before[i] - n[i]) + n[i]; /* (1 - z) n + z h */
    store_each(count, h, n, lanes);
}

static void fast_gru_forward(const cell_pass *p)
{
    size_t H = p->H;
    for (size_t row = 0; row < p->rows; row++) {
        real *x = p->gates + row * 3 * H, *after = p->h_after + row * p->h_after_row;
        const real *s = p->hidden + row * 3 * H, *before = p->h_before + row * p->h_before_row;
        FOR_BLOCKS_OF(2, H, gru_block(H, x + i, s + i, before + i, after + i, count, lanes));
    }
}

ALWAYS_INLINE void gru_back(size_t H, real *x, real *s, const real *h_previous, real *dh,
                            size_t lanes)
{
    vector r = load_lanes(x, lanes), z = load_lanes(x + H, lanes);
    vector n = load_lanes(x + 2 * H, lanes), gradient = load_lanes(dh, lanes);
    vector before = load_lanes(h_previous, lanes), from_h = load_lanes(s + 2 * H, lanes);
    vector dz = gradient * (before - n) * sigmoid_slope(z);
    vector dn = gradient * (1.0f - z) * tanh_slope(n);
    vector dr = dn * from_h * sigmoid_slope(r);
    store_lanes(dh, gradient * z, lanes);
    store_lanes(x, dr, lanes);
    store_lanes(x + H, dz, lanes);
    store_lanes(x + 2 * H, dn, lanes);
    store_lanes(s, dr, lanes);
    store_lanes(s + H, dz, lanes);
    store_lanes(s + 2 * H, dn * r, lanes);
}

static void fast_gru_backward(const cell_pass *p)
{
    size_t H = p->H;
    for (size_t row = 0; row < p->rows; row++) {
        real *x = p->gates + row * 3 * H, *s = p->hidden + row * 3 * H, *dh = p->dh + row * H;
        const real *before = p->h_before + row * p->h_before_row;
        FOR_VECTORS(H, gru_back(H, x + i, s + i, before + i, dh + i, lanes));
    }
}

/* As gru_forward, but r and z have their h part already. */
ALWAYS_INLINE void gru_cell(const units *of, const size_t count, size_t lanes)
{
    vector n[EACH_MOST], from_h[EACH_MOST], gate[EACH_MOST], before[EACH_MOST];
    load_apart(count, gate, of->gates, of->gates_step, VECTOR_LENGTH);
    load_apart(count, from_h, of->gates + 2 * VECTOR_LENGTH, of->gates_step, VECTOR_LENGTH);
    load_apart(count, n, of->apart, of->apart_step, VECTOR_LENGTH);
    sigmoid_each(count, gate);
    EACH n[i] = gate[i] * from_h[i] + n[i];
    tanh_each(count, n);
    load_apart(count, gate, of->gates + VECTOR_LENGTH, of->gates_step, VECTOR_LENGTH);
    sigmoid_each(count, gate);
    load_apart(count, before, of->h, of->h_step, lanes);
    EACH n[i] = gate[i] * (before[i] - n[i]) + n[i]; /* (1 - z) n + z h */
    store_apart(count, of->h_next, n, of->h_next_step, lanes);
}

FAST_STEP(gru, gru_cell, 3, 3)
FAST_RUN(gru, gru_cell, 3, 3)

/* ---- all of them ---- */

#define FAST_CELL(name)                                                                            \
    {                                                                                              \
        IN_TRAINING(fast_##name##_forward), IN_TRAINING(fast_##name##_backward),                   \
            fast_##name##_step, FAST_RUN_OF(name)                                                  \
    }

#define FAST_CELLS                                                                                 \
    {                                                                                              \
        [LRNN_CELL_RNN_TANH] = FAST_CELL(rnn_tanh), [LRNN_CELL_RNN_RELU] = FAST_CELL(rnn_relu),    \
        [LRNN_CELL_LSTM] = FAST_CELL(lstm), [LRNN_CELL_GRU] = FAST_CELL(gru)                       \
    }

#endif
