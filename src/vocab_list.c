/* Reads a list of tokens. The text is unescaped in place, since no escape is shorter than what it
 * stands for: tokens point into it, and `to` never passes `at`. */
#include "vocab_list.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "model_file.h"
#include "output.h"
#include "text.h"

typedef struct token_reader {
    const char *path;
    char *at, *end;
    size_t line;
    const char **tokens;
    size_t *lengths;
    size_t count, capacity;
} token_reader;

static int fail(const token_reader *r, const char *what)
{
    return complain("%s: line %zu: %s", r->path, r->line, what);
}

static int append(token_reader *r, const char *token, size_t length)
{
    if (r->count == r->capacity) {
        size_t capacity = r->capacity == 0 ? 256 : 2 * r->capacity;
        const char **tokens = realloc(r->tokens, capacity * sizeof *tokens);
        r->tokens = tokens != NULL ? tokens : r->tokens;
        size_t *lengths = realloc(r->lengths, capacity * sizeof *lengths);
        r->lengths = lengths != NULL ? lengths : r->lengths;
        if (tokens == NULL || lengths == NULL) {
            return fail(r, "out of memory");
        }
        r->capacity = capacity;
    }
    r->tokens[r->count] = token;
    r->lengths[r->count++] = length;
    return 0;
}

/* ---- escapes -------------------------------------------------------------------------------- */

/* The number that the next `digits` hexadecimal digits are, or -1. */
static long read_hex(token_reader *r, int digits)
{
    long value = 0;
    for (int i = 0; i < digits; i++) {
        static const char known[] = "0123456789abcdef0123456789ABCDEF";
        const char *found = r->at < r->end && *r->at != '\0' ? strchr(known, *r->at) : NULL;
        if (found == NULL) {
            return -1;
        }
        value = value * 16 + (long)(found - known) % 16;
        r->at++;
    }
    return value;
}

static char *put_utf8(char *to, unsigned long c)
{
    if (c < 0x80) {
        *to++ = (char)c;
        return to;
    }
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
    *to++ = (char)(lead[more] | c >> 6 * more);
    while (more-- > 0) {
        *to++ = (char)(0x80 | (c >> 6 * more & 0x3f));
    }
    return to;
}

/* \uHHHH after its u; two surrogates are one character. NULL: not one. */
static char *read_code_point(token_reader *r, char *to)
{
    long c = read_hex(r, 4);
    if (c >= 0xd800 && c < 0xdc00 && r->end - r->at >= 6 && r->at[0] == '\\' && r->at[1] == 'u') {
        r->at += 2;
        long low = read_hex(r, 4);
        c = low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00) : -1;
    }
    return c < 0 || (c >= 0xd800 && c < 0xe000) ? NULL : put_utf8(to, (unsigned long)c);
}

/* What follows a backslash; `json`: the escapes of JSON instead of ours. NULL after a complaint. */
static char *read_escape(token_reader *r, char *to, bool json)
{
    static const char names[] = "nrt\\bf\"/", meant[] = "\n\r\t\\\b\f\"/";
    char c = r->at < r->end ? *r->at++ : '\0';
    const char *found = c != '\0' ? strchr(names, c) : NULL;
    if (found != NULL && (json || found - names < 4)) {
        *to++ = meant[found - names];
        return to;
    }
    if (c == 'u') {
        to = read_code_point(r, to);
    } else {
        long byte = c == 'x' && !json ? read_hex(r, 2) : -1;
        *to = (char)(unsigned char)(byte >= 0 ? byte : 0);
        to = byte >= 0 ? to + 1 : NULL;
    }
    if (to == NULL) {
        fail(r, json ? "not an escape of JSON"
                     : "not one of the escapes \\n \\t \\r \\\\ \\xHH \\uHHHH; a backslash is "
                       "written \\\\");
    }
    return to;
}

/* ---- one token per line --------------------------------------------------------------------- */

static int read_line(token_reader *r)
{
    char *end = memchr(r->at, '\n', (size_t)(r->end - r->at)),
         *next = end != NULL ? end + 1 : r->end;
    char *all = r->end, *token = r->at, *to = token;
    r->end = end != NULL ? end : r->end;
    r->end -= end != NULL && r->end > r->at && r->end[-1] == '\r';
    while (r->at < r->end && to != NULL) {
        char c = *r->at++;
        if (c == '\\') {
            to = read_escape(r, to, false);
        } else {
            *to++ = c;
        }
    }
    r->at = next;
    r->end = all;
    int failed = to == NULL || append(r, token, (size_t)(to - token)) != 0;
    r->line++;
    return failed;
}

