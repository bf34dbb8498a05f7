/* Counter-based random numbers: Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random
 * numbers: as easy as 1, 2, 3", SC 2011. A number is a pure function of (seed, stream, index), so
 * it does not matter which thread draws it or in what order. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stdint.h>

/* The four words of counter `index` of `stream` under the key `seed`. */
void random_block(uint32_t words[4], uint64_t seed, uint64_t stream, uint64_t index);

/* A word as a number in [0,1): its upper 24 bits over 2^24. */
static inline double random_word_to_unit(uint32_t word)
{
    return (double)(word >> 8) * (1.0 / 16777216.0);
}

/* Number `index` of a stream, uniform in [0,1) with 53 random bits. */
double random_uniform(uint64_t seed, uint64_t stream, uint64_t index);

/* Number `index` of a stream, normal with mean 0 and variance 1 (Box-Muller). */
double random_normal(uint64_t seed, uint64_t stream, uint64_t index);

/* Streams in use; the low 32 bits are free for a sub-stream. */
#define RANDOM_STREAM_PARAMETERS ((uint64_t)1 << 32)
#define RANDOM_STREAM_DROPOUT    ((uint64_t)2 << 32)
#define RANDOM_STREAM_SAMPLER    ((uint64_t)3 << 32)
#define RANDOM_STREAM_SHUFFLE    ((uint64_t)4 << 32)

#endif
