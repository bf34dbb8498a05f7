/* The trie's nodes are found from (parent, label) in one hash table, at most half full; a word is
 * the node of its last label. Immutable once made, so any number of searches may share it. */
#include "lexicon.h"

#include "base/check.h"
#include "base/error.h"

static size_t slot_of(const lrnn_lexicon *lexicon, int32_t node, int32_t label)
{
    uint64_t key = ((uint64_t)(uint32_t)node << 32 | (uint32_t)label) * 0x9e3779b97f4a7c15u;
    size_t slot = (size_t)(key >> 32) & lexicon->mask;
    while (lexicon->slots[slot] != 0) {
        const lexicon_node *at = &lexicon->nodes[lexicon->slots[slot]];
        if (at->parent == node && at->label == label) {
            break;
        }
        slot = (slot + 1) & lexicon->mask;
    }
    return slot;
}

int32_t lexicon_child(const lrnn_lexicon *lexicon, int32_t node, int32_t label)
{
    int32_t child = lexicon->slots[slot_of(lexicon, node, label)];
    return child != 0 ? child : LEXICON_NOWHERE;
}

static lrnn_status add_word(lrnn_lexicon *lexicon, const int32_t *labels, size_t length,
                            size_t word)
{
    int32_t node = LEXICON_ROOT;
    if (length == 0) {
        return error_set(LRNN_ERR_INVALID, "word %zu: it has no labels", word);
    }
    for (size_t i = 0; i < length; i++) {
        if (labels[i] < 0) {
            return error_set(LRNN_ERR_INVALID, "word %zu, label %zu: expected at least 0, found %d",
                             word, i, (int)labels[i]);
        }
        if (labels[i] > lexicon->largest) {
            lexicon->largest = labels[i];
            lexicon->largest_word = word;
            lexicon->largest_at = i;
        }
        size_t slot = slot_of(lexicon, node, labels[i]);
        if (lexicon->slots[slot] == 0) {
            lexicon->nodes[lexicon->node_count] = (lexicon_node){node, labels[i], LEXICON_NO_WORD};
            lexicon->slots[slot] = (int32_t)lexicon->node_count++;
        }
        node = lexicon->slots[slot];
    }
    if (lexicon->nodes[node].word != LEXICON_NO_WORD) {
        return error_set(LRNN_ERR_INVALID, "word %zu: it has the labels of word %d", word,
                         (int)lexicon->nodes[node].word);
    }
    lexicon->nodes[node].word = (int32_t)word;
    lexicon->longest = length > lexicon->longest ? length : lexicon->longest;
    return LRNN_OK;
}

static lrnn_status fill(lrnn_lexicon *lexicon, const int32_t *labels, const size_t *lengths,
                        size_t words, size_t nodes)
{
    size_t slots = 16;
    while (slots < 2 * nodes) {
        slots *= 2;
    }
    lexicon->mask = slots - 1;
    lexicon->nodes = memory_allocate(&lexicon->allocator, nodes, sizeof *lexicon->nodes, "lexicon");
    lexicon->slots = memory_allocate(&lexicon->allocator, slots, sizeof *lexicon->slots, "lexicon");
    if (lexicon->nodes == NULL || lexicon->slots == NULL) {
        return LRNN_ERR_MEMORY;
    }
    lexicon->nodes[LEXICON_ROOT] = (lexicon_node){LEXICON_NOWHERE, -1, LEXICON_NO_WORD};
    lexicon->node_count = 1;
    for (size_t word = 0; word < words; labels += lengths[word++]) {
        CHECK(add_word(lexicon, labels, lengths[word], word));
    }
    return LRNN_OK;
}

lrnn_status lrnn_lexicon_create(lrnn_lexicon **lexicon, const int32_t *labels,
                                const size_t *lengths, size_t count,
                                const lrnn_allocator *allocator)
{
    if (lexicon == NULL) {
        return error_null("lexicon");
    }
    *lexicon = NULL;
    if (labels == NULL || lengths == NULL) {
        return error_null(labels == NULL ? "labels" : "lengths");
    }
    lrnn_allocator memory;
    size_t nodes = 1;
    CHECK(check_size("count", count, 1, INT32_MAX / 4));
    for (size_t i = 0; i < count; i++) {
        size_add(&nodes, nodes, lengths[i]);
    }
    if (nodes > INT32_MAX / 4) {
        return error_set(LRNN_ERR_INVALID, "lengths: more than %d labels in all", INT32_MAX / 4);
    }
    CHECK(allocator_read(&memory, allocator));
    lrnn_lexicon *made = memory_allocate(&memory, 1, sizeof *made, "lexicon");
    if (made == NULL) {
        return LRNN_ERR_MEMORY;
    }
    atomic_init(&made->owners, 1);
    made->allocator = memory;
    made->words = count;
    made->largest = -1;
    lrnn_status status = fill(made, labels, lengths, count, nodes);
    if (status != LRNN_OK) {
        lrnn_lexicon_destroy(made);
        return status;
    }
    *lexicon = made;
    return LRNN_OK;
}

lrnn_lexicon *lexicon_share(const lrnn_lexicon *lexicon)
{
    lrnn_lexicon *shared = (lrnn_lexicon *)(uintptr_t)lexicon;
    if (shared != NULL) {
        atomic_fetch_add(&shared->owners, 1);
    }
    return shared;
}

void lrnn_lexicon_destroy(lrnn_lexicon *lexicon)
{
    if (lexicon == NULL || atomic_fetch_sub(&lexicon->owners, 1) > 1) {
        return;
    }
    lrnn_allocator allocator = lexicon->allocator;
    memory_release(&allocator, lexicon->nodes);
    memory_release(&allocator, lexicon->slots);
    memory_release(&allocator, lexicon);
}
