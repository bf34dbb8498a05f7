/* A temporary file has a name; nobody may delete it while it is open, and it has its own before it
 * is closed. So a temporary name that can be deleted is one of the dead, and is. */
#include "output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "output.h"
#include "system.h"
#include "system_windows.h"

/* Links are the system's alone: renaming replaces the link itself. */
char *path_follow_links(const char *path)
{
    return format_text("%s", path);
}

/* ---- temporary files ---- */

static char *new_name(const char *folder)
{
    static unsigned count;
    return format_text("%s/.lrnn-text-%lu-%u-%08lx.tmp", folder, GetCurrentProcessId(), count++,
                       (unsigned long)(uint64_t)(now() * 1e6));
}

static void clear_leftovers(const char *folder)
{
    char *pattern = format_text("%s/.lrnn-text-*.tmp", folder);
    wchar_t *wide = pattern != NULL ? system_wide(pattern) : NULL;
    WIN32_FIND_DATAW found;
    HANDLE list = wide != NULL ? FindFirstFileW(wide, &found) : INVALID_HANDLE_VALUE;
    for (BOOL more = list != INVALID_HANDLE_VALUE; more; more = FindNextFileW(list, &found)) {
        char *name = system_narrow(found.cFileName);
        char *path = name != NULL ? format_text("%s/%s", folder, name) : NULL;
        wchar_t *wide_path = path != NULL ? system_wide(path) : NULL;
        if (wide_path != NULL) {
            DeleteFileW(wide_path);
        }
        free(wide_path);
        free(path);
        free(name);
    }
    if (list != INVALID_HANDLE_VALUE) {
        FindClose(list);
    }
    free(wide);
    free(pattern);
}

/* The name goes to *name; -1 with errno. */
static int open_temporary(char **name, const char *folder, DWORD flags)
{
    *name = new_name(folder);
    wchar_t *wide = *name != NULL ? system_wide(*name) : NULL;
    if (wide == NULL) {
        return -1;
    }
    HANDLE handle = CreateFileW(wide, GENERIC_WRITE | DELETE, FILE_SHARE_READ, NULL, CREATE_NEW,
                                FILE_ATTRIBUTE_NORMAL | flags, NULL);
    if (handle == INVALID_HANDLE_VALUE) {
        errno = GetLastError() == ERROR_PATH_NOT_FOUND ? ENOENT : EACCES;
    }
    free(wide);
    return handle != INVALID_HANDLE_VALUE ? _open_osfhandle((intptr_t)handle, _O_BINARY) : -1;
}

int output_folder_prove(const char *folder)
{
    char *name;
    clear_leftovers(folder);
    int descriptor = open_temporary(&name, folder, FILE_FLAG_DELETE_ON_CLOSE);
    int reason = errno;
    free(name);
    if (descriptor < 0) {
        return reason;
    }
    _close(descriptor);
    return 0;
}

/* ---- writing ---- */

static int open_target(output_file *file)
{
    system_about about;
    if (system_look(&about, file->target)) {
        if (about.kind == SYSTEM_FOLDER) {
            errno = EISDIR;
            return -1;
        }
        file->direct = about.kind != SYSTEM_REGULAR;
    } else if (errno != ENOENT) {
        return -1;
    }
    if (file->direct) {
        return system_open_rows(file->target, false);
    }
    char *folder = path_folder(file->target);
    int descriptor = folder != NULL ? open_temporary(&file->temporary, folder, 0) : -1;
    free(folder);
    return descriptor;
}

static void forget(output_file *file)
{
    free(file->temporary);
    free(file->target);
    *file = (output_file){.path = file->path};
}

int output_file_open(output_file *file, const char *path)
{
    *file = (output_file){.path = path, .target = path_follow_links(path)};
    int descriptor = file->target != NULL ? open_target(file) : -1;
    file->stream = descriptor >= 0 ? _fdopen(descriptor, "wb") : NULL;
    if (file->stream == NULL) {
        int reason = errno;
        forget(file);
        return complain("cannot write %s: %s", path, strerror(reason));
    }
    return 0;
}

static HANDLE handle_of(const output_file *file)
{
    return (HANDLE)_get_osfhandle(_fileno(file->stream));
}

static bool take_name(const output_file *file)
{
    wchar_t *wide = system_wide(file->target);
    DWORD room = wide != NULL ? GetFullPathNameW(wide, 0, NULL, NULL) : 0;
    size_t bytes = sizeof(FILE_RENAME_INFO) + room * sizeof *wide;
    FILE_RENAME_INFO *to = room > 0 ? calloc(1, bytes) : NULL;
    bool taken = false;
    if (to != NULL) {
        to->ReplaceIfExists = TRUE;
        to->FileNameLength = GetFullPathNameW(wide, room, to->FileName, NULL) * sizeof *wide;
        taken = SetFileInformationByHandle(handle_of(file), FileRenameInfo, to, (DWORD)bytes);
        errno = EACCES;
    }
    free(to);
    free(wide);
    return taken;
}

/* What could not be put in place is deleted when the stream is closed. */
static bool put_in_place(output_file *file)
{
    if (file->direct || (_commit(_fileno(file->stream)) == 0 && take_name(file))) {
        return true;
    }
    int reason = errno;
    FILE_DISPOSITION_INFO gone = {TRUE};
    SetFileInformationByHandle(handle_of(file), FileDispositionInfo, &gone, sizeof gone);
    errno = reason;
    return false;
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
