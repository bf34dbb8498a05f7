/* The fast kernels: included once by the file of each instruction set, which defines KERNEL_TABLE,
 * KERNEL_NAME and KERNEL_BYTES and is compiled with the flags of that set (flags.mk). A processor
 * that has instructions for bytes besides has a table with other KERNEL_BYTES. */
#include <stdbool.h>

#include "fast_bytes.h"
#include "fast_cells.h"
#include "fast_elementwise.h"
#include "fast_few.h"
#include "fast_multiply.h"
#include "fast_pairs.h"
#include "tables.h"

_Static_assert(KERNEL_PANELS % PANEL == 0 && PANEL % VECTOR_LENGTH == 0, "whole panels");

#define FAST_TABLE(table_name, its_bytes)                                                          \
    {                                                                                              \
        .name = (table_name), .panel = PANEL, .lanes = VECTOR_LENGTH,                              \
        .multiply_matrix = FAST_PRODUCTS, .bytes = &(its_bytes), .cells = FAST_CELLS,              \
        .run_units = HAS_RUNS ? RUN_UNITS : 0, KERNEL_FUNCTIONS(fast_),                            \
    }

const kernel_table KERNEL_TABLE = FAST_TABLE(KERNEL_NAME, KERNEL_BYTES);
