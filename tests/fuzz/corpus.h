/* Targets that grow from a folder of seeds, tests/fuzz/corpus/NAME. Such a test defines fuzz_one,
 * fuzz_change and ends with FUZZ_TARGET("NAME"); it is three programs like those of fuzz.h:
 *   without arguments    feeds every seed, then seeds changed by fuzz_change, the same way every
 *                        time; LRNN_FUZZ_ROUNDS says how often (2000)
 *   FILE...              feeds these files
 *   -DLRNN_LIBFUZZER     a target for clang -fsanitize=fuzzer, with fuzz_change as its mutator */
#ifndef FUZZ_CORPUS_H
#define FUZZ_CORPUS_H

#include "fuzz.h"

#include <dirent.h>
#include <stdbool.h>

/* Changes an input in place and returns its new length, at most `room`. */
static size_t fuzz_change(unsigned char *bytes, size_t length, size_t room, uint64_t *random);

#ifdef LRNN_LIBFUZZER

size_t LLVMFuzzerMutate(uint8_t *bytes, size_t length, size_t room);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t room, unsigned seed);

/* xorshift64*, Vigna 2016; below `limit`. */
static inline size_t fuzz_random(uint64_t *random, size_t limit)
{
    *random ^= *random >> 12;
    *random ^= *random << 25;
    *random ^= *random >> 27;
    return (size_t)(*random * UINT64_C(2685821657736338717) >> 33) % limit;
}

/* A change that knows nothing of the format. */
static inline size_t fuzz_any(unsigned char *bytes, size_t length, size_t room, uint64_t *random)
{
    (void)random;
    return LLVMFuzzerMutate(bytes, length, room);
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t room, unsigned seed)
{
    uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    return fuzz_change(bytes, length, room, &random);
}

#define FUZZ_TARGET(name) typedef int fuzz_target_is_complete

#else

static inline size_t fuzz_any(unsigned char *bytes, size_t length, size_t room, uint64_t *random)
{
    static const char *const words[] = {"0", "1", "-1", "\xff\xff\xff\x7f", "\xff\xff\xff\xff"};
    if (room < FUZZ_ROOM) {
        return length;
    }
    fuzz_input input = {bytes, length};
    fuzz_mutate(&input, words, sizeof words / sizeof *words, random);
    return input.length;
}

enum { FUZZ_SEEDS = 256 };

/* Reads the files of the folder in the order of their names. */
static inline size_t fuzz_seeds(fuzz_input *seeds, const char *folder)
{
    struct dirent **entries;
    int found = scandir(folder, &entries, NULL, alphasort);
    size_t count = 0;
    for (int i = 0; i < found; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.' && count < FUZZ_SEEDS) {
            seeds[count].bytes = file_bytes(&seeds[count].length, path);
            FUZZ_CHECK(seeds[count].length <= FUZZ_ROOM);
            count++;
        }
        free(entries[i]);
    }
    if (found >= 0) {
        free(entries);
    }
    return count;
}

static inline void fuzz_rounds(const fuzz_input *seeds, size_t count)
{
    const char *wanted = getenv("LRNN_FUZZ_ROUNDS");
    unsigned long rounds = wanted != NULL ? strtoul(wanted, NULL, 10) : 2000;
    uint64_t random = 88172645463325252;
    unsigned char *room = malloc(FUZZ_ROOM);
    FUZZ_CHECK(room != NULL);
    for (unsigned long round = 0; round < rounds; round++) {
        const fuzz_input *seed = &seeds[round % count];
        fuzz_input input = {room, seed->length};
        memcpy(room, seed->bytes, seed->length);
        for (size_t changes = 1 + fuzz_random(&random, 4); changes > 0; changes--) {
            input.length = fuzz_change(room, input.length, FUZZ_ROOM, &random);
        }
        fuzz_feed(&input);
    }
    free(room);
}

static inline int fuzz_corpus_main(int argc, char **argv, const char *folder)
{
    static fuzz_input seeds[FUZZ_SEEDS];
    for (int i = 1; i < argc; i++) {
        fuzz_input input;
        input.bytes = file_bytes(&input.length, argv[i]);
        fuzz_feed(&input);
        free(input.bytes);
    }
    if (argc > 1) {
        return 0;
    }
    size_t count = fuzz_seeds(seeds, folder);
    FUZZ_CHECK(count > 0);
    for (size_t i = 0; i < count; i++) {
        fuzz_feed(&seeds[i]);
    }
    fuzz_rounds(seeds, count);
    for (size_t i = 0; i < count; i++) {
        free(seeds[i].bytes);
    }
    printf("1 passed, 0 failed\n");
    return 0;
}

#define FUZZ_TARGET(name)                                                                          \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return fuzz_corpus_main(argc, argv, SOURCE_ROOT "/tests/fuzz/corpus/" name);               \
    }                                                                                              \
    typedef int fuzz_target_is_complete

#endif

#endif
