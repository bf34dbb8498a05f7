/* The vocabulary of a text: count the distinct tokens in a hash table, drop the rare ones, order
 * the rest, build. The table keeps tokens in order of first appearance and never holds one twice;
 * tokens of one byte are found by that byte and never enter the hash table. */
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "build.h"

typedef struct entry {
    uint64_t hash;
    size_t start, length; /* in counter.bytes */
    size_t count;
} entry;

/* The distinct tokens so far, in the order of their first appearance. */
struct token_counter {
    lrnn_allocator allocator;
    lrnn_vocab_options options;
    tokenizer_rules rules;
    uint64_t seed;
    entry *entries;
    size_t size, capacity;
    int32_t *slots; /* [2 * capacity], open addressing: index + 1 into entries, 0 where empty */
    char *bytes;
    size_t used, room;
    int32_t single[256]; /* index + 1 of the tokens of one byte, 0 where there is none */
};

static lrnn_status check_flag(const char *name, int32_t value, bool allowed)
{
    if (value != 0 && (value != 1 || !allowed)) {
        return error_set(LRNN_ERR_INVALID, "%s: expected %s, found %d", name,
                         allowed ? "0 or 1" : "0 (it is for words)", (int)value);
    }
    return LRNN_OK;
}

/* Bytes are never cut: all 256 have an id. */
static lrnn_status check_bytes(const lrnn_vocab_options *o)
{
    const char *cut = o->unknown != 0             ? "unknown"
                      : o->min_count > 1          ? "min_count"
                      : o->max_size < BYTE_TOKENS ? "max_size"
                                                  : NULL;
    return cut == NULL ? LRNN_OK
                       : error_set(LRNN_ERR_INVALID,
                                   "%s: not at byte level, where all 256 bytes are tokens", cut);
}

static lrnn_status check_options(const lrnn_vocab_options *o)
{
    bool word = o->level == LRNN_LEVEL_WORD;
    CHECK(check_choice("level", o->level, LRNN_LEVEL_WORD));
    CHECK(check_flag("lowercase", o->lowercase, true));
    CHECK(check_flag("strip_punctuation", o->strip_punctuation, word));
    CHECK(check_flag("keep_empty", o->keep_empty, word));
    CHECK(check_flag("unknown", o->unknown, true));
    CHECK(check_reserved(o->reserved));
    CHECK(check_size("min_count", o->min_count, 1, SIZE_MAX));
    CHECK(check_size("max_size", o->max_size, 1, SIZE_MAX));
    return o->level == LRNN_LEVEL_BYTE ? check_bytes(o) : LRNN_OK;
}

/* ---- counting ------------------------------------------------------------------------------- */

static lrnn_status grow_entries(token_counter *c)
{
    size_t capacity = c->capacity == 0 ? 1024 : 2 * c->capacity;
    if (capacity > VOCAB_MAX_SIZE * 2) {
        return error_set(LRNN_ERR_INVALID, "text: more than %zu different tokens", VOCAB_MAX_SIZE);
    }
    entry *entries =
        memory_allocate(&c->allocator, capacity, sizeof *entries, "vocabulary: counts");
    int32_t *slots =
        memory_allocate(&c->allocator, 2 * capacity, sizeof *slots, "vocabulary: counts");
    if (entries == NULL || slots == NULL) {
        memory_release(&c->allocator, entries);
        memory_release(&c->allocator, slots);
        return LRNN_ERR_MEMORY;
    }
    for (size_t i = 0; i < c->size; i++) {
        entries[i] = c->entries[i];
        if (entries[i].length == 1) {
            continue; /* it is in `single` */
        }
        size_t slot = (size_t)entries[i].hash & (2 * capacity - 1);
        while (slots[slot] != 0) {
            slot = (slot + 1) & (2 * capacity - 1);
        }
        slots[slot] = (int32_t)i + 1;
    }
    memory_release(&c->allocator, c->entries);
    memory_release(&c->allocator, c->slots);
    c->entries = entries;
    c->slots = slots;
    c->capacity = capacity;
    return LRNN_OK;
}

static lrnn_status grow_bytes(token_counter *c, size_t needed)
{
    size_t room = c->room < needed ? needed : c->room;
    if (!size_add(&room, room, room) || !size_add(&room, room, 4096)) {
        return error_set(LRNN_ERR_MEMORY, "vocabulary: a word of %zu bytes", needed);
    }
    char *bytes = memory_allocate(&c->allocator, room, 1, "vocabulary: words");
    if (bytes == NULL) {
        return LRNN_ERR_MEMORY;
    }
    if (c->used > 0) {
        memcpy(bytes, c->bytes, c->used);
    }
    memory_release(&c->allocator, c->bytes);
    c->bytes = bytes;
    c->room = room;
    return LRNN_OK;
}

