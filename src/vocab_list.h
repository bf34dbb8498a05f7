/* Vocabularies in files of the user's: a list of tokens, or a text that holds them. */
#ifndef VOCAB_LIST_H
#define VOCAB_LIST_H

#include <lrnn.h>

/* A list: id i is token i, read and written as `level` does. The file is a JSON list of strings, or
 * has one token per line with the escapes \n \t \r \\ \xHH and \uHHHH; the ends of lines may be
 * CRLF, and a byte order mark is left out. */
int vocab_read_list(lrnn_vocab **vocab, const char *path, int32_t level);

/* The vocabulary of a text, as lrnn train makes it. */
int vocab_read_text(lrnn_vocab **vocab, const char *path, int32_t level);

/* Prints how many tokens there are, the first and the last. */
int vocab_report(const lrnn_vocab *vocab, const char *path);

#endif
