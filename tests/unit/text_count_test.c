/* Vocabularies of texts: what is counted, cut and in which order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lrnn/text.h"
#include "support/fault_allocator.h"
#include "support/naive_text.h"

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

/* The tokens in id order, with a bar behind each. */
static void assert_tokens(lrnn_vocab *vocab, const char *expected)
{
    char joined[256] = "";
    for (size_t id = 0; id < lrnn_vocab_size(vocab); id++) {
        const char *token;
        assert_int_equal(lrnn_vocab_get_token(&token, NULL, vocab, (int32_t)id), LRNN_OK);
        strcat(strcat(joined, token), "|");
    }
    assert_string_equal(joined, expected);
    lrnn_vocab_destroy(vocab);
}

static void words_come_by_falling_count_then_by_first_appearance(void **state)
{
    (void)state;
    lrnn_vocab_options options = options_of(LRNN_LEVEL_WORD);
    assert_tokens(make("d b a c b a x a", &options), "a|b|d|c|x|");
}

static void characters_come_by_code(void **state)
{
    (void)state;
    assert_tokens(make("zb\xf0\x9f\x98\x80\xc3\xa9\xe6\xbc\xa2zz", NULL),
                  "b|z|\xc3\xa9|\xe6\xbc\xa2|\xf0\x9f\x98\x80|");
}

static void byte_level_is_all_bytes_whatever_the_text_holds(void **state)
{
    (void)state;
    lrnn_vocab_options options = options_of(LRNN_LEVEL_BYTE);
    lrnn_vocab *vocab = make("z", &options);
    assert_int_equal(lrnn_vocab_size(vocab), 256);
    assert_int_equal(lrnn_vocab_unknown(vocab), -1);
    for (int32_t i = 0; i < 256; i++) {
        int32_t id;
        char byte = (char)(unsigned char)i;
        assert_int_equal(lrnn_vocab_find(&id, vocab, &byte, 1), LRNN_OK);
        assert_int_equal(id, i);
    }
    lrnn_vocab_destroy(vocab);
}

static void what_is_rare_is_cut_and_the_unknown_token_comes_last(void **state)
{
    (void)state;
    lrnn_vocab_options options = options_of(LRNN_LEVEL_WORD);
    options.min_count = 2;
    assert_tokens(make("a b b c c c", &options), "c|b|<unk>|");
    assert_tokens(make("a a b b", &options), "a|b|");
    options.unknown = 1;
    assert_tokens(make("a a b b", &options), "a|b|<unk>|");
}

static void the_largest_size_counts_the_unknown_token(void **state)
{
    (void)state;
    lrnn_vocab_options options = options_of(LRNN_LEVEL_WORD);
    options.max_size = 3;
    assert_tokens(make("a b c a b a", &options), "a|b|c|");
    assert_tokens(make("a b c a b a d", &options), "a|b|<unk>|");
    options.unknown = 1;
    assert_tokens(make("a b c a b a", &options), "a|b|<unk>|");
    options = options_of(LRNN_LEVEL_CHAR);
    options.max_size = 3;
    assert_tokens(make("zzzaabb", &options), "a|b|z|");
    assert_tokens(make("zzzaabbc", &options), "a|z|<unk>|");
}

static void a_text_that_says_unk_itself_has_the_unknown_token(void **state)
{
    (void)state;
    lrnn_vocab_options options = options_of(LRNN_LEVEL_WORD);
    lrnn_vocab *vocab = make("<unk> <unk> a b", &options);
    assert_int_equal(lrnn_vocab_unknown(vocab), 2);
    assert_tokens(vocab, "a|b|<unk>|");
    options.min_count = 2;
    assert_tokens(make("<unk> b a a", &options), "a|<unk>|");
    options.min_count = 1;
    options.strip_punctuation = 1;
    vocab = make("<unk> <unk> a b", &options);
    assert_int_equal(lrnn_vocab_unknown(vocab), -1);
    assert_tokens(vocab, "unk|a|b|");
}

static void lower_case_is_ascii_and_stripping_is_ascii(void **state)
{
    (void)state;
    lrnn_vocab_options options = options_of(LRNN_LEVEL_WORD);
    options.lowercase = 1;
    assert_tokens(make("The THE the \xc3\x89 \xc3\xa9", &options), "the|\xc3\x89|\xc3\xa9|");
    options.strip_punctuation = 1;
    assert_tokens(make("don't Don't -- rock'n'roll! \xc2\xab", &options),
                  "dont|rocknroll|\xc2\xab|");
    options = options_of(LRNN_LEVEL_CHAR);
    options.lowercase = 1;
    assert_tokens(make("aAbB", &options), "a|b|");
}

