/* A part of a corpus shares the tokens of the whole; whoever made them frees them. */
#include "corpus.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file_kind.h"
#include "output.h"

bool corpus_is_file(const char *path)
{
    int descriptor = strcmp(path, "-") == 0 ? -1 : system_open_input(path);
    if (descriptor < 0) {
        return false;
    }
    bool is = file_kind_is(FILE_TOKENS, descriptor);
    close(descriptor);
    return is;
}

int corpus_open(corpus *made, const char *path)
{
    *made = (corpus){.name = path};
    lrnn_status status = lrnn_tokens_open(&made->file, path, NULL);
    if (status != LRNN_OK) {
        return complain_status(status, NULL);
    }
    made->count = lrnn_tokens_count(made->file);
    if (lrnn_tokens_vocab(made->file) == NULL) {
        corpus_free(made);
        return complain("%s: a token file without a vocabulary", path);
    }
    return 0;
}

int corpus_encode(corpus *made, const lrnn_vocab *vocab, const text *source)
{
    *made = (corpus){0};
    int failed = tokens_encode_text(&made->memory, vocab, source);
    made->count = made->memory.count;
    return failed;
}

void corpus_split(corpus *all, size_t count, corpus *last)
{
    all->count -= count;
    *last = *all;
    last->lent = true;
    last->count = count;
    last->first += all->count;
    if (last->file == NULL) {
        last->memory = (token_list){all->memory.ids + all->count, count};
    }
}

void corpus_free(corpus *made)
{
    if (!made->lent) {
        tokens_free(&made->memory);
        lrnn_tokens_destroy(made->file);
    }
    *made = (corpus){0};
}

lrnn_status corpus_read(int32_t *ids, const corpus *from, size_t first, size_t count)
{
    if (from->file != NULL) {
        return lrnn_tokens_read(ids, from->file, from->first + first, count);
    }
    memcpy(ids, from->memory.ids + first, count * sizeof *ids);
    return LRNN_OK;
}

lrnn_status corpus_batches(lrnn_batches **batches, const corpus *from,
                           const lrnn_batches_options *options)
{
    return from->file != NULL
               ? lrnn_batches_create_from_tokens(batches, from->file, from->first, from->count,
                                                 options)
               : lrnn_batches_create(batches, from->memory.ids, from->count, options);
}

int corpus_check_vocab(const corpus *file, const lrnn_vocab *vocab, const char *whose)
{
    const lrnn_vocab *own = lrnn_tokens_vocab(file->file);
    size_t size = lrnn_vocab_size(vocab), own_size = lrnn_vocab_size(own);
    if (own_size != size) {
        return complain("%s: a vocabulary of %zu tokens; %s has %zu", file->name, own_size, whose,
                        size);
    }
    for (size_t id = 0; id < size; id++) {
        const char *a = "", *b = "";
        size_t n = 0, m = 0;
        lrnn_vocab_get_token(&a, &n, own, (int32_t)id);
        lrnn_vocab_get_token(&b, &m, vocab, (int32_t)id);
        if (n != m || memcmp(a, b, n) != 0) {
            return complain("%s: its vocabulary is not that of %s: they differ at id %zu",
                            file->name, whose, id);
        }
    }
    return 0;
}
