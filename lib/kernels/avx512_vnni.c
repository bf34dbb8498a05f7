/* Products and steps of bytes for AVX-512 with VNNI; the rest of the table is that of
 * avx512.c, so of the headers some functions are not used here. */
#include "tables.h"

#if KERNELS_AVX512_VNNI
#if !defined(__AVX512F__) || !defined(__AVX512VNNI__)
#error "compile this file with KERNEL_FLAGS_avx512_vnni of flags.mk"
#endif
#pragma GCC diagnostic ignored "-Wunused-function"
#define KERNEL_BYTES byte_kernels_avx512_vnni
#include "fast_bytes.h"
#endif
