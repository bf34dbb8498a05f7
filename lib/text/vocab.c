/* Vocabularies: one block with all token bytes, each token NUL-terminated, and an open-addressing
 * hash table from bytes to id that is at most half full. */
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/options.h"
#include "base/utf8.h"
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
    size_t slot = (size_t)p->hash & vocab->mask;
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
    size_t slot = (size_t)token_hash(vocab->seed, bytes, length) & vocab->mask;
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
    lrnn_status status = LRNN_OK;
    CHECK(allocate(&made, allocator, tokens, count));
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

lrnn_vocab *lrnn_vocab_share(const lrnn_vocab *vocab)
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
    CHECK(check_extent("length", length, 1));
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

/* ---- tokens and labels ---------------------------------------------------------------------- */

lrnn_status token_check_level(int32_t level, size_t index, const char *bytes, size_t length)
{
    uint32_t code_point;
    bool fits = level >= LRNN_LEVEL_WORD || token_is_unknown(bytes, length);
    if (level == LRNN_LEVEL_BYTE) {
        fits = fits || length == 1;
    } else if (level == LRNN_LEVEL_CHAR) {
        fits = fits || (length > 0 && utf8_decode(&code_point, bytes, length) == length);
    }
    char shown[TOKEN_SHOWN];
    return fits ? LRNN_OK
                : error_set(LRNN_ERR_FORMAT, "vocabulary: token %zu, '%s', is not one %s", index,
                            token_show(shown, bytes, length),
                            level == LRNN_LEVEL_BYTE ? "byte" : "UTF-8 character");
}

/* Options of a list: what would choose among its tokens has nothing to choose. */
static lrnn_status check_list_options(const lrnn_vocab_options *o)
{
    int32_t word = o->level == LRNN_LEVEL_WORD, label = o->level == LRNN_LEVEL_LABEL;
    CHECK(check_choice("level", o->level, LRNN_LEVEL_LABEL));
    CHECK(check_choice("lowercase", o->lowercase, label ? 0 : 1));
    CHECK(check_choice("strip_punctuation", o->strip_punctuation, word));
    CHECK(check_choice("keep_empty", o->keep_empty, word));
    CHECK(check_choice("unknown", o->unknown, 0));
    CHECK(check_reserved(o->reserved));
    CHECK(check_size("min_count", o->min_count, 1, 1));
    return check_size("max_size", o->max_size, LRNN_NO_LIMIT, LRNN_NO_LIMIT);
}

static lrnn_status read_list(token *list, const char *name, const char *const *tokens,
                             const size_t *lengths, size_t count, int32_t level)
{
    for (size_t i = 0; i < count; i++) {
        if (tokens[i] == NULL) {
            return error_set(LRNN_ERR_INVALID, "%s[%zu] is NULL", name, i);
        }
        list[i] = (token){tokens[i], lengths != NULL ? lengths[i] : strlen(tokens[i])};
        lrnn_status status = token_check_level(level, i, list[i].bytes, list[i].length);
        if (status != LRNN_OK) {
            return LRNN_ERR_INVALID;
        }
    }
    return LRNN_OK;
}

static lrnn_status create_from_list(lrnn_vocab **vocab, const char *name, const char *const *tokens,
                                    const size_t *lengths, size_t count,
                                    const lrnn_vocab_options *o)
{
    lrnn_allocator allocator;
    CHECK(allocator_read(&allocator, o->allocator));
    token *list = memory_allocate(&allocator, count, sizeof *list, "vocabulary: tokens");
    if (list == NULL) {
        return LRNN_ERR_MEMORY;
    }
    lrnn_status status = read_list(list, name, tokens, lengths, count, o->level);
    if (status == LRNN_OK) {
        status = vocab_create(vocab, &allocator, list, count, o);
    }
    memory_release(&allocator, list);
    return status;
}

lrnn_status lrnn_vocab_create_from_tokens(lrnn_vocab **vocab, const char *const *tokens,
                                          const size_t *lengths, size_t count,
                                          const lrnn_vocab_options *options)
{
    if (vocab == NULL) {
        return error_null("vocab");
    }
    *vocab = NULL;
    if (tokens == NULL) {
        return error_null("tokens");
    }
    lrnn_vocab_options o;
    CHECK(vocab_read_options(&o, options));
    CHECK(check_list_options(&o));
    return create_from_list(vocab, "tokens", tokens, lengths, count, &o);
}

lrnn_status lrnn_vocab_create_from_labels(lrnn_vocab **vocab, const char *const *labels,
                                          size_t count, const lrnn_vocab_options *options)
{
    if (vocab == NULL) {
        return error_null("vocab");
    }
    *vocab = NULL;
    if (labels == NULL) {
        return error_null("labels");
    }
    lrnn_vocab_options given, o = default_options;
    CHECK(vocab_read_options(&given, options));
    o.allocator = given.allocator;
    o.level = LRNN_LEVEL_LABEL;
    return create_from_list(vocab, "labels", labels, NULL, count, &o);
}
