/* Checking the fields of options, one at a time. Each gives LRNN_OK, or LRNN_ERR_INVALID with the
 * field's name, what was expected and what was found. */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lrnn/base.h"

/* Returns from the calling function with the status of the first check that fails. */
#define CHECK(call)                                                                                \
    do {                                                                                           \
        lrnn_status checked = (call);                                                              \
        if (checked != LRNN_OK) {                                                                  \
            return checked;                                                                        \
        }                                                                                          \
    } while (0)

lrnn_status check_size(const char *name, size_t value, size_t low, size_t high);

/* An enumerator 0..last, or a flag with last 1. */
lrnn_status check_choice(const char *name, int32_t value, int32_t last);

/* A field kept for later. */
lrnn_status check_reserved(int32_t value);

lrnn_status check_finite(const char *name, double value);
lrnn_status check_positive(const char *name, double value);     /* finite, above 0 */
lrnn_status check_not_negative(const char *name, double value); /* finite, at least 0 */
lrnn_status check_below_one(const char *name, double value);    /* 0 <= value < 1 */

/* 0..1, or above 0 and at most 1. */
lrnn_status check_share(const char *name, double value, bool zero_allowed);

/* An array may be NULL only where its count is 0. */
lrnn_status check_array(const char *name, const void *array, size_t count);

/* What a caller says they have: so many elements of so many bytes. Refuses what no memory can hold
 * before anything is read of it. */
lrnn_status check_extent(const char *name, size_t count, size_t element_bytes);

#endif
