/* Places and tokens of a text as a person sees them, for messages. */
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "build.h"

/* What stands for the first character of the bytes in a message; *size: how many bytes it is. */
static const char *show_first(char to[8], size_t *size, const char *bytes, size_t length)
{
    uint32_t code_point;
    unsigned char c = (unsigned char)*bytes;
    *size = utf8_decode(&code_point, bytes, length);
    if (*size == 0 || c < ' ' || c == 0x7f) {
        *size = 1;
        const char *escape = c == '\n' ? "\\n" : c == '\t' ? "\\t" : c == '\r' ? "\\r" : NULL;
        if (escape != NULL) {
            return escape;
        }
        snprintf(to, 8, "\\x%02x", c);
        return to;
    }
    memcpy(to, bytes, *size);
    to[*size] = '\0';
    return to;
}

const char *token_show(char to[TOKEN_SHOWN], const char *bytes, size_t length)
{
    static const char more[] = "...";
    size_t used = 0;
    for (size_t at = 0, size; at < length; at += size) {
        char first[8];
        const char *seen = show_first(first, &size, bytes + at, length - at);
        size_t wide = strlen(seen);
        if (used + wide + sizeof more > TOKEN_SHOWN) {
            memcpy(to + used, more, sizeof more);
            return to;
        }
        memcpy(to + used, seen, wide);
        used += wide;
    }
    to[used] = '\0';
    return to;
}

static const char *character_name(uint32_t code_point)
{
    static const struct {
        uint32_t code_point;
        const char *name;
    } names[] = {
        {0x00, "null"},
        {0x09, "tab"},
        {0x0a, "newline"},
        {0x0c, "form feed"},
        {0x0d, "carriage return"},
        {0x1b, "escape"},
        {0x20, "space"},
        {0x7f, "delete"},
        {0xa0, "no-break space"},
        {0xad, "soft hyphen"},
        {0x200b, "zero width space"},
        {0x2028, "line separator"},
        {0xfeff, "byte order mark"},
        {0xfffd, "replacement character"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].code_point == code_point) {
            return names[i].name;
        }
    }
    return code_point < 0x20 || (code_point >= 0x80 && code_point < 0xa0) ? "control character"
                                                                          : NULL;
}

const char *token_name(char to[TOKEN_NAMED], const char *bytes, size_t length)
{
    char shown[TOKEN_SHOWN];
    uint32_t code_point;
    size_t size = utf8_decode(&code_point, bytes, length);
    const char *name = size > 0 && size == length ? character_name(code_point) : NULL;
    if (length == 1 && size == 0) {
        snprintf(to, TOKEN_NAMED, "0x%02x", (unsigned char)*bytes);
    } else if (name != NULL) {
        snprintf(to, TOKEN_NAMED, "U+%04X %s", (unsigned)code_point, name);
    } else if (size > 1 && size == length) {
        snprintf(to, TOKEN_NAMED, "'%s' (U+%04X)", token_show(shown, bytes, length),
                 (unsigned)code_point);
    } else {
        snprintf(to, TOKEN_NAMED, "'%s'", token_show(shown, bytes, length));
    }
    return to;
}

void text_origin_advance(text_origin *origin, const char *text, size_t length)
{
    origin->byte += length;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n') {
            origin->line++;
            origin->column = 0;
        } else {
            origin->column += ((unsigned char)text[i] & 0xc0) != 0x80;
        }
    }
}

const char *text_place(char to[PLACE_SHOWN], const tokenizer *from, size_t at)
{
    text_origin place = from->origin;
    text_origin_advance(&place, from->text, at);
    snprintf(to, PLACE_SHOWN, "byte %zu (line %zu, column %zu)", place.byte, place.line + 1,
             place.column + 1);
    return to;
}
