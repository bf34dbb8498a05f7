/* exp, sigmoid and tanh over all floats, every 1,009th of them, or each with LRNN_FULL_SWEEP=1. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fpmode.h"
#include "support/kernel_values.h"

#define BLOCK 1024
#define WORST 2.0

typedef void float_function(float *y, const float *x, size_t n);
typedef double true_function(double x);

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* Distance in units in the last place of the float nearest to `expected`. Below the normal numbers,
 * where results may be flushed, everything of that size is as good. */
static double distance(float found, double expected)
{
    if (isnan(expected) || isnan(found)) {
        return isnan(expected) && isnan(found) ? 0 : INFINITY;
    }
    if (fabs(expected) < (double)FLT_MIN) {
        return fabs((double)found - expected) <= (double)FLT_MIN ? 0 : INFINITY;
    }
    if (isinf((float)expected)) {
        return found == (float)expected ? 0 : INFINITY;
    }
    int exponent;
    frexp(expected, &exponent);
    return fabs((double)found - expected) / ldexp(1, exponent - FLT_MANT_DIG);
}

static void check_block(const kernel_table *table, const char *name, float_function *function,
                        true_function *truth, const float *x, size_t n, double *worst)
{
    float y[BLOCK];
    function(y, x, n);
    for (size_t i = 0; i < n; i++) {
        double error = distance(y[i], truth((double)x[i]));
        if (!(error <= WORST)) {
            fail_msg("%s: %s(%.9g) = %.9g is %.3f ulp away from %.9g", table->name, name,
                     (double)x[i], (double)y[i], error, truth((double)x[i]));
        }
        *worst = error > *worst ? error : *worst;
    }
}

static void sweep(const kernel_table *table, const char *name, float_function *function,
                  true_function *truth)
{
    const char *full = getenv("LRNN_FULL_SWEEP");
    uint64_t stride = full != NULL && strcmp(full, "1") == 0 ? 1 : 1009;
    double worst = 0;
    for (uint64_t bits = 0; bits <= UINT32_MAX;) {
        float x[BLOCK];
        size_t n = 0;
        for (; n < BLOCK && bits <= UINT32_MAX; n++, bits += stride) {
            uint32_t pattern = (uint32_t)bits;
            memcpy(&x[n], &pattern, sizeof pattern);
        }
        check_block(table, name, function, truth, x, n, &worst);
    }
    print_message("%s %s: at most %.3f ulp\n", table->name, name, worst);
}

static const kernel_table *swept;

/* exp(-|x|) as softmax takes it: of values whose greatest is 0. */
static void exp_below_zero(float *y, const float *x, size_t n)
{
    float values[BLOCK + 1] = {0}, maximum;
    double sum;
    for (size_t i = 0; i < n; i++) {
        values[i + 1] = isnan(x[i]) ? 0 : -fabsf(x[i]);
    }
    swept->exp_below_max(values, n + 1, &maximum, &sum);
    assert_true(maximum == 0);
    memcpy(y, values + 1, n * sizeof *y);
}

static double true_exp_below_zero(double x)
{
    return isnan(x) ? 1 : exp(-fabs(x));
}

static void functions_are_within_two_ulp_everywhere(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        sweep(table, "exp", table->exp, exp);
        sweep(table, "sigmoid", table->sigmoid, sigmoid);
        sweep(table, "tanh", table->tanh, tanh);
        swept = table;
        sweep(table, "exp below the maximum", exp_below_zero, true_exp_below_zero);
    }
}

static void functions_are_within_two_ulp_where_denormals_are_flushed(void **state)
{
    fpmode mode = fpmode_enter();
    functions_are_within_two_ulp_everywhere(state);
    fpmode_leave(mode);
}

static float apply(float_function *function, float x)
{
    float y;
    function(&y, &x, 1);
    return y;
}

static void functions_are_exact_at_the_ends_and_at_zero(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        assert_true(apply(table->exp, -INFINITY) == 0);
        assert_true(apply(table->exp, INFINITY) == INFINITY);
        assert_true(apply(table->exp, 0) == 1 && apply(table->exp, -0.0f) == 1);
        assert_true(apply(table->sigmoid, -INFINITY) == 0);
        assert_true(apply(table->sigmoid, INFINITY) == 1);
        assert_true(apply(table->sigmoid, 0) == 0.5f);
        assert_true(apply(table->tanh, -INFINITY) == -1);
        assert_true(apply(table->tanh, INFINITY) == 1);
        assert_true(apply(table->tanh, 0) == 0 && !signbit(apply(table->tanh, 0)));
        assert_true(apply(table->tanh, -0.0f) == 0 && signbit(apply(table->tanh, -0.0f)));
        assert_true(isnan(apply(table->exp, NAN)) && isnan(apply(table->sigmoid, NAN)));
        assert_true(isnan(apply(table->tanh, NAN)));
    }
}

static void functions_stay_in_their_range(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        for (float x = -100; x <= 100; x += 0.01f) {
            float s = apply(table->sigmoid, x), t = apply(table->tanh, x);
            assert_true(s >= 0 && s <= 1 && t >= -1 && t <= 1);
            assert_true(apply(table->tanh, -x) == -t);
        }
    }
}

static void results_may_overwrite_arguments_at_any_length_and_alignment(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        float_function *functions[] = {table->exp, table->sigmoid, table->tanh};
        for (size_t n = 0; n <= 150; n++) {
            for (size_t f = 0; f < 3; f++) {
                float *x = values_create(n + 1, 5, n), *y = values_copy(x, n + 1);
                functions[f](y + 1, y + 1, n);
                for (size_t i = 1; i <= n; i++) {
                    assert_true(y[i] == apply(functions[f], x[i]));
                }
                free(x);
                free(y);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_are_within_two_ulp_everywhere),
        cmocka_unit_test(functions_are_within_two_ulp_where_denormals_are_flushed),
        cmocka_unit_test(functions_are_exact_at_the_ends_and_at_zero),
        cmocka_unit_test(functions_stay_in_their_range),
        cmocka_unit_test(results_may_overwrite_arguments_at_any_length_and_alignment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
