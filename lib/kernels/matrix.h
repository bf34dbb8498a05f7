/* A right-hand matrix packed for inference, of whatever kind of numbers. */
#ifndef KERNELS_MATRIX_H
#define KERNELS_MATRIX_H

#include <stdint.h>

#include "base/real.h"

/* Two numbers of bfloat16, which are the upper halves of two floats. */
typedef uint32_t bfloat16_pair;

/* A right-hand matrix packed for inference: as reals; or as pairs of bfloat16, of which word i of a
 * panel's row has column i in its low half and column i + panel / 2 in its high one. The other is
 * NULL; both are where there is no matrix. */
typedef struct packed_matrix {
    real *reals;
    bfloat16_pair *pairs;
} packed_matrix;

#endif
