/* The inside of a vocabulary: the token list, and how text is cut into pieces. */
#ifndef TEXT_BUILD_H
#define TEXT_BUILD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/memory.h"
#include "vocab.h"

/* The token of this name is the one that stands for all others. */
#define UNKNOWN_TOKEN  "<unk>"
#define UNKNOWN_LENGTH (sizeof UNKNOWN_TOKEN - 1)

/* Ids are int32_t, and the hash table, up to four times as long, is indexed by them as well. */
#define VOCAB_MAX_SIZE ((size_t)INT32_MAX / 4)

/* Tokens of the byte level. */
#define BYTE_TOKENS 256

/* ---- tokenize.c ---- */

/* What becomes of each byte of a text. */
typedef struct tokenizer_rules {
    int32_t level;
    bool keep_empty;
    bool edge_quotes;  /* words of quotes at the edge of a line vanish, even with keep_empty */
    uint16_t map[256]; /* the byte it becomes, or one of the two below */
} tokenizer_rules;

#define TOKENIZER_DROP  256 /* the byte is left out */
#define TOKENIZER_SPACE 257 /* the byte ends a word */

/* What ends a word: ASCII white space and separators. */
bool tokenizer_is_space(unsigned c);

void tokenizer_set_rules(tokenizer_rules *rules, const lrnn_vocab_options *options);

/* Where a text begins that is part of a longer one: its first byte, line and column, all from 0. */
typedef struct text_origin {
    size_t byte, line, column;
} text_origin;

typedef struct tokenizer {
    const tokenizer_rules *rules;
    uint64_t seed; /* of the hash */
    const char *text;
    size_t length, at;
    text_origin origin; /* of text[0], for messages */
} tokenizer;

/* A token as it stands in the text. What the rules make of its bytes is never stored: it is hashed,
 * compared and copied byte by byte, so that no word, however long, needs memory. */
typedef struct piece {
    const char *raw;
    size_t raw_length;
    size_t length; /* after the rules */
    uint64_t hash; /* of the bytes after the rules */
} piece;

/* A word, or a character of several bytes, or what else is no single byte. */
lrnn_status tokenizer_next_long(tokenizer *from, piece *next);

/* LRNN_END: no more. LRNN_ERR_FORMAT: invalid UTF-8, with the offset. */
static inline lrnn_status tokenizer_next(tokenizer *from, piece *next)
{
    int32_t level = from->rules->level;
    if (level < LRNN_LEVEL_WORD && from->at < from->length &&
        (level == LRNN_LEVEL_BYTE || (unsigned char)from->text[from->at] < 0x80)) {
        *next = (piece){from->text + from->at++, 1, 1, 0}; /* looked up without a hash */
        return LRNN_OK;
    }
    return tokenizer_next_long(from, next);
}

/* The byte of a piece that has only one. */
static inline unsigned char piece_byte(const tokenizer_rules *rules, const piece *p)
{
    const unsigned char *raw = (const unsigned char *)p->raw;
    while (rules->map[*raw] == TOKENIZER_DROP) {
        raw++;
    }
    return (unsigned char)rules->map[*raw];
}

/* Whether the piece is these p->length bytes; copying them. */
bool piece_is(const tokenizer_rules *rules, const piece *p, const char *bytes);
void piece_copy(char *to, const tokenizer_rules *rules, const piece *p);

/* The hash that pieces have. Each table has a seed of its own, which texts cannot know, so that
 * none can be made whose tokens all fall on one slot. */
uint64_t token_hash(uint64_t seed, const char *bytes, size_t length);
uint64_t token_seed(const void *table);

/* ---- place.c ---- */

/* The beginning of a token for a message, escaped where it would not be seen, without quotes. */
#define TOKEN_SHOWN 64
const char *token_show(char to[TOKEN_SHOWN], const char *bytes, size_t length);

/* The same in quotes; a single character that is not printable ASCII by its code point instead, as
 * in "U+000D carriage return", and a byte that is no character as in "0xff". */
#define TOKEN_NAMED (TOKEN_SHOWN + 32)
const char *token_name(char to[TOKEN_NAMED], const char *bytes, size_t length);

/* Moves an origin past these bytes; a column is a character. */
void text_origin_advance(text_origin *origin, const char *text, size_t length);

/* "byte N (line L, column C)" of text[at], line and column from 1. */
#define PLACE_SHOWN 96
const char *text_place(char to[PLACE_SHOWN], const tokenizer *from, size_t at);

/* ---- coding.c ---- */

/* Ids of the next tokens, up to `capacity`, *count of them. LRNN_END: the text has no more; other
 * errors as lrnn_vocab_encode. */
lrnn_status vocab_encode_next(int32_t *ids, size_t capacity, size_t *count, const lrnn_vocab *vocab,
                              tokenizer *from);

/* ---- count.c ---- */

typedef struct token_counter token_counter;

/* Options NULL: the defaults. */
lrnn_status counter_create(token_counter **made, const lrnn_vocab_options *options);
void counter_destroy(token_counter *c); /* takes NULL */
const lrnn_vocab_options *counter_options(const token_counter *c);
const lrnn_allocator *counter_allocator(const token_counter *c);
lrnn_status counter_add(token_counter *c, const char *text, size_t length,
                        const text_origin *origin);

/* Makes the vocabulary of what was counted, which is used up by it. */
lrnn_status counter_build(lrnn_vocab **vocab, token_counter *c);

/* ---- vocab.c ---- */

typedef struct token {
    const char *bytes;
    size_t length;
} token;

struct lrnn_vocab {
    atomic_size_t owners;
    lrnn_allocator allocator;
    lrnn_vocab_options options; /* as made; allocator NULL */
    tokenizer_rules rules;
    uint64_t seed;
    size_t size;
    int32_t unknown;
    char *bytes;         /* all tokens, a NUL after each */
    size_t *offsets;     /* [size + 1] of each token in bytes */
    int32_t *slots;      /* open addressing: ids, -1 where empty; at most half of them are used */
    size_t mask;         /* number of slots - 1 */
    int32_t single[256]; /* ids of the tokens of one byte, -1 where there is none */
};

int32_t vocab_find_long(const lrnn_vocab *vocab, const piece *p);

/* The id of a piece, or -1. */
static inline int32_t vocab_find_piece(const lrnn_vocab *vocab, const piece *p)
{
    return p->length == 1 ? vocab->single[piece_byte(&vocab->rules, p)] : vocab_find_long(vocab, p);
}

lrnn_status vocab_read_options(lrnn_vocab_options *options, const lrnn_vocab_options *given);

/* The bytes are copied. LRNN_ERR_INVALID: no token, too many, or one that appears twice. */
lrnn_status vocab_create(lrnn_vocab **vocab, const lrnn_allocator *allocator, const token *tokens,
                         size_t count, const lrnn_vocab_options *options);

/* Could a text of this level hold the token, or is it `<unk>`? LRNN_ERR_FORMAT if not, with the
 * token and its place in the list. */
lrnn_status token_check_level(int32_t level, size_t index, const char *bytes, size_t length);

static inline bool token_is_unknown(const char *bytes, size_t length)
{
    return length == UNKNOWN_LENGTH && __builtin_memcmp(bytes, UNKNOWN_TOKEN, length) == 0;
}

#endif
