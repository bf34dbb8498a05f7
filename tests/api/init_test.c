/* Both ways to call the functions that set a struct's defaults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lrnn.h"
#include "support/expect.h"

static void the_size_need_not_be_said(void **state)
{
    (void)state;
    lrnn_model_options said, unsaid, *pointer = &unsaid;
    lrnn_request requests[2];
    memset(&said, 1, sizeof said);
    memset(&unsaid, 2, sizeof unsaid);
    EXPECT_OK(lrnn_model_options_init(&said, sizeof said));
    EXPECT_OK(lrnn_model_options_init(pointer));
    assert_memory_equal(&said, &unsaid, sizeof said);
    assert_int_equal(unsaid.size, sizeof unsaid);
    EXPECT_OK(lrnn_request_init(&requests[1]));
    assert_int_equal(requests[1].size, sizeof requests[1]);
}

static void an_argument_is_evaluated_once(void **state)
{
    (void)state;
    lrnn_result results[2], *next = results;
    memset(results, 0, sizeof results);
    EXPECT_OK(lrnn_result_init(next++));
    assert_ptr_equal(next, results + 1);
    assert_int_equal(results[0].size, sizeof results[0]);
    assert_int_equal(results[1].size, 0);
}

static void the_function_itself_is_still_there(void **state)
{
    (void)state;
    lrnn_scorer scorer;
    lrnn_status (*init)(lrnn_scorer *, size_t) = lrnn_scorer_init;
    EXPECT_OK(init(&scorer, sizeof scorer));
    EXPECT_OK((lrnn_scorer_init)(&scorer, sizeof scorer));
    EXPECT_FAILURE(lrnn_scorer_init(&scorer, 8), LRNN_ERR_INVALID, "8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_size_need_not_be_said),
        cmocka_unit_test(an_argument_is_evaluated_once),
        cmocka_unit_test(the_function_itself_is_still_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
