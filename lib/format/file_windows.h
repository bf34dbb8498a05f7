/* Paths and files of Windows, for the files that end in _windows.c. A path is UTF-8 with either
 * separator; it may be longer than MAX_PATH. Failures are told by errno, as everywhere else. */
#ifndef FORMAT_FILE_WINDOWS_H
#define FORMAT_FILE_WINDOWS_H

#include <stdbool.h>
#include <windows.h>

#include "atomic_file.h"

#define FILE_WINDOWS_PATH (ATOMIC_FILE_PATH + 8) /* and what stands before long ones */

bool file_windows_path(wchar_t wide[FILE_WINDOWS_PATH], const char *path);

/* The errno for GetLastError(). */
int file_windows_reason(void);

typedef struct file_windows_how {
    DWORD access, share, creation, flags; /* of CreateFileW */
} file_windows_how;

/* A descriptor of the C library, binary and not inherited; -1 with errno. */
int file_windows_open(const char *path, file_windows_how how);
HANDLE file_windows_handle(int descriptor);

#endif
