/* How much memory a command is about to take, said before it does. */
#ifndef MEMORY_H
#define MEMORY_H

#include <lrnn.h>
#include <stddef.h>

#include "options.h"

/* An allocator for a first try: it declines blocks of `limit` bytes and more, and so finds out how
 * large an object is without taking its memory. */
typedef struct memory_probe {
    lrnn_allocator allocator;
    size_t limit;
    size_t declined; /* bytes of the block that was too large; 0: none was */
} memory_probe;

/* Made in place: the allocator points to the probe. */
void memory_probe_init(memory_probe *probe, size_t limit);

/* Ends the program with 2 if `bytes` are more than the machine has. what: "--beam-width 100000". */
void memory_refuse(const command_line *line, double bytes, const char *what);

/* The same, and says so on stderr if they are a gigabyte or more. */
void memory_accept(const command_line *line, double bytes, const char *what);

#endif
