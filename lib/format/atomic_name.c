/* Names as those of a file with a random number in it. */
#include "atomic_name.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/system.h"

/* Length of the folder part of a path with what ends it; 0 if it has none. */
static size_t folder_length(const char *path)
{
    size_t length = 0;
    for (size_t i = 0; path[i] != '\0'; i++) {
        length = strchr(SYSTEM_SEPARATORS, path[i]) != NULL ? i + 1 : length;
    }
    return length;
}

bool atomic_name_replace_last(char path[ATOMIC_FILE_PATH], const char *name)
{
    size_t folder = name[0] == '/' ? 0 : folder_length(path);
    size_t length = strlen(name);
    if (length >= ATOMIC_FILE_PATH - folder) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(path + folder, name, length + 1);
    return true;
}

/* Something that another process or thread, or this one a moment ago, hardly has: the system, which
 * makes no file twice, sees to the rest. */
static uint64_t unlikely_number(const atomic_file *file, int attempt)
{
    uint64_t number = system_nanoseconds();
    number ^= system_process() << 40 ^ (uint64_t)(uintptr_t)file ^ (uint64_t)attempt << 32;
    number *= UINT64_C(0x9e3779b97f4a7c15);
    return number ^ number >> 29;
}

/* Ours begin and end so. Short, so that they fit where the target's name is as long as can be. */
static const char name_start[] = ".lrnn-data-";
static const char name_end[] = ".tmp";

bool atomic_name_make(char path[ATOMIC_FILE_PATH], const atomic_file *file, int attempt)
{
    char name[40];
    snprintf(name, sizeof name, "%s%016llx%s", name_start,
             (unsigned long long)unlikely_number(file, attempt), name_end);
    memcpy(path, file->target, sizeof file->target);
    return atomic_name_replace_last(path, name);
}

bool atomic_name_is_ours(const char *name)
{
    size_t length = strlen(name), end = sizeof name_end - 1;
    return strncmp(name, name_start, sizeof name_start - 1) == 0 && length > end &&
           strcmp(name + length - end, name_end) == 0;
}

void atomic_name_folder(char folder[ATOMIC_FILE_PATH], const atomic_file *file)
{
    size_t length = folder_length(file->target);
    memcpy(folder, file->target, length);
    strcpy(folder + length, length == 0 ? "." : "");
}
