/* Who multiplies. Where there is a fast table, our packed kernel: B is packed block by block, and
 * every output adds its products in the order of K, so the bits depend neither on the cut nor on the
 * number of threads. Elsewhere large products go to CBLAS, from one thread at a time. */
#include "multiply.h"

#include <cblas.h>
#include <string.h>

/* OpenBLAS has it, the reference BLAS does not. */
extern char *openblas_get_config(void) __attribute__((weak));

#define BLOCK_K 256
#define BLOCK_N 512
#define PIECE_N 512 /* columns, or */
#define PIECE_M 128 /* rows of one piece of a parallel product */

size_t multiply_workspace(void)
{
    return (size_t)BLOCK_K * BLOCK_N;
}

static CBLAS_TRANSPOSE orientation(size_t row_stride, size_t column_stride, size_t *leading)
{
    *leading = column_stride == 1 ? row_stride : column_stride;
    return column_stride == 1 ? CblasNoTrans : CblasTrans;
}

static void run_blas(const multiply *p)
{
    size_t lda, ldb;
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

static bool use_blas(void)
{
    return strcmp(kernels()->name, "reference") == 0;
}

static void run_packed(const multiply *p, real *workspace)
{
    const kernel_table *table = kernels();
    for (size_t m = 0; !p->accumulate && m < p->M; m++) {
        memset(p->c + m * p->c_row, 0, p->N * sizeof(real));
    }
    for (size_t n = 0; n < p->N; n += BLOCK_N) {
        size_t columns = p->N - n < BLOCK_N ? p->N - n : BLOCK_N;
        for (size_t k = 0; k < p->K; k += BLOCK_K) {
            size_t depth = p->K - k < BLOCK_K ? p->K - k : BLOCK_K;
            kernel_pack(table, workspace, p->b + k * p->b_row + n * p->b_column, p->b_row,
                        p->b_column, depth, columns);
            table->multiply_packed(p->M, columns, depth, p->a + k * p->a_column, p->a_row,
                                   p->a_column, workspace, p->c + n, p->c_row);
        }
    }
}

void multiply_run(const multiply *product, real *workspace)
{
    if (product->M == 0 || product->N == 0) {
        return;
    }
    if (use_blas()) {
        run_blas(product);
    } else {
        run_packed(product, workspace);
    }
}

typedef struct parallel_job {
    const multiply *product;
    real *workspaces;
    bool rows;
} parallel_job;

static void run_piece(void *argument, size_t piece, size_t worker)
{
    const parallel_job *job = argument;
    multiply part = *job->product;
    if (job->rows) {
        size_t first = piece * PIECE_M;
        part.M = part.M - first < PIECE_M ? part.M - first : PIECE_M;
        part.a += first * part.a_row;
        part.c += first * part.c_row;
    } else {
        size_t first = piece * PIECE_N;
        part.N = part.N - first < PIECE_N ? part.N - first : PIECE_N;
        part.b += first * part.b_column;
        part.c += first;
    }
    run_packed(&part, job->workspaces + worker * multiply_workspace());
}

/* Cut along the longer side. */
void multiply_parallel(pool *with, const multiply *product, real *workspaces)
{
    if (product->M == 0 || product->N == 0) {
        return;
    }
    if (use_blas()) {
        run_blas(product);
        return;
    }
    parallel_job job = {product, workspaces, product->M > product->N};
    size_t pieces = job.rows ? (product->M + PIECE_M - 1) / PIECE_M
                             : (product->N + PIECE_N - 1) / PIECE_N;
    pool_run(with, run_piece, &job, pieces);
}

const char *multiply_blas_name(void)
{
    return openblas_get_config != NULL ? openblas_get_config() : "reference CBLAS";
}
