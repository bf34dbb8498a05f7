/* JSON in two passes: json_scan checks the grammar strictly and counts the values, then jsmn
 * records where each begins and ends, in an array of exactly that size. Everything after json_parse
 * relies on the text being well-formed. */
#include "json.h"

#include <assert.h>
#include <string.h>

#include "check.h"
#include "error.h"
#include "json_scan.h"
#include "memory.h"

/* jsmn finds where values begin and end, but takes much that is not JSON and is slow on deep
 * nesting; so json_scan goes first, which also counts the values. */
#define JSMN_STATIC
#define JSMN_PARENT_LINKS
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include <jsmn.h>
#pragma GCC diagnostic pop

/* ---- documents ------------------------------------------------------------------------------ */

lrnn_status json_parse(json_document *document, const lrnn_allocator *allocator, const char *text,
                       size_t length, const char *what)
{
    *document = (json_document){.what = what};
    size_t count;
    CHECK(json_scan(&count, text, length, what));
    jsmntok_t *tokens = memory_allocate(allocator, count, sizeof(jsmntok_t), what);
    if (tokens == NULL) {
        return LRNN_ERR_MEMORY;
    }
    jsmn_parser parser;
    jsmn_init(&parser);
    int found = jsmn_parse(&parser, text, length, tokens, (unsigned)count);
    assert(found >= 0 && (size_t)found == count);
    (void)found;
    *document = (json_document){text, what, tokens, count, *allocator};
    return LRNN_OK;
}

void json_release(json_document *document)
{
    if (document->tokens != NULL) {
        memory_release(&document->allocator, document->tokens);
    }
    *document = (json_document){0};
}

static const jsmntok_t *token_at(const json_document *document, json_value value)
{
    assert(value < document->count);
    return (const jsmntok_t *)document->tokens + value;
}

json_type json_type_of(const json_document *document, json_value value)
{
    const jsmntok_t *token = token_at(document, value);
    char c = document->text[token->start];
    switch (token->type) {
    case JSMN_OBJECT: return JSON_OBJECT;
    case JSMN_ARRAY: return JSON_ARRAY;
    case JSMN_STRING: return JSON_STRING;
    default: return c == '-' || (c >= '0' && c <= '9') ? JSON_NUMBER : JSON_OTHER;
    }
}

lrnn_status json_expect(const json_document *document, json_value value, json_type type,
                        const char *name)
{
    static const char *const names[] = {"an object", "an array", "a string", "a number",
                                        "true, false or null"};
    if (json_type_of(document, value) == type) {
        return LRNN_OK;
    }
    return error_set(LRNN_ERR_FORMAT, "%s: %s is not %s", document->what, name, names[type]);
}

size_t json_size(const json_document *document, json_value container)
{
    return (size_t)token_at(document, container)->size;
}

json_value json_first(const json_document *document, json_value container)
{
    return json_size(document, container) > 0 ? container + 1 : JSON_NONE;
}

json_value json_next(const json_document *document, json_value container, json_value value)
{
    const jsmntok_t *outer = token_at(document, container);
    json_value last = outer->type == JSMN_OBJECT ? json_value_of(value) : value;
    int end = token_at(document, last)->end;
    json_value next = last + 1;
    while (next < document->count && token_at(document, next)->start < end) {
        next++;
    }
    return next < document->count && token_at(document, next)->start < outer->end ? next
                                                                                  : JSON_NONE;
}

lrnn_status json_member(json_value *value, const json_document *document, json_value object,
                        const char *key)
{
    json_value found = JSON_NONE;
    *value = JSON_NONE;
    for (json_value member = json_first(document, object); member != JSON_NONE;
         member = json_next(document, object, member)) {
        if (!json_string_is(document, member, key)) {
            continue;
        }
        if (found != JSON_NONE) {
            return error_set(LRNN_ERR_FORMAT, "%s: \"%s\" is there twice", document->what, key);
        }
        found = json_value_of(member);
    }
    if (found == JSON_NONE) {
        return error_set(LRNN_ERR_FORMAT, "%s: \"%s\" is missing", document->what, key);
    }
    *value = found;
    return LRNN_OK;
}

/* ---- strings and numbers -------------------------------------------------------------------- */

size_t json_string_room(const json_document *document, json_value string)
{
    const jsmntok_t *token = token_at(document, string);
    return (size_t)(token->end - token->start) + 1;
}

size_t json_string(char *to, const json_document *document, json_value string)
{
    const char *text = document->text + token_at(document, string)->start;
    size_t left = json_string_room(document, string) - 1;
    size_t length = 0;
    while (left > 0) {
        const char *escape = memchr(text, '\\', left);
        size_t taken = escape != NULL ? (size_t)(escape - text) : left;
        memcpy(to + length, text, taken);
        length += taken;
        text += taken;
        left -= taken;
        if (left > 0) {
            length += json_unescape(to + length, text, left, &taken);
            text += taken;
            left -= taken;
        }
    }
    to[length] = '\0';
    return length;
}

bool json_string_is(const json_document *document, json_value string, const char *text)
{
    if (json_type_of(document, string) != JSON_STRING) {
        return false;
    }
    const char *escaped = document->text + token_at(document, string)->start;
    size_t left = json_string_room(document, string) - 1;
    size_t length = strlen(text);
    while (left > 0) {
        char bytes[4];
        size_t taken, size = json_unescape(bytes, escaped, left, &taken);
        if (size > length || memcmp(bytes, text, size) != 0) {
            return false;
        }
        text += size;
        length -= size;
        escaped += taken;
        left -= taken;
    }
    return length == 0;
}

lrnn_status json_size_value(size_t *number, const json_document *document, json_value value,
                            const char *name)
{
    const jsmntok_t *token = token_at(document, value);
    *number = 0;
    if (json_type_of(document, value) != JSON_NUMBER) {
        return json_expect(document, value, JSON_NUMBER, name);
    }
    size_t result = 0;
    for (int i = token->start; i < token->end; i++) {
        char c = document->text[i];
        if (c < '0' || c > '9') {
            return error_set(LRNN_ERR_FORMAT, "%s: %s is not a plain non-negative integer",
                             document->what, name);
        }
        if (!size_multiply(&result, result, 10) || !size_add(&result, result, (size_t)(c - '0'))) {
            return error_set(LRNN_ERR_FORMAT, "%s: %s is too large a number", document->what, name);
        }
    }
    *number = result;
    return LRNN_OK;
}

/* The letter that escapes c after a backslash; 0 if it has none. */
static char short_escape(unsigned char c)
{
    switch (c) {
    case '"': return '"';
    case '\\': return '\\';
    case '\b': return 'b';
    case '\f': return 'f';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    default: return '\0';
    }
}

size_t json_quote(char *to, const char *text, size_t length)
{
    static const char hex[] = "0123456789abcdef";
    size_t used = 0;
    for (size_t i = 0; i <= length + 1; i++) {
        bool edge = i == 0 || i == length + 1;
        unsigned char c = edge ? '"' : (unsigned char)text[i - 1];
        char letter = edge ? '\0' : short_escape(c);
        char bytes[6] = {(char)c};
        size_t size = 1;
        if (letter != '\0') {
            bytes[0] = '\\', bytes[1] = letter;
            size = 2;
        } else if (c < 0x20) {
            memcpy(bytes, "\\u00", 4);
            bytes[4] = hex[c >> 4], bytes[5] = hex[c & 15];
            size = 6;
        }
        if (to != NULL) {
            memcpy(to + used, bytes, size);
        }
        used += size;
    }
    return used;
}
