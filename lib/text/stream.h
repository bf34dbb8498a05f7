/* A text that comes in pieces of any size, passed on in blocks. A block ends where a cut changes no
 * token: after white space, or between characters. Of a word level text each block begins with the
 * white space that ended the one before, so that a tokenizer sees what stands before every word.
 * Memory is that of the longest word and one block. */
#ifndef TEXT_STREAM_H
#define TEXT_STREAM_H

#include "build.h"

typedef struct text_stream {
    lrnn_allocator allocator;
    int32_t level;
    char *held; /* what has come and is not passed on yet */
    size_t used, room;
    text_origin origin; /* of held[0] in the document */
} text_stream;

typedef lrnn_status text_block(void *user, const char *text, size_t length,
                               const text_origin *origin);

/* LRNN_ERR_MEMORY, or what `each` returns; the stream is then only good to be released. */
lrnn_status text_stream_add(text_stream *stream, const char *text, size_t length, text_block *each,
                            void *user);

/* The document is over: passes on the rest, and another document may follow. */
lrnn_status text_stream_end(text_stream *stream, text_block *each, void *user);

void text_stream_release(text_stream *stream);

#endif
