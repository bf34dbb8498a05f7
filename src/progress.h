/* What a training run shows while it runs: on a terminal one line that is written over, elsewhere
 * plain lines. Both go to stdout. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "system.h"

typedef struct progress {
    bool quiet;
    bool terminal;
    size_t report_every; /* plain lines: a line every so many steps */
    size_t epochs;
    size_t steps; /* of the whole run */
    double drawn; /* time of the last line on the terminal */
} progress;

/* Where training stands. */
typedef struct progress_point {
    size_t epoch; /* from 1 */
    size_t step;  /* of the whole run, from 1 */
    double loss;  /* nats per token, mean of the epoch so far */
    double tokens_per_second;
    double seconds_left;
} progress_point;

void progress_start(progress *shown, bool quiet, size_t report_every, size_t epochs, size_t steps);

/* After each step: draws what is due. */
void progress_step(progress *shown, const progress_point *point);

/* A line of its own, above the moving one, broken between words where a terminal ends. */
void progress_say(progress *shown, const char *format, ...)
    __attribute__((format(PRINTF_FORMAT, 2, 3)));

/* One of several ways to say the same, from the longest to the shortest: the first that fits the
 * terminal; the longest elsewhere. */
void progress_say_one(progress *shown, const char *const *ways, size_t count);

/* Makes room for output of another kind; also when quiet, because what follows was asked for. */
void progress_clear(const progress *shown);

/* Seconds as "47 s", "3:05 min", "1:02 h" or "3 d 4 h", in a static buffer. */
const char *progress_duration(double seconds);

#endif
