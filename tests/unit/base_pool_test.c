/* The thread pool: each piece runs once, in any thread, in our floating-point mode. */
#ifdef __linux__
#define _GNU_SOURCE
#endif
#include <float.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/fpmode.h"
#include "base/memory.h"
#include "base/pool.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define PIECES 1000

static pool *make_pool(size_t threads)
{
    lrnn_allocator allocator;
    pool *made;
    assert_int_equal(allocator_read(&allocator, NULL), LRNN_OK);
    assert_int_equal(pool_create(&made, &allocator, threads), LRNN_OK);
    assert_non_null(made);
    assert_int_equal(pool_threads(made), threads);
    return made;
}

typedef struct tally {
    atomic_int runs[PIECES];
    atomic_int inside[16]; /* pieces that run under this worker number now */
    atomic_int clashes;
    size_t threads;
    size_t plain; /* written by the caller between jobs, read by the pieces */
    size_t results[PIECES];
} tally;

static void count_piece(void *argument, size_t piece, size_t worker)
{
    tally *all = argument;
    if (worker >= all->threads || atomic_fetch_add(&all->inside[worker], 1) != 0) {
        atomic_fetch_add(&all->clashes, 1);
    }
    atomic_fetch_add(&all->runs[piece], 1);
    all->results[piece] = piece + all->plain;
    atomic_fetch_sub(&all->inside[worker], 1);
}

static void each_piece_runs_once_under_a_worker_number_of_its_own(void **state)
{
    (void)state;
    static const size_t threads[] = {1, 2, 3, 4, 9};
    static const size_t pieces[] = {0, 1, 2, 3, 7, 100, PIECES};
    for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
        pool *workers = make_pool(threads[t]);
        for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++) {
            tally *all = calloc(1, sizeof *all);
            all->threads = threads[t];
            pool_run(workers, count_piece, all, pieces[p]);
            for (size_t i = 0; i < PIECES; i++) {
                assert_int_equal(atomic_load(&all->runs[i]), i < pieces[p] ? 1 : 0);
            }
            assert_int_equal(atomic_load(&all->clashes), 0);
            free(all);
        }
        pool_destroy(workers);
    }
}

/* Without atomics of its own: the thread sanitizer sees whether the pool orders memory. */
static void what_the_caller_wrote_is_seen_and_what_the_pieces_wrote_comes_back(void **state)
{
    (void)state;
    pool *workers = make_pool(3);
    tally *all = calloc(1, sizeof *all);
    all->threads = 3;
    for (size_t job = 0; job < 3000; job++) {
        size_t pieces = job % 17;
        all->plain = job * 1000;
        pool_run(workers, count_piece, all, pieces);
        for (size_t i = 0; i < pieces; i++) {
            assert_int_equal(all->results[i], i + job * 1000);
        }
    }
    pool_destroy(workers);
    free(all);
}

static void nap(long nanoseconds)
{
    struct timespec t = {0, nanoseconds};
    nanosleep(&t, NULL);
}

static void slow_piece(void *argument, size_t piece, size_t worker)
{
    (void)piece;
    atomic_size_t *used = argument;
    nap(2000000);
    atomic_fetch_or(used, (size_t)1 << worker);
}

static void workers_that_slept_wake_up_and_share_the_work(void **state)
{
    (void)state;
    pool *workers = make_pool(4);
    atomic_size_t used = 0;
    for (int i = 0; i < 50 && atomic_load(&used) != 15; i++) {
        nap(1000000);
        pool_run(workers, slow_piece, &used, 16);
    }
    assert_int_equal(atomic_load(&used), 15);
    pool_destroy(workers);
}

static volatile float smallest = FLT_MIN;

static void halve_the_smallest(void *argument, size_t piece, size_t worker)
{
    (void)worker;
    float *halves = argument;
    halves[piece] = smallest * 0.5f;
    nap(100000);
}

static void denormals_are_flushed_in_every_thread_and_the_caller_keeps_its_mode(void **state)
{
    (void)state;
    assert_true(smallest * 0.5f > 0);
    for (size_t threads = 1; threads <= 3; threads++) {
        pool *workers = make_pool(threads);
        float halves[64];
        memset(halves, 0xff, sizeof halves);
        pool_run(workers, halve_the_smallest, halves, 64);
        for (size_t i = 0; i < 64; i++) {
#if defined(__x86_64__) || defined(__aarch64__)
            assert_true(halves[i] == 0);
#endif
        }
        assert_true(smallest * 0.5f > 0);
        pool_destroy(workers);
    }
}

static void note_the_signal_mask(void *argument, size_t piece, size_t worker)
{
    (void)piece;
    sigset_t *masks = argument;
    pthread_sigmask(SIG_SETMASK, NULL, &masks[worker]);
    nap(1000000);
}

