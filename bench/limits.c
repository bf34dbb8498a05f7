/* The machine's limits as a table: name, value, unit; for 1 .. threads (argument) threads. */
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common.h"

static double best_sgemm(void)
{
    double best = 0;
    for (int n = 256; n <= 2048; n *= 2) {
        float *a = allocate((size_t)n * (size_t)n, sizeof *a);
        float *b = allocate((size_t)n * (size_t)n, sizeof *b);
        float *c = allocate((size_t)n * (size_t)n, sizeof *c);
        for (size_t i = 0; i < (size_t)n * (size_t)n; i++) {
            a[i] = b[i] = (float)(number_at(i) % 1000) * 1e-3f;
        }
        for (int i = 0; i < 6; i++) {
            double start = seconds_now();
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, a, n, b, n, 0, c, n);
            double rate = 2.0 * n * n * n / (seconds_now() - start);
            best = rate > best ? rate : best;
        }
        free(a);
        free(b);
        free(c);
    }
    return best;
}

/* Most of a cache, or of what is usual where the system does not tell. */
static size_t most_of(int cache, size_t usual)
{
    long bytes = sysconf(cache);
    return (bytes > 0 ? (size_t)bytes : usual) / 4 * 3;
}

int main(int argc, char **argv)
{
    const struct {
        const char *name;
        size_t bytes;
    } levels[] = {
        {"read L1", most_of(_SC_LEVEL1_DCACHE_SIZE, 32 << 10)},
        {"read L2", most_of(_SC_LEVEL2_CACHE_SIZE, 512 << 10)},
        {"read L3", 16 << 20}, /* a part of what several cores share */
        {"read memory", 512u << 20},
    };
    size_t most = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
    for (size_t threads = 1; threads <= most; threads++) {
        printf("limit\tmultiply-add\t%zu\t%.1f\tGFLOP/s\n", threads,
               1e-9 / limit_arithmetic(1, threads));
        for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
            double bytes = (double)levels[i].bytes * (double)threads;
            printf("limit\t%s\t%zu\t%.1f\tGB/s\n", levels[i].name, threads,
                   1e-9 * bytes / limit_read(levels[i].bytes, threads));
        }
    }
    printf("limit\tBLAS sgemm\t%zu\t%.1f\tGFLOP/s\n", most, 1e-9 * best_sgemm());
    return 0;
}
