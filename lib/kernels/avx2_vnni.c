/* Products and steps of bytes for AVX2 with AVX-VNNI; the rest of the table is that of
 * avx2.c, so of the headers some functions are not used here. */
#include "tables.h"

#if KERNELS_AVX2_VNNI
#if !defined(__AVX2__) || !defined(__AVXVNNI__)
#error "compile this file with KERNEL_FLAGS_avx2_vnni of flags.mk"
#endif
#pragma GCC diagnostic ignored "-Wunused-function"
#define KERNEL_BYTES byte_kernels_avx2_vnni
#include "fast_bytes.h"
#endif
