/* Reading text files whole, one document after the other in one block of bytes. A byte order mark
 * is left out; at word level a newline is added after a document that does not end with one, so
 * that no word spans two documents. */
#include "text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpus.h"
#include "output.h"

static int reserve(text *all, size_t length)
{
    if (length <= all->capacity) {
        return 0;
    }
    size_t larger = all->capacity < 65536 ? 65536 : all->capacity * 2;
    char *bytes = realloc(all->bytes, larger);
    if (bytes == NULL) {
        return complain("out of memory after %zu bytes of text", all->length);
    }
    all->bytes = bytes;
    all->capacity = larger;
    return 0;
}

static int read_stream(text *all, FILE *stream, const char *path)
{
    for (;;) {
        if (reserve(all, all->length + 1) != 0) {
            return 1;
        }
        size_t got = fread(all->bytes + all->length, 1, all->capacity - all->length, stream);
        all->length += got;
        if (ferror(stream)) {
            return complain("cannot read %s: %s", path, strerror(errno));
        }
        if (got == 0) {
            return 0;
        }
    }
}

/* The name of an encoding that is not UTF-8, or NULL. Without a mark, every second byte of the
 * beginning is 0 in UTF-16 of Western text. */
static const char *foreign_encoding(const char *bytes, size_t length)
{
    const unsigned char *b = (const unsigned char *)bytes;
    if (length >= 4 && b[0] == 0xff && b[1] == 0xfe && b[2] == 0 && b[3] == 0) {
        return "UTF-32";
    }
    if (length >= 2 && ((b[0] == 0xff && b[1] == 0xfe) || (b[0] == 0xfe && b[1] == 0xff))) {
        return "UTF-16";
    }
    size_t zeros[2] = {0}, looked = length < 1024 ? length : 1024;
    for (size_t i = 0; i < looked; i++) {
        zeros[i % 2] += b[i] == 0;
    }
    size_t more = zeros[0] > zeros[1] ? zeros[0] : zeros[1];
    bool alternate =
        looked >= 8 && more >= looked / 2 - looked / 16 - 1 && zeros[0] + zeros[1] == more;
    return alternate ? "UTF-16" : NULL;
}

int text_check_beginning(size_t *mark, const char *bytes, size_t length, const char *name)
{
    const char *foreign = foreign_encoding(bytes, length);
    *mark = length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    return foreign == NULL
               ? 0
               : complain("%s: the text is %s: convert it to UTF-8 (iconv -f %s -t UTF-8), or "
                          "read it with --level byte",
                          name, foreign, foreign);
}

/* Leaves out the document's byte order mark. */
static int check_encoding(text *all, document *d)
{
    size_t mark;
    char *bytes = all->bytes + d->start;
    if (all->level == LRNN_LEVEL_BYTE) {
        return 0;
    }
    if (text_check_beginning(&mark, bytes, d->length, d->name) != 0) {
        return 1;
    }
    d->length -= mark;
    all->length -= mark;
    memmove(bytes, bytes + mark, d->length);
    return 0;
}

