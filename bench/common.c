#include "common.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double clock_seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

double seconds_now(void)
{
    return clock_seconds(CLOCK_MONOTONIC);
}

double seconds_of_processor(void)
{
    return clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

void must(lrnn_status status)
{
    if (status != LRNN_OK) {
        fprintf(stderr, "%s: %s\n", lrnn_status_text(status), lrnn_last_error());
        exit(1);
    }
}

void save_for_peer(const lrnn_model *model, const char *path)
{
    lrnn_model *plain;
    must(lrnn_model_convert(&plain, model, LRNN_WEIGHT_FLOAT32));
    must(lrnn_model_save(plain, path));
    lrnn_model_destroy(plain);
}

int read_weights(int32_t *weight_type, size_t *bytes, int argc, char **argv, int others)
{
    *weight_type = LRNN_WEIGHT_FLOAT32;
    *bytes = sizeof(float);
    if (argc == others + 2 && strcmp(argv[others + 1], "bfloat16") == 0) {
        *weight_type = LRNN_WEIGHT_BFLOAT16;
        *bytes = 2;
    } else if (argc == others + 2 && strcmp(argv[others + 1], "int8") == 0) {
        *weight_type = LRNN_WEIGHT_INT8;
        *bytes = 1;
    } else {
        return argc == others + 1;
    }
    return 1;
}

void *allocate(size_t count, size_t size)
{
    void *made = calloc(count, size);
    if (made == NULL) {
        fprintf(stderr, "no memory\n");
        exit(1);
    }
    return made;
}

/* SplitMix64: Steele, Lea and Flood 2014. */
uint32_t number_at(uint64_t i)
{
    uint64_t z = (i + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) >> 33);
}

/* ---- the machine's limits ---- */

/* Sums that do not wait for each other, more than the latency of a multiply-add times two. */
#define CHAINS 14

#define MULTIPLY_ADDS(name, lanes, isa)                                                            \
    isa static double name(size_t rounds)                                                          \
    {                                                                                              \
        typedef float vector __attribute__((vector_size(4 * lanes)));                              \
        vector sum[CHAINS], a = {0}, b = {0};                                                      \
        a = a + 0.999f;                                                                            \
        b = b + 0.001f;                                                                            \
        memset(sum, 0, sizeof sum);                                                                \
        __asm__ volatile("" : "+m"(sum)); /* else the compiler sees that they are all equal */     \
        for (size_t i = 0; i < rounds; i++) {                                                      \
            _Pragma("GCC unroll 14") for (size_t k = 0; k < CHAINS; k++)                           \
            {                                                                                      \
                sum[k] = sum[k] * a + b;                                                           \
            }                                                                                      \
        }                                                                                          \
        float total = 0;                                                                           \
        for (size_t k = 0; k < CHAINS; k++) {                                                      \
            total += sum[k][0];                                                                    \
        }                                                                                          \
        __asm__ volatile("" : : "g"(total) : "memory");                                            \
        return 2.0 * lanes * CHAINS * (double)rounds;                                              \
    }

/* The sum of some words a cache line, so that reading and not adding is the limit. */
#define READ(name, lanes, isa)                                                                     \
    isa static void name(const char *from, size_t bytes)                                           \
    {                                                                                              \
        typedef int64_t vector __attribute__((vector_size(8 * lanes)));                            \
        vector sum[4] = {{0}};                                                                     \
        for (size_t i = 0; i + 4 * sizeof(vector) <= bytes; i += 4 * sizeof(vector)) {             \
            const vector *x = (const vector *)(const void *)(from + i);                            \
            _Pragma("GCC unroll 4") for (size_t k = 0; k < 4; k++)                                 \
            {                                                                                      \
                sum[k] |= x[k];                                                                    \
            }                                                                                      \
        }                                                                                          \
        sum[0] |= sum[1] | sum[2] | sum[3];                                                        \
        __asm__ volatile("" : : "m"(sum) : "memory");                                              \
    }

