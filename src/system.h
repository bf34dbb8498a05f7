/* What the program asks of the operating system. system_posix.c and system_windows.c implement it,
 * each beside its own output_file_*.c; the Makefile takes those that end in the name of the system.
 * Paths and words are UTF-8 everywhere. What fails leaves its reason in errno. */
#ifndef SYSTEM_H
#define SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __MINGW_PRINTF_FORMAT
#define PRINTF_FORMAT __MINGW_PRINTF_FORMAT /* its printf, not that of the C library */
#else
#define PRINTF_FORMAT printf
#endif

#ifdef _WIN32
#define SYSTEM_SEPARATORS "/\\:" /* what a folder in a path ends with */
#else
#define SYSTEM_SEPARATORS "/"
#endif

/* ---- the process ---- */

/* Before anything else: the words of the command line, and standard streams that pass bytes on as
 * they are, whose numbers no other file gets. A closed pipe or a file too large is an error of the
 * write from here on. */
void system_begin(int *argc, char ***argv);

/* ask() is called, perhaps in another thread or within a signal, when somebody wants the program to
 * end; the second time it ends. */
void system_catch_stop(void (*ask)(void));

double system_seconds(void); /* on a clock that only goes forward */
double system_memory(void);  /* bytes that this process may have; 0: not known */

/* ---- standard output ---- */

bool system_is_terminal(int descriptor);
size_t system_terminal_width(void); /* columns; 80 where it is not known */
bool system_reader_has_left(void);  /* the pipe that standard output is has no reader */

/* ---- files ---- */

typedef enum system_kind {
    SYSTEM_REGULAR,
    SYSTEM_FOLDER,
    SYSTEM_CHARACTERS, /* a device */
    SYSTEM_BLOCKS,
    SYSTEM_PIPE,
    SYSTEM_OTHER,
} system_kind;

/* Two files are the same if device and number are. */
typedef struct system_about {
    system_kind kind;
    int64_t bytes;
    uint64_t device, number;
} system_about;

bool system_look(system_about *about, const char *path);
bool system_look_at(system_about *about, int descriptor);
bool system_may_write(const char *path);

FILE *system_open_stream(const char *path); /* to read bytes */

/* Descriptors, which close() takes; -1. */
int system_open_input(const char *path);           /* waits for nobody */
int system_open_rows(const char *path, bool anew); /* to write; anew: from nothing */

/* As many bytes as one read gives, 0 at the end, below 0 for an error. */
ptrdiff_t system_read_at(int descriptor, void *to, size_t bytes, int64_t offset);

ptrdiff_t system_write(int descriptor, const void *from, size_t bytes);

/* Leaves the first `bytes`; what is written next comes after them. */
bool system_cut(int descriptor, int64_t bytes);

/* ---- text in memory ---- */

/* A stream to print to; closing it gives what was printed, with a NUL after its *length bytes,
 * which the caller frees. NULL, or not 0: no memory. Closing takes the same places as opening. */
FILE *system_text_open(char **text, size_t *length);
int system_text_close(FILE *stream, char **text, size_t *length);

#endif
