/* The error text of this thread. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "lrnn/base.h"

/* Stores a formatted line for lrnn_last_error and returns `status`, so that a failing function can
 * end with `return error_set(...)`. Control characters and invalid UTF-8 in the result are replaced
 * by '?', so that names taken from hostile files stay on one line and leave a terminal alone.
 * lrnn_last_error() may be one of the arguments. */
lrnn_status error_set(lrnn_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* error_set(LRNN_ERR_INVALID, "<name> is NULL"). */
lrnn_status error_null(const char *name);

#endif
