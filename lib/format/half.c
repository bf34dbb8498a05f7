/* binary16 to float by moving bits, so the result is exact in every floating-point mode. */
#include "half.h"

#include <string.h>

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* With integers only, so that the result does not depend on whether denormals are flushed. */
float half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = half >> 10 & 0x1f;
    uint32_t fraction = half & 0x3ff;
    if (exponent == 0x1f) {
        return float_of_bits(sign | 0x7f800000 | fraction << 13);
    }
    if (exponent == 0) {
        if (fraction == 0) {
            return float_of_bits(sign);
        }
        /* fraction * 2^-24 is a normal float: shift up to the hidden bit */
        exponent = 1;
        while ((fraction & 0x400) == 0) {
            fraction <<= 1;
            exponent--; /* may wrap below zero; the bias makes it positive again */
        }
        fraction &= 0x3ff;
    }
    return float_of_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13);
}
