/* The library takes its large blocks one at a time, and all memory of a decoder or trainer in one:
 * the first that is declined tells how large that object is. */
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

/* A container may have less than the machine. */
static double limit_of_group(void)
{
    double limit = 0;
    FILE *stream = fopen("/sys/fs/cgroup/memory.max", "r");
    if (stream != NULL) {
        if (fscanf(stream, "%lf", &limit) != 1) {
            limit = 0;
        }
        fclose(stream);
    }
    return limit;
}

static double memory_of_machine(void)
{
    double memory = 0;
#ifdef _SC_PHYS_PAGES
    memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
#endif
    double limit = limit_of_group();
    return limit > 0 && (memory <= 0 || limit < memory) ? limit : memory;
}

void memory_refuse(const command_line *line, double bytes, const char *what)
{
    double memory = memory_of_machine();
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
