/* Structs that grow: an older caller's is read, and a newer one's while it uses nothing new. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <string.h>

#include "base/options.h"

/* One struct in its three releases. */
typedef struct first_release {
    size_t size;
    int64_t speed;
} first_release;

typedef struct second_release {
    size_t size;
    int64_t speed;
    int64_t depth;
} second_release;

typedef struct third_release {
    size_t size;
    int64_t speed;
    int64_t depth;
    int64_t width;
} third_release;

/* The library has the second. */
static const second_release defaults = {sizeof(second_release), 10, 20};

static lrnn_status init(void *options, size_t size)
{
    return options_init(options, size, &defaults, sizeof defaults, sizeof(first_release),
                        "lrnn_thing_options");
}

static lrnn_status read_copy(second_release *copy, const void *options)
{
    return options_read(copy, options, &defaults, sizeof defaults, sizeof(first_release),
                        "lrnn_thing_options");
}

static void init_stores_size_and_defaults(void **state)
{
    (void)state;
    second_release options;
    assert_int_equal(init(&options, sizeof options), LRNN_OK);
    assert_int_equal(options.size, sizeof options);
    assert_int_equal(options.speed, 10);
    assert_int_equal(options.depth, 20);
}

static void an_older_caller_gets_what_it_knows_and_defaults_for_the_rest(void **state)
{
    (void)state;
    struct {
        first_release options;
        int64_t behind;
    } caller = {.behind = 77};
    assert_int_equal(init(&caller.options, sizeof caller.options), LRNN_OK);
    assert_int_equal(caller.options.size, sizeof caller.options);
    assert_int_equal(caller.behind, 77);
    caller.options.speed = 0;
    second_release copy;
    assert_int_equal(read_copy(&copy, &caller.options), LRNN_OK);
    assert_int_equal(copy.size, sizeof copy);
    assert_int_equal(copy.speed, 0);
    assert_int_equal(copy.depth, 20);
}

static void a_newer_caller_is_served_while_it_uses_nothing_new(void **state)
{
    (void)state;
    third_release options;
    second_release copy;
    memset(&options, 0x55, sizeof options);
    assert_int_equal(init(&options, sizeof options), LRNN_OK);
    assert_int_equal(options.size, sizeof options);
    assert_int_equal(options.depth, 20);
    assert_int_equal(options.width, 0);
    options.speed = 11;
    assert_int_equal(read_copy(&copy, &options), LRNN_OK);
    assert_int_equal(copy.size, sizeof copy);
    assert_int_equal(copy.speed, 11);
}

static void a_field_that_is_not_known_is_refused_by_its_place(void **state)
{
    (void)state;
    third_release options;
    second_release copy;
    assert_int_equal(init(&options, sizeof options), LRNN_OK);
    size_t place = offsetof(third_release, width) + 1;
    char where[40];
    snprintf(where, sizeof where, "byte %zu", place);
    ((unsigned char *)&options)[place] = 1;
    assert_int_equal(read_copy(&copy, &options), LRNN_ERR_UNSUPPORTED);
    assert_non_null(strstr(lrnn_last_error(), "lrnn_thing_options"));
    assert_non_null(strstr(lrnn_last_error(), where));
    assert_non_null(strstr(lrnn_last_error(), lrnn_version_string()));
}

static void results_go_no_further_than_the_callers_struct(void **state)
{
    (void)state;
    const second_release all = {sizeof all, 1, 2};
    struct {
        first_release known;
        int64_t after;
    } older = {{sizeof(first_release), 0}, 77};
    third_release newer = {sizeof newer, 0, 0, 9};
    options_give(&older, &all, sizeof all);
    assert_int_equal(older.known.size, sizeof older.known);
    assert_int_equal(older.known.speed, 1);
    assert_int_equal(older.after, 77);
    options_give(&newer, &all, sizeof all);
    assert_int_equal(newer.size, sizeof newer);
    assert_int_equal(newer.depth, 2);
    assert_int_equal(newer.width, 9);
}

static void arrays_are_stepped_by_the_callers_size(void **state)
{
    (void)state;
    const first_release older[2] = {{sizeof *older, 1}, {sizeof *older, 2}};
    const third_release newer[2] = {{sizeof *newer, 1, 0, 0}, {sizeof *newer, 2, 0, 0}};
    second_release copy;
    assert_int_equal(read_copy(&copy, options_element(older, 1)), LRNN_OK);
    assert_int_equal(copy.speed, 2);
    assert_int_equal(copy.depth, 20);
    assert_int_equal(read_copy(&copy, options_element(newer, 1)), LRNN_OK);
    assert_int_equal(copy.speed, 2);
}

static void a_size_that_init_never_set_is_refused(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 8, 15, 17, sizeof(size_t) == 8 ? 20 : 18, 23};
    second_release options = defaults, copy;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        options.size = sizes[i];
        assert_int_equal(read_copy(&copy, &options), LRNN_ERR_INVALID);
        assert_int_equal(init(&options, sizes[i]), LRNN_ERR_INVALID);
    }
    assert_int_equal(read_copy(&copy, NULL), LRNN_ERR_INVALID);
    assert_int_equal(init(NULL, sizeof options), LRNN_ERR_INVALID);
    assert_string_equal(lrnn_last_error(), "lrnn_thing_options is NULL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(init_stores_size_and_defaults),
        cmocka_unit_test(an_older_caller_gets_what_it_knows_and_defaults_for_the_rest),
        cmocka_unit_test(a_newer_caller_is_served_while_it_uses_nothing_new),
        cmocka_unit_test(a_field_that_is_not_known_is_refused_by_its_place),
        cmocka_unit_test(results_go_no_further_than_the_callers_struct),
        cmocka_unit_test(arrays_are_stepped_by_the_callers_size),
        cmocka_unit_test(a_size_that_init_never_set_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