static void our_threads_take_no_signals_but_those_of_their_own_faults(void **state)
{
    (void)state;
    static const int foreign[] = {SIGINT,  SIGTERM, SIGALRM, SIGCHLD,
                                  SIGUSR1, SIGUSR2, SIGHUP,  SIGWINCH};
    sigset_t before, after, masks[3];
    memset(masks, 0, sizeof masks);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    pool *workers = make_pool(3);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int i = 0; i < 20; i++) {
        pool_run(workers, note_the_signal_mask, masks, 12);
    }
    pool_destroy(workers);
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        assert_int_equal(sigismember(&before, foreign[i]), sigismember(&after, foreign[i]));
        for (size_t worker = 1; worker < 3; worker++) {
            assert_int_equal(sigismember(&masks[worker], foreign[i]), 1);
        }
    }
    assert_int_equal(sigismember(&masks[1], SIGSEGV), 0);
}

static void destroying_takes_null_and_an_idle_pool_and_one_just_made(void **state)
{
    (void)state;
    pool_destroy(NULL);
    for (int i = 0; i < 200; i++) {
        pool_destroy(make_pool(3));
    }
}

/* Workers hold the mutex now and then when the process forks: not in the first try, perhaps. */
static void a_child_of_fork_works_on_its_only_thread_and_destroys(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        pool *workers = make_pool(4);
        tally *all = calloc(1, sizeof *all);
        all->threads = 1;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            alarm(20);
            pool_run(workers, count_piece, all, 100);
            for (size_t i = 0; i < 100; i++) {
                if (atomic_load(&all->runs[i]) != 1) {
                    _exit(1);
                }
            }
            pool_destroy(workers);
            int failed = atomic_load(&all->clashes) != 0;
            free(all);
            _exit(failed);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        all->threads = 4;
        pool_run(workers, count_piece, all, 100);
        assert_int_equal(atomic_load(&all->clashes), 0);
        pool_destroy(workers);
        free(all);
    }
}

static void a_thread_count_out_of_range_is_refused(void **state)
{
    (void)state;
    lrnn_allocator allocator;
    pool *made = (pool *)state;
    allocator_read(&allocator, NULL);
    assert_int_equal(pool_create(&made, &allocator, 0), LRNN_ERR_INVALID);
    assert_null(made);
    assert_int_equal(pool_create(&made, &allocator, SIZE_MAX), LRNN_ERR_INVALID);
    assert_string_equal(lrnn_last_error(),
                        "threads: expected 1 to 4096, found 18446744073709551615");
}

static void *allocate_nothing(void *user, size_t bytes)
{
    (void)user;
    (void)bytes;
    return NULL;
}

static void release_nothing(void *user, void *pointer)
{
    (void)user;
    (void)pointer;
}

static void no_memory_is_reported(void **state)
{
    lrnn_allocator allocator = {sizeof allocator, NULL, allocate_nothing, release_nothing};
    pool *made = (pool *)state;
    assert_int_equal(pool_create(&made, &allocator, 2), LRNN_ERR_MEMORY);
    assert_null(made);
}

typedef struct ledger {
    size_t live;
} ledger;

static void *allocate_counted(void *user, size_t bytes)
{
    ((ledger *)user)->live++;
    return malloc(bytes);
}

static void release_counted(void *user, void *pointer)
{
    ((ledger *)user)->live--;
    free(pointer);
}

/* The address space is made too small for the stacks of all the threads. */
static void threads_that_the_system_refuses_leave_nothing_behind(void **state)
{
#if defined(__linux__) && !SANITIZED
    ledger all = {0};
    lrnn_allocator allocator = {sizeof allocator, &all, allocate_counted, release_counted};
    struct rlimit before, small;
    size_t used_pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%zu", &used_pages), 1);
    fclose(file);
    getrlimit(RLIMIT_AS, &before);
    small = before;
    small.rlim_cur = used_pages * (size_t)sysconf(_SC_PAGESIZE) + ((size_t)40 << 20);
    assert_int_equal(setrlimit(RLIMIT_AS, &small), 0);
    pool *made = (pool *)state;
    lrnn_status status = pool_create(&made, &allocator, 1000);
    setrlimit(RLIMIT_AS, &before);
    assert_int_equal(status, LRNN_ERR_MEMORY);
    assert_null(made);
    assert_int_equal(all.live, 0);
    assert_non_null(strstr(lrnn_last_error(), "threads: the system did not start 1000"));
#else
    (void)state;
    (void)allocate_counted;
    (void)release_counted;
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* the first, as long as no other pool can have changed the mask of this thread */
        cmocka_unit_test(our_threads_take_no_signals_but_those_of_their_own_faults),
        cmocka_unit_test(each_piece_runs_once_under_a_worker_number_of_its_own),
        cmocka_unit_test(what_the_caller_wrote_is_seen_and_what_the_pieces_wrote_comes_back),
        cmocka_unit_test(workers_that_slept_wake_up_and_share_the_work),
        cmocka_unit_test(denormals_are_flushed_in_every_thread_and_the_caller_keeps_its_mode),
        cmocka_unit_test(destroying_takes_null_and_an_idle_pool_and_one_just_made),
        cmocka_unit_test(a_child_of_fork_works_on_its_only_thread_and_destroys),
        cmocka_unit_test(a_thread_count_out_of_range_is_refused),
        cmocka_unit_test(no_memory_is_reported),
        cmocka_unit_test(threads_that_the_system_refuses_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
