/* See options.h. A size is believed only within bounds, since memory that was never initialised
 * holds any number. */
#include "options.h"

#include <string.h>

#include "check.h"
#include "error.h"

/* No version will have a larger struct. */
#define MOST_BYTES 4096

static lrnn_status check_struct_size(size_t size, size_t first, const char *name)
{
    if (size < first || size > MOST_BYTES || size % sizeof size != 0) {
        return error_set(LRNN_ERR_INVALID, "%s never had size %zu; call its _init function first",
                         name, size);
    }
    return LRNN_OK;
}

lrnn_status options_init(void *options, size_t struct_size, const void *defaults, size_t known,
                         size_t first, const char *name)
{
    if (options == NULL) {
        return error_null(name);
    }
    CHECK(check_struct_size(struct_size, first, name));
    memset(options, 0, struct_size);
    memcpy(options, defaults, struct_size < known ? struct_size : known);
    memcpy(options, &struct_size, sizeof struct_size);
    return LRNN_OK;
}

/* What lies beyond the fields that this library knows. */
static lrnn_status check_beyond(const unsigned char *bytes, size_t known, size_t size,
                                const char *name)
{
    for (size_t i = known; i < size; i++) {
        if (bytes[i] != 0) {
            return error_set(LRNN_ERR_UNSUPPORTED,
                             "%s: the field at byte %zu is not known: this is liblrnn %s, the "
                             "program was compiled for a later version",
                             name, i, lrnn_version_string());
        }
    }
    return LRNN_OK;
}

lrnn_status options_read(void *copy, const void *options, const void *defaults, size_t known,
                         size_t first, const char *name)
{
    if (options == NULL) {
        return error_null(name);
    }
    size_t size;
    memcpy(&size, options, sizeof size);
    CHECK(check_struct_size(size, first, name));
    CHECK(check_beyond(options, known, size, name));
    memcpy(copy, defaults, known);
    memcpy(copy, options, size < known ? size : known);
    memcpy(copy, &known, sizeof known);
    return LRNN_OK;
}

void options_give(void *options, const void *all, size_t known)
{
    size_t size;
    memcpy(&size, options, sizeof size);
    memcpy(options, all, size < known ? size : known);
    memcpy(options, &size, sizeof size);
}

const void *options_element(const void *array, size_t i)
{
    size_t size;
    memcpy(&size, array, sizeof size);
    return (const unsigned char *)array + i * size;
}
