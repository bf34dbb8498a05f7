/* Vocabularies done the slow and obvious way, to compare the library's with: lists, linear search,
 * and the definitions as Python would write them. Also random texts full of what goes wrong. */
#ifndef SUPPORT_NAIVE_TEXT_H
#define SUPPORT_NAIVE_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "lrnn/text.h"

typedef struct naive_token {
    char bytes[256];
    size_t length;
    size_t count;
} naive_token;

typedef struct naive_list {
    naive_token *tokens;
    size_t size;
} naive_list;

static inline bool naive_same(const naive_token *t, const char *bytes, size_t length)
{
    return t->length == length && memcmp(t->bytes, bytes, length) == 0;
}

static inline void naive_append(naive_list *list, const naive_token *t)
{
    if ((list->size & (list->size - 1)) == 0) { /* 0 and powers of two: twice the room */
        list->tokens = realloc(list->tokens, (2 * list->size + 1) * sizeof *list->tokens);
    }
    list->tokens[list->size++] = *t;
}

static inline bool naive_in(const char *set, char c)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* One line: strip('"\\') when punctuation goes, split(), then translate() and lower() each. */
static inline void naive_line(naive_list *to, const char *line, size_t length,
                              const lrnn_vocab_options *o)
{
    static const char space[] = " \t\n\v\f\r\x1c\x1d\x1e\x1f";
    static const char punctuation[] = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
    while (o->strip_punctuation && length > 0 && naive_in("\"\\", line[0])) {
        line++, length--;
    }
    while (o->strip_punctuation && length > 0 && naive_in("\"\\", line[length - 1])) {
        length--;
    }
    for (size_t at = 0; at < length;) {
        if (naive_in(space, line[at])) {
            at++;
            continue;
        }
        naive_token word = {.length = 0};
        for (; at < length && !naive_in(space, line[at]); at++) {
            char c = line[at];
            if (o->strip_punctuation && naive_in(punctuation, c)) {
                continue;
            }
            bool upper = o->lowercase && c >= 'A' && c <= 'Z';
            word.bytes[word.length++] = upper ? (char)(c - 'A' + 'a') : c;
        }
        if (word.length > 0 || o->keep_empty) {
            naive_append(to, &word);
        }
    }
}

/* The text's tokens in order. At character level it must be valid UTF-8. */
static inline naive_list naive_split(const char *text, size_t length, const lrnn_vocab_options *o)
{
    naive_list list = {0};
    size_t at = 0;
    while (at < length && o->level >= LRNN_LEVEL_WORD) {
        size_t end = at;
        while (end < length && text[end] != '\n' && text[end] != '\r') {
            end++;
        }
        naive_line(&list, text + at, end - at, o);
        at = end + 1;
    }
    while (at < length && o->level < LRNN_LEVEL_WORD) {
        unsigned char c = (unsigned char)text[at];
        naive_token t = {.length = 1};
        if (o->level == LRNN_LEVEL_CHAR && c >= 0xc0) {
            t.length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
        }
        memcpy(t.bytes, text + at, t.length);
        if (o->lowercase && c >= 'A' && c <= 'Z') {
            t.bytes[0] = (char)(c - 'A' + 'a');
        }
        naive_append(&list, &t);
        at += t.length;
    }
    return list;
}

static inline long naive_find(const naive_list *list, const char *bytes, size_t length)
{
    for (size_t i = 0; i < list->size; i++) {
        if (naive_same(&list->tokens[i], bytes, length)) {
            return (long)i;
        }
    }
    return -1;
}

static inline bool naive_code_before(const naive_token *x, const naive_token *y)
{
    size_t shorter = x->length < y->length ? x->length : y->length;
    int order = memcmp(x->bytes, y->bytes, shorter);
    return order < 0 || (order == 0 && x->length < y->length);
}

/* Takes the best remaining token away: the commonest, or with by_code the first by its bytes. Ties:
 * the first by its bytes below word level, otherwise the one that appeared first. */
static inline naive_token naive_take(naive_list *from, bool by_code, bool code_ties)
{
    size_t best = 0;
    for (size_t i = 1; i < from->size; i++) {
        const naive_token *x = &from->tokens[i], *y = &from->tokens[best];
        bool before = by_code ? naive_code_before(x, y)
                              : x->count > y->count ||
                                    (x->count == y->count && code_ties && naive_code_before(x, y));
        best = before ? i : best;
    }
    naive_token taken = from->tokens[best];
    memmove(&from->tokens[best], &from->tokens[best + 1], (from->size - best - 1) * sizeof taken);
    from->size--;
    return taken;
}

/* All of them, if there is a text. */
static inline naive_list naive_bytes(size_t length)
{
    naive_list list = {0};
    for (int c = 0; c < 256 && length > 0; c++) {
        naive_token t = {.bytes = {(char)(unsigned char)c}, .length = 1};
        naive_append(&list, &t);
    }
    return list;
}

