/* Version, status texts, errors and allocators through the public header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lrnn.h"

static void header_and_library_are_of_one_version(void **state)
{
    (void)state;
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", LRNN_VERSION_MAJOR, LRNN_VERSION_MINOR,
             LRNN_VERSION_PATCH);
    assert_string_equal(lrnn_version_string(), text);
    assert_int_equal(lrnn_version_number(), LRNN_VERSION_NUMBER);
}

static void build_info_has_its_four_lines(void **state)
{
    (void)state;
    static const char *const keys[] = {"version: ", "real: ", "kernels: ", "blas: "};
    const char *info = lrnn_build_info(), *line = info;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        assert_ptr_equal(strstr(line, keys[i]), line);
        assert_in_range(strcspn(line, "\n"), strlen(keys[i]) + 1, 300);
        line = strchr(line, '\n');
        assert_non_null(line);
        line++;
    }
    assert_string_equal(line, "");
    assert_non_null(strstr(info, lrnn_version_string()));
    assert_non_null(strstr(info, "float32"));
    assert_ptr_equal(lrnn_build_info(), info);
}

static void the_numbers_of_the_statuses_never_change(void **state)
{
    (void)state;
    assert_int_equal(LRNN_OK, 0);
    assert_int_equal(LRNN_ERR_INVALID, -1);
    assert_int_equal(LRNN_ERR_MEMORY, -2);
    assert_int_equal(LRNN_ERR_UNSUPPORTED, -3);
    assert_int_equal(LRNN_ERR_IO, -4);
    assert_int_equal(LRNN_ERR_FORMAT, -5);
    assert_int_equal(LRNN_ERR_NUMERIC, -6);
    assert_int_equal(LRNN_ERR_NOT_FOUND, -7);
    assert_int_equal(LRNN_ERR_STATE, -8);
    assert_int_equal(LRNN_ERR_TOO_SMALL, -9);
    assert_int_equal(LRNN_ERR_CANCELLED, -10);
    assert_int_equal(LRNN_ERR_CALLBACK, -11);
    assert_int_equal(LRNN_END, -20);
}

static void every_status_has_a_text_of_its_own(void **state)
{
    (void)state;
    const char *unknown = lrnn_status_text((lrnn_status)-99);
    assert_string_equal(unknown, "unknown status");
    for (int status = LRNN_OK; status >= LRNN_ERR_CALLBACK; status--) {
        const char *text = lrnn_status_text((lrnn_status)status);
        assert_true(strlen(text) > 0 && strcmp(text, unknown) != 0);
        for (int other = status + 1; other <= LRNN_OK; other++) {
            assert_string_not_equal(text, lrnn_status_text((lrnn_status)other));
        }
    }
    assert_string_not_equal(lrnn_status_text(LRNN_END), unknown);
}

static void an_allocator_starts_as_malloc_and_free(void **state)
{
    (void)state;
    lrnn_allocator allocator;
    assert_int_equal(lrnn_allocator_init(&allocator, sizeof allocator), LRNN_OK);
    assert_int_equal(allocator.size, sizeof allocator);
    void *block = allocator.allocate(allocator.user, 100);
    assert_non_null(block);
    memset(block, 1, 100);
    allocator.release(allocator.user, block);
    assert_int_equal(lrnn_allocator_init(NULL, sizeof allocator), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_allocator_init(&allocator, 3), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_allocator_init(&allocator, 8192), LRNN_ERR_INVALID);
    assert_non_null(strstr(lrnn_last_error(), "lrnn_allocator"));
}

static void an_allocator_without_its_functions_is_refused(void **state)
{
    (void)state;
    lrnn_allocator allocator;
    lrnn_vocab_options options;
    lrnn_vocab *vocab;
    assert_int_equal(lrnn_allocator_init(&allocator, sizeof allocator), LRNN_OK);
    assert_int_equal(lrnn_vocab_options_init(&options, sizeof options), LRNN_OK);
    allocator.allocate = NULL;
    options.allocator = &allocator;
    assert_int_equal(lrnn_vocab_create_from_text(&vocab, "a", 1, &options), LRNN_ERR_INVALID);
    assert_null(vocab);
    assert_non_null(strstr(lrnn_last_error(), "allocator"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_and_library_are_of_one_version),
        cmocka_unit_test(build_info_has_its_four_lines),
        cmocka_unit_test(the_numbers_of_the_statuses_never_change),
        cmocka_unit_test(every_status_has_a_text_of_its_own),
        cmocka_unit_test(an_allocator_starts_as_malloc_and_free),
        cmocka_unit_test(an_allocator_without_its_functions_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
