/* Windows out of one stream of tokens, written out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/expect.h"
#include "lrnn.h"

/* 13 tokens make two windows of 2 x 3; the last one is left out. */
enum { B = 2, T = 3, COUNT = 13, WINDOWS = 2 };

static const int32_t stream[COUNT] = {10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 99};

typedef struct expected_window {
    int32_t tokens[B * T], targets[B * T];
} expected_window;

static const expected_window streams[WINDOWS] = {
    {{10, 11, 12, 16, 17, 18}, {11, 12, 13, 17, 18, 19}},
    {{13, 14, 15, 19, 20, 21}, {14, 15, 16, 20, 21, 10}},
};
static const expected_window rows[WINDOWS] = {
    {{10, 11, 12, 13, 14, 15}, {11, 12, 13, 14, 15, 16}},
    {{16, 17, 18, 19, 20, 21}, {17, 18, 19, 20, 21, 10}},
};

static lrnn_batches_options small(int32_t order)
{
    lrnn_batches_options options;
    EXPECT_OK(lrnn_batches_options_init(&options, sizeof options));
    options.batch = B;
    options.steps = T;
    options.order = order;
    return options;
}

static lrnn_batches *create(int32_t order)
{
    lrnn_batches_options options = small(order);
    lrnn_batches *batches;
    int32_t copied[COUNT];
    memcpy(copied, stream, sizeof copied);
    EXPECT_OK(lrnn_batches_create(&batches, copied, COUNT, &options));
    memset(copied, 0, sizeof copied); /* it has its own copy */
    return batches;
}

static void expect_window(lrnn_batches *batches, const expected_window *expected)
{
    static const float weight = 1;
    lrnn_sequences s;
    EXPECT_OK(lrnn_sequences_init(&s, sizeof s));
    s.weights = &weight;
    EXPECT_OK(lrnn_batches_next(batches, &s));
    assert_int_equal(s.batch, B);
    assert_int_equal(s.steps, T);
    assert_memory_equal(s.tokens, expected->tokens, sizeof expected->tokens);
    assert_memory_equal(s.targets, expected->targets, sizeof expected->targets);
    assert_ptr_equal(s.weights, &weight); /* other fields are the caller's */
    assert_null(s.lengths);
}

static void expect_end(lrnn_batches *batches)
{
    lrnn_sequences s, before;
    EXPECT_OK(lrnn_sequences_init(&s, sizeof s));
    before = s;
    assert_int_equal(lrnn_batches_next(batches, &s), LRNN_END);
    assert_memory_equal(&s, &before, sizeof s);
}

static void expect_two_passes(int32_t order, const expected_window *expected)
{
    lrnn_batches *batches = create(order);
    assert_int_equal(lrnn_batches_count(batches), WINDOWS);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t w = 0; w < WINDOWS; w++) {
            assert_int_equal(lrnn_batches_position(batches), w);
            expect_window(batches, &expected[w]);
        }
        assert_int_equal(lrnn_batches_position(batches), WINDOWS);
        expect_end(batches);
        assert_int_equal(lrnn_batches_position(batches), 0);
    }
    lrnn_batches_destroy(batches);
}

static void streams_walk_along_their_piece(void **state)
{
    (void)state;
    expect_two_passes(LRNN_BATCHES_STREAMS, streams);
}

static void rows_follow_one_another(void **state)
{
    (void)state;
    expect_two_passes(LRNN_BATCHES_ROWS, rows);
}

static void the_cursor_goes_where_it_is_told(void **state)
{
    (void)state;
    lrnn_batches *batches = create(LRNN_BATCHES_STREAMS);
    EXPECT_OK(lrnn_batches_seek(batches, 1));
    expect_window(batches, &streams[1]);
    EXPECT_OK(lrnn_batches_seek(batches, 0));
    expect_window(batches, &streams[0]);
    EXPECT_FAILURE(lrnn_batches_seek(batches, WINDOWS + 1), LRNN_ERR_INVALID, "position",
                   "expected 0..2", "found 3");
    assert_int_equal(lrnn_batches_position(batches), 1);
    expect_window(batches, &streams[1]);
    EXPECT_OK(lrnn_batches_seek(batches, 0));
    EXPECT_OK(lrnn_batches_seek(batches, WINDOWS));
    expect_end(batches);
    expect_window(batches, &streams[0]);
    lrnn_batches_destroy(batches);
}

static void options_have_their_defaults(void **state)
{
    (void)state;
    EXPECT_SIZE_RULES(lrnn_batches_options);
    lrnn_batches_options options, expected = {
                                      .size = sizeof options,
                                      .batch = 16,
                                      .steps = 32,
                                      .order = LRNN_BATCHES_STREAMS,
                                      .seed = 1,
                                  };
    EXPECT_OK(lrnn_batches_options_init(&options, sizeof options));
    assert_memory_equal(&options, &expected, sizeof options);
    int32_t *tokens = calloc(16 * 32 * 2, sizeof *tokens);
    assert_non_null(tokens);
    lrnn_batches *batches;
    EXPECT_OK(lrnn_batches_create(&batches, tokens, 16 * 32 * 2, NULL));
    assert_int_equal(lrnn_batches_count(batches), 2);
    lrnn_batches_destroy(batches);
    lrnn_batches_destroy(NULL);
    free(tokens);
}

