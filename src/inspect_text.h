/* A text coloured by what one unit of the net does while it is read. */
#ifndef INSPECT_TEXT_H
#define INSPECT_TEXT_H

#include <lrnn.h>

#include "options.h"

typedef struct view_settings {
    const char *text;       /* path; "-" is stdin */
    const char *activation; /* NULL: cell for LSTM, hidden otherwise */
    const char *html;       /* path of a page to write; NULL: to the terminal */
    double layer;           /* -1: the top one */
    size_t unit;
    int32_t color; /* COLOR_* */
} view_settings;

enum { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

int inspect_text(const command_line *line, const lrnn_model *model, const view_settings *settings);

#endif
