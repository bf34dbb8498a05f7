/* x86-64 as it always is: SSE2. */
#include "tables.h"

#if KERNELS_BASELINE
#define KERNEL_TABLE kernel_table_baseline
#define KERNEL_NAME  "baseline"
#define KERNEL_BYTES byte_kernels_baseline
#include "fast.h"
#endif
