/* Random text through the JSON reader: what is taken can be walked, and what is unescaped is UTF-8
 * and comes back from quoting. */
#include "fuzz.h"

#include "base/json.h"
#include "base/memory.h"
#include "base/utf8.h"

static void check_string(const json_document *document, json_value string)
{
    char *text = malloc(json_string_room(document, string));
    FUZZ_CHECK(text != NULL);
    size_t length = json_string(text, document, string);
    FUZZ_CHECK(length < json_string_room(document, string));
    FUZZ_CHECK(utf8_valid_prefix(text, length) == length);
    FUZZ_CHECK(json_string_is(document, string, text) == (strlen(text) == length));
    size_t quoted_length = json_quote(NULL, text, length);
    char *quoted = malloc(quoted_length), *back = malloc(quoted_length);
    FUZZ_CHECK(quoted != NULL && back != NULL);
    FUZZ_CHECK(json_quote(quoted, text, length) == quoted_length);
    json_document again;
    FUZZ_CHECK(json_parse(&again, &document->allocator, quoted, quoted_length, "") == LRNN_OK);
    FUZZ_CHECK(json_string(back, &again, JSON_ROOT) == length && memcmp(back, text, length) == 0);
    json_release(&again);
    free(quoted);
    free(back);
    free(text);
}

/* Number of values, found by walking; the depth is bounded by the reader. */
static size_t walk(const json_document *document, json_value value)
{
    json_type type = json_type_of(document, value);
    size_t count = 1, children = 0, number;
    if (type == JSON_STRING) {
        check_string(document, value);
    } else if (type == JSON_NUMBER) {
        (void)json_size_value(&number, document, value, "it");
    } else if (type == JSON_ARRAY || type == JSON_OBJECT) {
        for (json_value v = json_first(document, value); v != JSON_NONE;
             v = json_next(document, value, v)) {
            count += walk(document, v);
            count += type == JSON_OBJECT ? walk(document, json_value_of(v)) : 0;
            children++;
        }
        FUZZ_CHECK(children == json_size(document, value));
    }
    return count;
}

static void fuzz_one(const unsigned char *bytes, size_t length)
{
    lrnn_allocator allocator;
    json_document document;
    FUZZ_CHECK(allocator_read(&allocator, NULL) == LRNN_OK);
    lrnn_status status = json_parse(&document, &allocator, (const char *)bytes, length, "fuzz");
    FUZZ_CHECK(status == LRNN_OK || status == LRNN_ERR_FORMAT);
    if (status == LRNN_OK) {
        FUZZ_CHECK(walk(&document, JSON_ROOT) == document.count);
    }
    json_release(&document);
}

#ifndef LRNN_LIBFUZZER
int main(int argc, char **argv)
{
    static unsigned char texts[][96] = {
        "{\"level\":\"word\",\"tokens\":[\"a\",\"\\u00e9\\ud83d\\ude00\",\"\\n\"],\"n\":12}",
        "[[1,-2.5e3,true],{\"a\":{\"b\":[null,false,\"\"]}},0]", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""};
    static const char *const words[] = {"\\u",  "\\ud800", "\\udc00", "\"\"",    "{}",
                                        "[]",   "e+1",     "true",    "null",    "[[[[",
                                        "]]]]", "{\"a\":", "-0",      "\xc3\xa9"};
    fuzz_input seeds[3];
    for (size_t i = 0; i < 3; i++) {
        seeds[i] = (fuzz_input){texts[i], strlen((char *)texts[i])};
    }
    return fuzz_main(argc, argv, seeds, 3, words, sizeof words / sizeof words[0], NULL);
}
#endif
