#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/memory.h"

static lrnn_allocator allocator;

/* Parses from a block of exactly that size, so that the address sanitizer sees every step too far.
 */
static lrnn_status parse_and_drop(const char *text, size_t length)
{
    char *copy = malloc(length + (length == 0));
    assert_non_null(copy);
    memcpy(copy, text, length);
    json_document document;
    lrnn_status status = json_parse(&document, &allocator, copy, length, "test");
    json_release(&document);
    free(copy);
    return status;
}

static json_document parse(const char *text)
{
    json_document document;
    assert_int_equal(json_parse(&document, &allocator, text, strlen(text), "test"), LRNN_OK);
    return document;
}

static void assert_taken(const char *text)
{
    if (parse_and_drop(text, strlen(text)) != LRNN_OK) {
        fail_msg("refused: %s (%s)", text, lrnn_last_error());
    }
}

static void assert_refused(const char *text)
{
    if (parse_and_drop(text, strlen(text)) != LRNN_ERR_FORMAT) {
        fail_msg("taken: %s", text);
    }
}

static void assert_message(const char *text)
{
    assert_string_equal(lrnn_last_error(), text);
}

static void well_formed_text_is_taken(void **state)
{
    (void)state;
    static const char *const good[] = {"0",
                                       "-0",
                                       "1",
                                       "-12.5e+10",
                                       "1E5",
                                       "0.0",
                                       "true",
                                       "false",
                                       "null",
                                       "\"\"",
                                       "{}",
                                       "[]",
                                       " { } ",
                                       "\t[\n]\r",
                                       "[1,2]",
                                       "[[],[]]",
                                       "{\"a\":1}",
                                       "{\"a\":{\"b\":[{}]},\"\":null}",
                                       "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\uD83D\\ude00\"",
                                       "\"\xe2\x82\xac\x7f\"",
                                       "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]",
                                       "{\"a\":1,\"a\":2}"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_taken(good[i]);
    }
}

static void malformed_text_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      " ",
                                      "\xef\xbb\xbf{}",
                                      "{",
                                      "}",
                                      "[",
                                      "]",
                                      "[}",
                                      "{]",
                                      "{}}",
                                      "{}{}",
                                      "1 2",
                                      "{} x",
                                      "[1,]",
                                      "[,1]",
                                      "[1 2]",
                                      "[1,,2]",
                                      "{,}",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{1:2}",
                                      "{a:1}",
                                      "{\"a\" 1}",
                                      "{\"a\"::1}",
                                      "{\"a\":1 \"b\":2}",
                                      "{\"a\":1:2}",
                                      "{[]:1}",
                                      "{null:1}",
                                      "[\"a\":1]",
                                      "\"a",
                                      "\"",
                                      "'a'",
                                      "a",
                                      "nul",
                                      "nulll",
                                      "True",
                                      "NaN",
                                      "Infinity",
                                      "+1",
                                      "01",
                                      "-",
                                      "-a",
                                      "1.",
                                      ".5",
                                      "1e",
                                      "1e+",
                                      "1.e5",
                                      "0x10",
                                      "1a",
                                      "\"\\x\"",
                                      "\"\\",
                                      "\"\\\"",
                                      "\"\\u12\"",
                                      "\"\\u12g4\"",
                                      "\"\\u123",
                                      "\"\\ud800\"",
                                      "\"\\ud800x\"",
                                      "\"\\udc00\"",
                                      "\"\\ud800\\u0041\"",
                                      "\"\\ud800\\ud800\"",
                                      "\"\\ud800\\n\"",
                                      "\"\\ud800\\",
                                      "\"a\nb\"",
                                      "\"a\tb\"",
                                      "\"\x1f\"",
                                      "\"\xff\"",
                                      "\"\xed\xa0\x80\"",
                                      "\"\xc0\x80\"",
                                      "{\"\x80\":1}",
                                      "// c\n1",
                                      "/**/1",
                                      "[1]//",
                                      "1,",
                                      ",",
                                      ":",
                                      "[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]",
                                      "1\",[[[[[[[[[[[[[[[[[",
                                      "\v1",
                                      "\f1",
                                      "\xc2\xa0[]"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_refused(bad[i]);
    }
}

