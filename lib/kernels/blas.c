/* Which products CBLAS multiplies, and how they are given to it. With LRNN_BLAS 0 (BLAS=none) there
 * is no CBLAS, and the reference table multiplies by itself. */
#include "blas.h"

#ifndef LRNN_BLAS
#define LRNN_BLAS 1
#endif

#if LRNN_BLAS
#include <cblas.h>
#include <limits.h>
#include <string.h>

/* OpenBLAS has it, the reference BLAS does not. */
extern char *openblas_get_config(void) __attribute__((weak));

/* Measured in GFLOP/s on a Xeon of the Sapphire Rapids family (one thread, 2,500 x 512 x 128 and
 * 4,096 x 512 x 2,048): avx512 165 and 150, avx2 86 and 84, baseline 36 and 33, reference 3; of
 * OpenBLAS 0.3.21 where it knows the processor 151 and 149, where it does not 33 and 32. So BLAS
 * takes over from the reference kernels alone, and only where starting it costs nothing much. */
bool blas_takes(const multiply *p)
{
    double work = (double)p->M * (double)p->N * (double)p->K;
    return strcmp(kernels()->name, "reference") == 0 && work >= 1e4 && p->M <= INT_MAX &&
           p->N <= INT_MAX && p->K <= INT_MAX && p->a_row <= INT_MAX && p->a_column <= INT_MAX &&
           p->b_row <= INT_MAX && p->b_column <= INT_MAX && p->c_row <= INT_MAX;
}

static CBLAS_TRANSPOSE orientation(size_t row, size_t column, size_t width, int *leading)
{
    size_t stride = column == 1 ? row : column;
    *leading = (int)(stride > width ? stride : width);
    return column == 1 ? CblasNoTrans : CblasTrans;
}

void blas_run(const multiply *p)
{
    int lda, ldb;
    CBLAS_TRANSPOSE ta = orientation(p->a_row, p->a_column, p->a_column == 1 ? p->K : p->M, &lda);
    CBLAS_TRANSPOSE tb = orientation(p->b_row, p->b_column, p->b_column == 1 ? p->N : p->K, &ldb);
    real old = p->accumulate ? 1 : 0;
#if LRNN_REAL_IS_FLOAT
    cblas_sgemm(CblasRowMajor, ta, tb, (int)p->M, (int)p->N, (int)p->K, 1, p->a, lda, p->b, ldb,
                old, p->c, (int)p->c_row);
#else
    cblas_dgemm(CblasRowMajor, ta, tb, (int)p->M, (int)p->N, (int)p->K, 1, p->a, lda, p->b, ldb,
                old, p->c, (int)p->c_row);
#endif
}

const char *multiply_blas_name(void)
{
    return openblas_get_config != NULL ? openblas_get_config() : "reference CBLAS";
}

#else

bool blas_takes(const multiply *p)
{
    (void)p;
    return false;
}

void blas_run(const multiply *p)
{
    (void)p;
}

const char *multiply_blas_name(void)
{
    return "none";
}
#endif
