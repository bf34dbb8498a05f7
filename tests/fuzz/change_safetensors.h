/* A mutator that knows safetensors files: it changes names, numbers, dtypes, shapes and entries of
 * the header and numbers of the data, then mostly makes the file whole again: offsets that follow
 * from dtypes and shapes, the header's length, as much data as the offsets say. What is left broken
 * now and then is what the reader has to notice. */
#ifndef FUZZ_CHANGE_SAFETENSORS_H
#define FUZZ_CHANGE_SAFETENSORS_H

#include "corpus.h"

enum { CHANGE_ROOM = 1 << 15, CHANGE_DATA = 1 << 14 };

/* The header as text that grows and shrinks, and the data. */
typedef struct change_file {
    char text[CHANGE_ROOM];
    size_t length;
    unsigned char data[CHANGE_DATA];
    size_t data_length;
} change_file;

static inline void change_splice(change_file *file, size_t at, size_t cut, const char *put,
                                 size_t length)
{
    if (at + cut > file->length || file->length - cut + length >= CHANGE_ROOM) {
        return;
    }
    memmove(file->text + at + length, file->text + at + cut, file->length - at - cut);
    memcpy(file->text + at, put, length);
    file->length += length - cut;
    file->text[file->length] = '\0';
}

/* Where the text occurs, from a random place on and around the end; the length if nowhere. */
static inline size_t change_find(const change_file *file, const char *what, uint64_t *random)
{
    size_t from = fuzz_random(random, file->length + 1);
    const char *found = strstr(file->text + from, what);
    found = found != NULL ? found : strstr(file->text, what);
    return found != NULL ? (size_t)(found - file->text) : file->length;
}

/* ---- single changes ---- */

static inline bool change_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline void change_number(change_file *file, uint64_t *random)
{
    static const char *const odd[] = {"0",
                                      "1",
                                      "2",
                                      "3",
                                      "4",
                                      "6",
                                      "8",
                                      "16",
                                      "-1",
                                      "255",
                                      "65536",
                                      "2147483647",
                                      "2147483648",
                                      "4294967296",
                                      "536870911",
                                      "9223372036854775807",
                                      "18446744073709551615",
                                      "1e999",
                                      "0.5",
                                      "nan"};
    char near[32];
    const char *put = near;
    size_t at = fuzz_random(random, file->length + 1), tried = 0;
    while (tried++ < file->length && !change_is_digit(file->text[at])) {
        at = at + 1 < file->length ? at + 1 : 0;
    }
    size_t end = at;
    while (at > 0 && change_is_digit(file->text[at - 1])) {
        at--;
    }
    while (end < file->length && change_is_digit(file->text[end])) {
        end++;
    }
    unsigned long number = strtoul(file->text + at, NULL, 10);
    if (fuzz_random(random, 2) == 0) {
        snprintf(near, sizeof near, "%lu", number + (unsigned long)fuzz_random(random, 3) - 1);
    } else {
        put = odd[fuzz_random(random, sizeof odd / sizeof *odd)];
    }
    change_splice(file, at, end - at, put, strlen(put));
}

/* Puts a word, or another string of the header, in place of a string. */
static inline void change_string(change_file *file, const char *const *words, size_t count,
                                 uint64_t *random)
{
    char copy[64];
    size_t at = change_find(file, "\"", random) + 1, from = change_find(file, "\"", random) + 1;
    if (at >= file->length || from >= file->length) {
        return;
    }
    size_t cut = strcspn(file->text + at, "\""), length = strcspn(file->text + from, "\"");
    const char *put = words[fuzz_random(random, count)];
    if (fuzz_random(random, 2) == 0 && length < sizeof copy) {
        memcpy(copy, file->text + from, length);
        put = copy;
    } else {
        length = strlen(put);
    }
    if (fuzz_random(random, 4) == 0) {
        cut = 0; /* in front of what is there */
    }
    change_splice(file, at, cut, put, length);
}

static inline void change_dtype(change_file *file, uint64_t *random)
{
    static const char *const names[] = {"F32", "F32", "F16", "BF16", "F64", "I64",
                                        "I32", "U8",  "I8",  "BOOL", "U64", "F8_E4M3"};
    size_t at = change_find(file, "\"dtype\":\"", random) + 9;
    if (at < file->length) {
        const char *put = names[fuzz_random(random, sizeof names / sizeof *names)];
        change_splice(file, at, strcspn(file->text + at, "\""), put, strlen(put));
    }
}

static inline void change_shape(change_file *file, uint64_t *random)
{
    char put[64];
    size_t at = change_find(file, "\"shape\":[", random) + 9, length = 0;
    if (at < file->length) {
        for (size_t rank = fuzz_random(random, 4); rank > 0; rank--) {
            length += (size_t)snprintf(put + length, sizeof put - length, "%s%zu",
                                       length > 0 ? "," : "", fuzz_random(random, 9));
        }
        change_splice(file, at, strcspn(file->text + at, "]"), put, length);
    }
}

