#include "log.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "output.h"

const char log_header[] =
    "epoch\tstep\ttokens\tloss\tvalid_loss\tlearning_rate\tgradient_norm\ttokens_per_second\n";

/* The first failure ends the log, so that it is reported once. */
static int fail(log_file *file)
{
    int reason = errno;
    if (file->stream != NULL) {
        fclose(file->stream);
        file->stream = NULL;
    }
    return complain("cannot write %s: %s", file->path, strerror(reason));
}

/* Finds where the rows up to keep_steps end. A row without a newline was cut off while it was
 * written. */
static int find_end(log_file *file, size_t keep_steps, long *end)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length = getline(&line, &capacity, file->stream);
    bool ours = length >= 0 && strcmp(line, log_header) == 0;
    *end = ours ? (long)length : 0;
    bool begun = length >= 0;
    while (ours && (length = getline(&line, &capacity, file->stream)) > 0) {
        size_t step;
        if (line[length - 1] != '\n' || sscanf(line, "%*u %zu", &step) != 1 || step > keep_steps) {
            break;
        }
        *end += (long)length;
    }
    free(line);
    if (begun && !ours) {
        return complain("%s: not a log of lrnn train, so it cannot be continued", file->path);
    }
    return 0;
}

static int continue_log(log_file *file, size_t keep_steps)
{
    file->stream = fopen(file->path, "r+");
    if (file->stream == NULL) {
        return errno == ENOENT ? 0 : fail(file);
    }
    long end = 0;
    if (find_end(file, keep_steps, &end) != 0) {
        return 1;
    }
    if (fseek(file->stream, end, SEEK_SET) != 0 || ftruncate(fileno(file->stream), end) != 0 ||
        (end == 0 && fputs(log_header, file->stream) < 0)) {
        return fail(file);
    }
    return 0;
}

int log_open(log_file *file, const char *path, size_t keep_steps)
{
    *file = (log_file){.path = path};
    if (path == NULL) {
        return 0;
    }
    if (keep_steps > 0 && continue_log(file, keep_steps) != 0) {
        return 1;
    }
    if (file->stream == NULL) {
        file->stream = fopen(path, "w");
        if (file->stream == NULL || fputs(log_header, file->stream) < 0) {
            return fail(file);
        }
    }
    return 0;
}

static void write_number(FILE *stream, const char *format, double value)
{
    fputc('\t', stream);
    if (!isnan(value)) {
        fprintf(stream, format, value);
    }
}

int log_write(log_file *file, const log_row *row)
{
    if (file->stream == NULL) {
        return 0;
    }
    fprintf(file->stream, "%zu\t%zu\t%zu", row->epoch, row->step, row->tokens);
    write_number(file->stream, "%.9g", row->loss);
    write_number(file->stream, "%.9g", row->valid_loss);
    write_number(file->stream, "%.9g", row->learning_rate);
    write_number(file->stream, "%.6g", row->gradient_norm);
    write_number(file->stream, "%.0f", row->tokens_per_second);
    fputc('\n', file->stream);
    return fflush(file->stream) == 0 && !ferror(file->stream) ? 0 : fail(file);
}

int log_close(log_file *file)
{
    if (file->stream == NULL) {
        return 0;
    }
    FILE *stream = file->stream;
    file->stream = NULL;
    return fclose(stream) == 0 ? 0 : fail(file);
}
