/* A vocabulary as JSON:
 *
 *     {"level":"word","lowercase":0,"strip_punctuation":1,"keep_empty":1,"tokens":["the","and"]}
 *
 * A token whose bytes are not valid UTF-8, which JSON cannot hold, is the list of its bytes
 * instead: [255,10]. So every token reads back exactly, and Python has its bytes with
 *
 *     [bytes(t) if isinstance(t, list) else t.encode() for t in json.loads(text)["tokens"]]
 *
 * Which token is the unknown one needs no entry: it is the one called `<unk>`. */
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"
#include "build.h"

static const char *const level_names[] = {"byte", "char", "word", "label"};
#define LEVELS (sizeof level_names / sizeof *level_names)

typedef struct flag {
    const char *name;
    size_t offset; /* in lrnn_vocab_options */
} flag;

static const flag flags[] = {
    {"lowercase", offsetof(lrnn_vocab_options, lowercase)},
    {"strip_punctuation", offsetof(lrnn_vocab_options, strip_punctuation)},
    {"keep_empty", offsetof(lrnn_vocab_options, keep_empty)},
};
#define FLAGS (sizeof flags / sizeof *flags)

/* ---- writing -------------------------------------------------------------------------------- */

/* Text being written, or with `to` NULL only measured. */
typedef struct output {
    char *to;
    size_t used;
} output;

static void put(output *out, const char *text)
{
    size_t length = strlen(text);
    if (out->to != NULL) {
        memcpy(out->to + out->used, text, length);
    }
    out->used += length;
}

static void put_byte(output *out, unsigned byte)
{
    char digits[4];
    size_t at = sizeof digits - 1;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + byte % 10);
        byte /= 10;
    } while (byte > 0);
    put(out, digits + at);
}

static void put_token(output *out, const char *bytes, size_t length)
{
    if (utf8_valid_prefix(bytes, length) == length) {
        out->used += json_quote(out->to != NULL ? out->to + out->used : NULL, bytes, length);
        return;
    }
    for (size_t i = 0; i < length; i++) {
        put(out, i == 0 ? "[" : ",");
        put_byte(out, (unsigned char)bytes[i]);
    }
    put(out, "]");
}

static void put_vocab(output *out, const lrnn_vocab *vocab)
{
    put(out, "{\"level\":\"");
    put(out, level_names[vocab->options.level]);
    put(out, "\"");
    for (size_t i = 0; i < FLAGS; i++) {
        int32_t value;
        memcpy(&value, (const char *)&vocab->options + flags[i].offset, sizeof value);
        put(out, ",\"");
        put(out, flags[i].name);
        put(out, value ? "\":1" : "\":0");
    }
    put(out, ",\"tokens\":[");
    for (size_t i = 0; i < vocab->size; i++) {
        size_t start = vocab->offsets[i];
        put(out, i > 0 ? "," : "");
        put_token(out, vocab->bytes + start, vocab->offsets[i + 1] - start - 1);
    }
    put(out, "]}");
}

