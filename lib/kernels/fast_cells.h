/* The cells, forward and backward; equations in kernels.h. One function does a vector of hidden
 * units of one row, its last part too: `lanes` units are there. */
#ifndef KERNELS_FAST_CELLS_H
#define KERNELS_FAST_CELLS_H

#include "functions.h"

/* Calls a function of (k, lanes) for all hidden units k of a row; the call with a constant number
 * of lanes is compiled without masks. */
#define FOR_UNITS(H, call)                                                                         \
    do {                                                                                           \
        size_t k = 0;                                                                              \
        for (; k + VECTOR_LENGTH <= (H); k += VECTOR_LENGTH) {                                     \
            const size_t lanes = VECTOR_LENGTH;                                                    \
            call;                                                                                  \
        }                                                                                          \
        if (k < (H)) {                                                                             \
            const size_t lanes = (H)-k;                                                            \
            call;                                                                                  \
        }                                                                                          \
    } while (0)

/* The slope of sigmoid and of tanh where they have the value x. */
ALWAYS_INLINE vector sigmoid_slope(vector x)
{
    return x * (1.0f - x);
}

ALWAYS_INLINE vector tanh_slope(vector x)
{
    return 1.0f - x * x;
}

/* ---- RNN ---- */

ALWAYS_INLINE void rnn_tanh_unit(real *a, real *h, size_t lanes)
{
    vector y = vector_tanh(load_lanes(a, lanes));
    store_lanes(a, y, lanes);
    store_lanes(h, y, lanes);
}

static void rnn_tanh_forward(size_t rows, size_t H, real *a, real *h, size_t h_row)
{
    for (size_t row = 0; row < rows; row++, a += H, h += h_row) {
        FOR_UNITS(H, rnn_tanh_unit(a + k, h + k, lanes));
    }
}

ALWAYS_INLINE void rnn_relu_unit(real *a, real *h, size_t lanes)
{
    vector y = maximum(splat(0), load_lanes(a, lanes));
    store_lanes(a, y, lanes);
    store_lanes(h, y, lanes);
}

static void rnn_relu_forward(size_t rows, size_t H, real *a, real *h, size_t h_row)
{
    for (size_t row = 0; row < rows; row++, a += H, h += h_row) {
        FOR_UNITS(H, rnn_relu_unit(a + k, h + k, lanes));
    }
}

ALWAYS_INLINE void rnn_tanh_back(real *h, const real *dh, size_t lanes)
{
    vector y = load_lanes(h, lanes);
    store_lanes(h, load_lanes(dh, lanes) * tanh_slope(y), lanes);
}

static void rnn_tanh_backward(size_t rows, size_t H, real *h, const real *dh)
{
    FOR_UNITS(rows * H, rnn_tanh_back(h + k, dh + k, lanes));
}

ALWAYS_INLINE void rnn_relu_back(real *h, const real *dh, size_t lanes)
{
    vector y = load_lanes(h, lanes);
    store_lanes(h, where((integers)(y > 0.0f), load_lanes(dh, lanes)), lanes);
}

static void rnn_relu_backward(size_t rows, size_t H, real *h, const real *dh)
{
    FOR_UNITS(rows * H, rnn_relu_back(h + k, dh + k, lanes));
}

/* ---- LSTM ---- */

ALWAYS_INLINE void lstm_unit(size_t H, real *gates, const real *c, real *c_next, real *tanh_c,
                             real *h, size_t lanes)
{
    vector i = vector_sigmoid(load_lanes(gates, lanes));
    vector f = vector_sigmoid(load_lanes(gates + H, lanes));
    vector g = vector_tanh(load_lanes(gates + 2 * H, lanes));
    vector o = vector_sigmoid(load_lanes(gates + 3 * H, lanes));
    vector next = f * load_lanes(c, lanes) + rounded(i * g);
    vector squashed = vector_tanh(next);
    store_lanes(gates, i, lanes);
    store_lanes(gates + H, f, lanes);
    store_lanes(gates + 2 * H, g, lanes);
    store_lanes(gates + 3 * H, o, lanes);
    store_lanes(c_next, next, lanes);
    if (tanh_c != NULL) {
        store_lanes(tanh_c, squashed, lanes);
    }
    store_lanes(h, o * squashed, lanes);
}

