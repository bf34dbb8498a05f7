/* Files of torch.save through lrnn_model_import. The mutator takes the zip apart, changes pickle,
 * numbers or names, and puts it together again with the right checksums, most of the time. */
#include "corpus.h"
#include "import.h"
#include "support/torch_bytes.h"

static void fuzz_one(const unsigned char *bytes, size_t length)
{
    import_one(bytes, length);
}

/* ---- the zip taken apart ---- */

enum { PARTS = ZIP_BUILDER_ENTRIES, PART_ROOM = 1 << 13 };

typedef struct part {
    char name[64];
    unsigned char bytes[PART_ROOM];
    size_t length;
} part;

static part parts[PARTS];

static size_t number(const unsigned char *bytes, size_t size)
{
    size_t value = 0;
    for (size_t i = 0; i < size; i++) {
        value |= (size_t)bytes[i] << (8 * i);
    }
    return value;
}

/* Reads the entry of the directory at `at`; returns how long it is, 0 if it is none. */
static size_t take_part(part *to, const unsigned char *bytes, size_t length, size_t at)
{
    if (at + 46 > length || number(bytes + at, 4) != 0x02014b50) {
        return 0;
    }
    size_t name = number(bytes + at + 28, 2), size = number(bytes + at + 24, 4);
    size_t header = number(bytes + at + 42, 4);
    if (name >= sizeof to->name || at + 46 + name > length || header + 30 > length ||
        size > PART_ROOM) {
        return 0;
    }
    size_t data = header + 30 + number(bytes + header + 26, 2) + number(bytes + header + 28, 2);
    if (data > length || size > length - data) {
        return 0;
    }
    memcpy(to->name, bytes + at + 46, name);
    to->name[name] = '\0';
    memcpy(to->bytes, bytes + data, size);
    to->length = size;
    return 46 + name + number(bytes + at + 30, 2) + number(bytes + at + 32, 2);
}

/* Number of parts; 0: it is no zip that this understands. */
static size_t take_apart(const unsigned char *bytes, size_t length)
{
    size_t count = 0;
    if (length < 22 || number(bytes + length - 22, 4) != 0x06054b50) {
        return 0;
    }
    size_t at = number(bytes + length - 6, 4), step;
    while (count < PARTS && (step = take_part(&parts[count], bytes, length, at)) > 0) {
        at += step;
        count++;
    }
    return count;
}

/* ---- and put together ---- */

static uint32_t checksum(const unsigned char *bytes, size_t length)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc & 1) != 0 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
        }
    }
    return ~crc;
}

static size_t put_together(unsigned char *bytes, size_t length, size_t room, size_t count,
                           uint64_t *random)
{
    zip_builder zip = {0};
    bool checked = fuzz_random(random, 2) == 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t crc = checked ? checksum(parts[i].bytes, parts[i].length) : 0;
        zip_add(&zip, parts[i].name, parts[i].bytes, parts[i].length, crc);
    }
    unsigned char *made = zip_finish(&zip, fuzz_random(random, 8) == 0);
    if (zip.length <= room) {
        memcpy(bytes, made, zip.length);
        length = zip.length;
    }
    free(made);
    return length;
}

/* ---- changes of a part ---- */

static void splice(part *in, size_t at, size_t cut, const void *put, size_t length)
{
    if (at + cut <= in->length && in->length - cut + length <= PART_ROOM) {
        memmove(in->bytes + at + length, in->bytes + at + cut, in->length - at - cut);
        memcpy(in->bytes + at, put, length);
        in->length += length - cut;
    }
}

/* Puts a name in place of a text of the pickle (BINUNICODE: X, four bytes of length, the text), or
 * in front of it. */
static void change_text(part *pickle, uint64_t *random)
{
    char put[512];
    size_t at = fuzz_random(random, pickle->length + 1), tried = 0;
    while (tried++ < pickle->length &&
           (at + 5 > pickle->length || pickle->bytes[at] != 'X' ||
            number(pickle->bytes + at + 1, 4) > pickle->length - at - 5)) {
        at = at + 1 < pickle->length ? at + 1 : 0;
    }
    if (tried > pickle->length) {
        return;
    }
    const char *word = import_words[fuzz_random(random, IMPORT_WORDS)];
    size_t old = number(pickle->bytes + at + 1, 4), length = strlen(word);
    memcpy(put + 5, word, length);
    if (fuzz_random(random, 2) == 0 && old < 256) {
        memcpy(put + 5 + length, pickle->bytes + at + 5, old);
        length += old;
    }
    put[0] = 'X';
    for (size_t i = 0; i < 4; i++) {
        put[1 + i] = (char)(length >> (8 * i));
    }
    splice(pickle, at, 5 + old, put, 5 + length);
}

