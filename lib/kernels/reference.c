/* The reference table: plain loops, libm, one product at a time. What the fast tables are tested
 * against, and the only one in double precision. */
#include <math.h>
#include <string.h>

#include "tables.h"

#define PANEL 16
_Static_assert(KERNEL_PANELS % PANEL == 0, "whole panels");

static real multiply_add(real a, real b, real c)
{
    return a * b + c;
}

static void reference_multiply_packed(size_t M, size_t N, size_t K, const real *a, size_t a_row,
                                      size_t a_column, const real *packed, real *c, size_t c_row)
{
    for (size_t m = 0; m < M; m++) {
        for (size_t first = 0; first < N; first += PANEL) {
            const real *panel = packed + first * K;
            size_t columns = N - first < PANEL ? N - first : PANEL;
            real *out = c + m * c_row + first;
            for (size_t p = 0; p < K; p++) {
                real value = a[m * a_row + p * a_column];
                for (size_t n = 0; n < columns; n++) {
                    out[n] = multiply_add(value, panel[p * PANEL + n], out[n]);
                }
            }
        }
    }
}

static void start_from(size_t M, size_t N, const real *from, size_t from_row, real *c, size_t c_row)
{
    for (size_t m = 0; m < M; m++) {
        if (from == NULL) {
            memset(c + m * c_row, 0, N * sizeof(real));
        } else {
            memmove(c + m * c_row, from + m * from_row, N * sizeof(real));
        }
    }
}

static void reference_multiply_packed_from(size_t M, size_t N, size_t K, const real *a,
                                           size_t a_row, size_t a_column, const real *packed,
                                           const real *from, size_t from_row, real *c, size_t c_row)
{
    start_from(M, N, from, from_row, c, c_row);
    reference_multiply_packed(M, N, K, a, a_row, a_column, packed, c, c_row);
}

static void reference_multiply_parts(size_t M, size_t K, const real *a, size_t a_row,
                                     size_t a_column, const packed_part *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const packed_part *part = &parts[i];
        reference_multiply_packed_from(M, part->N, K, a, a_row, a_column, part->packed, part->from,
                                       part->from_row, part->c, part->c_row);
    }
}

static void reference_multiply_few(size_t M, size_t N, size_t K, const real *a, size_t a_row,
                                   const real *w, const real *from, size_t from_row, real *c,
                                   size_t c_row)
{
    size_t column = few_column(K);
    for (size_t i = 0; i < M * N; i++) {
        size_t m = i / N, n = i % N;
        real s[FEW_LANES] = {0};
        for (size_t p = 0; p < K; p++) {
            s[p % FEW_LANES] = multiply_add(a[m * a_row + p], w[n * column + p], s[p % FEW_LANES]);
        }
        real even = (s[0] + s[4]) + (s[2] + s[6]), odd = (s[1] + s[5]) + (s[3] + s[7]);
        c[m * c_row + n] = (even + odd) + (from == NULL ? 0 : from[m * from_row + n]);
    }
}

/* Row p of a panel of pairs. */
static void widen(real row[PANEL], const bfloat16_pair *pairs)
{
    for (size_t i = 0; i < PANEL; i++) {
        uint32_t bits = i < PANEL / 2 ? pairs[i] << 16 : pairs[i - PANEL / 2] & 0xffff0000u;
        float value;
        memcpy(&value, &bits, sizeof value);
        row[i] = value;
    }
}

static void reference_multiply_bfloat16(size_t M, size_t N, size_t K, const real *a, size_t a_row,
                                        packed_matrix b, const real *from, size_t from_row, real *c,
                                        size_t c_row)
{
    const bfloat16_pair *pairs = b.data;
    start_from(M, N, from, from_row, c, c_row);
    for (size_t n = 0; n < N; n += PANEL) {
        size_t columns = N - n < PANEL ? N - n : PANEL;
        for (size_t p = 0; p < K; p++) {
            real row[PANEL];
            widen(row, pairs + (n * K + p * PANEL) / 2);
            reference_multiply_packed(M, columns, 1, a + p, a_row, 1, row, c + n, c_row);
        }
    }
}

