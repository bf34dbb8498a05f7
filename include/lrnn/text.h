/* liblrnn, topic "text": vocabularies, that is tokens <-> ids. */
#ifndef LRNN_TEXT_H
#define LRNN_TEXT_H

#include "base.h" /* lrnn_status, lrnn_allocator */

#ifdef __cplusplus
extern "C" {
#endif

/* An immutable list of tokens with ids 0..size-1. A token is a string of bytes, all are different.
 * The one called `<unk>`, if there is one, is the unknown token: encoding gives its id to whatever
 * is not in the vocabulary. */
typedef struct lrnn_vocab lrnn_vocab;

/* What a token is. */
enum {
    LRNN_LEVEL_BYTE = 0, /* one byte */
    LRNN_LEVEL_CHAR = 1, /* one UTF-8 encoded code point */
    /* A run of bytes without ASCII white space, which is what Python's str.split() takes for it:
     * space, \t \n \v \f \r and the separators 0x1c to 0x1f. NUL and bytes above 0x7f are data. */
    LRNN_LEVEL_WORD = 2,
    LRNN_LEVEL_LABEL = 3 /* one of a given list; encode reads them separated by white space */
};

typedef struct lrnn_vocab_options {
    size_t size;                     /* set by lrnn_vocab_options_init */
    const lrnn_allocator *allocator; /* NULL (default): malloc and free */
    int32_t level;                   /* LRNN_LEVEL_*; default LRNN_LEVEL_CHAR */
    int32_t lowercase; /* 1: A-Z become a-z, other letters stay; not for labels; default 0 */
    /* 1: every ASCII punctuation character (Python's string.punctuation) is removed from each word;
     * words only. Default 0. */
    int32_t strip_punctuation;
    /* 1: a word that stripping empties stays, as the empty token; 0 (default): it is dropped. Words
     * of nothing but " and \ that begin or end a line are dropped in any case: they are quotes
     * around the line, not words of it. */
    int32_t keep_empty;
    /* 1: add the token `<unk>` as the last id even if nothing was cut; 0 (default): `<unk>` is
     * added only when min_count or max_size cut something, or it is a word of the text itself. */
    int32_t unknown;
    int32_t reserved; /* 0 */
    size_t min_count; /* tokens seen less often are cut; default 1, at least 1 */
    /* Most tokens to keep, the commonest first, `<unk>` included; default LRNN_NO_LIMIT. */
    size_t max_size;
} lrnn_vocab_options;

#define LRNN_NO_LIMIT ((size_t)-1)

/* Fills in the defaults. struct_size: sizeof(lrnn_vocab_options).
 * LRNN_ERR_INVALID as for lrnn_allocator_init. Since 0.1. */
LRNN_API lrnn_status lrnn_vocab_options_init(lrnn_vocab_options *options, size_t struct_size);

/* Makes the vocabulary of a text: its distinct tokens at options->level.
 * Byte level: all 256 bytes, id = byte, whatever the text holds (since 0.2; models of 0.1, which
 * kept only the bytes of their text, still load and keep their ids).
 * Order of ids: character level by code; word level by falling count, equal counts in
 * order of first appearance; `<unk>`, if there is one, last. The same text and options always give
 * the same ids.
 * text: `length` bytes, not necessarily NUL-terminated; NUL bytes are data like any other.
 * options: NULL means the defaults.
 * LRNN_ERR_INVALID: an option out of range, a word option at another level, at byte level unknown,
 * min_count above 1 or max_size below 256, text NULL or of length 0, no token left besides `<unk>`,
 * or more than 536,870,911. LRNN_ERR_FORMAT: invalid UTF-8 at character level; the message gives
 * the byte, its offset, line and column. LRNN_ERR_MEMORY. Since 0.1. */
LRNN_API lrnn_status lrnn_vocab_create_from_text(lrnn_vocab **vocab, const char *text,
                                                 size_t length, const lrnn_vocab_options *options);

/* Makes a vocabulary of `count` given labels; label i gets id i.
 * labels: NUL-terminated strings, all different. options: only allocator is read; NULL is allowed.
 * LRNN_ERR_INVALID: labels is NULL, count is 0 or more than 536,870,911, a label is NULL or appears
 * twice (the message names it).
 * LRNN_ERR_MEMORY. Since 0.1. */
LRNN_API lrnn_status lrnn_vocab_create_from_labels(lrnn_vocab **vocab, const char *const *labels,
                                                   size_t count, const lrnn_vocab_options *options);

/* Makes a vocabulary of `count` given tokens; token i gets id i. For a network that was trained
 * elsewhere with an order of its own: text is then read and written as the level does.
 * tokens: all different; of one byte each at byte level and of one UTF-8 character each at
 * character level, where only `<unk>` may be longer. lengths: bytes of each; NULL: they are
 * NUL-terminated. options: NULL means the defaults; level may be any. lowercase, strip_punctuation
 * and keep_empty say how text is read later; unknown, min_count and max_size must have their
 * defaults, since nothing is added to the list or cut from it. LRNN_ERR_INVALID: vocab or tokens is
 * NULL, count is 0 or more than 536,870,911, a token is NULL, does not fit the level or appears
 * twice (the message names it), an option out of range. LRNN_ERR_MEMORY. Since 0.2. */
LRNN_API lrnn_status lrnn_vocab_create_from_tokens(lrnn_vocab **vocab, const char *const *tokens,
                                                   const size_t *lengths, size_t count,
                                                   const lrnn_vocab_options *options);

/* Gives up the caller's hold; a model that carries the vocabulary keeps it alive. Takes NULL.
 * Since 0.1. */
LRNN_API void lrnn_vocab_destroy(lrnn_vocab *vocab);

/* Number of tokens. 0 for NULL. Since 0.1. */
LRNN_API size_t lrnn_vocab_size(const lrnn_vocab *vocab);

/* LRNN_LEVEL_* of the vocabulary. -1 for NULL. Since 0.1. */
LRNN_API int32_t lrnn_vocab_level(const lrnn_vocab *vocab);

/* Writes the options the vocabulary was made with; allocator NULL. options->size must have been set
 * by lrnn_vocab_options_init. LRNN_ERR_INVALID: NULL argument. Since 0.1. */
LRNN_API lrnn_status lrnn_vocab_get_options(lrnn_vocab_options *options, const lrnn_vocab *vocab);

/* Id of the `<unk>` token, or -1 if there is none or vocab is NULL. Since 0.1. */
LRNN_API int32_t lrnn_vocab_unknown(const lrnn_vocab *vocab);

/* Id of the token that is exactly these bytes. *id is -1 on failure.
 * LRNN_ERR_NOT_FOUND: no such token. LRNN_ERR_INVALID: NULL argument. Since 0.1. */
LRNN_API lrnn_status lrnn_vocab_find(int32_t *id, const lrnn_vocab *vocab, const char *token,
                                     size_t length);

/* Lends the bytes of token `id`, NUL-terminated, until the vocabulary goes. `length` may be NULL; a
 * token with NUL bytes inside is known only by its length. *token is NULL on failure.
 * LRNN_ERR_INVALID: id out of 0..size-1, NULL argument. Since 0.1. */
LRNN_API lrnn_status lrnn_vocab_get_token(const char **token, size_t *length,
                                          const lrnn_vocab *vocab, int32_t id);

/* Turns text into ids, with the lower-casing and stripping the vocabulary was made with. Allocates
 * nothing.
 * ids: room for `capacity` ids, or NULL with capacity 0 to ask only for the number, which is then a
 * success.
 * *count: the number of ids of the whole text, also when it does not fit; 0 on other failures.
 * text: `length` bytes; may be NULL when there are none.
 * LRNN_ERR_TOO_SMALL: capacity < *count; the first `capacity` ids were written.
 * LRNN_ERR_NOT_FOUND: a token is not in the vocabulary, which has no `<unk>`; the message names it,
 * its offset, line and column. LRNN_ERR_FORMAT: invalid UTF-8 at character level, with the same.
 * LRNN_ERR_INVALID: NULL argument. Since 0.1. */
LRNN_API lrnn_status lrnn_vocab_encode(int32_t *ids, size_t capacity, size_t *count,
                                       const lrnn_vocab *vocab, const char *text, size_t length);

/* Turns ids into text. Word and label tokens are joined by one space, others by nothing.
 * text: room for `capacity` bytes, or NULL with capacity 0 to ask only for the length, which is
 * then a success; a NUL is added when there is room for it. *length: bytes of the whole text,
 * without the NUL. ids: may be NULL when count is 0. LRNN_ERR_TOO_SMALL: capacity < *length;
 * nothing was written. LRNN_ERR_INVALID: an id is out of range (the message gives its position),
 * NULL argument. LRNN_ERR_MEMORY: the length does not fit size_t. Since 0.1. */
LRNN_API lrnn_status lrnn_vocab_decode(char *text, size_t capacity, size_t *length,
                                       const lrnn_vocab *vocab, const int32_t *ids, size_t count);

#ifdef __cplusplus
}
#endif

#endif
