/* Element-wise passes, sums and the optimizer. */
#ifndef KERNELS_FAST_ELEMENTWISE_H
#define KERNELS_FAST_ELEMENTWISE_H

#include <stdbool.h>

#include "fast_loops.h"
#include "functions.h"

typedef void each_function(const size_t count, vector x[EACH_MOST]);

ALWAYS_INLINE void map_block(each_function *function, real *y, const real *x, const size_t count,
                             size_t lanes)
{
    vector v[EACH_MOST];
    load_each(count, v, x, lanes);
    function(count, v);
    store_each(count, y, v, lanes);
}

static void fast_exp(real *y, const real *x, size_t n)
{
    FOR_BLOCKS(n, map_block(exp_each, y + i, x + i, count, lanes));
}

static void fast_sigmoid(real *y, const real *x, size_t n)
{
    FOR_BLOCKS(n, map_block(sigmoid_each, y + i, x + i, count, lanes));
}

static void fast_tanh(real *y, const real *x, size_t n)
{
    FOR_BLOCKS(n, map_block(tanh_each, y + i, x + i, count, lanes));
}

ALWAYS_INLINE void add_values(real *y, const real *x, size_t lanes)
{
    store_lanes(y, load_lanes(y, lanes) + load_lanes(x, lanes), lanes);
}

static void fast_add(real *y, const real *x, size_t n)
{
    FOR_VECTORS(n, add_values(y + i, x + i, lanes));
}

static void fast_scale(real *y, real factor, size_t n)
{
    FOR_VECTORS(n, store_lanes(y + i, load_lanes(y + i, lanes) * factor, lanes));
}

ALWAYS_INLINE void add_rows_block(real *y, const real *x, size_t x_row, size_t rows,
                                  const size_t count, size_t lanes)
{
    vector sum[EACH_MOST], row[EACH_MOST];
    load_each(count, sum, y, lanes);
    for (; rows > 0; rows--, x += x_row) {
        load_each(count, row, x, lanes);
        EACH sum[i] = sum[i] + row[i];
    }
    store_each(count, y, sum, lanes);
}

static void fast_add_rows(real *y, const real *x, size_t x_row, size_t rows, size_t n)
{
    FOR_BLOCKS(n, add_rows_block(y + i, x + i, x_row, rows, count, lanes));
}

ALWAYS_INLINE void exp_shifted_block(real *x, real shift, real factor, const size_t count,
                                     size_t lanes)
{
    vector v[EACH_MOST];
    load_each(count, v, x, lanes);
    EACH v[i] = v[i] - shift;
    exp_each(count, v);
    EACH v[i] = v[i] * factor;
    store_each(count, x, v, lanes);
}

static void fast_exp_shifted(real *x, size_t n, real shift, real factor)
{
    FOR_BLOCKS(n, exp_shifted_block(x + i, shift, factor, count, lanes));
}

/* ---- sums: 16 partial ones in double, element i in number i % 16, on every instruction set ----
 */

#define SUMS        16
#define SUM_VECTORS (SUMS / VECTOR_LENGTH)

typedef struct sums {
    doubles part[2 * SUM_VECTORS];
} sums;

ALWAYS_INLINE double sums_total(const sums *of)
{
    double part[SUMS];
    memcpy(part, of->part, sizeof part);
    UNROLL for (size_t i = 0; i < 8; i++)
    {
        part[i] += part[i + 8];
    }
    UNROLL for (size_t i = 0; i < 4; i++)
    {
        part[i] += part[i + 4];
    }
    return (part[0] + part[2]) + (part[1] + part[3]);
}

ALWAYS_INLINE void dot_add(sums *to, const real *x, const real *y)
{
    UNROLL for (size_t v = 0; v < SUM_VECTORS; v++)
    {
        vector a = load(x + v * VECTOR_LENGTH), b = load(y + v * VECTOR_LENGTH);
        to->part[2 * v] = first_half(a) * first_half(b) + to->part[2 * v];
        to->part[2 * v + 1] = second_half(a) * second_half(b) + to->part[2 * v + 1];
    }
}

/* A product of floats is exact in double: fused or not, the sum is the same. */
static double fast_dot(const real *x, const real *y, size_t n)
{
    sums to = {0};
    size_t i = 0;
    for (; i + SUMS <= n; i += SUMS) {
        dot_add(&to, x + i, y + i);
    }
    if (i < n) {
        real rest_x[SUMS] = {0}, rest_y[SUMS] = {0};
        memcpy(rest_x, x + i, (n - i) * sizeof(real));
        memcpy(rest_y, y + i, (n - i) * sizeof(real));
        dot_add(&to, rest_x, rest_y);
    }
    return sums_total(&to);
}

/* Up to 16 values, four of a block, are added in float before they go into a sum. */
#define EXP_BLOCK  (4 * SUMS)
#define EXP_BLOCKS 4