static void reference_multiply_float32(size_t M, size_t N, size_t K, const real *a, size_t a_row,
                                       packed_matrix b, const real *from, size_t from_row, real *c,
                                       size_t c_row)
{
    reference_multiply_packed_from(M, N, K, a, a_row, 1, b.data, from, from_row, c, c_row);
}

#define PRODUCTS                                                                                   \
    {                                                                                              \
        [LRNN_WEIGHT_FLOAT32] = reference_multiply_float32, [LRNN_WEIGHT_BFLOAT16] =               \
                                                                reference_multiply_bfloat16        \
    }

static matrix_product *const products[MATRIX_ROOM] = PRODUCTS;

static real sigmoid(real x)
{
    return (real)(1.0 / (1.0 + exp(-(double)x)));
}

static real tangent(real x)
{
    return (real)tanh((double)x);
}

static void reference_exp(real *y, const real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = (real)exp((double)x[i]);
    }
}

static void reference_sigmoid(real *y, const real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = sigmoid(x[i]);
    }
}

static void reference_tanh(real *y, const real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = tangent(x[i]);
    }
}

static void reference_add(real *y, const real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] += x[i];
    }
}

static void reference_scale(real *y, real factor, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] *= factor;
    }
}

static void reference_add_rows(real *y, const real *x, size_t x_row, size_t rows, size_t n)
{
    for (size_t row = 0; row < rows; row++) {
        reference_add(y, x + row * x_row, n);
    }
}

static double reference_dot(const real *x, const real *y, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)x[i] * (double)y[i];
    }
    return sum;
}

/* ---- cells ---- */

/* An RNN's h' is kept in its only gate. */
static void reference_rnn_tanh_forward(const cell_pass *p)
{
    for (size_t b = 0; b < p->rows; b++) {
        for (size_t k = 0; k < p->H; k++) {
            real *a = p->gates + b * p->H + k;
            *a = tangent(*a);
            p->h_after[b * p->h_after_row + k] = *a;
        }
    }
}

static void reference_rnn_tanh_backward(const cell_pass *p)
{
    for (size_t i = 0; i < p->rows * p->H; i++) {
        p->gates[i] = p->dh[i] * (1 - p->gates[i] * p->gates[i]);
    }
}

static void reference_rnn_relu_forward(const cell_pass *p)
{
    for (size_t b = 0; b < p->rows; b++) {
        for (size_t k = 0; k < p->H; k++) {
            real *a = p->gates + b * p->H + k;
            *a = *a < 0 ? 0 : *a; /* NaN stays */
            p->h_after[b * p->h_after_row + k] = *a;
        }
    }
}

static void reference_rnn_relu_backward(const cell_pass *p)
{
    for (size_t i = 0; i < p->rows * p->H; i++) {
        p->gates[i] = p->gates[i] > 0 ? p->dh[i] : 0;
    }
}

static void reference_lstm_forward(const cell_pass *p)
{
    size_t H = p->H;
    for (size_t b = 0; b < p->rows; b++) {
        real *i = p->gates + b * 4 * H, *f = i + H, *g = f + H, *o = g + H;
        for (size_t k = 0; k < H; k++) {
            i[k] = sigmoid(i[k]);
            f[k] = sigmoid(f[k]);
            g[k] = tangent(g[k]);
            o[k] = sigmoid(o[k]);
            real next = f[k] * p->c_before[b * H + k] + i[k] * g[k];
            real squashed = tangent(next);
            p->c_after[b * H + k] = next;
            if (p->tanh_c != NULL) {
                p->tanh_c[b * H + k] = squashed;
            }
            p->h_after[b * p->h_after_row + k] = o[k] * squashed;
        }
    }
}

static void reference_lstm_backward(const cell_pass *p)
{
    size_t H = p->H;
    for (size_t b = 0; b < p->rows; b++) {
        real *i = p->gates + b * 4 * H, *f = i + H, *g = f + H, *o = g + H;
        for (size_t k = 0; k < H; k++) {
            size_t at = b * H + k;
            real squashed = p->tanh_c[at], dh = p->dh[at];
            real dcell = p->dc[at] + dh * o[k] * (1 - squashed * squashed);
            real di = dcell * g[k], df = dcell * p->c_before[at], dg = dcell * i[k];
            p->dc[at] = dcell * f[k];
            o[k] = dh * squashed * o[k] * (1 - o[k]);
            i[k] = di * i[k] * (1 - i[k]);
            f[k] = df * f[k] * (1 - f[k]);
            g[k] = dg * (1 - g[k] * g[k]);
        }
    }
}

