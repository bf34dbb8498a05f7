/* Matrices of a few columns, such as the head of a model with one output. A chain of products an
 * output, as panels have it, is all waiting here; so an output is FEW_LANES chains, of which chain
 * i takes the products p = i, i + FEW_LANES, .. The sums of the chains are added in one fixed
 * order,
 * ((0 + 4) + (2 + 6)) + ((1 + 5) + (3 + 7)), and what the output starts from last.
 *
 * Columns are kept one after the other, with zeros up to whole pieces of FEW_LANES values; always
 * as reals, which a number of any kind can be. */
#ifndef KERNELS_FEW_H
#define KERNELS_FEW_H

#include <stddef.h>

#include "base/real.h"

#define FEW_COLUMNS 4 /* at most */
#define FEW_LANES   8

/* Reals of a column of K values. */
static inline size_t few_column(size_t K)
{
    return (K + FEW_LANES - 1) / FEW_LANES * FEW_LANES;
}

/* N columns of K values from weights [N,K]. */
void few_pack(real *to, const real *weights, size_t K, size_t N);

#endif
