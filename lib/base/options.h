/* Structs that cross the border and may grow. The first field is the size that the caller knows.
 *
 * A smaller struct, of an older caller, has the defaults in the tail that it does not have. A
 * larger one, of a newer caller, is taken as long as all bytes beyond what this library knows are
 * zero, and refused when they are not: so the default of every field that is ever added is 0.
 * Nothing is written beyond the caller's size. docs/versions.md tells callers. */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include <stddef.h>

#include "released.h"

/* Body of every lrnn_<type>_init: `defaults`, zeros beyond them, and struct_size as the size.
 * LRNN_ERR_INVALID: NULL, or a size that no version has; nothing is written then. */
#define OPTIONS_INIT(options, struct_size, defaults, type)                                         \
    options_init(options, struct_size, defaults, sizeof(type), RELEASED_##type, #type)

/* Reads a caller's struct into a whole one. LRNN_ERR_INVALID: NULL, or the size was never set by
 * the init function; LRNN_ERR_UNSUPPORTED: a field that this library does not know is not 0. */
#define OPTIONS_READ(copy, options, defaults, type)                                                \
    options_read(copy, options, defaults, sizeof(type), RELEASED_##type, #type)

lrnn_status options_init(void *options, size_t struct_size, const void *defaults, size_t known,
                         size_t first, const char *name);
lrnn_status options_read(void *copy, const void *options, const void *defaults, size_t known,
                         size_t first, const char *name);

/* Fills in a caller's struct whose size has been checked: as much of `all`, which has `known`
 * bytes, as it holds. */
void options_give(void *options, const void *all, size_t known);

/* Element i of a caller's array of structs, which lie as far apart as its first one is large. */
const void *options_element(const void *array, size_t i);

#endif
