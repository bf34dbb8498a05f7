/* A recursive-descent scanner without recursion: the closing brackets that are still to come are
 * kept in an array of JSON_MAX_DEPTH, so hostile nesting cannot exhaust the stack. It allocates
 * nothing. */
#include "json_scan.h"

#include <string.h>

#include "error.h"
#include "json.h"
#include "utf8.h"

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

/* What a backslash and this letter stand for; NUL when they stand for nothing. */
static char escaped_by_letter(char letter)
{
    switch (letter) {
    case '"':
    case '\\':
    case '/': return letter;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return '\0';
    }
}

static bool scan_escape(scanner *scan)
{
    const char *escape = scan->text + scan->at;
    size_t left = scan->length - scan->at;
    uint32_t code_point;
    size_t size = 0;
    if (left >= 2) {
        size = escaped_by_letter(escape[1]) != '\0' ? 2 : unicode_escape(&code_point, escape, left);
    }
    scan->at += size;
    return size > 0 || scan_failed(scan, "malformed escape in a string");
}

static bool scan_string(scanner *scan)
{
    if (!scan_take(scan, '"')) {
        return scan_failed(scan, "expected a string");
    }
    for (;;) {
        size_t at = scan->at;
        while (at < scan->length && (unsigned char)scan->text[at] >= 0x20 &&
               scan->text[at] != '"' && scan->text[at] != '\\') {
            at++;
        }
        scan->at = at;
        if (at == scan->length) {
            return scan_failed(scan, "the text ends inside a string");
        }
        if (scan_take(scan, '"')) {
            return true;
        }
        if (scan->text[at] != '\\') {
            return scan_failed(scan, "control character in a string");
        }
        if (!scan_escape(scan)) {
            return false;
        }
    }
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

lrnn_status json_scan(size_t *count, const char *text, size_t length, const char *what)
{
    scanner scan = {.text = text, .length = length};
    if (length > JSON_MAX_LENGTH) {
        return error_set(LRNN_ERR_FORMAT, "%s: JSON of %zu bytes is too long", what, length);
    }
    size_t valid = utf8_valid_prefix(text, length);
    if (valid < length) {
        return error_set(LRNN_ERR_FORMAT, "%s: invalid UTF-8 at byte %zu", what, valid);
    }
    if (!scan_text(&scan)) {
        return error_set(LRNN_ERR_FORMAT, "%s: %s at byte %zu", what, scan.problem, scan.at);
    }
    *count = scan.count;
    return LRNN_OK;
}

size_t json_unescape(char to[4], const char *text, size_t length, size_t *taken)
{
    uint32_t code_point;
    if (text[0] != '\\') {
        to[0] = text[0];
        *taken = 1;
        return 1;
    }
    if (text[1] == 'u') {
        *taken = unicode_escape(&code_point, text, length);
        return utf8_encode(to, code_point);
    }
    to[0] = escaped_by_letter(text[1]);
    *taken = 2;
    return 1;
}
