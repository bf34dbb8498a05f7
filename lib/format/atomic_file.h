/* A file that is replaced whole or not at all, whatever happens in between. */
#ifndef FORMAT_ATOMIC_FILE_H
#define FORMAT_ATOMIC_FILE_H

#include "lrnn/base.h"

#define ATOMIC_FILE_PATH 4096 /* bytes of the longest path, its NUL included */

/* The bytes go to a file in the folder of the target, which commit renames over it; it has no name
 * before, where the system can do that, and a temporary one elsewhere. A
 * target that is a symbolic link stays one: what it points at is replaced. An existing target keeps
 * its permissions, a new one gets what the umask leaves. A character device (/dev/null) is written
 * to directly; anything else that is not a regular file is refused. */
typedef struct atomic_file {
    const char *name; /* the caller's path, for messages; borrowed */
    int descriptor;
    int direct;                       /* 1: a device, nothing to rename */
    char target[ATOMIC_FILE_PATH];    /* what will be replaced, links followed */
    char temporary[ATOMIC_FILE_PATH]; /* "" when there is no name to remove */
} atomic_file;

/* Overwrites the first `length` bytes, which have been written before; writing continues at the
 * end. Errors as below. */
lrnn_status atomic_file_rewrite(atomic_file *file, const void *bytes, size_t length);

/* Closes the file and leaves the target as it was; does nothing after a failure or a commit. */
void atomic_file_abort(atomic_file *file);

/* All of them return LRNN_ERR_IO with the path and the system's reason. After a failure nothing is
 * left behind, the old file is untouched and the atomic_file is closed; only when the folder cannot
 * be synced after the renaming, the new file is there and its durability is in doubt. */
lrnn_status atomic_file_open(atomic_file *file, const char *path);
lrnn_status atomic_file_write(atomic_file *file, const void *bytes, size_t length);
lrnn_status atomic_file_commit(atomic_file *file);

#endif
