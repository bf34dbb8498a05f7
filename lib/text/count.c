/* The vocabulary of a text: count the distinct tokens, cut, order, build. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "build.h"

typedef struct counter {
    const lrnn_allocator *allocator;
    token *tokens;
    size_t size, capacity;
    size_t *slots; /* index + 1 into tokens; 0 empty; twice the capacity */
    char *bytes;   /* of tokens that are not in the text as they stand */
    size_t bytes_used;
} counter;

static lrnn_status check_flag(const char *name, int32_t value, bool allowed)
{
    if (value != 0 && (value != 1 || !allowed)) {
        return error_set(LRNN_ERR_INVALID, "%s: expected %s, found %d", name,
                         allowed ? "0 or 1" : "0 (it is for words)", (int)value);
    }
    return LRNN_OK;
}

static lrnn_status check_options(const lrnn_vocab_options *o)
{
    bool word = o->level == LRNN_LEVEL_WORD;
    if (o->level < 0 || o->level > LRNN_LEVEL_WORD) {
        return error_set(LRNN_ERR_INVALID, "level: expected 0..%d, found %d", LRNN_LEVEL_WORD,
                         (int)o->level);
    }
    lrnn_status status = check_flag("lowercase", o->lowercase, true);
    if (status == LRNN_OK) {
        status = check_flag("strip_punctuation", o->strip_punctuation, word);
    }
    if (status == LRNN_OK) {
        status = check_flag("keep_empty", o->keep_empty, word);
    }
    if (status == LRNN_OK) {
        status = check_flag("unknown", o->unknown, true);
    }
    if (status == LRNN_OK && o->reserved != 0) {
        status = error_set(LRNN_ERR_INVALID, "reserved: expected 0, found %d", (int)o->reserved);
    }
    if (status == LRNN_OK && (o->min_count == 0 || o->max_size == 0)) {
        status = error_set(LRNN_ERR_INVALID, "%s: expected at least 1, found 0",
                           o->min_count == 0 ? "min_count" : "max_size");
    }
    return status;
}

static size_t find_slot(const counter *c, const char *bytes, size_t length)
{
    size_t mask = 2 * c->capacity - 1;
    size_t slot = vocab_hash(bytes, length) & mask;
    while (c->slots[slot] != 0) {
        const token *t = &c->tokens[c->slots[slot] - 1];
        if (t->length == length && memcmp(t->bytes, bytes, length) == 0) {
            break;
        }
        slot = (slot + 1) & mask;
    }
    return slot;
}

static lrnn_status grow(counter *c)
{
    size_t capacity = c->capacity == 0 ? 1024 : 2 * c->capacity;
    token *tokens = memory_allocate(c->allocator, capacity, sizeof *tokens, "vocabulary: counts");
    size_t *slots = memory_allocate(c->allocator, 2 * capacity, sizeof *slots, "vocabulary: counts");
    if (tokens == NULL || slots == NULL) {
        memory_release(c->allocator, tokens);
        memory_release(c->allocator, slots);
        return LRNN_ERR_MEMORY;
    }
    if (c->size > 0) {
        memcpy(tokens, c->tokens, c->size * sizeof *tokens);
    }
    memory_release(c->allocator, c->tokens);
    memory_release(c->allocator, c->slots);
    c->tokens = tokens;
    c->slots = slots;
    c->capacity = capacity;
    for (size_t i = 0; i < c->size; i++) {
        c->slots[find_slot(c, tokens[i].bytes, tokens[i].length)] = i + 1;
    }
    return LRNN_OK;
}

static lrnn_status count_token(counter *c, const char *bytes, size_t length, bool borrowed)
{
    if (c->size == c->capacity) {
        lrnn_status status = grow(c);
        if (status != LRNN_OK) {
            return status;
        }
    }
    size_t slot = find_slot(c, bytes, length);
    if (c->slots[slot] == 0) {
        if (!borrowed) {
            bytes = memcpy(c->bytes + c->bytes_used, bytes, length);
            c->bytes_used += length;
        }
        c->tokens[c->size] = (token){bytes, length, 0, c->size};
        c->slots[slot] = ++c->size;
    }
    c->tokens[c->slots[slot] - 1].count++;
    return LRNN_OK;
}

