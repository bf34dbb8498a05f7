/* UTF-8 to UTF-16, and CreateFileW in place of open: files that are open may be replaced and
 * removed, as elsewhere. */
#include "file_windows.h"

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <string.h>
#include <wchar.h>

#define SHORT_PATH 240 /* MAX_PATH, and room for a temporary name */

/* Makes a long path absolute, and says that nothing is to be done to it any more. */
static bool lengthen(wchar_t wide[FILE_WINDOWS_PATH])
{
    wchar_t full[FILE_WINDOWS_PATH];
    DWORD length = GetFullPathNameW(wide, FILE_WINDOWS_PATH, full, NULL);
    bool network = wcsncmp(full, L"\\\\", 2) == 0;
    const wchar_t *before = network ? L"\\\\?\\UNC" : L"\\\\?\\";
    if (length == 0 || wcslen(before) + length >= FILE_WINDOWS_PATH) {
        errno = ENAMETOOLONG;
        return false;
    }
    wcscpy(wide, before);
    wcscat(wide, network ? full + 1 : full);
    return true;
}

bool file_windows_path(wchar_t wide[FILE_WINDOWS_PATH], const char *path)
{
    if (MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, wide, ATOMIC_FILE_PATH) == 0) {
        errno = GetLastError() == ERROR_INSUFFICIENT_BUFFER ? ENAMETOOLONG : EILSEQ;
        return false;
    }
    return wcslen(wide) < SHORT_PATH || wcsncmp(wide, L"\\\\?\\", 4) == 0 || lengthen(wide);
}

int file_windows_reason(void)
{
    switch (GetLastError()) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_BAD_NETPATH:
    case ERROR_BAD_NET_NAME:
    case ERROR_BAD_PATHNAME:
    case ERROR_INVALID_DRIVE:
    case ERROR_INVALID_NAME: return ENOENT;
    case ERROR_ACCESS_DENIED:
    case ERROR_SHARING_VIOLATION:
    case ERROR_LOCK_VIOLATION:
    case ERROR_WRITE_PROTECT: return EACCES;
    case ERROR_FILE_EXISTS:
    case ERROR_ALREADY_EXISTS: return EEXIST;
    case ERROR_TOO_MANY_OPEN_FILES: return EMFILE;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY: return ENOMEM;
    case ERROR_DISK_FULL:
    case ERROR_HANDLE_DISK_FULL: return ENOSPC;
    case ERROR_FILENAME_EXCED_RANGE: return ENAMETOOLONG;
    case ERROR_NOT_SAME_DEVICE: return EXDEV;
    default: return EIO;
    }
}

static bool is_folder(const wchar_t *path)
{
    DWORD attributes = GetFileAttributesW(path);
    return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
}

int file_windows_open(const char *path, file_windows_how how)
{
    wchar_t wide[FILE_WINDOWS_PATH];
    if (!file_windows_path(wide, path)) {
        return -1;
    }
    HANDLE handle = CreateFileW(wide, how.access, how.share, NULL, how.creation, how.flags, NULL);
    if (handle == INVALID_HANDLE_VALUE) {
        int reason = file_windows_reason();
        errno = reason == EACCES && is_folder(wide) ? EISDIR : reason;
        return -1;
    }
    int descriptor = _open_osfhandle((intptr_t)handle, _O_BINARY);
    if (descriptor < 0) {
        CloseHandle(handle);
        errno = EMFILE;
    }
    return descriptor;
}

HANDLE file_windows_handle(int descriptor)
{
    return (HANDLE)_get_osfhandle(descriptor);
}
