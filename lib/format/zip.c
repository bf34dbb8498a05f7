/* The file is read from its end: the last record says where the directory is, which lies right
 * before it; the directory says where each entry is. */
#include "zip.h"

#include <stdlib.h>
#include <string.h>

#include "base/byte_order.h"
#include "base/check.h"
#include "base/error.h"
#include "base/memory.h"

/* ---- numbers ---- */

static uint16_t get16(const unsigned char *byte)
{
    return (uint16_t)little_endian_get(byte, 2);
}

static uint32_t get32(const unsigned char *byte)
{
    return (uint32_t)little_endian_get(byte, 4);
}

/* ---- records ---- */

#define SIGNATURE_LOCAL     0x04034b50u
#define SIGNATURE_DIRECTORY 0x02014b50u
#define SIGNATURE_END       0x06054b50u
#define SIGNATURE_END64     0x06064b50u
#define SIGNATURE_LOCATOR   0x07064b50u

enum {
    LOCAL_SIZE = 30,
    DIRECTORY_SIZE = 46,
    END_SIZE = 22,
    END64_SIZE = 56,
    LOCATOR_SIZE = 20,
    FLAG_SIZES_BEHIND = 0x8, /* sizes and checksum are repeated after the data */
    FLAG_UTF8 = 0x800,
    EXTRA_ZIP64 = 1
};

#define IN_ZIP64 UINT32_MAX /* the number is in the Zip64 record */

/* Where the directory is. */
typedef struct directory {
    uint64_t offset, length, count;
} directory;

static lrnn_status damaged(const zip_file *zip, const char *why)
{
    return error_set(LRNN_ERR_FORMAT, "%s: damaged zip file: %s", zip->what, why);
}

/* A number of the last record that must be that of the Zip64 one, or say that it is there. */
static bool agrees(uint64_t number, uint64_t all, uint64_t number64)
{
    return number == number64 || number == all;
}

/* The Zip64 record is the one right before its locator, at `at`. */
static lrnn_status read_end64(directory *where, size_t *end, const zip_file *zip,
                              const unsigned char *bytes, size_t at)
{
    if (at < END64_SIZE || little_endian_get(bytes + at + 8, 8) != at - END64_SIZE ||
        get32(bytes + at + 4) != 0 || get32(bytes + at + 16) != 1) {
        return damaged(zip, "its Zip64 record is not before the locator");
    }
    const unsigned char *record = bytes + at - END64_SIZE;
    if (get32(record) != SIGNATURE_END64 || little_endian_get(record + 4, 8) != END64_SIZE - 12 ||
        get32(record + 16) != 0 || get32(record + 20) != 0 ||
        little_endian_get(record + 24, 8) != little_endian_get(record + 32, 8)) {
        return damaged(zip, "no Zip64 record");
    }
    directory found = {
        .count = little_endian_get(record + 32, 8),
        .length = little_endian_get(record + 40, 8),
        .offset = little_endian_get(record + 48, 8),
    };
    if (!agrees(where->count, UINT16_MAX, found.count) ||
        !agrees(where->length, IN_ZIP64, found.length) ||
        !agrees(where->offset, IN_ZIP64, found.offset)) {
        return damaged(zip, "its last records disagree");
    }
    *where = found;
    *end = at - END64_SIZE;
    return LRNN_OK;
}

static lrnn_status find_directory(directory *where, const zip_file *zip, const unsigned char *bytes,
                                  size_t length)
{
    if (length < END_SIZE || get32(bytes + length - END_SIZE) != SIGNATURE_END) {
        return damaged(zip, "it does not end with the end of a directory; is it cut off?");
    }
    size_t end = length - END_SIZE;
    const unsigned char *record = bytes + end;
    if (get16(record + 4) != 0 || get16(record + 6) != 0 || get16(record + 20) != 0 ||
        get16(record + 8) != get16(record + 10)) {
        return damaged(zip, "a part of several, or with a comment");
    }
    where->count = get16(record + 10);
    where->length = get32(record + 12);
    where->offset = get32(record + 16);
    if (end >= LOCATOR_SIZE && get32(bytes + end - LOCATOR_SIZE) == SIGNATURE_LOCATOR) {
        CHECK(read_end64(where, &end, zip, bytes, end - LOCATOR_SIZE));
    }
    bool there = where->offset <= end && where->length == end - where->offset &&
                 where->count <= where->length / DIRECTORY_SIZE;
    return there ? LRNN_OK : damaged(zip, "its directory is not where it should be");
}

/* ---- entries ---- */

