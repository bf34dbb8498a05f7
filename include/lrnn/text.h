/* liblrnn, topic "text": vocabularies, which map tokens to ids and back. */
#ifndef LRNN_TEXT_H
#define LRNN_TEXT_H

#include "base.h" /* lrnn_status, lrnn_allocator */

#ifdef __cplusplus
extern "C" {
#endif

/* An immutable list of distinct tokens, each a string of bytes, with ids 0..size-1. The token
 * called `<unk>`, if there is one, is the unknown token: encoding gives its id to whatever is not
 * in the vocabulary. */
typedef struct lrnn_vocab lrnn_vocab;

/* What a token is. */
enum {
    LRNN_LEVEL_BYTE = 0, /* one byte */
    LRNN_LEVEL_CHAR = 1, /* one UTF-8 encoded code point */
    /* A run of bytes without ASCII white space, by which is meant what Python's str.split() splits
     * at: space, \t \n \v \f \r and the separators 0x1c to 0x1f. NUL and bytes above 0x7f are
     * data. */
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
    /* 1: a word of nothing but punctuation is kept, as the empty token; 0 (default): it is dropped.
     * Words of nothing but " and \ at the beginning or end of a line are always dropped: they are
     * quotes around the line, not part of it. */
    int32_t keep_empty;
    /* 1: add the token `<unk>` as the last id even if no token was dropped; 0 (default): `<unk>` is
     * there only if min_count or max_size dropped a token, or if it is a word of the text. */
    int32_t unknown;
    int32_t reserved; /* 0 */
    size_t min_count; /* tokens that occur less often are dropped; default 1, at least 1 */
    /* Maximum number of tokens, `<unk>` included; the most frequent are kept. Default
     * LRNN_NO_LIMIT. */
    size_t max_size;
} lrnn_vocab_options;

#define LRNN_NO_LIMIT ((size_t)-1)

/* Fills in the defaults. struct_size: sizeof(lrnn_vocab_options).
 * LRNN_ERR_INVALID as for lrnn_allocator_init. Since 0.1. */
LRNN_API lrnn_status lrnn_vocab_options_init(lrnn_vocab_options *options, size_t struct_size);

/* Makes the vocabulary of a text: its distinct tokens at the level options->level.
 * Byte level: all 256 bytes, id = byte, whatever the text holds (since 0.2; models of 0.1, which
 * kept only the bytes of their text, still load and keep their ids).
 * Order of ids: at character level by code point; at word level by descending count, ties in order
 * of first appearance; `<unk>`, if there is one, last. The same text and options always give the
 * same ids.
 * text: `length` bytes, not necessarily NUL-terminated; NUL bytes are data like any other. options:
 * NULL means the defaults.
 * LRNN_ERR_INVALID: an option is out of range, or is for words and the level is another; at byte
 * level `unknown`, min_count above 1 or max_size below 256; text is NULL or has length 0; no token
 * but `<unk>` is left, or more than 536,870,911 are. LRNN_ERR_FORMAT: invalid UTF-8 at character
 * level; the message gives the byte, its offset, line and column. LRNN_ERR_MEMORY. Since 0.1. */
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
 * elsewhere and has its own order of tokens; text is read and written as always at that level.
 * tokens: all different; at byte level one byte each, at character level one UTF-8 character each,
 * where only `<unk>` may be longer.
 * lengths: bytes of each; NULL if they are NUL-terminated.
 * options: NULL means the defaults; any level. lowercase, strip_punctuation and keep_empty say how
 * text is read later; unknown, min_count and max_size must have their defaults, since nothing is
 * added to the list or removed from it.
 * LRNN_ERR_INVALID: vocab or tokens is NULL, count is 0 or more than 536,870,911, a token is NULL,
 * does not fit the level or appears twice (the message names it), or an option is out of range.
 * LRNN_ERR_MEMORY. Since 0.2. */
LRNN_API lrnn_status lrnn_vocab_create_from_tokens(lrnn_vocab **vocab, const char *const *tokens,
                                                   const size_t *lengths, size_t count,
                                                   const lrnn_vocab_options *options);

/* Counts the tokens of texts that come in pieces, in memory that depends only on how many different
 * tokens there are and on the longest word: for texts larger than memory. Used by one thread at a
 * time. Since 0.2. */
typedef struct lrnn_vocab_counter lrnn_vocab_counter;

/* Makes a counter. options: those of the vocabulary; NULL means the defaults.
 * LRNN_ERR_INVALID: an option is out of range; LRNN_ERR_MEMORY. Since 0.2. */
LRNN_API lrnn_status lrnn_vocab_counter_create(lrnn_vocab_counter **counter,
                                               const lrnn_vocab_options *options);

/* Accepts NULL. Since 0.2. */
LRNN_API void lrnn_vocab_counter_destroy(lrnn_vocab_counter *counter);

/* Counts the next `length` bytes of a text; a piece may end anywhere, also within a character. text
 * may be NULL if length is 0.
 * After an error the counter can only be destroyed: other calls return LRNN_ERR_STATE.
 * LRNN_ERR_FORMAT: invalid UTF-8 at character level; the message gives the byte, its offset, line
 * and column in the text. LRNN_ERR_INVALID: NULL argument, or more than 536,870,911 different
 * tokens. LRNN_ERR_MEMORY. Since 0.2. */
LRNN_API lrnn_status lrnn_vocab_counter_add(lrnn_vocab_counter *counter, const char *text,
                                            size_t length);

/* Ends a text: what is added next is another one, and no token spans the two. Errors as for
 * lrnn_vocab_counter_add. Since 0.2. */
LRNN_API lrnn_status lrnn_vocab_counter_end(lrnn_vocab_counter *counter);

/* Makes the vocabulary of all texts counted, with the ids that lrnn_vocab_create_from_text would
 * give. The counter can only be destroyed then. Errors as for lrnn_vocab_counter_add;
 * LRNN_ERR_INVALID: no token but `<unk>` is left. Since 0.2. */
LRNN_API lrnn_status lrnn_vocab_create_from_counter(lrnn_vocab **vocab,
                                                    lrnn_vocab_counter *counter);

/* Releases the caller's reference; a model that carries the vocabulary keeps it alive. Accepts
 * NULL. Since 0.1. */
LRNN_API void lrnn_vocab_destroy(lrnn_vocab *vocab);

/* Adds a reference to the same vocabulary, to be released with lrnn_vocab_destroy like the first;
 * any thread may call it. Returns vocab; NULL for NULL. Since 0.2. */
LRNN_API lrnn_vocab *lrnn_vocab_share(const lrnn_vocab *vocab);

/* Number of tokens. 0 for NULL. Since 0.1. */
LRNN_API size_t lrnn_vocab_size(const lrnn_vocab *vocab);

/* LRNN_LEVEL_* of the vocabulary. -1 for NULL. Since 0.1. */
LRNN_API int32_t lrnn_vocab_level(const lrnn_vocab *vocab);

/* Writes the options with which the vocabulary was made, allocator NULL. options->size must have
 * been set by lrnn_vocab_options_init. LRNN_ERR_INVALID: NULL argument. Since 0.1. */
LRNN_API lrnn_status lrnn_vocab_get_options(lrnn_vocab_options *options, const lrnn_vocab *vocab);

/* Id of the `<unk>` token, or -1 if there is none or vocab is NULL. Since 0.1. */
LRNN_API int32_t lrnn_vocab_unknown(const lrnn_vocab *vocab);

/* Id of the token that is exactly these bytes. *id is -1 on failure.
 * LRNN_ERR_NOT_FOUND: no such token. LRNN_ERR_INVALID: NULL argument. Since 0.1. */
LRNN_API lrnn_status lrnn_vocab_find(int32_t *id, const lrnn_vocab *vocab, const char *token,
                                     size_t length);

/* Points *token at the bytes of token `id`, NUL-terminated and valid until the vocabulary is
 * destroyed. length: may be NULL; only the length shows the end of a token that contains NUL bytes.
 * *token is NULL on failure. LRNN_ERR_INVALID: id out of 0..size-1, NULL argument. Since 0.1. */
LRNN_API lrnn_status lrnn_vocab_get_token(const char **token, size_t *length,
                                          const lrnn_vocab *vocab, int32_t id);

/* Turns text into ids, applying the vocabulary's lower-casing and stripping. Allocates nothing.
 * ids: room for `capacity` ids; NULL with capacity 0 only counts them, which is a success then.
 * *count: the number of ids of the whole text, also when it does not fit; 0 on other failures.
 * text: `length` bytes; may be NULL when there are none.
 * LRNN_ERR_TOO_SMALL: capacity < *count; the first `capacity` ids were written. LRNN_ERR_NOT_FOUND:
 * a token is not in the vocabulary, and there is no `<unk>`; the message gives the token, its
 * offset, line and column. LRNN_ERR_FORMAT: invalid UTF-8 at character level, with the same.
 * LRNN_ERR_INVALID: NULL argument. Since 0.1. */
LRNN_API lrnn_status lrnn_vocab_encode(int32_t *ids, size_t capacity, size_t *count,
                                       const lrnn_vocab *vocab, const char *text, size_t length);

/* Turns ids into text. Word and label tokens are joined by one space, others by nothing.
 * text: room for `capacity` bytes; NULL with capacity 0 only measures the length, which is a
 * success then. A NUL is added if there is room for it. *length: bytes of the whole text, without
 * the NUL. ids: may be NULL when count is 0. LRNN_ERR_TOO_SMALL: capacity < *length; nothing was
 * written. LRNN_ERR_INVALID: an id is out of range (the message gives its position), NULL argument.
 * LRNN_ERR_MEMORY: the length does not fit size_t. Since 0.1. */
LRNN_API lrnn_status lrnn_vocab_decode(char *text, size_t capacity, size_t *length,
                                       const lrnn_vocab *vocab, const int32_t *ids, size_t count);

#ifdef __cplusplus
}
#endif

#endif
