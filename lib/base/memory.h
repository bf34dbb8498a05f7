/* Checked sizes, the caller's allocator, and the arena: one block carved into aligned pieces. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "lrnn/base.h"

#define MEMORY_ALIGNMENT 64 /* a cache line, and the widest vector */

/* *product = a * b; false if that does not fit. *product is SIZE_MAX then, and SIZE_MAX as an
 * operand counts as not fitting (times 0 too), so that a chain of calls may be checked once at its
 * end. */
bool size_multiply(size_t *product, size_t a, size_t b);
bool size_add(size_t *sum, size_t a, size_t b);

/* The allocator to use where the caller gave `given` (NULL: malloc and free). Always succeeds for
 * NULL; otherwise LRNN_ERR_INVALID when a function is missing. */
lrnn_status allocator_read(lrnn_allocator *allocator, const lrnn_allocator *given);

/* count * size bytes at MEMORY_ALIGNMENT, zeroed; a pointer that need not be read for count 0. NULL
 * with LRNN_ERR_MEMORY set as this thread's error. `what` names it there. */
void *memory_allocate(const lrnn_allocator *allocator, size_t count, size_t size, const char *what);

/* Takes what memory_allocate gave, or NULL. */
void memory_release(const lrnn_allocator *allocator, void *pointer);

/* An arena is filled in two passes over the same code: with base NULL the pieces are only counted,
 * then arena_allocate takes one block of that size and the second pass hands out pointers.
 *
 *     arena arena = {0};
 *     layout(object, &arena);             counts; every pointer it stores is NULL
 *     status = arena_allocate(&arena, &allocator, "state");
 *     layout(object, &arena);             the real pointers
 */
typedef struct arena {
    unsigned char *base;
    size_t used;
    size_t size; /* of the block */
    bool overflow;
} arena;

/* Room for count * size bytes, aligned and zeroed; NULL while counting. */
void *arena_take(arena *from, size_t count, size_t size);
lrnn_status arena_allocate(arena *from, const lrnn_allocator *allocator, const char *what);

#endif
