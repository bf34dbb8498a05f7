/* The fast kernels, compiled for AVX-512: sixteen floats per vector. */
#include "tables.h"

#if KERNELS_AVX512
#if !defined(__AVX512F__) || !defined(__AVX512VL__) || !defined(__AVX512DQ__)
#error "compile this file with KERNEL_FLAGS_avx512 of flags.mk"
#endif
#define KERNEL_TABLE kernel_table_avx512
#define KERNEL_NAME  "avx512"
#define KERNEL_BYTES byte_kernels_avx512
#include "fast.h"

#if KERNELS_AVX512_VNNI
const kernel_table kernel_table_avx512_vnni = FAST_TABLE("avx512_vnni", byte_kernels_avx512_vnni);
#endif
#endif