#if defined(__x86_64__)
MULTIPLY_ADDS(multiply_adds_16, 16, __attribute__((target("avx512f,prefer-vector-width=512"))))
MULTIPLY_ADDS(multiply_adds_8, 8, __attribute__((target("avx2,fma"))))
READ(read_8, 8, __attribute__((target("avx512f,prefer-vector-width=512"))))
READ(read_4, 4, __attribute__((target("avx2"))))
#endif
MULTIPLY_ADDS(multiply_adds_4, 4, )
READ(read_2, 2, )

static double multiply_adds(size_t rounds)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) {
        return multiply_adds_16(rounds);
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        return multiply_adds_8(rounds);
    }
#endif
    return multiply_adds_4(rounds);
}

static void read_all(const char *from, size_t bytes)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) {
        read_8(from, bytes);
        return;
    }
    if (__builtin_cpu_supports("avx2")) {
        read_4(from, bytes);
        return;
    }
#endif
    read_2(from, bytes);
}

/* One thread's share of a measurement: five runs of about a millisecond, of which the fastest
 * counts. bytes 0: arithmetic. */
typedef struct burst {
    size_t bytes;
    double rate; /* operations, or whole reads, per second */
} burst;

static double arithmetic_rate(void)
{
    double best = 0;
    for (int i = 0; i < 5; i++) {
        double start = seconds_now(), done = multiply_adds(200000);
        double rate = done / (seconds_now() - start);
        best = rate > best ? rate : best;
    }
    return best;
}

static double read_rate(size_t bytes)
{
    size_t passes = (size_t)(4e7 / (double)bytes) + 1;
    double best = 0;
    char *buffer = aligned_alloc(64, (bytes + 1023) / 1024 * 1024);
    if (buffer == NULL) {
        return 0;
    }
    memset(buffer, 1, bytes);
    read_all(buffer, bytes);
    for (int i = 0; i < 5; i++) {
        double start = seconds_now();
        for (size_t pass = 0; pass < passes; pass++) {
            read_all(buffer, bytes);
        }
        double rate = (double)passes / (seconds_now() - start);
        best = rate > best ? rate : best;
    }
    free(buffer);
    return best;
}

static void *run_burst(void *argument)
{
    burst *of = argument;
    of->rate = of->bytes == 0 ? arithmetic_rate() : read_rate(of->bytes);
    return NULL;
}

#define MOST_THREADS 64

/* The sum over the threads. */
static double joint_rate(size_t bytes, size_t threads)
{
    pthread_t others[MOST_THREADS];
    burst bursts[MOST_THREADS];
    double total = 0;
    threads = threads > MOST_THREADS ? MOST_THREADS : threads;
    for (size_t i = 0; i < threads; i++) {
        bursts[i] = (burst){.bytes = bytes};
    }
    for (size_t i = 1; i < threads; i++) {
        if (pthread_create(&others[i], NULL, run_burst, &bursts[i]) != 0) {
            fprintf(stderr, "no thread\n");
            exit(1);
        }
    }
    run_burst(&bursts[0]);
    for (size_t i = 1; i < threads; i++) {
        pthread_join(others[i], NULL);
    }
    for (size_t i = 0; i < threads; i++) {
        total += bursts[i].rate;
    }
    return total;
}

double limit_arithmetic(double operations, size_t threads)
{
    return operations / joint_rate(0, threads);
}

double limit_read(size_t bytes, size_t threads)
{
    return (double)threads / joint_rate(bytes, threads);
}

/* ---- the conversation ---- */

int serve(const work *of, const char *note)
{
    char line[16];
    of->run(of->user);
    printf("ready %s\n", note);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        double wall = seconds_now(), processor = seconds_of_processor();
        double value = of->run(of->user);
        processor = seconds_of_processor() - processor;
        wall = seconds_now() - wall;
        printf("%.9g %.9g %.9g %.9g\n", wall / of->units, processor / of->units,
               of->limit(of->user), value);
        fflush(stdout);
    }
    return 0;
}
