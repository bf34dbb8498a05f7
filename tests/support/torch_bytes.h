/* Zip files in memory, and pickles as torch.save writes them, for the tests of their readers. */
#ifndef SUPPORT_TORCH_BYTES_H
#define SUPPORT_TORCH_BYTES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/byte_order.h"

enum { ZIP_BUILDER_ENTRIES = 16, ZIP_BUILDER_ROOM = 1 << 18 };

/* A zip file that grows; begins as {0}. */
typedef struct zip_builder {
    unsigned char *bytes;
    size_t length;
    size_t count;
    struct {
        char name[64];
        size_t header, length;
        uint32_t crc;
    } entries[ZIP_BUILDER_ENTRIES];
} zip_builder;

static inline void zip_put(zip_builder *zip, const void *bytes, size_t length)
{
    if (zip->bytes == NULL) {
        zip->bytes = malloc(ZIP_BUILDER_ROOM);
    }
    if (zip->bytes == NULL || length > ZIP_BUILDER_ROOM - zip->length) {
        abort();
    }
    if (length > 0) {
        memcpy(zip->bytes + zip->length, bytes, length);
    }
    zip->length += length;
}

static inline void zip_number(zip_builder *zip, uint64_t number, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)(i < 8 ? number >> (8 * i) : 0);
        zip_put(zip, &byte, 1);
    }
}

/* Adds an entry. crc 0: its checksum is left out. */
static inline void zip_add(zip_builder *zip, const char *name, const void *bytes, size_t length,
                           uint32_t crc)
{
    if (zip->count == ZIP_BUILDER_ENTRIES) {
        abort();
    }
    snprintf(zip->entries[zip->count].name, sizeof zip->entries[0].name, "%s", name);
    zip->entries[zip->count].header = zip->length;
    zip->entries[zip->count].length = length;
    zip->entries[zip->count++].crc = crc;
    zip_number(zip, 0x04034b50, 4);
    zip_number(zip, 0, 10); /* version, flags, method, time, date */
    zip_number(zip, crc, 4);
    zip_number(zip, length, 4);
    zip_number(zip, length, 4);
    zip_number(zip, strlen(name), 2);
    zip_number(zip, 0, 2);
    zip_put(zip, name, strlen(name));
    zip_put(zip, bytes, length);
}

/* Adds the directory. wide: with all numbers in Zip64 records. The block becomes exactly as long as
 * the file; free() takes it. */
static inline unsigned char *zip_finish(zip_builder *zip, bool wide)
{
    size_t directory = zip->length;
    for (size_t i = 0; i < zip->count; i++) {
        size_t length = zip->entries[i].length;
        zip_number(zip, 0x02014b50, 4);
        zip_number(zip, 0, 12); /* versions, flags, method, time, date */
        zip_number(zip, zip->entries[i].crc, 4);
        zip_number(zip, wide ? UINT32_MAX : length, 4);
        zip_number(zip, wide ? UINT32_MAX : length, 4);
        zip_number(zip, strlen(zip->entries[i].name), 2);
        zip_number(zip, wide ? 28 : 0, 2);
        zip_number(zip, 0, 10); /* comment, disk, attributes */
        zip_number(zip, wide ? UINT32_MAX : zip->entries[i].header, 4);
        zip_put(zip, zip->entries[i].name, strlen(zip->entries[i].name));
        if (wide) {
            zip_number(zip, 1, 2);
            zip_number(zip, 24, 2);
            zip_number(zip, length, 8);
            zip_number(zip, length, 8);
            zip_number(zip, zip->entries[i].header, 8);
        }
    }
    size_t end = zip->length;
    if (wide) {
        zip_number(zip, 0x06064b50, 4);
        zip_number(zip, 44, 8);
        zip_number(zip, 0, 12); /* versions, disks */
        zip_number(zip, zip->count, 8);
        zip_number(zip, zip->count, 8);
        zip_number(zip, end - directory, 8);
        zip_number(zip, directory, 8);
        zip_number(zip, 0x07064b50, 4);
        zip_number(zip, 0, 4);
        zip_number(zip, end, 8);
        zip_number(zip, 1, 4);
    }
    zip_number(zip, 0x06054b50, 4);
    zip_number(zip, 0, 4);
    zip_number(zip, wide ? UINT16_MAX : zip->count, 2);
    zip_number(zip, wide ? UINT16_MAX : zip->count, 2);
    zip_number(zip, wide ? UINT32_MAX : end - directory, 4);
    zip_number(zip, wide ? UINT32_MAX : directory, 4);
    zip_number(zip, 0, 2);
    unsigned char *exact = realloc(zip->bytes, zip->length);
    if (exact == NULL) {
        abort();
    }
    zip->bytes = NULL;
    return exact;
}

/* Pieces of pickles, as string literals; sizeof counts a NUL at the end of the whole. */
#define PICKLE_TEXT_1(c)   "X\1\0\0\0" c
#define PICKLE_TEXT_3(abc) "X\3\0\0\0" abc
#define PICKLE_ORDERED     "ccollections\nOrderedDict\n)R"
/* Storage `key`, of `type` and `count` elements: both one character, the count a byte. */
#define PICKLE_STORAGE(type, key, count)                                                           \
    "(X\7\0\0\0storagectorch\n" type "Storage\n" PICKLE_TEXT_1(key) PICKLE_TEXT_3("cpu") "K" count \
                                                                                         "tQ"
/* A tensor; offset a byte, shape and strides tuples. */
#define PICKLE_TENSOR(storage, offset, shape, strides)                                             \
    "ctorch._utils\n_rebuild_tensor_v2\n(" storage "K" offset shape strides "\x89" PICKLE_ORDERED  \
    "tR"
/* A parameter. */
#define PICKLE_PARAMETER(tensor) "ctorch._utils\n_rebuild_parameter\n" tensor "\x88)\x87R"
#define PICKLE_PAIR(a, b)        "K" a "K" b "\x86"

/* A file of torch.save's around a pickle, with storages 0 (24 bytes: floats 0 to 5) and 1 (16
 * bytes). */
static inline unsigned char *torch_bytes(size_t *length, const void *pickle, size_t pickle_length)
{
    float numbers[] = {0, 1, 2, 3, 4, 5};
    static const unsigned char bytes[16] = {1, 0, 0, 0, 0, 0, 0, 0, 2};
    zip_builder zip = {0};
    zip_add(&zip, "net/data.pkl", pickle, pickle_length, 0);
    zip_add(&zip, "net/byteorder", "little", 6, 0);
    byte_order_convert(numbers, numbers, 6, sizeof *numbers);
    zip_add(&zip, "net/data/0", numbers, sizeof numbers, 0);
    zip_add(&zip, "net/data/1", bytes, sizeof bytes, 0);
    unsigned char *made = zip_finish(&zip, false);
    *length = zip.length;
    return made;
}

#endif
