/* Vocabularies of all levels, from lists and from texts: what is encoded reads back, ids and tokens
 * are each other's inverse, and what a file keeps of them is the same vocabulary.
 *
 * An input is three bytes of options, then pieces that a byte 0xfe separates: the text to encode,
 * then the tokens of a list, or one text to learn from. */
#include "corpus.h"
#include "text/vocab.h"
#include "world.h"

enum { PIECES = 64, VOCAB_IDS = 1 << 13, VOCAB_MEMORY = 4 << 20, SEPARATOR = 0xfe };

typedef struct pieces {
    const char *at[PIECES];
    size_t lengths[PIECES];
    size_t count;
} pieces;

static void cut(pieces *to, const fuzz_bytes *from)
{
    const unsigned char *at = from->next, *end = from->next + from->left;
    to->count = 0;
    while (to->count < PIECES && at < end) {
        const unsigned char *next = memchr(at, SEPARATOR, (size_t)(end - at));
        next = next != NULL ? next : end;
        to->at[to->count] = (const char *)at;
        to->lengths[to->count++] = (size_t)(next - at);
        at = next + 1;
    }
}

static lrnn_status make(lrnn_vocab **vocab, const pieces *given, unsigned how,
                        const lrnn_vocab_options *options)
{
    static char labels[PIECES][64];
    const char *names[PIECES];
    size_t count = given->count - 1;
    if (how % 4 == 0) {
        return lrnn_vocab_create_from_text(vocab, given->at[1], given->lengths[1], options);
    }
    if (how % 4 < 3) {
        return lrnn_vocab_create_from_tokens(vocab, given->at + 1, given->lengths + 1, count,
                                             options);
    }
    for (size_t i = 0; i < count; i++) {
        size_t length = given->lengths[i + 1] < 63 ? given->lengths[i + 1] : 63;
        memcpy(labels[i], given->at[i + 1], length);
        labels[i][length] = '\0';
        names[i] = labels[i];
    }
    return lrnn_vocab_create_from_labels(vocab, names, count, options);
}

/* Every token is found under its own id, and nowhere else. */
static void check_tokens(const lrnn_vocab *vocab)
{
    size_t count = lrnn_vocab_size(vocab);
    FUZZ_CHECK(count > 0);
    for (size_t i = 0; i < count && i < 40; i++) {
        const char *token;
        size_t length;
        int32_t id;
        FUZZ_CHECK(lrnn_vocab_get_token(&token, &length, vocab, (int32_t)i) == LRNN_OK);
        FUZZ_CHECK(token[length] == '\0');
        FUZZ_CHECK(lrnn_vocab_find(&id, vocab, token, length) == LRNN_OK && id == (int32_t)i);
    }
}

static bool has_empty_token(const lrnn_vocab *vocab)
{
    int32_t id;
    return lrnn_vocab_find(&id, vocab, "", 0) == LRNN_OK;
}

/* The ids of a text become a text that has the same ids. */
static void check_text(const lrnn_vocab *vocab, const char *text, size_t length)
{
    static int32_t ids[VOCAB_IDS], again[VOCAB_IDS];
    static char written[VOCAB_IDS * 64];
    size_t count, asked, bytes, second;
    lrnn_vocab_options options;
    lrnn_status status = lrnn_vocab_encode(ids, VOCAB_IDS, &count, vocab, text, length);
    if (status != LRNN_OK) {
        FUZZ_CHECK(status == LRNN_ERR_NOT_FOUND || status == LRNN_ERR_FORMAT);
        FUZZ_CHECK(status != LRNN_ERR_NOT_FOUND || lrnn_vocab_unknown(vocab) < 0);
        return;
    }
    FUZZ_CHECK(lrnn_vocab_encode(NULL, 0, &asked, vocab, text, length) == LRNN_OK);
    FUZZ_CHECK(asked == count);
    for (size_t i = 0; i < count; i++) {
        FUZZ_CHECK(ids[i] >= 0 && (size_t)ids[i] < lrnn_vocab_size(vocab));
    }
    FUZZ_CHECK(lrnn_vocab_decode(NULL, 0, &asked, vocab, ids, count) == LRNN_OK);
    if (asked > sizeof written) {
        return;
    }
    FUZZ_CHECK(lrnn_vocab_decode(written, sizeof written, &bytes, vocab, ids, count) == LRNN_OK);
    FUZZ_CHECK(bytes == asked);
    FUZZ_CHECK(lrnn_vocab_options_init(&options, sizeof options) == LRNN_OK);
    FUZZ_CHECK(lrnn_vocab_get_options(&options, vocab) == LRNN_OK);
    bool whole = options.level <= LRNN_LEVEL_CHAR;
    if (whole && options.lowercase == 0 && lrnn_vocab_unknown(vocab) < 0) {
        FUZZ_CHECK(bytes == length && (length == 0 || memcmp(written, text, length) == 0));
    }
    if ((whole && lrnn_vocab_unknown(vocab) >= 0) || options.strip_punctuation != 0 ||
        has_empty_token(vocab)) {
        return;
    }
    FUZZ_CHECK(lrnn_vocab_encode(again, VOCAB_IDS, &second, vocab, written, bytes) == LRNN_OK);
    FUZZ_CHECK(second == count && memcmp(ids, again, count * sizeof *ids) == 0);
}

