/* Tokens are read in pieces, so that those of a file need no memory. XXH3 is out of the header of
 * libxxhash, which leaves no library to link. */
#include "fingerprint.h"

#include "output.h"

/* With -Og gcc does not inline what xxhash.h says must be. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__OPTIMIZE__) && !defined(__OPTIMIZE_SIZE__)
#pragma GCC optimize("O2")
#endif
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#endif
#define XXH_INLINE_ALL
#include <xxhash.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

enum { AT_ONCE = 8192, ID_BYTES = 4 };

/* The ids of a piece as bytes, the lowest first. */
static void to_bytes(unsigned char *bytes, const int32_t *ids, size_t count)
{
    for (size_t i = 0; i < count; i++, bytes += ID_BYTES) {
        uint32_t id = (uint32_t)ids[i];
        bytes[0] = (unsigned char)id;
        bytes[1] = (unsigned char)(id >> 8);
        bytes[2] = (unsigned char)(id >> 16);
        bytes[3] = (unsigned char)(id >> 24);
    }
}

static int read_pieces(const corpus *tokens,
                       void (*take)(void *sum, const unsigned char *bytes, size_t length),
                       void *sum)
{
    int32_t ids[AT_ONCE];
    unsigned char bytes[AT_ONCE * ID_BYTES];
    for (size_t at = 0, count; at < tokens->count; at += count) {
        count = tokens->count - at < AT_ONCE ? tokens->count - at : AT_ONCE;
        lrnn_status status = corpus_read(ids, tokens, at, count);
        if (status != LRNN_OK) {
            return complain_status(status, NULL);
        }
        to_bytes(bytes, ids, count);
        take(sum, bytes, count * ID_BYTES);
    }
    return 0;
}

static void take_xxh3(void *sum, const unsigned char *bytes, size_t length)
{
    XXH3_64bits_update(sum, bytes, length);
}

static void take_fnv(void *sum, const unsigned char *bytes, size_t length)
{
    uint64_t hash = *(uint64_t *)sum;
    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ bytes[i]) * 0x100000001B3u;
    }
    *(uint64_t *)sum = hash;
}

int fingerprint_of(uint64_t *number, const corpus *tokens)
{
    XXH3_state_t sum;
    XXH3_64bits_reset(&sum);
    int failed = read_pieces(tokens, take_xxh3, &sum);
    *number = XXH3_64bits_digest(&sum);
    return failed;
}

int fingerprint_former(uint64_t *number, const corpus *tokens)
{
    *number = 0xCBF29CE484222325u;
    return read_pieces(tokens, take_fnv, number);
}
