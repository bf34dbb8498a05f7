/* What an instruction set does with bytes: how it multiplies those of a vector of columns, four
 * rows of each, with four of a row and adds the products up, and how a row becomes bytes. Nothing
 * here can overflow:
 * - VNNI and the dot product of arm64 sum four products in 32 bits. VNNI takes the weights
 * unsigned, as q + 128; 128 times the sum of the row is subtracted where the sum starts.
 * - AVX2, and AVX-512 without VNNI, have pairs of products added in 16 bits with saturation, of an
 *   unsigned factor and a signed one. |b| * (q with the sign of b) is the same product, and two of
 *   them are at most 2 * 127 * 127 = 32,258: they do not saturate.
 * - SSE2 widens to 16 bits, whose products are added in pairs in 32.
 * - arm64 without the dot product has products of 16 bits, at most 16,129, and adds two: as above.
 */
#ifndef KERNELS_FAST_BYTES_SET_H
#define KERNELS_FAST_BYTES_SET_H

#include "bytes.h"
#include "fast_loops.h"

/* Rows of a tile of 4 vectors, as many as the registers have room for. */
#if defined(__AVX512VNNI__) || defined(__AVX512F__) || defined(__aarch64__)
#define BYTE_ROWS ((size_t)6)
#elif defined(__AVXVNNI__)
#define BYTE_ROWS ((size_t)3)
#else
#define BYTE_ROWS ((size_t)2)
#endif

/* The integers of a sum that are added one after the other, every time waiting for the last: a few
 * vectors take two sums each. */
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__) || defined(__ARM_FEATURE_DOTPROD)
#define BYTE_CHAINS(vectors) ((vectors) <= 4 ? 2 : 1)
#else
#define BYTE_CHAINS(vectors) 1
#endif

#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
#define BYTE_OFFSET 128
#else
#define BYTE_OFFSET 0
#endif

ALWAYS_INLINE int32_t four_bytes(const int8_t *from)
{
    int32_t four;
    memcpy(&four, from, sizeof four);
    return four;
}

/* ---- products ---- */

#if defined(__AVX512VNNI__)

typedef __m512i byte_weights, byte_values;

ALWAYS_INLINE byte_weights weights_load(const unsigned char *w)
{
    return _mm512_loadu_si512(w);
}

ALWAYS_INLINE byte_values values_load(const int8_t *b)
{
    return _mm512_set1_epi32(four_bytes(b));
}

ALWAYS_INLINE integers add_bytes(integers sum, byte_weights w, byte_values b)
{
    return (integers)_mm512_dpbusd_epi32((__m512i)sum, w, b);
}

#elif defined(__AVX512F__)

typedef __m512i byte_weights;

typedef struct byte_values {
    __m512i size;
    __mmask64 negative;
} byte_values;

ALWAYS_INLINE byte_weights weights_load(const unsigned char *w)
{
    return _mm512_loadu_si512(w);
}

ALWAYS_INLINE byte_values values_load(const int8_t *b)
{
    __m512i four = _mm512_set1_epi32(four_bytes(b));
    return (byte_values){_mm512_abs_epi8(four), _mm512_movepi8_mask(four)};
}

ALWAYS_INLINE integers add_bytes(integers sum, byte_weights w, byte_values b)
{
    __m512i with_sign = _mm512_mask_sub_epi8(w, b.negative, _mm512_setzero_si512(), w);
    __m512i pairs = _mm512_maddubs_epi16(b.size, with_sign);
    return sum + (integers)_mm512_madd_epi16(pairs, _mm512_set1_epi16(1));
}

#elif defined(__AVXVNNI__)

typedef __m256i byte_weights, byte_values;

ALWAYS_INLINE byte_weights weights_load(const unsigned char *w)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)w);
}

ALWAYS_INLINE byte_values values_load(const int8_t *b)
{
    return _mm256_set1_epi32(four_bytes(b));
}

ALWAYS_INLINE integers add_bytes(integers sum, byte_weights w, byte_values b)
{
    return (integers)_mm256_dpbusd_avx_epi32((__m256i)sum, w, b);
}

#elif defined(__AVX2__)

typedef __m256i byte_weights;

typedef struct byte_values {
    __m256i size, sign;
} byte_values;

ALWAYS_INLINE byte_weights weights_load(const unsigned char *w)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)w);
}

ALWAYS_INLINE byte_values values_load(const int8_t *b)
{
    __m256i four = _mm256_set1_epi32(four_bytes(b));
    return (byte_values){_mm256_abs_epi8(four), four};
}

