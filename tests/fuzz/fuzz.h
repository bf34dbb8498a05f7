/* Random input for a reader. Each test of this folder defines fuzz_one and its seeds and is three
 * programs in one:
 *   without arguments    changes the seeds at random, the same way every time; LRNN_FUZZ_ROUNDS
 *                        says how often (5000)
 *   FILE...              feeds these files, for example what a fuzzer has found
 *   -DLRNN_LIBFUZZER     a target for clang -fsanitize=fuzzer
 * What counts is that a sanitizer or an assertion stops it when something is wrong. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/safetensors_bytes.h"

typedef struct fuzz_input {
    unsigned char *bytes;
    size_t length;
} fuzz_input;

/* Feeds one input to what is tested. */
static void fuzz_one(const unsigned char *bytes, size_t length);

#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#ifdef LRNN_LIBFUZZER

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    fuzz_one(bytes, length);
    return 0;
}

#else

enum { FUZZ_ROOM = 1 << 16 };

/* xorshift64*, Vigna 2016; below `limit`. */
static inline size_t fuzz_random(uint64_t *random, size_t limit)
{
    *random ^= *random >> 12;
    *random ^= *random << 25;
    *random ^= *random >> 27;
    return (size_t)(*random * UINT64_C(2685821657736338717) >> 33) % limit;
}

/* Replaces `cut` bytes at `at` by `length` others, if there is room. */
static inline void fuzz_splice(fuzz_input *input, size_t at, size_t cut, const void *bytes,
                               size_t length)
{
    if (input->length - cut + length > FUZZ_ROOM) {
        return;
    }
    memmove(input->bytes + at + length, input->bytes + at + cut, input->length - at - cut);
    memcpy(input->bytes + at, bytes, length);
    input->length += length - cut;
}

static inline void fuzz_mutate(fuzz_input *input, const char *const *words, size_t word_count,
                               uint64_t *random)
{
    static const unsigned char edges[] = {0,   1,   '"', '\\', '{',  '}', '[',
                                          ']', ',', ':', 0x7f, 0x80, 0xff};
    unsigned char copy[64];
    size_t at = fuzz_random(random, input->length + 1);
    size_t left = input->length - at;
    size_t some = fuzz_random(random, 1 + (left < sizeof copy ? left : sizeof copy));
    const char *word = words[fuzz_random(random, word_count)];
    switch (fuzz_random(random, 7)) {
    case 0:
        if (left > 0) {
            input->bytes[at] ^= (unsigned char)(1u << fuzz_random(random, 8));
        }
        break;
    case 1:
        if (left > 0) {
            input->bytes[at] = edges[fuzz_random(random, sizeof edges)];
        }
        break;
    case 2: fuzz_splice(input, at, some, "", 0); break;
    case 3:
        memcpy(copy, input->bytes + at, some);
        fuzz_splice(input, fuzz_random(random, input->length + 1), 0, copy, some);
        break;
    case 4: fuzz_splice(input, at, 0, word, strlen(word)); break;
    case 5:
        fuzz_splice(input, at, left < strlen(word) ? left : strlen(word), word, strlen(word));
        break;
    default:
        if (left > 0 && input->bytes[at] >= '0' && input->bytes[at] <= '9') {
            input->bytes[at] = (unsigned char)('0' + fuzz_random(random, 10));
        }
        break;
    }
}

/* Feeds a block that is exactly as long as the input, so that every step too far is seen. */
static inline void fuzz_feed(const fuzz_input *input)
{
    unsigned char *exact = malloc(input->length + (input->length == 0));
    FUZZ_CHECK(exact != NULL);
    memcpy(exact, input->bytes, input->length);
    fuzz_one(exact, input->length);
    free(exact);
}

/* words: what to put in besides single bytes. repair: makes a changed input plausible again, NULL
 * if there is nothing to repair; it is left out now and then. */
static inline int fuzz_main(int argc, char **argv, const fuzz_input *seeds, size_t seed_count,
                            const char *const *words, size_t word_count,
                            void (*repair)(fuzz_input *input))
{
    for (int i = 1; i < argc; i++) {
        fuzz_input input;
        input.bytes = file_bytes(&input.length, argv[i]);
        fuzz_feed(&input);
        free(input.bytes);
    }
    if (argc > 1) {
        return 0;
    }
    const char *wanted = getenv("LRNN_FUZZ_ROUNDS");
    unsigned long rounds = wanted != NULL ? strtoul(wanted, NULL, 10) : 5000;
    uint64_t random = 88172645463325252;
    static unsigned char room[FUZZ_ROOM];
    for (unsigned long round = 0; round < rounds; round++) {
        const fuzz_input *seed = &seeds[round % seed_count];
        fuzz_input input = {room, seed->length};
        memcpy(room, seed->bytes, seed->length);
        for (size_t changes = fuzz_random(&random, 6); changes > 0; changes--) {
            fuzz_mutate(&input, words, word_count, &random);
        }
        if (repair != NULL && fuzz_random(&random, 8) > 0) {
            repair(&input);
        }
        fuzz_feed(&input);
    }
    printf("1 passed, 0 failed\n");
    return 0;
}

#endif

#endif