/* The vocabulary in id order; empty where the library has to refuse. */
static inline naive_list naive_vocab(const char *text, size_t length, const lrnn_vocab_options *o)
{
    if (o->level == LRNN_LEVEL_BYTE) {
        return naive_bytes(length);
    }
    naive_list all = naive_split(text, length, o), distinct = {0}, kept = {0}, sorted = {0};
    bool unknown = o->unknown, words = o->level == LRNN_LEVEL_WORD;
    for (size_t i = 0; i < all.size; i++) {
        naive_token *t = &all.tokens[i];
        long found = naive_find(&distinct, t->bytes, t->length);
        if (naive_same(t, "<unk>", 5)) {
            unknown = true;
        } else if (found >= 0) {
            distinct.tokens[found].count++;
        } else {
            t->count = 1;
            naive_append(&distinct, t);
        }
    }
    while (distinct.size > 0) {
        naive_token t = naive_take(&distinct, false, !words);
        if (t.count < o->min_count) {
            unknown = true;
        } else {
            naive_append(&kept, &t);
        }
    }
    if (kept.size > o->max_size) {
        unknown = true;
    }
    while (kept.size + unknown > o->max_size) {
        kept.size--;
    }
    while (kept.size > 0 && !words) {
        naive_token t = naive_take(&kept, true, true);
        naive_append(&sorted, &t);
    }
    naive_list *result = words ? &kept : &sorted;
    if (unknown && result->size > 0) {
        naive_token t = {.bytes = "<unk>", .length = 5};
        naive_append(result, &t);
    }
    naive_list answer = *result;
    free(all.tokens);
    free(distinct.tokens);
    free(words ? sorted.tokens : kept.tokens);
    return answer;
}

static inline uint32_t naive_random(uint64_t *index, uint32_t below)
{
    uint32_t words[4];
    random_block(words, 2024, 99, (*index)++);
    return words[0] % below;
}

/* Any options that the library takes, with sizes that cut something of the texts below. */
static inline lrnn_vocab_options naive_options(uint64_t *index)
{
    lrnn_vocab_options o;
    if (lrnn_vocab_options_init(&o, sizeof o) != LRNN_OK) {
        abort();
    }
    o.level = (int32_t)naive_random(index, 3);
    o.lowercase = (int32_t)naive_random(index, 2);
    if (o.level == LRNN_LEVEL_WORD) {
        o.strip_punctuation = (int32_t)naive_random(index, 2);
        o.keep_empty = (int32_t)naive_random(index, 2);
    }
    o.unknown = naive_random(index, 4) == 0;
    o.min_count = 1 + naive_random(index, 3);
    o.max_size = naive_random(index, 2) ? LRNN_NO_LIMIT : 1 + naive_random(index, 12);
    if (o.level == LRNN_LEVEL_BYTE) { /* nothing is cut */
        o.unknown = 0;
        o.min_count = 1;
        o.max_size = LRNN_NO_LIMIT;
    }
    return o;
}

/* A text of `pieces` pieces: words, spaces of all sorts, punctuation, NUL, the unknown token,
 * multi-byte characters, and where allowed bytes that are not UTF-8. Returns its length. */
static inline size_t naive_text(char *to, size_t pieces, bool valid, uint64_t *index)
{
    static const struct {
        const char *bytes;
        size_t length;
    } atoms[] = {{"a", 1},
                 {"b", 1},
                 {"A", 1},
                 {"the", 3},
                 {"The", 3},
                 {" ", 1},
                 {" ", 1},
                 {"\n", 1},
                 {"\r\n", 2},
                 {"\t", 1},
                 {"\v", 1},
                 {"\x1c", 1},
                 {"\x1f ", 2},
                 {"\"", 1},
                 {"\\", 1},
                 {"-", 1},
                 {"<unk>", 5},
                 {" <unk> ", 7},
                 {"", 1},
                 {" \" ", 3},
                 {".", 1},
                 {"\xc3\xa9", 2},
                 {"\xe6\xbc\xa2", 3},
                 {"\xf0\x9f\x98\x80", 4},
                 {"\x7f", 1},
                 {"\xff", 1},
                 {"\xc3", 1},
                 {"\xed\xa0\x80", 3},
                 {"\x80", 1}};
    uint32_t count = sizeof atoms / sizeof *atoms - (valid ? 4 : 0);
    size_t length = 0;
    for (size_t i = 0; i < pieces; i++) {
        uint32_t pick = naive_random(index, count);
        memcpy(to + length, atoms[pick].bytes, atoms[pick].length);
        length += atoms[pick].length;
    }
    return length;
}

#endif
