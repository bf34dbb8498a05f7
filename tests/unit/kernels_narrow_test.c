/* Narrow matrices give the bits of panels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "support/kernel_values.h"

enum { K = 700, M = 5, ROW = K + 3 };

/* c = from + a times the same weights [gates * units, K], narrow or in panels. */
static void expect_same_bits(int32_t kind, size_t gates, size_t units, size_t rows)
{
    const kernel_table *table = kernels();
    const matrix_kind *of = matrix_kind_find(kind);
    size_t columns = gates * units;
    size_t width =
        gates == 1 ? kernel_packed_size(table, 1, units) : kernel_gates_width(table, gates, units);
    size_t N = gates == 1 ? units : width;
    real *weights = values_create(columns * ROW, 1, 1), *a = values_create(M * K, 1, 2);
    real *start = values_create(M * width, 1, 3);
    real *expected = values_copy(start, M * width), *found = values_copy(start, M * width);
    real *packed = values_create(K * width, 1, 4), *narrow = values_create(K * columns, 1, 5);
    real *panels = values_copy(packed, K * width);
    values_to_bfloat16(weights, columns * ROW);
    if (gates == 1) {
        kernel_pack(table, packed, weights, 1, ROW, K, units);
    } else {
        kernel_pack_gates(table, packed, weights, ROW, K, gates, units);
    }
    if (of->pack != NULL) {
        of->pack(panels, packed, K * width, table->panel);
    } else {
        memcpy(panels, packed, K * width * sizeof(real));
    }
    packed_matrix in_panels = {.kind = kind, .data = panels};
    packed_matrix kept = {
        .kind = kind, .data = narrow, .narrow_gates = gates, .narrow_units = units};
    narrow_pack(kept, weights, ROW, K);
    kernel_multiply(rows, N, K, a, K, in_panels, start, width, expected, width);
    kernel_multiply(rows, N, K, a, K, kept, found, width, found, width);
    assert_memory_equal(found, expected, M * width * sizeof(real));
    kernel_multiply(rows, N, K, a, K, kept, start, width, found, width);
    assert_memory_equal(found, expected, M * width * sizeof(real));
    free(weights);
    free(a);
    free(start);
    free(expected);
    free(found);
    free(packed);
    free(narrow);
    free(panels);
}

static void narrow_products_have_the_bits_of_panels(void **state)
{
    (void)state;
    static const size_t shapes[][2] = {{1, 1}, {1, 3}, {1, 17}, {3, 2}, {4, 1}, {4, 5}};
    for (int32_t kind = LRNN_WEIGHT_FLOAT32; kind <= LRNN_WEIGHT_BFLOAT16; kind++) {
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            expect_same_bits(kind, shapes[i][0], shapes[i][1], 1);
            expect_same_bits(kind, shapes[i][0], shapes[i][1], M);
        }
    }
}

static void only_what_panels_would_double_is_narrow(void **state)
{
    (void)state;
    assert_true(narrow_pays(1, 64));
    assert_true(narrow_pays(32, 64));
    assert_false(narrow_pays(33, 64));
    assert_false(narrow_pays(1, 4096));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(narrow_products_have_the_bits_of_panels),
        cmocka_unit_test(only_what_panels_would_double_is_narrow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
