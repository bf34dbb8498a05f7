/* Vocabularies as JSON: what is written, that it reads back, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "support/fault_allocator.h"
#include "support/naive_text.h"
#include "text/vocab.h"

static lrnn_allocator plain;

static int set_up(void **state)
{
    (void)state;
    return allocator_read(&plain, NULL) == LRNN_OK ? 0 : 1;
}

static lrnn_vocab *make(int32_t level, const char *text, size_t length)
{
    lrnn_vocab_options options;
    lrnn_vocab *vocab;
    assert_int_equal(lrnn_vocab_options_init(&options, sizeof options), LRNN_OK);
    options.level = level;
    assert_int_equal(lrnn_vocab_create_from_text(&vocab, text, length, &options), LRNN_OK);
    return vocab;
}

static void assert_written(lrnn_vocab *vocab, const char *expected)
{
    char *text;
    size_t length;
    assert_int_equal(vocab_write(&text, &length, vocab, &plain), LRNN_OK);
    assert_string_equal(text, expected);
    assert_int_equal(length, strlen(expected));
    memory_release(&plain, text);
    lrnn_vocab_destroy(vocab);
}

static void text_is_written_as_text_and_other_bytes_as_lists(void **state)
{
    (void)state;
    assert_written(make(LRNN_LEVEL_WORD, "the the \"\xc3\xa9\\ a\0b", 16),
                   "{\"level\":\"word\",\"lowercase\":0,\"strip_punctuation\":0,\"keep_empty\":0,"
                   "\"tokens\":[\"the\",\"\\\"\xc3\xa9\\\\\",\"a\\u0000b\"]}");
    assert_written(make(LRNN_LEVEL_WORD, "a\xff\xc3\xa9 \x80", 6),
                   "{\"level\":\"word\",\"lowercase\":0,\"strip_punctuation\":0,\"keep_empty\":0,"
                   "\"tokens\":[[97,255,195,169],[128]]}");
    static const char *const bytes[] = {"\n", "\xe9"};
    lrnn_vocab_options options;
    assert_int_equal(lrnn_vocab_options_init(&options, sizeof options), LRNN_OK);
    options.level = LRNN_LEVEL_BYTE;
    lrnn_vocab *vocab;
    assert_int_equal(lrnn_vocab_create_from_tokens(&vocab, bytes, NULL, 2, &options), LRNN_OK);
    assert_written(vocab,
                   "{\"level\":\"byte\",\"lowercase\":0,\"strip_punctuation\":0,\"keep_empty\":0,"
                   "\"tokens\":[\"\\n\",[233]]}");
    assert_written(make(LRNN_LEVEL_CHAR, "\xc3\xa9", 2),
                   "{\"level\":\"char\",\"lowercase\":0,\"strip_punctuation\":0,\"keep_empty\":0,"
                   "\"tokens\":[\"\xc3\xa9\"]}");
}

static void assert_same(const lrnn_vocab *x, const lrnn_vocab *y)
{
    assert_int_equal(lrnn_vocab_size(x), lrnn_vocab_size(y));
    assert_int_equal(lrnn_vocab_level(x), lrnn_vocab_level(y));
    assert_int_equal(lrnn_vocab_unknown(x), lrnn_vocab_unknown(y));
    for (size_t id = 0; id < lrnn_vocab_size(x); id++) {
        const char *a, *b;
        size_t a_length, b_length;
        assert_int_equal(lrnn_vocab_get_token(&a, &a_length, x, (int32_t)id), LRNN_OK);
        assert_int_equal(lrnn_vocab_get_token(&b, &b_length, y, (int32_t)id), LRNN_OK);
        assert_int_equal(a_length, b_length);
        assert_memory_equal(a, b, a_length + 1);
    }
}

static void assert_encode_alike(const lrnn_vocab *x, const lrnn_vocab *y, const char *text,
                                size_t length)
{
    int32_t a[2048], b[2048];
    size_t a_count, b_count;
    lrnn_status status = lrnn_vocab_encode(a, 2048, &a_count, x, text, length);
    assert_int_equal(lrnn_vocab_encode(b, 2048, &b_count, y, text, length), status);
    assert_int_equal(a_count, b_count);
    if (status == LRNN_OK) {
        assert_memory_equal(a, b, a_count * sizeof *a);
    }
}

static void what_is_written_reads_back_and_behaves_the_same(void **state)
{
    (void)state;
    uint64_t index = 3000000;
    for (int round = 0; round < 1500; round++) {
        char text[1024], other[1024], *written, *again;
        lrnn_vocab_options o = naive_options(&index);
        bool valid = o.level == LRNN_LEVEL_CHAR;
        size_t length = naive_text(text, 100, valid, &index), written_length, again_length;
        size_t other_length = naive_text(other, 100, valid, &index);
        lrnn_vocab *vocab, *read;
        if (lrnn_vocab_create_from_text(&vocab, text, length, &o) != LRNN_OK) {
            continue;
        }
        assert_int_equal(vocab_write(&written, &written_length, vocab, &plain), LRNN_OK);
        assert_int_equal(utf8_valid_prefix(written, written_length), written_length);
        assert_int_equal(vocab_read(&read, &plain, written, written_length), LRNN_OK);
        assert_same(vocab, read);
        assert_encode_alike(vocab, read, text, length);
        assert_encode_alike(vocab, read, other, other_length);
        assert_int_equal(vocab_write(&again, &again_length, read, &plain), LRNN_OK);
        assert_string_equal(again, written);
        memory_release(&plain, written);
        memory_release(&plain, again);
        lrnn_vocab_destroy(vocab);
        lrnn_vocab_destroy(read);
    }
}

static void labels_read_back_with_the_unknown_one_in_its_place(void **state)
{
    (void)state;
    static const char *const labels[] = {"<pad>", "<unk>", "", "two words", "\xff"};
    lrnn_vocab *vocab, *read;
    char *text;
    size_t length;
    assert_int_equal(lrnn_vocab_create_from_labels(&vocab, labels, 5, NULL), LRNN_OK);
    assert_int_equal(vocab_write(&text, &length, vocab, &plain), LRNN_OK);
    assert_int_equal(vocab_read(&read, &plain, text, length), LRNN_OK);
    assert_same(vocab, read);
    assert_int_equal(lrnn_vocab_unknown(read), 1);
    memory_release(&plain, text);
    lrnn_vocab_destroy(vocab);
    lrnn_vocab_destroy(read);
}

#define HEAD  "{\"level\":\"word\",\"lowercase\":0,\"strip_punctuation\":0,\"keep_empty\":0,"
#define FLAGS "\"lowercase\":0,\"strip_punctuation\":0,\"keep_empty\":0,"

static void what_is_no_vocabulary_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "null",
        "[]",
        "{}",
        HEAD "\"tokens\":[]}",
        HEAD "\"tokens\":{}}",
        HEAD "\"tokens\":[\"a\",\"a\"]}",
        HEAD "\"tokens\":[\"ab\",\"ab\"]}",
        HEAD "\"tokens\":[\"ab\",[97,98]]}",
        HEAD "\"tokens\":[\"a\",1]}",
        HEAD "\"tokens\":[\"a\",null]}",
        HEAD "\"tokens\":[[256]]}",
        HEAD "\"tokens\":[[-1]]}",
        HEAD "\"tokens\":[[1.0]]}",
        HEAD "\"tokens\":[[\"a\"]]}",
        HEAD "\"tokens\":[[[97]]]}",
        HEAD "\"tokens\":[\"a\"],\"tokens\":[\"b\"]}",
        HEAD "\"tokens\":[\"a\"],\"byte_pairs\":[]}",
        HEAD "\"tokens\":[\"\\ud800\"]}",
        HEAD "\"tokens\":[\"a\"]} x",
        "{\"level\":2," FLAGS "\"tokens\":[\"a\"]}",
        "{\"level\":\"words\"," FLAGS "\"tokens\":[\"a\"]}",
        "{" FLAGS "\"tokens\":[\"a\"]}",
        "{\"level\":\"word\",\"lowercase\":0,\"keep_empty\":0,\"tokens\":[\"a\"]}",
        "{\"level\":\"word\",\"lowercase\":2,\"strip_punctuation\":0,\"keep_empty\":0,"
        "\"tokens\":[\"a\"]}",
        "{\"level\":\"word\",\"lowercase\":true,\"strip_punctuation\":0,\"keep_empty\":0,"
        "\"tokens\":[\"a\"]}",
        "{\"level\":\"char\",\"lowercase\":0,\"strip_punctuation\":1,\"keep_empty\":0,"
        "\"tokens\":[\"a\"]}",
        "{\"level\":\"label\",\"lowercase\":1,\"strip_punctuation\":0,\"keep_empty\":0,"
        "\"tokens\":[\"a\"]}",
        "{\"level\":\"byte\"," FLAGS "\"tokens\":[\"ab\"]}",
        "{\"level\":\"byte\"," FLAGS "\"tokens\":[\"\"]}",
        "{\"level\":\"char\"," FLAGS "\"tokens\":[\"ab\"]}",
        "{\"level\":\"char\"," FLAGS "\"tokens\":[\"\"]}",
        "{\"level\":\"char\"," FLAGS "\"tokens\":[[255]]}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lrnn_vocab *vocab = (lrnn_vocab *)state;
        lrnn_status status = vocab_read(&vocab, &plain, bad[i], strlen(bad[i]));
        if (status != LRNN_ERR_FORMAT) {
            print_message("%s\n", bad[i]);
        }
        assert_int_equal(status, LRNN_ERR_FORMAT);
        assert_null(vocab);
        assert_ptr_equal(strstr(lrnn_last_error(), "vocabulary: "), lrnn_last_error());
    }
}

static void every_truncation_is_refused_and_no_flipped_bit_does_harm(void **state)
{
    (void)state;
    static const char text[] = HEAD "\"tokens\":[\"the\",\"\\u00e9\\n\",[255,0,7],\"<unk>\",\"\"]}";
    size_t length = sizeof text - 1;
    lrnn_vocab *vocab;
    assert_int_equal(vocab_read(&vocab, &plain, text, length), LRNN_OK);
    assert_int_equal(lrnn_vocab_unknown(vocab), 3);
    lrnn_vocab_destroy(vocab);
    for (size_t cut = 0; cut < length; cut++) {
        char *copy = malloc(cut + 1);
        memcpy(copy, text, cut);
        assert_int_equal(vocab_read(&vocab, &plain, copy, cut), LRNN_ERR_FORMAT);
        free(copy);
    }
    for (size_t at = 0; at < length; at++) {
        for (int bit = 0; bit < 8; bit++) {
            char *copy = malloc(length);
            memcpy(copy, text, length);
            copy[at] = (char)(copy[at] ^ (1 << bit));
            lrnn_status status = vocab_read(&vocab, &plain, copy, length);
            assert_true(status == LRNN_ERR_FORMAT || (status == LRNN_OK && vocab != NULL));
            lrnn_vocab_destroy(vocab);
            free(copy);
        }
    }
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    static const char text[] = HEAD "\"tokens\":[\"the\",\"<unk>\",[255]]}";
    size_t refused = 0;
    for (size_t n = 1;; n++) {
        fault_allocator fault;
        fault_allocator_start(&fault, n);
        lrnn_vocab *vocab;
        char *written = NULL;
        size_t length;
        lrnn_status status = vocab_read(&vocab, &fault.allocator, text, sizeof text - 1);
        if (status == LRNN_OK) {
            status = vocab_write(&written, &length, vocab, &fault.allocator);
        }
        memory_release(&fault.allocator, written);
        lrnn_vocab_destroy(vocab);
        assert_int_equal(fault_allocator_live(&fault), 0);
        if (!fault_allocator_failed(&fault)) {
            assert_int_equal(status, LRNN_OK);
            break;
        }
        assert_int_equal(status, LRNN_ERR_MEMORY);
        refused++;
    }
    assert_in_range(refused, 4, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_written_as_text_and_other_bytes_as_lists),
        cmocka_unit_test(what_is_written_reads_back_and_behaves_the_same),
        cmocka_unit_test(labels_read_back_with_the_unknown_one_in_its_place),
        cmocka_unit_test(what_is_no_vocabulary_is_refused),
        cmocka_unit_test(every_truncation_is_refused_and_no_flipped_bit_does_harm),
        cmocka_unit_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