static void emptied_words_stay_when_asked_but_not_quotes_around_a_line(void **state)
{
    (void)state;
    lrnn_vocab_options options = options_of(LRNN_LEVEL_WORD);
    options.strip_punctuation = options.keep_empty = 1;
    assert_tokens(make("a -- -- b", &options), "|a|b|");
    assert_tokens(make("\" a \"\n\\ b \"\"\r\n\"", &options), "a|b|");
    assert_tokens(make("a \" b", &options), "a||b|");
    assert_tokens(make("\"--\" b", &options), "|b|");
}

static void options_out_of_range_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int32_t level, lowercase, strip, keep, unknown, reserved;
        size_t min_count, max_size;
    } bad[] = {
        {"level", LRNN_LEVEL_LABEL, 0, 0, 0, 0, 0, 1, 9},
        {"level", -1, 0, 0, 0, 0, 0, 1, 9},
        {"level", 4, 0, 0, 0, 0, 0, 1, 9},
        {"lowercase", LRNN_LEVEL_WORD, 2, 0, 0, 0, 0, 1, 9},
        {"strip_punctuation", LRNN_LEVEL_WORD, 0, -1, 0, 0, 0, 1, 9},
        {"strip_punctuation", LRNN_LEVEL_CHAR, 0, 1, 0, 0, 0, 1, 9},
        {"keep_empty", LRNN_LEVEL_WORD, 0, 0, 2, 0, 0, 1, 9},
        {"keep_empty", LRNN_LEVEL_BYTE, 0, 0, 1, 0, 0, 1, 9},
        {"unknown", LRNN_LEVEL_CHAR, 0, 0, 0, 3, 0, 1, 9},
        {"reserved", LRNN_LEVEL_CHAR, 0, 0, 0, 0, 1, 1, 9},
        {"min_count", LRNN_LEVEL_CHAR, 0, 0, 0, 0, 0, 0, 9},
        {"max_size", LRNN_LEVEL_CHAR, 0, 0, 0, 0, 0, 1, 0},
        {"unknown", LRNN_LEVEL_BYTE, 0, 0, 0, 1, 0, 1, 256},
        {"min_count", LRNN_LEVEL_BYTE, 0, 0, 0, 0, 0, 2, 256},
        {"max_size", LRNN_LEVEL_BYTE, 0, 0, 0, 0, 0, 1, 255},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lrnn_vocab_options options = options_of(bad[i].level);
        options.lowercase = bad[i].lowercase;
        options.strip_punctuation = bad[i].strip;
        options.keep_empty = bad[i].keep;
        options.unknown = bad[i].unknown;
        options.reserved = bad[i].reserved;
        options.min_count = bad[i].min_count;
        options.max_size = bad[i].max_size;
        lrnn_vocab *vocab = (lrnn_vocab *)&options;
        assert_int_equal(lrnn_vocab_create_from_text(&vocab, "a b", 3, &options), LRNN_ERR_INVALID);
        assert_null(vocab);
        assert_ptr_equal(strstr(lrnn_last_error(), bad[i].name), lrnn_last_error());
    }
}

static void a_text_that_leaves_no_token_is_refused(void **state)
{
    (void)state;
    lrnn_vocab_options options = options_of(LRNN_LEVEL_WORD);
    options.strip_punctuation = 1;
    static const char *const texts[] = {" \n\t", "-- '", "\"", ""};
    lrnn_vocab *vocab;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(lrnn_vocab_create_from_text(&vocab, texts[i], strlen(texts[i]), &options),
                         LRNN_ERR_INVALID);
        assert_null(vocab);
    }
    assert_int_equal(lrnn_vocab_create_from_text(&vocab, NULL, 3, NULL), LRNN_ERR_INVALID);
    options = options_of(LRNN_LEVEL_WORD);
    options.min_count = 3;
    assert_int_equal(lrnn_vocab_create_from_text(&vocab, "a b b", 5, &options), LRNN_ERR_INVALID);
    assert_string_equal(lrnn_last_error(), "min_count: expected at most 2, how often the most "
                                           "frequent token occurs, found 3");
    options.min_count = 1;
    options.max_size = 1;
    assert_int_equal(lrnn_vocab_create_from_text(&vocab, "a b", 3, &options), LRNN_ERR_INVALID);
    assert_string_equal(lrnn_last_error(),
                        "max_size: expected at least 2, since <unk> is one, found 1");
    assert_int_equal(lrnn_vocab_create_from_text(NULL, "a b", 3, &options), LRNN_ERR_INVALID);
}

