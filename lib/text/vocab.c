/* Vocabularies: one block with all token bytes, each token NUL-terminated, and an open-addressing
 * hash table from bytes to id that is at most half full. */
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "build.h"

static const lrnn_vocab_options default_options = {
    .size = sizeof(lrnn_vocab_options),
    .level = LRNN_LEVEL_CHAR,
    .min_count = 1,
    .max_size = LRNN_NO_LIMIT,
};

lrnn_status lrnn_vocab_options_init(lrnn_vocab_options *options, size_t struct_size)
{
    return OPTIONS_INIT(options, struct_size, &default_options, lrnn_vocab_options);
}

lrnn_status vocab_read_options(lrnn_vocab_options *o, const lrnn_vocab_options *given)
{
    *o = default_options;
    return given == NULL ? LRNN_OK : OPTIONS_READ(o, given, &default_options, lrnn_vocab_options);
}

static const char *token_at(const lrnn_vocab *vocab, int32_t id, size_t *length)
{
    size_t at = vocab->offsets[id];
    *length = vocab->offsets[id + 1] - at - 1;
    return vocab->bytes + at;
}

int32_t vocab_find_long(const lrnn_vocab *vocab, const piece *p)
{
    size_t slot = p->hash & vocab->mask;
    for (; vocab->slots[slot] >= 0; slot = (slot + 1) & vocab->mask) {
        size_t length;
        const char *bytes = token_at(vocab, vocab->slots[slot], &length);
        if (length == p->length && piece_is(&vocab->rules, p, bytes)) {
            break;
        }
    }
    return vocab->slots[slot];
}

/* Where the id of the token is, or -1 and the place for it. */
static const int32_t *find_place(const lrnn_vocab *vocab, const char *bytes, size_t length)
{
    if (length == 1) {
        return &vocab->single[(unsigned char)*bytes];
    }
    size_t slot = token_hash(vocab->seed, bytes, length) & vocab->mask;
    for (; vocab->slots[slot] >= 0; slot = (slot + 1) & vocab->mask) {
        size_t there;
        const char *known = token_at(vocab, vocab->slots[slot], &there);
        if (there == length && memcmp(known, bytes, length) == 0) {
            break;
        }
    }
    return &vocab->slots[slot];
}

/* ---- creating and destroying ---------------------------------------------------------------- */

static lrnn_status allocate(lrnn_vocab **vocab, const lrnn_allocator *allocator,
                            const token *tokens, size_t count)
{
    size_t total = 0, slots = 4;
    for (size_t i = 0; i < count; i++) {
        size_add(&total, total, tokens[i].length);
        size_add(&total, total, 1);
    }
    while (slots < 2 * count) {
        slots *= 2;
    }
    arena all = {0};
    lrnn_vocab *made = NULL;
    for (int pass = 0; pass < 2; pass++) {
        lrnn_vocab pieces = {0};
        made = arena_take(&all, 1, sizeof *made);
        pieces.offsets = arena_take(&all, count + 1, sizeof *pieces.offsets);
        pieces.slots = arena_take(&all, slots, sizeof *pieces.slots);
        pieces.bytes = arena_take(&all, total, 1);
        if (pass == 1) {
            *made = pieces;
        } else if (arena_allocate(&all, allocator, "vocabulary") != LRNN_OK) {
            return LRNN_ERR_MEMORY;
        }
    }
    atomic_init(&made->owners, 1);
    made->allocator = *allocator;
    made->mask = slots - 1;
    made->seed = token_seed(made);
    memset(made->slots, -1, slots * sizeof *made->slots);
    memset(made->single, -1, sizeof made->single);
    *vocab = made;
    return LRNN_OK;
}

static lrnn_status add_token(lrnn_vocab *vocab, const token *t)
{
    int32_t *place = (int32_t *)(uintptr_t)find_place(vocab, t->bytes, t->length);
    if (*place >= 0) {
        char shown[TOKEN_SHOWN];
        return error_set(LRNN_ERR_INVALID, "vocabulary: token %zu, '%s', appears twice",
                         vocab->size, token_show(shown, t->bytes, t->length));
    }
    size_t at = vocab->offsets[vocab->size];
    memcpy(vocab->bytes + at, t->bytes, t->length);
    if (token_is_unknown(t->bytes, t->length)) {
        vocab->unknown = (int32_t)vocab->size;
    }
    *place = (int32_t)vocab->size++;
    vocab->offsets[vocab->size] = at + t->length + 1;
    return LRNN_OK;
}

