/* The progress line is redrawn in place at most every draw_interval seconds and cut to the width of
 * the terminal; without a terminal there is a plain line every report_every steps. */
#define _GNU_SOURCE /* vasprintf */
#include "progress.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "workers.h"

enum { LINE_BYTES = 256 };

static const double draw_interval = 0.1;

void progress_start(progress *shown, bool quiet, size_t report_every, size_t epochs, size_t steps)
{
    *shown = (progress){.quiet = quiet,
                        .terminal = workers_have_terminal(),
                        .report_every = report_every,
                        .epochs = epochs,
                        .steps = steps};
}

const char *progress_duration(double seconds)
{
    static char text[32];
    unsigned long whole = seconds > 0 ? (unsigned long)fmin(round(seconds), 1e9) : 0;
    if (whole < 60) {
        snprintf(text, sizeof text, "%lu s", whole);
    } else if (whole < 3600) {
        snprintf(text, sizeof text, "%lu:%02lu min", whole / 60, whole % 60);
    } else if (whole < 24 * 3600) {
        snprintf(text, sizeof text, "%lu:%02lu h", whole / 3600, whole % 3600 / 60);
    } else {
        snprintf(text, sizeof text, "%lu d %lu h", whole / 86400, whole % 86400 / 3600);
    }
    return text;
}

/* From the longest to the shortest. */
enum { WAYS = 4 };

static void write_line(char line[LINE_BYTES], const progress *shown, const progress_point *point,
                       size_t way)
{
    const char *left = progress_duration(point->seconds_left);
    double perplexity = exp(point->loss);
    switch (way) {
    case 0:
        snprintf(line, LINE_BYTES,
                 "epoch %zu/%zu  step %zu/%zu  loss %.4f  perplexity %.4g  %.0f tokens/s  %s left",
                 point->epoch, shown->epochs, point->step, shown->steps, point->loss, perplexity,
                 point->tokens_per_second, left);
        return;
    case 1:
        snprintf(line, LINE_BYTES, "%zu/%zu  %zu/%zu  loss %.4f  ppl %.4g  %.0f tok/s  %s",
                 point->epoch, shown->epochs, point->step, shown->steps, point->loss, perplexity,
                 point->tokens_per_second, left);
        return;
    case 2:
        snprintf(line, LINE_BYTES, "%zu/%zu  loss %.4f  %s left", point->epoch, shown->epochs,
                 point->loss, left);
        return;
    default: snprintf(line, LINE_BYTES, "%.4f  %s", point->loss, left);
    }
}

/* The longest that the terminal has room for. */
static void draw(const progress *shown, const progress_point *point)
{
    size_t width = system_terminal_width() - 1;
    char line[LINE_BYTES];
    for (size_t way = 0; way < WAYS; way++) {
        write_line(line, shown, point, way);
        if (strlen(line) <= width) {
            break;
        }
    }
    printf("\r\033[K%.*s", (int)width, line);
    output_in_progress(true);
}

void progress_step(progress *shown, const progress_point *point)
{
    if (shown->quiet) {
        return;
    }
    double time = now();
    bool due = shown->terminal ? time - shown->drawn >= draw_interval
                               : point->step % shown->report_every == 0;
    if (!due) {
        return;
    }
    if (shown->terminal) {
        draw(shown, point);
        shown->drawn = time;
    } else {
        char line[LINE_BYTES];
        write_line(line, shown, point, 0);
        puts(line);
    }
    fflush(stdout);
}

void progress_clear(const progress *shown)
{
    if (shown->terminal) {
        fputs("\r\033[K", stdout);
        output_in_progress(false);
    }
}

/* Columns that so many bytes take, one a character. */
static size_t columns_of(const char *text, size_t length)
{
    size_t columns = 0;
    for (size_t i = 0; i < length; i++) {
        columns += ((unsigned char)text[i] & 0xC0) != 0x80;
    }
    return columns;
}

/* Words that are longer than the line are left to the terminal. */
static void print_broken(const char *text, size_t width)
{
    size_t column = 0, spaces = 0;
    while (*text != '\0') {
        size_t length = strcspn(text, " ");
        size_t columns = columns_of(text, length);
        if (column > 0 && column + spaces + columns > width) {
            fputs("\n  ", stdout);
            column = 2;
            spaces = 0;
        }
        printf("%*s%.*s", (int)spaces, "", (int)length, text);
        column += spaces + columns;
        text += length;
        spaces = strspn(text, " ");
        text += spaces;
    }
    putchar('\n');
}

static void print_line(progress *shown, const char *line)
{
    progress_clear(shown);
    shown->drawn = 0;
    if (shown->terminal) {
        print_broken(line, system_terminal_width() - 1);
    } else {
        puts(line);
    }
    fflush(stdout);
}

void progress_say(progress *shown, const char *format, ...)
{
    if (shown->quiet) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    char *line = NULL;
    int length = vasprintf(&line, format, arguments);
    va_end(arguments);
    if (length >= 0) {
        print_line(shown, line);
        free(line);
    }
}

void progress_say_one(progress *shown, const char *const *ways, size_t count)
{
    size_t way = 0;
    while (shown->terminal && way + 1 < count &&
           columns_of(ways[way], strlen(ways[way])) > system_terminal_width() - 1) {
        way++;
    }
    if (!shown->quiet) {
        print_line(shown, ways[way]);
    }
}
