/* Sizes, the default allocator and arenas. A size that overflows is SIZE_MAX, which no operation
 * makes smaller again and no allocation accepts, so a chain of them needs one check at its end. */
#include "memory.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "error.h"
#include "options.h"
#include "system.h"

bool size_multiply(size_t *product, size_t a, size_t b)
{
    if (a == SIZE_MAX || b == SIZE_MAX || __builtin_mul_overflow(a, b, product)) {
        *product = SIZE_MAX;
        return false;
    }
    return true;
}

bool size_add(size_t *sum, size_t a, size_t b)
{
    if (a == SIZE_MAX || b == SIZE_MAX || __builtin_add_overflow(a, b, sum)) {
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
    lrnn_allocator read;
    CHECK(OPTIONS_READ(&read, given, &default_allocator, lrnn_allocator));
    if (read.allocate == NULL || read.release == NULL) {
        return error_set(LRNN_ERR_INVALID, "allocator: allocate and release must both be given");
    }
    *allocator = read;
    return LRNN_OK;
}

lrnn_status lrnn_allocator_init(lrnn_allocator *allocator, size_t struct_size)
{
    return OPTIONS_INIT(allocator, struct_size, &default_allocator, lrnn_allocator);
}

/* In front of each block: what the caller's allocator returned. */
typedef struct block_header {
    void *raw;
} block_header;

/* Weights that are read again and again lie in few pages, and in one piece, which caches and the
 * translation of addresses both like; and memory arrives in few faults.
 * Bytes worth large pages; at most half of the last one is waste. */
static size_t large_pages(size_t bytes)
{
    return system_has_large_pages()
               ? (bytes + SYSTEM_LARGE_PAGE / 2) / SYSTEM_LARGE_PAGE * SYSTEM_LARGE_PAGE
               : 0;
}

void *memory_allocate(const lrnn_allocator *allocator, size_t count, size_t size, const char *what)
{
    size_t bytes, total;
    if (!size_multiply(&bytes, count, size) ||
        !size_add(&total, bytes, sizeof(block_header) + 2 * SYSTEM_LARGE_PAGE) ||
        total > PTRDIFF_MAX) {
        error_set(LRNN_ERR_MEMORY, "%s: %zu times %zu bytes is more than memory can be", what,
                  count, size);
        return NULL;
    }
    bool own = allocator->allocate == default_allocate;
    size_t large = own ? large_pages(bytes) : 0;
    size_t alignment = large > 0 ? SYSTEM_LARGE_PAGE : MEMORY_ALIGNMENT;
    total = (large > bytes ? large : bytes) + sizeof(block_header) + alignment;
    /* calloc knows which memory is fresh from the system, and zero as it is. */
    unsigned char *raw = own ? calloc(1, total) : allocator->allocate(allocator->user, total);
    if (raw == NULL) {
        error_set(LRNN_ERR_MEMORY, "%s: no memory for %zu bytes", what, bytes);
        return NULL;
    }
    uintptr_t start = (uintptr_t)raw + sizeof(block_header);
    size_t skip = (alignment - start % alignment) % alignment;
    unsigned char *pointer = raw + sizeof(block_header) + skip;
    block_header header = {raw};
    memcpy(pointer - sizeof header, &header, sizeof header);
    if (large > 0) {
        system_ask_for_large_pages(pointer, large);
    }
    if (!own) {
        memset(pointer, 0, bytes);
    }
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
    if (!size_multiply(&bytes, count, size) || !size_add(&end, bytes, MEMORY_ALIGNMENT - 1) ||
        !size_add(&end, end, from->used)) {
        from->overflow = true;
        return NULL;
    }
    void *piece = from->base != NULL ? from->base + from->used : NULL;
    from->used = end / MEMORY_ALIGNMENT * MEMORY_ALIGNMENT;
    assert(from->base == NULL || from->used <= from->size);
    return piece;
}

lrnn_status arena_allocate(arena *from, const lrnn_allocator *allocator, const char *what)
{
    if (from->overflow) {
        return error_set(LRNN_ERR_MEMORY, "%s: the sizes multiply to more than memory can be",
                         what);
    }
    from->base = memory_allocate(allocator, from->used, 1, what);
    from->size = from->used;
    from->used = 0;
    return from->base != NULL ? LRNN_OK : LRNN_ERR_MEMORY;
}
