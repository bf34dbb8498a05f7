#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "decode/select.h"

static int by_rank(const void *a, const void *b)
{
    return candidate_better(a, b) ? -1 : candidate_better(b, a) ? 1 : 0;
}

/* Random values, with many equal ones and some -infinity. */
static void draw_values(real *values, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) {
        double u = random_uniform(seed, 0, i);
        values[i] = u < 0.1 ? -(real)INFINITY : (real)(floor(u * 50) / 4 - 5);
    }
}

static void a_scan_of_rows_finds_the_same_as_sorting_all(void **state)
{
    (void)state;
    enum { N = 333, ROWS = 4 };
    static real values[ROWS][N];
    static candidate all[ROWS * N], kept[ROWS * N];
    const double offsets[ROWS] = {-3.25, 0, 1.5, -0.1};
    for (uint64_t seed = 0; seed < 50; seed++) {
        size_t count = 0;
        for (int32_t row = 0; row < ROWS; row++) {
            draw_values(values[row], N, seed * ROWS + (uint64_t)row);
            for (int32_t i = 0; i < N; i++) {
                if (values[row][i] > -(real)INFINITY) {
                    all[count++] = (candidate){offsets[row] + (double)values[row][i], row, i};
                }
            }
        }
        qsort(all, count, sizeof *all, by_rank);
        size_t k = 1 + (size_t)(random_uniform(seed, 1, 0) * 300);
        selection best = {kept, 0, k};
        for (int32_t row = 0; row < ROWS; row++) {
            selection_scan(&best, values[row], N, NULL, offsets[row], row);
        }
        selection_sort(&best);
        assert_int_equal(best.count, k < count ? k : count);
        for (size_t i = 0; i < best.count; i++) {
            assert_int_equal(kept[i].row, all[i].row);
            assert_int_equal(kept[i].token, all[i].token);
        }
    }
}

static void slices_whose_maximum_cannot_enter_are_passed_over(void **state)
{
    (void)state;
    enum { N = 3 * VALUES_SLICE + 333, SLICES = 4 };
    static real values[N];
    static candidate with[N], without[N];
    for (uint64_t seed = 0; seed < 50; seed++) {
        real maxima[SLICES];
        draw_values(values, N, seed);
        for (size_t i = 0; i < SLICES; i++) {
            size_t first = i * VALUES_SLICE;
            for (size_t k = first; i == seed % 5 && k < N && k < first + VALUES_SLICE; k++) {
                values[k] = -(real)INFINITY;
            }
            maxima[i] =
                values_maximum(values + first, N - first < VALUES_SLICE ? N - first : VALUES_SLICE);
        }
        size_t k = 1 + (size_t)(random_uniform(seed, 1, 0) * 300);
        selection one = {with, 0, k}, two = {without, 0, k};
        selection_scan(&one, values, N, maxima, 0.5, 1);
        selection_scan(&two, values, N, NULL, 0.5, 1);
        selection_sort(&one);
        selection_sort(&two);
        assert_int_equal(one.count, two.count);
        for (size_t i = 0; i < one.count; i++) {
            assert_int_equal(with[i].token, without[i].token);
        }
    }
}

static void a_scan_takes_all_where_there_are_fewer_than_asked_for(void **state)
{
    (void)state;
    real values[5] = {1, -(real)INFINITY, 3, 2, -(real)INFINITY};
    candidate kept[10];
    selection best = {kept, 0, 10};
    selection_scan(&best, values, 5, NULL, 0, 0);
    selection_sort(&best);
    assert_int_equal(best.count, 3);
    assert_int_equal(kept[0].token, 2);
    assert_int_equal(kept[1].token, 3);
    assert_int_equal(kept[2].token, 0);
}

/* In the order of `sorted`, how many are needed. */
static size_t needed(const candidate *sorted, size_t count, const real *weights, size_t least,
                     double mass)
{
    size_t kept = 0;
    double sum = 0;
    while (kept < count && (kept < least || sum < mass)) {
        sum += (double)weights[sorted[kept++].token];
    }
    return kept;
}

static void the_fewest_best_that_weigh_enough_are_kept(void **state)
{
    (void)state;
    enum { N = 700 };
    static candidate items[N], sorted[N];
    static real weights[N];
    for (uint64_t trial = 0; trial < 400; trial++) {
        size_t count = (size_t)(random_uniform(trial, 0, 0) * N);
        for (size_t i = 0; i < count; i++) {
            /* Random, rising, falling, and shaped like an organ pipe; with equal values. */
            double shapes[] = {floor(random_uniform(trial, 1, i) * 90), (double)(i / 3),
                               -(double)(i / 2), -fabs((double)i - (double)count / 2)};
            items[i] = sorted[i] = (candidate){shapes[trial % 4], 0, (int32_t)i};
            weights[i] = (real)(floor(random_uniform(trial, 2, i) * 8) / 8);
        }
        qsort(sorted, count, sizeof *sorted, by_rank);
        size_t least = (size_t)(random_uniform(trial, 3, 0) * 20);
        double mass = trial % 5 == 0 ? 0 : random_uniform(trial, 4, 0) * (double)count / 2;
        size_t kept = candidates_keep(items, count, weights, least, mass);
        assert_int_equal(kept, needed(sorted, count, weights, least, mass));
        qsort(items, kept, sizeof *items, by_rank);
        for (size_t i = 0; i < kept; i++) {
            assert_int_equal(items[i].token, sorted[i].token);
        }
    }
}

static void the_maximum_is_that_of_all_values(void **state)
{
    (void)state;
    static real values[1000];
    for (size_t n = 0; n < 1000; n++) {
        draw_values(values, n, n);
        real maximum = -(real)INFINITY;
        for (size_t i = 0; i < n; i++) {
            maximum = values[i] > maximum ? values[i] : maximum;
        }
        assert_true(values_maximum(values, n) == maximum);
    }
}

static void nan_and_infinity_are_not_valid_values(void **state)
{
    (void)state;
    real values[3] = {1, -(real)INFINITY, 2};
    assert_true(values_are_valid(values, 3));
    values[2] = (real)NAN;
    assert_false(values_are_valid(values, 3));
    values[2] = (real)INFINITY;
    assert_false(values_are_valid(values, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scan_of_rows_finds_the_same_as_sorting_all),
        cmocka_unit_test(slices_whose_maximum_cannot_enter_are_passed_over),
        cmocka_unit_test(a_scan_takes_all_where_there_are_fewer_than_asked_for),
        cmocka_unit_test(the_fewest_best_that_weigh_enough_are_kept),
        cmocka_unit_test(the_maximum_is_that_of_all_values),
        cmocka_unit_test(nan_and_infinity_are_not_valid_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
