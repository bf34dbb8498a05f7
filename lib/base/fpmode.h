/* The floating-point mode our arithmetic needs: denormals flushed to zero, rounding to nearest,
 * exceptions masked. Each public call that computes enters it and restores the caller's. What is
 * computed in between must go through memory or a call of its own: the compiler may move plain
 * arithmetic across either function. */
#ifndef BASE_FPMODE_H
#define BASE_FPMODE_H

#include <stdint.h>

typedef struct fpmode {
    uint64_t saved;
} fpmode;

#if defined(__x86_64__) || defined(__SSE2_MATH__)
#include <xmmintrin.h>

#define FPMODE_WANTED  0x9fc0u /* flush to zero, denormals are zero, all exceptions masked */
#define FPMODE_CONTROL 0xffc0u /* what is not a flag that some operation has raised */

/* Writing the mode waits for all arithmetic that is on its way, and a caller who computes in real
 * time often has this one. */
static inline int fpmode_is_wanted(fpmode mode)
{
    return (mode.saved & FPMODE_CONTROL) == FPMODE_WANTED;
}

static inline fpmode fpmode_enter(void)
{
    fpmode mode = {_mm_getcsr()};
    if (!fpmode_is_wanted(mode)) {
        _mm_setcsr(FPMODE_WANTED);
    }
    return mode;
}

static inline void fpmode_leave(fpmode mode)
{
    if (!fpmode_is_wanted(mode)) {
        _mm_setcsr((unsigned)mode.saved);
    }
}
#elif defined(__aarch64__)
static inline fpmode fpmode_enter(void)
{
    fpmode mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode.saved));
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)1 << 24) : "memory"); /* FZ */
    return mode;
}

static inline void fpmode_leave(fpmode mode)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(mode.saved) : "memory");
}
#elif defined(__arm__) && defined(__ARM_FP)
static inline fpmode fpmode_enter(void)
{
    uint32_t saved;
    __asm__ volatile("vmrs %0, fpscr" : "=r"(saved));
    __asm__ volatile("vmsr fpscr, %0" : : "r"((uint32_t)1 << 24) : "memory"); /* FZ */
    return (fpmode){saved};
}

static inline void fpmode_leave(fpmode mode)
{
    __asm__ volatile("vmsr fpscr, %0" : : "r"((uint32_t)mode.saved) : "memory");
}
#else
static inline fpmode fpmode_enter(void)
{
    return (fpmode){0};
}

static inline void fpmode_leave(fpmode mode)
{
    (void)mode;
}
#endif

#endif