static lrnn_status count_text(counter *c, const lrnn_vocab_options *o, const char *text,
                              size_t length)
{
    size_t room = tokenizer_room(o, text, length);
    char *word = memory_allocate(c->allocator, room, 1, "vocabulary: word");
    /* Changed tokens are never longer than the text they come from. */
    c->bytes = memory_allocate(c->allocator, room > 0 ? length : 0, 1, "vocabulary: words");
    lrnn_status status = word == NULL || c->bytes == NULL ? LRNN_ERR_MEMORY : LRNN_OK;
    tokenizer from = {o, text, length, 0, word};
    while (status == LRNN_OK) {
        const char *bytes;
        size_t size, offset;
        status = tokenizer_next(&from, &bytes, &size, &offset);
        if (status == LRNN_OK) {
            status = count_token(c, bytes, size, bytes != word);
        }
    }
    memory_release(c->allocator, word);
    return status == LRNN_END ? LRNN_OK : status;
}

static int by_count(const void *a, const void *b)
{
    const token *x = a, *y = b;
    if (x->count != y->count) {
        return x->count > y->count ? -1 : 1;
    }
    return x->first < y->first ? -1 : x->first > y->first;
}

/* UTF-8 sorts by code point when it is sorted by bytes. */
static int by_code(const void *a, const void *b)
{
    const token *x = a, *y = b;
    size_t shorter = x->length < y->length ? x->length : y->length;
    int order = memcmp(x->bytes, y->bytes, shorter);
    return order != 0 ? order : (x->length > y->length) - (x->length < y->length);
}

static lrnn_status build(lrnn_vocab **vocab, counter *c, const lrnn_vocab_options *o)
{
    static const char unknown_token[] = "<unk>";
    size_t kept = 0;
    if (c->size > 0) {
        qsort(c->tokens, c->size, sizeof *c->tokens, by_count);
    }
    while (kept < c->size && c->tokens[kept].count >= o->min_count) {
        kept++;
    }
    kept = kept < o->max_size ? kept : o->max_size;
    bool unknown = o->unknown || kept < c->size;
    if (unknown && kept == o->max_size) {
        kept--;
    }
    if (o->level != LRNN_LEVEL_WORD && kept > 0) {
        qsort(c->tokens, kept, sizeof *c->tokens, by_code);
    }
    size_t id = kept;
    for (size_t i = 0; i < kept && unknown; i++) {
        if (c->tokens[i].length == 5 && memcmp(c->tokens[i].bytes, unknown_token, 5) == 0) {
            id = i;
        }
    }
    if (unknown && id == kept) {
        if (kept == c->capacity && grow(c) != LRNN_OK) {
            return LRNN_ERR_MEMORY;
        }
        c->tokens[kept++] = (token){unknown_token, 5, 0, 0};
    }
    if (kept == 0) {
        return error_set(LRNN_ERR_INVALID, "text: no token is left");
    }
    return vocab_create(vocab, c->allocator, c->tokens, kept, o, unknown ? (int32_t)id : -1);
}

lrnn_status lrnn_vocab_create_from_text(lrnn_vocab **vocab, const char *text, size_t length,
                                        const lrnn_vocab_options *options)
{
    if (vocab == NULL) {
        return error_null("vocab");
    }
    *vocab = NULL;
    lrnn_vocab_options o;
    lrnn_allocator allocator;
    lrnn_status status = vocab_read_options(&o, options);
    if (status == LRNN_OK && (text == NULL || length == 0)) {
        status = error_set(LRNN_ERR_INVALID, "text is %s", text == NULL ? "NULL" : "empty");
    }
    if (status == LRNN_OK) {
        status = check_options(&o);
    }
    if (status == LRNN_OK) {
        status = allocator_read(&allocator, o.allocator);
    }
    if (status != LRNN_OK) {
        return status;
    }
    counter c = {.allocator = &allocator};
    status = count_text(&c, &o, text, length);
    if (status == LRNN_OK) {
        status = build(vocab, &c, &o);
    }
    memory_release(&allocator, c.tokens);
    memory_release(&allocator, c.slots);
    memory_release(&allocator, c.bytes);
    return status;
}
