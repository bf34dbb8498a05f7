/* Rows are written one by one as they come, and wait in memory while the disk is full. */
#include "log.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "output.h"
#include "system.h"

enum { ROW_BYTES = 512 }; /* longer than any of ours */

const char log_header[] =
    "epoch\tstep\ttokens\tloss\tvalid_loss\tlearning_rate\tgradient_norm\ttokens_per_second\n";

static int fail(const log_file *file, int reason)
{
    return complain("cannot write %s: %s", file->path, strerror(reason));
}

/* ---- writing ---- */

static int append(log_file *file, const char *text, size_t length)
{
    if (file->length + length > file->capacity) {
        size_t larger = 2 * (file->length + length);
        char *waiting = realloc(file->waiting, larger);
        if (waiting == NULL) {
            return complain("%s: out of memory", file->path);
        }
        file->waiting = waiting;
        file->capacity = larger;
    }
    memcpy(file->waiting + file->length, text, length);
    file->length += length;
    return 0;
}

/* Writes what waits, as far as that goes. Returns 0, or the errno of what stopped it. */
static int flush(log_file *file)
{
    size_t done = 0;
    int reason = 0;
    while (done < file->length && reason == 0) {
        ptrdiff_t written =
            system_write(file->descriptor, file->waiting + done, file->length - done);
        if (written >= 0) {
            done += (size_t)written;
        } else {
            reason = errno;
        }
    }
    file->length -= done;
    if (file->length > 0) {
        memmove(file->waiting, file->waiting + done, file->length);
    }
    return reason;
}

/* ---- beginning ---- */

/* Finds where the rows up to keep_steps end: 0 if it is no log. A row without a newline was cut off
 * while it was written. */
static void find_end(const log_file *file, FILE *stream, size_t keep_steps, int64_t *end)
{
    char line[ROW_BYTES];
    bool ours = fgets(line, sizeof line, stream) != NULL && strcmp(line, log_header) == 0;
    *end = ours ? (int64_t)strlen(line) : 0;
    size_t kept = 0;
    while (ours && fgets(line, sizeof line, stream) != NULL) {
        size_t step = 0, length = strlen(line);
        if (length == 0 || line[length - 1] != '\n' || sscanf(line, "%*u %zu", &step) != 1 ||
            step > keep_steps) {
            break;
        }
        *end += (int64_t)length;
        kept = step;
    }
    if (ours && kept < keep_steps) {
        complain("%s: ends with step %zu; the rows up to step %zu are missing", file->path, kept,
                 keep_steps);
    }
}

/* A pipe or a device cannot be continued, only written to. */
static bool is_regular(const char *path)
{
    system_about about;
    return system_look(&about, path) && about.kind == SYSTEM_REGULAR;
}

static int continue_log(log_file *file, size_t keep_steps)
{
    FILE *stream = system_open_stream(file->path);
    if (stream == NULL) {
        return errno == ENOENT ? 0 : fail(file, errno);
    }
    int64_t end = 0;
    find_end(file, stream, keep_steps, &end);
    fclose(stream);
    file->descriptor = system_open_rows(file->path, false);
    if (file->descriptor < 0 || !system_cut(file->descriptor, end)) {
        return fail(file, errno);
    }
    return end == 0 ? append(file, log_header, strlen(log_header)) : 0;
}

int log_open(log_file *file, const char *path, size_t keep_steps)
{
    *file = (log_file){.path = path, .descriptor = -1};
    if (path == NULL) {
        return 0;
    }
    if (keep_steps > 0 && is_regular(path) && continue_log(file, keep_steps) != 0) {
        return 1;
    }
    if (file->descriptor < 0) {
        file->descriptor = system_open_rows(path, true);
        if (file->descriptor < 0) {
            return fail(file, errno);
        }
        if (append(file, log_header, strlen(log_header)) != 0) {
            return 1;
        }
    }
    int reason = flush(file);
    if (reason != 0) {
        fail(file, reason);
        file->length = 0;
    }
    return reason != 0;
}

/* ---- rows ---- */

static void write_number(FILE *stream, const char *format, double value)
{
    fputc('\t', stream);
    if (!isnan(value)) {
        fprintf(stream, format, value);
    }
}

static int append_row(log_file *file, const log_row *row)
{
    char *text = NULL;
    size_t length = 0;
    FILE *stream = system_text_open(&text, &length);
    if (stream == NULL) {
        return complain("%s: out of memory", file->path);
    }
    fprintf(stream, "%zu\t%zu\t%zu", row->epoch, row->step, row->tokens);
    write_number(stream, "%.9g", row->loss);
    write_number(stream, "%.9g", row->valid_loss);
    write_number(stream, "%.9g", row->learning_rate);
    write_number(stream, "%.6g", row->gradient_norm);
    write_number(stream, "%.0f", row->tokens_per_second);
    fputc('\n', stream);
    int failed = system_text_close(stream, &text, &length) != 0
                     ? complain("%s: out of memory", file->path)
                     : append(file, text, length);
    free(text);
    return failed;
}

int log_write(log_file *file, const log_row *row)
{
    if (file->path == NULL) {
        return 0;
    }
    if (append_row(file, row) != 0) {
        return 1;
    }
    int reason = flush(file);
    if (reason == EPIPE) {
        file->path = NULL; /* nobody reads it any more */
        return 0;
    }
    if (reason != 0 && !file->failing) {
        complain("cannot write %s: %s; rows are kept in memory and written later", file->path,
                 strerror(reason));
    }
    file->failing = reason != 0;
    return 0;
}

void log_retry(log_file *file)
{
    if (file->path != NULL && file->length > 0) {
        flush(file);
    }
}

int log_close(log_file *file)
{
    int reason = file->path != NULL ? flush(file) : 0;
    if (file->descriptor >= 0 && close(file->descriptor) != 0 && reason == 0) {
        reason = errno;
    }
    int failed = reason != 0 ? fail(file, reason) : 0;
    free(file->waiting);
    *file = (log_file){.descriptor = -1};
    return failed;
}
