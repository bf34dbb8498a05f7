/* A vocabulary as JSON: {"level":2,"lowercase":0,"strip_punctuation":1,"keep_empty":1,"unknown":-1,
 * "tokens":["the","and",...]}. A byte that is not part of valid UTF-8 is written as the code point
 * U+10FF00 + byte, and a code point of that range that a token really holds is written byte by byte
 * in the same way; both read back exactly. */
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"
#include "build.h"

#define ESCAPED_FIRST 0x10FF00u
#define ESCAPED_LAST 0x10FFFFu

/* Valid UTF-8 for any bytes; at most four times as long. */
static size_t escape(char *to, const char *bytes, size_t length)
{
    size_t made = 0;
    for (size_t i = 0; i < length;) {
        uint32_t code_point;
        size_t size = utf8_decode(&code_point, bytes + i, length - i);
        if (size > 0 && code_point < ESCAPED_FIRST) {
            memcpy(to + made, bytes + i, size);
            made += size;
            i += size;
        } else {
            made += utf8_encode(to + made, ESCAPED_FIRST + (unsigned char)bytes[i]);
            i++;
        }
    }
    return made;
}

/* In place; never longer. */
static size_t unescape(char *text, size_t length)
{
    size_t made = 0;
    for (size_t i = 0; i < length;) {
        uint32_t code_point;
        size_t size = utf8_decode(&code_point, text + i, length - i);
        if (code_point >= ESCAPED_FIRST && code_point <= ESCAPED_LAST) {
            text[made++] = (char)(code_point - ESCAPED_FIRST);
        } else {
            memmove(text + made, text + i, size);
            made += size;
        }
        i += size;
    }
    return made;
}

static size_t append(char *to, size_t at, const char *text)
{
    size_t length = strlen(text);
    memcpy(to + at, text, length);
    return at + length;
}

static size_t append_number(char *to, size_t at, const char *key, int32_t value)
{
    char digits[16];
    size_t count = 0;
    at = append(to, at, key);
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (count > 0) {
        to[at++] = digits[--count];
    }
    return at;
}

lrnn_status vocab_write(char **text, size_t *length, const lrnn_vocab *vocab,
                        const lrnn_allocator *allocator)
{
    size_t bytes = vocab->offsets[vocab->size];
    char *made = memory_allocate(allocator, 24 * bytes + 3 * vocab->size + 256, 1, "vocabulary");
    char *scratch = memory_allocate(allocator, 4 * bytes, 1, "vocabulary");
    if (made == NULL || scratch == NULL) {
        memory_release(allocator, made);
        memory_release(allocator, scratch);
        return LRNN_ERR_MEMORY;
    }
    const lrnn_vocab_options *o = &vocab->options;
    size_t at = append_number(made, 0, "{\"level\":", o->level);
    at = append_number(made, at, ",\"lowercase\":", o->lowercase);
    at = append_number(made, at, ",\"strip_punctuation\":", o->strip_punctuation);
    at = append_number(made, at, ",\"keep_empty\":", o->keep_empty);
    if (vocab->unknown >= 0) {
        at = append_number(made, at, ",\"unknown\":", vocab->unknown);
    }
    at = append(made, at, ",\"tokens\":[");
    for (size_t i = 0; i < vocab->size; i++) {
        size_t start = vocab->offsets[i];
        size_t size = escape(scratch, vocab->bytes + start, vocab->offsets[i + 1] - start - 1);
        if (i > 0) {
            made[at++] = ',';
        }
        at += json_quote(made + at, scratch, size);
    }
    at = append(made, at, "]}");
    made[at] = '\0';
    memory_release(allocator, scratch);
    *text = made;
    *length = at;
    return LRNN_OK;
}

/* ---- reading ---- */

