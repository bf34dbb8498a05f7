/* What token files consist of. */
#ifndef TRAIN_TOKEN_FORMAT_H
#define TRAIN_TOKEN_FORMAT_H

#define TOKENS_KIND   "tokens"
#define TOKENS_FORMAT "1"
#define TOKENS_TENSOR "tokens"

/* After the tokens, so many bytes a block: the digest (format/digest.h) of every so many of the
 * tokens' bytes, little-endian; the last block may be shorter. */
#define DIGESTS_TENSOR "digests"
#define DIGEST_BYTES   ((size_t)8)
#define BLOCK_BYTES    ((size_t)16384)

#define KEY_KIND       "lrnn.kind"
#define KEY_FORMAT     "lrnn.format"
#define KEY_VOCAB      "lrnn.vocab"
#define KEY_CHARACTERS "lrnn.characters" /* of the texts, decimal */

#endif
