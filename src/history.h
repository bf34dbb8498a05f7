/* The losses of a run, for the plot: validation losses one by one, training losses as the means of
 * groups of steps. When the groups reach HISTORY_MAX, neighbours are put together, so a run of any
 * length fits. */
#ifndef HISTORY_H
#define HISTORY_H

#include <stddef.h>
#include <stdio.h>

enum { HISTORY_MAX = 2048 };

typedef struct history_points {
    double tokens[HISTORY_MAX]; /* seen at the end of the group */
    double loss[HISTORY_MAX];
    size_t count;
    size_t group;     /* steps in a group */
    size_t open;      /* steps so far in the group that is being filled */
    double open_loss; /* their sum */
} history_points;

typedef struct history {
    history_points training;
    history_points validation;
} history;

/* Adds one loss, seen after `tokens` tokens. */
void history_add(history_points *points, double tokens, double loss);

/* Writes the points as lines "history NAME ...", and takes one such line (after "history NAME ")
 * back. history_read returns 1 when the line is not one of them. */
void history_write(const history_points *points, const char *name, FILE *stream);
int history_read(history_points *points, const char *line);

/* Draws the losses against tokens seen, as an SVG file. */
int history_plot(const history *losses, const char *path, const char *title);

#endif
