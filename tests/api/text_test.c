/* Vocabularies as a program uses them, through the public header alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lrnn/text.h"

static void the_options_start_with_their_documented_defaults(void **state)
{
    (void)state;
    lrnn_vocab_options options;
    memset(&options, 0x5a, sizeof options);
    assert_int_equal(lrnn_vocab_options_init(&options, sizeof options), LRNN_OK);
    assert_int_equal(options.size, sizeof options);
    assert_null(options.allocator);
    assert_int_equal(options.level, LRNN_LEVEL_CHAR);
    assert_int_equal(options.lowercase, 0);
    assert_int_equal(options.strip_punctuation, 0);
    assert_int_equal(options.keep_empty, 0);
    assert_int_equal(options.unknown, 0);
    assert_int_equal(options.reserved, 0);
    assert_int_equal(options.min_count, 1);
    assert_true(options.max_size == LRNN_NO_LIMIT);
    assert_int_equal(lrnn_vocab_options_init(&options, 8192), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_vocab_options_init(&options, 8), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_vocab_options_init(NULL, sizeof options), LRNN_ERR_INVALID);
    options.size = 0;
    lrnn_vocab *vocab;
    assert_int_equal(lrnn_vocab_create_from_text(&vocab, "a", 1, &options), LRNN_ERR_INVALID);
    assert_null(vocab);
}

static void a_program_makes_a_vocabulary_and_goes_to_ids_and_back(void **state)
{
    (void)state;
    static const char corpus[] = "the cat sat on the mat; the dog sat too";
    static const char request[] = "The dog ate the cat!";
    lrnn_vocab_options options;
    assert_int_equal(lrnn_vocab_options_init(&options, sizeof options), LRNN_OK);
    options.level = LRNN_LEVEL_WORD;
    options.lowercase = 1;
    options.strip_punctuation = 1;
    options.unknown = 1;
    lrnn_vocab *vocab;
    assert_int_equal(lrnn_vocab_create_from_text(&vocab, corpus, strlen(corpus), &options),
                     LRNN_OK);
    assert_int_equal(lrnn_vocab_size(vocab), 8);
    assert_int_equal(lrnn_vocab_unknown(vocab), 7);

    size_t count, length;
    assert_int_equal(lrnn_vocab_encode(NULL, 0, &count, vocab, request, strlen(request)), LRNN_OK);
    int32_t *ids = malloc(count * sizeof *ids);
    assert_int_equal(lrnn_vocab_encode(ids, count, &count, vocab, request, strlen(request)),
                     LRNN_OK);
    assert_int_equal(lrnn_vocab_decode(NULL, 0, &length, vocab, ids, count), LRNN_OK);
    char *text = malloc(length + 1);
    assert_int_equal(lrnn_vocab_decode(text, length + 1, &length, vocab, ids, count), LRNN_OK);
    assert_string_equal(text, "the dog <unk> the cat");
    free(text);
    free(ids);
    lrnn_vocab_destroy(vocab);
}

static void the_same_text_always_gives_the_same_ids(void **state)
{
    (void)state;
    static const char text[] = "q w e r t y u i o p a s d f g h j k l z x c v b n m q a z";
    lrnn_vocab_options options;
    lrnn_vocab *all[8];
    assert_int_equal(lrnn_vocab_options_init(&options, sizeof options), LRNN_OK);
    options.level = LRNN_LEVEL_WORD;
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(lrnn_vocab_create_from_text(&all[i], text, strlen(text), &options),
                         LRNN_OK);
    }
    for (size_t i = 0; i < 8; i++) {
        for (int32_t id = 0; id < 26; id++) {
            const char *first, *other;
            assert_int_equal(lrnn_vocab_get_token(&first, NULL, all[0], id), LRNN_OK);
            assert_int_equal(lrnn_vocab_get_token(&other, NULL, all[i], id), LRNN_OK);
            assert_string_equal(first, other);
        }
    }
    for (size_t i = 0; i < 8; i++) {
        lrnn_vocab_destroy(all[i]);
    }
}

static void nul_bytes_are_data(void **state)
{
    (void)state;
    static const char text[] = {'a', '\0', 'b', ' ', '\0', ' ', 'a', '\0', 'b'};
    lrnn_vocab_options options;
    lrnn_vocab *vocab;
    int32_t ids[9], id;
    size_t count, length;
    const char *token;
    assert_int_equal(lrnn_vocab_options_init(&options, sizeof options), LRNN_OK);
    options.level = LRNN_LEVEL_WORD;
    assert_int_equal(lrnn_vocab_create_from_text(&vocab, text, sizeof text, &options), LRNN_OK);
    assert_int_equal(lrnn_vocab_size(vocab), 2);
    assert_int_equal(lrnn_vocab_get_token(&token, &length, vocab, 0), LRNN_OK);
    assert_int_equal(length, 3);
    assert_memory_equal(token, "a\0b", 4);
    assert_int_equal(lrnn_vocab_find(&id, vocab, "\0", 1), LRNN_OK);
    assert_int_equal(id, 1);
    assert_int_equal(lrnn_vocab_find(&id, vocab, "a", 1), LRNN_ERR_NOT_FOUND);
    lrnn_vocab_destroy(vocab);
    assert_int_equal(lrnn_vocab_create_from_text(&vocab, text, sizeof text, NULL), LRNN_OK);
    assert_int_equal(lrnn_vocab_encode(ids, 9, &count, vocab, text, sizeof text), LRNN_OK);
    assert_int_equal(count, 9);
    assert_int_equal(ids[1], 0);
    lrnn_vocab_destroy(vocab);
}

static void a_vocabulary_tells_the_options_it_was_made_with(void **state)
{
    (void)state;
    lrnn_vocab_options made, found;
    assert_int_equal(lrnn_vocab_options_init(&made, sizeof made), LRNN_OK);
    assert_int_equal(lrnn_vocab_options_init(&found, sizeof found), LRNN_OK);
    made.level = LRNN_LEVEL_WORD;
    made.lowercase = 1;
    made.strip_punctuation = 1;
    made.min_count = 2;
    lrnn_vocab *vocab;
    assert_int_equal(lrnn_vocab_create_from_text(&vocab, "a b, A b. c", 11, &made), LRNN_OK);
    assert_int_equal(lrnn_vocab_get_options(&found, vocab), LRNN_OK);
    assert_int_equal(found.level, LRNN_LEVEL_WORD);
    assert_int_equal(found.lowercase, 1);
    assert_int_equal(found.strip_punctuation, 1);
    assert_int_equal(found.keep_empty, 0);
    assert_int_equal(found.min_count, 2);
    assert_null(found.allocator);
    assert_int_equal(lrnn_vocab_get_options(NULL, vocab), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_vocab_get_options(&found, NULL), LRNN_ERR_INVALID);
    lrnn_vocab_destroy(vocab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_options_start_with_their_documented_defaults),
        cmocka_unit_test(a_program_makes_a_vocabulary_and_goes_to_ids_and_back),
        cmocka_unit_test(the_same_text_always_gives_the_same_ids),
        cmocka_unit_test(nul_bytes_are_data),
        cmocka_unit_test(a_vocabulary_tells_the_options_it_was_made_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
