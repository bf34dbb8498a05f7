/* The product with a packed matrix: every output of every table is one chain of multiply-adds. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/kernel_values.h"

typedef struct product {
    size_t M, N, K;
    size_t a_row, a_column; /* of A as stored */
    size_t c_row;
    real *a, *b, *packed, *c;
    size_t a_size, c_size;
} product;

static product product_create(const kernel_table *table, size_t M, size_t N, size_t K,
                              bool transposed, size_t padding)
{
    product p = {.M = M, .N = N, .K = K, .c_row = N + padding};
    p.a_row = transposed ? 1 : K + padding;
    p.a_column = transposed ? M + padding : 1;
    p.a_size = transposed ? K * (M + padding) : M * (K + padding);
    p.c_size = M > 0 ? (M - 1) * p.c_row + N : 0;
    p.a = values_create(p.a_size, 1, 1);
    p.b = values_create(K * N, 1, 2);
    p.c = values_create(p.c_size, 1, 3);
    p.packed = values_create(kernel_packed_size(table, K, N), 1, 4);
    kernel_pack(table, p.packed, p.b, N, 1, K, N);
    return p;
}

static void product_destroy(product *p)
{
    free(p->a);
    free(p->b);
    free(p->c);
    free(p->packed);
}

static void product_run(const kernel_table *table, const product *p, real *c)
{
    table->multiply_packed(p->M, p->N, p->K, p->a, p->a_row, p->a_column, p->packed, c, p->c_row);
}

/* C as one chain per output, in the order of p. */
static void product_chain(const product *p, real *c, bool fused)
{
    for (size_t m = 0; m < p->M; m++) {
        for (size_t n = 0; n < p->N; n++) {
            real sum = c[m * p->c_row + n];
            for (size_t k = 0; k < p->K; k++) {
                real left = p->a[m * p->a_row + k * p->a_column], right = p->b[k * p->N + n];
                if (fused) {
                    sum = (real)(sizeof(real) == sizeof(float)
                                     ? fmaf((float)left, (float)right, (float)sum)
                                     : fma((double)left, (double)right, (double)sum));
                } else {
                    volatile real rounded_product = left * right;
                    sum += rounded_product;
                }
            }
            c[m * p->c_row + n] = sum;
        }
    }
}

static void check_chains(const kernel_table *table, size_t M, size_t N, size_t K, bool transposed,
                         size_t padding)
{
    product p = product_create(table, M, N, K, transposed, padding);
    real *expected = values_copy(p.c, p.c_size);
    product_chain(&p, expected, values_fuse(table));
    product_run(table, &p, p.c);
    if (memcmp(p.c, expected, p.c_size * sizeof(real)) != 0) {
        fail_msg("%s: M %zu N %zu K %zu transposed %d padding %zu", table->name, M, N, K,
                 transposed, padding);
    }
    free(expected);
    product_destroy(&p);
}

/* from_row of a product that starts from nothing. */
#define NOTHING ((size_t)-1)

static void check_start(const kernel_table *table, size_t M, size_t N, size_t K, size_t from_row)
{
    product p = product_create(table, M, N, K, false, 3);
    real *from = values_create(M * (N + 7), 1, 6), *expected = values_create(p.c_size, 1, 7);
    for (size_t m = 0; m < M; m++) {
        for (size_t n = 0; n < N; n++) {
            expected[m * p.c_row + n] = from_row == NOTHING ? 0 : from[m * from_row + n];
        }
    }
    product_chain(&p, expected, values_fuse(table));
    table->multiply_packed_from(M, N, K, p.a, p.a_row, p.a_column, p.packed,
                                from_row == NOTHING ? NULL : from, from_row, p.c, p.c_row);
    for (size_t m = 0; m < M; m++) {
        if (memcmp(p.c + m * p.c_row, expected + m * p.c_row, N * sizeof(real)) != 0) {
            fail_msg("%s: M %zu N %zu K %zu from_row %zu", table->name, M, N, K, from_row);
        }
    }
    free(from);
    free(expected);
    product_destroy(&p);
}

static void a_product_may_start_from_nothing_from_a_row_or_from_a_matrix(void **state)
{
    (void)state;
    static const size_t shapes[][3] = {{1, 37, 20},  {1, 600, 20}, {2, 260, 9},    {3, 5, 0},
                                       {7, 70, 300}, {50, 65, 40}, {600, 130, 300}};
    FOR_TABLES(table)
    {
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            size_t M = shapes[i][0], N = shapes[i][1], K = shapes[i][2];
            check_start(table, M, N, K, NOTHING);
            check_start(table, M, N, K, 0);
            check_start(table, M, N, K, N + 7);
        }
    }
}

/* ---- matrices of bfloat16 ---- */

static void check_pairs(const kernel_table *table, size_t M, size_t N, size_t K, size_t from_row)
{
    product p = product_create(table, M, N, K, false, 3);
    size_t size = kernel_packed_size(table, K, N);
    real *from = values_create(M * (N + 7), 1, 6), *expected = values_copy(p.c, p.c_size);
    const real *start = from_row == NOTHING ? NULL : from;
    bfloat16_pair *pairs = pairs_create(table, p.packed, size);
    table->multiply_packed_from(M, N, K, p.a, p.a_row, 1, p.packed, start, from_row, expected,
                                p.c_row);
    const packed_matrix b = {.kind = LRNN_WEIGHT_BFLOAT16, .data = pairs};
    table->multiply_matrix[b.kind](M, N, K, p.a, p.a_row, b, start, from_row, p.c, p.c_row);
    if (memcmp(p.c, expected, p.c_size * sizeof(real)) != 0) {
        fail_msg("%s: M %zu N %zu K %zu from_row %zu", table->name, M, N, K, from_row);
    }
    free(pairs);
    free(from);
    free(expected);
    product_destroy(&p);
}

