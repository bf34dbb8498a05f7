/* A trap on malloc: counts calls while it is armed, those behind the back of a caller's allocator
 * too. Sanitizers bring their own malloc, and other C libraries lack the entry that the trap needs;
 * there it catches nothing, and MALLOC_TRAPPED is 0. One source file of a program includes it. */
#ifndef SUPPORT_MALLOC_TRAP_H
#define SUPPORT_MALLOC_TRAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MALLOC_SANITIZED 1
#endif
#endif
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) &&       \
    !defined(MALLOC_SANITIZED)
#define MALLOC_TRAPPED 1
#else
#define MALLOC_TRAPPED 0
#endif

static atomic_bool malloc_armed;
static atomic_size_t malloc_caught;

#if MALLOC_TRAPPED
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *old, size_t bytes);
extern void *__libc_memalign(size_t alignment, size_t bytes);

static inline void malloc_count(void)
{
    if (atomic_load(&malloc_armed)) {
        atomic_fetch_add(&malloc_caught, 1);
    }
}

void *malloc(size_t bytes)
{
    malloc_count();
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    malloc_count();
    return __libc_calloc(count, bytes);
}

void *realloc(void *old, size_t bytes)
{
    malloc_count();
    return __libc_realloc(old, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    malloc_count();
    return __libc_memalign(alignment, bytes);
}
#endif

static inline void malloc_trap_arm(void)
{
    atomic_store(&malloc_caught, 0);
    atomic_store(&malloc_armed, true);
}

/* Returns how many calls were caught, of all threads. */
static inline size_t malloc_trap_disarm(void)
{
    atomic_store(&malloc_armed, false);
    return atomic_load(&malloc_caught);
}

#endif