const char *text_name(const char *path)
{
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

char *text_names(char *const *paths, int count)
{
    const char *name = text_name(paths[0]);
    return count == 1 ? format_text("%s", name)
                      : format_text("%s and %d other%s", name, count - 1, count > 2 ? "s" : "");
}

static bool is_endless(FILE *stream)
{
    system_about about;
    int descriptor = fileno(stream);
    if (!system_look_at(&about, descriptor) ||
        (about.kind != SYSTEM_CHARACTERS && about.kind != SYSTEM_BLOCKS) ||
        system_is_terminal(descriptor)) {
        return false;
    }
    int first = getc(stream);
    return first != EOF && ungetc(first, stream) == first;
}

FILE *text_open(const char *path)
{
    FILE *stream = strcmp(path, "-") == 0 ? stdin : system_open_stream(path);
    if (stream == NULL) {
        complain("cannot read %s: %s", path, strerror(errno));
        return NULL;
    }
    if (is_endless(stream)) {
        complain("cannot read %s: it is a device, not a text", text_name(path));
        text_close(stream);
        return NULL;
    }
    return stream;
}

void text_close(FILE *stream)
{
    if (stream != stdin) {
        fclose(stream);
    }
}

static int read_file(text *all, const char *path)
{
    FILE *stream = text_open(path);
    if (stream == NULL) {
        return 1;
    }
    int failed = read_stream(all, stream, text_name(path));
    text_close(stream);
    return failed;
}

int text_add_file(text *all, const char *path)
{
    document *documents = realloc(all->documents, (all->count + 1) * sizeof *documents);
    if (documents == NULL || reserve(all, all->length + 1) != 0) {
        all->documents = documents != NULL ? documents : all->documents;
        return complain("%s: out of memory", path);
    }
    all->documents = documents;
    if (corpus_is_file(path)) {
        return complain("%s: a token file; lrnn train and lrnn eval read it, alone", path);
    }
    if (all->level >= LRNN_LEVEL_WORD && all->length > 0 && all->bytes[all->length - 1] != '\n') {
        all->bytes[all->length++] = '\n';
    }
    document *d = &documents[all->count++];
    *d = (document){text_name(path), all->length, 0};
    if (read_file(all, path) != 0) {
        return 1;
    }
    d->length = all->length - d->start;
    return check_encoding(all, d);
}

void text_free(text *all)
{
    free(all->bytes);
    free(all->documents);
    *all = (text){0};
}

size_t text_characters(const text *all)
{
    size_t count = 0;
    for (size_t i = 0; i < all->count; i++) {
        const document *d = &all->documents[i];
        for (size_t at = d->start; at < d->start + d->length; at++) {
            count += ((unsigned char)all->bytes[at] & 0xC0) != 0x80;
        }
    }
    return count;
}

int complain_text(lrnn_status status, const char *name)
{
    const char *help = status == LRNN_ERR_NOT_FOUND
                           ? "; a model trained with --unknown or --level byte reads it"
                       : status == LRNN_ERR_FORMAT ? "; --level byte reads any bytes"
                                                   : "";
    return complain("%s: %s%s", name, after_subject(lrnn_last_error(), "text"), help);
}

/* Encodes after the tokens that there are. */
static int add_tokens(token_list *tokens, const lrnn_vocab *vocab, const char *bytes, size_t length,
                      const char *name)
{
    size_t count;
    lrnn_status status = lrnn_vocab_encode(NULL, 0, &count, vocab, bytes, length);
    if (status == LRNN_OK && count > 0) {
        int32_t *ids = realloc(tokens->ids, (tokens->count + count) * sizeof *ids);
        if (ids == NULL) {
            return complain("%s: no memory for %zu tokens", name, tokens->count + count);
        }
        tokens->ids = ids;
        status = lrnn_vocab_encode(ids + tokens->count, count, &count, vocab, bytes, length);
        tokens->count += count;
    }
    return status == LRNN_OK ? 0 : complain_text(status, name);
}

int tokens_encode(token_list *tokens, const lrnn_vocab *vocab, const char *bytes, size_t length,
                  const char *name)
{
    *tokens = (token_list){0};
    if (add_tokens(tokens, vocab, bytes, length, name) != 0) {
        tokens_free(tokens);
        return 1;
    }
    return 0;
}

int tokens_encode_text(token_list *tokens, const lrnn_vocab *vocab, const text *all)
{
    *tokens = (token_list){0};
    for (size_t i = 0; i < all->count; i++) {
        const document *d = &all->documents[i];
        if (add_tokens(tokens, vocab, all->bytes + d->start, d->length, d->name) != 0) {
            tokens_free(tokens);
            return 1;
        }
    }
    return 0;
}

void tokens_free(token_list *tokens)
{
    free(tokens->ids);
    *tokens = (token_list){0};
}
