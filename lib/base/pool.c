/* One job at a time is open. A worker joins it under the mutex, takes pieces from an atomic counter
 * until there are none, and leaves. The caller takes pieces too, then closes the job and waits for
 * those who joined; a worker that wakes too late finds the job closed and waits for the next one.
 * So a short job never waits for a sleeper, and a job's function and argument are read by nobody
 * once pool_run has returned. */
#ifdef __linux__
#define _GNU_SOURCE /* sched_getaffinity, pthread_setname_np */
#endif
#include "pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#endif

#include "error.h"
#include "fpmode.h"
#include "memory.h"

#define MAXIMUM_THREADS 4096

/* How long a thread looks for work before it sleeps. Waking a sleeper costs 5 to 50 us, so about
 * that long is worth it where there is a core for each thread; otherwise the core is needed. */
#define SPIN_NANOSECONDS 30000

typedef struct worker {
    pool *pool;
    size_t index;
    pthread_t thread;
} worker;

struct pool {
    lrnn_allocator allocator;
    size_t threads; /* the caller's included */
    size_t started; /* workers[0..started-1] run */
    pid_t process;  /* where they do; a child of fork() has none, and locks that nobody opens */
    bool spin;
    pthread_mutex_t mutex;
    pthread_cond_t work, done;
    /* Under the mutex; `number` and `inside` are also watched without it. */
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

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

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
    uint64_t end = now() + SPIN_NANOSECONDS;
    do {
        for (int i = 0; i < 16; i++) {
            if ((atomic_load_explicit(value, memory_order_relaxed) == wanted) == equal) {
                return;
            }
            relax();
        }
    } while (now() < end);
}

static bool has_workers(const pool *self)
{
    return self->threads > 1 && self->process == getpid();
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

/* Under the mutex. Returns when there is a job other than the one seen last. */
static void wait_for_job(pool *self, size_t *seen)
{
    if (atomic_load_explicit(&self->number, memory_order_relaxed) == *seen) {
        pthread_mutex_unlock(&self->mutex);
        spin(self, &self->number, *seen, false);
        pthread_mutex_lock(&self->mutex);
    }
    self->asleep++;
    while (atomic_load_explicit(&self->number, memory_order_relaxed) == *seen) {
        pthread_cond_wait(&self->work, &self->mutex);
    }
    self->asleep--;
    *seen = atomic_load_explicit(&self->number, memory_order_relaxed);
}

/* Under the mutex, which is given up while the pieces run. */
static void join_job(pool *self, size_t index)
{
    pool_function *function = self->function;
    void *argument = self->argument;
    size_t pieces = self->pieces;
    atomic_fetch_add_explicit(&self->inside, 1, memory_order_relaxed);
    pthread_mutex_unlock(&self->mutex);
    run_pieces(self, function, argument, pieces, index);
    pthread_mutex_lock(&self->mutex);
    if (atomic_fetch_sub_explicit(&self->inside, 1, memory_order_relaxed) == 1 &&
        self->caller_waits) {
        pthread_cond_signal(&self->done);
    }
}

static void *worker_main(void *argument)
{
    worker *me = argument;
    pool *self = me->pool;
    size_t seen = 0;
    fpmode_enter(); /* for good: the thread is ours */
    pthread_mutex_lock(&self->mutex);
    for (;;) {
        wait_for_job(self, &seen);
        if (self->stop) {
            break;
        }
        if (self->open) {
            join_job(self, me->index);
        }
    }
    pthread_mutex_unlock(&self->mutex);
    return NULL;
}

static size_t usable_cores(void)
{
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        return (size_t)CPU_COUNT(&set);
    }
#endif
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (size_t)online : 1;
}

/* A new thread inherits the mask: signals sent to the process go to the application's own threads.
 * Those that a thread raises itself by a fault stay, or a crash handler would never see them. */
static void worker_signals(sigset_t *set)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    sigfillset(set);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        sigdelset(set, faults[i]);
    }
}

static int start_workers(pool *self)
{
    sigset_t blocked, before;
    worker_signals(&blocked);
    int code = pthread_sigmask(SIG_SETMASK, &blocked, &before);
    if (code != 0) {
        return code;
    }
    for (; code == 0 && self->started < self->threads - 1; self->started += code == 0) {
        worker *new_worker = &self->workers[self->started];
        new_worker->pool = self;
        new_worker->index = self->started + 1;
        code = pthread_create(&new_worker->thread, NULL, worker_main, new_worker);
#ifdef __linux__
        if (code == 0) {
            pthread_setname_np(new_worker->thread, "lrnn-worker");
        }
#endif
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

static void stop_workers(pool *self)
{
    pthread_mutex_lock(&self->mutex);
    self->stop = true;
    atomic_fetch_add_explicit(&self->number, 1, memory_order_relaxed);
    pthread_cond_broadcast(&self->work);
    pthread_mutex_unlock(&self->mutex);
    for (size_t i = 0; i < self->started; i++) {
        pthread_join(self->workers[i].thread, NULL);
    }
}

static int make_locks(pool *self)
{
    int code = pthread_mutex_init(&self->mutex, NULL);
    if (code != 0) {
        return code;
    }
    code = pthread_cond_init(&self->work, NULL);
    if (code == 0) {
        code = pthread_cond_init(&self->done, NULL);
        if (code == 0) {
            return 0;
        }
        pthread_cond_destroy(&self->work);
    }
    pthread_mutex_destroy(&self->mutex);
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
    self->process = getpid();
    self->spin = threads > 1 && threads <= usable_cores();
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
    if (self->process == getpid()) {
        stop_workers(self);
        pthread_cond_destroy(&self->done);
        pthread_cond_destroy(&self->work);
        pthread_mutex_destroy(&self->mutex);
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
    pthread_mutex_lock(&self->mutex);
    self->function = function;
    self->argument = argument;
    self->pieces = pieces;
    self->open = true;
    atomic_store_explicit(&self->next, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&self->number, 1, memory_order_relaxed);
    bool wake = self->asleep > 0;
    pthread_mutex_unlock(&self->mutex);
    if (wake) {
        pthread_cond_broadcast(&self->work);
    }
}

static void close_job(pool *self)
{
    pthread_mutex_lock(&self->mutex);
    self->open = false;
    if (atomic_load_explicit(&self->inside, memory_order_relaxed) != 0) {
        pthread_mutex_unlock(&self->mutex);
        spin(self, &self->inside, 0, true);
        pthread_mutex_lock(&self->mutex);
    }
    self->caller_waits = true;
    while (atomic_load_explicit(&self->inside, memory_order_relaxed) != 0) {
        pthread_cond_wait(&self->done, &self->mutex);
    }
    self->caller_waits = false;
    pthread_mutex_unlock(&self->mutex);
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
