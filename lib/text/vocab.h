/* What the model folder needs of a vocabulary beyond the public header. */
#ifndef TEXT_VOCAB_H
#define TEXT_VOCAB_H

#include "lrnn/text.h"

/* The vocabulary as UTF-8 text for a file's metadata and back: JSON with level, options and the
 * tokens in id order; bytes that are not valid UTF-8 are escaped reversibly. *text is taken from
 * `allocator` (memory_release) and NUL-terminated. */
lrnn_status vocab_write(char **text, size_t *length, const lrnn_vocab *vocab,
                        const lrnn_allocator *allocator);

/* Hostile input: LRNN_ERR_FORMAT with what was wrong. */
lrnn_status vocab_read(lrnn_vocab **vocab, const lrnn_allocator *allocator, const char *text,
                       size_t length);

#endif
