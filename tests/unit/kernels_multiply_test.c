/* Large products: all transpositions, on any number of threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "kernels/multiply.h"
#include "support/kernel_values.h"

#ifndef EXPECT_BLAS
#define EXPECT_BLAS ""
#endif

#define MOST_THREADS 3

static const lrnn_allocator *allocator(void)
{
    static lrnn_allocator ours;
    assert_int_equal(lrnn_allocator_init(&ours, sizeof ours), LRNN_OK);
    return &ours;
}

/* Pools of 1, 2, .. threads; returns workspaces for the largest. */
static real *pools_create(pool *pools[MOST_THREADS])
{
    for (size_t i = 0; i < MOST_THREADS; i++) {
        assert_int_equal(pool_create(&pools[i], allocator(), i + 1), LRNN_OK);
    }
    return memory_allocate(allocator(), MOST_THREADS * multiply_workspace(), sizeof(real), "test");
}

static void pools_destroy(pool *pools[MOST_THREADS], real *workspaces)
{
    memory_release(allocator(), workspaces);
    for (size_t i = 0; i < MOST_THREADS; i++) {
        pool_destroy(pools[i]);
    }
}

/* C is one row stride of padding wider than N. */
static multiply product_create(size_t M, size_t N, size_t K, bool a_transposed, bool b_transposed,
                               bool accumulate)
{
    multiply p = {.M = M, .N = N, .K = K, .accumulate = accumulate};
    p.a = values_create(M * K + 2 * (M + K), 1, 1);
    p.b = values_create(K * N + 2 * (N + K), 1, 2);
    p.a_row = a_transposed ? 1 : K + 2;
    p.a_column = a_transposed ? M + 2 : 1;
    p.b_row = b_transposed ? 1 : N + 2;
    p.b_column = b_transposed ? K + 2 : 1;
    p.c_row = N + 3;
    p.c = values_create(M * p.c_row, 1, 3);
    return p;
}

static void product_destroy(multiply *p)
{
    free((void *)(uintptr_t)p->a);
    free((void *)(uintptr_t)p->b);
    free(p->c);
}

static void check(const multiply *p, const real *before, const char *who)
{
    for (size_t m = 0; m < p->M; m++) {
        for (size_t n = 0; n < p->c_row; n++) {
            double sum = (double)before[m * p->c_row + n], size = fabs(sum);
            if (n < p->N) {
                sum = p->accumulate ? sum : 0;
                for (size_t k = 0; k < p->K; k++) {
                    double term = (double)p->a[m * p->a_row + k * p->a_column] *
                                  (double)p->b[k * p->b_row + n * p->b_column];
                    sum += term;
                    size += fabs(term);
                }
            }
            double found = (double)p->c[m * p->c_row + n];
            if (!(fabs(found - sum) <= 1e-6 * size)) {
                fail_msg("%s: %zu x %zu x %zu, C[%zu,%zu] is %g instead of %g", who, p->M, p->N,
                         p->K, m, n, found, sum);
            }
        }
    }
}

static void check_shape(size_t M, size_t N, size_t K, unsigned kind, real *workspaces,
                        pool *const pools[])
{
    multiply p = product_create(M, N, K, kind & 1, kind & 2, kind & 4);
    size_t size = M * p.c_row;
    real *before = values_copy(p.c, size), *first = NULL;
    multiply_run(&p, 1, workspaces);
    check(&p, before, "alone");
    for (size_t i = 0; i < MOST_THREADS; i++) {
        memcpy(p.c, before, size * sizeof(real));
        multiply_parallel(pools[i], &p, 1, workspaces);
        check(&p, before, "parallel");
        if (first == NULL) {
            first = values_copy(p.c, size);
        }
        assert_memory_equal(p.c, first, size * sizeof(real));
    }
    free(first);
    free(before);
    product_destroy(&p);
}

static void products_are_right_and_the_same_on_any_number_of_threads(void **state)
{
    (void)state;
    static const size_t shapes[][3] = {
        {1, 1, 1},     {5, 7, 3},     {1, 700, 9},     {700, 1, 9},    {64, 64, 64},
        {13, 600, 70}, {700, 65, 40}, {50, 130, 1100}, {300, 530, 33}, {97, 101, 515},
        {0, 5, 5},     {5, 0, 5},     {5, 6, 0},       {256, 256, 64}, {400, 96, 128},
    };
    pool *pools[MOST_THREADS];
    real *workspaces = pools_create(pools);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        for (unsigned kind = 0; kind < 8; kind++) {
            check_shape(shapes[i][0], shapes[i][1], shapes[i][2], kind, workspaces, pools);
        }
    }
    pools_destroy(pools, workspaces);
}

/* Each of a pair has the bits that it has alone. */
static void check_pair(size_t M, size_t N, size_t other_N, size_t K, bool transposed,
                       real *workspaces, pool *const pools[])
{
    multiply pair[2] = {product_create(M, N, K, transposed, false, true),
                        product_create(M, other_N, K, transposed, true, false)};
    const real *own = pair[1].a;
    real *before[2], *alone[2];
    pair[1].a = pair[0].a;
    for (size_t i = 0; i < 2; i++) {
        before[i] = values_copy(pair[i].c, M * pair[i].c_row);
        multiply_parallel(pools[0], &pair[i], 1, workspaces);
        alone[i] = values_copy(pair[i].c, M * pair[i].c_row);
    }
    for (size_t threads = 0; threads < MOST_THREADS; threads++) {
        for (size_t i = 0; i < 2; i++) {
            memcpy(pair[i].c, before[i], M * pair[i].c_row * sizeof(real));
        }
        multiply_parallel(pools[threads], pair, 2, workspaces);
        for (size_t i = 0; i < 2; i++) {
            assert_memory_equal(pair[i].c, alone[i], M * pair[i].c_row * sizeof(real));
        }
    }
    pair[1].a = own;
    for (size_t i = 0; i < 2; i++) {
        free(before[i]);
        free(alone[i]);
        product_destroy(&pair[i]);
    }
}

static void a_pair_gives_what_each_gives_alone(void **state)
{
    (void)state;
    static const size_t shapes[][4] = {{256, 64, 128, 300},  {100, 520, 40, 600}, {7, 5, 3, 9},
                                       {300, 1030, 600, 20}, {40, 10, 10, 0},     {0, 3, 4, 5}};
    pool *pools[MOST_THREADS];
    real *workspaces = pools_create(pools);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const size_t *s = shapes[i];
        check_pair(s[0], s[1], s[2], s[3], false, workspaces, pools);
        check_pair(s[0], s[1], s[2], s[3], true, workspaces, pools);
    }
    pools_destroy(pools, workspaces);
}

static void the_workspace_of_a_thread_is_small(void **state)
{
    (void)state;
    assert_true(multiply_workspace() * sizeof(float) <= 2 << 20);
}

static void the_blas_that_answers_is_the_one_that_was_asked_for(void **state)
{
    (void)state;
    assert_non_null(strstr(multiply_blas_name(), EXPECT_BLAS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_right_and_the_same_on_any_number_of_threads),
        cmocka_unit_test(a_pair_gives_what_each_gives_alone),
        cmocka_unit_test(the_workspace_of_a_thread_is_small),
        cmocka_unit_test(the_blas_that_answers_is_the_one_that_was_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