ALWAYS_INLINE void maximum_add(vector top[4], const real *x)
{
    for (size_t i = 0; i < EXP_BLOCK; i += 4 * VECTOR_LENGTH) {
        UNROLL for (size_t v = 0; v < 4; v++)
        {
            top[v] = maximum(top[v], load(x + i + v * VECTOR_LENGTH));
        }
    }
}

/* keep: x becomes exp(x - shift). */
ALWAYS_INLINE void exp_add(vector few[SUM_VECTORS], real *x, real shift, bool keep)
{
    UNROLL for (size_t v = 0; v < SUM_VECTORS; v++)
    {
        vector e[4];
        UNROLL for (size_t j = 0; j < 4; j++)
        {
            e[j] = load(x + j * SUMS + v * VECTOR_LENGTH) - shift;
        }
        exp_below_each(4, e);
        if (keep) {
            UNROLL for (size_t j = 0; j < 4; j++)
            {
                store(x + j * SUMS + v * VECTOR_LENGTH, e[j]);
            }
        }
        few[v] = few[v] + ((e[0] + e[1]) + (e[2] + e[3]));
    }
}

ALWAYS_INLINE void sums_take(sums *to, vector few[SUM_VECTORS])
{
    UNROLL for (size_t v = 0; v < SUM_VECTORS; v++)
    {
        to->part[2 * v] += first_half(few[v]);
        to->part[2 * v + 1] += second_half(few[v]);
        few[v] = splat(0);
    }
}

/* The greatest of the lanes. */
ALWAYS_INLINE real maximum_lane(vector x)
{
    real lane[VECTOR_LENGTH];
    store(lane, x);
    UNROLL for (size_t i = 4; i < VECTOR_LENGTH; i++)
    {
        lane[i % 4] = lane[i] > lane[i % 4] ? lane[i] : lane[i % 4];
    }
    real first = lane[1] > lane[0] ? lane[1] : lane[0];
    real second = lane[3] > lane[2] ? lane[3] : lane[2];
    return second > first ? second : first;
}

/* The last values of x, up to a whole block of them; in a sum, -infinity counts as nothing. */
ALWAYS_INLINE void fill_rest(real rest[EXP_BLOCK], const real *x, size_t n)
{
    for (size_t i = n; i < EXP_BLOCK; i++) {
        rest[i] = -__builtin_inff();
    }
    memcpy(rest, x, n * sizeof(real));
}

/* keep: x becomes what is summed; else it is only read. */
static void sum_exp(real *x, size_t n, real *max, double *sum, bool keep)
{
    size_t whole = n / EXP_BLOCK * EXP_BLOCK;
    real rest[EXP_BLOCK];
    vector top[4] = {splat(x[0]), splat(x[0]), splat(x[0]), splat(x[0])};
    for (size_t i = 0; i < whole; i += EXP_BLOCK) {
        maximum_add(top, x + i);
    }
    if (whole < n) {
        fill_rest(rest, x + whole, n - whole);
        maximum_add(top, rest);
    }
    real greatest = maximum_lane(maximum(maximum(top[0], top[1]), maximum(top[2], top[3])));
    sums to = {0};
    vector few[SUM_VECTORS] = {{0}};
    for (size_t i = 0; i < n; i += EXP_BLOCK) {
        exp_add(few, i < whole ? x + i : rest, greatest, keep);
        if (i / EXP_BLOCK % EXP_BLOCKS == EXP_BLOCKS - 1) {
            sums_take(&to, few);
        }
    }
    sums_take(&to, few);
    if (keep && whole < n) {
        memcpy(x + whole, rest, (n - whole) * sizeof(real));
    }
    *max = greatest;
    *sum = sums_total(&to);
}

static void fast_max_sum_exp(const real *x, size_t n, real *max, double *sum)
{
    sum_exp((real *)(uintptr_t)x, n, max, sum, false);
}

static void fast_exp_below_max(real *x, size_t n, real *max, double *sum)
{
    sum_exp(x, n, max, sum, true);
}

/* ---- Adam ---- */

ALWAYS_INLINE void adam_values(const adam_step *step, real *parameter, const real *gradient,
                               real *m, real *v, size_t lanes)
{
    vector p = load_lanes(parameter, lanes), g = load_lanes(gradient, lanes);
    vector first = load_lanes(m, lanes), second = load_lanes(v, lanes);
    p = rounded(p * step->decay_factor);
    g = p * step->weight_decay + g;
    first = first * step->beta1 + rounded(g * step->complement1);
    second = second * step->beta2 + rounded(g * step->complement2 * g);
    store_lanes(m, first, lanes);
    store_lanes(v, second, lanes);
    vector root = square_root(second) * step->inverse_sqrt_correction + step->epsilon;
    store_lanes(parameter, p - first * step->learning_rate / root, lanes);
}

static void fast_adam(const adam_step *step, size_t n, real *parameter, const real *gradient,
                      real *m, real *v)
{
    const adam_step own = *step;
    FOR_VECTORS(n, adam_values(&own, parameter + i, gradient + i, m + i, v + i, lanes));
}

#endif
