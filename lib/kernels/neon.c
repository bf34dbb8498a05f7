/* arm64 as it always is. */
#include "tables.h"

#if KERNELS_NEON
#define KERNEL_TABLE kernel_table_neon
#define KERNEL_NAME  "neon"
#include "fast.h"
#endif
