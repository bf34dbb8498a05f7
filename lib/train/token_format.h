/* What token files consist of. */
#ifndef TRAIN_TOKEN_FORMAT_H
#define TRAIN_TOKEN_FORMAT_H

#define TOKENS_KIND   "tokens"
#define TOKENS_FORMAT "1"
#define TOKENS_TENSOR "tokens"

#define KEY_KIND       "lrnn.kind"
#define KEY_FORMAT     "lrnn.format"
#define KEY_VOCAB      "lrnn.vocab"
#define KEY_CHARACTERS "lrnn.characters" /* of the texts, decimal */

#endif
