#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/utf8.h"

static size_t decode(uint32_t *code_point, const char *text)
{
    return utf8_decode(code_point, text, strlen(text));
}

static void every_code_point_comes_back(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        char bytes[4];
        size_t size = utf8_encode(bytes, c);
        if (c >= 0xd800 && c < 0xe000) {
            assert_int_equal(size, 0);
            continue;
        }
        uint32_t back;
        assert_int_equal(size, c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4);
        assert_int_equal(utf8_decode(&back, bytes, size), size);
        assert_int_equal(back, c);
        assert_int_equal(utf8_decode(&back, bytes, size - 1), 0);
        assert_int_equal(back, 0);
    }
}

/* Counted once and for all: there are 0x110000 - 0x800 valid characters, so every other string of
 * bytes must be refused. Two, three and four bytes are tried in full as far as time allows. */
static void exactly_the_valid_sequences_are_taken(void **state)
{
    (void)state;
    size_t taken[5] = {0};
    for (uint32_t i = 0; i < 1u << 24; i++) {
        unsigned char bytes[4] = {(unsigned char)(i >> 16), (unsigned char)(i >> 8),
                                  (unsigned char)i, 0x80};
        uint32_t code_point;
        size_t size = utf8_decode(&code_point, (const char *)bytes, 4);
        taken[size]++;
    }
    assert_int_equal(taken[1], 128 * 65536);
    assert_int_equal(taken[2], (0x800 - 0x80) * 256);
    assert_int_equal(taken[3], 0x10000 - 0x800 - 0x800);
    assert_int_equal(taken[4], 0x100000 / 64);
}

static void overlong_forms_are_refused(void **state)
{
    (void)state;
    uint32_t c;
    assert_int_equal(decode(&c, "\xc0\x80"), 0);
    assert_int_equal(decode(&c, "\xc1\xbf"), 0);
    assert_int_equal(decode(&c, "\xe0\x9f\xbf"), 0);
    assert_int_equal(decode(&c, "\xf0\x8f\xbf\xbf"), 0);
}

static void surrogates_and_too_large_code_points_are_refused(void **state)
{
    (void)state;
    uint32_t c;
    char bytes[4];
    assert_int_equal(decode(&c, "\xed\xa0\x80"), 0);
    assert_int_equal(decode(&c, "\xed\xbf\xbf"), 0);
    assert_int_equal(decode(&c, "\xf4\x90\x80\x80"), 0);
    assert_int_equal(decode(&c, "\xff"), 0);
    assert_int_equal(utf8_encode(bytes, 0x110000), 0);
}

static void the_first_bad_byte_is_found_wherever_it_is(void **state)
{
    (void)state;
    char text[64];
    for (size_t length = 0; length <= sizeof text; length++) {
        memset(text, 'a', sizeof text);
        assert_int_equal(utf8_valid_prefix(text, length), length);
        for (size_t i = 0; i < length; i++) {
            text[i] = '\x80';
            assert_int_equal(utf8_valid_prefix(text, length), i);
            text[i] = 'a';
        }
    }
}

static void a_cut_character_is_bad_from_its_start(void **state)
{
    (void)state;
    assert_int_equal(utf8_valid_prefix("ab\xe2\x82\xac", 5), 5);
    assert_int_equal(utf8_valid_prefix("ab\xe2\x82\xac", 4), 2);
    assert_int_equal(utf8_valid_prefix("ab\xe2\x82\xac", 3), 2);
    assert_int_equal(utf8_valid_prefix("ab\xe2\x82z", 5), 2);
    assert_int_equal(utf8_valid_prefix("", 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_comes_back),
        cmocka_unit_test(exactly_the_valid_sequences_are_taken),
        cmocka_unit_test(overlong_forms_are_refused),
        cmocka_unit_test(surrogates_and_too_large_code_points_are_refused),
        cmocka_unit_test(the_first_bad_byte_is_found_wherever_it_is),
        cmocka_unit_test(a_cut_character_is_bad_from_its_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
