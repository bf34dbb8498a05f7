#include "error.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char last_error[512];

lrnn_status error_set(lrnn_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(last_error, sizeof last_error, format, arguments) < 0) {
        last_error[0] = '\0';
    }
    va_end(arguments);
    for (char *c = last_error; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = '?';
        }
    }
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
