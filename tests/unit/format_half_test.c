#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "format/half.h"
#include "format/safetensors.h"

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

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Each bfloat16 and the one above it, in size: what lies between goes to the nearer, the middle to
 * the even one. */
static void a_float_becomes_the_nearest_bfloat16(void **state)
{
    (void)state;
    static const uint32_t between[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff};
    for (uint32_t i = 0; i < 0x10000; i++) {
        if ((i & 0x7fff) >= 0x7f80) {
            continue; /* infinities and NaNs */
        }
        double low = fabs((double)float_of(i << 16));
        /* Above the largest comes what would be next, which rounds to infinity. */
        double high = (i & 0x7fff) == 0x7f7f ? 0x1p128 : fabs((double)float_of((i + 1) << 16));
        for (size_t k = 0; k < sizeof between / sizeof *between; k++) {
            float value = float_of(i << 16 | between[k]);
            double up = high - fabs((double)value), down = fabs((double)value) - low;
            uint32_t expected = up < down || (up == down && i % 2 == 1) ? i + 1 : i;
            assert_int_equal(bfloat16_from_float(value), expected);
        }
    }
}

/* What PyTorch's Tensor.to(torch.bfloat16) makes of numbers of all sizes, and of many halfway. */
static void rounding_is_pytorchs(void **state)
{
    (void)state;
    lrnn_allocator allocator;
    safetensors *file;
    assert_int_equal(allocator_read(&allocator, NULL), LRNN_OK);
    assert_int_equal(safetensors_open(&file, &allocator,
                                      SOURCE_ROOT "/tests/golden/safetensors/rounding.safetensors"),
                     LRNN_OK);
    const tensor_view *from = safetensors_find(file, "float32");
    const tensor_view *to = safetensors_find(file, "bfloat16");
    assert_non_null(from);
    assert_non_null(to);
    assert_true(from->count > 350);
    for (size_t i = 0; i < from->count; i++) {
        float value;
        uint16_t expected;
        assert_int_equal(tensor_numbers(&value, from, i, 1), LRNN_OK);
        assert_int_equal(tensor_numbers(&expected, to, i, 1), LRNN_OK);
        assert_int_equal(bfloat16_from_float(value), expected);
    }
    safetensors_destroy(file);
}

static void infinities_and_nans_stay_what_they_are_in_bfloat16(void **state)
{
    (void)state;
    assert_int_equal(bfloat16_from_float(INFINITY), 0x7f80);
    assert_int_equal(bfloat16_from_float(-INFINITY), 0xff80);
    for (int shift = 0; shift < 23; shift++) {
        for (uint32_t sign = 0; sign < 2; sign++) {
            float nan = float_of(sign << 31 | 0x7f800000 | 1u << shift);
            uint16_t made = bfloat16_from_float(nan);
            assert_true(isnan(bfloat16_to_float(made)));
            assert_int_equal(made >> 15, bits_of(nan) >> 31);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_is_read_exactly),
        cmocka_unit_test(every_bfloat16_is_the_upper_half_of_a_float),
        cmocka_unit_test(a_float_becomes_the_nearest_bfloat16),
        cmocka_unit_test(rounding_is_pytorchs),
        cmocka_unit_test(infinities_and_nans_stay_what_they_are_in_bfloat16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
