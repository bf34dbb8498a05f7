/* system.h over Windows (7 and later). */
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "system_windows.h"

/* ---- words ---- */

#define SHORT_PATH 240 /* MAX_PATH, and room for a temporary name */

static wchar_t *widen(const char *text)
{
    int length = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
    wchar_t *wide = length > 0 ? malloc((size_t)length * sizeof *wide) : NULL;
    if (wide == NULL) {
        errno = length > 0 ? ENOMEM : EILSEQ;
        return NULL;
    }
    MultiByteToWideChar(CP_UTF8, 0, text, -1, wide, length);
    return wide;
}

wchar_t *system_wide(const char *path)
{
    wchar_t *wide = widen(path);
    if (wide == NULL || wcslen(wide) < SHORT_PATH || wcsncmp(wide, L"\\\\?\\", 4) == 0) {
        return wide;
    }
    DWORD room = GetFullPathNameW(wide, 0, NULL, NULL);
    wchar_t *full = malloc((room + 8) * sizeof *full), *start = full;
    if (full != NULL) {
        GetFullPathNameW(wide, room, full + 8, NULL);
        bool network = wcsncmp(full + 8, L"\\\\", 2) == 0; /* \\server becomes \\?\UNC\server */
        const wchar_t *before = network ? L"\\\\?\\UNC" : L"\\\\?\\";
        size_t length = wcslen(before);
        wmemmove(start + length, full + 8 + network, wcslen(full + 8 + network) + 1);
        wmemcpy(start, before, length);
    }
    free(wide);
    return full;
}

char *system_narrow(const wchar_t *wide)
{
    int length = WideCharToMultiByte(CP_UTF8, 0, wide, -1, NULL, 0, NULL, NULL);
    char *text = length > 0 ? malloc((size_t)length) : NULL;
    if (text != NULL) {
        WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, length, NULL, NULL);
    }
    return text;
}

/* ---- the process ---- */

static UINT code_page_before;

static void restore_code_page(void)
{
    SetConsoleOutputCP(code_page_before);
}

/* A console shows UTF-8 and knows the sequences that move its cursor. */
static void prepare_console(void)
{
    HANDLE output = GetStdHandle(STD_OUTPUT_HANDLE);
    DWORD mode;
    code_page_before = GetConsoleOutputCP();
    if (code_page_before != 0 && SetConsoleOutputCP(CP_UTF8)) {
        atexit(restore_code_page);
    }
    if (GetConsoleMode(output, &mode)) {
        SetConsoleMode(output, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING);
    }
}

/* The words that main is given have lost what the code page does not have. They last as long as the
 * process. */
static void take_words(int *argc, char ***argv)
{
    int count;
    wchar_t **wide = CommandLineToArgvW(GetCommandLineW(), &count);
    char **words = wide != NULL ? calloc((size_t)count + 1, sizeof *words) : NULL;
    for (int i = 0; words != NULL && i < count; i++) {
        words[i] = system_narrow(wide[i]);
        if (words[i] == NULL) {
            return;
        }
    }
    if (words != NULL) {
        *argc = count;
        *argv = words;
    }
    LocalFree(wide);
}

void system_begin(int *argc, char ***argv)
{
    for (int number = 0; number <= 2; number++) {
        _setmode(number, _O_BINARY);
    }
    prepare_console();
    take_words(argc, argv);
}

static void (*ask_to_stop)(void);

/* Ctrl-C and Ctrl-Break: the second time the program ends at once. When the window is closed,
 * Windows ends it as soon as this returns, or after some seconds. */
static BOOL WINAPI on_control(DWORD event)
{
    static volatile LONG asked;
    if (InterlockedExchange(&asked, 1) != 0) {
        return FALSE;
    }
    ask_to_stop();
    if (event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT) {
        Sleep(INFINITE);
    }
    return TRUE;
}

void system_catch_stop(void (*ask)(void))
{
    ask_to_stop = ask;
    SetConsoleCtrlHandler(on_control, TRUE);
}

double system_seconds(void)
{
    LARGE_INTEGER count, frequency;
    QueryPerformanceCounter(&count);
    QueryPerformanceFrequency(&frequency);
    return (double)count.QuadPart / (double)frequency.QuadPart;
}

double system_memory(void)
{
    MEMORYSTATUSEX memory = {.dwLength = sizeof memory};
    return GlobalMemoryStatusEx(&memory) ? (double)memory.ullTotalPhys : 0;
}

/* ---- standard output ---- */

static HANDLE handle_of(int descriptor)
{
    return (HANDLE)_get_osfhandle(descriptor);
}

bool system_is_terminal(int descriptor)
{
    DWORD mode;
    return GetConsoleMode(handle_of(descriptor), &mode) != 0;
}

size_t system_terminal_width(void)
{
    CONSOLE_SCREEN_BUFFER_INFO info;
    int columns = GetConsoleScreenBufferInfo(GetStdHandle(STD_OUTPUT_HANDLE), &info)
                      ? info.srWindow.Right - info.srWindow.Left + 1
                      : 0;
    return columns > 1 ? (size_t)columns : 80;
}

