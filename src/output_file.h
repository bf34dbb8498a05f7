/* Text files that appear whole or not at all, and paths as they are written to. */
#ifndef OUTPUT_FILE_H
#define OUTPUT_FILE_H

#include <stdbool.h>
#include <stdio.h>

/* Written without a name in its folder where the system can do that, so that nothing remains of a
 * process that is killed; elsewhere under a name of its own. Synced, then put in place. A link
 * stays one, a file keeps its permissions, a device or a pipe is written to as it is. */
typedef struct output_file {
    FILE *stream; /* to print to */
    const char *path;
    char *target;    /* where the links of path lead */
    char *temporary; /* name beside the target; NULL: none */
    bool direct;
} output_file;

int output_file_open(output_file *file, const char *path);
int output_file_commit(output_file *file);

/* Makes a file in the folder and removes it again, and so does it with what dead processes have
 * left there. Returns 0, or the errno that says why it cannot be done. */
int output_folder_prove(const char *folder);

/* `path` with its last links followed, to a file that may not exist; the folders in it are left to
 * the system. NULL with errno set. The caller frees this and the folder. */
char *path_follow_links(const char *path);

/* "." or what is before the last slash, with it. */
char *path_folder(const char *path);

bool path_is_separator(char c);          /* ends a folder */
const char *path_name(const char *path); /* what comes after the last separator */

#endif
