/* Paths as words; links are the system's (output_file_posix.c, output_file_windows.c). */
#include <string.h>

#include "output.h"
#include "output_file.h"
#include "system.h"

bool path_is_separator(char c)
{
    return c != '\0' && strchr(SYSTEM_SEPARATORS, c) != NULL;
}

const char *path_name(const char *path)
{
    const char *name = path;
    for (const char *at = path; *at != '\0'; at++) {
        name = path_is_separator(*at) ? at + 1 : name;
    }
    return name;
}

char *path_folder(const char *path)
{
    const char *name = path_name(path);
    return name == path ? format_text(".") : format_text("%.*s", (int)(name - path), path);
}
