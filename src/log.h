/* The log of a training run: tab-separated, a header line and a row for each step. */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct log_row {
    size_t epoch;
    size_t step;
    size_t tokens; /* seen so far */
    double loss;
    double valid_loss; /* NaN leaves the field empty, here and below */
    double learning_rate;
    double gradient_norm;
    double tokens_per_second;
} log_row;

typedef struct log_file {
    const char *path; /* NULL: no log is kept */
    int descriptor;
    bool failing;  /* the last write failed */
    char *waiting; /* rows that are not in the file yet */
    size_t length;
    size_t capacity;
} log_file;

/* The first line of a log, with its newline. */
extern const char log_header[];

/* Begins a log, or with keep_steps > 0 continues one: rows of later steps are cut off. */
int log_open(log_file *file, const char *path, size_t keep_steps);

/* Both do nothing when no log is kept. A row is in the file when log_write returns, unless the file
 * cannot be written: then it says so once, and the rows wait for the next one. log_close fails if
 * any are still waiting. */
int log_write(log_file *file, const log_row *row);
int log_close(log_file *file);

/* Tries to write the rows that wait, if any. */
void log_retry(log_file *file);

#endif
