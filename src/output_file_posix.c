/* A temporary file is locked (flock) from before it has a name until it has its own or its process
 * ends, however that ends. So a name that can be locked is one of the dead, and is removed. */
#define _GNU_SOURCE /* O_TMPFILE */
#include "output_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output.h"

enum { LINKS_MAXIMUM = 40 /* as Linux follows */, NAMES_MAXIMUM = 100 };

/* Ours begin and end so. */
static const char name_start[] = ".lrnn-text-";
static const char name_end[] = ".tmp";

/* ---- paths ---- */

char *path_follow_links(const char *path)
{
    char *at = format_text("%s", path);
    for (int i = 0; at != NULL; i++) {
        char next[PATH_MAX];
        ssize_t length = readlink(at, next, sizeof next - 1);
        if (length < 0) {
            return at;
        }
        next[length] = '\0';
        const char *slash = next[0] == '/' ? NULL : strrchr(at, '/');
        int folder = slash != NULL ? (int)(slash - at) + 1 : 0;
        char *target = format_text("%.*s%s", folder, at, next);
        free(at);
        at = target;
        if (i == LINKS_MAXIMUM) {
            free(at);
            errno = ELOOP;
            return NULL;
        }
    }
    errno = ENOMEM;
    return NULL;
}

/* ---- temporary files ---- */

static char *new_name(const char *folder)
{
    static unsigned count;
    return format_text("%s/%s%ld-%u-%08lx%s", folder, name_start, (long)getpid(), count++,
                       (unsigned long)(now() * 1e6) & 0xffffffffu, name_end);
}

/* A file without a name, locked; -1 where that cannot be. */
static int open_unnamed(const char *folder, mode_t mode)
{
#ifdef O_TMPFILE
    if (access("/proc/self/fd", X_OK) != 0) { /* which gives it a name later */
        errno = EOPNOTSUPP;
        return -1;
    }
    int descriptor = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
    if (descriptor >= 0) {
        flock(descriptor, LOCK_EX | LOCK_NB);
    }
    return descriptor;
#else
    (void)folder;
    (void)mode;
    errno = EOPNOTSUPP;
    return -1;
#endif
}

static bool knows_no_unnamed(int reason)
{
    return reason == EOPNOTSUPP || reason == EISDIR || reason == EINVAL || reason == ENOENT;
}

/* A file with a name, locked. Somebody may remove it between its creation and the lock. */
static int open_named(char **name, const char *folder, mode_t mode)
{
    for (int i = 0; i < NAMES_MAXIMUM; i++) {
        *name = new_name(folder);
        int descriptor =
            *name != NULL ? open(*name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode) : -1;
        int reason = *name == NULL ? ENOMEM : errno;
        struct stat about;
        if (descriptor >= 0 && (flock(descriptor, LOCK_EX) != 0 || fstat(descriptor, &about) != 0 ||
                                about.st_nlink > 0)) {
            return descriptor;
        }
        if (descriptor >= 0) {
            close(descriptor);
            reason = EEXIST;
        }
        free(*name);
        *name = NULL;
        errno = reason;
        if (reason != EEXIST) {
            return -1;
        }
    }
    return -1;
}

/* Gives the unnamed file a name beside its target. */
static int name_unnamed(output_file *file)
{
    char source[64];
    snprintf(source, sizeof source, "/proc/self/fd/%d", fileno(file->stream));
    char *folder = path_folder(file->target);
    for (int i = 0; folder != NULL && i < NAMES_MAXIMUM; i++) {
        char *name = new_name(folder);
        if (name != NULL && linkat(AT_FDCWD, source, AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0) {
            file->temporary = name;
            break;
        }
        free(name);
        if (errno != EEXIST) {
            break;
        }
    }
    free(folder);
    return file->temporary != NULL ? 0 : -1;
}

static bool is_temporary(const char *name)
{
    size_t length = strlen(name);
    size_t end = sizeof name_end - 1;
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
        if (!is_temporary(entry->d_name)) {
            continue;
        }
        int at = dirfd(stream);
        int descriptor = openat(at, entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (descriptor >= 0) {
            if (is_of_the_dead(descriptor)) {
                unlinkat(at, entry->d_name, 0);
            }
            close(descriptor);
        }
    }
    closedir(stream);
}

int output_folder_prove(const char *folder)
{
    clear_leftovers(folder);
    int descriptor = open_unnamed(folder, 0600);
    if (descriptor < 0 && knows_no_unnamed(errno)) {
        char *name = NULL;
        descriptor = open_named(&name, folder, 0600);
        int reason = errno;
        if (descriptor >= 0) {
            unlink(name);
        }
        free(name);
        errno = reason;
    }
    if (descriptor < 0) {
        return errno;
    }
    close(descriptor);
    return 0;
}

/* ---- writing ---- */

static int open_temporary(output_file *file, mode_t mode)
{
    char *folder = path_folder(file->target);
    int descriptor = folder != NULL ? open_unnamed(folder, mode) : -1;
    if (folder != NULL && descriptor < 0 && knows_no_unnamed(errno)) {
        descriptor = open_named(&file->temporary, folder, mode);
    }
    int reason = errno;
    free(folder);
    errno = reason;
    return descriptor;
}

static int open_target(output_file *file)
{
    struct stat about;
    if (stat(file->target, &about) != 0) {
        return errno == ENOENT ? open_temporary(file, 0666) : -1;
    }
    if (S_ISCHR(about.st_mode) || S_ISFIFO(about.st_mode)) {
        file->direct = true;
        return open(file->target, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    }
    if (!S_ISREG(about.st_mode)) {
        errno = S_ISDIR(about.st_mode) ? EISDIR : EINVAL;
        return -1;
    }
    int descriptor = open_temporary(file, about.st_mode & 0777);
    if (descriptor >= 0) {
        fchmod(descriptor, about.st_mode & 0777);
    }
    return descriptor;
}

static void forget(output_file *file)
{
    if (file->temporary != NULL) {
        unlink(file->temporary);
    }
    free(file->temporary);
    free(file->target);
    *file = (output_file){.path = file->path};
}

int output_file_open(output_file *file, const char *path)
{
    *file = (output_file){.path = path, .target = path_follow_links(path)};
    int descriptor = file->target != NULL ? open_target(file) : -1;
    file->stream = descriptor >= 0 ? fdopen(descriptor, "w") : NULL;
    if (file->stream == NULL) {
        int reason = errno;
        if (descriptor >= 0) {
            close(descriptor);
        }
        forget(file);
        return complain("cannot write %s: %s", path, strerror(reason));
    }
    return 0;
}

/* The lock ends with the stream, so the name must be the right one before that. */
static bool put_in_place(output_file *file)
{
    if (file->direct) {
        return true;
    }
    if (fsync(fileno(file->stream)) != 0 || (file->temporary == NULL && name_unnamed(file) != 0) ||
        rename(file->temporary, file->target) != 0) {
        return false;
    }
    free(file->temporary);
    file->temporary = NULL;
    return true;
}

int output_file_commit(output_file *file)
{
    bool written = fflush(file->stream) == 0 && !ferror(file->stream) && put_in_place(file);
    int reason = errno;
    if (fclose(file->stream) != 0 && written) {
        written = false;
        reason = errno;
    }
    const char *path = file->path;
    forget(file);
    return written ? 0 : complain("cannot write %s: %s", path, strerror(reason));
}
