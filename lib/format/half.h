/* 16-bit floating-point numbers as files hold them. */
#ifndef FORMAT_HALF_H
#define FORMAT_HALF_H

#include <stdint.h>

/* IEEE 754 binary16, exactly: a float holds every value of it, denormals, infinities and the
 * payload of NaNs too. */
float half_to_float(uint16_t half);

/* bfloat16, the upper half of a float. */
float bfloat16_to_float(uint16_t bfloat16);

#endif
