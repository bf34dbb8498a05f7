/* The tokens of texts, in memory or in a token file. */
#ifndef CORPUS_H
#define CORPUS_H

#include <lrnn.h>
#include <stdbool.h>

#include "text.h"

typedef struct corpus {
    const char *name;  /* of the token file, for messages */
    token_list memory; /* ids NULL: they are in the file */
    lrnn_tokens *file;
    size_t first; /* in the file */
    size_t count;
    bool lent; /* part of another corpus, which owns the tokens */
} corpus;

/* Is there a token file at this path? False too where there is no file. */
bool corpus_is_file(const char *path);

/* Opens a token file, and complains unless it has a vocabulary of a level that texts have. */
int corpus_open(corpus *made, const char *path);

/* Encodes texts into memory. */
int corpus_encode(corpus *made, const lrnn_vocab *vocab, const text *source);

/* Moves the last `count` tokens to another corpus, which lasts no longer than this one. */
void corpus_split(corpus *all, size_t count, corpus *last);

void corpus_free(corpus *made);

/* Copies `count` tokens from `first` on. */
lrnn_status corpus_read(int32_t *ids, const corpus *from, size_t first, size_t count);

/* Windows of it. */
lrnn_status corpus_batches(lrnn_batches **batches, const corpus *from,
                           const lrnn_batches_options *options);

/* Complains unless both vocabularies have the same tokens in the same order. */
int corpus_check_vocab(const corpus *file, const lrnn_vocab *vocab, const char *whose);

#endif
