/* Packing: panels of rows, whatever the strides of the matrix. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/kernel_values.h"

static const size_t widths[] = {1, 3, 4, 5, 8, 15, 16, 17, 63, 64, 65, 130};
static const size_t depths[] = {0, 1, 3, 4, 7, 31, 32, 33, 70};

static void check_pack(const kernel_table *table, size_t K, size_t N, size_t row, size_t column)
{
    size_t used = K > 0 ? (K - 1) * row + (N - 1) * column + 1 : 0;
    size_t packed_size = kernel_packed_size(table, K, N);
    real *b = values_create(used, 1, 1), *packed = values_create(packed_size, 1, 2);
    kernel_pack(table, packed, b, row, column, K, N);
    for (size_t i = 0; i < packed_size; i++) {
        size_t panel = i / (K * table->panel), p = i / table->panel % K;
        size_t n = panel * table->panel + i % table->panel;
        real expected = n < N ? b[p * row + n * column] : 0;
        if (packed[i] != expected) {
            fail_msg("%s: K %zu N %zu strides %zu %zu: value %zu is wrong", table->name, K, N, row,
                     column, i);
        }
    }
    free(b);
    free(packed);
}

static void a_packed_matrix_has_panels_of_rows_padded_with_zeros(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
            for (size_t j = 0; j < sizeof depths / sizeof *depths; j++) {
                size_t N = widths[i], K = depths[j];
                check_pack(table, K, N, N, 1);
                check_pack(table, K, N, N + 3, 1);
                check_pack(table, K, N, 1, K);
                check_pack(table, K, N, 1, K + 3);
                check_pack(table, K, N, 2, 2 * K + 1);
            }
        }
    }
}

/* Numbers whose lower half is zero, as packing them asks for. */
static void pairs_have_a_column_and_the_one_half_a_panel_on(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        size_t half = table->panel / 2, rows = 5;
        real *packed = values_create(rows * table->panel, 1, 1);
        bfloat16_pair *pairs = pairs_create(table, packed, rows * table->panel);
        for (size_t i = 0; i < rows * half; i++) {
            const real *row = packed + i / half * table->panel;
            assert_true(value_of_bfloat16(pairs[i] & 0xffff) == row[i % half]);
            assert_true(value_of_bfloat16(pairs[i] >> 16) == row[i % half + half]);
        }
        free(pairs);
        free(packed);
    }
}

static void the_packed_size_counts_whole_panels(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        assert_int_equal(kernel_packed_size(table, 10, 0), 0);
        assert_int_equal(kernel_packed_size(table, 0, 10), 0);
        assert_int_equal(kernel_packed_size(table, 7, 1), 7 * table->panel);
        assert_int_equal(kernel_packed_size(table, 7, table->panel), 7 * table->panel);
        assert_int_equal(kernel_packed_size(table, 7, table->panel + 1), 14 * table->panel);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packed_matrix_has_panels_of_rows_padded_with_zeros),
        cmocka_unit_test(pairs_have_a_column_and_the_one_half_a_panel_on),
        cmocka_unit_test(the_packed_size_counts_whole_panels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