static void change_operations(part *pickle, uint64_t *random)
{
    static const char *const pieces[] = {"\x80\x02",
                                         "(",
                                         ")",
                                         "}",
                                         "]",
                                         "K\1",
                                         "K\2\x85",
                                         "\x86",
                                         "\x87",
                                         "t",
                                         "R",
                                         "Q",
                                         "s",
                                         "u",
                                         "b",
                                         "e",
                                         "a",
                                         "q\1",
                                         "h\1",
                                         "j\1",
                                         "tQ",
                                         "N",
                                         "\x88",
                                         "\x89",
                                         ".",
                                         "0",
                                         "1",
                                         "ctorch\nHalfStorage\n",
                                         "ctorch\nByteStorage\n",
                                         "ctorch\nBFloat16Storage\n",
                                         "ccollections\nOrderedDict\n)R",
                                         "ccollections\ndefaultdict\n",
                                         "cargparse\nNamespace\n)\x81",
                                         "cnumpy.core.multiarray\nscalar\n",
                                         "cos\nsystem\n",
                                         "M\xff\xff",
                                         "J\xff\xff\xff\x7f",
                                         "\x8a\x8\xff\xff\xff\xff\xff\xff\xff\x7f",
                                         "X\2\0\0\0no",
                                         PICKLE_TENSOR(PICKLE_STORAGE("Float", "0", "\6"), "\1",
                                                       PICKLE_PAIR("\2", "\2"),
                                                       PICKLE_PAIR("\2", "\1"))};
    const char *put = pieces[fuzz_random(random, sizeof pieces / sizeof *pieces)];
    size_t at = fuzz_random(random, pickle->length + 1), left = pickle->length - at;
    size_t cut = fuzz_random(random, 2) == 0 ? 0 : strlen(put);
    splice(pickle, at, cut < left ? cut : left, put, strlen(put));
}

static void change_part(part *in, uint64_t *random)
{
    bool pickle = strstr(in->name, "data.pkl") != NULL;
    switch (fuzz_random(random, pickle ? 6 : 12)) {
    case 0:
    case 1: change_text(in, random); break;
    case 2:
    case 3: change_operations(in, random); break;
    case 4: in->length = fuzz_any(in->bytes, in->length, PART_ROOM, random); break;
    case 5: {
        size_t at = fuzz_random(random, in->length + 1);
        if (at < in->length) {
            in->bytes[at] = (unsigned char)(in->bytes[at] + fuzz_random(random, 3) - 1);
        }
        break;
    }
    case 6: {
        char *byte = in->name + fuzz_random(random, strlen(in->name) + 1);
        *byte = *byte == '\0' ? '\0' : "0123/.x"[fuzz_random(random, 7)];
        break;
    }
    default: break;
    }
}

static size_t fuzz_change(unsigned char *bytes, size_t length, size_t room, uint64_t *random)
{
    size_t count = 0;
    if (length > IMPORT_PREFIX && fuzz_random(random, 8) > 0) {
        count = take_apart(bytes + IMPORT_PREFIX, length - IMPORT_PREFIX);
    }
    if (count == 0) {
        return fuzz_any(bytes, length, room, random);
    }
    for (size_t changes = 1 + fuzz_random(random, 3); changes > 0; changes--) {
        /* the pickle more often than the others */
        size_t which = fuzz_random(random, 2 * count);
        for (size_t i = 0; which >= count && i < count; i++) {
            which = strstr(parts[i].name, "data.pkl") != NULL ? i : which;
        }
        change_part(&parts[which % count], random);
    }
    return IMPORT_PREFIX + put_together(bytes + IMPORT_PREFIX, length - IMPORT_PREFIX,
                                        room - IMPORT_PREFIX, count, random);
}

FUZZ_TARGET("import_torch");
