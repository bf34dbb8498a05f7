#include "output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool line_is_open;

void output_in_progress(bool in_progress)
{
    line_is_open = in_progress;
}

int complain(const char *format, ...)
{
    if (line_is_open) {
        putchar('\n');
        line_is_open = false;
    }
    fflush(stdout);
    fputs("lrnn: ", stderr);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return 1;
}

int complain_status(lrnn_status status, const char *what)
{
    const char *detail = lrnn_last_error();
    detail = detail[0] != '\0' ? detail : lrnn_status_text(status);
    return what == NULL ? complain("%s", detail) : complain("%s: %s", what, detail);
}

int output_flush(void)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        line_is_open = false;
        int reason = errno;
        /* What is still in the buffer cannot be written either. */
        return complain("cannot write standard output: %s", strerror(reason));
    }
    return 0;
}

int output_file_open(output_file *file, const char *path)
{
    *file = (output_file){.path = path};
    file->temporary = format_text("%s.tmp.%ld", path, (long)getpid());
    if (file->temporary == NULL) {
        return complain("%s: out of memory", path);
    }
    file->stream = fopen(file->temporary, "wx");
    if (file->stream == NULL) {
        int reason = errno;
        free(file->temporary);
        return complain("cannot write %s: %s", path, strerror(reason));
    }
    return 0;
}

int output_file_commit(output_file *file)
{
    bool written =
        fflush(file->stream) == 0 && !ferror(file->stream) && fsync(fileno(file->stream)) == 0;
    int reason = errno;
    if (fclose(file->stream) != 0 && written) {
        written = false;
        reason = errno;
    }
    if (written && rename(file->temporary, file->path) != 0) {
        written = false;
        reason = errno;
    }
    if (!written) {
        unlink(file->temporary);
        complain("cannot write %s: %s", file->path, strerror(reason));
    }
    free(file->temporary);
    return written ? 0 : 1;
}

char *format_text(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = length < 0 ? NULL : malloc((size_t)length + 1);
    if (text != NULL) {
        va_start(arguments, format);
        vsnprintf(text, (size_t)length + 1, format, arguments);
        va_end(arguments);
    }
    return text;
}

double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}