static void nul_bytes_are_refused_everywhere(void **state)
{
    (void)state;
    assert_int_equal(parse_and_drop("{}\0", 3), LRNN_ERR_FORMAT);
    assert_int_equal(parse_and_drop("\0{}", 3), LRNN_ERR_FORMAT);
    assert_int_equal(parse_and_drop("[\0]", 3), LRNN_ERR_FORMAT);
    assert_int_equal(parse_and_drop("\"a\0b\"", 5), LRNN_ERR_FORMAT);
    assert_int_equal(parse_and_drop("\"\\\0\"", 4), LRNN_ERR_FORMAT);
    assert_int_equal(parse_and_drop("\0", 1), LRNN_ERR_FORMAT);
}

static void text_cut_short_is_refused_at_every_length(void **state)
{
    (void)state;
    const char *text = "{\"a\\u00e9\\ud83d\\ude00\":[1.5e-3,true,null,\"x\"],\"b\":{\"c\":{}}}";
    assert_taken(text);
    for (size_t length = 0; length < strlen(text); length++) {
        assert_int_equal(parse_and_drop(text, length), LRNN_ERR_FORMAT);
    }
}

static void deep_nesting_is_refused_quickly(void **state)
{
    (void)state;
    size_t length = 1 << 20;
    char *text = malloc(length);
    assert_non_null(text);
    memset(text, '[', length / 2);
    memset(text + length / 2, ']', length / 2);
    assert_int_equal(parse_and_drop(text, length), LRNN_ERR_FORMAT);
    assert_message("test: nested too deeply at byte 16");
    free(text);
}

static void messages_have_the_offset(void **state)
{
    (void)state;
    assert_refused("[1, x]");
    assert_message("test: expected a value at byte 4");
    assert_refused("[1 x]");
    assert_message("test: expected a comma or the closing bracket at byte 3");
    assert_refused("[\"a\xff\"]");
    assert_message("test: invalid UTF-8 at byte 3");
    assert_refused("[] []");
    assert_message("test: text after the value at byte 3");
}

static void elements_are_walked_in_order(void **state)
{
    (void)state;
    json_document document = parse(" [ 1 , [2, [3], {}], \"\", {\"k\":[4,5],\"l\":6} , null ] ");
    static const json_type types[] = {JSON_NUMBER, JSON_ARRAY, JSON_STRING, JSON_OBJECT,
                                      JSON_OTHER};
    assert_int_equal(json_type_of(&document, JSON_ROOT), JSON_ARRAY);
    assert_int_equal(json_size(&document, JSON_ROOT), 5);
    size_t n = 0;
    json_value object = JSON_NONE;
    for (json_value v = json_first(&document, JSON_ROOT); v != JSON_NONE;
         v = json_next(&document, JSON_ROOT, v)) {
        assert_true(n < 5);
        assert_int_equal(json_type_of(&document, v), types[n]);
        object = n == 3 ? v : object;
        n++;
    }
    assert_int_equal(n, 5);
    assert_int_equal(json_size(&document, object), 2);
    json_value key = json_first(&document, object);
    assert_true(json_string_is(&document, key, "k"));
    assert_int_equal(json_type_of(&document, json_value_of(key)), JSON_ARRAY);
    key = json_next(&document, object, key);
    assert_true(json_string_is(&document, key, "l"));
    assert_int_equal(json_next(&document, object, key), JSON_NONE);
    json_release(&document);
}

static void an_empty_container_has_nothing_to_walk(void **state)
{
    (void)state;
    json_document document = parse("[[],{},1]");
    json_value empty = json_first(&document, JSON_ROOT);
    assert_int_equal(json_first(&document, empty), JSON_NONE);
    empty = json_next(&document, JSON_ROOT, empty);
    assert_int_equal(json_first(&document, empty), JSON_NONE);
    json_release(&document);
}

static void members_are_found_by_unescaped_key(void **state)
{
    (void)state;
    json_document document = parse("{\"a\":1,\"\\u0062\":2,\"c\":3,\"\\u0063\":4,\"n\\u0000\":5}");
    json_value value;
    size_t number;
    assert_int_equal(json_member(&value, &document, JSON_ROOT, "b"), LRNN_OK);
    assert_int_equal(json_size_value(&number, &document, value, "b"), LRNN_OK);
    assert_int_equal(number, 2);
    assert_int_equal(json_member(&value, &document, JSON_ROOT, "c"), LRNN_ERR_FORMAT);
    assert_message("test: \"c\" is there twice");
    assert_int_equal(value, JSON_NONE);
    assert_int_equal(json_member(&value, &document, JSON_ROOT, "d"), LRNN_ERR_FORMAT);
    assert_message("test: \"d\" is missing");
    assert_int_equal(json_member(&value, &document, JSON_ROOT, "n"), LRNN_ERR_FORMAT);
    json_release(&document);
}

