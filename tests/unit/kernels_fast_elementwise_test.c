/* Element-wise passes, sums and Adam of every table, against the same in double. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/kernel_values.h"

#define MOST 200

static void assert_close(const kernel_table *table, const char *what, size_t n, double found,
                         double expected)
{
    if (!(fabs(found - expected) <= 1e-6 * (fabs(expected) + 0.1))) {
        fail_msg("%s, %s, n %zu: %.9g instead of %.9g", table->name, what, n, found, expected);
    }
}

static void add_and_scale_are_what_they_say(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        for (size_t n = 0; n <= MOST; n++) {
            real *x = values_create(n, 2, 1), *y = values_create(n, 2, 2);
            real *sum = values_copy(y, n), *scaled = values_copy(y, n);
            table->add(sum, x, n);
            table->scale(scaled, (real)-1.7, n);
            for (size_t i = 0; i < n; i++) {
                assert_true(sum[i] == (real)(y[i] + x[i]));
                assert_true(scaled[i] == (real)(y[i] * (real)-1.7));
            }
            free(x);
            free(y);
            free(sum);
            free(scaled);
        }
    }
}

static void rows_are_added_one_after_the_other(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        for (size_t n = 0; n <= MOST; n++) {
            for (size_t rows = 0; rows <= 3; rows++) {
                size_t apart = n + n % 3;
                real *x = values_create(3 * apart, 2, 1), *y = values_create(n, 2, 2);
                real *sum = values_copy(y, n);
                table->add_rows(sum, x, apart, rows, n);
                for (size_t row = 0; row < rows; row++) {
                    table->add(y, x + row * apart, n);
                }
                assert_memory_equal(sum, y, n * sizeof *y);
                free(x);
                free(y);
                free(sum);
            }
        }
    }
}

static void dot_is_summed_in_double(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        for (size_t n = 0; n <= MOST; n++) {
            real *x = values_create(n, 2, 1), *y = values_create(n, 2, 2);
            double expected = 0;
            for (size_t i = 0; i < n; i++) {
                expected += (double)x[i] * (double)y[i];
            }
            assert_true(fabs(table->dot(x, y, n) - expected) <= 1e-13);
            free(x);
            free(y);
        }
    }
}

static void max_sum_exp_finds_the_maximum_and_the_sum(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        for (size_t n = 1; n <= MOST; n++) {
            real *x = values_create(n, 9, n), greatest;
            double sum, expected = 0;
            x[n / 3] = 10;
            table->max_sum_exp(x, n, &greatest, &sum);
            for (size_t i = 0; i < n; i++) {
                expected += exp((double)x[i] - 10);
            }
            assert_true(greatest == 10);
            assert_close(table, "sum", n, sum, expected);
            free(x);
        }
    }
}

static void max_sum_exp_does_not_hide_nan_and_infinity(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        for (size_t n = 1; n <= MOST; n += 7) {
            real *x = values_create(n, 9, 1), greatest;
            double sum;
            for (size_t at = 0; at < n; at += 3) {
                real old = x[at];
                x[at] = (real)NAN;
                table->max_sum_exp(x, n, &greatest, &sum);
                assert_true(isnan(sum));
                x[at] = (real)INFINITY;
                table->max_sum_exp(x, n, &greatest, &sum);
                assert_true(isnan(sum));
                x[at] = old;
            }
            for (size_t i = 0; i < n; i++) {
                x[i] = (real)-INFINITY;
            }
            table->max_sum_exp(x, n, &greatest, &sum);
            assert_true(isinf(greatest) && greatest < 0 && isnan(sum));
            x[n - 1] = 3;
            table->max_sum_exp(x, n, &greatest, &sum);
            assert_true(greatest == 3 && sum == 1);
            free(x);
        }
    }
}

static void exp_below_max_keeps_what_it_sums(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        for (size_t n = 1; n <= MOST; n++) {
            real *x = values_create(n, 9, n), *y = values_copy(x, n), greatest, same;
            double sum, whole;
            table->max_sum_exp(x, n, &greatest, &sum);
            table->exp_below_max(y, n, &same, &whole);
            assert_true(same == greatest && whole == sum);
            for (size_t i = 0; i < n; i++) {
                assert_close(table, "exp_below_max", n, (double)y[i],
                             exp((double)(real)(x[i] - greatest)));
            }
            free(x);
            free(y);
        }
    }
}

static void exp_shifted_is_a_scaled_exponential(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        for (size_t n = 0; n <= MOST; n++) {
            real *x = values_create(n, 9, 1), *y = values_copy(x, n);
            table->exp_shifted(y, n, 4, (real)0.25);
            for (size_t i = 0; i < n; i++) {
                assert_close(table, "exp_shifted", n, (double)y[i],
                             0.25 * exp((double)(real)(x[i] - 4)));
            }
            free(x);
            free(y);
        }
    }
}

/* ---- Adam ---- */

