/* A set of words, each a sequence of labels, as a trie. */
#ifndef DECODE_LEXICON_H
#define DECODE_LEXICON_H

#include <stdatomic.h>

#include "base/memory.h"
#include "lrnn/decode.h"

#define LEXICON_ROOT    0    /* before the first label of a word */
#define LEXICON_NOWHERE (-1) /* no word begins like this */
#define LEXICON_NO_WORD (-1)

typedef struct lexicon_node {
    int32_t parent, label;
    int32_t word; /* that ends here, or LEXICON_NO_WORD */
} lexicon_node;

struct lrnn_lexicon {
    atomic_size_t owners;
    lrnn_allocator allocator;
    lexicon_node *nodes;
    int32_t *slots; /* open addressing over (parent, label): node, 0 where empty */
    size_t node_count, mask;
    size_t words, longest;           /* labels */
    int32_t largest;                 /* label, */
    size_t largest_word, largest_at; /* and where it is */
};

lrnn_lexicon *lexicon_share(const lrnn_lexicon *lexicon);

/* The node of one label more, or LEXICON_NOWHERE. */
int32_t lexicon_child(const lrnn_lexicon *lexicon, int32_t node, int32_t label);

#endif
