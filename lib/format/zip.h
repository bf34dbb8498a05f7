/* Zip files whose entries are stored and not compressed, as torch.save writes them (APPNOTE.TXT of
 * PKWARE, version 6.3.10, with the Zip64 records). Knows nothing of what is in them. */
#ifndef FORMAT_ZIP_H
#define FORMAT_ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lrnn/base.h"

typedef struct zip_entry {
    const char *name; /* of name_length bytes; no NUL after them */
    size_t name_length;
    const unsigned char *data;
    size_t length;
    size_t header; /* offset of its local header */
    uint32_t crc;  /* 0: the writer left it out */
    bool checked;
    bool compressed; /* zip_check refuses it */
} zip_entry;

typedef struct zip_file {
    lrnn_allocator allocator;
    const char *what;   /* begins every message; borrowed */
    zip_entry *entries; /* by name */
    size_t count;
} zip_file;

/* Reads the central directory; the bytes are borrowed. Everything is checked but the contents:
 * records and entries lie in the file one after the other without overlap, no entry is encrypted or
 * there twice. LRNN_ERR_FORMAT: it is not so; LRNN_ERR_MEMORY. Nothing to release
 * after a failure. */
lrnn_status zip_open(zip_file *zip, const lrnn_allocator *allocator, const char *what,
                     const unsigned char *bytes, size_t length);
void zip_close(zip_file *zip);

/* The entry of a name, NULL: there is none. */
zip_entry *zip_find(const zip_file *zip, const char *name, size_t length);

/* Compares the contents with the checksum, once. LRNN_ERR_FORMAT: they differ, or are compressed.
 */
lrnn_status zip_check(const zip_file *zip, zip_entry *entry);

#endif
