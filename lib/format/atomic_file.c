#include "atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"

#define MAX_LINKS 40  /* as Linux follows */
#define MAX_NAMES 100 /* temporary names tried before giving up */

/* Closes and removes what there is, and reports `reason`, an errno. */
static lrnn_status fail(atomic_file *file, const char *what, int reason)
{
    if (file->descriptor >= 0) {
        close(file->descriptor);
        file->descriptor = -1;
    }
    if (file->temporary[0] != '\0') {
        unlink(file->temporary);
        file->temporary[0] = '\0';
    }
    return error_set(LRNN_ERR_IO, "%s: %s: %s", file->name, what, strerror(reason));
}

/* Length of the folder part of a path with its slash; 0 if it has none. */
static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? (size_t)(slash - path) + 1 : 0;
}

/* Replaces the last part of `path` by `name`, or all of it when that is absolute. */
static bool path_replace_last(char path[ATOMIC_FILE_PATH], const char *name)
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

/* Follows links at the end of file->target, to one that does not exist too. realpath would stop
 * there; links among the folders need no following, renaming inside them works. */
static bool follow_links(atomic_file *file)
{
    for (int i = 0; i < MAX_LINKS; i++) {
        char next[ATOMIC_FILE_PATH];
        ssize_t length = readlink(file->target, next, sizeof next);
        if (length < 0) {
            return errno == EINVAL || errno == ENOENT; /* not a link; not there */
        }
        if ((size_t)length == sizeof next) {
            errno = ENAMETOOLONG;
            return false;
        }
        next[length] = '\0';
        if (!path_replace_last(file->target, next)) {
            return false;
        }
    }
    errno = ELOOP;
    return false;
}

/* Something that another process or thread, or this one a moment ago, hardly has: O_EXCL sees to
 * the rest. */
static uint64_t unlikely_number(const atomic_file *file, int attempt)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t number = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    number ^= (uint64_t)getpid() << 40 ^ (uint64_t)(uintptr_t)file ^ (uint64_t)attempt << 32;
    number *= UINT64_C(0x9e3779b97f4a7c15);
    return number ^ number >> 29;
}

/* A short name of its own, so that it fits where the target's name is as long as can be. */
static lrnn_status open_temporary(atomic_file *file, mode_t mode)
{
    char path[ATOMIC_FILE_PATH];
    memcpy(path, file->target, sizeof path);
    for (int attempt = 0; attempt < MAX_NAMES; attempt++) {
        char name[40];
        snprintf(name, sizeof name, ".lrnn-%016llx.tmp",
                 (unsigned long long)unlikely_number(file, attempt));
        if (!path_replace_last(path, name)) {
            break;
        }
        file->descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (file->descriptor >= 0) {
            memcpy(file->temporary, path, sizeof path);
            return LRNN_OK;
        }
        if (errno != EEXIST && errno != EINTR) {
            break;
        }
    }
    return fail(file, "cannot create a file in its folder", errno);
}

lrnn_status atomic_file_open(atomic_file *file, const char *path)
{
    *file = (atomic_file){.name = path, .descriptor = -1};
    if (!path_replace_last(file->target, path) || !follow_links(file)) {
        return fail(file, "cannot be written", errno);
    }
    struct stat about;
    if (stat(file->target, &about) != 0) {
        return errno == ENOENT ? open_temporary(file, 0666)
                               : fail(file, "cannot be written", errno);
    }
    if (S_ISCHR(about.st_mode)) {
        file->direct = 1;
        file->descriptor = open(file->target, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        return file->descriptor >= 0 ? LRNN_OK : fail(file, "cannot be written", errno);
    }
    if (!S_ISREG(about.st_mode)) {
        return fail(file, "not a regular file", S_ISDIR(about.st_mode) ? EISDIR : EINVAL);
    }
    lrnn_status status = open_temporary(file, about.st_mode & 0777);
    if (status == LRNN_OK && fchmod(file->descriptor, about.st_mode & 0777) != 0) {
        status = fail(file, "cannot set permissions", errno);
    }
    return status;
}

lrnn_status atomic_file_write(atomic_file *file, const void *bytes, size_t length)
{
    const char *from = bytes;
    while (length > 0) {
        ssize_t n = write(file->descriptor, from, length < (1u << 30) ? length : 1u << 30);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return fail(file, "cannot be written", n < 0 ? errno : EIO);
        }
        from += n;
        length -= (size_t)n;
    }
    return LRNN_OK;
}

static int sync_file(int descriptor)
{
    int result;
    do {
        result = fsync(descriptor);
    } while (result != 0 && errno == EINTR);
    return result;
}

/* Makes the renaming last. File systems and permissions that know no such thing are forgiven. */
static lrnn_status sync_folder(atomic_file *file)
{
    char folder[ATOMIC_FILE_PATH];
    size_t length = folder_length(file->target);
    memcpy(folder, file->target, length);
    strcpy(folder + length, length == 0 ? "." : "");
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) {
        return LRNN_OK;
    }
    int reason = sync_file(descriptor) == 0 ? 0 : errno;
    close(descriptor);
    if (reason != 0 && reason != EINVAL && reason != ENOTSUP) {
        return fail(file, "was written, but its folder cannot be synced", reason);
    }
    return LRNN_OK;
}

lrnn_status atomic_file_commit(atomic_file *file)
{
    if (!file->direct && sync_file(file->descriptor) != 0) {
        return fail(file, "cannot be written", errno);
    }
    int descriptor = file->descriptor;
    file->descriptor = -1;
    if (close(descriptor) != 0 && errno != EINTR) {
        return fail(file, "cannot be written", errno);
    }
    if (file->direct) {
        return LRNN_OK;
    }
    if (rename(file->temporary, file->target) != 0) {
        return fail(file, "cannot be replaced", errno);
    }
    file->temporary[0] = '\0';
    return sync_folder(file);
}
