#include "options.h"

#include <string.h>

#include "error.h"

static lrnn_status check_size(size_t size, size_t known, size_t first, const char *name)
{
    if (size > known) {
        return error_set(LRNN_ERR_UNSUPPORTED,
                         "%s: size %zu is more than the %zu that this library knows; the header "
                         "is newer than the library, or _init was not called",
                         name, size, known);
    }
    if (size < first || size % 8 != 0) {
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
    lrnn_status status = check_size(struct_size, known, first, name);
    if (status == LRNN_OK) {
        memcpy(options, defaults, struct_size);
        memcpy(options, &struct_size, sizeof struct_size);
    }
    return status;
}

lrnn_status options_read(void *copy, const void *options, const void *defaults, size_t known,
                         size_t first, const char *name)
{
    if (options == NULL) {
        return error_null(name);
    }
    size_t size;
    memcpy(&size, options, sizeof size);
    lrnn_status status = check_size(size, known, first, name);
    if (status == LRNN_OK) {
        memcpy(copy, defaults, known);
        memcpy(copy, options, size);
        memcpy(copy, &known, sizeof known);
    }
    return status;
}

void options_give(void *options, const void *all, size_t known)
{
    size_t size;
    memcpy(&size, options, sizeof size);
    memcpy(options, all, size < known ? size : known);
    memcpy(options, &size, sizeof size);
}