/* Index + 1 of a new entry, uncounted; room for it has been made. */
static int32_t append_entry(token_counter *c, const piece *p)
{
    c->entries[c->size] = (entry){p->hash, c->used, p->length, 0};
    piece_copy(c->bytes + c->used, &c->rules, p);
    c->used += p->length;
    return (int32_t)++c->size;
}

/* Where the piece's index + 1 is, or 0 and the place for it. */
static int32_t *find_place(token_counter *c, const piece *p)
{
    if (p->length == 1) {
        return &c->single[piece_byte(&c->rules, p)];
    }
    size_t mask = 2 * c->capacity - 1;
    for (size_t slot = (size_t)p->hash & mask;; slot = (slot + 1) & mask) {
        if (c->slots[slot] == 0) {
            return &c->slots[slot];
        }
        const entry *e = &c->entries[c->slots[slot] - 1];
        if (e->hash == p->hash && e->length == p->length &&
            piece_is(&c->rules, p, c->bytes + e->start)) {
            return &c->slots[slot];
        }
    }
}

static lrnn_status count_piece(token_counter *c, const piece *p)
{
    if (c->size == c->capacity) {
        CHECK(grow_entries(c));
    }
    int32_t *place = find_place(c, p);
    if (*place == 0) {
        if (c->room - c->used < p->length || c->bytes == NULL) {
            CHECK(grow_bytes(c, p->length));
        }
        *place = append_entry(c, p);
    }
    c->entries[*place - 1].count++;
    return LRNN_OK;
}

lrnn_status counter_add(token_counter *c, const char *text, size_t length,
                        const text_origin *origin)
{
    if (c->options.level == LRNN_LEVEL_BYTE) {
        return LRNN_OK; /* all of them have an id anyway */
    }
    tokenizer from = {&c->rules, c->seed, text, length, 0, *origin};
    piece next;
    lrnn_status status;
    while ((status = tokenizer_next(&from, &next)) == LRNN_OK) {
        CHECK(count_piece(c, &next));
    }
    return status == LRNN_END ? LRNN_OK : status;
}

/* ---- choosing and ordering ------------------------------------------------------------------ */

/* Negative if x comes before y; 0 keeps their order. */
typedef int entry_order(const token_counter *c, const entry *x, const entry *y);

static int by_falling_count(const token_counter *c, const entry *x, const entry *y)
{
    (void)c;
    return (x->count < y->count) - (x->count > y->count);
}

/* UTF-8 is sorted by code point when it is sorted by bytes. */
static int by_bytes(const token_counter *c, const entry *x, const entry *y)
{
    size_t shorter = x->length < y->length ? x->length : y->length;
    int order = memcmp(c->bytes + x->start, c->bytes + y->start, shorter);
    return order != 0 ? order : (x->length > y->length) - (x->length < y->length);
}

/* Bottom-up merge sort: stable, and unlike qsort it takes no memory but ours. */
static void sort_entries(const token_counter *c, entry *entries, entry *scratch, size_t count,
                         entry_order *order)
{
    for (size_t run = 1; run < count; run *= 2) {
        for (size_t start = 0; start < count; start += 2 * run) {
            size_t left = start, middle = start + run < count ? start + run : count;
            size_t right = middle, end = middle + run < count ? middle + run : count;
            for (size_t to = start; to < end; to++) {
                bool take_right = left == middle ||
                                  (right < end && order(c, &entries[right], &entries[left]) < 0);
                scratch[to] = take_right ? entries[right++] : entries[left++];
            }
        }
        memcpy(entries, scratch, count * sizeof *entries);
    }
}

/* Leaves in entries[0..*kept-1], in order of id, the tokens that the options keep, without `<unk>`;
 * *unknown says whether the vocabulary has one. */
static lrnn_status choose(token_counter *c, entry *scratch, const lrnn_vocab_options *o,
                          size_t *kept, bool *unknown)
{
    size_t count = 0;
    *unknown = o->unknown != 0;
    for (size_t i = 0; i < c->size; i++) {
        const entry *e = &c->entries[i];
        if (token_is_unknown(c->bytes + e->start, e->length)) {
            *unknown = true;
        } else {
            c->entries[count++] = *e;
        }
    }
    bool by_code = o->level != LRNN_LEVEL_WORD;
    if (by_code) {
        sort_entries(c, c->entries, scratch, count, by_bytes);
    }
    sort_entries(c, c->entries, scratch, count, by_falling_count);
    if (count == 0) {
        return error_set(LRNN_ERR_INVALID, "text: there is no token in it");
    }
    size_t keep = count;
    while (keep > 0 && c->entries[keep - 1].count < o->min_count) {
        keep--;
    }
    if (keep == 0) {
        return error_set(LRNN_ERR_INVALID,
                         "min_count: expected at most %zu, how often the most frequent token "
                         "occurs, found %zu",
                         c->entries[0].count, o->min_count);
    }
    *unknown = *unknown || keep < count || keep > o->max_size;
    if (*unknown && o->max_size == 1) {
        return error_set(LRNN_ERR_INVALID,
                         "max_size: expected at least 2, since " UNKNOWN_TOKEN " is one, found 1");
    }
    size_t room = o->max_size - (*unknown ? 1 : 0);
    *kept = keep < room ? keep : room;
    if (by_code) {
        sort_entries(c, c->entries, scratch, *kept, by_bytes);
    }
    return LRNN_OK;
}

