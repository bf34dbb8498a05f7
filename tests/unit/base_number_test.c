#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <locale.h>
#include <string.h>

#include "base/number.h"

static void assert_written(double value, const char *expected)
{
    char text[NUMBER_ROOM];
    double back;
    number_write_double(text, value);
    assert_string_equal(text, expected);
    assert_true(number_read_double(&back, text));
    assert_memory_equal(&back, &value, sizeof back);
}

static void the_shortest_text_that_reads_back_is_written(void **state)
{
    (void)state;
    assert_written(0, "0");
    assert_written(0.5, "0.5");
    assert_written(0.1, "0.1");
    assert_written(-1.25e-5, "-1.25e-05");
    assert_written(1.0 / 3, "0.3333333333333333");
    assert_written(0.1 + 0.2, "0.30000000000000004");
    assert_written(DBL_MAX, "1.7976931348623157e+308");
    assert_written(-0.0, "-0");
}

static void a_comma_of_the_locale_stays_out_of_files(void **state)
{
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
    bool found = false;
    for (size_t i = 0; i < 4 && !found; i++) {
        found = setlocale(LC_NUMERIC, names[i]) != NULL;
    }
    if (!found) {
        skip(); /* no such locale is installed */
    }
    assert_written(0.5, "0.5");
    assert_written(15.25, "15.25");
    setlocale(LC_NUMERIC, "C");
}

static void nothing_but_one_finite_decimal_is_read(void **state)
{
    (void)state;
    static const char *const bad[] = {"",      "x",   "1 ",    " 1",  "0x10", "inf", "nan",
                                      "1e999", "1,5", "1.5.2", "--1", "1e",   "+",   "."};
    double value;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (number_read_double(&value, bad[i])) {
            fail_msg("taken: '%s'", bad[i]);
        }
    }
    char longest[NUMBER_ROOM + 1];
    memset(longest, '1', sizeof longest);
    longest[NUMBER_ROOM] = '\0';
    assert_false(number_read_double(&value, longest));
    longest[NUMBER_ROOM - 1] = '\0';
    assert_true(number_read_double(&value, longest));
}

static void whole_numbers_are_read_up_to_the_largest(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "-1",
                                      "+1",
                                      "1.0",
                                      " 1",
                                      "1 ",
                                      "a",
                                      "1:",
                                      "1/",
                                      "18446744073709551616",
                                      "99999999999999999999"};
    uint64_t value;
    size_t size;
    assert_true(number_read_uint64(&value, "0") && value == 0);
    assert_true(number_read_uint64(&value, "90210") && value == 90210);
    assert_true(number_read_uint64(&value, "18446744073709551615") && value == UINT64_MAX);
    assert_true(number_read_size(&size, "4096") && size == 4096);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(number_read_uint64(&value, bad[i]));
        assert_false(number_read_size(&size, bad[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shortest_text_that_reads_back_is_written),
        cmocka_unit_test(a_comma_of_the_locale_stays_out_of_files),
        cmocka_unit_test(nothing_but_one_finite_decimal_is_read),
        cmocka_unit_test(whole_numbers_are_read_up_to_the_largest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
