/* What options.c, options_help.c and options_note.c share: the values of options, as text and back.
 */
#ifndef OPTIONS_VALUE_H
#define OPTIONS_VALUE_H

#include "options.h"

/* Stores the value in the field; false if it is not one that the row takes. */
bool option_read_value(const option_row *row, void *field, const char *text);

/* Numbers get `digits` digits. */
void option_write_value(const option_row *row, const void *field, int digits, FILE *stream);

bool option_same_value(const option_row *row, const void *a, const void *b);

/* Is there anything to say about the range? And that: "at least 1", "0 to 1", "above 0, below 1".
 */
bool option_has_bounds(const option_row *row);
void option_write_bounds(const option_row *row, FILE *stream);

/* "a whole number of at least 1", "lstm or gru". */
void option_write_expected(const option_row *row, FILE *stream);

/* Prints --help of a command. */
void options_print_help(const command_line *line, const void *settings);

#endif
