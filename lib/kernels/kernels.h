/* The mathematics on plain arrays: matrix products, activations, cells, softmax, optimizer passes.
 * Kernels know nothing of models. Each instruction set fills one table; kernels() returns the one
 * that was chosen once for this machine, or the one that the environment variable LRNN_KERNELS
 * names: reference, baseline, avx2, avx2_vnni, avx512, avx512_vnni (x86-64), neon, neon_dot
 * (arm64). A name that this machine cannot run is ignored. All matrices are row-major; a stride
 * counts elements. No kernel allocates. */
#ifndef KERNELS_KERNELS_H
#define KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/real.h"
#include "bytes.h"
#include "cells.h"
#include "matrix.h"
#include "narrow.h"

typedef struct adam_step {
    real learning_rate; /* already divided by 1 - beta1^t */
    real beta1, beta2;
    real complement1, complement2; /* 1 - beta1, 1 - beta2, subtracted in double: from a float
                                      0.999 they would be wrong in the fifth digit */
    real epsilon;
    real inverse_sqrt_correction; /* 1 / sqrt(1 - beta2^t) */
    real weight_decay; /* coupled (Adam): added to the gradient as weight_decay * parameter */
    real decay_factor; /* decoupled (AdamW): parameter *= decay_factor first; 1 for Adam */
} adam_step;

/* A packed right-hand matrix B [K,N], and what becomes of the product: C = from + A B. `from` NULL:
 * zero; from_row 0: one row for all, such as a bias. */
typedef struct packed_part {
    size_t N;
    const real *packed, *from;
    size_t from_row;
    real *c;
    size_t c_row;
} packed_part;

/* C = from + A B, as multiply_packed_from. */
typedef void matrix_product(size_t M, size_t N, size_t K, const real *a, size_t a_row,
                            packed_matrix b, const real *from, size_t from_row, real *c,
                            size_t c_row);

typedef struct kernel_table {
    const char *name;

    /* ---- products with a packed right-hand matrix ----
     * B [K,N] is cut into panels of `panel` columns; a panel holds its K rows one after the other,
     * `panel` values each, the last panel padded with zeros. See kernel_packed_size, kernel_pack.
     */
    size_t panel;

    /* C[m,n] += sum over p of A[m,p] * B[p,n]. Each output starts from the value in C and adds its
     * products in the order p = 0..K-1, whatever M is and wherever the row stands: the bits of a
     * row depend on nothing but that row, and cutting K in two calls changes no bit. (With fused
     * multiply-add where the instruction set has it.) A[m,p] is a[m * a_row + p * a_column];
     * C may have any row stride >= N. */
    void (*multiply_packed)(size_t M, size_t N, size_t K, const real *a, size_t a_row,
                            size_t a_column, const real *packed, real *c, size_t c_row);

    /* The same from another start than C; and several of them with one A. See packed_part. */
    void (*multiply_parts)(size_t M, size_t K, const real *a, size_t a_row, size_t a_column,
                           const packed_part *parts, size_t count);
    void (*multiply_packed_from)(size_t M, size_t N, size_t K, const real *a, size_t a_row,
                                 size_t a_column, const real *packed, const real *from,
                                 size_t from_row, real *c, size_t c_row);

    /* multiply_packed_from with a matrix of each kind but those of bytes, and A's columns
     * contiguous. */
    matrix_product *multiply_matrix[MATRIX_ROOM];

    /* C = from + A W with the few columns of a W that few_pack filled. */
    void (*multiply_few)(size_t M, size_t N, size_t K, const real *a, size_t a_row, const real *w,
                         const real *from, size_t from_row, real *c, size_t c_row);

    /* Products and steps with matrices of bytes. */
    const byte_kernels *bytes;

    /* ---- element-wise; y may be x ---- */
    void (*exp)(real *y, const real *x, size_t n);
    void (*sigmoid)(real *y, const real *x, size_t n);
    void (*tanh)(real *y, const real *x, size_t n);
    void (*add)(real *y, const real *x, size_t n);         /* y += x */
    void (*scale)(real *y, real factor, size_t n);         /* y *= factor */
    double (*dot)(const real *x, const real *y, size_t n); /* in double, one fixed order */

    /* y += the rows of x [rows,n], one after the other. */
    void (*add_rows)(real *y, const real *x, size_t x_row, size_t rows, size_t n);

    /* ---- cells ---- */
    size_t lanes;                  /* units of a tile of cell_step; it divides `panel` */
    cell_kernels cells[CELL_ROOM]; /* by LRNN_CELL_*; see kernel_steps */
    size_t run_units;              /* 0: there is no `run` */

    /* ---- softmax ---- */

    /* *maximum = max x; *sum = sum of exp(x - max), in one fixed order. NaN anywhere gives a NaN
     * sum; all -inf gives maximum -inf and sum NaN. n >= 1. */
    void (*max_sum_exp)(const real *x, size_t n, real *maximum, double *sum);

    /* The same, and x = exp(x - max); what would be denormal may be 0. */
    void (*exp_below_max)(real *x, size_t n, real *maximum, double *sum);

    /* x = factor * exp(x - shift). */
    void (*exp_shifted)(real *x, size_t n, real shift, real factor);

    /* ---- optimizers ---- */
    /* m = beta1*m + complement1*g, v = beta2*v + complement2*g*g,
     * p -= learning_rate * m / (sqrt(v) * inverse_sqrt_correction + epsilon). */
    void (*adam)(const adam_step *step, size_t n, real *parameter, const real *gradient, real *m,
                 real *v);
} kernel_table;

