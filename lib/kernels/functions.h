/* exp, sigmoid and tanh of vectors, each within 2 ulp of the true value over all floats (measured:
 * 1.2, 2.0 and 1.5; kernels_functions_test.c).
 *
 * All three rest on x = n ln2 + r with |r| <= ln2 / 2, exp(x) = 2^n exp(r) and
 *   exp(r) = 1 + q   q = r + r^2 p(r),
 * where p, of degree 4, has the smallest relative error in q (1.6e-8; weighted least squares with
 * Lawson's iteration, then rounded to float).
 *
 * A step of a function waits for the step before, so each function takes up to EACH_MOST vectors
 * and does every step for all of them. */
#ifndef KERNELS_FUNCTIONS_H
#define KERNELS_FUNCTIONS_H

#include "vector.h"

#define EACH_MOST 4
#define EACH      UNROLL for (size_t i = 0; i < count; i++)

/* Adding 1.5 * 2^23 leaves the nearest integer in the low bits. ln2 comes in two parts; the first
 * has so few bits that its products with n are exact even without fused multiply-add. */
#define ROUNDING_SHIFT 12582912.0f
#define LOG2_E         1.44269504088896341f
#define LN2_HIGH       0.693359375f
#define LN2_LOW        -2.12194440e-4f

/* x = n ln2 + r. */
typedef struct reduced {
    vector shifted[EACH_MOST]; /* n + ROUNDING_SHIFT */
    vector n[EACH_MOST];
    vector q[EACH_MOST]; /* exp(r) - 1 */
} reduced;

/* x is from * factor / LOG2_E, without an error: what it takes to make x is not waited for. */
ALWAYS_INLINE void reduce_each(const size_t count, reduced *to, const vector x[EACH_MOST],
                               const vector from[EACH_MOST], float factor)
{
    vector r[EACH_MOST], square[EACH_MOST], low[EACH_MOST], high[EACH_MOST];
    EACH to->shifted[i] = from[i] * factor + ROUNDING_SHIFT;
    EACH to->n[i] = to->shifted[i] - ROUNDING_SHIFT;
    EACH r[i] = x[i] - to->n[i] * LN2_HIGH;
    EACH r[i] = r[i] - to->n[i] * LN2_LOW;
    EACH square[i] = rounded(r[i] * r[i]);
    EACH low[i] = r[i] * 0x1.5554aep-3f + 0.5f;
    EACH high[i] = r[i] * 0x1.12299ep-7f + 0x1.555484p-5f;
    EACH high[i] = square[i] * 0x1.6d9b4cp-10f + high[i];
    EACH low[i] = high[i] * square[i] + low[i];
    EACH to->q[i] = low[i] * square[i] + r[i];
}

/* x * 2^n, rounded once, for integers |n| <= 150. */
ALWAYS_INLINE void scale_by_power(const size_t count, vector x[EACH_MOST], const reduced *by)
{
#if defined(__AVX512F__)
    EACH x[i] = (vector)_mm512_scalef_ps((__m512)x[i], (__m512)by->n[i]);
#else
    EACH
    {
        words n = (words)by->shifted[i] - (words)splat(ROUNDING_SHIFT);
        words half = (words)((integers)n >> 1);
        vector first = (vector)((half + 127) << 23), second = (vector)((n - half + 127) << 23);
        x[i] = rounded(x[i] * first * second);
    }
#endif
}

/* Beyond the clamp the result is 0 or infinity all the same. */
ALWAYS_INLINE void exp_each(const size_t count, vector x[EACH_MOST])
{
    reduced to;
    EACH x[i] = clamp(x[i], -104.0f, 89.0f);
    reduce_each(count, &to, x, x, LOG2_E);
    EACH x[i] = to.q[i] + 1.0f;
    scale_by_power(count, x, &to);
}

/* exp(x) for x <= 0, and 0 for what is below the least normal number. */
ALWAYS_INLINE void exp_below_each(const size_t count, vector x[EACH_MOST])
{
    reduced to;
    integers normal[EACH_MOST];
    EACH normal[i] = ~(x[i] < -87.5f); /* NaN is, too */
    reduce_each(count, &to, x, x, LOG2_E);
    EACH x[i] = to.q[i] + 1.0f;
    EACH x[i] = x[i] * (vector)(((words)to.shifted[i] << 23) + 0x3f800000u);
    EACH x[i] = where(normal[i], x[i]);
}

/* 2^-n, by arithmetic on the exponent: the low bits of ROUNDING_SHIFT are zero, so the shift leaves
 * n alone in its place. 0 for n = 127. */
ALWAYS_INLINE vector inverse_power(vector shifted)
{
    return (vector)(0x3f800000u - ((words)shifted << 23));
}

/* 1 / (1 + exp(-x)) = t / ((q + t) + 1) with t = 2^-n for -x = n ln2 + r: the exponential is never
 * rounded by itself. What would be denormal is 0. */
ALWAYS_INLINE void sigmoid_each(const size_t count, vector x[EACH_MOST])
{
    reduced to;
    vector t[EACH_MOST], size[EACH_MOST];
    EACH size[i] = clamp(x[i], -88.0f, 88.0f);
    EACH x[i] = -size[i];
    reduce_each(count, &to, x, size, -LOG2_E);
    EACH t[i] = inverse_power(to.shifted[i]);
    EACH x[i] = t[i] / ((to.q[i] + t[i]) + 1.0f);
}

/* From 0.3 on, (exp(2x) - 1) / (exp(2x) + 1) = ((1 - t) + q) / ((1 + t) + q), t and q as above, for
 * 2|x|; from 10 on that is 1 in float. Below, where the quotient of two rounded numbers is too
 * coarse, x + x^3 p(x^2) with the p of least relative error, 1.2e-8. */
ALWAYS_INLINE void tanh_each(const size_t count, vector x[EACH_MOST])
{
    reduced to;
    vector size[EACH_MOST], twice[EACH_MOST], square[EACH_MOST], small[EACH_MOST];
    vector above[EACH_MOST], t[EACH_MOST];
    EACH size[i] = minimum(splat(10.0f), (vector)((words)x[i] & 0x7fffffffu));
    EACH twice[i] = size[i] + size[i];
    reduce_each(count, &to, twice, size, 2 * LOG2_E);
    EACH square[i] = rounded(size[i] * size[i]);
    EACH small[i] = square[i] * -0x1.9ca666p-5f + 0x1.10b078p-3f;
    EACH small[i] = small[i] * square[i] - 0x1.5554a0p-2f;
    EACH square[i] = rounded(size[i] * square[i]);
    EACH small[i] = small[i] * square[i] + size[i];
    EACH t[i] = inverse_power(to.shifted[i]);
    EACH above[i] = (1.0f - t[i]) + to.q[i];
    EACH above[i] = above[i] / (above[i] + (t[i] + t[i]));
    EACH above[i] = if_less(size[i], splat(0.3f), small[i], above[i]);
    EACH x[i] = (vector)((words)above[i] | ((words)x[i] & 0x80000000u));
}

#endif
