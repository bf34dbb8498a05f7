/* Text to ids and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lrnn/text.h"
#include "support/fault_allocator.h"
#include "support/naive_text.h"

#define ROOM 2048

static lrnn_vocab_options options_of(int32_t level)
{
    lrnn_vocab_options options;
    assert_int_equal(lrnn_vocab_options_init(&options, sizeof options), LRNN_OK);
    options.level = level;
    return options;
}

static lrnn_vocab *make(const char *text, const lrnn_vocab_options *options)
{
    lrnn_vocab *vocab;
    assert_int_equal(lrnn_vocab_create_from_text(&vocab, text, strlen(text), options), LRNN_OK);
    return vocab;
}

static void bytes_and_characters_decode_to_the_very_text(void **state)
{
    (void)state;
    uint64_t index = 1000000;
    for (int round = 0; round < 500; round++) {
        char text[512], back[512];
        int32_t ids[512];
        size_t count, length, valid = naive_random(&index, 2);
        size_t given = naive_text(text, 1 + naive_random(&index, 100), valid, &index);
        lrnn_vocab_options options = options_of(valid ? LRNN_LEVEL_CHAR : LRNN_LEVEL_BYTE);
        lrnn_vocab *vocab;
        assert_int_equal(lrnn_vocab_create_from_text(&vocab, text, given, &options), LRNN_OK);
        assert_int_equal(lrnn_vocab_encode(ids, 512, &count, vocab, text, given), LRNN_OK);
        assert_int_equal(lrnn_vocab_decode(back, 512, &length, vocab, ids, count), LRNN_OK);
        assert_int_equal(length, given);
        assert_memory_equal(back, text, given);
        lrnn_vocab_destroy(vocab);
    }
}

/* One vocabulary encodes another text; compared with linear search in the naive one. */
static void encode_one(uint64_t *index)
{
    char text[ROOM], other[ROOM];
    int32_t ids[ROOM];
    lrnn_vocab_options o = naive_options(index);
    bool valid = o.level == LRNN_LEVEL_CHAR;
    size_t length = naive_text(text, 200, valid, index);
    size_t other_length = naive_text(other, naive_random(index, 60), valid, index);
    lrnn_vocab *vocab;
    if (lrnn_vocab_create_from_text(&vocab, text, length, &o) != LRNN_OK) {
        return;
    }
    naive_list known = naive_vocab(text, length, &o), all = naive_split(other, other_length, &o);
    long unknown = naive_find(&known, "<unk>", 5);
    bool lost = false;
    size_t count;
    lrnn_status status = lrnn_vocab_encode(ids, ROOM, &count, vocab, other, other_length);
    for (size_t i = 0; i < all.size; i++) {
        long id = naive_find(&known, all.tokens[i].bytes, all.tokens[i].length);
        id = id < 0 ? unknown : id;
        lost = lost || id < 0;
        assert_true(lost || (i < count && ids[i] == id) || status != LRNN_OK);
    }
    assert_int_equal(status, lost ? LRNN_ERR_NOT_FOUND : LRNN_OK);
    assert_int_equal(count, lost ? 0 : all.size);
    lrnn_vocab_destroy(vocab);
    free(known.tokens);
    free(all.tokens);
}

static void any_text_gives_the_ids_that_the_slow_way_gives(void **state)
{
    (void)state;
    uint64_t index = 2000000;
    for (int round = 0; round < 3000; round++) {
        encode_one(&index);
    }
}

static void words_decode_with_one_space_between(void **state)
{
    (void)state;
    lrnn_vocab_options options = options_of(LRNN_LEVEL_WORD);
    lrnn_vocab *vocab = make("  to be\tor\n\nnot to  be ", &options);
    int32_t ids[6];
    size_t count, length;
    char text[32];
    assert_int_equal(lrnn_vocab_encode(ids, 6, &count, vocab, "  to be\tor\n\nnot to  be ", 23),
                     LRNN_OK);
    assert_int_equal(count, 6);
    assert_int_equal(lrnn_vocab_decode(text, sizeof text, &length, vocab, ids, count), LRNN_OK);
    assert_string_equal(text, "to be or not to be");
    assert_int_equal(length, 18);
    lrnn_vocab_destroy(vocab);
}

