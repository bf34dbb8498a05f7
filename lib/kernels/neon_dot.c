/* Products and steps of bytes for arm64 with the dot product of bytes; the rest of the table is
 * that of neon.c, so of the headers some functions are not used here. */
#include "tables.h"

#if KERNELS_NEON_DOT
#if !defined(__ARM_FEATURE_DOTPROD)
#error "compile this file with KERNEL_FLAGS_neon_dot of flags.mk"
#endif
#pragma GCC diagnostic ignored "-Wunused-function"
#define KERNEL_BYTES byte_kernels_neon_dot
#include "fast_bytes.h"
#endif