typedef struct adam_arrays {
    real *parameter, *gradient, *m, *v;
} adam_arrays;

static adam_arrays adam_create(size_t n)
{
    adam_arrays made = {values_create(n, 1, 1), values_create(n, 1, 2), values_create(n, 1, 3),
                        values_create(n, 1, 4)};
    for (size_t i = 0; i < n; i++) {
        made.v[i] *= made.v[i];
    }
    return made;
}

static void adam_destroy(adam_arrays *these)
{
    free(these->parameter);
    free(these->gradient);
    free(these->m);
    free(these->v);
}

static void adam_follows_its_equations(void **state)
{
    (void)state;
    static const adam_step steps[] = {
        {(real)0.01, (real)0.9, (real)0.999, (real)0.1, (real)0.001, (real)1e-8, (real)1.3, 0, 1},
        {(real)0.2, (real)0.5, (real)0.75, (real)0.5, (real)0.25, (real)0.1, 1, (real)0.3,
         (real)0.9},
    };
    FOR_TABLES(table)
    {
        for (size_t n = 1; n <= MOST; n++) {
            const adam_step *s = &steps[n % 2];
            adam_arrays old = adam_create(n), now = adam_create(n);
            table->adam(s, n, now.parameter, now.gradient, now.m, now.v);
            for (size_t i = 0; i < n; i++) {
                double p = (double)old.parameter[i] * (double)s->decay_factor;
                double g = (double)old.gradient[i] + (double)s->weight_decay * p;
                double m = (double)s->beta1 * (double)old.m[i] + (double)s->complement1 * g;
                double v = (double)s->beta2 * (double)old.v[i] + (double)s->complement2 * g * g;
                double root = sqrt(v) * (double)s->inverse_sqrt_correction + (double)s->epsilon;
                assert_close(table, "m", n, (double)now.m[i], m);
                assert_close(table, "v", n, (double)now.v[i], v);
                assert_close(table, "parameter", n, (double)now.parameter[i],
                             p - (double)s->learning_rate * m / root);
                assert_true(now.gradient[i] == old.gradient[i]);
            }
            adam_destroy(&old);
            adam_destroy(&now);
        }
    }
}

static void adam_treats_each_value_alike_wherever_it_stands(void **state)
{
    (void)state;
    static const adam_step step = {(real)0.01, (real)0.9, (real)0.999, (real)0.1, (real)0.001,
                                   (real)1e-8, (real)1.3, (real)0.02,  (real)0.9};
    FOR_TABLES(table)
    {
        adam_arrays all = adam_create(MOST), one = adam_create(MOST);
        table->adam(&step, MOST, all.parameter, all.gradient, all.m, all.v);
        for (size_t i = 0; i < MOST; i++) {
            table->adam(&step, 1, one.parameter + i, one.gradient + i, one.m + i, one.v + i);
        }
        assert_memory_equal(all.parameter, one.parameter, MOST * sizeof(real));
        assert_memory_equal(all.m, one.m, MOST * sizeof(real));
        assert_memory_equal(all.v, one.v, MOST * sizeof(real));
        adam_destroy(&all);
        adam_destroy(&one);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(add_and_scale_are_what_they_say),
        cmocka_unit_test(rows_are_added_one_after_the_other),
        cmocka_unit_test(dot_is_summed_in_double),
        cmocka_unit_test(max_sum_exp_finds_the_maximum_and_the_sum),
        cmocka_unit_test(max_sum_exp_does_not_hide_nan_and_infinity),
        cmocka_unit_test(exp_below_max_keeps_what_it_sums),
        cmocka_unit_test(exp_shifted_is_a_scaled_exponential),
        cmocka_unit_test(adam_follows_its_equations),
        cmocka_unit_test(adam_treats_each_value_alike_wherever_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