/* Takes out an entry, or puts a copy of one somewhere else. */
static inline void change_entry(change_file *file, uint64_t *random)
{
    char copy[256];
    size_t at = change_find(file, ",\"", random);
    const char *next = at < file->length ? strstr(file->text + at + 1, ",\"") : NULL;
    size_t length = next != NULL ? (size_t)(next - file->text) - at : 0;
    if (fuzz_random(random, 2) == 0) {
        change_splice(file, at, length, "", 0);
    } else if (length < sizeof copy) {
        memcpy(copy, file->text + at, length);
        change_splice(file, change_find(file, ",\"", random), 0, copy, length);
    }
}

static inline void change_data(change_file *file, uint64_t *random)
{
    static const uint32_t odd[] = {0,          0x3f800000, 0xbf800000, 0x7f800000, 0x7fc00000,
                                   0x00000001, 0x7f7fffff, 0x80000000, 0x42c80000, 1,
                                   2,          0xffffffff, 0x3c003c00, 0x00003f80};
    size_t places = file->data_length / 4;
    if (places > 0) {
        memcpy(file->data + 4 * fuzz_random(random, places),
               &odd[fuzz_random(random, sizeof odd / sizeof *odd)], 4);
    }
}

/* ---- making it whole again ---- */

static inline size_t change_dtype_size(const char *name)
{
    const char *digits = name + strcspn(name, "0123456789\"");
    unsigned long bits = strtoul(digits, NULL, 10);
    return bits >= 8 && bits <= 64 ? bits / 8 : 1;
}

/* Elements of the shape at `text`; 0 when there are very many. */
static inline size_t change_count(const char *text)
{
    size_t count = 1;
    char *end;
    while (change_is_digit(*text)) {
        size_t size = strtoul(text, &end, 10);
        count = size < CHANGE_DATA && count < CHANGE_DATA ? count * size : 0;
        text = *end == ',' ? end + 1 : end;
    }
    return count;
}

/* Offsets that follow from dtypes and shapes; returns how much data they ask for. */
static inline size_t change_offsets(change_file *file)
{
    size_t at = 0, total = 0;
    for (;;) {
        char put[64];
        const char *entry = strstr(file->text + at, "\"dtype\":\"");
        const char *shape = entry != NULL ? strstr(entry, "\"shape\":[") : NULL;
        const char *offsets = shape != NULL ? strstr(shape, "\"data_offsets\":[") : NULL;
        if (offsets == NULL) {
            return total;
        }
        size_t bytes = change_count(shape + 9) * change_dtype_size(entry + 9);
        size_t where = (size_t)(offsets - file->text) + 16;
        int length = snprintf(put, sizeof put, "%zu,%zu", total, total + bytes);
        total += bytes;
        change_splice(file, where, strcspn(file->text + where, "]"), put, (size_t)length);
        at = where;
    }
}

static inline void change_repair(change_file *file, uint64_t *random)
{
    if (fuzz_random(random, 8) == 0) {
        return;
    }
    size_t total = change_offsets(file);
    if (total <= CHANGE_DATA && fuzz_random(random, 32) > 0) {
        for (; file->data_length < total; file->data_length++) {
            file->data[file->data_length] = 0;
        }
        file->data_length = total;
    }
}

/* ---- the whole ---- */

static inline uint64_t change_read_length(const unsigned char *bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < 8; i++) {
        value |= (uint64_t)bytes[i] << (8 * i);
    }
    return value;
}

static inline size_t change_put_together(unsigned char *bytes, const change_file *file, size_t room,
                                         size_t length, uint64_t *random)
{
    size_t header = file->length;
    if (8 + header + file->data_length > room) {
        return length;
    }
    if (fuzz_random(random, 32) == 0) {
        header += fuzz_random(random, 5) - 2;
    }
    for (size_t i = 0; i < 8; i++) {
        bytes[i] = (unsigned char)((uint64_t)header >> (8 * i));
    }
    memcpy(bytes + 8, file->text, file->length);
    memcpy(bytes + 8 + file->length, file->data, file->data_length);
    return 8 + file->length + file->data_length;
}

/* Changes a file in place; what is no safetensors file as any bytes are. */
static inline size_t change_safetensors(unsigned char *bytes, size_t length, size_t room,
                                        const char *const *words, size_t count, uint64_t *random)
{
    static change_file file;
    uint64_t header = length >= 8 ? change_read_length(bytes) : 0;
    if (header < 2 || header > length - 8 || header >= CHANGE_ROOM - 1 ||
        length - 8 - header > CHANGE_DATA || fuzz_random(random, 16) == 0) {
        return fuzz_any(bytes, length, room, random);
    }
    file.length = (size_t)header;
    memcpy(file.text, bytes + 8, file.length);
    for (size_t i = 0; i < file.length; i++) {
        file.text[i] = file.text[i] == '\0' ? ' ' : file.text[i];
    }
    file.text[file.length] = '\0';
    file.data_length = length - 8 - file.length;
    memcpy(file.data, bytes + 8 + file.length, file.data_length);
    for (size_t changes = 1 + fuzz_random(random, 3); changes > 0; changes--) {
        switch (fuzz_random(random, 8)) {
        case 0:
        case 1: change_number(&file, random); break;
        case 2:
        case 3: change_string(&file, words, count, random); break;
        case 4: change_dtype(&file, random); break;
        case 5: change_shape(&file, random); break;
        case 6: change_entry(&file, random); break;
        default: change_data(&file, random); break;
        }
    }
    change_repair(&file, random);
    return change_put_together(bytes, &file, room, length, random);
}

#endif
