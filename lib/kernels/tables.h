/* The tables there may be; kernels() and kernel_table_at() say which of them this machine runs. */
#ifndef KERNELS_TABLES_H
#define KERNELS_TABLES_H

#include "kernels.h"

extern const kernel_table kernel_table_reference;

/* Those that are built: all that the processor's family has, or what KERNELS= of the Makefile lists
 * (LRNN_KERNELS_LISTED and LRNN_KERNELS_<name>). The reference is
 * always there. The double build has it alone: that build is there to be right, not to be fast. */
#ifndef LRNN_KERNELS_LISTED
#define LRNN_KERNELS_baseline    1
#define LRNN_KERNELS_avx2        1
#define LRNN_KERNELS_avx2_vnni   1
#define LRNN_KERNELS_avx512      1
#define LRNN_KERNELS_avx512_vnni 1
#define LRNN_KERNELS_neon        1
#define LRNN_KERNELS_neon_dot    1
#endif

#if LRNN_REAL_IS_FLOAT && defined(__x86_64__)
#define KERNELS_BASELINE    LRNN_KERNELS_baseline
#define KERNELS_AVX2        LRNN_KERNELS_avx2
#define KERNELS_AVX2_VNNI   (LRNN_KERNELS_avx2 && LRNN_KERNELS_avx2_vnni)
#define KERNELS_AVX512      LRNN_KERNELS_avx512
#define KERNELS_AVX512_VNNI (LRNN_KERNELS_avx512 && LRNN_KERNELS_avx512_vnni)
#elif LRNN_REAL_IS_FLOAT && defined(__aarch64__)
#define KERNELS_NEON     LRNN_KERNELS_neon
#define KERNELS_NEON_DOT (LRNN_KERNELS_neon && LRNN_KERNELS_neon_dot)
#endif

extern const kernel_table kernel_table_baseline; /* SSE2 */
extern const kernel_table kernel_table_avx2;
extern const kernel_table kernel_table_avx2_vnni;
extern const kernel_table kernel_table_avx512;
extern const kernel_table kernel_table_avx512_vnni;
extern const kernel_table kernel_table_neon;
extern const kernel_table kernel_table_neon_dot;
extern const byte_kernels byte_kernels_baseline;
extern const byte_kernels byte_kernels_avx2;
extern const byte_kernels byte_kernels_avx2_vnni;
extern const byte_kernels byte_kernels_avx512;
extern const byte_kernels byte_kernels_avx512_vnni;
extern const byte_kernels byte_kernels_neon;
extern const byte_kernels byte_kernels_neon_dot;

#endif
