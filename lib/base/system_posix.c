/* system.h over POSIX threads. */
#ifdef __linux__
#define _GNU_SOURCE /* sched_getaffinity, pthread_setname_np */
#endif
#include "system.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#endif

int system_lock_create(system_lock *lock)
{
    return pthread_mutex_init(lock, NULL);
}

void system_lock_destroy(system_lock *lock)
{
    pthread_mutex_destroy(lock);
}

void system_lock_take(system_lock *lock)
{
    pthread_mutex_lock(lock);
}

void system_lock_leave(system_lock *lock)
{
    pthread_mutex_unlock(lock);
}

int system_condition_create(system_condition *condition)
{
    return pthread_cond_init(condition, NULL);
}

void system_condition_destroy(system_condition *condition)
{
    pthread_cond_destroy(condition);
}

void system_condition_wait(system_condition *condition, system_lock *lock)
{
    pthread_cond_wait(condition, lock);
}

void system_condition_wake_one(system_condition *condition)
{
    pthread_cond_signal(condition);
}

void system_condition_wake_all(system_condition *condition)
{
    pthread_cond_broadcast(condition);
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

static void *run_thread(void *argument)
{
    system_thread *self = argument;
    self->function(self->argument);
    return NULL;
}

int system_thread_start(system_thread *thread)
{
    sigset_t blocked, before;
    worker_signals(&blocked);
    int code = pthread_sigmask(SIG_SETMASK, &blocked, &before);
    if (code != 0) {
        return code;
    }
    code = pthread_create(&thread->handle, NULL, run_thread, thread);
#ifdef __linux__
    if (code == 0) {
        pthread_setname_np(thread->handle, "lrnn-worker");
    }
#endif
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

void system_thread_join(system_thread *thread)
{
    pthread_join(thread->handle, NULL);
}

void system_call_once(system_once *once, void (*function)(void))
{
    pthread_once(once, function);
}

uint64_t system_nanoseconds(void)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t system_process(void)
{
    return (uint64_t)getpid();
}

size_t system_processors(void)
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

bool system_has_large_pages(void)
{
#ifdef MADV_HUGEPAGE
    return true;
#else
    return false;
#endif
}

void system_ask_for_large_pages(void *pointer, size_t bytes)
{
#ifdef MADV_HUGEPAGE
    madvise(pointer, bytes, MADV_HUGEPAGE);
#else
    (void)pointer;
    (void)bytes;
#endif
}
