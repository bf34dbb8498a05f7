/* An allocator for tests: counts what it gives, fails one call on request, notices leaks, foreign
 * pointers, double frees and bytes written behind a block. Threads may share it.
 *
 *     fault_allocator fault;
 *     for (size_t n = 1;; n++) {
 *         fault_allocator_start(&fault, n);            the n-th allocation from here on fails
 *         status = thing_create(&thing, &fault.allocator);
 *         if (!fault_allocator_failed(&fault)) {
 *             break;                                   it needs fewer than n: all were tried
 *         }
 *         assert_int_equal(status, LRNN_ERR_MEMORY);
 *         assert_int_equal(fault_allocator_live(&fault), 0);
 *     }
 */
#ifndef SUPPORT_FAULT_ALLOCATOR_H
#define SUPPORT_FAULT_ALLOCATOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lrnn/base.h"

typedef struct fault_allocator {
    lrnn_allocator allocator; /* give this one to the library */
    size_t fail_at;           /* 1 fails the next allocation; 0 none */
    bool fail_after;          /* every later one fails too */
    atomic_size_t calls;      /* allocations asked for */
    atomic_size_t failures;   /* of which refused */
    atomic_size_t blocks;     /* not yet released */
    atomic_size_t bytes;      /* in those blocks */
    size_t limit;             /* most bytes at once, asking for more ends the test; 0: none */
} fault_allocator;

#define FAULT_MAGIC UINT64_C(0xa110ca7ed0b10c55)
#define FAULT_FREED UINT64_C(0xf4eedb10c0000000)

typedef struct fault_header {
    uint64_t magic;
    fault_allocator *owner;
    size_t bytes;
    size_t unused; /* keeps the block after it aligned as malloc aligns */
} fault_header;

static inline void fault_die(const char *why)
{
    fprintf(stderr, "fault_allocator: %s\n", why);
    abort();
}

static inline void *fault_allocate(void *user, size_t bytes)
{
    fault_allocator *fault = user;
    size_t call = atomic_fetch_add(&fault->calls, 1) + 1;
    if (bytes == 0) {
        fault_die("asked for 0 bytes");
    }
    if (fault->fail_at != 0 &&
        (call == fault->fail_at || (fault->fail_after && call > fault->fail_at))) {
        atomic_fetch_add(&fault->failures, 1);
        return NULL;
    }
    if (fault->limit > 0 && (bytes > fault->limit || atomic_load(&fault->bytes) > fault->limit)) {
        fault_die("more memory was asked for than the test allows");
    }
    if (bytes > SIZE_MAX - sizeof(fault_header) - sizeof(uint64_t)) {
        return NULL;
    }
    unsigned char *block = malloc(sizeof(fault_header) + bytes + sizeof(uint64_t));
    if (block == NULL) {
        return NULL;
    }
    const uint64_t magic = FAULT_MAGIC;
    fault_header header = {magic, fault, bytes, 0};
    memcpy(block, &header, sizeof header);
    memset(block + sizeof header, 0xa5, bytes);
    memcpy(block + sizeof header + bytes, &magic, sizeof magic);
    atomic_fetch_add(&fault->blocks, 1);
    atomic_fetch_add(&fault->bytes, bytes);
    return block + sizeof header;
}

static inline void fault_release(void *user, void *pointer)
{
    fault_allocator *fault = user;
    if (pointer == NULL) {
        fault_die("NULL was released");
    }
    unsigned char *block = (unsigned char *)pointer - sizeof(fault_header);
    fault_header header;
    uint64_t behind;
    memcpy(&header, block, sizeof header);
    if (header.magic != FAULT_MAGIC || header.owner != fault) {
        fault_die(header.magic == FAULT_FREED ? "released twice" : "released a foreign pointer");
    }
    memcpy(&behind, block + sizeof header + header.bytes, sizeof behind);
    if (behind != FAULT_MAGIC) {
        fault_die("bytes behind a block were overwritten");
    }
    const uint64_t freed = FAULT_FREED;
    memcpy(block, &freed, sizeof freed);
    atomic_fetch_sub(&fault->blocks, 1);
    atomic_fetch_sub(&fault->bytes, header.bytes);
    free(block);
}

/* Begins afresh; nothing may be live any more. The fail_at-th allocation from now on will fail, 0:
 * none will. */
static inline void fault_allocator_start(fault_allocator *fault, size_t fail_at)
{
    memset(fault, 0, sizeof *fault);
    if (lrnn_allocator_init(&fault->allocator, sizeof fault->allocator) != LRNN_OK) {
        fault_die("lrnn_allocator_init failed");
    }
    fault->allocator.user = fault;
    fault->allocator.allocate = fault_allocate;
    fault->allocator.release = fault_release;
    fault->fail_at = fail_at;
}

/* Counts from here on instead, with what is live staying live. */
static inline void fault_allocator_fail_next(fault_allocator *fault, size_t fail_at)
{
    atomic_store(&fault->calls, 0);
    atomic_store(&fault->failures, 0);
    fault->fail_at = fail_at;
}

static inline bool fault_allocator_failed(fault_allocator *fault)
{
    return atomic_load(&fault->failures) > 0;
}

/* Blocks not yet released. */
static inline size_t fault_allocator_live(fault_allocator *fault)
{
    return atomic_load(&fault->blocks);
}

static inline size_t fault_allocator_calls(fault_allocator *fault)
{
    return atomic_load(&fault->calls);
}

#endif
