/* Labels, look-up, and a vocabulary that several own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/fault_allocator.h"
#include "text/vocab.h"

static lrnn_vocab *make_labels(const char *const *labels, size_t count)
{
    lrnn_vocab *vocab;
    assert_int_equal(lrnn_vocab_create_from_labels(&vocab, labels, count, NULL), LRNN_OK);
    return vocab;
}

static void labels_keep_their_order_and_their_bytes(void **state)
{
    (void)state;
    static const char *const labels[] = {"NOUN", "VERB", "", "noun", "."};
    lrnn_vocab *vocab = make_labels(labels, 5);
    assert_int_equal(lrnn_vocab_size(vocab), 5);
    assert_int_equal(lrnn_vocab_level(vocab), LRNN_LEVEL_LABEL);
    assert_int_equal(lrnn_vocab_unknown(vocab), -1);
    for (int32_t id = 0; id < 5; id++) {
        const char *token;
        int32_t found;
        assert_int_equal(lrnn_vocab_get_token(&token, NULL, vocab, id), LRNN_OK);
        assert_string_equal(token, labels[id]);
        assert_int_equal(lrnn_vocab_find(&found, vocab, labels[id], strlen(labels[id])), LRNN_OK);
        assert_int_equal(found, id);
    }
    int32_t ids[3];
    size_t count;
    assert_int_equal(lrnn_vocab_encode(ids, 3, &count, vocab, " noun\n. NOUN", 12), LRNN_OK);
    assert_true(count == 3 && ids[0] == 3 && ids[1] == 4 && ids[2] == 0);
    assert_int_equal(lrnn_vocab_encode(ids, 3, &count, vocab, "noun ADJ", 8), LRNN_ERR_NOT_FOUND);
    lrnn_vocab_destroy(vocab);
}

static void tokens_keep_their_order_and_read_text_as_their_level_does(void **state)
{
    (void)state;
    static const char *const tokens[] = {"b", "\xc3\xa9", "a", "\n"};
    lrnn_vocab_options options;
    assert_int_equal(lrnn_vocab_options_init(&options, sizeof options), LRNN_OK);
    lrnn_vocab *vocab;
    assert_int_equal(lrnn_vocab_create_from_tokens(&vocab, tokens, NULL, 4, &options), LRNN_OK);
    assert_int_equal(lrnn_vocab_level(vocab), LRNN_LEVEL_CHAR);
    int32_t ids[4];
    size_t count;
    assert_int_equal(lrnn_vocab_encode(ids, 4, &count, vocab,
                                       "a\n\xc3\xa9"
                                       "b",
                                       5),
                     LRNN_OK);
    assert_true(count == 4 && ids[0] == 2 && ids[1] == 3 && ids[2] == 1 && ids[3] == 0);
    char text[8];
    assert_int_equal(lrnn_vocab_decode(text, sizeof text, &count, vocab, ids, 4), LRNN_OK);
    assert_string_equal(text, "a\n\xc3\xa9"
                              "b");
    lrnn_vocab_destroy(vocab);
    options.level = LRNN_LEVEL_WORD;
    options.lowercase = 1;
    assert_int_equal(lrnn_vocab_create_from_tokens(&vocab, tokens, NULL, 3, &options), LRNN_OK);
    assert_int_equal(lrnn_vocab_encode(ids, 4, &count, vocab, " A B\n", 5), LRNN_OK);
    assert_true(count == 2 && ids[0] == 2 && ids[1] == 0);
    lrnn_vocab_destroy(vocab);
}

static void tokens_have_lengths_where_they_hold_nul(void **state)
{
    (void)state;
    static const char *const tokens[] = {"\0", "a"};
    static const size_t lengths[] = {1, 1};
    lrnn_vocab_options options;
    assert_int_equal(lrnn_vocab_options_init(&options, sizeof options), LRNN_OK);
    options.level = LRNN_LEVEL_BYTE;
    lrnn_vocab *vocab;
    assert_int_equal(lrnn_vocab_create_from_tokens(&vocab, tokens, lengths, 2, &options), LRNN_OK);
    int32_t ids[2];
    size_t count;
    assert_int_equal(lrnn_vocab_encode(ids, 2, &count, vocab, "a\0", 2), LRNN_OK);
    assert_true(count == 2 && ids[0] == 1 && ids[1] == 0);
    lrnn_vocab_destroy(vocab);
}

static void tokens_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const struct {
        int32_t level;
        const char *second, *message;
    } bad[] = {
        {LRNN_LEVEL_BYTE, "ab", "vocabulary: token 1, 'ab', is not one byte"},
        {LRNN_LEVEL_BYTE, "", "vocabulary: token 1, '', is not one byte"},
        {LRNN_LEVEL_CHAR, "ab", "vocabulary: token 1, 'ab', is not one UTF-8 character"},
        {LRNN_LEVEL_CHAR, "\xff", "vocabulary: token 1, '\\xff', is not one UTF-8 character"},
        {LRNN_LEVEL_WORD, "x", "vocabulary: token 1, 'x', appears twice"},
        {LRNN_LEVEL_CHAR, NULL, "tokens[1] is NULL"},
        {4, "y", "level: expected 0..3, found 4"},
    };
    lrnn_vocab *vocab;
    lrnn_vocab_options options;
    assert_int_equal(lrnn_vocab_options_init(&options, sizeof options), LRNN_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *tokens[] = {"x", bad[i].second};
        options.level = bad[i].level;
        vocab = (lrnn_vocab *)&options;
        assert_int_equal(lrnn_vocab_create_from_tokens(&vocab, tokens, NULL, 2, &options),
                         LRNN_ERR_INVALID);
        assert_null(vocab);
        assert_string_equal(lrnn_last_error(), bad[i].message);
    }
    static const char *const one[] = {"x"};
    assert_int_equal(lrnn_vocab_create_from_tokens(NULL, one, NULL, 1, NULL), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_vocab_create_from_tokens(&vocab, NULL, NULL, 1, NULL), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_vocab_create_from_tokens(&vocab, one, NULL, 0, NULL), LRNN_ERR_INVALID);
    options.level = LRNN_LEVEL_WORD;
    options.min_count = 2;
    assert_int_equal(lrnn_vocab_create_from_tokens(&vocab, one, NULL, 1, &options),
                     LRNN_ERR_INVALID);
    options.min_count = 1;
    options.unknown = 1;
    assert_int_equal(lrnn_vocab_create_from_tokens(&vocab, one, NULL, 1, &options),
                     LRNN_ERR_INVALID);
}

static void a_label_called_unk_stands_for_the_others(void **state)
{
    (void)state;
    static const char *const labels[] = {"<unk>", "a", "b"};
    lrnn_vocab *vocab = make_labels(labels, 3);
    int32_t ids[2];
    size_t count;
    assert_int_equal(lrnn_vocab_unknown(vocab), 0);
    assert_int_equal(lrnn_vocab_encode(ids, 2, &count, vocab, "b c", 3), LRNN_OK);
    assert_true(ids[0] == 2 && ids[1] == 0);
    lrnn_vocab_destroy(vocab);
}

static void labels_must_be_there_and_different(void **state)
{
    (void)state;
    static const char *const twice[] = {"a", "longer", "b", "longer"}, *const hole[] = {"a", NULL};
    static const char *const short_twice[] = {"x", "x"};
    lrnn_vocab *vocab = (lrnn_vocab *)state;
    assert_int_equal(lrnn_vocab_create_from_labels(&vocab, twice, 4, NULL), LRNN_ERR_INVALID);
    assert_null(vocab);
    assert_string_equal(lrnn_last_error(), "vocabulary: token 3, 'longer', appears twice");
    assert_int_equal(lrnn_vocab_create_from_labels(&vocab, short_twice, 2, NULL), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_vocab_create_from_labels(&vocab, hole, 2, NULL), LRNN_ERR_INVALID);
    assert_string_equal(lrnn_last_error(), "labels[1] is NULL");
    assert_int_equal(lrnn_vocab_create_from_labels(&vocab, twice, 0, NULL), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_vocab_create_from_labels(&vocab, NULL, 1, NULL), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_vocab_create_from_labels(NULL, twice, 1, NULL), LRNN_ERR_INVALID);
}

static void finding_and_lending_report_what_is_not_there(void **state)
{
    (void)state;
    static const char *const labels[] = {"a", "bc"};
    lrnn_vocab *vocab = make_labels(labels, 2);
    int32_t id = 5;
    const char *token = "x";
    size_t length = 5;
    assert_int_equal(lrnn_vocab_find(&id, vocab, "b", 1), LRNN_ERR_NOT_FOUND);
    assert_int_equal(id, -1);
    assert_string_equal(lrnn_last_error(), "token 'b' is not in the vocabulary");
    assert_int_equal(lrnn_vocab_find(&id, vocab, "bc\0", 3), LRNN_ERR_NOT_FOUND);
    assert_int_equal(lrnn_vocab_find(&id, vocab, "", 0), LRNN_ERR_NOT_FOUND);
    assert_int_equal(lrnn_vocab_find(&id, NULL, "a", 1), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_vocab_find(&id, vocab, NULL, 1), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_vocab_find(NULL, vocab, "a", 1), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_vocab_get_token(&token, &length, vocab, 2), LRNN_ERR_INVALID);
    assert_string_equal(lrnn_last_error(), "id: expected 0..1, found 2");
    assert_null(token);
    assert_int_equal(length, 0);
    assert_int_equal(lrnn_vocab_get_token(&token, NULL, vocab, -1), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_vocab_get_token(&token, NULL, NULL, 0), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_vocab_get_token(NULL, NULL, vocab, 0), LRNN_ERR_INVALID);
    lrnn_vocab_destroy(vocab);
}

static void null_is_a_vocabulary_of_nothing(void **state)
{
    (void)state;
    lrnn_vocab_destroy(NULL);
    assert_null(lrnn_vocab_share(NULL));
    assert_int_equal(lrnn_vocab_size(NULL), 0);
    assert_int_equal(lrnn_vocab_level(NULL), -1);
    assert_int_equal(lrnn_vocab_unknown(NULL), -1);
}

static void the_last_owner_frees(void **state)
{
    (void)state;
    static const char *const labels[] = {"a", "b"};
    fault_allocator fault;
    fault_allocator_start(&fault, 0);
    lrnn_vocab_options options;
    lrnn_vocab *vocab;
    assert_int_equal(lrnn_vocab_options_init(&options, sizeof options), LRNN_OK);
    options.allocator = &fault.allocator;
    assert_int_equal(lrnn_vocab_create_from_labels(&vocab, labels, 2, &options), LRNN_OK);
    assert_ptr_equal(lrnn_vocab_share(vocab), vocab);
    lrnn_vocab_destroy(vocab);
    assert_int_equal(lrnn_vocab_size(vocab), 2);
    lrnn_vocab_destroy(vocab);
    assert_int_equal(fault_allocator_live(&fault), 0);
    for (size_t n = 1;; n++) {
        fault_allocator_start(&fault, n);
        lrnn_status status = lrnn_vocab_create_from_labels(&vocab, labels, 2, &options);
        if (!fault_allocator_failed(&fault)) {
            lrnn_vocab_destroy(vocab);
            break;
        }
        assert_int_equal(status, LRNN_ERR_MEMORY);
        assert_null(vocab);
        assert_int_equal(fault_allocator_live(&fault), 0);
    }
}

typedef struct reader {
    lrnn_vocab *vocab;
    atomic_int *wrong;
} reader;

static void *read_and_let_go(void *argument)
{
    reader *mine = argument;
    static const char text[] = "b c a, unheard-of b";
    static const int32_t expected[] = {1, 2, 0, 3, 1};
    for (int i = 0; i < 2000; i++) {
        lrnn_vocab *held = lrnn_vocab_share(mine->vocab);
        int32_t ids[5];
        size_t count;
        if (lrnn_vocab_encode(ids, 5, &count, held, text, sizeof text - 1) != LRNN_OK ||
            count != 5 || memcmp(ids, expected, sizeof ids) != 0) {
            atomic_fetch_add(mine->wrong, 1);
        }
        lrnn_vocab_destroy(held);
    }
    lrnn_vocab_destroy(mine->vocab);
    return NULL;
}

static void threads_share_one_vocabulary_and_the_last_frees_it(void **state)
{
    (void)state;
    fault_allocator fault;
    fault_allocator_start(&fault, 0);
    lrnn_vocab_options options;
    lrnn_vocab *vocab;
    atomic_int wrong = 0;
    pthread_t threads[3];
    reader readers[3];
    assert_int_equal(lrnn_vocab_options_init(&options, sizeof options), LRNN_OK);
    options.allocator = &fault.allocator;
    options.level = LRNN_LEVEL_WORD;
    options.strip_punctuation = options.unknown = 1;
    assert_int_equal(lrnn_vocab_create_from_text(&vocab, "a a a b b c", 11, &options), LRNN_OK);
    for (int i = 0; i < 3; i++) {
        readers[i] = (reader){lrnn_vocab_share(vocab), &wrong};
        assert_int_equal(pthread_create(&threads[i], NULL, read_and_let_go, &readers[i]), 0);
    }
    lrnn_vocab_destroy(vocab);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&wrong), 0);
    assert_int_equal(fault_allocator_live(&fault), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_keep_their_order_and_their_bytes),
        cmocka_unit_test(tokens_keep_their_order_and_read_text_as_their_level_does),
        cmocka_unit_test(tokens_have_lengths_where_they_hold_nul),
        cmocka_unit_test(tokens_that_do_not_fit_are_refused),
        cmocka_unit_test(a_label_called_unk_stands_for_the_others),
        cmocka_unit_test(labels_must_be_there_and_different),
        cmocka_unit_test(finding_and_lending_report_what_is_not_there),
        cmocka_unit_test(null_is_a_vocabulary_of_nothing),
        cmocka_unit_test(the_last_owner_frees),
        cmocka_unit_test(threads_share_one_vocabulary_and_the_last_frees_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