static void what_is_not_known_is_named_with_its_offset(void **state)
{
    (void)state;
    lrnn_vocab_options options = options_of(LRNN_LEVEL_WORD);
    options.strip_punctuation = 1;
    lrnn_vocab *vocab = make("to be", &options);
    int32_t ids[4] = {0};
    size_t count = 7;
    assert_int_equal(lrnn_vocab_encode(ids, 4, &count, vocab, "to be, fre\0e.", 13),
                     LRNN_ERR_NOT_FOUND);
    assert_string_equal(lrnn_last_error(),
                        "token 'fre\\x00e.' at byte 7 (line 1, column 8) is not in the vocabulary");
    assert_int_equal(count, 0);
    lrnn_vocab_destroy(vocab);
    vocab = make("abc", NULL);
    assert_int_equal(lrnn_vocab_encode(ids, 4, &count, vocab, "ab\xc3\xa9", 4), LRNN_ERR_NOT_FOUND);
    assert_int_equal(lrnn_vocab_encode(ids, 4, &count, vocab, "ab\xc3", 3), LRNN_ERR_FORMAT);
    assert_string_equal(lrnn_last_error(),
                        "text: invalid UTF-8 at byte 2 (line 1, column 3): 0xc3");
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"ab\r",
         "token U+000D carriage return at byte 2 (line 1, column 3) is not in the vocabulary"},
        {"a\nb", "token U+000A newline at byte 1 (line 1, column 2) is not in the vocabulary"},
        {"a\xc3\xa9",
         "token '\xc3\xa9' (U+00E9) at byte 1 (line 1, column 2) is not in the vocabulary"},
        {"bx", "token 'x' at byte 1 (line 1, column 2) is not in the vocabulary"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(lrnn_vocab_encode(ids, 4, &count, vocab, bad[i].text, strlen(bad[i].text)),
                         LRNN_ERR_NOT_FOUND);
        assert_string_equal(lrnn_last_error(), bad[i].message);
    }
    lrnn_vocab_destroy(vocab);
    vocab = make("a\n\xc3\xa9", NULL);
    assert_int_equal(lrnn_vocab_encode(ids, 4, &count, vocab, "a\n\xc3\xa9\xff", 5),
                     LRNN_ERR_FORMAT);
    assert_string_equal(lrnn_last_error(),
                        "text: invalid UTF-8 at byte 4 (line 2, column 2): 0xff");
    lrnn_vocab_destroy(vocab);
}

static void the_number_of_ids_comes_back_whatever_the_room(void **state)
{
    (void)state;
    lrnn_vocab *vocab = make("abc", NULL);
    int32_t ids[4] = {9, 9, 9, 9};
    size_t count;
    assert_int_equal(lrnn_vocab_encode(NULL, 0, &count, vocab, "cab", 3), LRNN_OK);
    assert_int_equal(count, 3);
    assert_int_equal(lrnn_vocab_encode(ids, 2, &count, vocab, "cab", 3), LRNN_ERR_TOO_SMALL);
    assert_int_equal(count, 3);
    assert_true(ids[0] == 2 && ids[1] == 0 && ids[2] == 9);
    assert_int_equal(lrnn_vocab_encode(ids, 0, &count, vocab, "cab", 3), LRNN_ERR_TOO_SMALL);
    assert_int_equal(lrnn_vocab_encode(ids, 3, &count, vocab, "cab", 3), LRNN_OK);
    assert_true(ids[2] == 1 && ids[3] == 9);
    assert_int_equal(lrnn_vocab_encode(ids, 3, &count, vocab, NULL, 0), LRNN_OK);
    assert_int_equal(count, 0);
    lrnn_vocab_destroy(vocab);
}

static void a_text_that_does_not_fit_is_not_begun(void **state)
{
    (void)state;
    lrnn_vocab *vocab = make("abc", NULL);
    static const int32_t ids[] = {2, 0, 1};
    char text[] = "####";
    size_t length;
    assert_int_equal(lrnn_vocab_decode(NULL, 0, &length, vocab, ids, 3), LRNN_OK);
    assert_int_equal(length, 3);
    assert_int_equal(lrnn_vocab_decode(text, 2, &length, vocab, ids, 3), LRNN_ERR_TOO_SMALL);
    assert_int_equal(length, 3);
    assert_string_equal(text, "####");
    assert_int_equal(lrnn_vocab_decode(text, 3, &length, vocab, ids, 3), LRNN_OK);
    assert_string_equal(text, "cab#");
    assert_int_equal(lrnn_vocab_decode(text, 4, &length, vocab, ids, 3), LRNN_OK);
    assert_string_equal(text, "cab");
    assert_int_equal(lrnn_vocab_decode(text, 4, &length, vocab, NULL, 0), LRNN_OK);
    assert_string_equal(text, "");
    lrnn_vocab_destroy(vocab);
}

