/* The wall between the library and the operating system: threads, locks, time, processors, pages.
 * Files are behind format/input_file.h and format/atomic_file.h. system_posix.c and
 * system_windows.c stand behind this one; the Makefile takes what ends in the name of the system.
 */
#ifndef BASE_SYSTEM_H
#define BASE_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef _WIN32
/* An SRWLOCK, a CONDITION_VARIABLE, an INIT_ONCE: one pointer each, NULL to begin with. */
typedef struct system_lock {
    void *native;
} system_lock, system_condition, system_once;
typedef void *system_handle;
#define SYSTEM_SEPARATORS "/\\:" /* what a folder in a path ends with */
#define SYSTEM_ONCE_INIT                                                                           \
    {                                                                                              \
        NULL                                                                                       \
    }
#else
#include <pthread.h>
typedef pthread_mutex_t system_lock;
typedef pthread_cond_t system_condition;
typedef pthread_once_t system_once;
typedef pthread_t system_handle;
#define SYSTEM_SEPARATORS "/"
#define SYSTEM_ONCE_INIT  PTHREAD_ONCE_INIT
#endif

/* What returns an int returns 0 or the system's reason. */
int system_lock_create(system_lock *lock);
void system_lock_destroy(system_lock *lock);
void system_lock_take(system_lock *lock);
void system_lock_leave(system_lock *lock);

int system_condition_create(system_condition *condition);
void system_condition_destroy(system_condition *condition);
/* Leaves the lock while it waits; may return for no reason. */
void system_condition_wait(system_condition *condition, system_lock *lock);
void system_condition_wake_one(system_condition *condition);
void system_condition_wake_all(system_condition *condition);

typedef struct system_thread {
    system_handle handle;
    void (*function)(void *argument);
    void *argument;
} system_thread;

/* Runs thread->function(thread->argument) in a thread that takes none of the application's signals,
 * except those for faults of its own. *thread stays where it is until it has been joined. */
int system_thread_start(system_thread *thread);
void system_thread_join(system_thread *thread);

void system_call_once(system_once *once, void (*function)(void));

uint64_t system_nanoseconds(void); /* of a clock that is never set back */
uint64_t system_process(void);     /* another one in a child of fork() */
size_t system_processors(void);    /* that this process may use; at least 1 */

/* Where large pages can be asked for; the system may decline. */
#define SYSTEM_LARGE_PAGE ((size_t)2 << 20)
bool system_has_large_pages(void);
void system_ask_for_large_pages(void *pointer, size_t bytes);

#endif