static void reference_gru_forward(const cell_pass *p)
{
    size_t H = p->H;
    for (size_t b = 0; b < p->rows; b++) {
        real *r = p->gates + b * 3 * H, *z = r + H, *n = z + H;
        const real *sr = p->hidden + b * 3 * H, *sz = sr + H, *sn = sz + H;
        for (size_t k = 0; k < H; k++) {
            r[k] = sigmoid(r[k] + sr[k]);
            z[k] = sigmoid(z[k] + sz[k]);
            n[k] = tangent(n[k] + r[k] * sn[k]);
            real before = p->h_before[b * p->h_before_row + k];
            p->h_after[b * p->h_after_row + k] = (1 - z[k]) * n[k] + z[k] * before;
        }
    }
}

static void reference_gru_backward(const cell_pass *p)
{
    size_t H = p->H;
    for (size_t b = 0; b < p->rows; b++) {
        real *r = p->gates + b * 3 * H, *z = r + H, *n = z + H;
        real *sr = p->hidden + b * 3 * H, *sz = sr + H, *sn = sz + H;
        for (size_t k = 0; k < H; k++) {
            real gradient = p->dh[b * H + k];
            real before = p->h_before[b * p->h_before_row + k];
            real dn = gradient * (1 - z[k]) * (1 - n[k] * n[k]);
            real dz = gradient * (before - n[k]) * z[k] * (1 - z[k]);
            real dr = dn * sn[k] * r[k] * (1 - r[k]);
            p->dh[b * H + k] = gradient * z[k];
            sn[k] = dn * r[k];
            sr[k] = dr;
            sz[k] = dz;
            r[k] = dr;
            z[k] = dz;
            n[k] = dn;
        }
    }
}

/* ---- steps ---- */

/* Columns first .. first+PANEL-1, all of one gate: sum += a times them. */
static void add_columns(real sum[PANEL], const real *a, size_t K, packed_matrix packed,
                        size_t first)
{
    packed = matrix_columns(packed, K, first, matrix_bytes(packed.kind));
    if (packed.bytes != NULL) {
        bytes_multiply_plain(1, PANEL, K, a, K, packed, sum, PANEL, sum, PANEL);
        return;
    }
    products[packed.kind](1, PANEL, K, a, K, packed, sum, PANEL, sum, PANEL);
}

/* The pre-activations of a tile, by gate; with `apart` U h of the last gate follows them. */
typedef real tile_gates[CELL_MOST_GATES + 1][PANEL];

static void step_gates(const cell_step *s, size_t row, size_t tile, const cell_kind *cell,
                       tile_gates gates)
{
    size_t G = cell->gates;
    for (size_t g = 0; g < G; g++) {
        size_t first = (tile * G + g) * PANEL;
        real *sum = gates[g];
        memcpy(sum, s->start + row * s->start_row + first, sizeof gates[g]);
        if (s->inputs > 0) {
            add_columns(sum, s->x + row * s->x_row, s->inputs, s->input, first);
        }
        if (cell->apart && g == G - 1) {
            sum = gates[G];
            memcpy(sum, s->hidden_bias + first, sizeof gates[G]);
        }
        add_columns(sum, s->h + row * s->h_row, s->R, s->hidden, first);
    }
}

/* h' of unit u, whose gates are gates[..][k]. */
typedef real unit_function(const cell_step *s, size_t row, size_t u, tile_gates gates, size_t k);

static void reference_step(const cell_step *s, int32_t kind, unit_function *unit)
{
    const cell_kind *cell = cell_find(kind);
    tile_gates gates;
    for (size_t row = 0; row < s->rows; row++) {
        for (size_t u = 0; u < s->H; u++) {
            if (u % PANEL == 0) {
                step_gates(s, row, u / PANEL, cell, gates);
            }
            s->h_next[row * s->h_next_row + u] = unit(s, row, u, gates, u % PANEL);
        }
    }
}

static real tanh_unit(const cell_step *s, size_t row, size_t u, tile_gates gates, size_t k)
{
    (void)s, (void)row, (void)u;
    return tangent(gates[0][k]);
}