/* What a model file keeps of it is the same vocabulary. */
static void check_file(const lrnn_vocab *vocab, const lrnn_allocator *allocator)
{
    char *text, *second;
    size_t length, second_length;
    lrnn_vocab *again;
    if (vocab_write(&text, &length, vocab, allocator) != LRNN_OK) {
        return; /* out of memory */
    }
    lrnn_status status = vocab_read(&again, allocator, text, length);
    FUZZ_CHECK(status == LRNN_OK || status == LRNN_ERR_MEMORY);
    if (status == LRNN_OK && vocab_write(&second, &second_length, again, allocator) == LRNN_OK) {
        FUZZ_CHECK(second_length == length && memcmp(text, second, length) == 0);
        fuzz_free(second);
    }
    lrnn_vocab_destroy(again);
    fuzz_free(text);
}

static void fuzz_one(const unsigned char *bytes, size_t length)
{
    fuzz_bytes from = {bytes, length};
    unsigned how = fuzz_byte(&from), flags = fuzz_byte(&from), numbers = fuzz_byte(&from);
    const lrnn_allocator *allocator = fuzz_memory_begin(VOCAB_MEMORY);
    lrnn_vocab_options options;
    lrnn_vocab *vocab;
    pieces given;
    FUZZ_CHECK(lrnn_vocab_options_init(&options, sizeof options) == LRNN_OK);
    options.allocator = allocator;
    options.level = (int32_t)(how / 4 % 5);
    options.lowercase = flags & 1;
    options.strip_punctuation = flags >> 1 & 1;
    options.keep_empty = flags >> 2 & 1;
    options.unknown = flags >> 3 & 1;
    options.min_count = numbers % 16 < 12 ? 1 : numbers % 4;
    options.max_size = numbers / 16 < 12 ? LRNN_NO_LIMIT : numbers / 16 - 12;
    cut(&given, &from);
    if (given.count < 2) {
        return;
    }
    lrnn_status status = make(&vocab, &given, how, &options);
    if (status == LRNN_OK) {
        check_tokens(vocab);
        check_text(vocab, given.at[0], given.lengths[0]);
        check_text(vocab, given.at[1], given.lengths[1]);
        check_file(vocab, allocator);
    } else {
        FUZZ_CHECK(vocab == NULL);
        FUZZ_CHECK(status == LRNN_ERR_INVALID || status == LRNN_ERR_FORMAT ||
                   status == LRNN_ERR_MEMORY);
    }
    lrnn_vocab_destroy(vocab);
    fuzz_memory_end();
}

static size_t fuzz_change(unsigned char *bytes, size_t length, size_t room, uint64_t *random)
{
    static const char *const words[] = {"\xfe",
                                        "<unk>",
                                        "\xc3\xa9",
                                        "\xf0\x9f\x98\x80",
                                        "\xed\xa0\x80",
                                        "\xef\xbb\xbf",
                                        "\r\n",
                                        " ",
                                        "\t",
                                        "\"",
                                        "\\",
                                        "A",
                                        "a",
                                        "~",
                                        "'",
                                        ".",
                                        "\x1c",
                                        "\xc2\xa0",
                                        "\xe2\x80\xa8",
                                        "\x7f"};
    const char *word = words[fuzz_random(random, sizeof words / sizeof *words)];
    size_t size = strlen(word), at = fuzz_random(random, length + 1);
    if (length < 3 || length + size > room || fuzz_random(random, 2) == 0) {
        return fuzz_any(bytes, length, room, random);
    }
    if (fuzz_random(random, 4) == 0) {
        bytes[fuzz_random(random, 3)] = (unsigned char)fuzz_random(random, 256);
        return length;
    }
    memmove(bytes + at + size, bytes + at, length - at);
    memcpy(bytes + at, word, size);
    return length + size;
}

FUZZ_TARGET("vocab");
