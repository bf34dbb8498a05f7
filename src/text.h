/* Text files, and texts as tokens. */
#ifndef TEXT_H
#define TEXT_H

#include <lrnn.h>

typedef struct text {
    char *bytes;
    size_t length;
    size_t capacity;
} text;

/* Adds a file to a text that began as {0}, "-" meaning stdin. A text that does not end with a
 * newline gets one before the next file begins, so that no word is glued together. */
int text_add_file(text *all, const char *path);
/* Puts a NUL after the text, which its length does not count. */
int text_terminate(text *all);
void text_free(text *all);

/* Number of UTF-8 code points; in other encodings, of bytes that cannot be continuation bytes. */
size_t text_characters(const text *all);

typedef struct token_list {
    int32_t *ids;
    size_t count;
} token_list;

/* Encodes a text. `name` stands in front of the error message. */
int tokens_encode(token_list *tokens, const lrnn_vocab *vocab, const char *bytes, size_t length,
                  const char *name);
void tokens_free(token_list *tokens);

/* A number that differs (FNV-1a, 64 bits) when the tokens do. */
uint64_t tokens_fingerprint(const int32_t *ids, size_t count);

#endif