/* Every table's panel divides this, so that what is cut at multiples of it is cut between panels.
 */
#define KERNEL_PANELS ((size_t)64)

/* What training or decoding alone calls. A library without it (PARTS) has NULL there, and the
 * kernel is not linked. */
#ifndef LRNN_TRAIN
#define LRNN_TRAIN 1
#endif
#ifndef LRNN_DECODE
#define LRNN_DECODE 1
#endif
#if LRNN_TRAIN
#define IN_TRAINING(kernel) kernel
#else
#define IN_TRAINING(kernel) NULL
#endif
#if LRNN_DECODE
#define IN_DECODING(kernel) kernel
#else
#define IN_DECODING(kernel) NULL
#endif

/* The functions of a table, whose names are those of the members after a prefix. A kernel is added
 * here, above, and as prefix_name in reference.c and in a fast_ header. */
#define KERNEL_FUNCTIONS(prefix)                                                                   \
    .multiply_packed = IN_TRAINING(prefix##multiply_packed),                                       \
    .multiply_parts = IN_TRAINING(prefix##multiply_parts),                                         \
    .multiply_packed_from = prefix##multiply_packed_from, .multiply_few = prefix##multiply_few,    \
    .exp = IN_TRAINING(prefix##exp), .sigmoid = prefix##sigmoid, .tanh = prefix##tanh,             \
    .add = IN_TRAINING(prefix##add), .scale = prefix##scale,                                       \
    .add_rows = IN_TRAINING(prefix##add_rows), .dot = prefix##dot,                                 \
    .max_sum_exp = prefix##max_sum_exp, .exp_below_max = prefix##exp_below_max,                    \
    .exp_shifted = IN_DECODING(prefix##exp_shifted), .adam = IN_TRAINING(prefix##adam)

const kernel_table *kernels(void);

/* Tables that this machine can run, for tests: index 0.., NULL past the end. */
const kernel_table *kernel_table_at(size_t index);

/* ---- packing ---------------------------------------------------------------------------------*/

/* Number of reals of a packed K x N matrix: K * (N rounded up to whole panels). */
size_t kernel_packed_size(const kernel_table *table, size_t K, size_t N);

/* Packs B, B[p,n] = b[p * b_row + n * b_column]. */
void kernel_pack(const kernel_table *table, real *packed, const real *b, size_t b_row,
                 size_t b_column, size_t K, size_t N);

/* c = from + a times the matrix, of whatever kind. */
static inline void kernel_multiply(size_t M, size_t N, size_t K, const real *a, size_t a_row,
                                   packed_matrix b, const real *from, size_t from_row, real *c,
                                   size_t c_row)
{
    if (b.few > 0) {
        kernels()->multiply_few(M, N, K, a, a_row, b.data, from, from_row, c, c_row);
    } else if (b.narrow_units > 0) {
        narrow_multiply(M, N, K, a, a_row, b, from, from_row, c, c_row);
    } else if (b.bytes != NULL) {
        kernels()->bytes->multiply(M, N, K, a, a_row, b, from, from_row, c, c_row);
    } else {
        kernels()->multiply_matrix[b.kind](M, N, K, a, a_row, b, from, from_row, c, c_row);
    }
}

/* Whether all steps are one call of a kernel. */
static inline bool kernel_runs(const kernel_table *table, const cell_step *step)
{
    return step->rows == 1 && step->H <= table->run_units && step->R == step->H &&
           step->hidden.kind == LRNN_WEIGHT_FLOAT32;
}

/* Steps of a cell, of matrices of whatever kind. */
static inline void kernel_steps(const kernel_table *table, int32_t cell, const cell_step *steps)
{
    if (kernel_runs(table, steps)) {
        table->cells[cell].run(steps);
        return;
    }
    void (*step)(const cell_step *) =
        steps->hidden.bytes != NULL ? table->bytes->steps[cell] : table->cells[cell].step;
    cell_step now = *steps;
    for (step(&now); now.steps > 1; step(&now)) {
        cell_step_advance(&now);
    }
}

/* Tiles of units that a block has, of a cell of G gates. A power of two, so that their columns fill
 * whole panels. */
#define KERNEL_BLOCK_TILES(G) ((G) == 1 ? 8 : (G) <= 3 ? 4 : (G) <= 6 ? 2 : 1)

/* Columns of a panel of bytes: those of a block of units, which lie side by side so that a step
 * reads one stream of bytes; of a matrix without gates 4 vectors, as the sums of several rows
 * stay in registers. */
static inline size_t kernel_byte_panel(const kernel_table *table, size_t G)
{
    return table->lanes * G * KERNEL_BLOCK_TILES(G);
}
#define KERNEL_BYTE_VECTORS 4

/* The columns of cell_step. Gate g of unit u stands in this one, of kernel_gates_width of them. */
static inline size_t kernel_gate_column(const kernel_table *table, size_t G, size_t g, size_t u)
{
    return (u / table->lanes * G + g) * table->lanes + u % table->lanes;
}

/* Whole tiles in whole panels. */
size_t kernel_gates_width(const kernel_table *table, size_t G, size_t H);

/* Packs a matrix of kernel_gates_width columns from weights [G*H,K] with the given row stride; the
 * columns of no unit are zero. */
void kernel_pack_gates(const kernel_table *table, real *packed, const real *weights, size_t row,
                       size_t K, size_t G, size_t H);

#endif
