/* The library takes its large blocks one at a time, and all memory of a decoder or trainer in one:
 * the first that is declined tells how large that object is. */
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>

#include "system.h"

static const double gigabyte = 1e9;

static void *allocate(void *user, size_t bytes)
{
    memory_probe *probe = user;
    if (bytes >= probe->limit) {
        probe->declined = bytes;
        return NULL;
    }
    return malloc(bytes);
}

static void release(void *user, void *pointer)
{
    (void)user;
    free(pointer);
}

void memory_probe_init(memory_probe *probe, size_t limit)
{
    *probe = (memory_probe){.limit = limit};
    if (lrnn_allocator_init(&probe->allocator, sizeof probe->allocator) == LRNN_OK) {
        probe->allocator.user = probe;
        probe->allocator.allocate = allocate;
        probe->allocator.release = release;
    }
}

void memory_refuse(const command_line *line, double bytes, const char *what)
{
    double memory = system_memory();
    if (memory > 0 && bytes > memory) {
        options_fail(line, "%s: would take %.3g GB of memory, and this machine has %.3g GB", what,
                     bytes / gigabyte, memory / gigabyte);
    }
}

void memory_accept(const command_line *line, double bytes, const char *what)
{
    memory_refuse(line, bytes, what);
    if (bytes >= gigabyte) {
        fprintf(stderr, "lrnn %s: %s: takes %.3g GB of memory\n", line->command, what,
                bytes / gigabyte);
    }
}
