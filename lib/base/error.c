/* The error text: one buffer per thread, so that no lock is needed and no other thread can
 * overwrite it. What is stored is always valid UTF-8 on one line, whatever names it was made from.
 */
#include "error.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "utf8.h"

static _Thread_local char last_error[512];

static bool harmless(uint32_t code_point)
{
    return code_point >= 0x20 && (code_point < 0x7f || code_point > 0x9f) && code_point != 0x2028 &&
           code_point != 0x2029; /* line and paragraph separator */
}

/* Copies text, a '?' for each byte that is not UTF-8 and each character that could move a
 * terminal's cursor. The result is never longer than the text. */
static void store(const char *text)
{
    size_t left = strlen(text), used = 0;
    while (left > 0) {
        uint32_t code_point;
        size_t size = utf8_decode(&code_point, text, left);
        if (size > 0 && harmless(code_point)) {
            memcpy(last_error + used, text, size);
            used += size;
        } else {
            last_error[used++] = '?';
            size = size > 0 ? size : 1;
        }
        text += size;
        left -= size;
    }
    last_error[used] = '\0';
}

lrnn_status error_set(lrnn_status status, const char *format, ...)
{
    char line[sizeof last_error]; /* an argument may be lrnn_last_error() itself */
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(line, sizeof line, format, arguments) < 0) {
        line[0] = '\0';
    }
    va_end(arguments);
    store(line);
    return status;
}

lrnn_status error_null(const char *name)
{
    return error_set(LRNN_ERR_INVALID, "%s is NULL", name);
}

const char *lrnn_last_error(void)
{
    return last_error;
}

const char *lrnn_status_text(lrnn_status status)
{
    switch (status) {
    case LRNN_OK: return "success";
    case LRNN_ERR_INVALID: return "invalid argument";
    case LRNN_ERR_MEMORY: return "out of memory";
    case LRNN_ERR_UNSUPPORTED: return "not supported";
    case LRNN_ERR_IO: return "input or output failed";
    case LRNN_ERR_FORMAT: return "malformed file or text";
    case LRNN_ERR_NUMERIC: return "not a finite number";
    case LRNN_ERR_NOT_FOUND: return "not found";
    case LRNN_ERR_STATE: return "call out of order";
    case LRNN_ERR_TOO_SMALL: return "buffer too small";
    case LRNN_ERR_CANCELLED: return "cancelled by a callback";
    case LRNN_ERR_CALLBACK: return "a callback failed";
    case LRNN_END: return "nothing more";
    }
    return "unknown status";
}
