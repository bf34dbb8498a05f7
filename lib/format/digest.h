/* The digest of bytes in our files: XXH3 of 64 bits (https://xxhash.com), without a seed. It sees
 * damage, not intent. Bytes may be added in pieces of any size. */
#ifndef FORMAT_DIGEST_H
#define FORMAT_DIGEST_H

#include <stddef.h>
#include <stdint.h>

typedef struct digest {
    _Alignas(64) unsigned char state[640];
} digest;

void digest_start(digest *sum);
void digest_add(digest *sum, const void *bytes, size_t length);
void digest_add_text(digest *sum, const char *text); /* its NUL too */
void digest_add_number(digest *sum, uint64_t number);
uint64_t digest_end(const digest *sum);

/* All at once. */
uint64_t digest_of(const void *bytes, size_t length);

/* In 8 bytes, little-endian. */
void digest_write_bytes(unsigned char *bytes, uint64_t value);
uint64_t digest_read_bytes(const unsigned char *bytes);

/* In text: 16 hexadecimal digits, small letters. */
#define DIGEST_DIGITS 16
void digest_write(char *text, uint64_t value);      /* writes no NUL */
int digest_read(uint64_t *value, const char *text); /* 0: these are no such digits */

#endif
