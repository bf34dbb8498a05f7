#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "support/scratch.h"

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

/* Makes a locale in a folder of its own, from the sources of Debian's package locales, and takes
 * its numbers; where that cannot be, one that is installed. */
static bool take_locale(const scratch *folder, const char *name)
{
    char command[600], full[64];
    snprintf(full, sizeof full, "%s.UTF-8", name);
    snprintf(command, sizeof command, "localedef -f UTF-8 -i %s '%s' > /dev/null 2>&1", name,
             scratch_path(folder, full));
    if (system(command) == 0) {
        setenv("LOCPATH", folder->folder, 1);
    }
    bool found = setlocale(LC_NUMERIC, full) != NULL;
    unsetenv("LOCPATH");
    return found;
}

/* A comma; and U+066B, which has two bytes. */
static void the_radix_character_of_the_locale_stays_out_of_files(void **state)
{
    (void)state;
    static const char *const names[] = {"de_DE", "ps_AF"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        scratch folder = scratch_create();
        bool found = take_locale(&folder, names[i]);
        double value = 0;
        char shown[16], remove[300];
        snprintf(shown, sizeof shown, "%.1f", 0.5);
        bool other = strcmp(shown, "0.5") != 0;
        if (found && other) {
            assert_written(0.5, "0.5");
            assert_written(15.25, "15.25");
            assert_written(-1.2345678901234567e-301, "-1.2345678901234567e-301");
            assert_false(number_read_double(&value, shown));
        }
        setlocale(LC_NUMERIC, "C");
        snprintf(remove, sizeof remove, "rm -rf '%s'", folder.folder);
        assert_int_equal(system(remove), 0);
        if (!found) {
            skip(); /* neither the locale nor what makes one is installed */
        }
#ifdef __GLIBC__ /* others take any name, and know no radix character but the point */
        assert_true(other);
#endif
    }
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
        cmocka_unit_test(the_radix_character_of_the_locale_stays_out_of_files),
        cmocka_unit_test(nothing_but_one_finite_decimal_is_read),
        cmocka_unit_test(whole_numbers_are_read_up_to_the_largest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
