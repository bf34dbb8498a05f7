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
            selection_scan(&best, values[row], N, offsets[row], row);
        }
        selection_sort(&best);
        assert_int_equal(best.count, k < count ? k : count);
        for (size_t i = 0; i < best.count; i++) {
            assert_int_equal(kept[i].row, all[i].row);
            assert_int_equal(kept[i].token, all[i].token);
        }
    }
}

static void a_scan_takes_all_where_there_are_fewer_than_asked_for(void **state)
{
    (void)state;
    real values[5] = {1, -(real)INFINITY, 3, 2, -(real)INFINITY};
    candidate kept[10];
    selection best = {kept, 0, 10};
    selection_scan(&best, values, 5, 0, 0);
    selection_sort(&best);
    assert_int_equal(best.count, 3);
    assert_int_equal(kept[0].token, 2);
    assert_int_equal(kept[1].token, 3);
    assert_int_equal(kept[2].token, 0);
}

static void popping_a_heap_gives_the_items_in_order(void **state)
{
    (void)state;
    candidate items[200], sorted[200];
    for (int32_t i = 0; i < 200; i++) {
        double value = floor(random_uniform(5, 0, (uint64_t)i) * 20);
        items[i] = sorted[i] = (candidate){value, 0, i};
    }
    qsort(sorted, 200, sizeof *sorted, by_rank);
    candidates_heapify(items, 200);
    for (size_t i = 0; i < 200; i++) {
        candidates_pop(items, 200 - i);
        assert_int_equal(items[199 - i].token, sorted[i].token);
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
        cmocka_unit_test(a_scan_takes_all_where_there_are_fewer_than_asked_for),
        cmocka_unit_test(popping_a_heap_gives_the_items_in_order),
        cmocka_unit_test(the_maximum_is_that_of_all_values),
        cmocka_unit_test(nan_and_infinity_are_not_valid_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
