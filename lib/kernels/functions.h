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

/* 1 / (1 + exp(-x)) */
ALWAYS_INLINE vector vector_sigmoid(vector x)
{
    return 1.0f / (1.0f + vector_exp(-x));
}

/* tanh(x) = e / (e + 2) with e = exp(2x) - 1, which loses nothing near 0:
 *   exp(y) - 1 = 2^n (exp(r) - 1) + (2^n - 1)
 * From 10 on, tanh is 1 in float. */
ALWAYS_INLINE vector vector_tanh(vector x)
{
    vector y = clamp(x, -10.0f, 10.0f);
    reduced to = reduce(y + y);
    vector q = rounded(exp_polynomial(to.r) * to.r) * to.r + to.r;
    /* The low bits of ROUNDING_SHIFT are zero: the shift leaves n in the exponent. */
    vector power = (vector)(((words)to.shifted << 23) + 0x3f800000);
    vector e = power * q + (power - 1.0f);
    return e / (e + 2.0f);
}

#endif
