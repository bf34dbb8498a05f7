#include "progress.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "output.h"

enum { LINE_BYTES = 256 };

static const double draw_interval = 0.1;

void progress_start(progress *shown, bool quiet, size_t report_every, size_t epochs, size_t steps)
{
    *shown = (progress){.quiet = quiet,
                        .terminal = isatty(STDOUT_FILENO) == 1,
                        .report_every = report_every,
                        .epochs = epochs,
                        .steps = steps};
}

const char *progress_duration(double seconds)
{
    static char text[32];
    unsigned long whole = seconds > 0 && seconds < 1e9 ? (unsigned long)lround(seconds) : 0;
    if (whole < 60) {
        snprintf(text, sizeof text, "%lu s", whole);
    } else if (whole < 3600) {
        snprintf(text, sizeof text, "%lu:%02lu min", whole / 60, whole % 60);
    } else {
        snprintf(text, sizeof text, "%lu:%02lu h", whole / 3600, whole % 3600 / 60);
    }
    return text;
}

static size_t terminal_width(void)
{
    struct winsize window;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 1) {
        return window.ws_col;
    }
    return 80;
}

static size_t write_line(char line[LINE_BYTES], const progress *shown, const progress_point *point,
                         bool brief)
{
    int length = snprintf(
        line, LINE_BYTES,
        brief ? "%zu/%zu  %zu/%zu  loss %.4f  ppl %.4g  %.0f tok/s  %s"
              : "epoch %zu/%zu  step %zu/%zu  loss %.4f  perplexity %.4g  %.0f tokens/s  %s left",
        point->epoch, shown->epochs, point->step, shown->steps, point->loss, exp(point->loss),
        point->tokens_per_second, progress_duration(point->seconds_left));
    return length > 0 ? (size_t)length : 0;
}

/* As long as the terminal allows. */
static void draw(const progress *shown, const progress_point *point)
{
    size_t width = terminal_width() - 1;
    char line[LINE_BYTES];
    if (write_line(line, shown, point, false) > width) {
        write_line(line, shown, point, true);
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
        write_line(line, shown, point, false);
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

void progress_say(progress *shown, const char *format, ...)
{
    if (shown->quiet) {
        return;
    }
    progress_clear(shown);
    shown->drawn = 0;
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
}
