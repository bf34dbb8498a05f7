/* What targets need around the library: an allocator with a limit that notices leaks, a file for
 * what is read by path, a folder for what is saved, and options out of bytes. */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/memory.h"
#include "lrnn.h"
#include "support/scratch.h"

/* ---- memory ---- */

/* Bytes and blocks that are live, and most bytes that may be. */
static struct {
    size_t bytes, blocks, limit;
} fuzz_memory;

static lrnn_allocator fuzz_allocator;

enum { FUZZ_MEMORY_HEADER = 16, FUZZ_LARGE = 1 << 15, FUZZ_SLOTS = 8, FUZZ_SLOT_BYTES = 1 << 22 };

/* Large blocks are used again and again: a new one costs a thousand page faults. What of a slot is
 * not lent is poison to the address sanitizer. */
static struct {
    unsigned char *bytes;
    bool lent;
} fuzz_slots[FUZZ_SLOTS];

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FUZZ_POISON 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define FUZZ_POISON 1
#endif

#ifdef FUZZ_POISON
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes)   ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

static inline unsigned char *fuzz_take_slot(size_t bytes)
{
    for (size_t i = 0; i < FUZZ_SLOTS && bytes <= FUZZ_SLOT_BYTES; i++) {
        if (!fuzz_slots[i].lent) {
            if (fuzz_slots[i].bytes == NULL) {
                fuzz_slots[i].bytes = malloc(FUZZ_SLOT_BYTES);
                FUZZ_CHECK(fuzz_slots[i].bytes != NULL);
            }
            fuzz_slots[i].lent = true;
            ASAN_POISON_MEMORY_REGION(fuzz_slots[i].bytes, FUZZ_SLOT_BYTES);
            ASAN_UNPOISON_MEMORY_REGION(fuzz_slots[i].bytes, bytes);
            return fuzz_slots[i].bytes;
        }
    }
    return NULL;
}

static inline bool fuzz_give_slot(const unsigned char *block)
{
    for (size_t i = 0; i < FUZZ_SLOTS; i++) {
        if (fuzz_slots[i].bytes == block) {
            fuzz_slots[i].lent = false;
            ASAN_POISON_MEMORY_REGION(fuzz_slots[i].bytes, FUZZ_SLOT_BYTES);
            return true;
        }
    }
    return false;
}

static inline void *fuzz_allocate(void *user, size_t bytes)
{
    (void)user;
    if (bytes > fuzz_memory.limit || fuzz_memory.bytes > fuzz_memory.limit - bytes) {
        return NULL;
    }
    size_t all = bytes + FUZZ_MEMORY_HEADER;
    unsigned char *block = all > FUZZ_LARGE ? fuzz_take_slot(all) : NULL;
    block = block != NULL ? block : malloc(all);
    if (block == NULL) {
        return NULL;
    }
    memcpy(block, &bytes, sizeof bytes);
    fuzz_memory.bytes += bytes;
    fuzz_memory.blocks++;
    return block + FUZZ_MEMORY_HEADER;
}

static inline void fuzz_release(void *user, void *pointer)
{
    (void)user;
    unsigned char *block = (unsigned char *)pointer - FUZZ_MEMORY_HEADER;
    size_t bytes;
    memcpy(&bytes, block, sizeof bytes);
    fuzz_memory.bytes -= bytes;
    fuzz_memory.blocks--;
    if (!fuzz_give_slot(block)) {
        free(block);
    }
}

/* Gives back what the library left in the memory of the allocator: memory_allocate's blocks. */
static inline void fuzz_free(void *pointer)
{
    memory_release(&fuzz_allocator, pointer);
}

/* Begins one input: nothing is live. */
static inline const lrnn_allocator *fuzz_memory_begin(size_t limit)
{
    FUZZ_CHECK(lrnn_allocator_init(&fuzz_allocator, sizeof fuzz_allocator) == LRNN_OK);
    fuzz_allocator.allocate = fuzz_allocate;
    fuzz_allocator.release = fuzz_release;
    fuzz_memory.limit = limit;
    return &fuzz_allocator;
}

static inline void fuzz_memory_end(void)
{
    FUZZ_CHECK(fuzz_memory.blocks == 0 && fuzz_memory.bytes == 0);
}

/* ---- files ---- */

static scratch fuzz_folder;

static inline void fuzz_remove_folder(void)
{
    scratch_destroy(&fuzz_folder);
}

/* Path to save to, in memory where the system has a folder for that. */
static inline const char *fuzz_output(const char *name)
{
    if (fuzz_folder.folder[0] == '\0') {
        if (getenv("TMPDIR") == NULL && access("/dev/shm", W_OK) == 0) {
            setenv("TMPDIR", "/dev/shm", 0);
        }
        fuzz_folder = scratch_create();
        atexit(fuzz_remove_folder);
    }
    return scratch_path(&fuzz_folder, name);
}

/* Path of a file with these bytes. Always the same file, which stays open. */
static inline const char *fuzz_file(const void *bytes, size_t length)
{
    static int descriptor = -1;
    static char path[512];
    if (descriptor < 0) {
        snprintf(path, sizeof path, "%s", fuzz_output("in"));
        descriptor = open(path, O_RDWR | O_CREAT, 0600);
        FUZZ_CHECK(descriptor >= 0);
    }
    FUZZ_CHECK(ftruncate(descriptor, 0) == 0);
    FUZZ_CHECK(pwrite(descriptor, bytes, length, 0) == (ssize_t)length);
    return path;
}

/* ---- options out of bytes ---- */

typedef struct fuzz_bytes {
    const unsigned char *next;
    size_t left;
} fuzz_bytes;

/* The next byte; 0 after the last. */
static inline unsigned fuzz_byte(fuzz_bytes *from)
{
    if (from->left == 0) {
        return 0;
    }
    from->left--;
    return *from->next++;
}

/* 0..limit-1 */
static inline size_t fuzz_below(fuzz_bytes *from, size_t limit)
{
    return fuzz_byte(from) % limit;
}

/* low..high, and now and then a number that is out of all ranges. */
static inline size_t fuzz_size(fuzz_bytes *from, size_t low, size_t high)
{
    static const size_t odd[] = {0, SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2, (size_t)1 << 32, 1 << 16};
    unsigned byte = fuzz_byte(from);
    return byte >= 250 ? odd[byte - 250] : low + byte % (high - low + 1);
}

/* 0..last, and now and then a number that no enumerator has. */
static inline int32_t fuzz_choice(fuzz_bytes *from, int32_t last)
{
    unsigned byte = fuzz_byte(from);
    return byte == 255 ? -1 : byte == 254 ? INT32_MAX : (int32_t)(byte % (unsigned)(last + 1));
}

/* Numbers of all kinds, most of them ordinary. */
static inline double fuzz_number(fuzz_bytes *from)
{
    static const double odd[] = {0.0,    -0.0, 1.0,   -1.0,  1e-6, 1e300, -1e300,
                                 1e-300, 0.5,  1e-45, 3e38f, 100., 1e10,  0.999999};
    unsigned byte = fuzz_byte(from);
    switch (byte) {
    case 255: return (double)NAN;
    case 254: return (double)INFINITY;
    case 253: return -(double)INFINITY;
    default: break;
    }
    return byte >= 224 ? odd[byte % (sizeof odd / sizeof *odd)] : ((double)byte - 96) / 64;
}

#endif
