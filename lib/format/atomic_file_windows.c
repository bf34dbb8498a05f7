/* The new file has a temporary name until all of it is on the disk. Nobody may delete it while its
 * handle is open, and it has its own name before the handle is closed: so a temporary name that can
 * be deleted is one of the dead, and the next writer into that folder removes it. The new file has
 * the permissions that the folder gives. NTFS keeps the order of what happens to names by itself:
 * no folder is synced. */
#include "atomic_file.h"

#include <errno.h>
#include <io.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "atomic_name.h"
#include "base/check.h"
#include "base/error.h"
#include "file_windows.h"

#define SHARE_ALL (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)

void atomic_file_abort(atomic_file *file)
{
    if (file->descriptor >= 0) {
        if (file->temporary[0] != '\0') {
            FILE_DISPOSITION_INFO gone = {TRUE};
            SetFileInformationByHandle(file_windows_handle(file->descriptor), FileDispositionInfo,
                                       &gone, sizeof gone);
        }
        _close(file->descriptor);
    }
    file->descriptor = -1;
    file->temporary[0] = '\0';
}

/* Closes and removes what there is, and reports `reason`, an errno. */
static lrnn_status fail(atomic_file *file, const char *what, int reason)
{
    atomic_file_abort(file);
    return error_set(LRNN_ERR_IO, "%s: %s: %s", file->name, what, strerror(reason));
}

static void clear_leftovers(const atomic_file *file)
{
    char folder[ATOMIC_FILE_PATH], path[ATOMIC_FILE_PATH];
    wchar_t wide[FILE_WINDOWS_PATH];
    WIN32_FIND_DATAW found;
    atomic_name_folder(folder, file);
    if (snprintf(path, sizeof path, "%s/*", folder) >= (int)sizeof path ||
        !file_windows_path(wide, path)) {
        return;
    }
    HANDLE list = FindFirstFileW(wide, &found);
    for (BOOL more = list != INVALID_HANDLE_VALUE; more; more = FindNextFileW(list, &found)) {
        char name[64]; /* longer ones are not ours */
        if (WideCharToMultiByte(CP_UTF8, 0, found.cFileName, -1, name, sizeof name, NULL, NULL) >
                0 &&
            atomic_name_is_ours(name) &&
            snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path &&
            file_windows_path(wide, path)) {
            DeleteFileW(wide);
        }
    }
    if (list != INVALID_HANDLE_VALUE) {
        FindClose(list);
    }
}

static lrnn_status open_temporary(atomic_file *file)
{
    static const file_windows_how how = {GENERIC_WRITE | DELETE, FILE_SHARE_READ, CREATE_NEW,
                                         FILE_ATTRIBUTE_NORMAL};
    clear_leftovers(file);
    for (int attempt = 0; attempt < ATOMIC_NAMES; attempt++) {
        char path[ATOMIC_FILE_PATH];
        if (!atomic_name_make(path, file, attempt)) {
            break;
        }
        file->descriptor = file_windows_open(path, how);
        if (file->descriptor >= 0) {
            memcpy(file->temporary, path, sizeof path);
            return LRNN_OK;
        }
        if (errno != EEXIST) {
            break;
        }
    }
    return fail(file, "cannot create a file in its folder", errno);
}

/* What a link at the end of the target points at, if that is there. */
static bool follow_links(atomic_file *file, HANDLE target)
{
    wchar_t wide[FILE_WINDOWS_PATH];
    DWORD attributes =
        file_windows_path(wide, file->target) ? GetFileAttributesW(wide) : INVALID_FILE_ATTRIBUTES;
    if (attributes == INVALID_FILE_ATTRIBUTES || (attributes & FILE_ATTRIBUTE_REPARSE_POINT) == 0) {
        return true;
    }
    DWORD length = GetFinalPathNameByHandleW(target, wide, FILE_WINDOWS_PATH, 0);
    return length > 0 && length < FILE_WINDOWS_PATH &&
           WideCharToMultiByte(CP_UTF8, 0, wide, -1, file->target, sizeof file->target, NULL,
                               NULL) > 0;
}

