/* The files that a command touches, known before it opens any of them for writing.
 *
 * Each command lists its files with what it does to them: the rows of its option table say so, and
 * a command adds what follows from others (the checkpoint of Ctrl-C). files_claim then refuses a
 * command that would write over one of its own files or over something else than such a file, and
 * proves that the rest can be written. From then on what may be lost is what was meant to be. */
#ifndef FILES_H
#define FILES_H

#include <stdbool.h>
#include <stddef.h>

/* What a command reads from a file or writes to it. */
typedef enum file_kind {
    FILE_NONE, /* of an option: its value is not a path */
    FILE_INPUT,
    FILE_TEXT,    /* an input too; "-" is standard input */
    FILE_RESUMED, /* a checkpoint that is read, and may be written again */
    FILE_STREAM,  /* standard output, standard error */
    FILE_MODEL,
    FILE_CHECKPOINT,
    FILE_STATE_DICT,
    FILE_TOKENS,
    FILE_LOG,
    FILE_SVG,
    FILE_HTML
} file_kind;

typedef struct file_use {
    char option[48]; /* what messages call it: "--log", "TEXT", "standard output" */
    const char *path;
    file_kind kind;
    bool remembered; /* not on the command line, but from the checkpoint that is resumed */
    bool forced;     /* may replace whatever is there */
    int descriptor;  /* of FILE_STREAM, which has no path */
} file_use;

typedef struct file_list {
    file_use *uses;
    size_t count;
    size_t capacity;
} file_list;

struct command_line;

/* Adds one file; path NULL adds nothing. */
int files_add(file_list *files, const file_use *use);

/* Adds standard output and standard error, where the command prints. */
int files_add_output(file_list *files);

/* Ends the program with 2 if a file that is written is also another of the list, or exists and is
 * not of its kind; returns 1 if one cannot be written. Nothing has changed anywhere then. */
int files_claim(const file_list *files, const struct command_line *line);

void files_free(file_list *files);

#endif
