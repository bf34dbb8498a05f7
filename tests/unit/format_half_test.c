#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "format/half.h"

/* (-1)^sign * 2^(exponent-15) * 1.fraction, or 2^-14 * 0.fraction when the exponent is 0. */
static double value_of_half(unsigned half)
{
    int exponent = (int)(half >> 10 & 0x1f);
    double fraction = (double)(half & 0x3ff) / 1024.0;
    double value = exponent == 0 ? ldexp(fraction, -14) : ldexp(1.0 + fraction, exponent - 15);
    if (exponent == 0x1f) {
        value = fraction == 0.0 ? INFINITY : NAN;
    }
    return (half & 0x8000) != 0 ? -value : value;
}

static void every_half_is_read_exactly(void **state)
{
    (void)state;
    for (unsigned half = 0; half < 0x10000; half++) {
        float value = half_to_float((uint16_t)half);
        double expected = value_of_half(half);
        if (isnan(expected)) {
            assert_true(isnan(value));
        } else {
            assert_true((double)value == expected);
        }
        assert_int_equal(signbit(value) != 0, half >> 15);
    }
}

static void every_bfloat16_is_the_upper_half_of_a_float(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 0x10000; i++) {
        float value = bfloat16_to_float((uint16_t)i);
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        assert_int_equal(bits, i << 16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_is_read_exactly),
        cmocka_unit_test(every_bfloat16_is_the_upper_half_of_a_float),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
