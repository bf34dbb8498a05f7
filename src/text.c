#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

int text_add_file(text *all, const char *path)
{
    if (all->length > 0 && all->bytes[all->length - 1] != '\n') {
        if (reserve(all, all->length + 1) != 0) {
            return 1;
        }
        all->bytes[all->length++] = '\n';
    }
    if (strcmp(path, "-") == 0) {
        return read_stream(all, stdin, path);
    }
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) {
        return complain("cannot read %s: %s", path, strerror(errno));
    }
    int failed = read_stream(all, stream, path);
    fclose(stream);
    return failed;
}

int text_terminate(text *all)
{
    if (reserve(all, all->length + 1) != 0) {
        return 1;
    }
    all->bytes[all->length] = '\0';
    return 0;
}

void text_free(text *all)
{
    free(all->bytes);
    *all = (text){0};
}

size_t text_characters(const text *all)
{
    size_t count = 0;
    for (size_t i = 0; i < all->length; i++) {
        count += ((unsigned char)all->bytes[i] & 0xC0) != 0x80;
    }
    return count;
}

int tokens_encode(token_list *tokens, const lrnn_vocab *vocab, const char *bytes, size_t length,
                  const char *name)
{
    *tokens = (token_list){0};
    lrnn_status status = lrnn_vocab_encode(NULL, 0, &tokens->count, vocab, bytes, length);
    if (status == LRNN_OK && tokens->count > 0) {
        tokens->ids = malloc(tokens->count * sizeof *tokens->ids);
        if (tokens->ids == NULL) {
            return complain("%s: no memory for %zu tokens", name, tokens->count);
        }
        status =
            lrnn_vocab_encode(tokens->ids, tokens->count, &tokens->count, vocab, bytes, length);
    }
    if (status != LRNN_OK) {
        tokens_free(tokens);
        return complain_status(status, name);
    }
    return 0;
}

void tokens_free(token_list *tokens)
{
    free(tokens->ids);
    *tokens = (token_list){0};
}

uint64_t tokens_fingerprint(const int32_t *ids, size_t count)
{
    uint64_t hash = 0xCBF29CE484222325u;
    for (size_t i = 0; i < count; i++) {
        for (unsigned shift = 0; shift < 32; shift += 8) {
            hash = (hash ^ (((uint32_t)ids[i] >> shift) & 0xFFu)) * 0x100000001B3u;
        }
    }
    return hash;
}
