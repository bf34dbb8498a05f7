/* The error text of this thread. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdio.h> /* on Windows it says whose printf it has */

#include "lrnn/base.h"

#ifdef __MINGW_PRINTF_FORMAT
#define ERROR_FORMAT __MINGW_PRINTF_FORMAT
#else
#define ERROR_FORMAT printf
#endif

/* Stores a formatted line for lrnn_last_error and returns `status`, so that a failing function can
 * end with `return error_set(...)`. Control characters and invalid UTF-8 in the result are replaced
 * by '?', so that names taken from hostile files stay on one line and leave a terminal alone.
 * lrnn_last_error() may be one of the arguments. */
lrnn_status error_set(lrnn_status status, const char *format, ...)
    __attribute__((format(ERROR_FORMAT, 2, 3)));

/* error_set(LRNN_ERR_INVALID, "<name> is NULL"). */
lrnn_status error_null(const char *name);

#endif
