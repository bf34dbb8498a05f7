/* The choice of a table of kernels: the fastest that this processor can run, or the one that the
 * environment variable LRNN_KERNELS names. It is made once and never changes. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "tables.h"

#if KERNELS_AVX2_VNNI
#include <cpuid.h>

/* gcc 12 and clang 14 know no name for it. That the system saves the registers of AVX is known
 * where AVX2 may be used. */
static bool has_avx_vnni(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & 1u << 4) != 0;
}
#elif KERNELS_NEON_DOT
#if defined(__linux__)
#include <sys/auxv.h>
#endif

static bool has_dot_product(void)
{
#if defined(__ARM_FEATURE_DOTPROD)
    return true;
#elif defined(__linux__)
    return (getauxval(AT_HWCAP) & 1ul << 20) != 0; /* HWCAP_ASIMDDP */
#else
    return false;
#endif
}
#endif

/* From the slowest to the fastest. */
const kernel_table *kernel_table_at(size_t index)
{
    const kernel_table *tables[8] = {&kernel_table_reference};
    size_t count = 1;
#if KERNELS_BASELINE
    tables[count++] = &kernel_table_baseline;
#endif
#if KERNELS_AVX2
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        tables[count++] = &kernel_table_avx2;
#if KERNELS_AVX2_VNNI
        if (has_avx_vnni()) {
            tables[count++] = &kernel_table_avx2_vnni;
        }
#endif
    }
#endif
#if KERNELS_AVX512
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("fma")) {
        tables[count++] = &kernel_table_avx512;
#if KERNELS_AVX512_VNNI
        if (__builtin_cpu_supports("avx512vnni")) {
            tables[count++] = &kernel_table_avx512_vnni;
        }
#endif
    }
#endif
#if KERNELS_NEON
    tables[count++] = &kernel_table_neon;
#if KERNELS_NEON_DOT
    if (has_dot_product()) {
        tables[count++] = &kernel_table_neon_dot;
    }
#endif
#endif
    return index < count ? tables[index] : NULL;
}

static const kernel_table *choose(void)
{
    const char *wanted = getenv("LRNN_KERNELS");
    const kernel_table *table = NULL;
    for (size_t i = 0; kernel_table_at(i) != NULL; i++) {
        table = kernel_table_at(i);
        if (wanted != NULL && strcmp(table->name, wanted) == 0) {
            break;
        }
    }
    return table;
}

/* Threads that come first at the same time all choose, and all the same. */
const kernel_table *kernels(void)
{
    static _Atomic(const kernel_table *) chosen;
    const kernel_table *table = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (table == NULL) {
        table = choose();
        atomic_store_explicit(&chosen, table, memory_order_relaxed);
    }
    return table;
}
