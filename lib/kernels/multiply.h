/* Large products for training: who multiplies is decided here and nowhere else. */
#ifndef KERNELS_MULTIPLY_H
#define KERNELS_MULTIPLY_H

#include <stdbool.h>

#include "base/pool.h"
#include "kernels.h"

/* C[M,N] = A[M,K] B[K,N], or += with accumulate. Any of A and B may be a transposed view:
 * A[m,p] = a[m * a_row + p * a_column] with one of the two strides 1, likewise B. C row-major with
 * row stride c_row. */
typedef struct multiply {
    size_t M, N, K;
    const real *a;
    size_t a_row, a_column;
    const real *b;
    size_t b_row, b_column;
    real *c;
    size_t c_row;
    bool accumulate;
} multiply;

/* Reals of scratch that each thread needs for any product, whatever its size. */
size_t multiply_workspace(void);

/* Products that are run together have one A: M, K, a and its strides. So many at most: */
#define MULTIPLY_TOGETHER 2

/* Runs them in the calling thread, with our own kernels. workspace: multiply_workspace() reals,
 * 64-byte aligned. */
void multiply_run(const multiply *products, size_t count, real *workspace);

/* Runs them on all threads of the pool, cut along the outputs, each of which adds its products in
 * the same order however it is cut: the bits do not depend on the number of threads. workspaces:
 * one after the other, pool_threads() of them. */
void multiply_parallel(pool *pool, const multiply *products, size_t count, real *workspaces);

/* The library that answers cblas_sgemm, as far as it can be told: "OpenBLAS 0.3.21 ...",
 * "reference CBLAS" or "none". Static. */
const char *multiply_blas_name(void);

#endif
