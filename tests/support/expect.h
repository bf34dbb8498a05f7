/* What a failing call of the public interface must show, for tests. Include it behind <cmocka.h>.
 */
#ifndef SUPPORT_EXPECT_H
#define SUPPORT_EXPECT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lrnn.h"

static inline void expect_ok_at(lrnn_status found, const char *call, const char *file, int line)
{
    if (found != LRNN_OK) {
        print_error("%s gave \"%s\": %s\n", call, lrnn_status_text(found), lrnn_last_error());
        _fail(file, line);
    }
}

#define EXPECT_OK(call) expect_ok_at((call), #call, __FILE__, __LINE__)

/* Every word stands in the line of detail. */
static inline void expect_failure_at(lrnn_status found, lrnn_status expected,
                                     const char *const *words, const char *call, const char *file,
                                     int line)
{
    if (found != expected) {
        print_error("%s gave \"%s\" instead of \"%s\": %s\n", call, lrnn_status_text(found),
                    lrnn_status_text(expected), lrnn_last_error());
        _fail(file, line);
    }
    for (; *words != NULL; words++) {
        if (strstr(lrnn_last_error(), *words) == NULL) {
            print_error("%s: \"%s\" is not in: %s\n", call, *words, lrnn_last_error());
            _fail(file, line);
        }
    }
}

/* EXPECT_FAILURE(call, status, "word", ...). The line of detail is another one before the call. */
#define EXPECT_FAILURE(call, expected, ...)                                                        \
    do {                                                                                           \
        const char *const expected_words[] = {__VA_ARGS__, NULL};                                  \
        lrnn_allocator_init(NULL, 0);                                                              \
        expect_failure_at((call), (expected), expected_words, #call, __FILE__, __LINE__);          \
    } while (0)

/* The rules for a struct that crosses the border: its init refuses a size that never was before
 * anything is written, writes no further than it was told, and zeros what it does not know. */
#define EXPECT_SIZE_RULES(type)                                                                    \
    do {                                                                                           \
        struct {                                                                                   \
            type known;                                                                            \
            uint64_t newer[2];                                                                     \
        } given, before;                                                                           \
        memset(&given, 0x5a, sizeof given);                                                        \
        memcpy(&before, &given, sizeof given);                                                     \
        EXPECT_FAILURE(type##_init(&given.known, sizeof(type) - 1), LRNN_ERR_INVALID, #type);      \
        EXPECT_FAILURE(type##_init(&given.known, 8192), LRNN_ERR_INVALID, #type);                  \
        EXPECT_FAILURE(type##_init(&given.known, 0), LRNN_ERR_INVALID, #type);                     \
        assert_memory_equal(&given, &before, sizeof given);                                        \
        EXPECT_FAILURE(type##_init(NULL, sizeof(type)), LRNN_ERR_INVALID, #type " is NULL");       \
        EXPECT_OK(type##_init(&given.known, sizeof(type)));                                        \
        assert_int_equal(given.known.size, sizeof(type));                                          \
        assert_memory_equal(given.newer, before.newer, sizeof given.newer);                        \
        EXPECT_OK(type##_init(&given.known, sizeof(type) + 8));                                    \
        assert_int_equal(given.known.size, sizeof(type) + 8);                                      \
        assert_int_equal(given.newer[0], 0);                                                       \
        assert_memory_equal(&given.newer[1], &before.newer[1], sizeof given.newer[1]);             \
        assert_int_equal(sizeof(type) % 8, 0);                                                     \
    } while (0)

/* `call` reads *given, whose size no init has set. */
#define EXPECT_SIZE_CHECKED(given, type, call)                                                     \
    do {                                                                                           \
        size_t size_before = (given)->size;                                                        \
        (given)->size = 8192;                                                                      \
        EXPECT_FAILURE((call), LRNN_ERR_INVALID, #type);                                           \
        (given)->size = 0;                                                                         \
        EXPECT_FAILURE((call), LRNN_ERR_INVALID, #type);                                           \
        (given)->size = size_before;                                                               \
    } while (0)

/* All parameters of a model; free() takes them. */
static inline float *parameters_of(const lrnn_model *model, size_t *count)
{
    *count = lrnn_model_parameter_count(model);
    float *values = malloc(*count * sizeof *values);
    assert_non_null(values);
    EXPECT_OK(lrnn_model_copy_parameter(values, *count, model, NULL));
    return values;
}

static inline void expect_same_parameters(const lrnn_model *a, const lrnn_model *b)
{
    size_t count, other;
    float *x = parameters_of(a, &count), *y = parameters_of(b, &other);
    assert_int_equal(count, other);
    assert_memory_equal(x, y, count * sizeof *x);
    free(x);
    free(y);
}

static inline void *nowhere(void)
{
    static char somewhere;
    return &somewhere;
}

#endif