static lrnn_status damaged_entry(const zip_file *zip, const zip_entry *entry, const char *why)
{
    int length = entry->name_length > 100 ? 100 : (int)entry->name_length;
    return error_set(LRNN_ERR_FORMAT, "%s: zip entry '%.*s': %s", zip->what, length, entry->name,
                     why);
}

/* Replaces the numbers that are in the Zip64 field among the extra fields; each stands there in
 * this order, and only if it is needed. */
static bool read_extra(uint64_t *numbers[3], const unsigned char *extra, size_t length)
{
    while (length >= 4) {
        size_t size = get16(extra + 2);
        if (size > length - 4) {
            return false;
        }
        const unsigned char *field = extra + 4;
        size_t left = get16(extra) == EXTRA_ZIP64 ? size : 0;
        for (size_t i = 0; i < 3 && left > 0; i++) {
            if (*numbers[i] == IN_ZIP64) {
                if (left < 8) {
                    return false;
                }
                *numbers[i] = little_endian_get(field, 8);
                field += 8;
                left -= 8;
            }
        }
        extra += 4 + size;
        length -= 4 + size;
    }
    return length == 0;
}

/* Sets where the data is, from the local header; `end` is where the directory begins. */
static lrnn_status read_local(const zip_file *zip, zip_entry *entry, const unsigned char *bytes,
                              uint64_t header, uint64_t length, size_t end)
{
    if (header > end || end - header < LOCAL_SIZE) {
        return damaged_entry(zip, entry, "it begins past the end");
    }
    const unsigned char *local = bytes + header;
    size_t data = (size_t)header + LOCAL_SIZE;
    if (get32(local) != SIGNATURE_LOCAL || (get16(local + 8) != 0 && !entry->compressed) ||
        get16(local + 26) != entry->name_length || entry->name_length > end - data ||
        memcmp(bytes + data, entry->name, entry->name_length) != 0) {
        return damaged_entry(zip, entry, "its header is not that of the directory");
    }
    data += entry->name_length;
    size_t extra = get16(local + 28);
    if (extra > end - data || length > end - data - extra) {
        return damaged_entry(zip, entry, "it ends past the end");
    }
    entry->header = (size_t)header;
    entry->data = bytes + data + extra;
    entry->length = (size_t)length;
    return LRNN_OK;
}

/* Reads the entry at `at` of the directory, which has `left` bytes, and says how many it took. */
static lrnn_status read_entry(size_t *took, const zip_file *zip, zip_entry *entry,
                              const unsigned char *bytes, size_t end, size_t at, size_t left)
{
    const unsigned char *record = bytes + at;
    if (left < DIRECTORY_SIZE || get32(record) != SIGNATURE_DIRECTORY) {
        return damaged(zip, "an entry of its directory is none");
    }
    size_t name = get16(record + 28), extra = get16(record + 30), comment = get16(record + 32);
    if (name + extra + comment > left - DIRECTORY_SIZE) {
        return damaged(zip, "an entry of its directory is cut off");
    }
    uint64_t stored = get32(record + 20), length = get32(record + 24), header = get32(record + 42);
    uint64_t *numbers[] = {&length, &stored, &header};
    *entry = (zip_entry){
        .name = (const char *)record + DIRECTORY_SIZE,
        .name_length = name,
        .crc = get32(record + 16),
    };
    *took = DIRECTORY_SIZE + name + extra + comment;
    if (!read_extra(numbers, record + DIRECTORY_SIZE + name, extra)) {
        return damaged_entry(zip, entry, "its extra fields do not fit");
    }
    if ((get16(record + 8) & ~(FLAG_SIZES_BEHIND | FLAG_UTF8)) != 0) {
        return damaged_entry(zip, entry, "encrypted, or of an unknown kind");
    }
    entry->compressed = get16(record + 10) != 0;
    if (!entry->compressed && stored != length) {
        return damaged_entry(zip, entry, "compressed; torch.save does not do that");
    }
    if (get16(record + 34) != 0) {
        return damaged_entry(zip, entry, "in another file");
    }
    return read_local(zip, entry, bytes, header, stored, end);
}

static int compare_headers(const void *left, const void *right)
{
    const zip_entry *a = left, *b = right;
    return (a->header > b->header) - (a->header < b->header);
}

static int compare_name(const zip_entry *entry, const char *name, size_t length)
{
    size_t common = entry->name_length < length ? entry->name_length : length;
    int order = memcmp(entry->name, name, common);
    return order != 0 ? order : (entry->name_length > length) - (entry->name_length < length);
}

