/* bfloat16, the upper half of a float32. */
#ifndef BASE_BFLOAT16_H
#define BASE_BFLOAT16_H

#include <stdint.h>
#include <string.h>

static inline float bfloat16_to_float(uint16_t bfloat16)
{
    uint32_t bits = (uint32_t)bfloat16 << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The nearest one, of two the even one; from half a step above the largest on that is infinity. A
 * NaN stays one. */
static inline uint16_t bfloat16_from_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t nearest = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    uint32_t nan = bits >> 16 | 0x40; /* what is cut off may be all that made it one */
    return (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? nan : nearest);
}

#endif