ALWAYS_INLINE integers add_bytes(integers sum, byte_weights w, byte_values b)
{
    __m256i pairs = _mm256_maddubs_epi16(b.size, _mm256_sign_epi8(w, b.sign));
    return sum + (integers)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

#elif defined(__x86_64__)

typedef struct byte_weights {
    __m128i low, high; /* two columns each */
} byte_weights;

typedef __m128i byte_values;

ALWAYS_INLINE byte_weights weights_load(const unsigned char *w)
{
    __m128i all = _mm_loadu_si128((const __m128i *)(const void *)w);
    return (byte_weights){_mm_srai_epi16(_mm_unpacklo_epi8(all, all), 8),
                          _mm_srai_epi16(_mm_unpackhi_epi8(all, all), 8)};
}

ALWAYS_INLINE byte_values values_load(const int8_t *b)
{
    __m128i four = _mm_set1_epi32(four_bytes(b));
    return _mm_srai_epi16(_mm_unpacklo_epi8(four, four), 8);
}

ALWAYS_INLINE integers add_bytes(integers sum, byte_weights w, byte_values b)
{
    __m128 low = _mm_castsi128_ps(_mm_madd_epi16(w.low, b));
    __m128 high = _mm_castsi128_ps(_mm_madd_epi16(w.high, b));
    integers even = (integers)_mm_shuffle_ps(low, high, _MM_SHUFFLE(2, 0, 2, 0));
    integers odd = (integers)_mm_shuffle_ps(low, high, _MM_SHUFFLE(3, 1, 3, 1));
    return sum + even + odd;
}

#elif defined(__aarch64__)

typedef int8x16_t byte_weights, byte_values;

ALWAYS_INLINE byte_weights weights_load(const unsigned char *w)
{
    return vreinterpretq_s8_u8(vld1q_u8(w));
}

ALWAYS_INLINE byte_values values_load(const int8_t *b)
{
    return vreinterpretq_s8_s32(vdupq_n_s32(four_bytes(b)));
}

ALWAYS_INLINE integers add_bytes(integers sum, byte_weights w, byte_values b)
{
#if defined(__ARM_FEATURE_DOTPROD)
    return (integers)vdotq_s32((int32x4_t)sum, w, b);
#else
    int16x8_t low = vmull_s8(vget_low_s8(w), vget_low_s8(b));
    int16x8_t high = vmull_high_s8(w, b);
    return (integers)vpadalq_s16((int32x4_t)sum, vpaddq_s16(low, high));
#endif
}

#endif

/* ---- a row ---- */

ALWAYS_INLINE integers larger(integers a, integers b)
{
#if defined(__AVX512F__)
    return (integers)_mm512_max_epi32((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
    return (integers)_mm256_max_epi32((__m256i)a, (__m256i)b);
#elif defined(__x86_64__)
    integers greater = a > b;
    return (a & greater) | (b & ~greater);
#else
    return (integers)vmaxq_s32((int32x4_t)a, (int32x4_t)b);
#endif
}

/* In every lane the largest of all. */
ALWAYS_INLINE integers largest_of(integers x)
{
#if defined(__AVX512F__)
    __m512i y = (__m512i)x;
    y = _mm512_max_epi32(y, _mm512_shuffle_i32x4(y, y, _MM_SHUFFLE(1, 0, 3, 2)));
    y = _mm512_max_epi32(y, _mm512_shuffle_i32x4(y, y, _MM_SHUFFLE(2, 3, 0, 1)));
    y = _mm512_max_epi32(y, _mm512_shuffle_epi32(y, _MM_PERM_BADC));
    return (integers)_mm512_max_epi32(y, _mm512_shuffle_epi32(y, _MM_PERM_CDAB));
#elif defined(__AVX2__)
    __m256i y = (__m256i)x;
    y = _mm256_max_epi32(y, _mm256_permute2x128_si256(y, y, 1));
    y = _mm256_max_epi32(y, _mm256_shuffle_epi32(y, _MM_SHUFFLE(1, 0, 3, 2)));
    return (integers)_mm256_max_epi32(y, _mm256_shuffle_epi32(y, _MM_SHUFFLE(2, 3, 0, 1)));
#elif defined(__x86_64__)
    __m128i y = (__m128i)x;
    y = (__m128i)larger((integers)y, (integers)_mm_shuffle_epi32(y, _MM_SHUFFLE(1, 0, 3, 2)));
    return larger((integers)y, (integers)_mm_shuffle_epi32(y, _MM_SHUFFLE(2, 3, 0, 1)));
#else
    return (integers)vdupq_n_s32(vmaxvq_s32((int32x4_t)x));
#endif
}

/* The low bytes of integers that are -128..127. */
ALWAYS_INLINE void store_bytes(int8_t *to, integers x)
{
#if defined(__AVX512F__)
    _mm_storeu_si128((__m128i *)(void *)to, _mm512_cvtepi32_epi8((__m512i)x));
#elif defined(__AVX2__)
    __m128i words16 = _mm_packs_epi32(_mm256_castsi256_si128((__m256i)x),
                                      _mm256_extracti128_si256((__m256i)x, 1));
    _mm_storel_epi64((__m128i *)(void *)to, _mm_packs_epi16(words16, words16));
#elif defined(__x86_64__)
    __m128i words16 = _mm_packs_epi32((__m128i)x, (__m128i)x);
    int32_t four = _mm_cvtsi128_si32(_mm_packs_epi16(words16, words16));
    memcpy(to, &four, sizeof four);
#else
    int16x4_t words16 = vmovn_s32((int32x4_t)x);
    int8x8_t bytes = vmovn_s16(vcombine_s16(words16, words16));
    int32_t four = vget_lane_s32(vreinterpret_s32_s8(bytes), 0);
    memcpy(to, &four, sizeof four);
#endif
}

#endif
