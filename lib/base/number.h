/* Numbers as text, the same in every locale. */
#ifndef BASE_NUMBER_H
#define BASE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room that number_write_double needs. */
#define NUMBER_ROOM 32

/* The shortest decimal that reads back as the same double. Finite values only. */
void number_write_double(char text[NUMBER_ROOM], double value);

/* Reads a whole NUL-terminated text; false if it is anything but one finite decimal number. */
bool number_read_double(double *value, const char *text);

/* Reads a whole NUL-terminated text of decimal digits; false if it is anything else or too large.
 */
bool number_read_uint64(uint64_t *value, const char *text);
bool number_read_size(size_t *value, const char *text);

#endif
