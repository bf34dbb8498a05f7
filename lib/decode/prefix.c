/* Nodes come from arrays of fixed size; a hash table over (parent, label), with chains through the
 * nodes, finds them. Invariant: a node that is not free is held or has a child, and is in the chain
 * of its bucket; the root is in none. */
#include "prefix.h"

#include <math.h>
#include <string.h>

void prefix_lay_out(prefix_tree *tree, size_t capacity, arena *from)
{
    tree->capacity = capacity;
    for (tree->bucket_count = 16; tree->bucket_count < capacity;) {
        tree->bucket_count *= 2;
    }
    tree->nodes = arena_take(from, capacity, sizeof *tree->nodes);
    tree->known = arena_take(from, capacity, sizeof *tree->known);
    tree->buckets = arena_take(from, tree->bucket_count, sizeof *tree->buckets);
}

void prefix_clear(prefix_tree *tree)
{
    memset(tree->buckets, 0xff, tree->bucket_count * sizeof *tree->buckets); /* -1 */
    for (size_t i = 0; i < tree->capacity; i++) {
        tree->known[i].next = i + 1 < tree->capacity ? (int32_t)(i + 1) : -1;
    }
    tree->free = tree->known[SEARCH_ROOT].next;
    tree->nodes[SEARCH_ROOT] = search_root;
    tree->known[SEARCH_ROOT] = (prefix_node){.uses = 1, .next = -1};
}

static int32_t *bucket_of(const prefix_tree *tree, int32_t parent, int32_t token)
{
    uint64_t key = (uint64_t)(uint32_t)parent << 32 | (uint32_t)token;
    key *= 0x9e3779b97f4a7c15u;
    return &tree->buckets[(size_t)(key >> 32) & (tree->bucket_count - 1)];
}

int32_t prefix_find(const prefix_tree *tree, int32_t parent, int32_t token)
{
    int32_t at = *bucket_of(tree, parent, token);
    while (at >= 0 && (tree->nodes[at].parent != parent || tree->nodes[at].token != token)) {
        at = tree->known[at].next;
    }
    return at;
}

int32_t prefix_add(prefix_tree *tree, int32_t parent, int32_t token, int32_t place)
{
    int32_t made = tree->free, *bucket = bucket_of(tree, parent, token);
    tree->free = tree->known[made].next;
    tree->nodes[made] = (search_node){parent, token, tree->nodes[parent].length + 1};
    tree->known[made] =
        (prefix_node){.peak = -INFINITY, .place = place, .uses = 1, .next = *bucket};
    *bucket = made;
    tree->known[parent].uses++;
    return made;
}

void prefix_hold(prefix_tree *tree, int32_t node)
{
    tree->known[node].uses++;
}

void prefix_release(prefix_tree *tree, int32_t node)
{
    while (node != SEARCH_ROOT && --tree->known[node].uses == 0) {
        int32_t parent = tree->nodes[node].parent;
        int32_t *link = bucket_of(tree, parent, tree->nodes[node].token);
        while (*link != node) {
            link = &tree->known[*link].next;
        }
        *link = tree->known[node].next;
        tree->known[node].next = tree->free;
        tree->free = node;
        node = parent;
    }
}
