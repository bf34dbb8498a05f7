/* Who multiplies. The fast tables: B is packed block by block, and every output adds its products
 * in the order of K, so the bits depend neither on the cut nor on the number of threads. Without
 * them, large products go to CBLAS. */
#include "multiply.h"

#include "blas.h"

/* What is packed of B at a time. Deep blocks, because each one reads and writes C; and several of
 * them before A is gone through. */
#define BLOCK_K 512
#define BLOCK_N 512
#define BLOCKS  2

/* A piece of a parallel product is worth at least this many multiplications: about 20 us. */
#define PIECE_WORK 2e6

size_t multiply_workspace(void)
{
    return (size_t)BLOCKS * BLOCK_K * BLOCK_N;
}

/* Blocks of B that are packed and wait for A: of one depth, beginning at row k. */
typedef struct blocks {
    packed_part parts[BLOCKS];
    size_t count, k, depth;
    real *room[BLOCKS];
} blocks;

static void run_blocks(blocks *of, const multiply *p)
{
    kernels()->multiply_parts(p->M, of->depth, p->a + of->k * p->a_column, p->a_row, p->a_column,
                              of->parts, of->count);
    of->count = 0;
}

static void add_block(blocks *to, const multiply *p, size_t n)
{
    if (to->count == BLOCKS) {
        run_blocks(to, p);
    }
    real *packed = to->room[to->count];
    size_t columns = p->N - n < BLOCK_N ? p->N - n : BLOCK_N;
    kernel_pack(kernels(), packed, p->b + to->k * p->b_row + n * p->b_column, p->b_row, p->b_column,
                to->depth, columns);
    to->parts[to->count++] = (packed_part){
        .N = columns,
        .packed = packed,
        .from = p->accumulate || to->k > 0 ? p->c + n : NULL,
        .from_row = p->c_row,
        .c = p->c + n,
        .c_row = p->c_row,
    };
}

void multiply_run(const multiply *products, size_t count, real *workspace)
{
    size_t K = products->K, k = 0;
    blocks of = {.count = 0};
    for (size_t i = 0; i < BLOCKS; i++) {
        of.room[i] = workspace + i * BLOCK_K * BLOCK_N;
    }
    do { /* once for K = 0, too */
        of.k = k;
        of.depth = K - k < BLOCK_K ? K - k : BLOCK_K;
        for (size_t i = 0; i < count; i++) {
            for (size_t n = 0; n < products[i].N; n += BLOCK_N) {
                add_block(&of, &products[i], n);
            }
        }
        run_blocks(&of, products);
        k += BLOCK_K;
    } while (k < K);
}

/* ---- several threads ------------------------------------------------------------------------ */

/* Products cut into rows x columns pieces of nearly equal size. */
typedef struct grid {
    const multiply *products;
    size_t count;
    real *workspaces;
    size_t rows, columns;
} grid;

/* The share `index` of `count` of n, in whole units. */
static size_t share(size_t n, size_t unit, size_t index, size_t count)
{
    size_t units = (n + unit - 1) / unit;
    size_t end = (units * index + count / 2) / count * unit;
    return index == 0 ? 0 : index == count || end > n ? n : end;
}

static void run_piece(void *argument, size_t piece, size_t worker)
{
    const grid *cut = argument;
    multiply parts[MULTIPLY_TOGETHER];
    size_t row = piece / cut->columns, column = piece % cut->columns;
    size_t M = cut->products->M;
    size_t m = share(M, 12, row, cut->rows), m_end = share(M, 12, row + 1, cut->rows);
    for (size_t i = 0; i < cut->count; i++) {
        multiply *part = &parts[i];
        *part = cut->products[i];
        size_t n = share(part->N, 64, column, cut->columns);
        part->N = share(part->N, 64, column + 1, cut->columns) - n;
        part->M = m_end - m;
        part->a += m * part->a_row;
        part->b += n * part->b_column;
        part->c += m * part->c_row + n;
    }
    if (m_end > m) {
        multiply_run(parts, cut->count, cut->workspaces + worker * multiply_workspace());
    }
}

/* Each piece packs its part of B, and copies its part of A if that is transposed: two costs to
 * weigh against each other. Some pieces more than threads, in case a thread is held up. */
static void cut_grid(grid *cut, size_t threads)
{
    const multiply *p = cut->products;
    double N = 0, best = 0;
    for (size_t i = 0; i < cut->count; i++) {
        N += (double)p[i].N;
    }
    double affordable = (double)p->M * N * (double)p->K / PIECE_WORK;
    size_t pieces = threads == 1 ? 1 : 2 * threads;
    cut->rows = cut->columns = 1;
    while (pieces > 1 && (double)pieces > affordable) {
        pieces--;
    }
    for (size_t rows = 1; rows <= pieces; rows++) {
        size_t columns = pieces / rows;
        double height = (double)p->M / (double)rows, width = N / (double)columns;
        double cost = 1 / height + (p->a_column == 1 ? 0.2 : 2) / width;
        if (rows * columns == pieces && (best == 0 || cost < best)) {
            best = cost;
            cut->rows = rows;
            cut->columns = columns;
        }
    }
}

static void run_grid(pool *with, const multiply *products, size_t count, real *workspaces)
{
    grid cut = {.products = products, .count = count, .workspaces = workspaces};
    cut_grid(&cut, pool_threads(with));
    if (cut.rows * cut.columns == 1) {
        multiply_run(products, count, workspaces);
    } else {
        pool_run(with, run_piece, &cut, cut.rows * cut.columns);
    }
}

/* For BLAS each product goes its own way. */
void multiply_parallel(pool *with, const multiply *products, size_t count, real *workspaces)
{
    bool blas = false;
    for (size_t i = 0; i < count; i++) {
        blas = blas || blas_takes(&products[i]);
    }
    if (!blas) {
        run_grid(with, products, count, workspaces);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (blas_takes(&products[i])) {
            blas_run(&products[i]);
        } else {
            run_grid(with, &products[i], 1, workspaces);
        }
    }
}
