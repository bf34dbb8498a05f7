/* Cutting text into tokens. Words are what Python's split() gives on ASCII white space; stripping
 * removes string.punctuation from each, which covers quotes and backslashes at the edges of lines. */
#include <string.h>

#include "base/error.h"
#include "base/utf8.h"
#include "build.h"

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_punctuation(char c)
{
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
           (c >= '{' && c <= '~');
}

static bool changes(const lrnn_vocab_options *o, char c)
{
    return (o->lowercase && c >= 'A' && c <= 'Z') || (o->strip_punctuation && is_punctuation(c));
}

static bool is_worded(const lrnn_vocab_options *o)
{
    return o->level == LRNN_LEVEL_WORD || o->level == LRNN_LEVEL_LABEL;
}

size_t tokenizer_room(const lrnn_vocab_options *o, const char *text, size_t length)
{
    if (!o->lowercase && !o->strip_punctuation) {
        return 0;
    }
    size_t room = 4, run = 0;
    for (size_t i = 0; is_worded(o) && i < length; i++) {
        run = is_space(text[i]) ? 0 : run + 1;
        room = run > room ? run : room;
    }
    return room;
}

/* Copies a piece of text with the changes that the options ask for. */
static size_t change(const tokenizer *from, const char *bytes, size_t length)
{
    size_t made = 0;
    for (size_t i = 0; i < length; i++) {
        char c = bytes[i];
        if (from->options->strip_punctuation && is_punctuation(c)) {
            continue;
        }
        bool upper = from->options->lowercase && c >= 'A' && c <= 'Z';
        from->word[made++] = upper ? (char)(c + ('a' - 'A')) : c;
    }
    return made;
}

static lrnn_status next_word(tokenizer *from, const char **bytes, size_t *length, size_t *offset)
{
    for (;;) {
        while (from->at < from->length && is_space(from->text[from->at])) {
            from->at++;
        }
        if (from->at == from->length) {
            return LRNN_END;
        }
        size_t start = from->at;
        bool changed = false;
        while (from->at < from->length && !is_space(from->text[from->at])) {
            changed = changed || changes(from->options, from->text[from->at]);
            from->at++;
        }
        *offset = start;
        *bytes = from->text + start;
        *length = from->at - start;
        if (changed) {
            *length = change(from, *bytes, *length);
            *bytes = from->word;
        }
        if (*length > 0 || from->options->keep_empty) {
            return LRNN_OK;
        }
    }
}

lrnn_status tokenizer_next(tokenizer *from, const char **bytes, size_t *length, size_t *offset)
{
    if (is_worded(from->options)) {
        return next_word(from, bytes, length, offset);
    }
    if (from->at == from->length) {
        return LRNN_END;
    }
    *offset = from->at;
    *bytes = from->text + from->at;
    *length = 1;
    if (from->options->level == LRNN_LEVEL_CHAR) {
        uint32_t code_point;
        *length = utf8_decode(&code_point, *bytes, from->length - from->at);
        if (*length == 0) {
            return error_set(LRNN_ERR_FORMAT, "text: invalid UTF-8 at byte %zu", from->at);
        }
    }
    from->at += *length;
    if (*length == 1 && changes(from->options, **bytes)) {
        change(from, *bytes, 1);
        *bytes = from->word;
    }
    return LRNN_OK;
}