lrnn_status vocab_create(lrnn_vocab **vocab, const lrnn_allocator *allocator, const token *tokens,
                         size_t count, const lrnn_vocab_options *options)
{
    *vocab = NULL;
    if (count == 0 || count > VOCAB_MAX_SIZE) {
        return error_set(LRNN_ERR_INVALID, "vocabulary: expected 1..%zu tokens, found %zu",
                         VOCAB_MAX_SIZE, count);
    }
    lrnn_vocab *made;
    lrnn_status status = allocate(&made, allocator, tokens, count);
    if (status != LRNN_OK) {
        return status;
    }
    made->options = *options;
    made->options.allocator = NULL;
    made->unknown = -1;
    tokenizer_set_rules(&made->rules, options);
    for (size_t i = 0; status == LRNN_OK && i < count; i++) {
        status = add_token(made, &tokens[i]);
    }
    if (status != LRNN_OK) {
        lrnn_vocab_destroy(made);
        return status;
    }
    *vocab = made;
    return LRNN_OK;
}

void lrnn_vocab_destroy(lrnn_vocab *vocab)
{
    if (vocab == NULL || atomic_fetch_sub(&vocab->owners, 1) > 1) {
        return;
    }
    lrnn_allocator allocator = vocab->allocator;
    memory_release(&allocator, vocab);
}

lrnn_vocab *vocab_share(const lrnn_vocab *vocab)
{
    lrnn_vocab *shared = (lrnn_vocab *)(uintptr_t)vocab;
    if (shared != NULL) {
        atomic_fetch_add(&shared->owners, 1);
    }
    return shared;
}

size_t lrnn_vocab_size(const lrnn_vocab *vocab)
{
    return vocab == NULL ? 0 : vocab->size;
}

int32_t lrnn_vocab_level(const lrnn_vocab *vocab)
{
    return vocab == NULL ? -1 : vocab->options.level;
}

lrnn_status lrnn_vocab_get_options(lrnn_vocab_options *options, const lrnn_vocab *vocab)
{
    if (options == NULL || vocab == NULL) {
        return error_null(options == NULL ? "options" : "vocab");
    }
    return OPTIONS_INIT(options, options->size, &vocab->options, lrnn_vocab_options);
}

int32_t lrnn_vocab_unknown(const lrnn_vocab *vocab)
{
    return vocab == NULL ? -1 : vocab->unknown;
}

lrnn_status lrnn_vocab_find(int32_t *id, const lrnn_vocab *vocab, const char *bytes, size_t length)
{
    if (id == NULL) {
        return error_null("id");
    }
    *id = -1;
    if (vocab == NULL || bytes == NULL) {
        return error_null(vocab == NULL ? "vocab" : "token");
    }
    *id = *find_place(vocab, bytes, length);
    if (*id < 0) {
        char shown[TOKEN_SHOWN];
        return error_set(LRNN_ERR_NOT_FOUND, "token '%s' is not in the vocabulary",
                         token_show(shown, bytes, length));
    }
    return LRNN_OK;
}

lrnn_status lrnn_vocab_get_token(const char **bytes, size_t *length, const lrnn_vocab *vocab,
                                 int32_t id)
{
    size_t unwanted;
    length = length != NULL ? length : &unwanted;
    *length = 0;
    if (bytes == NULL) {
        return error_null("token");
    }
    *bytes = NULL;
    if (vocab == NULL) {
        return error_null("vocab");
    }
    if (id < 0 || (size_t)id >= vocab->size) {
        return error_set(LRNN_ERR_INVALID, "id: expected 0..%zu, found %d", vocab->size - 1,
                         (int)id);
    }
    *bytes = token_at(vocab, id, length);
    return LRNN_OK;
}

/* ---- labels --------------------------------------------------------------------------------- */

lrnn_status lrnn_vocab_create_from_labels(lrnn_vocab **vocab, const char *const *labels,
                                          size_t count, const lrnn_vocab_options *options)
{
    if (vocab == NULL) {
        return error_null("vocab");
    }
    *vocab = NULL;
    lrnn_vocab_options o;
    lrnn_allocator allocator;
    lrnn_status status = labels == NULL ? error_null("labels") : vocab_read_options(&o, options);
    if (status == LRNN_OK) {
        status = allocator_read(&allocator, o.allocator);
    }
    if (status != LRNN_OK) {
        return status;
    }
    token *tokens = memory_allocate(&allocator, count, sizeof *tokens, "vocabulary: labels");
    if (tokens == NULL) {
        return LRNN_ERR_MEMORY;
    }
    for (size_t i = 0; status == LRNN_OK && i < count; i++) {
        if (labels[i] == NULL) {
            status = error_set(LRNN_ERR_INVALID, "labels[%zu] is NULL", i);
        } else {
            tokens[i] = (token){labels[i], strlen(labels[i])};
        }
    }
    if (status == LRNN_OK) {
        lrnn_vocab_options kept = default_options;
        kept.level = LRNN_LEVEL_LABEL;
        status = vocab_create(vocab, &allocator, tokens, count, &kept);
    }
    memory_release(&allocator, tokens);
    return status;
}