lrnn_status vocab_write(char **text, size_t *length, const lrnn_vocab *vocab,
                        const lrnn_allocator *allocator)
{
    output out = {0};
    *text = NULL;
    *length = 0;
    put_vocab(&out, vocab);
    if (out.used > JSON_MAX_LENGTH) {
        return error_set(LRNN_ERR_UNSUPPORTED,
                         "vocabulary: %zu bytes as JSON are more than could be read back",
                         out.used);
    }
    out.to = memory_allocate(allocator, out.used + 1, 1, "vocabulary: text");
    if (out.to == NULL) {
        return LRNN_ERR_MEMORY;
    }
    *length = out.used;
    out.used = 0;
    put_vocab(&out, vocab);
    out.to[out.used] = '\0';
    *text = out.to;
    return LRNN_OK;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* A member that this version does not know may change what the tokens mean. */
static lrnn_status check_members(const json_document *d)
{
    for (json_value k = json_first(d, JSON_ROOT); k != JSON_NONE; k = json_next(d, JSON_ROOT, k)) {
        bool known = json_string_is(d, k, "level") || json_string_is(d, k, "tokens");
        for (size_t i = 0; i < FLAGS; i++) {
            known = known || json_string_is(d, k, flags[i].name);
        }
        if (!known) {
            return error_set(LRNN_ERR_FORMAT, "vocabulary: a member that this version of the "
                                              "library does not know");
        }
    }
    return LRNN_OK;
}

static lrnn_status read_level(int32_t *level, const json_document *d)
{
    json_value value;
    CHECK(json_member(&value, d, JSON_ROOT, "level"));
    for (size_t i = 0; i < LEVELS; i++) {
        if (json_string_is(d, value, level_names[i])) {
            *level = (int32_t)i;
            return LRNN_OK;
        }
    }
    return error_set(LRNN_ERR_FORMAT, "vocabulary: level is not one of byte, char, word, label");
}

static lrnn_status read_flag(lrnn_vocab_options *o, const json_document *d, const flag *f)
{
    json_value value;
    size_t wide;
    CHECK(json_member(&value, d, JSON_ROOT, f->name));
    CHECK(json_size_value(&wide, d, value, f->name));
    bool lowercase = f->offset == offsetof(lrnn_vocab_options, lowercase);
    bool allowed = lowercase ? o->level != LRNN_LEVEL_LABEL : o->level == LRNN_LEVEL_WORD;
    if (wide > (allowed ? 1 : 0)) {
        return error_set(LRNN_ERR_FORMAT, "vocabulary: %s is %zu at level %s", f->name, wide,
                         level_names[o->level]);
    }
    int32_t narrow = (int32_t)wide;
    memcpy((char *)o + f->offset, &narrow, sizeof narrow);
    return LRNN_OK;
}

static lrnn_status read_options(lrnn_vocab_options *o, const json_document *d)
{
    CHECK(json_expect(d, JSON_ROOT, JSON_OBJECT, "the whole"));
    CHECK(lrnn_vocab_options_init(o, sizeof *o));
    CHECK(check_members(d));
    CHECK(read_level(&o->level, d));
    for (size_t i = 0; i < FLAGS; i++) {
        CHECK(read_flag(o, d, &flags[i]));
    }
    return LRNN_OK;
}

/* A token's bytes; `to` has room for one more than its text has. */
static lrnn_status read_bytes(char *to, size_t *length, const json_document *d, json_value value)
{
    *length = 0;
    if (json_type_of(d, value) != JSON_ARRAY) {
        CHECK(json_expect(d, value, JSON_STRING, "a token"));
        *length = json_string(to, d, value);
        return LRNN_OK;
    }
    for (json_value v = json_first(d, value); v != JSON_NONE; v = json_next(d, value, v)) {
        size_t byte;
        CHECK(json_size_value(&byte, d, v, "a byte of a token"));
        if (byte > 255) {
            return error_set(LRNN_ERR_FORMAT,
                             "vocabulary: a byte of a token: expected 0..255, found %zu", byte);
        }
        to[(*length)++] = (char)(unsigned char)byte;
    }
    return LRNN_OK;
}

static lrnn_status read_tokens(token *tokens, char *bytes, const json_document *d, json_value list,
                               int32_t level)
{
    size_t i = 0;
    for (json_value v = json_first(d, list); v != JSON_NONE; v = json_next(d, list, v), i++) {
        size_t length;
        CHECK(read_bytes(bytes, &length, d, v));
        CHECK(token_check_level(level, i, bytes, length));
        tokens[i] = (token){bytes, length};
        bytes += length;
    }
    return LRNN_OK;
}

static lrnn_status read_vocab(lrnn_vocab **vocab, const json_document *d, size_t length)
{
    lrnn_vocab_options o;
    json_value list;
    CHECK(read_options(&o, d));
    CHECK(json_member(&list, d, JSON_ROOT, "tokens"));
    CHECK(json_expect(d, list, JSON_ARRAY, "tokens"));
    const lrnn_allocator *allocator = &d->allocator;
    size_t count = json_size(d, list);
    token *tokens = memory_allocate(allocator, count, sizeof *tokens, "vocabulary: tokens");
    char *bytes = memory_allocate(allocator, length + 1, 1, "vocabulary: tokens");
    lrnn_status status = tokens == NULL || bytes == NULL
                             ? LRNN_ERR_MEMORY
                             : read_tokens(tokens, bytes, d, list, o.level);
    if (status == LRNN_OK) {
        status = vocab_create(vocab, allocator, tokens, count, &o);
        status = status == LRNN_ERR_INVALID ? LRNN_ERR_FORMAT : status;
    }
    memory_release(allocator, tokens);
    memory_release(allocator, bytes);
    return status;
}

lrnn_status vocab_read(lrnn_vocab **vocab, const lrnn_allocator *allocator, const char *text,
                       size_t length)
{
    json_document d;
    *vocab = NULL;
    CHECK(json_parse(&d, allocator, text, length, "vocabulary"));
    lrnn_status status = read_vocab(vocab, &d, length);
    json_release(&d);
    return status;
}