static void invalid_utf8_is_refused_with_its_offset(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t length;
        const char *message;
    } bad[] = {
        {"abc\xff", 4, "text: invalid UTF-8 at byte 3 (line 1, column 4): 0xff"},
        {"\xc3\xa9\xc3", 3, "text: invalid UTF-8 at byte 2 (line 1, column 2): 0xc3"},
        {"a\xed\xa0\x80", 4, "text: invalid UTF-8 at byte 1 (line 1, column 2): 0xed"},
        {"\xc0\x80", 2, "text: invalid UTF-8 at byte 0 (line 1, column 1): 0xc0"},
        {"a\0\x80", 3, "text: invalid UTF-8 at byte 2 (line 1, column 3): 0x80"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lrnn_vocab *vocab;
        assert_int_equal(lrnn_vocab_create_from_text(&vocab, bad[i].text, bad[i].length, NULL),
                         LRNN_ERR_FORMAT);
        assert_null(vocab);
        assert_string_equal(lrnn_last_error(), bad[i].message);
    }
}

static void random_texts_give_what_the_slow_way_gives(void **state)
{
    (void)state;
    uint64_t index = 0;
    size_t refused = 0;
    for (int round = 0; round < 3000; round++) {
        char text[512];
        lrnn_vocab_options options = naive_options(&index);
        size_t length = naive_text(text, 1 + naive_random(&index, 60),
                                   options.level == LRNN_LEVEL_CHAR, &index);
        naive_list expected = naive_vocab(text, length, &options);
        lrnn_vocab *vocab;
        lrnn_status status = lrnn_vocab_create_from_text(&vocab, text, length, &options);
        assert_int_equal(status, expected.size > 0 ? LRNN_OK : LRNN_ERR_INVALID);
        assert_int_equal(lrnn_vocab_size(vocab), expected.size);
        for (size_t id = 0; id < expected.size; id++) {
            const char *token;
            size_t size;
            assert_int_equal(lrnn_vocab_get_token(&token, &size, vocab, (int32_t)id), LRNN_OK);
            assert_int_equal(size, expected.tokens[id].length);
            assert_memory_equal(token, expected.tokens[id].bytes, size);
            assert_int_equal(token[size], 0);
        }
        assert_int_equal(lrnn_vocab_unknown(vocab), naive_find(&expected, "<unk>", 5));
        refused += expected.size == 0;
        lrnn_vocab_destroy(vocab);
        free(expected.tokens);
    }
    assert_in_range(refused, 10, 1500);
}

/* Very many different words: growth, and no pile-up in the table. */
static void many_words_and_huge_words_are_counted(void **state)
{
    (void)state;
    size_t count = 200000, length = 0;
    char *text = malloc(count * 8 + 3000000);
    for (size_t i = 0; i < count; i++) {
        length += (size_t)sprintf(text + length, "%zx ", i);
    }
    memset(text + length, 'x', 2000000);
    length += 2000000;
    text[length++] = ' ';
    memset(text + length, '!', 900000);
    length += 900000;
    text[length++] = 'y';
    lrnn_vocab_options options = options_of(LRNN_LEVEL_WORD);
    options.strip_punctuation = 1;
    lrnn_vocab *vocab;
    assert_int_equal(lrnn_vocab_create_from_text(&vocab, text, length, &options), LRNN_OK);
    assert_int_equal(lrnn_vocab_size(vocab), count + 2);
    const char *token;
    size_t size;
    assert_int_equal(lrnn_vocab_get_token(&token, &size, vocab, (int32_t)count), LRNN_OK);
    assert_int_equal(size, 2000000);
    assert_int_equal(lrnn_vocab_get_token(&token, &size, vocab, (int32_t)count + 1), LRNN_OK);
    assert_string_equal(token, "y");
    int32_t id;
    assert_int_equal(lrnn_vocab_find(&id, vocab, "1f", 2), LRNN_OK);
    assert_int_equal(id, 0x1f);
    lrnn_vocab_destroy(vocab);
    free(text);
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    char text[20000];
    size_t length = 0, tried;
    for (size_t i = 0; i < 2000; i++) {
        length += (size_t)sprintf(text + length, "W%zu ", i);
    }
    for (tried = 1;; tried++) {
        fault_allocator fault;
        fault_allocator_start(&fault, tried);
        lrnn_vocab_options options = options_of(LRNN_LEVEL_WORD);
        options.allocator = &fault.allocator;
        options.max_size = 1000;
        options.lowercase = 1;
        lrnn_vocab *vocab;
        lrnn_status status = lrnn_vocab_create_from_text(&vocab, text, length, &options);
        if (!fault_allocator_failed(&fault)) {
            assert_int_equal(status, LRNN_OK);
            assert_int_equal(lrnn_vocab_size(vocab), 1000);
            assert_int_equal(fault_allocator_live(&fault), 1);
            lrnn_vocab_destroy(vocab);
            assert_int_equal(fault_allocator_live(&fault), 0);
            break;
        }
        assert_int_equal(status, LRNN_ERR_MEMORY);
        assert_null(vocab);
        assert_int_equal(fault_allocator_live(&fault), 0);
    }
    assert_in_range(tried, 7, 30);
}