static void a_wrong_type_is_named(void **state)
{
    (void)state;
    json_document document = parse("[]");
    assert_int_equal(json_expect(&document, JSON_ROOT, JSON_ARRAY, "it"), LRNN_OK);
    assert_int_equal(json_expect(&document, JSON_ROOT, JSON_OBJECT, "it"), LRNN_ERR_FORMAT);
    assert_message("test: it is not an object");
    json_release(&document);
}

static void strings_are_unescaped(void **state)
{
    (void)state;
    const char *text = "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u00e9\\u20AC\\uD83D\\uDE00\xc3\xa9z\"";
    static const char expected[] = "\"\\/\b\f\n\r\t\0\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xc3\xa9z";
    json_document document = parse(text);
    char buffer[128];
    assert_true(json_string_room(&document, JSON_ROOT) <= strlen(text));
    size_t length = json_string(buffer, &document, JSON_ROOT);
    assert_int_equal(length, sizeof expected - 1);
    assert_memory_equal(buffer, expected, sizeof expected);
    json_release(&document);
}

static void only_plain_integers_are_sizes(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "-1",    "-0",   "1.0", "1e3", "18446744073709551616", "99999999999999999999999",
        "\"1\"", "true", "[1]"};
    json_document document;
    size_t number;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        document = parse(bad[i]);
        assert_int_equal(json_size_value(&number, &document, JSON_ROOT, "n"), LRNN_ERR_FORMAT);
        assert_int_equal(number, 0);
        json_release(&document);
    }
    char largest[32];
    snprintf(largest, sizeof largest, "%zu", SIZE_MAX);
    document = parse(largest);
    assert_int_equal(json_size_value(&number, &document, JSON_ROOT, "n"), LRNN_OK);
    assert_true(number == SIZE_MAX);
    json_release(&document);
}

static void what_was_quoted_comes_back(void **state)
{
    (void)state;
    char text[1024];
    size_t length = 0;
    for (unsigned c = 0; c < 0x80; c++) {
        text[length++] = (char)c;
    }
    memcpy(text + length, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9);
    length += 9;
    char quoted[2048], back[2048];
    size_t size = json_quote(NULL, text, length);
    assert_true(size <= 6 * length + 2);
    assert_int_equal(json_quote(quoted, text, length), size);
    json_document document;
    assert_int_equal(json_parse(&document, &allocator, quoted, size, "test"), LRNN_OK);
    assert_int_equal(json_string(back, &document, JSON_ROOT), length);
    assert_memory_equal(back, text, length);
    json_release(&document);
    assert_int_equal(json_quote(quoted, "", 0), 2);
    assert_memory_equal(quoted, "\"\"", 2);
}

static void *no_memory(void *user, size_t bytes)
{
    (void)user;
    (void)bytes;
    return NULL;
}

static void no_memory_is_an_error(void **state)
{
    (void)state;
    lrnn_allocator poor = allocator;
    poor.allocate = no_memory;
    json_document document;
    assert_int_equal(json_parse(&document, &poor, "[1]", 3, "test"), LRNN_ERR_MEMORY);
    json_release(&document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_formed_text_is_taken),
        cmocka_unit_test(malformed_text_is_refused),
        cmocka_unit_test(nul_bytes_are_refused_everywhere),
        cmocka_unit_test(text_cut_short_is_refused_at_every_length),
        cmocka_unit_test(deep_nesting_is_refused_quickly),
        cmocka_unit_test(messages_have_the_offset),
        cmocka_unit_test(elements_are_walked_in_order),
        cmocka_unit_test(an_empty_container_has_nothing_to_walk),
        cmocka_unit_test(members_are_found_by_unescaped_key),
        cmocka_unit_test(a_wrong_type_is_named),
        cmocka_unit_test(strings_are_unescaped),
        cmocka_unit_test(only_plain_integers_are_sizes),
        cmocka_unit_test(what_was_quoted_comes_back),
        cmocka_unit_test(no_memory_is_an_error),
    };
    allocator_read(&allocator, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
