/* A file that is read in pieces. */
#ifndef FORMAT_INPUT_FILE_H
#define FORMAT_INPUT_FILE_H

#include "lrnn/base.h"

typedef struct input_file {
    const char *name; /* the path, for messages; borrowed */
    int descriptor;
    size_t length; /* bytes, when it was opened */
} input_file;

/* Opens a regular file; a pipe is refused, not waited for. LRNN_ERR_IO: path and reason;
 * LRNN_ERR_MEMORY: larger than size_t. Nothing is open after a failure. */
lrnn_status input_file_open(input_file *file, const char *path);
void input_file_close(input_file *file); /* again: nothing */

/* `length` bytes from `offset` on. LRNN_ERR_IO: path and reason. */
lrnn_status input_file_read(const input_file *file, void *to, size_t length, size_t offset);

#endif
