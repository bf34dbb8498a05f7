/* Telling what a file is by how it begins. */
#ifndef FILE_KIND_H
#define FILE_KIND_H

#include <stdbool.h>

#include "files.h"

/* "a model", for messages. */
const char *file_kind_name(file_kind kind);

/* Is the open file something that an output of this kind replaces: empty, or of the kind? */
bool file_kind_holds(file_kind kind, int descriptor);

/* Is it of the kind? */
bool file_kind_is(file_kind kind, int descriptor);

#endif
