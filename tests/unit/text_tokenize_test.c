/* Cutting text: white space, pieces that are never stored, what a message shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "text/build.h"

static tokenizer_rules rules_of(int32_t level, int32_t lowercase, int32_t strip)
{
    lrnn_vocab_options options;
    tokenizer_rules rules;
    assert_int_equal(lrnn_vocab_options_init(&options, sizeof options), LRNN_OK);
    options.level = level;
    options.lowercase = lowercase;
    options.strip_punctuation = strip;
    tokenizer_set_rules(&rules, &options);
    return rules;
}

static void exactly_ten_bytes_separate_words(void **state)
{
    (void)state;
    static const char spaces[] = " \t\n\v\f\r\x1c\x1d\x1e\x1f";
    tokenizer_rules rules = rules_of(LRNN_LEVEL_WORD, 0, 0);
    for (int byte = 0; byte < 256; byte++) {
        char text[] = {'a', (char)byte, 'b'};
        bool space = byte != 0 && strchr(spaces, byte) != NULL;
        tokenizer from = {&rules, 0, text, sizeof text, 0, {0}};
        piece next;
        assert_int_equal(tokenizer_next(&from, &next), LRNN_OK);
        assert_int_equal(next.raw_length, space ? 1 : 3);
        assert_int_equal(tokenizer_next(&from, &next), space ? LRNN_OK : LRNN_END);
    }
}

/* Python's string.punctuation, and no other byte. */
static void exactly_these_characters_are_stripped(void **state)
{
    (void)state;
    static const char punctuation[] = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
    tokenizer_rules rules = rules_of(LRNN_LEVEL_WORD, 0, 1);
    assert_int_equal(sizeof punctuation - 1, 32);
    for (int byte = 0x21; byte < 256; byte++) {
        char text[] = {'a', (char)byte, 'b'};
        bool stripped = strchr(punctuation, byte) != NULL;
        tokenizer from = {&rules, 0, text, sizeof text, 0, {0}};
        piece next;
        assert_int_equal(tokenizer_next(&from, &next), LRNN_OK);
        assert_int_equal(next.length, stripped ? 2 : 3);
    }
}

static void a_piece_hashes_compares_and_copies_as_its_changed_bytes(void **state)
{
    (void)state;
    static const char text[] = "  Don't!  ", meant[] = "dont";
    tokenizer_rules rules = rules_of(LRNN_LEVEL_WORD, 1, 1);
    tokenizer from = {&rules, 12345, text, sizeof text - 1, 0, {0}};
    piece next;
    char copy[8] = "########";
    assert_int_equal(tokenizer_next(&from, &next), LRNN_OK);
    assert_ptr_equal(next.raw, text + 2);
    assert_int_equal(next.raw_length, 6);
    assert_int_equal(next.length, 4);
    assert_true(next.hash == token_hash(12345, meant, 4));
    assert_true(piece_is(&rules, &next, meant));
    assert_false(piece_is(&rules, &next, "donk"));
    piece_copy(copy, &rules, &next);
    assert_memory_equal(copy, "dont####", 8);
    assert_int_equal(tokenizer_next(&from, &next), LRNN_END);
    assert_int_equal(tokenizer_next(&from, &next), LRNN_END);
}

static void the_byte_of_a_short_piece_is_found_behind_what_is_dropped(void **state)
{
    (void)state;
    tokenizer_rules rules = rules_of(LRNN_LEVEL_WORD, 1, 1);
    tokenizer from = {&rules, 0, "--A.", 4, 0, {0}};
    piece next;
    assert_int_equal(tokenizer_next(&from, &next), LRNN_OK);
    assert_int_equal(next.length, 1);
    assert_int_equal(piece_byte(&rules, &next), 'a');
}

static void the_seed_decides_which_tokens_share_a_slot(void **state)
{
    (void)state;
    size_t same = 0, pairs = 0;
    for (unsigned i = 0; i < 65536; i++) {
        char bytes[2] = {(char)(i >> 8), (char)(i & 255)};
        if (token_hash(1, bytes, 2) % 64 == 0) {
            pairs++;
            same += token_hash(2, bytes, 2) % 64 == 0;
        }
    }
    /* 1024 and 16 expected. */
    assert_in_range(pairs, 800, 1250);
    assert_in_range(same, 2, 50);
}

static void what_a_message_shows_is_short_and_whole(void **state)
{
    (void)state;
    char to[TOKEN_SHOWN], text[100];
    memset(text, 'x', sizeof text);
    assert_string_equal(token_show(to, "a\0b", 3), "a\\x00b");
    assert_string_equal(token_show(to, "", 0), "");
    assert_int_equal(strlen(token_show(to, text, 60)), 60);
    assert_null(strstr(to, "."));
    assert_int_equal(strlen(token_show(to, text, 61)), 63);
    assert_string_equal(to + 60, "...");
    assert_int_equal(strlen(token_show(to, text, 100)), 63);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exactly_ten_bytes_separate_words),
        cmocka_unit_test(exactly_these_characters_are_stripped),
        cmocka_unit_test(a_piece_hashes_compares_and_copies_as_its_changed_bytes),
        cmocka_unit_test(the_byte_of_a_short_piece_is_found_behind_what_is_dropped),
        cmocka_unit_test(the_seed_decides_which_tokens_share_a_slot),
        cmocka_unit_test(what_a_message_shows_is_short_and_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
