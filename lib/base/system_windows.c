/* system.h over Windows (7 and later). */
#include "system.h"

#include <process.h>
#include <windows.h>

static SRWLOCK *native_lock(system_lock *lock)
{
    return (SRWLOCK *)&lock->native;
}

static CONDITION_VARIABLE *native_condition(system_condition *condition)
{
    return (CONDITION_VARIABLE *)&condition->native;
}

int system_lock_create(system_lock *lock)
{
    InitializeSRWLock(native_lock(lock));
    return 0;
}

void system_lock_destroy(system_lock *lock)
{
    (void)lock; /* holds nothing */
}

void system_lock_take(system_lock *lock)
{
    AcquireSRWLockExclusive(native_lock(lock));
}

void system_lock_leave(system_lock *lock)
{
    ReleaseSRWLockExclusive(native_lock(lock));
}

int system_condition_create(system_condition *condition)
{
    InitializeConditionVariable(native_condition(condition));
    return 0;
}

void system_condition_destroy(system_condition *condition)
{
    (void)condition; /* holds nothing */
}

void system_condition_wait(system_condition *condition, system_lock *lock)
{
    SleepConditionVariableSRW(native_condition(condition), native_lock(lock), INFINITE, 0);
}

void system_condition_wake_one(system_condition *condition)
{
    WakeConditionVariable(native_condition(condition));
}

void system_condition_wake_all(system_condition *condition)
{
    WakeAllConditionVariable(native_condition(condition));
}

static unsigned __stdcall run_thread(void *argument)
{
    system_thread *self = argument;
    self->function(self->argument);
    return 0;
}

/* _beginthreadex, not CreateThread: the thread has the C library's own data. */
int system_thread_start(system_thread *thread)
{
    uintptr_t handle = _beginthreadex(NULL, 0, run_thread, thread, 0, NULL);
    thread->handle = (void *)handle;
    return handle != 0 ? 0 : (int)_doserrno;
}

void system_thread_join(system_thread *thread)
{
    WaitForSingleObject(thread->handle, INFINITE);
    CloseHandle(thread->handle);
}

static BOOL CALLBACK call(INIT_ONCE *once, void *argument, void **context)
{
    void (**function)(void) = argument;
    (void)once;
    (void)context;
    (*function)();
    return TRUE;
}

void system_call_once(system_once *once, void (*function)(void))
{
    InitOnceExecuteOnce((INIT_ONCE *)&once->native, call, &function, NULL);
}

uint64_t system_nanoseconds(void)
{
    LARGE_INTEGER count, frequency;
    QueryPerformanceCounter(&count);
    QueryPerformanceFrequency(&frequency);
    uint64_t now = (uint64_t)count.QuadPart, second = (uint64_t)frequency.QuadPart;
    return now / second * 1000000000u + now % second * 1000000000u / second;
}

uint64_t system_process(void)
{
    return GetCurrentProcessId();
}

/* Those of this processor group: a process has threads in one unless it asks for more. */
size_t system_processors(void)
{
    DWORD_PTR ours, all;
    if (GetProcessAffinityMask(GetCurrentProcess(), &ours, &all) && ours != 0) {
        return (size_t)__builtin_popcountll(ours);
    }
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return info.dwNumberOfProcessors;
}

/* They take a privilege that programs do not have. */
bool system_has_large_pages(void)
{
    return false;
}

void system_ask_for_large_pages(void *pointer, size_t bytes)
{
    (void)pointer;
    (void)bytes;
}
