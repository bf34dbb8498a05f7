/* The error text: one line, of this thread, safe to show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

static void error_set_formats_and_returns_the_status(void **state)
{
    (void)state;
    assert_int_equal(error_set(LRNN_ERR_IO, "%s: %d", "file", 7), LRNN_ERR_IO);
    assert_string_equal(lrnn_last_error(), "file: 7");
    assert_int_equal(error_null("model"), LRNN_ERR_INVALID);
    assert_string_equal(lrnn_last_error(), "model is NULL");
}

static void the_last_error_may_be_part_of_the_next(void **state)
{
    (void)state;
    error_set(LRNN_ERR_FORMAT, "no header");
    error_set(LRNN_ERR_FORMAT, "model.bin: %s", lrnn_last_error());
    assert_string_equal(lrnn_last_error(), "model.bin: no header");
}

static void what_could_move_a_cursor_becomes_question_marks(void **state)
{
    (void)state;
    error_set(LRNN_ERR_FORMAT, "%s", "a\nb\tc\x1b[2Jd\x7f");
    assert_string_equal(lrnn_last_error(), "a?b?c?[2Jd?");
    error_set(LRNN_ERR_FORMAT, "%s", "csi \xc2\x9b line \xe2\x80\xa8 para \xe2\x80\xa9.");
    assert_string_equal(lrnn_last_error(), "csi ? line ? para ?.");
}

static void valid_utf8_stays_and_invalid_bytes_become_question_marks(void **state)
{
    (void)state;
    error_set(LRNN_ERR_FORMAT, "%s", "caf\xc3\xa9 \xe6\xbc\xa2 \xf0\x9f\x98\x80 \xff \xc3");
    assert_string_equal(lrnn_last_error(), "caf\xc3\xa9 \xe6\xbc\xa2 \xf0\x9f\x98\x80 ? ?");
}

static void a_long_text_is_cut(void **state)
{
    (void)state;
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (size_t shift = 0; shift < 4; shift++) {
        /* A character of three bytes across the end. */
        memcpy(text + 507 + shift, "\xe6\xbc\xa2", 3);
        error_set(LRNN_ERR_FORMAT, "%s", text);
        assert_in_range(strlen(lrnn_last_error()), 500, 511);
        memset(text + 507 + shift, 'x', 3);
    }
}

static void *fail_elsewhere(void *first)
{
    *(int *)first = strcmp(lrnn_last_error(), "");
    error_set(LRNN_ERR_IO, "the other thread's");
    return NULL;
}

static void each_thread_has_its_own_error(void **state)
{
    (void)state;
    pthread_t thread;
    int not_empty = 1;
    error_set(LRNN_ERR_IO, "mine");
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, &not_empty), 0);
    pthread_join(thread, NULL);
    assert_int_equal(not_empty, 0);
    assert_string_equal(lrnn_last_error(), "mine");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_set_formats_and_returns_the_status),
        cmocka_unit_test(the_last_error_may_be_part_of_the_next),
        cmocka_unit_test(what_could_move_a_cursor_becomes_question_marks),
        cmocka_unit_test(valid_utf8_stays_and_invalid_bytes_become_question_marks),
        cmocka_unit_test(a_long_text_is_cut),
        cmocka_unit_test(each_thread_has_its_own_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