static real relu_unit(const cell_step *s, size_t row, size_t u, tile_gates gates, size_t k)
{
    (void)s, (void)row, (void)u;
    return gates[0][k] < 0 ? 0 : gates[0][k];
}

static real lstm_unit(const cell_step *s, size_t row, size_t u, tile_gates gates, size_t k)
{
    real *c = s->c + row * s->H + u;
    *c = sigmoid(gates[1][k]) * *c + sigmoid(gates[0][k]) * tangent(gates[2][k]);
    return sigmoid(gates[3][k]) * tangent(*c);
}

static real gru_unit(const cell_step *s, size_t row, size_t u, tile_gates gates, size_t k)
{
    real r = sigmoid(gates[0][k]), z = sigmoid(gates[1][k]);
    real n = tangent(gates[2][k] + r * gates[3][k]);
    return (1 - z) * n + z * s->h[row * s->h_row + u];
}

static void reference_rnn_tanh_step(const cell_step *s)
{
    reference_step(s, LRNN_CELL_RNN_TANH, tanh_unit);
}

static void reference_rnn_relu_step(const cell_step *s)
{
    reference_step(s, LRNN_CELL_RNN_RELU, relu_unit);
}

static void reference_lstm_step(const cell_step *s)
{
    reference_step(s, LRNN_CELL_LSTM, lstm_unit);
}

static void reference_gru_step(const cell_step *s)
{
    reference_step(s, LRNN_CELL_GRU, gru_unit);
}

/* ---- softmax and Adam ---- */

static void reference_max_sum_exp(const real *x, size_t n, real *maximum, double *sum)
{
    real top = x[0];
    for (size_t i = 1; i < n; i++) {
        top = x[i] > top ? x[i] : top;
    }
    *maximum = top;
    *sum = 0;
    for (size_t i = 0; i < n; i++) {
        *sum += exp((double)(x[i] - top));
    }
}

static void reference_exp_below_max(real *x, size_t n, real *maximum, double *sum)
{
    reference_max_sum_exp(x, n, maximum, sum);
    for (size_t i = 0; i < n; i++) {
        x[i] = (real)exp((double)(x[i] - *maximum));
    }
}

static void reference_exp_shifted(real *x, size_t n, real shift, real factor)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = factor * (real)exp((double)(x[i] - shift));
    }
}

static void reference_adam(const adam_step *step, size_t n, real *parameter, const real *gradient,
                           real *m, real *v)
{
    for (size_t i = 0; i < n; i++) {
        real p = parameter[i] * step->decay_factor;
        real g = gradient[i] + step->weight_decay * p;
        m[i] = step->beta1 * m[i] + step->complement1 * g;
        v[i] = step->beta2 * v[i] + step->complement2 * g * g;
        real root = (real)sqrt((double)v[i]) * step->inverse_sqrt_correction;
        parameter[i] = p - step->learning_rate * m[i] / (root + step->epsilon);
    }
}

#define CELL(name)                                                                                 \
    {                                                                                              \
        IN_TRAINING(reference_##name##_forward), IN_TRAINING(reference_##name##_backward),         \
            reference_##name##_step, NULL                                                          \
    }

static const byte_kernels bytes = {
    .quantize = bytes_quantize_plain,
    .multiply = bytes_multiply_plain,
    .steps = {[LRNN_CELL_RNN_TANH] = reference_rnn_tanh_step,
              [LRNN_CELL_RNN_RELU] = reference_rnn_relu_step,
              [LRNN_CELL_LSTM] = reference_lstm_step,
              [LRNN_CELL_GRU] = reference_gru_step},
};

const kernel_table kernel_table_reference = {
    .name = "reference",
    .panel = PANEL,
    .lanes = PANEL,
    .multiply_matrix = PRODUCTS,
    .bytes = &bytes,
    .cells = {[LRNN_CELL_RNN_TANH] = CELL(rnn_tanh),
              [LRNN_CELL_RNN_RELU] = CELL(rnn_relu),
              [LRNN_CELL_LSTM] = CELL(lstm),
              [LRNN_CELL_GRU] = CELL(gru)},
    KERNEL_FUNCTIONS(reference_),
};