/* ---- a JSON list of strings ----------------------------------------------------------------- */

static void skip_space(token_reader *r)
{
    for (; r->at < r->end && *r->at != '\0' && strchr(" \t\r\n", *r->at) != NULL; r->at++) {
        r->line += *r->at == '\n';
    }
}

static bool take(token_reader *r, char c)
{
    skip_space(r);
    bool there = r->at < r->end && *r->at == c;
    r->at += there;
    return there;
}

static int read_string(token_reader *r)
{
    if (!take(r, '"')) {
        return fail(r, "expected a string of the JSON list of tokens");
    }
    char *token = r->at, *to = token;
    while (r->at < r->end && *r->at != '"') {
        char c = *r->at++;
        if ((unsigned char)c < 0x20) {
            return fail(r, "a control character in a JSON string is written as an escape");
        }
        if (c != '\\') {
            *to++ = c;
        } else if ((to = read_escape(r, to, true)) == NULL) {
            return 1;
        }
    }
    if (r->at == r->end) {
        return fail(r, "the JSON list ends inside a string");
    }
    r->at++;
    return append(r, token, (size_t)(to - token));
}

static int read_json(token_reader *r)
{
    take(r, '[');
    do {
        if (read_string(r) != 0) {
            return 1;
        }
    } while (take(r, ','));
    if (!take(r, ']')) {
        return fail(r, "expected , or ] in the JSON list of tokens");
    }
    skip_space(r);
    return r->at == r->end ? 0 : fail(r, "expected nothing after the JSON list of tokens");
}

/* A list of JSON begins with [ and a string; a line of that looks is written \x5b. */
static bool is_json(token_reader r)
{
    return take(&r, '[') && take(&r, '"');
}

/* ---- vocabularies --------------------------------------------------------------------------- */

static lrnn_status create_list(lrnn_vocab **vocab, const token_reader *r, int32_t level)
{
    lrnn_vocab_options options;
    CHECK(lrnn_vocab_options_init(&options, sizeof options));
    options.level = level;
    return lrnn_vocab_create_from_tokens(vocab, r->tokens, r->lengths, r->count, &options);
}

int vocab_read_list(lrnn_vocab **vocab, const char *path, int32_t level)
{
    text source = {.level = LRNN_LEVEL_CHAR};
    *vocab = NULL;
    int failed = text_add_file(&source, path);
    if (!failed && source.length > 0 && memchr(source.bytes, 0, source.length) != NULL) {
        failed = complain("%s: not text", path);
    }
    token_reader r = {.path = path, .at = source.bytes, .line = 1};
    r.end = r.at + (failed ? 0 : source.length);
    if (!failed && is_json(r)) {
        failed = read_json(&r);
    }
    while (!failed && r.at < r.end) {
        failed = read_line(&r);
    }
    if (!failed && r.count == 0) {
        failed = complain("%s: a list without tokens", path);
    }
    if (!failed) {
        lrnn_status status = create_list(vocab, &r, level);
        failed = status != LRNN_OK
                     ? complain("%s: %s (a list of tokens is a JSON list, or one token "
                                "per line; a text is --vocab-text)",
                                path, lrnn_last_error())
                     : 0;
    }
    free(r.tokens);
    free(r.lengths);
    text_free(&source);
    return failed;
}

static lrnn_status create_text(lrnn_vocab **vocab, const text *source)
{
    lrnn_vocab_options options;
    CHECK(lrnn_vocab_options_init(&options, sizeof options));
    options.level = source->level;
    return lrnn_vocab_create_from_text(vocab, source->bytes, source->length, &options);
}

int vocab_read_text(lrnn_vocab **vocab, const char *path, int32_t level)
{
    text source = {.level = level};
    *vocab = NULL;
    int failed = text_add_file(&source, path);
    if (!failed) {
        lrnn_status status = create_text(vocab, &source);
        failed = status != LRNN_OK ? complain_text(status, path) : 0;
    }
    text_free(&source);
    return failed;
}

int vocab_report(const lrnn_vocab *vocab, const char *path)
{
    size_t size = lrnn_vocab_size(vocab);
    printf("%s: %zu tokens, first '", path, size);
    write_token(vocab, 0, stdout);
    printf("', last '");
    write_token(vocab, (int32_t)size - 1, stdout);
    printf("'\n");
    return output_flush();
}