static lrnn_status read_number(int32_t *number, const json_document *d, const char *key,
                               size_t last)
{
    json_value value;
    size_t wide;
    lrnn_status status = json_member(&value, d, JSON_ROOT, key);
    if (status == LRNN_OK) {
        status = json_size_value(&wide, d, value, key);
    }
    if (status == LRNN_OK && wide > last) {
        status = error_set(LRNN_ERR_FORMAT, "vocabulary: %s: expected 0..%zu, found %zu", key, last,
                           wide);
    }
    *number = status == LRNN_OK ? (int32_t)wide : 0;
    return status;
}

static bool has_member(const json_document *d, const char *key)
{
    for (json_value k = json_first(d, JSON_ROOT); k != JSON_NONE; k = json_next(d, JSON_ROOT, k)) {
        if (json_string_is(d, k, key)) {
            return true;
        }
    }
    return false;
}

static lrnn_status read_tokens(lrnn_vocab **vocab, const json_document *d, json_value list,
                               const lrnn_vocab_options *o, int32_t unknown, size_t length)
{
    const lrnn_allocator *allocator = &d->allocator;
    size_t count = json_size(d, list), used = 0, i = 0;
    token *tokens = memory_allocate(allocator, count, sizeof *tokens, "vocabulary: tokens");
    char *bytes = memory_allocate(allocator, length + count, 1, "vocabulary: tokens");
    lrnn_status status = tokens == NULL || bytes == NULL ? LRNN_ERR_MEMORY : LRNN_OK;
    for (json_value v = json_first(d, list); status == LRNN_OK && v != JSON_NONE;
         v = json_next(d, list, v)) {
        status = json_expect(d, v, JSON_STRING, "a token");
        if (status == LRNN_OK) {
            size_t size = unescape(bytes + used, json_string(bytes + used, d, v));
            bytes[used + size] = '\0';
            tokens[i++] = (token){bytes + used, size, 0, 0};
            used += size + 1;
        }
    }
    if (status == LRNN_OK) {
        status = vocab_create(vocab, allocator, tokens, count, o, unknown);
        status = status == LRNN_ERR_INVALID ? LRNN_ERR_FORMAT : status;
    }
    memory_release(allocator, tokens);
    memory_release(allocator, bytes);
    return status;
}

lrnn_status vocab_read(lrnn_vocab **vocab, const lrnn_allocator *allocator, const char *text,
                       size_t length)
{
    json_document d;
    json_value list;
    lrnn_vocab_options o;
    int32_t unknown = -1;
    *vocab = NULL;
    lrnn_status status = json_parse(&d, allocator, text, length, "vocabulary");
    if (status != LRNN_OK) {
        return status;
    }
    status = json_expect(&d, JSON_ROOT, JSON_OBJECT, "the whole");
    if (status == LRNN_OK) {
        status = lrnn_vocab_options_init(&o, sizeof o);
    }
    if (status == LRNN_OK) {
        status = read_number(&o.level, &d, "level", LRNN_LEVEL_LABEL);
    }
    if (status == LRNN_OK) {
        status = read_number(&o.lowercase, &d, "lowercase", 1);
    }
    if (status == LRNN_OK) {
        status = read_number(&o.strip_punctuation, &d, "strip_punctuation", 1);
    }
    if (status == LRNN_OK) {
        status = read_number(&o.keep_empty, &d, "keep_empty", 1);
    }
    if (status == LRNN_OK) {
        status = json_member(&list, &d, JSON_ROOT, "tokens");
    }
    if (status == LRNN_OK) {
        status = json_expect(&d, list, JSON_ARRAY, "tokens");
    }
    if (status == LRNN_OK && json_size(&d, list) == 0) {
        status = error_set(LRNN_ERR_FORMAT, "vocabulary: tokens is empty");
    }
    if (status == LRNN_OK && has_member(&d, "unknown")) {
        status = read_number(&unknown, &d, "unknown", json_size(&d, list) - 1);
    }
    if (status == LRNN_OK) {
        status = read_tokens(vocab, &d, list, &o, unknown, length);
    }
    json_release(&d);
    return status;
}