static void bfloat16_gives_the_bits_of_the_same_numbers_as_reals(void **state)
{
    (void)state;
    static const size_t widths[] = {1, 8, 15, 16, 17, 33, 47, 64, 65, 96, 128, 130, 259};
    static const size_t depths[] = {0, 1, 2, 64, 129};
    FOR_TABLES(table)
    {
        for (size_t M = 1; M <= 14; M++) {
            for (size_t n = 0; n < sizeof widths / sizeof *widths; n++) {
                size_t K = depths[(M + n) % 5];
                check_pairs(table, M, widths[n], K, NOTHING);
                check_pairs(table, M, widths[n], K, 0);
                check_pairs(table, M, widths[n], K, widths[n] + 7);
            }
        }
        check_pairs(table, 70, 300, 400, 0);
    }
}

static void each_output_is_one_chain_in_the_order_of_k(void **state)
{
    (void)state;
    static const size_t widths[] = {1,  3,  4,  15, 16,  17,  31,  47,
                                    48, 63, 64, 65, 100, 128, 200, 259};
    static const size_t depths[] = {1, 2, 7, 64, 129, 300};
    FOR_TABLES(table)
    {
        for (size_t M = 1; M <= 20; M++) {
            for (size_t n = 0; n < sizeof widths / sizeof *widths; n++) {
                for (size_t k = 0; k < sizeof depths / sizeof *depths; k++) {
                    check_chains(table, M, widths[n], depths[k], (M + n + k) % 2, n % 3);
                }
            }
        }
    }
}

static void large_products_are_chains_too(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        check_chains(table, 600, 130, 300, false, 0);
        check_chains(table, 600, 130, 300, true, 5);
        check_chains(table, 97, 70, 1000, true, 0);
        check_chains(table, 50, 513, 257, false, 3);
        check_chains(table, 31, 70, 1030, false, 1); /* several slices of K */
        check_chains(table, 100, 70, 600, true, 0);  /* of a copied A, and chunks of it */
        check_chains(table, 131, 70, 300, true, 13); /* A as it is, rows nine cache lines apart */
    }
}

static void cutting_k_in_two_calls_changes_no_bit(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        product p = product_create(table, 37, 70, 300, false, 2);
        real *whole = values_copy(p.c, p.c_size);
        product_run(table, &p, whole);
        for (size_t cut = 0; cut <= p.K; cut += 75) {
            real *c = values_copy(p.c, p.c_size);
            real *packed = values_create(kernel_packed_size(table, p.K, p.N), 1, 5);
            kernel_pack(table, packed, p.b, p.N, 1, cut, p.N);
            table->multiply_packed(p.M, p.N, cut, p.a, p.a_row, 1, packed, c, p.c_row);
            kernel_pack(table, packed, p.b + cut * p.N, p.N, 1, p.K - cut, p.N);
            table->multiply_packed(p.M, p.N, p.K - cut, p.a + cut, p.a_row, 1, packed, c, p.c_row);
            assert_memory_equal(c, whole, p.c_size * sizeof(real));
            free(packed);
            free(c);
        }
        free(whole);
        product_destroy(&p);
    }
}

static void a_row_has_the_same_bits_alone_and_among_others(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        product p = product_create(table, 23, 150, 260, false, 0);
        real *alone = values_copy(p.c, p.c_size);
        for (size_t m = 0; m < p.M; m++) {
            table->multiply_packed(1, p.N, p.K, p.a + m * p.a_row, p.a_row, 1, p.packed,
                                   alone + m * p.c_row, p.c_row);
        }
        product_run(table, &p, p.c);
        assert_memory_equal(p.c, alone, p.c_size * sizeof(real));
        free(alone);
        product_destroy(&p);
    }
}

static void nothing_is_written_beside_c(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        for (size_t M = 1; M <= 13; M += 3) {
            product p = product_create(table, M, 37, 20, false, 9);
            real *before = values_copy(p.c, p.c_size);
            product_run(table, &p, p.c);
            for (size_t i = 0; i < p.c_size; i++) {
                if (i % p.c_row >= p.N) {
                    assert_true(p.c[i] == before[i]);
                }
            }
            free(before);
            product_destroy(&p);
        }
    }
}

static void empty_products_add_nothing(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        static const size_t shapes[][3] = {{0, 5, 5}, {5, 0, 5}, {5, 5, 0}, {1, 70, 0}, {1, 0, 3}};
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            check_chains(table, shapes[i][0], shapes[i][1], shapes[i][2], false, 0);
        }
    }
}

static void nan_and_infinity_come_through(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        product p = product_create(table, 3, 20, 8, false, 0);
        p.a[1 * p.a_row + 4] = (real)NAN;
        p.a[2 * p.a_row + 4] = (real)INFINITY;
        product_run(table, &p, p.c);
        for (size_t n = 0; n < p.N; n++) {
            assert_true(isfinite(p.c[n]));
            assert_true(isnan(p.c[p.c_row + n]));
            assert_true(isinf(p.c[2 * p.c_row + n]));
        }
        product_destroy(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bfloat16_gives_the_bits_of_the_same_numbers_as_reals),
        cmocka_unit_test(each_output_is_one_chain_in_the_order_of_k),
        cmocka_unit_test(large_products_are_chains_too),
        cmocka_unit_test(a_product_may_start_from_nothing_from_a_row_or_from_a_matrix),
        cmocka_unit_test(cutting_k_in_two_calls_changes_no_bit),
        cmocka_unit_test(a_row_has_the_same_bits_alone_and_among_others),
        cmocka_unit_test(nothing_is_written_beside_c),
        cmocka_unit_test(empty_products_add_nothing),
        cmocka_unit_test(nan_and_infinity_come_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