static void lstm_forward(size_t rows, size_t H, real *gates, const real *c, real *c_next,
                         real *tanh_c, real *h, size_t h_row)
{
    for (size_t row = 0; row < rows; row++, gates += 4 * H, c += H, c_next += H, h += h_row) {
        real *squashed = tanh_c == NULL ? NULL : tanh_c + row * H;
        FOR_UNITS(H, lstm_unit(H, gates + k, c + k, c_next + k,
                               squashed == NULL ? NULL : squashed + k, h + k, lanes));
    }
}

ALWAYS_INLINE void lstm_back(size_t H, real *gates, const real *c, const real *tanh_c,
                             const real *dh, real *dc, size_t lanes)
{
    vector i = load_lanes(gates, lanes), f = load_lanes(gates + H, lanes);
    vector g = load_lanes(gates + 2 * H, lanes), o = load_lanes(gates + 3 * H, lanes);
    vector squashed = load_lanes(tanh_c, lanes), from_h = load_lanes(dh, lanes);
    vector cell = from_h * o * tanh_slope(squashed) + load_lanes(dc, lanes);
    store_lanes(dc, cell * f, lanes);
    store_lanes(gates, cell * g * sigmoid_slope(i), lanes);
    store_lanes(gates + H, cell * load_lanes(c, lanes) * sigmoid_slope(f), lanes);
    store_lanes(gates + 2 * H, cell * i * tanh_slope(g), lanes);
    store_lanes(gates + 3 * H, from_h * squashed * sigmoid_slope(o), lanes);
}

static void lstm_backward(size_t rows, size_t H, real *gates, const real *c, const real *tanh_c,
                          const real *dh, real *dc)
{
    for (size_t row = 0; row < rows; row++, gates += 4 * H) {
        size_t at = row * H;
        FOR_UNITS(H, lstm_back(H, gates + k, c + at + k, tanh_c + at + k, dh + at + k, dc + at + k,
                               lanes));
    }
}

/* ---- GRU ---- */

ALWAYS_INLINE void gru_unit(size_t H, real *x, const real *s, const real *h_previous, real *h,
                            size_t lanes)
{
    vector r = vector_sigmoid(load_lanes(x, lanes) + load_lanes(s, lanes));
    vector z = vector_sigmoid(load_lanes(x + H, lanes) + load_lanes(s + H, lanes));
    vector n = vector_tanh(r * load_lanes(s + 2 * H, lanes) + load_lanes(x + 2 * H, lanes));
    vector before = load_lanes(h_previous, lanes);
    store_lanes(x, r, lanes);
    store_lanes(x + H, z, lanes);
    store_lanes(x + 2 * H, n, lanes);
    store_lanes(h, z * (before - n) + n, lanes); /* (1 - z) n + z h */
}

static void gru_forward(size_t rows, size_t H, real *x, const real *s, const real *h_previous,
                        size_t h_previous_row, real *h, size_t h_row)
{
    for (size_t row = 0; row < rows; row++, x += 3 * H, s += 3 * H) {
        const real *before = h_previous + row * h_previous_row;
        real *after = h + row * h_row;
        FOR_UNITS(H, gru_unit(H, x + k, s + k, before + k, after + k, lanes));
    }
}

ALWAYS_INLINE void gru_back(size_t H, real *x, real *s, const real *h_previous, real *dh,
                            size_t lanes)
{
    vector r = load_lanes(x, lanes), z = load_lanes(x + H, lanes);
    vector n = load_lanes(x + 2 * H, lanes), gradient = load_lanes(dh, lanes);
    vector dz = gradient * (load_lanes(h_previous, lanes) - n) * sigmoid_slope(z);
    vector dn = gradient * (1.0f - z) * tanh_slope(n);
    vector dr = dn * load_lanes(s + 2 * H, lanes) * sigmoid_slope(r);
    store_lanes(dh, gradient * z, lanes);
    store_lanes(x, dr, lanes);
    store_lanes(x + H, dz, lanes);
    store_lanes(x + 2 * H, dn, lanes);
    store_lanes(s, dr, lanes);
    store_lanes(s + H, dz, lanes);
    store_lanes(s + 2 * H, dn * r, lanes);
}

static void gru_backward(size_t rows, size_t H, real *x, real *s, const real *h_previous,
                         size_t h_previous_row, real *dh)
{
    for (size_t row = 0; row < rows; row++, x += 3 * H, s += 3 * H, dh += H) {
        const real *before = h_previous + row * h_previous_row;
        FOR_UNITS(H, gru_back(H, x + k, s + k, before + k, dh + k, lanes));
    }
}

#endif
