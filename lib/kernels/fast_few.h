/* Products with a matrix of a few columns; few.h tells the order of their sums. */
#ifndef KERNELS_FAST_FEW_H
#define KERNELS_FAST_FEW_H

#include "few.h"
#include "vector.h"

/* FEW_LANES lanes: one vector of eight, or two of four. */
typedef float four __attribute__((vector_size(16)));
#if defined(__AVX2__)
typedef float few_vector __attribute__((vector_size(32)));
typedef int32_t few_integers __attribute__((vector_size(32)));
#define FEW_VECTORS 1
#else
typedef four few_vector;
#define FEW_VECTORS 2
#endif

typedef struct few_sums {
    few_vector of[FEW_VECTORS];
} few_sums;

ALWAYS_INLINE few_sums few_load(const float *from)
{
    few_sums x;
    memcpy(&x, from, sizeof x);
    return x;
}

/* The first `lanes` values, zeros after them; nothing past them is touched. */
ALWAYS_INLINE few_sums few_load_lanes(const float *from, size_t lanes)
{
    few_sums x;
#if defined(__AVX2__)
    few_integers mask = (few_integers){0, 1, 2, 3, 4, 5, 6, 7} < (int32_t)lanes;
    x.of[0] = (few_vector)_mm256_maskload_ps(from, (__m256i)mask);
#else
    float values[FEW_LANES] = {0};
    memcpy(values, from, lanes * sizeof *from);
    x = few_load(values);
#endif
    return x;
}

ALWAYS_INLINE void few_add(few_sums *sum, few_sums a, few_sums w)
{
    UNROLL for (size_t v = 0; v < FEW_VECTORS; v++)
    {
        sum->of[v] = a.of[v] * w.of[v] + sum->of[v];
    }
}

ALWAYS_INLINE float few_total(few_sums sum)
{
#if defined(__AVX2__)
    four low = (four)_mm256_castps256_ps128((__m256)sum.of[0]);
    four both = low + (four)_mm256_extractf128_ps((__m256)sum.of[0], 1);
#else
    four both = sum.of[0] + sum.of[1];
#endif
    return (both[0] + both[2]) + (both[1] + both[3]);
}

/* One row of a [K] times column w. */
ALWAYS_INLINE float few_product(size_t K, const float *a, const float *w)
{
    few_sums sum = {{{0}}};
    size_t p = 0;
    for (; p + FEW_LANES <= K; p += FEW_LANES) {
        few_add(&sum, few_load(a + p), few_load(w + p));
    }
    if (p < K) {
        few_add(&sum, few_load_lanes(a + p, K - p), few_load(w + p));
    }
    return few_total(sum);
}

static void fast_multiply_few(size_t M, size_t N, size_t K, const float *a, size_t a_row,
                              const float *w, const float *from, size_t from_row, float *c,
                              size_t c_row)
{
    size_t column = few_column(K);
    for (size_t m = 0; m < M; m++, a += a_row, c += c_row) {
        for (size_t n = 0; n < N; n++) {
            float start = from == NULL ? 0 : from[m * from_row + n];
            c[n] = few_product(K, a, w + n * column) + start;
        }
    }
}

#endif
