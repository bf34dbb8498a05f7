#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "base/check.h"

/* Each of these is 1 where the check lets the value pass, and the message is right where not. */
static int passes(lrnn_status status, const char *message)
{
    if (status == LRNN_OK) {
        return 1;
    }
    assert_int_equal(status, LRNN_ERR_INVALID);
    assert_string_equal(lrnn_last_error(), message);
    return 0;
}

static void a_size_may_be_either_bound_and_nothing_outside(void **state)
{
    (void)state;
    assert_false(passes(check_size("n", 1, 2, 4), "n: expected 2..4, found 1"));
    assert_true(passes(check_size("n", 2, 2, 4), ""));
    assert_true(passes(check_size("n", 4, 2, 4), ""));
    assert_false(passes(check_size("n", 5, 2, 4), "n: expected 2..4, found 5"));
}

static void a_choice_is_0_to_the_last(void **state)
{
    (void)state;
    assert_false(passes(check_choice("kind", -1, 2), "kind: expected 0..2, found -1"));
    assert_true(passes(check_choice("kind", 0, 2), ""));
    assert_true(passes(check_choice("kind", 2, 2), ""));
    assert_false(passes(check_choice("kind", 3, 2), "kind: expected 0..2, found 3"));
    assert_true(passes(check_reserved(0), ""));
    assert_false(passes(check_reserved(1), "reserved: expected 0, found 1"));
}

static void numbers_must_be_finite(void **state)
{
    (void)state;
    const double bad[] = {(double)INFINITY, -(double)INFINITY, (double)NAN};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(check_finite("x", bad[i]), LRNN_ERR_INVALID);
        assert_int_equal(check_positive("x", bad[i]), LRNN_ERR_INVALID);
        assert_int_equal(check_not_negative("x", bad[i]), LRNN_ERR_INVALID);
        assert_int_equal(check_below_one("x", bad[i]), LRNN_ERR_INVALID);
        assert_int_equal(check_share("x", bad[i], true), LRNN_ERR_INVALID);
    }
    assert_true(passes(check_finite("x", -1e308), ""));
}

static void signs_are_checked(void **state)
{
    (void)state;
    assert_true(passes(check_positive("x", 1e-300), ""));
    assert_false(passes(check_positive("x", 0), "x: expected a finite number above 0, found 0"));
    assert_false(passes(check_positive("x", -1), "x: expected a finite number above 0, found -1"));
    assert_true(passes(check_not_negative("x", 0), ""));
    assert_false(
        passes(check_not_negative("x", -1), "x: expected a finite number of at least 0, found -1"));
}

static void shares_end_at_one(void **state)
{
    (void)state;
    assert_true(passes(check_below_one("x", 0), ""));
    assert_false(passes(check_below_one("x", 1), "x: expected 0 <= x < 1, found 1"));
    assert_false(passes(check_below_one("x", -0.5), "x: expected 0 <= x < 1, found -0.5"));
    assert_true(passes(check_share("x", 0, true), ""));
    assert_true(passes(check_share("x", 1, false), ""));
    assert_false(passes(check_share("x", 1.5, true), "x: expected 0..1, found 1.5"));
    assert_false(passes(check_share("x", -1, true), "x: expected 0..1, found -1"));
    assert_false(passes(check_share("x", 0, false), "x: expected above 0 and at most 1, found 0"));
}

static void only_an_empty_array_may_be_null(void **state)
{
    (void)state;
    assert_true(passes(check_array("a", NULL, 0), ""));
    assert_true(passes(check_array("a", "", 1), ""));
    assert_true(passes(check_array("a", "", 0), ""));
    assert_false(passes(check_array("a", NULL, 3), "a: NULL, but its count is 3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_size_may_be_either_bound_and_nothing_outside),
        cmocka_unit_test(a_choice_is_0_to_the_last),
        cmocka_unit_test(numbers_must_be_finite),
        cmocka_unit_test(signs_are_checked),
        cmocka_unit_test(shares_end_at_one),
        cmocka_unit_test(only_an_empty_array_may_be_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
