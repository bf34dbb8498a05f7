/* Text files, and texts as tokens. */
#ifndef TEXT_H
#define TEXT_H

#include <lrnn.h>
#include <stdio.h>

/* One file's part of a text. */
typedef struct document {
    const char *name; /* of the file; the caller's */
    size_t start, length;
} document;

/* Texts of one level, one document after the other. For words, and for them alone, a newline that
 * belongs to no document ends each that has none, so that no word spans two. */
typedef struct text {
    int32_t level; /* LRNN_LEVEL_*, set by the caller; bytes are read as they are */
    char *bytes;
    size_t length;
    size_t capacity;
    document *documents;
    size_t count;
} text;

/* Adds a file to a text that began as {.level = ...}, "-" meaning stdin. Except at byte level a
 * byte order mark at its start is left out, and UTF-16 and UTF-32 are refused by name. */
int text_add_file(text *all, const char *path);
/* What messages call all these texts: "book.txt", "book.txt and 2 others"; in fresh memory, or
 * NULL. */
char *text_names(char *const *paths, int count);

void text_free(text *all);

/* Opens a text, "-" meaning stdin. A device that has something to read, other than a terminal, has
 * no end (/dev/zero, /dev/full) or is a whole disk, and is refused. NULL after a complaint. */
FILE *text_open(const char *path);
void text_close(FILE *stream);

/* Number of UTF-8 code points; in other encodings, of bytes that cannot be continuation bytes. */
size_t text_characters(const text *all);

/* "standard input" for "-". */
const char *text_name(const char *path);

/* Reports that a text could not be read as tokens, and what helps. */
int complain_text(lrnn_status status, const char *name);

typedef struct token_list {
    int32_t *ids;
    size_t count;
} token_list;

/* Encodes a text. `name` stands in front of the error message. */
int tokens_encode(token_list *tokens, const lrnn_vocab *vocab, const char *bytes, size_t length,
                  const char *name);

/* Encodes all documents, one after the other; an error names the file. */
int tokens_encode_text(token_list *tokens, const lrnn_vocab *vocab, const text *all);
void tokens_free(token_list *tokens);

/* Bytes of a byte order mark at the beginning of a text. UTF-16 and UTF-32 are complained about. */
int text_check_beginning(size_t *mark, const char *bytes, size_t length, const char *name);

#endif
