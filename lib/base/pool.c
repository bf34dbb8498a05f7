/* One job at a time is open. A worker joins it under the lock, takes pieces from an atomic counter
 * until there are none, and leaves. The caller takes pieces too, then closes the job and waits for
 * those who joined; a worker that wakes too late finds the job closed and waits for the next one.
 * So a short job never waits for a sleeper, and a job's function and argument are read by nobody
 * once pool_run has returned. */
#include "pool.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "fpmode.h"
#include "memory.h"
#include "system.h"

#define MAXIMUM_THREADS 4096

/* How long a thread looks for work before it sleeps. Waking a sleeper costs 5 to 50 us, so about
 * that long is worth it where there is a core for each thread; otherwise the core is needed. */
#define SPIN_NANOSECONDS 30000

typedef struct worker {
    pool *pool;
    size_t index;
    system_thread thread;
} worker;

struct pool {
    lrnn_allocator allocator;
    size_t threads;   /* the caller's included */
    size_t started;   /* workers[0..started-1] run */
    uint64_t process; /* where they do; a child of fork() has none, and locks that nobody opens */
    bool spin;
    system_lock lock;
    system_condition work, done;
    /* Under the lock; `number` and `inside` are also watched without it. */
    pool_function *function;
    void *argument;
    size_t pieces;
    size_t asleep; /* workers that wait on `work` */
    bool open, stop, caller_waits;
    _Alignas(MEMORY_ALIGNMENT) atomic_size_t number; /* of the job; also moved by stop */
    atomic_size_t inside;                            /* workers that joined and have not left */
    _Alignas(MEMORY_ALIGNMENT) atomic_size_t next;   /* piece to hand out */
    _Alignas(MEMORY_ALIGNMENT) worker workers[];
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Returns once *value is (equal) or is not (!equal) `wanted`, or when spinning has lasted long
 * enough. */
static void spin(const pool *self, const atomic_size_t *value, size_t wanted, bool equal)
{
    if (!self->spin) {
        return;
    }
    uint64_t end = system_nanoseconds() + SPIN_NANOSECONDS;
    do {
        for (int i = 0; i < 16; i++) {
            if ((atomic_load_explicit(value, memory_order_relaxed) == wanted) == equal) {
                return;
            }
            relax();
        }
    } while (system_nanoseconds() < end);
}

static bool has_workers(const pool *self)
{
    return self->threads > 1 && self->process == system_process();
}

static void run_pieces(pool *self, pool_function *function, void *argument, size_t pieces,
                       size_t index)
{
    for (;;) {
        size_t piece = atomic_fetch_add_explicit(&self->next, 1, memory_order_relaxed);
        if (piece >= pieces) {
            return;
        }
        function(argument, piece, index);
    }
}

/* Under the lock. Returns when there is a job other than the one seen last. */
static void wait_for_job(pool *self, size_t *seen)
{
    if (atomic_load_explicit(&self->number, memory_order_relaxed) == *seen) {
        system_lock_leave(&self->lock);
        spin(self, &self->number, *seen, false);
        system_lock_take(&self->lock);
    }
    self->asleep++;
    while (atomic_load_explicit(&self->number, memory_order_relaxed) == *seen) {
        system_condition_wait(&self->work, &self->lock);
    }
    self->asleep--;
    *seen = atomic_load_explicit(&self->number, memory_order_relaxed);
}

/* Under the lock, which is given up while the pieces run. */
static void join_job(pool *self, size_t index)
{
    pool_function *function = self->function;
    void *argument = self->argument;
    size_t pieces = self->pieces;
    atomic_fetch_add_explicit(&self->inside, 1, memory_order_relaxed);
    system_lock_leave(&self->lock);
    run_pieces(self, function, argument, pieces, index);
    system_lock_take(&self->lock);
    if (atomic_fetch_sub_explicit(&self->inside, 1, memory_order_relaxed) == 1 &&
        self->caller_waits) {
        system_condition_wake_one(&self->done);
    }
}

static void worker_main(void *argument)
{
    worker *me = argument;
    pool *self = me->pool;
    size_t seen = 0;
    fpmode_enter(); /* for good: the thread is ours */
    system_lock_take(&self->lock);
    for (;;) {
        wait_for_job(self, &seen);
        if (self->stop) {
            break;
        }
        if (self->open) {
            join_job(self, me->index);
        }
    }
    system_lock_leave(&self->lock);
}

static int start_workers(pool *self)
{
    int code = 0;
    for (; code == 0 && self->started < self->threads - 1; self->started += code == 0) {
        worker *new_worker = &self->workers[self->started];
        new_worker->pool = self;
        new_worker->index = self->started + 1;
        new_worker->thread = (system_thread){.function = worker_main, .argument = new_worker};
        code = system_thread_start(&new_worker->thread);
    }
    return code;
}

static void stop_workers(pool *self)
{
    system_lock_take(&self->lock);
    self->stop = true;
    atomic_fetch_add_explicit(&self->number, 1, memory_order_relaxed);
    system_condition_wake_all(&self->work);
    system_lock_leave(&self->lock);
    for (size_t i = 0; i < self->started; i++) {
        system_thread_join(&self->workers[i].thread);
    }
}

static int make_locks(pool *self)
{
    int code = system_lock_create(&self->lock);
    if (code != 0) {
        return code;
    }
    code = system_condition_create(&self->work);
    if (code == 0) {
        code = system_condition_create(&self->done);
        if (code == 0) {
            return 0;
        }
        system_condition_destroy(&self->work);
    }
    system_lock_destroy(&self->lock);
    return code;
}

lrnn_status pool_create(pool **created, const lrnn_allocator *allocator, size_t threads)
{
    *created = NULL;
    if (threads < 1 || threads > MAXIMUM_THREADS) {
        return error_set(LRNN_ERR_INVALID, "threads: expected 1 to %d, found %zu", MAXIMUM_THREADS,
                         threads);
    }
    size_t bytes = sizeof(pool) + (threads - 1) * sizeof(worker);
    pool *self = memory_allocate(allocator, bytes, 1, "threads");
    if (self == NULL) {
        return LRNN_ERR_MEMORY;
    }
    self->allocator = *allocator;
    self->threads = threads;
    self->process = system_process();
    self->spin = threads > 1 && threads <= system_processors();
    int code = make_locks(self);
    if (code != 0) {
        memory_release(allocator, self);
    } else if ((code = start_workers(self)) != 0) {
        pool_destroy(self);
    }
    if (code != 0) {
        return error_set(LRNN_ERR_MEMORY, "threads: the system did not start %zu (error %d)",
                         threads, code);
    }
    *created = self;
    return LRNN_OK;
}

void pool_destroy(pool *self)
{
    if (self == NULL) {
        return;
    }
    if (self->process == system_process()) {
        stop_workers(self);
        system_condition_destroy(&self->done);
        system_condition_destroy(&self->work);
        system_lock_destroy(&self->lock);
    }
    lrnn_allocator allocator = self->allocator;
    memory_release(&allocator, self);
}

size_t pool_threads(const pool *self)
{
    return self->threads;
}

static void open_job(pool *self, pool_function *function, void *argument, size_t pieces)
{
    system_lock_take(&self->lock);
    self->function = function;
    self->argument = argument;
    self->pieces = pieces;
    self->open = true;
    atomic_store_explicit(&self->next, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&self->number, 1, memory_order_relaxed);
    bool wake = self->asleep > 0;
    system_lock_leave(&self->lock);
    if (wake) {
        system_condition_wake_all(&self->work);
    }
}

static void close_job(pool *self)
{
    system_lock_take(&self->lock);
    self->open = false;
    if (atomic_load_explicit(&self->inside, memory_order_relaxed) != 0) {
        system_lock_leave(&self->lock);
        spin(self, &self->inside, 0, true);
        system_lock_take(&self->lock);
    }
    self->caller_waits = true;
    while (atomic_load_explicit(&self->inside, memory_order_relaxed) != 0) {
        system_condition_wait(&self->done, &self->lock);
    }
    self->caller_waits = false;
    system_lock_leave(&self->lock);
}

void pool_run(pool *self, pool_function *function, void *argument, size_t pieces)
{
    fpmode mode = fpmode_enter();
    if (pieces <= 1 || !has_workers(self)) {
        for (size_t piece = 0; piece < pieces; piece++) {
            function(argument, piece, 0);
        }
    } else {
        open_job(self, function, argument, pieces);
        run_pieces(self, function, argument, pieces, 0);
        close_job(self);
    }
    fpmode_leave(mode);
}
