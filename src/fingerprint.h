/* A number that differs when tokens do. */
#ifndef FINGERPRINT_H
#define FINGERPRINT_H

#include <stdint.h>

#include "corpus.h"

/* XXH3 (64 bits) of the ids as int32, little-endian. */
int fingerprint_of(uint64_t *number, const corpus *tokens);

/* That of checkpoints of 0.1: FNV-1a (64 bits) of the same bytes. It takes many times as long. */
int fingerprint_former(uint64_t *number, const corpus *tokens);

#endif
