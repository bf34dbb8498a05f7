/* The fast kernels, compiled for AVX2 with FMA: eight floats per vector. */
#include "tables.h"

#if KERNELS_AVX2
#if !defined(__AVX2__) || !defined(__FMA__)
#error "compile this file with KERNEL_FLAGS_avx2 of flags.mk"
#endif
#define KERNEL_TABLE kernel_table_avx2
#define KERNEL_NAME  "avx2"
#define KERNEL_BYTES byte_kernels_avx2
#include "fast.h"

#if KERNELS_AVX2_VNNI
const kernel_table kernel_table_avx2_vnni = FAST_TABLE("avx2_vnni", byte_kernels_avx2_vnni);
#endif
#endif
