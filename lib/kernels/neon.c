/* arm64 as it always is. */
#include "tables.h"

#if KERNELS_NEON
#define KERNEL_TABLE kernel_table_neon
#define KERNEL_NAME  "neon"
#define KERNEL_BYTES byte_kernels_neon
#include "fast.h"

#if KERNELS_NEON_DOT
const kernel_table kernel_table_neon_dot = FAST_TABLE("neon_dot", byte_kernels_neon_dot);
#endif
#endif