#define REFUSE(field, value, ...)                                                                  \
    do {                                                                                           \
        lrnn_batches_options changed = small(LRNN_BATCHES_ROWS);                                   \
        changed.field = value;                                                                     \
        lrnn_batches *refused = (lrnn_batches *)(uintptr_t)&changed;                               \
        EXPECT_FAILURE(lrnn_batches_create(&refused, stream, COUNT, &changed), LRNN_ERR_INVALID,   \
                       #field, __VA_ARGS__);                                                       \
        assert_null(refused);                                                                      \
    } while (0)

static void what_is_out_of_range_is_named(void **state)
{
    (void)state;
    REFUSE(batch, 0, "expected 1..", "found 0");
    REFUSE(batch, (size_t)INT32_MAX + 1, "found 2147483648");
    REFUSE(steps, 0, "expected 1..", "found 0");
    REFUSE(order, 2, "expected 0..1", "found 2");
    REFUSE(order, -1, "found -1");
    REFUSE(reserved, 1, "expected 0", "found 1");
    REFUSE(shuffle, 1, "examples");
    REFUSE(drop_last, 1, "examples");
    REFUSE(bucket, 1, "examples");
    lrnn_batches_options options = small(LRNN_BATCHES_ROWS);
    lrnn_batches *batches = (lrnn_batches *)(uintptr_t)&options;
    EXPECT_FAILURE(lrnn_batches_create(&batches, stream, B * T - 1, &options), LRNN_ERR_INVALID,
                   "count", "6", "found 5");
    assert_null(batches);
    options.batch = INT32_MAX;
    EXPECT_FAILURE(lrnn_batches_create(&batches, stream, COUNT, &options), LRNN_ERR_INVALID,
                   "count", "found 13");
    options.batch = B;
    EXPECT_SIZE_CHECKED(&options, lrnn_batches_options,
                        lrnn_batches_create(&batches, stream, COUNT, &options));
    EXPECT_FAILURE(lrnn_batches_create(&batches, NULL, COUNT, &options), LRNN_ERR_INVALID,
                   "tokens is NULL");
    EXPECT_FAILURE(lrnn_batches_create(NULL, stream, COUNT, &options), LRNN_ERR_INVALID,
                   "batches is NULL");
    assert_null(batches);
}

static void a_stream_holds_no_examples(void **state)
{
    (void)state;
    static const int32_t row = 0;
    lrnn_batches *batches = create(LRNN_BATCHES_ROWS);
    const int32_t *lent = stream;
    lrnn_sequences s, before;
    EXPECT_OK(lrnn_sequences_init(&s, sizeof s));
    before = s;
    assert_int_equal(lrnn_batches_steps(batches), T);
    assert_int_equal(lrnn_batches_steps(NULL), 0);
    EXPECT_FAILURE(lrnn_batches_select(batches, &row, 1, &s), LRNN_ERR_UNSUPPORTED, "stream");
    assert_memory_equal(&s, &before, sizeof s);
    expect_window(batches, &rows[0]);
    EXPECT_FAILURE(lrnn_batches_get_rows(&lent, batches), LRNN_ERR_STATE, "stream");
    assert_null(lent);
    expect_window(batches, &rows[1]);
    lrnn_batches_destroy(batches);
}

static void a_missing_argument_moves_no_cursor(void **state)
{
    (void)state;
    lrnn_batches *batches = create(LRNN_BATCHES_STREAMS);
    lrnn_sequences s;
    EXPECT_OK(lrnn_sequences_init(&s, sizeof s));
    EXPECT_FAILURE(lrnn_batches_next(batches, NULL), LRNN_ERR_INVALID, "sequences is NULL");
    EXPECT_FAILURE(lrnn_batches_next(NULL, &s), LRNN_ERR_INVALID, "batches is NULL");
    EXPECT_FAILURE(lrnn_batches_seek(NULL, 0), LRNN_ERR_INVALID, "batches is NULL");
    assert_int_equal(lrnn_batches_position(batches), 0);
    assert_int_equal(lrnn_batches_count(NULL), 0);
    assert_int_equal(lrnn_batches_position(NULL), 0);
    lrnn_batches_destroy(batches);
}

/* They are kept in as few bytes as hold them all. */
static void tokens_of_any_size_come_back(void **state)
{
    (void)state;
    static const int32_t largest[] = {255, 256, 65535, 65536, INT32_MAX, -1};
    for (size_t i = 0; i < sizeof largest / sizeof *largest; i++) {
        const int32_t tokens[] = {1, largest[i], 0, 2, 3, largest[i], 4, 5};
        lrnn_batches_options options;
        assert_int_equal(lrnn_batches_options_init(&options, sizeof options), LRNN_OK);
        options.batch = 1;
        options.steps = 4;
        lrnn_batches *batches;
        assert_int_equal(lrnn_batches_create(&batches, tokens, 8, &options), LRNN_OK);
        for (size_t w = 0; w < 2; w++) {
            lrnn_sequences window;
            assert_int_equal(lrnn_sequences_init(&window, sizeof window), LRNN_OK);
            assert_int_equal(lrnn_batches_next(batches, &window), LRNN_OK);
            for (size_t t = 0; t < 4; t++) {
                assert_int_equal(window.tokens[t], tokens[4 * w + t]);
                assert_int_equal(window.targets[t], tokens[(4 * w + t + 1) % 8]);
            }
        }
        lrnn_batches_destroy(batches);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_walk_along_their_piece),
        cmocka_unit_test(rows_follow_one_another),
        cmocka_unit_test(the_cursor_goes_where_it_is_told),
        cmocka_unit_test(options_have_their_defaults),
        cmocka_unit_test(what_is_out_of_range_is_named),
        cmocka_unit_test(a_stream_holds_no_examples),
        cmocka_unit_test(a_missing_argument_moves_no_cursor),
        cmocka_unit_test(tokens_of_any_size_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
