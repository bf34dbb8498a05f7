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
#include <unistd.h>

#include "atomic_name.h"
#include "base/check.h"
#include "base/error.h"

#define MAX_LINKS 40 /* as Linux follows */

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
        if (!atomic_name_replace_last(file->target, next)) {
            return false;
        }
    }
    errno = ELOOP;
    return false;
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
            atomic_name_is_ours(entry->d_name)
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
    for (int attempt = 0; attempt < ATOMIC_NAMES; attempt++) {
        char path[ATOMIC_FILE_PATH];
        if (!atomic_name_make(path, file, attempt)) {
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
    atomic_name_folder(folder, file);
    clear_leftovers(folder);
    file->descriptor = open_unnamed(folder, mode);
    return file->descriptor >= 0 ? LRNN_OK : open_named(file, mode);
}

/* Gives the unnamed file a name beside its target. */
static bool name_unnamed(atomic_file *file)
{
    char source[64], path[ATOMIC_FILE_PATH];
    snprintf(source, sizeof source, "/proc/self/fd/%d", file->descriptor);
    for (int attempt = 0; attempt < ATOMIC_NAMES && atomic_name_make(path, file, attempt);
         attempt++) {
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
    if (!atomic_name_replace_last(file->target, path) || !follow_links(file)) {
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
    atomic_name_folder(folder, file);
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
