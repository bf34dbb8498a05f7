/* The fast kernels: included once by the file of each instruction set, which defines KERNEL_TABLE
 * and KERNEL_NAME and is compiled with the flags of that set (flags.mk). */
#include <stdbool.h>

#include "fast_cells.h"
#include "fast_elementwise.h"
#include "fast_multiply.h"
#include "fast_pairs.h"
#include "tables.h"

_Static_assert(KERNEL_PANELS % PANEL == 0 && PANEL % VECTOR_LENGTH == 0, "whole panels");

const kernel_table KERNEL_TABLE = {
    .name = KERNEL_NAME,
    .panel = PANEL,
    .lanes = VECTOR_LENGTH,
    .multiply_matrix = FAST_PRODUCTS,
    .cells = FAST_CELLS,
    KERNEL_FUNCTIONS(fast_),
};
