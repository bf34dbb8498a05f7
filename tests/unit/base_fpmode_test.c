/* The floating-point mode of our calls, and the caller's afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fenv.h>
#include <float.h>

#include "base/fpmode.h"

#if defined(__x86_64__) || defined(__aarch64__)
#define HAS_MODE 1
#else
#define HAS_MODE 0
#endif

static volatile float tiny = FLT_MIN, third = 3, one = 1, result;

/* Not inlined and through memory, as the arithmetic of the library is. */
__attribute__((noinline)) static float halve(void)
{
    result = tiny * 0.5f;
    return result;
}

__attribute__((noinline)) static float take_a_third(void)
{
    result = one / third;
    return result;
}

static void denormals_are_zero_inside_and_come_back_outside(void **state)
{
    (void)state;
    assert_true(halve() > 0);
    fpmode mode = fpmode_enter();
    float inside = halve();
    fpmode_leave(mode);
    assert_true(!HAS_MODE || inside == 0);
    assert_true(halve() > 0);
}

static void the_callers_rounding_does_not_reach_us_and_survives(void **state)
{
    (void)state;
    float nearest = take_a_third();
    if (!HAS_MODE || fesetround(FE_DOWNWARD) != 0) {
        skip();
    }
    float down = take_a_third();
    fpmode mode = fpmode_enter();
    float inside = take_a_third();
    fpmode_leave(mode);
    float after = take_a_third();
    int rounding = fegetround();
    fesetround(FE_TONEAREST);
    assert_true(down < nearest);
    assert_true(inside == nearest);
    assert_true(after == down);
    assert_int_equal(rounding, FE_DOWNWARD);
}

static void the_callers_exception_flags_are_as_they_were(void **state)
{
    (void)state;
    feclearexcept(FE_ALL_EXCEPT);
    feraiseexcept(FE_OVERFLOW);
    fpmode mode = fpmode_enter();
    take_a_third();
    fpmode_leave(mode);
#ifdef __x86_64__
    assert_int_equal(fetestexcept(FE_ALL_EXCEPT), FE_OVERFLOW);
#else
    assert_true(fetestexcept(FE_OVERFLOW));
#endif
    feclearexcept(FE_ALL_EXCEPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(denormals_are_zero_inside_and_come_back_outside),
        cmocka_unit_test(the_callers_rounding_does_not_reach_us_and_survives),
        cmocka_unit_test(the_callers_exception_flags_are_as_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
