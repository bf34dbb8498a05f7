/* The other half of tests/golden/train_pytorch.py: its formula for inputs and parameters, and
 * comparison with what PyTorch gave, under each kernel table. */
#ifndef SUPPORT_GOLDEN_NUMBERS_H
#define SUPPORT_GOLDEN_NUMBERS_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/byte_order.h"
#include "format/safetensors.h"
#include "kernels/kernels.h"
#include "support/tensor_bytes.h"

/* Number i of the stream `seed`, -0.5..0.5, exact in float. */
static inline float golden_number(unsigned seed, size_t i)
{
    uint32_t x = (uint32_t)(i + (size_t)seed * 1000003u + 1u) * 2654435761u;
    x ^= x >> 15;
    x *= 2246822519u;
    x ^= x >> 13;
    return (float)((double)(x >> 8) / 16777216.0 - 0.5);
}

static inline void golden_fill(float *to, unsigned seed, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        to[i] = golden_number(seed, i);
    }
}

/* Integers 0..below-1, plus `add`. */
static inline void golden_whole(int32_t *to, unsigned seed, size_t count, int below, int add)
{
    for (size_t i = 0; i < count; i++) {
        to[i] = (int32_t)floor(((double)golden_number(seed, i) + 0.5) * below) + add;
    }
}

static inline safetensors *golden_load(const char *name)
{
    char path[512];
    safetensors *file;
    snprintf(path, sizeof path, "%s/tests/golden/%s", SOURCE_ROOT, name);
    if (safetensors_open(&file, NULL, path) != LRNN_OK) {
        fprintf(stderr, "%s\n", lrnn_last_error());
        abort();
    }
    return file;
}

static inline int64_t golden_integer(const tensor_view *view, size_t i)
{
    return (int64_t)little_endian_get(bytes_of(view) + 8 * i, 8);
}

/* Copies a tensor of the file, which must have at most `capacity` numbers; returns how many. */
static inline size_t golden_read(float *to, size_t capacity, const safetensors *file,
                                 const char *name)
{
    const tensor_view *view = safetensors_find(file, name);
    if (view == NULL || view->count > capacity ||
        tensor_read(to, view, 0, view->count) != LRNN_OK) {
        fprintf(stderr, "golden tensor %s: not there or too large\n", name);
        abort();
    }
    return view->count;
}

/* The largest difference over the largest magnitude; infinite for NaN or another number of values.
 */
static inline double golden_difference_of(const float *found, size_t count, const safetensors *file,
                                          const char *name)
{
    static float expected[1 << 16];
    double worst = 0, greatest = 1e-6;
    if (golden_read(expected, 1 << 16, file, name) != count) {
        return INFINITY;
    }
    for (size_t i = 0; i < count; i++) {
        double size = fabs((double)expected[i]);
        double difference = fabs((double)found[i] - (double)expected[i]);
        greatest = size > greatest ? size : greatest;
        if (!(difference <= worst)) {
            worst = isnan(difference) ? INFINITY : difference;
        }
    }
    return worst / greatest;
}

/* Calls run() in a new process under these kernels; 0 if all went well. */
static inline int golden_run_under(const kernel_table *table, int (*run)(void))
{
#ifdef _WIN32 /* the same program again, which finds the environment set */
    (void)run;
    setenv("LRNN_KERNELS", table->name, 1);
    int status = (int)_spawnl(_P_WAIT, _pgmptr, _pgmptr, NULL);
    unsetenv("LRNN_KERNELS");
    return status;
#else
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        setenv("LRNN_KERNELS", table->name, 1);
        exit(kernels() != table || run() != 0);
    }
    return child < 0 || waitpid(child, &status, 0) != child || status != 0;
#endif
}

/* Calls run() in one new process for each kernel table of this machine, since a process chooses its
 * table once, or in this one if the environment names a table; returns how many failed. */
static inline int golden_under_all_kernels(int (*run)(void))
{
    int failed = 0;
    if (getenv("LRNN_KERNELS") != NULL) {
        return run();
    }
    for (size_t i = 0; kernel_table_at(i) != NULL; i++) {
        if (golden_run_under(kernel_table_at(i), run) != 0) {
            fprintf(stderr, "failed with LRNN_KERNELS=%s\n", kernel_table_at(i)->name);
            failed++;
        }
    }
    return failed;
}

#endif
