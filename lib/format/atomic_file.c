/* Where the system can do that (O_TMPFILE), the new file has no name until all of it is on the
 * disk, so that nothing is left of a process that is killed. Elsewhere it has a temporary name.
 * Either is locked (flock) from before it has a name until it has its own or its process ends; so a
 * temporary name that can be locked is one of the dead, and the next writer into that folder
 * removes it. */
#ifdef __linux__
#define _GNU_SOURCE /* O_TMPFILE */
#endif
#include "atomic_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/error.h"

#define MAX_LINKS 40  /* as Linux follows */
#define MAX_NAMES 100 /* temporary names tried before giving up */

void atomic_file_abort(atomic_file *file)
{
    if (file->descriptor >= 0) {
        close(file->descriptor);
        file->descriptor = -1;
    }
    if (file->temporary[0] != '\0') {
        unlink(file->temporary);
        file->temporary[0] = '\0';
    }
}

/* Closes and removes what there is, and reports `reason`, an errno. */
static lrnn_status fail(atomic_file *file, const char *what, int reason)
{
    atomic_file_abort(file);
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

/* Ours begin and end so. Short, so that they fit where the target's name is as long as can be. */
static const char name_start[] = ".lrnn-data-";
static const char name_end[] = ".tmp";

static bool make_name(char path[ATOMIC_FILE_PATH], const atomic_file *file, int attempt)
{
    char name[40];
    snprintf(name, sizeof name, "%s%016llx%s", name_start,
             (unsigned long long)unlikely_number(file, attempt), name_end);
    memcpy(path, file->target, sizeof file->target);
    return path_replace_last(path, name);
}

static void folder_of(char folder[ATOMIC_FILE_PATH], const atomic_file *file)
{
    size_t length = folder_length(file->target);
    memcpy(folder, file->target, length);
    strcpy(folder + length, length == 0 ? "." : "");
}

static bool is_temporary(const char *name)
{
    size_t length = strlen(name), end = sizeof name_end - 1;
    return strncmp(name, name_start, sizeof name_start - 1) == 0 && length > end &&
           strcmp(name + length - end, name_end) == 0;
}

/* A name may be anything by now, also a pipe that nobody writes to. */
static bool is_of_the_dead(int descriptor)
{
    struct stat about;
    return fstat(descriptor, &about) == 0 && S_ISREG(about.st_mode) &&
           flock(descriptor, LOCK_EX | LOCK_NB) == 0;
}

static void clear_leftovers(const char *folder)
{
    DIR *stream = opendir(folder);
    if (stream == NULL) {
        return;
    }
    for (const struct dirent *entry; (entry = readdir(stream)) != NULL;) {
        int at = dirfd(stream);
        int descriptor =
            is_temporary(entry->d_name)
                ? openat(at, entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
                : -1;
        if (descriptor >= 0) {
            if (is_of_the_dead(descriptor)) {
                unlinkat(at, entry->d_name, 0);
            }
            close(descriptor);
        }
    }
    closedir(stream);
}

static int open_unnamed(const char *folder, mode_t mode)
{
#ifdef O_TMPFILE
    if (access("/proc/self/fd", X_OK) == 0) { /* which gives it a name later */
        int descriptor = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
        if (descriptor >= 0) {
            flock(descriptor, LOCK_EX | LOCK_NB);
        }
        return descriptor;
    }
#endif
    (void)folder;
    (void)mode;
    return -1;
}

/* False if somebody took it for one of the dead before it was locked. A file system that knows no
 * locks is forgiven: nobody can lock the file there, and so nobody removes it. */
static bool lock(int descriptor)
{
    struct stat about;
    if (flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        return false;
    }
    return fstat(descriptor, &about) != 0 || about.st_nlink > 0;
}

static lrnn_status open_named(atomic_file *file, mode_t mode)
{
    for (int attempt = 0; attempt < MAX_NAMES; attempt++) {
        char path[ATOMIC_FILE_PATH];
        if (!make_name(path, file, attempt)) {
            break;
        }
        int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (descriptor >= 0 && lock(descriptor)) {
            file->descriptor = descriptor;
            memcpy(file->temporary, path, sizeof path);
            return LRNN_OK;
        }
        if (descriptor >= 0) {
            unlink(path);
            close(descriptor);
        } else if (errno != EEXIST && errno != EINTR) {
            break;
        }
    }
    return fail(file, "cannot create a file in its folder", errno);
}

static lrnn_status open_temporary(atomic_file *file, mode_t mode)
{
    char folder[ATOMIC_FILE_PATH];
    folder_of(folder, file);
    clear_leftovers(folder);
    file->descriptor = open_unnamed(folder, mode);
    return file->descriptor >= 0 ? LRNN_OK : open_named(file, mode);
}

/* Gives the unnamed file a name beside its target. */
static bool name_unnamed(atomic_file *file)
{
    char source[64], path[ATOMIC_FILE_PATH];
    snprintf(source, sizeof source, "/proc/self/fd/%d", file->descriptor);
    for (int attempt = 0; attempt < MAX_NAMES && make_name(path, file, attempt); attempt++) {
        if (linkat(AT_FDCWD, source, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0) {
            memcpy(file->temporary, path, sizeof path);
            return true;
        }
        if (errno != EEXIST) {
            break;
        }
    }
    return false;
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

lrnn_status atomic_file_rewrite(atomic_file *file, const void *bytes, size_t length)
{
    const char *from = bytes;
    for (off_t at = 0; length > 0;) {
        ssize_t n = pwrite(file->descriptor, from, length, at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return fail(file, "cannot be written", n < 0 ? errno : EIO);
        }
        from += n;
        at += n;
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
    folder_of(folder, file);
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

/* The lock ends with the descriptor, so the name must be the right one before that. Once synced,
 * nothing is left for close to report. */
static lrnn_status put_in_place(atomic_file *file)
{
    if (sync_file(file->descriptor) != 0 || (file->temporary[0] == '\0' && !name_unnamed(file))) {
        return fail(file, "cannot be written", errno);
    }
    if (rename(file->temporary, file->target) != 0) {
        return fail(file, "cannot be replaced", errno);
    }
    file->temporary[0] = '\0';
    return LRNN_OK;
}

lrnn_status atomic_file_commit(atomic_file *file)
{
    CHECK(file->direct ? LRNN_OK : put_in_place(file));
    int descriptor = file->descriptor;
    file->descriptor = -1;
    if (close(descriptor) != 0 && errno != EINTR && file->direct) {
        return fail(file, "cannot be written", errno);
    }
    return file->direct ? LRNN_OK : sync_folder(file);
}
