/* The widest vector of the instruction set that the including file is compiled for: a GNU vector
 * type, whose operators the compiler translates, and the few operations that have no operator.
 * Everything is static: the same names mean other code in the other files.
 *
 * Same bits on all instruction sets that fuse multiply and add: an expression may hold one product
 * that can be fused, so that the compiler has no choice; rounded() marks a product that must not
 * be; and loads come before the arithmetic, since gcc fuses nothing across their branches. */
#ifndef KERNELS_VECTOR_H
#define KERNELS_VECTOR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/real.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/* 1: a library that is to be small does without code that does what other code does too. */
#ifndef LRNN_SMALL
#define LRNN_SMALL 0
#endif

#if defined(__AVX512F__)
#define VECTOR_LENGTH   16
#define VECTOR_REGISTER "+v"
#elif defined(__AVX2__)
#define VECTOR_LENGTH   8
#define VECTOR_REGISTER "+x"
#else
#define VECTOR_LENGTH 4
#if defined(__x86_64__)
#define VECTOR_REGISTER "+x"
#else
#define VECTOR_REGISTER "+w"
#endif
#endif

#define VECTOR_BYTES (VECTOR_LENGTH * 4)

typedef float vector __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t integers __attribute__((vector_size(VECTOR_BYTES)));
typedef uint32_t words __attribute__((vector_size(VECTOR_BYTES)));
typedef double doubles __attribute__((vector_size(VECTOR_BYTES)));

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define ONE_COPY static __attribute__((noinline))
#else
#define ONE_COPY static __attribute__((noinline, noclone))
#endif

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

ALWAYS_INLINE vector splat(float x)
{
    return x - (vector){0};
}

ALWAYS_INLINE vector load(const float *from)
{
    vector x;
    memcpy(&x, from, sizeof x);
    return x;
}

ALWAYS_INLINE vector load_bytes(const unsigned char *from)
{
    vector x;
    memcpy(&x, from, sizeof x);
    return x;
}

/* a * b + c of values that are there before: between a product and its sum there is nothing, such
 * as a sanitizer's look at an index, that would keep the compiler from fusing them. */
ALWAYS_INLINE vector multiply_add(vector a, vector b, vector c)
{
    return a * b + c;
}

/* Of pairs of bfloat16 those in the low halves of the words, and those in the high ones. */
ALWAYS_INLINE vector low_halves(vector pairs)
{
    return (vector)((words)pairs << 16);
}

ALWAYS_INLINE vector high_halves(vector pairs)
{
    return (vector)((words)pairs & 0xffff0000u);
}

ALWAYS_INLINE void store(float *to, vector x)
{
    memcpy(to, &x, sizeof x);
}

#if VECTOR_LENGTH == 4
static __attribute__((noinline)) vector load_part(const float *from, size_t lanes)
{
    vector x = {0};
    for (size_t i = 0; i < lanes; i++) {
        x[i] = from[i];
    }
    return x;
}

static __attribute__((noinline)) void store_part(float *to, vector x, size_t lanes)
{
    for (size_t i = 0; i < lanes; i++) {
        to[i] = x[i];
    }
}
#endif

/* The first `lanes` values, zeros after them; nothing past them is touched. */
ALWAYS_INLINE vector load_lanes(const float *from, size_t lanes)
{
    if (lanes == VECTOR_LENGTH) {
        return load(from);
    }
#if defined(__AVX512F__)
    return (vector)_mm512_maskz_loadu_ps((__mmask16)((1u << lanes) - 1), from);
#elif defined(__AVX2__)
    integers mask = (integers){0, 1, 2, 3, 4, 5, 6, 7} < (int32_t)lanes;
    return (vector)_mm256_maskload_ps(from, (__m256i)mask);
#else
    return load_part(from, lanes);
#endif
}

