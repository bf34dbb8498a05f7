/* What a message calls a token that is missing, and arguments of vocabularies that are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../support/expect.h"
#include "../support/scratch.h"
#include "lrnn.h"

static void a_missing_token_is_shown_as_a_person_sees_it(void **state)
{
    (void)state;
    static const char *const labels[] = {"red", "blue"};
    static const struct {
        const char *text, *shown;
    } texts[] = {
        {"\xff", "token 0xff "},
        {"\xc2\xa0", "token U+00A0 no-break space "},
        {"\xc3\xa9", "token '\xc3\xa9' (U+00E9) "},
        {"\xff\xfe", "token '\\xff\\xfe' "},
        {"x", "token 'x' "},
        {"\x01", "token U+0001 control character "},
        {"redd", "token 'redd' "},
    };
    lrnn_vocab *vocab;
    int32_t ids[4];
    size_t count;
    EXPECT_OK(lrnn_vocab_create_from_labels(&vocab, labels, 2, NULL));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        EXPECT_FAILURE(
            lrnn_vocab_encode(ids, 4, &count, vocab, texts[i].text, strlen(texts[i].text)),
            LRNN_ERR_NOT_FOUND, texts[i].shown);
    }
    lrnn_vocab_destroy(vocab);
}

static void options_of_lists_are_read_like_others(void **state)
{
    (void)state;
    static const char *const tokens[] = {"a", "b"};
    lrnn_vocab *vocab;
    lrnn_allocator allocator;
    lrnn_vocab_options options;
    EXPECT_OK(lrnn_vocab_options_init(&options, sizeof options));
    EXPECT_SIZE_CHECKED(&options, lrnn_vocab_options,
                        lrnn_vocab_create_from_tokens(&vocab, tokens, NULL, 2, &options));
    EXPECT_SIZE_CHECKED(&options, lrnn_vocab_options,
                        lrnn_vocab_create_from_labels(&vocab, tokens, 2, &options));
    EXPECT_OK(lrnn_allocator_init(&allocator, sizeof allocator));
    allocator.release = NULL;
    options.allocator = &allocator;
    EXPECT_FAILURE(lrnn_vocab_create_from_tokens(&vocab, tokens, NULL, 2, &options),
                   LRNN_ERR_INVALID, "release");
    EXPECT_FAILURE(lrnn_vocab_create_from_labels(&vocab, tokens, 2, &options), LRNN_ERR_INVALID,
                   "release");
}

static void a_token_file_counts_characters(void **state)
{
    (void)state;
    static const char text[] = "na\xc3\xafve caf\xc3\xa9 \xf0\x9f\x98\x80";
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "t");
    lrnn_vocab *vocab;
    lrnn_token_writer *writer;
    lrnn_tokens *tokens;
    EXPECT_OK(lrnn_vocab_create_from_text(&vocab, text, sizeof text - 1, NULL));
    EXPECT_OK(lrnn_token_writer_create(&writer, path, vocab, NULL));
    EXPECT_OK(lrnn_token_writer_add(writer, text, sizeof text - 1));
    EXPECT_OK(lrnn_token_writer_end(writer));
    EXPECT_OK(lrnn_token_writer_finish(writer));
    lrnn_token_writer_destroy(writer);
    EXPECT_OK(lrnn_tokens_open(&tokens, path, NULL));
    assert_int_equal(lrnn_tokens_characters(tokens), 12);
    assert_int_equal(lrnn_tokens_count(tokens), 12);
    lrnn_tokens_destroy(tokens);
    lrnn_vocab_destroy(vocab);
    scratch_destroy(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_token_is_shown_as_a_person_sees_it),
        cmocka_unit_test(options_of_lists_are_read_like_others),
        cmocka_unit_test(a_token_file_counts_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
