/* Safetensors files made by hand, for tests. */
#ifndef SUPPORT_SAFETENSORS_BYTES_H
#define SUPPORT_SAFETENSORS_BYTES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/byte_order.h"

/* The bytes of a file with that header and data_length bytes 0, 1, 2, ...; free() takes them. The
 * block is exactly as long as the file, so that the address sanitizer sees every step too far. */
static inline unsigned char *safetensors_bytes(size_t *length, const char *header,
                                               size_t header_length, size_t data_length)
{
    *length = 8 + header_length + data_length;
    unsigned char *bytes = malloc(*length);
    if (bytes == NULL) {
        abort();
    }
    little_endian_put(bytes, 8, header_length);
    memcpy(bytes + 8, header, header_length);
    for (size_t i = 0; i < data_length; i++) {
        bytes[8 + header_length + i] = (unsigned char)i;
    }
    return bytes;
}

/* Of a file in memory. */
static inline size_t safetensors_header_length(const unsigned char *bytes)
{
    return (size_t)little_endian_get(bytes, 8);
}

/* Overwrites a F32 number. */
static inline void safetensors_put_float(unsigned char *bytes, float value)
{
    byte_order_convert(bytes, &value, 1, sizeof value);
}

/* A whole file; free() takes it. */
static inline unsigned char *file_bytes(size_t *length, const char *path)
{
    FILE *file = fopen(path, "rb");
    unsigned char *bytes = NULL;
    *length = 0;
    if (file == NULL) {
        perror(path);
        abort();
    }
    for (;;) {
        bytes = realloc(bytes, *length + 65536);
        if (bytes == NULL) {
            abort();
        }
        size_t n = fread(bytes + *length, 1, 65536, file);
        *length += n;
        if (n == 0) {
            fclose(file);
            return bytes;
        }
    }
}

/* The same of a file of ours whose digests nobody checks, so that the bytes can be changed. */
static inline unsigned char *undigested_bytes(size_t *length, const char *path)
{
    static const char key[] = "\"lrnn.digest\"";
    unsigned char *bytes = file_bytes(length, path);
    for (size_t at = 8; at + sizeof key < *length; at++) {
        if (memcmp(bytes + at, key, sizeof key - 1) == 0) {
            memcpy(bytes + at, "\"no.digests.\"", sizeof key - 1);
            return bytes;
        }
    }
    fprintf(stderr, "%s: has no digests\n", path);
    abort();
}

#endif
