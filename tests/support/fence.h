/* Memory that ends where nothing can be read or written. */
#ifndef SUPPORT_FENCE_H
#define SUPPORT_FENCE_H

#include <stddef.h>
#include <stdlib.h>

#if !defined(_WIN32)
#include <sys/mman.h>
#include <unistd.h>
#endif

/* So many zeros; never given back. Where the system has no fences it is plain memory. */
static inline void *fenced(size_t bytes)
{
#if defined(_WIN32)
    void *at = calloc(bytes > 0 ? bytes : 1, 1);
    if (at == NULL) {
        abort();
    }
    return at;
#else
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (bytes + page - 1) / page * page;
    char *at = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED || mprotect(at + room, page, PROT_NONE) != 0) {
        abort();
    }
    return at + room - bytes;
#endif
}

#endif
