/* system.h over POSIX. */
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- the process ---- */

/* A file that is opened while standard output is closed would get its number, and what is printed
 * would go there. What is opened here instead cannot be used for what the number stands for. */
static void keep_standard_numbers(void)
{
    for (int number = 0; number <= STDERR_FILENO; number++) {
        if (fcntl(number, F_GETFD) == -1 && errno == EBADF) {
            int flags = number == STDIN_FILENO ? O_WRONLY : O_RDONLY;
            if (open("/dev/null", flags) != number) {
                return;
            }
        }
    }
}

void system_begin(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    keep_standard_numbers();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

static void (*ask_to_stop)(void);

/* SA_RESETHAND gives the second signal its own effect, which is the end of the program. */
static void on_signal(int number)
{
    (void)number;
    ask_to_stop();
}

/* A signal that whoever started the program wants ignored stays ignored. */
static void catch_signal(int number)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND | SA_RESTART};
    struct sigaction inherited;
    sigemptyset(&action.sa_mask);
    if (sigaction(number, NULL, &inherited) == 0 && inherited.sa_handler != SIG_IGN) {
        sigaction(number, &action, NULL);
    }
}

void system_catch_stop(void (*ask)(void))
{
    ask_to_stop = ask;
    catch_signal(SIGINT);
    catch_signal(SIGTERM);
    catch_signal(SIGHUP);  /* the terminal has gone */
    catch_signal(SIGUSR1); /* what schedulers send before the end, and what mpirun passes on */
}

double system_seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* A container may have less than the machine. */
static double limit_of_group(void)
{
    double limit = 0;
    FILE *stream = fopen("/sys/fs/cgroup/memory.max", "r");
    if (stream != NULL) {
        if (fscanf(stream, "%lf", &limit) != 1) {
            limit = 0;
        }
        fclose(stream);
    }
    return limit;
}

double system_memory(void)
{
    double memory = 0;
#ifdef _SC_PHYS_PAGES
    memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
#endif
    double limit = limit_of_group();
    return limit > 0 && (memory <= 0 || limit < memory) ? limit : memory;
}

/* ---- standard output ---- */

bool system_is_terminal(int descriptor)
{
    return isatty(descriptor) == 1;
}

size_t system_terminal_width(void)
{
    struct winsize window;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 1) {
        return window.ws_col;
    }
    return 80;
}

/* Whatever errno has become since. */
bool system_reader_has_left(void)
{
    struct pollfd output = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&output, 1, 0) == 1 && (output.revents & POLLERR) != 0;
}

/* ---- files ---- */

static bool describe(system_about *about, const struct stat *status)
{
    mode_t mode = status->st_mode;
    *about = (system_about){
        .kind = S_ISREG(mode)    ? SYSTEM_REGULAR
                : S_ISDIR(mode)  ? SYSTEM_FOLDER
                : S_ISCHR(mode)  ? SYSTEM_CHARACTERS
                : S_ISBLK(mode)  ? SYSTEM_BLOCKS
                : S_ISFIFO(mode) ? SYSTEM_PIPE
                                 : SYSTEM_OTHER,
        .bytes = status->st_size,
        .device = (uint64_t)status->st_dev,
        .number = (uint64_t)status->st_ino,
    };
    return true;
}

bool system_look(system_about *about, const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && describe(about, &status);
}

bool system_look_at(system_about *about, int descriptor)
{
    struct stat status;
    return fstat(descriptor, &status) == 0 && describe(about, &status);
}

bool system_may_write(const char *path)
{
    return access(path, W_OK) == 0;
}

FILE *system_open_stream(const char *path)
{
    return fopen(path, "rb");
}

int system_open_input(const char *path)
{
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

int system_open_rows(const char *path, bool anew)
{
    return anew ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)
                : open(path, O_WRONLY | O_CLOEXEC);
}

ptrdiff_t system_read_at(int descriptor, void *to, size_t bytes, int64_t offset)
{
    ssize_t got;
    do {
        got = pread(descriptor, to, bytes, (off_t)offset);
    } while (got < 0 && errno == EINTR);
    return got;
}

ptrdiff_t system_write(int descriptor, const void *from, size_t bytes)
{
    ssize_t written;
    do {
        written = write(descriptor, from, bytes);
    } while (written < 0 && errno == EINTR);
    return written;
}

bool system_cut(int descriptor, int64_t bytes)
{
    return ftruncate(descriptor, (off_t)bytes) == 0 &&
           lseek(descriptor, (off_t)bytes, SEEK_SET) == (off_t)bytes;
}

/* ---- text in memory ---- */

FILE *system_text_open(char **text, size_t *length)
{
    return open_memstream(text, length);
}

int system_text_close(FILE *stream, char **text, size_t *length)
{
    (void)text, (void)length;
    return fclose(stream);
}
