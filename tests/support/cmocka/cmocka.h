/* What the tests use of cmocka, for machines that have no cmocka: each test runs in the process, a
 * failed assertion leaves it by longjmp, and the lines printed are those that tests/run counts.
 * OWN_CMOCKA=1 of the Makefile puts this folder before the others. */
#ifndef SUPPORT_CMOCKA_H
#define SUPPORT_CMOCKA_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*run)(void **state);
    int (*setup)(void **state);
    int (*teardown)(void **state);
};

#define cmocka_unit_test(test)                                                                     \
    {                                                                                              \
#test, test, NULL, NULL                                                                    \
    }
#define cmocka_unit_test_setup_teardown(test, setup, teardown)                                     \
    {                                                                                              \
#test, test, setup, teardown                                                               \
    }
#define cmocka_unit_test_setup(test, setup) cmocka_unit_test_setup_teardown(test, setup, NULL)
#define cmocka_unit_test_teardown(test, teardown)                                                  \
    cmocka_unit_test_setup_teardown(test, NULL, teardown)

enum { OWN_FAILED = 1, OWN_SKIPPED };
static jmp_buf own_end;

#define print_message(...) fprintf(stdout, __VA_ARGS__)
#define print_error(...)   fprintf(stderr, __VA_ARGS__)

__attribute__((noreturn, unused)) static void own_leave(int how)
{
    fflush(stderr);
    longjmp(own_end, how);
}

/* cmocka's own name of it, with the place of a caller. */
__attribute__((noreturn, unused)) static void _fail(const char *file, int line)
{
    fprintf(stderr, "%s:%d: failed\n", file, line);
    own_leave(OWN_FAILED);
}

#define own_fail(...)                                                                              \
    do {                                                                                           \
        fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);                                            \
        fprintf(stderr, __VA_ARGS__);                                                              \
        fputc('\n', stderr);                                                                       \
        own_leave(OWN_FAILED);                                                                     \
    } while (0)

#define fail_msg(...) own_fail(__VA_ARGS__)
#define fail()        own_fail("failed")
#define skip()        own_leave(OWN_SKIPPED)

#define own_assert(holds, text)                                                                    \
    do {                                                                                           \
        if (!(holds)) {                                                                            \
            own_fail("%s", text);                                                                  \
        }                                                                                          \
    } while (0)

#define own_compare(a, relation, b)                                                                \
    do {                                                                                           \
        long long own_a = (long long)(a), own_b = (long long)(b);                                  \
        if (!(own_a relation own_b)) {                                                             \
            own_fail("%s (%lld) " #relation " %s (%lld) does not hold", #a, own_a, #b, own_b);     \
        }                                                                                          \
    } while (0)

#define assert_true(x)         own_assert(x, #x)
#define assert_false(x)        own_assert(!(x), "not " #x)
#define assert_null(x)         own_assert((x) == NULL, #x " is NULL")
#define assert_non_null(x)     own_assert((x) != NULL, #x " is not NULL")
#define assert_ptr_equal(a, b) own_assert((const void *)(a) == (const void *)(b), #a " is " #b)
#define assert_ptr_not_equal(a, b)                                                                 \
    own_assert((const void *)(a) != (const void *)(b), #a " is not " #b)
#define assert_int_equal(a, b)     own_compare(a, ==, b)
#define assert_int_not_equal(a, b) own_compare(a, !=, b)
#define assert_return_code(rc, e)  own_assert((rc) >= 0, #rc)
#define assert_string_equal(a, b)                                                                  \
    do {                                                                                           \
        const char *own_a = (a), *own_b = (b);                                                     \
        if (strcmp(own_a, own_b) != 0) {                                                           \
            own_fail("\"%s\" is not \"%s\"", own_a, own_b);                                        \
        }                                                                                          \
    } while (0)
#define assert_string_not_equal(a, b) own_assert(strcmp(a, b) != 0, #a " is not " #b)
#define assert_memory_equal(a, b, n)  own_assert(memcmp(a, b, n) == 0, #a " has the bytes of " #b)
#define assert_memory_not_equal(a, b, n)                                                           \
    own_assert(memcmp(a, b, n) != 0, #a " has other bytes than " #b)
#define assert_in_range(x, low, high)                                                              \
    do {                                                                                           \
        unsigned long long own_x = (unsigned long long)(x);                                        \
        unsigned long long own_low = (unsigned long long)(low);                                    \
        unsigned long long own_high = (unsigned long long)(high);                                  \
        if (own_x < own_low || own_x > own_high) {                                                 \
            own_fail("%s (%llu) is not in its range", #x, own_x);                                  \
        }                                                                                          \
    } while (0)

#define own_float_near(a, b, epsilon, type)                                                        \
    do {                                                                                           \
        type own_a = (type)(a), own_b = (type)(b);                                                 \
        type own_d = own_a < own_b ? own_b - own_a : own_a - own_b;                                \
        if (!(own_a == own_b || own_d <= (type)(epsilon))) {                                       \
            own_fail("%s (%.17g) is not %s (%.17g)", #a, (double)own_a, #b, (double)own_b);        \
        }                                                                                          \
    } while (0)
#define assert_float_equal(a, b, epsilon)  own_float_near(a, b, epsilon, float)
#define assert_double_equal(a, b, epsilon) own_float_near(a, b, epsilon, double)

/* One test; the code it ended with. */
__attribute__((unused)) static int own_run(const struct CMUnitTest *test, void **state)
{
    volatile int code = setjmp(own_end);
    if (code == 0) {
        if (test->setup != NULL && test->setup(state) != 0) {
            own_fail("setup failed");
        }
        test->run(state);
        if (test->teardown != NULL && test->teardown(state) != 0) {
            own_fail("teardown failed");
        }
    }
    return code;
}

__attribute__((unused)) static int own_run_group(const struct CMUnitTest *tests, size_t count,
                                                 int (*setup)(void **), int (*teardown)(void **))
{
    static const char *const lines[] = {"       OK ", "  FAILED  ", "  SKIPPED "};
    void *state = NULL;
    int failures = 0;
    const char *pattern = getenv("OWN_CMOCKA_FILTER");
    if (setup != NULL && setup(&state) != 0) {
        fprintf(stderr, "[  FAILED  ] setup of the group\n");
        return 1;
    }
    for (size_t i = 0; i < count; i++) {
        if (pattern != NULL && strstr(tests[i].name, pattern) == NULL) {
            continue;
        }
        void *own = state;
        int code = own_run(&tests[i], &own);
        failures += code == OWN_FAILED;
        printf("[%s] %s\n", lines[code], tests[i].name);
        if (code != 0) { /* cmocka names it again at the end, and tests/run knows */
            printf("[%s] %s\n", lines[code], tests[i].name);
        }
        fflush(stdout);
    }
    if (teardown != NULL) {
        teardown(&state);
    }
    return failures;
}

#define cmocka_run_group_tests(tests, setup, teardown)                                             \
    own_run_group(tests, sizeof(tests) / sizeof *(tests), setup, teardown)
#define cmocka_run_group_tests_name(name, tests, setup, teardown)                                  \
    own_run_group(tests, sizeof(tests) / sizeof *(tests), setup, teardown)

#endif
