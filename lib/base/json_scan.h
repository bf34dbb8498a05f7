/* The grammar of JSON, strictly: used by json.c only. */
#ifndef BASE_JSON_SCAN_H
#define BASE_JSON_SCAN_H

#include <stddef.h>

#include "lrnn/base.h"

/* Whether the text is one JSON value in valid UTF-8, with nothing but white space around it, and
 * how many values, keys included, it is made of. LRNN_ERR_FORMAT with what is wrong and where. */
lrnn_status json_scan(size_t *count, const char *text, size_t length, const char *what);

/* The first character of the inside of a string that json_scan has passed: its bytes, how many they
 * are, and by reference how many bytes of text it took, which are never fewer. */
size_t json_unescape(char to[4], const char *text, size_t length, size_t *taken);

#endif
