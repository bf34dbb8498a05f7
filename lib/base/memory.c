#include "memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

bool size_multiply(size_t *product, size_t a, size_t b)
{
    if (__builtin_mul_overflow(a, b, product)) {
        *product = SIZE_MAX;
        return false;
    }
    return true;
}

bool size_add(size_t *sum, size_t a, size_t b)
{
    if (__builtin_add_overflow(a, b, sum)) {
        *sum = SIZE_MAX;
        return false;
    }
    return true;
}

static void *default_allocate(void *user, size_t bytes)
{
    (void)user;
    return malloc(bytes);
}

static void default_release(void *user, void *pointer)
{
    (void)user;
    free(pointer);
}

static const lrnn_allocator default_allocator = {sizeof(lrnn_allocator), NULL, default_allocate,
                                                 default_release};

lrnn_status allocator_read(lrnn_allocator *allocator, const lrnn_allocator *given)
{
    *allocator = default_allocator;
    if (given == NULL) {
        return LRNN_OK;
    }
    if (given->size < sizeof(lrnn_allocator)) {
        return error_set(LRNN_ERR_INVALID, "allocator.size is %zu; call lrnn_allocator_init first",
                         given->size);
    }
    if (given->allocate == NULL || given->release == NULL) {
        return error_set(LRNN_ERR_INVALID, "allocator: allocate and release must both be given");
    }
    *allocator = *given;
    allocator->size = sizeof(lrnn_allocator);
    return LRNN_OK;
}

lrnn_status lrnn_allocator_init(lrnn_allocator *allocator, size_t struct_size)
{
    if (allocator == NULL) {
        return error_null("allocator");
    }
    if (struct_size > sizeof default_allocator) {
        return error_set(LRNN_ERR_UNSUPPORTED,
                         "lrnn_allocator has %zu bytes in the caller's header, %zu in this library",
                         struct_size, sizeof default_allocator);
    }
    if (struct_size < sizeof default_allocator) {
        return error_set(LRNN_ERR_INVALID, "lrnn_allocator never had %zu bytes", struct_size);
    }
    *allocator = default_allocator;
    return LRNN_OK;
}

/* In front of each block: what the caller's allocator returned. */
typedef struct block_header {
    void *raw;
} block_header;

void *memory_allocate(const lrnn_allocator *allocator, size_t count, size_t size, const char *what)
{
    size_t bytes, total;
    if (!size_multiply(&bytes, count, size) ||
        !size_add(&total, bytes, sizeof(block_header) + MEMORY_ALIGNMENT)) {
        error_set(LRNN_ERR_MEMORY, "%s: %zu times %zu bytes is more than memory can be", what,
                  count, size);
        return NULL;
    }
    unsigned char *raw = allocator->allocate(allocator->user, total);
    if (raw == NULL) {
        error_set(LRNN_ERR_MEMORY, "%s: no memory for %zu bytes", what, bytes);
        return NULL;
    }
    uintptr_t start = (uintptr_t)raw + sizeof(block_header);
    size_t skip = (MEMORY_ALIGNMENT - start % MEMORY_ALIGNMENT) % MEMORY_ALIGNMENT;
    unsigned char *pointer = raw + sizeof(block_header) + skip;
    block_header header = {raw};
    memcpy(pointer - sizeof header, &header, sizeof header);
    memset(pointer, 0, bytes);
    return pointer;
}

void memory_release(const lrnn_allocator *allocator, void *pointer)
{
    if (pointer != NULL) {
        block_header header;
        memcpy(&header, (unsigned char *)pointer - sizeof header, sizeof header);
        allocator->release(allocator->user, header.raw);
    }
}

void *arena_take(arena *from, size_t count, size_t size)
{
    size_t bytes, end;
    if (!size_multiply(&bytes, count, size) ||
        !size_add(&end, bytes, MEMORY_ALIGNMENT - 1) || !size_add(&end, end, from->used)) {
        from->overflow = true;
        return NULL;
    }
    void *piece = from->base != NULL ? from->base + from->used : NULL;
    from->used = end / MEMORY_ALIGNMENT * MEMORY_ALIGNMENT;
    return piece;
}

lrnn_status arena_allocate(arena *from, const lrnn_allocator *allocator, const char *what)
{
    if (from->overflow) {
        return error_set(LRNN_ERR_MEMORY, "%s: the sizes multiply to more than memory can be",
                         what);
    }
    from->base = memory_allocate(allocator, from->used, 1, what);
    from->used = 0;
    return from->base != NULL ? LRNN_OK : LRNN_ERR_MEMORY;
}
