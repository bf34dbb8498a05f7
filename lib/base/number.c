/* Decimal text of doubles. printf and strtod do the conversion; the radix character of the
 * process's locale is replaced by a point, and back. */
#include "number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* printf and strtod use the radix character of the process's locale. */
static char locale_radix(void)
{
    char text[8];
    snprintf(text, sizeof text, "%.1f", 0.5);
    return text[1];
}

void number_write_double(char text[NUMBER_ROOM], double value)
{
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, NUMBER_ROOM, "%.*g", digits, value);
        double back = strtod(text, NULL);
        if (memcmp(&back, &value, sizeof back) == 0) {
            break;
        }
    }
    char *radix = strchr(text, locale_radix());
    if (radix != NULL) {
        *radix = '.';
    }
}

bool number_read_double(double *value, const char *text)
{
    char copy[NUMBER_ROOM];
    size_t length = strlen(text);
    if (length == 0 || length >= sizeof copy || strspn(text, "0123456789+-.eE") != length) {
        return false;
    }
    memcpy(copy, text, length + 1);
    char *radix = strchr(copy, '.');
    if (radix != NULL) {
        *radix = locale_radix();
    }
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
