/* The tables there may be; kernels() and kernel_table_at() say which of them this machine runs. */
#ifndef KERNELS_TABLES_H
#define KERNELS_TABLES_H

#include "kernels.h"

extern const kernel_table kernel_table_reference;

/* The double build has the reference alone: it is there to be right, not to be fast. */
#if LRNN_REAL_IS_FLOAT && defined(__x86_64__)
#define KERNELS_X86 1
extern const kernel_table kernel_table_baseline;
extern const kernel_table kernel_table_avx2;
extern const kernel_table kernel_table_avx2_vnni;
extern const kernel_table kernel_table_avx512;
extern const kernel_table kernel_table_avx512_vnni;
extern const byte_kernels byte_kernels_baseline;
extern const byte_kernels byte_kernels_avx2;
extern const byte_kernels byte_kernels_avx2_vnni;
extern const byte_kernels byte_kernels_avx512;
extern const byte_kernels byte_kernels_avx512_vnni;
#else
#define KERNELS_X86 0
#endif

#if LRNN_REAL_IS_FLOAT && defined(__aarch64__)
#define KERNELS_NEON 1
extern const kernel_table kernel_table_neon;
extern const kernel_table kernel_table_neon_dot;
extern const byte_kernels byte_kernels_neon;
extern const byte_kernels byte_kernels_neon_dot;
#else
#define KERNELS_NEON 0
#endif

#endif
