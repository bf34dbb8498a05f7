/* exp, sigmoid and tanh of a vector, each within 2 ulp of the true value over all floats (measured
 * bounds: kernels_functions_test.c).
 *
 * All three rest on x = n ln2 + r with |r| <= ln2 / 2, exp(x) = 2^n exp(r) and
 *   exp(r) = 1 + r + r^2 p(r),
 * where p, of degree 4, has the smallest relative error in exp(r) - 1 (1.6e-8; weighted least
 * squares with Lawson's iteration, then rounded to float). */
#ifndef KERNELS_FUNCTIONS_H
#define KERNELS_FUNCTIONS_H

#include "vector.h"

/* Adding 1.5 * 2^23 leaves the nearest integer in the low bits. ln2 comes in two parts; the first
 * has so few bits that its products with n are exact even without fused multiply-add. */
#define ROUNDING_SHIFT 12582912.0f
#define LOG2_E         1.44269504088896341f
#define LN2_HIGH       0.693359375f
#define LN2_LOW        -2.12194440e-4f

typedef struct reduced {
    vector shifted; /* n + ROUNDING_SHIFT */
    vector n, r;
} reduced;

ALWAYS_INLINE reduced reduce(vector x)
{
    reduced to;
    to.shifted = x * LOG2_E + ROUNDING_SHIFT;
    to.n = to.shifted - ROUNDING_SHIFT;
    to.r = x - to.n * LN2_HIGH;
    to.r = to.r - to.n * LN2_LOW;
    return to;
}

/* p(r) above. */
ALWAYS_INLINE vector exp_polynomial(vector r)
{
    vector p = r * 0x1.6d9b4cp-10f + 0x1.12299ep-7f;
    p = p * r + 0x1.555484p-5f;
    p = p * r + 0x1.5554aep-3f;
    return p * r + 0.5f;
}

/* x * 2^n, rounded once, for integers |n| <= 150. */
ALWAYS_INLINE vector scale_by_power(vector x, reduced by)
{
#if defined(__AVX512F__)
    return (vector)_mm512_scalef_ps((__m512)x, (__m512)by.n);
#else
    words n = (words)by.shifted - (words)splat(ROUNDING_SHIFT);
    words half = (words)((integers)n >> 1);
    vector first = (vector)((half + 127) << 23), second = (vector)((n - half + 127) << 23);
    return rounded(x * first * second);
#endif
}

/* Beyond the clamp the result is 0 or infinity all the same. */
ALWAYS_INLINE vector vector_exp(vector x)
{
    reduced to = reduce(clamp(x, -104.0f, 89.0f));
    vector e = exp_polynomial(to.r) * to.r + 1.0f;
    return scale_by_power(e * to.r + 1.0f, to);
}

/* 2^-n, by arithmetic on the exponent: the low bits of ROUNDING_SHIFT are zero, so the shift leaves
 * n alone in its place. 0 for n = 127. */
ALWAYS_INLINE vector inverse_power(reduced of)
{
    return (vector)(0x3f800000u - ((words)of.shifted << 23));
}

/* 1 / (1 + exp(-x)) = t / ((1 + t) + q) with t = 2^-n and q = exp(r) - 1, for -x = n ln2 + r: the
 * exponential is never rounded by itself. What would be denormal is 0. */
ALWAYS_INLINE vector vector_sigmoid(vector x)
{
    reduced to = reduce(clamp(-x, -88.0f, 88.0f));
    vector q = rounded(exp_polynomial(to.r) * to.r) * to.r + to.r;
    vector t = inverse_power(to);
    return t / ((q + t) + 1.0f);
}

/* From 0.3 on, (exp(2x) - 1) / (exp(2x) + 1) = ((1 - t) + q) / ((1 + t) + q), t and q as above, for
 * 2|x|; from 10 on that is 1 in float. Below, where the quotient of two rounded numbers is too
 * coarse, x + x^3 p(x^2) with the p of least relative error, 1.2e-8. */
ALWAYS_INLINE vector vector_tanh(vector x)
{
    words sign = (words)x & 0x80000000u;
    vector magnitude = minimum(splat(10.0f), (vector)((words)x ^ sign));

    vector square = magnitude * magnitude;
    vector p = (square * -0x1.9ca666p-5f + 0x1.10b078p-3f) * square - 0x1.5554a0p-2f;
    vector small = rounded(magnitude * square) * p + magnitude;

    reduced to = reduce(magnitude + magnitude);
    vector q = rounded(exp_polynomial(to.r) * to.r) * to.r + to.r;
    vector t = inverse_power(to);
    vector above = (1.0f - t) + q;
    vector large = above / (above + (t + t));

    return (vector)((words)if_less(magnitude, splat(0.3f), small, large) ^ sign);
}

#endif
