#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/byte_order.h"
#include "format/safetensors.h"
#include "support/tensor_bytes.h"

#ifndef SOURCE_ROOT
#define SOURCE_ROOT "."
#endif
#define GOLDEN SOURCE_ROOT "/tests/golden/safetensors/"

static void floating_point_numbers_of_every_width_are_read(void **state)
{
    (void)state;
    static const char *const names[] = {"f64", "f32", "f16", "bf16"};
    static const char *const expected_names[] = {"f64.expected", "f32.expected", "f16.expected",
                                                 "bf16.expected"};
    safetensors *file;
    assert_int_equal(safetensors_open(&file, NULL, GOLDEN "floats.safetensors"), LRNN_OK);
    for (size_t k = 0; k < 4; k++) {
        const tensor_view *view = safetensors_find(file, names[k]);
        const tensor_view *wide = safetensors_find(file, expected_names[k]);
        real values[64];
        assert_non_null(view);
        assert_non_null(wide);
        assert_int_equal(view->count, 64);
        assert_int_equal(wide->count, 64);
        assert_int_equal(tensor_read(values, view, 0, 64), LRNN_OK);
        for (size_t i = 0; i < 64; i++) {
            double number;
            assert_int_equal(tensor_numbers(&number, wide, i, 1), LRNN_OK);
            real expected = (real)number;
            assert_int_equal(signbit(values[i]) != 0, signbit(expected) != 0);
            assert_true(values[i] == expected || (isnan(values[i]) && isnan(expected)));
        }
    }
    safetensors_destroy(file);
}

static void numbers_are_read_from_any_address(void **state)
{
    (void)state;
    static const unsigned char one[][8] = {
        [TENSOR_F64] = {0, 0, 0, 0, 0, 0, 0xf0, 0x3f},
        [TENSOR_F32] = {0, 0, 0x80, 0x3f},
        [TENSOR_F16] = {0, 0x3c},
        [TENSOR_BF16] = {0x80, 0x3f},
    };
    for (tensor_dtype dtype = TENSOR_F64; dtype <= TENSOR_BF16; dtype++) {
        for (size_t skew = 0; skew < 8; skew++) {
            unsigned char bytes[8 + 8];
            real value = 0;
            memcpy(bytes + skew, one[dtype], tensor_dtype_size(dtype));
            tensor_view view = {.name = "t", .dtype = dtype, .count = 1, .data = bytes + skew};
            assert_int_equal(tensor_read(&value, &view, 0, 1), LRNN_OK);
            assert_true(value == 1);
        }
    }
}

static void a_part_of_a_tensor_can_be_read(void **state)
{
    (void)state;
    static const unsigned char bytes[] = {0x80, 0x3f, 0x00, 0x40, 0x40, 0x40, 0x80, 0x40};
    tensor_view view = {.name = "t", .dtype = TENSOR_BF16, .count = 4, .data = bytes};
    real values[4] = {0};
    assert_int_equal(tensor_read(values, &view, 1, 2), LRNN_OK);
    assert_true(values[0] == 2 && values[1] == 3 && values[2] == 0);
    assert_int_equal(tensor_read(values, &view, 4, 0), LRNN_OK);
    assert_int_equal(tensor_read(values, &view, 3, 2), LRNN_ERR_INVALID);
    assert_int_equal(tensor_read(values, &view, 5, 0), LRNN_ERR_INVALID);
    assert_int_equal(tensor_read(values, &view, SIZE_MAX, 2), LRNN_ERR_INVALID);
    assert_int_equal(tensor_read(values, &view, 1, SIZE_MAX), LRNN_ERR_INVALID);
}

static void integers_are_not_taken_for_reals(void **state)
{
    (void)state;
    for (tensor_dtype dtype = TENSOR_I64; dtype <= TENSOR_BOOL; dtype++) {
        tensor_view view = {
            .name = "some.tensor", .dtype = dtype, .data = (const unsigned char *)""};
        assert_int_equal(tensor_read(NULL, &view, 0, 0), LRNN_ERR_FORMAT);
        assert_non_null(strstr(lrnn_last_error(), "some.tensor"));
        assert_non_null(strstr(lrnn_last_error(), tensor_dtype_name(dtype)));
    }
}

/* More numbers than are converted at a time. */
static void long_tensors_are_converted_to_their_end(void **state)
{
    (void)state;
    enum { MANY = 5000 };
    static double from[MANY];
    static real to[MANY];
    const tensor_view view = {.name = "x",
                              .dtype = TENSOR_F64,
                              .rank = 1,
                              .shape = {MANY},
                              .count = MANY,
                              .data = (const unsigned char *)from};
    for (size_t i = 0; i < MANY; i++) {
        from[i] = (double)i;
    }
    byte_order_convert(from, from, MANY, sizeof *from);
    assert_int_equal(tensor_read(to, &view, 3, MANY - 3), LRNN_OK);
    for (size_t i = 0; i < MANY - 3; i++) {
        assert_true(to[i] == (real)(i + 3));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_tensors_are_converted_to_their_end),
        cmocka_unit_test(floating_point_numbers_of_every_width_are_read),
        cmocka_unit_test(numbers_are_read_from_any_address),
        cmocka_unit_test(a_part_of_a_tensor_can_be_read),
        cmocka_unit_test(integers_are_not_taken_for_reals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
