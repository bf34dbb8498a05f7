/* The checks of check.h. Every message has the form "field: expected ..., found ...". */
#include "check.h"

#include <math.h>

#include "error.h"

lrnn_status check_size(const char *name, size_t value, size_t low, size_t high)
{
    if (value < low || value > high) {
        return error_set(LRNN_ERR_INVALID, "%s: expected %zu..%zu, found %zu", name, low, high,
                         value);
    }
    return LRNN_OK;
}

lrnn_status check_choice(const char *name, int32_t value, int32_t last)
{
    if (value < 0 || value > last) {
        return error_set(LRNN_ERR_INVALID, "%s: expected 0..%d, found %d", name, (int)last,
                         (int)value);
    }
    return LRNN_OK;
}

lrnn_status check_reserved(int32_t value)
{
    if (value != 0) {
        return error_set(LRNN_ERR_INVALID, "reserved: expected 0, found %d", (int)value);
    }
    return LRNN_OK;
}

lrnn_status check_finite(const char *name, double value)
{
    if (!isfinite(value)) {
        return error_set(LRNN_ERR_INVALID, "%s: expected a finite number, found %g", name, value);
    }
    return LRNN_OK;
}

lrnn_status check_positive(const char *name, double value)
{
    if (!isfinite(value) || value <= 0) {
        return error_set(LRNN_ERR_INVALID, "%s: expected a finite number above 0, found %g", name,
                         value);
    }
    return LRNN_OK;
}

lrnn_status check_not_negative(const char *name, double value)
{
    if (!isfinite(value) || value < 0) {
        return error_set(LRNN_ERR_INVALID, "%s: expected a finite number of at least 0, found %g",
                         name, value);
    }
    return LRNN_OK;
}

lrnn_status check_below_one(const char *name, double value)
{
    if (!(value >= 0 && value < 1)) {
        return error_set(LRNN_ERR_INVALID, "%s: expected 0 <= %s < 1, found %g", name, name, value);
    }
    return LRNN_OK;
}

lrnn_status check_share(const char *name, double value, bool zero_allowed)
{
    if (!(value <= 1) || value < 0 || (value == 0 && !zero_allowed)) {
        return error_set(LRNN_ERR_INVALID, "%s: expected %s, found %g", name,
                         zero_allowed ? "0..1" : "above 0 and at most 1", value);
    }
    return LRNN_OK;
}

lrnn_status check_array(const char *name, const void *array, size_t count)
{
    if (array == NULL && count > 0) {
        return error_set(LRNN_ERR_INVALID, "%s: NULL, but its count is %zu", name, count);
    }
    return LRNN_OK;
}

/* No object is larger than PTRDIFF_MAX; and no processor of 64 bits has as many address bits. */
#define MOST_BYTES (SIZE_MAX > UINT32_MAX ? SIZE_MAX >> 7 : (size_t)PTRDIFF_MAX)

lrnn_status check_extent(const char *name, size_t count, size_t element_bytes)
{
    return count <= MOST_BYTES / element_bytes
               ? LRNN_OK
               : error_set(LRNN_ERR_INVALID, "%s: %zu is more than memory can hold", name, count);
}
