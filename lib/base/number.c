/* Decimal text of doubles. printf and strtod do the conversion; the radix character of the
 * process's locale is replaced by a point, and back. */
#include "number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RADIX_ROOM = 16 };

/* printf and strtod use the radix character of the process's locale, which may have several bytes.
 * Writes it with a NUL; returns its length. */
static size_t locale_radix(char radix[RADIX_ROOM])
{
    char text[RADIX_ROOM + 2];
    snprintf(text, sizeof text, "%.1f", 0.5); /* 0, the radix character, 5 */
    size_t length = strlen(text) - 2;
    memcpy(radix, text + 1, length);
    radix[length] = '\0';
    return length;
}

/* Puts `to` in the place of the first `from`, in text that has the room. */
static void replace_radix(char *text, const char *from, const char *to)
{
    char *at = strstr(text, from);
    if (at != NULL) {
        size_t old = strlen(from), new = strlen(to);
        memmove(at + new, at + old, strlen(at + old) + 1);
        memcpy(at, to, new);
    }
}

void number_write_double(char text[NUMBER_ROOM], double value)
{
    char written[NUMBER_ROOM + RADIX_ROOM], radix[RADIX_ROOM];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(written, sizeof written, "%.*g", digits, value);
        double back = strtod(written, NULL);
        if (memcmp(&back, &value, sizeof back) == 0) {
            break;
        }
    }
    locale_radix(radix);
    replace_radix(written, radix, ".");
    memcpy(text, written, strlen(written) + 1);
}

bool number_read_double(double *value, const char *text)
{
    char copy[NUMBER_ROOM + RADIX_ROOM], radix[RADIX_ROOM];
    size_t length = strlen(text);
    if (length == 0 || length >= NUMBER_ROOM || strspn(text, "0123456789+-.eE") != length) {
        return false;
    }
    memcpy(copy, text, length + 1);
    locale_radix(radix);
    replace_radix(copy, ".", radix);
    char *end;
    *value = strtod(copy, &end);
    return *end == '\0' && isfinite(*value);
}

bool number_read_uint64(uint64_t *value, const char *text)
{
    *value = 0;
    if (*text == '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || __builtin_mul_overflow(*value, 10u, value) ||
            __builtin_add_overflow(*value, (uint64_t)(*text - '0'), value)) {
            return false;
        }
    }
    return true;
}

bool number_read_size(size_t *value, const char *text)
{
    uint64_t wide;
    if (!number_read_uint64(&wide, text) || wide > SIZE_MAX) {
        return false;
    }
    *value = (size_t)wide;
    return true;
}
