/* Loops over values in vectors and in blocks of vectors, the last ones incomplete. */
#ifndef KERNELS_FAST_LOOPS_H
#define KERNELS_FAST_LOOPS_H

#include "functions.h"

/* Calls a function of (i, lanes) for all values i; the call with a constant number of lanes is
 * compiled without masks. */
#define FOR_VECTORS(n, call)                                                                       \
    do {                                                                                           \
        size_t i = 0;                                                                              \
        for (; i + VECTOR_LENGTH <= (n); i += VECTOR_LENGTH) {                                     \
            const size_t lanes = VECTOR_LENGTH;                                                    \
            call;                                                                                  \
        }                                                                                          \
        if (i < (n)) {                                                                             \
            const size_t lanes = (n)-i;                                                            \
            call;                                                                                  \
        }                                                                                          \
    } while (0)

/* As many vectors as the registers have room for. */
#if defined(__x86_64__) && VECTOR_LENGTH == 4
#define BLOCK_MOST 2
#else
#define BLOCK_MOST EACH_MOST
#endif

/* The same for a function of (i, count, lanes): count vectors, the last one with that many lanes.
 */
#define FOR_BLOCKS(n, call) FOR_BLOCKS_OF(BLOCK_MOST, n, call)

#define FOR_BLOCKS_OF(most, n, call)                                                               \
    do {                                                                                           \
        size_t i = 0;                                                                              \
        for (; i + (most)*VECTOR_LENGTH <= (n); i += (most)*VECTOR_LENGTH) {                       \
            const size_t count = (most), lanes = VECTOR_LENGTH;                                    \
            call;                                                                                  \
        }                                                                                          \
        for (; i < (n); i += VECTOR_LENGTH) {                                                      \
            const size_t count = 1, lanes = (n)-i < VECTOR_LENGTH ? (n)-i : VECTOR_LENGTH;         \
            call;                                                                                  \
        }                                                                                          \
    } while (0)

/* Vectors that lie `apart`. */
ALWAYS_INLINE void load_apart(const size_t count, vector to[EACH_MOST], const real *from,
                              size_t apart, size_t lanes)
{
    EACH to[i] = load_lanes(from + i * apart, i + 1 < count ? VECTOR_LENGTH : lanes);
}

ALWAYS_INLINE void store_apart(const size_t count, real *to, const vector from[EACH_MOST],
                               size_t apart, size_t lanes)
{
    EACH store_lanes(to + i * apart, from[i], i + 1 < count ? VECTOR_LENGTH : lanes);
}

ALWAYS_INLINE void load_each(const size_t count, vector to[EACH_MOST], const real *from,
                             size_t lanes)
{
    load_apart(count, to, from, VECTOR_LENGTH, lanes);
}

ALWAYS_INLINE void store_each(const size_t count, real *to, const vector from[EACH_MOST],
                              size_t lanes)
{
    store_apart(count, to, from, VECTOR_LENGTH, lanes);
}

#endif