static int compare_names(const void *left, const void *right)
{
    const zip_entry *b = right;
    return compare_name(left, b->name, b->name_length);
}

static lrnn_status check_entries(zip_file *zip, const unsigned char *bytes)
{
    if (zip->count == 0) {
        return LRNN_OK;
    }
    qsort(zip->entries, zip->count, sizeof *zip->entries, compare_headers);
    for (size_t i = 1; i < zip->count; i++) {
        const zip_entry *before = &zip->entries[i - 1];
        size_t end = (size_t)(before->data - bytes) + before->length;
        if (end > zip->entries[i].header) {
            return damaged_entry(zip, &zip->entries[i], "it overlaps the one before it");
        }
    }
    qsort(zip->entries, zip->count, sizeof *zip->entries, compare_names);
    for (size_t i = 1; i < zip->count; i++) {
        if (compare_names(&zip->entries[i - 1], &zip->entries[i]) == 0) {
            return damaged_entry(zip, &zip->entries[i], "it is there twice");
        }
    }
    return LRNN_OK;
}

static lrnn_status read_entries(zip_file *zip, const directory *where, const unsigned char *bytes)
{
    size_t at = (size_t)where->offset, left = (size_t)where->length, took = 0;
    for (size_t i = 0; i < zip->count; i++) {
        CHECK(read_entry(&took, zip, &zip->entries[i], bytes, (size_t)where->offset, at, left));
        at += took;
        left -= took;
    }
    if (left != 0) {
        return damaged(zip, "its directory has more entries than it says");
    }
    return check_entries(zip, bytes);
}

lrnn_status zip_open(zip_file *zip, const lrnn_allocator *allocator, const char *what,
                     const unsigned char *bytes, size_t length)
{
    directory where = {0};
    *zip = (zip_file){.allocator = *allocator, .what = what};
    CHECK(find_directory(&where, zip, bytes, length));
    zip->count = (size_t)where.count;
    zip->entries = memory_allocate(allocator, zip->count, sizeof *zip->entries, "entries of a zip");
    if (zip->entries == NULL) {
        return LRNN_ERR_MEMORY;
    }
    lrnn_status status = read_entries(zip, &where, bytes);
    if (status != LRNN_OK) {
        zip_close(zip);
    }
    return status;
}

void zip_close(zip_file *zip)
{
    memory_release(&zip->allocator, zip->entries);
    *zip = (zip_file){.allocator = zip->allocator};
}

zip_entry *zip_find(const zip_file *zip, const char *name, size_t length)
{
    size_t low = 0, high = zip->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_name(&zip->entries[middle], name, length);
        if (order == 0) {
            return &zip->entries[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

/* ---- checksums ---- */

/* CRC-32 of ISO 3309, reflected, eight bytes at a time (Kounavis and Berry 2005): table k says what
 * a byte does to the remainder of the k bytes after it. */
static void make_tables(uint32_t tables[8][256])
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc & 1) != 0 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
        }
        tables[0][i] = crc;
    }
    for (size_t k = 1; k < 8; k++) {
        for (size_t i = 0; i < 256; i++) {
            tables[k][i] = tables[k - 1][i] >> 8 ^ tables[0][tables[k - 1][i] & 255];
        }
    }
}

static uint32_t crc32(const unsigned char *bytes, size_t length)
{
    uint32_t tables[8][256], crc = UINT32_MAX;
    make_tables(tables);
    for (; length >= 8; bytes += 8, length -= 8) {
        uint32_t low = get32(bytes) ^ crc, high = get32(bytes + 4);
        crc = tables[7][low & 255] ^ tables[6][low >> 8 & 255] ^ tables[5][low >> 16 & 255] ^
              tables[4][low >> 24] ^ tables[3][high & 255] ^ tables[2][high >> 8 & 255] ^
              tables[1][high >> 16 & 255] ^ tables[0][high >> 24];
    }
    for (; length > 0; bytes++, length--) {
        crc = crc >> 8 ^ tables[0][(crc ^ *bytes) & 255];
    }
    return ~crc;
}

lrnn_status zip_check(const zip_file *zip, zip_entry *entry)
{
    if (entry->compressed) {
        return damaged_entry(zip, entry, "compressed; torch.save does not do that");
    }
    if (!entry->checked && entry->crc != 0 && crc32(entry->data, entry->length) != entry->crc) {
        return damaged_entry(zip, entry, "its checksum is wrong");
    }
    entry->checked = true;
    return LRNN_OK;
}