/* Asked when writing has failed, which a pipe does for no other reason. */
bool system_reader_has_left(void)
{
    return GetFileType(GetStdHandle(STD_OUTPUT_HANDLE)) == FILE_TYPE_PIPE;
}

/* ---- files ---- */

static bool describe(system_about *about, HANDLE handle)
{
    BY_HANDLE_FILE_INFORMATION info = {0};
    DWORD type = GetFileType(handle);
    *about = (system_about){.kind = type == FILE_TYPE_CHAR   ? SYSTEM_CHARACTERS
                                    : type == FILE_TYPE_PIPE ? SYSTEM_PIPE
                                                             : SYSTEM_OTHER,
                            .device = UINT64_MAX,
                            .number = (uint64_t)(uintptr_t)handle};
    if (type != FILE_TYPE_DISK) {
        return type != FILE_TYPE_UNKNOWN;
    }
    if (!GetFileInformationByHandle(handle, &info)) {
        return false;
    }
    bool folder = (info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
    about->kind = folder ? SYSTEM_FOLDER : SYSTEM_REGULAR;
    about->bytes = (int64_t)info.nFileSizeHigh << 32 | info.nFileSizeLow;
    about->device = info.dwVolumeSerialNumber;
    about->number = (uint64_t)info.nFileIndexHigh << 32 | info.nFileIndexLow;
    return true;
}

bool system_look(system_about *about, const char *path)
{
    wchar_t *wide = system_wide(path);
    if (wide == NULL) {
        return false;
    }
    HANDLE handle = CreateFileW(wide, FILE_READ_ATTRIBUTES,
                                FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                                OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
    bool found = handle != INVALID_HANDLE_VALUE && describe(about, handle);
    if (handle != INVALID_HANDLE_VALUE) {
        CloseHandle(handle);
    } else if (_waccess(wide, 0) == 0) { /* which says in errno why not */
        errno = EACCES;
    }
    free(wide);
    return found;
}

bool system_look_at(system_about *about, int descriptor)
{
    errno = EBADF;
    return handle_of(descriptor) != INVALID_HANDLE_VALUE && describe(about, handle_of(descriptor));
}

bool system_may_write(const char *path)
{
    wchar_t *wide = system_wide(path);
    bool may = wide != NULL && _waccess(wide, 2) == 0;
    free(wide);
    return may;
}

FILE *system_open_stream(const char *path)
{
    wchar_t *wide = system_wide(path);
    FILE *stream = wide != NULL ? _wfopen(wide, L"rb") : NULL;
    free(wide);
    return stream;
}

static int open_wide(const char *path, int flags)
{
    wchar_t *wide = system_wide(path);
    int descriptor = wide != NULL ? _wopen(wide, flags | _O_BINARY | _O_NOINHERIT, 0600) : -1;
    free(wide);
    return descriptor;
}

int system_open_input(const char *path)
{
    return open_wide(path, _O_RDONLY);
}

int system_open_rows(const char *path, bool anew)
{
    return open_wide(path, anew ? _O_WRONLY | _O_CREAT | _O_TRUNC : _O_WRONLY);
}

ptrdiff_t system_read_at(int descriptor, void *to, size_t bytes, int64_t offset)
{
    OVERLAPPED place = {.Offset = (DWORD)(offset & 0xffffffff),
                        .OffsetHigh = (DWORD)(offset >> 32)};
    DWORD most = bytes < (1u << 30) ? (DWORD)bytes : 1u << 30, got = 0;
    if (ReadFile(handle_of(descriptor), to, most, &got, &place) ||
        GetLastError() == ERROR_HANDLE_EOF) {
        return (ptrdiff_t)got;
    }
    errno = EIO;
    return -1;
}

ptrdiff_t system_write(int descriptor, const void *from, size_t bytes)
{
    return _write(descriptor, from, bytes < (1u << 30) ? (unsigned)bytes : 1u << 30);
}

bool system_cut(int descriptor, int64_t bytes)
{
    return _chsize_s(descriptor, bytes) == 0 && _lseeki64(descriptor, bytes, SEEK_SET) == bytes;
}

/* ---- text in memory: a temporary file that is deleted when it is closed ---- */

FILE *system_text_open(char **text, size_t *length)
{
    wchar_t folder[MAX_PATH + 1], path[MAX_PATH + 1];
    *text = NULL;
    *length = 0;
    if (GetTempPathW(MAX_PATH, folder) == 0 || GetTempFileNameW(folder, L"lrn", 0, path) == 0) {
        return NULL;
    }
    return _wfopen(path, L"w+bTD"); /* T: stays in memory where it can; D: is deleted */
}

int system_text_close(FILE *stream, char **text, size_t *length)
{
    bool written = fflush(stream) == 0 && !ferror(stream);
    int64_t bytes = _ftelli64(stream);
    *text = written && bytes >= 0 ? malloc((size_t)bytes + 1) : NULL;
    rewind(stream);
    if (*text != NULL) {
        *length = fread(*text, 1, (size_t)bytes, stream);
        (*text)[*length] = '\0';
    }
    return fclose(stream) != 0 || *text == NULL || *length != (size_t)bytes;
}
