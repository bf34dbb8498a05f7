#include "json.h"

#include <assert.h>
#include <string.h>

#include "error.h"
#include "memory.h"
#include "utf8.h"

/* jsmn finds where values begin and end, but takes much that is not JSON and is slow on deep
 * nesting; so the text goes through the strict scanner below first, which also counts the values.
 */
#define JSMN_STATIC
#define JSMN_PARENT_LINKS
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include <jsmn.h>
#pragma GCC diagnostic pop

/* ---- scanning ------------------------------------------------------------------------------- */

typedef struct scanner {
    const char *text;
    size_t length;
    size_t at;
    size_t count;               /* values so far, keys included */
    size_t depth;               /* arrays and objects that are open */
    char close[JSON_MAX_DEPTH]; /* the bracket that ends each of them */
    const char *problem;        /* NULL while there is none */
} scanner;

static bool scan_failed(scanner *scan, const char *problem)
{
    scan->problem = problem;
    return false;
}

/* The next character; 0 at the end and for a NUL, which is allowed nowhere in JSON. */
static char scan_peek(const scanner *scan)
{
    return scan->at < scan->length ? scan->text[scan->at] : '\0';
}

static bool scan_take(scanner *scan, char c)
{
    if (scan->at < scan->length && scan->text[scan->at] == c) {
        scan->at++;
        return true;
    }
    return false;
}

static void scan_space(scanner *scan)
{
    while (scan_take(scan, ' ') || scan_take(scan, '\n') || scan_take(scan, '\r') ||
           scan_take(scan, '\t')) {
    }
}

static bool scan_digits(scanner *scan)
{
    size_t start = scan->at;
    while (scan_peek(scan) >= '0' && scan_peek(scan) <= '9') {
        scan->at++;
    }
    return scan->at > start;
}

static bool scan_number(scanner *scan)
{
    scan_take(scan, '-');
    bool whole = scan_take(scan, '0') || scan_digits(scan);
    if (whole && scan_take(scan, '.')) {
        whole = scan_digits(scan);
    }
    if (whole && (scan_take(scan, 'e') || scan_take(scan, 'E'))) {
        if (!scan_take(scan, '+')) {
            scan_take(scan, '-');
        }
        whole = scan_digits(scan);
    }
    return whole || scan_failed(scan, "malformed number");
}

/* Value of four hexadecimal digits; UINT32_MAX if they are not that. */
static uint32_t hex4(const char *text, size_t length)
{
    uint32_t value = 0;
    for (size_t i = 0; i < 4; i++) {
        char c = i < length ? text[i] : '\0';
        if (c >= '0' && c <= '9') {
            value = value << 4 | (uint32_t)(c - '0');
        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            value = value << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
        } else {
            return UINT32_MAX;
        }
    }
    return value;
}

/* Code point of an escape \uXXXX or of a surrogate pair \uXXXX\uXXXX, and its length in the text; 0
 * when it is neither. */
static size_t unicode_escape(uint32_t *code_point, const char *text, size_t length)
{
    if (length < 6 || text[0] != '\\' || text[1] != 'u') {
        return 0;
    }
    uint32_t first = hex4(text + 2, length - 2);
    *code_point = first;
    if (first == UINT32_MAX || (first >= 0xdc00 && first < 0xe000)) {
        return 0;
    }
    if (first < 0xd800 || first >= 0xe000) {
        return 6;
    }
    uint32_t second = UINT32_MAX;
    if (length >= 12 && text[6] == '\\' && text[7] == 'u') {
        second = hex4(text + 8, length - 8);
    }
    if (second < 0xdc00 || second >= 0xe000) {
        return 0;
    }
    *code_point = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
    return 12;
}

static bool scan_escape(scanner *scan)
{
    const char *escape = scan->text + scan->at;
    size_t left = scan->length - scan->at;
    uint32_t code_point;
    size_t size = unicode_escape(&code_point, escape, left);
    if (size == 0 && left >= 2 && escape[1] != '\0' && strchr("\"\\/bfnrt", escape[1]) != NULL) {
        size = 2;
    }
    scan->at += size;
    return size > 0 || scan_failed(scan, "malformed escape in a string");
}

static bool scan_string(scanner *scan)
{
    if (!scan_take(scan, '"')) {
        return scan_failed(scan, "expected a string");
    }
    while (!scan_take(scan, '"')) {
        if (scan->at == scan->length) {
            return scan_failed(scan, "the text ends inside a string");
        }
        unsigned char c = (unsigned char)scan->text[scan->at];
        if (c < 0x20) {
            return scan_failed(scan, "control character in a string");
        }
        if (c != '\\') {
            scan->at++;
        } else if (!scan_escape(scan)) {
            return false;
        }
    }
    return true;
}

