/* The names of temporary files beside an atomic_file's target. */
#ifndef FORMAT_ATOMIC_NAME_H
#define FORMAT_ATOMIC_NAME_H

#include <stdbool.h>

#include "atomic_file.h"

#define ATOMIC_NAMES 100 /* tried before giving up */

/* One that hardly is there yet; false with errno set if the path were too long. */
bool atomic_name_make(char path[ATOMIC_FILE_PATH], const atomic_file *file, int attempt);
bool atomic_name_is_ours(const char *name); /* without its folder */

/* The folder of file->target; "." for a name alone. */
void atomic_name_folder(char folder[ATOMIC_FILE_PATH], const atomic_file *file);

/* Replaces the last part of `path` by `name`, or all of it when that is absolute. */
bool atomic_name_replace_last(char path[ATOMIC_FILE_PATH], const char *name);

#endif