ALWAYS_INLINE void store_lanes(float *to, vector x, size_t lanes)
{
    if (lanes == VECTOR_LENGTH) {
        store(to, x);
        return;
    }
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(to, (__mmask16)((1u << lanes) - 1), (__m512)x);
#elif defined(__AVX2__)
    integers mask = (integers){0, 1, 2, 3, 4, 5, 6, 7} < (int32_t)lanes;
    _mm256_maskstore_ps(to, (__m256i)mask, (__m256)x);
#else
    store_part(to, x, lanes);
#endif
}

/* Keeps a product from being fused with the sum it goes into. */
ALWAYS_INLINE vector rounded(vector x)
{
    __asm__("" : VECTOR_REGISTER(x));
    return x;
}

/* a > b ? a : b, so that a NaN in b comes through. */
ALWAYS_INLINE vector maximum(vector a, vector b)
{
#if defined(__AVX512F__)
    return (vector)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (vector)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__x86_64__)
    return (vector)_mm_max_ps((__m128)a, (__m128)b);
#else
    return (vector)vmaxq_f32((float32x4_t)a, (float32x4_t)b);
#endif
}

ALWAYS_INLINE vector minimum(vector a, vector b)
{
#if defined(__AVX512F__)
    return (vector)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (vector)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(__x86_64__)
    return (vector)_mm_min_ps((__m128)a, (__m128)b);
#else
    return (vector)vminq_f32((float32x4_t)a, (float32x4_t)b);
#endif
}

/* NaN stays NaN. */
ALWAYS_INLINE vector clamp(vector x, float low, float high)
{
    return minimum(splat(high), maximum(splat(low), x));
}

ALWAYS_INLINE vector square_root(vector x)
{
#if defined(__AVX512F__)
    return (vector)_mm512_sqrt_ps((__m512)x);
#elif defined(__AVX2__)
    return (vector)_mm256_sqrt_ps((__m256)x);
#elif defined(__x86_64__)
    return (vector)_mm_sqrt_ps((__m128)x);
#else
    return (vector)vsqrtq_f32((float32x4_t)x);
#endif
}

/* a < b ? x : y */
ALWAYS_INLINE vector if_less(vector a, vector b, vector x, vector y)
{
#if defined(__AVX512F__)
    __mmask16 less = _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LT_OQ);
    return (vector)_mm512_mask_blend_ps(less, (__m512)y, (__m512)x);
#elif defined(__AVX2__)
    return (vector)_mm256_blendv_ps((__m256)y, (__m256)x, (__m256)(a < b));
#else
    integers less = a < b;
    return (vector)((less & (integers)x) | (~less & (integers)y));
#endif
}

/* x where the mask is all ones, 0 where it is all zeros. */
ALWAYS_INLINE vector where(integers mask, vector x)
{
    return (vector)(mask & (integers)x);
}

/* A vector as two vectors of doubles. */
ALWAYS_INLINE doubles first_half(vector x)
{
#if defined(__AVX512F__)
    return (doubles)_mm512_cvtps_pd(_mm512_castps512_ps256((__m512)x));
#elif defined(__AVX2__)
    return (doubles)_mm256_cvtps_pd(_mm256_castps256_ps128((__m256)x));
#elif defined(__x86_64__)
    return (doubles)_mm_cvtps_pd((__m128)x);
#else
    return (doubles)vcvt_f64_f32(vget_low_f32((float32x4_t)x));
#endif
}

ALWAYS_INLINE doubles second_half(vector x)
{
#if defined(__AVX512F__)
    return (doubles)_mm512_cvtps_pd(_mm512_extractf32x8_ps((__m512)x, 1));
#elif defined(__AVX2__)
    return (doubles)_mm256_cvtps_pd(_mm256_extractf128_ps((__m256)x, 1));
#elif defined(__x86_64__)
    return (doubles)_mm_cvtps_pd(_mm_movehl_ps((__m128)x, (__m128)x));
#else
    return (doubles)vcvt_high_f64_f32((float32x4_t)x);
#endif
}

#endif
