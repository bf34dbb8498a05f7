/* Does a rank fit the others? What ranks tell each other, without ranks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "group.h"

static const hello usual = {"0.2.0", "avx512", HELLO_ORDER, 4};

static void a_rank_that_is_the_same_fits(void **state)
{
    (void)state;
    assert_null(hello_difference(&usual, &usual));
}

static void what_differs_is_named(void **state)
{
    (void)state;
    hello other = usual;
    other.version[4] = '1';
    assert_string_equal(hello_difference(&usual, &other), "another version of liblrnn");
    other = usual;
    strcpy(other.kernels, "avx2");
    assert_string_equal(hello_difference(&usual, &other), "other kernels");
    other = usual;
    other.order = UINT64_C(0x0807060504030201);
    other.shards = UINT64_C(0x0400000000000000);
    assert_string_equal(hello_difference(&usual, &other), "another byte order");
    other = usual;
    other.shards = 8;
    assert_string_equal(hello_difference(&usual, &other), "another number of shards");
}

static void ranks_share_whole_branches_of_the_tree(void **state)
{
    (void)state;
    static const size_t good[][2] = {{1, 1}, {8, 1},  {8, 2},  {8, 4}, {8, 8},
                                     {6, 3}, {12, 3}, {12, 6}, {3, 3}, {7, 1}};
    static const size_t bad[][2] = {{8, 3}, {6, 2}, {12, 2}, {12, 4}, {4, 8}, {0, 1}, {9, 3}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(shards_fit(good[i][0], good[i][1]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(shards_fit(bad[i][0], bad[i][1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rank_that_is_the_same_fits),
        cmocka_unit_test(what_differs_is_named),
        cmocka_unit_test(ranks_share_whole_branches_of_the_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
