/* Input files over ReadFile, which takes an offset as pread does. Every failure names the path and
 * gives the reason. */
#include "input_file.h"

#include <errno.h>
#include <io.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "file_windows.h"

lrnn_status input_file_open(input_file *file, const char *path)
{
    static const file_windows_how how = {
        GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, OPEN_EXISTING, 0};
    *file = (input_file){path, file_windows_open(path, how), 0};
    if (file->descriptor < 0 && errno != EISDIR) {
        return error_set(LRNN_ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
    }
    LARGE_INTEGER size;
    if (file->descriptor < 0 ||
        GetFileType(file_windows_handle(file->descriptor)) != FILE_TYPE_DISK ||
        !GetFileSizeEx(file_windows_handle(file->descriptor), &size)) {
        input_file_close(file);
        return error_set(LRNN_ERR_IO, "%s: not a regular file", path);
    }
    if ((uint64_t)size.QuadPart > SIZE_MAX) {
        input_file_close(file);
        return error_set(LRNN_ERR_MEMORY, "%s: larger than memory can be", path);
    }
    file->length = (size_t)size.QuadPart;
    return LRNN_OK;
}

void input_file_close(input_file *file)
{
    if (file->descriptor >= 0) {
        _close(file->descriptor);
    }
    file->descriptor = -1;
}

lrnn_status input_file_read(const input_file *file, void *to, size_t length, size_t offset)
{
    HANDLE handle = file_windows_handle(file->descriptor);
    for (size_t done = 0; done < length;) {
        size_t left = length - done, at = offset + done;
        OVERLAPPED place = {.Offset = (DWORD)(at & 0xffffffff),
                            .OffsetHigh = (DWORD)((uint64_t)at >> 32)};
        DWORD n = 0;
        BOOL right = ReadFile(handle, (char *)to + done, left < (1u << 30) ? (DWORD)left : 1u << 30,
                              &n, &place);
        if (!right && GetLastError() != ERROR_HANDLE_EOF) {
            return error_set(LRNN_ERR_IO, "%s: cannot be read: %s", file->name,
                             strerror(file_windows_reason()));
        }
        if (n == 0) {
            return error_set(LRNN_ERR_IO, "%s: became shorter while it was read", file->name);
        }
        done += n;
    }
    return LRNN_OK;
}
