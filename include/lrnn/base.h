/* liblrnn, topic "base": version, status codes, error text, allocator. */
#ifndef LRNN_BASE_H
#define LRNN_BASE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define LRNN_API __attribute__((visibility("default")))
#else
#define LRNN_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- version -------------------------------------------------------------------------------- */

#define LRNN_VERSION_MAJOR 0
#define LRNN_VERSION_MINOR 2
#define LRNN_VERSION_PATCH 0
#define LRNN_VERSION_NUMBER                                                                        \
    (LRNN_VERSION_MAJOR * 10000 + LRNN_VERSION_MINOR * 100 + LRNN_VERSION_PATCH)

/* The version of the library that is running, as major*10000 + minor*100 + patch; compare it with
 * LRNN_VERSION_NUMBER, the version of the header. Since 0.1. */
LRNN_API int32_t lrnn_version_number(void);

/* The same as text, "0.2.0". The string is static. Since 0.1. */
LRNN_API const char *lrnn_version_string(void);

/* How the library was built and what it chose on this machine, as "key: value" lines for bug
 * reports: version, real (float32), kernels (the instruction set in use), blas (the library behind
 * cblas_sgemm, or none). The string is static. Since 0.1. */
LRNN_API const char *lrnn_build_info(void);

/* ---- status --------------------------------------------------------------------------------- */

/* The numbers never change. New ones may be added: treat an unknown negative number as an error. */
typedef enum lrnn_status {
    LRNN_OK = 0,
    LRNN_ERR_INVALID = -1,     /* an argument is out of range or does not fit the others */
    LRNN_ERR_MEMORY = -2,      /* the allocator returned NULL, or a size overflows size_t */
    LRNN_ERR_UNSUPPORTED = -3, /* valid, but not for this object or library version */
    LRNN_ERR_IO = -4,          /* the operating system refused to open, read, write or rename */
    LRNN_ERR_FORMAT = -5,      /* a file or text is malformed */
    LRNN_ERR_NUMERIC = -6,     /* NaN or infinity where a finite number is needed */
    LRNN_ERR_NOT_FOUND = -7,   /* no parameter, tensor or token of that name */
    LRNN_ERR_STATE = -8,       /* the call came too early, for example backward before forward */
    LRNN_ERR_TOO_SMALL = -9,   /* the caller's buffer is too small; the size needed is reported */
    LRNN_ERR_CANCELLED = -10,  /* a callback asked to stop */
    LRNN_ERR_CALLBACK = -11,   /* a callback failed */
    LRNN_END = -20             /* not an error: nothing is left */
} lrnn_status;

/* A short English text for a status, "out of memory". Never NULL; the string is static. Since 0.1.
 */
LRNN_API const char *lrnn_status_text(lrnn_status status);

/* One line of detail on the last call that failed in this thread: which field, file, tensor or
 * line, what was expected and what was found. "" if none has failed yet. The string belongs to the
 * library and lasts until the next failing call of this thread. Since 0.1. */
LRNN_API const char *lrnn_last_error(void);

/* What a call leaves alone: it changes neither the locale, nor signal masks and handlers, nor the
 * working directory and umask, nor the floating-point environment, and prints nothing. Threads of
 * the library's own receive no signals that a program may want. errno is no part of the interface:
 * a call may change it, also when it succeeds. */

/* ---- memory --------------------------------------------------------------------------------- */

/* Where an object gets its memory from. It is passed by pointer in the options of a create call,
 * which copies it; objects made from that object inherit it. NULL always means malloc and free;
 * blocks of a megabyte or more then also ask the system for large pages (Linux: MADV_HUGEPAGE). The
 * functions may be called from any thread that uses an object with this allocator. */
typedef struct lrnn_allocator {
    size_t size; /* sizeof(lrnn_allocator), set by lrnn_allocator_init */
    void *user;  /* passed to both functions */
    /* Returns at least `bytes` bytes (never 0), aligned as by malloc, or NULL if out of memory. */
    void *(*allocate)(void *user, size_t bytes);
    /* Frees what `allocate` returned; never called with NULL. */
    void (*release)(void *user, void *pointer);
} lrnn_allocator;

/* Sets every field to its default: malloc and free.
 * struct_size: sizeof(lrnn_allocator) as the caller was compiled.
 * LRNN_ERR_INVALID: a NULL argument, or a size that no version of the struct has had. Since 0.1. */
LRNN_API lrnn_status lrnn_allocator_init(lrnn_allocator *allocator, size_t struct_size);

#ifdef __cplusplus
}
#endif

#endif
