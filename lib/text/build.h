/* The inside of a vocabulary, and how one is made from a list of tokens. */
#ifndef TEXT_BUILD_H
#define TEXT_BUILD_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/memory.h"
#include "vocab.h"

struct lrnn_vocab {
    atomic_size_t owners;
    lrnn_allocator allocator;
    lrnn_vocab_options options; /* as made; allocator NULL */
    size_t size;
    int32_t unknown;
    char *bytes;
    size_t *offsets; /* [size + 1] of each token in bytes, NUL included */
    int32_t *slots;  /* ids, -1 where empty */
    size_t mask;
};

/* A token that is being counted. */
typedef struct token {
    const char *bytes;
    size_t length;
    size_t count;
    size_t first; /* where it was seen first */
} token;

uint64_t vocab_hash(const char *bytes, size_t length);

/* Id of the token, or -1. */
int32_t vocab_lookup(const lrnn_vocab *vocab, const char *bytes, size_t length);

lrnn_status vocab_read_options(lrnn_vocab_options *options, const lrnn_vocab_options *given);

/* The bytes are copied. LRNN_ERR_INVALID: a token appears twice. */
lrnn_status vocab_create(lrnn_vocab **vocab, const lrnn_allocator *allocator, const token *tokens,
                         size_t count, const lrnn_vocab_options *options, int32_t unknown);

/* ---- tokenize.c ---- */

/* Walks over a text. Words that have to be changed are put together in `word`, which the caller
 * gives room for; see tokenizer_room. */
typedef struct tokenizer {
    const lrnn_vocab_options *options;
    const char *text;
    size_t length, at;
    char *word;
} tokenizer;

/* Bytes of the longest word that has to be changed; 0 if none has. */
size_t tokenizer_room(const lrnn_vocab_options *options, const char *text, size_t length);

/* The next token, its bytes and its offset in the text. LRNN_END: no more. LRNN_ERR_FORMAT: invalid
 * UTF-8, with the offset. */
lrnn_status tokenizer_next(tokenizer *from, const char **bytes, size_t *length, size_t *offset);

#endif
