/* Line plots as SVG files. */
#ifndef PLOT_H
#define PLOT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct plot_series {
    const double *x; /* rising */
    const double *y;
    size_t count;
    const char *label;
    const char *colour;
    double width; /* of the line, in pixels */
    double opacity;
    bool dots; /* mark the points */
} plot_series;

typedef struct plot {
    const char *title;
    const char *x_label;
    const char *y_label;
    const plot_series *series; /* later ones are drawn over earlier ones */
    size_t count;
} plot;

/* Writes the picture; the file appears whole or not at all. */
int plot_write(const plot *picture, const char *path);

#endif
