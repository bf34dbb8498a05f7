#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/byte_order.h"

static void the_first_byte_counts_least(void **state)
{
    (void)state;
    static const unsigned char bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    unsigned char written[8] = {0};
    assert_int_equal(little_endian_get(bytes, 1), 1);
    assert_int_equal(little_endian_get(bytes, 2), 0x0201);
    assert_int_equal(little_endian_get(bytes, 4), 0x04030201);
    assert_true(little_endian_get(bytes, 8) == 0x0807060504030201);
    little_endian_put(written, 8, 0x0807060504030201);
    assert_memory_equal(written, bytes, 8);
}

static void each_number_is_turned_round(void **state)
{
    (void)state;
    static const unsigned char bytes[9] = "abcdefgh";
    static const char *const turned[] = {"abcdefgh", "badcfehg", "dcbahgfe", "hgfedcba"};
    for (size_t k = 0; k < 4; k++) {
        size_t size = (size_t)1 << k;
        unsigned char to[8], same[8];
        memcpy(same, bytes, 8);
        byte_order_swap(to, bytes, 8 / size, size);
        byte_order_swap(same, same, 8 / size, size);
        assert_memory_equal(to, turned[k], 8);
        assert_memory_equal(same, turned[k], 8);
    }
}

static void what_is_converted_is_little_endian(void **state)
{
    (void)state;
    static const uint16_t numbers[2] = {0x0201, 0x0403};
    unsigned char bytes[4];
    uint16_t back[2];
    byte_order_convert(bytes, numbers, 2, 2);
    assert_memory_equal(bytes, "\1\2\3\4", 4);
    byte_order_convert(back, bytes, 2, 2);
    assert_memory_equal(back, numbers, sizeof numbers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_byte_counts_least),
        cmocka_unit_test(each_number_is_turned_round),
        cmocka_unit_test(what_is_converted_is_little_endian),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
