/* A folder of a test's own, for files that it writes. */
#ifndef SUPPORT_SCRATCH_H
#define SUPPORT_SCRATCH_H

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct scratch {
    char folder[256];
} scratch;

static inline scratch scratch_create(void)
{
    scratch made;
    const char *parent = getenv("TMPDIR");
    snprintf(made.folder, sizeof made.folder, "%s/lrnn-test-XXXXXX",
             parent != NULL ? parent : "/tmp");
    if (mkdtemp(made.folder) == NULL) {
        perror(made.folder);
        abort();
    }
    return made;
}

/* Path of a file in the folder; lasts until the fourth call after it. */
static inline const char *scratch_path(const scratch *from, const char *name)
{
    static char paths[4][512];
    static int next;
    next = (next + 1) % 4;
    snprintf(paths[next], sizeof paths[next], "%s/%s", from->folder, name);
    return paths[next];
}

/* Makes a file of these bytes. */
static inline void scratch_write(const char *path, const void *bytes, size_t length)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, length, file) != length || fclose(file) != 0) {
        perror(path);
        abort();
    }
}

/* Number of files in the folder, and the folder emptied when asked. */
static inline size_t scratch_files(const scratch *from, bool remove_them)
{
    DIR *folder = opendir(from->folder);
    size_t count = 0;
    if (folder == NULL) {
        perror(from->folder);
        abort();
    }
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            count++;
            if (remove_them) {
                unlink(scratch_path(from, entry->d_name));
            }
        }
    }
    closedir(folder);
    return count;
}

/* Removes the folder and the files in it. */
static inline void scratch_destroy(scratch *made)
{
    scratch_files(made, true);
    if (rmdir(made->folder) != 0) {
        perror(made->folder);
    }
}

#endif