lrnn_status atomic_file_open(atomic_file *file, const char *path)
{
    static const file_windows_how look = {FILE_READ_ATTRIBUTES, SHARE_ALL, OPEN_EXISTING,
                                          FILE_FLAG_BACKUP_SEMANTICS};
    static const file_windows_how direct = {GENERIC_WRITE, SHARE_ALL, OPEN_EXISTING, 0};
    *file = (atomic_file){.name = path, .descriptor = -1};
    if (!atomic_name_replace_last(file->target, path)) {
        return fail(file, "cannot be written", errno);
    }
    int descriptor = file_windows_open(path, look);
    if (descriptor < 0) {
        return errno == ENOENT ? open_temporary(file) : fail(file, "cannot be written", errno);
    }
    BY_HANDLE_FILE_INFORMATION about = {0};
    DWORD type = GetFileType(file_windows_handle(descriptor));
    GetFileInformationByHandle(file_windows_handle(descriptor), &about);
    bool followed = follow_links(file, file_windows_handle(descriptor));
    _close(descriptor);
    if (type == FILE_TYPE_CHAR) {
        file->direct = 1;
        file->descriptor = file_windows_open(path, direct);
        return file->descriptor >= 0 ? LRNN_OK : fail(file, "cannot be written", errno);
    }
    bool folder = (about.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
    if (type != FILE_TYPE_DISK || folder) {
        return fail(file, "not a regular file", folder ? EISDIR : EINVAL);
    }
    return followed ? open_temporary(file) : fail(file, "cannot be written", ENAMETOOLONG);
}

/* At `place`, or where the last one ended. */
static lrnn_status write_at(atomic_file *file, const void *bytes, size_t length, OVERLAPPED *place)
{
    const char *from = bytes;
    while (length > 0) {
        DWORD n = 0;
        if (!WriteFile(file_windows_handle(file->descriptor), from,
                       length < (1u << 30) ? (DWORD)length : 1u << 30, &n, place) ||
            n == 0) {
            return fail(file, "cannot be written", file_windows_reason());
        }
        if (place != NULL) {
            place->Offset += n;
        }
        from += n;
        length -= n;
    }
    return LRNN_OK;
}

lrnn_status atomic_file_write(atomic_file *file, const void *bytes, size_t length)
{
    return write_at(file, bytes, length, NULL);
}

/* The beginning of a file is short: headers and digests. */
lrnn_status atomic_file_rewrite(atomic_file *file, const void *bytes, size_t length)
{
    LARGE_INTEGER start = {.QuadPart = 0};
    OVERLAPPED place = {0};
    CHECK(write_at(file, bytes, length, &place));
    if (!SetFilePointerEx(file_windows_handle(file->descriptor), start, NULL, FILE_END)) {
        return fail(file, "cannot be written", file_windows_reason());
    }
    return LRNN_OK;
}

/* What FILE_RENAME_INFO is, with room for the name. */
typedef struct renaming {
    union {
        BOOLEAN replace;
        DWORD flags;
    };
    HANDLE folder;
    DWORD bytes;
    wchar_t name[FILE_WINDOWS_PATH];
} renaming;

/* Of FILE_RENAME_INFO_EX, since Windows 10: a target that somebody reads may be replaced too. */
#define RENAME_INFO_EX ((FILE_INFO_BY_HANDLE_CLASS)22)
#define RENAME_FLAGS   0x3 /* replace, as POSIX says */

static bool take_name(const atomic_file *file)
{
    wchar_t wide[FILE_WINDOWS_PATH];
    renaming to = {.flags = RENAME_FLAGS};
    if (!file_windows_path(wide, file->target)) {
        return false;
    }
    to.bytes = GetFullPathNameW(wide, FILE_WINDOWS_PATH, to.name, NULL) * (DWORD)sizeof *wide;
    HANDLE handle = file_windows_handle(file->descriptor);
    if (SetFileInformationByHandle(handle, RENAME_INFO_EX, &to, sizeof to)) {
        return true;
    }
    to.flags = 0;
    to.replace = TRUE;
    return SetFileInformationByHandle(handle, FileRenameInfo, &to, sizeof to);
}

lrnn_status atomic_file_commit(atomic_file *file)
{
    if (!file->direct) {
        if (!FlushFileBuffers(file_windows_handle(file->descriptor))) {
            return fail(file, "cannot be written", file_windows_reason());
        }
        if (!take_name(file)) {
            return fail(file, "cannot be replaced", file_windows_reason());
        }
        file->temporary[0] = '\0';
    }
    int descriptor = file->descriptor;
    file->descriptor = -1;
    if (_close(descriptor) != 0 && file->direct) {
        return fail(file, "cannot be written", errno);
    }
    return LRNN_OK;
}
