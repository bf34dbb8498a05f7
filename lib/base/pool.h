/* A few threads of our own that wait for work. The caller's thread is the first of them. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>

#include "lrnn/base.h"

typedef struct pool pool;

/* One piece of work. Pieces are numbered 0..pieces-1 and may run in any order and thread; `worker`
 * (0..threads-1) says whose scratch may be used. */
typedef void pool_function(void *argument, size_t piece, size_t worker);

/* 1 to 4096 threads; with 1 none is started. LRNN_ERR_INVALID: another number. LRNN_ERR_MEMORY: no
 * memory, or the system starts no more threads. Our threads take none of the application's signals.
 * A child of fork() has none of them: there the caller's thread does all the work. */
lrnn_status pool_create(pool **pool, const lrnn_allocator *allocator, size_t threads);
void pool_destroy(pool *pool);
size_t pool_threads(const pool *pool);

/* Runs all pieces and returns when the last is done. Floating-point mode: as fpmode_enter leaves
 * it, in every thread. Allocates nothing. One thread at a time may call it, and no piece may. */
void pool_run(pool *pool, pool_function *function, void *argument, size_t pieces);

#endif
