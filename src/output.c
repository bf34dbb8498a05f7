/* Messages go to stderr, one line each; a line of progress that is open on stdout is ended first.
 */
#include "output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static bool line_is_open;

void output_in_progress(bool in_progress)
{
    line_is_open = in_progress;
}

/* The control characters of ASCII, and those that UTF-8 writes as 0xc2 and 0x80 to 0x9f. */
void print_harmless(const char *text, FILE *stream)
{
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)text[0], next = (unsigned char)text[1];
        bool pair = byte == 0xc2 && next >= 0x80 && next <= 0x9f;
        fputc(byte < ' ' || byte == 127 || pair ? '?' : byte, stream);
        text += pair ? 1 : 0;
    }
}

void print_message(const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *text = length < 0 ? NULL : malloc((size_t)length + 1);
    if (text != NULL && vsnprintf(text, (size_t)length + 1, format, arguments) >= 0) {
        print_harmless(text, stderr);
    } else {
        fputs("out of memory for a message", stderr);
    }
    free(text);
}

int complain(const char *format, ...)
{
    if (line_is_open) {
        putchar('\n');
        line_is_open = false;
    }
    fflush(stdout);
    fputs("lrnn: ", stderr);
    va_list arguments;
    va_start(arguments, format);
    print_message(format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return 1;
}

const char *after_subject(const char *message, const char *subject)
{
    size_t length = subject != NULL ? strlen(subject) : 0;
    bool begins = length > 0 && strncmp(message, subject, length) == 0 &&
                  strncmp(message + length, ": ", 2) == 0;
    return begins ? message + length + 2 : message;
}

int complain_status(lrnn_status status, const char *what)
{
    const char *detail = after_subject(lrnn_last_error(), what);
    detail = detail[0] != '\0' ? detail : lrnn_status_text(status);
    /* Where the library names its function, the user of the program has a command. */
    static const char function[] = "lrnn_model_import";
    const char *found = strstr(detail, function);
    int before = found != NULL ? (int)(found - detail) : 0;
    return complain("%s%s%.*s%s%s", what != NULL ? what : "", what != NULL ? ": " : "", before,
                    detail, found != NULL ? "lrnn import" : "",
                    found != NULL ? found + sizeof function - 1 : detail);
}

bool output_is_over(void)
{
    return ferror(stdout) != 0;
}

int output_flush(void)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        line_is_open = false;
        int reason = errno;
        if (reason == EPIPE || system_reader_has_left()) {
            return 0;
        }
        /* What is still in the buffer cannot be written either. */
        return complain("cannot write standard output: %s", strerror(reason));
    }
    return 0;
}

/* $'...' where there are control characters, which all but the smallest shells know. */
void print_quoted(const char *word, FILE *stream)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_./,:@%+=-";
    bool control = false;
    for (const char *at = word; *at != '\0'; at++) {
        control = control || (unsigned char)*at < ' ' || *at == 127;
    }
    if (word[0] != '\0' && strspn(word, plain) == strlen(word)) {
        fputs(word, stream);
        return;
    }
    fputs(control ? "$'" : "'", stream);
    for (const char *at = word; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        if (control && (byte < ' ' || byte == 127)) {
            fprintf(stream, "\\%03o", byte);
        } else if (byte == '\'') {
            fputs(control ? "\\'" : "'\\''", stream);
        } else if (control && byte == '\\') {
            fputs("\\\\", stream);
        } else {
            fputc(byte, stream);
        }
    }
    fputc('\'', stream);
}

char *format_text(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = length < 0 ? NULL : malloc((size_t)length + 1);
    if (text != NULL) {
        va_start(arguments, format);
        vsnprintf(text, (size_t)length + 1, format, arguments);
        va_end(arguments);
    }
    return text;
}

double now(void)
{
    return system_seconds();
}
