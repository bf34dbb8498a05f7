/* A stream of tokens in a file, read ahead for each row of a window: rows walk through the stream
 * at places far apart, and a read for each of them in each window would cost as much as a small
 * net. */
#ifndef TRAIN_TOKEN_SOURCE_H
#define TRAIN_TOKEN_SOURCE_H

#include "base/memory.h"
#include "lrnn/train.h"

typedef struct token_source {
    lrnn_tokens *tokens; /* NULL: there is none */
    size_t first;        /* of the stream, in the file */
    size_t length;       /* of the stream */
    size_t rows;
    size_t ahead;    /* tokens that a row's buffer holds */
    int32_t *buffer; /* [rows,ahead] */
    size_t *starts;  /* [rows] where in the stream each begins */
    size_t *counts;  /* [rows] tokens that it has */
} token_source;

/* `least`: the most tokens that are asked for at once. LRNN_ERR_MEMORY. */
lrnn_status token_source_create(token_source *source, const lrnn_tokens *tokens, size_t first,
                                size_t length, size_t rows, size_t least,
                                const lrnn_allocator *allocator);
void token_source_release(token_source *source, const lrnn_allocator *allocator);

/* Points *ids at `count` tokens from `start` on, read into the buffer of that row; valid until the
 * next call for it. LRNN_ERR_IO, LRNN_ERR_FORMAT. */
lrnn_status token_source_get(const int32_t **ids, token_source *source, size_t row, size_t start,
                             size_t count);

#endif