static lrnn_status build(lrnn_vocab **vocab, token_counter *c)
{
    memory_release(&c->allocator, c->slots); /* room for what follows */
    c->slots = NULL;
    c->capacity = 0;
    /* One more: `<unk>` may be added. */
    entry *scratch = memory_allocate(&c->allocator, c->size, sizeof *scratch, "vocabulary: order");
    token *tokens =
        memory_allocate(&c->allocator, c->size + 1, sizeof *tokens, "vocabulary: order");
    lrnn_status status = LRNN_ERR_MEMORY;
    if (scratch != NULL && tokens != NULL) {
        size_t kept = 0;
        bool unknown = false;
        status = choose(c, scratch, &c->options, &kept, &unknown);
        for (size_t i = 0; status == LRNN_OK && i < kept; i++) {
            tokens[i] = (token){c->bytes + c->entries[i].start, c->entries[i].length};
        }
        if (status == LRNN_OK && unknown) {
            tokens[kept] = (token){UNKNOWN_TOKEN, UNKNOWN_LENGTH};
        }
        if (status == LRNN_OK) {
            status = vocab_create(vocab, &c->allocator, tokens, kept + unknown, &c->options);
        }
    }
    memory_release(&c->allocator, scratch);
    memory_release(&c->allocator, tokens);
    return status;
}

/* All bytes, whatever the text holds: another text may hold the others. */
static lrnn_status create_bytes(lrnn_vocab **vocab, const lrnn_vocab_options *o,
                                const lrnn_allocator *allocator)
{
    char bytes[BYTE_TOKENS];
    token tokens[BYTE_TOKENS];
    for (size_t i = 0; i < BYTE_TOKENS; i++) {
        bytes[i] = (char)(unsigned char)i;
        tokens[i] = (token){&bytes[i], 1};
    }
    return vocab_create(vocab, allocator, tokens, BYTE_TOKENS, o);
}

lrnn_status counter_build(lrnn_vocab **vocab, token_counter *c)
{
    return c->options.level == LRNN_LEVEL_BYTE ? create_bytes(vocab, &c->options, &c->allocator)
                                               : build(vocab, c);
}

lrnn_status counter_create(token_counter **made, const lrnn_vocab_options *options)
{
    lrnn_vocab_options o;
    lrnn_allocator allocator;
    *made = NULL;
    CHECK(vocab_read_options(&o, options));
    CHECK(check_options(&o));
    CHECK(allocator_read(&allocator, o.allocator));
    token_counter *c = memory_allocate(&allocator, 1, sizeof *c, "vocabulary: counts");
    if (c == NULL) {
        return LRNN_ERR_MEMORY;
    }
    c->allocator = allocator;
    c->options = o;
    c->seed = token_seed(c);
    tokenizer_set_rules(&c->rules, &o);
    *made = c;
    return LRNN_OK;
}

void counter_destroy(token_counter *c)
{
    if (c != NULL) {
        lrnn_allocator allocator = c->allocator;
        memory_release(&allocator, c->entries);
        memory_release(&allocator, c->slots);
        memory_release(&allocator, c->bytes);
        memory_release(&allocator, c);
    }
}

const lrnn_vocab_options *counter_options(const token_counter *c)
{
    return &c->options;
}

const lrnn_allocator *counter_allocator(const token_counter *c)
{
    return &c->allocator;
}

lrnn_status lrnn_vocab_create_from_text(lrnn_vocab **vocab, const char *text, size_t length,
                                        const lrnn_vocab_options *options)
{
    if (vocab == NULL) {
        return error_null("vocab");
    }
    *vocab = NULL;
    if (text == NULL || length == 0) {
        return error_set(LRNN_ERR_INVALID, "text is %s", text == NULL ? "NULL" : "empty");
    }
    token_counter *c;
    CHECK(check_extent("length", length, 1));
    CHECK(counter_create(&c, options));
    lrnn_status status = counter_add(c, text, length, &(text_origin){0});
    if (status == LRNN_OK) {
        status = counter_build(vocab, c);
    }
    counter_destroy(c);
    return status;
}
