/* Which BLAS answers is what the build asked for, by name and by the file it was loaded from. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lrnn.h"

static void the_build_info_names_the_blas_that_was_asked_for(void **state)
{
    (void)state;
    const char *line = strstr(lrnn_build_info(), "blas: ");
    assert_non_null(line);
    assert_non_null(strstr(line, EXPECT_BLAS));
}

static void the_blas_that_was_loaded_is_the_one_that_was_asked_for(void **state)
{
    (void)state;
    Dl_info info;
    void *function = dlsym(RTLD_DEFAULT, "cblas_sgemm");
    if (strcmp(EXPECT_BLAS, "none") == 0) {
        assert_null(function);
        return;
    }
    assert_non_null(function);
    assert_int_not_equal(dladdr(function, &info), 0);
    int open = strstr(info.dli_fname, "openblas") != NULL;
    if (open != (strcmp(EXPECT_BLAS, "OpenBLAS") == 0)) {
        fail_msg("asked for %s, cblas_sgemm is in %s", EXPECT_BLAS, info.dli_fname);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_build_info_names_the_blas_that_was_asked_for),
        cmocka_unit_test(the_blas_that_was_loaded_is_the_one_that_was_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
