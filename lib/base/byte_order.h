/* Numbers in files are little-endian, whatever the machine. */
#ifndef BASE_BYTE_ORDER_H
#define BASE_BYTE_ORDER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MACHINE_IS_LITTLE_ENDIAN (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)

/* A number of `size` bytes, at most 8. */
static inline uint64_t little_endian_get(const unsigned char *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) {
        value |= (uint64_t)bytes[i] << (8 * i);
    }
    return value;
}

static inline void little_endian_put(unsigned char *bytes, size_t size, uint64_t value)
{
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (unsigned char)(value >> (8 * i));
    }
}

/* The bytes of each of `count` numbers the other way round; `to` may be `from`, or not overlap. */
static inline void byte_order_swap(void *to, const void *from, size_t count, size_t size)
{
    unsigned char *out = to, number[8];
    const unsigned char *in = from;
    for (size_t i = 0; i < count * size; i += size) {
        memcpy(number, in + i, size);
        for (size_t k = 0; k < size; k++) {
            out[i + k] = number[size - 1 - k];
        }
    }
}

/* From the machine's order into that of files, and back. */
static inline void byte_order_convert(void *to, const void *from, size_t count, size_t size)
{
    if (!MACHINE_IS_LITTLE_ENDIAN) {
        byte_order_swap(to, from, count, size);
    } else if (to != from) {
        memcpy(to, from, count * size);
    }
}

#endif
