/* Input files over open and pread. Every failure names the path and gives the reason. */
#include "input_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

static lrnn_status measure(input_file *file)
{
    struct stat about;
    if (fstat(file->descriptor, &about) != 0) {
        return error_set(LRNN_ERR_IO, "%s: cannot be read: %s", file->name, strerror(errno));
    }
    if (!S_ISREG(about.st_mode)) {
        return error_set(LRNN_ERR_IO, "%s: not a regular file", file->name);
    }
    if ((uintmax_t)about.st_size > SIZE_MAX) {
        return error_set(LRNN_ERR_MEMORY, "%s: larger than memory can be", file->name);
    }
    file->length = (size_t)about.st_size;
    return LRNN_OK;
}

lrnn_status input_file_open(input_file *file, const char *path)
{
    /* O_NONBLOCK: a pipe is refused at once, not waited for */
    *file = (input_file){path, open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), 0};
    if (file->descriptor < 0) {
        return error_set(LRNN_ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
    }
    lrnn_status status = measure(file);
    if (status != LRNN_OK) {
        input_file_close(file);
    }
    return status;
}

void input_file_close(input_file *file)
{
    if (file->descriptor >= 0) {
        close(file->descriptor);
    }
    file->descriptor = -1;
}

lrnn_status input_file_read(const input_file *file, void *to, size_t length, size_t offset)
{
    size_t done = 0;
    while (done < length) {
        size_t left = length - done;
        ssize_t n = pread(file->descriptor, (char *)to + done, left < (1u << 30) ? left : 1u << 30,
                          (off_t)(offset + done));
        if (n == 0) {
            return error_set(LRNN_ERR_IO, "%s: became shorter while it was read", file->name);
        }
        if (n < 0 && errno != EINTR) {
            return error_set(LRNN_ERR_IO, "%s: cannot be read: %s", file->name, strerror(errno));
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return LRNN_OK;
}