/* NULL where there is no such file: LRNN_DATA names the folder. */
static char *read_data(const char *name, size_t *length)
{
    char path[1024];
    const char *folder = getenv("LRNN_DATA");
    if (folder != NULL) {
        snprintf(path, sizeof path, "%s/%s", folder, name);
    } else {
        snprintf(path, sizeof path, "%s/../shared/data/%s", SOURCE_ROOT, name);
    }
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        print_message("%s is not there\n", path);
        return NULL;
    }
    char *text = malloc((size_t)1 << 22);
    *length = fread(text, 1, (size_t)1 << 22, file);
    fclose(file);
    return text;
}

static void tinyshakespeare_has_the_words_that_python_counts(void **state)
{
    (void)state;
    size_t length, count, empty = 0;
    char *text = read_data("tinyshakespeare.txt", &length);
    if (text == NULL) {
        skip();
    }
    lrnn_vocab_options options = options_of(LRNN_LEVEL_WORD);
    options.strip_punctuation = options.keep_empty = 1;
    lrnn_vocab *vocab;
    assert_int_equal(lrnn_vocab_create_from_text(&vocab, text, length, &options), LRNN_OK);
    assert_int_equal(lrnn_vocab_size(vocab), 14746);
    assert_int_equal(lrnn_vocab_encode(NULL, 0, &count, vocab, text, length), LRNN_OK);
    assert_int_equal(count, 202651);
    int32_t *ids = malloc(count * sizeof *ids), none;
    assert_int_equal(lrnn_vocab_encode(ids, count, &count, vocab, text, length), LRNN_OK);
    assert_int_equal(lrnn_vocab_find(&none, vocab, "", 0), LRNN_OK);
    for (size_t i = 0; i < count; i++) {
        empty += ids[i] == none;
    }
    assert_int_equal(empty, 5);
    const char *commonest;
    assert_int_equal(lrnn_vocab_get_token(&commonest, NULL, vocab, 0), LRNN_OK);
    assert_string_equal(commonest, "the");
    lrnn_vocab_destroy(vocab);
    free(ids);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_come_by_falling_count_then_by_first_appearance),
        cmocka_unit_test(characters_come_by_code),
        cmocka_unit_test(byte_level_is_all_bytes_whatever_the_text_holds),
        cmocka_unit_test(what_is_rare_is_cut_and_the_unknown_token_comes_last),
        cmocka_unit_test(the_largest_size_counts_the_unknown_token),
        cmocka_unit_test(a_text_that_says_unk_itself_has_the_unknown_token),
        cmocka_unit_test(lower_case_is_ascii_and_stripping_is_ascii),
        cmocka_unit_test(emptied_words_stay_when_asked_but_not_quotes_around_a_line),
        cmocka_unit_test(options_out_of_range_are_refused_by_name),
        cmocka_unit_test(a_text_that_leaves_no_token_is_refused),
        cmocka_unit_test(invalid_utf8_is_refused_with_its_offset),
        cmocka_unit_test(random_texts_give_what_the_slow_way_gives),
        cmocka_unit_test(many_words_and_huge_words_are_counted),
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(tinyshakespeare_has_the_words_that_python_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
