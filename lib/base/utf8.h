/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Decodes the first code point of `length` bytes and returns how many bytes it takes, 1..4; 0 when
 * there is none: no bytes, or they do not begin with a whole valid character. *code_point may not
 * be NULL and is 0 then. */
size_t utf8_decode(uint32_t *code_point, const char *text, size_t length);

/* Writes a code point and returns how many bytes it took, 1..4; 0 for one that UTF-8 cannot hold.
 */
size_t utf8_encode(char to[4], uint32_t code_point);

/* How many bytes from the start are valid: `length` when all are, otherwise the offset of the first
 * byte of the first sequence that is not a character. */
size_t utf8_valid_prefix(const char *text, size_t length);

#endif
