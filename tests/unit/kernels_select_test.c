/* Which table is chosen; and that it does not matter which, where multiply and add are fused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/kernel_values.h"

/* Whether a new process in which LRNN_KERNELS is `wanted` gets the table `expected`. */
static bool chosen_in_child(const char *wanted, const kernel_table *expected)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (wanted == NULL) {
            unsetenv("LRNN_KERNELS");
        } else {
            setenv("LRNN_KERNELS", wanted, 1);
        }
        _exit(kernels() == expected ? 0 : 1);
    }
    int status;
    assert_true(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void the_environment_names_the_table(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        assert_true(chosen_in_child(table->name, table));
    }
}

static void the_fastest_is_taken_when_nothing_sensible_is_named(void **state)
{
    (void)state;
    const kernel_table *fastest = NULL;
    FOR_TABLES(table)
    {
        fastest = table;
    }
    assert_true(chosen_in_child(NULL, fastest));
    assert_true(chosen_in_child("", fastest));
    assert_true(chosen_in_child("avx1024", fastest));
}

static void the_choice_stays(void **state)
{
    (void)state;
    const kernel_table *first = kernels();
    setenv("LRNN_KERNELS", first == kernel_table_at(0) ? "avx2" : "reference", 1);
    assert_ptr_equal(kernels(), first);
}

static void the_first_table_is_the_reference(void **state)
{
    (void)state;
    assert_string_equal(kernel_table_at(0)->name, "reference");
    assert_null(kernel_table_at(100));
}

#define N 333

/* What a table makes of the same numbers. */
typedef struct answers {
    real exp[N], sigmoid[N], tanh[N], added[N], shifted[N], gates[4 * N], cell[N], hidden[N], dc[N];
    real x[3 * N], s[3 * N], gru[N], parameter[N], m[N], v[N], maximum;
    double dot, sum;
} answers;

static void fill(real *to, size_t n, uint64_t seed)
{
    real *values = values_create(n, 4, seed);
    memcpy(to, values, n * sizeof(real));
    free(values);
}

static answers *answer(const kernel_table *table)
{
    static const adam_step step = {(real)0.01, (real)0.9, (real)0.999, (real)0.1, (real)0.001,
                                   (real)1e-8, (real)1.3, (real)0.02,  (real)0.9};
    answers *a = calloc(1, sizeof *a);
    assert_non_null(a);
    real numbers[N], others[N], squashed[N];
    fill(numbers, N, 1);
    fill(others, N, 2);
    fill(a->gates, 4 * N, 3);
    fill(a->x, 3 * N, 4);
    fill(a->s, 3 * N, 5);
    fill(a->parameter, N, 6);
    fill(a->dc, N, 7);
    table->exp(a->exp, numbers, N);
    table->sigmoid(a->sigmoid, numbers, N);
    table->tanh(a->tanh, numbers, N);
    table->add_rows(a->added, numbers, N / 2, 2, N / 2);
    memcpy(a->shifted, numbers, sizeof numbers);
    table->exp_shifted(a->shifted, N, 2, (real)0.1);
    a->dot = table->dot(numbers, others, N);
    table->max_sum_exp(numbers, N, &a->maximum, &a->sum);
    lstm_forward(table, 1, N, a->gates, numbers, a->cell, squashed, a->hidden, N);
    lstm_backward(table, 1, N, a->gates, numbers, squashed, others, a->dc);
    gru_forward(table, 1, N, a->x, a->s, numbers, N, a->gru, N);
    gru_backward(table, 1, N, a->x, a->s, numbers, N, others);
    table->adam(&step, N, a->parameter, numbers, a->m, a->v);
    return a;
}

static void tables_that_fuse_multiply_and_add_give_the_same_bits(void **state)
{
    (void)state;
    answers *first = NULL;
    FOR_TABLES(table)
    {
        if (strncmp(table->name, "avx", 3) == 0) {
            answers *now = answer(table);
            if (first == NULL) {
                first = now;
            } else {
                assert_memory_equal(now, first, sizeof *now);
                free(now);
            }
        }
    }
    free(first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_environment_names_the_table),
        cmocka_unit_test(the_fastest_is_taken_when_nothing_sensible_is_named),
        cmocka_unit_test(the_choice_stays),
        cmocka_unit_test(the_first_table_is_the_reference),
        cmocka_unit_test(tables_that_fuse_multiply_and_add_give_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
