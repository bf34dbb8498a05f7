/* JSON as RFC 8259 has it, and strictly: hostile text is refused by json_parse, so what reads the
 * document afterwards meets only well-formed values. Strings and numbers stay in the text until
 * asked for; the text is borrowed and must outlive the document.
 *
 *     json_document document;
 *     status = json_parse(&document, &allocator, text, length, "vocabulary");
 *     status = json_member(&tokens, &document, JSON_ROOT, "tokens");
 *     status = json_expect(&document, tokens, JSON_ARRAY, "tokens");
 *     for (json_value v = json_first(&document, tokens); v != JSON_NONE;
 *          v = json_next(&document, tokens, v)) {
 *         status = json_expect(&document, v, JSON_STRING, "a token");
 *         size_t n = json_string(buffer, &document, v);     n <= json_string_room(&document, v)
 *     }
 *     json_release(&document);
 *
 * The members of an object are walked by their keys; a key's value is json_value_of(key). */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lrnn/base.h"

#define JSON_MAX_DEPTH  16                /* arrays and objects inside each other */
#define JSON_MAX_LENGTH ((size_t)1 << 30) /* bytes of text; positions are kept as int */

typedef enum json_type { JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_NUMBER, JSON_OTHER } json_type;

/* A value of a document: its number in the order of the text. */
typedef size_t json_value;
#define JSON_ROOT ((json_value)0)
#define JSON_NONE ((json_value)-1)

typedef struct json_document {
    const char *text;
    const char *what; /* begins every message; borrowed */
    void *tokens;
    size_t count; /* of values, keys included */
    lrnn_allocator allocator;
} json_document;

/* Reads one JSON value and nothing after it but white space. The text must be valid UTF-8.
 * LRNN_ERR_FORMAT with the offset; LRNN_ERR_MEMORY. The document is empty after a failure and need
 * not be released. Equal keys are not looked for: json_member does, for the key it is given. */
lrnn_status json_parse(json_document *document, const lrnn_allocator *allocator, const char *text,
                       size_t length, const char *what);
void json_release(json_document *document);

json_type json_type_of(const json_document *document, json_value value);

/* LRNN_ERR_FORMAT "<what>: <name> is not an array" unless the value has that type. */
lrnn_status json_expect(const json_document *document, json_value value, json_type type,
                        const char *name);

/* Elements of an array, members of an object. */
size_t json_size(const json_document *document, json_value container);

/* First element of an array or first key of an object; the one after `value`. JSON_NONE: no more.
 * A walk over all of a container takes time linear in its text. */
json_value json_first(const json_document *document, json_value container);
json_value json_next(const json_document *document, json_value container, json_value value);

static inline json_value json_value_of(json_value key)
{
    return key + 1;
}

/* The value of a member of an object. LRNN_ERR_FORMAT: it is missing or there twice (compared
 * unescaped). */
lrnn_status json_member(json_value *value, const json_document *document, json_value object,
                        const char *key);

/* Bytes that are always enough for json_string: the text between the quotes and a NUL. */
size_t json_string_room(const json_document *document, json_value string);

/* Writes the unescaped string (UTF-8, a NUL after it) and returns its length without that NUL. */
size_t json_string(char *to, const json_document *document, json_value string);

/* Whether the unescaped string is exactly `text`. */
bool json_string_is(const json_document *document, json_value string, const char *text);

/* A number written as a plain non-negative integer (no sign, fraction, exponent) that fits size_t.
 * LRNN_ERR_FORMAT "<what>: <name> is not ..." otherwise. */
lrnn_status json_size_value(size_t *number, const json_document *document, json_value value,
                            const char *name);

/* Writes text as a JSON string with its quotes and returns how many bytes that is; `to` NULL only
 * counts. At most 6 * length + 2 bytes. The text must be valid UTF-8; NUL is allowed. No NUL is put
 * behind. */
size_t json_quote(char *to, const char *text, size_t length);

#endif
