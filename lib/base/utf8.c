/* UTF-8, decoded and checked one character at a time by the lead byte, with a fast way through runs
 * of ASCII. */
#include "utf8.h"

#include <string.h>

size_t utf8_decode(uint32_t *code_point, const char *text, size_t length)
{
    const unsigned char *byte = (const unsigned char *)text;
    *code_point = 0;
    if (length == 0) {
        return 0;
    }
    if (byte[0] < 0x80) {
        *code_point = byte[0];
        return 1;
    }
    /* The least code point of each length tells overlong forms; the lead byte has the rest. */
    size_t size;
    uint32_t value, least;
    if (byte[0] < 0xc2) {
        return 0;
    } else if (byte[0] < 0xe0) {
        size = 2, value = byte[0] & 0x1fu, least = 0x80;
    } else if (byte[0] < 0xf0) {
        size = 3, value = byte[0] & 0x0fu, least = 0x800;
    } else if (byte[0] < 0xf5) {
        size = 4, value = byte[0] & 0x07u, least = 0x10000;
    } else {
        return 0;
    }
    if (length < size) {
        return 0;
    }
    for (size_t i = 1; i < size; i++) {
        if ((byte[i] & 0xc0u) != 0x80) {
            return 0;
        }
        value = value << 6 | (byte[i] & 0x3fu);
    }
    if (value < least || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) {
        return 0;
    }
    *code_point = value;
    return size;
}

size_t utf8_encode(char to[4], uint32_t code_point)
{
    static const unsigned char lead[5] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t size;
    if (code_point < 0x80) {
        to[0] = (char)code_point;
        return 1;
    } else if (code_point < 0x800) {
        size = 2;
    } else if (code_point < 0x10000) {
        if (code_point >= 0xd800 && code_point < 0xe000) {
            return 0;
        }
        size = 3;
    } else if (code_point <= 0x10ffff) {
        size = 4;
    } else {
        return 0;
    }
    for (size_t i = size - 1; i > 0; i--) {
        to[i] = (char)(0x80 | (code_point & 0x3f));
        code_point >>= 6;
    }
    to[0] = (char)(lead[size] | code_point);
    return size;
}

size_t utf8_valid_prefix(const char *text, size_t length)
{
    size_t at = 0;
    while (at < length) {
        uint64_t eight;
        if (length - at >= sizeof eight) {
            memcpy(&eight, text + at, sizeof eight);
            if ((eight & UINT64_C(0x8080808080808080)) == 0) {
                at += sizeof eight;
                continue;
            }
        }
        uint32_t code_point;
        size_t size = utf8_decode(&code_point, text + at, length - at);
        if (size == 0) {
            return at;
        }
        at += size;
    }
    return length;
}
