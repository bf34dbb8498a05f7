/* What system_windows.c and output_file_windows.c share. */
#ifndef SYSTEM_WINDOWS_H
#define SYSTEM_WINDOWS_H

#include <wchar.h>

/* The path in UTF-16, absolute and marked as such where it is long; NULL with errno. The caller
 * frees it. */
wchar_t *system_wide(const char *path);
char *system_narrow(const wchar_t *wide);

#endif
