/* The same, as on a system that knows no files without a name. */
#define _GNU_SOURCE
#include <fcntl.h>
#undef O_TMPFILE
#define NAMED

#include "../../lib/format/atomic_file_posix.c"

#include "format_atomic_file_test.c"
