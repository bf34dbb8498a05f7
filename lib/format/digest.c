/* XXH3 out of the header of libxxhash, which leaves no library to link. */
#include "digest.h"

#include <string.h>

#include "base/byte_order.h"

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

_Static_assert(sizeof(XXH3_state_t) <= sizeof(digest) && _Alignof(digest) >= 64,
               "the state of XXH3 has room in a digest");

static XXH3_state_t *state_of(digest *sum)
{
    return (XXH3_state_t *)(void *)sum->state;
}

void digest_start(digest *sum)
{
    XXH3_64bits_reset(state_of(sum));
}

void digest_add(digest *sum, const void *bytes, size_t length)
{
    if (length > 0) {
        XXH3_64bits_update(state_of(sum), bytes, length);
    }
}

void digest_add_text(digest *sum, const char *text)
{
    digest_add(sum, text, strlen(text) + 1);
}

void digest_add_number(digest *sum, uint64_t number)
{
    unsigned char bytes[8];
    digest_write_bytes(bytes, number);
    digest_add(sum, bytes, sizeof bytes);
}

uint64_t digest_end(const digest *sum)
{
    return XXH3_64bits_digest((const XXH3_state_t *)(const void *)sum->state);
}

uint64_t digest_of(const void *bytes, size_t length)
{
    return XXH3_64bits(bytes, length);
}

void digest_write_bytes(unsigned char *bytes, uint64_t value)
{
    little_endian_put(bytes, 8, value);
}

uint64_t digest_read_bytes(const unsigned char *bytes)
{
    return little_endian_get(bytes, 8);
}

void digest_write(char *text, uint64_t value)
{
    for (size_t i = DIGEST_DIGITS; i-- > 0; value >>= 4) {
        text[i] = "0123456789abcdef"[value & 15];
    }
}

int digest_read(uint64_t *value, const char *text)
{
    *value = 0;
    for (size_t i = 0; i < DIGEST_DIGITS; i++) {
        const char *digits = "0123456789abcdef";
        const char *found = text[i] != '\0' ? strchr(digits, text[i]) : NULL;
        if (found == NULL) {
            return 0;
        }
        *value = *value << 4 | (uint64_t)(found - digits);
    }
    return 1;
}
