/* How the program speaks: errors, what it prints.
 *
 * Throughout src/ a function that can fail returns an exit code: 0, or 1 after it has said why. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <lrnn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "system.h"

enum { EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

/* Prints "lrnn: " and the message as one line on stderr. Returns 1. */
int complain(const char *format, ...) __attribute__((format(PRINTF_FORMAT, 1, 2)));

/* Prints a text that may come from a file with a '?' for what could move a terminal's cursor or
 * begin a command to it. */
void print_harmless(const char *text, FILE *stream);

/* vfprintf to stderr, harmless. */
void print_message(const char *format, va_list arguments)
    __attribute__((format(PRINTF_FORMAT, 1, 0)));

/* The message without "SUBJECT: " at its beginning, if that is there. */
const char *after_subject(const char *message, const char *subject);

/* The same for a library call that failed: "lrnn: <what>: <detail of the library>". what: NULL
 * where the detail names a file. Returns 1. */
int complain_status(lrnn_status status, const char *what);

/* In a function that returns a status: returns that of the first call that fails. */
#define CHECK(call)                                                                                \
    do {                                                                                           \
        lrnn_status checked = (call);                                                              \
        if (checked != LRNN_OK) {                                                                  \
            return checked;                                                                        \
        }                                                                                          \
    } while (0)

/* Tells complain that the cursor stands in a line of progress, which it must leave first. */
void output_in_progress(bool in_progress);

/* Flushes stdout; a full disk is an error. A pipe whose reader has left is none: it has all that it
 * wanted. */
int output_flush(void);

/* Has writing to stdout failed, so that more of it would be lost? */
bool output_is_over(void);

/* Prints a word so that a shell reads it as one word with the same bytes, and so that no byte of it
 * is a command to the terminal. */
void print_quoted(const char *word, FILE *stream);

/* printf into fresh memory; NULL when there is none. */
char *format_text(const char *format, ...) __attribute__((format(PRINTF_FORMAT, 1, 2)));

/* Seconds on a clock that only goes forward. */
double now(void);

#endif
