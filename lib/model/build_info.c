/* lrnn_build_info: written once, when it is first asked for. */
#include <stdio.h>

#include "base/real.h"
#include "base/system.h"
#include "kernels/kernels.h"
#include "kernels/multiply.h"
#include "lrnn/base.h"

static char info[512];
static system_once once = SYSTEM_ONCE_INIT;

static void describe(void)
{
    snprintf(info, sizeof info, "version: %s\nreal: %s\nkernels: %s\nblas: %s\n",
             lrnn_version_string(), LRNN_REAL_IS_FLOAT ? "float32" : "float64", kernels()->name,
             multiply_blas_name());
}

const char *lrnn_build_info(void)
{
    system_call_once(&once, describe);
    return info;
}
