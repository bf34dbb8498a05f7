/* What the tests use of POSIX, for Windows: the Makefile includes it before each of them. What
 * Windows does not have skips the test that asks for it. */
#ifndef SUPPORT_WINDOWS_POSIX_H
#define SUPPORT_WINDOWS_POSIX_H

#include <direct.h>
#include <dirent.h>
#include <fcntl.h>
#include <io.h>
#include <math.h>
#include <process.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static inline char *mkdtemp(char *pattern)
{
    return _mktemp(pattern) != NULL && _mkdir(pattern) == 0 ? pattern : NULL;
}

static inline int setenv(const char *name, const char *value, int replace)
{
    return replace != 0 || getenv(name) == NULL ? _putenv_s(name, value) : 0;
}

static inline int unsetenv(const char *name)
{
    return _putenv_s(name, "");
}

static inline int truncate_file(const char *path, long long length)
{
    int descriptor = _open(path, _O_RDWR | _O_BINARY);
    int result = descriptor < 0 || _chsize_s(descriptor, length) != 0 ? -1 : 0;
    if (descriptor >= 0) {
        _close(descriptor);
    }
    return result;
}

#define truncate(path, length) truncate_file((path), (length))
#define mkdir(path, mode)      _mkdir(path)

/* Bytes are bytes in every file that a test opens. */
int _CRT_fmode = _O_BINARY;

/* That of mingw-w64 rounds twice. */
__attribute__((target("fma"), unused)) static float fused_float(float a, float b, float c)
{
    return __builtin_fmaf(a, b, c);
}

__attribute__((target("fma"), unused)) static double fused_double(double a, double b, double c)
{
    return __builtin_fma(a, b, c);
}

#define fmaf fused_float
#define fma  fused_double

static inline int alphasort(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static inline int scandir(const char *path, struct dirent ***entries, const void *filter,
                          int (*compare)(const struct dirent **, const struct dirent **))
{
    DIR *folder = opendir(path);
    int count = 0;
    (void)filter;
    *entries = malloc(4096 * sizeof **entries);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        struct dirent *copy = malloc(sizeof *copy);
        *copy = *entry;
        (*entries)[count++] = copy;
    }
    closedir(folder);
    qsort(*entries, (size_t)count, sizeof **entries,
          (int (*)(const void *, const void *))(void (*)(void))compare);
    return count;
}

static inline ptrdiff_t pwrite(int descriptor, const void *bytes, size_t length, long long offset)
{
    return _lseeki64(descriptor, offset, SEEK_SET) == offset
               ? write(descriptor, bytes, (unsigned)length)
               : -1;
}

/* F_GETFD alone: is it open? */
static inline int fcntl(int descriptor, int what)
{
    (void)what;
    return _get_osfhandle(descriptor) == -1 ? -1 : 0;
}

struct rlimit {
    unsigned long long rlim_cur, rlim_max;
};

typedef unsigned long long rlim_t;
typedef struct sigset_t {
    int unused;
} sigset_t;

enum {
    F_GETFD = 1,
    O_CLOEXEC = 0,
    O_NONBLOCK = 0,
    RLIMIT_FSIZE = 0,
    RLIMIT_AS = 0,
    SIGKILL = 1001,
    SIGALRM,
    SIGCHLD,
    SIGUSR1,
    SIGUSR2,
    SIGHUP,
    SIGWINCH,
    SIGXFSZ,
};

#define LACKING                     (own_leave(OWN_SKIPPED), 0)
#define fork()                      LACKING
#define waitpid(child, status, how) (*(status) = 0, LACKING)
#define WIFSIGNALED(status)         0
#define WTERMSIG(status)            0
#define WIFEXITED(status)           0
#define WEXITSTATUS(status)         0
#define kill(child, signal)         LACKING
#define alarm(seconds)              ((void)0)
#define mkfifo(path, mode)          LACKING
#define symlink(to, path)           LACKING
#define S_ISLNK(mode)               0
#define lstat(path, about)          stat((path), (about))
#define chmod(path, mode)           ((void)(mode), LACKING)
#define umask(mode)                 LACKING
#define geteuid()                   LACKING
#define setrlimit(of, to)           ((void)(to), LACKING)
#define getrlimit(of, to)           (memset((to), 0, sizeof *(to)), LACKING)
#undef pthread_sigmask
#define pthread_sigmask(how, to, old) ((void)(old), LACKING)
#define sigismember(set, number)      ((void)(set), 0)
#define system(command)               ((void)(command), LACKING)

#endif
