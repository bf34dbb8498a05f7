/* From a prompt to ids, and from ids to text on stdout, token by token. */
#ifndef GENERATION_H
#define GENERATION_H

#include <lrnn.h>
#include <stdbool.h>

#include "text.h"

/* Encodes a prompt. An empty one becomes the token that begins a text as well as any: a newline if
 * the vocabulary has one, else a space, else token 0 (the commonest word); *stands_in is true then,
 * and the token is for the model only, not to be shown. */
int prompt_encode(token_list *tokens, bool *stands_in, const lrnn_vocab *vocab, const char *prompt);

/* Writes tokens to stdout as lrnn_vocab_decode would join them, each as soon as it comes. */
typedef struct token_writer {
    const lrnn_vocab *vocab;
    bool spaced; /* tokens are joined by a space */
    bool begun;
    bool line_open; /* the last byte was not a newline */
} token_writer;

token_writer token_writer_begin(const lrnn_vocab *vocab);
void token_writer_put(token_writer *writer, int32_t id);

/* Ends the line if it is open. */
void token_writer_end(token_writer *writer);

/* A decoder's `token` callback, with a token_writer as user: writes and flushes; fails when stdout
 * cannot be written. */
int32_t token_writer_stream(void *writer, size_t request, int32_t token, float log_probability);

#endif