static void ids_out_of_range_are_refused_with_their_position(void **state)
{
    (void)state;
    lrnn_vocab *vocab = make("abc", NULL);
    int32_t ids[] = {0, 3, 0};
    char text[] = "####";
    size_t length = 7;
    assert_int_equal(lrnn_vocab_decode(text, 4, &length, vocab, ids, 3), LRNN_ERR_INVALID);
    assert_string_equal(lrnn_last_error(), "ids[1]: expected 0..2, found 3");
    assert_int_equal(length, 0);
    ids[1] = 0, ids[2] = -1;
    assert_int_equal(lrnn_vocab_decode(text, 4, &length, vocab, ids, 3), LRNN_ERR_INVALID);
    assert_string_equal(lrnn_last_error(), "ids[2]: expected 0..2, found -1");
    assert_string_equal(text, "####");
    lrnn_vocab_destroy(vocab);
}

static void null_arguments_are_named(void **state)
{
    (void)state;
    lrnn_vocab *vocab = make("abc", NULL);
    int32_t id = 0;
    size_t n;
    char c;
    assert_int_equal(lrnn_vocab_encode(&id, 1, NULL, vocab, "a", 1), LRNN_ERR_INVALID);
    assert_string_equal(lrnn_last_error(), "count is NULL");
    assert_int_equal(lrnn_vocab_encode(&id, 1, &n, NULL, "a", 1), LRNN_ERR_INVALID);
    assert_string_equal(lrnn_last_error(), "vocab is NULL");
    assert_int_equal(lrnn_vocab_encode(NULL, 1, &n, vocab, "a", 1), LRNN_ERR_INVALID);
    assert_string_equal(lrnn_last_error(), "ids is NULL");
    assert_int_equal(lrnn_vocab_encode(NULL, 0, &n, vocab, NULL, 1), LRNN_ERR_INVALID);
    assert_string_equal(lrnn_last_error(), "text is NULL");
    assert_int_equal(lrnn_vocab_decode(&c, 1, NULL, vocab, &id, 1), LRNN_ERR_INVALID);
    assert_string_equal(lrnn_last_error(), "length is NULL");
    assert_int_equal(lrnn_vocab_decode(&c, 1, &n, NULL, &id, 1), LRNN_ERR_INVALID);
    assert_string_equal(lrnn_last_error(), "vocab is NULL");
    assert_int_equal(lrnn_vocab_decode(NULL, 1, &n, vocab, &id, 1), LRNN_ERR_INVALID);
    assert_string_equal(lrnn_last_error(), "text is NULL");
    assert_int_equal(lrnn_vocab_decode(NULL, 0, &n, vocab, NULL, 1), LRNN_ERR_INVALID);
    assert_string_equal(lrnn_last_error(), "ids is NULL");
    lrnn_vocab_destroy(vocab);
}

static void encoding_allocates_nothing_however_long_the_word(void **state)
{
    (void)state;
    fault_allocator fault;
    fault_allocator_start(&fault, 0);
    size_t length = 100000, count;
    char *text = malloc(length);
    memset(text, 'A', length);
    lrnn_vocab_options options = options_of(LRNN_LEVEL_WORD);
    options.allocator = &fault.allocator;
    options.lowercase = options.strip_punctuation = 1;
    lrnn_vocab *vocab;
    int32_t id = -1;
    assert_int_equal(lrnn_vocab_create_from_text(&vocab, text, length, &options), LRNN_OK);
    fault_allocator_fail_next(&fault, 0);
    memset(text, 'a', length / 2);
    assert_int_equal(lrnn_vocab_encode(&id, 1, &count, vocab, text, length), LRNN_OK);
    assert_int_equal(id, 0);
    assert_int_equal(fault_allocator_calls(&fault), 0);
    lrnn_vocab_destroy(vocab);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_and_characters_decode_to_the_very_text),
        cmocka_unit_test(any_text_gives_the_ids_that_the_slow_way_gives),
        cmocka_unit_test(words_decode_with_one_space_between),
        cmocka_unit_test(what_is_not_known_is_named_with_its_offset),
        cmocka_unit_test(the_number_of_ids_comes_back_whatever_the_room),
        cmocka_unit_test(a_text_that_does_not_fit_is_not_begun),
        cmocka_unit_test(ids_out_of_range_are_refused_with_their_position),
        cmocka_unit_test(null_arguments_are_named),
        cmocka_unit_test(encoding_allocates_nothing_however_long_the_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
