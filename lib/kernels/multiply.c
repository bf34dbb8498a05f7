#include "multiply.h"

#include <cblas.h>

/* OpenBLAS has it, the reference BLAS does not. */
extern char *openblas_get_config(void) __attribute__((weak));

size_t multiply_workspace(void)
{
    return 16;
}

static CBLAS_TRANSPOSE orientation(size_t row_stride, size_t column_stride, size_t *leading)
{
    *leading = column_stride == 1 ? row_stride : column_stride;
    return column_stride == 1 ? CblasNoTrans : CblasTrans;
}

void multiply_run(const multiply *p, real *workspace)
{
    (void)workspace;
    size_t lda, ldb;
    if (p->M == 0 || p->N == 0) {
        return;
    }
    CBLAS_TRANSPOSE ta = orientation(p->a_row, p->a_column, &lda);
    CBLAS_TRANSPOSE tb = orientation(p->b_row, p->b_column, &ldb);
#if LRNN_REAL_IS_FLOAT
    cblas_sgemm(CblasRowMajor, ta, tb, (int)p->M, (int)p->N, (int)p->K, 1, p->a, (int)lda, p->b,
                (int)ldb, p->accumulate ? 1 : 0, p->c, (int)p->c_row);
#else
    cblas_dgemm(CblasRowMajor, ta, tb, (int)p->M, (int)p->N, (int)p->K, 1, p->a, (int)lda, p->b,
                (int)ldb, p->accumulate ? 1 : 0, p->c, (int)p->c_row);
#endif
}

/* BLAS has threads of its own, or none; it is called from one thread at a time. */
void multiply_parallel(pool *with, const multiply *product, real *workspaces)
{
    (void)with;
    multiply_run(product, workspaces);
}

const char *multiply_blas_name(void)
{
    return openblas_get_config != NULL ? openblas_get_config() : "reference CBLAS";
}