static bool scan_word(scanner *scan, const char *word)
{
    size_t size = strlen(word);
    if (scan->length - scan->at >= size && memcmp(scan->text + scan->at, word, size) == 0) {
        scan->at += size;
        return true;
    }
    return scan_failed(scan, "expected a value");
}

static bool scan_open(scanner *scan, char close)
{
    if (scan->depth == JSON_MAX_DEPTH) {
        return scan_failed(scan, "nested too deeply");
    }
    scan->at++;
    scan->close[scan->depth++] = close;
    return true;
}

/* A value without what is inside it, when that is an array or object. */
static bool scan_value(scanner *scan)
{
    char c = scan_peek(scan);
    scan->count++;
    switch (c) {
    case '{': return scan_open(scan, '}');
    case '[': return scan_open(scan, ']');
    case '"': return scan_string(scan);
    case 't': return scan_word(scan, "true");
    case 'f': return scan_word(scan, "false");
    case 'n': return scan_word(scan, "null");
    default: break;
    }
    return c == '-' || (c >= '0' && c <= '9') ? scan_number(scan)
                                              : scan_failed(scan, "expected a value");
}

static bool scan_key(scanner *scan)
{
    scan->count++;
    if (!scan_string(scan)) {
        return false;
    }
    scan_space(scan);
    return scan_take(scan, ':') || scan_failed(scan, "expected a colon");
}

/* The whole text, without recursion: what is open is in scan->close. */
static bool scan_text(scanner *scan)
{
    bool first = true; /* at the first element of what is open: it may also end at once */
    bool value_done = false;
    for (;;) {
        scan_space(scan);
        char close = scan->depth > 0 ? scan->close[scan->depth - 1] : '\0';
        if (scan->depth > 0 && (value_done || first) && scan_take(scan, close)) {
            scan->depth--;
            value_done = true;
            first = false;
            continue;
        }
        if (value_done) {
            if (scan->depth == 0) {
                return scan->at == scan->length || scan_failed(scan, "text after the value");
            }
            if (!scan_take(scan, ',')) {
                return scan_failed(scan, "expected a comma or the closing bracket");
            }
            scan_space(scan);
        }
        if (close == '}' && !scan_key(scan)) {
            return false;
        }
        scan_space(scan);
        size_t depth = scan->depth;
        if (!scan_value(scan)) {
            return false;
        }
        first = scan->depth > depth;
        value_done = !first;
    }
}

static lrnn_status scan_check(scanner *scan, const char *what)
{
    if (scan->length > JSON_MAX_LENGTH) {
        return error_set(LRNN_ERR_FORMAT, "%s: JSON of %zu bytes is too long", what, scan->length);
    }
    size_t valid = utf8_valid_prefix(scan->text, scan->length);
    if (valid < scan->length) {
        return error_set(LRNN_ERR_FORMAT, "%s: invalid UTF-8 at byte %zu", what, valid);
    }
    if (!scan_text(scan)) {
        return error_set(LRNN_ERR_FORMAT, "%s: %s at byte %zu", what, scan->problem, scan->at);
    }
    return LRNN_OK;
}

/* ---- documents ------------------------------------------------------------------------------ */

lrnn_status json_parse(json_document *document, const lrnn_allocator *allocator, const char *text,
                       size_t length, const char *what)
{
    *document = (json_document){.what = what};
    scanner scan = {.text = text, .length = length};
    lrnn_status status = scan_check(&scan, what);
    if (status != LRNN_OK) {
        return status;
    }
    jsmntok_t *tokens = memory_allocate(allocator, scan.count, sizeof(jsmntok_t), what);
    if (tokens == NULL) {
        return LRNN_ERR_MEMORY;
    }
    jsmn_parser parser;
    jsmn_init(&parser);
    int found = jsmn_parse(&parser, text, length, tokens, (unsigned)scan.count);
    assert(found >= 0 && (size_t)found == scan.count);
    (void)found;
    *document = (json_document){text, what, tokens, scan.count, *allocator};
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

/* One character of a string that the scanner has passed: its bytes, how many they are, and by
 * reference how many bytes of text it took. */
static size_t unescape(char to[4], const char *text, size_t length, size_t *taken)
{
    static const char letters[] = "bfnrt", meant[] = "\b\f\n\r\t";
    if (text[0] != '\\') {
        to[0] = text[0];
        *taken = 1;
        return 1;
    }
    uint32_t code_point;
    *taken = unicode_escape(&code_point, text, length);
    if (*taken > 0) {
        return utf8_encode(to, code_point);
    }
    const char *letter = strchr(letters, text[1]);
    to[0] = letter != NULL ? meant[letter - letters] : text[1];
    *taken = 2;
    return 1;
}

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
        char bytes[4];
        size_t taken, size = unescape(bytes, text, left, &taken);
        memcpy(to + length, bytes, size);
        length += size;
        text += taken;
        left -= taken;
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
        size_t taken, size = unescape(bytes, escaped, left, &taken);
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
