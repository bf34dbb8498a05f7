/* A tree of label sequences whose nodes come and go: a node is found from its parent and its last
 * label, and lives as long as it is held or has children. */
#ifndef DECODE_PREFIX_H
#define DECODE_PREFIX_H

#include "base/memory.h"
#include "search.h"

/* What is known of a sequence besides its labels. */
typedef struct prefix_node {
    int32_t frame; /* where the last label is most probable */
    float peak;    /* its log-probability there */
    int32_t place; /* in the lexicon; see ctc_language.c */
    int32_t uses;  /* children, and one for each hold */
    int32_t next;  /* in the chain of its bucket, or of the free nodes */
} prefix_node;

typedef struct prefix_tree {
    search_node *nodes;
    prefix_node *known; /* the same index */
    int32_t *buckets;
    size_t capacity, bucket_count; /* a power of two */
    int32_t free;
} prefix_tree;

/* See arena. */
void prefix_lay_out(prefix_tree *tree, size_t capacity, arena *from);

/* Nothing but the root. */
void prefix_clear(prefix_tree *tree);

/* The sequence of `parent` with `token` after it; -1 where there is none. */
int32_t prefix_find(const prefix_tree *tree, int32_t parent, int32_t token);

/* Adds one that there is not; held once. */
int32_t prefix_add(prefix_tree *tree, int32_t parent, int32_t token, int32_t place);

void prefix_hold(prefix_tree *tree, int32_t node);
void prefix_release(prefix_tree *tree, int32_t node);

/* Of a node held once: does nothing follow it? */
static inline bool prefix_is_leaf(const prefix_tree *tree, int32_t node)
{
    return tree->known[node].uses == 1;
}

/* The label was seen at a frame with this log-probability. */
static inline void prefix_see(prefix_tree *tree, int32_t node, size_t frame, real log_probability)
{
    prefix_node *of = &tree->known[node];
    if ((float)log_probability > of->peak) {
        of->peak = (float)log_probability;
        of->frame = (int32_t)frame;
    }
}

#endif
