/* Structs that cross the border and may grow: the first field is the size the caller knows. */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include <stddef.h>

#include "lrnn/base.h"

/* Size of a struct that ended with `last` in its first release. */
#define SIZE_THROUGH(type, last) (offsetof(type, last) + sizeof(((type *)NULL)->last))

/* Body of every lrnn_<struct>_init: copies the first struct_size bytes of `defaults` and stores
 * struct_size. `known` is the size of the struct in this library, `first` that in its first
 * release; both multiples of 8. On failure nothing is written. */
lrnn_status options_init(void *options, size_t struct_size, const void *defaults, size_t known,
                         size_t first, const char *name);

/* Reads a caller's struct: what its size covers, and defaults for the tail it does not have.
 * LRNN_ERR_INVALID when the size was never set by the init function. */
lrnn_status options_read(void *copy, const void *options, const void *defaults, size_t known,
                         size_t first, const char *name);

/* Fills in a caller's struct whose size has been checked: as much of `all`, which has `known`
 * bytes, as it holds. */
void options_give(void *options, const void *all, size_t known);

#endif
