/* 16-bit floating-point numbers as files hold them. */
#ifndef FORMAT_HALF_H
#define FORMAT_HALF_H

#include <stdint.h>

#include "base/bfloat16.h"

/* IEEE 754 binary16, exactly: a float holds every value of it, denormals, infinities and the
 * payload of NaNs too. */
float half_to_float(uint16_t half);

#endif
