/* The version that the library was compiled as. */
#include "lrnn/base.h"

#define TEXT_OF(number) #number
#define TEXT(number)    TEXT_OF(number)

int32_t lrnn_version_number(void)
{
    return LRNN_VERSION_NUMBER;
}

const char *lrnn_version_string(void)
{
    return TEXT(LRNN_VERSION_MAJOR) "." TEXT(LRNN_VERSION_MINOR) "." TEXT(LRNN_VERSION_PATCH);
}
