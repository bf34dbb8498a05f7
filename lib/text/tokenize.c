/* Cutting text into tokens. Words are what Python's str.split() gives on ASCII text, and stripping
 * removes string.punctuation from each. */
#include <string.h>

#include "base/error.h"
#include "base/utf8.h"
#include "build.h"

bool tokenizer_is_space(unsigned c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f);
}

static bool is_punctuation(unsigned c)
{
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
           (c >= '{' && c <= '~');
}

void tokenizer_set_rules(tokenizer_rules *rules, const lrnn_vocab_options *o)
{
    bool words = o->level == LRNN_LEVEL_WORD || o->level == LRNN_LEVEL_LABEL;
    *rules = (tokenizer_rules){.level = o->level,
                               .keep_empty = o->keep_empty != 0,
                               .edge_quotes = o->strip_punctuation != 0};
    for (unsigned c = 0; c < 256; c++) {
        bool upper = o->lowercase && c >= 'A' && c <= 'Z';
        rules->map[c] = (uint16_t)(upper ? c + ('a' - 'A') : c);
        if (words && tokenizer_is_space(c)) {
            rules->map[c] = TOKENIZER_SPACE;
        } else if (o->strip_punctuation && is_punctuation(c)) {
            rules->map[c] = TOKENIZER_DROP;
        }
    }
}

/* ---- hashing ---- */

/* The steps of FNV-1a (Fowler, Noll and Vo) with a wider factor, and a shift so that high bits come
 * back down; the last mix is that of MurmurHash3. */
static inline uint64_t hash_byte(uint64_t hash, unsigned byte)
{
    hash = (hash ^ byte) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

static inline uint64_t hash_end(uint64_t hash)
{
    hash *= UINT64_C(0xff51afd7ed558ccd);
    return hash ^ hash >> 33;
}

uint64_t token_hash(uint64_t seed, const char *bytes, size_t length)
{
    uint64_t hash = seed;
    for (size_t i = 0; i < length; i++) {
        hash = hash_byte(hash, (unsigned char)bytes[i]);
    }
    return hash_end(hash);
}

uint64_t token_seed(const void *table)
{
    return hash_end(UINT64_C(0xcbf29ce484222325) ^ (uint64_t)(uintptr_t)table);
}

/* ---- pieces ---- */

bool piece_is(const tokenizer_rules *rules, const piece *p, const char *bytes)
{
    for (size_t i = 0; i < p->raw_length; i++) {
        unsigned c = rules->map[(unsigned char)p->raw[i]];
        if (c != TOKENIZER_DROP && c != (unsigned char)*bytes++) {
            return false;
        }
    }
    return true;
}

void piece_copy(char *to, const tokenizer_rules *rules, const piece *p)
{
    for (size_t i = 0; i < p->raw_length; i++) {
        unsigned c = rules->map[(unsigned char)p->raw[i]];
        if (c != TOKENIZER_DROP) {
            *to++ = (char)c;
        }
    }
}

/* ---- walking ---- */

/* Words of nothing but quotes and backslashes that begin or end a line. */
static bool is_edge_quote(const tokenizer *from, const piece *p)
{
    for (size_t i = 0; i < p->raw_length; i++) {
        if (p->raw[i] != '"' && p->raw[i] != '\\') {
            return false;
        }
    }
    size_t start = (size_t)(p->raw - from->text), end = start + p->raw_length;
    char before = start > 0 ? from->text[start - 1] : '\n';
    char after = end < from->length ? from->text[end] : '\n';
    return before == '\n' || before == '\r' || after == '\n' || after == '\r';
}

static lrnn_status next_word(tokenizer *from, piece *next)
{
    const uint16_t *map = from->rules->map;
    const unsigned char *text = (const unsigned char *)from->text;
    for (;;) {
        size_t at = from->at, length = 0;
        uint64_t hash = from->seed;
        while (at < from->length && map[text[at]] == TOKENIZER_SPACE) {
            at++;
        }
        size_t start = at;
        for (; at < from->length && map[text[at]] != TOKENIZER_SPACE; at++) {
            unsigned c = map[text[at]];
            if (c != TOKENIZER_DROP) {
                hash = hash_byte(hash, c);
                length++;
            }
        }
        from->at = at;
        if (at == start) {
            return LRNN_END;
        }
        *next = (piece){from->text + start, at - start, length, hash_end(hash)};
        if (length > 0 ||
            (from->rules->keep_empty && !(from->rules->edge_quotes && is_edge_quote(from, next)))) {
            return LRNN_OK;
        }
    }
}

lrnn_status tokenizer_next_long(tokenizer *from, piece *next)
{
    if (from->rules->level >= LRNN_LEVEL_WORD) {
        return next_word(from, next);
    }
    if (from->at == from->length) {
        return LRNN_END;
    }
    const char *raw = from->text + from->at;
    uint32_t code_point;
    size_t size = utf8_decode(&code_point, raw, from->length - from->at);
    if (size == 0) {
        char place[PLACE_SHOWN];
        return error_set(LRNN_ERR_FORMAT, "text: invalid UTF-8 at %s: 0x%02x",
                         text_place(place, from, from->at), (unsigned char)*raw);
    }
    from->at += size;
    *next = (piece){raw, size, size, token_hash(from->seed, raw, size)};
    return LRNN_OK;
}
