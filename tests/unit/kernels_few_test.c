/* Matrices of a few columns: the order of their sums, in every table. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/kernel_values.h"

enum { MOST_K = 41, M = 3, PADDING = 5 };

/* few.h, to the letter. */
static real output(const kernel_table *table, size_t K, const real *a, const real *w, real start)
{
    real s[FEW_LANES] = {0};
    for (size_t p = 0; p < K; p++) {
        volatile real product = a[p] * w[p];
        real *sum = &s[p % FEW_LANES];
        *sum =
            values_fuse(table) ? (real)fmaf((float)a[p], (float)w[p], (float)*sum) : product + *sum;
    }
    return (((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))) + start;
}

/* start_row 0: one row for all; a, and what follows a row of it, holds NaN where nothing is read.
 */
static void expect_products(const kernel_table *table, size_t N, size_t K, size_t start_row)
{
    size_t a_row = K + PADDING, c_row = N + PADDING;
    real *weights = values_create(N * K, 1, 1), *start = values_create(M * FEW_COLUMNS, 1, 2);
    real *a = values_create((M - 1) * a_row + K, 1, 3), *c = values_create(M * c_row, 1, 4);
    real *before = values_copy(c, M * c_row), *packed = values_create(N * few_column(K), 1, 5);
    for (size_t i = 0; i < N * few_column(K); i++) {
        packed[i] = (real)NAN; /* all of it is written */
    }
    for (size_t i = 0; i < (M - 1) * a_row; i++) {
        a[i] = i % a_row < K ? a[i] : (real)NAN;
    }
    few_pack(packed, weights, K, N);
    table->multiply_few(M, N, K, a, a_row, packed, start, start_row, c, c_row);
    for (size_t m = 0; m < M; m++) {
        for (size_t n = 0; n < c_row; n++) {
            real expected = before[m * c_row + n];
            if (n < N) {
                expected =
                    output(table, K, a + m * a_row, weights + n * K, start[m * start_row + n]);
            }
            assert_memory_equal(&c[m * c_row + n], &expected, sizeof expected);
        }
    }
    table->multiply_few(1, N, K, a, a_row, packed, NULL, 0, c, c_row);
    for (size_t n = 0; n < N; n++) {
        real expected = output(table, K, a, weights + n * K, 0);
        assert_memory_equal(&c[n], &expected, sizeof expected);
    }
    real *all[] = {weights, start, a, c, before, packed};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        free(all[i]);
    }
}

static void an_output_is_eight_chains_added_in_one_order(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        for (size_t K = 1; K <= MOST_K; K++) {
            for (size_t N = 1; N <= FEW_COLUMNS; N++) {
                expect_products(table, N, K, 0);
                expect_products(table, N, K, FEW_COLUMNS);
            }
        }
    }
}

static void columns_can_be_had_from_any_one_on(void **state)
{
    (void)state;
    enum { K = 11, N = 3 };
    real weights[N * K], packed[N * 16], a[K], all[N], rest[2];
    for (size_t i = 0; i < N * K; i++) {
        weights[i] = (real)i;
        a[i % K] = (real)1 / (real)(i + 1);
    }
    few_pack(packed, weights, K, N);
    packed_matrix matrix = {.data = packed, .few = N};
    kernel_multiply(1, N, K, a, K, matrix, NULL, 0, all, N);
    packed_matrix part = matrix_columns(matrix, K, 1, sizeof(real));
    assert_int_equal(part.few, 2);
    kernel_multiply(1, 2, K, a, K, part, NULL, 0, rest, 2);
    assert_memory_equal(rest, all + 1, sizeof rest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_output_is_eight_chains_added_in_one_order),
        cmocka_unit_test(columns_can_be_had_from_any_one_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
